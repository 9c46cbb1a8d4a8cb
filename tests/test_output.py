"""Answers as Python objects: asked for in each host's way, read strictly, and never made up."""

import pickle
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Literal, TypedDict

import pytest
from attrs import evolve, field, frozen, validators

from llmkit import (
    AssistantMessage,
    BadRequestError,
    ConfigurationError,
    FinishReason,
    OutputError,
    Refusal,
    Request,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    UnsupportedOptionError,
    Usage,
    UserMessage,
)
from llmkit.output import output_form
from llmkit.provider import provider
from llmkit.testing import FakeServer, Reply, by_characters
from llmkit.wire import wire

WIRES = {
    "anthropic": "anthropic-messages",
    "openai": "openai-responses",
    "openai-chat": "openai-chat",
    "gemini": "gemini-generate",
}
each = pytest.mark.parametrize("name", WIRES)
each_way = pytest.mark.parametrize("way", ["whole", "streamed"])
ONE, TWO = Usage(10, 5), Usage(20, 6, reasoning_tokens=2)


@frozen
class Step:
    text: str
    hard: bool = False


@frozen
class Recipe:
    """How to cook something.

    Attributes:
        name: What it is called.
    """

    name: str
    minutes: int = field(validator=validators.ge(1))
    steps: list[Step]
    source: str = "unknown"


class Place(TypedDict):
    city: str


@dataclass
class Cat:
    name: str
    lives: int


COCOA = Recipe("Cocoa", 5, [Step("Heat milk."), Step("Stir.", True)])
COCOA_TEXT = '{"name": "Cocoa", "minutes": 5, "steps": [{"text": "Heat milk."}, {"text": "Stir.", "hard": true}]}'


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def ask(client, way, prompt="Go.", **options):
    if way == "whole":
        return client.complete(prompt, **options)
    with client.stream(prompt, **options) as stream:
        return stream.collect()


@each
@each_way
def test_an_object(server, name, way):
    server.reply(COCOA_TEXT)
    response = ask(server.client(name, model="m-1"), way, output_type=Recipe)
    assert response.output == COCOA
    assert response.text == COCOA_TEXT
    assert pickle.loads(pickle.dumps(response)) == response


def asked_for(body):
    """The schema in a request's body, whatever the wire."""
    if "output_config" in body:
        return body["output_config"]["format"]["schema"]
    if "text" in body:
        return body["text"]["format"]["schema"]
    if "response_format" in body:
        return body["response_format"]["json_schema"]["schema"]
    return body["generationConfig"]["responseJsonSchema"]


@each
def test_what_is_asked_for(server, name):
    """The host's own mode, with all that the type tells."""
    server.reply(COCOA_TEXT)
    ask(server.client(name, model="m-1"), "whole", output_type=Recipe)
    schema = asked_for(server.requests[0].json)
    assert schema["type"] == "object"
    assert list(schema["properties"]) == ["name", "minutes", "steps", "source"]
    assert schema["properties"]["name"]["description"] == "What it is called."
    assert schema["additionalProperties"] is False
    assert "tools" not in server.requests[0].json


VALUES = {
    "a text": (str, '"a"', "a"),
    "a number": (int, "3", 3),
    "a truth": (bool, "false", False),
    "nothing or a number": (int | None, "null", None),
    "a list": (list[Step], '[{"text": "a"}]', [Step("a")]),
    "a word": (Literal["a", "b"], '"b"', "b"),
    "one of two classes": (Step | Cat, '{"name": "Tom", "lives": 9}', Cat("Tom", 9)),
    "money": (Decimal, '"0.10"', Decimal("0.10")),
}


@each
@each_way
@pytest.mark.parametrize(("cls", "text", "expected"), VALUES.values(), ids=VALUES.keys())
def test_what_is_no_object(server, name, way, cls, text, expected):
    """It is put into one, as providers demand; models that leave that out are understood."""
    client = server.client(name, model="m-1")
    for answer in (f'{{"value": {text}}}', text):
        server.reply(answer)
        response = ask(client, way, output_type=cls)
        assert response.output == expected
        assert type(response.output) is type(expected)
    schema = asked_for(server.requests[0].json)
    assert (schema["type"], list(schema["properties"]), schema["required"]) == ("object", ["value"], ["value"])


def test_a_dict_is_an_object(server):
    server.reply('{"value": 3, "more": 4}')
    assert ask(server.client("anthropic"), "whole", output_type=dict[str, int]).output == {"value": 3, "more": 4}


def test_nulls_for_what_may_be_left_out(server):
    """The strict dialect makes models write them."""
    server.reply('{"text": "a", "hard": null}')
    assert ask(server.client("openai"), "whole", output_type=Step).output == Step("a")


FRAMES = {
    "a fence": f"```json\n{COCOA_TEXT}\n```",
    "a fence without a word": f"```\n{COCOA_TEXT}\n```\n",
    "blanks": f"\n  {COCOA_TEXT}\n",
}


@each_way
@pytest.mark.parametrize("text", FRAMES.values(), ids=FRAMES.keys())
def test_what_stands_around(server, way, text):
    server.reply(text)
    assert ask(server.client("openai-chat"), way, output_type=Recipe).output == COCOA


def test_words_before_in_a_part_of_their_own(server):
    server.reply([Text("Here it is:"), Text(COCOA_TEXT)])
    assert ask(server.client("anthropic"), "whole", output_type=Recipe).output == COCOA


UNFIT = {
    "another type": ('{"name": 3, "minutes": 5, "steps": []}', "$.name"),
    "a key too few": ('{"minutes": 5, "steps": []}', "$"),
    "a key too many": ('{"name": "a", "minutes": 5, "steps": [], "x": 1}', "$"),
    "a validator": ('{"name": "a", "minutes": 0, "steps": []}', "$.minutes"),
    "deep inside": ('{"name": "a", "minutes": 5, "steps": [{"text": "a"}, {"text": null}]}', "$.steps[1].text"),
    "no JSON": ("Sure! Cocoa it is.", "$"),
    "cut": ('{"name": "a", "min', "$"),
    "not an object": ('["a"]', "$"),
    "nothing": ("", "$"),
}


@each
@each_way
@pytest.mark.parametrize(("text", "path"), UNFIT.values(), ids=UNFIT.keys())
def test_what_does_not_fit(server, name, way, text, path):
    server.reply(Reply([text] if text else [Thinking("Hm.")], usage=ONE))
    client = server.client(name, model="m-1")
    with pytest.raises(OutputError) as caught:
        ask(client, way, output_type=Recipe)
    error = caught.value
    assert error.path.startswith(path)
    assert error.text == text == error.response.text
    assert error.response.usage == ONE
    assert error.response.finish_reason.reason == "stop"
    assert (error.provider, error.attempts, error.retryable) == (name, 1, True)
    assert len(server.requests) == 1
    assert "output_retries" in str(error).splitlines()[0]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.raises(OutputError):
        error.response.output  # noqa: B018


ENDINGS = {
    "length": (Reply(['{"name": "a"'], finish_reason=FinishReason("length")), "cut off"),
    "length, with all that is needed": (Reply([COCOA_TEXT], finish_reason=FinishReason("length")), "cut off"),
    "refusal": (Reply([Refusal("I will not.")], finish_reason=FinishReason("refusal")), "refused"),
    "content_filter": (Reply(["{"], finish_reason=FinishReason("content_filter")), "filter"),
}


@each_way
@pytest.mark.parametrize(("reply", "message"), ENDINGS.values(), ids=ENDINGS.keys())
def test_endings_that_are_no_output(server, way, reply, message):
    server.reply(reply)
    with pytest.raises(OutputError, match=message) as caught:
        ask(server.client("openai-chat", model="m-1"), way, output_type=Recipe, output_retries=2)
    assert caught.value.response.finish_reason.reason == reply.finish_reason.reason
    assert len(server.requests) == 1, "what is cut or refused is not mended by asking again"


@each
@each_way
def test_calls_come_first(server, name, way):
    """An answer that calls tools is returned; only reading its output raises."""
    server.reply(ToolCall("call_1", "look", {}))
    response = ask(server.client(name, model="m-1"), way, output_type=Recipe, tools=[Tool("look")])
    assert response.finish_reason.reason == "tool_calls"
    with pytest.raises(OutputError, match="calls tools first"):
        response.output  # noqa: B018
    assert response == pickle.loads(pickle.dumps(response))


def test_no_output_asked_for(server):
    server.reply(COCOA_TEXT)
    assert server.client("anthropic").complete("Go.").output is None
    with server.client("anthropic").stream("Go.") as stream:
        assert stream.partial_output() is None
        assert stream.collect().output is None


# Asking again.


@each
def test_asking_again(server, name):
    """With what is wrong; what all the answers cost is told."""
    server.reply(Reply(['{"name": "Cocoa", "minutes": 0, "steps": []}'], usage=ONE))
    server.reply(Reply(["Oh."], usage=ONE))
    server.reply(Reply([COCOA_TEXT], usage=TWO))
    response = server.client(name, model="m-1").complete("Go.", output_type=Recipe, output_retries=3)
    assert response.output == COCOA
    assert response.usage == ONE + ONE + TWO
    assert response.attempts == 3
    second, third = server.requests[1].messages, server.requests[2].messages
    assert [message.role for message in second] == ["user", "assistant", "user"]
    assert "$.minutes" in second[2].text
    assert len(third) == 3, "only the last answer is told of"
    assert "JSON" in third[2].text


def test_asking_again_in_vain(server):
    for _ in range(2):
        server.reply(Reply(["no"], usage=ONE))
    with pytest.raises(OutputError) as caught:
        server.client("anthropic").complete("Go.", output_type=Recipe, output_retries=1)
    assert caught.value.response.usage == ONE + ONE
    assert len(server.requests) == 2


def test_asking_again_fails(server):
    """The error has the answer that was paid for."""

    def answer(request):
        server.fault("too long")
        return Reply(["no"], usage=ONE)

    server.reply_with(answer)
    with pytest.raises(BadRequestError) as caught:
        server.client("anthropic").complete("Go.", output_type=Recipe, output_retries=1)
    assert caught.value.partial.text == "no"
    assert caught.value.partial.usage == ONE


def test_streams_never_ask_again(server):
    server.reply("no")
    with server.client("anthropic").stream("Go.", output_type=Recipe, output_retries=2) as stream:
        assert "".join(stream.text_deltas()) == "no"
        with pytest.raises(OutputError):
            stream.collect()
        with pytest.raises(OutputError):
            stream.collect()
    assert len(server.requests) == 1


# Streams.


def looked_into(cls, text):
    """What is known of an answer after each sign of its text; how much of it has come by an event is the host's."""
    form = output_form(cls)
    found = [form.partial(AssistantMessage(text[:end])) for end in range(1, len(text) + 1)]
    return [one for one, before in zip(found, [..., *found], strict=False) if one != before]


def test_partial_outputs_grow():
    """Each is what the text so far tells; the last is the output."""
    seen = looked_into(Recipe, COCOA_TEXT)
    assert seen[-1] == COCOA
    names = [one.name for one in seen if isinstance(one, Recipe) and one.name is not None]
    assert names[:6] == ["", "C", "Co", "Coc", "Coco", "Cocoa"]
    assert all(whole.startswith(begun) for begun, whole in pairwise(names))
    assert {len(one.steps or ()) for one in seen if isinstance(one, Recipe)} == {0, 1, 2}
    assert any(one.minutes is None for one in seen if isinstance(one, Recipe))


def test_partial_outputs_of_a_list():
    assert looked_into(list[int], '{"value": [1, 22, 333]}') == [None, [], [1], [1, 22], [1, 22, 333]]


@each
def test_partial_outputs_while_it_streams(server, name):
    server.chunking = by_characters
    server.reply(COCOA_TEXT)
    possible = [None, *looked_into(Recipe, COCOA_TEXT)]
    with server.client(name, model="m-1").stream("Go.", output_type=Recipe) as stream:
        assert stream.partial_output() in possible
        assert all(stream.partial_output() in possible for _ in stream)
        assert stream.partial_output() == COCOA == stream.collect().output


def test_partial_output_of_what_does_not_fit(server):
    server.chunking = by_characters
    server.reply('{"name": 3, "steps": [{"text": "a"')
    with server.client("openai").stream("Go.", output_type=Recipe) as stream:
        for _ in stream:
            stream.partial_output()
        found = stream.partial_output()
    assert (found.name, found.steps, found.source) == (None, [Step("a")], "unknown")


def test_a_snapshot_has_no_output_yet(server):
    server.reply(COCOA_TEXT)
    with server.client("openai").stream("Go.", output_type=Recipe) as stream:
        next(stream)
        with pytest.raises(OutputError, match="not whole yet"):
            stream.snapshot.output  # noqa: B018
        stream.collect()
        assert stream.snapshot.output == COCOA


# Hosts without a mode for schemas.


def without_schemas(server, name):
    row = provider(name)
    quirks = row.quirks or wire(row.wire).quirks()
    return server.client(evolve(row, quirks=evolve(quirks, json_schema=False)), model="m-1")


@each
@each_way
def test_an_answer_by_a_tool(server, name, way):
    """The host is made to call one; to the caller, it is the text of the answer."""
    arguments = {"name": "Cocoa", "minutes": 5, "steps": [{"text": "Heat milk."}, {"text": "Stir.", "hard": True}]}
    server.reply(Reply([ToolCall("call_1", "final_answer", arguments)], usage=ONE))
    response = ask(without_schemas(server, name), way, output_type=Recipe)
    assert response.output == COCOA
    assert response.finish_reason.reason == "stop"
    assert response.tool_calls == ()
    assert isinstance(response.message.content[-1], Text)
    assert response.usage == ONE
    body = server.requests[0].json
    assert "final_answer" in str(body["tools"])
    assert "response_format" not in body
    assert "text" not in body
    assert "output_config" not in body


@each
def test_an_answer_by_a_tool_streams_as_text(server, name):
    server.reply([Thinking("Hm."), ToolCall("call_1", "final_answer", {"text": "a", "hard": True})])
    with without_schemas(server, name).stream("Go.", output_type=Step) as stream:
        events = list(stream)
        response = stream.collect()
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == response.text
    assert [event for event in events if isinstance(event, Text)] == [Text(response.text)]
    assert not any(isinstance(event, ToolCall) for event in events)
    assert response.output == Step("a", True)


@each
def test_words_beside_an_answer_by_a_tool(server, name):
    server.reply([Text("Here it is:"), ToolCall("call_1", "final_answer", {"text": "a"})])
    response = without_schemas(server, name).complete("Go.", output_type=Step)
    assert response.output == Step("a")
    assert response.text.startswith("Here it is:")


@each
@each_way
def test_other_tools_come_first(server, name, way):
    client = without_schemas(server, name)
    look = Tool("look")
    server.reply(ToolCall("call_1", "look", {}))
    response = ask(client, way, output_type=Step, tools=[look])
    assert response.finish_reason.reason == "tool_calls"
    assert [call.name for call in response.tool_calls] == ["look"]
    server.reply(ToolCall("call_2", "final_answer", {"text": "a"}))
    messages = [UserMessage("Go."), response.message, UserMessage(response.tool_calls[0].result("seen"))]
    assert ask(client, way, messages, output_type=Step, tools=[look]).output == Step("a")


def test_a_tool_of_that_name_is_the_callers(server):
    server.reply(ToolCall("call_1", "final_answer_0", {"text": "a"}))
    response = without_schemas(server, "openai-chat").complete("Go.", output_type=Step, tools=[Tool("final_answer")])
    assert response.output == Step("a")


def test_an_answer_in_words_all_the_same(server):
    """A host that cannot be made to call a tool."""
    server.reply('{"text": "a"}')
    assert without_schemas(server, "openai-chat").complete("Go.", output_type=Step).output == Step("a")


def test_a_host_that_has_neither(server):
    row = provider("perplexity")
    client = server.client(evolve(row, quirks=evolve(row.quirks, json_schema=False)))
    with pytest.raises(UnsupportedOptionError) as caught:
        client.complete("Go.", output_type=Step)
    assert caught.value.path == "output_type"
    assert not server.requests


# What is wrong before anything is sent.


def test_a_request_says_its_type(server):
    for _ in range(2):
        server.reply('{"text": "a"}')
    client = server.client("anthropic")
    assert client.complete(Request("Go.", output_type=Step)).output == Step("a")
    assert client.complete(Request("Go.", output_type=Step), output_type=Recipe).output == Step("a")


@frozen
class Odd:
    when: list[complex]


WRONG = {
    "a type that JSON has not": (Odd, r"output_type\.when"),
    "no type at all": (3, "output_type"),
    "a module": (pytest, "output_type"),
}


@pytest.mark.parametrize(("cls", "message"), WRONG.values(), ids=WRONG.keys())
def test_types_that_cannot_be(server, cls, message):
    with pytest.raises(ConfigurationError, match=message):
        server.client("anthropic").complete("Go.", output_type=cls)
    assert not server.requests


def test_long_answers_are_fitted_too(server):
    """Those that are streamed behind `complete`."""
    server.reply(COCOA_TEXT)
    response = server.client("anthropic").complete("Go.", output_type=Recipe, max_tokens=30_000)
    assert response.output == COCOA
    assert server.requests[0].json["stream"] is True
