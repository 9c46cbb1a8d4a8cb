"""All calls of the process led to a server, whatever client they are made by: a tap before the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from llmkit.authorization import AUTH_HEADERS
from llmkit.taps import Sending, tapped
from llmkit.testing.variables import KEY
from llmkit.transport import Answer, Transport

if TYPE_CHECKING:
    from llmkit.testing.server import FakeServer

T = TypeVar("T", bound="FakeServer")


@contextmanager
def diverted(server: T, url: str) -> Iterator[T]:
    """Lead what is sent meanwhile to the server at `url`."""
    transport = Transport(environment=False)
    try:
        with tapped(_Diversion(url, transport), diverts=True):
            yield server
    finally:
        transport.close()


class _Diversion:
    """Answers in the place of every host, by connections of its own.

    Attributes:
        answers: It is the server that does, which takes its time.
    """

    answers = False

    def __init__(self, url: str, transport: Transport) -> None:
        self._url = url
        self._transport = transport

    def send(self, sending: Sending) -> Answer:
        """What the server says to the same path."""
        parts = urlsplit(sending.outgoing.url)
        target = f"{self._url}{parts.path}{'?' if parts.query else ''}{parts.query}"
        headers = {name: value for name, value in sending.outgoing.headers.items() if name.lower() not in AUTH_HEADERS}
        outgoing = evolve(sending.outgoing, url=target, headers=headers, authorize=_authorized)
        return self._transport._send(outgoing, sending.exchange)  # noqa: SLF001 - past the taps, of which this is one


def _authorized(prepared: Any) -> Any:
    """With a key that is none: the client's own may be a real one, or there is none."""
    prepared.headers["authorization"] = f"Bearer {KEY}"
    return prepared
