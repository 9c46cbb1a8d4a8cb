"""What the host refuses with a 400, in the words of the real one: the mistakes that tests ought to find.

Not everything: models, unknown keys, the shape of tools and media are taken as they come.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.testing.openai import checks
from llmkit.testing.openai.checks import Field, required, typed
from llmkit.testing.openai.errors import Fault
from llmkit.testing.openai.schemas import answer_faults, function_faults

_FIELDS: Final[Mapping[str, Field]] = {
    "model": Field("string"),
    "messages": Field("array", filled=True),
    "stream": Field("boolean"),
    "stream_options": Field("object"),
    "temperature": Field("decimal", 0, 2),
    "top_p": Field("decimal", 0, 1),
    "frequency_penalty": Field("decimal", -2, 2),
    "presence_penalty": Field("decimal", -2, 2),
    "max_completion_tokens": Field("integer", 1),
    "max_tokens": Field("integer", 1),
    "n": Field("integer", 1),
    "seed": Field("integer"),
    "stop": Field("string or array"),
    "logprobs": Field("boolean"),
    "top_logprobs": Field("integer", 0, 20),
    "tools": Field("array", filled=True),
    "parallel_tool_calls": Field("boolean"),
    "response_format": Field("object"),
    "metadata": Field("object"),
}
_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_MOST_STOPS: Final = 4


def fault_of(body: Any, *, deployed: bool = False) -> Fault | None:
    """The first thing that is wrong with the body of a request; None where it is fine.

    Args:
        body: The JSON; None where it was none.
        deployed: The path names the model.
    """
    if not isinstance(body, dict):
        return checks.NOT_JSON
    return next(_faults(body, deployed=deployed), None)


def _faults(body: Mapping[str, Any], *, deployed: bool) -> Iterator[Fault]:
    """Each is looked for only where there is none before it, and so may count on what those have made sure of."""
    if not body.get("model") and not deployed:
        yield Fault("you must provide a model parameter")
    if body.get("messages") is None:
        yield checks.missing("messages")
    yield from checks.fields(body, _FIELDS)
    yield from _option_faults(body)
    yield from function_faults(body.get("tools") or (), "function")
    yield from answer_faults((body.get("response_format") or {}).get("json_schema"), "response_format", None)
    for index, message in enumerate(body["messages"]):
        yield from typed(message, "object", f"messages[{index}]")
        yield from _message_faults(message, f"messages[{index}]")
    yield from _unpaired(body["messages"])


def _option_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    """Options that go together, or do not."""
    for name, value, other in (
        ("stream_options", "stream", "'stream' is enabled"),
        ("tool_choice", "tools", "'tools' are specified"),
        ("parallel_tool_calls", "tools", "'tools' are specified"),
        ("top_logprobs", "logprobs", "'logprobs' is enabled"),
    ):
        if body.get(name) is not None and not body.get(value):
            yield Fault(f"The '{name}' parameter is only allowed when {other}.", name)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        yield Fault("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens")
    if isinstance(body.get("stop"), list) and len(body["stop"]) > _MOST_STOPS:
        words = f"Expected an array with maximum length {_MOST_STOPS}, but got an array with length"
        yield Fault(f"Invalid 'stop': array too long. {words} {len(body['stop'])} instead.", "stop")


def _message_faults(message: Mapping[str, Any], where: str) -> Iterator[Fault]:
    yield from required(message, "role", "string", where)
    role, content = message["role"], message.get("content")
    if role not in _ROLES:
        yield checks.unknown_value(role, _ROLES, f"{where}.role")
    if content is None and not (role == "assistant" and _speaks_otherwise(message)):
        yield Fault(f"Invalid value for 'content': expected a string, got null ({where}).", f"{where}.content")
    if role == "tool":
        yield from required(message, "tool_call_id", "string", where)
    if content is not None:
        yield from typed(content, "string or array", f"{where}.content")
        yield from _part_faults(content, role, f"{where}.content")
    yield from _call_faults(message, where)


def _speaks_otherwise(message: Mapping[str, Any]) -> bool:
    return any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))


# Media are for the user to send; an assistant's other parts are those of some host.
_TEXT_ONLY: Final = frozenset({"system", "developer", "tool"})


def _part_faults(content: str | Sequence[Any], role: str, where: str) -> Iterator[Fault]:
    if content == []:
        words = "empty array. Expected an array with minimum length 1, but got an empty array instead."
        yield Fault(f"Invalid '{where}': {words}", where, "empty_array")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        path = f"{where}[{index}]"
        yield from typed(part, "object", path)
        yield from required(part, "type", "string", path)
        if part["type"] == "text":
            yield from required(part, "text", "string", path)
        elif role in _TEXT_ONLY:
            yield checks.unknown_value(part["type"], ("text", "refusal"), f"{path}.type")


def _call_faults(message: Mapping[str, Any], where: str) -> Iterator[Fault]:
    calls = message.get("tool_calls")
    if calls is None:
        return
    yield from checks.fields(message, {"tool_calls": Field("array", filled=True)})
    for index, call in enumerate(calls):
        path = f"{where}.tool_calls[{index}]"
        yield from typed(call, "object", path)
        yield from required(call, "id", "string", path)
        yield from required(call, "type", "string", path)
        if call["type"] not in _TEXTS:
            yield checks.unknown_value(call["type"], tuple(_TEXTS), f"{path}.type")
        yield from required(call, call["type"], "object", path)
        inner = f"{path}.{call['type']}"
        yield from required(call[call["type"]], "name", "string", inner)
        yield from required(call[call["type"]], _TEXTS[call["type"]], "string", inner)


# Where a call has its text.
_TEXTS: Final[Mapping[str, str]] = {"function": "arguments", "custom": "input"}


def _unpaired(messages: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Calls without their results right behind them, and results without calls."""
    waiting: list[str] = []
    answered: set[str] = set()
    at = 0
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield Fault(_UNASKED, f"messages.[{index}].role")
            answered.add(message["tool_call_id"])
            continue
        yield from _unanswered(waiting, answered, at)
        waiting, answered, at = [call["id"] for call in message.get("tool_calls") or ()], set(), index
    yield from _unanswered(waiting, answered, at)


_UNASKED: Final = (
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
)


def _unanswered(calls: Sequence[str], answered: set[str], index: int) -> Iterator[Fault]:
    if rest := [call for call in calls if call not in answered]:
        yield Fault(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(rest)}",
            f"messages.[{index}].role",
        )
