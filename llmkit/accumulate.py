"""Events in, the answer so far out; the same for every wire.

A stream hands out each part whole when it is complete, so the parts are the answer;
deltas are kept only until their part has come, for what was received of one that was not.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from llmkit.errors import InvalidResponseError
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.growing import Growing
from llmkit.json_codec import loads
from llmkit.messages import AssistantMessage, Part, Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Usage


class _Call(NamedTuple):
    """A call that is not complete."""

    id: str
    name: str
    arguments: Growing


class Accumulator:
    """The content of one answer."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._text = Growing()
        self._thinking = Growing()
        self._calls: dict[int, _Call] = {}

    def add(self, events: Sequence[Event]) -> None:
        """Take the next events, oldest first."""
        for event in events:
            cls = event.__class__
            if cls is TextDelta:
                self._text.add(event.text)  # type: ignore[union-attr]
            elif cls is ThinkingDelta:
                self._thinking.add(event.text)  # type: ignore[union-attr]
            elif isinstance(event, ToolCallDelta):
                if (call := self._calls.get(event.index)) is None:
                    call = self._calls[event.index] = _Call(event.id, event.name, Growing())
                call.arguments.add(event.arguments)
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
        other._parts, other._text, other._thinking = [*self._parts], self._text.copy(), self._thinking.copy()
        other._calls = {index: _Call(call.id, call.name, call.arguments.copy()) for index, call in self._calls.items()}
        return other

    def taking(self, events: Sequence[Event]) -> Self:
        """This one, after `add`."""
        self.add(events)
        return self

    def _forget(self, part: Part) -> None:
        """Drop the deltas of a part that has come whole."""
        if isinstance(part, Text):
            self._text = Growing()
        elif isinstance(part, Thinking):
            self._thinking = Growing()
        elif isinstance(part, ToolCall):
            for index, call in self._calls.items():
                if call.id == part.id:
                    del self._calls[index]
                    return

    def _unfinished(self) -> list[Part]:
        parts: list[Part] = []
        if self._thinking:
            parts.append(Thinking(str(self._thinking)))
        if self._text:
            parts.append(Text(str(self._text)))
        return [*parts, *map(_unfinished, self._calls.values())]


def _unfinished(call: _Call) -> ToolCall:
    text = str(call.arguments)
    try:
        arguments = loads(text)
    except InvalidResponseError:
        arguments = None
    if isinstance(arguments, dict):
        return ToolCall(call.id, call.name, arguments)
    return ToolCall(call.id, call.name, raw=text)
