"""JSON that is not all there yet: the value as far as it is known. Pure, and linear in the text."""

import re
from contextlib import suppress
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

from llmkit.json_codec import DEEPEST

UNKNOWN: Final = object()
"""In place of a value of which nothing is known yet."""

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_OF_NUMBERS: Final = re.compile(r"[-+.0-9eE]*")
_WORDS: Final = {"true": True, "false": False, "null": None}
_HALF_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_string_at: Final = JSONDecoder().raw_decode
_HALF_PAIR: Final = re.compile(r"[\ud800-\udbff]\Z")


class _End(Exception):  # noqa: N818 - no error: a text that is not whole ends somewhere
    """The text ends here, or goes on with what is no JSON."""


def completed(text: str) -> Any:
    """The value that `text` begins to tell: open strings, lists and objects hold what has come.

    A number, a word or a key that may go on is not known yet. After the first thing that is no JSON nothing is read.
    `UNKNOWN` where nothing is known.
    """
    return _Reader(text).read()


class _Reader:
    """Reads one text, from its beginning to wherever it ends.

    Containers are filled while they are read, so that at the end what holds them has all of it.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._root: list[Any] = []

    def read(self) -> Any:
        with suppress(_End, RecursionError):  # where the caller's own stack is deep already
            self._value(self._root.append, 0)
        return self._root[0] if self._root else UNKNOWN

    def _value(self, keep: Any, depth: int) -> None:
        """Read a value; give it to `keep` as soon as something of it is known."""
        first = self._next()
        if depth > DEEPEST:
            raise _End
        if first == "{":
            self._object(keep, depth)
        elif first == "[":
            self._array(keep, depth)
        elif first == '"':
            self._string(keep)
        else:
            keep(self._scalar())

    def _object(self, keep: Any, depth: int) -> None:
        found: dict[str, Any] = {}
        keep(found)
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return
        while True:
            key = self._key()
            self._expect(":")
            self._value(lambda value, key=key: found.__setitem__(key, value), depth + 1)
            if self._separated("}"):
                return

    def _array(self, keep: Any, depth: int) -> None:
        found: list[Any] = []
        keep(found)
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return
        while True:
            self._value(found.append, depth + 1)
            if self._separated("]"):
                return

    def _key(self) -> str:
        if self._next() != '"':
            raise _End
        return self._whole_string()

    def _string(self, keep: Any) -> None:
        try:
            keep(self._whole_string())
        except _End:
            begun = self._text[self._at :]
            if self._cut_escape():
                begun = _HALF_ESCAPE.sub("", begun)
            try:
                value, _ = _string_at(begun + '"')
            except JSONDecodeError:
                raise _End from None
            keep(_HALF_PAIR.sub("", value))
            raise

    def _cut_escape(self) -> bool:
        """Whether the text ends amid an escape, which an even number of backslashes is not."""
        tail = _HALF_ESCAPE.search(self._text)
        if tail is None:
            return False
        before = self._text[: tail.start()]
        return (len(before) - len(before.rstrip("\\"))) % 2 == 0

    def _whole_string(self) -> str:
        try:
            value, self._at = _string_at(self._text, self._at)
        except JSONDecodeError:
            raise _End from None
        return str(value)

    def _scalar(self) -> Any:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        run = _OF_NUMBERS.match(self._text, self._at)
        number = None if run is None else _NUMBER.fullmatch(run[0])
        if run is None or number is None or run.end() == len(self._text):  # more of it may come
            raise _End
        self._at = run.end()
        try:
            return float(number[0]) if number["rest"] else int(number[0])
        except ValueError:  # thousands of digits
            raise _End from None

    def _separated(self, closing: str) -> bool:
        """Whether the container ends here; else another member follows."""
        if self._next() == closing:
            self._at += 1
            return True
        self._expect(",")
        return False

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise _End
        self._at += 1

    def _next(self) -> str:
        """The next sign that is no blank, which is not passed."""
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None  # noqa: S101 - it matches nothing, too
        self._at = blank.end()
        if self._at == len(self._text):
            raise _End
        return self._text[self._at]
