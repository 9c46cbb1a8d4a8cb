"""Answers as the provider writes them: typed values in, its JSON out. No I/O.

Source: https://platform.claude.com/docs/en/api/messages
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.json_codec import loads
from llmkit.messages import (
    Audio,
    Citation,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.response import FinishReason, Reason, Usage
from llmkit.testing.replies import Chunking, Reply, by_words, rough_tokens, written
from llmkit.wire.anthropic_messages.decode import finish_reason
from llmkit.wire.anthropic_messages.schema import WIRE_NAME

Json: TypeAlias = dict[str, Any]


def whole(
    reply: Reply,
    *,
    id: str = "msg_fake",  # noqa: A002
    model: str = "claude-sonnet-5",
    input_tokens: int = 1,
) -> Json:
    """The body that answers with `reply`, which is no error.

    Args:
        reply: What is answered; its own `id`, `model` and `usage` win over the others.
        id: The answer's id.
        model: The model that was asked for.
        input_tokens: Tokens of the request.

    Raises:
        ConfigurationError: This wire has no way to say something in it; the message begins with its path.

    Example:
        ``whole(reply_of("Hello"))["content"] == [{"type": "text", "text": "Hello"}]``
    """
    reason = reply.reason
    refused = "".join(part.text for part in reply.content if isinstance(part, Refusal)) or None
    details = {"type": "refusal", "category": None, "explanation": refused}
    body = {
        "id": id if reply.id is None else reply.id,
        "type": "message",
        "role": "assistant",
        "model": model if reply.model is None else reply.model,
        "content": [_block(part, f"content[{index}]") for index, part in enumerate(reply.content)],
        **_stop(reason),
        "usage": _usage(reply.usage or Usage(input_tokens, max(1, rough_tokens(written(reply.content))))),
    }
    return {**body, "stop_details": details} if body["stop_reason"] == "refusal" else body


def events(
    reply: Reply,
    *,
    id: str = "msg_fake",  # noqa: A002
    model: str = "claude-sonnet-5",
    input_tokens: int = 1,
    chunking: Chunking = by_words,
) -> list[Json]:
    """The data of the events that stream `reply`, in their order; each has the event's name as its ``type``.

    Decoded they are what `whole` of the same reply is.

    Args:
        reply: As for `whole`.
        id: As for `whole`.
        model: As for `whole`.
        input_tokens: As for `whole`.
        chunking: Cuts text, thoughts and the JSON of arguments into deltas.

    Raises:
        ConfigurationError: As `whole`.
    """
    message = whole(reply, id=id, model=model, input_tokens=input_tokens)
    usage, ended = message["usage"], {"stop_reason", "stop_sequence", "stop_details"}
    start = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {key: value for key, value in usage.items() if key != "output_tokens_details"} | {
        "output_tokens": min(1, usage["output_tokens"])
    }
    start.pop("stop_details", None)
    blocks = [
        event for index, block in enumerate(message["content"]) for event in _block_events(index, block, chunking)
    ]
    delta = {key: value for key, value in message.items() if key in ended}
    counts = {key: value for key, value in usage.items() if key != "service_tier"}
    return [
        {"type": "message_start", "message": start},
        *blocks[:1],
        {"type": "ping"},
        *blocks[1:],
        {"type": "message_delta", "delta": delta, "usage": counts},
        {"type": "message_stop"},
    ]


# ---- why it ended, and what it cost ----------------------------------------------------------------------------------

_STOP_REASONS: Final[Mapping[Reason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
    "other": "other",
}


def _stop(reason: FinishReason) -> Json:
    return {"stop_reason": _stop_reason(reason), "stop_sequence": reason.stop_sequence}


def _stop_reason(reason: FinishReason) -> str:
    calls = reason.reason == "tool_calls"  # then there are some, whatever the turn is said to have ended by
    if reason.raw and finish_reason({"stop_reason": reason.raw}, calls=calls).reason == reason.reason:
        return reason.raw
    if reason.reason == "stop" and reason.stop_sequence is not None:
        return "stop_sequence"
    if reason.reason not in _STOP_REASONS:
        raise ConfigurationError(f"finish_reason: this wire has no word for {reason.reason!r}")
    return _STOP_REASONS[reason.reason]


def _usage(usage: Usage) -> Json:
    """This wire counts cached tokens apart."""
    fresh = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
    if fresh < 0:
        raise ConfigurationError("usage.input_tokens: it includes cached tokens, and these are more")
    found: Json = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "service_tier": "standard",
    }
    if usage.reasoning_tokens:
        found["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return found


# ---- blocks ----------------------------------------------------------------------------------------------------------


def _block(part: Part, where: str) -> Json:
    match part:
        case Text():
            return _with_extra(_text(part), part)
        case Thinking(redacted=str(data)):
            return _with_extra({"type": "redacted_thinking", "data": data}, part)
        case Thinking():
            signature = part.signature or ""
            return _with_extra({"type": "thinking", "thinking": part.text, "signature": signature}, part)
        case ToolCall():
            input_ = _input(part, where)
            return _with_extra({"type": "tool_use", "id": part.id, "name": part.name, "input": input_}, part)
        case Refusal(text=text):
            return {"type": "text", "text": text}
        case Opaque():
            return _opaque(part, where)
        case Image() | Audio() | Video() | Document() | ToolResult():
            raise ConfigurationError(f"{where}: this wire cannot answer with {type(part).__name__}")
        case _:
            assert_never(part)


def _with_extra(block: Json, part: Text | Thinking | ToolCall) -> Json:
    return {**block, **part.extra.get(WIRE_NAME, {})}


def _text(part: Text) -> Json:
    block: Json = {"type": "text", "text": part.text}
    return {**block, "citations": [_citation(citation) for citation in part.citations]} if part.citations else block


def _input(call: ToolCall, where: str) -> Any:
    """The arguments as they are after a way through JSON; text where they are no JSON object."""
    if call.raw is None:
        return loads(_dumps(call.arguments, f"{where}.arguments"))
    try:
        found = loads(call.raw)
    except InvalidResponseError:
        return call.raw
    return found if isinstance(found, dict) else call.raw


def _opaque(part: Opaque, where: str) -> Json:
    if part.wire != WIRE_NAME:
        raise ConfigurationError(f"{where}: a block of {part.wire} is none of this wire")
    if not isinstance(part.data.get("type"), str):
        raise ConfigurationError(f"{where}.data.type: every block of this wire has one")
    found: Json = loads(_dumps(part.data, f"{where}.data"))
    return found


def _dumps(value: object, where: str) -> str:
    """JSON as the provider writes it, with blanks; ASCII, so that it can be cut anywhere."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{where}: cannot be written as JSON: {exc}") from None


def _citation(citation: Citation) -> Json:
    """The provider's own object, or the kind of place that the fields speak of."""
    if isinstance(citation.raw.get("type"), str):
        return dict(citation.raw)
    common: Json = {"cited_text": citation.text}
    span = {"start": citation.start or 0, "end": citation.end or 0}
    if citation.unit == "block" and citation.url is not None:
        found = {"source": citation.url, "title": citation.title, "search_result_index": citation.document or 0}
        return {"type": "search_result_location", **common, **found, **_span("block_index", span)}
    if citation.url is not None:
        found = {"url": citation.url, "title": citation.title, "encrypted_index": "fake"}
        return {"type": "web_search_result_location", **common, **found}
    kind, unit = _PLACES[citation.unit or "character"]
    found = {"document_index": citation.document or 0, "document_title": citation.title, "file_id": None}
    return {"type": kind, **common, **found, **_span(unit, span)}


_PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "character": ("char_location", "char_index"),
    "page": ("page_location", "page_number"),
    "block": ("content_block_location", "block_index"),
}


def _span(unit: str, span: Mapping[str, int]) -> dict[str, int]:
    return {f"{end}_{unit}": value for end, value in span.items()}


# ---- blocks as events ------------------------------------------------------------------------------------------------


def _block_events(index: int, block: Json, chunking: Chunking) -> Iterator[Json]:
    skeleton, deltas = _SPLITTERS.get(block["type"], _at_once)(block, chunking)
    yield {"type": "content_block_start", "index": index, "content_block": skeleton}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


_Split: TypeAlias = tuple[Json, Sequence[Json]]


def _at_once(block: Json, _: Chunking) -> _Split:
    return block, ()


def _split_text(block: Json, chunking: Chunking) -> _Split:
    if not isinstance(block.get("text"), str):
        return block, ()
    skeleton = {key: value for key, value in block.items() if key != "citations"} | {"text": ""}
    texts = [{"type": "text_delta", "text": piece} for piece in chunking(block["text"])]
    citations = [{"type": "citations_delta", "citation": item} for item in block.get("citations") or ()]
    return skeleton, [*texts, *citations]


def _split_thinking(block: Json, chunking: Chunking) -> _Split:
    if not isinstance(block.get("thinking"), str):
        return block, ()
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in chunking(block["thinking"])]
    signature = block.get("signature")
    seal = [{"type": "signature_delta", "signature": signature}] if signature else []
    return {**block, "thinking": "", "signature": ""}, [*thoughts, *seal]


def _split_input(block: Json, chunking: Chunking) -> _Split:
    value = block.get("input")
    if not value or not isinstance(value, (dict, str)):
        return block, ()
    text = value if isinstance(value, str) else _dumps(value, "input")
    pieces = ["", *chunking(text)]  # the provider begins with an empty one, too
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


_SPLITTERS: Final[Mapping[str, Callable[[Json, Chunking], _Split]]] = {
    "text": _split_text,
    "thinking": _split_thinking,
    "tool_use": _split_input,
    "server_tool_use": _split_input,
    "mcp_tool_use": _split_input,
}

__all__ = ["WIRE_NAME", "events", "whole"]
