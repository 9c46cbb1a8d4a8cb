"""`Enum` and `Literal`: a few values, each with its JSON scalar."""

from collections.abc import Iterable
from enum import Enum, Flag
from math import isfinite
from types import NoneType
from typing import Any

from llmkit.errors import ConfigurationError
from llmkit.schema.shapes import Choice, json_key


def of_literal(args: tuple[Any, ...], where: str) -> Choice:
    """Of a `Literal`, which may name members of an `Enum`, too."""
    return _choice(((value.value if isinstance(value, Enum) else value, value) for value in args), where)


def of_enum(cls: type[Enum], where: str) -> Choice:
    """Of all members of an `Enum`, by their values; names that are aliases are no members."""
    if issubclass(cls, Flag):
        raise ConfigurationError(f"{where}: {cls.__name__} is a Flag, whose values are sums; use a set of an Enum")
    return _choice(((member.value, member) for member in cls), where)


def _choice(options: Iterable[tuple[Any, Any]], where: str) -> Choice:
    found: dict[Any, tuple[Any, Any]] = {}
    for value, item in options:
        if not _is_scalar(value):
            raise ConfigurationError(f"{where}: {value!r:.80} is no JSON scalar, as the values of a choice must be")
        found.setdefault(json_key(_plain(value)), (_plain(value), item))
    if not found:
        raise ConfigurationError(f"{where}: there is nothing to choose from")
    return Choice(tuple(found.values()))


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, (str, int, NoneType))


def _plain(value: Any) -> Any:
    """Without what a subclass adds: members of a `StrEnum` are their own values."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool) or value is None:
        return value
    return float(value) if isinstance(value, float) else int(value)
