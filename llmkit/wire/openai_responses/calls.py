"""The two kinds of call to a tool: of a function with JSON, and of a custom tool with free text. Item → part → item.

Source: https://platform.openai.com/docs/guides/function-calling
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import dump_bytes, dump_text, loads
from llmkit.messages import ToolCall
from llmkit.wire.openai_responses import schema
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.reading import expect, text_or

CALLS: Final = frozenset({"function_call", "custom_tool_call"})


def function_call(item: Mapping[str, Any], path: str) -> ToolCall:
    """The call of a function.

    Raises:
        InvalidResponseError: It has no name or no id.
    """
    written = item.get("arguments")
    arguments, raw = _read(written)
    rest = _rest(item, "arguments")
    if isinstance(written, str):
        rest["arguments"] = written  # the very text: the provider's cache knows it by its letters
    return ToolCall(call_id(item, path), name(item, path), arguments, raw, extra={WIRE_NAME: rest})


def custom_call(item: Mapping[str, Any], path: str) -> ToolCall:
    """The call of a custom tool.

    Raises:
        InvalidResponseError: It has no name, no id or no text.
    """
    text = expect(item.get("input"), str, f"{path}.input")
    rest = {"type": "custom_tool_call", **_rest(item, "input")}
    return ToolCall(call_id(item, path), name(item, path), {"input": text}, extra={WIRE_NAME: rest})


def call_id(item: Mapping[str, Any], path: str) -> str:
    """By which the call is answered; some hosts have only the item's own."""
    return text_or(item.get("call_id"), None) or expect(item.get("id"), str, f"{path}.call_id")


def name(item: Mapping[str, Any], path: str) -> str:
    """The tool's."""
    return expect(item.get("name"), str, f"{path}.name")


def is_custom(part: ToolCall) -> bool:
    """Whether it was a call of a custom tool on this wire."""
    return (part.extra.get(WIRE_NAME) or {}).get("type") == "custom_tool_call"


def call_item(part: ToolCall, id_: str) -> schema.Call:
    """The item that `part` was, or would have been; `id_` is what results call it by."""
    extra = part.extra.get(WIRE_NAME)
    if not extra:
        return {"type": "function_call", "call_id": id_, "name": part.name, "arguments": arguments_of(part)}
    known: dict[str, Any] = {key: value for key, value in extra.items() if key not in ("type", "arguments")}
    if is_custom(part):
        text = part.arguments.get("input")
        text = text if isinstance(text, str) else part.raw or dump_text(part.arguments, "arguments")
        item = {"type": "custom_tool_call", **known, "call_id": id_, "name": part.name, "input": text}
        return cast("schema.CustomToolCall", item)
    arguments = _arguments(part, extra.get("arguments"))
    item = {"type": "function_call", **known, "call_id": id_, "name": part.name, "arguments": arguments}
    return cast("schema.FunctionCall", item)


def arguments_of(part: ToolCall) -> str:
    """The arguments of a call of which nothing else is known."""
    return dump_text(part.arguments, "arguments") if part.raw is None else part.raw


def _arguments(part: ToolCall, sent: object) -> str:
    if part.raw is not None:
        return part.raw
    # The caller may have changed the arguments since.
    if isinstance(sent, str) and _read(sent) == (part.arguments, None):
        return sent or "{}"
    return dump_text(part.arguments, "arguments")


def _read(written: object) -> tuple[dict[str, Any], str | None]:
    """Arguments as an object, or empty with the text that is none."""
    if not isinstance(written, str):
        if isinstance(written, dict):
            return written, None
        return {}, None if written is None else dump_bytes(written, "arguments").decode()
    if not written.strip():
        return {}, None
    try:
        found = loads(written)
    except InvalidResponseError:
        return {}, written  # cut off by the limit on tokens
    return (found, None) if isinstance(found, dict) else ({}, written)


def _rest(item: Mapping[str, Any], *known: str) -> dict[str, Any]:
    skipped = {"type", "call_id", "name", *known}
    return {key: value for key, value in item.items() if key not in skipped and value is not None}
