"""The provider's parts as typed ones, but for text, which goes on from part to part: see `content`.

Source: https://ai.google.dev/api/caching#Part
"""

import binascii
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from attrs import evolve

from llmkit.errors import InvalidResponseError, MediaError
from llmkit.json_codec import dump_bytes
from llmkit.media import Audio, Document, Image, Media, Video, media_of
from llmkit.media.types import is_text, kind_of, normal
from llmkit.messages import Opaque, ToolCall
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.reading import expect, object_or_empty, text_or

_URL_SAFE: Final = str.maketrans("-_", "+/")
_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")
DATA: Final = frozenset(
    {
        *("functionCall", "functionResponse", "inlineData", "fileData"),
        *("executableCode", "codeExecutionResult", "toolCall", "toolResponse"),
    }
)
"""The fields that say what a part is, but for text."""
_CLASSES: Final[Mapping[str, type[Media]]] = {"image": Image, "audio": Audio, "video": Video, "document": Document}


def decode_part(part: dict[str, Any], path: str, answer: str, calls: int) -> ToolCall | Media | Opaque:
    """The part that `part` is, which is no text; `Opaque` where it is of a kind that is not modelled.

    Args:
        part: The provider's JSON.
        path: Where it stands.
        answer: The id of the answer.
        calls: How many calls stand before it.

    Raises:
        InvalidResponseError: It is of a known kind and lacks what makes it one; the error has the path.
    """
    if "functionCall" in part:
        found = expect(part["functionCall"], dict, f"{path}.functionCall")
        stray = "partialArgs" in found and "name" not in found  # pieces of a call that has not begun
        return Opaque(WIRE_NAME, part) if stray else _call(part, found, path, answer, calls)
    if part.get("thought") is True:
        return Opaque(WIRE_NAME, part)  # pictures, say, that the model made on its way to the answer
    if "inlineData" in part:
        return _inline(part, path)
    if "fileData" in part:
        return _file(part, path)
    return Opaque(WIRE_NAME, part)


def extra(part: Mapping[str, Any], *known: str) -> dict[str, dict[str, Any]]:
    """What the part has beside `known`, such as a signature: the provider wants to see it again."""
    if len(part) <= len(known):  # the usual case
        return {}
    rest = {key: value for key, value in part.items() if key not in known and value is not None}
    return {WIRE_NAME: rest} if rest else {}


def _call(part: dict[str, Any], found: dict[str, Any], path: str, answer: str, calls: int) -> ToolCall:
    name = expect(found.get("name"), str, f"{path}.functionCall.name")
    arguments = found.get("args")
    if arguments is None:
        arguments = {}
    kept = extra(part, "functionCall").get(WIRE_NAME, {})
    if rest := extra(found, "id", "name", "args"):
        kept["functionCall"] = rest[WIRE_NAME]
    id_ = text_or(found.get("id"), None)
    if id_ is None:
        kept["id"] = None  # it is made up, and not to be sent
        id_ = _made_up(answer, calls, [name, arguments])
    whole = isinstance(arguments, dict)
    return ToolCall(
        id_,
        name,
        arguments if whole else {},
        None if whole else dump_bytes(arguments).decode(),
        extra={WIRE_NAME: kept} if kept else {},
    )


def _made_up(answer: str, number: int, call: list[Any]) -> str:
    """An id for a call without one: the same whether streamed or whole, and another in the next answer."""
    answer = _NOT_IN_IDS.sub("", answer) or sha256(dump_bytes(call)).hexdigest()[:16]
    return f"call_{answer}_{number}"


def _inline(part: dict[str, Any], path: str) -> Media | Opaque:
    found = expect(part["inlineData"], dict, f"{path}.inlineData")
    told = text_or(found.get("mimeType"), None)
    data = _base64(expect(found.get("data"), str, f"{path}.inlineData.data"), f"{path}.inlineData.data")
    name = text_or(found.get("displayName"), None)
    for media_type in dict.fromkeys((told, None)):
        try:
            media = media_of(data, media_type=media_type, name=name, extra=extra(part, "inlineData"))
        except MediaError:
            continue
        # What the content shows is believed rather than what was told; of text it shows no more than that it can be.
        if media_type == told or not is_text(media.media_type or ""):
            return evolve(media, transcript=_transcript(part)) if isinstance(media, Audio) else media
    return Opaque(WIRE_NAME, part)


def _transcript(part: Mapping[str, Any]) -> str | None:
    return text_or(object_or_empty(part.get("audioTranscription")).get("text"), None)


def _base64(text: str, path: str) -> bytes:
    """The bytes that `text` stands for, in either of the two alphabets, padded or not."""
    plain = text.translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except ValueError as exc:
        raise InvalidResponseError(f"invalid answer: {exc} @ {path}", path=path, body=repr(text)[:1024]) from exc


def _file(part: dict[str, Any], path: str) -> Media | Opaque:
    found = expect(part["fileData"], dict, f"{path}.fileData")
    uri = expect(found.get("fileUri"), str, f"{path}.fileData.fileUri")
    kept = extra(part, "fileData").get(WIRE_NAME, {})
    try:
        told = normal(expect(found.get("mimeType"), str, f"{path}.fileData.mimeType"))
        # With an `extra` of this wire it is known to lie here.
        return _CLASSES[kind_of(told)](file_id=uri, media_type=told, extra={WIRE_NAME: kept})
    except (MediaError, InvalidResponseError):
        return Opaque(WIRE_NAME, part)
