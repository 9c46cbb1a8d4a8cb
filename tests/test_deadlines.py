import math
import pickle

import pytest

from llmkit.deadlines import LINGER_IDLE, LINGER_MOST, LONGEST, Deadlines, Lingering, Timeout
from llmkit.errors import ConfigurationError, DeadlineError

NEVER = Timeout(connect=None, first=None, idle=None, total=None)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_defaults():
    assert Timeout() == Timeout(connect=10, first=600, idle=120, total=None)


@pytest.mark.parametrize("field", ["connect", "first", "idle", "total"])
@pytest.mark.parametrize(
    "value",
    [0, -1, -0.0, math.nan, math.inf, -math.inf, True, "10", (1, 2)],
    ids=["0", "negative", "-0.0", "nan", "inf", "-inf", "bool", "str", "tuple"],
)
def test_refused(field, value):
    with pytest.raises(ConfigurationError, match=rf"Timeout\.{field} must be a number of seconds"):
        Timeout(**{field: value})


@pytest.mark.parametrize("value", [0, -1.5, math.nan, math.inf, False, "1", 10**400], ids=lambda value: repr(value)[:8])
def test_a_float_is_checked_too(value):
    with pytest.raises(ConfigurationError, match="timeout must be"):
        Deadlines(value)


# What is set, what happens (a number passes time), and what is left for an operation that moves bytes.
LEFT = {
    "no limit": (None, [], None),
    "no limits": (NEVER, ["connecting"], None),
    "float": (30, [], 30),
    "float, later": (30, [10], 20),
    "float, blocked again": (30, [10, "block"], 30),
    "float is not put off by events": (30, [10, "progress"], 20),
    "float and its connect": (30, ["connecting"], 10),
    "small float and its connect": (3, ["connecting"], 3),
    "float has no idle": (3000, [], 3000),
    "first": (Timeout(first=50), [20], 30),
    "first after an event": (Timeout(first=50), [20, "progress"], 50),
    "first, blocked again": (Timeout(first=50), [20, "block"], 50),
    "idle": (Timeout(), [20], 120),
    "total": (Timeout(total=100), [20], 80),
    "total is not put off": (Timeout(total=100), [20, "progress", "block", "connecting", "connected"], 80),
    "connect": (Timeout(), ["connecting", 4], 6),
    "connect again": (Timeout(), ["connecting", 4, "connecting"], 10),
    "connected": (Timeout(), ["connecting", 4, "connected", 50], 120),
    "connected without connecting": (Timeout(), ["connected"], 120),
    "more than a socket takes": (1e12, [], LONGEST),
}


def play(deadlines, clock, steps):
    for step in steps:
        if isinstance(step, str):
            getattr(deadlines, step)()
        else:
            clock.now += step


@pytest.mark.parametrize(("timeout", "steps", "expected"), LEFT.values(), ids=LEFT.keys())
def test_left(clock, timeout, steps, expected):
    deadlines = Deadlines(timeout, clock=clock)
    play(deadlines, clock, steps)
    assert deadlines.left(idle=True) == expected


PASSED = {
    "float": (30, [30], "total", 30, "timeout"),
    "first": (Timeout(first=50), [51], "first", 50, "Timeout.first"),
    "total": (Timeout(total=5), [6], "total", 5, "Timeout.total"),
    "connect": (Timeout(), ["connecting", 10], "connect", 10, "Timeout.connect"),
    "the earliest of them": (Timeout(connect=3, first=2, total=1), ["connecting", 9], "total", 1, "Timeout.total"),
}


@pytest.mark.parametrize(("timeout", "steps", "which", "seconds", "name"), PASSED.values(), ids=PASSED.keys())
def test_passed(clock, timeout, steps, which, seconds, name):
    deadlines = Deadlines(timeout, clock=clock)
    play(deadlines, clock, steps)
    with pytest.raises(DeadlineError) as caught:
        deadlines.left()
    error = caught.value
    assert (error.which, error.seconds) == (which, seconds)
    assert f"{seconds} s ({name})" in str(error)
    assert "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.which, again.seconds, str(again)) == (which, seconds, str(error))


EXPIRED = {
    "idle": (Timeout(), True, "idle"),
    "first before idle": (Timeout(first=100), True, "first"),
    "no byte expected": (Timeout(), False, "first"),
    "float": (5, True, "total"),
}


@pytest.mark.parametrize(("timeout", "idle", "which"), EXPIRED.values(), ids=EXPIRED.keys())
def test_expired(clock, timeout, idle, which):
    """The limit that `left` reckoned with is the one that passed."""
    deadlines = Deadlines(timeout, clock=clock)
    deadlines.left(idle=idle)
    assert deadlines.expired().which == which


def test_the_consumers_time_counts_for_total_only(clock):
    deadlines = Deadlines(Timeout(first=10, idle=5, total=1000), clock=clock)
    clock.now += 500
    deadlines.block()
    assert deadlines.left() == 10
    clock.now += 490
    deadlines.block()
    assert deadlines.left() == 10
    clock.now += 9
    deadlines.block()
    assert deadlines.left() == 1


ALLOWS = {
    "no limit": (None, 1e9, True),
    "first is of each try": (Timeout(first=1), 1e9, True),
    "before the total": (Timeout(total=10), 9, True),
    "after the total": (Timeout(total=10), 11, False),
    "at the total": (Timeout(total=10), 10, False),
    "after the float": (10, 11, False),
}


@pytest.mark.parametrize(("timeout", "seconds", "expected"), ALLOWS.values(), ids=ALLOWS.keys())
def test_allows(clock, timeout, seconds, expected):
    assert Deadlines(timeout, clock=clock).allows(seconds) is expected


@pytest.mark.parametrize(
    ("timeout", "expected"), [(None, False), (Timeout(), False), (5, True), (Timeout(total=1), True)]
)
def test_bounded(timeout, expected):
    assert Deadlines(timeout).bounded is expected


def test_within(clock):
    assert Deadlines(None, clock=clock).within(3).left() == 3
    deadlines = Deadlines(2, clock=clock)
    assert deadlines.within(3).left() == 2
    assert deadlines.within(1).left() == 1
    clock.now += 2
    with pytest.raises(DeadlineError):
        deadlines.within(1)


def test_lingering_is_bounded_by_each_read_and_in_all(clock):
    deadlines = Deadlines(Timeout(), clock=clock)
    lingering = Lingering(deadlines, clock=clock)
    for spent in range(int(LINGER_MOST)):
        assert lingering.begin().left(idle=True) == pytest.approx(min(LINGER_IDLE, LINGER_MOST - spent))
        clock.now += 1
        lingering.end()
        clock.now += 100  # the consumer's own time
        deadlines.block()
    with pytest.raises(DeadlineError):
        lingering.begin()


def test_lingering_stays_within_the_calls_own_limits(clock):
    deadlines = Deadlines(1.5, clock=clock)
    lingering = Lingering(deadlines, clock=clock)
    assert lingering.begin().left() == pytest.approx(1.5)
    clock.now += 2
    with pytest.raises(DeadlineError):
        lingering.begin()
