"""A function in, what a model is told of it out; and the way back, from a call's arguments to a run.

The types are those of the annotations: a `TypedDict` is made of them, and `llmkit.schema` knows the rest.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from inspect import Parameter
from types import FunctionType, MethodType, SimpleNamespace
from typing import Annotated, Any, Final, NotRequired, Optional, TypedDict, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from attrs import evolve, frozen

from llmkit import docstrings
from llmkit.errors import ConfigurationError
from llmkit.schema import Default, json_schema, structure

_NO_RESULT: Final = (
    (inspect.iscoroutinefunction, "a coroutine function; tools block: run it by asyncio.run in a plain function"),
    (inspect.isasyncgenfunction, "an asynchronous generator function; a tool returns its result as a whole"),
    (inspect.isgeneratorfunction, "a generator function; a tool returns its result as a whole, a list of it, say"),
)


@frozen
class Taken:
    """What a function takes from a model.

    Attributes:
        type: A `TypedDict` of the parameters that the model is told of, by their names.
        leading: The parameters that are taken by position only, with their defaults.
        names: Of all parameters, those too that the model is not told of.
        spare: Other names that it takes; None for any.
        unbound: Whether it is a method that has no instance yet.
    """

    type: Any
    leading: dict[str, Any]
    names: frozenset[str]
    spare: frozenset[str] | None
    unbound: bool

    def bind(self, function: Callable[..., Any], arguments: Mapping[str, Any], *, nulls: bool) -> "partial[Any]":
        """`function` with the arguments of a call, each an instance of its type.

        Args:
            function: The one whose signature this is.
            arguments: JSON, by the names of parameters.
            nulls: Whether a null may stand for what is left out.

        Raises:
            Misfit: The arguments do not fit.
        """
        spare = arguments if self.spare is None else self.spare
        more = {name: value for name, value in arguments.items() if name in spare and name not in self.names}
        told = {name: value for name, value in arguments.items() if name not in more}
        found: dict[str, Any] = structure(told, self.type, nulls=nulls)
        last = max((index for index, name in enumerate(self.leading) if name in found), default=-1)
        leading = [found.pop(name, default) for name, default in [*self.leading.items()][: last + 1]]
        return partial(function, *leading, **found, **more)


# Reading a function costs a millisecond, which those who pass it with every call would pay each time. It is kept as
# long as the function is: what is kept does not hold it.
_READ: Final[WeakKeyDictionary[FunctionType, tuple[Taken, dict[str, Any]]]] = WeakKeyDictionary()


def read(
    function: Callable[..., Any], where: str, parameters: dict[str, Any] | None = None
) -> tuple[Taken, dict[str, Any]]:
    """What `function` takes from a model, and the JSON Schema of that, which is the caller's to change.

    Args:
        function: What the model calls.
        where: What an error's message begins with.
        parameters: The caller's own JSON Schema, if any: of what has a default, the model is told what stands there;
            other names are taken where it allows them.

    Raises:
        ConfigurationError: No model could call it, or a type cannot be expressed.
    """
    if parameters is None and isinstance(function, MethodType) and function.__doc__:
        found, schema = read(function.__func__, where)
        if found.unbound:
            return evolve(found, unbound=False), schema
    if parameters is not None or not isinstance(function, FunctionType):
        return _read(function, where, parameters)
    kept = _READ.get(function)
    if kept is None:
        kept = _READ[function] = _read(function, where, None)
    return kept[0], deepcopy(kept[1])


def _read(function: Callable[..., Any], where: str, parameters: dict[str, Any] | None) -> tuple[Taken, dict[str, Any]]:
    found = _taken(function, where, parameters)
    schema = json_schema(found.type, where)
    schema.pop("title", None)  # it is the function's name
    return found, schema if parameters is None else parameters


def _taken(function: Callable[..., Any], where: str, parameters: Mapping[str, Any] | None) -> Taken:
    signature, unbound = _signature(function, where)
    offered = None if parameters is None else parameters.get("properties")
    fields: dict[str, Any] = {}
    texts = _texts(function)
    scope = _scope(function)
    for name, parameter in signature.items():
        has_default = parameter.default is not Parameter.empty
        if parameter.kind is Parameter.VAR_KEYWORD or (has_default and offered is not None and name not in offered):
            continue
        annotation = _annotation(parameter, scope, f"{where}.{name}")
        told = _told(annotation, texts.get(name), parameter.default)
        fields[name] = NotRequired[told] if has_default else told
    type_: Any = TypedDict(name_of(function) or "arguments", fields)  # type: ignore[misc]
    return Taken(
        type_,
        {name: one.default for name, one in signature.items() if one.kind is Parameter.POSITIONAL_ONLY},
        frozenset({*signature, *_given(function)}),
        _spare(signature, parameters),
        unbound,
    )


def _spare(signature: Mapping[str, Parameter], parameters: Mapping[str, Any] | None) -> frozenset[str] | None:
    """The names that a call may give although they are no parameters; None for any."""
    if parameters is None or all(one.kind is not Parameter.VAR_KEYWORD for one in signature.values()):
        return frozenset()
    return frozenset(parameters.get("properties", ())) if parameters.get("additionalProperties") is False else None


def name_of(function: Callable[..., Any]) -> str:
    """Its own; of a callable object that of its class; "" where it has none, as a lambda."""
    inner = _inner(function)
    name = getattr(inner, "__name__", type(inner).__name__)
    return name if isinstance(name, str) and name.isidentifier() else ""


def description_of(function: Callable[..., Any]) -> str:
    """What its docstring tells of the whole."""
    return next(filter(None, map(docstrings.description, _documentation(function))), "")


def _texts(function: Callable[..., Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for doc in _documentation(function):
        found = docstrings.parameters(doc) | found
    return found


def _documentation(function: Callable[..., Any]) -> Iterator[str]:
    """The docstring; of a callable object that of its ``__call__``, then that of its class."""
    inner = _inner(function)
    if not isinstance(inner, FunctionType | MethodType):
        inner = inspect.unwrap(inner)
    if not inspect.isroutine(inner):
        # Not `getdoc`, which would go on to what `type` has to say of calls.
        yield type(inner).__call__.__doc__ or ""
    yield inspect.getdoc(inner) or ""


def _inner(function: Any) -> Any:
    """What a `functools.partial` was made of."""
    while isinstance(function, partial):
        function = function.func
    return function


def _given(function: Any) -> frozenset[str]:
    """The names of the arguments that a `functools.partial` holds."""
    return frozenset(function.keywords) if isinstance(function, partial) else frozenset()


def _signature(function: Callable[..., Any], where: str) -> tuple[dict[str, Parameter], bool]:
    """The parameters that a call may give, and whether one for the instance was left out.

    Raises:
        ConfigurationError: No model could call it.
    """
    inner = _inner(function)
    if isinstance(inner, type):
        raise ConfigurationError(f"{where}: a class is no tool; a function that returns one of it is")
    for is_such, problem in _NO_RESULT:
        if is_such(function) or is_such(type(inner).__call__):
            raise ConfigurationError(f"{where}: it is {problem}")
    try:
        every = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: its parameters are not known; call it in a function with some") from error
    found = {name: one for name, one in every.items() if name not in _given(function)}
    for name, one in found.items():
        if one.kind is Parameter.VAR_POSITIONAL:
            raise ConfigurationError(
                f"{where}.{name}: *{name} has no names by which a model could give them; take a list instead "
                "(and let decorators use functools.wraps)"
            )
    unbound = next(iter(found), "") in ("self", "cls")
    if unbound:
        del found[next(iter(found))]
    return found, unbound


def _scope(function: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names that its annotations may use: global ones, and those of the functions around it."""
    inner = inspect.unwrap(_inner(function))
    code = inner if inspect.isroutine(inner) else inspect.unwrap(type(inner).__call__)
    if isinstance(code, MethodType):
        code = inspect.unwrap(code.__func__)
    if not inspect.isfunction(code):
        return {}, {}
    around: dict[str, Any] = {one.__name__: one for one in getattr(code, "__type_params__", ())}
    for name, cell in zip(code.__code__.co_freevars, code.__closure__ or (), strict=True):
        try:
            around[name] = cell.cell_contents
        except ValueError:  # nothing yet
            continue
    return code.__globals__, around


def _annotation(parameter: Parameter, scope: tuple[dict[str, Any], dict[str, Any]], where: str) -> Any:
    """The type that is meant; anything where there is none.

    Each for itself: that of the result, which only checkers may be able to resolve, does not matter here.

    Raises:
        ConfigurationError: A name in it is not known.
    """
    if parameter.annotation is Parameter.empty:
        return Any
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        found = get_type_hints(holder, *scope, include_extras=True)["it"]
        return _or_none(found) if parameter.default is None else found
    except Exception as error:
        raise ConfigurationError(
            f"{where}: the annotation {parameter.annotation!r:.80} cannot be resolved: {error}; "
            "classes that are named in text stand at the top of a module"
        ) from error


def _or_none(type_: Any) -> Any:
    """`type_` or None, as people mean it who write ``x: int = None``."""
    if get_origin(type_) is Annotated:
        base, *metadata = get_args(type_)
        return Annotated[_or_none(base), *metadata]
    return type_ if type_ is Any else Optional[type_]  # noqa: UP045 - not of classes only


def _told(type_: Any, text: str | None, default: object) -> Any:
    """`type_` with what the model is told beside it; a text in the annotation wins."""
    metadata = type_.__metadata__ if get_origin(type_) is Annotated else ()
    described = any(isinstance(getattr(one, "documentation", one), str) for one in metadata)
    more = ([] if described or not text else [text]) + ([] if default is Parameter.empty else [Default(default)])
    return Annotated[type_, *more] if more else type_
