"""How the command ends: an exit code per kind of error, a line that says what happened and what to do, and the rest."""

import argparse
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from llmkit.cli.output import show, tell
from llmkit.errors import (
    APIError,
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    InvalidResponseError,
    LLMKitError,
    MissingAuthError,
    NotFoundError,
    OutputError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    ToolLoopError,
)

FAILED, WRONG, INTERRUPTED, UNREAD = 1, 2, 130, 141


class Kind(NamedTuple):
    """Errors that scripts tell apart.

    Attributes:
        code: The exit code.
        classes: Of the errors, with those below them.
        meaning: For people, in a few words.
    """

    code: int
    classes: tuple[type[LLMKitError], ...]
    meaning: str


KINDS: Final = (  # the first that fits
    Kind(WRONG, (ConfigurationError,), "something was wrong before anything was sent, as an argument, or no key"),
    Kind(3, (AuthenticationError, PermissionDeniedError, PaymentRequiredError), "the key or the account is refused"),
    Kind(5, (RateLimitError,), "too much was asked, or the quota is used up"),
    Kind(6, (ServerError,), "the provider failed, or is overloaded"),
    Kind(4, (APIError,), "the provider refuses what was asked"),
    Kind(8, (DeadlineError,), "it took too long"),
    Kind(7, (ConnectionFailedError,), "there was no connection, or it was lost"),
    Kind(9, (StreamError, InvalidResponseError), "the answer was cut off, or is none"),
    Kind(10, (OutputError,), "the answer does not fit the schema"),
    Kind(11, (ToolLoopError, BudgetExceededError), "a limit was reached: of rounds of tools, or of money"),
    Kind(FAILED, (LLMKitError,), "it failed in another way"),
)
_OTHERS: Final = (
    (0, "it worked"),
    (INTERRUPTED, "Ctrl-C"),
    (UNREAD, "nobody reads the output any more"),
)
_TO_DO: Final = {  # what errors, which say what to do in Python, do not say
    AuthenticationError: '"llmkit keys get {provider}" tells where the key is from',
    NotFoundError: '"llmkit models -p {provider}" shows which models there are',
    DeadlineError: "--timeout allows more",
}

_WORDS: Final = (  # of Python, and what there is in their place here
    ("does not fit output_type", "does not fit --schema"),
    (", or let output_retries do so", ""),
    ("raise max_tokens", "raise --max-tokens"),
    ("output_type: ", "schema: "),
    ("; pass media_type=", ""),
    ("; pass url= if the provider reads it", ""),
    (", or pass a Provider", "; `llmkit providers` lists all"),
    (
        "pass model=, to the call or to Client, or name it with the provider, as in Client('provider:model')",
        "name it, as in -p provider:model",
    ),
    (": response.refusal or response.raw may say why", ""),
    (": go on by client.chat(history=[*chat.messages, *error.messages]).send(), or allow more", ""),
)


def code_of(error: LLMKitError) -> int:
    """The exit code."""
    return next(kind.code for kind in KINDS if isinstance(error, kind.classes))


def line_of(error: LLMKitError) -> str:
    """What happened, and what to do."""
    said = str(error)
    if isinstance(error, MissingAuthError):
        said, _, _ = said.partition(", or pass api_key=")  # which nobody can here
        said = said.replace(", store one by", " or store one by")
        return f"{said}; to see llmkit without a key, run `llmkit demo`"
    for word, here in _WORDS:
        said = said.replace(word, here)
    if error.attempts and (to_do := _TO_DO.get(type(error))) is not None:
        return f"{said.rstrip('.')}; {to_do.format(provider=error.provider)}"
    return said if error.retry_after is None else f"{said.rstrip('.')}; wait {error.retry_after:.0f} s"


def report(error: LLMKitError, *, debug: bool) -> int:
    """Tell what happened; returns the exit code."""
    if debug:
        show("".join(traceback.format_exception(error)).rstrip())
    tell(line_of(error))
    return code_of(error)


def table() -> str:
    """The exit codes, for ``--help``."""
    rows = sorted([*((kind.code, kind.meaning) for kind in KINDS), *_OTHERS])
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in rows)


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Declare ``--debug`` for a command and for those below it, so that it may stand before or behind them."""
    text = "tell on standard error what is asked and answered, and where an error comes from; no key is shown"
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=text)
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to it
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            for below in action.choices.values():
                add_debug(below)


@contextmanager
def debugging(*, wanted: bool) -> Iterator[None]:
    """Meanwhile, if that is wanted, llmkit's log is shown on standard error."""
    if not wanted:
        yield
        return
    log, handler = logging.getLogger("llmkit"), _Shown()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


class _Shown(logging.Handler):
    """Shows each record with nothing that steers a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        show(f"llmkit: {record.getMessage()}")
