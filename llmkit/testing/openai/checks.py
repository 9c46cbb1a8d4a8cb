"""Whether a JSON value is of the type and in the range that a host asks for; else a `Fault` in its words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from llmkit.testing.openai.errors import Fault

NOT_JSON: Final = Fault(
    "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload, but what was sent was "
    "not valid JSON."
)
Type: TypeAlias = Literal["string", "boolean", "integer", "decimal", "array", "object", "string or array"]

_FITS: Final[Mapping[Type, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "decimal": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "string or array": lambda value: isinstance(value, (str, list)),
}
_PHRASES: Final[Mapping[Type, str]] = {
    "string": "a string",
    "boolean": "a boolean",
    "integer": "an integer",
    "decimal": "a decimal",
    "array": "an array of objects",
    "object": "an object",
    "string or array": "one of a string or array of objects",
}


@frozen
class Field:
    """What a key of a body may hold.

    Attributes:
        type: Its type; null is as good as nothing.
        least: The smallest number.
        most: The largest.
        filled: Whether an empty array is refused.
    """

    type: Type
    least: float | None = None
    most: float | None = None
    filled: bool = False


def missing(path: str) -> Fault:
    """Something that is required is not there."""
    return Fault(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def mistyped(value: object, expected: str, path: str) -> Fault:
    """Something is of another type."""
    return Fault(
        f"Invalid type for '{path}': expected {expected}, but got {_got(value)} instead.", path, "invalid_type"
    )


def _got(value: object) -> str:
    if value is None:
        return "null"
    return next(phrase for kind, phrase in _GOT if _FITS[kind](value))


_GOT: Final[Sequence[tuple[Type, str]]] = (
    ("string", "a string"), ("boolean", "a boolean"), ("integer", "an integer"), ("decimal", "a decimal"),
    ("array", "an array"), ("object", "an object"),
)  # fmt: skip


def unknown_value(value: object, known: Sequence[str], path: str) -> Fault:
    """Something is none of the words that are known."""
    words = ", ".join(f"'{word}'" for word in known[:-1]) + f", and '{known[-1]}'"
    return Fault(f"Invalid value: '{value}'. Supported values are: {words}.", path, "invalid_value")


def typed(value: Any, kind: Type, path: str) -> Iterator[Fault]:
    """The fault of a value that is not of that type."""
    if not _FITS[kind](value):
        yield mistyped(value, _PHRASES[kind], path)


def required(holder: Mapping[str, Any], name: str, kind: Type, where: str) -> Iterator[Fault]:
    """The fault of a key that is missing, or of another type."""
    path = f"{where}.{name}" if where else name
    if holder.get(name) is None:
        yield missing(path)
    yield from typed(holder.get(name), kind, path)


def fields(body: Mapping[str, Any], table: Mapping[str, Field]) -> Iterator[Fault]:
    """The faults of the keys in `body` that `table` knows."""
    for name, field in table.items():
        if (value := body.get(name)) is not None:
            yield from typed(value, field.type, name)
            yield from _bounded(value, field, name)


def _bounded(value: Any, field: Field, path: str) -> Iterator[Fault]:
    if field.least is not None and value < field.least:
        words = f"{field.type} below minimum value. Expected a value >= {field.least:g}, but got {value} instead."
        yield Fault(f"Invalid '{path}': {words}", path, f"{field.type}_below_min_value")
    if field.most is not None and value > field.most:
        words = f"{field.type} above maximum value. Expected a value <= {field.most:g}, but got {value} instead."
        yield Fault(f"Invalid '{path}': {words}", path, f"{field.type}_above_max_value")
    if field.filled and value == []:
        words = "empty array. Expected an array with minimum length 1, but got an empty array instead."
        yield Fault(f"Invalid '{path}': {words}", path, "empty_array")
