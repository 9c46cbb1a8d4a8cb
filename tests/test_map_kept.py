"""Runs that are kept in a file: rerun, killed, moved, shared; what they may cost; and the bar."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from decimal import Decimal

import attrs
import pytest
from sockets import PATIENCE

import llmkit
from llmkit import (
    BadRequestError,
    BudgetExceededError,
    Client,
    ConfigurationError,
    OutputError,
    Request,
    Usage,
)
from llmkit.prices import Price
from llmkit.testing import FakeServer

PRICES = {"claude-x": Price(input=1, output=1)}


@pytest.fixture
def client(server):
    return server.client("anthropic", model="claude-x", max_retries=0, prices=PRICES)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


def texts(results):
    return [result.unwrap().text for result in results]


def asked(server):
    return [request.messages[-1].text for request in server.requests]


# A file.


def test_what_was_answered_is_not_asked_again(server, client, path):
    assert texts(client.map(["a", "b"], checkpoint=path)) == ["a", "b"]
    server.requests.clear()
    found = list(client.map(["a", "b"], checkpoint=path))
    assert texts(found) == ["a", "b"]
    assert [(result.index, result.prompt) for result in found] == [(0, "a"), (1, "b")]
    assert server.requests == []


def test_rows_may_be_moved_inserted_edited_and_repeated(server, client, path):
    texts(client.map(["a", "b", "c", "b"], checkpoint=path))
    server.requests.clear()
    assert texts(client.map(["new", "b", "c!", "b", "a", "b"], checkpoint=path)) == ["new", "b", "c!", "b", "a", "b"]
    assert sorted(asked(server)) == ["b", "c!", "new"]  # the third b


def test_other_options_are_another_row(server, client, path):
    texts(client.map(["a"], checkpoint=path))
    texts(client.map(["a"], checkpoint=path, temperature=0.5))
    texts(client.map([Request("a", max_tokens=7)], checkpoint=path))
    assert len(server.requests) == 3


def test_what_failed_is_asked_again(server, client, path):
    server.fault("too long")
    found = list(client.map(["a", "b"], checkpoint=path, concurrency=1))
    assert [type(result.error) for result in found] == [BadRequestError, type(None)]
    server.requests.clear()
    assert texts(client.map(["a", "b"], checkpoint=path)) == ["a", "b"]
    assert asked(server) == ["a"]


def test_rows_that_cannot_be_asked_have_their_error(server, client, path):
    for _ in range(2):
        found = list(client.map(["", "a"], checkpoint=path))
        assert isinstance(found[0].error, ConfigurationError)
        assert found[1].unwrap().text == "a"
    assert asked(server) == ["a"]


@attrs.frozen
class City:
    name: str


def test_outputs_are_fitted_again(server, client, path):
    server.reply('{"name": "Oslo"}')
    for _ in range(2):
        (found,) = client.map(["a"], checkpoint=path, output_type=City)
        assert found.unwrap().output == City("Oslo")
    assert len(server.requests) == 1


def test_an_answer_that_does_not_fit_is_asked_for_again(server, client, path):
    server.reply("nonsense")
    server.reply('{"name": "Oslo"}')
    (found,) = client.map(["a"], checkpoint=path, output_type=City)
    assert isinstance(found.error, OutputError)
    (found,) = client.map(["a"], checkpoint=path, output_type=City)
    assert found.unwrap().output == City("Oslo")


def test_a_run_that_is_left_keeps_what_is_being_asked(server, client, path):
    """It is paid for: the rerun asks neither it nor what was answered."""
    begun, go = threading.Event(), threading.Event()

    def answer(request):
        if request.messages[-1].text == "slow":
            begun.set()
            assert go.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    for result in client.map(["quick", "slow"], checkpoint=path, concurrency=2):
        assert result.unwrap().text == "quick"
        assert begun.wait(PATIENCE)
        threading.Timer(0.2, go.set).start()
        break
    server.requests.clear()
    assert texts(client.map(["quick", "slow"], checkpoint=path)) == ["quick", "slow"]
    assert server.requests == []


def test_the_file_is_read_without_a_run(client, path, tmp_path):
    texts(client.map([Request("a", id="one"), "b"], checkpoint=path))
    rows = llmkit.bulk.read(path)
    assert [(row.index, row.id, row.prompt, row.unwrap().text) for row in rows] == [
        (0, "one", "a", "a"),
        (1, None, "b", "b"),
    ]
    rows.to_jsonl(tmp_path / "rows.jsonl")
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["a", "b"]


def test_two_runs_of_one_file_share_the_work(server, path):
    """In one process as in two: each row is asked once, and both hand out all."""
    prompts = [str(number) for number in range(60)]
    found = [[], []]

    def run(which):
        with server.client("anthropic") as client:
            found[which] = texts(client.map(prompts, checkpoint=path, concurrency=4))

    runs = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(60)
    assert found == [prompts, prompts]
    assert Counter(asked(server)) == Counter(prompts)


def test_another_kind_of_file(client, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("this is no database, but a text that somebody may still need " * 20)
    with pytest.raises(ConfigurationError, match="checkpoint"):
        client.map(["a"], checkpoint=path)
    assert path.read_text().startswith("this is no database")
    with pytest.raises(ConfigurationError, match="checkpoint"):
        client.map(["a"], checkpoint="run\0.db")


RUN = """
    import sys
    from llmkit import Client

    url, path, out = sys.argv[1:]
    client = Client("anthropic", api_key="k", model="m", base_url=url)
    with open(out, "a") as file:
        for result in client.map((f"row {number}" for number in range(120)), checkpoint=path, concurrency=6):
            file.write(f"{result.index} {result.unwrap().text}\\n")
            file.flush()
"""


KILLS = 6


def test_killed_again_and_again(tmp_path):
    """Every row comes once in the output of the last run, and none was paid for twice but those in flight at a kill."""
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(RUN))
    dice = random.Random(7)
    path, kills = tmp_path / "run.db", 0
    with FakeServer() as server:
        server.delay = 0.01
        command = [sys.executable, str(script), server.url, str(path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        while True:
            out = tmp_path / f"out{kills}"
            process = subprocess.Popen([*command, str(out)], env=environment)
            if kills < KILLS:
                before = len(server.requests)
                # Amid its work: some answers after its start, or where it has none left to ask for.
                wanted = before + dice.randrange(1, 9)
                until = time.monotonic() + PATIENCE
                while len(server.requests) < wanted and process.poll() is None and time.monotonic() < until:
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
                kills += 1
            else:
                assert process.wait(60) == 0
                break
        lines = out.read_text().splitlines()
        paid = Counter(request.messages[-1].text for request in server.requests)
    assert lines == [f"{number} row {number}" for number in range(120)]
    assert set(paid) == {f"row {number}" for number in range(120)}
    assert sum(paid.values()) - 120 <= KILLS * 6


# What it may cost.


def test_a_run_that_costs_too_much(server, client):
    """Each answer costs a hundredth of a dollar: what is being asked when the tenth has come is handed out."""
    for _ in range(40):
        server.reply("x", usage=Usage(input_tokens=5_000, output_tokens=5_000))
    found = []
    with pytest.raises(BudgetExceededError, match=r"answers cost 0\.1"):  # noqa: PT012
        for result in client.map(itertools.repeat("x"), max_cost="0.1", concurrency=3):
            found.append(result.unwrap().cost)  # noqa: PERF401 - it raises
    assert 10 <= len(found) <= 12
    assert len(server.requests) == len(found)
    assert found[0] == Decimal("0.01")


def test_a_run_that_costs_less(server, client):
    server.reply("x", usage=Usage(input_tokens=5_000, output_tokens=4_999))
    assert len(list(client.map(["x"], max_cost=0.01))) == 1


def test_what_came_from_the_file_costs_nothing(server, client, path):
    for _ in range(2):
        server.reply("x", usage=Usage(input_tokens=6_000, output_tokens=0))
    assert len(list(client.map(["a"], checkpoint=path, max_cost=0.01))) == 1
    assert len(list(client.map(["a", "b"], checkpoint=path, max_cost=0.01))) == 2


def test_a_price_that_is_not_known(server):
    client = Client("anthropic", api_key="k", base_url=server.url, model="nobody-knows-it")
    with pytest.raises(ConfigurationError, match="max_cost: the price of nobody-knows-it at anthropic is not known"):
        list(client.map(["a"], max_cost=1))
    assert not server.requests


def test_no_model(server):
    (found,) = Client("vllm", base_url=server.url).map(["a"], max_cost=1)
    assert "model: none was given" in str(found.error)
    assert not server.requests


@pytest.mark.parametrize("most", [0, -1, "much", float("nan"), True])
def test_no_amount_of_money(client, most):
    with pytest.raises(ConfigurationError, match="max_cost: expected US dollars above 0"):
        client.map(["a"], max_cost=most)


# The bar.


def test_the_bar(server, client, capsys):
    server.fault("too long")
    server.reply("x", usage=Usage(input_tokens=600_000, output_tokens=400_000))
    assert len(list(client.map(["a", "b"], progress=True, concurrency=1))) == 2
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "1 failed, 1.0M tokens, $1.0000" in shown


def test_the_bar_of_a_generator_has_no_total(client, capsys):
    assert len(list(client.map((str(number) for number in range(3)), progress=True))) == 3
    assert "3 rows" in capsys.readouterr().err


BARE = """
import os, sys
from llmkit import Client

client = Client("anthropic", api_key="k", model="m", base_url=sys.argv[1])
run = client.map(iter("ab"), progress=True)
first = next(run).unwrap().text
os.close(2)
print(first, *(result.unwrap().text for result in run))
"""


def test_a_run_is_worth_more_than_its_bar(server):
    """Whoever shut the terminal still gets the answers."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, server.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "a b\n"


def test_no_bar_unless_it_is_wanted(client, capsys):
    list(client.map(["a"]))
    list(client.map(["a"], progress=False))
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigurationError, match="progress"):
        client.map(["a"], progress="yes")
