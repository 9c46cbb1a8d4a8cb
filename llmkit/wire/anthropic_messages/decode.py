"""A body of `POST /v1/messages` as an answer, and its blocks as parts.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from llmkit.messages import AssistantMessage, Citation, Opaque, Part, Text, Thinking, ToolCall
from llmkit.response import FinishReason, Model, Reason, Usage
from llmkit.wire.anthropic_messages.schema import WIRE_NAME
from llmkit.wire.base import Decoded, ModelPage
from llmkit.wire.error_bodies import is_failure, outer_object, raise_if_error
from llmkit.wire.quirks import AnthropicMessagesQuirks
from llmkit.wire.reading import count, count_or_none, expect, instant, object_or_empty, text_or
from llmkit.wire.signals import ErrorEvent

REASONS: Final[Mapping[str, Reason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decode(body: Any, _: AnthropicMessagesQuirks) -> Decoded:
    """The answer that `body` is.

    Raises:
        ErrorEvent: It tells of an error.
        InvalidResponseError: It is none; the error has the path.
    """
    if isinstance(body, list) and is_failure(outer_object(body)):  # as some hosts tell of errors
        raise ErrorEvent(body)
    found = expect(body, dict, "$")
    if "content" not in found:
        raise_if_error(found)
    content = expect(found.get("content"), list, "$.content")
    parts = tuple(decode_block(block, f"$.content[{index}]") for index, block in enumerate(content))
    return Decoded(
        id=text_or(found.get("id"), ""),
        model=text_or(found.get("model"), ""),
        message=AssistantMessage(parts),
        finish_reason=finish_reason(found, calls=any(isinstance(part, ToolCall) for part in parts)),
        usage=usage(found.get("usage")),
        raw=found,
    )


def finish_reason(message: Mapping[str, Any], *, calls: bool = False) -> FinishReason:
    """Why it ended, from `stop_reason` and `stop_sequence`.

    Args:
        message: What has them.
        calls: Whether the answer holds calls to answer; some hosts end such a turn as any other.
    """
    raw = text_or(message.get("stop_reason"), None)
    reason = REASONS.get(raw or "", "other")
    if calls and reason == "stop":
        reason = "tool_calls"
    return FinishReason(reason, raw, text_or(message.get("stop_sequence"), None))


def usage(value: object) -> Usage:
    """What was billed. This wire counts cached tokens apart from `input_tokens`; llmkit counts them in."""
    if not isinstance(value, dict):
        return Usage()
    read = count(value.get("cache_read_input_tokens"))
    written = count(value.get("cache_creation_input_tokens"))
    if not written:
        written = sum(map(count, object_or_empty(value.get("cache_creation")).values()))
    return Usage(
        input_tokens=count(value.get("input_tokens")) + read + written,
        output_tokens=count(value.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(object_or_empty(value.get("output_tokens_details")).get("thinking_tokens")),
        raw=value,
    )


def decode_block(block: Any, path: str) -> Part:
    """The part that `block` is; `Opaque` where it is of a kind that is not modelled.

    Raises:
        InvalidResponseError: It is no block, or one of a known kind that lacks what makes it one.
    """
    found = expect(block, dict, path)
    reader = _BLOCKS.get(expect(found.get("type"), str, f"{path}.type"))
    return Opaque(WIRE_NAME, found) if reader is None else reader(found, path)


def _text(block: dict[str, Any], path: str) -> Text:
    text = expect(block.get("text"), str, f"{path}.text")
    found = expect(block.get("citations") or [], list, f"{path}.citations")
    citations = [citation(expect(item, dict, f"{path}.citations[{index}]")) for index, item in enumerate(found)]
    return Text(text, citations, extra=_extra(block, "text", "citations"))


def _thinking(block: dict[str, Any], path: str) -> Thinking:
    text = expect(block.get("thinking"), str, f"{path}.thinking")
    signature = text_or(block.get("signature"), None)
    return Thinking(text, signature, wire=WIRE_NAME, extra=_extra(block, "thinking", "signature"))


def _redacted(block: dict[str, Any], path: str) -> Thinking:
    data = expect(block.get("data"), str, f"{path}.data")
    return Thinking("", redacted=data, wire=WIRE_NAME, extra=_extra(block, "data"))


def _tool_use(block: dict[str, Any], path: str) -> ToolCall:
    arguments = block.get("input", {})
    return ToolCall(
        expect(block.get("id"), str, f"{path}.id"),
        expect(block.get("name"), str, f"{path}.name"),
        arguments if isinstance(arguments, dict) else {},
        None if isinstance(arguments, dict) else _as_text(arguments),
        extra=_extra(block, "id", "name", "input"),
    )


def _as_text(value: object) -> str:
    from llmkit.json_codec import dump_bytes  # noqa: PLC0415 - for what no provider should send

    return value if isinstance(value, str) else dump_bytes(value).decode()


_BLOCKS: Final[Mapping[str, Callable[[dict[str, Any], str], Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
}


def _extra(block: dict[str, Any], *known: str) -> dict[str, dict[str, Any]]:
    """What the block has beside `known`: the provider wants to see it again, whatever it is."""
    if len(block) <= len(known):  # the usual case: `type`, and what is known or less
        return {}
    rest = {key: value for key, value in block.items() if key != "type" and key not in known and value is not None}
    return {WIRE_NAME: rest} if rest else {}


_UNITS: Final[Mapping[str, tuple[Any, str]]] = {
    "char_location": ("character", "char_index"),
    "page_location": ("page", "page_number"),
    "content_block_location": ("block", "block_index"),
    "search_result_location": ("block", "block_index"),
}


def citation(raw: dict[str, Any]) -> Citation:
    """A source, whichever of the five kinds it is."""
    unit, key = _UNITS.get(text_or(raw.get("type"), ""), (None, ""))
    start, end = raw.get(f"start_{key}"), raw.get(f"end_{key}")
    which = raw.get("document_index", raw.get("search_result_index"))
    return Citation(
        text=text_or(raw.get("cited_text"), ""),
        url=text_or(raw.get("url"), None) or text_or(raw.get("source"), None),
        title=text_or(raw.get("title"), None) or text_or(raw.get("document_title"), None),
        document=which if isinstance(which, int) else None,
        start=start if isinstance(start, int) else None,
        end=end if isinstance(end, int) else None,
        unit=unit,
        raw=raw,
    )


def decode_count(body: Any) -> int:
    """The number of tokens.

    Raises:
        InvalidResponseError: There is none.
    """
    return expect(expect(body, dict, "$").get("input_tokens"), int, "$.input_tokens")


def decode_models(body: Any) -> ModelPage:
    """One page of models.

    Raises:
        InvalidResponseError: It is none.
    """
    found = expect(body, dict, "$")
    models = tuple(
        _model(expect(item, dict, f"$.data[{index}]"), f"$.data[{index}]")
        for index, item in enumerate(expect(found.get("data"), list, "$.data"))
    )
    last = text_or(found.get("last_id"), None) or (models[-1].id if models else None)
    more = found.get("has_more") is True and last is not None and bool(models)
    return ModelPage(models, {"after_id": last} if more and last else None)


def _model(item: dict[str, Any], path: str) -> Model:
    return Model(
        id=expect(item.get("id"), str, f"{path}.id"),
        display_name=text_or(item.get("display_name"), ""),
        created=_released(item.get("created_at")),
        context_window=count_or_none(item.get("max_input_tokens")),
        max_output=count_or_none(item.get("max_tokens")),
        capabilities=frozenset(
            name
            for name, value in object_or_empty(item.get("capabilities")).items()
            if value is True or object_or_empty(value).get("supported") is True
        ),
        raw=item,
    )


def _released(value: object) -> datetime | None:
    """When it was; the beginning of 1970 stands for "not known"."""
    found = instant(value)
    return None if found == _EPOCH else found
