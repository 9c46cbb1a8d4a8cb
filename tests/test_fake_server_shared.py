"""A `FakeServer` that many tests share, and how long its answers take."""

import socket
import threading
import time

import pytest

from llmkit import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    Model,
    RateLimitError,
    StreamClosedError,
    TextDelta,
    Timeout,
)
from llmkit.testing import FakeServer, Reply, by_characters

LONG = 3600.0  # seconds that no test waits for
IMPATIENT = Timeout(first=0.2, idle=0.2)
PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")
each_provider = pytest.mark.parametrize("provider", PROVIDERS)


# ---- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "where"), [*((name, "server") for name in PROVIDERS), ("anthropic", "reply"), ("openai", "Reply")]
)
def test_latency(server, provider, where):
    """Nothing comes before it, neither of a stream nor of a whole answer."""
    if where == "server":
        server.latency = LONG
    client = server.client(provider, max_retries=0).with_options(max_tokens=100)
    for ask in (client.complete, client.stream):
        if where == "reply":
            server.reply("Hello", latency=LONG)
        elif where == "Reply":
            server.reply(Reply("Hello", latency=LONG))
        with pytest.raises(DeadlineError):
            ask("Hi", timeout=IMPATIENT)
    assert len(server.requests) == 2


def test_latency_is_waited_for(server, client):
    server.reply("Hello", latency=0.1)
    before = time.monotonic()
    assert client.complete("Hi").text == "Hello"
    assert time.monotonic() - before >= 0.1


def test_a_reply_knows_better_than_the_server(server, client):
    server.latency = server.delay = LONG
    server.reply("one two", latency=0, delay=0)
    assert client.stream("Hi").collect().text == "one two"


def test_delay_of_one_reply(server, client):
    server.reply("one two", delay=LONG)
    with client.stream("Hi", timeout=IMPATIENT) as stream, pytest.raises(DeadlineError):
        stream.collect()
    assert client.stream("one two").collect().text == "one two"


def test_latency_of_an_error(server, client):
    server.reply(RateLimitError("no", status=429), latency=LONG)
    with pytest.raises(DeadlineError):
        client.complete("Hi", timeout=IMPATIENT)


def test_latency_of_a_reply_that_fails(server, client):
    """Of a fault that begins as the reply would; and the reply is still there after it."""
    server.fault("cut stream")
    server.reply("Hello", latency=LONG)
    with pytest.raises(DeadlineError):
        client.stream("Hi", timeout=IMPATIENT)
    with pytest.raises(DeadlineError):
        client.stream("Hi", timeout=IMPATIENT)
    assert client.complete("Hi").text == "Hi"


WRONG = {
    "below nothing": ({"latency": -1}, r"latency: expected a number from 0 to 86400, got -1"),
    "no number": ({"delay": "long"}, r"delay: expected a number"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG.keys())
def test_seconds_that_are_none(server, options, message):
    with pytest.raises(ConfigurationError, match=message):
        server.reply("Hi", **options)
    with pytest.raises(ConfigurationError, match=message):
        Reply("Hi", **options)


def test_a_reply_has_its_own_latency(server):
    with pytest.raises(ConfigurationError, match="a Reply has its own usage, finish_reason, latency and delay"):
        server.reply(Reply("Hi"), latency=1)


# ---- the port --------------------------------------------------------------------------------------------------------


def test_a_port_of_ones_own():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = FakeServer(port=port)
    for _ in range(2):
        with server:
            assert server.url == f"http://127.0.0.1:{port}"
            assert server.client("anthropic").complete("Hi").text == "Hi"


def test_a_port_that_is_taken(server):
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"^port: {port} cannot be had: "):
        FakeServer(port=port).start()


@pytest.mark.parametrize("port", [-1, 65536, "80", None, True])
def test_what_is_no_port(port):
    with pytest.raises(ConfigurationError, match="^port: expected a whole number from 0 to 65535"):
        FakeServer(port=port)


# ---- reset -----------------------------------------------------------------------------------------------------------


@each_provider
def test_reset_forgets_all(server, provider):
    new = {name: value for name, value in vars(FakeServer()).items() if not name.startswith("_")}
    client = server.client(provider, max_retries=0)
    client.complete("Hi")
    first = client.complete("Hi").id
    server.models.append(Model("m"))
    server.token_count, server.pieces, server.batch_looks, server.refused = 9, 9, 9, 9
    server.latency = server.delay = LONG
    server.chunking = by_characters
    server.reply("queued")
    server.fault("no answer")
    server.reply_with(lambda request: "function")
    server.limit(concurrent=1)
    url, before = server.url, server.requests
    server.reset()
    assert (server.url, server.scripted, len(before)) == (url, 0, 2)
    del new["batches"]
    assert {name: getattr(server, name) for name in new} == new
    assert client.complete("echo").text == "echo"
    assert client.complete("echo").id == first
    assert len(server.requests) == 2


def test_reset_keeps_connections(server, client):
    for _ in range(20):
        assert client.complete("Hi").text == "Hi"
        assert client.stream("one two").collect().text == "one two"
        server.reset()
    assert server.connections == 1


@pytest.mark.parametrize("name", ["stall", "only pings"])
def test_reset_ends_what_would_never_end(server, client, name):
    server.fault(name, after=4)
    stream = client.stream("one two three", timeout=None)
    if name == "stall":
        assert next(stream) == TextDelta("one")
    server.reset()
    with pytest.raises(IncompleteStreamError):
        stream.collect()
    assert client.complete("Hi").text == "Hi"


def test_reset_while_others_wait(server, client):
    """Neither an answer that is late, nor one between two events, nor one that is still being made is waited for."""
    making, made = threading.Event(), threading.Event()

    def slowly(_):
        making.set()
        assert made.wait(20)
        return "too late"

    server.reply("one", latency=LONG)
    server.reply("one two", delay=LONG)
    server.reply_with(slowly)
    late = client.submit("Hi", max_tokens=9)
    while len(server.requests) < 1:
        time.sleep(0.001)
    between = client.stream("Hi")
    in_the_making = client.submit("Hi", max_tokens=9)
    assert making.wait(20)
    server.reset()
    made.set()
    with pytest.raises(IncompleteStreamError):
        between.collect()
    for future in (late, in_the_making):
        with pytest.raises(ConnectionFailedError):
            future.result(20)
    assert client.complete("Hi").text == "Hi"


def test_reset_from_within(server, client):
    """The answer for which it is called is sent all the same."""
    server.reply_with(lambda request: server.reset())
    assert client.complete("Hi").text == "Hi"
    assert client.complete("Hi").text == "Hi"
    assert len(server.requests) == 1


def test_reset_of_one_that_does_not_run():
    server = FakeServer()
    server.reply("queued")
    server.reset()
    with server:
        assert server.client("anthropic").complete("Hi").text == "Hi"


def test_close_while_an_answer_is_late():
    with FakeServer() as server:
        server.latency = LONG
        stream = server.client("anthropic", max_retries=0).submit("Hi", max_tokens=9)
        while not server.requests:
            time.sleep(0.001)
        loopback = server._loopback
    assert not loopback._open
    with pytest.raises((ConnectionFailedError, StreamClosedError)):
        stream.result(20)


# ---- clients that go away ------------------------------------------------------------------------------------------

WAYS = {"between events": None, "while nothing comes": "stall", "while only pings come": "only pings"}


@pytest.mark.parametrize("fault", WAYS.values(), ids=WAYS.keys())
def test_who_has_gone_is_told(server, client, fault):
    server.reply("word " * 10_000, delay=0.01)
    if fault is not None:
        server.fault(fault)
    client.stream("one").close()
    for _ in range(2000):
        if server.abandoned:
            break
        time.sleep(0.01)
    assert server.abandoned == server.requests


def test_who_stays_to_the_end_is_not_told_of(server, client):
    for _ in range(3):
        assert client.stream("one two").collect().text == "one two"
        assert client.complete("three").text == "three"
    server.close()
    assert server.abandoned == []


@pytest.mark.parametrize("end", [FakeServer.reset, FakeServer.close], ids=["reset", "close"])
def test_whom_the_server_drops_is_not_told_of(end):
    with FakeServer() as server:
        server.reply("one two", delay=LONG)
        stream = server.client("anthropic", max_retries=0).stream("Hi")
        before = server.abandoned
        end(server)
        with pytest.raises((IncompleteStreamError, StreamClosedError)):
            stream.collect()
    assert before == server.abandoned == []


def test_requests_know_their_wire(server):
    for provider in PROVIDERS:
        server.client(provider).complete("Hi")
    assert [request.wire for request in server.requests] == [
        "anthropic-messages",
        "openai-responses",
        "openai-chat",
        "gemini-generate",
    ]
