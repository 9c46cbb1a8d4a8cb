"""The wire `openai-chat`: one table of (typed, JSON) drives encode and decode; then what only one of them has."""

import base64
import json

import pytest

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    FinishReason,
    Image,
    InvalidResponseError,
    Opaque,
    Refusal,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedOptionError,
    Usage,
    UserMessage,
    Video,
)
from llmkit.history import typed
from llmkit.resolve import resolve
from llmkit.wire import wire
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "openai-chat"
WIRE = wire(NAME)
QUIRKS = OpenAIChatQuirks()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
WAV = b"RIFF\x04\0\0\0WAVEfmt "
PDF = b"%PDF-1.7 ..."
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def b64(data):
    return base64.b64encode(data).decode()


PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}}
PAGE = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 2, "url": "https://example.com", "title": "T"},
}
READ = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": []}}
SUMMARY = {"type": "reasoning.summary", "summary": "hm", "format": "f", "index": 0}
SECRET = {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "index": 0}


def refuse(path, why):
    raise UnsupportedOptionError(f"{path}: {why}", path=path)


def encoded(prompt, quirks=QUIRKS, *, stream=False, **options):
    call = WIRE.encode(resolve(prompt, options, {}, "gpt-x"), quirks, refuse, stream)
    return json.loads(call.body)


def function(arguments="{}", **fields):
    return {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}, **fields}


def whole(message, finish_reason="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-x", "choices": [choice], **fields}


# What the provider sends and takes back: parts ⇄ message.
MESSAGES = {
    "text": (Text("Hi"), {"content": "Hi"}),
    "a call": (
        ToolCall("c1", "look", {"at": "x", "n": 1}),
        {"content": None, "tool_calls": [function('{"at":"x","n":1}')]},
    ),
    "a call in the provider's own spelling": (
        ToolCall("c1", "look", {"at": "x"}, extra={NAME: {"arguments": '{ "at": "x" }'}}),
        {"content": None, "tool_calls": [function('{ "at": "x" }')]},
    ),
    "a call that was cut off": (
        ToolCall("c1", "look", raw='{"at": "x'),
        {"content": None, "tool_calls": [function('{"at": "x')]},
    ),
    "a call with more": (
        ToolCall("c1", "look", extra={NAME: {"extra_content": {"google": {"thought_signature": "s"}}}}),
        {"content": None, "tool_calls": [function(extra_content={"google": {"thought_signature": "s"}})]},
    ),
    "a custom call": (
        ToolCall("c1", "run", {"input": "ls"}, extra={NAME: {"type": "custom"}}),
        {"content": None, "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls"}}]},
    ),
    "text and calls": (
        [Text("Hi"), ToolCall("c1", "look"), ToolCall("c2", "look")],
        {"content": "Hi", "tool_calls": [function(), {**function(), "id": "c2"}]},
    ),
    "a refusal": (Refusal("no"), {"content": None, "refusal": "no"}),
    "thoughts": (
        [Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning_content"}}), Text("Hi")],
        {"content": "Hi", "reasoning_content": "hm"},
    ),
    "thoughts in the other field": (
        [Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning"}}), Text("Hi")],
        {"content": "Hi", "reasoning": "hm"},
    ),
    "thoughts alone": (
        Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning_content"}}),
        {"content": "", "reasoning_content": "hm"},
    ),
    "thoughts with details": (
        [
            Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning", "reasoning_details": [SUMMARY, SECRET]}}),
            Text("Hi"),
        ],
        {"content": "Hi", "reasoning": "hm", "reasoning_details": [SUMMARY, SECRET]},
    ),
    "details alone": (
        [
            Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning_details", "reasoning_details": [SUMMARY]}}),
            Text("Hi"),
        ],
        {"content": "Hi", "reasoning_details": [SUMMARY]},
    ),
    "thoughts in the content": (
        [Thinking("hm", wire=NAME, extra={NAME: {"field": "content", "closed": True}}), Text("Hi")],
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
                {"type": "text", "text": "Hi"},
            ]
        },
    ),
    "thoughts with a source in the content": (
        [
            Thinking(
                "hm",
                wire=NAME,
                extra={NAME: {"field": "content", "thinking": [{"type": "text", "text": "hm"}, {"type": "reference"}]}},
            ),
            Text("Hi"),
        ],
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "reference"}]},
                {"type": "text", "text": "Hi"},
            ]
        },
    ),
    "a block of another kind, in its place": (
        [Text("a"), Opaque(NAME, {"type": "reference", "reference_ids": [1]}), Text("b")],
        {
            "content": [
                {"type": "text", "text": "a"},
                {"type": "reference", "reference_ids": [1]},
                {"type": "text", "text": "b"},
            ]
        },
    ),
    "a picture": (
        [Text("Here"), Image(PNG, extra={NAME: {"field": "images", "index": 0}})],
        {"content": "Here", "images": [{**PICTURE, "index": 0}]},
    ),
    "a picture in the content": (
        [Text("Here"), Image(PNG, extra={NAME: {"field": "content"}})],
        {"content": [{"type": "text", "text": "Here"}, PICTURE]},
    ),
    "what was read in a file": (
        Text("Hi", extra={NAME: {"annotations": [READ]}}),
        {"content": "Hi", "annotations": [READ]},
    ),
}
each_message = pytest.mark.parametrize(("parts", "message"), MESSAGES.values(), ids=MESSAGES.keys())


@each_message
def test_a_message_is_encoded(parts, message):
    body = encoded([UserMessage("q"), AssistantMessage(parts), UserMessage("and?")])
    assert body["messages"][1] == {"role": "assistant", **message}


@each_message
def test_a_message_is_decoded(parts, message):
    found = WIRE.decode(whole(message), QUIRKS).message
    expected = AssistantMessage(parts)
    assert found == expected
    assert [getattr(part, "extra", None) for part in found.content] == [
        getattr(part, "extra", None) for part in expected.content
    ]


# What only comes in.
READ_ONLY = {
    "empty text": ({"content": ""}, ()),
    "null": ({"content": None, "refusal": None, "tool_calls": None, "annotations": None, "audio": None}, ()),
    "nothing": ({}, ()),
    "an object": ({"content": {"name": "Emily", "age": 32}}, (Text('{"name":"Emily","age":32}'),)),
    "text in pieces": ({"content": ["a", {"type": "text", "text": "b"}]}, (Text("ab"),)),
    "empty text in a list": ({"content": [{"type": "text", "text": ""}]}, ()),
    "a refusal in the content": (
        {"content": [{"type": "refusal", "refusal": "no"}, {"type": "refusal", "refusal": ""}]},
        (Refusal("no"),),
    ),
    "thoughts as text in the content": (
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "thinking", "thinking": ""}]},
        (Thinking("hm", wire=NAME),),
    ),
    "thoughts in both fields": (
        {"content": "a", "reasoning": "hm", "reasoning_content": "hm"},
        (Thinking("hm", wire=NAME), Text("a")),
    ),
    "details that nobody can read": (
        {"content": "a", "reasoning_details": [SECRET]},
        (Thinking("", wire=NAME), Text("a")),
    ),
    "sources": (
        {"content": "Hi", "annotations": [PAGE]},
        (Text("Hi", [Citation(url="https://example.com", title="T")]),),
    ),
    "flat sources": (
        {"content": "Hi", "annotations": [{"type": "url_citation", "url": "https://a.example"}]},
        (Text("Hi", [Citation(url="https://a.example")]),),
    ),
    "sources without text": ({"content": None, "annotations": [PAGE]}, ()),
    "a call without arguments": ({"tool_calls": [function(None)]}, (ToolCall("c1", "look"),)),
    "a call with empty arguments": ({"tool_calls": [function("")]}, (ToolCall("c1", "look"),)),
    "a call with an object": ({"tool_calls": [function({"a": 1})]}, (ToolCall("c1", "look", {"a": 1}),)),
    "a call with a list": ({"tool_calls": [function([1])]}, (ToolCall("c1", "look"),)),
    "a call without an id": ({"tool_calls": [function(id=None)]}, (ToolCall("call_0_chatcmpl-1", "look"),)),
    "a call with a number for an id": ({"tool_calls": [function(id=7)]}, (ToolCall("7", "look"),)),
    "a call without its type": (
        {"tool_calls": [{"id": "c1", "function": {"name": "look"}, "index": 3}]},
        (ToolCall("c1", "look"),),
    ),
    "the old call": (
        {"function_call": {"name": "look", "arguments": "{}"}},
        (ToolCall("call_0_chatcmpl-1", "look"),),
    ),
    "a picture elsewhere": (
        {"images": [{"type": "image_url", "image_url": "https://a.example/b.png"}]},
        (Image(url="https://a.example/b.png"),),
    ),
    "a picture of another type than declared": (
        {"images": [{"image_url": {"url": f"data:image/jpeg;base64,{b64(PNG)}"}}]},
        (Image(PNG, media_type="image/png"),),
    ),
    "a picture that is none": (
        {"images": [{"image_url": {"url": "data:image/png;base64,!"}}]},
        (Opaque(NAME, {"image_url": {"url": "data:image/png;base64,!"}}),),
    ),
    "a picture whose content tells nothing": (
        {"images": [{"image_url": {"url": f"data:image/x-new;base64,{b64(bytes(9))}"}}]},
        (Image(bytes(9), media_type="image/x-new"),),
    ),
    "a picture that is a text": (
        {"images": [{"image_url": {"url": f"data:text/plain;base64,{b64(b'words')}"}}]},
        (Opaque(NAME, {"image_url": {"url": f"data:text/plain;base64,{b64(b'words')}"}}),),
    ),
    "a picture without an address": ({"images": [{"image_url": {}}]}, (Opaque(NAME, {"image_url": {}}),)),
    "a sound": (
        {"audio": {"id": "audio_1", "data": b64(WAV), "transcript": "hello", "expires_at": 1}},
        (Audio(WAV, transcript="hello"),),
    ),
    "a sound without a header": (
        {"audio": {"id": "audio_1", "data": b64(b"\1\2\3\4"), "transcript": ""}},
        (Audio(b"\1\2\3\4", media_type="audio/pcm"),),
    ),
    "a broken sound": ({"audio": {"id": "audio_1", "data": "!"}}, (Audio(file_id="audio_1"),)),
    "a broken sound without an id": ({"audio": {"data": "!"}}, ()),
}


@pytest.mark.parametrize(("message", "parts"), READ_ONLY.values(), ids=READ_ONLY.keys())
def test_what_is_only_read(message, parts):
    assert WIRE.decode(whole(message), QUIRKS).message.content == parts


def test_arguments_that_are_no_object_are_kept():
    (call,) = WIRE.decode(whole({"tool_calls": [function("[1")]}), QUIRKS).message.content
    assert (call.arguments, call.raw) == ({}, "[1")


def test_sources_keep_the_providers_object():
    (text,) = WIRE.decode(whole({"content": "Hi", "annotations": [PAGE, READ]}), QUIRKS).message.content
    assert [item.raw for item in text.citations] == [PAGE]


RESULTS = [{"title": "A", "url": "https://a.example", "snippet": "words"}, {"title": "B", "url": ""}]


def test_sources_beside_the_choices():
    body = whole({"content": "Hi"}, search_results=RESULTS, citations=["https://a.example"])
    (text,) = WIRE.decode(body, QUIRKS).message.content
    assert text.citations == (Citation("words", "https://a.example", "A"), Citation(title="B"))
    (text,) = WIRE.decode(whole({"content": "Hi"}, citations=["https://a.example"]), QUIRKS).message.content
    assert text.citations == (Citation(url="https://a.example"),)


REASONS = {
    "stop": ({"content": "a"}, "stop", "stop"),
    "length": ({"content": "a"}, "length", "length"),
    "calls": ({"tool_calls": [function()]}, "tool_calls", "tool_calls"),
    "calls, but stop": ({"tool_calls": [function()]}, "stop", "tool_calls"),
    "calls, cut off": ({"tool_calls": [function("{")]}, "length", "length"),
    "the old call": ({"function_call": {"name": "f", "arguments": ""}}, "function_call", "tool_calls"),
    "filter": ({}, "content_filter", "content_filter"),
    "error": ({}, "error", "error"),
    "refusal": ({"refusal": "no"}, "stop", "refusal"),
    "refusal, filtered": ({"refusal": "no"}, "content_filter", "content_filter"),
    "eos": ({}, "eos", "stop"),
    "eos_token": ({}, "eos_token", "stop"),
    "end_turn": ({}, "end_turn", "stop"),
    "max_tokens": ({}, "max_tokens", "length"),
    "MAX_TOKENS": ({}, "MAX_TOKENS", "length"),
    "model_length": ({}, "model_length", "length"),
    "a word of tomorrow": ({}, "bored", "other"),
}


@pytest.mark.parametrize(("message", "raw", "reason"), REASONS.values(), ids=REASONS.keys())
def test_finish_reasons(message, raw, reason):
    assert WIRE.decode(whole(message, raw), QUIRKS).finish_reason == FinishReason(reason, raw)


@pytest.mark.parametrize("raw", ["", None])
def test_no_finish_reason(raw):
    assert WIRE.decode(whole({"content": "a"}, raw), QUIRKS).finish_reason == FinishReason("other")


def test_the_stop_string_that_was_met():
    body = whole({"content": "a"})
    body["choices"][0]["stop_reason"] = "END"
    assert WIRE.decode(body, QUIRKS).finish_reason == FinishReason("stop", "stop", "END")
    for told in (128009, "stop", None):
        body["choices"][0]["stop_reason"] = told
        assert WIRE.decode(body, QUIRKS).finish_reason == FinishReason("stop", "stop")


COUNTS = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
USAGES = {
    "plain": ({"usage": COUNTS}, Usage(20, 5)),
    "details": (
        {
            "usage": {
                **COUNTS,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            }
        },
        Usage(20, 5, 8, 4, 3),
    ),
    "cached_tokens": ({"usage": {**COUNTS, "cached_tokens": 8}}, Usage(20, 5, 8)),
    "num_cached_tokens": ({"usage": {**COUNTS, "num_cached_tokens": 8}}, Usage(20, 5, 8)),
    "hits": ({"usage": {**COUNTS, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 12}}, Usage(20, 5, 8)),
    "Anthropic's words": (
        {"usage": {**COUNTS, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2}},
        Usage(20, 5, 8, 2),
    ),
    "reasoning apart": (
        {"usage": {**COUNTS, "total_tokens": 35, "completion_tokens_details": {"reasoning_tokens": 10}}},
        Usage(20, 15, reasoning_tokens=10),
    ),
    "counts that do not add up": (
        {"usage": {**COUNTS, "total_tokens": 99, "completion_tokens_details": {"reasoning_tokens": 10}}},
        Usage(20, 5, reasoning_tokens=10),
    ),
    "nulls": (
        {"usage": {"prompt_tokens": None, "completion_tokens": 5, "prompt_tokens_details": None}},
        Usage(0, 5),
    ),
    "elsewhere": ({"usage": None, "x_groq": {"id": "r", "usage": COUNTS}}, Usage(20, 5)),
    "none": ({}, Usage()),
    "null": ({"usage": None}, Usage()),
}


@pytest.mark.parametrize(("fields", "usage"), USAGES.values(), ids=USAGES.keys())
def test_usage(fields, usage):
    found = WIRE.decode(whole({"content": "a"}, **fields), QUIRKS).usage
    assert found == usage
    assert found.raw == (fields.get("usage") or fields.get("x_groq", {}).get("usage"))


def test_usage_in_the_choice():
    body = whole({"content": "a"})
    body["choices"][0]["usage"] = COUNTS
    assert WIRE.decode(body, QUIRKS).usage == Usage(20, 5)


def test_logprobs():
    body = whole({"content": "a"})
    assert WIRE.decode(body, QUIRKS).logprobs is None
    body["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}], "refusal": None}
    assert WIRE.decode(body, QUIRKS).logprobs == [{"token": "a", "logprob": -0.1}]


def test_the_first_of_several_answers():
    body = whole({"content": "first"}, usage=COUNTS)
    body["choices"] = [{"index": 1, "message": {"content": "second"}}, *body["choices"]]
    decoded = WIRE.decode(body, QUIRKS)
    assert (decoded.id, decoded.model, decoded.message.text) == ("chatcmpl-1", "gpt-x", "first")
    assert decoded.raw == body
    body["choices"] = [{"message": {"content": "not numbered"}}]
    assert WIRE.decode(body, QUIRKS).message.text == "not numbered"


def test_a_choice_without_a_message():
    body = {"choices": [{"index": 0, "finish_reason": "content_filter"}]}
    decoded = WIRE.decode(body, QUIRKS)
    assert (decoded.message.content, decoded.id, decoded.model) == ((), "", "")
    assert decoded.finish_reason.reason == "content_filter"


INVALID = {
    "a list": ([], "$"),
    "nothing": ({}, "$.choices"),
    "no choice": ({"choices": []}, "$.choices[0]"),
    "choices that are none": ({"choices": {}}, "$.choices"),
    "a message that is none": ({"choices": [{"message": "x"}]}, "$.choices[0].message"),
    "content that is a number": (whole({"content": 1}), "$.choices[0].message.content"),
    "a block that is none": (whole({"content": [1]}), "$.choices[0].message.content[0]"),
    "text that is none": (whole({"content": [{"type": "text"}]}), "$.choices[0].message.content[0].text"),
    "calls that are none": (whole({"tool_calls": {}}), "$.choices[0].message.tool_calls"),
    "a call without a function": (whole({"tool_calls": [{"id": "c"}]}), "$.choices[0].message.tool_calls[0].function"),
    "a call without a name": (
        whole({"tool_calls": [{"id": "c", "function": {}}]}),
        "$.choices[0].message.tool_calls[0].function.name",
    ),
}


@pytest.mark.parametrize(("body", "path"), INVALID.values(), ids=INVALID.keys())
def test_no_answer(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.path == path


ERRORS = {
    "instead of choices": {"error": {"message": "m"}},
    "beside choices": {"choices": [], "error": {"message": "m"}},
    "in a choice": {"choices": [{"index": 0, "message": {"content": "a"}, "error": {"message": "m", "code": 502}}]},
    "a detail": {"detail": "overloaded"},
    "an object named error": {"object": "error", "message": "m", "code": 400},
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS.keys())
def test_an_error_in_a_200(body):
    with pytest.raises(ErrorEvent):
        WIRE.decode(body, QUIRKS)


# ---- what only goes out ----------------------------------------------------------------------------------------------

SENT = {
    "a picture": (Image(data=PNG, detail="low"), {**PICTURE, "image_url": {**PICTURE["image_url"], "detail": "low"}}),
    "a picture elsewhere": (
        Image(url="https://example.com/a.png"),
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ),
    "WAV": (Audio(WAV), {"type": "input_audio", "input_audio": {"data": b64(WAV), "format": "wav"}}),
    "MP3": (
        Audio(b"ID3\4\0\0\0\0\0\0", media_type="audio/mpeg"),
        {"type": "input_audio", "input_audio": {"data": b64(b"ID3\4\0\0\0\0\0\0"), "format": "mp3"}},
    ),
    "PDF": (
        Document(PDF, name="a.pdf"),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}},
    ),
    "PDF without a name": (
        Document(PDF),
        {"type": "file", "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}},
    ),
    "a letter": (
        Document(b"PK\3\4", media_type=DOCX),
        {
            "type": "file",
            "file": {"filename": "document", "file_data": f"data:{DOCX};base64,{b64(b'PK' + bytes([3, 4]))}"},
        },
    ),
    "a document on file": (Document(file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
    "a text document": (
        Document("Grüße".encode(), media_type="text/markdown", name="a.md"),
        {"type": "text", "text": "Grüße"},
    ),
    "JSON": (Document(b'{"a": 1}', media_type="application/json"), {"type": "text", "text": '{"a": 1}'}),
    "a mark for the cache": (
        Text("x", extra={NAME: {"prompt_cache_breakpoint": {"mode": "explicit"}}}),
        {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ),
    "a hint to cache where the host does": (Text("x", cache="5m"), {"type": "text", "text": "x"}),
    "a block of this wire": (Opaque(NAME, {"type": "x"}), {"type": "x"}),
}


@pytest.mark.parametrize(("part", "block"), SENT.values(), ids=SENT.keys())
def test_a_part_is_sent(part, block):
    body = encoded(UserMessage([part, "b"]))
    assert body["messages"] == [{"role": "user", "content": [block, {"type": "text", "text": "b"}]}]


def test_what_a_document_is_about():
    body = encoded(UserMessage(Document(PDF, name="a.pdf", context="old")))
    assert [block["type"] for block in body["messages"][0]["content"]] == ["text", "file"]
    assert body["messages"][0]["content"][0] == {"type": "text", "text": "old"}


ADDRESSES = OpenAIChatQuirks(url_parts={"video": "video_url", "audio": "audio_url", "document": "file"})
ELSEWHERE = {
    "a film": (
        ADDRESSES,
        Video(url="https://a.example/v"),
        {"type": "video_url", "video_url": {"url": "https://a.example/v"}},
    ),
    "a film's data": (
        ADDRESSES,
        Video(b"\x1a\x45\xdf\xa3", media_type="video/webm"),
        {"type": "video_url", "video_url": {"url": f"data:video/webm;base64,{b64(bytes.fromhex('1a45dfa3'))}"}},
    ),
    "a sound": (
        ADDRESSES,
        Audio(url="https://a.example/s"),
        {"type": "audio_url", "audio_url": {"url": "https://a.example/s"}},
    ),
    "a document": (
        ADDRESSES,
        Document(url="https://a.example/d.pdf", name="d.pdf"),
        {"type": "file", "file": {"filename": "d.pdf", "file_data": "https://a.example/d.pdf"}},
    ),
    "a document of bare text": (
        OpenAIChatQuirks(url_parts={"document": "document_url"}),
        Document(PDF, name="d.pdf"),
        {
            "type": "document_url",
            "document_url": f"data:application/pdf;base64,{b64(PDF)}",
            "document_name": "d.pdf",
        },
    ),
    "a document in bare base64": (
        OpenAIChatQuirks(url_parts={"document": "file_url"}),
        Document(PDF),
        {"type": "file_url", "file_url": {"url": b64(PDF)}},
    ),
}


@pytest.mark.parametrize(("quirks", "part", "block"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_media_where_the_host_has_a_block_for_them(quirks, part, block):
    assert encoded(UserMessage(part), quirks)["messages"][0]["content"] == [block]


REFUSED = {
    "a film": (Video(url="https://example.com/a.mp4"), ""),
    "a sound elsewhere": (Audio(url="https://example.com/a.wav"), ""),
    "another sound": (Audio(b"OggS" + b"\0" * 30, media_type="audio/ogg"), ""),
    "a document elsewhere": (Document(url="https://example.com/a.pdf"), ""),
    "text that is no UTF-8": (Document(data=b"\xff\xfea\0", media_type="text/plain"), ""),
    "a picture on file": (Image(file_id="file-1"), ".file_id"),
    "a file of another": (Document(file_id="x", extra={"gemini-generate": {}}), ".file_id"),
    "a block of another": (Opaque("anthropic-messages", {"type": "x"}), ""),
}


@pytest.mark.parametrize(("part", "suffix"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_wire_cannot_express(part, suffix):
    prompt = [SystemMessage("s"), UserMessage([part, "a"])]
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded(prompt)
    path = f"prompt[1].content[0]{suffix}"
    assert caught.value.path == path
    left_out = []
    call = WIRE.encode(resolve(prompt, {}, {}, "m"), QUIRKS, lambda path, why: left_out.append(path), False)
    assert left_out == [path]
    assert json.loads(call.body)["messages"][1] == {"role": "user", "content": "a"}


SAID = {
    "a picture from elsewhere": Image(PNG, extra={"gemini-generate": {}}),
    "a sound without an id": Audio(WAV),
    "a document": Document(PDF),
}


@pytest.mark.parametrize("part", SAID.values(), ids=SAID.keys())
def test_what_cannot_be_sent_back_as_the_models(part):
    prompt = [UserMessage("q"), AssistantMessage(["a", part]), UserMessage("b")]
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded(prompt)
    assert caught.value.path == "prompt[1].content[1]"
    call = WIRE.encode(resolve(prompt, {}, {}, "m"), QUIRKS, lambda _path, _why: None, False)
    assert json.loads(call.body)["messages"][1] == {"role": "assistant", "content": "a"}


LEFT_OUT = {
    "blank text": Text(" \n"),
    "thinking of another": Thinking("hm", "sig", wire="anthropic-messages"),
    "thinking of nobody": Thinking("hm", "sig"),
}


@pytest.mark.parametrize("part", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_the_provider_would_refuse_back_is_left_out(part):
    body = encoded([UserMessage("q"), AssistantMessage([part, "a"]), UserMessage("b")])
    assert body["messages"][1] == {"role": "assistant", "content": "a"}
    body = encoded([UserMessage("q"), AssistantMessage(part), UserMessage("b")])
    assert [message["role"] for message in body["messages"]] == ["user", "user"]


def test_thoughts_that_the_host_does_not_take_back():
    thought = Thinking("hm", wire=NAME, extra={NAME: {"field": "reasoning", "reasoning_details": [SECRET]}})
    prompt = [UserMessage("q"), AssistantMessage([thought, "a"]), UserMessage("b")]
    body = encoded(prompt, OpenAIChatQuirks(takes_back=frozenset()))
    assert body["messages"][1] == {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_that_do_not_tell_their_field(key):
    prompt = [UserMessage("q"), AssistantMessage([Thinking("hm", wire=NAME), "a"]), UserMessage("b")]
    body = encoded(prompt, OpenAIChatQuirks(reasoning_key=key))
    assert body["messages"][1] == {"role": "assistant", "content": "a", key: "hm"}
    blocks = encoded(prompt, OpenAIChatQuirks(reasoning_key="content"))["messages"][1]["content"]
    assert blocks[0] == {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}


def test_a_sound_goes_back_by_its_id():
    sound = Audio(WAV, transcript="hello", extra={NAME: {"id": "audio_1"}})
    body = encoded([UserMessage("q"), AssistantMessage(sound), UserMessage("b")])
    assert body["messages"][1] == {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}


@pytest.mark.parametrize("kept", ['{ "at": "x" }', "{ no JSON", 1])
def test_arguments_that_were_changed_since(kept):
    call = ToolCall("c1", "look", {"at": "y"}, extra={NAME: {"arguments": kept}})
    body = encoded([UserMessage("q"), AssistantMessage(call), UserMessage(call.result("r"))])
    assert body["messages"][1]["tool_calls"] == [function('{"at":"y"}')]


def test_messages():
    picture = Image(url="https://x.example/a")
    call = ToolCall("c1", "look")
    body = encoded(
        [
            SystemMessage("first"),
            UserMessage(["q", picture]),
            AssistantMessage(["a", "b", call]),
            UserMessage(["so?", call.result("sunny"), picture]),
            SystemMessage(["be", "brief"]),
            UserMessage(["x", "y"]),
        ],
        system="zeroth",
    )
    url = {"type": "image_url", "image_url": {"url": "https://x.example/a"}}
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "zeroth"}, {"type": "text", "text": "first"}]},
        {"role": "user", "content": [{"type": "text", "text": "q"}, url]},
        {"role": "assistant", "content": "ab", "tool_calls": [function()]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": [{"type": "text", "text": "so?"}, url]},
        {"role": "system", "content": [{"type": "text", "text": "be"}, {"type": "text", "text": "brief"}]},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
    ]


def test_texts_where_the_host_takes_no_list():
    body = encoded(UserMessage(["x", "y"]), OpenAIChatQuirks(text_parts=False), system=["a", "b"])
    assert [message["content"] for message in body["messages"]] == ["a\n\nb", "x\n\ny"]


RESULTS_OF_TOOLS = {
    "text": (ToolResult("c1", "look", "sunny"), "sunny"),
    "nothing": (ToolResult("c1"), ""),
    "an error": (ToolResult("c1", "look", "no", is_error=True), "no"),
    "texts": (ToolResult("c1", "look", ["a", "b"]), [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
    "a text document": (ToolResult("c1", "look", Document(b"x", media_type="text/csv")), "x"),
    "blank": (ToolResult("c1", "look", " \n"), ""),
    "a block of a kind unheard of": (ToolResult("c1", "look", Opaque(NAME, {"text": "x"})), [{"text": "x"}]),
}


@pytest.mark.parametrize(("part", "content"), RESULTS_OF_TOOLS.values(), ids=RESULTS_OF_TOOLS.keys())
def test_answers_of_tools(part, content):
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("c1", "look")), UserMessage(part)])
    assert body["messages"][2:] == [{"role": "tool", "tool_call_id": "c1", "content": content}]


def test_a_picture_as_a_tools_answer():
    result = ToolResult("c1", "look", ["a", Image(PNG)])
    prompt = [UserMessage("q"), AssistantMessage(ToolCall("c1", "look")), UserMessage(result)]
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded(prompt)
    assert caught.value.path == "prompt[2].content[0].content[1]"
    body = encoded(prompt, OpenAIChatQuirks(result_media=True))
    assert body["messages"][2]["content"] == [{"type": "text", "text": "a"}, PICTURE]


@pytest.mark.parametrize(
    ("quirks", "name", "fits"),
    [
        (OpenAIChatQuirks(call_id_length=9), "aB3456789", True),
        (OpenAIChatQuirks(call_id_length=9), "call_1", False),
        (OpenAIChatQuirks(call_id_length=9), "aB345678_", False),
        (OpenAIChatQuirks(call_id_most=40), "a" * 40, True),
        (OpenAIChatQuirks(call_id_most=40), "a" * 41, False),
        (QUIRKS, "a" * 41, True),
    ],
)
def test_ids_of_calls(quirks, name, fits):
    call, other = ToolCall(name, "look"), ToolCall(f"{name}x", "look")
    prompt = [UserMessage("q"), AssistantMessage([call, other]), UserMessage([call.result("1"), other.result("2")])]
    messages = encoded(prompt, quirks)["messages"]
    first, second = (item["id"] for item in messages[1]["tool_calls"])
    assert [message["tool_call_id"] for message in messages[2:]] == [first, second]
    assert first != second
    assert (first == name) == fits
    length = quirks.call_id_length
    assert first.isalnum() or fits
    assert len(first) == length if length else len(first) <= max(len(name), quirks.call_id_most or 0)


HISTORY = {
    "details": {
        "content": "a",
        "reasoning": "hm",
        "reasoning_details": [SUMMARY],
    },
    "a custom call": {
        "content": None,
        "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls"}}],
    },
    "a call with more": {
        "content": None,
        "tool_calls": [function(extra_content={"google": {"thought_signature": "s"}})],
    },
    "a sound": {"content": None, "audio": {"id": "audio_1"}},
    "a refusal": {"content": None, "refusal": "no"},
}


@pytest.mark.parametrize("message", HISTORY.values(), ids=HISTORY.keys())
def test_dicts_come_back_as_they_were(message):
    prompt = typed(
        [{"role": "user", "content": "q"}, {"role": "assistant", **message}, {"role": "user", "content": "b"}]
    )
    assert encoded(prompt)["messages"][1] == {"role": "assistant", **message}


# ---- options ---------------------------------------------------------------------------------------------------------

CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOL = Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}})
TOOL_JSON = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
OLD = OpenAIChatQuirks(keys={"max_tokens": "max_tokens", "seed": "random_seed"})
MARKS = OpenAIChatQuirks(cache="cache_control")
MARK = {"cache_control": {"type": "ephemeral", "ttl": "5m"}}
BUDGETS = OpenAIChatQuirks(reasoning="object")
SWITCH = OpenAIChatQuirks(reasoning="thinking", efforts=())
QWEN = OpenAIChatQuirks(reasoning="enable_thinking")

OPTIONS = {
    "none": (QUIRKS, {}, {}),
    "sampling": (
        QUIRKS,
        {"temperature": 2, "top_p": 0.5, "seed": 1, "frequency_penalty": -1, "presence_penalty": 0, "max_tokens": 10},
        {
            "temperature": 2,
            "top_p": 0.5,
            "seed": 1,
            "frequency_penalty": -1,
            "presence_penalty": 0,
            "max_completion_tokens": 10,
        },
    ),
    "other keys": (OLD, {"max_tokens": 10, "seed": 0}, {"max_tokens": 10, "random_seed": 0}),
    "top_k": (OpenAIChatQuirks(supported=frozenset({"top_k"})), {"top_k": 5}, {"top_k": 5}),
    "one stop": (QUIRKS, {"stop": "END"}, {"stop": ["END"]}),
    "stops": (QUIRKS, {"stop": ["A", "B"]}, {"stop": ["A", "B"]}),
    "logprobs": (QUIRKS, {"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    "logprobs of the chosen": (QUIRKS, {"logprobs": 0}, {"logprobs": True}),
    "metadata and tier": (
        QUIRKS,
        {"metadata": {"a": "b"}, "service_tier": "flex"},
        {"metadata": {"a": "b"}, "service_tier": "flex"},
    ),
    "effort": (QUIRKS, {"reasoning": "low"}, {"reasoning_effort": "low"}),
    "no effort": (QUIRKS, {"reasoning": "none"}, {"reasoning_effort": "none"}),
    "an effort that it lacks": (
        OpenAIChatQuirks(efforts=("low", "high")),
        {"reasoning": "medium"},
        {"reasoning_effort": "low"},
    ),
    "less than the least": (
        OpenAIChatQuirks(efforts=("none", "high")),
        {"reasoning": "low"},
        {"reasoning_effort": "high"},
    ),
    "object": (BUDGETS, {"reasoning": "high"}, {"reasoning": {"effort": "high"}}),
    "object, none": (BUDGETS, {"reasoning": "none"}, {"reasoning": {"enabled": False}}),
    "object, a budget": (
        BUDGETS,
        {"reasoning": 2000, "max_tokens": 500},
        {"reasoning": {"max_tokens": 2000}, "max_completion_tokens": 2500},
    ),
    "thinking": (SWITCH, {"reasoning": "high"}, {"thinking": {"type": "enabled"}}),
    "thinking with an effort": (
        OpenAIChatQuirks(reasoning="thinking", efforts=("high", "max")),
        {"reasoning": "low"},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    ),
    "thinking, none": (SWITCH, {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
    "enabled": (QWEN, {"reasoning": "low"}, {"enable_thinking": True}),
    "not enabled": (QWEN, {"reasoning": "none"}, {"enable_thinking": False}),
    "enabled with a budget": (QWEN, {"reasoning": 2000}, {"enable_thinking": True, "thinking_budget": 2000}),
    "cache, where the host does": (QUIRKS, {"cache": "5m"}, {}),
    "cache": (
        MARKS,
        {"cache": "5m"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **MARK}]}]},
    ),
    "tools": (
        QUIRKS,
        {"tools": [TOOL, Tool("b", strict=True), ServerTool({"type": "web_search"})]},
        {
            "tools": [
                TOOL_JSON,
                {
                    "type": "function",
                    "function": {"name": "b", "parameters": CLOSED, "strict": True},
                },
                {"type": "web_search"},
            ]
        },
    ),
    "a cached tool": (
        MARKS,
        {"tools": [Tool("b", cache="5m"), ServerTool({"type": "x"}, cache="5m")]},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "b", "parameters": {"type": "object", "properties": {}}},
                    **MARK,
                },
                {"type": "x", **MARK},
            ]
        },
    ),
    "extra body": (
        BUDGETS,
        {"extra_body": {"n": 2, "reasoning": {"exclude": True}}, "reasoning": "low"},
        {"n": 2, "reasoning": {"effort": "low", "exclude": True}},
    ),
}


@pytest.mark.parametrize(("quirks", "options", "fields"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options(quirks, options, fields):
    plain = {"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}
    assert encoded("hi", quirks, **options) == {**plain, **fields}


CHOICES = {
    "auto": ({"tool_choice": "auto"}, {"tool_choice": "auto"}),
    "required": ({"tool_choice": "required"}, {"tool_choice": "required"}),
    "none": ({"tool_choice": "none"}, {"tool_choice": "none"}),
    "one": ({"tool_choice": "look"}, {"tool_choice": {"type": "function", "function": {"name": "look"}}}),
    "not parallel": ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
}


@pytest.mark.parametrize(("options", "fields"), CHOICES.values(), ids=CHOICES.keys())
def test_tool_choice(options, fields):
    body = encoded("hi", tools=[TOOL], **options)
    assert {key: body[key] for key in ("tool_choice", "parallel_tool_calls") if key in body} == fields


def test_no_choice_without_tools():
    body = encoded("hi", tool_choice="none", parallel_tool_calls=False)
    assert body.keys() == {"model", "messages"}


def test_marks_for_the_cache():
    call = ToolCall("c1", "look")
    body = encoded(
        [
            UserMessage(Text("q", cache="1h")),
            AssistantMessage(call),
            UserMessage(ToolResult("c1", "look", "r", cache="5m")),
        ],
        MARKS,
        system=Text("s", cache="5m"),
    )
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert [message["content"] for message in body["messages"]] == [
        [{"type": "text", "text": "s", **MARK}],
        [{"type": "text", "text": "q", **hour}],
        None,
        [{"type": "text", "text": "r", **MARK}],
    ]


def test_a_host_that_does_not_cache():
    quirks = OpenAIChatQuirks(cache=None)
    with pytest.raises(UnsupportedOptionError, match="cache"):
        encoded("hi", quirks, cache="5m")
    assert encoded(UserMessage(Text("hi", cache="5m")), quirks)["messages"] == [{"role": "user", "content": "hi"}]


SCHEMA = {"title": "A person!", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def formatted(schema, quirks=QUIRKS):
    request = resolve("hi", {}, {"output_schema": schema}, "gpt-x")
    return json.loads(WIRE.encode(request, quirks, refuse, False).body).get("response_format")


def test_output_format():
    found = formatted(SCHEMA)
    assert found["type"] == "json_schema"
    assert (found["json_schema"]["name"], found["json_schema"]["strict"]) == ("A_person", True)
    assert found["json_schema"]["schema"]["additionalProperties"] is False
    assert formatted(SCHEMA, OpenAIChatQuirks(json_schema=False)) is None


def test_a_host_that_takes_the_schema_beside_the_type():
    strict = {**SCHEMA, "additionalProperties": False}
    assert formatted(SCHEMA, OpenAIChatQuirks(schema_form="json_object")) == {"type": "json_object", "schema": strict}


def test_a_schema_that_cannot_be_strict():
    free = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert formatted(free) == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": free, "strict": False},
    }


def test_a_stream_is_asked_for():
    body = encoded("hi", stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    body = encoded("hi", OpenAIChatQuirks(stream_usage=False), stream=True)
    assert (body["stream"], body.get("stream_options")) == (True, None)
    assert "stream" not in encoded("hi")


def test_where_it_goes():
    call = WIRE.encode(resolve("hi", {"extra_query": {"a": "b"}}, {}, "m"), QUIRKS, refuse, False)
    assert (call.method, call.path, call.query, call.headers) == ("POST", "/chat/completions", {"a": "b"}, {})


OUT_OF_BOUNDS = {
    "logprobs": ({"logprobs": 21}, "logprobs: expected up to 20"),
    "name of a tool": ({"tools": [TOOL, Tool("what's up?")]}, "tools[1].name: expected up to 64"),
}


@pytest.mark.parametrize(("options", "message"), OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS.keys())
def test_out_of_this_wires_bounds(options, message):
    with pytest.raises(ConfigurationError) as caught:
        encoded("hi", **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("quirks", "wanted"),
    [(QUIRKS, 2000), (SWITCH, 2000), (OpenAIChatQuirks(efforts=("low", "high")), "none")],
)
def test_reasoning_that_has_no_place(quirks, wanted):
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded("hi", quirks, reasoning=wanted)
    assert caught.value.path == "reasoning"
    left_out = []
    request = resolve("hi", {"reasoning": wanted}, {}, "m")
    body = json.loads(WIRE.encode(request, quirks, lambda path, why: left_out.append(path), False).body)
    assert left_out == ["reasoning"]
    assert body.keys() == {"model", "messages"}


def test_all_blank():
    with pytest.raises(ConfigurationError, match="prompt: nothing is left to send"):
        encoded([UserMessage(" "), AssistantMessage(" ")])


def test_the_callers_objects_stay_as_they_are():
    call = ToolCall("c1", "look", {"at": "x"}, extra={NAME: {"arguments": '{ "at":"x"}', "x": 1}})
    block = {"type": "x"}
    prompt = [UserMessage([Opaque(NAME, block), "q"]), AssistantMessage(call), UserMessage(call.result("r"))]
    tool = {"type": "web_search"}
    encoded(prompt, MARKS, cache="5m", tools=[ServerTool(tool, cache="5m")], extra_body={"tools": []})
    assert (block, tool) == ({"type": "x"}, {"type": "web_search"})
    assert call.extra == {NAME: {"arguments": '{ "at":"x"}', "x": 1}}
