"""The body of `POST /v1/messages` as a request: the way back of `encode`.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from llmkit.errors import ConfigurationError
from llmkit.history.nodes import SHOWN, Node, node_of
from llmkit.messages import AssistantMessage, Message, Part, SystemMessage, ToolCall, ToolResult, UserMessage
from llmkit.request import OPTIONS, Request
from llmkit.tools import RESERVED_NAMES, ServerTool, Tool
from llmkit.wire.anthropic_messages.blocks import cache_of, content_of
from llmkit.wire.anthropic_messages.dialect import dialect, expressible
from llmkit.wire.anthropic_messages.reasoning import LEAST_BUDGET
from llmkit.wire.payload import NUMBER, Fields, Kind, conversation_of, instructions_of

_PLAIN: Final[Mapping[str, tuple[str, Kind]]] = {
    "model": ("model", str),
    "max_tokens": ("max_tokens", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_k": ("top_k", NUMBER),
    "service_tier": ("service_tier", str),
}
_TOOL: Final = ("type", "name", "description", "input_schema", "strict", "cache_control")
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def read_request(body: Any, where: str) -> Request:
    """The request that is encoded as `body`.

    Raises:
        ConfigurationError: It is none; the message begins with the path of what is wrong.
    """
    fields = Fields(node_of(body, where))
    messages = _messages(fields.node)
    options: dict[str, Any] = {**fields.all(_PLAIN), **_system(fields), **_sampling(fields)}
    options |= _tools(fields)
    if "tools" in options:
        options |= _tool_choice(fields, options["tools"])
    options |= {**_reasoning(fields, options.get("max_tokens")), **_about(fields)}
    fields.node.find("stream", bool)
    fields.drop("messages", "stream")
    return fields.request(messages, options)


def conversation(body: Any, where: str) -> list[Message]:
    """What is said in `body`, instructions first, whatever else stands in it.

    Raises:
        ConfigurationError: It is no message; the error begins with its path.
    """
    node = node_of(body, where)
    return conversation_of(Request(_messages(node), **_system(Fields(node))))


# ---- what is said ----------------------------------------------------------------------------------------------------


def _messages(node: Node) -> list[Message]:
    node.get("messages", list)
    names: dict[str, str] = {}  # of tools, by the ids of their calls
    found = []
    for turn in node.nodes("messages"):
        message = _message(turn, names)
        names |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
        found.append(message)
    return found


def _message(node: Node, names: Mapping[str, str]) -> Message:
    role = node.get("role", str)
    if role not in _ROLES:
        node.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_ROLES)}")
    node.only("role", "content")
    return _ROLES[role]([_named(part, names) for part in content_of(node, "content", role)])


_ROLES: Final[Mapping[str, Callable[[Sequence[Part]], Message]]] = {
    "user": UserMessage,
    "assistant": AssistantMessage,
    "system": SystemMessage,
}


def _named(part: Part, names: Mapping[str, str]) -> Part:
    return evolve(part, name=names.get(part.call_id, "")) if isinstance(part, ToolResult) else part


def _system(fields: Fields) -> dict[str, Any]:
    """The instructions; those that say nothing are left."""
    if not fields.node.value.get("system"):
        return {}
    found = content_of(fields.node, "system", "system")
    fields.drop("system")
    return {"system": instructions_of(found)}


# ---- options ---------------------------------------------------------------------------------------------------------


def _sampling(fields: Fields) -> dict[str, Any]:
    found = {"stop": fields.texts("stop_sequences", "stop")}
    warmth = fields.node.value.get("temperature")
    if not isinstance(warmth, NUMBER) or warmth <= 1:  # what the wire does not take is left
        found["temperature"] = fields.take("temperature", "temperature", NUMBER)
    return found


def _about(fields: Fields) -> dict[str, Any]:
    """Who asks, and what is to be cached; what is told in other words than llmkit's is left."""
    found: dict[str, Any] = {"cache": cache_of(fields.node.value.get("cache_control"))}
    if found["cache"] is not None:
        fields.drop("cache_control")
    match fields.node.find("metadata", dict):
        case {"user_id": str(), **rest} if not rest:
            found["metadata"] = fields.take("metadata", "metadata", dict)
    return found


def _reasoning(fields: Fields, limit: int | None) -> dict[str, Any]:
    """`reasoning`, and `max_tokens` without the budget, which is added to it."""
    thinking = fields.node.find("thinking", dict)
    config = fields.inner("output_config")
    match thinking:
        case {"type": "disabled", **rest} if not rest:
            found: dict[str, Any] = {"reasoning": "none"}
        case {"type": "enabled", "budget_tokens": int(budget), **rest} if not rest and _has_room(budget, limit):
            found = {"reasoning": budget, "max_tokens": (limit or 0) - budget}
        case {"type": "adaptive", **rest} if not rest and config.rest.get("effort") in _EFFORTS:
            found = {"reasoning": config.rest["effort"]}
            config.drop("effort")
            fields.put_back("output_config", config)
        case _:
            return {}
    fields.drop("thinking")
    return found


def _has_room(budget: int, limit: int | None) -> bool:
    return limit is not None and LEAST_BUDGET <= budget < limit


# ---- tools -----------------------------------------------------------------------------------------------------------


def _tools(fields: Fields) -> dict[str, Any]:
    if not fields.node.find("tools", list):
        return {}
    found = [_tool(node) for node in fields.node.nodes("tools")]
    fields.drop("tools")
    return {"tools": OPTIONS["tools"].check(fields.node.path("tools"), found)}


def _tool(node: Node) -> Tool | ServerTool:
    """A tool that the caller runs; whatever it says that `Tool` does not goes through as it is."""
    own = _own(node) if (node.find("type", str) or "custom") == "custom" else None
    if own is not None:
        return own
    mark = cache_of(node.value.get("cache_control"))
    data = {key: value for key, value in node.value.items() if mark is None or key != "cache_control"}
    return ServerTool(data, cache=mark)


def _own(node: Node) -> Tool | None:
    name, schema, strict = node.get("name", str), node.get("input_schema", dict), node.find("strict", bool)
    mark = node.value.get("cache_control")
    cache = cache_of(mark)
    lost = node.rest(*_TOOL) or (mark is not None and cache is None)
    if lost or name in RESERVED_NAMES or (strict and not _is_strict(schema)):
        return None
    try:
        found = Tool(name, node.find("description", str) or "", schema, strict=strict, cache=cache)
    except ConfigurationError:
        return None
    return found if found.parameters == schema else None


def _is_strict(schema: dict[str, Any]) -> bool:
    """Whether it is what llmkit would make of it, so that it is sent again as it is."""
    return expressible(schema) and dialect(schema) == schema


def _tool_choice(fields: Fields, tools: Sequence[Tool | ServerTool]) -> dict[str, Any]:
    """Which tool is to be called, and whether one at a time; what is told in other words than llmkit's is left."""
    match fields.node.find("tool_choice", dict):
        case {"type": "tool", "name": str(name), **rest} if _is_offered(name, tools):
            wanted = name
        case {"type": "auto" | "any" | "none" as word, **rest}:
            wanted = _CHOICES[word]
        case _:
            return {}
    if rest not in ({}, {"disable_parallel_tool_use": True}) or (rest and wanted == "none"):
        return {}
    fields.drop("tool_choice")
    return {"tool_choice": wanted, "parallel_tool_calls": False if rest else None}


def _is_offered(name: str, tools: Sequence[Tool | ServerTool]) -> bool:
    return name not in RESERVED_NAMES and any(tool.name == name for tool in tools)
