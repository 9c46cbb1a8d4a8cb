"""Processes that are measured, and the one that answers them; samples of all contenders of a case taken in turns."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from benchmarks.cases import Case

ROOT = Path(__file__).parent.parent
# A vendor's ratios are far from their bounds, and its samples take long: fewer, and of shorter streams.
VENDOR_ROUNDS = 5
VENDOR_SHARE = 0.1
OURS = ("floor", "llmkit", "llmkit[fast]")
_MODULES = {"llmkit[fast]": "orjson", "google-genai": "google.genai"}
# Code is compiled once, as pip does when it installs, and not each time that it is imported.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
# Without orjson, as it is without extras.
_FRESH = """
import sys, time
sys.modules["orjson"] = None
begun = time.process_time()
{}
print(time.process_time() - begun)
"""

Samples = dict[str, list[dict[str, float]]]  # of each contender


class Process:
    """A Python process of ours that answers lines with lines."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._name = " ".join(arguments)

    def ask(self, line: str) -> str:
        """The answer to a line."""
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()
        return self.line()

    def line(self) -> str:
        """Its next line."""
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self._name} has ended")
        return line

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class Bench:
    """Takes the samples of cases. A context manager, which ends its processes."""

    def __init__(self) -> None:
        self._server = Process("benchmarks.server")
        self._url = f"http://127.0.0.1:{int(self._server.line())}"
        self._workers: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, cls: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for process in (*self._workers.values(), self._server):
            process.close()

    def samples(self, case: Case) -> Samples:
        """What each contender that is installed took, in each round; in turns, each round beginning with another."""
        names = [name for name in case.contenders if find_spec_of(name)]
        found: Samples = {name: [] for name in names}
        for number in range(case.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                if number < VENDOR_ROUNDS or name in OURS:
                    found[name].append(self._sample(case, name))
        return found

    def _sample(self, case: Case, name: str) -> dict[str, float]:
        if case.group == "import":
            return fresh(case.sample[name].replace("URL", self._url))
        sample: dict[str, Any] = {**case.sample, "wire": case.wire}
        if case.group == "growth":
            return self._grown(sample, name)
        if "deltas" in sample:
            sample["deltas"] = int(sample["deltas"] * (1 if name in OURS else VENDOR_SHARE))
        sample["url"] = f"{self._url}/{sample.get('mode', '').format(**sample)}"
        if name not in self._workers:
            self._workers[name] = Process("benchmarks.worker", name)
        before = self._connections()
        took = cast("dict[str, float]", json.loads(self._workers[name].ask(json.dumps(sample))))
        return {**took, "connections": self._connections() - before}

    def _grown(self, sample: dict[str, Any], name: str) -> dict[str, float]:
        """What few take where the floor is asked for, else many; of llmkit both times."""
        few = sample.pop("few")
        sample["times"] = 1
        if name == "floor":
            sample["times"], sample["deltas"] = max(1, min(sample["deltas"] // few, 100)), few
        sample["url"] = f"{self._url}/{sample['mode'].format(**sample)}"
        if "llmkit" not in self._workers:
            self._workers["llmkit"] = Process("benchmarks.worker", "llmkit")
        return cast("dict[str, float]", json.loads(self._workers["llmkit"].ask(json.dumps(sample))))

    def _connections(self) -> int:
        return int(self._server.ask("connections"))


def fresh(code: str) -> dict[str, float]:
    """CPU seconds of `code` in a new process, without those of starting Python."""
    done = subprocess.run(
        [sys.executable, "-c", _FRESH.format(code)],
        check=True,
        cwd=ROOT,
        env=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    return {"cpu": float(done.stdout)}


def find_spec_of(contender: str) -> bool:
    """Whether what a contender is made of is installed."""
    return contender == "floor" or find_spec(_MODULES.get(contender, contender)) is not None
