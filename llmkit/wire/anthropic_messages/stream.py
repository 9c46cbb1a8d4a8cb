"""The stream of `POST /v1/messages`: what its events mean, and when it is whole.

``message_start``, per block ``content_block_start``, deltas and ``content_block_stop``, then ``message_delta`` with the
reason and the usage, and at last ``message_stop``: without it the answer was cut off.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from llmkit.errors import IncompleteStreamError, InvalidResponseError
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta, call_delta, text_delta, thinking_delta
from llmkit.growing import Growing
from llmkit.json_codec import dump_bytes, loads, loads_or_text
from llmkit.messages import Part, ToolCall
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.anthropic_messages.decode import decode_block, finish_reason, usage
from llmkit.wire.error_bodies import is_error
from llmkit.wire.quirks import AnthropicMessagesQuirks
from llmkit.wire.reading import expect, object_or_empty, text_or
from llmkit.wire.recurring import Recurring
from llmkit.wire.signals import ErrorEvent

_NOTHING: Final[Sequence[Event]] = ()
_More: TypeAlias = Callable[[str], Sequence[Event]]


class _Block:
    """A block that is being received."""

    __slots__ = ("call", "citations", "data", "done", "held", "json", "path", "pieces")

    def __init__(self, data: dict[str, Any], path: str, call: int) -> None:
        self.data = data
        self.path = path
        self.call = call  # which call of the turn it is, from 0
        self.pieces: dict[str, Growing] = {}  # field → what is to be joined
        self.json = Growing()
        self.citations: list[dict[str, Any]] = []
        self.held: list[Event] = []  # to be handed out when all blocks before it are complete
        self.done = False

    def add(self, field: str, piece: str) -> None:
        pieces = self.pieces.get(field)
        if pieces is None:
            # The first block of some gateways begins with its text rather than empty.
            pieces = self.pieces[field] = Growing(text_or(self.data.get(field), ""))
        pieces.add(piece)

    def text(self, field: str) -> str:
        """What has come of a field that is in pieces."""
        return str(self.pieces[field]) if field in self.pieces else text_or(self.data.get(field), "")

    def part(self) -> Part:
        for field, pieces in self.pieces.items():
            self.data[field] = str(pieces)
        data = self.data
        if text := str(self.json):
            data["input"] = _arguments(text)
        if self.citations:
            data = {**data, "citations": [*(data.get("citations") or ()), *self.citations]}
        return decode_block(data, self.path)


def _arguments(text: str) -> Any:
    try:
        return loads(text)
    except InvalidResponseError:
        return text  # cut off by the limit on tokens: `ToolCall.raw` keeps it


class StreamDecoder:
    """The state of one stream; see `llmkit.wire.base.StreamDecoder`."""

    def __init__(self, _: AnthropicMessagesQuirks | None = None) -> None:
        self.envelope: dict[str, Any] = {}
        self.ended = False
        self.whole = False
        self.logprobs = None  # this wire has none
        self._usage: dict[str, Any] = {}
        self._open: dict[int, _Block] = {}
        self._order: list[_Block] = []  # begun and not handed out, in the order in which they began
        self._blocks = 0
        self._calls = 0
        self._recurring = Recurring()
        self._handlers: dict[str, Callable[[dict[str, Any]], Sequence[Event] | None]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._begin,
            "content_block_stop": self._stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
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
        """The typed events that `event` stands for; None for pings and those that this version does not know.

        Raises:
            ErrorEvent: It is an error.
            InvalidResponseError: It is not what the wire promises.
        """
        if (events := self._recurring.read(event)) is not None:
            return events
        self._recurring.forget()
        if event.event == "error":
            return self._error(loads_or_text(event.data))
        if event.data == "[DONE]":
            return None  # as gateways add that are used to another wire
        data = loads(event.data, "an event of the stream")
        if data.__class__ is not dict:
            expect(data, dict, "$")
        kind = data.get("type")
        handler = self._handlers.get(kind if kind.__class__ is str else event.event)
        if handler is not None:
            found = handler(data)
            if found and handler == self._delta:
                self._learn(event, data)
            return found
        # As gateways tell of errors that are not Anthropic's.
        return self._error(data) if data.get("error") or ("type" not in data and is_error(data)) else None

    def _learn(self, event: ServerSentEvent, data: dict[str, Any]) -> None:
        """The delta in `data` was handed out, and so is the next one of its block."""
        block, delta = self._open[data["index"]], data["delta"]
        field, goes_on = _GOES_ON[delta["type"]](block)
        self._recurring.learn(event, delta[field], ("delta", field), goes_on)

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text of the block that is being handed out."""
        block = self._order[0] if self._order else None
        kind = None if block is None else block.data.get("type")
        if block is None or kind not in ("text", "thinking"):
            return "", ""
        return ("", block.text("text")) if kind == "text" else (block.text("thinking"), "")

    def pending(self) -> Sequence[Event]:
        """What has been received of blocks that have one before them that is not complete."""
        events: list[Event] = []
        for block in self._order[1:]:
            events += block.held
            if block.done:
                with suppress(InvalidResponseError):
                    events.append(block.part())
        return events

    def usage(self) -> Usage:
        """What was billed, as far as it is known."""
        return usage(dict(self._usage) or None)

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        """The parts not handed out yet, why it ended and what was billed.

        Raises:
            IncompleteStreamError: `message_stop` has not come.
        """
        if not self.ended:
            raise IncompleteStreamError("the stream ended before message_stop: the answer was cut off")
        for block in self._order:
            block.done = True
        self._open.clear()
        return self._complete(), finish_reason(self.envelope, calls=self._calls > 0), self.usage()

    def _message_start(self, data: dict[str, Any]) -> Sequence[Event] | None:
        again = bool(self.envelope)
        message = expect(data.get("message"), dict, "$.message")
        self.envelope |= {key: value for key, value in message.items() if key != "content"}
        self._bill(message.get("usage"))
        return None if again else _NOTHING  # that it begins is no news for ever

    def _begin(self, data: dict[str, Any]) -> Sequence[Event]:
        index = expect(data.get("index"), int, "$.index")
        skeleton = dict(expect(data.get("content_block"), dict, "$.content_block"))
        block = _Block(skeleton, f"$.content[{self._blocks}]", self._calls)
        said = _first_events(block)  # first: where it fails, nothing of the one before it is lost
        events = list(self._stop(data)) if index in self._open else []
        self._blocks += 1
        self._calls += skeleton.get("type") == "tool_use"
        self._open[index] = block
        self._order.append(block)
        if skeleton.get("type") == "fallback":  # another model goes on; of a whole body it is the one named at the top
            self.envelope["model"] = text_or(object_or_empty(skeleton.get("to")).get("model"), self.model)
        return [*events, *self._heard(block, said)]

    def _delta(self, data: dict[str, Any]) -> Sequence[Event] | None:
        index = data.get("index")
        block = self._open.get(index) if index.__class__ is int else None
        delta: Any = data.get("delta")
        if delta.__class__ is not dict:
            expect(delta, dict, "$.delta")
        if block is None:
            raise InvalidResponseError(
                "invalid answer: a delta of a block that has not begun @ $.index", path="$.index", body=str(data)[:1024]
            )
        kind = delta.get("type")
        handler = _DELTAS.get(kind) if kind.__class__ is str else None
        if handler is None:
            # Deltas that this version does not know set fields of their block, as `compaction_delta` does.
            block.data |= {key: value for key, value in delta.items() if key != "type"}
            return _NOTHING
        events = handler(block, delta)
        if not events and not any(value for key, value in delta.items() if key != "type"):
            return None
        return self._heard(block, events)

    def _heard(self, block: _Block, events: Sequence[Event]) -> Sequence[Event]:
        """`events`, unless a block before theirs is still open: joined, deltas are always the answer in its order."""
        if self._order[0] is block:
            return events
        block.held += events
        return _NOTHING

    def _stop(self, data: dict[str, Any]) -> Sequence[Event]:
        block = self._open.pop(expect(data.get("index"), int, "$.index"), None)
        if block is None:
            return _NOTHING
        block.done = True
        return self._complete()

    def _complete(self) -> Sequence[Event]:
        """The blocks that are complete and have none before them that is not.

        Raises:
            InvalidResponseError: One of them is not what the wire promises; all are still there, for `begun`.
        """
        events: list[Event] = []
        complete = 0
        for block in self._order:
            events += block.held
            if not block.done:
                block.held = []
                break
            part = block.part()
            if isinstance(part, ToolCall) and not block.json:
                # Joined, the fragments of a call are always its arguments, also where they came with its beginning.
                events.append(ToolCallDelta(block.call, part.id, part.name, dump_bytes(part.arguments).decode()))
            events.append(part)
            complete += 1
        del self._order[:complete]
        return events

    def _message_delta(self, data: dict[str, Any]) -> Sequence[Event]:
        self.envelope |= expect(data.get("delta", {}), dict, "$.delta")
        self.envelope |= {key: value for key, value in data.items() if key not in ("type", "delta", "usage")}
        self._bill(data.get("usage"))
        return _NOTHING

    def _message_stop(self, _: dict[str, Any]) -> Sequence[Event]:
        self.ended = self.whole = True
        return _NOTHING

    def _error(self, body: Any) -> Sequence[Event]:
        raise ErrorEvent(body)

    def _bill(self, value: object) -> None:
        """Counts are totals: a later one replaces an earlier, and null none."""
        if isinstance(value, dict):
            told = {key: item for key, item in value.items() if item is not None or key not in self._usage}
            # A new one each time: snapshots keep theirs.
            self._usage = self.envelope["usage"] = {**self._usage, **told}


def _first_events(block: _Block) -> Sequence[Event]:
    """What a block says with its beginning."""
    match block.data:
        case {"type": "tool_use"}:
            id_ = expect(block.data.get("id"), str, f"{block.path}.id")
            return (ToolCallDelta(block.call, id_, expect(block.data.get("name"), str, f"{block.path}.name"), ""),)
        case {"type": "text", "text": str(text)} if text:
            return (TextDelta(text),)
        case {"type": "thinking", "thinking": str(text)} if text:
            return (ThinkingDelta(text),)
        case _:
            return _NOTHING


def _text_delta(block: _Block, delta: Mapping[str, Any]) -> Sequence[Event]:
    text = expect(delta.get("text"), str, "$.delta.text")
    block.add("text", text)
    return (TextDelta(text),) if text and block.data.get("type") == "text" else _NOTHING


def _thinking_delta(block: _Block, delta: Mapping[str, Any]) -> Sequence[Event]:
    text = expect(delta.get("thinking"), str, "$.delta.thinking")
    block.add("thinking", text)
    return (ThinkingDelta(text),) if text and block.data.get("type") == "thinking" else _NOTHING


def _json_delta(block: _Block, delta: Mapping[str, Any]) -> Sequence[Event]:
    text = expect(delta.get("partial_json"), str, "$.delta.partial_json")
    if not text:
        return _NOTHING
    block.json.add(text)
    if block.data.get("type") != "tool_use":
        return _NOTHING
    return (ToolCallDelta(block.call, block.data["id"], block.data["name"], text),)


def _signature_delta(block: _Block, delta: Mapping[str, Any]) -> Sequence[Event]:
    block.data["signature"] = expect(delta.get("signature"), str, "$.delta.signature")
    return _NOTHING


def _citations_delta(block: _Block, delta: Mapping[str, Any]) -> Sequence[Event]:
    expect(block.data.get("citations") or [], list, f"{block.path}.citations")
    block.citations.append(expect(delta.get("citation"), dict, "$.delta.citation"))
    return _NOTHING


def _more_words(field: str, delta: Callable[[str], Event]) -> Callable[[_Block], tuple[str, _More]]:
    def of(block: _Block) -> tuple[str, _More]:
        add = block.pieces[field].add

        def goes_on(text: str) -> Sequence[Event]:
            add(text)
            return (delta(text),)

        return field, goes_on

    return of


def _more_json(block: _Block) -> tuple[str, _More]:
    add, call, id_, name = block.json.add, block.call, block.data["id"], block.data["name"]

    def goes_on(text: str) -> Sequence[Event]:
        add(text)
        return (call_delta(call, id_, name, text),)

    return "partial_json", goes_on


# The deltas that are handed out as they come: which field of theirs is the text, and what it stands for.
_GOES_ON: Final[Mapping[str, Callable[[_Block], tuple[str, _More]]]] = {
    "text_delta": _more_words("text", text_delta),
    "thinking_delta": _more_words("thinking", thinking_delta),
    "input_json_delta": _more_json,
}

_DELTAS: Final[Mapping[Any, Callable[[_Block, Mapping[str, Any]], Sequence[Event]]]] = {
    "text_delta": _text_delta,
    "thinking_delta": _thinking_delta,
    "input_json_delta": _json_delta,
    "signature_delta": _signature_delta,
    "citations_delta": _citations_delta,
}
