"""`llmkit.errors` alone."""

import copy
import inspect
import pickle

import pytest

from llmkit import AssistantMessage, FinishReason, Response, errors
from llmkit.errors import (
    APIError,
    DeadlineError,
    InvalidResponseError,
    LLMKitError,
    RateLimitError,
    ServerError,
    status_error,
    status_retryable,
)

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, LLMKitError)]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_pickles_with_all_it_carries(cls):
    partial = Response("", "m", "p", AssistantMessage("half"), FinishReason("unfinished"))
    error = cls("what happened", retry_after=1.5, partial=partial, provider="anthropic", attempts=3)
    error.add_note("attempt 1: x")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == "what happened"
    assert again.__dict__ == error.__dict__
    assert again.partial.text == "half"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_attribute_has_a_default(cls):
    error = cls("x")
    assert (error.attempts, error.partial, error.request_id) == (0, None, None)
    assert isinstance(error.retryable, bool)


def test_the_tree_in_the_docstring_is_the_tree():
    for cls in CLASSES:
        assert cls.__name__ in errors.__doc__
        assert cls.__doc__


def test_an_attribute_that_is_none_is_refused():
    with pytest.raises(TypeError, match="no attribute 'statis'"):
        APIError("x", statis=400)


LONG = {
    "one byte a letter": ("a" * 1025, "a" * 1024),
    "two": ("é" * 1024, "é" * 512),
    "two, and one before": ("a" + "é" * 1024, "a" + "é" * 511),
    "three": ("€" * 1024, "€" * 341),
    "four": ("😀" * 1024, "😀" * 256),
    "as long as it may be": ("é" * 512, "é" * 512),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("body", "kept"), LONG.values(), ids=LONG.keys())
def test_a_body_is_cut_to_a_kibibyte(body, kept):
    """Between two letters, however the error comes by it."""
    error, later, filled = InvalidResponseError("x", body=body), InvalidResponseError("x"), InvalidResponseError("x")
    assert later.body == ""
    later.body = body
    filled.with_details(body=body)
    for one in (error, later, filled, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert one.body == kept
    assert error.with_details(body="another").body == kept


def test_a_body_of_halves_of_pairs_is_cut_too():
    body = InvalidResponseError("x", body="\ud83d" * 1024).body
    assert len(body) == 341, "which no report could hold"


def test_details_are_only_filled_in():
    error = RateLimitError("x", provider="a")
    assert error.with_details(provider="b", model="m") is error
    assert (error.provider, error.model) == ("a", "m")


STATUSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "PaymentRequiredError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APIError",
    409: "ConflictError",
    413: "RequestTooLargeError",
    418: "APIError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "ServerError",
    502: "ServerError",
    503: "OverloadedError",
    504: "ServerError",
    529: "OverloadedError",
    599: "ServerError",
}


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
def test_class_of_a_status(status, name):
    assert status_error(status).__name__ == name


def test_which_statuses_another_try_can_mend():
    assert [status for status in STATUSES if status_retryable(status)] == [408, 409, 429, 500, 502, 503, 504, 529, 599]


def test_bases_that_users_catch():
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(DeadlineError, TimeoutError)
    assert issubclass(errors.OverloadedError, ServerError)
    assert DeadlineError("x", which="idle", seconds=3.0).which == "idle"
