"""Calls whose arguments come in pieces, as Google Cloud streams them where it is asked to.

The first part has the name and says that it will go on; the next ones have pieces of the arguments, each with its path;
the last one says no more that it will go on, and is mostly empty.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from llmkit.growing import Growing
from llmkit.wire.reading import object_or_empty

_Step: TypeAlias = str | int
_Path: TypeAlias = tuple[_Step, ...]

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['([^'\\]*)'\]|\[\"([^\"\\]*)\"\]")
_PLACE: Final = re.compile(rf"\$(?:{_STEP.pattern})+")
_DEEPEST: Final = 100
_VALUES: Final = ("stringValue", "numberValue", "boolValue")


def goes_on(call: Mapping[str, Any]) -> bool:
    """Whether more of a call comes in later parts."""
    return call.get("willContinue") is True


class Arguments:
    """The arguments of one call, as far as they have come."""

    def __init__(self) -> None:
        self._values: dict[_Path, Any] = {}  # texts grow
        self._open: set[_Path] = set()
        self._fit = True

    def add(self, pieces: object) -> None:
        """Take the next pieces, `partialArgs`."""
        for piece in pieces if isinstance(pieces, list) else ():
            self._take(object_or_empty(piece))

    def more(self, pieces: object) -> tuple[Callable[[str], None], str] | None:
        """What takes more pieces like these, which were added last, but for their text, and that; None if nothing."""
        match pieces:
            case [{"jsonPath": str(place), "stringValue": str(text), "willContinue": True}]:
                path = _path(place)
                value = self._values.get(path) if path in self._open else None
                return (value.add, text) if isinstance(value, Growing) else None
        return None

    def close(self) -> tuple[dict[str, Any], bool]:
        """The object that they make, and whether that is all of it: each piece in its place, and none still to come."""
        found: dict[str, Any] = {}
        for path, value in self._values.items():
            self._fit &= _put(found, path, str(value) if isinstance(value, Growing) else value)
        return found, self._fit and not self._open

    def _take(self, piece: Mapping[str, Any]) -> None:
        path = _path(piece.get("jsonPath"))
        if path is None:
            self._fit = False
            return
        value = next((piece[key] for key in _VALUES if key in piece), None)
        if isinstance(value, str):
            pieces = self._values.get(path) if path in self._open else None
            if isinstance(pieces, Growing):
                pieces.add(value)
            else:
                self._values[path] = Growing(value)
        elif value is not None or "nullValue" in piece:
            self._values[path] = value
        if goes_on(piece):
            self._open.add(path)
        else:
            self._open.discard(path)


def _path(text: object) -> _Path | None:
    """The steps of a JSON path that names one place, as in ``$.a[0]['b']``; None for any other."""
    if not isinstance(text, str) or _PLACE.fullmatch(text) is None:
        return None
    steps = tuple(
        int(index) if index else name or single or double for name, index, single, double in _STEP.findall(text)
    )
    return steps if len(steps) <= _DEEPEST else None


def _put(found: dict[str, Any], path: _Path, value: Any) -> bool:
    """Put `value` in its place; whether there is one."""
    holder: Any = found
    for step, following in zip(path, (*path[1:], None), strict=True):
        last = following is None
        new = value if last else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if not isinstance(holder, list) or step > len(holder):
                return False
            if step == len(holder):
                holder.append(new)
            elif last:
                holder[step] = new
        elif not isinstance(holder, dict):
            return False
        elif last:
            holder[step] = new
        else:
            holder.setdefault(step, new)
        holder = holder[step]
    return True
