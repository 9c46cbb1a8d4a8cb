"""Requests out, and what `responses` sees of them."""

import os
import socket

import attrs
import pytest
import responses
from calls import KEY, answering, authorize, post
from sockets import Server, echo, reply

from llmkit.deadlines import Deadlines
from llmkit.errors import ConfigurationError, ConnectionFailedError
from llmkit.transport import Exchange, Outgoing, Transport

pytest_plugins = ["calls"]

# What is sent.


def test_a_request(transport):
    with Server(echo) as server:
        url = f"{server.url}/v1/x?a=b c&d=ä"
        answer = post(transport, url, b"\0\xff", headers={"Content-Type": "x/y", "User-Agent": "me"}, key=authorize)
        assert answer.whole() == b"\0\xff"
        assert (answer.status, answer.reason, answer.location) == (200, "OK", None)
        assert answer.headers["content-LENGTH"] == "2"
        received = server.requests[0]
    assert (received.method, received.path) == ("POST", "/v1/x?a=b%20c&d=%C3%A4")
    assert received.headers == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "x/y",
        "content-length": "2",
        "user-agent": "me",
        "x-api-key": KEY,
        "accept-encoding": "gzip, deflate",
    }


SENT = {
    "stream": (Outgoing("POST", "", {}, b"{}", stream=True), {"accept-encoding": "identity"}),
    "the caller's encoding": (Outgoing("POST", "", {"accept-encoding": "br"}, b"{}"), {"accept-encoding": "br"}),
    "no body": (Outgoing("POST", "", {}), {"content-length": "0"}),
    "GET": (Outgoing("GET", "", {}), {"content-length": None}),
    "DELETE": (Outgoing("DELETE", "", {}), {"content-length": "0"}),
    "latin-1": (Outgoing("GET", "", {"x": "\xe9\ta"}), {"x": "\xe9\ta"}),
    "bytes from an auth": (
        Outgoing("GET", "", {}, None, lambda r: (r.headers.update({"x": b"\xe9"}), r)[1]),
        {"x": "\xe9"},
    ),
}


@pytest.mark.parametrize(("outgoing", "expected"), SENT.values(), ids=SENT.keys())
def test_headers(transport, outgoing, expected):
    with Server(echo) as server:
        sent = attrs.evolve(outgoing, url=server.url)
        transport.send(sent, Exchange(Deadlines(5))).whole()
        assert {name: server.requests[0].headers.get(name) for name in expected} == expected


def test_a_large_body(transport, verify):
    body = os.urandom(3_000_000)
    secure = Transport(verify=verify)
    with Server(echo) as plain, Server(echo, tls=True) as tls:
        assert post(transport, plain.url, body).whole() == body
        assert post(secure, tls.url, body).whole() == body
    secure.close()


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", "a\0", "\x01", "\x7f", "\u2028", "\u20ac", 5, None])
def test_a_value_that_cannot_be_sent(transport, value):
    with pytest.raises(ConfigurationError, match="header X-Api-Key cannot be sent") as caught:
        post(transport, "http://127.0.0.1:1/", headers={"X-Api-Key": value})
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "a:", "", "\xe4", "a\n"])
def test_a_name_that_cannot_be_sent(transport, name):
    with pytest.raises(ConfigurationError, match="is no name for a header"):
        post(transport, "http://127.0.0.1:1/", headers={name: "x"})


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1/x",
        "ftp://127.0.0.1/",
        "http://",
        "http://user:secret@127.0.0.1/",
        "http://user@127.0.0.1/?key=secret",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://*.com/",
        "file:///etc/passwd",
    ],
)
def test_urls_that_cannot_be_asked(transport, url):
    with pytest.raises(ConfigurationError, match="no address to ask") as caught:
        post(transport, url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_many_urls(transport):
    with Server(echo) as server:
        for number in range(600):
            post(transport, f"{server.url}/{number}").whole()
        assert len(transport._routes) < 300
        assert server.connections == 1


def test_no_cookies_and_no_netrc(transport, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(answering(reply(headers="Set-Cookie: a=b; Path=/\r\n"))) as server:
        for _ in range(2):
            post(transport, server.url, key=authorize).whole()
        for received in server.requests:
            assert not {"cookie", "authorization"} & received.headers.keys()


def test_the_sockets_options(transport):
    with Server(echo) as server:
        exchange = Exchange(Deadlines(5))
        answer = transport.send(Outgoing("POST", server.url, {}, b"x" * 100), exchange)
        (sock,) = exchange._sockets or [None]
        assert answer.status == 200
        if sock is not None:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        answer.close()


# The `responses` package, as users' tests have it.


@responses.activate
@pytest.mark.parametrize("stream", [False, True])
def test_responses(transport, stream):
    responses.add(responses.POST, "https://api.invalid/v1", json={"a": 1}, status=201, headers={"request-id": "x"})
    answer = post(transport, "https://api.invalid/v1", stream=stream, key=authorize)
    assert (answer.status, answer.headers["Request-Id"]) == (201, "x")
    assert (b"".join(answer.pieces()) if stream else answer.whole()) == b'{"a": 1}'
    answer.drain()
    assert responses.calls[0].request.headers["x-api-key"] == KEY
    with pytest.raises(ConnectionFailedError):
        post(transport, "https://api.invalid/other")
