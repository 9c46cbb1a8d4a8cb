"""What the four providers would send, as bytes: whole answers, and streams of any number of deltas.

The shapes are those of recorded traffic, with the fields that providers send beside what is asked for.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

WORDS = (" the", " light", "house", " keeper", " rows", " out", ",", " and", " back", " again", ".", " Rain")
ARGUMENTS = ('{"text": "', "the light", " and the rain", '"}')  # the second and third again and again


class Format(NamedTuple):
    """One wire's answers.

    Attributes:
        whole: The body of a whole answer that says `text`.
        text: The events that stream so many deltas of text.
        tool: The events that stream a call whose arguments come in so many deltas.
        event: The events that stream so many KB of text in one delta.
    """

    whole: Callable[[str], Any]
    text: Callable[[int], Iterator[bytes]]
    tool: Callable[[int], Iterator[bytes]]
    event: Callable[[int], Iterator[bytes]]


KB = "The keeper rows out to the light, through rain that falls in sheets. " * 15


def _long(count: int) -> str:
    return (KB * count)[: count * 1_000]


def words(count: int) -> Iterator[str]:
    """So many deltas of a text."""
    return itertools.islice(itertools.cycle(WORDS), count)


def fragments(count: int) -> Iterator[str]:
    """So many deltas, at least two, of the JSON of an object."""
    yield ARGUMENTS[0]
    yield from itertools.islice(itertools.cycle(ARGUMENTS[1:3]), count - 2)
    yield ARGUMENTS[3]


def _sse(data: Any, *, named: bool = False, end: str = "\n") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    name = f"event: {data['type']}{end}" if named else ""
    return f"{name}data: {text}{end}{end}".encode()


# Anthropic Messages.


def _messages_whole(text: str) -> Any:
    usage = {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 24,
        "service_tier": "standard",
    }
    return {
        "model": "claude-haiku-4-5-20251001",
        "id": "msg_01CticdGUoZxk2RGzoxPbTCY",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def _messages_stream(block: Any, deltas: Iterator[Any], reason: str) -> Iterator[bytes]:
    message: Any = {**_messages_whole(""), "content": [], "stop_reason": None}
    yield _sse({"type": "message_start", "message": message}, named=True)
    yield _sse({"type": "content_block_start", "index": 0, "content_block": block}, named=True)
    yield _sse({"type": "ping"}, named=True)
    for delta in deltas:
        yield _sse({"type": "content_block_delta", "index": 0, "delta": delta}, named=True)
    yield _sse({"type": "content_block_stop", "index": 0}, named=True)
    end = {"stop_reason": reason, "stop_sequence": None}
    yield _sse({"type": "message_delta", "delta": end, "usage": {"output_tokens": 24}}, named=True)
    yield _sse({"type": "message_stop"}, named=True)


def _messages_event(count: int) -> Iterator[bytes]:
    return _messages_stream(
        {"type": "text", "text": ""}, iter([{"type": "text_delta", "text": _long(count)}]), "end_turn"
    )


def _messages_text(count: int) -> Iterator[bytes]:
    deltas = ({"type": "text_delta", "text": word} for word in words(count))
    return _messages_stream({"type": "text", "text": ""}, deltas, "end_turn")


def _messages_tool(count: int) -> Iterator[bytes]:
    block = {"type": "tool_use", "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "write", "input": {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in fragments(count))
    return _messages_stream(block, deltas, "tool_use")


# OpenAI Chat.


def _chat(kind: str, choice: Any, usage: Any) -> Any:
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": kind,
        "created": 1741569952,
        "model": "gpt-5.4-2026-03-05",
        "service_tier": "default",
        "system_fingerprint": "fp_50cad350e4",
        "choices": choice,
        "usage": usage,
    }


_CHAT_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "accepted_prediction_tokens": 0},
}


def _chat_whole(text: str) -> Any:
    message: Any = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _chat("chat.completion", [choice], _CHAT_USAGE)


def _chat_stream(first: Any, deltas: Iterator[Any], reason: str) -> Iterator[bytes]:
    def event(delta: Any, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _sse(_chat("chat.completion.chunk", [choice], None))

    yield event({"role": "assistant", "refusal": None, **first})
    for delta in deltas:
        yield event(delta)
    yield event({}, reason)
    yield _sse(_chat("chat.completion.chunk", [], _CHAT_USAGE))
    yield _sse("[DONE]")


def _chat_text(count: int) -> Iterator[bytes]:
    return _chat_stream({"content": ""}, ({"content": word} for word in words(count)), "stop")


def _chat_event(count: int) -> Iterator[bytes]:
    return _chat_stream({"content": ""}, iter([{"content": _long(count)}]), "stop")


def _chat_tool(count: int) -> Iterator[bytes]:
    function = {"name": "write", "arguments": ""}
    call = {"index": 0, "id": "call_DdmO9pD3xa9XTPNJ32zg2hcA", "type": "function", "function": function}
    deltas = ({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in fragments(count))
    return _chat_stream({"content": None, "tool_calls": [call]}, deltas, "tool_calls")


# OpenAI Responses.

_ITEM = "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b"
_CALL = "fc_67ca09c6bedc8190a7abfec07b1a1332096610f474011cc0"


def _responses_whole(text: str) -> Any:
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    item = {"id": _ITEM, "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    return _responses([item], "completed")


def _responses(output: Any, status: str) -> Any:
    done = status == "completed"
    usage = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 123,
    }
    return {
        "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "background": False,
        "completed_at": 1741476543 if done else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "gpt-5.4-2026-03-05",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if done else None,
        "user": None,
        "metadata": {},
    }


def _responses_stream(events: Iterator[Any], item: Any) -> Iterator[bytes]:
    begun = _responses([], "in_progress")
    ends = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": _responses([item], "completed")},
    ]
    starts = [{"type": f"response.{step}", "response": begun} for step in ("created", "in_progress")]
    for number, event in enumerate(itertools.chain(starts, events, ends)):
        yield _sse({**event, "sequence_number": number}, named=True)


def _responses_text(count: int) -> Iterator[bytes]:
    return _responses_said([*words(count)])


def _responses_event(count: int) -> Iterator[bytes]:
    return _responses_said([_long(count)])


def _responses_said(pieces: list[str]) -> Iterator[bytes]:
    place = {"item_id": _ITEM, "output_index": 0, "content_index": 0}
    text = "".join(pieces)
    item = _responses_whole(text)["output"][0]
    empty = {**item["content"][0], "text": ""}

    def events() -> Iterator[Any]:
        begun = {**item, "status": "in_progress", "content": []}
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        yield {"type": "response.content_part.added", **place, "part": empty}
        for word in pieces:
            padding = {"logprobs": [], "obfuscation": "h6vXZyEIR1fHzJ"}
            yield {"type": "response.output_text.delta", **place, "delta": word, **padding}
        yield {"type": "response.output_text.done", **place, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": item["content"][0]}

    return _responses_stream(events(), item)


def _responses_tool(count: int) -> Iterator[bytes]:
    place = {"item_id": _CALL, "output_index": 0}
    text = "".join(fragments(count))
    item = {
        "id": _CALL,
        "type": "function_call",
        "status": "completed",
        "arguments": text,
        "call_id": "call_unLAR8MvFNptuiZK6K6HCy5k",
        "name": "write",
    }

    def events() -> Iterator[Any]:
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        for piece in fragments(count):
            padding = {"obfuscation": "h6vXZyEIR1fHzJ"}
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece, **padding}
        yield {"type": "response.function_call_arguments.done", **place, "name": "write", "arguments": text}

    return _responses_stream(events(), item)


# Gemini.


def _gemini(parts: Any, reason: str | None) -> Any:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    usage = {
        "promptTokenCount": 14,
        "candidatesTokenCount": 37,
        "totalTokenCount": 621,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 14}],
        "thoughtsTokenCount": 570,
        "serviceTier": "standard",
    }
    return {
        "candidates": [candidate | ({} if reason is None else {"finishReason": reason})],
        "usageMetadata": usage,
        "modelVersion": "gemini-3.6-flash",
        "responseId": "StkEarfIJY6_qtsP9tjeuQs",
    }


def _gemini_whole(text: str) -> Any:
    return _gemini([{"text": text}], "STOP")


def _gemini_stream(parts: Iterator[Any], last: Any) -> Iterator[bytes]:
    for part in parts:
        yield _sse(_gemini([part], None), end="\r\n")
    yield _sse(_gemini([last], "STOP"), end="\r\n")


def _gemini_text(count: int) -> Iterator[bytes]:
    return _gemini_stream(({"text": word} for word in words(count)), {"text": ""})


def _gemini_event(count: int) -> Iterator[bytes]:
    return _gemini_stream(iter([{"text": _long(count)}]), {"text": ""})


def _gemini_tool(count: int) -> Iterator[bytes]:
    def parts() -> Iterator[Any]:
        yield {"functionCall": {"name": "write", "willContinue": True}}
        for number, piece in enumerate(itertools.islice(itertools.cycle(ARGUMENTS[1:3]), count), 1):
            value = {"jsonPath": "$.text", "stringValue": piece, "willContinue": number < count}
            yield {"functionCall": {"partialArgs": [value], "willContinue": True}}

    return _gemini_stream(parts(), {"functionCall": {}})


FORMATS = {
    "anthropic-messages": Format(_messages_whole, _messages_text, _messages_tool, _messages_event),
    "openai-chat": Format(_chat_whole, _chat_text, _chat_tool, _chat_event),
    "openai-responses": Format(_responses_whole, _responses_text, _responses_tool, _responses_event),
    "gemini-generate": Format(_gemini_whole, _gemini_text, _gemini_tool, _gemini_event),
}
