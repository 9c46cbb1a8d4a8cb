"""JSON Schemas in the dialect of each wire: what they become, and that what they become keeps the provider's rules."""

import copy
import json
import os
from itertools import pairwise

import pytest
import schemas
import strategies_schema
from dialect_rules import breaks_of_anthropic, breaks_of_gemini, breaks_of_openai
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llmkit.output import output_form
from llmkit.schema import structure, unstructure
from llmkit.wire.anthropic_messages import dialect as anthropic
from llmkit.wire.gemini_generate import dialect as gemini
from llmkit.wire.openai import strict as openai

NULL = {"type": "null"}
STRING = {"type": "string"}
EXAMPLES = int(os.environ.get("LLMKIT_EXAMPLES") or 15)
quick = settings(
    deadline=None,
    derandomize=True,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def obj(required=(), **properties):
    found = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def closed(required=(), **properties):
    return {**obj(required, **properties), "additionalProperties": False}


# ---- Anthropic -------------------------------------------------------------------------------------------------------

A = {"$ref": "#/$defs/A"}
# As it is given; as it is sent.
ANTHROPIC = {
    "nothing": (obj(), closed()),
    "left out": (obj(["a"], a=STRING, b=STRING), closed(["a"], a=STRING, b=STRING)),
    "open": ({**obj(a=STRING), "additionalProperties": True}, closed(a=STRING)),
    "objects in objects": (obj(a=obj(b=STRING)), closed(a=closed(b=STRING))),
    "object or null": (
        obj(a={**obj(), "type": ["object", "null"]}),
        closed(a={**closed(), "type": ["object", "null"]}),
    ),
    "bounds of numbers": (
        obj(a={"type": "integer", "minimum": 1, "exclusiveMaximum": 9, "description": "how many"}),
        closed(
            a={"type": "integer", "description": 'how many\n\nJSON Schema: {"minimum": 1, "exclusiveMaximum": 9}'},
        ),
    ),
    "bounds of texts": (
        obj(a={"type": "string", "maxLength": 5, "pattern": "^ä"}),
        closed(a={"type": "string", "description": 'JSON Schema: {"maxLength": 5, "pattern": "^ä"}'}),
    ),
    "formats that it knows": (
        obj(a={"type": "string", "format": "uri"}),
        closed(a={"type": "string", "format": "uri"}),
    ),
    "formats that it does not": (
        obj(a={"type": "string", "format": "iri"}),
        closed(a={"type": "string", "description": 'JSON Schema: {"format": "iri"}'}),
    ),
    "one or more": (
        obj(a={"type": "array", "items": STRING, "minItems": 1}),
        closed(a={"type": "array", "items": STRING, "minItems": 1}),
    ),
    "two to three, all different": (
        obj(a={"type": "array", "items": STRING, "minItems": 2, "maxItems": 3, "uniqueItems": True}),
        closed(
            a={
                "type": "array",
                "items": STRING,
                "description": 'JSON Schema: {"minItems": 2, "maxItems": 3, "uniqueItems": true}',
            }
        ),
    ),
    "words": (
        obj(a={"enum": ["x", 1, None, True]}, b={"const": "x"}),
        closed(a={"enum": ["x", 1, None, True]}, b={"const": "x"}),
    ),
    "default": (
        obj(a={"type": "integer", "default": 3}, b={"type": ["integer", "null"], "default": None}),
        closed(a={"type": "integer", "default": 3}, b={"type": ["integer", "null"]}),
    ),
    "one of": (obj(a={"oneOf": [STRING, NULL]}), closed(a={"anyOf": [STRING, NULL]})),
    "all of one": (
        obj(a={"allOf": [{"type": "string", "maxLength": 2}], "description": "mine"}),
        closed(a={"type": "string", "description": 'mine\n\nJSON Schema: {"maxLength": 2}'}),
    ),
    "reference": ({**obj(a=A), "$defs": {"A": obj(b=STRING)}}, {**closed(a=A), "$defs": {"A": closed(b=STRING)}}),
    "reference with something beside it": (
        {**obj(a=A, b={**A, "description": "mine"}), "$defs": {"A": {**obj(b=STRING), "description": "ours"}}},
        {
            **closed(a=A, b={**closed(b=STRING), "description": "mine"}),
            "$defs": {"A": {**closed(b=STRING), "description": "ours"}},
        },
    ),
    "reference at the root": (
        {**A, "$defs": {"A": obj(b=STRING)}},
        {**closed(b=STRING), "$defs": {"A": closed(b=STRING)}},
    ),
    "properties called like keywords": (
        obj(minimum=STRING, enum=STRING, oneOf=STRING),
        closed(minimum=STRING, enum=STRING, oneOf=STRING),
    ),
}
BEYOND_ANTHROPIC = {
    "free keys": obj(a={"type": "object", "additionalProperties": STRING}),
    "any object": obj(a={"type": "object"}),
    "anything": obj(a={"description": "anything"}),
    "true": obj(a=True),
    "tuple": obj(a={"type": "array", "prefixItems": [STRING], "items": False}),
    "list of anything": obj(a={"type": "array"}),
    "keys by a pattern": {**obj(a=STRING), "patternProperties": {"^x": STRING}},
    "words that are lists": obj(a={"enum": [["x"]]}),
    "all of two": obj(a={"allOf": [STRING, {"maxLength": 2}]}),
    "defined elsewhere": obj(a={"$ref": "https://example.com/a.json"}),
    "holds another of itself": {**obj(a=A), "$defs": {"A": obj(next=A)}},
    "the whole in itself": obj(children={"type": "array", "items": {"$ref": "#"}}),
    "root that holds another of itself": {**A, "$defs": {"A": obj(next={"anyOf": [A, NULL]})}},
    "one another": {**obj(a=A), "$defs": {"A": obj(b={"$ref": "#/$defs/B"}), "B": obj(a=A)}},
    "list at the root": {"type": "array", "items": STRING},
    "25 optional properties": obj(**{f"p{i}": STRING for i in range(25)}),
    "17 unions": obj(**{f"p{i}": {"anyOf": [STRING, NULL]} for i in range(17)}),
    "17 types or null": obj([f"p{i}" for i in range(17)], **{f"p{i}": {"type": ["string", "null"]} for i in range(17)}),
}


@pytest.mark.parametrize(("schema", "sent"), ANTHROPIC.values(), ids=ANTHROPIC.keys())
def test_anthropic(schema, sent):
    before = copy.deepcopy(schema)
    assert anthropic.expressible(schema)
    assert anthropic.dialect(schema) == sent
    assert anthropic.dialect(sent) == sent
    assert list(breaks_of_anthropic(sent)) == []
    assert schema == before


@pytest.mark.parametrize("schema", BEYOND_ANTHROPIC.values(), ids=BEYOND_ANTHROPIC.keys())
def test_beyond_anthropic(schema):
    assert not anthropic.expressible(schema)


def test_copies_of_copies_end():
    """Where each definition refers to the next one twice, with words of its own."""
    names = [f"D{i}" for i in range(40)]
    refs = {name: {"$ref": f"#/$defs/{following}", "description": "mine"} for name, following in pairwise(names)}
    definitions = {name: obj(["a", "b"], a=ref, b=ref) for name, ref in refs.items()} | {names[-1]: obj()}
    found = anthropic.dialect({**obj(["a"], a={"$ref": "#/$defs/D0"}), "$defs": definitions})
    assert list(breaks_of_anthropic(found)) == []


# ---- Gemini ----------------------------------------------------------------------------------------------------------

GEMINI = {
    "left out": (obj(["a"], a=STRING, b=STRING), obj(["a"], a=STRING, b=STRING)),
    "closed and free": (
        closed(a={"type": "object", "additionalProperties": STRING}),
        closed(a={"type": "object", "additionalProperties": STRING}),
    ),
    "anything": (obj(a={}, b={"description": "anything"}), obj(a={}, b={"description": "anything"})),
    "tuple": (
        obj(a={"type": "array", "prefixItems": [STRING, NULL], "items": False, "minItems": 2}),
        obj(a={"type": "array", "prefixItems": [STRING, NULL], "minItems": 2, "maxItems": 2}),
    ),
    "list of anything": (obj(a={"type": "array", "items": True}), obj(a={"type": "array", "items": {}})),
    "bounds": (
        obj(a={"type": "integer", "minimum": 1, "maximum": 9}, b={"type": "array", "items": STRING, "maxItems": 3}),
        obj(a={"type": "integer", "minimum": 1, "maximum": 9}, b={"type": "array", "items": STRING, "maxItems": 3}),
    ),
    "bounds that do not belong": (
        obj(a={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9, "maximum": 8}),
        obj(
            a={
                "type": "number",
                "minimum": 0,
                "maximum": 8,
                "description": 'JSON Schema: {"exclusiveMinimum": 0, "exclusiveMaximum": 9}',
            }
        ),
    ),
    "words that it lacks": (
        obj(a={"type": "string", "pattern": "^x", "default": "x", "description": "d"}),
        obj(a={"type": "string", "description": 'd\n\nJSON Schema: {"pattern": "^x", "default": "x"}'}),
    ),
    "formats": (
        obj(a={"type": "string", "format": "date-time"}, b={"type": "string", "format": "uuid"}),
        obj(
            a={"type": "string", "format": "date-time"},
            b={"type": "string", "description": 'JSON Schema: {"format": "uuid"}'},
        ),
    ),
    "constants": (
        obj(a={"const": "x"}, b={"const": 1}, c={"const": None}, d={"const": True, "description": "yes"}),
        obj(
            a={"type": "string", "enum": ["x"]},
            b={"type": "integer", "enum": [1]},
            c=NULL,
            d={"type": "boolean", "description": 'yes\n\nJSON Schema: {"const": true}'},
        ),
    ),
    "words": (
        obj(a={"type": "string", "enum": ["x", "y"]}, b={"enum": [1, 0.5]}, c={"enum": [True, False]}),
        obj(a={"type": "string", "enum": ["x", "y"]}, b={"type": "number", "enum": [1, 0.5]}, c={"type": "boolean"}),
    ),
    "words or null": (
        obj(a={"enum": ["x", None], "title": "T"}, b={"enum": ["x", 1, True]}),
        obj(
            a={"anyOf": [{"type": "string", "enum": ["x"]}, NULL], "title": "T"},
            b={
                "anyOf": [
                    {"type": "string", "enum": ["x"]},
                    {"type": "integer", "enum": [1]},
                    {"type": "boolean", "description": 'JSON Schema: {"const": true}'},
                ]
            },
        ),
    ),
    "one of": (obj(a={"oneOf": [STRING, NULL]}), obj(a={"anyOf": [STRING, NULL]})),
    "reference": ({**obj(a=A), "$defs": {"A": STRING}}, {**obj(a=A), "$defs": {"A": STRING}}),
    "reference with something beside it": (
        {**obj(a={**A, "description": "mine"}), "$defs": {"A": STRING}},
        {**obj(a={"anyOf": [A], "description": "mine"}), "$defs": {"A": STRING}},
    ),
    "holds another of itself": (
        {**A, "$defs": {"A": closed(next=A)}},
        {**A, "$defs": {"A": closed(next=A)}},
    ),
}
BEYOND_GEMINI = {
    "must hold another of itself": {**A, "$defs": {"A": obj(["next"], next={"anyOf": [A, NULL]})}},
    "must hold others of itself": {**A, "$defs": {"A": obj(["all"], all={"type": "array", "items": A})}},
    "the whole": obj(["next"], next={"anyOf": [{"$ref": "#"}, NULL]}),
    "inside of what may be left out": {**obj(a=A), "$defs": {"A": obj(["next"], next=A)}},
    "names that are spelt": {**obj(), "$defs": {"A/~ B": obj(["a"], a={"$ref": "#/$defs/A~1~0%20B"})}},
}


@pytest.mark.parametrize(("schema", "sent"), GEMINI.values(), ids=GEMINI.keys())
def test_gemini(schema, sent):
    before = copy.deepcopy(schema)
    assert gemini.expressible(schema)
    assert gemini.dialect(schema) == sent
    assert gemini.dialect(sent) == sent
    assert list(breaks_of_gemini(sent)) == []
    assert schema == before


@pytest.mark.parametrize("schema", BEYOND_GEMINI.values(), ids=BEYOND_GEMINI.keys())
def test_beyond_gemini(schema):
    assert not gemini.expressible(schema)


# ---- all of them -----------------------------------------------------------------------------------------------------

DIALECTS = {
    "openai": (openai.expressible, openai.strict, breaks_of_openai),
    "anthropic": (anthropic.expressible, anthropic.dialect, breaks_of_anthropic),
    "gemini": (gemini.expressible, gemini.dialect, breaks_of_gemini),
}
each_dialect = pytest.mark.parametrize("name", DIALECTS)


@quick
@given(schema=st.booleans().flatmap(lambda beyond: schemas.plain(beyond=beyond, cyclic=beyond)))
def test_every_schema_keeps_the_rules(schema):
    before = copy.deepcopy(schema)
    for name, (expressible, said, breaks) in DIALECTS.items():
        possible = expressible(schema)
        event(f"{name}: {possible}")
        if possible:
            found = said(schema)
            Draft202012Validator.check_schema(found)
            assert list(breaks(found)) == [], name
            assert said(found) == found, name
            assert expressible(found), name
    assert schema == before


@quick
@given(data=st.data())
def test_all_that_fits_can_be_said(data):
    """A dialect never forbids what the plain schema takes; OpenAI's wants null for what is left out."""
    schema = data.draw(schemas.plain())
    value = data.draw(schemas.values(schema, schema))
    assume(schemas.fits(schema, schema, value))
    for name, (expressible, said, _) in DIALECTS.items():
        if expressible(schema):
            sent = schemas.with_nulls(schema, schema, value) if name == "openai" else value
            assert Draft202012Validator(said(schema)).is_valid(sent), name


# What a dialect can say in full, and so hold a model to; the rest it only tells.
SAID_IN_FULL = {
    "openai": {"sizes": False},
    "anthropic": {"sizes": False, "bounds": False, "patterns": False},
    "gemini": {"sizes": False, "bounds": False, "patterns": False},
}


@each_dialect
@quick
@given(data=st.data())
def test_all_that_is_said_fits(name, data):
    """What a model writes that is held to the dialect; nulls that stand for what is left out are taken away."""
    expressible, said, _ = DIALECTS[name]
    schema = data.draw(schemas.plain(**SAID_IN_FULL[name]))
    assume(expressible(schema))
    found = said(schema)
    value = data.draw(schemas.values(found, found))
    assume("JSON Schema: " not in json.dumps(found) and Draft202012Validator(found).is_valid(value))
    read = schemas.without_nulls(schema, schema, value) if name == "openai" else value
    assert schemas.fits(schema, schema, read)


@quick
@given(data=st.data())
def test_types_can_be_asked_for(data):
    """Of every type: its schema keeps the rules, what is an instance fits it, and is read back with the nulls."""
    case = data.draw(strategies_schema.types())
    form = output_form(case.type)
    assume(form is not None)
    plain = form.schema
    written = unstructure(data.draw(case.values), case.type)
    value = {"value": written} if form.wrapped else written
    for name, (expressible, said, breaks) in DIALECTS.items():
        if not expressible(plain):
            event(f"{name}: beyond")
            continue
        found = said(plain)
        Draft202012Validator.check_schema(found)
        assert list(breaks(found)) == [], name
        sent = schemas.with_nulls(plain, plain, value) if name == "openai" else value
        assert strategies_schema.accepts(found, sent), name
        bare = sent["value"] if form.wrapped else sent
        read = unstructure(structure(bare, case.type, nulls=True), case.type)
        if name != "openai":
            assert read == written, name
        else:  # where null is a value of its own, too, it cannot be told from what is left out
            again = {"value": read} if form.wrapped else read
            assert schemas.with_nulls(plain, plain, again) == sent, name
