"""The functions that ``--tool`` names, and the question whether a call of one may be run."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from llmkit.messages import ToolCall
    from llmkit.tools import Tool

_FORM: Final = "write module:function, as in tools:weather for weather of ./tools.py"
_REFUSED: Final = "the user did not allow this call"
_SEEN_AT_ONCE: Final = 300  # letters
_TERMINAL: Final = "/dev/tty"


def add_tools(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_ = parser.add_argument
    add_("--tool", action="append", metavar="MODULE:FUNCTION", help="a Python function that the model may call")
    add_("-y", "--yes", action="store_true", help="run the tools that the model calls without asking you")


def tools_of(names: Sequence[str]) -> "list[Tool[..., Any]]":
    """The functions that are named, as tools; modules are looked for where one stands, too.

    Raises:
        ConfigurationError: There is no such function, or no model could call it.
    """
    here = os.getcwd()  # noqa: PTH109 - an entry of sys.path
    if here not in sys.path:
        sys.path.insert(0, here)
    return [_tool(name) for name in names]


def _tool(name: str) -> "Tool[..., Any]":
    from llmkit.tools import Tool, tool  # noqa: PLC0415 - with all of llmkit, which --help needs not

    module, _, path = name.partition(":")
    if not module or not path:
        raise ConfigurationError(f"tool: {name!r:.100} is no function: {_FORM}")
    found: Any = _imported(module)
    for step in path.split("."):
        if not hasattr(found, step):
            raise ConfigurationError(f"tool: {module} has no {path}")
        found = getattr(found, step)
    if not isinstance(found, Tool) and not callable(found):
        raise ConfigurationError(f"tool: {name} is no function, but {type(found).__name__}")
    made: Tool[..., Any] = tool(found)
    return made


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            hint = f": {_FORM}" if name.endswith(".py") or os.sep in name else ", neither here nor installed"
            raise ConfigurationError(f"tool: there is no module {name}{hint}") from error
        raise ConfigurationError(f"tool: {name} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # whatever a module does, also one that is a command of its own
        raise ConfigurationError(f"tool: {name} cannot be imported: {type(error).__name__}: {error}") from error


class Approval:
    """Asks the user on the terminal whether a call may be run: for `Client.chat` as its `approve`.

    Args:
        yes: Whether nobody is asked.
        paused: Leaves the terminal to the question.

    Raises:
        ConfigurationError: There is nobody to ask.
    """

    def __init__(self, *, yes: bool, paused: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self.paused = paused
        self._yes = yes
        if not yes and not _somebody():
            raise ConfigurationError(
                "tool: there is no terminal to ask on before a tool is run: pass --yes to allow all"
            )

    def __call__(self, call: "ToolCall") -> bool | str:
        """Whether it may be run; else what the model is told."""
        if self._yes:
            return True
        with self.paused(), _terminal() as terminal:
            _forget_typed(terminal)
            print(f"{_question(called(call))} [y]es, [a]ll, [N]o: ", end="", file=sys.stderr, flush=True)
            answer = terminal.readline()
            if not answer:
                print(file=sys.stderr)
        word = answer.strip().lower()
        self._yes = word in ("a", "all")
        return True if self._yes or word in ("y", "yes") else _REFUSED


def called(call: "ToolCall") -> str:
    """A call in one line, as it would be written in Python, with nothing that steers a terminal."""
    from llmkit.display.calls import written  # noqa: PLC0415 - as above

    return written(call)


def _question(call: str) -> str:
    """What is asked; below a long call its name stands again, as the call may hold what looks like another question."""
    if len(call) <= _SEEN_AT_ONCE:
        return f"Run {call}?"
    return f"Run {call}?\nThat is {call.partition('(')[0]}, with the {len(call):,} letters above. Run it?"


def _forget_typed(terminal: TextIO) -> None:
    """What was typed before the question was seen is no answer to it."""
    try:
        import termios  # noqa: PLC0415 - not everywhere
    except ImportError:
        return
    with suppress(OSError, termios.error):  # it is no terminal, as where there is none
        termios.tcflush(terminal.fileno(), termios.TCIFLUSH)


def _somebody() -> bool:
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    return _is_terminal(sys.stdin) or os.access(_TERMINAL, os.R_OK)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """Where the user types, also while standard input is something else."""
    if _is_terminal(sys.stdin):
        yield sys.stdin
        return
    terminal: TextIO
    try:
        terminal = open(_TERMINAL, encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115 - a device; closed below
    except OSError:  # the process has none, and nobody allows anything
        terminal = io.StringIO()
    with terminal:
        yield terminal
