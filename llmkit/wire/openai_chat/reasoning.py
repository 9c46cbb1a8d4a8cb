"""The option `reasoning` in the words of the hosts, of which each form has its own.

Source: https://platform.openai.com/docs/guides/reasoning
"""

from typing import Any, Final, assert_never

from llmkit.request import ResolvedRequest
from llmkit.wire.base import Refuse
from llmkit.wire.quirks import OpenAIChatQuirks

_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def reasoning(request: ResolvedRequest, quirks: OpenAIChatQuirks, refuse: Refuse) -> dict[str, Any]:
    """The fields of the body that `reasoning` comes to."""
    wanted = request.reasoning
    if wanted is None:
        return {}
    if isinstance(wanted, int):
        return _budget(wanted, quirks, refuse)
    effort, is_on = _effort(wanted, quirks.efforts), wanted != "none"
    told = {"reasoning_effort": effort} if effort else {}
    match quirks.reasoning:
        case "effort":
            if effort is None:
                refuse("reasoning", f"this host has no word for {wanted!r}")
            return told
        case "object":
            return {"reasoning": {"effort": effort} if is_on and effort else {"enabled": is_on}}
        case "thinking":
            return {"thinking": {"type": "enabled"}, **told} if is_on else {"thinking": {"type": "disabled"}}
        case "enable_thinking":
            return {"enable_thinking": is_on}
        case _:
            assert_never(quirks.reasoning)


def budget_of(request: ResolvedRequest, quirks: OpenAIChatQuirks) -> int:
    """The tokens for thoughts, which hosts that take a budget count as part of the answer."""
    has_budgets = quirks.reasoning in ("object", "enable_thinking")
    return request.reasoning if has_budgets and isinstance(request.reasoning, int) else 0


def _budget(tokens: int, quirks: OpenAIChatQuirks, refuse: Refuse) -> dict[str, Any]:
    if quirks.reasoning == "object":
        return {"reasoning": {"max_tokens": tokens}}
    if quirks.reasoning == "enable_thinking":
        return {"enable_thinking": True, "thinking_budget": tokens}
    refuse("reasoning", "this host takes a level and no budget of tokens")
    return {}


def _effort(level: str, known: tuple[str, ...]) -> str | None:
    """The effort of `known` that is `level`, or the next one below it, else the least; None where it has none.

    ``none`` stands only for itself: a host that cannot be told to stop reasoning must not be told to reason.
    """
    words = [word for word in known if word != "none"]
    if level == "none":
        return level if level in known else None
    below = [word for word in words if word in _LEVELS and _LEVELS.index(word) <= _LEVELS.index(level)]
    return below[-1] if below else next(iter(words), None)
