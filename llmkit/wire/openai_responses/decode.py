"""A body of `POST /v1/responses` as an answer, and its output items as parts.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llmkit.messages import AssistantMessage, Citation, Opaque, Part, Refusal, Text, Thinking, ToolCall
from llmkit.response import FinishReason, Reason, Usage
from llmkit.wire.base import Decoded
from llmkit.wire.openai_responses.calls import custom_call, function_call
from llmkit.wire.openai_responses.images import image
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.quirks import OpenAIResponsesQuirks
from llmkit.wire.reading import count, expect, object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

INCOMPLETE: Final[Mapping[str, Reason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    # The words of Chat Completions and others, as hosts leave them that only translate.
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "length": "length",
}

_OF_ERRORS: Final = ("error", "errors", "detail", "message", "code")
_FOR_THE_CLIENT: Final = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)
"""Items that wait for the client's answer, unless the answer stands in the same output: then the provider ran them."""


def decode(body: Any, _: OpenAIResponsesQuirks) -> Decoded:
    """The answer that `body` is.

    Raises:
        InvalidResponseError: It is none; the error has the path.
        ErrorEvent: It says that answering failed, or tells of an error instead.
    """
    found = expect(body, dict, "$")
    if found.get("status") == "failed" or ("output" not in found and any(map(found.get, _OF_ERRORS))):
        raise ErrorEvent(found)
    output = expect(found.get("output"), list, "$.output")
    items = [expect(item, dict, f"$.output[{index}]") for index, item in enumerate(output)]
    return Decoded(
        id=text_or(found.get("id"), ""),
        model=text_or(found.get("model"), ""),
        message=AssistantMessage(
            [part for index, item in enumerate(items) for part in decode_item(item, f"$.output[{index}]")]
        ),
        finish_reason=finish_reason(found, items),
        usage=usage(found.get("usage")),
        raw=found,
        logprobs=[entry for item in items for entry in logprobs(item)] or None,
    )


def finish_reason(response: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> FinishReason:
    """Why it ended: this wire has a status and no word for it."""
    status = text_or(response.get("status"), None)
    if status == "incomplete":
        raw = text_or(object_or_empty(response.get("incomplete_details")).get("reason"), status)
        return FinishReason(INCOMPLETE.get(raw, "other"), raw)
    if status != "completed":
        return FinishReason("other", status)
    if _waits(items):
        return FinishReason("tool_calls", status)
    return FinishReason("refusal" if any(map(_refused, items)) else "stop", status)


def _waits(items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the client must do something before the model goes on."""
    outputs = [item for item in items if str(item.get("type")).endswith("_output")]
    answered = {text_or(item.get("call_id"), "") for item in outputs} - {""}
    return any(
        (item.get("type") in _FOR_THE_CLIENT and text_or(item.get("call_id"), "") not in answered)
        or (item.get("type") == "tool_search_call" and item.get("execution") == "client")
        for item in items
    )


def _refused(item: Mapping[str, Any]) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(object_or_empty(part).get("type") == "refusal" for part in content)


def usage(value: object) -> Usage:
    """What was billed; cached tokens and reasoning are counted in, as llmkit does."""
    if not isinstance(value, dict):
        return Usage()
    read = object_or_empty(value.get("input_tokens_details"))
    inputs, outputs = count(value.get("input_tokens")), count(value.get("output_tokens"))
    reasoning = count(object_or_empty(value.get("output_tokens_details")).get("reasoning_tokens"))
    if reasoning and count(value.get("total_tokens")) == inputs + outputs + reasoning:
        outputs += reasoning  # as hosts do that count it apart
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=count(read.get("cached_tokens")),
        cache_write_tokens=count(read.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        raw=value,
    )


def logprobs(item: Mapping[str, Any]) -> Iterator[Any]:
    """The log probabilities of all text of an item."""
    content = item.get("content")
    for part in content if isinstance(content, list) else ():
        found = object_or_empty(part).get("logprobs")
        yield from found if isinstance(found, list) else ()


def decode_item(item: dict[str, Any], path: str) -> Sequence[Part]:
    """The parts that `item` is: of a message its content, else one; `Opaque` where it is not modelled.

    Raises:
        InvalidResponseError: It is of a known kind and lacks what makes it one.
    """
    reader = _ITEMS.get(expect(item.get("type"), str, f"{path}.type"))
    return (Opaque(WIRE_NAME, item),) if reader is None else reader(item, path)


def _message(item: dict[str, Any], path: str) -> Sequence[Part]:
    shared = {key: value for key, value in item.items() if key not in _OF_MESSAGE and value is not None}
    content = expect(item.get("content") or [], list, f"{path}.content")
    return [
        _content(expect(part, dict, f"{path}.content[{index}]"), item, shared, f"{path}.content[{index}]")
        for index, part in enumerate(content)
    ]


def _content(part: dict[str, Any], item: dict[str, Any], shared: dict[str, Any], path: str) -> Part:
    kind = part.get("type")
    if kind == "output_text":
        text = expect(part.get("text"), str, f"{path}.text")
        found = expect(part.get("annotations") or [], list, f"{path}.annotations")
        citations = [_citation(expect(raw, dict, f"{path}.annotations[{index}]")) for index, raw in enumerate(found)]
        return Text(text, citations, extra=_extra(shared, part))
    if kind == "refusal":
        return Refusal(expect(part.get("refusal"), str, f"{path}.refusal"), extra=_extra(shared, part))
    # On its own, in a message of its own: what stands in a message cannot be told from an item otherwise.
    return Opaque(WIRE_NAME, {**item, "content": [part]})


_OF_MESSAGE: Final = frozenset({"type", "role", "content"})
_OF_PART: Final = frozenset({"type", "text", "refusal", "annotations", "logprobs"})


def _extra(shared: dict[str, Any], part: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the provider wants to see again: the message's id and its like, and what the part has that is not known."""
    rest = {key: value for key, value in part.items() if key not in _OF_PART and value is not None}
    if not rest:
        return {WIRE_NAME: shared} if shared else {}
    return {WIRE_NAME: {**shared, "part": rest}}


def _citation(raw: dict[str, Any]) -> Citation:
    # The indices of annotations count in the answer, not in the source.
    title = text_or(raw.get("title"), None) or text_or(raw.get("filename"), None)
    return Citation(url=text_or(raw.get("url"), None), title=title, raw=raw)


def thoughts(item: Mapping[str, Any], path: str) -> str:
    """What can be read of a reasoning item: its summaries, else its very words, a blank line between two."""
    for field in ("summary", "content"):
        found = expect(item.get(field) or [], list, f"{path}.{field}")
        texts = [object_or_empty(entry).get("text") for entry in found]
        if text := "\n\n".join(text for text in texts if isinstance(text, str) and text):
            return text
    return ""


def _reasoning(item: dict[str, Any], path: str) -> Sequence[Part]:
    text = thoughts(item, path)
    sealed = text_or(item.get("encrypted_content"), None)
    rest = {key: value for key, value in item.items() if key not in ("type", "encrypted_content") and value is not None}
    return (
        Thinking(
            text,
            signature=sealed if text else None,
            redacted=None if text else sealed,
            wire=WIRE_NAME,
            extra={WIRE_NAME: rest},
        ),
    )


def _function_call(item: dict[str, Any], path: str) -> Sequence[Part]:
    return (function_call(item, path),)


def _custom_call(item: dict[str, Any], path: str) -> Sequence[ToolCall]:
    return (custom_call(item, path),)


def _image(item: dict[str, Any], _path: str) -> Sequence[Part]:
    return (image(item),)


_ITEMS: Final[Mapping[str, Callable[[dict[str, Any], str], Sequence[Part]]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "image_generation_call": _image,
}


def decode_count(body: Any) -> int:
    """The number of tokens.

    Raises:
        InvalidResponseError: There is none.
    """
    return expect(expect(body, dict, "$").get("input_tokens"), int, "$.input_tokens")
