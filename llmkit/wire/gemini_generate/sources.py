"""What an answer rests on, as citations.

Sources: https://ai.google.dev/api/generate-content#GroundingMetadata,
https://ai.google.dev/api/generate-content#citationmetadata
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmkit.messages import Citation
from llmkit.wire.reading import object_or_empty, text_or

_KINDS: Final = ("web", "retrievedContext", "maps", "image")
_ADDRESSES: Final = ("uri", "sourceUri", "imageUri")


class Sources:
    """What was told of the sources of one answer; a stream may tell it in pieces."""

    def __init__(self) -> None:
        self._grounding: dict[str, Any] = {}
        self._recited: list[dict[str, Any]] = []

    def add(self, candidate: Mapping[str, Any]) -> None:
        """Take what a chunk tells: of grounding what is known so far, of recitations that or those that are new."""
        grounding = object_or_empty(candidate.get("groundingMetadata"))
        self._grounding |= {key: value for key, value in grounding.items() if value or key not in self._grounding}
        recited = object_or_empty(candidate.get("citationMetadata"))
        found = recited.get("citations") or recited.get("citationSources")
        items = [item for item in found if isinstance(item, dict) and item] if isinstance(found, list) else []
        again = items[: len(self._recited)] == self._recited
        self._recited = items if again else [*self._recited, *items]

    def citations(self) -> list[Citation]:
        """A citation for each source of each passage, then those of recitations.

        `Citation.raw` tells which passage it is: this wire counts it in bytes of the answer.
        """
        return [*self._grounded(), *map(_recited, self._recited)]

    def _grounded(self) -> Iterator[Citation]:
        chunks = _objects(self._grounding.get("groundingChunks"))
        supports = _objects(self._grounding.get("groundingSupports"))
        for support in supports:
            indices = support.get("groundingChunkIndices")
            for index in indices if isinstance(indices, list) else ():
                if isinstance(index, int) and 0 <= index < len(chunks):
                    yield _cited(chunks[index], {"groundingSupport": support, "groundingChunk": chunks[index]})
        if not supports:  # nothing is said of which passage rests on which
            yield from (_cited(chunk, {"groundingChunk": chunk}) for chunk in chunks)


def _objects(value: object) -> list[Mapping[str, Any]]:
    """The items of a list, each an object: their places count."""
    return [object_or_empty(item) for item in value] if isinstance(value, list) else []


def _cited(chunk: Mapping[str, Any], raw: dict[str, Any]) -> Citation:
    source: dict[str, Any] = next((chunk[kind] for kind in _KINDS if isinstance(chunk.get(kind), dict)), {})
    addresses = (text_or(source.get(key), None) for key in _ADDRESSES)
    return Citation(
        text=text_or(source.get("text"), ""),
        url=next((address for address in addresses if address), None),
        title=text_or(source.get("title"), None),
        raw=raw,
    )


def _recited(raw: dict[str, Any]) -> Citation:
    return Citation(url=text_or(raw.get("uri"), None), title=text_or(raw.get("title"), None), raw=raw)
