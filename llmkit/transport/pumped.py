"""The body of a session that is not requests', whose reads nothing can end: a thread reads it, and is left if need be.

As curl_cffi's, which waits as long as its own limits say, and so does its `close`. The host learns that nobody listens
as soon as the session does: with the next byte, or when it gives up by itself.
"""

import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from llmkit.transport.exchange import Exchange

_AHEAD: Final = 64  # places for pieces that wait to be taken; a large one takes several
_PLACE: Final = 64 * 1024  # bytes
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
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._pump,), daemon=True).start()
        while True:
            piece = self._exchange.wait(self._came, idle=True)
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                return
            self._room.release(_places(piece))
            self._exchange.received(len(piece), decoded=True)
            if piece:
                yield piece

    def close(self) -> None:
        """Drop the connection, or leave that to the session where it takes its time; a fork has nothing to drop."""
        if self._exchange.ours:
            self._left = True
            self._room.release()
            let_go(self._close)

    def _pump(self) -> None:
        end: BaseException | None = None
        try:
            for given in self._response.iter_content():
                # Not the session's own buffer, which it may fill again meanwhile.
                piece = given if type(given) is bytes else bytes(memoryview(given))
                if not self._wanted(piece):
                    quietly(self._close)
                    return
                self._came.put(piece)
        except BaseException as error:  # noqa: BLE001 - raised again by `pieces`
            end = error
        self._came.put(end)

    def _wanted(self, piece: bytes) -> bool:
        """Whether there is, or will be, somebody to take it, once there is room."""
        for _ in range(_places(piece)):
            while not self._room.acquire(timeout=_LOOK):
                if self._exchange.aborted:
                    return False
            if self._left:
                return False
        return not self._exchange.aborted

    def _close(self) -> None:
        self._closers.pop()()  # fails where it is closed already


def let_go(close: Callable[[], object]) -> None:
    """Call it in a thread that is left where it takes its time; what it raises is nobody's business."""
    closer = threading.Thread(target=quietly, args=(close,), daemon=True)
    with contextlib.suppress(RuntimeError):  # there are no more threads, as where Python ends: whoever reads closes it
        closer.start()
        closer.join(_CLOSING)


def quietly(close: Callable[[], object]) -> None:
    """Call it where nobody listens: a thread would tell the whole world what it raises."""
    with contextlib.suppress(Exception):
        close()


def _places(piece: bytes) -> int:
    return min(_AHEAD, 1 + len(piece) // _PLACE)
