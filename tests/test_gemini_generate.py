"""The wire `gemini-generate`: one table of (typed, JSON) drives encode and decode; then what only one of them has."""

import base64
import json

import attrs
import pytest

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
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
from llmkit.provider import provider
from llmkit.resolve import resolve
from llmkit.wire import wire
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "gemini-generate"
WIRE = wire(NAME)
QUIRKS = GeminiGenerateQuirks()
VERTEX = provider("vertex").quirks
MODEL = "gemini-2.5-flash"
LEVELED = "gemini-3-flash-preview"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 16
WAV = b"RIFF\x04\0\0\0WAVEfmt "
PDF = b"%PDF-1.7 ..."
CODE = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
SEARCHED = {
    "toolCall": {"id": "a", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["q"]}},
    "thoughtSignature": "c2ln",
}
DUMMY = base64.b64encode(b"skip_thought_signature_validator").decode()


def refuse(path, why):
    raise UnsupportedOptionError(f"{path}: {why}", path=path)


def encoded(prompt, quirks=QUIRKS, *, model=MODEL, stream=False, settings=None, **options):
    call = WIRE.encode(resolve(prompt, options, settings or {}, model), quirks, refuse, stream)
    return json.loads(call.body)


def signed(signature="c2ln", **more):
    return {NAME: {"thoughtSignature": signature, **more}}


def b64(data):
    return base64.b64encode(data).decode()


def whole(parts, **candidate):
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0, **candidate}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8},
        "modelVersion": "gemini-x",
        "responseId": "r-1",
    }


def decoded(parts, **candidate):
    return WIRE.decode(whole(parts, **candidate), QUIRKS)


# What the provider sends and takes back: part ⇄ JSON.
PARTS = {
    "text": (Text("Hi"), {"text": "Hi"}),
    "signed text": (Text("Hi", extra=signed()), {"text": "Hi", "thoughtSignature": "c2ln"}),
    "empty text with a signature": (Text("", extra=signed()), {"text": "", "thoughtSignature": "c2ln"}),
    "signed thoughts": (Thinking("hm", "c2ln", wire=NAME), {"text": "hm", "thought": True, "thoughtSignature": "c2ln"}),
    "call": (
        ToolCall("id1", "look", {"at": "x", "n": 1}),
        {"functionCall": {"id": "id1", "name": "look", "args": {"at": "x", "n": 1}}},
    ),
    "signed call": (
        ToolCall("id1", "look", extra=signed()),
        {"functionCall": {"id": "id1", "name": "look", "args": {}}, "thoughtSignature": "c2ln"},
    ),
    "call without an id": (
        ToolCall("call_r-1_0", "look", {"n": 1}, extra={NAME: {"id": None}}),
        {"functionCall": {"name": "look", "args": {"n": 1}}},
    ),
    "call with more to it": (
        ToolCall("id1", "look", extra={NAME: {"functionCall": {"brandNew": 1}, "partMetadata": {"a": 1}}}),
        {"functionCall": {"id": "id1", "name": "look", "args": {}, "brandNew": 1}, "partMetadata": {"a": 1}},
    ),
    "picture": (Image(PNG), {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}),
    "signed picture": (
        Image(PNG, extra=signed()),
        {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}, "thoughtSignature": "c2ln"},
    ),
    "samples": (
        Audio(b"\0\1" * 4, media_type="audio/L16;codec=pcm;rate=24000"),
        {"inlineData": {"mimeType": "audio/l16;codec=pcm;rate=24000", "data": b64(b"\0\1" * 4)}},
    ),
    "file": (
        Video(file_id="files/abc", media_type="video/mp4", extra={NAME: {}}),
        {"fileData": {"fileUri": "files/abc", "mimeType": "video/mp4"}},
    ),
    "code": (Opaque(NAME, CODE), CODE),
    "server-side call": (Opaque(NAME, SEARCHED), SEARCHED),
    "kind of tomorrow": (Opaque(NAME, {"hologram": [1]}), {"hologram": [1]}),
}
each_part = pytest.mark.parametrize(("part", "data"), PARTS.values(), ids=PARTS.keys())


@each_part
def test_a_part_is_encoded(part, data):
    body = encoded([UserMessage("q"), AssistantMessage(part), UserMessage("and?")])
    assert body["contents"][1] == {"role": "model", "parts": [data]}


@each_part
def test_a_part_is_decoded(part, data):
    message = decoded([data]).message
    assert message == AssistantMessage(part)
    assert [getattr(found, "extra", None) for found in message.content] == [getattr(part, "extra", None)]


# What only comes in: the parts of an answer → its content.
READ = {
    "pieces of text": ([{"text": "Hel"}, {"text": "lo"}], [Text("Hello")]),
    "thoughts, then text": (
        [{"text": "a", "thought": True}, {"text": "b", "thought": True}, {"text": "c"}],
        [Thinking("ab", wire=NAME), Text("c")],
    ),
    "a signature ends a text": (
        [{"text": "a"}, {"text": "b", "thoughtSignature": "s"}, {"text": "c"}, {"text": "d"}],
        [Text("ab", extra=signed("s", bare=1)), Text("cd")],
    ),
    "a signature after a text": (
        [{"text": "a"}, {"text": "", "thoughtSignature": "s"}],
        [Text("a", extra=signed("s", bare=1))],
    ),
    "a signature after something else": (
        [CODE, {"text": "", "thoughtSignature": "s"}],
        [Opaque(NAME, CODE), Text("", extra=signed("s"))],
    ),
    "a signature alone": ([{"thoughtSignature": "s"}], [Text("", extra=signed("s"))]),
    "sealed thoughts without words": ([{"thought": True, "thoughtSignature": "s"}], [Thinking("", "s", wire=NAME)]),
    "text with more to it stands alone": (
        [{"text": "a"}, {"text": "b", "videoMetadata": {"fps": 1}}, {"text": "c"}],
        [Text("ab", extra={NAME: {"videoMetadata": {"fps": 1}, "bare": 1}}), Text("c")],
    ),
    "what says nothing": ([{"text": ""}, {}, {"text": "", "thought": True}, {"thought": True}], []),
    "nothing between two texts": ([{"text": "a"}, {"text": ""}, {"text": "b"}], [Text("ab")]),
    "call without arguments": ([{"functionCall": {"id": "i", "name": "f"}}], [ToolCall("i", "f")]),
    "call with null": ([{"functionCall": {"id": "i", "name": "f", "args": None}}], [ToolCall("i", "f")]),
    "fields that are null": (
        [
            {"text": None, "thought": None, "functionCall": {"id": "i", "name": "f"}, "inlineData": None},
            {"text": "a", "functionCall": None, "thoughtSignature": None},
            {"text": None},
        ],
        [ToolCall("i", "f"), Text("a")],
    ),
    "calls without ids": (
        [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}, "id": ""}}],
        [
            ToolCall("call_r-1_0", "f", extra={NAME: {"id": None}}),
            ToolCall("call_r-1_1", "f", extra={NAME: {"id": None}}),
        ],
    ),
    "a picture that is another": (
        [{"inlineData": {"mimeType": "image/png", "data": b64(JPEG)}}],
        [Image(JPEG, media_type="image/jpeg")],
    ),
    "base64 for addresses, not padded": (
        [{"inlineData": {"mimeType": "image/jpeg", "data": base64.urlsafe_b64encode(JPEG).decode().rstrip("=")}}],
        [Image(JPEG)],
    ),
    "sound in pieces": (
        [
            {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": b64(b"\0\1")}},
            {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": b64(b"\2\3")}},
        ],
        [Audio(b"\0\1\2\3", media_type="audio/l16;rate=24000")],
    ),
    "sounds of two kinds": (
        [
            {"inlineData": {"mimeType": "audio/pcm;rate=8000", "data": b64(b"\0\1")}},
            {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(b"\2\3")}},
            {"inlineData": {"mimeType": "audio/wav", "data": b64(WAV)}},
        ],
        [
            Audio(b"\0\1", media_type="audio/pcm;rate=8000"),
            Audio(b"\2\3", media_type="audio/pcm;rate=24000"),
            Audio(WAV, media_type="audio/wav"),
        ],
    ),
    "a picture that is text": (
        [{"inlineData": {"mimeType": "image/png", "data": b64(b"oops")}}],
        [Opaque(NAME, {"inlineData": {"mimeType": "image/png", "data": b64(b"oops")}})],
    ),
    "text that is another": (
        [{"inlineData": {"mimeType": "text/csv", "data": b64(b"a,b")}}],
        [Document(b"a,b", media_type="text/csv")],
    ),
    "a picture that was thought": (
        [{"inlineData": {"mimeType": "image/png", "data": b64(PNG)}, "thought": True}],
        [Opaque(NAME, {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}, "thought": True})],
    ),
    "empty text beside a call": (
        [{"text": "", "functionCall": {"id": "i", "name": "f"}, "thoughtSignature": "s"}],
        [ToolCall("i", "f", extra=signed("s"))],
    ),
    "words beside code": ([{"text": "a", **CODE}], [Text("a"), Opaque(NAME, CODE)]),
    "media of no known type": (
        [{"inlineData": {"mimeType": "image/new", "data": b64(b"\0\1\2")}}],
        [Image(b"\0\1\2", media_type="image/new")],
    ),
    "media without a type": (
        [{"inlineData": {"data": b64(b"\0\0")}}],
        [Opaque(NAME, {"inlineData": {"data": b64(b"\0\0")}})],
    ),
    "file without a type": ([{"fileData": {"fileUri": "u"}}], [Opaque(NAME, {"fileData": {"fileUri": "u"}})]),
}


@pytest.mark.parametrize(("parts", "content"), READ.values(), ids=READ.keys())
def test_parts_of_an_answer(parts, content):
    message = decoded(parts).message
    assert message == AssistantMessage(content)
    assert [getattr(part, "extra", {}) for part in message.content] == [getattr(part, "extra", {}) for part in content]


def test_arguments_that_are_no_object_are_kept():
    (call,) = decoded([{"functionCall": {"id": "i", "name": "f", "args": [1]}}]).message.content
    assert (call.arguments, call.raw) == ({}, "[1]")


def test_an_id_is_made_up_also_without_the_answers():
    def call(**arguments):
        body = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": arguments}}]}}]}
        return WIRE.decode(body, QUIRKS).message.content[0].id

    assert call(a=1) == call(a=1) != call(a=2)
    assert call().startswith("call_")


# ---- citations -------------------------------------------------------------------------------------------------------

WEB = {"web": {"uri": "https://example.com/a", "title": "A", "domain": "example.com"}}
STORED = {"retrievedContext": {"uri": "gs://b/c.pdf", "title": "C", "text": "the words"}}
SUPPORT = {"segment": {"startIndex": 0, "endIndex": 2, "text": "Hi"}, "groundingChunkIndices": [0, 1, 7]}
GROUNDED = {"groundingChunks": [WEB, STORED], "groundingSupports": [SUPPORT], "webSearchQueries": ["q"]}
CITED = [
    Citation(url="https://example.com/a", title="A"),
    Citation("the words", "gs://b/c.pdf", "C"),
]


def test_sources_stand_on_the_last_text():
    found = decoded([{"text": "a", "thought": True}, {"text": "Hi"}], groundingMetadata=GROUNDED).message
    assert found == AssistantMessage([Thinking("a", wire=NAME), Text("Hi", CITED)])
    assert [citation.raw for citation in found.content[1].citations] == [
        {"groundingSupport": SUPPORT, "groundingChunk": WEB},
        {"groundingSupport": SUPPORT, "groundingChunk": STORED},
    ]


def test_sources_of_an_answer_that_does_not_end_in_text():
    found = decoded([{"text": "Hi"}, CODE], groundingMetadata=GROUNDED).message
    assert found == AssistantMessage([Text("Hi"), Opaque(NAME, CODE), Text("", CITED)])


def test_sources_of_no_passage():
    found = decoded([{"text": "Hi"}], groundingMetadata={"groundingChunks": [WEB]}).message
    assert found == AssistantMessage(Text("Hi", CITED[:1]))


def test_recitations():
    recited = [{"startIndex": 1, "endIndex": 2, "uri": "https://example.com", "license": "mit"}, {}]
    for key in ("citations", "citationSources"):
        found = decoded([{"text": "Hi"}], citationMetadata={key: recited}).message
        assert found == AssistantMessage(Text("Hi", [Citation(url="https://example.com")]))
        assert found.content[0].citations[0].raw == recited[0]


def test_odd_sources_are_no_error():
    odd = {"groundingChunks": [None, {"web": 3}], "groundingSupports": [{"groundingChunkIndices": [0, "1", -1, 1]}, 4]}
    found = decoded([{"text": "Hi"}], groundingMetadata=odd, citationMetadata={"citations": [3]}).message
    assert found == AssistantMessage(Text("Hi", [Citation(), Citation()]))


# ---- the answer around its parts -------------------------------------------------------------------------------------

REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "other",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MALFORMED_RESPONSE": "error",
    "OTHER": "other",
    "NO_IMAGE": "other",
    "FINISH_REASON_UNSPECIFIED": "other",
    "BRAND_NEW": "other",
}


@pytest.mark.parametrize(("word", "reason"), REASONS.items())
def test_finish_reason(word, reason):
    assert decoded([{"text": "a"}], finishReason=word).finish_reason == FinishReason(reason, word)


# Number → what it is to the Developer API and to Google Cloud: the enums FinishReason of
# google.ai.generativelanguage.v1beta and of google.cloud.aiplatform.v1.
NUMBERS = {
    1: ("STOP", "STOP"),
    2: ("MAX_TOKENS", "MAX_TOKENS"),
    3: ("SAFETY", "SAFETY"),
    5: ("OTHER", "OTHER"),
    6: ("LANGUAGE", "BLOCKLIST"),
    9: ("SPII", "MALFORMED_FUNCTION_CALL"),
    10: ("MALFORMED_FUNCTION_CALL", "MODEL_ARMOR"),
    12: ("UNEXPECTED_TOOL_CALL", "IMAGE_PROHIBITED_CONTENT"),
    16: ("16", "NO_IMAGE"),
    99: ("99", "99"),
}
HOSTS = {"developer": QUIRKS, "cloud": VERTEX}
each_host = pytest.mark.parametrize(("place", "quirks"), [*enumerate(HOSTS.values())], ids=HOSTS.keys())


@each_host
@pytest.mark.parametrize(("number", "words"), NUMBERS.items())
def test_finish_reason_as_a_number(number, words, place, quirks):
    found = WIRE.decode(whole([{"text": "a"}], finishReason=number), quirks).finish_reason
    assert found == FinishReason(REASONS.get(words[place], "other"), words[place])


# The same of BlockReason, which is an enum of its own.
BLOCKS = {
    1: ("SAFETY", "SAFETY"),
    2: ("OTHER", "OTHER"),
    3: ("BLOCKLIST", "BLOCKLIST"),
    4: ("PROHIBITED_CONTENT", "PROHIBITED_CONTENT"),
    5: ("IMAGE_SAFETY", "5"),
}


@each_host
@pytest.mark.parametrize(("number", "words"), BLOCKS.items())
def test_block_reason_as_a_number(number, words, place, quirks):
    found = WIRE.decode({"promptFeedback": {"blockReason": number}}, quirks).finish_reason
    assert found == FinishReason("content_filter", words[place])


@each_host
def test_a_number_that_blocks_nothing(place, quirks):
    body = {**whole([{"text": "a"}]), "promptFeedback": {"blockReason": 0}}
    assert WIRE.decode(body, quirks).finish_reason == FinishReason("stop", "STOP")


CALL = {"functionCall": {"name": "f", "args": {}}}
ENDED = {
    "calls": (whole([CALL]), FinishReason("tool_calls", "STOP")),
    "calls cut off": (whole([CALL], finishReason="MAX_TOKENS"), FinishReason("length", "MAX_TOKENS")),
    "calls of the provider's own tools": (whole([SEARCHED]), FinishReason("stop", "STOP")),
    "no reason": (whole([{"text": "a"}], finishReason=None), FinishReason("other")),
    "blocked": ({"promptFeedback": {"blockReason": "SAFETY"}}, FinishReason("content_filter", "SAFETY")),
    "blocked, none said why": (
        {"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}, "candidates": []},
        FinishReason("other"),
    ),
    "not blocked": ({**whole([{"text": "a"}]), "promptFeedback": {"safetyRatings": []}}, FinishReason("stop", "STOP")),
    "no candidate": ({"usageMetadata": {"promptTokenCount": 1}}, FinishReason("other")),
}


@pytest.mark.parametrize(("body", "reason"), ENDED.values(), ids=ENDED.keys())
def test_why_it_ended(body, reason):
    assert WIRE.decode(body, QUIRKS).finish_reason == reason


EMPTY = {
    "no parts": {"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]},
    "parts are null": {"candidates": [{"content": {"role": "model", "parts": None}, "finishReason": "STOP"}]},
    "no content": {"candidates": [{"finishReason": "SAFETY"}]},
    "no candidates": {"promptFeedback": {"blockReason": "OTHER"}},
}


@pytest.mark.parametrize("body", EMPTY.values(), ids=EMPTY.keys())
def test_an_answer_of_nothing(body):
    assert WIRE.decode(body, QUIRKS).message.content == ()


def test_the_first_of_several_candidates():
    body = whole([{"text": "first"}])
    other = {"index": 1, "content": {"parts": [{"text": "second"}]}, "finishReason": "STOP"}
    for candidates in ([*body["candidates"], other], [other, *body["candidates"]]):
        assert WIRE.decode({**body, "candidates": candidates}, QUIRKS).message.text == "first"


USAGES = {
    "absent": (None, Usage()),
    "plain": ({"promptTokenCount": 3, "candidatesTokenCount": 5}, Usage(3, 5)),
    "thoughts are counted apart": (
        {"promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 7},
        Usage(3, 12, 0, 0, 7),
    ),
    "what tools read": ({"promptTokenCount": 3, "toolUsePromptTokenCount": 40}, Usage(43)),
    "cached is counted in": ({"promptTokenCount": 30, "cachedContentTokenCount": 20}, Usage(30, 0, 20)),
    "as text": ({"promptTokenCount": "30", "candidatesTokenCount": "5"}, Usage(30, 5)),
    "nulls and nonsense": ({"promptTokenCount": None, "candidatesTokenCount": -5, "thoughtsTokenCount": "x"}, Usage()),
}


@pytest.mark.parametrize(("told", "usage"), USAGES.values(), ids=USAGES.keys())
def test_usage(told, usage):
    found = WIRE.decode({**whole([]), "usageMetadata": told}, QUIRKS).usage
    assert found == usage
    assert found.raw == told


def test_the_answer_around_it():
    body = whole([{"text": "Hi"}])
    found = WIRE.decode(body, QUIRKS)
    assert (found.id, found.model, found.raw) == ("r-1", "gemini-x", body)
    assert found.logprobs is None


HI = {"token": "Hi", "tokenId": 9, "logProbability": -0.5}
HO = {"token": "Ho", "tokenId": 8, "logProbability": -1.5}
LOGPROBS = {
    "tokens": ({"chosenCandidates": [HI, HO]}, [HI, HO]),
    "alternatives": (
        {"chosenCandidates": [HI, HO], "topCandidates": [{"candidates": [HI, HO]}, {}]},
        [{**HI, "topCandidates": [HI, HO]}, {**HO, "topCandidates": []}],
    ),
    "alternatives alone": ({"topCandidates": [{"candidates": [HI]}]}, [{"topCandidates": [HI]}]),
    "more tokens than alternatives": (
        {"chosenCandidates": [HI, HO], "topCandidates": [{"candidates": [HO]}]},
        [{**HI, "topCandidates": [HO]}, HO],
    ),
    "none": ({"chosenCandidates": None}, None),
}


@pytest.mark.parametrize(("result", "logprobs"), LOGPROBS.values(), ids=LOGPROBS.keys())
def test_logprobs(result, logprobs):
    assert decoded([{"text": "Hi"}], logprobsResult=result).logprobs == logprobs


NO_ANSWERS = {
    "text": ("oops", "$"),
    "nothing in it": ({}, "$.candidates"),
    "candidates are no list": ({"candidates": {}}, "$.candidates"),
    "a candidate is none": ({"candidates": ["x"]}, "$.candidates[0]"),
    "content is text": ({"candidates": [{"content": "x"}]}, "$.candidates[0].content"),
    "parts are none": ({"candidates": [{"content": {"parts": {}}}]}, "$.candidates[0].content.parts"),
    "a part is none": (whole([{"text": "a"}, "x"]), "$.candidates[0].content.parts[1]"),
    "text is a number": (whole([{"text": 1}]), "$.candidates[0].content.parts[0].text"),
    "a signature is none": (
        whole([{"text": "", "thoughtSignature": 1}]),
        "$.candidates[0].content.parts[0].thoughtSignature",
    ),
    "a call without a name": (whole([{"functionCall": {}}]), "$.candidates[0].content.parts[0].functionCall.name"),
    "no base64": (
        whole([{"inlineData": {"mimeType": "image/png", "data": "ä"}}]),
        "$.candidates[0].content.parts[0].inlineData.data",
    ),
}


@pytest.mark.parametrize(("body", "path"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_no_answer(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.path == path


CHUNKS = [
    {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}], "responseId": "r-1"},
    {
        "candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3},
    },
]


def test_an_array_of_chunks():
    """A stream that was not asked for as events."""
    found = WIRE.decode(CHUNKS, QUIRKS)
    assert (found.id, found.message, found.usage) == ("r-1", AssistantMessage("Hello"), Usage(3))
    assert found.finish_reason == FinishReason("stop", "STOP")


def test_an_array_without_an_end():
    with pytest.raises(IncompleteStreamError, match="cut off"):
        WIRE.decode(CHUNKS[:1], QUIRKS)


def test_an_array_of_nothing():
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode([], QUIRKS)
    assert caught.value.path == "$[0]"


def test_an_array_with_an_error():
    failed = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}}
    with pytest.raises(ErrorEvent) as caught:
        WIRE.decode([CHUNKS[0], failed], QUIRKS)
    assert caught.value.body == failed


# ---- what only goes out ----------------------------------------------------------------------------------------------

SENT = {
    "picture elsewhere": (
        Image(url="https://example.com/a.png"),
        [{"fileData": {"fileUri": "https://example.com/a.png"}}],
    ),
    "picture elsewhere, of a known type": (
        Image(url="https://example.com/a", media_type="image/png"),
        [{"fileData": {"fileUri": "https://example.com/a", "mimeType": "image/png"}}],
    ),
    "uploaded file": (Document(file_id="files/a"), [{"fileData": {"fileUri": "files/a"}}]),
    "sound": (Audio(WAV, name="a.wav", cache="1h"), [{"inlineData": {"mimeType": "audio/wav", "data": b64(WAV)}}]),
    "PDF": (Document(PDF, name="a.pdf"), [{"inlineData": {"mimeType": "application/pdf", "data": b64(PDF)}}]),
    "PDF with a word about it": (
        Document(PDF, context="old"),
        [{"text": "old"}, {"inlineData": {"mimeType": "application/pdf", "data": b64(PDF)}}],
    ),
    "table": (
        Document(b"a,b", media_type="text/csv"),
        [{"inlineData": {"mimeType": "text/plain", "data": b64(b"a,b")}}],
    ),
    "JSON": (
        Document(b"{}", media_type="application/json"),
        [{"inlineData": {"mimeType": "text/plain", "data": b64(b"{}")}}],
    ),
    "film, a part of it": (
        Video(url="https://example.com/a.mp4", media_type="video/mp4", extra={NAME: {"videoMetadata": {"fps": 1}}}),
        [
            {
                "fileData": {"fileUri": "https://example.com/a.mp4", "mimeType": "video/mp4"},
                "videoMetadata": {"fps": 1},
            }
        ],
    ),
    "cached text": (Text("a", cache="5m"), [{"text": "a"}]),
    "text with sources": (Text("a", CITED), [{"text": "a"}]),
    "text of another wire": (Text("a", extra={"openai-chat": {"x": 1}}), [{"text": "a"}]),
}


@pytest.mark.parametrize(("part", "parts"), SENT.values(), ids=SENT.keys())
def test_a_part_is_sent(part, parts):
    assert encoded(UserMessage(part))["contents"] == [{"role": "user", "parts": parts}]


def test_a_refusal_is_text():
    body = encoded([UserMessage("q"), AssistantMessage(Refusal("no")), UserMessage("b")])
    assert body["contents"][1] == {"role": "model", "parts": [{"text": "no"}]}


LEFT_OUT = {
    "blank text": Text(" \n"),
    "unsigned thoughts": Thinking("hm", wire=NAME),
    "thoughts of another": Thinking("hm", "sig", wire="openai-responses"),
    "thoughts of nobody": Thinking("hm", "sig"),
}


@pytest.mark.parametrize("part", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_is_not_sent_back(part):
    body = encoded([UserMessage("q"), AssistantMessage([part, "a"]), UserMessage("b")])
    assert body["contents"][1]["parts"] == [{"text": "a"}]
    body = encoded([UserMessage("q"), AssistantMessage(part), UserMessage("b")])
    assert body["contents"] == [{"role": "user", "parts": [{"text": "q"}, {"text": "b"}]}]


REFUSED = {
    "file of another": (Image(file_id="x", extra={"anthropic-messages": {}}), "prompt[0].content[0].file_id"),
    "block of another": (Opaque("openai-chat", {"type": "x"}), "prompt[0].content[0]"),
    "text that is no UTF-8": (Document(b"\xff\xfea\0", media_type="text/plain"), "prompt[0].content[0]"),
}


# A hint, which is followed by models that can: https://ai.google.dev/gemini-api/docs/media-resolution
DETAILS = {
    "low": {"mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
    "high": {"mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}},
    "auto": {},
    "original": {},
}


@pytest.mark.parametrize(("detail", "beside"), DETAILS.items())
def test_how_closely_to_look(detail, beside):
    blob, file = {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}, {"fileData": {"fileUri": "u:x"}}
    call = ToolCall("id1", "look")
    prompt = [
        UserMessage([Image(PNG, detail=detail), Image(url="u:x", detail=detail)]),
        AssistantMessage(call),
        UserMessage(ToolResult("id1", content=[Image(PNG, detail=detail)])),  # here there is no place for it
    ]
    for model, more in ((LEVELED, beside), (MODEL, {})):
        contents = encoded(prompt, model=model)["contents"]
        assert contents[0]["parts"] == [{**blob, **more}, {**file, **more}]
        assert contents[2]["parts"][0]["functionResponse"]["parts"] == [blob]


@pytest.mark.parametrize(("part", "path"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_wire_cannot_express(part, path):
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded([UserMessage([part, "a"])])
    assert caught.value.path == path
    left_out = []
    request = resolve([UserMessage([part, "a"])], {}, {}, MODEL)
    call = WIRE.encode(request, QUIRKS, lambda path, why: left_out.append(path), False)
    assert left_out == [path]
    assert json.loads(call.body)["contents"] == [{"role": "user", "parts": [{"text": "a"}]}]


# ---- turns -----------------------------------------------------------------------------------------------------------


def test_instructions_are_sent_first():
    messages = [SystemMessage("a"), UserMessage("q"), SystemMessage("c"), UserMessage("r")]
    body = encoded(messages, system="s")
    assert body["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "a"}, {"text": "c"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "q"}, {"text": "r"}]}]


def test_turns_of_one_side_are_one():
    body = encoded([UserMessage("a"), UserMessage("b"), AssistantMessage("c"), AssistantMessage("d"), UserMessage("e")])
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
        {"role": "user", "parts": [{"text": "e"}]},
    ]


def test_nothing_to_send():
    request = resolve(UserMessage(Opaque("openai-chat", {"type": "x"})), {}, {}, MODEL)
    with pytest.raises(ConfigurationError, match="prompt: nothing is left to send"):
        WIRE.encode(request, QUIRKS, lambda _path, _why: None, False)


RESULTS = {
    "text": (["sunny"], False, {"output": "sunny"}),
    "texts": (["a", "b"], False, {"output": ["a", "b"]}),
    "nothing": ([], False, {}),
    "object": (['{"sky": "blue"}'], False, {"sky": "blue"}),
    "empty object": (["{}"], False, {}),
    "list": (["[1]"], False, {"output": "[1]"}),
    "nearly an object": (["{sky"], False, {"output": "{sky"}),
    "failure": (["no"], True, {"error": "no"}),
    "failure without words": ([], True, {"error": []}),
}


@pytest.mark.parametrize(("content", "is_error", "response"), RESULTS.values(), ids=RESULTS.keys())
def test_a_result(content, is_error, response):
    answer = ToolResult("t1", "look", content, is_error)
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(answer)])
    assert body["contents"][2]["parts"] == [{"functionResponse": {"id": "t1", "name": "look", "response": response}}]


def test_media_of_a_result():
    answer = ToolResult(
        "t1", "look", ["here", Image(PNG), Image(url="https://example.com/a.png", media_type="image/png")]
    )
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(answer)])
    assert body["contents"][2]["parts"][0]["functionResponse"] == {
        "id": "t1",
        "name": "look",
        "response": {"output": "here"},
        "parts": [
            {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}},
            {"fileData": {"fileUri": "https://example.com/a.png", "mimeType": "image/png"}},
        ],
    }


def test_results_stand_first_in_the_order_of_their_calls():
    calls = [ToolCall("a", "f"), ToolCall("b", "g"), ToolCall("c", "f", extra={NAME: {"id": None}})]
    messages = [
        UserMessage("q"),
        AssistantMessage(calls),
        UserMessage(["so?", ToolResult("c", content="3")]),
        UserMessage([ToolResult("b", content="2"), ToolResult("a", content="1")]),
    ]
    assert encoded(messages)["contents"][2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "f", "response": {"output": "1"}}},
        {"functionResponse": {"id": "b", "name": "g", "response": {"output": "2"}}},
        {"functionResponse": {"name": "f", "response": {"output": "3"}}},
        {"text": "so?"},
    ]


def test_a_result_of_no_call():
    request = attrs.evolve(resolve("q", {}, {}, MODEL), messages=(UserMessage(ToolResult("t9", "look", "a")),))
    found = {"functionResponse": {"id": "t9", "name": "look", "response": {"output": "a"}}}
    body = json.loads(WIRE.encode(request, QUIRKS, refuse, False).body)
    assert body["contents"] == [{"role": "user", "parts": [found]}]
    unnamed = attrs.evolve(request, messages=(UserMessage(["q", ToolResult("t9", content="a")]),), skipped=2)
    with pytest.raises(ConfigurationError, match=r"prompt\[2\]\.content\[1\]\.name: this wire needs the tool's name"):
        WIRE.encode(unnamed, QUIRKS, refuse, False)


def test_a_host_that_takes_no_ids():
    messages = [UserMessage("q"), AssistantMessage(ToolCall("a", "f")), UserMessage(ToolResult("a", content="1"))]
    contents = encoded(messages, GeminiGenerateQuirks(call_ids=False))["contents"]
    assert contents[1]["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert contents[2]["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]


CALLED = [ToolCall("a", "f"), ToolCall("b", "f")]
SEALS = {
    "calls of another model": (CALLED, LEVELED, [None, DUMMY, None]),
    "a model that needs none": (CALLED, MODEL, [None, None, None]),
    "its own calls": ([ToolCall("a", "f", extra=signed()), CALLED[1]], LEVELED, [None, "c2ln", None]),
    "its own turn, signed elsewhere": (
        [Thinking("hm", "c2ln", wire=NAME), *CALLED],
        f"models/{LEVELED}",
        [None, "c2ln", None, None],
    ),
    "no calls": ([], LEVELED, [None]),
}


@pytest.mark.parametrize(("parts", "model", "seals"), SEALS.values(), ids=SEALS.keys())
def test_the_first_call_of_a_turn_is_signed(parts, model, seals):
    """Where text stands first, as signatures stand on calls."""
    message = AssistantMessage(["look:", *parts])
    body = encoded([UserMessage("q"), message, UserMessage("go on")], model=model)
    assert [part.get("thoughtSignature") for part in body["contents"][1]["parts"]] == seals


# ---- options ---------------------------------------------------------------------------------------------------------

TOOL = Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}})
TOOL_JSON = {
    "name": "look",
    "description": "Looks.",
    "parametersJsonSchema": {"type": "object", "properties": {"at": {"type": "string"}}},
}
BARE_JSON = {"name": "b", "parametersJsonSchema": {"type": "object", "properties": {}}}

OPTIONS = {
    "none": ({}, {}),
    "sampling": (
        {"temperature": 0, "top_p": 1, "top_k": 5, "max_tokens": 10, "seed": 7},
        {"generationConfig": {"temperature": 0, "topP": 1, "topK": 5, "maxOutputTokens": 10, "seed": 7}},
    ),
    "penalties": (
        {"presence_penalty": 0.5, "frequency_penalty": -0.5},
        {"generationConfig": {"presencePenalty": 0.5, "frequencyPenalty": -0.5}},
    ),
    "one stop": ({"stop": "END"}, {"generationConfig": {"stopSequences": ["END"]}}),
    "stops": ({"stop": ["A", "B"]}, {"generationConfig": {"stopSequences": ["A", "B"]}}),
    "logprobs": ({"logprobs": 5}, {"generationConfig": {"responseLogprobs": True, "logprobs": 5}}),
    "logprobs of what was chosen": ({"logprobs": 0}, {"generationConfig": {"responseLogprobs": True}}),
    "system": (
        {"system": ["a", Text("b", cache="1h")]},
        {"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}},
    ),
    "cache": ({"cache": "5m"}, {}),
    "tier": ({"service_tier": "flex"}, {"serviceTier": "flex"}),
    "tools": (
        {"tools": [TOOL, ServerTool({"googleSearch": {}}), Tool("b", cache="5m"), ServerTool({"codeExecution": {}})]},
        {"tools": [{"googleSearch": {}}, {"codeExecution": {}}, {"functionDeclarations": [TOOL_JSON, BARE_JSON]}]},
    ),
    "tools of the provider": ({"tools": [ServerTool({"urlContext": {}})]}, {"tools": [{"urlContext": {}}]}),
    "extra body": (
        {"temperature": 1, "extra_body": {"cachedContent": "c", "generationConfig": {"topK": 3}}},
        {"cachedContent": "c", "generationConfig": {"temperature": 1, "topK": 3}},
    ),
}


@pytest.mark.parametrize(("options", "fields"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options(options, fields):
    assert encoded("hi", **options) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **fields}


# Model, reasoning, max_tokens → thinkingConfig, maxOutputTokens.
REASONING = {
    "a level": (LEVELED, "medium", 100, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, 100),
    "above all levels": (LEVELED, "max", None, {"thinkingLevel": "HIGH", "includeThoughts": True}, None),
    "none where there is none": (LEVELED, "none", None, {"thinkingLevel": "MINIMAL"}, None),
    "least of a large model": (
        "gemini-3.1-pro-preview",
        "minimal",
        None,
        {"thinkingLevel": "LOW", "includeThoughts": True},
        None,
    ),
    "between two levels": (
        "gemini-3-pro-preview",
        "medium",
        None,
        {"thinkingLevel": "LOW", "includeThoughts": True},
        None,
    ),
    "an alias": ("gemini-pro-latest", "medium", None, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, None),
    "in a folder": (f"models/{LEVELED}", "low", None, {"thinkingLevel": "LOW", "includeThoughts": True}, None),
    "a budget for a model of levels": (LEVELED, 2000, 10, {"thinkingBudget": 2000, "includeThoughts": True}, 2010),
    "a budget": (MODEL, 2000, 500, {"thinkingBudget": 2000, "includeThoughts": True}, 2500),
    "a level as a budget": (MODEL, "medium", None, {"thinkingBudget": 8192, "includeThoughts": True}, None),
    "the largest budget": (MODEL, "max", 60_000, {"thinkingBudget": 24_576, "includeThoughts": True}, 65_536),
    "the largest of a large model": (
        "gemini-2.5-pro",
        "max",
        None,
        {"thinkingBudget": 32_768, "includeThoughts": True},
        None,
    ),
    "none": (MODEL, "none", 100, {"thinkingBudget": 0}, 100),
    "as little as can be": ("gemini-2.5-pro", "none", None, {"thinkingBudget": 128}, None),
    "none of a model that never does": ("gemini-2.0-flash", "none", 5, None, 5),
}


@pytest.mark.parametrize(("model", "wanted", "limit", "thinking", "total"), REASONING.values(), ids=REASONING.keys())
def test_reasoning(model, wanted, limit, thinking, total):
    config = encoded("hi", model=model, reasoning=wanted, max_tokens=limit).get("generationConfig", {})
    assert config.get("thinkingConfig") == thinking
    assert config.get("maxOutputTokens") == total


def test_a_model_that_does_not_reason():
    with pytest.raises(UnsupportedOptionError, match="reasoning: gemini-2.0-flash does not reason"):
        encoded("hi", model="gemini-2.0-flash", reasoning="low")


CHOICES = {
    "auto": ("auto", {"mode": "AUTO"}),
    "required": ("required", {"mode": "ANY"}),
    "none": ("none", {"mode": "NONE"}),
    "one": ("look", {"mode": "ANY", "allowedFunctionNames": ["look"]}),
}


@pytest.mark.parametrize(("wanted", "config"), CHOICES.values(), ids=CHOICES.keys())
def test_tool_choice(wanted, config):
    assert encoded("hi", tools=[TOOL], tool_choice=wanted)["toolConfig"] == {"functionCallingConfig": config}


def test_no_choice_without_tools():
    assert "toolConfig" not in encoded("hi", tool_choice="none")


def test_arguments_that_must_fit():
    strict = Tool("look", strict=True)
    for wanted in (None, "auto"):
        config = encoded("hi", tools=[strict], tool_choice=wanted)["toolConfig"]["functionCallingConfig"]
        assert config == {"mode": "VALIDATED"}
    assert encoded("hi", tools=[strict], tool_choice="none")["toolConfig"]["functionCallingConfig"] == {"mode": "NONE"}


def test_no_choice_among_the_providers_own_tools():
    search = ServerTool({"googleSearch": {}})
    assert "toolConfig" not in encoded("hi", tools=[search], tool_choice="auto")
    with pytest.raises(UnsupportedOptionError, match="tool_choice"):
        encoded("hi", tools=[search], tool_choice="required")


def test_output_schema():
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert encoded("hi", settings={"output_schema": schema})["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


def test_metadata_needs_a_place():
    labelled = GeminiGenerateQuirks(labels=True)
    assert encoded("hi", labelled, metadata={"team": "a"})["labels"] == {"team": "a"}
    with pytest.raises(UnsupportedOptionError, match="metadata: this host has no place for it"):
        encoded("hi", metadata={"team": "a"})
    request = resolve("hi", {"metadata": {"team": "a"}}, {}, MODEL)
    assert b"team" not in WIRE.encode(request, QUIRKS, lambda _path, _why: None, False).body


def test_options_without_a_place():
    assert WIRE.refused(QUIRKS) == {"parallel_tool_calls"}


OUT_OF_BOUNDS = {
    "seed": ({"seed": 2**31}, "seed: expected a number of 32 bits"),
    "logprobs": ({"logprobs": 21}, "logprobs: expected at most 20"),
    "name of a tool": ({"tools": [TOOL, Tool("what's up?")]}, "tools[1].name: expected up to 128"),
    "first letter of a tool": ({"tools": [Tool("1st")]}, "tools[0].name: expected up to 128"),
    "way up": ({"model": "../x"}, "model: expected a name"),
    "empty piece": ({"model": "models//x"}, "model: expected a name"),
}


@pytest.mark.parametrize(("options", "message"), OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS.keys())
def test_out_of_this_wires_bounds(options, message):
    with pytest.raises(ConfigurationError) as caught:
        encoded("hi", **{"model": MODEL, **options})
    assert str(caught.value).startswith(message)


PATHS = {
    "bare": ("gemini-x", "/models/gemini-x:generateContent"),
    "as listed": ("models/gemini-x", "/models/gemini-x:generateContent"),
    "tuned": ("tunedModels/mine", "/tunedModels/mine:generateContent"),
    "of a publisher": ("publishers/p/models/m@1", "/publishers/p/models/m@1:generateContent"),
    "to be quoted": ("a b?c#d:e", "/models/a%20b%3Fc%23d%3Ae:generateContent"),
    "with a slash": ("a/b", "/models/a/b:generateContent"),
}


@pytest.mark.parametrize(("model", "path"), PATHS.values(), ids=PATHS.keys())
def test_path(model, path):
    call = WIRE.encode(resolve("hi", {}, {}, model), QUIRKS, refuse, False)
    assert (call.path, dict(call.query), call.method) == (path, {}, "POST")


def test_a_folder_that_lies_elsewhere():
    quirks = GeminiGenerateQuirks(folders={"models/": "", "publishers/": "/../.."})
    call = WIRE.encode(resolve("hi", {}, {}, "publishers/p/models/m"), quirks, refuse, False)
    assert call.path == "/../../publishers/p/models/m:generateContent"


def test_a_stream_is_asked_for():
    request = resolve("hi", {"extra_query": {"a": "b"}}, {}, MODEL)
    call = WIRE.encode(request, QUIRKS, refuse, True)
    assert (call.path, dict(call.query)) == (f"/models/{MODEL}:streamGenerateContent", {"alt": "sse", "a": "b"})
    assert call.body == WIRE.encode(request, QUIRKS, refuse, False).body


def test_the_callers_objects_are_left_alone():
    data = {"functionCall": {"name": "f"}}
    message = AssistantMessage(Opaque(NAME, data))
    body = encoded([UserMessage("q"), message, UserMessage("go on")], model=LEVELED)
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == DUMMY
    assert message.content[0].data == {"functionCall": {"name": "f"}}
