"""Calls are paced right: against a host that counts strictly over a sliding minute, with a clock of the test's own."""

import gc
import heapq
import os
import random
from collections import deque

import pytest
from attrs import define, field

from llmkit import DeadlineError, QuotaExceededError, RateLimit, RateLimitError, ServerError, Usage
from llmkit.limits import LONGEST_PAUSE, Lease, Line, size_of
from llmkit.published import Reading, readings
from llmkit.wire.base import Call

LATENCY = 2.0  # seconds in which the host answers, after it has counted


@define
class World:
    """A clock, and what happens when."""

    now: float = 1000.0
    late: float = 0.0  # seconds by which whoever sleeps wakes up too late, at most
    chance: random.Random = field(factory=lambda: random.Random(7))
    _events: list = field(factory=list)

    def clock(self):
        return self.now

    def later(self, seconds, event):
        heapq.heappush(self._events, (self.now + seconds, len(self._events), event))

    def sleep(self, seconds):
        """Until then, or until something has happened."""
        end = None if seconds is None else self.now + seconds + self.chance.random() * self.late
        if self._events and (end is None or self._events[0][0] <= end):
            at, _, event = heapq.heappop(self._events)
            self.now = max(self.now, at)
            event()
            return
        assert end is not None, "it would wait for ever"
        self.now = end

    def run_out(self):
        while self._events:
            self.sleep(None)


@define
class Exchange:
    """What a line asks of an exchange."""

    world: World
    on_end: object = None

    def rest(self, _, seconds):
        self.world.sleep(seconds)


@define
class Host:
    """It counts strictly: no 60 seconds may have more requests or tokens than these."""

    requests: float = float("inf")
    tokens: float = float("inf")
    refused: int = 0
    _log: deque = field(factory=deque)

    def ask(self, now, tokens):
        while self._log and self._log[0][0] <= now - 60:
            self._log.popleft()
        if len(self._log) + 1 > self.requests or sum(size for _, size in self._log) + tokens > self.tokens:
            self.refused += 1
        self._log.append((now, tokens))


def asked(world, line, host, sizes):
    """Ask one after the other as soon as the line lets; the moment of each."""
    moments = []
    for read, written in sizes:
        lease = line.admit(Exchange(world), read, float(written))
        moments.append(world.now)
        host.ask(world.now, read + written)
        usage = Usage(read, written, raw={})

        def answer(lease=lease, usage=usage):
            lease.end()
            lease.settle(usage)

        world.later(LATENCY, answer)
    world.run_out()
    return moments


def mixed(count):
    chance = random.Random(3)
    return [(chance.choice((50, 400, 3000, 9000)), chance.randrange(1, 900)) for _ in range(count)]


# The limit; what each call reads and writes; how many a minute a host that counts strictly could let in.
STRICT = {
    "requests": (RateLimit(50), [(10, 10)] * 160, 50),
    "few requests": (RateLimit(3), [(10, 10)] * 12, 3),
    "many requests": (RateLimit(1200), [(10, 10)] * 3000, 1200),
    "tokens in small calls": (RateLimit(tokens_per_minute=100_000), [(300, 200)] * 700, 200),
    "tokens in calls of a fifth of the minute": (RateLimit(tokens_per_minute=100_000), [(15_000, 5_000)] * 16, 5),
    "tokens in calls that do not divide the minute": (RateLimit(tokens_per_minute=100_000), [(9_000, 200)] * 33, 10),
    "both, requests being fewer": (RateLimit(60, 1_000_000), [(300, 200)] * 180, 60),
    "both, tokens being fewer": (RateLimit(1000, 100_000), [(600, 400)] * 320, 100),
    "tokens in calls of many sizes": (RateLimit(tokens_per_minute=200_000), mixed(400), None),
}


@pytest.mark.parametrize("late", [0.0, 0.025], ids=["on time", "waking up late"])
@pytest.mark.parametrize(("limit", "sizes", "most"), STRICT.values(), ids=STRICT.keys())
def test_no_refusal_and_nearly_all_that_is_allowed(limit, sizes, most, late):
    world = World(late=late)
    line = Line(limit, world.clock)
    host = Host(limit.requests_per_minute or float("inf"), limit.tokens_per_minute or float("inf"))
    moments = asked(world, line, host, sizes)
    assert host.refused == 0
    minutes = (moments[-1] - moments[0]) / 60
    if most is None:
        assert sum(map(sum, sizes[:-1])) / minutes >= 0.95 * limit.tokens_per_minute
    else:
        assert (len(sizes) - 1) / minutes >= 0.95 * most


def test_one_that_is_larger_than_the_minute_goes_when_all_others_have_left_it():
    world = World()
    line = Line(RateLimit(tokens_per_minute=1000), world.clock)
    first, large, after = asked(world, line, Host(), [(50, 50), (4000, 1000), (50, 50)])
    assert 60 <= large - first < 62
    assert after - large >= 300


def test_an_idle_host_is_asked_at_once_and_not_in_a_burst_afterwards():
    world = World()
    line = Line(RateLimit(60), world.clock)
    line.admit(Exchange(world), 0, None)
    assert world.now == 1000.0
    world.now += 500
    moments = []
    for _ in range(4):
        line.admit(Exchange(world), 0, None)
        moments.append(world.now)
    assert moments == pytest.approx([1500, 1501.02, 1502.04, 1503.06])


def test_what_was_set_aside_and_not_used_is_given_back():
    world = World()
    line = Line(RateLimit(tokens_per_minute=6000), world.clock)
    lease = line.admit(Exchange(world), 0, 6000.0)  # a minute's
    lease.settle(Usage(0, 60, raw={}))
    line.admit(Exchange(world), 0, 60.0)
    assert world.now - 1000 == pytest.approx(0.6, abs=0.05)


def test_what_was_used_and_not_set_aside_is_made_up_for():
    world = World()
    line = Line(RateLimit(tokens_per_minute=6000), world.clock)
    line.admit(Exchange(world), 0, 60.0).settle(Usage(0, 3000, raw={}))
    line.admit(Exchange(world), 0, 60.0)
    assert world.now - 1000 == pytest.approx(30.6, abs=0.1)


def test_what_an_answer_took_too_long_ago_to_be_paced_is_made_up_for_from_its_end_on():
    world = World()
    line = Line(RateLimit(tokens_per_minute=6000), world.clock)
    lease = line.admit(Exchange(world), 0, 60.0)
    world.now += 100  # it is being written
    lease.settle(Usage(0, 3060, raw={}))
    line.admit(Exchange(world), 0, 4000.0)  # which does not fit into the minute of those
    assert world.now == pytest.approx(1000 + 100 + 60.6)


def test_what_is_given_back_late_is_no_credit_for_the_minute():
    world = World()
    line = Line(RateLimit(tokens_per_minute=6000), world.clock)
    lease = line.admit(Exchange(world), 0, 6000.0)
    world.now += 100
    line.admit(Exchange(world), 0, 1.0)
    lease.settle(None)
    pauses = [opens_after_writing(line, world, 2500.0) for _ in range(3)]
    assert pauses == pytest.approx([0, 25.5, 60.6 - 25.5], abs=0.1)  # for the third the minute is too full


def opens_after_writing(line, world, tokens):
    before = world.now
    line.admit(Exchange(world), 0, tokens)
    return world.now - before


# What became of a call for which a minute's tokens were set aside; whether they are given back.
ENDS = {
    "refused by the host": (lambda lease: lease.failed(ServerError("x", status=500)), True),
    "no call of a model": (lambda lease: lease.settle(None), True),
    "lost": (lambda lease: lease.failed(DeadlineError("x")), False),
    "answered by a host that tells of no usage": (lambda lease: lease.settle(Usage()), False),
}


@pytest.mark.parametrize(("end", "free"), ENDS.values(), ids=ENDS.keys())
def test_tokens_of_what_came_to_nothing(end, free):
    world = World()
    line = Line(RateLimit(tokens_per_minute=6000), world.clock)
    end(line.admit(Exchange(world), 0, 6000.0))
    line.admit(Exchange(world), 0, 1.0)
    assert (world.now - 1000 < 1) is free


def test_guesses_follow_what_answers_take():
    world = World()
    line = Line(RateLimit(tokens_per_minute=600_000), world.clock)
    asked(world, line, Host(), [(1000, 2000)] * 80)
    lease = line.admit(Exchange(world), 500, float("inf"))  # of which the host counts as many as were guessed
    assert lease.spent.tokens == pytest.approx(2500, rel=0.01)
    world.run_out()
    assert line.admit(Exchange(world), 500, 100.0).spent.tokens == pytest.approx(600, rel=0.01)


# ---- the gate --------------------------------------------------------------------------------------------------------


def refused(line, world, **details):
    line.admit(Exchange(world), 0, None).failed(RateLimitError("x", status=429, **details))


def opens_after(line, world):
    before = world.now
    line.admit(Exchange(world), 0, None)
    return world.now - before


def test_several_refusals_of_a_moment_do_not_add_up():
    world = World()
    line = Line(RateLimit(), world.clock)
    leases = [line.admit(Exchange(world), 0, None) for _ in range(8)]
    for lease in leases:
        lease.failed(RateLimitError("x", status=429, retry_after=5.0))
        world.now += 0.01
    assert opens_after(line, world) == pytest.approx(5.0 - 0.01)  # from the last on
    assert opens_after(line, world) == 0


def left(count):
    return {"x-ratelimit-remaining-requests": str(count), "x-ratelimit-reset-requests": "9s"}


# What was told of; for how long nobody asks.
GATES = {
    "a 429 that tells how long": (lambda lease: lease.failed(RateLimitError("x", retry_after=7.0)), 7),
    "one that asks for too long": (lambda lease: lease.failed(RateLimitError("x", retry_after=900.0)), LONGEST_PAUSE),
    "one that does not tell": (lambda lease: lease.failed(RateLimitError("x")), 1),
    "a quota that is used up": (lambda lease: lease.failed(QuotaExceededError("x", retry_after=7.0)), 0),
    "another error": (lambda lease: lease.failed(ServerError("x", retry_after=7.0)), 0),
    "nothing left": (lambda lease: lease.heard(left(0)), 9),
    "something left": (lambda lease: lease.heard(left(1)), 0),
}


@pytest.mark.parametrize(("tell", "seconds"), GATES.values(), ids=GATES.keys())
def test_the_gate(tell, seconds):
    world = World()
    line = Line(RateLimit(), world.clock)
    tell(line.admit(Exchange(world), 0, None))
    assert opens_after(line, world) == pytest.approx(seconds)


def test_a_host_that_does_not_tell_how_long_is_left_alone_for_longer_each_time():
    world = World()
    line = Line(RateLimit(), world.clock)
    pauses = []
    for _ in range(4):
        refused(line, world)
        pauses.append(opens_after(line, world))
    assert pauses == pytest.approx([1, 2, 4, 8])
    line.admit(Exchange(world), 0, None).settle(None)
    refused(line, world)
    assert opens_after(line, world) == pytest.approx(1)


def test_pauses_count_from_when_they_were_told_of():
    world = World()
    line = Line(RateLimit(), world.clock)
    for tell in (GATES["a 429 that tells how long"][0], GATES["nothing left"][0]):
        tell(line.admit(Exchange(world), 0, None))
        world.now += 6  # nobody asks meanwhile
    assert opens_after(line, world) == pytest.approx(3)


def test_a_host_that_never_tells_how_long():
    world = World()
    line = Line(RateLimit(), world.clock)
    for _ in range(2000):
        refused(line, world)
        pause = opens_after(line, world)
    assert pause == LONGEST_PAUSE


def test_after_the_gate_calls_are_paced_as_before():
    world = World()
    line = Line(RateLimit(60), world.clock)
    refused(line, world, retry_after=10.0)
    moments = [opens_after(line, world) for _ in range(3)]
    assert moments == pytest.approx([10, 1.02, 1.02], abs=0.05)


# What the host tells of its limit; seconds between calls, of which 60 a minute were asked for.
PUBLISHED = {
    "a lower one": ({"x-ratelimit-limit-requests": "30"}, 2.04),
    "a lower one, in the other names": ({"anthropic-ratelimit-requests-limit": "6"}, 10.2),
    "a higher one": ({"x-ratelimit-limit-requests": "6000"}, 1.02),
    "of tokens, which nobody asked to pace": ({"x-ratelimit-limit-tokens": "1"}, 1.02),
    "none that is one": ({"x-ratelimit-limit-requests": "0", "anthropic-ratelimit-requests-limit": "many"}, 1.02),
}


@pytest.mark.parametrize(("headers", "seconds"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_a_limit_that_the_host_tells_of_lowers_ours_and_never_raises_it(headers, seconds):
    world = World()
    line = Line(RateLimit(60), world.clock)
    line.admit(Exchange(world), 0, None).heard(headers)
    opens_after(line, world)
    assert opens_after(line, world) == pytest.approx(seconds)


def test_a_number_that_was_left_out_is_not_filled_in():
    world = World()
    line = Line(RateLimit(), world.clock)
    line.admit(Exchange(world), 0, None).heard({"x-ratelimit-limit-requests": "1", "x-ratelimit-limit-tokens": "1"})
    line.admit(Exchange(world), 1000, 1000.0)
    assert opens_after(line, world) == 0


def test_the_last_that_it_tells_holds():
    world = World()
    line = Line(RateLimit(60, 60_000), world.clock)
    line.admit(Exchange(world), 0, None).heard({"x-ratelimit-limit-requests": "10", "x-ratelimit-limit-tokens": "100"})
    line.admit(Exchange(world), 0, None).heard({"x-ratelimit-limit-requests": "40"})
    opens_after(line, world)
    assert opens_after(line, world) == pytest.approx(1.53)


NOON = 1_785_672_000.0  # 2026-08-02T12:00:00Z
# Headers; what they tell.
HEADERS = {
    "nothing": ({}, []),
    "the first family": (
        {
            "x-ratelimit-limit-requests": "120",
            "x-ratelimit-remaining-requests": "119",
            "x-ratelimit-reset-requests": "500ms",
            "x-ratelimit-limit-tokens": "120000",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        [Reading("requests", 120, None), Reading("tokens", 120_000, 360.0)],
    ),
    "the second family": (
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-08-02T12:00:30Z",
            "anthropic-ratelimit-output-tokens-limit": "8000",
            "anthropic-ratelimit-output-tokens-remaining": "0",
            "anthropic-ratelimit-output-tokens-reset": "2026-08-02T13:00:10+01:00",
        },
        [Reading("requests", 50, 30.0), Reading("tokens", None, 10.0)],
    ),
    "blanks around": ({"x-ratelimit-limit-requests": " 7 "}, [Reading("requests", 7, None)]),
}


@pytest.mark.parametrize(("headers", "expected"), HEADERS.values(), ids=HEADERS.keys())
def test_what_headers_tell(headers, expected):
    assert list(readings(headers, now=lambda: NOON)) == expected


# What stands in a header; seconds until then.
RESETS = {
    "1s": 1.0,
    "17ms": 0.017,
    "6m0s": 360.0,
    "1h2m3.5s": 3723.5,
    "7.66s": 7.66,
    "250µs": 0.00025,
    "500": 0.5,  # recorded where all of 120 a minute but one were left
    "2026-08-02T12:01:00Z": 60.0,
    "2026-08-02T12:01:00": 60.0,
    "2026-08-02T11:00:00Z": None,
    "0s": None,
    "0": None,
    "-5s": None,
    "soon": None,
    "": None,
    "1s!": None,
    "Sun, 02 Aug 2026 12:01:00 GMT": None,
}


@pytest.mark.parametrize(("text", "seconds"), RESETS.items(), ids=RESETS.keys())
def test_resets(text, seconds):
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    (found,) = readings(headers, now=lambda: NOON)
    assert found.reset == (None if seconds is None else pytest.approx(seconds))


# A call; tokens that its prompt is taken to have.
SIZES = {
    "no body": (Call("/models"), 0),
    "not to a model": (Call("/x", b"x" * 400), 0),
    "text": (Call("/x", b"x y z " * 400, writes=1), 600),
    "text in one word": (Call("/x", b'{"text": "' + b"Donaudampfschiff" * 50 + b'"}', writes=1), 203),
    "a picture": (Call("/x", b"x y " * 100 + b'"' + b"aB3/" * 100_000 + b'=="', writes=0), 1100.5),
}


@pytest.mark.parametrize(("call", "tokens"), SIZES.values(), ids=SIZES.keys())
def test_sizes(call, tokens):
    assert size_of(call) == tokens


def test_a_line_is_of_one_process():
    limit = RateLimit(60)
    limit._lines[-1] = parent = Line(limit)  # as a fork finds it
    assert limit._line is not parent
    assert list(limit._lines) == [os.getpid()]


def test_the_place_of_a_call_that_nobody_has_any_more():
    line = Line(RateLimit(concurrent=1))
    lease = Lease(line, 0.0)
    lease.hold(line._free)
    assert not line._free
    del lease
    gc.collect()
    assert len(line._free) == 1


def test_a_place_is_given_back_once():
    line = Line(RateLimit(concurrent=1))
    lease = Lease(line, 0.0)
    lease.hold(line._free)
    lease.end()
    lease.end()
    assert len(line._free) == 1
