"""A table of pandas' as a text that a model reads: Markdown, within bounds, with what was left out said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from llmkit.checks import integer, wrong

if TYPE_CHECKING:
    import pandas as pd

ROWS: Final = 50
WIDTH: Final = 200
_ROWS: Final = integer(1)
_WIDTH: Final = integer(2)


def table(frame: "pd.DataFrame | pd.Series[Any]", *, rows: int = ROWS, width: int = WIDTH) -> str:
    r"""A table for a prompt, as Markdown; the index is its first column, unless it only counts the rows.

    Args:
        frame: A DataFrame, or a Series, which is a table of one column.
        rows: How many are shown: the first. How many there are is said below them.
        width: Characters of a cell; what is longer ends in ``…``.

    Raises:
        ConfigurationError: An argument is wrong.

    Example:
        ``client.complete(f"What stands out here?\n\n{table(sales)}")``
    """
    frame = _frame(frame)
    _ROWS("rows", rows)
    _WIDTH("width", width)
    indexed = not _counts(frame.index)
    shown = frame.head(rows)
    heads = [*((_index_names(frame.index)) if indexed else ()), *frame.columns]
    lines = [_line(heads, width), f"|{' --- |' * len(heads)}"]
    lines += [_line(cells, width) for cells in _rows(shown, indexed=indexed)]
    left = len(frame) - len(shown)
    if left:
        lines += ["", f"({len(frame):,} rows; the first {len(shown):,} are shown)"]
    return "\n".join(lines)


def _frame(value: Any) -> Any:
    if callable(getattr(value, "to_frame", None)) and not hasattr(value, "columns"):
        return value.to_frame()
    if not hasattr(value, "columns") or not hasattr(value, "index"):
        raise wrong("frame", "a DataFrame or a Series of pandas", value)
    return value


def _counts(index: Any) -> bool:
    """Whether it is what a table has that was given none."""
    return type(index).__name__ == "RangeIndex" and index.name is None


def _index_names(index: Any) -> list[str]:
    return ["" if name is None else str(name) for name in index.names]


def _rows(frame: Any, *, indexed: bool) -> Iterator[list[Any]]:
    # By position, as names of columns may be there twice; a column at a time, as a row of mixed types would be
    # made one of objects, and integers floats.
    columns = [frame.iloc[:, place].tolist() for place in range(frame.shape[1])]
    if indexed:
        columns[:0] = [frame.index.get_level_values(level).tolist() for level in range(frame.index.nlevels)]
    yield from (list(cells) for cells in zip(*columns, strict=True))


def _line(cells: list[Any], width: int) -> str:
    return f"| {' | '.join(_cell(cell, width) for cell in cells)} |"


def _cell(value: Any, width: int) -> str:
    text = " ".join(written(value).split())
    text = text if len(text) <= width else f"{text[: width - 1]}…"
    return text.replace("|", "\\|")


def written(value: Any) -> str:
    """A cell in text; "" where it is missing."""
    if missing(value):
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value  # noqa: PLR0124 - which only NaN is
