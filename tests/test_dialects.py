"""JSON Schemas in the dialect of each wire: what they become, and that what they become keeps the provider's rules.

The rules are written down here once more, as checkers, from the providers' documentation.
"""

import copy
import json
from itertools import pairwise

import pytest
import schemas
from conformance import vendor_types
from conformance.gemini_generate import vendor as gemini_vendor
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParams

from llmkit import Tool, UnsupportedOptionError, UnsupportedWarning
from llmkit.refusals import refuse
from llmkit.resolve import resolve
from llmkit.testing import FakeServer
from llmkit.wire import wire
from llmkit.wire.anthropic_messages import dialect as anthropic
from llmkit.wire.gemini_generate import dialect as gemini
from llmkit.wire.openai import strict as openai

NULL = {"type": "null"}
STRING = {"type": "string"}
quick = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
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


# ---- the providers' rules --------------------------------------------------------------------------------------------


def inside(node):
    """What stands right inside a schema: the keyword, and it."""
    for key in ("properties", "$defs", "definitions"):
        yield from ((key, inner) for inner in node.get(key, {}).values())
    for key in ("anyOf", "allOf", "oneOf", "prefixItems"):
        yield from ((key, inner) for inner in node.get(key, ()))
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield key, node[key]


def everywhere(node):
    yield node
    for _, inner in inside(node):
        yield from everywhere(inner)


SHARED = "$ref $defs definitions type title description enum const anyOf properties required additionalProperties items"
OF_OPENAI = f"{SHARED} minItems maxItems pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"
OPENAI_FORMATS = "date-time time date duration email hostname ipv4 ipv6 uuid"


def breaks_of_openai(root):
    """https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"""
    if root.get("type") != "object" or "anyOf" in root:
        yield "the root is no object"
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_OPENAI.split())
        if "$ref" in node and len(node) > 1:
            yield "a reference with something beside it"
        if not node.keys() & {"$ref", "type", "anyOf"}:
            yield "no type"
        if "format" in node and node["format"] not in OPENAI_FORMATS.split():
            yield "another format"
        if "object" in node.get("type", ()):
            if node.get("additionalProperties") is not False:
                yield "an open object"
            if sorted(node.get("required", ())) != sorted(node.get("properties", ())):
                yield "a property that may be left out"
        if "array" in node.get("type", ()) and "items" not in node:
            yield "a list of anything"


OF_ANTHROPIC = f"{SHARED} minItems default format"
ANTHROPIC_FORMATS = "date-time time date duration email hostname uri ipv4 ipv6 uuid"


def breaks_of_anthropic(root):
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations"""
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_ANTHROPIC.split())
        if "$ref" in node and len(node) > 1:
            yield "a reference with something beside it"
        if not node.keys() & {"$ref", "type", "anyOf", "enum", "const"}:
            yield "anything"
        if node.get("minItems", 0) > 1:
            yield "a number of items"
        if "format" in node and node["format"] not in ANTHROPIC_FORMATS.split():
            yield "another format"
        if "object" in node.get("type", ()) and node.get("additionalProperties") is not False:
            yield "an open object"
        if any(isinstance(value, (dict, list)) for value in node.get("enum", ())):
            yield "a value that is no scalar"
    for name, definition in root.get("$defs", {}).items():
        if name in reached(root, definition):
            yield "a definition that holds another of itself"


def reached(root, node, seen=frozenset()):
    """The names of the definitions that a schema leads to."""
    names = {
        found["$ref"].rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        for found in everywhere(node)
        if "$ref" in found
    }
    for name in names - seen:
        seen = seen | {name} | reached(root, root["$defs"][name], seen | {name})
    return seen


OF_GEMINI = (
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum "
    "anyOf oneOf properties additionalProperties required propertyOrdering"
)


def breaks_of_gemini(root):
    """https://ai.google.dev/api/generate-content#FIELDS.response_json_schema"""
    for node in everywhere(root):
        yield from (f"has {key}" for key in node if key not in OF_GEMINI.split())
        if "$ref" in node and not all(key.startswith("$") for key in node):
            yield "a reference with something beside it"
        if any(isinstance(value, bool) or not isinstance(value, (str, int, float)) for value in node.get("enum", ())):
            yield "a value that is neither text nor number"
        if isinstance(node.get("items"), bool):
            yield "items that are no schema"


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


# ---- on the wires ----------------------------------------------------------------------------------------------------

WIRES = ("anthropic-messages", "openai-chat", "openai-responses", "gemini-generate")
each_wire = pytest.mark.parametrize("name", WIRES)
DOMAIN = {
    **obj(
        ["name", "tags"],
        name={"type": "string", "maxLength": 20, "description": "Of the dish."},
        tags={"type": "array", "items": {"enum": ["hot", "cold"]}, "uniqueItems": True, "minItems": 2},
        amount={**A, "description": "How much."},
        note={"type": "string", "default": "none"},
        when={"type": "string", "format": "date"},
    ),
    "$defs": {"A": obj(["grams"], grams={"type": "number", "exclusiveMinimum": 0})},
}
FREE = obj(["counts"], counts={"type": "object", "additionalProperties": {"type": "integer"}})


def encoded(name, *, warn=False, **options):
    found = wire(name)
    settings_ = {key: options.pop(key) for key in ("output_schema",) if key in options}
    request = resolve("hi", options, settings_, "m")
    call = found.encode(request, found.quirks(), lambda path, why: refuse(path, why, warn=warn), False)
    return json.loads(call.body)


def faults(name, body):
    match name:
        case "anthropic-messages":
            return vendor_types.faults(json.dumps(body).encode())
        case "openai-responses":
            return vendor_types.faults_against(ResponseCreateParams, json.dumps(body).encode())
        case "openai-chat":
            return vendor_types.faults_against(CompletionCreateParams, json.dumps(body).encode())
        case _:
            return gemini_vendor.faults(body)


def answer_schema(name, body):
    match name:
        case "anthropic-messages":
            return body["output_config"]["format"]["schema"]
        case "openai-chat":
            return body["response_format"]["json_schema"]["schema"]
        case "openai-responses":
            return body["text"]["format"]["schema"]
        case _:
            return body["generationConfig"]["responseJsonSchema"]


BREAKS = {
    "anthropic-messages": breaks_of_anthropic,
    "openai-chat": breaks_of_openai,
    "openai-responses": breaks_of_openai,
    "gemini-generate": breaks_of_gemini,
}


@each_wire
def test_an_answer_is_asked_for_in_the_dialect(name):
    body = encoded(name, output_schema=DOMAIN)
    assert wire(name).expresses(DOMAIN)
    assert faults(name, body) == []
    assert list(BREAKS[name](answer_schema(name, body))) == []
    assert list(answer_schema(name, body)["properties"]) == list(DOMAIN["properties"])


def test_which_wires_have_words_for_what():
    cyclic = BEYOND_GEMINI["must hold others of itself"]
    has = {name: (wire(name).expresses(FREE), wire(name).expresses(cyclic)) for name in WIRES}
    assert has == {
        "anthropic-messages": (False, False),
        "openai-chat": (True, True),
        "openai-responses": (True, True),
        "gemini-generate": (True, False),
    }


def test_an_answer_that_anthropic_has_no_words_for():
    """Which the client asks for in another way."""
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded("anthropic-messages", output_schema=FREE)
    assert caught.value.path == "output_type"


def parameters(name, tool):
    match name:
        case "anthropic-messages":
            return tool["input_schema"]
        case "openai-chat":
            return tool["function"]["parameters"]
        case _:
            return tool["parameters"]


STRICT_WIRES = ("anthropic-messages", "openai-chat", "openai-responses")
each_strict_wire = pytest.mark.parametrize("name", STRICT_WIRES)


@each_strict_wire
def test_strict_parameters_are_in_the_dialect(name):
    body = encoded(name, tools=[Tool("cook", "Cooks.", DOMAIN, strict=True), Tool("eat", "Eats.", DOMAIN)])
    assert faults(name, body) == []
    strict, loose = (parameters(name, tool) for tool in body["tools"])
    without_default = [{key: value for key, value in node.items() if key != "default"} for node in everywhere(strict)]
    assert not {*BREAKS[name](strict)} - {"has default"}
    assert all(Draft202012Validator.check_schema(node) is None for node in without_default)
    assert loose == DOMAIN


@each_strict_wire
def test_strict_parameters_that_cannot_be(name):
    tools = [Tool("a"), Tool("b", "", FREE, strict=True)]
    with pytest.raises(UnsupportedOptionError, match="strict") as caught:
        encoded(name, tools=tools)
    assert caught.value.path == "tools[1].strict"
    with pytest.warns(UnsupportedWarning, match=r"tools\[1\]\.strict"):
        body = encoded(name, warn=True, tools=tools)
    tool = body["tools"][1]
    assert not tool.get("function", tool).get("strict")
    assert parameters(name, tool) == FREE


def test_gemini_is_told_of_functions_in_its_words():
    """What the caller wrote by hand is sent as it is written."""

    def cook(name: str, tags: list[str]) -> None:
        """Cooks."""

    mine, ours = Tool("cook", "Cooks.", DOMAIN), Tool("cook", "Cooks.", DOMAIN, cook)
    sent = [encoded("gemini-generate", tools=[tool]) for tool in (mine, ours)]
    found = [body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] for body in sent]
    assert found[0] == DOMAIN
    assert found[1] == gemini.dialect(DOMAIN)
    assert faults("gemini-generate", sent[1]) == []


# ---- the FakeServer --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with FakeServer() as server:
        yield server


ROWS = {"openai-chat": "openai-chat", "openai-responses": "openai", "anthropic-messages": "anthropic"}


def body_with(name, schema, *, tool):
    """A body whose answer, or whose tool, is held to `schema` as it is."""
    if name == "anthropic-messages":
        if tool:
            return {"tools": [{"name": "f", "input_schema": schema, "strict": True}]}
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    function = {"name": "f", "parameters": schema, "strict": True}
    answer = {"name": "n", "schema": schema, "strict": True}
    if name == "openai-chat":
        if tool:
            return {"tools": [{"type": "function", "function": function}]}
        return {"response_format": {"type": "json_schema", "json_schema": answer}}
    return (
        {"tools": [{"type": "function", **function}]}
        if tool
        else {"text": {"format": {"type": "json_schema", **answer}}}
    )


def refused(server, name, schema, *, tool=False):
    """What the server says to a schema; None where it takes it."""
    client = server.client(ROWS[name], model="m", max_retries=0).with_options(max_tokens=100)
    try:
        client.complete("hi", extra_body=body_with(name, schema, tool=tool))
    except Exception as error:  # noqa: BLE001 - told apart by the caller
        return error
    return None


STRICT = {**closed(["a"], a=STRING)}
ONE = closed(["a"], a={**closed(["b"], b={"type": "string", "minLength": 1})})
OPENAI_WRONG = {
    "no object": ({"type": "array", "items": STRING}, "schema must be a JSON Schema of 'type: \"object\"'"),
    "open": (obj(["a"], a=STRING), r"In context=\(\), 'additionalProperties' is required"),
    "left out": (closed(a=STRING), "'required' is required to be supplied"),
    "one left out": (closed(["a"], a=STRING, b=STRING), "Missing 'b'"),
    "too much": (closed(["a", "b"], a=STRING), "Extra required key 'b' supplied"),
    "inside": (ONE, r"In context=\('properties', 'a', 'properties', 'b'\), 'minLength' is not permitted"),
    "no type": (closed(["a"], a={"enum": ["x"]}), r"In context=\('properties', 'a'\), schema must have a 'type' key"),
    "list of anything": (closed(["a"], a={"type": "array"}), "array schema missing items"),
    "format": (closed(["a"], a={"type": "string", "format": "uri"}), "'uri' is not a valid format"),
    "reference with a sibling": (
        {**closed(["a"], a={**A, "description": "d"}), "$defs": {"A": STRING}},
        r"\$ref cannot have keywords",
    ),
    "reference to nothing": (closed(["a"], a=A), "reference can only point to definitions"),
    "in a union": (closed(["a"], a={"anyOf": [obj(), NULL]}), r"'anyOf', '0'\), 'additionalProperties'"),
    "in a definition": ({**closed(["a"], a=A), "$defs": {"A": obj()}}, r"'\$defs', 'A'\), 'additionalProperties'"),
    "all of": (closed(["a"], a={"type": "string", "allOf": [STRING]}), "'allOf' is not permitted"),
    "no schema": (closed(["a"], a=True), "is not of type 'object'"),
}


CODES = {"openai-chat": "invalid_request_error", "openai-responses": "invalid_json_schema"}  # the type, without a code


@pytest.mark.parametrize("tool", [False, True], ids=["answer", "tool"])
@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize(("schema", "words"), OPENAI_WRONG.values(), ids=OPENAI_WRONG.keys())
def test_the_server_refuses_what_openai_does(server, name, tool, schema, words):
    error = refused(server, name, schema, tool=tool)
    assert error is not None
    assert error.status == 400
    assert error.code == ("invalid_function_parameters" if tool else CODES[name])
    with pytest.raises(type(error), match=words):
        raise error


def test_the_server_takes_defaults_of_functions_only(server):
    schema = closed(["a"], a={"type": "string", "default": "x"})
    assert refused(server, "openai-chat", schema, tool=True) is None
    assert "'default' is not permitted" in str(refused(server, "openai-chat", schema))


ANTHROPIC_WRONG = {
    "open": (obj(a=STRING), "For 'object' type, 'additionalProperties' must be explicitly set to false"),
    "free": ({**obj(), "additionalProperties": True}, "'additionalProperties: true' is not supported"),
    "open inside": (closed(a={"type": "array", "items": obj()}), "'additionalProperties' must be explicitly set"),
    "bounds": (
        closed(a={"type": "integer", "minimum": 1, "maximum": 2}),
        "properties maximum, minimum are not supported",
    ),
    "length": (
        closed(a={"type": "string", "maxLength": 1}),
        "For 'string' type, property 'maxLength' is not supported",
    ),
    "items": (closed(a={"type": "array", "items": STRING, "minItems": 2}), "'minItems' values other than 0 or 1"),
    "format": (closed(a={"type": "string", "format": "iri"}), "'iri' is not supported"),
    "pattern": (closed(a={"type": "string", "pattern": "(?=x)"}), "Regex pattern"),
    "circle": (
        {**closed(a=A), "$defs": {"A": closed(x=STRING, a=A)}},
        "Circular reference detected in schema definitions: A -> A",
    ),
    "wide circle": (
        {**closed(a=A), "$defs": {"A": closed(b={"$ref": "#/$defs/B"}), "B": closed(c=STRING, a=A)}},
        "A -> B -> A",
    ),
    "circle at the root": (closed(a={"$ref": "#"}), "# -> #"),
    "elsewhere": (closed(a={"$ref": "https://example.com/a.json"}), "External"),
    "anything": (closed(a={"description": "d"}), "must have one of"),
    "lists as words": (closed(a={"enum": [[1]]}), "Enum values must be"),
    "all of a reference": ({**closed(a={"allOf": [A]}), "$defs": {"A": STRING}}, "'allOf' with"),
    "many optional ones": (BEYOND_ANTHROPIC["25 optional properties"] | {"additionalProperties": False}, r"\(25\)"),
    "many unions": (
        closed([f"p{i}" for i in range(17)], **{f"p{i}": {"anyOf": [STRING, NULL]} for i in range(17)}),
        "17 parameters",
    ),
    "no schema": (closed(a=True), "is not a schema"),
}


@pytest.mark.parametrize("tool", [False, True], ids=["answer", "tool"])
@pytest.mark.parametrize(("schema", "words"), ANTHROPIC_WRONG.values(), ids=ANTHROPIC_WRONG.keys())
def test_the_server_refuses_what_anthropic_does(server, tool, schema, words):
    error = refused(server, "anthropic-messages", schema, tool=tool)
    assert error is not None
    assert error.status == 400
    with pytest.raises(type(error), match=words):
        raise error


def test_the_server_takes_twenty_strict_tools(server):
    client = server.client("anthropic", max_retries=0).with_options(max_tokens=100)
    tools = [Tool(f"t{i}", strict=True) for i in range(21)]
    client.complete("hi", tools=tools[:20])
    with pytest.raises(Exception, match="Too many strict tools"):
        client.complete("hi", tools=tools)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("tool", [False, True], ids=["answer", "tool"])
def test_the_server_takes_what_is_not_strict(server, name, tool):
    body = body_with(name, FREE, tool=tool)
    loose = json.loads(json.dumps(body).replace('"strict": true', '"strict": false'))
    client = server.client(ROWS[name], model="m", max_retries=0).with_options(max_tokens=100)
    if name != "anthropic-messages" or tool:
        assert client.complete("hi", extra_body=loose).text


OF_WIRE = {"openai-chat": "openai", "openai-responses": "openai", "anthropic-messages": "anthropic"}


@settings(quick, max_examples=30)
@given(schema=schemas.plain())
def test_the_server_takes_the_dialect(server, schema):
    for name, dialect in OF_WIRE.items():
        expressible, said, _ = DIALECTS[dialect]
        if expressible(schema):
            assert refused(server, name, said(schema)) is None, name
