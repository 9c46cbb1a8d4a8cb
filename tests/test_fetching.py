"""Downloading media: only public addresses, bounded in size, time and hops, and nothing told that is secret."""

import pickle
import socket
import ssl
import time

import pytest
from sockets import CHUNKED, UNTIL_CLOSED, Server, authority, chunk, reply, unanswered

from llmkit.errors import MediaError
from llmkit.media import Document, Image
from llmkit.media.fetching import LIMIT, fetch, is_public

PNG = b"\x89PNG\r\n\x1a\npicture"

NOT_PUBLIC = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "2002:7f00:1::",
    "2002:c0a8:101::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "192.1.0.1", "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "localhost"],
)
def test_no_spelling_of_a_private_address_is_connected_to(host):
    with Server(lambda wire: wire.hang()) as server:
        with pytest.raises(MediaError, match="not downloaded: (its address is not public|unknown host)"):
            fetch(f"http://{host}:{server.port}/a.png")
        assert server.connections == 0


def anywhere(_):
    return True


def answering(*answers):
    """A script that answers the first request of each connection with the next of `answers`."""
    rest = list(answers)

    def script(wire):
        wire.receive()
        wire.send(rest.pop(0) if len(rest) > 1 else rest[0])

    return script


WHOLE = {
    "with its length": reply(PNG, headers="Content-Type: image/png\r\n"),
    "in pieces": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: image/png\r\n\r\n")
    + chunk(PNG[:9])
    + chunk(PNG[9:])
    + chunk(b""),
    "until it closes": UNTIL_CLOSED.replace(b"\r\n\r\n", b"\r\nContent-Type: image/png\r\n\r\n") + PNG,
    "after an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(PNG, headers="Content-Type: image/png\r\n"),
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_what_comes(answer):
    with Server(answering(answer)) as server:
        read = fetch(f"{server.url}/folder/a%20b.png?q=1#top", allow=anywhere)
        assert (read.data, read.hint, read.name) == (PNG, "image/png", "a b.png")
        (request,) = server.requests
        assert (request.method, request.path) == ("GET", "/folder/a%20b.png?q=1")
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "llmkit",
            "connection": "close",
        }


def test_a_part_of_what_comes():
    with Server(answering(reply(PNG, headers="Content-Type: text/plain\r\n"))) as server:
        url = f"{server.url}/a.png"
        assert Image.from_url(url).url == url
        assert server.connections == 0
        part = Image.from_url(url, download=True, allow=anywhere, detail="low")
        assert part == Image(PNG, name="a.png", detail="low")
        with pytest.raises(MediaError, match="which is an image"):
            Document.from_url(url, download=True, allow=anywhere)
        with pytest.raises(MediaError, match="its address is not public"):
            Image.from_url(url, download=True)
        with pytest.raises(MediaError, match="expected an http"):
            Image.from_url("data:,x", download=True)


def test_the_path_is_escaped():
    with Server(answering(reply(PNG))) as server:
        fetch(f"{server.url}/ä b?ö=%20&x=y z", allow=anywhere)
        fetch(server.url, allow=anywhere)
        assert [request.path for request in server.requests] == ["/%C3%A4%20b?%C3%B6=%20&x=y%20z", "/"]


def redirect(target, status="302 Found"):
    return f"HTTP/1.1 {status}\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(status):
    with Server(answering(redirect("../b.png?x=ä", status), reply(PNG))) as server:
        read = fetch(f"{server.url}/folder/a", allow=anywhere)
        assert (read.data, read.name) == (PNG, "b.png")
        assert [request.path for request in server.requests] == ["/folder/a", "/b.png?x=%C3%A4"]


def test_redirects_have_an_end():
    with Server(answering(redirect("/again"))) as server:
        with pytest.raises(MediaError, match="more than 5 redirects"):
            fetch(server.url, allow=anywhere)
        assert server.connections == 6


def test_a_redirect_to_a_private_address_is_not_followed():
    with Server(lambda wire: wire.hang(), host="127.0.0.2") as private:
        target = f"http://127.0.0.2:{private.port}/secret"
        with Server(answering(redirect(target))) as server, pytest.raises(MediaError, match="address is not public"):
            fetch(server.url, allow=lambda address: address == "127.0.0.1")
        assert private.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "gopher://127.0.0.1/", "javascript:1", "http://u:p@127.0.0.1/"]
)
def test_redirects_to_what_is_not_fetched(target):
    with Server(answering(redirect(target))) as server, pytest.raises(MediaError, match="are fetched|do not belong"):
        fetch(server.url, allow=anywhere)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.test/a",
        "http://",
        "http://[x",
        "http://x.test:port/",
        "http://x.test:99999/",
        "http://" + "x" * 80 + ".test/",
    ],
)
def test_urls_that_are_none(url):
    with pytest.raises(MediaError, match="not downloaded"):
        fetch(url, allow=anywhere)


FAULTS = {
    "status": (reply(b"", status="404 Not Found"), "HTTP 404"),
    "a part": (reply(PNG, status="206 Partial Content"), "HTTP 206"),
    "redirect to nowhere": (reply(b"", status="302 Found"), "HTTP 302"),
    "compressed": (reply(PNG, headers="Content-Encoding: gzip\r\n"), "came compressed"),
    "declared too large": (
        f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode(),
        "larger than 33,554,432 bytes",
    ),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + PNG, "cut off after 15 of 99 bytes"),
    "cut off in a piece": (CHUNKED + b"ff\r\nabc", "IncompleteRead"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "BadStatusLine"),
    "nothing": (b"", "RemoteDisconnected|reset"),
    "bad piece": (CHUNKED + b"zz\r\n", "IncompleteRead|ValueError"),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200, "HTTPException"),
}


@pytest.mark.parametrize(("answer", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_answers_that_are_no_file(answer, message):
    with Server(answering(answer)) as server, pytest.raises(MediaError, match=message):
        fetch(server.url, allow=anywhere)


def test_more_than_the_limit():
    endless = CHUNKED + chunk(b"x" * 60_000) * 10
    for answer in (endless, UNTIL_CLOSED + b"x" * 600_000):
        with Server(answering(answer)) as server, pytest.raises(MediaError, match="larger than 100,000 bytes"):
            fetch(server.url, allow=anywhere, limit=100_000)


def test_endless_interim_answers():
    def script(wire):
        wire.receive()
        while True:
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    with Server(script) as server, pytest.raises(MediaError, match="too much came beside the content"):
        fetch(server.url, allow=anywhere, limit=1000)


def drip(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not wire.server.stopped.wait(0.02):
        wire.send(b"x")


@pytest.mark.parametrize("script", [drip, lambda wire: wire.hang()], ids=["drips", "hangs"])
def test_the_whole_has_a_deadline(script):
    with Server(script) as server:
        start = time.monotonic()
        with pytest.raises(MediaError, match=r"timed out|took longer than 0\.3 s"):
            fetch(server.url, allow=anywhere, seconds=0.3)
        assert time.monotonic() - start < 2


def test_a_deadline_in_the_handshake():
    with Server(lambda wire: wire.hang()) as server, pytest.raises(MediaError, match="timed out"):
        fetch(server.url.replace("http:", "https:"), allow=anywhere, seconds=0.3)


def test_a_deadline_while_connecting():
    with unanswered() as port, pytest.raises(MediaError, match="timed out"):
        fetch(f"http://127.0.0.1:{port}/", allow=anywhere, seconds=0.3)


def test_no_time_is_left():
    ticks = iter([0.0, 5.0])
    with Server(answering(reply(PNG))) as server, pytest.raises(MediaError, match="took longer than 1 s"):
        fetch(server.url, allow=anywhere, seconds=1, clock=lambda: next(ticks))


def test_an_unknown_host():
    with pytest.raises(MediaError, match="unknown host"):
        fetch("http://[fe80::1%nowhere]/", allow=anywhere)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MediaError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/", allow=anywhere)


def trusting():
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def test_https():
    with Server(answering(reply(PNG)), tls=True) as server:
        assert fetch(server.url, allow=anywhere, tls=trusting).data == PNG
        assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"
        with pytest.raises(MediaError, match="(?i)certificate"):
            fetch(server.url, allow=anywhere)


def test_proxies_are_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Server(answering(reply(PNG))) as server:
        assert fetch(server.url, allow=anywhere).data == PNG


def test_errors_tell_no_secret():
    def script(wire):
        wire.receive()
        wire.reset()

    with Server(script) as server:
        for url in (f"{server.url}/a.png?signature=S3CRET#S3CRET", f"http://u:S3CRET@127.0.0.1:{server.port}/a.png"):
            with pytest.raises(MediaError, match=r"http://127.0.0.1:\d+/a.png': not downloaded") as caught:
                fetch(url, allow=anywhere)
            assert "S3CRET" not in str(caught.value)
            assert b"S3CRET" not in pickle.dumps(caught.value)
            assert caught.value.__cause__ is caught.value.__context__ is None


def test_cookies_are_not_kept():
    with Server(answering(reply(PNG, headers="Set-Cookie: a=b\r\n"))) as server:
        fetch(server.url, allow=anywhere)
        fetch(server.url, allow=anywhere)
        assert all("cookie" not in request.headers for request in server.requests)
