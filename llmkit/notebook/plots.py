"""What a run has cost, as a picture: tokens by model, US dollars row by row, how long answers took."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from llmkit.bulk.result import Result
from llmkit.bulk.summaries import Line, summary
from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

_SIZE = (12.0, 3.4)  # inches
_GREY = "0.35"
_NAME = 28  # characters of a model's name


def plot(results: Iterable[Result[Any]]) -> "Figure":
    """A picture of a run: tokens by model, the cost as it grew, and a histogram of seconds.

    Args:
        results: Of `Client.map`, of a batch, or read from a file. A generator is read to its end.

    Returns:
        A figure, which a notebook shows. It is none of pyplot's, so nothing need be closed.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    figure = _figure()
    rows = sorted(results, key=lambda result: result.index)
    found = summary(rows)
    tokens, cost, seconds = figure.subplots(1, 3)
    _tokens(tokens, found.lines)
    _cost(cost, [*_costs(rows)])
    _seconds(seconds, [row.seconds for row in rows if row.seconds is not None])
    failed = f", {found.failed:,} failed" if found.failed else ""
    figure.suptitle(f"{found.rows:,} rows{failed}", x=0.01, ha="left", fontsize="medium")
    return figure


def _figure() -> "Figure":
    try:
        from llmkit.notebook.pictures import Picture  # noqa: PLC0415 - with matplotlib, an extra
    except ImportError:
        raise ConfigurationError("plot needs matplotlib: pip install 'llmkit[notebook]'") from None
    return Picture(figsize=_SIZE, dpi=110, layout="constrained")


def _tokens(axes: "Axes", lines: Sequence[Line]) -> None:
    """A bar a model: what was read from the cache, what was read anew, what was written."""
    places = range(len(lines))  # names that are cut may be the same
    left = [0] * len(lines)
    for label, colour, counts in (
        ("read from the cache", "#bcd4ea", [line.usage.cache_read_tokens for line in lines]),
        ("read", "#4c86c6", [max(line.usage.input_tokens - line.usage.cache_read_tokens, 0) for line in lines]),
        ("written", "#e08a3c", [line.usage.output_tokens for line in lines]),
    ):
        if any(counts):
            axes.barh(places, counts, left=left, height=0.6, label=label, color=colour)
            left = [before + count for before, count in zip(left, counts, strict=True)]
    if not any(left):
        _nothing(axes, "no tokens told")
    else:
        axes.set_yticks(places, [_short(line.name) or "?" for line in lines], parse_math=False)
        axes.set_ylim(max(len(lines), 2) - 0.4, -1.1)  # the first on top, and room for the legend
        axes.xaxis.set_major_formatter(_thousands)
        axes.legend(fontsize="x-small", frameon=False, loc="upper right", ncols=3)
    _titled(axes, f"{sum(left):,} tokens", "")


def _cost(axes: "Axes", costs: Sequence[Decimal | None]) -> None:
    """US dollars, as they grew from row to row."""
    known = [cost for cost in costs if cost is not None]
    if not known:
        _nothing(axes, "no price known")
        _titled(axes, "cost", "")
        return
    grown = [float(each) for each in accumulate(cost or Decimal(0) for cost in costs)]
    axes.step(range(1, len(grown) + 1), grown, where="post", color="#3a8f5c")
    axes.fill_between(range(1, len(grown) + 1), grown, step="post", color="#3a8f5c", alpha=0.15)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(_ticks(integer=True))  # as there are no halves of rows
    least = "" if len(known) == len(costs) else "≥ "
    _titled(axes, f"{least}${sum(known):,.4f}", "rows")


def _seconds(axes: "Axes", seconds: Sequence[float]) -> None:
    """How long answers took, with the median, and what 95 of 100 took at most."""
    if not seconds:
        _nothing(axes, "no times known")
        _titled(axes, "seconds", "")
        return
    axes.hist(seconds, bins=min(30, max(5, len(seconds) // 4)), color="#8a6fb3")
    middle = median(seconds)
    late = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else middle
    axes.axvline(middle, color=_GREY, linewidth=1)
    axes.axvline(late, color=_GREY, linewidth=1, linestyle=":")
    axes.yaxis.set_major_locator(_ticks(integer=True))
    axes.xaxis.set_major_locator(_ticks(nbins=6))  # more would touch each other
    _titled(axes, f"median {_time(middle)}, 95 % within {_time(late)}", "seconds")


def _ticks(**options: Any) -> "Locator":
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - with matplotlib

    return MaxNLocator(**options)


def _costs(rows: Iterable[Result[Any]]) -> Iterator[Decimal | None]:
    """What each row cost; of one that failed with nothing told nothing, as `summary` has it."""
    for row in rows:
        (line,) = summary([row]).lines
        yield line.cost


def _titled(axes: "Axes", title: str, below: str) -> None:
    axes.set_title(title, fontsize="medium", loc="left")
    axes.set_xlabel(below, fontsize="small")
    axes.tick_params(labelsize="small")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _nothing(axes: "Axes", why: str) -> None:
    axes.text(0.5, 0.5, why, ha="center", va="center", color=_GREY, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])


def _short(name: str) -> str:
    """Cut in the middle: those of one's own models differ at their ends."""
    half = _NAME // 2
    return name if len(name) <= _NAME else f"{name[: half - 1]}…{name[-half:]}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _thousands(count: float, _: object = None) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:g}{unit}"
    return f"{count:g}"
