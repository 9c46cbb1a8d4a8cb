"""Answers without measure: whatever their size, one error says so, soon, and little is kept of them."""

import gzip

import pytest
from faults.bombs import BOMBS, EVENT_BOMBS, MEBIBYTE, SPACES
from faults.calls import JSON, SSE, asked, assert_failed, chunked, each_format, each_mode, says
from faults.formats import ANTHROPIC, CHAT, GEMINI, PIECES, RESPONSES, framed
from faults.limits import EMPTY_MEMBER, started
from sockets import CHUNKED, Server, chunk

from llmkit import APIError, BadRequestError, Client, InvalidResponseError, TextDelta, Timeout

BEGUN = "".join(PIECES[:2])
SOON = 30.0  # seconds, of which most take a tenth of one
GZIP = "Content-Encoding: gzip\r\n"
# No time limit helps: the bounds alone do.
FOR_EVER = {"timeout": Timeout(None, None, None, None), "max_retries": 3}


def pouring(head, more):
    """A script: the head of an answer, and then more of it, until the client has had enough of it."""

    def script(wire):
        wire.receive()
        wire.send(head)
        while True:
            wire.send(more)

    return script


def assert_refused(outcome, match, *, partial=None):
    """It is no answer, is not asked for again, and the error keeps next to nothing of it."""
    error = assert_failed(outcome, InvalidResponseError, partial=partial, retryable=False)
    assert match in str(error)
    assert len(error.body.encode()) <= 1024
    assert outcome.seconds < SOON


# ---- before the body -------------------------------------------------------------------------------------------------

HEADS = {
    "a status line": (b"HTTP/1.1 200 ", b"x" * 10_000),
    "a header": (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 10_000),
    "the name of a header": (b"HTTP/1.1 200 OK\r\n", b"x" * 10_000),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1_000),
    "long headers": (b"HTTP/1.1 200 OK\r\n", b"A: " + b"x" * 60_000 + b"\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1_000),
}


@each_mode
@pytest.mark.parametrize(("head", "more"), HEADS.values(), ids=HEADS.keys())
def test_endless_heads(mode, head, more):
    assert_refused(asked(pouring(head, more), ANTHROPIC, mode, **FOR_EVER), "limit")


# ---- a whole body ----------------------------------------------------------------------------------------------------


@each_format
@each_mode
@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/event-stream"])
def test_the_endless_reasons_of_a_refusal(form, mode, kind):
    """The status is what counts; of the body 64 KiB are kept."""
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: {kind}\r\nContent-Length: 200000000\r\n\r\n".encode()
    outcome = asked(pouring(head, b"no " * 100_000), form, mode, **FOR_EVER)
    error = assert_failed(outcome, BadRequestError, retryable=False, status=400)
    assert len(error.body) == 65_536
    assert outcome.seconds < SOON


@pytest.mark.parametrize("status", [302, 404, 503])
def test_the_endless_reasons_of_others(status):
    head = f"HTTP/1.1 {status} No\r\nLocation: /x\r\nRetry-After-Ms: 1\r\n\r\n".encode()
    outcome = asked(pouring(head, b"no " * 100_000), CHAT, "whole", timeout=None, max_retries=1)
    assert isinstance(outcome.error, APIError)
    assert (outcome.error.status, outcome.requests) == (status, 2 if status == 503 else 1)
    assert outcome.seconds < SOON


ENDLESS = {
    "until closed": (f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode(), b" " * MEBIBYTE),
    "in chunks": (chunked(headers=JSON, end=False), chunk(b" " * MEBIBYTE)),
    "with a length": (f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 999999999\r\n\r\n".encode(), b" " * MEBIBYTE),
    "text in JSON": (f'HTTP/1.1 200 OK\r\n{JSON}\r\n{{"a": "'.encode(), b"x" * MEBIBYTE),
}


@pytest.mark.parametrize(("head", "more"), ENDLESS.values(), ids=ENDLESS.keys())
def test_an_endless_body(head, more):
    assert_refused(asked(pouring(head, more), CHAT, "whole", **FOR_EVER), "the answer")


@each_format
@each_mode
def test_an_endless_body_of_each_wire(form, mode):
    """Also where a stream was asked for, and what came is none."""
    assert_refused(asked(pouring(*ENDLESS["with a length"]), form, mode, **FOR_EVER), "the answer")


BARE = {
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 1_000),
    "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\na: ", b"b" * 10_000),
    "a chunk's size": (CHUNKED, b"0" * 10_000),
    "a chunk's extension": (CHUNKED + b"5;", b"a" * 10_000),
    "gzip of nothing": (f"HTTP/1.1 200 OK\r\n{GZIP}\r\n".encode(), EMPTY_MEMBER * 1_000),
    "the name in a gzip header": (
        f"HTTP/1.1 200 OK\r\n{GZIP}\r\n".encode() + b"\x1f\x8b\x08\x08\0\0\0\0\0\3",
        b"n" * 10_000,
    ),
}


@each_mode
@pytest.mark.parametrize(("head", "more"), BARE.values(), ids=BARE.keys())
def test_endless_bytes_that_are_none_of_the_body(mode, head, more):
    assert_refused(asked(pouring(head, more), CHAT, mode, **FOR_EVER), "limit")


# ---- bombs -----------------------------------------------------------------------------------------------------------


@each_format
@each_mode
@pytest.mark.parametrize(("body", "encoding"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb(form, mode, body, encoding):
    assert len(body) < MEBIBYTE
    head = f"HTTP/1.1 200 OK\r\n{JSON}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert_refused(asked(says(head + body), form, mode, **FOR_EVER), "expands to more than 100 times")


@pytest.mark.parametrize("body", EVENT_BOMBS.values(), ids=EVENT_BOMBS.keys())
def test_a_bomb_of_events(body):
    raw = gzip.compress(CHAT.begun(2)) + body
    head = f"HTTP/1.1 200 OK\r\n{SSE}{GZIP}Content-Length: {len(raw)}\r\n\r\n".encode()
    assert_refused(asked(says(head + raw), CHAT, "streamed", **FOR_EVER), "expands", partial=BEGUN)


@each_mode
def test_a_bomb_with_a_refusal(mode):
    raw = f"HTTP/1.1 400 Bad Request\r\n{GZIP}Content-Length: {len(SPACES)}\r\n\r\n".encode() + SPACES
    outcome = asked(says(raw), CHAT, mode, **FOR_EVER)
    assert_failed(outcome, BadRequestError, status=400)


# ---- streams ---------------------------------------------------------------------------------------------------------

ENDLESS_EVENTS = {
    "a line": (b"data: {", b"x" * MEBIBYTE),
    "a line of no field": (b"x", b"x" * MEBIBYTE),
    "an event": (b"data: {\n", b"data: x\n" * 100_000),
    "a comment": (b":", b"x" * MEBIBYTE),
}


@pytest.mark.parametrize(("head", "more"), ENDLESS_EVENTS.values(), ids=ENDLESS_EVENTS.keys())
def test_an_endless_event(head, more):
    """It is at most 32 MiB."""
    script = pouring(started(CHAT, 2) + chunk(head), chunk(more))
    assert_refused(asked(script, CHAT, "streamed", **FOR_EVER), "larger than", partial=BEGUN)


@each_format
@pytest.mark.parametrize("kind", ["comments", "pings"])
def test_endless_events_that_say_nothing(form, kind):
    """Between two that say something there are at most 256 MiB."""
    ping = {} if form is GEMINI else {"type": "ping"}
    more = b": " + b"x" * MEBIBYTE + b"\n\n" if kind == "comments" else framed({"x": "x" * MEBIBYTE, **ping})
    script = pouring(started(form, 2), chunk(more))
    assert_refused(asked(script, form, "streamed", **FOR_EVER), "limit", partial=BEGUN)


def padded(form, delta):
    """An event of one letter of text, with much that no text is made of."""
    return form.event({**delta, "obfuscation": "x" * 200_000})


LETTERS = {
    "anthropic": padded(
        ANTHROPIC, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "."}}
    ),
    "openai-chat": padded(CHAT, {"id": "answer-1", "choices": [{"index": 0, "delta": {"content": "."}}]}),
    "openai": padded(
        RESPONSES,
        {"type": "response.output_text.delta", "item_id": "msg-1", "output_index": 0, "content_index": 0, "delta": "."},
    ),
    "gemini": padded(GEMINI, {"candidates": [{"content": {"role": "model", "parts": [{"text": "."}]}, "index": 0}]}),
}


@each_format
def test_an_endless_answer_is_no_error_in_itself(form):
    """More than any bound on bodies comes; it is the caller who ends it."""
    event, many = chunk(LETTERS[form.provider]), 1_500
    assert len(event) * many > 256 * MEBIBYTE
    with (
        Server(pouring(started(form, 1), event)) as server,
        Client(form.provider, api_key="sk-test", base_url=server.url, model="m-1", **FOR_EVER) as client,
        client.stream("Hi") as stream,
    ):
        assert next(stream) == TextDelta(PIECES[0])
        for _ in range(many):
            assert next(stream) == TextDelta(".")
        assert stream.snapshot.text == PIECES[0] + "." * many
