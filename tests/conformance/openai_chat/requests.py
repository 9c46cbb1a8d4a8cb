"""A recorded request body as the call of llmkit that means the same, and both in a form that can be compared."""

import json
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from copy import deepcopy
from typing import Any

from conformance.recordings import Recording
from llmkit import ServerTool, Tool

PLAIN = ("model", "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "parallel_tool_calls",
         "service_tier", "stop")  # fmt: skip
RENAMED = {
    "seed": "seed",
    "random_seed": "seed",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
}
LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
TOOL = {"name", "description", "parameters", "strict"}
WRITTEN = {"messages", "stream", "stream_options"}  # by the client itself


def call(recording: Recording, form: str, refused: AbstractSet[str]) -> tuple[list[Any], dict[str, Any]]:
    """The prompt and the options that mean the request of `recording`.

    Args:
        recording: What was sent.
        form: How the host is told how much to reason, as its row has it.
        refused: Options that its row has no place for: they go through `extra_body`, as what llmkit does not model.
    """
    body = {key: value for key, value in deepcopy(recording.sent).items() if value is not None and key not in WRITTEN}
    options: dict[str, Any] = {}
    for key, name in [*zip(PLAIN, PLAIN, strict=True), *RENAMED.items()]:
        if key in body and name not in refused:
            options[name] = body.pop(key)
    if "tools" not in refused and (tools := body.pop("tools", None)):
        options["tools"] = [_tool(tool) for tool in tools]
    if "tool_choice" not in refused and (choice := body.pop("tool_choice", None)):
        options["tool_choice"] = choice["function"]["name"] if isinstance(choice, dict) else CHOICES[choice]
    if "logprobs" not in refused and body.pop("logprobs", False):
        options["logprobs"] = body.pop("top_logprobs", 0)
    if level := _reasoning(body, form):
        options["reasoning"] = level
    return recording.sent["messages"], {**options, "extra_body": body}


CHOICES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def _reasoning(body: dict[str, Any], form: str) -> str | None:
    """The level that is asked for, taken out of `body`, where the host is told it in just this form."""
    if form == "effort" and body.get("reasoning_effort") in LEVELS:
        return str(body.pop("reasoning_effort"))
    if form == "object" and set(body.get("reasoning") or ()) == {"effort"}:
        return str(body.pop("reasoning")["effort"])
    if form == "thinking" and body.get("thinking") == {"type": "disabled"}:
        del body["thinking"]
        return "none"
    return None


def _tool(tool: Mapping[str, Any]) -> Tool | ServerTool:
    """Whatever has fields that `Tool` has not goes through as it is."""
    inner = tool.get("function") or {}
    if tool.get("type") != "function" or set(inner) - TOOL:
        return ServerTool(dict(tool))
    return Tool(inner["name"], inner.get("description") or "", inner["parameters"], strict=inner.get("strict"))


# ---- a form that can be compared -------------------------------------------------------------------------------------


def normal(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body`, in one of the forms that mean the same to the provider."""
    found = {key: value for key, value in deepcopy(dict(body)).items() if value not in (None, [], {})}
    messages = [_message(message) for message in found.pop("messages")]
    for old, new in (("max_tokens", "max_completion_tokens"), ("random_seed", "seed")):
        if old in found:
            found[new] = found.pop(old)
    for key in ("stream", "stream_options"):
        found.pop(key, None)
    if not found.get("logprobs", True):
        del found["logprobs"]  # the default
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    if found.get("tool_choice") == "any":
        found["tool_choice"] = "required"  # Mistral's old word and its new one
    found["tools"] = [_normal_tool(tool) for tool in found.get("tools", ())]
    return {**found, "messages": _merged(messages)}


def _normal_tool(tool: dict[str, Any]) -> dict[str, Any]:
    inner = tool.get("function", {})
    if inner.get("description") == "":
        del inner["description"]  # it says nothing
    if "parameters" in inner:
        inner["parameters"] = {"type": "object", **inner["parameters"]}
    return tool


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in message.items() if value not in (None, "", [], False)}
    if found["role"] == "developer":
        found["role"] = "system"  # as models before and after it is called one way or the other
    if found["role"] == "tool":
        found.pop("name", None)  # the call has it
    if "content" in found:
        found["content"] = _content(found["content"])
    thought = found.pop("reasoning_content", None) or found.pop("reasoning", None)
    found.pop("reasoning", None)
    if thought:
        found["reasoning"] = thought  # whatever the host calls it
    if "tool_calls" in found:
        found["tool_calls"] = [_normal_call(item) for item in found["tool_calls"]]
    return found


def _normal_call(item: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in item.items() if key != "index"}
    inner = found["function"]
    return {**found, "function": {**inner, "arguments": _parsed(inner["arguments"] or "{}")}}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _content(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [_part(part) for part in content if part["type"] != "text" or part["text"].strip()]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in part.items() if value is not None}
    if found.get("cache_control"):
        found["cache_control"] = {"ttl": "5m", **found["cache_control"]}
    kind = found["type"]
    if kind == "file" and "file_data" in found["file"]:
        found["file"] = {"filename": "document.pdf", **found["file"]}  # made up, as OpenAI takes no data without one
    if isinstance(found.get(kind), str) and kind.endswith("_url"):
        found[kind] = {"url": found[kind]}
    return found


def _merged(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role in a row are one to the provider, but for answers of tools, each of which names its call."""
    found: list[dict[str, Any]] = []
    for message in messages:
        if set(message) == {"role"} or (set(message) == {"role", "content"} and not message["content"]):
            continue
        joins = found and message["role"] in ("system", "user") and found[-1]["role"] == message["role"]
        if joins:
            found[-1]["content"] = found[-1]["content"] + message["content"]
        else:
            found.append(message)
    return found
