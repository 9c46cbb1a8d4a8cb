"""Which recording answers a request; and where none does, how the nearest one differs. Pure functions."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile, zip_longest
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from llmkit.credentials import is_loopback
from llmkit.secrets import HIDDEN, LONG
from llmkit.testing.cassettes.recordings import Asked

_DIFF_LINES: Final = 40
_DIFF_WIDTH: Final = 160
_BEFORE: Final = 40  # characters that are shown of a long line before it differs
_TOLD: Final = re.compile(rf"\[key\]|[^\s\[\](){{}}<>\"'`,;]{{{LONG},}}")  # what may stand where a secret was hidden


class Place(NamedTuple):
    """What is asked, but for what is said there."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]


class Question(NamedTuple):
    """What is compared; equal ones get each other's answers."""

    place: Place
    body: str

    def fits(self, recorded: "Question") -> bool:
        """Whether it is the recorded one, but tells a secret that was hidden there, or another one in its place."""
        mine, theirs = self.body.split("\n"), recorded.body.split("\n")
        return self.place == recorded.place and len(mine) == len(theirs) and all(map(_tells, mine, theirs))

    def __str__(self) -> str:
        method, host, path, query = self.place
        return f"{method} {host}{path}" + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")


def question(asked: Asked, *, any_host: bool) -> Question:
    """What is compared of a request."""
    parts = urlsplit(asked.url)
    host = "loopback" if is_loopback(asked.url) else f"{parts.scheme}://{parts.netloc}"
    query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    body = asked.text if asked.text is not None else _canonical(asked.json)
    return Question(Place(asked.method, "" if any_host else host, parts.path, query), body)


def _tells(line: str, hidden: str) -> bool:
    """Whether `line` is the other, but for secrets. In one pass: a pattern of many gaps could take for ever."""
    first, *rest = hidden.split(HIDDEN)
    if not line.startswith(first):
        return False
    at = len(first)
    for number, piece in enumerate(rest, 1):
        last = len(line) - len(piece) if line.endswith(piece) else -1
        end = last if number == len(rest) else line.find(piece, at)
        if end < at or _TOLD.fullmatch(line, at, end) is None:
            return False
        at = end + len(piece)
    return at == len(line)


def _canonical(value: Any) -> str:
    return json.dumps(_plain(value), indent=1, sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """JSON in which 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def difference(wanted: Question, recorded: Sequence[Question]) -> str:
    """How the nearest one of `recorded` differs, in a few lines; "" where there is none."""
    if not recorded:
        return ""
    mine = _lines(wanted)
    nearest = max(recorded, key=lambda other: _likeness(wanted, other, mine))
    told = difflib.unified_diff(_lines(nearest), mine, "nearest recording", "this call", lineterm="", n=2)
    lines = [*told]
    more = [f"… and {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*_readable(lines[:_DIFF_LINES]), *more])


def _lines(question: Question) -> list[str]:
    """What is shown: also of a text of many lines, which JSON has in one, each by itself."""
    return [str(question), *question.body.replace("\\n", "\\n\n").split("\n")]


def _likeness(one: Question, other: Question, lines: Sequence[str]) -> tuple[int, float]:
    same = sum(mine == yours for mine, yours in zip(one.place, other.place, strict=True))
    mine, yours = set(lines), set(_lines(other))
    return same, len(mine & yours) / len(mine | yours)


def _readable(lines: Sequence[str]) -> Iterator[str]:
    """A difference, its long lines cut to what differs in them."""
    at = 0
    while at < len(lines):
        gone = [*takewhile(lambda line: line[0] == "-", lines[at:])]
        come = [*takewhile(lambda line: line[0] == "+", lines[at + len(gone) :])]
        pairs = [*zip_longest(gone, come, fillvalue="")]
        same = [_agreeing(before[1:], after[1:]) for before, after in pairs]
        yield from map(_cut, gone, same)
        yield from map(_cut, come, same)
        at += len(gone) + len(come)
        if not pairs:
            yield _cut(lines[at], 0)
            at += 1


def _agreeing(one: str, other: str) -> int:
    """By how many characters both begin."""
    both = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, yours) in both if mine != yours), min(len(one), len(other)))


def _cut(line: str, same: int) -> str:
    """`line`, of which so many characters after its sign are the same in the other."""
    if len(line) <= _DIFF_WIDTH:
        return line
    start = max(1 + same - _BEFORE, 0)
    begins = line if start <= _BEFORE else f"{line[:_BEFORE]} … {line[start:]}"
    return begins if len(begins) <= _DIFF_WIDTH else f"{begins[:_DIFF_WIDTH]} …"
