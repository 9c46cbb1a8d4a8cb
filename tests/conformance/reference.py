"""The wire format of Anthropic's Messages API as its documentation has it, for comparison: nothing of llmkit is used.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

JOINED = {"text_delta": "text", "thinking_delta": "thinking"}
SET = {"signature_delta": ("signature",), "compaction_delta": ("content", "encrypted_content")}
SKELETONS = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}


def events(body: bytes) -> list[dict[str, Any]]:
    """The data of a recorded stream's events. Good enough for recordings, whose lines are plain."""
    text = body.decode().replace("\r\n", "\n")
    found = []
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data:
            found.append(json.loads("\n".join(data)))
    return found


def sse(data: Iterable[dict[str, Any]]) -> bytes:
    """A stream as the provider writes it."""
    return b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in data)


def whole(stream: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The whole body of the same answer. Call arguments that are cut off become their text."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    buffers: dict[int, str] = {}
    for event in deepcopy(list(stream)):
        match event:
            case {"type": "message_start"}:
                message = event["message"]
            case {"type": "content_block_start"}:
                blocks[event["index"]] = event["content_block"]
            case {"type": "content_block_delta", "delta": {"type": "input_json_delta"} as delta}:
                buffers[event["index"]] = buffers.get(event["index"], "") + delta["partial_json"]
            case {"type": "content_block_delta", "delta": {"type": "citations_delta"} as delta}:
                block = blocks[event["index"]]
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
            case {"type": "content_block_delta", "delta": delta}:
                _change(blocks[event["index"]], delta)
            case {"type": "message_delta"}:
                # Counts are totals so far: those that are told replace those before.
                message["usage"] |= {key: value for key, value in event["usage"].items() if value is not None}
                message |= event["delta"]
    for index, text in buffers.items():
        if text:
            blocks[index]["input"] = _parsed(text)
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _change(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if key := JOINED.get(delta["type"]):
        block[key] += delta[key]
    else:
        block |= {key: delta.get(key) for key in SET[delta["type"]]}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def rendered(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events that a whole body would have been streamed in."""
    usage = body["usage"]
    start = {**body, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    for key in ("container", "context_management", "stop_details"):
        start.pop(key, None)
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(body["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": _skeleton(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    changes = {key: body[key] for key in ("stop_reason", "stop_sequence", "stop_details", "container") if key in body}
    extra = {key: body[key] for key in ("context_management",) if key in body}
    yield {"type": "message_delta", "delta": changes, "usage": usage, **extra}
    yield {"type": "message_stop"}


def _skeleton(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it begins; results of server tools and redacted thoughts come whole."""
    kind = block["type"]
    if "input" in block:
        return {**block, "input": {}}
    skeleton = {**block, **SKELETONS.get(kind, {})}
    if skeleton.get("citations"):
        skeleton["citations"] = []
    return {key: value for key, value in skeleton.items() if key in block}


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for citation in block.get("citations") or () if block["type"] == "text" else ():
        yield {"type": "citations_delta", "citation": citation}
    for kind, key in JOINED.items():
        if block["type"] == key:
            yield from ({"type": kind, key: piece} for piece in _pieces(block[key]))
    if block.get("signature") and block["type"] == "thinking":
        yield {"type": "signature_delta", "signature": block["signature"]}
    if block.get("input"):
        yield {"type": "input_json_delta", "partial_json": ""}
        text = json.dumps(block["input"], ensure_ascii=False)
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text))


def _pieces(text: str, size: int = 7) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
