"""Why an answer ended, and what it cost.

Sources: https://ai.google.dev/api/generate-content#FinishReason, https://ai.google.dev/api/generate-content#UsageMetadata
"""

from collections.abc import Mapping
from typing import Any, Final

from llmkit.response import FinishReason, Reason, Usage
from llmkit.wire.quirks import Numbers
from llmkit.wire.reading import count

REASONS: Final[Mapping[str, Reason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
}
UNSPECIFIED: Final = frozenset({"FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"})
# What stands in place of the words where a client asks for numbers, by who answers. The Developer API's are those of
# google.ai.generativelanguage.v1beta, Google Cloud's those of google.cloud.aiplatform.v1.
FINISHED: Final[Mapping[Numbers, tuple[str, ...]]] = {
    "developer": (
        "FINISH_REASON_UNSPECIFIED",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "OTHER",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
        "UNEXPECTED_TOOL_CALL",
    ),
    "cloud": (
        "FINISH_REASON_UNSPECIFIED",
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "MODEL_ARMOR",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_OTHER",
        "UNEXPECTED_TOOL_CALL",
        "NO_IMAGE",
    ),
}
_BLOCKED: Final[Mapping[Numbers, tuple[str, ...]]] = {
    "developer": (
        "BLOCK_REASON_UNSPECIFIED",
        "SAFETY",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "IMAGE_SAFETY",
    ),
    "cloud": ("BLOCKED_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT"),
}
_COUNTS: Final = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)


def finish_word(value: object, numbers: Numbers) -> str | None:
    """Why an answer ended as a word, whether it came as one or as a number; None where it is not told."""
    return _word(value, FINISHED[numbers])


def block_word(value: object, numbers: Numbers) -> str | None:
    """Why a prompt was not answered, likewise; None where it is not told that it was not."""
    word = _word(value, _BLOCKED[numbers])
    return None if word in UNSPECIFIED else word


def _word(value: object, words: tuple[str, ...]) -> str | None:
    if isinstance(value, str):
        return value or None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return words[value] if 0 <= value < len(words) else str(value)


def finish_reason(reason: str | None, blocked: str | None, *, calls: bool) -> FinishReason:
    """What it comes to.

    Args:
        reason: The candidate's word.
        blocked: Why the prompt was not answered.
        calls: Whether the answer holds calls, which this wire has no word for.
    """
    if blocked is not None:
        return FinishReason("content_filter", blocked)
    if calls and reason == "STOP":
        return FinishReason("tool_calls", reason)
    if reason is not None and reason.startswith("IMAGE_"):
        return FinishReason("content_filter", reason)
    return FinishReason(REASONS.get(reason or "", "other"), reason)


def later_usage(before: dict[str, Any] | None, value: dict[str, Any]) -> dict[str, Any]:
    """What holds when `value` follows `before` in a stream.

    Counts are totals so far, so that the last hold; what comes without any says nothing of them, as on Google Cloud.
    """
    if before is None or value.get("totalTokenCount") or any(value.get(name) is not None for name in _COUNTS):
        return value
    return {**before, **value}


def usage(value: Mapping[str, Any] | None) -> Usage:
    """What was billed. This wire counts thoughts and what tools read apart; llmkit counts them in."""
    if value is None:
        return Usage()
    thoughts = tokens(value.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=tokens(value.get("promptTokenCount")) + tokens(value.get("toolUsePromptTokenCount")),
        output_tokens=tokens(value.get("candidatesTokenCount")) + thoughts,
        cache_read_tokens=tokens(value.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        raw=dict(value),
    )


def tokens(value: object) -> int:
    """A count, which may come as text, as numbers of 64 bits do; else 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - 64 bits
        return int(value)
    return count(value)
