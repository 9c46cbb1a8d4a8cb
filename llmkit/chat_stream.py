"""A chat's answer as it arrives: round after round, with the results of the tools between."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import evolve

from llmkit.calling import Crew
from llmkit.errors import LLMKitError, StreamClosedError, StreamError
from llmkit.events import Event
from llmkit.output import demanded
from llmkit.response import UNFINISHED, FinishReason, Response, T_co
from llmkit.stream import Stream
from llmkit.turns import Turn, all_bills


class ChatStream(Stream[T_co]):
    """The streams of all rounds as one."""

    def __init__(self, turn: Turn, paid: Callable[[Response[Any]], None], finish: Callable[[Turn], None]) -> None:
        """Asks, and returns when the provider has accepted.

        Args:
            turn: What is to be done.
            paid: Told of each round's answer.
            finish: Told when all was said.

        Raises:
            LLMKitError: As `Client.stream`.
        """
        self._turn = turn
        self._paid = paid
        self._finish = finish
        self._closed = threading.Event()
        self._crew = Crew()
        self._queue: deque[Event] = deque()
        self._response: Response[T_co] | None = None
        self._error: LLMKitError | None = None
        self._round: Stream[Any] | None = None
        self._demanded = False  # by `collect`, that the answer fits
        self._between = False  # one round has ended, and the next has not begun
        self._open()

    def __next__(self) -> Event:
        while not self._queue:
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._response is not None:
                self._settle()
                raise StopIteration
            if self._closed.is_set():
                raise self._left()
            self._go_on()
        if self._closed.is_set():
            raise self._left()
        if self._queue[0].__class__ is FinishReason:
            self._conclude()
        return self._queue.popleft()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "open" if self._response is None else "complete"
        return f"<Stream of a chat, {len(self._turn.rounds)} rounds complete, {state}>"

    @property
    def snapshot(self) -> Response[T_co]:
        """The last round's answer so far, with the sum of what all rounds cost."""
        if self._response is not None and not self._queue:
            return self._response
        rounds = self._turn.rounds
        if self._round is not None and self._round.accepted:
            current = self._round.snapshot
            if not rounds or current is not rounds[-1]:
                return self._summed(current)
        return evolve(self._turn.last(), finish_reason=UNFINISHED)

    def collect(self) -> Response[T_co]:
        """As of any stream; where an answer that it reads is an `OutputError`, the chat's history is as before."""
        self._demanded = True
        return super().collect()

    def display(self) -> Response[T_co]:
        """As of any stream, with the calls and results of tools; an `OutputError` is as of `collect`."""
        self._demanded = True
        return super().display()

    def close(self) -> None:
        """Drop the connection, from any thread, at once; a reader that waits gets `StreamClosedError`.

        Tools that run are left to themselves.
        """
        if self._closed.is_set():
            return
        self._closed.set()
        self._crew.stop()
        if self._round is not None:
            self._round.close()

    def _go_on(self) -> None:
        """Block until there is an event, or a round has ended."""
        try:
            if self._between:
                self._open()
            else:
                self._read()
        except LLMKitError as error:
            self._failed(error)
            raise
        except BaseException:
            self._error = StreamError("the stream was interrupted while it was being read: ask again")
            self._error.partial, self._error.messages = self.snapshot, self._turn.said()
            self.close()
            raise

    def _open(self) -> None:
        """Ask for the next round; `close` can end it from before the connection is made."""
        asking = self._turn.asking()
        self._form = asking.form
        asking.stream(self._made)
        self._between = False

    def _made(self, stream: Stream[Any]) -> None:
        self._round = stream
        if self._closed.is_set():
            stream.close()

    def _read(self) -> None:
        assert self._round is not None  # noqa: S101 - set by the constructor, or it raised
        event = next(self._round)
        if not isinstance(event, FinishReason):
            self._queue.append(event)
            return
        next(self._round)  # its usage, which came with it
        response = self._round.snapshot
        self._paid(response)
        if self._demanded:
            demanded(self._turn.ended_by(response))
        results, self._between = self._turn.take(response, self._crew)
        if self._between:
            self._settle()
            self._queue.extend(results)
            return
        last = self._turn.last()
        self._queue += [*results, last.finish_reason, last.usage]
        self._response = last

    def _summed(self, response: Response[Any]) -> Response[T_co]:
        """An answer that is not whole, with what the rounds before it have cost, too."""
        rounds = tuple(self._turn.rounds)
        usage = sum((one.usage for one in rounds), response.usage)
        cost = all_bills((*rounds, response))
        return evolve(response, usage=usage, cost=cost, rounds=rounds, finish_reason=UNFINISHED)

    def _conclude(self) -> None:
        """Tell the chat that all was said, before the reader is told, whom no error may reach afterwards."""
        try:
            self._finish(self._turn)
        except LLMKitError as error:
            self._failed(error)
            self._queue.clear()
            raise

    def _failed(self, error: LLMKitError) -> None:
        self._error = error
        error.messages = self._turn.said()
        error.partial = self.snapshot if error.partial is None else self._summed(error.partial)
        if self._round is not None:
            self._round.close()  # it may be whole, as where a hook has failed: its connection is free then

    def _settle(self) -> None:
        """Let the round's connection be used again."""
        assert self._round is not None  # noqa: S101 - as above
        next(self._round, None)

    def _left(self) -> LLMKitError:
        """The error for who asks for more of a stream that was closed before its end."""
        if self._error is None:
            said = "the stream was closed before its end: read it inside `with`, or collect() it there"
            self._error = StreamClosedError(said, partial=self.snapshot, messages=self._turn.said())
        return self._error.with_traceback(None)
