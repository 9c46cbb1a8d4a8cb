"""The same error bodies on every wire: gateways speak a format and tell of errors as the host behind them does."""

import pytest
from attrs import frozen
from faults.calls import SSE, asked, assert_failed, chunked, each_format, once, whole
from faults.formats import FORMATS, to_bytes
from faults.refusals import outcomes, told

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)
from llmkit.errors import OverloadedError, PaymentRequiredError, RequestTooLargeError
from llmkit.wire import WIRES, wire

LONG = "context_length_exceeded"
MENDABLE = (RateLimitError, ServerError, OverloadedError, ConflictError)


def one(message="m", **fields):
    return {"error": {"message": message, **fields}}


@frozen
class Row:
    """An error, and what it must become.

    Attributes:
        status: The HTTP answer's.
        body: Its body, or the data of an event.
        cls: Its class.
        code: Its code.
        inside: The status that it stands for in a 200, where that tells of an error for sure; of another class if None.
        message: What the error's first line has to repeat.
    """

    status: int
    body: object
    cls: type[APIError]
    code: str | None
    inside: int | None
    message: str = "m"


KINDS = {
    # Anthropic's types, also in its envelope
    "rate_limit_error": (429, RateLimitError),
    "overloaded_error": (529, OverloadedError),
    "authentication_error": (401, AuthenticationError),
    "permission_error": (403, PermissionDeniedError),
    "not_found_error": (404, NotFoundError),
    "request_too_large": (413, RequestTooLargeError),
    "conflict_error": (409, ConflictError),
    "api_error": (500, ServerError),
    "timeout_error": (504, ServerError),
    "billing_error": (402, PaymentRequiredError),
    "invalid_request_error": (400, BadRequestError),
    # OpenAI's
    "rate_limit_exceeded": (429, RateLimitError),
    "invalid_api_key": (401, AuthenticationError),
    "insufficient_quota": (429, QuotaExceededError),
    "model_not_found": (404, NotFoundError),
    "server_error": (500, ServerError),
    "server_is_overloaded": (503, OverloadedError),
    # LiteLLM's
    "RateLimitError": (429, RateLimitError),
    "NotFoundError": (404, NotFoundError),
    # Google's
    "PERMISSION_DENIED": (403, PermissionDeniedError),
    "RESOURCE_EXHAUSTED": (429, RateLimitError),
    "UNAVAILABLE": (503, OverloadedError),
}
PLACES = {
    "type": lambda word: one(type=word),
    "code": lambda word: one(code=word, type=None, param=None),
    "envelope": lambda word: {"type": "error", **one(type=word)},
}
NAMED = {
    f"{place} {word}": Row(status, body(word), cls, word, status)
    for word, (status, cls) in KINDS.items()
    for place, body in PLACES.items()
}
SHAPES = {
    "a type of tomorrow": Row(400, one(type="t"), BadRequestError, "t", None),
    "a number": Row(400, one(code=1234), BadRequestError, "1234", None),
    "a status as number": Row(503, one(code=503), OverloadedError, "503", 503),
    "a status as text": Row(429, one(code="429"), RateLimitError, "429", 429),
    "a type beside a number": Row(429, one(code=429, type="throttling"), RateLimitError, "throttling", 429),
    "Google's": Row(403, one(code=403, status="PERMISSION_DENIED"), PermissionDeniedError, "PERMISSION_DENIED", 403),
    "a word for its status": Row(403, one(status="PERMISSION_DENIED"), PermissionDeniedError, "PERMISSION_DENIED", 403),
    "text": Row(500, {"error": "no luck"}, ServerError, None, None, "no luck"),
    "text beside a type": Row(
        503, {"error": "no", "error_type": "overloaded"}, OverloadedError, "overloaded", 503, "no"
    ),
}
QUOTAS = {
    "spent, by its type": Row(429, one(type="insufficient_quota"), QuotaExceededError, "insufficient_quota", 429),
    "no balance": Row(
        429, one("Insufficient balance, please recharge", code=429), QuotaExceededError, "429", 429, "recharge"
    ),
    "a month": Row(
        429, one("limited to 1000 calls / month", code="429"), QuotaExceededError, "429", 429, "calls / month"
    ),
    "a minute": Row(429, one("60 requests per minute", code="429"), RateLimitError, "429", 429, "per minute"),
}
BAD_KEYS = {
    "OpenAI's words": Row(
        400,
        one("Incorrect API key provided: x", type="invalid_request_error"),
        AuthenticationError,
        "invalid_request_error",
        400,
        "Incorrect API key",
    ),
    "Google's words": Row(
        400, one("API key not valid.", code=400), AuthenticationError, "400", 400, "API key not valid"
    ),
    "a code": Row(400, one(code="invalid_api_key"), AuthenticationError, "invalid_api_key", 401),
    "a field of a tool": Row(400, one("Unknown name api_key", code=400), BadRequestError, "400", 400, "Unknown name"),
    "a field in a path": Row(400, one("tools.0.api_key: invalid", code=400), BadRequestError, "400", 400, "tools.0"),
}
WORDS_TOO_LONG = {
    "Anthropic": one("prompt is too long: 212345 tokens > 200000 maximum", type="invalid_request_error"),
    "OpenAI": one("m", type="invalid_request_error", code=LONG),
    "a type": one(type=LONG),
    "llama.cpp": one("the request exceeds the context", type="exceed_context_size_error", code=400),
    "Bedrock": one("Input is too long for requested model.", code=400),
    "Google": one("The input token count (12) exceeds the maximum number of tokens allowed (10).", code=400),
    "vLLM": one("This model's maximum context length is 4096 tokens.", code=400),
    "behind a gateway": one("Provider returned error", metadata={"raw": "prompt is too long: 5 > 4"}),
}
TOO_LONG = {
    f"{name}, {status}": Row(status, body, BadRequestError, LONG, 400, body["error"]["message"])
    for name, body in WORDS_TOO_LONG.items()
    for status in (400, 413, 422, 500)
}
SHORT_ENOUGH = {
    "an answer": Row(400, one("max_tokens is too large: 99999", code="c"), BadRequestError, "c", None, "too large"),
    "a picture": Row(400, one("Input image exceeds the limit of 5 MB", code="c"), BadRequestError, "c", None, "5 MB"),
    "a rate": Row(429, one("Too many tokens per minute", type="tokens"), RateLimitError, "tokens", 429, "per minute"),
}
ROWS = {**NAMED, **SHAPES, **QUOTAS, **BAD_KEYS, **TOO_LONG, **SHORT_ENOUGH}


def assert_told(outcome, row, *, inside, body=None):
    """It raised what the row says, whether the status told of it or a 200 did; the first line repeats its words."""
    status = (row.inside or 200) if inside else row.status
    cls = APIError if inside and row.inside is None else row.cls
    kept = row.body if body is None else body
    error = assert_failed(outcome, cls, status=status, code=row.code, retryable=cls in MENDABLE, body=kept)
    assert row.message in str(error)


@each_format
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_body(form, row):
    """With its status, and in a 200."""
    raws = (whole(to_bytes(row.body), f"{row.status} No"), whole(to_bytes(row.body)))
    for outcome, inside in zip(outcomes(raws, form, "whole"), (False, True), strict=True):
        assert_told(outcome, row, inside=inside)


@each_format
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_a_stream(form, row):
    """Refused with its status, and told in an event that is named so, or is not."""
    raws = (
        whole(to_bytes(row.body), f"{row.status} No"),
        told(form, "streamed", row.body),
        chunked(*form.before, form.event(row.body), headers=SSE),
    )
    for outcome, inside in zip(outcomes(raws, form, "streamed"), (False, True, True), strict=True):
        assert_told(outcome, row, inside=inside)


# Without a key `error`: what they say in a 200 is told by words, and in an event by its name.
FASTAPI = [{"loc": ["body", "model"], "msg": "field required"}, {"msg": "x"}]
BARE = {
    "a detail": Row(404, {"detail": "Not Found"}, NotFoundError, None, None, "Not Found"),
    "FastAPI's list": Row(
        422, {"detail": FASTAPI}, UnprocessableEntityError, None, None, "body.model: field required; x"
    ),
    "a detail with an error": Row(
        429, {"detail": one(type="rate_limit_error")}, RateLimitError, "rate_limit_error", 429
    ),
    "errors": Row(400, {"errors": [{"message": "m", "code": 3040}]}, BadRequestError, "3040", None),
    "errors that are text": Row(400, {"errors": ["one", "two"]}, BadRequestError, None, None, "one; two"),
    "errors of fields": Row(400, {"errors": FASTAPI}, BadRequestError, None, None, "body.model: field required; x"),
    "an object named error": Row(404, {"object": "error", "message": "m", "code": 404}, NotFoundError, "404", 404),
    "words": Row(401, {"message": "no key"}, AuthenticationError, None, None, "no key"),
}


@each_format
@pytest.mark.parametrize("row", BARE.values(), ids=BARE.keys())
def test_a_body_without_a_key_for_it(form, row):
    raws = (whole(to_bytes(row.body), f"{row.status} No"), whole(to_bytes(row.body)))
    for outcome, inside in zip(outcomes(raws, form, "whole"), (False, True), strict=True):
        assert_told(outcome, row, inside=inside)
    assert_told(asked(once(told(form, "streamed", row.body)), form, "streamed"), row, inside=True)


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "openai-chat"])
@pytest.mark.parametrize("row", BARE.values(), ids=BARE.keys())
def test_an_event_that_nothing_calls_an_error(provider, row):
    """But what stands in it; mere words may be anything, and are none."""
    form = FORMATS[provider]
    if row is not BARE["words"]:
        raw = chunked(*form.before, form.event(row.body), headers=SSE)
        assert_told(asked(once(raw), form, "streamed"), row, inside=True)
    elif provider != "openai-chat":  # there they are one where nothing follows
        raw = chunked(*form.before, form.event(row.body), *form.texts, *form.after, headers=SSE)
        assert asked(once(raw), form, "streamed").error is None


@each_format
@pytest.mark.parametrize("name", ["type overloaded_error", "code insufficient_quota", "Google's", "Bedrock, 413"])
def test_a_list(form, name):
    """As errors of streams come that are one array."""
    row = ROWS[name]
    raws = (whole(to_bytes([row.body, "x"]), f"{row.status} No"),)
    for mode in ("whole", "streamed"):
        for outcome in outcomes(raws, form, mode):
            assert_told(outcome, row, inside=False, body=[row.body, "x"])


@pytest.mark.parametrize("name", WIRES)
def test_a_wait_in_the_body(name):
    body = one(code=429, details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}])
    assert wire(name).error(429, body).retry_after == 17.5
