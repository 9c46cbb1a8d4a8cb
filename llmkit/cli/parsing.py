"""How commands are declared; and parsers whose errors do not repeat what was passed: it may be a key."""

import argparse
from typing import Any


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


class Parser(argparse.ArgumentParser):
    """As argparse has them; where a word in the place of a command is none, it is not repeated if it is long."""

    def error(self, message: str) -> Any:
        """Tell what is wrong, and exit."""
        what, wrong, known = message.partition(": invalid choice: ")
        before, _, choices = known.rpartition(" (choose from ")
        super().error(f"{what}{wrong}not shown (choose from {choices}" if len(before) > _SHOWN else message)


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
