"""Anthropic's blocks as parts.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from llmkit.history.chat import arguments_of
from llmkit.history.marks import ANTHROPIC, cache_of, extra_of
from llmkit.history.nodes import SHOWN, Node, copied, located
from llmkit.json_codec import to_utf8
from llmkit.media import Document, Image, sources
from llmkit.messages import Citation, Opaque, Thinking, ToolCall

_Unit: TypeAlias = Literal["character", "page", "block"]
_UNITS: Final[Mapping[str, tuple[_Unit, str]]] = {
    "char_location": ("character", "char_index"),
    "page_location": ("page", "page_number"),
    "content_block_location": ("block", "block_index"),
    "search_result_location": ("block", "block_index"),
}


def opaque(node: Node) -> Opaque:
    """A block that is not modelled, as it is."""
    return Opaque(ANTHROPIC, copied(node.value, node.where))


def citation(node: Node) -> Citation:
    """A place in a document, a search result or a page."""
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


def thinking(node: Node) -> Thinking:
    """Thoughts, with their seal."""
    extra = extra_of(ANTHROPIC, node.rest("type", "thinking", "signature"))
    return Thinking(node.get("thinking", str), node.find("signature", str), wire=ANTHROPIC, extra=extra)


def redacted_thinking(node: Node) -> Thinking:
    """Encrypted thoughts."""
    extra = extra_of(ANTHROPIC, node.rest("type", "data"))
    return Thinking("", redacted=node.get("data", str), wire=ANTHROPIC, extra=extra)


def tool_use(node: Node) -> ToolCall:
    """A call."""
    arguments, raw = arguments_of(node.any("input"), node.path("input"))
    extra = extra_of(ANTHROPIC, node.rest("type", "id", "name", "input", "cache_control"))
    return ToolCall(node.get("id", str), node.get("name", str), arguments, raw, cache=cache_of(node), extra=extra)


def image(node: Node) -> Image:
    """A picture."""
    node.only("type", "source", "cache_control")
    fields = {**_source(node), "cache": cache_of(node)}
    return located(node.path("source"), lambda: Image(**fields))


def document(node: Node) -> Document | Opaque:
    """A file; `Opaque` where it is made of blocks."""
    if node.node("source").find("type", str) == "content":
        return opaque(node)
    node.only("type", "source", "title", "context", "citations", "cache_control")
    fields = {
        **_source(node),
        "name": node.find("title", str),
        "context": node.find("context", str),
        "citations": _enabled(node),
        "cache": cache_of(node),
    }
    return located(node.path("source"), lambda: Document(**fields))


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


def _base64(source: Node) -> dict[str, Any]:
    text = source.get("data", str)
    data = located(source.path("data"), lambda: sources.from_base64(text))
    return {"data": data, "media_type": source.get("media_type", str)}


def _text(source: Node) -> dict[str, Any]:
    return {"data": to_utf8(source.get("data", str)), "media_type": source.find("media_type", str) or "text/plain"}


_SOURCES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Node], dict[str, Any]]]]] = {
    "base64": (("media_type", "data"), _base64),
    "url": (("url",), lambda source: {"url": source.get("url", str)}),
    # The key says whose file it is.
    "file": (("file_id",), lambda source: {"file_id": source.get("file_id", str), "extra": {ANTHROPIC: {}}}),
    "text": (("media_type", "data"), _text),
}
