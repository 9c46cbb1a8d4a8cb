"""The contents of a payload as messages: a message for each content.

What a part has no place for stands in its `extra`, or makes it `Opaque`.

Source: https://ai.google.dev/api/caching#Content
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from llmkit.errors import MediaError
from llmkit.history.marks import extra_of
from llmkit.history.nodes import SHOWN, Node, copied, located
from llmkit.media import Audio, Document, Image, Media, Video, sources
from llmkit.media.types import Kind, is_text, kind_of, normal, type_of_name
from llmkit.messages import AssistantMessage, Message, Opaque, Part, Text, Thinking, ToolCall, ToolResult, UserMessage
from llmkit.wire.gemini_generate.media import RESOLUTIONS
from llmkit.wire.gemini_generate.parts import DATA
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.gemini_generate.turns import object_in

_NOTES: Final = frozenset({"id", "bare"})  # what llmkit itself notes in `extra`
_SEALED: Final = frozenset({"thought", "thoughtSignature"})
_ROLES: Final[Mapping[str, Callable[[Sequence[Part]], Message]]] = {
    "user": UserMessage,
    "model": AssistantMessage,
    "function": UserMessage,
}
_UPLOADED: Final = re.compile(r"(https?://[^/]+/v\d\w*/)?files/[^/]+")
_DETAILS: Final = {level: detail for detail, level in RESOLUTIONS.items()}
_CLASSES: Final[Mapping[Kind, type[Media]]] = {"image": Image, "audio": Audio, "video": Video, "document": Document}


class Contents:
    """One conversation, read from its start: what later contents need of earlier ones.

    Args:
        contents: All of it.
    """

    def __init__(self, contents: Sequence[Node]) -> None:
        self._contents = contents
        self._taken = set(_ids(contents))
        self._open: list[ToolCall] = []  # without a result so far
        self._made_up = 0

    def messages(self) -> list[Message]:
        """The messages; a call without an id gets one made up, ``call_1`` and so on, and its result the same.

        Raises:
            ConfigurationError: One is none; the error begins with its path.
        """
        return [self._message(content) for content in self._contents]

    def _message(self, content: Node) -> Message:
        role = content.find("role", str) or "user"
        if role not in _ROLES:
            content.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_ROLES)}")
        content.only("role", "parts")
        readers = _SAID if role == "model" else _ASKED
        return _ROLES[role]([self._part(part, readers) for part in _nodes(content)])

    def _part(self, node: Node, readers: "Mapping[str, _Reader]") -> Part:
        kind = kind_in(node)
        read = readers.get(kind) if kind else None
        return (read and read(self, node)) or _opaque(node)

    def call(self, node: Node) -> Part | None:
        """A call; None where pieces of its arguments stand in its place."""
        inner = node.node("functionCall")
        if "partialArgs" in inner.value:
            return None
        id_, rest = inner.find("id", str), inner.rest("id", "name", "args")
        notes = {**({} if id_ else {"id": None}), **({"functionCall": rest} if rest else {})}
        extra = extra_of(WIRE_NAME, {**node.rest("functionCall"), **notes})
        arguments = copied(inner.find("args", dict) or {}, inner.path("args"))
        found = ToolCall(id_ or self._new_id(), inner.get("name", str), arguments, extra=extra)
        self._open.append(found)
        return found

    def result(self, node: Node) -> Part | None:
        """The answer to a call; None where more stands beside it than llmkit writes there."""
        inner = node.node("functionResponse")
        if node.rest("functionResponse") or inner.value.keys() & {"bare", *DATA}:
            return None
        name, id_ = inner.get("name", str), inner.find("id", str)
        is_error, told = _told(inner.find("response", dict) or {}, inner.path("response"))
        beside = [_medium(part, detailed=False) or _opaque(part) for part in inner.nodes("parts")]
        extra = extra_of(WIRE_NAME, inner.rest("id", "name", "response", "parts"))
        return ToolResult(self._answered(id_, name), name, [*told, *beside], is_error, extra=extra)

    def _answered(self, id_: str | None, name: str) -> str:
        """The id of the call that a result is of: its own, else that of the first call of the name without one."""
        for call in self._open:
            if call.id == id_ if id_ else call.name == name:
                self._open.remove(call)
                return call.id
        return id_ or self._new_id()

    def _new_id(self) -> str:
        while True:
            self._made_up += 1
            if (found := f"call_{self._made_up}") not in self._taken:
                return found


def instructions(content: Node) -> list[Part]:
    """The parts of instructions, which are text.

    Raises:
        ConfigurationError: They are none; the message begins with the path.
    """
    content.only("role", "parts")
    return [(kind_in(node) == "text" and _words(node)) or _opaque(node) for node in _nodes(content)]


# ---- parts -----------------------------------------------------------------------------------------------------------


def _nodes(content: Node) -> list[Node]:
    """The parts of a content; one that stands without a list is a list of one, as the provider reads it."""
    return [content.node("parts")] if isinstance(content.value.get("parts"), Mapping) else content.nodes("parts")


def _ids(contents: Sequence[Node]) -> Iterator[str]:
    """The ids of the calls."""
    for content in contents:
        for part in _nodes(content):
            call = part.find_node("functionCall")
            if call is not None and (found := call.find("id", str)):
                yield found


def kind_in(node: Node) -> str | None:
    """Which kind of content a part has; None where it has several, or none that is known."""
    held = {key for key, value in node.value.items() if value is not None}
    if held & _NOTES:
        return None
    kinds = held & (DATA | {"text"})
    if len(kinds) == 1:
        return kinds.pop()
    return "text" if held and held <= _SEALED else None  # a signature of nothing


def _opaque(node: Node) -> Opaque:
    return Opaque(WIRE_NAME, copied(node.value, node.where))


def _words(node: Node) -> Text | None:
    if node.find("thought", bool):
        return None
    return Text(node.find("text", str) or "", extra=extra_of(WIRE_NAME, node.rest("text")))


def _spoken(node: Node) -> Text | Thinking | None:
    """Words, or a summary of thoughts."""
    if not node.find("thought", bool):
        return _words(node)
    text, signature = node.find("text", str) or "", node.find("thoughtSignature", str)
    return Thinking(text, signature, wire=WIRE_NAME, extra=extra_of(WIRE_NAME, node.rest("text", *_SEALED)))


# ---- media -----------------------------------------------------------------------------------------------------------


def _medium(node: Node, *, detailed: bool = True) -> Media | None:
    """A medium; None where more is told of it than its part has a place for, or it is not what it is called.

    Args:
        node: The part.
        detailed: Whether it may be told how closely to look at it.
    """
    kind = kind_in(node) or ""
    if kind not in _SOURCES or node.find("thought", bool):
        return None
    inner = node.node(kind)
    cls, fields = _SOURCES[kind](inner)
    kept, more = node.rest(kind), inner.rest("data", "fileUri", "mimeType")
    match kept.get("mediaResolution"):
        case {"level": str(level), **rest} if detailed and cls is Image and level in _DETAILS and not rest:
            fields["detail"] = _DETAILS[level]
            del kept["mediaResolution"]
    kept |= {kind: more} if more else {}
    own = {WIRE_NAME: kept} if "file_id" in fields else extra_of(WIRE_NAME, kept)  # whose file it is
    try:
        return None if cls is None else cls(**fields, name=inner.find("displayName", str), extra=own)
    except MediaError:
        return None


_Found: TypeAlias = tuple[type[Media] | None, dict[str, Any]]


def _inline(node: Node) -> _Found:
    text, media_type = node.get("data", str), node.get("mimeType", str)
    data = located(node.path("data"), lambda: sources.from_base64(text))
    cls = _class(media_type)
    unfit = cls is Document and is_text(normal(media_type)) and not _is_utf8(data)
    return None if unfit else cls, {"data": data, "media_type": media_type}


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _file(node: Node) -> _Found:
    """What lies elsewhere: a file that was uploaded, or an address."""
    uri, told = node.get("fileUri", str), node.find("mimeType", str)
    guess = told or type_of_name(sources.name_of_url(uri))
    place = "file_id" if _UPLOADED.fullmatch(uri) or "://" not in uri else "url"
    return Image if guess is None else _class(guess), {place: uri, "media_type": told}


def _class(media_type: str) -> type[Media] | None:
    try:
        return _CLASSES[kind_of(normal(media_type))]
    except MediaError:
        return None


_SOURCES: Final[Mapping[str, Callable[[Node], _Found]]] = {"inlineData": _inline, "fileData": _file}

# ---- results ---------------------------------------------------------------------------------------------------------


def _told(response: Mapping[str, Any], where: str) -> tuple[bool, list[Text]]:
    """Whether it tells of an error, and what it says: ``output`` and ``error`` are the provider's own keys.

    What llmkit would not write under one of them is the JSON of all of it.
    """
    match list(response.items()):
        case []:
            return False, []
        case [("output", str(text))] if object_in(text) is None:
            return False, [Text(text)]
        case [("error", str(text))]:
            return True, [Text(text)]
        case [("output" | "error" as key, [str(), str(), *_] as texts)] if all(isinstance(text, str) for text in texts):
            return key == "error", [Text(text) for text in texts]
        case _:
            return False, [Text(json.dumps(copied(response, where), ensure_ascii=False))]


# ---- who may say what ------------------------------------------------------------------------------------------------

_Reader: TypeAlias = Callable[[Contents, Node], Part | None]
_MEDIA: Final[Mapping[str, _Reader]] = {kind: lambda _, node: _medium(node) for kind in ("inlineData", "fileData")}
_ASKED: Final[Mapping[str, _Reader]] = {
    "text": lambda _, node: _words(node),
    "functionResponse": Contents.result,
    **_MEDIA,
}
_SAID: Final[Mapping[str, _Reader]] = {
    "text": lambda _, node: _spoken(node),
    "functionCall": Contents.call,
    **_MEDIA,
}
