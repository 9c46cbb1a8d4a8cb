"""Bodies of sessions that are not requests', which a thread reads: what such a session may do, and what it costs."""

import contextvars
import os
import threading
import time
import warnings
from typing import ClassVar

import pytest
from foreign import post
from sockets import PATIENCE

from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import ConnectionFailedError, DeadlineError, StreamClosedError
from llmkit.transport import Exchange

NOWHERE = "http://127.0.0.1:1/"
ASKED = contextvars.ContextVar("ASKED", default="nobody")


class Made:
    """A session, and its response, made of an iterator.

    Attributes:
        given: How many pieces were taken from it.
        closed: How often it was closed.
    """

    status_code = 200
    headers: ClassVar = {}

    def __init__(self, pieces):
        self._pieces = pieces
        self.given = self.closed = 0

    def request(self, *_, **__):
        return self

    def iter_content(self):
        for piece in self._pieces:
            self.given += 1
            yield piece

    def close(self):
        self.closed += 1


def endless(size):
    while True:
        yield bytes(size)


def test_large_pieces_are_not_read_ahead():
    """It is bytes that fill the memory, and not pieces."""
    tried = Made(endless(2**20))
    answer = post(tried, NOWHERE, timeout=None)
    pieces = answer.pieces()
    assert len(next(pieces)) == 2**20
    time.sleep(0.5)
    assert tried.given < 10
    for _ in range(50):
        assert len(next(pieces)) == 2**20
    answer.close()


def test_a_piece_that_is_larger_than_what_may_lie_there():
    tried = Made([bytes(10**7), b"a", bytes(10**7), b"b"])
    assert len(post(tried, NOWHERE).whole()) == 2 * 10**7 + 2


def one_buffer():
    buffer = bytearray(3)
    for letter in b"abcdef":
        buffer[:] = bytes([letter]) * 3
        yield buffer


PIECES = {
    "one buffer, filled again": one_buffer,
    "views": lambda: (memoryview(piece) for piece in (b"aaabbb", b"cccddd", b"eeefff")),
    "empty ones between": lambda: [b"", b"aaabbb", b"", b"cccdddeee", b"fff", b""],
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES.keys())
def test_pieces_of_other_kinds(pieces):
    assert post(Made(pieces()), NOWHERE).whole() == b"aaabbbcccdddeeefff"


@pytest.mark.parametrize("strange", ["text", None, 5])
def test_what_is_no_piece(strange):
    """It is no end, and no number of zeros."""
    tried = Made([b"some", strange, b"more"])
    with pytest.raises(ConnectionFailedError, match=r"broke off \(TypeError\)"):
        post(tried, NOWHERE).whole()
    assert tried.closed


def test_the_context_of_who_asks():
    tried = Made(ASKED.get().encode() for _ in range(1))
    token = ASKED.set("somebody")
    try:
        assert post(tried, NOWHERE).whole() == b"somebody"
    finally:
        ASKED.reset(token)


def test_no_thread_to_be_had():
    """As where there are too many, or where Python ends."""
    tried = Made(endless(10))
    answer = post(tried, NOWHERE)
    before = threading.stack_size(2**46)
    try:
        with pytest.raises(ConnectionFailedError, match="broke off"):
            answer.whole()
        answer.close()
        with pytest.raises(ConnectionFailedError):
            post(tried, NOWHERE)
    finally:
        threading.stack_size(before)


class Stuck(Made):
    """Whose `close` takes its time, as curl_cffi's does; it ends the call itself before it answers."""

    def __init__(self, exchange):
        super().__init__([])
        self._exchange = exchange
        self.released = threading.Event()

    def request(self, *_, **__):
        self._exchange.abort()
        return self

    def close(self):
        assert self.released.wait(PATIENCE)
        super().close()


def test_an_abort_at_the_very_moment_the_headers_come():
    exchange = Exchange(Deadlines(None))
    tried = Stuck(exchange)
    began = time.monotonic()
    with pytest.raises(StreamClosedError):
        post(tried, NOWHERE, exchange=exchange)
    assert time.monotonic() - began < PATIENCE / 2
    tried.released.set()
    while not tried.closed:
        time.sleep(0.01)


class Late(Made):
    """Whose answer comes when nobody waits for it any more, and whose `close` fails."""

    def __init__(self):
        super().__init__([])
        self.released = threading.Event()

    def request(self, *_, **__):
        assert self.released.wait(PATIENCE)
        return self

    def close(self):
        super().close()
        raise RuntimeError("a secret")


def test_what_fails_when_nobody_listens():
    """Is told to nobody: pytest would fail for an error that ends a thread."""
    tried = Late()
    before = set(threading.enumerate())
    with pytest.raises(DeadlineError):
        post(tried, NOWHERE, timeout=Timeout(first=0.1))
    tried.released.set()
    for thread in {*threading.enumerate()} - before:
        thread.join(PATIENCE)
    assert tried.closed == 1


def test_a_fork_leaves_the_answer_alone():
    """To close it there could end it for the parent, too: TLS says goodbye."""
    answer = post(Made(endless(10)), NOWHERE)
    pieces = answer.pieces()
    assert next(pieces) == bytes(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: threads and fork
        pid = os.fork()
    if pid == 0:
        try:
            answer.close()
        finally:
            os._exit(answer._source._response.closed)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert next(pieces) == bytes(10)
    answer.close()


def test_many_that_are_given_up():
    """Each of their threads ends with the next byte."""
    before = threading.active_count()
    for _ in range(100):
        answer = post(Made(endless(10)), NOWHERE)
        assert next(answer.pieces()) == bytes(10)
        answer.close()
    began = time.monotonic()
    while threading.active_count() > before:
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.01)
