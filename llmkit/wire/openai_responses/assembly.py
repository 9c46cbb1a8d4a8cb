"""One output item on its way: its deltas in order, what it becomes, and what of it was handed out.

An item has lanes: the texts of a message, the summaries of thoughts, the arguments of a call. The deltas of a lane are
held until the lanes before it are complete, so that joined they are the text of the part.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta, call_delta, text_delta, thinking_delta
from llmkit.growing import Growing
from llmkit.json_codec import dump_bytes
from llmkit.messages import Part, ToolCall
from llmkit.wire.openai_responses.calls import CALLS
from llmkit.wire.openai_responses.decode import decode_item, logprobs, thoughts
from llmkit.wire.reading import object_or_empty, text_or

_INPUT: Final = '{"input":"'
_TELLING: Final = frozenset({"message", "reasoning", *CALLS})
_THOUGHTS: Final = frozenset({"summary_text", "reasoning_text"})
_FIELDS: Final[Mapping[str, str]] = {"function_call": "arguments", "custom_tool_call": "input"}


class Lane:
    """One text of an item."""

    __slots__ = ("annotations", "begun", "closed", "held", "kind", "logprobs", "pieces")

    def __init__(self, kind: str) -> None:
        self.kind = kind  # as of the content that it becomes: output_text, refusal, summary_text, reasoning_text, …
        self.pieces = Growing()
        self.held: list[str] = []  # not handed out yet
        self.annotations: list[Any] = []
        self.logprobs: list[Any] = []
        self.begun = False  # something of it was handed out
        self.closed = False

    def missing(self, whole: object) -> str:
        """What has not come of a text that was told whole."""
        said = str(self.pieces)
        return whole[len(said) :] if isinstance(whole, str) and whole.startswith(said) else ""

    def content(self) -> dict[str, Any]:
        """What it becomes."""
        found: dict[str, Any] = {"type": self.kind}
        found["refusal" if self.kind == "refusal" else "text"] = str(self.pieces)
        if self.kind == "output_text":
            found |= {"annotations": self.annotations, "logprobs": self.logprobs}
        return found


class Item:
    """One output item.

    Attributes:
        data: As it was announced; once it is complete, in its final form.
        number: Which one of the answer it is, from 0.
        path: Where it stands in the answer.
        id: As it was announced; None where it was not.
        call: Which call of the turn it is, from 0.
        silent: Whether it is of a kind that no deltas tell of: those of items behind it need not wait for it.
        held: Events to be handed out when all items before it are complete.
        done: Whether it is complete.
        told: Whether all its deltas have been handed out.
        parts: What it is, once `told`.
        logprobs: Of its text, once `told`.
    """

    __slots__ = (
        "_current",
        "_final",
        "_lanes",
        "_missing",
        "_thought",
        "call",
        "data",
        "done",
        "held",
        "id",
        "logprobs",
        "number",
        "parts",
        "path",
        "silent",
        "told",
    )

    def __init__(self, data: dict[str, Any], number: int, call: int) -> None:
        self.data = data
        self.number = number
        self.path = f"$.output[{number}]"
        self.id = text_or(data.get("id"), None)
        self.call = call
        self.silent = data.get("type") not in _TELLING
        self.held: list[Event] = []
        self.done = False
        self.told = False
        self.parts: Sequence[Part] = ()
        self.logprobs: list[Any] = []
        self._final = False
        self._lanes: dict[tuple[str, object], Lane] = {}
        self._current: Lane | None = None  # the first lane that is open
        self._missing: Sequence[Event] = ()  # deltas of what none has told
        self._thought: str | None = None  # the kind of lane in which thoughts are told

    def begin(self) -> Sequence[Event]:
        """What it says with its announcement."""
        named = self._named()
        return () if named is None else (ToolCallDelta(self.call, *named, ""),)

    def add(self, kind: str, index: object, piece: str, more: object = None) -> Sequence[Event]:
        """Take a delta; return what may be handed out of it."""
        lane = self._lanes.get((kind, index)) or self.lane(kind, index)
        if lane.closed:
            return ()
        lane.pieces.add(piece)
        if more.__class__ is list:
            lane.logprobs += more
        if lane is self._current:
            return self._events(lane, piece)
        lane.held.append(piece)
        return ()

    def lane(self, kind: str, index: object) -> Lane:
        """The lane of that kind and index; begun if need be."""
        lane = self._lanes.get((kind, index))
        if lane is None:
            lane = self._lanes[(kind, index)] = Lane(kind)
            if self._current is None:
                self._current = lane
        return lane

    def close_lane(self, kind: str, index: object, whole: object) -> Sequence[Event]:
        """A lane is complete; `whole` is its text where it was told."""
        lane = self.lane(kind, index)
        events: list[Event] = []
        if missing := lane.missing(whole):
            events += self.add(kind, index, missing)
        lane.closed = True
        while (current := self._current) is not None and current.closed:
            self._current = next((lane for lane in self._lanes.values() if not lane.closed or lane.held), None)
            if (following := self._current) is not None:
                piece, following.held = "".join(following.held), []
                events += self._events(following, piece)
        return events

    def finish(self, data: dict[str, Any] | None) -> None:
        """It is complete, in the form of `data`; None where that was not told: then it is what its deltas make."""
        self.done = True
        if data is not None:
            self.data, self._final = data, True

    def read(self) -> None:
        """It is complete: make its parts, for `tell`.

        Raises:
            InvalidResponseError: It lacks what makes it what it is; nothing of it is lost.
        """
        data = self.data if self._final else self._built()
        self.parts = decode_item(data, self.path)
        self._missing = self._rest(data, self.parts)
        self.logprobs = list(logprobs(data)) or [entry for lane in self._lanes.values() for entry in lane.logprobs]

    def tell(self) -> Sequence[Event]:
        """It was read, and so was all before it: what no delta has told of it."""
        events = [*self.held, *self._missing]
        self.told = True
        self.data = gist(self.data if self._final else self._built())
        self.held, self._missing = [], ()
        self._lanes = {}
        return events

    def more(self, kind: str, index: object) -> Callable[[str], Sequence[Event]]:
        """What takes more of a lane that is being handed out, and tells the deltas."""
        lane, named = self._lanes[(kind, index)], self._named()
        add, events = lane.pieces.add, self._events

        def text(piece: str) -> Sequence[Event]:
            add(piece)
            return (text_delta(piece),)

        def arguments(piece: str) -> Sequence[Event]:
            add(piece)
            return (call_delta(number, id_, name, piece),)

        def other(piece: str) -> Sequence[Event]:
            add(piece)
            return events(lane, piece)

        if named is not None and self.data["type"] == "function_call":
            number, (id_, name) = self.call, named
            return arguments
        return text if kind == "output_text" else other

    def said(self) -> str:
        """All that was handed out of it as deltas, joined; of a call the arguments as the provider wrote them."""
        between = "\n\n" if self.data.get("type") == "reasoning" else ""
        return between.join(str(lane.pieces) for lane in self._lanes.values() if lane.begun)

    def begun(self) -> tuple[str, str]:
        """The thoughts and the text that were handed out of it as deltas, whatever it has turned out to be."""
        begun = [lane for lane in self._lanes.values() if lane.begun]
        return (
            "\n\n".join(str(lane.pieces) for lane in begun if lane.kind in _THOUGHTS),
            "".join(str(lane.pieces) for lane in begun if lane.kind == "output_text"),
        )

    def received(self) -> Sequence[Event]:
        """What has come of it and was not handed out."""
        if not self.done or self.told:
            return self.parts if self.silent else self.held
        twin = Item({}, self.number, self.call)
        twin.data, twin.held = self.data, self.held
        twin._final, twin._lanes = self._final, self._lanes
        twin.read()
        events = twin.tell()
        return [*events, *twin.parts]

    def _events(self, lane: Lane, piece: str) -> Sequence[Event]:
        """`piece` of the lane whose turn it is, as deltas."""
        if not piece:
            return ()
        kind = lane.kind
        if kind == "output_text":
            lane.begun = True
            return (text_delta(piece),)
        if kind == "arguments":
            return self._call_events(lane, piece)
        if kind in _THOUGHTS:
            return self._thought_events(lane, piece)
        return ()

    def _thought_events(self, lane: Lane, piece: str) -> Sequence[Event]:
        # Of thoughts that come both in words and in summary one is the text: that which came first.
        if self._thought is None:
            self._thought = lane.kind
        elif self._thought != lane.kind:
            return ()
        if not lane.begun and any(other.begun for other in self._lanes.values()):
            piece = "\n\n" + piece
        lane.begun = True
        return (thinking_delta(piece),)

    def _call_events(self, lane: Lane, piece: str) -> Sequence[Event]:
        named = self._named()
        if named is None:
            return ()  # not announced: there is no name to hand it out under before it is complete
        first, lane.begun = not lane.begun, True
        if self.data.get("type") == "custom_tool_call":
            piece = (_INPUT if first else "") + _escaped(piece)
        return (call_delta(self.call, *named, piece),)

    def _named(self) -> tuple[str, str] | None:
        """The id and the name of the call that it is."""
        data = self.data
        if data.get("type") not in CALLS:
            return None
        id_, name = text_or(data.get("call_id"), None) or text_or(data.get("id"), None), text_or(data.get("name"), None)
        return None if id_ is None or name is None else (id_, name)

    def _built(self) -> dict[str, Any]:
        """What its deltas make, where its final form was not told."""
        lanes = list(self._lanes.values())
        if not lanes:
            return self.data
        kind = self.data.get("type")
        if kind == "message":
            return {**self.data, "content": [lane.content() for lane in lanes]}
        if kind == "reasoning":
            built = [lane.content() for lane in lanes]
            summaries = [entry for entry in built if entry["type"] == "summary_text"]
            words = [entry for entry in built if entry["type"] == "reasoning_text"]
            return {**self.data, "summary": summaries, **({"content": words} if words else {})}
        if kind in CALLS:
            return {**self.data, _FIELDS[str(kind)]: "".join(str(lane.pieces) for lane in lanes)}
        return self.data

    def _rest(self, data: Mapping[str, Any], parts: Sequence[Part]) -> Sequence[Event]:
        """Deltas for what none has told of the final form."""
        kind, said = data.get("type"), self.said()
        if kind in CALLS:
            return self._rest_of_call(data, said, parts)
        if kind == "message":
            content = data.get("content") or ()
            whole = "".join(part["text"] for part in content if part.get("type") == "output_text")
        elif kind == "reasoning":
            whole = thoughts(data, self.path)
        else:
            return ()
        if not whole.startswith(said) or len(whole) == len(said):
            return ()
        rest = whole[len(said) :]
        return (TextDelta(rest),) if kind == "message" else (ThinkingDelta(rest),)

    def _rest_of_call(self, data: Mapping[str, Any], said: str, parts: Sequence[Part]) -> Sequence[Event]:
        (part,) = parts
        assert isinstance(part, ToolCall)  # noqa: S101 - as its type says
        whole = data.get(_FIELDS[data["type"]])
        whole = whole if isinstance(whole, str) else dump_bytes(part.arguments).decode()
        rest = whole[len(said) :] if whole.startswith(said) else ""
        if data["type"] == "custom_tool_call":
            rest = ("" if said else _INPUT) + _escaped(rest) + '"}'
        elif not said and not rest.strip():
            rest = "{}"  # joined, the fragments of a call are always its arguments
        return (ToolCallDelta(self.call, part.id, part.name, rest),) if rest else ()


def gist(item: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked of an item when the answer ends."""
    found = {key: item[key] for key in ("type", "id", "call_id", "execution") if key in item}
    content = item.get("content")
    if isinstance(content, list) and any(object_or_empty(part).get("type") == "refusal" for part in content):
        found["content"] = [{"type": "refusal"}]
    return found


def _escaped(text: str) -> str:
    """`text` as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
