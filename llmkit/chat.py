"""A conversation that keeps its history and runs the tools that the model calls."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Unpack, overload

from llmkit.chat_stream import ChatStream
from llmkit.checks import integer, raised, wrong
from llmkit.errors import ConfigurationError, LLMKitError, OutputError
from llmkit.messages import Message, ToolCall, ToolResult, UserMessage
from llmkit.observing import watched_tools
from llmkit.output import paid_for
from llmkit.prices import Item, bills, total
from llmkit.request import Options, Prompt, Request, taken
from llmkit.resolve import conversation, with_media
from llmkit.response import Response, Usage
from llmkit.stream import Stream
from llmkit.turns import Hooks, Turn, answering, joined_results, set_free, unanswered

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from llmkit.client import Client

Out = TypeVar("Out")
History: TypeAlias = Sequence[Message | Mapping[str, Any]] | str | os.PathLike[str]
ChatPrompt: TypeAlias = "Prompt | ToolResult | Sequence[ToolResult] | None"
_ROUNDS = integer(1, 10_000)


class Chat:
    """A conversation; it belongs to one thread at a time. Made by `Client.chat`.

    Each `send` adds what was said to the history, once it has an answer; where it fails, the history is as before.
    """

    def __init__(
        self, client: "Client", history: History, max_rounds: int, hooks: Hooks, options: Mapping[str, Any]
    ) -> None:
        """Made by `Client.chat`, whose arguments they are; `options` are checked."""
        for name in ("approve", "on_tool_call", "on_tool_result"):
            if (hook := getattr(hooks, name)) is not None and not callable(hook):
                raise wrong(name, "a function", hook)
        self._client = client
        self._history = joined_results(_loaded(history))
        self._max_rounds = _ROUNDS("max_rounds", max_rounds)
        self._hooks = hooks
        self._options = options
        self._usage = Usage()
        self._bills: list[Item] = []

    def __repr__(self) -> str:
        waiting = f", {len(self.pending)} calls pending" if self.pending else ""
        return f"<Chat of {len(self._history)} messages{waiting}>"

    @property
    def messages(self) -> list[Message]:
        """The conversation so far, in a new list."""
        return [*self._history]

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls that wait for an answer: ``send([call.result(…) for call in chat.pending])``."""
        return unanswered(self._history)

    @property
    def usage(self) -> Usage:
        """What this chat's model calls were billed, those of sends that failed later included."""
        return self._usage

    @property
    def cost(self) -> Decimal | None:
        """US dollars of this chat's model calls, found as `Response.cost` is; None where those of one are not known."""
        return total(self._bills)

    @overload
    def send(
        self, prompt: ChatPrompt = None, *, output_type: type[Out], **options: Unpack[Options]
    ) -> Response[Out]: ...
    @overload
    def send(
        self, prompt: ChatPrompt = None, *, output_type: "TypeForm[Out]", **options: Unpack[Options]
    ) -> Response[Out]: ...
    @overload
    def send(self, prompt: ChatPrompt = None, *, output_type: object, **options: Unpack[Options]) -> Response[Any]: ...
    @overload
    def send(self, prompt: Request, **options: Unpack[Options]) -> Response[Any]: ...
    @overload
    def send(self, prompt: ChatPrompt = None, **options: Unpack[Options]) -> Response[None]: ...
    def send(
        self, prompt: ChatPrompt = None, *, output_type: object = None, **options: Unpack[Options]
    ) -> Response[Any]:
        """Say something; run the tools that the model calls and tell it their results, until it answers.

        Where calls are pending, only their results can be sent; see `pending`.

        Args:
            prompt: As `Client.complete` takes it; or the results of pending calls. None goes on from the history.
            output_type: As `Client.complete` takes it, of the last answer.
            **options: As `Options` names them; they win over the chat's.

        Returns:
            The last answer. Its `usage` and `cost` are those of all model calls, which are its `rounds`.

        Raises:
            ToolLoopError: The model still called tools after `max_rounds` model calls.
            LLMKitError: As `Client.complete`; its `messages` are the prompt and the rounds that were completed.
        """
        turn = self._turn(prompt, output_type, options)
        try:
            more = True
            while more:
                _, more = turn.take(self._completed(turn))
            self._finish(turn)
        except LLMKitError as error:
            error.messages = turn.said()
            raise
        return turn.last()

    @overload
    def stream(
        self, prompt: ChatPrompt = None, *, output_type: type[Out], **options: Unpack[Options]
    ) -> Stream[Out]: ...
    @overload
    def stream(
        self, prompt: ChatPrompt = None, *, output_type: "TypeForm[Out]", **options: Unpack[Options]
    ) -> Stream[Out]: ...
    @overload
    def stream(self, prompt: ChatPrompt = None, *, output_type: object, **options: Unpack[Options]) -> Stream[Any]: ...
    @overload
    def stream(self, prompt: Request, **options: Unpack[Options]) -> Stream[Any]: ...
    @overload
    def stream(self, prompt: ChatPrompt = None, **options: Unpack[Options]) -> Stream[None]: ...
    def stream(
        self, prompt: ChatPrompt = None, *, output_type: object = None, **options: Unpack[Options]
    ) -> Stream[Any]:
        """As `send`, the answers as they arrive.

        The events of each round, then a `ToolResult` for each of its calls; after the last round one `FinishReason`,
        that round's, and one `Usage`, the sum of all. The history is as before until that `FinishReason` is given, and
        where `Stream.collect` reads up to it and raises an `OutputError`. `Stream.text_deltas` are those of all rounds.

        Args:
            prompt: As `send` takes it.
            output_type: As `send` takes it.
            **options: As `send` takes them.

        Raises:
            LLMKitError: As `Client.stream`, of the first round.
        """
        turn = self._turn(prompt, output_type, options)
        try:
            return ChatStream(turn, self._paid, self._finish)
        except LLMKitError as error:
            error.messages = turn.said()
            raise

    def fork(self) -> "Chat":
        """A chat of its own with the same history and options; it counts its own usage."""
        return Chat(self._client, self._history, self._max_rounds, self._hooks, self._options)

    def save(self, path: str | os.PathLike[str], *, media: Literal["inline", "dir"] = "inline") -> None:
        """Write the history to a file, from which ``Client.chat(history=path)`` goes on: whole, or not at all.

        Args:
            path: The file.
            media: ``inline``: the content of media is in it. ``dir``: it is in files of a folder beside it, which is
                named as it is, with ``.media`` behind; what lies there already is not written again.

        Raises:
            OSError: It cannot be written.
        """
        from llmkit.history import dumps  # noqa: PLC0415 - only for who saves
        from llmkit.history.folder import replace  # noqa: PLC0415

        file = Path(path)
        text = dumps(self._history, media=media, directory=None if media == "inline" else _media_of(file))
        replace(file, text.encode())

    def _turn(self, prompt: ChatPrompt, output_type: object, options: Any) -> Turn:
        """What is to be done; `options` is empty then, so that no frame of an error shows what may be a key."""
        if isinstance(prompt, Request):
            output_type = output_type if prompt.output_type is None else prompt.output_type
            options |= prompt.options
            prompt = prompt.prompt
        given = taken(options)
        said = self._said(prompt)
        try:
            return self._settled(said, output_type, raised(given))
        except LLMKitError as error:
            error.messages = tuple(said)
            raise

    def _settled(self, said: list[Message], output_type: object, given: dict[str, Any]) -> Turn:
        """What is to be done, where `said` was said with the options `given`."""
        found = {**self._options, **given}
        if (media := found.pop("media", None)) is not None and (said or "media" in given):
            said = with_media(said, media)
        asked, messages = self._with(said)
        if "tool_choice" not in given and messages and _has_results(messages[-1]):
            set_free(found)
        return Turn(
            ask=lambda conversation, options: self._client._asking(conversation, output_type, options),  # noqa: SLF001
            base=self._history,
            prompt=asked,
            messages=messages,
            options=found,
            hooks=self._hooks,
            max_rounds=self._max_rounds,
            watching=watched_tools(self._client._members),  # noqa: SLF001
        )

    def _said(self, prompt: ChatPrompt) -> list[Message]:
        """The prompt as messages; of results, one message."""
        if prompt is None:
            return []
        if (results := _results(prompt)) is not None:
            if not self.pending:
                raise ConfigurationError("prompt: no call waits for a result; chat.pending tells which do")
            return [results]
        said = conversation(prompt)
        if not said:
            raise ConfigurationError("prompt: it is empty; leave it out to go on from the history as it stands")
        return said

    def _with(self, said: list[Message]) -> tuple[list[Message], list[Message]]:
        """What was said, as it belongs into the conversation; and that."""
        if not self.pending:
            return said, [*self._history, *said]
        results = joined_results(said)
        prompt = results[0] if len(results) == 1 else None
        if not isinstance(prompt, UserMessage) or not _has_results(prompt):
            raise ConfigurationError(
                f"prompt: {len(self.pending)} calls wait for an answer, so nothing else can be sent: "
                "send([call.result(…) for call in chat.pending])"
            )
        prompt, messages = answering(self._history, prompt)
        return [prompt], messages

    def _completed(self, turn: Turn) -> Response[Any]:
        """The next model call, counted even where it was made in vain."""
        asking = turn.asking()
        try:
            response = asking.complete()
        except LLMKitError as error:
            if (paid := paid_for(error)) is not None:
                self._paid(paid)
                if isinstance(error, OutputError):
                    error.response = turn.ended_by(paid)
            raise
        self._paid(response)
        return response

    def _paid(self, response: Response[Any]) -> None:
        self._usage = self._usage + response.usage
        self._bills += bills(response)

    def _finish(self, turn: Turn) -> None:
        if self._history is not turn.base and self._history is not turn.messages:
            raise ConfigurationError("the chat went on meanwhile: it belongs to one thread, and to one send at a time")
        self._history = turn.messages


def _results(prompt: ChatPrompt) -> UserMessage | None:
    """The message of results that stand by themselves."""
    things = prompt if isinstance(prompt, Sequence) and not isinstance(prompt, str) else [prompt]
    results = [thing for thing in things if isinstance(thing, ToolResult)]
    return UserMessage(results) if results and len(results) == len(things) else None


def _has_results(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.content)


def _loaded(history: History | None) -> list[Message]:
    """Messages, or those that a file of `Chat.save` holds."""
    if isinstance(history, (str, os.PathLike)):
        from llmkit.history import loads  # noqa: PLC0415 - only for who has saved

        try:
            file = Path(history)
            text = file.read_bytes()
        except (OSError, ValueError) as error:  # of a name that no file can have
            raise ConfigurationError(f"history: {error}") from error
        return loads(text, directory=_media_of(file))
    return [] if history is None else conversation(history, "history")


def _media_of(path: Path) -> Path:
    """The folder for the media of a chat that is saved to `path`: beside it, so that both move together."""
    return path.with_name(f"{path.name}.media")
