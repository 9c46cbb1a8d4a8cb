"""Many prompts: in their order or as they come, some at a time, read as they are needed, and ended cleanly."""

import asyncio
import contextvars
import itertools
import signal
import sqlite3
import threading
import time
import tracemalloc
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import attrs
import pytest
from sockets import PATIENCE, Server, reply

import llmkit
from llmkit import BadRequestError, Client, ConfigurationError, ConnectionFailedError, Request, Result, UserMessage
from llmkit.bulk.run import KEPT


@pytest.fixture
def client(server):
    return server.client("anthropic", max_retries=0)


def texts(results):
    return [result.unwrap().text for result in results]


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("llmkit-map")]


# What comes.


def test_in_the_order_of_the_prompts(client):
    found = list(client.map(["a", UserMessage("b"), {"role": "user", "content": "c"}, Request("d", id="four")]))
    assert [(result.index, result.id, result.error) for result in found] == [
        (0, None, None),
        (1, None, None),
        (2, None, None),
        (3, "four", None),
    ]
    assert texts(found) == ["a", "b", "c", "d"]
    assert found[1].prompt == UserMessage("b")


def test_none(client):
    assert list(client.map([])) == []


def test_as_they_come(server, client):
    """The first row's answer is held back until all others have been handed out."""
    others = threading.Event()

    def answer(request):
        if request.messages[-1].text == "0":
            assert others.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    found = []
    for result in client.map(map(str, range(40)), concurrency=2, ordered=False):
        found.append(result.unwrap().text)
        if len(found) == 39:
            others.set()
    assert found[-1] == "0"
    assert sorted(found) == sorted(map(str, range(40)))


def test_in_order_each_as_soon_as_it_is_there(server, client):
    """The second row's answer is held back until the first has been handed out."""
    first = threading.Event()

    def answer(request):
        if request.messages[-1].text != "0":
            assert first.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    for result in client.map(map(str, range(6)), concurrency=2):
        first.set()
        assert result.unwrap().text == str(result.index)


def test_a_row_that_fails_is_that_row_alone(server, client):
    server.reply_with(lambda request: request.messages[-1].text)
    server.fault("too long")
    found = list(client.map(["bad", "good", ""], concurrency=1))
    assert isinstance(found[0].error, BadRequestError)
    assert found[1].unwrap().text == "good"
    assert isinstance(found[2].error, ConfigurationError)
    assert [result.response is None for result in found] == [True, False, True]
    with pytest.raises(BadRequestError):
        found[0].unwrap()


def test_the_first_that_fails_ends_the_run(client):
    run = client.map(itertools.chain(["one", ""], itertools.repeat("x")), concurrency=1, errors="raise")
    assert next(run).unwrap().text == "one"
    with pytest.raises(ConfigurationError, match="it is empty"):
        next(run)
    assert list(run) == []
    assert not threads()


@attrs.frozen
class City:
    name: str


def test_answers_of_a_type(server, client):
    for _ in range(2):
        server.reply('{"name": "Oslo"}')
    found = list(client.map(["a", Request("b", output_type=City)], output_type=City, max_tokens=9))
    assert [result.unwrap().output for result in found] == [City("Oslo")] * 2
    assert {request.json["max_tokens"] for request in server.requests} == {9}


def test_options_of_a_request_win(server, client):
    list(client.map([Request("a", temperature=0.1), "b"], temperature=0.9, concurrency=1))
    assert [request.json["temperature"] for request in server.requests] == [0.1, 0.9]


WRONG = {
    "a text": (("abc",), {}, "prompts: expected an iterable of prompts"),
    "a message": ((UserMessage("a"),), {}, "prompts"),
    "a request": ((Request("a"),), {}, "prompts"),
    "a dict": (({"role": "user", "content": "c"},), {}, "prompts"),
    "nothing": ((None,), {}, "prompts"),
    "no threads": ((["a"],), {"concurrency": 0}, "concurrency"),
    "half a thread": ((["a"],), {"concurrency": 1.5}, "concurrency"),
    "some order": ((["a"],), {"ordered": "yes"}, "ordered"),
    "errors": ((["a"],), {"errors": "ignore"}, "errors"),
    "an executor": ((["a"],), {"executor": 5}, "executor"),
    "an option": ((["a"],), {"temprature": 1}, "did you mean 'temperature'"),
    "a type": ((["a"],), {"output_type": 5}, "output_type"),
}


@pytest.mark.parametrize(("args", "kwargs", "match"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_before_anything_is_read(server, client, args, kwargs, match):
    with pytest.raises(ConfigurationError, match=match):
        client.map(*args, **kwargs)
    assert not server.requests


# What is read.


def test_prompts_are_read_as_they_are_needed(client):
    read = itertools.count(1)
    taken = 0

    def prompts():
        nonlocal taken
        for taken in read:
            yield f"row {taken}"

    run = client.map(prompts(), concurrency=3)
    assert taken == 0
    for handed_out in range(1, 30):
        next(run)
        assert taken <= handed_out + 3 * KEPT
    run.close()
    assert not threads()


def test_prompts_are_read_by_whoever_reads_the_results(client):
    """So that a cursor of a database is a good source."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE prompt(text)")
    database.executemany("INSERT INTO prompt VALUES(?)", [(str(number),) for number in range(20)])
    rows = (text for (text,) in database.execute("SELECT text FROM prompt ORDER BY rowid"))
    assert texts(client.map(rows)) == [*map(str, range(20))]
    database.close()


def test_a_source_that_fails(client):
    """What was read is handed out first."""

    def prompts():
        yield from ("a", "b", "c")
        raise LookupError("the file is gone")

    found = []
    with pytest.raises(LookupError, match="the file is gone"):  # noqa: PT012
        for result in client.map(prompts()):
            found.append(result.unwrap().text)  # noqa: PERF401 - it raises
    assert found == ["a", "b", "c"]
    assert not threads()


class Canned:
    """A session that answers by itself, so that nothing else holds memory or takes time."""

    def __init__(self):
        self.status_code, self.reason = 200, "OK"
        self.headers = {"content-type": "application/json"}
        self.body = (
            b'{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],'
            b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}'
        )

    def request(self, *_, **__):
        return self

    def iter_content(self, *_):
        yield self.body

    def close(self):
        pass


@pytest.mark.parametrize("ordered", [True, False])
def test_memory_is_flat(ordered):
    client = Client("anthropic", api_key="k", model="m", session=Canned())
    run = client.map((f"row {number}" for number in itertools.count()), concurrency=4, ordered=ordered)
    for _ in range(300):
        next(run)
    tracemalloc.start()
    for _ in range(100):
        next(run)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(800):
        next(run)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    run.close()
    assert grown < 200_000  # of some 1,000 bytes a row would be 800,000


# Some at a time.


def test_so_many_at_once(server, client):
    """As many as were said, and no more."""
    together = threading.Barrier(5)
    running, most, lock = 0, 0, threading.Lock()

    def answer(request):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(PATIENCE)
        with lock:
            running -= 1
        return request.messages[-1].text

    server.reply_with(answer)
    assert len(texts(client.map(map(str, range(30)), concurrency=5))) == 30
    assert most <= 5


def test_values_of_the_callers_context_are_there(server):
    tenant = contextvars.ContextVar("tenant")

    def auth(request):
        request.headers["x-tenant"] = tenant.get()
        return request

    client = server.client("anthropic", auth=auth)
    tenant.set("one")
    texts(client.map(["a", "b"]))
    assert {request.headers["x-tenant"] for request in server.requests} == {"one"}


# How it ends.


def hanging(wire):
    wire.receive()
    wire.server.reached.set()
    wire.hang()


def test_a_run_that_is_left_ends_what_is_being_asked(server, client):
    never = threading.Event()
    server.reply("one")
    server.reply_with(lambda _: "late" if never.wait(PATIENCE) else "")
    for result in client.map(itertools.repeat("x"), concurrency=3, ordered=False):
        if result.response is not None:
            break
    assert not threads()
    never.set()


def test_ctrl_c_ends_what_is_being_asked():
    with Server(hanging) as server:
        client = Client("anthropic", api_key="k", model="m", base_url=server.url)

        def interrupt():
            assert server.reached.wait(PATIENCE)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with pytest.raises(KeyboardInterrupt):
            list(client.map(itertools.repeat("x"), concurrency=3))
        interrupter.join(PATIENCE)
        assert server.left.wait(PATIENCE)
    # Where it came while a thread was started, nobody knows of that one; it ends by itself all the same.
    until = time.monotonic() + PATIENCE
    while threads() and time.monotonic() < until:
        time.sleep(0.01)
    assert not threads()


def test_a_run_that_is_left_ends_what_waits_to_try_again():
    """The pause before another try is cut short."""
    refusal = reply(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', status="429 Slow")
    refusal = refusal.replace(b"\r\n\r\n", b"\r\nRetry-After: 50\r\n\r\n", 1)

    def script(wire):
        for received in wire.requests():
            if b"first" in received.body:
                assert wire.server.reached.wait(PATIENCE)
                wire.send(reply(Canned().body))
            else:
                wire.send(refusal)
                wire.server.reached.set()

    with Server(script) as server:
        client = Client("anthropic", api_key="k", model="m", base_url=server.url, max_retries=5)
        for result in client.map(["first", "second"], concurrency=2):
            assert result.unwrap().text == "ok"
            break
    assert not threads()


# Elsewhere.


def test_threads_of_the_callers_own(client):
    with ThreadPoolExecutor(2) as executor:
        assert texts(client.map(map(str, range(10)), executor=executor)) == [*map(str, range(10))]
        assert executor.submit(int).result() == 0  # it is still open


def test_processes(server, client):
    server.fault("too long")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        found = list(client.map(map(str, range(6)), executor=executor, concurrency=1))
    assert isinstance(found[0].error, BadRequestError)
    assert texts(found[1:]) == [*map(str, range(1, 6))]


class Lost(ThreadPoolExecutor):
    """An executor that loses the second row."""

    def submit(self, function, *args, **kwargs):
        if args[1] == "1":
            future = Future()
            future.set_exception(RuntimeError("the worker is gone"))
            return future
        return super().submit(function, *args, **kwargs)


def test_a_row_that_the_executor_lost(client):
    with Lost(2) as executor:
        found = list(client.map(map(str, range(3)), executor=executor))
    assert [type(result.error) for result in found] == [type(None), ConnectionFailedError, type(None)]
    assert found[1].error.retryable
    assert "RuntimeError: the worker is gone" in str(found[1].error)


def test_an_executor_that_takes_nothing(client):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(client.map(["a"], executor=executor))


# One in another thread.


def test_submit(client):
    future = client.submit("Hi", max_tokens=5)
    assert future.result(PATIENCE).text == "Hi"
    with pytest.raises(ConfigurationError):
        client.submit("")


def test_submit_is_awaitable(client):
    async def ask():
        return await asyncio.wrap_future(client.submit("Hi"))

    assert asyncio.run(ask()).text == "Hi"


def test_submit_is_bounded_and_cancels_what_has_not_begun(server, client):
    go = threading.Event()
    server.reply_with(lambda request: request.messages[-1].text if go.wait(PATIENCE) else "")
    futures = [client.submit(str(number)) for number in range(40)]
    assert futures[-1].cancel()
    go.set()
    assert [future.result(PATIENCE).text for future in futures[:-1]] == [*map(str, range(39))]
    assert len(server.requests) == 39


def test_the_door():
    assert llmkit.Result is Result
