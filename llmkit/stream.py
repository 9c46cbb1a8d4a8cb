"""A streamed answer: events as they arrive, the whole of it at the end, and never a cut one taken for whole."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self

from llmkit.deadlines import Deadlines
from llmkit.engine import Engine, Sends
from llmkit.errors import (
    LLMKitError,
    StreamClosedError,
    StreamError,
)
from llmkit.events import Event, TextDelta
from llmkit.observing import UNWATCHED, Unwatched
from llmkit.output import OutputForm, demanded
from llmkit.reader import Reader
from llmkit.response import Response, T_co, Unfit
from llmkit.retry import Attempts
from llmkit.transport.exchange import Exchange


class Stream(Generic[T_co]):
    """An answer as it arrives: an iterator of events and a context manager.

    Deltas as they come; each part whole when it is complete; at the end exactly one `FinishReason` and one `Usage`,
    held back until the provider has said that the answer is whole: who has seen them has all of it.

    It belongs to the thread that reads it; `close` may be called from any.
    """

    _watched: Unwatched = UNWATCHED

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        engine: Engine,
        connect: Callable[[Callable[[Exchange], None]], Reader],
        deadlines: Deadlines,
        max_retries: int,
        about: Callable[[LLMKitError], LLMKitError],
        form: OutputForm | None = None,
        made: "Callable[[Stream[T_co]], None]" = lambda _: None,
        watched: Unwatched = UNWATCHED,
    ) -> None:
        """Asks, and returns when the provider has accepted.

        Args:
            engine: What the calls of a client share.
            connect: Sends the call once; told of the exchange before anything is sent.
            deadlines: Of the whole call.
            max_retries: How often it may be sent again.
            about: Makes an error fit for the caller.
            form: What the answer is to be; None where it is only read.
            made: Called with the stream before anything is sent, so that it can be closed from then on.
            watched: Told how it goes once the provider has accepted; of its retries from the first on.
        """
        self._closed = threading.Event()
        self._shut = False  # the same, in a tenth of the time
        self._engine = engine
        self._deadlines = deadlines
        self._connect = connect
        self._about = about
        self._form = form
        self._queue: deque[Event] = deque()
        self._response: Response[T_co] | None = None
        self._error: LLMKitError | None = None
        self._begun = False  # an event was handed out: from now on nothing can be tried again
        self._reading = False
        self._exchange: Exchange | None = None  # the one under way, from before its connection is made
        self._reader: Reader | None = None
        self._attempts: Attempts = engine.attempts(
            deadlines, max_retries, sleep=self._closed.wait, told=watched.retried
        )
        made(self)
        self._attempts.begin(self._open)
        self._watched = watched

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """The next event.

        Raises:
            LLMKitError: What ended the stream, with what was received as `partial`; each further call raises it again.
            StreamClosedError: It was closed.
        """
        if not self._queue:
            self._fill()
        elif self._shut:
            raise self._left()
        self._begun = True
        return self._queue.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # No lock is taken here: a collection may run while this very thread holds one.
        # Also where the whole answer has come: what follows it was not read. One that was read to its end is finished.
        exchange = getattr(self, "_exchange", None)
        if exchange is not None:
            exchange.forsake()
            self._watched.forsaken(self._reader, self._attempts.made)

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "open" if self._response is None else "complete"
        return f"<Stream of {self._engine.row.name}, {state}>"

    @property
    def accepted(self) -> bool:
        """Whether the provider has; the constructor returns only then."""
        return self._reader is not None

    @property
    def snapshot(self) -> Response[T_co]:
        """The answer as far as it was handed out; its finish reason is ``unfinished`` until all of it has been."""
        if self._response is not None and not self._queue:
            return self._response
        assert self._reader is not None  # noqa: S101 - set by the constructor, or it raised
        waiting = len(self._queue) if self._error is None else None  # nothing more will be handed out
        return self._settled(self._reader.partial(self._attempts.made, waiting))

    def partial_output(self) -> T_co | None:
        """The output as far as it is known; None where nothing of it is, or no `output_type` was given.

        Of a class whose fields are not all known the others hold their default, else None, and nothing is checked;
        lists and texts grow. Each call reads all the text that has come, so call it as often as you show it.
        """
        if self._form is None:
            return None
        found: T_co | None = self._form.partial(self.snapshot.message) if self._unsettled() else self.snapshot.output
        return found

    def text_deltas(self) -> Iterator[str]:
        """The text as it arrives; joined it is `Response.text`."""
        for event in self:
            if event.__class__ is TextDelta:
                yield event.text

    def collect(self) -> Response[T_co]:
        """Read what is left.

        Returns:
            The answer, equal to what `Client.complete` would have given.

        Raises:
            LLMKitError: What ended the stream, with what was received as `partial`.
            OutputError: The whole answer does not fit `output_type`.
        """
        deque(self, maxlen=0)
        assert self._response is not None  # noqa: S101 - an iteration that ends without an error has set it
        return demanded(self._response)

    def display(self) -> Response[T_co]:
        """Show the answer while it arrives: in a notebook, in a terminal (``llmkit[cli]``), else as plain text.

        Returns:
            The answer, as `collect`.

        Raises:
            LLMKitError: As `collect`; what has come stays shown.
        """
        from llmkit.display import display  # noqa: PLC0415 - only for who looks on

        return display(self)

    def close(self) -> None:
        """Drop the connection, from any thread, at once; a reader that waits for it gets `StreamClosedError`.

        So does who asks for more later, but where all of the answer was handed out before: that is kept, and so is its
        connection, for the next call.
        """
        if self._closed.is_set():
            return
        self._shut = True
        self._closed.set()
        if self._response is not None:
            self._settle()
            return
        if self._exchange is not None:
            self._exchange.abort()
        if self._reader is not None and not self._reading:
            self._reader.answer.close()
            self._watched.left(self._so_far)

    def _fill(self, *, anew: bool = True) -> None:
        """Block until there is an event.

        Args:
            anew: Whether that is when the caller starts to be blocked.
        """
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._response is not None:
            self._settle()
            raise StopIteration
        if self._closed.is_set():
            raise self._left()
        if anew:
            self._deadlines.block()
        self._reading = True
        try:
            self._read_or_retry()
        except LLMKitError as error:
            self._error = self._about(error)
            self._watched.ended(self._error)
        except BaseException:
            self._interrupt()
            raise
        finally:
            self._reading = False
        if self._error is not None:
            raise self._error

    def _interrupt(self) -> None:
        """Ctrl-C, or whatever a signal's handler raises: what was being decoded is lost, so the answer is, too."""
        self._queue.clear()
        self._response = None
        reader = self._reader
        self._error = StreamError("the stream was interrupted while it was being read: ask again")
        if reader is not None:
            self._error.partial = reader.partial(self._attempts.made)
            self._error.request_id = self._error.partial.request_id
            reader.answer.close()
        if self._exchange is not None:
            self._exchange.abort()
        self._watched.ended(self._about(self._attempts.last(self._error)))

    def _read_or_retry(self) -> None:
        try:
            self._read()
        except LLMKitError as error:
            # Once an event was handed out, another try would tell the caller another answer's beginning.
            if self._begun or self._closed.is_set():
                raise self._attempts.last(error) from error.__cause__
            failed = error
        else:
            return
        self._attempts.again(failed, self._again)

    def _read(self) -> None:
        reader = self._reader
        assert reader is not None  # noqa: S101
        while not self._queue:
            self._queue.extend(reader.more())
        if not self._begun:
            self._attempts.succeeded()
            self._watched.began()
        if reader.decoded is not None:
            self._response = self._settled(reader.response(self._attempts.made))
            self._watched.answered(self._response)
            self._watched.ended()

    def _settled(self, response: Response[Any]) -> Response[T_co]:
        return response if self._form is None else self._form.settled(response)

    def _unsettled(self) -> bool:
        """Whether there is no output yet, or none at all."""
        return self._response is None or bool(self._queue) or isinstance(self._response._output, Unfit)  # noqa: SLF001 - `output` raises

    def _open(self) -> None:
        """Ask; `close` can end it from before the connection is made."""
        sends = Sends(self._attempts)

        def begun(exchange: Exchange) -> None:
            self._exchange = exchange
            if self._closed.is_set():
                self._attempts.made -= 1  # which is not made any more
                raise self._closed_error()
            sends(exchange)

        self._reader = self._connect(begun)
        if self._closed.is_set():
            self._reader.answer.close()
            raise self._closed_error()

    def _again(self) -> None:
        """Another try, as the one before failed before its first event."""
        with self._watched.within():
            self._open()
        self._read()

    def _so_far(self) -> Response[Any]:
        """All that has come."""
        assert self._reader is not None  # noqa: S101 - set by the constructor, or it raised
        return self._reader.partial(self._attempts.made)

    def _settle(self) -> None:
        """The answer is whole: read to the body's end, within bounds, so that the connection can be used again."""
        reader = self._reader
        if reader is None or self._exchange is None or self._reading or not self._exchange.ours:
            return
        self._reading = True
        self._deadlines.block()
        try:
            reader.answer.drain()
        finally:
            self._reading = False

    def _left(self) -> LLMKitError:
        """The error for who asks for more of a stream that was closed before its end."""
        if self._error is None:
            error = self._attempts.last(self._closed_error())
            if self._reader is not None:
                error.partial = self._reader.partial(self._attempts.made)
                error.request_id = error.partial.request_id
                # `close` leaves this to the thread that reads, if it came while that was reading.
                self._reader.answer.close()
            self._error = self._about(error)
            self._watched.ended(self._error)
        return self._error.with_traceback(None)

    def _closed_error(self) -> StreamError:
        if self._exchange is not None and not self._exchange.ours:
            return StreamError("the stream belongs to the process that opened it, and this is a fork of it")
        return StreamClosedError("the stream was closed before its end: read it inside `with`, or collect() it there")
