"""Reading a provider's JSON strictly at the border: each function takes a value apart or names where it differs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from llmkit.errors import BODY_SHOWN, InvalidResponseError

T = TypeVar("T")
_DIGITS = 18  # of a number that is sent as text, or is a count
_NAMES = {dict: "an object", list: "an array", str: "a string", int: "a whole number"}


def expect(value: object, cls: type[T], path: str) -> T:
    """`value`, which must be a `cls`.

    Raises:
        InvalidResponseError: It is not; the error has the path.
    """
    if isinstance(value, cls) and not (cls is int and isinstance(value, bool)):
        return value
    got = "nothing" if value is None else type(value).__name__
    raise InvalidResponseError(
        f"invalid answer: expected {_NAMES.get(cls, cls.__name__)}, got {got} @ {path}",
        path=path,
        body=repr(value)[:BODY_SHOWN],
    )


def text_or(value: object, default: T) -> str | T:
    """`value` where it is a string that is not empty, else `default`."""
    return value if isinstance(value, str) and value else default


def count(value: object) -> int:
    """`value` where it is a count, else 0; some hosts send theirs with a point.

    One of thousands of digits is none: what such ones add up to could not be shown any more.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_DIGITS else 0


def whole_number(value: object, default: T) -> int | T:
    """`value` where it is a whole number, also as text or with a point, else `default`."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and value.isascii() and len(value) <= _DIGITS else default
    if isinstance(value, float):
        return int(value) if value.is_integer() else default
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def count_or_none(value: object) -> int | None:
    """`value` where it is a count, else None."""
    return count(value) or None


def object_or_empty(value: object) -> Mapping[str, Any]:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def instant(value: object) -> datetime | None:
    """The point in time that an RFC 3339 text means, else None."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
