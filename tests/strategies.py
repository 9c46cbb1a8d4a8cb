"""Hypothesis strategies: JSON, conversations that the wire can express, answers, and streams in every legal shape."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen
from hypothesis import strategies as st

from llmkit import (
    AssistantMessage,
    Citation,
    Document,
    Image,
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
    Usage,
    UserMessage,
)
from llmkit.response import FinishReason
from llmkit.sse import ServerSentEvent

WIRE = "anthropic-messages"

# ---- JSON ------------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20)
words = st.text("abc äß€😀\n\t\u2028", min_size=1, max_size=20)
spoken = words.filter(lambda text: bool(text.strip()))
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
surrogates = st.characters(categories=["Cs"])
any_text = st.text(st.one_of(st.characters(), surrogates), max_size=20)
numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))


def json_values(text: st.SearchStrategy[str] = texts, leaves: int = 8) -> st.SearchStrategy[Any]:
    """Any JSON."""
    scalars = st.one_of(st.none(), st.booleans(), numbers, text)
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
        max_leaves=leaves,
    )


json_objects = st.dictionaries(texts, json_values(leaves=4), max_size=4)
inputs = st.dictionaries(words, json_values(words, 4), max_size=3)

# ---- parts that are sent ---------------------------------------------------------------------------------------------

caches = st.sampled_from([None, None, None, "5m", "1h"])
_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
}
_FILE: Mapping[str, Any] = {WIRE: {}}

images = st.one_of(
    st.builds(
        lambda kind, rest, cache: Image(_IMAGES[kind] + rest, media_type=kind, cache=cache),
        st.sampled_from(sorted(_IMAGES)),
        st.binary(max_size=30),
        caches,
    ),
    st.builds(lambda path, cache: Image(url=f"https://example.com/{path}", cache=cache), names, caches),
    st.builds(lambda name, cache: Image(file_id=f"file_{name}", cache=cache), names, caches),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    fields: dict[str, Any] = {
        "name": draw(st.none() | spoken),
        "context": draw(st.none() | spoken),
        "citations": draw(st.booleans()),
        "cache": draw(caches),
    }
    match draw(st.sampled_from(["pdf", "text", "url", "file"])):
        case "pdf":
            return Document(b"%PDF-1.4\n" + draw(st.binary(max_size=30)), media_type="application/pdf", **fields)
        case "text":
            return Document(draw(spoken).encode(), media_type="text/plain", **fields)
        case "url":
            return Document(url=f"https://example.com/{draw(names)}.pdf", **fields)
        case _:
            return Document(file_id=f"file_{draw(names)}", extra=_FILE, **fields)


_SEARCH_RESULT = {
    "type": "search_result",
    "source": "https://example.com",
    "title": "T",
    "content": [{"type": "text", "text": "found"}],
    "citations": {"enabled": True},
}
opaque_user = st.sampled_from([_SEARCH_RESULT, {"type": "container_upload", "file_id": "file_1"}]).map(
    lambda block: Opaque(WIRE, block)
)
result_content = st.lists(
    st.one_of(st.builds(Text, texts), images, documents(), st.just(Opaque(WIRE, _SEARCH_RESULT))), max_size=2
)
user_parts = st.one_of(st.builds(Text, texts, cache=caches), images, documents(), opaque_user)

# ---- parts that are answered -----------------------------------------------------------------------------------------

_counts = st.integers(0, 1000)


@st.composite
def citations(draw: st.DrawFn) -> Citation:
    """A source of one of the five kinds, as decoding makes it."""
    quoted, title, which = draw(texts), draw(st.none() | spoken), draw(_counts)
    start, end = draw(_counts), draw(_counts)
    match draw(st.sampled_from(["char", "page", "content_block", "web", "search"])):
        case "web":
            url = f"https://example.com/{draw(names)}"
            raw = {"type": "web_search_result_location", "url": url, "encrypted_index": draw(names)}
            return Citation(quoted, url, title, raw={**raw, "cited_text": quoted, "title": title})
        case "search":
            raw = {"type": "search_result_location", "source": "s", "search_result_index": which}
            span = {"start_block_index": start, "end_block_index": end}
            raw = {**raw, **span, "cited_text": quoted, "title": title}
            return Citation(quoted, "s", title, which, start, end, "block", raw)
        case kind:
            unit, key = {
                "char": ("character", "char_index"),
                "page": ("page", "page_number"),
                "content_block": ("block", "block_index"),
            }[kind]
            raw = {
                "type": f"{kind}_location",
                "cited_text": quoted,
                "document_index": which,
                "document_title": title,
                f"start_{key}": start,
                f"end_{key}": end,
                "file_id": draw(st.none() | names),
            }
            return Citation(quoted, None, title, which, start, end, unit, raw)  # type: ignore[arg-type]


_SERVER = (
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "e"}],
    },
    {
        "type": "bash_code_execution_tool_result",
        "tool_use_id": "srvtoolu_2",
        "content": {
            "type": "bash_code_execution_result",
            "stdout": "",
            "stderr": "",
            "return_code": 0,
            "content": [],
        },
    },
)
opaque_answers = st.sampled_from(_SERVER).map(lambda block: Opaque(WIRE, block))
thoughts = st.one_of(
    st.builds(Thinking, texts, st.none() | names, wire=st.just(WIRE)),
    st.builds(Thinking, st.just(""), redacted=names, wire=st.just(WIRE)),
)
cited_texts = st.builds(Text, spoken | texts, st.lists(citations(), max_size=2))
_CALLERS: list[dict[str, Any]] = [{}, {WIRE: {"caller": {"type": "direct"}}}]


def calls(number: int) -> st.SearchStrategy[ToolCall]:
    return st.builds(
        lambda name, arguments, extra: ToolCall(f"toolu_{number}", name, arguments, extra=extra),
        names,
        inputs,
        st.sampled_from(_CALLERS),
    )


# ---- conversations ---------------------------------------------------------------------------------------------------


@st.composite
def answers(draw: st.DrawFn, first: int = 0) -> AssistantMessage:
    """An assistant's turn whose calls are numbered from `first`."""
    foreign = st.builds(lambda text: Thinking(text, "seal", wire="another"), texts)
    spoken_parts = st.one_of(cited_texts, thoughts, foreign, opaque_answers, st.builds(Refusal, texts))
    parts: list[Any] = draw(st.lists(spoken_parts, max_size=3))
    parts += [draw(calls(first + index)) for index in range(draw(st.integers(0, 2)))]
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
    parts: list[Any] = draw(st.lists(user_parts, max_size=3))
    for call in open_calls:
        content, failed, cache = draw(result_content), draw(st.booleans()), draw(caches)
        parts.append(ToolResult(call.id, call.name, content, failed, cache))
    return UserMessage(draw(st.permutations(parts)) or [Text(draw(spoken))])


_SERVER_TOOLS = (
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    {"type": "code_execution_20250825", "name": "code_execution"},
    {"type": "bash_20250124", "name": "bash"},
    {"name": "later", "input_schema": {"type": "object"}, "defer_loading": True},
)
_SCHEMAS = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"a": {"type": "integer", "default": None}}, "required": ["a"], "$defs": {}},
    {"properties": {"b": {"$ref": "#/$defs/B"}}, "$defs": {"B": {"type": "string"}}},
)
tools = st.one_of(
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
        "model": st.sampled_from(["claude-sonnet-5", "claude-haiku-4-5", "claude-opus-4-6", "claude-3-5-haiku-latest"]),
        "system": st.one_of(texts, st.lists(st.builds(Text, texts, cache=caches), max_size=2)),
        "tools": st.lists(tools, max_size=3, unique_by=lambda tool: tool.name),
        "parallel_tool_calls": st.booleans(),
        "max_tokens": st.integers(1, 200_000),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "stop": st.one_of(words, st.lists(words, max_size=2)),
        "reasoning": st.one_of(
            st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]), st.integers(1024, 30_000)
        ),
        "cache": st.sampled_from(["5m", "1h"]),
        "metadata": st.fixed_dictionaries({}, optional={"user_id": names}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "extra_body": st.fixed_dictionaries(
            {}, optional={"container": names, "output_config": st.just({"effort": "low"})}
        ),
    }
    found = draw(st.fixed_dictionaries({}, optional=maybe))
    if found.get("tools") and draw(st.booleans()):
        named = [tool.name for tool in found["tools"]]
        found["tool_choice"] = draw(st.sampled_from(["auto", "required", "none", *named]))
    return found


# ---- the same as dicts -----------------------------------------------------------------------------------------------

_cache_controls = st.fixed_dictionaries(
    {}, optional={"cache_control": st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])}
)


@st.composite
def user_dicts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation of dicts in Anthropic's shape, in which a tool was called."""
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": "toolu_0", **draw(_cache_controls)}
    if draw(st.booleans()):
        result["content"] = draw(st.one_of(spoken, st.lists(_blocks, max_size=2)))
    if draw(st.booleans()):
        result["is_error"] = draw(st.booleans())
    content = [*draw(st.lists(_blocks, max_size=2)), result, {"type": "text", "text": draw(spoken)}]
    call = {"type": "tool_use", "id": "toolu_0", "name": "f", "input": draw(inputs)}
    return [
        {"role": "user", "content": draw(st.one_of(spoken, st.lists(_blocks, min_size=1, max_size=3)))},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": draw(st.permutations(content))},
    ]


@st.composite
def _block_dicts(draw: st.DrawFn) -> dict[str, Any]:
    cache = draw(_cache_controls)
    match draw(st.sampled_from(["text", "image", "document", "search_result"])):
        case "text":
            return {"type": "text", "text": draw(spoken), **cache}
        case "image":
            return {"type": "image", "source": draw(_image_sources), **cache}
        case "document":
            extra = draw(
                st.fixed_dictionaries(
                    {}, optional={"title": spoken, "context": spoken, "citations": st.just({"enabled": True})}
                )
            )
            return {"type": "document", "source": draw(_document_sources), **extra, **cache}
        case _:
            return {**_SEARCH_RESULT, **cache}


def _base64(kind: str, data: bytes) -> dict[str, Any]:
    from base64 import b64encode

    return {"type": "base64", "media_type": kind, "data": b64encode(data).decode()}


_elsewhere = st.sampled_from(
    [{"type": "url", "url": "https://example.com/a.pdf"}, {"type": "file", "file_id": "file_1"}]
)
_image_sources = st.one_of(
    st.builds(
        lambda kind, rest: _base64(kind, _IMAGES[kind] + rest), st.sampled_from(sorted(_IMAGES)), st.binary(max_size=9)
    ),
    _elsewhere,
)
_document_sources = st.one_of(
    st.binary(max_size=9).map(lambda rest: _base64("application/pdf", b"%PDF-1.4\n" + rest)),
    spoken.map(lambda text: {"type": "text", "media_type": "text/plain", "data": text}),
    _elsewhere,
)
_blocks = _block_dicts()

# ---- answers ---------------------------------------------------------------------------------------------------------


@frozen
class Scripted:
    """An answer that a provider gives."""

    content: tuple[Any, ...]
    usage: Usage
    finish_reason: FinishReason


_REASONS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
    "brand_new": "other",
}
finish_reasons = st.one_of(
    st.sampled_from(sorted(_REASONS)).map(lambda raw: FinishReason(_REASONS[raw], raw)),  # type: ignore[arg-type]
    words.map(lambda text: FinishReason("stop", "stop_sequence", text)),
)
cut_calls = st.builds(
    lambda name, text: ToolCall("toolu_cut", name, {}, text),
    names,
    st.sampled_from(['{"a": "b', '{"a": 1, ', "[1]", "tru"]),
)


@st.composite
def scripted(draw: st.DrawFn) -> Scripted:
    parts: list[Any] = draw(st.lists(st.one_of(cited_texts, thoughts, opaque_answers), max_size=4))
    parts += [draw(calls(index)) for index in range(draw(st.integers(0, 2)))]
    parts += draw(st.lists(cut_calls, max_size=1))
    read, written, output = draw(_counts), draw(_counts), draw(_counts)
    usage = Usage(draw(_counts) + read + written, output, read, written, draw(st.integers(0, output)))
    reason = draw(finish_reasons)
    if reason.reason == "stop" and any(isinstance(part, ToolCall) for part in parts):
        reason = evolve(reason, reason="tool_calls")  # a turn that holds calls never just stops
    return Scripted(tuple(draw(st.permutations(parts))), usage, reason)


# ---- streams ---------------------------------------------------------------------------------------------------------

_LINES = ["\n", "\r", "\r\n"]
_NOISE = [": ping", ":", "id: 7", "retry: 10", "unknown: field", "word"]
_odd_text = st.text("a: \n\u2028\u0085\x0b\ufeff\0", min_size=1, max_size=10)
data_texts = st.one_of(_odd_text, st.text(st.characters(exclude_characters="\r"), min_size=1, max_size=30))
event_names = st.text(st.characters(exclude_characters="\r\n"), min_size=1, max_size=10)
sse_events = st.lists(
    st.builds(ServerSentEvent, st.one_of(st.just("message"), event_names), data_texts),
    max_size=4,
)


@st.composite
def streams(draw: st.DrawFn, events: Sequence[ServerSentEvent]) -> bytes:
    """`events` in any shape that the standard allows."""
    lines: list[str] = []
    for event in events:
        data = [_field(draw, "data", line) for line in event.data.split("\n")]
        name = [] if event.event == "message" and draw(st.booleans()) else [_field(draw, "event", event.event)]
        lines += draw(_noise)
        for line in [*data, *name] if draw(st.booleans()) else [*name, *data]:
            lines += [line, *draw(_noise)]
        lines += [""] * draw(st.integers(1, 3))
        if draw(st.booleans()):
            lines += [*draw(st.sampled_from([[": nothing"], ["event: lonely"], ["data:"], ["data", "event: x"]])), ""]
    text, after_cr = draw(st.sampled_from(["", "\ufeff"])), False
    for line in lines:
        # An LF right after a CR belongs to it.
        end = draw(st.sampled_from(_LINES[1:] if after_cr and not line else _LINES))
        text += line + end
        after_cr = end == "\r"
    return text.encode()


_noise = st.lists(st.sampled_from(_NOISE), max_size=1)


def _field(draw: st.DrawFn, name: str, value: str) -> str:
    """One blank behind the colon says nothing; a name without a colon has an empty value."""
    forms = [f"{name}: {value}"]
    if not value.startswith(" "):
        forms.append(f"{name}:{value}")
    if not value:
        forms.append(name)
    return draw(st.sampled_from(forms))


def pieces(body: bytes) -> st.SearchStrategy[list[bytes]]:
    """`body`, cut anywhere, also into nothing."""
    return st.lists(st.integers(0, len(body)), max_size=8).map(lambda cuts: _cut(body, sorted(cuts)))


def _cut(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


# ---- what nobody should send -----------------------------------------------------------------------------------------


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """`value` with something in it replaced, removed, added or renamed."""
    found = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        found = _mutate(draw, found)
    return found


hostile = st.one_of(
    json_values(any_text, 4), st.sampled_from([10**400, "", [], {}, -1, True, [[]], {"type": []}, "x" * 3000])
)


def _mutate(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _mutate(draw, value[key])} if draw(st.integers(0, 4)) else _without(draw, value, key)
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _mutate(draw, value[index]), *value[index + 1 :]]
    return draw(hostile)


def _without(draw: st.DrawFn, value: Mapping[str, Any], key: str) -> dict[str, Any]:
    rest = {name: item for name, item in value.items() if name != key}
    return {**rest, draw(any_text): value[key]} if draw(st.booleans()) else rest
