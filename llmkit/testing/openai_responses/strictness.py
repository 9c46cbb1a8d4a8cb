"""What the host refuses with a 400, in the words of the real one: the mistakes that tests ought to find.

Not everything: models, the shape of tools and media, and items of other types are taken as they come.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.testing.openai import checks
from llmkit.testing.openai.checks import Field, required, typed
from llmkit.testing.openai.errors import Fault
from llmkit.testing.openai.schemas import answer_faults, function_faults

_FIELDS: Final[Mapping[str, Field]] = {
    "model": Field("string"),
    "input": Field("string or array"),
    "instructions": Field("string"),
    "stream": Field("boolean"),
    "stream_options": Field("object"),
    "store": Field("boolean"),
    "include": Field("array"),
    "temperature": Field("decimal", 0, 2),
    "top_p": Field("decimal", 0, 1),
    "max_output_tokens": Field("integer", 16),
    "top_logprobs": Field("integer", 0, 20),
    "tools": Field("array"),
    "parallel_tool_calls": Field("boolean"),
    "reasoning": Field("object"),
    "text": Field("object"),
    "metadata": Field("object"),
}
# Keys of the Chat wire → where they have gone.
_MOVED: Final[Mapping[str, str]] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
_GONE: Final = ("stop", "seed", "n", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "functions")
_ELSEWHERE: Final = ("previous_response_id", "conversation")


def fault_of(body: Any, *, counted: bool = False) -> Fault | None:
    """The first thing that is wrong with the body of a request; None where it is fine.

    Args:
        body: The JSON; None where it was none.
        counted: It asks only for a count, and so needs neither model nor input.
    """
    if not isinstance(body, dict):
        return checks.NOT_JSON
    return next(_faults(body, counted=counted), None)


def _faults(body: Mapping[str, Any], *, counted: bool) -> Iterator[Fault]:
    """Each is looked for only where there is none before it, and so may count on what those have made sure of."""
    yield from _strange(body)
    if not counted and not body.get("model"):
        yield checks.missing("model")
    if not counted and not any(body.get(name) for name in ("input", "prompt", *_ELSEWHERE)):
        words = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided."
        yield Fault(words, "input", "missing_required_parameter")
    yield from checks.fields(body, _FIELDS)
    if body.get("stream_options") is not None and not body.get("stream"):
        yield Fault("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    yield from function_faults(body.get("tools") or (), None)
    yield from answer_faults((body.get("text") or {}).get("format"), "text.format.schema", "invalid_json_schema")
    if isinstance(body.get("input"), list):
        yield from _input_faults(body["input"], stored=any(body.get(name) for name in _ELSEWHERE))


def _strange(body: Mapping[str, Any]) -> Iterator[Fault]:
    for name in body:
        if name in _GONE:
            yield Fault(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        if name in _MOVED:
            words = f"In the Responses API, this parameter has moved to '{_MOVED[name]}'."
            text = f"Unsupported parameter: '{name}'. {words} Try again with the new parameter."
            yield Fault(text, name, "unsupported_parameter")


def _input_faults(items: Sequence[Any], *, stored: bool) -> Iterator[Fault]:
    for index, item in enumerate(items):
        where = f"input[{index}]"
        yield from typed(item, "object", where)
        if item.get("type", "message") == "message":
            yield from _message_faults(item, where)
        for name, kind in _REQUIRED.get(item.get("type", ""), {}).items():
            yield from required(item, name, kind, where)
    yield from _unfollowed(items)
    yield from _unpaired(items, stored=stored)


# ---- one item --------------------------------------------------------------------------------------------------------

_REQUIRED: Final[Mapping[str, Mapping[str, checks.Type]]] = {
    "function_call": {"call_id": "string", "name": "string", "arguments": "string"},
    "function_call_output": {"call_id": "string", "output": "string or array"},
    "custom_tool_call": {"call_id": "string", "name": "string", "input": "string"},
    "custom_tool_call_output": {"call_id": "string", "output": "string or array"},
    "reasoning": {"summary": "array"},
    "item_reference": {"id": "string"},
}
_ROLES: Final = ("assistant", "system", "developer", "user")
_SENT: Final = ("input_text", "input_image", "output_text", "refusal", "input_file", "input_audio", "summary_text")
_SAID: Final = ("output_text", "refusal")


def _message_faults(message: Mapping[str, Any], where: str) -> Iterator[Fault]:
    yield from required(message, "role", "string", where)
    if message["role"] not in _ROLES:
        yield checks.unknown_value(message["role"], _ROLES, f"{where}.role")
    yield from required(message, "content", "string or array", where)
    if isinstance(message["content"], list):
        said = message["role"] == "assistant"
        yield from _part_faults(message["content"], _SAID if said else _SENT, f"{where}.content")


def _part_faults(content: Sequence[Any], known: Sequence[str], where: str) -> Iterator[Fault]:
    for index, part in enumerate(content):
        path = f"{where}[{index}]"
        yield from typed(part, "object", path)
        yield from required(part, "type", "string", path)
        if part["type"] not in known:
            yield checks.unknown_value(part["type"], known, path)
        if part["type"] in _TEXTS:
            yield from required(part, _TEXTS[part["type"]], "string", path)


_TEXTS: Final[Mapping[str, str]] = {"input_text": "text", "output_text": "text", "refusal": "refusal"}

# ---- items that belong together --------------------------------------------------------------------------------------


def _unfollowed(items: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Reasoning without that for which the model reasoned."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        if item.get("type") == "reasoning" and (following is None or not _by_model(following)):
            name = f"Item '{item.get('id', '')}' of type 'reasoning'"
            yield Fault(f"{name} was provided without its required following item.", "input")


def _by_model(item: Mapping[str, Any]) -> bool:
    kind = item.get("type", "message")
    return item["role"] == "assistant" if kind == "message" else not kind.endswith("_output")


# Result → call.
_ANSWERS: Final[Mapping[str, str]] = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
}


def _unpaired(items: Sequence[Mapping[str, Any]], *, stored: bool) -> Iterator[Fault]:
    """Results without their calls before them, and calls without their results anywhere behind."""
    waiting: dict[str, str] = {}
    for item in items:
        kind = item.get("type", "")
        if kind in _ANSWERS.values():
            waiting[item["call_id"]] = kind
        elif kind in _ANSWERS and waiting.pop(item["call_id"], None) != _ANSWERS[kind] and not stored:
            words = f"{kind.replace('_', ' ')} with call_id {item['call_id']}"
            yield Fault(f"No tool call found for {words}.", "input")
    for call_id, kind in waiting.items():
        yield Fault(f"No tool output found for {kind.replace('_', ' ')} {call_id}.", "input")
