"""The table of what was measured: for a terminal, and in Markdown for docs/performance.md."""

from statistics import median, quantiles
from typing import NamedTuple

from benchmarks.cases import Case
from benchmarks.contenders import VENDORS
from benchmarks.measuring import Samples

_SCALE = {"µs": 1e6, "ms": 1e3}
HEADER = ("", "wire", "llmkit", "floor", "ratio (quartiles)", "bound", "vendor", "kept")


class Row(NamedTuple):
    """One row: its cells, and whether what was asked for is so."""

    cells: tuple[str, ...]
    kept: bool | None


def rows(case: Case, samples: Samples) -> list[Row]:
    """The rows of a case: of llmkit, and of llmkit with its extra where that was measured."""
    if case.group == "memory":
        return [_memory(case, samples["llmkit"][0])]
    return [_row(case, samples, name) for name in ("llmkit", "llmkit[fast]") if name in samples]


def _row(case: Case, samples: Samples, name: str) -> Row:
    vendor = VENDORS.get(case.wire)
    own, floor = ([sample["cpu"] for sample in samples[who]] for who in (name, "floor"))
    # Of those that were measured next to each other: between rounds the machine may get faster or slower.
    ratio = median(_pairs(own, floor))
    most = case.bound.most
    if most is not None and most > 1 and name == "llmkit[fast]":  # of one event per chunk
        most = 0.9
    vendors = {
        who: median(_pairs([sample["cpu"] for sample in found], own)) for who, found in samples.items() if who in _SDKS
    }
    kept = None if most is None else ratio <= most
    if case.bound.vendor is not None and vendor in vendors and vendors[vendor] < case.bound.vendor:
        kept = False
    shown = " ".join(f"{who} ×{times:.1f}" for who, times in vendors.items())
    if case.group == "threads":
        shown += f"; {samples[name][-1]['connections']:.0f} new connections"
    cells = (
        case.name if name == "llmkit" else f"{case.name} (orjson)",
        case.wire,
        _value(own, case.unit),
        _value(floor, case.unit),
        f"×{ratio:.2f} ({_spread(own, floor)})",
        "" if most is None else f"≤ ×{most:.2f}",
        shown,
    )
    return Row(cells, kept)


_SDKS = frozenset(VENDORS.values())


def _memory(case: Case, sample: dict[str, float]) -> Row:
    held, peak, text = (f"{sample[key]:.1f} {case.unit}" for key in ("held", "peak", "text"))
    cells = (case.name, case.wire, f"text + {held}", text, f"at the peak + {peak}", "≤ text + 2 MiB", "")
    return Row(cells, sample["held"] <= 2)  # noqa: PLR2004


def _value(seconds: list[float], unit: str) -> str:
    return f"{median(seconds) * _SCALE[unit]:.1f} {unit}"


def _spread(own: list[float], floor: list[float]) -> str:
    """The quartiles of the ratio of those that were measured next to each other."""
    pairs = _pairs(own, floor)
    low, _, high = quantiles(pairs, n=4, method="inclusive") if len(pairs) > 1 else pairs * 3
    return f"{low:.2f}–{high:.2f}"


def _pairs(own: list[float], other: list[float]) -> list[float]:
    """The ratios of each round in which both were measured."""
    return [one / beside for one, beside in zip(own, other, strict=False)]


_KEPT = {True: "yes", False: "NO", None: ""}


def plain(found: list[Row]) -> str:
    """For a terminal."""
    lines = [HEADER, *((*row.cells, _KEPT[row.kept]) for row in found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def markdown(found: list[Row]) -> str:
    """For a page."""
    lines = [HEADER, ("---",) * len(HEADER), *((*row.cells, _KEPT[row.kept]) for row in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
