"""The telling: of one call to all that watch it, once, whichever way it ends. None of them can harm the call."""

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from attrs import evolve, frozen

from llmkit import observing
from llmkit.calling import Job, written
from llmkit.engine import request_id, secrets_of
from llmkit.errors import LLMKitError, StreamClosedError
from llmkit.json_codec import to_utf8
from llmkit.observing import LOG, Unwatched
from llmkit.observing.log import Log
from llmkit.observing.records import Observer, Operation, Outcome, ToolRun, Watched, Watcher
from llmkit.response import Response
from llmkit.secrets import without

if TYPE_CHECKING:
    from llmkit.core import Core
    from llmkit.engine import Engine
    from llmkit.reader import Reader
    from llmkit.request import ResolvedRequest
    from llmkit.tools import Tool

_Partial: TypeAlias = Callable[[], Response[Any]]
_STREAM: Final = "stream"


class Watch(Unwatched):
    """One call, and all that watch it."""

    __slots__ = ("_around", "_attempts", "_first", "_open", "_pid", "_request_id", "_result", "_since", "_watchers")

    def __init__(self, watched: Watched, observers: tuple[Observer, ...]) -> None:
        found = (_told(observer.begun, watched) for observer in observers)
        self._watchers: list[Watcher] = [watcher for watcher in found if watcher is not None]
        self._open = [True]  # who takes it, ends it: a list's `pop` is atomic
        self._since = time.monotonic()
        self._first: float | None = None
        self._result: object = None
        self._attempts = 0
        self._request_id: str | None = None
        self._around = ExitStack()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        self._enter(self._around)
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._around:
            if self._claimed():
                self._end(error)

    @contextmanager
    def opening(self) -> Iterator[object]:
        """Around the beginning of a call that ends later, unless this fails."""
        with ExitStack() as stack:
            self._enter(stack)
            try:
                yield self
            except BaseException as error:
                if self._claimed():
                    self._end(error)
                raise

    @contextmanager
    def within(self) -> Iterator[object]:
        """Around a part of it that may make calls of its own."""
        with ExitStack() as stack:
            self._enter(stack)
            yield self

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """That attempt has failed; there is another after so many seconds."""
        for watcher in self._watchers:
            _told(watcher.retried, attempt, error, pause)

    def fetched(self, attempts: int, headers: Mapping[str, str]) -> None:
        """One of its exchanges has been answered."""
        self._attempts += attempts
        self._request_id = request_id(headers)

    def began(self) -> None:
        """Its first event has come."""
        self._first = time.monotonic() - self._since

    def answered(self, result: object) -> None:
        """What came of it; not yet its end."""
        self._result = result

    def ended(self, error: BaseException | None = None) -> None:
        """It has ended, at the latest now."""
        if self._claimed():
            with self.within():
                self._end(error)

    def left(self, partial: _Partial) -> None:
        """The caller has ended it; what had come by then."""
        if self._claimed():
            with self.within():
                self._end(None, partial=partial, left=True)

    def forsaken(self, reader: "Reader | None", attempts: int) -> None:
        """Nobody holds it any more, who might have read on: for finalisers.

        Takes no lock, as observers do: another thread tells them.
        """
        waiting = _forsaken.get(self._pid)  # None where no thread could be started
        if waiting is not None and self._pid == os.getpid() and self._claimed():
            so_far = None if reader is None else partial(reader.partial, attempts)
            waiting.put(_Forsaken(self, time.monotonic(), time.time_ns(), so_far))

    def buried(self, one: "_Forsaken") -> None:
        """It was forsaken at that time."""
        with self.within():
            self._end(None, partial=one.partial, left=True, now=one.monotonic, ended=one.ended)

    def _claimed(self) -> bool:
        """Whether it has not ended before, and whoever asks is to tell of it."""
        try:
            return self._open.pop()
        except IndexError:
            return False

    def _enter(self, stack: ExitStack) -> None:
        for watcher in self._watchers:
            around: AbstractContextManager[object] | None = _told(watcher.current)
            if around is not None:
                _told(stack.enter_context, around)

    def _end(
        self,
        error: BaseException | None,
        *,
        partial: _Partial | None = None,
        left: bool = False,
        now: float | None = None,
        ended: int | None = None,
    ) -> None:
        known = _told(partial) if partial is not None else getattr(error, "partial", None)
        closed = left or isinstance(error, StreamClosedError)
        outcome = Outcome(
            seconds=(time.monotonic() if now is None else now) - self._since,
            first=self._first,
            result=self._result,
            partial=known,
            error=None if closed else error,
            left=closed,
            attempts=self._asked(error, known),
            request_id=self._id_of_exchange(error, known),
            ended=time.time_ns() if ended is None else ended,
        )
        for watcher in self._watchers:
            _told(watcher.ended, outcome)

    def _asked(self, error: BaseException | None, known: Response[Any] | None) -> int:
        if isinstance(error, LLMKitError):
            return self._attempts + error.attempts
        found = self._result if isinstance(self._result, Response) else known
        return self._attempts or (0 if found is None else found.attempts)

    def _id_of_exchange(self, error: BaseException | None, known: Response[Any] | None) -> str | None:
        if isinstance(error, LLMKitError):
            return error.request_id
        found = self._result if isinstance(self._result, Response) else known
        return self._request_id if found is None else found.request_id


def begun(
    engine: "Engine",
    operation: str,
    model: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    request: "ResolvedRequest | None",
    structured: bool,  # noqa: FBT001 - as `llmkit.observing.watch` passes it
) -> Watch:
    """The watch of a call that begins; as `llmkit.observing.watch`."""
    clean = partial(_without_keys, engine, headers, query)
    watched = Operation(operation, engine.row, engine.address, model, request, structured, clean)
    if operation == _STREAM:
        _told(_ready_to_bury)
    return Watch(watched, _observers(engine))


def watching_tools(members: "Sequence[Core]") -> "Callable[[Job, Tool[..., Any]], Job]":
    """As `llmkit.observing.watched_tools`."""
    known = [(member._engine, member._settings.headers) for member in members]  # noqa: SLF001 - of its own

    def clean(value: Any) -> Any:
        return _without(value, [secret for engine, headers in known for secret in secrets_of(engine, headers, {})])

    def watching(job: Job, tool: "Tool[..., Any]") -> Job:
        return evolve(job, run=partial(_run, job, ToolRun(job.call, tool, clean), _observers(known[0][0])))

    return watching


def _run(job: Job, watched: ToolRun, observers: tuple[Observer, ...]) -> object:
    with Watch(watched, observers) as watch:
        value = job.run()
        if not isinstance(value, BaseException):  # a tool may return one, too; what it is, is of interest
            value = _told(written, job.call, value) or value  # else it fails once more, where nobody watches
        watch.answered(value)
        return value


def _observers(engine: "Engine") -> tuple[Observer, ...]:
    # The log first: what it says is said while what others have made of the call is still current.
    own = tuple(engine.observers) or observing.everywhere
    return (Log(), *own) if LOG.isEnabledFor(observing.INFO) else own


def _without_keys(engine: "Engine", headers: Mapping[str, str], query: Mapping[str, str], value: Any) -> Any:
    return _without(value, secrets_of(engine, headers, query))


def _without(value: Any, secrets: Sequence[str]) -> Any:
    """`value` without them, and without halves of surrogate pairs, at which whoever writes or sends it fails."""
    return _writable(without(value, secrets))


def _writable(value: Any) -> Any:
    """Text, and JSON: what else there is writes itself."""
    if isinstance(value, str):
        return value if value.isascii() else to_utf8(value).decode()
    if type(value) in (list, tuple):
        return type(value)(_writable(item) for item in value)
    return {_writable(name): _writable(item) for name, item in value.items()} if type(value) is dict else value


def _told(tell: Callable[..., Any], *args: object) -> Any:
    """What `tell` returns; None where it failed: who watches must not harm what is watched."""
    try:
        return tell(*args)
    except Exception as error:  # noqa: BLE001 - of whoever watches, or of a handler of the log
        with suppress(Exception):  # which may be the one that has failed
            LOG.debug("an observer of calls has failed: %s", type(error).__name__)
        return None


@frozen
class _Forsaken:
    """A call that nobody holds any more, and since when."""

    watch: Watch
    monotonic: float
    ended: int
    partial: _Partial | None


_forsaken: dict[int, "SimpleQueue[_Forsaken | None]"] = {}
"""By process: calls that nobody holds any more, for the thread that tells so."""


def _ready_to_bury() -> None:
    """See to it that there is such a thread in this process."""
    pid = os.getpid()
    if pid in _forsaken:
        return
    waiting: SimpleQueue[_Forsaken | None] = SimpleQueue()
    if _forsaken.setdefault(pid, waiting) is waiting:
        thread = threading.Thread(target=_bury, args=(waiting,), name="llmkit-observing", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the next stream may have more luck
            del _forsaken[pid]
            raise
        atexit.register(_rest, pid, thread)


def _bury(waiting: "SimpleQueue[_Forsaken | None]") -> None:
    while (one := waiting.get()) is not None:
        one.watch.buried(one)
        del one  # which holds what was received


def _rest(pid: int, thread: threading.Thread) -> None:
    """At the end of the process: what was forsaken is told of, before those to whom are gone."""
    if pid == os.getpid():
        _forsaken[pid].put(None)
        thread.join(5)
