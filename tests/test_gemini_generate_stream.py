"""Streams of the wire `gemini-generate`: chunks in, events out; when they are whole; how they are like whole bodies."""

import json

import pytest

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    FinishReason,
    IncompleteStreamError,
    InvalidResponseError,
    Opaque,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from llmkit.accumulate import Accumulator
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "gemini-generate"
WIRE = wire(NAME)
QUIRKS = GeminiGenerateQuirks()
STOP = FinishReason("stop", "STOP")
RESULT = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
SAMPLES = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAE="}}
WEB = {"web": {"uri": "https://example.com", "title": "E"}}
GROUNDED = {"groundingChunks": [WEB], "groundingSupports": [{"groundingChunkIndices": [0]}]}


def chunk(*parts, usage=None, **candidate):
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    found = {"candidates": [{**content, "index": 0, **candidate}], "responseId": "r-1", "modelVersion": "gemini-x"}
    return found if usage is None else {**found, "usageMetadata": usage}


def say(text, **more):
    return {"text": text, **more}


def think(text, **more):
    return {"text": text, "thought": True, **more}


def call(name, **fields):
    return {"functionCall": {"name": name, **fields}}


LAST = chunk(say(""), finishReason="STOP")


def sse(data):
    return ServerSentEvent("message", json.dumps(data))


def fed(chunks):
    decoder = WIRE.decoder(QUIRKS)
    return decoder, [decoder.feed(sse(data)) for data in chunks]


def read(chunks):
    """All events of a whole stream."""
    decoder, events = fed(chunks)
    parts, reason, usage = decoder.close()
    return [*(event for some in events for event in some or ()), *parts, reason, usage]


# Chunks → events, but for the closing two.
STREAMS = {
    "text": (
        [chunk(say("Hel")), chunk(say("lo")), LAST],
        [TextDelta("Hel"), TextDelta("lo"), Text("Hello")],
    ),
    "all in one": ([chunk(say("Hi"), finishReason="STOP")], [TextDelta("Hi"), Text("Hi")]),
    "thoughts": (
        [chunk(think("a")), chunk(think("b")), chunk(say("c")), LAST],
        [ThinkingDelta("a"), ThinkingDelta("b"), Thinking("ab", wire=NAME), TextDelta("c"), Text("c")],
    ),
    "a signature at the end": (
        [chunk(say("a")), chunk(say("", thoughtSignature="s"), finishReason="STOP")],
        [TextDelta("a"), Text("a", extra={NAME: {"thoughtSignature": "s", "bare": 1}})],
    ),
    "a signature, then more": (
        [chunk(say("a", thoughtSignature="s")), chunk(say("b")), LAST],
        [TextDelta("a"), Text("a", extra={NAME: {"thoughtSignature": "s"}}), TextDelta("b"), Text("b")],
    ),
    "signed thoughts": (
        [chunk(think("a")), chunk(think("", thoughtSignature="s")), LAST],
        [ThinkingDelta("a"), Thinking("a", "s", wire=NAME, extra={NAME: {"bare": 1}})],
    ),
    "calls": (
        [chunk(say("a")), chunk(call("f", id="i", args={"n": 1})), chunk(call("g")), LAST],
        [
            TextDelta("a"),
            Text("a"),
            ToolCallDelta(0, "i", "f", '{"n":1}'),
            ToolCall("i", "f", {"n": 1}),
            ToolCallDelta(1, "call_r-1_1", "g", "{}"),
            ToolCall("call_r-1_1", "g", extra={NAME: {"id": None}}),
        ],
    ),
    "arguments that are no object": (
        [chunk(call("f", id="i", args="oops")), LAST],
        [ToolCallDelta(0, "i", "f", '"oops"'), ToolCall("i", "f", raw='"oops"')],
    ),
    "a part between texts": (
        [chunk(say("a")), chunk(RESULT), chunk(say("b")), LAST],
        [TextDelta("a"), Text("a"), Opaque(NAME, RESULT), TextDelta("b"), Text("b")],
    ),
    "sound": (
        [chunk(SAMPLES), chunk(SAMPLES), LAST],
        [Audio(b"\0\1\0\1", media_type="audio/l16;rate=24000")],
    ),
    "sources": (
        [chunk(say("a")), chunk(say("b"), finishReason="STOP", groundingMetadata=GROUNDED)],
        [TextDelta("a"), TextDelta("b"), Text("ab", [Citation(url="https://example.com", title="E")])],
    ),
    "sources behind the end": (
        [chunk(say("a"), finishReason="STOP"), chunk(groundingMetadata=GROUNDED)],
        [TextDelta("a"), Text("a", [Citation(url="https://example.com", title="E")])],
    ),
    "sources of what is not the last": (
        [chunk(say("a"), groundingMetadata=GROUNDED), chunk(RESULT), LAST],
        [TextDelta("a"), Text("a"), Opaque(NAME, RESULT), Text("", [Citation(url="https://example.com", title="E")])],
    ),
    "recitations in pieces": (
        [
            chunk(say("a"), citationMetadata={"citations": [{"uri": "u"}]}),
            chunk(say("b"), finishReason="STOP", citationMetadata={"citations": [{"uri": "v"}]}),
        ],
        [TextDelta("a"), TextDelta("b"), Text("ab", [Citation(url="u"), Citation(url="v")])],
    ),
    "recitations so far": (
        [
            chunk(say("a"), citationMetadata={"citations": [{"uri": "u"}]}),
            chunk(finishReason="STOP", citationMetadata={"citations": [{"uri": "u"}, {"uri": "v"}]}),
        ],
        [TextDelta("a"), Text("a", [Citation(url="u"), Citation(url="v")])],
    ),
    "other candidates": (
        [chunk(say("a")), chunk(say("x"), index=1, finishReason="STOP"), LAST],
        [TextDelta("a"), Text("a")],
    ),
}
each_stream = pytest.mark.parametrize(("chunks", "events"), STREAMS.values(), ids=STREAMS.keys())


@each_stream
def test_events(chunks, events):
    reason = FinishReason("tool_calls", "STOP") if any(isinstance(event, ToolCall) for event in events) else STOP
    found = read(chunks)
    assert found == [*events, reason, Usage()]
    assert [getattr(event, "extra", None) for event in found[:-2]] == [
        getattr(event, "extra", None) for event in events
    ]
    assert [getattr(event, "raw", None) for event in found[:-2]] == [getattr(event, "raw", None) for event in events]


@each_stream
def test_an_array_is_the_same(chunks, events):
    found = WIRE.decode(chunks, QUIRKS)
    deltas = (TextDelta, ThinkingDelta, ToolCallDelta)
    assert found.message == AssistantMessage([event for event in events if not isinstance(event, deltas)])


@each_stream
def test_one_body_is_the_same(chunks, events):
    """The parts of all chunks in one."""
    first = [candidate for data in chunks for candidate in data["candidates"] if not candidate["index"]]
    parts = [part for found in first for part in found.get("content", {}).get("parts", ())]
    around = {key: value for found in first for key, value in found.items() if key != "citationMetadata"}
    told = [found.get("citationMetadata", {}).get("citations", []) for found in first]
    cited = list({item["uri"]: item for items in told for item in items}.values())
    body = {
        **chunks[0],
        "candidates": [{**around, "content": {"parts": parts}, "citationMetadata": {"citations": cited}}],
    }
    assert WIRE.decode(body, QUIRKS).message == WIRE.decode(chunks, QUIRKS).message


@each_stream
def test_never_whole_before_its_end(chunks, events):
    ended = False
    for end in range(len(chunks)):
        decoder, _ = fed(chunks[:end])
        assert (decoder.whole, decoder.ended) == (ended, False)
        if not ended:
            with pytest.raises(IncompleteStreamError):
                decoder.close()
        ended = ended or any(not one["index"] and "finishReason" in one for one in chunks[end]["candidates"])


@each_stream
def test_what_was_received_of_a_cut_answer(chunks, events):
    """Of text and calls the deltas are there, and sound is handed out as far as it has come."""
    decoder, some = fed(chunks)
    content = Accumulator().taking([event for found in some for event in found or ()])
    received = content.message(decoder.pending())
    assert received.text == AssistantMessage([event for event in events if isinstance(event, Text)]).text
    assert [part for part in received.content if isinstance(part, (ToolCall, Audio, Opaque))] == [
        event for event in events if isinstance(event, (ToolCall, Audio, Opaque))
    ]


ENDS = {
    "reason": (chunk(finishReason="MAX_TOKENS"), FinishReason("length", "MAX_TOKENS")),
    "number": (chunk(finishReason=1), STOP),
    "blocked": (
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        FinishReason("content_filter", "PROHIBITED_CONTENT"),
    ),
}


@pytest.mark.parametrize(("last", "reason"), ENDS.values(), ids=ENDS.keys())
def test_what_ends_a_stream(last, reason):
    assert read([last]) == [reason, Usage()]


NO_ENDS = {
    "nothing": [],
    "no reason": [chunk(say("a"))],
    "an empty reason": [chunk(say("a"), finishReason="")],
    "an unspecified reason": [chunk(say("a"), finishReason="FINISH_REASON_UNSPECIFIED")],
    "an unspecified number": [chunk(say("a"), finishReason=0)],
    "feedback that blocks nothing": [{"promptFeedback": {"safetyRatings": []}}],
    "an unspecified block": [{"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}}],
    "another wire's end": [chunk(say("a")), "[DONE]"],
    "the end of another candidate": [chunk(say("a")), chunk(say("b"), index=1, finishReason="STOP")],
}


@pytest.mark.parametrize("chunks", NO_ENDS.values(), ids=NO_ENDS.keys())
def test_what_ends_no_stream(chunks):
    decoder = WIRE.decoder(QUIRKS)
    for data in chunks:
        decoder.feed(ServerSentEvent("message", data) if data == "[DONE]" else sse(data))
    assert not decoder.whole
    with pytest.raises(IncompleteStreamError, match="before a finishReason"):
        decoder.close()


def test_a_reason_is_not_taken_back():
    assert read([chunk(say("a"), finishReason="STOP"), chunk(finishReason="FINISH_REASON_UNSPECIFIED")])[-2] == STOP


USAGES = {
    "totals so far": (
        [{"promptTokenCount": 3}, {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}],
        Usage(3, 5),
    ),
    "less at the end": (
        [
            {"promptTokenCount": 9, "candidatesTokenCount": 21, "totalTokenCount": 30},
            {"promptTokenCount": 87, "thoughtsTokenCount": 78, "totalTokenCount": 165},
        ],
        Usage(87, 78, 0, 0, 78),
    ),
    "the last says nothing of counts": (
        [{"promptTokenCount": 3, "candidatesTokenCount": 5}, {"trafficType": "ON_DEMAND"}],
        Usage(3, 5),
    ),
    "no counts at first": ([{"trafficType": "ON_DEMAND"}, {"promptTokenCount": 3}], Usage(3)),
}


@pytest.mark.parametrize(("told", "usage"), USAGES.values(), ids=USAGES.keys())
def test_usage(told, usage):
    assert read([*(chunk(say("a"), usage=item) for item in told), LAST])[-1] == usage


def test_usage_so_far():
    decoder, _ = fed([chunk(say("a"), usage={"promptTokenCount": 3, "trafficType": "ON_DEMAND"})])
    assert decoder.usage() == Usage(3)
    assert decoder.usage().raw == {"promptTokenCount": 3, "trafficType": "ON_DEMAND"}


def test_the_envelope_has_no_content():
    last = {**chunk(say("b"), finishReason="STOP", avgLogprobs=-0.5), "createTime": "now", "modelVersion": ""}
    decoder, _ = fed([chunk(say("a"), safetyRatings=[1], usage={"promptTokenCount": 3}), last])
    assert decoder.envelope == {
        "candidates": [{"index": 0, "safetyRatings": [1], "finishReason": "STOP", "avgLogprobs": -0.5}],
        "usageMetadata": {"promptTokenCount": 3},
        "responseId": "r-1",
        "modelVersion": "gemini-x",
        "createTime": "now",
    }
    assert (decoder.id, decoder.model) == ("r-1", "gemini-x")


def test_logprobs_are_joined():
    """Of each token with its alternatives, as of a whole body."""
    chosen = [{"token": "a", "logProbability": -1}, {"token": "b", "logProbability": -2}]
    tops = [{"candidates": [chosen[0], chosen[1]]}, {"candidates": [chosen[1]]}]
    results = [{"chosenCandidates": chosen[place], "topCandidates": tops[place]} for place in (slice(1), slice(1, 2))]
    chunks = [
        chunk(say("a"), logprobsResult=results[0]),
        chunk(say("b"), finishReason="STOP", logprobsResult=results[1]),
    ]
    decoder, _ = fed(chunks)
    assert decoder.logprobs == [{**chosen[0], "topCandidates": chosen}, {**chosen[1], "topCandidates": chosen[1:]}]
    whole = chunk(say("ab"), finishReason="STOP", logprobsResult={"chosenCandidates": chosen, "topCandidates": tops})
    assert decoder.logprobs == WIRE.decode(chunks, QUIRKS).logprobs == WIRE.decode(whole, QUIRKS).logprobs
    assert fed([LAST])[0].logprobs is None


def test_what_says_nothing_new():
    """A stream of such chunks alone must be able to time out."""
    thinking = {"promptTokenCount": 3, "thoughtsTokenCount": 10}
    decoder, events = fed(
        [
            chunk(usage=thinking),
            chunk(usage=thinking),
            chunk(say("")),
            {},
            chunk(usage={**thinking, "thoughtsTokenCount": 20}),
        ]
    )
    assert events == [(), None, None, None, ()]
    assert decoder.feed(ServerSentEvent("message", " [DONE]\n")) is None


def test_an_error_chunk():
    decoder, _ = fed([chunk(say("a"))])
    failed = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}}
    with pytest.raises(ErrorEvent) as caught:
        decoder.feed(sse(failed))
    assert caught.value.body == failed


BROKEN = {
    "no JSON": ("{oops", "$"),
    "an array": ("[1]", "$"),
    "candidates": ('{"candidates": 1}', "$.candidates"),
    "a part": ('{"candidates": [{"content": {"parts": [1]}}]}', "$.candidates[0].content.parts[1]"),
}


@pytest.mark.parametrize(("data", "path"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_chunk(data, path):
    """Parts are counted over all chunks."""
    decoder, _ = fed([chunk(say("a"))])
    with pytest.raises(InvalidResponseError) as caught:
        decoder.feed(ServerSentEvent("message", data))
    assert caught.value.path == path
