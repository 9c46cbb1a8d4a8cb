"""`llmkit.wire.splice` and what of `llmkit.json_codec` it stands on: JSON that is written before its body is."""

import json
import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_text, json_values

from llmkit import (
    AssistantMessage,
    Citation,
    Client,
    ConfigurationError,
    Image,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.json_codec import Written, dump_body, dump_bytes, string_bytes
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer
from llmkit.wire.gemini_generate.turns import UNSIGNED
from llmkit.wire.splice import HOLE, joined, listed, shape

PICTURE = Image(png(bytes(3 * 4 * 4), 4, 4, 3))
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
    assert (
        joined([dump_bytes(value) if is_written else value for value, is_written in pairs]) == dump_bytes(values)[1:-1]
    )
    assert dump_body({"a": items, "b": [items]}) == dump_bytes({"a": values, "b": [values]})


def test_nothing_is_listed_as_nothing():
    assert (listed([]), dump_body({"a": listed([])})) == ([], b'{"a":[]}')


def test_a_shape_is_what_stands_around_its_holes():
    assert shape({"a": HOLE, "b": [{"c": HOLE}, "%b"]}) == (b'{"a":', b',"b":[{"c":', b'},"%b"]}')


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


# ---- what stands beside what is written at once ----------------------------------------------------------------------


def body_of(name, prompt, model="m", **options):
    """What is sent for `prompt`."""
    with FakeServer() as server, warnings.catch_warnings(action="ignore"):
        server.client(name, model=model, unsupported="warn").complete(prompt, **options)
        return json.loads(server.requests[-1].body)


ASKED = [UserMessage("Hi"), AssistantMessage(["Hm", ToolCall("c1", "look", {})])]
LAST = {
    "a text": ([UserMessage("Hi")], {"role": "user"}),
    "a result": ([*ASKED, UserMessage(ToolResult("c1", "look", "it"))], {"role": "tool", "tool_call_id": "c1"}),
}


@pytest.mark.parametrize(("prompt", "expected"), LAST.values(), ids=LAST.keys())
def test_the_last_message_of_chat_takes_the_mark_of_a_cache(prompt, expected):
    with FakeServer() as server:
        client = Client("openrouter", api_key="k", base_url=f"{server.url}/v1", model="a/m")
        client.complete(prompt, cache="5m")
        last = json.loads(server.requests[-1].body)["messages"][-1]
    assert expected.items() <= last.items()
    assert last["content"][-1]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}


def test_a_turn_of_gemini_3_is_signed_also_where_its_call_is_written_at_once():
    turns = body_of("gemini", [*ASKED, UserMessage(ToolResult("c1", "look", "it"))], model="gemini-3-pro")["contents"]
    call = {"id": "c1", "name": "look", "args": {}}
    assert turns[1]["parts"] == [{"text": "Hm"}, {"functionCall": call, "thoughtSignature": UNSIGNED}]


def test_calls_of_custom_tools_are_answered_as_such():
    custom = ToolCall("c2", "run", {"input": "ls"}, extra={"openai-responses": {"type": "custom_tool_call"}})
    said = [*ASKED, UserMessage(ToolResult("c1", "look", "it")), AssistantMessage([custom])]
    items = body_of("openai", [*said, UserMessage(ToolResult("c2", "run", "files"))])["input"]
    assert [item["type"] for item in items][-3:] == [
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
    ]


MIXED = [UserMessage("Hi"), AssistantMessage(["a", Text("b", cache="5m"), "c"]), UserMessage([PICTURE, "d"])]


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_rarer_stands_in_its_place(name):
    with FakeServer() as server:
        server.client(name, model="m").complete(MIXED)
        (asked,) = server.requests
    assert asked.messages[0].text == "Hi"
    assert asked.messages[1].text == "abc"
    assert [type(part) for part in asked.messages[2].content] == [Image, Text]
    assert asked.messages[2].content[0].data == PICTURE.data


class Developer(SystemMessage):
    """What OpenAI calls instructions now."""

    role = "developer"


@pytest.mark.parametrize("name", ["openai", "openai-chat"])
def test_a_role_that_is_not_known_is_sent(name):
    body = body_of(name, [UserMessage("Hi"), Developer("Be brief"), UserMessage("On")])
    assert "developer" in [message["role"] for message in body.get("messages") or body["input"]]


def test_a_citation_that_cannot_be_written_is_named_by_its_path():
    cited = Text("t", [Citation(raw={"type": "url_citation", "x": math.nan})])
    with pytest.raises(ConfigurationError, match=r"^request\.input\[1\]\.content\[1\]\.annotations\[0\]\.x: "):
        body_of("openai", [UserMessage("Hi"), AssistantMessage(["said", cited])])


@pytest.mark.parametrize(
    "make",
    [lambda: ToolCall("c", "f", {}, b"raw"), lambda: ToolCall("c", "f", {}, 5), lambda: ToolResult("c", 5, "r")],
    ids=["raw bytes", "a raw number", "a name that is none"],
)
def test_what_is_no_text_is_refused_when_it_is_made(make):
    with pytest.raises(ConfigurationError, match=r"Tool(Call|Result)\.(raw|name)"):
        make()
