"""A resolved request as a call of `POST /v1/responses`.

Nothing is stored with the provider: it is asked for encrypted thoughts instead, which go back with the conversation.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, cast

from llmkit.errors import ConfigurationError
from llmkit.messages import Text
from llmkit.request import ResolvedRequest
from llmkit.tools import ServerTool, Tool
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.openai.strict import expressible, parameters, strict
from llmkit.wire.openai_responses import schema
from llmkit.wire.openai_responses.items import Conversation, is_more
from llmkit.wire.quirks import OpenAIResponsesQuirks
from llmkit.wire.splice import Blobs

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MOST_LOGPROBS: Final = 20
_WORDS: Final = ("auto", "required", "none")
_COUNTED: Final = ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text")


def encode(request: ResolvedRequest, quirks: OpenAIResponsesQuirks, refuse: Refuse, stream: bool) -> Call:  # noqa: FBT001 - as `Wire.encode`
    """The call that asks for an answer.

    Raises:
        ConfigurationError: A value is out of this wire's bounds.
        UnsupportedOptionError: From `refuse`.
    """
    encoder = _Encoder(request, quirks, refuse)
    body = dict(encoder.body())
    return encoder.call("/responses", {**body, "stream": True} if stream else body)


def encode_count(request: ResolvedRequest, quirks: OpenAIResponsesQuirks, refuse: Refuse) -> Call:
    """The call that asks how many tokens the request has."""
    encoder = _Encoder(request, quirks, refuse)
    body = encoder.body()
    return encoder.call("/responses/input_tokens", {key: value for key, value in body.items() if key in _COUNTED})


class _Encoder:
    """One request on its way to JSON: what several functions of it need."""

    def __init__(self, request: ResolvedRequest, quirks: OpenAIResponsesQuirks, refuse: Refuse) -> None:
        self._request = request
        self._quirks = quirks
        self._refuse = refuse
        self._blobs = Blobs()

    def call(self, path: str, fields: dict[str, Any]) -> Call:
        body = merge_body(fields, self._request.extra_body)
        return Call(path, self._blobs.dump(body), query=self._request.extra_query)

    def body(self) -> schema.Body:
        request = self._request
        instructions, items = self._conversation()
        need(bool(items), "prompt", "nothing is left to send: all of it is blank")
        reasoning = self._reasoning()
        fields: schema.Body = {
            "model": request.model,
            "instructions": instructions,
            "input": items,
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            # The next five are set only for hosts that say that they have them.
            "top_k": request.top_k,
            "stop": list(request.stop or ()),
            "seed": request.seed,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "top_logprobs": self._top_logprobs(),
            "reasoning": reasoning,
            "text": self._text(),
            "tools": [tool_of(tool, f"tools[{index}]", self._refuse) for index, tool in enumerate(request.tools)],
            "tool_choice": self._tool_choice() or "",
            "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
            "metadata": dict(request.metadata or {}),
            "service_tier": request.service_tier,
            "include": included(request, self._quirks),
            "store": False,
        }
        return cast("schema.Body", {key: value for key, value in fields.items() if value not in (None, "", [], {})})

    def _conversation(self) -> tuple[str, list[schema.Item | dict[str, Any]]]:
        """The instructions, and the items; instructions of which not all is text stand among these."""
        request = self._request
        found = Conversation(self._blobs, self._refuse, stored=request.extra_body.get("store") is True)
        texts = [part.text for part in request.system if isinstance(part, Text)]
        plain = len(texts) == len(request.system) and not any(map(is_more, request.system))
        if not plain:
            found.system(request.system)
        for index, message in enumerate(request.messages, request.skipped):
            found.message(message, index)
        return "\n\n".join(text for text in texts if text) if plain else "", found.items()

    def _reasoning(self) -> schema.ReasoningOptions | None:
        wanted = self._request.reasoning
        if isinstance(wanted, int):
            return self._refuse("reasoning", f"this wire has levels, and no budget of tokens: {wanted}")
        # No summary: the provider refuses to tell one to organisations that it has not verified.
        return None if wanted is None else {"effort": wanted}

    def _top_logprobs(self) -> int | None:
        wanted = self._request.logprobs
        need(
            (wanted or 0) <= _MOST_LOGPROBS, "logprobs", f"expected at most {_MOST_LOGPROBS} on this wire, got {wanted}"
        )
        return wanted

    def _text(self) -> schema.TextOptions | None:
        wanted = self._request.output_schema
        if wanted is None:
            return None
        # What the strict dialect has no words for is asked for without a guarantee; the answer is checked anyway.
        form: schema.TextFormat = {"type": "json_schema", "name": "answer", "schema": dict(wanted), "strict": False}
        if expressible(wanted):
            form |= {"schema": strict(wanted), "strict": True}
        return {"format": form}

    def _tool_choice(self) -> str | schema.NamedChoice | None:
        wanted = self._request.tool_choice
        return None if wanted is None or not self._request.tools else choice_of(wanted, self._request.tools)


def included(request: ResolvedRequest, quirks: OpenAIResponsesQuirks) -> list[str]:
    """What the provider tells only when asked, and llmkit asks for."""
    found = []
    effort = request.reasoning if isinstance(request.reasoning, str) else None
    model = request.model.rpartition("/")[2].removeprefix("ft:")  # fine-tuned ones are named after their base
    if effort != "none" and (effort is not None or _starts(quirks.reasoning_models).match(model)):
        found.append("reasoning.encrypted_content")
    if request.logprobs is not None:
        found.append("message.output_text.logprobs")
    return found


def tool_of(tool: Tool | ServerTool, where: str, refuse: Refuse) -> schema.FunctionTool | dict[str, Any]:
    """What stands for a tool.

    Raises:
        ConfigurationError: Its name is none that the wire takes.
        UnsupportedOptionError: From `refuse`.
    """
    if isinstance(tool, ServerTool):
        return dict(tool.data)
    if _TOOL_NAME.fullmatch(tool.name) is None:
        raise ConfigurationError(
            f"{where}.name: expected up to 128 letters, digits, '_' and '-' on this wire, got {tool.name[:140]!r}"
        )
    told, is_strict = parameters(tool, where, refuse)
    # Left out, it would be true here and nowhere else: parameters that may be left out would have to be given.
    found: schema.FunctionTool = {
        "type": "function",
        "name": tool.name,
        "parameters": {**told, "properties": told.get("properties", {})},
        "strict": is_strict is True,
    }
    if tool.description:
        found["description"] = tool.description
    return found


def choice_of(wanted: str, tools: Sequence[Tool | ServerTool]) -> str | schema.NamedChoice:
    """The word of a choice, or the choice of one of `tools`."""
    if wanted in _WORDS:
        return wanted
    return next((_choice(tool) for tool in tools if wanted in _names(tool)), wanted)


def _names(tool: Tool | ServerTool) -> tuple[str, ...]:
    """What `tool_choice` may call it: most of the provider's own tools have no name but their type."""
    if isinstance(tool, Tool):
        return (tool.name,)
    return (tool.name, str(tool.data.get("server_label", "")), str(tool.data.get("type", "")))


def _choice(tool: Tool | ServerTool) -> schema.NamedChoice:
    if isinstance(tool, Tool):
        return {"type": "function", "name": tool.name}
    kind = str(tool.data.get("type", ""))
    if kind in ("function", "custom"):
        return {"type": kind, "name": tool.name}
    if kind == "mcp":
        return {"type": kind, "server_label": str(tool.data.get("server_label", ""))}
    return {"type": kind}


@cache
def _starts(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
