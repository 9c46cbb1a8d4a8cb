"""Unions: which member a value is of. JSON must tell; where it could not, a tag is added to the objects.

Classes are told apart by their keys and by the values of one key alone, never by all that is in them: so the member is
known before its fields are read, and a wrong value deep inside costs one reading, not one per member and level.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.schema.formats import WRITTEN
from llmkit.schema.shapes import (
    TAG,
    Alias,
    Anything,
    Choice,
    Items,
    Noted,
    Object,
    Row,
    Scalar,
    Shape,
    Table,
    Union,
    Variant,
    Written,
    bare,
    is_scalar,
    json_key,
    kind_of,
    kinds,
)

_RANKS: Final = {"boolean": 20, "integer": 21, "number": 22, "string": 23}
_SPECIAL: Final = {written.cls: 1 + rank for rank, written in enumerate(WRITTEN)}


def settle(union: Union) -> None:
    """Make the members of a whole graph's `union` flat, and those classes that overlap tagged.

    Raises:
        ConfigurationError: A class that needs a tag has a field of its name, or a type is its own member.
    """
    members: dict[object, Shape] = {}
    for member in _flat(union.members, union.where, ()):
        members.setdefault(member.type if isinstance(member, Scalar) else id(member), member)
    union.members = tuple(_tagged(list(members.values()), union.where))


def _flat(members: Iterable[Shape], where: str, seen: tuple[Shape, ...]) -> Iterator[Shape]:
    """Without unions, and without the aliases of any."""
    for member in members:
        if member in seen:
            raise ConfigurationError(f"{where}: the type is nothing but itself")
        inside = (*seen, member)
        match member:
            case Union(members=more):
                yield from _flat(more, where, inside)
            case Alias(target=target) if target is not None:
                yield from _flat([target], where, inside)
            case Noted(shape=inner, checks=checks) if isinstance(bare(inner), Union):
                for one in _flat([inner], where, inside):
                    yield Noted(one, checks) if checks else one
            case _:
                yield member


def _tagged(members: list[Shape], where: str) -> Iterator[Shape]:
    objects = [found for member in members if isinstance(found := bare(member), Object)]
    unclear = {id(one) for pair in combinations(objects, 2) if not _disjoint(*pair) for one in pair}
    clear = [one for one in objects if id(one) in unclear]
    key = _telling_key(clear)
    names: dict[str, int] = {}
    for member in members:
        found = bare(member)
        if not isinstance(found, Object) or id(found) not in unclear:
            yield member
            continue
        if key is not None:
            variant = Variant(found, key, None)
        else:
            if any(item.key == TAG for item in found.fields):
                raise ConfigurationError(
                    f"{where}: {found.name} needs the key {TAG!r} to be told from the other classes of the union, "
                    "and has a field of that name; give the classes a Literal field that differs instead"
                )
            names[found.name] = names.get(found.name, 0) + 1
            count = names[found.name]
            variant = Variant(found, TAG, found.name if count == 1 else f"{found.name}_{count}")
        yield Noted(variant, member.checks, member.description) if isinstance(member, Noted) else variant


def _telling_key(objects: list[Object]) -> str | None:
    """A key that all have, with values that no two share, though it has a default."""
    shared = [
        item.key
        for item in (objects[0].fields if objects else ())
        if isinstance(bare(item.shape), Choice)
        and all(any(other.key == item.key for other in one.fields) for one in objects)
    ]
    for key in shared:
        shapes = [item.shape for one in objects for item in one.fields if item.key == key]
        if all(_apart(*pair) for pair in combinations(shapes, 2)):
            return key
    return None


def _disjoint(one: Object, other: Object) -> bool:
    """Whether no JSON value is of both: one demands a key that the other lacks, or of which it takes other values."""
    if one is other:
        return False
    for this, that in ((one, other), (other, one)):
        theirs = {item.key: item for item in that.fields}
        for item in this.fields:
            if item.required and (item.key not in theirs or _apart(item.shape, theirs[item.key].shape)):
                return True
    return False


def _apart(one: Shape, other: Shape) -> bool:
    """Whether no value is of both, by what `_may_be` looks at."""
    first, second = bare(one), bare(other)
    if isinstance(first, Choice) and isinstance(second, Choice):
        return not _keys(first) & _keys(second)
    return not kinds(first) & kinds(second)


def _keys(choice: Choice) -> set[Any]:
    return {json_key(value) for value, _ in choice.options}


def may_be(shape: Shape, value: dict[str, Any], *, nulls: bool = False) -> bool:
    """Whether an object may be of a shape; of a class, by its keys and what kind of value each has.

    Of the classes of one union no more than one may be it.
    """
    if not isinstance(shape, (Object, Variant)):
        return True
    found = shape.object if isinstance(shape, Variant) else shape
    demanded = shape.key if isinstance(shape, Variant) else None
    if isinstance(shape, Variant) and shape.tag is not None:
        return value.get(TAG) == shape.tag
    known = {item.key: item for item in found.fields}
    if not value.keys() <= known.keys():
        return False
    for key, item in known.items():
        if key not in value:
            if item.required or key == demanded:
                return False
        elif not _kind_fits(item.shape, value[key]) and not (
            nulls and value[key] is None and not item.required and key != demanded
        ):
            return False
    return True


def meant(members: Iterable[Shape], value: dict[str, Any]) -> list[Shape]:
    """The class that a wrong object was to be: the only one with its keys, or with its values of what may be chosen."""
    classes = [(member, found) for member in members if isinstance(found := bare(member), Object)]
    for fits in (_has_keys, _has_choices):
        fitting = [member for member, inner in classes if fits(inner, value)]
        if len(fitting) == 1:
            return fitting
    return []


def _has_keys(shape: Object, value: dict[str, Any]) -> bool:
    required = {item.key for item in shape.fields if item.required}
    return required <= value.keys() <= {item.key for item in shape.fields}


def _has_choices(shape: Object, value: dict[str, Any]) -> bool:
    chosen = [item for item in shape.fields if item.key in value and isinstance(bare(item.shape), Choice)]
    return bool(chosen) and all(_kind_fits(item.shape, value[item.key]) for item in chosen)


def may_become(shape: Shape, value: dict[str, Any]) -> bool:
    """Whether an object of which not all has arrived may be of a shape."""
    if isinstance(shape, Variant) and shape.tag is not None:
        return value.get(TAG) == shape.tag
    if not isinstance(shape, (Object, Variant)):
        return True
    known = {item.key: item for item in (shape.object if isinstance(shape, Variant) else shape).fields}
    settled = list(value.items())[:-1]  # the last may go on
    return value.keys() <= known.keys() and all(_kind_fits(known[name].shape, item) for name, item in settled)


def _kind_fits(shape: Shape, value: Any) -> bool:
    found = bare(shape)
    if isinstance(found, Choice):
        return is_scalar(value) and json_key(value) in _keys(found)
    kind = kind_of(value)
    if kind == "number" and value.is_integer():  # 1.0 is an integer
        return bool({"number", "integer"} & kinds(found))
    return kind in kinds(found)


Order = Mapping[str, tuple[Shape, ...]]
"""The members that take values of a kind, the most special first."""


def order(members: Iterable[Shape]) -> Order:
    """Of the members of a union; those that are alike stay as they are declared."""
    found = {}
    for kind in ("null", "boolean", "integer", "number", "whole", "string", "array", "object"):
        wanted = {"integer", "number"} if kind == "whole" else {kind}  # 1.0 is an integer, and written as a number
        fitting = [member for member in members if wanted & kinds(member)]
        found[kind] = tuple(sorted(fitting, key=lambda member: _rank(bare(member), kind)))
    return found


def in_order(members: Order, value: Any) -> tuple[Shape, ...]:
    """Those that take values like this one."""
    return members.get("whole" if isinstance(value, float) and value.is_integer() else kind_of(value), ())


def _rank(shape: Shape, kind: str) -> int:  # noqa: PLR0911 - one a kind of shape
    match shape:
        case Choice():
            return 0
        case Written(numeric=True) if kind != "string":  # a number is written as a string if it is a Decimal
            return 24
        case Written(cls=cls):
            return _SPECIAL[cls]
        case Object() | Variant():
            return 10
        case Scalar(type="number") if kind in ("number", "whole"):  # what has a point is no int if it may be a float
            return 20
        case Scalar(type=name):
            return _RANKS.get(name, 0)
        case Items() | Row():
            return 30
        case Table():
            return 31
        case Anything():
            return 40
        case _:
            return 0
