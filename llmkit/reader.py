"""One attempt at a streamed answer: bytes in, events out, until the wire's terminal signal."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Self, cast

from attrs import evolve

from llmkit.accumulate import Accumulator
from llmkit.deadlines import Deadlines, Lingering
from llmkit.engine import Engine, identified, wrong_kind
from llmkit.errors import (
    BODY_SHOWN,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
)
from llmkit.events import Event, TextDelta, ThinkingDelta, ToolCallDelta
from llmkit.json_codec import dump_bytes
from llmkit.messages import AssistantMessage, Text, Thinking, ToolCall
from llmkit.response import UNFINISHED, Response, Tariff
from llmkit.sse import LARGEST_EVENT, ServerSentEvent, SSEDecoder, may_begin
from llmkit.transport import Answer
from llmkit.transport.failures import frameless
from llmkit.wire.base import Decoded, StreamDecoder, Wire
from llmkit.wire.signals import CutOff, ErrorEvent


class Reader:
    """One attempt.

    Attributes:
        decoded: The whole answer, once it is there.
    """

    def __init__(
        self,
        engine: Engine,
        wire: Wire,
        answer: Answer,
        deadlines: Deadlines,
        quirks: Any,
        tariff: Tariff | None = None,
    ) -> None:
        self.answer = answer
        self._tariff = tariff
        self._deadlines = deadlines
        self.decoded: Decoded | None = None
        self._engine = engine
        self._wire = wire
        self._quirks = quirks
        self._sse = SSEDecoder()
        self._decoder: StreamDecoder = wire.decoder(quirks)
        self._content = Accumulator()
        self._latest: list[Event] = []  # what the last reading brought, which is not in the content yet
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
        self._settle()
        try:
            events = self._more()
            if events and self.answer.proof is not None:
                self.answer.prove()
            return events
        except CutOff as cut:
            failed: LLMKitError = self._engine.cut_off(cut, self.answer, self._tariff)
        except ErrorEvent as event:
            failed = self._engine.event_failure(event.body, self.answer.headers)
        except ConnectionFailedError as error:
            failed = error if isinstance(error, DeadlineError) else self._lost(error)
        except LLMKitError as error:
            failed = error
        self.answer.close()
        raise self._identified(failed).with_details(partial=self.partial())

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

    def partial(self, attempts: int = 1, waiting: int | None = None) -> Response[Any]:
        """What has been received.

        Args:
            attempts: How often it was asked for.
            waiting: How many events of the last reading have not been handed out and are to be left out; None for all
                that has come, handed out or not.
        """
        known = self.decoded or self._so_far()
        if self.decoded is None or waiting is not None:
            at = len(self._latest) - (waiting or 0)
            told, untold = self._latest[:at], self._latest[at:]
            pending = self._decoder.pending() if waiting is None else ()
            content = self._content.copy().taking([*_whole(told), *self._unfinished(told, untold)])
            known = evolve(known, message=content.message(pending))
        return self._respond(evolve(known, finish_reason=UNFINISHED), attempts)

    def response(self, attempts: int) -> Response[Any]:
        """The whole answer, which is there: `decoded`.

        Args:
            attempts: How often it was asked for.
        """
        assert self.decoded is not None  # noqa: S101 - the caller has looked, or has read to the end
        return self._respond(self.decoded, attempts)

    def _respond(self, decoded: Decoded, attempts: int) -> Response[Any]:
        return self._engine.respond(decoded, self.answer, attempts, self._tariff)

    def _unfinished(self, told: Sequence[Event], untold: Sequence[Event]) -> Sequence[Event]:
        """What was handed out of thoughts and text that were not handed out whole, as one delta each.

        The decoder has them, and nobody else: that is as far as they have come, but for what is `untold`.
        """
        thoughts, text = self._decoder.begun() if self.decoded is None else ("", "")
        thoughts = _handed_out(thoughts, told, untold, Thinking, ThinkingDelta)
        text = _handed_out(text, told, untold, Text, TextDelta)
        return [delta for delta in (ThinkingDelta(thoughts), TextDelta(text)) if delta.text]

    def _so_far(self) -> Decoded:
        """What is known of an answer that is not whole, but for what it says."""
        decoder, nothing = self._decoder, AssistantMessage(())
        raw, usage = dict(decoder.envelope), decoder.usage()
        return Decoded(decoder.id, decoder.model, nothing, UNFINISHED, usage, raw, decoder.logprobs)

    def _more(self) -> Sequence[Event]:
        if self._pieces is None and (whole := self._begin()) is not None:
            return self._whole_body(whole)
        if self._failed is not None:
            raise self._failed
        piece = self._last_piece() if self._decoder.whole else self._next_piece()
        if piece is None:
            return self._end()
        self._keep(piece)
        events = self._latest = []
        try:
            self._take(self._sse.feed(piece), events)
            if self._decoder.ended:
                self._finish(events)
        except (LLMKitError, ErrorEvent) as error:
            # What stands before it is handed out first: where the network cuts makes no difference.
            if not events:
                raise
            self._failed = frameless(error)
        return events

    def _settle(self) -> None:
        """Put what was handed out to the content."""
        latest, self._latest = self._latest, []  # first: nothing is to be there twice if Ctrl-C comes between
        self._content.add(_whole(latest))

    def _begin(self) -> bytes | None:
        """Find out what came: None for a stream of events, else a whole body that is none."""
        kind = self.answer.headers.get("content-type", "").lower()
        if "html" in kind:
            raise wrong_kind("a stream of events", kind, self.answer)
        self._pieces = self.answer.pieces()
        if "json" in kind:
            first = next(self._pieces, b"")
            if not first.strip() or not may_begin(first):
                return first + self.answer.whole()
            self._pieces = chain([first], self._pieces)
        return None

    def _next_piece(self) -> bytes | None:
        assert self._pieces is not None  # noqa: S101 - set by `_begin`
        return next(self._pieces, None)

    def _last_piece(self) -> bytes | None:
        """What follows an answer that is whole, as its usage may; None where nothing does, for whatever reason."""
        if self._lingering is None:
            self._lingering = Lingering(self._deadlines)
        try:
            self.answer.limit(self._lingering.begin())
            return self._next_piece()
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

    def _take(self, told: Sequence[ServerSentEvent], events: list[Event]) -> None:
        """Add what is said in `told` to `events`, up to the end of the answer."""
        if not told:
            return
        self._begun, self._unread = True, []
        decoder, heard = self._decoder, False
        for event in told:
            try:
                found = decoder.feed(event)
            except InvalidResponseError as error:
                error.body = event.data[:BODY_SHOWN]  # the decoder knows only a value in it
                raise
            if found:
                events += found
            elif found is None:
                continue
            heard = True
            if decoder.ended:
                break
        if heard:
            # It said something: the clock that ends a stream of mere pings starts again.
            self._deadlines.progress()
            self.answer.renew()

    def _end(self) -> Sequence[Event]:
        """The body has ended: the wire decides whether the answer has."""
        body = b"".join(self._unread)
        if not may_begin(body):
            return self._whole_body(body)
        events = self._latest = []
        if (last := self._sse.close()) is not None:
            with suppress(InvalidResponseError):  # the event that a cut went through
                self._take([last], events)
        self._finish(events)
        return events

    def _finish(self, events: list[Event]) -> None:
        decoder = self._decoder
        parts, reason, usage = decoder.close()
        events += [*parts, reason, usage]
        message, raw = self._content.copy().taking(_whole(events)).message(), decoder.envelope
        self.decoded = Decoded(decoder.id, decoder.model, message, reason, usage, raw, decoder.logprobs)
        if self.answer.lease is not None:
            self.answer.lease.settle(usage)

    def _whole_body(self, body: bytes) -> Sequence[Event]:
        """The host answered as if no stream had been asked for: the same events, all at once."""
        wire, quirks = self._wire, self._quirks
        self.decoded = decoded = self._engine.read(body, lambda value: wire.decode(value, quirks))
        if self.answer.lease is not None:
            self.answer.lease.settle(decoded.usage)
        events = self._latest = []
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
        events += [decoded.finish_reason, decoded.usage]
        return events

    def _identified(self, error: LLMKitError) -> LLMKitError:
        """`error` with the id of the exchange; where no header has one, the answer's own as far as it has come."""
        error = identified(error, self.answer)
        if error.request_id is None and self._engine.wire.id_of_exchange:
            error.request_id = self._decoder.id or None
        return error

    def _lost(self, error: ConnectionFailedError) -> IncompleteStreamError:
        lost = IncompleteStreamError(f"the connection was lost before the answer was whole: {error}")
        lost.__cause__ = error.__cause__
        return lost


def _handed_out(
    begun: str,
    told: Sequence[Event],
    untold: Sequence[Event],
    part: type[Text | Thinking],
    delta: type[TextDelta | ThinkingDelta],
) -> str:
    """What was `told` as deltas of a part that was not, where the decoder knows what has `begun` since."""
    wholes = "".join(event.text for event in untold if isinstance(event, part))
    ahead = "".join(event.text for event in untold if isinstance(event, delta))
    if not wholes and not ahead:
        return begun
    latest: list[str] = []
    for event in told:
        if isinstance(event, part):
            latest.clear()
        elif isinstance(event, delta):
            latest.append(event.text)
    text, shown = wholes + begun, "".join(latest)
    # Of a part that is not what its deltas said, those are known that came last.
    return text[: len(text) - len(ahead)] if text.endswith(shown + ahead) else shown


def _whole(events: Sequence[Event]) -> list[Event]:
    """`events` without what comes whole once more, at the latest from the decoder."""
    return [event for event in events if event.__class__ is not TextDelta and event.__class__ is not ThinkingDelta]
