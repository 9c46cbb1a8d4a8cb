"""What stands around a call: cookies, netrc, proxies and bundles of the environment."""

import pytest
import requests
from calls import refusing_port
from faults.calls import answer, assert_failed, each_format, each_mode, once, says, use, whole
from faults.clients import KEY, PASSWORD, call, client_of
from faults.formats import ANTHROPIC, CHAT, GEMINI, MODEL, RESPONSES
from sockets import Server

from llmkit import (
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    PermissionDeniedError,
    ServerError,
    Timeout,
)

pytest_plugins = ["calls", "faults.clients"]
pytestmark = pytest.mark.usefixtures("plain_environment")

REFUSAL = whole(b'{"error": {"message": "no"}}', "400 Bad Request")


# ---- cookies and netrc -----------------------------------------------------------------------------------------------


@each_format
@each_mode
def test_cookies_are_not_sent_back(form, mode):
    """Nor on the next call of the client, nor when a call is tried again."""
    cookie = b"HTTP/1.1 %s\r\nSet-Cookie: session=1; Path=/\r\nSet-Cookie: other=2; Max-Age=9999\r\n"
    good = answer(form, mode).replace(b"HTTP/1.1 200 OK\r\n", cookie % b"200 OK")
    busy = whole(b"{}", "529 Busy").replace(b"HTTP/1.1 529 Busy\r\n", cookie % b"529 Busy\r\nRetry-After-Ms: 1")
    with Server(says(good, busy, good, good)) as server, client_of(server.url, form, max_retries=1) as client:
        assert [call(client, mode) for _ in range(3)] == [None, None, None]
        assert len(server.requests) == 4
        assert not [request for request in server.requests if "cookie" in request.headers]


NETRC = {
    "key in a header": (ANTHROPIC, {}, None),
    "key in Google's header": (GEMINI, {}, None),
    "key as a bearer": (CHAT, {}, f"Bearer {KEY}"),
    "key as a bearer, Responses": (RESPONSES, {}, f"Bearer {KEY}"),
    "no key": (CHAT, {"provider": "ollama", "api_key": None}, None),
    "a header of the caller's": (CHAT, {"api_key": None, "headers": {"Authorization": "Own x"}}, "Own x"),
    "a session of the caller's": (CHAT, {"session": requests.Session()}, f"Bearer {KEY}"),
    "such a session and no key": (CHAT, {"provider": "ollama", "api_key": None, "session": requests.Session()}, None),
}


@each_mode
@pytest.mark.parametrize(("form", "arguments", "expected"), NETRC.values(), ids=NETRC.keys())
def test_netrc_is_not_read(form, arguments, expected, mode, tmp_path, monkeypatch):
    file = tmp_path / ".netrc"
    file.write_text("machine 127.0.0.1 login me password netrc\ndefault login me password netrc\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("NETRC", str(file))
    settings = {"provider": form.provider, "api_key": KEY, "model": MODEL, **arguments}
    with Server(says(answer(form, mode))) as server, Client(base_url=server.url, **settings) as client:
        assert call(client, mode) is None
        assert server.requests[0].headers.get("authorization") == expected


# ---- proxies of the environment --------------------------------------------------------------------------------------

HERE = "http://api.example.test"
ENVIRONMENTS = {  # variables (PROXY stands for the proxy's address), the address that is asked, whether by the proxy
    "none": ({}, HERE, False),
    "upper case": ({"HTTP_PROXY": "PROXY"}, HERE, True),
    "lower case": ({"http_proxy": "PROXY"}, HERE, True),
    "lower case wins": ({"http_proxy": "PROXY", "HTTP_PROXY": "http://127.0.0.1:1"}, HERE, True),
    "without a scheme": ({"HTTP_PROXY": "BARE"}, HERE, True),
    "all": ({"ALL_PROXY": "PROXY"}, HERE, True),
    "all, lower case": ({"all_proxy": "PROXY"}, HERE, True),
    "its own before all": ({"HTTP_PROXY": "PROXY", "ALL_PROXY": "http://127.0.0.1:1"}, HERE, True),
    "that of the other scheme": ({"HTTPS_PROXY": "PROXY"}, HERE, False),
    "https": ({"HTTPS_PROXY": "PROXY"}, "https://api.example.test", True),
    "https by all": ({"ALL_PROXY": "PROXY"}, "https://api.example.test", True),
    "empty": ({"HTTP_PROXY": ""}, HERE, False),
    "a CGI script's header": ({"HTTP_PROXY": "PROXY", "REQUEST_METHOD": "GET"}, HERE, False),
    "exception": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "api.example.test"}, HERE, False),
    "exception in lower case": ({"HTTP_PROXY": "PROXY", "no_proxy": "api.example.test"}, HERE, False),
    "exception from all": ({"ALL_PROXY": "PROXY", "NO_PROXY": "api.example.test"}, HERE, False),
    "exception, https": ({"HTTPS_PROXY": "PROXY", "NO_PROXY": "example.test"}, "https://api.example.test", False),
    "suffix": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "example.test"}, HERE, False),
    "suffix with a dot": ({"HTTP_PROXY": "PROXY", "NO_PROXY": ".example.test"}, HERE, False),
    "one of a list": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "a.test, example.test ,b.test"}, HERE, False),
    "another suffix": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "other.test,example.org"}, HERE, True),
    "every host": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "*"}, HERE, False),
    "port": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "api.example.test:8080"}, f"{HERE}:8080", False),
    "another port": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "api.example.test:8081"}, f"{HERE}:8080", True),
    "network": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "192.0.2.0/24"}, "http://192.0.2.7", False),
    "another network": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "192.0.2.0/25"}, "http://192.0.2.200", True),
    "address": ({"HTTP_PROXY": "PROXY", "NO_PROXY": "192.0.2.7"}, "http://192.0.2.7", False),
    "an empty exception": ({"HTTP_PROXY": "PROXY", "NO_PROXY": ""}, HERE, True),
}


def set_environment(monkeypatch, variables, proxy):
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    for name, value in variables.items():
        bare = f"127.0.0.1:{proxy.port}"
        monkeypatch.setenv(name, {"PROXY": f"http://{bare}", "BARE": bare}.get(value, value))


@pytest.mark.parametrize(("variables", "url", "proxied"), ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_the_environments_proxies(variables, url, proxied, monkeypatch, everywhere):
    direct = once(REFUSAL) if url.startswith("http:") else lambda wire: None
    with Server(direct) as server, Server(once(REFUSAL)) as proxy:
        everywhere(server)
        set_environment(monkeypatch, variables, proxy)
        with client_of(url) as client:
            assert call(client) is not None
        assert (server.connections, proxy.connections) == ((0, 1) if proxied else (1, 0))
        if proxied:
            tunnelled = url.startswith("https")
            request = proxy.requests[0]
            assert request.method == ("CONNECT" if tunnelled else "POST")
            assert request.path == ("api.example.test:443" if tunnelled else f"{url}/v1/messages")
            assert ("x-api-key" in request.headers) is not tunnelled


def test_an_argument_wins_over_the_environment(monkeypatch, everywhere):
    with Server(once(REFUSAL)) as server, Server(once(REFUSAL)) as other, Server(says(REFUSAL)) as proxy:
        everywhere(server)
        for variables in ({"HTTP_PROXY": "PROXY", "ALL_PROXY": "PROXY"}, {"HTTP_PROXY": "PROXY", "NO_PROXY": "*"}):
            set_environment(monkeypatch, variables, other)
            with client_of(HERE, proxy=proxy.url) as client:
                assert type(call(client)).__name__ == "BadRequestError"
        assert (server.connections, other.connections, proxy.connections) == (0, 0, 2)


def test_a_key_of_the_environment_goes_to_loopback_and_not_to_its_proxy(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with Server(says(answer(ANTHROPIC, "whole"))) as server, Server(once(REFUSAL)) as proxy:
        set_environment(monkeypatch, {"HTTP_PROXY": "PROXY"}, proxy)
        with client_of(server.url, api_key=None) as client:
            assert call(client) is None
        assert (server.connections, proxy.connections) == (1, 0)
        assert server.requests[0].headers["x-api-key"] == KEY


# ---- proxies that fail -----------------------------------------------------------------------------------------------


def status(words):
    return once(f"HTTP/1.1 {words}\r\nContent-Length: {len(PASSWORD)}\r\nConnection: close\r\n\r\n{PASSWORD}".encode())


PROXY_FAULTS = {
    "tunnel, 407": (
        "https",
        status("407 Who are you"),
        ConnectionFailedError,
        False,
        "407: check the user name",
    ),
    "tunnel, 403": ("https", status("403 No"), ConnectionFailedError, False, "status 403: it may not allow"),
    "tunnel, 502": ("https", status("502 Bad Gateway"), ConnectionFailedError, True, "status 502"),
    "tunnel, closed": ("https", once(b""), ConnectionFailedError, True, "no connection through the proxy"),
    "tunnel, no HTTP": ("https", once(b"SSH-2.0\r\n"), ConnectionFailedError, True, "no connection through the proxy"),
    "tunnel, no TLS": ("https", once(b"HTTP/1.1 200 OK\r\n\r\nhello"), ConnectionFailedError, True, "TLS"),
    "tunnel, silent": ("https", lambda wire: wire.hang(), DeadlineError, True, "no connection within 0.3 s"),
    "tunnel, silent then": (
        "https",
        lambda wire: (wire.receive(), wire.send(b"HTTP/1.1 200 OK\r\n\r\n"), wire.hang()),
        DeadlineError,
        True,
        "no connection within 0.3 s",
    ),
    "plain, 407": ("http", status("407 Who are you"), ConnectionFailedError, False, "407: check the user name"),
    "plain, 403": ("http", status("403 No"), PermissionDeniedError, False, "403"),
    "plain, 502": ("http", status("502 Bad Gateway"), ServerError, True, "502"),
    "plain, closed": ("http", once(b""), ConnectionFailedError, True, "without an answer"),
    "plain, silent": ("http", lambda wire: wire.hang(), DeadlineError, True, "nothing usable came for 0.3 s"),
}


@each_mode
@pytest.mark.parametrize("fault", PROXY_FAULTS.values(), ids=PROXY_FAULTS.keys())
def test_a_proxy_that_fails(fault, mode):
    scheme, script, cls, retryable, words = fault
    with Server(script) as proxy:
        url = proxy.url.replace("//", f"//user:{PASSWORD}@")
        timeout = (
            Timeout(connect=0.3) if "connection within" in words else Timeout(first=0.3 if cls is DeadlineError else 60)
        )
        with client_of(f"{scheme}://api.invalid", proxy=url, timeout=timeout) as client:
            error = call(client, mode)
        assert type(error) is cls, error
        assert (error.retryable, error.attempts) == (retryable, 1)
        assert words in str(error)
        assert PASSWORD not in f"{error} {error!r} {error.__cause__!r}"
        if cls is ConnectionFailedError and "proxy" in str(error):
            assert f"the proxy 127.0.0.1:{proxy.port}" in str(error)


def test_which_refusals_of_a_proxy_are_asked_again():
    """Only what another try can mend."""
    for scheme in ("http", "https"):
        for words, connections in (("407 No", 1), ("403 No", 1), ("502 No\r\nRetry-After-Ms: 1", 2)):
            with (
                Server(status(words)) as proxy,
                client_of(f"{scheme}://api.invalid", proxy=proxy.url, max_retries=1) as client,
            ):
                assert call(client).attempts == connections
                assert proxy.connections == connections


@each_format
@each_mode
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_another_password(form, mode, scheme):
    """A 407 is the proxy's and not the host's, so that it is no bad key; it is not asked again, by whatever wire."""
    with (
        Server(status("407 Who are you")) as proxy,
        client_of(
            f"{scheme}://api.invalid",
            form,
            proxy=proxy.url.replace("//", f"//user:{PASSWORD}@"),
            max_retries=2,
        ) as client,
    ):
        outcome = use(client, proxy, mode)
    error = assert_failed(outcome, ConnectionFailedError, retryable=False, request_id=None)
    assert f"the proxy 127.0.0.1:{proxy.port} refused to connect with status 407: check the user name" in str(error)
    assert PASSWORD not in f"{error} {error!r} {error.__cause__!r}"
    assert outcome.connections == 1


@each_format
@each_mode
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_dead_proxy(form, mode, scheme, where, monkeypatch):
    url = f"http://user:{PASSWORD}@127.0.0.1:{refusing_port()}"
    if where == "environment":
        monkeypatch.setenv("ALL_PROXY", url)
    with client_of(f"{scheme}://api.invalid", form, proxy=url if where == "argument" else None) as client:
        error = call(client, mode)
    assert type(error) is ConnectionFailedError
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert (error.retryable, error.attempts, error.partial) == (True, 1, None)
    assert "no connection through the proxy 127.0.0.1" in str(error)
    assert PASSWORD not in f"{error!r} {vars(error)}"


# ---- bundles of the environment --------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment(variable, verify, tmp_path, monkeypatch):
    with Server(says(answer(ANTHROPIC, "whole")), tls=True) as server:
        with client_of(server.url) as client:
            error = call(client)
            assert type(error) is ConnectionFailedError
            assert not error.retryable
            assert "certificate" in str(error)
        monkeypatch.setenv(variable, verify)
        with client_of(server.url) as client:
            assert call(client) is None
        monkeypatch.setenv(variable, requests.certs.where())
        with client_of(server.url, verify=verify) as client:
            assert call(client) is None, "the argument wins"
        missing = tmp_path / "missing.pem"
        monkeypatch.setenv(variable, str(missing))
        with pytest.raises(ConfigurationError, match=r"missing\.pem' \(verify or REQUESTS_CA_BUNDLE\) does not exist"):
            client_of(server.url)
