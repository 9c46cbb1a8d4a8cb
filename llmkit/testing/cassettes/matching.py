"""Which recording answers a request; and where none does, how the nearest one differs. Pure functions."""

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from llmkit.credentials import is_loopback
from llmkit.secrets import HIDDEN
from llmkit.testing.cassettes.recordings import Asked

_DIFF_LINES: Final = 40
_DIFF_WIDTH: Final = 160


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
        """Whether it is the recorded one, in which a secret may have been hidden that is another one by now."""
        if self == recorded or HIDDEN not in recorded.body:
            return self == recorded
        body = re.escape(recorded.body).replace(re.escape(HIDDEN), "[^\n]*")
        return self.place == recorded.place and re.fullmatch(body, self.body) is not None

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
    nearest = max(recorded, key=lambda other: _likeness(wanted, other))
    before, after = ([str(one), *one.body.splitlines()] for one in (nearest, wanted))
    lines = list(difflib.unified_diff(before, after, "nearest recording", "this call", lineterm="", n=2))
    more = [f"… and {len(lines) - _DIFF_LINES} lines more"] if len(lines) > _DIFF_LINES else []
    return "\n".join([*(line[:_DIFF_WIDTH] for line in lines[:_DIFF_LINES]), *more])


def _likeness(one: Question, other: Question) -> tuple[int, float]:
    same = sum(mine == yours for mine, yours in zip(one.place, other.place, strict=True))
    mine, yours = set(one.body.splitlines()), set(other.body.splitlines())
    return same, len(mine & yours) / max(len(mine | yours), 1)
