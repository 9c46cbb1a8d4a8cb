"""``llmkit map``: every row of a file asked, and what came of each written as it comes."""

import argparse
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sized
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from llmkit.cli.options import add_how, add_who, client_of, options_of
from llmkit.cli.output import Answer, Count, show, tell
from llmkit.errors import ConfigurationError, LLMKitError

if TYPE_CHECKING:
    from llmkit.bulk.result import Result
    from llmkit.bulk.summaries import Summary
    from llmkit.cli.sinks import File
    from llmkit.cli.sources import Prompts, Record
    from llmkit.client import Client

STANDARD: Final = "-"
_FORMATS: Final = ("jsonl", "csv", "txt")
_DESCRIPTION: Final = """\
Ask a model every row of a file, some at a time, and write what came of each
as soon as it is there. Rows are objects or texts of JSON Lines, lines of a CSV
whose first line names the columns, or lines of text. A column named id goes
into the output as the row's name."""
_EXAMPLES: Final = """\
The output has a JSON object per row: index, id, row (its columns), text, error
(class and message, or null), model, tokens and cost; or, where its name ends
in .csv, the columns of the input, text and error.

With --checkpoint answers are kept in a file, and the same command goes on where
it was stopped or killed: what is answered is not asked again, what failed is,
and the output has all rows, each once.

Exit codes: 0 all rows were answered, 1 some were not, 2 something was wrong
before anything was sent or in the input; the others as "llmkit --help" has them.

examples:
  llmkit map questions.txt
  llmkit map articles.jsonl -t "Summarise: {text}" -o out.jsonl
  llmkit map articles.csv -t "Translate into {language}: {text}" -o out.csv -c 16
  llmkit map articles.jsonl -o out.jsonl --checkpoint run.db --max-cost 5
  cat questions.txt | llmkit map - --rpm 50 --tpm 100000 --unordered"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the arguments."""
    parser = commands.add_parser(
        "map",
        allow_abbrev=False,
        help="ask a model every row of a file",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    add_ = parser.add_argument
    add_("source", metavar="FILE", help="the rows: .jsonl, .csv or .txt; - for standard input")
    add_("-t", "--template", help='what a row asks, as in "Summarise: {text}" (default: its column prompt or text)')
    add_("-o", "--output", default=STANDARD, metavar="FILE", help=".jsonl or .csv (default: JSON Lines are printed)")
    add_("--format", choices=_FORMATS, help="what FILE is (default: as its name ends)")
    add_("--force", action="store_true", help="overwrite the output")
    add_("--checkpoint", metavar="FILE", help="keep answers in it, and go on from there")
    add_who(parser)
    add_how(parser)
    add_("-c", "--concurrency", type=int, default=8, metavar="N", help="how many are asked at once (default: 8)")
    add_("--rpm", type=int, metavar="N", help="requests a minute, at most")
    add_("--tpm", type=int, metavar="N", help="tokens a minute, at most")
    add_("--max-cost", metavar="DOLLARS", help="stop when so many US dollars are spent")
    add_("--unordered", action="store_true", help="write rows as they are answered")
    add_("--errors", choices=("keep", "stop"), default="keep", help="what a row that fails does (default: keep)")
    add_("--no-progress", action="store_true", help="show no bar")


def run(arguments: argparse.Namespace) -> int:
    """Ask every row.

    Raises:
        ConfigurationError: An argument, or the input, is wrong.
        LLMKitError: What ended the run before its time.
        KeyboardInterrupt: Likewise.
    """
    from llmkit.bulk import summary  # noqa: PLC0415 - with all of llmkit, which --help needs not

    kind = _kind(arguments)
    prompts = _prompts(arguments, even=kind == "csv")
    writing = _Writing(arguments, prompts, kind)
    with _client(arguments) as client, _opened(arguments.output) as output, _patience(arguments):
        results = _results(client, prompts, arguments)
        try:
            told = summary(writing.each(results, output))
        except KeyboardInterrupt:  # between two of them
            writing.tell_stopped()
            raise
    return writing.ended(told)


# ---- before anything is sent -----------------------------------------------------------------------------------------


def _kind(arguments: argparse.Namespace) -> str:
    """How the output is written; refused where something would be lost.

    Raises:
        ConfigurationError: It is.
    """
    place = arguments.output
    if place == STANDARD:
        return "jsonl"
    path = Path(place)
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("jsonl", "csv"):
        raise ConfigurationError(f"output: {place} ends neither in .jsonl nor in .csv")
    if path.exists() and Path(arguments.source).exists() and path.samefile(arguments.source):
        raise ConfigurationError(f"output: {place} is the input")
    # What a run with the checkpoint wrote is written again by the next one; anything else may be all there is of it.
    resumed = arguments.checkpoint is not None and Path(arguments.checkpoint).exists()
    if path.is_file() and path.stat().st_size and not arguments.force and not resumed:
        raise ConfigurationError(f"output: {place} exists: pass --force to overwrite it")
    return kind


def _prompts(arguments: argparse.Namespace, *, even: bool) -> "Prompts":
    from llmkit.cli.sources import Counted, Prompts, Template, only_column, source  # noqa: PLC0415 - with attrs

    rows = source(arguments.source, arguments.format)
    prompt = only_column if arguments.template is None else Template(arguments.template)
    return (Counted if rows.lasting else Prompts)(rows, prompt, even=even)


def _client(arguments: argparse.Namespace) -> "Client":
    if arguments.rpm is None and arguments.tpm is None:
        return client_of(arguments)
    from llmkit.limits import RateLimit  # noqa: PLC0415 - only here

    limit = RateLimit(requests_per_minute=arguments.rpm, tokens_per_minute=arguments.tpm)
    return client_of(arguments, rate_limit=limit)


def _results(
    client: "Client", prompts: "Prompts", arguments: argparse.Namespace
) -> "Generator[Result[Any], None, None]":
    return client.map(
        prompts,
        concurrency=arguments.concurrency,
        ordered=not arguments.unordered,
        progress=_shown(arguments) and _has_bar(),
        checkpoint=arguments.checkpoint,
        max_cost=arguments.max_cost,
        **options_of(arguments),
    )


def _opened(place: str) -> "Answer | File":
    from llmkit.cli.sinks import File, print_utf8  # noqa: PLC0415 - with all of llmkit

    if place == STANDARD:
        print_utf8()
        return Answer(sys.stdout)
    try:
        return File(place)
    except OSError as error:
        raise ConfigurationError(f"output: {place}: {error.strerror or error}") from error


def _shown(arguments: argparse.Namespace) -> bool:
    """Whether it is shown how far the run is: to people, and not among the lines that they read."""
    printed = arguments.output == STANDARD and sys.stdout.isatty()
    return sys.stderr.isatty() and not printed and not arguments.no_progress


def _has_bar() -> bool:
    return find_spec("tqdm") is not None


# ---- while it runs ---------------------------------------------------------------------------------------------------


class _Writing:
    """What is written, and how the run ends."""

    def __init__(self, arguments: argparse.Namespace, prompts: "Prompts", kind: str) -> None:
        from llmkit.cli.sinks import JsonLines, Table  # noqa: PLC0415 - with all of llmkit

        self._arguments = arguments
        self._prompts = prompts
        self._line: Callable[[Result[Any], Record], str] = Table() if kind == "csv" else JsonLines()
        self._count = Count(len(prompts) if isinstance(prompts, Sized) else None)
        self._counts = _shown(arguments) and not _has_bar()
        self._written = 0
        self._failed = ""  # the first row that did, and why
        self._odd: Counter[str] = Counter()  # the reasons for which answers ended before they were whole
        self._stopped: KeyboardInterrupt | LLMKitError | None = None

    def each(self, results: "Generator[Result[Any], None, None]", output: "Answer | File") -> "Iterator[Result[Any]]":
        """The results, each when it is written; until the run ends, whatever ends it."""
        try:
            with contextlib.closing(results), contextlib.closing(self._count):
                for result in results:
                    self._write(result, output)
                    yield result
                    if self._failed and self._arguments.errors == "stop":
                        return
                output.write("")  # where there was no row: nothing of a former run is left
        except (KeyboardInterrupt, LLMKitError) as error:
            self._stopped = error

    def ended(self, told: "Summary") -> int:
        """Tell what came of all; the exit code.

        Raises:
            LLMKitError: What ended the run before its time.
            KeyboardInterrupt: Likewise.
        """
        if self._written or self._stopped is None:
            show(str(told))
        if self._failed:
            tell(f"{told.failed:,} of {told.rows:,} rows failed{self._again()}; the first: {self._failed}")
        if self._odd:
            tell(f"not all answers are whole: {', '.join(f'{n:,} {reason}' for reason, n in self._odd.items())}")
        if self._stopped is None:
            return int(told.failed > 0)
        if self._written or isinstance(self._stopped, KeyboardInterrupt):
            self.tell_stopped()
        raise self._stopped

    def tell_stopped(self) -> None:
        """Say how to go on."""
        kept = self._arguments.checkpoint
        how = "the same command goes on from there" if kept else "with --checkpoint FILE, a run can be gone on with"
        tell(f"stopped after {self._written:,} rows; {how}")

    def _again(self) -> str:
        return " (the same command asks them again)" if self._arguments.checkpoint else ""

    def _write(self, result: "Result[Any]", output: "Answer | File") -> None:
        record = self._prompts.take(result.index)
        output.write(self._line(result, record))
        self._written += 1
        if self._counts:
            self._count.add()
        if result.response is not None and (reason := result.response.finish_reason.reason) != "stop":
            self._odd[reason] += 1
        if result.error is not None and not self._failed:
            self._failed = f"line {record.line}: {type(result.error).__name__}: {result.error}"


@contextlib.contextmanager
def _patience(arguments: argparse.Namespace) -> Iterator[None]:
    """Where answers are kept, a run that is stopped waits for those under way: say so when Ctrl-C comes."""

    def interrupted(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(OSError):
            # Not `print`: this may have come amid one.
            os.write(2, b"\nllmkit: waiting for what is being asked, to keep it; Ctrl-C again to leave at once\n")
        raise KeyboardInterrupt

    if arguments.checkpoint is None or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
