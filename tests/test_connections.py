"""Connections: used again, closed, shared among threads, not shared with a fork."""

import gc
import os
import socket
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from calls import post
from sockets import CHUNKED, PATIENCE, Server, chunk, echo, reply

from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import ConnectionFailedError, StreamClosedError
from llmkit.transport import Exchange, Outgoing, Transport

pytest_plugins = ["calls"]

# Connections.

DRAINS = {
    "the end is there": ([chunk(b"")], 0, 1),
    "the end comes later": ([chunk(b"")], 0.03, 1),
    "kept open": ([], 0, 2),
    "half an end": ([b"0\r"], 0, 2),
    "pings": ([chunk(b": ping")] * 3, 0, 2),
    "flood": ([chunk(b"x" * 60_000)] * 30, 0, 2),
    "cut": (None, 0, 2),
}


@pytest.mark.parametrize(("rest", "later", "connections"), DRAINS.values(), ids=DRAINS.keys())
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_drain(rest, later, connections, tls, verify):
    def script(wire):
        for _ in wire.requests():
            wire.send(CHUNKED + chunk(b"all"))
            if rest is None:
                return
            wire.server.stopped.wait(later)
            for part in rest:
                wire.send(part)

    transport = Transport(verify=verify)
    with Server(script, tls=tls) as server:
        for _ in range(2):
            answer = post(transport, server.url, stream=True)
            pieces = answer.pieces()
            assert next(pieces).startswith(b"all")  # and what else has come by then
            answer.drain(0.5 if later else 0.1)
        assert server.connections == connections
    transport.close()


def test_a_drain_saves_nothing_where_the_server_closes(transport):
    def script(wire):
        wire.receive()
        wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"all"))
        wire.hang()

    with Server(script) as server:
        answer = post(transport, server.url, stream=True)
        assert next(answer.pieces()) == b"all"
        answer.drain(PATIENCE)
        assert server.left.wait(PATIENCE)


def test_a_drain_within_the_deadline(transport):
    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(b"all"))
        wire.hang()

    with Server(script) as server:
        answer = post(transport, server.url, stream=True, timeout=Timeout(total=0.3))
        assert next(answer.pieces()) == b"all"
        answer.drain(PATIENCE)
        assert server.left.wait(PATIENCE)


def test_close_tells_the_server(transport):
    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(b"some"))
        wire.hang()

    with Server(script) as server:
        answer = post(transport, server.url, stream=True)
        pieces = answer.pieces()
        assert next(pieces) == b"some"
        answer.close()
        answer.close()
        assert server.left.wait(PATIENCE)
        with pytest.raises(StreamClosedError):
            next(pieces)


@pytest.mark.parametrize("cycle", [False, True], ids=["dropped", "in a cycle"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_forsake(verify, tls, cycle):
    """An abandoned answer closes at once, and leaves no ResourceWarning."""

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(b"some"))
        wire.hang()

    class Holder:
        def __init__(self, answer, exchange):
            self.exchange, self.answer = exchange, answer
            self.pieces = answer.pieces()
            next(self.pieces)
            self.itself = self if cycle else None

        def __del__(self):
            self.exchange.forsake()

    transport = Transport(verify=verify)
    with Server(script, tls=tls) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        exchange = Exchange(Deadlines(None))
        holder = Holder(transport.send(Outgoing("POST", server.url, {}, b"{}", stream=True), exchange), exchange)
        del holder
        gc.collect()
        assert server.left.wait(PATIENCE)
        exchange.forsake()
        exchange.abort()
        gc.collect()
    transport.close()


def test_a_connection_that_the_server_closed_while_it_was_idle(transport):
    closed = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(reply())
        wire.sock.close()
        closed.set()

    with Server(script) as server:
        for number in range(1, 4):
            closed.clear()
            assert post(transport, server.url).whole() == b"hello"
            assert server.connections == number
            assert closed.wait(PATIENCE)


def test_a_connection_that_is_reset_while_the_request_is_written(transport):
    """It cannot have been carried out, so it is sent again, on a new connection."""

    def script(wire):
        if wire.number == 1:
            wire.receive()
            wire.send(reply())
            wire.sock.recv(1000)
            wire.reset()
        else:
            echo(wire)

    body = b"x" * 20_000_000
    with Server(script) as server:
        post(transport, server.url).whole()
        assert post(transport, server.url, body).whole() == body
        assert server.connections == 2


def test_a_connection_that_is_closed_after_the_request(transport):
    """It may have been carried out: to ask again is a retry, which is counted."""

    def script(wire):
        wire.receive()
        wire.send(reply())
        wire.receive()

    with Server(script) as server:
        post(transport, server.url).whole()
        with pytest.raises(ConnectionFailedError, match="without an answer") as caught:
            post(transport, server.url)
        assert caught.value.retryable
        assert len(server.requests) == 2
        assert post(transport, server.url).whole() == b"hello"


def test_a_first_connection_is_not_tried_twice(transport):
    def script(wire):
        wire.sock.recv(1000)
        wire.reset()

    with Server(script) as server:
        with pytest.raises(ConnectionFailedError):
            post(transport, server.url, b"x" * 20_000_000)
        assert server.connections == 1


def test_an_answer_before_the_body_was_read(transport):
    def script(wire):
        wire.sock.recv(1000)
        wire.send(reply(b"too large", status="413 Too Large", headers="Connection: close\r\n"))
        wire.sock.shutdown(socket.SHUT_WR)
        wire.hang()

    with Server(script) as server:
        answer = post(transport, server.url, b"x" * 500_000)
        assert (answer.status, answer.beginning()) == (413, b"too large")


def test_close_and_go_on(transport):
    with Server(echo) as server:
        for number in range(1, 3):
            post(transport, server.url).whole()
            transport.close()
            assert server.connections == number
        transport.close()


def test_threads(transport):
    """No answer goes to another call, and no more connections than threads."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)

    def calls(thread):
        for number in range(150):
            body = b"%d/%d" % (thread, number)
            answer = post(transport, server.url, body, stream=bool(number % 2))
            assert answer.whole() == body

    try:
        with Server(echo) as server, ThreadPoolExecutor(16) as threads:
            list(threads.map(calls, range(16)))
            assert server.connections <= 16
            assert len(server.requests) == 16 * 150
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_more_threads_than_the_pool_keeps(verify, tls):
    transport = Transport(pool_size=2, verify=verify)
    with Server(echo, tls=tls) as server, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: post(transport, server.url).whole(), range(80))) == {b"{}"}
    transport.close()


# Fork.


def in_a_child(function) -> None:
    """Run it in a fork; the test fails if it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
        pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_fork(verify, tls):
    """A child has connections of its own, and the parent's live on."""
    transport = Transport(verify=verify)
    with Server(echo, tls=tls) as server:
        post(transport, server.url).whole()

        def child():
            for _ in range(2):
                assert post(transport, server.url, b"child").whole() == b"child"
            transport.close()

        in_a_child(child)
        assert post(transport, server.url).whole() == b"{}"
        assert server.connections == 2
    transport.close()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("end", ["close", "abort", "forsake", "read", "drop"])
def test_a_stream_belongs_to_the_parent(verify, tls, end):
    forked = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(b"hello"))
        assert forked.wait(PATIENCE)
        wire.send(chunk(b"world") + chunk(b""))

    transport = Transport(verify=verify)
    with Server(script, tls=tls) as server:
        exchange = Exchange(Deadlines(PATIENCE))
        answer = transport.send(Outgoing("POST", server.url, {}, b"{}", stream=True), exchange)
        pieces = answer.pieces()
        assert next(pieces) == b"hello"

        def child():
            if end in ("abort", "forsake"):
                getattr(exchange, end)()
            elif end == "drop":
                exchange.drop()
            elif end == "close":
                answer.close()
            else:
                with pytest.raises(StreamClosedError, match="fork"):
                    next(pieces)

        in_a_child(child)
        forked.set()
        assert list(pieces) == [b"world"]
    transport.close()


def test_forks_among_busy_threads(transport):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            assert post(transport, server.url).whole() == b"{}"

    with Server(echo) as server, ThreadPoolExecutor(4) as threads:
        busy = [threads.submit(work) for _ in range(4)]
        try:
            for _ in range(10):
                in_a_child(lambda: post(transport, server.url, b"child", timeout=PATIENCE).whole())
        finally:
            stop.set()
        for worker in busy:
            worker.result(PATIENCE)
