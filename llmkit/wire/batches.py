"""What a wire knows of its hosts' batches. No I/O: what takes several calls is a generator of them.

Such a generator yields each `Call` and is sent the JSON that it was answered with, decoded.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from attrs import field, frozen

from llmkit.batch import Batch
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
        failure: The error's body where the whole batch failed, else None.
    """

    files: Sequence[Call] = ()
    rows: Sequence[Any] = ()
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


def spliced(pieces: Sequence[bytes], fields: bytes) -> bytes:
    """The JSON of an object: the array of `pieces` under the key ``requests``, and what stands in `fields`."""
    rest = fields.strip()[1:]
    return b"".join((b'{"requests":[', b",".join(pieces), b"]", b"," if rest != b"}" else b"", rest))


def lines(pieces: Iterator[bytes]) -> bytes:
    """JSON Lines."""
    return b"".join(piece + b"\n" for piece in pieces)
