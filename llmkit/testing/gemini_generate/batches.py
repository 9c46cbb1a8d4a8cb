"""Batches and the files of their requests and answers, from the host's side.

Sources: https://ai.google.dev/api/batch-api, https://ai.google.dev/api/files
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from llmkit.errors import BadRequestError, InvalidResponseError, NotFoundError
from llmkit.json_codec import dump_bytes, load_bytes
from llmkit.testing.batches import HINT, Job, Outcome
from llmkit.testing.exchange import Answer, Desk, RecordedRequest
from llmkit.testing.gemini_generate.errors import JSON
from llmkit.wire.gemini_generate.spelling import Json

_VERSION: Final = r"v1(?:beta\d*|alpha)?"
PATHS: Final = re.compile(
    rf"/(?P<upload>upload)/{_VERSION}/files|"
    rf"/{_VERSION}/(?P<place>files|batches)(?:/(?P<id>[^/:]+)(?::(?P<action>\w+))?)?"
)
_PREFIX: Final = "batches/fake"
_TYPE: Final = "type.googleapis.com/google.ai.generativelanguage.v1main."
# Words of errors → the numbers that they have in jobs, those of gRPC.
_NUMBERS: Final[Mapping[str, int]] = {
    "CANCELLED": 1,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
_PART: Final = re.compile(rb".*?\r\n\r\n(.*)\r\n", re.DOTALL)


@frozen
class _File:
    """A file that was uploaded, or that the host wrote."""

    name: str
    type: str
    lines: Sequence[bytes]

    def told(self) -> Json:
        size = str(sum(map(len, self.lines)))
        return {"name": self.name, "mimeType": self.type, "sizeBytes": size, "state": "ACTIVE"}


def answer(found: re.Match[str], request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to a request for one of `PATHS`.

    Raises:
        APIError: It refuses it.
    """
    if found["upload"]:
        return _uploaded(request, desk)
    name = f"{found['place']}/{found['id']}"
    if found["place"] == "batches":
        return _batch(desk.batches.jobs.get(name), found, request, desk)
    file = desk.batches.files.get(name)
    if file is None or request.method != "GET":
        raise NotFoundError(f"The file {name} does not exist.", status=404)
    if found["action"] == "download" and request.query.get("alt") == "media":
        return Answer(headers={"content-type": "application/octet-stream"}, chunks=file.lines, streamed=True)
    return _json(file.told())


# ---- files -----------------------------------------------------------------------------------------------------------


def _uploaded(request: RecordedRequest, desk: Desk) -> Answer:
    """In one call, or by the first and the last one of several."""
    headers, upload = request.headers, request.query.get("upload_id")
    if upload is not None:
        file = _kept(desk, desk.batches.files.pop(upload), [request.body])
        return _json({"file": file.told()}, {"x-goog-upload-status": "final"})
    protocol = headers.get("x-goog-upload-protocol")
    if protocol == "resumable":
        number = f"upload{desk.number():04}"
        desk.batches.files[number] = headers.get("x-goog-upload-header-content-type", "")
        address = f"http://{headers.get('host', '')}{request.path}?upload_id={number}&upload_protocol=resumable"
        return _json({}, {"x-goog-upload-url": address, "x-goog-upload-status": "active"})
    _, _, boundary = headers.get("content-type", "").partition("boundary=")
    pieces = request.body.split(b"--" + boundary.encode()) if protocol == "multipart" and boundary else []
    parts = [found[1] for piece in pieces if (found := _PART.fullmatch(piece))]
    if len(parts) != 2:  # noqa: PLR2004 - what is told of it, and the file
        raise BadRequestError("Invalid multipart request with 0 mime parts.", status=400)
    return _json({"file": _kept(desk, load_bytes(parts[0])["file"]["mimeType"], parts[1:]).told()})


def _kept(desk: Desk, type_: str, lines: Sequence[bytes]) -> _File:
    file = _File(f"files/fake{desk.number():04}", type_, lines)
    desk.batches.files[file.name] = file
    return file


# ---- batches ---------------------------------------------------------------------------------------------------------


def created(request: RecordedRequest, model: str, desk: Desk) -> Answer:
    """The answer to `batchGenerateContent`.

    Raises:
        BadRequestError: Something is wrong with it as a whole; what is wrong with single requests is told later.
    """
    batch = request.json.get("batch") if isinstance(request.json, dict) else None
    config = batch.get("inputConfig", batch.get("input_config")) if isinstance(batch, dict) else None
    if not isinstance(batch, dict) or not isinstance(config, dict):
        raise BadRequestError("* BatchGenerateContentRequest.batch.input_config: is required", status=400)
    name = config.get("fileName", config.get("file_name"))
    about: dict[str, Any] = {"model": model, "headers": request.headers, "file": name is not None}
    if name is None:
        rows = [(row.get("metadata"), row.get("request")) for row in (config.get("requests") or {}).get("requests", [])]
    else:
        rows, about["error"] = _read(desk, name)
    if not rows and not about.get("error"):
        raise BadRequestError("* BatchGenerateContentRequest.batch.input_config.requests: is empty", status=400)
    about["told"] = [told for told, _ in rows]
    asked = {str(place): body for place, (_, body) in enumerate(rows)}
    about["name"] = batch.get("displayName", batch.get("display_name"))
    job = Job(f"{_PREFIX}{desk.number():04}", asked, about)
    desk.batches.jobs[job.id] = job
    return _json(_told(job))


def _read(desk: Desk, name: str) -> tuple[list[tuple[Any, Any]], Json | None]:
    """The keys and the requests of a file, or what is wrong with it."""
    file = desk.batches.files.get(name)
    if not isinstance(file, _File):
        raise NotFoundError(f"The file {name} does not exist.", status=404)
    try:
        rows = [load_bytes(line) for line in b"".join(file.lines).splitlines() if line.strip()]
        return [(row.get("key"), row["request"]) for row in rows], None
    except (InvalidResponseError, LookupError, AttributeError):
        return [], {"code": _NUMBERS["INVALID_ARGUMENT"], "message": "The input file is not valid JSON Lines."}


def _batch(job: Job | None, found: re.Match[str], request: RecordedRequest, desk: Desk) -> Answer:
    match request.method, job, found["action"]:
        case "GET", None, None if found["id"] is None:
            return _json(_page(request, desk))
        case "GET", Job(), None:
            return _looked_at(job, desk)
        case "POST", Job(), "cancel":
            job.cancel()
            return _json({})
        case "DELETE", Job(), None:
            del desk.batches.jobs[job.id]
            return _json({})
        case _:
            raise NotFoundError("Requested entity was not found.", status=404)


def _looked_at(job: Job, desk: Desk) -> Answer:
    def ask(id_: str, body: Any) -> Outcome:
        path, headers = f"/v1beta/{job.about['model']}:generateContent", job.about["headers"]
        found = desk.row(RecordedRequest("POST", path, headers, body, body=dump_bytes(body)))
        told = load_bytes(b"".join(found.chunks))
        if found.status == 200:  # noqa: PLR2004
            return Outcome(id_, "succeeded", 200, told)
        word = told["error"]["status"]
        return Outcome(id_, word if word in ("expired", "cancelled") else "failed", found.status, told["error"])

    job.look(desk.batch_looks, ask)
    if job.about["file"] and _state(job) == "SUCCEEDED" and "written" not in job.about:
        lines = [dump_bytes(row) + b"\n" for row in _rows(job, "key")]
        job.about["written"] = _kept(desk, "application/jsonl", lines).name
    return _json(_told(job), {} if job.ended else HINT)


def _rows(job: Job, key: str) -> list[Json]:
    """What came of each request, in their order."""
    rows: list[Json] = []
    for outcome, told in zip(job.outcomes, job.about["told"], strict=True):
        row: Json = {} if told is None else {key: told}
        if outcome.ending == "succeeded":
            row["response"] = outcome.body
        else:
            row["error"] = {"code": _NUMBERS.get(outcome.body["status"], 2), "message": outcome.body["message"]}
        rows.append(row)
    return rows


def _told(job: Job) -> Json:
    state, time = _state(job), job.created.isoformat().replace("+00:00", "123Z")
    fine, bad = job.count("succeeded"), job.count("failed")
    stats = {"requestCount": len(job.requests), "successfulRequestCount": fine, "failedRequestCount": bad}
    stats["pendingRequestCount"] = len(job.requests) - len(job.outcomes)
    metadata: Json = {
        "@type": f"{_TYPE}GenerateContentBatch",
        "model": job.about["model"],
        "displayName": job.about["name"],
        "state": f"BATCH_STATE_{state}",
        "createTime": time,
        "updateTime": time,
        "batchStats": {name: str(count) for name, count in stats.items() if count},
        "name": job.id,
    }
    found: Json = {"name": job.id, "metadata": metadata}
    if state in ("PENDING", "RUNNING"):
        return found
    metadata["endTime"] = time
    found["done"] = True
    if state == "SUCCEEDED":
        name = job.about.get("written")
        output: Json = {"inlinedResponses": {"inlinedResponses": _rows(job, "metadata")}}
        metadata["output"] = output if name is None else {"responsesFile": name}
        found["response"] = {"@type": f"{_TYPE}GenerateContentBatchOutput", **metadata["output"]}
    elif (error := job.about.get("error")) is not None:
        found["error"] = error
    return found


def _state(job: Job) -> str:
    if job.about.get("error"):
        return "FAILED"
    if not job.ended:
        return "RUNNING" if job.outcomes else "PENDING"
    return "CANCELLED" if job.count("cancelled") else "EXPIRED" if job.count("expired") else "SUCCEEDED"


def _page(request: RecordedRequest, desk: Desk) -> Json:
    jobs = list(desk.batches.newest(_PREFIX))
    start, size = int(request.query.get("pageToken", "0")), int(request.query.get("pageSize", "10"))
    end = start + size
    more = {"nextPageToken": str(end)} if end < len(jobs) else {}
    return {"operations": [_told(job) for job in jobs[start:end]], **more}


def _json(body: Json, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(headers={**JSON, **(headers or {})}, chunks=(dump_bytes(body),))
