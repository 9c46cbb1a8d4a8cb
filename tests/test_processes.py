"""One client in many threads, on both sides of a fork, in the workers of others, inside an event loop."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import pytest
from attrs import evolve
from calls import addresses
from faults.calls import chunked, each_format, each_mode
from sockets import PATIENCE, Server, chunk

from llmkit import (
    Client,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    OverloadedError,
    StreamError,
    Timeout,
)
from llmkit.testing import FakeServer

MODEL = "claude-x"
METHODS = [name for name in ("fork", "spawn", "forkserver") if name in multiprocessing.get_all_start_methods()]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
each_method = pytest.mark.parametrize("method", METHODS)


def serve(pipe: Connection) -> None:
    """A provider that echoes, in a process of its own; answers anything that comes by `pipe` with its connections."""
    with FakeServer() as server:
        pipe.send(server.url)
        while pipe.recv():
            pipe.send((server.connections, len(server.requests)))


@pytest.fixture(scope="module")
def provider():
    """The address of such a provider, and a function that asks for its connections and requests."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,))
    process.start()
    assert here.poll(60)
    url = here.recv()

    def counts():
        here.send(True)
        return here.recv()

    yield url, counts
    here.send(False)
    process.join(PATIENCE)
    assert process.exitcode == 0


def asked(client, mode, prompt):
    """The text of an answer; of a streamed one what its deltas told, which must be the same."""
    if mode == "whole":
        return client.complete(prompt).text
    with client.stream(prompt) as stream:
        told = "".join(stream.text_deltas())
        assert stream.collect().text == told
    return told


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_sixteen_threads_get_the_answers_to_their_questions(provider):
    """4,000 calls, and no connection more than threads."""
    url, counts = provider
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-4)

    def calls(thread):
        wrong = []
        for number in range(250):
            prompt = f"{thread}/{number}"
            answer = asked(client, "streamed" if number % 5 == 0 else "whole", prompt)
            if answer != prompt:
                wrong.append((prompt, answer))
        return wrong

    connections, requests = counts()
    try:
        with (
            Client("anthropic", api_key="k", base_url=url, model=MODEL, max_retries=0) as client,
            ThreadPoolExecutor(16) as threads,
        ):
            assert [wrong for wrong in threads.map(calls, range(16)) if wrong] == []
    finally:
        sys.setswitchinterval(before)
    connections, requests = counts()[0] - connections, counts()[1] - requests
    assert requests == 4_000
    assert connections <= 16


# ---- fork ------------------------------------------------------------------------------------------------------------


def in_a_fork(function):
    """Run it in a child, which then ends at once; the function that waits for the child and tells whether it failed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, of forking with threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_fork
@each_format
@each_mode
def test_before_and_after_a_fork(provider, form, mode):
    """Both go on with the same client at the same time; the connection that was open at the fork is the parent's."""
    url, counts = provider
    with Client(form.provider, api_key="k", base_url=url, model=MODEL, max_retries=0) as client:
        assert asked(client, mode, "before") == "before"
        connections, _ = counts()

        def child():
            for number in range(20):
                assert asked(client, mode, f"child {number}") == f"child {number}"
            client.close()

        ended = in_a_fork(child)
        for number in range(20):
            assert asked(client, mode, f"parent {number}") == f"parent {number}"
        assert ended() == 0
        assert asked(client, mode, "after") == "after"
        assert counts()[0] - connections == 1, "that of the child"


@needs_fork
@pytest.mark.parametrize("end", ["read", "close", "forget", "leave"])
def test_a_stream_that_is_open_at_a_fork(server, end):
    """It is the parent's: the child is refused, and whatever it does with it, the parent reads on."""
    server.delay = 0.005
    client = server.client("anthropic", model=MODEL, max_retries=0)
    words = " ".join(map(str, range(50)))
    stream = client.stream(words)
    next(stream)

    def child():
        nonlocal stream
        if end == "read":
            for _ in range(2):
                with pytest.raises(StreamError, match="fork"):
                    next(stream)
        elif end == "close":
            stream.close()
        elif end == "leave":
            with stream:
                pass
        stream = None
        assert client.complete("child").text == "child"

    ended = in_a_fork(child)
    assert stream.collect().text == words
    assert ended() == 0
    assert client.complete("parent").text == "parent"


@needs_fork
@each_format
def test_the_host_learns_of_the_end_though_a_fork_lives(form):
    """A child holds a copy of each socket that was open: to close the parent's own is not enough."""

    def script(wire):
        wire.receive()
        wire.send(chunked(form.begun(1), end=False))
        assert wire.server.reached.wait(PATIENCE)
        wire.send(chunk(b"data: oops\n\n"))
        wire.hang()

    reading, writing = os.pipe()
    with (
        Server(script) as server,
        Client(form.provider, api_key="k", base_url=server.url, model=MODEL, max_retries=0) as client,
    ):
        stream = client.stream("Hi")
        next(stream)
        ended = in_a_fork(lambda: os.read(reading, 1))
        try:
            server.reached.set()
            with pytest.raises(InvalidResponseError):
                stream.collect()
            assert server.left.wait(PATIENCE)
        finally:
            os.write(writing, b"x")
            assert ended() == 0
            os.close(reading)
            os.close(writing)


@needs_fork
def test_a_fork_while_a_name_is_looked_up(server, monkeypatch):
    """The look-up goes on in the parent alone: the child does one of its own."""
    parent, began, released = os.getpid(), threading.Event(), threading.Event()
    port = urlsplit(server.url).port

    def getaddrinfo(*_):
        if os.getpid() == parent:
            began.set()
            assert released.wait(PATIENCE)
        return addresses(("127.0.0.1", port))()

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    url = f"http://api.invalid:{port}"
    with (
        Client("anthropic", api_key="k", base_url=url, model=MODEL, max_retries=0, timeout=PATIENCE) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(asked, client, "whole", "parent")
        assert began.wait(PATIENCE)

        def child():
            assert asked(client, "whole", "child") == "child"

        ended = in_a_fork(child)
        try:
            assert ended() == 0
        finally:
            released.set()
        assert waiting.result(PATIENCE) == "parent"


@needs_fork
def test_forks_while_threads_are_busy(provider):
    """At whatever moment it comes, the child's calls are answered, and those of the parent's threads, too."""
    url, _ = provider
    stop = threading.Event()

    def work(thread):
        number = 0
        while not stop.is_set():
            number += 1
            prompt = f"{thread}/{number}"
            assert asked(client, "streamed" if number % 2 else "whole", prompt) == prompt
        return number

    def child():
        for mode in ("whole", "streamed"):
            for number in range(3):
                assert asked(client, mode, f"child {number}") == f"child {number}"

    with (
        Client("anthropic", api_key="k", base_url=url, model=MODEL, max_retries=0, timeout=PATIENCE) as client,
        ThreadPoolExecutor(6) as threads,
    ):
        busy = [threads.submit(work, thread) for thread in range(6)]
        try:
            assert [in_a_fork(child)() for _ in range(20)] == [0] * 20
        finally:
            stop.set()
        assert all(worker.result(PATIENCE) for worker in busy)


# ---- workers of multiprocessing --------------------------------------------------------------------------------------


def set_key(key):
    """What a worker finds in its environment."""
    os.environ["ANTHROPIC_API_KEY"] = key


def answered(client, mode, prompt):
    """The response; in a worker."""
    return client.complete(prompt) if mode == "whole" else client.stream(prompt).collect()


def workers(method, **options):
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(2, mp_context=context, initializer=set_key, initargs=("of-the-worker",), **options)


@each_method
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_client_as_an_argument(server, monkeypatch, method):
    """A key that was passed goes along; one that was looked up is looked up again, where the client arrives."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-the-parent")
    passed = server.client("anthropic", model=MODEL, api_key="passed", headers={"X-Trace": "1"}).with_options(top_k=7)
    looked_up = Client("anthropic", model=MODEL, base_url=server.url)
    prompts = [f"question {number}" for number in range(6)]
    modes = ["whole", "streamed"] * 3
    with workers(method) as pool, looked_up:
        for client, key in ((passed, "passed"), (looked_up, "of-the-worker")):
            here = list(map(answered, [client] * 6, modes, prompts))
            server.requests.clear()
            there = list(pool.map(answered, [client] * 6, modes, prompts))
            assert [response.text for response in there] == prompts
            assert {request.headers["x-api-key"] for request in server.requests} == {key}
            assert {request.headers.get("x-trace") for request in server.requests} == {"1" if key == "passed" else None}
            assert there == [evolve(one, id=other.id) for one, other in zip(here, there, strict=True)]
            kinds = [[response.headers["CONTENT-TYPE"] for response in responses] for responses in (here, there)]
            assert kinds[0] == kinds[1]
            assert [response.raw.keys() for response in there] == [response.raw.keys() for response in here]


ERRORS = {
    "overloaded": ("whole", OverloadedError, {"status": 529, "retryable": True, "attempts": 2}),
    "cut stream": ("streamed", IncompleteStreamError, {"attempts": 1, "retryable": True}),
    "not JSON": ("streamed", InvalidResponseError, {"attempts": 1}),
    "stall": ("whole", DeadlineError, {"which": "first", "seconds": 0.3}),
}


@each_method
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_errors_of_workers(server, method):
    """They arrive as what they were, with all they hold."""
    client = server.client("anthropic", model=MODEL, api_key="sk-secret-0123456789", max_retries=1)
    client = client.with_options(timeout=Timeout(first=0.3))
    with workers(method) as pool:
        for fault, (mode, cls, attributes) in ERRORS.items():
            server.reply("one two three four five six seven")
            for _ in range(2 if fault == "overloaded" else 1):
                server.fault(fault)
            with pytest.raises(cls) as caught:
                pool.submit(answered, client, mode, "Hi").result(PATIENCE)
            error = caught.value
            assert type(error) is cls
            assert {name: getattr(error, name) for name in attributes} == attributes
            assert (error.provider, error.model) == ("anthropic", MODEL)
            assert "sk-secret" not in f"{error!r} {error.__cause__!r}"
            if mode == "streamed":
                assert error.partial.text.startswith("one two")
            while server.scripted:
                client.complete("to the end of what was queued")


# ---- event loops -----------------------------------------------------------------------------------------------------


def test_inside_a_running_event_loop(server):
    """It blocks there, as anything does; in the loop's threads it does not."""
    client = server.client("anthropic", model=MODEL)
    prompts = [f"question {number}" for number in range(20)]

    async def main():
        assert client.complete("blocking").text == "blocking"
        assert asked(client, "streamed", "blocking") == "blocking"
        loop = asyncio.get_running_loop()
        beats = 0

        async def beat():
            nonlocal beats
            while True:
                await asyncio.sleep(0)
                beats += 1

        beating = asyncio.create_task(beat())
        executed = [loop.run_in_executor(None, asked, client, "whole", prompt) for prompt in prompts]
        threads = [asyncio.to_thread(asked, client, "streamed", prompt) for prompt in prompts]
        answers = await asyncio.gather(*executed, *threads)
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        assert beats
        return answers

    assert asyncio.run(main()) == prompts * 2
    assert client.complete("after").text == "after"
