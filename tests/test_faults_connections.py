"""The connection breaks: before, amid and after an answer, on every wire, whole and streamed."""

import gc
import gzip
import threading

import pytest
from attrs import frozen
from calls import refusing_port
from faults.calls import (
    JSON,
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
    until_closed,
    use,
    whole,
)
from faults.formats import MODEL, PIECES, TEXT
from sockets import PATIENCE, Server, chunk

from llmkit import Client, ConnectionFailedError, IncompleteStreamError, InvalidResponseError

BEGUN = "".join(PIECES[:2])


def of(form, server, **options):
    """A client of `server`."""
    return Client(
        form.provider, **{"api_key": "sk-test", "base_url": server.url, "model": MODEL, "max_retries": 0, **options}
    )


# ---- before the answer -----------------------------------------------------------------------------------------------


@each_format
@each_mode
def test_refused(form, mode):
    with Server(once(b"")) as server:
        outcome = ask(server, form, mode, base_url=f"http://127.0.0.1:{refusing_port()}", max_retries=1)
    error = assert_failed(outcome, ConnectionFailedError, requests=0, attempts=2, retryable=True)
    assert "refused" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


def _reset(after):
    def script(wire):
        wire.receive()
        wire.send(after)
        wire.reset()

    return script


NO_ANSWER = {
    "closed before the headers": once(b""),
    "reset before the headers": _reset(b""),
    "cut in the status line": once(b"HTTP/1.1 20"),
    "cut in the headers": once(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "no HTTP": once(b"220 smtp.example.org ESMTP\r\n"),
    "an interim answer alone": once(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
}


@each_format
@each_mode
@pytest.mark.parametrize("script", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_no_answer(form, mode, script):
    assert_failed(asked(script, form, mode), ConnectionFailedError, retryable=True)


@each_format
@each_mode
@pytest.mark.parametrize("script", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_no_answer_is_asked_for_again(form, mode, script):
    """Each try has a connection of its own, as the one before is gone."""
    assert_good(asked(in_turn(script, once(answer(form, mode))), form, mode, max_retries=1), attempts=2)


# ---- amid a stream ---------------------------------------------------------------------------------------------------


@frozen
class Cut:
    """Where a stream breaks off.

    Attributes:
        raw: Of a format, what is sent.
        partial: The text that had come.
    """

    raw: object
    partial: str
    reset: bool = False


def _half_an_event(form):
    event = form.texts[2]
    return form.begun(2) + event[: len(event) // 2]


def _half_a_letter(form):
    """The earth at the end of the text, cut after two of its four bytes."""
    event = form.texts[3]
    return form.begun(3) + event[: event.index("🌍".encode()) + 2]


def _half_a_member(form):
    packed = gzip.compress(form.begun(2) + form.texts[2] * 500)
    return packed[: len(packed) - 30]


GZIP = SSE + "Content-Encoding: gzip\r\n"
CUTS = {
    "between events, chunked": Cut(lambda form: chunked(form.begun(2), end=False), BEGUN),
    "between events, reset": Cut(lambda form: chunked(form.begun(2), end=False), BEGUN, reset=True),
    "between events, until closed": Cut(lambda form: until_closed(form.begun(2)), BEGUN),
    "between events, ended": Cut(lambda form: chunked(form.begun(2)), BEGUN),
    "between events, with a length": Cut(lambda form: whole(form.begun(2), headers=SSE), BEGUN),
    "shorter than its length": Cut(
        lambda form: f"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n{SSE}\r\n".encode() + form.begun(2), BEGUN
    ),
    "in a chunk": Cut(lambda form: chunked(form.begun(2), end=False) + b"fff\r\n" + form.texts[2][:20], BEGUN),
    "in a chunk's size": Cut(lambda form: chunked(form.begun(2), end=False) + b"ff", BEGUN),
    "in a line": Cut(lambda form: chunked(_half_an_event(form)), BEGUN),
    "in a letter": Cut(lambda form: chunked(_half_a_letter(form)), "".join(PIECES[:3])),
    "in a letter, until closed": Cut(lambda form: until_closed(_half_a_letter(form)), "".join(PIECES[:3])),
    "before the blank line": Cut(lambda form: chunked(form.begun(3)[: -len(form.end)]), "".join(PIECES[:3])),
    "after the text": Cut(lambda form: chunked(form.begun(4)), TEXT),
}


@each_format
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_a_stream_that_breaks_off(form, cut):
    """Never a success, never asked again, as some of it was handed out; what had come is there."""

    def script(wire):
        wire.receive()
        wire.send(cut.raw(form))
        if cut.reset:
            assert wire.server.reached.wait(PATIENCE)
            wire.reset()

    with (
        Server(script) as server,
        of(form, server, max_retries=3) as client,
    ):
        stream = client.stream("Hi")
        seen = [next(stream)]  # it has begun
        server.reached.set()
        with pytest.raises(IncompleteStreamError) as caught:
            seen += list(stream)
        error = caught.value
        with pytest.raises(IncompleteStreamError) as again:
            next(stream)
        assert again.value is error
        assert len(server.requests) == 1
    assert error.partial.text == cut.partial
    assert error.partial.finish_reason.reason == "unfinished"
    assert (error.attempts, error.retryable) == (1, True)


@each_format
def test_a_stream_cut_in_a_gzip_member(form):
    """How much of the text is there is for its compression to say: all of that is told, and kept."""
    raw = until_closed(_half_a_member(form), GZIP)
    outcome = asked(once(raw), form, "streamed", max_retries=3)
    text = outcome.error.partial.text
    assert text.startswith(BEGUN)
    assert_failed(outcome, IncompleteStreamError, partial=text, retryable=True)


@each_format
def test_a_stream_cut_anywhere(form):
    """After each of its events, and amid each of them, until the wire's own signal has come: then it is whole."""
    events = [*form.before, *form.texts, *form.after]
    raws = [b"".join(events[:place]) for place in range(len(events))]
    raws += [raw + events[place][: len(events[place]) // 2] for place, raw in enumerate(raws)]
    for raw in raws:
        outcome = asked(once(chunked(raw)), form, "streamed")
        assert type(outcome.error) is IncompleteStreamError, raw[-100:]
        assert outcome.requests == 1
    assert_good(asked(once(chunked(b"".join(form.events))), form, "streamed"))


@each_format
def test_before_the_first_event_was_handed_out_it_is_asked_again(form):
    """Whatever came of the answer in which nothing was told yet."""
    begun = chunked(*form.before, end=False)
    outcome = asked(in_turn(once(begun), once(chunked(*form.events))), form, "streamed", max_retries=1)
    assert_good(outcome, attempts=2)
    assert (outcome.requests, outcome.connections) == (2, 2)


LENGTH = f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n{SSE}\r\n".encode()
RESETS = {
    "behind the headers": lambda form: LENGTH,
    "in chunks": lambda form: chunked(end=False),
    "amid the first event": lambda form: LENGTH + form.stream[:20],
}


@each_format
@pytest.mark.parametrize("begun", RESETS.values(), ids=RESETS.keys())
def test_a_reset_before_the_first_event(form, begun):
    """The headers have been seen, and nothing was told yet."""

    def script(wire):
        wire.receive()
        wire.send(begun(form))
        assert wire.server.reached.wait(PATIENCE)
        wire.reset()

    with Server(script) as server, of(form, server) as client:
        stream = client.stream("Hi")
        server.reached.set()
        with pytest.raises(IncompleteStreamError) as caught:
            next(stream)
        assert len(server.requests) == 1
    error = caught.value
    assert (error.partial.text, error.attempts, error.retryable) == ("", 1, True)
    assert isinstance(error.__cause__, ConnectionResetError)


@each_format
@each_mode
def test_a_reset_before_anything_was_told_is_asked_again(form, mode):
    begun = LENGTH if mode == "streamed" else whole(form.body)[:-40]
    outcome = asked(in_turn(_reset(begun), once(answer(form, mode))), form, mode, max_retries=1)
    assert_good(outcome, attempts=2)
    assert (outcome.requests, outcome.connections) == (2, 2)


# ---- amid a whole answer ---------------------------------------------------------------------------------------------


WHOLE_CUTS = {
    "shorter than its length": lambda body: whole(body)[: -len(body) // 2],
    "in a chunk": lambda body: chunked(body[:50], headers=JSON, end=False) + b"fff\r\n" + body[50:90],
    "between chunks": lambda body: chunked(body[:50], headers=JSON, end=False),
    "until closed": lambda body: until_closed(body[:60], JSON),
    "ended": lambda body: chunked(body[:60], headers=JSON),
    "in a gzip member": lambda body: whole(
        gzip.compress(body)[:-20], headers=JSON + "Content-Encoding: gzip\r\nConnection: close\r\n"
    ),
}


@each_format
@pytest.mark.parametrize("cut", WHOLE_CUTS.values(), ids=WHOLE_CUTS.keys())
def test_a_body_that_breaks_off(form, cut):
    """It was not handed out, so it is asked for again; at last it is an error that nothing usable came."""
    outcome = asked(once(cut(form.body)), form, "whole", max_retries=1)
    assert_failed(outcome, ConnectionFailedError, requests=2, retryable=True)
    assert_good(asked(in_turn(once(cut(form.body)), once(whole(form.body))), form, "whole", max_retries=1), attempts=2)


@each_format
def test_a_body_cut_anywhere(form):
    """The end of a connection says nothing: only a whole JSON value is an answer."""
    for end in range(1, len(form.body) - 1, 23):
        outcome = asked(once(until_closed(form.body[:end], JSON)), form, "whole")
        assert type(outcome.error) in (ConnectionFailedError, InvalidResponseError), end
        assert outcome.error.partial is None


WHOLE_RESETS = {
    "behind the headers": lambda body: f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n{JSON}\r\n".encode(),
    "amid its length": lambda body: whole(body)[:-40],
    "amid its chunks": lambda body: chunked(body[:50], headers=JSON, end=False),
    "until closed": lambda body: until_closed(body[:60], JSON),
}


@each_format
@pytest.mark.parametrize("begun", WHOLE_RESETS.values(), ids=WHOLE_RESETS.keys())
def test_a_body_that_is_reset(form, begun):
    """Whatever the system still hands out of it: not the beginning of an answer."""
    error = assert_failed(asked(_reset(begun(form.body)), form, "whole"), ConnectionFailedError, retryable=True)
    assert isinstance(error.__cause__, ConnectionResetError)


# ---- connections of the pool -----------------------------------------------------------------------------------------

AFTER = {
    "closed": lambda wire: None,
    "reset": lambda wire: wire.reset(),
    "extra bytes": lambda wire: wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"),
    "an answer to nothing": lambda wire: wire.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"),
}


@each_format
@each_mode
@pytest.mark.parametrize("after", AFTER.values(), ids=AFTER.keys())
def test_a_connection_that_went_stale_in_the_pool(form, mode, after):
    """The next call has a new one, and is neither a retry nor sees what the old one holds."""
    gone = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(answer(form, mode))
        if wire.number == 1:
            assert wire.server.reached.wait(PATIENCE)
            after(wire)
            gone.set()
            if after is AFTER["closed"]:
                return
        wire.hang()

    with (
        Server(script) as server,
        of(form, server, max_retries=0) as client,
    ):
        assert_good(use(client, server, mode))
        server.reached.set()
        assert gone.wait(PATIENCE)
        if after is AFTER["closed"]:
            server._threads[1].join(PATIENCE)
        outcome = use(client, server, mode)
        assert_good(outcome)
        assert (outcome.requests, outcome.connections) == (1, 1)


@each_format
@each_mode
def test_extra_bytes_behind_an_answer(form, mode):
    """They belong to nobody: the connection is not used again."""
    script = says(answer(form, mode) + b"garbage")
    with (
        Server(script) as server,
        of(form, server, max_retries=0) as client,
    ):
        for _ in range(3):
            assert_good(use(client, server, mode))
        assert server.connections == 3


@each_format
@each_mode
def test_a_good_connection_is_used_again(form, mode):
    """Also after refusals that were told whole."""
    refused = whole(b'{"error": {"message": "no"}}', "400 Bad Request")
    with (
        Server(says(answer(form, mode), refused, answer(form, mode), refused, answer(form, mode))) as server,
        of(form, server, max_retries=0) as client,
    ):
        outcomes = [use(client, server, mode) for _ in range(5)]
        assert [outcome.error is None for outcome in outcomes] == [True, False, True, False, True]
        assert server.connections == 1


# ---- what is left behind ---------------------------------------------------------------------------------------------

FIRST_TRIES = {
    "answered at once": [],
    "no answer": [once(b"")],
    "reset": [_reset(b"")],
    "cut headers": [once(b"HTTP/1.1 200 OK\r\nContent-")],
    "no events": [once(chunked())],
    "refused with a status": [once(whole(b"busy", "503 Service Unavailable"))],
}


def lingering(raw):
    """A stream that stops there, and whose connection stays open."""

    def script(wire):
        wire.receive()
        wire.send(chunked(raw, end=False))
        wire.hang()

    return script


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@each_format
@pytest.mark.parametrize("before", FIRST_TRIES.values(), ids=FIRST_TRIES.keys())
def test_a_forgotten_stream_drops_its_connection_without_a_collector(form, before, no_collector):
    """Whatever the tries before it left in tracebacks."""

    with Server(in_turn(*before, lingering(form.begun(2)))) as server, of(form, server, max_retries=1) as client:
        next(client.stream("Hi"))
        assert server.left.wait(PATIENCE)


WRONG_EVENTS = {
    "an error": lambda form: form.event(form.trouble),
    "no JSON": lambda form: form.event(b"{oops"),
    "cut JSON": lambda form: form.event(b'{"a": [1, {"b'),
    "another kind": lambda form: form.event([]),
}


@each_format
@pytest.mark.parametrize("wrong", WRONG_EVENTS.values(), ids=WRONG_EVENTS.keys())
def test_a_stream_forgotten_before_its_error_drops_its_connection_without_a_collector(form, wrong, no_collector):
    """The error came together with what stands before it, and waits in the stream to be raised."""

    with Server(lingering(form.begun(2) + wrong(form))) as server, of(form, server, max_retries=0) as client:
        next(client.stream("Hi"))
        assert server.left.wait(PATIENCE)


@each_format
def test_a_stream_forgotten_after_an_error_event_drops_its_connection_without_a_collector(form, no_collector):
    """The first try was told of trouble before its first event; the second is forgotten."""

    busy = once(chunked(form.event(form.trouble)))
    with Server(in_turn(busy, lingering(form.begun(2)))) as server, of(form, server, max_retries=1) as client:
        next(client.stream("Hi"))
        assert server.left.wait(PATIENCE)


@each_format
def test_closing_a_client_amid_an_answer(form, no_collector):
    """It is read on; then its connection is closed, rather than kept for nobody, and a later call has another."""

    def script(wire):
        wire.receive()
        wire.send(chunked(form.begun(1), end=False))
        assert wire.server.reached.wait(PATIENCE)
        wire.send(chunk(form.stream[len(form.begun(1)) :]) + chunk(b""))
        wire.hang()

    with Server(script) as server, of(form, server) as client:
        stream = client.stream("Hi")
        seen = next(stream).text
        client.close()
        server.reached.set()
        assert seen + "".join(stream.text_deltas()) == TEXT
        assert server.left.wait(PATIENCE)
        assert_good(use(client, server, "streamed"))
        assert server.connections == 2


@each_format
@each_mode
@pytest.mark.parametrize("raw", [whole(b"<html>", headers="Content-Type: text/html\r\n"), whole(b"", headers=JSON)])
def test_closing_a_client_closes_its_free_connections_at_once(form, mode, raw, no_collector):
    """Also where an error's traceback holds an answer that came over one."""

    def script(wire):
        wire.receive()
        wire.send(raw)
        wire.hang()

    with Server(script) as server:
        client = of(form, server)
        error = use(client, server, mode).error
        assert error is not None
        assert not server.left.is_set()
        client.close()
        assert server.left.wait(PATIENCE)
