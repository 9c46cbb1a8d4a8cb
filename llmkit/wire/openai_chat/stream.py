"""The stream of `POST /v1/chat/completions`: what its chunks mean, and when it is whole.

Chunks with deltas of the first choice, one of them with a `finish_reason`, perhaps one with the usage, then ``[DONE]``;
some hosts leave that out. Without a reason the answer was cut off.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from llmkit.errors import IncompleteStreamError, InvalidResponseError, MediaError
from llmkit.events import Event, TextDelta, ThinkingDelta, text_delta, thinking_delta
from llmkit.growing import Growing
from llmkit.json_codec import loads, loads_or_text
from llmkit.media import sources
from llmkit.messages import Part, Text, Thinking, ToolCall
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.error_bodies import has_words, is_error, is_failure, raise_if_error
from llmkit.wire.openai.usage import usage
from llmkit.wire.openai_chat.calls import Calls
from llmkit.wire.openai_chat.content import Content
from llmkit.wire.openai_chat.decode import billed, finish_reason, logprobs
from llmkit.wire.openai_chat.parts import FIELDS, KEPT, details_text, parts_of, rows_of
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.reading import expect, object_or_empty, text_or
from llmkit.wire.recurring import Recurring
from llmkit.wire.signals import ErrorEvent

_NOTHING: Final[Sequence[Event]] = ()
_DELTA: Final = "$.choices[0].delta"
_FIRST: Final = (0, None, "0", "")  # the index of the answer that is read
# Of reasoning details, the fields that come in pieces.
_PIECES: Final = ("text", "summary", "data")


class StreamDecoder:
    """The state of one stream; see `llmkit.wire.base.StreamDecoder`."""

    def __init__(self, quirks: OpenAIChatQuirks | None = None) -> None:
        self.envelope: dict[str, Any] = {}
        self.ended = False
        self.whole = False
        self._logprobs: list[Any] = []
        self._words: dict[str, Any] | None = None  # what was said last, where that was no chunk
        self._recurring = Recurring("obfuscation", counted="usage", count=self._bill)
        self._tells_reason = quirks is None or quirks.finish_reason
        self._choice: dict[str, Any] = {}  # of the first choice, the last value of each key but the delta
        self._content = Content()
        self._thoughts = Growing()
        self._field = ""  # which of the fields for thoughts the host uses
        self._details: list[dict[str, Any]] = []
        self._rows: dict[str, dict[str, Any]] = {}  # the latest of the details of each kind and index
        self._refusal = Growing()
        self._lists: dict[str, list[Any]] = {}  # pictures, sources and signed thoughts
        self._kept: dict[str, dict[str, Any]] = {}
        self._sound: dict[str, Any] = {}
        self._calls = Calls()
        self._old_call = Calls()
        self._untold: list[Event] = []  # of a chunk that failed behind them
        self._handlers: dict[str, Callable[[Any, dict[str, Any]], Sequence[Event]]] = {
            "content": self._said,
            "reasoning_content": self._thinks("reasoning_content"),
            "reasoning": self._thinks("reasoning"),
            "reasoning_details": self._detailed,
            "tool_calls": self._called,
            "function_call": self._called_once,
            "refusal": self._refused,
            "audio": self._heard,
            "images": self._listed("images"),
            "annotations": self._listed("annotations"),
            **{key: self._keeps(key) for key in KEPT},
        }

    @property
    def id(self) -> str:
        """The answer's id; "" before it is known."""
        return text_or(self.envelope.get("id"), "")

    @property
    def model(self) -> str:
        """The model that answers; "" before it is known."""
        return text_or(self.envelope.get("model"), "")

    @property
    def logprobs(self) -> list[Any] | None:
        """Of the tokens so far."""
        return [*self._logprobs] or None

    def feed(self, event: ServerSentEvent) -> Sequence[Event] | None:
        """The typed events that `event` stands for; None for what is no chunk of an answer, or one that says nothing.

        Raises:
            ErrorEvent: It tells of an error.
            InvalidResponseError: It is not what the wire promises.
        """
        if (events := self._recurring.read(event)) is not None:
            return events
        self._recurring.forget()
        text = event.data
        if text.startswith("[DONE]") or text.lstrip().startswith("[DONE]"):
            self.ended = True
            self.whole = self.whole or not self._tells_reason
            return _NOTHING
        if event.event == "error":
            raise ErrorEvent(loads_or_text(text))
        if event.event != "message" and text[:1] != "{":
            return None  # of another kind than chunks, such as pings
        data = loads(text, "an event of the stream")
        if data.__class__ is not dict:
            _not_a_chunk(data)
        found = self._chunk(data)
        if found is not None and len(found) == 1:
            self._learn(event, data)
        return found

    def _learn(self, event: ServerSentEvent, data: dict[str, Any]) -> None:
        """One delta was told. Where it is all that is news, the next chunk that is like this one tells the next."""
        choices = data["choices"]
        if len(choices) != 1 or choices[0].get("logprobs"):
            return
        delta = choices[0]["delta"]
        told = [key for key, value in delta.items() if value and key in self._handlers]
        if len(told) != 1:
            return
        key, value = told[0], delta[told[0]]
        path: Sequence[str | int] = ("choices", 0, "delta", key)
        if key == "tool_calls":
            if (more := self._calls.more(value)) is not None:
                goes_on, text, inner = more
                self._recurring.learn(event, text, (*path, *inner), goes_on)
        elif value.__class__ is str and (grows := self._grows(key)) is not None:
            self._recurring.learn(event, value, path, grows)

    def _grows(self, key: str) -> Callable[[str], Sequence[Event]] | None:
        """What takes more of the text that is told in that field of deltas."""
        said = self._content.text() if key == "content" else self._thoughts
        new = text_delta if key == "content" else thinking_delta

        def goes_on(text: str) -> Sequence[Event]:
            said.add(text)
            return (new(text),)

        return goes_on if key == "content" or key in FIELDS else None

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text so far: all of it is handed out whole at the end."""
        told = self._content.said()
        said = "".join(event.text for event in told if isinstance(event, TextDelta))
        thoughts = str(self._thoughts) + "".join(event.text for event in told if isinstance(event, ThinkingDelta))
        for event in self._untold:
            if isinstance(event, TextDelta):
                said = said[: len(said) - len(event.text)]
            elif isinstance(event, ThinkingDelta):
                thoughts = thoughts[: len(thoughts) - len(event.text)]
        return thoughts, said

    def _chunk(self, data: dict[str, Any]) -> Sequence[Event] | None:
        """The typed events of a chunk."""
        self._check(data)
        envelope = self.envelope
        again, billed_before = bool(envelope), envelope.get("usage")
        for key, value in data.items():
            # Some hosts tell something once and then send it empty.
            if key != "choices" and (value or value == 0 or key not in envelope):
                envelope[key] = value
        choices = data.get("choices")
        if choices is None:
            choices = _NOTHING
        elif events := self._chosen(choices):
            return events
        # That it begins is news, but not for ever: some hosts send empty deltas as pings.
        news = "choices" in data and (not again or envelope.get("usage") != billed_before)
        return _NOTHING if news or any(map(_says, choices)) else None

    def pending(self) -> Sequence[Event]:
        """Of what is told whole at the end: what has come so far. Text, thoughts and calls were handed out."""
        with suppress(InvalidResponseError):
            return [part for part in self._parts() if not isinstance(part, (Text, Thinking, ToolCall))]
        return _NOTHING

    def _bill(self, value: Any) -> None:
        if value:
            self.envelope["usage"] = value

    def usage(self) -> Usage:
        """What was billed, as far as it is known."""
        return usage(billed(self.envelope, self._choice))

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        """The parts, all of which are known only now, why it ended and what was billed.

        Raises:
            IncompleteStreamError: There was no reason for its end.
            ErrorEvent: What was said last was no part of an answer.
        """
        if not self.whole:
            if self._words is not None:
                raise ErrorEvent(self._words)
            raise IncompleteStreamError("the stream ended without a finish_reason: the answer was cut off")
        told = self._told_whole()
        parts = self._parts()
        events: list[Any] = [*told, *self._calls.close(), *self._old_call.close(), *parts]
        return events, finish_reason(self._choice, parts), self.usage()

    def _check(self, data: dict[str, Any]) -> None:
        """Raise `ErrorEvent` where `data` is an error; mere words are one only if no chunk follows them."""
        if is_failure(data):
            raise ErrorEvent(data)
        if "choices" in data:
            self._words = None
        elif is_error(data):
            raise ErrorEvent(data)
        elif has_words(data):
            self._words = data

    def _chosen(self, choices: Any) -> Sequence[Event]:
        """What the chunk says of the first choice; others are not this answer."""
        events: Sequence[Event] = _NOTHING
        try:
            for choice in expect(choices, list, "$.choices"):
                if choice.__class__ is not dict:
                    expect(choice, dict, "$.choices[]")
                if choice.get("index") not in _FIRST:
                    continue
                found = self._of_choice(choice)
                events = [*events, *found] if events else found
        except (InvalidResponseError, ErrorEvent):
            self._untold += events
            raise
        return events

    def _of_choice(self, choice: dict[str, Any]) -> Sequence[Event]:
        for key, value in choice.items():
            if value and key != "delta":
                self._note(key, value, choice)
        delta = choice.get("delta")
        if not delta:
            return _NOTHING
        return self._of_delta(delta)

    def _of_delta(self, delta: Any) -> Sequence[Event]:
        if delta.__class__ is not dict:
            expect(delta, dict, _DELTA)
        events: Sequence[Event] = _NOTHING
        try:
            for key, value in delta.items():
                if value and (handler := self._handlers.get(key)) is not None:
                    found = handler(value, delta)
                    events = [*events, *found] if events else found
        except InvalidResponseError:
            self._untold += events
            raise
        return events

    def _told_whole(self) -> Sequence[Event]:
        """What the last chunk says of a host that sends no deltas but a message, as in a whole body."""
        is_said = self._content or self._thoughts or self._details or self._refusal or self._lists or self._sound
        if is_said or self._calls.whole() or self._old_call.whole() or "message" not in self._choice:
            return _NOTHING
        return self._of_delta(self._choice["message"])

    def _note(self, key: str, value: Any, choice: dict[str, Any]) -> None:
        if key == "error":
            raise ErrorEvent(choice)
        self._choice[key] = value
        if key == "finish_reason" and isinstance(value, str):
            self.whole = True
        elif key == "logprobs" and (found := logprobs(choice)):
            self._logprobs += found

    def _parts(self) -> tuple[Part, ...]:
        """The parts of the message as it would stand in a whole body."""
        message = {
            **self._kept,
            **self._lists,
            "content": self._content.whole(),
            self._field or "reasoning": str(self._thoughts) if self._field != "reasoning_details" else "",
            "refusal": str(self._refusal),
            "audio": {**_settled(self._sound), "data": _joined(self._sound["data"])} if self._sound else None,
            "tool_calls": self._calls.whole() or self._old_call.whole(),
        }
        if self._details:
            message["reasoning_details"] = [_settled(row) for row in self._details]
        return parts_of(message, self.envelope, "$.choices[0].message")

    # ---- the fields of a delta; each is called with what is not empty. What stands beside the answer never fails -----

    def _said(self, content: Any, _: dict[str, Any]) -> Sequence[Event]:
        return self._content.add(content)

    def _thinks(self, key: str) -> Callable[[Any, dict[str, Any]], Sequence[Event]]:
        def thought(text: Any, delta: dict[str, Any]) -> Sequence[Event]:
            if text.__class__ is not str or key != _told_in(delta):
                return _NOTHING  # some hosts say the same in two fields
            if self._field not in FIELDS:
                self._field = key
            self._thoughts.add(text)
            return (ThinkingDelta(text),)

        return thought

    def _detailed(self, rows: Any, delta: dict[str, Any]) -> Sequence[Event]:
        found = rows_of(rows)
        for row in found:
            self._add_detail(row)
        text = details_text(found)
        if not text or self._field in FIELDS or _told_in(delta):
            return _NOTHING
        self._field = "reasoning_details"
        self._thoughts.add(text)
        return (ThinkingDelta(text),)

    def _add_detail(self, row: dict[str, Any]) -> None:
        """Put a piece of reasoning details to the row that it goes on with, else make it a new row."""
        kind, index = row.get("type"), row.get("index")
        name = repr((kind, index))
        known = None if index is None and kind == "reasoning.encrypted" else self._rows.get(name)
        if known is None:
            self._rows[name] = known = dict(row)
            self._details.append(known)
            return
        for key, value in row.items():
            before = known.get(key)
            if key in _PIECES and isinstance(before, (str, Growing)) and isinstance(value, str):
                if isinstance(before, str):
                    known[key] = before = Growing(before)
                before.add(value)
            elif value is not None:
                known[key] = value

    def _refused(self, text: Any, _: dict[str, Any]) -> Sequence[Event]:
        self._refusal.add(text_or(text, ""))
        return _NOTHING

    def _called(self, items: Any, _: dict[str, Any]) -> Sequence[Event]:
        return self._calls.feed(items, self.id)

    def _called_once(self, inner: Any, _: dict[str, Any]) -> Sequence[Event]:
        return self._old_call.feed([{"index": 0, "function": inner}], self.id)

    def _listed(self, key: str) -> Callable[[Any, dict[str, Any]], Sequence[Event]]:
        def extend(items: Any, _: dict[str, Any]) -> Sequence[Event]:
            if isinstance(items, list):
                self._lists.setdefault(key, []).extend(items)
            return _NOTHING

        return extend

    def _keeps(self, key: str) -> Callable[[Any, dict[str, Any]], Sequence[Event]]:
        extend = self._listed(key)

        def keep(value: Any, delta: dict[str, Any]) -> Sequence[Event]:
            if isinstance(value, dict):
                self._kept[key] = {**self._kept.get(key, {}), **value}
            return extend(value, delta)

        return keep

    def _heard(self, sound: Any, _: dict[str, Any]) -> Sequence[Event]:
        """Its words come in pieces, too, and are no deltas of text."""
        found = object_or_empty(sound)
        known = self._sound or {"data": [], "transcript": Growing()}
        words = known["transcript"]
        if said := text_or(found.get("transcript"), ""):
            words.add(said)
        if piece := text_or(found.get("data"), ""):
            known["data"].append(piece)
        id_ = found.get("id") or known.get("id")
        self._sound = {**known, **found, "id": id_, "data": known["data"], "transcript": words}
        return _NOTHING


def _settled(row: Mapping[str, Any]) -> dict[str, Any]:
    """`row` with its texts as far as they have come."""
    return {key: str(value) if value.__class__ is Growing else value for key, value in row.items()}


def _says(choice: Mapping[str, Any]) -> bool:
    """Whether there is anything in it."""
    beside = any(value for key, value in choice.items() if key not in ("index", "delta"))
    return beside or any(value for key, value in object_or_empty(choice.get("delta")).items() if key != "role")


def _told_in(delta: Mapping[str, Any]) -> str | None:
    """The first field of `delta` that tells thoughts."""
    return next((key for key in FIELDS if delta.get(key).__class__ is str and delta[key]), None)


def _joined(pieces: Sequence[str]) -> bytes:
    """The sound whose pieces are base64, each by itself or all together; what is broken is left out."""
    whole = "".join(pieces)
    if "=" not in whole.rstrip("="):
        with suppress(MediaError):
            return sources.from_base64(whole)
    found = b""
    for piece in pieces:
        with suppress(MediaError):
            found += sources.from_base64(piece)
    return found


def _not_a_chunk(data: Any) -> None:
    if isinstance(data, list) and data and isinstance(data[0], dict):
        raise_if_error({"choices": None, **data[0]}, "choices")  # as some hosts tell of errors
    expect(data, dict, "$")
