"""Rows of a table as prompts, and what came of prompts as a table: both of pandas'."""

from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Final, Unpack

import attrs

from llmkit.bulk.result import Result
from llmkit.checks import wrong
from llmkit.errors import ConfigurationError, OutputError
from llmkit.messages import Message, Text, UserMessage
from llmkit.notebook.filling import filled, is_frame, variables
from llmkit.notebook.tables import missing
from llmkit.output import paid_for
from llmkit.request import Options, Request
from llmkit.resolve import conversation
from llmkit.response import Response, Usage

if TYPE_CHECKING:
    import pandas as pd

_OUTPUT: Final = "output"
_AFTER: Final = ("error", "finish_reason", "provider", "model")
_COUNTS: Final = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
_MEASURED: Final = ("cost", "seconds")


def prompts(frame: "pd.DataFrame", template: str, **options: Unpack[Options]) -> list[Request]:
    """A prompt for each row of a table, for `Client.map`.

    Args:
        frame: The table.
        template: What is asked, with ``{columns}``, as `str.format` takes them; a column may hold media, too.
        **options: Of each of them, as `Options` names them.

    Returns:
        A `Request` a row, whose `id` is the row's label in the index.

    Raises:
        ConfigurationError: The template names a column that is not there or there twice, or that is empty in a row.

    Example:
        ::

            results = list(client.map(prompts(reviews, "Good or bad? {text}"), max_tokens=5))
            frame(results, reviews)
    """
    if not is_frame(frame) or not hasattr(frame, "columns"):
        raise wrong("frame", "a DataFrame of pandas", frame)
    asked = variables(template)
    if not asked:
        raise ConfigurationError("template: it names no {column}: all rows would ask the same")
    columns = {name: _column(frame, name) for name in asked if name in frame.columns}
    found = []
    for place, label in enumerate(frame.index.tolist()):
        row = {name: cells[place] for name, cells in columns.items()}
        empty = next((name for name, cell in row.items() if missing(cell)), None)
        if empty is not None:
            raise ConfigurationError(f"row {label!r}: column {empty!r} is empty; see DataFrame.dropna and fillna")
        found.append(Request(conversation_of(template, row), id=str(label), **options))
    return found


def _column(frame: "pd.DataFrame", name: str) -> list[Any]:
    found: Any = frame[name]
    if hasattr(found, "columns"):
        raise ConfigurationError(f"{{{name}}}: there are several columns under that name")
    return [*found.tolist()]


def conversation_of(template: str, names: Mapping[str, Any]) -> Any:
    """What `template` says as a prompt: text, or a message where there is more than that."""
    parts = filled(template, names)
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], Text) else UserMessage(parts)


def frame(results: Iterable[Result[Any]], asked: "pd.DataFrame | None" = None) -> "pd.DataFrame":
    """What came of prompts as a table, a row each, in the order in which they were asked.

    The columns are ``prompt`` and ``text``; with an `output_type` its fields, or ``output`` where it has none;
    ``error``, ``finish_reason``, ``provider``, ``model``; ``input_tokens``, ``cache_read_tokens``, ``output_tokens``,
    ``reasoning_tokens``; ``cost`` in US dollars and ``seconds``. What is not known is missing. A row that failed has
    an ``error``, and the tokens and the cost of what was paid for in vain.

    Args:
        results: Of `Client.map`, of a batch, or read from a file. A generator is read to its end.
        asked: The table of which they were asked by `prompts`. The columns come behind its own then, in its index and
            without ``prompt``; one whose name it has already is called ``answer_…``.

    Raises:
        ConfigurationError: pandas is not installed, or there are results of rows that `asked` has not, or several of
            one.
    """
    pandas = _pandas()
    if asked is not None and not isinstance(asked, pandas.DataFrame):
        raise wrong("asked", "a DataFrame of pandas", asked)
    found = sorted(results, key=lambda result: result.index)
    outputs = [None if result.response is None else _fields(result.response) for result in found]
    columns = _columns(dict.fromkeys(name for fields in outputs if fields for name in fields))
    rows = [_row(result, fields or {}, columns) for result, fields in zip(found, outputs, strict=True)]
    order = ["prompt", "text", *columns.values(), *_AFTER, *_COUNTS, *_MEASURED]
    index = pandas.Index([result.index for result in found], name="index")
    made = pandas.DataFrame({name: [row[name] for row in rows] for name in order}, index=index)
    for name in _MEASURED:
        made[name] = made[name].astype("float64")
    for name in _COUNTS:
        made[name] = made[name].astype("Int64")  # the one of pandas' that may be missing
    return made if asked is None else _beside(asked, made)


def _beside(asked: Any, made: Any) -> Any:
    if len(made) and made.index[-1] >= len(asked):
        raise ConfigurationError(f"asked: it has {len(asked)} rows, and there is a result of row {made.index[-1]}")
    if not made.index.is_unique:
        raise ConfigurationError(
            f"asked: there are several results of row {made.index[made.index.duplicated()][0]}: frame(results) has all"
        )
    made = made.drop(columns="prompt").reindex(range(len(asked)))
    made.index = asked.index
    taken = {str(name) for name in asked.columns}
    names: dict[str, str] = {}
    for name in made.columns:
        while (new := names.get(name, name)) in taken:
            names[name] = f"answer_{new}"
    return _pandas().concat([asked, made.rename(columns=names)], axis=1)


def _row(result: Result[Any], fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    error = result.error
    answer = result.response if error is None else paid_for(error) or error.partial
    usage = Usage() if answer is None else answer.usage
    told = usage.raw is not None or usage.total_tokens > 0
    cost = answer.cost if answer is not None and told else None
    return {
        "prompt": _said(result.prompt),
        "text": None if result.response is None else result.response.text,
        **{column: fields.get(name) for name, column in columns.items()},
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "finish_reason": None if answer is None else answer.finish_reason.reason,
        "provider": answer.provider if answer is not None else getattr(error, "provider", None),
        "model": answer.model if answer is not None else getattr(error, "model", None),
        **{name: getattr(usage, name) if told else None for name in _COUNTS},
        "cost": None if cost is None else float(cost),
        "seconds": result.seconds,
    }


def _fields(response: Response[Any]) -> Mapping[str, Any]:
    """The output by its fields; nothing where there is none: not asked for, or the model calls tools first."""
    try:
        output = response.output
    except OutputError:
        return {}
    return {} if output is None else _by_field(output)


def _by_field(output: Any) -> Mapping[str, Any]:
    if attrs.has(type(output)):
        return {each.name: getattr(output, each.name) for each in attrs.fields(type(output))}
    if is_dataclass(output):
        return {each.name: getattr(output, each.name) for each in dataclass_fields(output)}
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return dict(zip(output._fields, output, strict=True))
    if isinstance(output, Mapping) and all(isinstance(name, str) for name in output):
        return output
    return {_OUTPUT: output}


def _columns(names: Iterable[str]) -> dict[str, str]:
    """The columns of an output's fields: their names, unless those are of columns that every answer has."""
    own = {"prompt", "text", *_AFTER, *_COUNTS, *_MEASURED}
    columns = {name: name for name in names}
    for name in own.intersection(columns):
        while columns[name] in own or columns[name] in columns:
            columns[name] = f"{_OUTPUT}_{columns[name]}"
    return columns


def _said(prompt: Any) -> str | None:
    """The text of what was asked, of its last message; None where that is not known."""
    try:
        said: list[Message] = conversation(prompt.prompt if isinstance(prompt, Request) else prompt)
    except ConfigurationError:  # which is the row's error, too
        return None
    return said[-1].text if said else None


def _pandas() -> Any:
    try:
        import pandas  # noqa: PLC0415, ICN001 - an extra
    except ImportError:
        raise ConfigurationError("frame needs pandas: pip install 'llmkit[notebook]'") from None
    return pandas
