"""JSON Schemas as `output_type`: what fits is the output, as it is; what does not is told by its path."""

import json
import pickle
from types import MappingProxyType

import pytest

from llmkit import ConfigurationError, OutputError
from llmkit.output import output_form
from llmkit.schema.given import GivenSchema
from llmkit.schema.misfit import Misfit
from llmkit.testing import FakeServer

TOWN = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
TOWNS = {"type": "array", "items": {"$ref": "#/$defs/Town"}, "$defs": {"Town": TOWN}}
TREE = {
    "$ref": "#/definitions/Node",
    "definitions": {
        "Node": {
            "type": "object",
            "properties": {"of": {"type": "array", "items": {"$ref": "#/definitions/Node"}}},
            "required": ["of"],
            "additionalProperties": False,
        }
    },
}
EITHER = {"anyOf": [TOWN, {"type": "string"}]}


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


CYCLE = {"type": "object", "properties": {}}
CYCLE["properties"]["again"] = CYCLE
LIST = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#"}]}}

# schema, what the model writes, the output
FITTING = {
    "object": (TOWN, {"name": "Oslo", "people": 7}, {"name": "Oslo", "people": 7}),
    "null for what is left out": (TOWN, {"name": "Oslo", "people": None}, {"name": "Oslo"}),
    "array, wrapped": (TOWNS, {"value": [{"name": "Oslo"}]}, [{"name": "Oslo"}]),
    "array, bare": (TOWNS, [{"name": "Oslo"}], [{"name": "Oslo"}]),
    "null inside of an array": (
        TOWNS,
        {"value": [{"name": "A", "people": None}, {"name": "B"}]},
        [{"name": "A"}, {"name": "B"}],
    ),
    "recursive": (TREE, {"of": [{"of": []}]}, {"of": [{"of": []}]}),
    "one of several": (EITHER, {"value": "nowhere"}, "nowhere"),
    "null inside of one of several": (EITHER, {"value": {"name": "Oslo", "people": None}}, {"name": "Oslo"}),
    "a mapping of another kind": (MappingProxyType(TOWN), {"name": "A"}, {"name": "A"}),
    "a tuple for an array": ({**TOWN, "required": ("name",)}, {"name": "A"}, {"name": "A"}),
    "null that is meant": ({"type": ["string", "null"]}, {"value": None}, None),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("schema", "written", "output"), FITTING.values(), ids=FITTING.keys())
def test_fitting(server, provider, schema, written, output):
    server.reply(json.dumps(written))
    server.reply(json.dumps(written))
    client = server.client(provider)
    assert client.complete("Hi", output_type=schema).output == output
    with client.stream("Hi", output_type=schema) as stream:
        assert stream.collect().output == output


# schema, what the model writes, the path, what is said
MISFITS = {
    "another type": (TOWN, {"name": 5}, "$.name", "5 is not of type 'string'"),
    "missing": (TOWN, {}, "$", "'name' is a required property"),
    "null for what must be there": (TOWN, {"name": None}, "$.name", "None is not of type 'string'"),
    "too small": (TOWN, {"name": "A", "people": -1}, "$.people", "-1 is less than the minimum of 0"),
    "in an array": (TOWNS, {"value": [{"name": "A"}, {"nam": "B"}]}, "$.value[1]", "'name' is a required property"),
    "too large for what checks it": (
        {"type": "object", "properties": {"a": {"multipleOf": 0.01}}},
        {"a": 10**400},
        "$",
        "jsonschema cannot check it: OverflowError",
    ),
    "reference to what is no schema": (
        {"type": "object", "properties": {"a": {"$ref": "#/required/0"}}, "required": ["a"]},
        {"a": 1},
        "$",
        "jsonschema cannot check it: AttributeError",
    ),
    "reference to nothing": (
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}},
        {"a": 1},
        "$",
        "the schema refers to '/$defs/A', which is not in it",
    ),
}


@pytest.mark.parametrize(("schema", "written", "path", "said"), MISFITS.values(), ids=MISFITS.keys())
def test_misfit(server, schema, written, path, said):
    server.reply(json.dumps(written))
    with pytest.raises(OutputError, match="does not fit") as caught:
        server.client("anthropic").complete("Hi", output_type=schema)
    assert caught.value.path == path
    assert said in str(caught.value)


REFUSED = {
    "no type": ({"type": "strin"}, "no JSON Schema: $.type: 'strin' is not valid"),
    "no properties": ({"type": "object", "properties": []}, "no JSON Schema: $.properties: "),
    "elsewhere": ({"$ref": "https://example.org/s.json"}, "refers to 'https://example.org/s.json', which is not in it"),
    "a cycle": (CYCLE, "nested too deeply"),
    "deeper than anybody can read": (deep(3000), "nested too deeply"),
    "what JSON cannot say": ({"type": "string", "default": object()}, "output_type.default: cannot be written as JSON"),
    "no number": ({"type": "number", "minimum": float("nan")}, "output_type.minimum: cannot be written as JSON"),
    "a mapping of another kind in it": ({"properties": MappingProxyType({})}, "output_type.properties: cannot be"),
    "deeper than what checks it can follow": (deep(150), "nested too deeply"),
    "deeper than what an answer may be": (deep(300), "nested too deeply"),
    "no draft's name": ({"$schema": []}, "no JSON Schema: $schema: [] is no text"),
    "a draft's name that is a number": ({"$schema": 5}, "no JSON Schema: $schema: 5 is no text"),
    "elsewhere, below": ({"type": "array", "items": {"$ref": "other.json#/A"}}, "refers to 'other.json#/A'"),
}


@pytest.mark.parametrize(("schema", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_anything_is_sent(server, schema, said):
    with pytest.raises(ConfigurationError) as caught:
        server.client("anthropic").complete("Hi", output_type=schema)
    assert str(caught.value).startswith("output_type")
    assert said in str(caught.value)
    assert not server.requests


def test_an_answer_that_is_nested_too_deeply(server):
    server.reply('{"of": [' * 60 + "]}" * 60)
    assert server.client("anthropic").complete("Hi", output_type=TREE).output["of"]


def test_the_schema_is_what_the_provider_is_told(server):
    server.reply('{"name": "Oslo"}')
    server.client("openai-chat").complete("Hi", output_type=TOWN)
    told = server.requests[0].json["response_format"]["json_schema"]["schema"]
    assert told["properties"]["name"] == {"type": "string"}


def test_a_reference_to_the_root_of_what_is_wrapped(server):
    """The root is still what was the root, and not the object around it."""
    schema = {**LIST, "$defs": {"Whole": {"type": "string"}, "Item": {"$ref": "#/items"}}}
    server.reply('{"value": [1, [2]]}')
    assert server.client("openai-chat").complete("Hi", output_type=schema).output == [1, [2]]
    told = server.requests[0].json["response_format"]["json_schema"]["schema"]
    definitions, list_ = told["$defs"], told["properties"]["value"]
    assert list_["items"]["anyOf"] == [{"type": "integer"}, {"$ref": "#/$defs/Whole_"}]
    assert definitions["Whole_"] == list_
    assert definitions["Item"] == {"$ref": "#/$defs/Whole_/items"}
    assert definitions["Whole"] == {"type": "string"}


def test_what_is_known_while_it_arrives(server):
    server.reply('{"name": "Oslo", "people": 5}')
    with server.client("anthropic").stream("Hi", output_type=TOWN) as stream:
        seen = [stream.partial_output() for _ in stream]
    assert seen[-1] == {"name": "Oslo", "people": 5}
    assert {"name": "Oslo"} in seen or {"name": "Oslo", "people": 5} in seen


def test_asked_again(server):
    server.reply('{"name": 1}')
    server.reply('{"name": "Oslo"}')
    response = server.client("anthropic").complete("Hi", output_type=TOWN, output_retries=1)
    assert response.output == {"name": "Oslo"}
    assert "$.name: 1 is not of type 'string'" in server.requests[1].messages[-1].text


def test_an_error_pickles(server):
    server.reply("{}")
    with pytest.raises(OutputError) as caught:
        server.client("anthropic").complete("Hi", output_type=TOWN)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_rows_of_a_map(server):
    server.reply_with(lambda request: json.dumps({"name": request.messages[-1].text}))
    results = [*server.client("anthropic").map(["A", "B"], output_type=TOWN)]
    assert [result.unwrap().output["name"] for result in results] == ["A", "B"]


def operation(kind):
    properties = {"of": {"$ref": "#/$defs/Term"}, "note": {"type": "string"}, "kind": {"const": kind}}
    return {"type": "object", "properties": properties, "required": ["kind", "of"], "additionalProperties": False}


TERM = {"anyOf": [*map(operation, ("add", "mul", "neg")), {"type": "integer"}]}
ANOTHER = {"if": {"properties": {"of": {"$ref": "#/$defs/Term"}}}, "then": operation("neg"), "else": False}
WAYS = {
    "anyOf": TERM,
    "oneOf": {"oneOf": TERM["anyOf"]},
    "if and then": {"anyOf": [{"type": "integer"}, {"type": "object", **ANOTHER}]},
    "allOf": {"anyOf": [{"type": "integer"}, {"allOf": [operation("neg"), operation("neg")]}]},
}


def negated(leaf, times, **more):
    for _ in range(times):
        leaf = {"kind": "neg", "of": leaf, **more}
    return leaf


@pytest.mark.parametrize("term", WAYS.values(), ids=WAYS.keys())
def test_alternatives_in_alternatives(term):
    """Take no longer than what they are: to try each way would take 3 ** 40 steps."""
    given = GivenSchema({"$ref": "#/$defs/Term", "$defs": {"Term": term}})
    good = negated(1, 40)
    assert given.structure(good) == good
    with pytest.raises(Misfit):
        given.structure(negated("x", 40))


@pytest.mark.parametrize("term", [WAYS["anyOf"], WAYS["oneOf"]], ids=["anyOf", "oneOf"])
def test_nulls_in_alternatives(term):
    """All are found, whichever alternative is tried first."""
    given = GivenSchema({"$ref": "#/$defs/Term", "$defs": {"Term": term}})
    assert given.structure(negated(1, 20, note=None)) == negated(1, 20)
    with pytest.raises(Misfit):
        given.structure(negated(None, 3))


def test_without_jsonschema(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jsonschema.exceptions", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'llmkit\[cli\]'"):
        server.client("anthropic").complete("Hi", output_type={**TOWN, "title": "Seen for the first time"})


def test_many_calls_with_one_schema():
    """It is checked once, and what the caller does with it later changes nothing of what was asked."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    first = output_form(schema)
    assert output_form({**schema}) is first
    schema["properties"]["name"]["type"] = "integer"
    assert first.schema["properties"]["name"] == {"type": "string"}
    assert output_form(schema).schema["properties"]["name"] == {"type": "integer"}
