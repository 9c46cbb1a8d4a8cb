"""Payloads of Chat Completions as requests, and the same payloads of these: `Request.from_wire` and the way back."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pytest
from conformance import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mutated
from strategies_openai_chat import conversations, options
from test_payload_properties import changed, places
from test_properties import EXAMPLES, attempt

from llmkit import (
    AssistantMessage,
    Audio,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Refusal,
    Request,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.messages import Citation
from llmkit.resolve import resolve
from llmkit.wire.openai_chat import WIRE
from llmkit.wire.quirks import OpenAIChatQuirks

NAME = "openai-chat"
# A host that takes whatever some host takes, so that nothing is left out.
TAKING = OpenAIChatQuirks(cache="cache_control", result_media=True)
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
PDF_URI = "data:application/pdf;base64,JVBERi0xLjQK"
CSV_URI = "data:text/csv;base64,YSxi"
WAV = "UklGRiQAAABXQVZFZm10IA=="
PAGE = {"type": "url_citation", "url_citation": {"url": "https://a.b/", "title": "A", "start_index": 0, "end_index": 1}}


def from_wire(body: Any) -> Request:
    return Request.from_wire(NAME, body)


def refuse(path: str, why: str) -> None:
    raise AssertionError(f"{path}: {why}")


def encoded(request: Request, quirks: OpenAIChatQuirks = TAKING) -> dict[str, Any]:
    call = WIRE.encode(resolve(request, {}, {}, "m"), quirks, refuse, False)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def said(content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


def call(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def part(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, kind: fields}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


CALLED = said(tool_calls=[call("c1", "look", "{}")])
CUSTOM = {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "print 1"}}
HOSTED = {"id": "c1", "type": "web_search", "web_search": {"query": "x"}}

# name → (messages of a payload, what they are); written again they are the very same
SAME = {
    "words": (
        [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, said("A")],
        [SystemMessage("S"), UserMessage("U"), AssistantMessage("A")],
    ),
    "instructions amid a conversation": (
        [{"role": "user", "content": "U"}, {"role": "system", "content": "S"}],
        [UserMessage("U"), SystemMessage("S")],
    ),
    "texts": ([user(text("a"), text("b"))], [UserMessage(["a", "b"])]),
    "pictures": (
        [
            user(
                part("image_url", url=PNG_URI, detail="low"),
                part("image_url", url="https://a.b/c.png"),
                part("image_url", url="gs://a/b"),
            )
        ],
        [UserMessage([Image(PNG, detail="low"), Image(url="https://a.b/c.png"), Image(url="gs://a/b")])],
    ),
    "sounds": (
        [user(part("input_audio", data=WAV, format="wav"), part("input_audio", data="//8=", format="pcm16"))],
        [UserMessage([Audio(b"RIFF\x24\x00\x00\x00WAVEfmt "), Audio(b"\xff\xff", media_type="audio/pcm")])],
    ),
    "files": (
        [
            user(
                part("file", file_id="file-1"),
                part("file", filename="a.pdf", file_data=PDF_URI),
                part("file", file_data=PDF_URI),
                part("file", filename="a.csv", file_data=CSV_URI),
                part("file", filename="a.png", file_data=PNG_URI),
                part("file", filename="a.pdf", file_data="https://a.b/a.pdf"),
            )
        ],
        [
            UserMessage(
                [
                    Document(file_id="file-1"),
                    Document(b"%PDF-1.4\n", name="a.pdf"),
                    Document(b"%PDF-1.4\n"),
                    Document(b"a,b", media_type="text/csv", name="a.csv"),
                    Image(PNG, name="a.png"),
                    Document(url="https://a.b/a.pdf", name="a.pdf"),
                ]
            )
        ],
    ),
    "media of some hosts": (
        [
            user(
                part("video_url", url="https://a.b/c.mp4"),
                part("audio_url", url=f"data:audio/wav;base64,{WAV}"),
                part("file_url", url="https://a.b/c.pdf"),
                {"type": "document_url", "document_url": PDF_URI, "document_name": "c.pdf"},
            )
        ],
        [
            UserMessage(
                [
                    Video(url="https://a.b/c.mp4"),
                    Audio(b"RIFF\x24\x00\x00\x00WAVEfmt "),
                    Document(url="https://a.b/c.pdf"),
                    Document(b"%PDF-1.4\n", name="c.pdf"),
                ]
            )
        ],
    ),
    "marks for the cache": (
        [
            user(
                text("a", cache_control={"type": "ephemeral", "ttl": "1h"}),
                text("b", cache_control={"type": "ephemeral", "ttl": "2d"}),
                text("c", prompt_cache_breakpoint={"mode": "explicit"}),
            )
        ],
        [UserMessage([Text("a", cache="1h"), "b", "c"])],
    ),
    "blocks that are not modelled": (
        [user({"type": "of_tomorrow", "x": [1]}, part("image_url", url=PNG_URI, x=1), part("file", x=1))],
        [
            UserMessage(
                [
                    Opaque(NAME, {"type": "of_tomorrow", "x": [1]}),
                    Opaque(NAME, part("image_url", url=PNG_URI, x=1)),
                    Opaque(NAME, part("file", x=1)),
                ]
            )
        ],
    ),
    "content that is not what its type says": (
        [
            user(
                part("image_url", url=PDF_URI),
                part("input_audio", data="JVBERi0xLjQK", format="wav"),
                part("file", file_data="data:audio/wav;base64,JVBERi0xLjQK", filename="a.wav"),
                part("file", file_data="JVBERi0xLjQK"),
            )
        ],
        [
            UserMessage(
                [
                    Opaque(NAME, part("image_url", url=PDF_URI)),
                    Opaque(NAME, part("input_audio", data="JVBERi0xLjQK", format="wav")),
                    Opaque(NAME, part("file", file_data="data:audio/wav;base64,JVBERi0xLjQK", filename="a.wav")),
                    Opaque(NAME, part("file", file_data="JVBERi0xLjQK")),
                ]
            )
        ],
    ),
    "calls and their answers": (
        [
            said("See.", tool_calls=[call("c1", "look", '{"a": 1}'), call("c2", "now", "{}")]),
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": [text("two"), text("three")]},
            {"role": "user", "content": "So?"},
        ],
        [
            AssistantMessage(["See.", ToolCall("c1", "look", {"a": 1}), ToolCall("c2", "now")]),
            UserMessage([ToolResult("c1", "look", "one"), ToolResult("c2", "now", ["two", "three"])]),
            UserMessage("So?"),
        ],
    ),
    "arguments that are no object": (
        [said(tool_calls=[call("c1", "look", '{"a": tr')]), {"role": "tool", "tool_call_id": "c1", "content": "?"}],
        [AssistantMessage(ToolCall("c1", "look", {}, '{"a": tr')), UserMessage(ToolResult("c1", "look", "?"))],
    ),
    "a custom call": (
        [said(tool_calls=[CUSTOM]), {"role": "tool", "tool_call_id": "c1", "content": "1"}],
        [AssistantMessage(ToolCall("c1", "run", {"input": "print 1"})), UserMessage(ToolResult("c1", "run", "1"))],
    ),
    "a call that is not modelled, and its answer": (
        [said(tool_calls=[HOSTED]), {"role": "tool", "tool_call_id": "c1", "content": "x"}],
        [AssistantMessage(Opaque(NAME, HOSTED)), UserMessage(ToolResult("c1", "", "x"))],
    ),
    "what a call has beside": (
        [
            said(tool_calls=[{**call("c1", "look", "{}"), "index": 0, "extra_content": {"google": {"x": "s="}}}]),
            said(tool_calls=[{**CUSTOM, "custom": {**CUSTOM["custom"], "x": 1}}]),
            said(tool_calls=[{"id": "c1", **part("function", name="look", arguments="{}", x=1)}]),
        ],
        [
            AssistantMessage(ToolCall("c1", "look")),
            AssistantMessage(ToolCall("c1", "run", {"input": "print 1"})),
            AssistantMessage(ToolCall("c1", "look")),
        ],
    ),
    "a picture as an answer": (
        [CALLED, {"role": "tool", "tool_call_id": "c1", "content": [part("image_url", url=PNG_URI)]}],
        [AssistantMessage(ToolCall("c1", "look")), UserMessage(ToolResult("c1", "look", Image(PNG)))],
    ),
    "the functions of old": (
        [
            said(function_call={"name": "look", "arguments": '{"a": 1}'}),
            {"role": "function", "name": "look", "content": "one"},
        ],
        [AssistantMessage(ToolCall("look", "look", {"a": 1})), UserMessage(ToolResult("look", "look", "one"))],
    ),
    "refusals": (
        [said(refusal="No."), said([{"type": "refusal", "refusal": "Never."}])],
        [AssistantMessage(Refusal("No.")), AssistantMessage(Refusal("Never."))],
    ),
    "a sound of the model's": ([said(audio={"id": "audio_1"})], [AssistantMessage(Audio(file_id="audio_1"))]),
    "thoughts": (
        [
            said("A", reasoning_content="Hm."),
            said("A", reasoning="Hm.", reasoning_details=[{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]),
            said("A", reasoning_details=[{"type": "reasoning.encrypted", "data": "e"}]),
            said([{"type": "thinking", "thinking": [text("Hm.")], "closed": True}, text("A")]),
            said([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm.", "signature": "s"}]}]),
            said("A", thinking_blocks=[{"type": "thinking", "thinking": "Hm.", "signature": "s"}]),
        ],
        [
            AssistantMessage([Thinking("Hm.", wire=NAME), "A"]),
            AssistantMessage([Thinking("Hm.", wire=NAME), "A"]),
            AssistantMessage([Thinking("", wire=NAME), "A"]),
            AssistantMessage([Thinking("Hm.", wire=NAME), "A"]),
            AssistantMessage([Thinking("Hm.", wire=NAME)]),
            AssistantMessage("A"),
        ],
    ),
    "different thoughts in two fields": (
        [said("A", reasoning_content="Hm.", reasoning="Hm, hm.")],
        [AssistantMessage([Thinking("Hm.", wire=NAME), Thinking("Hm, hm.", wire=NAME), "A"])],
    ),
    "pictures that were made": (
        [said("See:", images=[part("image_url", url=PNG_URI)])],
        [AssistantMessage(["See:", Image(PNG)])],
    ),
    "sources": (
        [said("A", annotations=[PAGE, {"type": "file", "file": {"hash": "x"}}])],
        [AssistantMessage(Text("A", [Citation(url="https://a.b/", title="A")]))],
    ),
    "what stands beside no text": (
        [
            said(tool_calls=[call("c1", "look", "{}")], annotations=[PAGE]),
            said("", thinking_blocks=[{"type": "thinking", "thinking": "Hm.", "signature": "s"}]),
            said(audio={"id": "audio_1", "data": WAV, "transcript": "Hi", "expires_at": 1}),
            said("A", images=[{**part("image_url", url=PNG_URI), "x": 1}]),
        ],
        [
            AssistantMessage([Text("", [Citation(url="https://a.b/", title="A")]), ToolCall("c1", "look")]),
            AssistantMessage(""),
            AssistantMessage(Audio(b"RIFF\x24\x00\x00\x00WAVEfmt ", transcript="Hi")),
            AssistantMessage("A"),
        ],
    ),
    "names of speakers": (
        [
            {"role": "system", "content": "S", "name": "boss"},
            {"role": "system", "content": "T"},
            {"role": "user", "content": [text("a"), text("b")], "name": "Ann"},
            said("A", name="Bob"),
            said(tool_calls=[call("c1", "look", "{}")], name="Bob"),
            {"role": "tool", "tool_call_id": "c1", "content": "one", "name": "look"},
        ],
        [
            SystemMessage("S"),
            SystemMessage("T"),
            UserMessage(["a", "b"]),
            AssistantMessage("A"),
            AssistantMessage(ToolCall("c1", "look")),
            UserMessage(ToolResult("c1", "look", "one")),
        ],
    ),
    "the beginning of an answer": ([{"role": "user", "content": "?"}, said("{", prefix=True)], None),
    "what stands beside nothing that is modelled": (
        [{**user({"type": "of_tomorrow"}), "name": "Ann"}, said([{"type": "of_tomorrow"}], prefix=False)],
        None,
    ),
}  # fmt: skip


def with_a_question(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A payload that may be sent: with a question at its end."""
    return {"model": "m", "messages": [*messages, {"role": "user", "content": "And now?"}]}


@pytest.mark.parametrize(("messages", "expected"), SAME.values(), ids=SAME.keys())
def test_messages_are_read_and_written_the_same(messages, expected):
    body = with_a_question(messages)
    request = from_wire(json.dumps(body))
    if expected is not None:
        assert request.prompt == (*expected, UserMessage("And now?"))
    assert request.options == {"model": "m"}
    assert encoded(request) == body
    assert from_wire(encoded(request)) == request


# why → (a message, the same as it is written)
CHANGED = {
    "the provider takes the one word for the other": (
        {"role": "developer", "content": "S"},
        {"role": "system", "content": "S"},
    ),
    "null says nothing, nor does an empty list": (
        said("A", refusal=None, tool_calls=None, annotations=[], name=None),
        said("A"),
    ),
    "a content of one text is that text": (user(text("a")), {"role": "user", "content": "a"}),
    "texts of the model's are one": (said([text("a"), text("b")]), said("ab")),
    "beside calls the content may be empty, or missing": (
        {"role": "assistant", "content": "", "tool_calls": [call("c1", "look", "{}")]},
        said(tool_calls=[call("c1", "look", "{}")]),
    ),
    "what is blank is refused": (user(text(" "), text("a"), text("b")), user(text("a"), text("b"))),
    "no arguments are an empty object": (
        said(tool_calls=[{"id": "c1", "function": {"name": "look", "arguments": ""}}]),
        said(tool_calls=[call("c1", "look", "{}")]),
    ),
    "arguments are text": (
        said(tool_calls=[{"id": "c1", **part("function", name="look", arguments={"a": 1})}]),
        said(tool_calls=[call("c1", "look", '{"a":1}')]),
    ),
    "an address stands in an object": (
        user({"type": "image_url", "image_url": "https://a.b/c.png"}, text("a")),
        user(part("image_url", url="https://a.b/c.png"), text("a")),
    ),
    "five minutes are what is meant where nothing is said": (
        user(text("a", cache_control={"type": "ephemeral"})),
        user(text("a", cache_control={"type": "ephemeral", "ttl": "5m"})),
    ),
    "the same thoughts are told once": (
        said("A", reasoning="Hm.", reasoning_content="Hm."),
        said("A", reasoning_content="Hm."),
    ),
}


@pytest.mark.parametrize(("given", "written"), CHANGED.values(), ids=CHANGED.keys())
def test_what_means_the_same_is_written_in_one_way(given, written):
    assert encoded(from_wire(with_a_question([given]))) == with_a_question([written])
    again = from_wire(with_a_question([written]))
    assert from_wire(encoded(again)) == again


# ---- options ---------------------------------------------------------------------------------------------------------

ASK = {"messages": [{"role": "user", "content": "Hi"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
LOOK = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}
STRICT = {"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": True}}
OPEN = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}
LATER = {"type": "function", "function": {**LOOK["function"], "defer_loading": True}}
FREE = {"type": "custom", "custom": {"name": "run"}}
MANY = tuple({"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in "ab")
TOOL = Tool("look", "Looks.", SCHEMA)
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}

# name → (a payload without its messages, its options); written again it is the very same
OPTIONS = {
    "plain ones": (
        {
            "model": "m",
            "temperature": 0.5,
            "top_p": 0.9,
            "max_completion_tokens": 9,
            "seed": 7,
            "frequency_penalty": 0.1,
            "presence_penalty": 0,
            "stop": ["x", "y"],
            "reasoning_effort": "low",
            "metadata": {"a": "b"},
            "service_tier": "flex",
        },
        {
            "model": "m",
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 9,
            "seed": 7,
            "frequency_penalty": 0.1,
            "presence_penalty": 0,
            "stop": ("x", "y"),
            "reasoning": "low",
            "metadata": {"a": "b"},
            "service_tier": "flex",
        },
    ),
    "no model, as where the address names it": ({}, {}),
    "probabilities": ({"logprobs": True, "top_logprobs": 3}, {"logprobs": 3}),
    "probabilities without alternatives": ({"logprobs": True}, {"logprobs": 0}),
    "no probabilities": ({"logprobs": False}, {"extra_body": {"logprobs": False}}),
    "tools": ({"tools": [LOOK], "tool_choice": "required", "parallel_tool_calls": False},
              {"tools": (TOOL,), "tool_choice": "required", "parallel_tool_calls": False}),
    "a strict tool": ({"tools": [STRICT]}, {"tools": (Tool("look", "", SCHEMA, strict=True),)}),
    "the choice of a tool": (
        {"tools": [*MANY], "tool_choice": {"type": "function", "function": {"name": "b"}}},
        {"tools": (Tool("a", "", SCHEMA), Tool("b", "", SCHEMA)), "tool_choice": "b"},
    ),
    "tools with more than a tool has": (
        {"tools": [OPEN, LATER, FREE], "tool_choice": {"type": "custom", "custom": {"name": "run"}}},
        {"tools": (ServerTool(OPEN), ServerTool(LATER), ServerTool(FREE)), "tool_choice": "run"},
    ),
    "a choice that is no option": (
        {"tools": [LOOK], "tool_choice": ALLOWED},
        {"tools": (TOOL,), "extra_body": {"tool_choice": ALLOWED}},
    ),
    "a word of some hosts": (
        {"tools": [LOOK], "tool_choice": "any"},
        {"tools": (TOOL,), "extra_body": {"tool_choice": "any"}},
    ),
    "no tools": (
        {"tools": [], "tool_choice": "none", "parallel_tool_calls": True},
        {"extra_body": {"tools": [], "tool_choice": "none", "parallel_tool_calls": True}},
    ),
    "what there is no option for": (
        {
            "n": 2, "store": True, "response_format": {"type": "json_object"}, "functions": [{"name": "f"}],
            "function_call": "auto", "top_k": 3, "reasoning": {"effort": "low"}, "random_seed": 1, "user": "u",
        },
        {
            "extra_body": {
                "n": 2, "store": True, "response_format": {"type": "json_object"}, "functions": [{"name": "f"}],
                "function_call": "auto", "top_k": 3, "reasoning": {"effort": "low"}, "random_seed": 1, "user": "u",
            }
        },
    ),
    "values that the options do not take": (
        {"temperature": None, "stop": [], "metadata": {}, "reasoning_effort": "default", "seed": 1.5, "tools": None},
        {
            "extra_body": {
                "temperature": None, "stop": [], "metadata": {}, "reasoning_effort": "default", "seed": 1.5,
                "tools": None,
            }
        },
    ),
    "both names of one option": (
        {"max_tokens": 5, "max_completion_tokens": 9},
        {"max_tokens": 9, "extra_body": {"max_tokens": 5}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_fields_are_read_and_written_the_same(fields, expected):
    request = from_wire({**ASK, **fields})
    assert request.options == expected
    assert request.prompt == (UserMessage("Hi"),)
    assert encoded(request) == {"model": "m", **ASK, **fields}
    assert from_wire(encoded(request)) == from_wire({"model": "m", **ASK, **fields})


# why → (fields, the same as they are written)
WRITTEN = {
    "the method says whether it is streamed": ({"stream": True, "stream_options": {"include_usage": True}}, {}),
    "the old name's successor": ({"max_tokens": 5}, {"max_completion_tokens": 5}),
    "one stop string is a list of one": ({"stop": "x"}, {"stop": ["x"]}),
    "a description that says nothing": (
        {"tools": [{"type": "function", "function": {"name": "look", "description": "", "parameters": SCHEMA}}]},
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]},
    ),
    "no parameters are an object without properties": (
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": None, "strict": None}}]},
        {"tools": [{"type": "function",
                    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "written"), WRITTEN.values(), ids=WRITTEN.keys())
def test_fields_that_mean_the_same_are_written_in_one_way(fields, written):
    assert encoded(from_wire({**ASK, **fields})) == {"model": "m", **ASK, **written}


def test_nothing_of_the_callers_is_changed_or_kept():
    body = {**ASK, "tools": [FREE], "user": {"a": [1]}}
    before = json.dumps(body)
    request = from_wire(body)
    request.options["extra_body"]["user"]["a"].append(2)
    request.options["tools"][0].data["custom"]["name"] = "x"
    assert json.dumps(body) == before


# ---- what is none ----------------------------------------------------------------------------------------------------

WRONG = {
    "a list": ([], r"body: expected dict, got list"),
    "no messages": ({"model": "m"}, r"body\.messages: is missing"),
    "messages as text": ({"messages": "Hi"}, r"body\.messages: expected list, got str"),
    "a message as text": ({"messages": ["Hi"]}, r"body\.messages\[0\]: expected dict, got str"),
    "no role": ({"messages": [{"content": "Hi"}]}, r"body\.messages\[0\]\.role: is missing"),
    "an unknown role": ({"messages": [{"role": "bot"}]}, r"body\.messages\[0\]\.role: unknown role 'bot'"),
    "no content": ({"messages": [{"role": "user"}]}, r"body\.messages\[0\]\.content: is missing"),
    "content as a number": ({"messages": [{"role": "user", "content": 3}]}, r"body\.messages\[0\]\.content: expected"),
    "a block as a number": ({"messages": [user(3)]}, r"body\.messages\[0\]\.content\[0\]: expected dict"),
    "a block without a type": ({"messages": [user({})]}, r"body\.messages\[0\]\.content\[0\]\.type: is missing"),
    "text as a number": ({"messages": [user(text(3))]}, r"body\.messages\[0\]\.content\[0\]\.text: expected str"),
    "a picture that is none": (
        {"messages": [user(part("image_url", url="data:image/png;base64,e"))]},
        r"body\.messages\[0\]\.content\[0\]\.image_url\.url: ",
    ),
    "a call without an id": (
        {"messages": [said(tool_calls=[{"function": {"name": "f"}}])]},
        r"body\.messages\[0\]\.tool_calls\[0\]\.id: is missing",
    ),
    "arguments as a list": (
        {"messages": [said(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": []}}])]},
        r"body\.messages\[0\]\.tool_calls\[0\]\.function\.arguments: expected str",
    ),
    "an answer to nothing": (
        {"messages": [{"role": "tool", "content": "x"}]},
        r"body\.messages\[0\]\.tool_call_id: is missing",
    ),
    "a temperature as text": ({**ASK, "temperature": "hot"}, r"body\.temperature: expected a number"),
    "a stop string as a number": ({**ASK, "stop": ["a", 3]}, r"body\.stop\[1\]: expected str"),
    "tools as an object": ({**ASK, "tools": {}}, r"body\.tools: expected list"),
    "a tool without a name": ({**ASK, "tools": [part("function")]}, r"body\.tools\[0\]\.function\.name: is missing"),
    "parameters as text": (
        {**ASK, "tools": [part("function", name="f", parameters="x")]},
        r"body\.tools\[0\]\.function\.parameters: expected dict",
    ),
    "no JSON": ("{", r"body"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "error"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_request(body, error):
    with pytest.raises(ConfigurationError, match=f"^{error}"):
        from_wire(body)


MARKED = ("x", "beside", "fields", "inner", "field", "format", "id", "arguments")


@pytest.mark.parametrize("messages", [messages for messages, _ in SAME.values()], ids=SAME.keys())
def test_nothing_is_lost_without_a_word(messages):
    """Whatever else stands anywhere is written again, or refused with its path."""
    body = with_a_question(messages)
    for number, place in enumerate(places(body)):
        key = MARKED[number % len(MARKED)]
        request, error = attempt(from_wire, changed(body, place, key, "MARK"))
        if request is None:
            assert str(error).startswith("body.")
            continue
        written, error = attempt(encoded, request)
        assert "MARK" in json.dumps(written) if written else "no tool call before it" in str(error), (place, key)


# ---- whatever there is -----------------------------------------------------------------------------------------------

_MARKING = OpenAIChatQuirks(cache="cache_control", reasoning_with_calls=" ", text_parts=False)


def refuse_sounds(path: str, why: str) -> None:
    assert "only by its id" in why, f"{path}: {why}"


@settings(max_examples=EXAMPLES // 2)
@given(conversations(), options(), st.sampled_from([OpenAIChatQuirks(), TAKING, _MARKING]))
def test_what_llmkit_writes_is_read_and_written_the_same(messages, chosen, quirks):
    call = WIRE.encode(resolve(messages, chosen, {}, "m"), quirks, refuse_sounds, False)
    request, body = from_wire(call.body), json.loads(call.body or b"")
    # Where nothing stands between instructions any more, they are one message.
    assert encoded(request, quirks) == {**body, "messages": [*_instructions(body["messages"]), *body["messages"]]}
    again = from_wire(encoded(request, quirks))
    assert again == request
    assert [attrs.asdict(message) for message in again.prompt] == [attrs.asdict(message) for message in request.prompt]


@settings(max_examples=EXAMPLES // 2)
@given(conversations(), options(), st.data())
def test_a_spoilt_payload_is_a_request_or_an_error_with_its_path(messages, chosen, data):
    call = WIRE.encode(resolve(messages, chosen, {}, "m"), TAKING, refuse_sounds, False)
    body = data.draw(mutated(json.loads(call.body or b"")))
    request, error = attempt(from_wire, body)
    if request is None:
        assert isinstance(error, ConfigurationError)
        assert str(error).startswith("body")


# ---- recordings ------------------------------------------------------------------------------------------------------


def test_recorded_requests_are_written_as_they_were():
    """All that clients sent to one host or another, but for the ways in which the same is written in one way."""
    found = [recording for recording in recordings.load(NAME) if recording.sent is not None]
    assert not recordings.FOLDER.is_dir() or len(found) > 700
    for recording in found:
        body = encoded(from_wire(recording.sent))
        assert body == in_one_way(recording.sent), recording.id


def in_one_way(body: Mapping[str, Any]) -> dict[str, Any]:
    """As `CHANGED` and `WRITTEN` say, and leading instructions as one message."""
    found = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    if found.get("max_tokens") is not None:
        found["max_completion_tokens"] = found.pop("max_tokens")
    for tool in found["tools"] if found.get("tools") else ():
        if tool["function"].get("description") == "":
            tool["function"].pop("description")
    messages = [_message(message) for message in found["messages"]]
    return {**found, "messages": [*_instructions(messages), *(turn for turn in messages if not _is_blank(turn))]}


def _instructions(messages: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Leading instructions, taken off."""
    leading: list[dict[str, Any]] = []
    while messages and messages[0]["role"] == "system":
        leading.append(messages.pop(0))
    blocks = [block for message in leading for block in _blocks(message["content"])]
    if len(blocks) > 1:
        return [{"role": "system", "content": blocks}]
    return leading


def _blocks(content: Any) -> list[Any]:
    return [text(content)] if isinstance(content, str) else content


def _is_blank(message: Mapping[str, Any]) -> bool:
    return message == {"role": message["role"], "content": ""}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in message.items() if value not in (None, [])}
    if found["role"] == "developer":
        found["role"] = "system"
    if found.get("reasoning") == found.get("reasoning_content"):
        found.pop("reasoning", None)
    found["content"] = _content(found.get("content") or "", found["role"])
    if found.get("tool_calls") and not found["content"]:
        found["content"] = None
    return found


def _content(content: Any, role: str) -> Any:
    if isinstance(content, str):
        return content
    blocks = [_block(block) for block in content]
    if all(block.keys() == {"type", "text"} for block in blocks) and (len(blocks) == 1 or role == "assistant"):
        return "".join(block["text"] for block in blocks)
    return blocks


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(block)
    if isinstance(found.get("image_url"), str):
        found["image_url"] = {"url": found["image_url"]}
    if "cache_control" in found:
        found["cache_control"] = {"ttl": "5m", **found["cache_control"]}
    return found
