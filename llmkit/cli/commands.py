"""What a user tells a session in a line that begins with ``/``."""

import json
import os
import shlex
from collections.abc import Callable, Sequence
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from llmkit.cli.session import Bill, Session
from llmkit.errors import ConfigurationError
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import AssistantMessage, Message, Part, Refusal, Text, ToolCall, ToolResult
from llmkit.provider import providers

if TYPE_CHECKING:
    from llmkit.stream import Stream

MARK: Final = "/"
_NONE: Final = "-"
_SHORT: Final = 60
_LEAST: Final = Decimal("0.0001")
_KEYS: Final = """\
A line that ends in \\ goes on in the next; so does one after Alt-Enter. \"""
begins a text of many lines, and \""" ends it. Ctrl-C stops an answer.
To say a line that begins with /, begin it with //."""

Outcome: TypeAlias = "str | Callable[[], Stream[Any]] | None"
"""What is to be said; or what is to be asked; None to leave."""


@frozen
class Command:
    """One of them.

    Attributes:
        name: Without the mark.
        argument: What stands behind it, for people; "" where nothing does.
        about: What it does.
        run: Does it, as far as that is not left to who calls it.
        complete: The beginning of a word behind it → words.
    """

    name: str
    argument: str
    about: str
    run: Callable[[Session, str], Outcome]
    complete: Callable[[str], Sequence[str]] = lambda _: ()


def obey(session: Session, line: str) -> Outcome:
    """Do what `line`, without its mark, says.

    Raises:
        LLMKitError: It cannot be done.
    """
    name, _, argument = line.partition(" ")
    command = _BY_NAME.get(name)
    if command is None:
        near = get_close_matches(name, _BY_NAME, 1)
        hint = f"did you mean {MARK}{near[0]}?" if near else f"{MARK}help tells which there are"
        raise ConfigurationError(f"there is no command {MARK}{name:.24}: {hint} (to say it, begin with {MARK * 2})")
    argument = argument.strip()
    if argument and not command.argument:
        raise ConfigurationError(f"{MARK}{name} takes nothing behind it")
    return command.run(session, argument)


def completed(line: str) -> Sequence[str]:
    """What the last word of `line` may become."""
    if not line.startswith(MARK):
        return ()
    name, space, argument = line[1:].partition(" ")
    if not space:
        return [f"{MARK}{found} " for found in _BY_NAME if found.startswith(name)]
    command = _BY_NAME.get(name)
    return () if command is None else command.complete(argument.rpartition(" ")[2])


# ---- what they do ----------------------------------------------------------------------------------------------------


def _help(_: Session, __: str) -> str:
    rows = [(f"{MARK}{one.name} {one.argument}".rstrip(), one.about) for one in COMMANDS]
    width = max(len(row) for row, _ in rows)
    return "\n".join([*(f"{row.ljust(width)}  {about}" for row, about in rows), "", _KEYS])


def _model(session: Session, name: str) -> str:
    losses = session.go_to(name) if name else []
    said = [f"{session.model} answers"]
    if losses:
        kinds = sorted({loss.kind for loss in losses})
        said.append(f"it is not told all of the conversation: {', '.join(kinds)} ({len(losses)} places)")
    return "\n".join(said)


def _system(session: Session, text: str) -> str:
    if text:
        session.system = "" if text == _NONE else text
    return session.system or "there are no instructions"


def _attach(session: Session, places: str) -> str:
    for place in _words(places):
        session.attach(place)
    return _attached(session)


def _detach(session: Session, _: str) -> str:
    session.attached.clear()
    return _attached(session)


def _retry(session: Session, _: str) -> Outcome:
    return session.retry


def _undo(session: Session, _: str) -> str:
    return f"forgotten: {_in_short(session.undo())}"


def _new(session: Session, _: str) -> str:
    session.forget()
    return "a new conversation"


def _quit(_: Session, __: str) -> Outcome:
    return None


def _save(session: Session, names: str) -> str:
    if not session.messages:
        raise ConfigurationError("nothing was said that could be saved")
    if not names and session.place is None:
        return f"kept in {session.keep()}: llmkit chat -c goes on with it"
    path = session.place if not names else _file(names)
    assert path is not None  # noqa: S101 - it is kept elsewhere then
    if path != session.place and path.exists():
        raise ConfigurationError(f"{path} exists: choose another name")
    session.save(path)
    return f"saved: llmkit chat {shlex.quote(str(path))} goes on with it"


def _cost(session: Session, _: str) -> str:
    return billed(session.bill)


def _history(session: Session, _: str) -> str:
    return "\n".join(map(_told, session.messages)) or "nothing was said"


# ---- in words --------------------------------------------------------------------------------------------------------


def billed(bill: Bill) -> str:
    """What it has cost, in a line."""
    usage = bill.usage
    cached = f" ({usage.cache_read_tokens:,} of them cached)" if usage.cache_read_tokens else ""
    dollars = "" if not bill.cost else f"; {_dollars(bill.cost)}"
    stopped = f"; without what the {bill.stopped} stopped ones cost" if bill.stopped else ""
    return f"{usage.input_tokens:,} tokens read{cached}, {usage.output_tokens:,} written{dollars}{stopped}"


def _dollars(cost: Decimal) -> str:
    return f"${cost:.4f}" if cost >= _LEAST else f"less than ${_LEAST}"


def _attached(session: Session) -> str:
    if not session.attached:
        return "nothing is attached"
    return f"goes with the next question: {', '.join(map(_part, session.attached))}"


def _told(message: Message) -> str:
    mark = "" if isinstance(message, AssistantMessage) else "> "
    lines = "\n".join(filter(None, map(_part, message.content))).splitlines()
    return "\n".join(f"{mark}{line}".rstrip() for line in lines)


def _part(part: Part) -> str:
    match part:
        case Text(text=text) | Refusal(text=text):
            return text
        case Image() | Audio() | Video() | Document():
            size = "" if part.data is None else f", {len(part.data):,} bytes"
            return f"[{part.name or part.url or part.file_id or type(part).__name__.lower()}, {part.media_type}{size}]"
        case ToolCall(name=name, arguments=arguments):
            return f"[calls {name} {json.dumps(arguments, ensure_ascii=False)}]"
        case ToolResult(name=name, is_error=failed):
            return f"[{name} {'failed' if failed else 'answered'}]"
        case _:  # thoughts, and what only the provider can read
            return ""


def _in_short(message: Message) -> str:
    text = " ".join(_told(message).removeprefix("> ").split())
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


# ---- words behind them -----------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    """As a shell has them.

    Raises:
        ConfigurationError: A quote is missing.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"{text:.60}: {error}") from None


def _file(words: str) -> Path:
    """The one that is named.

    Raises:
        ConfigurationError: There are several.
    """
    names = _words(words)
    if len(names) != 1:
        raise ConfigurationError("one file is enough: put a name with blanks in quotes")
    return Path(names[0]).expanduser()


def _rows(word: str) -> Sequence[str]:
    return [f"{row.name}:" for row in providers() if row.name.startswith(word)]


def _files(word: str) -> Sequence[str]:
    """Paths; folders with what goes on in them."""
    above, name = os.path.split(word)
    try:
        found = sorted(Path(above or ".").expanduser().iterdir())
    except OSError:
        return ()
    fitting = [one for one in found if one.name.startswith(name) and (name or not one.name.startswith("."))]
    begun = word.removesuffix(name)
    return [f"{begun}{one.name}/" if one.is_dir() else f"{shlex.quote(begun + one.name)} " for one in fitting]


COMMANDS: Final[Sequence[Command]] = (
    Command("help", "", "this list", _help),
    Command("model", "[NAME]", "who answers, also as provider:model; without NAME, tell", _model, _rows),
    Command("system", "[TEXT]", "instructions; - for none; without TEXT, tell", _system),
    Command("attach", "[FILE…]", "pictures or documents for the next question; also http(s) URLs", _attach, _files),
    Command("detach", "", "attach nothing", _detach),
    Command("retry", "", "ask again what failed, or the last question", _retry),
    Command("undo", "", "forget the last question and its answer", _undo),
    Command("new", "", "forget the conversation", _new),
    Command("save", "[FILE]", "save it; without FILE, where it was saved, or for llmkit chat -c", _save, _files),
    Command("history", "", "what was said", _history),
    Command("cost", "", "tokens and dollars so far", _cost),
    Command("quit", "", "leave; so does Ctrl-D", _quit),
)
_BY_NAME: Final = {command.name: command for command in COMMANDS} | {"exit": COMMANDS[-1]}
