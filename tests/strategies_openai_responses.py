"""Hypothesis strategies of the wire `openai-responses`: conversations and options that it takes; answers as JSON."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conformance.openai_responses import reference
from hypothesis import strategies as st
from strategies import caches, images, inputs, names, spoken, texts, words

from llmkit import (
    AssistantMessage,
    Audio,
    Document,
    Message,
    Opaque,
    Refusal,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.sse import ServerSentEvent
from llmkit.wire.openai_responses import WIRE

# ---- answers as the provider tells them ------------------------------------------------------------------------------

_counts = st.integers(0, 1000)
_statuses = st.sampled_from(["completed", "incomplete"])
_annotations = st.one_of(
    st.builds(
        lambda path, title, start: {
            "type": "url_citation",
            "url": f"https://example.com/{path}",
            "title": title,
            "start_index": start,
            "end_index": start + 3,
        },
        names,
        texts,
        _counts,
    ),
    st.builds(lambda name: {"type": "file_citation", "file_id": "file_1", "filename": name, "index": 3}, names),
    st.builds(
        lambda name: {
            "type": "container_file_citation",
            "container_id": "cntr_1",
            "file_id": "cfile_1",
            "filename": name,
            "start_index": 0,
            "end_index": 1,
        },
        names,
    ),
    st.just({"type": "file_path", "file_id": "file_1", "index": 0}),
)
_logprobs = st.builds(
    lambda token: {"token": token, "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5}]},
    words,
)


@st.composite
def _output_texts(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "output_text",
        "text": draw(texts),
        "annotations": draw(st.lists(_annotations, max_size=2)),
    }
    if found["text"] and draw(st.booleans()):
        found["logprobs"] = draw(st.lists(_logprobs, max_size=2))
    return found


_refusals = st.builds(lambda text: {"type": "refusal", "refusal": text}, texts)


@st.composite
def messages(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """What the model says."""
    phase = draw(st.sampled_from([None, "commentary", "final_answer"]))
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "status": draw(_statuses),
        "content": draw(st.lists(st.one_of(_output_texts(), _output_texts(), _refusals), max_size=3)),
        **({"phase": phase} if phase else {}),
    }


@st.composite
def thoughts(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """What the model thinks, in summary, in words, sealed, or none of it."""
    found: dict[str, Any] = {"id": f"rs_{number}", "type": "reasoning", "summary": []}
    match draw(st.sampled_from(["summary", "words", "neither"])):
        case "summary":
            found["summary"] = [
                {"type": "summary_text", "text": text} for text in draw(st.lists(texts, min_size=1, max_size=3))
            ]
        case "words":
            found["content"] = [
                {"type": "reasoning_text", "text": text} for text in draw(st.lists(texts, min_size=1, max_size=2))
            ]
    if draw(st.booleans()):
        found["encrypted_content"] = draw(names)
    if draw(st.booleans()):
        found["status"] = "completed"
    return found


def _json(value: Any, spaced: bool) -> str:  # noqa: FBT001 - drawn
    return json.dumps(value, ensure_ascii=not spaced, separators=(", ", ": ") if spaced else (",", ":"))


# What has another form between the quotes of a JSON string, often.
_free = st.text('ab"\\\n\x00\u2028ä😀', max_size=20)


@st.composite
def calls(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """A call of a function, or of a custom tool."""
    common = {"id": f"fc_{number}", "call_id": f"call_{number}", "name": draw(names)}
    if draw(st.integers(0, 3)) == 0:
        return {**common, "type": "custom_tool_call", "input": draw(_free)}
    written = draw(st.builds(_json, inputs, st.booleans()) | st.sampled_from(['{"a": "b', "[1]", "tru", "", "{}"]))
    return {**common, "type": "function_call", "arguments": written, "status": draw(_statuses)}


_PNG = b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR").decode()
_HOSTED: tuple[dict[str, Any], ...] = (
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q", "queries": ["q"]}},
    {"type": "code_interpreter_call", "status": "completed", "code": "1", "container_id": "cntr_1", "outputs": []},
    {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "f", "input_schema": {}}]},
    {"type": "mcp_approval_request", "server_label": "s", "name": "f", "arguments": "{}"},
    {"type": "compaction", "encrypted_content": "gAAA"},
    {"type": "image_generation_call", "status": "completed", "result": None},
    {"type": "image_generation_call", "status": "completed", "result": _PNG},
)


def hosted(number: int) -> st.SearchStrategy[dict[str, Any]]:
    """What a tool of the provider's did."""
    return st.sampled_from(_HOSTED).map(lambda item: {"id": f"item_{number}", **item})


@st.composite
def outputs(draw: st.DrawFn, first: int = 0) -> list[dict[str, Any]]:
    """The items of an answer, numbered from `first`."""
    makers: list[Callable[[int], st.SearchStrategy[dict[str, Any]]]] = [
        messages,
        messages,
        thoughts,
        thoughts,
        calls,
        hosted,
    ]
    chosen = draw(st.lists(st.sampled_from(makers), max_size=4))
    return [draw(make(first + index)) for index, make in enumerate(chosen)]


_usages = st.builds(
    lambda read, cached, written, thought, said: {
        "input_tokens": read + cached,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": thought + said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + cached + thought + said,
    },
    *[_counts] * 5,
)
_ENDS: tuple[dict[str, Any], ...] = (
    {"status": "completed", "incomplete_details": None},
    {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "error": None,
        "model": "m",
        "output": draw(outputs()),
        "usage": draw(_usages),
        "metadata": {},
        **draw(st.sampled_from(_ENDS)),
    }


# ---- the same streamed -----------------------------------------------------------------------------------------------


def _plain(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(events)


def _without_output(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As of hosts whose last event holds no items."""
    *others, last = events
    return [*others, {**last, "response": {**last["response"], "output": []}}]


def _without_parts(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As of hosts that tell deltas and whole items alone."""
    told = ("response.created", "response.output_item.added", "response.output_item.done", *reference.TERMINAL)
    return [event for event in events if event["type"] in told or event["type"].endswith(".delta")]


def _without_deltas(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As of hosts that tell whole items alone."""
    return [event for event in events if event["type"] in ("response.output_item.done", *reference.TERMINAL)]


def _at_its_end(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As of hosts that only seem to stream."""
    return [events[0], events[-1]]


def _counted_from_one(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As of a host whose parts of items are not counted from 0."""
    found = [{**event} for event in events]
    for event in found:
        for key in ("content_index", "summary_index"):
            if key in event:
                event[key] += 1
    return found


def _abreast(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items that are told side by side: all begin, then their events by turns."""
    lanes: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        if "output_index" in event:
            lanes.setdefault(event["output_index"], []).append(event)
    return [events[0], *(lane.pop(0) for lane in lanes.values()), *_by_turns([*lanes.values()]), events[-1]]


def _by_turns(lanes: Sequence[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    while any(lanes):
        # Those that stand last are told first.
        yield from (lane.pop(0) for lane in reversed(lanes) if lane)


dialects = st.sampled_from(
    [_plain, _without_output, _without_parts, _without_deltas, _at_its_end, _counted_from_one, _abreast]
)
_NOISE = (
    {"type": "keepalive", "sequence_number": 0},
    {"type": "response.brand_new", "output_index": 0, "delta": "x"},
    {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "item_0"},
)


@st.composite
def told(draw: st.DrawFn, body: dict[str, Any]) -> list[ServerSentEvent]:
    """The events of `body` as one host or another tells them."""
    events = draw(dialects)(list(reference.rendered(body)))
    for noise in draw(st.lists(st.sampled_from(_NOISE), max_size=2)):
        events.insert(draw(st.integers(0, len(events) - 1)), noise)
    named, ascii_only = draw(st.booleans()), draw(st.booleans())
    found = [
        ServerSentEvent(event["type"] if named else "message", json.dumps(event, ensure_ascii=ascii_only))
        for event in events
    ]
    return [*found, *draw(st.sampled_from([[], [ServerSentEvent("message", "[DONE]")]]))]


# ---- conversations ---------------------------------------------------------------------------------------------------

_FILE: dict[str, dict[str, Any]] = {WIRE.name: {}}
_sounds = st.sampled_from(
    [Audio(b"ID3\x04\x00\x00\x00\x00\x00\x00", media_type="audio/mpeg"), Audio(b"RIFF\x24\x00\x00\x00WAVEfmt ")]
)


@st.composite
def _documents(draw: st.DrawFn) -> Document:
    fields: dict[str, Any] = {"name": draw(st.none() | spoken), "context": draw(st.none() | spoken)}
    match draw(st.sampled_from(["pdf", "text", "url", "file"])):
        case "pdf":
            return Document(b"%PDF-1.4\n" + draw(st.binary(max_size=30)), media_type="application/pdf", **fields)
        case "text":
            return Document(draw(spoken).encode(), media_type="text/plain", **fields)
        case "url":
            return Document(url=f"https://example.com/{draw(names)}.pdf", **fields)
        case _:
            return Document(file_id=f"file_{draw(names)}", extra=_FILE, **fields)


_opaque_user = st.sampled_from(
    [
        {"type": "item_reference", "id": "msg_9"},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "input_text", "text": "verbatim"},
    ]
).map(lambda item: Opaque(WIRE.name, item))
_user_parts = st.one_of(st.builds(Text, texts, cache=caches), images, _documents(), _opaque_user, _sounds)
_result_content = st.lists(st.one_of(st.builds(Text, texts), images, _documents()), max_size=2)
# As another wire, or the caller, made them.
_written_parts = st.one_of(
    st.builds(Text, texts),
    st.builds(Refusal, spoken),
    st.builds(lambda text: Thinking(text, "seal", wire="another"), texts),
)


@st.composite
def answers(draw: st.DrawFn, first: int = 0) -> AssistantMessage:
    """An assistant's turn: the provider's own, perhaps with something added, or one that comes from elsewhere."""
    if draw(st.booleans()):
        body = {"id": "r", "model": "m", "status": "completed", "output": draw(outputs(first))}
        told = WIRE.decode(body, WIRE.quirks()).message
        return AssistantMessage([*told.content, *draw(st.lists(_written_parts, max_size=1))])
    parts: list[Any] = draw(st.lists(_written_parts, max_size=3))
    parts += [ToolCall(f"call_{first + index}", draw(names), draw(inputs)) for index in range(draw(st.integers(0, 2)))]
    return AssistantMessage(draw(st.permutations(parts)))


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A conversation that the wire can express; its last turn is the user's, and says something."""
    found: list[Message] = [SystemMessage([draw(st.builds(Text, texts, cache=caches))])] * draw(st.integers(0, 1))
    open_calls: list[ToolCall] = []
    for turn in range(draw(st.integers(0, 2))):
        found.append(draw(_user_turn(open_calls)))
        answer = draw(answers(10 * turn))
        found.append(answer)
        open_calls = [part for part in answer.content if isinstance(part, ToolCall)]
        if draw(st.booleans()):
            found.append(SystemMessage(draw(spoken)))
    last = draw(_user_turn(open_calls))
    return [*found, UserMessage([*last.content, draw(spoken)])]


@st.composite
def _user_turn(draw: st.DrawFn, open_calls: Sequence[ToolCall]) -> UserMessage:
    parts: list[Any] = draw(st.lists(_user_parts, max_size=3))
    parts += [
        ToolResult(call.id, call.name, draw(_result_content), draw(st.booleans()), draw(caches)) for call in open_calls
    ]
    return UserMessage(draw(st.permutations(parts)) or [Text(draw(spoken))])


# ---- options ---------------------------------------------------------------------------------------------------------

_SERVER_TOOLS = (
    {"type": "web_search", "search_context_size": "low"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "mcp", "server_label": "s", "server_url": "https://example.com/mcp", "require_approval": "never"},
    {"type": "custom", "name": "free", "description": "Anything."},
    {"type": "function", "name": "later", "parameters": {"type": "object"}, "strict": True, "defer_loading": True},
)
_SCHEMAS = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"a": {"type": "integer", "default": None}}, "required": ["a"], "$defs": {}},
    {"properties": {"b": {"$ref": "#/$defs/B"}}, "$defs": {"B": {"type": "string"}}},
)
_tools = st.one_of(
    st.builds(
        lambda name, text, schema, strict, cache: Tool(f"tool_{name}", text, schema, strict=strict, cache=cache),
        names,
        texts,
        st.sampled_from(_SCHEMAS),
        st.sampled_from([None, True, False]),
        caches,
    ),
    st.builds(ServerTool, st.sampled_from(_SERVER_TOOLS), cache=caches),
)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Options that the wire takes."""
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "model": st.sampled_from(["gpt-5.4", "gpt-4o", "o4-mini", "gpt-4.1-nano"]),
        "system": st.one_of(texts, st.lists(st.builds(Text, texts, cache=caches), max_size=2)),
        "tools": st.lists(_tools, max_size=3, unique_by=lambda tool: tool.name or json.dumps(tool.data)),
        "parallel_tool_calls": st.booleans(),
        "max_tokens": st.integers(1, 200_000),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "logprobs": st.integers(0, 20),
        "reasoning": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "cache": st.sampled_from(["5m", "1h"]),
        "metadata": st.dictionaries(names, texts, max_size=2),
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
        "extra_body": st.fixed_dictionaries(
            {},
            optional={
                "store": st.sampled_from([True, True, False]),
                "truncation": st.just("auto"),
                "reasoning": st.just({"summary": "auto"}),
                "text": st.just({"verbosity": "low"}),
            },
        ),
    }
    found = draw(st.fixed_dictionaries({}, optional=maybe))
    if found.get("tools") and draw(st.booleans()):
        named = [tool.name for tool in found["tools"] if tool.name]
        found["tool_choice"] = draw(st.sampled_from(["auto", "required", "none", *named]))
    return found
