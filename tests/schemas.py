"""Plain JSON Schemas as hypothesis strategies, with values that fit them, and what a model's nulls stand for."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

NULL = {"type": "null"}
PATTERNS = {"^x+$": ["x", "xx"], "^[a-c]*$": ["", "abc"], "^\\d{3}$": ["123"]}
FORMATS = {
    "date": ["2024-02-29"],
    "uuid": ["01234567-89ab-4def-8123-456789abcdef"],
    "uri": ["a:b"],
    "ipv4": ["1.2.3.4"],
}
NAMES = st.sampled_from(["a", "b", "c", "default", "properties", "$ref", "enum"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.5]), st.sampled_from("xyz"))


def described(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda schema, about: {**schema, **about} if isinstance(schema, dict) else schema,
        schemas,
        st.sampled_from([{}, {}, {"description": "text"}, {"title": "T"}]),
    )


def words(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these keywords."""
    return st.fixed_dictionaries({}, optional=given)


def strings(*, bounds: bool, patterns: bool) -> st.SearchStrategy[dict[str, Any]]:
    lengths = words(minLength=st.integers(0, 1), maxLength=st.integers(2, 4)) if bounds else st.just({})
    found = [lengths, st.builds(lambda name: {"format": name}, st.sampled_from(sorted(FORMATS)))]
    if patterns:
        found.append(st.builds(lambda text: {"pattern": text}, st.sampled_from(sorted(PATTERNS))))
    return st.one_of(found).map(lambda more: {"type": "string", **more})


def numbers(*, bounds: bool) -> st.SearchStrategy[dict[str, Any]]:
    more = words(
        minimum=st.integers(-9, 0),
        exclusiveMaximum=st.integers(1, 9),
        multipleOf=st.sampled_from([1, 2]),
    )
    kinds = st.sampled_from(["integer", "number"])
    return st.builds(lambda kind, found: {"type": kind, **found}, kinds, more if bounds else st.just({}))


def choices() -> st.SearchStrategy[dict[str, Any]]:
    values = st.lists(SCALARS, min_size=1, max_size=3, unique_by=lambda value: (type(value), value))
    return st.one_of(values.map(lambda found: {"enum": found}), SCALARS.map(lambda value: {"const": value}))


def lists(inner: st.SearchStrategy[Any], *, bounds: bool) -> st.SearchStrategy[dict[str, Any]]:
    more = words(minItems=st.integers(0, 2), maxItems=st.integers(2, 3), uniqueItems=st.booleans())
    return st.builds(
        lambda items, found: {"type": "array", "items": items, **found}, inner, more if bounds else st.just({})
    )


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any], *, defaults: bool) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    for name, schema in properties.items():
        if defaults and name not in required and isinstance(schema, dict) and draw(st.booleans()):
            properties[name] = {**schema, "default": draw(SCALARS)}
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def foreign(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What not every dialect has words for."""
    tuples = st.builds(
        lambda items: {
            "type": "array",
            "prefixItems": items,
            "items": False,
            "minItems": len(items),
            "maxItems": len(items),
        },
        st.lists(inner, min_size=1, max_size=2),
    )
    maps = inner.map(lambda values: {"type": "object", "additionalProperties": values})
    return st.one_of(tuples, maps, st.just({}), inner.map(lambda other: {"allOf": [other, {}]}))


@st.composite
def plain(
    draw: st.DrawFn,
    *,
    bounds: bool = True,
    patterns: bool = True,
    sizes: bool = True,
    beyond: bool = False,
    cyclic: bool = False,
) -> dict[str, Any]:
    """A schema with an object at its root and two definitions, of which the second may refer to the first.

    Args:
        draw: Hypothesis' own.
        bounds: Whether numbers have bounds.
        patterns: Whether texts have patterns.
        sizes: Whether texts and lists have bounds, and properties defaults.
        beyond: Whether there is what not every dialect has words for.
        cyclic: Whether definitions refer to themselves, too.
    """
    leaves = described(
        st.one_of(
            st.sampled_from([{"type": "boolean"}, NULL, {"type": ["string", "null"]}]),
            strings(bounds=sizes, patterns=patterns),
            numbers(bounds=bounds),
            choices(),
        )
    )

    def grown(start: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.recursive(
            start,
            lambda inner: described(
                st.one_of(
                    lists(inner, bounds=sizes),
                    objects(inner, defaults=sizes),
                    st.lists(inner, min_size=1, max_size=3).map(lambda members: {"anyOf": members}),
                    *([foreign(inner)] if beyond else []),
                )
            ),
            max_leaves=5,
        )

    def references(*names: str) -> st.SearchStrategy[Any]:
        return described(st.sampled_from([{"$ref": f"#/$defs/{name}"} for name in names]))

    own = [references("A", "B~1~0 C")] if cyclic else []
    first = draw(grown(st.one_of(leaves, *own)))
    second = draw(grown(st.one_of(leaves, references("A"), *own)))
    root = draw(objects(grown(st.one_of(leaves, references("A", "B~1~0 C"))), defaults=sizes))
    return {"title": "Root", **root, "$defs": {"A": first, "B/~ C": second}}


# ---- values ----------------------------------------------------------------------------------------------------------


def meant(root: Mapping[str, Any], schema: Any) -> Any:
    """`schema` itself, or what it refers to."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        name = schema["$ref"].rpartition("#/$defs/")[2].replace("~1", "/").replace("~0", "~").replace("%20", " ")
        schema = root["$defs"][name] if schema["$ref"] != "#" else root
    return schema


def fits(root: Mapping[str, Any], schema: Any, value: Any) -> bool:
    whole = {**schema, "$defs": root.get("$defs", {})} if isinstance(schema, Mapping) else schema
    return Draft202012Validator(whole).is_valid(value)


@st.composite
def values(draw: st.DrawFn, root: Mapping[str, Any], schema: Any, depth: int = 4) -> Any:
    """A value that mostly fits; deep down whatever ends."""
    schema = meant(root, schema)
    if not isinstance(schema, Mapping) or depth == 0:
        return draw(SCALARS)
    if "const" in schema or "enum" in schema:
        return draw(st.sampled_from([schema["const"]] if "const" in schema else schema["enum"]))
    for key in ("anyOf", "allOf"):
        if key in schema:
            return draw(values(root, draw(st.sampled_from(schema[key])), depth - 1))
    kinds = schema.get("type", "none")
    kind = draw(st.sampled_from(kinds)) if isinstance(kinds, list) else kinds
    if kind == "object":
        return draw(_object(root, schema, depth))
    if kind == "array":
        fixed = [draw(values(root, inner, depth - 1)) for inner in schema.get("prefixItems", ())]
        free = isinstance(schema.get("items"), Mapping)
        return fixed + (draw(st.lists(values(root, schema["items"], depth - 1), max_size=3)) if free else [])
    return draw(_scalar(kind, schema))


def _scalar(kind: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    found: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(-9, 9),
        "number": st.one_of(st.integers(-9, 9), st.sampled_from([0.5, -1.5, 2.0])),
        "string": st.text("xabc123", max_size=4),
    }
    if "format" in schema or "pattern" in schema:
        samples = FORMATS.get(schema.get("format", ""), []) + PATTERNS.get(schema.get("pattern", ""), [])
        return st.sampled_from(samples or ["x"])
    return found.get(kind, SCALARS)


@st.composite
def _object(draw: st.DrawFn, root: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    found = {
        name: draw(values(root, inner, depth - 1))
        for name, inner in schema.get("properties", {}).items()
        if name in required or draw(st.booleans())
    }
    if isinstance(more := schema.get("additionalProperties"), Mapping):
        found["zz"] = draw(values(root, more, depth - 1))
    return found


# ---- nulls -----------------------------------------------------------------------------------------------------------


def with_nulls(root: Mapping[str, Any], schema: Any, value: Any) -> Any:
    """`value`, which fits, with null for all that is left out."""
    return _walked(root, schema, value, _filled)


def without_nulls(root: Mapping[str, Any], schema: Any, value: Any) -> Any:
    """`value` without the nulls that stand for what is left out."""
    return _walked(root, schema, value, _emptied)


def _walked(root: Mapping[str, Any], schema: Any, value: Any, of_object: Any) -> Any:
    schema = meant(root, schema)
    if not isinstance(schema, Mapping):
        return value
    for member in schema.get("anyOf", ()):
        found = _walked(root, member, value, of_object)
        if fits(root, member, value if of_object is _filled else found):
            return found
    if isinstance(value, list):
        fixed, items = schema.get("prefixItems", []), schema.get("items", True)
        return [
            _walked(root, fixed[at] if at < len(fixed) else items, inner, of_object) for at, inner in enumerate(value)
        ]
    return of_object(root, schema, value) if isinstance(value, dict) else value


def _filled(root: Mapping[str, Any], schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    found = {name: _walked(root, properties.get(name, True), inner, _filled) for name, inner in value.items()}
    return {**dict.fromkeys(properties), **found}


def _emptied(root: Mapping[str, Any], schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    return {
        name: _walked(root, properties.get(name, True), inner, _emptied)
        for name, inner in value.items()
        if not (inner is None and name not in required and not fits(root, properties.get(name, True), None))
    }
