"""What a user says to a session: lines of a terminal, with readline where Python has it, or of a file.

readline rather than a library of its own: it comes with Python, works over any line, and is what shells have taught
people's fingers. A window of several lines it has not, but text that is pasted stays together, Alt-Enter begins
another line, and so does a backslash at the end of one.
"""

import io
import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TextIO

from llmkit.cli.output import styled, tell
from llmkit.errors import ConfigurationError

PROMPT: Final = "> "
_MORE: Final = "| "
_BLOCK: Final = '"""'
_SETTINGS: Final = (
    "tab: complete",
    "set enable-bracketed-paste on",  # which Python turns off
    r'"\e\C-m": "\C-v\C-j"',  # Alt-Enter: a line end, quoted
)


class Lines(Protocol):
    """Where lines come from."""

    def ask(self, prompt: str) -> str:
        """The next line, without its end.

        Raises:
            EOFError: There is none.
        """


def said(lines: Lines) -> str | None:
    """What is said next, of one line or more; None at the end.

    A line that ends in a backslash goes on in the next. Three quotes, at the beginning of a line, begin a text that
    three quotes end.
    """
    try:
        line = lines.ask(PROMPT)
    except EOFError:
        return None
    if line.lstrip().startswith(_BLOCK):
        return _block(lines, line.lstrip().removeprefix(_BLOCK))
    found = [line]
    while _goes_on(found[-1]):
        found[-1] = found[-1][:-1]
        try:
            found.append(lines.ask(_MORE))
        except EOFError:
            break
    return "\n".join(found)


def _goes_on(line: str) -> bool:
    """Whether it ends in a backslash that no other one stands before."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _block(lines: Lines, line: str) -> str:
    found: list[str] = []
    while _BLOCK not in line:
        found.append(line)
        try:
            line = lines.ask(_MORE)
        except EOFError:
            return "\n".join(found).strip("\n")
    return "\n".join([*found, line[: line.index(_BLOCK)]]).strip("\n")


class Typed:
    """Lines that are typed in a terminal, with their history in memory.

    Args:
        complete: The line as far as the cursor → the words that its last one may become.
    """

    def __init__(self, complete: Callable[[str], Sequence[str]]) -> None:
        self._complete = complete
        self._found: Sequence[str] = ()
        self._own = sys.stdout.isatty()
        if self._own:
            self._set_up()

    def ask(self, prompt: str) -> str:
        """The next line, or several that were pasted.

        Raises:
            EOFError: Ctrl-D.
            KeyboardInterrupt: Ctrl-C.
        """
        while self._own:
            try:
                return input(_coloured(prompt))
            except UnicodeDecodeError:
                tell("what was typed is no text in the encoding of this terminal")
        print(prompt, end="", file=sys.stderr, flush=True)  # standard output has the answers alone
        if not (line := sys.stdin.readline()):
            raise EOFError
        return line.rstrip("\r\n")

    def _set_up(self) -> None:
        try:
            import readline  # noqa: PLC0415 - not everywhere
        except ImportError:
            return
        self._readline = readline
        readline.set_completer_delims(" \t\n")
        readline.set_completer(self._option)
        if "libedit" in (readline.__doc__ or ""):
            readline.parse_and_bind("bind ^I rl_complete")
            return
        for setting in _SETTINGS:
            readline.parse_and_bind(setting)

    def _option(self, _: str, number: int) -> str | None:
        """The so-many-th word, as readline asks for them."""
        if number == 0:
            line = self._readline.get_line_buffer()[: self._readline.get_endidx()]
            self._found = self._complete(line)
        return self._found[number] if number < len(self._found) else None


class Piped:
    """The lines of a file, or of another program."""

    def __init__(self, file: TextIO) -> None:
        # Not its text: in some locales Python lets through what is none.
        binary = getattr(file, "buffer", None)
        self._file = file if binary is None else io.TextIOWrapper(binary, encoding="utf-8-sig")

    def ask(self, _: str) -> str:
        """The next line.

        Raises:
            EOFError: There is none.
            ConfigurationError: It is no text.
        """
        try:
            line = self._file.readline()
        except UnicodeDecodeError:
            raise ConfigurationError("standard input is no text") from None
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


def _coloured(prompt: str) -> str:
    """So that one sees where a question begins; readline is told what takes no room."""
    if not styled():
        return prompt
    return f"\001\033[1;36m\002{prompt}\001\033[0m\002"
