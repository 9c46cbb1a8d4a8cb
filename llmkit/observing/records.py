"""What observers are told: what is begun, and what came of it. All of it is without keys once `clean` has seen it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import field, frozen

from llmkit.messages import ToolCall
from llmkit.response import Response, Usage

if TYPE_CHECKING:
    from llmkit.provider import Provider
    from llmkit.request import ResolvedRequest
    from llmkit.tools import Tool


@frozen
class Operation:
    """A call of a client.

    Attributes:
        name: The method, as in ``complete``, ``stream``, ``embed`` or ``batches.create``.
        row: The host.
        address: Its base URL.
        model: Which one is asked; None where none is.
        request: What is asked, where that is a prompt.
        structured: Whether the answer is to be an object.
        clean: Takes text, or a value that holds texts; returns it without keys.
    """

    name: str
    row: "Provider"
    address: str
    model: str | None
    request: "ResolvedRequest | None" = field(repr=False)
    structured: bool
    clean: Callable[[Any], Any] = field(repr=False)


@frozen
class ToolRun:
    """A run of a function that the model calls.

    Attributes:
        call: What the model asks for.
        tool: What answers it.
        clean: As of an `Operation`.
    """

    call: ToolCall
    tool: "Tool[..., Any]"
    clean: Callable[[Any], Any] = field(repr=False)


Watched: TypeAlias = Operation | ToolRun


@frozen
class Outcome:
    """What came of it.

    Attributes:
        seconds: How long it took.
        first: Seconds to a stream's first event; None where none came.
        result: What the call returned; of a tool what the model is told, or the exception that it returned.
        partial: What had come of an answer that is not whole.
        error: What ended it; None where nothing went wrong.
        left: Whether the caller has ended it, who did not want the rest.
        attempts: How often the host was asked.
        request_id: The provider's id of the last exchange.
        ended: When, in nanoseconds since 1970.
    """

    seconds: float
    first: float | None
    result: object
    partial: Response[Any] | None
    error: BaseException | None
    left: bool
    attempts: int
    request_id: str | None
    ended: int

    @property
    def response(self) -> Response[Any] | None:
        """The answer as far as it is known, whole or not."""
        found = self.result if isinstance(self.result, Response) else getattr(self.error, "response", None)
        return found if isinstance(found, Response) else self.partial

    @property
    def usage(self) -> Usage | None:
        """What was billed, as far as the provider has told."""
        found = getattr(self.response or self.result, "usage", None)
        return found if isinstance(found, Usage) and (found.raw is not None or found.total_tokens) else None

    @property
    def whole(self) -> bool:
        """Whether that is all that was billed: not if the answer was cut off."""
        return self.response is None or self.response is not self.partial


class Watcher(Protocol):
    """One observer's eye on one call; for any thread."""

    def current(self) -> AbstractContextManager[object]:
        """Around what is done in its course, in this thread."""

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """That attempt has failed; there is another after so many seconds."""

    def ended(self, outcome: Outcome) -> None:
        """What came of it; told once, inside of `current`."""


class Observer(Protocol):
    """Wants to know of calls."""

    def begun(self, watched: Watched) -> Watcher | None:
        """One begins; None where it is of no interest."""
