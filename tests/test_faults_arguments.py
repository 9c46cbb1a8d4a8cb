"""Keys, headers and addresses that cannot be sent: refused before anything is, and never shown."""

import pytest
from faults.calls import answer, each_format, each_mode, once, says, whole
from faults.clients import KEY, PASSWORD, call, client_of
from faults.exposure import seen_of
from faults.formats import ANTHROPIC, CHAT
from sockets import Server

from llmkit import APIError, ConfigurationError, ConnectionFailedError, MissingAuthError

pytest_plugins = ["calls", "faults.clients"]
pytestmark = pytest.mark.usefixtures("plain_environment")


# ---- keys and headers ------------------------------------------------------------------------------------------------

UNSENDABLE = {
    "line end": "\n",
    "line end of Windows": "\r\n",
    "carriage return": "\r",
    "a header of its own": "\r\nX-Evil: 1",
    "NUL": "\0",
    "tab and line end": "\t\n",
    "bell": "\a",
    "DEL": "\x7f",
    "blank at the end": " ",
    "tab at the end": "\t",
    "beyond latin-1": "\u65e5",
    "line separator": "\u2028",
    "half a pair": "\ud800",
}
KEYS = {
    **{name: (KEY + tail, ConfigurationError) for name, tail in UNSENDABLE.items()},
    "within": (f"{KEY}\n{KEY}", ConfigurationError),
    "blank before": (f" {KEY}", ConfigurationError),
    "latin-1": (f"{KEY}\xe9", ConfigurationError),
    "empty": ("", MissingAuthError),
    "blanks": ("  ", ConfigurationError),
    "bytes": (KEY.encode(), ConfigurationError),
    "bytearray": (bytearray(KEY.encode()), ConfigurationError),
    "number": (7, ConfigurationError),
    "list": ([KEY], ConfigurationError),
}


VARIABLES = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai-chat": "OPENAI_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
}


@each_format
@pytest.mark.parametrize(("key", "error"), KEYS.values(), ids=KEYS.keys())
def test_what_is_no_key(form, key, error, monkeypatch):
    with Server(once(b"")) as server:
        with pytest.raises(error, match="^api_key: ") as caught:
            client_of(server.url, form, api_key=key)
        with client_of(server.url, form, api_key=lambda: key) as client:
            for use in (client.complete, client.stream):
                with pytest.raises(error, match="^api_key: ") as late:
                    use("Hi")
                assert (late.value.attempts, late.value.retryable) == (0, False)
                assert KEY[:8] not in repr(late.value)
        assert server.connections == 0
        assert KEY[:8] not in repr(caught.value)
        if isinstance(key, str) and "\0" not in key and key.isascii() and key.strip():
            variable = VARIABLES[form.provider]
            monkeypatch.setenv(variable, key)
            if key.strip().isprintable():  # what a shell's own quoting left
                client_of(server.url, form, api_key=None).close()
            else:
                with pytest.raises(ConfigurationError, match=f"^{variable}: ") as found:
                    client_of(server.url, form, api_key=None)
                assert not [place for place, text in seen_of(found.value) if KEY[:8] in text]


def test_a_very_long_key():
    """It is for the host to say how long a key may be."""
    key = "k" * 200_000

    def script(wire):
        assert wire.receive().headers["x-api-key"] == key
        wire.send(whole(f'{{"error": "{key}"}}'.encode(), "431 Request Header Fields Too Large"))

    with Server(script) as server, client_of(server.url, api_key=key) as client:
        error = call(client)
    assert type(error) is APIError
    assert (error.status, error.retryable) == (431, False)
    assert "kkkkkkkk" not in f"{error} {error.body}"


HEADERS = {
    **{name: {"X-Mine": KEY + tail} for name, tail in UNSENDABLE.items()},
    "blank before": {"X-Mine": f" {KEY}"},
    "bytes": {"X-Mine": KEY.encode()},
    "None": {"X-Mine": None},
    "list": {"X-Mine": [KEY]},
    "empty name": {"": KEY},
    "name with a blank": {"X Mine": KEY},
    "name with a colon": {"X-Mine:": KEY},
    "name with a line end": {"X-Mine\r\nX-Evil": KEY},
    "name in bytes": {b"X-Mine": KEY},
    "name beyond ASCII": {"X-M\xefne": KEY},
    "length of the body": {"Content-Length": "5"},
    "coding of the body": {"Transfer-Encoding": "chunked"},
    "text": f"X-Mine: {KEY}",
}


@each_format
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_what_is_no_header(form, headers):
    uses = {
        "headers": [
            lambda client: client_of("http://127.0.0.1:1", form, headers=headers),
            lambda client: client.with_options(headers=headers),
        ],
        "extra_headers": [
            lambda client: client.complete("Hi", extra_headers=headers),
            lambda client: client.stream("Hi", extra_headers=headers),
            lambda client: client.models(extra_headers=headers),
            lambda client: client.with_options(extra_headers=headers),
        ],
    }
    if form is not CHAT:  # which cannot count
        uses["extra_headers"].append(lambda client: client.count_tokens("Hi", extra_headers=headers))
    with Server(once(b"")) as server, client_of(server.url, form) as client:
        for name, calls in uses.items():
            for use in calls:
                with pytest.raises(ConfigurationError, match=f"^{name}[.:]") as caught:
                    use(client)
                assert KEY[:8] not in repr(caught.value)
        assert server.connections == 0


class Signer:
    """An `auth` that sets a header."""

    def __init__(self, value):
        self.value = value

    def __call__(self, request):
        request.headers["X-Signature"] = self.value
        return request


@each_format
@each_mode
@pytest.mark.parametrize("tail", UNSENDABLE.values(), ids=UNSENDABLE.keys())
def test_a_header_that_an_auth_cannot_send(form, mode, tail):
    with Server(once(b"")) as server, client_of(server.url, form, auth=Signer(KEY + tail)) as client:
        error = call(client, mode)
        assert type(error) is ConfigurationError
        assert "X-Signature" in str(error)
        assert KEY[:8] not in repr(error)
        assert server.connections == 0


@each_format
@each_mode
def test_headers_that_can_be_sent(form, mode):
    sent = {"X-Empty": "", "X-Tab": "a\tb", "X-Latin": "caf\xe9", "X!#$%&'*+.^_`|~": "odd", "X-Long": "y" * 50_000}
    with Server(says(answer(form, mode))) as server, client_of(server.url, form, headers=sent) as client:
        assert call(client, mode) is None
        assert {name: server.requests[0].headers[name.lower()] for name in sent} == sent


# ---- addresses -------------------------------------------------------------------------------------------------------

NO_ADDRESSES = {
    "user and password": f"https://user:{PASSWORD}@api.example.test",
    "user": f"https://{PASSWORD}@api.example.test",
    "empty user": "https://@api.example.test",
    "user and a blank": f"https://user:{PASSWORD}@api.example .test",
    "user and an odd scheme": f"ftp://user:{PASSWORD}@api.example.test",
    "user and no scheme": f"user:{PASSWORD}@api.example.test",
    "query": f"https://api.example.test?key={PASSWORD}",
    "query after a blank": f"https://api.example.test/ ?key={PASSWORD}",
    "fragment": "https://api.example.test#part",
    "no scheme": "api.example.test",
    "no scheme, but a port": "api.example.test:8080",
    "no scheme, but slashes": "//api.example.test",
    "file": "file:///etc/passwd",
    "ftp": "ftp://api.example.test",
    "web socket": "wss://api.example.test",
    "socket": "http+unix://%2Ftmp%2Fsocket",
    "script": "javascript:alert(1)",
    "no host": "https://",
    "a port and no host": "https://:8080",
    "a path and no host": "https:///v1",
    "port that is none": "https://api.example.test:port",
    "port 0": "https://api.example.test:0",
    "port too high": "https://api.example.test:65536",
    "negative port": "https://api.example.test:-1",
    "two ports": "https://api.example.test:80:80",
    "half an IPv6 address": "http://[::1",
    "no IPv6 address": "http://[hello]",
    "blank in the host": "https://api example.test",
    "blank in the path": "https://api.example.test/a b",
    "blank before": " https://api.example.test",
    "line end": "https://api.example.test\n",
    "NUL": "https://api.example.test\0",
    "tab": "https://api\t.example.test",
    "blank of another kind": "https://api.example.test/\u00a0",
    "slashes of an editor": "https://api.example.test\u2028",
    "a look-alike of a slash": "https://api.example.test\u2100evil.test",
    "bytes": b"https://api.example.test",
    "empty": "",
    "number": 80,
}


@pytest.mark.parametrize("address", NO_ADDRESSES.values(), ids=NO_ADDRESSES.keys())
def test_what_is_no_address(address):
    with pytest.raises(ConfigurationError, match="^base_url: ") as caught:
        client_of(address)
    assert PASSWORD not in repr(caught.value)


HOSTS = {  # address, the name that is looked up, the host that the request names
    "name": ("http://api.example.test:8080", "api.example.test", "api.example.test:8080"),
    "capitals": ("HTTP://API.Example.TEST:8080", "api.example.test", "api.example.test:8080"),
    "the scheme's own port": ("http://api.example.test:80", "api.example.test", "api.example.test"),
    "dot at its end": ("http://api.example.test.:8080", "api.example.test.", "api.example.test:8080"),
    "letters beyond ASCII": ("http://b\xfccher.example:8080", "xn--bcher-kva.example", "xn--bcher-kva.example:8080"),
    "the same, coded": ("http://xn--bcher-kva.example:8080", "xn--bcher-kva.example", "xn--bcher-kva.example:8080"),
    "underscore": ("http://my_host:8080", "my_host", "my_host:8080"),
    "IPv6": ("http://[2001:db8::1]:8080", "2001:db8::1", "[2001:db8::1]:8080"),
}


@pytest.mark.parametrize(("address", "name", "host"), HOSTS.values(), ids=HOSTS.keys())
def test_addresses(address, name, host, everywhere):
    with Server(says(answer(ANTHROPIC, "whole"))) as server:
        asked_for = everywhere(server)
        with client_of(address) as client:
            assert call(client) is None
        assert asked_for == [name]
        assert server.requests[0].headers["host"] == host
        assert server.requests[0].path == "/v1/messages"


def test_a_host_that_is_no_name():
    """It is found where it is looked up: nothing is sent."""
    for host in ("a..test", "-.test", "x" * 64 + ".test", ".test", "*.test"):
        with client_of(f"http://{host}:8080") as client:
            error = call(client)
        assert isinstance(error, (ConfigurationError, ConnectionFailedError)), host


OTHERS = {
    "another host": "https://evil.test",
    "its name in front": "https://api.anthropic.com.evil.test",
    "its name in the path": "https://evil.test/api.anthropic.com",
    "its name as the user": "https://api.anthropic.com@evil.test",
    "its name as user and a backslash": "https://api.anthropic.com\\@evil.test",
    "its name and a backslash": "https://api.anthropic.com\\.evil.test",
    "its name and a coded dot": "https://api.anthropic.com%2eevil.test",
    "its name and a dot": "https://api.anthropic.com.",
    "its parent": "https://anthropic.com",
    "in the clear": "http://api.anthropic.com",
    "another port": "https://api.anthropic.com:8443",
    "a name like loopback": "http://localhost.evil.test",
    "an address like loopback": "http://127.0.0.1.evil.test",
    "loopback as the user": "http://127.0.0.1@evil.test",
    "any address of this machine": "http://0.0.0.0:8080",
    "the private network": "http://10.0.0.1",
    "metadata": "http://169.254.169.254",
}


@pytest.mark.parametrize("address", OTHERS.values(), ids=OTHERS.keys())
def test_where_a_key_of_the_environment_does_not_go(address, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with pytest.raises(ConfigurationError) as caught:
        client_of(address, api_key=None)
    assert KEY not in repr(caught.value)
    assert isinstance(caught.value, MissingAuthError) or "user" in str(caught.value)


OWN = ["http://127.0.0.1:{}", "http://127.8.9.1:{}", "http://localhost:{}", "http://LOCALHOST:{}", "http://[::1]:{}"]


@pytest.mark.parametrize("address", OWN)
def test_where_it_goes(address, monkeypatch, everywhere):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with Server(says(answer(ANTHROPIC, "whole"))) as server:
        everywhere(server)
        with client_of(address.format(server.port), api_key=None) as client:
            assert call(client) is None
        assert server.requests[0].headers["x-api-key"] == KEY
