"""The wire format of OpenAI's Responses API as its documentation has it, for comparison: nothing of llmkit is used.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

TERMINAL = ("response.completed", "response.incomplete", "response.failed")
# Where the text of a delta goes: event → list of the item, index in it, key.
IN_PART = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
}
IN_ITEM = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "code",
}
# Fields of an item that are streamed in pieces: type → field, how its events begin.
PIECEMEAL = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
WORDS = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "summary_text": ("response.reasoning_summary_text", "text"),
}
LISTS = ("content", "summary")


def events(body: bytes) -> list[dict[str, Any]]:
    """The data of a recorded stream's events. Good enough for recordings, whose lines are plain."""
    text = body.decode().replace("\r\n", "\n")
    found = []
    for block in text.split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if data and data != ["[DONE]"]:
            found.append(json.loads("\n".join(data)))
    return found


def sse(data: Iterable[dict[str, Any]]) -> bytes:
    """A stream as the provider writes it."""
    return b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in data)


# ---- a stream as a whole body ----------------------------------------------------------------------------------------


def terminal(stream: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The answer that the last event of a stream holds."""
    (found,) = [event["response"] for event in stream if event["type"] in TERMINAL]
    return deepcopy(found)


def whole(stream: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The whole body of the same answer.

    Each item as it was when it was done: a reasoning item is sealed anew each time that it is told, and who reads the
    stream has been given the first.
    """
    body = terminal(stream)
    output = dict(enumerate(body["output"]))
    output |= {event["output_index"]: event["item"] for event in stream if event["type"] == "response.output_item.done"}
    return {**body, "output": [deepcopy(output[index]) for index in sorted(output)]}


def accumulated(stream: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items, put together from what came piece by piece; only what never does so is taken from their last form."""
    items: dict[int, dict[str, Any]] = {}
    for event in deepcopy(list(stream)):
        item = items.get(event.get("output_index", -1), {})
        match event["type"]:
            case "response.output_item.added":
                items[event["output_index"]] = event["item"]
            case "response.content_part.added" | "response.reasoning_part.added":
                _put(item, "content", event["content_index"], event["part"])
            case "response.reasoning_summary_part.added":
                _put(item, "summary", event["summary_index"], event["part"])
            case "response.output_text.annotation.added":
                item["content"][event["content_index"]]["annotations"].append(event["annotation"])
            case "response.output_item.done":
                _finish(item, event["item"])
            case kind if kind in IN_PART:
                where, index, key = IN_PART[kind]
                part = item[where][event[index]]
                part[key] += event["delta"]
                if event.get("logprobs"):
                    part["logprobs"] = [*part.get("logprobs", ()), *event["logprobs"]]
            case kind if kind in IN_ITEM:
                item[IN_ITEM[kind]] = item.get(IN_ITEM[kind], "") + event["delta"]
    return [items[index] for index in sorted(items)]


def _put(item: dict[str, Any], where: str, index: int, part: dict[str, Any]) -> None:
    item[where] = item.get(where) or []
    assert len(item[where]) == index, "parts begin in their order"
    item[where].append(part)


def _finish(item: dict[str, Any], done: dict[str, Any]) -> None:
    streamed, _ = PIECEMEAL.get(done["type"], ("", ""))
    for key, value in done.items():
        if key == streamed or (key in LISTS and item.get(key)):
            continue
        item[key] = value


# ---- a whole body as a stream ----------------------------------------------------------------------------------------


def rendered(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events that a whole body would have been streamed in, numbered."""
    for number, event in enumerate(_rendered(body)):
        yield {**event, "sequence_number": number}


def _rendered(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = {**body, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    if "completed_at" in body:
        start["completed_at"] = None
    yield {"type": "response.created", "response": start}
    yield {"type": "response.in_progress", "response": start}
    for index, item in enumerate(body["output"]):
        for event in _item(item):
            yield {**event, "output_index": index}
    kind = "response.incomplete" if body["status"] == "incomplete" else "response.completed"
    yield {"type": kind, "response": body}


def _item(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one item, but for its place."""
    streamed, prefix = PIECEMEAL.get(item["type"], ("", ""))
    skeleton = dict(item)
    for key in LISTS:
        if isinstance(item.get(key), list):
            skeleton[key] = []
    if streamed:
        skeleton[streamed] = ""
    if "status" in item:
        skeleton["status"] = "in_progress"
    yield {"type": "response.output_item.added", "item": skeleton}
    for event in _inside(item):
        yield {**event, "item_id": item.get("id", "")}
    if streamed:
        for piece in pieces(item[streamed]):
            yield {"type": f"{prefix}.delta", "delta": piece, "item_id": item.get("id", "")}
        yield {"type": f"{prefix}.done", streamed: item[streamed], "item_id": item.get("id", "")}
    yield {"type": "response.output_item.done", "item": item}


def _inside(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of the parts of an item."""
    for where, index_name, begins in (
        ("summary", "summary_index", "response.reasoning_summary_part"),
        ("content", "content_index", "response.content_part"),
    ):
        if item["type"] not in ("message", "reasoning"):
            return
        for index, part in enumerate(item.get(where) or ()):
            place = {index_name: index}
            prefix, key = WORDS[part["type"]]
            empty = {**part, key: "", **({"annotations": []} if "annotations" in part else {})}
            if part.get("logprobs"):
                empty["logprobs"] = []
            yield {"type": f"{begins}.added", "part": empty, **place}
            for number, piece in enumerate(pieces(part[key])):
                told = {"logprobs": part["logprobs"] if number == 0 else []} if "logprobs" in part else {}
                yield {"type": f"{prefix}.delta", "delta": piece, **told, **place}
            for number, annotation in enumerate(part.get("annotations") or ()):
                told = {"annotation": annotation, "annotation_index": number}
                yield {"type": "response.output_text.annotation.added", **told, **place}
            yield {"type": f"{prefix}.done", key: part[key], **place}
            yield {"type": f"{begins}.done", "part": part, **place}


def pieces(text: str, size: int = 7) -> Iterator[str]:
    """`text` in pieces of a few characters."""
    return (text[start : start + size] for start in range(0, len(text), size))
