"""A resolved request as a call of `POST /v1/chat/completions`.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.request import ResolvedRequest
from llmkit.tools import ServerTool, Tool
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.openai.strict import expressible, parameters, strict
from llmkit.wire.openai_chat import schema
from llmkit.wire.openai_chat.blocks import Blocks
from llmkit.wire.openai_chat.messages import Messages
from llmkit.wire.openai_chat.reasoning import budget_of, reasoning
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.reading import object_or_empty
from llmkit.wire.splice import Blobs

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST_ALTERNATIVES: Final = 20
_WORDS: Final = frozenset({"auto", "required", "none"})
# Options of one value whose key is that of the option, unless the host has another.
_PLAIN: Final = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "service_tier",
)


def encode(request: ResolvedRequest, quirks: OpenAIChatQuirks, refuse: Refuse, stream: bool) -> Call:  # noqa: FBT001 - as `Wire.encode`
    """The call that asks for an answer.

    Raises:
        ConfigurationError: A value is out of this wire's bounds.
        UnsupportedOptionError: From `refuse`.
    """
    blobs = Blobs()
    blocks = Blocks(quirks, refuse, blobs)
    messages = Messages(quirks, refuse, blocks).of(request)
    need(bool(messages), "prompt", "nothing is left to send: all of it is blank")
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        **_options(request, quirks),
        **_tools(request, quirks, blocks, refuse),
        **reasoning(request, quirks, refuse),
        **_response_format(request, quirks),
    }
    if stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return Call("/chat/completions", blobs.dump(merge_body(body, request.extra_body)), query=request.extra_query)


def _options(request: ResolvedRequest, quirks: OpenAIChatQuirks) -> dict[str, Any]:
    found: dict[str, Any] = {quirks.keys.get(name, name): getattr(request, name) for name in _PLAIN}
    if request.max_tokens is not None:
        key = quirks.keys.get("max_tokens", "max_completion_tokens")
        found[key] = request.max_tokens + budget_of(request, quirks)
    if request.stop:
        found[quirks.keys.get("stop", "stop")] = list(request.stop)
    if request.logprobs is not None:
        found |= _logprobs(request.logprobs)
    if request.metadata:
        found[quirks.keys.get("metadata", "metadata")] = dict(request.metadata)
    return {key: value for key, value in found.items() if value is not None}


def _logprobs(alternatives: int) -> dict[str, Any]:
    need(
        alternatives <= _MOST_ALTERNATIVES,
        "logprobs",
        f"expected up to {_MOST_ALTERNATIVES} alternatives on this wire, got {alternatives}",
    )
    return {"logprobs": True, "top_logprobs": alternatives} if alternatives else {"logprobs": True}


def _tools(request: ResolvedRequest, quirks: OpenAIChatQuirks, blocks: Blocks, refuse: Refuse) -> dict[str, Any]:
    if not request.tools:
        return {}
    tools = [tool_of(tool, f"tools[{at}]", blocks, refuse) for at, tool in enumerate(request.tools)]
    found: dict[str, Any] = {"tools": tools}
    if (choice := request.tool_choice) is not None:
        found["tool_choice"] = choice_of(choice, request.tools)
    if request.parallel_tool_calls is not None:
        found[quirks.keys.get("parallel_tool_calls", "parallel_tool_calls")] = request.parallel_tool_calls
    return found


def choice_of(name: str, tools: tuple[Tool | ServerTool, ...]) -> str | dict[str, Any]:
    """The word of a choice, or the choice of one of `tools`, which must tell its type."""
    if name in _WORDS:
        return name
    data = [tool.data for tool in tools if isinstance(tool, ServerTool)]
    is_custom = any(object_or_empty(item.get("custom")).get("name") == name for item in data)
    kind = "custom" if is_custom else "function"
    return {"type": kind, kind: {"name": name}}


def tool_of(tool: Tool | ServerTool, where: str, blocks: Blocks, refuse: Refuse) -> schema.Tool:
    """What stands for a tool.

    Raises:
        ConfigurationError: Its name is none that the wire takes.
        UnsupportedOptionError: From `refuse`.
    """
    if isinstance(tool, ServerTool):
        return {**tool.data, **blocks.mark(tool.cache)}
    if _TOOL_NAME.fullmatch(tool.name) is None:
        raise ConfigurationError(
            f"{where}.name: expected up to 64 letters, digits, '_' and '-' on this wire, got {tool.name[:140]!r}"
        )
    function: schema.Function = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"], is_strict = parameters(tool, where, refuse)
    if is_strict is not None:
        function["strict"] = is_strict
    return {"type": "function", "function": function, **blocks.mark(tool.cache)}


def _response_format(request: ResolvedRequest, quirks: OpenAIChatQuirks) -> dict[str, Any]:
    wanted = request.output_schema
    if wanted is None or not quirks.json_schema:
        return {}
    # A schema for which the strict dialect has no words is only a hint to the model.
    is_strict = expressible(wanted)
    told = strict(wanted) if is_strict else dict(wanted)
    if quirks.schema_form == "json_object":
        return {"response_format": {"type": "json_object", "schema": told}}
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": _schema_name(wanted), "schema": told, "strict": is_strict},
        }
    }


def _schema_name(wanted: Mapping[str, Any]) -> str:
    """A name, which the provider demands: the schema's title, in the letters that it takes."""
    title = wanted.get("title")
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", title)[:64].strip("_") or "answer" if isinstance(title, str) else "answer"
