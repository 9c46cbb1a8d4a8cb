"""Instructions in place of seconds, which a busy machine does not change: counted by valgrind's callgrind.

What starting costs falls out: the same is done a few times and many times, and the difference is counted.

Usage: python -m benchmarks.instructions [--only whole,stream,build] [--wire WIRE]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

from benchmarks.answers import FORMATS
from benchmarks.contenders import CONTENDERS
from benchmarks.measuring import ROOT, Process

TIMES = {"whole": (5, 55), "stream": (200, 2200), "build": (1, 4)}
_REPEAT = "import sys; from benchmarks.instructions import repeat; repeat(*sys.argv[1:])"
_ENVIRONMENT = {**os.environ, "PYTHONHASHSEED": "0"}


def repeat(name: str, wire: str, what: str, url: str, times: str) -> None:
    """What is counted: `what` done so many times; of a stream one with so many deltas."""
    if what == "build":
        from benchmarks import building

        ready = (building.floor if name == "floor" else building.kit)(wire, image=False)
        for _ in range(int(times)):
            ready()()
    elif what == "stream":
        CONTENDERS[name](wire, f"{url}/text-{times}-1").stream()
    else:
        contender = CONTENDERS[name](wire, f"{url}/whole")
        for _ in range(int(times)):
            contender.whole()


def counted(*arguments: str) -> int:
    """The instructions of a process that repeats something."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", _REPEAT]
    done = subprocess.run(
        [*command, *arguments], check=True, cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(done.stderr)
    return int(found[1])


def main() -> None:
    """Print thousands of instructions of one call, delta or request, and the ratio to the floor's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--only", default=",".join(TIMES))
    parser.add_argument("--wire", default=",".join(FORMATS))
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("instructions are counted by valgrind, which is not installed")
    server = Process("benchmarks.server")
    url = f"http://127.0.0.1:{int(server.line())}"
    for what in given.only.split(","):
        few, many = TIMES[what]
        for wire in given.wire.split(","):
            each = {}
            for name in ("llmkit", "floor"):
                least, most = (counted(name, wire, what, url, str(times)) for times in (few, many))
                each[name] = (most - least) / (many - few) / 1000
            ratio = each["llmkit"] / each["floor"]
            numbers = "  ".join(f"{name} {thousands:9.1f}k" for name, thousands in each.items())
            print(f"{what:8}{wire:20}{numbers}  ×{ratio:.2f}", flush=True)
    server.close()


if __name__ == "__main__":
    main()
