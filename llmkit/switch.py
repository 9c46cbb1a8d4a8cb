"""What ends the calls of a run that is stopped: those that wait for an answer, and those that wait to try again."""

import threading
from typing import TYPE_CHECKING

from llmkit.errors import StreamClosedError

if TYPE_CHECKING:
    from llmkit.transport.exchange import Exchange


class Switch:
    """On at first. For many threads, each with one call at a time."""

    def __init__(self) -> None:
        self._off = threading.Event()
        self._running: dict[int, Exchange] = {}  # by thread

    def off(self) -> None:
        """End what runs, and whatever begins from now on."""
        self._off.set()
        for exchange in [*self._running.values()]:
            exchange.abort()

    def attach(self, exchange: "Exchange") -> None:
        """This thread's call is this exchange now."""
        self._running[threading.get_ident()] = exchange
        if self._off.is_set():  # `off` may not have seen it
            exchange.abort()

    def detach(self) -> None:
        """This thread's call has ended."""
        self._running.pop(threading.get_ident(), None)

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            StreamClosedError: It is off, or was put off meanwhile.
        """
        if self._off.wait(seconds):
            raise StreamClosedError("the run was stopped")
