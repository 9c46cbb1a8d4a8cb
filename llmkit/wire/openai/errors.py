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
    BadRequestError,
    InvalidResponseError,
    QuotaExceededError,
    status_error,
)
from llmkit.json_codec import loads
from llmkit.wire.base import ErrorDetails
from llmkit.wire.openai.overflow import is_overflow
from llmkit.wire.reading import object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

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
    "invalid_parameter_value": 400,
    "data_inspection_failed": 400,
    "datainspectionfailed": 400,
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
    "resource_does_not_exist": 404,
    "conflict": 409,
    "conflict_error": 409,
    "request_too_large": 413,
    "unprocessable_entity": 422,
    "unprocessable_entity_error": 422,
    "validation_error": 422,
    "validation": 422,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached": 429,
    "ratelimiterror": 429,
    "too_many_requests": 429,
    "rate_limited": 429,
    "request_limit_exceeded": 429,
    "service_tier_capacity_exceeded": 429,
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
    "over_capacity": 503,
    "temporarily_unavailable": 503,
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
    r"exceeded your current quota|PerDay|free[- ]models?[- ]per[- ]day|insufficient (account )?balance|please recharge|"
    r"(/|\bper) ?month\b|\bmonthly\b|per day (limit|quota) exceeded|daily free allocation",
    re.IGNORECASE,
)
# How some hosts number their errors in a `base_resp` of their own, and the status that each stands for.
_NUMBERED: Final[Mapping[str, int]] = {
    "1000": 500,
    "1001": 504,
    "1002": 429,
    "1004": 401,
    "1008": 402,
    "1013": 500,
    "1024": 500,
    "1026": 400,
    "1027": 400,
    "1033": 500,
    "1041": 429,
    "2013": 400,
    "2049": 401,
}
_BAD_KEY: Final = re.compile(
    r"(incorrect|invalid|missing|not valid|unknown|expired)\W+(\w+\W+){0,4}?(api|access)[ _-]?(key|token)|"
    r"(api|access)[ _-]?key\W+(\w+\W+){0,3}?(incorrect|invalid|not valid|not found|missing|expired)|API_KEY_INVALID",
    re.IGNORECASE,
)
# 0: the error does not tell. 500: some servers fail so where they should have refused.
_ABOUT_LENGTH: Final = frozenset({0, 400, 413, 422, 500})
_SURELY: Final = ("errors", "error_code", "detail")
_PERHAPS: Final = ("message", "code")
_FINE: Final = frozenset({"", "ok", "success"})
_NAMES: Final = ("code", "error_code", "type", "error_type")  # of what a host calls an error
# Where a host puts what it tells beside the choices of a chunk, an error included.
_ASIDE: Final = "x_groq"


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
    cls = _class(told, implied, words, f"{message} {details.get('details') or ''}")
    if told in _ABOUT_LENGTH and _is_overflow(words, message, details):
        code, cls, implied = CONTEXT_LENGTH_EXCEEDED, BadRequestError, implied or 400
    return ErrorDetails(
        cls=cls,
        status=implied or None,
        code=code,
        message=message,
        retry_after=_retry_after(details),
        request_id=text_or(found.get("request_id"), None),
    )


def raise_if_error(found: Mapping[str, Any], *answers: str) -> None:
    """Raise `ErrorEvent` where a body tells of an error instead of an answer.

    Args:
        found: The body.
        answers: The keys of which an answer has one.
    """
    is_answer = any(key in found for key in answers)
    if is_failure(found) or (not is_answer and (is_error(found) or has_words(found))):
        raise ErrorEvent(found)


def is_failure(found: Mapping[str, Any]) -> bool:
    """Whether a body or a chunk says that the answer failed, whatever else stands in it."""
    return bool(found.get("error") or _aside(found) or _numbered(found))


def is_error(found: Mapping[str, Any]) -> bool:
    """Whether what is no answer is an error for sure, and not a word in between."""
    if "error" in (found.get("object"), found.get("type")) or any(found.get(key) for key in _SURELY):
        return True
    code = text_or(found.get("code"), "")
    has_code = not (code.isdecimal() or code.lower() in _FINE)
    return has_words(found) and (has_code or error(200, found).status is not None)


def has_words(found: Mapping[str, Any]) -> bool:
    """Whether what is no answer has something to say."""
    return any(found.get(key) for key in _PERHAPS)


def _is_overflow(words: list[str], message: str, details: Mapping[str, Any]) -> bool:
    if is_overflow(words, message, details):
        return True
    # A gateway's own words say little: what its host answered stands beside them.
    raw = object_or_empty(details.get("metadata")).get("raw")
    try:
        told = _inner(_outer(loads(raw) if isinstance(raw, str) else raw))
    except InvalidResponseError:
        return is_overflow((), str(raw), {})
    inner = object_or_empty(told)
    return is_overflow(_words(inner, {}), _message(told, {}, ""), inner)


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
    if word := _aside(found):
        return {"code": word, "message": word} if isinstance(word, str) else word
    if _numbered(found):
        return found["base_resp"]
    for key in ("detail", "errors", "fault"):
        place = found.get(key)
        place = place[0] if key == "errors" and isinstance(place, list) and place else place
        if isinstance(place, dict):
            return place.get("error") or place
    return found


def _aside(found: Mapping[str, Any]) -> Any:
    return object_or_empty(found.get(_ASIDE)).get("error")


def _numbered(found: Mapping[str, Any]) -> int:
    """The number of an error in a ``base_resp``, which stands in every body of its hosts; 0 where all went well."""
    number = object_or_empty(found.get("base_resp")).get("status_code")
    return number if isinstance(number, int) and not found.get("choices") else 0


def _outer(body: Any) -> Mapping[str, Any]:
    """The body's object, which some put into a list."""
    return object_or_empty(body[0] if isinstance(body, list) and body else body)


def _words(details: Mapping[str, Any], outer: Mapping[str, Any]) -> Iterator[str]:
    """Codes, then types, then a status in words: what is told first says most."""
    for holder in (details, outer) if details is not outer else (details,):
        # A status around the error is that of the answer which failed.
        for key in (*_NAMES, "status") if holder is details else _NAMES:
            word = text_or(holder.get(key), "").strip()
            if word and word != "error":  # that is the envelope's own word
                yield word


def _numeric(details: Mapping[str, Any], outer: Mapping[str, Any]) -> int:
    """An HTTP status that stands in the body as a number or its text, else 0."""
    for holder in (details, outer):
        if "status_msg" in holder and (known := _NUMBERED.get(str(holder.get("status_code")))):
            return known
        for key in ("code", "status", "status_code", "http_status_code", "raw_status_code"):
            value = holder.get(key)
            if isinstance(value, str) and value.isdecimal() and len(value) == 3:  # noqa: PLR2004
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:  # noqa: PLR2004
                return value
    return 0


def _number(details: Mapping[str, Any], outer: Mapping[str, Any]) -> str | None:
    """A code that is a number, as text."""
    for holder in (details, outer):
        for key in ("code", "error_code", "status_code"):
            code = holder.get(key)
            if isinstance(code, int) and not isinstance(code, bool):
                return str(code)
    return None


def _message(inner: object, outer: Mapping[str, Any], body: object) -> str:
    """The provider's words, wherever they stand."""
    details = object_or_empty(inner)
    names = ("message", "detail", "faultstring", "error_msg", "status_msg")
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
