"""The line of ``%%llm`` and ``%llm``: options, who is asked, and of ``%llm`` what.

``%llm [who] [options] [what is asked]``: options stand before the question, which is the rest of the line as it stands,
so that it may hold quotes and apostrophes.
"""

import argparse
import re
import shlex
from collections.abc import Callable
from typing import Any, Final, NoReturn

from attrs import frozen

from llmkit.errors import ConfigurationError

# A word as a shell has it: letters and what stands in quotes, in a row.
_WORD: Final = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+)(?=\s|$)""")
_LEVELS: Final = "none, minimal, low, medium, high, xhigh, max, or a number of tokens"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"%llm: {message}; %llm --help tells what there is")


@frozen
class Line:
    """What the line says.

    Attributes:
        who: Whom it names; None for nobody.
        options: Its options, as the parser has them.
        prompt: The rest of it; "" where nothing is left.
    """

    who: str | None
    options: argparse.Namespace
    prompt: str

    @property
    def said(self) -> dict[str, Any]:
        """Those of its options that it names."""
        return {name: value for name, value in vars(self.options).items() if value != _PARSER.get_default(name)}


def parser() -> argparse.ArgumentParser:
    """The options of both magics."""
    found = _Parser(
        prog="%%llm",
        usage="%(prog)s [who] [options], and below it what is asked\n       %%llm [who] [options] what is asked",
        add_help=False,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add = found.add_argument
    add("-m", "--model", help="which model answers")
    add("-s", "--system", help="instructions")
    add("-o", "--output", metavar="NAME", help="the variable that the answer is kept in, beside _llm")
    add("-c", "--chat", metavar="NAME", help="the variable with the chat that goes on; a new one where there is none")
    add("-a", "--attach", action="append", default=[], metavar="FILE", help="a path, a URL, or {variable}; repeatable")
    add("-t", "--tool", action="append", default=[], metavar="NAME", help="a function that may be called; repeatable")
    add("--type", metavar="TYPE", help="what the answer is to be, as in City or list[str]: answer.output")
    add("--max-tokens", type=int, metavar="N", help="tokens of the answer, at most")
    add("--temperature", type=float, metavar="T", help="how freely words are chosen")
    add("--reasoning", type=_reasoning, metavar="HOW", help=f"how much is thought first: {_LEVELS}")
    add("--timeout", type=float, metavar="SECONDS", help="how long to wait for anything at all")
    add("--raw", action="store_true", help="send the text as it stands, braces and all")
    add("-q", "--quiet", action="store_true", help="keep the answer and show nothing")
    add("-h", "--help", action="store_true", help="show this")
    return found


def parsed(line: str, names_somebody: Callable[[str], bool]) -> Line:
    """What `line` says.

    Args:
        line: What stands behind ``%llm`` or ``%%llm``.
        names_somebody: Whether a word is the name of who may be asked.

    Raises:
        ConfigurationError: An option is unknown or wrong.
    """
    words: list[str] = []
    who, at, wants = None, 0, False
    while (match := _WORD.match(line, at)) is not None:
        word = _unquoted(match[1])
        if wants or _is_option(match[1]):
            words.append(word)
            wants = not wants and word in _VALUED
        elif who is None and match[1] == word and names_somebody(word):
            who = word
        else:
            break
        at = match.end()
    return Line(who, _PARSER.parse_args(words), _question(line[at:].strip()))


def _reasoning(text: str) -> "int | str":
    return int(text) if text.isdecimal() else text


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not word[1].isdigit()


def _unquoted(word: str) -> str:
    """A word without its quotes. A backslash outside of them is one, as in paths."""
    return "".join(shlex.split(word.replace("\\", "\\\\") if '"' not in word else word))


def _question(text: str) -> str:
    """The question; one that stands in quotes as a whole, without them."""
    match = _WORD.fullmatch(text)
    return _unquoted(text) if match is not None and text[:1] in ("'", '"') else text


_DESCRIPTION: Final = """\
Ask a model what stands in the cell, and show the answer as it arrives.

{name} in the text is what the notebook has under that name: texts, numbers
and objects as str.format writes them, a DataFrame as a table, an answer as
its text, an image, a figure or a sound as itself. {{ and }} are braces.

who: a provider, provider:model, or a variable that holds a Client."""
_EPILOG: Final = """\
%llm without a question: what it says holds for all that follow, until the
next such line.

examples:
  %llm anthropic:claude-sonnet-5 --system "Answer in one sentence."
  %llm Why is the sky blue?
  %%llm openai -o answer -a photo.jpg
  %%llm --chat interview --tool weather"""
_PARSER: Final = parser()
_VALUED: Final = frozenset(
    name
    for action in _PARSER._actions  # noqa: SLF001 - argparse tells it nowhere else
    if action.nargs != 0
    for name in action.option_strings
)
