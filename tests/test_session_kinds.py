"""Sessions of other libraries, real ones: a fault is told of as the same error that there is without them."""

import json

import curl_cffi
import pytest
import requests
import requests_cache
from sockets import PATIENCE, Server, reply

from llmkit import AuthenticationError, Client, LLMKitError, Timeout
from llmkit.testing.faults import FAULTS

SESSIONS = {
    "requests": requests.Session,
    "curl_cffi": lambda: curl_cffi.requests.Session(impersonate="chrome"),
    "requests-cache": lambda: requests_cache.CachedSession(backend="memory", allowable_methods=["POST"]),
}

READ_FIRST = {
    "cut connection",
    "only pings",
    "stall",
}  # a cache reads all before it hands out any

ENDLESS = {"only pings", "stall"}  # all others end by themselves, as soon as the machine lets them


def fails(server, fault, mode, session=None):
    """The error's class, whether another try may mend it, and what had come."""
    timeout = Timeout(first=0.3, idle=0.3, total=0.6) if fault in ENDLESS else PATIENCE
    client = server.client("openai", model="m", session=session, max_retries=0, timeout=timeout)
    ask = client.complete if mode == "whole" else lambda prompt: client.stream(prompt).collect()
    server.fault(fault)
    with pytest.raises(LLMKitError) as caught:
        ask("one two three four")
    partial = caught.value.partial
    return type(caught.value).__name__, caught.value.retryable, partial and partial.text


@pytest.mark.parametrize("mode", ["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", SESSIONS)
def test_a_fault(server, kind, fault, mode):
    read_first = kind == "requests-cache" and fault in READ_FIRST
    with SESSIONS[kind]() as session:
        assert fails(server, fault, mode, session) == fails(server, fault, "whole" if read_first else mode)


TOKEN = "token-that-nobody-may-see-0123456789"


class Signs(requests.adapters.HTTPAdapter):
    """Proves who asks when all else is done, as what signs requests does."""

    def send(self, request, **kwargs):
        request.headers["Authorization"] = f"Bearer {TOKEN}"
        return super().send(request, **kwargs)


class Wrapped:
    """A session of no library, whose headers are a dict, and whose response does not tell of its request."""

    def __init__(self):
        self.headers = {"AUTHORIZATION": f"Bearer {TOKEN}"}
        self._inner = requests.Session()

    def request(self, method, url, *, headers, **kwargs):
        response = self._inner.request(method, url, headers={**self.headers, **headers}, **kwargs)
        del response.request
        return response


def signed():
    session = requests.Session()
    session.mount("http://", Signs())
    return session


PROVING = {
    "requests, an adapter": (signed, "sk-what-the-adapter-replaces"),
    "curl_cffi": (lambda: curl_cffi.requests.Session(headers={"Authorization": f"Bearer {TOKEN}"}), None),
    "another": (Wrapped, None),
}


@pytest.mark.parametrize(("make", "key"), PROVING.values(), ids=PROVING.keys())
def test_a_host_that_repeats_what_a_session_has_added(make, key):
    """It is told of as little as the client's own key."""

    def script(wire):
        for received in wire.requests():
            said = json.dumps({"error": {"message": f"no such key: {received.headers['authorization']}"}}).encode()
            wire.send(reply(said, status="401 No", headers="Content-Type: application/json\r\n"))

    with Server(script) as server, pytest.raises(AuthenticationError) as caught:
        Client("openai", base_url=server.url, model="m", session=make(), api_key=key).complete("Hi")
    assert "no such key: " in str(caught.value)
    assert TOKEN not in f"{caught.value} {caught.value.body!r} {caught.value.headers}"
