"""Message dicts, in OpenAI's Chat shape or Anthropic's, as typed messages.

What goes in is the caller's: it is never changed and nothing of it is kept but copies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from attrs import evolve

from llmkit.history import chat
from llmkit.history.content import parts_of
from llmkit.history.marks import with_cache
from llmkit.history.nodes import SHOWN, Node, items, located, node_of
from llmkit.messages import (
    AssistantMessage,
    Citation,
    Message,
    Part,
    Refusal,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)

_MESSAGES: Final = (SystemMessage, UserMessage, AssistantMessage)

# What an answer says about itself and no provider wants back.
_ABOUT: Final = (
    "id", "type", "object", "created", "model", "status", "usage", "parsed", "container", "context_management",
    "stop_reason", "stop_sequence", "stop_details",
)  # fmt: skip
_UNKEPT: Final[Mapping[str, str]] = {
    "name": "there is no place for a speaker's name; write it into the text",
    "prefix": "there is no place for it; end the messages with the assistant's and pass extra_body",
}


def typed(messages: Sequence[Message | Mapping[str, Any]], where: str = "prompt") -> list[Message]:
    """`messages` with each dict converted; typed ones stay as they are.

    Adjacent ``tool`` messages become one `UserMessage`, as their results belong to one turn. Results in dicts get
    their tool's name from the call that they answer.

    Args:
        messages: Typed messages, and dicts with `role` and `content` in OpenAI's Chat shape or Anthropic's.
        where: What errors call the sequence.

    Raises:
        ConfigurationError: Something is wrong; the message begins with its path, as in ``prompt[2].content[0].type``.
    """
    return _Reader(where).read(messages)


class _Reader:
    """One conversation, read from its start: what later messages need of earlier ones."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._names: dict[str, str] = {}  # calls by id
        self._functions: dict[str, str] = {}  # the ids made up for the last call of each function, by its name
        self._numbers = count()
        self._results: list[ToolResult] = []  # adjacent ones

    def read(self, messages: Sequence[Message | Mapping[str, Any]]) -> list[Message]:
        found: list[Message] = []
        for item, where in items(messages, self._where):
            message = item if isinstance(item, _MESSAGES) else self._read(node_of(item, where))
            if isinstance(message, ToolResult):
                self._results.append(message)
                continue
            self._names |= {part.id: part.name for part in message.content if isinstance(part, ToolCall)}
            found += [*self._answers(), message]
        return [*found, *self._answers()]

    def _read(self, node: Node) -> Message | ToolResult:
        role = node.get("role", str)
        if role not in _ROLES:
            node.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_ROLES)}")
        return _ROLES[role](self, node)

    def _answers(self) -> Iterator[UserMessage]:
        if self._results:
            yield UserMessage(self._results)
            self._results = []

    def _named(self, part: Part) -> Part:
        if isinstance(part, ToolResult) and not part.name:
            return evolve(part, name=self._names.get(part.call_id, ""))
        return part

    def system(self, node: Node) -> SystemMessage:
        _only(node, "role", "content", "cache_control")
        content = with_cache(_content(node), node)
        return located(node.where, lambda: SystemMessage(content))

    def user(self, node: Node) -> UserMessage:
        _only(node, "role", "content", "cache_control")
        content = tuple(map(self._named, with_cache(_content(node), node)))
        return located(node.where, lambda: UserMessage(content))

    def assistant(self, node: Node) -> AssistantMessage:
        _only(node, "role", "content", "cache_control", *_ABOUT, *_ASSISTANT_KEYS)
        content = (
            *chat.reasoning(node),
            *_said(node),
            *(Refusal(text) for text in [node.find("refusal", str)] if text),
            *(chat.audio(audio) for audio in [node.find_node("audio")] if audio),
            *self._calls(node),
        )
        if not content and node.value.get("content") is None:
            node.fail("content", "is missing")
        cached = with_cache(content, node)
        return located(node.where, lambda: AssistantMessage(cached))

    def _calls(self, node: Node) -> Iterator[ToolCall]:
        yield from map(chat.tool_call, node.nodes("tool_calls"))
        if inner := node.find_node("function_call"):
            call = chat.function_call(inner, f"function_call_{next(self._numbers)}")
            self._functions[call.name] = call.id
            yield call

    def tool(self, node: Node) -> ToolResult:
        _only(node, "role", "content", "tool_call_id", "name", "cache_control")
        call_id = node.get("tool_call_id", str)
        return self._result(node, call_id, node.find("name", str) or self._names.get(call_id, ""))

    def function(self, node: Node) -> ToolResult:
        _only(node, "role", "content", "name", "cache_control")
        name = node.get("name", str)
        if name not in self._functions:
            node.fail("name", f"no function_call of {name[:SHOWN]!r} stands before it")
        return self._result(node, self._functions[name], name)

    def _result(self, node: Node, call_id: str, name: str) -> ToolResult:
        content = with_cache(_content(node), node)
        return located(node.where, lambda: ToolResult(call_id, name, content))


_ROLES: Final[Mapping[str, Callable[[_Reader, Node], Message | ToolResult]]] = {
    "system": _Reader.system,
    "developer": _Reader.system,
    "user": _Reader.user,
    "assistant": _Reader.assistant,
    "tool": _Reader.tool,
    "function": _Reader.function,
}
_INSTEAD: Final = ("tool_calls", "function_call", "refusal", "audio")
_ASSISTANT_KEYS: Final = (
    *_INSTEAD, "annotations", "reasoning", "reasoning_content", "reasoning_details",
)  # fmt: skip


def _only(node: Node, *known: str) -> None:
    """Refuse what would be lost; what is empty is no loss."""
    for key, value in node.value.items():
        if key not in known and not _is_empty(value):
            node.fail(key[:SHOWN], _UNKEPT.get(key, "unknown key; it would be lost"))


def _content(node: Node) -> tuple[Part, ...]:
    if node.value.get("content") is None:
        node.fail("content", "is missing")
    return parts_of(node.value["content"], node.path("content"))


def _said(node: Node) -> tuple[Part, ...]:
    """The content of an assistant's message, with the sources that stand beside it at its last text."""
    content = node.value.get("content")
    # Some hosts send "" where others send null.
    nothing = content is None or (content == "" and any(node.value.get(key) for key in _INSTEAD))
    found = () if nothing else parts_of(content, node.path("content"))
    sources = [chat.annotation(item) for item in node.nodes("annotations")]
    return _cited(node, found, sources) if sources else found


def _cited(node: Node, parts: tuple[Part, ...], sources: list[Citation]) -> tuple[Part, ...]:
    for index in range(len(parts) - 1, -1, -1):
        text = parts[index]
        if isinstance(text, Text):
            cited = evolve(text, citations=(*text.citations, *sources))
            return (*parts[:index], cited, *parts[index + 1 :])
    return node.fail("annotations", "there is no text that they belong to")


def _is_empty(value: object) -> bool:
    """Whether leaving it out loses nothing; 0 is a value."""
    return value is None or value is False or (isinstance(value, (str, list, dict, tuple)) and not value)
