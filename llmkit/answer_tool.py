"""Outputs where a host has no mode for answers in a schema: the model gives its answer by calling a tool.

To the caller nothing is different: the call is read as the text of the answer, whole or streamed.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.events import Event, TextDelta, ToolCallDelta
from llmkit.growing import Growing
from llmkit.json_codec import dump_bytes
from llmkit.messages import AssistantMessage, Part, Text, ToolCall
from llmkit.output import OutputForm
from llmkit.request import ResolvedRequest
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.tools import Tool
from llmkit.wire.base import Decoded, Refuse, StreamDecoder, Wire

_NAME: Final = "final_answer"
_SIGNS: Final = "{}[]:,"  # and "", which is in every text: at the beginning
_TOLD: Final = "Give your final answer by calling this, once, when you are done; not in words."


def with_output(
    request: ResolvedRequest, form: OutputForm, wire: Wire, quirks: Any, refuse: Refuse
) -> tuple[ResolvedRequest, Wire]:
    """`request`, told what its answer is to be, and the wire under which that is read.

    Raises:
        UnsupportedOptionError: From `refuse`: the host has neither a mode for such a schema nor tools.
    """
    model = request.model.rpartition("/")[2]
    either = bool(re.match(quirks.schema_or_tools, model)) and any(isinstance(tool, Tool) for tool in request.tools)
    if quirks.json_schema and not either and wire.expresses(form.schema):
        return evolve(request, output_schema=form.schema), wire
    refused = wire.refused(quirks)
    if "tools" in refused:
        refuse("output_type", "this host has neither a mode for such answers nor tools")
        return request, wire
    taken = {tool.name for tool in request.tools}
    name = next(name for name in (_NAME, *(f"{_NAME}_{i}" for i in range(len(taken) + 1))) if name not in taken)
    forced = "tool_choice" not in refused and not re.match(quirks.unforced_models, model)
    return _with_answer_tool(request, Tool(name, _TOLD, dict(form.schema)), forced=forced), _reading_calls(wire, name)


def _with_answer_tool(request: ResolvedRequest, answer: Tool[..., Any], *, forced: bool) -> ResolvedRequest:
    """`request` with the tool by which it is answered, and whom to call: that one, or any of several.

    A model that thinks first cannot be made to call one: hosts refuse that.
    """
    others, wanted = request.tools, request.tool_choice
    if wanted == "none":
        others, wanted = (), None
    if forced and request.reasoning in (None, "none") and wanted in (None, "auto"):
        wanted = "required" if others else answer.name
    return evolve(request, tools=(*others, answer), tool_choice=wanted)


def _reading_calls(wire: Wire, name: str) -> Wire:
    """`wire`, under which calls of the tool `name` are the answer's text."""
    return evolve(
        wire,
        decode=lambda body, quirks: _decoded(wire.decode(body, quirks), name),
        decoder=lambda quirks: _Decoder(wire.decoder(quirks), name),
    )


def _decoded(found: Decoded, name: str) -> Decoded:
    parts = [_part(part, name) for part in found.message.content]
    return evolve(found, message=AssistantMessage(parts), finish_reason=_reason(found.finish_reason, parts))


def _part(part: Part, name: str) -> Part:
    return Text(_written(part)) if isinstance(part, ToolCall) and part.name == name else part


def _written(call: ToolCall) -> str:
    return dump_bytes(call.arguments).decode() if call.raw is None else _Compact().feed(call.raw)


def _reason(reason: FinishReason, parts: Sequence[object]) -> FinishReason:
    """An answer is no call that waits for a result."""
    waits = any(isinstance(part, ToolCall) for part in parts)
    return evolve(reason, reason="stop") if reason.reason == "tool_calls" and not waits else reason


class _Compact:
    """JSON text without the blanks between its parts: a whole answer has none, as its arguments may come as a value."""

    def __init__(self) -> None:
        self._quoted = False
        self._escaped = False
        self._last = ""  # the last sign that was no blank
        self._blanks = ""  # what came after it

    def feed(self, text: str) -> str:
        """What more is known of the text, now that it has gone on by `text`."""
        return "".join(map(self._take, text))

    def _take(self, sign: str) -> str:
        if self._quoted:
            self._quoted = self._escaped or sign != '"'
            self._escaped = sign == "\\" and not self._escaped
            self._last = sign
            return sign
        if sign in " \t\r\n":
            self._blanks += sign
            return ""
        between = "" if self._last in _SIGNS or sign in _SIGNS else self._blanks
        self._quoted, self._last, self._blanks = sign == '"', sign, ""
        return between + sign


class _Decoder:
    """The events of a stream decoder, calls of the one tool as text."""

    def __init__(self, inner: StreamDecoder, name: str) -> None:
        self._inner = inner
        self._name = name
        self._texts: dict[int, tuple[_Compact, Growing]] = {}  # index of a call of the tool → its fragments
        self._others: dict[int, int] = {}  # index of a call of another tool → without those of the tool
        self._calls: list[ToolCall] = []  # of other tools

    @property
    def id(self) -> str:
        return self._inner.id

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def envelope(self) -> dict[str, Any]:
        return self._inner.envelope

    @property
    def ended(self) -> bool:
        return self._inner.ended

    @property
    def whole(self) -> bool:
        return self._inner.whole

    @property
    def logprobs(self) -> Any:
        return self._inner.logprobs

    def feed(self, event: ServerSentEvent) -> Sequence[Event] | None:
        found = self._inner.feed(event)
        return found if found is None else self._read(found)

    def begun(self) -> tuple[str, str]:
        thoughts, text = self._inner.begun()
        return thoughts, text + "".join(str(fragments) for _, fragments in self._texts.values())

    def pending(self) -> Sequence[Event]:
        aside = _Decoder(self._inner, self._name)  # what it told is told again when its turn has come
        aside._others = dict(self._others)
        return aside._read(self._inner.pending())

    def usage(self) -> Usage:
        return self._inner.usage()

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        parts, reason, usage = self._inner.close()
        return self._read(parts), _reason(reason, self._calls), usage

    def _read(self, events: Sequence[Event]) -> list[Event]:
        return [told for event in events if (told := self._told(event)) is not None]

    def _told(self, event: Event) -> Event | None:
        if isinstance(event, ToolCallDelta):
            return self._fragment(event)
        if not isinstance(event, ToolCall):
            return event
        if event.name != self._name:
            self._calls.append(event)
            return event
        # The very fragments, so that joined they are the text; the oldest call first, as calls come whole in order.
        fragments = self._texts.pop(min(self._texts))[1] if self._texts else ""
        return Text(str(fragments) or _written(event))

    def _fragment(self, event: ToolCallDelta) -> Event | None:
        if event.name != self._name:
            return evolve(event, index=self._others.setdefault(event.index, len(self._others)))
        compact, fragments = self._texts.setdefault(event.index, (_Compact(), Growing()))
        if text := compact.feed(event.arguments):
            fragments.add(text)
        return TextDelta(text) if text else None
