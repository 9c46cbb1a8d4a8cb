"""`llmkit.bulk.stored` alone: answers and errors as JSON and back, from every version that was released."""

from decimal import Decimal
from pathlib import Path
from typing import get_args

import attrs
import pytest
import strategies
from conformance import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from test_stored_history import VERSION_1 as CONVERSATION
from test_stored_history import everything, messages

from llmkit import (
    APIError,
    AssistantMessage,
    ConfigurationError,
    DeadlineError,
    FinishReason,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OutputError,
    QuotaExceededError,
    RateLimitError,
    Response,
    Text,
    UnsupportedOptionError,
    Usage,
    errors,
)
from llmkit.bulk.stored import error_data, error_of, from_text, response_data, response_of, to_text
from llmkit.response import UNFINISHED, Reason, Unfit
from llmkit.wire import WIRES, wire
from llmkit.wire.signals import ErrorEvent

DATA = Path(__file__).parent / "data"
PLAIN = Response("", "m", "p", AssistantMessage("Hi."), FinishReason("stop"))
ROUND = Response(
    "msg_0",
    "claude-x",
    "anthropic",
    CONVERSATION[2],
    FinishReason("tool_calls", "tool_use"),
    Usage(1, 2, raw={"input_tokens": 1, "output_tokens": 2}),
    cost=Decimal("0.1"),
)
FULL = Response(
    "msg_1",
    "claude-x",
    "anthropic",
    AssistantMessage([Text("Grüße 😀, half \ud800, and \0\u2028."), *CONVERSATION[2].content]),
    FinishReason("stop", "stop_sequence", "END"),
    Usage(10, 20, 3, 4, 5, raw={"input_tokens": 3, "deep": [{"a": 1.0}], "none": None}),
    rounds=(ROUND, PLAIN),
    logprobs=[{"token": "a", "logprob": -0.5}],
    cost=Decimal("0.000012300"),
    headers=CaseInsensitiveDict({"Request-Id": "req_1", "x-b": "é"}),
    request_id="req_1",
    attempts=3,
    raw={"id": "msg_1", "big": 123456789012345678901234567890, "half": "\udfff", "list": [None, True]},
)


def told(response):
    """All that an answer holds but its output; money by its value, headers by their names in lower case."""
    fields = {item.name: everything(getattr(response, item.name)) for item in attrs.fields(Response)}
    del fields["_output"], fields["_cost"], fields["headers"], fields["rounds"]
    headers = {name.lower(): value for name, value in response.headers.items()}
    return fields, repr(response.cost), headers, [told(each) for each in response.rounds]


def assert_kept(response):
    text = to_text(response_data(response))
    found = response_of(from_text(text))
    assert told(found) == told(response)
    assert found == attrs.evolve(response, output=None)
    assert to_text(response_data(found)) == text
    assert len(text.encode().splitlines()) == 1


# ---- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("response", [PLAIN, ROUND, FULL], ids=["plain", "a round", "all"])
def test_round_trip(response):
    assert_kept(response)


def test_what_was_written_once_is_read():
    assert told(response_of(from_text((DATA / "stored-response-1.json").read_text()))) == told(FULL)


def test_it_is_written_as_it_was():
    """No more than the form that a reader of version 1 knows, down to the order of keys."""
    assert to_text(response_data(FULL)) == (DATA / "stored-response-1.json").read_text().strip()


def test_every_field_is_in_the_fixture():
    """So that who adds one has to think of this."""
    for cls, value in ((Response, FULL), (Usage, FULL.usage), (FinishReason, FULL.finish_reason)):
        for item in attrs.fields(cls):
            default = item.default.factory() if isinstance(item.default, attrs.Factory) else item.default
            assert item.name == "_output" or getattr(value, item.name) != default, item.name


def test_headers_ignore_case():
    assert response_of(response_data(FULL)).headers["REQUEST-ID"] == "req_1"


def test_an_output_is_not_kept():
    assert response_of(response_data(attrs.evolve(PLAIN, output={"a": 1}))).output is None


def test_defaults_are_left_out():
    assert response_data(PLAIN) == {
        "llmkit": "response",
        "version": 1,
        "id": "",
        "model": "m",
        "provider": "p",
        "message": {
            "llmkit": "history",
            "version": 1,
            "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hi."}]}],
        },
        "finish_reason": {"reason": "stop"},
        "usage": {},
    }


@pytest.mark.parametrize("logprobs", [[], {}, 0, False, ""])
def test_empty_logprobs_are_not_none(logprobs):
    assert response_of(response_data(attrs.evolve(PLAIN, logprobs=logprobs))).logprobs == logprobs


def test_what_json_cannot_hold_is_refused_when_it_is_written():
    with pytest.raises(ConfigurationError, match="response: cannot be written as JSON"):
        to_text(response_data(attrs.evolve(PLAIN, raw={"a": object()})))
    with pytest.raises(ConfigurationError, match="response: cannot be written as JSON"):
        to_text(response_data(attrs.evolve(PLAIN, raw={"a": float("nan")})))


def test_as_deep_as_answers_are():
    deep = {}
    for _ in range(199):
        deep = {"a": deep}
    assert_kept(attrs.evolve(PLAIN, raw=deep, usage=Usage(raw=deep), rounds=(attrs.evolve(PLAIN, raw=deep),)))


def changed(data, **fields):
    return {**data, **fields}


def without(data, key):
    return {name: value for name, value in data.items() if name != key}


ONE = response_data(PLAIN)
SAID = ONE["message"]["messages"]
REFUSED = {
    # what is read → the whole message
    "a list": ([], "response: expected dict, got list"),
    "an error": (error_data(LLMKitError()), "response.llmkit: expected 'response', got 'error'"),
    "a newer version": (
        changed(ONE, version=2),
        "response.version: this llmkit reads up to version 1, got 2: a newer llmkit wrote it",
    ),
    "version 0": (
        changed(ONE, version=0),
        "response.version: this llmkit reads up to version 1, got 0: there is none such",
    ),
    "more": (changed(ONE, mood="good"), "response.mood: unknown key; it would be lost"),
    "no id": (without(ONE, "id"), "response.id: is missing"),
    "a model that is none": (changed(ONE, model=1), "response.model: expected str, got int"),
    "another reason": (
        changed(ONE, finish_reason={"reason": "bored"}),
        f"response.finish_reason.reason: expected one of {', '.join(get_args(Reason))}, got 'bored'",
    ),
    "more usage": (changed(ONE, usage={"tears": 1}), "response.usage.tears: unknown key; it would be lost"),
    "a count that is none": (
        changed(ONE, usage={"input_tokens": True}),
        "response.usage.input_tokens: expected int, got bool",
    ),
    "no message": (
        changed(ONE, message=changed(ONE["message"], messages=[])),
        "response.message: expected one message of an assistant",
    ),
    "two messages": (
        changed(ONE, message=changed(ONE["message"], messages=SAID * 2)),
        "response.message: expected one message of an assistant",
    ),
    "a user's message": (
        changed(ONE, message=changed(ONE["message"], messages=[changed(SAID[0], role="user")])),
        "response.message: expected one message of an assistant",
    ),
    "a newer message": (
        changed(ONE, message=changed(ONE["message"], version=3)),
        (
            "response.message: history.version: this llmkit reads histories up to version 2, got 3: "
            "a newer llmkit wrote it"
        ),
    ),
    "a cost that is none": (changed(ONE, cost="much"), "response.cost: expected a number as text, got 'much'"),
    "an endless cost": (changed(ONE, cost="inf"), "response.cost: expected a number as text, got 'inf'"),
    "headers that are none": (changed(ONE, headers=[]), "response.headers: expected dict, got list"),
    "a header that is none": (changed(ONE, headers={"a": 1}), "response.headers.a: expected str, got int"),
    "a round that is none": (changed(ONE, rounds=[ONE, 1]), "response.rounds[1]: expected dict, got int"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_does_not_know_is_refused(data, message):
    with pytest.raises(ConfigurationError) as caught:
        response_of(data)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "{", "[" * 2000, '{"a": 1e999}'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ConfigurationError, match="what is stored is not JSON"):
        from_text(text)


# ---- errors ----------------------------------------------------------------------------------------------------------


class OwnError(RateLimitError):
    """A caller's."""

    mood = "bad"


UNFIT = attrs.evolve(FULL, output=Unfit("the answer does not fit", "$.a"))
ERRORS = {
    "bare": LLMKitError("It failed."),
    "no words": ConfigurationError(),
    "an answer of a host": QuotaExceededError(
        "429 from x: used up\ud800",
        status=429,
        code="quota",
        headers=CaseInsensitiveDict({"Retry-After": "3"}),
        body={"error": {"message": "used up"}},
        retry_after=3.5,
        provider="openai",
        model="gpt-x",
        attempts=2,
        request_id="req_1",
        retryable=True,
    ),
    "a body of text": APIError("418", status=418, body="I am a teapot"),
    "a deadline": DeadlineError("too late", which="first", seconds=3, attempts=1),
    "half an answer": IncompleteStreamError("cut", partial=attrs.evolve(FULL, finish_reason=UNFINISHED)),
    "no answer": InvalidResponseError("odd", path="$.a[0]", body="{"),
    "no option": UnsupportedOptionError("no seed", path="seed"),
    "no output": OutputError("the answer does not fit", path="$.a", text="[]", response=UNFIT, attempts=2),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_errors_are_kept(error):
    text = to_text(error_data(error))
    found = error_of(from_text(text))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert dict(vars(found)) == dict(vars(error))
    assert to_text(error_data(found)) == text
    if isinstance(error, APIError) and error.headers:
        assert found.headers["retry-after"] == "3"


def test_an_output_that_does_not_fit_does_not_fit_later():
    """Its answer, which was paid for, is kept; who asks it for its output hears the same."""
    found = error_of(from_text(to_text(error_data(ERRORS["no output"]))))
    assert told(found.response) == told(FULL)
    with pytest.raises(OutputError, match="^the answer does not fit$") as caught:
        found.response.output  # noqa: B018
    assert caught.value.path == "$.a"


def test_every_error_has_its_name():
    names = [name for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, LLMKitError)]
    assert {type(error_of(error_data(getattr(errors, name)("x")))).__name__ for name in names} == set(names)


def test_an_error_of_the_callers_is_the_nearest_of_ours():
    found = error_of(from_text(to_text(error_data(OwnError("x", status=429, mood="worse")))))
    assert (type(found), found.status, str(found)) == (RateLimitError, 429, "x")


def test_what_json_cannot_hold_of_an_error_is_shown():
    """An error is kept whatever it holds: it may be the only one to say why a row failed."""
    found = error_of(
        from_text(to_text(error_data(APIError("x", body={1, 2}, status="four", retry_after=float("nan")))))
    )
    assert (found.body, found.status) == ("{1, 2}", 0)


ERROR = error_data(ERRORS["no answer"])
REFUSED_ERRORS = {
    "an answer": (ONE, "error.llmkit: expected 'error', got 'response'"),
    "a newer version": (
        changed(ERROR, version=2),
        "error.version: this llmkit reads up to version 1, got 2: a newer llmkit wrote it",
    ),
    "another class": (changed(ERROR, **{"class": "OSError"}), "error.class: there is no such error: 'OSError'"),
    "no class": (changed(ERROR, **{"class": "Any"}), "error.class: there is no such error: 'Any'"),
    "more": (changed(ERROR, mood="bad"), "error.mood: unknown key; it would be lost"),
    "more details": (changed(ERROR, details={"mood": 1}), "error.details.mood: unknown key; it would be lost"),
    "another's details": (changed(ERROR, details={"status": 1}), "error.details.status: unknown key; it would be lost"),
    "details of another type": (changed(ERROR, details={"path": 1}), "error.details.path: expected str, got int"),
    "another's answer": (changed(ERROR, response=ONE), "error.response: unknown key; it would be lost"),
    "an answer that is none": (changed(ERROR, partial=1), "error.partial: expected dict, got int"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED_ERRORS.values(), ids=REFUSED_ERRORS.keys())
def test_errors_that_it_does_not_know_are_refused(data, message):
    with pytest.raises(ConfigurationError) as caught:
        error_of(data)
    assert str(caught.value) == message


# ---- anything --------------------------------------------------------------------------------------------------------

objects = st.dictionaries(strategies.words, strategies.json_values(strategies.words, 4), max_size=3)
counts = st.integers(0, 10**6)
reasons = st.builds(
    FinishReason,
    st.sampled_from(["stop", "length", "tool_calls", "refusal", "pause", "error", "other", "unfinished"]),
    st.none() | strategies.words,
    st.none() | strategies.words,
)
answers = messages.map(
    lambda said: AssistantMessage([part for message in said if message.role == "assistant" for part in message.content])
)
responses = st.builds(
    Response,
    message=answers,
    id=strategies.words,
    model=strategies.words,
    provider=strategies.words,
    finish_reason=reasons,
    usage=st.builds(Usage, counts, counts, counts, counts, counts, st.none() | objects),
    logprobs=st.none() | st.lists(objects, max_size=2),
    cost=st.none() | st.decimals(0, 10**6, allow_nan=False, allow_infinity=False),
    headers=st.dictionaries(st.sampled_from(["a", "b-c"]), strategies.words),
    request_id=st.none() | strategies.words,
    attempts=st.integers(1, 9),
    raw=objects,
)


@settings(deadline=None)
@given(responses, st.lists(responses, max_size=2))
def test_anything_is_kept(response, rounds):
    assert_kept(attrs.evolve(response, rounds=tuple(rounds)))


@settings(deadline=None)
@given(st.data())
def test_whatever_is_read_is_kept_or_refused(data):
    """Of what nobody wrote, too."""
    written = data.draw(strategies.mutated(response_data(FULL)))
    try:
        found = response_of(written)
    except ConfigurationError:
        return
    assert_kept(found)


@settings(deadline=None)
@given(st.data())
def test_whatever_error_is_read_is_kept_or_refused(data):
    written = data.draw(strategies.mutated(error_data(data.draw(st.sampled_from([*ERRORS.values()])))))
    try:
        found = error_of(written)
    except ConfigurationError:
        return
    assert str(error_of(from_text(to_text(error_data(found))))) == str(found)


# ---- the recordings --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not recordings.FOLDER.is_dir(), reason=f"no recordings in {recordings.FOLDER}: they are not here")
@pytest.mark.parametrize("name", WIRES)
def test_recorded_answers_are_kept(name):
    form, read = wire(name), 0
    for recording in recordings.load(name):
        if not recording.ok or recording.streamed:
            continue
        try:
            found = form.decode(recording.json(), form.quirks())
        except (LLMKitError, ErrorEvent):
            continue
        read += 1
        fields = {field: getattr(found, field) for field in ("id", "model", "message", "finish_reason", "usage", "raw")}
        assert_kept(Response(provider=name, logprobs=found.logprobs, headers=recording.headers, **fields))
    assert read
