"""`llmkit.bulk.checkpoint` and `rows`: what was answered outlives the process, and is read again."""

import contextlib
import csv
import gc
import itertools
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import checkpoint_writer
import pytest
from checkpoint_writer import answer
from sockets import PATIENCE

from llmkit import (
    AssistantMessage,
    AuthenticationError,
    Client,
    ConfigurationError,
    FinishReason,
    RateLimitError,
    Response,
    Usage,
    bulk,
)
from llmkit.bulk.checkpoint import Answered, Busy, Checkpoint, Claim
from llmkit.bulk.keys import key_of, prompt_of
from llmkit.bulk.owners import gone, new_owner
from llmkit.bulk.rows import read
from llmkit.bulk.stored import response_data, to_text
from llmkit.testing import FakeServer

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="nobody tells who has ended here")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.db"


def ask(checkpoint, key, occurrence=0, *, index=0, id=None, prompt=""):  # noqa: A002 - as it is called
    return checkpoint.claim(key, occurrence, index=index, id=id, prompt=prompt)


def run(path, contents, *, fails=(), stops=None):
    """A run over rows of these contents, as `Client.map` makes it; what was asked, and the texts of all."""
    asked, texts, met = [], [], Counter()
    with Checkpoint(path) as checkpoint:
        for index, content in enumerate(contents):
            if index == stops:
                return asked, texts
            found = ask(checkpoint, content, met[content], index=index, id=f"id-{index}", prompt=f"Ask {content}")
            met[content] += 1
            match found:
                case Answered(response):
                    texts.append(response.text)
                case Claim() as claim if content in fails:
                    checkpoint.fail(claim, RateLimitError("too much", status=429))
                    texts.append(None)
                case Claim() as claim:
                    asked.append(content)
                    checkpoint.answer(claim, answer(f"{content} {len(asked)}"))
                    texts.append(f"{content} {len(asked)}")
        checkpoint.finish()
    return asked, texts


def shown(path):
    return [(result.index, result.response.text if result.response else result.error.args[0]) for result in read(path)]


# ---- runs ------------------------------------------------------------------------------------------------------------


def test_what_is_answered_is_not_asked_again(path):
    assert run(path, "abc") == (["a", "b", "c"], ["a 1", "b 2", "c 3"])
    assert run(path, "abc") == ([], ["a 1", "b 2", "c 3"])


def test_rows_of_the_same_content_are_rows_of_their_own(path):
    """Five samples of one prompt are five answers."""
    assert run(path, "aaa") == (["a", "a", "a"], ["a 1", "a 2", "a 3"])
    assert run(path, "aaaa") == (["a"], ["a 1", "a 2", "a 3", "a 1"])


def test_rows_may_be_moved_inserted_and_edited(path):
    run(path, "abcd")
    assert run(path, "dxbca") == (["x"], ["d 4", "x 1", "b 2", "c 3", "a 1"])
    assert shown(path) == [(0, "d 4"), (1, "x 1"), (2, "b 2"), (3, "c 3"), (4, "a 1")]


def test_what_failed_is_asked_again(path):
    assert run(path, "abc", fails="b")[1] == ["a 1", None, "c 2"]
    assert shown(path) == [(0, "a 1"), (1, "too much"), (2, "c 2")]
    assert run(path, "abc") == (["b"], ["a 1", "b 1", "c 2"])
    assert shown(path) == [(0, "a 1"), (1, "b 1"), (2, "c 2")]


def test_a_run_that_ended_shows_its_rows_alone(path):
    run(path, "abc")
    run(path, "ac")
    assert shown(path) == [(0, "a 1"), (1, "c 3")]
    assert run(path, "b") == ([], ["b 2"]), "it was not forgotten"


def test_a_run_that_was_cut_hides_nothing(path):
    run(path, "abcd")
    run(path, "dab", stops=1)
    assert sorted(shown(path)) == [(0, "a 1"), (0, "d 4"), (1, "b 2"), (2, "c 3")]
    run(path, "dab")
    assert shown(path) == [(0, "d 4"), (1, "a 1"), (2, "b 2")]


def test_runs_at_the_same_time_are_both_shown(path):
    """Two processes may have two halves of the rows."""
    with Checkpoint(path) as one, Checkpoint(path) as other:
        one.answer(ask(one, "a", index=0), answer("a"))
        other.answer(ask(other, "b", index=1), answer("b"))
        other.finish()
        one.finish()
    assert shown(path) == [(0, "a"), (1, "b")]


def test_a_row_stands_where_the_latest_run_met_it(path):
    """However late a former one comes to it."""
    with Checkpoint(path) as former, Checkpoint(path) as latest:
        latest.answer(ask(latest, "a", index=5), answer("a"))
        ask(former, "a", index=0)
    assert shown(path) == [(5, "a")]


@needs_proc
def test_a_run_that_was_killed_is_over(path, tmp_path):
    """Its rows are not shown beside those of a whole run that began at once after it."""
    assert killed(writer(path, tmp_path / "log", 100_000), tmp_path / "log", 50)
    run(path, "ab")
    assert shown(path) == [(0, "a 1"), (1, "b 2")]


# ---- claims ----------------------------------------------------------------------------------------------------------


def test_one_row_is_one_claim(path):
    with Checkpoint(path, lease=30) as one, Checkpoint(path) as other:
        claim = ask(one, "a")
        assert claim == Claim("a", 0)
        busy = ask(other, "a")
        assert isinstance(busy, Busy)
        assert 0 < busy.seconds <= 30
        one.answer(claim, answer("x"))
        assert ask(other, "a") == Answered(answer("x"))


def test_what_is_released_is_free(path):
    with Checkpoint(path) as one, Checkpoint(path) as other:
        one.release(ask(one, "a"))
        assert ask(one, "a") == Claim("a", 0)
        one.release(Claim("a", 0))
        deadline = time.monotonic() + PATIENCE
        while isinstance(ask(other, "a"), Busy):
            assert time.monotonic() < deadline
        one.release(Claim("a", 0))  # no more its own
        one.finish()
        assert isinstance(ask(one, "a"), Busy)


def test_what_failed_is_free(path):
    with Checkpoint(path) as one, Checkpoint(path) as other:
        one.fail(ask(one, "a"), RateLimitError("x"))
        assert ask(other, "a") == Claim("a", 0)


def test_who_fails_too_late_takes_nothing_from_another(path):
    """Its lease was over, and another has the row."""
    with Checkpoint(path) as late, Checkpoint(path) as other:
        claim = ask(late, "a")
        late.release(claim)
        late.finish()
        assert ask(other, "a") == claim
        late.fail(claim, RateLimitError("x"))
        assert isinstance(ask(late, "a"), Busy)
        other.answer(claim, answer("y"))
        late.fail(claim, RateLimitError("x"))
        assert shown(path) == [(0, "y")]


def test_an_end_lets_go_of_everything(path):
    with Checkpoint(path) as one:
        ask(one, "a")
    with Checkpoint(path) as other:
        assert ask(other, "a") == Claim("a", 0)


def test_who_is_forgotten_lets_go_of_everything(path):
    one = Checkpoint(path)
    ask(one, "a")
    thread = one._thread
    del one
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    with Checkpoint(path) as other:
        assert ask(other, "a") == Claim("a", 0)


@contextlib.contextmanager
def holding(path, lease):
    """A process that has the row in hand."""
    code = [sys.executable, checkpoint_writer.__file__, "one", path, str(lease)]
    with subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "Claim\n"
            yield process
        finally:
            process.kill()


def stopped(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def tell(process):
    """Let it answer."""
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "answered\n"


def test_a_lease_is_renewed(path):
    """A row that takes longer than the lease is not asked twice."""
    with Checkpoint(path, lease=2) as one, Checkpoint(path) as other:
        claim, end = ask(one, "a"), time.monotonic() + 2.5
        while time.monotonic() < end:
            assert isinstance(ask(other, "a"), Busy)
            time.sleep(0.05)
        one.answer(claim, answer("x"))
        assert ask(other, "a") == Answered(answer("x"))


def test_a_lease_ends_and_not_before(path):
    """Of a process that hangs. When it goes on, its answer comes too late to replace another."""
    with holding(path, 1) as process, Checkpoint(path) as checkpoint:
        stopped(process)
        begun, busy = time.monotonic(), ask(checkpoint, "key")
        assert isinstance(busy, Busy)
        while isinstance(found := ask(checkpoint, "key"), Busy):
            assert time.monotonic() < begun + PATIENCE
            time.sleep(0.01)
        assert time.monotonic() >= begun + busy.seconds - 0.1
        assert found == Claim("key", 0)
        checkpoint.answer(found, answer("mine"))
        process.send_signal(signal.SIGCONT)
        tell(process)
        assert ask(checkpoint, "key") == Answered(answer("mine"))


@needs_proc
@pytest.mark.parametrize("reaped", [False, True], ids=["its parent does not know", "its parent knows"])
def test_who_was_killed_has_nothing_in_hand(path, reaped):
    """A rerun after a kill does not wait for a lease."""
    with holding(path, 3600) as process, Checkpoint(path) as checkpoint:
        assert isinstance(ask(checkpoint, "key"), Busy)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if reaped:
            process.wait()
        assert ask(checkpoint, "key") == Claim("key", 0)


PLACE, PID, START, _ = new_owner().rsplit("/", 3)
OWNERS = {
    "this process": (f"{PLACE}/{PID}/{START}/x", False),
    "a former one of the same number": (f"{PLACE}/{PID}/1/x", True),
    "one that has ended": (f"{PLACE}/{2**22 + 1}/{START}/x", True),
    "one of another machine": (f"elsewhere/pid:[1]/{2**22 + 1}/{START}/x", False),
    "one of where nobody tells": (f"//{2**22 + 1}//x", False),
}


@needs_proc
@pytest.mark.parametrize(("owner", "expected"), OWNERS.values(), ids=OWNERS.keys())
def test_who_has_surely_ended(owner, expected):
    assert gone(owner) is expected


# ---- kills -----------------------------------------------------------------------------------------------------------


def writer(path, log, rows):
    return subprocess.Popen([sys.executable, checkpoint_writer.__file__, "all", path, log, str(rows), "2"])


def told(log):
    return log.read_text().splitlines() if log.exists() else []


def killed(process, log, lines):
    """Kill a process once the log has so many lines; whether it had not ended by itself."""
    deadline = time.monotonic() + PATIENCE
    while len(told(log)) < lines and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    return process.wait() == -signal.SIGKILL


def assert_paid_once(path, log, rows, kills):
    kept, paid = set(), Counter()
    for line in told(log):
        word, row = line.split()
        assert word != "paid" or row not in kept, f"{row} was paid for after it was kept"
        paid[row] += word == "paid"
        kept |= {row} if word == "kept" else set()
    assert sum(paid.values()) <= rows + kills * (checkpoint_writer.THREADS + 1)
    assert shown(path) == [(row, f"answer {row}") for row in range(rows)]
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM row WHERE owner IS NOT NULL").fetchall() == [(0,)]


def test_killed_again_and_again(path, tmp_path):
    log, rows, kills, dice = tmp_path / "log", 1_000, 0, random.Random(1)
    for _ in range(8):
        kills += killed(writer(path, log, rows), log, len(told(log)) + dice.randint(1, 300))
    assert kills >= 2
    assert writer(path, log, rows).wait(60) == 0
    assert_paid_once(path, log, rows, kills)


def test_three_processes_share_a_file(path, tmp_path):
    """Which none of them finds there; one is killed."""
    log, rows = tmp_path / "log", 600
    processes = [writer(path, log, rows) for _ in range(3)]
    kills = killed(processes[0], log, 300)
    assert [process.wait(60) for process in processes[1:]] == [0, 0]
    assert_paid_once(path, log, rows, kills)


# ---- threads and forks -----------------------------------------------------------------------------------------------


def test_many_threads(path):
    def ask_some(thread):
        for row in range(40):
            checkpoint.answer(ask(checkpoint, f"{thread}", row, index=100 * thread + row), answer(f"{thread} {row}"))

    with Checkpoint(path) as checkpoint, ThreadPoolExecutor(16) as pool:
        list(pool.map(ask_some, range(16)))
    assert shown(path) == [(100 * thread + row, f"{thread} {row}") for thread in range(16) for row in range(40)]


def test_an_answer_is_in_the_file_when_it_is_said_to_be(path):
    with Checkpoint(path) as checkpoint:
        checkpoint.answer(ask(checkpoint, "a"), answer("x"))
        assert shown(path) == [(0, "x")]


@contextlib.contextmanager
def locked(path):
    """While another process writes, so that all that is asked for waits."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")


def test_one_that_cannot_be_written_harms_no_other(path):
    """Of those that are written together."""
    with Checkpoint(path) as checkpoint, ThreadPoolExecutor(16) as pool:
        with locked(path):
            found = [pool.submit(ask, checkpoint, "a", row, index=2**70 if row == 7 else row) for row in range(16)]
            time.sleep(0.2)  # so that several wait, mostly; what comes of them is the same if none does
        errors = [type(future.exception(PATIENCE)) for future in found]
        assert errors == [OverflowError if row == 7 else type(None) for row in range(16)]
        assert ask(checkpoint, "b") == Claim("b", 0)


def test_what_is_answered_while_it_is_claimed(path):
    """By another process, between the look and the claim."""
    with Checkpoint(path) as checkpoint, ThreadPoolExecutor(1) as pool:
        checkpoint.release(ask(checkpoint, "a"))
        checkpoint.finish()
        with locked(path) as db:
            found = pool.submit(ask, checkpoint, "a")
            time.sleep(0.2)  # so that it has looked, mostly; it is the same if it has not
            db.execute("UPDATE row SET answer = ?", (to_text(response_data(answer("x"))),))
        assert found.result(PATIENCE) == Answered(answer("x"))


def test_a_file_that_breaks_is_told_of(path):
    with Checkpoint(path) as checkpoint:
        claim = ask(checkpoint, "a")
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE row")
        calls = (lambda: ask(checkpoint, "b"), lambda: checkpoint.answer(claim, answer("x")))
        for call in calls:
            with pytest.raises(OSError, match=r"^checkpoint: .*run\.db: no such table: row$"):
                call()


@needs_fork
def test_a_fork_has_to_open_it_itself(path):
    with Checkpoint(path) as checkpoint:
        claim = ask(checkpoint, "a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads beside a fork
            pid = os.fork()
        if pid == 0:
            found = 1
            with contextlib.suppress(BaseException):
                with contextlib.suppress(ConfigurationError):
                    ask(checkpoint, "a")
                    os._exit(2)
                checkpoint.close()
                with Checkpoint(path) as own:
                    found = 0 if isinstance(ask(own, "a"), Busy) and ask(own, "b") == Claim("b", 0) else 3
            os._exit(found)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        checkpoint.answer(claim, answer("x"))
        assert ask(checkpoint, "b") == Claim("b", 0)


PREPARED = """
import sys
from llmkit import Client
from llmkit.bulk.checkpoint import Checkpoint
from llmkit.testing import FakeServer
with FakeServer() as server, Checkpoint(sys.argv[1]) as checkpoint:
    response = server.client("openai").complete("Hi")
    claim = checkpoint.claim("a", 0, index=0, id=None, prompt="")
    before = set(sys.modules)
    checkpoint.answer(claim, response)
    print(*set(sys.modules) - before)
"""


def test_no_answer_waits_for_what_is_imported(path):
    """Prices take long to be imported; who is killed meanwhile would pay again."""
    code = [sys.executable, "-c", PREPARED, path]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""


def test_what_is_closed_is_closed(path):
    with Checkpoint(path) as checkpoint:
        claim = ask(checkpoint, "a")
    checkpoint.close()
    calls = {
        "claim": lambda: ask(checkpoint, "b"),
        "answer": lambda: checkpoint.answer(claim, answer("x")),
        "fail": lambda: checkpoint.fail(claim, RateLimitError("x")),
        "release": lambda: checkpoint.release(claim),
        "finish": checkpoint.finish,
    }
    for call in calls.values():
        with pytest.raises(ConfigurationError, match=r"run\.db: it is closed$"):
            call()


def test_who_waits_while_it_is_closed_hears_of_it(path):
    """Whether its answer was kept or not: no thread waits for ever."""

    def ask_on(checkpoint, thread):
        for row in itertools.count():
            try:
                ask(checkpoint, f"{thread}", row)
            except ConfigurationError as error:
                return str(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            checkpoint = Checkpoint(path)
            found = [pool.submit(ask_on, checkpoint, thread) for thread in range(8)]
            checkpoint.close()
            assert [future.result(PATIENCE) for future in found] == [f"checkpoint: {path}: it is closed"] * 8


def test_who_comes_when_nobody_writes_any_more_hears_of_it(path):
    """As between the end of the thread and what tells of it."""
    with Checkpoint(path) as checkpoint:
        checkpoint._jobs.put(None)
        checkpoint._thread.join(PATIENCE)
        with pytest.raises(ConfigurationError, match="it is closed$"):
            ask(checkpoint, "a")


def test_one_file_is_left(path):
    run(path, "ab")
    assert [found.name for found in path.parent.iterdir()] == ["run.db"]


# ---- the file --------------------------------------------------------------------------------------------------------


def other_database(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine(a)")
    return path


def newer(path):
    run(path, "a")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    return path


def hollow(path):
    run(path, "a")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE run")
    return path


def letter(path):
    path.write_text("Dear Sir or Madam, " * 100)
    return path


def folder(path):
    path.mkdir()
    return path


REFUSED = {
    "a folder": (folder, "unable to open database file"),
    "in no folder": (lambda path: path / "run.db", "unable to open database file"),
    "a letter": (letter, "file is not a database"),
    "another program's": (other_database, "it is a database of another program"),
    "a later version's": (newer, "this llmkit reads files up to version 1, got 2: a newer one wrote it"),
    "without its tables": (hollow, "no such table: run"),
    "where no log can be kept": (
        lambda _: ":memory:",
        (
            "SQLite can keep no write-ahead log there (journal_mode is memory): "
            "take a file on a disk of this machine"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_place_for_it_is_refused(path, make, message):
    found = make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigurationError) as caught:
        Checkpoint(found)
    assert str(caught.value) == f"checkpoint: {found}: {message}"
    assert (path.read_bytes() if path.is_file() else None) == before, "not a byte of it is changed"
    assert not [thread for thread in threading.enumerate() if thread.name == "llmkit-checkpoint"]


@pytest.mark.parametrize("found", ["", b"run.db", None, 3])
def test_what_is_no_path_is_refused(found):
    with pytest.raises(ConfigurationError, match="^checkpoint: expected the path of a file, got "):
        Checkpoint(found)


@pytest.mark.parametrize("lease", [0, -1, float("nan"), "60", None, True])
def test_what_is_no_lease_is_refused(path, lease):
    with pytest.raises(ConfigurationError, match=r"^lease: expected a number from 0\.1 to 86400"):
        Checkpoint(path, lease=lease)
    assert not path.exists()


def test_an_empty_file_is_a_place_for_it(path):
    path.touch()
    assert run(path, "a")[0] == ["a"]


FULL = """
import resource, sys
from checkpoint_writer import answer
from llmkit.bulk.checkpoint import Checkpoint
with Checkpoint(sys.argv[1]) as checkpoint:
    checkpoint.answer(checkpoint.claim("a", 0, index=0, id=None, prompt=""), answer("x"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    claim = checkpoint.claim("b", 0, index=1, id=None, prompt="")
    try:
        checkpoint.answer(claim, answer("x" * 1_000_000))
    except OSError as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    checkpoint.answer(claim, answer("y"))
"""


def test_a_full_disk(path):
    """It is told of, as by a file of Python's own; what was kept before stays, and when there is room it goes on."""
    code = [sys.executable, "-c", FULL, path]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parent, check=True)
    assert done.stdout.startswith(f"OSError checkpoint: {path}: ")
    assert shown(path) == [(0, "x"), (1, "y")]


def test_no_key_is_in_the_file(path):
    """Not that of the client, nor one in a header, also where the host repeats it in an error."""
    key, token = "sk-test-0123456789abcdef", "token-0123456789abcdef"
    with FakeServer() as server, Checkpoint(path) as checkpoint:
        client = Client("anthropic", base_url=server.url, api_key=key, headers={"x-session-token": token})
        server.reply("Hi.")
        server.reply(AuthenticationError(f"no such key: {key}, {token}"))
        for index in range(2):
            asking = client._asking("Hi", None, {"model": f"m{index}"})
            claim = ask(checkpoint, key_of(asking), index=index, prompt=prompt_of(asking))
            try:
                checkpoint.answer(claim, asking.complete())
            except AuthenticationError as error:
                checkpoint.fail(claim, error)
    first, second = read(path)
    assert first.response.text == "Hi."
    assert isinstance(second.error, AuthenticationError)
    assert "no such key" in str(second.error)
    data = path.read_bytes()
    assert b"no such key" in data
    assert not [word for word in (key, token) if word.encode() in data]


# ---- reading ---------------------------------------------------------------------------------------------------------

TOLD = Response(
    "msg_1",
    "claude-x",
    "anthropic",
    AssistantMessage('Grüße, "you"\n😀'),
    FinishReason("stop", "end_turn"),
    Usage(10, 20),
    cost=Decimal("0.00120"),
)


@pytest.fixture
def told_path(path):
    with Checkpoint(path) as checkpoint:
        checkpoint.answer(ask(checkpoint, "a", index=1, id="ü", prompt="Say, please:\nHi"), TOLD)
        checkpoint.fail(ask(checkpoint, "b", index=0, prompt="half \ud800"), RateLimitError("too much", status=429))
        ask(checkpoint, "c", index=2)
    return path


def test_rows_are_results(told_path):
    first, second = bulk.read(told_path)
    assert (first.index, first.id, first.prompt, first.response) == (0, None, "half \ufffd", None)
    assert (type(first.error), first.error.status, str(first.error)) == (RateLimitError, 429, "too much")
    assert (second.index, second.id, second.prompt, second.error) == (1, "ü", "Say, please:\nHi", None)
    assert second.response == TOLD
    assert second.response.cost == TOLD.cost
    with pytest.raises(RateLimitError):
        first.unwrap()


def test_rows_can_be_read_twice(told_path):
    rows = read(str(told_path))
    assert repr(rows) == f"Rows({str(told_path)!r})"
    assert list(rows) == list(rows)


def test_lines_of_json(told_path, tmp_path):
    read(told_path).to_jsonl(tmp_path / "out.jsonl")
    first, second = (tmp_path / "out.jsonl").read_bytes().decode().splitlines()
    assert json.loads(first) == {
        **dict.fromkeys(json.loads(second)),
        "index": 0,
        "prompt": "half \ufffd",
        "error": "RateLimitError: too much",
    }
    assert json.loads(second) == {
        "index": 1,
        "id": "ü",
        "prompt": "Say, please:\nHi",
        "text": 'Grüße, "you"\n😀',
        "error": None,
        "model": "claude-x",
        "provider": "anthropic",
        "finish_reason": "stop",
        "input_tokens": 10,
        "output_tokens": 20,
        "cost": "0.00120",
    }


def test_a_table(told_path, tmp_path):
    read(told_path).to_csv(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert [*first] == [
        "index", "id", "prompt", "text", "error", "model", "provider", "finish_reason", "input_tokens",
        "output_tokens", "cost",
    ]  # fmt: skip
    assert first == {**dict.fromkeys(first, ""), "index": "0", "prompt": "half �", "error": "RateLimitError: too much"}
    assert second["text"] == 'Grüße, "you"\n😀'
    assert second["cost"] == "0.00120"


def test_a_table_of_halves(path, tmp_path):
    """What UTF-8 cannot hold does not keep the rest from being written."""
    with Checkpoint(path) as checkpoint:
        checkpoint.answer(ask(checkpoint, "a"), answer("half \ud800"))
    read(path).to_csv(tmp_path / "out.csv")
    read(path).to_jsonl(tmp_path / "out.jsonl")
    assert "half ?" in (tmp_path / "out.csv").read_text()
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == "half \ud800"


def test_rows_are_read_one_at_a_time(path):
    """Not more of them is in memory than one."""
    with Checkpoint(path) as checkpoint:
        for row in range(100):
            checkpoint.answer(ask(checkpoint, "a", row, index=row), answer("x" * 1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(result.response.text) for result in read(path)) == 100_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB


def test_a_loop_sees_what_was_there(path):
    run(path, "abc", fails="c")
    rows = iter(read(path))
    assert next(rows).response.text == "a 1"
    run(path, "xyc")
    second, third = rows
    assert second.response.text == "b 2"
    assert str(third.error) == "too much"
    assert shown(path) == [(0, "x 1"), (1, "y 2"), (2, "c 3")]


def test_a_loop_may_be_left(path):
    run(path, "ab")
    for _ in read(path):
        break
    gc.collect()
    assert [found.name for found in path.parent.iterdir()] == ["run.db"]


NOT_READ = {
    "nothing": (lambda path: path, "there is no such file"),
    "a folder": (folder, "there is no such file"),
    "an empty file": (lambda path: path.touch() or path, "there is nothing in it"),
    "a letter": (letter, "file is not a database"),
    "another program's": (other_database, "it is a database of another program"),
    "a later version's": (newer, "this llmkit reads files up to version 1, got 2: a newer one wrote it"),
}


@pytest.mark.parametrize(("make", "message"), NOT_READ.values(), ids=NOT_READ.keys())
def test_what_is_no_checkpoint_is_not_read(path, make, message):
    found = make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigurationError) as caught:
        read(found)
    assert str(caught.value) == f"checkpoint: {found}: {message}"
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_damaged_file(path):
    with Checkpoint(path) as checkpoint:
        for row in range(50):
            checkpoint.answer(ask(checkpoint, "a", row, index=row), answer("x" * 1_000))
    data = bytearray(path.read_bytes())
    data[30_000:60_000] = b"\xff" * 30_000
    path.write_bytes(data)
    with pytest.raises((OSError, ConfigurationError)):
        list(read(path))


def test_what_it_looks_like(path):
    with Checkpoint(path) as checkpoint:
        assert repr(checkpoint) == f"Checkpoint({str(path)!r})"


def test_a_file_that_several_make_at_once(tmp_path):
    """None sees it half made."""
    count, rounds = 6, 25
    together = threading.Barrier(count)
    failed = []

    def make():
        for number in range(rounds):
            together.wait(PATIENCE)
            try:
                Checkpoint(tmp_path / f"{number}.db").close()
            except ConfigurationError as error:
                failed.append(str(error))

    makers = [threading.Thread(target=make) for _ in range(count)]
    for thread in makers:
        thread.start()
    for thread in makers:
        thread.join(60)
    assert failed == []
