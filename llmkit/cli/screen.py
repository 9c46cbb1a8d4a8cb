"""How an answer is shown while it arrives: live in a terminal where rich is installed, else as plain text."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from llmkit.cli.output import Answer, tell

if TYPE_CHECKING:
    from llmkit.display.terminal import Live
    from llmkit.events import Event
    from llmkit.messages import Part
    from llmkit.response import Response
    from llmkit.stream import Stream

    Events = TypeVar("Events", bound=Iterable[Event])

_REMARKS: Final[Mapping[str, str]] = {
    "length": "the answer was cut off: it reached its limit of tokens (see --max-tokens)",
    "tool_calls": "the model wants a tool to be called, which this command cannot do",
    "content_filter": "the answer was cut off by the provider's filter",
    "refusal": "the model refused to answer",
    "pause": "the model paused before the end of its answer",
    "error": "the model failed before the end of its answer",
}


class Screen:
    """Standard output, which shows one answer after the other.

    Args:
        plain: Whether text is shown as it was written, also where Markdown can be shown.
        thinking: Whether thoughts stay, or are only hinted at while they come; elsewhere than live they are not shown.
    """

    def __init__(self, *, plain: bool = False, thinking: bool = True) -> None:
        self._lively = not plain and _lively()
        self._out = sys.stdout
        self._thinking = thinking
        self._live: Live | None = None

    def ask(self, begin: "Callable[[], Stream[Any]]") -> "Stream[Any]":
        """Ask, and show the answer, to its end; what has come stays, however it ends. That one waits is shown, too.

        Raises:
            LLMKitError: As `Client.stream`, or what ended the stream.
        """
        return self._show(begin)

    def show_whole(self, response: "Response[Any]") -> None:
        """Show an answer that has come at once."""
        self._show(lambda: nullcontext([*map(_event, response.message.content)]))

    def _show(self, begin: "Callable[[], AbstractContextManager[Events]]") -> "Events":
        if not self._lively:
            with Answer(self._out) as answer, begin() as events:
                for event in events:
                    _write(event, answer)
                return events
        from llmkit.display.terminal import Live  # noqa: PLC0415 - an extra

        with Live(thinking=self._thinking) as live:
            self._live = live
            try:
                with begin() as events:
                    for event in events:
                        live.feed(event)
                    return events
            finally:
                self._live = None

    def paused(self) -> AbstractContextManager[object]:
        """The terminal is somebody else's meanwhile."""
        return nullcontext() if self._live is None else self._live.paused()


def _lively() -> bool:
    """Whether standard output is a terminal that can be drawn on, and there is what draws."""
    named = os.environ.get("TERM", "")
    return sys.stdout.isatty() and named not in ("dumb", "unknown") and find_spec("rich") is not None


def _event(part: "Part") -> "Event":
    """The event by which a part is shown."""
    from llmkit.events import TextDelta, ThinkingDelta  # noqa: PLC0415 - with all of llmkit, which --help needs not
    from llmkit.messages import Text, Thinking  # noqa: PLC0415

    if isinstance(part, Text):
        return TextDelta(part.text)
    return ThinkingDelta(part.text) if isinstance(part, Thinking) else part


def _write(event: "Event", answer: Answer) -> None:
    """Show an event as text; what is asked of a tool is told beside it."""
    from llmkit.display.calls import written  # noqa: PLC0415 - as above
    from llmkit.events import TextDelta  # noqa: PLC0415
    from llmkit.messages import ToolCall  # noqa: PLC0415

    if isinstance(event, TextDelta):
        answer.write(event.text)
    elif isinstance(event, ToolCall):
        if answer.seen:
            answer.end()
        tell(f"the model calls {written(event)}")


def remark(response: "Response[Any]") -> None:
    """Say when the answer is not what one would take it for."""
    reason = response.finish_reason
    if reason.reason != "stop":
        why = _REMARKS.get(reason.reason, f"the answer ended for an unusual reason: {reason.raw}")
        tell(f"{why}: {response.refusal}" if response.refusal else why)
