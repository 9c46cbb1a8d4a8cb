"""A conversation as a page shows it: turns of the two, each call of a tool together with its result."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen
from attrs.converters import optional
from django.urls import reverse

from chat.models import Conversation
from llmkit import AssistantMessage, Image, Message, Refusal, Text, Thinking, ToolCall, ToolResult


def legible(text: str) -> str:
    """`text` as a page can hold it: a model may write halves of surrogate pairs, and UTF-8 has none."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@frozen
class Item:
    """What one of the templates in ``chat/parts`` shows.

    Attributes:
        kind: The template's name.
        text: Words, as they were written: the browser makes Markdown of them.
        name: Of a tool.
        arguments: Of a call, as JSON.
        result: What the tool said; None where it did not.
        failed: Whether the tool failed.
        url: Of a picture.
    """

    kind: str
    text: str = field(default="", converter=legible)
    name: str = field(default="", converter=legible)
    arguments: str = field(default="", converter=legible)
    result: str | None = field(default=None, converter=optional(legible))
    failed: bool = False
    url: str = ""

    @property
    def template(self) -> str:
        return f"chat/parts/{self.kind}.html"


@frozen
class Turn:
    """All that one of the two says before it is the other's turn."""

    role: str
    items: list[Item] = field(factory=list)


BLANK: Final = {
    "user": Turn("user"),
    "assistant": Turn("assistant"),
    "items": [Item("text"), Item("thinking"), Item("call"), Item("image"), Item("refusal")],
}
"""What the script fills in while an answer arrives."""


def turns(conversation: Conversation) -> list[Turn]:
    """The conversation, oldest first; a model's turn has all its rounds."""
    messages = conversation.messages
    found: list[Turn] = []
    for number, message in enumerate(messages):
        items = list(_items(conversation, number, message, _results(messages[number + 1 : number + 2])))
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        if items and found and found[-1].role == role == "assistant":
            found[-1].items.extend(items)
        elif items:
            found.append(Turn(role, items))
    return found


def _results(after: Sequence[Message]) -> Mapping[str, ToolResult]:
    """Of the calls in a message, from the one after it: other rounds may use the ids of calls again."""
    return {part.call_id: part for message in after for part in message.content if isinstance(part, ToolResult)}


def _items(
    conversation: Conversation, number: int, message: Message, results: Mapping[str, ToolResult]
) -> Iterator[Item]:
    for index, part in enumerate(message.content):
        match part:
            case Text(text=text) if text.strip():
                yield Item("text", text)
            case Thinking(text=text) if text.strip():
                yield Item("thinking", text)
            case Refusal(text=text):
                yield Item("refusal", text)
            case ToolCall():
                result = results.get(part.id)
                arguments = pretty(part.arguments) if part.raw is None else part.raw
                told = None if result is None else shown(result.text)
                failed = result is not None and result.is_error
                yield Item("call", name=part.name, arguments=arguments, result=told, failed=failed)
            case Image(data=data) if data is not None:
                yield Item("image", url=reverse("picture", args=[conversation.pk, number, index]))
            case _:  # results stand with their calls; other parts are not asked for here
                pass


def shown(text: str) -> str:
    """A tool's result for people: JSON laid out, anything else as it is."""
    try:
        return pretty(json.loads(text))
    except ValueError:
        return text


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def picture(messages: Sequence[Message], number: int, index: int) -> Image | None:
    """The picture at a place in the conversation; None where there is none."""
    try:
        part = messages[number].content[index]
    except IndexError:
        return None
    return part if isinstance(part, Image) and part.data is not None else None
