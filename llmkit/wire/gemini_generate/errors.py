"""Error bodies of this wire, those of gateways that only speak it nearly included.

Sources: https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.errors import QuotaExceededError
from llmkit.wire.base import ErrorDetails
from llmkit.wire.error_bodies import BAD_KEY, SPENT_WORDS, Own, outer_object
from llmkit.wire.error_bodies import error as read_error
from llmkit.wire.reading import object_or_empty, text_or

_DAILY: Final = r"per[ _-]?day|\bdaily\b|\b1/d/"
_GOOGLE: Final = Own(
    names=("code", "status", "error_code", "type", "error_type"),
    statuses={
        "out_of_range": 400,
        "aborted": 409,
        "already_exists": 409,
        "cancelled": 499,
        "unknown": 500,
        "data_loss": 500,
        "unimplemented": 501,
    },
    too_long=re.compile(
        r"(input|prompt) token count|(input|prompt)( is)? too (long|large)|exceeds the maximum number of tokens|"
        r"too many (input|prompt) tokens|context (window|length)|maximum context",
        re.IGNORECASE,
    ),
    bad_key=re.compile(r"API[ _]key (not (valid|found)|expired|was reported)|API_KEY_INVALID", re.IGNORECASE),
    # A quota for a day is named by its id, its metric or in words; waiting for seconds does not help there. That the
    # "current quota" is exceeded is said of those of a minute, too.
    spent=re.compile(_DAILY, re.IGNORECASE),
)
_GATEWAYS: Final = evolve(_GOOGLE, bad_key=BAD_KEY, spent=re.compile(rf"{_DAILY}|{SPENT_WORDS}", re.IGNORECASE))
# Not any mention of billing: the usual words for too many requests a minute ask to check one's "billing details".
_NEEDS_MONEY: Final = re.compile(
    r"(enable|activate|requires?|needs?|set up|add|without|no) (an? )?(active )?billing|"
    r"billing (account )?(is|has been|must be|needs)|BILLING_(DISABLED|NOT_ACTIVE)|"
    r"(credits?|balance) (is |are |has been |have been )?(depleted|exhausted|used up)|"
    r"spend(ing)? (cap|limit)|limit: 0(?![\d.])",
    re.IGNORECASE,
)
_RETRY_WORDS: Final = re.compile(r"retry in (\d{1,9}(?:\.\d{1,9})?)\s*s", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    outer = outer_object(body)
    inner = object_or_empty(outer.get("error", outer))
    found = read_error(status, body, _GOOGLE if isinstance(inner.get("status"), str) else _GATEWAYS)
    details = _details(inner)
    limited = (status if status >= 400 else found.status) == 429  # noqa: PLR2004
    return evolve(
        found,
        cls=QuotaExceededError if limited and _NEEDS_MONEY.search(f"{found.message} {details}") else found.cls,
        retry_after=_retry_after(found.message, details),
        request_id=next((id_ for item in details if (id_ := text_or(item.get("requestId"), None))), None),
    )


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
