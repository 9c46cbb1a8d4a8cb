"""Tables on standard output: rich's in a terminal, where it is installed; columns of plain text elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Final

from llmkit.cli.output import plain

_GAP: Final = "  "


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show `rows`, whose cells steer no terminal, below `head`."""
    if sys.stdout.isatty() and find_spec("rich") is not None:
        _show_rich(head, rows)
        return
    for line in _aligned([head, *rows]):
        print(plain(line) if sys.stdout.isatty() else line)


def _show_rich(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # no markup: cells come from elsewhere
    Console(highlight=False).print(table)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
