"""A batch, as a value: many requests that a provider answers when it has time, for less."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

BatchStatus: TypeAlias = Literal["running", "ended", "failed", "cancelled", "expired"]


@frozen
class BatchCounts:
    """How many requests of a batch are how far; a provider that does not tell leaves the counts 0.

    Attributes:
        total: All of them.
        running: Those without an answer so far.
        succeeded: Those that were answered.
        failed: Those that were refused or went wrong.
        cancelled: Those that `cancel` came before.
        expired: Those that the time did not suffice for.
    """

    total: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0


@frozen
class Batch:
    """How a batch is; `client.batches` tells it anew.

    Attributes:
        id: The provider's id, by which any process can ask for it.
        provider: The name of the provider's row.
        status: ``running`` until no more answers will come; then ``ended``, or ``cancelled`` or ``expired`` where some
            requests were left without an answer by that. ``failed``: the provider took none of it.
        counts: How far its requests are.
        created: When it was created.
        expires: When the provider gives up on what is not answered, or did.
        raw: The provider's own object.
    """

    id: str
    provider: str
    status: BatchStatus
    counts: BatchCounts = BatchCounts()
    created: datetime | None = None
    expires: datetime | None = None
    raw: dict[str, Any] = field(factory=dict, eq=False, repr=False)
