"""Most events of a stream are more of a text, and are taken on a shorter way: it gives just what the long one does.

What a host may do at any time, such as a field that changes with each event, takes the long way and changes no event.
"""

import json

import pytest
from faults.calls import KEY, chunked, each_format, in_turn, once
from faults.formats import MODEL, TEXT
from faults.formats import PIECES as ANSWER
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sockets import Server

from llmkit import Client, FinishReason, IncompleteStreamError, InvalidResponseError, TextDelta
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire


def told(name, events):
    """All that a decoder says of `events`: of each what it tells, and at last how it ends and what it knows."""
    decoder = wire(name).decoder(None)
    found = [decoder.feed(ServerSentEvent(*event)) for event in events]
    known = (
        decoder.begun(),
        decoder.pending(),
        decoder.usage(),
        decoder.logprobs,
        decoder.id,
        decoder.model,
        decoder.whole,
    )
    try:
        return [*map(as_list, found), known, decoder.close()]
    except (IncompleteStreamError, InvalidResponseError) as error:
        return [*map(as_list, found), known, str(error)]


def as_list(found):
    return None if found is None else list(found)


# ---- Chat: what stands around the choices is looked at only where it is new ------------------------------------------

AROUND = (
    {"id": "a", "model": "m", "created": 1, "usage": None},
    {"id": "a", "model": "m", "created": 1, "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    {"id": "b", "model": "n", "created": 2},
)
DELTAS = (
    {"content": "a"},
    {"content": "b"},
    {"content": ""},
    {},
    {"role": "assistant", "content": "c"},
    {"content": "d", "reasoning": "e"},
    {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]},
    {"refusal": "no"},
)
CHOICES = (
    {"index": 0},
    {"index": 0, "finish_reason": None, "logprobs": None},
    {"index": 1},
    {},
    {"index": 0, "logprobs": {"content": [{"token": "a", "logprob": -1.0}]}},
    {"index": 0, "finish_reason": "stop"},
)
each_choice = st.builds(
    lambda beside, delta: {**beside, "delta": delta}, st.sampled_from(CHOICES), st.sampled_from(DELTAS)
)
each_chunk = st.tuples(st.sampled_from(AROUND), st.none() | st.lists(each_choice, max_size=2))


@settings(deadline=None)
@given(st.lists(each_chunk, max_size=12))
def test_chat(chunks):
    short, long = [], []
    for number, (around, choices) in enumerate(chunks):
        data = around if choices is None else {**around, "choices": choices}
        short.append(("message", json.dumps(data)))
        long.append(("message", json.dumps({**data, "number": number})))
    assert told("openai-chat", short) == told("openai-chat", long)


def test_chat_what_no_choice_stands_beside_holds_until_it_is_told_anew():
    decoder = wire("openai-chat").decoder(None)
    for data in ({"id": "a", "choices": [{"delta": {"content": "x"}}]}, {"id": "b"}, {"id": "a", "choices": [{}]}):
        decoder.feed(ServerSentEvent("message", json.dumps(data)))
    assert decoder.id == "a"


# ---- Anthropic: by the event's name, an event is known as well, but takes the long way -------------------------------

BLOCKS = (
    {"type": "text", "text": ""},
    {"type": "text", "text": "begun "},
    {"type": "thinking", "thinking": ""},
    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    {"type": "new"},
)
PIECES = (
    {"type": "text_delta", "text": "a"},
    {"type": "text_delta", "text": "b"},
    {"type": "text_delta", "text": ""},
    {"type": "thinking_delta", "thinking": "c"},
    {"type": "input_json_delta", "partial_json": "{}"},
    {"type": "new_delta", "text": "d", "more": 1},
)
each_step = st.one_of(
    st.tuples(st.just("content_block_start"), st.integers(0, 2), st.sampled_from(BLOCKS)),
    st.tuples(st.just("content_block_delta"), st.integers(0, 2), st.sampled_from(PIECES)),
    st.tuples(st.just("content_block_delta"), st.integers(0, 1), st.sampled_from(PIECES[:2])),
    st.tuples(st.just("content_block_stop"), st.integers(0, 2), st.none()),
)


@settings(deadline=None)
@given(st.lists(each_step, max_size=20), st.booleans())
def test_anthropic(steps, whole):
    events, begun = [("message_start", {"message": {"id": "a", "model": "m"}})], set()
    for kind, index, value in steps:
        if kind == "content_block_start":
            begun.add(index)
            events.append((kind, {"index": index, "content_block": value}))
        elif index in begun:
            events.append((kind, {"index": index, "delta": value}))
            if kind == "content_block_stop":
                begun.remove(index)
    if whole:
        events += [("message_delta", {"delta": {"stop_reason": "end_turn"}}), ("message_stop", {})]
    named = [(kind, json.dumps({"type": kind, **data})) for kind, data in events]
    assert told("anthropic-messages", named) == told("anthropic-messages", [(k, json.dumps(d)) for k, d in events])


# ---- Gemini: where there is another candidate, the long way finds the one that is read -------------------------------

PARTS = (
    {"text": "a"},
    {"text": "b"},
    {"text": ""},
    {"text": "c", "thought": True},
    {"text": "d", "thoughtSignature": "s"},
    {"functionCall": {"id": "t", "name": "f", "args": {}}},
    {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}},
)
BESIDE = ({}, {"index": 0}, {"index": 1}, {"finishReason": "STOP"})
COUNTED = (
    {},
    {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}},
    {"modelVersion": "m", "responseId": "r"},
)
each_answer = st.tuples(
    st.sampled_from(COUNTED), st.sampled_from(BESIDE), st.lists(st.sampled_from(PARTS), min_size=1, max_size=2)
)


@settings(deadline=None)
@given(st.lists(each_answer, max_size=12))
@example([({}, {}, [{"text": "a"}]), *[({"responseId": "r"}, {"index": 1}, [{"text": "b"}])] * 2])
def test_gemini(chunks):
    short, long = [], []
    for around, beside, parts in chunks:
        candidate = {**beside, "content": {"role": "model", "parts": parts}}
        short.append(("message", json.dumps({**around, "candidates": [candidate]})))
        long.append(("message", json.dumps({**around, "candidates": [candidate, {"index": 1}]})))
    assert told("gemini-generate", short) == told("gemini-generate", long)


# ---- what one read brings is handed out one by one, and shown as it is handed out ------------------------------------


def client(form, server):
    return Client(form.provider, model=MODEL, api_key=KEY, base_url=server.url, max_retries=0)


@each_format
@pytest.mark.parametrize("whole", [False, True], ids=["events", "a whole body"])
def test_a_snapshot_shows_what_was_handed_out(form, whole):
    """Although all of it has come with one read."""
    json_body = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    raw = json_body % (len(form.body), form.body) if whole else chunked(form.stream)
    with Server(once(raw)) as server, client(form, server).stream("Hi") as stream:
        assert stream.snapshot.text == ""
        handed = ""
        for event in stream:
            handed += event.text if isinstance(event, TextDelta) else ""
            assert stream.snapshot.text == handed
            if isinstance(event, FinishReason):
                assert stream.snapshot.finish_reason.reason == "unfinished"
        assert handed == TEXT
        assert stream.snapshot is stream.collect()


@each_format
def test_what_stands_before_a_bad_chunk_is_handed_out(form):
    """Where both come with one read, as well as where each comes by itself."""
    raw = chunked(form.begun(2), end=False) + b"xyz\r\n"
    with Server(once(raw)) as server, client(form, server).stream("Hi") as stream:
        handed = []
        with pytest.raises(IncompleteStreamError) as caught:
            handed.extend(stream.text_deltas())
    assert "".join(handed) == caught.value.partial.text == "".join(ANSWER[:2])


def test_blocks_that_are_held_back_are_in_the_partial_answer_only():
    """A block that another before it has to be complete for: received, and not handed out."""
    events = [
        {"type": "message_start", "message": {"id": "a", "model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "two"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one "}},
    ]
    raw = chunked(b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events))
    with Server(once(raw)) as server:
        anthropic = Client("anthropic", model=MODEL, api_key=KEY, base_url=server.url, max_retries=0)
        with anthropic.stream("Hi") as stream:
            assert next(stream) == TextDelta("one ")
            assert stream.snapshot.text == "one "
            with pytest.raises(IncompleteStreamError) as caught:
                next(stream)
    assert caught.value.partial.text == "one two"


def test_an_answer_that_ends_in_its_last_line_is_read_as_strictly():
    """The last event's blank line is missing; and one of the blocks, which is known only then, is none."""
    events = [
        {"type": "message_start", "message": {"id": "a", "model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": 5}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    answers = once(chunked(stream)), once(chunked(stream.removesuffix(b"\n\n")))
    with Server(in_turn(*answers)) as server:
        for _ in answers:
            anthropic = Client("anthropic", model=MODEL, api_key=KEY, base_url=server.url, max_retries=0)
            with pytest.raises(InvalidResponseError):
                anthropic.stream("Hi").collect()
