"""Calls of a transport, as several test files make them; a plugin of pytest for its fixtures.

PYTEST_DONT_REWRITE: it is imported as a module before it is loaded as a plugin.
"""

import socket

import pytest
import sockets
from sockets import PATIENCE

from llmkit.deadlines import Deadlines
from llmkit.transport import Exchange, Outgoing, Transport
from llmkit.transport.answer import Answer

KEY = "sk-secret-0123456789"


def authorize(request):
    request.headers["X-Api-Key"] = KEY
    return request


@pytest.fixture(params=["directly", "through urllib3"])
def transport(plain_environment, request, monkeypatch):
    """Either way that a request may go."""
    if request.param != "directly":
        monkeypatch.setattr("llmkit.transport.untouched", lambda: False)
    transport = Transport()
    yield transport
    transport.close()


@pytest.fixture
def verify(tmp_path):
    return sockets.bundle(tmp_path)


@pytest.fixture
def plain_environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def post(transport, url, body=b"{}", *, stream=False, headers=None, timeout=PATIENCE, key=None) -> Answer:
    outgoing = Outgoing("POST", url, {"user-agent": "test", **(headers or {})}, body, key, stream)
    return transport.send(outgoing, Exchange(Deadlines(timeout)))


def answering(*raw):
    """A script: these bytes for each request, whatever it is."""

    def script(wire):
        for _ in wire.requests():
            for part in raw:
                wire.send(part)

    return script


def once(raw):
    """A script: these bytes, and then the end."""

    def script(wire):
        wire.receive()
        wire.send(raw)

    return script


def addresses(*pairs):
    return lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", pair) for pair in pairs]


def refusing_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
