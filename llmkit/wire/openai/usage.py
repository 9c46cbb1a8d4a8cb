"""What was billed, in the words of Chat Completions and of all hosts that speak it; embeddings use them, too.

Source: https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage
"""

from collections.abc import Mapping
from typing import Any, Final

from llmkit.response import Usage
from llmkit.wire.reading import count, object_or_empty

# Where the counts stand, OpenAI's own place first.
_READ: Final = ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_WRITTEN: Final = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")


def usage(value: object) -> Usage:
    """What was billed; 0 and no `raw` where `value` is no object."""
    if not isinstance(value, dict):
        return Usage()
    of_prompt = object_or_empty(value.get("prompt_tokens_details"))
    of_answer = object_or_empty(value.get("completion_tokens_details"))
    prompt, answer = count(value.get("prompt_tokens")), count(value.get("completion_tokens"))
    reasoning = count(of_answer.get("reasoning_tokens")) or count(value.get("reasoning_tokens"))
    if reasoning and count(value.get("total_tokens")) == prompt + answer + reasoning:
        answer += reasoning  # some hosts count it apart
    written = _first(of_prompt, _WRITTEN) or _first(value, _WRITTEN)
    cached = _first(of_prompt, _READ) or _first(value, _READ)
    return Usage(prompt, answer, cached, written, reasoning, value)


def _first(counts: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of `names` that is a count above 0."""
    return next((found for name in names if (found := count(counts.get(name)))), 0)
