"""Secrets that a model says bit by bit, so that no event of a stream holds one whole. Pure functions.

No wire is known here: what stands under the same name in one event after another is taken for what is said.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from llmkit.secrets import HIDDEN, places

_MEMBER: Final = re.compile(r'"([^"\\]{1,40})"\s*:\s*"((?:[^"\\]|\\.)*)"')
_LETTER: Final = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|[^\\]", re.DOTALL)


class _Bit(NamedTuple):
    """A string of JSON: where its text stands, as it is written; and what it says."""

    start: int
    raw: str
    said: str


def without_spread(text: str, secrets: Sequence[str]) -> str:
    """`text`, events of JSON, without `secrets` that are spread over them."""
    said: dict[str, list[_Bit]] = {}
    for member in _MEMBER.finditer(text):
        said.setdefault(member[1], []).append(_Bit(member.start(2), member[2], _meant(member[2])))
    edits = [edit for bits in said.values() for edit in _edits(bits, secrets)]
    for bit, written in sorted(edits, reverse=True):
        text = text[: bit.start] + written + text[bit.start + len(bit.raw) :]
    return text


def _meant(raw: str) -> str:
    try:
        return str(json.loads(f'"{raw}"', strict=False))
    except ValueError:
        return ""


def _edits(bits: Iterable[_Bit], secrets: Sequence[str]) -> Iterator[tuple[_Bit, str]]:
    """What has to be written in another way."""
    found = places("".join(bit.said for bit in bits), secrets)
    at = 0
    for bit in bits:
        end = at + len(bit.said)
        here = [(max(start - at, 0), stop - at, start >= at) for start, stop in found if start < end and stop > at]
        if here:
            yield bit, _written(_LETTER.findall(bit.raw), here)
        at = end


def _written(letters: list[str], hidden: Iterable[tuple[int, int, bool]]) -> str:
    for start, stop, begins in reversed([*hidden]):
        letters[start:stop] = [HIDDEN] if begins else []
    return "".join(letters)
