"""The tap that records: it lets everything through, and writes down what went and what came."""

from collections.abc import Mapping
from pathlib import Path

from llmkit.errors import LLMKitError
from llmkit.taps import Sending
from llmkit.testing.cassettes.asking import asked_of
from llmkit.testing.cassettes.cleaning import Cleaner
from llmkit.testing.cassettes.findings import (
    of_answer,
    of_request,
    of_session,
    owners_of_answer,
    owners_of_request,
)
from llmkit.testing.cassettes.recordings import Answered, End, Failed, Recording
from llmkit.transport import Answer, Outgoing


class _Entry:
    """One request, while its answer may still be on its way."""

    def __init__(self, outgoing: Outgoing) -> None:
        self.outgoing = outgoing
        self.head: tuple[int, str, Mapping[str, str]] | None = None  # not the answer, which may be let go
        self.failed: Failed | None = None
        self.chunks: list[bytes] = []
        self.end: End = "left"
        self.replaced = False

    @property
    def ready(self) -> bool:
        """Whether there is something to be recorded yet."""
        return not self.replaced and (self.failed is not None or self.head is not None)

    def recording(self, cleaner: Cleaner) -> Recording:
        """What is known by now."""
        if self.failed is not None:
            return Recording(asked_of(self.outgoing, cleaner), _clean(self.failed, cleaner))
        assert self.head is not None  # noqa: S101 - else it is not ready
        status, reason, headers = self.head
        chunks = self.chunks if self.outgoing.stream else [b"".join(self.chunks)]
        end = _clean(self.end, cleaner) if isinstance(self.end, Failed) else self.end
        return Recording(
            asked_of(self.outgoing, cleaner),
            Answered(
                status,
                cleaner.text(reason),
                cleaner.answered_headers(headers),
                tuple(chunk for chunk in cleaner.chunks(chunks) if chunk),
                end,
            ),
        )


def _clean(failed: Failed, cleaner: Cleaner) -> Failed:
    return Failed(failed.error, cleaner.text(failed.text), failed.retryable, failed.which, failed.seconds)


class _Overheard(Answer):
    """An answer of which is written down what its reader gets."""

    def __init__(self, answer: Answer, entry: _Entry) -> None:
        self.__dict__.update(answer.__dict__)
        self._entry = entry

    def _next(self) -> bytes:
        piece = super()._next()
        if piece:
            self._entry.chunks.append(piece)
        else:
            self._entry.end = "whole"
        return piece

    def _fail(self, error: LLMKitError) -> None:
        self._entry.end = Failed.of(error) or "left"
        super()._fail(error)


class Recorder:
    """The tap; see `llmkit.testing.record`.

    Attributes:
        path: Where it is to be written.
        answers: Never.
    """

    answers = False
    played: tuple[Recording, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        # No lock, which a fork could leave held: to each of these is only added, in one step.
        self._entries: list[_Entry] = []
        self._secrets: set[str] = set()
        self._owners: set[str] = set()
        self._closed: tuple[Recording, ...] | None = None

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What there is so far."""
        if self._closed is not None:
            return self._closed
        # In this order: what an answer has made known is known before it counts as there.
        entries = [entry for entry in self._entries.copy() if entry.ready]
        cleaner = Cleaner(self._secrets.copy(), self._owners.copy())
        return tuple(entry.recording(cleaner) for entry in entries)

    @property
    def remaining(self) -> tuple[Recording, ...]:
        """All, as none is played."""
        return self.recordings

    def close(self) -> None:
        """Nothing more is recorded, not even of answers that are still being read."""
        self._closed = self.recordings
        self._entries, self._secrets, self._owners = [], set(), set()

    def send(self, sending: Sending) -> Answer:
        """The answer that comes.

        Raises:
            LLMKitError: None does; recorded unless the caller is to blame.
        """
        entry = _Entry(sending.outgoing)
        if sending.exchange.refused is not None:
            # The key was, and there was another one: that is between the keys, and they are not recorded.
            for one in self._entries.copy():
                one.replaced = one.replaced or one.outgoing is sending.outgoing
        self._entries.append(entry)
        try:
            answer = sending.go()
        except BaseException as error:
            self._learn(sending)
            entry.failed = Failed.of(error) if isinstance(error, LLMKitError) else None
            raise
        self._learn(sending, answer)
        entry.head = answer.status, answer.reason, answer.headers
        return _Overheard(answer, entry)

    def _learn(self, sending: Sending, answer: Answer | None = None) -> None:
        headers, url = sending.outgoing.headers, sending.outgoing.url
        found = [*sending.secrets, *of_request(headers, url, sending.outgoing.body), *of_session(sending.session)]
        owners = owners_of_request(headers, url)
        if answer is not None:
            found += of_answer(answer.headers)
            owners += owners_of_answer(answer.headers)
        self._secrets.update(found)
        self._owners.update(owners)
