"""Error bodies of OpenAI's two wires, those of the many hosts that only speak them nearly included.

Source: https://platform.openai.com/docs/guides/error-codes
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    QuotaExceededError,
    status_error,
)
from llmkit.wire.base import ErrorDetails
from llmkit.wire.reading import object_or_empty, text_or

# Codes and types, and the status that each stands for.
_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "bad_request": 400,
    "bad_request_error": 400,
    "badrequesterror": 400,
    "invalid_prompt": 400,
    "bio_policy": 400,
    "data_residency_mismatch": 400,
    **dict.fromkeys(
        (
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "invalid_image_mode",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "image_content_policy_violation",
            "image_file_too_large",
            "image_file_not_found",
            "unsupported_image_media_type",
            "empty_image_file",
            "failed_to_download_image",
        ),
        400,
    ),
    "content_filter": 400,
    "content_policy_violation": 400,
    "context_length_exceeded": 400,
    "string_above_max_length": 400,
    "too_many_prompt_tokens": 400,
    "invalid_argument": 400,
    "failed_precondition": 400,
    "invalid_api_key": 401,
    "incorrect_api_key": 401,
    "authentication_error": 401,
    "authenticationerror": 401,
    "invalid_authentication": 401,
    "unauthorized": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "payment_required": 402,
    "insufficient_balance": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "permission_denied_error": 403,
    "forbidden": 403,
    "access_denied": 403,
    "unsupported_country_region_territory": 403,
    "not_found": 404,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "deploymentnotfound": 404,
    "conflict": 409,
    "conflict_error": 409,
    "request_too_large": 413,
    "unprocessable_entity": 422,
    "unprocessable_entity_error": 422,
    "validation_error": 422,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached": 429,
    "ratelimiterror": 429,
    "too_many_requests": 429,
    "tokens": 429,
    "requests": 429,
    "insufficient_quota": 429,
    "exceeded_current_quota_error": 429,
    "billing_hard_limit_reached": 429,
    "billing_not_active": 429,
    "resource_exhausted": 429,
    "server_error": 500,
    "api_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "internal": 500,
    "upstream_error": 502,
    "bad_gateway": 502,
    "engine_overloaded": 503,
    "engine_overloaded_error": 503,
    "overloaded": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "serviceunavailable": 503,
    "unavailable": 503,
    "timeout": 504,
    "vector_store_timeout": 504,
    "timeout_error": 504,
    "gateway_timeout": 504,
    "deadline_exceeded": 504,
    "overloaded_error": 529,
}
# Quotas and credit that waiting will not bring back.
_SPENT: Final = frozenset(
    {"insufficient_quota", "exceeded_current_quota_error", "billing_hard_limit_reached", "billing_not_active"}
)
_QUOTA: Final = re.compile(
    r"exceeded your current quota|PerDay|free[- ]models?[- ]per[- ]day|insufficient (account )?balance|please recharge",
    re.IGNORECASE,
)
_BAD_KEY: Final = re.compile(
    r"(incorrect|invalid|missing|not valid|unknown|expired)\W+(\w+\W+){0,4}?(api|access)[ _-]?(key|token)|"
    r"(api|access)[ _-]?key\W+(\w+\W+){0,3}?(incorrect|invalid|not valid|not found|missing|expired)|API_KEY_INVALID",
    re.IGNORECASE,
)
# The words of OpenAI and of many hosts for a prompt that does not fit the model.
_LONG_CODES: Final = frozenset(
    {
        CONTEXT_LENGTH_EXCEEDED,
        "too_many_prompt_tokens",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "exceed_context_size_error",
        "context_length_error",
        "model_context_window_exceeded",
        "max_tokens_exceeded_error",
        "string_above_max_length",
    }
)
_TOO_LONG: Final = re.compile(
    r"maximum context|context[ _](length|window|size|limit)|exceeds? (the )?(available )?context|"
    r"prompt (is |was )?(too long|too large)|prompt too long|input (is |was )?too long|"
    r"(message|request|conversation)s? (is|are) too long|too many (input |prompt )?tokens|"
    r"(input|prompt)( token count| length| tokens?)?[^.]{0,40} exceeds? [^.]{0,40}(maximum|limit|tokens)|"
    r"maximum (prompt|input|allowed input) length|reduce the length of the (messages|prompt|input)|"
    r"larger than the maximum context|max_model_len|longer than the model's|ContextWindowExceeded|"
    r"`inputs` tokens \+ `max_new_tokens` must be",
    re.IGNORECASE,
)
_ABOUT_LENGTH: Final = frozenset({400, 413, 422})


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    found = _outer(body)
    inner = _inner(found)
    details = object_or_empty(inner)
    message = _message(inner, found, body)
    words = list(_words(details, found))
    implied = _numeric(details, found) or next((_STATUS[word.lower()] for word in words if word.lower() in _STATUS), 0)
    code = words[0] if words else _number(details, found) or (str(implied) if implied else None)
    told = status if status >= 400 else implied  # noqa: PLR2004
    if told in _ABOUT_LENGTH and (_LONG_CODES & {word.lower() for word in words} or _TOO_LONG.search(message)):
        code = CONTEXT_LENGTH_EXCEEDED
    return ErrorDetails(
        cls=_class(told, implied, words, f"{message} {details.get('details') or ''}"),
        status=implied or None,
        code=code,
        message=message,
        retry_after=_retry_after(details),
        request_id=text_or(found.get("request_id"), None),
    )


def _class(told: int, implied: int, words: list[str], text: str) -> type[APIError] | None:
    """The class that the body stands for, where it says more than the status; `text` is all that it says."""
    if told == 429 and (_SPENT & set(words) or _QUOTA.search(text)):  # noqa: PLR2004
        return QuotaExceededError
    if told in (400, 401) and (implied == 401 or _BAD_KEY.search(text)):  # noqa: PLR2004 - 400: some hosts, to a bad key
        return AuthenticationError
    return status_error(implied) if implied else None


def _inner(found: Mapping[str, Any]) -> Any:
    """What tells most of the error, wherever it stands: in itself, in a detail, in a list."""
    if found.get("error"):
        return found["error"]
    for key in ("detail", "errors", "fault"):
        place = found.get(key)
        place = place[0] if key == "errors" and isinstance(place, list) and place else place
        if isinstance(place, dict):
            return place.get("error") or place
    return found


def _outer(body: Any) -> Mapping[str, Any]:
    """The body's object, which some put into a list."""
    return object_or_empty(body[0] if isinstance(body, list) and body else body)


def _words(details: Mapping[str, Any], outer: Mapping[str, Any]) -> Iterator[str]:
    """Codes, then types, then a status in words: what is told first says most."""
    for holder in (details, outer) if details is not outer else (details,):
        # A status around the error is that of the answer which failed.
        for key in ("code", "type", "status") if holder is details else ("code", "type"):
            word = text_or(holder.get(key), "").strip()
            if word and word != "error":  # that is the envelope's own word
                yield word


def _numeric(details: Mapping[str, Any], outer: Mapping[str, Any]) -> int:
    """An HTTP status that stands in the body as a number or its text, else 0."""
    for holder in (details, outer):
        for key in ("code", "status", "status_code"):
            value = holder.get(key)
            if isinstance(value, str) and value.isdecimal() and len(value) == 3:  # noqa: PLR2004
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:  # noqa: PLR2004
                return value
    return 0


def _number(details: Mapping[str, Any], outer: Mapping[str, Any]) -> str | None:
    """A code that is a number, as text."""
    for holder in (details, outer):
        code = holder.get("code")
        if isinstance(code, int) and not isinstance(code, bool):
            return str(code)
    return None


def _message(inner: object, outer: Mapping[str, Any], body: object) -> str:
    """The provider's words, wherever they stand."""
    details = object_or_empty(inner)
    names = ("message", "detail", "faultstring")
    places = (details.get("message"), inner, *map(details.get, names), *map(outer.get, names), body)
    return next((text for place in places if (text := _text(place))), "")


def _text(place: object) -> str:
    """The words of one place; lists are FastAPI's: what is wrong, and where."""
    if isinstance(place, str):
        return place.strip()
    if isinstance(place, list):
        return "; ".join(filter(None, map(_fault, place)))
    if isinstance(place, dict) and isinstance(place.get("detail"), (str, list)):
        return _text(place["detail"])
    return ""


def _fault(told: object) -> str:
    if isinstance(told, str):
        return told.strip()
    item = object_or_empty(told)
    words, where = text_or(item.get("msg"), ""), item.get("loc")
    path = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    return f"{path}: {words}" if path and words else words


def _retry_after(details: Mapping[str, Any]) -> float | None:
    """The wait that Gemini's body asks for, through its compatible endpoint, too: ``"retryDelay": "17s"``."""
    asked = details.get("details")
    for item in asked if isinstance(asked, list) else ():
        match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)s", text_or(object_or_empty(item).get("retryDelay"), ""))
        if match and float(match[1]) > 0:
            return float(match[1])
    return None
