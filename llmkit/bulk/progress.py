"""A bar that shows how far a run or a batch is: of tqdm (extra ``progress``), in terminals and in notebooks."""

import warnings
from collections.abc import Sized
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from llmkit.batch import Batch
from llmkit.bulk.result import Result
from llmkit.errors import ConfigurationError, OutputError

# Rows in a second also where that is less than one.
_WHOLE: Final = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
_ENDLESS: Final = "{n_fmt} rows [{elapsed}, {rate_noinv_fmt}{postfix}]"


class Bar:
    """Rows that are done, how fast and how long still; how many of them failed; tokens, and US dollars where known.

    Args:
        prompts: Whose length is the total, if they have one.

    Raises:
        ConfigurationError: tqdm is not installed.
    """

    def __init__(self, prompts: Any) -> None:
        total = len(prompts) if isinstance(prompts, Sized) else None
        self._bar = _bar(total, _ENDLESS if total is None else _WHOLE)
        self._failed = 0
        self._tokens = 0
        self._cost: Decimal | None = Decimal(0)

    def add(self, result: Result[Any]) -> None:
        """Another row is done."""
        answer, error = result.response, result.error
        if error is not None:
            self._failed += 1
            answer = error.response if isinstance(error, OutputError) else None  # which was paid for, too
        if answer is not None:
            usage, cost = answer.usage, answer.cost
            self._tokens += usage.input_tokens + usage.output_tokens
            self._cost = None if cost is None or self._cost is None else self._cost + cost
        with suppress(OSError, ValueError):  # nobody sees it any more: the run is worth more than its bar
            self._bar.set_postfix_str(self._told(), refresh=False)
            self._bar.update()

    def close(self) -> None:
        """Leave it as it is."""
        with suppress(OSError, ValueError):
            self._bar.close()

    def _told(self) -> str:
        failed = f"{self._failed:,} failed, " if self._failed else ""
        cost = f", ${self._cost:.4f}" if self._cost else ""
        return f"{failed}{_short(self._tokens)} tokens{cost}"


class BatchBar:
    """Requests of a batch that wait for no answer any more, and how many of them have none.

    Raises:
        ConfigurationError: tqdm is not installed.
    """

    def __init__(self) -> None:
        self._bar = _bar(None, _WHOLE)

    def show(self, batch: Batch) -> None:
        """It is so far now."""
        counts = batch.counts
        self._bar.total = counts.total or None
        self._bar.n = counts.total - counts.running
        failed = self._bar.n - counts.succeeded
        self._bar.set_postfix_str(f"{failed:,} failed, {batch.status}" if failed else batch.status)

    def close(self) -> None:
        """Leave it as it is."""
        self._bar.close()


def _short(count: int) -> str:
    """As in ``12.3k``: a terminal has few columns."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:.1f}{letter}"
    return str(count)


def _bar(total: int | None, layout: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a notebook without ipywidgets gets the bar of terminals
            from tqdm.autonotebook import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("progress: the bar is tqdm's: pip install 'llmkit[progress]'") from None
    return tqdm(total=total, bar_format=layout, unit=" rows", dynamic_ncols=True, smoothing=0.1)
