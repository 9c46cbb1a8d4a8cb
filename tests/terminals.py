"""A real terminal, driven: programs in tmux, and what its screen shows."""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

TMUX = shutil.which("tmux")
PATIENCE = 30.0  # seconds until what is waited for must be there, also on a busy machine
LOOK = 0.03

needs_tmux = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")


class TmuxTerminal:
    """A program in a terminal of its own; a context manager, which ends both.

    Args:
        command: The program and its arguments.
        columns: How wide the terminal is.
        rows: How high.
        environment: Variables that the program has beside those of this process.
        folder: Where it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        rows: int = 30,
        environment: Mapping[str, str] | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._command = [*command]
        self._size = ["-x", str(columns), "-y", str(rows)]
        around = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self._environment = {**around, "COLORTERM": "", **(environment or {})}
        self._folder = folder
        self._own = tempfile.TemporaryDirectory(prefix="llmkit-tmux-")

    def __enter__(self) -> Self:
        # The exit code is kept in a file, and the terminal stays until it is looked at.
        # Ctrl-C is for the program, and not for the shell that waits for it.
        size = "stty cols {1} rows {3}".format(*self._size)  # whatever tmux has made of it
        line = f"trap : INT; {size}; {shlex.join(self._command)}; printf %d $? > {shlex.quote(self._code)}; sleep 600"
        self._tmux("-f", os.devnull, "new-session", "-d", *self._size, "sh", "-c", line, env=self._environment)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._words, "kill-server"], capture_output=True, check=False, timeout=PATIENCE)
        self._own.cleanup()

    @property
    def _words(self) -> list[str]:
        return [str(TMUX), "-S", str(Path(self._own.name, "socket"))]

    @property
    def _code(self) -> str:
        return str(Path(self._own.name, "code"))

    def _tmux(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._words, *words], capture_output=True, check=True, timeout=PATIENCE, cwd=self._folder, env=env
        )
        return done.stdout.decode()

    def type(self, text: str) -> None:
        """Type letters, as they are."""
        self._tmux("send-keys", "-l", "--", text)

    def paste(self, text: str) -> None:
        """Paste, as a terminal does that tells the program where it begins and ends, if that wants to know."""
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p", "-r")

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux, such as ``Enter``, ``C-c``, ``Tab`` and ``M-Enter``."""
        self._tmux("send-keys", *keys)

    @property
    def screen(self) -> str:
        """What is seen now, line by line, without blanks at the ends of lines."""
        return self._tmux("capture-pane", "-p").rstrip("\n")

    @property
    def cursor(self) -> bool:
        """Whether the cursor is seen."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    @property
    def colours(self) -> str:
        """The same with its escape sequences."""
        return self._tmux("capture-pane", "-pe")

    @property
    def scrollback(self) -> str:
        """All lines that there were, those that have left the screen included."""
        return self._tmux("capture-pane", "-pJS", "-").rstrip("\n")

    def see(self, expected: str | Callable[[str], bool]) -> str:
        """Wait until the screen shows a text, or is as a function says; returns what it shows then."""
        fits = (lambda screen: expected in screen) if isinstance(expected, str) else expected
        end = time.monotonic() + PATIENCE
        while not fits(screen := self.screen):
            if time.monotonic() > end:
                raise AssertionError(f"never seen: {expected!r}; the screen shows\n{screen}")
            time.sleep(LOOK)
        return screen

    def ended(self) -> int:
        """Wait until the program has ended; its exit code."""
        end = time.monotonic() + PATIENCE
        code = Path(self._code)
        while not code.is_file() or not code.read_text():
            if time.monotonic() > end:
                raise AssertionError(f"it goes on; the screen shows\n{self.screen}")
            time.sleep(LOOK)
        return int(code.read_text())
