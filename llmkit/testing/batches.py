"""What a host keeps of its batches: what was asked for, and how far it is. Knows no wire."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from attrs import field, frozen

Ending: TypeAlias = Literal["succeeded", "failed", "cancelled", "expired"]
ENDINGS: Final[tuple[Ending, ...]] = ("succeeded", "failed", "cancelled", "expired")
HINT: Final = {"retry-after": "0.05"}
"""Of answers that tell of a batch that runs: nobody waits long for this host."""
DAY: Final = timedelta(days=1)


@frozen
class Outcome:
    """What came of one request.

    Attributes:
        id: The request's.
        ending: In one word.
        status: Of HTTP; 0 where it was never asked.
        body: The answer's JSON, or the error's.
    """

    id: str
    ending: Ending
    status: int = 0
    body: Any = None


@frozen(eq=False)
class Job:
    """A batch.

    Attributes:
        id: The host's.
        requests: Ids of requests → what they ask for, as the wire has it.
        about: What else the wire wants to know of it later.
        created: When.
        outcomes: Of those requests that have one, in their order.
    """

    id: str
    requests: Mapping[str, Any]
    about: dict[str, Any] = field(factory=dict)
    created: datetime = field(factory=lambda: datetime.now(UTC))
    outcomes: list[Outcome] = field(factory=list)
    _looks: list[None] = field(factory=list)
    _cancelled: threading.Event = field(factory=threading.Event)
    _lock: Any = field(factory=threading.Lock)

    @property
    def ended(self) -> bool:
        """Whether every request has come to something."""
        return len(self.outcomes) == len(self.requests)

    @property
    def cancelled(self) -> bool:
        """Whether it was to be cancelled before it had ended."""
        return self._cancelled.is_set()

    def count(self, ending: Ending) -> int:
        """How many requests ended so."""
        return sum(outcome.ending == ending for outcome in self.outcomes)

    def cancel(self) -> None:
        """Answer no more requests."""
        if not self.ended:
            self._cancelled.set()

    def look(self, most: int, ask: Callable[[str, Any], Outcome]) -> None:
        """Go on: at the look after the `most`-th all requests have come to something."""
        with self._lock:
            self._looks.append(None)
            wanted = len(self.requests) * min(len(self._looks), most + 1) // (most + 1)
            for id_, asked in list(self.requests.items())[len(self.outcomes) :]:
                if self.cancelled:
                    self.outcomes.append(Outcome(id_, "cancelled"))
                elif len(self.outcomes) < wanted:
                    self.outcomes.append(ask(id_, asked))


class Shelf:
    """The batches and files of a host, by their ids, oldest first."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, Any] = {}

    def newest(self, prefix: str) -> Sequence[Job]:
        """The batches whose id begins so, newest first."""
        return [job for job in reversed(self.jobs.values()) if job.id.startswith(prefix)]
