"""Answers as the provider writes them: typed values in, its JSON out. No I/O.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from llmkit.errors import ConfigurationError
from llmkit.messages import (
    Audio,
    Citation,
    Document,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.response import FinishReason, Reason, Usage
from llmkit.testing.openai.writing import (
    CREATED,
    CUSTOM,
    Json,
    arguments_of,
    base64_text,
    input_of,
    opaque_json,
    page_of,
    shown_by,
    word_of,
)
from llmkit.testing.replies import Reply, rough_tokens, written

WIRE_NAME: Final = "openai-responses"
_NOTHING: Final[Mapping[str, Any]] = {}


def whole(
    reply: Reply,
    *,
    id: str = "resp_fake",  # noqa: A002
    model: str = "gpt-5.5",
    input_tokens: int = 1,
    asked: Mapping[str, Any] = _NOTHING,
) -> Json:
    """The body that answers with `reply`, which is no error.

    Args:
        reply: What is answered; its own `id`, `model` and `usage` win over the others.
        id: The answer's id.
        model: The model that was asked for.
        input_tokens: Tokens of the request.
        asked: The request's body, of which an answer repeats the options.

    Raises:
        ConfigurationError: This wire has no way to say something in it; the message begins with its path.

    Example:
        ``whole(reply_of("Hello"))["output"][0]["content"][0]["text"] == "Hello"``
    """
    shown_by(reply, "refusal", Refusal)
    shown_by(reply, "tool_calls", ToolCall)
    id_ = id if reply.id is None else reply.id
    ending = _ending(reply.reason)
    return {
        "id": id_,
        "object": "response",
        "created_at": CREATED,
        "background": False,
        "completed_at": CREATED if ending["status"] == "completed" else None,
        **ending,
        **_options(asked),
        "model": model if reply.model is None else reply.model,
        "output": _output(reply, id_, ending["status"]),
        "usage": _usage(reply.usage or Usage(input_tokens, max(1, rough_tokens(written(reply.content))))),
    }


# What a request may say and every answer repeats.
_OPTIONS: Final[Mapping[str, Any]] = {
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def _options(asked: Mapping[str, Any]) -> Json:
    told = {key: asked[key] for key in _OPTIONS if asked.get(key) is not None}
    return {**_OPTIONS, **told, "text": {**_OPTIONS["text"], **told.get("text", {})}, "service_tier": "default"}


# ---- why it ended, and what it cost ----------------------------------------------------------------------------------

_STATUSES: Final = ("cancelled", "queued", "in_progress")
# Where an answer is not complete the reason, else the status.
_WORDS: Final[Mapping[Reason, Sequence[str]]] = {
    "stop": ("completed",),
    "tool_calls": ("completed",),
    "refusal": ("completed",),
    "length": ("max_output_tokens",),
    "content_filter": ("content_filter",),
    "error": ("failed",),
    "other": ("other", *_STATUSES),
}


def _ending(reason: FinishReason) -> Json:
    word = word_of(reason, _WORDS)
    found: Json = {"status": word, "error": None, "incomplete_details": None}
    if word == "failed":
        return {**found, "error": {"code": "server_error", "message": "The model failed to answer."}}
    if word == "completed" or word in _STATUSES:
        return found
    return {**found, "status": "incomplete", "incomplete_details": {"reason": word}}


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


# ---- items -----------------------------------------------------------------------------------------------------------

_PREFIXES: Final[Mapping[str, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "image_generation_call": "ig",
}


def _output(reply: Reply, id_: str, status: str) -> list[Json]:
    """The items, each with an id, the last as unfinished as the answer."""
    found = list(_items(reply.content))
    if found and "status" in found[-1] and status == "incomplete":
        found[-1]["status"] = status
    suffix = id_.removeprefix("resp_")
    return [
        item if "id" in item or item["type"] not in _PREFIXES else _named(item, f"{suffix}_{index}")
        for index, item in enumerate(found)
    ]


def _named(item: Json, suffix: str) -> Json:
    return {"id": f"{_PREFIXES[item['type']]}_{suffix}", **item}


def _items(parts: Sequence[Part]) -> Iterator[Json]:
    """Adjacent words are one message."""
    message: Json | None = None
    for index, part in enumerate(parts):
        where = f"content[{index}]"
        if not isinstance(part, (Text, Refusal)):
            message = None
            yield _item(part, where)
            continue
        own = _own_of_message(part)
        if message is None or any(message.get(key) != value for key, value in own.items()):
            message = {"type": "message", "status": "completed", "role": "assistant", "content": [], **own}
            yield message
        message["content"].append(_content_part(part, where))


def _own_of_message(part: Text | Refusal) -> Json:
    """What the wire sent along with the message that `part` was in."""
    extra = part.extra.get(WIRE_NAME, {})
    return {key: extra[key] for key in ("id", "phase") if isinstance(extra.get(key), str)}


def _content_part(part: Text | Refusal, where: str) -> Json:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    sources = [
        _annotation(citation, len(part.text), f"{where}.citations[{index}]")
        for index, citation in enumerate(part.citations)
    ]
    return {"type": "output_text", "text": part.text, "annotations": sources, "logprobs": []}


_ANNOTATIONS: Final = frozenset({"url_citation", "file_citation", "container_file_citation", "file_path"})


def _annotation(citation: Citation, length: int, where: str) -> Json:
    """The provider's own object, or one for the page that it names."""
    if citation.raw.get("type") in _ANNOTATIONS and "url_citation" not in citation.raw:
        return dict(citation.raw)
    return {"type": "url_citation", **page_of(citation, (0, length), where)}


def _item(part: Part, where: str) -> Json:
    match part:
        case Thinking():
            return _reasoning(part)
        case ToolCall():
            return _call(part, where)
        case Image():
            return _picture(part, where)
        case Opaque():
            return opaque_json(part, WIRE_NAME, where)
        case Audio() | Video() | Document() | ToolResult() | Text() | Refusal():
            raise ConfigurationError(f"{where}: this wire cannot answer with {type(part).__name__}")
        case _:
            assert_never(part)


def _reasoning(part: Thinking) -> Json:
    """A summary, and the whole of it encrypted, which a part has in the one place or in the other."""
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    sealed = part.redacted if part.signature is None else part.signature
    encrypted = {} if sealed is None else {"encrypted_content": sealed}
    return {"type": "reasoning", "summary": summary, **encrypted, **part.extra.get(WIRE_NAME, {})}


def _call(part: ToolCall, where: str) -> Json:
    extra = part.extra.get(WIRE_NAME, {})
    common = {"call_id": part.id, "name": part.name}
    kept = {key: value for key, value in extra.items() if key in _KEPT_OF_CALLS}
    if extra.get("type") in (CUSTOM, "custom_tool_call"):
        return {"type": "custom_tool_call", **common, "input": input_of(part, where), "status": "completed", **kept}
    arguments = arguments_of(part, WIRE_NAME, where)
    return {"type": "function_call", **common, "arguments": arguments, "status": "completed", **kept}


_KEPT_OF_CALLS: Final = frozenset({"id", "namespace", "caller"})


def _picture(part: Image, where: str) -> Json:
    kind = (part.media_type or "image/png").removeprefix("image/")
    found = {"type": "image_generation_call", "status": "completed", "output_format": kind}
    return {**found, **part.extra.get(WIRE_NAME, {}), "result": base64_text(part, where)}
