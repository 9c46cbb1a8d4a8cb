"""The stream of `POST /v1/responses`: what its events mean, and when it is whole.

``response.created``, per item ``response.output_item.added``, deltas and ``response.output_item.done``, and at last
``response.completed`` or ``response.incomplete`` with the whole answer: without one of them it was cut off.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from llmkit.errors import IncompleteStreamError, InvalidResponseError
from llmkit.events import Event
from llmkit.json_codec import loads, loads_or_text
from llmkit.messages import Text, Thinking
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.openai_responses.assembly import Item
from llmkit.wire.openai_responses.calls import CALLS
from llmkit.wire.openai_responses.decode import finish_reason, usage
from llmkit.wire.quirks import OpenAIResponsesQuirks
from llmkit.wire.reading import expect, object_or_empty, text_or
from llmkit.wire.recurring import Recurring
from llmkit.wire.signals import ErrorEvent

_NOTHING: Final[Sequence[Event]] = ()
_DONE: Final = "[DONE]"  # of some gateways, behind the end
_ENDS: Final[Mapping[str, str]] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.cancelled": "cancelled",
}
_KEPT: Final = frozenset({"id", "model"})  # of which an empty one replaces none

# Event → kind of item, kind of lane, and the key of the lane's number.
_DELTAS: Final[Mapping[str, tuple[str, str, str]]] = {
    "response.output_text": ("message", "output_text", "content_index"),
    "response.refusal": ("message", "refusal", "content_index"),
    "response.reasoning_text": ("reasoning", "reasoning_text", "content_index"),
    "response.reasoning_summary_text": ("reasoning", "summary_text", "summary_index"),
    "response.function_call_arguments": ("function_call", "arguments", ""),
    "response.custom_tool_call_input": ("custom_tool_call", "arguments", ""),
}
_GROWING: Final = {f"{name}.delta": about for name, about in _DELTAS.items()}
_WHOLES: Final = ("text", "refusal", "arguments", "input")

_Handler: TypeAlias = Callable[[dict[str, Any]], Sequence[Event] | None]


class StreamDecoder:
    """The state of one stream; see `llmkit.wire.base.StreamDecoder`."""

    def __init__(self, _: OpenAIResponsesQuirks | None = None) -> None:
        self.envelope: dict[str, Any] = {}
        self.ended = False
        self.whole = False
        self.logprobs: Any = None
        self._items: list[Item] = []  # in the order in which they began
        self._places: dict[object, Item] = {}  # the latest at each place in the output
        self._order: list[Item] = []  # those that have not been handed out
        self._named: dict[str, list[Item]] = {}  # of those, the ones with an id
        self._turn: Item | None = None  # whose deltas are handed out as they come
        self._calls = 0
        self._recurring = Recurring("sequence_number", "obfuscation")
        self._handlers: dict[str, _Handler] = {
            **{name: self._delta(*about) for name, about in _GROWING.items()},
            **{f"{name}.done": self._closing(*about) for name, about in _DELTAS.items()},
            **dict.fromkeys(_ENDS, self._end),
            "response.output_item.added": self._begin,
            "response.output_item.done": self._done,
            "response.output_text.annotation.added": self._annotation,
            "response.created": self._lifecycle,
            "response.queued": self._lifecycle,
            "response.in_progress": self._lifecycle,
            "response.failed": self._failed,
            "error": self._error,
        }

    @property
    def id(self) -> str:
        """The answer's id; "" before it is known."""
        return text_or(self.envelope.get("id"), "")

    @property
    def model(self) -> str:
        """The model that answers; "" before it is known."""
        return text_or(self.envelope.get("model"), "")

    def feed(self, event: ServerSentEvent) -> Sequence[Event] | None:
        """The typed events that `event` stands for; None for pings and those that say nothing of the answer.

        Raises:
            ErrorEvent: It is an error.
            InvalidResponseError: It is not what the wire promises.
        """
        if (events := self._recurring.read(event)) is not None:
            return events
        self._recurring.forget()
        if event.data == _DONE:
            return None
        if event.event == "error":
            return self._error(loads_or_text(event.data))
        data = loads(event.data, "an event of the stream")
        if data.__class__ is not dict:
            expect(data, dict, "$")
        kind = data.get("type")
        if kind.__class__ is not str:
            kind = event.event
        handler = self._handlers.get(kind)
        if handler is not None:
            found = handler(data)
            if found and kind in _GROWING and not data.get("logprobs"):
                self._learn(event, data, _GROWING[kind])
            return found
        if data.get("error"):
            return self._error(data)  # as gateways tell of errors that are not the provider's
        return _NOTHING if kind.startswith("response.") else None

    def _learn(self, event: ServerSentEvent, data: dict[str, Any], about: tuple[str, str, str]) -> None:
        """The delta in `data` was handed out, and so is the next one of its lane."""
        _, lane, number = about
        assert self._turn is not None  # noqa: S101 - only its deltas are
        goes_on = self._turn.more(lane, _number(data, number))
        self._recurring.learn(event, data["delta"], ("delta",), goes_on)

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text of the item whose turn it is, and of those that wait whole behind a silent one."""
        thoughts, text = "", ""
        for item in self._order:
            if item is self._turn:
                more_thoughts, more_text = item.begun()
                thoughts, text = thoughts + more_thoughts, text + more_text
            elif item.told:
                thoughts += "".join(part.text for part in item.parts if isinstance(part, Thinking))
                text += "".join(part.text for part in item.parts if isinstance(part, Text))
        return thoughts, text

    def pending(self) -> Sequence[Event]:
        """What has been received of items that have one before them that is not complete."""
        events: list[Event] = []
        for item in self._order:
            if item is not self._turn:
                with suppress(InvalidResponseError):
                    events += item.received()
        return events

    def usage(self) -> Usage:
        """What was billed, as far as it is known."""
        return usage(self.envelope.get("usage"))

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        """The parts not handed out yet, why it ended and what was billed.

        Raises:
            IncompleteStreamError: The event that ends the answer has not come.
        """
        if not self.ended:
            raise IncompleteStreamError("the stream ended before response.completed: the answer was cut off")
        for item in self._order:
            if not item.done:
                item.finish(None)
        events = self._complete()
        return events, finish_reason(self.envelope, [item.data for item in self._items]), self.usage()

    def _lifecycle(self, data: dict[str, Any]) -> Sequence[Event] | None:
        again = bool(self.envelope)
        self._hear(expect(data.get("response"), dict, "$.response"))
        return None if again else _NOTHING  # that it is being answered is no news for ever

    def _hear(self, response: dict[str, Any]) -> None:
        told = response.items()
        self.envelope |= {key: value for key, value in told if key != "output" and (value or key not in _KEPT)}

    def _begin(self, data: dict[str, Any]) -> Sequence[Event]:
        found = expect(data.get("item"), dict, "$.item")
        expect(found.get("type"), str, "$.item.type")
        place = _place(data)
        events: list[Event] = []
        if (before := self._places.get(place)) is not None and not before.done:
            before.finish(None)
            events += self._complete()
        item = self._new(place, dict(found))
        return [*events, *self._heard(item, item.begin())]

    def _new(self, place: object, data: dict[str, Any]) -> Item:
        expect(data.get("type"), str, "$.item.type")
        item = Item(data, len(self._items), self._calls)
        self._calls += data["type"] in CALLS
        self._items.append(item)
        self._places[place] = item
        self._order.append(item)
        if item.id is not None:
            self._named.setdefault(item.id, []).append(item)
        if self._turn is None and not item.silent:
            self._turn = item
        return item

    def _implied(self, data: dict[str, Any], kind: str) -> Item:
        """The item that a delta is of although none was announced."""
        skeleton: dict[str, Any] = {"type": kind, "id": data.get("item_id")}
        return self._new(_place(data), {**skeleton, "role": "assistant"} if kind == "message" else skeleton)

    def _delta(self, kind: str, lane: str, number: str) -> _Handler:
        def taken(data: dict[str, Any]) -> Sequence[Event] | None:
            item = self._item(data, kind)
            piece = data.get("delta")
            if piece.__class__ is not str:
                expect(piece, str, "$.delta")
            if not piece or item.done:
                return None
            events = item.add(lane, _number(data, number), piece, data.get("logprobs"))
            if item is self._turn:
                return events
            item.held += events
            return _NOTHING

        return taken

    def _closing(self, kind: str, lane: str, number: str) -> _Handler:
        def taken(data: dict[str, Any]) -> Sequence[Event]:
            item = self._item(data, kind)
            if item.done:
                return _NOTHING
            whole = next((data[key] for key in _WHOLES if key in data), None)
            return self._heard(item, item.close_lane(lane, _number(data, number), whole))

        return taken

    def _item(self, data: dict[str, Any], kind: str) -> Item:
        place = data.get("output_index")
        found = self._places.get(place) if place.__class__ is int else self._unplaced(_place(data), kind)
        return self._implied(data, kind) if found is None else found

    def _unplaced(self, place: object, kind: str) -> Item | None:
        """The item of an event without a number; of one that tells no place at all the latest, if of its kind."""
        if place is not None:
            return self._places.get(place)
        latest = self._items[-1] if self._items else None
        return latest if latest is not None and latest.data.get("type") == kind else None

    def _annotation(self, data: dict[str, Any]) -> Sequence[Event]:
        item = self._item(data, "message")
        if not item.done:
            item.lane("output_text", _number(data, "content_index")).annotations.append(data.get("annotation"))
        return _NOTHING

    def _heard(self, item: Item, events: Sequence[Event]) -> Sequence[Event]:
        """`events`, unless an item before theirs is still open: joined, deltas are always the answer in its order."""
        if item is self._turn:
            return events
        item.held += events
        return _NOTHING

    def _done(self, data: dict[str, Any]) -> Sequence[Event]:
        found = expect(data.get("item"), dict, "$.item")
        # By its id where it has one: some relays use a place twice.
        named = self._named.get(text_or(found.get("id"), ""))
        item = named[0] if named else self._places.get(_place(data))
        if item is None:
            item = self._new(_place(data), found)
        if item.done:
            return _NOTHING
        item.finish(found)
        waits = self._turn is not None and item.number > self._turn.number
        return _NOTHING if waits else self._complete()

    def _complete(self) -> Sequence[Event]:
        """The items that are complete and have none before them that is not.

        The provider at times forgets to say that an item is complete of which no deltas tell, such as a list of tools:
        then the parts behind it wait for the end, and their deltas do not.

        Raises:
            InvalidResponseError: One of them is not what the wire promises; all are still there, for `begun`.
        """
        for item in self._order:
            if item.done and not item.told:
                item.read()
            elif not item.done and not item.silent:
                break
        events: list[Event] = []
        waiting: list[Item] = []
        self._turn = None
        for at, item in enumerate(self._order):
            if item.done and not item.told:
                events += item.tell()
            if item.told and not waiting:
                events += item.parts
                self._release(item)
                continue
            waiting.append(item)
            if not item.told and not item.silent:  # it is its turn: those behind it wait, whatever they are
                events += self._begun(item)
                waiting += self._order[at + 1 :]
                break
        self._order = waiting
        return events

    def _begun(self, item: Item) -> Sequence[Event]:
        """It is the turn of `item`: what was held."""
        self._turn = item
        held, item.held = item.held, []
        return held

    def _release(self, item: Item) -> None:
        """It was handed out."""
        if item.id is not None:
            self._named[item.id].remove(item)
        if item.logprobs:
            self.logprobs = [*(self.logprobs or ()), *item.logprobs]
        item.parts, item.logprobs = (), []

    def _end(self, data: dict[str, Any]) -> Sequence[Event]:
        response = expect(data.get("response"), dict, "$.response")
        status = text_or(response.get("status"), None) or _ENDS.get(text_or(data.get("type"), ""))
        self._hear({**response, "status": status})
        if status == "failed":
            raise ErrorEvent(response)
        output = expect(response.get("output") or [], list, "$.response.output")
        self._settle([expect(item, dict, f"$.response.output[{index}]") for index, item in enumerate(output)])
        self.ended = self.whole = True
        return _NOTHING

    def _settle(self, output: Sequence[dict[str, Any]]) -> None:
        """The whole answer is known: items that are not complete get their final form, those not told of are added."""
        known = list(self._items)
        same = [item.data.get("type") for item in known] == [data.get("type") for data in output]
        by_id = {id_: item for item in known if (id_ := text_or(item.data.get("id"), None))}
        for index, data in enumerate(output):
            item = known[index] if same else by_id.get(text_or(data.get("id"), ""))
            if item is None:
                item = self._new(object(), data)
            if not item.done:
                item.finish(data)

    def _failed(self, data: dict[str, Any]) -> Sequence[Event]:
        response = expect(data.get("response"), dict, "$.response")
        self._hear(response)
        raise ErrorEvent(response)

    def _error(self, body: Any) -> Sequence[Event]:
        raise ErrorEvent(body)


def _place(data: Mapping[str, Any]) -> object:
    """Where an event's item stands in the output; its id with hosts that do not tell."""
    place = data.get("output_index")
    if isinstance(place, int):
        return place
    return text_or(data.get("item_id"), None) or text_or(object_or_empty(data.get("item")).get("id"), None)


def _number(data: Mapping[str, Any], key: str) -> int | None:
    """Which lane of its kind an event is of."""
    found = data.get(key)
    return found if isinstance(found, int) else None
