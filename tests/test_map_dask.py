"""Rows that the workers of a Dask cluster ask, and those of a pool of processes."""

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait

import attrs
import pytest
from dask import config
from distributed import Client as DaskClient
from distributed import LocalCluster
from distributed.exceptions import WorkerStartTimeoutError
from sockets import PATIENCE

from llmkit import Client, ConfigurationError, ConnectionFailedError, MissingAuthError, RateLimit, Request
from llmkit.bulk.elsewhere import Luggage, elsewhere

KEY = "sk-of-the-environment-of-workers"


@pytest.fixture(scope="module")
def dask():
    """A client of two workers with four threads each; their environment has a key that the caller's has not."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # that workers are lost is the test's own doing
    with (
        config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=4,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            env={"ANTHROPIC_API_KEY": KEY},
        ) as cluster,
        DaskClient(cluster) as client,
    ):
        yield client


@pytest.fixture
def executor(dask):
    with contextlib.suppress(WorkerStartTimeoutError):  # where Dask gives up to replace one that was killed
        dask.wait_for_workers(2, timeout=PATIENCE)
    dask.wait_for_workers(1, timeout=120)
    return dask.get_executor()


@pytest.fixture
def client(server):
    return server.client("anthropic", model="claude-x", max_retries=0)


def texts(results):
    return [result.unwrap().text for result in results]


def asked(server):
    return [request.messages[-1].text for request in server.requests]


# Lost workers.


def killing(server, dask, after):
    """What the server answers, and a worker dies of when so many rows were asked."""
    pid, lock = min(dask.run(os.getpid).values()), threading.Lock()
    killed = threading.Event()

    def answer(request):
        with lock:
            if len(server.requests) >= after and not killed.is_set():
                killed.set()
                os.kill(pid, signal.SIGKILL)
        return request.messages[-1].text

    server.reply_with(answer)
    return killed


def test_five_hundred_rows_and_a_worker_that_is_killed(server, client, dask, executor):
    """Nothing is lost, nothing doubled; asked twice is only what the dead worker had."""
    prompts = [str(number) for number in range(500)]
    killed = killing(server, dask, 250)
    found = list(client.map(prompts, executor=executor, concurrency=16))
    assert killed.is_set()
    assert [result.index for result in found] == [*range(500)]
    assert texts(found) == prompts
    assert set(asked(server)) == set(prompts)
    assert len(server.requests) <= 500 + 16


def test_a_checkpoint_stays_with_the_caller(server, client, dask, executor, tmp_path):
    prompts = [str(number) for number in range(100)]
    killing(server, dask, 50)
    run = client.map(prompts, executor=executor, concurrency=8, checkpoint=tmp_path / "run.db")
    assert texts(run) == prompts
    server.requests.clear()
    again = client.map([*prompts, "new"], executor=executor, concurrency=8, checkpoint=tmp_path / "run.db")
    assert texts(again) == [*prompts, "new"]
    assert asked(server) == ["new"]


@attrs.frozen
class Fatal:
    """What a worker dies of."""

    name: str

    def __attrs_post_init__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_row_that_kills_every_worker_fails_alone(server, client, executor):
    for _ in range(2):
        server.reply('{"name": "Oslo"}')
    found = list(client.map([Request("bad", output_type=Fatal), "good"], executor=executor, concurrency=1))
    assert isinstance(found[0].error, ConnectionFailedError)
    assert "KilledWorker" in str(found[0].error)
    assert found[1].unwrap().text == "good"
    # More where Dask has lost sight of who did the last, and does it again.
    assert asked(server)[:3] == ["bad", "bad", "good"]


# What comes, and what it takes.


def test_rows_that_are_the_same_are_each_asked(server, client, executor):
    for _ in range(6):
        server.reply("an answer")
    assert texts(client.map(["same"] * 6, executor=executor)) == ["an answer"] * 6
    assert len(server.requests) == 6


def test_a_process_makes_one_client_whose_connections_live_on(server, client, executor):
    texts(client.map(map(str, range(60)), executor=executor))
    texts(client.map(map(str, range(60)), executor=executor))
    assert server.connections <= 2 * 4  # one a thread


def test_errors_are_the_rows_own(server, client, executor):
    server.fault("too long")
    found = list(client.map(["a", "", Request("b", id="c")], executor=executor, concurrency=1))
    assert [type(result.error).__name__ for result in found] == ["BadRequestError", "ConfigurationError", "NoneType"]
    assert found[2].id == "c"


def test_a_key_of_the_workers_environment(server, executor, monkeypatch):
    """The caller's own is looked up, so it does not travel."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment-of-the-caller")
    client = Client("anthropic", model="claude-x", base_url=server.url)
    texts(client.map(["a"], executor=executor))
    assert [request.headers["x-api-key"] for request in server.requests] == [KEY]


def test_a_key_that_was_passed_travels(server, executor):
    client = Client("anthropic", model="claude-x", base_url=server.url, api_key=lambda: "sk-passed")
    texts(client.map(["a"], executor=executor))
    assert [request.headers["x-api-key"] for request in server.requests] == ["sk-passed"]


def test_a_rate_limit_is_divided(server, executor):
    """Twice as much as each worker is given would be refused. A little less is asked, as the machine may be busy."""
    server.limit(requests_per_minute=1200, window=1.0)
    limit = RateLimit(requests_per_minute=900)
    client = server.client("anthropic", model="claude-x", max_retries=0, rate_limit=limit)
    texts(client.map(map(str, range(60)), executor=executor, concurrency=16))
    assert server.refused == 0


def test_so_many_at_once_is_no_more_on_a_cluster(server, executor):
    running, most, lock = 0, 0, threading.Lock()

    def answer(request):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1
        return request.messages[-1].text

    server.reply_with(answer)
    client = server.client("anthropic", model="claude-x", rate_limit=RateLimit(concurrent=3))
    texts(client.map(map(str, range(20)), executor=executor, concurrency=8))
    assert most <= 3


# How it ends.


def test_a_run_that_is_left_asks_nothing_more(server, client, executor):
    """What waits for a worker is not begun, what is being asked is ended."""
    begun, go = threading.Event(), threading.Event()

    def answer(request):
        if request.messages[-1].text == "0":
            begun.wait(PATIENCE)
        else:
            begun.set()
            go.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    run = client.map(map(str, range(100)), executor=executor, concurrency=40)
    assert next(run).unwrap().text == "0"
    assert begun.wait(PATIENCE)
    run.close()
    # The workers are free, although the server answers nothing.
    assert texts(client.map(["0"], executor=executor)) == ["0"]
    go.set()
    assert len(server.requests) <= 1 + 8 + 1  # the workers have eight threads


def test_a_run_that_is_left_keeps_what_is_being_asked(server, client, executor, tmp_path):
    """And begins nothing more."""
    begun, go = threading.Event(), threading.Event()

    def answer(request):
        if request.messages[-1].text == "0":
            begun.wait(PATIENCE)
        else:
            begun.set()
            assert go.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    run = client.map(map(str, range(30)), executor=executor, concurrency=20, checkpoint=tmp_path / "run.db")
    assert next(run).unwrap().text == "0"
    assert begun.wait(PATIENCE)
    threading.Timer(1.0, go.set).start()
    run.close()
    first = asked(server)
    server.requests.clear()
    rerun = client.map(map(str, range(30)), executor=executor, checkpoint=tmp_path / "run.db")
    assert texts(rerun) == [*map(str, range(30))]
    assert max(Counter([*first, *asked(server)]).values()) == 1
    assert len(first) <= 1 + 8


# Pools of processes.


def pool(workers, initializer=None):
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer)


def test_a_pool_of_processes_keeps_its_connections(server, client):
    with pool(2) as executor:
        assert texts(client.map(map(str, range(30)), executor=executor)) == [*map(str, range(30))]
    assert server.connections <= 2


def test_a_process_without_a_key(server, monkeypatch):
    """It is the row's error, and the process lives on."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-caller")
    client = Client("anthropic", model="claude-x", base_url=server.url)
    with pool(1, forget) as executor:
        found = list(client.map(["a", "b"], executor=executor))
        assert executor.submit(int).result() == 0
    assert [type(result.error) for result in found] == [MissingAuthError] * 2


def forget():
    del os.environ["ANTHROPIC_API_KEY"]


DIVIDED = {
    "among two": (2, RateLimit(101, 1000, 10), RateLimit(50, 500, 10)),
    "by one": (1, RateLimit(101, 1000, 10), RateLimit(101, 1000, 10)),
    "what is not limited": (2, RateLimit(tokens_per_minute=7), RateLimit(tokens_per_minute=3)),
    "nothing": (2, None, None),
}


@pytest.mark.parametrize(("workers", "limit", "each"), DIVIDED.values(), ids=DIVIDED.keys())
def test_what_each_process_may_ask(server, workers, limit, each):
    client = Client("anthropic", api_key="k", rate_limit=limit)
    with pool(workers) as executor:
        luggage = elsewhere(executor, client)._luggage
    assert pickle.loads(pickle.dumps(luggage)).client._settings.rate_limit == each


def test_threads_of_this_process_share_the_client():
    client = Client("anthropic", api_key="k", rate_limit=RateLimit(3))
    with ThreadPoolExecutor(8) as executor:
        assert elsewhere(executor, client)._luggage.client is client


def test_a_rate_limit_that_is_too_small_for_so_many(client):
    limited = client.with_options(rate_limit=RateLimit(requests_per_minute=3))
    with pool(4) as executor, pytest.raises(ConfigurationError, match="requests_per_minute=3 .* 4 workers"):
        list(limited.map(["a"], executor=executor))


def test_no_key_is_shown():
    client = Client("anthropic", api_key="sk-passed")
    luggage = Luggage(client, pickle.dumps(client))
    assert "sk-passed" not in repr(luggage) + repr(pickle.loads(pickle.dumps(luggage)))


def test_threads_of_the_callers_own_are_freed_when_a_run_is_left(server, client):
    begun, go = threading.Event(), threading.Event()

    def answer(request):
        if request.messages[-1].text == "slow":
            begun.set()
            go.wait(PATIENCE)
        begun.wait(PATIENCE)
        return "ok"

    server.reply_with(answer)
    with ThreadPoolExecutor(2) as executor:
        run = client.map(["quick", "slow"], executor=executor)
        next(run)
        assert begun.wait(PATIENCE)
        run.close()
        wait([executor.submit(int) for _ in range(2)], PATIENCE)
    go.set()


def test_a_cluster_is_asked_again_how_many_its_workers_are(executor, client):
    """Now and then, as it may grow."""
    place = elsewhere(executor, client.with_options(rate_limit=RateLimit(900)))
    before = place._luggage
    place.submit("a", None).result(PATIENCE)
    assert place._luggage is before
    place._look_again = 0.0
    place.submit("a", None).result(PATIENCE)
    assert place._luggage is not before
    assert pickle.loads(pickle.dumps(place._luggage)).client._settings.rate_limit == RateLimit(450)


def test_a_cluster_of_threads_of_this_process(server):
    limit = RateLimit(requests_per_minute=900)
    client = server.client("anthropic", model="claude-x", rate_limit=limit)
    with (
        LocalCluster(n_workers=2, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        DaskClient(cluster, set_as_default=False) as dask,
    ):
        luggage = elsewhere(dask.get_executor(), client)._luggage
        assert texts(client.map(["a", "b"], executor=dask.get_executor())) == ["a", "b"]
    assert pickle.loads(pickle.dumps(luggage)).client._settings.rate_limit == limit


def test_a_cluster_that_is_gone(server, client):
    """Its rows have an error, and the run ends."""
    begun, go = threading.Event(), threading.Event()

    def answer(request):
        if request.messages[-1].text == "slow":
            begun.set()
            go.wait(PATIENCE)
        begun.wait(PATIENCE)
        return "ok"

    server.reply_with(answer)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        DaskClient(cluster, set_as_default=False) as dask,
    ):
        run = client.map(["quick", "slow"], executor=dask.get_executor())
        assert next(run).unwrap().text == "ok"
        assert begun.wait(PATIENCE)
        dask.close()
        found = list(run)
        go.set()
    assert [type(result.error) for result in found] == [ConnectionFailedError]


def test_a_client_that_no_process_can_be_given(server):
    client = Client("anthropic", model="claude-x", base_url=server.url, api_key=lambda: "k")
    with pool(1) as executor:
        (found,) = client.map(["a"], executor=executor)
    assert isinstance(found.error, ConnectionFailedError)
    assert "pickle" in str(found.error)
