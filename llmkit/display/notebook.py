"""A stream in a notebook: an output for every block of the answer, written again in place as it grows.

Nothing runs in the page: outputs are Markdown and HTML without scripts, so they look the same wherever notebooks are
shown, and stay in the file.
"""

import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from IPython import get_ipython
from IPython.display import DisplayHandle

from llmkit.display import bundles, cards, markdown
from llmkit.display.bundles import Bundle
from llmkit.display.controls import cut
from llmkit.errors import OutputError
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.growing import Growing
from llmkit.messages import Text, Thinking, ToolCall, ToolResult
from llmkit.response import FinishReason, Response, Usage

if TYPE_CHECKING:
    from llmkit.response import T_co
    from llmkit.stream import Stream

_EVERY: Final = 0.1  # seconds between two writings of the same output, at least
_RATE: Final = 200_000  # characters a second; notebook servers hold back outputs of more than a million
_THOUGHT: Final = 300  # characters of a thought that are shown while it comes
_WAITING: Final = "*…*"


class Output(Protocol):
    """A place in the notebook."""

    def write(self, bundle: Bundle) -> None:
        """Show this there, and no longer what was."""
        ...


class _Place:
    """An output of the cell that runs."""

    def __init__(self) -> None:
        self._handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        self._written = False

    def write(self, bundle: Bundle) -> None:
        put = self._handle.update if self._written else self._handle.display
        put(bundle, raw=True)
        self._written = True


def show(stream: "Stream[T_co]") -> "Response[T_co]":
    """Show a stream below the cell that runs; where the cell ends with it, the answer is not shown a second time.

    Raises:
        LLMKitError: As `Stream.collect`; what has come stays shown.
    """
    with stream, Shown() as shown:
        for event in stream:
            shown.feed(event)
        shown.finish(stream.snapshot)
        response = stream.collect()
    _remember(response)
    return response


class Shown:
    """What a cell shows of a stream.

    Args:
        place: Opens an output below the others.
        clock: Tells the time, in seconds.
    """

    def __init__(self, place: Callable[[], Output] = _Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._new = place
        self._clock = clock
        self._free: Output | None = None  # it says that the answer is waited for
        self._sources = markdown.Sources()
        self._words: _Words | None = None
        self._thought: _Thought | None = None
        self._coming: dict[int, _Card] = {}
        self._called: list[_Card] = []  # whole, without a result
        self._begun = self._finished = False

    def __enter__(self) -> Self:
        self._free = self._new()
        self._free.write(bundles.of_markdown(_WAITING, "…"))
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """All that has come is shown; and why it is not all, where it is not."""
        if self._finished:
            return
        for block in (self._thought, self._words, *self._coming.values()):
            if block is not None:
                block.shown.write()
        if error is not None and not isinstance(error, OutputError):
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"not whole: {type(error).__name__}"
            self._place().write(bundles.of_html(cards.note(why), why))

    def feed(self, event: Event) -> None:
        """Show what came."""
        self._begun = True
        match event:
            case TextDelta(text=text):
                self._speaking().shown.add(text)
            case Text():
                self._speaking().end(event)
            case ThinkingDelta(text=text):
                self._thinking().shown.add(text)
            case Thinking():
                if event.text:
                    self._thinking().end(event)
                self._thought = None
            case ToolCallDelta():
                self._calling(event).shown.add(event.arguments)
            case ToolCall():
                self._call(event)
            case ToolResult():
                self._result(event)
            case FinishReason() | Usage():
                pass
            case _:
                self._apart()
                self._place().write(bundles.of_part(event))

    def finish(self, response: Response[Any]) -> None:
        """The answer is whole."""
        if not self._begun:  # it was read before
            for part in response.message.content:
                self.feed(part)
        self._finished = True
        if self._words is not None:
            self._words.shown.catch_up()
        for card in self._called:
            card.leave()
        plain = cards.summed_up(response)
        self._place().write(bundles.of_html(cards.footer(response), plain))

    def _place(self) -> Output:
        place, self._free = self._free, None
        return self._new() if place is None else place

    def _speaking(self) -> "_Words":
        if self._words is None:
            self._words = _Words(self._place(), self._clock, self._sources)
        return self._words

    def _thinking(self) -> "_Thought":
        if self._thought is None:
            self._apart()
            self._thought = _Thought(self._place(), self._clock)
        return self._thought

    def _calling(self, delta: ToolCallDelta) -> "_Card":
        card = self._coming.get(delta.index)
        if card is None:
            self._apart()
            card = self._coming[delta.index] = _Card(self._place(), self._clock, delta.id, delta.name)
        return card

    def _call(self, call: ToolCall) -> None:
        index = next((index for index, card in self._coming.items() if card.id == call.id), None)
        if index is None:
            self._apart()
            card = _Card(self._place(), self._clock, call.id, call.name)
        else:
            card = self._coming.pop(index)
        card.end(call)
        self._called.append(card)

    def _result(self, result: ToolResult) -> None:
        card = next((card for card in self._called if card.id == result.call_id), None)
        if card is None:
            self._place().write(bundles.of_part(result))
        else:
            self._called.remove(card)
            card.answer(result)

    def _apart(self) -> None:
        """What is said next stands below what comes between."""
        if self._words is None:
            return
        if self._words.whole:
            self._words.shown.catch_up()
            self._words = None
        else:
            self._words.shown.pause()


class _Growing:
    """What comes of a block, shown again and again.

    Args:
        output: Where.
        clock: Tells the time, in seconds.
        bundle: What the block looks like now.
    """

    def __init__(self, output: Output, clock: Callable[[], float], bundle: Callable[[], Bundle]) -> None:
        self.coming = Growing()
        self._output = output
        self._clock = clock
        self._bundle = bundle
        self._due = self._due_early = 0.0
        self._behind = False

    def add(self, piece: str) -> None:
        """It goes on; shown unless it was a moment ago."""
        self.coming.add(piece)
        self._behind = True
        if self._clock() >= self._due:
            self.write()

    def change(self) -> None:
        """A piece of it is whole, and looks different now."""
        self._behind = True
        self.pause()

    def pause(self) -> None:
        """More may take a while: what has come is shown, unless that was so a moment ago, as of thousands of pieces."""
        if self._behind and self._clock() >= self._due_early:
            self.write()
            self._due_early = self._due

    def catch_up(self) -> None:
        """Show what is not shown yet."""
        if self._behind:
            self.write()

    def write(self) -> None:
        """Show all of it."""
        bundle = self._bundle()
        self._output.write(bundle)
        self._behind = False
        self._due = self._clock() + max(_EVERY, sum(map(len, bundle.values())) / _RATE)


class _Words:
    """Texts that follow each other."""

    def __init__(self, output: Output, clock: Callable[[], float], sources: markdown.Sources) -> None:
        self.shown = _Growing(output, clock, self._bundle)
        self._sources = sources
        self._texts: list[Text] = []

    @property
    def whole(self) -> bool:
        """Whether no text is under way."""
        return not self.shown.coming

    def end(self, text: Text) -> None:
        """What came is this."""
        self._texts.append(text)
        self.shown.coming = Growing()
        self.shown.change()

    def _bundle(self) -> Bundle:
        coming = str(self.shown.coming)
        said = "".join([*(text.text for text in self._texts), coming])
        return bundles.of_markdown(self._sources.cited(self._texts, coming), said)


class _Thought:
    """Thinking: its last words while it comes, all of it folded when it is whole."""

    def __init__(self, output: Output, clock: Callable[[], float]) -> None:
        self.shown = _Growing(output, clock, self._bundle)
        self._whole: Thinking | None = None

    def end(self, thinking: Thinking) -> None:
        """What came is this."""
        self._whole = thinking
        self.shown.write()

    def _bundle(self) -> Bundle:
        if self._whole is not None:
            return bundles.of_markdown(markdown.of_part(self._whole), self._whole.text)
        text = str(self.shown.coming)
        latest = text if len(text) <= _THOUGHT else f"…{text[-_THOUGHT:]}"
        return bundles.of_markdown(f"*{markdown.escaped(latest)}*", text)


class _Card:
    """A tool call, and what the tool returned."""

    def __init__(self, output: Output, clock: Callable[[], float], id_: str, name: str) -> None:
        self.id = id_
        self.shown = _Growing(output, clock, self._bundle)
        self._name = name
        self._call: ToolCall | None = None
        self._returned: ToolResult | None = None
        self._state = "…"

    def end(self, call: ToolCall) -> None:
        """What came is this."""
        self._call = call
        self.shown.write()

    def answer(self, result: ToolResult) -> None:
        """The tool has returned."""
        self._returned = result
        self.shown.write()

    def leave(self) -> None:
        """Nothing is returned here: the caller answers the call."""
        self._state = "waits for its result"
        self.shown.write()

    def _bundle(self) -> Bundle:
        if self._call is not None:
            return bundles.of_call(self._call, self._returned, self._state)
        arguments = cut(str(self.shown.coming), markdown.READ)
        plain = f"{cut(self._name, markdown.TITLE)}({arguments}"
        return bundles.of_html(cards.called(self._name, arguments, state=self._state), plain)


_latest: "list[tuple[object, weakref.ref[Response[Any]]]]" = []  # the answer that was shown last, and by which cell


def _remember(response: Response[Any]) -> None:
    _latest[:] = [(getattr(get_ipython(), "execution_count", None), weakref.ref(response))]


def just_shown(response: Response[Any]) -> bool:
    """Whether the cell that ends with this answer has shown it while it came; told once."""
    shell = get_ipython()
    if not _latest or shell is None or getattr(shell.displayhook, "msg", None) is None:
        return False  # it is asked for by `IPython.display.display`
    cell, shown = _latest.pop()
    return cell == shell.execution_count and shown() is response
