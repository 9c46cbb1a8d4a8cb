"""What the ways back of `encode` have in common on both wires: tools, and how they are to be called."""

from collections.abc import Callable, Iterator
from typing import Any

from llmkit.errors import UnsupportedOptionError
from llmkit.history.nodes import Node
from llmkit.tools import RESERVED_NAMES, ServerTool, Tool
from llmkit.wire.payload import Fields


def tool_options(
    fields: Fields,
    read: Callable[[Node], Tool | ServerTool],
    choice_of: Callable[[str, tuple[Tool | ServerTool, ...]], object],
) -> Iterator[tuple[str, Any]]:
    """The options that say what may be called and how; without tools all of it stays as it is.

    Args:
        fields: Of the body.
        read: A tool's JSON → the tool.
        choice_of: The option `tool_choice` and the tools → what stands for it in a body.
    """
    tools = tuple(map(read, fields.node.nodes("tools")))
    if not tools:
        return
    yield "tools", tools
    yield "parallel_tool_calls", fields.take("parallel_tool_calls", "parallel_tool_calls", bool)
    told = fields.node.value.get("tool_choice")
    words = (*RESERVED_NAMES, *(tool.name for tool in tools))
    choice = next((word for word in words if choice_of(word, tools) == told), None)
    yield "tool_choice", choice
    fields.drop("tools", *(("tool_choice",) if choice is not None else ()))


def refuse(path: str, why: str) -> None:
    """As `Refuse`, to find out whether something can be written.

    Raises:
        UnsupportedOptionError: Always.
    """
    raise UnsupportedOptionError(f"{path}: {why}")
