"""A call of the public API against a scripted socket, and all that is to be seen of how it ends."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from sockets import Server, Wire

from faults.formats import FORMATS, INPUT, MODEL, OUTPUT, TEXT, Format
from llmkit import Client, Event, FinishReason, LLMKitError, Response, Text, TextDelta, Usage

KEY = "sk-test-0123456789abcdef"
JSON = "Content-Type: application/json\r\n"
SSE = "Content-Type: text/event-stream\r\n"
MODES = ("whole", "streamed")

each_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
each_mode = pytest.mark.parametrize("mode", MODES)


def whole(body: bytes, status: str = "200 OK", headers: str = JSON) -> bytes:
    """An answer with its length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def until_closed(body: bytes, headers: str = SSE) -> bytes:
    """An answer that ends with its connection."""
    return f"HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n".encode() + body


def chunked(*pieces: bytes, headers: str = SSE, end: bool = True) -> bytes:
    """An answer in chunks; without its end if not `end`."""
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode() + chunks + b"0\r\n\r\n" * end


def answer(form: Format, mode: str) -> bytes:
    """The good answer, as that mode gets it."""
    return whole(form.body) if mode == "whole" else chunked(*form.events)


def says(*answers: bytes) -> Callable[[Wire], None]:
    """A script: the n-th request of all connections gets the n-th of `answers`, then the last one; then it closes."""

    def script(wire: Wire) -> None:
        for _ in wire.requests():
            wire.send(answers[min(len(wire.server.requests), len(answers)) - 1])
            if b"Connection: close" in answers[min(len(wire.server.requests), len(answers)) - 1]:
                return

    return script


def once(raw: bytes) -> Callable[[Wire], None]:
    """A script: these bytes, and the end of the connection.

    Headers that are whole say so: another try at once could else take the connection before its end is to be seen.
    """
    first, _, rest = raw.partition(b"\r\n")
    told = b"\r\n\r\n" not in raw or b"\r\nConnection:" in raw
    sent = raw if told else b"\r\n".join((first, b"Connection: close", rest))

    def script(wire: Wire) -> None:
        wire.receive()
        wire.send(sent)

    return script


def in_turn(*scripts: Callable[[Wire], object]) -> Callable[[Wire], None]:
    """A script: the n-th connection gets the n-th of `scripts`, then the last one."""

    def script(wire: Wire) -> None:
        scripts[min(wire.number, len(scripts)) - 1](wire)

    return script


@frozen
class Outcome:
    """How a call ended.

    Attributes:
        response: What it gave, if it did.
        error: What it raised, else.
        events: What a stream gave before.
        seconds: How long it took.
        requests: How many requests the server saw.
        connections: And how many connections.
    """

    response: Response[Any] | None
    error: LLMKitError | None
    events: tuple[Event, ...]
    seconds: float
    requests: int
    connections: int


def ask(server: Server, form: Format, mode: str, prompt: str = "Hi", **options: Any) -> Outcome:
    """Call a client of `server` once; whatever it raises that is not an `LLMKitError` comes out."""
    options = {"api_key": KEY, "base_url": server.url, "model": MODEL, "max_retries": 0, **options}
    with Client(form.provider, **options) as client:
        return use(client, server, mode, prompt)


def use(client: Client, server: Server, mode: str, prompt: str = "Hi") -> Outcome:
    """As `ask`, of a client that is there."""
    requests, connections = len(server.requests), server.connections
    events: list[Event] = []
    response = error = None
    began = time.monotonic()
    try:
        if mode == "whole":
            response = client.complete(prompt)
        else:
            with client.stream(prompt) as stream:
                for event in stream:
                    events.append(event)  # noqa: PERF402 - kept as far as they came when one raises
                response = stream.collect()
    except LLMKitError as caught:
        error = caught
    seconds = time.monotonic() - began
    return Outcome(
        response,
        error,
        tuple(events),
        seconds,
        len(server.requests) - requests,
        server.connections - connections,
    )


def asked(script: Callable[[Wire], object], form: Format, mode: str, **options: Any) -> Outcome:
    """As `ask`, of a server that does `script` with each connection."""
    with Server(script) as server:
        return ask(server, form, mode, **options)


def assert_good(
    outcome: Outcome, *, attempts: int = 1, text: str = TEXT, usage: tuple[int, int] = (INPUT, OUTPUT)
) -> None:
    """It gave the good answer, told whole."""
    if outcome.error is not None:
        raise outcome.error
    response = outcome.response
    assert response is not None
    assert (response.text, response.finish_reason.reason) == (text, "stop")
    assert (response.usage.input_tokens, response.usage.output_tokens) == usage
    assert response.attempts == attempts
    if outcome.events:
        *parts, reason, counts = outcome.events
        assert (reason, counts) == (response.finish_reason, response.usage)
        assert "".join(part.text for part in parts if isinstance(part, TextDelta)) == text
        assert [part for part in parts if isinstance(part, Text)] == [Text(text)]


def assert_failed(
    outcome: Outcome,
    cls: type[LLMKitError],
    *,
    partial: str | None = None,
    requests: int = 1,
    attempts: int | None = None,
    **attributes: Any,
) -> LLMKitError:
    """It raised just this class, with these attributes, having shown and kept no more than `partial` of the text.

    Args:
        outcome: Of the call.
        cls: The class itself, no base of it.
        partial: The text of `error.partial`, which is also what a stream's deltas told; None: there is none.
        requests: How many the server saw.
        attempts: The error's own count; as many as the server saw where it is not given.
        **attributes: Others of the error.
    """
    error = outcome.error
    assert error is not None, f"no error, but {outcome.response}"
    assert type(error) is cls, f"{type(error).__name__}: {error}"
    told = [event for event in outcome.events if isinstance(event, TextDelta)]
    assert not [event for event in outcome.events if isinstance(event, FinishReason | Usage)]
    if partial is None:
        assert error.partial is None or error.partial.text == ""
        assert not told
    else:
        assert error.partial is not None
        assert error.partial.text == partial == "".join(event.text for event in told)
        assert error.partial.finish_reason.reason == "unfinished"
    assert outcome.requests == requests
    assert error.attempts == (requests if attempts is None else attempts)
    for name, value in attributes.items():
        assert getattr(error, name) == value, f"{name} is {getattr(error, name)!r}"
    assert len(str(error)) < 1_500
    assert KEY not in str(error)
    return error
