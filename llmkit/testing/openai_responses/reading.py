"""A request's body as typed messages, its instructions first.

Items have no turns: what the model said up to the next word of the user is one `AssistantMessage`; results next to each
other are one `UserMessage`, and what the user says after them is another.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from attrs import evolve, frozen

from llmkit.history.chat import arguments_of
from llmkit.history.nodes import Node, copied, items, located, node_of
from llmkit.media import Audio, Document, Image, media_of, sources
from llmkit.messages import (
    AssistantMessage,
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
from llmkit.testing.openai_responses.answers import WIRE_NAME

Side: TypeAlias = Literal["system", "user", "assistant", "results"]


@frozen
class _Said:
    """What one item says, and on which side; `number` keeps apart what is no turn with its neighbours."""

    side: Side
    number: int
    parts: tuple[Part, ...]


def read(body: Any) -> list[Message]:
    """The conversation in a request's body; empty where there is none.

    Raises:
        ConfigurationError: What stands there is no message; the error begins with its path.
    """
    if not isinstance(body, dict):
        return []
    system = [SystemMessage(body["instructions"])] if body.get("instructions") else []
    asked = body.get("input")
    if isinstance(asked, str):
        return [*system, UserMessage(asked)]
    return [*system, *_messages(asked)] if isinstance(asked, list) else [*system]


def _messages(asked: list[Any]) -> Iterator[Message]:
    said = [_item(node_of(item, where), index) for index, (item, where) in enumerate(items(asked, "input"))]
    names = {part.id: part.name for each in said for part in each.parts if isinstance(part, ToolCall)}
    for (side, _), group in groupby(said, key=lambda each: (each.side, each.number)):
        parts = tuple(_named(part, names) for each in group for part in each.parts)
        yield _CLASSES[side](parts)


_CLASSES: Final[Mapping[Side, Callable[[tuple[Part, ...]], Message]]] = {
    "system": SystemMessage,
    "user": UserMessage,
    "assistant": AssistantMessage,
    "results": UserMessage,
}


def _named(part: Part, names: Mapping[str, str]) -> Part:
    return evolve(part, name=names.get(part.call_id, "")) if isinstance(part, ToolResult) else part


def _item(node: Node, index: int) -> _Said:
    kind = node.find("type", str) or "message"
    if kind == "message":
        return _message(node, index)
    if kind in _RESULTS:
        return _Said("results", -1, (_RESULTS[kind](node),))
    if kind.endswith("_call_output") or kind == "mcp_approval_response":
        return _Said("results", -1, (_opaque(node),))
    return _Said("assistant", -1, (_ITEMS.get(kind, _opaque)(node),))


def _message(node: Node, index: int) -> _Said:
    role, content = node.get("role", str), node.any("content")
    said = role == "assistant"
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content),)
    else:
        parts = tuple(_said(part, node) if said else _part(part) for part in node.nodes("content"))
    if said:
        return _Said("assistant", -1, parts)
    return _Said("user" if role == "user" else "system", index, parts)


def _said(node: Node, message: Node) -> Part:
    """A part of the model's message; what is not modelled stands in a message of its own, as an item."""
    part = _part(node)
    if isinstance(part, Opaque):
        return Opaque(WIRE_NAME, {**copied(message.value, message.where), "content": [part.data]})
    return part


# ---- items -----------------------------------------------------------------------------------------------------------


def _opaque(node: Node) -> Opaque:
    return Opaque(WIRE_NAME, copied(node.value, node.where))


def _function_call(node: Node) -> ToolCall:
    arguments, raw = arguments_of(node.any("arguments"), node.path("arguments"))
    return ToolCall(node.get("call_id", str), node.get("name", str), arguments, raw)


def _custom_call(node: Node) -> ToolCall:
    extra = {WIRE_NAME: {"type": "custom_tool_call"}}
    return ToolCall(node.get("call_id", str), node.get("name", str), {"input": node.get("input", str)}, extra=extra)


def _result(node: Node) -> ToolResult:
    output = node.any("output")
    content = (Text(output),) if isinstance(output, str) else tuple(_part(part) for part in node.nodes("output"))
    return located(node.where, lambda: ToolResult(node.get("call_id", str), "", content))


def _reasoning(node: Node) -> Thinking:
    """The summary, else the very thoughts, where the host tells them; without either all of it is encrypted."""
    texts = [[part.get("text", str) for part in node.nodes(key)] for key in ("summary", "content")]
    text = "\n\n".join(texts[0] or texts[1])
    sealed = node.find("encrypted_content", str)
    extra = {WIRE_NAME: node.rest("type", "encrypted_content")}
    return Thinking(text, sealed if text else None, None if text else sealed, wire=WIRE_NAME, extra=extra)


def _picture(node: Node) -> Image | Opaque:
    """A picture that the model made; `Opaque` where it made none."""
    result = node.find("result", str)
    if not result:
        return _opaque(node)
    return located(node.path("result"), lambda: Image(sources.from_base64(result), extra=_rest_of(node)))


def _rest_of(node: Node) -> dict[str, dict[str, Any]]:
    return {WIRE_NAME: node.rest("result")}


_RESULTS: Final[Mapping[str, Callable[[Node], ToolResult]]] = {
    "function_call_output": _result,
    "custom_tool_call_output": _result,
}
_ITEMS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "reasoning": _reasoning,
    "image_generation_call": _picture,
}

# ---- parts of messages and results -----------------------------------------------------------------------------------


def _part(node: Node) -> Part:
    return _PARTS.get(node.get("type", str), _opaque)(node)


def _text(node: Node) -> Text:
    return Text(node.get("text", str), map(_citation, node.nodes("annotations")))


def _citation(node: Node) -> Citation:
    title = node.find("title", str) or node.find("filename", str)
    return Citation(url=node.find("url", str), title=title, raw=copied(node.value, node.where))


def _refusal(node: Node) -> Refusal:
    return Refusal(node.get("refusal", str))


# Both of OpenAI's wires know the ids of its files.
_FILES: Final[Mapping[str, Any]] = {WIRE_NAME: {}, "openai-chat": {}}


def _image(node: Node) -> Image:
    detail = node.find("detail", str)
    if file_id := node.find("file_id", str):
        return Image(file_id=file_id, detail=detail, extra=dict(_FILES))
    url, where = node.get("image_url", str), node.path("image_url")
    if sources.is_data_uri(url):
        return located(where, lambda: Image.of(url, detail=detail))
    return located(where, lambda: Image(url=url, detail=detail))


def _file(node: Node) -> Part:
    name = node.find("filename", str)
    if file_id := node.find("file_id", str):
        return Document(file_id=file_id, name=name, extra=dict(_FILES))
    if url := node.find("file_url", str):
        return located(node.path("file_url"), lambda: Document.of(url, name=name))
    data = node.get("file_data", str)
    return located(node.path("file_data"), lambda: media_of(_content(data), name=name))


def _content(data: str) -> object:
    """What `media_of` takes: a data URI says its type."""
    return data if sources.is_data_uri(data) else sources.from_base64(data)


def _sound(node: Node) -> Audio:
    inner = node.node("input_audio")
    data = located(inner.path("data"), lambda: sources.from_base64(inner.get("data", str)))
    kind = {"mp3": "mpeg"}.get(inner.get("format", str), inner.get("format", str))
    return located(inner.path("data"), lambda: Audio(data, media_type=f"audio/{kind}"))


_PARTS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _sound,
}
