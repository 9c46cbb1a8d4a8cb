"""The four time limits of a call. No I/O; the clock is an argument.

A limit is checked before each operation that may block, which then gets what is left as its own timeout.
So a server that drips a byte now and then is noticed at the next byte, and one that is silent by the socket.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from llmkit.errors import ConfigurationError, DeadlineError, DeadlineName

DEFAULT_IDLE = 120  # seconds
LINGER_IDLE = 2.0  # seconds without a byte after which an answer that is whole has ended, whatever its connection does
LINGER_MOST = 10.0  # and with bytes that say nothing
LONGEST = 2_000_000.0  # seconds that every platform's poll() takes; 23 days

_MEANING: dict[DeadlineName, str] = {
    "connect": "no connection within {} s ({}): check the address, the network and the proxy, or allow more time",
    "first": "nothing usable came for {} s ({}): allow more time, or ask for less",
    "idle": "no byte for {} s ({}): the provider or the network is stalled; try again, or allow more time",
    "total": "the answer was not there after {} s ({}): allow more time, or ask for less",
}


def _checked(name: str, value: object) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < value <= sys.float_info.max):  # type: ignore[operator]
        raise ConfigurationError(f"{name} must be a number of seconds above 0, or None for no limit; got {value!r:.50}")
    return value  # type: ignore[return-value]


def _seconds(_: object, attribute: Any, value: object) -> None:
    _checked(f"Timeout.{attribute.name}", value)


@frozen
class Timeout:
    """How long each part of a call may take, in seconds; None is no limit.

    Attributes:
        connect: To connect: name look-up, TCP, proxy and TLS; for each connection that is tried.
        first: Without anything usable: until a stream's first event or the whole body, and any stretch of
            a stream without an event, be it silent or full of bytes (pings, comments, a dripped event); for each try.
        idle: Without a byte. The default counts from the answer's first byte on, as models think in silence for
            minutes before it; any other value counts from when the request was sent. Also while it is being sent.
        total: The whole call, retries and waits included, and what the consumer of a stream does in between.
    """

    connect: float | None = field(default=10, validator=_seconds)
    first: float | None = field(default=600, validator=_seconds)
    idle: float | None = field(default=DEFAULT_IDLE, validator=_seconds)
    total: float | None = field(default=None, validator=_seconds)


NO_TIMEOUT = Timeout(connect=None, first=None, idle=None, total=None)


class Deadlines:
    """The time limits of one call, over all its attempts and waits. Starts when it is made; for one thread at a time.

    A float bounds how long the caller is blocked at a time, see `block`; a `Timeout` has limits of several kinds.
    """

    def __init__(self, timeout: float | Timeout | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._blocked = None if isinstance(timeout, Timeout) else _checked("timeout", timeout)
        if isinstance(timeout, Timeout):
            self._limits = timeout
        else:
            self._limits = NO_TIMEOUT if timeout is None else Timeout(first=None, idle=None)
        self._ends: dict[DeadlineName, float] = {}
        self._nearest: DeadlineName = "total"
        if self._limits.total is not None:
            self._ends["total"] = clock() + self._limits.total
        self.block()

    @property
    def bounded(self) -> bool:
        """Whether there is an end that no byte and no event puts off."""
        return "total" in self._ends

    @property
    def impatient(self) -> bool:
        """Whether `Timeout.idle` counts before the answer's first byte, too."""
        return self._limits.idle != DEFAULT_IDLE

    def block(self) -> None:
        """The caller starts to be blocked: the float limit and `first` start again, `total` does not."""
        if self._blocked is not None:
            self._ends["total"] = self._clock() + self._blocked
        self.progress()

    def progress(self) -> None:
        """An event arrived, or another try begins: `first` starts again."""
        if self._limits.first is not None:
            self._ends["first"] = self._clock() + self._limits.first

    def connecting(self) -> None:
        """A connection is being made: `connect` starts."""
        if self._limits.connect is not None:
            self._ends["connect"] = self._clock() + self._limits.connect

    def connected(self) -> None:
        """The connection is there, or given up: `connect` no longer counts."""
        self._ends.pop("connect", None)

    def left(self, *, idle: bool = False) -> float | None:
        """Seconds that the next operation may block; None for ever. Never 0 or less.

        Args:
            idle: Whether it moves bytes, so that `Timeout.idle` bounds it too.

        Raises:
            DeadlineError: A limit has passed.
        """
        now, ends = self._clock(), self._ends
        end = math.inf
        if ends:
            self._nearest = min(ends, key=ends.__getitem__)
            end = ends[self._nearest]
        if end <= now:
            raise self.expired()
        if idle and self._limits.idle is not None and now + self._limits.idle < end:
            self._nearest, end = "idle", now + self._limits.idle
        return None if end == math.inf else min(end - now, LONGEST)

    def spare(self) -> float | None:
        """Seconds that the call may wait before it is sent, for which `total` alone counts; None for ever.

        Raises:
            DeadlineError: There are none.
        """
        end = self._ends.get("total")
        if end is None:
            return None
        left = end - self._clock()
        if left <= 0:
            self._nearest = "total"
            raise self.expired()
        return min(left, LONGEST)

    def expired(self) -> DeadlineError:
        """The error for the limit that `left` reckoned with last."""
        which = self._nearest
        if which == "total" and self._blocked is not None:
            seconds, name = self._blocked, "timeout"
        else:
            seconds, name = getattr(self._limits, which), f"Timeout.{which}"
        return DeadlineError(_MEANING[which].format(f"{seconds:g}", name), which=which, seconds=float(seconds))

    def allows(self, seconds: float) -> bool:
        """Whether a wait of so many seconds ends before the call must."""
        end = self._ends.get("total")
        return end is None or self._clock() + seconds < end

    def within(self, seconds: float) -> "Deadlines":
        """Limits of at most so many seconds from now, within these.

        Raises:
            DeadlineError: One of these has passed already.
        """
        left = self.left()
        return Deadlines(seconds if left is None else min(seconds, left), clock=self._clock)


class Lingering:
    """The time for what may follow an answer that is whole, as its usage may. What the consumer does counts nothing."""

    def __init__(self, deadlines: Deadlines, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadlines = deadlines
        self._clock = clock
        self._left = LINGER_MOST
        self._began = 0.0

    def begin(self) -> Deadlines:
        """The limits of the next read.

        Raises:
            DeadlineError: The time is over.
        """
        self._began = self._clock()
        if self._left <= 0:
            raise self._deadlines.expired()
        return self._deadlines.within(min(LINGER_IDLE, self._left))

    def end(self) -> None:
        """It has ended."""
        self._left -= self._clock() - self._began
