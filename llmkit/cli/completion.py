"""``llmkit completion``: what makes a shell complete the command's words when Tab is pressed.

The script is shtab's, made of the very parsers; it asks no Python while one types.
"""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHELLS: Final = ("bash", "zsh", "fish")
_DESCRIPTION: Final = """\
Print what makes a shell complete llmkit's commands, options, providers and
files. Print it anew after an update."""
_EXAMPLES: Final = """\
Once for all, in ~/.bashrc: eval "$(llmkit completion bash)"

examples:
  source <(llmkit completion bash)
  llmkit completion zsh > _llmkit  # in a folder of $fpath
  llmkit completion fish > llmkit.fish  # in ~/.config/fish/completions"""
_PROVIDERS: Final = ("provider", "name")  # arguments that take one


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "completion",
        allow_abbrev=False,
        help="make a shell complete llmkit's words",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("shell", choices=_SHELLS, help="which")


def run(arguments: argparse.Namespace) -> int:
    """Print it.

    Raises:
        ConfigurationError: shtab is not installed.
    """
    try:
        import shtab  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError("completion needs shtab: pip install 'llmkit[cli]'") from error
    from llmkit.cli import command_line  # noqa: PLC0415 - which imports this module
    from llmkit.provider import providers  # noqa: PLC0415 - which --help needs not

    parser = command_line()
    names = [row.name for row in providers()]
    for action in _actions(parser):
        _tell_what_fits(action, names, shtab.FILE)
    _in_short(parser)
    print(shtab.complete(parser, arguments.shell))
    return 0


def _tell_what_fits(action: Any, names: "Sequence[str]", files: Any) -> None:
    if action.dest in _PROVIDERS:
        action.choices = names
    elif isinstance(action.metavar, str) and "FILE" in action.metavar:
        action.complete = files


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for below in action.choices.values():
                yield from _actions(below)


def _in_short(parser: argparse.ArgumentParser) -> None:
    """Describe commands by what the list of them says, of which shells show a line."""
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for listed in action._choices_actions:  # noqa: SLF001 - likewise
                action.choices[listed.dest].description = listed.help
