"""Tables on standard output: rich's in a terminal, where it is installed; columns of plain text elsewhere."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Final

from llmkit.cli.output import plain

_GAP: Final = "  "
_FOLDED: Final = 12  # columns that words need, at least


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show `rows`, whose cells steer no terminal, below `head`."""
    if not sys.stdout.isatty():
        _print(_aligned([head, *rows]))
        return
    shown = [[plain(cell) for cell in row] for row in rows]
    if find_spec("rich") is None or not _laid_out(head, shown):
        _print(_aligned([head, *shown]))


def _laid_out(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Show them with words that fold; not, where the window is too narrow for what is one word, as names are copied."""
    from rich.cells import cell_len  # noqa: PLC0415 - an extra
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    needed = 0
    for name, column in zip(head, zip(*rows, strict=True), strict=True):
        folds = any(" " in cell for cell in column)
        widest = max(map(cell_len, (name, *column)))
        needed += len(_GAP) + (min(widest, _FOLDED) if folds else widest)
        table.add_column(name, overflow="fold", no_wrap=not folds)
    if needed > console.width + len(_GAP):
        return False
    for row in rows:
        table.add_row(*map(Text, row))  # no markup: cells come from elsewhere
    console.print(table)
    return True


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
