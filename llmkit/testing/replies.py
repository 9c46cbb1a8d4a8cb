"""What a server is told to answer: a `Reply`, made from anything that `FakeServer.reply` takes."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from attrs import field, frozen

from llmkit.checks import number, wrong
from llmkit.errors import APIError, ConfigurationError, LLMKitError
from llmkit.messages import AssistantMessage, Content, Part, Refusal, Text, Thinking, ToolCall
from llmkit.response import FinishReason, Reason, Usage

if TYPE_CHECKING:
    from attrs import Attribute

Chunking: TypeAlias = Callable[[str], Iterable[str]]
"""Cuts text into what single events carry; joined, the pieces must be the text."""

CHARACTERS_PER_TOKEN: Final = 4
_WORDS: Final = re.compile(r"\s*\S+|\s+$")


def by_words(text: str) -> list[str]:
    """Each word with the blanks before it."""
    return _WORDS.findall(text)


def by_characters(text: str) -> list[str]:
    """Each character."""
    return list(text)


def unsplit(text: str) -> list[str]:
    """All of it at once."""
    return [text] if text else []


def rough_tokens(text: str) -> int:
    """A rough count: a token for every four characters, rounded up; no model counts like this."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


_SECONDS: Final = number(0, 86_400)


def _seconds(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    """Checks how long an answer takes."""
    if value is not None:
        _SECONDS(attribute.name, value)


def _parts(value: Content) -> tuple[Part, ...]:
    return AssistantMessage(value).content


@frozen
class Reply:
    """One scripted answer.

    Attributes:
        content: The answer's parts; made from text, a part, or a sequence of both.
        usage: What is billed; None for a rough count of the request and of the answer.
        finish_reason: Why it ends; None for ``refusal`` where it holds a `Refusal`, else ``tool_calls`` where it
            holds a `ToolCall`, else ``stop``. Its `raw` is sent where that is the wire's word for the same reason.
        id: The answer's id; None for a new one each time.
        model: The model that answers; None for the one that was asked for.
        error: Sent instead of an answer, with its `status`, `code`, `headers` and `retry_after`.
        latency: Seconds before it begins; None for those of the server.
        delay: Seconds between the events of a stream; None for those of the server.

    Raises:
        ConfigurationError: A part cannot stand in an answer, or seconds are none.
    """

    content: tuple[Part, ...] = field(default=(), converter=_parts)
    usage: Usage | None = field(default=None, kw_only=True)
    finish_reason: FinishReason | None = field(default=None, kw_only=True)
    id: str | None = field(default=None, kw_only=True)
    model: str | None = field(default=None, kw_only=True)
    error: APIError | None = field(default=None, kw_only=True)
    latency: float | None = field(default=None, kw_only=True, validator=_seconds)
    delay: float | None = field(default=None, kw_only=True, validator=_seconds)

    @property
    def reason(self) -> FinishReason:
        """Why it ends, told or not."""
        if self.finish_reason is not None:
            return self.finish_reason
        if any(isinstance(part, Refusal) for part in self.content):
            return FinishReason("refusal")
        return FinishReason("tool_calls" if any(isinstance(part, ToolCall) for part in self.content) else "stop")


def reply_of(
    content: Any,
    usage: Usage | None = None,
    finish_reason: FinishReason | str | None = None,
    *,
    latency: float | None = None,
    delay: float | None = None,
) -> Reply:
    """The reply that `FakeServer.reply` is asked for.

    Raises:
        ConfigurationError: It cannot be an answer.
    """
    if isinstance(content, Reply):
        if any(value is not None for value in (usage, finish_reason, latency, delay)):
            raise ConfigurationError("content: a Reply has its own usage, finish_reason, latency and delay")
        return content
    if isinstance(content, APIError):
        return Reply(error=content, latency=latency, delay=delay)
    if isinstance(content, LLMKitError):
        raise ConfigurationError(f"content: no server can send a {type(content).__name__}; see FakeServer.fault")
    if usage is not None and not isinstance(usage, Usage):
        raise wrong("usage", "a Usage", usage)
    return Reply(content, usage=usage, finish_reason=_reason(finish_reason), latency=latency, delay=delay)


_REASONS: Final = tuple(word for word in get_args(Reason) if word != "unfinished")


def _reason(value: object) -> FinishReason | None:
    found = FinishReason(value) if isinstance(value, str) else value  # type: ignore[arg-type] # checked below
    if found is None or (isinstance(found, FinishReason) and found.reason in _REASONS):
        return found
    raise wrong("finish_reason", f"a FinishReason or one of {', '.join(_REASONS)}", value)


def written(parts: Sequence[Part]) -> str:
    """All that the model writes in `parts`, for a rough count of it."""
    return "".join(_written(part) for part in parts)


def _written(part: Part) -> str:
    match part:
        case Text(text=text) | Thinking(text=text) | Refusal(text=text):
            return text
        case ToolCall():
            return f"{part.name}{part.raw or part.arguments}"
        case _:
            return ""
