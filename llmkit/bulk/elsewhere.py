"""Rows that an executor asks: in threads of the caller's own, in other processes, on the machines of a cluster.

The client is pickled once a run, without its connections, and made again once a process, so that these live on from
row to row. An error comes back as a value, so that no executor tells of it, or tries the row again, by itself.
"""

import pickle
import time
import uuid
from collections.abc import Collection
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from llmkit.bulk.run import Answering
from llmkit.errors import ConfigurationError, LLMKitError
from llmkit.response import Response
from llmkit.switch import Switch

if TYPE_CHECKING:
    from llmkit.client import Client
    from llmkit.limits import RateLimit

CLIENTS: Final = 8  # that a process keeps
_RUNS: Final = 1_000  # of which a process knows that they are over
_LOOK: Final = 10.0  # seconds after which a cluster is asked again how many its workers are


# ---- there -----------------------------------------------------------------------------------------------------------


class _Run:
    """A run, as a process that asks rows of it knows it."""

    def __init__(self) -> None:
        self.switch = Switch()
        self.over = False


_clients: "dict[bytes, Client]" = {}
_runs: dict[str, _Run] = {}


@frozen(eq=False)
class Luggage:
    """A client that goes along with a row.

    Attributes:
        client: Itself, in its own process.
        packed: Its pickle; None where none is needed, or where that is left to the executor.
    """

    client: "Client" = field(repr=False)
    packed: bytes | None = field(default=None, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Luggage, (self.client,)) if self.packed is None else (Unopened, (self.packed,))


@frozen(eq=False)
class Unopened:
    """A `Luggage` that has arrived. It is opened where its errors are the row's: in a pool, they would end a worker.

    Attributes:
        packed: The pickle of a client.
    """

    packed: bytes = field(repr=False)

    @property
    def client(self) -> "Client":
        """The client, the same for all rows of a run and for all runs of it."""
        found = _clients.get(self.packed)
        if found is None:  # two threads may make one each, and both use the first
            found = _clients.setdefault(self.packed, pickle.loads(self.packed))  # noqa: S301 - the caller's own
            _bound(_clients, CLIENTS)
        return found


@frozen
class Told:
    """What came of a row there.

    Attributes:
        found: The answer, or the row's error.
        seconds: How long it took to ask.
    """

    found: Response[Any] | LLMKitError
    seconds: float


def anywhere(luggage: Luggage | Unopened, prompt: Any, output_type: Any, run: str) -> Told | None:
    """Ask one row, wherever an executor runs this; None where the run is over."""
    here = _run(run)
    if here.over:
        return None
    begun = time.monotonic()
    found: Response[Any] | LLMKitError
    try:
        asking = luggage.client._asking(prompt, output_type, {})  # noqa: SLF001 - of its own
        found = evolve(asking, switch=here.switch).complete()
    except LLMKitError as error:
        found = error
    finally:
        here.switch.detach()
    return Told(found, time.monotonic() - begun)


def end(run: str, *, abort: bool) -> None:
    """Begin no row of a run in this process any more; with `abort`, end those that are being asked."""
    here = _run(run)
    here.over = True
    if abort:
        here.switch.off()


def _run(name: str) -> _Run:
    found = _runs.get(name)
    if found is None:
        found = _runs.setdefault(name, _Run())
        _bound(_runs, _RUNS)
    return found


def _bound(kept: dict[Any, Any], most: int) -> None:
    """Forget the oldest. Without a lock, which a fork might find taken."""
    for name in [*kept][:-most]:
        kept.pop(name, None)


# ---- here ------------------------------------------------------------------------------------------------------------


class Sent(Answering):
    """An answer that an executor is asked for.

    Attributes:
        sent: The executor's own future; None once it is done, as the two would keep each other alive.
    """

    def __init__(self, sent: Any) -> None:
        super().__init__()
        self.sent = sent

    def cancel(self) -> bool:
        """Keep it from being asked, if that has not begun; whether it is cancelled."""
        sent = self.sent
        return self.cancelled() if sent is None else bool(sent.cancel())

    def arrived(self, sent: "Future[Any]") -> None:
        """The executor's future is done."""
        self.tell(None if sent.cancelled() else sent.exception() or sent.result())

    def tell(self, told: Told | BaseException | None) -> None:
        """What came of it; None for nothing."""
        self.sent = None
        found: Response[Any] | BaseException | None
        if isinstance(told, Told):
            found, self.seconds = told.found, told.seconds
        else:
            found = told
        if found is None:
            super().cancel()
            self.set_running_or_notify_cancel()
        elif isinstance(found, BaseException):
            self.set_exception(found)
        else:
            self.set_result(found)


class Elsewhere:
    """An executor, as a run uses it.

    Args:
        executor: Of the caller's.
        client: Who asks.

    Raises:
        ConfigurationError: The client's rate limit cannot be divided among so many.
    """

    def __init__(self, executor: Executor, client: "Client") -> None:
        self._executor = executor
        self._client = client
        self._name = uuid.uuid4().hex
        self._luggage = self._pack()

    def submit(self, prompt: Any, output_type: Any) -> Sent:
        """Have a row asked."""
        sent = self._executor.submit(anywhere, self._luggage, prompt, output_type, self._name)
        answering = Sent(sent)
        sent.add_done_callback(answering.arrived)
        return answering

    def stop(self, asked: "Collection[Answering]", *, keep: bool) -> None:
        """Have no row of the run begun any more; end what is being asked, unless it is to be kept."""
        end(self._name, abort=not keep)
        for future in asked:
            future.cancel()

    def _pack(self) -> Luggage:
        if isinstance(self._executor, ThreadPoolExecutor):
            return Luggage(self._client)
        divided = _divided(self._client, self._workers())
        try:
            return Luggage(self._client, pickle.dumps(divided))
        except Exception:  # noqa: BLE001 - a caller's own objects may raise anything; so may a pickler that is not ours
            return Luggage(self._client)

    def _workers(self) -> int:
        """How many processes ask."""
        return getattr(self._executor, "_max_workers", 1)


class Cluster(Elsewhere):
    """The executor of a client of Dask, which is asked itself.

    The executor's futures take an answer for a failure where its worker is lost just when it has arrived.
    """

    def __init__(self, executor: Any, client: "Client") -> None:
        self._dask = executor._client  # noqa: SLF001 - there is no other way to it
        self._wishes = {**executor._kwargs, "pure": False}  # noqa: SLF001 - rows that are the same are each asked
        super().__init__(executor, client)

    def submit(self, prompt: Any, output_type: Any) -> Sent:
        """Have a row asked."""
        if time.monotonic() > self._look_again:
            self._luggage = self._pack()
        sent = self._dask.submit(anywhere, self._luggage, prompt, output_type, self._name, **self._wishes)
        answering = Sent(sent)
        self._dask.loop.add_callback(_brought, sent, answering)
        return answering

    def stop(self, asked: "Collection[Answering]", *, keep: bool) -> None:
        """Tell all workers. Dask would cancel also what is being asked, so what is to be kept is left to them."""
        if not asked:
            return
        with suppress(Exception):  # where the cluster is gone, its futures tell
            if not keep:
                self._dask.cancel([sent for future in asked if (sent := getattr(future, "sent", None)) is not None])
            self._dask.run(end, self._name, abort=not keep, on_error="ignore")

    def _pack(self) -> Luggage:
        from cloudpickle import dumps  # type: ignore[import-untyped]  # noqa: PLC0415 - Dask's own

        self._look_again = time.monotonic() + _LOOK
        return Luggage(self._client, dumps(_divided(self._client, self._workers())))

    def _workers(self) -> int:
        """How many processes ask; the workers of this one, if any, are threads of it."""
        addresses = self._dask.nthreads()
        return len({each.rpartition("/")[0] if each.startswith("inproc:") else each for each in addresses})


async def _brought(sent: Any, answering: Sent) -> None:
    """Bring what comes of a row from the cluster."""
    found = None
    try:
        with suppress(CancelledError):
            found = await sent
    except Exception as error:  # noqa: BLE001 - whatever ended the worker
        found = error
    finally:
        answering.tell(found)


def elsewhere(executor: Executor, client: "Client") -> Elsewhere:
    """`executor` as a run uses it."""
    dask = type(executor).__module__.partition(".")[0] == "distributed"
    return (Cluster if dask else Elsewhere)(executor, client)


def _divided(client: "Client", workers: int) -> "Client":
    """The client as each of them has it. Calls at once are no matter: the run has no more rows out."""
    return client._each(lambda member: _share(member, workers))  # noqa: SLF001 - of its own


def _share(client: "Client", workers: int) -> "Client":
    limit: RateLimit | None = client._settings.rate_limit  # noqa: SLF001 - of its own
    if limit is None or workers <= 1:
        return client
    requests = _part(limit.requests_per_minute, workers, "requests_per_minute")
    tokens = _part(limit.tokens_per_minute, workers, "tokens_per_minute")
    return client.with_options(rate_limit=type(limit)(requests, tokens, limit.concurrent))


def _part(number: int | None, workers: int, name: str) -> int | None:
    if number is not None and number < workers:
        raise ConfigurationError(f"rate_limit: {name}={number} cannot be divided among {workers} workers")
    return None if number is None else number // workers
