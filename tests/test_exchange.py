"""What a loopback server cannot bring about."""

import errno
import io
import itertools
import os
import socket
import sys

import pytest

from llmkit.deadlines import Deadlines
from llmkit.errors import ConnectionFailedError, StreamClosedError
from llmkit.transport.connections import Plain
from llmkit.transport.exchange import Exchange, OverError
from llmkit.transport.failures import failure
from llmkit.transport.replies import Reader
from llmkit.transport.watching import current, watched


@pytest.fixture
def exchange():
    return Exchange(Deadlines(None))


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_connections_are_for_the_transport_only(exchange):
    with pytest.raises(RuntimeError, match="only be used through"):
        current()
    with watched(exchange):
        assert current() is exchange


def test_the_system_gives_up_before_our_limit(exchange):
    class Slow(Plain):
        def _new_conn(self):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    with watched(exchange), pytest.raises(TimeoutError) as caught:
        Slow("host", 80).connect()
    assert exchange.going
    error = failure(caught.value, exchange, "host:80")
    assert type(error) is ConnectionFailedError
    assert "no connection to host:80 (Connection timed out)" in str(error)


def test_lost_while_sending(exchange):
    exchange.stage = "send"
    error = failure(OSError(errno.EHOSTUNREACH, "No route to host"), exchange, "host:80")
    assert "lost while sending (No route to host)" in str(error)


def test_in_a_fork(exchange, pair):
    """Nothing that the parent can notice."""
    exchange.attach(pair[0])
    exchange._pid = -1
    exchange.abort()
    assert not exchange.aborted
    with pytest.raises(OverError):
        exchange.check()
    assert isinstance(failure(OSError(), exchange, "host:80"), StreamClosedError)
    exchange.drop()
    pair[1].send(b"still there")
    assert pair[0].recv(20) == b"still there"

    inherited = Exchange(Deadlines(None))
    inherited.attach(pair[0])
    inherited._pid = -1
    copy = pair[0].dup()
    inherited.forsake()
    with copy:
        pair[1].send(b"still there")
        assert copy.recv(20) == b"still there"


def test_forsake_after_close(exchange, pair):
    exchange.attach(pair[0])
    pair[0].close()
    exchange.forsake()
    assert exchange.aborted


def test_abort_before_attach(exchange, pair):
    exchange.abort()
    with pytest.raises(OverError):
        exchange.attach(pair[0])
    assert pair[1].recv(1) == b""


def test_a_reader_is_closed_once(exchange, pair):
    exchange.attach(pair[0])
    source = io.BytesIO()
    reader = Reader(pair[0], pair[0].recv_into, source, exchange, last=True)
    assert reader.readable()
    reader.close()
    reader.close()
    assert source.closed
    assert not exchange._twins


def interrupted(exchange, sock, after):
    """Attach `sock`, with Ctrl-C at one of the calls that this makes, before or after it; whether it came to that."""
    moments = itertools.count()

    def look(*_):
        if next(moments) == after:
            raise KeyboardInterrupt  # which also ends the looking

    try:
        sys.setprofile(look)
        exchange.attach(sock)
        sys.setprofile(None)
    except KeyboardInterrupt:
        return True
    return False


def lowest_free_descriptor():
    number = os.dup(0)
    os.close(number)
    return number


def test_an_interrupt_leaves_no_descriptor(exchange, pair):
    free = lowest_free_descriptor()
    for after in itertools.count():
        going = interrupted(exchange, pair[0], after)
        exchange.release()
        assert lowest_free_descriptor() == free
        if not going:
            break
    assert after > 5
