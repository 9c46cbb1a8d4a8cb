"""What ends the calls of a run that is stopped: those that wait to be sent or tried again, and those that were sent."""

import threading
from typing import TYPE_CHECKING

from llmkit.errors import StreamClosedError

if TYPE_CHECKING:
    from llmkit.transport.exchange import Exchange


class Switch:
    """On at first. For many threads, each with one call at a time."""

    def __init__(self) -> None:
        self._last = threading.Event()
        self._running: dict[int, Exchange] = {}  # by thread

    def last(self) -> None:
        """Let what was sent go on. What waits to be sent or tried again ends, and whatever begins from now on."""
        self._last.set()
        for exchange in [*self._running.values()]:
            exchange.refrain()

    def off(self) -> None:
        """End what runs, and whatever begins from now on."""
        self._last.set()
        for exchange in [*self._running.values()]:
            exchange.abort()

    def attach(self, exchange: "Exchange") -> None:
        """This thread's call is this exchange now."""
        self._running[threading.get_ident()] = exchange
        if self._last.is_set():  # neither may have seen it
            exchange.abort()

    def detach(self) -> None:
        """This thread's call has ended."""
        self._running.pop(threading.get_ident(), None)

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StreamClosedError: Nothing may begin any more.
        """
        if self._last.wait(seconds):
            raise StreamClosedError("the run was stopped")
