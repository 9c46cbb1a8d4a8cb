"""Finding the host; TLS; proxies."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sockets
from calls import addresses, post, refusing_port
from sockets import PATIENCE, Server, echo, reply

from llmkit.deadlines import Timeout
from llmkit.errors import ConfigurationError, ConnectionFailedError
from llmkit.transport import Transport

pytest_plugins = ["calls"]

# Finding the host.


def test_a_refused_connection(transport):
    port = refusing_port()
    with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{port} refused the connection") as caught:
        post(transport, f"http://127.0.0.1:{port}/path?key=secret")
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert caught.value.retryable


def test_a_name_without_an_address(transport, monkeypatch):
    def fail(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    with pytest.raises(ConnectionFailedError, match=r"no\.such\.host:80 cannot be looked up \(Name or") as caught:
        post(transport, "http://no.such.host/")
    assert isinstance(caught.value.__cause__, socket.gaierror)
    assert caught.value.retryable


def test_a_name_that_is_none(transport, monkeypatch):
    def fail(*_):
        raise UnicodeError("label too long")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    with pytest.raises(ConnectionFailedError, match="cannot be looked up"):
        post(transport, "http://host.invalid/")


def test_a_look_up_that_fails_oddly(transport, monkeypatch):
    """As another library's in its place may: nobody waits for ever, and the next call looks again."""

    def fail(*_):
        raise ZeroDivisionError

    with Server(echo) as server:
        monkeypatch.setattr("socket.getaddrinfo", fail)
        with pytest.raises(ConnectionFailedError, match=r"cannot be looked up \(ZeroDivisionError\)"):
            post(transport, "http://host.invalid/", timeout=PATIENCE)
        monkeypatch.setattr("socket.getaddrinfo", addresses(("127.0.0.1", server.port)))
        assert post(transport, "http://host.invalid/", timeout=PATIENCE).whole() == b"{}"


def test_the_next_address_is_tried(transport, monkeypatch):
    with Server(echo) as server:
        bad = ("127.0.0.1", refusing_port())
        monkeypatch.setattr("socket.getaddrinfo", addresses(bad, ("127.0.0.1", server.port)))
        assert post(transport, "http://two.addresses/").whole() == b"{}"


def test_an_address_that_does_not_answer_leaves_time_for_the_next(transport, monkeypatch):
    with Server(echo) as server, sockets.unanswered() as port:
        monkeypatch.setattr("socket.getaddrinfo", addresses(("127.0.0.1", port), ("127.0.0.1", server.port)))
        assert post(transport, "http://two.addresses/", timeout=Timeout(connect=2)).whole() == b"{}"


def test_no_addresses(transport, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", addresses())
    with pytest.raises(ConnectionFailedError, match=r"no connection to no\.addresses:80"):
        post(transport, "http://no.addresses/")


def test_an_address_that_no_route_leads_to(transport):
    with pytest.raises(ConnectionFailedError, match=r"no connection to 255\.255\.255\.255:80 \("):
        post(transport, "http://255.255.255.255/")


def test_look_ups_are_shared(transport, monkeypatch):
    asked, released = [], threading.Event()

    def getaddrinfo(*args):
        asked.append(args)
        assert released.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    with Server(echo) as server, ThreadPoolExecutor(8) as threads:
        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        calls = [threads.submit(lambda: post(transport, "http://slow.host/").whole()) for _ in range(8)]
        while threading.active_count() < 9 + 2:
            pass
        threading.Event().wait(0.05)
        released.set()
        assert {call.result(PATIENCE) for call in calls} == {b"{}"}
    assert len(asked) < 8


def test_localhost(transport):
    with Server(echo) as server:
        assert post(transport, f"http://localhost:{server.port}/", timeout=PATIENCE).whole() == b"{}"


def test_ipv6(transport):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, ThreadPoolExecutor(1) as threads:
        call = threads.submit(lambda: post(transport, f"http://[::1]:{listener.getsockname()[1]}/").whole())
        sock, _ = listener.accept()
        with sock:
            sock.recv(1000)
            sock.sendall(reply())
            assert call.result(PATIENCE) == b"hello"


# TLS.


def test_a_certificate_that_is_not_trusted(transport):
    with Server(echo, tls=True) as server:
        with pytest.raises(
            ConnectionFailedError, match=r"certificate of 127.0.0.1:\d+ cannot be verified .*verify="
        ) as caught:
            post(transport, server.url)
        assert not caught.value.retryable
        assert type(caught.value.__cause__).__name__ == "SSLCertVerificationError"


def test_a_certificate_for_another_host(verify, monkeypatch):
    transport = Transport(verify=verify)
    with Server(echo, tls=True) as server:
        monkeypatch.setattr("socket.getaddrinfo", addresses(("127.0.0.1", server.port)))
        with pytest.raises(ConnectionFailedError, match=r"certificate of other\.host:443"):
            post(transport, "https://other.host/")


def test_no_verification():
    transport = Transport(verify=False)
    with Server(echo, tls=True) as server:
        assert post(transport, server.url).whole() == b"{}"
    transport.close()


def test_tls_where_there_is_none(verify):
    transport = Transport(verify=verify)
    with (
        Server(lambda wire: wire.send(b"HTTP/1.1 400 Bad\r\n\r\n")) as server,
        pytest.raises(ConnectionFailedError, match=r"no TLS connection .* speaks https"),
    ):
        post(transport, f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("kind", ["missing", "no bundle", "folder"])
def test_bundles(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "missing":
        with pytest.raises(ConfigurationError, match="does not exist"):
            Transport(verify=str(path))
    elif kind == "no bundle":
        path.write_text("nothing")
        with pytest.raises(ConfigurationError, match="no CA bundle"):
            post(Transport(verify=str(path)), "https://127.0.0.1:1/")
    else:
        path.mkdir()
        with Server(echo, tls=True) as server, pytest.raises(ConnectionFailedError, match="cannot be verified"):
            post(Transport(verify=str(path)), server.url)


def test_the_environments_bundle(verify, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", verify)
    transport = Transport()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with Server(echo, tls=True) as server:
        assert post(transport, server.url).whole() == b"{}"
    transport.close()
