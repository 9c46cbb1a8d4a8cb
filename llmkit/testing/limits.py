"""Limits that the server enforces, over a window that slides. Knows no wire; the clock is an argument."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import define

from llmkit.checks import integer, number
from llmkit.errors import ConfigurationError, RateLimitError
from llmkit.testing.exchange import Desk, RecordedRequest, Standing
from llmkit.testing.replies import Reply, rough_tokens, written

_WINDOW: Final = 60.0  # seconds
_TOO_MANY: Final = "Number of {} has exceeded your rate limit of {:,} per minute"
_AT_ONCE: Final = "Number of concurrent connections has exceeded your rate limit of {:,}"


@define
class Taken:
    """What one request took of a limit, and when."""

    at: float
    amount: int


class Window:
    """How many of the last seconds.

    Args:
        kind: What is counted.
        most: A minute.
        seconds: How long it is.
    """

    def __init__(self, kind: str, most: int, seconds: float) -> None:
        self.kind = kind
        self.most = most
        self._seconds = seconds
        self._allowed = most * seconds / 60
        self._taken: deque[Taken] = deque()

    def take(self, amount: int, now: float) -> Taken:
        """Count so many more.

        Raises:
            RateLimitError: They are too many; none is counted.
        """
        used = self._used(now)
        if used + amount > self._allowed:
            text = _TOO_MANY.format(self.kind, self.most)
            raise RateLimitError(text, status=429, retry_after=self._wait(used + amount - self._allowed, now))
        taken = Taken(now, amount)
        self._taken.append(taken)
        return taken

    def give_back(self, taken: Taken) -> None:
        """It was not let in after all."""
        self._taken.remove(taken)

    def standing(self, now: float) -> Standing:
        """How far it is used up."""
        left = (self._allowed - self._used(now)) * 60 / self._seconds
        reset = self._taken[-1].at + self._seconds - now if self._taken else 0.0
        return Standing(self.kind, self.most, max(0, int(left)), reset)

    def _used(self, now: float) -> int:
        while self._taken and self._taken[0].at + self._seconds <= now:
            self._taken.popleft()
        return sum(taken.amount for taken in self._taken)

    def _wait(self, over: float, now: float) -> float:
        """Seconds until so many have left it; rounded up, so that who waits for that is let in."""
        wait = self._seconds
        for taken in self._taken:
            over -= taken.amount
            if over <= 0:
                wait = taken.at + self._seconds - now
                break
        return math.ceil(wait * 1000 + 1) / 1000


class Visit:
    """A request that was let in, until it is answered."""

    def __init__(self, limits: "Limits", tokens: Taken | None) -> None:
        self._limits = limits
        self._tokens = tokens
        self._inside: deque[None] = deque([None])

    def bill(self, tokens: int) -> None:
        """What it took."""
        if self._tokens is not None:
            self._tokens.amount = tokens

    def leave(self) -> None:
        """It is answered; more than once is as good as once."""
        with suppress(IndexError):
            self._inside.pop()
            self._limits.left()


class Limits:
    """What the server allows.

    Args:
        requests_per_minute: Requests; None for any number.
        tokens_per_minute: Tokens read and written.
        concurrent: Requests that are being answered.
        window: Seconds over which requests and tokens are counted.
        clock: Seconds.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        concurrent: int | None,
        window: float = _WINDOW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        seconds = number(0.001, 86_400)("window", window)
        self._requests = _window("requests", "requests_per_minute", requests_per_minute, seconds)
        self._tokens = _window("tokens", "tokens_per_minute", tokens_per_minute, seconds)
        self._most = None if concurrent is None else integer(1)("concurrent", concurrent)
        self._inside = 0
        self._clock = clock
        self._lock = threading.Lock()

    def enter(self, tokens: int) -> Visit:
        """Let a request in, whose prompt has so many tokens.

        Raises:
            RateLimitError: It is too much.
        """
        with self._lock:
            if self._most is not None and self._inside >= self._most:
                raise RateLimitError(_AT_ONCE.format(self._most), status=429)
            now = self._clock()
            counted = None if self._requests is None else self._requests.take(1, now)
            try:
                spent = None if self._tokens is None else self._tokens.take(tokens, now)
            except RateLimitError:
                if self._requests is not None and counted is not None:
                    self._requests.give_back(counted)
                raise
            self._inside += 1
            return Visit(self, spent)

    def left(self) -> None:
        """A request has been answered."""
        with self._lock:
            self._inside -= 1

    def standings(self) -> list[Standing]:
        """How far what is counted over time is used up."""
        with self._lock:
            now = self._clock()
            return [window.standing(now) for window in (self._requests, self._tokens) if window is not None]


def _window(kind: str, name: str, most: int | None, seconds: float) -> Window | None:
    return None if most is None else Window(kind, integer(1, 10**12)(name, most), seconds)


class Metered:
    """A desk that notes what is billed for an answer; in all else it is the other one."""

    def __init__(self, desk: Desk, read: int) -> None:
        self._desk = desk
        self._read = read
        self.tokens = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def next_reply(self, request: RecordedRequest, echo: str) -> Reply:
        """As the other desk's."""
        reply = self._desk.next_reply(request, echo)
        if reply.usage is not None:
            self.tokens += reply.usage.total_tokens
        elif reply.error is None:
            self.tokens += self._read + max(1, rough_tokens(written(reply.content)))
        return reply

    def vectors(self, texts: Sequence[str], dimensions: int | None) -> list[list[float]]:
        """As the other desk's."""
        self.tokens += sum(map(rough_tokens, texts))
        return self._desk.vectors(texts, dimensions)


def tokens_of(request: RecordedRequest, desk: Desk) -> int:
    """A rough count of what the model reads; none where the request holds no conversation."""
    try:
        texts = [message.text for message in request.messages]
    except ConfigurationError:  # which the wire will refuse
        return 0
    if not texts:
        return 0
    return rough_tokens("".join(texts)) if desk.token_count is None else desk.token_count
