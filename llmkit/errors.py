"""Everything that can go wrong, as one tree.

::

    LLMKitError
    ├── ConfigurationError            wrong arguments, before anything is sent
    │   ├── MissingAuthError
    │   ├── UnknownProviderError
    │   ├── UnsupportedOptionError
    │   └── MediaError
    ├── APIError                      the provider said no
    │   ├── BadRequestError           400
    │   ├── AuthenticationError       401
    │   ├── PaymentRequiredError      402
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── RequestTooLargeError      413
    │   ├── UnprocessableEntityError  422
    │   ├── RateLimitError            429
    │   │   └── QuotaExceededError    429, and waiting will not help
    │   └── ServerError               500 and above
    │       └── OverloadedError       503, 529
    ├── ConnectionFailedError         nothing usable came back
    │   └── DeadlineError             one of the four time limits passed
    ├── StreamError
    │   ├── IncompleteStreamError     it ended before the wire's terminal signal
    │   └── StreamClosedError         the caller closed it
    ├── InvalidResponseError          not what the wire promises
    ├── OutputError                   the answer does not fit `output_type`
    ├── ToolLoopError                 more rounds than `max_rounds`
    └── BudgetExceededError           more money than `max_cost`

An error carries data as attributes, pickles, and never contains a key.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from llmkit.messages import Message
    from llmkit.response import Response

DeadlineName = Literal["connect", "first", "idle", "total"]
CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
BODY_SHOWN = 1024  # bytes, in UTF-8, of a body that an InvalidResponseError shows


def _remake(cls: type["LLMKitError"], args: tuple[object, ...], state: dict[str, Any]) -> "LLMKitError":
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class LLMKitError(Exception):
    """The root of the tree.

    Attributes:
        retryable: Whether the same request, sent again by the caller after
            llmkit's own retries, could work.
        retry_after: Seconds that the provider asked to wait; finite and positive, else None.
        provider: The name of the provider's row.
        model: The model that was asked for.
        attempts: How often the request was sent; 0 where it never was.
        request_id: The provider's id of the exchange, for its support.
        partial: What had been received of the answer.
        messages: The prompt and the completed rounds of a chat that failed.
    """

    retryable: bool = False
    retry_after: float | None = None
    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    request_id: str | None = None
    partial: "Response[Any] | None" = None
    messages: "Sequence[Message]" = ()
    _unsent = False  # it kept a try from being sent, which is not counted then

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        for name, value in details.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword fields do not pickle by themselves: see CPython's BaseException.__reduce__.
        return _remake, (type(self), self.args, self.__dict__)

    def with_details(self, **details: Any) -> Self:
        """This error, with `details` set where it has none of its own; returned for `raise`."""
        for name, value in details.items():
            if name not in self.__dict__:
                setattr(self, name, value)
        return self


class ConfigurationError(LLMKitError, ValueError):
    """An argument is wrong; raised before anything is sent.

    A `ValueError` too, as the standard library's own checks of arguments are.
    """

    _unsent = True


class MissingAuthError(ConfigurationError):
    """There is no API key; the message names the variable that was looked for."""


class UnknownProviderError(ConfigurationError):
    """No row has this name; the message lists near ones."""


class UnsupportedOptionError(ConfigurationError):
    """The wire cannot express an option, a part or a tool.

    Attributes:
        path: Where it stands, as in ``seed`` or ``prompt[0].content[1]``.
    """

    path: str = ""


class MediaError(ConfigurationError):
    """A picture, sound, film or document cannot be read, or its type is unknown or another than declared."""


class APIError(LLMKitError):
    """The provider answered with an error.

    Attributes:
        status: The HTTP status; of an error inside a 200 or a stream the one it stands for, else 200.
        code: `context_length_exceeded` where recognised; else the body's code, its type, or None.
        headers: Of the answer, case-insensitive.
        body: The JSON body, or its text (cut to 64 KiB) where it is none.
    """

    status: int = 0
    code: str | None = None
    headers: Mapping[str, str] = {}
    body: Any = None


class BadRequestError(APIError):
    """400: the request is wrong. `code` is ``context_length_exceeded`` where it was too long."""


class AuthenticationError(APIError):
    """401: the key is wrong, revoked or of another account."""


class PaymentRequiredError(APIError):
    """402: the account cannot pay."""


class PermissionDeniedError(APIError):
    """403: the key may not do this."""


class NotFoundError(APIError):
    """404: no such model, file or address."""


class ConflictError(APIError):
    """409: it clashes with another request; it is retried."""


class RequestTooLargeError(APIError):
    """413: the body is too large."""


class UnprocessableEntityError(APIError):
    """422: understood, and refused."""


class RateLimitError(APIError):
    """429: too many requests or tokens; `retry_after` says how long to wait, where the provider told."""


class QuotaExceededError(RateLimitError):
    """429 that waiting will not mend: the account's quota or credit is used up."""


class ServerError(APIError):
    """500 and above: the provider failed."""


class OverloadedError(ServerError):
    """503 or 529: the provider has too much to do at present."""


class ConnectionFailedError(LLMKitError):
    """Nothing usable came back: no connection, or it was lost before the answer was whole."""

    retryable = True


class DeadlineError(ConnectionFailedError, TimeoutError):
    """A time limit passed.

    Attributes:
        which: ``connect``, ``first``, ``idle`` or ``total``: see `llmkit.Timeout`.
        seconds: The limit.
    """

    which: DeadlineName = "total"
    seconds: float = 0.0


class StreamError(LLMKitError):
    """The root of what happens to streams; also from `Client.complete`, which streams long answers internally."""


class IncompleteStreamError(StreamError):
    """The answer ended, or the connection was lost, before the wire's terminal signal.

    Attributes:
        partial: What had been received; always there on what a call raises.
    """

    retryable = True
    partial: "Response[Any]"


class StreamClosedError(StreamError):
    """The caller closed the stream."""


class InvalidResponseError(LLMKitError):
    """What came is not what the wire promises.

    Attributes:
        path: Where it differs, as in ``$.content[0].text``.
        body: What came, cut to 1 KiB.
    """

    path: str = "$"

    @property
    def body(self) -> str:
        """What came; cut here, as only the text without keys is what is shown, and between two letters."""
        text: str = self.__dict__.get("body", "")
        if len(text) <= BODY_SHOWN // 4:  # the most bytes of a letter
            return text
        data = text.encode("utf-8", "surrogatepass")
        end = min(BODY_SHOWN, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # noqa: PLR2004 - within a letter
            end -= 1
        return data[:end].decode("utf-8", "surrogatepass")

    @body.setter
    def body(self, text: str) -> None:
        self.__dict__["body"] = text


class OutputError(LLMKitError):
    """The whole answer does not fit `output_type`, was cut, refused or filtered.

    Attributes:
        path: Where it does not fit, as in ``$.steps[0]``.
        text: The answer's text.
        response: The answer, which was paid for, with its usage and finish reason.
    """

    path: str = "$"
    text: str = ""
    response: "Response[Any]" = None  # type: ignore[assignment]  # always there on what a call raises


class ToolLoopError(LLMKitError):
    """A chat made `max_rounds` model calls, and the last one asked for tools again; `messages` has all of them."""


class BudgetExceededError(LLMKitError):
    """A run of `Client.map` cost as much as its `max_cost`."""


class UnsupportedWarning(UserWarning):
    """With ``unsupported="warn"``: what the wire cannot express was left out; the text begins with its path."""


class InsecureWarning(UserWarning):
    """With ``verify=False``: whoever is on the way can read and change what is sent, the key included."""


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}


def status_error(status: int) -> type[APIError]:
    """The class to raise for an HTTP `status`."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIError)  # noqa: PLR2004


def status_retryable(status: int) -> bool:
    """Whether another try can mend an HTTP `status`, as the providers' own clients have it."""
    return status in (408, 409, 429) or status >= 500  # noqa: PLR2004
