"""`llmkit.history` alone: message dicts of both shapes, as typed messages."""

import base64
import copy
import json
import time
from collections import UserDict, UserList
from math import nan
from types import MappingProxyType

import pytest

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.errors import MediaError
from llmkit.history import typed
from llmkit.history.nodes import DEPTH
from llmkit.media.png import encode

PNG = encode(b"\0", 1, 1, 1)
WAV = b"RIFF\x24\0\0\0WAVEfmt "
PDF = b"%PDF-1.7\n%\xe2\xe3\n"
ODD = b"\xfe\x00\x80odd"


def b64(data):
    return base64.b64encode(data).decode()


def uri(media_type, data):
    return f"data:{media_type};base64,{b64(data)}"


EPHEMERAL = {"type": "ephemeral"}
MARK = {"prompt_cache_breakpoint": {"mode": "x"}}

# ---- parts of a user's message ---------------------------------------------------------------------------------------

CHAT_PARTS = {
    "text": ({"type": "text", "text": "hi"}, Text("hi"), {}),
    "text to be cached": ({"type": "text", "text": "hi", "cache_control": EPHEMERAL}, Text("hi", cache="5m"), {}),
    "text cached by OpenAI": ({"type": "text", "text": "hi", **MARK}, Text("hi"), {"openai-chat": MARK}),
    "picture's address": (
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        Image(url="https://x.test/a.png", media_type="image/png", detail="low"),
        {},
    ),
    "picture without a detail": (
        {"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": None}, **MARK},
        Image(url="https://x.test/a"),
        {"openai-chat": MARK},
    ),
    "picture as bare text": ({"type": "image_url", "image_url": "https://x.test/a"}, Image(url="https://x.test/a"), {}),
    "picture in a data URI": (
        {"type": "image_url", "image_url": {"url": uri("image/png", PNG)}, "cache_control": {**EPHEMERAL, "ttl": "1h"}},
        Image(PNG, cache="1h"),
        {},
    ),
    "picture that is percent-encoded": (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
        Image(b"<svg/>"),
        {},
    ),
    "address of a host's own": (
        {"type": "image_url", "image_url": {"url": "gs://bucket/a"}},
        Image(url="gs://bucket/a"),
        {},
    ),
    "film": ({"type": "video_url", "video_url": {"url": "https://x.test/a"}}, Video(url="https://x.test/a"), {}),
    "sound's address": (
        {"type": "audio_url", "audio_url": {"url": "https://x.test/a"}},
        Audio(url="https://x.test/a"),
        {},
    ),
    "document's address": (
        {"type": "document_url", "document_url": "https://x.test/a"},
        Document(url="https://x.test/a"),
        {},
    ),
    "file's address": (
        {"type": "file_url", "file_url": {"url": "https://x.test/a"}},
        Document(url="https://x.test/a"),
        {},
    ),
    "sound": (
        {"type": "input_audio", "input_audio": {"data": b64(WAV), "format": "wav"}, "cache_control": EPHEMERAL},
        Audio(WAV, cache="5m"),
        {},
    ),
    "mp3": (
        {"type": "input_audio", "input_audio": {"data": b64(b"ID3\x04\0\0\0\0\0\0"), "format": "MP3"}},
        Audio(b"ID3\x04\0\0\0\0\0\0", media_type="audio/mpeg"),
        {},
    ),
    "samples": (
        {"type": "input_audio", "input_audio": {"data": uri("audio/pcm", ODD), "format": "pcm16"}},
        Audio(ODD, media_type="audio/pcm"),
        {},
    ),
    "file": (
        {"type": "file", "file": {"file_data": uri("application/pdf", PDF), "filename": "a.pdf"}},
        Document(PDF, name="a.pdf"),
        {},
    ),
    "file in bare base64": ({"type": "file", "file": {"file_data": b64(PDF), "file_id": None}}, Document(PDF), {}),
    "file that is a picture": (
        {"type": "file", "file": {"file_data": b64(PNG)}, **MARK},
        Image(PNG),
        {"openai-chat": MARK},
    ),
    "file elsewhere": (
        {"type": "file", "file": {"file_data": "https://x.test/a"}, "cache_control": EPHEMERAL},
        Document(url="https://x.test/a", cache="5m"),
        {},
    ),
    "file's id": (
        {"type": "file", "file": {"file_id": "file-1", "filename": "a"}},
        Document(file_id="file-1", name="a"),
        {"openai-chat": {}, "openai-responses": {}},
    ),
}
ANTHROPIC_PARTS = {
    "picture": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
        Image(PNG),
        {},
    ),
    "picture's address": (
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}, "cache_control": EPHEMERAL},
        Image(url="https://x.test/a", cache="5m"),
        {},
    ),
    "picture's id": (
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        Image(file_id="f"),
        {"anthropic-messages": {}},
    ),
    "PDF": (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            "title": "a",
            "context": "old",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        Document(PDF, name="a", context="old", citations=True, cache="1h"),
        {},
    ),
    "text document": (
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
            "citations": None,
        },
        Document("Grüße".encode()),
        {},
    ),
    "text document that says no type": (
        {"type": "document", "source": {"type": "text", "data": "{}\ud800"}, "citations": {"enabled": False}},
        Document("{}�".encode(), media_type="text/plain"),
        {},
    ),
    "document's address": (
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a"}, "citations": {}},
        Document(url="https://x.test/a"),
        {},
    ),
    "document's id": (
        {"type": "document", "source": {"type": "file", "file_id": "f"}},
        Document(file_id="f"),
        {"anthropic-messages": {}},
    ),
    "result": (
        {"type": "tool_result", "tool_use_id": "t", "content": "42", "is_error": True, "cache_control": EPHEMERAL},
        ToolResult("t", "", "42", True, "5m"),
        {},
    ),
    "result that is empty": ({"type": "tool_result", "tool_use_id": "t", "content": None}, ToolResult("t"), {}),
    "result with more": (
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
                {"type": "search_result", "source": "s", "title": "t", "content": []},
            ],
            "future": 1,
        },
        ToolResult(
            "t",
            "",
            [
                "see",
                Image(PNG),
                Opaque("anthropic-messages", {"type": "search_result", "source": "s", "title": "t", "content": []}),
            ],
        ),
        {"anthropic-messages": {"future": 1}},
    ),
}
BLOCKS_AS_THEY_ARE = [
    {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]},
    {"type": "container_upload", "file_id": "f"},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"encrypted_content": "x", "page_age": None}]},
    {"type": "document", "source": {"type": "content", "content": "x"}, "title": "t"},
    {"type": "of the future", "a": [1, {"b": [None, True, 1.5]}]},
]


@pytest.mark.parametrize(("block", "expected", "extra"), CHAT_PARTS.values(), ids=CHAT_PARTS.keys())
def test_parts_of_the_chat_shape(block, expected, extra):
    (message,) = typed([{"role": "user", "content": [block]}])
    assert message == UserMessage([expected])
    assert message.content[0].extra == extra


@pytest.mark.parametrize(("block", "expected", "extra"), ANTHROPIC_PARTS.values(), ids=ANTHROPIC_PARTS.keys())
def test_parts_of_anthropics_shape(block, expected, extra):
    (message,) = typed([{"role": "user", "content": [block]}])
    assert message == UserMessage([expected])
    assert message.content[0].extra == extra


@pytest.mark.parametrize("block", BLOCKS_AS_THEY_ARE, ids=lambda block: block["type"])
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_other_blocks_are_kept_as_they_are(role, block):
    (message,) = typed([{"role": role, "content": [block]}])
    assert message.content == (Opaque("anthropic-messages", block),)


# ---- parts of an assistant's message ---------------------------------------------------------------------------------

SPOKEN = {
    "thinking": (
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        Thinking("hm", "s", wire="anthropic-messages"),
        {},
    ),
    "thinking with more": (
        {"type": "thinking", "thinking": "hm", "future": {"a": 1}},
        Thinking("hm", wire="anthropic-messages"),
        {"anthropic-messages": {"future": {"a": 1}}},
    ),
    "redacted": (
        {"type": "redacted_thinking", "data": "x"},
        Thinking("", redacted="x", wire="anthropic-messages"),
        {},
    ),
    "Mistral's thinking": (
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "closed": True,
        },
        Thinking("ab", wire="openai-chat"),
        {"openai-chat": {"field": "content"}},
    ),
    "refusal": ({"type": "refusal", "refusal": "no"}, Refusal("no"), {}),
    "call": (
        {"type": "tool_use", "id": "t", "name": "look", "input": {"at": [1]}, "cache_control": EPHEMERAL},
        ToolCall("t", "look", {"at": [1]}, cache="5m"),
        {},
    ),
    "call with its caller": (
        {"type": "tool_use", "id": "t", "name": "look", "input": {}, "caller": {"type": "direct"}},
        ToolCall("t", "look"),
        {"anthropic-messages": {"caller": {"type": "direct"}}},
    ),
    "call with text for input": (
        {"type": "tool_use", "id": "t", "name": "look", "input": '{"a": 1}'},
        ToolCall("t", "look", {"a": 1}),
        {},
    ),
}


@pytest.mark.parametrize(("block", "expected", "extra"), SPOKEN.values(), ids=SPOKEN.keys())
def test_parts_that_a_model_writes(block, expected, extra):
    (message,) = typed([{"role": "assistant", "content": [block]}])
    assert message == AssistantMessage([expected])
    assert message.content[0].extra == extra


CITED = {
    "page": (
        {
            "type": "web_search_result_location",
            "cited_text": "q",
            "url": "https://x",
            "title": "t",
            "encrypted_index": "e",
        },
        Citation("q", "https://x", "t"),
    ),
    "characters": (
        {
            "type": "char_location",
            "cited_text": "q",
            "document_index": 0,
            "document_title": "t",
            "start_char_index": 0,
            "end_char_index": 9,
            "file_id": None,
        },
        Citation("q", None, "t", 0, 0, 9, "character"),
    ),
    "pages": (
        {"type": "page_location", "document_index": 1, "start_page_number": 2, "end_page_number": 3},
        Citation("", None, None, 1, 2, 3, "page"),
    ),
    "search result": (
        {"type": "search_result_location", "source": "s", "search_result_index": 2, "start_block_index": 0},
        Citation("", "s", None, 2, 0, None, "block"),
    ),
    "of the future": ({"type": "other", "x": [1]}, Citation()),
}
ANNOTATIONS = {
    "nested": (
        {"type": "url_citation", "url_citation": {"url": "https://x", "title": "t", "start_index": 1, "end_index": 2}},
        Citation(url="https://x", title="t"),
    ),
    "flat": ({"url": "https://x"}, Citation(url="https://x")),
}


@pytest.mark.parametrize(("raw", "expected"), CITED.values(), ids=CITED.keys())
def test_citations(raw, expected):
    (message,) = typed([{"role": "assistant", "content": [{"type": "text", "text": "a", "citations": [raw]}]}])
    assert message == AssistantMessage(Text("a", [expected]))
    assert message.content[0].citations[0].raw == raw


@pytest.mark.parametrize(("raw", "expected"), ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_annotations(raw, expected):
    """They stand in the part of the text, or beside the content, and then belong to its last text."""
    within = [{"type": "text", "text": "a", "annotations": [raw]}]
    (message,) = typed([{"role": "assistant", "content": within}])
    assert message == AssistantMessage(Text("a", [expected]))
    assert message.content[0].citations[0].raw == raw
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    (message,) = typed([{"role": "assistant", "content": [*within, call], "annotations": [raw]}])
    assert message == AssistantMessage([Text("a", [expected, expected]), ToolCall("t", "n")])


# ---- messages --------------------------------------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
OTHER = {"id": "c2", "type": "function", "function": {"name": "hear", "arguments": ""}}
LOOK, HEAR = ToolCall("c1", "look", {"at": "x"}), ToolCall("c2", "hear")

MESSAGES = {
    "system": ({"role": "system", "content": "be brief"}, SystemMessage("be brief")),
    "developer": ({"role": "developer", "content": [{"type": "text", "text": "be"}]}, SystemMessage("be")),
    "user": ({"role": "user", "content": "hi", "name": None}, UserMessage("hi")),
    "nothing said": ({"role": "user", "content": ""}, UserMessage("")),
    "text among blocks": ({"role": "user", "content": ["a", {"type": "text", "text": "b"}]}, UserMessage(["a", "b"])),
    "typed parts in a dict": ({"role": "user", "content": ["a", Image(PNG)]}, UserMessage(["a", Image(PNG)])),
    "one typed part in a dict": ({"role": "user", "content": Image(PNG)}, UserMessage(Image(PNG))),
    "no blocks": ({"role": "user", "content": []}, UserMessage([])),
    "other mappings": (
        MappingProxyType({"role": "user", "content": UserList([UserDict(type="text", text="a")])}),
        UserMessage("a"),
    ),
    "cached as a whole": (
        {"role": "user", "content": ["a", "b"], "cache_control": EPHEMERAL},
        UserMessage(["a", Text("b", cache="5m")]),
    ),
    "assistant": ({"role": "assistant", "content": "hi"}, AssistantMessage("hi")),
    "calls": ({"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]}, AssistantMessage([LOOK, HEAR])),
    "calls and no content": ({"role": "assistant", "tool_calls": [CALL]}, AssistantMessage(LOOK)),
    "calls and empty content": ({"role": "assistant", "content": "", "tool_calls": [CALL]}, AssistantMessage(LOOK)),
    "calls after text": ({"role": "assistant", "content": "so", "tool_calls": [CALL]}, AssistantMessage(["so", LOOK])),
    "cached call": (
        {"role": "assistant", "tool_calls": [OTHER], "cache_control": EPHEMERAL},
        AssistantMessage(ToolCall("c2", "hear", cache="5m")),
    ),
    "refusal": ({"role": "assistant", "content": None, "refusal": "no"}, AssistantMessage(Refusal("no"))),
    "thoughts beside the content": (
        {"role": "assistant", "content": "a", "reasoning_content": "hm"},
        AssistantMessage([Thinking("hm", wire="openai-chat"), "a"]),
    ),
    "thoughts under another name": (
        {"role": "assistant", "content": "a", "reasoning": "hm"},
        AssistantMessage([Thinking("hm", wire="openai-chat"), "a"]),
    ),
    "sound's id": (
        {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
        AssistantMessage(Audio(file_id="audio_1")),
    ),
    "sound": (
        {"role": "assistant", "audio": {"id": "a", "data": b64(WAV), "transcript": "hi", "expires_at": 1}},
        AssistantMessage(Audio(WAV, transcript="hi")),
    ),
    "samples": (
        {"role": "assistant", "audio": {"data": b64(ODD)}},
        AssistantMessage(Audio(ODD, media_type="audio/pcm")),
    ),
    "as OpenAI's client dumps it": (
        {
            "role": "assistant", "content": "a", "refusal": None, "annotations": [], "audio": None,
            "function_call": None, "tool_calls": None, "parsed": None,
        },
        AssistantMessage("a"),
    ),
    "as Anthropic's client dumps it": (
        {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "stop_sequence": None, "usage": {"input_tokens": 1}, "container": None,
            "content": [{"type": "text", "text": "a", "citations": None}],
        },
        AssistantMessage("a"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages(message, expected):
    assert typed([message]) == [expected]


EXTRAS = {
    "thoughts beside the content": (
        {"role": "assistant", "content": "a", "reasoning_content": "hm"},
        {"openai-chat": {"field": "reasoning_content"}},
    ),
    "thoughts under another name": (
        {"role": "assistant", "content": "a", "reasoning": "hm"},
        {"openai-chat": {"field": "reasoning"}},
    ),
    "thoughts in detail": (
        {"role": "assistant", "content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "x"}]},
        {"openai-chat": {"reasoning_details": [{"type": "reasoning.text", "text": "x"}]}},
    ),
    "a host's own seal": (
        {"role": "assistant", "tool_calls": [{**CALL, "index": 0, "extra_content": {"google": {"s": 1}}}]},
        {"openai-chat": {"extra_content": {"google": {"s": 1}}}},
    ),
    "free text": (
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "n", "input": "x"}}]},
        {"openai-chat": {"type": "custom"}},
    ),
    "sound": ({"role": "assistant", "audio": {"id": "a", "data": b64(WAV)}}, {"openai-chat": {"id": "a"}}),
}


@pytest.mark.parametrize(("message", "expected"), EXTRAS.values(), ids=EXTRAS.keys())
def test_what_the_wire_sees_again(message, expected):
    assert typed([message])[0].content[0].extra == expected


def test_a_call_with_free_text():
    (message,) = typed([EXTRAS["free text"][0]])
    assert message == AssistantMessage(ToolCall("c", "n", {"input": "x"}))


ARGUMENTS = {
    "object": ('{"a": 1}', {"a": 1}, None),
    "dict": ({"a": [1]}, {"a": [1]}, None),
    "empty": ("", {}, None),
    "null": (None, {}, None),
    "list": ("[1]", {}, "[1]"),
    "cut": ('{"a": ', {}, '{"a": '),
    "not a number": ('{"a": NaN}', {}, '{"a": NaN}'),
    "nested": ("[" * 100_000, {}, "[" * 100_000),
}


@pytest.mark.parametrize(("arguments", "expected", "raw"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(arguments, expected, raw):
    call = {"id": "c", "function": {"name": "n", "arguments": arguments}}
    part = typed([{"role": "assistant", "tool_calls": [call]}])[0].content[0]
    assert (part.arguments, part.raw) == (expected, raw)


# ---- results ---------------------------------------------------------------------------------------------------------

ASKED = {"role": "assistant", "tool_calls": [CALL, OTHER]}


def test_adjacent_results_are_one_turn():
    messages = [
        {"role": "user", "content": "?"},
        ASKED,
        {"role": "tool", "tool_call_id": "c1", "content": "a"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "b"}], "cache_control": EPHEMERAL},
        {"role": "user", "content": "so?"},
        {"role": "tool", "tool_call_id": "gone", "content": "c"},
        {"role": "tool", "tool_call_id": "c1", "name": "mine", "content": "d"},
    ]
    assert typed(messages) == [
        UserMessage("?"),
        AssistantMessage([LOOK, HEAR]),
        UserMessage([ToolResult("c1", "look", "a"), ToolResult("c2", "hear", [Text("b", cache="5m")])]),
        UserMessage("so?"),
        UserMessage([ToolResult("gone", "", "c"), ToolResult("c1", "mine", "d")]),
    ]


def test_results_among_typed_messages():
    call, answer = AssistantMessage(LOOK), UserMessage(ToolResult("c1"))
    found = typed([UserMessage("?"), call, {"role": "tool", "tool_call_id": "c1", "content": "a"}, answer])
    assert found[2] == UserMessage(ToolResult("c1", "look", "a"))
    assert found[1] is call
    assert found[3] is answer


def test_results_of_anthropics_shape_have_their_names():
    messages = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "a"},
                {"type": "tool_result", "tool_use_id": "gone"},
                {"type": "text", "text": "so?"},
            ],
        },
    ]
    results = [ToolResult("t", "look", "a"), ToolResult("gone"), Text("so?")]
    assert typed(messages) == [AssistantMessage(ToolCall("t", "look")), UserMessage(results)]


def test_functions_get_ids():
    """Each call its own, also where one function is called again and again."""
    messages = []
    for text in "abc":
        call = {"name": "look", "arguments": f'{{"at": "{text}"}}'}
        messages.append({"role": "assistant", "content": None, "function_call": call})
        messages.append({"role": "function", "name": "look", "content": text})
    found = typed(messages)
    calls, results = [found[0], found[2], found[4]], [found[1], found[3], found[5]]
    assert [message.content[0].arguments for message in calls] == [{"at": "a"}, {"at": "b"}, {"at": "c"}]
    assert [message.content[0].call_id for message in results] == [message.content[0].id for message in calls]
    assert len({message.content[0].id for message in calls}) == 3
    assert {message.content[0].name for message in results} == {"look"}


# ---- what is wrong ---------------------------------------------------------------------------------------------------


def user(block):
    return {"role": "user", "content": [block]}


def picture(**source):
    return user({"type": "image", "source": source})


def said(**fields):
    return {"role": "assistant", **fields}


WRONG = {
    "no dict": ("hi", "prompt[0]: expected dict, got str"),
    "None": (None, "prompt[0]: expected dict, got None"),
    "a key that is no text": ({1: 2}, "prompt[0]: expected keys of type str, got int"),
    "no role": ({"content": "x"}, "prompt[0].role: is missing"),
    "role of another type": ({"role": 1}, "prompt[0].role: expected str, got int"),
    "unknown role": ({"role": "bot", "content": "x"}, "prompt[0].role: unknown role 'bot'; known are system, dev"),
    "no content": ({"role": "user"}, "prompt[0].content: is missing"),
    "null content": ({"role": "system", "content": None}, "prompt[0].content: is missing"),
    "no content of an assistant": (said(), "prompt[0].content: is missing"),
    "content of another type": ({"role": "user", "content": 1}, "prompt[0].content: expected list, got int"),
    "bytes for content": ({"role": "user", "content": b"x"}, "prompt[0].content: expected list, got bytes"),
    "a dict for content": ({"role": "user", "content": {"type": "text"}}, "prompt[0].content: expected list, got dict"),
    "block of another type": (user(1), "prompt[0].content[0]: expected dict, got int"),
    "block without a type": (user({"text": "x"}), "prompt[0].content[0].type: is missing"),
    "block of another API": (
        user({"type": "input_text", "text": "x"}),
        "prompt[0].content[0].type: 'input_text' is of OpenAI's Responses API; known are audio_url",
    ),
    "picture in a system message": (
        {"role": "system", "content": [Image(PNG)]},
        "prompt[0]: SystemMessage.content[0]: Image cannot stand in a system message",
    ),
    "call of a user": (
        user({"type": "tool_use", "id": "t", "name": "n", "input": {}}),
        "prompt[0]: UserMessage.content[0]: ToolCall cannot stand in a user message",
    ),
    "result of an assistant": (
        said(content=[{"type": "tool_result", "tool_use_id": "t"}]),
        "prompt[0]: AssistantMessage.content[0]: ToolResult cannot",
    ),
    "result in a result": (
        user({"type": "tool_result", "tool_use_id": "t", "content": ["a", {"type": "tool_result"}]}),
        "prompt[0].content[0].content[1].type: a tool_result cannot stand in a tool_result",
    ),
    "thoughts in a result": (
        user({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "thinking", "thinking": "x"}]}),
        "prompt[0].content[0]: ToolResult.content[0]: Thinking cannot",
    ),
    "result without an id": (user({"type": "tool_result"}), "prompt[0].content[0].tool_use_id: is missing"),
    "speaker's name": ({"role": "user", "content": "x", "name": "Ann"}, "prompt[0].name: there is no place for"),
    "prefix": (said(content="x", prefix=True), "prompt[0].prefix: there is no place for it; end the messages"),
    "unknown key of a message": ({"role": "user", "content": "x", "to": "y"}, "prompt[0].to: unknown key; it would be"),
    "unknown key of a text": (user({"type": "text", "text": "x", "to": 1}), "prompt[0].content[0].to: unknown key"),
    "text of another type": (user({"type": "text", "text": 1}), "prompt[0].content[0].text: expected str, got int"),
    "text without text": (user({"type": "text"}), "prompt[0].content[0].text: is missing"),
    "address of another type": (
        user({"type": "image_url", "image_url": {"url": 1}}),
        "prompt[0].content[0].image_url.url: expected str, got int",
    ),
    "no address": (user({"type": "image_url", "image_url": {}}), "prompt[0].content[0].image_url.url: is missing"),
    "picture of another type": (
        user({"type": "image_url", "image_url": 1}),
        "prompt[0].content[0].image_url: expected dict, got int",
    ),
    "detail of a film": (
        user({"type": "video_url", "video_url": {"url": "https://x", "detail": "low"}}),
        "prompt[0].content[0].video_url.detail: unknown key",
    ),
    "broken data URI": (
        user({"type": "image_url", "image_url": {"url": "data:image/png;base64,A"}}),
        "prompt[0].content[0].image_url.url: broken base64",
    ),
    "empty address": (
        user({"type": "image_url", "image_url": ""}),
        "prompt[0].content[0].image_url: Image.url: is empty",
    ),
    "sound that is none": (
        user({"type": "input_audio", "input_audio": {"data": b64(PNG), "format": "wav"}}),
        "prompt[0].content[0].input_audio.data: Audio: media_type is audio/wav, but the content is image/png",
    ),
    "format that is none": (
        user({"type": "input_audio", "input_audio": {"data": b64(ODD), "format": "a b"}}),
        "prompt[0].content[0].input_audio.data: media_type: expected",
    ),
    "sound without a format": (
        user({"type": "input_audio", "input_audio": {"data": ""}}),
        "prompt[0].content[0].input_audio.format: is missing",
    ),
    "file twice": (
        user({"type": "file", "file": {"file_id": "f", "file_data": "x"}}),
        "prompt[0].content[0].file.file_id: file_data is given, too",
    ),
    "no file": (user({"type": "file", "file": {}}), "prompt[0].content[0].file.file_data: is missing"),
    "file of unknown type": (
        user({"type": "file", "file": {"file_data": b64(ODD)}}),
        "prompt[0].content[0].file.file_data: 'media': the content is of no known type",
    ),
    "no source": (user({"type": "image"}), "prompt[0].content[0].source: is missing"),
    "source of another type": (picture(type="path"), "prompt[0].content[0].source.type: expected one of base64, url"),
    "source with more": (picture(type="url", url="x", a=1), "prompt[0].content[0].source.a: unknown key"),
    "source in broken base64": (
        picture(type="base64", media_type="image/png", data="$"),
        "prompt[0].content[0].source.data: broken base64",
    ),
    "source of no type": (picture(type="base64", data=""), "prompt[0].content[0].source.media_type: is missing"),
    "picture that is text": (
        picture(type="text", data="x"),
        "prompt[0].content[0].source: Image: media_type text/plain is a document",
    ),
    "citations of no type": (
        user({"type": "document", "source": {"type": "url", "url": "x"}, "citations": {"enabled": 1}}),
        "prompt[0].content[0].citations.enabled: expected bool, got int",
    ),
    "index that is no number": (
        user({"type": "text", "text": "x", "citations": [{"document_index": True}]}),
        "prompt[0].content[0].citations[0].document_index: expected int, got bool",
    ),
    "citations that are no list": (
        user({"type": "text", "text": "x", "citations": "y"}),
        "prompt[0].content[0].citations: expected list, got str",
    ),
    "cache of another kind": (
        user({"type": "text", "text": "x", "cache_control": {"type": "eternal"}}),
        "prompt[0].content[0].cache_control.type: expected 'ephemeral', got 'eternal'",
    ),
    "cache of another time": (
        user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}),
        "prompt[0].content[0].cache_control.ttl: expected '5m' or '1h', got '2h'",
    ),
    "nothing to cache": (
        said(content=[{"type": "refusal", "refusal": "x"}], cache_control=EPHEMERAL),
        "prompt[0].cache_control: the message ends with nothing that can be cached",
    ),
    "no message to cache": (
        {"role": "user", "content": [], "cache_control": EPHEMERAL},
        "prompt[0].cache_control: the message ends with nothing",
    ),
    "call of another kind": (
        said(tool_calls=[{"id": "c", "type": "retrieval"}]),
        "prompt[0].tool_calls[0].type: expected 'function' or 'custom', got 'retrieval'",
    ),
    "call without an id": (
        said(tool_calls=[{"function": {"name": "n", "arguments": ""}}]),
        "prompt[0].tool_calls[0].id: is missing",
    ),
    "call without a name": (
        said(tool_calls=[{"id": "c", "function": {}}]),
        "prompt[0].tool_calls[0].function.name: is missing",
    ),
    "call with more": (said(tool_calls=[{**CALL, "x": 1}]), "prompt[0].tool_calls[0].x: unknown key"),
    "arguments of another type": (
        said(tool_calls=[{"id": "c", "function": {"name": "n", "arguments": 1}}]),
        "prompt[0].tool_calls[0].function.arguments: expected str, got int",
    ),
    "calls that are no list": (said(tool_calls=CALL), "prompt[0].tool_calls: expected list, got dict"),
    "function with more": (
        said(function_call={"name": "n", "arguments": "", "x": 1}),
        "prompt[0].function_call.x: unknown key",
    ),
    "annotations of nothing": (
        said(tool_calls=[CALL], annotations=[{"url": "https://x"}]),
        "prompt[0].annotations: there is no text that they belong to",
    ),
    "thoughts with more": (
        said(content=[{"type": "thinking", "thinking": [{"type": "reference", "text": "x", "id": 1}]}]),
        "prompt[0].content[0].thinking[0].id: unknown key",
    ),
    "sound without an id": (said(audio={"transcript": "x"}), "prompt[0].audio.id: is missing"),
    "sound in broken base64": (said(audio={"data": "$"}), "prompt[0].audio.data: broken base64"),
    "result without a call": ({"role": "tool", "content": "x"}, "prompt[0].tool_call_id: is missing"),
    "function that was not called": (
        {"role": "function", "name": "n", "content": "x"},
        "prompt[0].name: no function_call of 'n' stands before it",
    ),
    "what is no JSON": (
        user({"type": "other", "a": [{"b": {1}}]}),
        "prompt[0].content[0].a[0].b: expected JSON, got set",
    ),
    "number that is none": (
        user({"type": "other", "a": [nan]}),
        "prompt[0].content[0].a[0]: nan is no JSON",
    ),
    "key that is no JSON": (
        user({"type": "other", "a": {1: 2}}),
        "prompt[0].content[0].a: expected keys of type str, got int",
    ),
}


@pytest.mark.parametrize(("message", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_with_its_path(message, expected):
    with pytest.raises(ConfigurationError) as caught:
        typed([message])
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value)) < 500


def test_media_errors_stay_what_they_are():
    with pytest.raises(MediaError) as caught:
        typed([*[UserMessage("?")] * 2, picture(type="base64", media_type="image/jpeg", data=b64(PNG))], "messages")
    expected = "messages[2].content[0].source: Image: media_type is image/jpeg, but the content is image/png"
    assert str(caught.value) == expected
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("messages", ["hi", b"hi", None, {"role": "user"}, 1], ids=repr)
def test_what_is_no_conversation(messages):
    with pytest.raises(ConfigurationError, match="^prompt: expected list, got "):
        typed(messages)


# ---- nested, large, changed ------------------------------------------------------------------------------------------


def nested(depth):
    found = {}
    for _ in range(depth):
        found = {"a": [found]}
    return found


@pytest.mark.parametrize(
    "block",
    [{"type": "other", "a": nested(DEPTH)}, {"type": "tool_use", "id": "t", "name": "n", "input": nested(50_000)}],
    ids=["block", "arguments"],
)
def test_nested_too_deeply(block):
    with pytest.raises(ConfigurationError, match="nested too deeply") as caught:
        typed([{"role": "assistant", "content": [block]}])
    assert len(str(caught.value)) < 200


def test_results_nested_without_end():
    block = {"type": "text", "text": "x"}
    for _ in range(50_000):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    with pytest.raises(ConfigurationError, match="a tool_result cannot stand in a tool_result"):
        typed([user(block)])


def test_a_cycle():
    block = {"type": "other"}
    block["self"] = block
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        typed([user(block)])


def test_a_long_conversation_is_quick():
    turn = [{"role": "user", "content": "hi"}, ASKED, {"role": "tool", "tool_call_id": "c1", "content": "a"}]
    start = time.process_time()
    assert len(typed(turn * 5_000)) == 15_000
    assert time.process_time() - start < 2


ALL = [
    {"role": "user", "content": [block for block, *_ in (*CHAT_PARTS.values(), *ANTHROPIC_PARTS.values())]},
    {"role": "user", "content": BLOCKS_AS_THEY_ARE},
    {"role": "assistant", "content": [block for block, *_ in SPOKEN.values()]},
    {"role": "assistant", "content": [{"type": "text", "text": "a", "citations": [raw for raw, _ in CITED.values()]}]},
    *(message for message, _ in EXTRAS.values()),
    ASKED,
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "n", "arguments": {"a": [1]}}}]},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}]},
]


def test_the_callers_dicts_are_neither_changed_nor_kept():
    given, pristine = copy.deepcopy(ALL), json.dumps(ALL)
    found = typed(given)
    assert json.dumps(given) == pristine
    held = {id(item) for item in containers(given)}
    kept = [item for item in containers([carried(message) for message in found]) if id(item) in held]
    assert kept == []


def test_nothing_is_shared_between_parts():
    block = {"type": "image", "source": {"type": "file", "file_id": "f"}}
    first, second = typed([user(block), user(block)])
    assert first.content[0].extra["anthropic-messages"] is not second.content[0].extra["anthropic-messages"]


def containers(value):
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


def carried(message):
    """All JSON that a message's parts hold."""
    names = ("extra", "data", "arguments")
    inner = [part for part in message.content if isinstance(part, ToolResult)]
    citations = [item.raw for part in message.content if isinstance(part, Text) for item in part.citations]
    return [
        [getattr(part, name, None) for part in message.content for name in names],
        citations,
        *map(carried, inner),
    ]
