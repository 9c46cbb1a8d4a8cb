"""Types in, shapes out. A type that JSON cannot express is a `ConfigurationError` that begins with the field's path."""

from collections import abc
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum, Flag
from math import isfinite
from typing import Any, Final, TypeVar, get_args, get_origin

from attrs import evolve, frozen

from llmkit.errors import ConfigurationError
from llmkit.schema.fields import Raw, has_fields, is_typed_dict, raw_fields, summary
from llmkit.schema.formats import WRITTEN
from llmkit.schema.hints import key, substituted
from llmkit.schema.limits import limited, of_metadata, of_validator
from llmkit.schema.shapes import (
    ABSENT,
    Alias,
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
    bare,
    json_key,
    kinds,
    says,
)
from llmkit.schema.unions import settle

_DEEPEST: Final = 60  # types in types: a generic class that holds itself with ever longer arguments has no end
_SCALARS: Final[dict[Any, str]] = {
    bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null", None: "null",
}  # fmt: skip
_BY_CLASS: Final = {written.cls: written for written in WRITTEN}
_ANYTHING: Final = (Any, object)
_LISTS: Final = (list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Reversible)
_MAKERS: Final[dict[Any, type]] = {
    **dict.fromkeys(_LISTS, list),
    set: set,
    abc.MutableSet: set,
    frozenset: frozenset,
    abc.Set: frozenset,
}
_TABLES: Final = (dict, abc.Mapping, abc.MutableMapping)
_WRAPPERS: Final = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
_POSSIBLE: Final = (
    "possible are attrs classes, dataclasses, TypedDict, NamedTuple, Enum, Literal, unions, list, tuple, set, dict, "
    "bool, int, float, str, bytes, Decimal, UUID, date, time, datetime, timedelta, None and Any"
)


@frozen(eq=False)
class Default:
    """The default of a key of a `TypedDict`, in ``Annotated``: told in the schema, and the key may be left out.

    Structuring does not fill it in: a key that is not there stays away.
    """

    value: Any


def build(type_: Any, where: str) -> Shape:
    """The shape of a type, whole.

    Raises:
        ConfigurationError: The type, or one in it, cannot be expressed; the message begins with its path.
    """
    builder = _Builder()
    try:
        shape = builder.shape(type_, where)
        builder.finish()
    except ConfigurationError:
        raise
    except Exception as exc:  # annotations are anybody's objects, and answer to questions as they like
        raise ConfigurationError(f"{where}: cannot be read as a type: {type(exc).__name__}: {exc}") from exc
    return shape


class _Builder:
    """One graph of shapes while it is built."""

    def __init__(self) -> None:
        self._known: dict[Any, Object | Alias] = {}
        self._selves: list[Any] = []
        self._later: list[Callable[[], None]] = []
        self._depth = 0

    def finish(self) -> None:
        """What needs all of the graph: which members a union has, what may be hashed, what may be a key."""
        for job in self._later:
            job()

    def shape(self, hint: Any, where: str) -> Shape:
        """The shape of one annotation."""
        if self._depth > _DEEPEST:
            raise ConfigurationError(f"{where}: types are nested too deeply")
        self._depth += 1
        try:
            if hasattr(hint, "__metadata__"):
                return self._annotated(hint, where)
            return self._plain(hint, where)
        finally:
            self._depth -= 1

    def _annotated(self, hint: Any, where: str) -> Shape:
        shape = self.shape(hint.__origin__, where)
        limits = [limit for item in hint.__metadata__ for limit in of_metadata(item)]
        shape = limited(shape, limits, where)
        texts = [text for item in hint.__metadata__ if (text := _text(item))]
        return _noted(shape, " ".join(texts))

    def _plain(self, hint: Any, where: str) -> Shape:
        if _hashable(hint):
            if hint in _SCALARS:
                return Scalar(_SCALARS[hint])
            if hint in _BY_CLASS:
                return _BY_CLASS[hint]
            if any(hint is one for one in _ANYTHING):
                return Anything()
        if isinstance(hint, TypeVar):
            return self.shape(_stand_in(hint), where)
        if hasattr(hint, "__supertype__"):
            return self.shape(hint.__supertype__, where)
        if hint is typing.Self and self._selves:
            return self.shape(self._selves[-1], where)
        if hint is typing.LiteralString:
            return Scalar("string")
        origin, args = get_origin(hint), get_args(hint)
        if origin is None:
            origin = hint
        if _name_of(origin) in _WRAPPERS and args:
            return self.shape(args[0], where)
        if _is_alias(origin):
            return self._alias(origin, args, where)
        return self._parts(hint, origin, args, where)

    def _parts(self, hint: Any, origin: Any, args: tuple[Any, ...], where: str) -> Shape:
        if origin is typing.Literal:
            return _choice(_literals(args, where), where)
        if origin in (typing.Union, types.UnionType):
            return self._union(args, where)
        if origin is tuple or origin is typing.Tuple:  # noqa: UP006 - bare, it is no class
            return self._tuple(args, where)
        if origin in _MAKERS:
            return self._items(_MAKERS[origin], args[0] if args else Any, where)
        if origin in _TABLES:
            return self._table(args or (Any, Any), where)
        if isinstance(origin, type):
            return self._class(hint, origin, args, where)
        raise _refused(hint, where)

    def _items(self, make: type, item: Any, where: str) -> Shape:
        shape = self.shape(item, f"{where}[]")
        if make not in (set, frozenset):
            return Items(shape, make)
        if isinstance(bare(shape), Anything):  # what can be hashed of it
            shape = Union(tuple(map(Scalar, ("null", "boolean", "integer", "number", "string"))))
        self._later.append(lambda: _must_hash(shape, f"{where}[]"))
        return Items(shape, make)

    def _tuple(self, args: tuple[Any, ...], where: str) -> Shape:
        if not args:
            return Items(Anything(), tuple)
        if args[-1] is Ellipsis:
            return self._items(tuple, args[0], where)
        return Row(tuple(self.shape(item, f"{where}[{at}]") for at, item in enumerate(args)))

    def _table(self, args: tuple[Any, ...], where: str) -> Shape:
        found = self.shape(args[0], f"{where}{{key}}")
        name = Scalar("string") if isinstance(bare(found), Anything) else found
        shape = Table(name, self.shape(args[1], f"{where}{{}}"))

        def check() -> None:
            if "string" not in kinds(name) or kinds(name) - {"string", "integer", "number"}:
                raise ConfigurationError(f"{where}: the keys of a JSON object are strings, not {says(name)}; use str")
            if not _strings(name):
                raise ConfigurationError(f"{where}: the keys of a JSON object are strings, not {says(name)}; use str")

        self._later.append(check)
        return shape

    def _union(self, args: tuple[Any, ...], where: str) -> Shape:
        union = Union(tuple(self.shape(item, where) for item in args))
        return self._pending(union, where)

    def _pending(self, union: Union, where: str) -> Union:
        self._later.append(lambda: settle(union, where))
        return union

    def _alias(self, origin: Any, args: tuple[Any, ...], where: str) -> Shape:
        known = self._known.get(name := key(origin[args] if args else origin))
        if known is not None:
            return known
        alias = self._known[name] = Alias(_names(origin.__name__, args))
        variables = getattr(origin, "__type_params__", ())
        alias.target = self.shape(substituted(origin.__value__, dict(zip(variables, args, strict=False))), where)
        self._later.append(lambda: _must_end(alias, where))
        return alias

    def _class(self, hint: Any, origin: type, args: tuple[Any, ...], where: str) -> Shape:
        if issubclass(origin, Enum):
            return _choice(_members(origin, where), where)
        if hasattr(origin, "__pydantic_fields__") and not has_fields(origin) or hasattr(origin, "__struct_fields__"):
            raise ConfigurationError(
                f"{where}: {origin.__name__} is a model of another library; make it an attrs class or a dataclass"
            )
        if not has_fields(origin):
            raise _refused(hint, where)
        if inspect.isabstract(origin):
            raise ConfigurationError(
                f"{where}: {origin.__name__} is abstract; name the classes that are not, as a union"
            )
        known = self._known.get(name := key(hint))
        if known is not None:
            return known
        found = Object(origin, _names(origin.__name__, args), summary(origin), is_typed_dict(origin))
        self._known[name] = found
        raw, hidden = raw_fields(origin, args, where)
        self._selves.append(hint)
        try:
            found.fields = tuple(self._field(item, f"{where}.{item.key}") for item in raw)
        finally:
            self._selves.pop()
        found.hidden = tuple((item.name, _maker(item.default, item.factory)) for item in hidden)
        return found

    def _field(self, raw: Raw, where: str) -> Field:
        shape = limited(self.shape(raw.hint, where), list(of_validator(raw.validator)), where)
        told = next((item for item in _metadata(raw.hint) if isinstance(item, Default)), None)
        description = shape.description if isinstance(shape, Noted) else ""
        return Field(
            raw.name,
            raw.key,
            shape if description or not raw.description else _noted(shape, raw.description),
            raw.required and told is None,
            raw.default,
            raw.factory,
            raw.shown if told is None else told.value,
        )


def _noted(shape: Shape, text: str) -> Shape:
    if not text:
        return shape
    return evolve(shape, description=text) if isinstance(shape, Noted) else Noted(shape, (), text)


def _maker(default: Any, factory: Callable[[], Any] | None) -> Callable[[], Any] | None:
    return factory if factory is not None else None if default is ABSENT else lambda: default


def _metadata(hint: Any) -> Iterator[Any]:
    """All that ``Annotated`` says around a type, also between `Required` and the like."""
    while hint is not None:
        if hasattr(hint, "__metadata__"):
            yield from hint.__metadata__
            hint = hint.__origin__
        elif _name_of(get_origin(hint)) in _WRAPPERS:
            hint = get_args(hint)[0]
        else:
            return


def _text(metadata: Any) -> str:
    if isinstance(metadata, str):
        return metadata.strip()
    if isinstance(metadata, type):
        return ""
    for name in ("documentation", "description"):
        text = getattr(metadata, name, None)
        if isinstance(text, str):
            return text.strip()
    return ""


def _hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True


def _stand_in(variable: Any) -> Any:
    """What a type variable that nothing is known of may be."""
    default = getattr(variable, "__default__", None)
    if default is not None and getattr(variable, "has_default", lambda: True)():
        return default
    if variable.__bound__ is not None:
        return variable.__bound__
    return typing.Union[variable.__constraints__] if variable.__constraints__ else Any  # noqa: UP007 - made of a tuple


def _is_alias(origin: Any) -> bool:
    return type(origin).__name__ == "TypeAliasType"


def _name_of(origin: Any) -> str:
    return str(getattr(origin, "_name", "") or "") if not isinstance(origin, type) else ""


def _names(name: str, args: tuple[Any, ...]) -> str:
    """A class's name with those of its arguments, of letters that are allowed everywhere."""
    words = (getattr(item, "__name__", str(item)) for item in args)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", "_".join((name, *words))).strip("_") or "type"


def _literals(args: tuple[Any, ...], where: str) -> Iterator[tuple[Any, Any]]:
    for value in args:
        yield (value.value if isinstance(value, Enum) else value, value)


def _members(cls: type[Enum], where: str) -> Iterator[tuple[Any, Any]]:
    if issubclass(cls, Flag):
        raise ConfigurationError(f"{where}: {cls.__name__} is a Flag, whose values are sums; use a set of an Enum")
    for member in cls:
        yield (member.value, member)


def _choice(options: Iterator[tuple[Any, Any]], where: str) -> Choice:
    found: dict[Any, tuple[Any, Any]] = {}
    for value, item in options:
        if not isinstance(value, (str, int, float, types.NoneType)) or (
            isinstance(value, float) and not isfinite(value)
        ):
            raise ConfigurationError(f"{where}: {value!r:.80} is no JSON scalar, as the values of a choice must be")
        found.setdefault(json_key(value), (_scalar(value), item))
    if not found:
        raise ConfigurationError(f"{where}: there is nothing to choose from")
    return Choice(tuple(found.values()))


def _scalar(value: Any) -> Any:
    """Without what a subclass adds."""
    for cls in (bool, int, float, str):
        if isinstance(value, cls):
            return cls(value) if cls is not str else str.__str__(value)
    return value


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


def _must_hash(shape: Shape, where: str) -> None:
    """A set holds what has a hash."""
    match bare(shape):
        case Items(make=make) if make in (list, set):
            raise ConfigurationError(f"{where}: {make.__name__} cannot be in a set; use tuple or frozenset")
        case Items(item=item):
            _must_hash(item, where)
        case Row(items=items) | Union(members=items):
            for item in items:
                _must_hash(item, where)
        case Object(cls=cls, is_dict=is_dict) if is_dict or cls.__hash__ is None:
            raise ConfigurationError(f"{where}: {cls.__name__} has no hash, and cannot be in a set; make it frozen")
        case Table() | Anything():
            raise ConfigurationError(f"{where}: {says(shape)} cannot be in a set; use a list")


def _must_end(alias: Alias, where: str) -> None:
    seen: list[Shape] = []
    shape: Shape | None = alias
    while isinstance(shape, (Alias, Noted)):
        if shape in seen:
            raise ConfigurationError(f"{where}: the type {alias.name} is nothing but itself")
        seen.append(shape)
        shape = shape.target if isinstance(shape, Alias) else shape.shape


def _refused(hint: Any, where: str) -> ConfigurationError:
    if isinstance(hint, type):
        return ConfigurationError(f"{where}: {hint.__qualname__} cannot be expressed in JSON; {_POSSIBLE}")
    return ConfigurationError(f"{where}: {hint!r:.80} is no type that can be expressed in JSON; {_POSSIBLE}")
