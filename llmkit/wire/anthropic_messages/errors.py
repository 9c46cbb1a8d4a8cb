"""Error bodies of this wire, those of gateways that only speak it nearly included.

Source: https://platform.claude.com/docs/en/api/errors
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from llmkit.errors import CONTEXT_LENGTH_EXCEEDED, status_error
from llmkit.wire.base import ErrorDetails
from llmkit.wire.reading import object_or_empty, text_or

_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# Anthropic's words, then those of its own gateways for the same thing.
_TOO_LONG: Final = re.compile(
    r"prompt is too long|exceed context limit|context[ _](window|length)|"
    r"too many (input|prompt) tokens|maximum context",
    re.IGNORECASE,
)


def error(status: int, body: Any) -> ErrorDetails:
    """What an error body says, whether it is JSON or text; `status` is the HTTP answer's."""
    found = object_or_empty(body)
    inner = found.get("error", found)
    details = object_or_empty(inner)
    kind = text_or(details.get("type"), None)
    if kind == "error":
        kind = None  # the envelope's own word
    message = _message(inner, found, body)
    implied = _STATUS.get(kind or "", 0) or _numeric(details.get("code")) or _numeric(found.get("code"))
    code = text_or(details.get("code"), None) or kind or text_or(found.get("code"), None)
    if code is None and implied:
        code = str(implied)
    if (status if status >= 400 else implied) == 400 and _TOO_LONG.search(message):  # noqa: PLR2004
        code = CONTEXT_LENGTH_EXCEEDED
    return ErrorDetails(
        cls=status_error(implied) if implied else None,
        status=implied or None,
        code=code,
        message=message,
        request_id=text_or(found.get("request_id"), None),
    )


def _numeric(value: object) -> int:
    """An HTTP status that stands in the body as a number or its text, else 0."""
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:  # noqa: PLR2004
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else 0  # noqa: PLR2004


def _message(inner: object, outer: Mapping[str, Any], body: object) -> str:
    """The provider's words, wherever they stand."""
    details = object_or_empty(inner)
    places = (details.get("message"), inner, details.get("detail"), outer.get("message"), outer.get("detail"), body)
    return next((place.strip() for place in places if isinstance(place, str) and place.strip()), "")
