"""What stands between the calls and the network, for all clients of the process: recordings, replays, refusals.

A module by itself, which imports next to nothing: who puts a tap in needs no network library, and a client looks here
once a request.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmkit.transport import Answer, Exchange, Outgoing, SupportsRequest


class Tap(Protocol):
    """What each request comes by. Called by many threads at once."""

    @property
    def answers(self) -> bool:
        """Whether nothing goes further than here: then a client that is made meanwhile needs no key."""
        ...

    def send(self, sending: Sending) -> Answer:
        """The answer: that of ``sending.go()``, or one of its own.

        Raises:
            LLMKitError: There is none.
        """


class Sending:
    """A request that is about to be sent.

    Attributes:
        outgoing: The request, without the key.
        exchange: Its clocks, and the switch that ends it.
        session: The caller's own, through which it would be sent; None for llmkit's connections.
    """

    __slots__ = ("_below", "_known", "_last", "exchange", "outgoing", "session")

    def __init__(
        self,
        outgoing: Outgoing,
        exchange: Exchange,
        session: SupportsRequest | None,
        known: Callable[[], tuple[str, ...]],
        last: Callable[[Outgoing, Exchange], Answer],
        below: tuple[Tap, ...],
    ) -> None:
        self.outgoing = outgoing
        self.exchange = exchange
        self.session = session
        self._known = known
        self._last = last
        self._below = below

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be told nowhere: the key, of which less is known before it is sent, and passwords of proxies."""
        authorize = self.outgoing.authorize
        return (*(authorize.secrets if authorize else ()), *self._known())  # type: ignore[attr-defined]  # an Authorization

    def go(self) -> Answer:
        """Send it on: to the tap that was put in before this one, at last to the network.

        Raises:
            LLMKitError: As `Transport.send`.
        """
        if not self._below:
            return self._last(self.outgoing, self.exchange)
        *below, tap = self._below
        return tap.send(Sending(self.outgoing, self.exchange, self.session, self._known, self._last, tuple(below)))


taps: tuple[Tap, ...] = ()
"""Those that are in, the latest last, which is asked first; changed by `tapped` alone."""
answered = False
"""Whether nothing gets to the network now, so that no key is needed, and no pause before another try."""
keyless = False
"""Whether no key is needed now: that, or all goes to where none is wanted."""
_diverted = 0  # how many of the taps lead there
_changing = threading.Lock()


def _put(*changed: Tap) -> None:
    global taps, answered, keyless  # noqa: PLW0603 - of the process, as the network is
    taps, answered = changed, any(tap.answers for tap in changed)
    keyless = answered or _diverted > 0


@contextmanager
def tapped(tap: Tap, *, diverts: bool = False) -> Iterator[None]:
    """Every request that begins meanwhile, of whatever client and thread, comes by `tap` before those that are in.

    Args:
        tap: Asked by each.
        diverts: Whether it sends them to where no key is wanted.
    """
    global _diverted  # noqa: PLW0603 - likewise
    with _changing:
        _diverted += diverts
        _put(*taps, tap)
    try:
        yield
    finally:
        with _changing:
            _diverted -= diverts
            _put(*(one for one in taps if one is not tap))
