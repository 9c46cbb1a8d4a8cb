"""The tool calls of a stream: which call a fragment belongs to, and what it says.

OpenAI numbers calls and names each once. Of other hosts some send no numbers, some no ids, some whole calls at once,
and some give every call the same number.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llmkit.errors import InvalidResponseError
from llmkit.events import Event, ToolCallDelta, call_delta
from llmkit.growing import Growing
from llmkit.json_codec import loads
from llmkit.wire.openai_chat.parts import as_json, identifier, made_up_id, others, unknown_kind
from llmkit.wire.reading import expect, whole_number

_PATH = "$.choices[0].delta.tool_calls"
_MOST_UNREAD = 1000
_SIGNS = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)


class _Nesting:
    """How JSON that comes in pieces is nested: each piece is looked at once, so that asking often costs little."""

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False  # the last piece ended with a backslash

    @property
    def is_closed(self) -> bool:
        """Whether every string, object and array has its end."""
        return not self._quoted and self._depth == 0

    def take(self, piece: str) -> None:
        """It goes on."""
        begin, self._escaped = int(self._escaped), False
        for found in _SIGNS.finditer(piece, begin):
            sign = found[0]
            if sign == '"':
                self._quoted = not self._quoted
            elif sign == "\\":
                self._escaped = True
            elif not self._quoted and len(sign) == 1:
                self._depth += 1 if sign in "{[" else -1


class _Call:
    """A call that is being received."""

    __slots__ = (
        "_broken",
        "_nesting",
        "_text",
        "_unread",
        "id",
        "is_custom",
        "kind",
        "made_up",
        "name",
        "number",
        "rest",
        "size",
        "told",
    )

    def __init__(self, number: int, id_: str, made_up: str) -> None:
        self.number = number
        self.id = id_ or made_up
        self.made_up = not id_
        self.name: str | None = None
        self.is_custom = False
        self.kind: str | None = None  # where it is one that this version does not model
        self.size = 0  # of all pieces
        self.rest: dict[str, Any] = {}
        self.told = False  # its first fragment was handed out
        self._text = Growing()
        self._unread: list[str] = []  # the latest pieces, whose nesting was not looked at
        self._nesting = _Nesting()
        self._broken = False  # its arguments are no JSON, and never will be

    def add(self, item: dict[str, Any], inner: dict[str, Any]) -> Sequence[Event]:
        if not self.name and isinstance(name := inner.get("name"), str):
            self.name = name
        piece = inner.get("input" if self.is_custom else "arguments")
        # An empty object may only hold the place of what is to come.
        text = piece if piece.__class__ is str else as_json(piece) if piece or piece == [] else ""
        if text and self._is_repeated(inner, text):
            text = ""
        if text:
            self.grow(text)
        if len(item) > 2:  # noqa: PLR2004 - the usual case: its number and a fragment
            self.rest |= others(item, "id", "type", "index", "function", "custom")
        if not self.name:
            return ()  # a fragment without the tool's name says nothing to anyone
        if not self.told:
            return self._first()
        return (self._delta(as_json(text)[1:-1] if self.is_custom else text),) if text else ()

    def grow(self, text: str) -> None:
        """Its arguments go on."""
        self.size += len(text)
        self._unread.append(text)
        if len(self._unread) > _MOST_UNREAD:
            self._settle()

    def _settle(self) -> None:
        text = "".join(self._unread)
        self._unread.clear()
        self._text.add(text)
        self._nesting.take(text)

    @property
    def text(self) -> str:
        """Its arguments, as far as they have come."""
        self._settle()
        return str(self._text)

    def _is_repeated(self, inner: dict[str, Any], text: str) -> bool:
        """Whether a host tells the whole call once more: behind a whole object nothing can go on."""
        if self.is_custom or len(text) != self.size or inner.get("name") != self.name or text[:1] != "{":
            return False
        return text == self.text and self.is_complete()

    def _first(self) -> Sequence[ToolCallDelta]:
        self.told = True
        text = self.text
        return (self._delta('{"input":"' + as_json(text)[1:-1] if self.is_custom else text),)

    def _delta(self, text: str) -> ToolCallDelta:
        return call_delta(self.number, self.id, self.name or "", text)

    def close(self) -> Iterator[ToolCallDelta]:
        """What is left to say, so that joined the fragments are always the arguments."""
        if self.name == "" and self.kind is None:  # no name has come, and none will
            yield from self._first()
        if self.is_custom:
            yield self._delta('"}')
        elif not self.size and self.kind is None:
            yield self._delta("{}")

    def whole(self) -> dict[str, Any]:
        """The call as it would stand in a whole body."""
        text, name = self.text, self.name
        if self.kind is not None:
            return {**({} if self.made_up else {"id": self.id}), "type": self.kind, **self.rest}
        if self.is_custom:
            return {**self.rest, "id": self.id, "type": "custom", "custom": {"name": name, "input": text}}
        return {**self.rest, "id": self.id, "type": "function", "function": {"name": name, "arguments": text}}

    def is_complete(self) -> bool:
        """Whether its arguments are there in full."""
        self._settle()
        if self._broken or not self._nesting.is_closed:
            return False
        text = self.text
        try:
            loads(text)
        except InvalidResponseError:
            self._broken = text.lstrip()[:1] in ("{", "[")
            return False
        return True


class Calls:
    """The calls of one stream, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._numbered: dict[int, _Call] = {}
        self._named: dict[str, _Call] = {}  # by id, the first of each

    def feed(self, items: object, answer: str) -> Sequence[Event]:
        """What the fragments in a delta say; `answer` is the answer's id.

        Raises:
            InvalidResponseError: They are none.
        """
        events: list[Event] = []
        for item in expect(items, list, _PATH):
            found = expect(item, dict, f"{_PATH}[]")
            inner = found.get("function") or found.get("custom") or {}
            if inner.__class__ is not dict:
                expect(inner, dict, f"{_PATH}[].function")
            events += self._of(found, inner, answer).add(found, inner)
        return events

    def more(self, items: Any) -> tuple[Callable[[str], Sequence[Event]], str, Sequence[str | int]] | None:
        """Of the fragments that were fed last: what takes more like it, its text, and where that stands in `items`.

        None where that may not be the same whatever the text is.
        """
        item = items[0]
        index, inner = item.get("index"), item.get("function")
        call = self._numbered.get(index) if index.__class__ is int else None
        if len(items) != 1 or call is None or call.is_custom or not inner or item.get("id") or inner.get("name"):
            return None
        text = inner.get("arguments")
        if text.__class__ is not str:
            return None
        number, id_, name, grow = call.number, call.id, call.name or "", call.grow

        def goes_on(text: str) -> Sequence[Event]:
            grow(text)
            return (call_delta(number, id_, name, text),)

        return goes_on, text, (0, "function", "arguments")

    def close(self) -> list[Event]:
        """The fragments that were not told."""
        return [delta for call in self._calls for delta in call.close()]

    def whole(self) -> list[dict[str, Any]]:
        """The calls as they would stand in a whole body."""
        return [call.whole() for call in self._calls]

    def _of(self, item: dict[str, Any], inner: dict[str, Any], answer: str) -> _Call:
        index, id_ = item.get("index"), identifier(item.get("id"))
        if index.__class__ is not int:
            index = whole_number(index, None)  # some hosts send it as text or with a point
        if index.__class__ is int:
            call = self._numbered.get(index)
        elif id_:
            call = self._named.get(id_)
        else:
            call = self._calls[-1] if self._calls and not inner.get("name") else None
        if call is None or self._is_another(call, id_, inner):
            call = _Call(len(self._calls), id_, made_up_id(len(self._calls), answer))
            call.is_custom = item.get("type") == "custom" or ("custom" in item and "function" not in item)
            call.kind = unknown_kind(item)
            self._calls.append(call)
            self._named.setdefault(call.id, call)
        if index.__class__ is int:
            self._numbered[index] = call
        return call

    def _is_another(self, call: _Call, id_: str, inner: dict[str, Any]) -> bool:
        """Whether the fragment begins another call under the number of `call`."""
        if id_ and not call.made_up:
            # Some hosts make up another id for each fragment; only the first of a call has a name.
            return id_ != call.id and bool(inner.get("name") or not call.name)
        # Without ids only a name tells, and only where there is nothing to add to the call that has the number.
        return bool(inner.get("name") and call.name and call.size) and call.is_complete()
