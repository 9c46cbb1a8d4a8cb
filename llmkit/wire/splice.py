"""Media in a JSON body, without copying them through the JSON encoder.

A body is built with a mark where base64 belongs; the marks are replaced when it has
become bytes. Encoding five megabytes as part of the JSON takes thrice as long.
"""

import re
from secrets import token_hex
from typing import Any

from llmkit.json_codec import dump_bytes
from llmkit.media import Media, base64_of

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
        text = dump_bytes(body)
        if not self._found:
            return text
        pieces = _FIND.split(text)  # text, number, text, number, …, text
        pieces[1::2] = [self._found[int(number)] for number in pieces[1::2]]
        return b"".join(pieces)
