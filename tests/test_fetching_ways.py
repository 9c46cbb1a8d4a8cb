"""Downloading media: how names are looked up, what a proxy may do, and that the content has the last word."""

import pickle
import socket
import threading
import time

import pytest
import sockets
from faults.exposure import seen_of
from sockets import PATIENCE, Server, reply
from test_fetching import PNG, answering, anywhere, redirect, trusting

from llmkit.errors import MediaError
from llmkit.media import Document, Image, connecting
from llmkit.media.fetching import fetch

SECRET = "p%40ss-0123456789"
NAME = "pictures.example.test"


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch):
    """A function after which each look-up of a name gets the next of the given lists of addresses."""
    look_up = socket.getaddrinfo

    def told(*lists):
        rest = list(lists)

        def found(host, port, *more, **options):
            if host != NAME:
                return look_up(host, port, *more, **options)
            addresses = rest.pop(0) if len(rest) > 1 else rest[0]
            asked.append(addresses)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", found)
        return asked

    asked = []
    return told


def only(address):
    return lambda found: found == address


def test_changing_answers(answers):
    """What was checked is what is connected to: a name that turns private between the two never gets through."""
    with Server(lambda wire: wire.hang(), host="127.0.0.2") as private:
        # The same port, so that only the address tells them apart.
        with socket.create_server(("127.0.0.3", private.port)):
            pass
        asked = answers(["127.0.0.3"], ["127.0.0.2"])
        for number in range(10):
            with pytest.raises(MediaError, match="refused" if number == 0 else "its address is not public"):
                fetch(f"http://{NAME}:{private.port}/a.png", allow=only("127.0.0.3"))
        assert len(asked) == 10, "one look-up a connection"
        assert private.connections == 0


def test_answers_that_alternate(answers):
    with Server(answering(reply(PNG))) as server:
        answers(*[["127.0.0.1"], ["10.0.0.1"]] * 5, ["10.0.0.1"])
        outcomes = []
        for _ in range(10):
            try:
                outcomes.append(fetch(f"http://{NAME}:{server.port}/a.png", allow=only("127.0.0.1")).data)
            except MediaError as error:
                outcomes.append("not public" in str(error))
        assert outcomes == [PNG, True] * 5
        assert server.connections == 5


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
def test_one_private_address_is_one_too_many(answers, addresses):
    with Server(answering(reply(PNG))) as server:
        answers(addresses)
        with pytest.raises(MediaError, match="its address is not public"):
            fetch(f"http://{NAME}:{server.port}/a.png", allow=only("127.0.0.1"))
        assert server.connections == 0


def test_a_redirect_to_a_name_that_turned_private(answers):
    with Server(lambda wire: wire.hang(), host="127.0.0.2") as private:
        asked = answers(["127.0.0.1"], ["127.0.0.2"])
        with Server(answering(redirect(f"http://{NAME}:{private.port}/"))) as server:
            with pytest.raises(MediaError, match="its address is not public"):
                fetch(f"http://{NAME}:{server.port}/a.png", allow=only("127.0.0.1"))
            assert server.requests[0].headers["host"] == f"{NAME}:{server.port}"
        assert asked == [["127.0.0.1"], ["127.0.0.2"]]
        assert private.connections == 0


def test_the_next_address_is_tried(answers):
    with Server(answering(reply(PNG))) as server:
        answers(["127.0.0.9", "127.0.0.1"])
        assert fetch(f"http://{NAME}:{server.port}/a.png", allow=anywhere).data == PNG


def test_a_look_up_has_a_deadline(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(PATIENCE) and [])
    start = time.monotonic()
    try:
        with pytest.raises(MediaError, match="timed out"):
            fetch(f"http://{NAME}/a.png", seconds=0.2)
        assert time.monotonic() - start < PATIENCE / 2
    finally:
        over.set()


def test_the_deadline_is_for_all_redirects():
    def script(wire):
        wire.receive()
        wire.server.stopped.wait(0.2)
        wire.send(redirect("/again"))

    with Server(script) as server:
        start = time.monotonic()
        with pytest.raises(MediaError, match=r"timed out|took longer than 0\.5 s"):
            fetch(server.url, allow=anywhere, seconds=0.5)
        assert time.monotonic() - start < PATIENCE / 2


# ---- proxies ---------------------------------------------------------------------------------------------------------


def through(server, user=""):
    return connecting.proxy_of(f"http://{user}127.0.0.1:{server.port}")


def test_http_through_a_proxy():
    """It is asked for the whole address; the name is its own to look up."""
    with Server(answering(reply(PNG, headers="Content-Type: image/png\r\n"))) as proxy:
        url = f"http://{NAME}:8080/a b.png?q=1"
        part = Image.from_url(url, download=True, proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        assert part == Image(PNG, name="a b.png")
        (request,) = proxy.requests
        assert (request.method, request.path) == ("GET", f"http://{NAME}:8080/a%20b.png?q=1")
        assert request.headers["host"] == f"{NAME}:8080"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNzLTAxMjM0NTY3ODk="


def test_https_through_a_proxy():
    with Server(answering(reply(PNG)), tls=True) as server, Server(sockets.tunnel(server.port)) as proxy:
        url = f"https://localhost.example:{server.port}/a.png"
        with pytest.raises(MediaError, match="(?i)certificate|hostname"):
            fetch(url, proxy=through(proxy), tls=trusting)
        fetched = fetch(
            f"https://127.0.0.1:{server.port}/a.png", proxy=through(proxy, "u:p@"), tls=trusting, allow=anywhere
        )
        assert fetched.data == PNG
        connect = proxy.requests[1]
        assert (connect.method, connect.path) == ("CONNECT", f"127.0.0.1:{server.port}")
        assert connect.headers["proxy-authorization"] == "Basic dTpw"
        assert "proxy-authorization" not in server.requests[-1].headers


def test_redirects_through_a_proxy():
    script = answering(redirect(f"http://{NAME}/b.png"), redirect("http://169.254.169.254/latest"), reply(PNG))
    with Server(script) as proxy:
        with pytest.raises(MediaError, match="its address is not public"):
            fetch(f"http://{NAME}/a.png", proxy=through(proxy))
        assert [request.path for request in proxy.requests] == [f"http://{NAME}/a.png", f"http://{NAME}/b.png"]


PRIVATE = [
    "127.0.0.1", "127.1", "0x7f000001", "2130706433", "0", "017700000001", "10.0.0.1", "169.254.169.254", "[::1]",
    "[::ffff:10.0.0.1]", "[fe80::1%25eth0]", "localhost", "LOCALHOST", "localhost.", "api.localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_proxy_is_not_asked_for(scheme, host):
    """Addresses that stand in the URL are seen, whoever would connect to them."""
    with Server(lambda wire: wire.hang()) as proxy:
        with pytest.raises(MediaError, match="its address is not public"):
            fetch(f"{scheme}://{host}/a.png", proxy=through(proxy))
        assert proxy.connections == 0


def test_the_environment_allows_no_proxy(monkeypatch):
    with Server(answering(reply(PNG))) as server, Server(lambda wire: wire.hang()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert Image.from_url(f"{server.url}/a.png", download=True, allow=anywhere).data == PNG
        assert proxy.connections == 0


NO_PROXIES = [
    "", f"user:{SECRET}@host", f"https://user:{SECRET}@host", f"socks5://user:{SECRET}@host:1080", "http://",
    f"http://user:{SECRET}@host:99999", f"http://user:{SECRET}@host:0", f"http://user:{SECRET}@[host", 5,
    f"http://user:{SECRET}@host\n", f"http://user:{SECRET}@host".encode(),
]  # fmt: skip


@pytest.mark.parametrize("proxy", NO_PROXIES)
def test_what_is_no_proxy(proxy):
    with pytest.raises(MediaError, match="^proxy: expected http://host:port") as caught:
        Image.from_url(f"http://{NAME}/a.png", download=True, proxy=proxy)
    assert not [place for place, text in seen_of(caught.value) if SECRET in text]


PROXY_FAULTS = {
    "407": (f"HTTP/1.1 407 {SECRET}\r\nContent-Length: 0\r\n\r\n".encode(), "HTTP 407", "the proxy answered with 407"),
    "502": (f"HTTP/1.1 502 {SECRET}\r\nContent-Length: 0\r\n\r\n".encode(), "HTTP 502", "the proxy answered with 502"),
    "closed": (b"", "RemoteDisconnected|reset", "RemoteDisconnected|reset"),
    "no HTTP": (f"{SECRET}\r\n\r\n".encode(), "BadStatusLine", "BadStatusLine"),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("answer", "plain", "tunnel"), PROXY_FAULTS.values(), ids=PROXY_FAULTS.keys())
def test_a_proxy_that_fails(scheme, answer, plain, tunnel):
    with Server(answering(answer)) as server:
        proxy = f"http://user:{SECRET}@127.0.0.1:{server.port}"
        with pytest.raises(MediaError, match=plain if scheme == "http" else tunnel) as caught:
            Image.from_url(f"{scheme}://{NAME}/a.png", download=True, proxy=proxy)
    assert not [place for place, text in seen_of(caught.value) if SECRET in text or "dXNlcjpw" in text]
    assert SECRET.encode() not in pickle.dumps(caught.value)


def test_a_proxy_that_hangs():
    with Server(lambda wire: wire.hang()) as proxy:
        for scheme in ("http", "https"):
            with pytest.raises(MediaError, match="timed out"):
                fetch(f"{scheme}://{NAME}/a.png", proxy=through(proxy), seconds=0.2)


# ---- content ---------------------------------------------------------------------------------------------------------

HTML = b"<!DOCTYPE html><html><body>Sign in to see this picture</body></html>"
CONTENTS = {
    "what it says": (Image, PNG, "image/png", "image/png"),
    "said to be another picture": (Image, PNG, "image/gif", "image/png"),
    "said to be text": (Image, PNG, "text/plain", "image/png"),
    "said to be bytes": (Image, PNG, "application/octet-stream", "image/png"),
    "said to be nothing": (Image, PNG, "", "image/png"),
    "a page for a picture": (Image, HTML, "image/png", None),
    "a page for a document, which it is": (Document, HTML, "application/pdf", "text/html"),
    "a picture for a document": (Document, PNG, "application/pdf", None),
    "nothing for a picture": (Image, b"", "image/png", None),
}


@pytest.mark.parametrize(("cls", "body", "said", "found"), CONTENTS.values(), ids=CONTENTS.keys())
def test_the_content_has_the_last_word(cls, body, said, found):
    with Server(answering(reply(body, headers=f"Content-Type: {said}\r\n" if said else ""))) as server:
        url = f"{server.url}/file"
        if found is None:
            with pytest.raises(MediaError):
                cls.from_url(url, download=True, allow=anywhere)
        else:
            assert cls.from_url(url, download=True, allow=anywhere).media_type == found
