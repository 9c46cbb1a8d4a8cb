"""Blocks of a payload as parts.

Stricter than `llmkit.history`, which takes dicts of several shapes, and nothing is given up: what a part has no place
for stands in its `extra`, or makes the whole block `Opaque`.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from llmkit.errors import MediaError
from llmkit.history import anthropic
from llmkit.history.marks import extra_of
from llmkit.history.nodes import Node, copied, located
from llmkit.json_codec import to_utf8
from llmkit.media import Document, Image, sources
from llmkit.messages import CacheTime, Part, Text, ToolCall, ToolResult
from llmkit.wire.anthropic_messages.schema import WIRE_NAME

_Reader: TypeAlias = Callable[[Node], Part | None]
_LOCATION: Final = "_location"  # how the kinds of citation end that are sent back


def content_of(node: Node, key: str, place: str) -> tuple[Part, ...]:
    """The parts of content: of text, or of a list of blocks.

    Args:
        node: Holds it.
        key: Under which name.
        place: Where it is said: a role, or ``result``.

    Raises:
        ConfigurationError: There is none, or a block lacks what makes it one; the message begins with its path.
    """
    if isinstance(content := node.any(key), str):
        return (Text(content),)
    node.get(key, list)
    return tuple(_block(block, place) for block in node.nodes(key)) if content else ()


def _block(node: Node, place: str) -> Part:
    """The part that a block is; `Opaque` where there is none for it, or none that may stand there."""
    read = _READERS[place].get(node.get("type", str))
    return (read and read(node)) or anthropic.opaque(node)


def cache_of(mark: object) -> CacheTime | None:
    """How long a mark asks to cache; None where it is not one that llmkit writes."""
    match mark:
        case {"type": "ephemeral", "ttl": "5m" | "1h" as ttl, **rest} if not rest:
            return "1h" if ttl == "1h" else "5m"
        case {"type": "ephemeral", **rest} if not rest:
            return "5m"
        case _:
            return None


def _marks(node: Node, *known: str) -> dict[str, Any]:
    """The fields of a part about what its block has beside its type and `known`."""
    cache = cache_of(node.value.get("cache_control"))
    rest = node.rest("type", *known, *(() if cache is None else ("cache_control",)))
    return {"cache": cache, "extra": extra_of(WIRE_NAME, rest)}


# ---- words and calls -------------------------------------------------------------------------------------------------


def _text(node: Node) -> Text | None:
    cited = node.nodes("citations")
    if not all(citation.get("type", str).endswith(_LOCATION) for citation in cited):
        return None
    return Text(node.get("text", str), map(anthropic.citation, cited), **_marks(node, "text", "citations"))


def _tool_use(node: Node) -> ToolCall:
    arguments = copied(node.get("input", dict), node.path("input"))
    return ToolCall(node.get("id", str), node.get("name", str), arguments, **_marks(node, "id", "name", "input"))


def _tool_result(node: Node) -> ToolResult:
    content = () if node.value.get("content") is None else content_of(node, "content", "result")
    marks = _marks(node, "tool_use_id", "content", "is_error")
    is_error = node.find("is_error", bool) or False
    return ToolResult(node.get("tool_use_id", str), "", content, is_error, **marks)


# ---- media -----------------------------------------------------------------------------------------------------------


def _image(node: Node) -> Image | None:
    fields = _fields(node, _IMAGES)
    return None if fields is None else _made(Image, fields)


def _document(node: Node) -> Document | None:
    fields = _fields(node, _DOCUMENTS, "title", "context", "citations")
    asked = node.find_node("citations")
    if fields is None or (asked is not None and not _is_plain(asked, "enabled")):
        return None
    cited = asked is not None and bool(asked.find("enabled", bool))
    title, context = node.find("title", str), node.find("context", str)
    return _made(Document, {**fields, "name": title, "context": context, "citations": cited})


_Medium = TypeVar("_Medium", Image, Document)


def _made(cls: type[_Medium], fields: Mapping[str, Any]) -> _Medium | None:
    """The part; None where its content is not what it is called, or there is none."""
    try:
        return cls(**fields)
    except MediaError:
        return None


def _is_plain(node: Node, *known: str) -> bool:
    return not node.rest(*known)


_Source: TypeAlias = tuple[tuple[str, ...], Callable[[Node], dict[str, Any] | None]]


def _fields(node: Node, known: Mapping[str, _Source], *others: str) -> dict[str, Any] | None:
    """The fields that say what a medium is and whether to cache it; None where the block says more than they can."""
    source, mark = node.node("source"), node.value.get("cache_control")
    keys, read = known.get(source.get("type", str), ((), None))
    cache = cache_of(mark)
    plain = _is_plain(node, "type", "source", "cache_control", *others) and _is_plain(source, "type", *keys)
    if read is None or not plain or (mark is not None and cache is None):
        return None
    found = read(source)
    return None if found is None else {**found, "cache": cache}


def _base64(source: Node) -> dict[str, Any]:
    text = source.get("data", str)
    data = located(source.path("data"), lambda: sources.from_base64(text))
    return {"data": data, "media_type": source.get("media_type", str)}


def _pdf(source: Node) -> dict[str, Any] | None:
    """Other documents are no base64 where llmkit sends them."""
    return _base64(source) if source.get("media_type", str) == "application/pdf" else None


def _plain(source: Node) -> dict[str, Any] | None:
    if source.find("media_type", str) not in (None, "text/plain"):
        return None
    return {"data": to_utf8(source.get("data", str)), "media_type": "text/plain"}


def _url(source: Node) -> dict[str, Any]:
    return {"url": source.get("url", str)}


def _file(source: Node) -> dict[str, Any]:
    """The key says whose file it is."""
    return {"file_id": source.get("file_id", str), "extra": {WIRE_NAME: {}}}


_ELSEWHERE: Final[Mapping[str, _Source]] = {"url": (("url",), _url), "file": (("file_id",), _file)}
_CONTENT: Final = ("media_type", "data")
_IMAGES: Final[Mapping[str, _Source]] = {"base64": (_CONTENT, _base64), **_ELSEWHERE}
_DOCUMENTS: Final[Mapping[str, _Source]] = {"base64": (_CONTENT, _pdf), "text": (_CONTENT, _plain), **_ELSEWHERE}
_MEDIA: Final[Mapping[str, _Reader]] = {"image": _image, "document": _document}
# What is typed where; the provider takes media from the user only.
_READERS: Final[Mapping[str, Mapping[str, _Reader]]] = {
    "system": {"text": _text},
    "user": {"text": _text, **_MEDIA, "tool_result": _tool_result},
    "assistant": {
        "text": _text,
        "thinking": anthropic.thinking,
        "redacted_thinking": anthropic.redacted_thinking,
        "tool_use": _tool_use,
    },
    "result": {"text": _text, **_MEDIA},
}
