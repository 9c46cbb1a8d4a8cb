"""What nobody should send: fifty examples of each target of `fuzz.py`; and that time is linear in any input.

`make fuzz` tries as long as it is told to, and something else each time.
"""

import contextlib
import gc
import json
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import fuzz
import pytest
from attrs import frozen
from faults.formats import FORMATS
from fuzzing.calls import Canned, ask
from hypothesis import strategies as st

from llmkit.errors import InvalidResponseError
from llmkit.history import typed
from llmkit.json_codec import loads
from llmkit.rows import rows
from llmkit.sse import SSEDecoder
from llmkit.wire import wire

EXAMPLES = 50
WIRES = {row.name: row.wire for row in rows()}


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_whatever_comes_is_an_answer_or_an_error(name):
    outcomes = fuzz.run(name, EXAMPLES)
    assert outcomes.total() >= EXAMPLES
    assert len(outcomes) > 1  # what always fails would try nothing


def test_the_command():
    """It tries for as long as it is told to, and says what."""
    command = [sys.executable, "-W", "error", fuzz.__file__, "--seconds", "0.1", "--target", "sse", "--seed", "7"]
    root = Path(fuzz.__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=root)
    first, last = done.stdout.splitlines()
    assert first == "seed 7"
    assert last.split()[0] == "sse"
    assert int(last.split()[1].replace(",", "")) >= 200


def test_it_sees_what_is_wrong(monkeypatch):
    """An exception that is none of ours is raised, with the example."""

    def check(data):
        if len(data.draw(st.text())) > 3:
            raise ValueError("too long")
        return "short"

    monkeypatch.setitem(fuzz.TARGETS, "sse", check)
    with pytest.raises(ValueError, match="too long"):
        fuzz.run("sse", EXAMPLES)


# ---- time is linear --------------------------------------------------------------------------------------------------

MEASURABLE = 0.002  # seconds
LARGEST = 50_000  # of the small inputs: what costs nothing then may cost little
FACTOR, MOST = 10, 40


@frozen
class Work:
    """Something whose cost must grow as its input does.

    Attributes:
        make: A size → the input.
        read: What is measured.
        size: To begin with.
    """

    make: Callable
    read: Callable
    size: int = 100


def spent(work, size):
    """Seconds of this thread, whatever else the machine does: the better of two."""
    found, best = work.make(size), float("inf")
    gc.disable()  # what it costs depends on what other tests left
    try:
        for _ in range(2):
            began = time.thread_time()
            work.read(found)
            best = min(best, time.thread_time() - began)
    finally:
        gc.enable()
    return best


def assert_linear(work):
    size = work.size
    while (small := spent(work, size)) < MEASURABLE and size < LARGEST:
        size *= 2
    large = spent(work, FACTOR * size)
    assert large <= MOST * max(small, MEASURABLE), f"{size:,}: {small:.4f} s, {FACTOR * size:,}: {large:.4f} s"


def events_in(*chunks):
    decoder = SSEDecoder()
    for chunk in chunks:
        decoder.feed(chunk)
    return decoder.close()


SSE = {
    "a line in pieces": lambda size: [b"data: ", *[b"x" * 20] * size, b"\n\n"],
    "a line in bytes": lambda size: [b"data: ", *[b"x"] * size, b"\n\n"],
    "lines of an event": lambda size: [b"data: x\n" * size + b"\n"],
    "lines of an event, in pieces": lambda size: [*[b"data: x\n"] * size, b"\n"],
    "events": lambda size: [b"event: x\r\ndata: y\r\n\r\n" * size],
    "blank lines": lambda size: [b"\r" * size, b"\n" * size],
    "comments": lambda size: [b": \xff\n" * size],
    "no fields": lambda size: [b"data: {}\n\n", b'{"a":\n' * size, b"\n"],
    "bytes that are no letters": lambda size: [b"data: " + b"\xff" * size + b"\n"],
}


def tolerant(function):
    def read(found):
        with contextlib.suppress(InvalidResponseError):
            function(found)

    return read


@pytest.mark.parametrize("make", SSE.values(), ids=SSE.keys())
def test_reading_events_is_linear(make):
    assert_linear(Work(make, tolerant(lambda chunks: events_in(*chunks)), 1_000))


TEXTS = {
    "deep": lambda size: "[" * size + "]" * size,
    "wide": lambda size: "[" + "[]," * size + "[]]",
    "objects": lambda size: "[" + '{"a":{"b":1}},' * size + "0]",
    "digits": lambda size: "1" * size,
    "a string that does not end": lambda size: '"' + "\\u00e9" * size,
    "blanks": lambda size: " " * size,
    "points": lambda size: "[" + "1.5," * size + "2]",
}


@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS.keys())
def test_reading_json_is_linear(make):
    assert_linear(Work(make, tolerant(loads), 10_000))


def stream_of(provider, *events):
    """A good stream with `events` in the middle."""
    form = FORMATS[provider]
    return b"".join([form.begun(1), *(form.event(event) for event in events), *form.after, *form.more])


def _chat(delta, **more):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}


def _chat_call(index, name, arguments, **more):
    return _chat({"tool_calls": [{"index": index, **more, "function": {"name": name, "arguments": arguments}}]})


def _gemini(*parts):
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}]}


def _anthropic(kind, index, **more):
    return {"type": f"content_block_{kind}", "index": index, **more}


def _tool(number):
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "f", "input": {}}


def _piece(text):
    return {"type": "input_json_delta", "partial_json": text}


def _responses(kind, place, **more):
    return {"type": f"response.{kind}", "output_index": place, **more}


def _item(number, arguments=""):
    call = {"type": "function_call", "call_id": f"call_{number}", "name": "f", "arguments": arguments}
    return {**call, "id": f"fc_{number}"}


_SAMPLES = {"mimeType": "audio/L16;rate=24000", "data": b64encode(bytes(2_000)).decode()}
_LOGPROB = {"token": "x", "logprob": -1.5, "bytes": [120], "top_logprobs": []}

STREAMS = {
    "anthropic: fragments of a call": (
        "anthropic",
        lambda size: [
            _anthropic("start", 1, content_block=_tool(1)),
            *[_anthropic("delta", 1, delta=_piece("[")), *[_anthropic("delta", 1, delta=_piece("1,"))] * size],
        ],
    ),
    "anthropic: calls": (
        "anthropic",
        lambda size: [
            event
            for number in range(1, size)
            for event in (_anthropic("start", number, content_block=_tool(number)), _anthropic("stop", number))
        ],
    ),
    "anthropic: calls that are open at once": (
        "anthropic",
        lambda size: [_anthropic("start", number, content_block=_tool(number)) for number in range(1, size)],
    ),
    "anthropic: pings": ("anthropic", lambda size: [{"type": "ping"}] * size),
    "chat: fragments of a call": (
        "openai-chat",
        lambda size: [_chat_call(0, "f", "[", id="c"), *[_chat_call(0, None, "1,")] * size],
    ),
    "chat: fragments that repeat the name": ("openai-chat", lambda size: [_chat_call(0, "f", "[1,")] * size),
    "chat: fragments of strings that repeat the name": (
        "openai-chat",
        lambda size: [_chat_call(0, "f", '{"a": "'), *[_chat_call(0, "f", "abc")] * size],
    ),
    "chat: fragments of broken arguments that repeat the name": (
        "openai-chat",
        lambda size: [_chat_call(0, "f", '{"a": 1,}'), *[_chat_call(0, "f", "[1,]")] * size],
    ),
    "chat: calls": (
        "openai-chat",
        lambda size: [_chat_call(number, "f", "{}", id=f"c{number}") for number in range(size)],
    ),
    "chat: calls without numbers": (
        "openai-chat",
        lambda size: [_chat_call(None, "f", "{}", id=f"c{number}") for number in range(size)],
    ),
    "chat: calls of one number": (
        "openai-chat",
        lambda size: [_chat_call(0, "f", "{}", id=f"c{number}") for number in range(size)],
    ),
    "chat: thoughts": ("openai-chat", lambda size: [_chat({"reasoning_content": "x"})] * size),
    "chat: rows of thoughts": (
        "openai-chat",
        lambda size: [
            _chat({"reasoning_details": [{"type": "reasoning.text", "text": "x", "index": number}]})
            for number in range(size)
        ],
    ),
    "chat: a row of thoughts": (
        "openai-chat",
        lambda size: [_chat({"reasoning_details": [{"type": "reasoning.text", "text": "x", "index": 0}]})] * size,
    ),
    "chat: blocks of content": (
        "openai-chat",
        lambda size: [_chat({"content": [{"type": "text", "text": "x"}]})] * size,
    ),
    "chat: logprobs": (
        "openai-chat",
        lambda size: [_chat({"content": "x"}, logprobs={"content": [_LOGPROB]})] * size,
    ),
    "chat: sound": ("openai-chat", lambda size: [_chat({"audio": {"data": "AAAA", "transcript": "x"}})] * size),
    "chat: sources": ("openai-chat", lambda size: [_chat({"annotations": [{"type": "url_citation"}]})] * size),
    "responses: fragments of a call": (
        "openai",
        lambda size: [
            _responses("output_item.added", 1, item=_item(1)),
            *[_responses("function_call_arguments.delta", 1, item_id="fc_1", delta="[")] * size,
        ],
    ),
    "responses: calls": (
        "openai",
        lambda size: [_responses("output_item.done", number, item=_item(number, "{}")) for number in range(1, size)],
    ),
    "responses: calls behind an item of the host's": (
        "openai",
        lambda size: [
            _responses("output_item.added", 1, item={"type": "mcp_list_tools", "id": "mcp_1"}),
            *[_responses("output_item.done", number, item=_item(number, "{}")) for number in range(2, size)],
        ],
    ),
    "responses: items of the host's": (
        "openai",
        lambda size: [
            _responses("output_item.done", number, item={"type": "web_search_call", "id": f"ws_{number}"})
            for number in range(1, size)
        ],
    ),
    "responses: items that are open at once and end in turn": (
        "openai",
        lambda size: [
            *[_responses("output_item.added", number, item=_item(number)) for number in range(1, size)],
            *[_responses("output_item.done", number, item=_item(number, "{}")) for number in range(size)],
        ],
    ),
    "responses: items that are open at once": (
        "openai",
        lambda size: [_responses("output_item.added", number, item=_item(number)) for number in range(1, size)],
    ),
    "responses: lanes": (
        "openai",
        lambda size: [
            _responses("output_text.delta", 0, item_id="msg-1", content_index=number, delta="x")
            for number in range(1, size)
        ],
    ),
    "responses: sources": (
        "openai",
        lambda size: (
            [_responses("output_text.annotation.added", 0, item_id="msg-1", content_index=0, annotation={"type": "x"})]
            * size
        ),
    ),
    "gemini: calls": ("gemini", lambda size: [_gemini({"functionCall": {"name": "f", "args": {}}})] * size),
    "gemini: parts of a chunk": ("gemini", lambda size: [_gemini(*[{"text": "x"}] * size)]),
    "gemini: sound": ("gemini", lambda size: [_gemini({"inlineData": _SAMPLES})] * size),
    "gemini: signatures": ("gemini", lambda size: [_gemini({"text": "x", "thoughtSignature": "c2Vl"})] * size),
    "gemini: sources": (
        "gemini",
        lambda size: [
            {"candidates": [{"index": 0, "groundingMetadata": {"groundingChunks": [{"web": {"uri": f"u{number}"}}]}}]}
            for number in range(size)
        ],
    ),
    **{
        f"{name}: text": (name, lambda size, form=form: [json.loads(form.texts[1].split(b"data: ")[1])] * size)
        for name, form in FORMATS.items()
    },
}


def read_stream(provider):
    kind = {"content-type": "text/event-stream"}
    return lambda pieces: ask(provider, Canned(pieces, headers=kind), stream=True)


@pytest.mark.parametrize(("provider", "make"), STREAMS.values(), ids=STREAMS.keys())
def test_reading_a_stream_is_linear(provider, make):
    assert_linear(Work(lambda size: [stream_of(provider, *make(size))], read_stream(provider)))


_BLOCK = {"type": "text", "text": "x"}
BODIES = {
    "anthropic: blocks": ("anthropic", lambda size: {"content": [_BLOCK] * size}),
    "anthropic: calls": ("anthropic", lambda size: {"content": [_tool(number) for number in range(size)]}),
    "chat: blocks": ("openai-chat", lambda size: {"choices": [{"message": {"content": [_BLOCK] * size}}]}),
    "chat: other blocks": (
        "openai-chat",
        lambda size: {"choices": [{"message": {"content": [_BLOCK, {"type": "thinking", "thinking": "x"}] * size}}]},
    ),
    "chat: sources": (
        "openai-chat",
        lambda size: {
            "choices": [
                {"message": {"content": "x", "annotations": [{"type": f"kind {number}"} for number in range(size)]}}
            ]
        },
    ),
    "chat: choices": ("openai-chat", lambda size: {"choices": [{"index": 1, "message": {"content": "x"}}] * size}),
    "responses: items": ("openai", lambda size: {"output": [_item(number, "{}") for number in range(size)]}),
    "responses: items and their answers": (
        "openai",
        lambda size: {
            "status": "completed",
            "output": [
                item
                for number in range(size)
                for item in (
                    {**_item(number, "{}"), "type": "shell_call"},
                    {"type": "shell_call_output", "call_id": f"call_{number}"},
                )
            ],
        },
    ),
    "gemini: parts": ("gemini", lambda size: _gemini(*[{"text": "x"}, {"functionCall": {"name": "f"}}] * size)),
    "gemini: chunks": ("gemini", lambda size: [_gemini({"text": "x"})] * size),
}


def read_body(provider):
    return lambda body: ask(provider, Canned([body]), stream=False)


@pytest.mark.parametrize(("provider", "make"), BODIES.values(), ids=BODIES.keys())
def test_reading_a_body_is_linear(provider, make):
    assert_linear(Work(lambda size: json.dumps(make(size)).encode(), read_body(provider)))


WORDS = (
    "a",
    " ",
    "a ",
    "1",
    "invalid ",
    "invalid api ",
    "api key ",
    "prompt ",
    "input tokens ",
    "exceeds the ",
    "context",
    "billing is ",
    "per day ",
    "retry in 1",
    "7s ",
    "\n\t",
    "\u00e9",
)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini"])  # both of OpenAI's wires have the same errors
@pytest.mark.parametrize("word", WORDS)
def test_reading_an_error_is_linear(provider, word):
    """Its words are looked through, whatever they are; of a body as long as is kept of it, at most."""
    found = wire(WIRES[provider]).error

    def read(text):
        for status in (400, 429):
            found(status, {"error": {"message": text, "type": text, "code": text, "details": [{"reason": text}]}})
            found(status, text)

    assert_linear(Work(lambda size: word * size, read))


DICTS = {
    "messages": lambda size: [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}] * size,
    "parts": lambda size: [{"role": "user", "content": [_BLOCK] * size}],
    "results": lambda size: [
        {"role": "assistant", "content": [_tool(number) for number in range(size)]},
        *({"role": "tool", "tool_call_id": f"toolu_{number}", "content": "x"} for number in range(size)),
    ],
    "sources": lambda size: [
        {"role": "assistant", "content": "x", "annotations": [{"type": "url_citation", "url": "u"}] * size}
    ],
}


@pytest.mark.parametrize("make", DICTS.values(), ids=DICTS.keys())
def test_reading_dicts_is_linear(make):
    assert_linear(Work(make, typed))
