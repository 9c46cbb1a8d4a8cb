"""A streamed answer: events as they arrive, the whole of it at the end, and never a cut one taken for whole."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, cast

from attrs import evolve

from llmkit.accumulate import Accumulator
from llmkit.deadlines import Deadlines, Lingering
from llmkit.engine import Engine, Sends, identified, wrong_kind
from llmkit.errors import (
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    StreamClosedError,
    StreamError,
)
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.json_codec import dump_bytes
from llmkit.messages import Text, Thinking, ToolCall
from llmkit.response import FinishReason, Response, T_co
from llmkit.retry import Attempts
from llmkit.sse import LARGEST_EVENT, ServerSentEvent, SSEDecoder
from llmkit.transport import Answer
from llmkit.transport.exchange import Exchange
from llmkit.wire.base import Decoded, ErrorEvent, StreamDecoder

UNFINISHED = FinishReason("unfinished")


class Reader:
    """One attempt at a streamed answer: bytes in, events out, until the wire's terminal signal.

    Attributes:
        decoded: The whole answer, once it is there.
    """

    def __init__(self, engine: Engine, answer: Answer, deadlines: Deadlines, quirks: Any) -> None:
        self.answer = answer
        self._deadlines = deadlines
        self.decoded: Decoded | None = None
        self._engine = engine
        self._quirks = quirks
        self._sse = SSEDecoder()
        self._decoder: StreamDecoder = engine.wire.decoder(quirks)
        self._content = Accumulator()
        self._pieces: Iterator[bytes] | None = None
        self._lingering: Lingering | None = None
        self._begun = False  # an event has come
        self._failed: LLMKitError | ErrorEvent | None = None
        self._unread: list[bytes] = []  # what came before the first event, as far as it is kept
        self._kept = 0  # bytes of it

    def more(self) -> Sequence[Event]:
        """The next events; none where what came had none in it. At the end `decoded` is set.

        Raises:
            LLMKitError: With what has been received as `partial`.
        """
        try:
            return self._more()
        except ErrorEvent as event:
            failed: LLMKitError = self._engine.event_failure(event.body, self.answer.headers)
        except ConnectionFailedError as error:
            failed = error if isinstance(error, DeadlineError) else self._lost(error)
        except LLMKitError as error:
            failed = error
        self.answer.close()
        raise identified(failed, self.answer).with_details(partial=self.partial())

    def to_end(self) -> Self:
        """Read the whole answer, and let its connection be used again.

        Raises:
            LLMKitError: As `more`.
        """
        try:
            while self.decoded is None:
                self.more()
        except BaseException:  # Ctrl-C, say: the host must not go on for nobody
            self.answer.close()
            raise
        self.answer.drain()
        return self

    def partial(self, attempts: int = 1) -> Response[Any]:
        """What has been received."""
        if self.decoded is not None:
            return self._engine.respond(evolve(self.decoded, finish_reason=UNFINISHED), self.answer, attempts)
        decoder = self._decoder
        message = self._content.message(decoder.pending())
        raw = dict(decoder.envelope)
        so_far = Decoded(decoder.id, decoder.model, message, UNFINISHED, decoder.usage(), raw, decoder.logprobs)
        return self._engine.respond(so_far, self.answer, attempts)

    def _more(self) -> Sequence[Event]:
        if self._pieces is None:
            kind = self.answer.headers.get("content-type", "").lower()
            if "json" in kind:
                return self._whole_body(self._engine.parse(self.answer))
            if "html" in kind:
                raise wrong_kind("a stream of events", kind, self.answer)
            self._pieces = self.answer.pieces()
        if self._failed is not None:
            raise self._failed
        piece = self._last_piece() if self._decoder.whole else next(self._pieces, None)
        if piece is None:
            return self._end()
        self._keep(piece)
        events: list[Event] = []
        try:
            for event in self._sse.feed(piece):
                self._take(event, events)
                if self._decoder.ended:
                    self._finish(events)
                    break
        except (LLMKitError, ErrorEvent) as error:
            # What stands before it is handed out first: where the network cuts makes no difference.
            if not events:
                raise
            self._failed = error
        return events

    def _last_piece(self) -> bytes | None:
        """What follows an answer that is whole, as its usage may; None where nothing does, for whatever reason."""
        if self._lingering is None:
            self._lingering = Lingering(self._deadlines)
        try:
            self.answer.limit(self._lingering.begin())
            return next(self._pieces or iter(()), None)
        except ConnectionFailedError:
            self.answer.close()
            return None
        finally:
            self._lingering.end()

    def _keep(self, piece: bytes) -> None:
        """Keep what comes before the first event, in case it is no stream at all but a body under a stream's name."""
        if self._begun or self._kept > LARGEST_EVENT:
            return
        self._kept += len(piece)
        self._unread.append(piece)
        if self._kept > LARGEST_EVENT:
            self._unread = []

    def _take(self, event: ServerSentEvent, events: list[Event]) -> None:
        self._begun = True
        self._unread = []
        found = self._decoder.feed(event)
        if found is None:
            return
        # It said something: the clock that ends a stream of mere pings starts again.
        self._deadlines.progress()
        self.answer.renew()
        if found:
            self._content.add(found)
            events.extend(found)

    def _end(self) -> Sequence[Event]:
        """The body has ended: the wire decides whether the answer has."""
        body = b"".join(self._unread)
        if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
            return self._whole_body(self._engine.read(body))
        events: list[Event] = []
        if (last := self._sse.close()) is not None:
            with suppress(InvalidResponseError):  # the event that a cut went through
                self._take(last, events)
        self._finish(events)
        return events

    def _finish(self, events: list[Event]) -> None:
        decoder = self._decoder
        parts, reason, usage = decoder.close()
        self._content.add(parts)
        events += [*parts, reason, usage]
        message, raw = self._content.message(), decoder.envelope
        self.decoded = Decoded(decoder.id, decoder.model, message, reason, usage, raw, decoder.logprobs)

    def _whole_body(self, body: Any) -> Sequence[Event]:
        """The host answered as if no stream had been asked for: the same events, all at once."""
        self.decoded = decoded = self._engine.wire.decode(body, self._quirks)
        events: list[Event] = []
        calls = 0
        for part in decoded.message.content:
            if isinstance(part, Text) and part.text:
                events.append(TextDelta(part.text))
            elif isinstance(part, Thinking) and part.text:
                events.append(ThinkingDelta(part.text))
            elif isinstance(part, ToolCall):
                text = part.raw if part.raw is not None else dump_bytes(part.arguments).decode()
                events.append(ToolCallDelta(calls, part.id, part.name, text))
                calls += 1
            events.append(cast("Event", part))
        return [*events, decoded.finish_reason, decoded.usage]

    def _lost(self, error: ConnectionFailedError) -> IncompleteStreamError:
        lost = IncompleteStreamError(f"the connection was lost before the answer was whole: {error}")
        lost.__cause__ = error.__cause__
        return lost


class Stream(Generic[T_co]):
    """An answer as it arrives: an iterator of events and a context manager.

    Deltas as they come; each part whole when it is complete; at the end exactly one `FinishReason` and one `Usage`,
    held back until the provider has said that the answer is whole: who has seen them has all of it.

    It belongs to the thread that reads it; `close` may be called from any.
    """

    def __init__(
        self,
        engine: Engine,
        connect: Callable[[Callable[[Exchange], None]], Reader],
        deadlines: Deadlines,
        max_retries: int,
        about: Callable[[LLMKitError], LLMKitError],
    ) -> None:
        self._closed = threading.Event()
        self._engine = engine
        self._deadlines = deadlines
        self._connect = connect
        self._about = about
        self._queue: deque[Event] = deque()
        self._response: Response[T_co] | None = None
        self._error: LLMKitError | None = None
        self._begun = False  # an event was handed out: from now on nothing can be tried again
        self._reading = False
        self._exchange: Exchange | None = None  # the one under way, from before its connection is made
        self._reader: Reader | None = None
        self._attempts: Attempts = engine.attempts(deadlines, max_retries, sleep=self._closed.wait)
        self._attempts.run(self._open)

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
        elif self._closed.is_set():
            raise self._closed_error()
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
        exchange = getattr(self, "_exchange", None)
        if exchange is not None and self._response is None:
            exchange.forsake()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "open" if self._response is None else "complete"
        return f"<Stream of {self._engine.row.name}, {state}>"

    @property
    def snapshot(self) -> Response[T_co]:
        """The answer so far; its finish reason is ``unfinished`` until all of it has been handed out."""
        if self._response is not None and not self._queue:
            return self._response
        assert self._reader is not None  # noqa: S101 - set by the constructor, or it raised
        return self._reader.partial(self._attempts.made)

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
        """
        for _ in self:
            pass
        assert self._response is not None  # noqa: S101 - an iteration that ends without an error has set it
        return self._response

    def close(self) -> None:
        """Drop the connection, from any thread, at once; a reader that waits for it gets `StreamClosedError`.

        So does who asks for more later, but where all of the answer was handed out before: that is kept, and so is its
        connection, for the next call.
        """
        if self._closed.is_set():
            return
        self._closed.set()
        if self._response is not None:
            self._settle()
            return
        if self._exchange is not None:
            self._exchange.abort()
        if self._reader is not None and not self._reading:
            self._reader.answer.close()

    def _fill(self) -> None:
        """Block until there is an event."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self._response is not None:
            self._settle()
            raise StopIteration
        if self._closed.is_set():
            raise self._closed_error()
        self._deadlines.block()
        self._reading = True
        try:
            self._read_or_retry()
        except LLMKitError as error:
            self._error = self._about(error.with_details(attempts=self._attempts.made))
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
            reader.answer.close()
        if self._exchange is not None:
            self._exchange.abort()
        self._about(self._error.with_details(attempts=self._attempts.made))

    def _read_or_retry(self) -> None:
        try:
            self._read()
        except LLMKitError as error:
            # Once an event was handed out, another try would tell the caller another answer's beginning.
            if self._begun or self._closed.is_set():
                raise
            failed = error
        else:
            return
        self._attempts.again(failed, self._again)

    def _read(self) -> None:
        reader = self._reader
        assert reader is not None  # noqa: S101
        while not self._queue:
            self._queue.extend(reader.more())
        if reader.decoded is not None:
            self._response = self._engine.respond(reader.decoded, reader.answer, self._attempts.made)

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
        self._open()
        self._read()

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

    def _closed_error(self) -> StreamError:
        if self._exchange is not None and not self._exchange.ours:
            return StreamError("the stream belongs to the process that opened it, and this is a fork of it")
        return StreamClosedError("the stream was closed before its end: read it inside `with`, or collect() it there")
