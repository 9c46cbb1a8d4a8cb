"""Batches of OpenAI's two wires: a file of JSON Lines with all requests, and two with the results.

Source: https://platform.openai.com/docs/api-reference/batch
"""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote

from llmkit.batch import Batch, BatchCounts, BatchStatus
from llmkit.json_codec import dump_bytes
from llmkit.wire.base import Call, Refuse, merge_body
from llmkit.wire.batches import BatchDraft, BatchFiles, BatchItem, BatchRow, BatchWire, Steps
from llmkit.wire.openai.models import moment
from llmkit.wire.reading import count, expect, object_or_empty, text_or

_VERSION: Final = "/v1"  # of the addresses in a batch's file, whatever that of the host itself is
_PAGE: Final = "100"
_STATUSES: Final[Mapping[str, BatchStatus]] = {
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}


def create(draft: BatchDraft, _: Refuse) -> Steps[Batch]:
    """The file, then the batch of it."""
    address = _VERSION + draft.items[0].call.path
    uploaded = expect((yield _upload([_line(item, address) for item in draft.items])), dict, "$")
    body: dict[str, Any] = {
        "input_file_id": expect(uploaded.get("id"), str, "$.id"),
        "endpoint": address,
        "completion_window": "24h",
    }
    if draft.metadata:
        body["metadata"] = dict(draft.metadata)
    whole = dump_bytes(merge_body(body, draft.extra_body))
    return _batch((yield Call("/batches", whole, draft.headers, once=True)))


def _line(item: BatchItem, address: str) -> bytes:
    fields = dump_bytes(item.id), dump_bytes(address), item.call.body
    return b'{"custom_id":%s,"method":"POST","url":%s,"body":%s}\n' % fields


def _upload(lines: list[bytes]) -> Call:
    """The call that stores a file for a batch, as a form; the boundary is unknown to anyone who writes a prompt."""
    boundary = f"llmkit-{token_hex(16)}"
    mark, field = f"--{boundary}\r\n", 'Content-Disposition: form-data; name="{}"'.format
    head = (
        f"{mark}{field('purpose')}\r\n\r\nbatch\r\n"
        f'{mark}{field("file")}; filename="batch.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n'
    )
    body = b"".join((head.encode(), *lines, f"\r\n--{boundary}--\r\n".encode()))
    return Call("/files", body, {"content-type": f"multipart/form-data; boundary={boundary}"})


def get(id_: str) -> Steps[Batch]:
    """The batch."""
    return _batch((yield Call(_path(id_))))


def listed() -> Steps[list[Batch]]:
    """All batches, page by page."""
    found: list[Batch] = []
    query: dict[str, str] | None = {"limit": _PAGE}
    while query is not None:
        page = expect((yield Call("/batches", query=query)), dict, "$")
        items = expect(page.get("data"), list, "$.data")
        found += [_batch(item, f"$.data[{index}]") for index, item in enumerate(items)]
        more = page.get("has_more") is True and bool(items)
        query = {"limit": _PAGE, "after": text_or(page.get("last_id"), found[-1].id)} if more else None
    return found


def cancel(id_: str) -> Steps[Batch]:
    """The batch, which is being cancelled."""
    return _batch((yield Call(f"{_path(id_)}/cancel", b"")))


def results(batch: Batch) -> BatchFiles:
    """The file of answers and that of errors, as far as there are any."""
    if batch.status == "failed":
        return BatchFiles(failure=_failure(batch.raw))
    names = (text_or(batch.raw.get(key), None) for key in ("output_file_id", "error_file_id"))
    return BatchFiles([Call(f"/files/{quote(name, safe='')}/content") for name in names if name])


def _failure(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is wrong with the file, line by line, as the body of one error."""
    told = object_or_empty(raw.get("errors")).get("data")
    errors = [object_or_empty(item) for item in told] if isinstance(told, list) else []
    words = [_located(item) for item in errors]
    code = next((code for item in errors if (code := text_or(item.get("code"), None))), None)
    message = "; ".join(words) or "the provider does not say why the batch failed"
    return {"error": {"type": "invalid_request_error", "code": code, "message": message}}


def _located(error: Mapping[str, Any]) -> str:
    line, words = error.get("line"), text_or(error.get("message"), "") or text_or(error.get("code"), "")
    return f"line {line}: {words}" if isinstance(line, int) else words


def row(value: Any) -> BatchRow:
    """One line of either file.

    Raises:
        InvalidResponseError: It is none; the error has the path.
    """
    found = expect(value, dict, "$")
    id_ = expect(found.get("custom_id"), str, "$.custom_id")
    if (error := found.get("error")) is not None:
        return BatchRow(id_, error={"error": _unanswered(expect(error, dict, "$.error"))})
    response = expect(found.get("response"), dict, "$.response")
    status = expect(response.get("status_code"), int, "$.response.status_code")
    body, request_id = response.get("body"), text_or(response.get("request_id"), None)
    if status >= 400:  # noqa: PLR2004
        return BatchRow(id_, None, status, {} if body is None else body, request_id)
    return BatchRow(id_, body, request_id=request_id)


_CODES: Final = {"batch_expired": "expired", "batch_cancelled": "cancelled"}


def _unanswered(error: dict[str, Any]) -> dict[str, Any]:
    """The error of a request that was not answered, with the code that all wires have for it."""
    code = text_or(error.get("code"), "")
    return {**error, "code": _CODES.get(code, code or None)}


def _path(id_: str) -> str:
    return f"/batches/{quote(id_, safe='')}"


def _batch(body: Any, path: str = "$") -> Batch:
    found = expect(body, dict, path)
    status = _STATUSES.get(expect(found.get("status"), str, f"{path}.status"), "running")
    return Batch(
        id=expect(found.get("id"), str, f"{path}.id"),
        provider="",
        status=status,
        counts=_counts(object_or_empty(found.get("request_counts")), status),
        created=moment(found.get("created_at")),
        expires=moment(found.get("expires_at")),
        raw=found,
    )


def _counts(told: Mapping[str, Any], status: BatchStatus) -> BatchCounts:
    """The provider counts three things; what is left of the total is what the status says."""
    total, succeeded, failed = (count(told.get(name)) for name in ("total", "completed", "failed"))
    rest = max(0, total - succeeded - failed)
    left = {status: rest} if status in ("running", "cancelled", "expired") else {}
    return BatchCounts(total, succeeded=succeeded, failed=failed, **left)


BATCHES: Final = BatchWire(create, get, listed, cancel, results, row)
