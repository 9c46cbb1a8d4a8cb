"""Markdown as lines of a terminal, by rich, and where in a growing text what is before will not change any more."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, ListElement, Markdown, TableElement
from rich.segment import Segment
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from llmkit.display.controls import CONTROLS, shown

Line: TypeAlias = list[Segment]
Lines: TypeAlias = Sequence[Line]

_OPTIONS: Final = {"html": False}  # a tag is shown: without this rich takes it away, also from `List<int>`
_PARSER: Final = MarkdownIt("commonmark", _OPTIONS).enable(["strikethrough", "table"])
_OUTLINE: Final = MarkdownIt("commonmark", _OPTIONS).enable("table").disable("inline")
_DIGITS: Final = 2
_NARROWEST: Final = 10  # columns for text between its indents
_CELL: Final = 3  # columns of the screen that one of a table takes, at least
_INDENTS: Final = {"blockquote_open": 4, "list_item_open": 4}
LONGEST: Final = 10_000
"""Characters of a block: it is laid out anew while it grows, and what only looks like Markdown takes its square."""
_END: Final = re.compile(r"\S[ \t]*\n")  # of a line; empty ones stay with what is below them
_HEAD: Final = 2  # lines of a table
_DEEPEST: Final = 18  # levels; what is a few levels deeper is left out by the parser


class _Left(Heading):
    """A heading where lines begin, as in all that people write to each other in a terminal."""

    LEVEL_ALIGN = dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "left")


class _Steady(ListElement):
    """A list whose items stay where they are when the tenth is added."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.list_type == "bullet_list_open":
            yield from super().__rich_console__(console, options)
            return
        first = 1 if self.list_start is None else self.list_start
        widest = max(first + len(self.items), 10**_DIGITS - 1)
        for number, item in enumerate(self.items, first):
            yield from item.render_number(console, options, number, widest)


class _Code(CodeBlock):
    """Code without empty lines around it, as there are some between blocks."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=(0, 1))


class _Table(TableElement):
    """A table whose words go on in the next line where they are longer than there is room, and are not cut."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for found in super().__rich_console__(console, options):
            if isinstance(found, Table):
                for column in found.columns:
                    column.overflow = "fold"
            yield found


class _Markdown(Markdown):
    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _Left,
        "ordered_list_open": _Steady,
        "fence": _Code,
        "table_open": _Table,
        "code_block": _Code,
    }

    def __init__(self, text: str, style: str) -> None:
        # The address of a link is shown, as nothing else tells where it leads.
        super().__init__("", style=style, hyperlinks=False)
        self.markup = text
        self.parsed = _OUTLINE.parse(text)

    def fits(self, columns: int) -> bool:
        """Whether so many columns have room for it, it is understood in time, and nothing was left out."""
        indent = widest = cells = 0
        for token in self.parsed:
            if token.nesting == 1:
                indent += _INDENTS.get(token.type, 0)
            elif token.nesting == -1:
                indent -= _INDENTS.get(token.type.replace("_close", "_open"), 0)
            if token.type == "tr_open":
                cells = 0
            cells += token.type in ("th_open", "td_open")
            widest = max(widest, indent, indent + cells * _CELL - _NARROWEST)
        deep = any(token.level >= _DEEPEST for token in self.parsed)
        long = any(token.type == "inline" and len(token.content) > LONGEST for token in self.parsed)
        return widest + _NARROWEST <= columns and not deep and not long

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.parsed = _PARSER.parse(self.markup)
        yield from super().__rich_console__(console, options)


class Block:
    """Lines that are there already, for rich to write."""

    def __init__(self, lines: Lines = ()) -> None:
        self.lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for line in self.lines:
            yield from line
            yield Segment.line()


def markdown(console: Console, text: str, style: str = "none") -> Lines:
    """The lines that show Markdown; where it cannot be shown as such, those of its text."""
    clean = shown(text)
    try:
        found = _Markdown(clean, style)
        if found.fits(console.width):
            return _without_edges(rendered(console, found))
    except Exception:  # noqa: BLE001, S110 - whatever a text may do to those who lay it out, it is shown
        pass
    return _without_edges(plain(console, clean, style))


def plain(console: Console, text: str, style: str = "none") -> Lines:
    """The lines that show a text as it is."""
    return rendered(console, Text(shown(text), style=style, overflow="fold"))


def rendered(console: Console, renderable: RenderableType) -> Lines:
    """The lines of anything, without the blanks at their ends that nobody sees."""
    lines = console.render_lines(renderable, console.options.update(height=None), pad=False)
    return [_trimmed([_harmless(segment) for segment in line]) for line in lines]


def blocks(text: str) -> list[str]:
    """A growing text, cut before each block of its outermost level: all but the last will not change any more."""
    whole = text.rfind("\n") + 1  # a line that goes on may turn out as anything
    starts = [token.map[0] for token in _OUTLINE.parse(text[:whole]) if token.level == 0 and token.map is not None]
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    cuts = sorted({0, *starts[1:]})
    return ["".join(lines[start:end]) for start, end in zip(cuts, [*cuts[1:], None], strict=True)]


def cut(block: str, size: int) -> tuple[str, str]:
    """A long block as two that show what it would, the first of `size` characters at most.

    A list is cut between its items. The second part of code or of a table begins as all of it does.
    """
    beginning = block[:size]
    ends = [found.end() for found in _END.finditer(beginning, size // 2)]
    at = ends[-1] if ends else size
    head = ""
    match _OUTLINE.parse(beginning):
        case [Token(type="fence", map=[first, _]), *_]:
            head = _lines(beginning, first, first + 1)
        case [Token(type="table_open", map=[first, _]), *_]:
            head = _lines(beginning, first, first + _HEAD)
        case [Token(type="bullet_list_open" | "ordered_list_open"), *tokens]:
            items = [token.map[0] for token in tokens if token.level == 1 and token.nesting == 1 and token.map]
            at = len(_lines(beginning, 0, items[-1])) or at
    if len(head) > size // 4:  # it would be all that there is
        head = ""
    return block[:at], head + block[at:]


def _lines(text: str, first: int, end: int) -> str:
    return "".join(f"{line}\n" for line in text.split("\n")[first:end])


def is_table(text: str) -> bool:
    """Whether a block is one whose first lines change with its last ones."""
    return any(token.type == "table_open" for token in _OUTLINE.parse(text))


def words(line: Line) -> str:
    """What stands in a line."""
    return "".join(segment.text for segment in line)


def _without_edges(lines: Lines) -> Lines:
    """The lines of a block, without the empty ones around it."""
    full = [number for number, line in enumerate(lines) if line]
    return lines[full[0] : full[-1] + 1] if full else []


def _harmless(segment: Segment) -> Segment:
    """The same, also where an entity of Markdown stood for something that a terminal obeys."""
    return Segment(segment.text.translate(CONTROLS), segment.style)


def _trimmed(line: Line) -> Line:
    while line and not line[-1].text.strip(" ") and (line[-1].style is None or line[-1].style.bgcolor is None):
        line.pop()
    if line and (line[-1].style is None or line[-1].style.bgcolor is None):
        line[-1] = Segment(line[-1].text.rstrip(" "), line[-1].style)
    return line
