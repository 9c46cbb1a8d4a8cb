"""A call is ended from another thread, whatever it waits for."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sockets
from sockets import CHUNKED, PATIENCE, UNTIL_CLOSED, Server, chunk

from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import DeadlineError, StreamClosedError
from llmkit.transport import Exchange, Outgoing, Transport

BODY = b"x" * 30_000_000
BODIES = {
    "chunked": CHUNKED + chunk(b"begun"),
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun",
    "until closed": UNTIL_CLOSED + b"begun",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b\x08\x00",
}


def _reach(wire):
    wire.server.reached.set()
    wire.hang()


def _silent(wire):
    _reach(wire)


def _reading_nothing(wire):
    wire.server.reached.set()
    wire.server.stopped.wait(PATIENCE)


def _no_headers(wire):
    wire.receive()
    _reach(wire)


def _half_headers(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    _reach(wire)


def _half_a_body(raw):
    def script(wire):
        wire.receive()
        wire.send(raw)
        _reach(wire)

    return script


def _connect_answer_hangs(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 Conn")
    _reach(wire)


SCRIPTS = {
    "sending": _reading_nothing,
    "no headers": _no_headers,
    "half of the headers": _half_headers,
    **{f"body, {name}": _half_a_body(raw) for name, raw in BODIES.items()},
}


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request):
    return request.param


@pytest.fixture
def verify(tmp_path):
    return sockets.bundle(tmp_path)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def ask(transport, url, exchange, body=b"{}", *, stream=True) -> bytes:
    answer = transport.send(Outgoing("POST", url, {}, body, stream=stream), exchange)
    return b"".join(answer.pieces())


def abort_and_see(exchange: Exchange, call: "Future[bytes]") -> None:
    began = time.monotonic()
    exchange.abort()
    with pytest.raises(StreamClosedError):
        call.result(PATIENCE)
    assert time.monotonic() - began < 5
    assert exchange.aborted


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
class TestTalking:
    def test_abort(self, script, tls, verify, threads):
        exchange = Exchange(Deadlines(None))
        transport = Transport(verify=verify)
        with Server(script, tls=tls) as server:
            body = BODY if script is _reading_nothing else b"{}"
            call = threads.submit(ask, transport, server.url, exchange, body)
            assert server.reached.wait(PATIENCE)
            abort_and_see(exchange, call)
            assert script is _reading_nothing or server.left.wait(PATIENCE)
        transport.close()

    @pytest.mark.parametrize("limit", [0.15, Timeout(first=0.15)], ids=["float", "first"])
    def test_deadline(self, script, limit, tls, verify):
        transport = Transport(verify=verify)
        with Server(script, tls=tls) as server:
            body = BODY if script is _reading_nothing else b"{}"
            began = time.monotonic()
            with pytest.raises(DeadlineError) as caught:
                ask(transport, server.url, Exchange(Deadlines(limit)), body)
            assert 0.1 < time.monotonic() - began < 8
            assert caught.value.which == ("first" if isinstance(limit, Timeout) else "total")
            assert caught.value.seconds == 0.15
        transport.close()


IDLE = {name: script for name, script in SCRIPTS.items() if name != "no headers"}


@pytest.mark.parametrize("script", IDLE.values(), ids=IDLE.keys())
def test_idle(script, tls, verify):
    """Without a byte; but the answer's first one may take its time."""
    transport = Transport(verify=verify)
    with Server(script, tls=tls) as server:
        body = BODY if script is _reading_nothing else b"{}"
        with pytest.raises(DeadlineError, match=r"Timeout\.idle") as caught:
            ask(transport, server.url, Exchange(Deadlines(Timeout(idle=0.1))), body)
        assert caught.value.which == "idle"
    transport.close()


def test_silence_before_the_first_byte_is_idle_where_the_caller_says_how_long():
    """The default leaves it to `first`: models think in silence for minutes."""
    assert not Deadlines(Timeout()).impatient
    assert not Deadlines(Timeout(first=1)).impatient

    transport = Transport()
    with Server(lambda wire: (wire.receive(), wire.server.stopped.wait(PATIENCE))) as server:
        with pytest.raises(DeadlineError) as caught:
            ask(transport, server.url, Exchange(Deadlines(Timeout(idle=0.1))))
        assert caught.value.which == "idle"
    transport.close()


# Before a byte can be sent.


@pytest.fixture(params=["look-up", "connect", "handshake", "CONNECT", "CONNECT, in half", "handshake in the tunnel"])
def unconnected(request, monkeypatch, verify):
    """A transport, a URL, and what says that the phase is reached."""
    released = threading.Event()
    if request.param == "look-up":
        began = threading.Event()

        def getaddrinfo(*_args):
            began.set()
            released.wait(PATIENCE)
            return []

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        yield Transport(), "http://host.invalid/", began.wait
        released.set()
    elif request.param == "connect":
        with sockets.unanswered() as port:
            yield Transport(), f"http://127.0.0.1:{port}/", None
    elif request.param == "handshake":
        with Server(_silent) as server:
            yield Transport(verify=verify), f"https://127.0.0.1:{server.port}/", server.reached.wait
    elif request.param == "handshake in the tunnel":
        with Server(_silent) as server, Server(sockets.tunnel(server.port)) as proxy:
            yield Transport(proxy=proxy.url), "https://api.invalid/", server.reached.wait
    else:
        script = _silent if request.param == "CONNECT" else _connect_answer_hangs
        with Server(script) as proxy:
            yield Transport(proxy=proxy.url), "https://api.invalid/", proxy.reached.wait


def test_abort_before_the_request(unconnected, threads):
    transport, url, reached = unconnected
    exchange = Exchange(Deadlines(None))
    call = threads.submit(ask, transport, url, exchange)
    if reached is None:
        until(lambda: exchange._twins)
    else:
        assert reached(PATIENCE)
    abort_and_see(exchange, call)


@pytest.mark.parametrize(
    ("limit", "which"),
    [
        (Timeout(total=0.15), "total"),
        (Timeout(connect=0.15), "connect"),
    ],
    ids=["total", "connect"],
)
def test_deadline_before_the_request(unconnected, limit, which):
    transport, url, _ = unconnected
    began = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        ask(transport, url, Exchange(Deadlines(limit)))
    assert 0.1 < time.monotonic() - began < 8
    assert caught.value.which == which
    assert caught.value.retryable


def test_abort_first(unconnected):
    """Of an exchange that has not begun."""
    transport, url, _ = unconnected
    exchange = Exchange(Deadlines(None))
    exchange.abort()
    with pytest.raises(StreamClosedError):
        ask(transport, url, exchange)


# Dripping: a byte now and then, for ever.

DRIPS = {
    "status line": (b"", b"H"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "chunks": (CHUNKED, chunk(b".")),
    "chunk extension": (CHUNKED + b"5;", b"a"),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"."),
    "until closed": (UNTIL_CLOSED, b"."),
    "gzip without content": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff\3\0\0\0\0\0\0\0\0\0",
    ),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n"),
}


@pytest.mark.parametrize(("head", "drop"), DRIPS.values(), ids=DRIPS.keys())
def test_dripping(head, drop, tls, verify):
    def script(wire):
        wire.receive()
        wire.send(head)
        while not wire.server.stopped.wait(0.01):
            wire.send(drop)

    transport = Transport(verify=verify)
    with Server(script, tls=tls) as server:
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            ask(transport, server.url, Exchange(Deadlines(Timeout(total=0.2))))
        assert time.monotonic() - began < 8
    transport.close()


def test_events_put_first_off():
    def script(wire):
        wire.receive()
        wire.send(CHUNKED)
        for _ in range(10):
            wire.send(chunk(b"."))
            wire.server.stopped.wait(0.05)
        wire.send(chunk(b""))

    transport, exchange = Transport(), Exchange(Deadlines(Timeout(first=0.4)))
    with Server(script) as server:
        answer = transport.send(Outgoing("POST", server.url, {}, b"{}", stream=True), exchange)
        for _ in answer.pieces():
            exchange.deadlines.progress()
    transport.close()


def test_a_late_abort_harms_nobody(threads):
    """Not even the next user of the connection."""
    transport = Transport()
    with Server(sockets.echo) as server:
        before = Exchange(Deadlines(None))
        ask(transport, server.url, before)
        for number in range(200):
            after = Exchange(Deadlines(None))
            call = threads.submit(ask, transport, server.url, after, b"%d" % number)
            before.abort()
            assert call.result(PATIENCE) == b"%d" % number
            assert not before.aborted
            before = after
        assert server.connections == 1
    transport.close()


def test_aborts_at_any_moment(threads):
    """Each call is whole or closed, nothing else; and no connection is spoilt."""
    transport = Transport()
    outcomes = {"whole": 0, "closed": 0}

    def one(number):
        exchange = Exchange(Deadlines(None))
        timer = threading.Timer(number % 40 / 10_000, exchange.abort)
        if number % 2:
            timer.start()
        try:
            assert ask(transport, server.url, exchange, b"%d" % number) == b"%d" % number
        except StreamClosedError:
            assert number % 2
            return "closed"
        finally:
            timer.cancel()
        return "whole"

    with Server(sockets.echo) as server:
        for outcome in threads.map(one, range(1000)):
            outcomes[outcome] += 1
    transport.close()
    assert outcomes["whole"] >= 500
