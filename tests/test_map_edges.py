"""Runs of hostile sources and at bad moments: prompts that change, forks, Ctrl-C, waits that nobody needs any more."""

import contextvars
import itertools
import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sockets import PATIENCE, Server, reply

from llmkit import BudgetExceededError, Client, ConfigurationError, RateLimit, Usage, UserMessage
from llmkit.bulk import read
from llmkit.prices import Price


@pytest.fixture
def client(server):
    return server.client("anthropic", model="claude-x", max_retries=0, prices={"claude-x": Price(input=1, output=1)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


def texts(results):
    return [result.unwrap().text for result in results]


def kept(path):
    """Options of a run without a file, and with one."""
    return [{}, {"checkpoint": path}]


def hold(text, go, quick):
    """`text`, at once where it is `quick`, else when the test says so."""
    assert text == quick or go.wait(PATIENCE)
    return text


# What is read.


def test_a_prompt_means_what_it_meant_when_it_was_read(server, client, path):
    """Also where its source goes on with the same list; or answers would be kept for what was not asked."""

    def prompts():
        said = []
        for number in range(20):
            said[:] = [UserMessage(f"row {number}")]
            yield said

    expected = [f"row {number}" for number in range(20)]
    for options in kept(path):
        assert texts(client.map(prompts(), concurrency=2, **options)) == expected
    assert [(row.prompt, row.unwrap().text) for row in read(path)] == [(row, row) for row in expected]


# How it ends.


@pytest.mark.parametrize("which", [0, 1], ids=["without a file", "with a file"])
def test_a_run_that_is_left_asks_nothing_that_waits_for_a_rate_limit(server, path, which):
    client = server.client("anthropic", rate_limit=RateLimit(requests_per_minute=2))
    run = client.map(map(str, range(10)), concurrency=4, **kept(path)[which])
    assert next(run).unwrap().text == "0"
    begun = time.monotonic()
    run.close()
    assert time.monotonic() - begun < PATIENCE  # the next may go after 30 seconds
    assert len(server.requests) == 1


def test_a_run_that_is_left_does_not_try_again(path):
    """What was answered is kept; and what was not, is told of as if it had not been asked."""
    refusal = reply(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', status="429 Slow")
    refusal = refusal.replace(b"\r\n\r\n", b"\r\nRetry-After: 50\r\n\r\n", 1)

    def script(wire):
        for _ in wire.requests():
            wire.send(refusal)
            wire.server.reached.set()

    with Server(script) as server:
        client = Client("anthropic", api_key="k", model="m", base_url=server.url, max_retries=5)

        def prompts():
            yield "one"
            assert server.reached.wait(PATIENCE)
            raise KeyboardInterrupt

        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            list(client.map(prompts(), checkpoint=path))
        assert time.monotonic() - begun < PATIENCE
        assert len(server.requests) == 1
    assert list(read(path)) == []


def test_ctrl_c_that_another_thread_hears():
    """The thread that waits is not woken, and looks up by itself."""
    with Server(lambda wire: (wire.receive(), wire.server.reached.set(), wire.hang())) as server:
        client = Client("anthropic", api_key="k", model="m", base_url=server.url)

        def interrupt():
            assert server.reached.wait(PATIENCE)
            signal.raise_signal(signal.SIGINT)

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            list(client.map(["x"]))
        interrupter.join(PATIENCE)


@pytest.mark.parametrize("event", ["call", "return"])
@pytest.mark.parametrize("row", [0, 3])
def test_ctrl_c_while_a_thread_is_told_to_ask(server, client, path, event, row):
    """What was sent is awaited and kept, and what was not is not waited for."""
    calls = itertools.count()

    def interrupt(frame, what, _):
        if what == event and frame.f_code is ThreadPoolExecutor.submit.__code__ and next(calls) == row:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(client.map(map(str, range(9)), concurrency=9, checkpoint=path))
    finally:
        sys.setprofile(None)
    sent = sorted(request.messages[-1].text for request in server.requests)
    assert sorted(found.unwrap().text for found in read(path)) == sent


# A fork.


@pytest.mark.parametrize("which", [0, 1], ids=["without a file", "with a file"])
@pytest.mark.parametrize("what", ["goes on", "closes"])
def test_a_fork_has_no_part_in_a_run(server, client, path, which, what):
    """It neither waits for threads that it has not, nor ends what its parent asks."""
    go = threading.Event()
    server.reply_with(lambda request: hold(request.messages[-1].text, go, "0"))
    run = client.map(map(str, range(6)), concurrency=2, **kept(path)[which])
    assert next(run).unwrap().text == "0"
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(10)
        try:
            if what == "closes":
                run.close()
                status = 0
            else:
                next(run)
        except ConfigurationError as error:
            status = 0 if "fork" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go.set()
    assert texts(run) == ["1", "2", "3", "4", "5"]


# A file that others write, too.


def test_nothing_is_asked_once_the_money_is_spent(server, client, path):
    """Also of what another run has in hand; what stands behind it in the order is handed out."""
    go = threading.Event()
    server.reply_with(lambda request: hold(request.messages[-1].text, go, "ours"))
    other = threading.Thread(target=lambda: list(client.map(["theirs"], checkpoint=path)))
    other.start()
    until = time.monotonic() + PATIENCE
    while not server.requests and time.monotonic() < until:
        time.sleep(0.01)
    server.reply("ours", usage=Usage(input_tokens=10_000, output_tokens=0))
    found = []
    with pytest.raises(BudgetExceededError):  # noqa: PT012
        for result in client.map(["theirs", "ours"], checkpoint=path, max_cost="0.01"):
            found.append(result.unwrap().text)  # noqa: PERF401 - it raises
    assert found == ["ours"]
    go.set()
    other.join(PATIENCE)
    assert Counter(request.messages[-1].text for request in server.requests) == {"theirs": 1, "ours": 1}


# One in the background.


def test_values_of_the_callers_context_are_there(server):
    tenant = contextvars.ContextVar("tenant")

    def auth(request):
        request.headers["x-tenant"] = tenant.get()
        return request

    client = server.client("anthropic", auth=auth)
    tenant.set("one")
    assert client.submit("a").result(PATIENCE).text == "a"
    assert server.requests[0].headers["x-tenant"] == "one"


def test_the_clock_of_a_call_starts_when_it_is_asked(server, client):
    """Not while it waits for a thread."""
    go = threading.Event()
    server.reply_with(lambda request: request.messages[-1].text if go.wait(PATIENCE) else "late")
    waiting = [client.submit(str(number)) for number in range(32)]
    last = client.submit("last", timeout=1.0)
    time.sleep(1.2)
    go.set()
    assert last.result(PATIENCE).text == "last"
    assert len({future.result(PATIENCE).text for future in waiting}) == 32
