"""What was said, as JSON of OpenTelemetry's conventions.

Media are told of by kind, type and size, not by what they hold: spans are no place for it.

Source: https://github.com/open-telemetry/semantic-conventions-genai/tree/main/model/gen-ai
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never

from llmkit.messages import (
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.response import Response
from llmkit.tools import ServerTool, Tool

Clean: TypeAlias = Callable[[Any], Any]
_REASONS: Final[Mapping[str, str]] = {"tool_calls": "tool_call"}


def instructions(system: Sequence[Text | Opaque], clean: Clean) -> str:
    """``gen_ai.system_instructions``."""
    return _written([_part(part) for part in system], clean)


def input_messages(messages: Iterable[Message], clean: Clean) -> str:
    """``gen_ai.input.messages``."""
    return _written([one for message in messages for one in _messages(message)], clean)


def output_messages(response: Response[Any], clean: Clean) -> str:
    """``gen_ai.output.messages``."""
    reason = response.finish_reason.reason
    parts = [_part(part) for part in response.message.content]
    return _written([{"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason)}], clean)


def definitions(tools: Iterable[Tool[..., Any] | ServerTool], clean: Clean) -> str:
    """``gen_ai.tool.definitions``."""
    return _written([_definition(tool) for tool in tools], clean)


def arguments(call: ToolCall, clean: Clean) -> str:
    """``gen_ai.tool.call.arguments``."""
    return _written(call.arguments, clean)


def returned(result: ToolResult, clean: Clean) -> str:
    """``gen_ai.tool.call.result``."""
    match result.content:
        case (Text(text=text),):
            return str(clean(text))
        case parts:
            return _written([_part(part) for part in parts], clean)


def _messages(message: Message) -> list[dict[str, Any]]:
    """One message; results, which stand in a user's here, in one of their own as the conventions have it."""
    if not isinstance(message, UserMessage):
        return [_turn("system" if isinstance(message, SystemMessage) else "assistant", message.content)]
    results = [part for part in message.content if isinstance(part, ToolResult)]
    others = [part for part in message.content if not isinstance(part, ToolResult)]
    told = [_turn("tool", results)] if results else []
    return [*told, _turn("user", others)] if others or not results else told


def _turn(role: str, parts: Sequence[Part]) -> dict[str, Any]:
    return {"role": role, "parts": [_part(part) for part in parts]}


def _part(part: Part) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    match part:
        case Text(text=text):
            return {"type": "text", "content": text}
        case Thinking(text=text):
            return {"type": "reasoning", "content": text}
        case Refusal(text=text):
            return {"type": "refusal", "content": text}
        case ToolCall(id=id, name=name, arguments=arguments, raw=raw):
            return {"type": "tool_call", "id": id, "name": name, "arguments": arguments if raw is None else raw}
        case ToolResult(call_id=id, content=content):
            return {"type": "tool_call_response", "id": id, "response": _returned(content)}
        case Image() | Audio() | Video() | Document():
            return _medium(part)
        case Opaque(wire=wire, data=data):
            return {"type": str(data.get("type", "opaque")), "wire": wire}
        case _:
            assert_never(part)


def _returned(content: Sequence[Part]) -> Any:
    """Text as it is; else all parts."""
    if all(isinstance(part, Text) for part in content):
        return "".join(part.text for part in content if isinstance(part, Text))
    return [_part(part) for part in content]


def _medium(part: Image | Audio | Video | Document) -> dict[str, Any]:
    about = {"modality": type(part).__name__.lower(), "mime_type": part.media_type}
    if part.file_id is not None:
        return {"type": "file", **about, "file_id": part.file_id}
    if part.url is not None:
        return {"type": "uri", **about, "uri": part.url}
    return {"type": "blob", **about, "content": "", "size": len(part.data or b"")}


def _definition(tool: Tool[..., Any] | ServerTool) -> dict[str, Any]:
    """Its kind and name: the rest is long, and the same each time."""
    kind = str(tool.data.get("type") or "server") if isinstance(tool, ServerTool) else "function"
    return {"type": kind, "name": tool.name}


def _written(value: object, clean: Clean) -> str:
    """As JSON, of which what has none is left out: it stands in arguments that somebody has made by hand."""
    try:
        return json.dumps(clean(value), ensure_ascii=False, default=_kind, skipkeys=True)
    except (ValueError, RecursionError):  # it holds itself, or hardly ends
        return json.dumps(_kind(value))


def _kind(value: object) -> str:
    """Not how it shows itself, which may be with a key."""
    return f"<{type(value).__name__}>"
