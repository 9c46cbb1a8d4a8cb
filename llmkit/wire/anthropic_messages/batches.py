"""Message Batches: one body with all requests, and a file of JSON Lines with all results.

Source: https://platform.claude.com/docs/en/api/messages/batches
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from llmkit.batch import Batch, BatchCounts, BatchStatus
from llmkit.json_codec import dump_bytes
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.batches import ROWS, BatchDraft, BatchFiles, BatchItem, BatchRow, BatchWire, Steps, spliced
from llmkit.wire.reading import count, expect, instant, object_or_empty, text_or

_PATH: Final = "/messages/batches"
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PAGE: Final = "1000"


def create(draft: BatchDraft, refuse: Refuse) -> Steps[Batch]:
    """All requests in one body.

    Raises:
        ConfigurationError: An id is none that this wire takes.
    """
    if draft.metadata:
        refuse("metadata", "batches of this wire have no place for it")
    body = spliced(merge_body({"requests": ROWS}, draft.extra_body), map(_item, draft.items))
    return _batch((yield Call(_PATH, body, draft.headers, once=True)))


def _item(item: BatchItem) -> bytes:
    need(
        _ID.fullmatch(item.id) is not None,
        "id",
        f"expected up to 64 letters, digits, '_' and '-' for a batch on this wire, got {item.id[:80]!r}",
    )
    return b'{"custom_id":%s,"params":%s}' % (dump_bytes(item.id), item.call.body)


def get(id_: str) -> Steps[Batch]:
    """The batch."""
    return _batch((yield Call(_path(id_))))


def listed() -> Steps[list[Batch]]:
    """All batches, page by page."""
    found: list[Batch] = []
    query: dict[str, str] | None = {"limit": _PAGE}
    while query is not None:
        page = expect((yield Call(_PATH, query=query)), dict, "$")
        items = expect(page.get("data"), list, "$.data")
        found += [_batch(item, f"$.data[{index}]") for index, item in enumerate(items)]
        more = page.get("has_more") is True and bool(items)
        query = {"limit": _PAGE, "after_id": text_or(page.get("last_id"), found[-1].id)} if more else None
    return found


def cancel(id_: str) -> Steps[Batch]:
    """The batch, which is being cancelled."""
    return _batch((yield Call(f"{_path(id_)}/cancel", b"")))


def results(batch: Batch) -> BatchFiles:
    """One file. Its address is made rather than read from `results_url`: no key goes to another host."""
    return BatchFiles([Call(f"{_path(batch.id)}/results")])


def row(value: Any) -> BatchRow:
    """One line of that file.

    Raises:
        InvalidResponseError: It is none; the error has the path.
    """
    found = expect(value, dict, "$")
    id_ = expect(found.get("custom_id"), str, "$.custom_id")
    result = expect(found.get("result"), dict, "$.result")
    match kind := expect(result.get("type"), str, "$.result.type"):
        case "succeeded":
            return BatchRow(id_, expect(result.get("message"), dict, "$.result.message"))
        case "errored":
            error = expect(result.get("error"), dict, "$.result.error")
            return BatchRow(id_, error=error, request_id=text_or(error.get("request_id"), None))
        case _:
            # No error of the API has these types, so that its class tells nothing of them.
            code, message = _UNANSWERED.get(kind, (kind, f"the batch tells of it as {kind!r:.60}"))
            return BatchRow(id_, error={"type": "error", "error": {"type": code, "message": message}})


_UNANSWERED: Final[Mapping[str, tuple[str, str]]] = {
    "canceled": ("cancelled", "the batch was cancelled before this request was answered"),
    "expired": ("expired", "the batch expired before this request was answered"),
}


def _path(id_: str) -> str:
    return f"{_PATH}/{quote(id_, safe='')}"


def _batch(body: Any, path: str = "$") -> Batch:
    found = expect(body, dict, path)
    told = object_or_empty(found.get("request_counts"))
    names = {name: count(told.get(key)) for key, name in _COUNTS.items()}
    counts = BatchCounts(sum(names.values()), **names)
    return Batch(
        id=expect(found.get("id"), str, f"{path}.id"),
        provider="",
        status=_status(expect(found.get("processing_status"), str, f"{path}.processing_status"), counts),
        counts=counts,
        created=instant(found.get("created_at")),
        expires=instant(found.get("expires_at")),
        raw=found,
    )


_COUNTS: Final[Mapping[str, str]] = {
    "processing": "running",
    "succeeded": "succeeded",
    "errored": "failed",
    "canceled": "cancelled",
    "expired": "expired",
}


def _status(told: str, counts: BatchCounts) -> BatchStatus:
    """The wire says only that a batch has ended; what it ended by, its requests say."""
    if told != "ended":
        return "running"
    return "cancelled" if counts.cancelled else "expired" if counts.expired else "ended"


BATCHES: Final = BatchWire(create, get, listed, cancel, results, row)
