"""JSON Schemas as `output_type`: what fits is the output, as it is; what does not is told by its path."""

import json
import pickle

import pytest

from llmkit import ConfigurationError, OutputError
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
PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


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
    "elsewhere, below": ({"type": "array", "items": {"$ref": "other.json#/A"}}, "refers to 'other.json#/A'"),
}


@pytest.mark.parametrize(("schema", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_anything_is_sent(server, schema, said):
    with pytest.raises(ConfigurationError) as caught:
        server.client("anthropic").complete("Hi", output_type=schema)
    assert str(caught.value).startswith("output_type: ")
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


def test_without_jsonschema(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jsonschema.exceptions", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'llmkit\[cli\]'"):
        server.client("anthropic").complete("Hi", output_type=TOWN)
