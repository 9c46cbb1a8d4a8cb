"""What of a JSON body does not go through the JSON encoder.

Media: a body is built with a mark where base64 belongs; the marks are replaced when it has become bytes. Encoding five
megabytes as part of the JSON takes thrice as long. And messages that differ in nothing but their texts, as most do:
their dicts would be made only to be taken apart again.
"""

import re
from collections.abc import Iterable
from secrets import token_hex
from typing import Any, Final, TypeVar

from llmkit.json_codec import Written, dump_body, dump_bytes
from llmkit.media import Media, base64_of

Item = TypeVar("Item")

# Unknown to anyone who writes a prompt, so that none can hold it.
_MARK = f"base64:{token_hex(16)}:"
_FIND = re.compile(re.escape(_MARK.encode()) + rb"([0-9]+);")


class Blobs:
    """The media of one body."""

    def __init__(self) -> None:
        self._found: list[bytes] = []

    def mark(self, part: Media) -> str:
        """What stands in the body for the base64 of `part`, which has `data`."""
        self._found.append(base64_of(part))
        return f"{_MARK}{len(self._found) - 1};"

    def dump(self, body: dict[str, Any]) -> bytes:
        """`body` as JSON, each mark replaced by its base64."""
        text = dump_body(body)
        if not self._found:
            return text
        pieces = _FIND.split(text)  # text, number, text, number, …, text
        pieces[1::2] = [self._found[int(number)] for number in pieces[1::2]]
        return b"".join(pieces)


HOLE: Final = Written(b"\0")
"""Where the values of a `shape` differ: what stands nowhere in JSON."""


def shape(value: object) -> tuple[bytes, ...]:
    """The JSON of `value` around each `HOLE` in it, to be joined with the JSON of what belongs there."""
    return tuple(dump_body(value).split(HOLE.data))


def listed(items: Iterable[Item | bytes]) -> list[Item]:
    """A list for `dump_body` alone, of items of which some are JSON already: of those several may be one in it."""
    found: list[Any] = []
    run: list[bytes] = []
    for item in items:
        if type(item) is bytes:
            run.append(item)
            continue
        if run:
            found.append(Written(b",".join(run), len(run)))
            run = []
        found.append(item)
    if run:
        found.append(Written(b",".join(run), len(run)))
    return found


def joined(items: Iterable[object]) -> bytes:
    """The items of a list as JSON, of which some are that already.

    Raises:
        ConfigurationError: One cannot be written.
    """
    return b",".join([item if type(item) is bytes else dump_bytes(item) for item in items])
