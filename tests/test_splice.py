"""`llmkit.wire.splice` and what of `llmkit.json_codec` it stands on: JSON that is written before its body is."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_text, json_values

from llmkit import AssistantMessage, ConfigurationError, ToolCall, UserMessage
from llmkit.json_codec import Written, dump_body, dump_bytes, string_bytes
from llmkit.testing import FakeServer
from llmkit.wire.splice import HOLE, listed, shape

PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")


@settings(deadline=None)
@given(any_text, st.sampled_from([1, 5_000]))
def test_a_text_is_written_as_it_would_be_in_a_value(text, times):
    assert string_bytes(text * times) == dump_bytes(text * times)


@settings(deadline=None)
@given(st.lists(st.tuples(json_values(any_text), st.booleans()), max_size=6))
def test_items_that_are_json_already(pairs):
    values = [value for value, _ in pairs]
    items = listed([dump_bytes(value) if is_written else value for value, is_written in pairs])
    assert dump_body({"a": items, "b": [items]}) == dump_bytes({"a": values, "b": [values]})


def test_nothing_is_listed_as_nothing():
    assert (listed([]), dump_body({"a": listed([])})) == ([], b'{"a":[]}')


def test_a_shape_takes_json_for_its_holes():
    form = shape({"a": HOLE, "b": [{"c": HOLE}, 1]})
    assert form % (string_bytes('"%b"'), b"[1,2]") == rb'{"a":"\"%b\"","b":[{"c":[1,2]},1]}'


def test_what_cannot_be_written_is_named_by_its_place_among_all_items():
    items = listed([b"1", b"2", {"ok": 1}, b"3", {"x": math.nan}])
    with pytest.raises(ConfigurationError, match=r"^request\.a\[4\]\.x: "):
        dump_body({"a": items})


@pytest.mark.parametrize("value", [b"raw", Written], ids=["bytes", "a class"])
def test_only_what_is_written_is_taken_for_it(value):
    with pytest.raises(ConfigurationError, match=r"^request\.a: "):
        dump_body({"a": value})


# ---- on the wires ----------------------------------------------------------------------------------------------------

FAULTS = {
    "anthropic": "request.messages[3].content[2].input.x[1]: ",
    "openai": "arguments.x[1]: ",
    "openai-chat": "arguments.x[1]: ",
    "gemini": "request.contents[3].parts[2].functionCall.args.x[1]: ",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_arguments_that_cannot_be_written_are_named(name):
    bad = ToolCall("c2", "look", {"x": [1, math.nan]})
    calling = AssistantMessage(["Hm", ToolCall("c1", "look", {}), bad])
    prompt = [UserMessage("Hi"), AssistantMessage("Yes?"), UserMessage("Look"), calling, UserMessage("On")]
    with FakeServer() as server, pytest.raises(ConfigurationError) as caught:
        server.client(name, model="m").complete(prompt)
    assert str(caught.value).startswith(FAULTS[name])


ODD = (
    "%b %s %% %",
    'a "quoted" \\ text\n\t\x00\x1f\x7f',
    "\u2028é€😀",
    "9223372036854775807",
    '{"a": [1]}',
    "]}",
    "x" * 40_000,
)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_texts_arrive_as_they_are(name, text):
    call = ToolCall("call_1", "look", {"of": text, text[:40]: [text]})
    result = call.result(text if not text.startswith("{") else f"said: {text}")
    said = [UserMessage(text), AssistantMessage([text, call]), UserMessage(result), AssistantMessage(text)]
    with FakeServer() as server:
        server.client(name, model="m").complete([*said, UserMessage([text, text])])
        (asked,) = server.requests
    assert [part.text for part in asked.messages[-1].content if part.text] in ([text, text], [f"{text}\n\n{text}"])
    assert asked.messages[0].content[0].text == text
    assert asked.messages[1].content[0].text == text
    assert asked.messages[1].content[1].arguments == call.arguments
    assert asked.messages[2].content[0].text == result.text
    assert asked.messages[3].content[0].text == text


@pytest.mark.parametrize("name", PROVIDERS)
def test_halves_of_surrogate_pairs(name):
    with FakeServer() as server:
        server.client(name, model="m").complete([UserMessage("\ud83d and \ud83d\ude00")])
        (asked,) = server.requests
    assert asked.messages == [UserMessage("\ufffd and 😀")]


SAID = {
    "anthropic": ("messages", lambda role, text: {"role": role, "content": [{"type": "text", "text": text}]}),
    "openai": (
        "input",
        lambda role, text: {
            "type": "message",
            "role": role,
            "content": [
                {"type": "input_text", "text": text}
                if role == "user"
                else {"type": "output_text", "text": text, "annotations": []}
            ],
        },
    ),
    "openai-chat": ("messages", lambda role, text: {"role": role, "content": text}),
    "gemini": (
        "contents",
        lambda role, text: {"role": "model" if role == "assistant" else role, "parts": [{"text": text}]},
    ),
}


@pytest.mark.parametrize(("name", "told"), SAID.items(), ids=SAID.keys())
def test_messages_of_one_text_each(name, told):
    key, form = told
    said = [(UserMessage, AssistantMessage)[number % 2](f"message {number}") for number in range(9)]
    with FakeServer() as server:
        server.client(name, model="m").complete(said)
        (asked,) = server.requests
    assert json.loads(asked.body)[key] == [form(message.role, message.text) for message in said]


def test_what_one_side_says_at_once_is_one_turn_of_gemini():
    """Also where the first of it was a turn of its own before."""
    said = [UserMessage("a"), UserMessage(["b", "c"]), AssistantMessage("d"), AssistantMessage(" "), UserMessage("e")]
    with FakeServer() as server:
        server.client("gemini", model="m").complete([*said, UserMessage("f"), AssistantMessage("g"), UserMessage("h")])
        (asked,) = server.requests
    turns = [(turn["role"], [part["text"] for part in turn["parts"]]) for turn in json.loads(asked.body)["contents"]]
    assert turns == [
        ("user", ["a", "b", "c"]),
        ("model", ["d"]),
        ("user", ["e", "f"]),
        ("model", ["g"]),
        ("user", ["h"]),
    ]
