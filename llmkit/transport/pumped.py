"""The body of a session that is not requests', whose reads nothing can end: a thread reads it, and is left if need be.

As curl_cffi's, which waits as long as its own limits say, and so does its `close`. The host learns that nobody listens
as soon as the session does: with the next byte, or when it gives up by itself.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from llmkit.transport.exchange import Exchange

_AHEAD: Final = 64  # pieces that may wait to be taken
_CLOSING: Final = 0.2  # seconds; most close at once
_LOOK: Final = 0.5  # seconds after which a thread that is not read from looks whether it is forgotten


class Pumped:
    """A body read through the `iter_content` of a caller's own session, within all limits."""

    raises = (Exception,)  # nobody knows
    closing = False

    def __init__(self, response: Any, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange
        self._came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._left = False
        self._closers: deque[Callable[[], object]] = deque([response.close])  # popped by whoever closes it

    def pieces(self) -> Iterator[bytes]:
        """Each piece as the session gives it."""
        threading.Thread(target=self._pump, daemon=True).start()
        while True:
            piece = self._exchange.wait(self._came, idle=True)
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            self._room.release()
            self._exchange.received(len(piece), decoded=True)
            if piece:
                yield piece

    def close(self) -> None:
        """Drop the connection, or leave that to the session where it takes its time."""
        self._left = True
        self._room.release()
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        closer.join(_CLOSING)

    def _pump(self) -> None:
        end: BaseException | None = None
        try:
            for piece in self._response.iter_content():
                if not self._wanted():
                    self._close()
                    return
                self._came.put(piece)
        except BaseException as error:  # noqa: BLE001 - raised again by `pieces`
            end = error
        self._came.put(end)

    def _wanted(self) -> bool:
        """Whether there is, or will be, somebody to take another piece."""
        while not self._room.acquire(timeout=_LOOK):
            if self._exchange.aborted:
                return False
        return not (self._left or self._exchange.aborted)

    def _close(self) -> None:
        with contextlib.suppress(Exception):  # the session's own business: nobody listens; or it is closed already
            self._closers.pop()()
