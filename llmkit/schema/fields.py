"""The fields of classes: attrs classes, dataclasses, `TypedDict`, `NamedTuple`, all as one table.

This is the only place that knows how each of them says what it is made of.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NotRequired, Required, get_args, get_origin

import attrs
from attrs import NOTHING, frozen

from llmkit import docstrings
from llmkit.errors import ConfigurationError
from llmkit.schema.hints import bindings, of_class, owner_of, substituted
from llmkit.schema.misfit import step
from llmkit.schema.shapes import ABSENT

_PLAIN_FACTORIES: Final = (list, dict, set, frozenset, tuple)


@frozen(eq=False)
class Default:
    """The default of a key of a `TypedDict`, in ``Annotated``: told in the schema, and the key may be left out.

    Structuring does not fill it in: a key that is not there stays away.
    """

    value: Any


@frozen(eq=False)
class Raw:
    """A field as its class declares it.

    Attributes:
        name: The attribute, or the key where values are dicts.
        key: Its name in JSON, and the keyword of the constructor.
        hint: The type, resolved, with what stands for type variables.
        default: The value; `ABSENT` where there is none or a factory makes it.
        factory: Makes the default.
        description: Of the field's metadata, else of the class's docstring.
        validator: Of attrs.
    """

    name: str
    key: str
    hint: Any
    required: bool
    default: Any = ABSENT
    factory: Callable[[], Any] | None = None
    description: str = ""
    validator: Any = None

    @property
    def shown(self) -> Any:
        """The default as a schema tells it: none that a factory of the caller's makes, who knows when, of what."""
        return self.factory() if self.factory in _PLAIN_FACTORIES and self.factory else self.default


@frozen(eq=False)
class Hidden:
    """A field that the constructor does not take."""

    name: str
    default: Any = ABSENT
    factory: Callable[[], Any] | None = None


def is_typed_dict(cls: type) -> bool:
    """Also one of ``typing_extensions``, which `typing.is_typeddict` may not know."""
    return issubclass(cls, dict) and hasattr(cls, "__required_keys__") and hasattr(cls, "__total__")


def is_named_tuple(cls: type) -> bool:
    """Whether it was made by `NamedTuple` or ``namedtuple``."""
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def has_fields(cls: type) -> bool:
    """Whether `raw_fields` knows the class."""
    return is_typed_dict(cls) or is_named_tuple(cls) or attrs.has(cls) or dataclasses.is_dataclass(cls)


def raw_fields(cls: type, args: tuple[Any, ...], where: str) -> tuple[list[Raw], list[Hidden]]:
    """The fields that JSON has, in their order, and those that it has not."""
    if is_typed_dict(cls):
        return list(_of_typed_dict(cls, args, where)), []
    if is_named_tuple(cls):
        return list(_of_named_tuple(cls, args, where)), []
    if attrs.has(cls):
        return _of_attrs(cls, args, where)
    return _of_dataclass(cls, args, where)


def summary(cls: type) -> str:
    """What the class's own docstring says first; not what dataclasses and named tuples write by themselves."""
    doc = cls.__dict__.get("__doc__")
    if not isinstance(doc, str) or doc.startswith(f"{cls.__name__}("):
        return ""
    return " ".join(docstrings.description(inspect.cleandoc(doc)).partition("\n\n")[0].split())


def _texts(cls: type) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        doc = base.__dict__.get("__doc__")
        if isinstance(doc, str) and base.__module__ != "builtins":
            found |= docstrings.parameters(inspect.cleandoc(doc))
    return found


def _of_attrs(cls: type, args: tuple[Any, ...], where: str) -> tuple[list[Raw], list[Hidden]]:
    bound = bindings(cls, args)
    texts = _texts(cls)
    raw: list[Raw] = []
    hidden: list[Hidden] = []
    for item in attrs.fields(cls):
        default, factory = _attrs_default(item)
        if not item.init:
            hidden.append(Hidden(item.name, default, factory))
            continue
        owner = owner_of(item.name, cls)
        hint = Any if item.type is None else of_class(item.type, owner, cls, f"{where}{step(item.alias)}")
        raw.append(
            Raw(
                item.name,
                item.alias,
                substituted(hint, bound.get(owner, {})),
                item.default is NOTHING,
                default,
                factory,
                _described(item.metadata) or texts.get(item.name, "") or texts.get(item.alias, ""),
                item.validator,
            )
        )
    return raw, hidden


def _attrs_default(item: "attrs.Attribute[Any]") -> tuple[Any, Callable[[], Any] | None]:
    found: Any = item.default
    if isinstance(found, attrs.Factory):  # type: ignore[arg-type] # a class, said to be a function
        return ABSENT, None if found.takes_self else found.factory
    return (ABSENT if found is NOTHING else found), None


def _of_dataclass(cls: type, args: tuple[Any, ...], where: str) -> tuple[list[Raw], list[Hidden]]:
    bound = bindings(cls, args)
    texts = _texts(cls)
    raw: list[Raw] = []
    hidden: list[Hidden] = []
    for item in _dataclass_fields(cls, where):
        default = ABSENT if item.default is dataclasses.MISSING else item.default
        factory = None if item.default_factory is dataclasses.MISSING else item.default_factory
        if not item.init:
            hidden.append(Hidden(item.name, default, factory))
            continue
        owner = owner_of(item.name, cls)
        hint = of_class(item.type, owner, cls, f"{where}{step(item.name)}")
        raw.append(
            Raw(
                item.name,
                item.name,
                substituted(hint, bound.get(owner, {})),
                default is ABSENT and factory is None,
                default,
                factory,
                _described(item.metadata) or texts.get(item.name, ""),
            )
        )
    return raw, hidden


def _dataclass_fields(cls: Any, where: str) -> tuple["dataclasses.Field[Any]", ...]:
    real = dataclasses.fields(cls)
    names = {item.name for item in real}
    for base in cls.__mro__:
        for name, item in base.__dict__.get("__dataclass_fields__", {}).items():
            if name not in names and item._field_type is dataclasses._FIELD_INITVAR:  # type: ignore[attr-defined]  # noqa: SLF001 - said nowhere else
                raise ConfigurationError(
                    f"{where}{step(name)}: an InitVar is not kept, so that it has no way back; use a field"
                )
    return real


def _of_named_tuple(cls: Any, args: tuple[Any, ...], where: str) -> Iterator[Raw]:
    bound = bindings(cls, args)
    texts = _texts(cls)
    for name in cls._fields:
        owner = owner_of(name, cls)
        annotation = inspect.get_annotations(owner).get(name, Any)
        hint = of_class(annotation, owner, cls, f"{where}{step(name)}")
        default = cls._field_defaults.get(name, ABSENT)
        yield Raw(
            name,
            name,
            substituted(hint, bound.get(owner, {})),
            default is ABSENT,
            default,
            description=texts.get(name, ""),
        )


def _of_typed_dict(cls: Any, args: tuple[Any, ...], where: str) -> Iterator[Raw]:
    """Those of its bases first.

    A `TypedDict` forgets its bases but for ``__orig_bases__``; all annotations are in each class.
    """
    bound = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    texts = _texts(cls)
    theirs: dict[str, tuple[Raw, Any]] = {}
    for base in cls.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base) or base
        if isinstance(origin, type) and is_typed_dict(origin):
            given = tuple(substituted(argument, bound) for argument in get_args(base))
            inherited = _of_typed_dict(origin, given, where)
            theirs |= {raw.name: (raw, origin.__annotations__[raw.name]) for raw in inherited}
    for name, annotation in cls.__annotations__.items():
        known, said = theirs.get(name, (None, None))
        if known is not None and said == annotation:
            yield known if name not in texts else attrs.evolve(known, description=texts[name])
            continue
        hint = substituted(of_class(annotation, cls, cls, f"{where}{step(name)}"), bound)
        required = _required(hint)
        if required is None:
            required = name in cls.__required_keys__
        yield Raw(name, name, hint, required, description=texts.get(name, ""))


def _required(hint: Any) -> bool | None:
    """What the annotation itself says: strings are not looked into when the class is made."""
    while (origin := get_origin(hint)) is not None:
        if origin is Required or origin is NotRequired:
            return bool(origin is Required)
        if hasattr(hint, "__metadata__"):
            hint = hint.__origin__
        elif getattr(origin, "_name", "") == "ReadOnly":
            hint = get_args(hint)[0]
        else:
            return None
    return None


def _described(metadata: Mapping[Any, Any]) -> str:
    text = metadata.get("description", "")
    return text if isinstance(text, str) else ""
