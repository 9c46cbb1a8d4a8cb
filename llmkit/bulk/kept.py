"""The rows of a run in the file of a checkpoint: which are answered, which are ours to ask, and which are another's."""

import time
from collections import Counter
from typing import Any

from attrs import frozen

from llmkit.asking import Asking
from llmkit.bulk.checkpoint import Answered, Busy, Checkpoint, Claim
from llmkit.bulk.keys import key_of, prompt_of
from llmkit.output import OutputForm, demanded
from llmkit.request import Request
from llmkit.response import Response


@frozen
class Entry:
    """A row as the file knows it.

    Attributes:
        index: Where it stands.
        id: That of its `Request`.
        key: The hash of its content.
        occurrence: How many of the same content stood before it.
        shown: What people know it by.
        form: What the answer is to be.
    """

    index: int
    id: str | None
    key: str
    occurrence: int
    shown: str
    form: OutputForm | None


@frozen
class Later:
    """Another process has the row in hand.

    Attributes:
        at: When to look again, on the clock of `time.monotonic`.
    """

    at: float


_SOON = 0.5  # seconds after which to look whether another process has answered a row


class Kept:
    """The file, and how often this run has met each content."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._met: Counter[bytes] = Counter()

    def entry(self, index: int, prompt: Any, asking: Asking) -> Entry:
        """What the file knows a row by.

        Raises:
            ConfigurationError: It cannot be sent.
        """
        key = key_of(asking)
        content = bytes.fromhex(key[:32])  # enough to tell rows apart, in a third of the memory
        self._met[content] += 1
        id_ = prompt.id if isinstance(prompt, Request) else None
        return Entry(index, id_, key, self._met[content] - 1, prompt_of(asking), asking.form)

    def look(self, entry: Entry) -> Response[Any] | Claim | Later:
        """What to do about a row: take its answer, ask, or look again later.

        Raises:
            OutputError: Its answer is not what is asked for.
            OSError: The file cannot be written.
        """
        found = self.checkpoint.claim(entry.key, entry.occurrence, index=entry.index, id=entry.id, prompt=entry.shown)
        if isinstance(found, Busy):
            return Later(time.monotonic() + min(found.seconds, _SOON))
        if isinstance(found, Answered):
            return found.response if entry.form is None else demanded(entry.form.settled(found.response))
        return found
