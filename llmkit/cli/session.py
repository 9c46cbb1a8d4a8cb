"""A conversation as its user holds it: taken back, asked again, stopped, gone on with elsewhere. It shows nothing."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from llmkit.errors import ConfigurationError, LLMKitError, UnknownProviderError
from llmkit.media import media_of
from llmkit.messages import AssistantMessage, Message, Text, ToolResult, UserMessage
from llmkit.provider import provider
from llmkit.response import Response, Usage

if TYPE_CHECKING:
    from llmkit.chat import Chat, History
    from llmkit.client import Client
    from llmkit.media import Media
    from llmkit.moving import Loss
    from llmkit.stream import Stream

_NAMED: Final = "(name one)"


@frozen
class Bill:
    """What a session has cost.

    Attributes:
        usage: In tokens.
        cost: In US dollars; None where that of a call is not known.
        stopped: How many answers were stopped, which are not in it, as nobody told what they cost.
    """

    usage: Usage = field(factory=Usage)
    cost: Decimal | None = field(factory=Decimal)
    stopped: int = 0


class Session:
    """A conversation, which belongs to one thread.

    Args:
        clients: The name of a provider, and other arguments of `Client` → a client.
        asked: The provider at first; also as ``provider:model``.
        options: Of each call.
        hooks: Those of `Client.chat`.
        history: What was said before, or where `Chat.save` wrote it.

    Attributes:
        attached: What goes with the next question.
        place: The file that it is saved in; None where it is in none.
        failed: The question that has no answer, with the rounds of tools that were run for it; () where all have one.
    """

    def __init__(
        self,
        clients: "Callable[..., Client]",
        asked: str,
        options: Mapping[str, Any],
        hooks: Mapping[str, Any],
        history: "History" = (),
    ) -> None:
        self._clients = clients
        self._hooks = hooks
        self._options = {**options}
        self._row, _, named = asked.partition(":")
        self._model: str | None = self._options.pop("model", None) or named or None
        self._client = clients(self._row)
        self._chat = self._begun(history)
        self._before = Bill()
        self.place = history if isinstance(history, Path) else None
        self.attached: list[Media] = []
        self._sent: list[Media] = []  # those of `attached` that are in the question under way, or in `failed`
        self.failed: tuple[Message, ...] = ()

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    # ---- what there is -----------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """What was said."""
        return self._chat.messages

    @property
    def model(self) -> str:
        """Who is asked, as `go_to` takes it."""
        return f"{self._row}:{self._model or provider(self._row).default_model or _NAMED}"

    @property
    def system(self) -> str:
        """The instructions; "" where there are none."""
        return self._options.get("system") or ""

    @system.setter
    def system(self, text: str) -> None:
        self._options["system"] = text or None

    @property
    def bill(self) -> Bill:
        """What all of it has cost so far."""
        before, cost = self._before, self._chat.cost
        known = None if cost is None or before.cost is None else before.cost + cost
        return Bill(before.usage + self._chat.usage, known, before.stopped)

    # ---- questions ---------------------------------------------------------------------------------------------------

    def ask(self, text: str) -> "Stream[Any]":
        """Ask, with what is attached.

        Raises:
            LLMKitError: As `Chat.stream`; the question is `failed` then.
        """
        self._sent = [*self.attached]
        return self._asked([UserMessage([*self._sent, Text(text)])])

    def retry(self) -> "Stream[Any]":
        """Ask again what failed, from the last tool that was run; else the last question, whose answer is forgotten.

        Raises:
            ConfigurationError: Nothing was asked.
            LLMKitError: As `Chat.stream`.
        """
        failed = self.failed
        if not failed:
            failed, self._sent = (self.undo(),), []
        return self._asked(failed)

    def answered(self) -> None:
        """The stream has ended, and the answer is whole."""
        self._settle()

    def stopped(self, stream: "Stream[Any]") -> bool:
        """The answer was stopped: keep what has come.

        Returns:
            Whether anything has.
        """
        stream.close()
        try:
            next(stream, None)
        except LLMKitError as error:
            return self._cut(error)
        self._settle()  # it was whole when it was stopped
        return True

    def refused(self, error: LLMKitError) -> None:
        """The question has failed: it can be asked again."""
        self.failed = tuple(error.messages) or self.failed

    def undo(self) -> UserMessage:
        """Forget the last question and all that came of it.

        Raises:
            ConfigurationError: There is none.
        """
        messages = self._chat.messages
        for at in range(len(messages) - 1, -1, -1):
            message = messages[at]
            if isinstance(message, UserMessage) and not _only_results(message):
                self._go_on(messages[:at])
                self.failed = ()
                return message
        raise ConfigurationError("nothing was asked")

    def forget(self) -> None:
        """Begin anew; what it has cost stays."""
        self._go_on(())
        self.place = None
        self.attached, self.failed = [], ()

    def attach(self, place: str) -> "Media":
        """Take a file, or what is at an address, along with the next question.

        Raises:
            MediaError: It cannot be read, or is nothing that models take.
        """
        away = place.startswith(("http://", "https://", "data:"))
        found = media_of(place if away else Path(place).expanduser())
        self.attached.append(found)
        return found

    def go_to(self, name: str) -> "list[Loss]":
        """Go on with another model: its name, or ``provider:model``.

        Returns:
            What of the conversation the other provider is not told.

        Raises:
            ConfigurationError: As `Client`.
        """
        row, colon, model = name.partition(":")
        try:
            known = provider(row).name
        except UnknownProviderError:
            known = ""
        if not known or (not colon and known == self._row):
            self._model = name
            return []
        if known == self._row:
            self._model = model or None
            return []
        return self._move(known, model or None)

    def save(self, path: Path) -> None:
        """Write the conversation to a file.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            self._chat.save(path)
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}") from error
        self.place = path

    def keep(self) -> Path:
        """Keep it as the last conversation, for ``-c``.

        Raises:
            ConfigurationError: It cannot be written.
        """
        from llmkit.cli import conversations  # noqa: PLC0415 - only where it was asked for

        return conversations.keep(self._chat)

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _begun(self, history: "History") -> "Chat":
        return self._client.chat(history=history, **self._hooks)

    def _asked(self, question: Sequence[Message]) -> "Stream[Any]":
        """Ask; `question` may have rounds of tools behind it, which are gone on from."""
        self.failed = tuple(question)
        options = {**self._options, "model": self._model}
        if len(question) == 1:
            return self._chat.stream(question, **options)
        self._go_on([*self._chat.messages, *question])
        return self._chat.stream(**options)

    def _settle(self) -> None:
        """All that was asked is in the history."""
        sent = {id(one) for one in self._sent}
        self.attached = [one for one in self.attached if id(one) not in sent]
        self._sent, self.failed = [], ()

    def _cut(self, error: LLMKitError) -> bool:
        said = [*error.messages]
        partial = error.partial
        if partial is not None and partial.message not in said and (texts := _texts(partial)):
            said.append(AssistantMessage(texts))
        self._before = evolve(self._before, stopped=self._before.stopped + 1)
        if len(said) < 2:  # noqa: PLR2004 - the question alone
            self.failed = tuple(said) or self.failed
            return False
        self._go_on([*self._chat.messages, *said])
        self._settle()
        return True

    def _go_on(self, history: Sequence[Message]) -> None:
        """With another history; what was paid is kept in mind."""
        self._before = self.bill
        self._chat = self._begun(history)

    def _move(self, row: str, model: str | None) -> "list[Loss]":
        from llmkit.moving import portability  # noqa: PLC0415 - with all wires

        client = self._clients(row, unsupported="warn")
        losses = portability(self._chat.messages, row)
        self._client.close()
        self._row, self._model, self._client = row, model, client
        self._go_on(self._chat.messages)
        return losses


def _only_results(message: UserMessage) -> bool:
    return all(isinstance(part, ToolResult) for part in message.content)


def _texts(response: Response[Any]) -> list[Text]:
    """What can be sent back of an answer that is not whole."""
    return [part for part in response.message.content if isinstance(part, Text) and part.text.strip()]
