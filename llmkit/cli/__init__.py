"""The command `llmkit`. Each subcommand is declared by the `add` of a module, which names the function that runs it.

How it ends, and with which exit code, is `llmkit.cli.failures`'s.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from llmkit import __version__
from llmkit.cli import ask, bulk, chat, completion, demo, hosts, keys, models
from llmkit.cli.failures import FAILED, INTERRUPTED, UNREAD, WRONG, add_debug, debugging, report, table
from llmkit.cli.output import tell
from llmkit.cli.parsing import Help, Parser, add_commands
from llmkit.errors import LLMKitError

_COMMANDS: Final = (ask, chat, bulk, demo, models, hosts, keys, completion)
_HINT: Final = """: a question is asked by llmkit ask "Why is the sky blue?", and llmkit --help has the rest"""
_EPILOG: Final = """\
exit codes:
{table}

"llmkit COMMAND --help" has more of these.

examples:
  llmkit demo
  llmkit ask "Why is the sky blue?"
  llmkit chat -p openai"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Its arguments, without its name; None for those of the process.

    Returns:
        The exit code.
    """
    if sys.stdout is None:  # closed by the shell: what is answered goes nowhere
        sys.stdout = _nowhere()
    if sys.stderr is None:  # likewise; else `print` would take what is told for an answer
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal cannot show must not stop the rest
    try:
        arguments = command_line().parse_args(argv)
    except SystemExit as exc:  # argparse has said what there was to say
        return exc.code if isinstance(exc.code, int) else WRONG
    return _guarded(arguments)


def _guarded(arguments: argparse.Namespace) -> int:
    debug = getattr(arguments, "debug", False)
    try:
        with debugging(wanted=debug):
            code: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return UNREAD
    except OSError as error:  # of the output: a full disk
        tell(f"the answer cannot be written: {error.strerror or error}")
        _discard_output()
        return FAILED
    except LLMKitError as error:
        return report(error, debug=debug)
    return code


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - as long as the process


def _discard_output() -> None:
    """Keep Python from complaining, as it exits, that the rest cannot be written."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path is dealt with
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def command_line() -> argparse.ArgumentParser:
    """All that can be said to the command."""
    parser = Parser(
        prog="llmkit",
        description="Talk to language models.",
        epilog=_EPILOG.format(table=table()),
        allow_abbrev=False,
        formatter_class=Help,
    )
    parser.hint = _HINT
    parser.add_argument("--version", action="version", version=f"llmkit {__version__}")
    commands = add_commands(parser)
    for command in _COMMANDS:
        command.add(commands)
    add_debug(parser)
    return parser
