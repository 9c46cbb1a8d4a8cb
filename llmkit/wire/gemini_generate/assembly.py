"""An answer put together from its chunks; a whole body is one chunk.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from llmkit.errors import InvalidResponseError
from llmkit.events import Event
from llmkit.response import FinishReason, Usage
from llmkit.wire.error_bodies import is_error
from llmkit.wire.gemini_generate.content import Content
from llmkit.wire.gemini_generate.finish import (
    UNSPECIFIED,
    block_word,
    finish_reason,
    finish_word,
    later_usage,
    usage,
)
from llmkit.wire.gemini_generate.sources import Sources
from llmkit.wire.quirks import Numbers
from llmkit.wire.reading import expect, object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

_NOTHING: Final[Sequence[Event]] = ()
_ABSENT: Final = object()
_SILENT: Final = frozenset({"content", "index"})
_PART: Final = ("candidates", 0, "content", "parts", 0)
_PLAIN: Final = frozenset({"finishReason", "index"})


class Assembly:
    """The state of one answer.

    Args:
        numbers: Whose numbers stand for words.

    Attributes:
        envelope: The last value of every top-level key, of `candidates` without the content.
        whole: Whether it was said why the answer ended; usage and sources may follow.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.envelope: dict[str, Any] = {}
        self.whole = False
        self._logprobs: list[Any] = []
        self.content = Content()
        self._sources = Sources()
        self._around: dict[str, Any] = {}  # of the candidate
        self._reason: str | None = None
        self._blocked: str | None = None

    @property
    def id(self) -> str:
        """The answer's id; "" before it is known."""
        return text_or(self.envelope.get("responseId"), "")

    @property
    def model(self) -> str:
        """The model that answers; "" before it is known."""
        return text_or(self.envelope.get("modelVersion"), "")

    @property
    def logprobs(self) -> list[Any] | None:
        """The tokens that were chosen, of all chunks; each with its alternatives, as `topCandidates`, where told."""
        return [*self._logprobs] or None

    def take(self, chunk: Any, path: str = "$") -> Sequence[Event] | None:
        """The events of the next chunk; None where it says nothing new.

        Raises:
            ErrorEvent: It is an error.
            InvalidResponseError: It is not what the wire promises.
        """
        if chunk.__class__ is not dict:
            expect(chunk, dict, path)
        if chunk.get("error") or ("candidates" not in chunk and is_error(chunk)):  # as gateways tell of some
            raise ErrorEvent(chunk)
        news = self._told(chunk)
        events: Sequence[Event] | None = None
        if (found := chunk.get("candidates")) is not None:
            if found.__class__ is not list:
                expect(found, list, f"{path}.candidates")
            candidate = _first(found, path)
            if candidate is not None:
                news = self._about(candidate) or news
                events = self._said(candidate, path)
        return _NOTHING if events is None and news else events

    def more(self, chunk: Any) -> tuple[Callable[[str], Sequence[Event]], str, Sequence[str | int]] | None:
        """Of a chunk that was taken: what takes more like it, its text, and where that stands.

        None where the next one may say something else beside its text.
        """
        match chunk:
            case {"candidates": [{"content": {"parts": [dict(part)]}} as candidate]}:
                if candidate.get("index") or not candidate.keys() <= _SILENT:
                    return None  # another answer, which is not read, or one that says more
                found = self.content.more(part)
                return None if found is None else (*found[:2], (*_PART, *found[2]))
        return None

    def count(self, value: Any) -> None:
        """Keep what a later chunk tells of what was billed."""
        if value.__class__ is dict:
            self.envelope["usageMetadata"] = later_usage(self.envelope.get("usageMetadata"), value)

    def usage(self) -> Usage:
        """What was billed, as far as it is known."""
        return usage(self.envelope.get("usageMetadata"))

    def close(self) -> Sequence[Event]:
        """The parts not handed out yet."""
        return self.content.close(self._sources.citations())

    def finish_reason(self) -> FinishReason:
        """Why it ended."""
        return finish_reason(self._reason, self._blocked, calls=bool(self.content.calls))

    def _told(self, chunk: dict[str, Any]) -> bool:
        """Keep what stands around the candidates; whether any of it is new."""
        envelope, news = self.envelope, False
        for key, value in chunk.items():
            before = envelope.get(key, _ABSENT)
            if key == "candidates" or before == value:
                continue
            if key == "usageMetadata":
                if value.__class__ is not dict:
                    continue
                value = later_usage(envelope.get(key), value)  # noqa: PLW2901 - what is kept of it
                if before == value:
                    continue
            elif value in (None, "") and key in envelope:
                continue
            envelope[key] = value
            news = True
        if "promptFeedback" in chunk:
            told = object_or_empty(chunk["promptFeedback"]).get("blockReason")
            if (blocked := block_word(told, self._numbers)) is not None:
                self._blocked = blocked
                self.whole = True
        return news

    def _about(self, candidate: dict[str, Any]) -> bool:
        """Keep what stands around the content of the candidate; whether it says why the answer ended, or the like."""
        if candidate.keys() <= _SILENT:
            return False
        news = False
        reason = finish_word(candidate.get("finishReason"), self._numbers)
        if reason is not None and not (self.whole and reason in UNSPECIFIED):
            news = self._reason != reason
            self._reason = reason
            self.whole = self.whole or reason not in UNSPECIFIED
        around = {key: value for key, value in candidate.items() if key != "content"}
        if not around.keys() <= _PLAIN:
            self._sources.add(around)
            self._weighed(object_or_empty(around.get("logprobsResult")))
            news = True
        self._around = {**self._around, **around}  # a new one each time: snapshots keep theirs
        self.envelope["candidates"] = [self._around]
        return news

    def _weighed(self, result: Mapping[str, Any]) -> None:
        chosen, others = result.get("chosenCandidates"), result.get("topCandidates")
        if isinstance(chosen, list) or isinstance(others, list):
            tokens = zip_longest(_listed(chosen), _listed(others))
            self._logprobs += (_weighed(token, beside) for token, beside in tokens)

    def _said(self, candidate: Mapping[str, Any], path: str) -> Sequence[Event] | None:
        said: Any = candidate.get("content")
        if said is None:
            return None
        if said.__class__ is not dict:
            expect(said, dict, f"{path}.candidates[0].content")
        parts = said.get("parts")
        if parts is None:
            return None
        if parts.__class__ is not list:
            expect(parts, list, f"{path}.candidates[0].content.parts")
        content, answer = self.content, self.id
        before = content.kept(parts)
        try:
            if len(parts) == 1:
                return content.add(parts[0], answer)
            found = [events for part in parts if (events := content.add(part, answer)) is not None]
        except InvalidResponseError:
            content.run = before  # nothing of this chunk is handed out
            raise
        return [event for events in found for event in events] if found else None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _weighed(token: Any, beside: Any) -> Any:
    """A token that was chosen, with those that could have been."""
    if beside is None:
        return token
    return {**object_or_empty(token), "topCandidates": _listed(object_or_empty(beside).get("candidates"))}


def _first(candidates: list[Any], path: str) -> dict[str, Any] | None:
    """The candidate of index 0, which is also that of those without one."""
    for number, candidate in enumerate(candidates):
        if candidate.__class__ is not dict:
            expect(candidate, dict, f"{path}.candidates[{number}]")
        if not candidate.get("index"):
            found: dict[str, Any] = candidate
            return found
    return None
