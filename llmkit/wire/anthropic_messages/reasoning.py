"""The option `reasoning` and the limit on tokens, which hang together on this wire.

Source: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
"""

from typing import Final

from attrs import frozen

from llmkit.request import ResolvedRequest
from llmkit.wire.anthropic_messages import schema
from llmkit.wire.base import Refuse, need
from llmkit.wire.quirks import AnthropicMessagesQuirks, ModelFacts

DEFAULT_MAX_TOKENS: Final = 4096
LEAST_BUDGET: Final = 1024
_BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 57344}
_ROOM: Final = 4096  # tokens left for the answer where a level would leave none


LONGEST_SILENCE: Final = 21_333
"""Tokens above which a whole answer takes over ten minutes, at the provider's reckoning of 128,000 tokens an hour."""


@frozen
class Reasoning:
    """What `reasoning` and `max_tokens` come to in the body."""

    max_tokens: int
    thinking: schema.Thinking | None = None
    effort: str | None = None


def reasoning(request: ResolvedRequest, facts: ModelFacts, refuse: Refuse) -> Reasoning:
    """The three fields that `reasoning` and `max_tokens` decide.

    Raises:
        ConfigurationError: A budget is below what the provider takes, or leaves no room for an answer.
    """
    limit = request.max_tokens or facts.max_output or DEFAULT_MAX_TOKENS
    wanted = request.reasoning
    if wanted is None:
        return Reasoning(limit)
    if facts.reasoning is None:
        if wanted != "none":
            refuse("reasoning", f"{request.model} does not reason")
        return Reasoning(limit)
    if wanted == "none":
        return Reasoning(limit, {"type": "disabled"})
    if isinstance(wanted, str) and facts.reasoning == "adaptive":
        return Reasoning(limit, {"type": "adaptive"}, _effort(wanted, facts.efforts))
    return _budgeted(wanted, limit, facts.max_output)


def long_answer(request: ResolvedRequest, quirks: AnthropicMessagesQuirks) -> bool:
    """Whether the answer may be so long that gateways cut it off unless it is streamed."""
    sent = request.extra_body.get("max_tokens")
    if not isinstance(sent, int):
        sent = reasoning(request, quirks.facts(request.model), lambda _path, _why: None).max_tokens
    return sent > LONGEST_SILENCE


def _effort(level: str, known: tuple[str, ...]) -> str:
    """The effort of `known` that is `level`, or the next one below it, else the least."""
    order = list(_BUDGETS)
    below = [effort for effort in known if order.index(effort) <= order.index(level)]
    return below[-1] if below else known[0]


def _budgeted(wanted: str | int, limit: int, most: int | None) -> Reasoning:
    if isinstance(wanted, str):
        budget = _BUDGETS[wanted]
        if most is not None:
            budget = max(LEAST_BUDGET, min(budget, most - _ROOM))
    else:
        budget = wanted
        need(budget >= LEAST_BUDGET, "reasoning", f"expected a budget of at least {LEAST_BUDGET} tokens, got {budget}")
        need(
            most is None or budget < most,
            "reasoning",
            f"a budget of {budget} leaves no room: the model writes {most} at most",
        )
    total = limit + budget if most is None else min(limit + budget, most)
    return Reasoning(total, {"type": "enabled", "budget_tokens": budget})
