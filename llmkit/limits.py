"""How much a host may be asked: requests and tokens a minute, and calls at once.

Hosts tell their limits by the minute and many enforce them by the second, so calls are paced, and not let go in bursts.

A call stands in line before it is sent. Only the first in line looks at the clocks and changes them; what other threads
have to tell (an answer's tokens, a refusal, a limit that the host tells of) they leave as news for it. So there is no
lock, and a finaliser may give back the place of a call that nobody reads any more.
"""

import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from llmkit.checks import integer
from llmkit.errors import APIError, ConfigurationError, DeadlineError, LLMKitError, QuotaExceededError, RateLimitError
from llmkit.pacing import NEVER, Pace, Spent, Tokens
from llmkit.published import Reading, readings

if TYPE_CHECKING:
    from llmkit.response import Usage
    from llmkit.transport import Exchange
    from llmkit.wire.base import Call

SLACK: Final = 0.03  # seconds that a call may leave late without putting off those behind it
LOOK: Final = 5.0  # seconds after which one who waits looks by itself, should Ctrl-C have cut a word to it short
LONGEST_PAUSE: Final = 60.0  # seconds that a host may close the gate at a time
_CHARACTERS, _MEDIA_TOKENS = 4, 1000  # of a token; of a picture, say
_MEDIA: Final = re.compile(rb"[A-Za-z0-9+/_-]{2000,}+=*+")  # base64


def _count(_: object, attribute: Any, value: object) -> None:
    if value is not None:
        integer(1, 10**12)(f"RateLimit.{attribute.name}", value)


@frozen
class RateLimit:
    """How much a host may be asked, by all threads together.

    Calls are paced evenly and wait in the order in which they came; an idle host is asked at once. A 429 that tells how
    long to wait makes all wait, once; what a host tells of its limits in the headers of its answers lowers these, and
    never raises them. Waiting counts for `Timeout.total` and for a timeout that is a number.

    One object may be given to several clients, which share it; copies of a client do. It compares and pickles by its
    numbers; in another process, also a fork, it counts from the beginning.

    Attributes:
        requests_per_minute: Whatever is asked: answers, counts, embeddings, lists, and each try again.
        tokens_per_minute: Read and written together; guessed before a call is sent, and put right by its usage.
        concurrent: Calls under way, from sending until the answer has been read to its end or was closed.

    Raises:
        ConfigurationError: A number is not above 0.
    """

    requests_per_minute: int | None = field(default=None, validator=_count)
    tokens_per_minute: int | None = field(default=None, validator=_count)
    concurrent: int | None = field(default=None, validator=_count)
    _lines: "dict[int, Line]" = field(factory=dict, init=False, eq=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.requests_per_minute, self.tokens_per_minute, self.concurrent)

    @classmethod
    def preset(cls, provider: str, tier: str) -> "RateLimit":
        """What a host allows to accounts of a tier, as it publishes it.

        Args:
            provider: The name of its row, as in ``megallm``.
            tier: Its word for the tier, as in ``basic``.

        Raises:
            ConfigurationError: It is not known; the message lists what is.
        """
        from llmkit.rows.tiers import TIERS  # noqa: PLC0415 - hardly ever asked for

        found = TIERS.get(provider, {}).get(tier.lower())
        if found is None:
            known = ", ".join(f"{name} {tier}" for name, tiers in TIERS.items() for tier in tiers)
            raise ConfigurationError(f"preset: nothing is known of {provider!r:.80} {tier!r:.80}; there is {known}")
        return cls(*found)

    def admit(self, exchange: "Exchange", call: "Call") -> "Lease":
        """Wait until `call` may be sent.

        Raises:
            DeadlineError: Not in time.
            StreamClosedError: `exchange` was aborted.
        """
        return self._line.admit(exchange, size_of(call) if self.tokens_per_minute is not None else 0.0, call.writes)

    @property
    def _line(self) -> "Line":
        pid = os.getpid()
        line = self._lines.get(pid)
        if line is None:  # a parent's threads may stand in theirs
            line = self._lines.setdefault(pid, Line(self))
            for other in [*self._lines]:
                if other != pid:
                    self._lines.pop(other, None)
        return line


def size_of(call: "Call") -> float:
    """Tokens that the model reads, as guessed by the length of the body, in which media count by the piece."""
    if call.body is None or call.writes is None:
        return 0.0
    media = [len(found[0]) for found in _MEDIA.finditer(call.body)]
    return (len(call.body) - sum(media)) / _CHARACTERS + len(media) * _MEDIA_TOKENS


class Lease:
    """A call that was let go: its place among those under way, and the tokens that are set aside for it."""

    __slots__ = ("_line", "_open", "_places", "size", "spent")

    def __init__(self, line: "Line", size: float) -> None:
        self._line = line
        self._places: deque[None] = deque()
        self._open = True
        self.size = size
        self.spent: Spent | None = None

    def __del__(self) -> None:
        # After Ctrl-C at the wrong moment, say.
        self.end()

    def hold(self, places: "deque[None]") -> None:
        """Take one of the free places; in one step, so that Ctrl-C cannot come between and lose it."""
        self._places.extend(map(deque.pop, (places,)))

    def end(self) -> None:
        """The exchange has ended: its place is free. Takes no lock; more than once is as good as once."""
        with suppress(IndexError):
            self._line.freed(self._places.pop())

    def heard(self, headers: Mapping[str, str]) -> None:
        """An answer came, with these headers."""
        for reading in readings(headers):
            self._line.tell(partial(self._line.take_in, reading, self._line.now()))

    def settle(self, usage: "Usage | None") -> None:
        """The answer is whole, and took so many tokens; None for one that is no model's."""
        if self._line.silent:
            self._line.tell(self._line.succeeded)
        if usage is None or usage.raw is not None:  # where a host tells of none, the guess is all there is
            self._settle(usage)

    def failed(self, error: LLMKitError) -> None:
        """The host refused, or nothing came of it."""
        if isinstance(error, APIError):
            self._settle(None)
        if isinstance(error, RateLimitError) and not isinstance(error, QuotaExceededError):
            self._line.tell(partial(self._line.refused, error.retry_after, self._line.now()))

    def _settle(self, usage: "Usage | None") -> None:
        if self._open and self.spent is not None:
            self._open = False
            self._line.tell(partial(self._line.settle, self, usage, self._line.now()))


class Line:
    """Those who wait, and what they wait for; of one process.

    Args:
        limit: The numbers.
        clock: Seconds.

    Attributes:
        now: The clock.
        silent: Refusals in a row that did not tell how long to wait.
    """

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._waiting: deque[SimpleQueue[None]] = deque()
        self._news: deque[Callable[[], None]] = deque()
        self._bounded = limit.concurrent is not None
        self._free: deque[None] = deque([None] * (limit.concurrent or 0))
        self._requests = Pace(limit.requests_per_minute)
        self._tokens = None if limit.tokens_per_minute is None else Tokens(limit.tokens_per_minute)
        self._opens = NEVER  # when the gate does
        self.silent = 0

    def admit(self, exchange: "Exchange", size: float, writes: float | None) -> Lease:
        """As `RateLimit.admit`.

        Args:
            exchange: Of the call; told whom to tell of its end.
            size: Tokens that are read, as `size_of` has them.
            writes: As `Call.writes`.
        """
        signal: SimpleQueue[None] = SimpleQueue()
        lease = Lease(self, size)
        exchange.on_end = lease.end
        since = self.now()
        try:
            self._waiting.append(signal)
            while self._waiting[0] is not signal:
                exchange.rest(signal, LOOK)
            if self._bounded:
                since = self._wait_for_place(exchange, signal, lease, since)
            self._wait_for_turn(exchange, signal, lease, since, writes)
        except BaseException as error:
            lease.end()
            if isinstance(error, DeadlineError):
                error.add_note("it waited for the client's rate_limit")
            if isinstance(error, LLMKitError):
                error._unsent = True  # noqa: SLF001 - for the count of tries
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove(signal)
            self._wake()
        return lease

    def tell(self, news: Callable[[], None]) -> None:
        """Leave `news` for the first in line."""
        self._news.append(news)
        self._wake()

    def freed(self, place: None) -> None:
        """A call has ended. May be called by a finaliser."""
        self._free.append(place)
        self._wake()

    # ---- the first in line -------------------------------------------------------------------------------------------

    def _wait_for_place(self, exchange: "Exchange", signal: "SimpleQueue[None]", lease: Lease, since: float) -> float:
        """Take a place; since when the call could go, if only places counted."""
        while not self._free:
            exchange.rest(signal, LOOK)
            since = self.now()
        lease.hold(self._free)
        return since

    def _wait_for_turn(
        self,
        exchange: "Exchange",
        signal: "SimpleQueue[None]",
        lease: Lease,
        since: float,
        writes: float | None,
    ) -> None:
        while True:
            self._read_news()
            now = self.now()
            due = max(self._opens, self._requests.due)
            tokens = 0.0
            if self._tokens is not None and writes is not None:
                tokens = self._tokens.guess(lease.size, writes)
                due = max(due, self._tokens.due(tokens, now))
            if due <= now:
                break
            exchange.rest(signal, due - now)
        start = max(since, now - SLACK)
        self._requests.take(start, 1)
        if self._tokens is not None and writes is not None:
            lease.spent = self._tokens.take(start, now, tokens, writes)

    def _read_news(self) -> None:
        while self._news:
            self._news.popleft()()

    def _wake(self) -> None:
        """Let the first in line look again; whoever becomes it later looks by itself."""
        with suppress(IndexError):
            self._waiting[0].put(None)

    # ---- news --------------------------------------------------------------------------------------------------------

    def take_in(self, reading: Reading, at: float) -> None:
        """What the host told of a limit."""
        if reading.reset is not None:
            self._close(at, reading.reset)
        if reading.limit is not None and reading.kind == "requests":
            self._requests.lower(reading.limit)
        elif reading.limit is not None and self._tokens is not None:
            self._tokens.pace.lower(reading.limit)

    def refused(self, seconds: float | None, at: float) -> None:
        """A 429, which asks to wait so long; where it does not tell, longer each time."""
        if seconds is not None:
            self._close(at, seconds)
        elif self._opens <= at:
            self._close(at, 2.0 ** min(self.silent, 6))
            self.silent += 1

    def succeeded(self) -> None:
        """The host answered."""
        self.silent = 0

    def settle(self, lease: Lease, usage: "Usage | None", at: float) -> None:
        """The call took so many tokens, whatever was set aside for it."""
        assert self._tokens is not None  # noqa: S101 - else none were set aside
        assert lease.spent is not None  # noqa: S101
        self._tokens.settle(lease.size, lease.spent, usage, at)

    def _close(self, at: float, seconds: float) -> None:
        """Nobody goes for so long, from then on."""
        self._opens = max(self._opens, at + min(seconds, LONGEST_PAUSE))
