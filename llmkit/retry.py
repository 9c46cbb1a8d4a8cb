"""When to try again, and how long to wait before.

tenacity is entered only after a first failure: around a call that succeeds it would cost more than decoding the answer.
"""

import email.utils
import math
import random as _random
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from llmkit import taps
from llmkit.deadlines import Deadlines
from llmkit.errors import DeadlineError, LLMKitError
from llmkit.transport.failures import frameless

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
Told: TypeAlias = Callable[[int, LLMKitError, float], object]
"""Told of each failure that is followed by another try: which attempt it was, why, and the seconds until then."""

LONGEST_WAIT = 60.0  # seconds that a provider may ask for; beyond, the error is raised at once
_BACKOFF, _BACKOFF_MOST = 0.5, 8.0
_NUMBER = re.compile(r"[0-9]{1,300}(\.[0-9]*)?|\.[0-9]+")
_NOTE_SHOWN, _NOTES_KEPT = 200, 20
_HINTS = ("retry-after", "retry-after-ms")


class Quota:
    """A token bucket that keeps an outage from multiplying the load.

    Each retry takes a token, each success gives one back, and time brings them slowly. For many threads; without a
    lock, so that a fork finds it usable.

    Args:
        capacity: Tokens at most, and at first.
        per_second: Tokens that come by themselves.
    """

    def __init__(
        self, capacity: int = 100, per_second: float = 0.5, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._per_second = per_second
        self._tokens = deque([None] * capacity, maxlen=capacity)  # append and pop are atomic
        self._since = clock()

    def take(self) -> bool:
        """Take a token for a retry; False where there is none."""
        now = self._clock()
        grown = int((now - self._since) * self._per_second)
        if grown > 0:
            self._since = now  # two threads may both come here: a token too many does no harm
            self._tokens.extend([None] * min(grown, self._tokens.maxlen or 0))
        try:
            self._tokens.pop()
        except IndexError:
            return False
        return True

    def give_back(self) -> None:
        """A call succeeded."""
        self._tokens.append(None)


class Attempts:
    """The tries of one call.

    Retried is what another try can mend, as `LLMKitError.retryable` says; but for a deadline other than `connect`: the
    provider may still be at work on that request, and bills it.

    Attributes:
        made: How often the request was sent.
    """

    def __init__(
        self,
        max_retries: int,
        quota: Quota,
        deadlines: Deadlines,
        *,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = _random.random,
        told: Told | None = None,
    ) -> None:
        self.made = 0
        self._told = told
        self._retries_made = 0  # of which another key's is none
        self._max_retries = max_retries
        self._quota = quota
        self._deadlines = deadlines
        self._sleep = sleep
        self._random = random
        self._pause = 0.0
        self._notes: deque[str] = deque(maxlen=_NOTES_KEPT)

    def run(self, once: Callable[[], T]) -> T:
        """What `once` returns, tried again while that can help.

        Raises:
            LLMKitError: The last try's, with `attempts` set, and a note for each earlier one.
        """
        result = self.begin(once)
        self.succeeded()
        return result

    def begin(self, once: Callable[[], T]) -> T:
        """As `run`, of what has not succeeded with that, such as a stream that is open: `succeeded` says when it has.

        Raises:
            LLMKitError: As `run`.
        """
        try:
            return self._try(once)
        except LLMKitError as error:
            if self._gives_up(error):
                raise
        return self._on(once)

    def again(self, error: LLMKitError, once: Callable[[], T]) -> T:
        """Go on after a try that failed later, such as a stream before its first event; else as `begin`.

        Raises:
            LLMKitError: `error`, if another try cannot help; else as `run`.
        """
        if self._gives_up(error):
            raise error
        return self._on(once)

    def succeeded(self) -> None:
        """What was asked for came."""
        self._quota.give_back()

    def repeated(self, why: str) -> None:
        """The request is sent once more in one try, as what it was refused for is mended."""
        self._note(why)
        self.made += 1

    def last(self, error: LLMKitError) -> LLMKitError:
        """`error`, which ends the call, with the number of attempts and a note for each earlier one."""
        error.attempts = self.made - error._unsent  # noqa: SLF001 - of its own tree
        for note in self._notes:
            error.add_note(note)
        return error

    def _on(self, once: Callable[[], T]) -> T:
        from tenacity import Retrying  # noqa: PLC0415 - only after a failure

        self._sleep(self._pause)
        retrying = Retrying(retry=self._retries, wait=lambda _: self._pause, sleep=self._sleep)
        result: T = retrying(self._try, once)
        return result

    def _try(self, once: Callable[[], T]) -> T:
        self.made += 1
        return once()

    def _retries(self, state: "RetryCallState") -> bool:
        error = state.outcome and state.outcome.exception()
        return isinstance(error, LLMKitError) and not self._gives_up(error)

    def _gives_up(self, error: LLMKitError) -> bool:
        """Whether this error is the last; if not, the next pause is set."""
        pause = self._next_pause(error)
        if pause is not None:
            self._pause = pause
            frameless(error)
            self._retries_made += 1
            if self._told is not None:
                self._told(self.made, error, pause)
            said = str(error).partition("\n")[0]
            self._note(f"{type(error).__name__}: {said:.{_NOTE_SHOWN}}")
            return False
        self.last(error)
        return True

    def _note(self, cause: str) -> None:
        self._notes.append(f"attempt {self.made}: {cause}")

    def _next_pause(self, error: LLMKitError) -> float | None:
        """Seconds to wait before another try; None if there is to be none."""
        late = isinstance(error, DeadlineError) and error.which != "connect"
        if late or not error.retryable or self._retries_made >= self._max_retries:
            return None
        pause = error.retry_after
        if pause is None:
            pause = self._random() * min(_BACKOFF_MOST, _BACKOFF * 2 ** min(self._retries_made, 10))
        elif pause > LONGEST_WAIT:
            return None
        if not (self._deadlines.allows(pause) and self._quota.take()):
            return None
        return 0.0 if taps.answered else pause


def retry_after(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that an answer asks to wait: finite and above 0, else None.

    Milliseconds win over seconds, seconds over a date; one that is absurd leaves the word to the next.
    """
    found = {name.lower(): value.strip() for name, value in headers.items() if name.lower() in _HINTS}
    milliseconds, hint = found.get("retry-after-ms", ""), found.get("retry-after", "")
    for seconds in (_number(milliseconds) / 1000, _number(hint), _date(hint) - now()):
        if 0 < seconds < math.inf:
            return seconds
    return None


def _number(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def _date(text: str) -> float:
    """Seconds since 1970 of an HTTP date; 0 for anything else."""
    try:
        date = email.utils.parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
