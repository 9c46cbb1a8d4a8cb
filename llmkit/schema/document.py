"""Shapes to JSON Schema, in its plain dialect, draft 2020-12.

Source: https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Callable, Iterable
from typing import Any

from llmkit.schema.shapes import (
    ABSENT,
    Alias,
    Anything,
    Choice,
    Field,
    Items,
    Noted,
    Object,
    Row,
    Scalar,
    Shape,
    Table,
    Union,
    Variant,
    Written,
    bare,
    kind_of,
    kinds_of,
    parts,
)

Write = Callable[[Any, Shape], Any]
"""A default to JSON; raises `ValueError` where it has none, or none that fits."""


def schema_of(root: Shape, write: Write) -> dict[str, Any]:
    """The schema of `root`: whole, and a copy that the caller may change."""
    document = _Document(write)
    document.count(root, ())
    found = document.schema(root, inline=True)
    if isinstance(named := bare(root), Object):
        found = {"title": named.cls.__name__, **found}
    return document.with_definitions(found)


class _Document:
    """The schemas of one document, with those that are defined apart: what is recursive, classes used twice."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._uses: dict[Any, int] = {}
        self._recursive: set[Any] = set()
        self._names: dict[Any, str] = {}
        self._definitions: dict[str, dict[str, Any]] = {}

    def count(self, shape: Shape, above: tuple[Any, ...]) -> None:
        """Find out how often each class is used, and what holds itself."""
        if isinstance(shape, (Object, Variant, Alias)):
            name = _identity(shape)
            self._uses[name] = self._uses.get(name, 0) + 1
            if name in above:
                self._recursive.add(name)
            if self._uses[name] > 1:
                return
            above = (*above, name)
        for part in parts(shape):
            self.count(part, above)

    def with_definitions(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {**schema, "$defs": self._definitions} if self._definitions else schema

    def schema(self, shape: Shape, *, inline: bool = False) -> dict[str, Any]:
        if isinstance(shape, (Object, Variant, Alias)) and self._apart(shape, inline=inline):
            return {"$ref": f"#/$defs/{self._defined(shape)}"}
        return self._inline(shape, root=inline)

    def _apart(self, shape: "Object | Variant | Alias", *, inline: bool) -> bool:
        name = _identity(shape)
        if name in self._recursive:
            return True
        return self._uses[name] > 1 and not inline and not isinstance(shape, Alias)

    def _defined(self, shape: "Object | Variant | Alias") -> str:
        identity = _identity(shape)
        if identity in self._names:
            return self._names[identity]
        base = shape.object.name if isinstance(shape, Variant) else shape.name
        taken = set(self._names.values())
        count = 1
        while (name := base if count == 1 else f"{base}_{count}") in taken:
            count += 1
        self._names[identity] = name
        self._definitions[name] = {}  # its place, before those that it uses
        self._definitions[name] = self._inline(shape)
        return name

    def _inline(self, shape: Shape, *, root: bool = False) -> dict[str, Any]:  # noqa: C901, PLR0911 - one a shape
        match shape:
            case Anything():
                return {}
            case Scalar(type=kind):
                return {"type": kind}
            case Written(schema=schema):
                return dict(_copied(schema))
            case Choice(options=options):
                return _choice([value for value, _ in options])
            case Items(item=item, unique=unique):
                found = {"type": "array", "items": self.schema(item)}
                return {**found, "uniqueItems": True} if unique else found
            case Row(items=items):
                return self._row(items)
            case Table():
                return self._table(shape)
            case Object():
                return self._object(shape, None)
            case Variant(object=inner):
                return self._object(inner, shape)
            case Union(members=members):
                return {"anyOf": [self.schema(member) for member in members]}
            case Alias(target=target):
                assert target is not None  # noqa: S101 - the graph is whole
                return self.schema(target, inline=root)
            case Noted():
                return self._noted(shape, root=root)

    def _row(self, items: tuple[Shape, ...]) -> dict[str, Any]:
        if not items:
            return {"type": "array", "maxItems": 0}
        return {
            "type": "array",
            "prefixItems": [self.schema(item) for item in items],
            "items": False,
            "minItems": len(items),
            "maxItems": len(items),
        }

    def _table(self, shape: Table) -> dict[str, Any]:
        names = self.schema(shape.key)
        found = {"type": "object", "additionalProperties": self.schema(shape.value) or True}
        return found if names == {"type": "string"} else {**found, "propertyNames": names}

    def _object(self, shape: Object, variant: Variant | None) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        if variant is not None and variant.tag is not None:
            properties[variant.key] = {"type": "string", "enum": [variant.tag]}
            required.append(variant.key)
        for item in shape.fields:
            properties[item.key] = self._property(item)
            if item.required or (variant is not None and item.key == variant.key):
                required.append(item.key)
        about = {"description": shape.description} if shape.description else {}
        return {
            "type": "object",
            **about,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _property(self, item: Field) -> dict[str, Any]:
        found = self.schema(item.shape)
        if item.shown is ABSENT:
            return found
        try:
            return {**found, "default": self._write(item.shown, item.shape)}
        except ValueError:  # there are defaults that the type does not take, and some have no JSON
            return found

    def _noted(self, shape: Noted, *, root: bool) -> dict[str, Any]:
        found = self.schema(shape.shape, inline=root)
        for check in shape.checks:
            found = _limited(found, check.keywords)
        notes = [note for check in shape.checks if (note := check.note)]
        text = shape.description or (found.get("description", "") if notes else "")
        words = [text, *(f"{note[0].upper()}{note[1:]}." for note in notes)]
        text = " ".join(word for word in words if word)
        return {**found, "description": text} if text else found


def _limited(schema: dict[str, Any], keywords: Any) -> dict[str, Any]:
    """`schema` with more keywords: of two that say the same, each must hold."""
    members = _chosen(schema.get("anyOf", ()), keywords["enum"]) if "enum" in keywords else []
    if members:
        about = {key: value for key, value in schema.items() if key != "anyOf"}
        return {"anyOf": members, **about} if len(members) > 1 else {**members[0], **about}
    if not schema.keys() & keywords.keys():
        return {**schema, **_copied(keywords)}
    return {**schema, "allOf": [*schema.get("allOf", ()), _copied(keywords)]}


def _chosen(members: Iterable[dict[str, Any]], values: list[Any]) -> list[dict[str, Any]]:
    """The members of a union that have one of `values`, each with its own; none where a member does not tell its type.

    Not `enum` beside `anyOf`, which is the same: the dialects have rules for an `enum` of one type, or of null in it.
    """
    found = []
    for member in members:
        if not isinstance(kind := member.get("type"), str):
            return []
        own = [value for value in values if kind in kinds_of(value)]
        if own:
            found.append(member if kind == "null" else _limited(member, {"enum": own}))
    return found


def _choice(values: list[Any]) -> dict[str, Any]:
    kinds = {kind_of(value) for value in values}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 else {"enum": values}


def _identity(shape: "Object | Variant | Alias") -> Any:
    if isinstance(shape, Variant):
        return (id(shape.object), shape.key, shape.tag)
    return id(shape)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
