"""Types in, shapes out. A type that JSON cannot express is a `ConfigurationError` that begins with the field's path."""

import inspect
import re
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final, TypeVar, get_args, get_origin

from attrs import evolve

from llmkit.errors import ConfigurationError
from llmkit.schema.choices import of_enum, of_literal
from llmkit.schema.constraints import of_metadata, of_validator
from llmkit.schema.fields import Default, Raw, has_fields, is_typed_dict, raw_fields, summary
from llmkit.schema.formats import WRITTEN
from llmkit.schema.hints import key, of_alias, substituted
from llmkit.schema.limits import limited
from llmkit.schema.misfit import step
from llmkit.schema.shapes import (
    ABSENT,
    Alias,
    Anything,
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
    walk,
)
from llmkit.schema.unions import settle
from llmkit.schema.whole import must_be_strings, must_end, must_hash

_DEEPEST: Final = 100  # types in types: a generic class that holds itself with ever longer arguments has no end
_SCALARS: Final[dict[Any, str]] = {
    bool: "boolean", int: "integer", float: "number", str: "string", types.NoneType: "null",
}  # fmt: skip
_BY_CLASS: Final = {written.cls: written for written in WRITTEN}
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


def build(type_: Any, where: str) -> Shape:
    """The shape of a type, whole.

    Raises:
        ConfigurationError: The type, or one in it, cannot be expressed; the message begins with its path.
    """
    builder = _Builder()
    try:
        shape = builder.shape(type_, where)
        builder.finish(shape)
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

    def finish(self, root: Shape) -> None:
        """What needs all of the graph: which members a union has, what may be hashed, what may be a key."""
        for check in self._later:
            check()
        for shape in walk(root):
            if isinstance(shape, Union):
                settle(shape)

    def shape(self, hint: Any, where: str) -> Shape:
        """The shape of one annotation."""
        if self._depth > _DEEPEST:
            raise ConfigurationError(f"{where:.200}: types are nested too deeply")
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
        return _noted(shape, texts[-1] if texts else "")  # the outermost stands last

    def _plain(self, hint: Any, where: str) -> Shape:
        if (found := _simple(hint)) is not None:
            return found
        origin, args = get_origin(hint) or hint, get_args(hint)
        if _is_alias(origin):
            return self._alias(hint, origin, args, where)
        meant = self._meant(hint, origin, args)
        return self._parts(hint, origin, args, where) if meant is None else self.shape(meant, where)

    def _meant(self, hint: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        """What is written another way; None where it is what it is."""
        if isinstance(hint, TypeVar):
            return _stand_in(hint)
        if hint is typing.Self and self._selves:
            return self._selves[-1]
        if _name_of(origin) in _WRAPPERS and args:
            return args[0]
        return getattr(hint, "__supertype__", None)  # of a NewType

    def _parts(self, hint: Any, origin: Any, args: tuple[Any, ...], where: str) -> Shape:
        if type(origin).__hash__ is None:  # a list of types, perhaps
            raise _refused(hint, where)
        if origin is typing.Literal:
            return of_literal(args, where)
        if origin in (typing.Union, types.UnionType) and args:
            return self._union(args, where)
        if origin is tuple or origin is typing.Tuple:  # noqa: UP006 - bare, it is no class
            return self._tuple(hint, args, where)
        if origin in _MAKERS and len(args) < 2:  # noqa: PLR2004 - `list[int, str]` is a mistake
            return self._items(_MAKERS[origin], args[0] if args else Any, where)
        if origin in _TABLES and len(args) in (0, 2):
            return self._table(args or (Any, Any), where)
        if isinstance(origin, type):
            return self._class(hint, origin, args, where)
        raise _refused(hint, where)

    def _items(self, make: type, item: Any, where: str) -> Shape:
        shape = self.shape(item, f"{where}[]")
        if make not in (set, frozenset):
            return Items(shape, make)
        if isinstance(bare(shape), Anything):  # what can be hashed of it
            shape = Union(tuple(map(Scalar, ("null", "boolean", "integer", "number", "string"))), where)
        self._later.append(lambda: must_hash(shape, f"{where}[]"))
        return Items(shape, make)

    def _tuple(self, hint: Any, args: tuple[Any, ...], where: str) -> Shape:
        if hint in (tuple, typing.Tuple):  # noqa: UP006 - of nobody knows what, which `tuple[()]` is not
            return Items(Anything(), tuple)
        if args and args[-1] is Ellipsis:
            return self._items(tuple, args[0], where)
        return Row(tuple(self.shape(item, f"{where}[{at}]") for at, item in enumerate(args)))

    def _table(self, args: tuple[Any, ...], where: str) -> Shape:
        found = self.shape(args[0], f"{where}{{key}}")
        name = Scalar("string") if isinstance(bare(found), Anything) else found
        shape = Table(name, self.shape(args[1], f"{where}{{}}"))
        self._later.append(lambda: must_be_strings(name, where))
        return shape

    def _union(self, args: tuple[Any, ...], where: str) -> Shape:
        return Union(tuple(self.shape(item, where) for item in args), where)

    def _alias(self, hint: Any, origin: Any, args: tuple[Any, ...], where: str) -> Shape:
        known = self._known.get(name := key(hint))
        if known is not None:
            return known
        alias = self._known[name] = Alias(_names(origin.__name__, args))
        variables = getattr(origin, "__type_params__", ())
        alias.target = self.shape(substituted(of_alias(origin, where), dict(zip(variables, args, strict=False))), where)
        self._later.append(lambda: must_end(alias, where))
        return alias

    def _class(self, hint: Any, origin: type, args: tuple[Any, ...], where: str) -> Shape:
        if issubclass(origin, Enum):
            return of_enum(origin, where)
        if (hasattr(origin, "model_fields") and not has_fields(origin)) or hasattr(origin, "__struct_fields__"):
            raise ConfigurationError(
                f"{where}: {origin.__name__} is a model of another library; make it an attrs class or a dataclass"
            )
        if not has_fields(origin) or (args and not hasattr(origin, "__parameters__")):
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
            fields = (self._field(item, f"{where}{step(item.key)}", is_dict=found.is_dict) for item in raw)
            found.fields = tuple(fields)
        finally:
            self._selves.pop()
        found.hidden = tuple((item.name, _maker(item.default, item.factory)) for item in hidden)
        return found

    def _field(self, raw: Raw, where: str, *, is_dict: bool) -> Field:
        shape = limited(self.shape(raw.hint, where), list(of_validator(raw.validator)), where)
        # Of a class a default that only the schema knew of would be missed by the constructor.
        told = next((item for item in _metadata(raw.hint) if is_dict and isinstance(item, Default)), None)
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


def _simple(hint: Any) -> Shape | None:
    if any(hint is one for one in (Any, object)):
        return Anything()
    if hint is typing.LiteralString:
        return Scalar("string")
    if hint is None:
        return Scalar("null")
    if not isinstance(hint, type):
        return None
    return Scalar(_SCALARS[hint]) if hint in _SCALARS else _BY_CLASS.get(hint)


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
    words = (_names(getattr(get_origin(item) or item, "__name__", str(item)), get_args(item)) for item in args)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", "_".join((name, *words))).strip("_") or "type"


def _refused(hint: Any, where: str) -> ConfigurationError:
    if isinstance(hint, type):
        return ConfigurationError(f"{where}: {hint.__qualname__} cannot be expressed in JSON; {_POSSIBLE}")
    return ConfigurationError(f"{where}: {hint!r:.80} is no type that can be expressed in JSON; {_POSSIBLE}")
