"""Parts as plain values, of the provider's JSON and of llmkit, so that they can be compared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.gemini_generate.reference import joined, seal
from llmkit import Audio, Document, Image, Opaque, Text, Thinking, ToolCall, Video

NAME = "gemini-generate"


def wanted(parts: Iterable[Mapping[str, Any]], *, sealed: bool = True) -> list[Any]:
    """The provider's parts: what streaming cut is put together, as `joined` does it."""
    return [provider(part) for part in joined(map(dict, parts), sealed=sealed)]


def provider(part: Mapping[str, Any]) -> Any:
    """A part of the provider's JSON."""
    signature = seal(part.get("thoughtSignature"))
    match part:
        case {"thought": True}:
            return ("thinking", part.get("text", ""), signature)
        case {"text": text}:
            return ("text", text, signature)
        case {"functionCall": call}:
            return ("call", call.get("id"), call["name"], call.get("args", {}), signature)
        case {"inlineData": blob}:
            return ("media", blob["mimeType"], seal(blob["data"]), signature)
        case _:
            return ("verbatim", {key: value for key, value in part.items() if key != "thoughtSignature"}, signature)


def llmkit(part: Any) -> Any:
    """A part of llmkit."""
    signature = seal(getattr(part, "extra", {}).get(NAME, {}).get("thoughtSignature"))
    match part:
        case Text():
            return ("text", part.text, signature)
        case Thinking(wire="gemini-generate", redacted=None):
            return ("thinking", part.text, seal(part.signature))
        case ToolCall(raw=None):
            return ("call", part.id, part.name, part.arguments, signature)
        case Image() | Audio() | Video() | Document():
            return ("media", part.media_type, part.data, signature)
        case Opaque(wire="gemini-generate"):
            return provider(part.data)
        case _:
            raise AssertionError(part)


def assert_same(parts: Iterable[Any], expected: Sequence[Any]) -> None:
    """llmkit's parts are the `expected`; calls that came without an id have one that is made up, each another."""
    found = [llmkit(part) for part in parts]
    ids = [part[1] for part in found if part[0] == "call"]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert len(found) == len(expected), found
    for got, other in zip(found, expected, strict=True):
        assert got == (other[:1] + got[1:2] + other[2:] if other[:2] == ("call", None) else other)
