"""A provider's error as an exception of the tree: class, code, what to do, and nothing secret.

The class comes from the status; inside a 200 or a stream from what the body says it stands for.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    status_error,
    status_retryable,
)
from llmkit.json_codec import load_bytes
from llmkit.retry import retry_after

if TYPE_CHECKING:
    from llmkit.wire.base import ErrorDetails, Wire

_ADVICE: dict[type[APIError], str] = {
    AuthenticationError: "check the API key",
    PaymentRequiredError: "check the account's billing",
    PermissionDeniedError: "the key may not do this: check its account's rights",
    NotFoundError: "check the model's name, and that base_url ends before the endpoint's path",
    RequestTooLargeError: "send less, or smaller media",
    QuotaExceededError: "waiting will not help: check the account's quota and billing",
    RateLimitError: "ask less often",
    ServerError: "the provider failed: try again later",
}
_SHOWN = 500  # characters of the provider's words in the first line
_CODE_SHOWN = 60  # and of its code


def status_failure(wire: "Wire", status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error for an HTTP answer that is none: 4xx, 5xx, and whatever else is not 2xx."""
    return told_failure(wire, status, headers, _parsed(body))


def told_failure(wire: "Wire", status: int, headers: Mapping[str, str], parsed: Any) -> APIError:
    """As `status_failure`, of a body that was read already: of a request in a batch, say."""
    details = wire.error(status, parsed)
    cls = status_error(status)
    if details.cls is not None and (issubclass(details.cls, cls) or (details.cls, cls) in _TRUSTED):
        cls = details.cls
    if details.code == CONTEXT_LENGTH_EXCEEDED:  # whatever the status: the hosts do not agree on one
        cls = BadRequestError
    error = _error(cls, status, details, headers, parsed)
    error.retryable = _told(headers, default=_mendable(error, status))
    return error


# Where the body is believed rather than the status: some hosts answer 400 to a bad key.
_TRUSTED = {(AuthenticationError, BadRequestError)}


def event_failure(wire: "Wire", body: Any, headers: Mapping[str, str]) -> APIError:
    """The error for what an answer that began with 200 told: an error event, or an error instead of a body."""
    details = wire.error(200, body)
    status = details.status or 200
    # Of the headers none is about the error: `retry-after` stands on successes too.
    error = _error(details.cls or APIError, status, details, {}, body)
    error.headers = headers
    error.retryable = _mendable(error, status)
    return error


def redirect_failure(status: int, location: str | None, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error for a redirect, which is never followed: neither key nor prompt goes to another host."""
    target = location or "an address that it does not tell"
    return APIError(
        f"{status}: the host redirects to {target}; redirects are not followed: if requests belong there, set base_url",
        status=status,
        headers=headers,
        body=_parsed(body),
    )


def _error(
    cls: type[APIError], status: int, details: "ErrorDetails", headers: Mapping[str, str], body: Any
) -> APIError:
    words, code = one_line(details.message, _SHOWN), one_line(details.code or "", _CODE_SHOWN)
    kind = f" {code}" if code and code != str(status) else ""
    advice = next((text for known, text in _ADVICE.items() if issubclass(cls, known)), "")
    text = f"{status}{kind}: {words or 'no explanation was given'}" + (f" ({advice})" if advice else "")
    error = cls(text, status=status, code=details.code, headers=headers, body=body)
    error.retry_after = retry_after(headers) or details.retry_after
    if details.request_id is not None:  # else the headers have the word
        error.request_id = details.request_id
    return error


def _parsed(body: bytes) -> Any:
    """The JSON of an error's body, else its text."""
    try:
        return load_bytes(body)
    except InvalidResponseError:
        return body.decode("utf-8", "replace")


def one_line(text: str, most: int) -> str:
    """The beginning of `text` in one line, which any terminal and any log takes: without its control characters."""
    line = " ".join(text.split())
    line = line if len(line) <= most else line[: most - 3] + "..."
    return line if line.isprintable() else "".join(mark if mark.isprintable() else "\ufffd" for mark in line)


def _mendable(error: APIError, status: int) -> bool:
    """Whether another try can mend it."""
    return status_retryable(status) and not isinstance(error, (QuotaExceededError, BadRequestError))


def _told(headers: Mapping[str, str], *, default: bool) -> bool:
    """What `x-should-retry` says, which the provider's own clients heed; else `default`."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower(), default)
