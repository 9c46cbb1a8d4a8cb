"""``llmkit ask``: one question, and its answer as it arrives."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.options import add_how, add_who, client_of, options_of
from llmkit.cli.output import Answer, tell
from llmkit.cli.screen import remark
from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from llmkit.client import Client
    from llmkit.request import Options
    from llmkit.response import Response

_DESCRIPTION: Final = """\
Ask a model, and show its answer as it arrives. Standard input, if it is no
terminal, is put behind the prompt."""
_EXAMPLES: Final = """\
examples:
  llmkit ask "Why is the sky blue?"
  llmkit ask -a photo.jpg What is this?
  git diff | llmkit ask -s "You review code." What is wrong with this?"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "ask",
        allow_abbrev=False,
        help="ask a model",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_ = parser.add_argument
    add_("prompt", nargs="*", metavar="PROMPT", help="what to ask; words are joined")
    add_who(parser)
    add_("-a", "--attach", action="append", metavar="FILE", help="a picture or document, as a path or an http(s) URL")
    add_how(parser)
    add_("--no-stream", action="store_true", help="wait for the whole answer")
    add_("-v", "--verbose", action="store_true", help="tell the usage and why the answer ended, on standard error")


def run(arguments: argparse.Namespace) -> int:
    """Ask.

    Raises:
        LLMKitError: As `Client.stream`.
    """
    prompt = _prompt(arguments.prompt)
    options: Options = {**options_of(arguments), "media": arguments.attach}
    with client_of(arguments) as client:
        response = _answered(client, prompt, options, stream=not arguments.no_stream)
    remark(response)
    if arguments.verbose:
        _report(response)
    return 0


def _prompt(words: list[str]) -> str:
    pieces = [" ".join(words), _input()]
    prompt = "\n\n".join(piece for piece in pieces if piece.strip())
    if not prompt:
        raise ConfigurationError('nothing is asked: pass a prompt, as in llmkit ask "Why is the sky blue?"')
    return prompt


def _input() -> str:
    """Standard input, if something other than a terminal stands behind it."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    # Not its text: in some locales Python lets through what is none.
    binary = getattr(sys.stdin, "buffer", None)
    try:
        return sys.stdin.read() if binary is None else binary.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("standard input is no text; attach files with -a") from None


def _answered(client: "Client", prompt: str, options: "Options", *, stream: bool) -> "Response[Any]":
    if not stream:
        response = client.complete(prompt, **options)
        with Answer() as answer:
            answer.write(response.text)
        return response
    with client.stream(prompt, **options) as received, Answer() as answer:
        for text in received.text_deltas():
            answer.write(text)
    return received.collect()


def _report(response: "Response[Any]") -> None:
    usage, reason = response.usage, response.finish_reason
    raw = f" ({reason.raw})" if reason.raw else ""
    tell(f"{response.provider}, {response.model}: {reason.reason}{raw}")
    cached = f", {usage.cache_read_tokens} of them cached" if usage.cache_read_tokens else ""
    thought = f", {usage.reasoning_tokens} of them reasoning" if usage.reasoning_tokens else ""
    tell(f"{usage.input_tokens} tokens read{cached}; {usage.output_tokens} written{thought}")
