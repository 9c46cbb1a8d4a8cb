"""It takes too long: each of the limits in each phase of a call, whole and streamed; and where no limit counts."""

import time

import pytest
import sockets
from faults.calls import JSON, answer, ask, asked, assert_good, each_format, each_mode, in_turn, says, whole
from faults.formats import ANTHROPIC, CHAT, PIECES, TEXT
from faults.limits import (
    BODIES,
    DRIPPED,
    ENDLESS,
    HEADS,
    LIMITS,
    PINGS,
    SECONDS,
    SOON,
    STALLS,
    Limit,
    assert_late,
    dripping,
    late,
    on_each_wire,
    stalled,
    started,
)
from sockets import PATIENCE, Server, chunk

from llmkit import Client, DeadlineError, OverloadedError, RateLimitError, TextDelta, Timeout

BEGUN = "".join(PIECES[:2])
TOTALS = {name: LIMITS[name] for name in ("float", "total")}


# ---- before the headers are there ------------------------------------------------------------------------------------


def test_no_headers():
    for _, limit, outcome in late(on_each_wire(lambda _: stalled(b""))):
        assert_late(outcome, limit)


def test_half_of_the_headers():
    for _, limit, outcome in late(on_each_wire(lambda _: stalled(b"HTTP/1.1 200 OK\r\nContent-Ty"))):
        assert_late(outcome, limit)


def test_dripped_headers():
    """Of any kind, and on each wire."""
    cases = {name: (ANTHROPIC, dripping(head, drop)) for name, (head, drop) in HEADS.items()}
    cases |= on_each_wire(lambda _: dripping(*HEADS["one header"]))
    for _, limit, outcome in late(cases, limits=DRIPPED):
        assert_late(outcome, limit)


def test_an_upload_that_is_not_read():
    script = lambda wire: wire.server.stopped.wait(PATIENCE)  # noqa: E731
    for _, limit, outcome in late({"": (ANTHROPIC, script)}, prompt="x" * 12_000_000):
        assert_late(outcome, limit, requests=0, attempts=1)


# ---- amid a whole answer ---------------------------------------------------------------------------------------------


def test_half_a_body():
    cases = on_each_wire(lambda form: stalled(whole(form.body)[: -len(form.body) // 2]))
    for _, limit, outcome in late(cases, modes=["whole"]):
        assert_late(outcome, limit)


@each_mode
def test_a_dripped_body(mode):
    """Whole and streamed: in a stream it makes no event."""
    cases = {name: (CHAT, dripping(head, drop)) for name, (head, drop) in BODIES.items()}
    cases |= on_each_wire(lambda _: dripping(*BODIES["chunks"]))
    for _, limit, outcome in late(cases, modes=[mode], limits=DRIPPED):
        assert_late(outcome, limit)


@each_mode
def test_a_refusal_whose_reasons_do_not_end(mode):
    """Its status is known, so that is what is raised, with what came of the body."""
    raw = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 999\r\n\r\nno such model"
    outcome = asked(stalled(raw), ANTHROPIC, mode, timeout=SECONDS)
    assert (outcome.error.status, outcome.error.body) == (400, "no such model")
    assert SECONDS <= outcome.seconds < SOON


# ---- amid a stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS.keys())
def test_a_stall(stall):
    """What had come is in the error, as in the events."""
    pieces, rest = stall
    partial = "".join(PIECES[:pieces]) or None
    cases = on_each_wire(lambda form: stalled(started(form, pieces) + rest(form)))
    for _, limit, outcome in late(cases, modes=["streamed"]):
        assert_late(outcome, limit, partial=partial)


@pytest.mark.parametrize(("head", "drop"), ENDLESS.values(), ids=ENDLESS.keys())
def test_bytes_without_an_event(head, drop):
    """They put nothing off but `idle`."""
    cases = on_each_wire(lambda form: dripping(started(form, 2) + head(form), drop(form)))
    for _, limit, outcome in late(cases, modes=["streamed"], limits=DRIPPED):
        assert_late(outcome, limit, partial=BEGUN)


@each_format
@pytest.mark.parametrize("pieces", [0, 2], ids=["before the first event", "amid"])
def test_pings_for_ever(form, pieces):
    """Each wire's own: no event comes of them."""
    pings = PINGS[form.provider]
    cases = {name: (form, dripping(started(form, pieces), chunk(ping))) for name, ping in pings.items()}
    for _, limit, outcome in late(cases, modes=["streamed"], limits=DRIPPED):
        assert_late(outcome, limit, partial=BEGUN if pieces else None)


def test_a_long_answer_that_is_streamed_internally():
    """`complete` raises the same, with what had come."""
    options = {"api_key": "sk-test", "model": "m-1", "timeout": SECONDS}
    with (
        Server(stalled(started(ANTHROPIC, 2))) as server,
        Client("anthropic", base_url=server.url, **options) as client,
        pytest.raises(DeadlineError) as caught,
    ):
        client.complete("Hi", max_tokens=30_000)
    assert (caught.value.which, caught.value.seconds, caught.value.attempts) == ("total", SECONDS, 1)
    assert caught.value.partial.text == BEGUN


def test_events_put_off_all_but_the_total():
    """A stream is as long as it is."""

    def script_of(form):
        def script(wire):
            wire.receive()
            wire.send(started(form, 0))
            for _ in range(6):
                wire.send(chunk(form.texts[0]))
                wire.server.stopped.wait(SECONDS / 4)
            wire.send(b"".join(map(chunk, (*form.texts[1:], *form.after, *form.more))) + chunk(b""))
            wire.hang()

        return script

    for _, limit, outcome in late(on_each_wire(script_of), modes=["streamed"]):
        if limit is LIMITS["total"]:
            assert (type(outcome.error), outcome.error.which) == (DeadlineError, "total")
        else:
            assert outcome.error is None
        assert outcome.seconds >= SECONDS


# ---- before the request ----------------------------------------------------------------------------------------------


def _connect_answer_hangs(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 Conn")
    wire.hang()


@pytest.fixture(params=["look-up", "SYN", "TLS", "CONNECT", "half of CONNECT", "TLS in the tunnel", "TLS to the proxy"])
def unconnected(request, monkeypatch):
    """Options of a client that gets no connection."""
    with Server(lambda wire: wire.hang()) as silent:
        if request.param == "look-up":
            monkeypatch.setattr("socket.getaddrinfo", lambda *_: silent.stopped.wait(PATIENCE) and [])
            yield {"base_url": "http://host.invalid"}
        elif request.param == "SYN":
            with sockets.unanswered() as port:
                yield {"base_url": f"http://127.0.0.1:{port}"}
        elif request.param == "TLS":
            yield {"base_url": f"https://127.0.0.1:{silent.port}"}
        elif request.param == "TLS to the proxy":
            yield {"base_url": "https://api.invalid", "proxy": f"https://127.0.0.1:{silent.port}"}
        else:
            script = {
                "CONNECT": lambda wire: wire.hang(),
                "half of CONNECT": _connect_answer_hangs,
                "TLS in the tunnel": sockets.tunnel(silent.port),
            }[request.param]
            with Server(script) as proxy:
                yield {"base_url": "https://api.invalid", "proxy": proxy.url}


def test_no_connection(unconnected):
    """That alone is tried again, as nothing was asked for yet."""
    limits = {"connect": Limit(Timeout(connect=SECONDS), "connect"), **TOTALS}
    for _, limit, outcome in late({"": (CHAT, sockets.echo)}, limits=limits, **{**unconnected, "max_retries": 1}):
        again = limit.which == "connect"
        error = assert_late(outcome, limit, requests=0, attempts=1 + again)
        assert outcome.seconds >= SECONDS * (1 + again)
        assert [note.partition(":")[0] for note in getattr(error, "__notes__", [])] == ["attempt 1"] * again
        assert outcome.connections == 0


@each_mode
def test_the_next_connection_answers(mode, tmp_path):
    def good(wire):
        wire.secure()
        says(answer(CHAT, mode))(wire)

    with Server(in_turn(lambda wire: wire.hang(), good)) as server:
        options = {"timeout": Timeout(connect=1), "max_retries": 1, "verify": sockets.bundle(tmp_path)}
        outcome = ask(server, CHAT, mode, base_url=f"https://127.0.0.1:{server.port}", **options)
    assert_good(outcome, attempts=2)


# ---- a float, and the total, over several tries ----------------------------------------------------------------------

BUSY = whole(b'{"error": {"message": "busy"}}', "503 Service Unavailable", JSON + "Retry-After-Ms: 10\r\n")
over_all = pytest.mark.parametrize("limit", TOTALS.values(), ids=TOTALS.keys())


@each_mode
@over_all
def test_retries_are_within_the_limit(mode, limit):
    """The second try has what the first one and the wait have left."""

    def script(wire):
        for _ in wire.requests():
            if len(wire.server.requests) > 1:
                wire.hang()
            wire.server.stopped.wait(SECONDS / 2)
            wire.send(BUSY)

    outcome = asked(script, CHAT, mode, timeout=limit.timeout, max_retries=5)
    error = assert_late(outcome, limit, requests=2)
    assert "OverloadedError" in error.__notes__[0]


@each_mode
@over_all
def test_a_wait_that_would_be_too_long_is_none(mode, limit):
    raw = whole(b'{"error": {"message": "slow down"}}', "429 Too Many Requests", JSON + "Retry-After: 30\r\n")
    outcome = asked(says(raw), CHAT, mode, timeout=limit.timeout, max_retries=5)
    assert type(outcome.error) is RateLimitError
    assert outcome.error.retry_after == 30
    assert outcome.requests == 1
    assert outcome.seconds < SOON


def test_first_is_of_each_try():
    def script(wire):
        for _ in wire.requests():
            wire.server.stopped.wait(0.25)
            wire.send(BUSY)

    outcome = asked(script, CHAT, "whole", timeout=Timeout(first=1), max_retries=4)
    assert type(outcome.error) is OverloadedError
    assert (outcome.requests, outcome.error.attempts) == (5, 5)
    assert outcome.seconds > 1


# ---- what the consumer does in between -------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_a_slow_consumer(limit):
    """It counts for the total alone. The rest of the answer comes meanwhile."""
    rest = b"".join(map(chunk, (*CHAT.texts[1:], *CHAT.after, *CHAT.more))) + chunk(b"")

    def script(wire):
        wire.receive()
        wire.send(started(CHAT, 1))
        assert wire.server.reached.wait(PATIENCE)
        wire.send(rest)
        wire.hang()

    options = {"api_key": "sk-test", "model": "m-1", "timeout": limit.timeout}
    with Server(script) as server, Client(CHAT.provider, base_url=server.url, **options) as client:
        stream = client.stream("Hi")
        assert next(stream) == TextDelta(PIECES[0])
        server.reached.set()
        time.sleep(SECONDS + 0.2)
        if limit is LIMITS["total"]:
            with pytest.raises(DeadlineError) as caught:
                stream.collect()
            assert (caught.value.which, caught.value.partial.text) == ("total", PIECES[0])
        else:
            assert stream.collect().text == TEXT


# ---- no limit --------------------------------------------------------------------------------------------------------


@each_mode
@pytest.mark.parametrize("timeout", [None, Timeout(None, None, None, None)], ids=["None", "each None"])
def test_no_limit(mode, timeout):
    """Silence in each phase."""
    raw = answer(CHAT, mode)

    def script(wire):
        wire.receive()
        for start in range(0, len(raw), len(raw) // 4):
            wire.server.stopped.wait(0.05)
            wire.send(raw[start : start + len(raw) // 4])

    assert_good(asked(script, CHAT, mode, timeout=timeout))
