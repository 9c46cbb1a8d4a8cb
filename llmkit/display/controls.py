"""What models say, made harmless for terminals: shown, never obeyed."""

from collections.abc import Mapping
from typing import Final

CONTROLS: Final[Mapping[int, None]] = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
"""For `str.translate`: takes away what a terminal would obey rather than show, but tabs and line ends."""


def shown(text: str) -> str:
    """`text` without what would steer a terminal."""
    return text.translate(CONTROLS)


def cut(text: str, letters: int) -> str:
    """Its beginning, where it is longer."""
    return text if len(text) <= letters else f"{text[:letters]}…"
