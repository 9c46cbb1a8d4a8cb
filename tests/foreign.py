"""Callers' own sessions: how they are asked, and one of another library."""

from sockets import PATIENCE

from llmkit.deadlines import Deadlines
from llmkit.transport import Exchange, Outgoing, Transport

KEY = "sk-secret-0123456789"


def authorize(request):
    request.headers["Authorization"] = f"Bearer {KEY}"
    return request


def post(session, url, body=b"{}", *, stream=False, headers=None, timeout=PATIENCE, key=authorize, exchange=None):
    outgoing = Outgoing("POST", url, headers or {}, body, key, stream)
    return Transport(session=session).send(outgoing, exchange or Exchange(Deadlines(timeout)))


def once(raw):
    def script(wire):
        wire.receive()
        wire.send(raw)

    return script


class Foreign:
    """A session of another library, such as curl_cffi's: its response has no `raw`, and its arguments are few."""

    def __init__(self, inner, *, fails=None):
        self.inner = inner
        self.fails = fails
        self.closed = 0
        self.timeouts = []

    def request(self, method, url, *, data, headers, stream, allow_redirects, timeout):
        self.timeouts.append(timeout)
        if self.fails is not None:
            raise self.fails
        response = self.inner.request(
            method, url, data=data, headers=headers, stream=stream, allow_redirects=allow_redirects, timeout=timeout
        )
        return ForeignResponse(self, response)


class ForeignResponse:
    def __init__(self, session, response):
        self.session = session
        self._response = response
        self.status_code = response.status_code
        self.headers = dict(response.headers)

    def iter_content(self):
        yield b""
        yield from self._response.iter_content(100)

    def close(self):
        self.session.closed += 1
        self._response.close()
