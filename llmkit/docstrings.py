"""A docstring in, what it tells of parameters and the rest of its words out.

Sections of the Google and the NumPy style and the field lists of Sphinx are read side by side, so that no style has to
be guessed. Any text is taken: what is no section that is known here is part of the description. Types that stand
beside a name are passed over, as the annotations have them.

Sources: https://google.github.io/styleguide/pyguide.html#383-functions-and-methods,
https://numpydoc.readthedocs.io/en/latest/format.html and
https://www.sphinx-doc.org/en/master/usage/domains/python.html#info-field-lists
"""

import re
from collections.abc import Iterator
from typing import Final

# Titles of sections, in lower case.
_OF_NAMES: Final = frozenset(
    {"args", "arguments", "params", "parameters", "attributes"}
    | {f"{kind} {what}" for kind in ("keyword", "other") for what in ("args", "arguments", "parameters")}
)
# What is no news to who calls the function by its schema. Notes and warnings are: they stay in the description.
_OF_OTHERS: Final = frozenset(
    {"returns", "return", "yields", "yield", "receives", "raises", "except", "exceptions", "warns"}
    | {"example", "examples", "methods", "references", "see also", "todo"}
)
_TITLES: Final = _OF_NAMES | _OF_OTHERS

_NAMED_FIELDS: Final = "param parameter arg argument key keyword kwarg var ivar cvar"
_OTHER_FIELDS: Final = "type vartype return returns rtype raise raises except exception yield yields ytype meta"
_FIELD: Final = re.compile(
    rf":(?:(?P<named>{_NAMED_FIELDS.replace(' ', '|')})|{_OTHER_FIELDS.replace(' ', '|')})"
    r"(?:\s+(?P<about>\S.*?))?:(?:\s+(?P<text>.*))?"
)
_UNDERLINE: Final = re.compile(r"-{3,}+|={3,}+")

# No part of these gives back what it took, so that they need no more than one pass.
_NAME: Final = r"`*+(?:\\?\*){0,2}+[^\W\d]\w*+`*+"
_NAMES: Final = rf"(?P<names>{_NAME}(?:\s*,\s*{_NAME})*+)"
_GOOGLE_ITEM: Final = re.compile(rf"{_NAMES}\s*+(?:\(.*?\)\s*+)?:(?:\s+(?P<text>.*))?")
_NUMPY_ITEM: Final = re.compile(rf"{_NAMES}(?:\s*+:.*)?(?P<text>)")


def parameters(doc: str) -> dict[str, str]:
    """What `doc` says of each parameter or attribute, by its name, which has no asterisks; the first text counts."""
    return _read(doc)[1]


def description(doc: str) -> str:
    """`doc` without its sections on parameters, results, errors and examples."""
    return "\n".join(_read(doc)[0]).strip()


def _read(doc: str) -> tuple[list[str], dict[str, str]]:
    """The lines that are in no section, without a second blank line in a row, and the texts by name."""
    lines = _dedented(doc)
    prose: list[str] = [""]
    texts: dict[str, str] = {}
    at = 0
    while at < len(lines):
        end, found = _section(lines, at)
        for name, text in found:
            if text:
                texts.setdefault(name, text)
        if end == at:
            if lines[at] or prose[-1]:
                prose.append(lines[at])
            end += 1
        at = end
    return prose, texts


def _dedented(text: str) -> list[str]:
    """The lines of `text` as PEP 257 trims them.

    Not `inspect.cleandoc`, whose time grows with the square of the blank lines that come first.
    """
    lines = [line.rstrip() for line in re.split(r"\r\n?|\n", text.expandtabs().strip())]
    margin = min((_indent(line) for line in lines[1:] if line), default=0)
    return [lines[0], *(line[margin:] for line in lines[1:])]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _section(lines: list[str], at: int) -> tuple[int, Iterator[tuple[str, str]]]:
    """Where the section that begins at `at` ends, and its names with their texts; `at` and none where none begins."""
    line, nothing = lines[at], iter(())
    if field := _FIELD.fullmatch(line):
        end = _end_of_field(lines, at + 1)
        return end, _field(field, lines[at + 1 : end])
    if _is_google(lines, at):
        end = next((i for i in range(at + 1, len(lines)) if lines[i] and not _indent(lines[i])), len(lines))
        return end, _items(_GOOGLE_ITEM, _block(lines[at + 1 : end])) if _title(line) in _OF_NAMES else nothing
    if _is_underlined(lines, at) and _title(line) in _TITLES:
        end = next((i for i in range(at + 2, len(lines)) if _begins(lines, i)), len(lines))
        return end, _items(_NUMPY_ITEM, lines[at + 2 : end]) if _title(line) in _OF_NAMES else nothing
    return at, nothing


def _title(line: str) -> str:
    return line.rstrip(":").rstrip().lower()


def _is_google(lines: list[str], at: int) -> bool:
    """Whether a title and a colon stand above an indented block."""
    if not lines[at].endswith(":") or _title(lines[at]) not in _TITLES:
        return False
    return next((_indent(lines[i]) > 0 for i in range(at + 1, len(lines)) if lines[i]), False)


def _is_underlined(lines: list[str], at: int) -> bool:
    heading, below = lines[at], lines[at + 1 : at + 2]
    return bool(heading and below and not _indent(heading) and _UNDERLINE.fullmatch(below[0]))


def _begins(lines: list[str], at: int) -> bool:
    """Whether what stands at `at` is no longer part of a section in NumPy's style."""
    return _is_underlined(lines, at) or _is_google(lines, at) or _FIELD.fullmatch(lines[at]) is not None


def _end_of_field(lines: list[str], at: int) -> int:
    """Its text goes on in indented lines; in others, too, until a blank one, as many people write it."""
    lazy = True
    for i in range(at, len(lines)):
        line = lines[i]
        if line and not _indent(line) and (not lazy or _begins(lines, i)):
            return i
        lazy = lazy and bool(line)
    return len(lines)


def _field(field: re.Match[str], more: list[str]) -> Iterator[tuple[str, str]]:
    """Of ``:param int x: text`` the name, which stands last, and the text."""
    if field["named"] and field["about"]:
        yield _bare(field["about"].split()[-1]), _text(field["text"], more)


def _block(lines: list[str]) -> list[str]:
    """Without the indentation of its first line, or as much of it as a line has."""
    margin = next((_indent(line) for line in lines if line), 0)
    return [line[min(margin, _indent(line)) :] for line in lines]


def _items(pattern: re.Pattern[str], lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names at the margin, with the lines up to the next."""
    starts = [(i, found) for i, line in enumerate(lines) if (found := pattern.fullmatch(line))]
    ends = [*(i for i, _ in starts[1:]), len(lines)]
    for (start, found), end in zip(starts, ends, strict=False):
        text = _text(found["text"], lines[start + 1 : end])
        for name in found["names"].split(","):
            yield _bare(name), text


def _bare(name: str) -> str:
    return name.strip(" `*\\")


def _text(first: str | None, more: list[str]) -> str:
    return "\n".join(_dedented("\n".join([first or "", *more])))
