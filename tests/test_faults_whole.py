"""An answer that is whole: what follows it is not waited for in vain, and no limit that passes then does harm."""

import time

import pytest
from faults.calls import ask, asked, assert_good, chunked, each_format, says
from faults.formats import ANTHROPIC, CHAT, GEMINI, INPUT, MODEL, OUTPUT, PIECES, RESPONSES, TEXT
from faults.limits import DRIP, LIMITS, SECONDS, SOON, stalled
from sockets import PATIENCE, Server, chunk

from llmkit import Client, Timeout

ENDED = {form.provider: form for form in (ANTHROPIC, CHAT, RESPONSES)}  # whose last event is known to be the last


def client_of(server, form, **options):
    return Client(form.provider, **{"api_key": "sk-test", "base_url": server.url, "model": MODEL, **options})


@each_format
def test_a_connection_that_stays_open(form):
    """It ends at once, where its last event is known; else after two seconds without a byte."""
    with Server(stalled(chunked(*form.events, end=False))) as server:
        outcome = ask(server, form, "streamed")
        assert server.left.wait(PATIENCE)
    assert_good(outcome)
    assert len(outcome.events) == len(PIECES) + 3
    if form.provider in ENDED:
        assert outcome.seconds < 1.8
    else:
        assert 2 <= outcome.seconds < SOON


@pytest.mark.parametrize("form", ENDED.values(), ids=ENDED.keys())
def test_pings_after_it(form):
    def script(wire):
        wire.receive()
        wire.send(chunked(*form.events, end=False))
        while not wire.server.stopped.wait(DRIP):
            wire.send(chunk(b": ping\n\n"))

    outcome = asked(script, form, "streamed")
    assert_good(outcome)
    assert outcome.seconds < 1.8


@pytest.mark.parametrize("form", [CHAT, GEMINI], ids=["openai-chat", "gemini"])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_a_limit_that_passes_while_more_is_awaited(form, limit):
    """Usage, or the sentinel."""
    raw = chunked(*form.before, *form.texts, *form.after, *form.more[:1], end=False)
    outcome = asked(stalled(raw), form, "streamed", timeout=limit.timeout)
    assert_good(outcome)
    assert outcome.seconds < SOON


@each_format
def test_a_limit_that_passes_before_the_consumer_has_seen_all(form):
    """Here it came in one piece."""
    raw = chunked(form.stream)
    with Server(says(raw)) as server, client_of(server, form, timeout=Timeout(total=SECONDS)) as client:
        stream = client.stream("Hi")
        seen = [next(stream)]
        time.sleep(SECONDS)
        seen += list(stream)
        response = stream.collect()
    assert response.text == TEXT
    assert (response.usage.input_tokens, response.usage.output_tokens) == (INPUT, OUTPUT)
    assert seen[-2:] == [response.finish_reason, response.usage]


LEFT = {
    "its end": (chunk(b""), 1),
    "a little more, and its end": (chunk(b": bye\n\n") * 100 + chunk(b""), 1),
    "no end": (b"", 2),
    "half of its end": (b"0\r", 2),
    "far more": (chunk(b": bye\n\n" * 100) * 1_000 + chunk(b""), 2),
}


@pytest.mark.parametrize("form", ENDED.values(), ids=ENDED.keys())
@pytest.mark.parametrize("last", ["the end", "Usage"])
@pytest.mark.parametrize(("rest", "connections"), LEFT.values(), ids=LEFT.keys())
def test_what_follows_is_read_within_bounds(form, last, rest, connections):
    """So that the connection can be used again: it is where its end came within 100 ms and 64 KiB."""
    raw = chunked(form.stream, end=False) + rest

    def script(wire):
        for _ in wire.requests():
            wire.send(raw)

    with Server(script) as server, client_of(server, form, max_retries=0) as client:
        for _ in range(2):
            began = time.monotonic()
            with client.stream("Hi") as stream:
                while next(stream) != stream.snapshot.usage:
                    pass
                if last == "the end":
                    assert next(stream, None) is None
            assert time.monotonic() - began < 1.8
            assert stream.collect().text == TEXT
        assert server.connections == connections
