"""What a stream yields.

Deltas as they arrive; each part once more, whole, when it is complete; and at the
end exactly one `FinishReason` and then exactly one `Usage`.
"""

from typing import Final, TypeAlias

from attrs import frozen

from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import Opaque, Refusal, Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Usage


@frozen
class TextDelta:
    """More of the answer's text; never empty."""

    text: str


_new: Final = object.__new__
_set_text: Final = TextDelta.text.__set__  # type: ignore[attr-defined]


def text_delta(text: str) -> TextDelta:
    """``TextDelta(text)`` at half the cost, as one is made for every few letters of an answer."""
    delta = _new(TextDelta)
    _set_text(delta, text)
    return delta


@frozen
class ThinkingDelta:
    """More of what the model thinks; never empty."""

    text: str


_set_thought: Final = ThinkingDelta.text.__set__  # type: ignore[attr-defined]


def thinking_delta(text: str) -> ThinkingDelta:
    """``ThinkingDelta(text)``, likewise."""
    delta = _new(ThinkingDelta)
    _set_thought(delta, text)
    return delta


@frozen
class ToolCallDelta:
    """More of a tool call's arguments.

    Attributes:
        index: Which call of this turn, counted from 0.
        id: The provider's id, the same on every fragment; made up where it sends none.
        name: The tool's name, the same on every fragment.
        arguments: JSON text to append; never empty after the first fragment.
    """

    index: int
    id: str
    name: str
    arguments: str


_set_index: Final = ToolCallDelta.index.__set__  # type: ignore[attr-defined]
_set_id: Final = ToolCallDelta.id.__set__  # type: ignore[attr-defined]
_set_name: Final = ToolCallDelta.name.__set__  # type: ignore[attr-defined]
_set_arguments: Final = ToolCallDelta.arguments.__set__  # type: ignore[attr-defined]


def call_delta(index: int, id_: str, name: str, arguments: str) -> ToolCallDelta:
    """``ToolCallDelta(index, id_, name, arguments)``, likewise."""
    delta = _new(ToolCallDelta)
    _set_index(delta, index)
    _set_id(delta, id_)
    _set_name(delta, name)
    _set_arguments(delta, arguments)
    return delta


Event: TypeAlias = (
    TextDelta
    | ThinkingDelta
    | ToolCallDelta
    | Text
    | Thinking
    | ToolCall
    | ToolResult
    | Refusal
    | Image
    | Audio
    | Video
    | Document
    | Opaque
    | FinishReason
    | Usage
)
