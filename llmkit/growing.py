"""A text that comes in pieces."""

from typing import Final

_MOST: Final = 1000  # pieces that are kept apart


class Growing:
    """What is said in pieces, joined by the thousand: a piece takes fifty bytes beside its few letters."""

    __slots__ = ("_joined", "_latest")

    def __init__(self, text: str = "") -> None:
        self._joined: list[str] = []
        self._latest: list[str] = [text] if text else []

    def add(self, piece: str) -> None:
        """It goes on."""
        latest = self._latest
        latest.append(piece)
        if len(latest) > _MOST:
            self._joined.append("".join(latest))
            latest.clear()

    def copy(self) -> "Growing":
        """Another one with the same text."""
        other = Growing()
        other._joined, other._latest = [*self._joined], [*self._latest]
        return other

    def __str__(self) -> str:
        return "".join([*self._joined, *self._latest])

    def __bool__(self) -> bool:
        """Whether anything was added."""
        return bool(self._latest or self._joined)
