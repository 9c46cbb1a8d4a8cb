"""JSON Schemas as `responseJsonSchema` and `parametersJsonSchema` take them.

The whole of JSON Schema may be sent; what the provider does not know is not seen by the model, and so it is told in the
description instead.

Source: https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
"""

from collections.abc import Iterator
from typing import Any, Final

from llmkit.wire.schemas import NULL, Schema, is_cyclic, lone_reference, rewritten, simplified, told, types_of

# The order of properties needs no `propertyOrdering`: models since Gemini 2.5 write them in the order of the schema.
_KEYWORDS: Final = frozenset(
    {
        *("$id", "$anchor", "$ref", "$defs", "definitions", "type", "title", "description", "enum", "anyOf"),
        *("properties", "required", "additionalProperties", "propertyOrdering"),
        *("items", "prefixItems", "minItems", "maxItems", "minimum", "maximum"),
    }
)
_FORMATS: Final = frozenset({"date-time", "date", "time", "enum", "float", "double", "int32", "int64"})
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "null"})
_BOUNDS: Final = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


def dialect(schema: Schema) -> dict[str, Any]:
    """`schema` in the keywords that the provider knows."""
    return rewritten(schema, simplified, _spelled)


def expressible(schema: Schema) -> bool:
    """Whether a model can be held to `schema`: what holds another of itself must be able to do without."""
    return not is_cyclic(schema, required=True)


def _spelled(node: dict[str, Any]) -> dict[str, Any]:
    kept = set(_KEYWORDS)
    if node.get("format") in _FORMATS:
        kept.add("format")
    node = _tuple(_enum(node))
    for strict, bound in _BOUNDS:  # the bound itself is told
        if strict in node:
            node.setdefault(bound, node[strict])
    return lone_reference(told(node, kept))


def _tuple(node: dict[str, Any]) -> dict[str, Any]:
    """`node` whose `items` is a schema or left out: that there are no more is a number."""
    if not isinstance(node.get("items"), bool):
        return node
    found = {key: value for key, value in node.items() if key != "items"}
    if node["items"]:
        return {**found, "items": {}}
    count = len(found.get("prefixItems") or ())
    return {**found, "maxItems": min(count, found.get("maxItems", count))}


def _enum(node: dict[str, Any]) -> dict[str, Any]:
    """`node` whose `enum` holds strings or numbers; the other scalars are types of their own."""
    values = [node["const"]] if "const" in node else node.get("enum")
    if not values or "anyOf" in node or not _SCALARS.issuperset(types_of(values)):
        return node
    members = list(_kinds(values))
    rest = {key: value for key, value in node.items() if key not in ("type", "enum", "const")}
    if len(members) == 1:
        return {**members[0], **rest}
    return {"anyOf": [told(member, _KEYWORDS) for member in members], **rest}


def _kinds(values: list[Any]) -> Iterator[dict[str, Any]]:
    """A schema for each kind of value."""
    if texts := [value for value in values if isinstance(value, str)]:
        yield {"type": "string", "enum": texts}
    if numbers := [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]:
        yield {"type": "integer" if all(isinstance(value, int) for value in numbers) else "number", "enum": numbers}
    if booleans := {value for value in values if isinstance(value, bool)}:
        yield {"type": "boolean", **({"const": booleans.pop()} if len(booleans) == 1 else {})}
    if None in values:
        yield dict(NULL)
