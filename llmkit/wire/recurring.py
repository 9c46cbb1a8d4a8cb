"""Events of a stream that differ in one text only, read without reading all of their JSON again and again.

Nearly every event of an answer is the one before it with a few other letters in one place. What such an event stands
for was found out once, by the whole way; from then on the text alone is read, for as long as every other letter is the
same. What differs in anything else takes the whole way, and so gives what it always gives.
"""

import re
from collections.abc import Callable, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

from llmkit.errors import InvalidResponseError
from llmkit.events import Event
from llmkit.json_codec import loads, scan
from llmkit.sse import ServerSentEvent

_NONE: Final = "\0"  # begins no event that is JSON
_TRIES: Final = 10  # events in a row, each unlike the one before it, after which none is learned any more
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_LETTERS: Final = re.compile(r'[^"\\\x00-\x1f]*')
_BLANKS: Final = re.compile(" *")
_VALUE: Final = re.compile("")  # marks a place where any value may stand

_WRITTEN: Final = r'((?:[^"\\\x00-\x1f]++|\\.)*+)'
_OFTEN: Final = 50  # events after which it pays to compile a pattern for those that follow: that takes 0.3 ms

_Form = re.Pattern[str] | None


class _Hole(NamedTuple):
    """Where events differ.

    Attributes:
        start: Where what stands there begins, without the quotes of a text.
        end: Where it ends.
        form: What may stand there; None for the text that is looked for.
        path: Where it stands in the value; empty where it is no part of that.
        other: Something else that may stand there.
    """

    start: int
    end: int
    form: _Form
    path: Sequence[str | int]
    other: str


class Recurring:
    """The shape of the latest event that brought nothing but a text, if it is known.

    Args:
        silent: Keys of events whose numbers and texts say nothing of the answer, such as padding.
        counted: The key of a value that may change from event to event, and of which the latest holds.
        count: Takes that value.
    """

    __slots__ = (
        *("_count", "_counted", "_goes_on", "_head", "_name", "_silent", "_start", "_steps", "_tail", "_times"),
        *("_tries", "_whole"),
    )

    def __init__(self, *silent: str, counted: str | None = None, count: Callable[[Any], None] = lambda _: None) -> None:
        self._silent = silent
        self._counted = counted
        self._count = count
        self._tries = _TRIES
        self._name = ""
        self._goes_on: Callable[[str], Sequence[Event]] = lambda _: ()
        self._head = _NONE  # what stands before the first hole
        self._start = 0  # of that hole
        self._steps: Sequence[tuple[_Form, str]] = ()  # each hole, and what stands behind it
        self._tail = ""  # what stands behind the text, where that is the only hole
        self._whole: _Form = None  # what the steps read, in one
        self._times = 0  # the steps were taken

    def read(self, event: ServerSentEvent) -> Sequence[Event] | None:
        """What an event like the one that was learned stands for; None of any other."""
        name, data = event
        if not data.startswith(self._head) or name != self._name:
            return None
        try:
            if self._whole is not None and (match := self._whole.match(data, self._start)) is not None:
                found = match[1]
                if "\\" in found:
                    found, _ = scanstring(data, match.start(1), True)  # noqa: FBT003 - of C, without names
            elif self._steps:
                found = self._step(data)
            else:
                found, end = scanstring(data, self._start, True)  # noqa: FBT003
                if data[end:] != self._tail:
                    return None
        except ValueError:
            return None
        if not found:
            return None
        self._tries = _TRIES
        return self._goes_on(found)

    def _step(self, data: str) -> str:
        """The text; "" where the event is another one."""
        at, text, counted = self._start, "", None
        for form, behind in self._steps:
            if form is None:
                text, at = scanstring(data, at, True)  # noqa: FBT003
                at -= 1  # the quote stands in what is behind
            elif form is _VALUE:
                counted, at = scan(data, at)
            elif (match := form.match(data, at)) is not None:
                at = match.end()
            else:
                return ""
            if not data.startswith(behind, at):
                return ""
            at += len(behind)
        if at != len(data):
            return ""
        if text and counted is not None:
            self._count(counted)
        self._times += 1
        if self._times == _OFTEN:
            self._whole = _compiled(self._steps)
        return text

    def forget(self) -> None:
        """What an event stands for may be something else from now on."""
        self._head = _NONE

    def learn(
        self,
        event: ServerSentEvent,
        text: str,
        path: Sequence[str | int],
        goes_on: Callable[[str], Sequence[Event]],
    ) -> None:
        """The next event is read as this one was, if it is like it.

        Args:
            event: It brought a text, and nothing else that is news.
            text: What it brought.
            path: Where that stands.
            goes_on: Takes the text of such an event, and tells what that stands for.
        """
        self._head = _NONE
        if not self._tries:
            return
        data, quoted = event.data, f'"{text}"'
        if data.count(quoted) == 1:
            start = data.index(quoted) + 1
            text_hole = _Hole(start, start + len(text), None, path, text + "x")
            self._take(event, sorted([text_hole, *self._around(data, start)]))
            self._goes_on = goes_on
        self._tries -= 1

    def _take(self, event: ServerSentEvent, holes: list[_Hole]) -> None:
        data = event.data
        head, ends = data[: holes[0].start], [*(hole.start for hole in holes[1:]), len(data)]
        behind = [data[hole.end : end] for hole, end in zip(holes, ends, strict=True)]
        if _holds(head, holes, behind):
            self._name, self._head, self._start = event.event, head, len(head)
            self._steps = [(hole.form, rest) for hole, rest in zip(holes, behind, strict=True)]
            self._tail = behind[0][1:]
            self._whole, self._times = None, 0
            if len(holes) == 1:
                self._steps = ()

    def _around(self, data: str, text: int) -> list[_Hole]:
        """The other holes."""
        # Blanks before the last sign are padding, and no part of any value.
        bare = len(data[:-1].rstrip(" "))  # no pattern: one tries each of many blanks anew
        padded = data.endswith(" }")
        holes = [_Hole(bare, len(data) - 1, _BLANKS, (), " ")] if padded else []
        for key in self._silent:
            found = re.search(rf'"{key}": ?(?:(?P<number>{_NUMBER.pattern})|"(?P<letters>{_LETTERS.pattern})")', data)
            if found is not None and not found.start() <= text <= found.end():
                if found["number"] is None:
                    holes.append(_Hole(*found.span("letters"), _LETTERS, (key,), found["letters"] + "x"))
                else:
                    other = "1" if found["number"] == "0" else "0"
                    holes.append(_Hole(*found.span("number"), _NUMBER, (key,), other))
        # Most hosts tell counts at the end; only where the last try has failed it is worth the while to look for them.
        if self._tries < _TRIES and (found := re.search(rf'"{self._counted}": ?', data)) is not None:
            try:
                value, end = scan(data, found.end())
            except ValueError:
                return holes
            if not found.end() <= text <= end:
                holes.append(_Hole(found.end(), end, _VALUE, (self._counted or "",), "1" if value == 0 else "0"))
        return holes


def _compiled(steps: Sequence[tuple[_Form, str]]) -> _Form:
    """One pattern for what `steps` read one by one, its group the text as it is written; None where none will do."""
    if any(form is _VALUE for form, _ in steps):
        return None
    return re.compile(
        "".join((_WRITTEN if form is None else f"(?:{form.pattern})") + re.escape(behind) for form, behind in steps)
        + r"\Z"
    )


def _holds(head: str, holes: Sequence[_Hole], behind: Sequence[str]) -> bool:
    """Whether what stands in the holes is what it is taken for: with something else in each, just that is changed."""
    changed = head + "".join(hole.other + rest for hole, rest in zip(holes, behind, strict=True))
    try:
        value = loads(changed)
    except InvalidResponseError:
        return False
    return all(_at(value, hole.path) == hole.other for hole in holes if hole.path)


def _at(value: Any, path: Sequence[str | int]) -> str | None:
    """What stands at `path`, as it is written; None where neither a text nor a number does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return str(value) if value.__class__ in (str, int) else None
