"""Whether somebody watches what calls come to: a log that is listened to, or observers such as `llmkit.otel`'s.

Each call looks here once, at its beginning. Nobody watches by default, and then nothing else is done or imported.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from llmkit.calling import Job
    from llmkit.core import Core
    from llmkit.engine import Engine
    from llmkit.observing.records import Observer
    from llmkit.reader import Reader
    from llmkit.request import ResolvedRequest
    from llmkit.tools import Tool

LOG: Final = logging.getLogger("llmkit")
"""Says one line a call at INFO; what was said only at DEBUG; what is a key never."""

LOG.addHandler(logging.NullHandler())  # a library says nothing unasked
INFO: Final = logging.INFO

everywhere: "tuple[Observer, ...]" = ()
"""Who watches the calls of all clients that have no observers of their own; replaced as a whole."""


class Unwatched:
    """What is told how a call goes, where nobody wants to know; see `llmkit.observing.telling.Watch`.

    A context manager around all of a call that ends where it was begun.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """It has ended."""

    def opening(self) -> AbstractContextManager[object]:
        """Around the beginning of a call that ends later, unless this fails."""
        return self

    def within(self) -> AbstractContextManager[object]:
        """Around a part of it that may make calls of its own."""
        return self

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """That attempt has failed; there is another after so many seconds."""

    def fetched(self, attempts: int, headers: Mapping[str, str]) -> None:
        """One of its exchanges has been answered."""

    def began(self) -> None:
        """Its first event has come."""

    def answered(self, result: object) -> None:
        """What came of it; not yet its end."""

    def ended(self, error: BaseException | None = None) -> None:
        """It has ended, at the latest now."""

    def left(self, partial: Callable[[], Any]) -> None:
        """The caller has ended it; what had come by then."""

    def forsaken(self, reader: "Reader | None", attempts: int) -> None:
        """Nobody holds it any more, who might have read on: for finalisers. Takes no lock."""


UNWATCHED: Final = Unwatched()


def watch(
    engine: "Engine",
    operation: str,
    model: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    request: "ResolvedRequest | None" = None,
    *,
    structured: bool = False,
) -> Unwatched:
    """A call begins.

    Args:
        engine: Of the client.
        operation: The client's method.
        model: Which one is asked, if one is.
        headers: The caller's own, which may hold secrets.
        query: Likewise.
        request: What is asked.
        structured: Whether the answer is to be an object.
    """
    if not engine.observers and not everywhere and not LOG.isEnabledFor(INFO):
        return UNWATCHED
    from llmkit.observing.telling import begun  # noqa: PLC0415 - only for who watches

    return begun(engine, operation, model, headers, query, request, structured)


def watched_tools(members: "Sequence[Core]") -> "Callable[[Job, Tool[..., Any]], Job] | None":
    """What makes the runs of a chat's tools watched; None where nobody watches.

    Args:
        members: The clients that the chat asks; who watches the first, watches the tools.
    """
    if not members[0]._engine.observers and not everywhere and not LOG.isEnabledFor(INFO):  # noqa: SLF001 - of its own
        return None
    from llmkit.observing.telling import watching_tools  # noqa: PLC0415 - only for who watches

    return watching_tools(members)
