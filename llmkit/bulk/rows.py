"""The rows of a checkpoint's file, for who has no run: one at a time, as tables, as lines of JSON."""

import csv
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from llmkit.bulk.database import opened
from llmkit.bulk.result import Result
from llmkit.bulk.stored import error_of, from_text, response_of, to_text

_PLACES: Final = "SELECT row, at, id FROM place ORDER BY at, run DESC, row"
_ROW: Final = "SELECT prompt, answer, error FROM row WHERE id = ? AND (answer IS NOT NULL OR error IS NOT NULL)"
_COLUMNS: Final = (
    "index", "id", "prompt", "text", "error", "model", "provider", "finish_reason", "input_tokens", "output_tokens",
    "cost",
)  # fmt: skip


def read(path: "str | os.PathLike[str]") -> "Rows":
    """The rows that `Client.map` put into a file, as its `checkpoint`.

    Raises:
        ConfigurationError: There is no such file, or it is of another kind or a later version.
    """
    rows = Rows(os.fspath(path))
    opened(rows.path, new=False).close()
    return rows


class Rows:
    """The rows of a file that were answered or failed, in the order of the latest run; read anew by each loop.

    Rows of former runs come too, where they stood, until a run has come to the end of its prompts. While a run writes,
    a loop sees what was there when it began.

    Attributes:
        path: Where the file is.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Result[Any]]:
        """One `Result` per row: of its prompt the text of the last message, of its answer all but the output.

        Raises:
            ConfigurationError: As for `read`.
            OSError: The file is damaged.
        """
        with closing(opened(self.path, new=False)) as db:
            try:
                yield from _results(db)
            except sqlite3.Error as error:
                failed = str(error)
            else:
                return
        raise OSError(f"{self.path}: {failed}")

    def to_jsonl(self, path: "str | os.PathLike[str]") -> None:
        """Write one JSON object per line: what it was, the text or the error, model, tokens, cost.

        Raises:
            OSError: The file cannot be written.
        """
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{to_text(_flat(result))}\n" for result in self)

    def to_csv(self, path: "str | os.PathLike[str]") -> None:
        """Write a table in UTF-8, its first line the names of its columns.

        Raises:
            OSError: The file cannot be written.
        """
        with Path(path).open("w", encoding="utf-8", errors="replace", newline="") as file:
            table = csv.DictWriter(file, _COLUMNS)
            table.writeheader()
            table.writerows(map(_flat, self))

    def __repr__(self) -> str:
        return f"Rows({self.path!r})"


def _results(db: sqlite3.Connection) -> Iterator[Result[Any]]:
    db.execute("BEGIN")  # so that all is read as it is at the first
    for row, index, id_ in db.execute(_PLACES):
        found = db.execute(_ROW, (row,)).fetchone()
        if found is not None:
            yield _result(index, id_, *found)


def _result(index: int, id_: str | None, prompt: str, answer: str | None, error: str | None) -> Result[Any]:
    if answer is not None:
        return Result(index, id_, prompt, response_of(from_text(answer)))
    return Result(index, id_, prompt, error=error_of(from_text(error or "")))


def _flat(result: Result[Any]) -> dict[str, Any]:
    """A row as a table has it."""
    found: dict[str, Any] = dict.fromkeys(_COLUMNS)
    found |= {"index": result.index, "id": result.id, "prompt": result.prompt}
    if result.error is not None:
        found["error"] = f"{type(result.error).__name__}: {result.error}"
    response = result.response
    if response is not None:
        found |= {
            "text": response.text,
            "model": response.model,
            "provider": response.provider,
            "finish_reason": response.finish_reason.reason,
            "input_tokens": response.usage.input_tokens,
            "output_tokens": response.usage.output_tokens,
            "cost": None if response.cost is None else str(response.cost),
        }
    return found
