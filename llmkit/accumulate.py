"""Events in, the answer so far out; the same for every wire.

A stream hands out each part whole when it is complete, so the parts are the answer;
deltas are kept only until their part has come, for what was received of one that was not.
"""

from collections.abc import Sequence
from typing import Self

from llmkit.errors import InvalidResponseError
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.json_codec import loads
from llmkit.messages import AssistantMessage, Part, Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Usage


class Accumulator:
    """The content of one answer."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: dict[int, list[ToolCallDelta]] = {}

    def add(self, events: Sequence[Event]) -> None:
        """Take the next events, oldest first."""
        for event in events:
            cls = event.__class__
            if cls is TextDelta:
                self._text.append(event.text)  # type: ignore[union-attr]
            elif cls is ThinkingDelta:
                self._thinking.append(event.text)  # type: ignore[union-attr]
            elif isinstance(event, ToolCallDelta):
                self._calls.setdefault(event.index, []).append(event)
            elif not isinstance(event, (FinishReason, Usage, ToolResult, TextDelta, ThinkingDelta)):
                self._parts.append(event)
                self._forget(event)

    def message(self, pending: Sequence[Event] = ()) -> AssistantMessage:
        """All parts; those that are not complete as far as they have come; then those that `pending` make."""
        rest = Accumulator().taking(pending).message().content if pending else ()
        return AssistantMessage((*self._parts, *self._unfinished(), *rest))

    def copy(self) -> "Accumulator":
        """Another one with the same content."""
        other = Accumulator()
        other._parts, other._text, other._thinking = [*self._parts], [*self._text], [*self._thinking]
        other._calls = {index: [*deltas] for index, deltas in self._calls.items()}
        return other

    def taking(self, events: Sequence[Event]) -> Self:
        """This one, after `add`."""
        self.add(events)
        return self

    def _forget(self, part: Part) -> None:
        """Drop the deltas of a part that has come whole."""
        if isinstance(part, Text):
            self._text.clear()
        elif isinstance(part, Thinking):
            self._thinking.clear()
        elif isinstance(part, ToolCall):
            for index, deltas in self._calls.items():
                if deltas[0].id == part.id:
                    del self._calls[index]
                    return

    def _unfinished(self) -> list[Part]:
        parts: list[Part] = []
        if self._thinking:
            parts.append(Thinking("".join(self._thinking)))
        if self._text:
            parts.append(Text("".join(self._text)))
        return [*parts, *(_unfinished_call(deltas) for deltas in self._calls.values())]


def _unfinished_call(deltas: list[ToolCallDelta]) -> ToolCall:
    text = "".join(delta.arguments for delta in deltas)
    try:
        arguments = loads(text)
    except InvalidResponseError:
        arguments = None
    if isinstance(arguments, dict):
        return ToolCall(deltas[0].id, deltas[0].name, arguments)
    return ToolCall(deltas[0].id, deltas[0].name, raw=text)
