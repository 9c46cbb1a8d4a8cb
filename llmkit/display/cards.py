"""Tool calls, footers and notes as HTML without scripts, for pages light or dark. Pure."""

import html
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from llmkit.display import players
from llmkit.display.controls import cut, shown
from llmkit.display.markdown import READ, TITLE, arguments_of
from llmkit.messages import Text, ToolCall, ToolResult
from llmkit.response import Response, Usage

_CARD: Final = "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:.35em .75em;margin:.25em 0"
_CODE: Final = "margin:.35em 0;font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere;background:none"
_SMALL: Final = "font-size:85%;opacity:.7"
_LINES: Final = 20  # of a card that is not folded
_CENT: Final = Decimal("0.01")

REMARKS: Final[Mapping[str, str]] = {
    "length": "cut off at the limit of tokens",
    "content_filter": "cut off by the provider's filter",
    "refusal": "the model refused",
    "pause": "the model paused before the end",
    "error": "the model failed before the end",
    "tool_calls": "the model waits for the results of tools",
    "unfinished": "not whole",
}
"""Why an answer ended that is not simply done."""


def called(name: str, arguments: str, result: ToolResult | None = None, state: str = "") -> str:
    """A tool call.

    Args:
        name: The tool's.
        arguments: JSON, whole or not.
        result: What it returned, if it has.
        state: How it stands, where it has not.
    """
    if result is not None:
        state = "✗ failed" if result.is_error else "✓"
    told = "" if result is None else _result(result)
    lines = arguments.count("\n") + (result.text.count("\n") if result is not None else 0)
    summary = f"⚙ <b>{_line(cut(name, TITLE))}</b> <span style='{_SMALL}'>{_line(state)}</span>"
    body = f"<pre style='{_CODE}'>{_cut(arguments)}</pre>{told}"
    return f"<details{' open' if lines <= _LINES else ''} style='{_CARD}'><summary>{summary}</summary>{body}</details>"


def of_call(call: ToolCall, result: ToolResult | None = None, state: str = "") -> str:
    """A tool call that is whole."""
    return called(call.name, arguments_of(call), result, state)


def of_result(result: ToolResult) -> str:
    """A result whose call is not shown."""
    state = "✗ failed" if result.is_error else "✓"
    summary = f"↳ <b>{_line(cut(result.name or 'result', TITLE))}</b> <span style='{_SMALL}'>{state}</span>"
    return f"<details open style='{_CARD}'><summary>{summary}</summary>{_result(result)}</details>"


def footer(response: Response[Any]) -> str:
    """Who answered, what it took, and what it cost; in one line."""
    return f"<div style='{_SMALL}'>{_line(summed_up(response))}</div>"


def note(text: str) -> str:
    """Something about the answer that is none of its words."""
    return f"<div style='{_CARD};border-color:#c33'>{_line(text)}</div>"


def summed_up(response: Response[Any]) -> str:
    """Likewise, as plain text."""
    rounds = f"{len(response.rounds)} model calls" if len(response.rounds) > 1 else ""
    cost = "" if response.cost is None else dollars(response.cost)
    remark = REMARKS.get(response.finish_reason.reason, "")
    return " · ".join(filter(None, [response.model, rounds, _tokens(response.usage), cost, remark]))


def dollars(cost: Decimal) -> str:
    """For people: cents, and of less than ten of them two digits that are not 0."""
    if cost >= 10 * _CENT or not cost:
        return f"${cost:.2f}"
    return f"${cost:.{1 - cost.adjusted()}f}"


def _tokens(usage: Usage) -> str:
    if usage.raw is None and not usage.total_tokens:
        return ""
    cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
    thought = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out{thought}"


def _result(result: ToolResult) -> str:
    said = f"<pre style='{_CODE}'>{_cut(result.text)}</pre>" if result.text else ""
    others = (part for part in result.content if not isinstance(part, Text))
    media = "".join(f"<div>{players.of_medium(part)}</div>" for part in others if isinstance(part, players.MEDIA))
    return f"<div style='border-top:1px solid rgba(128,128,128,.35)'>{said}{media}</div>"


def _cut(text: str) -> str:
    return html.escape(shown(cut(text, READ)))


def _line(text: str) -> str:
    return html.escape(" ".join(shown(text).split()))
