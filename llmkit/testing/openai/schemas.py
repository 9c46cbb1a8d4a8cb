"""What the host refuses of schemas that are to be strict, in its words.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from llmkit.testing.openai.errors import Fault

Place: TypeAlias = tuple[str, ...]
Found: TypeAlias = Iterator[tuple[Place, str]]

_PERMITTED: Final = frozenset(
    {
        *("$schema", "$ref", "$defs", "definitions", "type", "title", "description", "enum", "const", "anyOf"),
        *("properties", "required", "additionalProperties", "items", "minItems", "maxItems", "pattern", "format"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)
_FORMATS: Final = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_LOOKAROUND: Final = re.compile(r"\(\?<?[=!]")
_MOST_LEVELS: Final = 10


def answer_faults(form: Any, param: str, code: str | None) -> Iterator[Fault]:
    """The faults of the form that an answer is asked for in: ``{name, schema, strict}``."""
    if isinstance(form, Mapping) and form.get("strict") is True:
        about = f"response_format '{form.get('name', '')}'"
        yield from _faults(form.get("schema"), _PERMITTED, about, param, code)


def function_faults(tools: Sequence[Any], inner: str | None) -> Iterator[Fault]:
    """The faults of functions among `tools`; `inner` is the key below which they stand."""
    for index, tool in enumerate(tools):
        found = tool.get(inner) if inner and isinstance(tool, Mapping) else tool
        if isinstance(found, Mapping) and found.get("strict") is True and found.get("parameters") is not None:
            param = ".".join([f"tools[{index}]", *([inner] if inner else []), "parameters"])
            permitted = _PERMITTED | {"default"}
            about = f"function '{found.get('name', '')}'"
            yield from _faults(found["parameters"], permitted, about, param, "invalid_function_parameters")


def _faults(schema: Any, permitted: frozenset[str], about: str, param: str, code: str | None) -> Iterator[Fault]:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind != "object":
        words = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        yield Fault(f"Invalid schema for {about}: {words}", param, code)
    if "anyOf" in schema:
        yield Fault(f"Invalid schema for {about}: schema must have type 'object' and not have 'anyOf'.", param, code)
    for place, words in _node(schema, (), permitted, schema):
        yield Fault(f"Invalid schema for {about}: In context={place}, {words}", param, code)
    if _levels(schema) > _MOST_LEVELS:
        words = f"Exceeded maximum nesting depth of {_MOST_LEVELS}."
        yield Fault(f"Invalid schema for {about}: {words}", param, code)


def _node(node: Any, place: Place, permitted: frozenset[str], root: Mapping[str, Any]) -> Found:
    if not isinstance(node, Mapping):
        yield place, f"{node!r} is not of type 'object'."
    if "$ref" in node:
        yield from _reference(node, place, root)
    elif not node.keys() & {"type", "anyOf"}:
        yield place, "schema must have a 'type' key."
    for key in node:
        if key not in permitted:
            yield place, f"'{key}' is not permitted."
    if node.get("format") not in (None, *_FORMATS):
        yield place, f"'{node['format']}' is not a valid format."
    if _LOOKAROUND.search(str(node.get("pattern", ""))):
        yield place, "regex lookaround is not supported."
    kinds = _list(node, "type") or [node.get("type")]
    if "object" in kinds:
        yield from _object(node, place)
    if "array" in kinds and not isinstance(node.get("items"), Mapping):
        yield place, "array schema missing items."
    yield from _inside(node, place, permitted, root)


def _reference(node: Mapping[str, Any], place: Place, root: Mapping[str, Any]) -> Found:
    if others := sorted(node.keys() - {"$ref"}):
        yield place, f"$ref cannot have keywords {set(others)}."
    ref = str(node["$ref"])
    target: Any = root
    for name in ref.split("/")[1:]:
        target = target.get(name.replace("~1", "/").replace("~0", "~"), {}) if isinstance(target, Mapping) else {}
    if not ref.startswith("#") or not target:
        yield place, "reference can only point to definitions defined at the top level of the schema."


def _object(node: Mapping[str, Any], place: Place) -> Found:
    if node.get("additionalProperties") is not False:
        yield place, "'additionalProperties' is required to be supplied and to be false."
    properties, required = _map(node, "properties"), node.get("required")
    demand = "'required' is required to be supplied and to be an array including every key in properties."
    if properties and not isinstance(required, list):
        yield place, demand
    for name in properties:
        if name not in _list(node, "required"):
            yield place, f"{demand} Missing '{name}'."
    for name in _list(node, "required"):
        if name not in properties:
            yield place, f"{demand} Extra required key '{name}' supplied."


def _inside(node: Mapping[str, Any], place: Place, permitted: frozenset[str], root: Mapping[str, Any]) -> Found:
    for key in ("properties", "$defs", "definitions"):
        for name, inner in _map(node, key).items():
            yield from _node(inner, (*place, key, name), permitted, root)
    for index, inner in enumerate(_list(node, "anyOf")):
        yield from _node(inner, (*place, "anyOf", str(index)), permitted, root)
    if "items" in node:
        yield from _node(node["items"], (*place, "items"), permitted, root)


def _levels(node: Any) -> int:
    """How many objects stand in one another."""
    if not isinstance(node, Mapping):
        return 0
    inner = [*_map(node, "properties").values(), *_list(node, "anyOf"), node.get("items")]
    return ("properties" in node) + max(map(_levels, inner))


def _map(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = node.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(node: Mapping[str, Any], key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []
