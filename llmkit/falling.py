"""One call of a fallback: put to one member after the other, until one answers or none may be asked any more."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeVar

from attrs import evolve, fields, frozen

from llmkit.asking import Asking
from llmkit.deadlines import Deadlines
from llmkit.errors import LLMKitError, OutputError, StreamError, UnsupportedOptionError
from llmkit.events import Event
from llmkit.output import beside, demanded, paid_for, together
from llmkit.response import Response, T_co
from llmkit.stream import Stream
from llmkit.switch import Switch
from llmkit.transport.failures import frameless

T = TypeVar("T")
Told = Callable[[LLMKitError], object]
_NOTE_SHOWN: Final = 200  # characters


@frozen
class Waiting:
    """A call of a member that has not been asked yet.

    Attributes:
        asking: It; its clocks have started.
        untold: What it leaves out, each its path and why, to be warned of when it is its turn.
        told: Told of its error, if the next is asked.
    """

    asking: Asking
    untold: Sequence[tuple[str, str]] = ()
    told: Sequence[Told] = ()


@frozen
class Falling(Asking):
    """The call of the first member, and those that wait.

    Attributes:
        others: In their order.
        told: Told of the first member's error, if the next is asked.
    """

    others: tuple[Waiting, ...] = ()
    told: Sequence[Told] = ()

    @classmethod
    def of(cls, first: Asking, others: Sequence[Waiting], told: Sequence[Told]) -> Self:
        """`first`, which falls back on `others`."""
        own = {field.name: getattr(first, field.name) for field in fields(Asking)}
        return cls(**own, others=tuple(others), told=told)

    def complete(self) -> Response[Any]:
        """The whole answer of the first that gives one.

        Raises:
            LLMKitError: As `Client.complete`, of the last that was asked; with a note for each before.
        """
        descent = Descent(self)
        return descent.answered(descent.run(Asking.complete))

    def begin(self, switch: Switch | None = None) -> Response[Any]:
        """As `complete`, some time after it was settled: all clocks start now.

        Raises:
            LLMKitError: As `Client.complete`.
        """
        others = tuple(evolve(one, asking=_renewed(one.asking)) for one in self.others)
        return evolve(_renewed(self), others=others, switch=switch).complete()

    def stream(self, made: Callable[[Stream[Any]], None] = lambda _: None) -> Stream[Any]:
        """The answer of the first that begins one, as it arrives.

        Args:
            made: As of `Asking.stream`.

        Raises:
            LLMKitError: As `Client.stream`, of the last that was asked; with a note for each before.
        """
        return FallingStream(Descent(self), made)


_WORTH_ASKING = 0.05  # seconds that must be left: the limits of all members do not begin at the very same instant

A = TypeVar("A", bound=Asking)


def _renewed(asking: A) -> A:
    return evolve(asking, deadlines=Deadlines(asking.request.timeout))


class Descent:
    """A call on its way from member to member.

    Attributes:
        current: Who is asked now.
    """

    def __init__(self, falling: Falling) -> None:
        self.current: Asking = falling
        self._waiting = deque(falling.others)
        self._switch = falling.switch
        self._told = falling.told
        self._passed: list[LLMKitError] = []  # of those after whom the next was asked

    def run(self, once: Callable[[Asking], T]) -> T:
        """What `once` makes of the current call, and where that fails, of the next.

        Raises:
            LLMKitError: As `final` has it.
        """
        while True:
            try:
                return once(self.current)
            except LLMKitError as error:
                following = self._after(error)
                if following is None:
                    last = self.final(error)
                    raise last from last.__cause__
                self.current = following

    def _after(self, error: LLMKitError) -> Asking | None:
        """Who is asked after one that failed with `error`; None where nobody is."""
        if not error.retryable and not self._is_unasked(error):
            return None
        while self._waiting:
            following = self._waiting.popleft()
            if following.asking.deadlines.allows(_WORTH_ASKING):
                self._passed.append(frameless(error))
                for told in self._told:
                    told(error)
                self._told = following.told
                for path, why in following.untold:
                    following.asking.refuse(path, why)
                return evolve(following.asking, switch=self._switch)
        return None

    def block(self) -> None:
        """The caller starts to be blocked: that counts for those that wait, too."""
        for waiting in self._waiting:
            waiting.asking.deadlines.block()

    def answered(self, response: Response[Any]) -> Response[Any]:
        """`response`, with what was sent and billed before it."""
        if not self._passed:
            return response
        attempts = response.attempts + self._attempts()
        for error in self._passed:
            if (paid := paid_for(error)) is not None:
                response = together(paid, response)
        return evolve(response, attempts=attempts)

    def final(self, error: LLMKitError) -> LLMKitError:
        """The error for the caller, where the last one failed with `error`: that of the last that could be asked.

        It has a note for each other, and tells what was sent and billed for all.
        """
        if not self._passed:
            return error
        everyone = [*self._passed, error]
        last = next(one for one in reversed(everyone) if one is self._passed[0] or not self._is_unasked(one))
        attempts = error.attempts + self._attempts()
        for one in everyone:
            if one is not last:
                last.add_note(_said(one))
                _add_paid(last, one)
        last.attempts = attempts
        if last.partial is not None:
            last.partial = evolve(last.partial, attempts=attempts)
        return last

    def _is_unasked(self, error: LLMKitError) -> bool:
        """Whether a member after the first cannot be told the conversation: who was asked is to say what went wrong.

        All else that is wrong with its call was found before the first was asked, or must be mended by somebody.
        """
        return bool(self._passed) and isinstance(error, UnsupportedOptionError)

    def _attempts(self) -> int:
        return sum(error.attempts for error in self._passed)


class FallingStream(Stream[T_co]):
    """The stream of the first member that begins to answer. Once an event was handed out, it is that member's."""

    def __init__(self, descent: Descent, made: Callable[[Stream[Any]], None]) -> None:
        """Asks, and returns when a provider has accepted.

        Args:
            descent: The call.
            made: Called with the stream before anything is sent, so that it can be closed from then on.

        Raises:
            LLMKitError: As `Client.stream`.
        """
        self._descent = descent
        self._closed = threading.Event()
        self._stream: Stream[Any] | None = None  # of who is asked, from before anything is sent
        self._shown: Stream[Any] | None = None  # of who has accepted last
        self._asked: Asking | None = None  # that one
        self._begun = False
        self._error: LLMKitError | None = None
        self._latest: tuple[Response[Any], Response[T_co]] | None = None
        made(self)
        descent.run(self._ask)

    def __next__(self) -> Event:
        if not self._begun:
            return self._first()
        assert self._stream is not None  # noqa: S101 - set by the constructor, or it raised
        try:
            return next(self._stream)
        except LLMKitError as error:
            self._error = self._error or self._descent.final(error)
            raise self._error from self._error.__cause__

    def __repr__(self) -> str:
        return repr(self._stream)

    @property
    def accepted(self) -> bool:
        """Whether a provider has; the constructor returns only then."""
        return self._shown is not None

    @property
    def snapshot(self) -> Response[T_co]:
        """The answer as far as it was handed out; its finish reason is ``unfinished`` until all of it has been."""
        assert self._shown is not None  # noqa: S101 - set by the constructor, or it raised
        found = self._shown.snapshot
        if self._latest is None or self._latest[0] is not found:
            self._latest = (found, self._descent.answered(found))
        return self._latest[1]

    def partial_output(self) -> T_co | None:
        """As of any stream."""
        assert self._shown is not None  # noqa: S101 - set by the constructor, or it raised
        found: T_co | None = self._shown.partial_output()
        return found

    def collect(self) -> Response[T_co]:
        """As of any stream."""
        deque(self, maxlen=0)
        return demanded(self.snapshot)

    def close(self) -> None:
        """Drop the connection, from any thread, at once; a reader that waits gets `StreamClosedError`."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()

    def _first(self) -> Event:
        """The first event, of whoever gives one."""
        if self._error is not None:
            raise self._error.with_traceback(None)
        self._descent.block()
        try:
            event = self._descent.run(self._ask_and_read)
        except LLMKitError as error:
            self._error = error
            raise
        except BaseException:
            said = "the stream was interrupted while it was being read: ask again"
            self._error = StreamError(said, partial=self.snapshot)
            self.close()
            raise
        self._begun = True
        return event

    def _ask_and_read(self, asking: Asking) -> Event:
        anew = asking is self._asked  # else the caller has been blocked since before it was asked
        if not anew:
            self._ask(asking)
        assert self._stream is not None  # noqa: S101 - set by `_ask`
        self._stream._fill(anew=anew)  # noqa: SLF001 - of its own class
        return next(self._stream)

    def _ask(self, asking: Asking) -> None:
        Asking.stream(asking, self._made)
        self._asked, self._shown = asking, self._stream

    def _made(self, stream: Stream[Any]) -> None:
        self._stream = stream
        if self._closed.is_set():
            stream.close()


def _add_paid(last: LLMKitError, error: LLMKitError) -> None:
    """Let `last` tell of an answer that was billed with `error`."""
    paid = paid_for(error)
    if paid is not None and isinstance(last, OutputError):
        last.response = together(paid, last.response)
    elif paid is not None:
        beside(last, paid)


def _said(error: LLMKitError) -> str:
    """What became of a member, in one line."""
    who = f"{error.provider}, {error.model}" if error.model else f"{error.provider}"
    said = str(error).partition("\n")[0]
    return f"{who}: {type(error).__name__}: {said:.{_NOTE_SHOWN}}"
