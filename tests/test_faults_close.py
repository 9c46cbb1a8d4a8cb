"""`Stream.close` from another thread, in each phase of a stream, plain, with TLS and through a proxy: at once."""

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sockets
from attrs import frozen
from calls import addresses
from faults.calls import SSE, assert_good, chunked, each_format, says, use
from faults.formats import ANTHROPIC, CHAT, GEMINI, MODEL, PIECES, TEXT
from faults.limits import started
from foreign import Foreign
from sockets import PATIENCE, Server, chunk

from llmkit import Client, StreamClosedError, TextDelta

PROMPT = 5.0  # seconds: a server that hangs for ever would take longer
BEGUN = "".join(PIECES[:2])


@pytest.fixture(params=["plain", "TLS", "proxy"])
def way(request, tmp_path):
    """How the host is reached: gives a function of a script, for a context of its server and the client's options."""

    @contextlib.contextmanager
    def reach(script):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(script, tls=request.param != "plain"))
            options = {"verify": sockets.bundle(tmp_path)} if request.param != "plain" else {}
            if request.param == "proxy":
                options["proxy"] = stack.enter_context(Server(sockets.tunnel(server.port))).url
            yield server, options

    return reach


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def client_of(server, form, **options):
    return Client(form.provider, **{"api_key": "sk-test", "base_url": server.url, "model": MODEL, **options})


def assert_closed(stream, reading, partial=None):
    """The stream is closed, at once; who reads is told, and so is who reads later."""
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < PROMPT
    with pytest.raises(StreamClosedError) as caught:
        reading.result(PATIENCE)
    assert time.monotonic() - began < PROMPT
    assert caught.value.attempts == stream.snapshot.attempts
    if partial is not None:
        assert caught.value.partial.text == partial
    for more in (stream.collect, lambda: next(stream)):
        with pytest.raises(StreamClosedError):
            more()
    stream.close()


# ---- while it is read ------------------------------------------------------------------------------------------------


@frozen
class Reading:
    """A phase in which the stream is being read.

    Attributes:
        sent: Of a format: what has come.
        text: What it tells.
    """

    sent: object
    text: str


READING = {
    "before the first event": Reading(lambda form: started(form, 0), ""),
    "between events": Reading(lambda form: started(form, 2), BEGUN),
    "in an event": Reading(lambda form: started(form, 2) + chunk(form.texts[2][:20]), BEGUN),
    "in a chunk": Reading(lambda form: started(form, 2) + b"fff\r\n", BEGUN),
}


@each_format
@pytest.mark.parametrize("phase", READING.values(), ids=READING.keys())
def test_while_it_is_read(form, phase, way, threads):
    def script(wire):
        wire.receive()
        wire.send(phase.sent(form))
        wire.hang()

    seen, got = [], threading.Event()

    def read(stream):
        for text in stream.text_deltas():
            seen.append(text)
            if "".join(seen) == phase.text:
                got.set()

    if not phase.text:
        got.set()
    with way(script) as (server, options), client_of(server, form, **options) as client:
        stream = client.stream("Hi")
        reading = threads.submit(read, stream)
        assert got.wait(PATIENCE)
        assert_closed(stream, reading, phase.text)
        assert server.left.wait(PATIENCE)
    assert "".join(seen) == phase.text


@pytest.mark.parametrize("form", [CHAT, GEMINI], ids=["openai-chat", "gemini"])
def test_while_more_is_awaited_of_a_whole_answer(form, way, threads):
    """Its reason has come and was not told: it is closed all the same."""

    def script(wire):
        wire.receive()
        wire.send(chunked(*form.before, *form.texts, *form.after, end=False))
        while not wire.server.stopped.wait(0.05):
            wire.send(chunk(b": ping\n\n"))  # else it were over in two seconds

    with way(script) as (server, options), client_of(server, form, **options) as client:
        stream = client.stream("Hi")
        while stream.snapshot.text != TEXT:
            next(stream)
        reading = threads.submit(stream.collect)
        assert_closed(stream, reading, TEXT)


def test_while_it_is_drained(way, threads):
    """All of it was handed out before: there is nothing to tell of, and the wait is short by itself."""

    def script(wire):
        wire.receive()
        wire.send(chunked(*ANTHROPIC.events, end=False))
        wire.hang()

    with way(script) as (server, options), client_of(server, ANTHROPIC, **options) as client:
        stream = client.stream("Hi")
        for _ in range(len(PIECES) + 3):
            next(stream)
        reading = threads.submit(next, stream, None)
        stream.close()
        assert reading.result(PATIENCE) is None
        assert server.left.wait(PATIENCE)
        assert stream.collect().text == TEXT


@each_format
def test_while_the_consumer_does_something_else(form, way):
    """The server sees it go at once, not when the consumer asks for more."""

    def script(wire):
        wire.receive()
        wire.send(started(form, 2))
        wire.hang()

    with way(script) as (server, options), client_of(server, form, **options) as client:
        stream = client.stream("Hi")
        assert next(stream) == TextDelta(PIECES[0])
        closer = threading.Thread(target=stream.close)
        closer.start()
        assert server.left.wait(PATIENCE)
        closer.join(PATIENCE)
        with pytest.raises(StreamClosedError) as caught:
            next(stream)
        assert caught.value.partial.text == BEGUN


# ---- before its first event, while it is tried again -----------------------------------------------------------------


def busy(wire, *, wait=None):
    """An answer that begins well, tells of trouble before its first text, and is to be asked for again."""
    wire.receive()
    hint = f"Retry-After: {wait}\r\n" if wait else "Retry-After-Ms: 1\r\n"
    wire.send(chunked(ANTHROPIC.event(ANTHROPIC.trouble), headers=f"{SSE}{hint}Connection: close\r\n"))


def _reach(wire):
    wire.server.reached.set()
    wire.hang()


def _headers(wire):
    wire.receive()
    _reach(wire)


def _half_of_the_headers(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    _reach(wire)


def _first_event(wire):
    wire.receive()
    wire.send(started(ANTHROPIC, 0))
    _reach(wire)


RETRIES = {"headers": _headers, "half of the headers": _half_of_the_headers, "first event": _first_event}


@pytest.mark.parametrize("second", RETRIES.values(), ids=RETRIES.keys())
def test_while_a_retry_waits_for_its(second, way, threads):
    def script(wire):
        (busy if wire.number == 1 else second)(wire)

    with way(script) as (server, options), client_of(server, ANTHROPIC, **options) as client:
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        assert server.reached.wait(PATIENCE)
        assert_closed(stream, reading)
        assert server.left.wait(PATIENCE)
        assert len(server.requests) == 2


def test_while_it_waits_to_try_again(way, threads):
    with (
        way(lambda wire: busy(wire, wait=30)) as (server, options),
        client_of(server, ANTHROPIC, **options) as client,
    ):
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        _until(lambda: stream._attempts._notes)
        assert_closed(stream, reading)
        assert len(server.requests) == 1


def test_while_a_retry_looks_its_host_up(monkeypatch, threads):
    asked = []

    with Server(busy) as server, client_of(server, ANTHROPIC, base_url=f"http://api.invalid:{server.port}") as client:

        def getaddrinfo(*_):
            asked.append(1)
            if len(asked) > 1:
                server.reached.set()
                server.stopped.wait(PATIENCE)
            return addresses(("127.0.0.1", server.port))()

        monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        assert server.reached.wait(PATIENCE)
        assert_closed(stream, reading)


def test_while_a_retry_connects(monkeypatch, threads):
    with sockets.unanswered() as port, Server(busy) as server:
        ports = [server.port, port]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_: addresses(("127.0.0.1", ports.pop(0)))())
        with client_of(server, ANTHROPIC, base_url="http://api.invalid") as client:
            stream = client.stream("Hi")
            reading = threads.submit(stream.collect)
            _until(lambda: not ports)
            assert_closed(stream, reading)


def test_while_a_retry_does_tls(threads, tmp_path):
    def script(wire):
        if wire.number == 1:
            wire.secure()
            busy(wire)
        else:
            _reach(wire)

    with (
        Server(script) as server,
        client_of(
            server, ANTHROPIC, base_url=f"https://127.0.0.1:{server.port}", verify=sockets.bundle(tmp_path)
        ) as client,
    ):
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        assert server.reached.wait(PATIENCE)
        assert_closed(stream, reading)
        assert server.left.wait(PATIENCE)


def _half_of_connect(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 200 Conn")
    _reach(wire)


TUNNELS = {"CONNECT": _reach, "half of CONNECT": _half_of_connect}


@pytest.mark.parametrize("second", TUNNELS.values(), ids=TUNNELS.keys())
def test_while_a_retry_asks_the_proxy(second, threads, tmp_path):
    with Server(busy, tls=True) as server:
        tunnel = sockets.tunnel(server.port)
        with Server(lambda wire: (tunnel if wire.number == 1 else second)(wire)) as proxy:
            options = {"proxy": proxy.url, "verify": sockets.bundle(tmp_path)}
            with client_of(server, ANTHROPIC, **options) as client:
                stream = client.stream("Hi")
                reading = threads.submit(stream.collect)
                assert proxy.reached.wait(PATIENCE)
                assert_closed(stream, reading)
                assert proxy.left.wait(PATIENCE)


def test_while_a_retry_does_tls_in_the_tunnel(threads, tmp_path):
    def script(wire):
        if wire.number == 1:
            wire.secure()
            busy(wire)
        else:
            _reach(wire)

    with Server(script) as server, Server(sockets.tunnel(server.port)) as proxy:
        options = {"proxy": proxy.url, "verify": sockets.bundle(tmp_path)}
        with client_of(server, ANTHROPIC, base_url=f"https://127.0.0.1:{server.port}", **options) as client:
            stream = client.stream("Hi")
            reading = threads.submit(stream.collect)
            assert server.reached.wait(PATIENCE)
            assert_closed(stream, reading)
            assert server.left.wait(PATIENCE)


def _until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# ---- a caller's own session ------------------------------------------------------------------------------------------


@pytest.fixture(params=["requests", "another library's"])
def session(request):
    with requests.Session() as own:
        yield own if request.param == "requests" else Foreign(own)


@each_format
def test_a_session_of_requests_while_it_is_read(form, threads):
    def script(wire):
        wire.receive()
        wire.send(started(form, 2))
        wire.hang()

    with requests.Session() as own, Server(script) as server, client_of(server, form, session=own) as client:
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        _until(lambda: stream.snapshot.text == BEGUN)
        assert_closed(stream, reading, BEGUN)
        assert server.left.wait(PATIENCE)


def test_a_session_of_another_library_while_it_is_read(threads):
    """Nobody knows its socket: `close` returns at once, and who reads is told when the next bytes come."""

    def script(wire):
        wire.receive()
        wire.send(started(ANTHROPIC, 2))
        while not wire.server.stopped.wait(0.02):
            wire.send(chunk(b": ping\n\n"))

    with requests.Session() as own, Server(script) as server:
        session = Foreign(own)
        with client_of(server, ANTHROPIC, session=session) as client:
            stream = client.stream("Hi")
            reading = threads.submit(stream.collect)
            _until(lambda: stream.snapshot.text == BEGUN)
            assert_closed(stream, reading, BEGUN)
            assert session.closed == 1


def test_a_session_while_a_retry_waits_for_its_headers(session, threads):
    """At once where a limit on the whole makes the request run beside; the request is left behind till they come."""

    def script(wire):
        (busy if wire.number == 1 else _headers)(wire)

    with Server(script) as server, client_of(server, ANTHROPIC, session=session, timeout=PATIENCE) as client:
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        assert server.reached.wait(PATIENCE)
        assert_closed(stream, reading)


def test_a_session_while_a_retry_waits_for_its_headers_without_limit(session, threads):
    """Then it is noticed when they come: the session cannot be told."""

    def script(wire):
        if wire.number == 1:
            busy(wire)
            return
        wire.receive()
        wire.server.reached.set()
        assert closed.wait(PATIENCE)
        wire.send(started(ANTHROPIC, 2))
        wire.hang()

    closed = threading.Event()
    with Server(script) as server, client_of(server, ANTHROPIC, session=session, timeout=None) as client:
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        assert server.reached.wait(PATIENCE)
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < PROMPT
        closed.set()
        with pytest.raises(StreamClosedError):
            reading.result(PATIENCE)
        assert server.left.wait(PATIENCE)


def test_a_session_while_it_waits_to_try_again(session, threads):
    with (
        Server(lambda wire: busy(wire, wait=30)) as server,
        client_of(server, ANTHROPIC, session=session) as client,
    ):
        stream = client.stream("Hi")
        reading = threads.submit(stream.collect)
        _until(lambda: stream._attempts._notes)
        assert_closed(stream, reading)


# ---- whenever --------------------------------------------------------------------------------------------------------


@each_format
def test_at_any_moment(form, threads):
    """Each stream is whole or closed, nothing else, and no connection is spoilt for the next."""
    chance = random.Random(1)
    moments = [chance.random() * 0.006 for _ in range(120)]

    def one(moment):
        stream = client.stream("Hi")
        timer = threading.Timer(moment, stream.close)
        timer.start()
        try:
            assert stream.collect().text == TEXT
        except StreamClosedError:
            return "closed"
        finally:
            timer.join()
        return "whole"

    with Server(says(chunked(*form.events))) as server, client_of(server, form, max_retries=0) as client:
        outcomes = list(threads.map(one, moments))
        assert set(outcomes) <= {"whole", "closed"}
        assert_good(use(client, server, "streamed"))
