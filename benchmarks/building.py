"""A long request, built: as llmkit does from typed values, and as nobody is below: `json.dumps` of the same body."""

import base64
import json
from collections.abc import Callable
from typing import Any

from benchmarks.contenders import MODEL, PROVIDERS

MESSAGES, TOOLS, IMAGE = 200, 10, 5 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
TEXT = "The keeper rows out to the light, through rain that falls in sheets, and “back again” by noon. " * 4


def _tools() -> list[Any]:
    from llmkit import Tool

    properties = {name: {"type": "string", "description": "What it is."} for name in ("text", "place", "unit")}
    schema = {"type": "object", "properties": properties, "required": ["text"]}
    return [Tool(name=f"tool_{number}", description=TEXT[:80], parameters=schema) for number in range(TOOLS)]


def _messages(count: int = MESSAGES) -> list[Any]:
    from llmkit import AssistantMessage, ToolCall, ToolResult, UserMessage

    found: list[Any] = []
    for number in range(count // 4):
        call = ToolCall(id=f"call_{number}", name="tool_1", arguments={"text": TEXT[:60], "place": "Zürich"})
        found += [UserMessage(TEXT), AssistantMessage([TEXT, call])]
        found += [UserMessage(ToolResult(call.id, call.name, [TEXT])), AssistantMessage(TEXT)]
    return [*found[: count - 1], UserMessage(TEXT)]


def kit(wire: str, *, image: bool, messages: int = MESSAGES) -> Callable[[], Callable[[], bytes]]:
    """What gets the next request ready and returns what builds it, from the prompt to the bytes that are sent."""
    from llmkit import Client, Image, UserMessage

    client, turns, tools = Client(PROVIDERS[wire], api_key="k", model=MODEL), _messages(messages), _tools()

    def ready() -> Callable[[], bytes]:
        last = UserMessage([Image.from_bytes(PNG + bytes(IMAGE)), TEXT]) if image else turns[-1]
        prompt = [*turns[:-1], last]

        def build() -> bytes:
            call = client._asking(prompt, None, {"tools": tools})._encode(stream=False)  # noqa: SLF001
            assert call.body is not None
            return call.body

        return build

    return ready


def floor(wire: str, *, image: bool) -> Callable[[], Callable[[], bytes]]:
    """As `kit`, of the finished body: what is dumped, and the image encoded to base64."""
    body = kit(wire, image=image)()()
    found = json.loads(body)
    if not image:
        return lambda: lambda: json.dumps(found).encode()
    encoded = base64.b64encode(PNG + bytes(IMAGE)).decode()
    holder, key, before = _holder(found, encoded)

    def ready() -> Callable[[], bytes]:
        data = PNG + bytes(IMAGE)

        def build() -> bytes:
            holder[key] = before + base64.b64encode(data).decode()
            return json.dumps(found).encode()

        return build

    return ready


def _holder(body: Any, encoded: str) -> tuple[Any, Any, str]:
    """Where `encoded` stands in `body`, and what stands before it there."""
    rest = [body]
    while rest:
        holder = rest.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(value, str) and value.endswith(encoded):
                return holder, key, value.removesuffix(encoded)
            if isinstance(value, (dict, list)):
                rest.append(value)
    raise LookupError("the image is not in the body")
