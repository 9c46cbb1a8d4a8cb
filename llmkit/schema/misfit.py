"""What a JSON value that does not fit its type raises, with the path in it."""

from typing import Final

_SHOWN: Final = 80  # characters of a value
_TOLD: Final = 500  # of what a validator says


class Misfit(ValueError):  # noqa: N818 - an answer that does not fit is no error of the program
    """A value does not fit its type.

    Attributes:
        path: Where, as in ``$.steps[0].text``: names as JSON has them, ``["a b"]`` where one is no identifier.
        problem: What is wrong there, with the value cut short.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"

    def inside(self, part: str | int) -> "Misfit":
        """The same, seen from the object or the array that has the value as `part`."""
        return Misfit(f"${step(part)}{self.path[1:]}", self.problem)


def step(part: str | int) -> str:
    """A key or an index as a step of a path."""
    if isinstance(part, int):
        return f"[{part}]"
    if part.isidentifier():
        return f".{part}"
    return f'["{_cut(part)}"]'


def expected(what: str, value: object) -> Misfit:
    """`value` is not `what`."""
    return Misfit("$", f"expected {what}, got {shown(value)}")


def shown(value: object) -> str:
    """A value as a message has it: its type, and the beginning of what it holds."""
    if value is None:
        return "null"
    try:
        # Of a long text no more is turned over than is shown.
        text = repr(value[:_SHOWN] if isinstance(value, str) else value)
    except Exception:  # noqa: BLE001 - a repr is anybody's code, and the message is about something else
        text = ""
    return f"{type(value).__name__} {_cut(text)}".strip()


def said(error: Exception) -> str:
    """What an exception of the caller's code has to say, in one line; the name of its class where that is nothing."""
    try:
        # attrs' validators add what they looked at to their words.
        words = error.args[0] if len(error.args) > 1 and isinstance(error.args[0], str) else error
        text = " ".join(str(words).split())
    except Exception:  # noqa: BLE001 - how it is told is anybody's code
        text = ""
    return _cut(text, _TOLD) or type(error).__name__


def _cut(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
