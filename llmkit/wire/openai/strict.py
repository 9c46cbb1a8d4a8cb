"""JSON Schemas in OpenAI's strict dialect, in which a model can be held to them word by word.

Every object is closed and demands all its properties; what was optional may be null instead. A schema that the dialect
has no words for (an object with free keys, say) cannot be made strict: `expressible` tells.

Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError

_LISTS: Final = ("anyOf", "allOf", "prefixItems")
_MAPS: Final = ("properties", "$defs", "definitions")
_TELLING: Final = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})
_FOREIGN: Final = frozenset({"patternProperties", "prefixItems", "not", "if", "then", "else", "dependentSchemas"})
_SCALARS: Final = frozenset({"string", "number", "integer", "boolean"})
_NULL: Final[dict[str, Any]] = {"type": "null"}


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` in the strict dialect; the argument is left as it is.

    Raises:
        ConfigurationError: It does not describe an object, or refers to what it does not define.
    """
    root = dict(schema)
    seen: set[str] = set()
    while isinstance(ref := root.get("$ref"), str):  # the root must be the object itself
        if ref in seen:
            raise ConfigurationError(f"schema: {ref!r} refers to itself")
        seen.add(ref)
        root = {**{key: value for key, value in root.items() if key != "$ref"}, **_resolved(schema, ref)}
    found = _node(root)
    if found.get("type") != "object":
        raise ConfigurationError(
            f"schema: expected one of an object at the root, got {found.get('type', 'none')!r:.80}"
        )
    return found


def expressible(schema: Mapping[str, Any]) -> bool:
    """Whether the strict dialect has words for all of `schema`: for no object with free keys, and for no "anything"."""
    return all(map(_expressible, _nodes(schema)))


def _expressible(node: Mapping[str, Any]) -> bool:
    if not node.keys() & _TELLING or node.keys() & _FOREIGN:
        return False
    if not _of_type(node, "object"):
        return not _of_type(node, "array") or isinstance(node.get("items"), Mapping)
    free = node.get("additionalProperties", "properties" not in node)
    return not free or (free is True and bool(node.get("properties")))


def _of_type(node: Mapping[str, Any], name: str) -> bool:
    kind = node.get("type")
    return kind == name or (isinstance(kind, list) and name in kind)


def _nodes(schema: object) -> Iterator[Mapping[str, Any]]:
    """`schema` and every schema in it."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    for key in _MAPS:
        members = schema.get(key)
        for child in members.values() if isinstance(members, Mapping) else ():
            yield from _nodes(child)
    for key in (*_LISTS, "oneOf"):
        members = schema.get(key)
        for child in members if isinstance(members, list) else ():
            yield from _nodes(child)
    yield from _nodes(schema.get("items"))


def _node(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(schema)
    # A model that must write every property never leaves one to its default; some hosts refuse the word.
    found.pop("default", None)
    if "oneOf" in found and "anyOf" not in found:  # the dialect has only this word for a union
        found["anyOf"] = found.pop("oneOf")
    for key in _LISTS:
        if isinstance(members := found.get(key), list):
            found[key] = [_child(member) for member in members]
    for key in _MAPS:
        if isinstance(members := found.get(key), Mapping):
            found[key] = {name: _child(member) for name, member in members.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(member := found.get(key), Mapping):
            found[key] = _node(member)
    found = _flattened(found)
    if "$ref" in found and len(found) > 1:  # nothing may stand beside it
        found = {"anyOf": [{"$ref": found.pop("$ref")}], **found}
    return _closed(found, schema) if _of_type(found, "object") else found


def _child(schema: Any) -> Any:
    return _node(schema) if isinstance(schema, Mapping) else schema


def _flattened(found: dict[str, Any]) -> dict[str, Any]:
    """`found`, with the one member of `allOf` in its place: what stands beside it wins."""
    members = found.get("allOf")
    if not isinstance(members, list) or len(members) != 1 or not isinstance(members[0], dict):
        return found
    return {**members[0], **{key: value for key, value in found.items() if key != "allOf"}}


def _closed(found: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """An object without free keys, whose properties must all be there."""
    properties = found.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    required = found.get("required", given.get("required")) or ()
    found["properties"] = {name: value if name in required else _or_null(value) for name, value in properties.items()}
    found["required"] = list(properties)
    found["additionalProperties"] = False
    return found


def _or_null(schema: Any) -> Any:
    """`schema`, or null."""
    if not isinstance(schema, dict) or _takes_null(schema):
        return schema
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    if schema.get("type") in _SCALARS and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [schema["type"], "null"]}
    about = {key: schema[key] for key in ("title", "description") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    return {"anyOf": [rest, _NULL], **about}


def _takes_null(schema: Mapping[str, Any]) -> bool:
    if _of_type(schema, "null") or None in (schema.get("enum") or ()):
        return True
    return any(isinstance(member, dict) and _takes_null(member) for member in schema.get("anyOf") or ())


def _resolved(root: Mapping[str, Any], ref: str) -> Mapping[str, Any]:
    """What `ref` refers to."""
    found: Any = root
    for name in ref.removeprefix("#").strip("/").split("/"):
        key = name.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    if not ref.startswith("#/") or not isinstance(found, Mapping):
        raise ConfigurationError(f"schema: {ref!r} refers to what the schema does not define")
    return found
