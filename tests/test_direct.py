"""The short way of a request sends and reads what the long one, through requests' adapter and urllib3, does."""

import enum
import functools
import gzip
import http.client
import logging
import socket
import zlib

import attrs
import pytest
import requests
import urllib3
from calls import answering, once, post
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sockets import CHUNKED, Server, chunk, echo, reply

from llmkit import Client, LLMKitError
from llmkit.deadlines import Deadlines
from llmkit.testing import FakeServer
from llmkit.transport import Exchange, Outgoing, Transport, direct
from llmkit.transport.connections import Plain, Secure
from llmkit.transport.pools import Adapter

pytest_plugins = ["calls"]
WAYS = ("directly", "through urllib3")


@pytest.fixture
def ways(monkeypatch, plain_environment):
    """What sends by one of `WAYS`, and makes sure that it is that one."""
    real, send = direct.untouched, Adapter.send
    taken = []

    def counted(*args, **kwargs):
        taken.append(1)
        return send(*args, **kwargs)

    monkeypatch.setattr(Adapter, "send", counted)

    def through(way, transport, outgoing, exchange=None):
        monkeypatch.setattr("llmkit.transport.untouched", real if way == WAYS[0] else lambda: False)
        taken.clear()
        try:
            return transport.send(outgoing, exchange or Exchange(Deadlines(5)))
        finally:
            assert len(taken) == (way != WAYS[0])

    return through


# What is sent.

AGENT = {"user-agent": "me"}


def altered(**changes):
    def change(request):
        for name, value in changes.items():
            setattr(request, name, value)
        return request

    return change


class Place(str, enum.Enum):  # noqa: UP042 - a `StrEnum` is formatted as it is sent
    HERE = "here"


REQUESTS = {
    "a body": Outgoing("POST", "/v1/x", {**AGENT, "content-type": "x/y"}, b"{}"),
    "no body": Outgoing("POST", "/v1/x", AGENT),
    "an empty body": Outgoing("POST", "/v1/x", AGENT, b""),
    "GET": Outgoing("GET", "", AGENT),
    "DELETE": Outgoing("DELETE", "/?a", AGENT),
    "a query": Outgoing("GET", "/a b/\xe4?x=y z&q=\xe9#fragment", AGENT),
    "dots and slashes": Outgoing("GET", "//a/../b/./c", AGENT),
    "a stream": Outgoing("POST", "/", AGENT, b"{}", stream=True),
    "names as they are given": Outgoing("POST", "/", {"User-AGENT": "me", "X-a": "b"}, b"{}"),
    "values that are odd": Outgoing("POST", "/", {**AGENT, "a": "", "b": "\xe9\ta  b", "c": "x: y"}, b"{}"),
    "a key": Outgoing("POST", "/", AGENT, b"{}", lambda r: (r.headers.update({"x-api-key": "k"}), r)[1]),
    "another body": Outgoing("POST", "/", AGENT, b"{}", altered(body=b"[]")),
    "another address": Outgoing("POST", "/", AGENT, b"{}", lambda r: altered(url=f"{r.url}x?key=y")(r)),
    "another method": Outgoing("POST", "/", AGENT, b"{}", altered(method="PUT")),
    "letters that are formatted as others": Outgoing("POST", "/", {**AGENT, "x": Place("here")}, b"{}"),
    "a large body": Outgoing("POST", "/", AGENT, b"x" * 70_000),
}


@pytest.mark.parametrize("outgoing", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST"])
def test_what_is_sent(ways, outgoing, host):
    heads = []
    for way in WAYS:
        with Server(echo) as server:
            transport = Transport()
            sent = attrs.evolve(outgoing, url=f"http://{host}:{server.port}{outgoing.url}")
            for _ in range(2):
                ways(way, transport, sent).whole()
            transport.close()
            assert server.connections == 1
            one, two = server.requests
            assert (one.method, one.path, one.headers, one.body) == (two.method, two.path, two.headers, two.body)
            named = one.headers.pop("host").replace(str(server.port), "PORT")
            heads.append((one.method, one.path, named, [*one.headers.items()], one.body))
    assert heads[0] == heads[1]


RARE = {
    "no name of its own": Outgoing("POST", "/", {}, b"{}"),
    "another host": Outgoing("POST", "/", {**AGENT, "host": "other"}, b"{}"),
    "bytes": Outgoing("POST", "/", AGENT, b"{}", lambda r: (r.headers.update({"x": b"y"}), r)[1]),
    "a body of text": Outgoing("POST", "/", AGENT, b"{}", altered(body="{}")),
    "a body in pieces": Outgoing(
        "POST", "/", AGENT, b"{}", lambda r: (r.headers.pop("content-length"), altered(body=iter([b"{", b"}"]))(r))[1]
    ),
    **{
        f"{part!r} in an address": Outgoing("POST", "/", AGENT, b"{}", lambda r, p=part: altered(url=f"{r.url}{p}")(r))
        for part in ("[", "]", "{", "^", "\\", "`", "|", "<", '"', "%", "%zz", "%2f", "?{", "\xe9")
    },
    "no encodings": Outgoing("POST", "/", AGENT, b"{}", lambda r: (r.headers.pop("accept-encoding"), r)[1]),
}


@pytest.mark.parametrize("outgoing", RARE.values(), ids=RARE.keys())
def test_what_is_rare_goes_the_long_way(plain_environment, monkeypatch, outgoing):
    taken = []
    send = Adapter.send
    monkeypatch.setattr(Adapter, "send", lambda *args, **kwargs: (taken.append(1), send(*args, **kwargs))[1])
    with Server(once(reply(b"yes"))) as server:
        transport = Transport()
        sent = attrs.evolve(outgoing, url=server.url)
        assert transport.send(sent, Exchange(Deadlines(5))).whole() == b"yes"
        transport.close()
    assert taken == [1]


LENGTHS = {
    "right": ("POST", b"{}", "2", True),
    "too short, so that the rest is another request": ("POST", b"{}GET / HTTP/1.1", "2", False),
    "too long, so that the next request is its rest": ("POST", b"{}", "3", False),
    "none": ("POST", b"{}", None, False),
    "odd": ("POST", b"{}", "+2", False),
    "right, of nothing": ("POST", b"", "0", True),
    "right, of no body": ("DELETE", None, "0", True),
    "too long, of no body": ("GET", None, "5", False),
    "none, of no body": ("GET", None, None, True),
    "none, of no body where there may be one": ("POST", None, None, False),
}


@pytest.mark.parametrize(("method", "body", "length", "short"), LENGTHS.values(), ids=LENGTHS.keys())
def test_a_body_is_as_long_as_its_headers_say(method, body, length, short):
    """What sets a key may change both."""
    request = requests.PreparedRequest()
    request.method, request.body = method, body
    request.headers = requests.structures.CaseInsensitiveDict({**AGENT, "accept-encoding": "identity"})
    if length is not None:
        request.headers["content-length"] = length
    assert (direct.head_of(request, "/") is not None) == short


@pytest.mark.parametrize(
    ("cls", "host", "port", "expected"),
    [
        (Plain, "api.example", 80, "api.example"),
        (Plain, "api.example", 443, "api.example:443"),
        (Secure, "api.example", 443, "api.example"),
        (Secure, "api.example", 80, "api.example:80"),
        (Plain, "::1", 80, "[::1]"),
        (Plain, "::1", 8080, "[::1]:8080"),
        (Plain, "fe80::1%eth0", 80, "[fe80::1]"),
        (Plain, "api.example.", 80, "api.example"),
    ],
)
def test_the_host_is_named_as_the_standard_library_names_it(cls, host, port, expected):
    connection = cls(host, port)
    http.client.HTTPConnection.putrequest(connection, "GET", "/", skip_accept_encoding=True)
    assert f"Host: {expected}".encode() in connection._buffer
    assert connection.named == expected


def test_an_address_of_ip_6(ways):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this system has no IPv6")
    for way in WAYS:
        with Server(echo, host="::1") as server:
            transport = Transport()
            ways(way, transport, Outgoing("GET", f"http://[::1]:{server.port}/", AGENT)).whole()
            transport.close()
            assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


# What is read.

HEADERS = (
    *("Content-Length: 5", "content-length:  5", "Content-Length: 6", "Content-Length: 4", "Content-Length: 0"),
    *("Content-Length: 5, 5", "Content-Length: +5", "Content-Length: 05", "Content-Length: x", "Content-Length: -5"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding: gzip, chunked"),
    *("Transfer-Encoding: gzip", "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: identity"),
    *("Content-Encoding: nonsense", "Content-Encoding:", "Connection: close", "Connection: keep-alive"),
    *("X: a", "x: b", "Set-Cookie: a", "Set-Cookie: b", "Location: /x", "X:  spaces  ", "X: \xe9", "X: a\r\n b"),
    *("no colon", "a b: c"),
)
BODIES = (
    *(b"", b"hello", b"hell", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n", b"5\r\nhello\r\n"),
    *(b"5\r\nhel", b"x\r\nhello", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nA: b\r\n\r\n", b"0\r\n\r\nmore"),
    *(gzip.compress(b"hello"), gzip.compress(b"hello")[:-4], zlib.compress(b"hello"), chunk(gzip.compress(b"x" * 99))),
    chunk(gzip.compress(b"hello")) + chunk(b""),
)
STATUSES = ("200 OK", "200", "201  two  ", "204 No Content", "304 Not Modified", "302 Found", "404 \xe9", "407 Proxy")


def outcome(ways, way, raw, stream):
    """All that a caller can see of an answer."""

    def script(wire):
        if wire.number == 1:
            wire.receive()
            wire.send(raw)
            # What keeps a connection goes on to be asked; else its end is the answer's.
            wire.sock.settimeout(0.05)
            try:
                again = wire.receive()
            except TimeoutError:
                return
            if again is not None:
                wire.send(reply(b"again"))
        else:
            wire.receive()
            wire.send(reply(b"anew"))

    with Server(script) as server:
        transport = Transport()
        outgoing = Outgoing("POST", server.url, AGENT, b"{}", stream=stream)
        found = []
        try:
            answer = ways(way, transport, outgoing)
            found += [answer.status, answer.reason, [*answer.headers.items()], answer.location and "to"]
            found.append(b"".join(answer.pieces()) if stream else answer.whole())
        except LLMKitError as error:
            words = str(error).replace(str(server.port), "PORT")
            found += [type(error), words.partition(" (")[0], type(error.__cause__).__name__]
        transport.close()
    return found


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.sampled_from(BODIES),
    st.booleans(),
)
@example("200 OK", ["Content-Length: 5"], b"hello", False)
@example("200 OK", ["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n", True)
@example("200 OK", ["Content-Encoding: gzip"], gzip.compress(b"hello"), False)
@example("200 OK", ["Content-Length: 5", "Content-Length: 6"], b"hello!", False)
@example("200 OK", ["Transfer-Encoding: chunked", "Transfer-Encoding: gzip"], b"0\r\n\r\n", False)
@example("200 OK", ["X: a", "x: b", "Set-Cookie: a", "Set-Cookie: b"], b"hello", False)
def test_what_is_read(ways, status, headers, body, stream):
    raw = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1") + body
    short, long = (outcome(ways, way, raw, stream) for way in WAYS)
    assert short == long


KEPT = {
    "of a length": (reply(b"hello"), True),
    "empty": (reply(b""), True),
    "chunked": (CHUNKED + chunk(b"hello") + chunk(b""), True),
    "compressed": (reply(gzip.compress(b"hello"), headers="Content-Encoding: gzip\r\n"), True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "the last one": (reply(b"hello", headers="Connection: close\r\n"), False),
    "with more than it says": (reply(b"hello") + b"HTTP/1.1 200 OK\r\n\r\n", False),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
}


@pytest.mark.parametrize(("raw", "kept"), KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True])
def test_whether_the_connection_is_kept(ways, way, raw, kept, stream):
    with Server(answering(raw)) as server:
        transport = Transport()
        for _ in range(2):
            b"".join(ways(way, transport, Outgoing("POST", server.url, AGENT, b"{}", stream=stream)).pieces())
        transport.close()
        assert server.connections == (1 if kept else 2)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_before_all_was_sent(ways, way):
    """A host may refuse a body by its head, and close: its word is read."""

    def script(wire):
        wire._until(b"\r\n\r\n")
        wire.send(reply(b"too large", status="413 Too Large", headers="Connection: close\r\n"))
        wire.sock.shutdown(socket.SHUT_WR)
        wire.sock.recv(1)
        wire.hang()

    with Server(script) as server:
        transport = Transport()
        answer = ways(way, transport, Outgoing("POST", server.url, AGENT, b"x" * 100_000))
        assert (answer.status, answer.whole()) == (413, b"too large")
        transport.close()


def test_an_interrupt_before_there_is_a_body():
    """The collector has nothing to close then: no `__init__` was run to its end."""
    direct.Direct.__new__(direct.Direct).__del__()


# Who stands in between.


def wrapped(original, seen):
    @functools.wraps(original)
    def wrapper(*args, **kwargs):
        seen.append(1)
        return original(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(("owner", "name"), direct._REPLACED, ids=lambda value: getattr(value, "__qualname__", value))
def test_who_stands_in_between_is_asked(plain_environment, monkeypatch, owner, name):
    """Of the adapter's `build_response` ours stands before, which is theirs to replace, too."""
    with FakeServer() as server, Client("anthropic", base_url=server.url, api_key="k", model="m") as client:
        client.complete("Hi")
        assert direct.untouched()
        seen = []
        monkeypatch.setattr(owner, name, wrapped(getattr(owner, name), seen))
        assert not direct.untouched()
        client.complete("Hi")
        # What is overridden by ours, or by urllib3's, and not asked there, is not asked by the long way either.
        if (owner, name) not in NOT_ASKED:
            assert seen


NOT_ASKED = {
    (requests.adapters.HTTPAdapter, "build_response"),
    (http.client.HTTPConnection, "request"),
    (http.client.HTTPConnection, "send"),
}


def test_a_wrapper_that_stood_there_first(plain_environment):
    """It is known by where it was defined, and not by being new."""
    original = requests.adapters.HTTPAdapter.send
    assert not direct._genuine(wrapped(original, []))
    assert not direct._genuine(functools.partial(original))
    assert direct._genuine(original)


class Equal:
    """A wrapper that equals what it wraps, and is called in its place, as wrapt's are."""

    def __init__(self, wrapped):
        self.__wrapped__ = wrapped
        functools.update_wrapper(self, wrapped)

    def __eq__(self, other):
        return self.__wrapped__ == other

    def __hash__(self):
        return hash(self.__wrapped__)

    __class__ = property(lambda self: type(self.__wrapped__))


@pytest.mark.parametrize(("owner", "name"), direct._REPLACED, ids=lambda value: getattr(value, "__qualname__", value))
def test_a_wrapper_that_equals_what_it_wraps(monkeypatch, owner, name):
    """So instrumentation is, which may come after the first call."""
    assert direct.untouched()
    monkeypatch.setattr(owner, name, Equal(getattr(owner, name)))
    assert not direct.untouched()


def test_what_urllib3_would_log(plain_environment, caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3")
    with Server(echo) as server:
        transport = Transport()
        post(transport, f"{server.url}/x?key=secret").whole()
        transport.close()
    assert "POST /x HTTP/1.1" in caplog.text
    assert "secret" not in caplog.text


def test_what_the_standard_library_would_print(plain_environment, monkeypatch, capsys):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with Server(echo) as server:
        transport = Transport()
        post(transport, server.url).whole()
        transport.close()
    assert "200 OK" in capsys.readouterr().out


def test_it_is_the_way_of_a_client(plain_environment, monkeypatch):
    """Else all of this would be for nothing."""
    monkeypatch.setattr(Adapter, "send", None)
    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "close", lambda _: None)
    with FakeServer() as server:
        for provider in ("anthropic", "openai", "openai-chat", "gemini"):
            with Client(provider, base_url=server.url, api_key="k", model="m") as client:
                assert client.complete("Hi").text
                with client.stream("Hi") as stream:
                    assert stream.collect().text
