"""JSON values to instances, strictly. cattrs keeps the hooks, one for each shape, and chooses among them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from math import isfinite
from typing import Any, Final, cast

from cattrs import Converter

from llmkit.schema.misfit import Misfit, expected, said
from llmkit.schema.shapes import (
    TAG,
    Anything,
    Choice,
    Field,
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
    says,
    takes_null,
    through,
)
from llmkit.schema.unions import in_order, may_be, meant, order

Hook = Callable[[Any, Any], Any]
"""As cattrs calls it: with the value and what it is to be."""


def register(converter: Converter, *, nulls: bool) -> None:
    """Give `converter` a hook for each kind of shape."""
    factories: dict[type, Callable[[Any, Converter], Hook]] = {
        Anything: _anything,
        Scalar: _scalar,
        Written: _written,
        Choice: _choice,
        Items: _items,
        Row: _row,
        Table: _table,
        Object: lambda shape, converter: _object(shape, converter, nulls=nulls),
        Variant: lambda shape, converter: _variant(shape, converter, nulls=nulls),
        Union: lambda shape, converter: _union(shape, converter, nulls=nulls),
        Noted: _noted,
    }
    for kind, factory in factories.items():
        converter.register_structure_hook_factory(_is(kind), factory)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda shape: type(shape) is kind


def _hook(converter: Converter, shape: Shape) -> Hook:
    """To be asked for when it is first needed, as a shape may be in itself."""
    return converter.get_structure_hook(cast(Any, through(shape)))


def _anything(_: Anything, __: Converter) -> Hook:
    return lambda value, _: value


def _scalar(shape: Scalar, _: Converter) -> Hook:
    return _SCALARS[shape.type]


def _null(value: Any, _: Scalar) -> None:
    if value is not None:
        raise expected("null", value)


def _boolean(value: Any, _: Scalar) -> bool:
    if not isinstance(value, bool):
        raise expected("bool", value)
    return value


def _integer(value: Any, _: Scalar) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():  # as JSON Schema has it, 1.0 is an integer
        return int(value)
    raise expected("int", value)


def _number(value: Any, _: Scalar) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            raise Misfit("$", "the number is too large for float") from None
        if isfinite(found):
            return found
    raise expected("float", value)


def _string(value: Any, _: Scalar) -> str:
    if not isinstance(value, str):
        raise expected("str", value)
    return value


_SCALARS: Final[Mapping[str, Hook]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "string": _string,
}


def _written(shape: Written, _: Converter) -> Hook:
    def read(value: Any, _: Any) -> Any:
        try:
            return shape.read(value)
        except (ValueError, TypeError, ArithmeticError):
            raise expected(shape.word, value) from None

    return read


def _choice(shape: Choice, _: Converter) -> Hook:
    items = {json_key(value): item for value, item in shape.options}

    def read(value: Any, _: Any) -> Any:
        if is_scalar(value) and (name := json_key(value)) in items:
            return items[name]
        raise expected(says(shape), value)

    return read


def _items(shape: Items, converter: Converter) -> Hook:
    found = cache(lambda: _hook(converter, shape.item))

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise expected("an array", value)
        hook, items = found(), []
        for at, item in enumerate(value):
            try:
                items.append(hook(item, shape.item))
            except Misfit as misfit:
                raise misfit.inside(at) from misfit.__cause__
        if shape.unique:
            _no_duplicate(value)
        try:
            return items if shape.make is list else shape.make(items)
        except TypeError as exc:  # a class may say that it has a hash, and have none
            raise Misfit("$", str(exc)) from exc

    return read


def _no_duplicate(value: list[Any]) -> None:
    seen: set[Any] = set()
    for at, item in enumerate(value):
        name = json_key(item)
        if name in seen:
            raise Misfit(f"$[{at}]", "is there twice, in what is to be a set")
        seen.add(name)


def _row(shape: Row, converter: Converter) -> Hook:
    found = cache(lambda: [(item, _hook(converter, item)) for item in shape.items])

    def read(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise expected("an array", value)
        if len(value) != len(shape.items):
            raise Misfit("$", f"expected {len(shape.items)} items, got {len(value)}")
        items = []
        for at, (item, (part, hook)) in enumerate(zip(value, found(), strict=True)):
            try:
                items.append(hook(item, part))
            except Misfit as misfit:
                raise misfit.inside(at) from misfit.__cause__
        return tuple(items)

    return read


def _table(shape: Table, converter: Converter) -> Hook:
    found = cache(lambda: (_hook(converter, shape.key), _hook(converter, shape.value)))

    def read(value: Any, _: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise expected("an object", value)
        (keys, values), items = found(), {}
        for name, item in value.items():
            try:
                key = keys(name, shape.key)
            except Misfit as misfit:
                raise Misfit("$", f"a key does not fit: {misfit.problem}").inside(str(name)) from None
            if key in items:
                raise Misfit("$", "is the same key as another").inside(str(name))
            try:
                items[key] = values(item, shape.value)
            except Misfit as misfit:
                raise misfit.inside(name) from misfit.__cause__
        return items

    return read


def _object(shape: Object, converter: Converter, *, nulls: bool) -> Hook:
    known: dict[str, Field] = {item.key: item for item in shape.fields}
    found = cache(lambda: {name: _hook(converter, item.shape) for name, item in known.items()})

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise expected(says(shape), value)
        hooks, given = found(), {}
        for name, item in value.items():
            if name not in known:
                raise Misfit("$", f"is unknown; known are {', '.join(known) or 'none'}").inside(str(name))
            if nulls and item is None and _left_out(known[name]):
                continue
            try:
                given[name] = hooks[name](item, known[name].shape)
            except Misfit as misfit:
                raise misfit.inside(name) from misfit.__cause__
        for name, field in known.items():
            if field.required and name not in given:
                raise Misfit("$", "is missing").inside(name)
        return _made(shape, given)

    return read


def _left_out(item: Field) -> bool:
    """Whether a null for this field says that it was left out."""
    return not item.required and not takes_null(item.shape)


def _made(shape: Object, given: dict[str, Any]) -> Any:
    if shape.is_dict:
        return given
    try:
        return shape.cls(**given)
    except Exception as exc:  # validators and converters are the caller's code
        raise Misfit("$", f"{shape.name} refuses it: {said(exc)}") from exc


def _variant(shape: Variant, converter: Converter, *, nulls: bool) -> Hook:
    inner = _object(shape.object, converter, nulls=nulls)
    if shape.tag is None:
        return inner
    # That the tag is there, and this one, is how the union came to this member.
    return lambda value, _: inner({name: item for name, item in value.items() if name != TAG}, shape.object)


def _union(shape: Union, converter: Converter, *, nulls: bool) -> Hook:
    hooks = {id(member): _hook(converter, member) for member in shape.members}
    members = order(shape.members)

    def read(value: Any, _: Any) -> Any:
        faults: list[Misfit] = []
        for member in _candidates(in_order(members, value), value, nulls=nulls):
            try:
                return hooks[id(member)](value, member)
            except Misfit as misfit:
                faults.append(misfit)
        raise _reason(shape, value, faults)

    return read


def _candidates(members: tuple[Shape, ...], value: Any, *, nulls: bool) -> Iterable[Shape]:
    """The members that may take `value`; of classes one at most, so that what is in it is read once."""
    if not isinstance(value, dict) or len(members) == 1:  # which says best itself what is wrong
        return members
    fitting = [member for member in members if may_be(bare(member), value, nulls=nulls)]
    return fitting or meant(members, value)


def _reason(shape: Union, value: Any, faults: list[Misfit]) -> Misfit:
    """Why no member took `value`: as the one that came furthest has it."""
    tags = [found.tag for member in shape.members if isinstance(found := bare(member), Variant) and found.tag]
    if not faults and tags and isinstance(value, dict):
        if TAG not in value:
            return Misfit("$", f"is missing; it is one of {', '.join(map(repr, tags))}").inside(TAG)
        return expected("one of " + ", ".join(map(repr, tags)), value[TAG]).inside(TAG)
    if len(faults) == 1:
        return faults[0]
    deep = [fault for fault in faults if fault.path != "$"]
    return max(deep, key=lambda fault: len(fault.path)) if deep else expected(says(shape), value)


def _noted(shape: Noted, converter: Converter) -> Hook:
    hook = _hook(converter, shape.shape)
    if not shape.checks:
        return lambda value, _: hook(value, shape.shape)

    def read(value: Any, _: Any) -> Any:
        found = hook(value, shape.shape)
        for check in shape.checks:
            try:
                holds = check.holds(value, found)
            except Exception:  # noqa: BLE001 - it compares with the caller's objects
                holds = False
            if not holds:
                raise Misfit("$", check.problem)
        return found

    return read
