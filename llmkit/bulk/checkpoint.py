"""A run's answers in a file: what was answered is never asked again, also not after the process was killed.

Many threads hand in what they have; one writes all that waits at once, so that each need not wait for the disk alone.
"""

import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self, TypeAlias

from attrs import frozen

from llmkit.bulk.ledger import Ledger, Place, Stored, Taken, opened_ledger
from llmkit.bulk.stored import error_data, from_text, prepare, response_data, response_of, to_text
from llmkit.checks import number
from llmkit.errors import ConfigurationError, LLMKitError
from llmkit.json_codec import to_utf8
from llmkit.response import Response

_MOST: Final = 1_000  # jobs that are written together, and places that wait for one
_RENEWALS: Final = 3  # of a claim in the time of a lease
_PATIENCE: Final = 1.0  # seconds after which a thread that waits looks whether somebody still writes


@frozen
class Answered:
    """The row was answered before.

    Attributes:
        response: The answer, as it came; without an output, which is to be fitted again.
    """

    response: Response[Any]


@frozen
class Claim:
    """The row is this run's to ask.

    Attributes:
        key: The hash of its content.
        occurrence: How many of the same content stood before it.
    """

    key: str
    occurrence: int


@frozen
class Busy:
    """Another process has the row in hand.

    Attributes:
        seconds: When that is over at the latest, unless the other renews it.
    """

    seconds: float


class Checkpoint:
    """A file of answers, open for one run. For many threads; not for a fork.

    Args:
        path: Where it is; made where there is none. Several processes of one machine may have it open.
        lease: Seconds after which a row that a process had in hand may be asked by another, if the process hangs. One
            that was killed is noticed at once, where the system tells (Linux, in one container).

    Raises:
        ConfigurationError: It is another kind of file, of a later version, or where SQLite can keep no write-ahead log.
    """

    def __init__(self, path: "str | os.PathLike[str]", *, lease: float = 60.0) -> None:
        found = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
        if not found or not isinstance(found, str) or "\0" in found:
            raise ConfigurationError(f"checkpoint: expected the path of a file, got {path!r:.80}")
        self._path: str = found
        self._pid = os.getpid()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        begun: Future[None] = Future()
        arguments = (self._path, number(0.1, 86_400)("lease", lease), self._jobs, begun)
        self._thread = threading.Thread(target=_write, args=arguments, name="llmkit-checkpoint", daemon=True)
        # Who forgets it ends its thread, too; no lock is taken for that.
        self._closed = weakref.finalize(self, self._jobs.put, None)
        self._closed.atexit = False
        self._thread.start()
        begun.result()
        prepare()

    def claim(self, key: str, occurrence: int, *, index: int, id: str | None, prompt: str) -> Answered | Claim | Busy:  # noqa: A002 - as in `Request`
        """What to do about a row: take its answer, ask, or come again later.

        Args:
            key: See `llmkit.bulk.keys.key_of`.
            occurrence: How many of the same key stood before it in this run.
            index: Where it stands in this run, for who reads the file.
            id: That of its `Request`.
            prompt: What people know it by; see `llmkit.bulk.keys.prompt_of`.

        Raises:
            ConfigurationError: The file is closed, or this is a fork; or a later version wrote the answer.
            OSError: The file cannot be written.
        """
        place = Place(key, occurrence, index, None if id is None else _storable(str(id)), _storable(prompt))
        found = self._done(_Job(partial(Ledger.claim, place=place), partial(Ledger.find, place=place)))
        if isinstance(found, Stored):
            return Answered(response_of(from_text(found.text)))
        return Busy(found.seconds) if isinstance(found, Taken) else Claim(key, occurrence)

    def answer(self, claim: Claim, response: Response[Any]) -> None:
        """Keep the answer to a row; it is on the disk when this returns. Its output is not kept.

        Raises:
            ConfigurationError: The file is closed, or this is a fork; or the answer holds what JSON cannot.
            OSError: The file cannot be written.
        """
        text = to_text(response_data(response))
        self._done(_Job(partial(Ledger.answer, key=claim.key, occurrence=claim.occurrence, text=text), durable=True))

    def fail(self, claim: Claim, error: LLMKitError) -> None:
        """Keep why a row has no answer, for who reads the file; the next run asks it again.

        Raises:
            ConfigurationError: The file is closed, or this is a fork.
            OSError: The file cannot be written.
        """
        text = to_text(error_data(error))
        self._done(_Job(partial(Ledger.fail, key=claim.key, occurrence=claim.occurrence, text=text), durable=True))

    def release(self, claim: Claim) -> None:
        """Let go of a row that was not asked; does not wait.

        Raises:
            ConfigurationError: The file is closed, or this is a fork.
        """
        self._put(_Job(partial(Ledger.release, key=claim.key, occurrence=claim.occurrence)))

    def finish(self) -> None:
        """Say that all rows of the run were met, to its end: so that rows which only former runs had are shown no more.

        They stay in the file, and are answered from it should they come back.

        Raises:
            ConfigurationError: The file is closed, or this is a fork.
            OSError: The file cannot be written.
        """
        self._done(_Job(Ledger.finish))

    def close(self) -> None:
        """Let go of all claims, and close the file. Nothing happens the second time, or in a fork."""
        if os.getpid() == self._pid:
            self._closed()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Checkpoint({self._path!r})"

    def _put(self, job: "_Job") -> None:
        if os.getpid() != self._pid:
            raise ConfigurationError(f"checkpoint: {self._path}: this is a fork: it has to open the file for itself")
        if not self._closed.alive:
            raise self._over()
        self._jobs.put(job)

    def _done(self, job: "_Job") -> Any:
        """What comes of a job, once it is written."""
        self._put(job)
        while True:
            try:
                return job.done.result(timeout=_PATIENCE)
            except TimeoutError:
                if not self._thread.is_alive() and not job.done.done():
                    raise self._over() from None
            except sqlite3.Error as error:
                failed = str(error)
                break
        raise OSError(f"checkpoint: {self._path}: {failed}")

    def _over(self) -> ConfigurationError:
        return ConfigurationError(f"checkpoint: {self._path}: it is closed")


def _storable(text: str) -> str:
    """`text` without halves of surrogate pairs, which SQLite cannot hold."""
    return to_utf8(text).decode()


# ---- the thread that writes ------------------------------------------------------------------------------------------

_Act: TypeAlias = Callable[[Ledger], Any]


class _Job:
    """Something to be written.

    Attributes:
        act: Done inside of a transaction.
        first: Done before, without one; where that finds something, it is all.
        durable: Whether the disk is waited for.
        done: What came of it.
    """

    __slots__ = ("act", "done", "durable", "first")

    def __init__(self, act: _Act, first: _Act | None = None, *, durable: bool = False) -> None:
        self.act = act
        self.first = first
        self.durable = durable
        self.done: Future[Any] = Future()


def _write(path: str, lease: float, jobs: "queue.SimpleQueue[_Job | None]", begun: "Future[None]") -> None:
    """Write what is asked for until None is. The connection belongs to this frame, so that no fork ever closes it."""
    try:
        ledger = opened_ledger(path, lease)
    except BaseException as error:  # noqa: BLE001 - told to who waits
        begun.set_exception(error)
        return
    begun.set_result(None)
    del begun
    renewed, more = time.monotonic(), True
    while more:
        due = renewed + lease / _RENEWALS
        waiting, more = _waiting(jobs, due)
        _commit(ledger, [job for job in waiting if not _found(ledger, job)])
        if time.monotonic() >= due or ledger.waits >= _MOST:
            _commit(ledger, [_Job(Ledger.renew)])
            renewed = time.monotonic()
    _commit(ledger, [_Job(Ledger.end)])
    ledger.close()


def _waiting(jobs: "queue.SimpleQueue[_Job | None]", due: float) -> tuple[list[_Job], bool]:
    """All that waits, one at least unless it takes too long; and whether more may come."""
    found: list[_Job] = []
    left = due - time.monotonic()
    with suppress(queue.Empty):
        while len(found) < _MOST:
            job = jobs.get(timeout=max(left, 0)) if not found else jobs.get_nowait()
            if job is None:
                return found, False
            found.append(job)
    return found, True


def _found(ledger: Ledger, job: _Job) -> bool:
    """Whether the job is done without being written."""
    try:
        found = None if job.first is None else job.first(ledger)
    except Exception as error:  # noqa: BLE001 - told to who waits
        job.done.set_exception(error)
        return True
    if found is not None:
        job.done.set_result(found)
    return found is not None


def _commit(ledger: Ledger, jobs: Sequence[_Job]) -> None:
    """Do jobs in one transaction; where that fails, each in one of its own, so that none suffers for another."""
    if not jobs:
        return
    try:
        with ledger.transaction(durable=any(job.durable for job in jobs)):
            results = [job.act(ledger) for job in jobs]
    except Exception as error:  # noqa: BLE001 - told to who waits
        if len(jobs) == 1:
            jobs[0].done.set_exception(error)
        else:
            for job in jobs:
                _commit(ledger, [job])
    else:
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
