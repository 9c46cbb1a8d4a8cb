"""A dict that a caller wrote, read strictly: each value with its path, which begins every error.

Nothing is changed, nothing but copies is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NoReturn, TypeVar

from attrs import frozen

from llmkit.errors import ConfigurationError

DEPTH = 200  # levels of nesting in what is copied
SHOWN = 80  # characters of a value that an error repeats
LONGEST = 300  # characters of a path that an error shows whole

T = TypeVar("T")


@frozen
class Node:
    """A dict, and where it stands.

    Attributes:
        value: The caller's dict.
        where: Its path, as in ``prompt[2].content[0]``.
    """

    value: Mapping[str, Any]
    where: str

    def path(self, key: str) -> str:
        """Where the value of `key` stands."""
        return f"{self.where}.{key}"

    def any(self, key: str) -> Any:
        """The value of `key`, whatever it is.

        Raises:
            ConfigurationError: It is missing.
        """
        if key not in self.value:
            self.fail(key, "is missing")
        return self.value[key]

    def get(self, key: str, expected: type[T]) -> T:
        """The value of `key`.

        Raises:
            ConfigurationError: It is missing or of another type.
        """
        return expect(self.any(key), expected, self.path(key))

    def find(self, key: str, expected: type[T]) -> T | None:
        """The value of `key`; None where it is None or missing.

        Raises:
            ConfigurationError: It is of another type.
        """
        return None if self.value.get(key) is None else self.get(key, expected)

    def node(self, key: str) -> "Node":
        """The dict at `key`.

        Raises:
            ConfigurationError: It is missing or none.
        """
        return node_of(self.any(key), self.path(key))

    def find_node(self, key: str) -> "Node | None":
        """The dict at `key`; None where it is None or missing.

        Raises:
            ConfigurationError: It is something else.
        """
        return None if self.value.get(key) is None else self.node(key)

    def nodes(self, key: str) -> "list[Node]":
        """The dicts in the list at `key`; none where it is None or missing.

        Raises:
            ConfigurationError: It is something else.
        """
        if self.value.get(key) is None:
            return []
        return [node_of(item, where) for item, where in items(self.value[key], self.path(key))]

    def rest(self, *known: str) -> dict[str, Any]:
        """A copy of what it has beside `known` and None."""
        return {
            key: copied(value, self.path(key))
            for key, value in self.value.items()
            if value is not None and key not in known
        }

    def only(self, *known: str) -> None:
        """Refuse every key but `known`, unless it is None.

        Raises:
            ConfigurationError: There is one, which would be lost.
        """
        for key, value in self.value.items():
            if key not in known and value is not None:
                self.fail(key[:SHOWN], "unknown key; it would be lost")

    def fail(self, key: str, reason: str) -> NoReturn:
        """Say what is wrong with `key`.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(f"{self.path(key)}: {reason}")


def node_of(value: object, where: str) -> Node:
    """`value`, which must be a dict with text for keys.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(value, Mapping):
        raise _wrong("dict", value, where)
    return Node(_with_text_keys(value, where), where)


def items(value: object, where: str) -> Iterator[tuple[Any, str]]:
    """What stands in `value`, which must be a list or the like, each with its path.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray, memoryview)):
        raise _wrong("list", value, where)
    return ((item, f"{where}[{index}]") for index, item in enumerate(value))


def expect(value: object, expected: type[T], where: str) -> T:
    """`value`, if it is of type `expected`.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, expected) and not (expected is int and isinstance(value, bool)):
        return value
    raise _wrong(expected.__name__, value, where)


def copied(value: object, where: str, depth: int = DEPTH) -> Any:
    """A deep copy of `value`, which must be JSON of at most `depth` levels.

    Raises:
        ConfigurationError: It holds something else, such as NaN, or is nested too deeply.
    """
    try:
        return _copy(value, depth)
    except _UnfitError as exc:
        path, reason = f"{where}{''.join(reversed(exc.steps))}", exc.reason
    shown = path if len(path) <= LONGEST else f"{path[:SHOWN]}…"
    raise ConfigurationError(f"{shown}: {reason}")


class _UnfitError(Exception):
    """What is no JSON; each container that it stands in adds its step, so that paths cost nothing where all is well."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []


def _copy(value: object, depth: int) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if not isfinite(value):
            raise _UnfitError(f"{value} is no JSON")
        return value
    if not depth:
        raise _UnfitError("nested too deeply")
    if isinstance(value, Mapping):
        return _copy_mapping(value, depth - 1)
    if isinstance(value, (list, tuple)):
        return _copy_list(value, depth - 1)
    raise _UnfitError(f"expected JSON, got {type(value).__name__}")


def _copy_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _UnfitError(f"expected keys of type str, got {type(key).__name__}")
        try:
            found[key] = _copy(item, depth)
        except _UnfitError as exc:
            exc.steps.append(f".{key[:SHOWN]}")
            raise
    return found


def _copy_list(value: Sequence[Any], depth: int) -> list[Any]:
    found = []
    for index, item in enumerate(value):
        try:
            found.append(_copy(item, depth))
        except _UnfitError as exc:
            exc.steps.append(f"[{index}]")
            raise
    return found


def located(where: str, make: Callable[[], T]) -> T:
    """What `make` makes; its errors get `where` before their text.

    Raises:
        ConfigurationError: From `make`.
    """
    try:
        return make()
    except ConfigurationError as exc:
        failed = exc
    raise type(failed)(f"{where}: {failed}")


def _with_text_keys(value: Mapping[Any, Any], where: str) -> Mapping[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise ConfigurationError(f"{where}: expected keys of type str, got {type(key).__name__}")
    return value


def _wrong(expected: str, value: object, where: str) -> ConfigurationError:
    got = "None" if value is None else type(value).__name__
    return ConfigurationError(f"{where}: expected {expected}, got {got}")
