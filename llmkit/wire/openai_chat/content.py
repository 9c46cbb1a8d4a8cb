"""What a stream says as the content of its message: text that goes on, and blocks, in their order."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmkit.events import Event, TextDelta, ThinkingDelta
from llmkit.growing import Growing
from llmkit.wire.openai_chat.parts import as_json, details_text, rows_of
from llmkit.wire.openai_chat.pieces import merged
from llmkit.wire.reading import expect, text_or

_NOTHING: Final[Sequence[Event]] = ()
_PATH: Final = "$.choices[0].delta.content"


class Content:
    """As far as it has come."""

    def __init__(self) -> None:
        self._pieces: list[Any] = []  # texts that grow, and blocks

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._pieces)

    def add(self, content: Any) -> Sequence[Event]:
        """Take the content of a delta, which is not empty; what it says.

        Raises:
            InvalidResponseError: It is none.
        """
        if content.__class__ is str:
            self.text().add(content)
            return (TextDelta(content),)
        if isinstance(content, dict):  # some hosts send an answer in a schema as an object
            return self.add(as_json(content))
        blocks = merged(expect(content, list, _PATH), _PATH)
        events = [event for block in blocks for event in _of_block(block)]
        self._pieces += blocks
        return events

    def text(self) -> Growing:
        """The text that stands last, which more of it is added to."""
        if not self._pieces or self._pieces[-1].__class__ is not Growing:
            self._pieces.append(Growing())
        found: Growing = self._pieces[-1]
        return found

    def said(self) -> Sequence[Event]:
        """All of it as deltas."""
        return [event for piece in self._pieces for event in _of_piece(piece)]

    def whole(self) -> str | list[Any]:
        """As it would stand in a whole body."""
        found = [str(piece) if piece.__class__ is Growing else piece for piece in self._pieces]
        return "".join(found) if all(piece.__class__ is str for piece in found) else found


def _of_piece(piece: Any) -> Sequence[Event]:
    return (TextDelta(str(piece)),) if piece.__class__ is Growing else _of_block(piece)


def _of_block(block: Mapping[str, Any]) -> Sequence[Event]:
    """What a block says."""
    text = block.get("text")
    if block.get("type") == "text" and text:
        return (TextDelta(expect(text, str, f"{_PATH}[].text")),)
    if block.get("type") == "reasoning":
        found = details_text(rows_of(block.get("summary")))
    elif block.get("type") == "thinking":
        pieces = expect(block.get("thinking"), list, f"{_PATH}[].thinking")
        found = "".join(text_or(piece.get("text"), "") for piece in merged(pieces, "$.choices[0].delta"))
    else:
        return _NOTHING
    return (ThinkingDelta(found),) if found else _NOTHING
