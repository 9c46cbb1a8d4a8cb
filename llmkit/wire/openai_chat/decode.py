"""A body of `POST /v1/chat/completions` as an answer.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llmkit.messages import AssistantMessage, Part, Refusal, ToolCall
from llmkit.response import FinishReason, Reason
from llmkit.wire.base import Decoded
from llmkit.wire.error_bodies import raise_if_error
from llmkit.wire.openai.usage import usage
from llmkit.wire.openai_chat.parts import parts_of
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.reading import expect, object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

# OpenAI's words, then those of compatible hosts for the same things.
REASONS: Final[Mapping[str, Reason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
}


def decode(body: Any, _: OpenAIChatQuirks) -> Decoded:
    """The answer that `body` is.

    Raises:
        ErrorEvent: It tells of an error.
        InvalidResponseError: It is no answer; the error has the path.
    """
    if isinstance(body, list) and body and isinstance(body[0], dict):
        raise_if_error({"choices": None, **body[0]}, "choices")  # as some hosts tell of errors
    found = expect(body, dict, "$")
    raise_if_error(found, "choices")
    choice, path = _choice(found)
    if choice.get("error"):
        raise ErrorEvent(choice)
    message = choice.get("message")
    # What was filtered may have no message at all.
    said = {} if message is None else expect(message, dict, f"{path}.message")
    parts = parts_of(said, found, f"{path}.message")
    return Decoded(
        id=text_or(found.get("id"), ""),
        model=text_or(found.get("model"), ""),
        message=AssistantMessage(parts),
        finish_reason=finish_reason(choice, parts),
        usage=usage(billed(found, choice)),
        raw=found,
        logprobs=logprobs(choice) or None,
    )


def _choice(body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The choice of index 0, else the first one; and its path."""
    choices = expect(body.get("choices"), list, "$.choices")
    at = next((at for at, item in enumerate(choices) if object_or_empty(item).get("index") == 0), 0)
    path = f"$.choices[{at}]"
    return expect(choices[at] if choices else None, dict, path), path


def finish_reason(choice: Mapping[str, Any], parts: Sequence[Part]) -> FinishReason:
    """Why it ended, from a choice's `finish_reason` and what stands in the answer."""
    raw = text_or(choice.get("finish_reason"), None)
    reason = REASONS.get(raw or "", "other")
    if reason == "stop":
        if any(isinstance(part, Refusal) for part in parts):
            reason = "refusal"
        elif any(isinstance(part, ToolCall) for part in parts):
            reason = "tool_calls"
    # Some hosts tell here which of the stop strings it was; others repeat the reason.
    met = text_or(choice.get("stop_reason"), None)
    return FinishReason(reason, raw, met if raw == "stop" and met not in REASONS else None)


def billed(body: Mapping[str, Any], choice: Mapping[str, Any]) -> object:
    """The provider's own object of counts, wherever it stands."""
    places = (body.get("usage"), object_or_empty(body.get("x_groq")).get("usage"), choice.get("usage"))
    return next((place for place in places if isinstance(place, dict)), None)


def logprobs(choice: Mapping[str, Any]) -> list[Any]:
    """The provider's lists, that of a refusal after that of the text; empty where there is none."""
    told = object_or_empty(choice.get("logprobs"))
    lists = (told.get("content"), told.get("refusal"))
    return [item for found in lists if isinstance(found, list) for item in found]
