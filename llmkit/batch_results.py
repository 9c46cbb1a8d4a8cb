"""The results of a batch, told one at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import field, frozen

from llmkit.bulk.result import Result
from llmkit.deadlines import Timeout
from llmkit.engine import for_caller
from llmkit.errors import APIError, LLMKitError
from llmkit.jsonl import Lines
from llmkit.output import OutputForm, demanded
from llmkit.provider_errors import event_failure, told_failure
from llmkit.response import Response
from llmkit.wire.base import Decoded, Wire
from llmkit.wire.batches import UNANSWERED, BatchRow
from llmkit.wire.signals import ErrorEvent

if TYPE_CHECKING:
    from llmkit.client import Client


@frozen
class Asked:
    """What one call was given, checked.

    Attributes:
        timeout: Its time limits.
        headers: The caller's own.
        query: Added to each address.
        body: Merged into the body.
    """

    timeout: float | Timeout | None
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)


class BatchResults:
    """What came of a batch's requests: an iterator that reads as it goes, and a context manager.

    It belongs to the thread that reads it.
    """

    def __init__(
        self,
        client: "Client",
        sources: Iterable[Iterable[Any]],
        row: Callable[[Any], BatchRow],
        known: dict[str, tuple[int, Any]],
        asked: Asked,
        status: str,
        *,
        ordered: bool,
    ) -> None:
        """Made by `Batches.results`."""
        self._client = client
        self._sources: deque[Iterator[Any]] = deque(map(iter, sources))
        self._row = row
        self._known = known
        self._asked = asked
        self._status = status
        self._ids = tuple(known) if ordered else ()
        self._count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result[Any]:
        """The next result.

        Raises:
            LLMKitError: Nothing more can be read, or it is nothing that a provider promises.
        """
        try:
            while self._sources:
                for value in self._sources[0]:
                    return self._told(self._row(value))
                self._sources.popleft()
        except LLMKitError as error:
            self._client._raise(error, None, self._asked.headers, self._asked.query)  # noqa: SLF001
        if not self._known:
            raise StopIteration
        return self._failed(*self._whose(next(iter(self._known))), self._untold())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Read no more."""
        while self._sources:
            source = self._sources.popleft()
            if isinstance(source, Lines):
                source.close()
        self._known = {}

    def _whose(self, id_: str | None) -> tuple[int, str | None, Any]:
        place = self._count
        self._count += 1
        if id_ is None and place < len(self._ids):
            id_ = self._ids[place]
        index, prompt = self._known.pop(id_ or "", (place, None))
        return index, id_, prompt

    def _untold(self) -> APIError:
        code = self._status if self._status in UNANSWERED else None
        words = f"the provider tells nothing of this request, and of the batch that it is {self._status}"
        return APIError(words, status=200, code=code, retryable=True)

    def _told(self, row: BatchRow) -> Result[Any]:
        index, id_, prompt = self._whose(row.id)
        try:
            return Result(index, id_, prompt, self._response(row, prompt))
        except LLMKitError as error:
            return self._failed(index, id_, prompt, error)

    def _failed(self, index: int, id_: str | None, prompt: Any, error: LLMKitError) -> Result[Any]:
        engine, asked = self._client._engine, self._asked  # noqa: SLF001
        return Result(index, id_, prompt, None, for_caller(error, engine, None, asked.headers, asked.query))

    def _response(self, row: BatchRow, prompt: Any) -> Response[Any]:
        """The answer, fitted.

        Raises:
            LLMKitError: There is none.
        """
        wire: Wire = self._client._engine.wire  # noqa: SLF001 - of its own
        if row.error is not None:
            raise _failure(wire, row)
        form: OutputForm | None = None
        model = ""
        if prompt is not None:
            asking = self._client._asking(prompt, None, {})  # noqa: SLF001
            wire, form, model = asking.wire, asking.form, asking.request.model
        try:
            decoded = wire.decode(row.body, self._client._quirks)  # noqa: SLF001
        except ErrorEvent as event:
            failed = event_failure(wire, event.body, {})
        else:
            response = self._answer(decoded, row, model)
            return response if form is None else demanded(form.settled(response))
        raise failed

    def _answer(self, decoded: Decoded, row: BatchRow, model: str) -> Response[Any]:
        engine = self._client._engine  # noqa: SLF001
        return Response(
            id=decoded.id,
            model=decoded.model,
            provider=engine.row.name,
            message=decoded.message,
            finish_reason=decoded.finish_reason,
            usage=decoded.usage,
            logprobs=decoded.logprobs,
            cost=self._client._tariff(model, batch=True),  # noqa: SLF001
            request_id=row.request_id or (decoded.id if engine.wire.id_of_exchange else None) or None,
            raw=decoded.raw,
        )


def _failure(wire: Wire, row: BatchRow) -> APIError:
    error = told_failure(wire, row.status, {}, row.error) if row.status >= 400 else event_failure(wire, row.error, {})  # noqa: PLR2004
    error.retryable = error.retryable or error.code in UNANSWERED
    if error.request_id is None:
        error.request_id = row.request_id
    return error
