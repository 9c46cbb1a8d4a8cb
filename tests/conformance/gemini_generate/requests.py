"""A recorded request body as the call of llmkit that means the same, and both in a form that can be compared."""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from json import dumps
from typing import Any

from conformance.gemini_generate import reference
from conformance.recordings import Recording
from llmkit import (
    AssistantMessage,
    Audio,
    Document,
    Image,
    Opaque,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.wire.gemini_generate import WIRE

PLAIN = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
LEVELS = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
MEDIA = {"image": Image, "audio": Audio, "video": Video}
SCHEMAS = ("parameters", "parametersJsonSchema")
# The numbers of google.cloud.aiplatform.v1.Type, as clients that speak of enums by number send them.
TYPES = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object"}


# ---- a recorded body as a call ---------------------------------------------------------------------------------------


def call(recording: Recording) -> tuple[list[Any], dict[str, Any]]:
    """The prompt and the options that mean the request of `recording`."""
    body = _body(recording)
    config = body.pop("generationConfig", {})
    options: dict[str, Any] = {PLAIN[key]: config.pop(key) for key in list(config) if key in PLAIN}
    options["model"] = recording.path.split("/models/")[-1].split(":")[0]
    if "top_k" in options:
        options["top_k"] = int(options["top_k"])
    if config.get("responseLogprobs"):
        options["logprobs"] = config.pop("logprobs")
        del config["responseLogprobs"]
    _reasoning(config, options)
    if texts := _system(body.pop("systemInstruction", None)):
        options["system"] = SystemMessage(texts)
    if "tools" in body:
        options["tools"] = [found for tool in body.pop("tools") for found in _tools(tool)]
    _choice(body, options)
    messages = list(_messages(body.pop("contents")))
    body.pop("model", None)
    options["extra_body"] = {key: value for key, value in {**body, "generationConfig": config}.items() if value}
    return messages, options


def _body(recording: Recording) -> dict[str, Any]:
    body: dict[str, Any] = reference.camel(deepcopy(recording.sent))
    wrapped: dict[str, Any] = body.get("generateContentRequest", body)
    return wrapped


def _reasoning(config: dict[str, Any], options: dict[str, Any]) -> None:
    """The forms of thinkingConfig that an option of llmkit means; others are left where they are."""
    thinking = config.get("thinkingConfig", {})
    match thinking:
        case {"thinkingLevel": level, "includeThoughts": True}:
            options["reasoning"] = LEVELS[level.upper()]
        case {"thinkingBudget": 0}:
            options["reasoning"] = "none"
        case {"thinkingBudget": budget, "includeThoughts": True} if options["model"].startswith("gemini-2.5"):
            # The contract: a budget is added to `max_tokens`.
            options["reasoning"] = budget
            options["max_tokens"] -= budget
        case _:
            return
    del config["thinkingConfig"]


def _system(content: Mapping[str, Any] | None) -> list[Text]:
    return [Text(part["text"]) for part in _parts(content) if part["text"]]


def _parts(content: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The parts of a content; one of them may stand without its list."""
    found = (content or {}).get("parts", [])
    return found if isinstance(found, list) else [found]


def _tools(tool: Mapping[str, Any]) -> Iterator[Tool | ServerTool]:
    if "functionDeclarations" not in tool:
        yield ServerTool(dict(tool))
        return
    for function in tool["functionDeclarations"]:
        schema: dict[str, Any] = next((function[key] for key in SCHEMAS if key in function), {})
        yield Tool(function["name"], function.get("description") or "", lower(schema))


def _choice(body: dict[str, Any], options: dict[str, Any]) -> None:
    config = body.get("toolConfig", {})
    match config.get("functionCallingConfig"):
        case {"mode": "ANY", "allowedFunctionNames": [name]}:
            options["tool_choice"] = name
        case {"mode": "AUTO" | "ANY" | "NONE" as mode, **rest} if not rest:
            options["tool_choice"] = MODES[mode]
        case _:
            return
    del config["functionCallingConfig"]


def _messages(contents: Sequence[Mapping[str, Any]]) -> Iterator[UserMessage | AssistantMessage]:
    called: list[ToolCall] = []
    for number, content in enumerate(contents):
        parts = _parts(content)
        if content["role"] == "model":
            spoken = [_spoken(part, f"call_{number}_{index}") for index, part in enumerate(parts)]
            called += [part for part in spoken if isinstance(part, ToolCall)]
            yield AssistantMessage(spoken)
        else:
            yield UserMessage([_said(part, called) for part in parts])


def _spoken(part: Any, made_up: str) -> Any:
    signature = part.get("thoughtSignature")
    extra = {WIRE.name: {"thoughtSignature": signature}} if signature else {}
    match part:
        case {"thought": True}:
            return Thinking(part.get("text", ""), signature, wire=WIRE.name)
        case {"text": text}:
            return Text(text, extra=extra)
        case {"functionCall": {"id": str(key), "name": name, **rest}}:
            return ToolCall(key, name, rest.get("args", {}), extra=extra)
        case {"functionCall": {"name": name, **rest}}:
            unnamed = {WIRE.name: {**_without_id(), **extra.get(WIRE.name, {})}}
            return ToolCall(made_up, name, rest.get("args", {}), extra=unnamed)
        case _:
            return Opaque(WIRE.name, dict(part))


def _without_id() -> dict[str, Any]:
    """What llmkit notes of a call that came without an id."""
    parts = [{"functionCall": {"name": "f", "args": {}}}]
    body = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}
    (found,) = WIRE.decode(body, WIRE.quirks()).message.content
    assert isinstance(found, ToolCall)
    return dict(found.extra.get(WIRE.name, {}))


def _said(part: Any, called: list[ToolCall]) -> Any:
    match part:
        case {"text": text}:
            return Text(text)
        case {"inlineData": {"mimeType": kind, "data": data}}:
            return _medium(kind, data)
        case {"fileData": {"mimeType": kind, "fileUri": address}}:
            return _class(kind)(url=address, media_type=kind)
        case {"functionResponse": {"name": name, "response": response, **rest}}:
            # Where they have no ids, results belong to the calls of their name in their order.
            key = rest.get("id")
            found = next(item for item in called if (item.id == key if key else item.name == name))
            called.remove(found)
            blobs = [item["inlineData"] for item in rest.get("parts", ())]
            media = [_medium(blob["mimeType"], blob["data"]) for blob in blobs]
            return ToolResult(found.id, name, [Text(dumps(response)), *media])
        case _:
            return Opaque(WIRE.name, dict(part))


def _class(kind: str) -> Any:
    return MEDIA.get(kind.partition("/")[0], Document)


def _medium(kind: str, data: str) -> Any:
    content = b64decode(data.replace("-", "+").replace("_", "/"))
    return _class(kind)(content, media_type=kind)


# ---- bodies in a form that can be compared ---------------------------------------------------------------------------


def normal(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A body, in one of the forms that mean the same to the provider."""
    body = reference.camel(deepcopy(sent))
    body = body.get("generateContentRequest", body)
    body.pop("model", None)  # it stands in the path
    body["contents"] = _merged(body["contents"])
    body["systemInstruction"] = [part["text"] for part in _parts(body.get("systemInstruction")) if part["text"]]
    body["tools"] = sorted(map(dumps, _normal_tools(body.get("tools", ()))))
    if thinking := body.get("generationConfig", {}).get("thinkingConfig"):
        thinking |= {"thinkingLevel": thinking["thinkingLevel"].upper()} if "thinkingLevel" in thinking else {}
    return {key: value for key, value in body.items() if value not in (None, [], {})}


def lower(schema: Any) -> Any:
    """A schema with the names of its types as JSON Schema has them."""
    if isinstance(schema, list):
        return [lower(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: lower(item) for key, item in schema.items()}
    kind = found.get("type")
    if isinstance(kind, (str, int)):
        found["type"] = TYPES[kind] if isinstance(kind, int) else kind.lower()
    return found


def _normal_tools(tools: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    for tool in tools:
        functions = tool.get("functionDeclarations", ())
        if not functions:
            yield dict(sorted(tool.items()))
        for function in functions:
            schema: dict[str, Any] = next((function[key] for key in SCHEMAS if key in function), {})
            yield [function["name"], function.get("description") or "", _sorted(_bare(lower(schema)))]


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    """No properties are the same as no schema."""
    return {key: item for key, item in schema.items() if (key, item) not in (("type", "object"), ("properties", {}))}


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def _merged(contents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role in a row are one to the provider; results stand first."""
    found: list[dict[str, Any]] = []
    for content in contents:
        if found and found[-1]["role"] == content["role"]:
            found[-1]["parts"] += _parts(content)
        else:
            found.append({"role": content["role"], "parts": _parts(content)})
    for turn in found:
        parts = reference.joined(turn["parts"], sealed=False) if turn["role"] == "model" else turn["parts"]
        turn["parts"] = sorted(map(part, parts), key=lambda item: "functionResponse" not in item)
    return found


def part(value: Mapping[str, Any]) -> dict[str, Any]:
    """A part, in one of the forms that mean the same."""
    found = dict(value)
    if "thoughtSignature" in found:
        found["thoughtSignature"] = reference.seal(found["thoughtSignature"])
    if found.get("thought"):
        found.setdefault("text", "")
    if "inlineData" in found:
        found["inlineData"] = _normal_blob(found["inlineData"])
    if "functionCall" in found:
        found["functionCall"] = {"args": {}, **found["functionCall"]}
    if "functionResponse" in found:
        result = dict(found["functionResponse"])
        if "parts" in result:
            result["parts"] = [{"inlineData": _normal_blob(item["inlineData"])} for item in result["parts"]]
        found["functionResponse"] = result
    return found


def _normal_blob(blob: Mapping[str, Any]) -> dict[str, Any]:
    """Base64 comes in two alphabets; MP3 has two names, and llmkit sends all text under one."""
    kind = {"audio/mp3": "audio/mpeg", "text/csv": "text/plain"}.get(blob["mimeType"], blob["mimeType"])
    return {**blob, "mimeType": kind, "data": reference.seal(blob["data"])}


# ---- texts to embed --------------------------------------------------------------------------------------------------


def embedding(recording: Recording) -> dict[str, Any]:
    """The arguments of `Client.embed` that mean the request of `recording`."""
    sent = recording.sent.get("requests") or [recording.sent]
    rest = {key: value for key, value in sent[0].items() if key not in ("model", "content", "outputDimensionality")}
    return {
        "texts": [item["content"]["parts"][0]["text"] for item in sent],
        "model": recording.path.split("/models/")[1].split(":")[0],
        "dimensions": sent[0].get("outputDimensionality"),
        "extra_body": rest or None,
    }
