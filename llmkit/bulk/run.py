"""Many prompts, some at a time: read as they are needed, asked in threads or by an executor, told of in their order.

One thread, the caller's, reads the prompts and hands out the results; what is asked runs in others. So nothing of the
caller's is touched by another thread: a cursor of a database is a good source of prompts.
"""

import contextlib
import contextvars
import queue
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from llmkit.bulk.result import Result
from llmkit.checks import choice, integer, wrong
from llmkit.errors import ConnectionFailedError, LLMKitError
from llmkit.messages import AssistantMessage, SystemMessage, UserMessage
from llmkit.output import output_form
from llmkit.request import Request
from llmkit.response import Response
from llmkit.switch import Switch
from llmkit.transport.failures import frameless

if TYPE_CHECKING:
    from llmkit.client import Client

_ONE = (Request, SystemMessage, UserMessage, AssistantMessage)
_MOST: Final = 10_000  # threads
AHEAD: Final = 2  # rows that have been read and are not answered, for each that may be asked at once
KEPT: Final = 32  # rows that have been read and not handed out, for each that may be asked at once


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
    """

    client: "Client"
    output_type: Any
    concurrency: int
    ordered: bool
    raises: bool
    executor: Executor | None


@frozen
class Row:
    """One prompt, counted from 0."""

    index: int
    prompt: Any

    def answered(self, response: Response[Any]) -> Result[Any]:
        """What came of it."""
        return Result(self.index, self._id, self.prompt, response)

    def failed(self, error: LLMKitError) -> Result[Any]:
        """What came of it."""
        return Result(self.index, self._id, self.prompt, None, frameless(error))

    @property
    def _id(self) -> str | None:
        return self.prompt.id if isinstance(self.prompt, Request) else None


def run(
    client: "Client",
    prompts: Iterable[Any],
    *,
    output_type: Any = None,
    concurrency: int = 8,
    ordered: bool = True,
    errors: str = "return",
    executor: Executor | None = None,
) -> Generator[Result[Any], None, None]:
    """As `Client.map`; `client` has the options.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    if not isinstance(prompts, Iterable) or isinstance(prompts, (str, bytes, bytearray, Mapping, *_ONE)):
        raise wrong("prompts", "an iterable of prompts (for one alone there is `complete`)", prompts)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise wrong("executor", "a concurrent.futures.Executor", executor)
    plan = Plan(
        client,
        output_type,
        concurrency=integer(1, _MOST)("concurrency", concurrency),
        ordered=choice(True, False)("ordered", ordered),  # noqa: FBT003 - the values themselves
        raises=choice("raise", "return")("errors", errors) == "raise",
        executor=executor,
    )
    if output_type is not None:
        output_form(output_type)  # to hear now that it cannot be one
    return results(plan, prompts)


def results(plan: Plan, prompts: Iterable[Any]) -> Generator[Result[Any], None, None]:
    """What comes of `prompts`, as it comes.

    Raises:
        LLMKitError: The first row's that failed, where errors are to be raised.
    """
    own = None if plan.executor is not None else ThreadPoolExecutor(plan.concurrency, "llmkit-map")
    run = _Run(plan, prompts, plan.executor or own)
    try:
        for result in run:
            if result.error is not None and plan.raises:
                raise result.error
            yield result
        if run.failed is not None:
            raise run.failed
    finally:
        run.stop()
        if own is not None:
            own.shutdown()


class _Run:
    """A run on its way; an iterator of its results.

    Attributes:
        failed: What kept the rest from being asked; to be raised once the results are handed out.
    """

    def __init__(self, plan: Plan, prompts: Iterable[Any], executor: Executor | None) -> None:
        assert executor is not None  # noqa: S101 - one of the two
        self._plan = plan
        self._rows: Iterator[Row] | None = (Row(*pair) for pair in enumerate(prompts))
        self._executor = executor
        self._switch = Switch()
        self._room = plan.concurrency * (AHEAD if plan.executor is None else 1)
        self._asked: set[Future[Response[Any]]] = set()
        self._done: queue.SimpleQueue[tuple[Row, Future[Response[Any]]]] = queue.SimpleQueue()
        self._ready: dict[int, Result[Any]] = {}
        self._next = 0  # the row to be handed out next, where the order matters
        self.failed: Exception | None = None

    def __iter__(self) -> Iterator[Result[Any]]:
        read = True  # since a result was handed out: the two take turns, so that neither waits for the other
        while True:
            self._take(wait=False)
            result = self._pop() if read or not self._may_read else None
            if result is not None:
                read = False
                yield result
            elif self._may_read:
                read = True
                self._read()
            elif self._asked:
                self._take(wait=True)
            else:
                return

    def stop(self) -> None:
        """Ask nothing more, and end what is being asked."""
        self._rows = None
        for future in [*self._asked]:
            future.cancel()
        self._switch.off()

    @property
    def _may_read(self) -> bool:
        kept = len(self._asked) + len(self._ready)
        return self._rows is not None and len(self._asked) < self._room and kept < self._plan.concurrency * KEPT

    def _read(self) -> None:
        """Read the next prompt and have it asked."""
        assert self._rows is not None  # noqa: S101 - see `_may_read`
        try:
            row = next(self._rows, None)
            if row is not None:
                self._ask(row)
        except Exception as error:  # noqa: BLE001 - of the caller's source or executor; what was asked comes first
            self.failed, row = error, None
        if row is None:
            self._rows = None

    def _ask(self, row: Row) -> None:
        plan = self._plan
        if plan.executor is None:
            # Each in a context of its own, as none can be entered twice.
            run = contextvars.copy_context().run
            future = self._executor.submit(run, _in_thread, plan, row.prompt, self._switch)
        else:
            future = self._executor.submit(anywhere, plan.client, row.prompt, plan.output_type)
        self._asked.add(future)
        future.add_done_callback(partial(self._finished, row))

    def _finished(self, row: Row, future: Future[Response[Any]]) -> None:
        self._done.put((row, future))

    def _take(self, *, wait: bool) -> None:
        """Take what has been answered; one at least, if it is to wait."""
        with contextlib.suppress(queue.Empty):
            while True:
                row, future = self._done.get(block=wait)
                self._asked.discard(future)
                self._ready[row.index] = self._outcome(row, future)
                wait = False

    def _outcome(self, row: Row, future: Future[Response[Any]]) -> Result[Any]:
        try:
            return row.answered(future.result())
        except LLMKitError as error:
            return row.failed(error)
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


def _in_thread(plan: Plan, prompt: Any, switch: Switch) -> Response[Any]:
    """Ask one row, in a thread of the run."""
    try:
        asking = plan.client._asking(prompt, plan.output_type, {})  # noqa: SLF001 - of its own
        return evolve(asking, switch=switch).complete()
    finally:
        switch.detach()


def anywhere(client: "Client", prompt: Any, output_type: Any) -> Response[Any]:
    """Ask one row, wherever an executor runs this."""
    return client.complete(prompt, output_type=output_type)
