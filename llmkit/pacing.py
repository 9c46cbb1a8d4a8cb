"""When the next call may go, by the calls before it. No I/O, no clock and no threads: times are arguments."""

import math
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llmkit.response import Usage

MARGIN: Final = 0.02  # by which less is asked than may be, as requests do not arrive as evenly as they leave
MINUTE: Final = 60.0 * (1 + MARGIN / 2)  # seconds
FIRST_ANSWER: Final = 500  # tokens that an answer is taken to have before one has come
NEVER: Final = -math.inf  # a time before all others
_LEARNT: Final = 0.1  # how much one answer counts for the guess about the next


class Pace:
    """A schedule: so many a minute, each in its time; none for a number that is None."""

    def __init__(self, most: int | None) -> None:
        self._most = self.allowed = most
        self.due = NEVER

    @property
    def _seconds(self) -> float:
        """For one."""
        return 0.0 if self.allowed is None else 60 * (1 + MARGIN) / self.allowed

    def take(self, start: float, amount: float) -> None:
        """Let so many go at `start`; or when they were due, which is later only where they waited for that."""
        self.due = max(self.due, start) + amount * self._seconds

    def correct(self, amount: float, now: float) -> None:
        """There were so many more, which are made up for from now on; or fewer, if below 0."""
        start = self.due if amount < 0 else max(self.due, now)
        self.due = start + amount * self._seconds

    def lower(self, published: int) -> None:
        """The host told of its limit."""
        if self._most is not None:
            self.allowed = min(self._most, published)


class Spent:
    """Tokens of one call, as guessed or known; `counted` until a minute has passed."""

    __slots__ = ("at", "counted", "tokens", "writes")

    def __init__(self, at: float, tokens: float, writes: float) -> None:
        self.at = at
        self.tokens = tokens
        self.writes = writes
        self.counted = True


class Tokens:
    """Tokens a minute: a schedule, and what the last minute took, into which one that is large may not fit yet."""

    def __init__(self, most: int) -> None:
        self.pace = Pace(most)
        self._minute: deque[Spent] = deque()
        self._used = 0.0
        self._written: float | None = None  # by an answer, on average
        self._read = 1.0  # for each token that was guessed to be read

    def guess(self, size: float, writes: float) -> float:
        """What a call will take: as answers so far, and no more than was asked for."""
        first = FIRST_ANSWER if writes == math.inf else writes
        written = first if self._written is None else min(self._written, writes)
        return math.ceil(size * self._read + written)

    def due(self, tokens: float, now: float) -> float:
        """When so many may go."""
        minute = self._minute
        while minute and minute[0].at + MINUTE <= now:
            old = minute.popleft()
            old.counted = False
            self._used -= old.tokens
        return max(self.pace.due, self._fit(tokens))

    def _fit(self, tokens: float) -> float:
        """When so many more are not too many for a minute: at the latest, when all others have left it."""
        over, when = self._used + tokens - (self.pace.allowed or 0), NEVER
        for old in self._minute:
            if over <= 0:
                break
            over, when = over - old.tokens, old.at + MINUTE
        return when

    def take(self, start: float, now: float, tokens: float, writes: float) -> Spent:
        """Set so many aside, and let the call go."""
        self.pace.take(start, tokens)
        return self._count(Spent(now, tokens, writes))

    def settle(self, size: float, spent: Spent, usage: "Usage | None", now: float) -> None:
        """Put right what was set aside: what is too much at once, what was too little as spent now."""
        more = (0 if usage is None else usage.total_tokens) - spent.tokens
        self.pace.correct(more, now)
        if more > 0:
            self._count(Spent(now, more, spent.writes))
        elif spent.counted:
            self._used += more
            spent.tokens += more
        if usage is not None:
            self._learn(size, spent, usage)

    def _count(self, spent: Spent) -> Spent:
        self._minute.append(spent)
        self._used += spent.tokens
        return spent

    def _learn(self, size: float, spent: Spent, usage: "Usage") -> None:
        if spent.writes:
            before = usage.output_tokens if self._written is None else self._written
            self._written = before + _LEARNT * (usage.output_tokens - before)
        if size > 0:
            self._read += _LEARNT * (usage.input_tokens / size - self._read)
