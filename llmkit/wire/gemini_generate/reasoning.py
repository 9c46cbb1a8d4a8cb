"""The option `reasoning` and the limit on tokens, which hang together: thoughts count against the limit.

Source: https://ai.google.dev/gemini-api/docs/thinking
"""

import re
from typing import Final

from attrs import frozen

from llmkit.request import ResolvedRequest
from llmkit.wire.base import Refuse
from llmkit.wire.gemini_generate import schema
from llmkit.wire.quirks import GeminiGenerateQuirks

_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 65_536}
_ORDER: Final = ("NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "MAX")


@frozen
class Reasoning:
    """What `reasoning` and `max_tokens` come to in the body."""

    max_tokens: int | None
    thinking: schema.ThinkingConfig | None = None


def reasoning(request: ResolvedRequest, quirks: GeminiGenerateQuirks, refuse: Refuse) -> Reasoning:
    """The two fields that `reasoning` and `max_tokens` decide."""
    wanted, model = request.reasoning, bare_name(request.model)
    if wanted is None:
        return Reasoning(request.max_tokens)
    if re.match(quirks.unreasoning_models, model):
        if wanted != "none":
            refuse("reasoning", f"{request.model} does not reason")
        return Reasoning(request.max_tokens)
    if isinstance(wanted, str) and is_leveled(model, quirks):
        thinking: schema.ThinkingConfig = {"thinkingLevel": _level(wanted.upper(), model, quirks)}
        if wanted != "none":
            thinking["includeThoughts"] = True
        return Reasoning(request.max_tokens, thinking)
    return _budgeted(wanted, request.max_tokens, model, quirks)


def is_leveled(model: str, quirks: GeminiGenerateQuirks) -> bool:
    """Whether a model is told a level of thinking; such want signatures on calls, and look at pictures as told, too."""
    return re.match(quirks.leveled_models, bare_name(model)) is not None


def bare_name(model: str) -> str:
    """A model's name without the folder that it lies in."""
    return model.rpartition("/")[2]


def _level(wanted: str, model: str, quirks: GeminiGenerateQuirks) -> str:
    """The level of those that the model knows that is `wanted`, or the next one below it, else the least."""
    known = next(levels for pattern, levels in quirks.levels if re.match(pattern, model))
    below = [level for level in known if _ORDER.index(level) <= _ORDER.index(wanted)]
    return below[-1] if below else known[0]


def _budgeted(wanted: str | int, limit: int | None, model: str, quirks: GeminiGenerateQuirks) -> Reasoning:
    none, most = next((none, most) for pattern, none, most in quirks.budgets if re.match(pattern, model))
    if wanted == "none":
        return Reasoning(limit, {"thinkingBudget": none})
    budget = min(_BUDGETS[wanted], most) if isinstance(wanted, str) else wanted
    total = None if limit is None else min(limit + budget, max(limit, quirks.max_output))
    return Reasoning(total, {"thinkingBudget": budget, "includeThoughts": True})
