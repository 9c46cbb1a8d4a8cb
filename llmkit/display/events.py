"""Events as JSON for others to read: a name and an object each. Pure functions.

Only what a reader has a use for: no signatures, and no provider's own objects.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

from attrs import asdict, fields

from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.media import Audio, Document, Image, Media, Video, base64_of
from llmkit.messages import Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Usage


def snake(name: str) -> str:
    """The name of a class as words of one, as in ``text_delta``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


NAMES: Final[Mapping[type, str]] = {
    cls: snake(cls.__name__)
    for cls in (
        *(TextDelta, ThinkingDelta, ToolCallDelta, Text, Thinking, ToolCall, ToolResult, Refusal),
        *(Image, Audio, Video, Document, Opaque, FinishReason, Usage),
    )
}
"""What each event is called."""


def data_of(event: Event) -> dict[str, Any]:
    """What an event says."""
    match event:
        case TextDelta() | ThinkingDelta() | ToolCallDelta() | FinishReason():
            return {item.name: getattr(event, item.name) for item in fields(type(event))}
        case Usage():
            counts = asdict(event, filter=lambda item, _: item.name != "raw")
            return {**counts, "total_tokens": event.total_tokens}
        case _:
            return _part(event)


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text(text=text, citations=citations):
            return {"text": text, "citations": [_citation(one) for one in citations]}
        case Thinking(text=text) | Refusal(text=text):
            return {"text": text}
        case ToolCall():
            return {"id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResult():
            content = [{"type": NAMES[type(one)], **_part(one)} for one in part.content]
            return {"call_id": part.call_id, "name": part.name, "is_error": part.is_error, "content": content}
        case Image() | Audio() | Video() | Document():
            return _medium(part)
        case Opaque():
            return {"wire": part.wire}
        case _:
            assert_never(part)


def _citation(citation: Citation) -> dict[str, Any]:
    return asdict(citation, filter=lambda item, _: item.name != "raw")


def _medium(part: Media) -> dict[str, Any]:
    """With its content as a data URI, so that a page can show it as it shows what has an address."""
    url = part.url if part.data is None else f"data:{part.media_type};base64,{base64_of(part).decode('ascii')}"
    transcript = {"transcript": part.transcript} if isinstance(part, Audio) else {}
    return {"url": url, "media_type": part.media_type, "name": part.name, **transcript}
