"""``llmkit chat``: a conversation that goes on until one leaves."""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.failures import report
from llmkit.cli.functions import Approval, add_tools, tools_of
from llmkit.cli.interrupts import Interrupts
from llmkit.cli.options import add_how, add_showing, add_who, client_of, options_of
from llmkit.cli.output import aside, show, tell, whisper
from llmkit.cli.screen import Screen, remark
from llmkit.errors import ConfigurationError, LLMKitError, StreamClosedError

if TYPE_CHECKING:
    from pathlib import Path

    from llmkit.cli.lines import Lines
    from llmkit.cli.session import Session
    from llmkit.client import Client
    from llmkit.response import Response
    from llmkit.stream import Stream

_DESCRIPTION: Final = """\
Talk with a model. The conversation goes on until you leave, by Ctrl-D; Ctrl-C
stops an answer, and keeps what has come of it. Lines that begin with / are
commands, which /help lists; the Tab key completes them. Where standard input is
no terminal, each of its lines is a question."""
_EXAMPLES: Final = """\
examples:
  llmkit chat
  llmkit chat -p openai -s "Answer in one sentence."
  llmkit chat -c
  llmkit chat --tool tools:weather --yes
  llmkit chat talk.json
  printf 'Name a city.\\nWhy that one?\\n' | llmkit chat -p gemini"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "chat",
        allow_abbrev=False,
        help="talk with a model",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_ = parser.add_argument
    add_("file", nargs="?", metavar="FILE", help="a conversation to go on with, as /save writes it")
    add_who(parser)
    add_("-a", "--attach", action="append", default=[], metavar="FILE", help="for the first question; see /attach")
    add_(
        "-c", "--continue", dest="kept", action="store_true", help="go on with the last one that was kept, and keep it"
    )
    add_tools(parser)
    add_showing(parser)
    add_how(parser)


def run(arguments: argparse.Namespace) -> int:
    """Talk.

    Raises:
        LLMKitError: As `Client.stream`, where no terminal is there to ask again.
    """
    from llmkit.cli.commands import completed  # noqa: PLC0415 - with all of llmkit, which --help needs not
    from llmkit.cli.lines import Piped, Typed  # noqa: PLC0415

    def client(name: str, **more: Any) -> "Client":
        return client_of(argparse.Namespace(**{**vars(arguments), "provider": name}), **more)

    if sys.stdin is None or sys.stdin.closed:
        raise ConfigurationError("standard input is closed: nobody asks anything")
    screen, interrupts = Screen(plain=arguments.plain, thinking=arguments.thinking), Interrupts()
    options: dict[str, Any] = {**options_of(arguments)}
    hooks: dict[str, Any] = {}
    if arguments.tool:
        with aside():
            options["tools"] = tools_of(arguments.tool)
        hooks["approve"] = Approval(yes=arguments.yes, paused=lambda: _asking(screen, interrupts))
    typed = sys.stdin.isatty()
    lines = Typed(completed) if typed else Piped(sys.stdin)
    with (
        interrupts if typed else nullcontext(),
        closing(_session(client, arguments, options, hooks)) as session,
        _warnings_in_a_line(),
        aside(),
    ):
        for place in arguments.attach:
            session.attach(place)
        _Talk(arguments, session, lines, screen, interrupts, typed=typed).go_on()
    return 0


@contextmanager
def _asking(screen: Screen, interrupts: Interrupts) -> Iterator[None]:
    """The terminal is left to a question amid an answer."""
    with screen.paused(), interrupts.breaking_in():
        yield


def _session(
    clients: "Callable[..., Client]", arguments: argparse.Namespace, options: dict[str, Any], hooks: dict[str, Any]
) -> "Session":
    """A new one, or one that goes on with what is kept.

    Raises:
        ConfigurationError: Two are named, or one that is not there, or is none.
    """
    from llmkit.cli import conversations  # noqa: PLC0415 - with those above
    from llmkit.cli.session import Session  # noqa: PLC0415 - likewise

    if not arguments.kept:
        return Session(clients, arguments.provider, options, hooks, _file(arguments))
    if arguments.file is not None:
        raise ConfigurationError("-c goes on with the last conversation that was kept: leave FILE out")
    with conversations.named(last := conversations.last()):
        return Session(clients, arguments.provider, options, hooks, last or ())


def _file(arguments: argparse.Namespace) -> "Path | tuple[()]":
    """The conversation that is named."""
    from pathlib import Path  # noqa: PLC0415 - with those above

    if arguments.file is None:
        return ()
    if not (path := Path(arguments.file)).exists():
        raise ConfigurationError(
            f"{arguments.file!r} is no file: llmkit chat takes one that /save wrote, and llmkit ask a question"
        )
    return path


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: tell(str(message))
        yield


class _Talk:
    """Line after line, until there is none.

    Args:
        arguments: Those of the command.
        session: The conversation.
        lines: What the user says.
        screen: Shows the answers.
        interrupts: What Ctrl-C does; where nobody types it is left to end the program.
        typed: Whether a person sits there, who sees what went wrong and asks again.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        session: "Session",
        lines: "Lines",
        screen: Screen,
        interrupts: Interrupts,
        *,
        typed: bool,
    ) -> None:
        self._session = session
        self._lines = lines
        self._screen = screen
        self._interrupts = interrupts
        self._typed = typed
        self._debug = getattr(arguments, "debug", False)
        self._keeps: bool = arguments.kept
        self._kept = session.messages

    def go_on(self) -> None:
        """Until the end.

        Raises:
            LLMKitError: What failed, where nobody can ask again.
            KeyboardInterrupt: Likewise.
        """
        from llmkit.cli.lines import said  # noqa: PLC0415 - as above

        self._greet()
        line: str | None = ""
        while line is not None:
            try:
                with self._interrupts.breaking_in():
                    line = said(self._lines)
                if line is None or not self._take(line):
                    break
                self._keep()
            except KeyboardInterrupt:
                if not self._typed:
                    raise
                whisper("")  # below what was being typed
        if line is None and self._typed:
            whisper("")

    def _greet(self) -> None:
        if self._typed:
            whisper(f"{self._session.model} answers; /help lists what there is, Ctrl-D leaves")
            if count := len(self._session.messages):
                whisper(f"it goes on from {count} messages, which /history shows")

    def _take(self, line: str) -> bool:
        """Do what a line wants; whether to go on."""
        from llmkit.cli.commands import MARK, obey  # noqa: PLC0415 - as above

        if not line.startswith(MARK) or line.startswith(MARK * 2):
            if question := line.removeprefix(MARK).strip():
                self._answer(lambda: self._session.ask(question))
            return True
        try:
            with self._interrupts.breaking_in():
                outcome = obey(self._session, line.removeprefix(MARK))
        except LLMKitError as error:
            self._failed(error)
            return True
        if isinstance(outcome, str):
            show(outcome)
        elif outcome is not None:
            self._answer(outcome)
        return outcome is not None

    def _answer(self, begin: "Callable[[], Stream[Any]]") -> None:
        """Ask, and show what comes."""
        stream: Stream[Any] | None = None

        def begun() -> "Stream[Any]":
            nonlocal stream
            with self._interrupts.breaking_in():
                stream = begin()
            shown.enter_context(self._interrupts.closing(stream))
            return stream

        try:
            with ExitStack() as shown:
                self._screen.ask(begun)
        except (KeyboardInterrupt, StreamClosedError):
            if not self._typed:
                raise
            self._stopped(stream)
        except LLMKitError as error:
            self._session.refused(error)
            self._failed(error)
            if self._session.failed:
                whisper("nothing is kept of it; /retry asks again")
        else:
            self._session.answered()
            assert stream is not None  # noqa: S101 - it was shown
            self._answered(stream.collect())

    def _keep(self) -> None:
        """Where that was asked for, after each change; an empty conversation takes no other one's place."""
        said = self._session.messages
        if self._keeps and said and said != self._kept:
            self._kept = said
            try:
                self._session.keep()
            except LLMKitError as error:
                self._failed(error)

    def _answered(self, response: "Response[Any]") -> None:
        from llmkit.cli.commands import billed  # noqa: PLC0415 - as above
        from llmkit.cli.session import Bill  # noqa: PLC0415

        remark(response)
        if self._typed:
            whisper(f"{response.model}: {billed(Bill(response.usage, response.cost))}\n")

    def _stopped(self, stream: "Stream[Any] | None") -> None:
        kept = stream is not None and self._session.stopped(stream)
        whisper(
            "stopped: what has come is kept; /undo forgets it, /retry asks again"
            if kept
            else "stopped: nothing has come, and nothing is kept; /retry asks again"
        )

    def _failed(self, error: LLMKitError) -> None:
        """Say so.

        Raises:
            LLMKitError: It, where nobody can do anything about it.
        """
        if not self._typed:
            raise error
        report(error, debug=self._debug)
