"""``llmkit ask``: one question, and its answer as it arrives."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.functions import Approval, add_tools, tools_of
from llmkit.cli.json_lines import JsonLines, print_value
from llmkit.cli.options import add_how, add_showing, add_who, client_of, options_of
from llmkit.cli.output import aside, tell
from llmkit.cli.screen import Screen, remark
from llmkit.errors import ConfigurationError, LLMKitError

if TYPE_CHECKING:
    from llmkit.chat import Chat
    from llmkit.client import Client
    from llmkit.request import Options
    from llmkit.response import Response

STANDARD_INPUT: Final = "-"
_DESCRIPTION: Final = """\
Ask a model, and show its answer as it arrives: as Markdown in a terminal (with
llmkit[cli]), as it is elsewhere. Standard input, if it is no terminal, is put
behind the prompt."""
_EXAMPLES: Final = """\
examples:
  llmkit ask "Why is the sky blue?"
  llmkit ask -a photo.jpg "What is this?"
  git diff | llmkit ask -s "You review code." "What is wrong with this?"
  pdftotext paper.pdf - | llmkit ask "Three sentences about this:"
  curl -s https://example.org/photo.jpg | llmkit ask -a - "What is this?"
  llmkit ask -c "And at night?"
  llmkit ask --schema '{"type": "array", "items": {"type": "string"}}' "Three towns of Norway?"
  llmkit ask --tool calendar:month "Which day is 2030-01-01?"
  llmkit ask --json "Hi" | grep text_delta"""


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
    where = "a picture or document, as a path, an http(s) URL, or - for standard input; may be repeated"
    add_("-a", "--attach", action="append", metavar="FILE", help=where)
    text = "go on with the last conversation that was kept, and keep it"
    add_("-c", "--continue", dest="kept", action="store_true", help=text)
    add_("--new", action="store_true", help="keep a new conversation, in the place of the last one")
    add_("--schema", metavar="JSON", help="answer with JSON that fits a JSON Schema: a file of one, or itself")
    add_tools(parser)
    add_how(parser)
    add_("--json", action="store_true", help="print the events of the answer, each a line of JSON, and the errors")
    add_showing(parser)
    add_("--no-stream", action="store_true", help="wait for the whole answer")
    add_("-v", "--verbose", action="store_true", help="tell the usage and why the answer ended, on standard error")


def run(arguments: argparse.Namespace) -> int:
    """Ask.

    Raises:
        LLMKitError: As `Client.stream`.
    """
    sink = JsonLines() if arguments.json else Screen(plain=arguments.plain, thinking=arguments.thinking)
    try:
        with aside():
            response = _asked(arguments, sink)
        output = None if arguments.schema is None else response.output
    except LLMKitError as error:
        if isinstance(sink, JsonLines):
            sink.failed(error)
        raise
    if isinstance(sink, JsonLines):
        sink.ended(response, output)
    elif arguments.schema is not None:
        print_value(output)
    remark(response)
    if arguments.verbose:
        _report(response)
    return 0


def _asked(arguments: argparse.Namespace, sink: "JsonLines | Screen") -> "Response[Any]":
    """The answer, shown while it arrives, but where it is to fit a schema."""
    schema = None if arguments.schema is None else _schema(arguments.schema)
    prompt, media = _prompt(arguments.prompt, arguments.attach or ())
    whole = arguments.no_stream or (schema is not None and not arguments.json)
    keeps = arguments.kept or arguments.new
    with client_of(arguments) as client:
        chat = _chat(client, arguments, sink, keeps=keeps) if keeps or arguments.tool else None
        options: Options = {"media": media} if chat is not None else {**options_of(arguments), "media": media}
        if whole:
            response = (client.complete if chat is None else chat.send)(prompt, output_type=schema, **options)
            if schema is None:
                sink.show_whole(response)
        else:
            begin = client.stream if chat is None else chat.stream
            stream = sink.ask(lambda: begin(prompt, output_type=schema, **options))
            response = stream.collect()
        if keeps and chat is not None:
            from llmkit.cli import conversations  # noqa: PLC0415 - only where it was asked for

            conversations.keep(chat)
        return response


def _chat(client: "Client", arguments: argparse.Namespace, sink: "JsonLines | Screen", *, keeps: bool) -> "Chat":
    """The conversation that is gone on with, or a new one."""
    from llmkit.messages import Message, SystemMessage  # noqa: PLC0415 - with all of llmkit, which --help needs not

    options = options_of(arguments)
    if arguments.tool:
        options["tools"] = tools_of(arguments.tool)
    approve = Approval(yes=arguments.yes, paused=sink.paused) if arguments.tool else None
    if keeps:
        from llmkit.cli import conversations  # noqa: PLC0415 - only where it was asked for

        kept = None if arguments.new else conversations.last()
        history: Path | list[Message] = kept or []
        if kept is None and arguments.system is not None:
            options.pop("system")
            history = [SystemMessage(arguments.system)]  # said once, and kept
        with conversations.named(kept):
            return client.chat(history=history, approve=approve, **options)
    return client.chat(approve=approve, **options)


def _schema(text: str) -> dict[str, Any]:
    """The JSON Schema that is said, or that a file holds.

    Raises:
        ConfigurationError: There is none.
    """
    inline = text.lstrip().startswith("{")
    where = "schema" if inline else f"schema: {text}"
    try:
        found = json.loads(text if inline else Path(text).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{where}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where}: it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{where}: expected a JSON object")
    return found


def _prompt(words: list[str], attached: Sequence[str]) -> "tuple[str, list[str | bytes]]":
    """What is asked, and what goes with it.

    Raises:
        ConfigurationError: Nothing is asked, or standard input is not what it is taken for.
    """
    media: list[str | bytes] = [*attached]
    pieces = [" ".join(words)]
    if (times := attached.count(STANDARD_INPUT)) > 1:
        raise ConfigurationError("attach: standard input can be attached once")
    data = _input()
    if times:
        if data is None:
            raise ConfigurationError("attach: nothing comes by standard input, which -a - would attach")
        media[attached.index(STANDARD_INPUT)] = data
    elif data is not None:
        pieces.append(_decoded(data))
    prompt = "\n\n".join(piece for piece in pieces if piece.strip())
    if not prompt:
        raise ConfigurationError('nothing is asked: pass a prompt, as in llmkit ask "Why is the sky blue?"')
    return prompt, media


def _input() -> bytes | None:
    """Standard input, if something other than a terminal stands behind it."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return None
    # Not its text: in some locales Python lets through what is none.
    binary = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read().encode() if binary is None else binary.read()


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("standard input is no text; attach files with -a, or itself with -a -") from None


def _report(response: "Response[Any]") -> None:
    usage, reason = response.usage, response.finish_reason
    raw = f" ({reason.raw})" if reason.raw else ""
    tell(f"{response.provider}, {response.model}: {reason.reason}{raw}")
    cached = f", {usage.cache_read_tokens} of them cached" if usage.cache_read_tokens else ""
    thought = f", {usage.reasoning_tokens} of them reasoning" if usage.reasoning_tokens else ""
    tell(f"{usage.input_tokens} tokens read{cached}; {usage.output_tokens} written{thought}")
