"""The head of an answer is read as `http.client` reads it, whose parser of mails is passed over where it can be."""

import http.client
import socket

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmkit.deadlines import Deadlines
from llmkit.transport.exchange import Exchange
from llmkit.transport.replies import Reply
from llmkit.transport.watching import watched


def read(cls, raw, method):
    """What there is of a head, or the class of the error."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        with watched(Exchange(Deadlines(5))):
            reply = cls(ours, method=method)
            try:
                reply.begin()
            except (http.client.HTTPException, OSError) as error:
                return type(error)
            finally:
                rest = reply.fp.read() if reply.fp is not None and not reply.fp.closed else None
                reply.close()
    about = reply.status, reply.reason, reply.version, reply.chunked, reply.length, reply.will_close
    return (*about, reply.headers.items(), rest)


STATUS = [
    *("HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 200"),
    *("HTTP/1.9 200 OK", "HTTP/0.9 200 OK", "HTTP/2 200 OK", "HTTP/1.1 abc", "HTTP/1.1 99 x", "ICY 200 OK", "x"),
]
LINES = [
    *("Content-Length: 5", "content-length:5", "Content-Length: -1", "Content-Length: 1_0", "Content-Length: "),
    *("Content-Length: 5, 5", "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: gzip"),
    *("Connection: close", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive"),
    *("X: y", "X:  two \t", "X:", "X: \xe9", "X: a:b", "x-Request-Id: 1", "Set-Cookie: a", "Set-Cookie: b"),
    *(" folded", "\tfolded", "no colon", ": no name", "a b: c", "X\x00: y", "X: \x00", "X: a\rb", "X: \x85\u00a0"),
    *("From x", "\x0b: y", "X: \x0c", "X: a\x1db", "é: y"),
]


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(STATUS),
    st.lists(st.sampled_from(LINES), max_size=6),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.sampled_from(["", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"]),
)
@example("HTTP/1.1 200 OK", [], "\r\n", "GET", "")
@example("HTTP/1.1 200 OK", ["X: y"] * 100, "\r\n", "GET", "")
@example("HTTP/1.1 200 OK", ["X: " + "y" * 65000], "\r\n", "GET", "")
def test_it_is_what_the_standard_library_reads(status, lines, end, method, before):
    raw = before.encode() + end.join([status, *lines, "", "body"]).encode("latin-1")
    assert read(Reply, raw, method) == read(http.client.HTTPResponse, raw, method)


MANY = {
    "99 lines": ["X: y"] * 99,
    "101 lines": ["X: y"] * 101,
    "a line of 64 KiB": ["X: " + "y" * (65536 - 5)],
    "a longer one": ["X: " + "y" * 65536],
}


@pytest.mark.parametrize("lines", MANY.values(), ids=MANY.keys())
def test_limits(lines):
    raw = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", "body"]).encode()
    assert read(Reply, raw, "GET") == read(http.client.HTTPResponse, raw, "GET")
