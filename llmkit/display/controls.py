"""What models say, made harmless for terminals: shown, never obeyed."""

from collections.abc import Mapping
from typing import Final

_PLACES: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # what letters behind it change theirs by
CONTROLS: Final[Mapping[int, None]] = {
    code: None for code in (*range(32), *range(127, 160), *_PLACES) if chr(code) not in "\t\n"
}
"""For `str.translate`: takes away what a terminal would obey rather than show, but tabs and line ends.

Also what makes some show an address backwards; letters that are written from right to left need none of that.
"""


def shown(text: str) -> str:
    """`text` without what would steer a terminal."""
    return text.translate(CONTROLS)


def cut(text: str, letters: int) -> str:
    """Its beginning, where it is longer."""
    return text if len(text) <= letters else f"{text[:letters]}…"
