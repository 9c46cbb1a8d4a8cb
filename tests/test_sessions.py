"""The caller's own session."""

import pickle
import threading

import pytest
import requests
import requests_cache
import responses
import urllib3
from faults.calls import answer, assert_good, each_mode, says, use
from faults.formats import CHAT, FORMATS, MODEL
from foreign import KEY, Foreign, once, post
from sockets import CHUNKED, PATIENCE, Server, chunk, echo, reply

from llmkit import Client
from llmkit.deadlines import Deadlines
from llmkit.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidResponseError,
    MissingAuthError,
)
from llmkit.transport import Exchange, Outgoing, Transport


@pytest.fixture(params=["none", "total"])
def timeout(request):
    """Without a total, the request is made in the caller's thread."""
    return None if request.param == "none" else PATIENCE


@pytest.fixture
def session():
    with requests.Session() as session:
        yield session


def test_a_session(session, timeout):
    session.headers["X-Mine"] = "yes"
    with Server(echo) as server:
        for _ in range(2):
            answer = post(session, f"{server.url}/v1", b"\xff", headers={"Content-Type": "x/y"}, timeout=timeout)
            assert (answer.status, answer.reason, answer.whole()) == (200, "OK", b"\xff")
        assert server.connections == 1
        received = server.requests[0].headers
    assert received["authorization"] == f"Bearer {KEY}"
    assert received["x-mine"] == "yes"
    assert received["content-type"] == "x/y"
    assert received["content-length"] == "1"


def test_a_stream(session, timeout):
    got = threading.Semaphore(0)

    def script(wire):
        for _ in wire.requests():
            wire.send(CHUNKED)
            for number in range(3):
                wire.send(chunk(b"%d" % number))
                assert got.acquire(timeout=PATIENCE)
            wire.send(chunk(b""))

    with Server(script) as server:
        for _ in range(2):
            pieces = post(session, server.url, stream=True, timeout=timeout).pieces()
            for number in range(3):
                assert next(pieces) == b"%d" % number
                got.release()
            assert list(pieces) == []
        assert server.connections == 1
        assert server.requests[0].headers["accept-encoding"] == "identity"


def test_netrc_does_not_replace_the_key(session, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(echo) as server:
        post(session, server.url).whole()
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        post(session, server.url, key=None, headers={"Authorization": "mine"}).whole()
        assert server.requests[1].headers["authorization"] == "mine"
        session.auth = ("a", "b")
        post(session, server.url, key=None).whole()
        assert server.requests[2].headers["authorization"].startswith("Basic ")


BASIC = "Basic bWU6bXk="
OWN_AUTH = {  # the row, its key, and what the host sees of the two
    "no key": ("ollama", None, {"authorization": BASIC}),
    "a key in another header": ("anthropic", KEY, {"authorization": BASIC, "x-api-key": KEY}),
    "a key in Google's header": ("gemini", KEY, {"authorization": BASIC, "x-goog-api-key": KEY}),
    "a key in the same header": ("openai-chat", KEY, {"authorization": f"Bearer {KEY}"}),
}


@pytest.mark.parametrize(("provider", "key", "sent"), OWN_AUTH.values(), ids=OWN_AUTH.keys())
@pytest.mark.parametrize("auth", [("me", "my"), requests.auth.HTTPBasicAuth("me", "my")], ids=["pair", "object"])
@each_mode
def test_a_session_with_an_auth_of_its_own(session, provider, key, sent, auth, mode):
    """For a gateway, say: it is kept, where the key does not take its place."""
    session.auth = auth
    form = FORMATS.get(provider, CHAT)
    with (
        Server(says(answer(form, mode))) as server,
        Client(provider, api_key=key, base_url=server.url, model=MODEL, session=session) as client,
    ):
        assert_good(use(client, server, mode))
        assert {name: server.requests[0].headers.get(name) for name in sent} == sent


class Credentialed(requests.Session):
    """As google-auth's AuthorizedSession."""

    credentials = object()

    def request(self, method, url, **kwargs):
        kwargs["headers"] = {**kwargs["headers"], "authorization": "Bearer token"}
        return super().request(method, url, **kwargs)


def headed():
    found = requests.Session()
    found.headers["Authorization"] = "Bearer token"
    return found


@pytest.mark.parametrize("make", [Credentialed, headed], ids=["credentials", "a header"])
@pytest.mark.parametrize(("provider", "variables"), [("vertex", {"project": "p"}), ("openai", {})])
def test_a_session_that_proves_who_asks(server, provider, variables, make, monkeypatch):
    """It needs no key, and where the environment has one, that is not sent."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with make() as session:
        client = Client(provider, base_url=server.url, model="m", session=session, variables=variables)
        assert client.complete("Hi").text == "Hi"
    assert server.requests[0].headers["authorization"] == "Bearer token"


@each_mode
def test_a_hook_that_has_read_the_answer(session, server, mode):
    """What it has read is the answer, and not what is left of it."""
    seen = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.content))
    client = server.client("anthropic", model="m", session=session)
    found = client.complete("Hi there") if mode == "whole" else client.stream("Hi there").collect()
    assert found.text == "Hi there"
    assert len(seen) == 1


class Plain:
    """A session with few manners, whose headers are a dict."""

    def __init__(self, inner, headers):
        self._inner = inner
        self.headers = headers

    def request(self, method, url, *, headers, **kwargs):
        own = {name: value for name, value in (self.headers or {}).items() if value is not None}
        return self._inner.request(method, url, headers={**own, **headers}, **kwargs)


PLAIN = {
    "a header": ({"Authorization": "Bearer token"}, "Bearer token"),
    "one that is taken away": ({"Authorization": None}, f"Bearer {KEY}"),
    "another": ({"X-Own": "a"}, f"Bearer {KEY}"),
    "none": (None, f"Bearer {KEY}"),
}


@pytest.mark.parametrize(("headers", "sent"), PLAIN.values(), ids=PLAIN.keys())
def test_headers_of_a_plain_session(session, server, headers, sent, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    client = Client("openai", base_url=server.url, model="m", session=Plain(session, headers))
    assert client.complete("Hi").text == "Hi"
    assert server.requests[0].headers["authorization"] == sent


def test_a_header_that_a_session_takes_away(session, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    session.headers["Authorization"] = None
    assert Client("openai", base_url=server.url, model="m", session=session).complete("Hi").text == "Hi"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_cache_keeps_no_key(server, provider, tmp_path):
    """requests-cache leaves out what it knows to be secret, if it is spelt as it knows it."""
    with requests_cache.CachedSession(tmp_path / "answers", allowable_methods=["POST"]) as session:
        client = server.client(provider, api_key=KEY, model="m", session=session)
        assert [client.complete("Hi").text for _ in range(2)] == ["Hi", "Hi"]
        assert len(server.requests) == 1
    kept = (tmp_path / "answers.sqlite").read_bytes()
    assert b"llmkit" in kept
    assert KEY.encode() not in kept


def test_a_session_that_overrides_request(timeout):
    """As google-auth's AuthorizedSession does."""

    class Authorized(requests.Session):
        def request(self, method, url, **kwargs):
            kwargs["headers"] = {**kwargs["headers"], "X-Token": "token"}
            return super().request(method, url, **kwargs)

    with Authorized() as session, Server(echo) as server:
        assert post(session, server.url, key=None, timeout=timeout).whole() == b"{}"
        assert server.requests[0].headers["x-token"] == "token"


def test_a_foreign_session(session, timeout):
    foreign = Foreign(session)
    with Server(echo) as server:
        answer = post(foreign, server.url, b"x" * 1000, timeout=timeout)
        assert (answer.status, answer.reason, answer.whole()) == (200, "", b"x" * 1000)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        answer.drain()
        post(foreign, server.url).close()
        assert foreign.closed == 1
    assert foreign.timeouts[0] == (None if timeout is None else pytest.approx((10, PATIENCE), abs=1))


def test_a_foreign_get(session):
    with Server(echo) as server:
        transport = Transport(session=Foreign(session))
        assert transport.send(Outgoing("GET", server.url, {}), Exchange(Deadlines(None))).whole() == b""


def test_a_response_that_reads_in_its_own_way(session):
    """As requests-cache's, whose `raw` is a subclass."""

    class Raw(urllib3.HTTPResponse):
        pass

    class Session(requests.Session):
        def request(self, *_args, **_kwargs):
            response = requests.Response()
            response.status_code = 200
            response.raw = Raw(b"", preload_content=False)
            response._content = b"kept"
            response._content_consumed = True
            return response

    assert post(Session(), "http://api.invalid/").whole() == b"kept"


@responses.activate
def test_responses(session):
    responses.add(responses.POST, "https://api.invalid/v1", json={"a": 1})
    assert post(session, "https://api.invalid/v1").whole() == b'{"a": 1}'


@pytest.mark.parametrize("stalls", [False, True], ids=["large", "stalled"])
def test_redirects_are_not_followed(session, stalls, timeout):
    def script(wire):
        wire.receive()
        wire.send(b"HTTP/1.1 302 Elsewhere\r\nLocation: https://u:p@x.example/a?b\r\nContent-Length: 300000000\r\n\r\n")
        while not stalls and not wire.server.stopped.is_set():
            wire.send(bytes(1_000_000))
        wire.hang()

    seen = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.headers["location"]))
    with Server(script) as server:
        answer = post(session, server.url, timeout=timeout)
        assert (answer.status, answer.location) == (302, "https://x.example/a")
        assert answer.headers["location"] == "https://u:p@x.example/a?b"
        assert len(answer.beginning(seconds=0.1 if stalls else PATIENCE)) == (0 if stalls else 65536)
    assert seen == ["https://u:p@x.example/a?b"]


# Faults.

FAULTS = {
    "closed": (b"", ConnectionFailedError, "without an answer"),
    "no HTTP": (b"hello\r\n\r\n", ConnectionFailedError, "try again"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", InvalidResponseError, "limit"),
    "cut": (CHUNKED + chunk(b"hello"), ConnectionFailedError, "broke off"),
    "bad gzip": (reply(b"hello", headers="Content-Encoding: gzip\r\n"), InvalidResponseError, "Content-Encoding"),
}


@pytest.mark.parametrize(("raw", "cls", "match"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(session, raw, cls, match, timeout):
    with Server(once(raw)) as server, pytest.raises(cls, match=match) as caught:
        post(session, server.url, timeout=timeout).whole()
    assert KEY not in repr(caught.value.__cause__)
    assert KEY.encode() not in pickle.dumps(caught.value)
    assert caught.value.__context__ is None
    trace = caught.value.__traceback__
    while trace is not None:
        assert "requests" not in trace.tb_frame.f_code.co_filename
        trace = trace.tb_next


@pytest.mark.parametrize("foreign", [False, True])
def test_no_server(session, foreign, timeout):
    with Server(echo) as server:
        url = server.url
    with pytest.raises(ConnectionFailedError, match="refused the connection"):
        post(Foreign(session) if foreign else session, url, timeout=timeout)


def test_a_certificate_that_is_not_trusted(session):
    with Server(echo, tls=True) as server, pytest.raises(ConnectionFailedError, match="cannot be verified") as caught:
        post(session, server.url)
    assert not caught.value.retryable


def test_any_exception_becomes_ours(timeout):
    class StrangeError(Exception):
        pass

    with pytest.raises(ConnectionFailedError, match="StrangeError") as caught:
        post(Foreign(None, fails=StrangeError(KEY)), "http://api.invalid/", timeout=timeout)
    assert KEY not in f"{caught.value} {caught.value.__cause__!r}"


def test_any_exception_while_reading(session):
    class StrangeError(Exception):
        pass

    class Session(Foreign):
        def request(self, *args, **kwargs):
            response = super().request(*args, **kwargs)
            response.iter_content = self.iter_content
            return response

        def iter_content(self):
            yield b"some"
            raise StrangeError(KEY)

    with Server(echo) as server:
        pieces = post(Session(session), server.url).pieces()
        assert next(pieces) == b"some"
        with pytest.raises(ConnectionFailedError, match=r"broke off \(StrangeError\)"):
            next(pieces)


def test_a_proxy_of_the_session_that_is_none(session):
    session.proxies = {"http": "http:///secret"}
    with pytest.raises(ConfigurationError, match="proxy's address") as caught:
        post(session, "http://api.invalid/")
    assert "secret" not in str(caught.value)


def test_our_own_errors_pass(session, timeout):
    def refuse(_):
        raise MissingAuthError("no key")

    for tried in (session, Foreign(session)):
        with pytest.raises(MissingAuthError, match="no key"):
            post(tried, "http://127.0.0.1:1/", key=refuse, timeout=timeout)


@pytest.mark.parametrize("foreign", [False, True])
def test_headers_that_cannot_be_sent(session, foreign, timeout):
    def bad(request):
        request.headers["X-Api-Key"] = KEY + "\n"
        return request

    tried = Foreign(session) if foreign else session
    with pytest.raises(ConfigurationError, match="header X-Api-Key") as caught:
        post(tried, "http://127.0.0.1:1/", key=bad, timeout=timeout)
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigurationError, match="header X-Other"):
        post(tried, "http://127.0.0.1:1/", headers={"X-Other": "\0"})
