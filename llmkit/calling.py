"""Running the tools that a model calls: bound strictly, in threads where there are several; failures are results."""

import contextvars
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, Final, TypeAlias

from attrs import evolve, frozen

from llmkit.errors import ConfigurationError, StreamClosedError
from llmkit.messages import PARTS, ToolCall, ToolResult
from llmkit.tools import Tool

AT_ONCE: Final = 8
"""How many tools of one turn run at the same time."""

_Done: TypeAlias = "SimpleQueue[tuple[int, ToolResult | BaseException] | None]"


@frozen
class Job:
    """A call, and the function that answers it, bound to the call's arguments.

    Attributes:
        call: What the model asks for.
        run: Takes no arguments.
        timeout: Seconds; None for no limit.
    """

    call: ToolCall
    run: Callable[[], object]
    timeout: float | None = None

    def result(self) -> ToolResult:
        """What the function returns, or that it failed."""
        try:
            value = self.run()
        except Exception as error:  # noqa: BLE001 - whatever the function raises is told to the model
            return self.call.result(error, is_error=True)
        return written(self.call, value)


def job(call: ToolCall, tool: Tool[..., Any]) -> Job | ToolResult:
    """The run of a call, or what is wrong with its arguments, as a result that tells the model."""
    from llmkit.schema import Misfit  # noqa: PLC0415 - with cattrs

    if call.raw is not None:
        return failed(call, f"the arguments are no JSON object: {call.raw[:200]}")
    try:
        return Job(call, tool.bind(call.arguments), tool.timeout)
    except Misfit as misfit:
        return failed(call, f"the arguments do not fit: {misfit}")


def failed(call: ToolCall, problem: str) -> ToolResult:
    """A result that tells the model what went wrong."""
    return call.result(problem, is_error=True)


def written(call: ToolCall, value: object) -> ToolResult:
    """What a function returned, as the result of `call`."""
    from llmkit.schema import unstructure  # noqa: PLC0415 - with cattrs

    if isinstance(value, ToolResult):
        return evolve(value, call_id=call.id, name=call.name)
    if isinstance(value, BaseException):
        return call.result(value, is_error=True)
    holds_parts = isinstance(value, (list, tuple)) and any(isinstance(item, PARTS) for item in value)
    try:
        return call.result(value if holds_parts or isinstance(value, (str, *PARTS)) else unstructure(value))
    except ConfigurationError as error:
        return failed(call, f"the tool returned what cannot be sent: {error}")


class Crew:
    """Runs jobs in threads of their own; `stop` ends the waiting from any thread.

    The threads are daemons: a function that never returns must not keep the interpreter from its end.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._done: _Done = SimpleQueue()

    def stop(self) -> None:
        """Let who waits go, now or later, with `StreamClosedError`; what runs is left to itself."""
        self._stopped = True
        self._done.put(None)

    def results(self, jobs: Sequence[Job]) -> list[ToolResult]:
        """The results of all, in their order.

        Raises:
            StreamClosedError: `stop` was called.
        """
        # One of their own: what was given up in an earlier turn may still answer, and is not asked any more.
        done: _Done = SimpleQueue()
        self._done = done
        waiting = deque(enumerate(jobs))
        limits: dict[int, float | None] = {}  # of those that run: when their time is up
        found: dict[int, ToolResult] = {}
        while len(found) < len(jobs):
            if self._stopped:
                raise StreamClosedError("the stream was closed while tools were running")
            while waiting and len(limits) < AT_ONCE:
                index, one = waiting.popleft()
                limits[index] = None if one.timeout is None else monotonic() + one.timeout
                _start(index, one, done)
            told = _next(done, limits)
            if told is None:
                late = [index for index, limit in limits.items() if limit is not None and limit <= monotonic()]
                found |= {index: _late(jobs[index]) for index in late}
            elif told[0] in limits:
                found[told[0]] = _returned(told[1])
            limits = {index: limit for index, limit in limits.items() if index not in found}
        return [found[index] for index in range(len(jobs))]


def _start(index: int, one: Job, done: _Done) -> None:
    context = contextvars.copy_context()
    threading.Thread(
        target=context.run, args=(_work, index, one, done), name=f"llmkit-{one.call.name}", daemon=True
    ).start()


def _work(index: int, one: Job, done: _Done) -> None:
    found: ToolResult | BaseException
    try:
        found = one.result()
    except BaseException as error:  # noqa: BLE001 - SystemExit, say: raised where the results are waited for
        found = error
    _leave_databases()
    done.put((index, found))


def _next(done: _Done, limits: dict[int, float | None]) -> tuple[int, ToolResult | BaseException] | None:
    """Wait for the next result; None where a time is up, or the waiting was ended."""
    soonest = min((limit for limit in limits.values() if limit is not None), default=None)
    try:
        return done.get(timeout=None if soonest is None else max(0.0, soonest - monotonic()))
    except Empty:
        return None


def _returned(found: ToolResult | BaseException) -> ToolResult:
    if isinstance(found, BaseException):
        raise found
    return found


def _late(one: Job) -> ToolResult:
    return failed(one.call, f"TimeoutError: the tool did not answer within {one.timeout:g} s")


def _leave_databases() -> None:
    """Close what the thread has opened by Django, which closes connections only where a request ends."""
    database: Any = sys.modules.get("django.db")
    # Whatever it raises, the result is there: Django may be imported and not configured, or the database gone.
    with suppress(Exception):
        if database is not None:
            database.connections.close_all()


def run_all(jobs: Sequence[Job], crew: Crew | None = None) -> list[ToolResult]:
    """The results of all jobs, in their order; one alone without a time limit runs right here, if there is no crew."""
    if crew is None and len(jobs) == 1 and jobs[0].timeout is None:
        return [jobs[0].result()]
    return (crew or Crew()).results(jobs) if jobs else []
