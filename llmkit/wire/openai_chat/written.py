"""The messages of a request as typed ones: the way back of `messages` and `blocks`.

What a part has no field for is kept in its `extra`: of a block its other fields; under ``beside`` those of the message,
such as a speaker's name. So what was read is written again.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from attrs import evolve

from llmkit.errors import MediaError
from llmkit.history.nodes import SHOWN, Node, expect, items, located, node_of
from llmkit.media import Audio, Document, Image, Video, media_of, sources
from llmkit.messages import (
    AssistantMessage,
    CacheTime,
    Citation,
    Message,
    Opaque,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.wire.openai_chat.blocks import SOUNDS
from llmkit.wire.openai_chat.media import audio, picture
from llmkit.wire.openai_chat.parts import FIELDS, KEPT, arguments_of, citation_of, details_text, extra_of
from llmkit.wire.openai_chat.schema import WIRE_NAME

P = TypeVar("P", bound=Part)


def messages_of(value: object, where: str) -> list[Message]:
    """The conversation in a request's `messages`.

    Answers to tools that stand next to each other are one `UserMessage`, each with the name of its tool.

    Raises:
        ConfigurationError: What stands there is no message; the error begins with its path.
    """
    return _Reader().read([node_of(item, path) for item, path in items(value, where)])


class _Reader:
    """One conversation, read from its start: what later messages need of earlier ones."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # calls by id
        self._results: list[ToolResult] = []  # adjacent ones

    def read(self, nodes: Sequence[Node]) -> list[Message]:
        found: list[Message] = []
        for node in nodes:
            message = self._message(node)
            if isinstance(message, ToolResult):
                self._results.append(message)
            else:
                found += [*self._answers(), message]
        return [*found, *self._answers()]

    def _answers(self) -> Iterator[UserMessage]:
        if self._results:
            yield UserMessage(self._results)
            self._results = []

    def _message(self, node: Node) -> Message | ToolResult:
        role = node.get("role", str)
        if role in ("tool", "function"):
            return self._result(node, node.get("tool_call_id" if role == "tool" else "name", str))
        if role == "assistant":
            parts = _answer(node)
            self._names |= {part.id: part.name for part in parts if isinstance(part, ToolCall)}
            return located(node.where, lambda: AssistantMessage(parts))
        if role not in _TELLING:
            node.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_ROLES)}")
        told = _beside(node, _content(node), "content")
        return located(node.where, lambda: _TELLING[role](told))

    def _result(self, node: Node, id_: str) -> ToolResult:
        known = ("role", "content", "tool_call_id")
        beside = node.rest(*known) | ({"role": "function"} if node.value["role"] == "function" else {})
        name = node.find("name", str) or self._names.get(id_, "")
        content = _content(node)
        extra = extra_of({"beside": beside} if beside else {})
        return located(node.where, lambda: ToolResult(id_, name, content, extra=extra))


_TELLING: Final[Mapping[str, type[SystemMessage] | type[UserMessage]]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": UserMessage,
}
_ROLES: Final = (*_TELLING, "assistant", "tool", "function")


def _beside(node: Node, parts: Sequence[Part], *known: str) -> Sequence[Part]:
    """`parts`, each with the message's fields that nothing was read of, so that any of them may be left out."""
    found = node.rest("role", *known)
    if not found:
        return parts
    if all(isinstance(part, Opaque) for part in parts):
        parts = [Text(""), *parts]  # says nothing, is not sent, and has an `extra`
    return [part if isinstance(part, Opaque) else _with_extra(part, {"beside": found}) for part in parts]


def _with_extra(part: P, found: Mapping[str, Any]) -> P:
    known = cast("Any", part).extra
    more: P = evolve(cast("Any", part), extra={**known, WIRE_NAME: {**known.get(WIRE_NAME, {}), **found}})
    return more


def _content(node: Node) -> Sequence[Part]:
    """The parts of a content, which must be there."""
    content = node.any("content")
    return (Text(content),) if isinstance(content, str) else [_block(block) for block in _blocks(node, content)]


def _blocks(node: Node, content: object) -> Iterator[Node]:
    for item, path in items(content, node.path("content")):
        yield node_of({"type": "text", "text": item} if isinstance(item, str) else item, path)


# ---- what the model said ---------------------------------------------------------------------------------------------


def _answer(node: Node) -> Sequence[Part]:
    said = _content(node) if node.value.get("content") else ()
    calls = [_call(call) for call in node.nodes("tool_calls")]
    if old := node.find_node("function_call"):
        calls.append(_old_call(old))
    refusal = [Refusal(text) for text in [node.find("refusal", str)] if text]
    sounds, images = _sounds(node), _images(node)
    parts = [*_thoughts(node), *said, *refusal, *sounds, *images, *calls]
    read = (*_READ, *(["audio"] if sounds else []), *(["images"] if images else []))
    return _beside(node, _with_kept(node, _cited(node, parts)), *read)


_READ: Final = (
    "content", "tool_calls", "function_call", "refusal", "annotations", "reasoning_details", *FIELDS, *KEPT,
)  # fmt: skip


def _sounds(node: Node) -> Sequence[Audio]:
    """The sound, of which the id alone is enough."""
    if (found := node.find_node("audio")) is None:
        return []
    more = {"audio": dict(found.value)} if found.value.keys() != {"id"} else {}
    return [_with_extra(sound, more) for sound in audio(dict(found.value))]


def _images(node: Node) -> Sequence[Image | Opaque]:
    """The pictures that were made; none where one of them is anything else."""
    found = node.nodes("images")
    plain = all(_is_picture(item.value) for item in found)
    return [picture(dict(item.value), "images") for item in found] if plain else []


def _is_picture(item: Mapping[str, Any]) -> bool:
    match item:
        case {"type": "image_url", "image_url": {"url": str(), **inner}, **rest}:
            return not inner and rest.keys() <= {"index"}
        case _:
            return False


def _thoughts(node: Node) -> Iterator[Thinking]:
    """Those of each field, unless two say the same."""
    details = [dict(row.value) for row in node.nodes("reasoning_details")]
    kept: dict[str, Any] = {"reasoning_details": details} if details else {}
    told: set[str] = set()
    for field in FIELDS:
        text = node.find(field, str)
        if text and text not in told:
            yield Thinking(text, wire=WIRE_NAME, extra={WIRE_NAME: {"field": field, **kept}})
            told.add(text)
            kept = {}
    if kept:
        extra = {WIRE_NAME: {"field": "reasoning_details", **kept}}
        yield Thinking(details_text(details), wire=WIRE_NAME, extra=extra)


def _cited(node: Node, parts: list[Part]) -> list[Part]:
    """`parts` with the sources that stand beside the content at their last text."""
    notes = [dict(note.value) for note in node.nodes("annotations")]
    if not notes:
        return parts
    at = next((at for at in range(len(parts) - 1, -1, -1) if isinstance(parts[at], Text)), None)
    if at is None:
        parts, at = [Text(""), *parts], 0
    text = _with_extra(cast("Text", parts[at]), {"annotations": notes})
    pages = [note for note in notes if note.get("type") == "url_citation"]
    citations: list[Citation] = [*text.citations, *map(citation_of, pages)]
    return [*parts[:at], evolve(text, citations=citations), *parts[at + 1 :]]


def _with_kept(node: Node, parts: list[Part]) -> list[Part]:
    """`parts`, the first of them with what hosts tell beside an answer."""
    kept = {key: node.value[key] for key in KEPT if node.value.get(key)}
    if not kept:
        return parts
    if not parts or isinstance(parts[0], Opaque):
        parts = [Text(""), *parts]
    return [_with_extra(parts[0], {"message": kept}), *parts[1:]]


def _call(node: Node) -> ToolCall | Opaque:
    kind = node.find("type", str) or "function"
    if kind not in _TEXTS:
        node.get("id", str)
        node.node(kind)
        return Opaque(WIRE_NAME, dict(node.value))
    id_, inner = node.get("id", str), node.node(kind)
    name, rest = inner.get("name", str), _call_rest(node, inner, kind)
    if kind == "custom":
        return ToolCall(id_, name, {"input": inner.get("input", str)}, extra=extra_of({"type": "custom", **rest}))
    found, raw, very_text = _arguments(inner)
    return ToolCall(id_, name, found, raw, extra=extra_of(rest | very_text))


# Where a call has its text.
_TEXTS: Final[Mapping[str, str]] = {"function": "arguments", "custom": "input"}


def _call_rest(node: Node, inner: Node, kind: str) -> dict[str, Any]:
    fields, more = node.rest("id", "type", kind, *KEPT), inner.rest("name", _TEXTS[kind])
    kept = {key: node.value[key] for key in KEPT if node.value.get(key)}
    return kept | ({"fields": fields} if fields else {}) | ({"inner": more} if more else {})


def _old_call(node: Node) -> ToolCall:
    """A call as it was before there could be several: it has no id, and its answer names the function instead."""
    name = node.get("name", str)
    found, raw, very_text = _arguments(node)
    more = node.rest("name", "arguments")
    rest = {"type": "function_call", **very_text, **({"inner": more} if more else {})}
    return ToolCall(name, name, found, raw, extra={WIRE_NAME: rest})


def _arguments(node: Node) -> tuple[dict[str, Any], str | None, dict[str, str]]:
    value = node.value.get("arguments")
    if not isinstance(value, Mapping) and value is not None:
        expect(value, str, node.path("arguments"))
    found, raw, very_text = arguments_of(value)
    return found, raw, {} if very_text is None else {"arguments": very_text}


# ---- blocks ----------------------------------------------------------------------------------------------------------


def _block(node: Node) -> Part:
    kind = node.get("type", str)
    reader = _BLOCKS.get(kind)
    return _opaque(node) if reader is None else reader(node)


def _opaque(node: Node) -> Opaque:
    return Opaque(WIRE_NAME, dict(node.value))


def _text(node: Node) -> Text:
    cache, rest = _marks(node, "text")
    return Text(node.get("text", str), cache=cache, extra=extra_of(rest))


def _marks(node: Node, *known: str) -> tuple[CacheTime | None, dict[str, Any]]:
    """How long `node` asks to be cached, and what else it has beside `known`."""
    rest = node.rest("type", *known)
    match rest.get("cache_control"):
        case {"type": "ephemeral", **more} if more in ({}, {"ttl": "5m"}, {"ttl": "1h"}):
            del rest["cache_control"]
            cache: CacheTime | None = cast("CacheTime", more.get("ttl", "5m"))
        case _:
            cache = None
    return cache, {"fields": rest} if rest else {}


def _refusal(node: Node) -> Part:
    extra = {"field": "content", "fields": node.rest("type", "refusal")}
    return Refusal(node.get("refusal", str), extra={WIRE_NAME: extra})


def _thinking(node: Node) -> Part:
    """Thoughts in the content, of which the block goes back as it is."""
    key = "thinking" if node.value["type"] == "thinking" else "summary"
    told = node.any(key)
    text = told if isinstance(told, str) else details_text([row.value for row in node.nodes(key)])
    return Thinking(text, wire=WIRE_NAME, extra={WIRE_NAME: {"field": "content", "block": dict(node.value)}})


def _medium(cls: type[Image] | type[Audio] | type[Video] | type[Document]) -> Callable[[Node], Part]:
    """The reader of ``{"type": "image_url", "image_url": {"url": …}}`` and its kin; some hosts take bare text there."""

    def read(node: Node) -> Part:
        kind = node.get("type", str)
        cache, rest = _marks(node, kind, "document_name")
        fields: dict[str, Any] = {"cache": cache, "name": node.find("document_name", str)}
        if isinstance(node.any(kind), str):
            url, path = node.get(kind, str), node.path(kind)
        else:
            inner = node.node(kind)
            url, path = inner.get("url", str), inner.path("url")
            if cls is Image:
                fields["detail"] = inner.find("detail", str)
            if inner.rest("url", *(("detail",) if cls is Image else ())):
                return _opaque(node)
        if cls is not Image:
            rest["type"] = kind
        return _at(node, path, url, lambda thing, told: cls(**thing, media_type=told, **fields, extra=extra_of(rest)))

    return read


def _at(node: Node, path: str, url: str, make: Callable[[dict[str, Any], str | None], Part]) -> Part:
    """The medium at an address, which may be a data URI; as it is where its content is none of that kind."""
    if not sources.is_data_uri(url):
        return located(path, lambda: make({"url": url}, None))
    read = located(path, lambda: sources.read_data_uri(url))
    try:
        return make({"data": read.data}, read.media_type)
    except MediaError:
        return _opaque(node)


def _sound(node: Node) -> Part:
    cache, rest = _marks(node, "input_audio")
    inner = node.node("input_audio")
    text, form = inner.get("data", str), inner.get("format", str)
    if inner.rest("data", "format"):
        return _opaque(node)
    data = located(inner.path("data"), lambda: sources.from_base64(text))
    media_type = next((known for known, name in SOUNDS.items() if name == form), None)
    if media_type is None:
        rest["format"] = form
    try:
        told = media_type or _FORMATS.get(form) or f"audio/{form}"
        return Audio(data, media_type=told, cache=cache, extra=extra_of(rest))
    except MediaError:
        return _opaque(node)


# Formats that no media type is named after.
_FORMATS: Final[Mapping[str, str]] = {"pcm16": "audio/pcm", "g711_ulaw": "audio/basic"}


def _file(node: Node) -> Part:
    """A file: its id, its content or its address; the content may be a picture, too."""
    cache, rest = _marks(node, "file")
    inner = node.node("file")
    fields: dict[str, Any] = {"name": inner.find("filename", str), "cache": cache}
    file_id, data = inner.find("file_id", str), inner.find("file_data", str)
    if (
        inner.rest("file_id", "filename", "file_data")
        or not (file_id or data)
        or (file_id and (data or fields["name"]))
    ):
        return _opaque(node)
    if file_id:
        # Both of OpenAI's wires know the ids of its files.
        return Document(file_id=file_id, extra={"openai-responses": {}, WIRE_NAME: rest}, **fields)
    return _file_of(
        node, inner.path("file_data"), str(data), {**fields, "extra": {WIRE_NAME: {"type": "file", **rest}}}
    )


def _file_of(node: Node, path: str, data: str, fields: dict[str, Any]) -> Part:
    if sources.is_url(data):
        return located(path, lambda: Document(url=data, **fields))
    if not sources.is_data_uri(data):
        return _opaque(node)
    read = located(path, lambda: sources.read_data_uri(data))
    try:
        return media_of(read.data, media_type=read.media_type, **fields)
    except MediaError:
        return _opaque(node)


_BLOCKS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "text": _text,
    "refusal": _refusal,
    "thinking": _thinking,
    "reasoning": _thinking,
    "image_url": _medium(Image),
    "audio_url": _medium(Audio),
    "video_url": _medium(Video),
    "document_url": _medium(Document),
    "file_url": _medium(Document),
    "input_audio": _sound,
    "file": _file,
}
