"""A recorded request body as the call of llmkit that means the same, and both in a form that can be compared."""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from conformance.recordings import Recording
from llmkit import AssistantMessage, Document, Image, Opaque, ServerTool, SystemMessage, Text, Tool, UserMessage
from llmkit.messages import ToolCall, ToolResult
from llmkit.wire.openai_responses import WIRE

PLAIN = {
    "model": "model",
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "parallel_tool_calls": "parallel_tool_calls",
}
READ = {*PLAIN, "input", "instructions", "stream", "tools", "tool_choice", "reasoning"}
TOOL = {"type", "name", "description", "parameters", "strict"}
INSTRUCTING = ("system", "developer")
NAMED = ("message", "reasoning", "function_call", "custom_tool_call")


def call(recording: Recording) -> tuple[Any, dict[str, Any]]:
    """The prompt and the options that mean the request of `recording`."""
    body = deepcopy(recording.sent)
    options: dict[str, Any] = {name: body[key] for key, name in PLAIN.items() if body.get(key) is not None}
    if body.get("instructions"):
        options["system"] = body["instructions"]
    if body.get("tools"):
        options["tools"] = [_tool(tool) for tool in body["tools"]]
    rest = {key: value for key, value in body.items() if key not in READ}
    if isinstance(choice := body.get("tool_choice"), str):
        options["tool_choice"] = choice
    elif choice:
        options["tool_choice"] = choice["name"]
    if reasoning := body.get("reasoning"):
        if effort := reasoning.pop("effort", None):
            options["reasoning"] = effort
        rest["reasoning"] = {"summary": None, **reasoning}
    # What llmkit decides unless it is told. Where nothing is said the provider stores.
    options["extra_body"] = rest | {"store": body.get("store", True), "include": body.get("include")}
    return _prompt(body.get("input")), options


def _tool(tool: Mapping[str, Any]) -> Tool | ServerTool:
    """Whatever has fields that `Tool` has not, or leaves to the provider what llmkit says, goes through as it is."""
    if tool["type"] != "function" or set(tool) - TOOL or tool.get("strict") is None:
        return ServerTool(dict(tool))
    return Tool(tool["name"], tool.get("description") or "", tool["parameters"], strict=tool["strict"])


# ---- input -----------------------------------------------------------------------------------------------------------


def _prompt(items: Any) -> Any:
    if isinstance(items, str):
        return items
    turns: list[tuple[str, list[Any]]] = []
    before: Mapping[str, Any] = {}
    for item in items or ():
        role = _role(item)
        if not turns or turns[-1][0] != role or (_written(item) and _written(before)):
            turns.append((role, []))
        turns[-1][1].append(item)
        before = item
    return list(_messages(turns))


def _role(item: Mapping[str, Any]) -> str:
    """Whose turn an item belongs to."""
    kind = item.get("type", "message")
    if kind == "message":
        return "system" if item["role"] in INSTRUCTING else item["role"]
    by_the_caller = kind in ("function_call_output", "additional_tools") or (
        kind == "tool_search_output" and item["execution"] == "client"
    )
    return "user" if by_the_caller else "assistant"


def _written(item: Mapping[str, Any]) -> bool:
    """Whether it is a message as clients write it: two of a role in a row are two turns."""
    return item.get("type", "message") == "message" and "id" not in item


def _messages(turns: Iterable[tuple[str, Sequence[Any]]]) -> Iterator[Any]:
    names: dict[str, str] = {}
    for role, items in turns:
        if role == "assistant":
            message = AssistantMessage([part for item in items for part in _answered(item)])
            names |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
            yield message
        else:
            cls = SystemMessage if role == "system" else UserMessage
            yield cls([part for item in items for part in _said(item, names)])


def _answered(item: Mapping[str, Any]) -> Iterable[Any]:
    """The parts of an item of the model's, as a conversation of llmkit would hold them.

    Items as the provider gave them go through llmkit's own decoder, which is how they would have come into the
    conversation; what a client wrote itself is written by hand.
    """
    if _written(item):
        content = item["content"]
        texts = [content] if isinstance(content, str) else [part["text"] for part in content]
        extra = {WIRE.name: {"phase": item["phase"]}} if "phase" in item else {}
        return [Text(text, extra=extra) for text in texts]
    if item["type"] == "function_call" and "id" not in item and "namespace" not in item:
        return [ToolCall(item["call_id"], item["name"], json.loads(item["arguments"]))]
    answer = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [item]}
    return WIRE.decode(answer, WIRE.quirks()).message.content


def _said(item: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Any]:
    """The parts of an item of the caller's; `names` are those of the calls before it, by their ids."""
    match item:
        case {"type": "function_call_output", "call_id": str(call)} if call in names:
            output = item["output"]
            content = [Text(output)] if isinstance(output, str) else [_part(part) for part in output]
            yield ToolResult(call, names[call], content)
        case {"type": "additional_tools" | "tool_search_output" | "function_call_output"}:
            # Not modelled, or the answer to what is not, or to what the provider keeps.
            yield Opaque(WIRE.name, dict(item))
        case {"content": str(text)}:
            yield Text(text)
        case _:
            yield from map(_part, item["content"])


def _part(part: Mapping[str, Any]) -> Any:
    match part:
        case {"type": "input_text" | "output_text", "text": text}:
            return Text(text)
        case {"type": "input_image", "image_url": url}:
            return Image.of(url, detail=part.get("detail"))
        case {"type": "input_file", "file_url": url}:
            return Document.of(url)
        case {"type": "input_file", "file_data": data}:
            return Document.of(data, name=part["filename"])
        case _:
            raise AssertionError(part)


# ---- the same in one form --------------------------------------------------------------------------------------------


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body`, in one of the forms that mean the same to the provider."""
    found: dict[str, Any] = _without_nothing({key: value for key, value in body.items() if key != "stream"})
    found.setdefault("store", True)  # the default
    items = list(_items(found.get("input", []), stored=found["store"]))
    instructions = [found.get("instructions", "")]
    while items and items[0].get("role") == "system":
        # Instructions and a system's message that nothing stands before are the same.
        instructions += [part["text"] for part in items.pop(0)["content"]]
    found["instructions"] = _words(" ".join(instructions))
    found["input"] = _consistent(items)
    found["tools"] = [_normal_tool(tool) for tool in found.get("tools", ())]
    return {key: value for key, value in found.items() if value not in ([], "")}


def _consistent(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the ids of thoughts that others without ids stand beside.

    One recording has the provider's word for it: it refused "reasoning … without its required following item".
    """
    found: list[dict[str, Any]] = []
    for run in _runs(items):
        known = [item for item in run if item["type"] in NAMED]
        thoughts = any(item["type"] == "reasoning" for item in known)
        bare = thoughts and not all(item.get("id") for item in known)
        found += [_without_id(item) if bare and item["type"] in NAMED else item for item in run]
    return found


def _runs(items: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The items of a turn of the model's together; all others alone."""
    run: list[dict[str, Any]] = []
    for item in items:
        if _role(item) == "assistant":
            run.append(item)
            continue
        yield from ([run] if run else [])
        run = []
        yield [item]
    yield from ([run] if run else [])


def _without_id(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "id"}


def _words(text: str) -> str:
    return " ".join(text.split())


def _without_nothing(value: Any) -> Any:
    """Without keys that say nothing; what stands in lists, and schemas, stays as it is."""
    if not isinstance(value, dict):
        return value
    found = {key: item if key in ("input", "tools", "text") else _without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in found.items() if item not in (None, [], {}, "")}


def _normal_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tool.items() if value not in (None, "")}


def _items(items: Any, *, stored: bool) -> Iterator[dict[str, Any]]:
    """Those that say something: without what is blank, and thoughts that the provider would know by their id alone."""
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for item in map(_item, items):
        blank = item["type"] == "message" and not item["content"]
        forgotten = item["type"] == "reasoning" and not stored and not item.get("encrypted_content")
        if not blank and not forgotten:
            yield item


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in item.items() if value not in (None, []) or key == "summary"}
    if found.get("status") == "completed":
        del found["status"]  # the default
    match found.setdefault("type", "message"):
        case "message":
            found["role"] = "system" if found["role"] in INSTRUCTING else found["role"]
            kind = "output_text" if found["role"] == "assistant" else "input_text"
            found["content"] = _content(found["content"], kind)
        case "function_call":
            found["arguments"] = json.loads(found["arguments"])
        case "function_call_output":
            found["output"] = _content(found["output"], "input_text")
    return found


def _content(content: Any, kind: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": kind, "text": content}]
    return [_normal_part(part, kind) for part in content if part.get("text", "x").strip()]


def _normal_part(part: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found = {key: value for key, value in part.items() if value not in (None, [])}
    if found["type"] in ("input_text", "output_text"):
        found["type"] = kind
    if found.get("detail") == "auto":
        del found["detail"]  # the default
    for key in ("image_url", "file_data"):
        head, mark, data = found.get(key, "").partition(";base64,")
        if mark:
            found[key] = (head, b64decode(data))
    return found
