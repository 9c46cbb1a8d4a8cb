"""The benchmarks run: each contender that is installed reads what the server says. The numbers are for `make bench`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def bench(*arguments):
    command = [sys.executable, "-m", "benchmarks", "--quick", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_quick_run():
    """Of one wire; imports, which take long, apart."""
    groups = ("whole", "stream", "first", "threads", "run", "build", "memory")
    lines = bench("--wire", "anthropic-messages", "--only", ",".join(groups))
    assert next(line for line in lines if "anthropic-messages" in line).startswith("whole call")
    for name in ("delta of a stream", "call's arguments", "first delta", "16 threads", "a run of", "5 MB", "deltas "):
        assert any(name in line for line in lines), name


def test_fresh_processes():
    assert any(line.startswith("import ") for line in bench("--only", "import", "--wire", "none"))
