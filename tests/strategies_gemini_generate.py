"""Hypothesis strategies: conversations that the wire `gemini-generate` can express, and answers of its hosts."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from strategies import inputs, names, spoken, texts, words

from llmkit import (
    AssistantMessage,
    Audio,
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
    UserMessage,
    Video,
)

WIRE = "gemini-generate"

maybe_blank = st.one_of(texts, st.sampled_from(["", "", " ", "\n"]))
seals = st.binary(min_size=1, max_size=12).map(lambda data: b64encode(data).decode())

# ---- parts that are sent ---------------------------------------------------------------------------------------------

_MEDIA: dict[type[Any], dict[str, bytes]] = {
    Image: {
        "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    },
    Audio: {"audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/mpeg": b"ID3\x04\x00\x00\x00\x00\x00\x00"},
    Video: {"video/mp4": b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"},
    Document: {"application/pdf": b"%PDF-1.4\n", "text/plain": b"words "},
}
_KINDS = [(cls, kind) for cls, kinds in _MEDIA.items() for kind in kinds]


@st.composite
def media(draw: st.DrawFn) -> Any:
    cls, kind = draw(st.sampled_from(_KINDS))
    match draw(st.sampled_from(["data", "url", "file"])):
        case "data":
            rest = draw(st.text("abc", max_size=9).map(str.encode) if kind == "text/plain" else st.binary(max_size=30))
            return cls(_MEDIA[cls][kind] + rest, media_type=kind, name=draw(st.none() | names))
        case "url":
            return cls(url=f"https://example.com/{draw(names)}", media_type=kind)
        case _:
            return cls(file_id=f"files/{draw(names)}", media_type=kind)


def _sealed(signature: str | None) -> dict[str, Any]:
    return {} if signature is None else {WIRE: {"thoughtSignature": signature}}


_VERBATIM: tuple[dict[str, Any], ...] = (
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
    {"toolCall": {"id": "a", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["x"]}}, "thoughtSignature": "YQ=="},
    {"toolResponse": {"id": "a", "toolType": "GOOGLE_SEARCH_WEB", "response": {"some_key": 1}}},
)
verbatim = st.sampled_from(_VERBATIM).map(lambda part: Opaque(WIRE, part))
user_parts = st.one_of(st.builds(Text, texts), media())
results = st.lists(st.one_of(st.builds(Text, texts | st.just('{"a": 1}')), media()), max_size=2)
sealed_texts = st.builds(lambda text, seal: Text(text, extra=_sealed(seal)), maybe_blank, st.none() | seals)
thoughts = st.one_of(
    st.builds(Thinking, maybe_blank, st.none() | seals, wire=st.just(WIRE)),
    st.builds(lambda text: Thinking(text, "seal", wire="another"), texts),
)


@st.composite
def answers(draw: st.DrawFn, first: int = 0) -> AssistantMessage:
    """An assistant's turn whose calls are numbered from `first`."""
    parts: list[Any] = draw(
        st.lists(st.one_of(sealed_texts, thoughts, verbatim, st.builds(Refusal, texts)), max_size=3)
    )
    for number in range(first, first + draw(st.integers(0, 2))):
        extra = _sealed(draw(st.none() | seals))
        parts.append(ToolCall(f"call_{number}", draw(names), draw(inputs), extra=extra))
    return AssistantMessage(draw(st.permutations(parts)))


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A conversation that the wire can express; its last turn is the user's, and says something."""
    found: list[Message] = [SystemMessage(draw(texts))] * draw(st.integers(0, 1))
    calls: list[ToolCall] = []
    for turn in range(draw(st.integers(0, 2))):
        found.append(draw(_user_turn(calls)))
        answer = draw(answers(10 * turn))
        found.append(answer)
        calls = [part for part in answer.content if isinstance(part, ToolCall)]
    last = draw(_user_turn(calls))
    return [*found, UserMessage([*last.content, draw(spoken)])]


@st.composite
def _user_turn(draw: st.DrawFn, calls: Sequence[ToolCall]) -> UserMessage:
    parts: list[Any] = draw(st.lists(user_parts, max_size=3))
    for call in calls:
        name = draw(st.sampled_from([call.name, ""]))
        parts.append(ToolResult(call.id, name, draw(results), draw(st.booleans())))
    return UserMessage(draw(st.permutations(parts)) or [Text(draw(spoken))])


# ---- options ---------------------------------------------------------------------------------------------------------

_SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"a_b": {"type": ["integer", "null"], "default": None}}, "required": ["a_b"]},
    {"properties": {"b": {"$ref": "#/$defs/B"}}, "$defs": {"B": {"const": 1}}, "additionalProperties": False},
)
tools = st.one_of(
    st.builds(lambda name, text, schema: Tool(f"tool_{name}", text, schema), names, texts, st.sampled_from(_SCHEMAS)),
    st.sampled_from([{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}]).map(ServerTool),
)
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash", "gemini-3-pro-preview", "models/gemini-3.6-flash")


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Options that the wire takes."""
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "model": st.sampled_from(MODELS),
        "system": st.one_of(texts, st.lists(st.builds(Text, texts), max_size=2)),
        "tools": st.lists(tools, max_size=3, unique_by=lambda tool: tool.name or str(tool.data)),
        "max_tokens": st.integers(1, 60_000),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "stop": st.one_of(words, st.lists(words, max_size=2)),
        "seed": st.integers(0, 2**31 - 1),
        "presence_penalty": st.floats(-2, 1.9),
        "frequency_penalty": st.floats(-2, 1.9),
        "logprobs": st.integers(0, 20),
        "reasoning": st.one_of(
            st.sampled_from(["none", "minimal", "low", "medium", "high"]), st.integers(1024, 20_000)
        ),
        "cache": st.sampled_from(["5m", "1h"]),
        "service_tier": st.sampled_from(["standard", "flex", "priority"]),
        "extra_body": st.fixed_dictionaries(
            {},
            optional={
                "safetySettings": st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
                "generationConfig": st.just({"responseModalities": ["TEXT"]}),
            },
        ),
    }
    found = draw(st.fixed_dictionaries({}, optional=maybe))
    named = [tool.name for tool in found.get("tools", ()) if tool.name]
    if named and draw(st.booleans()):
        found["tool_choice"] = draw(st.sampled_from(["auto", "required", "none", *named]))
    return found


# ---- answers ---------------------------------------------------------------------------------------------------------

_counts = st.integers(0, 1000)
FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MALFORMED_RESPONSE": "error",
    "OTHER": "other",
    "BRAND_NEW": "other",
}


def _maybe_sealed(part: dict[str, Any], seal: str | None) -> dict[str, Any]:
    return part if seal is None else {**part, "thoughtSignature": seal}


_calls = st.fixed_dictionaries({"name": names}, optional={"id": names, "args": inputs})
_blobs = st.sampled_from(
    [
        {"mimeType": kind, "data": encode(start + b"\xfb\xff").decode()}  # the alphabets differ
        for encode in (b64encode, urlsafe_b64encode)
        for kinds in _MEDIA.values()
        for kind, start in kinds.items()
        if not kind.startswith("text/")
    ]
)
spoken_parts = st.builds(
    _maybe_sealed,
    st.one_of(
        maybe_blank.map(lambda text: {"text": text}),
        maybe_blank.map(lambda text: {"text": text, "thought": True}),
        _calls.map(lambda call: {"functionCall": call}),
        _blobs.map(lambda blob: {"inlineData": blob}),
        st.sampled_from([*_VERBATIM[:2], _VERBATIM[3], {"brandNew": {"a": [1]}}]),
    ),
    st.none() | st.none() | seals,
)
usages = st.fixed_dictionaries(
    {},
    optional={
        "promptTokenCount": _counts,
        "candidatesTokenCount": _counts,
        "thoughtsTokenCount": _counts,
        "toolUsePromptTokenCount": _counts,
        "cachedContentTokenCount": _counts,
        "trafficType": st.just("ON_DEMAND"),
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A whole answer as a provider sends it."""
    body: dict[str, Any] = {"modelVersion": "m", "responseId": "r", **draw(_optional({"usageMetadata": usages}))}
    if not draw(st.integers(0, 9)):
        return {**body, "promptFeedback": {"blockReason": draw(st.sampled_from(["SAFETY", "OTHER", "NEW"]))}}
    parts = draw(st.lists(spoken_parts, max_size=5))
    # An id that came twice would be the same call.
    ids = [part["functionCall"]["id"] for part in parts if "id" in part.get("functionCall", {})]
    for part in parts if len(set(ids)) < len(ids) else ():
        part.get("functionCall", {}).pop("id", None)
    content = {"role": "model", **({"parts": parts} if parts else {})}
    candidate = {"content": content, "finishReason": draw(st.sampled_from(sorted(FINISH_REASONS))), "index": 0}
    ratings = draw(_optional({"promptFeedback": st.just({"safetyRatings": []})}))  # it says nothing against the prompt
    return {**body, **ratings, "candidates": [candidate]}


def _optional(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)
