"""Proxies, the explicit one and those of the environment."""

import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sockets
from calls import authorize, once, post, refusing_port
from sockets import PATIENCE, Server, echo, reply

from llmkit.errors import ConfigurationError, ConnectionFailedError
from llmkit.transport import Transport

pytest_plugins = ["calls"]


def forward(wire):
    """A script: a proxy for plain HTTP that answers by itself."""
    for received in wire.requests():
        wire.send(reply(received.path.encode()))


def test_a_proxy_for_http():
    with Server(forward) as proxy:
        transport = Transport(proxy=f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        assert post(transport, "http://api.invalid/v1", key=authorize).whole() == b"http://api.invalid/v1"
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        transport.close()


@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_a_tunnel(verify, secure):
    with Server(echo, tls=True) as server, Server(sockets.tunnel(server.port), tls=secure) as proxy:
        transport = Transport(proxy=proxy.url.replace("//", "//user:pass@"), verify=verify)
        for _ in range(2):
            answer = post(transport, f"https://127.0.0.1:{server.port}/v1", key=authorize, stream=True)
            assert answer.whole() == b"{}"
        assert proxy.connections == 1
        connect = proxy.requests[0]
        assert (connect.method, connect.path) == ("CONNECT", f"127.0.0.1:{server.port}")
        assert "x-api-key" not in connect.headers
        assert "proxy-authorization" not in server.requests[0].headers
        transport.close()


def test_the_environments_proxies(monkeypatch):
    with Server(forward) as proxy, Server(echo) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.0/8")
        transport = Transport()
        assert post(transport, server.url).whole() == b"{}"
        assert post(transport, "http://api.invalid/").whole() == b"http://api.invalid/"
        monkeypatch.delenv("HTTP_PROXY")
        assert post(transport, "http://api.invalid/x").whole() == b"http://api.invalid/x"
        explicit = Transport(proxy=f"127.0.0.1:{proxy.port}")
        assert post(explicit, server.url).whole() == f"{server.url}/".encode()
        transport.close()
        explicit.close()


def test_threads_share_a_proxy():
    with Server(forward) as proxy, ThreadPoolExecutor(8) as threads:
        transport = Transport(proxy=proxy.url)
        list(threads.map(lambda _: post(transport, "http://api.invalid/").whole(), range(100)))
        assert proxy.connections <= 8
        transport.close()


PROXY_FAULTS = {
    "407": (once(b"HTTP/1.1 407 Who are you\r\n\r\n"), "status 407: check the user name", False),
    "403": (once(b"HTTP/1.1 403 secret\r\n\r\n"), "status 403: it may not", False),
    "502": (once(b"HTTP/1.1 502 secret\r\n\r\n"), "status 502", True),
    "closes": (once(b""), "no connection through the proxy", True),
    "no HTTP": (once(b"secret\r\n\r\n"), "no connection through the proxy", True),
}


@pytest.mark.parametrize(("script", "match", "retryable"), PROXY_FAULTS.values(), ids=PROXY_FAULTS.keys())
def test_a_proxy_that_fails(script, match, retryable):
    with Server(script) as proxy:
        transport = Transport(proxy=proxy.url.replace("//", "//user:secret@"))
        with pytest.raises(ConnectionFailedError, match=match) as caught:
            post(transport, "https://api.invalid/", timeout=PATIENCE)
        assert caught.value.retryable is retryable
        assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
        assert f"127.0.0.1:{proxy.port}" in str(caught.value)


def test_a_proxy_that_is_not_there():
    transport = Transport(proxy=f"http://user:secret@127.0.0.1:{refusing_port()}")
    for url in ("http://api.invalid/", "https://api.invalid/"):
        with pytest.raises(
            ConnectionFailedError, match=r"no connection through the proxy 127.0.0.1:\d+ \(Connection ref"
        ):
            post(transport, url)


def test_a_proxy_that_is_not_trusted():
    with Server(echo, tls=True) as proxy:
        transport = Transport(proxy=proxy.url)
        with pytest.raises(ConnectionFailedError, match=r"certificate of the proxy 127.0.0.1"):
            post(transport, "https://api.invalid/")


@pytest.mark.parametrize(
    "proxy", ["", "ftp://x", "http://", "http://user:secret@:80", "http://h:99999", "http://[::1", "http://h\n"]
)
def test_no_proxy(proxy):
    with pytest.raises(ConfigurationError, match="proxy is no proxy's address") as caught:
        Transport(proxy=proxy)
    assert "secret" not in str(caught.value)


def test_no_proxy_in_the_environment(transport, monkeypatch):
    monkeypatch.setenv("http_proxy", "foo://user:secret@host")
    with pytest.raises(ConfigurationError, match="the environment's http proxy is no proxy's address"):
        post(transport, "http://api.invalid/")


def test_socks_needs_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'requests\[socks\]'"):
        Transport(proxy="socks5h://127.0.0.1:1080")


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_socks(verify, tls):
    pytest.importorskip("socks")

    def proxy(wire):
        assert wire.sock.recv(3)[:1] == b"\5"
        wire.send(b"\5\0")
        wire.sock.recv(1000)
        with socket.create_connection(("127.0.0.1", server.port)) as inner:
            wire.send(b"\5\0\0\1\0\0\0\0\0\0")
            back = threading.Thread(target=sockets._pump, args=(inner, wire.sock), daemon=True)
            back.start()
            sockets._pump(wire.sock, inner)
            back.join(PATIENCE)

    with Server(echo, tls=tls) as server, Server(proxy) as socks:
        transport = Transport(proxy=f"socks5h://127.0.0.1:{socks.port}", verify=verify)
        for _ in range(2):
            assert post(transport, f"{server.url.replace('127.0.0.1', 'localhost')}/").whole() == b"{}"
        assert socks.connections == 1
        transport.close()


def test_a_socks_proxy_that_is_not_there():
    pytest.importorskip("socks")
    transport = Transport(proxy=f"socks5h://127.0.0.1:{refusing_port()}")
    with pytest.raises(ConnectionFailedError, match="no connection through the proxy"):
        post(transport, "http://api.invalid/")
