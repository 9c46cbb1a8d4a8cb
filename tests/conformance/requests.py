"""A recorded request body as the call of llmkit that means the same, and both in a form that can be compared."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from conformance.recordings import Recording
from llmkit import ServerTool, SystemMessage, Text, Tool

CHOICES = {"auto": "auto", "any": "required", "none": "none"}
PLAIN = ("model", "max_tokens", "temperature", "top_p", "top_k", "metadata", "service_tier")
READ = {*PLAIN, "messages", "system", "stream", "stop_sequences", "tools", "tool_choice", "thinking", "cache_control"}
TOOL = {"name", "description", "input_schema", "strict", "cache_control", "type"}


def call(recording: Recording) -> tuple[list[Any], dict[str, Any]]:
    """The prompt and the options that mean the request of `recording`."""
    body = deepcopy(recording.sent)
    options: dict[str, Any] = {key: body[key] for key in PLAIN if key in body}
    if system := body.get("system"):
        options["system"] = system if isinstance(system, str) else SystemMessage([_system(block) for block in system])
    if "stop_sequences" in body:
        options["stop"] = body["stop_sequences"]
    if body.get("tools"):
        options["tools"] = [_tool(tool) for tool in body["tools"]]
    if choice := body.get("tool_choice"):
        options["tool_choice"] = CHOICES.get(choice["type"]) or choice["name"]
        if choice.get("disable_parallel_tool_use"):
            options["parallel_tool_calls"] = False
    if thinking := body.get("thinking"):
        # The contract: a budget is added to `max_tokens`.
        options["reasoning"] = thinking["budget_tokens"]
        options["max_tokens"] -= thinking["budget_tokens"]
    if cache := body.get("cache_control"):
        options["cache"] = _ttl(cache)
    options["extra_body"] = {key: value for key, value in body.items() if key not in READ}
    if recording.beta:
        options["extra_query"] = {"beta": "true"}
    if betas := recording.asked.get("anthropic-beta"):
        options["extra_headers"] = {"anthropic-beta": betas}
    return body["messages"], options


def _ttl(control: Mapping[str, Any]) -> Any:
    return control.get("ttl", "5m")


def _system(block: Mapping[str, Any]) -> Text:
    return Text(block["text"], cache=_ttl(block["cache_control"]) if block.get("cache_control") else None)


def _tool(tool: Mapping[str, Any]) -> Tool | ServerTool:
    """Whatever has fields that `Tool` has not goes through as it is."""
    if "input_schema" not in tool or set(tool) - TOOL:
        return ServerTool(dict(tool))
    cache = _ttl(tool["cache_control"]) if tool.get("cache_control") else None
    return Tool(
        tool["name"], tool.get("description") or "", tool["input_schema"], strict=tool.get("strict"), cache=cache
    )


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body`, in one of the forms that mean the same to the provider."""
    found = {key: value for key, value in body.items() if value not in (None, [], {}) and key != "stream"}
    for tool in (found := deepcopy(found)).get("tools", ()):
        _normal_cache(tool)
        if "input_schema" in tool and tool.get("type") == "custom":
            del tool["type"]  # the default
        if tool.get("description") == "":
            del tool["description"]  # it says nothing
    if "system" in found:
        found["system"] = _blocks(found["system"])
    found["messages"] = _merged([{**turn, "content": _blocks(turn["content"])} for turn in found["messages"]])
    if "cache_control" in found:
        _normal_cache(found)
    return found


def _normal_cache(holder: dict[str, Any]) -> None:
    if holder.get("cache_control"):
        holder["cache_control"].setdefault("ttl", "5m")  # the default


def _merged(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role in a row are one to the provider; results stand first, as it demands."""
    found: list[dict[str, Any]] = []
    for turn in turns:
        if not turn["content"]:
            continue
        if found and found[-1]["role"] == turn["role"]:
            found[-1]["content"] += turn["content"]
        else:
            found.append(turn)
    for turn in found:
        turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    return found


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [_block(block) for block in content if not (block["type"] == "text" and not block["text"].strip())]


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in block.items() if value is not None}
    _normal_cache(found)
    if found["type"] == "tool_result":
        found["content"] = _blocks(found.get("content") or [])
        if not found.get("is_error"):
            found.pop("is_error", None)  # the default
    if found["type"] == "text" and not found.get("citations"):
        found.pop("citations", None)
    if found["type"] == "text":
        found |= {"citations": [_citation(item) for item in found["citations"]]} if "citations" in found else {}
    return found


def _citation(citation: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in citation.items() if key != "file_id"}
