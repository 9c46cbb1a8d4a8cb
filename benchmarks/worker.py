"""A process in which one contender is measured, so that what the others import and keep is not collected along.

Reads samples to take from its standard input, a JSON object a line; writes what they took.
"""

import gc
import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.contenders import CONTENDERS, QUESTION, Contender, Kit

TEXT = "house keeper rows"  # stands in each whole answer
_MIB = 1024 * 1024
_SAMPLED = 1000  # events between two looks at the memory


def _timed(run: Callable[[], object], times: int) -> dict[str, float]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        run()
    return {"cpu": (time.process_time() - cpu) / times, "wall": (time.perf_counter() - wall) / times}


def whole(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of one call."""
    assert TEXT in str(contender.whole())
    return _timed(contender.whole, sample["times"])


def stream(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of one delta."""
    read = 0

    def run() -> None:
        nonlocal read
        read = contender.stream()

    took = _timed(run, sample["times"])
    assert read >= sample["deltas"], f"{read} of {sample['deltas']} deltas"
    return {kind: seconds / sample["deltas"] for kind, seconds in took.items()}


def threads(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of one call where many threads share a client."""
    count, times = sample["threads"], sample["times"]
    start = threading.Barrier(count)
    read: list[object] = []

    def calls() -> None:
        start.wait()
        read.extend(contender.whole() for _ in range(times))

    def run() -> None:
        running = [threading.Thread(target=calls) for _ in range(count)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    took = _timed(run, 1)
    assert len(read) == count * times
    assert all(TEXT in str(answer) for answer in read)
    return {kind: seconds / (count * times) for kind, seconds in took.items()}


def first(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds by the clock from asking to the first delta."""
    took = []
    for _ in range(sample["times"]):
        begun = time.perf_counter()
        close = contender.first()
        took.append(time.perf_counter() - begun)
        close()
    return {"wall": median(took), "cpu": median(took)}


def build(name: str, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of building one request."""
    from benchmarks import building  # llmkit is imported for the body, also for the floor

    ready = (building.floor if name == "floor" else building.kit)(sample["wire"], image=sample["image"])
    took = [_timed(ready(), 1)["cpu"] for _ in range(sample["times"])]
    return {"cpu": median(took), "wall": median(took)}


def event(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of a KB where one event has all of them."""
    assert contender.stream() >= sample["deltas"] * 1000
    return {kind: took / sample["deltas"] for kind, took in _timed(contender.stream, sample["times"]).items()}


def messages(sample: dict[str, Any]) -> dict[str, float]:
    """Seconds of one message of a request."""
    from benchmarks import building

    built = building.kit(sample["wire"], image=False, messages=sample["deltas"])()
    built()
    return {kind: took / sample["deltas"] for kind, took in _timed(built, sample["times"]).items()}


def many(contender: Contender, sample: dict[str, Any]) -> dict[str, float]:
    """Seconds by the clock of a run of `Client.map`; of the floor, those that nobody is below."""
    rows, at_once = sample["rows"], sample["threads"]
    took = rows / at_once * sample["latency"] / 1000
    if isinstance(contender, Kit):
        contender.whole()
        begun = time.perf_counter()
        results = contender.client.map((QUESTION for _ in range(rows)), concurrency=at_once)
        assert sum(TEXT in result.unwrap().text for result in results) == rows
        took = time.perf_counter() - begun
    return {"wall": took, "cpu": took}


def memory(contender: Contender, _: dict[str, Any]) -> dict[str, float]:
    """MiB that a stream holds at most beyond its text, as its reader sees it from event to event; and at its peak."""
    assert isinstance(contender, Kit)
    contender.first()()
    gc.collect()
    tracemalloc.start()
    held = before = tracemalloc.get_traced_memory()[0]
    with contender.client.stream("Hi") as answer:
        for number, _event in enumerate(answer):
            if number % _SAMPLED == 0:
                held = max(held, tracemalloc.get_traced_memory()[0])
        response = answer.collect()
    held = max(held, tracemalloc.get_traced_memory()[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = len(response.text.encode())
    return {"held": (held - before - text) / _MIB, "peak": (peak - before - text) / _MIB, "text": text / _MIB}


SAMPLES = {
    "whole": whole,
    "many": many,
    "stream": stream,
    "threads": threads,
    "first": first,
    "event": event,
    "memory": memory,
}


def main() -> None:
    """Take samples until the standard input ends."""
    name = sys.argv[1]
    if name != "llmkit[fast]":
        blocked: dict[str, Any] = sys.modules
        blocked["orjson"] = None  # as if it were not installed
    made: dict[tuple[str, str], Contender] = {}
    for line in sys.stdin:
        sample = json.loads(line)
        if sample["what"] == "build":
            took = build(name, sample)
        elif sample["what"] == "messages":
            took = messages(sample)
        else:
            key = sample["wire"], sample["url"]
            if key not in made:
                made[key] = CONTENDERS[name](*key, threads=sample.get("threads", 1))
            took = SAMPLES[sample["what"]](made[key], sample)
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
