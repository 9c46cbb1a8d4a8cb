"""Whether an error says that the prompt does not fit the model, in the words of OpenAI and of many hosts.

What is too long must be the prompt or its tokens: a field, a picture, a sound or `max_tokens` that is too long or too
many is another error, which a shorter prompt does not mend.

Source: https://platform.openai.com/docs/guides/error-codes, and the answers of the hosts themselves
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from llmkit.errors import CONTEXT_LENGTH_EXCEEDED
from llmkit.wire.reading import text_or

_CODES: Final = frozenset(
    {
        CONTEXT_LENGTH_EXCEEDED,
        "too_many_prompt_tokens",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "exceed_context_size_error",
        "context_length_error",
        "model_context_window_exceeded",
        "model_max_prompt_tokens_exceeded",
        "max_tokens_exceeded_error",
        "tokens_limit_reached",
        "tokens_too_long",
    }
)
# Told of every string in a request; which one it is tells whether it is the prompt.
_LONG_STRING: Final = "string_above_max_length"
_PROMPT_PATH: Final = re.compile(r"messages\.?\[\d+\]\.content\b.*|input(\[\d+\](\.(content|output)\b.*)?)?")

_CONTEXT: Final = r"context[ _-]?(length|window|size|limit)"
_MORE: Final = r"exceed\w*|overflow\w*|reached|(great|long|larg|bigg)er than|too (long|large|big|many)|not enough"
# Units of which a prompt is not made.
_OTHERS: Final = r"(images?|audios?|videos?|files?|tools?|pages?|seconds?|minutes?|bytes|[kmg]i?b)\b"
_BEYOND: Final = (
    rf"\b(inputs?|prompt(_tokens)?|total tokens)\b(?! {_OTHERS})[^.]{{0,40}}? exceed(s|ed)?\b"
    rf"(?![^.]{{0,60}}\b{_OTHERS})[^.]{{0,40}}(max|limit|token|\d)"
)
_TOO_LONG: Final = re.compile(
    "|".join(
        (
            rf"({_MORE})[^.]{{0,60}}{_CONTEXT}",
            rf"{_CONTEXT}[^.]{{0,40}}({_MORE})",
            r"context (shift is disabled|the overflows|overflow)",
            r"maximum context",
            r"ContextWindowExceeded",
            r"\b(prompt|inputs?)( is| are| was)? too (long|large)\b",
            r"\b(message|request|conversation)s? (is|are) too long\b",
            # Of a batch, or of a minute, others than these are too many.
            r"too many (input |prompt )?tokens(?! (overall|processed|per|in (the |a )?batch))",
            _BEYOND,
            r"\b(messages?|conversation|request)\b[^.]{0,30} exceed(s|ed)?\b[^.]{0,40}\btoken(?!s? per)",
            r"\b(inputs?|prompt(_tokens)?)\b[^.]{0,20}\bmust (have|be) (less|fewer|shorter)\b",
            r"range of input length should be",
            r"maximum (prompt|input|allowed input) length",
            r"reduce the length of the (messages|prompt|input)",
            r"longer than the (max\w* )?model('s| length)",
            r"`inputs` tokens \+ `max_new_tokens` must be",
            r"Max size: \d+ tokens",
        )
    ),
    re.IGNORECASE,
)


def is_overflow(words: Iterable[str], message: str, details: Mapping[str, Any]) -> bool:
    """Whether the prompt was too long.

    Args:
        words: The error's codes and types.
        message: What it says.
        details: The object that holds them; it may name the field in `param`.
    """
    known = {word.lower() for word in words}
    if known & _CODES:
        return True
    if _LONG_STRING in known:
        named = re.search(r"'([^']+)'", message)
        path = text_or(details.get("param"), "") or (named[1] if named else "")
        return _PROMPT_PATH.fullmatch(path) is not None
    return _TOO_LONG.search(message) is not None
