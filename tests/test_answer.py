"""Answers in: bodies, limits, redirects."""

import gzip
import pickle
import threading
import tracemalloc

import pytest
from calls import answering, authorize, once, post
from sockets import CHUNKED, PATIENCE, UNTIL_CLOSED, Server, chunk, reply

from llmkit.deadlines import Deadlines
from llmkit.errors import ConnectionFailedError, InvalidResponseError
from llmkit.transport import Exchange, Outgoing, Transport

pytest_plugins = ["calls"]

# Bodies.

BODIES = {
    "length": (reply(b"hello"), b"hello"),
    "empty": (reply(b""), b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "no content, though its headers tell of chunks": (
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"",
    ),
    "chunked": (CHUNKED + chunk(b"hel") + chunk(b"lo") + chunk(b""), b"hello"),
    "chunk extensions and trailers": (CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", b"hello"),
    "gzip": (reply(gzip.compress(b"hello" * 100), headers="Content-Encoding: gzip\r\n"), b"hello" * 100),
    "gzip, chunked": (
        CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunk(gzip.compress(b"hello")) + chunk(b""),
        b"hello",
    ),
    "identity": (reply(b"hello", headers="Content-Encoding: identity\r\n"), b"hello"),
    "100 Continue before": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + reply(b"hello"), b"hello"),
}


@pytest.mark.parametrize(("raw", "expected"), BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_bodies(transport, raw, expected, stream):
    """And the connection is used again after each."""
    with Server(answering(raw)) as server:
        for _ in range(3):
            answer = post(transport, server.url, stream=stream)
            assert (b"".join(answer.pieces()) if stream else answer.whole()) == expected
            assert answer.whole() == b""
            answer.close()
        assert server.connections == 1


@pytest.mark.parametrize("head", [UNTIL_CLOSED, b"HTTP/1.0 200 OK\r\n\r\n"])
def test_until_closed(transport, head):
    with Server(once(head + b"hello")) as server:
        for _ in range(2):
            assert post(transport, server.url).whole() == b"hello"
        assert server.connections == 2


@pytest.mark.parametrize("head", [CHUNKED, UNTIL_CLOSED, b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"])
def test_pieces_come_as_they_are_sent(transport, head):
    got = threading.Semaphore(0)

    def script(wire):
        wire.receive()
        wire.send(head)
        for number in range(3):
            data = b"piece %d..." % number
            wire.send(chunk(data) if head is CHUNKED else data)
            assert got.acquire(timeout=PATIENCE)

    with Server(script) as server:
        pieces = post(transport, server.url, stream=True, timeout=PATIENCE).pieces()
        for number in range(3):
            assert next(pieces) == b"piece %d..." % number
            got.release()


BROKEN = {
    "cut chunked": (CHUNKED + chunk(b"hello"), ConnectionFailedError, "broke off"),
    "cut in a chunk": (CHUNKED + b"ff\r\nhello", ConnectionFailedError, "broke off"),
    "cut length": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", ConnectionFailedError, "broke off"),
    "bad chunk": (CHUNKED + chunk(b"hello") + b"zz\r\n", ConnectionFailedError, "broke off"),
    "negative chunk": (CHUNKED + chunk(b"hello") + b"-5\r\n", ConnectionFailedError, "broke off"),
    "bad gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        InvalidResponseError,
        "Content-Encoding",
    ),
    "bad gzip, chunked": (
        CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunk(b"hello"),
        InvalidResponseError,
        "Content-Encoding",
    ),
    "unknown encoding": (
        reply(b"hello", headers="Content-Encoding: x-strange\r\n"),
        InvalidResponseError,
        "Content-Encoding",
    ),
}


@pytest.mark.parametrize(("raw", "cls", "match"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_broken_bodies(raw, cls, match, tls, verify):
    transport = Transport(verify=verify)
    with Server(once(raw), tls=tls) as server:
        answer = post(transport, server.url, stream=True)
        came = []
        with pytest.raises(cls, match=match) as caught:
            came.extend(answer.pieces())
        assert came in ([], [b"hello"])
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        with pytest.raises(cls) as again:
            answer.whole()
        assert again.value is caught.value
    transport.close()


NO_ANSWER = {
    "closed": (b"", ConnectionFailedError, "without an answer"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9\r\n", ConnectionFailedError, "no HTTP answer"),
    "cut headers": (b"HTTP/1.1 200 OK\r\nContent-", ConnectionFailedError, "no HTTP answer"),
    "cut before the blank line": (b"HTTP/1.1 200 OK\r\nContent-Type: a\r\n", ConnectionFailedError, "no HTTP answer"),
    "long status line": (b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n", InvalidResponseError, "limit"),
    "long header": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", InvalidResponseError, "limit"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", InvalidResponseError, "limit"),
    "bad status": (b"HTTP/1.1 2000 OK\r\n\r\n", ConnectionFailedError, "no HTTP answer"),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ConnectionFailedError,
        "no HTTP answer",
    ),
}


@pytest.mark.parametrize(("raw", "cls", "match"), NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_no_answer(transport, raw, cls, match):
    with Server(once(raw)) as server:
        with pytest.raises(cls, match=match) as caught:
            post(transport, server.url)
        assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


# Limits.

FLOODS = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 10_000),
    "status line": (b"", b"HTTP/1.1 100 Continue\r\nA: " + b"x" * 60_000 + b"\r\n\r\n"),
    "empty members": (CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n", chunk(gzip.compress(b"") * 3000)),
}


@pytest.mark.parametrize(("head", "more"), FLOODS.values(), ids=FLOODS.keys())
def test_endless(transport, head, more):
    """No deadline is set; the byte budget ends it."""

    def script(wire):
        wire.receive()
        wire.send(head)
        while not wire.server.stopped.is_set():
            wire.send(more)

    def ask():
        exchange = Exchange(Deadlines(None))
        answer = transport.send(Outgoing("POST", server.url, {}, b"{}"), exchange)
        exchange.allow(4_000_000)
        answer.whole()

    with Server(script) as server, pytest.raises(InvalidResponseError, match="limit"):
        ask()


def test_a_bomb(transport):
    """300 MB in 300 kB, decoded piece by piece."""
    bomb = gzip.compress(bytes(1_000_000)) * 300
    with Server(answering(reply(bomb, headers="Content-Encoding: gzip\r\n"))) as server:
        tracemalloc.start()
        with pytest.raises(InvalidResponseError, match="longer than 5000000 bytes"):
            post(transport, server.url).whole(5_000_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        answer = post(transport, server.url)
        sizes = []
        with pytest.raises(InvalidResponseError, match="expands to more than 100 times"):
            sizes.extend(map(len, answer.pieces()))
        assert max(sizes) <= 65536
        assert 8_000_000 < sum(sizes) <= 8 * 1024 * 1024
    assert peak < 20_000_000


def test_what_is_no_bomb(transport):
    """Much text shrinks well, and a little of anything may shrink as it likes."""
    text = b"".join(b'{"index": %d, "text": "%08x"}\n' % (number, number * 2654435761) for number in range(1_200_000))
    for body in (text, bytes(8_000_000)):
        raw = reply(gzip.compress(body, 1), headers="Content-Encoding: gzip\r\n")
        with Server(answering(raw)) as server:
            assert post(transport, server.url).whole() == body


def test_a_budget_that_each_event_renews(transport):
    def script(wire):
        wire.receive()
        wire.send(CHUNKED)
        for _ in range(30):
            wire.send(chunk(b"x" * 100_000))
        wire.send(chunk(b""))

    with Server(script) as server:
        exchange = Exchange(Deadlines(None))
        answer = transport.send(Outgoing("POST", server.url, {}, b"{}", stream=True), exchange)
        for _ in answer.pieces():
            exchange.allow(500_000)
        transport.close()  # the server closes this connection at some time, or has
        answer = post(transport, server.url, stream=True)
        answer.renew()


# Errors' bodies, redirects.


def test_the_beginning(transport):
    with Server(answering(reply(b"no!", status="400 Bad Request"))) as server:
        for _ in range(2):
            answer = post(transport, server.url)
            assert (answer.status, answer.beginning()) == (400, b"no!")
        assert server.connections == 1
    with Server(answering(reply(b"x" * 200_000, status="500 No"))) as server:
        for number in range(2):
            assert post(transport, server.url).beginning() == b"x" * 65536, number
        assert server.connections == 2


LINGERING = {
    "cut": (b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhello", b"hello"),
    "nothing": (b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n", b""),
    "bad gzip": (b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\nhello", b""),
}


@pytest.mark.parametrize("ends", [True, False], ids=["closed", "kept open"])
@pytest.mark.parametrize(("raw", "expected"), LINGERING.values(), ids=LINGERING.keys())
def test_the_beginning_of_what_has_no_end(transport, raw, expected, ends):
    def script(wire):
        wire.receive()
        wire.send(raw)
        if not ends:
            wire.hang()

    with Server(script) as server:
        assert post(transport, server.url).beginning(seconds=0.1) == expected


REDIRECTS = {
    "absolute": ("https://user:secret@other.example:8443/a?key=secret#frag", "https://other.example:8443/a"),
    "relative": ("/b/c?d=e", "{url}/b/c"),
    "no path": ("https://[::1]:5", "https://[::1]:5"),
    "long": ("/" + "x" * 5000, None),
    "control characters": ("/a\tb\x01", "{url}/ab"),
    "nonsense": ("http://[::1", None),
    "none": (None, None),
}


@pytest.mark.parametrize(("location", "expected"), REDIRECTS.values(), ids=REDIRECTS.keys())
def test_redirects_are_not_followed(transport, location, expected):
    headers = f"Location: {location}\r\n" if location else ""
    with Server(answering(reply(status="307 Elsewhere", headers=headers))) as server:
        answer = post(transport, server.url, key=authorize)
        assert answer.status == 307
        if location is not None and len(location) > 1000:
            assert answer.location.startswith(f"{server.url}/xxx")
            assert len(answer.location) == 200
        else:
            assert answer.location == (expected and expected.format(url=server.url))
        answer.beginning()
        assert len(server.requests) == 1


def test_a_redirect_with_an_endless_body(transport):
    def script(wire):
        wire.receive()
        wire.send(b"HTTP/1.1 302 Elsewhere\r\nLocation: /\r\nContent-Length: 300000000\r\n\r\n")
        while not wire.server.stopped.is_set():
            wire.send(bytes(1_000_000))

    with Server(script) as server:
        assert len(post(transport, server.url).beginning()) == 65536
