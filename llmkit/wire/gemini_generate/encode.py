"""A resolved request as a call of `generateContent`, `streamGenerateContent` or `countTokens`.

Sources: https://ai.google.dev/api/generate-content#request-body, https://ai.google.dev/api/tokens
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from llmkit.errors import ConfigurationError
from llmkit.request import ResolvedRequest
from llmkit.tools import ServerTool, Tool
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.gemini_generate import schema
from llmkit.wire.gemini_generate.address import method, model_name
from llmkit.wire.gemini_generate.dialect import dialect
from llmkit.wire.gemini_generate.reasoning import is_leveled, reasoning
from llmkit.wire.gemini_generate.turns import Turns
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.splice import Blobs

_TOOL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_COUNTED: Final = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig")
_COUNTED_FLAT: Final = ("contents", "systemInstruction", "tools", "generationConfig")
_MOST_LOGPROBS: Final = 20
_SEEDS: Final = 2**31


def encode(request: ResolvedRequest, quirks: GeminiGenerateQuirks, refuse: Refuse, stream: bool) -> Call:  # noqa: FBT001 - as `Wire.encode`
    """The call that asks for an answer.

    Raises:
        ConfigurationError: A value is out of this wire's bounds.
        UnsupportedOptionError: From `refuse`.
    """
    encoder = _Encoder(request, quirks, refuse)
    body = merge_body(dict(encoder.body()), request.extra_body)
    if not stream:
        return encoder.call("generateContent", body)
    # Without `alt` the stream would be one JSON array.
    return encoder.call("streamGenerateContent", body, {"alt": "sse"})


def encode_count(request: ResolvedRequest, quirks: GeminiGenerateQuirks, refuse: Refuse) -> Call:
    """The call that asks how many tokens the request has."""
    encoder = _Encoder(request, quirks, refuse)
    names = _COUNTED if quirks.count_wrapped else _COUNTED_FLAT
    fields = {key: value for key, value in encoder.body().items() if key in names}
    body = merge_body(fields, request.extra_body)
    if quirks.count_wrapped:
        body = {"generateContentRequest": {"model": model_name(request.model, quirks), **body}}
    return encoder.call("countTokens", body)


def encode_models(query: Mapping[str, str], quirks: GeminiGenerateQuirks) -> Call:
    """The call for one page of models."""
    need(quirks.models_path is not None, "models", "this host has no list of models")
    return Call(quirks.models_path or "", query={"pageSize": "1000", **query})


class _Encoder:
    """One request on its way to JSON: what several functions of it need."""

    def __init__(self, request: ResolvedRequest, quirks: GeminiGenerateQuirks, refuse: Refuse) -> None:
        self._request = request
        self._quirks = quirks
        self._refuse = refuse
        self._blobs = Blobs()

    def call(self, name: str, body: dict[str, Any], query: Mapping[str, str] | None = None) -> Call:
        request = self._request
        return Call(
            method(request.model, name, self._quirks),
            self._blobs.dump(body),
            query={**(query or {}), **request.extra_query},
        )

    def body(self) -> schema.GenerateContentRequest:
        request, quirks = self._request, self._quirks
        newer = is_leveled(request.model, quirks)
        turns = Turns(self._blobs, self._refuse, signed=newer, resolutions=newer, call_ids=quirks.call_ids)
        contents = turns.contents(request.messages, request.skipped)
        need(bool(contents), "prompt", "nothing is left to send: all of it is blank")
        fields: schema.GenerateContentRequest = {
            "contents": contents,
            "systemInstruction": turns.system(request.system, request.messages),
            "tools": self._tools(),
            "toolConfig": self._tool_config(),
            "generationConfig": self._config(),
            "serviceTier": request.service_tier,
            "labels": self._labels(),
        }
        return cast("schema.GenerateContentRequest", _filled(fields))

    def _config(self) -> schema.GenerationConfig:
        request = self._request
        thought = reasoning(request, self._quirks, self._refuse)
        seed, logprobs = request.seed, request.logprobs
        need(seed is None or -_SEEDS <= seed < _SEEDS, "seed", f"expected a number of 32 bits on this wire, got {seed}")
        need((logprobs or 0) <= _MOST_LOGPROBS, "logprobs", f"expected at most 20 on this wire, got {logprobs}")
        schema_ = None if request.output_schema is None else dialect(request.output_schema)
        fields: schema.GenerationConfig = {
            "temperature": request.temperature,
            "topP": request.top_p,
            "topK": request.top_k,
            "maxOutputTokens": thought.max_tokens,
            "stopSequences": list(request.stop or ()),
            "seed": seed,
            "presencePenalty": request.presence_penalty,
            "frequencyPenalty": request.frequency_penalty,
            "responseLogprobs": None if logprobs is None else True,
            "logprobs": logprobs or None,  # the chosen tokens alone are told without it
            "thinkingConfig": thought.thinking,
            "responseMimeType": None if schema_ is None else "application/json",
            "responseJsonSchema": schema_,
        }
        return cast("schema.GenerationConfig", _filled(fields))

    def _labels(self) -> dict[str, str] | None:
        metadata = self._request.metadata
        if metadata and not self._quirks.labels:
            self._refuse("metadata", "this host has no place for it")
            return None
        return dict(metadata) if metadata else None

    def _tools(self) -> list[Any]:
        """The provider's own tools as they are; all that the caller runs are one tool."""
        tools = self._request.tools
        functions = [_function(tool, f"tools[{i}]") for i, tool in enumerate(tools) if isinstance(tool, Tool)]
        found: list[Any] = [dict(tool.data) for tool in tools if isinstance(tool, ServerTool)]
        return [*found, schema.Tool(functionDeclarations=functions)] if functions else found

    def _tool_config(self) -> schema.ToolConfig | None:
        wanted = self._request.tool_choice
        functions = [tool for tool in self._request.tools if isinstance(tool, Tool)]
        if not functions:
            if self._request.tools and wanted not in (None, "auto"):
                self._refuse("tool_choice", "this wire has none for the provider's own tools")
            return None
        if wanted in (None, "auto") and any(tool.strict for tool in functions):
            return {"functionCallingConfig": {"mode": "VALIDATED"}}
        if wanted is None:
            return None
        config: schema.FunctionCallingConfig = {"mode": _MODES.get(wanted, "ANY")}
        if wanted not in _MODES:
            config["allowedFunctionNames"] = [wanted]
        return {"functionCallingConfig": config}


_Mode: TypeAlias = Literal["AUTO", "ANY", "NONE", "VALIDATED"]
_MODES: Final[Mapping[str, _Mode]] = {"auto": "AUTO", "required": "ANY", "none": "NONE"}


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value not in (None, [], {})}


def _function(tool: Tool, where: str) -> schema.FunctionDeclaration:
    """JSON Schema rather than `parameters`, which takes a part of it and refuses the rest.

    Parameters that the caller wrote are sent as they are; those of a function are told in the provider's own words.
    """
    if _TOOL_NAME.fullmatch(tool.name) is None:
        raise ConfigurationError(
            f"{where}.name: expected up to 128 letters, digits, '_', '.', ':' and '-', a letter or '_' first, "
            f"got {tool.name[:140]!r}"
        )
    parameters = tool.parameters if tool.function is None else dialect(tool.parameters)
    found: schema.FunctionDeclaration = {"name": tool.name, "parametersJsonSchema": parameters}
    if tool.description:
        found["description"] = tool.description
    return found
