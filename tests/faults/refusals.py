"""Answers that say no: how each status is to be taken, the hosts' own words for what matters, and bodies gone wrong.

The classes and statuses are the contract's tree, written out by hand.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen
from sockets import Server

from faults.calls import JSON, KEY, SSE, Outcome, chunked, says, use, whole
from faults.formats import ANTHROPIC, CHAT, GEMINI, MODEL, RESPONSES, Format, to_bytes
from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    NotFoundError,
    OverloadedError,
    PaymentRequiredError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    UnprocessableEntityError,
)

CLASSES: Mapping[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}
STATUSES = (*range(400, 432), 451, 494, 499, *range(500, 512), *range(520, 531), 561, 598, 599, 600, 999)
KEPT = 64 * 1024  # of a body, in an error


def class_of(status: int) -> type[APIError]:
    """The class that the contract has for a status."""
    return CLASSES.get(status, ServerError if status >= 500 else APIError)


def is_retryable(status: int) -> bool:
    """Whether the contract has it tried again."""
    return status in (408, 409, 429) or status >= 500


AT_ONCE = "Retry-After-Ms: 1\r\n"


def refusal(status: int, headers: str = AT_ONCE, body: bytes = b"") -> bytes:
    """An answer with that status."""
    return whole(body, f"{status} No", JSON + headers)


def trouble(form: Format, mode: str) -> Any:
    """The host's words for too much to do; in an event they may be others than in a body."""
    return form.trouble if mode == "streamed" else form.statuses.get(529, form.statuses.get(503))


def told(form: Format, mode: str, body: Any, headers: str = "") -> bytes:
    """An answer that begins with 200 and tells of an error before anything else."""
    if mode == "whole":
        return whole(to_bytes(body), headers=JSON + headers)
    return chunked(*form.before, form.event(body, "error"), headers=SSE + headers)


def outcomes(
    raws: Sequence[bytes], form: Format, mode: str, calls: int | None = None, **options: Any
) -> Iterator[Outcome]:
    """How the calls of one client end whose requests get `raws`, one each; as many calls as those where not given."""
    options = {"api_key": KEY, "model": MODEL, "max_retries": 0, **options}
    with Server(says(*raws)) as server, Client(form.provider, base_url=server.url, **options) as client:
        for _ in range(len(raws) if calls is None else calls):
            yield use(client, server, mode)


# What a first line has to advise, for those statuses where there is something to do.
ADVICE = {
    401: "key",
    402: "billing",
    403: "rights",
    404: "model",
    413: "smaller",
    429: "less often",
    500: "later",
    503: "later",
    529: "later",
}


def code_of(form: Format, body: Any) -> str | None:
    """The code in one of `form.statuses`: the body's string code, else its type."""
    error = body["error"]
    return error["status"] if form is GEMINI else error.get("code") or error["type"]


# ---- what matters ----------------------------------------------------------------------------------------------------


def _anthropic(message: str, kind: str = "invalid_request_error") -> Any:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _openai(message: str, code: str | None, kind: str = "invalid_request_error", param: str | None = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _google(code: int, status: str, message: str, *details: Any) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": [*details]}}


OVERFLOWS = {
    "anthropic": (ANTHROPIC, 400, _anthropic("prompt is too long: 212345 tokens > 200000 maximum")),
    "anthropic, with max_tokens": (
        ANTHROPIC,
        400,
        _anthropic(
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, "
            "decrease input length or `max_tokens` and try again"
        ),
    ),
    "openai-chat": (
        CHAT,
        400,
        _openai(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. "
            "Please reduce the length of the messages.",
            "context_length_exceeded",
            param="messages",
        ),
    ),
    "openai": (
        RESPONSES,
        400,
        _openai(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "context_length_exceeded",
            param="input",
        ),
    ),
    "gemini": (
        GEMINI,
        400,
        _google(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
    ),
}
NO_OVERFLOWS = {
    "anthropic": (ANTHROPIC, 400, _anthropic("max_tokens: 300000 > 128000, which is the maximum number of tokens")),
    "openai-chat": (CHAT, 400, _openai("max_tokens is too large: 300000.", "invalid_value", param="max_tokens")),
    "openai": (RESPONSES, 400, _openai("Invalid value for 'max_output_tokens'.", "invalid_value")),
    "gemini": (GEMINI, 400, _google(400, "INVALID_ARGUMENT", "max_output_tokens must be less than 65537")),
}

BAD_KEYS = {
    "gemini": (
        "gemini",
        _google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            },
        ),
    ),
    "xai": (
        "xai",
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: te***ey. You can obtain an API key from https://console.x.ai.",
        },
    ),
}


def _google_quota(period: str) -> Any:
    return _google(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [
                {
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
                    "quotaId": f"GenerateRequestsPer{period}PerProjectPerModel-FreeTier",
                    "quotaValue": "20",
                }
            ],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"},
    )


_SPENT = _openai(
    "You exceeded your current quota, please check your plan and billing details.", *["insufficient_quota"] * 2
)
QUOTAS = {
    "gemini, a day": (GEMINI, _google_quota("Day"), QuotaExceededError),
    "gemini, a minute": (GEMINI, _google_quota("Minute"), RateLimitError),
    "openai-chat, spent": (CHAT, _SPENT, QuotaExceededError),
    "openai-chat, a minute": (CHAT, CHAT.statuses[429], RateLimitError),
    "openai, spent": (RESPONSES, _SPENT, QuotaExceededError),
    "openai, a minute": (RESPONSES, RESPONSES.statuses[429], RateLimitError),
    "anthropic, a minute": (ANTHROPIC, ANTHROPIC.statuses[429], RateLimitError),
}

# ---- bodies that tell little -----------------------------------------------------------------------------------------

_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Oops</title></head>\n<body>\n<h1>Oops</h1>\n"
    + b"<p>x</p>" * 200
    + b"</body></html>"
)


@frozen
class Odd:
    """A body that is not the host's own.

    Attributes:
        sent: As it goes over the network.
        kept: What `error.body` is to be.
        headers: Beside the length.
        said: What the first line must repeat of it.
    """

    sent: bytes
    kept: Any
    headers: str = JSON
    said: str = ""

    def answer(self, status: int) -> bytes:
        """With that status."""
        return whole(self.sent, f"{status} Whatever", self.headers)


def _json(value: Any, said: str = "") -> Odd:
    return Odd(to_bytes(value), value, said=said)


_TEXT = "Content-Type: text/plain\r\n"
_LONG = {"error": {"message": "m" * 5_000_000}}
_WORDS = {
    "error": {
        "message": "no\r\n\r\nway\u2028out \x1b[31mred\x00 " + "y" * 3000,
        "type": "t" * 3000,
        "code": "c\n" * 3000,
    }
}
ODD_BODIES = {
    "empty": Odd(b"", "", "", "no explanation"),
    "blank": Odd(b" \r\n\r\n", " \r\n\r\n", said="no explanation"),
    "a page": Odd(_PAGE, _PAGE.decode(), "Content-Type: text/html\r\n", "Oops"),
    "a page called JSON": Odd(_PAGE, _PAGE.decode(), said="Oops"),
    "words": Odd(b"upstream connect error", "upstream connect error", _TEXT, "upstream connect error"),
    "5 MB of text": Odd(b"word " * 1_000_000, ("word " * 1_000_000)[:KEPT], _TEXT, "word word"),
    "5 MB of JSON": Odd(to_bytes(_LONG), to_bytes(_LONG)[:KEPT].decode(), said="mmm"),
    "5 MB, compressed": Odd(
        gzip.compress(b"x" * 5_000_000), "x" * KEPT, _TEXT + "Content-Encoding: gzip\r\n", said="xxx"
    ),
    "JSON, compressed": Odd(
        gzip.compress(b'{"error":{"message":"tiny"}}'),
        {"error": {"message": "tiny"}},
        JSON + "Content-Encoding: gzip\r\n",
        "tiny",
    ),
    "not compressed as it says": Odd(b"plain", "", JSON + "Content-Encoding: gzip\r\n"),
    "compressed in an unknown way": Odd(b"plain", "", JSON + "Content-Encoding: x-odd\r\n"),
    "bytes that are no text": Odd(b"\xff\xfe\x80 no", "\ufffd\ufffd\ufffd no", said="no"),
    "a letter cut by the limit": Odd("é".encode() * KEPT, "é" * (KEPT // 2), _TEXT, "ééé"),
    "latin-1": Odd("schön".encode("latin-1"), "sch\ufffdn", "Content-Type: text/plain; charset=latin-1\r\n"),
    "a byte order mark": Odd(b"\xef\xbb\xbf" + b'{"error": "no"}', {"error": "no"}, said=": no"),
    "null": _json(None, "no explanation"),
    "true": _json(True),
    "a number": _json(17),
    "a string": _json("just no", "just no"),
    "an empty list": _json([]),
    "a list": _json(["no", {"error": {"message": "x"}}, 3]),
    "an empty object": _json({}, "no explanation"),
    "an error that is null": _json({"error": None}),
    "an error that is false": _json({"error": False}),
    "an error that is text": _json({"error": "not today"}, "not today"),
    "an error that is a list": _json({"error": [1, [2]]}),
    "words that are none": _json({"error": {"message": {"a": 1}, "type": ["b"], "code": {"c": 2}}}),
    "codes of odd types": _json({"error": {"message": "hm", "type": 5, "code": True, "status": 1.5}}, "hm"),
    "codes that are huge": _json({"error": {"message": "hm", "code": 10**300}}, "hm"),
    "details of odd types": _json({"error": {"message": "hm", "details": [None, "x", {"retryDelay": 5}]}}, "hm"),
    "as FastAPI has it": _json({"detail": "not so"}, "not so"),
    "long words in many lines": _json(_WORDS, "no way out"),
    "half of a letter": Odd(b'{"error":{"message":"a\\ud83d b"}}', {"error": {"message": "a\ud83d b"}}, said="a"),
    "nested": Odd(b"[" * 5000, "[" * 5000, said="[["),
    "NaN": Odd(b'{"error": NaN}', '{"error": NaN}'),
    "cut": Odd(b'{"error": {"message": "half', '{"error": {"message": "half', said="half"),
}
# Of statuses that hosts and what stands before them answer in ways of their own.
ODD_STATUSES = (400, 401, 413, 418, 429, 500, 503)
