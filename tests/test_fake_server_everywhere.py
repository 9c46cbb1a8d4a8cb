"""All calls of the process led to a `FakeServer`, by whatever client they are made."""

import concurrent.futures
import time

import pytest
import requests

from llmkit import (
    Client,
    ConfigurationError,
    MissingAuthError,
    Provider,
    RateLimit,
    RateLimitError,
    Request,
    providers,
)
from llmkit.testing import FakeServer, record, replay

ROWS = {row.name: row for row in providers()}
FOUR = ("anthropic", "openai", "openai-chat", "gemini")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_every_host(server, row):
    """As application code makes its clients: by name, and here without a key."""
    variables = {name: "https://a.example" if name == "endpoint" else "v" for name in row.variables}
    with server.everywhere(), Client(row.name, model="m", variables=variables or None) as client:
        assert client.complete("Hi").text == "Hi"
        assert client.stream("one two").collect().text == "one two"
    assert [(request.wire, request.request.options["model"]) for request in server.requests[:1]] in (
        [(row.wire, "m")],
        [(row.wire, "v")],  # Azure's deployment
    )


@pytest.mark.parametrize("provider", FOUR)
def test_all_that_a_client_can(server, provider):
    with server.everywhere(), Client(provider, model="m") as client:
        assert len(client.models()) == 3
        rows = client.batches.create([Request("one", id="a", max_tokens=99), Request("two", id="b", max_tokens=99)])
        found = client.batches.results(client.batches.wait(rows.id).id)
        assert {result.id: result.unwrap().text for result in found} == {"a": "one", "b": "two"}
        if provider != "anthropic":
            assert len(client.embed(["a", "b"]).vectors) == 2
        if provider != "openai-chat":
            assert client.count_tokens("12345678") == 2


class _Session(requests.Session):
    def request(self, *args, **kwargs):
        raise AssertionError("it would be the network")


def test_no_key_and_no_session_of_the_caller_is_used(server):
    def key():
        raise AssertionError("nobody needs it")

    with server.everywhere():
        for more in (
            {"api_key": "a-planted-key"},
            {"api_key": key},
            {"headers": {"X-Api-Key": "a-planted-key"}},
            {"api_key": "a-planted-key", "session": _Session()},
            {"api_key": "a-planted-key", "proxy": "http://127.0.0.1:9"},
            {"api_key": "a-planted-key", "base_url": "https://gateway.example/of/mine"},
        ):
            assert Client("anthropic", **more).complete("Hi").text == "Hi"
        Client("gemini", api_key="a-planted-key").complete("Hi", extra_query={"a": "b c"})
    assert len(server.requests) == 7
    assert "a-planted-key" not in str([(request.query, dict(request.headers)) for request in server.requests])
    assert server.requests[-2].path == "/of/mine/v1/messages"
    assert server.requests[-1].query == {"a": "b c"}


def test_scripts_and_faults_are_as_ever(server):
    server.reply("Hello")
    server.fault("overloaded")
    with server.everywhere():
        assert Client("groq", model="m").complete("Hi").attempts == 2
        server.reply(RateLimitError("no", status=429))
        with pytest.raises(RateLimitError):
            Client("xai", model="m", max_retries=0).complete("Hi")


def test_threads_and_clients_of_before(server):
    with Client("mistral", api_key="k", model="m") as client, concurrent.futures.ThreadPoolExecutor(4) as pool:
        with server.everywhere():
            texts = [str(number) for number in range(40)]
            assert [response.text for response in pool.map(client.complete, texts)] == texts
        assert len(server.requests) == 40


def test_it_ends_with_the_block(server):
    with server.everywhere():
        pass
    with pytest.raises(MissingAuthError):
        Client("anthropic")


def test_the_inner_one_answers(server):
    with FakeServer() as inner, server.everywhere() as outer, inner.everywhere():
        Client("anthropic").complete("Hi")
    assert outer is server
    assert (len(inner.requests), len(server.requests)) == (1, 0)


def test_a_cassette_around_it(server, tmp_path):
    """What code does against it is recorded as if the provider had answered."""

    def ask():
        return Client("groq", model="m").stream("Hi").collect()

    server.reply("Hello there")
    with server.everywhere(), record(tmp_path / "a.yaml"):
        recorded = ask()
    with replay(tmp_path / "a.yaml"):
        assert ask() == recorded
    assert "https://api.groq.com" in (tmp_path / "a.yaml").read_text()
    assert len(server.requests) == 1


def test_a_row_of_ones_own(server):
    row = Provider("mine", "openai-chat", "https://models.example/api", key_variables=("MINE_KEY",))
    with server.everywhere():
        assert Client(row, model="m").complete("Hi").text == "Hi"
    assert server.requests[0].path == "/api/v1/chat/completions"


def test_one_that_does_not_run():
    with pytest.raises(ConfigurationError, match="not running"):
        FakeServer().everywhere()


def test_time_passes_as_ever(server):
    """It is a host like any other: what it asks to wait is waited, and rate limits hold."""
    server.reply(RateLimitError("no", status=429, retry_after=0.3))
    before = time.monotonic()
    with server.everywhere():
        assert Client("groq", model="m").complete("Hi").attempts == 2
        assert time.monotonic() - before >= 0.3
        limit = RateLimit(concurrent=1)
        client = Client("groq", model="m", rate_limit=limit)
        server.limit(concurrent=1)
        server.latency = 0.01
        assert len(list(client.map(["a"] * 8, concurrency=8))) == 8
    assert server.refused == 0
