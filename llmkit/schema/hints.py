"""Annotations: strings resolved, type variables replaced, and a key that is the same for types that are spelt alike."""

import builtins
import inspect
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

from llmkit.errors import ConfigurationError

Bindings = Mapping[Any, Any]
"""What stands for each type variable."""


def of_class(annotation: Any, owner: type, cls: type, where: str) -> Any:
    """`annotation` of a field of `owner`, a base of `cls`, without strings.

    Names are looked up as the class body would: in its own classes, in the module, and its own name, which a class
    that is defined in a function has nowhere else.
    """
    inner = {name: value for name, value in vars(owner).items() if isinstance(value, type)}
    own = {variable.__name__: variable for variable in getattr(owner, "__type_params__", ())}
    own |= {owner.__name__: owner, cls.__name__: cls}
    return _resolved(annotation, owner.__module__, inner, own, where)


def of_alias(alias: Any, where: str) -> Any:
    """What ``type`` gave a name to, without strings."""
    return _resolved(alias.__value__, alias.__module__, {}, {alias.__name__: alias}, where)


def _resolved(annotation: Any, module: str, inner: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Any:
    known = vars(sys.modules.get(module, builtins))
    names = {**inner, **vars(builtins), **known, **own}
    # A class, as in no other place may a hint be `Final` or `ClassVar`.
    holder = type("_", (), {"__annotations__": {"hint": annotation}, "__module__": module})
    try:
        return get_type_hints(holder, known, names, include_extras=True)["hint"]
    except Exception as exc:
        raise ConfigurationError(
            f"{where}: the annotation {annotation!r:.80} cannot be resolved: {exc}; "
            "name types that are defined at the top of a module"
        ) from exc


def owner_of(name: str, cls: type) -> type:
    """The class of which `cls` has the annotation of `name`."""
    return next((base for base in cls.__mro__ if name in inspect.get_annotations(base)), cls)


def bindings(cls: Any, args: tuple[Any, ...]) -> dict[type, Bindings]:
    """What stands for the type variables of `cls`, whose arguments are `args`, and of each of its bases."""
    found: dict[type, Bindings] = {}
    rest: list[tuple[Any, Bindings]] = [(cls, dict(zip(getattr(cls, "__parameters__", ()), args, strict=False)))]
    while rest:
        origin, bound = rest.pop()
        if origin in found:
            continue
        found[origin] = bound
        for base in origin.__dict__.get("__orig_bases__", origin.__bases__):
            generic = get_origin(base) or base
            if isinstance(generic, type) and generic not in (Generic, Protocol, object):
                given = [substituted(argument, bound) for argument in get_args(base)]
                variables = getattr(generic, "__parameters__", ())
                rest.append((generic, dict(zip(variables, given, strict=False))))
    return found


def substituted(hint: Any, bound: Bindings) -> Any:
    """`hint` with what stands for its type variables; those that nothing is known of stay."""
    if isinstance(hint, TypeVar):
        return bound.get(hint, hint)
    variables = () if isinstance(hint, type) and get_origin(hint) is None else getattr(hint, "__parameters__", ())
    if not variables or not any(variable in bound for variable in variables):
        return hint
    return hint[tuple(bound.get(variable, variable) for variable in variables)]


def key(hint: Any) -> Any:
    """Something hashable that is equal for types that are the same, also in the order of their parts.

    Types themselves will not do: ``int | str`` and ``str | int`` are equal, and ``Annotated`` may not be hashable.
    """
    origin = get_origin(hint)
    if origin is None:
        return hint
    if origin is Literal:
        return (Literal, *((type(value), value) for value in get_args(hint)))
    if origin is Annotated:
        return (Annotated, key(hint.__origin__), *map(_metadata_key, hint.__metadata__))
    return (type(hint), origin, *map(key, get_args(hint)))


def _metadata_key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:  # whoever keeps the key keeps the type, too, so that no other object gets this number
        return id(value)
    return (type(value), value)
