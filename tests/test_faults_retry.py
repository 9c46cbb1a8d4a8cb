"""What is asked for again, how often and after which pause, on every wire, whole and streamed."""

import email.utils
import math
import time

import pytest
from attrs import frozen
from faults.calls import (
    answer,
    asked,
    assert_failed,
    assert_good,
    chunked,
    each_format,
    each_mode,
    says,
)
from faults.formats import CHAT, GEMINI, to_bytes
from faults.limits import SOON
from faults.refusals import AT_ONCE, class_of, is_retryable, outcomes, refusal, told, trouble

from llmkit import (
    BadRequestError,
    OverloadedError,
    RateLimitError,
    Timeout,
)

# ---- what is asked for again, and how often --------------------------------------------------------------------------


MENDABLE = (408, 409, 429, 500, 502, 503, 504, 520, 529, 599)
FINAL = (302, 400, 401, 402, 403, 404, 405, 413, 418, 422, 425, 451, 499)


@each_format
@each_mode
def test_what_another_try_can_mend(form, mode):
    raws = [raw for status in MENDABLE for raw in (refusal(status), answer(form, mode))]
    for outcome in outcomes(raws, form, mode, len(MENDABLE), max_retries=1):
        assert_good(outcome, attempts=2)


@each_format
@each_mode
def test_what_it_cannot(form, mode):
    raws = [refusal(status) for status in FINAL]
    for status, outcome in zip(FINAL, outcomes(raws, form, mode, max_retries=2), strict=True):
        assert_failed(outcome, class_of(status), requests=1, retryable=False)


@each_format
@each_mode
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_as_often_as_was_allowed(form, mode, retries):
    outcome = asked(says(refusal(503)), form, mode, max_retries=retries)
    assert_failed(outcome, OverloadedError, requests=retries + 1)
    assert outcome.connections == 1


SHOULD = {"true": True, " TRUE ": True, "false": False, "False": False, "": None, "1": None, "perhaps": None}


@each_format
@each_mode
@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_what_the_provider_says_of_another_try(form, mode, status):
    """It has the last word, as with the providers' own clients."""
    found = {word: is_retryable(status) if verdict is None else verdict for word, verdict in SHOULD.items()}
    raws = [
        raw
        for word, again in found.items()
        for raw in [refusal(status, f"{AT_ONCE}X-Should-Retry: {word}\r\n")] * (1 + again)
    ]
    for again, outcome in zip(found.values(), outcomes(raws, form, mode, len(found), max_retries=1), strict=True):
        assert_failed(outcome, class_of(status), requests=1 + again, retryable=again)


@each_format
@each_mode
def test_an_error_before_the_first_event(form, mode):
    """With 200, and nothing handed out yet."""
    body = trouble(form, mode)
    busy = told(form, mode, body)
    assert_good(asked(says(busy, answer(form, mode)), form, mode, max_retries=1), attempts=2)
    outcome = asked(says(busy), form, mode, max_retries=1)
    assert_failed(outcome, OverloadedError, requests=2, retryable=True, body=body)
    bad = told(form, mode, form.statuses[400])
    assert_failed(asked(says(bad), form, mode, max_retries=1), BadRequestError, requests=1, status=400)


@each_format
def test_nothing_is_asked_for_again_once_an_event_was_handed_out(form):
    for pieces in (1, 2, 4):
        events = (*form.before, *form.texts[:pieces])
        outcome = asked(says(chunked(*events, form.event(form.trouble, "error"))), form, "streamed", max_retries=2)
        text = "".join(event.text for event in outcome.events)
        assert text
        assert_failed(outcome, OverloadedError, partial=text, requests=1, retryable=True)


# ---- after which pause -----------------------------------------------------------------------------------------------


@frozen
class Hint:
    """A word about the pause.

    Attributes:
        headers: Where it stands.
        seconds: How long it asks to wait; None where it asks for nothing that can be done.
    """

    headers: str
    seconds: float | None


def _date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


SMALL = {
    "seconds": Hint("Retry-After: 0.05\r\n", 0.05),
    "no digit before the point": Hint("Retry-After: .05\r\n", 0.05),
    "zeros": Hint("Retry-After: 0000.0500\r\n", 0.05),
    "blanks": Hint("Retry-After: \t 0.05 \t\r\n", 0.05),
    "milliseconds": Hint("Retry-After-Ms: 50\r\n", 0.05),
    "milliseconds and seconds": Hint("Retry-After: 30\r\nRetry-After-Ms: 50\r\n", 0.05),
    "milliseconds that say nothing": Hint("retry-after-ms: 0\r\nretry-after: 0.05\r\n", 0.05),
}
LARGE = {
    "seconds": Hint("Retry-After: 61\r\n", 61),
    "a hair above": Hint("Retry-After: 60.001\r\n", 60.001),
    "a day": Hint("Retry-After: 86400\r\n", 86400),
    "years": Hint("Retry-After: 999999999\r\n", 999999999),
    "milliseconds": Hint("Retry-After-Ms: 61000\r\n", 61),
    "many digits": Hint(f"Retry-After: {'9' * 300}\r\n", 1e300),
}
NONE = {
    "none": "",
    "empty": "Retry-After:\r\n",
    "0": "Retry-After: 0\r\n",
    "0.0": "Retry-After: 0.0\r\n",
    "negative": "Retry-After: -5\r\n",
    "negative milliseconds": "Retry-After-Ms: -5\r\n",
    "a date that is past": "Retry-After: Tue, 14 Nov 2023 22:13:10 GMT\r\n",
    "a date before all dates": "Retry-After: Mon, 01 Jan 0001 00:00:00 GMT\r\n",
    "a date that is none": "Retry-After: Tue, 99 Nov 2023 22:13:10 GMT\r\n",
    "a date with a wild zone": "Retry-After: Tue, 14 Nov 2023 22:13:10 +9999999999\r\n",
    "a word": "Retry-After: soon\r\n",
    "an exponent": "Retry-After: 1e400\r\n",
    "NaN": "Retry-After: NaN\r\nRetry-After-Ms: nan\r\n",
    "inf": "Retry-After: inf\r\nRetry-After-Ms: Infinity\r\n",
    "more digits than a number has": f"Retry-After: {'9' * 400}\r\n",
    "huge": f"Retry-After: {'9' * 5000}\r\n",
    "a unit": "Retry-After: 5s\r\n",
    "several": "Retry-After: 1\r\nRetry-After: 2\r\n",
    "a list": "Retry-After: 1, 2\r\n",
    "underscores": "Retry-After: 1_0\r\n",
    "hexadecimal": "Retry-After: 0x10\r\n",
    "other digits": "Retry-After: \xb2\xb3\r\n",
}


@each_format
@each_mode
def test_a_pause_as_the_provider_asks(form, mode):
    raws = [raw for hint in SMALL.values() for raw in (refusal(429, hint.headers), answer(form, mode))]
    for hint, outcome in zip(SMALL.values(), outcomes(raws, form, mode, len(SMALL), max_retries=1), strict=True):
        assert_good(outcome, attempts=2)
        assert hint.seconds <= outcome.seconds < hint.seconds + SOON


def test_a_pause_of_whole_seconds():
    outcome = asked(says(refusal(429, "Retry-After: 1\r\n"), answer(CHAT, "whole")), CHAT, "whole", max_retries=1)
    assert_good(outcome, attempts=2)
    assert 1 <= outcome.seconds < 1 + SOON


def test_a_pause_until_a_date():
    """Its seconds are whole ones, so it is between 1 and 2 from now."""
    begun = time.time()
    outcome = asked(
        says(refusal(429, f"Retry-After: {_date(2)}\r\n"), answer(CHAT, "whole")), CHAT, "whole", max_retries=1
    )
    assert_good(outcome, attempts=2)
    assert time.time() >= math.floor(begun) + 2
    assert outcome.seconds < SOON


@each_format
@each_mode
def test_a_pause_that_is_too_long(form, mode):
    """It is raised at once, and says for how long."""
    raws = [refusal(429, hint.headers) for hint in LARGE.values()]
    for hint, outcome in zip(LARGE.values(), outcomes(raws, form, mode, max_retries=2), strict=True):
        error = assert_failed(outcome, RateLimitError, requests=1, retryable=True)
        assert error.retry_after == pytest.approx(hint.seconds)
        assert outcome.seconds < SOON


def test_a_pause_until_a_date_that_is_too_far():
    for seconds in (3600, 10**9, 200 * 10**9):
        outcome = asked(says(refusal(429, f"Retry-After: {_date(seconds)}\r\n")), CHAT, "whole", max_retries=2)
        error = assert_failed(outcome, RateLimitError, requests=1)
        assert error.retry_after == pytest.approx(seconds, abs=60)


@each_format
@each_mode
@pytest.mark.parametrize("timeout", [5, Timeout(total=5)], ids=["float", "total"])
def test_a_pause_beyond_the_deadline(form, mode, timeout):
    outcome = asked(says(refusal(503, "Retry-After: 30\r\n")), form, mode, max_retries=2, timeout=timeout)
    assert_failed(outcome, OverloadedError, requests=1, retry_after=30)
    assert outcome.seconds < 5


@each_format
@each_mode
def test_no_hint(form, mode):
    raws = [refusal(429, headers) for headers in NONE.values()]
    for name, outcome in zip(NONE, outcomes(raws, form, mode), strict=True):
        assert assert_failed(outcome, RateLimitError).retry_after is None, name


@pytest.mark.parametrize("headers", NONE.values(), ids=NONE.keys())
def test_a_pause_of_our_own(headers):
    """Of at most half a second the first time."""
    outcome = asked(says(refusal(429, headers), answer(CHAT, "whole")), CHAT, "whole", max_retries=1)
    assert_good(outcome, attempts=2)
    assert outcome.seconds < SOON


@each_format
@each_mode
def test_a_hint_on_a_success_is_none(form, mode):
    headers = "Retry-After: 3600\r\nRetry-After-Ms: 3600000\r\n"
    good = answer(form, mode).replace(b"\r\n", b"\r\n" + headers.encode(), 1)
    assert_good(asked(says(good), form, mode))
    outcome = asked(says(told(form, mode, trouble(form, mode), headers), good), form, mode, max_retries=1)
    assert_good(outcome, attempts=2)
    assert outcome.seconds < SOON


def _exhausted(message="no", **info):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", **info}] if info else []
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": details}}


IN_THE_BODY = {
    "RetryInfo": (_exhausted(retryDelay="0.05s"), "", 0.05),
    "words": (_exhausted("Please retry in 0.05s."), "", 0.05),
    "RetryInfo and words": (_exhausted("Please retry in 30s.", retryDelay="0.05s"), "", 0.05),
    "a header": (_exhausted(retryDelay="61s"), "Retry-After: 0.05\r\n", 0.05),
    "a header that says nothing": (_exhausted(retryDelay="0.05s"), "Retry-After: 0\r\n", 0.05),
    "too long": (_exhausted(retryDelay="61.5s"), "", 61.5),
    "years": (_exhausted("Please retry in 999999999s"), "", 999999999),
    "0": (_exhausted(retryDelay="0s"), "", None),
    "negative": (_exhausted(retryDelay="-3s"), "", None),
    "an exponent": (_exhausted(retryDelay="1e400s"), "", None),
    "NaN": (_exhausted("retry in NaNs", retryDelay="NaNs"), "", None),
    "an object": (_exhausted(retryDelay={"seconds": 3}), "", None),
    "huge": (_exhausted(retryDelay="9" * 500 + "s"), "", None),
}


@each_mode
@pytest.mark.parametrize(("body", "headers", "seconds"), IN_THE_BODY.values(), ids=IN_THE_BODY.keys())
def test_a_hint_in_the_body(body, headers, seconds, mode):
    """As Gemini has it, with its status and told in an event."""
    answers = [refusal(429, headers, to_bytes(body))]
    answers += [] if headers else [told(GEMINI, mode, body)]
    for raw in answers:
        error = assert_failed(asked(says(raw), GEMINI, mode), RateLimitError, status=429)
        assert error.retry_after == seconds
        outcome = asked(says(raw, answer(GEMINI, mode)), GEMINI, mode, max_retries=1)
        if seconds is not None and seconds > 60:
            assert_failed(outcome, RateLimitError, requests=1, retry_after=seconds)
        else:
            assert_good(outcome, attempts=2)
            assert (seconds or 0) <= outcome.seconds < SOON
