"""Many prompts, some at a time: read as they are needed, asked in threads or by an executor, told of in their order.

One thread, the caller's, reads the prompts and hands out the results; what is asked runs in others. So nothing of the
caller's is touched by another thread: a cursor of a database is a good source of prompts.
"""

import contextlib
import contextvars
import os
import queue
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from llmkit.bulk.result import Result
from llmkit.errors import ConfigurationError, ConnectionFailedError, LLMKitError, StreamClosedError
from llmkit.request import Request
from llmkit.response import Response
from llmkit.switch import Switch
from llmkit.transport.failures import frameless

if TYPE_CHECKING:
    from llmkit.asking import Asking
    from llmkit.bulk.budget import Budget
    from llmkit.bulk.checkpoint import Claim
    from llmkit.bulk.elsewhere import Elsewhere
    from llmkit.bulk.kept import Entry, Kept
    from llmkit.bulk.progress import Bar
    from llmkit.client import Client

AHEAD: Final = 2  # rows that have been read and are not answered, for each that may be asked at once
KEPT: Final = 32  # rows that have been read and not handed out, for each that may be asked at once
LOOK: Final = 1.0  # seconds after which the thread that waits looks up: Ctrl-C may have come to another, or not wake it


@frozen
class Plan:
    """What a run was asked for, checked.

    Attributes:
        client: Who asks, with the options of each call.
        output_type: What answers are to be.
        concurrency: How many are asked at once.
        ordered: Whether results come in the order of the prompts.
        raises: Whether the first row that fails ends the run.
        executor: Where they are asked; None for threads of the run's own.
        kept: The file of its answers.
        budget: What it may cost.
        bar: What shows how far it is.
    """

    client: "Client"
    output_type: Any
    concurrency: int
    ordered: bool
    raises: bool
    executor: Executor | None
    kept: "Kept | None" = None
    budget: "Budget | None" = None
    bar: "Bar | None" = None


@frozen
class Row:
    """One prompt, counted from 0.

    Attributes:
        index: Which.
        prompt: What was given.
        asking: What it meant when it was read, as the caller may change it; None where an executor asks.
    """

    index: int
    prompt: Any
    asking: "Asking | None" = None

    def answered(self, response: Response[Any], seconds: float | None = None) -> Result[Any]:
        """What came of it."""
        return Result(self.index, self._id, self.prompt, response, None, seconds)

    def failed(self, error: LLMKitError, seconds: float | None = None) -> Result[Any]:
        """What came of it."""
        return Result(self.index, self._id, self.prompt, None, frameless(error), seconds)

    @property
    def _id(self) -> str | None:
        return self.prompt.id if isinstance(self.prompt, Request) else None


class Answering(Future[Response[Any]]):
    """The answer to a row on its way; its exception is the row's error. Cancelled where the row was not asked.

    Attributes:
        seconds: How long that took; None until it is known.
    """

    seconds: float | None = None


@frozen(eq=False)
class _Asked:
    """A row on its way.

    Attributes:
        row: Which.
        claim: What it is in the file.
        lost: Why its outcome could not be kept.
    """

    row: Row
    claim: "Claim | None"
    lost: list[Exception] = field(factory=list)


def results(plan: Plan, prompts: Iterable[Any]) -> Generator[Result[Any], None, None]:
    """What comes of `prompts`, as it comes.

    Raises:
        LLMKitError: The first row's that failed, where errors are to be raised.
    """
    with contextlib.ExitStack() as stack:
        if plan.bar is not None:
            stack.callback(plan.bar.close)
        if plan.kept is not None:
            stack.callback(plan.kept.checkpoint.close)
        going = _Run(plan, prompts, _executor(plan, stack))
        stack.callback(going.stop)
        for result in going:
            if result.error is not None and plan.raises:
                raise result.error
            yield result
        if going.failed is not None:
            raise going.failed
        if plan.kept is not None:
            plan.kept.checkpoint.finish()


class _Run:
    """A run on its way; an iterator of its results.

    Attributes:
        failed: What kept the rest from being asked; to be raised once the results are handed out.
    """

    def __init__(self, plan: Plan, prompts: Iterable[Any], executor: "ThreadPoolExecutor | Elsewhere") -> None:
        self._plan = plan
        self._rows: Iterator[Row] | None = (Row(*pair) for pair in enumerate(prompts))
        self._executor = executor
        self._switch = Switch()
        self._pid = os.getpid()
        # What is read ahead would cost money, too; and an executor has rows waiting by itself.
        alone = plan.executor is not None or plan.budget is not None
        self._room = _most(plan) * (1 if alone else AHEAD)
        self._asked: set[Answering] = set()
        self._done: queue.SimpleQueue[tuple[_Asked, Answering]] = queue.SimpleQueue()
        self._later: list[tuple[float, Row, Entry]] = []  # what another process has in hand
        self._ready: dict[int, Result[Any]] = {}
        self._next = 0  # the row to be handed out next, where the order matters
        self.failed: Exception | None = None

    def __iter__(self) -> Iterator[Result[Any]]:
        read = True  # since a result was handed out: the two take turns, so that neither waits for the other
        while True:
            if os.getpid() != self._pid:
                raise ConfigurationError("map: this is a fork of the process whose run it is: call map in it anew")
            self._take(0)
            result = self._pop() if read or not self._may_read else None
            if result is not None:
                read = False
                yield result
            elif self._may_read:
                read = True
                self._read()
            elif self._later:
                self._take(max(min(at for at, _, _ in self._later) - time.monotonic(), 0))
                self._look_again()
            elif self._asked:
                self._take(LOOK)
            elif self._ready:  # behind a row that was not asked any more
                self._next = min(self._ready)
            else:
                return

    def stop(self) -> None:
        """Ask nothing more. What is being asked ends; where there is a file, it is awaited and kept: it is paid for."""
        if os.getpid() != self._pid:  # what is being asked is the parent's
            return
        self._rows = None
        try:
            self._switch.last()
            going = {*self._asked}
            if isinstance(self._executor, ThreadPoolExecutor):
                # `wait` would wait for what was cancelled, too, until a thread has seen that; perhaps none ever does.
                going = {future for future in going if not future.cancel()}
            else:
                self._executor.stop(going, keep=self._plan.kept is not None)
            while self._plan.kept is not None and wait(going, LOOK).not_done:
                pass
        finally:
            self._switch.off()

    @property
    def _may_read(self) -> bool:
        kept = len(self._asked) + len(self._ready) + len(self._later)
        return self._rows is not None and len(self._asked) < self._room and kept < self._plan.concurrency * KEPT

    def _read(self) -> None:
        """Read the next prompt and have it asked."""
        assert self._rows is not None  # noqa: S101 - see `_may_read`
        try:
            row = next(self._rows, None)
            if row is not None:
                self._begin(row)
        except Exception as error:  # noqa: BLE001 - of the caller's source or executor; what was asked comes first
            self.failed, row = self.failed or error, None
        if row is None:
            self._rows = None

    def _begin(self, row: Row) -> None:
        """Have a row asked, unless its answer is there."""
        plan, entry = self._plan, None
        try:
            if plan.executor is None or plan.kept is not None:
                row = evolve(row, asking=plan.client._asking(row.prompt, plan.output_type, {}))  # noqa: SLF001 - of its own
            if plan.kept is not None and row.asking is not None:
                entry = plan.kept.entry(row.index, row.prompt, row.asking)
        except LLMKitError as error:
            self._outcome(row.failed(error))
            return
        if entry is None:
            self._ask(row, None)
        else:
            self._look(row, entry)

    def _look(self, row: Row, entry: "Entry") -> None:
        from llmkit.bulk.kept import Later  # noqa: PLC0415 - with sqlite3

        assert self._plan.kept is not None  # noqa: S101 - it gave the entry
        try:
            found = self._plan.kept.look(entry)
        except LLMKitError as error:
            self._outcome(row.failed(error))
            return
        if isinstance(found, Later):
            self._later.append((found.at, row, entry))
        elif isinstance(found, Response):
            self._outcome(row.answered(found))
        else:
            self._ask(row, found)

    def _look_again(self) -> None:
        """Look what became of rows that another process had in hand."""
        now = time.monotonic()
        due = [item for item in self._later if item[0] <= now]
        self._later = [item for item in self._later if item[0] > now]
        try:
            for _, row, entry in due:
                self._look(row, entry)
        except Exception as error:  # noqa: BLE001 - of the file, say; what is being asked comes first
            self._end(error)

    def _ask(self, row: Row, claim: "Claim | None") -> None:
        try:
            if self._plan.budget is not None:
                self._plan.budget.admit(row.prompt)
            self._submit(row, partial(self._finished, _Asked(row, claim)))
        except Exception:
            if claim is not None and self._plan.kept is not None:
                self._plan.kept.checkpoint.release(claim)
            raise

    def _submit(self, row: Row, done: Callable[[Any], None]) -> None:
        if not isinstance(self._executor, ThreadPoolExecutor):
            sent = self._executor.submit(row.prompt, self._plan.output_type)
            self._asked.add(sent)
            sent.add_done_callback(done)
            return
        assert row.asking is not None  # noqa: S101 - see `_begin`
        # Known before a thread can have it: where Ctrl-C comes between, its answer is awaited and kept all the same.
        future = Answering()
        future.add_done_callback(done)
        self._asked.add(future)
        try:
            # Each in a context of its own, as none can be entered twice.
            self._executor.submit(contextvars.copy_context().run, _in_thread, future, row.asking, self._switch)
        except Exception:
            self._asked.discard(future)
            future.cancel()
            raise

    def _finished(self, asked: _Asked, future: Answering) -> None:
        """Keep the outcome at once, in the thread that has it: what is paid for must not wait for who reads results."""
        try:
            if asked.claim is not None:
                self._keep(asked.claim, future)
        except Exception as error:  # noqa: BLE001 - told in the thread that reads the results
            asked.lost.append(error)
        self._done.put((asked, future))

    def _keep(self, claim: "Claim", future: Answering) -> None:
        assert self._plan.kept is not None  # noqa: S101 - it gave the claim
        file = self._plan.kept.checkpoint
        error = None if future.cancelled() else future.exception()
        unasked = future.cancelled() or isinstance(error, StreamClosedError)  # or ended by `stop`
        if unasked or not isinstance(error, LLMKitError | None):
            file.release(claim)
        elif error is not None:
            file.fail(claim, error)
        else:
            file.answer(claim, future.result())

    def _take(self, seconds: float) -> None:
        """Take what has been answered; wait for the first of it for so many seconds."""
        with contextlib.suppress(queue.Empty):
            while True:
                asked, future = self._done.get(block=seconds != 0, timeout=seconds)
                seconds = 0
                if future not in self._asked:  # no thread could be had for it
                    continue
                self._asked.discard(future)
                if asked.lost:
                    self._end(asked.lost[0])
                result = self._result(asked.row, future)
                if self._plan.budget is not None and (over := self._plan.budget.spend(result)) is not None:
                    self._end(over)
                self._outcome(result)

    def _end(self, error: Exception) -> None:
        """Ask nothing more, because of `error`."""
        self.failed = self.failed or error
        self._rows = None
        self._later.clear()

    def _outcome(self, result: Result[Any]) -> None:
        self._ready[result.index] = result
        if self._plan.bar is not None:
            self._plan.bar.add(result)

    def _result(self, row: Row, future: Answering) -> Result[Any]:
        try:
            return row.answered(future.result(), future.seconds)
        except LLMKitError as error:
            return row.failed(error, future.seconds)
        except Exception as error:
            if self._plan.executor is None:
                raise  # a fault of llmkit's, or of code that it was given
            lost = ConnectionFailedError(f"the executor gave no answer ({type(error).__name__}: {error})")
            lost.__cause__ = error
            return row.failed(lost)

    def _pop(self) -> Result[Any] | None:
        """The next result that may be handed out."""
        if not self._plan.ordered:
            return self._ready.pop(next(iter(self._ready))) if self._ready else None
        found = self._ready.pop(self._next, None)
        self._next += found is not None
        return found


def _executor(plan: Plan, stack: contextlib.ExitStack) -> "ThreadPoolExecutor | Elsewhere":
    """Where rows are asked: in threads that end with the run, or where the caller says."""
    if plan.executor is None:
        return stack.enter_context(ThreadPoolExecutor(plan.concurrency, "llmkit-map"))
    from llmkit.bulk.elsewhere import elsewhere  # noqa: PLC0415 - with pickles

    return elsewhere(plan.executor, plan.client)


def _most(plan: Plan) -> int:
    """How many are asked at once: processes do not know how many others ask."""
    limit = plan.client._settings.rate_limit  # noqa: SLF001 - of its own
    if plan.executor is None or limit is None or limit.concurrent is None:
        return plan.concurrency
    return min(plan.concurrency, limit.concurrent)


def _in_thread(future: Answering, asking: "Asking", switch: Switch) -> None:
    """Ask one row, in a thread of the run."""
    if not future.set_running_or_notify_cancel():
        return
    begun = time.monotonic()
    try:
        response = asking.begin(switch)
    except BaseException as error:  # noqa: BLE001 - the future's
        future.seconds = time.monotonic() - begun
        future.set_exception(error)
    else:
        future.seconds = time.monotonic() - begun
        future.set_result(response)
    finally:
        switch.detach()
