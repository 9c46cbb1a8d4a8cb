"""Files of rows, read one row at a time, and what each of them asks.

Bytes in, `Record`s out. A wrong row is told by its file, its line and its column.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

from attrs import frozen

from llmkit import json_codec
from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.request import Request

STANDARD_INPUT: Final = "-"
_LONGEST: Final = 2**26  # characters of a cell; more is a quotation mark that nobody closed
_NAMES: Final = ("prompt", "text")  # of the column that is asked, where no template says it


@frozen
class Record:
    """One row.

    Attributes:
        line: Where it begins, counted from 1.
        columns: What it has; a line that is text alone has it as ``text``.
    """

    line: int
    columns: Mapping[str, Any]

    @property
    def id(self) -> str | None:
        """Its own name, if it has one."""
        found = self.columns.get("id")
        return None if found in (None, "") else text_of(found)


Lines: TypeAlias = Iterator[tuple[int, str]]


class WrongRowError(ConfigurationError):
    """What is wrong with the row at `line`."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


# ---- rows ------------------------------------------------------------------------------------------------------------


def _texts(lines: Lines) -> Iterator[Record]:
    for number, line in lines:
        if line.strip():
            yield Record(number, {"text": line.rstrip("\r\n")})


def _objects(lines: Lines) -> Iterator[Record]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json_codec.loads(line.strip(), "it")
        except InvalidResponseError as error:
            # Whose lines are those of the row, of which there is one.
            raise WrongRowError(number, str(error).replace("line 1 column", "column")) from None
        if isinstance(value, str):
            value = {"text": value}
        if not isinstance(value, dict):
            raise WrongRowError(number, "a row is an object or a text")
        yield Record(number, value)


def _table(lines: Lines) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST)
    table = csv.reader((line for _, line in lines), strict=True)
    names: list[str] = []
    while True:
        number = table.line_num + 1
        try:
            cells = next(table, None)
        except csv.Error as error:
            raise WrongRowError(number, str(error)) from None
        if cells is None:
            return
        if not cells:  # a blank line
            continue
        if not names:
            names = cells
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise WrongRowError(number, f"there are two columns {twice!r}")
        elif len(cells) > len(names):
            raise WrongRowError(number, f"it has {len(cells)} cells, and there are {len(names)} columns")
        else:
            yield Record(number, dict(zip(names, cells, strict=False)))


def _guessed(lines: Lines) -> Iterator[Record]:
    """Standard input has no name that would tell."""
    first = next(lines, None)
    if first is None:
        return iter(())
    return (_objects if first[1].startswith("{") else _texts)(chain((first,), lines))


_READERS: Final[Mapping[str, Callable[[Lines], Iterator[Record]]]] = {
    "jsonl": _objects,
    "csv": _table,
    "txt": _texts,
}
FORMATS: Final = tuple(_READERS)


def source(place: str, form: str | None = None) -> "Source":
    """The file at `place`, or standard input.

    Args:
        place: Its path, or ``-``.
        form: One of `FORMATS`; None: as its name ends, or standard input begins.

    Raises:
        ConfigurationError: Nothing tells its format.
    """
    if place == STANDARD_INPUT and form is None:
        return Source(place, _guessed)
    reader = _READERS.get(form or Path(place).suffix.lower().lstrip("."))
    if reader is None:
        raise ConfigurationError(f"{place}: its name does not end in .jsonl, .csv or .txt: pass --format")
    return Source(place, reader)


@frozen
class Source:
    """A file of rows, or standard input.

    Attributes:
        place: Its path, or ``-``.
        reader: Makes rows of its lines.
    """

    place: str
    reader: Callable[[Lines], Iterator[Record]]

    @property
    def name(self) -> str:
        """What people know it by."""
        return "standard input" if self._standard else self.place

    @property
    def lasting(self) -> bool:
        """Whether it can be read more than once."""
        return not self._standard and Path(self.place).is_file()

    def records(self) -> Iterator[Record]:
        """Its rows, read as they are asked for.

        Raises:
            ConfigurationError: It cannot be read, or a row of it is none.
        """
        try:
            with self._opened() as file:
                yield from self.reader(_decoded(file))
        except OSError as error:
            raise ConfigurationError(f"{self.name}: {error.strerror or error}") from error
        except WrongRowError as error:
            raise self.wrong(error.line, str(error)) from None

    def wrong(self, line: int, why: str) -> ConfigurationError:
        """The error for what stands in a line."""
        return ConfigurationError(f"{self.name}, line {line}: {why}")

    @property
    def _standard(self) -> bool:
        return self.place == STANDARD_INPUT

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        if not self._standard:
            return Path(self.place).open("rb")
        if sys.stdin is None or sys.stdin.closed:
            raise ConfigurationError("standard input is closed")
        return nullcontext(sys.stdin.buffer)


def _decoded(file: BinaryIO) -> Lines:
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8" if number > 1 else "utf-8-sig")
        except UnicodeDecodeError:
            raise WrongRowError(number, "it is not UTF-8") from None
        yield number, text


# ---- what they ask ---------------------------------------------------------------------------------------------------


_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


class Template:
    """Text with ``{column}``s to be filled in; ``{{`` and ``}}`` are braces.

    Raises:
        ConfigurationError: It names no column, or has a brace that stands alone.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        named = 0
        for found in _BRACES.finditer(text):
            named += found[1] is not None
            if found[0] in ("{", "}"):
                raise ConfigurationError(
                    f"template: {text[found.start() :]!r:.40} begins with a brace that stands alone; "
                    f"write {found[0] * 2} for one that is meant"
                )
        if not named:
            raise ConfigurationError("template: it names no {column}: all rows would ask the same")

    def __call__(self, columns: Mapping[str, Any]) -> str:
        """The prompt of a row.

        Raises:
            ConfigurationError: The row has no such column.
        """
        return _BRACES.sub(lambda found: text_of(_cell(columns, found[1])) if found[1] else found[0][0], self._text)


def only_column(columns: Mapping[str, Any]) -> str:
    """The prompt of a row, where no template says it: its `prompt`, its `text`, or its only column.

    Raises:
        ConfigurationError: There is none, or it is no text.
    """
    others = [name for name in columns if name != "id"]
    name = next((name for name in _NAMES if name in columns), others[0] if len(others) == 1 else None)
    if name is None:
        raise ConfigurationError(f"no column is named 'prompt' or 'text' (it has {_listed(columns)}): pass a template")
    found = _cell(columns, name)
    if not isinstance(found, str):
        raise ConfigurationError(f"column {name!r} is no text: pass a template")
    return found


def _cell(columns: Mapping[str, Any], name: str) -> Any:
    if name not in columns:
        raise ConfigurationError(f"there is no column {name!r}; it has {_listed(columns)}")
    if columns[name] is None:
        raise ConfigurationError(f"column {name!r} is null")
    return columns[name]


def _listed(columns: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, columns)) or "none"


def text_of(value: Any) -> str:
    """A cell as text: that itself, of anything else its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Prompts:
    """What the rows of a source ask, in their order; each row is kept until it is taken back.

    Args:
        source: Where they stand.
        prompt: What a row asks.
        even: Whether no row may have a column that the first has not.
    """

    def __init__(self, source: Source, prompt: Callable[[Mapping[str, Any]], str], *, even: bool) -> None:
        self._source = source
        self._prompt = prompt
        self._even = even
        self._read: dict[int, Record] = {}

    def __iter__(self) -> Iterator[Request]:
        """The requests.

        Raises:
            ConfigurationError: A row cannot be asked; it is told by its line.
        """
        for index, (record, prompt) in enumerate(self._asked()):
            self._read[index] = record
            yield Request(prompt, id=record.id)

    def count(self) -> int:
        """How many there are, each looked at.

        Raises:
            ConfigurationError: As for `__iter__`.
        """
        return sum(1 for _ in self._asked())

    def take(self, index: int) -> Record:
        """The row that was the so-many-th, counted from 0; once."""
        return self._read.pop(index)

    def _asked(self) -> Iterator[tuple[Record, str]]:
        first: Record | None = None
        for record in self._source.records():
            first = first or record
            try:
                if self._even and (more := record.columns.keys() - first.columns.keys()):
                    raise ConfigurationError(
                        f"column {min(more)!r} is not in the first row, which names those of a CSV: write JSON Lines"
                    )
                prompt = self._prompt(record.columns)
            except ConfigurationError as error:
                raise self._source.wrong(record.line, str(error)) from None
            yield record, prompt


class Counted(Prompts):
    """Those of a source that can be read twice: all of them were looked at before the first is asked."""

    def __init__(self, source: Source, prompt: Callable[[Mapping[str, Any]], str], *, even: bool) -> None:
        super().__init__(source, prompt, even=even)
        self._total = self.count()

    def __len__(self) -> int:
        return self._total
