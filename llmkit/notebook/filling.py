"""A text with ``{variables}`` and what they stand for in, the parts of a prompt out.

What stands between braces is what `str.format` takes: a name, attributes and items of it, a conversion, a format. No
expression is evaluated, and no private attribute is read: by those a text from elsewhere would reach all that the
process knows, its keys among them, and it is sent away.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.media import Image
from llmkit.messages import PARTS, Part, Text
from llmkit.notebook.tables import table
from llmkit.response import Response

_FORMATTER: Final = Formatter()
_PRIVATE: Final = re.compile(r"\[[^\]]*\]|(\._[^.\[]*)")
_BRACES: Final = "write {{ and }} for braces that are meant as such"


def filled(template: str, names: Mapping[str, Any]) -> tuple[Part, ...]:
    """What `template` says, its variables replaced by what `names` has for them.

    Text is put in as it is, a table of pandas' by `table`, an answer by its text; media, figures and PIL images become
    parts where they stand; all else by `format`.

    Raises:
        ConfigurationError: A name is not there or private, or a brace stands alone.
    """
    found: list[Part] = []
    for piece in _pieces(template, names):
        if isinstance(piece, str) and found and isinstance(found[-1], Text):
            found[-1] = Text(found[-1].text + piece)
        elif piece:
            found.append(Text(piece) if isinstance(piece, str) else piece)
    return tuple(part for part in found if not isinstance(part, Text) or part.text.strip())


def variables(template: str) -> tuple[str, ...]:
    """The names that `template` asks for, each once.

    Raises:
        ConfigurationError: A brace stands alone, or a field has no name.
    """
    fields = (field for _, field, _, _ in _parsed(template) if field is not None)
    return tuple(dict.fromkeys(_name(field) for field in fields))


def _pieces(template: str, names: Mapping[str, Any]) -> Iterator[str | Part]:
    for text, field, spec, conversion in _parsed(template):
        yield text
        if field is not None:
            yield _written(field, _value(field, names), spec or "", conversion)


def _parsed(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return [*_FORMATTER.parse(template)]
    except ValueError as error:
        raise ConfigurationError(f"the text cannot be filled in: {error}; {_BRACES}") from None


def _name(field: str) -> str:
    name = field.partition(".")[0].partition("[")[0]
    if not name or name.isdigit():
        raise ConfigurationError(f"{{{field}}}: braces hold the name of a variable; {_BRACES}")
    return name


def _value(field: str, names: Mapping[str, Any]) -> Any:
    if (name := _name(field)) not in names:
        raise ConfigurationError(f"{{{field}}}: there is no {name!r}{_near(name, names)}; {_BRACES}")
    if any(private := _PRIVATE.findall(field)):
        raise ConfigurationError(f"{{{field}}}: {''.join(private)}: names that begin with _ are private")
    try:
        return _FORMATTER.get_field(field, (), names)[0]
    except Exception as error:  # attributes may be properties, and items anything
        raise ConfigurationError(f"{{{field}}}: {type(error).__name__}: {error}") from error


def _near(name: str, names: Mapping[str, Any]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed to fail

    found = get_close_matches(name, [each for each in names if isinstance(each, str) and not each.startswith("_")], n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _written(field: str, value: Any, spec: str, conversion: str | None) -> str | Part:
    try:
        if conversion:
            return format(_FORMATTER.convert_field(value, conversion), spec)
        if is_frame(value):
            return table(value, rows=int(spec)) if spec else table(value)
        if spec:
            return format(value, spec)
        return _plainly(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{{{field}}}: cannot be written so: {error}") from error


def _plainly(value: Any) -> str | Part:
    if isinstance(value, Response):
        return value.text
    if isinstance(value, PARTS):
        return value
    return Image.of(value) if _is_picture(value) else str(value)


def _is_picture(value: object) -> bool:
    """Whether it is a figure of matplotlib's or a PIL image: what nobody wants the `repr` of."""
    return callable(getattr(value, "savefig", None)) or any(
        base.__module__ == "PIL.Image" for base in type(value).__mro__
    )


def is_frame(value: object) -> bool:
    """Whether it is a table or a column of pandas'."""
    pandas: Any = sys.modules.get("pandas")  # who has one has imported it
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))
