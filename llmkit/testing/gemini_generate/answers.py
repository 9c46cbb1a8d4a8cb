"""Answers as the provider writes them: typed values in, its JSON out. No I/O.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from collections.abc import Iterator, Mapping
from typing import Final

from llmkit.errors import ConfigurationError
from llmkit.messages import ToolCall
from llmkit.response import FinishReason, Reason, Usage
from llmkit.testing.gemini_generate.parts import WIRE_NAME, part_json, sources
from llmkit.testing.replies import Chunking, Reply, by_words, rough_tokens, written
from llmkit.wire.gemini_generate.spelling import Json


def whole(
    reply: Reply,
    *,
    id: str = "fake",  # noqa: A002
    model: str = "gemini-3.6-flash",
    input_tokens: int = 1,
) -> Json:
    """The body that answers with `reply`, which is no error.

    Args:
        reply: What is answered; its own `id`, `model` and `usage` win over the others.
        id: The answer's id.
        model: The model that was asked for.
        input_tokens: Tokens of the request.

    Raises:
        ConfigurationError: This wire has no way to say something in it; the message begins with its path.

    Example:
        ``whole(reply_of("Hello"))["candidates"][0]["content"]["parts"] == [{"text": "Hello"}]``
    """
    usage = _billed(reply, input_tokens)
    return {
        **_said(reply),
        "usageMetadata": _usage(usage, _visible(usage)),
        "modelVersion": model if reply.model is None else reply.model,
        "responseId": id if reply.id is None else reply.id,
    }


def events(
    reply: Reply,
    *,
    id: str = "fake",  # noqa: A002
    model: str = "gemini-3.6-flash",
    input_tokens: int = 1,
    chunking: Chunking = by_words,
) -> list[Json]:
    """The chunks that stream `reply`, in their order; each is an answer with what is new.

    Decoded they are what `whole` of the same reply is. Usage grows from chunk to chunk; the last one says why it ended.

    Args:
        reply: As for `whole`.
        id: As for `whole`.
        model: As for `whole`.
        input_tokens: As for `whole`.
        chunking: Cuts text and thoughts; calls come whole.

    Raises:
        ConfigurationError: As `whole`.
    """
    body = whole(reply, id=id, model=model, input_tokens=input_tokens)
    if "candidates" not in body:
        return [body]
    (candidate,) = body["candidates"]
    parts = [piece for part in candidate["content"].get("parts", ()) for piece in _pieces(part, chunking)]
    contents: list[Json] = [{"parts": [part], "role": "model"} for part in parts] or [{"role": "model"}]
    usage = _billed(reply, input_tokens)
    chunks = [
        {
            **body,
            "candidates": [{"content": content, "index": 0}],
            "usageMetadata": _usage(usage, _visible(usage) * number // len(contents)),
        }
        for number, content in enumerate(contents, 1)
    ]
    return [*chunks[:-1], {**chunks[-1], "candidates": [{**candidate, "content": contents[-1]}]}]


def _pieces(part: Json, chunking: Chunking) -> Iterator[Json]:
    """A part in several; what seals it comes behind its text, as from the provider, with an empty one."""
    if not isinstance(part.get("text"), str):
        yield part
        return
    bare = {key: value for key, value in part.items() if key in ("text", "thought")}
    found = [{**bare, "text": text} for text in chunking(part["text"])]
    yield from found
    if bare != part or not found:
        yield {**part, "text": ""}


# ---- why it ended, and what it cost ----------------------------------------------------------------------------------

_WORDS: Final[Mapping[Reason, str]] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "error": "MALFORMED_FUNCTION_CALL",
    "other": "OTHER",
}
_FILTERED: Final = frozenset(
    {
        *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"),
    }
)
_FAILED: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}
)
_OWN: Final[Mapping[str, frozenset[str]]] = {"content_filter": _FILTERED, "error": _FAILED}
_KNOWN: Final = frozenset({"STOP", "MAX_TOKENS"}) | _FILTERED | _FAILED
_BLOCKED: Final = frozenset({"JAILBREAK", "OTHER"})  # words that refuse a prompt, and filter no answer


def _said(reply: Reply) -> Json:
    """The candidate; or why there is none, where the prompt was blocked."""
    reason = reply.reason
    if reason.reason == "content_filter" and reason.raw in _BLOCKED and not reply.content:
        return {"promptFeedback": {"blockReason": reason.raw}}
    parts = [part_json(part, f"content[{index}]") for index, part in enumerate(reply.content)]
    content: Json = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    ended: Json = {"finishReason": _finish_word(reason), **sources(reply.content)}
    if any(isinstance(part, ToolCall) for part in reply.content):
        ended["finishMessage"] = "Model generated function call(s)."
    elif reason.reason == "tool_calls":
        raise ConfigurationError("finish_reason: without a call this wire has no word for 'tool_calls'")
    return {"candidates": [{"content": content, **ended, "index": 0}]}


def _finish_word(reason: FinishReason) -> str:
    """The wire's word; of several that mean the same the one that was asked for."""
    if reason.stop_sequence is not None:
        raise ConfigurationError("finish_reason.stop_sequence: this wire does not tell it")
    if reason.raw is not None and reason.raw in _OWN.get(reason.reason, ()):
        return reason.raw
    if reason.raw and reason.reason == "other" and reason.raw not in _KNOWN:
        return reason.raw
    if reason.reason not in _WORDS:
        raise ConfigurationError(f"finish_reason: this wire has no word for {reason.reason!r}")
    return _WORDS[reason.reason]


def _billed(reply: Reply, input_tokens: int) -> Usage:
    return reply.usage or Usage(input_tokens, max(1, rough_tokens(written(reply.content))))


def _visible(usage: Usage) -> int:
    """This wire counts thoughts apart."""
    if usage.cache_write_tokens:
        raise ConfigurationError("usage.cache_write_tokens: this wire does not count them")
    if usage.reasoning_tokens > usage.output_tokens:
        raise ConfigurationError("usage.output_tokens: it includes reasoning, and that is more")
    return usage.output_tokens - usage.reasoning_tokens


def _usage(usage: Usage, visible: int) -> Json:
    """Zeros are not sent, but for the two that always are."""
    some = {
        "candidatesTokenCount": visible,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
    }
    return {
        "promptTokenCount": usage.input_tokens,
        **{key: value for key, value in some.items() if value},
        "totalTokenCount": usage.input_tokens + visible + usage.reasoning_tokens,
    }


__all__ = ["WIRE_NAME", "events", "whole"]
