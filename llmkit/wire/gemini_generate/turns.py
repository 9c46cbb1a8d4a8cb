"""A conversation as `contents`: turns of the user and of the model in alternation.

Sources: https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias, assert_never, cast

from attrs import evolve

from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.json_codec import dump_bytes, loads, string_bytes
from llmkit.messages import (
    Audio,
    Document,
    Image,
    Message,
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
from llmkit.wire.gemini_generate import schema
from llmkit.wire.gemini_generate.media import media_part, resolution
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.splice import HOLE, Blobs, joined, listed, shape

Json: TypeAlias = dict[str, Any]
_Role: TypeAlias = Literal["user", "model"]
_Turn: TypeAlias = tuple[_Role, list[Json | bytes]]
_TURN: Final = {role: shape({"role": role, "parts": [HOLE]}) for role in ("user", "model")}
_WORDS: Final = shape({"text": HOLE})
_SPEECH: Final = {role: shape({"role": role, "parts": [{"text": HOLE}]}) for role in ("user", "model")}
_OUTPUT: Final[Json] = {"name": HOLE, "response": {"output": HOLE}}
_CALL: Final = shape({"functionCall": {"id": HOLE, "name": HOLE, "args": HOLE}})
_CALL_WITHOUT_ID: Final = shape({"functionCall": {"name": HOLE, "args": HOLE}})
_RESULT: Final = shape({"functionResponse": {"id": HOLE, **_OUTPUT}})
_RESULT_WITHOUT_ID: Final = shape({"functionResponse": _OUTPUT})

# In base64, as all signatures: "skip_thought_signature_validator", which the documentation gives for calls that were
# not made by the model that is asked.
UNSIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_OWN_NOTES: Final = frozenset({"id", "functionCall", "inlineData", "fileData", "bare"})
_Other: TypeAlias = Text | Refusal | Image | Audio | Video | Document | Thinking | Opaque  # but calls and results


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
        later = [part for message in messages if message.role == "system" for part in message.content]
        told = cast("list[_Other]", [*parts, *later])
        found = [sent for index, part in enumerate(told) for sent in self._part(part, f"system[{index}]")]
        return {"parts": found} if found else None

    def contents(self, messages: Sequence[Message], skipped: int) -> list[schema.SentContent]:
        """The turns; messages of one side in a row are one, as the answers to the calls of a turn must be.

        Args:
            messages: The conversation.
            skipped: How many messages the caller had before them.
        """
        turns: list[_Turn | bytes] = []
        last = ""
        speech = ""  # all of the last turn, where it is one text: as most are
        parts: list[Json | bytes] = []
        places: list[int] = []
        for number, message in enumerate(messages, skipped):
            if message.role == "system":
                continue
            role: _Role = "model" if message.role == "assistant" else "user"
            content = message.content
            if role == last:
                if speech:  # the turn goes on
                    parts, places = [_words(speech)], []
                    turns[-1] = (role, parts)
                    speech = ""
                self._add(content, number, parts, places)
                continue
            if len(content) == 1 and type(only := content[0]) is Text and _is_bare(only):
                last, speech = role, only.text
                before, after = _SPEECH[role]
                turns.append(b"".join((before, string_bytes(speech), after)))
                continue
            more: list[Json | bytes] = []
            order: list[int] = []
            self._add(content, number, more, order)
            if more:  # a turn of which nothing may be sent (an empty answer) is left out
                last, speech, parts, places = role, "", more, order
                turns.append((role, parts))
        return listed(turn if isinstance(turn, bytes) else self._sent(*turn) for turn in turns)

    def _sent(self, role: _Role, parts: list[Json | bytes]) -> schema.SentContent | bytes:
        if self._signed and role == "model":
            parts = _sealed(parts)
        before, after = _TURN[role]
        try:
            return b"".join((before, joined(parts), after))
        except ConfigurationError:  # which the whole body will tell, with the path
            return {"role": role, "parts": listed(parts)}

    def _add(self, content: Sequence[Part], number: int, parts: list[Json | bytes], places: list[int]) -> None:
        """Add to a turn what is sent for the caller's message of that number.

        Results stand first in their turn, in the order of their calls: `places` has that of each.
        """
        for index, part in enumerate(content):
            # No path is written of what nothing can be wrong with.
            if type(part) is Text and _is_bare(part):
                parts.append(_words(part.text))
            elif isinstance(part, ToolCall):
                parts.append(self._call(part))
            elif isinstance(part, ToolResult):
                place, call = self._calls.get(part.call_id, (0, None))
                at = bisect_right(places, place)
                places.insert(at, place)
                parts.insert(at, self._result(part, call, number, index))
            else:
                parts += self._part(part, f"prompt[{number}].content[{index}]")

    def _part(self, part: _Other, where: str) -> Iterable[Json]:
        """What is sent for `part`: mostly one part; none for what the provider would refuse back."""
        match part:
            case Text() | Refusal():
                return _text(part)
            case Image() | Audio() | Video() | Document():
                return self._media(part, where)
            case Thinking():
                return _thinking(part)
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
        told = part.extra.get(WIRE_NAME)
        sent = {kind: {**inner, **told.get(kind, {})} for kind, inner in sent.items()} if told else sent
        yield {**sent, **(resolution(part) if self._resolutions else {}), **_extra(part)}

    def _call(self, part: ToolCall) -> Json | bytes:
        self._called += 1
        self._calls[part.id] = (self._called, part)
        sent = self._call_ids and not _is_made_up(part)
        if not part.extra:  # as nearly all
            with suppress(ConfigurationError):  # which the whole body will tell, with the path
                name, given = string_bytes(part.name), dump_bytes(part.arguments)
                if not sent:
                    before, between, after = _CALL_WITHOUT_ID
                    return b"".join((before, name, between, given, after))
                return b"".join((_CALL[0], string_bytes(part.id), _CALL[1], name, _CALL[2], given, _CALL[3]))
        call: Json = {"id": part.id} if sent else {}
        call["name"], call["args"] = part.name, part.arguments
        own = part.extra.get(WIRE_NAME)
        if not own:
            return {"functionCall": call}
        return {"functionCall": {**call, **own.get("functionCall", {})}, **_extra(part)}

    def _result(self, part: ToolResult, call: ToolCall | None, number: int, index: int) -> Json | bytes:
        """What is sent for the result of `call`, which stands at `index` of the caller's message of that number."""
        name = part.name or (call.name if call is not None else "")
        if not name:
            raise ConfigurationError(
                f"prompt[{number}].content[{index}].name: this wire needs the tool's name, and there is no call of "
                "this id before"
            )
        sent = self._call_ids and not (call is not None and _is_made_up(call))
        told, beside = [], []
        for inner, item in enumerate(part.content):
            if isinstance(item, Text):
                told.append(item.text)
                continue
            # Nothing but media may stand there: what is told about a document stands in the response.
            found = [*self._part(_bare(cast("_Other", item)), f"prompt[{number}].content[{index}].content[{inner}]")]
            if found and isinstance(item, Document) and item.context is not None:
                told.append(item.context)
            beside += found
        response = _response(told, is_error=part.is_error)
        if not (beside or part.extra) and len(response) == 1 and isinstance(words := response.get("output"), str):
            name_, output = string_bytes(name), string_bytes(words)
            if not sent:
                before, between, after = _RESULT_WITHOUT_ID
                return b"".join((before, name_, between, output, after))
            id_ = string_bytes(part.call_id)
            return b"".join((_RESULT[0], id_, _RESULT[1], name_, _RESULT[2], output, _RESULT[3]))
        result: Json = {"id": part.call_id} if sent else {}
        result["name"], result["response"] = name, response
        if beside:
            result["parts"] = beside
        return {"functionResponse": {**result, **_extra(part)} if part.extra else result}


def _words(text: str) -> bytes:
    return b"".join((_WORDS[0], string_bytes(text), _WORDS[1]))


def _is_bare(part: Text) -> bool:
    """Whether there are words in `part`, as the provider refuses blank text, and nothing beside them."""
    text = part.text
    return bool(text) and not (part.extra or text.isspace())


def _is_made_up(call: ToolCall) -> bool:
    """Whether the provider sent the call without an id; such a one is never sent."""
    return bool(call.extra) and call.extra.get(WIRE_NAME, {}).get("id", call.id) is None


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


def _bare(part: _Other) -> _Other:
    """A part of a result without what may not stand beside it there."""
    if isinstance(part, Document) and part.context:
        return evolve(part, context=None)
    return evolve(part, detail=None) if isinstance(part, Image) and part.detail else part


def _response(texts: list[str], *, is_error: bool) -> Json:
    """What the tool said: an object as it is, all else under one of the two keys that the provider knows."""
    if is_error:
        return {"error": texts[0] if len(texts) == 1 else texts}
    if len(texts) == 1:
        found = object_in(texts[0])
        return {"output": texts[0]} if found is None else found
    return {"output": texts} if texts else {}


def object_in(text: str) -> Json | None:
    """The JSON object that `text` is; None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = loads(text)
    except InvalidResponseError:
        return None
    return found if isinstance(found, dict) else None


def _sealed(parts: list[Json | bytes]) -> list[Json | bytes]:
    """The parts of a turn; without any signature, its first call gets the one that is not looked at."""
    if any(isinstance(part, dict) and "thoughtSignature" in part for part in parts):
        return parts
    for index, part in enumerate(parts):
        sealed: Json | bytes
        if isinstance(part, bytes):
            if not part.startswith((_CALL[0], _CALL_WITHOUT_ID[0])):
                continue
            sealed = b"".join((part[:-1], b',"thoughtSignature":', string_bytes(UNSIGNED), b"}"))
        elif "functionCall" in part:
            sealed = {**part, "thoughtSignature": UNSIGNED}
        else:
            continue
        return [*parts[:index], sealed, *parts[index + 1 :]]
    return parts
