"""Time limits of calls, and what may come for ever without being an answer."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from attrs import frozen
from sockets import CHUNKED, PATIENCE, Wire, chunk

from faults.calls import MODES, Outcome, asked, assert_failed, chunked
from faults.formats import FORMATS, Format, framed
from llmkit import DeadlineError, Timeout

SECONDS = 1.0  # long enough for a busy machine to get as far as a test wants it to
SOON = 8.0  # and this is far less than any limit that was not set
DRIP = 0.05

Script = Callable[[Wire], object]


@frozen
class Limit:
    """A limit of `SECONDS`.

    Attributes:
        timeout: As `Client` takes it.
        which: What the error calls it.
    """

    timeout: float | Timeout
    which: str


LIMITS = {
    "float": Limit(SECONDS, "total"),
    "total": Limit(Timeout(total=SECONDS), "total"),
    "first": Limit(Timeout(first=SECONDS, total=PATIENCE), "first"),
    "idle": Limit(Timeout(idle=SECONDS, total=PATIENCE), "idle"),
}
# Where bytes come: silence is for none of them to see.
DRIPPED = {name: limit for name, limit in LIMITS.items() if name != "idle"}


def on_each_wire(script_of: Callable[[Format], Script]) -> dict[str, tuple[Format, Script]]:
    """What `late` takes: the script of each format, by its name."""
    return {name: (form, script_of(form)) for name, form in FORMATS.items()}


def late(
    cases: Mapping[str, tuple[Format, Script]],
    *,
    modes: Iterable[str] = MODES,
    limits: Mapping[str, Limit] = LIMITS,
    **options: Any,
) -> list[tuple[str, Limit, Outcome]]:
    """How calls end, one of each kind, all at once; each of a server of its own. They may be tried again twice.

    Args:
        cases: By any name: the format, and what its server does with each connection.
        modes: How it is asked.
        limits: Which are set.
        **options: Of `asked`.
    """
    kinds = list(itertools.product(cases, modes, limits.values()))

    def call(kind: tuple[str, str, Limit]) -> Outcome:
        (form, script), mode, limit = cases[kind[0]], *kind[1:]
        return asked(script, form, mode, timeout=limit.timeout, **{"max_retries": 2, **options})

    with ThreadPoolExecutor(len(kinds)) as threads:
        outcomes = list(threads.map(call, kinds))
    return [(name, limit, outcome) for (name, _, limit), outcome in zip(kinds, outcomes, strict=True)]


def assert_late(
    outcome: Outcome, limit: Limit, *, seconds: float = SECONDS, partial: str | None = None, **details: Any
) -> DeadlineError:
    """It ended in the error of that limit, not before it had passed and soon after, and was not tried again."""
    error = assert_failed(
        outcome, DeadlineError, partial=partial, which=limit.which, seconds=seconds, retryable=True, **details
    )
    assert isinstance(error, DeadlineError)
    assert isinstance(error, TimeoutError)
    assert f"{seconds:g} s" in str(error)
    assert seconds <= outcome.seconds < SOON
    return error


def dripping(head: bytes, drop: bytes) -> Script:
    """A script: the head of an answer, and then a drop now and then, for ever."""

    def script(wire: Wire) -> None:
        wire.receive()
        wire.send(head)
        while not wire.server.stopped.wait(DRIP):
            wire.send(drop)

    return script


def stalled(raw: bytes) -> Script:
    """A script: so much of an answer, and then nothing."""

    def script(wire: Wire) -> None:
        wire.receive()
        wire.send(raw)
        wire.server.reached.set()
        wire.hang()

    return script


EMPTY_MEMBER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\3\0\0\0\0\0\0\0\0\0"  # gzip of nothing

HEADS = {
    "status line": (b"", b"H"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}
BODIES = {
    "chunk sizes": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"5;", b"a"),
    "chunks": (CHUNKED, chunk(b" ")),
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "),
    "until closed": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "gzip without content": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", EMPTY_MEMBER),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n"),
}


def started(form: Format, pieces: int) -> bytes:
    """The head of a stream and its beginning, as far as so many pieces of the text."""
    begun = form.begun(pieces)
    return chunked(*(begun and [begun]), end=False)


# How much of the text has come, and what more before the silence.
STALLS = {
    "nothing": (0, lambda _: b""),
    "between events": (2, lambda _: b""),
    "in an event": (2, lambda form: chunk(form.texts[2][:20])),
    "in a letter": (3, lambda form: chunk(form.texts[3][: form.texts[3].index("🌍".encode()) + 2])),
    "in a chunk size": (2, lambda _: b"f"),
}
# What comes once, and then for ever.
ENDLESS = {
    "comments": (lambda _: b"", lambda form: chunk(b": ping" + form.end * 2)),
    "blank lines": (lambda _: b"", lambda form: chunk(form.end)),
    "names without data": (lambda _: b"", lambda form: chunk(b"event: x" + form.end * 2)),
    "retry": (lambda _: b"", lambda form: chunk(b"retry: 1000" + form.end * 2)),
    "one event": (lambda form: chunk(form.texts[2].rstrip()), lambda _: chunk(b" ")),
    "a chunk extension": (lambda _: b"5;", lambda _: b"a"),
}
# What each wire's hosts send to say no more than that they are there.
PINGS = {
    "anthropic": {
        "ping": framed({"type": "ping"}, "ping"),
        "message_start again": framed({"type": "message_start", "message": {"id": "answer-1"}}, "message_start"),
        "empty delta": framed(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}},
            "content_block_delta",
        ),
        "an event to come": framed({"type": "heartbeat"}, "heartbeat"),
    },
    "openai-chat": {
        "comment of OpenRouter": b": OPENROUTER PROCESSING\n\n",
        "ping": framed({"type": "ping"}, "ping"),
        "empty delta": framed({"id": "answer-1", "choices": [{"index": 0, "delta": {}}]}),
        "empty text": framed(
            {"id": "answer-1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
        ),
        "no choices": framed({"id": "answer-1", "choices": []}),
    },
    "openai": {
        "keepalive": framed({"type": "keepalive", "sequence_number": 9}, "keepalive"),
        "in progress": framed({"type": "response.in_progress", "response": {"id": "answer-1"}}, "response.in_progress"),
        "queued": framed({"type": "response.queued", "response": {"id": "answer-1"}}, "response.queued"),
        "empty delta": framed(
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": ""},
            "response.output_text.delta",
        ),
    },
    "gemini": {
        "empty text": framed({"candidates": [{"content": {"parts": [{"text": ""}]}, "index": 0}]}, end=b"\r\n"),
        "counts": framed({"usageMetadata": {"promptTokenCount": 1}}, end=b"\r\n"),
        "nothing": framed({}, end=b"\r\n"),
    },
}
