"""The wire `anthropic-messages`: one table of (typed, JSON) drives encode and decode; then what only one of them has."""

import base64
import json

import pytest

from llmkit import (
    APIError,
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    MediaError,
    Opaque,
    Refusal,
    ServerTool,
    SystemMessage,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    UnsupportedOptionError,
    Usage,
    UserMessage,
    Video,
)
from llmkit.accumulate import Accumulator
from llmkit.resolve import resolve
from llmkit.rows import rows
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire
from llmkit.wire.quirks import AnthropicMessagesQuirks, ModelFacts
from llmkit.wire.signals import ErrorEvent

NAME = "anthropic-messages"
WIRE = wire(NAME)
QUIRKS = AnthropicMessagesQuirks()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
PDF = b"%PDF-1.7 ..."
LOCATION = {
    "type": "char_location",
    "cited_text": "Paris",
    "document_index": 0,
    "document_title": "Atlas",
    "start_char_index": 3,
    "end_char_index": 8,
}
WEB = {
    "type": "web_search_result_location",
    "cited_text": "q",
    "url": "https://example.com",
    "title": "T",
    "encrypted_index": "x",
}
SERVER_CALL = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}


def refuse(path, why):
    raise UnsupportedOptionError(f"{path}: {why}", path=path)


def encoded(prompt, quirks=QUIRKS, *, stream=False, **options):
    call = WIRE.encode(resolve(prompt, options, {}, "claude-x"), quirks, refuse, stream)
    return json.loads(call.body)


def sse(data):
    return ServerSentEvent(data["type"], json.dumps(data))


# What the provider sends and takes back: part ⇄ block.
BLOCKS = {
    "text": (Text("Hi"), {"type": "text", "text": "Hi"}),
    "text with a citation": (
        Text("Hi", [Citation("Paris", title="Atlas", document=0, start=3, end=8, unit="character", raw=LOCATION)]),
        {"type": "text", "text": "Hi", "citations": [LOCATION]},
    ),
    "text from the web": (
        Text("Hi", [Citation("q", "https://example.com", "T", raw=WEB)]),
        {"type": "text", "text": "Hi", "citations": [WEB]},
    ),
    "thinking": (
        Thinking("hm", "sig", wire=NAME),
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
    ),
    "thinking that is kept": (
        Thinking("", "sig", wire=NAME),
        {"type": "thinking", "thinking": "", "signature": "sig"},
    ),
    "redacted thinking": (Thinking("", redacted="xyz", wire=NAME), {"type": "redacted_thinking", "data": "xyz"}),
    "call": (
        ToolCall("t1", "look", {"at": "x", "n": 1}),
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "x", "n": 1}},
    ),
    "call without arguments": (ToolCall("t1", "look"), {"type": "tool_use", "id": "t1", "name": "look", "input": {}}),
    "call with a caller": (
        ToolCall("t1", "look", extra={NAME: {"caller": {"type": "direct"}}}),
        {"type": "tool_use", "id": "t1", "name": "look", "input": {}, "caller": {"type": "direct"}},
    ),
    "server-side call": (Opaque(NAME, SERVER_CALL), SERVER_CALL),
    "kind of tomorrow": (Opaque(NAME, {"type": "hologram", "x": [1]}), {"type": "hologram", "x": [1]}),
}
each_block = pytest.mark.parametrize(("part", "block"), BLOCKS.values(), ids=BLOCKS.keys())


@each_block
def test_a_block_is_encoded(part, block):
    body = encoded([UserMessage("q"), AssistantMessage(part), UserMessage("and?")])
    assert body["messages"][1] == {"role": "assistant", "content": [block]}


@each_block
def test_a_block_is_decoded(part, block):
    decoded = WIRE.decode(whole([block]), QUIRKS)
    assert decoded.message == AssistantMessage(part)
    assert [getattr(found, "extra", None) for found in decoded.message.content] == [getattr(part, "extra", None)]


def whole(content, **fields):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


def b64(data):
    return base64.b64encode(data).decode()


# What only goes out.
SENT = {
    "picture": (
        Image(data=PNG),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": b64(PNG)}},
    ),
    "picture elsewhere": (
        Image(url="https://example.com/a.png"),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ),
    "picture on file": (Image(file_id="file_1"), {"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
    "PDF": (
        Document(data=PDF, name="a.pdf", context="old", citations=True, cache="1h"),
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            "title": "a.pdf",
            "context": "old",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
    ),
    "PDF elsewhere": (
        Document(url="https://example.com/a.pdf"),
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
    ),
    "text document": (
        Document(data="Grüße".encode(), media_type="text/plain"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
    ),
    "markdown": (
        Document(data=b"# a", media_type="text/markdown"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "# a"}},
    ),
    "cached text": (
        Text("a", cache="5m"),
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}},
    ),
    "refusal": (Refusal("no"), {"type": "text", "text": "no"}),
}


@pytest.mark.parametrize(("part", "block"), SENT.values(), ids=SENT.keys())
def test_a_part_is_sent(part, block):
    role = AssistantMessage if isinstance(part, Refusal) else UserMessage
    body = encoded([UserMessage("a"), role(part), UserMessage("b")])
    assert body["messages"][1]["content"] == [block]


RESULTS = {
    "text": (ToolResult("t1", "look", "sunny"), {"content": [{"type": "text", "text": "sunny"}]}),
    "nothing": (ToolResult("t1"), {}),
    "error": (
        ToolResult("t1", "look", "no", is_error=True),
        {"content": [{"type": "text", "text": "no"}], "is_error": True},
    ),
    "picture, cached": (
        ToolResult("t1", "look", [Image(url="https://x.example/a")], cache="5m"),
        {
            "content": [{"type": "image", "source": {"type": "url", "url": "https://x.example/a"}}],
            "cache_control": {"type": "ephemeral", "ttl": "5m"},
        },
    ),
}


@pytest.mark.parametrize(("part", "fields"), RESULTS.values(), ids=RESULTS.keys())
def test_results_stand_first_in_their_turn(part, fields):
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(["so?", part])])
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", **fields},
        {"type": "text", "text": "so?"},
    ]


LEFT_OUT = {
    "blank text": Text(" \n"),
    "unsigned thinking": Thinking("hm", wire=NAME),
    "thinking of another": Thinking("hm", "sig", wire="openai-responses"),
    "thinking of nobody": Thinking("hm", "sig"),
}


@pytest.mark.parametrize("part", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_the_provider_would_refuse_back_is_left_out(part):
    body = encoded([UserMessage("q"), AssistantMessage([part, "a"]), UserMessage("b")])
    assert body["messages"][1]["content"] == [{"type": "text", "text": "a"}]
    body = encoded([UserMessage("q"), AssistantMessage(part), UserMessage("b")])
    assert [message["role"] for message in body["messages"]] == ["user", "user"]


REFUSED = {
    "sound": (Audio(data=b"RIFF\x04\0\0\0WAVEfmt "), "prompt[0].content[0]"),
    "film": (Video(url="https://example.com/a.mp4"), "prompt[0].content[0]"),
    "BMP": (Image(data=b"BM" + b"\0" * 60, media_type="image/bmp"), "prompt[0].content[0]"),
    "spreadsheet": (
        Document(data=b"PK\x03\x04", media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "prompt[0].content[0]",
    ),
    "text that is no UTF-8": (Document(data=b"\xff\xfea\0", media_type="text/plain"), "prompt[0].content[0]"),
    "file of another": (Image(file_id="x", extra={"gemini-generate": {}}), "prompt[0].content[0].file_id"),
    "block of another": (Opaque("openai-chat", {"type": "x"}), "prompt[0].content[0]"),
}


@pytest.mark.parametrize(("part", "path"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_wire_cannot_express(part, path):
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded([UserMessage([part, "a"])])
    assert caught.value.path == path
    left_out = []
    request = resolve([UserMessage([part, "a"])], {}, {}, "claude-x")
    call = WIRE.encode(request, QUIRKS, lambda path, why: left_out.append(path), False)
    assert left_out == [path]
    assert json.loads(call.body)["messages"][0]["content"] == [{"type": "text", "text": "a"}]


TOOL = Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}})
TOOL_JSON = {
    "name": "look",
    "description": "Looks.",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}

OPTIONS = {
    "none": ({}, {"max_tokens": 4096}),
    "sampling": (
        {"temperature": 0.5, "top_p": 1, "top_k": 5, "max_tokens": 10},
        {"temperature": 0.5, "top_p": 1, "top_k": 5, "max_tokens": 10},
    ),
    "zero is a value": ({"temperature": 0}, {"temperature": 0, "max_tokens": 4096}),
    "one stop": ({"stop": "END"}, {"stop_sequences": ["END"], "max_tokens": 4096}),
    "stops": ({"stop": ["A", "B"]}, {"stop_sequences": ["A", "B"], "max_tokens": 4096}),
    "system": ({"system": "be brief"}, {"system": [{"type": "text", "text": "be brief"}], "max_tokens": 4096}),
    "system, cached": (
        {"system": [Text("a", cache="1h"), "b"]},
        {
            "system": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": "b"},
            ],
            "max_tokens": 4096,
        },
    ),
    "cache": ({"cache": "5m"}, {"cache_control": {"type": "ephemeral", "ttl": "5m"}, "max_tokens": 4096}),
    "metadata and tier": (
        {"metadata": {"user_id": "u"}, "service_tier": "auto"},
        {"metadata": {"user_id": "u"}, "service_tier": "auto", "max_tokens": 4096},
    ),
    "tools": (
        {"tools": [TOOL, Tool("b", strict=True, cache="5m"), ServerTool(SEARCH, cache="1h")]},
        {
            "tools": [
                TOOL_JSON,
                {
                    "name": "b",
                    "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
                    "strict": True,
                    "cache_control": {"type": "ephemeral", "ttl": "5m"},
                },
                {**SEARCH, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ],
            "max_tokens": 4096,
        },
    ),
    "adaptive": (
        {"reasoning": "high"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "max_tokens": 4096},
    ),
    "least effort": (
        {"reasoning": "minimal"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "max_tokens": 4096},
    ),
    "no reasoning": ({"reasoning": "none"}, {"thinking": {"type": "disabled"}, "max_tokens": 4096}),
    "a budget": (
        {"reasoning": 2000, "max_tokens": 500},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2500},
    ),
    "extra body": (
        {"extra_body": {"container": "c", "max_tokens": 7, "thinking": {"display": "omitted"}}, "reasoning": "low"},
        {
            "container": "c",
            "max_tokens": 7,
            "thinking": {"type": "adaptive", "display": "omitted"},
            "output_config": {"effort": "low"},
        },
    ),
}


@pytest.mark.parametrize(("options", "fields"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options(options, fields):
    assert encoded("hi", **options) == {
        "model": "claude-x",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        **fields,
    }


CHOICES = {
    "auto": ({"tool_choice": "auto"}, {"type": "auto"}),
    "required": ({"tool_choice": "required"}, {"type": "any"}),
    "none": ({"tool_choice": "none"}, {"type": "none"}),
    "one": ({"tool_choice": "look"}, {"type": "tool", "name": "look"}),
    "not parallel": ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    "parallel": ({"parallel_tool_calls": True}, None),
    "one, not parallel": (
        {"tool_choice": "look", "parallel_tool_calls": False},
        {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    ),
    "none, not parallel": ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
}


@pytest.mark.parametrize(("options", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_tool_choice(options, expected):
    assert encoded("hi", tools=[TOOL], **options).get("tool_choice") == expected


def test_no_choice_without_tools():
    assert "tool_choice" not in encoded("hi", tool_choice="none", parallel_tool_calls=False)


def test_output_format():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    request = resolve("hi", {"reasoning": "low"}, {"output_schema": schema}, "claude-x")
    body = json.loads(WIRE.encode(request, QUIRKS, refuse, False).body)
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}


def test_stream_is_asked_for():
    assert encoded("hi", stream=True)["stream"] is True
    assert "stream" not in encoded("hi")


OUT_OF_BOUNDS = {
    "temperature": ({"temperature": 1.5}, "temperature: expected a number from 0 to 1"),
    "small budget": ({"reasoning": 100}, "reasoning: expected a budget of at least 1024"),
    "name of a tool": ({"tools": [TOOL, Tool("what's up?")]}, "tools[1].name: expected up to 128"),
    "slash": ({"model": "anthropic/claude"}, "model: this host's names have no slash"),
}


@pytest.mark.parametrize(("options", "message"), OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS.keys())
def test_out_of_this_wires_bounds(options, message):
    with pytest.raises(ConfigurationError) as caught:
        encoded("hi", **options)
    assert str(caught.value).startswith(message)


def test_metadata_that_has_no_place():
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded("hi", metadata={"user_id": "u", "team": "x"})
    assert caught.value.path == "metadata.team"


FACTS = AnthropicMessagesQuirks(
    models={
        "claude-big": ModelFacts(100_000, efforts=("low", "medium", "high", "max")),
        "claude-old": ModelFacts(20_000, "budget"),
        "claude-dull": ModelFacts(8192, None),
    }
)
LIMITS = {
    "the model's maximum": ("claude-big", {}, 100_000, None, None),
    "whatever its date": ("claude-big-20260101", {}, 100_000, None, None),
    "the latest": ("claude-big-latest", {}, 100_000, None, None),
    "another model of that family": ("claude-big-2", {}, 4096, None, None),
    "given": ("claude-big", {"max_tokens": 5}, 5, None, None),
    "an effort it lacks": ("claude-big", {"reasoning": "xhigh"}, 100_000, {"type": "adaptive"}, "high"),
    "a level as budget": (
        "claude-old",
        {"reasoning": "medium", "max_tokens": 100},
        8292,
        {"type": "enabled", "budget_tokens": 8192},
        None,
    ),
    "a level too high": (
        "claude-old",
        {"reasoning": "max"},
        20_000,
        {"type": "enabled", "budget_tokens": 15_904},
        None,
    ),
    "a budget, capped": (
        "claude-old",
        {"reasoning": 19_000, "max_tokens": 5000},
        20_000,
        {"type": "enabled", "budget_tokens": 19_000},
        None,
    ),
    "none where there is none": ("claude-dull", {"reasoning": "none"}, 8192, None, None),
}


@pytest.mark.parametrize(("model", "options", "most", "thinking", "effort"), LIMITS.values(), ids=LIMITS.keys())
def test_limits_and_reasoning(model, options, most, thinking, effort):
    body = encoded("hi", FACTS, model=model, **options)
    assert body["max_tokens"] == most
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_budget_that_leaves_no_room():
    with pytest.raises(ConfigurationError, match="reasoning: a budget of 20000 leaves no room"):
        encoded("hi", FACTS, model="claude-old", reasoning=20_000)


def test_reasoning_where_there_is_none():
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded("hi", FACTS, model="claude-dull", reasoning="low")
    assert caught.value.path == "reasoning"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": "claude-big"}, True),
        ({"model": "claude-big", "max_tokens": 21_333}, False),
        ({"model": "claude-big", "max_tokens": 21_334}, True),
        ({"model": "claude-x"}, False),
        ({"model": "claude-x", "reasoning": 20_000, "max_tokens": 2000}, True),
        ({"model": "claude-x", "extra_body": {"max_tokens": 30_000}}, True),
    ],
)
def test_long_answers(options, expected):
    assert WIRE.long_answer(resolve("hi", options, {}, None), FACTS) is expected


def test_system_messages():
    messages = [SystemMessage("a"), UserMessage("q"), SystemMessage("b"), UserMessage("r")]
    body = encoded(messages, system="first")
    assert [block["text"] for block in body["system"]] == ["first", "a"]
    assert [message["role"] for message in body["messages"]] == ["user", "system", "user"]
    body = encoded(messages, AnthropicMessagesQuirks(system_turns=False), system="first")
    assert [block["text"] for block in body["system"]] == ["first", "a", "b"]
    assert [message["role"] for message in body["messages"]] == ["user", "user"]


def test_files_ask_for_their_beta():
    request = resolve([UserMessage([Image(file_id="file_1"), "a"])], {}, {}, "claude-x")
    assert WIRE.encode(request, QUIRKS, refuse, False).headers == {"anthropic-beta": "files-api-2025-04-14"}


def test_a_mark_in_a_prompt_is_no_mark():
    """Media are spliced into the body; nothing that a user writes is taken for the place of one."""
    text = "base64:00000000000000000000000000000000:0;"
    body = encoded([UserMessage([Image(data=PNG), Text(text), Image(data=PNG + b"1")])])
    sources = [block.get("source", {}).get("data") for block in body["messages"][0]["content"]]
    assert sources == [b64(PNG), None, b64(PNG + b"1")]
    assert body["messages"][0]["content"][1]["text"] == text


def test_count_has_only_what_counts():
    request = resolve("hi", {"tools": [TOOL], "system": "s", "temperature": 1, "reasoning": "low"}, {}, "claude-x")
    call = WIRE.encode_count(request, QUIRKS, refuse)
    assert call.path == "/messages/count_tokens"
    assert set(json.loads(call.body)) == {"model", "messages", "system", "tools", "thinking", "output_config"}
    assert WIRE.decode_count({"input_tokens": 7}) == 7


USAGE = {
    "plain": ({"input_tokens": 3, "output_tokens": 5}, Usage(3, 5)),
    "cached": (
        {
            "input_tokens": 3,
            "output_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 2},
        },
        Usage(123, 5, 100, 20, 2),
    ),
    "only by time": (
        {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
        Usage(6, 0, 0, 5),
    ),
    "nulls": ({"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": None}, Usage(3, 5)),
    "absurd": ({"input_tokens": "many", "output_tokens": -1}, Usage()),
    "none": (None, Usage()),
}


@pytest.mark.parametrize(("raw", "expected"), USAGE.values(), ids=USAGE.keys())
def test_usage(raw, expected):
    found = WIRE.decode(whole([], usage=raw), QUIRKS).usage
    assert found == expected
    assert found.raw == raw


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "compaction": "pause",
    "refusal": "refusal",
    "boredom": "other",
    None: "other",
}


@pytest.mark.parametrize(("raw", "reason"), REASONS.items())
def test_finish_reason(raw, reason):
    decoded = WIRE.decode(whole([], stop_reason=raw, stop_sequence="END"), QUIRKS)
    assert decoded.finish_reason == FinishReason(reason, raw, "END")


CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RAN = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
# Blocks, the provider's word → why it ended.
TURNS = {
    "a call": ([CALL], "tool_use", "tool_calls"),
    "a call, called the end of the turn": ([{"type": "text", "text": "a"}, CALL], "end_turn", "tool_calls"),
    "a call, called a stop string": ([CALL], "stop_sequence", "tool_calls"),
    "a call, cut off": ([CALL], "max_tokens", "length"),
    "a call, refused": ([CALL], "refusal", "refusal"),
    "a call, paused": ([CALL], "pause_turn", "pause"),
    "a call, and a word of tomorrow": ([CALL], "boredom", "other"),
    "a call that the provider ran": ([RAN], "end_turn", "stop"),
}


@pytest.mark.parametrize(("blocks", "raw", "reason"), TURNS.values(), ids=TURNS.keys())
def test_a_turn_that_holds_calls(blocks, raw, reason):
    """The same whole and streamed."""
    expected = FinishReason(reason, raw, "END" if raw == "stop_sequence" else None)
    body = whole(blocks, stop_reason=raw, stop_sequence=expected.stop_sequence)
    assert WIRE.decode(body, QUIRKS).finish_reason == expected
    decoder = WIRE.decoder(QUIRKS)
    ended = {"stop_reason": raw, "stop_sequence": expected.stop_sequence}
    events = [event for index, block in enumerate(blocks) for event in (begin(index, **block), stop(index))]
    for data in [START, *events, {"type": "message_delta", "delta": ended}, {"type": "message_stop"}]:
        decoder.feed(sse(data))
    assert decoder.close()[1] == expected


NOT_ANSWERS = {
    "null": (None, "$"),
    "list": ([], "$"),
    "no content": ({"id": "x"}, "$.content"),
    "content that is text": (whole("hi"), "$.content"),
    "block that is text": (whole(["hi"]), "$.content[0]"),
    "block without a kind": (whole([{"text": "hi"}]), "$.content[0].type"),
    "text that is none": (whole([{"type": "text", "text": 3}]), "$.content[0].text"),
    "citations that are none": (whole([{"type": "text", "text": "", "citations": "x"}]), "$.content[0].citations"),
    "call without id": (whole([{"type": "tool_use", "name": "x", "input": {}}]), "$.content[0].id"),
    "thinking without": (whole([{"type": "text", "text": ""}, {"type": "thinking"}]), "$.content[1].thinking"),
    "redacted without": (whole([{"type": "redacted_thinking"}]), "$.content[0].data"),
}


@pytest.mark.parametrize(("body", "path"), NOT_ANSWERS.values(), ids=NOT_ANSWERS.keys())
def test_what_is_no_answer(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.path == path
    assert str(caught.value).endswith(f"@ {path}")


def test_arguments_that_are_no_object():
    decoded = WIRE.decode(whole([{"type": "tool_use", "id": "t", "name": "n", "input": "{oops"}]), QUIRKS)
    assert decoded.message.content == (ToolCall("t", "n"),)
    assert decoded.message.content[0].raw == "{oops"
    decoded = WIRE.decode(whole([{"type": "tool_use", "id": "t", "name": "n", "input": [1]}]), QUIRKS)
    assert decoded.message.content[0].raw == "[1]"


def test_what_tomorrow_adds_to_a_block_goes_back():
    block = {"type": "text", "text": "a", "tone": {"x": 1}, "nothing": None}
    message = WIRE.decode(whole([block]), QUIRKS).message
    assert encoded([UserMessage("q"), message, UserMessage("r")])["messages"][1]["content"] == [
        {"type": "text", "text": "a", "tone": {"x": 1}}
    ]


def test_file_id_of_a_citation_does_not_go_back():
    block = {"type": "text", "text": "a", "citations": [{**LOCATION, "file_id": "f"}]}
    message = WIRE.decode(whole([block]), QUIRKS).message
    sent = encoded([UserMessage("q"), message, UserMessage("r")])["messages"][1]["content"]
    assert sent == [{"type": "text", "text": "a", "citations": [LOCATION]}]


# What other wires tell of sources: in their own fields, which this one refuses.
CITED = {
    "link of Responses": {
        "type": "url_citation",
        "url": "https://e.com",
        "title": "E",
        "start_index": 0,
        "end_index": 1,
    },
    "file of Responses": {"type": "file_citation", "file_id": "f", "filename": "a", "index": 0},
    "link of Chat": {"type": "url_citation", "url_citation": {"url": "https://e.com", "title": "E"}},
    "page of Gemini": {"groundingChunk": {"web": {"uri": "https://e.com"}}},
    "recitation of Gemini": {"uri": "https://e.com"},
    "a type that is none": {"type": 7},
}


@pytest.mark.parametrize("raw", CITED.values(), ids=CITED.keys())
def test_sources_of_another_wire_are_left_out(raw):
    said = AssistantMessage(Text("a", [Citation(raw=raw), Citation("Paris", raw=LOCATION)]))
    sent = encoded([UserMessage("q"), said, UserMessage("r")])["messages"][1]["content"]
    assert sent == [{"type": "text", "text": "a", "citations": [LOCATION]}]
    said = AssistantMessage(Text("a", [Citation(raw=raw)]))
    sent = encoded([UserMessage("q"), said, UserMessage("r")])["messages"][1]["content"]
    assert sent == [{"type": "text", "text": "a"}]


def test_media_stand_in_no_answer():
    """The provider takes them from the user only, and from tools."""
    said = AssistantMessage(["a", Image(data=PNG), Document(data=PDF), "b"])
    for index, part in enumerate(said.content[1:3], 1):
        with pytest.raises(UnsupportedOptionError) as caught:
            encoded([UserMessage("q"), AssistantMessage(["a"] * index + [part]), UserMessage("r")])
        assert caught.value.path == f"prompt[1].content[{index}]"
    request = resolve([UserMessage("q"), said, UserMessage("r")], {}, {}, "claude-sonnet-5")
    left_out = []
    call = WIRE.encode(request, QUIRKS, lambda path, why: left_out.append(path), False)
    assert left_out == ["prompt[1].content[1]", "prompt[1].content[2]"]
    assert json.loads(call.body)["messages"][1]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]


# Streams.

START = {
    "type": "message_start",
    "message": {**whole([]), "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}},
}
END = [
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 5, "input_tokens": None},
    },
    {"type": "message_stop"},
]


def begin(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, **fields):
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index):
    return {"type": "content_block_stop", "index": index}


STREAMS = {
    "text": (
        [
            begin(0, type="text", text=""),
            delta(0, type="text_delta", text="He"),
            delta(0, type="text_delta", text="y"),
            stop(0),
        ],
        [TextDelta("He"), TextDelta("y"), Text("Hey")],
    ),
    "text that begins with its block": (
        [begin(0, type="text", text="He"), delta(0, type="text_delta", text="y"), stop(0)],
        [TextDelta("He"), TextDelta("y"), Text("Hey")],
    ),
    "empty deltas say nothing": (
        [begin(0, type="text", text=""), delta(0, type="text_delta", text=""), stop(0)],
        [Text("")],
    ),
    "pings": (
        [{"type": "ping"}, begin(0, type="text", text="a"), {"type": "ping"}, stop(0), {"type": "tomorrow"}],
        [TextDelta("a"), Text("a")],
    ),
    "citation": (
        [
            begin(0, type="text", text="", citations=[]),
            delta(0, type="citations_delta", citation=LOCATION),
            delta(0, type="text_delta", text="Hi"),
            stop(0),
        ],
        [TextDelta("Hi"), BLOCKS["text with a citation"][0]],
    ),
    "thinking": (
        [
            begin(0, type="thinking", thinking="", signature=""),
            delta(0, type="thinking_delta", thinking="hm"),
            delta(0, type="signature_delta", signature="sig"),
            stop(0),
            begin(1, type="redacted_thinking", data="xyz"),
            stop(1),
        ],
        [ThinkingDelta("hm"), Thinking("hm", "sig", wire=NAME), Thinking("", redacted="xyz", wire=NAME)],
    ),
    "call": (
        [
            begin(0, type="tool_use", id="t1", name="look", input={}),
            delta(0, type="input_json_delta", partial_json=""),
            delta(0, type="input_json_delta", partial_json='{"at"'),
            delta(0, type="input_json_delta", partial_json=': "x"}'),
            stop(0),
        ],
        [
            ToolCallDelta(0, "t1", "look", ""),
            ToolCallDelta(0, "t1", "look", '{"at"'),
            ToolCallDelta(0, "t1", "look", ': "x"}'),
            ToolCall("t1", "look", {"at": "x"}),
        ],
    ),
    "call all at once": (
        [begin(0, type="tool_use", id="t1", name="look", input={"at": "x"}), stop(0)],
        [
            ToolCallDelta(0, "t1", "look", ""),
            ToolCallDelta(0, "t1", "look", '{"at":"x"}'),
            ToolCall("t1", "look", {"at": "x"}),
        ],
    ),
    "call without arguments": (
        [begin(0, type="tool_use", id="t1", name="look", input={}), stop(0)],
        [ToolCallDelta(0, "t1", "look", ""), ToolCallDelta(0, "t1", "look", "{}"), ToolCall("t1", "look")],
    ),
    "call cut off by the limit": (
        [
            begin(0, type="tool_use", id="t1", name="look", input={}),
            delta(0, type="input_json_delta", partial_json='{"at'),
            stop(0),
        ],
        [
            ToolCallDelta(0, "t1", "look", ""),
            ToolCallDelta(0, "t1", "look", '{"at'),
            ToolCall("t1", "look", raw='{"at'),
        ],
    ),
    "calls are counted from 0": (
        [
            begin(0, type="text", text="a"),
            stop(0),
            begin(1, type="tool_use", id="t1", name="look", input={}),
            stop(1),
            begin(2, type="tool_use", id="t2", name="look", input={}),
            stop(2),
        ],
        [
            TextDelta("a"),
            Text("a"),
            ToolCallDelta(0, "t1", "look", ""),
            ToolCallDelta(0, "t1", "look", "{}"),
            ToolCall("t1", "look"),
            ToolCallDelta(1, "t2", "look", ""),
            ToolCallDelta(1, "t2", "look", "{}"),
            ToolCall("t2", "look"),
        ],
    ),
    "server-side call": (
        [
            begin(0, type="server_tool_use", id="s1", name="web_search", input={}),
            delta(0, type="input_json_delta", partial_json='{"query": "q"}'),
            stop(0),
        ],
        [Opaque(NAME, SERVER_CALL)],
    ),
    "delta of tomorrow sets": (
        [
            begin(0, type="compaction", content=None),
            delta(0, type="compaction_delta", content="short", encrypted_content="e"),
            stop(0),
        ],
        [Opaque(NAME, {"type": "compaction", "content": "short", "encrypted_content": "e"})],
    ),
    "blocks that overlap keep their order": (
        [
            begin(0, type="text", text="a"),
            begin(1, type="text", text="b"),
            stop(1),
            delta(0, type="text_delta", text="c"),
            stop(0),
        ],
        [TextDelta("a"), TextDelta("c"), Text("ac"), TextDelta("b"), Text("b")],
    ),
    "index used again": (
        [begin(0, type="text", text="a"), stop(0), begin(0, type="text", text="b"), stop(0)],
        [TextDelta("a"), Text("a"), TextDelta("b"), Text("b")],
    ),
    "index used again without a stop": (
        [begin(0, type="text", text="a"), begin(0, type="text", text="b"), stop(0)],
        [TextDelta("a"), Text("a"), TextDelta("b"), Text("b")],
    ),
    "no stop of the last block": ([begin(0, type="text", text="a")], [TextDelta("a"), Text("a")]),
    "a stop too many": ([begin(0, type="text", text="a"), stop(0), stop(0), stop(7)], [TextDelta("a"), Text("a")]),
    "nothing": ([], []),
}
each_stream = pytest.mark.parametrize(("events", "expected"), STREAMS.values(), ids=STREAMS.keys())


@each_stream
def test_stream(events, expected):
    decoder, content, found = WIRE.decoder(QUIRKS), Accumulator(), []
    for data in [START, *events, *END]:
        assert not decoder.ended
        found += decoder.feed(sse(data)) or ()
    assert decoder.ended
    assert decoder.whole
    parts, reason, usage = decoder.close()
    found += parts
    assert found == expected
    ended = "tool_calls" if any(isinstance(event, ToolCall) for event in expected) else "stop"
    assert (reason, usage) == (FinishReason(ended, "end_turn"), Usage(3, 5))
    assert (decoder.id, decoder.model) == ("msg_1", "claude-x")
    content.add(found)
    assert content.message() == AssistantMessage(
        [event for event in expected if not isinstance(event, (TextDelta, ThinkingDelta, ToolCallDelta))]
    )


@each_stream
def test_a_cut_stream_is_never_whole(events, expected):
    """Wherever it ends before `message_stop`."""
    every = [START, *events, *END]
    for length in range(len(every)):
        decoder = WIRE.decoder(QUIRKS)
        for data in every[:length]:
            decoder.feed(sse(data))
        with pytest.raises(IncompleteStreamError, match="message_stop"):
            decoder.close()


def test_what_says_nothing_is_told_apart():
    """So that pings for ever do not count as progress."""
    decoder = WIRE.decoder(QUIRKS)
    assert decoder.feed(sse({"type": "ping"})) is None
    assert decoder.feed(sse({"type": "tomorrow"})) is None
    assert decoder.feed(sse(START)) is not None


def test_what_is_held_back_is_pending():
    """A block that is not first is handed out later; what has come of it is part of what was received."""
    decoder = WIRE.decoder(QUIRKS)
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    for data in [START, begin(0, type="text", text="a"), begin(1, type="text", text="b"), begin(2, **result), stop(2)]:
        decoder.feed(sse(data))
    assert decoder.pending() == [TextDelta("b"), Opaque(NAME, result)]


def test_what_says_nothing_new_is_no_progress():
    decoder = WIRE.decoder(QUIRKS)
    assert decoder.feed(sse(START)) is not None
    assert decoder.feed(sse(START)) is None
    decoder.feed(sse(begin(0, type="text", text="")))
    assert decoder.feed(sse(delta(0, type="text_delta", text=""))) is None


def test_an_error_that_is_not_called_one():
    with pytest.raises(ErrorEvent):
        WIRE.decoder(QUIRKS).feed(ServerSentEvent("message", '{"error": {"message": "busy", "code": 529}}'))


def test_the_deltas_counts_win():
    decoder = WIRE.decoder(QUIRKS)
    decoder.feed(
        sse({"type": "message_start", "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": 7}}})
    )
    assert decoder.usage() == Usage(10, 0, 7)
    decoder.feed(sse({"type": "message_delta", "delta": {}, "usage": {"input_tokens": 4, "output_tokens": 2}}))
    decoder.feed(sse({"type": "message_delta", "delta": {}, "usage": {"input_tokens": None, "output_tokens": 9}}))
    assert decoder.usage() == Usage(11, 9, 7)


def test_the_envelope_is_that_of_the_whole_body():
    decoder = WIRE.decoder(QUIRKS)
    body = whole(
        [{"type": "text", "text": "a"}],
        stop_details=None,
        container={"id": "c"},
        context_management={"applied_edits": []},
    )
    start = {key: value for key, value in body.items() if key not in ("container", "context_management")}
    for data in [
        {"type": "message_start", "message": {**start, "content": [], "stop_reason": None}},
        begin(0, type="text", text="a"),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "container": {"id": "c"}},
            "context_management": {"applied_edits": []},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]:
        decoder.feed(sse(data))
    decoder.close()
    assert {**decoder.envelope, "content": body["content"]} == body


ERROR_EVENTS = {
    "named": ServerSentEvent("error", '{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'),
    "unnamed": ServerSentEvent("message", '{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'),
    "no JSON": ServerSentEvent("error", "busy"),
}


@pytest.mark.parametrize("event", ERROR_EVENTS.values(), ids=ERROR_EVENTS.keys())
def test_error_events(event):
    with pytest.raises(ErrorEvent) as caught:
        WIRE.decoder(QUIRKS).feed(event)
    assert "busy" in str(caught.value.body)


NOT_EVENTS = {
    "no JSON": ServerSentEvent("content_block_delta", "{oops"),
    "a list": ServerSentEvent("x", "[]"),
    "delta of no block": sse(delta(3, type="text_delta", text="a")),
    "delta without delta": sse({"type": "content_block_delta", "index": 0}),
    "block without block": sse({"type": "content_block_start", "index": 0}),
    "block without index": sse({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
    "text that is none": sse(delta(0, type="text_delta", text=None)),
    "start without message": sse({"type": "message_start"}),
}


@pytest.mark.parametrize("event", NOT_EVENTS.values(), ids=NOT_EVENTS.keys())
def test_what_is_no_event(event):
    decoder = WIRE.decoder(QUIRKS)
    if "None" in str(event) or "null" in event.data:
        decoder.feed(sse(begin(0, type="text", text="")))
    with pytest.raises(InvalidResponseError):
        decoder.feed(event)


ERRORS = {
    "overloaded": (529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "r"}, 529, "overloaded_error", "busy"),
    "too long": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 5 > 3"}}, 400, "context_length_exceeded", None),
    "too long, in a stream": (200, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 5 > 3"}}, 400, "context_length_exceeded", None),
    "words of a prompt elsewhere": (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "context window"}}, 429, "rate_limit_error", None),
    "billing": (402, {"type": "error", "error": {"type": "billing_error", "message": "pay"}}, 402, "billing_error", "pay"),
    "kind of tomorrow": (400, {"type": "error", "error": {"type": "odd_error", "message": "m"}}, None, "odd_error", "m"),
    "FastAPI": (422, {"detail": "no"}, None, None, "no"),
    "error that is text": (500, {"error": "broken"}, None, None, "broken"),
    "number as code": (500, {"error": {"message": "m", "code": 503}}, 503, "503", "m"),
    "number in text as code": (500, {"error": {"message": "m", "code": "503"}}, 503, "503", "m"),
    "HTML": (502, "<html>Bad gateway</html>", None, None, "<html>Bad gateway</html>"),
    "empty": (500, "", None, None, ""),
    "list": (500, [1], None, None, ""),
    "null": (500, None, None, None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("status", "body", "implied", "code", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_error_bodies(status, body, implied, code, message):
    details = WIRE.error(status, body)
    assert (details.status, details.code) == (implied, code)
    if message is not None:
        assert details.message == message
    if details.cls is not None:
        assert issubclass(details.cls, APIError)


def test_models():
    page = WIRE.decode_models(
        {
            "data": [
                {
                    "type": "model",
                    "id": "claude-x",
                    "display_name": "X",
                    "created_at": "2026-01-02T03:04:05Z",
                    "max_input_tokens": 1000,
                    "max_tokens": 100,
                    "capabilities": {"image_input": {"supported": True}, "batch": {"supported": False}, "effort": None},
                },
                {"type": "model", "id": "claude-y", "created_at": "yesterday"},
                {"type": "model", "id": "claude-z", "created_at": "1970-01-01T00:00:00Z"},
            ],
            "has_more": True,
            "last_id": "claude-y",
        }
    )
    one, other, undated = page.models
    assert (one.id, one.display_name, one.context_window, one.max_output) == ("claude-x", "X", 1000, 100)
    assert one.created.isoformat() == "2026-01-02T03:04:05+00:00"
    assert one.capabilities == {"image_input"}
    assert (other.display_name, other.created, other.max_output) == ("", None, None)
    assert (undated.id, undated.created) == ("claude-z", None), "the epoch stands for a date that is not known"
    assert page.following == {"after_id": "claude-y"}
    assert WIRE.encode_models(page.following, QUIRKS).query == {"limit": "1000", "after_id": "claude-y"}
    assert WIRE.decode_models({"data": [], "has_more": True}).following is None


def test_the_rows_models_are_known_with_and_without_date():
    quirks = next(row for row in rows() if row.name == "anthropic").quirks
    assert quirks.facts("claude-opus-4-5-20251101") == quirks.facts("claude-opus-4-5") == ModelFacts(64_000, "budget")
    assert quirks.facts("claude-sonnet-4-20250514").max_output == 64_000
    assert quirks.facts("claude-sonnet-4-6").reasoning == "adaptive"
    assert quirks.facts("claude-from-tomorrow") == ModelFacts()


def test_a_wire_pickles_by_name():
    import pickle

    assert pickle.loads(pickle.dumps(WIRE)) is WIRE
    with pytest.raises(ConfigurationError, match="wire: expected anthropic-messages"):
        wire("x")


def test_media_that_are_none():
    with pytest.raises(MediaError):
        Image(data=b"no picture")
