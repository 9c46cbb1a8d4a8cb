"""Where words go: answers to standard output, all else to standard error."""

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import Self, TextIO

from llmkit.display.controls import CONTROLS


def plain(text: str) -> str:
    """`text` without what would steer a terminal."""
    return text.translate(CONTROLS)


def tell(text: str) -> None:
    """Say `text` in one line on standard error."""
    print(f"llmkit: {' '.join(plain(text).split())}", file=sys.stderr)


def show(text: str) -> None:
    """Show `text`, of one line or more, on standard error."""
    print(plain(text), file=sys.stderr)


def whisper(text: str) -> None:
    """As `show`, but fainter, where that can be: beside an answer, and not to be taken for one."""
    if sys.stderr.isatty() and text and styled():
        print(f"\033[2m{plain(text)}\033[0m", file=sys.stderr)
    else:
        show(text)


def styled() -> bool:
    """Whether terminals are to show more than letters."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def aside() -> AbstractContextManager[object]:
    """What others print meanwhile, such as tools, goes to standard error, where a program may read the answer."""
    return nullcontext() if sys.stdout.isatty() else redirect_stdout(sys.stderr)


class Answer:
    """An answer on standard output, as it arrives; its last line is ended, however it ends. A context manager.

    On a terminal it is kept from steering it; elsewhere it is written as it is.

    Args:
        out: Standard output.

    Attributes:
        seen: Whether it is a terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.seen = out.isatty()
        self._table: Mapping[int, None] = CONTROLS if self.seen else {}
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End its line, where one is begun."""
        if self._open:
            self.write("\n")

    def write(self, text: str) -> None:
        """Show more of it at once."""
        shown = text.translate(self._table) if self._table else text
        if shown:
            self._open = not shown.endswith("\n")
            self._out.write(shown)
            self._out.flush()


class Count:
    """How many rows are done, on a terminal: all that there is of a bar where tqdm is not installed."""

    def __init__(self, total: int | None) -> None:
        self._of = "" if total is None else f" of {total:,}"
        self._done = 0

    def add(self) -> None:
        """Another row is done."""
        self._done += 1
        print(f"\r{self._done:,}{self._of} rows", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave it as it is."""
        if self._done:
            print(file=sys.stderr)
