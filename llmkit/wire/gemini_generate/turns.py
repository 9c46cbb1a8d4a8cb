"""A conversation as `contents`: turns of the user and of the model in alternation.

Sources: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, assert_never

from attrs import evolve

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import loads
from llmkit.messages import (
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.wire.base import Refuse, need
from llmkit.wire.gemini_generate import schema
from llmkit.wire.gemini_generate.media import media_part, resolution
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.splice import Blobs

Json: TypeAlias = dict[str, Any]

# In base64, as all signatures: "skip_thought_signature_validator", which the documentation gives for calls that were
# not made by the model that is asked.
UNSIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_OWN_NOTES: Final = frozenset({"id", "functionCall", "bare"})
_LAST: Final = 2**31  # behind all results


class Turns:
    """The conversation of one request on its way to JSON.

    Args:
        blobs: Takes the media.
        refuse: As `Wire.encode` is given it.
        signed: Whether the first call of a turn must be signed.
        resolutions: Whether the model can be told how closely to look at a picture.
        call_ids: Whether calls and results are sent with their ids.
    """

    def __init__(self, blobs: Blobs, refuse: Refuse, *, signed: bool, resolutions: bool, call_ids: bool) -> None:
        self._blobs = blobs
        self._refuse = refuse
        self._signed = signed
        self._resolutions = resolutions
        self._call_ids = call_ids
        self._calls: dict[str, tuple[int, ToolCall]] = {}  # id → which call of the conversation it is, from 1
        self._called = 0

    def system(self, parts: Sequence[Part], messages: Sequence[Message]) -> schema.SystemInstruction | None:
        """All instructions; those amid the conversation are sent with the first, as they have no place there."""
        later = [part for message in messages if isinstance(message, SystemMessage) for part in message.content]
        found = list(self._parts(enumerate([*parts, *later]), "system"))
        return {"parts": found} if found else None

    def contents(self, messages: Sequence[Message], skipped: int) -> list[schema.SentContent]:
        """The turns; messages of one side in a row are one, as the answers to the calls of a turn must be.

        Args:
            messages: The conversation.
            skipped: How many messages the caller had before them.
        """
        turns: list[tuple[str, list[tuple[int, Json]]]] = []
        for index, message in enumerate(messages, skipped):
            if message.role == "system":
                continue
            role = "model" if message.role == "assistant" else "user"
            parts = [
                (self._place(part), sent)
                for number, part in enumerate(message.content)
                for sent in self._part(part, f"prompt[{index}].content[{number}]")
            ]
            if parts and turns and turns[-1][0] == role:
                turns[-1][1].extend(parts)
            elif parts:  # a turn of which nothing may be sent (an empty answer) is left out
                turns.append((role, parts))
        return [self._content(role, parts) for role, parts in turns]

    def _content(self, role: str, placed: list[tuple[int, Json]]) -> schema.SentContent:
        if role == "user":
            return {"role": "user", "parts": [part for _, part in sorted(placed, key=lambda item: item[0])]}
        parts = [part for _, part in placed]
        return {"role": "model", "parts": _sealed(parts) if self._signed else parts}

    def _place(self, part: Part) -> int:
        """Results stand first in their turn, in the order of their calls."""
        return self._calls.get(part.call_id, (0,))[0] if isinstance(part, ToolResult) else _LAST

    def _parts(self, parts: Iterable[tuple[int, Part]], where: str) -> Iterator[Json]:
        for index, part in parts:
            yield from self._part(part, f"{where}[{index}]")

    def _part(self, part: Part, where: str) -> Iterable[Json]:  # noqa: PLR0911 - one a kind of part
        """What is sent for `part`: mostly one part; none for what the provider would refuse back."""
        match part:
            case Text() | Refusal():
                return _text(part)
            case Image() | Audio() | Video() | Document():
                return self._media(part, where)
            case Thinking():
                return _thinking(part)
            case ToolCall():
                return (self._call(part),)
            case ToolResult():
                return (self._result(part, where),)
            case Opaque(wire=wire, data=data):
                if wire == WIRE_NAME:
                    return (data,)
                self._refuse(where, f"a block of {wire} means nothing to this wire")
                return ()
            case _:
                assert_never(part)

    def _media(self, part: Image | Audio | Video | Document, where: str) -> Iterator[Json]:
        sent = media_part(part, where, self._blobs, self._refuse)
        if sent is None:
            return
        if isinstance(part, Document):
            if part.citations:
                self._refuse(f"{where}.citations", "this wire does not cite from documents that are sent along")
            if part.context:
                yield {"text": part.context}  # this wire has no field for it
        yield {**sent, **(resolution(part) if self._resolutions else {}), **_extra(part)}

    def _call(self, part: ToolCall) -> Json:
        self._called += 1
        self._calls[part.id] = (self._called, part)
        call: Json = {"name": part.name, "args": part.arguments}
        if self._call_ids and not _is_made_up(part):
            call = {"id": part.id, **call}
        return {"functionCall": {**call, **part.extra.get(WIRE_NAME, {}).get("functionCall", {})}, **_extra(part)}

    def _result(self, part: ToolResult, where: str) -> Json:
        _, call = self._calls.get(part.call_id, (0, None))
        name = part.name or (call.name if call is not None else "")
        need(bool(name), f"{where}.name", "this wire needs the tool's name, and there is no call of this id before")
        result: Json = {"name": name, "response": _response(part)}
        if self._call_ids and not (call is not None and _is_made_up(call)):
            result = {"id": part.call_id, **result}
        # Beside media nothing may stand there: what is told about a document stands in the response.
        others = ((index, _bare(item)) for index, item in enumerate(part.content) if not isinstance(item, Text))
        if media := list(self._parts(others, f"{where}.content")):
            result["parts"] = media
        return {"functionResponse": {**result, **_extra(part)}}


def _is_made_up(call: ToolCall) -> bool:
    """Whether the provider sent the call without an id; such a one is never sent."""
    return call.extra.get(WIRE_NAME, {}).get("id", call.id) is None


def _extra(part: Text | Refusal | Image | Audio | Video | Document | Thinking | ToolCall | ToolResult) -> Json:
    """What this wire sent along with the part, such as its signature."""
    own = part.extra.get(WIRE_NAME)
    return {key: value for key, value in own.items() if key not in _OWN_NOTES} if own else {}


def _text(part: Text | Refusal) -> Iterator[Json]:
    """The words; the provider refuses blank text, but where it carries a signature."""
    bare, rest = _pieces(part)
    if bare.strip():
        yield {"text": bare}
    if rest.strip() or _extra(part):
        yield {"text": rest, **_extra(part)}


def _thinking(part: Thinking) -> Iterator[Json]:
    """Thoughts as they came; none of those that are not sealed by this provider."""
    if part.wire != WIRE_NAME or not part.signature:
        return
    bare, rest = _pieces(part)
    if bare.strip():
        yield {"text": bare, "thought": True}
    yield {"text": rest, "thought": True, **_extra(part), "thoughtSignature": part.signature}


def _pieces(part: Text | Refusal | Thinking) -> tuple[str, str]:
    """The text that came without a signature, and that which came with it: the provider wants them back so."""
    bare = part.extra.get(WIRE_NAME, {}).get("bare", 0)
    return part.text[:bare], part.text[bare:]


def _told(part: Part) -> str | None:
    """What a part of a result says in words; None where it says nothing."""
    return part.text if isinstance(part, Text) else part.context if isinstance(part, Document) else None


def _bare(part: Part) -> Part:
    """A part of a result without what may not stand beside it there."""
    if isinstance(part, Document) and part.context:
        return evolve(part, context=None)
    return evolve(part, detail=None) if isinstance(part, Image) and part.detail else part


def _response(part: ToolResult) -> Json:
    """What the tool said: an object as it is, all else under one of the two keys that the provider knows."""
    texts = [text for text in map(_told, part.content) if text is not None]
    if part.is_error:
        return {"error": texts[0] if len(texts) == 1 else texts}
    if len(texts) == 1:
        found = _object(texts[0])
        return {"output": texts[0]} if found is None else found
    return {"output": texts} if texts else {}


def _object(text: str) -> Json | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = loads(text)
    except InvalidResponseError:
        return None
    return found if isinstance(found, dict) else None


def _sealed(parts: list[Json]) -> list[Json]:
    """The parts of a turn; without any signature, its first call gets the one that is not looked at."""
    if any("thoughtSignature" in part for part in parts):
        return parts
    for index, part in enumerate(parts):
        if "functionCall" in part:
            return [*parts[:index], {**part, "thoughtSignature": UNSIGNED}, *parts[index + 1 :]]
    return parts
