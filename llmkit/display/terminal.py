"""An answer in a terminal while it arrives: finished blocks stay above, and only what still grows is drawn anew.

Drawing has a thread of its own, so that reading waits for no terminal, and a model that pauses leaves nothing unshown.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from rich import live
from rich.console import Console

from llmkit.display.rendering import Block
from llmkit.display.transcript import Transcript
from llmkit.events import Event

_INTERVAL: Final = 0.08  # seconds between two pictures
_SHARE: Final = 4  # the time that a picture takes is at most one part in so many


class Live:
    """Shows the events of a stream, or of several; a context manager that leaves the whole answer above the cursor.

    Where the output is no terminal, or one that cannot move its cursor, finished blocks are written as they come.

    Args:
        console: Where to; None for standard output.
        thinking: Whether thoughts stay, or are only hinted at while they come.
    """

    def __init__(self, console: Console | None = None, *, thinking: bool = True) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False) if console is None else console
        self._transcript = Transcript(self._console, thinking=thinking)
        self._events: deque[Event] = deque()
        self._block = Block()
        self._drawing = threading.Lock()
        self._wanted, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._go_on_drawing, name="llmkit-live", daemon=True)
        self._failed: BaseException | None = None
        self._live = self._new()

    def __enter__(self) -> Self:
        self._start()
        self._thread.start()
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave what has come, whole or not.

        Raises:
            OSError: It cannot be written.
        """
        try:
            self._ended.set()
            self._wanted.set()
            self._thread.join()
            if self._failed is None:
                self._take()
                self._transcript.close()
                self._draw()
        finally:
            self._live.stop()  # also where Ctrl-C is pressed again: what rich redirects is given back
        if self._failed is not None and error is None:
            raise self._failed

    def feed(self, event: Event) -> None:
        """Show the next event, soon.

        Raises:
            OSError: What came before cannot be written.
        """
        if self._failed is not None:
            raise self._failed
        self._events.append(event)
        self._wanted.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The terminal is somebody else's meanwhile, who asks the user something, say; what has come is left there."""
        with self._drawing:
            self._take()
            self._transcript.flush()
            self._draw()
            self._live.stop()
            try:
                yield
            finally:
                self._live = self._new()
                self._start()

    def _start(self) -> None:
        self._live.start()
        # rich hides it, and nobody would bring it back where a signal ends or stops the process.
        self._console.show_cursor()

    def _new(self) -> live.Live:
        return live.Live(
            self._block,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),  # else it is a file's
        )

    def _go_on_drawing(self) -> None:
        """Until the end; a failure is kept for who feeds."""
        pause = _INTERVAL
        try:
            while not self._ended.wait(pause):
                self._wanted.wait(_INTERVAL if self._transcript.moving else None)
                self._wanted.clear()
                began = time.monotonic()
                with self._drawing:
                    if not self._ended.is_set():
                        self._take()
                        self._draw()
                pause = max(_INTERVAL, (time.monotonic() - began) * (_SHARE - 1))
        except BaseException as error:  # noqa: BLE001 - raised where the events come from
            self._failed = error

    def _take(self) -> None:
        while self._events:
            self._transcript.feed(self._events.popleft())

    def _draw(self) -> None:
        picture = self._transcript.picture()
        self._block.lines = picture.tail
        if picture.done:
            # With the tail below it, in one write: nothing flickers.
            self._console.print(Block(picture.done), soft_wrap=True)
        else:
            self._live.refresh()
