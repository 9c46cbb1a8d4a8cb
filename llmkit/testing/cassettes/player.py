"""The tap that replays: it answers from recordings, and lets nothing through."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from requests.structures import CaseInsensitiveDict

from llmkit.errors import LLMKitError
from llmkit.secrets import HIDDEN
from llmkit.taps import Sending
from llmkit.testing.cassettes.asking import asked_of
from llmkit.testing.cassettes.cleaning import Cleaner
from llmkit.testing.cassettes.errors import CassetteError
from llmkit.testing.cassettes.findings import of_request, owners_of_request
from llmkit.testing.cassettes.matching import Question, difference, question
from llmkit.testing.cassettes.recordings import Answered, Failed, Recording
from llmkit.transport import Answer, Exchange
from llmkit.transport.answer import Head
from llmkit.transport.exchange import OverError
from llmkit.transport.failures import failure
from llmkit.transport.outgoing import address


class Player:
    """The tap; see `llmkit.testing.replay`.

    Attributes:
        path: Whence it was read.
        recordings: All that there are.
        answers: Always.
    """

    answers = True

    def __init__(
        self,
        path: Path,
        recordings: tuple[Recording, ...],
        *,
        pieces: int | None,
        any_host: bool,
        allow_repeats: bool,
    ) -> None:
        self.path = path
        self.recordings = recordings
        self._pieces = pieces
        self._any_host = any_host
        self._allow_repeats = allow_repeats
        self._questions = [question(one.asked, any_host=any_host) for one in recordings]
        # What each of them may still answer: whoever takes it has it. No lock, which a fork could leave held.
        self._left: list[list[None]] = [[None] for _ in recordings]

    @property
    def played(self) -> tuple[Recording, ...]:
        """Those that answered."""
        return tuple(one for one, left in zip(self.recordings, self._left, strict=True) if not left)

    @property
    def remaining(self) -> tuple[Recording, ...]:
        """Those that did not."""
        return tuple(one for one, left in zip(self.recordings, self._left, strict=True) if left)

    def send(self, sending: Sending) -> Answer:
        """The answer that was recorded.

        Raises:
            CassetteError: There is none.
            LLMKitError: What came instead when it was recorded.
        """
        outgoing, exchange = sending.outgoing, sending.exchange
        host = address(outgoing.url)[1]
        exchange.deadlines.progress()
        _check(exchange, host)
        headers, url = outgoing.headers, outgoing.url
        cleaner = Cleaner([*sending.secrets, *of_request(headers, url, outgoing.body)], owners_of_request(headers, url))
        found = self._found(question(asked_of(outgoing, cleaner), any_host=self._any_host))
        if isinstance(found, Failed):
            raise found.again()
        exchange.stage = "body"
        source = _Source(found, exchange, self._pieces, self.path)
        head = Head(found.status, found.reason, CaseInsensitiveDict(found.headers), source)
        return Answer(exchange, head, url=outgoing.url, host=host)

    def _found(self, wanted: Question) -> Answered | Failed:
        known = [*enumerate(self._questions)]
        equal = [index for index, one in known if wanted == one]
        equal = equal or [index for index, one in known if HIDDEN in one.body and wanted.fits(one)]
        fresh = next(filter(self._taken, equal), None)
        if fresh is None and not (equal and self._allow_repeats):
            raise CassetteError(self._missing(wanted, used=bool(equal)))
        return self.recordings[equal[-1] if fresh is None else fresh].answered

    def _taken(self, index: int) -> bool:
        try:
            self._left[index].pop()
        except IndexError:
            return False
        return True

    def _missing(self, wanted: Question, *, used: bool) -> str:
        first = f"{self.path} has no recording for {wanted}"
        if used:
            return f"{first} any more: each that fits was played; allow_repeats=True plays the last of them again"
        left = [one for one, left in zip(self._questions, self._left, strict=True) if left]
        counted = f"{len(self._questions)} recordings, {len(self._questions) - len(left)} played"
        told = difference(wanted, left or self._questions)
        return f"{first} ({counted}): if it is meant, record anew" + (f"\n{told}" if told else "")


def _check(exchange: Exchange, host: str) -> None:
    """Go on only if the caller has not ended it, and there is time.

    Raises:
        LLMKitError: As the network's would be.
    """
    try:
        exchange.patience()
    except OverError as over:
        failed: LLMKitError = failure(over, exchange, host)
    else:
        return
    raise failed


class _Source:
    """A body that was recorded."""

    raises = (OverError,)
    closing = False

    def __init__(self, answered: Answered, exchange: Exchange, pieces: int | None, path: Path) -> None:
        self._answered = answered
        self._exchange = exchange
        self._size = pieces
        self._path = path

    def pieces(self) -> Iterator[bytes]:
        """Each piece as it came, or of the size that was asked for.

        Raises:
            OverError: As it had no end: the exchange tells why.
        """
        yield from self._answered.chunks if self._size is None else _cut(self._answered.chunks, self._size)
        match self._answered.end:
            case "whole":
                return
            case "left":
                text = f"{self._path}: the recording ends here, as its reader had stopped: record anew to read on"
                self._exchange.ended = CassetteError(text)
            case failed:
                self._exchange.ended = failed.again()
        raise OverError

    def close(self) -> None:
        """Nothing is open."""


def _cut(chunks: Sequence[bytes], size: int) -> Iterator[bytes]:
    body = b"".join(chunks)
    return (body[at : at + size] for at in range(0, len(body), size))
