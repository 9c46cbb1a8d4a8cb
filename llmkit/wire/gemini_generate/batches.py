"""Batches of this wire: requests in one body, or in a file where they are too long for that.

Source: https://ai.google.dev/api/batch-api
"""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote

from llmkit.batch import Batch, BatchCounts, BatchStatus
from llmkit.json_codec import dump_bytes
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.batches import ROWS, BatchDraft, BatchFiles, BatchItem, BatchRow, BatchWire, Steps, spliced
from llmkit.wire.reading import expect, instant, object_or_empty, text_or, whole_number

INLINE_MOST: Final = 18_000_000  # bytes of requests in one body, of which a host takes 20 MB
_PAGE: Final = "10"  # batches of a list, as each may hold all of its answers
_STATUSES: Final[Mapping[str, BatchStatus]] = {
    "SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}


def create(draft: BatchDraft, refuse: Refuse) -> Steps[Batch]:
    """All requests in one body; or a file, and the batch of it.

    Raises:
        ConfigurationError: They are for several models.
    """
    first, *others = draft.items
    for item in others:
        need(item.model == first.model, "model", f"a batch is for one: {first.model!r} and {item.model!r} need two")
    if draft.metadata:
        refuse("metadata", "batches of this wire have no place for it but a displayName, in extra_body")
    path = f"{first.call.path.rpartition(':')[0]}:batchGenerateContent"
    if sum(len(item.call.body or b"") for item in draft.items) <= INLINE_MOST:
        config: Any = {"requests": {"requests": ROWS}}
    else:
        uploaded = expect((yield _upload([_line(item) for item in draft.items])), dict, "$")
        file = expect(uploaded.get("file"), dict, "$.file")
        config = {"fileName": expect(file.get("name"), str, "$.file.name")}
    body = merge_body({"batch": {"displayName": "llmkit", "inputConfig": config}}, draft.extra_body)
    whole = spliced(body, map(_item, draft.items))
    return _batch((yield Call(path, whole, draft.headers, job=True, once=True)))


def _item(item: BatchItem) -> bytes:
    return b'{"request":%s,"metadata":{"key":%s}}' % (item.call.body, dump_bytes(item.id))


def _line(item: BatchItem) -> bytes:
    return b'{"key":%s,"request":%s}\n' % (dump_bytes(item.id), item.call.body)


def _upload(lines: list[bytes]) -> Call:
    """The call that stores a file, which takes no more than one; the boundary is unknown to who writes a prompt."""
    boundary = f"llmkit-{token_hex(16)}"
    about = dump_bytes({"file": {"displayName": "llmkit batch", "mimeType": "application/jsonl"}})
    parts = (
        f"--{boundary}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n".encode(),
        about,
        f"\r\n--{boundary}\r\nContent-Type: application/jsonl\r\n\r\n".encode(),
        *lines,
        f"\r\n--{boundary}--\r\n".encode(),
    )
    headers = {"content-type": f"multipart/related; boundary={boundary}", "x-goog-upload-protocol": "multipart"}
    return Call("/../upload/v1beta/files", b"".join(parts), headers)


def get(id_: str) -> Steps[Batch]:
    """The batch, with its answers where they are not in a file."""
    return _batch((yield Call(_path(id_), job=True)))


def listed() -> Steps[list[Batch]]:
    """All batches, page by page."""
    found: list[Batch] = []
    query: dict[str, str] | None = {"pageSize": _PAGE}
    while query is not None:
        page = expect((yield Call("/batches", query=query)), dict, "$")
        items = expect(page.get("operations", []), list, "$.operations")
        found += [_batch(item, f"$.operations[{index}]") for index, item in enumerate(items)]
        token = text_or(page.get("nextPageToken"), None)
        query = {"pageSize": _PAGE, "pageToken": token} if token else None
    return found


def cancel(id_: str) -> Steps[Batch]:
    """The batch, which is being cancelled; that call itself is answered with nothing."""
    yield Call(f"{_path(id_)}:cancel", b"")
    return (yield from get(id_))


def results(batch: Batch) -> BatchFiles:
    """A file, or what the batch itself holds."""
    raw = batch.raw
    if batch.status == "failed":
        return BatchFiles(failure={"error": _error(object_or_empty(raw.get("error")))})
    output = object_or_empty(object_or_empty(raw.get("metadata")).get("output") or raw.get("response"))
    if (name := text_or(output.get("responsesFile"), None)) is not None:
        return BatchFiles([Call(f"/{quote(name)}:download", query={"alt": "media"})], ordered=True)
    held = object_or_empty(output.get("inlinedResponses")).get("inlinedResponses")
    return BatchFiles(rows=held if isinstance(held, list) else (), ordered=True)


def row(value: Any) -> BatchRow:
    """One line of a file, or one answer in a batch.

    Raises:
        InvalidResponseError: It is none; the error has the path.
    """
    found = expect(value, dict, "$")
    id_ = text_or(found.get("key"), None) or text_or(object_or_empty(found.get("metadata")).get("key"), None)
    if (error := found.get("error")) is not None:
        return BatchRow(id_, error={"error": _error(expect(error, dict, "$.error"))})
    return BatchRow(id_, expect(found.get("response"), dict, "$.response"))


# The numbers that errors of jobs have, those of gRPC → the words for them that errors of calls have.
_WORDS: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    """The error of a job as one of a call: with a word in place of the number; ``cancelled`` as all wires have it."""
    number = whole_number(error.get("code"), -1)
    if not 0 <= number < len(_WORDS):
        return dict(error)
    if _WORDS[number] == "CANCELLED":
        return {**error, "code": "cancelled"}
    rest = {key: value for key, value in error.items() if key != "code"}
    return {"status": _WORDS[number], **rest}


def _path(id_: str) -> str:
    return f"/batches/{quote(id_.removeprefix('batches/'), safe='')}"


def _batch(body: Any, path: str = "$") -> Batch:
    found = expect(body, dict, path)
    about = object_or_empty(found.get("metadata"))
    status = _status(found, about)
    return Batch(
        id=expect(found.get("name"), str, f"{path}.name"),
        provider="",
        status=status,
        counts=_counts(object_or_empty(about.get("batchStats")), status),
        created=instant(about.get("createTime")),
        raw=found,
    )


def _status(found: Mapping[str, Any], about: Mapping[str, Any]) -> BatchStatus:
    """The last word of its state; without one, whether it is done tells."""
    state = text_or(about.get("state"), "").rpartition("_")[2]
    if not state and found.get("done") is True:
        return "failed" if found.get("error") else "ended"
    return _STATUSES.get(state, "running")


def _counts(told: Mapping[str, Any], status: BatchStatus) -> BatchCounts:
    """Three are told, as text; what is left of the total is what the status says."""
    names = ("requestCount", "successfulRequestCount", "failedRequestCount")
    total, succeeded, failed = (whole_number(told.get(name), 0) for name in names)
    rest = max(0, total - succeeded - failed)
    left = {status: rest} if status in ("running", "cancelled", "expired") else {}
    return BatchCounts(total, succeeded=succeeded, failed=failed, **left)


BATCHES: Final = BatchWire(create, get, listed, cancel, results, row)
