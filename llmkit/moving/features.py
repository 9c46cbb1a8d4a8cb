"""What there is to a part beside that it is there, and what the part would be without each."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

from attrs import evolve, frozen

from llmkit.media.types import is_text
from llmkit.messages import (
    Audio,
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
from llmkit.moving.losses import Fate, LossKind

_Marked: TypeAlias = Text | Media | ToolCall | ToolResult


@frozen
class Feature:
    """Something that may be lost of a part.

    Attributes:
        kind: As of a `Loss`.
        what: As of a `Loss`.
        without: What the part would be without it. A host that is sent the same for one of these as for the part itself
            does not get it.
        fate: As of a `Loss`.
    """

    kind: LossKind
    what: str
    without: Sequence[Part]
    fate: Fate = "left out"


def features(part: Part, wire: str) -> Iterator[Feature]:
    """What may be lost of `part` on its way to a host of that wire, if it arrives at all."""
    match part:
        case Text():
            yield from _text(part)
        case Image() | Audio() | Video() | Document():
            yield from _medium(part)
        case ToolCall():
            yield from _call(part)
        case ToolResult():
            if part.is_error:
                yield Feature("failure", "that the tool failed", [evolve(part, is_error=False)])
        case Refusal():
            if part.text.strip():
                yield Feature("refusal", "it becomes plain text", [Text(part.text)], "changed")
        case Thinking() | Opaque():  # nobody but their own wire takes them, and that as they are
            return
        case _:
            assert_never(part)
    if isinstance(part, _Marked) and part.cache is not None:
        yield Feature("cache", "the mark up to which to cache", [evolve(part, cache=None)])
    yield from _notes(part, wire)


def _text(part: Text) -> Iterator[Feature]:
    """Each source counts: some may arrive, as those that name a page do from one wire of OpenAI's to the other."""
    if sources := part.citations:
        one_less = [evolve(part, citations=(*sources[:at], *sources[at + 1 :])) for at in range(len(sources))]
        yield Feature("citations", "sources of the text", one_less)


def _medium(part: Media) -> Iterator[Feature]:
    if isinstance(part, Image) and part.detail is not None:
        yield Feature("detail", "how closely to look", [evolve(part, detail=None)])
    if isinstance(part, Audio) and part.transcript:
        yield Feature("transcript", "what is said in it, as text", [evolve(part, transcript=None)])
    if isinstance(part, Document) and (told := _words(part)) is not None:
        yield Feature("media", "it becomes plain text", [Text(told, cache=part.cache)], "changed")
    if isinstance(part, Document) and part.name:
        yield Feature("name", "the name of the file", [evolve(part, name=None, media_type=part.media_type)])
    if isinstance(part, Document) and part.context:
        yield Feature("context", "what the model is told about it", [evolve(part, context=None)])
    if isinstance(part, Document) and part.citations:
        yield Feature("citations", "the wish that it be cited", [evolve(part, citations=False)])


def _words(part: Document) -> str | None:
    """What a document of text says, where nothing else is told of it."""
    if part.data is None or part.context or not is_text(part.media_type or ""):
        return None
    try:
        return part.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _call(part: ToolCall) -> Iterator[Feature]:
    if part.raw is not None:
        yield Feature("arguments", "the text of arguments that are no JSON object", [evolve(part, raw=None)])


def _notes(part: Text | Media | ToolCall | ToolResult | Refusal, wire: str) -> Iterator[Feature]:
    """What others want to see again. Empty notes say whose the part is, and nothing else."""
    for other, notes in part.extra.items():
        if other != wire and notes:
            without = evolve(part, extra={name: kept for name, kept in part.extra.items() if name != other})
            yield _note(f"what {other} wants to see again: {', '.join(notes)}", notes, without)
    own = part.extra.get(wire, {})
    for name, note in own.items():
        # Whether a word is sent cannot be told by leaving it out: the host may have been sent the same anyhow.
        if note and isinstance(note, (dict, list)):
            without = evolve(part, extra={**part.extra, wire: {key: own[key] for key in own if key != name}})
            yield _note(f"what another host of {wire} wants to see again: {name}", note, without)


def _note(what: str, note: object, without: Part) -> Feature:
    return Feature("signature" if _is_sealed(note) else "notes", what, [without])


def _is_sealed(note: object) -> bool:
    """Whether there is a provider's seal in it, by the names that all of them have for it."""
    if isinstance(note, dict):
        return any("signature" in key.lower() or key == "encrypted_content" or _is_sealed(note[key]) for key in note)
    return isinstance(note, list) and any(map(_is_sealed, note))
