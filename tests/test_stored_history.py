"""`llmkit.history.stored` alone: messages as JSON and back, with nothing lost, from every version that was released."""

import contextlib
import copy
import gc
import json
import subprocess
import sys
import time
from math import inf, nan
from pathlib import Path

import attrs
import pytest
import strategies
import strategies_gemini_generate
import strategies_openai_chat
import strategies_openai_responses
from conformance import recordings, streams
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sniffing import RESOLVED

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
    history,
)
from llmkit.accumulate import Accumulator
from llmkit.errors import LLMKitError, MediaError
from llmkit.history import dumps, from_data, loads, stored, to_data, typed
from llmkit.media import media_of
from llmkit.messages import PARTS
from llmkit.wire import WIRES, wire
from llmkit.wire.signals import ErrorEvent

FIXTURES = sorted((Path(__file__).parent / "data").glob("history-*.json"))

# What stands in the fixtures of both versions, as typed messages.
VERSION_1 = [
    SystemMessage(
        [Text("Be brief.", cache="1h"), Opaque("anthropic-messages", {"type": "mid_conversation", "n": 1})],
    ),
    UserMessage(
        [
            Text("Grüße 😀, half \ud800, and \0\u2028."),
            Image(
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
                media_type="image/png",
                name="dot.png",
                detail="low",
                cache="5m",
                extra={"openai-chat": {"prompt_cache_breakpoint": {"mode": "x"}}},
            ),
            Image(url="https://example.com/a.jpg", media_type="image/jpeg"),
            Image(file_id="file_1"),
            Audio(b"RIFF\0\0\0\0WAVE", media_type="audio/wav", transcript="Hello."),
            Audio(
                file_id="audio_1",
                media_type="audio/l16;rate=24000",
                name="a.pcm",
                transcript="",
                cache="5m",
                extra={"openai-chat": {"id": "audio_1", "expires_at": 1.5}},
            ),
            Audio(url="https://example.com/a.mp3", media_type="audio/mpeg"),
            Video(
                url="https://example.com/v",
                media_type="video/mp4",
                name="v.mp4",
                cache="1h",
                extra={"gemini-generate": {"videoMetadata": {"fps": 0.5}}},
            ),
            Video(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", media_type="video/mp4"),
            Video(file_id="files/1"),
            Document(
                b"%PDF-1.7\n",
                media_type="application/pdf",
                name="report.pdf",
                context="Last year's.",
                citations=True,
                cache="1h",
                extra={"anthropic-messages": {"kept": [True, None]}},
            ),
            Document(url="https://example.com/b"),
            Document(file_id="file_2", media_type="text/plain"),
            Opaque("gemini-generate", {}),
        ]
    ),
    AssistantMessage(
        [
            Thinking("Hm.", "c2VhbA==", None, "anthropic-messages", extra={"anthropic-messages": {"index": 0}}),
            Thinking("", None, "ZW5j", "anthropic-messages"),
            Text(
                "It is a dot.",
                [
                    Citation(
                        "a dot",
                        "https://example.com/a",
                        "Dots",
                        0,
                        0,
                        5,
                        "character",
                        {"type": "char_location", "file_id": None},
                    ),
                    Citation(),
                ],
                extra={"gemini-generate": {"thoughtSignature": "c2ln"}},
            ),
            ToolCall(
                "call_1",
                "look",
                {"deep": [1, 1.0, -0.0, 1e300, 123456789012345678901234567890, True, None, {"": "x"}]},
                cache="5m",
                extra={"openai-chat": {"arguments": "{ }"}, "another": {}},
            ),
            ToolCall("", "cut", {}, '{"a": "b'),
            Refusal("No.", extra={"openai-responses": {"id": "msg_1"}}),
            Opaque("openai-responses", {"type": "web_search_call", "action": {"q": "x"}}),
        ]
    ),
    UserMessage(
        [
            ToolResult(
                "call_1",
                "look",
                ["", Image(b"GIF89a"), Opaque("anthropic-messages", {"type": "search_result"})],
                True,
                "1h",
                extra={"anthropic-messages": {"note": "x"}},
            ),
            ToolResult(""),
        ]
    ),
    AssistantMessage([]),
]


def everything(value):
    """All that a value holds: its class, what takes no part in `==`, and whether a number is 1, 1.0 or True."""
    if attrs.has(type(value)):
        fields = {item.name: everything(getattr(value, item.name)) for item in attrs.fields(type(value))}
        return type(value).__name__, fields
    if isinstance(value, dict):
        return {key: everything(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [everything(item) for item in value]
    return type(value).__name__, repr(value)


def assert_kept(messages):
    text = dumps(messages)
    assert loads(text) == messages
    assert everything(loads(text)) == everything(messages)
    assert loads(text.encode()) == messages
    assert everything(from_data(to_data(messages))) == everything(messages)
    assert dumps(loads(text)) == text
    assert len(text.splitlines()) == 1


# ---- the fixtures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_what_was_written_once_is_read(path):
    assert everything(loads(path.read_bytes(), directory=path.with_suffix(".media"))) == everything(VERSION_1)


def test_there_is_one_of_every_version():
    assert [path.stem for path in FIXTURES] == [f"history-{number}" for number in range(1, stored.VERSION + 1)]


def test_it_is_written_as_it_was():
    """No more than the form that a reader of version 1 knows, down to the order of keys."""
    written = json.loads((FIXTURES[0]).read_bytes())
    assert json.dumps(to_data(VERSION_1), indent=1) == json.dumps(written, indent=1)


def test_it_is_written_as_it_was_with_files(tmp_path):
    written = json.loads((FIXTURES[1]).read_bytes())
    assert json.dumps(to_data(VERSION_1, media="dir", directory=tmp_path), indent=1) == json.dumps(written, indent=1)
    kept = FIXTURES[1].with_suffix(".media")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in kept.iterdir()
    }


def test_the_fixture_has_every_field_of_every_part():
    """Each once with another value than its default, and so with something that could be lost."""
    found = {}
    wanted = {cls: {item.name for item in attrs.fields(cls)} for cls in (*PARTS, Citation)}
    holders = [part for message in VERSION_1 for part in message.content]
    holders += [item for part in holders if isinstance(part, Text) for item in part.citations]
    for value in holders:
        for item in attrs.fields(type(value)):
            default = item.default.factory() if isinstance(item.default, attrs.Factory) else item.default
            if getattr(value, item.name) != default:
                found.setdefault(type(value), set()).add(item.name)
    assert found == wanted


def test_round_trip():
    assert_kept(VERSION_1)


def test_nothing_said():
    assert dumps([]) == '{"llmkit": "history", "version": 1, "messages": []}'
    assert loads(dumps([])) == []


def test_defaults_are_left_out():
    assert to_data([UserMessage("Hi")])["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_indented():
    text = dumps(VERSION_1, indent=2)
    assert text.startswith('{\n  "llmkit": "history",\n  "version": 1,\n')
    assert everything(loads(text)) == everything(VERSION_1)


def test_letters_stay_letters():
    assert '"Grüße 😀"' in dumps([UserMessage("Grüße 😀")])


def test_lines_and_halves_are_escaped():
    """So that each conversation can be a line of a file in UTF-8, however the file is read."""
    text = dumps([UserMessage("\n\r\v\f\x1c\x85\u2028\u2029\x00\x7f\ud800\udc00x")])
    assert len(text.splitlines()) == 1
    assert text.encode().decode() == text


def test_two_halves_become_one():
    """JSON cannot tell them from the character."""
    (message,) = loads(dumps([UserMessage("\ud83d\ude00")]))
    assert message.text == "😀"


def test_a_byte_order_mark_is_no_harm():
    text = dumps([UserMessage("ä")])
    assert loads("\ufeff" + text) == loads(text.encode("utf-8-sig")) == loads(bytearray(text.encode()))


def test_dicts_are_messages():
    """As wherever messages are taken."""
    told = [{"role": "user", "content": "Hi"}, AssistantMessage("Yes?")]
    assert loads(dumps(told)) == typed(told)


def test_nothing_is_shared():
    """Neither with the messages nor with the data: a caller may change either."""
    call = ToolCall("1", "f", {"a": [1]}, extra={"w": {"k": [1]}})
    messages = [AssistantMessage([call, Opaque("w", {"a": [1]})])]
    data = to_data(messages)
    before = copy.deepcopy(data)
    read = from_data(data)
    call.arguments["a"].append(2)
    call.extra["w"]["k"].append(2)
    assert data == before
    data["messages"][0]["content"][0]["arguments"]["a"].append(3)
    data["messages"][0]["content"][1]["data"]["a"].append(3)
    assert read[0].content[0].arguments == read[0].content[1].data == {"a": [1]}


def test_a_tuple_is_a_list():
    (message,) = loads(dumps([AssistantMessage(ToolCall("1", "f", {"a": (1, 2)}))]))
    assert message.content[0].arguments == {"a": [1, 2]}


@pytest.mark.parametrize(("kind", "data", "declared", "name", "hint", "expected"), RESOLVED.values(), ids=RESOLVED)
def test_a_type_that_was_found_is_found_again(kind, data, declared, name, hint, expected):
    """What a medium's type was kept as is what a reader keeps."""
    cls = {"image": Image, "audio": Audio, "video": Video, "document": Document}[kind]
    part = cls(data, media_type=declared or (hint and expected), name=name)
    assert_kept([UserMessage(part)])


def test_whatever_a_medium_is_made_from():
    assert_kept([UserMessage([media_of((b"a;b\n", "a.csv")), media_of((b"# A\n", "a.md"), citations=True)])])


# ---- what is refused when it is read ---------------------------------------------------------------------------------

TEXT = {"type": "text", "text": "x"}
KNOWN = "text, image, audio, video, document, thinking, tool_call, tool_result, refusal, opaque"


def saying(*parts, role="user"):
    """The data of messages, each of one part."""
    return whole([{"role": role, "content": [part]} for part in parts])


def whole(messages, **fields):
    return {"llmkit": "history", "version": 1, "messages": messages, **fields}


def without(key):
    data = whole([])
    del data[key]
    return data


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def result(*parts):
    return {"type": "tool_result", "call_id": "1", "content": [*parts]}


REFUSED = {
    # what is read → the whole message
    "a list": ([], "history: expected dict, got list"),
    "nothing": (None, "history: expected dict, got None"),
    "no mark": (without("llmkit"), "history.llmkit: is missing"),
    "another mark": (whole([], llmkit="chat"), "history.llmkit: expected 'history', got 'chat'"),
    "no version": (without("version"), "history.version: is missing"),
    "a version that is text": (whole([], version="1"), "history.version: expected int, got str"),
    "a version that is none": (whole([], version=True), "history.version: expected int, got bool"),
    "version 0": (
        whole([], version=0),
        "history.version: this llmkit reads histories up to version 2, got 0: there is none such",
    ),
    "a newer version": (
        whole([], version=3, more=[]),
        "history.version: this llmkit reads histories up to version 2, got 3: a newer llmkit wrote it",
    ),
    "more beside the messages": (whole([], more=1), "history.more: unknown key; it would be lost"),
    "no messages": (without("messages"), "history.messages: is missing"),
    "messages that are none": (whole({}), "messages: expected list, got dict"),
    "a message that is none": (whole(["Hi"]), "messages[0]: expected dict, got str"),
    "no role": (whole([{"content": []}]), "messages[0].role: is missing"),
    "another role": (
        whole([{"role": "tool", "content": []}]),
        "messages[0].role: unknown role 'tool'; known are system, user, assistant",
    ),
    "no content": (whole([{"role": "user"}]), "messages[0].content: is missing"),
    "content that is text": (
        whole([{"role": "user", "content": "Hi"}]),
        "messages[0].content: expected list, got str",
    ),
    "more in a message": (
        whole([{"role": "user", "content": [], "name": "Ann"}]),
        "messages[0].name: unknown key; it would be lost",
    ),
    "a part that is text": (saying("Hi"), "messages[0].content[0]: expected dict, got str"),
    "no type": (saying({"text": "x"}), "messages[0].content[0].type: is missing"),
    "a type that is none": (saying({"type": 1}), "messages[0].content[0].type: expected str, got int"),
    "an unknown type": (
        saying(TEXT, {"type": "poem", "text": "x"}),
        f"messages[1].content[0].type: unknown type 'poem'; known are {KNOWN}",
    ),
    "an unknown key": (saying({**TEXT, "tone": 1}), "messages[0].content[0].tone: unknown key; it would be lost"),
    "an unknown key without a value": (
        saying({**TEXT, "tone": None}),
        "messages[0].content[0].tone: unknown key; it would be lost",
    ),
    "a field that is missing": (saying({"type": "text"}), "messages[0].content[0].text: is missing"),
    "null for a default": (
        saying({**TEXT, "cache": None}),
        "messages[0].content[0].cache: expected str, got None",
    ),
    "another cache": (
        saying({**TEXT, "cache": "2h"}),
        "messages[0].content[0].cache: expected '5m' or '1h', got '2h'",
    ),
    "extra that is none": (saying({**TEXT, "extra": []}), "messages[0].content[0].extra: expected dict, got list"),
    "extra of no wire": (
        saying({**TEXT, "extra": {"w": 1}}),
        "messages[0].content[0].extra.w: expected dict, got int",
    ),
    "a citation that is none": (
        saying({**TEXT, "citations": [{}, 1]}),
        "messages[0].content[0].citations[1]: expected dict, got int",
    ),
    "a citation's count": (
        saying({**TEXT, "citations": [{"start": "1"}]}),
        "messages[0].content[0].citations[0].start: expected int, got str",
    ),
    "a citation's unit": (
        saying({**TEXT, "citations": [{"unit": "word"}]}),
        "messages[0].content[0].citations[0].unit: expected 'character' or 'page' or 'block', got 'word'",
    ),
    "an unknown key of a citation": (
        saying({**TEXT, "citations": [{"type": "x"}]}),
        "messages[0].content[0].citations[0].type: unknown key; it would be lost",
    ),
    "content that is no base64": (
        saying({"type": "image", "media_type": "image/png", "data": "iVBORw0K\nGgoA"}),
        "messages[0].content[0].data: expected base64: Only base64 data is allowed",
    ),
    "content in a file, of a version that has none": (
        saying({"type": "image", "data": {"file": "0" * 64}}),
        "messages[0].content[0].data: expected str, got dict",
    ),
    "content that is cut": (
        saying({"type": "image", "media_type": "image/png", "data": "iVBORw0KGg"}),
        "messages[0].content[0].data: expected base64: Incorrect padding",
    ),
    "content that is no ASCII": (
        saying({"type": "image", "data": "ä"}),
        "messages[0].content[0].data: expected base64: string argument should contain only ASCII characters",
    ),
    "content of another type": (
        saying({"type": "image", "media_type": "image/jpeg", "data": "iVBORw0KGgoA"}),
        "messages[0].content[0]: Image: media_type is image/jpeg, but the content is image/png",
    ),
    "no content of a medium": (
        saying({"type": "image"}),
        "messages[0].content[0]: Image: expected exactly one of data, url and file_id, got none",
    ),
    "a field of another medium": (
        saying({"type": "video", "file_id": "1", "detail": "low"}),
        "messages[0].content[0].detail: unknown key; it would be lost",
    ),
    "a flag that is a number": (
        saying({"type": "document", "file_id": "1", "citations": 1}),
        "messages[0].content[0].citations: expected bool, got int",
    ),
    "arguments that are text": (
        saying({"type": "tool_call", "id": "1", "name": "f", "arguments": "{}"}, role="assistant"),
        "messages[0].content[0].arguments: expected dict, got str",
    ),
    "a part in another's message": (
        saying({"type": "refusal", "text": "x"}),
        "messages[0]: UserMessage.content[0]: Refusal cannot stand in a user message",
    ),
    "a part of a result": (
        saying(result(TEXT, {"type": "text", "text": 1})),
        "messages[0].content[0].content[1].text: expected str, got int",
    ),
    "a call in a result": (
        saying(result({"type": "tool_call", "id": "1", "name": "f"})),
        "messages[0].content[0]: ToolResult.content[0]: ToolCall cannot stand in a tool result",
    ),
    "a result in a result": (
        saying(result(TEXT, result())),
        "messages[0].content[0].content[1].type: a tool_result cannot stand in a tool_result",
    ),
    "what JSON has not": (
        saying({"type": "opaque", "wire": "w", "data": {"a": [{"b": {1}}]}}),
        "messages[0].content[0].data.a[0].b: expected JSON, got set",
    ),
}


@pytest.mark.parametrize(("data", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused_to_be_read(data, expected):
    with pytest.raises(ConfigurationError) as caught:
        from_data(data)
    assert str(caught.value) == expected


def test_what_is_wrong_with_a_medium_is_a_media_error():
    with pytest.raises(MediaError, match=r"^messages\[0\]\.content\[0\]: "):
        from_data(saying({"type": "image"}))


def test_results_nested_without_end():
    found = result()
    for _ in range(50_000):
        found = result(found)
    with pytest.raises(ConfigurationError, match="cannot stand in a tool_result"):
        from_data(saying(found))
    while found["content"]:  # no recursion where it is let go
        found = found["content"].pop()


TEXTS = {
    "no JSON": ("oops", "history is not JSON: Expecting value: line 1 column 1"),
    "nothing": ("", "history is not JSON: Expecting value"),
    "cut": (dumps(VERSION_1)[:-5], "history is not JSON: "),
    "NaN": (dumps([])[:-1] + ', "x": NaN}', "history is not JSON: NaN is no JSON"),
    "a number too large": (dumps([])[:-1] + ', "x": 1e999}', "history is not JSON: the number 1e999 is too large"),
    "too many digits": (dumps([])[:-1] + f', "x": {"9" * 5000}}}', "history is not JSON: Exceeds the limit"),
    "nested too deeply": ("[" * 100_000 + "]" * 100_000, "history is not JSON: nested too deeply"),
    "nested deeply": ("[" * 300 + "]" * 300, "history is not JSON: nested too deeply"),
    "no UTF-8": (b'{"llmkit": "\xe4"}', "history: byte 12 is not UTF-8"),
    "UTF-16": (dumps([]).encode("utf-16"), "history: byte 0 is not UTF-8"),
    "no text": (7, "history: expected str, got int"),
    "a list of messages": ('[{"role": "user", "content": "Hi"}]', "history: expected dict, got list"),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_text_that_is_none(text, expected):
    with pytest.raises(ConfigurationError) as caught:
        loads(text)
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value)) <= 300


# ---- what is refused when it is written ------------------------------------------------------------------------------


class Ours(Text):
    """A caller's own."""


class Said(UserMessage):
    """Likewise."""


def call(arguments):
    return AssistantMessage(["x", ToolCall("1", "f", arguments)])


CYCLE = {}
CYCLE["a"] = CYCLE

UNWRITTEN = {
    "no messages": (UserMessage("Hi"), "messages: expected list, got UserMessage"),
    "text": ("Hi", "messages: expected list, got str"),
    "no message": ([UserMessage("Hi"), 1], "messages[1]: expected dict, got int"),
    "a dict of neither shape": ([{"role": "user"}], "messages[0].content: is missing"),
    "not a number": ([call({"a": [nan]})], "messages[0].content[1].arguments.a[0]: nan is no JSON"),
    "infinity": ([call({"a": -inf})], "messages[0].content[1].arguments.a: -inf is no JSON"),
    "bytes": ([call({"a": b""})], "messages[0].content[1].arguments.a: expected JSON, got bytes"),
    "a key that is no text": (
        [call({"a": {1: 2}})],
        "messages[0].content[1].arguments.a: expected keys of type str, got int",
    ),
    "extra of no wire": (
        [UserMessage(Text("x", extra={"w": 1}))],
        "messages[0].content[0].extra.w: expected dict, got int",
    ),
    "a signature that is none": (
        [AssistantMessage(Thinking("x", b"seal"))],
        "messages[0].content[0].signature: expected str, got bytes",
    ),
    "a citation that is none": (
        [AssistantMessage(Text("x", [{"url": "u"}]))],
        "messages[0].content[0].citations[0]: dict is no class of llmkit's; what it adds would be lost",
    ),
    "a field of a result": (
        [UserMessage(ToolResult("1", "f", Image(file_id="f", cache="2h")))],
        "messages[0].content[0].content[0].cache: expected '5m' or '1h', got '2h'",
    ),
    "a flag that is none": (
        [UserMessage(ToolResult("1", "f", "x", "no"))],
        "messages[0].content[0].is_error: expected bool, got str",
    ),
    "a caller's own part": (
        [UserMessage(Ours("x"))],
        "messages[0].content[0]: Ours is no class of llmkit's; what it adds would be lost",
    ),
    "a caller's own message": (
        [Said("x")],
        "messages[0]: Said is no class of llmkit's; what it adds would be lost",
    ),
    "too many digits": ([call({"a": 10**5000})], "messages: cannot be written as JSON: Exceeds the limit"),
    "a cycle": ([call(CYCLE)], "messages[0].content[1].arguments.a.a.a"),
}


@pytest.mark.parametrize(("messages", "expected"), UNWRITTEN.values(), ids=UNWRITTEN)
def test_refused_to_be_written(messages, expected):
    with pytest.raises(ConfigurationError) as caught:
        dumps(messages)
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value)) <= 200


def test_as_deep_as_answers_are():
    """The deepest that a wire reads is kept; what is deeper is refused where it is written, not where it is read."""
    assert_kept([call(nested(200)), AssistantMessage(Text("x", extra={"w": nested(200)}))])
    assert_kept([UserMessage(ToolResult("1", "f", Text("x", [Citation(raw=nested(200))])))])
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        to_data([call(nested(250))])


# ---- anything --------------------------------------------------------------------------------------------------------


def joined(text):
    """JSON knows no two halves beside each other but as the character that they are."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


any_text = strategies.any_text.map(joined)
maybe = st.none() | any_text
objects = st.dictionaries(any_text, strategies.json_values(any_text, 4), max_size=3)
extras = st.dictionaries(any_text, objects, max_size=2)
caches = st.sampled_from([None, "5m", "1h"])
counts = st.none() | st.integers()
citations = st.builds(
    Citation, any_text, maybe, maybe, counts, counts, counts, st.sampled_from([None, "character", "page"]), objects
)
texts = st.builds(Text, any_text, st.lists(citations, max_size=2), caches, extra=extras)
opaques = st.builds(Opaque, any_text, objects)
SORTS = {
    Image: (b"\x89PNG\r\n\x1a\n", "image/png", {"detail": maybe}),
    Audio: (b"\xfe\x00", "audio/pcm;rate=8000", {"transcript": maybe}),
    Video: (b"\0\0\0\x18ftypisom", "video/mp4", {}),
    Document: (b"%PDF-1.7\n", "application/pdf", {"context": maybe, "citations": st.booleans()}),
}


@st.composite
def media(draw):
    cls = draw(st.sampled_from([*SORTS]))
    begin, kind, own = SORTS[cls]
    fields = {"name": maybe, "cache": caches, "extra": extras, **own}
    given = {name: draw(values) for name, values in fields.items()}
    match draw(st.sampled_from(["data", "url", "file_id"])):
        case "data":
            return cls(begin + draw(st.binary(max_size=20)), media_type=kind, **given)
        case source:
            place = draw(any_text.filter(bool).filter(lambda text: not text.lower().startswith("data:")))
            return cls(**{source: place}, media_type=draw(st.sampled_from([None, kind])), **given)


shown = st.lists(st.one_of(texts, media(), opaques), max_size=3)
results = st.builds(ToolResult, any_text, any_text, shown, st.booleans(), caches, extra=extras)
calls = st.builds(ToolCall, any_text, any_text, objects, maybe, cache=caches, extra=extras)
thoughts = st.builds(Thinking, any_text, maybe, maybe, maybe, extra=extras)
refusals = st.builds(Refusal, any_text, extra=extras)
messages = st.lists(
    st.one_of(
        st.lists(texts | opaques, max_size=2).map(SystemMessage),
        st.lists(st.one_of(texts, media(), results, opaques), max_size=3).map(UserMessage),
        st.lists(st.one_of(texts, thoughts, calls, refusals, media(), opaques), max_size=3).map(AssistantMessage),
    ),
    max_size=3,
)


@settings(deadline=None)
@given(messages)
def test_anything_is_kept(found):
    assert_kept(found)


@settings(deadline=None, max_examples=50)
@given(
    st.one_of(
        module.conversations()
        for module in (strategies, strategies_openai_chat, strategies_openai_responses, strategies_gemini_generate)
    )
)
def test_conversations_are_kept(found):
    """Those that the wires can express."""
    assert_kept(found)


@settings(deadline=None)
@given(st.data())
def test_whatever_is_read_is_kept_or_refused(data):
    """Of what nobody wrote, too."""
    written = data.draw(strategies.mutated(to_data(VERSION_1)))
    try:
        found = from_data(written)
    except ConfigurationError:
        return
    assert_kept(found)


# ---- the recordings --------------------------------------------------------------------------------------------------


# Answers that are none: the decoder says so, whichever host it is told of.
UNREAD = (LLMKitError, ErrorEvent)


def answer(form, recording):
    """The message, as far as it was received."""
    if not recording.streamed:
        return form.decode(recording.json(), form.quirks()).message
    decoder, content = form.decoder(form.quirks()), Accumulator()
    for event in streams.sse_events([recording.body]):
        if decoder.ended:
            break
        content.add(decoder.feed(event) or ())
    return content.message(decoder.pending())


@pytest.mark.skipif(not recordings.FOLDER.is_dir(), reason=f"no recordings in {recordings.FOLDER}: they are not here")
@pytest.mark.parametrize("name", WIRES)
def test_recorded_answers_are_kept(name):
    found = [recording for recording in recordings.load(name) if recording.ok]
    unread = []
    for recording in found:
        try:
            message = answer(wire(name), recording)
        except UNREAD:
            unread.append(recording.id)
        else:
            assert_kept([message])
    assert len(unread) <= len(found) / 50, unread


@pytest.mark.skipif(not recordings.FOLDER.is_dir(), reason=f"no recordings in {recordings.FOLDER}: they are not here")
@pytest.mark.parametrize("name", ["anthropic-messages", "openai-chat"])
def test_recorded_conversations_are_kept(name):
    """Those of dicts, in either shape."""
    sent = [recording for recording in recordings.load(name) if recording.sent]
    refused = []
    for recording in sent:
        try:
            found = typed(recording.sent["messages"])
        except ConfigurationError as exc:
            refused.append((recording.id, str(exc)))
        else:
            assert_kept(found)
    assert len(refused) <= len(sent) / 20, refused


# ---- the door --------------------------------------------------------------------------------------------------------


def test_calls_do_not_pay_for_it():
    """Reading a prompt imports nothing of this; a misspelt name is none."""
    code = "import sys; from llmkit import Client; from llmkit.history import typed; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120)
    assert "llmkit.history.dicts" in done.stdout.split()
    assert "llmkit.history.stored" not in done.stdout.split()
    assert {"dumps", "from_data", "loads", "to_data", "typed"} <= set(dir(history))
    with pytest.raises(AttributeError, match="no attribute 'load'"):
        history.load  # noqa: B018


# ---- time ------------------------------------------------------------------------------------------------------------


LARGE = {
    "many messages": lambda size: [UserMessage("Hi"), call({"a": [1, "b"]})] * size,
    "many parts": lambda size: [UserMessage([Text("x", cache="5m")] * size)],
    "many arguments": lambda size: [call({"a": list(range(10 * size))})],
    "a long key around much": lambda size: [call({"k" * 10 * size: [[1]] * size})],
    "a long key around what is wrong": lambda size: [call({"k" * 10 * size: [*[[1]] * size, [nan]]})],
    "a long text": lambda size: [UserMessage("ä\ud800\u2028" * 20 * size)],
    "a large picture": lambda size: [UserMessage(Image(b"GIF89a" + b"x" * 1000 * size))],
}


def spent(found):
    """Seconds of this thread: the best of three."""
    best = inf
    gc.disable()
    try:
        for _ in range(3):
            began = time.thread_time()
            with contextlib.suppress(ConfigurationError):
                loads(dumps(found))
            best = min(best, time.thread_time() - began)
    finally:
        gc.enable()
    return best


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_time_is_linear(make):
    assert spent(make(5000)) < 40 * max(spent(make(500)), 0.001)
