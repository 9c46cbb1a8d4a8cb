"""The caller's own session: deadlines and aborts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import curl_cffi
import pytest
import requests
import sockets
from foreign import Foreign, post
from sockets import CHUNKED, PATIENCE, UNTIL_CLOSED, Server, chunk, echo

from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import (
    DeadlineError,
    InvalidResponseError,
    StreamClosedError,
)
from llmkit.transport import Exchange


@pytest.fixture
def session():
    with requests.Session() as session:
        yield session


# Limits.


def _silent(wire):
    wire.receive()
    wire.hang()


def _drip_headers(wire):
    wire.receive()
    while not wire.server.stopped.wait(0.02):
        wire.send(b"H")


def _drip_body(head, drop):
    def script(wire):
        wire.receive()
        wire.send(head)
        while not wire.server.stopped.wait(0.02):
            wire.send(drop)

    return script


def _half_a_body(wire):
    wire.receive()
    wire.send(CHUNKED + chunk(b"some"))
    wire.server.reached.set()
    wire.hang()


SLOW = {
    "no headers": _silent,
    "dripped headers": _drip_headers,
    "dripped chunks": _drip_body(CHUNKED, chunk(b".")),
    "dripped body": _drip_body(UNTIL_CLOSED, b"."),
    "a stalled body": _half_a_body,
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("limit", [0.2, Timeout(total=0.2)], ids=["float", "total"])
@pytest.mark.parametrize("foreign", [False, True])
def test_total(session, script, limit, foreign):
    tried = Foreign(session) if foreign else session
    with Server(script) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineError) as caught:
            post(tried, server.url, stream=True, timeout=limit).whole()
        assert caught.value.which == "total"
        assert time.monotonic() - began < 8


@pytest.mark.parametrize("foreign", [False, True])
def test_other_limits(session, foreign):
    tried = Foreign(session) if foreign else session
    with Server(_silent) as server, pytest.raises(DeadlineError) as caught:
        post(tried, server.url, timeout=Timeout(first=0.2))
    assert caught.value.which == "first"
    with sockets.unanswered() as port, pytest.raises(DeadlineError) as caught:
        post(tried, f"http://127.0.0.1:{port}/", timeout=Timeout(connect=0.2))
    assert caught.value.which == "connect"
    with Server(_half_a_body) as server, pytest.raises(DeadlineError) as caught:
        post(tried, server.url, timeout=Timeout(idle=0.2, first=0.4)).whole()
    assert caught.value.which == "idle"


CURL = {  # a limit, and which of the four it is
    "float": (0.3, "total"),
    "first": (Timeout(first=0.3), "first"),
    "idle": (Timeout(idle=0.3), "idle"),
    "total": (Timeout(total=0.3), "total"),
}


@pytest.mark.parametrize(("limit", "which"), CURL.values(), ids=CURL.keys())
def test_a_session_that_waits_as_long_as_it_likes(limit, which):
    """curl_cffi adds the limits up, and rounds them to whole seconds."""
    with Server(_half_a_body) as server, curl_cffi.requests.Session() as session:
        began = time.monotonic()
        answer = post(session, server.url, timeout=limit)
        with pytest.raises(DeadlineError) as caught:
            answer.whole()
        assert caught.value.which == which
        assert time.monotonic() - began < 8


def test_a_session_that_waits_for_headers():
    with Server(_silent) as server, curl_cffi.requests.Session() as session:
        began = time.monotonic()
        with pytest.raises(DeadlineError) as caught:
            post(session, server.url, timeout=Timeout(first=0.3))
        assert caught.value.which == "first"
        assert time.monotonic() - began < 8


def test_a_foreign_body_that_drips(session):
    with Server(_drip_body(CHUNKED, chunk(b"." * 200))) as server, pytest.raises(DeadlineError):
        post(Foreign(session), server.url, timeout=0.2).whole()


def test_what_comes_too_late_is_closed(session):
    released = threading.Event()

    def script(wire):
        wire.receive()
        assert released.wait(PATIENCE)
        wire.send(UNTIL_CLOSED)
        wire.hang()

    with Server(script) as server:
        with pytest.raises(DeadlineError):
            post(session, server.url, timeout=0.1)
        released.set()
        assert server.left.wait(PATIENCE)


def test_an_endless_body(session):
    def script(wire):
        wire.receive()
        wire.send(UNTIL_CLOSED)
        while not wire.server.stopped.is_set():
            wire.send(bytes(100_000))

    with Server(script) as server:
        with pytest.raises(InvalidResponseError, match="longer than"):
            post(session, server.url).whole(1_000_000)
        exchange = Exchange(Deadlines(None))
        answer = post(session, server.url, exchange=exchange)
        exchange.allow(1_000_000)
        with pytest.raises(InvalidResponseError, match="limit"):
            answer.whole()


# Abort.


@pytest.mark.parametrize("foreign", [False, True])
def test_abort_while_reading(session, foreign):
    exchange = Exchange(Deadlines(None))
    with Server(_half_a_body) as server, ThreadPoolExecutor(1) as threads:
        tried = Foreign(session) if foreign else session
        answer = post(tried, server.url, stream=True, exchange=exchange)
        pieces = answer.pieces()
        assert next(pieces) == b"some"
        call = threads.submit(next, pieces)
        exchange.abort()
        with pytest.raises(StreamClosedError):
            call.result(PATIENCE)
        assert foreign or server.left.wait(PATIENCE)  # one of another library may only close between reads


def test_abort_before_the_headers(session):
    exchange = Exchange(Deadlines(PATIENCE))
    with Server(_silent) as server, ThreadPoolExecutor(1) as threads:
        call = threads.submit(post, session, server.url, exchange=exchange)
        while not server.requests:
            pass
        exchange.abort()
        with pytest.raises(StreamClosedError):
            call.result(PATIENCE)


def test_abort_before_the_headers_without_a_total(session):
    """It is noticed when they come."""
    exchange = Exchange(Deadlines(None))
    with Server(echo) as server:

        class Session(requests.Session):
            def request(self, *args, **kwargs):
                response = super().request(*args, **kwargs)
                exchange.abort()
                return response

        for tried in (Session(), Foreign(Session())):
            with pytest.raises(StreamClosedError):
                post(tried, server.url, exchange=exchange).whole()


def test_a_late_abort_harms_nobody(session):
    with Server(echo) as server:
        before = Exchange(Deadlines(None))
        post(session, server.url, exchange=before).whole()
        after = Exchange(Deadlines(None))
        answer = post(session, server.url, exchange=after)
        before.abort()
        assert answer.whole() == b"{}"
        assert server.connections == 1


class AtOnce:
    """A session whose answers come in one piece, as those of a cache may."""

    status_code = 200
    headers: ClassVar = {"content-type": "application/json"}

    def __init__(self, body):
        self._body = body

    def request(self, *_, **__):
        return self

    def iter_content(self, *_):
        yield self._body

    def close(self):
        pass


class Endless:
    """A session that has always one more piece.

    Attributes:
        given: How many pieces were taken from it.
    """

    status_code = 200
    headers: ClassVar = {}

    def __init__(self):
        self.given = 0
        self.closed = threading.Event()

    def request(self, *_, **__):
        return self

    def iter_content(self):
        while not self.closed.is_set():
            self.given += 1
            yield b"more"

    def close(self):
        self.closed.set()


FORGOTTEN = {"closed": lambda answer, exchange: answer.close(), "forsaken": lambda answer, exchange: exchange.forsake()}


@pytest.mark.parametrize("end", FORGOTTEN.values(), ids=FORGOTTEN.keys())
def test_what_nobody_reads(end):
    """Is not read ahead without an end, and not at all once nobody will read it."""
    tried, exchange, before = Endless(), Exchange(Deadlines(None)), threading.active_count()
    answer = post(tried, "http://127.0.0.1:1/", exchange=exchange)
    assert next(answer.pieces()) == b"more"
    while tried.given < 66:  # 1 was taken, 64 may lie there, and with another one it waits
        time.sleep(0.01)
    end(answer, exchange)
    assert tried.closed.wait(PATIENCE)
    assert tried.given < 70
    while threading.active_count() > before:
        time.sleep(0.01)


def test_a_reader_that_pauses():
    """Loses nothing."""
    tried = Endless()
    answer = post(tried, "http://127.0.0.1:1/", timeout=None)
    pieces = answer.pieces()
    assert next(pieces) == b"more"
    while tried.given < 66:
        time.sleep(0.01)
    time.sleep(0.6)  # more than what a thread waits that nobody reads from, before it looks
    assert b"".join(next(pieces) for _ in range(200)) == b"more" * 200
    answer.close()


def test_a_large_answer_in_one_piece():
    body = b"x" * 5_000_000
    assert post(AtOnce(body), "http://127.0.0.1:1/").whole() == body
