"""Plain JSON Schema on its way to a dialect: what the dialects of several wires have in common.

A dialect has some of the keywords of JSON Schema. What it lacks is told in the description instead, where the model
reads it; that an answer fits is checked when it has come, whatever the dialect could say.

Source: https://json-schema.org/draft/2020-12
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

from llmkit.errors import ConfigurationError

Schema: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

NULL: Final[Schema] = {"type": "null"}

# Where schemas stand in a schema, as far as a dialect may have the word: by name, in a row, alone.
_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "allOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties")
# A schema says what it is about by one of these; without them it takes anything.
_TELLING: Final = frozenset({"type", "$ref", "anyOf", "enum", "const"})
_FOREIGN: Final = frozenset(
    {"allOf", "oneOf", "patternProperties", "prefixItems", "not", "if", "then", "else", "dependentSchemas", "contains"}
)
# What tells a model nothing.
_SILENT: Final = frozenset(
    {"$schema", "$id", "$anchor", "$comment", "$vocabulary", "deprecated", "readOnly", "writeOnly"}
)
_NAMES: Final[Mapping[type, str]] = {
    str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array", dict: "object",
}  # fmt: skip


# ---- rewriting ---------------------------------------------------------------------------------------------------


def rewritten(schema: Schema, first: Rule, then: Rule) -> dict[str, Any]:
    """A copy of `schema` with both rules applied to every schema in it: `first` before those inside, `then` after."""
    found = first(dict(schema))
    for key in _MAPS:
        if isinstance(members := found.get(key), Mapping):
            found[key] = {name: _inner(member, first, then) for name, member in members.items()}
    for key in _LISTS:
        if isinstance(members := found.get(key), list):
            found[key] = [_inner(member, first, then) for member in members]
    for key in _SINGLE:
        if key in found:
            found[key] = _inner(found[key], first, then)
    return then(found)


def _inner(schema: Any, first: Rule, then: Rule) -> Any:
    return rewritten(schema, first, then) if isinstance(schema, Mapping) else schema


def simplified(node: dict[str, Any]) -> dict[str, Any]:
    """`node` with the one word for a union that all dialects have, and the one member of `allOf` in its place.

    What stands beside that member wins.
    """
    if "oneOf" in node and "anyOf" not in node:
        node = {("anyOf" if key == "oneOf" else key): value for key, value in node.items()}
    members = node.get("allOf")
    if isinstance(members, list) and len(members) == 1 and isinstance(members[0], Mapping):
        return simplified({**members[0], **{key: value for key, value in node.items() if key != "allOf"}})
    return node


def told(node: Schema, kept: Iterable[str]) -> dict[str, Any]:
    """`node` with the keywords `kept`; its description tells the others, as JSON."""
    if node.get("default", True) is None:  # that null stands for what is left out goes without saying
        node = {key: value for key, value in node.items() if key != "default"}
    found = {key: value for key, value in node.items() if key in kept}
    rest = {key: value for key, value in node.items() if key not in found and key not in _SILENT}
    if rest:
        text = f"JSON Schema: {json.dumps(rest, ensure_ascii=False)}"
        found["description"] = f"{found['description']}\n\n{text}" if found.get("description") else text
    return found


def lone_reference(node: dict[str, Any]) -> dict[str, Any]:
    """`node`, its reference in a union of one where anything stands beside it."""
    if "$ref" not in node or all(key.startswith("$") for key in node):
        return node
    return {"anyOf": [{"$ref": node["$ref"]}], **{key: value for key, value in node.items() if key != "$ref"}}


def types_of(values: Iterable[object]) -> list[str]:
    """The types of JSON values, each once, in the order of the values."""
    return list(dict.fromkeys(_NAMES.get(type(value), "object") for value in values))


def of_type(node: Schema, name: str) -> bool:
    """Whether `node` says that values of this type fit."""
    kind = node.get("type")
    return kind == name or (isinstance(kind, list) and name in kind)


# ---- looking -----------------------------------------------------------------------------------------------------


def nodes(schema: Any) -> Iterator[Any]:
    """`schema` and every schema in it, `simplified`; a schema that is only true or false as it is."""
    if not isinstance(schema, Mapping):
        yield schema
        return
    node = simplified(dict(schema))
    yield node
    for inner in _members(node, (*_MAPS, *_LISTS, *_SINGLE)):
        yield from nodes(inner)


def _members(node: Schema, keys: Iterable[str]) -> Iterator[Any]:
    """What stands right inside `node`; of objects, whether there are more properties is no schema."""
    for key in keys:
        value = node.get(key)
        if key in _MAPS and isinstance(value, Mapping):
            yield from value.values()
        elif key in _LISTS and isinstance(value, list):
            yield from value
        elif key in _SINGLE and (isinstance(value, Mapping) or (key == "items" and value is not None)):
            yield value


def resolved(root: Schema, ref: object) -> Schema | None:
    """What `ref` refers to in `root`; None where that is nothing, or lies elsewhere."""
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        return None
    found: Any = root
    for name in unquote(ref).split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _pointed(name: str) -> str:
    """A name as references spell it."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


def rooted(schema: Schema) -> dict[str, Any]:
    """`schema`; where its root only refers to something, with that in its place.

    Raises:
        ConfigurationError: The root refers to itself, or to what the schema does not define.
    """
    root = simplified(dict(schema))
    seen: set[str] = set()
    while isinstance(ref := root.get("$ref"), str):
        if ref in seen:
            raise ConfigurationError(f"schema: {ref!r} refers to itself")
        seen.add(ref)
        if (target := resolved(schema, ref)) is None:
            raise ConfigurationError(f"schema: {ref!r} refers to what the schema does not define")
        root = simplified({**{key: value for key, value in root.items() if key != "$ref"}, **target})
    return root


def is_cyclic(schema: Schema, *, required: bool = False) -> bool:
    """Whether something in `schema` may hold another of itself; if `required`, in a property that must be there."""
    edges: dict[str, list[str]] = {}

    def explore(ref: str) -> None:
        if ref not in edges and (target := resolved(schema, ref)) is not None:
            edges[ref] = list(_references(target, required=required))
            for other in edges[ref]:
                explore(other)

    explore("#")
    for key in ("$defs", "definitions"):
        for name in schema.get(key) or ():
            explore(f"#/{key}/{_pointed(name)}")
    return any(_leads_back(ref, edges) for ref in edges)


def _references(node: Any, *, required: bool) -> Iterator[str]:
    """The references in `node`, but for those in definitions; if `required`, also for those in optional properties."""
    if not isinstance(node, Mapping):
        return
    node = simplified(dict(node))
    if isinstance(node.get("$ref"), str):
        yield node["$ref"]
    properties = node.get("properties")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if not required or name in (node.get("required") or ()):
            yield from _references(inner, required=required)
    for inner in _members(node, (*_LISTS, *_SINGLE)):
        yield from _references(inner, required=required)


def _leads_back(start: str, edges: Mapping[str, list[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        ref = waiting.pop()
        if ref == start:
            return True
        if ref not in seen:
            seen.add(ref)
            waiting += edges.get(ref, ())
    return False


# ---- strict dialects ---------------------------------------------------------------------------------------------


def is_strict_form(schema: Schema) -> bool:
    """Whether strict dialects have words for the form of `schema`.

    They know objects whose properties all have a name, lists of one kind, unions, and an object at the root: no free
    keys, no tuples, no "anything", nothing that is defined elsewhere.
    """
    try:
        root = rooted(schema)
    except ConfigurationError:
        return False
    return root.get("type") == "object" and "anyOf" not in root and all(_is_strict(node, root) for node in nodes(root))


def _is_strict(node: Any, root: Schema) -> bool:
    if not isinstance(node, Mapping) or not node.keys() & _TELLING or node.keys() & _FOREIGN:
        return False
    if not _is_well_formed(node):
        return False
    if "$ref" in node and resolved(root, node["$ref"]) is None:
        return False
    if not {*types_of(node.get("enum") or ()), *types_of([node.get("const")])}.isdisjoint({"array", "object"}):
        return False
    if of_type(node, "array") and not isinstance(node.get("items"), Mapping):
        return False
    free = node.get("additionalProperties", "properties" not in node)
    return not of_type(node, "object") or not free or (free is True and bool(node.get("properties")))


def _is_well_formed(node: Schema) -> bool:
    """Whether the keywords that are worked with have values of the kind that they must have; null says nothing."""
    named = node.get("type") or []
    texts = [*(named if isinstance(named, list) else [named])]
    for kind, keys in _FORMS.items():
        if any(not isinstance(node.get(key) or kind(), kind) for key in keys):
            return False
    return all(isinstance(text, str) for text in [*texts, *(node.get("required") or ())])


_FORMS: Final[Mapping[type, tuple[str, ...]]] = {
    dict: ("properties", "$defs", "definitions"),
    list: ("anyOf", "enum", "required"),
    str: ("description",),
}
