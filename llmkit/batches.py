"""The providers' own batches: many requests at once, for less, answered within a day."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, Unpack

from attrs import evolve

from llmkit import taps
from llmkit.batch import Batch
from llmkit.batch_results import Asked, BatchResults
from llmkit.checks import strings, time_limit, wrong
from llmkit.deadlines import Deadlines, Timeout
from llmkit.engine import Fetched
from llmkit.errors import (
    APIError,
    ConfigurationError,
    InvalidResponseError,
    LLMKitError,
    NotFoundError,
    OverloadedError,
)
from llmkit.jsonl import Lines
from llmkit.messages import AssistantMessage, SystemMessage, UserMessage
from llmkit.observing import Unwatched, watch
from llmkit.provider_errors import event_failure
from llmkit.request import EndpointOptions, Prompt, Request
from llmkit.retry import LONGEST_WAIT, retry_after
from llmkit.settings import quirks_of
from llmkit.switch import Switch
from llmkit.transport.exchange import Exchange
from llmkit.wire.base import Call
from llmkit.wire.batches import BatchDraft, BatchItem, BatchWire, Steps

if TYPE_CHECKING:
    from llmkit.client import Client

T = TypeVar("T")
Progress = Callable[[Batch], object]

_ONE: Final = (str, bytes, bytearray, Mapping, Request, SystemMessage, UserMessage, AssistantMessage)
_MOST_STEPS: Final = 1000  # of one call: a list that always has another page does not keep us for ever
_FIRST_PAUSE, _SLOWER = 1.0, 1.5  # seconds between the first two looks at a batch, and how they grow
_MOST_FAILURES: Final = 10  # looks in a row that `wait` forgives


class _Reach(Switch):
    """Knows how far the last try of a call came."""

    _exchange: Exchange | None = None

    def attach(self, exchange: Exchange) -> None:
        """Another try."""
        super().attach(exchange)
        self._exchange = exchange

    @property
    def sent(self) -> bool:
        """Whether the host may have all of the request."""
        exchange = self._exchange
        return exchange is not None and exchange.stage not in ("connect", "tunnel", "tls") and not exchange.unsent


class Batches:
    """The batches of a client's provider; `Client.batches` is one.

    Every method takes `timeout`, `extra_headers` and `extra_query`, and `create` an `extra_body`.
    """

    def __init__(self, client: "Client") -> None:
        """Made by `Client.batches`."""
        self._client = client

    def create(
        self,
        requests: Iterable[Prompt],
        *,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[EndpointOptions],
    ) -> Batch:
        """Hand in many requests, once: an error says where that may have been done although no answer came.

        Args:
            requests: `Request`s, or anything else that `Client.complete` takes. The results are told by their ids;
                those without one are ``request-0``, ``request-1`` and so on, by their place. What would be sent beside
                a request's body has no place here, and what would be done with its answer is not done: it is not asked
                for again if it does not fit.
            metadata: Passed to the provider with the batch, where it has a place for it.
            **options: Of the call that creates it.

        Raises:
            ConfigurationError: A request is wrong, two have the same id, or the provider has no batches.
            LLMKitError: As `Client.complete`.
        """
        wire, asked = self._wire(), self._asked(options, bodied=True)
        about = strings("metadata", metadata or {})
        items = [self._item(index, id_, prompt, asked) for id_, (index, prompt) in _by_id(requests).items()]
        if not items:
            raise ConfigurationError("requests: there is none")
        headers: Mapping[str, str] = {}
        for item in items:
            headers = self._client._engine.merged(headers, item.call.headers) if item.call.headers else headers  # noqa: SLF001
        draft = BatchDraft(items, headers, about, asked.body)
        return self._batch("create", wire.create(draft, self._client._refuse), asked)  # noqa: SLF001

    def get(self, batch: Batch | str, **options: Unpack[EndpointOptions]) -> Batch:
        """How a batch is now.

        Args:
            batch: It, as it was, or its id.
            **options: Of the call.

        Raises:
            NotFoundError: There is no such batch.
            LLMKitError: As `Client.complete`.
        """
        return self._batch("get", self._wire().get(_id_of(batch)), self._asked(options))

    def list(self, **options: Unpack[EndpointOptions]) -> "list[Batch]":
        """All batches that the provider remembers, newest first.

        Raises:
            LLMKitError: As `Client.complete`.
        """
        found, _ = self._run("list", self._wire().listed(), self._asked(options))
        return [self._named(batch) for batch in found]

    def cancel(self, batch: Batch | str, **options: Unpack[EndpointOptions]) -> Batch:
        """Let no more requests of a batch be answered; it may run for a while until it is ``cancelled``.

        Args:
            batch: It, as it was, or its id.
            **options: Of the call.

        Raises:
            LLMKitError: As `Client.complete`.
        """
        return self._batch("cancel", self._wire().cancel(_id_of(batch)), self._asked(options))

    def wait(
        self, batch: Batch | str, *, progress: bool | Progress = False, **options: Unpack[EndpointOptions]
    ) -> Batch:
        """The batch, once it runs no more; by its id from any process.

        It is looked at more and more seldom, at least once a minute, or when the provider says. A few looks may fail.

        Args:
            batch: It, as it was, or its id.
            progress: True shows a bar, which is tqdm's (``pip install 'llmkit[progress]'``); or a function that is told
                how the batch is, after each look.
            **options: Of each look; but `timeout` is how many seconds to wait in all, None for ever.

        Raises:
            DeadlineError: It still runs; wait again.
            LLMKitError: As `Client.complete`.
        """
        if progress is not True:
            if progress and not callable(progress):
                raise wrong("progress", "True, or a function of the batch", progress)
            return self._wait(batch, progress or (lambda _: None), options)
        from llmkit.bulk.progress import BatchBar  # noqa: PLC0415 - few show it

        with closing(BatchBar()) as bar:
            return self._wait(batch, bar.show, options)

    def _wait(self, batch: Batch | str, tell: Progress, options: EndpointOptions) -> Batch:
        limit = time_limit("timeout", options.pop("timeout", None))
        until = Deadlines(limit.total if isinstance(limit, Timeout) else limit)
        wire, asked, id_ = self._wire(), self._asked(options), _id_of(batch)
        pause, failures = _FIRST_PAUSE, 0
        while True:
            try:
                found, headers = self._run("get", wire.get(id_), asked, until if until.bounded else None)
            except LLMKitError as error:
                failures += 1
                if not error.retryable or failures > _MOST_FAILURES:
                    raise
                hint = error.retry_after
            else:
                failures, found = 0, self._named(found)
                tell(found)
                if found.status != "running":
                    return found
                hint = retry_after(headers)
            seconds = min(hint or pause, LONGEST_WAIT, self._left(until, asked))
            time.sleep(0 if taps.answered else seconds)
            pause *= _SLOWER

    def results(
        self, batch: Batch | str, requests: Iterable[Prompt] = (), **options: Unpack[EndpointOptions]
    ) -> BatchResults:
        """What came of a batch's requests, one at a time as it is read, in the provider's order.

        Args:
            batch: It, or its id.
            requests: What `create` was given. Then each result has its `index` and `prompt`, its answer is an
                `output_type` where the request has one, and requests that the provider says nothing of have an error,
                at the end. Else `index` counts the results.
            **options: Of the calls.

        Raises:
            NotFoundError: The batch still runs; `wait` for it.
            APIError: The whole batch failed.
            LLMKitError: As `Client.complete`.
        """
        wire, asked, known = self._wire(), self._asked(options), _by_id(requests)
        if isinstance(batch, str) or batch.status == "running":
            batch = self._batch("get", wire.get(_id_of(batch)), asked)
        failed: APIError | None = None
        found = wire.results(batch)
        if batch.status == "running":
            words = f"the batch {batch.id} still runs, and has no results yet: wait for it by batches.wait"
            failed = NotFoundError(words, status=404, retryable=True)
        elif found.failure is not None:
            failed = event_failure(self._client._engine.wire, found.failure, {})  # noqa: SLF001
        if failed is not None:
            self._raise(failed, asked)
        sources = [found.rows, *map(self._lines(asked), found.files)]
        return BatchResults(self._client, sources, wire.row, known, asked, batch.status, ordered=found.ordered)

    def _lines(self, asked: Asked) -> Callable[[Call], Lines]:
        client = self._client
        deadlines, retries = Deadlines(asked.timeout), client._settings.max_retries  # noqa: SLF001
        return lambda call: Lines(client._engine, _with_query(call, asked), asked.headers, deadlines, retries)  # noqa: SLF001

    def _wire(self) -> BatchWire:
        engine = self._client._engine  # noqa: SLF001
        made = engine.wire.batches
        if made is None or not self._client._quirks.batches:  # noqa: SLF001
            from llmkit.rows import rows  # noqa: PLC0415 - only needed to fail

            have = ", ".join(row.name for row in rows() if quirks_of(row).batches)
            raise ConfigurationError(f"batches: {engine.row.name} has none that llmkit knows of; these have: {have}")
        return made()

    def _asked(self, options: EndpointOptions, *, bodied: bool = False) -> Asked:
        with_body = bool(options.get("extra_body"))
        found, headers = self._client._endpoint(options)  # noqa: SLF001
        if with_body and not bodied:
            self._client._refuse("extra_body", "of batches only their creation has a body")  # noqa: SLF001
        # Of what the client has for all calls, an `extra_body` is for the requests.
        return Asked(found["timeout"], headers, found["extra_query"], found["extra_body"] if with_body else {})

    def _item(self, index: int, id_: str, prompt: Any, asked: Asked) -> BatchItem:
        try:
            asking = self._client._asking(prompt, None, {})  # noqa: SLF001
            request = asking.request
            if request.extra_query and request.extra_query != asked.query:
                asking.refuse("extra_query", "a request in a batch has no address; pass it to create")
            if any(asked.headers.get(name) != value for name, value in asking.headers.items()):
                asking.refuse("extra_headers", "a request in a batch has no headers; pass them to create")
            return BatchItem(id_, request.model, asking.wire.encode(request, asking.quirks, asking.refuse, False))  # noqa: FBT003
        except ConfigurationError as error:
            error.args = (f"requests[{index}].{error}",)
            raise

    def _batch(self, what: str, steps: Steps[Batch], asked: Asked) -> Batch:
        return self._named(self._run(what, steps, asked)[0])

    def _named(self, batch: Batch) -> Batch:
        return evolve(batch, provider=self._client._engine.row.name)  # noqa: SLF001

    def _run(
        self, what: str, steps: Steps[T], asked: Asked, deadlines: Deadlines | None = None
    ) -> tuple[T, Mapping[str, str]]:
        """What the calls of `steps` come to, and the headers of the last answer; `what` is the method."""
        limits = Deadlines(asked.timeout) if deadlines is None else deadlines

        def told(body: Any) -> tuple[Call | None, Any]:
            try:
                return steps.send(body), None
            except StopIteration as done:
                return None, done.value

        with watch(self._client._engine, f"batches.{what}", None, asked.headers, asked.query) as watched:  # noqa: SLF001
            try:
                call, value = told(None)
                headers: Mapping[str, str] = {}
                for _ in range(_MOST_STEPS):
                    if call is None:
                        return value, headers
                    fetch = self._fetch_once if call.once else self._client._fetch  # noqa: SLF001
                    fetched = fetch(_with_query(call, asked), asked.headers, limits, told, watched)
                    call, value = fetched.value
                    headers = fetched.answer.headers
                raise InvalidResponseError(f"the list of batches has no end: after {_MOST_STEPS} pages it goes on")
            except LLMKitError as error:
                self._raise(error, asked)

    def _fetch_once(
        self,
        call: Call,
        headers: Mapping[str, str],
        deadlines: Deadlines,
        decode: Callable[[Any], T],
        watched: Unwatched,
    ) -> Fetched[T]:
        """As for any call, but that it is tried again only where it has not been carried out, for sure."""
        engine, retries = self._client._engine, self._client._settings.max_retries  # noqa: SLF001

        def once() -> Fetched[T]:
            reach = _Reach()
            try:
                return engine.fetch(call, headers, deadlines, 0, decode, reach)
            except LLMKitError as error:
                if error.retryable and reach.sent and _is_open(error):
                    error.retryable = False
                    error.args = (f"{error}; the batch may have been created: see whether batches.list() has it",)
                raise

        attempts = engine.attempts(deadlines, retries, told=watched.retried)
        found = attempts.begin(once)
        watched.fetched(attempts.made, found.answer.headers)
        return found

    def _left(self, until: Deadlines, asked: Asked) -> float:
        try:
            left = until.left()
        except LLMKitError as error:
            self._raise(error, asked)
        return LONGEST_WAIT if left is None else left

    def _raise(self, error: LLMKitError, asked: Asked) -> NoReturn:
        self._client._raise(error, None, asked.headers, asked.query)  # noqa: SLF001


def _is_open(error: LLMKitError) -> bool:
    """Whether the host may have done what it was asked for: not if it said that it was asked too much or wrongly."""
    return not isinstance(error, APIError) or (error.status >= 500 and not isinstance(error, OverloadedError))  # noqa: PLR2004


def _by_id(requests: Iterable[Prompt]) -> dict[str, tuple[int, Any]]:
    """Each request and its place, by its id.

    Raises:
        ConfigurationError: Two have the same.
    """
    if not isinstance(requests, Iterable) or isinstance(requests, _ONE):
        raise wrong("requests", "an iterable of prompts or Requests", requests)
    found: dict[str, tuple[int, Any]] = {}
    for index, prompt in enumerate(requests):
        own = prompt.id if isinstance(prompt, Request) else None
        id_ = f"request-{index}" if own is None else own
        if not isinstance(id_, str) or not id_:
            raise wrong(f"requests[{index}].id", "text that is not empty", id_)
        if id_ in found:
            raise ConfigurationError(f"requests[{index}].id: {id_!r:.80} is that of requests[{found[id_][0]}], too")
        found[id_] = (index, prompt)
    return found


def _id_of(batch: Batch | str) -> str:
    id_ = batch.id if isinstance(batch, Batch) else batch
    if not isinstance(id_, str) or not id_:
        raise wrong("batch", "a Batch or its id", batch)
    return id_


def _with_query(call: Call, asked: Asked) -> Call:
    return evolve(call, query={**call.query, **asked.query}) if asked.query else call
