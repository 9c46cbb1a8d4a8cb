"""The ids of calls as a host takes them: each call another, and its result the same.

Conversations move from host to host, and ids with them. Some hosts say of which characters an id is, or how long it may
be; and calls may share one, as some hosts count theirs anew in each turn, and as ids are made up where none were sent.
"""

import re
from collections import Counter
from hashlib import sha256


class CallIds:
    """The ids of one conversation, which is told oldest first.

    Args:
        takes: Matches the whole of an id that the host takes. It must take 64 hexadecimal digits.
    """

    def __init__(self, takes: re.Pattern[str]) -> None:
        self._takes = takes
        self._sent: set[str] = set()
        self._times: Counter[str] = Counter()
        self._latest: dict[str, str] = {}  # id → what was sent for its latest call
        # The same of all calls of this turn that have no result yet. Nearly always one: a list is a tenth of a deque.
        self._open: dict[str, list[str]] = {}

    def turn(self) -> None:
        """Another turn of the model begins: results that follow are of its calls."""
        self._open.clear()

    def call(self, id_: str) -> str:
        """What is sent for the id of the next call."""
        found = id_ if self._takes.fullmatch(id_) else _stand_in(id_)
        while found in self._sent:
            self._times[id_] += 1
            found = _stand_in(f"{id_} {self._times[id_]}")
        self._sent.add(found)
        self._latest[id_] = found
        if (waiting := self._open.get(id_)) is None:
            self._open[id_] = [found]
        else:
            waiting.append(found)
        return found

    def result(self, id_: str) -> str:
        """What is sent for the id in a result: that of its call; itself where the host keeps the call."""
        waiting = self._open.get(id_)
        return waiting.pop(0) if waiting else self._latest.get(id_, id_)


def _stand_in(text: str) -> str:
    """The same for the same text, so that a prompt that goes on is the one that the host has cached."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()
