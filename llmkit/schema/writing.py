"""Instances to JSON values. A value that is not of its type is told by a `Misfit`, as nothing can be written for it."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache
from itertools import repeat
from math import isfinite
from typing import Any, Final, cast

import attrs
from attrs import frozen
from cattrs import Converter

from llmkit.schema.fields import is_named_tuple
from llmkit.schema.formats import WRITTEN
from llmkit.schema.misfit import Misfit, expected
from llmkit.schema.shapes import (
    TAG,
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
    says,
    through,
)

Hook = Callable[[Any], Any]
_CLASSES: Final = {int: "integer", float: "number", str: "string"}


def register(converter: Converter, shape_of: Callable[[Any], Shape]) -> None:
    """Give `converter` a hook for each kind of shape; `shape_of` knows those of classes that only values tell."""
    writer = _ByValue(converter, shape_of)
    factories: dict[type, Callable[[Any, Converter], Hook]] = {
        Anything: lambda _, __: writer.write,
        Scalar: lambda shape, _: _SCALARS[shape.type],
        Written: _written,
        Choice: _choice,
        Items: _items,
        Row: _row,
        Table: _table,
        Object: _object,
        Variant: _variant,
        Union: _union,
        Noted: lambda shape, converter: _hook(converter, shape.shape),
    }
    for kind, factory in factories.items():
        converter.register_unstructure_hook_factory(_is(kind), factory)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda shape: type(shape) is kind


def _hook(converter: Converter, shape: Shape) -> Hook:
    """To be asked for when it is first needed, as a shape may be in itself."""
    return converter.get_unstructure_hook(cast(Any, through(shape)))


def _null(value: Any) -> None:
    if value is not None:
        raise expected("None", value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise expected("bool", value)
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise expected("int", value)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, float):
        raise expected("float", value)
    if not isfinite(value):
        raise Misfit("$", f"{value} has no JSON")
    return float(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise expected("str", value)
    return str.__str__(value)  # of a subclass, too


_SCALARS: Final[Mapping[str, Hook]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "string": _string,
}


def _written(shape: Written, _: Converter) -> Hook:
    def write(value: Any) -> Any:
        # A datetime is a date to Python, but no date to JSON.
        if not isinstance(value, shape.cls) or (hasattr(value, "hour") and not hasattr(shape.cls, "hour")):
            raise expected(shape.cls.__name__, value)
        try:
            return shape.write(value)
        except (ValueError, ArithmeticError) as exc:
            raise Misfit("$", f"cannot be written as {shape.word}: {value!r:.80}") from exc

    return write


def _choice(shape: Choice, _: Converter) -> Hook:
    def write(value: Any) -> Any:
        for written, item in shape.options:
            if item is value or (type(item) is type(value) and item == value):
                return written
        raise expected(says(shape), value)

    return write


def _list(values: Iterable[Any], hooks: Iterable[Hook]) -> list[Any]:
    """No comprehension, and no function for one item: of what is nested deeply each frame counts."""
    found = []
    for at, (item, hook) in enumerate(zip(values, hooks, strict=False)):
        try:
            found.append(hook(item))
        except Misfit as misfit:
            raise misfit.inside(at) from misfit.__cause__
    return found


def _dict(pairs: Iterable[tuple[str, Any]], hook: Hook) -> dict[str, Any]:
    found = {}
    for name, item in pairs:
        try:
            found[name] = hook(item)
        except Misfit as misfit:
            raise misfit.inside(name) from misfit.__cause__
    return found


def _items(shape: Items, converter: Converter) -> Hook:
    hook = cache(lambda: _hook(converter, shape.item))
    kinds: Any = AbstractSet if shape.unique else tuple if shape.make is tuple else Sequence

    def write(value: Any) -> list[Any]:
        if not isinstance(value, kinds) or isinstance(value, (str, bytes, bytearray)):
            raise expected(shape.make.__name__, value)
        found = _list(value, repeat(hook()))
        return ordered(found) if shape.unique else found

    return write


def ordered(items: list[Any]) -> list[Any]:
    """What came from a set, in an order that is the same in every process."""
    return sorted(items, key=lambda item: (str(type(item)), item) if isinstance(item, (int, str)) else ("", repr(item)))


def _row(shape: Row, converter: Converter) -> Hook:
    hooks = cache(lambda: [_hook(converter, item) for item in shape.items])

    def write(value: Any) -> list[Any]:
        if not isinstance(value, tuple) or len(value) != len(shape.items):
            raise expected(f"a tuple of {len(shape.items)}", value)
        return _list(value, hooks())

    return write


def _table(shape: Table, converter: Converter) -> Hook:
    hooks = cache(lambda: (_hook(converter, shape.key), _hook(converter, shape.value)))

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise expected("dict", value)
        keys, values = hooks()
        return _dict(((keys(key), item) for key, item in value.items()), values)

    return write


def _object(shape: Object, converter: Converter) -> Hook:
    hooks = cache(lambda: [(item, _hook(converter, item.shape)) for item in shape.fields])

    def write(value: Any) -> dict[str, Any]:
        given, found = _given(shape, value), {}
        for item, hook in hooks():
            if item.name not in given:
                continue
            try:
                found[item.key] = hook(given[item.name])
            except Misfit as misfit:
                # A default that is not of its type, as in `x: int = None`, needs no writing.
                if item.default is not given[item.name]:
                    raise misfit.inside(item.key) from misfit.__cause__
        return found

    return write


def _given(shape: Object, value: Any) -> Mapping[str, Any]:
    """What an instance has of its fields, all that it must have."""
    if not isinstance(value, Mapping if shape.is_dict else shape.cls):
        raise expected(shape.name, value)
    given: dict[Any, Any]
    if isinstance(value, Mapping) and shape.is_dict:
        given = dict(value)
        for name in given.keys() - {item.name for item in shape.fields}:
            raise Misfit("$", "is unknown").inside(str(name))
    else:
        given = {item.name: getattr(value, item.name) for item in shape.fields if hasattr(value, item.name)}
    for item in shape.fields:
        if item.name not in given and (item.required or not shape.is_dict):
            raise Misfit("$", "is missing").inside(item.key)
    return given


def _variant(shape: Variant, converter: Converter) -> Hook:
    hook = _object(shape.object, converter)
    if shape.tag is None:
        return hook
    return lambda value: {TAG: shape.tag, **hook(value)}


def _union(shape: Union, converter: Converter) -> Hook:
    hooks = [(_class_of(member), _hook(converter, member)) for member in shape.members]

    def write(value: Any) -> Any:
        # A value's own class first: a member may be a base of it, an int is a float to annotations.
        own = [hook for cls, hook in hooks if cls is type(value)]
        others = [hook for cls, hook in hooks if cls is not type(value)]
        faults: list[Misfit] = []
        for hook in (*own, *others):
            try:
                return hook(value)
            except Misfit as misfit:
                faults.append(misfit)
        deep = [fault for fault in faults if fault.path != "$"]
        raise deep[0] if deep else expected(says(shape), value)

    return write


def _class_of(shape: Shape) -> type | None:
    match bare(shape):
        case Scalar(type=kind):
            return {"boolean": bool, "integer": int, "number": float, "string": str}.get(kind)
        case Written(cls=cls) | Object(cls=cls) | Variant(object=Object(cls=cls)):
            return cls
        case Items(make=make):
            return make
        case _:
            return None


@frozen
class _ByValue:
    """Writes values by their own classes, where types say nothing of them."""

    converter: Converter
    shape_of: Callable[[Any], Shape]

    def write(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.write(value.value)
        for cls, kind in _CLASSES.items():
            if isinstance(value, cls):
                return _SCALARS[kind](value)
        for written in WRITTEN:
            if isinstance(value, written.cls):
                return _written(written, self.converter)(value)
        return self._parts(value)

    def _parts(self, value: Any) -> Any:
        cls = type(value)
        if attrs.has(cls) or dataclasses.is_dataclass(cls) or is_named_tuple(cls):
            return _hook(self.converter, self.shape_of(cls))(value)
        if isinstance(value, Mapping):
            return _dict(((self._name(key), item) for key, item in value.items()), self.write)
        if isinstance(value, AbstractSet):
            return ordered([self.write(item) for item in value])
        if isinstance(value, Sequence) and not isinstance(value, (bytearray, memoryview)):
            return _list(value, repeat(self.write))
        raise Misfit("$", f"{cls.__name__} has no JSON")

    def _name(self, key: Any) -> str:
        """A key as a string: numbers and such as `json.dumps` writes them."""
        found = self.write(key)
        if isinstance(found, (list, dict)):
            raise Misfit("$", f"{key!r:.80} cannot be a key in JSON")
        return found if isinstance(found, str) else json.dumps(found)
