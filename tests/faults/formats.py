"""One short answer in each wire's own bytes, whole and streamed, and each host's words for what went wrong.

Written by hand from the providers' documentation, so that nothing here depends on what is tested.
"""

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

PIECES = ("Grüß", " Gott, ", "世界 ", "🌍")
TEXT = "".join(PIECES)
MODEL = "m-1"
ID = "answer-1"
INPUT, OUTPUT = 11, 7


def to_bytes(value: object) -> bytes:
    """Compact JSON, its letters as they are, as the hosts send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@frozen
class Format:
    """What one wire sends.

    Attributes:
        provider: The name of a row that speaks it.
        before: The events that come before the first text, framed.
        texts: The events of the answer's text, one a piece of `PIECES`.
        after: The events from the last text to the one with which the answer is whole.
        more: What may follow an answer that is whole: usage and sentinels.
        end: The line end that its host uses.
        body: The same answer as a whole body.
        statuses: The host's own error body for each status that it documents.
        trouble: The data of an event that tells of too much to do.
    """

    provider: str
    before: tuple[bytes, ...]
    texts: tuple[bytes, ...]
    after: tuple[bytes, ...]
    more: tuple[bytes, ...]
    end: bytes
    body: bytes
    statuses: Mapping[int, Any]
    trouble: Any

    @property
    def events(self) -> tuple[bytes, ...]:
        """All of a stream, an event an item."""
        return (*self.before, *self.texts, *self.after, *self.more)

    @property
    def stream(self) -> bytes:
        """All of a stream."""
        return b"".join(self.events)

    def begun(self, pieces: int) -> bytes:
        """A stream as far as so many pieces of the text."""
        return b"".join((*self.before, *self.texts[:pieces]))

    def event(self, data: Any, name: str | None = None) -> bytes:
        """An event with `data` in this wire's framing; JSON where it is no bytes."""
        return framed(data, name or (data.get("type") if self.named and isinstance(data, dict) else None), self.end)

    @property
    def named(self) -> bool:
        """Whether its events have names, which are the types in their data."""
        return self.texts[0].startswith(b"event:")


def framed(data: Any, name: str | None = None, end: bytes = b"\n") -> bytes:
    """One event."""
    head = b"" if name is None else b"event: " + name.encode() + end
    return head + b"data: " + (data if isinstance(data, bytes) else to_bytes(data)) + end + end


def _named(*events: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(framed(event, event["type"]) for event in events)


def _data(*events: Any, end: bytes = b"\n") -> tuple[bytes, ...]:
    return tuple(framed(event, None, end) for event in events)


# ---- Anthropic Messages ----------------------------------------------------------------------------------------------

_USAGE = {"input_tokens": INPUT, "output_tokens": OUTPUT}
_MESSAGE = {"id": ID, "type": "message", "role": "assistant", "model": MODEL}


def _anthropic_error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req-body"}


ANTHROPIC = Format(
    provider="anthropic",
    before=_named(
        {
            "type": "message_start",
            "message": {
                **_MESSAGE,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": INPUT, "output_tokens": 1},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ),
    texts=_named(
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in PIECES
        )
    ),
    after=_named(
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": OUTPUT},
        },
        {"type": "message_stop"},
    ),
    more=(),
    end=b"\n",
    body=to_bytes(
        {
            **_MESSAGE,
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": _USAGE,
        }
    ),
    statuses={
        400: _anthropic_error("invalid_request_error", "max_tokens: too many"),
        401: _anthropic_error("authentication_error", "invalid x-api-key"),
        402: _anthropic_error("billing_error", "Your credit is used up"),
        403: _anthropic_error("permission_error", "not for this key"),
        404: _anthropic_error("not_found_error", "model: m-1"),
        409: _anthropic_error("conflict_error", "at work on it"),
        413: _anthropic_error("request_too_large", "Request exceeds the maximum size"),
        429: _anthropic_error("rate_limit_error", "slow down"),
        500: _anthropic_error("api_error", "Internal server error"),
        504: _anthropic_error("timeout_error", "too long"),
        529: _anthropic_error("overloaded_error", "Overloaded"),
    },
    trouble=_anthropic_error("overloaded_error", "Overloaded"),
)

# ---- OpenAI Chat Completions -----------------------------------------------------------------------------------------

_CHAT = {"id": ID, "created": 1, "model": MODEL}
_CHAT_USAGE = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}


def _chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
    return {**_CHAT, "object": "chat.completion.chunk", "choices": choices, **more}


def _openai_error(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_OPENAI_STATUSES = {
    400: _openai_error("invalid_request_error", "Unknown parameter: 'x'.", "unknown_parameter"),
    401: _openai_error("invalid_request_error", "Incorrect API key provided.", "invalid_api_key"),
    403: _openai_error("invalid_request_error", "Country not supported", "unsupported_country_region_territory"),
    404: _openai_error("invalid_request_error", "The model `m-1` does not exist", "model_not_found"),
    429: _openai_error("requests", "Rate limit reached for m-1", "rate_limit_exceeded"),
    500: _openai_error("server_error", "The server had an error while processing your request."),
    503: _openai_error("service_unavailable_error", "The engine is currently overloaded", "server_is_overloaded"),
}

CHAT = Format(
    provider="openai-chat",
    before=_data(_chunk({"role": "assistant", "content": "", "refusal": None}, usage=None)),
    texts=_data(*(_chunk({"content": piece}, usage=None) for piece in PIECES)),
    after=_data(_chunk({}, "stop", usage=None)),
    more=_data(_chunk(usage=_CHAT_USAGE), b"[DONE]"),
    end=b"\n",
    body=to_bytes(
        {
            **_CHAT,
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": TEXT, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _CHAT_USAGE,
        }
    ),
    statuses=_OPENAI_STATUSES,
    trouble=_OPENAI_STATUSES[503],
)

# ---- OpenAI Responses ------------------------------------------------------------------------------------------------

_RESPONSE = {"id": ID, "object": "response", "created_at": 1, "model": MODEL, "error": None, "incomplete_details": None}
_ITEM = {"id": "msg-1", "type": "message", "role": "assistant"}
_PLACE = {"item_id": "msg-1", "output_index": 0, "content_index": 0}
_PART = {"type": "output_text", "text": TEXT, "annotations": []}
_DONE_ITEM = {**_ITEM, "status": "completed", "content": [_PART]}
_COMPLETED = {
    **_RESPONSE,
    "status": "completed",
    "output": [_DONE_ITEM],
    "usage": {
        "input_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": OUTPUT,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT + OUTPUT,
    },
}
_STARTED = {**_RESPONSE, "status": "in_progress", "output": [], "usage": None}


def _numbered(start: int, *events: dict[str, Any]) -> tuple[bytes, ...]:
    return _named(*({**event, "sequence_number": start + place} for place, event in enumerate(events)))


RESPONSES = Format(
    provider="openai",
    before=_numbered(
        0,
        {"type": "response.created", "response": _STARTED},
        {"type": "response.in_progress", "response": _STARTED},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**_ITEM, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **_PLACE, "part": {**_PART, "text": ""}},
    ),
    texts=_numbered(4, *({"type": "response.output_text.delta", **_PLACE, "delta": piece} for piece in PIECES)),
    after=_numbered(
        4 + len(PIECES),
        {"type": "response.output_text.done", **_PLACE, "text": TEXT},
        {"type": "response.content_part.done", **_PLACE, "part": _PART},
        {"type": "response.output_item.done", "output_index": 0, "item": _DONE_ITEM},
        {"type": "response.completed", "response": _COMPLETED},
    ),
    more=(),
    end=b"\n",
    body=to_bytes(_COMPLETED),
    statuses=_OPENAI_STATUSES,
    trouble={
        "type": "error",
        "code": "server_is_overloaded",
        "message": "The engine is currently overloaded",
        "param": None,
        "sequence_number": 9,
    },
)

# ---- Gemini generateContent ------------------------------------------------------------------------------------------

_COUNTS = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT}


def _candidate(text: str, reason: str | None = None) -> dict[str, Any]:
    ended = {} if reason is None else {"finishReason": reason}
    content = {"role": "model", "parts": [{"text": text}]}
    return {
        "candidates": [{"content": content, **ended, "index": 0}],
        "usageMetadata": _COUNTS,
        "modelVersion": MODEL,
        "responseId": ID,
    }


def _google_error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    found = {"code": code, "message": message, "status": status}
    return {"error": {**found, "details": [*details]} if details else found}


GEMINI = Format(
    provider="gemini",
    before=(),
    texts=_data(*(_candidate(piece) for piece in PIECES), end=b"\r\n"),
    after=_data(_candidate("", "STOP"), end=b"\r\n"),
    more=(),
    end=b"\r\n",
    body=to_bytes(_candidate(TEXT, "STOP")),
    statuses={
        400: _google_error(400, "INVALID_ARGUMENT", "Unknown name"),
        401: _google_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403: _google_error(403, "PERMISSION_DENIED", "not for this key"),
        404: _google_error(404, "NOT_FOUND", "models/m-1 is not found"),
        429: _google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"),
        500: _google_error(500, "INTERNAL", "An internal error has occurred"),
        503: _google_error(503, "UNAVAILABLE", "The model is overloaded"),
        504: _google_error(504, "DEADLINE_EXCEEDED", "too long"),
    },
    trouble=_google_error(503, "UNAVAILABLE", "The model is overloaded"),
)

FORMATS = {format_.provider: format_ for format_ in (ANTHROPIC, CHAT, RESPONSES, GEMINI)}
