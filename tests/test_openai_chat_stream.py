"""The stream of the wire `openai-chat`: chunks in, events out, and never a cut answer taken for whole."""

import base64
import json

import pytest

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    Opaque,
    Refusal,
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
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "openai-chat"
WIRE = wire(NAME)
QUIRKS = OpenAIChatQuirks()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
COUNTS = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def chunk(delta=None, reason=None, *, index=0, **fields):
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": reason}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice], **fields}


def sse(data):
    return ServerSentEvent("message", data if isinstance(data, str) else json.dumps(data))


def begun(*chunks, quirks=QUIRKS):
    """A decoder that has read them, and what it said."""
    decoder = WIRE.decoder(quirks)
    events = []
    for data in chunks:
        assert not decoder.ended
        events += decoder.feed(sse(data)) or ()
    return decoder, events


def read(*chunks, reason="stop", quirks=QUIRKS):
    """All events of a stream that ends well, and its message."""
    decoder, events = begun(*chunks, chunk(reason=reason), "[DONE]", quirks=quirks)
    assert decoder.ended
    parts, *closing = decoder.close()
    everything = [*events, *parts]
    return everything, Accumulator().taking(everything).message(), closing


def call(arguments=None, index=0, **fields):
    inner = {
        key: value
        for key, value in {"name": fields.pop("name", None), "arguments": arguments}.items()
        if value is not None
    }
    return {
        "tool_calls": [
            {key: value for key, value in {"index": index, **fields, "function": inner}.items() if value is not None}
        ]
    }


def started(arguments="", index=0, id="c1", name="look"):  # noqa: A002 - the provider's word
    return call(arguments, index, id=id, type="function", name=name)


def look(text, index=0, id="c1"):  # noqa: A002
    return ToolCallDelta(index, id, "look", text)


# Deltas → what is said while they come and at the end, and the message.
STREAMS = {
    "text": (
        [{"role": "assistant", "content": "", "refusal": None}, {"content": "Hel"}, {"content": "lo"}],
        [TextDelta("Hel"), TextDelta("lo"), Text("Hello")],
    ),
    "nothing": ([{"role": "assistant", "content": ""}, {}], []),
    "what stands beside an answer in another shape": (
        [
            {"reasoning": ["x"], "reasoning_content": "hm"},
            {"reasoning_details": [1]},
            {"reasoning_details": "x"},
            {"refusal": 1},
            {"audio": "x"},
            {"images": "x"},
            {"annotations": {"a": 1}},
            {"content": "Hi"},
        ],
        [ThinkingDelta("hm"), TextDelta("Hi"), Thinking("hm", wire=NAME), Text("Hi")],
    ),
    "thoughts": (
        [
            {"content": None, "reasoning_content": "h"},
            {"content": "", "reasoning_content": "m"},
            {"content": "Hi", "reasoning_content": None},
        ],
        [ThinkingDelta("h"), ThinkingDelta("m"), TextDelta("Hi"), Thinking("hm", wire=NAME), Text("Hi")],
    ),
    "thoughts in both fields": (
        [{"reasoning": "h", "reasoning_content": "h"}, {"reasoning_content": "m", "reasoning": "m"}],
        [ThinkingDelta("h"), ThinkingDelta("m"), Thinking("hm", wire=NAME)],
    ),
    "thoughts after the text": (
        [{"content": "Hi"}, {"reasoning": "hm"}],
        [TextDelta("Hi"), ThinkingDelta("hm"), Thinking("hm", wire=NAME), Text("Hi")],
    ),
    "thoughts in details alone": (
        [
            {"reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0}]},
        ],
        [ThinkingDelta("h"), ThinkingDelta("m"), Thinking("hm", wire=NAME)],
    ),
    "thoughts in the content": (
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]},
            {"content": [{"type": "thinking", "thinking": []}]},
            {"content": "Hi"},
        ],
        [ThinkingDelta("h"), ThinkingDelta("m"), TextDelta("Hi"), Thinking("hm", wire=NAME), Text("Hi")],
    ),
    "blocks in their places": (
        [
            {"content": "a"},
            {"content": [{"type": "text", "text": "b"}, {"type": "reference", "reference_ids": [1]}]},
            {"content": "c"},
        ],
        [
            TextDelta("a"),
            TextDelta("b"),
            TextDelta("c"),
            Text("ab"),
            Opaque(NAME, {"type": "reference", "reference_ids": [1]}),
            Text("c"),
        ],
    ),
    "content that is an object": (
        [{"content": {"age": 32}}],
        [TextDelta('{"age":32}'), Text('{"age":32}')],
    ),
    "a refusal": ([{"content": None, "refusal": "n"}, {"refusal": "o"}], [Refusal("no")]),
    "sources": (
        [{"content": "Hi"}, {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}]}],
        [TextDelta("Hi"), Text("Hi", [Citation(url="https://a.example")])],
    ),
    "a picture": (
        [
            {"content": "Here"},
            {"images": [{"image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}]},
        ],
        [TextDelta("Here"), Text("Here"), Image(PNG)],
    ),
    "a sound": (
        # Each piece is base64 by itself.
        [
            {"audio": {"id": "audio_1", "transcript": "hel"}},
            {"audio": {"data": base64.b64encode(b"\1").decode()}},
            {"audio": {"transcript": "lo"}},
            {"audio": {"data": base64.b64encode(b"\2\3").decode(), "expires_at": 1}},
        ],
        [Audio(b"\1\2\3", media_type="audio/pcm", transcript="hello")],
    ),
    "a call": (
        [started(), call('{"a"'), call(""), call(":1}")],
        [look(""), look('{"a"'), look(":1}"), ToolCall("c1", "look", {"a": 1})],
    ),
    "a call without arguments": ([started()], [look(""), look("{}"), ToolCall("c1", "look")]),
    "a call with null": ([call(None, id="c1", name="look")], [look(""), look("{}"), ToolCall("c1", "look")]),
    "a call at once": ([started('{"a":1}')], [look('{"a":1}'), ToolCall("c1", "look", {"a": 1})]),
    "a call with an object": ([started({"a": 1})], [look('{"a":1}'), ToolCall("c1", "look", {"a": 1})]),
    "a call whose name comes late": (
        [call('{"a"', id="c1"), call(":1}", name="look"), call("")],
        [look('{"a":1}'), ToolCall("c1", "look", {"a": 1})],
    ),
    "a call without a number": (
        [{"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}]}],
        [look("{}"), ToolCall("c1", "look")],
    ),
    "fragments without a number": (
        [
            {"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": ""}}]},
            {"tool_calls": [{"function": {"arguments": '{"a"'}}]},
            {"tool_calls": [{"id": "c1", "function": {"arguments": ":1}"}}]},
        ],
        [look(""), look('{"a"'), look(":1}"), ToolCall("c1", "look", {"a": 1})],
    ),
    "calls by turns": (
        [started(), started(index=1, id="c2"), call("{", 1), call("{", 0), call("}", 1), call("}", 0)],
        [
            look(""),
            look("", 1, "c2"),
            look("{", 1, "c2"),
            look("{"),
            look("}", 1, "c2"),
            look("}"),
            ToolCall("c1", "look"),
            ToolCall("c2", "look"),
        ],
    ),
    "calls of one number": (
        [started("{}"), started('{"a"', id="c2"), call(":1}")],
        [
            look("{}"),
            look('{"a"', 1, "c2"),
            look(":1}", 1, "c2"),
            ToolCall("c1", "look"),
            ToolCall("c2", "look", {"a": 1}),
        ],
    ),
    "calls of one number without ids": (
        [started("{}", id=""), started('{"a":1}', id=None)],
        [
            look("{}", 0, "call_0_c-1"),
            look('{"a":1}', 1, "call_1_c-1"),
            ToolCall("call_0_c-1", "look"),
            ToolCall("call_1_c-1", "look", {"a": 1}),
        ],
    ),
    "a name on every fragment": (
        [started('{"a"', id=None), call(":1}", name="look")],
        [look('{"a"', 0, "call_0_c-1"), look(":1}", 0, "call_0_c-1"), ToolCall("call_0_c-1", "look", {"a": 1})],
    ),
    "a call that begins twice": (
        [started(), started("{}")],
        [look(""), look("{}"), ToolCall("c1", "look")],
    ),
    "a custom call": (
        [
            {"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "look", "input": ""}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": 'echo "a'}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": '"\n'}}]},
        ],
        [
            look('{"input":"'),
            look('echo \\"a'),
            look('\\"\\n'),
            look('"}'),
            ToolCall("c1", "look", {"input": 'echo "a"\n'}),
        ],
    ),
    "the old call": (
        [{"function_call": {"name": "look", "arguments": ""}}, {"function_call": {"arguments": '{"a":1}'}}],
        [look("", 0, "call_0_c-1"), look('{"a":1}', 0, "call_0_c-1"), ToolCall("call_0_c-1", "look", {"a": 1})],
    ),
    "all of it": (
        [{"reasoning": "hm"}, {"content": "Hi"}, started("{}")],
        [
            ThinkingDelta("hm"),
            TextDelta("Hi"),
            look("{}"),
            Thinking("hm", wire=NAME),
            Text("Hi"),
            ToolCall("c1", "look"),
        ],
    ),
}


@pytest.mark.parametrize(("deltas", "expected"), STREAMS.values(), ids=STREAMS.keys())
def test_streams(deltas, expected):
    events, message, _ = read(*map(chunk, deltas))
    assert events == expected
    assert message == AssistantMessage([event for event in expected if not type(event).__name__.endswith("Delta")])


@pytest.mark.parametrize("deltas", [row[0] for row in STREAMS.values()], ids=STREAMS.keys())
def test_what_is_told_at_once(deltas):
    """Where the provider cuts its answer into chunks makes no difference to the message."""
    _, message, _ = read(*map(chunk, deltas))
    at_once = {"id": "c-1", "choices": [choice for delta in deltas for choice in chunk(delta)["choices"]]}
    assert read(at_once)[1] == message


# ---- extras ----------------------------------------------------------------------------------------------------------


def extras(*deltas):
    return [getattr(part, "extra", None) for part in read(*map(chunk, deltas))[1].content]


def test_details_are_put_together():
    pieces = [
        {"type": "reasoning.text", "text": "h", "index": 0, "format": None},
        {"type": "reasoning.text", "text": "m", "index": 0, "format": "f"},
        {"type": "reasoning.text", "text": None, "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "index": 1},
        {"type": "reasoning.encrypted", "data": "y"},
        {"type": "reasoning.encrypted", "data": "z"},
    ]
    (extra,) = extras(*({"reasoning": piece.get("text"), "reasoning_details": [piece]} for piece in pieces))
    assert extra == {
        NAME: {
            "field": "reasoning",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "index": 0, "format": "f", "signature": "s"},
                {"type": "reasoning.encrypted", "data": "x", "index": 1},
                {"type": "reasoning.encrypted", "data": "y"},
                {"type": "reasoning.encrypted", "data": "z"},
            ],
        }
    }


def test_arguments_and_what_stands_beside_them():
    signed = started("{ }")
    signed["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    assert extras(signed) == [{NAME: {"extra_content": {"google": {"thought_signature": "s"}}, "arguments": "{ }"}}]


def test_custom_calls_and_sounds():
    custom = {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    assert extras({"tool_calls": [custom]}) == [{NAME: {"type": "custom"}}]
    assert extras({"audio": {"id": "a1", "data": "AAAA"}}, {"audio": {"transcript": "x"}}) == [{NAME: {"id": "a1"}}]


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_reason_and_usage_come_at_the_end():
    text, usage = chunk({"content": "Hi"}), {"id": "c-1", "choices": [], "usage": COUNTS}
    decoder, events = begun(text, chunk(reason="length"))
    assert (decoder.whole, decoder.ended) == (True, False)
    events += decoder.feed(sse(usage))
    events += decoder.feed(sse("[DONE]"))
    assert events == [TextDelta("Hi")]
    parts, reason, used = decoder.close()
    assert (list(parts), reason, used) == ([Text("Hi")], FinishReason("length", "length"), Usage(20, 5))
    assert used.raw == COUNTS


def test_a_stream_without_its_end_mark():
    decoder, _ = begun(chunk({"content": "Hi"}), chunk(reason="stop"))
    assert decoder.whole
    assert decoder.close()[1:] == (FinishReason("stop", "stop"), Usage())


CUT = {
    "no reason": [chunk({"content": "Hi"})],
    "no reason, but an end mark": [chunk({"content": "Hi"}), "[DONE]"],
    "an empty reason": [chunk({"content": "Hi"}, ""), "[DONE]"],
    "the reason of another answer": [chunk({"content": "Hi"}), chunk(reason="stop", index=1), "[DONE]"],
    "nothing": [],
    "usage": [chunk({"content": "Hi"}), {"choices": [], "usage": COUNTS}],
}


@pytest.mark.parametrize("chunks", CUT.values(), ids=CUT.keys())
def test_a_cut_stream(chunks):
    decoder, _ = begun(*chunks)
    assert not decoder.whole
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def test_a_host_that_never_says_why():
    quirks = OpenAIChatQuirks(finish_reason=False)
    decoder, _ = begun(chunk({"content": "Hi"}), quirks=quirks)
    with pytest.raises(IncompleteStreamError):
        decoder.close()
    decoder, _ = begun(chunk({"content": "Hi"}), "[DONE]", quirks=quirks)
    assert (decoder.whole, decoder.ended) == (True, True)
    assert decoder.close() == ([Text("Hi")], FinishReason("other"), Usage())


@pytest.mark.parametrize(
    ("delta", "raw", "reason"),
    [
        (started("{}"), "tool_calls", "tool_calls"),
        (started("{}"), "stop", "tool_calls"),
        ({"refusal": "no"}, "stop", "refusal"),
        ({"content": "a"}, "eos", "stop"),
        ({"content": "a"}, "bored", "other"),
    ],
)
def test_finish_reasons(delta, raw, reason):
    assert read(chunk(delta), reason=raw)[2][0] == FinishReason(reason, raw)


def test_the_stop_string_that_was_met():
    ending = chunk(reason="stop")
    ending["choices"][0]["stop_reason"] = "END"
    assert begun(ending)[0].close()[1] == FinishReason("stop", "stop", "END")


def test_the_reason_twice():
    assert read(chunk(reason="stop"), chunk({}, "stop"))[2][0] == FinishReason("stop", "stop")


# ---- what stands beside the choices ----------------------------------------------------------------------------------


def test_the_envelope():
    decoder, _ = begun(
        {"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        chunk({"content": "a"}, system_fingerprint="f", usage=None),
        chunk(reason="stop", model="gpt-y", system_fingerprint="", usage=COUNTS),
        {"id": "", "model": "", "choices": [], "usage": None},
    )
    assert (decoder.id, decoder.model) == ("c-1", "gpt-y")
    assert decoder.envelope == {
        "id": "c-1",
        "model": "gpt-y",
        "object": "chat.completion.chunk",
        "prompt_filter_results": [{"prompt_index": 0}],
        "system_fingerprint": "f",
        "usage": COUNTS,
    }


@pytest.mark.parametrize(
    "ending",
    [
        {"choices": [], "usage": COUNTS},
        {"choices": [], "x_groq": {"usage": COUNTS}},
        {"choices": [{"index": 0, "usage": COUNTS}]},
        {"usage": COUNTS},
    ],
)
def test_where_usage_stands(ending):
    decoder, _ = begun(chunk({"content": "a"}))
    assert decoder.usage() == Usage()
    decoder.feed(sse(ending))
    assert decoder.usage() == Usage(20, 5)


def test_usage_on_every_chunk():
    totals = [{"prompt_tokens": 20, "completion_tokens": count} for count in (1, 2, 3)]
    decoder, _ = begun(*(chunk({"content": "a"}, usage=total) for total in totals))
    assert decoder.usage() == Usage(20, 3)


def test_sources_beside_the_choices():
    page = {"title": "A", "url": "https://a.example", "snippet": "words"}
    _, message, _ = read(chunk({"content": "Hi"}, search_results=[page]))
    assert message.content == (Text("Hi", [Citation("words", "https://a.example", "A")]),)


def test_logprobs_are_joined():
    def told(*tokens):
        data = chunk({"content": "a"})
        data["choices"][0]["logprobs"] = {"content": [{"token": token} for token in tokens], "refusal": None}
        return data

    decoder, _ = begun(told("a"), told(), told("b", "c"))
    assert decoder.logprobs == [{"token": "a"}, {"token": "b"}, {"token": "c"}]
    assert begun(chunk({"content": "a"}))[0].logprobs is None


def test_only_the_first_of_several_answers():
    _, message, _ = read(
        chunk({"content": "a"}),
        chunk({"content": "x"}, index=1),
        chunk(started("{}"), "tool_calls", index=1),
        chunk({"content": "b"}),
    )
    assert message == AssistantMessage("ab")


# ---- progress, and what is held back ---------------------------------------------------------------------------------

SAYS_NOTHING = {"unknown": {"type": "tomorrow"}, "usage alone": {"usage": COUNTS}}
PROGRESS = {
    "a role": chunk({"role": "assistant", "content": ""}),
    "no delta": {"choices": [{"index": 0, "finish_reason": None}]},
    "a null delta": {"choices": [{"index": 0, "delta": None}]},
    "no choice": {"choices": []},
    "null": {"choices": None},
    "another answer": chunk({"content": "x"}, index=1),
    "a refusal": chunk({"refusal": "no"}),
}


@pytest.mark.parametrize("data", SAYS_NOTHING.values(), ids=SAYS_NOTHING.keys())
def test_what_says_nothing(data):
    assert begun()[0].feed(sse(data)) is None


@pytest.mark.parametrize("data", PROGRESS.values(), ids=PROGRESS.keys())
def test_what_says_nothing_yet(data):
    assert begun()[0].feed(sse(data)) == ()


PINGS = {name: PROGRESS[name] for name in ("a role", "no delta", "a null delta", "no choice", "null")}


@pytest.mark.parametrize("data", PINGS.values(), ids=PINGS.keys())
def test_what_says_nothing_again(data):
    """That the answer begins is news, but not for ever: some hosts send such as pings."""
    decoder, _ = begun(chunk({"role": "assistant", "content": ""}))
    assert [decoder.feed(sse(data)) for _ in range(3)] == [None] * 3


def test_what_is_pending():
    decoder, events = begun(
        chunk({"content": "Hi"}), chunk({"refusal": "n"}), chunk(started("{")), chunk({"refusal": "o"})
    )
    message = Accumulator().taking(events).message(decoder.pending())
    assert message == AssistantMessage([Text("Hi"), ToolCall("c1", "look", raw="{"), Refusal("no")])


def test_what_is_pending_may_be_unreadable():
    decoder, events = begun(chunk({"content": "Hi"}), chunk(call("{", id="c1")))
    assert events == [TextDelta("Hi")]
    assert list(decoder.pending()) == []


# ---- errors ----------------------------------------------------------------------------------------------------------

FAILED = {
    "alone": ("message", '{"error": {"message": "m"}}'),
    "beside choices": ("message", '{"choices": [{"index": 0, "delta": {}}], "error": {"message": "m", "code": 502}}'),
    "in a choice": ("message", '{"choices": [{"index": 0, "delta": {}, "error": {"message": "m"}}]}'),
    "a word": ("message", '{"error": "overloaded"}'),
    "a detail": ("message", '{"detail": "overloaded"}'),
    "an object named error": ("message", '{"object": "error", "message": "m", "code": 400}'),
    "in a list": ("message", '[{"error": {"message": "m"}}]'),
    "named so": ("error", '{"message": "m"}'),
    "named so, in words": ("error", "overloaded"),
}


@pytest.mark.parametrize(("name", "data"), FAILED.values(), ids=FAILED.keys())
def test_errors(name, data):
    decoder, _ = begun(chunk({"content": "a"}))
    with pytest.raises(ErrorEvent):
        decoder.feed(ServerSentEvent(name, data))


INVALID = {
    "no JSON": "{oops",
    "a number": "1",
    "a list": "[]",
    "choices that are none": {"choices": "x"},
    "a choice that is none": {"choices": [1]},
    "a delta that is none": {"choices": [{"delta": "x"}]},
    "content that is a number": chunk({"content": 1}),
    "a block that is none": chunk({"content": [1]}),
    "calls that are none": chunk({"tool_calls": {"a": 1}}),
    "a call that is none": chunk({"tool_calls": [1]}),
    "a function that is none": chunk({"tool_calls": [{"function": "x"}]}),
}


@pytest.mark.parametrize("data", INVALID.values(), ids=INVALID.keys())
def test_what_is_no_chunk(data):
    with pytest.raises(InvalidResponseError):
        begun(data)


def test_a_call_that_never_gets_a_name():
    decoder, _ = begun(chunk(call("{}", id="c1"), "tool_calls"))
    with pytest.raises(InvalidResponseError) as caught:
        decoder.close()
    assert caught.value.path == "$.choices[0].message.tool_calls[0].function.name"
