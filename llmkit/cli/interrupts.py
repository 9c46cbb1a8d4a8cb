"""What Ctrl-C does to a program that goes on: nothing breaks in but where that was asked for, and then once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from llmkit.stream import Stream


class Interrupts:
    """Takes over Ctrl-C; a context manager of the main thread, which gives it back.

    An exception that comes anywhere would leave a terminal half drawn, or, as fingers stay on the keys, end the program
    while it says that an answer was stopped. So what draws is never broken into: the stream is closed instead, from
    another thread, and its reader gets a `StreamClosedError`.
    """

    def __init__(self) -> None:
        self._raises = False
        self._before: Any = None
        self._pressed: SimpleQueue[Literal["pressed", "over"]] | None = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._take)
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def breaking_in(self) -> Iterator[None]:
        """Ctrl-C raises `KeyboardInterrupt` meanwhile, the first time."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    @contextmanager
    def closing(self, stream: "Stream[Any]") -> Iterator[None]:
        """Ctrl-C closes `stream` meanwhile."""
        pressed: SimpleQueue[Literal["pressed", "over"]] = SimpleQueue()

        def wait() -> None:
            if pressed.get() == "pressed":
                stream.close()

        self._pressed = pressed
        waiting = threading.Thread(target=wait, name="llmkit-interrupts", daemon=True)
        waiting.start()
        try:
            yield
        finally:
            self._pressed = None
            pressed.put("over")
            waiting.join()

    def _take(self, _: int, __: FrameType | None) -> None:
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt
        if self._pressed is not None:
            self._pressed.put("pressed")  # of all queues this one's `put` may be called amid itself
