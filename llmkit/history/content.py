"""The content of a message dict, in OpenAI's Chat shape or Anthropic's, as parts.

What goes in is the caller's: it is never changed and nothing of it is kept but copies. Nothing is dropped without a
word: a key that cannot be kept is an error with its path.

Sources: https://platform.openai.com/docs/api-reference/chat, https://platform.claude.com/docs/en/api/messages
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from attrs import evolve
from llmkit.history.nodes import SHOWN, Node, copied, expect, items, located, node_of

from llmkit.media import sniffing, sources
from llmkit.media import Audio, CacheTime, Document, Image, Media, Video, media_of
from llmkit.messages import Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult

ANTHROPIC: Final = "anthropic-messages"
CHAT: Final = "openai-chat"

Extra: TypeAlias = dict[str, dict[str, Any]]

# A file's id means something only to who gave it: OpenAI's two wires share theirs.
_ANTHROPIC_FILE: Final[Mapping[str, Any]] = {ANTHROPIC: {}}
_OPENAI_FILE: Final[Mapping[str, Any]] = {CHAT: {}, "openai-responses": {}}


# ---- content ---------------------------------------------------------------------------------------------------------


def parts_of(content: object, where: str, *, lenient: bool = False) -> tuple[Part, ...]:
    """The parts of a message's or a result's `content`: text, or a list of blocks of either shape.

    Args:
        content: As the caller wrote it; text and typed parts may stand in a list, too.
        where: Its path.
        lenient: Whether a block of an unknown type is kept as Anthropic's, as of a model's own turns, which nobody
            writes by hand. Elsewhere it is more likely a slip.

    Raises:
        ConfigurationError: Something is wrong; the message begins with its path.
    """
    if isinstance(content, str):
        return (Text(content),)
    if isinstance(content, _PARTS):
        return (content,)
    blocks = list(items(content, where))
    lenient = lenient or any(isinstance(block, Mapping) and _is_anthropic(block.get("type")) for block, _ in blocks)
    return tuple(part_of(block, path, lenient=lenient) for block, path in blocks)


_PARTS: Final = (Text, Image, Audio, Video, Document, Thinking, ToolCall, ToolResult, Refusal, Opaque)


def part_of(block: object, where: str, *, lenient: bool) -> Part:
    """One block as a part; see `parts_of`."""
    if isinstance(block, str):
        return Text(block)
    if isinstance(block, _PARTS):
        return block
    node = node_of(block, where)
    name = node.get("type", str)
    if reader := _BLOCKS.get(name):
        return reader(node)
    if _is_anthropic(name) or (lenient and name not in _RESPONSES):
        return Opaque(ANTHROPIC, copied(node.value, where))
    return node.fail("type", f"unknown part {name[:SHOWN]!r}; known are {', '.join(sorted(_BLOCKS))}")


# Blocks that only Anthropic has and that are sent back as they are.
_KEPT: Final = frozenset({
    "server_tool_use", "mcp_tool_use", "search_result", "container_upload", "compaction", "fallback", "tool_reference",
    "tool_addition", "tool_removal",
})  # fmt: skip
_ANTHROPIC_ONLY: Final = frozenset({"image", "document", "tool_use", "tool_result", "redacted_thinking"})
# Parts of another API of OpenAI's, which this shape does not have.
_RESPONSES: Final = frozenset({"input_text", "input_image", "input_file", "output_text", "reasoning"})


def _is_anthropic(name: object) -> bool:
    return isinstance(name, str) and (name in _KEPT or name in _ANTHROPIC_ONLY or name.endswith("_tool_result"))


def cache_of(node: Node) -> CacheTime | None:
    """How long `node` asks to be cached."""
    if (control := node.find_node("cache_control")) is None:
        return None
    control.only("type", "ttl")
    if (name := control.get("type", str)) != "ephemeral":
        control.fail("type", f"expected 'ephemeral', got {name[:SHOWN]!r}")
    ttl = control.find("ttl", str) or "5m"
    if ttl not in ("5m", "1h"):
        control.fail("ttl", f"expected '5m' or '1h', got {ttl[:SHOWN]!r}")
    return cast("CacheTime", ttl)


def _wire_extra(wire: str, found: dict[str, Any]) -> Extra:
    return {wire: found} if found else {}


def _breakpoint(node: Node) -> Extra:
    """OpenAI's mark for its cache, which stands on parts of the Chat shape."""
    found = node.find_node("prompt_cache_breakpoint")
    return {} if found is None else {CHAT: {"prompt_cache_breakpoint": copied(found.value, found.where)}}


# ---- text and thoughts -----------------------------------------------------------------------------------------------


def _text(node: Node) -> Text:
    node.only("type", "text", "citations", "annotations", "cache_control", "prompt_cache_breakpoint")
    found = (*map(_citation, node.nodes("citations")), *map(annotation, node.nodes("annotations")))
    return Text(node.get("text", str), found, cache_of(node), extra=_breakpoint(node))


_Unit: TypeAlias = Literal["character", "page", "block"]
_UNITS: Final[Mapping[str, tuple[_Unit, str]]] = {
    "char_location": ("character", "char_index"),
    "page_location": ("page", "page_number"),
    "content_block_location": ("block", "block_index"),
    "search_result_location": ("block", "block_index"),
}


def _citation(node: Node) -> Citation:
    """Anthropic's: a place in a document, a search result or a page."""
    unit, key = _UNITS.get(node.find("type", str) or "", (None, ""))
    document = node.find("document_index", int)
    return Citation(
        text=node.find("cited_text", str) or "",
        url=node.find("url", str) or node.find("source", str),
        title=node.find("title", str) or node.find("document_title", str),
        document=node.find("search_result_index", int) if document is None else document,
        start=node.find(f"start_{key}", int),
        end=node.find(f"end_{key}", int),
        unit=unit,
        raw=copied(node.value, node.where),
    )


def annotation(node: Node) -> Citation:
    """OpenAI's: an address; its indices count in the answer, not in the source, and stay in `raw`."""
    place = node.find_node("url_citation") or node
    raw = copied(node.value, node.where)
    return Citation(url=place.find("url", str), title=place.find("title", str), raw=raw)


def _thinking(node: Node) -> Thinking:
    if not isinstance(node.any("thinking"), str):  # Mistral's: a list of text
        node.only("type", "thinking", "closed")
        texts = parts_of(node.value["thinking"], f"{node.where}.thinking")
        return Thinking("".join(part.text for part in texts if isinstance(part, Text)), wire=CHAT)
    extra = _wire_extra(ANTHROPIC, node.rest("type", "thinking", "signature"))
    return Thinking(node.get("thinking", str), node.find("signature", str), wire=ANTHROPIC, extra=extra)


def _redacted(node: Node) -> Thinking:
    extra = _wire_extra(ANTHROPIC, node.rest("type", "data"))
    return Thinking("", redacted=node.get("data", str), wire=ANTHROPIC, extra=extra)


def _refusal(node: Node) -> Refusal:
    node.only("type", "refusal")
    return Refusal(node.get("refusal", str))


# ---- media in the Chat shape -----------------------------------------------------------------------------------------


def _media_url(cls: type[Image] | type[Audio] | type[Video] | type[Document]) -> Callable[[Node], Part]:
    """The reader of ``{"type": "image_url", "image_url": {"url": …}}`` and its kin; some hosts put bare text there."""

    def read(node: Node) -> Part:
        key = node.get("type", str)
        node.only("type", key, "cache_control", "prompt_cache_breakpoint")
        fields: dict[str, Any] = {"cache": cache_of(node), "extra": _breakpoint(node)}
        if isinstance(node.any(key), str):
            return _at_url(cls, node.get(key, str), f"{node.where}.{key}", fields)
        inner = node.node(key)
        inner.only("url", *(("detail",) if cls is Image else ()))
        if detail := inner.find("detail", str):
            fields["detail"] = detail
        return _at_url(cls, inner.get("url", str), f"{inner.where}.url", fields)

    return read


def _at_url(
    cls: type[Image] | type[Audio] | type[Video] | type[Document], url: str, where: str, fields: dict[str, Any]
) -> Media:
    if sources.is_data_uri(url) or sources.is_url(url):
        return located(where, lambda: cls.of(url, **fields))
    return located(where, lambda: cls(url=url, **fields))


_FORMATS: Final[Mapping[str, str]] = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "g711_ulaw": "audio/basic"}


def _input_audio(node: Node) -> Audio:
    node.only("type", "input_audio", "cache_control", "prompt_cache_breakpoint")
    inner = node.node("input_audio")
    inner.only("data", "format")
    text, kind = inner.get("data", str), inner.get("format", str)
    media_type = _FORMATS.get(kind.lower(), f"audio/{kind}")
    cache, extra = cache_of(node), _breakpoint(node)
    return located(
        f"{inner.where}.data",
        lambda: Audio(_bytes_of(text), media_type=media_type, cache=cache, extra=extra),
    )


def _bytes_of(text: str) -> bytes:
    return sources.read_data_uri(text).data if sources.is_data_uri(text) else sources.from_base64(text)


def _file(node: Node) -> Media:
    node.only("type", "file", "cache_control", "prompt_cache_breakpoint")
    inner = node.node("file")
    inner.only("file_id", "file_data", "filename")
    name, extra = inner.find("filename", str), _breakpoint(node)
    fields: dict[str, Any] = {"name": name, "cache": cache_of(node)}
    if file_id := inner.find("file_id", str):
        if inner.find("file_data", str):
            inner.fail("file_id", "file_data is given, too")
        return located(inner.where, lambda: Document(file_id=file_id, extra={**_OPENAI_FILE, **extra}, **fields))
    data = inner.get("file_data", str)
    thing = data if sources.is_data_uri(data) or sources.is_url(data) else None
    where = f"{inner.where}.file_data"
    if thing is not None and sources.is_url(thing):
        return located(where, lambda: Document.of(thing, extra=extra, **fields))
    return located(where, lambda: media_of(thing or sources.from_base64(data), extra=extra, **fields))


def audio_of(node: Node) -> Audio:
    """The sound of an assistant's message: with its data as it was answered, or only the id that stands for it."""
    node.only("id", "data", "transcript", "expires_at", "format")
    found, transcript = node.find("id", str), node.find("transcript", str)
    extra = {CHAT: {"id": found}} if found else {}
    text = node.find("data", str)
    if not text:
        name = node.get("id", str)
        return located(f"{node.where}.id", lambda: Audio(file_id=name, transcript=transcript, extra=extra))
    return located(f"{node.where}.data", lambda: _answered_audio(text, transcript, extra))


def _answered_audio(text: str, transcript: str | None, extra: Extra) -> Audio:
    data = sources.from_base64(text)
    # The answer does not say the format: what shows none is samples without a header.
    media_type = None if sniffing.sniff(data) else "audio/pcm"
    return Audio(data, media_type=media_type, transcript=transcript, extra=extra)


# ---- Anthropic's blocks ----------------------------------------------------------------------------------------------


def _image_block(node: Node) -> Image:
    node.only("type", "source", "cache_control")
    fields = {**_source(node), "cache": cache_of(node)}
    return located(f"{node.where}.source", lambda: Image(**fields))


def _document_block(node: Node) -> Part:
    if node.node("source").find("type", str) == "content":  # blocks within: no file, so no `Document`
        return Opaque(ANTHROPIC, copied(node.value, node.where))
    node.only("type", "source", "title", "context", "citations", "cache_control")
    fields = {
        **_source(node),
        "name": node.find("title", str),
        "context": node.find("context", str),
        "citations": _enabled(node),
        "cache": cache_of(node),
    }
    return located(f"{node.where}.source", lambda: Document(**fields))


def _enabled(node: Node) -> bool:
    if (inner := node.find_node("citations")) is None:
        return False
    inner.only("enabled")
    return inner.find("enabled", bool) or False


def _source(node: Node) -> dict[str, Any]:
    """The fields of a medium that say what it is."""
    source = node.node("source")
    name = source.get("type", str)
    if name not in _SOURCES:
        source.fail("type", f"expected one of {', '.join(_SOURCES)}, got {name[:SHOWN]!r}")
    keys, read = _SOURCES[name]
    source.only("type", *keys)
    return read(source)


def _source_base64(source: Node) -> dict[str, Any]:
    text = source.get("data", str)
    data = located(f"{source.where}.data", lambda: sources.from_base64(text))
    return {"data": data, "media_type": source.get("media_type", str)}


def _source_text(source: Node) -> dict[str, Any]:
    text = source.get("data", str)
    return {"data": text.encode("utf-8", "surrogatepass"), "media_type": source.find("media_type", str) or "text/plain"}


_SOURCES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Node], dict[str, Any]]]]] = {
    "base64": (("media_type", "data"), _source_base64),
    "url": (("url",), lambda source: {"url": source.get("url", str)}),
    "file": (("file_id",), lambda source: {"file_id": source.get("file_id", str), "extra": _ANTHROPIC_FILE}),
    "text": (("media_type", "data"), _source_text),
}


def _tool_use(node: Node) -> ToolCall:
    arguments, raw = arguments_of(node.any("input"), f"{node.where}.input")
    return ToolCall(
        node.get("id", str),
        node.get("name", str),
        arguments,
        raw,
        cache=cache_of(node),
        extra=_wire_extra(ANTHROPIC, node.rest("type", "id", "name", "input", "cache_control")),
    )


def _tool_result(node: Node) -> ToolResult:
    content = node.value.get("content")
    found = () if content is None else parts_of(content, f"{node.where}.content", lenient=True)
    extra = _wire_extra(ANTHROPIC, node.rest("type", "tool_use_id", "content", "is_error", "cache_control"))
    call_id, is_error, cache = node.get("tool_use_id", str), node.find("is_error", bool) or False, cache_of(node)
    return located(node.where, lambda: ToolResult(call_id, "", found, is_error, cache, extra=extra))


def arguments_of(value: object, where: str) -> tuple[dict[str, Any], str | None]:
    """A call's arguments, and the text where they are no JSON object."""
    if isinstance(value, Mapping):
        return copied(value, where), None
    if value is None or value == "":
        return {}, None
    text = expect(value, str, where)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return (found, None) if isinstance(found, dict) else ({}, text)


_BLOCKS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "refusal": _refusal,
    "image_url": _media_url(Image),
    "audio_url": _media_url(Audio),
    "video_url": _media_url(Video),
    "document_url": _media_url(Document),
    "file_url": _media_url(Document),
    "input_audio": _input_audio,
    "file": _file,
    "image": _image_block,
    "document": _document_block,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def with_cache(parts: tuple[Part, ...], node: Node) -> tuple[Part, ...]:
    """`parts` with what the message as a whole asks to be cached at its last part, where it ends."""
    cache = cache_of(node)
    if cache is None:
        return parts
    if not parts or isinstance(parts[-1], (Thinking, Refusal, Opaque)):
        node.fail("cache_control", "the message ends with nothing that can be cached")
    return (*parts[:-1], evolve(parts[-1], cache=cache))
