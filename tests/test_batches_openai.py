"""The batches of OpenAI's two wires: files that are written and read inside, and the host that keeps them."""

import json
from email import message_from_bytes

import openai
import pytest
from sockets import CHUNKED, Server, chunk, reply

from llmkit import (
    APIError,
    BadRequestError,
    Batch,
    Client,
    ConfigurationError,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    Request,
    ServerError,
)
from llmkit.batch import BatchCounts
from llmkit.testing import FakeServer

ADDRESSES = {"openai": "/v1/responses", "openai-chat": "/v1/chat/completions"}
ROWS = [Request("one", id="a/ö"), "two", Request("3?", id="c", output_type=int)]


@pytest.fixture(params=ADDRESSES)
def name(request):
    return request.param


@pytest.fixture
def client(server, name):
    return server.client(name, max_retries=0, model="gpt-x")


@pytest.fixture
def batches(client):
    return client.batches


def by_id(results):
    return {result.id: result for result in results}


def form(asked):
    """The parts of a form, as the standard library's reader of mail takes it apart."""
    message = message_from_bytes(b"Content-Type: " + asked.headers["content-type"].encode() + b"\r\n\r\n" + asked.body)
    assert not message.defects
    return {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}


# ---- created ---------------------------------------------------------------------------------------------------------


def test_what_is_sent(server, client, name):
    batch = client.batches.create(ROWS, metadata={"run": "7"}, extra_body={"output_expires_after": {"seconds": 3600}})
    upload, creation = server.requests
    assert (upload.method, upload.path) == ("POST", "/v1/files")
    assert upload.headers["content-length"] == str(len(upload.body))
    parts = form(upload)
    assert parts["purpose"].get_payload() == "batch"
    assert parts["file"].get_filename() == "batch.jsonl"
    lines = [json.loads(line) for line in parts["file"].get_payload(decode=True).splitlines()]
    assert [line["custom_id"] for line in lines] == ["a/ö", "request-1", "c"]
    assert {(line["method"], line["url"]) for line in lines} == {("POST", ADDRESSES[name])}
    assert {line["body"]["model"] for line in lines} == {"gpt-x"}
    file = next(iter(server.batches.files))
    assert (creation.method, creation.path) == ("POST", "/v1/batches")
    assert creation.json == {
        "input_file_id": file,
        "endpoint": ADDRESSES[name],
        "completion_window": "24h",
        "metadata": {"run": "7"},
        "output_expires_after": {"seconds": 3600},
    }
    assert (batch.provider, batch.status, batch.counts) == (name, "running", BatchCounts(3, running=3))
    assert (batch.expires - batch.created).days == 1


def test_bodies_are_those_of_single_calls(server, client):
    client.batches.create(ROWS)
    lines = form(server.requests[0])["file"].get_payload(decode=True).splitlines()
    server.reply('{"value": 3}')
    client.complete(ROWS[2])
    assert json.loads(lines[2])["body"] == server.requests[-1].json


def test_an_upload_that_is_refused(server, batches):
    server.fault("overloaded")
    with pytest.raises(ServerError):
        batches.create(ROWS)
    assert [asked.path for asked in server.requests] == ["/v1/files"]


def test_hosts_of_the_format_without_batches():
    with (
        Client("groq", api_key="k") as client,
        pytest.raises(ConfigurationError, match="anthropic, openai, openai-chat"),
    ):
        client.batches.create(["one"])


# ---- looked at, waited for, cancelled --------------------------------------------------------------------------------


def test_from_end_to_end(server, batches, name):
    batch = batches.create(ROWS)
    for text in ("1", "2", '{"value": 3}'):
        server.reply(text)
    batch = batches.wait(batch.id)
    assert (batch.status, batch.counts) == ("ended", BatchCounts(3, succeeded=3))
    before = len(server.requests)
    found = by_id(batches.results(batch, ROWS))
    assert [asked.path for asked in server.requests[before:]] == [f"/v1/files/{batch.raw['output_file_id']}/content"]
    assert [(found[id_].index, found[id_].unwrap().text) for id_ in ("a/ö", "request-1")] == [(0, "1"), (1, "2")]
    assert found["c"].unwrap().output == 3
    response = found["c"].unwrap()
    assert (response.provider, response.model, response.request_id) == (name, "gpt-x", "req_fake_c")


def test_list_and_cancel(server, batches):
    first, second = batches.create(["one"]), batches.create(["one", "two"])
    assert [batch.id for batch in batches.list()] == [second.id, first.id]
    assert batches.get(second).status == "running"
    assert batches.cancel(second).status == "running"
    assert server.requests[-1].body == b""
    batch = batches.wait(second)
    assert (batch.status, batch.counts) == ("cancelled", BatchCounts(2, succeeded=1, cancelled=1))
    errors = [one.error for one in batches.results(batch)]
    assert [error and error.code for error in errors] == [None, "cancelled"]


# name → (what the host says to one request, the error's class, its code, whether it may work later)
FAILURES = {
    "expired": (APIError("", code="expired"), APIError, "expired", True),
    "cancelled": (APIError("", code="cancelled"), APIError, "cancelled", True),
    "refused": (BadRequestError("no"), BadRequestError, "invalid_request_error", False),
    "no such model": (NotFoundError("no"), NotFoundError, "model_not_found", False),
    "rate limited": (RateLimitError("slow"), RateLimitError, "rate_limit_exceeded", True),
    "failed": (ServerError("oh"), ServerError, "server_error", True),
}


@pytest.mark.parametrize(("said", "cls", "code", "retryable"), FAILURES.values(), ids=FAILURES.keys())
def test_rows_that_failed(server, batches, said, cls, code, retryable):
    batch = batches.create(["one", "two"])
    server.reply(said)
    found = by_id(batches.results(batches.wait(batch)))
    assert found["request-1"].unwrap().text == "two"
    error = found["request-0"].error
    assert type(error) is cls
    assert (error.code, error.retryable) == (code, retryable)


def test_a_batch_without_an_answer(server, batches):
    batch = batches.create(["one"])
    server.reply(ServerError("oh"))
    batch = batches.wait(batch)
    assert (batch.status, batch.counts) == ("ended", BatchCounts(1, failed=1))
    assert batch.raw["output_file_id"] is None
    (result,) = batches.results(batch)
    assert isinstance(result.error, ServerError)
    assert result.error.request_id == "req_fake_request-0"


def test_a_file_that_the_host_refuses(server, batches):
    batch = batches.create(["one", Request("two", model="gpt-y")])
    assert batch.status == "running"
    batch = batches.wait(batch)
    assert batch.status == "failed"
    for asked in (batch, batch.id):
        with pytest.raises(BadRequestError, match="line 2: All requests") as caught:
            batches.results(asked)
        assert caught.value.code == "mismatched_model"
        assert not caught.value.retryable


# ---- what hosts say --------------------------------------------------------------------------------------------------


def told(status, **more):
    return {"id": "b", "object": "batch", "status": status, "created_at": 1741967565, **more}


# name → (the host's object, our status and counts)
TOLD = {
    "validating": (
        told("validating", request_counts={"total": 0, "completed": 0, "failed": 0}),
        "running",
        BatchCounts(),
    ),
    "in progress": (
        told("in_progress", request_counts={"total": 5, "completed": 2, "failed": 1}),
        "running",
        BatchCounts(5, running=2, succeeded=2, failed=1),
    ),
    "finalizing": (told("finalizing", request_counts=None), "running", BatchCounts()),
    "cancelling": (told("cancelling"), "running", BatchCounts()),
    "completed": (
        told("completed", request_counts={"total": 5, "completed": 4, "failed": 1}),
        "ended",
        BatchCounts(5, succeeded=4, failed=1),
    ),
    "expired": (
        told("expired", request_counts={"total": 5, "completed": 2, "failed": 1}),
        "expired",
        BatchCounts(5, succeeded=2, failed=1, expired=2),
    ),
    "cancelled": (
        told("cancelled", request_counts={"total": 5, "completed": 2, "failed": 0}),
        "cancelled",
        BatchCounts(5, succeeded=2, cancelled=3),
    ),
    "failed": (told("failed", errors={"data": []}), "failed", BatchCounts()),
    "a word of tomorrow": (told("resting"), "running", BatchCounts()),
}


@pytest.mark.parametrize(("body", "status", "counts"), TOLD.values(), ids=TOLD.keys())
def test_statuses(body, status, counts):
    with Server(lambda wire: wire.receive() and wire.send(reply(json.dumps(body).encode()))) as server:
        client = Client("openai", api_key="k", base_url=server.url)
        batch = client.batches.get("b")
        client.close()
    assert (batch.status, batch.counts, batch.raw) == (status, counts, body)
    assert batch.created.timestamp() == 1741967565


def test_a_list_of_pages():
    def script(wire):
        for number, _ in enumerate(wire.requests(), 1):
            page = {"data": [told("completed")], "has_more": number < 3, "last_id": f"b{number}"}
            wire.send(reply(json.dumps(page).encode()))

    with Server(script) as server, Client("openai", api_key="k", base_url=server.url) as client:
        assert len(client.batches.list()) == 3
        assert [asked.path for asked in server.requests] == [
            f"/v1/batches?limit=100{more}" for more in ("", "&after=b1", "&after=b2")
        ]


# name → (what a batch that failed says, the words and the code of its error)
FAILED = {
    "a line": ({"data": [{"code": "c", "message": "m", "line": 3}]}, "line 3: m", "c"),
    "several": ({"data": [{"code": "c", "message": "m", "line": None}, {"code": "d", "line": 2}]}, "m; line 2: d", "c"),
    "nothing": (None, "does not say why", "invalid_request_error"),
    "no list": ({"data": 3}, "does not say why", "invalid_request_error"),
}


@pytest.mark.parametrize(("errors", "words", "code"), FAILED.values(), ids=FAILED.keys())
def test_batches_that_failed(errors, words, code):
    with Client("openai", api_key="k") as client, pytest.raises(BadRequestError, match=words) as caught:
        client.batches.results(Batch("b", "openai", "failed", raw={"errors": errors}))
    assert caught.value.code == code
    assert caught.value.provider == "openai"


def line(number, **more):
    choice = {"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    response = {"status_code": 200, "request_id": f"q{number}", "body": {"id": f"m{number}", "choices": [choice]}}
    return json.dumps({"custom_id": f"r{number}", "response": response, "error": None, **more}).encode() + b"\n"


def test_both_files_are_read_and_a_lost_connection_is_mended():
    files = {"/v1/files/out/content": [line(n) for n in range(4)], "/v1/files/bad/content": [line(n) for n in (4, 5)]}

    def script(wire):
        asked = wire.receive()
        lines = files[asked.path]
        if wire.number % 2:  # every first time
            wire.send(CHUNKED + chunk(lines[0]) + chunk(lines[1][:30]))
            wire.reset()
        else:
            wire.send(CHUNKED + b"".join(map(chunk, lines)) + chunk(b""))

    batch = Batch("b", "openai", "ended", raw={"output_file_id": "out", "error_file_id": "bad"})
    with Server(script) as server, Client("openai-chat", api_key="k", base_url=server.url) as client:
        assert [one.id for one in client.batches.results(batch)] == [f"r{number}" for number in range(6)]
        assert [asked.path for asked in server.requests] == [path for path in files for _ in range(2)]


# name → (a line of a file, the error of its row)
ROWS_TOLD = {
    "timed out": (line(0, response=None, error={"code": "request_timeout", "message": "late"}), APIError),
    "no body": (line(0, response={"status_code": 500}), ServerError),
    "text for a body": (line(0, response={"status_code": 404, "body": "no"}), NotFoundError),
    "an answer that is none": (line(0, response={"status_code": 200, "body": {}}), InvalidResponseError),
    "an error in an answer": (
        line(0, response={"status_code": 200, "body": {"error": {"type": "server_error", "message": "x"}}}),
        ServerError,
    ),
}


@pytest.mark.parametrize(("raw", "cls"), ROWS_TOLD.values(), ids=ROWS_TOLD.keys())
def test_rows_that_tell_of_an_error(raw, cls):
    batch = Batch("b", "openai", "ended", raw={"error_file_id": "bad"})
    with (
        Server(lambda wire: wire.receive() and wire.send(reply(raw))) as server,
        Client("openai-chat", api_key="k", base_url=server.url) as client,
    ):
        (result,) = client.batches.results(batch)
    assert type(result.error) is cls


@pytest.mark.parametrize("raw", [b"{}\n", b'{"custom_id": "a"}\n', b'{"custom_id": "a", "response": {"body": {}}}\n'])
def test_lines_that_are_none(raw):
    batch = Batch("b", "openai", "ended", raw={"output_file_id": "out"})
    with (
        Server(lambda wire: wire.receive() and wire.send(reply(raw))) as server,
        Client("openai-chat", api_key="k", base_url=server.url) as client,
        pytest.raises(InvalidResponseError),
    ):
        next(client.batches.results(batch))


def test_what_an_expired_batch_says_nothing_of():
    batch = Batch("b", "openai", "expired", raw={})
    with Client("openai", api_key="k") as client:
        (result,) = client.batches.results(batch, ["one"])
    assert (result.index, result.error.code, result.error.retryable) == (0, "expired", True)


# ---- the host, asked by the vendor's own client ----------------------------------------------------------------------


@pytest.fixture
def vendor(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as found:
        yield found


BODIES = {
    "/v1/responses": lambda text: {"model": "gpt-x", "input": text},
    "/v1/chat/completions": lambda text: {"model": "gpt-x", "messages": [{"role": "user", "content": text}]},
}


def handed_in(vendor, address, *texts, **changes):
    rows = [
        {"custom_id": f"c{index}", "method": "POST", "url": address, "body": BODIES[address](text), **changes}
        for index, text in enumerate(texts)
    ]
    file = vendor.files.create(file=("rows.jsonl", "\n".join(map(json.dumps, rows)).encode()), purpose="batch")
    return vendor.batches.create(input_file_id=file.id, endpoint=address, completion_window="24h")


@pytest.mark.parametrize("address", BODIES)
def test_the_vendors_way(server, vendor, address):
    batch = handed_in(vendor, address, "one", "late", "three")
    assert (batch.status, batch.request_counts.total) == ("validating", 3)
    server.reply("1")
    server.reply(APIError("", code="expired"))
    server.reply("3")
    assert vendor.batches.retrieve(batch.id).status == "in_progress"
    batch = vendor.batches.retrieve(batch.id)
    assert (batch.status, batch.request_counts.completed) == ("expired", 2)
    rows = [json.loads(row) for row in vendor.files.content(batch.output_file_id).text.splitlines()]
    assert [(row["custom_id"], row["response"]["status_code"]) for row in rows] == [("c2", 200), ("c0", 200)]
    (row,) = [json.loads(row) for row in vendor.files.content(batch.error_file_id).text.splitlines()]
    assert (row["custom_id"], row["error"]["code"]) == ("c1", "batch_expired")
    file = vendor.files.retrieve(batch.output_file_id)
    assert (file.purpose, file.bytes) == ("batch_output", len(vendor.files.content(file.id).content))


def test_the_vendors_list_and_cancel(server, vendor):
    made = [handed_in(vendor, "/v1/responses", "one").id for _ in range(5)]
    assert [batch.id for batch in vendor.batches.list(limit=2)] == made[::-1]
    assert vendor.batches.cancel(made[0]).status == "cancelling"
    assert vendor.batches.retrieve(made[0]).status == "cancelled"
    for refused in (lambda: vendor.batches.retrieve("batch_x"), lambda: vendor.files.content("file-x")):
        with pytest.raises(openai.NotFoundError):
            refused()


# name → (how each line differs, the code of the error)
FAULTY = {
    "the same id": ({"custom_id": "x"}, "duplicate_custom_id"),
    "no id": ({"custom_id": None}, "missing_required_parameter"),
    "a method": ({"method": "GET"}, "invalid_method"),
    "another address": ({"url": "/v1/chat/completions"}, "invalid_url"),
    "no body": ({"body": None}, "invalid_json_line"),
}


@pytest.mark.parametrize(("changes", "code"), FAULTY.values(), ids=FAULTY.keys())
def test_files_that_the_host_refuses(vendor, changes, code):
    batch = vendor.batches.retrieve(handed_in(vendor, "/v1/responses", "one", "two", **changes).id)
    assert batch.status == "failed"
    assert code in {error.code for error in batch.errors.data}


def test_a_file_that_is_none(vendor):
    file = vendor.files.create(file=b"{oops", purpose="batch")
    made = vendor.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    assert [error.code for error in vendor.batches.retrieve(made.id).errors.data] == ["invalid_json_line"]
    with pytest.raises(openai.BadRequestError):
        vendor.post("/batches", body={"endpoint": "/v1/responses"}, cast_to=object)


def test_an_empty_file(vendor):
    batch = vendor.batches.retrieve(handed_in(vendor, "/v1/responses").id)
    assert [error.code for error in batch.errors.data] == ["empty_file"]


# name → what is asked for
REFUSED = {
    "another window": {"completion_window": "1h"},
    "another endpoint": {"endpoint": "/v1/else"},
    "no such file": {"input_file_id": "file-x"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED.keys())
def test_batches_that_the_host_refuses(vendor, changes):
    file = vendor.files.create(file=b"{}", purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h", **changes}
    with pytest.raises(openai.BadRequestError):
        vendor.batches.create(**asked)


def test_a_form_without_a_file():
    with FakeServer() as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as vendor:
        with pytest.raises(openai.BadRequestError):
            vendor.post("/files", body={"purpose": "batch"}, cast_to=object)
        file = vendor.files.create(file=b"{}", purpose="batch")
        for refused in (
            lambda: vendor.delete("/batches", cast_to=object),
            lambda: vendor.delete("/batches/b", cast_to=object),
            lambda: vendor.files.delete(file.id),
        ):
            with pytest.raises(openai.NotFoundError):
                refused()
