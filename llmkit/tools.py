"""What a model may call: `Tool`, run or answered by the caller, and `ServerTool`, run by the provider."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from llmkit.errors import ConfigurationError
from llmkit.messages import CacheTime, is_cache_time, is_text

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
    return schema


@frozen
class Tool:
    """A tool whose calls the caller answers.

    Attributes:
        name: What the model calls it; not ``auto``, ``required`` or ``none``. The wires have rules of their own.
        description: What the model is told of it: what it does, and when to use it.
        parameters: JSON Schema of the arguments, an object.
        strict: Asks the provider to hold the model to `parameters`; None is the provider's default.
        cache: Asks the provider to cache all that stands up to here.

    Raises:
        ConfigurationError: The name is empty or reserved, or `parameters` is no schema of an object.
    """

    name: str = field()
    description: str = field(default="", validator=is_text)
    parameters: dict[str, Any] = field(
        factory=lambda: {"type": "object", "properties": {}}, converter=_object_schema, hash=False
    )
    strict: bool | None = field(default=None, kw_only=True)
    cache: CacheTime | None = field(default=None, kw_only=True, validator=is_cache_time)

    @name.validator
    def _is_free(self, _: object, value: object) -> None:
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"Tool.name: expected a name, got {value!r}")
        if value in RESERVED_NAMES:
            raise ConfigurationError(f"Tool.name: {value!r} is a word of tool_choice; choose another name")


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
