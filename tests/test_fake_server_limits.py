"""The limits of a FakeServer: what it refuses, how it says so, and what it counts."""

import re
import threading
from contextlib import suppress

import anthropic
import openai
import pytest

from llmkit import ConfigurationError, RateLimitError, Usage
from llmkit.testing.exchange import Standing
from llmkit.testing.limits import Limits
from llmkit.testing.openai.errors import duration

WIRES = ("anthropic", "openai", "openai-chat", "gemini")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_window_slides():
    clock = Clock()
    limits = Limits(60, None, None, 3.0, clock)  # three in three seconds
    for moment in (100.0, 101.0, 102.0):
        clock.now = moment
        limits.enter(0)
    with pytest.raises(RateLimitError) as caught:
        limits.enter(0)
    assert caught.value.retry_after == pytest.approx(1.001)
    assert limits.standings() == [Standing("requests", 60, 0, 3.0)]
    clock.now = 102.999
    with pytest.raises(RateLimitError):
        limits.enter(0)
    clock.now = 103.0
    limits.enter(0)
    assert limits.standings()[0].remaining == 0


def test_a_refused_request_counts_nowhere():
    clock = Clock()
    limits = Limits(60, 600, None, 10.0, clock)  # a hundred tokens
    limits.enter(60).bill(90)
    with pytest.raises(RateLimitError, match="tokens"):
        limits.enter(11)
    limits.enter(10)
    assert [standing.remaining for standing in limits.standings()] == [48, 0]  # as a minute has them
    clock.now = 110.0
    limits.enter(100)


def test_one_that_is_too_large_for_any_window():
    limits = Limits(None, 60, None, 10.0, Clock())
    limits.enter(1)
    with pytest.raises(RateLimitError) as caught:
        limits.enter(11)
    assert caught.value.retry_after == pytest.approx(10.001)


def test_a_place_is_free_once_the_answer_leaves():
    limits = Limits(None, None, 1)
    visit = limits.enter(0)
    with pytest.raises(RateLimitError) as caught:
        limits.enter(0)
    assert caught.value.retry_after is None
    visit.leave()
    visit.leave()
    limits.enter(0)
    with pytest.raises(RateLimitError):
        limits.enter(0)


@pytest.mark.parametrize("wire", WIRES)
def test_a_refusal_as_the_wire_tells_it(server, wire):
    server.limit(requests_per_minute=1)
    client = server.client(wire, max_retries=0)
    client.complete("Hi")
    with pytest.raises(RateLimitError, match="Number of requests") as caught:
        client.complete("Hi")
    assert 59 < caught.value.retry_after <= 60.01
    assert (caught.value.status, server.refused, len(server.requests)) == (429, 1, 2)
    server.limit()
    assert client.complete("Hi").text == "Hi"


# The wire; the headers with what is left, and how its resets look.
HEADERS = {
    "anthropic": ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset", r"20\d\d-\d\d-\d\dT.*Z"),
    "openai": ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}", "1m0s|59.*s"),
    "openai-chat": ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}", "1m0s|59.*s"),
}


@pytest.mark.parametrize(("wire", "names"), HEADERS.items(), ids=HEADERS.keys())
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_answers_tell_what_is_left(server, wire, names, streamed):
    server.limit(requests_per_minute=10, tokens_per_minute=1000)
    server.reply("Hello!", usage=Usage(100, 20))
    client = server.client(wire)
    headers = client.stream("Hi").collect().headers if streamed else client.complete("Hi").headers
    left, reset, pattern = names
    assert [headers[left.format(kind)] for kind in ("requests", "tokens")] == ["9", "880"]
    assert re.fullmatch(pattern, headers[reset.format("tokens")])


def test_the_vendors_clients_understand(server):
    server.limit(requests_per_minute=1)
    message = [{"role": "user", "content": "Hi"}]
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        client.messages.create(model="claude-x", max_tokens=9, messages=message)
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model="claude-x", max_tokens=9, messages=message)
    with (
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.chat.completions.create(model="gpt-x", messages=message)


# What is asked; tokens that it takes.
COUNTS = {
    "an answer with its usage": (lambda client, server: client.complete("Hi"), 7),
    "an echo": (lambda client, server: client.complete("word " * 20), 50),
    "a stream": (lambda client, server: client.stream("word " * 20).collect(), 50),
    "embeddings": (lambda client, server: client.embed("word " * 20, model="m"), 25),
    "a list": (lambda client, server: client.models(), 0),
}


@pytest.mark.parametrize(("ask", "tokens"), COUNTS.values(), ids=COUNTS.keys())
def test_what_is_counted(server, ask, tokens):
    server.limit(tokens_per_minute=1000)
    if tokens == 7:
        server.reply("Hello!", usage=Usage(3, 4))
    ask(server.client("openai-chat"), server)
    assert server._limits.standings()[0].remaining == 1000 - tokens


def test_prompts_are_counted_as_the_server_is_told(server):
    server.token_count = 600
    server.limit(tokens_per_minute=1000)
    client = server.client("anthropic", max_retries=0)
    client.complete("Hi")
    with pytest.raises(RateLimitError, match="tokens"):
        client.complete("Hi")


def test_an_error_takes_nothing_and_a_refusal_uses_up_no_reply(server):
    server.limit(requests_per_minute=3, tokens_per_minute=1000)
    client = server.client("anthropic", max_retries=0)
    server.fault("server error")
    server.reply(RateLimitError("slowly"))
    server.reply("kept")
    for _ in range(2):
        with pytest.raises(Exception, match=r"500|slowly"):
            client.complete("Hi")
    assert server._limits.standings()[1].remaining == 1000
    server.limit(requests_per_minute=1)
    client.models()
    with pytest.raises(RateLimitError):
        client.complete("Hi")
    assert server.scripted == 1


def test_a_body_that_is_none_is_refused_for_that(server):
    server.limit(tokens_per_minute=1000)
    with pytest.raises(Exception, match="messages"):
        server.client("anthropic").complete("Hi", extra_body={"messages": [{"role": "user", "content": 7}]})


@pytest.mark.parametrize("ending", ["answered", "closed"])
def test_a_place_after_a_stream(server, ending):
    server.limit(concurrent=1)
    client = server.client("anthropic", max_retries=20)  # the server may see the end a moment later
    stream = client.stream("Hi")
    stream.collect() if ending == "answered" else stream.close()
    assert client.complete("Hi").text == "Hi"


def test_a_function_that_fails_leaves_its_place(server):
    server.limit(concurrent=1)
    server.reply_with(lambda _: 1 / 0)
    client = server.client("anthropic", max_retries=0)
    for _ in range(2):
        with pytest.raises(Exception, match="ZeroDivisionError"):
            client.complete("Hi")
    assert server.refused == 0


def test_many_at_once_are_counted_right(server):
    server.limit(requests_per_minute=10)
    client = server.client("anthropic", max_retries=0)
    threads = [threading.Thread(target=lambda: _asked(client)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.refused == 6


def _asked(client):
    with suppress(RateLimitError):
        client.complete("Hi")


# Seconds; as the host writes them.
DURATIONS = {0.0: "0ms", 0.0121: "13ms", 1.0: "1s", 59.5: "59.5s", 60.0: "1m0s", 361.25: "6m1.25s"}


@pytest.mark.parametrize(("seconds", "text"), DURATIONS.items(), ids=DURATIONS.values())
def test_durations(seconds, text):
    assert duration(seconds) == text


# Arguments; how the message begins.
WRONG = {
    "no requests": ({"requests_per_minute": 0}, "requests_per_minute: "),
    "half a token": ({"tokens_per_minute": 0.5}, "tokens_per_minute: "),
    "nobody at once": ({"concurrent": 0}, "concurrent: "),
    "no window": ({"requests_per_minute": 1, "window": 0}, "window: "),
}


@pytest.mark.parametrize(("arguments", "begins"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(server, arguments, begins):
    with pytest.raises(ConfigurationError, match=f"^{begins}"):
        server.limit(**arguments)
