"""What the host refuses with a 400, in the words of the real one: the mistakes that tests ought to find.

Not everything: models, unknown keys, the shape of tools and media are taken as they come.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from llmkit.testing.anthropic_messages.schemas import schema_faults

_REQUIRED: Final = ("model", "max_tokens", "messages")
_ROLES: Final = ("user", "assistant", "system")


def fault_of(body: Any, *, counted: bool) -> str | None:
    """The first thing that is wrong with the body of a request; None where it is fine.

    Args:
        body: The JSON; None where it was none.
        counted: It asks only for a count, and so needs no `max_tokens`.
    """
    if not isinstance(body, dict):
        return "The request body is not valid JSON: expected an object"
    return next(_faults(body, counted=counted), None)


def _faults(body: Mapping[str, Any], *, counted: bool) -> Iterator[str]:
    """Each is looked for only where there is none before it, and so may count on what those have made sure of."""
    for name in _REQUIRED:
        if name not in body and not (counted and name == "max_tokens"):
            yield f"{name}: Field required"
    for name, (fits, expected) in _TYPES.items():
        if name in body and not fits(body[name]):
            yield f"{name}: {expected}"
    if not body["messages"]:
        yield "messages: at least one message is required"
    for index, message in enumerate(body["messages"]):
        if not isinstance(message, dict):
            yield f"messages.{index}: Input should be an object"
        yield from _message_faults(message, f"messages.{index}")
    yield from _unpaired(body["messages"])
    yield from schema_faults(body)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_LIST: Final = "Input should be a valid list"
_TYPES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "model": (lambda value: isinstance(value, str) and bool(value), "Input should be a valid string"),
    "max_tokens": (_is_int, "Input should be a valid integer"),
    "messages": (lambda value: isinstance(value, list), _LIST),
    "system": (lambda value: isinstance(value, (str, list)), _LIST),
    "stream": (lambda value: isinstance(value, bool), "Input should be a valid boolean"),
    "temperature": (lambda value: _is_number(value) and 0 <= value <= 1, "range: 0..1"),
    "top_p": (lambda value: _is_number(value) and 0 <= value <= 1, "range: 0..1"),
    "top_k": (_is_int, "Input should be a valid integer"),
    "stop_sequences": (lambda value: isinstance(value, list), _LIST),
    "tools": (lambda value: isinstance(value, list), _LIST),
    "tool_choice": (lambda value: isinstance(value, dict), "Input should be an object"),
    "metadata": (lambda value: isinstance(value, dict), "Input should be an object"),
}


def _message_faults(message: Mapping[str, Any], where: str) -> Iterator[str]:
    if message.get("role") not in _ROLES:
        yield f"{where}.role: Input should be {', '.join(map(repr, _ROLES))}"
    if "content" not in message:
        yield f"{where}.content: Field required"
    content = message.get("content")
    if isinstance(content, list):
        for index, block in enumerate(content):
            yield from _block_faults(block, f"{where}.content.{index}")
    elif not isinstance(content, str):
        yield f"{where}.content: {_LIST}"


def _block_faults(block: Any, where: str) -> Iterator[str]:
    if not isinstance(block, dict):
        yield f"{where}: Input should be an object"
    elif not isinstance(block.get("type"), str):
        yield f"{where}.type: Field required"
    elif block["type"] == "text" and not isinstance(block.get("text"), str):
        yield f"{where}.text: Input should be a valid string"
    elif block["type"] == "text" and not block["text"]:
        yield "messages: text content blocks must be non-empty"
    elif block["type"] == "text" and not block["text"].strip():
        yield "messages: text content blocks must contain non-whitespace text"


def _unpaired(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Calls without their results in the next turn, and results without their calls in the one before."""
    asked: set[str] = set()
    for index, (calls, answered) in _turns(messages):
        if missing := sorted(asked - answered):
            yield _MISSING.format(index - 1, ", ".join(missing))
        if unknown := sorted(answered - asked):
            yield _UNKNOWN.format(index, ", ".join(unknown))
        asked = calls
    if asked:
        yield _MISSING.format(len(messages) - 1, ", ".join(sorted(asked)))


_MISSING: Final = (
    "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. "
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
)
_UNKNOWN: Final = (
    "messages.{}: unexpected `tool_use_id` found in `tool_result` blocks: {}. "
    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
)


def _turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, tuple[set[str], set[str]]]]:
    """The ids that each turn asks for and answers; adjacent messages of one role are one turn."""
    spoken = [(index, message) for index, message in enumerate(messages) if message["role"] != "system"]
    for _, group in groupby(spoken, key=lambda pair: pair[1]["role"]):
        turn = list(group)
        calls = {id_ for _, message in turn for id_ in _ids(message, "tool_use", "id")}
        answered = {id_ for _, message in turn for id_ in _ids(message, "tool_result", "tool_use_id")}
        yield turn[0][0], (calls, answered)


def _ids(message: Mapping[str, Any], kind: str, key: str) -> Iterator[str]:
    content = message["content"]
    blocks = content if isinstance(content, list) else ()
    return (str(block.get(key)) for block in blocks if block["type"] == kind)
