"""What a browser is told: events in, server-sent events out. No I/O.

Only what a page has a use for is told: no signatures, no provider's own objects, and of an error its kind.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from attrs import asdict, frozen

from llmkit.display.events import NAMES, data_of
from llmkit.errors import (
    CONTEXT_LENGTH_EXCEEDED,
    APIError,
    AuthenticationError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    MediaError,
    MissingAuthError,
    NotFoundError,
    PaymentRequiredError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    StreamClosedError,
    ToolLoopError,
    UnsupportedOptionError,
)
from llmkit.events import Event
from llmkit.json_codec import dump_text, to_utf8

HEARTBEAT: Final = b":\n"
"""A comment, which browsers skip; it may stand between any two events."""


@frozen
class Problem:
    """What a browser is told of an error: nothing that the provider, the prompt or the settings hold.

    Attributes:
        type: The name of the error's class; ``Exception`` for all that is none of llmkit's.
        message: What happened, in a sentence for the page's user.
        code: `APIError.code` where it is ``context_length_exceeded``.
        retryable: Whether asking once more may help.
        retry_after: Seconds to wait before that, where the provider told.
    """

    type: str
    message: str
    code: str | None = None
    retryable: bool = False
    retry_after: float | None = None


@frozen
class End:
    """The last that is sent.

    Attributes:
        complete: Whether the answer was whole.
    """

    complete: bool


Sent: TypeAlias = Event | Problem | End

_LINE_ENDS: Final = re.compile("\r\n|\r|\n")
_ENDS_ELSEWHERE: Final = re.compile("[\x85\u2028\u2029]")  # to regular expressions of JavaScript, and to Python
_BUSY: Final = "The model has too much to do at present. Please try again in a moment."
_TOO_LONG: Final = "The conversation is too long for the model."
_SETUP: Final = "The model cannot be reached, as this site is not set up for it."
_SAID: Final[tuple[tuple[type[Exception], str], ...]] = (  # the first that fits
    (QuotaExceededError, "This site has used up what it may ask of the model."),
    (RateLimitError, _BUSY),
    (RequestTooLargeError, _TOO_LONG),
    (ServerError, _BUSY),
    (AuthenticationError, _SETUP),
    (PermissionDeniedError, _SETUP),
    (PaymentRequiredError, _SETUP),
    (NotFoundError, _SETUP),
    (APIError, "The model did not take the question."),
    (DeadlineError, "The model took too long. Please try again."),
    (ConnectionFailedError, "The connection to the model was lost. Please try again."),
    (IncompleteStreamError, "The answer was cut off. Please try again."),
    (InvalidResponseError, "The answer could not be read."),
    (StreamClosedError, "The answer was stopped."),
    (ToolLoopError, "The model used its tools too often without an answer."),
    (MissingAuthError, _SETUP),
    (MediaError, "A file cannot be read, or is of an unknown kind."),
    (UnsupportedOptionError, "This model cannot do what was asked."),
    (Exception, "Something went wrong."),
)


def problem(error: Exception) -> Problem:
    """What a browser is told of `error`."""
    if not isinstance(error, LLMKitError):
        return Problem("Exception", _said(error))
    if isinstance(error, APIError) and error.code == CONTEXT_LENGTH_EXCEEDED:
        return Problem(type(error).__name__, _TOO_LONG, error.code)
    return Problem(type(error).__name__, _said(error), None, error.retryable, error.retry_after)


def _said(error: Exception) -> str:
    return next(said for cls, said in _SAID if isinstance(error, cls))


def frame(name: str, data: str | Mapping[str, Any]) -> bytes:
    """One server-sent event.

    Args:
        name: Its type, which a page listens for; in one line, whatever it holds.
        data: Text, HTML for instance, of one or several lines; or an object, sent as JSON.
    """
    text = data if isinstance(data, str) else _ENDS_ELSEWHERE.sub(_escaped, dump_text(data, name))
    lines = "".join(f"data: {line}\n" for line in _LINE_ENDS.split(text))
    return to_utf8(f"event: {_LINE_ENDS.sub(' ', name)}\n{lines}\n")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def encode(event: Sent) -> bytes:
    """`event` as docs/django.md has it: named after its class, as in ``text_delta``, with its fields as JSON."""
    return frame(_NAMES[type(event)], _data(event))


_NAMES: Final[Mapping[type, str]] = {Problem: "error", End: "end", **NAMES}


def _data(event: Sent) -> dict[str, Any]:
    return asdict(event, recurse=False) if isinstance(event, (Problem, End)) else data_of(event)
