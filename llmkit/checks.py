"""Checks of what a caller passes: each takes a name and a value, returns the value in the form that is used.

All raise `ConfigurationError` with a message that begins with the name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import inf, nan
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from llmkit.deadlines import Timeout
from llmkit.errors import ConfigurationError

if TYPE_CHECKING:  # most of what is checked needs none
    from llmkit.tools import ServerTool, Tool

Check: TypeAlias = Callable[[str, Any], Any]


def wrong(name: str, expected: str, value: object) -> ConfigurationError:
    """The error for an argument: what was expected, and what came, cut short."""
    try:
        shown = repr(value)
    except ValueError:  # a number of thousands of digits
        shown = type(value).__name__
    return ConfigurationError(f"{name}: expected {expected}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")  # noqa: PLR2004


class Hidden(str):
    """Text that may hold a password: its `repr`, which a frame of an error shows, does not have it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def tried(check: Check, name: str, value: Any) -> Any:
    """What `check` returns, or the error to raise, in a frame that has not seen the value: it may hold a key."""
    try:
        return check(name, value)
    except ConfigurationError as error:
        return error.with_traceback(None)


T = TypeVar("T")


def raised(found: T | ConfigurationError) -> T:
    """`found`, unless it is an error: that is raised here, in a frame that shows nothing else.

    Raises:
        ConfigurationError: It is one.
    """
    if isinstance(found, ConfigurationError):
        raise found
    return found


def hidden_text(name: str, value: Any) -> Hidden | None:
    """Text that may hold a password, which no message shows; None is left."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name}: expected text, got {type(value).__name__ if value != '' else 'none'}")
    return Hidden(value)


def unchecked(_: str, value: Any) -> Any:
    """What is checked where it is read."""
    return value


def integer(least: int, most: int = 2**31) -> Check:
    """Whole numbers from `least` to `most`; numpy's count, `True` does not."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
            raise wrong(name, f"a whole number from {least} to {most}", value)
        return int(value)

    return check


def number(least: float, most: float) -> Check:
    """Numbers from `least` to `most`; numpy's count, NaN and `True` do not."""

    def check(name: str, value: Any) -> float:
        if not least <= _real(value) <= most:  # NaN is in no bounds
            raise wrong(name, f"a number from {least} to {most}", value)
        return value if type(value) is int else float(value)

    return check


def _real(value: Any) -> float:
    """`value` where it is a number that a float can hold, else NaN."""
    try:
        return nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        return nan


fraction = number(0, 1)


def choice(*values: object) -> Check:
    """One of `values`."""

    def check(name: str, value: Any) -> Any:
        if not any(value is known or (isinstance(value, str) and value == known) for known in values):
            raise wrong(name, " or ".join(map(repr, values)), value)
        return value

    return check


caching = choice("5m", "1h")


def string(name: str, value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise wrong(name, "text", value)
    return value


def model_name(name: str, value: Any) -> str:
    """A name in one line, without blanks at its ends."""
    if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
        raise wrong(name, "a model's name in one line", value)
    return value


def stops(name: str, value: Any) -> tuple[str, ...]:
    """Text, or several; none of them empty."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, Sequence):
        raise wrong(name, "text or a list of texts", value)
    return tuple(string(f"{name}[{index}]" if found is value else name, item) for index, item in enumerate(found))


def strings(name: str, value: Any) -> dict[str, str]:
    """Names to texts."""
    if not isinstance(value, Mapping):
        raise wrong(name, "a mapping of text to text", value)
    for key, item in value.items():
        if not isinstance(key, str) or not key:
            raise wrong(name, "names that are text", key)
        if not isinstance(item, str):
            raise wrong(f"{name}.{key}", "text", item)
        if _SURROGATE.search(key + item):
            raise ConfigurationError(f"{name}.{key}: half of a surrogate pair cannot be sent")
    return dict(value)


class QueryFields(dict[str, str]):
    """Names to values of an address's query; its `repr` has the names only, as a value may be a key."""

    def __repr__(self) -> str:
        return f"<query {', '.join(self)}>"


def query_fields(name: str, value: Any) -> QueryFields:
    """Names to texts. No value is ever shown."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}: expected a mapping of text to text, got {type(value).__name__}")
    for key, item in value.items():
        if not isinstance(item, str):
            raise ConfigurationError(f"{name}.{key}: expected text, got {type(item).__name__}")
    return QueryFields(strings(name, value))


class HeaderFields(dict[str, str]):
    """Names of headers, in lower case, to their values; its `repr` has the names only, as a value may be a key."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def header_fields(name: str, value: Any) -> HeaderFields:
    """Names of headers, in lower case, to their values. No value is ever shown: it may be a key.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-5
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}: expected a mapping of text to text, got {type(value).__name__}")
    found = HeaderFields()
    for key, item in value.items():
        if not isinstance(key, str) or not _HEADER_NAME.fullmatch(key):
            raise ConfigurationError(f"{name}: {key!r:.50} is no name for a header: letters, digits and dashes")
        if not isinstance(item, str):
            raise ConfigurationError(f"{name}.{key}: expected text, got {type(item).__name__}")
        if not _HEADER_VALUE.fullmatch(item):
            raise ConfigurationError(f"{name}.{key}: it holds {_UNSENDABLE}")
        if key.lower() in _FRAMING:
            raise ConfigurationError(f"{name}.{key}: it says how the body is sent, which llmkit decides")
        found[key.lower()] = item
    return found


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?![\t ])[\t\x20-\x7e\x80-\xff]*(?<![\t ])")
_UNSENDABLE = "line ends, control characters, blanks at its ends or what is beyond latin-1"
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_object(name: str, value: Any) -> dict[str, Any]:
    """What becomes a JSON object."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise wrong(name, "a mapping with names that are text", value)
    return dict(value)


def body_fields(name: str, value: Any) -> dict[str, Any]:
    """What is merged into a body; not what decides how the answer is read."""
    found = json_object(name, value)
    if "stream" in found:
        raise ConfigurationError(f"{name}.stream: use Client.stream or Client.complete, which read what they ask for")
    return found


def reasoning(levels: tuple[str, ...]) -> Check:
    """One of `levels`, or a budget of tokens."""
    budget, level = integer(1), choice(*levels)

    def check(name: str, value: Any) -> Any:
        if isinstance(value, str):
            return level(name, value)
        return budget(name, value)

    return check


def time_limit(name: str, value: Any) -> float | Timeout | None:
    """Seconds above 0, a `Timeout`, or None for no limit."""
    if value is None or isinstance(value, Timeout):
        return value
    if not 0 < _real(value) < inf:
        raise wrong(name, "seconds above 0, a Timeout or None", value)
    return float(value)


def tool_list(name: str, value: Any) -> "tuple[Tool | ServerTool, ...]":
    """Tools, made of functions where they are none; no two of one name."""
    from llmkit.tools import ServerTool, Tool, offered  # noqa: PLC0415 - most calls have none

    if not isinstance(value, Sequence) or isinstance(value, str):
        raise wrong(name, "a list of tools", value)
    found = []
    for index, item in enumerate(value):
        if not isinstance(item, (Tool, ServerTool)) and not callable(item):
            expected = "a function, a Tool(name, description, parameters) or a ServerTool({…})"
            raise wrong(f"{name}[{index}]", expected, item)
        try:
            found.append(offered(item))
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}[{index}]: {error}") from error.__cause__
    seen: set[str] = set()
    for index, tool in enumerate(found):
        if tool.name in seen:
            raise ConfigurationError(f"{name}[{index}]: a second tool named {tool.name!r}")
        if isinstance(tool, Tool):  # of the provider's own there may be several of one type
            seen.add(tool.name)
    return tuple(found)


def tool_choice(name: str, value: Any) -> str:
    """A word, or a tool's name."""
    return string(name, value)
