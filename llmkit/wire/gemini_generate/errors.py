"""Error bodies of this wire.

Sources: https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmkit.errors import CONTEXT_LENGTH_EXCEEDED, APIError, AuthenticationError, QuotaExceededError, status_error
from llmkit.wire.base import ErrorDetails
from llmkit.wire.reading import object_or_empty, text_or

_STATUS: Final[Mapping[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_BAD_KEY: Final = re.compile(r"API[ _]key (not (valid|found)|expired|was reported)", re.IGNORECASE)
_TOO_LONG: Final = re.compile(
    r"(input|prompt) token count|(input|prompt)( is)? too (long|large)|exceeds the maximum number of tokens|"
    r"too many (input|prompt) tokens|context (window|length)|maximum context",
    re.IGNORECASE,
)
# Not any mention of billing: the usual words for too many requests a minute ask to check one's "billing details".
_NEEDS_MONEY: Final = re.compile(
    r"(enable|activate|requires?|set up|without|no) (an? )?(active )?billing|"
    r"billing (account )?(is|has been|must be|needs)|"
    r"(credits?|balance) (is |are |has been |have been )?(depleted|exhausted|used up)|"
    r"spend(ing)? (cap|limit)|limit: 0(?![\d.])",
    re.IGNORECASE,
)
_DAILY: Final = re.compile(r"per[ _-]?day", re.IGNORECASE)
_RETRY_WORDS: Final = re.compile(r"retry in (\d{1,9}(?:\.\d{1,9})?)\s*s", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    if isinstance(body, list) and body:
        body = body[0]  # as errors of streams come that are one array
    found = object_or_empty(body)
    inner = object_or_empty(found.get("error", found))
    kind = text_or(inner.get("status"), None)
    details = _details(inner)
    message = _message(found, inner, body)
    implied = _numeric(inner.get("code")) or _STATUS.get(kind or "", 0)
    effective = status if status >= 400 else implied  # noqa: PLR2004
    return ErrorDetails(
        cls=_class(effective, implied, message, details),
        status=implied or None,
        code=_code(effective, inner, kind, message, implied),
        message=message,
        retry_after=_retry_after(message, details),
        request_id=next((id_ for item in details if (id_ := text_or(item.get("requestId"), None))), None),
    )


def _class(effective: int, implied: int, message: str, details: Sequence[Mapping[str, Any]]) -> type[APIError] | None:
    reasons = {item["reason"] for item in details if isinstance(item.get("reason"), str)}
    if effective == 400 and ("API_KEY_INVALID" in reasons or _BAD_KEY.search(message)):  # noqa: PLR2004
        return AuthenticationError
    # A quota for a day is named by its id, its metric or in words; waiting for seconds does not help there.
    if effective == 429 and (_DAILY.search(f"{message} {details}") or _NEEDS_MONEY.search(message)):  # noqa: PLR2004
        return QuotaExceededError
    return status_error(implied) if implied else None


def _code(effective: int, inner: Mapping[str, Any], kind: str | None, message: str, implied: int) -> str | None:
    if effective == 400 and _TOO_LONG.search(message):  # noqa: PLR2004
        return CONTEXT_LENGTH_EXCEEDED
    code = inner.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        return kind or str(code)
    return text_or(code, None) or kind or (str(implied) if implied else None)


def _details(inner: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = inner.get("details")
    return [object_or_empty(item) for item in found] if isinstance(found, list) else []


def _retry_after(message: str, details: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds to wait: of `RetryInfo`, else of the words."""
    for item in details:
        if match := _SECONDS.fullmatch(text_or(item.get("retryDelay"), "")):
            return _positive(float(match[1]))
    match = _RETRY_WORDS.search(message)
    return _positive(float(match[1])) if match else None


def _positive(seconds: float) -> float | None:
    return seconds if seconds > 0 else None


def _numeric(value: object) -> int:
    """An HTTP status that stands in the body as a number or its text, else 0."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:  # noqa: PLR2004
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else 0  # noqa: PLR2004


def _message(outer: Mapping[str, Any], inner: Mapping[str, Any], body: object) -> str:
    """The provider's words, wherever they stand."""
    places = (inner.get("message"), outer.get("error"), outer.get("message"), inner.get("detail"), body)
    return next((place.strip() for place in places if isinstance(place, str) and place.strip()), "")
