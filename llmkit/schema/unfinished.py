"""JSON that has not all arrived, as far as it is known. Nothing here raises: what does not fit is not known yet."""

from collections.abc import Callable
from typing import Any, Final

from llmkit.schema.misfit import Misfit
from llmkit.schema.shapes import ABSENT, TAG, Field, Items, Object, Row, Shape, Table, Union, Variant, bare
from llmkit.schema.unions import in_order, may_become, order

Read = Callable[[Any, Shape], Any]
"""`structure`, which raises `Misfit`."""

UNKNOWN: Final = object()


def known(value: Any, shape: Shape, read: Read) -> Any:  # noqa: PLR0911 - one a kind of shape
    """What is known of `value`; `UNKNOWN` where that is nothing."""
    try:
        return read(value, shape)
    except Misfit:
        pass
    found = bare(shape)
    match found, value:
        case Items(), list():
            return _items(found, value, read)
        case Row(items=items), list():
            parts = [known(item, part, read) for item, part in zip(value, items, strict=False)]
            return tuple(None if part is UNKNOWN else part for part in parts) + (None,) * (len(items) - len(parts))
        case Table(), dict():
            return _table(found, value, read)
        case Object(), dict():
            return _object(found, value, read)
        case Variant(object=inner, tag=tag), dict():
            rest = value if tag is None else {key: item for key, item in value.items() if key != TAG}
            return _object(inner, rest, read)
        case Union(members=members), _:
            return _member(members, value, read)
        case _:
            return UNKNOWN


def _items(shape: Items, value: list[Any], read: Read) -> Any:
    parts = [part for item in value if (part := known(item, shape.item, read)) is not UNKNOWN]
    try:
        return shape.make(parts)
    except TypeError:  # an unfinished item may have no hash
        return UNKNOWN


def _table(shape: Table, value: dict[str, Any], read: Read) -> Any:
    pairs = ((known(key, shape.key, read), known(item, shape.value, read)) for key, item in value.items())
    return {key: item for key, item in pairs if key is not UNKNOWN and item is not UNKNOWN}


def _object(shape: Object, value: dict[str, Any], read: Read) -> Any:
    parts = {
        item.name: part
        for item in shape.fields
        if item.key in value and (part := known(value[item.key], item.shape, read)) is not UNKNOWN
    }
    if shape.is_dict:
        return parts
    whole = {item.name: parts[item.name] if item.name in parts else _default(item) for item in shape.fields}
    try:
        return _instance(shape, whole)
    except Exception:  # noqa: BLE001 - how a class makes and sets is its own code
        return UNKNOWN


def _default(item: Field) -> Any:
    if item.factory is not None:
        return _made(item.factory)
    return None if item.default is ABSENT else item.default


def _made(factory: Callable[[], Any] | None) -> Any:
    try:
        return None if factory is None else factory()
    except Exception:  # noqa: BLE001 - the caller's code
        return None


def _instance(shape: Object, values: dict[str, Any]) -> Any:
    """Made without the constructor, whose validators ask for a whole object."""
    if issubclass(shape.cls, tuple):
        return tuple.__new__(shape.cls, values.values())
    found = shape.cls.__new__(shape.cls)
    for name, value in (*values.items(), *((name, _made(factory)) for name, factory in shape.hidden)):
        object.__setattr__(found, name, value)  # also where it is frozen
    return found


def _member(members: tuple[Shape, ...], value: Any, read: Read) -> Any:
    """Of the only member that it can become; while it could be several, nothing is known."""
    fitting = in_order(order(members), value)
    if isinstance(value, dict):
        fitting = tuple(member for member in fitting if may_become(bare(member), value))
    return known(value, fitting[0], read) if len(fitting) == 1 else UNKNOWN
