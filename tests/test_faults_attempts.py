"""The attempts of a call: how many there may be in an outage, what is told of them, and how Ctrl-C ends them."""

import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from faults.calls import (
    KEY,
    SSE,
    answer,
    ask,
    asked,
    assert_failed,
    assert_good,
    chunked,
    each_format,
    each_mode,
    in_turn,
    once,
    says,
    use,
    whole,
)
from faults.formats import ANTHROPIC, CHAT, MODEL, PIECES
from faults.refusals import refusal, told, trouble
from sockets import PATIENCE, Server

from llmkit import (
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    IncompleteStreamError,
    MissingAuthError,
    ServerError,
    StreamClosedError,
    StreamError,
)

CAPACITY = 100  # of a client's quota of retries


def client_of(server, form, **options):
    return Client(form.provider, **{"api_key": KEY, "base_url": server.url, "model": MODEL, **options})


# ---- the quota -------------------------------------------------------------------------------------------------------


class Load:
    """Many calls at once of clients that share a quota, and how many requests the server saw of them."""

    def __init__(self, server, mode, *clients):
        self._server = server
        self._clients = clients
        self._mode = mode
        self._began = time.monotonic()

    def calls(self, count):
        before = len(self._server.requests)
        with ThreadPoolExecutor(32) as threads:
            list(
                threads.map(
                    lambda n: use(self._clients[n % len(self._clients)], self._server, self._mode), range(count)
                )
            )
        return len(self._server.requests) - before

    @property
    def grown(self):
        """Tokens that time has brought, at most."""
        return 0.5 * (time.monotonic() - self._began) + 1


@each_format
@each_mode
def test_an_outage_is_not_multiplied(form, mode):
    """By the calls of all threads and copies of a client, which share one quota; each success brings one back."""
    well = threading.Event()

    def script(wire):
        for _ in wire.requests():
            wire.send(answer(form, mode) if well.is_set() else refusal(500))

    with Server(script) as server, client_of(server, form, max_retries=4) as client:
        load = Load(server, mode, client, client.with_options(max_retries=9), client.with_options(seed=None))
        made = load.calls(60)
        assert 60 + CAPACITY <= made <= 60 + CAPACITY + load.grown
        well.set()
        assert load.calls(15) == 15
        well.clear()
        made = load.calls(30)
        assert 30 + 15 <= made <= 30 + 15 + load.grown


@each_format
@each_mode
def test_a_host_that_fails_after_it_has_accepted_is_spared_too(form, mode):
    """Only what tells something is a success."""
    raw = told(form, mode, trouble(form, mode))
    with Server(says(raw)) as server, client_of(server, form, max_retries=1) as client:
        load = Load(server, mode, client)
        made = load.calls(150)
        assert 150 + CAPACITY <= made <= 150 + CAPACITY + load.grown


# ---- what is told of the attempts ------------------------------------------------------------------------------------


def reset(wire):
    wire.receive()
    wire.reset()


def cut(form):
    """A stream that ends before its answer does."""
    return once(chunked(*form.before, *form.texts[:2]))


def notes(error):
    """The notes of an error, which its pickle has too: each a short line without the key."""
    found = getattr(error, "__notes__", [])
    again = pickle.loads(pickle.dumps(error))
    assert getattr(again, "__notes__", []) == found
    assert again.attempts == error.attempts
    assert not [note for note in found if len(note) > 300 or not note.isprintable() or KEY in note]
    return [note.split(": ")[:2] for note in found]


@each_format
@each_mode
def test_each_attempt_is_told_of(form, mode):
    """How often it was sent, and what came of it each time."""
    last = refusal(400, body=KEY.encode() * 100)
    causes = [
        reset,
        once(told(form, mode, trouble(form, mode))),
        once(refusal(503, body=KEY.encode() * 100)),
        once(last),
    ]
    error = assert_failed(asked(in_turn(*causes), form, mode, max_retries=3), BadRequestError, requests=4)
    assert notes(error) == [
        ["attempt 1", "ConnectionFailedError"],
        ["attempt 2", "OverloadedError"],
        ["attempt 3", "OverloadedError"],
    ]


@each_format
@each_mode
def test_the_first_attempt_has_nothing_to_tell(form, mode):
    error = assert_failed(asked(says(refusal(400)), form, mode, max_retries=2), BadRequestError)
    assert notes(error) == []


@each_format
def test_attempts_before_a_stream_that_breaks_off_later(form):
    """Though nothing is tried again then."""
    outcome = asked(in_turn(once(refusal(500)), cut(form)), form, "streamed", max_retries=3)
    error = assert_failed(outcome, IncompleteStreamError, requests=2, partial="".join(PIECES[:2]))
    assert notes(error) == [["attempt 1", "ServerError"]]
    assert error.partial.attempts == 2


@each_format
def test_attempts_before_a_stream_that_was_left(form):
    def script(wire):
        for _ in wire.requests():
            first = len(wire.server.requests) == 1
            wire.send(refusal(500) if first else chunked(form.begun(1), end=False))

    with Server(script) as server, client_of(server, form, max_retries=3) as client:
        with client.stream("Hi") as stream:
            next(stream)
        with pytest.raises(StreamClosedError) as caught:
            next(stream)
    assert caught.value.attempts == 2
    assert notes(caught.value) == [["attempt 1", "ServerError"]]


def test_attempts_of_a_long_answer_that_is_streamed_internally():
    with (
        Server(in_turn(once(refusal(500)), cut(ANTHROPIC))) as server,
        client_of(server, ANTHROPIC, max_retries=1) as client,
        pytest.raises(IncompleteStreamError) as caught,
    ):
        client.complete("Hi", max_tokens=30_000)
    assert caught.value.attempts == 2
    assert notes(caught.value) == [["attempt 1", "ServerError"]]


def test_the_notes_of_many_attempts_are_the_last_ones():
    outcome = asked(says(refusal(500)), CHAT, "whole", max_retries=50)
    error = assert_failed(outcome, ServerError, requests=51)
    assert notes(error) == [[f"attempt {number}", "ServerError"] for number in range(31, 51)]


# ---- a key that is refused -------------------------------------------------------------------------------------------

KEYS = ["sk-first-0123456789abcdef", "sk-second-0123456789abcdef", "sk-third-0123456789abcdef"]


def keyed(server):
    """Which of the keys each request had."""
    return [next(key for key in KEYS if key in str(request.headers)) for request in server.requests]


@each_format
@each_mode
def test_a_function_is_asked_for_another_key(form, mode):
    """At once, and that is no retry."""
    with Server(says(refusal(401), answer(form, mode))) as server:
        assert_good(ask(server, form, mode, api_key=iter(KEYS).__next__), attempts=2)
        assert keyed(server) == KEYS[:2]


@each_format
@each_mode
def test_a_function_is_asked_once(form, mode):
    body = f"{KEYS[0]} {KEYS[1]}".encode()
    with Server(says(refusal(401, body=body))) as server:
        outcome = ask(server, form, mode, api_key=iter(KEYS).__next__, max_retries=2)
        error = assert_failed(outcome, AuthenticationError, requests=2, retryable=False)
        assert keyed(server) == KEYS[:2]
    assert [note[0] for note in notes(error)] == ["attempt 1"]
    assert "401" in error.__notes__[0]
    assert not [key for key in KEYS if key in f"{error} {error.body} {error.__notes__}"]


@each_format
@each_mode
def test_another_key_leaves_the_retries_as_they_are(form, mode):
    with Server(says(refusal(401), refusal(500), refusal(500))) as server:
        outcome = ask(server, form, mode, api_key=iter(KEYS).__next__, max_retries=1)
    error = assert_failed(outcome, ServerError, requests=3)
    assert [note[0] for note in notes(error)] == ["attempt 1", "attempt 2"]


@each_format
@each_mode
def test_a_function_that_has_no_other_key(form, mode):
    outcome = asked(says(refusal(401)), form, mode, api_key=lambda: KEYS[0], max_retries=2)
    assert_failed(outcome, AuthenticationError, requests=1)


@each_format
@each_mode
def test_a_function_that_fails(form, mode):
    """What it raises is the cause of our error, and the refusal is not left half read."""

    def key():
        if server.requests:
            raise ZeroDivisionError
        return KEY

    def script(wire):
        wire.receive()
        wire.send(refusal(401, body=b"x" * 99)[:-9])
        wire.hang()

    with Server(script) as server, client_of(server, form, api_key=key) as client:
        error = use(client, server, mode).error
        assert isinstance(error, MissingAuthError)
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert server.left.wait(PATIENCE)
    keys = iter([KEY, ""])
    outcome = asked(says(refusal(401)), form, mode, api_key=keys.__next__, max_retries=2)
    assert isinstance(outcome.error, ConfigurationError)
    assert outcome.requests == 1


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


def interrupting(raw):
    """A script: so much of an answer, and then Ctrl-C for whoever waits for more of it."""

    def script(wire):
        wire.receive()
        wire.send(raw)
        wire.server.stopped.wait(0.05)  # so that it is mostly in the read; elsewhere it must be right as well
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        wire.hang()

    return script


INTERRUPTED = {
    "before the headers": lambda form, mode: b"",
    "amid the headers": lambda form, mode: b"HTTP/1.1 200 OK\r\nContent-Ty",
    "amid the answer": lambda form, mode: (
        whole(form.body)[:-9] if mode == "whole" else chunked(form.begun(2), end=False)
    ),
    "before the first event": lambda form, mode: b"HTTP/1.1 200 OK\r\n\r\n",
    "amid the reasons of a refusal": lambda form, mode: whole(b"x" * 99, "400 No")[:-9],
    "amid a redirect": lambda form, mode: whole(b"x" * 99, "302 No", "Location: /x\r\n")[:-9],
}


@each_format
@each_mode
@pytest.mark.parametrize("raw", INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_interrupt_while_it_waits_for_the_host(form, mode, raw):
    """It comes out as it is, the host is told at once that nobody listens, and the client is as good as before."""
    with (
        Server(in_turn(interrupting(raw(form, mode)), once(answer(form, mode)))) as server,
        client_of(server, form) as client,
    ):
        with pytest.raises(KeyboardInterrupt) as caught:
            use(client, server, mode)
        assert server.left.wait(PATIENCE)  # while the interrupt with its frames is still held
        assert_good(use(client, server, mode))
        assert server.connections == 2
        del caught


@each_mode
@pytest.mark.parametrize("timeout", [None, 60], ids=["-", "with a limit"])
@pytest.mark.parametrize("raw", INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_interrupt_with_a_session_of_the_callers(mode, raw, timeout):
    form = CHAT
    script = in_turn(interrupting(raw(form, mode)), once(answer(form, mode)))
    with (
        Server(script) as server,
        requests.Session() as session,
        client_of(server, form, session=session, timeout=timeout) as client,
    ):
        with pytest.raises(KeyboardInterrupt) as caught:
            use(client, server, mode)
        assert_good(use(client, server, mode))
        del caught


@each_format
@each_mode
def test_an_interrupt_while_it_waits_to_ask_again(form, mode):
    """No connection is under way then."""

    def script(wire):
        for _ in wire.requests():
            if len(wire.server.requests) > 1:
                wire.send(answer(form, mode))
                continue
            wire.send(refusal(503, "Retry-After: 30\r\n"))
            wire.server.stopped.wait(0.1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with Server(script) as server, client_of(server, form) as client:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            use(client, server, mode)
        assert time.monotonic() - began < PATIENCE
        assert len(server.requests) == 1
        assert_good(use(client, server, mode))
        del caught


def test_a_stream_that_was_interrupted_is_over():
    """What was being decoded may be lost, so nothing more is given."""
    raw = chunked(CHAT.begun(2), headers=f"{SSE}X-Request-Id: req-1\r\n", end=False)
    with Server(interrupting(raw)) as server, client_of(server, CHAT) as client:
        stream = client.stream("Hi")
        with pytest.raises(KeyboardInterrupt):
            stream.collect()
        assert server.left.wait(PATIENCE)
        for _ in range(2):
            with pytest.raises(StreamError, match="interrupted") as caught:
                next(stream)
        error = caught.value
        assert (error.partial.text, error.attempts, error.request_id) == ("".join(PIECES[:2]), 1, "req-1")


@each_mode
def test_an_answer_that_comes_after_the_interrupt_is_closed(mode):
    """A session's request goes on in a thread of its own, as nothing can end it there."""

    def script(wire):
        wire.receive()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert wire.server.reached.wait(PATIENCE)
        wire.send(chunked(CHAT.begun(1), end=False))
        wire.hang()

    with (
        Server(script) as server,
        requests.Session() as session,
        client_of(server, CHAT, session=session, timeout=60) as client,
    ):
        with pytest.raises(KeyboardInterrupt) as caught:
            use(client, server, mode)
        server.reached.set()
        assert server.left.wait(PATIENCE)
        del caught
