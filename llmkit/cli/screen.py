"""How an answer is shown while it arrives: live in a terminal where rich is installed, else as plain text."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.output import Answer, tell

if TYPE_CHECKING:
    from llmkit.display.terminal import Live
    from llmkit.response import Response
    from llmkit.stream import Stream

_REMARKS: Final[Mapping[str, str]] = {
    "length": "the answer was cut off: it reached its limit of tokens (see --max-tokens)",
    "tool_calls": "the model wants a tool to be called, which this command cannot do",
    "content_filter": "the answer was cut off by the provider's filter",
    "refusal": "the model refused to answer",
    "pause": "the model paused before the end of its answer",
    "error": "the model failed before the end of its answer",
}


class Screen:
    """Standard output, which shows one answer after the other."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def show(self, stream: "Stream[Any]") -> None:
        """Show the answer, to its end; what has come stays, however it ends.

        Raises:
            LLMKitError: What ended the stream.
        """
        if not sys.stdout.isatty() or find_spec("rich") is None:
            with stream, Answer() as answer:
                for text in stream.text_deltas():
                    answer.write(text)
            return
        from llmkit.display.terminal import Live  # noqa: PLC0415 - an extra

        with stream, Live() as live:
            self._live = live
            try:
                for event in stream:
                    live.feed(event)
            finally:
                self._live = None

    def paused(self) -> AbstractContextManager[object]:
        """The terminal is somebody else's meanwhile."""
        return nullcontext() if self._live is None else self._live.paused()


def remark(response: "Response[Any]") -> None:
    """Say when the answer is not what one would take it for."""
    reason = response.finish_reason
    if reason.reason != "stop":
        why = _REMARKS.get(reason.reason, f"the answer ended for an unusual reason: {reason.raw}")
        tell(f"{why}: {response.refusal}" if response.refusal else why)
