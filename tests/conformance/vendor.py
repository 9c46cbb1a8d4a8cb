"""What the vendor's own client reads from the same bytes, in the words of the contract."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
from attrs import frozen

from conformance import reference
from conformance.loopback import Loopback
from conformance.recordings import Recording

KEY = "sk-conformance"
ASK: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "?"}],
}

# The contract's table, by hand.
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}

# The vendor's class → ours, by the contract's tree.
ERRORS = {
    "BadRequestError": "BadRequestError",
    "AuthenticationError": "AuthenticationError",
    "PaymentRequiredError": "PaymentRequiredError",
    "PermissionDeniedError": "PermissionDeniedError",
    "NotFoundError": "NotFoundError",
    "ConflictError": "ConflictError",
    "RequestTooLargeError": "RequestTooLargeError",
    "UnprocessableEntityError": "UnprocessableEntityError",
    "RateLimitError": "RateLimitError",
    "InternalServerError": "ServerError",
    "OverloadedError": "OverloadedError",
}


@frozen
class Expected:
    """What llmkit must have read."""

    id: str
    model: str
    parts: list[Any]
    text: str
    thinking: str
    reason: tuple[str, str | None, str | None]
    usage: tuple[int, int, int, int, int]
    request_id: str | None


@contextmanager
def client(server: Loopback) -> Iterator[anthropic.Anthropic]:
    """The vendor's client, which asks `server`."""
    with anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0) as found:
        yield found


def ask(vendor: anthropic.Anthropic, recording: Recording) -> Any:
    """The vendor's message; `server` must have been told what to say."""
    messages: Any = vendor.beta.messages if recording.beta else vendor.messages
    if not recording.stream:
        return messages.create(**ASK)
    with messages.stream(**ASK) as stream:
        found = stream.get_final_message()
        found._request_id = stream.request_id
        return found


def expected(message: Any, recording: Recording) -> Expected:
    """The vendor's message in the words of the contract."""
    found = message.to_dict(mode="json")
    texts = cut_off(recording)
    parts = [_part(block, texts.get(index)) for index, block in enumerate(found["content"])]
    raw = found.get("stop_reason")
    return Expected(
        id=found["id"],
        model=found["model"],
        parts=parts,
        text="".join(block["text"] for block in found["content"] if block["type"] == "text"),
        thinking="\n\n".join(b["thinking"] for b in found["content"] if b["type"] == "thinking" and b["thinking"]),
        reason=(REASONS.get(raw, "other"), raw, found.get("stop_sequence") or None),
        usage=_usage(found["usage"]),
        request_id=message._request_id,
    )


def _usage(usage: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Input with what was cached in it, output, read from the cache, written to it, reasoning."""
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    details = usage.get("output_tokens_details") or {}
    total = usage["input_tokens"] + read + written
    return total, usage["output_tokens"], read, written, details.get("thinking_tokens") or 0


def _part(block: dict[str, Any], cut: str | None) -> Any:
    """A block as a plain value; see `test_conformance.plain`, which makes the same of a part."""
    match block:
        case {"type": "text"}:
            cited = [(item.get("cited_text") or "", item) for item in block.get("citations") or ()]
            return ("text", block["text"], cited)
        case {"type": "thinking"}:
            return ("thinking", block["thinking"], block.get("signature") or None)
        case {"type": "redacted_thinking"}:
            return ("redacted", block["data"])
        case {"type": "tool_use"}:
            if cut is not None:
                return ("call", block["id"], block["name"], {}, cut)
            return ("call", block["id"], block["name"], block["input"], None)
        case _:
            return ("verbatim", block)


def cut_off(recording: Recording) -> dict[int, str]:
    """Arguments of calls that are no JSON, as when the limit on tokens cut them: the contract keeps their text."""
    if not recording.streamed:
        return {}
    body = reference.whole(reference.events(recording.body))
    inputs = {index: block.get("input") for index, block in enumerate(body["content"])}
    return {index: value for index, value in inputs.items() if isinstance(value, str)}


def failure(error: anthropic.APIStatusError) -> tuple[str, int, str | None, str | None, bool]:
    """Class, status, code, request id, and whether to ask again."""
    body: Any = error.body
    inner = body["error"]
    code = "context_length_exceeded" if "prompt is too long" in inner["message"] else inner.get("code") or inner["type"]
    told = error.response.headers.get("x-should-retry")
    again = error.status_code in (408, 409, 429) or error.status_code >= 500 if told is None else told == "true"
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in ERRORS]
    header = error.request_id or json.loads(error.response.content).get("request_id")
    return ERRORS[names[0]], error.status_code, code, header, again
