"""What comes out of a process of a pool is the same as here; errors are without the key though the host repeats it."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest
from attrs import frozen
from faults.calls import JSON, KEY, MODES, SSE, answer, chunked, each_format, each_mode, says, whole
from faults.exposure import seen_of
from faults.formats import INPUT, OUTPUT, TEXT, Format, to_bytes
from faults.refusals import AT_ONCE, refusal
from faults.worker import call
from sockets import PATIENCE, Server

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OverloadedError,
    RateLimitError,
    ServerError,
)

HEAD = f"{JSON}X-{KEY}: 1\r\nX-Echo: {KEY}\r\nX-Request-Id: {KEY}\r\n{AT_ONCE}"
TOLD = to_bytes({"error": {"type": KEY, "message": f"the key {KEY}", KEY: [KEY]}, "request_id": KEY})


def _status(status, body=TOLD):
    return lambda form, mode: whole(body, f"{status} {KEY}", HEAD)


def _stream(*more):
    """A stream that begins well, and what comes then."""
    return lambda form, _: chunked(form.begun(1), *(event(form) for event in more), headers=f"{SSE}X-Echo: {KEY}\r\n")


@frozen
class Row:
    """What goes wrong.

    Attributes:
        raw: Of a format and a mode, what is sent.
        cls: What is raised.
        seconds: How long the caller is patient.
        modes: In which it can happen.
    """

    raw: Callable[[Format, str], bytes]
    cls: type[LLMKitError]
    seconds: float = PATIENCE
    modes: tuple[str, ...] = MODES


STREAMED = ("streamed",)
ROWS = {
    "bad request": Row(_status(400), BadRequestError),
    "bad key": Row(_status(401), AuthenticationError),
    "rate limit": Row(_status(429), RateLimitError),
    "server error": Row(_status(500), ServerError),
    "overloaded, no JSON": Row(_status(529, f"{KEY} is busy".encode()), OverloadedError),
    "long": Row(_status(400, b"x" * 490 + KEY.encode() * 5000), BadRequestError),
    "redirect": Row(lambda *_: whole(TOLD, f"307 {KEY}", f"Location: /{KEY}?{KEY}\r\n" + HEAD), APIError),
    "no HTTP": Row(lambda *_: f"HTTP/{KEY}\r\n\r\n".encode(), ConnectionFailedError),
    "a page": Row(lambda *_: whole(KEY.encode(), headers=f"Content-Type: text/html; {KEY}\r\n"), InvalidResponseError),
    "no JSON": Row(lambda form, _: whole(b"{" + KEY.encode() + b"}"), InvalidResponseError, modes=("whole",)),
    "silence": Row(lambda *_: f"HTTP/1.1 200 {KEY}\r\nContent-Length: 99\r\n\r\n".encode(), DeadlineError, 0.3),
    "cut": Row(_stream(), IncompleteStreamError, modes=STREAMED),
    "no event": Row(_stream(lambda form: form.event(b"{" + KEY.encode())), InvalidResponseError, modes=STREAMED),
    "an error event": Row(_stream(lambda form: form.event(form.trouble)), OverloadedError, modes=STREAMED),
}
CASES = {f"{name}, {mode}": (row, mode) for name, row in ROWS.items() for mode in row.modes}


@pytest.fixture(scope="module")
def process():
    """Another process. Not a fork: the threads of the servers here would be missing in it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@each_format
@pytest.mark.parametrize(("row", "mode"), CASES.values(), ids=CASES.keys())
def test_an_error_of_another_process(process, form, row, mode):
    def script(wire):
        for _ in wire.requests():
            wire.send(row.raw(form, mode))

    with Server(script) as server:
        arguments = (form.provider, server.url, mode, row.seconds)
        with pytest.raises(LLMKitError) as caught:
            call(*arguments)
        there = process.submit(call, *arguments).exception(PATIENCE)
    for error in (caught.value, there):
        assert type(error) is row.cls
        assert error.provider == form.provider
        assert error.attempts == len(getattr(error, "__notes__", ())) + 1
        assert not [place for place, text in seen_of(error) if KEY in text]
    assert str(there) == str(caught.value)
    assert vars(there) == vars(caught.value)


@each_format
@each_mode
def test_an_answer_of_another_process(process, form, mode):
    """With its headers, the provider's own JSON, and the number of tries."""
    good = answer(form, mode).replace(b"\r\n", b"\r\nX-Request-Id: req-1\r\n", 1)
    with Server(says(refusal(503), good, refusal(503), good)) as server:
        arguments = (form.provider, server.url, mode, PATIENCE)
        here = call(*arguments)
        there = process.submit(call, *arguments).result(PATIENCE)
        assert len(server.requests) == 4
    assert there == here
    assert (there.text, there.finish_reason.reason, there.attempts, there.request_id) == (TEXT, "stop", 2, "req-1")
    assert (there.usage.input_tokens, there.usage.output_tokens) == (INPUT, OUTPUT)
    assert (there.raw, dict(there.headers), there.usage.raw) == (here.raw, dict(here.headers), here.usage.raw)
    assert there.headers["x-REQUEST-id"] == "req-1"
