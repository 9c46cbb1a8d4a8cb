"""Measure llmkit beside the floor of its stack and the vendors' clients, and print the table.

Usage: python -m benchmarks [--quick] [--only WORDS] [--wire WIRE] [--write]
"""

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from benchmarks.cases import FULL, QUICK, Case, cases
from benchmarks.measuring import ROOT, Bench
from benchmarks.report import Row, markdown, plain, rows

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->"
MEASURED = ("llmkit", "requests", "urllib3", "attrs", "orjson", "anthropic", "openai", "google-genai")


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(prog="make bench", description="What llmkit costs, beside others.")
    parser.add_argument("--quick", action="store_true", help="only see that all of it runs; the numbers say nothing")
    groups = "import, whole, stream, first, threads, run, build, growth, memory; several by commas"
    parser.add_argument("--only", default="", help=groups)
    parser.add_argument("--wire", default="", help="of one wire only")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    wanted = [word for word in given.only.split(",") if word]
    chosen = [
        case._replace(rounds=given.rounds or case.rounds)
        for case in cases(QUICK if given.quick else FULL)
        if (not wanted or case.group in wanted) and (given.wire in ("", case.wire) or not case.wire)
    ]
    found = measured(chosen)
    print(plain(found))
    print(described())
    if given.write:
        write(found)


def measured(chosen: list[Case]) -> list[Row]:
    """The rows of these cases."""
    found: list[Row] = []
    with Bench() as bench:
        for case in chosen:
            print(f"{case.name} {case.wire}", file=sys.stderr, flush=True)
            found += rows(case, bench.samples(case))
    return found


def described() -> str:
    """What it was measured with."""
    found = []
    for name in MEASURED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {', '.join(found)}"


def write(found: list[Row]) -> None:
    """Put the table where the page has its marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE.name} has no marks for the table")
    PAGE.write_text(f"{before}{BEGIN}{markdown(found)}\n\n{described()}.\n{mark}{after}")


if __name__ == "__main__":
    main()
