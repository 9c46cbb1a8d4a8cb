"""A JSON Schema that the caller wrote, as what an answer is to be: a value that fits is taken as it is.

jsonschema, which is an extra, says whether one fits. Nothing is fetched: a schema refers to what stands in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from llmkit.errors import ConfigurationError
from llmkit.schema.misfit import Misfit, shown, step

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_SHOWN: Final = 200  # characters of what is said about a value, which may repeat it
_DEFINITIONS: Final = ("$defs", "definitions")
_REFERENCES: Final = ("$ref", "$dynamicRef")
_FOUND: ContextVar[dict[tuple[int, int], bool]] = ContextVar("_FOUND")  # see `_once`


class GivenSchema:
    """The schema, and who checks by it.

    Args:
        schema: Read from JSON; of any draft that jsonschema knows, the latest one where it does not say which.

    Raises:
        ConfigurationError: It is none, it refers to something elsewhere, or jsonschema is not installed.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - an extra
            from jsonschema.validators import Draft202012Validator, extend, validator_for  # noqa: PLC0415
            from referencing.jsonschema import EMPTY_REGISTRY  # noqa: PLC0415 - what jsonschema is made with
        except ImportError:
            raise ConfigurationError(
                "output_type: a JSON Schema needs jsonschema, which checks answers: pip install 'llmkit[cli]'"
            ) from None
        self.schema = schema
        if (strange := next(_elsewhere(self.schema), None)) is not None:
            raise ConfigurationError(f"output_type: the schema refers to {strange!r:.100}, which is not in it")
        draft = self.schema.get("$schema", "")
        if not isinstance(draft, str):
            raise ConfigurationError(f"output_type: no JSON Schema: $schema: {draft!r:.100} is no text")
        cls = validator_for(self.schema, default=Draft202012Validator)
        try:
            cls.check_schema(self.schema)
        except SchemaError as error:
            raise ConfigurationError(f"output_type: no JSON Schema: {_path(error.path)}: {_said(error)}") from None
        except RecursionError:
            raise ConfigurationError("output_type: the schema is nested too deeply to be checked") from None
        if "$ref" in cls.VALIDATORS:
            cls = extend(cls, {"$ref": _once(cls.VALIDATORS["$ref"])})
        self._validator = cls(self.schema, registry=EMPTY_REGISTRY)

    def structure(self, value: Any) -> Any:
        """`value`, if it fits.

        Providers that demand every property have null for one that is left out: such a null is taken away where the
        schema has no place for it.

        Raises:
            Misfit: It does not fit.
        """
        faults = self._faults(value)
        if not faults:
            return value
        fewer = deepcopy(value)
        for path in {path for fault in faults for path in _nulls(fault)}:
            _take_away(fewer, path)
        if fewer == value or self._faults(fewer):
            from jsonschema.exceptions import best_match  # noqa: PLC0415 - which is there, as it was asked

            worst = best_match(faults)
            raise Misfit(_path(worst.absolute_path), _said(worst))
        return fewer

    def _faults(self, value: Any) -> "list[ValidationError]":
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - likewise

        before = _FOUND.set({})  # by identity, which holds as long as `value` does
        try:
            return [*self._validator.iter_errors(value)]
        except Unresolvable as error:
            raise Misfit("$", f"the schema refers to {error.ref!r:.100}, which is not in it") from None
        except RecursionError:
            raise Misfit("$", "it is nested too deeply to be checked") from None
        except Exception as error:  # noqa: BLE001 - of numbers that are too large, or a reference to what is no schema
            raise Misfit("$", f"jsonschema cannot check it: {type(error).__name__}") from None
        finally:
            _FOUND.reset(before)


def _once(follow: Callable[..., Iterable["ValidationError"]]) -> Callable[..., Iterator["ValidationError"]]:
    """`follow`, which checks a value by what a `$ref` refers to; each value by each reference no more than once.

    jsonschema tries all alternatives to their ends, so that what is nested in such that have alternatives themselves
    would be checked as often as there are ways to it: a model could write what takes years.
    """

    def check(validator: Any, ref: Any, value: Any, schema: Any) -> Iterator["ValidationError"]:
        found, this = _FOUND.get(), (id(value), id(schema))
        if this not in found:
            faults = [*follow(validator, ref, value, schema)]
            found[this] = not faults
            yield from faults
        elif not found[this]:  # what is wrong with it was told the first time
            from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - which is there, as it calls this

            yield ValidationError(f"{shown(value)} does not fit {ref}")

    return check


def movable(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema`, fit to be a part of another whose root has its definitions.

    Where something in it refers to its root, or to a part of that, the root is among the definitions, too.
    """
    name = "Whole"
    while name in (schema.get("$defs") or {}):
        name += "_"
    moved: dict[str, Any] = _moved(schema, f"#/$defs/{name}")
    if moved == schema:
        return schema
    whole = {key: value for key, value in moved.items() if key not in _DEFINITIONS}
    return {**moved, "$defs": {**moved.get("$defs", {}), name: whole}}


def _moved(node: Any, root: str) -> Any:
    """`node`, with what refers to the root of its schema referring to `root`."""
    if isinstance(node, list):
        return [_moved(inner, root) for inner in node]
    if not isinstance(node, Mapping):
        return node
    found = {key: _moved(inner, root) for key, inner in node.items()}
    ref = found.get("$ref")
    if isinstance(ref, str) and (ref == "#" or (ref.startswith("#/") and ref.split("/")[1] not in _DEFINITIONS)):
        found["$ref"] = root + ref[1:]
    return found


def _elsewhere(node: Any) -> Iterator[str]:
    """What the schema refers to outside of itself."""
    if isinstance(node, Mapping):
        yield from (ref for key in _REFERENCES if isinstance(ref := node.get(key), str) and not ref.startswith("#"))
    if isinstance(node, (Mapping, list)):
        for inner in node.values() if isinstance(node, Mapping) else node:
            yield from _elsewhere(inner)


def _nulls(fault: "ValidationError") -> Iterator[tuple[str | int, ...]]:
    """Where a null stands that does not fit."""
    if fault.instance is None:
        yield tuple(fault.absolute_path)
    for inner in fault.context or ():
        yield from _nulls(inner)


def _take_away(value: Any, path: tuple[str | int, ...]) -> None:
    """Remove a key, where there is one."""
    *above, last = path or (0,)
    for part in above:
        value = value[part]
    if isinstance(value, dict):
        value.pop(last, None)


def _path(parts: Iterable[str | int]) -> str:
    return f"${''.join(map(step, parts))}"


def _said(error: Any) -> str:
    text = " ".join(str(error.message).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
