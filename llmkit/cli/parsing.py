"""How commands are declared; and parsers whose errors do not repeat what was passed: it may be a key."""

import argparse
import difflib
import re
from typing import Any, NoReturn


def about(text: str, *examples: str) -> dict[str, Any]:
    """What argparse is told of a command.

    Args:
        text: What it does, in a few words.
        examples: Lines for a shell; a test runs them.
    """
    return {
        "allow_abbrev": False,
        "help": text,
        "description": f"{text[:1].upper()}{text[1:]}.",
        "epilog": "\n  ".join(["examples:", *examples]),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def add_commands(
    parser: argparse.ArgumentParser, **settings: Any
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Declare that there are commands below; without one, the help is shown, as pip does, and nothing is wrong."""

    def greet(_: argparse.Namespace) -> int:
        parser.print_help()
        return 0

    parser.set_defaults(run=greet)
    return parser.add_subparsers(title="commands", metavar="COMMAND", **settings)


class Help(argparse.RawDescriptionHelpFormatter):
    """As argparse has it, with room for the names of commands, whose indentation it does not count."""

    def add_argument(self, action: argparse.Action) -> None:
        """Take an option, an argument or the commands into what is shown."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other name for it
            self._action_max_length += self._indent_increment


class Parser(argparse.ArgumentParser):
    """As argparse has them; where a word in the place of a command is none, it is not repeated if it is long.

    Attributes:
        hint: What to do where a word is none of those that there are, and like none of them either.
    """

    hint = ""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and exit."""
        what, wrong, known = message.partition(": invalid choice: ")
        if not wrong:
            super().error(message)
        said, _, choices = known.rpartition(" (choose from ")
        near = difflib.get_close_matches(said.strip("'"), re.findall(r"[\w-]+", choices), 1)
        hint = f": did you mean {near[0]}?" if near else self.hint
        super().error(f"{what}{wrong}{said if len(said) <= _SHOWN else 'not shown'} (choose from {choices}{hint}")


class Reticent(Parser):
    """One for a command that no key may be passed to, which people try all the same."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it; but what is not known ends here, before it comes to who would repeat it."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(
                "a key is no argument, as the shell would keep it and others could see it; leave it out, and it is "
                "asked for. If it was real, take it for known"
            )
        return found, unknown


_SHOWN = 24
