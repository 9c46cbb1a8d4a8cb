"""Constraints put where they hold: keywords for the schema, and checks for what is read."""

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from attrs import evolve

from llmkit.errors import ConfigurationError
from llmkit.schema.constraints import Limit, Pattern
from llmkit.schema.shapes import (
    Alias,
    Anything,
    Check,
    Choice,
    Items,
    Noted,
    Object,
    Row,
    Scalar,
    Shape,
    Table,
    Union,
    Written,
    bare,
    is_scalar,
    json_key,
    kind_of,
    kinds,
    says,
)

Compare = Callable[[Any, Any], bool]
Holds = Callable[[Any, Any], bool]
"""Takes the JSON value and the Python value."""

_COMPARED: Final[Mapping[str, tuple[str, Compare, str]]] = {
    "ge": ("minimum", operator.ge, "at least"),
    "gt": ("exclusiveMinimum", operator.gt, "more than"),
    "le": ("maximum", operator.le, "at most"),
    "lt": ("exclusiveMaximum", operator.lt, "less than"),
}
_LENGTHS: Final[Mapping[str, tuple[str, Compare, str]]] = {
    "min_length": ("min", operator.ge, "at least"),
    "max_length": ("max", operator.le, "at most"),
}
_SIZES: Final = {
    "string": ("Length", "characters"),
    "array": ("Items", "items"),
    "object": ("Properties", "keys"),
}
_INNER: Final = ("items", "keys", "values")
_PLAIN: Final = (str, int, float, type(None))
_NUMERIC: Final = frozenset({"integer", "number"})


def limited(shape: Shape, limits: Iterable[Limit], where: str) -> Shape:
    """`shape` with its constraints, each at the members of a union that it concerns.

    Raises:
        ConfigurationError: One concerns no value of the shape, or leaves none.
    """
    for limit in limits:
        found = _inside(shape, limit, where) if limit.word in _INNER else _limited(shape, limit)
        if found is None:
            raise ConfigurationError(f"{where}: the constraint {limit.word!r} does not apply to {says(shape)}")
        if isinstance(left := bare(found), Choice) and not left.options:
            raise ConfigurationError(f"{where}: the constraint {limit.word!r} leaves no value")
        shape = found
    return shape


def _inside(shape: Shape, limit: Limit, where: str) -> Shape:  # noqa: PLR0911 - one a kind of shape
    """`shape` with constraints on what is in it."""
    match shape, limit.word:
        case Noted(shape=inner), _:
            return evolve(shape, shape=_inside(inner, limit, where))
        case Alias(target=target), _ if target is not None:
            return _inside(target, limit, where)
        case Union(members=members), _:
            return evolve(shape, members=tuple(_inside(member, limit, where) for member in members))
        case Items(item=item), "items":
            return evolve(shape, item=limited(item, limit.bound, where))
        case Row(items=items), "items":
            return Row(tuple(limited(item, limit.bound, where) for item in items))
        case Table(key=key), "items" | "keys":
            return evolve(shape, key=limited(key, limit.bound, where))
        case Table(value=value), "values":
            return evolve(shape, value=limited(value, limit.bound, where))
    return shape


def _limited(shape: Shape, limit: Limit) -> Shape | None:
    """`shape` with one constraint; None where that concerns none of its values."""
    match shape:
        case Noted(shape=inner) if isinstance(bare(inner), (Union, Choice)):
            found = _limited(inner, limit)
            return None if found is None else evolve(shape, shape=found)
        case Noted(shape=inner, checks=checks):
            check = _check(bare(inner), limit)
            return None if check is None else evolve(shape, checks=(*checks, check))
        case Union(members=members) if limit.word != "in" or not _all_plain(limit.bound):
            return _of_members(shape, members, limit)
        case Choice():
            return _chosen(shape, limit)
        case Alias(target=target):
            return None if target is None else _limited(target, limit)
        case _:
            check = _check(shape, limit)
            return None if check is None else Noted(shape, (check,))


def _of_members(shape: Union, members: tuple[Shape, ...], limit: Limit) -> Shape | None:
    found = [None if _is_null(member) else _limited(member, limit) for member in members]
    if not any(found):
        return None
    left = [new or old for new, old in zip(found, members, strict=True) if not _empty(new, old, limit)]
    return evolve(shape, members=tuple(left))


def _empty(new: Shape | None, old: Shape, limit: Limit) -> bool:
    """Whether a member has no value left: that of null is not among the options, or no choice is."""
    if _is_null(old):
        return limit.word == "in" and None not in limit.bound
    left = None if new is None else bare(new)
    return isinstance(left, Choice) and not left.options


def _is_null(shape: Shape) -> bool:
    return isinstance(inner := bare(shape), Scalar) and inner.type == "null"


def _chosen(shape: Choice, limit: Limit) -> Choice | None:
    if limit.word == "in":
        return Choice(tuple(option for option in shape.options if option[1] in limit.bound))
    check = _check(Anything(), limit)
    if check is None or not kinds(shape) & _concerned(limit):
        return None
    return Choice(tuple(option for option in shape.options if check.holds(*option)))


def _concerned(limit: Limit) -> frozenset[str]:
    if limit.word == "pattern":
        return frozenset({"string"})
    return frozenset(_SIZES) if limit.word in _LENGTHS else _NUMERIC


def _check(shape: Shape, limit: Limit) -> Check | None:
    match limit.word:
        case "pattern":
            return _pattern(shape, limit.bound)
        case "in":
            return _option(shape, limit.bound)
        case "multiple_of":
            return _multiple(shape, limit.bound)
        case "min_length" | "max_length":
            return _length(shape, limit.word, limit.bound)
        case _:
            return _compared(shape, limit.word, limit.bound)


def _compared(shape: Shape, word: str, bound: Any) -> Check | None:
    keyword, compare, how = _COMPARED[word]
    text = f"{how} {bound}"
    keywords = {keyword: bound} if _is_number(bound) else {}
    match shape:
        case Scalar(type="integer" | "number") | Anything() if keywords:
            return Check(keywords, lambda value, _: not _is_number(value) or compare(value, bound), f"must be {text}")
        case Written(numeric=True) if keywords:
            exact = _decimal(bound)
            return Check(keywords, lambda _, item: compare(item, exact), f"must be {text}", text)
        case Scalar(type="string") if isinstance(bound, str):
            pass
        case Scalar(type="integer" | "number") if isinstance(bound, Decimal):
            pass
        case Written(cls=cls) if isinstance(bound, cls):
            pass
        case _:
            return None
    return Check({}, lambda _, item: compare(item, bound), f"must be {text}", text)


def _multiple(shape: Shape, bound: Any) -> Check | None:
    if not _is_number(bound) or bound <= 0:
        return None
    text = f"a multiple of {bound}"

    def holds(value: Any, _: Any) -> bool:
        if not _is_number(value):
            return True
        if isinstance(value, int) and isinstance(bound, int):
            return bool(value % bound == 0)
        return float(value / bound).is_integer()

    match shape:
        case Scalar(type="integer" | "number") | Anything():
            return Check({"multipleOf": bound}, holds, f"must be {text}")
        case Written(numeric=True):
            exact = _decimal(bound)
            return Check({}, lambda _, item: item % exact == 0, f"must be {text}", text)
        case _:
            return None


def _length(shape: Shape, word: str, bound: int) -> Check | None:
    prefix, compare, how = _LENGTHS[word]
    match shape:
        case Scalar(type="string") | Items() | Table() | Anything():
            sized = [kind for kind in _SIZES if kind in kinds(shape)]
            unit = _SIZES[sized[0]][1] if len(sized) == 1 else "parts"
            return Check(
                {f"{prefix}{_SIZES[kind][0]}": bound for kind in sized},
                lambda value, _: kind_of(value) not in sized or compare(len(value), bound),
                f"must have {how} {bound} {unit}",
            )
        case Written(cls=cls) if cls is bytes:
            unit = "bytes"
        case Row() | Object():
            unit = "items"
        case _:
            return None
    text = f"{how} {bound} {unit}"
    return Check({}, lambda _, item: compare(len(item), bound), f"must have {text}", text)


def _pattern(shape: Shape, bound: Pattern) -> Check | None:
    match shape:
        case Scalar(type="string") | Anything():
            text = f"must match the regular expression {bound.source}"
            keywords, note = ({"pattern": bound.source}, "") if bound.portable else ({}, text)
            return Check(
                keywords, lambda value, _: not isinstance(value, str) or bool(bound.matches(value)), text, note
            )
        case _:
            return None


def _option(shape: Shape, options: tuple[Any, ...]) -> Check | None:
    text = "one of " + ", ".join(map(repr, options))
    if isinstance(shape, (Scalar, Anything, Union)) and _all_plain(options):
        keys = {json_key(option) for option in options}
        holds: Holds = lambda value, _: is_scalar(value) and json_key(value) in keys  # noqa: E731
        return Check({"enum": list(options)}, holds, f"must be {text}")
    return Check({}, lambda _, item: item in options, f"must be {text}", text)


def _all_plain(options: tuple[Any, ...]) -> bool:
    return all(type(option) in _PLAIN or type(option) is bool for option in options)


def _is_number(value: Any) -> bool:
    """Whether it is a number to JSON."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and isfinite(value))


def _decimal(number: float) -> Decimal:
    """As its digits read: 0.1 is no more than 0.1."""
    return Decimal(repr(number) if isinstance(number, float) else number)
