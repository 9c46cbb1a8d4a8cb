"""Errors in OpenAI's words and shape: ``{"error": {message, type, param, code}}``.

Source: https://platform.openai.com/docs/guides/error-codes
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from llmkit.errors import APIError, OverloadedError, QuotaExceededError, ServerError, status_error
from llmkit.json_codec import dump_bytes
from llmkit.testing.exchange import Answer, Standing

JSON: Final = {"content-type": "application/json"}
_INVALID: Final = "invalid_request_error"
_QUOTA: Final = "insufficient_quota"


@frozen
class Fault:
    """What is wrong with a request, as the host tells it.

    Attributes:
        message: Its words.
        param: The path of what is wrong.
        code: Its word for the kind of mistake.
        status: Of the answer.
    """

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400


def refused(fault: Fault) -> Answer:
    """The answer to a request with that fault."""
    error = {"message": fault.message, "type": _INVALID, "param": fault.param, "code": fault.code}
    return Answer(fault.status, JSON, (dump_bytes({"error": error}),))


# Status → the type and the code.
_KINDS: Final[Mapping[int, tuple[str, str | None]]] = {
    400: (_INVALID, None),
    401: (_INVALID, "invalid_api_key"),
    402: ("payment_required", None),
    403: ("permission_error", None),
    404: (_INVALID, "model_not_found"),
    409: ("conflict_error", None),
    413: (_INVALID, "request_too_large"),
    422: ("unprocessable_entity_error", None),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", "server_is_overloaded"),
    529: ("service_unavailable_error", "server_is_overloaded"),
}
_STATUSES: Final = {status_error(status): status for status in _KINDS} | {OverloadedError: 503, ServerError: 500}


def answered(problem: APIError) -> Answer:
    """`problem` as these wires tell it: with its status, headers and time to wait."""
    wait = {} if problem.retry_after is None else {"retry-after": f"{problem.retry_after:g}"}
    headers = {**problem.headers, **wait, **JSON}
    return Answer(status_of(problem), headers, (dump_bytes({"error": body_of(problem)}),))


def limit_headers(standing: Standing) -> Mapping[str, str]:
    """Where these wires tell of a limit: with the time to its reset."""
    values = {"limit": standing.limit, "remaining": standing.remaining, "reset": duration(standing.reset)}
    return {f"x-ratelimit-{name}-{standing.kind}": str(value) for name, value in values.items()}


def duration(seconds: float) -> str:
    """As the host writes it: ``12ms``, ``1.5s``, ``6m0s``."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"


def status_of(problem: APIError) -> int:
    """Its own status, or that of its class."""
    return problem.status or next((_STATUSES[cls] for cls in type(problem).__mro__ if cls in _STATUSES), 400)


def body_of(problem: APIError) -> dict[str, Any]:
    """What stands below ``error``."""
    status = status_of(problem)
    kind, code = _KINDS.get(status) or ("server_error" if status >= 500 else "unknown_error", None)  # noqa: PLR2004
    if isinstance(problem, QuotaExceededError):
        kind, code = _QUOTA, _QUOTA
    return {"message": str(problem), "type": kind, "param": None, "code": problem.code or code}
