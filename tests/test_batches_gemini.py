"""The batches of Gemini's wire: in one body or by a file, and the host that answers them."""

import io
import json
from decimal import Decimal
from email import message_from_bytes

import pytest
import requests
from google import genai
from google.genai import errors, types
from sockets import CHUNKED, Server, chunk, reply

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Batch,
    Client,
    ConfigurationError,
    InvalidResponseError,
    NotFoundError,
    PermissionDeniedError,
    Price,
    RateLimitError,
    Request,
    ServerError,
    Usage,
)
from llmkit.batch import BatchCounts

ROWS = [Request("one", id="a/ö"), "two", Request("3?", id="c", output_type=int)]
MODEL = "/v1beta/models/gemini-3.6-flash"


@pytest.fixture
def batches(server):
    return server.client("gemini", max_retries=0).batches


def by_id(results):
    return {result.id: result for result in results}


# ---- created ---------------------------------------------------------------------------------------------------------


def test_what_is_sent(server, batches):
    batch = batches.create(ROWS[:2], extra_body={"batch": {"displayName": "mine", "priority": "3"}})
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", f"{MODEL}:batchGenerateContent")
    assert asked.json == {
        "batch": {
            "displayName": "mine",
            "priority": "3",
            "inputConfig": {
                "requests": {
                    "requests": [
                        {
                            "request": {"contents": [{"role": "user", "parts": [{"text": text}]}]},
                            "metadata": {"key": id_},
                        }
                        for text, id_ in (("one", "a/ö"), ("two", "request-1"))
                    ]
                }
            },
        }
    }
    assert (batch.provider, batch.status, batch.counts) == ("gemini", "running", BatchCounts(2, running=2))
    assert batch.id.startswith("batches/")
    assert batch.created is not None


def test_much_is_sent_as_a_file(server, batches):
    rows = [Request(f"{number} {'x' * 1_000_000}", id=f"n{number}") for number in range(19)]
    batch = batches.create(rows)
    upload, creation = server.requests
    assert (upload.method, upload.path) == ("POST", "/upload/v1beta/files")
    assert upload.headers["x-goog-upload-protocol"] == "multipart"
    form = message_from_bytes(b"Content-Type: " + upload.headers["content-type"].encode() + b"\r\n\r\n" + upload.body)
    assert not form.defects
    about, file = form.get_payload()
    assert json.loads(about.get_payload())["file"]["mimeType"] == "application/jsonl"
    assert file.get_content_type() == "application/jsonl"
    lines = [json.loads(line) for line in file.get_payload(decode=True).splitlines()]
    assert [line["key"] for line in lines] == [f"n{number}" for number in range(19)]
    assert lines[3]["request"]["contents"][0]["parts"][0]["text"] == rows[3].prompt
    name = next(iter(server.batches.files))
    assert creation.json == {"batch": {"displayName": "llmkit", "inputConfig": {"fileName": name}}}
    batch = batches.wait(batch)
    found = by_id(batches.results(batch, rows))
    assert [found[row.id].unwrap().text for row in rows] == [row.prompt for row in rows]
    assert server.requests[-1].path == f"/v1beta/{batch.raw['metadata']['output']['responsesFile']}:download"
    assert server.requests[-1].query == {"alt": "media"}


def test_a_batch_is_for_one_model(server, batches):
    with pytest.raises(ConfigurationError, match=r"^model: a batch is for one: 'gemini-3.6-flash' and 'gemini-x'"):
        batches.create(["one", Request("two", model="gemini-x")])
    with pytest.raises(ConfigurationError, match="^metadata: "):
        batches.create(["one"], metadata={"x": "1"})
    assert server.requests == []


# ---- looked at, waited for, cancelled --------------------------------------------------------------------------------


def test_from_end_to_end(server, batches):
    batch = batches.create(ROWS)
    for text in ("1", "2", '{"value": 3}'):
        server.reply(text)
    batch = batches.wait(batch.id)
    assert (batch.status, batch.counts) == ("ended", BatchCounts(3, succeeded=3))
    before = len(server.requests)
    results = list(batches.results(batch, ROWS))
    assert len(server.requests) == before  # the batch holds them itself
    assert [(one.index, one.id) for one in results] == [(0, "a/ö"), (1, "request-1"), (2, "c")]
    assert [one.unwrap().text for one in results[:2]] == ["1", "2"]
    assert results[2].unwrap().output == 3
    assert results[2].unwrap().request_id == results[2].unwrap().id
    assert [one.unwrap().text for one in batches.results(batch.id)] == ["1", "2", '{"value": 3}']


def test_get_by_the_bare_id(server, batches):
    batch = batches.create(["one"])
    assert batches.get(batch.id.removeprefix("batches/")).id == batch.id
    assert server.requests[-1].path == f"/v1beta/{batch.id}"


def test_list_and_cancel(server, batches):
    made = [batches.create(["one", "two"]).id for _ in range(12)]
    assert [batch.id for batch in batches.list()] == made[::-1]
    assert [asked.query for asked in server.requests[-2:]] == [
        {"pageSize": "10"},
        {"pageSize": "10", "pageToken": "10"},
    ]
    batch = batches.cancel(made[0])
    assert [(asked.method, asked.path) for asked in server.requests[-2:]] == [
        ("POST", f"/v1beta/{made[0]}:cancel"),
        ("GET", f"/v1beta/{made[0]}"),
    ]
    assert (batch.status, batch.counts) == ("cancelled", BatchCounts(2, cancelled=2))
    assert list(batches.results(batch)) == []
    errors_ = [one.error for one in batches.results(batch, ["one", "two"])]
    assert [(type(error), error.code, error.retryable) for error in errors_] == [(APIError, "cancelled", True)] * 2


def test_a_batch_that_expired(server, batches):
    batch = batches.create(["one", "two"])
    server.reply(APIError("", code="expired"))
    batch = batches.wait(batch)
    assert (batch.status, batch.counts) == ("expired", BatchCounts(2, succeeded=1, expired=1))
    assert [one.error.code for one in batches.results(batch, ["one", "two"])] == ["expired"] * 2


# name → (what the host says to one request, the error's class, its code, whether it may work later)
FAILURES = {
    "refused": (BadRequestError("no"), BadRequestError, "INVALID_ARGUMENT", False),
    "no such model": (NotFoundError("no"), NotFoundError, "NOT_FOUND", False),
    "rate limited": (RateLimitError("slow"), RateLimitError, "RESOURCE_EXHAUSTED", True),
    "failed": (ServerError("oh"), ServerError, "INTERNAL", True),
}


@pytest.mark.parametrize(("said", "cls", "code", "retryable"), FAILURES.values(), ids=FAILURES.keys())
def test_rows_that_failed(server, batches, said, cls, code, retryable):
    batch = batches.create(["one", "two"])
    server.reply(said)
    batch = batches.wait(batch)
    assert batch.counts == BatchCounts(2, succeeded=1, failed=1)
    one, other = batches.results(batch)
    assert other.unwrap().text == "two"
    assert type(one.error) is cls
    assert (one.error.code, one.error.retryable, one.error.provider) == (code, retryable, "gemini")


def test_what_results_cost(server):
    prices = {"gemini-3.6-flash": Price(2, 10, batch="0.5")}
    batches = server.client("gemini", prices=prices).batches
    batch = batches.create(["one"])
    server.reply("1", usage=Usage(1_000_000, 100_000))
    (result,) = batches.results(batches.wait(batch))
    assert result.unwrap().cost == Decimal("1.5")


# ---- what hosts say --------------------------------------------------------------------------------------------------


def job(state=None, stats=None, **more):
    metadata = {"createTime": "2026-07-28T03:21:18.604327123Z", "batchStats": stats or {}}
    return {"name": "batches/b", "metadata": {**metadata, **({"state": state} if state else {})}, **more}


STATS = {"requestCount": "5", "successfulRequestCount": "2", "failedRequestCount": "1"}
# name → (the host's object, our status and counts)
TOLD = {
    "pending": (job("BATCH_STATE_PENDING", {"requestCount": "5"}), "running", BatchCounts(5, running=5)),
    "running": (job("BATCH_STATE_RUNNING", STATS), "running", BatchCounts(5, running=2, succeeded=2, failed=1)),
    "succeeded": (job("BATCH_STATE_SUCCEEDED", done=True), "ended", BatchCounts()),
    "another prefix": (job("JOB_STATE_SUCCEEDED"), "ended", BatchCounts()),
    "failed": (job("BATCH_STATE_FAILED", done=True, error={"code": 3, "message": "m"}), "failed", BatchCounts()),
    "cancelled": (
        job("BATCH_STATE_CANCELLED", STATS, done=True, error={"code": 1, "message": "m"}),
        "cancelled",
        BatchCounts(5, succeeded=2, failed=1, cancelled=2),
    ),
    "expired": (job("BATCH_STATE_EXPIRED", STATS), "expired", BatchCounts(5, succeeded=2, failed=1, expired=2)),
    "done without a state": (job(done=True, response={}), "ended", BatchCounts()),
    "failed without a state": (job(done=True, error={"code": 13}), "failed", BatchCounts()),
    "a word of tomorrow": (job("BATCH_STATE_RESTING"), "running", BatchCounts()),
    "nothing but a name": ({"name": "batches/b"}, "running", BatchCounts()),
}


@pytest.mark.parametrize(("body", "status", "counts"), TOLD.values(), ids=TOLD.keys())
def test_statuses(body, status, counts):
    with (
        Server(lambda wire: wire.receive() and wire.send(reply(json.dumps(body).encode()))) as server,
        Client("gemini", api_key="k", base_url=server.url) as client,
    ):
        batch = client.batches.get("batches/b/../c")
        assert server.requests[0].path == "/v1beta/batches/b%2F..%2Fc"
    assert (batch.id, batch.status, batch.counts, batch.raw) == ("batches/b", status, counts, body)
    assert batch.created is None or batch.created.isoformat() == "2026-07-28T03:21:18.604327+00:00"


# name → (the job's error, ours)
FAILED = {
    "a number": ({"code": 3, "message": "bad file"}, BadRequestError, "INVALID_ARGUMENT"),
    "of a call": (
        {"code": 403, "status": "PERMISSION_DENIED", "message": "no"},
        PermissionDeniedError,
        "PERMISSION_DENIED",
    ),
    "a key": ({"code": 16, "message": "who?"}, AuthenticationError, "UNAUTHENTICATED"),
    "a number of nothing": ({"code": 99, "message": "?"}, APIError, "99"),
    "nothing": (None, APIError, None),
}


@pytest.mark.parametrize(("error", "cls", "code"), FAILED.values(), ids=FAILED.keys())
def test_batches_that_failed(error, cls, code):
    batch = Batch("batches/b", "gemini", "failed", raw={"error": error})
    with Client("gemini", api_key="k") as client, pytest.raises(APIError) as caught:
        client.batches.results(batch)
    assert type(caught.value) is cls
    assert caught.value.code == code


def said(text):
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP"}]}


def holding(*rows):
    output = {"inlinedResponses": {"inlinedResponses": list(rows)}}
    return Batch("batches/b", "gemini", "ended", raw={"metadata": {"output": output}})


def test_answers_that_do_not_tell_whose_they_are():
    """The host promises their order, and has been seen to forget what it was told beside a request."""
    batch = holding({"response": said("1")}, {"error": {"code": 13, "message": "m"}}, {"response": said("3")})
    rows = [Request("one", id="a"), "two", "three"]
    with Client("gemini", api_key="k") as client:
        results = list(client.batches.results(batch, rows))
        assert [one.id for one in client.batches.results(batch)] == [None] * 3
    assert [(one.index, one.id, one.prompt) for one in results] == [
        (0, "a", rows[0]),
        (1, "request-1", "two"),
        (2, "request-2", "three"),
    ]
    assert isinstance(results[1].error, ServerError)
    assert results[2].unwrap().text == "3"


# name → (a row, the class of its error, its code)
ROWS_TOLD = {
    "cancelled": ({"error": {"code": 1, "message": "m"}}, APIError, "cancelled"),
    "a number of nothing": ({"error": {"code": 77}}, APIError, "77"),
    "no answer": ({"response": {}}, InvalidResponseError, None),
    "an error in an answer": ({"response": {"error": {"code": 503, "message": "m"}}}, APIError, None),
}


@pytest.mark.parametrize(("row", "cls", "code"), ROWS_TOLD.values(), ids=ROWS_TOLD.keys())
def test_rows_that_tell_of_an_error(row, cls, code):
    with Client("gemini", api_key="k") as client:
        (result,) = client.batches.results(holding(row))
    assert isinstance(result.error, cls)
    assert code is None or result.error.code == code


@pytest.mark.parametrize("row", [3, {}, {"response": 3}, {"error": 3}])
def test_rows_that_are_none(row):
    """Each is told of once, and the others can be read."""
    with Client("gemini", api_key="k") as client:
        results = client.batches.results(holding(row, {"response": said("1")}))
        with pytest.raises(InvalidResponseError):
            next(results)
        assert [one.unwrap().text for one in results] == ["1"]


@pytest.mark.parametrize(
    "output", [None, {}, {"inlinedResponses": None}, {"inlinedResponses": {"inlinedResponses": 3}}]
)
def test_batches_without_results(output):
    batch = Batch("batches/b", "gemini", "ended", raw={"metadata": {"output": output}})
    with Client("gemini", api_key="k") as client:
        assert list(client.batches.results(batch)) == []


@pytest.mark.parametrize("place", ["metadata", "response"])
def test_a_file_that_is_lost_is_asked_for_again(place):
    lines = [json.dumps({"key": f"k{number}", "response": said("hi")}).encode() + b"\n" for number in range(4)]
    output = {"responsesFile": "files/batch-x"}
    raw = {"metadata": {"output": output}} if place == "metadata" else {"response": output}

    def script(wire):
        wire.receive()
        if wire.number == 1:
            wire.send(CHUNKED + b"".join(map(chunk, lines[:2])))
            wire.reset()
        else:
            wire.send(CHUNKED + b"".join(map(chunk, lines)) + chunk(b""))

    with Server(script) as server, Client("gemini", api_key="k", base_url=server.url) as client:
        results = client.batches.results(Batch("batches/b", "gemini", "ended", raw=raw))
        assert [one.id for one in results] == ["k0", "k1", "k2", "k3"]
        assert {asked.path for asked in server.requests} == {"/v1beta/files/batch-x:download?alt=media"}


# ---- the host, asked by the vendor's own client ----------------------------------------------------------------------


@pytest.fixture
def vendor(server):
    with genai.Client(api_key="k", http_options={"base_url": server.url}) as found:
        yield found


def inlined(*texts):
    return [
        types.InlinedRequest(contents=text, metadata={"key": f"c{index}"}, config={"temperature": 0.5})
        for index, text in enumerate(texts)
    ]


def test_the_vendors_way(server, vendor):
    made = vendor.batches.create(model="gemini-x", src=inlined("one", "two"), config={"display_name": "mine"})
    assert (made.state, made.display_name) == ("JOB_STATE_PENDING", "mine")
    server.reply("1")
    server.reply(BadRequestError("no"))
    assert vendor.batches.get(name=made.name).state == "JOB_STATE_RUNNING"
    found = vendor.batches.get(name=made.name)
    assert found.state == "JOB_STATE_SUCCEEDED"
    one, other = found.dest.inlined_responses
    assert (one.response.text, one.metadata) == ("1", {"key": "c0"})
    assert (other.error.code, other.error.message) == (3, "no")


def test_the_vendors_files(server, vendor):
    rows = [{"key": key, "request": {"contents": [{"parts": [{"text": key}]}]}} for key in ("a", "b")]
    content = io.BytesIO("\n".join(map(json.dumps, rows)).encode())
    file = vendor.files.upload(file=content, config={"mime_type": "application/jsonl"})
    assert vendor.files.get(name=file.name).size_bytes == len(content.getvalue())
    made = vendor.batches.create(model="gemini-x", src=file.name)
    server.batch_looks = 0
    found = vendor.batches.get(name=made.name)
    assert found.state == "JOB_STATE_SUCCEEDED"
    told = [json.loads(line) for line in vendor.files.download(file=found.dest.file_name).splitlines()]
    assert [(row["key"], row["response"]["candidates"][0]["content"]["parts"]) for row in told] == [
        ("a", [{"text": "a"}]),
        ("b", [{"text": "b"}]),
    ]


def test_a_file_that_the_host_cannot_read(server, vendor, batches):
    file = vendor.files.upload(file=io.BytesIO(b"{oops"), config={"mime_type": "application/jsonl"})
    made = vendor.batches.create(model="gemini-x", src=file.name)
    assert vendor.batches.get(name=made.name).state == "JOB_STATE_FAILED"
    batch = batches.wait(made.name)
    assert batch.status == "failed"
    with pytest.raises(BadRequestError, match="JSON Lines"):
        batches.results(batch)


def test_the_vendors_list_cancel_and_delete(server, vendor):
    made = [vendor.batches.create(model="gemini-x", src=inlined("one")).name for _ in range(5)]
    assert [batch.name for batch in vendor.batches.list(config={"page_size": 2})] == made[::-1]
    vendor.batches.cancel(name=made[0])
    assert vendor.batches.get(name=made[0]).state == "JOB_STATE_CANCELLED"
    vendor.batches.delete(name=made[0])
    for refused in (
        lambda: vendor.batches.get(name=made[0]),
        lambda: vendor.files.get(name="files/x"),
        lambda: vendor.batches.create(model="gemini-x", src="files/x"),
    ):
        with pytest.raises(errors.ClientError, match="404"):
            refused()


@pytest.mark.parametrize("body", [{}, {"batch": 3}, {"batch": {}}, {"batch": {"inputConfig": {"requests": {}}}}])
def test_batches_that_the_host_refuses(vendor, body):
    with pytest.raises(errors.ClientError, match="400"):
        vendor._api_client.request("post", "models/gemini-x:batchGenerateContent", body)


@pytest.mark.parametrize("protocol", ["multipart", "raw", None])
def test_an_upload_that_the_host_refuses(server, protocol):
    headers = {"x-goog-api-key": "k", "x-goog-upload-protocol": protocol}
    answer = requests.post(f"{server.url}/upload/v1beta/files", headers=headers, json={}, timeout=20)
    assert answer.status_code == 400
