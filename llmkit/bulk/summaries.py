"""What came of many prompts, in one table: rows, failures, tokens and US dollars of each model."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from html import escape
from typing import Any, Final

from attrs import evolve, field, frozen

from llmkit.bulk.result import Result
from llmkit.errors import OutputError
from llmkit.response import Usage

_HEADS: Final = ("model", "rows", "failed", "input", "cached", "output", "reasoning", "US$")
_CENTS: Final = Decimal("0.0001")


@frozen
class Line:
    """What came of the rows that one model answered.

    Attributes:
        provider: The name of its row.
        model: As the provider names it; of rows that failed, as it was asked for.
        rows: How many there are.
        failed: How many of them failed.
        usage: What they were billed, also those that failed, as far as they were told.
        known_cost: US dollars of those whose cost is known.
        unpriced: How many were answered at a cost that is not known.
    """

    provider: str
    model: str
    rows: int = 0
    failed: int = 0
    usage: Usage = field(factory=Usage)
    known_cost: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def cost(self) -> Decimal | None:
        """US dollars of all rows; None where those of one are not known."""
        return None if self.unpriced else self.known_cost

    @property
    def name(self) -> str:
        """``provider:model``, as `Client` takes it."""
        return ":".join(filter(None, (self.provider, self.model)))

    def __add__(self, other: "Line") -> "Line":
        """The sum of both, by the name of the first."""
        return evolve(
            self,
            rows=self.rows + other.rows,
            failed=self.failed + other.failed,
            usage=self.usage + other.usage,
            known_cost=self.known_cost + other.known_cost,
            unpriced=self.unpriced + other.unpriced,
        )

    def cells(self) -> tuple[str, ...]:
        """As a table shows it."""
        usage = self.usage
        counts = (self.rows, self.failed, usage.input_tokens, usage.cache_read_tokens, usage.output_tokens)
        return (self.name, *(f"{count:,}" for count in (*counts, usage.reasoning_tokens)), self._dollars())

    def _dollars(self) -> str:
        if self.unpriced and not self.known_cost:
            return "?"
        return f"{'≥ ' if self.unpriced else ''}{self.known_cost.quantize(_CENTS):,f}"


@frozen
class Summary:
    """What came of many prompts. `str` of it is a table; a notebook shows one.

    Attributes:
        lines: One a model, in the order in which they first answered.
    """

    lines: tuple[Line, ...]

    @property
    def total(self) -> Line:
        """The sum of all."""
        return sum(self.lines, Line("", "total"))

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.total.rows

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.total.failed

    @property
    def usage(self) -> Usage:
        """What all were billed."""
        return self.total.usage

    @property
    def cost(self) -> Decimal | None:
        """US dollars of all rows; None where those of one are not known."""
        return self.total.cost

    def __str__(self) -> str:
        table = [_HEADS, *self._table()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join("  ".join(_aligned(row, widths)).rstrip() for row in table)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in _HEADS)
        body = "".join(f"<tr>{_html(row)}</tr>" for row in self._table())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _table(self) -> list[tuple[str, ...]]:
        lines = self.lines if len(self.lines) == 1 else (*self.lines, self.total)
        return [line.cells() for line in lines]


def summary(results: Iterable[Result[Any]]) -> Summary:
    """What came of many prompts, by model.

    Args:
        results: Of `Client.map`, of a batch, or read from a file; each is read once, and none is kept. A generator is
            read to its end.
    """
    found: dict[tuple[str, str], Line] = {}
    for result in results:
        line = _line(result)
        key = (line.provider, line.model)
        found[key] = found[key] + line if key in found else line
    return Summary(tuple(found.values()))


def _line(result: Result[Any]) -> Line:
    error, answer = result.error, result.response
    if error is not None:
        # An answer that was paid for in vain: one that does not fit, or was cut off.
        answer = error.response if isinstance(error, OutputError) else error.partial
    failed = int(error is not None)
    if answer is None:
        return Line(getattr(error, "provider", None) or "", getattr(error, "model", None) or "", 1, failed)
    line = Line(answer.provider, answer.model, 1, failed, answer.usage)
    if failed and answer.usage == Usage():
        return line  # it was cut off before anything was told
    cost = answer.cost
    return evolve(line, known_cost=cost or Decimal(0), unpriced=int(cost is None))


def _aligned(row: Iterable[str], widths: Iterable[int]) -> Iterator[str]:
    """Names to the left, numbers to the right."""
    for index, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if index else cell.ljust(width)


def _html(row: Iterable[str]) -> str:
    return "".join(
        f'<td style="text-align: {"right" if index else "left"}">{escape(cell)}</td>' for index, cell in enumerate(row)
    )
