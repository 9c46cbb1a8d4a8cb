"""The content of a message dict, in OpenAI's Chat shape or Anthropic's, as parts.

Nothing is dropped without a word: a key that cannot be kept is an error with its path.
"""

from collections.abc import Callable, Mapping
from typing import Final

from llmkit.history import anthropic, chat
from llmkit.history.marks import ANTHROPIC, CHAT, breakpoint_of, cache_of, extra_of
from llmkit.history.nodes import Node, items, located, node_of
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import PARTS, Part, Text, Thinking, ToolResult

# Parts of another API of OpenAI's, which neither shape has.
_RESPONSES: Final = frozenset({"input_text", "input_image", "input_file", "output_text", "reasoning"})


def parts_of(content: object, where: str) -> tuple[Part, ...]:
    """The parts of a message's or a result's `content`: text, or a list of blocks of either shape.

    A block of a kind that is not modelled is kept as Anthropic's, whose kinds are many.

    Args:
        content: As the caller wrote it; text and typed parts may stand in a list, too.
        where: Its path.

    Raises:
        ConfigurationError: Something is wrong; the message begins with its path.
    """
    if isinstance(content, (str, *PARTS)):
        return (_part(content, where),)
    return tuple(_part(block, path) for block, path in items(content, where))


def _part(block: object, where: str) -> Part:
    if isinstance(block, str):
        return Text(block)
    if isinstance(block, PARTS):
        return block
    node = node_of(block, where)
    name = node.get("type", str)
    if name in _RESPONSES:
        node.fail("type", f"{name!r} is of OpenAI's Responses API; known are {', '.join(sorted(_READERS))}")
    return _READERS.get(name, anthropic.opaque)(node)


def _text(node: Node) -> Text:
    node.only("type", "text", "citations", "annotations", "cache_control", "prompt_cache_breakpoint")
    found = (*map(anthropic.citation, node.nodes("citations")), *map(chat.annotation, node.nodes("annotations")))
    return Text(node.get("text", str), found, cache_of(node), extra=breakpoint_of(node))


def _thinking(node: Node) -> Thinking:
    if isinstance(node.any("thinking"), str):
        return anthropic.thinking(node)
    node.only("type", "thinking", "closed")  # as some hosts of Chat have it: a list of text
    texts = node.nodes("thinking")
    for text in texts:
        text.only("type", "text")
    return Thinking("".join(text.get("text", str) for text in texts), wire=CHAT, extra={CHAT: {"field": "content"}})


def _tool_result(node: Node) -> ToolResult:
    content = node.value.get("content")
    found = () if content is None else _result_content(content, node.path("content"))
    extra = extra_of(ANTHROPIC, node.rest("type", "tool_use_id", "content", "is_error", "cache_control"))
    call_id, is_error, cache = node.get("tool_use_id", str), node.find("is_error", bool) or False, cache_of(node)
    return located(node.where, lambda: ToolResult(call_id, "", found, is_error, cache, extra=extra))


def _result_content(content: object, where: str) -> tuple[Part, ...]:
    """The parts of a result, in which no other result may stand: so that what is nested without end is not read so."""
    if not isinstance(content, (str, *PARTS)):
        for block, path in items(content, where):
            if isinstance(block, Mapping) and block.get("type") == "tool_result":
                Node(block, path).fail("type", "a tool_result cannot stand in a tool_result")
    return parts_of(content, where)


_READERS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "refusal": chat.refusal,
    "image_url": chat.media_url(Image),
    "audio_url": chat.media_url(Audio),
    "video_url": chat.media_url(Video),
    "document_url": chat.media_url(Document),
    "file_url": chat.media_url(Document),
    "input_audio": chat.input_audio,
    "file": chat.file,
    "redacted_thinking": anthropic.redacted_thinking,
    "image": anthropic.image,
    "document": anthropic.document,
    "tool_use": anthropic.tool_use,
    "tool_result": _tool_result,
}
