"""Files of results: each row as lines of text, written as soon as it is known."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from llmkit.bulk.result import Result
from llmkit.bulk.stored import to_text
from llmkit.cli.sources import Record, text_of

_TOLD: Final = ("model", "provider", "finish_reason", "input_tokens", "output_tokens", "cost")  # by an answer
_OWN: Final = ("text", "error")  # columns of a table, beside those of its source


class File:
    """A file of text; a context manager. Until something is written, all is as it was.

    Raises:
        OSError: It cannot be written: told when it is opened, not when the first answer has been paid for.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._made = not self._path.exists()
        self._file = open(path, "a", encoding="utf-8", errors="replace", newline="")  # noqa: SIM115, PTH123 - until `__exit__`
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._made and not self._begun:
            self._path.unlink()

    def write(self, text: str) -> None:
        """Write more of it at once. The first time, also with "", all else goes."""
        if not self._begun and self._path.is_file():  # pipes and devices have names, too
            self._file.truncate(0)
        self._begun = True
        self._file.write(text)
        self._file.flush()


class JsonLines:
    """An object per row: its place, the columns that it had, and what came of it."""

    def __call__(self, result: Result[Any], record: Record) -> str:
        """The line of a row."""
        answer, error = result.response, result.error
        found: dict[str, Any] = {
            "index": result.index,
            "id": result.id,
            "row": dict(record.columns),
            "text": None,
            "error": None if error is None else {"class": type(error).__name__, "message": str(error)},
            **dict.fromkeys(_TOLD),
        }
        if answer is not None:
            usage, cost = answer.usage, answer.cost
            counts = (usage.input_tokens, usage.output_tokens, None if cost is None else str(cost))
            told = (answer.model, answer.provider, answer.finish_reason.reason, *counts)
            found |= {"text": answer.text, **dict(zip(_TOLD, told, strict=True))}
        return f"{to_text(found)}\n"


class Table:
    """CSV: the columns that the rows had, and two more, ``text`` and ``error``."""

    def __init__(self) -> None:
        self._columns: Sequence[str] | None = None

    def __call__(self, result: Result[Any], record: Record) -> str:
        """The line of a row; before the first one that of the names."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        if self._columns is None:
            self._columns = tuple(record.columns)
            table.writerow([*self._columns, *(_free(name, self._columns) for name in _OWN)])
        cells = [record.columns.get(name) for name in self._columns]
        answer = None if result.response is None else result.response.text
        error = None if result.error is None else f"{type(result.error).__name__}: {result.error}"
        table.writerow(["" if cell is None else text_of(cell) for cell in (*cells, answer, error)])
        return text.getvalue()


def print_utf8() -> None:
    """Have standard output written in UTF-8, which JSON is in, whatever the terminal's is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def _free(name: str, taken: Sequence[str]) -> str:
    """`name`, or where a column has it ``answer_`` and it."""
    while name in taken:
        name = f"answer_{name}"
    return name
