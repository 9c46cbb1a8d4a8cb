"""Events of a stream in, lines of a terminal out: those that stay as they are, and those at the end that may change."""

from collections.abc import Iterable
from typing import Final, Literal

from attrs import frozen
from rich.console import Console
from rich.spinner import Spinner

from llmkit.display.calls import medium, source, written
from llmkit.display.controls import shown
from llmkit.display.rendering import LONGEST, Line, Lines, blocks, cut, is_table, markdown, plain, rendered, words
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import Citation, Refusal, Text, ToolCall, ToolResult

_RESULT_LINES: Final = 4
_RESULT_LETTERS: Final = 4000  # which fill more lines than that
_HINTED: Final = 1000  # letters of thoughts, at least as many as a line has
_THOUGHT: Final = "dim italic"
_BELOW: Final = 1  # lines of the window that stay free
_MORE: Final = "…"


@frozen
class Picture:
    """What there is to show.

    Attributes:
        done: Lines to be written once, above all that may change.
        tail: Lines that the next picture replaces.
    """

    done: Lines
    tail: Lines


class Transcript:
    """What was said, as far as it was not shown yet.

    Args:
        console: Lays out the lines, as wide and as high as it is at the time.
        thinking: Whether thoughts stay, or are only hinted at while they come.
    """

    def __init__(self, console: Console, *, thinking: bool) -> None:
        self._console = console
        self._thinking = thinking
        self._kind: Literal["text", "thought"] = "text"
        self._pieces: list[str] = []  # of the text that is not finished
        self._shown: list[str] = []  # its first lines, where it is higher than the window
        self._done: list[Line] = []
        self._begun = False  # something stands above
        self._tools = False  # namely a call, or the result of one
        self._close = False  # what comes next stands right below that
        self._status: str | None = "waiting"
        self._spinner = Spinner("dots", style="cyan")
        self._citations: dict[tuple[str | None, str | None], Citation] = {}

    @property
    def moving(self) -> bool:
        """Whether the picture changes by itself, to show that something is waited for."""
        return self._status is not None

    def feed(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case TextDelta(text=text):
                self._say("text", text)
            case ThinkingDelta(text=text):
                self._say("thought", text)
            case ToolCallDelta(name=name):
                self._end()
                self._status = f"calling {name}"
            case ToolCall():
                self._add_of_tools(plain(self._console, f"⚙ {written(event)}", "cyan"))
            case ToolResult():
                self._add_of_tools(_result(self._console, event))
            case Refusal(text=text):
                self._add(markdown(self._console, text), None)
            case Image() | Audio() | Video() | Document():
                self._add(plain(self._console, medium(event), "magenta"), None)
            case Text(citations=citations):
                self._citations |= {(one.url, one.title): one for one in citations}
            case _:  # the end, and what only the provider can read
                pass

    def flush(self) -> None:
        """What was growing is whole, and nothing is waited for."""
        self._end()
        self._status = None

    def close(self) -> None:
        """No more comes."""
        self.flush()
        sources = [f"[{number}] {source(one)}" for number, one in enumerate(self._citations.values(), 1)]
        if sources:
            self._add(plain(self._console, "\n".join(sources), "dim"), None)
            self._citations.clear()

    def picture(self) -> Picture:
        """What there is to show now; its finished lines are forgotten."""
        text = self._settled() if self._kept else "".join(self._pieces)
        tail = [*self._grown(text), *self._hint(text)]
        done, self._done = self._done, []
        return Picture(done, tail[-max(self._console.height - _BELOW, 1) :])

    def _say(self, kind: Literal["text", "thought"], text: str) -> None:
        if kind != self._kind:
            self._end()
            self._kind = kind
        self._pieces.append(shown(text))
        self._status = None if kind == "text" else "thinking"

    def _end(self) -> None:
        """What was growing is whole."""
        if self._kept and (text := self._settled()).strip():
            self._write(self._laid_out(text))
        self._pieces = []

    def _settled(self) -> str:
        """Write the blocks that are finished.

        Returns:
            The rest.
        """
        *finished, rest = blocks("".join(self._pieces))
        for block in finished:
            self._write(self._laid_out(block))
        while len(rest) > LONGEST:
            first, rest = cut(rest, LONGEST // 2)
            self._write_beginning(self._laid_out(first))
        self._pieces = [rest]
        return rest

    @property
    def _kept(self) -> bool:
        """Whether what is growing stays, once it is whole."""
        return self._kind == "text" or self._thinking

    def _laid_out(self, text: str) -> Lines:
        return markdown(self._console, text, "none" if self._kind == "text" else _THOUGHT)

    def _grown(self, text: str) -> Iterable[Line]:
        """The lines of what is growing; those that the window has no room for are finished, unless they may change."""
        if not text.strip() or not self._kept:
            return []
        lines = self._unseen(self._laid_out(text))
        above = len(lines) - (self._console.height - _BELOW - 1)
        if above > 0 and not is_table(text):
            self._separate()
            self._done += lines[:above]
            self._shown += map(words, lines[:above])
            self._begun, self._tools = True, False
            return lines[above:]
        return [[], *lines] if self._begun and not self._shown and not self._close else lines

    def _unseen(self, lines: Lines) -> Lines:
        """Those that were not written yet; where lines have come out otherwise now: better twice than never."""
        same = [words(line) == shown_ for line, shown_ in zip(lines, self._shown, strict=False)]
        begins = same.index(False) if False in same else len(same)
        del self._shown[begins:]
        return lines[begins:]

    def _write(self, lines: Lines) -> None:
        lines = self._unseen(lines)
        self._separate()
        self._done += lines
        self._shown = []
        self._begun, self._tools = True, False

    def _write_beginning(self, lines: Lines) -> None:
        """Of a block whose rest stands right below it, and may have been seen already, too."""
        begins = len(lines)
        seen = self._shown[begins:] if [*map(words, lines)] == self._shown[:begins] else []
        self._write(lines)
        self._shown, self._close = seen, True

    def _separate(self) -> None:
        if self._begun and not self._shown and not self._close:
            self._done.append([])
        self._close = False

    def _add(self, lines: Lines, status: str | None) -> None:
        self._end()
        self._write(lines)
        self._status = status

    def _add_of_tools(self, lines: Lines) -> None:
        """Calls and results stand close together."""
        self._end()
        self._close = self._tools
        self._add(lines, "waiting")
        self._tools = True

    def _hint(self, text: str) -> Lines:
        """What is waited for."""
        if self._status is None:
            return []
        said = f" {self._status}{_MORE}"
        if not self._kept and text.strip():
            said += f" {' '.join(text[-_HINTED:].split())[-self._console.width // 2 :]}"
        frame = rendered(self._console, self._spinner.render(self._console.get_time()))
        words_ = plain(self._console, said[: max(self._console.width - 2, 1)], "dim")
        return [[*frame[0], *words_[0]]] if frame and words_ else []


def _result(console: Console, result: ToolResult) -> Lines:
    """The first lines of what a tool returned."""
    said = [part.text if isinstance(part, Text) else _told(part) for part in result.content]
    first, *more = "\n".join(said).strip()[:_RESULT_LETTERS].split("\n")[: _RESULT_LINES + 1]
    kept = [f"  ↳ {first}", *(f"    {line}" for line in more)]
    lines = plain(console, "\n".join(kept), "red" if result.is_error else "dim")
    return (
        lines if len(lines) <= _RESULT_LINES else [*lines[: _RESULT_LINES - 1], *plain(console, f"    {_MORE}", "dim")]
    )


def _told(part: object) -> str:
    return medium(part) if isinstance(part, (Image, Audio, Video, Document)) else type(part).__name__
