"""The id of the exchange: on each answer, and on each error from the moment the headers are there."""

import gzip
from collections.abc import Callable

import pytest
from attrs import frozen
from faults.calls import (
    JSON,
    MODES,
    SSE,
    answer,
    asked,
    assert_failed,
    assert_good,
    chunked,
    each_format,
    each_mode,
    in_turn,
    once,
    says,
    whole,
)
from faults.formats import ID, MODEL, PIECES, Format, to_bytes
from faults.limits import SECONDS, stalled
from faults.refusals import refusal
from sockets import Server

from llmkit import (
    APIError,
    BadRequestError,
    Client,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OverloadedError,
    StreamClosedError,
    Timeout,
)

BEGUN = "".join(PIECES[:2])
STREAMED = ("streamed",)


def numbered(raw: bytes, name: str = "req-1") -> bytes:
    """An answer whose headers tell the id of the exchange."""
    return raw.replace(b"\r\n", f"\r\nX-Request-Id: {name}\r\n".encode(), 1)


@frozen
class Row:
    """What goes wrong once the headers are there.

    Attributes:
        raw: Of a format and a mode, what is sent.
        cls: What is raised: of a mode.
        partial: The text that had come.
        modes: In which it can happen.
        ends: Whether the host ends it there; else it says nothing more.
    """

    raw: Callable[[Format, str], bytes]
    cls: Callable[[str], type[LLMKitError]]
    partial: str | None = None
    modes: tuple[str, ...] = MODES
    ends: bool = True


def _always(cls: type[LLMKitError]) -> Callable[[str], type[LLMKitError]]:
    return lambda _: cls


def _cut(mode: str) -> type[LLMKitError]:
    return ConnectionFailedError if mode == "whole" else IncompleteStreamError


def _begun(form: Format, *more: bytes) -> bytes:
    return chunked(form.begun(2), *more, end=False)


PACKED = "Content-Encoding: gzip\r\n"
ROWS = {
    "a refusal": Row(lambda *_: whole(b"{}", "400 No"), _always(BadRequestError)),
    "a refusal that is no JSON": Row(
        lambda *_: whole(b"<p>", "529 No", "Content-Type: text/html\r\n"), _always(OverloadedError)
    ),
    "a refusal that breaks off": Row(lambda *_: whole(b"{}" * 99, "400 No")[:-9], _always(BadRequestError)),
    "a redirect": Row(lambda *_: whole(b"", "302 No", "Location: /x\r\n"), _always(APIError)),
    "a page": Row(lambda *_: whole(b"<p>", headers="Content-Type: text/html\r\n"), _always(InvalidResponseError)),
    "no JSON": Row(lambda *_: whole(b"oops"), _always(InvalidResponseError)),
    "another object": Row(lambda *_: whole(b'{"x": 1}'), _always(InvalidResponseError)),
    "not compressed": Row(lambda *_: whole(b"oops", headers=JSON + PACKED), _always(InvalidResponseError)),
    "an error in a 200": Row(lambda form, _: whole(to_bytes(form.trouble)), _always(OverloadedError)),
    "cut in the body": Row(
        lambda form, mode: whole(form.body)[:-40] if mode == "whole" else chunked(*form.before, end=False),
        _cut,
    ),
    "cut behind the headers": Row(
        lambda _, mode: f"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n{JSON if mode == 'whole' else SSE}\r\n".encode(),
        _cut,
    ),
    "cut in a gzip member": Row(
        lambda form, mode: whole(
            gzip.compress(form.body if mode == "whole" else b"".join(form.before))[:-20],
            headers=(JSON if mode == "whole" else SSE) + PACKED,
        ),
        _cut,
    ),
    "silence": Row(
        lambda form, mode: whole(form.body)[:-40] if mode == "whole" else chunked(*form.before, end=False),
        _always(DeadlineError),
        ends=False,
    ),
    "no events": Row(lambda *_: chunked(), _always(IncompleteStreamError), modes=STREAMED),
    "cut amid the events": Row(lambda form, _: _begun(form), _always(IncompleteStreamError), BEGUN, STREAMED),
    "ended amid the events": Row(
        lambda form, _: chunked(form.begun(2)), _always(IncompleteStreamError), BEGUN, STREAMED
    ),
    "an event that is no JSON": Row(
        lambda form, _: _begun(form, b"data: oops\n\n"), _always(InvalidResponseError), BEGUN, STREAMED
    ),
    "an error amid the events": Row(
        lambda form, _: _begun(form, form.event(form.trouble)), _always(OverloadedError), BEGUN, STREAMED
    ),
    "silence amid the events": Row(lambda form, _: _begun(form), _always(DeadlineError), BEGUN, STREAMED, ends=False),
}
CASES = {f"{name}, {mode}": (row, mode) for name, row in ROWS.items() for mode in row.modes}


@each_format
@pytest.mark.parametrize(("row", "mode"), CASES.values(), ids=CASES.keys())
def test_an_error(form, row, mode):
    """The header's, also where the body tells another; so has what was received so far."""
    raw = numbered(row.raw(form, mode))
    script = once(raw) if row.ends else stalled(raw)
    outcome = asked(script, form, mode, timeout=Timeout(idle=SECONDS))
    error = assert_failed(outcome, row.cls(mode), partial=row.partial, request_id="req-1", provider=form.provider)
    assert error.model == MODEL
    assert error.partial is None or (error.partial.request_id, error.partial.attempts) == ("req-1", 1)


@each_format
@each_mode
def test_an_answer(form, mode):
    outcome = asked(once(numbered(answer(form, mode))), form, mode)
    assert_good(outcome)
    assert outcome.response.request_id == "req-1"
    outcome = asked(once(answer(form, mode)), form, mode)
    assert_good(outcome)
    # Gemini's hosts tell theirs in the body alone.
    assert outcome.response.request_id == (ID if form.provider == "gemini" else None)


@each_format
@each_mode
def test_it_is_that_of_the_last_try(form, mode):
    busy = refusal(503)
    script = says(numbered(busy, "req-1"), numbered(busy, "req-2"))
    assert_failed(asked(script, form, mode, max_retries=1), OverloadedError, requests=2, request_id="req-2")
    outcome = asked(says(numbered(busy, "req-1"), numbered(answer(form, mode), "req-2")), form, mode, max_retries=1)
    assert_good(outcome, attempts=2)
    assert outcome.response.request_id == "req-2"


@each_format
@each_mode
def test_a_try_without_an_answer_has_none(form, mode):
    """Least of all that of the try before."""
    script = in_turn(once(numbered(refusal(503))), once(b""))
    assert_failed(
        asked(script, form, mode, max_retries=1), ConnectionFailedError, requests=2, request_id=None, partial=None
    )


@each_format
def test_a_stream_that_was_closed(form):
    with (
        Server(stalled(numbered(_begun(form)))) as server,
        Client(form.provider, api_key="k", base_url=server.url, model=MODEL, max_retries=0) as client,
    ):
        with client.stream("Hi") as stream:
            next(stream)
        with pytest.raises(StreamClosedError) as caught:
            next(stream)
    assert (caught.value.request_id, caught.value.partial.request_id) == ("req-1", "req-1")
