"""The parts of an answer, put together as they come: what streaming cut is one part again.

Text goes on until a signature closes it or a part of another kind comes, in a whole body as in a stream, so that both
give the same. Where it was cut is noted, as the provider wants each signature back on the part that it came with. Raw
sound comes in pieces, too, and so do the arguments of calls where that was asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import evolve

from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta, text_delta, thinking_delta
from llmkit.growing import Growing
from llmkit.json_codec import dump_bytes
from llmkit.media import Audio
from llmkit.messages import Citation, Text, Thinking, ToolCall
from llmkit.wire.gemini_generate.partial_calls import Arguments, goes_on
from llmkit.wire.gemini_generate.parts import DATA, decode_part, extra
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.reading import expect

_More: TypeAlias = Callable[[str], Sequence[Event]]
_Path: TypeAlias = tuple[str | int, ...]

_NOTHING: Final[Sequence[Event]] = ()
_HEADERLESS: Final = ("audio/l16", "audio/l24", "audio/pcm")
_TEXT: Final = frozenset({"text"})
_SPOKEN: Final = frozenset({"text", "thought"})
_GOES_ON: Final = frozenset({"partialArgs", "willContinue"})
_PIECE: Final[_Path] = ("functionCall", "partialArgs", 0, "stringValue")
_UNSPOKEN: Final = frozenset({"thought", "thoughtSignature"})


class _Run:
    """Text, or thoughts, that may go on."""

    __slots__ = ("extra", "pieces", "thought")

    def __init__(self, *, thought: bool) -> None:
        self.thought = thought
        self.pieces = Growing()
        self.extra: dict[str, Any] = {}  # the signature, and what else came with the last piece: it ends the run

    def copy(self) -> "_Run":
        """Another one with the same text."""
        other = _Run(thought=self.thought)
        other.pieces, other.extra = self.pieces.copy(), self.extra
        return other

    def end(self, kept: dict[str, Any]) -> None:
        """The next piece is the last: `kept` came with it, and with none before it."""
        bare = len(str(self.pieces))
        self.extra = {"bare": bare, **kept} if bare else kept

    def part(self, citations: Sequence[Citation] = ()) -> Text | Thinking:
        text, kept = str(self.pieces), dict(self.extra)
        if not self.thought:
            return Text(text, tuple(citations), extra={WIRE_NAME: kept} if kept else {})
        signature = kept.pop("thoughtSignature", None)
        return Thinking(text, signature, wire=WIRE_NAME, extra={WIRE_NAME: kept} if kept else {})


class _Growing:
    """A call whose arguments come in pieces."""

    __slots__ = ("_arguments", "call", "number")

    def __init__(self, call: ToolCall, number: int) -> None:
        self.call = call
        self.number = number
        self._arguments = Arguments()

    def add(self, part: Mapping[str, Any]) -> None:
        self._arguments.add(part["functionCall"].get("partialArgs"))
        if found := extra(part, "functionCall"):
            kept = {**self.call.extra.get(WIRE_NAME, {}), **found[WIRE_NAME]}
            self.call = evolve(self.call, extra={WIRE_NAME: kept})

    def more(self, part: Mapping[str, Any]) -> tuple[Callable[[str], None], str] | None:
        """As `Content.more`, of pieces that are not told one by one."""
        call = part.get("functionCall")
        if not isinstance(call, dict) or call.keys() != _GOES_ON or len(part) != 1 or not goes_on(call):
            return None
        return self._arguments.more(call["partialArgs"])

    def part(self, *, ended: bool) -> ToolCall:
        told, whole = self._arguments.close()
        arguments = {**self.call.arguments, **told}
        if ended and whole:
            return evolve(self.call, arguments=arguments)
        return evolve(self.call, arguments={}, raw=dump_bytes(arguments).decode())  # cut off


class Content:
    """The content of one answer.

    Attributes:
        calls: How many calls there are so far.
        run: Text, or thoughts, that may go on.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._parts = 0
        self.run: _Run | None = None
        self._sound: list[Audio] = []  # pieces of one
        self._growing: _Growing | None = None
        self._grew = False  # a call came in pieces

    def add(self, part: Any, answer: str) -> Sequence[Event] | None:
        """The events of the next part of the answer of that id; whole parts when the next one has begun.

        None where it says nothing, as an empty text does.

        Raises:
            InvalidResponseError: It is not what the wire promises.
        """
        if part.__class__ is not dict:
            expect(part, dict, self._path())
        if None in part.values():  # as gateways write fields that are not there
            part = {key: value for key, value in part.items() if value is not None}
        if "text" not in part and not part.keys() <= _UNSPOKEN:
            events: Sequence[Event] | None = self._hold(part, answer)
        elif part.keys().isdisjoint(DATA):
            events = self._say(part)
        else:  # of the fields for what a part is one is set; some gateways write an empty text beside it
            said = self._say({key: part[key] for key in part if key in _SPOKEN}) or _NOTHING
            events = [*said, *self._hold({key: part[key] for key in part if key != "text"}, answer)]
        self._parts += 1
        return events

    def more(self, part: Mapping[str, Any]) -> tuple[_More, str, _Path] | None:
        """What takes more parts like this one, which was added last, but for their text; that, and where it stands.

        None where the next one may be something else although it is like this one.
        """
        if self._growing is not None and (found := self._growing.more(part)) is not None:
            add, text = found

            def piece(text: str) -> Sequence[Event]:
                self._parts += 1
                add(text)
                return _NOTHING

            return piece, text, _PIECE
        run = self.run
        if run is None or run.extra or not part.keys() <= _SPOKEN or not part.get("text"):
            return None
        add, new = run.pieces.add, thinking_delta if run.thought else text_delta

        def spoken(text: str) -> Sequence[Event]:
            self._parts += 1
            add(text)
            return (new(text),)

        return spoken, part["text"], ("text",)

    def kept(self, parts: Sequence[Any]) -> _Run | None:
        """`run` as it is before `parts` are added, of which one may fail behind another that was more of it."""
        match parts:
            case [dict(part)] if part.keys() <= _SPOKEN:
                return self.run
        return None if self.run is None else self.run.copy()

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text that may go on."""
        run = self.run
        if run is None:
            return "", ""
        return (str(run.pieces), "") if run.thought else ("", str(run.pieces))

    def pending(self) -> Sequence[Event]:
        """Sound that may go on; of text its deltas have been handed out."""
        return (_joined(self._sound),) if self._sound else _NOTHING

    def close(self, citations: Sequence[Citation]) -> Sequence[Event]:
        """The last part, with the sources of the whole answer, which are told at its end.

        Where it is no text, they stand on an empty one behind it: what was handed out cannot be changed any more.
        """
        run, self.run = self.run, None
        if run is not None and not run.thought:
            return (run.part(citations),)
        self.run = run
        events = self._flush()
        return [*events, Text("", tuple(citations))] if citations else events

    def _path(self) -> str:
        return f"$.candidates[0].content.parts[{self._parts}]"

    def _say(self, part: dict[str, Any]) -> Sequence[Event] | None:
        text = part.get("text", "")
        if text.__class__ is not str:
            expect(text, str, f"{self._path()}.text")
        thought = part.get("thought") is True
        kept = {} if part.keys() == _TEXT else {k: v for k, v in part.items() if k not in _SPOKEN}
        if not text and not kept:
            return None
        events: list[Event] = []
        run = self.run
        if run is None or run.thought is not thought or run.extra:
            events += self._flush()
            run = self.run = _Run(thought=thought)
        if kept:
            run.end(_checked(kept, self._path()))
        if text:
            run.pieces.add(text)
            events.append(ThinkingDelta(text) if thought else TextDelta(text))
        return events

    def _hold(self, part: dict[str, Any], answer: str) -> Sequence[Event]:
        call = part.get("functionCall")
        if isinstance(call, dict) and (grown := self._grow(part, call, answer)) is not None:
            return grown
        found = decode_part(part, self._path(), answer, self.calls)
        if isinstance(found, Audio) and (found.media_type or "").startswith(_HEADERLESS):
            return self._sounds(found)
        events = list(self._flush())
        if isinstance(found, ToolCall):
            events.append(_arguments_of(found, self.calls))
            self.calls += 1
        events.append(found)
        return events

    def _grow(self, part: dict[str, Any], call: Mapping[str, Any], answer: str) -> Sequence[Event] | None:
        """The events of a part of a call that comes in pieces; None for any other part."""
        events: list[Event] = []
        growing = None if "name" in call else self._growing
        if growing is None:
            if not call and self._grew:
                return _NOTHING  # the end of one that is there already
            if "name" not in call or not goes_on(call):
                return None
            begun = {key: value for key, value in call.items() if key not in ("partialArgs", "willContinue")}
            found = decode_part({**part, "functionCall": begun}, self._path(), answer, self.calls)
            assert isinstance(found, ToolCall)  # noqa: S101 - as its field says
            events += self._flush()
            growing = self._growing = _Growing(found, self.calls)
            self._grew = True
            self.calls += 1
            events.append(ToolCallDelta(growing.number, found.id, found.name, ""))
        growing.add(part)
        return events if goes_on(call) else [*events, *self._grown(ended=True)]

    def _grown(self, *, ended: bool) -> Sequence[Event]:
        """The call that came in pieces; whether it was told that it has `ended`."""
        growing, self._growing = self._growing, None
        if growing is None:
            return _NOTHING
        call = growing.part(ended=ended)
        return (_arguments_of(call, growing.number), call)

    def _sounds(self, found: Audio) -> Sequence[Event]:
        """Samples without a header, which are joined as they are."""
        before = self._sound[-1] if self._sound else None
        goes_on = before is not None and before.media_type == found.media_type and not before.extra
        events = _NOTHING if goes_on else self._flush()
        self._sound.append(found)
        return events

    def _flush(self) -> Sequence[Event]:
        """The part that was still open."""
        run, self.run = self.run, None
        sound, self._sound = self._sound, []
        if run is not None:
            return (run.part(),)
        return (_joined(sound),) if sound else self._grown(ended=False)


def _joined(pieces: Sequence[Audio]) -> Audio:
    """Sound that came in pieces, with what came with the last of them: once, as joining one by one costs the square."""
    if len(pieces) == 1:
        return pieces[0]
    return evolve(pieces[-1], data=b"".join(piece.data or b"" for piece in pieces), name=pieces[0].name)


def _arguments_of(call: ToolCall, number: int) -> ToolCallDelta:
    text = call.raw if call.raw is not None else dump_bytes(call.arguments).decode()
    return ToolCallDelta(number, call.id, call.name, text)


def _checked(kept: dict[str, Any], path: str) -> dict[str, Any]:
    if "thoughtSignature" in kept:
        expect(kept["thoughtSignature"], str, f"{path}.thoughtSignature")
    return kept
