"""JSON Schemas in OpenAI's strict dialect, in which a model can be held to them word by word.

Every object is closed and demands all its properties; what was optional may be null instead. A schema that the dialect
has no words for (an object with free keys, say) cannot be made strict: `expressible` tells.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.tools import Tool
from llmkit.wire.base import Refuse
from llmkit.wire.schemas import (
    NULL,
    Schema,
    is_strict_form,
    lone_reference,
    nodes,
    of_type,
    rewritten,
    rooted,
    simplified,
    told,
    types_of,
)

_KEYWORDS: Final = frozenset(
    {
        *("$ref", "$defs", "definitions", "type", "title", "description", "enum", "const", "anyOf"),
        *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
        *("pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)
# "Invalid JSON schema: regex lookaround is not supported"; nor can such an engine look back at a group.
_LOOKS_AROUND: Final = re.compile(r"\(\?<?[=!]|\\[1-9]|\\k<")
_BEYOND: Final = "strict schemas of this wire have no words for such parameters, as for free keys, tuples and any value"
_SCALARS: Final = frozenset({"string", "number", "integer", "boolean"})
_MOST_PROPERTIES: Final = 5000
_MOST_LEVELS: Final = 10
_MOST_VALUES: Final = 1000
_MOST_LETTERS: Final = 120_000
_MANY_VALUES: Final = 250  # in one enum; of more than these, their letters are counted
_MOST_LETTERS_OF_MANY: Final = 15_000


def strict(schema: Schema, *, defaults: bool = False) -> dict[str, Any]:
    """`schema` in the strict dialect; the argument is left as it is.

    Args:
        schema: Plain JSON Schema.
        defaults: Whether the word ``default`` is taken, as it is of functions (by recordings) and not of answers.

    Raises:
        ConfigurationError: It does not describe an object, or refers to what it does not define.
    """
    keywords = _KEYWORDS | {"default"} if defaults else _KEYWORDS
    found = rewritten(rooted(schema), simplified, lambda node: _strict(node, keywords))
    if found.get("type") != "object":
        raise ConfigurationError(
            f"schema: expected one of an object at the root, got {found.get('type', 'none')!r:.80}"
        )
    return found


def expressible(schema: Schema) -> bool:
    """Whether the strict dialect has words for all of `schema`, and the provider takes one of its size."""
    return is_strict_form(schema) and _is_small(rooted(schema))


def parameters(tool: Tool, where: str, refuse: Refuse) -> tuple[dict[str, Any], bool | None]:
    """What a tool's parameters are sent as, and whether they are strict.

    Raises:
        UnsupportedOptionError: From `refuse`: they are to be and cannot.
    """
    if not tool.strict:
        return tool.parameters, tool.strict
    if expressible(tool.parameters):
        return strict(tool.parameters, defaults=True), True
    refuse(f"{where}.strict", _BEYOND)
    return tool.parameters, None


def _strict(node: dict[str, Any], keywords: frozenset[str]) -> dict[str, Any]:
    kept = keywords | {"format"} if str(node.get("format")) in _FORMATS else keywords
    if _LOOKS_AROUND.search(str(node.get("pattern", ""))):
        kept -= {"pattern"}
    found = lone_reference(told(node, kept))
    if "type" not in found and (values := [*(found.get("enum") or ()), *_constant(found)]):
        kinds = types_of(values)  # it must be told, although the values tell
        found = {"type": kinds[0] if len(kinds) == 1 else kinds, **found}
    return _closed(found) if of_type(found, "object") else found


def _constant(node: Schema) -> list[Any]:
    return [node["const"]] if "const" in node else []


def _closed(found: dict[str, Any]) -> dict[str, Any]:
    """An object without free keys, whose properties must all be there."""
    properties = found.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    required = [name for name in found.get("required") or () if name in properties]
    found["properties"] = {name: value if name in required else _or_null(value) for name, value in properties.items()}
    found["required"] = required if len(required) == len(properties) else list(properties)
    found["additionalProperties"] = False
    return found


def _or_null(schema: Any) -> Any:
    """`schema`, or null."""
    if not isinstance(schema, dict) or _takes_null(schema):
        return schema
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if _SCALARS.issuperset(kinds) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [*kinds, "null"]}
    about = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    return {"anyOf": [rest, NULL], **about}


def _takes_null(schema: Schema) -> bool:
    if "enum" in schema or "const" in schema:
        return None in [*(schema.get("enum") or ()), *_constant(schema)]
    if isinstance(members := schema.get("anyOf"), list):
        return any(isinstance(member, dict) and _takes_null(member) for member in members)
    return of_type(schema, "null")


# ---- size --------------------------------------------------------------------------------------------------------


def _is_small(schema: Schema) -> bool:
    """Whether the provider takes a schema of that size."""
    found = list(nodes(schema))
    names = [name for node in found for key in ("properties", "$defs", "definitions") for name in node.get(key) or ()]
    enums = [node["enum"] for node in found if isinstance(node.get("enum"), list)]
    constants = [value for node in found for value in _constant(node)]
    return (
        sum(len(node.get("properties") or ()) for node in found) <= _MOST_PROPERTIES
        and sum(map(len, enums)) <= _MOST_VALUES
        and sum(map(_letters, [names, constants, *enums])) <= _MOST_LETTERS
        and all(len(values) <= _MANY_VALUES or _letters(values) <= _MOST_LETTERS_OF_MANY for values in enums)
        and _levels(schema) <= _MOST_LEVELS
    )


def _letters(values: list[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, str))


def _levels(schema: Any) -> int:
    """How many objects stand in one another."""
    if not isinstance(schema, Mapping):
        return 0
    node = simplified(dict(schema))
    properties = node.get("properties")
    inner = [*(properties.values() if isinstance(properties, Mapping) else ()), *(node.get("anyOf") or ())]
    return of_type(node, "object") + max(map(_levels, [*inner, node.get("items")]), default=0)
