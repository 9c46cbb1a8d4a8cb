"""Errors in Google's words and shape: ``{"error": {code, message, status, details}}``.

Source: https://cloud.google.com/apis/design/errors
"""

from collections.abc import Iterator, Mapping
from typing import Final

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    status_error,
)
from llmkit.json_codec import dump_bytes
from llmkit.testing.exchange import Answer
from llmkit.wire.gemini_generate.spelling import Json

JSON: Final = {"content-type": "application/json; charset=UTF-8"}
_WORDS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_STATUSES: Final = {status_error(status): status for status in (400, 402, 403, 404, 409, 413, 422, 429)} | {
    OverloadedError: 503,
    ServerError: 500,
}
_TYPE: Final = "type.googleapis.com/google.rpc."
_TOO_LONG: Final = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
_QUOTA_METRIC: Final = "generativelanguage.googleapis.com/generate_content_free_tier_requests"


def answered(problem: APIError) -> Answer:
    """`problem` as this host tells it; what it asks to wait stands in the body."""
    return Answer(status_of(problem), {**problem.headers, **JSON}, (dump_bytes(error_body(problem)),))


def status_of(problem: APIError) -> int:
    """Its own status, or that of its class; but of a bad key 400 and of too much to do 503, as this host has it."""
    if isinstance(problem, AuthenticationError):
        return 400
    if problem.status == 529:  # noqa: PLR2004 - another host's word for 503
        return 503
    return problem.status or next((_STATUSES[cls] for cls in type(problem).__mro__ if cls in _STATUSES), 400)


def error_body(problem: APIError) -> Json:
    """`problem` as JSON."""
    status, message, word = status_of(problem), str(problem), problem.code
    if word == CONTEXT_LENGTH_EXCEEDED:
        word = None  # llmkit's word: on this wire the message tells
        message = message if "exceeds the maximum number of tokens" in message else f"{_TOO_LONG} {message}"
    found: Json = {"code": status, "message": message, "status": word or _WORDS.get(status) or "UNKNOWN"}
    details = list(_details(problem))
    return {"error": {**found, "details": details} if details else found}


def _details(problem: APIError) -> Iterator[Json]:
    if isinstance(problem, AuthenticationError):
        service = {"service": "generativelanguage.googleapis.com"}
        about = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": service}
        yield {"@type": f"{_TYPE}ErrorInfo", **about}
    if isinstance(problem, RateLimitError):
        span = "PerDay" if isinstance(problem, QuotaExceededError) else "PerMinute"
        quota = f"GenerateRequests{span}PerProjectPerModel-FreeTier"
        yield {"@type": f"{_TYPE}QuotaFailure", "violations": [{"quotaMetric": _QUOTA_METRIC, "quotaId": quota}]}
    if problem.retry_after is not None:
        yield {"@type": f"{_TYPE}RetryInfo", "retryDelay": duration(problem.retry_after)}


def duration(seconds: float) -> str:
    """As the host writes it: with no digits behind the point, or three, or nine."""
    if seconds == int(seconds):
        return f"{int(seconds)}s"
    return f"{seconds:.3f}s" if round(seconds, 3) == seconds else f"{seconds:.9f}s"
