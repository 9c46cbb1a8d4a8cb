"""Many calls under faults for a long time: `make soak`. No wrong answer, nothing left behind, memory flat.

A provider on loopback, in a process of its own, spoils one answer in ten in a way chosen at random. Eight threads ask
it through four clients, one a wire, whole and streamed, read to the end, left early, closed and forgotten. Each answer
is compared with its question; what a call may raise is an `LLMKitError` and nothing else.

Usage: python tests/soak.py [--seconds 600] [--threads 8] [--seed 1]
"""

import argparse
import gc
import multiprocessing
import random
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from attrs import Factory, define, frozen

from llmkit import Client, LLMKitError, Response, Timeout
from llmkit.testing import FAULTS, FakeServer, RecordedRequest

PROVIDERS = ("anthropic", "openai-chat", "openai", "gemini")
SHARE = 0.1  # of the answers are spoilt
TIMEOUT = Timeout(connect=5, first=1, idle=1, total=30)
MODEL = "m-1"
WORDS = ("Zürich", "naïve", "東京", "🌍", "plain", "\u2028", "{}", "data:", "tail")
PER_SAMPLE = 40  # samples of a run
GROWTH_MOST = 8.0  # MiB of memory between the second fifth of a run and its last


@define
class Tally:
    """What happened; one a thread, so that nobody waits for a lock."""

    outcomes: Counter[str] = Factory(Counter)
    wrong: list[str] = Factory(list)
    foreign: list[str] = Factory(list)
    attempts: int = 0
    calls: int = 0


@frozen
class Sample:
    """What the process held at one moment.

    Attributes:
        seconds: Since the beginning.
        memory: Resident, in MiB.
        descriptors: Open files and sockets.
        threads: Alive.
    """

    seconds: float
    memory: float
    descriptors: int
    threads: int


def serve(pipe: Connection, seed: int) -> None:
    """The provider: echoes, and spoils."""
    chance, names = random.Random(seed), sorted(FAULTS)
    with FakeServer() as server:

        def answer(_: RecordedRequest) -> None:
            if chance.random() < SHARE:
                server.fault(chance.choice(names))
            if len(server.requests) > 1_000:
                server.requests.clear()

        server.reply_with(answer)
        pipe.send(server.url)
        pipe.recv()


def question(chance: random.Random, thread: int, number: int) -> str:
    """A prompt like no other of the run."""
    words = " ".join(chance.choices(WORDS, k=chance.randrange(1, 60)))
    return f"{thread}-{number} {words} {thread}-{number}"


def whole(client: Client, prompt: str) -> Response[None] | None:
    """All of it at once."""
    return client.complete(prompt)


def streamed(client: Client, prompt: str) -> Response[None] | None:
    """Event by event, to the end."""
    with client.stream(prompt) as stream:
        text = "".join(stream.text_deltas())
        response = stream.collect()
    if text != response.text:
        raise AssertionError(f"the deltas {text!r:.200} are not the text {response.text!r:.200}")
    return response


def left_early(client: Client, prompt: str) -> None:
    """Some of it, and then away."""
    with client.stream(prompt) as stream:
        next(stream)


def forgotten(client: Client, prompt: str) -> None:
    """Some of it, and never closed."""
    next(client.stream(prompt))


def closed_from_elsewhere(client: Client, prompt: str) -> Response[None] | None:
    """Closed by another thread while it is read; whole all the same where that was sooner."""
    stream = client.stream(prompt)
    closer = threading.Timer(random.random() / 500, stream.close)
    closer.start()
    try:
        return stream.collect()
    finally:
        closer.join()


WAYS = (whole, whole, streamed, streamed, streamed, left_early, forgotten, closed_from_elsewhere)


def ask(clients: dict[str, Client], tally: Tally, thread: int, seed: int, until: float) -> None:
    """Calls, one after the other, until the time is over."""
    chance = random.Random(f"{seed} {thread}")
    while time.monotonic() < until:
        tally.calls += 1
        prompt, client = question(chance, thread, tally.calls), clients[chance.choice(PROVIDERS)]
        way = chance.choice(WAYS)
        try:
            response = way(client, prompt)
        except LLMKitError as error:
            tally.outcomes[type(error).__name__] += 1
            tally.attempts += error.attempts
            partial = "" if error.partial is None else error.partial.text
            if not prompt.startswith(partial):
                tally.wrong.append(f"{way.__name__}: {prompt!r:.200} had the partial answer {partial!r:.200}")
        except Exception as error:  # noqa: BLE001 - what must not happen is counted, and ends the run as a failure
            tally.foreign.append(f"{way.__name__}: {type(error).__name__}: {error!s:.200}")
        else:
            tally.outcomes["answered" if response else "left"] += 1
            tally.attempts += response.attempts if response else 1
            if response and response.text != prompt:
                tally.wrong.append(f"{way.__name__}: {prompt!r:.200} was answered {response.text!r:.200}")


def sample(began: float) -> Sample:
    """Now; Linux only."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return Sample(time.monotonic() - began, pages * 4096 / 2**20, descriptors, threading.active_count())


def watch(seconds: float, began: float) -> Iterator[Sample]:
    """Samples, evenly over the run."""
    for number in range(1, PER_SAMPLE + 1):
        time.sleep(max(0.0, began + number * seconds / PER_SAMPLE - time.monotonic()))
        yield sample(began)


def run(url: str, seconds: float, threads: int, seed: int) -> list[str]:
    """The soak itself; prints what it found, and returns what is wrong with it."""
    unclosed = collected()
    before = sample(time.monotonic())
    began = time.monotonic()
    clients = {name: Client(name, api_key="sk-soak", base_url=url, model=MODEL, timeout=TIMEOUT) for name in PROVIDERS}
    tallies = [Tally() for _ in range(threads)]
    workers = [
        threading.Thread(target=ask, args=(clients, tally, number, seed, began + seconds))
        for number, tally in enumerate(tallies)
    ]
    for worker in workers:
        worker.start()
    samples = list(watch(seconds, began))
    for worker in workers:
        worker.join(60)
    for client in clients.values():
        client.close()
    del clients, client
    after = settled(began, before)
    return [
        *report(tallies, unclosed, samples, before, after),
        *(["a thread hangs"] if any(w.is_alive() for w in workers) else []),
    ]


def settled(began: float, before: Sample) -> Sample:
    """When all is closed; look-ups and such may take a moment to end."""
    for _ in range(50):
        found = sample(began)
        if found.descriptors <= before.descriptors and found.threads <= before.threads:
            break
        time.sleep(0.1)
    return found


def collected() -> list[str]:
    """From now on, what the collector had to close, as nobody else had: filled when it does."""
    found: list[str] = []
    warnings.simplefilter("always", ResourceWarning)
    # Called within a collection: it may do no more than this.
    warnings.showwarning = lambda message, *_: found.append(str(message))
    return found


def report(
    tallies: list[Tally], unclosed: list[str], samples: list[Sample], before: Sample, after: Sample
) -> list[str]:
    """Print the figures; what is wrong."""
    outcomes = sum((tally.outcomes for tally in tallies), Counter[str]())
    calls, attempts = sum(tally.calls for tally in tallies), sum(tally.attempts for tally in tallies)
    fifth = max(1, len(samples) // 5)
    early, late = (median(one.memory for one in part) for part in (samples[fifth : 2 * fifth], samples[-fifth:]))
    print(f"calls {calls:,}, requests {attempts:,}, in {samples[-1].seconds:.0f} s")
    for name, count in outcomes.most_common():
        print(f"  {name:24} {count:>9,}")
    print(f"memory {early:.1f} MiB in the second fifth, {late:.1f} in the last")
    for name in ("descriptors", "threads"):
        most = max(getattr(one, name) for one in samples)
        print(f"{name} {getattr(before, name)} before, {most} at most, {getattr(after, name)} after")
    wrong: list[Any] = [*(line for tally in tallies for line in (*tally.wrong, *tally.foreign))]
    print(f"closed by the collector: {len(unclosed)}")
    wrong += unclosed
    wrong += [f"{after.descriptors - before.descriptors} descriptors left"] * (after.descriptors > before.descriptors)
    wrong += [f"{after.threads - before.threads} threads left"] * (after.threads > before.threads)
    wrong += [f"memory grew by {late - early:.1f} MiB"] * (late - early > GROWTH_MOST)
    wrong += ["nothing was answered"] * (not outcomes["answered"])
    print(f"wrong: {len(wrong)}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs, options.seed))
    server.start()
    try:
        wrong = run(ours.recv(), options.seconds, options.threads, options.seed)
    finally:
        ours.send(None)
        server.join(30)
        server.terminate()
    for line in wrong[:20]:
        print("WRONG", line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
