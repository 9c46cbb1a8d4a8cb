"""Where words go: answers to standard output, all else to standard error."""

import sys
from typing import Final, Self

# What a terminal would obey rather than show, but for tabs and line ends.
_CONTROLS: Final = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


def tell(text: str) -> None:
    """Say `text` in one line on standard error."""
    print(f"llmkit: {' '.join(text.translate(_CONTROLS).split())}", file=sys.stderr)


class Answer:
    """An answer on standard output, as it arrives; its last line is ended, however it ends. A context manager.

    On a terminal it is kept from steering it; elsewhere it is written as it is.
    """

    def __init__(self) -> None:
        self._table = _CONTROLS if sys.stdout.isatty() else {}
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self.write("\n")

    def write(self, text: str) -> None:
        """Show more of it at once."""
        shown = text.translate(self._table) if self._table else text
        if shown:
            self._open = not shown.endswith("\n")
            sys.stdout.write(shown)
            sys.stdout.flush()
