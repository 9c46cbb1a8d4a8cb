"""The blocks of OpenAI's Chat shape as parts: media, calls, and what stands beside the content.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from llmkit.errors import InvalidResponseError
from llmkit.history.marks import CHAT, Extra, breakpoint_of, cache_of, extra_of
from llmkit.history.nodes import SHOWN, Node, copied, expect, located
from llmkit.json_codec import loads
from llmkit.media import Audio, Document, Image, Media, Video, media_of, sniffing, sources
from llmkit.messages import Citation, Part, Refusal, Thinking, ToolCall

_MARKS: Final = ("type", "cache_control", "prompt_cache_breakpoint")
_Class: TypeAlias = type[Image] | type[Audio] | type[Video] | type[Document]


def refusal(node: Node) -> Refusal:
    """A refusal as a part of the content."""
    node.only("type", "refusal")
    return Refusal(node.get("refusal", str))


def media_url(cls: _Class) -> Callable[[Node], Part]:
    """The reader of ``{"type": "image_url", "image_url": {"url": …}}`` and its kin; some hosts put bare text there."""

    def read(node: Node) -> Part:
        key = node.get("type", str)
        node.only(*_MARKS, key)
        fields: dict[str, Any] = {"cache": cache_of(node), "extra": breakpoint_of(node)}
        if isinstance(node.any(key), str):
            return _at_url(cls, node.get(key, str), node.path(key), fields)
        inner = node.node(key)
        inner.only("url", *(("detail",) if cls is Image else ()))
        if detail := inner.find("detail", str):
            fields["detail"] = detail
        return _at_url(cls, inner.get("url", str), inner.path("url"), fields)

    return read


def _at_url(cls: _Class, url: str, where: str, fields: dict[str, Any]) -> Media:
    if sources.is_data_uri(url):
        return located(where, lambda: cls.of(url, **fields))
    if sources.is_url(url):
        return located(where, lambda: cls.from_url(url, **fields))
    return located(where, lambda: cls(url=url, **fields))  # as a host of its own understands


# Formats that no media type is named after.
_FORMATS: Final[Mapping[str, str]] = {"mp3": "audio/mpeg", "pcm16": "audio/pcm", "g711_ulaw": "audio/basic"}


def input_audio(node: Node) -> Audio:
    """A sound in base64."""
    node.only(*_MARKS, "input_audio")
    inner = node.node("input_audio")
    inner.only("data", "format")
    text, name = inner.get("data", str), inner.get("format", str).lower()
    media_type = _FORMATS.get(name, f"audio/{name}")
    cache, extra = cache_of(node), breakpoint_of(node)
    return located(inner.path("data"), lambda: Audio(_bytes_of(text), media_type=media_type, cache=cache, extra=extra))


def file(node: Node) -> Media:
    """A file: its id, or its content, which may be a picture, too."""
    node.only(*_MARKS, "file")
    inner = node.node("file")
    inner.only("file_id", "file_data", "filename")
    extra = breakpoint_of(node)
    fields: dict[str, Any] = {"name": inner.find("filename", str), "cache": cache_of(node)}
    if file_id := inner.find("file_id", str):
        if inner.find("file_data", str):
            inner.fail("file_id", "file_data is given, too")
        # Both of OpenAI's wires know the ids of its files.
        extra = {CHAT: {}, "openai-responses": {}, **extra}
        return located(inner.path("file_id"), lambda: Document(file_id=file_id, extra=extra, **fields))
    data, where = inner.get("file_data", str), inner.path("file_data")
    if sources.is_url(data):
        return located(where, lambda: Document.of(data, extra=extra, **fields))
    return located(
        where, lambda: media_of(data if sources.is_data_uri(data) else _bytes_of(data), extra=extra, **fields)
    )


def _bytes_of(text: str) -> bytes:
    return sources.read_data_uri(text).data if sources.is_data_uri(text) else sources.from_base64(text)


def audio(node: Node) -> Audio:
    """The sound of an assistant's message: with its data as it was answered, or only the id that stands for it."""
    node.only("id", "data", "transcript", "expires_at", "format")
    found, transcript = node.find("id", str), node.find("transcript", str)
    extra = extra_of(CHAT, {"id": found} if found else {})
    text = node.find("data", str)
    if not text:
        name = node.get("id", str)
        return located(node.path("id"), lambda: Audio(file_id=name, transcript=transcript, extra=extra))
    return located(node.path("data"), lambda: _answered_audio(text, transcript, extra))


def _answered_audio(text: str, transcript: str | None, extra: Extra) -> Audio:
    data = sources.from_base64(text)
    # The answer does not say the format: what shows none is samples without a header.
    media_type = None if sniffing.sniff(data) else "audio/pcm"
    return Audio(data, media_type=media_type, transcript=transcript, extra=extra)


def annotation(node: Node) -> Citation:
    """A page's address; its indices count in the answer, not in the source, and stay in `raw`."""
    place = node.find_node("url_citation") or node
    raw = copied(node.value, node.where)
    return Citation(url=place.find("url", str), title=place.find("title", str), raw=raw)


def reasoning(node: Node) -> Iterator[Thinking]:
    """The thoughts that compatible hosts put beside the content."""
    found = {name: node.find(name, str) for name in ("reasoning_content", "reasoning")}
    name, text = next(((name, text) for name, text in found.items() if text), ("", ""))
    details = [copied(item.value, item.where) for item in node.nodes("reasoning_details")]
    if text or details:
        kept = {"field": name, "reasoning_details": details}
        yield Thinking(text, wire=CHAT, extra=extra_of(CHAT, {key: value for key, value in kept.items() if value}))


def tool_call(node: Node) -> ToolCall:
    """One of an assistant's `tool_calls`."""
    kind = node.find("type", str) or "function"
    if kind not in ("function", "custom"):
        node.fail("type", f"expected 'function' or 'custom', got {kind[:SHOWN]!r}")
    node.only("id", "type", "index", "extra_content", kind)
    call_id, inner, kept = node.get("id", str), node.node(kind), node.rest("id", "index", "type", kind)
    name = inner.get("name", str)
    if kind == "custom":
        inner.only("name", "input")
        return ToolCall(call_id, name, {"input": inner.get("input", str)}, extra={CHAT: {"type": "custom", **kept}})
    inner.only("name", "arguments")
    arguments, raw = arguments_of(inner.value.get("arguments"), inner.path("arguments"))
    return ToolCall(call_id, name, arguments, raw, extra=extra_of(CHAT, kept))


def function_call(node: Node, call_id: str) -> ToolCall:
    """An assistant's `function_call`, which has no id of its own."""
    node.only("name", "arguments")
    name = node.get("name", str)
    arguments, raw = arguments_of(node.any("arguments"), node.path("arguments"))
    return ToolCall(call_id, name, arguments, raw)


def arguments_of(value: object, where: str) -> tuple[dict[str, Any], str | None]:
    """A call's arguments, and the text where they are no JSON object."""
    if isinstance(value, Mapping):
        return copied(value, where), None
    text = "" if value is None else expect(value, str, where)
    if not text:
        return {}, None
    try:
        found = loads(text)
    except InvalidResponseError:
        found = None
    return (found, None) if isinstance(found, dict) else ({}, text)
