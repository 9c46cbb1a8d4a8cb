"""Answers as the provider writes them: typed values in, its JSON out. No I/O.

A message of this wire has a place for each kind of part and no order between them.

Source: https://platform.openai.com/docs/api-reference/chat/object and …/chat-streaming; for thoughts and pictures,
which compatible hosts answer with, https://api-docs.deepseek.com/guides/thinking_mode and
https://openrouter.ai/docs/features/multimodal/image-generation
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, assert_never

from attrs import Factory, define

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
    address_of,
    arguments_of,
    base64_text,
    input_of,
    opaque_json,
    page_of,
    shown_by,
    word_of,
)
from llmkit.testing.replies import Chunking, Reply, by_words, rough_tokens, written

WIRE_NAME: Final = "openai-chat"
AUDIO_LASTS: Final = 3600  # seconds
AUDIO_PIECE: Final = 1024  # characters of base64 in an event: a multiple of 4, so that each piece can be decoded


def whole(
    reply: Reply,
    *,
    id: str = "chatcmpl-fake",  # noqa: A002
    model: str = "gpt-5.5",
    input_tokens: int = 1,
) -> Json:
    """The body that answers with `reply`, which is no error.

    What no host of this wire tells is left out: the signature of thoughts.

    Args:
        reply: What is answered; its own `id`, `model` and `usage` win over the others.
        id: The answer's id.
        model: The model that was asked for.
        input_tokens: Tokens of the request.

    Raises:
        ConfigurationError: This wire has no way to say something in it; the message begins with its path.

    Example:
        ``whole(reply_of("Hello"))["choices"][0]["message"]["content"] == "Hello"``
    """
    shown_by(reply, "refusal", Refusal)
    choice = {"index": 0, "message": _message(reply), "logprobs": None, **_ending(reply.reason)}
    return {
        "id": id if reply.id is None else reply.id,
        "object": "chat.completion",
        "created": CREATED,
        "model": model if reply.model is None else reply.model,
        "choices": [choice],
        "usage": _usage(reply.usage or Usage(input_tokens, max(1, rough_tokens(written(reply.content))))),
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def events(
    reply: Reply,
    *,
    id: str = "chatcmpl-fake",  # noqa: A002
    model: str = "gpt-5.5",
    input_tokens: int = 1,
    chunking: Chunking = by_words,
    include_usage: bool = True,
) -> list[Json]:
    """The chunks that stream `reply`, in their order; ``[DONE]``, which comes after them, is none.

    Decoded they are what `whole` of the same reply is.

    Args:
        reply: As for `whole`.
        id: As for `whole`.
        model: As for `whole`.
        input_tokens: As for `whole`.
        chunking: Cuts text, thoughts and the JSON of arguments into deltas.
        include_usage: Whether the request asked for usage, which then is in a chunk of its own, the last.

    Raises:
        ConfigurationError: As `whole`.
    """
    body = whole(reply, id=id, model=model, input_tokens=input_tokens)
    (choice,) = body.pop("choices")
    usage = body.pop("usage")
    frame = {**body, "object": "chat.completion.chunk", **({"usage": None} if include_usage else {})}
    blank = {"index": 0, "logprobs": None, "finish_reason": None}
    message = choice.pop("message")
    found = [{**frame, "choices": [{**blank, "delta": delta}]} for delta in _deltas(message, chunking)]
    last = {**frame, "choices": [{**choice, "delta": {}}]}
    billed = [{**frame, "choices": [], "usage": usage}] if include_usage else []
    return [*found, last, *billed]


# ---- why it ended, and what it cost ----------------------------------------------------------------------------------

# OpenAI's first, then those of other hosts.
_WORDS: Final[Mapping[Reason, Sequence[str]]] = {
    "stop": ("stop", "eos", "eos_token", "end_turn", "stop_sequence"),
    "refusal": ("stop",),
    "length": ("length", "max_tokens", "MAX_TOKENS", "model_length"),
    "tool_calls": ("tool_calls", "function_call", "tool_use"),
    "content_filter": ("content_filter",),
    "error": ("error",),
    "other": ("other",),
}


def _ending(reason: FinishReason) -> Json:
    """Some hosts tell which of the stop strings it was, too."""
    word = word_of(reason, _WORDS)
    met = {} if reason.stop_sequence is None else {"stop_reason": reason.stop_sequence}
    return {"finish_reason": word, **met}


def _usage(usage: Usage) -> Json:
    read = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0}
    if usage.cache_write_tokens:
        read["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": read,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


# ---- the message -----------------------------------------------------------------------------------------------------


@define
class _Said:
    """What stands at the places of a message, as it is being filled; thoughts stand in `field`."""

    field: str = "reasoning_content"
    thoughts: list[str] = Factory(list)
    details: list[Json] = Factory(list)
    content: list[str | Json] = Factory(list)
    refusals: list[str] = Factory(list)
    annotations: list[Json] = Factory(list)
    sounds: list[Json] = Factory(list)
    images: list[Json] = Factory(list)
    calls: list[Json] = Factory(list)

    @property
    def length(self) -> int:
        """Characters of the text so far."""
        return sum(len(item) for item in self.content if isinstance(item, str))


def _message(reply: Reply) -> Json:
    said = _Said()
    for index, part in enumerate(reply.content):
        _put(said, part, f"content[{index}]")
    message: Json = {
        "role": "assistant",
        "content": _content(said.content),
        "refusal": "".join(said.refusals) if said.refusals else None,
        "annotations": said.annotations,
    }
    others = {
        said.field: "".join(said.thoughts) if said.thoughts else None,
        "reasoning_details": said.details,
        "audio": said.sounds[0] if said.sounds else None,
        "images": said.images,
        "tool_calls": said.calls,
    }
    return message | {key: value for key, value in others.items() if value or value == ""}


def _content(items: Sequence[str | Json]) -> str | list[Json] | None:
    """Text; a list where a part of another kind stands in it; null where there is nothing."""
    if all(isinstance(item, str) for item in items):
        return "".join(map(str, items)) if items else None
    return [{"type": "text", "text": item} if isinstance(item, str) else item for item in items]


def _put(said: _Said, part: Part, where: str) -> None:
    match part:
        case Text():
            said.annotations += _annotations(part, said.length, where)
            said.content.append(part.text)
        case Thinking():
            _put_thinking(said, part, where)
        case ToolCall():
            said.calls.append(_call(part, where))
        case Refusal(text=text):
            said.refusals.append(text)
        case Image():
            block = {"type": "image_url", "image_url": {"url": address_of(part, where)}}
            said.content.append(block) if _field(part) == "content" else said.images.append(block)
        case Audio():
            if said.sounds:
                raise ConfigurationError(f"{where}: this wire answers with one Audio")
            said.sounds.append(_audio(part, where))
        case Opaque():
            said.content.append(opaque_json(part, WIRE_NAME, where))
        case Video() | Document() | ToolResult():
            raise ConfigurationError(f"{where}: this wire cannot answer with {type(part).__name__}")
        case _:
            assert_never(part)


def _put_thinking(said: _Said, part: Thinking, where: str) -> None:
    extra = part.extra.get(WIRE_NAME, {})
    details = extra.get("reasoning_details", [])
    if part.redacted is not None and not details:
        raise ConfigurationError(f"{where}.redacted: this wire has no encrypted thoughts")
    if _field(part) == "content":
        pieces = extra.get("thinking") or [{"type": "text", "text": part.text}]
        said.content.append({"type": "thinking", "thinking": pieces})
        return
    said.field = "reasoning" if _field(part) == "reasoning" else said.field
    said.details += details
    if part.text or not details:
        said.thoughts.append(part.text)


def _field(part: Thinking | Image) -> object:
    """Where the host had it that it was read from."""
    return part.extra.get(WIRE_NAME, {}).get("field")


def _annotations(part: Text, start: int, where: str) -> list[Json]:
    span = (start, start + len(part.text))
    return [_annotation(citation, span, f"{where}.citations[{index}]") for index, citation in enumerate(part.citations)]


def _annotation(citation: Citation, span: tuple[int, int], where: str) -> Json:
    """The provider's own object, or one for the page that it names."""
    if isinstance(citation.raw.get("url_citation"), dict):
        return dict(citation.raw)
    return {"type": "url_citation", "url_citation": page_of(citation, span, where)}


def _audio(part: Audio, where: str) -> Json:
    extra = part.extra.get(WIRE_NAME, {})
    found = {"id": "audio_fake", "expires_at": CREATED + AUDIO_LASTS, "transcript": part.transcript or "", **extra}
    return {**found, "data": base64_text(part, where)}


def _call(part: ToolCall, where: str) -> Json:
    extra = part.extra.get(WIRE_NAME, {})
    kind = extra.get("type", "function")
    if kind == CUSTOM:
        inner = {"name": part.name, "input": input_of(part, where)}
    else:
        inner = {"name": part.name, "arguments": arguments_of(part, WIRE_NAME, where)}
    kept = {key: value for key, value in extra.items() if key in _KEPT_OF_CALLS}
    return {"id": part.id, "type": kind, kind: inner, **kept}


_KEPT_OF_CALLS: Final = frozenset({"extra_content"})


# ---- the message as deltas -------------------------------------------------------------------------------------------


def _deltas(message: Mapping[str, Any], chunking: Chunking) -> Iterator[Json]:
    content = message["content"]
    yield {"role": "assistant", "content": None if content is None else "", "refusal": None}
    for key in ("reasoning_content", "reasoning", "refusal"):
        yield from ({key: piece} for piece in chunking(message.get(key) or ""))
    if details := message.get("reasoning_details"):
        yield {"reasoning_details": details}
    for item in [content] if isinstance(content, str) else content or ():
        yield from _content_deltas(item, chunking)
    yield from _sound_deltas(message.get("audio"), chunking)
    for key in ("images", "annotations"):
        if message.get(key):
            yield {key: message[key]}
    for index, call in enumerate(message.get("tool_calls", ())):
        yield from ({"tool_calls": [{"index": index, **delta}]} for delta in _call_deltas(call, chunking))


def _content_deltas(item: str | Json, chunking: Chunking) -> Iterator[Json]:
    text = item if isinstance(item, str) else item["text"] if item.keys() == {"type", "text"} else None
    if isinstance(text, str):
        yield from ({"content": piece} for piece in chunking(text))
    else:
        yield {"content": [item]}


def _sound_deltas(audio: Json | None, chunking: Chunking) -> Iterator[Json]:
    if audio is None:
        return
    data = audio["data"]
    pieces = (data[at : at + AUDIO_PIECE] for at in range(0, len(data), AUDIO_PIECE))
    yield {"audio": {"id": audio["id"], "transcript": ""}}
    yield from ({"audio": {"transcript": piece}} for piece in chunking(audio["transcript"]))
    yield from ({"audio": {"data": piece}} for piece in pieces)
    yield {"audio": {"expires_at": audio["expires_at"]}}


def _call_deltas(call: Json, chunking: Chunking) -> Iterator[Json]:
    """The id and the name once, with nothing of the arguments yet."""
    kind = call["type"]
    key = "input" if kind == CUSTOM else "arguments"
    yield {**call, kind: {**call[kind], key: ""}}
    yield from ({kind: {key: piece}} for piece in chunking(call[kind][key]))
