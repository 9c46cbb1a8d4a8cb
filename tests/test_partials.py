"""What is known of an answer that fails: at each moment the text that was handed out, no more and no less."""

import json

import pytest
from attrs import evolve, frozen
from faults.calls import KEY, chunked, once
from sockets import Server

from llmkit import Client, LLMKitError, TextDelta, ThinkingDelta
from llmkit.provider import provider


def lines(*events):
    """Each as it stands in a stream."""
    return [
        (f"event: {data['type']}\n" if "type" in data else "").encode() + b"data: %s\n\n" % json.dumps(data).encode()
        for data in events
    ]


# ---- Anthropic --------------------------------------------------------------------------------------------------

TEXT = {"type": "text", "text": ""}
CALL = {"type": "tool_use", "id": "c", "name": "final_answer", "input": {}}
BAD = {"type": "citations_delta", "citation": {"type": 5, "cited_text": 7}}
START = {"type": "message_start", "message": {"id": "i", "model": "m"}}


def block(index, data):
    return {"type": "content_block_start", "index": index, "content_block": data}


def said(text, index=0):
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}


def called(text, index=1):
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def other(delta, index=0):
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index=0):
    return {"type": "content_block_stop", "index": index}


# ---- Responses --------------------------------------------------------------------------------------------------

MESSAGE = {"type": "message", "id": "x", "role": "assistant", "content": []}
CALLED = {"type": "function_call", "id": "y"}  # without a name
CREATED = {"type": "response.created", "response": {"id": "i", "model": "m"}}


def added(item, index=0):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item, index=0):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def told(text, index=0):
    return {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": text}


def thought(text):
    return {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": text}


def completed(output):
    return {"type": "response.completed", "response": {"status": "completed", "output": output}}


# ---- Chat, and Gemini -------------------------------------------------------------------------------------------


def deltas(*found):
    return [{"id": "i", "model": "m", "choices": [{"index": 0, "delta": delta}]} for delta in found]


def parts(*found):
    return [{"candidates": [{"content": {"parts": chunk}}]} for chunk in found]


FUNCTION = {"functionCall": {"name": "f", "args": {}}}

FAILS = {
    "a block that is bad when it ends": (
        "anthropic",
        [START, block(0, TEXT), said("a"), said("b"), other(BAD), stop()],
    ),
    "a block behind one that ends": (
        "anthropic",
        [START, block(0, TEXT), block(1, CALL), other(BAD, 1), stop(1), said("a"), said("b"), stop()],
    ),
    "a block under the number of another": (
        "anthropic",
        [START, block(0, TEXT), said("a"), said("b"), block(0, {"type": "tool_use", "id": 7})],
    ),
    "an item that is bad when it is done": (
        "openai",
        [CREATED, added(MESSAGE), told("a"), told("b"), done({**MESSAGE, "content": 7})],
    ),
    "an item that is done as none": ("openai", [CREATED, added(MESSAGE), told("a"), told("b"), done({"id": "x"})]),
    "an item behind one that is done": (
        "openai",
        [CREATED, added(MESSAGE), added(CALLED, 1), done(CALLED, 1), told("a"), told("b"), done(MESSAGE)],
    ),
    "an item without a kind in the place of another": (
        "openai",
        [CREATED, added(MESSAGE), told("a"), told("b"), added({"id": "y"})],
    ),
    "an item that is bad in the whole answer": (
        "openai",
        [CREATED, added(MESSAGE), told("a"), told("b"), completed([{**MESSAGE, "content": 7}])],
    ),
    "thoughts in an item of words": (
        "openai",
        [CREATED, added(MESSAGE), thought("a"), thought("b"), done({"id": "x"})],
    ),
    "a delta that is bad behind words": (
        "openai-chat",
        deltas({"content": "a"}, {"content": "b"}, {"content": "c", "reasoning": "d", "tool_calls": 7}),
    ),
    "a choice that is bad behind words": (
        "openai-chat",
        [
            *deltas({"content": "a"}, {"content": "b"}),
            {"choices": [{"index": 0, "delta": {"content": "c"}}, {"index": 0, "error": {"message": "no"}}]},
        ],
    ),
    "a part that is bad behind a call": ("gemini", parts([{"text": "a"}], [{"text": "b"}], [FUNCTION, {"text": 7}])),
    "a part that is bad behind words": (
        "gemini",
        parts([{"text": "a"}], [{"text": "b"}], [{"text": "c"}, {"text": "d", "thought": True}, {"text": 7}]),
    ),
    "a bad signature behind thoughts": (
        "gemini",
        parts(
            [{"text": "a", "thought": True}], [{"text": "b", "thought": True}], [{"text": "c", "thoughtSignature": 7}]
        ),
    ),
    "bytes that are bad beside words": (
        "gemini",
        parts([{"text": "a", "thought": True}], [{"text": "b", "thought": True}], [{"text": "c", "inlineData": 7}]),
    ),
}


def known(response):
    """The thoughts and the text of a response."""
    thoughts = "".join(part.text for part in response.message.content if part.__class__.__name__ == "Thinking")
    return thoughts, response.text


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "one by one"])
@pytest.mark.parametrize(("name", "events"), FAILS.values(), ids=FAILS.keys())
def test_what_was_handed_out_is_known(name, events, apart):
    raw = lines(*events)
    with Server(once(chunked(*(raw if apart else [b"".join(raw)])))) as server:
        client = Client(name, model="m", api_key=KEY, base_url=server.url, max_retries=0)
        found = []
        with client.stream("Hi") as stream, pytest.raises(LLMKitError) as caught:
            found.extend((event, stream.snapshot) for event in stream)
    thoughts = text = ""
    for event, shown in found:
        thoughts += event.text if isinstance(event, ThinkingDelta) else ""
        text += event.text if isinstance(event, TextDelta) else ""
        assert known(shown) == (thoughts, text)
    assert thoughts + text == "ab"
    assert known(caught.value.partial) == (thoughts, text)


def test_a_whole_text_that_is_not_what_its_deltas_said():
    """Of such an answer only what was handed out is shown, too."""
    whole = {**MESSAGE, "content": [{"type": "output_text", "text": "quite another"}]}
    raw = b"".join(lines(CREATED, added(MESSAGE), told("a"), told("b"), told("c"), done(whole), completed([whole])))
    with Server(once(chunked(raw))) as server:
        client = Client("openai", model="m", api_key=KEY, base_url=server.url, max_retries=0)
        with client.stream("Hi") as stream:
            shown = [stream.snapshot.text for event in stream if isinstance(event, TextDelta)]
    assert shown == ["a", "ab", "abc"]


@frozen
class Answer:
    a: str = ""


def test_an_answer_by_tool_that_waits_is_known_once():
    """Its block began while one before it was open, and nothing of it was handed out."""
    events = [START, block(0, TEXT), block(1, CALL), called('{"a": "x'), called("yz"), said("hi")]
    row = provider("anthropic")
    row = evolve(row, quirks=evolve(row.quirks, json_schema=False))
    with Server(once(chunked(*lines(*events)))) as server:
        client = Client(row, model="m", api_key=KEY, base_url=server.url, max_retries=0)
        with client.stream("Hi", output_type=Answer) as stream, pytest.raises(LLMKitError) as caught:
            stream.collect()
        assert [part.text for part in caught.value.partial.message.content] == ["hi", '{"a":"xyz']
        assert stream.snapshot.message == caught.value.partial.message
