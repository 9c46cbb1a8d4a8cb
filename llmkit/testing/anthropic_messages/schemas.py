"""What the host refuses of the schemas of structured outputs and strict tools, in its words.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_FORMATS: Final = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_NOT_SUPPORTED: Final = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("maxItems", "uniqueItems", "prefixItems", "contains", "minContains", "maxContains", "unevaluatedItems"),
        *("minProperties", "maxProperties", "propertyNames", "patternProperties", "dependentRequired"),
        *("dependentSchemas", "unevaluatedProperties", "oneOf", "not", "if", "then", "else"),
    }
)
_TELLING: Final = ("type", "anyOf", "allOf", "$ref", "enum", "const")
_TOO_COMPLEX: Final = re.compile(r"\(\?[=!<]|\\[1-9bB]")
_MOST_STRICT_TOOLS: Final = 20
_MOST_OPTIONAL: Final = 24
_MOST_UNIONS: Final = 16


def schema_faults(body: Mapping[str, Any]) -> Iterator[str]:
    """The faults of all schemas in a request that the model is to be held to, one by one and together."""
    schemas = dict(_schemas(body))
    for where, schema in schemas.items():
        yield from (f"{where}: {words}" for words in _node(schema, ()))
        yield from (f"{where}: {words}" for words in _circles(schema))
    strict = sum(where.startswith("tools.") for where in schemas)
    if strict > _MOST_STRICT_TOOLS:
        most = f"The maximum number of strict tools supported is {_MOST_STRICT_TOOLS}."
        yield f"Too many strict tools ({strict}). {most} Try reducing the number of tools marked as strict."
    nodes = [node for schema in schemas.values() for node in _nodes(schema)]
    optional = sum(name not in _list(node, "required") for node in nodes for name in _map(node, "properties"))
    if optional > _MOST_OPTIONAL:
        yield _OPTIONAL.format(optional, _MOST_OPTIONAL)
    unions = sum("anyOf" in node or isinstance(node.get("type"), list) for node in nodes)
    if unions > _MOST_UNIONS:
        yield _UNIONS.format(unions, _MOST_UNIONS)


_OPTIONAL: Final = (
    "Schemas contains too many optional parameters ({}), which would make grammar compilation inefficient. "
    "Reduce the number of optional parameters in your tool schemas (limit: {})."
)
_UNIONS: Final = (
    "Schemas contains too many parameters with union types ({} parameters with type arrays or anyOf). "
    "This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit: {})."
)


def _schemas(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    config = body.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    if isinstance(form, Mapping) and form.get("type") == "json_schema":
        yield "output_config.format.schema", form.get("schema")
    tools = body.get("tools", ())
    for index, tool in enumerate(tools):
        if isinstance(tool, Mapping) and tool.get("strict") is True and "input_schema" in tool:
            yield f"tools.{index}.custom", tool["input_schema"]


def _node(node: Any, place: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(node, Mapping):
        yield f"{node!r} is not a schema"
    if not any(key in node for key in _TELLING):
        yield f"Schema must have one of {', '.join(_TELLING)}{_at(place)}"
    kinds = _list(node, "type") or [node.get("type")]
    if unknown := sorted(node.keys() & _NOT_SUPPORTED):
        kind = next((kind for kind in kinds if kind != "null"), None)
        words = f"property '{unknown[0]}' is" if len(unknown) == 1 else f"properties {', '.join(unknown)} are"
        yield f"For '{kind}' type, {words} not supported"
    if "object" in kinds:
        yield from _object(node)
    yield from _values(node)
    for name, inner in _inside(node):
        yield from _node(inner, (*place, name))


def _values(node: Mapping[str, Any]) -> Iterator[str]:
    """Keywords that are supported with some values only."""
    if node.get("minItems", 0) not in (0, 1):
        yield "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    if node.get("format") not in (None, *_FORMATS):
        yield f"String format '{node['format']}' is not supported"
    if _TOO_COMPLEX.search(str(node.get("pattern", ""))):
        yield f"Regex pattern '{node['pattern']}' is not supported"
    if any(isinstance(value, (list, dict)) for value in _list(node, "enum")):
        yield "Enum values must be strings, numbers, booleans, or null"
    if not str(node.get("$ref", "#")).startswith("#"):
        yield f"External $ref '{node['$ref']}' is not supported"
    if any(isinstance(member, Mapping) and "$ref" in member for member in _list(node, "allOf")):
        yield "'allOf' with '$ref' is not supported"


def _object(node: Mapping[str, Any]) -> Iterator[str]:
    if "additionalProperties" not in node:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if node["additionalProperties"] is not False:
        value = str(node["additionalProperties"]).lower() if node["additionalProperties"] is True else "object"
        words = f"'additionalProperties: {value}' is not supported"
        yield f"For 'object' type, {words}. Please set 'additionalProperties' to false"


def _inside(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("properties", "$defs", "definitions"):
        yield from _map(node, key).items()
    for key in ("anyOf", "allOf"):
        yield from ((key, inner) for inner in _list(node, key))
    if "items" in node:
        yield "items", node["items"]


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for _, inner in _inside(node):
            yield from _nodes(inner)


def _at(place: Sequence[str]) -> str:
    return f" ({'.'.join(place)})" if place else ""


def _circles(schema: Mapping[str, Any]) -> Iterator[str]:
    """The definitions that hold one of themselves, or of one another."""
    definitions = {**_map(schema, "definitions"), **_map(schema, "$defs")}
    edges = {name: _meant(inner) for name, inner in definitions.items()}
    if "#" in (whole := _meant(schema)):
        yield _CIRCLE.format("# -> #")
    for name in [*whole, *edges]:
        if route := _route(name, name, edges, set()):
            yield _CIRCLE.format(" -> ".join([name, *route]))


_CIRCLE: Final = (
    "Circular reference detected in schema definitions: {}. "
    "Self-referencing or mutually-referencing definitions are not supported."
)


def _meant(node: Any) -> list[str]:
    """The names of what is referred to in `node`."""
    return [str(inner["$ref"]).rpartition("/")[2] for inner in _nodes(node) if "$ref" in inner]


def _route(start: str, goal: str, edges: Mapping[str, Sequence[str]], seen: set[str]) -> list[str]:
    """The names from `start` to `goal`; none where there is no way."""
    for name in edges.get(start, ()):
        if name == goal:
            return [name]
        if name not in seen:
            seen.add(name)
            if rest := _route(name, goal, edges, seen):
                return [name, *rest]
    return []


def _map(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = node.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(node: Mapping[str, Any], key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []
