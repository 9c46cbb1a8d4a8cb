"""Files and batches, from the host's side.

Sources: https://platform.openai.com/docs/api-reference/files and …/batch
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import dump_bytes, load_bytes
from llmkit.testing.batches import DAY, HINT, Job, Outcome
from llmkit.testing.exchange import Answer, Desk, RecordedRequest
from llmkit.testing.openai.errors import JSON, Fault, refused
from llmkit.testing.openai.host import lost, whole_answer
from llmkit.testing.openai.writing import Json

# Below whatever stands before them, but for what is of another wire.
PATHS: Final = re.compile(
    r"(?!/v1beta|/upload/|/download/)(?:/[^/]+)*?/(files|batches)(?:/([^/]+)(?:/(content|cancel))?)?"
)
_ENDPOINTS: Final = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/moderations")
_PREFIX: Final = "batch_fake_"
_PART: Final = re.compile(rb'.*?name="(\w+)"(?:; filename="([^"]*)")?.*?\r\n\r\n(.*)\r\n', re.DOTALL)
_UNANSWERED: Final[Mapping[str, tuple[str, str]]] = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
}


@frozen
class _File:
    """A file that was uploaded, or that the host wrote."""

    id: str
    purpose: str
    name: str
    lines: Sequence[bytes]

    def told(self) -> Json:
        size = sum(map(len, self.lines))
        found = {"id": self.id, "object": "file", "purpose": self.purpose, "filename": self.name, "bytes": size}
        return {**found, "created_at": 1_767_225_600, "status": "processed"}


def answer(found: re.Match[str], request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to a request for one of `PATHS`."""
    place, id_, action = found.groups()
    known: Mapping[str, Any] = desk.batches.files if place == "files" else desk.batches.jobs
    if id_ and id_ not in known:
        words = f"No such File object: {id_}" if place == "files" else f"No batch found with id '{id_}'."
        return refused(Fault(words, "id", None, 404))
    serve = _file if place == "files" else _batch
    return serve(known.get(id_ or ""), action, request, desk)


def _file(file: _File | None, action: str | None, request: RecordedRequest, desk: Desk) -> Answer:
    match request.method, file, action:
        case "POST", None, None:
            return _uploaded(request, desk)
        case "GET", _File(), None:
            return whole_answer(file.told())
        case "GET", _File(), "content":
            return Answer(headers={"content-type": "application/octet-stream"}, chunks=file.lines, streamed=True)
        case _:
            return refused(lost(request))


def _batch(job: Job | None, action: str | None, request: RecordedRequest, desk: Desk) -> Answer:
    match request.method, job, action:
        case "POST", None, None:
            return _created(request, desk)
        case "GET", None, None:
            return whole_answer(_page(request, desk))
        case "GET", Job(), None:
            return _looked_at(job, desk)
        case "POST", Job(), "cancel":
            job.cancel()
            return whole_answer(_told(job))
        case _:
            return refused(lost(request))


def _uploaded(request: RecordedRequest, desk: Desk) -> Answer:
    _, _, boundary = request.headers.get("content-type", "").partition("boundary=")
    pieces = request.body.split(b"--" + boundary.strip('"').encode()) if boundary else []
    parts = {found[1]: found for piece in pieces if (found := _PART.fullmatch(piece))}
    for name in (b"purpose", b"file"):
        if name not in parts:
            return refused(Fault(f"'{name.decode()}' is a required property", name.decode()))
    purpose, file = parts[b"purpose"], parts[b"file"]
    return whole_answer(_kept(desk, purpose[3].decode(), (file[2] or b"").decode(), [file[3]]).told())


def _kept(desk: Desk, purpose: str, name: str, lines: Sequence[bytes]) -> _File:
    file = _File(f"file-fake{desk.number():04}", purpose, name, lines)
    desk.batches.files[file.id] = file
    return file


# ---- a batch ---------------------------------------------------------------------------------------------------------


def _created(request: RecordedRequest, desk: Desk) -> Answer:
    body = request.json
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(body, dict) or not isinstance(body.get(name), str):
            return refused(Fault(f"Missing required parameter: '{name}'.", name, "missing_required_parameter"))
    if body["endpoint"] not in _ENDPOINTS:
        return refused(Fault(f"Invalid value: '{body['endpoint']}'.", "endpoint", "invalid_value"))
    if body["completion_window"] != "24h":
        return refused(Fault("Invalid value: only '24h' is supported.", "completion_window", "invalid_value"))
    file = desk.batches.files.get(body["input_file_id"])
    if file is None or file.purpose != "batch":
        return refused(Fault(f"Invalid file id: {body['input_file_id']}", "input_file_id", "invalid_file_id"))
    lines = [line for line in b"".join(file.lines).splitlines() if line.strip()]
    errors = list(_faults(lines, body["endpoint"]))
    asked = {} if errors else {item["custom_id"]: item["body"] for item in map(load_bytes, lines)}
    job = Job(f"{_PREFIX}{desk.number():04}", asked, {**body, "errors": errors, "headers": request.headers})
    desk.batches.jobs[job.id] = job
    return whole_answer({**_told(job), "status": "validating", "errors": None, "failed_at": None})


def _faults(lines: Sequence[bytes], endpoint: str) -> Iterator[Json]:
    """What is wrong with the file; the bodies themselves are looked at when their turn has come."""
    if not lines:
        yield _error("empty_file", "The input file is empty.", None)
    ids: set[str] = set()
    models: set[object] = set()
    for number, line in enumerate(lines, 1):
        try:
            item = load_bytes(line)
        except InvalidResponseError:
            item = None
        if not isinstance(item, dict) or not isinstance(item.get("body"), dict):
            yield _error("invalid_json_line", "This line is not parseable as valid JSON.", number)
            continue
        if not isinstance(item.get("custom_id"), str):
            yield _error("missing_required_parameter", "Missing required parameter: 'custom_id'.", number)
        if item.get("custom_id") in ids:
            yield _error("duplicate_custom_id", "The custom_id for this request is a duplicate of another.", number)
        if item.get("method") != "POST":
            yield _error("invalid_method", "Invalid method: only POST is supported.", number)
        if item.get("url") != endpoint:
            yield _error("invalid_url", "The URL provided for this request does not match the batch endpoint.", number)
        if models - {item["body"].get("model")}:
            yield _error("mismatched_model", "All requests of a batch must be for the same model.", number)
        ids.add(str(item.get("custom_id")))
        models.add(item["body"].get("model"))


def _error(code: str, message: str, line: int | None) -> Json:
    return {"code": code, "message": message, "param": None, "line": line}


def _looked_at(job: Job, desk: Desk) -> Answer:
    def ask(id_: str, body: Json) -> Outcome:
        path, headers = job.about["endpoint"], job.about["headers"]
        found = desk.row(RecordedRequest("POST", path, headers, body, body=dump_bytes(body)))
        told = load_bytes(b"".join(found.chunks))
        if found.status == 200:  # noqa: PLR2004
            return Outcome(id_, "succeeded", 200, told)
        code = told["error"]["code"]
        return Outcome(id_, code if code in _UNANSWERED else "failed", found.status, told)

    job.look(desk.batch_looks, ask)
    if job.ended and not job.about["errors"] and "written" not in job.about:
        job.about["written"] = True
        fine = [_line(one) for one in reversed(job.outcomes) if one.ending == "succeeded"]
        bad = [_line(one) for one in reversed(job.outcomes) if one.ending != "succeeded"]
        for key, lines in (("output_file_id", fine), ("error_file_id", bad)):
            job.about[key] = _kept(desk, "batch_output", f"{job.id}_{key}.jsonl", lines).id if lines else None
    return Answer(headers={**JSON, **({} if job.ended else HINT)}, chunks=(dump_bytes(_told(job)),))


def _line(outcome: Outcome) -> bytes:
    """A line of the output file or of that of errors."""
    found: Json = {"id": f"batch_req_{outcome.id}", "custom_id": outcome.id, "response": None, "error": None}
    if outcome.ending in _UNANSWERED:
        code, message = _UNANSWERED[outcome.ending]
        found["error"] = {"code": code, "message": message}
    else:
        status, request_id = outcome.status, f"req_fake_{outcome.id}"
        found["response"] = {"status_code": status, "request_id": request_id, "body": outcome.body}
    return dump_bytes(found) + b"\n"


def _told(job: Job) -> Json:
    about, errors = job.about, job.about["errors"]
    created = int(job.created.timestamp())
    fine, bad = job.count("succeeded"), job.count("failed")
    return {
        "id": job.id,
        "object": "batch",
        "endpoint": about["endpoint"],
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": about["input_file_id"],
        "completion_window": about["completion_window"],
        "status": _status(job),
        "output_file_id": about.get("output_file_id"),
        "error_file_id": about.get("error_file_id"),
        "created_at": created,
        "expires_at": created + int(DAY.total_seconds()),
        "completed_at": created if job.ended else None,
        "failed_at": created if errors else None,
        "request_counts": {"total": len(job.requests), "completed": fine, "failed": bad},
        "metadata": about.get("metadata"),
    }


def _status(job: Job) -> str:
    if job.about["errors"]:
        return "failed"
    if job.cancelled:
        return "cancelled" if job.ended else "cancelling"
    if not job.ended:
        return "in_progress"
    return "expired" if job.count("expired") else "completed"


def _page(request: RecordedRequest, desk: Desk) -> Json:
    jobs, query = list(desk.batches.newest(_PREFIX)), request.query
    if (after := query.get("after")) is not None:
        jobs = jobs[[job.id for job in jobs].index(after) + 1 :]
    shown = jobs[: int(query.get("limit", "20"))]
    return {
        "object": "list",
        "data": [_told(job) for job in shown],
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
        "has_more": len(shown) < len(jobs),
    }
