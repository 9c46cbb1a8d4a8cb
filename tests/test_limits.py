"""Rate limits of a client, against a server that enforces its own with real 429s."""

import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from attrs import evolve
from sockets import PATIENCE

import llmkit.rows.tiers
from llmkit import (
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    LLMKitError,
    RateLimit,
    RateLimitError,
    StreamClosedError,
    Timeout,
    ToolCall,
    providers,
)
from llmkit.switch import Switch
from llmkit.testing import FAULTS, FakeServer

TEXT = "word " * 120  # 150 tokens, as the server counts
WIRES = ("anthropic", "openai", "openai-chat", "gemini")


def at_once(count, work):
    """Run it in so many threads; what each returned, or raised."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, index) for index in range(count)]
        return [future.exception(PATIENCE) or future.result() for future in futures]


@contextmanager
def watched():
    """A function that tells by how many seconds this machine wakes sleepers up too late, at worst so far."""
    worst, over = [0.0], threading.Event()

    def watch():
        while not over.is_set():
            began = time.monotonic()
            over.wait(0.005)
            worst[0] = max(worst[0], time.monotonic() - began - 0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: worst[0]
    finally:
        over.set()
        thread.join()


def throughput(server, client, count, threads=8):
    """Ask so often from so many threads; calls a minute, and how long this machine stood still."""
    client.complete(TEXT)  # what is imported, and a connection made, by the first
    left = iter(range(count))

    def work(_):
        for _ in left:
            assert client.complete(TEXT).text

    with watched() as worst:
        began = time.monotonic()
        found = at_once(threads, work)
        seconds = time.monotonic() - began
        assert found == [None] * threads
        return count / seconds * 60, worst()


# The wire; the client's limit; the server's; what a minute allows; refusals.
RIGHT = {
    "requests": ("anthropic", RateLimit(3000), {"requests_per_minute": 3000}, 3000, 0),
    "tokens": ("openai-chat", RateLimit(tokens_per_minute=900_000), {"tokens_per_minute": 900_000}, 3000, 0),
    "requests, the server's limit being lower": ("openai", RateLimit(9000), {"requests_per_minute": 3000}, 3000, 1),
}


@pytest.mark.parametrize(("wire", "limit", "enforced", "allowed", "refusals"), RIGHT.values(), ids=RIGHT.keys())
def test_no_refusal_and_nearly_all_that_is_allowed(wire, limit, enforced, allowed, refusals):
    """With a clock of its own, test_pacing.py shows the same of more; here a machine that stands still is forgiven."""
    for _ in range(3):
        with FakeServer() as server:
            server.limit(**enforced, window=3.0)
            rate, late = throughput(server, server.client(wire, rate_limit=limit), 190)
            refused = server.refused
        limit = pickle.loads(pickle.dumps(limit))  # counts from the beginning
        if refused <= refusals and rate >= 0.95 * allowed:
            return
        if late < 0.02:
            break
    else:
        pytest.skip(f"this machine stands still for {late * 1000:.0f} ms at a time")
    assert (refused, rate) == (0, pytest.approx(allowed, rel=0.05))


def test_no_more_calls_at_once_than_are_allowed():
    with FakeServer() as server:
        server.limit(concurrent=4)
        lock, inside, most = threading.Lock(), [0], [0]

        def answer(request):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            with lock:
                inside[0] -= 1

        server.reply_with(answer)
        client = server.client("anthropic", rate_limit=RateLimit(concurrent=4))
        found = at_once(16, lambda _: [client.complete("Hi").text for _ in range(6)])
        assert found == [["Hi"] * 6] * 16
        assert server.refused == 0
        assert most[0] == 4


def test_without_a_limit_the_server_refuses():
    with FakeServer() as server:
        server.limit(requests_per_minute=5)
        client = server.client("anthropic", max_retries=0)
        found = at_once(8, lambda _: client.complete("Hi").text)
        refused = [error for error in found if isinstance(error, RateLimitError)]
        assert len(refused) == server.refused == 3
        assert all(0 < error.retry_after <= 60.01 for error in refused)


@pytest.mark.parametrize("wire", WIRES)
def test_one_refusal_makes_all_wait_together_once(wire):
    """Nobody asks between the first refusal and the end of the pause; and the pauses of eight do not add up."""
    moments, lock = [], threading.Lock()
    refusing = threading.Barrier(8, timeout=PATIENCE)

    def answer(request):
        with lock:
            moments.append(time.monotonic())
            early = len(moments) <= 8
        if early:
            refusing.wait()
            raise RateLimitError("slowly", status=429, retry_after=0.6)
        return "Hello!"

    with FakeServer() as server:
        server.reply_with(answer)
        client = server.client(wire, rate_limit=RateLimit(concurrent=8))
        began = time.monotonic()
        found = at_once(24, lambda _: client.complete("Hi"))
        seconds = time.monotonic() - began
    assert [response.text for response in found] == ["Hello!"] * 24
    # Those that had not been sent lost no try.
    assert sorted(response.attempts for response in found) == [1] * 16 + [2] * 8
    assert min(moments[8:]) - max(moments[:8]) >= 0.59
    assert seconds < 4


# ---- what counts -----------------------------------------------------------------------------------------------------


def chat(server, client):
    def now() -> str:
        """The time."""
        return "noon"

    server.reply(ToolCall("call_1", "now", {}))
    client.chat(tools=[now]).send("What time is it?")


def retried(server, client):
    server.fault("server error")
    client.complete("Hi")


def streamed(server, client):
    with client.stream("Hi") as stream:
        stream.collect()
    client.stream("Hi").collect()


# What is done; how many requests that is.
WAYS = {
    "whole answers": (lambda server, client: [client.complete("Hi") for _ in range(2)], 2),
    "streams": (streamed, 2),
    "a try again": (retried, 2),
    "the rounds of a chat": (chat, 2),
    "counts of tokens": (lambda server, client: [client.count_tokens("Hi") for _ in range(2)], 2),
    "lists of models": (lambda server, client: [client.models() for _ in range(2)], 2),
    "copies of a client": (
        lambda server, client: [client.with_options(max_tokens=9).complete("Hi") for _ in range(2)],
        2,
    ),
}


@pytest.mark.parametrize(("way", "count"), WAYS.values(), ids=WAYS.keys())
def test_everything_that_is_sent_is_paced(server, way, count):
    began = time.monotonic()
    way(server, server.client("anthropic", rate_limit=RateLimit(120)))
    assert time.monotonic() - began >= (count - 1) * 0.5
    assert len(server.requests) == count


def test_embeddings_are_paced_by_their_tokens(server):
    client = server.client("openai-chat", rate_limit=RateLimit(tokens_per_minute=6000))
    began = time.monotonic()
    for _ in range(2):
        client.embed("word " * 60, model="text-embedding-3-small")
    assert time.monotonic() - began >= 0.7  # the server counts 75 tokens


def test_a_refused_key_that_is_asked_for_again(server):
    keys = iter(["bad", "good", "good"])
    server.reply_with(lambda _: "Hello!")
    server.fault("bad key")
    limit = RateLimit(120, concurrent=1)
    began = time.monotonic()
    assert server.client("anthropic", api_key=lambda: next(keys), rate_limit=limit).complete("Hi").attempts == 2
    assert time.monotonic() - began >= 0.5


# ---- places ----------------------------------------------------------------------------------------------------------


def closed(client):
    client.stream("Hi").close()


def forgotten(client):
    stream = client.stream("Hi")
    next(stream)
    del stream
    gc.collect()


def failed(client):
    with pytest.raises(LLMKitError):
        client.complete("Hi")


def left(client):
    with client.stream("Hi") as stream:
        next(stream)


# How a call ends; the fault that the server has for it.
ENDS = {
    "answered": (lambda client: client.complete("Hi"), None),
    "streamed": (lambda client: client.stream("Hi").collect(), None),
    "closed": (closed, None),
    "left": (left, None),
    "forgotten": (forgotten, None),
    "refused": (failed, "bad key"),
    "redirected": (failed, "redirect"),
    "cut off": (failed, "cut connection"),
    "never answered": (failed, "no answer"),
    "no JSON": (failed, "not JSON"),
    "a page": (failed, "HTML"),
    "nothing": (failed, "empty body"),
}


@pytest.mark.parametrize(("end", "fault"), ENDS.values(), ids=ENDS.keys())
def test_the_place_of_a_call_that_has_ended_is_free(server, end, fault):
    client = server.client("anthropic", rate_limit=RateLimit(concurrent=1), max_retries=0, timeout=PATIENCE)
    server.reply("So many words that an event of the stream is left to be read.")
    if fault is not None:
        server.fault(fault)
    end(client)
    assert client.complete("Hi").text


def test_the_place_of_a_call_that_could_not_be_sent_is_free(server):
    limit = RateLimit(concurrent=1)
    lost = Client("anthropic", api_key="k", base_url="http://127.0.0.1:9", max_retries=0, rate_limit=limit)
    wrong = Client("anthropic", api_key="k", auth=lambda _: None, base_url=server.url, rate_limit=limit)
    for client, expected in ((lost, ConnectionFailedError), (wrong, LLMKitError)):
        with pytest.raises(expected):
            client.complete("Hi")
    assert server.client("anthropic", rate_limit=limit, timeout=PATIENCE).complete("Hi").text == "Hi"


def test_no_place_is_lost_whatever_happens():
    """Calls that end in every way, in threads that get in each other's."""
    limit = RateLimit(60_000, 100_000_000, concurrent=3)
    ways = ("complete", "collect", "close", "forget", "hurry", "fault", "fault")
    with FakeServer() as server:
        client = server.client("anthropic", rate_limit=limit, max_retries=0)
        client.complete("Hi")

        def work(index):
            chance = random.Random(index)
            for _ in range(40):
                with suppress(LLMKitError):
                    misuse(server, client, chance.choice(ways), chance)

        assert at_once(12, work) == [None] * 12
        gc.collect()
        assert len(limit._line._free) == 3
        assert not limit._line._waiting
        while server.scripted:
            with suppress(LLMKitError):
                client.complete("Hi", timeout=PATIENCE)
        assert at_once(3, lambda _: client.complete("Hi", timeout=PATIENCE).text) == ["Hi"] * 3


def misuse(server, client, way, chance):
    if way == "fault":
        server.fault(chance.choice([name for name in FAULTS if name not in ("stall", "only pings", "too long")]))
    if way == "hurry":
        client.complete("Hi", timeout=chance.random() * 0.01 + 1e-6)
    elif way in ("complete", "fault"):
        client.complete("Hi", timeout=PATIENCE)
    else:
        stream = client.stream("Hi", timeout=PATIENCE)
        if way == "collect":
            stream.collect()
        elif way == "close":
            threading.Thread(target=stream.close).start()
            next(stream)
        else:
            next(stream)


def test_a_stream_that_is_open_holds_its_place(server):
    client = server.client("anthropic", rate_limit=RateLimit(concurrent=1), max_retries=0)
    with client.stream("Hi"), pytest.raises(DeadlineError):
        client.complete("Hi", timeout=0.2)
    assert client.complete("Hi", timeout=PATIENCE).text == "Hi"


def waiting(limit, count):
    """Return when so many stand in its line."""
    end = time.monotonic() + PATIENCE
    while len(limit._line._waiting) != count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_places_are_given_in_the_order_of_asking(server):
    limit = RateLimit(concurrent=1)
    client = server.client("anthropic", rate_limit=limit)
    stream = client.stream("first")
    with ThreadPoolExecutor(8) as pool:
        for index in range(8):
            pool.submit(client.complete, str(index))
            waiting(limit, index + 1)
        stream.close()
    assert [request.messages[0].text for request in server.requests] == ["first", *map(str, range(8))]


# ---- waiting, and its end --------------------------------------------------------------------------------------------

LONG = {"requests_per_minute": 1}  # whoever comes second waits for a minute

# A time limit that a minute's wait breaks; its name.
LIMITS = {
    "a number": (0.3, "timeout"),
    "the whole call's": (Timeout(total=0.3), "Timeout.total"),
}


@pytest.mark.parametrize(("timeout", "name"), LIMITS.values(), ids=LIMITS.keys())
def test_a_wait_that_takes_too_long(server, timeout, name):
    client = server.client("anthropic", rate_limit=RateLimit(**LONG))
    client.complete("Hi")
    began = time.monotonic()
    with pytest.raises(DeadlineError, match=name.replace(".", r"\.")) as caught:
        client.complete("Hi", timeout=timeout)
    assert 0.3 <= time.monotonic() - began < 10
    assert (caught.value.which, caught.value.attempts) == ("total", 0)
    assert "rate_limit" in caught.value.__notes__[0]
    assert len(server.requests) == 1
    assert pickle.loads(pickle.dumps(caught.value)).attempts == 0


def test_a_wait_that_takes_too_long_for_another_try(server):
    server.fault("server error")
    client = server.client("anthropic", rate_limit=RateLimit(**LONG))
    with pytest.raises(DeadlineError) as caught:
        client.complete("Hi", timeout=1)
    assert caught.value.attempts == len(server.requests) == 1


def test_the_other_limits_begin_when_it_is_sent(server):
    client = server.client("anthropic", rate_limit=RateLimit(100), timeout=Timeout(connect=0.5, first=0.5, idle=0.5))
    client.complete("Hi")
    assert client.complete("Hi").text == "Hi"
    with client.stream("Hi") as stream:
        assert stream.collect().text == "Hi"


def test_those_behind_one_who_gives_up_go_on(server):
    limit = RateLimit(60)
    client = server.client("anthropic", rate_limit=limit)
    client.complete("Hi")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.complete, "Hi", timeout=0.2)
        waiting(limit, 1)
        second = pool.submit(client.complete, "Hi", timeout=PATIENCE)
        assert isinstance(first.exception(PATIENCE), DeadlineError)
        assert second.result(PATIENCE).text == "Hi"
    waiting(limit, 0)


def test_a_run_that_is_stopped_while_its_calls_wait(server):
    limit = RateLimit(**LONG)
    client = server.client("anthropic", rate_limit=limit)
    client.complete("Hi")

    def prompts():
        yield from "abc"
        waiting(limit, 3)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(client.map(prompts(), concurrency=4))
    assert time.monotonic() - began < 10
    waiting(limit, 0)
    assert len(server.requests) == 1


def test_a_switch_ends_a_wait_in_line_and_one_for_a_place(server):
    limit = RateLimit(concurrent=1)
    client = server.client("anthropic", rate_limit=limit)
    switch = Switch()

    def ask():
        evolve(client._asking("Hi", None, {}), switch=switch).complete()

    with client.stream("Hi"), ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask) for _ in range(2)]
        waiting(limit, 2)
        switch.off()
        errors = [future.exception(PATIENCE) for future in asked]
    assert [type(error) for error in errors] == [StreamClosedError] * 2
    assert [error.attempts for error in errors] == [0, 0]
    assert client.complete("Hi").text == "Hi"


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this platform sends no signal to a thread")
def test_an_interrupt_of_one_that_waits(server):
    limit = RateLimit(concurrent=1)
    client = server.client("anthropic", rate_limit=limit)
    main = threading.get_ident()

    def interrupt():
        waiting(limit, 1)
        time.sleep(0.05)  # it goes to sleep right afterwards
        signal.pthread_kill(main, signal.SIGINT)

    with client.stream("Hi"):
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.complete("Hi")
        thread.join()
        waiting(limit, 0)
    assert client.complete("Hi", timeout=PATIENCE).text == "Hi"


# ---- whose limit -----------------------------------------------------------------------------------------------------


def test_it_compares_and_pickles_by_its_numbers():
    limit = RateLimit(50, 100_000, 10)
    assert limit == RateLimit(requests_per_minute=50, tokens_per_minute=100_000, concurrent=10)
    assert limit != RateLimit(50, 100_000)
    assert hash(limit) == hash(RateLimit(50, 100_000, 10))
    assert repr(limit) == "RateLimit(requests_per_minute=50, tokens_per_minute=100000, concurrent=10)"
    line = limit._line
    again = pickle.loads(pickle.dumps(limit))
    assert again == limit
    assert again._line is not line is limit._line


def test_a_client_pickles_with_its_limit(server):
    client = pickle.loads(pickle.dumps(server.client("anthropic", rate_limit=RateLimit(60))))
    assert client._engine.limit == RateLimit(60)
    assert client.complete("Hi").text == "Hi"


def test_copies_share_it_unless_they_are_given_another(server):
    client = server.client("anthropic", rate_limit=RateLimit(60))
    other = RateLimit(30)
    assert client.with_options(max_tokens=9)._engine.limit is client._engine.limit
    copy = client.with_options(rate_limit=other)
    assert copy._engine.limit is copy.with_options(max_tokens=9)._engine.limit is other
    assert pickle.loads(pickle.dumps(copy))._engine.limit == other
    assert client._engine.limit == RateLimit(60)
    assert copy._engine.quota is client._engine.quota


def test_clients_may_share_one(server):
    limit = RateLimit(120)
    began = time.monotonic()
    for wire in WIRES[:2]:
        server.client(wire, rate_limit=limit).complete("Hi")
    assert time.monotonic() - began >= 0.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_fork_waits_for_nobody_of_its_parent(server):
    limit = RateLimit(1, concurrent=1)
    client = server.client("anthropic", rate_limit=limit)
    with client.stream("Hi"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if client.complete("Hi", timeout=PATIENCE).text == "Hi" else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert list(limit._lines) == [os.getpid()]


def test_a_client_without_a_limit_loads_nothing_of_it(server):
    code = (
        "import sys; from llmkit import Client; "
        f"print(Client('anthropic', api_key='k', base_url={server.url!r}).complete('Hi').text); "
        "print(*{'llmkit.limits', 'llmkit.pacing', 'llmkit.published'} & set(sys.modules))"
    )
    environment = {**os.environ, "NO_PROXY": "*"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["Hi"]


# A provider and a tier; its numbers.
PRESETS = {
    ("megallm", "basic"): (50, 100_000, 10),
    ("megallm", "pro"): (200, 400_000, 40),
    ("megallm-openai", "Basic"): (50, 100_000, 10),
    ("megallm-openai", "PRO"): (200, 400_000, 40),
}


@pytest.mark.parametrize(("names", "numbers"), PRESETS.items(), ids=map(" ".join, PRESETS))
def test_presets(names, numbers):
    assert RateLimit.preset(*names) == RateLimit(*numbers)


@pytest.mark.parametrize("names", [("megallm", "platinum"), ("anthropic", "basic"), ("", "")])
def test_presets_that_are_not_known(names):
    with pytest.raises(ConfigurationError, match=r"preset: .*megallm basic, megallm pro, megallm-openai basic"):
        RateLimit.preset(*names)


def test_presets_are_of_rows_that_there_are():
    assert set(llmkit.rows.tiers.TIERS) <= {row.name for row in providers()}


# Arguments; how the message begins.
WRONG = {
    "none a minute": (lambda: RateLimit(0), "RateLimit.requests_per_minute: "),
    "fewer than none": (lambda: RateLimit(tokens_per_minute=-1), "RateLimit.tokens_per_minute: "),
    "a half": (lambda: RateLimit(concurrent=0.5), "RateLimit.concurrent: "),
    "a word": (lambda: RateLimit("many"), "RateLimit.requests_per_minute: "),
    "no limit": (lambda: Client("anthropic", api_key="k", rate_limit=50), "rate_limit: expected a RateLimit"),
    "no limit for a copy": (
        lambda: Client("anthropic", api_key="k").with_options(rate_limit=50),
        "rate_limit: expected a RateLimit",
    ),
}


@pytest.mark.parametrize(("make", "begins"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(make, begins):
    with pytest.raises(ConfigurationError, match=f"^{begins}"):
        make()
