"""Schemas on their way: which wire sends them in which dialect, what it refuses, and what the FakeServer refuses."""

import json

import pytest
import schemas
from conformance import vendor_types
from conformance.gemini_generate import vendor as gemini_vendor
from dialect_rules import breaks_of_anthropic, breaks_of_gemini, breaks_of_openai, everywhere
from hypothesis import HealthCheck, given, settings
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
A = {"$ref": "#/$defs/A"}


def obj(required=(), **properties):
    found = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def closed(required=(), **properties):
    return {**obj(required, **properties), "additionalProperties": False}


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
    cyclic = {**obj(["a"], a=A), "$defs": {"A": obj(["all"], all={"type": "array", "items": A})}}
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
    "lookaround": (closed(["a"], a={"type": "string", "pattern": "^(?!x)"}), "regex lookaround is not supported"),
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
    "many optional ones": (closed(**{f"p{i}": STRING for i in range(25)}), r"\(25\)"),
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


DIALECTS = {
    "openai-chat": (openai.expressible, openai.strict),
    "openai-responses": (openai.expressible, openai.strict),
    "anthropic-messages": (anthropic.expressible, anthropic.dialect),
}


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(schema=schemas.plain())
def test_the_server_takes_the_dialect(server, schema):
    for name, (expressible, said) in DIALECTS.items():
        if expressible(schema):
            assert refused(server, name, said(schema)) is None, name
