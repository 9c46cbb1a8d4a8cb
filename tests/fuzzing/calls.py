"""Calls of the public API without a network, and good answers to them, in all four formats."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from attrs import field, frozen
from faults.formats import FORMATS

from llmkit import Client, Image, LLMKitError, Refusal, Response, Text, Thinking, ToolCall
from llmkit.sse import SSEDecoder
from llmkit.testing import FakeServer

PROVIDERS = tuple(FORMATS)
KEY = "sk-fuzz-0123456789"
MODEL = "m-1"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)
ANSWERS: Sequence[Any] = (
    "Grüß Gott, 世界 🌍",
    [Thinking("Let me see.", "c2VhbA=="), Text("It is "), Text("so.")],
    [Text("I look."), ToolCall("call_1", "look", {"at": "x", "n": [1.5, None]}), ToolCall("call_2", "rest", {})],
    [Refusal("I would rather not.")],
    [Text("Here:"), Image(PNG)],
)


@frozen
class Canned:
    """The response of a session: what came, in pieces."""

    pieces: Sequence[bytes]
    status_code: int = 200
    headers: Mapping[str, str] = field(factory=dict)

    def iter_content(self, *_: Any) -> Iterator[bytes]:
        yield from self.pieces

    def close(self) -> None:
        """There is nothing to close."""


class Session:
    """A caller's own session that always answers the same."""

    def __init__(self) -> None:
        self.answer = Canned([])

    def request(self, _method: str, **_: Any) -> Canned:
        return self.answer


@functools.cache
def client(provider: str) -> tuple[Client, Session]:
    session = Session()
    options: dict[str, Any] = {"api_key": KEY, "model": MODEL, "max_retries": 0, "timeout": None}
    return Client(provider, session=session, **options), session


@frozen
class Outcome:
    """How a call ended: with a response or an error, and what a stream told before."""

    response: Response[Any] | None
    error: LLMKitError | None
    events: tuple[Any, ...] = ()


def ask(provider: str, answer: Canned, *, stream: bool, prompt: Any = "Hi") -> Outcome:
    """A call that gets `answer`; what it raises that is no `LLMKitError` comes out."""
    asking, session = client(provider)
    session.answer = answer
    events: list[Any] = []
    try:
        if not stream:
            return Outcome(asking.complete(prompt), None)
        with asking.stream(prompt) as told:
            for event in told:
                events.append(event)  # noqa: PERF402 - kept as far as they came when one raises
            return Outcome(told.collect(), None, tuple(events))
    except LLMKitError as error:
        return Outcome(None, error, tuple(events))


# ---- good answers ----------------------------------------------------------------------------------------------------


class _Listening:
    """A session that keeps the body of what it was answered."""

    def __init__(self) -> None:
        self.heard = b""

    def request(self, method: str, **arguments: Any) -> Canned:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, **{**arguments, "timeout": 20, "stream": False})
        self.heard = answer.content
        return Canned([answer.content], answer.status_code, answer.headers)


@functools.cache
def good(provider: str, *, stream: bool) -> tuple[bytes, ...]:
    """Bodies of good answers, as far as the format can tell them."""
    form, found = FORMATS[provider], []
    with FakeServer() as server:
        for content in ANSWERS:
            session = _Listening()
            server.reply(content)
            with server.client(provider, session=session, model=MODEL, max_retries=0) as asking:
                try:
                    asking.stream("Hi").collect() if stream else asking.complete("Hi")
                except LLMKitError:
                    continue  # the server says so of what this format has no place for
            found.append(session.heard)
    assert len(found) >= len(ANSWERS) - 2
    return (*found, form.stream if stream else form.body)


def events_of(stream: bytes) -> list[tuple[str, str]]:
    """The names and the data of a stream's events."""
    return [(event.event, event.data) for event in SSEDecoder().feed(stream)]
