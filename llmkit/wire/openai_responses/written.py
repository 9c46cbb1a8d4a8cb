"""The input of a request as messages: the way back of `items` and `media`.

Items have no turns: what the model said up to the next word of the user is one `AssistantMessage`; results next to each
other are one `UserMessage`, and what the user says after them is another. What a part has no field for is kept in its
`extra`, so that what was read is written again: ``fields`` are its own, ``beside`` those of the message.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import evolve, frozen

from llmkit.errors import ConfigurationError, InvalidResponseError, MediaError
from llmkit.history.nodes import SHOWN, Node, items, located, node_of
from llmkit.media import Audio, Document, Image, Media, media_of, sources
from llmkit.messages import (
    AssistantMessage,
    Message,
    Opaque,
    Part,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.wire.openai_responses.decode import decode_item
from llmkit.wire.openai_responses.items import ANNOTATIONS, PARTS
from llmkit.wire.openai_responses.media import AUDIO_FORMATS, IMAGE_TYPES
from llmkit.wire.openai_responses.schema import WIRE_NAME

Side: TypeAlias = Literal["system", "user", "assistant", "results"]


@frozen
class _Said:
    """What one item says, and on which side.

    Attributes:
        side: Whose word it is.
        parts: What it is.
        written: Whether it is a message as clients write them: two of these are two turns.
    """

    side: Side
    parts: tuple[Part, ...]
    written: bool = False


def messages_of(value: object, where: str) -> list[Message]:
    """The conversation in a request's `input`.

    Raises:
        ConfigurationError: What stands there is no message; the error begins with its path.
    """
    if isinstance(value, str):
        return [UserMessage(value)]
    found: list[Message] = []
    names: dict[str, str] = {}
    for turn in _turns([_item(node_of(item, path)) for item, path in items(value, where)]):
        parts = [_named(part, names) for said in turn for part in said.parts]
        names |= {part.id: part.name for part in parts if isinstance(part, ToolCall)}
        found.append(_CLASSES[turn[0].side](parts))
    return found


_CLASSES: Final[Mapping[Side, Callable[[Sequence[Part]], Message]]] = {
    "system": SystemMessage,
    "user": UserMessage,
    "assistant": AssistantMessage,
    "results": UserMessage,
}


def _turns(said: Sequence[_Said]) -> Iterator[list[_Said]]:
    """Those that are of one message together."""
    turn: list[_Said] = []
    for each in said:
        if turn and not _goes_on(turn[-1], each):
            yield turn
            turn = []
        turn.append(each)
    if turn:
        yield turn


def _goes_on(before: _Said, said: _Said) -> bool:
    """Whether both are of one message, in which results stand before whatever else there is."""
    overtakes = said.side == "results" and _is_opaque(before) and not _is_opaque(said)
    return before.side == said.side and not (before.written and said.written) and not overtakes


def _is_opaque(said: _Said) -> bool:
    return any(isinstance(part, Opaque) for part in said.parts)


def _named(part: Part, names: Mapping[str, str]) -> Part:
    return evolve(part, name=names.get(part.call_id, "")) if isinstance(part, ToolResult) else part


# ---- items -----------------------------------------------------------------------------------------------------------


def _item(node: Node) -> _Said:
    kind = node.find("type", str) or ("item_reference" if node.value.keys() == {"id"} else "message")
    if kind == "message":
        return _message(node)
    if kind in ("function_call_output", "custom_tool_call_output"):
        return _Said("results", (_result(node, kind),))
    if _is_the_clients(kind, node):
        return _Said("results", (_opaque(node),))
    return _Said("assistant", _decoded(node.value, node.where))


def _is_the_clients(kind: str, node: Node) -> bool:
    """Whether an item that is not modelled is one that clients make."""
    if kind == "tool_search_output":
        return node.value.get("execution") == "client"
    return kind.endswith("_call_output") or kind in ("mcp_approval_response", "additional_tools", "item_reference")


def _decoded(item: Mapping[str, Any], where: str) -> tuple[Part, ...]:
    """The parts of an item of the model's, as they were when it was answered."""
    try:
        return tuple(decode_item(dict(item), where))
    except InvalidResponseError as exc:
        reason, path = str(exc).partition(": ")[2].rpartition(" @ ")[::2]
    raise ConfigurationError(f"{path}: {reason}")


def _opaque(node: Node) -> Opaque:
    return Opaque(WIRE_NAME, dict(node.value))


def _message(node: Node) -> _Said:
    role, content = node.get("role", str), node.any("content")
    if role not in _ROLES:
        node.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_ROLES)}")
    side = _ROLES[role]
    if side == "assistant":
        return _Said(side, _answer(node), written=node.value.get("id") is None)
    if isinstance(content, str):
        found: tuple[Part, ...] = (Text(content),)
    else:
        reader = _part if side == "user" else _instruction
        found = tuple(_inside(reader(part), node, side) for part in node.nodes("content"))
    if found and all(isinstance(part, Opaque) for part in found) and node.rest("type", "role", "content"):
        found = (Opaque(WIRE_NAME, {**node.value, "type": "message", "role": side}),)
    return _Said(side, _beside(node, found), written=True)


def _inside(part: Part, node: Node, side: Side) -> Part:
    """`part` of a message; one that is not modelled in a message of its own, as otherwise it would be an item."""
    if not isinstance(part, Opaque) or part.data["type"] in PARTS:
        return part
    return Opaque(WIRE_NAME, {**node.value, "type": "message", "role": side, "content": [part.data]})


_ROLES: Final[Mapping[str, Side]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


def _beside(node: Node, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """`parts`, each with the message's fields that nothing was read of, so that any of them may be left out."""
    found = node.rest("type", "role", "content")
    return tuple(_with_extra(part, {"beside": found}) for part in parts) if found else parts


def _with_extra(part: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(part, Opaque):
        return part
    return evolve(part, extra={**part.extra, WIRE_NAME: {**part.extra.get(WIRE_NAME, {}), **found}})


def _answer(node: Node) -> tuple[Part, ...]:
    """What the model said, of which clients may write the text alone."""
    content = node.any("content")
    if "part" in node.value:  # a key that the parts of answers have for themselves
        return (Opaque(WIRE_NAME, {**node.value, "type": "message"}),)
    if isinstance(content, str):
        return _decoded(
            {**node.value, "type": "message", "content": [{"type": "output_text", "text": content}]}, node.where
        )
    told = node.nodes("content")
    parts = _decoded({**node.value, "type": "message"}, node.where)
    return tuple(_with_rest(part, child) for part, child in zip(parts, told, strict=True))


def _with_rest(part: Part, node: Node) -> Part:
    """`part` with what is left out of answers, as nobody wants it back, and what stands here although."""
    if not isinstance(part, Text):
        return part
    kept = {key: node.value[key] for key in ("logprobs",) if node.value.get(key)}
    notes = [dict(note.value) for note in node.nodes("annotations")]
    if any(note.get("type") not in ANNOTATIONS for note in notes):
        kept["annotations"] = notes
    if not kept:
        return part
    found: Text = _with_extra(part, {"part": {**part.extra.get(WIRE_NAME, {}).get("part", {}), **kept}})
    return found


def _result(node: Node, kind: str) -> ToolResult:
    id_, output = node.get("call_id", str), node.any("output")
    content = (Text(output),) if isinstance(output, str) else tuple(map(_output_part, node.nodes("output")))
    rest = node.rest("type", "call_id", "output")
    if kind == "custom_tool_call_output":
        rest["type"] = kind  # its call may be one that only the provider knows
    extra = {WIRE_NAME: rest} if rest else {}
    return located(node.where, lambda: ToolResult(id_, "", content, extra=extra))


# ---- parts of messages and results -----------------------------------------------------------------------------------


def _part(node: Node) -> Part:
    return _PARTS.get(node.get("type", str), _opaque)(node)


def _instruction(node: Node) -> Part:
    """Nothing but text has a place among instructions."""
    return _text(node) if node.get("type", str) == "input_text" else _opaque(node)


def _output_part(node: Node) -> Part:
    part = _part(node)
    return _opaque(node) if isinstance(part, Audio) else part


def _extra(node: Node, *known: str, **more: Any) -> dict[str, dict[str, Any]]:
    fields = node.rest("type", *known)
    found = {**more, **({"fields": fields} if fields else {})}
    return {WIRE_NAME: found} if found else {}


def _text(node: Node) -> Text:
    return Text(node.get("text", str), extra=_extra(node, "text"))


# Both of OpenAI's wires know the ids of its files.
_OTHER: Final = "openai-chat"


def _image(node: Node) -> Part:
    detail, extra = node.find("detail", str), _extra(node, "image_url", "file_id", "detail")
    if file_id := node.find("file_id", str):
        if node.find("image_url", str):
            return _opaque(node)
        return Image(file_id=file_id, detail=detail, extra={_OTHER: {}, WIRE_NAME: {}, **extra})
    url, path = node.get("image_url", str), node.path("image_url")
    if not sources.is_data_uri(url):
        return located(path, lambda: Image(url=url, detail=detail, extra=extra))
    read = located(path, lambda: sources.read_data_uri(url))
    try:
        found = Image(read.data, media_type=read.media_type, detail=detail, extra=extra)
    except MediaError:
        return _opaque(node)
    return found if found.media_type in IMAGE_TYPES else _opaque(node)


def _file(node: Node) -> Part:
    told = [key for key in ("file_id", "file_url", "file_data") if node.find(key, str)]
    name, extra = node.find("filename", str), _extra(node, "file_id", "file_url", "file_data", "filename")
    if len(told) != 1:
        if not told:
            node.get("file_data", str)
        return _opaque(node)
    key = told[0]
    value, path = node.get(key, str), node.path(key)
    if key == "file_data":
        return _file_data(node, value, name)
    if name is not None:
        return _opaque(node)  # what has an address, or lies with the provider, is called something there
    if key == "file_url":
        return located(path, lambda: Document.of(value, extra=extra))
    return Document(file_id=value, extra={_OTHER: {}, WIRE_NAME: {}, **extra})


def _file_data(node: Node, value: str, name: str | None) -> Part:
    path = node.path("file_data")
    read = located(
        path,
        lambda: (
            sources.read_data_uri(value) if sources.is_data_uri(value) else sources.Read(sources.from_base64(value))
        ),
    )
    extra = _extra(node, "file_id", "file_url", "file_data", "filename", type="input_file")
    try:
        found: Media = media_of(read.data, media_type=read.media_type, name=name, extra=extra)
    except MediaError:
        return _opaque(node)
    return found if isinstance(found, Document | Image) else _opaque(node)


def _sound(node: Node) -> Part:
    inner = node.node("input_audio")
    text, form = inner.get("data", str), inner.get("format", str)
    data = located(inner.path("data"), lambda: sources.from_base64(text))
    media_type = next((known for known, name in AUDIO_FORMATS.items() if name == form), None)
    if media_type is None or inner.rest("data", "format"):
        return _opaque(node)
    try:
        return Audio(data, media_type=media_type, extra=_extra(node, "input_audio"))
    except MediaError:
        return _opaque(node)


_PARTS: Final[Mapping[str, Callable[[Node], Part]]] = {
    "input_text": _text,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _sound,
}
