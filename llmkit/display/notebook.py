"""A stream in a notebook: one output for every block of the answer, written again in place as it grows.

Nothing runs in the page: outputs are Markdown and HTML without scripts, so they look the same wherever notebooks are
shown, and stay in the file.
"""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias

from llmkit.display import markdown
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.growing import Growing
from llmkit.messages import Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Response, Usage

if TYPE_CHECKING:
    from llmkit.response import T_co
    from llmkit.stream import Stream

Bundle: TypeAlias = Mapping[str, Any]
"""One thing in several media types, of which a frontend shows the one that it likes best."""

_EVERY: Final = 0.1  # seconds between two writings of the same output


class Output(Protocol):
    """A place in the notebook."""

    def write(self, bundle: Bundle) -> None:
        """Show this there, and no longer what was."""
        ...


class _Place:
    """An output of the cell that runs."""

    def __init__(self) -> None:
        from IPython.display import DisplayHandle  # noqa: PLC0415 - only where there is a notebook

        self._handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        self._written = False

    def write(self, bundle: Bundle) -> None:
        put = self._handle.update if self._written else self._handle.display
        put(bundle, raw=True)
        self._written = True


def show(stream: "Stream[T_co]") -> "Response[T_co]":
    """Show a stream below the cell that runs.

    Raises:
        LLMKitError: As `Stream.collect`; what has come stays shown.
    """
    with Shown() as shown, stream:
        for event in stream:
            shown.feed(event)
        return stream.collect()


class Shown:
    """What a cell shows of a stream."""

    def __init__(self, place: Callable[[], Output] = _Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._clock = clock
        self._words: _Block | None = None
        self._thoughts: _Block | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for block in (self._thoughts, self._words):
            if block is not None:
                block.write()

    def feed(self, event: Event) -> None:
        """Show what came."""
        match event:
            case TextDelta(text=text):
                if self._words is None:
                    self._words = _Block(self._place(), self._clock, _words)
                self._words.add(text)
            case ThinkingDelta(text=text):
                if self._thoughts is None:
                    self._thoughts = _Block(self._place(), self._clock, _thoughts)
                self._thoughts.add(text)
            case ToolCallDelta() | FinishReason() | Usage():
                pass
            case Text():
                if self._words is not None:
                    self._words.write()
                self._words = None
            case Thinking():
                if self._thoughts is not None:
                    self._thoughts.write()
                self._thoughts = None
            case ToolCall() | ToolResult() | _:
                self._place().write(of_markdown(markdown.of_part(event)))


class _Block:
    """Words that grow."""

    def __init__(self, output: Output, clock: Callable[[], float], bundle: Callable[[str], Bundle]) -> None:
        self._output = output
        self._clock = clock
        self._bundle = bundle
        self._text = Growing()
        self._due = 0.0

    def add(self, text: str) -> None:
        self._text.add(text)
        if self._clock() >= self._due:
            self.write()

    def write(self) -> None:
        self._output.write(self._bundle(str(self._text)))
        self._due = self._clock() + _EVERY


def _words(text: str) -> Bundle:
    return of_markdown(markdown.neutral(text))


def _thoughts(text: str) -> Bundle:
    return of_markdown(markdown.of_part(Thinking(text)))


def of_markdown(text: str) -> Bundle:
    """A bundle of Markdown."""
    return {"text/markdown": text, "text/plain": text}
