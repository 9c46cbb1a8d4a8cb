"""JSON Schemas as Anthropic's structured outputs and strict tools take them.

Every object is closed; properties may be left out. There are no bounds, and nothing may hold another of itself.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

from typing import Any, Final

from llmkit.wire.schemas import (
    Schema,
    is_cyclic,
    is_strict_form,
    nodes,
    of_type,
    resolved,
    rewritten,
    rooted,
    simplified,
    told,
)

# Without `pattern`: some are taken, which ones is not told in full, and the vendor's own client sends none.
_KEYWORDS: Final = frozenset(
    {
        *("$ref", "$defs", "definitions", "type", "title", "description", "default", "enum", "const", "anyOf"),
        *("properties", "required", "additionalProperties", "items"),
    }
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_MOST_OPTIONAL: Final = 24
_MOST_UNIONS: Final = 16
_MOST_COPIES: Final = 500  # copies of copies double with every level


def dialect(schema: Schema) -> dict[str, Any]:
    """`schema` as the provider takes it, which must be `expressible`."""
    root = rooted(schema)
    copies = 0

    def first(node: dict[str, Any]) -> dict[str, Any]:
        """A copy of what is meant, in the place of a reference that has something of its own to say beside it."""
        nonlocal copies
        node = simplified(node)
        while "$ref" in node and len(node) > 1 and (target := resolved(root, node["$ref"])) is not None:
            copies += 1
            if copies > _MOST_COPIES:
                return {"$ref": node["$ref"]}
            node = simplified({**target, **{key: value for key, value in node.items() if key != "$ref"}})
        return node

    return rewritten(root, first, _spelled)


def expressible(schema: Schema) -> bool:
    """Whether the provider has words for all of `schema`, and takes one of its kind and size."""
    if not is_strict_form(schema) or is_cyclic(schema):
        return False
    found = list(nodes(dialect(schema)))
    return (
        sum(len(node.get("properties", ())) - len(node.get("required", ())) for node in found) <= _MOST_OPTIONAL
        and sum("anyOf" in node or isinstance(node.get("type"), list) for node in found) <= _MOST_UNIONS
    )


def _spelled(node: dict[str, Any]) -> dict[str, Any]:
    kept = set(_KEYWORDS)
    if node.get("format") in _FORMATS:
        kept.add("format")
    if node.get("minItems") in (0, 1):
        kept.add("minItems")
    found = told(node, kept)
    if of_type(found, "object"):
        found["properties"] = found.get("properties", {})
        found["additionalProperties"] = False
    return found
