"""Constraints: from attrs validators and from what stands in ``Annotated``, as JSON Schema has them.

Objects of ``annotated_types`` and `msgspec.Meta` are known by their attributes, so that neither must be there.
"""

import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from math import isfinite
from typing import Any, Final, Literal

from attrs import evolve, frozen

from llmkit.errors import ConfigurationError
from llmkit.schema.shapes import (
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
    json_key,
    kind_of,
    says,
)

Word = Literal[
    "ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "in", "items", "keys", "values"
]

_COMPARED: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool], str]]] = {
    "ge": ("minimum", operator.ge, "at least"),
    "gt": ("exclusiveMinimum", operator.gt, "more than"),
    "le": ("maximum", operator.le, "at most"),
    "lt": ("exclusiveMaximum", operator.lt, "less than"),
}
_LENGTHS: Final[Mapping[str, tuple[str, Callable[[Any, Any], bool], str]]] = {
    "min_length": ("min", operator.ge, "at least"),
    "max_length": ("max", operator.le, "at most"),
}
_SIZES: Final = {"string": ("Length", "characters"), "array": ("Items", "items"), "object": ("Properties", "keys")}
# What other dialects of regular expressions do not have, or mean otherwise by the same signs.
_UNPORTABLE: Final = re.compile(r"\(\?(?![:=!])|\\[AZG]|(?<!\\)[*+?}]\+|\\N\{|\\[aUuN]")


@frozen(eq=False)
class Limit:
    """A constraint as it was declared.

    Attributes:
        bound: A number, a length, a compiled regular expression, the options; of the last three words more limits.
    """

    word: Word
    bound: Any


def of_metadata(metadata: Any) -> Iterator[Limit]:
    """The constraints in one object of ``Annotated``; none of one that is about something else."""
    if metadata is None or isinstance(metadata, (str, type)):
        return
    if _is_attrs(metadata):
        yield from of_validator(metadata)
        return
    for word in ("ge", "gt", "le", "lt", "multiple_of"):
        bound = getattr(metadata, word, None)
        if bound is not None and not callable(bound):
            yield Limit(word, bound)  # type: ignore[arg-type]
    for word in ("min_length", "max_length"):
        bound = getattr(metadata, word, None)
        if isinstance(bound, int) and not isinstance(bound, bool) and not (word == "min_length" and bound == 0):
            yield Limit(word, bound)  # type: ignore[arg-type]
    pattern = getattr(metadata, "pattern", None)
    if isinstance(pattern, str):
        yield Limit("pattern", metadata if isinstance(metadata, re.Pattern) else re.compile(pattern))


def _is_attrs(value: Any) -> bool:
    return type(value).__module__ in ("attr.validators", "attrs.validators", "attr._make")


def of_validator(validator: Any) -> Iterator[Limit]:
    """The constraints of a validator of attrs; others than these are left to the class's constructor.

    attrs has no public names for the classes of its validators: they are known by theirs, and by their attributes.
    """
    match type(validator).__name__ if _is_attrs(validator) else "":
        case "_AndValidator":
            for one in validator._validators:  # noqa: SLF001
                yield from of_validator(one)
        case "_OptionalValidator":
            yield from of_validator(validator.validator)
        case "_NumberValidator":
            words = {">=": "ge", ">": "gt", "<=": "le", "<": "lt"}
            if validator.compare_op in words:
                yield Limit(words[validator.compare_op], validator.bound)  # type: ignore[arg-type]
        case "_MaxLengthValidator":
            yield Limit("max_length", validator.max_length)
        case "_MinLengthValidator":
            yield Limit("min_length", validator.min_length)
        case "_InValidator" if not isinstance(validator.options, str):  # of a text any part would do
            yield Limit("in", getattr(validator, "_original_options", validator.options))
        case "_MatchesReValidator":
            yield Limit("pattern", _whole(validator))
        case "_DeepIterable":
            yield from of_validator(validator.iterable_validator)
            yield Limit("items", tuple(of_validator(validator.member_validator)))
        case "_DeepMapping":
            yield from of_validator(validator.mapping_validator)
            yield Limit("keys", tuple(of_validator(validator.key_validator)))
            yield Limit("values", tuple(of_validator(validator.value_validator)))


def _whole(validator: Any) -> "re.Pattern[str]":
    """The expression of ``matches_re``, to be searched for."""
    name = getattr(validator.match_func, "__name__", "fullmatch")
    pattern: re.Pattern[str] = validator.pattern
    if name == "search":
        return pattern
    end = r"$(?!\n)" if name == "fullmatch" else ""
    return re.compile(f"^(?:{pattern.pattern}){end}", pattern.flags & ~re.MULTILINE)


def limited(shape: Shape, limits: Collection[Limit], where: str) -> Shape:
    """`shape` with its constraints, each at the member of a union that it concerns.

    Raises:
        ConfigurationError: One concerns no value of the shape.
    """
    for limit in limits:
        if isinstance(limit.bound, tuple) and limit.word in ("items", "keys", "values"):
            shape = _inner(shape, limit, where)
            continue
        found = _limited(shape, limit)
        if found is None:
            raise ConfigurationError(f"{where}: {limit.word} does not apply to {says(shape)}")
        if isinstance(bare(found), Choice) and not bare(found).options:  # type: ignore[union-attr]
            raise ConfigurationError(f"{where}: no value is left by {limit.word}")
        shape = found
    return shape


def _inner(shape: Shape, limit: Limit, where: str) -> Shape:
    match shape:
        case Noted(shape=inner):
            return evolve(shape, shape=_inner(inner, limit, where))
        case Union(members=members):
            return Union(tuple(_inner(member, limit, where) for member in members))
        case Items(item=item) if limit.word == "items":
            return evolve(shape, item=limited(item, limit.bound, where))
        case Row(items=items) if limit.word == "items":
            return Row(tuple(limited(item, limit.bound, where) for item in items))
        case Table(key=key) if limit.word in ("items", "keys"):
            return evolve(shape, key=limited(key, limit.bound, where))
        case Table(value=value) if limit.word == "values":
            return evolve(shape, value=limited(value, limit.bound, where))
    return shape


def _limited(shape: Shape, limit: Limit) -> Shape | None:
    match bare(shape):
        case Union(members=members) if limit.word != "in":
            found = [_limited(member, limit) for member in members]
            if not any(found):
                return None
            union = Union(tuple(new or old for new, old in zip(found, members, strict=True)))
            return evolve(shape, shape=union) if isinstance(shape, Noted) else union
        case Choice(options=options):
            left = tuple(option for option in options if _chosen(limit, option))
            return evolve(shape, shape=Choice(left)) if isinstance(shape, Noted) else Choice(left)
        case inner:
            check = _check(inner, limit)
    if check is None:
        return None
    if isinstance(shape, Noted):
        return evolve(shape, checks=(*shape.checks, check))
    return Noted(shape, (check,))


def _chosen(limit: Limit, option: tuple[Any, Any]) -> bool:
    value, item = option
    if limit.word == "in":
        return item in limit.bound or value in limit.bound
    check = _check(Anything(), limit)
    return check is not None and _applies(check, value, item)


def _applies(check: Check, value: Any, item: Any) -> bool:
    return check.holds(value, item)


def _check(shape: Shape, limit: Limit) -> Check | None:
    word, bound = limit.word, limit.bound
    if word in _COMPARED:
        return _compared(shape, word, bound)
    if word == "multiple_of":
        return _multiple(shape, bound)
    if word in _LENGTHS:
        return _length(shape, word, bound)
    if word == "pattern":
        return _pattern(shape, bound)
    return _option(shape, bound)


def _compared(shape: Shape, word: str, bound: Any) -> Check | None:
    keyword, compare, says_ = _COMPARED[word]
    text = f"{says_} {bound}"
    keywords = {keyword: bound} if _is_number(bound) else {}
    match shape:
        case Scalar(type="integer" | "number") | Anything():

            def holds(value: Any, _: Any) -> bool:
                return kind_of(value) not in ("integer", "number") or compare(value, bound)
        case Written(numeric=numeric):
            keywords = keywords if numeric else {}

            def holds(_: Any, item: Any) -> bool:
                return compare(item, bound)
        case Scalar(type="string") if isinstance(bound, str):
            keywords = {}

            def holds(_: Any, item: Any) -> bool:
                return compare(item, bound)
        case _:
            return None
    note = text if isinstance(shape, Written) or not keywords else ""
    return Check(keywords, holds, f"must be {text}", note)


def _multiple(shape: Shape, bound: Any) -> Check | None:
    if not _is_number(bound) or bound <= 0:
        return None

    def holds(value: Any, _: Any) -> bool:
        if kind_of(value) not in ("integer", "number"):
            return True
        if isinstance(value, int) and isinstance(bound, int):
            return value % bound == 0
        quotient = value / bound
        return isfinite(quotient) and int(quotient) == quotient

    text = f"a multiple of {bound}"
    match shape:
        case Scalar(type="integer" | "number") | Anything():
            return Check({"multipleOf": bound}, holds, f"must be {text}")
        case _:
            return None


def _length(shape: Shape, word: str, bound: int) -> Check | None:
    prefix, compare, says_ = _LENGTHS[word]
    match shape:
        case Scalar(type="string"):
            kinds = ("string",)
        case Items():
            kinds = ("array",)
        case Table():
            kinds = ("object",)
        case Anything():
            kinds = tuple(_SIZES)
        case Written(cls=cls) if cls is bytes:
            text = f"{says_} {bound} bytes"
            return Check({}, lambda _, item: compare(len(item), bound), f"must have {text}", text)
        case Row() | Object():
            text = f"{says_} {bound} items"
            return Check({}, lambda _, item: compare(len(item), bound), f"must have {text}", text)
        case _:
            return None
    keywords = {f"{prefix}{_SIZES[kind][0]}": bound for kind in kinds}
    unit = _SIZES[kinds[0]][1] if len(kinds) == 1 else "parts"

    def holds(value: Any, _: Any) -> bool:
        return kind_of(value) not in kinds or compare(len(value), bound)

    return Check(keywords, holds, f"must have {says_} {bound} {unit}")


def _pattern(shape: Shape, bound: "re.Pattern[str]") -> Check | None:
    if not isinstance(shape, Anything) and not (isinstance(shape, Scalar) and shape.type == "string"):
        return None
    if not isinstance(bound.pattern, str):
        return None
    source = bound.pattern.replace(r"$(?!\n)", "$")
    portable = not bound.flags & (re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE) and not _UNPORTABLE.search(
        source
    )
    text = f"match the regular expression {source}"

    def holds(value: Any, _: Any) -> bool:
        return not isinstance(value, str) or bound.search(value) is not None

    return Check({"pattern": source} if portable else {}, holds, f"must {text}", "" if portable else f"must {text}")


def _option(shape: Shape, bound: Any) -> Check | None:
    options = list(bound)
    text = "one of " + ", ".join(map(repr, options))
    plain = isinstance(shape, (Scalar, Anything, Union))
    if plain and all(isinstance(option, (str, int, float, type(None))) for option in options):
        keys = {json_key(option) for option in options}
        return Check({"enum": options}, lambda value, _: _hashed(value) in keys, f"must be {text}")
    return Check({}, lambda _, item: item in bound, f"must be {text}", text)


def _hashed(value: Any) -> Any:
    return json_key(value) if not isinstance(value, (list, dict)) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) or (isinstance(value, float) and isfinite(value))
