"""A message among those that matter for how it is sent, and what is sent for it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import evolve

from llmkit.messages import AssistantMessage, Message, Part, SystemMessage, ToolCall, ToolResult, UserMessage
from llmkit.moving.host import Host

_BESIDE: Final = UserMessage("?")  # so that no body is ever empty, and nothing joins that stands apart


class Window:
    """One message of a conversation, to be tried with other content.

    Attributes:
        message: It.
        messages: It and those beside it.
        amid: Whether anything but instructions stands before it.
    """

    def __init__(self, host: Host, messages: Sequence[Message], place: int) -> None:
        self.message = messages[place]
        self.amid = place > 0
        self._host = host
        self.messages = messages
        self._place = place
        self._sent = host.body(messages)

    def same(self, content: Iterable[Part]) -> bool:
        """Whether the same is sent where the message has this content instead."""
        changed = evolve(self.message, content=tuple(content))
        return (
            self._host.body([*self.messages[: self._place], changed, *self.messages[self._place + 1 :]]) == self._sent
        )

    def same_in_front(self) -> bool:
        """Whether the same is sent where it stands before all others."""
        others = [*self.messages[: self._place], *self.messages[self._place + 1 :]]
        return self._host.body([self.message, *others]) == self._sent


def windows(host: Host, messages: Sequence[Message]) -> Iterator[Window]:
    """One for each message, in their order.

    Beside the message there is what its encoding may hang on: the calls that its results answer, and the turns of the
    model that are one with it on some wires. All others would only make it slow.
    """
    called: dict[str, int] = {}  # id → the message of its latest call
    leading = True
    for number, message in enumerate(messages):
        leading = leading and isinstance(message, SystemMessage)
        beside = {number, *_turn(messages, number)}
        for part in message.content:
            if isinstance(part, ToolCall):
                called[part.id] = number
            elif isinstance(part, ToolResult) and part.call_id in called:
                beside.add(called[part.call_id])
        yield _window(host, messages, sorted(beside), number, leading=leading)


def _window(host: Host, messages: Sequence[Message], beside: Sequence[int], number: int, *, leading: bool) -> Window:
    found: list[Message] = []
    place, last = 0, None
    for index in beside:
        if index - 1 != last and not leading:
            found.append(_BESIDE)
        if index == number:
            place = len(found)
        found.append(messages[index])
        last = index
    return Window(host, [*found, _BESIDE], place)


def _turn(messages: Sequence[Message], number: int) -> Iterator[int]:
    """The messages of the model's that follow one another around that one; instructions between them do not count."""
    if not isinstance(messages[number], AssistantMessage):
        return
    for step in (-1, 1):
        at = number + step
        while 0 <= at < len(messages) and not isinstance(messages[at], UserMessage):
            yield at
            at += step
