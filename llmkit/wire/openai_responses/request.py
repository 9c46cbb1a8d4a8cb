"""The body of `POST /v1/responses` as a request: the way back of `encode`.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.history.nodes import Node, node_of
from llmkit.messages import Message
from llmkit.request import Request, ResolvedRequest
from llmkit.tools import ServerTool, Tool
from llmkit.wire.openai.payload import refuse, tool_options
from llmkit.wire.openai_responses.encode import choice_of, included, tool_of
from llmkit.wire.openai_responses.written import messages_of
from llmkit.wire.payload import NUMBER, Fields, Kind
from llmkit.wire.quirks import OpenAIResponsesQuirks

_PLAIN: Final[Mapping[str, tuple[str, Kind]]] = {
    "model": ("model", str),
    "max_output_tokens": ("max_tokens", NUMBER),
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_logprobs": ("logprobs", NUMBER),
    "service_tier": ("service_tier", str),
}


def read_request(body: Any, where: str) -> Request:
    """The request that is encoded as `body`.

    Raises:
        ConfigurationError: It is none; the message begins with the path of what is wrong.
    """
    node = node_of(body, where)
    fields = Fields(node)
    node.find("stream", bool)
    fields.drop("input", "stream")
    options = dict(_options(fields))
    _decided(fields, options)
    return fields.request(_said(node), options)


# What the provider keeps a conversation by, so that nothing need be said.
_KEPT: Final = ("prompt", "previous_response_id", "conversation")


def _said(node: Node) -> list[Message]:
    """The conversation, where the provider does not know it."""
    told = node.value.get("input")
    if told is None and any(node.value.get(key) is not None for key in _KEPT):
        return []
    return messages_of(node.any("input"), node.path("input"))


def _options(fields: Fields) -> Iterator[tuple[str, Any]]:
    yield from fields.all(_PLAIN).items()
    yield "system", fields.node.find("instructions", str) or None
    fields.drop("instructions")
    if fields.node.value.get("metadata"):
        yield "metadata", fields.take("metadata", "metadata", Mapping)
    reasoning = fields.inner("reasoning")
    yield "reasoning", reasoning.take("effort", "reasoning", str)
    fields.put_back("reasoning", reasoning)
    yield from tool_options(fields, _tool, choice_of)


def _decided(fields: Fields, options: Mapping[str, Any]) -> None:
    """What llmkit decides unless it is told: that nothing is stored, and what is included."""
    stored = fields.node.find("store", bool)
    fields.drop("store")
    if stored is not False:
        fields.rest["store"] = True  # which is what holds where nothing is said
    asked = fields.node.find("include", list) or []
    model = options.get("model")
    shown = ResolvedRequest(model or "", (), reasoning=options.get("reasoning"), logprobs=options.get("logprobs"))
    fields.drop("include")
    # Without a name, nobody knows what would be asked of the model that is chosen later.
    if model is None or included(shown, OpenAIResponsesQuirks()) != asked:
        fields.rest["include"] = asked


def _tool(node: Node) -> Tool | ServerTool:
    """A function that llmkit would write the same; whatever else there is goes as it is.

    Where nothing is said of `strict`, the provider is as strict as it can be, which no `Tool` says.
    """
    if node.get("type", str) != "function":
        return ServerTool(dict(node.value))
    name, text, schema = node.get("name", str), node.find("description", str), node.find("parameters", dict)
    try:
        tool = Tool(name, text or "", schema, strict=node.find("strict", bool))
        written = tool_of(tool, "tools", refuse)
    except ConfigurationError:
        return ServerTool(dict(node.value))
    told = {
        key: value for key, value in node.value.items() if value is not None and (key, value) != ("description", "")
    }
    parameters = {"type": "object", "properties": {}, **(schema or {})}
    return tool if written == {**told, "parameters": parameters} else ServerTool(dict(node.value))
