"""What can only be asked of a graph that is whole: what may be hashed, what may be a key, what has an end."""

from llmkit.errors import ConfigurationError
from llmkit.schema.formats import WRITTEN
from llmkit.schema.shapes import (
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
    bare,
    says,
)


def must_be_strings(shape: Shape, where: str) -> None:
    """The keys of JSON objects are."""
    if not _strings(shape):
        raise ConfigurationError(f"{where}: the keys of a JSON object are strings, not {says(shape)}; use str")


def _strings(shape: Shape) -> bool:
    match bare(shape):
        case Union(members=members):
            return all(map(_strings, members))
        case Scalar(type="string"):
            return True
        case Choice(options=options):
            return all(isinstance(value, str) for value, _ in options)
        case found:
            return found in WRITTEN


def must_hash(shape: Shape, where: str, seen: tuple[Shape, ...] = ()) -> None:
    """A set holds what has a hash."""
    found = bare(shape)
    if found in seen:
        return
    seen = (*seen, found)
    match found:
        case Items(make=make) if make in (list, set):
            raise ConfigurationError(f"{where}: {make.__name__} cannot be in a set; use tuple or frozenset")
        case Items(item=item):
            must_hash(item, where, seen)
        case Row(items=items) | Union(members=items):
            for item in items:
                must_hash(item, where, seen)
        case Object(cls=cls, is_dict=is_dict) if is_dict or cls.__hash__ is None:
            raise ConfigurationError(f"{where}: {cls.__name__} has no hash, and cannot be in a set; make it frozen")
        case Table() | Anything():
            raise ConfigurationError(f"{where}: {says(shape)} cannot be in a set; use a list")


def must_end(alias: Alias, where: str) -> None:
    """An alias that stands for nothing but itself has no values."""
    seen: list[Shape] = []
    shape: Shape | None = alias
    while isinstance(shape, (Alias, Noted)):
        if shape in seen:
            raise ConfigurationError(f"{where}: the type {alias.name} is nothing but itself")
        seen.append(shape)
        shape = shape.target if isinstance(shape, Alias) else shape.shape
