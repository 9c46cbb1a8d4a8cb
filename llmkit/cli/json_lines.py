"""An answer as JSON lines on standard output: its events as they come, then the whole of it, or the error instead."""

import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from llmkit.errors import APIError, LLMKitError

if TYPE_CHECKING:
    from llmkit.response import Response
    from llmkit.stream import Stream


class JsonLines:
    """Each line is an object whose ``type`` says what it is."""

    def __init__(self) -> None:
        from llmkit.cli.sinks import print_utf8  # noqa: PLC0415 - with all of llmkit, which --help needs not

        print_utf8()
        self._out = sys.stdout

    def ask(self, begin: "Callable[[], Stream[Any]]") -> "Stream[Any]":
        """Ask, and print the events, to the end.

        Raises:
            LLMKitError: As `Client.stream`, or what ended the stream.
        """
        from llmkit.display.events import NAMES, data_of  # noqa: PLC0415 - likewise

        with begin() as stream:
            for event in stream:
                self._print(NAMES[type(event)], data_of(event))
        return stream

    def show_whole(self, response: "Response[Any]") -> None:
        """Nothing: `ended` prints all of it."""

    def paused(self) -> AbstractContextManager[object]:
        """The terminal is somebody else's meanwhile; nothing of it is used here."""
        return nullcontext()

    def ended(self, response: "Response[Any]", output: object) -> None:
        """Print the answer.

        Args:
            response: The answer.
            output: What it is by the schema; None where there is none.
        """
        reason, cost = response.finish_reason, response.cost
        usage = {name: getattr(response.usage, name) for name in _COUNTS}
        self._print(
            "response",
            {
                "id": response.id,
                "provider": response.provider,
                "model": response.model,
                "text": response.text,
                "refusal": response.refusal,
                "output": output,
                "finish_reason": reason.reason,
                "usage": usage,
                "cost": None if cost is None else str(cost),
                "request_id": response.request_id,
                "attempts": response.attempts,
            },
        )

    def failed(self, error: LLMKitError) -> None:
        """Print what went wrong."""
        about: dict[str, Any] = {"class": type(error).__name__, "message": str(error), "retryable": error.retryable}
        if isinstance(error, APIError):
            about |= {"status": error.status, "code": error.code}
        partial = None if error.partial is None else error.partial.text
        told = {"retry_after": error.retry_after, "request_id": error.request_id, "text": partial}
        self._print("error", {**about, **told})

    def _print(self, name: str, data: dict[str, Any]) -> None:
        print(_written({"type": name, **data}, None), file=self._out, flush=True)


# What would steer a terminal or end a line for some readers, and halves of surrogate pairs, which UTF-8 cannot hold.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def print_value(value: object) -> None:
    """Print a value as JSON: for people in a terminal, else in one line."""
    print(_written(value, 2 if sys.stdout.isatty() else None), flush=True)


def _written(value: object, indent: int | None) -> str:
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
