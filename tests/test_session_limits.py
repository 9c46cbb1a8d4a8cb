"""The caller's own session: deadlines and aborts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

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
def test_total(session, script, limit):
    with Server(script) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineError) as caught:
            post(session, server.url, stream=True, timeout=limit).whole()
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
    assert caught.value.which == ("first" if foreign else "idle")


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
        answer = post(session, server.url, stream=True, exchange=exchange)
        pieces = answer.pieces()
        assert next(pieces) == b"some"
        call = threads.submit(next, pieces)
        exchange.abort()
        with pytest.raises(StreamClosedError):
            call.result(PATIENCE)
        assert server.left.wait(PATIENCE)


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


def test_a_large_answer_in_one_piece():
    body = b"x" * 5_000_000
    assert post(AtOnce(body), "http://127.0.0.1:1/").whole() == body
