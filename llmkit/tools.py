"""What a model may call: `Tool`, run or answered by the caller, and `ServerTool`, run by the provider."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from operator import attrgetter
from threading import TIMEOUT_MAX
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, overload

from attrs import evolve, field, fields, frozen

from llmkit.errors import ConfigurationError
from llmkit.messages import CacheTime, is_cache_time, is_text

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, TypeVar

    from llmkit.functions import Taken

    P = ParamSpec("P", default=...)
    R_co = TypeVar("R_co", covariant=True, default=Any)
    # Of functions, which always have both.
    Q = ParamSpec("Q")
    R = TypeVar("R")
else:
    from typing import ParamSpec, TypeVar

    P, Q = ParamSpec("P"), ParamSpec("Q")
    R_co, R = TypeVar("R_co", covariant=True), TypeVar("R")

RESERVED_NAMES: Final = ("auto", "required", "none")
"""Words of the option `tool_choice`, which no tool may be named."""


# Of an object; what has none of them is mostly the properties themselves, sent without a word and never understood.
_KEYWORDS: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
        "$ref",
        "$defs",
        "definitions",
        "$schema",
        "$id",
        "$comment",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "enum",
        "const",
        "title",
        "description",
        "default",
        "examples",
    }
)
_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "null")


def _object_schema(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"Tool.parameters: expected a JSON Schema as a mapping, got {type(value).__name__}")
    schema = dict(value)
    if schema and not schema.keys() & _KEYWORDS:
        raise ConfigurationError(
            f"Tool.parameters: {', '.join(map(repr, list(schema)[:3]))} is no keyword of JSON Schema; "
            'put the arguments into {"properties": {…}}'
        )
    if schema.setdefault("type", "object") != "object":
        raise ConfigurationError(f"Tool.parameters.type: expected 'object', got {schema['type']!r}")
    _check_properties(schema.get("properties", {}))
    return schema


def _check_properties(properties: object) -> None:
    if not isinstance(properties, Mapping):
        raise ConfigurationError(
            f"Tool.parameters.properties: expected a mapping of names to schemas, got {type(properties).__name__}"
        )
    for name, schema in properties.items():
        if not isinstance(schema, Mapping | bool):
            hint = f'; did you mean {{"type": "{schema}"}}?' if schema in _TYPES else ""
            raise ConfigurationError(
                f"Tool.parameters.properties.{name}: expected a JSON Schema as a mapping, got {schema!r:.50}{hint}"
            )


def _function(value: Any) -> Any:
    """What is called: the function of a tool, of a static method, or of a tool that is bound to a class."""
    if isinstance(value, Tool):
        return value.function
    if isinstance(value, staticmethod):
        return _function(value.__func__)
    if isinstance(value, MethodType) and isinstance(value.__func__, Tool):
        return MethodType(_function(value.__func__), value.__self__)
    if value is not None and not callable(value):
        hint = "; put @classmethod above @tool" if isinstance(value, classmethod) else ""
        raise ConfigurationError(f"Tool.function: expected a function, got {type(value).__name__}{hint}")
    return value


def _shown(function: object) -> str:
    """Its name: a `repr` of it has an address, and that of an object it is bound to may be of any length."""
    return "None" if function is None else str(getattr(function, "__qualname__", type(function).__qualname__))


def _seconds(_: object, __: object, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < value <= TIMEOUT_MAX):
        raise ConfigurationError(f"Tool.timeout: expected seconds above 0 or None, got {value!r:.50}")


def _is_flag(_: object, __: object, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise ConfigurationError(f"Tool.strict: expected True, False or None, got {value!r:.50}")


@frozen(init=False)
class Tool(Generic[P, R_co]):
    """What a model may call: a function that a `Chat` runs, or, without one, calls that the caller answers.

    It is called as the function itself.

    Attributes:
        name: What the model calls it; not ``auto``, ``required`` or ``none``. The wires have rules of their own.
        description: What the model is told of it: what it does, and when to use it.
        parameters: JSON Schema of the arguments, an object; of a function, where it is left out, that of its
            signature. Takes no part in the hash.
        function: What is run. Arguments are made what its annotations say, strictly.
        strict: Asks the provider to hold the model to `parameters`; None is the provider's default.
        cache: Asks the provider to cache all that stands up to here.
        timeout: Seconds after which a chat gives up one run, and tells the model so; None is no limit.

    Raises:
        ConfigurationError: The name is empty or reserved, `parameters` is no schema of an object, or `function` is
            none that a model could call: its arguments must have names, and types that JSON Schema can express.
    """

    name: str = field()
    description: str = field(validator=is_text)
    parameters: dict[str, Any] = field(hash=False)
    function: Callable[P, R_co] | None = field(hash=False, repr=_shown)
    strict: bool | None = field(kw_only=True, validator=_is_flag)
    cache: CacheTime | None = field(kw_only=True, validator=is_cache_time)
    timeout: float | None = field(kw_only=True, validator=_seconds)
    _taken: "Taken | None" = field(init=False, eq=False, repr=False)

    def __init__(
        self,
        name: str,
        description: str = "",
        parameters: Mapping[str, Any] | None = None,
        function: Callable[P, R_co] | None = None,
        *,
        strict: bool | None = None,
        cache: CacheTime | None = None,
        timeout: float | None = None,
    ) -> None:
        function = _function(function)
        taken = None
        schema = None if parameters is None else _object_schema(parameters)
        if function is not None:
            from llmkit.functions import read  # noqa: PLC0415 - with what schemas need

            taken, schema = read(function, f"tool {name}", schema)
        if schema is None:
            schema = {"type": "object", "properties": {}}
        self.__attrs_init__(name, description, schema, function, strict=strict, cache=cache, timeout=timeout)
        object.__setattr__(self, "_taken", taken)

    @name.validator
    def _is_free(self, _: object, value: object) -> None:
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"Tool.name: expected a name, got {value!r}")
        if value in RESERVED_NAMES:
            raise ConfigurationError(f"Tool.name: {value!r} is a word of tool_choice; choose another name")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself.

        Raises:
            ConfigurationError: It has none.
        """
        function, _ = self._runs()
        return function(*args, **kwargs)

    def bind(self, arguments: Mapping[str, Any]) -> "partial[R_co]":
        """The function with the arguments of a `ToolCall`, each made what its annotation says, ready to be run.

        Raises:
            Misfit: They do not fit.
            ConfigurationError: It has no function.
        """
        function, taken = self._runs()
        return taken.bind(function, arguments, nulls=self.strict is True)

    def _runs(self) -> "tuple[Callable[P, R_co], Taken]":
        if self.function is None or self._taken is None:
            raise ConfigurationError(f"tool {self.name}: it has no function; its calls are the caller's to answer")
        return self.function, self._taken

    @property
    def needs_instance(self) -> bool:
        """Whether its function is a method that was taken from the class."""
        return self._taken is not None and self._taken.unbound

    @overload
    def __get__(self: "Tool[P, R_co]", instance: None, owner: type | None = None) -> "Tool[P, R_co]": ...

    @overload
    def __get__(self: "Tool[Concatenate[Any, Q], R]", instance: object, owner: type | None = None) -> "Tool[Q, R]": ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Of a method's tool, that of the instance; any other is itself, wherever it stands."""
        if instance is None or not self.needs_instance:
            return self
        function, taken = self._runs()
        bound = object.__new__(type(self))  # what has been read is not read again at each access
        bound.__attrs_init__(**self._fields() | {"function": MethodType(function, instance)})
        object.__setattr__(bound, "_taken", evolve(taken, unbound=False))
        return bound

    def __reduce__(self) -> tuple[Any, ...]:
        """By its place in a module if it stands there, as functions are; else by its fields."""
        function: Any = self.function
        there = _standing(function)
        if there is self:
            return _at, (function.__module__, function.__qualname__)
        values = self._fields()
        if isinstance(there, Tool) and there.function is function:
            values["function"] = there  # in the place where pickle looks for the function
        return partial(type(self), **values), ()

    def _fields(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(Tool) if one.init}

    if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds

        def __getattr__(self, name: str) -> object:
            # By these, `inspect.signature`, `help` and other decorators know the function.
            if name == "__wrapped__" and self.function is not None:
                return self.function
            if name == "__name__":
                return self.name
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _standing(function: Any) -> object:
    """What stands where `function` was defined, which may be a tool that was made of it; None where that is nothing."""
    try:
        return attrgetter(function.__qualname__)(sys.modules[function.__module__])
    except (AttributeError, KeyError, TypeError):
        return None


def _at(module: str, name: str) -> object:
    """What stands in a module under a name."""
    return attrgetter(name)(import_module(module))


@overload
def tool(
    function: Callable[Q, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    cache: CacheTime | None = None,
    timeout: float | None = None,
) -> Tool[Q, R]: ...


@overload
def tool(
    function: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    cache: CacheTime | None = None,
    timeout: float | None = None,
) -> Callable[[Callable[Q, R]], Tool[Q, R]]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
    cache: CacheTime | None = None,
    timeout: float | None = None,
) -> Any:
    """Make a function a `Tool`: ``@tool``, ``@tool(name="look")`` or ``tool(function)``.

    Args:
        function: A function, a method, a `functools.partial` (whose keywords the model is not told of) or any object
            that can be called.
        name: What the model calls it; else the function's name.
        description: What the model is told of it; else what the docstring says of the whole.
        strict: As `Tool.strict`.
        cache: As `Tool.cache`.
        timeout: As `Tool.timeout`.

    Raises:
        ConfigurationError: No model could call it.
    """
    given = {"name": name, "description": description, "strict": strict, "cache": cache, "timeout": timeout}
    given = {key: value for key, value in given.items() if value is not None}
    return partial(_made, given) if function is None else _made(given, function)


def _made(given: Mapping[str, Any], function: Any) -> Tool:
    from llmkit.functions import description_of, name_of  # noqa: PLC0415 - with what schemas need

    if isinstance(function, Tool):
        return evolve(function, **given)
    function = _function(function)
    found = {"name": name_of(function), "description": description_of(function), **given}
    if "name" not in given and not found["name"]:
        raise ConfigurationError(f"Tool.name: {_shown(function)} has no name; use tool(function, name=…)")
    return Tool(**found, function=function)


def offered(value: "Tool | ServerTool | Callable[..., Any]") -> "Tool | ServerTool":
    """The tool that a model is told of: the one given, or one made of a function.

    Raises:
        ConfigurationError: No model could call it.
    """
    if isinstance(value, ServerTool):
        return value
    found = value if isinstance(value, Tool) else tool(value)
    if found.needs_instance:
        raise ConfigurationError(f"tool {found.name}: it is a method; take it from an instance, not from the class")
    return found


@frozen
class ServerTool:
    """A tool of the provider's own, passed through as it is.

    Attributes:
        data: The provider's JSON object; takes no part in the hash.
        cache: Asks the provider to cache all that stands up to here.

    Example:
        ``ServerTool({"type": "web_search_20250305", "name": "web_search", "max_uses": 3})``
    """

    data: dict[str, Any] = field(hash=False)
    cache: CacheTime | None = field(default=None, kw_only=True, validator=is_cache_time)

    @data.validator
    def _is_object(self, _: object, value: object) -> None:
        if not isinstance(value, dict):
            raise ConfigurationError(f"ServerTool.data: expected a dict, got {type(value).__name__}")

    @property
    def name(self) -> str:
        """The word by which `tool_choice` may ask for it: its name, else its type; "" where it has neither."""
        kind = self.data.get("type")
        inner = self.data.get(kind) if isinstance(kind, str) else None
        named = inner if isinstance(inner, dict) else self.data
        return str(named.get("name") or self.data.get("name") or kind or "")
