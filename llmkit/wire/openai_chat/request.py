"""The body of `POST /v1/chat/completions` as a request: the way back of `encode`.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.history.nodes import Node, node_of
from llmkit.request import Request
from llmkit.tools import ServerTool, Tool
from llmkit.wire.openai.payload import refuse, tool_options
from llmkit.wire.openai_chat.blocks import Blocks
from llmkit.wire.openai_chat.encode import choice_of, tool_of
from llmkit.wire.openai_chat.written import messages_of
from llmkit.wire.payload import NUMBER, Fields, Kind
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.splice import Blobs

_PLAIN: Final[Mapping[str, tuple[str, Kind]]] = {
    "model": ("model", str),
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "seed": ("seed", NUMBER),
    "frequency_penalty": ("frequency_penalty", NUMBER),
    "presence_penalty": ("presence_penalty", NUMBER),
    "reasoning_effort": ("reasoning", str),
    "service_tier": ("service_tier", str),
}


def read_request(body: Any, where: str) -> Request:
    """The request that is encoded as `body`.

    Raises:
        ConfigurationError: It is none; the message begins with the path of what is wrong.
    """
    node = node_of(body, where)
    fields = Fields(node)
    messages = messages_of(node.any("messages"), node.path("messages"))
    node.find("stream", bool)
    fields.drop("messages", "stream", "stream_options")
    return fields.request(messages, dict(_options(fields)))


def _options(fields: Fields) -> Iterator[tuple[str, Any]]:
    yield from fields.all(_PLAIN).items()
    # The old name of the same, which the other wins over.
    newer = fields.take("max_completion_tokens", "max_tokens", NUMBER)
    yield "max_tokens", fields.take("max_tokens", "max_tokens", NUMBER) if newer is None else newer
    yield "stop", _stop(fields)
    if fields.node.value.get("metadata"):
        yield "metadata", fields.take("metadata", "metadata", Mapping)
    yield "logprobs", _logprobs(fields)
    yield from tool_options(fields, _tool, choice_of)


def _stop(fields: Fields) -> Any:
    told = fields.node.value.get("stop")
    return fields.take("stop", "stop", str) if isinstance(told, str) else fields.texts("stop", "stop")


def _logprobs(fields: Fields) -> Any:
    """How many alternatives; without a number, none."""
    if not fields.node.find("logprobs", bool):
        return None
    fields.drop("logprobs")
    return fields.take("top_logprobs", "logprobs", NUMBER) if fields.node.value.get("top_logprobs") else 0


def _tool(node: Node) -> Tool | ServerTool:
    """A function that llmkit would write the same; whatever else there is goes as it is."""
    kind = node.get("type", str)
    inner = node.node("function") if kind == "function" else None
    if inner is not None:
        name, text, schema = inner.get("name", str), inner.find("description", str), inner.find("parameters", dict)
        try:
            tool = Tool(name, text or "", schema, strict=inner.find("strict", bool))
            written = tool_of(tool, "tools", _BLOCKS, refuse)
        except ConfigurationError:
            return ServerTool(dict(node.value))
        if written == _normal(node, inner):
            return tool
    return ServerTool(dict(node.value))


def _normal(node: Node, inner: Node) -> dict[str, Any]:
    """A tool with what is meant where nothing is said, and without what says nothing."""
    found = {
        key: value for key, value in inner.value.items() if value is not None and (key, value) != ("description", "")
    }
    parameters = {"type": "object", **found.get("parameters", {"properties": {}})}
    return {**node.rest("function"), "function": {**found, "parameters": parameters}}


_BLOCKS: Final = Blocks(OpenAIChatQuirks(), refuse, Blobs())
