"""What is measured, how often, and what it may cost."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.answers import FORMATS
from benchmarks.contenders import PROVIDERS, VENDORS

STACK = "import requests, attrs, cattrs, tenacity"
IMPORTS = {"anthropic": "import anthropic", "openai": "import openai", "google-genai": "from google import genai"}
CLIENTS = {
    "anthropic": "anthropic.Anthropic(api_key='k')",
    "openai": "openai.OpenAI(api_key='k')",
    "google-genai": "genai.Client(api_key='k')",
}


class Bound(NamedTuple):
    """What may be asked of the numbers.

    Attributes:
        most: Of llmkit as a multiple of the floor.
        vendor: How many times as much a vendor's client must cost.
    """

    most: float | None = None
    vendor: float | None = None


class Case(NamedTuple):
    """One row of the table.

    Attributes:
        group: What `--only` selects.
        name: What is measured.
        wire: Of which format; "" where it makes no difference.
        sample: What a worker is told, or the code that is run in fresh processes, URL for the server's. ``mode`` is
            a step of the server's path, filled from the rest.
        contenders: Who is measured.
        rounds: How often; those of the vendors are fewer.
        unit: Of what is shown.
        bound: What may be asked.
    """

    group: str
    name: str
    wire: str
    sample: dict[str, Any]
    contenders: tuple[str, ...]
    rounds: int
    unit: str
    bound: Bound = Bound()


class Sizes(NamedTuple):
    """How much is done; `growth` are few and many of the same."""

    rounds: int
    calls: int
    deltas: int
    many_deltas: int
    builds: int
    growth: tuple[int, int]


FULL = Sizes(rounds=11, calls=100, deltas=20_000, many_deltas=200_000, builds=20, growth=(1_000, 1_000_000))
QUICK = Sizes(rounds=1, calls=3, deltas=200, many_deltas=2_000, builds=1, growth=(10, 100))
THREADS = 16
AT_ONCE = 50


def cases(sizes: Sizes) -> Iterator[Case]:
    """All of them, in the order of the table."""
    yield from _imports(sizes)
    for wire in FORMATS:
        others = ("llmkit", VENDORS[wire])
        sample = {"what": "whole", "mode": "whole", "times": sizes.calls}
        yield Case("whole", "whole call", wire, sample, ("floor", *others), sizes.rounds, "µs", Bound(1.0, 2.0))
    yield from _streams(sizes)
    for wire in FORMATS:
        sample = {"what": "first", "mode": "first", "times": sizes.calls // 5 + 1}
        names = ("floor", "llmkit", VENDORS[wire])
        yield Case("first", "time to the first delta", wire, sample, names, sizes.rounds // 2 + 1, "ms")
    for wire in FORMATS:
        sample = {"what": "threads", "mode": "whole", "times": sizes.calls // 2 + 1, "threads": THREADS}
        names = ("floor", "llmkit", VENDORS[wire])
        yield Case("threads", f"call, {THREADS} threads", wire, sample, names, sizes.rounds, "µs", Bound(1 / 1.2))
    for wire in FORMATS:
        rows, latency = sizes.calls * 10, 100
        sample = {"what": "many", "mode": "slow-{latency}", "latency": latency, "rows": rows, "threads": AT_ONCE}
        name = f"a run of {rows:,} calls of {latency} ms, {AT_ONCE} at once"
        yield Case("run", name, wire, sample, ("floor", "llmkit"), min(sizes.rounds, 3), "ms", Bound(1.15))
    for image, most in ((False, 2.0), (True, 0.6)):
        name = f"build 200 messages, 10 tools{' and 5 MB' if image else ''}"
        for wire in FORMATS:
            sample = {"what": "build", "image": image, "times": sizes.builds}
            yield Case("build", name, wire, sample, ("floor", "llmkit"), sizes.rounds, "ms", Bound(most))
    yield from _growth(sizes)
    for wire in FORMATS:
        sample = {"what": "memory", "mode": f"text-{sizes.many_deltas}-16"}
        yield Case("memory", f"{sizes.many_deltas:,} deltas", wire, sample, ("llmkit",), 1, "MiB")


def _imports(sizes: Sizes) -> Iterator[Case]:
    code = {"floor": STACK, "llmkit": "import llmkit", **IMPORTS}
    yield Case("import", "import", "", code, (*code,), sizes.rounds, "ms", Bound(0.4))
    for wire, provider in PROVIDERS.items():
        vendor = VENDORS[wire]
        code = {
            "floor": STACK,
            "llmkit": f"import llmkit; llmkit.Client({provider!r}, api_key='k', model='m')",
            vendor: f"{IMPORTS[vendor]}; {CLIENTS[vendor]}",
        }
        yield Case("import", "import and first client", wire, code, (*code,), sizes.rounds, "ms", Bound(1.1))
    # What a client leaves to its first call to import.
    code = {
        "floor": f"{STACK}; requests.Session().post('URL/whole/v1/messages', data='{{}}').json()",
        "llmkit": "import llmkit; llmkit.Client('anthropic', api_key='k', base_url='URL/whole').complete('Hi')",
        "anthropic": "import anthropic; anthropic.Anthropic(api_key='k', base_url='URL/whole').messages.create("
        "model='m', max_tokens=9, messages=[{'role': 'user', 'content': 'Hi'}])",
    }
    wire = "anthropic-messages"
    yield Case("import", "import, first client and first call", wire, code, (*code,), sizes.rounds, "ms")


def _streams(sizes: Sizes) -> Iterator[Case]:
    for kind, name in (("text", "delta of a stream"), ("tool", "delta of a call's arguments")):
        for per in (1, 16):
            for wire in FORMATS:
                names = ("floor", "llmkit", "llmkit[fast]", VENDORS[wire])
                sample = {
                    "what": "stream",
                    "mode": f"{kind}-{{deltas}}-{per}",
                    "times": 1,
                    "deltas": sizes.deltas,
                }
                bound = Bound(1.1 if per == 1 else 1.0, 5.0 if per == 1 else None)
                yield Case("stream", f"{name}, {per} per chunk", wire, sample, names, sizes.rounds, "µs", bound)


def _growth(sizes: Sizes) -> Iterator[Case]:
    """What one costs of many, beside one of few, which stand where the floor does: the same, if cost grows as the work.

    The many are 1,000 times as many, of which a share that is enough to see what grows faster.
    """
    few, many = sizes.growth
    kinds = {
        "event of a stream": ("stream", "text-{deltas}-16", many),
        "piece of a call's arguments": ("stream", "tool-{deltas}-16", many),
        "KB of one event": ("event", "event-{deltas}", many // 1_000),
        "message that is built": ("messages", "", many // 100),
    }
    for name, (what, mode, most) in kinds.items():
        least = max(2, min(few, most // 100))
        for wire in FORMATS:
            sample = {"what": what, "mode": mode, "few": least, "deltas": most}
            row = f"{name}, of {most:,} beside of {least:,}"
            yield Case("growth", row, wire, sample, ("floor", "llmkit"), 1 if most == many else 3, "µs", Bound(1.5))
