"""Message dicts, in OpenAI's Chat shape or Anthropic's, as typed messages.

What goes in is the caller's: it is never changed and nothing of it is kept but copies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from attrs import evolve
from llmkit.history.content import CHAT, annotation, arguments_of, audio_of, parts_of, with_cache
from llmkit.history.nodes import Node, copied, items, located, node_of

from llmkit.messages import (
    AssistantMessage,
    Citation,
    Message,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)

_MESSAGES: Final = (SystemMessage, UserMessage, AssistantMessage)
_EMPTY: Final[tuple[object, ...]] = (None, "", False, [], {}, ())

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

    Adjacent ``tool`` messages become one `UserMessage`, as their results belong to one turn. A result gets its tool's
    name from the call that it answers.

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
        self._functions: dict[str, str] = {}  # ids made up for calls without one, by the function's name
        self._results: list[ToolResult] = []  # adjacent ones

    def read(self, messages: Sequence[Message | Mapping[str, Any]]) -> list[Message]:
        found: list[Message] = []
        for item, where in items(messages, self._where):
            if isinstance(item, _MESSAGES):
                found += [*self._answers(), self._known(item)]
                continue
            node = node_of(item, where)
            role = node.get("role", str)
            if role in _RESULT_ROLES:
                self._results.append(_RESULT_ROLES[role](self, node))
            elif role in _ROLES:
                found += [*self._answers(), self._known(_ROLES[role](self, node))]
            else:
                node.fail("role", f"unknown role {role[:80]!r}; known are {', '.join([*_ROLES, *_RESULT_ROLES])}")
        return [*found, *self._answers()]

    def _answers(self) -> Iterator[UserMessage]:
        if self._results:
            yield UserMessage(self._results)
            self._results = []

    def _known(self, message: Message) -> Message:
        """`message`, with names in its results; its calls are noted for those that follow."""
        for part in message.content:
            if isinstance(part, ToolCall):
                self._names[part.id] = part.name
        if isinstance(message, UserMessage) and any(isinstance(part, ToolResult) for part in message.content):
            return UserMessage(tuple(map(self._named, message.content)))
        return message

    def _named(self, part: Part) -> Part:
        if isinstance(part, ToolResult) and not part.name and (name := self._names.get(part.call_id)):
            return evolve(part, name=name)
        return part

    def system(self, node: Node) -> SystemMessage:
        _only(node, "role", "content", "cache_control")
        content = with_cache(_content(node), node)
        return located(node.where, lambda: SystemMessage(content))

    def user(self, node: Node) -> UserMessage:
        _only(node, "role", "content", "cache_control")
        content = with_cache(_content(node), node)
        return located(node.where, lambda: UserMessage(content))

    def assistant(self, node: Node) -> AssistantMessage:
        _only(node, "role", "content", "cache_control", *_ABOUT, *_ASSISTANT_KEYS)
        content = (
            *_thoughts(node),
            *_said(node),
            *(Refusal(text) for text in [node.find("refusal", str)] if text),
            *(audio_of(audio) for audio in [node.find_node("audio")] if audio),
            *self._calls(node),
        )
        if not content and node.value.get("content") is None:
            _missing(node)
        return located(node.where, lambda: AssistantMessage(with_cache(content, node)))

    def _calls(self, node: Node) -> Iterator[ToolCall]:
        yield from map(_tool_call, node.nodes("tool_calls"))
        if call := node.find_node("function_call"):
            call.only("name", "arguments")
            name = call.get("name", str)
            arguments, raw = arguments_of(call.any("arguments"), call.path("arguments"))
            found = self._functions[name] = f"call_{len(self._functions)}_{name}"
            yield ToolCall(found, name, arguments, raw)

    def tool(self, node: Node) -> ToolResult:
        _only(node, "role", "content", "tool_call_id", "name", "cache_control")
        call_id = node.get("tool_call_id", str)
        return self._result(node, call_id, node.find("name", str) or self._names.get(call_id, ""))

    def function(self, node: Node) -> ToolResult:
        _only(node, "role", "content", "name", "cache_control")
        name = node.get("name", str)
        if name not in self._functions:
            node.fail("name", f"no function_call of {name[:80]!r} stands before it")
        return self._result(node, self._functions[name], name)

    def _result(self, node: Node, call_id: str, name: str) -> ToolResult:
        content = with_cache(_content(node), node)
        return located(node.where, lambda: ToolResult(call_id, name, content))


_ROLES: Final[Mapping[str, Callable[[_Reader, Node], Message]]] = {
    "system": _Reader.system,
    "developer": _Reader.system,
    "user": _Reader.user,
    "assistant": _Reader.assistant,
}
_RESULT_ROLES: Final[Mapping[str, Callable[[_Reader, Node], ToolResult]]] = {
    "tool": _Reader.tool,
    "function": _Reader.function,
}
_ASSISTANT_KEYS: Final = (
    "tool_calls", "function_call", "refusal", "audio", "annotations", "reasoning", "reasoning_content",
    "reasoning_details",
)  # fmt: skip


def _only(node: Node, *known: str) -> None:
    """Refuse what would be lost; what is empty is no loss."""
    for key, value in node.value.items():
        if key not in known and value not in _EMPTY:
            node.fail(key[:80], _UNKEPT.get(key, "unknown key; it would be lost"))


def _missing(node: Node) -> NoReturn:
    node.fail("content", "is missing")


def _content(node: Node) -> tuple[Part, ...]:
    if node.value.get("content") is None:
        _missing(node)
    return parts_of(node.value["content"], f"{node.where}.content")


def _said(node: Node) -> tuple[Part, ...]:
    """The content of an assistant's message, with the sources that stand beside it at its last text."""
    content = node.value.get("content")
    found = () if content is None else parts_of(content, f"{node.where}.content", lenient=True)
    if content == "" and any(node.value.get(key) for key in ("tool_calls", "function_call", "refusal", "audio")):
        found = ()  # hosts that send "" where others send null
    sources = [annotation(item) for item in node.nodes("annotations")]
    return _cited(node, found, sources) if sources else found


def _cited(node: Node, parts: tuple[Part, ...], sources: list[Citation]) -> tuple[Part, ...]:
    for index in range(len(parts) - 1, -1, -1):
        text = parts[index]
        if isinstance(text, Text):
            cited = evolve(text, citations=(*text.citations, *sources))
            return (*parts[:index], cited, *parts[index + 1 :])
    return node.fail("annotations", "there is no text that they belong to")


def _thoughts(node: Node) -> Iterator[Thinking]:
    """What compatible hosts put beside the content."""
    text = node.find("reasoning_content", str) or node.find("reasoning", str) or ""
    if details := [copied(item.value, item.where) for item in node.nodes("reasoning_details")]:
        yield Thinking(text, wire=CHAT, extra={CHAT: {"reasoning_details": details}})
    elif text:
        yield Thinking(text, wire=CHAT)


def _tool_call(node: Node) -> ToolCall:
    kind = node.find("type", str) or "function"
    if kind not in ("function", "custom"):
        node.fail("type", f"expected 'function' or 'custom', got {kind[:80]!r}")
    node.only("id", "type", "index", "extra_content", kind)
    inner, name = node.node(kind), node.node(kind).get("name", str)
    kept = node.rest("id", "index", "type", kind)
    if kind == "custom":
        inner.only("name", "input")
        extra = {CHAT: {"type": "custom", **kept}}
        return ToolCall(node.get("id", str), name, {"input": inner.get("input", str)}, extra=extra)
    inner.only("name", "arguments")
    arguments, raw = arguments_of(inner.value.get("arguments"), inner.path("arguments"))
    return ToolCall(node.get("id", str), name, arguments, raw, extra={CHAT: kept} if kept else {})


__all__ = ["typed"]
