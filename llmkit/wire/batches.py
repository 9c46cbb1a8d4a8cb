"""What a wire knows of its hosts' batches. No I/O: what takes several calls is a generator of them.

Such a generator yields each `Call` and is sent the JSON that it was answered with, decoded.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any, Final, TypeAlias, TypeVar

from attrs import field, frozen

from llmkit.batch import Batch
from llmkit.json_codec import dump_bytes
from llmkit.wire.base import Call, Refuse

T = TypeVar("T")
Steps: TypeAlias = Generator[Call, Any, T]
UNANSWERED: Final = ("cancelled", "expired")
"""The codes of errors that only say that there was no time for a request."""


@frozen
class BatchItem:
    """One request of a batch that is to be created.

    Attributes:
        id: By which its result is told.
        model: Which model answers.
        call: As it would be sent by itself.
    """

    id: str
    model: str
    call: Call


@frozen
class BatchDraft:
    """A batch that is to be created.

    Attributes:
        items: Never empty; their ids differ.
        headers: Those of all items' calls together.
        metadata: Passed to the provider with the batch.
        extra_body: Merged into the batch's own body, last.
    """

    items: Sequence[BatchItem]
    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    extra_body: Mapping[str, Any] = field(factory=dict)


@frozen
class BatchRow:
    """What a provider tells of one request of a batch.

    Attributes:
        id: The request's; None where the provider does not tell it.
        body: The answer's JSON; None where there is none.
        status: Of HTTP, where it would be an error's; 200 where only the body tells.
        error: The error's body; None where there is an answer.
        request_id: The provider's id of the exchange.
    """

    id: str | None
    body: Any = None
    status: int = 200
    error: Any = None
    request_id: str | None = None


@frozen
class BatchFiles:
    """Where the results of a batch are.

    Attributes:
        files: Calls that are answered with JSON Lines.
        rows: What the batch holds itself.
        ordered: Whether rows that tell no id are those of the requests in their order.
        failure: The error's body where the whole batch failed, else None.
    """

    files: Sequence[Call] = ()
    rows: Sequence[Any] = ()
    ordered: bool = False
    failure: Any = None


@frozen
class BatchWire:
    """The batches of a wire.

    Attributes:
        create: Draft, what to call with what cannot be expressed → the batch.
        get: Id → the batch.
        listed: All batches, newest first.
        cancel: Id → the batch, which goes on running for a while.
        results: A batch that runs no more → where its results are.
        row: One of them, of a file or of the batch itself → what it says.
    """

    create: Callable[[BatchDraft, Refuse], Steps[Batch]]
    get: Callable[[str], Steps[Batch]]
    listed: Callable[[], Steps[list[Batch]]]
    cancel: Callable[[str], Steps[Batch]]
    results: Callable[[Batch], BatchFiles]
    row: Callable[[Any], BatchRow]


ROWS: Final = f"rows:{token_hex(16)}"
"""Stands in a body where requests belong that are JSON already; unknown to anyone who writes a prompt."""


def spliced(body: Mapping[str, Any], rows: Iterable[bytes]) -> bytes:
    """`body` as JSON, `ROWS` in it replaced by an array of `rows`."""
    before, mark, after = dump_bytes(body).partition(b'"%s"' % ROWS.encode())
    return b"".join((before, b"[", b",".join(rows), b"]", after)) if mark else before
