"""JSON Schemas in OpenAI's strict dialect: a table of (schema, what it becomes)."""

import copy
from functools import reduce

import pytest

from llmkit import ConfigurationError
from llmkit.wire.anthropic_messages.dialect import expressible as expressible_of_anthropic
from llmkit.wire.openai.strict import expressible, strict

NULL = {"type": "null"}
CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def obj(required=(), **properties):
    found = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def closed(**properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


# As it is given; as it is sent.
SCHEMAS = {
    "nothing": ({"type": "object"}, CLOSED),
    "all required": (obj(["a"], a={"type": "integer"}), closed(a={"type": "integer"})),
    "already strict": (closed(a={"type": "integer"}), closed(a={"type": "integer"})),
    "optional": (
        obj(["b"], a={"type": "integer"}, b={"type": "string"}),
        closed(a={"type": ["integer", "null"]}, b={"type": "string"}),
    ),
    "optional with a description": (
        obj(a={"type": "integer", "description": "how many"}),
        closed(a={"type": ["integer", "null"], "description": "how many"}),
    ),
    "optional of two types": (
        obj(a={"type": ["integer", "string"]}, b={"type": ["integer", "boolean"], "enum": [1, True]}),
        closed(
            a={"type": ["integer", "string", "null"]},
            b={"anyOf": [{"type": ["integer", "boolean"], "enum": [1, True]}, NULL]},
        ),
    ),
    "optional words": (
        obj(a={"type": "string", "enum": ["x", "y"], "description": "which"}),
        closed(a={"anyOf": [{"type": "string", "enum": ["x", "y"]}, NULL], "description": "which"}),
    ),
    "optional constant": (obj(a={"const": 1}), closed(a={"anyOf": [{"type": "integer", "const": 1}, NULL]})),
    "optional list": (
        obj(a={"type": "array", "items": {"type": "integer"}}),
        closed(a={"anyOf": [{"type": "array", "items": {"type": "integer"}}, NULL]}),
    ),
    "optional union": (
        obj(a={"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        closed(a={"anyOf": [{"type": "integer"}, {"type": "string"}, NULL]}),
    ),
    "optional and null anyway": (
        obj(
            a={"type": ["integer", "null"]},
            b={"anyOf": [{"type": "integer"}, NULL]},
            c={"enum": ["x", None]},
            d=NULL,
        ),
        closed(
            a={"type": ["integer", "null"]},
            b={"anyOf": [{"type": "integer"}, NULL]},
            c={"type": ["string", "null"], "enum": ["x", None]},
            d=NULL,
        ),
    ),
    "null by default": (
        obj(a={"anyOf": [{"type": "integer"}, NULL], "default": None}),
        closed(a={"anyOf": [{"type": "integer"}, NULL]}),
    ),
    "other defaults": (
        obj(a={"type": "integer", "default": 3}),
        closed(a={"type": ["integer", "null"], "description": 'JSON Schema: {"default": 3}'}),
    ),
    "words that it lacks": (
        obj(
            ["a", "b"],
            a={"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^x", "description": "a word"},
            b={"type": "array", "items": {"type": "string", "format": "uri"}, "uniqueItems": True, "minItems": 2},
        ),
        closed(
            a={
                "type": "string",
                "pattern": "^x",
                "description": 'a word\n\nJSON Schema: {"minLength": 1, "maxLength": 5}',
            },
            b={
                "type": "array",
                "items": {"type": "string", "description": 'JSON Schema: {"format": "uri"}'},
                "minItems": 2,
                "description": 'JSON Schema: {"uniqueItems": true}',
            },
        ),
    ),
    "patterns that look around": (
        obj(
            ["a", "b", "c"],
            a={"type": "string", "pattern": "^(?!x)"},
            b={"type": "string", "pattern": r"(a)\1"},
            c={"type": "string", "pattern": "^(?:x|[(?=])"},
        ),
        closed(
            a={"type": "string", "description": 'JSON Schema: {"pattern": "^(?!x)"}'},
            b={"type": "string", "description": r'JSON Schema: {"pattern": "(a)\\1"}'},
            c={"type": "string", "description": 'JSON Schema: {"pattern": "^(?:x|[(?=])"}'},
        ),
    ),
    "patterns that do not": (
        obj(["a"], a={"type": "string", "pattern": "^(?:x|y)?$"}),
        closed(a={"type": "string", "pattern": "^(?:x|y)?$"}),
    ),
    "words that say nothing": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": "mine", **obj()},
        CLOSED,
    ),
    "words without a type": (
        obj(["a", "b"], a={"enum": ["x", "y"]}, b={"enum": ["x", 1, True, 0.5]}),
        closed(
            a={"type": "string", "enum": ["x", "y"]},
            b={"type": ["string", "integer", "boolean", "number"], "enum": ["x", 1, True, 0.5]},
        ),
    ),
    "a format that is none": (
        obj(["a"], a={"type": "string", "format": ["x"]}),
        closed(a={"type": "string", "description": 'JSON Schema: {"format": ["x"]}'}),
    ),
    "formats that it knows": (
        obj(["a"], a={"type": "string", "format": "date-time"}),
        closed(a={"type": "string", "format": "date-time"}),
    ),
    "property that is called default": (
        obj(["default"], default={"type": "integer"}),
        closed(default={"type": "integer"}),
    ),
    "open": (
        {**obj(["a"], a={"type": "integer"}), "additionalProperties": True},
        closed(a={"type": "integer"}),
    ),
    "objects in objects": (
        obj(["a"], a=obj(["b"], b=obj())),
        closed(a=closed(b=CLOSED)),
    ),
    "objects in lists": (
        obj(["a"], a={"type": "array", "items": obj(["b"], b={"type": "integer"})}),
        closed(a={"type": "array", "items": closed(b={"type": "integer"})}),
    ),
    "object or null": (
        obj(["a"], a={"type": ["object", "null"], "properties": {"b": {"type": "integer"}}}),
        closed(
            a={
                "type": ["object", "null"],
                "properties": {"b": {"type": ["integer", "null"]}},
                "required": ["b"],
                "additionalProperties": False,
            }
        ),
    ),
    "one of": (
        obj(["a"], a={"oneOf": [obj(["b"], b={"type": "integer"}), {"type": "string"}]}),
        closed(a={"anyOf": [closed(b={"type": "integer"}), {"type": "string"}]}),
    ),
    "all of one": (
        obj(["a"], a={"allOf": [{"type": "string", "description": "d"}], "description": "mine"}),
        closed(a={"type": "string", "description": "mine"}),
    ),
    "all of one object": (
        obj(["a"], a={"allOf": [obj(["b"], b={"type": "integer"})]}),
        closed(a=closed(b={"type": "integer"})),
    ),
    "reference": (
        {**obj(["a"], a={"$ref": "#/$defs/A"}), "$defs": {"A": obj(b={"type": "integer"})}},
        {**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": closed(b={"type": ["integer", "null"]})}},
    ),
    "reference with siblings": (
        {**obj(["a"], a={"$ref": "#/$defs/A", "description": "d"}), "$defs": {"A": {"type": "string"}}},
        {**closed(a={"anyOf": [{"$ref": "#/$defs/A"}], "description": "d"}), "$defs": {"A": {"type": "string"}}},
    ),
    "optional reference": (
        {**obj(a={"$ref": "#/$defs/A", "description": "d", "default": None}), "$defs": {"A": {"type": "string"}}},
        {**closed(a={"anyOf": [{"$ref": "#/$defs/A"}, NULL], "description": "d"}), "$defs": {"A": {"type": "string"}}},
    ),
    "reference to all of one": (
        {**obj(["a"], a={"allOf": [{"$ref": "#/$defs/A"}], "title": "t"}), "$defs": {"A": {"type": "string"}}},
        {**closed(a={"anyOf": [{"$ref": "#/$defs/A"}], "title": "t"}), "$defs": {"A": {"type": "string"}}},
    ),
    "reference at the root": (
        {"$ref": "#/$defs/A", "$defs": {"A": obj(["a"], a={"type": "integer"})}},
        {**closed(a={"type": "integer"}), "$defs": {"A": closed(a={"type": "integer"})}},
    ),
    "reference to itself inside": (
        {"$ref": "#/$defs/N", "$defs": {"N": obj(next={"$ref": "#/$defs/N"})}},
        {
            **closed(next={"anyOf": [{"$ref": "#/$defs/N"}, NULL]}),
            "$defs": {"N": closed(next={"anyOf": [{"$ref": "#/$defs/N"}, NULL]})},
        },
    ),
    "definitions of old": (
        {"$ref": "#/definitions/a~1b", "definitions": {"a/b": obj(a={"type": "integer"})}},
        {**closed(a={"type": ["integer", "null"]}), "definitions": {"a/b": closed(a={"type": ["integer", "null"]})}},
    ),
    "bounds stay": (
        obj(["a"], a={"type": "integer", "minimum": 1}, b={"type": "string", "pattern": "^x"}),
        closed(a={"type": "integer", "minimum": 1}, b={"type": ["string", "null"], "pattern": "^x"}),
    ),
}
each_schema = pytest.mark.parametrize(("given", "sent"), SCHEMAS.values(), ids=SCHEMAS.keys())


@each_schema
def test_strict(given, sent):
    assert strict(given) == sent


@each_schema
def test_the_order_of_properties_stays(given, sent):
    """In which the model writes them."""
    assert str(strict(given).get("required")) == str(sent["required"])


@each_schema
def test_the_argument_is_left_as_it_is(given, sent):
    before = copy.deepcopy(given)
    strict(given)
    expressible(given)
    assert given == before


@each_schema
def test_what_is_strict_stays_so(given, sent):
    assert strict(sent) == sent


def objects(schema):
    if isinstance(schema, dict):
        if "object" in (schema.get("type"), *(schema.get("type") if isinstance(schema.get("type"), list) else ())):
            yield schema
        for key, child in schema.items():
            for member in child.values() if key in ("properties", "$defs", "definitions") else [child]:
                yield from objects(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from objects(member)


@each_schema
def test_every_object_is_closed(given, sent):
    found = list(objects(strict(given)))
    assert found
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])


WRONG = {
    "a list": {"type": "array", "items": {"type": "integer"}},
    "a union": {"anyOf": [obj(), {"type": "string"}]},
    "no kind": {"description": "anything"},
    "reference to nothing": {"$ref": "#/$defs/A"},
    "reference to elsewhere": {"$ref": "https://example.com/a.json"},
    "reference to itself": {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
}


@pytest.mark.parametrize("schema", WRONG.values(), ids=WRONG.keys())
def test_what_has_no_object_at_the_root(schema):
    with pytest.raises(ConfigurationError, match="schema:"):
        strict(schema)


@pytest.mark.parametrize("schema", [given for name, (given, _) in SCHEMAS.items() if name != "nothing"])
def test_what_the_dialect_can_say(schema):
    assert expressible(schema)


BEYOND = {
    "any object": {"type": "object"},
    "free keys": {"type": "object", "additionalProperties": {"type": "integer"}},
    "free keys beside others": {**obj(a={"type": "integer"}), "additionalProperties": {"type": "integer"}},
    "free keys inside": obj(a={"type": "object", "additionalProperties": True}),
    "keys by a pattern": {**obj(a={"type": "integer"}), "patternProperties": {"^x": {"type": "integer"}}},
    "anything": obj(a={"description": "anything"}),
    "list of anything": obj(a={"type": "array"}),
    "tuple": obj(a={"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
    "not": obj(a={"type": "string", "not": {"const": "x"}}),
    "in a union": obj(a={"anyOf": [{"type": "object"}, NULL]}),
    "in a definition": {**obj(a={"$ref": "#/$defs/A"}), "$defs": {"A": {"type": "object"}}},
    "in a list": obj(a={"type": "array", "items": {"type": "object"}}),
    "true": obj(a=True),
    "list of true": obj(a={"type": "array", "items": True}),
    "all of two": obj(a={"allOf": [{"type": "string"}, {"maxLength": 5}]}),
    "words that are lists": obj(a={"enum": [[1], [2]]}),
    "reference to elsewhere": obj(a={"$ref": "https://example.com/a.json"}),
    "reference to nothing": obj(a={"$ref": "#/$defs/A"}),
    "reference to an anchor": {**obj(a={"$ref": "#A"}), "$defs": {"A": {"type": "string", "$anchor": "A"}}},
    "list at the root": {"type": "array", "items": {"type": "string"}},
    "union at the root": {"type": "object", "properties": {}, "anyOf": [{"type": "object"}]},
    "too many words": obj(a={"type": "string", "enum": [str(i) for i in range(1001)]}),
    "too long words": obj(a={"type": "string", "enum": [f"{i:0100}" for i in range(251)]}),
    "too many properties": obj(**{f"p{i}": {"type": "string"} for i in range(5001)}),
    "too deep": reduce(lambda inner, _: obj(a=inner), range(10), obj(a={"type": "string"})),
}


@pytest.mark.parametrize("schema", BEYOND.values(), ids=BEYOND.keys())
def test_what_the_dialect_cannot_say(schema):
    assert not expressible(schema)


# What is no JSON Schema, as callers and logs may have it.
MALFORMED = {
    "required as an object": obj(["a"], a={"type": "integer"}) | {"required": [{"a": 1}]},
    "required as a number": obj(a={"type": "integer"}) | {"required": 1},
    "a type as an object": obj(a={"type": [{"a": 1}]}),
    "an enum as a number": obj(a={"type": "integer", "enum": 1}),
    "a union as a number": obj(a={"anyOf": 1}),
    "properties as text": obj(a={"type": "object", "properties": "x"}),
    "definitions as a number": obj(a={"type": "integer"}) | {"$defs": 1},
    "a description as a list": obj(a={"type": "integer", "description": ["x"], "title": "A", "minimum": 1, "x": 2}),
}


@pytest.mark.parametrize("schema", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_schema_is_not_made_strict(schema):
    assert not expressible(schema)
    assert not expressible_of_anthropic(schema)
