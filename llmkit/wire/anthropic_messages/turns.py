"""What stands in turns that are sent: parts as blocks, as far as nothing of the request need be known for it.

Source: https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar, cast

from llmkit.json_codec import string_bytes
from llmkit.messages import CacheTime, Citation, Text, Thinking, ToolCall, ToolResult
from llmkit.wire.anthropic_messages import schema
from llmkit.wire.anthropic_messages.schema import WIRE_NAME
from llmkit.wire.splice import HOLE, shape

TEXT: Final = {"type": "text", "text": HOLE}
"""Words as a block, for a `shape`."""
_WORDS: Final = shape(TEXT)
_LOCATION: Final = "_location"  # how all of its kinds of citation end, and none of another wire's
_Cacheable = TypeVar("_Cacheable", bound=schema.Cacheable)
_Block = TypeVar("_Block", bound=Mapping[str, Any])
_WholeBlock = TypeVar("_WholeBlock", schema.TextBlock, schema.ToolUseBlock, schema.ToolResultBlock)


def cache_control(cache: CacheTime | None) -> schema.CacheControl | None:
    """What asks to cache up to where it stands; None for what asks for nothing."""
    return None if cache is None else {"type": "ephemeral", "ttl": cache}


def with_cache(block: _Cacheable, cache: CacheTime | None) -> _Cacheable:
    """`block`, which asks for it now."""
    if (control := cache_control(cache)) is not None:
        block["cache_control"] = control
    return block


def _with_extra(block: _Block, part: Text | Thinking | ToolCall | ToolResult) -> _Block:
    """`block` with what this wire sent along with the part, such as a call's `caller`."""
    return cast("_Block", {**block, **extra}) if (extra := part.extra.get(WIRE_NAME)) else block


def whole(block: _WholeBlock, part: Text | ToolCall | ToolResult) -> _WholeBlock:
    """`block` with all that `part` has beside what it says."""
    if part.cache is None and not part.extra:  # as of nearly all
        return block
    return _with_extra(with_cache(block, part.cache), part)


@cache
def said(role: str) -> tuple[bytes, ...]:
    """The `shape` of a turn of one text."""
    return shape({"role": role, "content": [TEXT]})


@cache
def turn(role: str) -> tuple[bytes, ...]:
    """The `shape` of a turn, around its blocks."""
    return shape({"role": role, "content": [HOLE]})


def words_of(part: Text) -> bytes:
    """The block, as JSON, for a text that `is_bare`."""
    return b"".join((_WORDS[0], string_bytes(part.text), _WORDS[1]))


def is_bare(part: Text) -> bool:
    """Whether there are words in `part`, and nothing beside them."""
    text = part.text
    return bool(text) and not (text.isspace() or part.citations or part.extra) and part.cache is None


def bare_words(part: ToolResult) -> bytes:
    """The words of a result that is nothing else, as nearly all are; none where it is anything else."""
    if len(part.content) != 1 or part.is_error or part.cache is not None or part.extra:
        return b""
    only = part.content[0]
    return string_bytes(only.text) if type(only) is Text and is_bare(only) else b""


def text_block(part: Text) -> schema.Block | None:
    """The block for words; None for blank ones."""
    text = part.text
    if not text or text.isspace():
        return None  # the provider refuses blank text
    block: schema.TextBlock = {"type": "text", "text": text}
    if part.citations and (citations := _citations(part.citations)):
        block["citations"] = citations
    return whole(block, part)


def _citations(citations: Sequence[Citation]) -> list[schema.Citation]:
    """Those that are of this wire, as they came; those of another have other fields."""
    own = [citation.raw for citation in citations if str(citation.raw.get("type")).endswith(_LOCATION)]
    # `file_id` is told with a citation and not taken back.
    return [cast("schema.Citation", {key: value for key, value in raw.items() if key != "file_id"}) for raw in own]


def thinking_block(part: Thinking) -> schema.Block | None:
    """Thoughts as they came; None for those that are not sealed by this provider, which it would refuse."""
    if part.wire != WIRE_NAME:
        return None
    if part.redacted is not None:
        return _with_extra(schema.RedactedThinkingBlock(type="redacted_thinking", data=part.redacted), part)
    if not part.signature:
        return None
    return _with_extra(schema.ThinkingBlock(type="thinking", thinking=part.text, signature=part.signature), part)
