"""Answers as Python objects where it is hard: odd texts, odd types, hosts without a mode for schemas, asking again."""

import inspect
import json
import pickle
import sys
import time
from enum import Enum
from typing import Any, Literal, TypedDict

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from test_output import COCOA, COCOA_TEXT, ONE, TWO, Recipe, Step, ask, each, each_way, without_schemas

from llmkit import (
    AssistantMessage,
    BadRequestError,
    DeadlineError,
    FinishReason,
    OutputError,
    Refusal,
    Text,
    Thinking,
    Timeout,
    Tool,
    ToolCall,
    ToolCallDelta,
    UnsupportedWarning,
    UserMessage,
)
from llmkit.answer_tool import _Compact
from llmkit.output import output_form
from llmkit.provider import provider
from llmkit.testing import FakeServer, Reply, by_characters


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def first_line(error):
    text = str(error)
    assert text.splitlines() == [text], "one line says it all"
    return text


# Types.


class Colour(Enum):
    RED = "red"


@frozen
class Box:
    value: int


@frozen
class Lid:
    kind: str


@frozen
class Node:
    name: str
    kids: "list[Node]" = ()  # type: ignore[assignment]


class Place(TypedDict):
    city: str


# Type, JSON of a value, the value, whether it is put into an object.
ROOTS = {
    "a class whose only field is `value`": (Box, '{"value": 3}', Box(3), False),
    "a union with such a class": (Box | Lid, '{"value": 3}', Box(3), True),
    "such a class or None": (Box | None, '{"value": 3}', Box(3), True),
    "a dict or None": (dict[str, int] | None, '{"value": 3}', {"value": 3}, True),
    "a dict of anything": (dict[str, Any], '{"value": {"a": null}}', {"value": {"a": None}}, False),
    "anything": (Any, "[3]", [3], True),
    "a class that holds itself": (Node, '{"name": "a", "kids": [{"name": "b"}]}', Node("a", [Node("b")]), False),
    "a TypedDict": (Place, '{"city": "Oslo"}', {"city": "Oslo"}, False),
    "an enum": (Colour, '"red"', Colour.RED, True),
    "a literal": (Literal["a", 1], "1", 1, True),
    "None": (type(None), "null", None, True),
}


@each
@each_way
@pytest.mark.parametrize(("cls", "text", "expected", "wrapped"), ROOTS.values(), ids=ROOTS.keys())
def test_roots(server, name, way, cls, text, expected, wrapped):
    """What is no object is put into one; models that leave that out are understood, whatever it looks like."""
    for client in (server.client(name, model="m-1"), without_schemas(server, name)):
        for answer in (f'{{"value": {text}}}', text) if wrapped else (text,):
            server.reply(answer)
            response = ask(client, way, output_type=cls)
            assert response.output == expected
            assert type(response.output) is type(expected)
    assert output_form(cls).wrapped is wrapped
    assert output_form(cls).schema["type"] == "object"


def test_equal_unions_differ_by_their_order(server):
    """For Python `A | B` is `B | A`; what comes first is made of a list that could be either."""
    client = server.client("openai")
    for cls in (list[int] | tuple[int, ...], tuple[int, ...] | list[int]):
        server.reply('{"value": [1]}')
        output = client.complete("Go.", output_type=cls).output
        assert type(output) is cls.__args__[0].__origin__


# Texts.

FRAMES = {
    "a byte order mark": "\ufeff{}",
    "a fence on one line": "```json {} ```",
    "a fence of another spelling": "```JSON\r\n{}\r\n```",
    "a mark before a fence": "\ufeff\n```\n{}\n```\n",
    "a fence that does not end": None,
    "words in front": None,
    "words behind": None,
    "two of them": None,
}
REFUSED = {
    "a fence that does not end": "```json\n{}",
    "words in front": "Here it is: {}",
    "words behind": "{} Enjoy!",
    "two of them": "{}\n{}",
}


@each_way
@pytest.mark.parametrize("case", FRAMES)
def test_what_stands_around(server, way, case):
    server.reply((FRAMES[case] or REFUSED[case]).replace("{}", COCOA_TEXT))
    if case in REFUSED:
        with pytest.raises(OutputError, match="not JSON") as caught:
            ask(server.client("openai-chat"), way, output_type=Recipe)
        first_line(caught.value)
    else:
        assert ask(server.client("openai-chat"), way, output_type=Recipe).output == COCOA


HOSTILE = {
    "blanks without end in a fence": "```\n" + " " * 300_000 + "x",
    "fences without end": "```\n" + ("```" + " " * 100) * 3_000 + "x",
    "deep arrays": "[" * 100_000,
    "deep arrays that end": "[" * 5_000 + "]" * 5_000,
    "an endless number": "1" * 100_000,
    "a number beyond all": '{"text": 1e999}',
    "not a number": '{"text": NaN}',
    "half a pair, and a key too many": '{"text": "\\ud800", "\\udfff": 1}',
}


@each_way
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts(server, way, text):
    """They are told of, soon, in words that can be printed."""
    server.reply(text)
    began = time.monotonic()
    with pytest.raises(OutputError) as caught:
        ask(server.client("openai-chat"), way, output_type=Step)
    assert time.monotonic() - began < 10
    assert len(first_line(caught.value)) < 1_000
    assert caught.value.text == text
    pickle.loads(pickle.dumps(caught.value))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_looking_into_hostile_texts(text):
    began = time.monotonic()
    output_form(Node).partial(AssistantMessage(text))
    assert time.monotonic() - began < 10


def test_looking_into_deep_texts_from_deep_inside():
    def deeper(levels):
        if levels:
            return deeper(levels - 1)
        return output_form(list[Any]).partial(AssistantMessage('{"value": ' + "[" * 190))

    left = sys.getrecursionlimit() - len(inspect.stack())
    for levels in range(left - 400, left - 100, 10):
        assert isinstance(deeper(levels), list | None)


@frozen
class Sum:
    parts: "list[Sum | Product]"
    kind: Literal["sum"] = "sum"


@frozen
class Product:
    parts: "list[Sum | Product]"
    kind: Literal["product"] = "product"


def test_looking_into_classes_that_nothing_tells_apart_yet():
    """Each could be either, on every level: that must not double the work with each."""
    began = time.monotonic()
    assert output_form(Sum | Product).partial(AssistantMessage('{"value": ' + '{"parts": [' * 40)) is None
    assert time.monotonic() - began < 10


# The caller's own classes.


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


RAISED = {
    "no words": (ValueError(), "refuses it: ValueError;"),
    "no way to say it": (WordlessError(), "refuses it: WordlessError;"),
    "several lines": (ValueError("one\n  two; three"), "refuses it: one two; three;"),
    "what a validator looked at": (TypeError("must be odd", object(), int, 2), "refuses it: must be odd;"),
    "an error of ours": (BadRequestError("mine", status=400), "refuses it: mine;"),
    "a long story": (ValueError("x" * 10_000), "xxx…;"),
}


@each_way
@pytest.mark.parametrize(("raised", "message"), RAISED.values(), ids=RAISED.keys())
def test_constructors_that_raise(server, way, raised, message):
    @frozen
    class Picky:
        x: int

        def __attrs_post_init__(self):
            raise raised

    client = server.client("openai")
    server.reply('{"x": 1}')
    with pytest.raises(OutputError) as caught:
        ask(client, way, output_type=Picky)
    assert message in first_line(caught.value)
    assert (caught.value.path, caught.value.text) == ("$", '{"x": 1}')


def test_a_constructor_that_is_interrupted(server):
    """What is no `Exception` is nobody's to catch."""

    @frozen
    class Slow:
        x: int

        def __attrs_post_init__(self):
            raise KeyboardInterrupt

    server.reply('{"x": 1}')
    with pytest.raises(KeyboardInterrupt):
        server.client("openai").complete("Go.", output_type=Slow)


# How answers end, on each wire.

ENDINGS = {
    "anthropic": {
        "length": Reply(['{"te'], finish_reason=FinishReason("length")),
        "refusal": Reply(['{"te'], finish_reason=FinishReason("refusal")),
    },
    "openai": {
        "length": Reply(['{"te'], finish_reason=FinishReason("length")),
        "refusal": Reply([Refusal("No.")], finish_reason=FinishReason("refusal")),
        "content_filter": Reply(['{"te'], finish_reason=FinishReason("content_filter")),
    },
    "openai-chat": {
        "length": Reply(['{"te'], finish_reason=FinishReason("length")),
        "refusal": Reply([Refusal("No.")], finish_reason=FinishReason("refusal")),
        "content_filter": Reply(['{"te'], finish_reason=FinishReason("content_filter")),
        "error": Reply(['{"te'], finish_reason=FinishReason("error")),
    },
    "gemini": {
        "length": Reply(['{"te'], finish_reason=FinishReason("length")),
        "content_filter": Reply(['{"te'], finish_reason=FinishReason("content_filter")),
        "error": Reply(['{"te'], finish_reason=FinishReason("error")),
    },
}
ENDED = [(name, reason) for name, found in ENDINGS.items() for reason in found]


@each_way
@pytest.mark.parametrize(("name", "reason"), ENDED)
def test_endings_that_are_no_output(server, way, name, reason):
    client = server.client(name, model="m-1", api_key="key-of-the-caller")
    server.reply(evolve(ENDINGS[name][reason], usage=ONE))
    with pytest.raises(OutputError) as caught:
        ask(client, way, output_type=Step, output_retries=2)
    error = caught.value
    assert "output" in first_line(error)
    assert (error.path, error.text, error.attempts) == ("$", error.response.text, 1)
    assert (error.response.finish_reason.reason, error.response.usage) == (reason, ONE)
    assert len(server.requests) == 1, "this is nothing that telling the model what is wrong mends"
    assert error.retryable is (reason == "error")
    dumped = pickle.dumps(error)
    assert b"key-of-the-caller" not in dumped
    copy = pickle.loads(dumped)
    assert (str(copy), copy.response, copy.provider) == (str(error), error.response, name)


def test_a_pause_is_returned(server):
    server.reply(Reply(["Wait."], finish_reason=FinishReason("pause")))
    response = server.client("anthropic").complete("Go.", output_type=Step, output_retries=2)
    assert response.finish_reason.reason == "pause"
    with pytest.raises(OutputError, match="paused"):
        response.output  # noqa: B018


# Asking again.

TOLD = {
    "a value with a semicolon": ('{"text": ["a; b"]}', "$.text: expected str, got list ['a; b']."),
    "a key too many": ('{"text": "a", "x": 1}', "$.x: is unknown; known are text, hard."),
    "no JSON": ("Well; no", "not JSON"),
    "nothing": ([Thinking("Hm.")], "no text"),
}


@each
@pytest.mark.parametrize(("answer", "told"), TOLD.values(), ids=TOLD.keys())
def test_what_the_model_is_told(server, name, answer, told):
    """What is wrong, all of it, and nothing of this library's own options."""
    server.reply(answer)
    server.reply('{"text": "a"}')
    client = server.client(name, model="m-1")
    assert client.complete("Go.", output_type=Step, output_retries=1).output == Step("a")
    text = server.requests[1].messages[-1].text
    assert told in text
    assert "output_" not in text


@each
def test_an_error_of_asking_again(server, name):
    """It has the answer that was paid for, and counts all that was sent."""

    def answer(request):
        server.fault("too long")
        return Reply(["no"], usage=ONE)

    server.reply_with(answer)
    with pytest.raises(BadRequestError) as caught:
        server.client(name, model="m-1").complete("Go.", output_type=Step, output_retries=1)
    error = caught.value
    assert (error.attempts, error.partial.text, error.partial.usage) == (2, "no", ONE)
    assert pickle.loads(pickle.dumps(error)).partial == error.partial


def test_an_error_of_asking_again_for_a_long_answer(server):
    """What had come of the second answer is not worth more than the whole first; both were paid for."""

    def answer(request):
        if len(server.requests) == 1:
            server.fault("cut stream")
        return Reply(["no, not at all, never, and not for you"], usage=ONE)

    server.reply_with(answer)
    client = server.client("anthropic", max_retries=0)
    with pytest.raises(Exception, match="ended") as caught:
        client.complete("Go.", output_type=Step, output_retries=1, max_tokens=30_000)
    error = caught.value
    assert (error.attempts, error.partial.text) == (2, "no, not at all, never, and not for you")
    assert error.partial.usage.input_tokens >= 2 * ONE.input_tokens


def test_total_is_of_all_askings(server):
    """Each is soon answered; together they take too long."""

    def answer(request):
        time.sleep(0.25)
        return Reply(["no"], usage=ONE)

    server.reply_with(answer)
    began = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        server.client("anthropic").complete("Go.", output_type=Step, output_retries=100, timeout=Timeout(total=1))
    assert 1 <= time.monotonic() - began < 10
    assert caught.value.which == "total"
    assert caught.value.partial.text == "no"


def test_first_is_of_each_asking(server):
    def answer(request):
        time.sleep(0.6)
        return '{"text": "a"}' if len(server.requests) == 3 else "no"

    server.reply_with(answer)
    client = server.client("anthropic").with_options(output_retries=2)
    patience = Timeout(first=1.5, total=None)
    assert client.complete("Go.", output_type=Step, timeout=patience).output == Step("a")


# While it streams.


def test_partial_output_in_every_state(server):
    client = server.client("openai", model="m-1")
    server.reply(COCOA_TEXT)
    stream = client.stream("Go.", output_type=Recipe)
    next(stream)
    stream.close()
    assert isinstance(stream.partial_output(), Recipe | None), "closed"

    server.chunking = by_characters
    server.reply(COCOA_TEXT)
    server.fault("cut stream", after=60)
    with client.stream("Go.", output_type=Recipe) as stream, pytest.raises(Exception, match="ended"):
        stream.collect()
    assert stream.partial_output().name == "Cocoa", "cut"

    for ending in ENDINGS["openai"].values():
        server.reply(ending)
        with client.stream("Go.", output_type=Step) as stream:
            list(stream)
            assert stream.partial_output() in (Step(None), None), ending.finish_reason
            with pytest.raises(OutputError):
                stream.collect()
            assert stream.partial_output() in (Step(None), None)


def test_partial_output_behind_words(server):
    """As the output is read of it, too."""
    server.reply([Text("Here it is:"), Text('{"text": "a"}')])
    with server.client("anthropic").stream("Go.", output_type=Step) as stream:
        seen = [stream.partial_output() for _ in stream]
    assert seen[-1] == Step("a")


@pytest.mark.parametrize("frame", ["{}", "```json\n{}\n```", "\ufeff{}", "``` {} ```"])
def test_a_partial_output_only_grows(frame):
    """Whatever the text is in; and blanks at its end are part of it."""
    form, text = output_form(Step), frame.replace("{}", '{"text": "a b"}')
    seen = [form.partial(AssistantMessage(text[:end])) for end in range(1, len(text) + 1)]
    texts = [found.text for found in seen if found is not None and found.text is not None]
    assert list(dict.fromkeys(texts)) == ["", "a", "a ", "a b"]
    assert texts == sorted(texts)


# Hosts without a mode for schemas.

ANSWERS = {
    "one": [ToolCall("call_1", "final_answer", {"text": "a", "hard": True})],
    "two": [ToolCall("call_1", "final_answer", {"text": "b"}), ToolCall("call_2", "final_answer", {"text": "a"})],
    "behind thoughts": [Thinking("Hm.", "c2ln"), ToolCall("call_1", "final_answer", {"text": "a"})],
    "another tool's, too": [
        ToolCall("call_1", "final_answer", {"text": "a"}),
        ToolCall("call_2", "look", {"at": [1, {}]}),
        ToolCall("call_3", "look", {}),
    ],
    "no object": [ToolCall("call_1", "final_answer", {}, raw='[ "a" ]')],
    "no JSON": [ToolCall("call_1", "final_answer", {}, raw='Sure, I say: { "text" : "a ')],
    "nothing": [ToolCall("call_1", "final_answer", {})],
}
ANSWERED = [(name, case) for name in ENDINGS for case in ANSWERS if name != "gemini" or not case.startswith("no ")]


@pytest.mark.parametrize(("name", "case"), ANSWERED)
def test_answers_by_a_tool_whole_and_streamed(server, name, case):
    """The same message either way, of which the deltas are the text; and the conversation goes on."""
    client, tools = without_schemas(server, name), [Tool("look")]
    server.reply(ANSWERS[case])
    try:
        whole = client.complete("Go.", output_type=Step, tools=tools)
    except OutputError as error:
        whole = error.response
    server.reply(ANSWERS[case])
    with client.stream("Go.", output_type=Step, tools=tools) as stream:
        events = list(stream)
        streamed = stream.snapshot
    calls = [part for part in ANSWERS[case] if part.name == "look"] if case.startswith("another") else []
    assert streamed.message == whole.message
    assert streamed.finish_reason == whole.finish_reason
    assert "".join(getattr(event, "text", "") for event in events if type(event).__name__ == "TextDelta") == whole.text
    assert [(call.name, call.arguments) for call in whole.tool_calls] == [(c.name, c.arguments) for c in calls]
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    assert {delta.index for delta in deltas} == set(range(len(calls))), "counted as if there were no others"
    if case in ("one", "two", "behind thoughts"):
        assert whole.output.text == streamed.output.text == "a"
    results = [call.result("seen") for call in whole.tool_calls]
    server.reply("Bye.")
    history = [UserMessage("Go."), whole.message, UserMessage([*results, "And now?"])]
    assert client.complete(history, tools=tools).text == "Bye."


@each_way
def test_an_answer_by_a_tool_that_is_cut(server, way):
    server.reply(Reply([ToolCall("call_1", "final_answer", {}, raw='{"te')], finish_reason=FinishReason("length")))
    with pytest.raises(OutputError, match="cut off") as caught:
        ask(without_schemas(server, "openai-chat"), way, output_type=Step, output_retries=2)
    assert caught.value.text == '{"te'
    assert len(server.requests) == 1


def test_asking_again_by_a_tool(server):
    server.reply(Reply([ToolCall("call_1", "final_answer", {"hard": True})], usage=ONE))
    server.reply(Reply([ToolCall("call_2", "final_answer", {"text": "a"})], usage=TWO))
    response = without_schemas(server, "anthropic").complete("Go.", output_type=Step, output_retries=1)
    assert (response.output, response.usage, response.tool_calls) == (Step("a"), ONE + TWO, ())
    assert "$.text: is missing" in server.requests[1].messages[-1].text


def test_rounds_of_a_chat_by_a_tool(server):
    server.reply(ToolCall("call_1", "look", {}))
    server.reply(ToolCall("call_2", "final_answer", {"text": "a"}))
    chat = without_schemas(server, "anthropic").chat(tools=[Tool("look", function=lambda: "seen")])
    response = chat.send("Go.", output_type=Step)
    assert response.output == Step("a")
    assert len(response.rounds) == 2
    server.reply("Bye.")
    assert chat.send("And now?").text == "Bye."


# Options of the caller, whether a tool may be forced → what is sent as `tool_choice` and how many tools.
CHOICES: dict[str, Any] = {
    "nothing": ({}, "final_answer", 1),
    "thoughts": ({"reasoning": "low"}, None, 1),
    "no thoughts": ({"reasoning": "none"}, "final_answer", 1),
    "tools": ({"tools": [Tool("look")]}, "required", 2),
    "tools, if it likes": ({"tools": [Tool("look")], "tool_choice": "auto"}, "required", 2),
    "tools, not to be called": ({"tools": [Tool("look")], "tool_choice": "none"}, "final_answer", 1),
    "thoughts, and tools not to be called": (
        {"tools": [Tool("look")], "tool_choice": "none", "reasoning": "low"},
        None,
        1,
    ),
    "a tool first": ({"tools": [Tool("look")], "tool_choice": "look"}, "look", 2),
}


def told(body):
    choice = body.get("tool_choice")
    return (choice["function"]["name"] if isinstance(choice, dict) else choice), len(body["tools"])


@pytest.mark.parametrize(("options", "choice", "tools"), CHOICES.values(), ids=CHOICES.keys())
def test_who_is_made_to_call(server, options, choice, tools):
    server.reply(ToolCall("call_1", "final_answer", {"text": "a"}))
    without_schemas(server, "openai-chat").complete("Go.", output_type=Step, **options)
    assert told(server.requests[0].json) == (choice, tools)


# Hosts that refuse it: https://api-docs.deepseek.com/guides/thinking_mode,
# https://docs.z.ai/api-reference/llm/chat-completion
UNFORCED = {
    "zai": ("glm-5", None),
    "deepseek": ("deepseek-v4-flash", None),
    "deepseek that does not think": ("deepseek-chat", "final_answer"),
}


@pytest.mark.parametrize(("model", "choice"), UNFORCED.values(), ids=UNFORCED.keys())
def test_models_that_cannot_be_made_to_call(server, model, choice):
    server.reply(ToolCall("call_1", "final_answer", {"text": "a"}))
    client = server.client("zai" if model.startswith("glm") else "deepseek", model=model)
    assert client.complete("Go.", output_type=Step).output == Step("a")
    assert told(server.requests[0].json) == (choice, 1)


# https://github.com/googleapis/python-genai/issues/867
@pytest.mark.parametrize(("model", "by_tool"), [("gemini-2.5-flash", True), ("gemini-3.6-flash", False)])
def test_models_that_take_a_schema_or_tools(server, model, by_tool):
    answer = {"text": "a"}
    client = server.client("gemini", model=model)
    for tools in ([Tool("look")], []):
        called = by_tool and bool(tools)
        server.reply(ToolCall("call_1", "final_answer", answer) if called else json.dumps(answer))
        assert client.complete("Go.", output_type=Step, tools=tools).output == Step("a")
        assert ("responseJsonSchema" in server.requests[-1].json.get("generationConfig", {})) is not called


def test_a_host_that_takes_no_choice(server):
    """Where nobody can be made to call, nobody is, rather than that an option that nobody gave is refused."""
    row = provider("ollama")
    client = server.client(evolve(row, quirks=evolve(row.quirks, json_schema=False)), model="m-1")
    server.reply(ToolCall("call_1", "final_answer", {"text": "a"}))
    assert client.complete("Go.", output_type=Step).output == Step("a")
    assert "tool_choice" not in server.requests[0].json


def test_a_host_that_has_neither_may_be_asked_all_the_same(server):
    row = provider("perplexity")
    client = server.client(evolve(row, quirks=evolve(row.quirks, json_schema=False)), unsupported="warn")
    server.reply('{"text": "a"}')
    with pytest.warns(UnsupportedWarning, match="output_type"):
        response = client.complete("Go.", output_type=Step)
    assert response.output == Step("a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.integers(1, 9), st.sampled_from([None, 1, "\t"]))
def test_blanks_between_are_left_out(value, size, indent):
    """However the text is cut, and of what is in strings nothing."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    compact = _Compact()
    found = "".join(compact.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert found == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
