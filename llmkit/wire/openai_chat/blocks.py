"""Parts as blocks of a message's content.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, assert_never

from llmkit.media import types
from llmkit.messages import (
    Audio,
    CacheTime,
    Document,
    Image,
    Media,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.wire.base import Refuse
from llmkit.wire.openai_chat import schema
from llmkit.wire.openai_chat.schema import WIRE_NAME
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.splice import Blobs

SOUNDS: Final[Mapping[str, str]] = {"audio/wav": "wav", "audio/mpeg": "mp3"}
"""Sounds that the wire takes, and what it calls them."""


class Blocks:
    """What making blocks of parts needs to know."""

    def __init__(self, quirks: OpenAIChatQuirks, refuse: Refuse, blobs: Blobs) -> None:
        self._quirks = quirks
        self._refuse = refuse
        self._blobs = blobs

    def of(self, parts: Iterable[tuple[int, Part]], where: str) -> list[schema.Block]:
        """The blocks for `parts`, each with its place among the caller's."""
        return [block for index, part in parts for block in self.block(part, f"{where}[{index}]")]

    def content(self, blocks: list[schema.Block]) -> schema.Content:
        """`blocks` as a content: text alone where all hosts can read it, as some take no list."""
        texts = _texts(blocks)
        if texts is None or (len(texts) > 1 and self._quirks.text_parts):
            return blocks
        return "\n\n".join(texts)

    def text(self, blocks: list[schema.Block]) -> schema.Content:
        """As `content`, of what one has said: all of it is one text."""
        texts = _texts(blocks)
        return blocks if texts is None else "".join(texts)

    def block(self, part: Part, where: str) -> Iterator[schema.Block]:
        """The blocks for `part`; none for what a provider would refuse back or what has another place."""
        match part:
            case Text():
                if part.text.strip():
                    yield self._marked({"type": "text", "text": part.text}, part)
            case Image() | Audio() | Video() | Document():
                yield from self._medium(part, where)
            case Opaque(wire=wire, data=data):
                if wire == WIRE_NAME:
                    yield data
                else:
                    self._refuse(where, f"a block of {wire} means nothing to this wire")
            case Thinking() | ToolCall() | ToolResult() | Refusal():
                return
            case _:
                assert_never(part)

    def mark(self, cache: CacheTime | None) -> dict[str, Any]:
        """The fields that ask to cache up to here; none where the host does so by itself."""
        if cache is None or self._quirks.cache != "cache_control":
            return {}
        return {"cache_control": {"type": "ephemeral", "ttl": cache}}

    def url(self, part: Media) -> str:
        """The address of `part`, which may be a data URI."""
        return part.url if part.url is not None else f"data:{part.media_type};base64,{self._blobs.mark(part)}"

    def _marked(self, block: schema.Block, part: Text | Media) -> schema.Block:
        known = part.extra.get(WIRE_NAME, {})
        kept = {key: value for key, value in known.items() if key not in _OWN}
        return {**block, **self.mark(part.cache), **kept, **known.get("fields", {})}

    def _medium(self, part: Media, where: str) -> Iterator[schema.Block]:
        if part.file_id is not None:
            yield from self._filed(part, where)
        elif _came_as(part) == "file":
            named = {"filename": part.name} if part.name else {}
            yield self._marked({"type": "file", "file": {**named, "file_data": self.url(part)}}, part)
        elif isinstance(part, Image):
            address: dict[str, Any] = {"url": self.url(part)}
            yield self._marked({"type": "image_url", "image_url": address | _detail(part)}, part)
        elif isinstance(part, Document):
            yield from self._document(part, where)
        elif isinstance(part, Audio) and part.data is not None and (form := _format(part)):
            sound = {"data": self._blobs.mark(part), "format": form}
            yield self._marked({"type": "input_audio", "input_audio": sound}, part)
        else:
            yield from self._addressed(part, where)

    def _filed(self, part: Media, where: str) -> Iterator[schema.Block]:
        if part.extra and WIRE_NAME not in part.extra:
            self._refuse(f"{where}.file_id", "the file lies with another provider")
        elif isinstance(part, Document):
            yield self._marked({"type": "file", "file": {"file_id": part.file_id}}, part)
        else:
            self._refuse(f"{where}.file_id", f"this wire takes no {part.kind} by a file's id: send its data")

    def _addressed(self, part: Media, where: str) -> Iterator[schema.Block]:
        """A medium for which only some hosts have a type of block: that in which it came, if the host tells none."""
        kind = self._quirks.url_parts.get(part.kind) or _came_as(part)
        if kind is not None:
            yield self._marked({"type": kind, kind: {"url": self.url(part)}}, part)
        elif isinstance(part, Audio) and part.data is not None:
            self._refuse(where, f"this wire takes WAV and MP3, not {part.media_type}")
        elif isinstance(part, Audio):
            self._refuse(where, "this wire takes no audio by its address: send its data")
        else:
            self._refuse(where, f"this wire takes no {part.kind}")

    def _document(self, part: Document, where: str) -> Iterator[schema.Block]:
        """The blocks for a document: what the model is told about it, and the file; none where it was refused."""
        found = [*self._content(part, where)]
        if found and part.context:
            yield {"type": "text", "text": part.context}
        yield from found

    def _content(self, part: Document, where: str) -> Iterator[schema.Block]:
        came = _came_as(part)
        if came is None and part.data is not None and types.is_text(part.media_type or ""):
            yield from self._words(part, where)
            return
        kind = self._quirks.url_parts.get("document") or came or ("file" if part.data is not None else None)
        match kind:
            case None:
                self._refuse(where, "this wire takes no document by its address: send its data")
            case "file":
                file = {"filename": _name(part), "file_data": self.url(part)}
                yield self._marked({"type": "file", "file": file}, part)
            case "document_url":  # its host takes bare text there, and an object from nobody
                named = {"document_name": part.name} if part.name else {}
                yield self._marked({"type": kind, kind: self.url(part), **named}, part)
            case _:
                # Base64 without what makes it a data URI.
                url = self._blobs.mark(part) if part.data is not None else part.url
                yield self._marked({"type": kind, kind: {"url": url}}, part)

    def _words(self, part: Document, where: str) -> Iterator[schema.Block]:
        """A document that is text, as text: most hosts take files of other types only."""
        try:
            text = (part.data or b"").decode("utf-8-sig")
        except UnicodeDecodeError:
            self._refuse(where, f"this wire takes text in UTF-8, and this {part.media_type} is not")
            return
        yield self._marked({"type": "text", "text": text}, part)


# What parts keep in `extra` for the message in which they stand, or of how they came, and not for their block.
_OWN: Final = frozenset({"field", "annotations", "id", "message", "beside", "fields", "type", "format"})


def _came_as(part: Media) -> str | None:
    """The type of the block in which a caller's payload had it, where there are several for its kind."""
    return part.extra.get(WIRE_NAME, {}).get("type")


def _format(part: Audio) -> str | None:
    """What the wire calls its kind of sound; None where the wire takes none as `part` is."""
    known = part.extra.get(WIRE_NAME, {})
    return None if "type" in known else known.get("format") or SOUNDS.get(types.essence(part.media_type or ""))


def _texts(blocks: list[schema.Block]) -> list[str] | None:
    """What `blocks` say; None where one is anything but text."""
    found: list[str] = []
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)} if len(block) == 2:  # noqa: PLR2004
                found.append(text)
            case _:
                return None
    return found


def _detail(part: Image) -> dict[str, str]:
    return {"detail": part.detail} if part.detail else {}


def _name(part: Document) -> str:
    """The file's name; one is made up, as data without any is refused."""
    if part.name:
        return part.name
    return "document.pdf" if part.media_type in (None, "application/pdf") else "document"
