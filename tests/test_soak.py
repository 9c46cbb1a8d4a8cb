"""`soak.py` itself: a few seconds of it, so that it works when it is wanted, and that it sees what is wrong."""

import gc
import socket
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import soak
from soak import Sample, Tally

SCRIPT = Path(soak.__file__)


def test_a_few_seconds():
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, "--seconds", "3", "--threads", "4"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong: 0" in done.stdout


def _report(capsys, *, wrong=(), foreign=(), unclosed=(), answered=1, memory=(50.0, 50.0), descriptors=10, threads=1):
    before, after = Sample(0, 40, 10, 1), Sample(9, 50, descriptors, threads)
    samples = [Sample(n, memory[n > 5], 20, 9) for n in range(10)]
    tallies = [Tally(Counter(answered=answered), [*wrong], [*foreign], 1, 1)]
    found = soak.report(tallies, [*unclosed], samples, before, after)
    assert f"wrong: {len(found)}" in capsys.readouterr().out
    return found


def test_what_is_wrong(capsys):
    assert _report(capsys) == []
    assert _report(capsys, wrong=["x"]) == ["x"]
    assert _report(capsys, foreign=["ValueError"]) == ["ValueError"]
    assert _report(capsys, unclosed=["unclosed socket"]) == ["unclosed socket"]
    assert _report(capsys, answered=0) == ["nothing was answered"]
    assert _report(capsys, memory=(50.0, 70.0)) == ["memory grew by 20.0 MiB"]
    assert _report(capsys, descriptors=12) == ["2 descriptors left"]
    assert _report(capsys, threads=2) == ["1 threads left"]


def test_what_the_collector_closes_is_seen():
    with warnings.catch_warnings():
        found = soak.collected()
        left = [socket.socket()]
        left.append(left)
        del left
        gc.collect()
    assert len(found) == 1
    assert "unclosed" in found[0]


def test_a_wrong_answer_is_seen(server):
    """A host that answers something else than it was asked."""
    server.reply_with(lambda request: "something else")
    tally = Tally()
    clients = {name: server.client(name, model="m-1") for name in soak.PROVIDERS}
    soak.ask(clients, tally, thread=0, seed=1, until=time.monotonic() + 0.3)
    assert tally.wrong
    assert not tally.foreign
