"""Ways to fail, by name: each makes another answer of the one that would have been sent."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import evolve, frozen

from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    BadRequestError,
    OverloadedError,
    RateLimitError,
    ServerError,
)
from llmkit.testing.exchange import Answer, Rendering

ELSEWHERE: Final = "https://elsewhere.invalid/v1/messages"
_JSON: Final = {"content-type": "application/json"}
_OVERLOADED: Final = OverloadedError("Overloaded")  # with the status that each host has for it


@frozen
class Failing:
    """What a fault works on.

    Attributes:
        make: The answer that would have been sent; asked for at most once.
        rendering: The wire.
        after: Events of a stream that are still sent; None for half of them.
    """

    make: Callable[[], Answer]
    rendering: Rendering
    after: int | None

    def first_events(self, answer: Answer) -> int:
        """How many events of the streamed `answer` are sent: never all, so that it is never whole."""
        wanted = (len(answer.chunks) + 1) // 2 if self.after is None else self.after
        return max(0, min(wanted, len(answer.chunks) - answer.closing))


Fault: TypeAlias = Callable[[Failing], Answer]


def _begun(failing: Failing) -> Answer:
    """The beginning of the answer: some events; of a whole one half of its bytes."""
    answer = failing.make()
    if answer.streamed:
        return evolve(answer, chunks=answer.chunks[: failing.first_events(answer)])
    body = b"".join(answer.chunks)
    half = len(body) // 2
    return evolve(answer, chunks=(body[:half],), missing=len(body) - half)


def _cut_stream(failing: Failing) -> Answer:
    return evolve(_begun(failing), missing=0)


def _cut_connection(failing: Failing) -> Answer:
    return evolve(_begun(failing), ending="reset")


def _stall(failing: Failing) -> Answer:
    return evolve(_begun(failing), ending="stall")


def _error_event(failing: Failing) -> Answer:
    begun = _begun(failing)
    if not begun.streamed:
        return failing.rendering.error(_OVERLOADED)
    return evolve(begun, chunks=(*begun.chunks, failing.rendering.error_event(_OVERLOADED)))


def _error_event_first(failing: Failing) -> Answer:
    return _error_event(evolve(failing, after=0))


def _no_events(failing: Failing) -> Answer:
    return evolve(failing.make(), chunks=())


def _only_pings(failing: Failing) -> Answer:
    answer = failing.make()
    drip = failing.rendering.ping if answer.streamed else b" "
    return evolve(answer, chunks=(), streamed=True, ending="drip", drip=drip)


def _not_json(failing: Failing) -> Answer:
    answer = failing.make()
    at = failing.first_events(answer) if answer.streamed else 0
    broken = answer.chunks[at].replace(b"{", b"{oops ", 1)
    return evolve(answer, chunks=(*answer.chunks[:at], broken, *answer.chunks[at + 1 :]))


def _always(answer: Answer) -> Fault:
    return lambda _: answer


def _refusing(problem: APIError) -> Fault:
    return lambda failing: failing.rendering.error(problem)


_HTML: Final = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>This is no API.</body></html>"
_TOO_LONG: Final = "prompt is too long: 1000001 tokens > 1000000 maximum"

TABLE: Final[Mapping[str, tuple[str, Fault]]] = {
    "cut stream": ("the stream ends properly, in its middle; a whole body likewise", _cut_stream),
    "cut connection": ("the connection is reset in the middle of the answer", _cut_connection),
    "no answer": ("the connection is reset before anything is answered", _always(Answer(0, ending="reset"))),
    "error event": (
        "an event in the middle of the stream that says that the host is overloaded; else that status",
        _error_event,
    ),
    "error event first": ("such an event before any other; else that status", _error_event_first),
    "no events": ("a 200 and a body that ends where it begins", _no_events),
    "only pings": ("pings without end and no event; else blanks without end and no body", _only_pings),
    "stall": ("in the middle of the answer nothing more comes, until the connection is closed", _stall),
    "not JSON": ("an event in the middle of the stream is no JSON; else the body", _not_json),
    "HTML": ("a 200 with a web page", _always(Answer(200, {"content-type": "text/html; charset=utf-8"}, (_HTML,)))),
    "empty body": ("a 200 that says that its body is JSON and has none", _always(Answer(200, _JSON))),
    "redirect": ("a 302 to another host", _always(Answer(302, {"location": ELSEWHERE}))),
    "bad key": (
        "a 401, or what the host says instead: the key is wrong",
        _refusing(AuthenticationError("invalid x-api-key", status=401)),
    ),
    "too long": (
        "a 400: the prompt is too long",
        _refusing(BadRequestError(_TOO_LONG, status=400, code=CONTEXT_LENGTH_EXCEEDED)),
    ),
    "rate limited": (
        "a 429 that asks to wait 0.05 seconds",
        _refusing(RateLimitError("Number of requests has exceeded your rate limit", status=429, retry_after=0.05)),
    ),
    "server error": ("a 500", _refusing(ServerError("Internal server error", status=500))),
    "overloaded": ("a 529 or 503: the provider has too much to do", _refusing(_OVERLOADED)),
}

FAULTS: Final[Mapping[str, str]] = MappingProxyType({name: meaning for name, (meaning, _) in TABLE.items()})
"""The names that `FakeServer.fault` takes → what happens, with a stream and with a whole answer."""
