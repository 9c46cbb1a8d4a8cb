"""The body of `generateContent` as a request: the way back of `encode`.

Which model is asked stands in the path.

Sources: https://ai.google.dev/api/generate-content#request-body, https://ai.google.dev/api/caching#Schema
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.history.nodes import Node, node_of
from llmkit.messages import Message
from llmkit.request import Request
from llmkit.tools import ServerTool, Tool
from llmkit.wire.gemini_generate.payload import Contents, instructions
from llmkit.wire.gemini_generate.spelling import spelled
from llmkit.wire.payload import NUMBER, Fields, Kind, conversation_of, instructions_of
from llmkit.wire.quirks import GeminiGenerateQuirks

_PLAIN: Final[Mapping[str, tuple[str, Kind]]] = {"model": ("model", str), "serviceTier": ("service_tier", str)}
_CONFIG: Final[Mapping[str, tuple[str, Kind]]] = {
    "temperature": ("temperature", NUMBER),
    "topP": ("top_p", NUMBER),
    "topK": ("top_k", NUMBER),
    "maxOutputTokens": ("max_tokens", NUMBER),
    "presencePenalty": ("presence_penalty", NUMBER),
    "frequencyPenalty": ("frequency_penalty", NUMBER),
}
_FUNCTION: Final = ("name", "description", "parameters", "parametersJsonSchema")
_MODES: Final = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
_LEVELS: Final = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
_MOST: Final = GeminiGenerateQuirks().max_output
_SEEDS: Final = 2**31
_MOST_LOGPROBS: Final = 20


def read_request(body: Any, where: str) -> Request:
    """The request that is encoded as `body`.

    Raises:
        ConfigurationError: It is none; the message begins with the path of what is wrong.
    """
    fields = Fields(node_of(spelled(body), where))
    messages = _messages(fields.node)
    options: dict[str, Any] = {**fields.all(_PLAIN), **_system(fields), **_config(fields), **_tools(fields)}
    if fields.node.find("labels", dict):
        options["metadata"] = fields.take("labels", "metadata", dict)
    fields.node.find("stream", bool)
    fields.drop("contents", "stream")
    return fields.request(messages, options)


def conversation(body: Any, where: str) -> list[Message]:
    """What is said in `body`, instructions first, whatever else stands in it.

    Raises:
        ConfigurationError: It is no message; the error begins with its path.
    """
    node = node_of(spelled(body), where)
    return conversation_of(Request(_messages(node), **_system(Fields(node))))


def _messages(node: Node) -> list[Message]:
    node.get("contents", list)
    return Contents(node.nodes("contents")).messages()


def _system(fields: Fields) -> dict[str, Any]:
    """The instructions; those that say nothing are left."""
    content = fields.node.find_node("systemInstruction")
    parts = [] if content is None else instructions(content)
    if not parts:
        return {}
    fields.drop("systemInstruction")
    return {"system": instructions_of(parts)}


# ---- how it is answered ----------------------------------------------------------------------------------------------


def _config(fields: Fields) -> dict[str, Any]:
    config = fields.inner("generationConfig")
    found = {**config.all(_CONFIG), "stop": config.texts("stopSequences", "stop"), "logprobs": _logprobs(config)}
    seed = config.node.value.get("seed")
    if not isinstance(seed, int) or -_SEEDS <= seed < _SEEDS:
        found["seed"] = config.take("seed", "seed", NUMBER)
    found |= _reasoning(config, found["max_tokens"])
    fields.put_back("generationConfig", config)
    return found


def _logprobs(config: Fields) -> int | None:
    """Alternatives per token; the chosen ones alone are told where no number is."""
    asked, count = config.node.find("responseLogprobs", bool), config.node.find("logprobs", int)
    fits = "logprobs" not in config.rest if count is None else 0 < count <= _MOST_LOGPROBS
    if not asked or not fits:
        return None
    config.drop("responseLogprobs", "logprobs")
    return count or 0


def _reasoning(config: Fields, limit: int | None) -> dict[str, Any]:
    """`reasoning`, and `max_tokens` without the budget, which is added to it."""
    match config.node.find("thinkingConfig", dict):
        case {"thinkingLevel": str(level), "includeThoughts": True, **rest} if not rest and level.upper() in _LEVELS:
            found: dict[str, Any] = {"reasoning": _LEVELS[level.upper()]}
        case {"thinkingBudget": 0, **rest} if not rest:
            found = {"reasoning": "none"}
        case {"thinkingBudget": int(budget), "includeThoughts": True, **rest} if not rest and _has_room(budget, limit):
            found = {"reasoning": budget, "max_tokens": None if limit is None else limit - budget}
        case _:
            return {}
    config.drop("thinkingConfig")
    return found


def _has_room(budget: int, limit: int | None) -> bool:
    fits = 0 < budget < (_MOST if limit is None else limit) and (limit is None or limit <= _MOST)
    return fits and budget is not True  # which is an int in Python alone


# ---- tools -----------------------------------------------------------------------------------------------------------


def _tools(fields: Fields) -> dict[str, Any]:
    if not fields.node.find("tools", list):
        return {}
    tools: list[Tool | ServerTool] = []
    for tool, written in (found for node in fields.node.nodes("tools") for found in _offered(node)):
        if isinstance(tool, Tool) and any(isinstance(other, Tool) and other.name == tool.name for other in tools):
            raise ConfigurationError(f"{written.where}: a second tool named {tool.name!r}")
        tools.append(tool)
    fields.drop("tools")
    return {"tools": tuple(tools), "tool_choice": _tool_choice(fields, tools)}


def _offered(node: Node) -> Iterator[tuple[Tool | ServerTool, Node]]:
    """The functions of the caller, each by itself, or one tool of the provider's own; with what they are read from."""
    functions = node.nodes("functionDeclarations")
    if not functions or node.rest("functionDeclarations"):
        yield ServerTool(dict(node.value)), node
        return
    for function in functions:
        yield _tool(function) or ServerTool({"functionDeclarations": [dict(function.value)]}), function


def _tool(node: Node) -> Tool | None:
    """A function; None where it says more than `Tool` does."""
    name, description = node.get("name", str), node.find("description", str) or ""
    own, schema = node.find("parameters", dict), node.find("parametersJsonSchema", dict)
    converted = None if own is None else _json_schema(own)
    told_twice = own is not None and schema is not None
    if told_twice or (own is not None and converted is None) or node.rest(*_FUNCTION):
        return None
    wanted = converted if schema is None else schema
    try:
        found = Tool(name, description, wanted)
    except ConfigurationError:
        return None
    return found if wanted in (None, found.parameters) else None


# Words of the provider's own language for schemas that mean in JSON Schema what they mean there.
_SHARED: Final = frozenset(
    {
        *("type", "title", "description", "format", "enum", "default", "minimum", "maximum", "required"),
        *("properties", "items", "anyOf", "propertyOrdering"),
    }
)
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


def _json_schema(schema: Any) -> dict[str, Any] | None:
    """The JSON Schema that means the same; None where llmkit knows none."""
    if not isinstance(schema, dict) or schema.keys() - _SHARED:
        return None
    found = dict(schema)
    if "type" in found:
        found["type"] = str(found["type"]).lower()
        if found["type"] not in _TYPES:
            return None
    members, properties = found.get("anyOf") or [], found.get("properties") or {}
    if not isinstance(members, list) or not isinstance(properties, dict):
        return None
    if "items" in found:
        found["items"] = _json_schema(found["items"])
    if members:
        found["anyOf"] = [_json_schema(member) for member in members]
    if properties:
        found["properties"] = {name: _json_schema(member) for name, member in properties.items()}
    inner = [found.get("items", {}), *(found.get("anyOf") or ()), *(found.get("properties") or {}).values()]
    return None if None in inner else found


def _tool_choice(fields: Fields, tools: Sequence[Tool | ServerTool]) -> str | None:
    """Which function is to be called; what is told in other words than llmkit's is left."""
    names = [tool.name for tool in tools if isinstance(tool, Tool)]
    config = fields.inner("toolConfig")
    match config.node.find("functionCallingConfig", dict):
        case {"mode": "ANY", "allowedFunctionNames": [str(name)], **rest} if not rest and name in names:
            wanted = name
        case {"mode": "AUTO" | "ANY" | "NONE" as mode, **rest} if not rest and names:
            wanted = _MODES[mode]
        case _:
            return None
    config.drop("functionCallingConfig")
    fields.put_back("toolConfig", config)
    return wanted
