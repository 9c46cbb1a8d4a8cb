"""One call of a client, settled: sent, tried again, read as a whole or as a stream, and fitted to its output."""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, NoReturn

from attrs import evolve, frozen

from llmkit.addresses import MODEL
from llmkit.deadlines import Deadlines
from llmkit.engine import Engine, Sends, for_caller
from llmkit.errors import LLMKitError
from llmkit.observing import Unwatched, watch
from llmkit.output import OutputForm, asking_again, beside, demanded, misfit, together
from llmkit.reader import Reader
from llmkit.request import ResolvedRequest
from llmkit.response import Response, Tariff, Unfit
from llmkit.stream import Stream
from llmkit.switch import Switch
from llmkit.transport import Exchange
from llmkit.wire.base import Call, Refuse, Wire


@frozen
class Asking:
    """A call, and all that it takes to make it.

    Attributes:
        engine: What the calls of a client share.
        wire: The format, as this call reads it.
        quirks: How the host deviates from it.
        request: What is asked.
        headers: The caller's own.
        deadlines: Of the whole call.
        max_retries: How often it may be sent again.
        refuse: Told of what the wire cannot express.
        form: What the answer is to be; None where it is only read.
        tariff: Whose prices hold for it.
        switch: What ends `complete` from another thread.
    """

    engine: Engine
    wire: Wire
    quirks: Any
    request: ResolvedRequest
    headers: Mapping[str, str]
    deadlines: Deadlines
    max_retries: int
    refuse: Refuse
    form: OutputForm | None
    tariff: Tariff | None = None
    switch: Switch | None = None

    def complete(self) -> Response[Any]:
        """The whole answer, fitted, and asked for again where it does not fit and that is wanted.

        Raises:
            LLMKitError: As `Client.complete`.
        """
        with self._watch("complete") as watched:
            try:
                response = self._once(watched)
                found = response if self.form is None else self._fitted(response, self.form, watched)
            except LLMKitError as error:
                self._raise(error)
            watched.answered(found)
            return found

    def begin(self, switch: Switch | None = None) -> Response[Any]:
        """As `complete`, some time after it was settled: its clocks start now.

        Raises:
            LLMKitError: As `Client.complete`.
        """
        return evolve(self, deadlines=Deadlines(self.request.timeout), switch=switch).complete()

    def stream(self, made: Callable[[Stream[Any]], None] = lambda _: None) -> Stream[Any]:
        """The answer as it arrives.

        Args:
            made: Called with the stream before anything is sent, so that it can be closed from then on.

        Raises:
            LLMKitError: As `Client.stream`.
        """
        watched = self._watch("stream")
        with watched.opening():
            try:
                about = partial(
                    for_caller,
                    engine=self.engine,
                    model=self.request.model,
                    headers=self.headers,
                    query=self.request.extra_query,
                )
                connect, limits, retries = self._connector(), self.deadlines, self.max_retries
                return Stream(self.engine, connect, limits, retries, about, self.form, made, watched)
            except LLMKitError as error:
                self._raise(error)

    def _watch(self, operation: str) -> Unwatched:
        asked, structured = self.request, self.form is not None
        return watch(self.engine, operation, asked.model, self.headers, asked.extra_query, asked, structured=structured)

    def _fitted(self, response: Response[Any], form: OutputForm, watched: Unwatched) -> Response[Any]:
        found = form.settled(response)
        for _ in range(self.request.output_retries):
            why = misfit(found)
            if why is None:
                break
            found = together(found, form.settled(self._again(found, why, watched)))
        return demanded(found)

    def _again(self, response: Response[Any], why: Unfit, watched: Unwatched) -> Response[Any]:
        messages = (*self.request.messages, *asking_again(response, why))
        try:
            return evolve(self, request=evolve(self.request, messages=messages))._once(watched)  # noqa: SLF001 - of its own
        except LLMKitError as error:
            raise beside(error, response) from error.__cause__

    def _once(self, watched: Unwatched) -> Response[Any]:
        if self.wire.long_answer(self.request, self.quirks):
            return self._streaming(watched)
        found = self.engine.fetch(
            self._encode(stream=False),
            self.headers,
            self.deadlines,
            self.max_retries,
            lambda body: self.wire.decode(body, self.quirks),
            self.switch,
            watched.retried,
        )
        return self.engine.respond(found.value, found.answer, found.attempts, self.tariff)

    def _streaming(self, watched: Unwatched) -> Response[Any]:
        """A long answer: streamed and collected, so that no gateway loses patience."""
        connect = self._connector()
        attempts = self.engine.attempts(self.deadlines, self.max_retries, self.switch, told=watched.retried)
        reader = attempts.run(lambda: connect(Sends(attempts, self.switch)).to_end())
        return reader.response(attempts.made)

    def _connector(self) -> Callable[[Callable[[Exchange], None]], Reader]:
        call = self._encode(stream=True)

        def connect(begun: Callable[[Exchange], None]) -> Reader:
            answer = self.engine.open(call, self.headers, self.deadlines, stream=True, begun=begun)
            return Reader(self.engine, self.wire, answer, self.deadlines, self.quirks, self.tariff)

        return connect

    def _encode(self, *, stream: bool) -> Call:
        call = self.wire.encode(self.request, self.quirks, self.refuse, stream)
        if self.engine.limit is not None:
            most = self.request.max_tokens
            call = evolve(call, writes=inf if most is None else most)
        return addressed(call, self.engine, self.request.model)

    def _raise(self, error: LLMKitError) -> NoReturn:
        raise for_caller(error, self.engine, self.request.model, self.headers, self.request.extra_query)


def addressed(call: Call, engine: Engine, model: str | None) -> Call:
    """`call`, with its model where the host's address names it."""
    return evolve(call, model=model) if MODEL in engine.address else call
