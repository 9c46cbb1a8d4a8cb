import gc
import math
import pickle
import sys
import threading

import pytest

from llmkit.deadlines import Deadlines, Timeout
from llmkit.errors import (
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    OverloadedError,
    RateLimitError,
)
from llmkit.retry import Attempts, Quota, retry_after

NOW = 1_700_000_000.0
HINTS = {
    "none": ({}, None),
    "seconds": ({"retry-after": "7"}, 7),
    "float": ({"Retry-After": "0.25"}, 0.25),
    "float without a zero": ({"Retry-After": ".5"}, 0.5),
    "milliseconds": ({"Retry-After-Ms": "1500", "retry-after": "9"}, 1.5),
    "milliseconds of 0 are no hint": ({"retry-after": "1", "retry-after-ms": "0"}, 1),
    "date": ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30),
    "date, old form": ({"retry-after": "Tuesday, 14-Nov-23 22:13:50 GMT"}, 30),
    "date without a zone": ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30),
    "date that is past": ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, None),
    "no date": ({"retry-after": "Tue, 99 Nov 2023 22:13:10 GMT"}, None),
    "zero": ({"retry-after": "0"}, None),
    "negative": ({"retry-after": "-5"}, None),
    "nan": ({"retry-after": "nan"}, None),
    "inf": ({"retry-after": "inf", "retry-after-ms": "Infinity"}, None),
    "overflow": ({"retry-after": "9" * 310}, None),
    "huge": ({"retry-after": "9" * 5000}, None),
    "words": ({"retry-after": "soon"}, None),
    "list": ({"retry-after": "1, 2"}, None),
    "underscore": ({"retry-after": "1_0"}, None),
    "other digits": ({"retry-after": "١"}, None),
    "empty": ({"retry-after": "", "retry-after-ms": " "}, None),
    "spaces": ({"retry-after": " 3 "}, 3),
    "long": ({"retry-after": "86400"}, 86400),
}


@pytest.mark.parametrize(("headers", "expected"), HINTS.values(), ids=HINTS.keys())
def test_retry_after(headers, expected):
    found = retry_after(headers, now=lambda: NOW)
    assert found == expected
    assert found is None or math.isfinite(found)


class World:
    """What sleeps are asked for, and what each try does."""

    def __init__(self, *outcomes, max_retries=2, quota=None, timeout=None, chance=1.0):
        self.outcomes = list(outcomes)
        self.slept = []
        self.now = 0.0
        self.quota = quota or Quota(clock=lambda: 0.0)
        deadlines = Deadlines(timeout, clock=lambda: self.now)
        self.attempts = Attempts(max_retries, self.quota, deadlines, sleep=self.sleep, random=lambda: chance)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def once(self):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def run(self):
        return self.attempts.run(self.once)


def overloaded(after=None):
    return OverloadedError("too much to do\nsecond line", retryable=True, retry_after=after, status=529)


RUNS = {
    "at once": (["fine"], [], "fine", 1),
    "one retry": ([overloaded(), "fine"], [0.5], "fine", 2),
    "two retries": ([overloaded(), overloaded(), "fine"], [0.5, 1.0], "fine", 3),
    "no more": ([overloaded(), overloaded(), overloaded()], [0.5, 1.0], OverloadedError, 3),
    "as the provider asks": ([overloaded(7.5), overloaded(60), "fine"], [7.5, 60], "fine", 3),
    "longer than is waited": ([overloaded(60.1)], [], OverloadedError, 1),
    "not retryable": ([BadRequestError("no")], [], BadRequestError, 1),
    "not retryable after a retry": ([overloaded(), BadRequestError("no")], [0.5], BadRequestError, 2),
    "connect is retried": ([DeadlineError(which="connect"), "fine"], [0.5], "fine", 2),
    "first is not": ([DeadlineError(which="first")], [], DeadlineError, 1),
    "idle is not": ([DeadlineError(which="idle")], [], DeadlineError, 1),
    "total is not": ([DeadlineError(which="total")], [], DeadlineError, 1),
    "lost connection": ([ConnectionFailedError("lost"), "fine"], [0.5], "fine", 2),
    "nothing was sent": ([ConfigurationError("no")], [], ConfigurationError, 0),
    "not ours": ([ZeroDivisionError()], [], ZeroDivisionError, None),
    "not ours after a retry": ([overloaded(), ZeroDivisionError()], [0.5], ZeroDivisionError, None),
}


@pytest.mark.parametrize(("outcomes", "slept", "expected", "made"), RUNS.values(), ids=RUNS.keys())
def test_run(outcomes, slept, expected, made):
    world = World(*outcomes)
    if isinstance(expected, str):
        assert world.run() == expected
        assert world.attempts.made == made
    else:
        with pytest.raises(expected) as caught:
            world.run()
        assert getattr(caught.value, "attempts", None) == made
    assert world.slept == slept


def test_backoff_grows_to_8_seconds_with_full_jitter():
    world = World(*[overloaded() for _ in range(8)], max_retries=7)
    with pytest.raises(OverloadedError):
        world.run()
    assert world.slept == [0.5, 1, 2, 4, 8, 8, 8]
    world = World(*[overloaded() for _ in range(4)], max_retries=3, chance=0.25)
    with pytest.raises(OverloadedError):
        world.run()
    assert world.slept == [0.125, 0.25, 0.5]


def test_many_retries():
    world = World(*[overloaded(0.01) for _ in range(5000)], "fine", max_retries=10_000, quota=Quota(10_000))
    assert world.run() == "fine"
    assert world.attempts.made == 5001


def test_the_backoff_of_many_retries():
    """Two to the power of them is more than a number holds."""
    world = World(*[overloaded() for _ in range(1500)], "fine", max_retries=10_000, quota=Quota(10_000))
    assert world.run() == "fine"
    assert world.slept[4:] == [8] * 1496


def test_no_retries():
    world = World(overloaded(), max_retries=0)
    with pytest.raises(OverloadedError) as caught:
        world.run()
    assert (caught.value.attempts, world.slept) == (1, [])


@pytest.mark.parametrize("timeout", [5, Timeout(total=5)], ids=["float", "total"])
def test_a_wait_beyond_the_deadline_is_not_begun(timeout):
    world = World(overloaded(3), overloaded(3), timeout=timeout)
    with pytest.raises(OverloadedError) as caught:
        world.run()
    assert world.slept == [3]
    assert caught.value.attempts == 2


def test_notes_tell_of_earlier_attempts():
    world = World(overloaded(), ConnectionFailedError("x" * 1000), RateLimitError("slow down", retryable=True))
    with pytest.raises(RateLimitError) as caught:
        world.run()
    notes = ["attempt 1: OverloadedError: too much to do", f"attempt 2: ConnectionFailedError: {'x' * 200}"]
    assert caught.value.__notes__ == notes
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.__notes__, again.attempts) == (notes, 3)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_an_error_that_was_not_retried_has_no_notes():
    with pytest.raises(BadRequestError) as caught:
        World(BadRequestError("no")).run()
    assert not hasattr(caught.value, "__notes__")


def test_going_on_after_a_later_failure():
    """Of a stream, before its first event: with the same count."""
    world = World("opened", overloaded(), "opened again")
    assert world.run() == "opened"
    assert world.attempts.again(IncompleteStreamError("cut"), world.once) == "opened again"
    assert (world.attempts.made, world.slept) == (3, [0.5, 1.0])
    late = IncompleteStreamError("cut again")
    with pytest.raises(IncompleteStreamError) as caught:
        world.attempts.again(late, world.once)
    assert caught.value is late
    assert late.attempts == 3
    assert len(late.__notes__) == 2


def test_the_quota_stops_an_outage():
    quota = Quota(5, clock=lambda: 0.0)
    tries = 0
    for _ in range(20):
        world = World(*[overloaded() for _ in range(3)], quota=quota)
        with pytest.raises(OverloadedError):
            world.run()
        tries += world.attempts.made
    assert tries == 25
    assert World("fine", quota=quota).run() == "fine"
    assert World(overloaded(), "fine", quota=quota).run() == "fine"


def test_quota():
    now = 0.0
    quota = Quota(2, per_second=0.5, clock=lambda: now)
    assert [quota.take() for _ in range(3)] == [True, True, False]
    quota.give_back()
    assert [quota.take() for _ in range(2)] == [True, False]
    now += 1.9
    assert not quota.take()
    now += 0.1
    assert [quota.take() for _ in range(2)] == [True, False]
    now += 1e6
    assert [quota.take() for _ in range(3)] == [True, True, False]
    for _ in range(5):
        quota.give_back()
    assert [quota.take() for _ in range(3)] == [True, True, False]


def test_quota_among_threads():
    quota, taken = Quota(1000, clock=lambda: 0.0), []

    def take():
        while quota.take():
            taken.append(1)

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1000


def test_tenacity_is_imported_after_a_failure(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "tenacity"]:
        monkeypatch.delitem(sys.modules, name)
    assert World("fine").run() == "fine"
    with pytest.raises(BadRequestError):
        World(BadRequestError("no")).run()
    assert "tenacity" not in sys.modules
    assert World(overloaded(), "fine").run() == "fine"
    assert "tenacity" in sys.modules


def test_nothing_is_left_behind():
    """No reference cycle keeps what a failed try held, such as a prompt of megabytes."""

    class Held:
        pass

    def once():
        held = Held()  # noqa: F841
        raise BadRequestError("no")

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(BadRequestError):
            World().attempts.run(once)
        assert not [item for item in gc.get_objects() if type(item) is Held]
    finally:
        gc.enable()
