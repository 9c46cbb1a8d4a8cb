"""Message Batches, from the host's side.

Source: https://platform.claude.com/docs/en/api/messages/batches
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from llmkit.errors import BadRequestError, NotFoundError
from llmkit.json_codec import dump_bytes, load_bytes
from llmkit.testing.batches import DAY, HINT, Ending, Job, Outcome
from llmkit.testing.exchange import Answer, Desk, RecordedRequest

BATCHES: Final = "/v1/messages/batches"
_JSON: Final = {"content-type": "application/json"}
_PREFIX: Final = "msgbatch_fake_"
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST: Final = 100_000
_WORDS: Final[Mapping[Ending, str]] = {
    "succeeded": "succeeded",
    "failed": "errored",
    "cancelled": "canceled",
    "expired": "expired",
}


def answer(method: str, rest: str, request: RecordedRequest, desk: Desk) -> Answer:
    """What the host says to a request for what stands below its batches.

    Raises:
        APIError: It refuses it.
    """
    id_, _, action = rest.partition("/")
    match method, bool(id_), action:
        case "POST", False, "":
            return _created(request, desk)
        case "GET", False, "":
            return _json(_page(request, desk))
        case "GET", True, "":
            return _looked_at(_job(desk, id_), request, desk)
        case "DELETE", True, "":
            return _deleted(_job(desk, id_), desk)
        case "POST", True, "cancel":
            job = _job(desk, id_)
            job.cancel()
            return _json(_told(job, request))
        case "GET", True, "results":
            return _results(_job(desk, id_))
        case _:
            raise NotFoundError("Not found", status=404)


def _created(request: RecordedRequest, desk: Desk) -> Answer:
    if (reason := next(_faults(request.json), None)) is not None:
        raise BadRequestError(reason, status=400)
    asked = {item["custom_id"]: (request.headers, item["params"]) for item in request.json["requests"]}
    job = Job(f"{_PREFIX}{desk.number():04}", asked)
    desk.batches.jobs[job.id] = job
    return _json(_told(job, request))


def _faults(body: Any) -> Iterator[str]:
    """What is wrong with the body as far as it is told at once: what single requests ask for is looked at later."""
    if not isinstance(body, dict):
        yield "The request body is not valid JSON: expected an object"
    items = body.get("requests")
    if not isinstance(items, list):
        yield "requests: Field required" if items is None else "requests: Input should be a valid list"
    if not 1 <= len(items) <= _MOST:
        yield f"requests: List should have from 1 to {_MOST} items"
    seen: set[str] = set()
    for index, item in enumerate(items):
        id_, params = (item.get("custom_id"), item.get("params")) if isinstance(item, dict) else (None, None)
        if not isinstance(id_, str) or not _ID.fullmatch(id_):
            yield f"requests.{index}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
        if not isinstance(params, dict):
            yield f"requests.{index}.params: Field required"
        if (params or {}).get("stream"):
            yield f"requests.{index}.params.stream: streaming is not supported in a batch"
        if id_ in seen:
            yield f"requests.{index}.custom_id: custom_id must be unique in a batch: {id_}"
        seen.add(str(id_))


def _job(desk: Desk, id_: str) -> Job:
    if id_ not in desk.batches.jobs:
        raise NotFoundError(f"Message Batch {id_} not found.", status=404)
    return desk.batches.jobs[id_]


def _looked_at(job: Job, request: RecordedRequest, desk: Desk) -> Answer:
    job.look(desk.batch_looks, lambda id_, asked: _outcome(id_, asked, desk))
    return Answer(headers={**_JSON, **({} if job.ended else HINT)}, chunks=(dump_bytes(_told(job, request)),))


def _outcome(id_: str, asked: tuple[Mapping[str, str], dict[str, Any]], desk: Desk) -> Outcome:
    headers, params = asked
    found = desk.row(RecordedRequest("POST", "/v1/messages", headers, params, body=dump_bytes(params)))
    body = load_bytes(b"".join(found.chunks))
    if found.status == 200:  # noqa: PLR2004
        body["usage"]["service_tier"] = "batch"
        return Outcome(id_, "succeeded", 200, body)
    kind = body["error"]["type"]
    return Outcome(id_, kind if kind in ("cancelled", "expired") else "failed", found.status, body)


def _told(job: Job, request: RecordedRequest) -> dict[str, Any]:
    counts = {word: job.count(ending) if job.ended else 0 for ending, word in _WORDS.items()}
    running = 0 if job.ended else len(job.requests)  # as the provider has it: they move when all have ended
    address = f"http://{request.headers.get('host', '')}{BATCHES}/{job.id}/results"
    return {
        "id": job.id,
        "type": "message_batch",
        "processing_status": "ended" if job.ended else "canceling" if job.cancelled else "in_progress",
        "request_counts": {"processing": running, **counts},
        "created_at": _moment(job.created),
        "expires_at": _moment(job.created + DAY),
        "ended_at": _moment(job.created) if job.ended else None,
        "cancel_initiated_at": _moment(job.created) if job.cancelled else None,
        "archived_at": None,
        "results_url": address if job.ended else None,
    }


def _moment(time: datetime) -> str:
    return time.isoformat()


def _page(request: RecordedRequest, desk: Desk) -> dict[str, Any]:
    jobs, query = list(desk.batches.newest(_PREFIX)), request.query
    if (after := query.get("after_id")) is not None:
        jobs = jobs[jobs.index(_job(desk, after)) + 1 :]
    shown = jobs[: int(query.get("limit", "20"))]
    return {
        "data": [_told(job, request) for job in shown],
        "has_more": len(shown) < len(jobs),
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }


def _deleted(job: Job, desk: Desk) -> Answer:
    if not job.ended:
        raise BadRequestError(f"Message Batch {job.id} is still processing: cancel it first.", status=400)
    del desk.batches.jobs[job.id]
    return _json({"id": job.id, "type": "message_batch_deleted"})


def _results(job: Job) -> Answer:
    """A line a request; in another order than they were asked, as none is promised."""
    if not job.ended:
        words = f"Message Batch {job.id} has no available results."
        raise NotFoundError(words, status=404, headers={"x-should-retry": "false"})
    lines = [dump_bytes({"custom_id": one.id, "result": _result(one)}) + b"\n" for one in reversed(job.outcomes)]
    return Answer(headers={"content-type": "application/x-jsonl"}, chunks=lines, streamed=True)


def _result(outcome: Outcome) -> dict[str, Any]:
    kind = _WORDS[outcome.ending]
    match outcome.ending:
        case "succeeded":
            return {"type": kind, "message": outcome.body}
        case "failed":
            return {"type": kind, "error": {**outcome.body, "request_id": f"req_fake_{outcome.id}"}}
        case _:
            return {"type": kind}


def _json(body: dict[str, Any]) -> Answer:
    return Answer(headers=_JSON, chunks=(dump_bytes(body),))
