"""Parts as the provider writes them: typed values in, its JSON out.

Source: https://ai.google.dev/api/caching#Part
"""

from collections.abc import Sequence
from typing import Any, Final, assert_never

from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.json_codec import dump_bytes, load_bytes, loads, to_utf8
from llmkit.media import base64_of
from llmkit.messages import (
    Audio,
    Citation,
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
from llmkit.wire.gemini_generate.spelling import Json

WIRE_NAME: Final = "gemini-generate"
CONTENT: Final = frozenset(
    {
        *("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"),
        *("codeExecutionResult", "toolCall", "toolResponse", "audioTranscription"),
    }
)
"""The kinds of content, of which a part has one."""
SEALS: Final = frozenset(
    {
        *("thoughtSignature", "videoMetadata", "mediaResolution", "mediaProcessing", "partMetadata"),
        *("speechMetadata", "documentMetadata", "spreadsheetMetadata", "audioMetadata"),
    }
)
"""What may stand in any part beside its content; `thought` may, too, and changes what the content is."""


def part_json(part: Part, where: str) -> Json:
    """`part` as it stands in an answer.

    Raises:
        ConfigurationError: This wire cannot say so; the message begins with `where`.
    """
    match part:
        case Text(text=text):
            return {"text": text, **_seals(part)}
        case Thinking():
            return _thought(part, where)
        case ToolCall():
            return {"functionCall": _call(part, where), **_seals(part)}
        case Image() | Audio() | Video() | Document():
            return {**_medium(part, where), **_seals(part)}
        case Opaque():
            return _opaque(part, where)
        case Refusal() | ToolResult():
            raise ConfigurationError(f"{where}: this wire cannot answer with {type(part).__name__}")
        case _:
            assert_never(part)


_NOTES: Final = frozenset({"id", "functionCall", "bare"})  # about what stands inside of a call, and where a seal was


def _seals(part: Text | Thinking | ToolCall | Media) -> Json:
    """What the wire sent along with it."""
    return {key: value for key, value in part.extra.get(WIRE_NAME, {}).items() if key not in _NOTES}


def _thought(part: Thinking, where: str) -> Json:
    if part.redacted is not None:
        raise ConfigurationError(f"{where}.redacted: this wire has no encrypted thoughts")
    signed = {} if part.signature is None else {"thoughtSignature": part.signature}
    return {"text": part.text, "thought": True, **_seals(part), **signed}


def _call(call: ToolCall, where: str) -> Json:
    """The call, without its id where that was made up: it is empty, or noted to be none."""
    notes = call.extra.get(WIRE_NAME, {})
    id_ = {"id": call.id} if call.id and notes.get("id", call.id) is not None else {}
    return {**id_, "name": call.name, "args": _arguments(call, where), **notes.get("functionCall", {})}


def _arguments(call: ToolCall, where: str) -> Any:
    """The arguments as they are after a way through JSON; here they are always an object."""
    if call.raw is None:
        return load_bytes(dump_bytes(call.arguments, f"{where}.arguments"))
    try:
        found = loads(call.raw)
    except InvalidResponseError:
        found = None
    if isinstance(found, dict):
        return found
    raise ConfigurationError(f"{where}.raw: on this wire arguments are always a JSON object")


def _medium(part: Media, where: str) -> Json:
    if isinstance(part, Audio) and part.transcript is not None:
        raise ConfigurationError(f"{where}.transcript: this wire has none")
    named = {} if part.name is None else {"displayName": part.name}
    typed = {} if part.media_type is None else {"mimeType": part.media_type}
    if part.data is None:
        return {"fileData": {**typed, "fileUri": part.url or part.file_id, **named}}
    return {"inlineData": {**typed, "data": base64_of(part).decode(), **named}}


def _opaque(part: Opaque, where: str) -> Json:
    if part.wire != WIRE_NAME:
        raise ConfigurationError(f"{where}: a part of {part.wire} is none of this wire")
    if not part.data:
        raise ConfigurationError(f"{where}.data: every part of this wire holds something")
    found: Json = load_bytes(dump_bytes(part.data, f"{where}.data"))
    return found


# ---- sources ---------------------------------------------------------------------------------------------------------


def sources(parts: Sequence[Part]) -> Json:
    """The candidate's keys about what its words rest on; none where no text has citations.

    Raises:
        ConfigurationError: A citation tells what this wire does not; the message begins with its path.
    """
    grounding: Json = {"groundingChunks": [], "groundingSupports": []}
    recited: list[Json] = []
    before = 0
    for index, part in enumerate(parts):
        if isinstance(part, Text):
            segment = _segment(part.text, before)
            before = segment["endIndex"]
            for number, citation in enumerate(part.citations):
                if citation.raw and "groundingChunk" not in citation.raw:
                    recited.append(dict(citation.raw))
                else:
                    _ground(grounding, citation, segment, f"content[{index}].citations[{number}]")
    found = {"groundingMetadata": grounding} if grounding["groundingChunks"] else {}
    return {**found, "citationMetadata": {"citationSources": recited}} if recited else found


def _segment(text: str, before: int) -> Json:
    """A passage, counted in bytes of all the text; a start of 0 is not sent, as zeros are not."""
    start = {"startIndex": before} if before else {}
    return {**start, "endIndex": before + len(to_utf8(text)), "text": text}


def _ground(grounding: Json, citation: Citation, segment: Json, where: str) -> None:
    """Add a source and the passage that rests on it, as the provider told of them or else as the fields do."""
    support = citation.raw.get("groundingSupport", {"segment": segment})
    grounding["groundingSupports"].append({**support, "groundingChunkIndices": [len(grounding["groundingChunks"])]})
    grounding["groundingChunks"].append(citation.raw.get("groundingChunk") or _chunk(citation, where))


def _chunk(citation: Citation, where: str) -> Json:
    """A page of the web; a document where its words are quoted, as those of pages never are."""
    for name in ("document", "start", "end", "unit"):
        if getattr(citation, name) is not None:
            raise ConfigurationError(f"{where}.{name}: this wire does not tell it")
    told = {"uri": citation.url, "title": citation.title, "text": citation.text or None}
    kind = "retrievedContext" if citation.text else "web"
    return {kind: {key: value for key, value in told.items() if value is not None}}
