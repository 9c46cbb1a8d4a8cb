"""The parts of an answer, put together as they come: what streaming cut is one part again.

Text goes on until a signature closes it or a part of another kind comes, in a whole body as in a stream, so that both
give the same. The same goes for raw sound, which comes in pieces.
"""

from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.json_codec import dump_bytes
from llmkit.media import Audio
from llmkit.messages import Citation, Text, Thinking, ToolCall
from llmkit.wire.gemini_generate.parts import decode_part
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.reading import expect

_NOTHING: Final[Sequence[Event]] = ()
_HEADERLESS: Final = ("audio/l16", "audio/l24", "audio/pcm")
_TEXT: Final = frozenset({"text"})
_SPOKEN: Final = frozenset({"text", "thought"})
_UNSPOKEN: Final = frozenset({"thought", "thoughtSignature"})


class _Run:
    """Text, or thoughts, that may go on."""

    __slots__ = ("extra", "pieces", "thought")

    def __init__(self, *, thought: bool) -> None:
        self.thought = thought
        self.pieces: list[str] = []
        self.extra: dict[str, Any] = {}  # the signature, and what else came with the last piece: it ends the run

    def part(self, citations: Sequence[Citation] = ()) -> Text | Thinking:
        text, kept = "".join(self.pieces), dict(self.extra)
        if not self.thought:
            return Text(text, tuple(citations), extra={WIRE_NAME: kept} if kept else {})
        signature = kept.pop("thoughtSignature", None)
        return Thinking(text, signature, wire=WIRE_NAME, extra={WIRE_NAME: kept} if kept else {})


class Content:
    """The content of one answer.

    Attributes:
        calls: How many calls there are so far.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._parts = 0
        self._run: _Run | None = None
        self._sound: Audio | None = None

    def add(self, part: Any, answer: str) -> Sequence[Event]:
        """The events of the next part of the answer of that id; whole parts when the next one has begun.

        Raises:
            InvalidResponseError: It is not what the wire promises.
        """
        if part.__class__ is not dict:
            expect(part, dict, self._path())
        if None in part.values():  # as gateways write fields that are not there
            part = {key: value for key, value in part.items() if value is not None}
        if "text" in part or part.keys() <= _UNSPOKEN:
            events = self._say(part)
        else:
            events = self._hold(part, answer)
        self._parts += 1
        return events

    def pending(self) -> Sequence[Event]:
        """Sound that may go on; of text its deltas have been handed out."""
        return _NOTHING if self._sound is None else (self._sound,)

    def close(self, citations: Sequence[Citation]) -> Sequence[Event]:
        """The last part, with the sources of the whole answer, which are told at its end.

        Where it is no text, they stand on an empty one behind it: what was handed out cannot be changed any more.
        """
        run, self._run = self._run, None
        if run is not None and not run.thought:
            return (run.part(citations),)
        self._run = run
        events = self._flush()
        return [*events, Text("", tuple(citations))] if citations else events

    def _path(self) -> str:
        return f"$.candidates[0].content.parts[{self._parts}]"

    def _say(self, part: dict[str, Any]) -> Sequence[Event]:
        text = part.get("text", "")
        if text.__class__ is not str:
            expect(text, str, f"{self._path()}.text")
        thought = part.get("thought") is True
        kept = {} if part.keys() == _TEXT else {k: v for k, v in part.items() if k not in _SPOKEN}
        if not text and not kept:
            return _NOTHING
        events: list[Event] = []
        run = self._run
        if run is None or run.thought is not thought or run.extra:
            events += self._flush()
            run = self._run = _Run(thought=thought)
        if kept:
            run.extra = _checked(kept, self._path())
        if text:
            run.pieces.append(text)
            events.append(ThinkingDelta(text) if thought else TextDelta(text))
        return events

    def _hold(self, part: dict[str, Any], answer: str) -> Sequence[Event]:
        found = decode_part(part, self._path(), answer, self.calls)
        if isinstance(found, Audio) and (found.media_type or "").startswith(_HEADERLESS):
            return self._sounds(found)
        events = list(self._flush())
        if isinstance(found, ToolCall):
            text = found.raw if found.raw is not None else dump_bytes(found.arguments).decode()
            events.append(ToolCallDelta(self.calls, found.id, found.name, text))
            self.calls += 1
        events.append(found)
        return events

    def _sounds(self, found: Audio) -> Sequence[Event]:
        """Samples without a header, which are joined as they are."""
        before = self._sound
        if before is not None and before.media_type == found.media_type and not before.extra:
            joined = (before.data or b"") + (found.data or b"")
            self._sound = evolve(found, data=joined, name=before.name)
            return _NOTHING
        events = self._flush()
        self._sound = found
        return events

    def _flush(self) -> Sequence[Event]:
        """The part that was still open."""
        run, self._run = self._run, None
        sound, self._sound = self._sound, None
        if run is not None:
            return (run.part(),)
        return _NOTHING if sound is None else (sound,)


def _checked(kept: dict[str, Any], path: str) -> dict[str, Any]:
    if "thoughtSignature" in kept:
        expect(kept["thoughtSignature"], str, f"{path}.thoughtSignature")
    return kept
