"""Outputs where a host has no mode for answers in a schema: the model gives its answer by calling a tool.

To the caller nothing is different: the call is read as the text of the answer, whole or streamed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.errors import UnsupportedOptionError
from llmkit.events import Event, TextDelta, ToolCallDelta
from llmkit.json_codec import dump_bytes
from llmkit.messages import AssistantMessage, Part, Text, ToolCall
from llmkit.output import OutputForm
from llmkit.request import ResolvedRequest
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.tools import Tool
from llmkit.wire.base import Decoded, StreamDecoder, Wire

_NAME: Final = "final_answer"
_TOLD: Final = "Give your final answer by calling this, once, when you are done; not in words."


def with_output(request: ResolvedRequest, form: OutputForm, wire: Wire, quirks: Any) -> tuple[ResolvedRequest, Wire]:
    """`request`, told what its answer is to be, and the wire under which that is read.

    Raises:
        UnsupportedOptionError: The host has neither a mode for schemas nor tools.
    """
    if quirks.json_schema and wire.expresses(form.schema):
        return evolve(request, output_schema=form.schema), wire
    request, name = _with_answer_tool(request, form.schema, wire.refused(quirks))
    return request, _reading_calls(wire, name)


def _with_answer_tool(
    request: ResolvedRequest, schema: Mapping[str, Any], refused: frozenset[str]
) -> tuple[ResolvedRequest, str]:
    """`request` with the tool by which it is answered, and its name.

    Raises:
        UnsupportedOptionError: The host has no tools either.
    """
    if "tools" in refused:
        raise UnsupportedOptionError("output_type: this host has neither schemas nor tools", path="output_type")
    taken = {tool.name for tool in request.tools}
    name = next(name for name in (_NAME, *(f"{_NAME}_{i}" for i in range(len(taken) + 1))) if name not in taken)
    tools = (*request.tools, Tool(name, _TOLD, dict(schema)))
    return evolve(request, tools=tools, tool_choice=_choice(request, name)), name


def _choice(request: ResolvedRequest, name: str) -> str | None:
    """Whom to call: nobody else, any of several; where a model thinks first, hosts refuse to force it."""
    if request.reasoning not in (None, "none"):
        return None if request.tool_choice in (None, "none") else request.tool_choice
    if request.tool_choice == "none" or not request.tools:
        return name
    return "required" if request.tool_choice in (None, "auto") else request.tool_choice


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
    return call.raw if call.raw is not None else dump_bytes(call.arguments).decode()


def _reason(reason: FinishReason, parts: Sequence[object]) -> FinishReason:
    """An answer is no call that waits for a result."""
    waits = any(isinstance(part, ToolCall) for part in parts)
    return evolve(reason, reason="stop") if reason.reason == "tool_calls" and not waits else reason


class _Decoder:
    """The events of a stream decoder, calls of the one tool as text."""

    def __init__(self, inner: StreamDecoder, name: str) -> None:
        self._inner = inner
        self._name = name
        self._texts: dict[int, list[str]] = {}  # index of a call of the tool → its fragments
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

    def pending(self) -> Sequence[Event]:
        return [event for event in map(self._told, self._inner.pending()) if event is not None]

    def usage(self) -> Usage:
        return self._inner.usage()

    def close(self) -> tuple[Sequence[Event], FinishReason, Usage]:
        parts, reason, usage = self._inner.close()
        return self._read(parts), _reason(reason, self._calls), usage

    def _read(self, events: Sequence[Event]) -> list[Event]:
        return [told for event in events if (told := self._told(event)) is not None]

    def _told(self, event: Event) -> Event | None:
        if isinstance(event, ToolCallDelta) and event.name == self._name:
            self._texts.setdefault(event.index, []).append(event.arguments)
            return TextDelta(event.arguments) if event.arguments else None
        if isinstance(event, ToolCall):
            if event.name != self._name:
                self._calls.append(event)
                return event
            # The very fragments, so that joined they are the text; the oldest call first, as calls come whole in order.
            index = min(self._texts, default=None)
            fragments = [] if index is None else self._texts.pop(index)
            return Text("".join(fragments) or _written(event))
        return event
