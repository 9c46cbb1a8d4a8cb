"""Threads that agree on one asking: one of them asks, the others wait, and what comes of it holds for all.

No lock is held meanwhile, so a fork finds none taken, and who is asked may use llmkit, also the very same client in a
way that needs no asking.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from copy import copy
from threading import Event, get_ident
from typing import Final

from llmkit.errors import ConfigurationError, LLMKitError

LOOK: Final = 1.0  # seconds after which one who waits looks by itself, should Ctrl-C have ended the asking


class _Round:
    """One asking.

    Attributes:
        thread: Who asks.
        over: Set at its end.
        answered: Whether it came to its end, which Ctrl-C may keep it from.
        failure: Why nothing came of it.
    """

    __slots__ = ("answered", "failure", "over", "thread")

    def __init__(self) -> None:
        self.thread = get_ident()
        self.over = Event()
        self.answered = False
        self.failure: LLMKitError | None = None


# The rounds that what runs here is part of, also in the threads that one who is asked gives work to.
_WITHIN: ContextVar[tuple[_Round, ...]] = ContextVar("within", default=())


class Agreement:
    """What several threads want done once."""

    __slots__ = ("_rounds",)

    def __init__(self) -> None:
        self._rounds: dict[int, _Round] = {}  # by process: what a fork finds here is its parent's

    def once(self, ask: Callable[[], None], spare: Callable[[], float | None]) -> None:
        """Ask, unless another thread is asking: then wait for what comes of that.

        Args:
            ask: It looks first whether there is still something to ask for, as another thread may just have done so.
            spare: Seconds that may be waited for another thread, None for ever; it raises where there are none.

        Raises:
            ConfigurationError: It is being asked by this very thread, further out, or by one that this one works for.
            LLMKitError: What `ask` or `spare` raised; where another thread asked, a copy of its error.
        """
        process = os.getpid()
        while True:
            current = self._asked(ask, process)
            if current is None:
                return
            if current.thread == get_ident() or current in _WITHIN.get():
                raise ConfigurationError(
                    "api_key: the function asks the client whose key it is to return; give it a client of its own"
                )
            self._wait(current, process, spare)
            if current.failure is not None:
                raise copy(current.failure) from current.failure.__cause__
            if current.answered:
                return

    def _asked(self, ask: Callable[[], None], process: int) -> _Round | None:
        """Ask; or the round in which another thread does, or this one further out."""
        mine = _Round()
        try:
            current = self._rounds.setdefault(process, mine)
            if current is not mine:
                return current
            token = _WITHIN.set((*_WITHIN.get(), mine))
            try:
                ask()
            finally:
                _WITHIN.reset(token)
            mine.answered = True
        except LLMKitError as error:
            mine.answered, mine.failure = True, error
            raise
        finally:
            if self._rounds.get(process) is mine:
                del self._rounds[process]
                mine.over.set()
        return None

    def _wait(self, current: _Round, process: int, spare: Callable[[], float | None]) -> None:
        """Until it is over."""
        while self._rounds.get(process) is current:
            left = spare()
            if current.over.wait(LOOK if left is None else min(LOOK, left)):
                return
