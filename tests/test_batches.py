"""The batches of Anthropic's wire: created, looked at, waited for, cancelled, read."""

import gc
import json
import pickle
import subprocess
import sys
import threading
import tracemalloc
from decimal import Decimal

import anthropic
import pytest
from calls import refusing_port
from faults.exposure import seen_of
from sockets import CHUNKED, Server, chunk, reply

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Batch,
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    Document,
    InvalidResponseError,
    LLMKitError,
    NotFoundError,
    OutputError,
    OverloadedError,
    Price,
    Provider,
    RateLimitError,
    Request,
    ServerError,
    ToolCall,
    UnsupportedOptionError,
    UnsupportedWarning,
    Usage,
    UserMessage,
)
from llmkit.batch import BatchCounts
from llmkit.deadlines import Deadlines
from llmkit.jsonl import Lines
from llmkit.testing import Reply
from llmkit.wire.base import Call
from llmkit.wire.quirks import AnthropicMessagesQuirks

ROWS = [Request("one", id="a"), "two", Request([UserMessage("three")], id="c", max_tokens=7)]


@pytest.fixture
def batches(client):
    return client.batches


def by_id(results):
    return {result.id: result for result in results}


def texts(results):
    return {result.id: result.unwrap().text for result in results}


# ---- created ---------------------------------------------------------------------------------------------------------


def test_what_is_sent(server, batches):
    batch = batches.create(ROWS)
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/v1/messages/batches")
    said = [{"type": "text", "text": "one"}], [{"type": "text", "text": "two"}], [{"type": "text", "text": "three"}]
    params = [{"model": "claude-x", "messages": [{"role": "user", "content": content}]} for content in said]
    assert asked.json == {
        "requests": [
            {"custom_id": "a", "params": {**params[0], "max_tokens": 4096}},
            {"custom_id": "request-1", "params": {**params[1], "max_tokens": 4096}},
            {"custom_id": "c", "params": {**params[2], "max_tokens": 7}},
        ]
    }
    assert (batch.provider, batch.status) == ("anthropic", "running")
    assert batch.counts == BatchCounts(total=3, running=3)
    assert batch.raw["id"] == batch.id
    assert batch.created is not None
    assert batch.expires is not None
    assert (batch.expires - batch.created).days == 1


def test_requests_may_come_from_a_generator(server, batches):
    batches.create(Request(f"Say {number}", id=f"n{number}") for number in range(100))
    assert [item["custom_id"] for item in server.requests[0].json["requests"]] == [f"n{n}" for n in range(100)]


def test_a_batch_pickles():
    batch = Batch("b", "anthropic", "ended", BatchCounts(1, succeeded=1), raw={"id": "b"})
    copy = pickle.loads(pickle.dumps(batch))
    assert copy == batch
    assert copy.raw == batch.raw


def test_what_goes_beside_the_requests(server, batches):
    batches.create(
        ["one"], extra_headers={"anthropic-beta": "some-beta"}, extra_query={"q": "1"}, extra_body={"more": {"x": 1}}
    )
    (asked,) = server.requests
    assert asked.headers["anthropic-beta"] == "some-beta"
    assert asked.query == {"q": "1"}
    assert asked.json["more"] == {"x": 1}
    assert len(asked.json["requests"]) == 1


def test_betas_of_the_requests_are_told_for_all(server, batches):
    document = Document(file_id="file_1")
    batches.create(["one", Request("two", media=document)], extra_headers={"anthropic-beta": "some-beta"})
    told = server.requests[0].headers["anthropic-beta"].split(",")
    assert sorted(told) == ["files-api-2025-04-14", "some-beta"]


def test_the_clients_own_options_hold(server):
    client = server.client("anthropic", headers={"x-mine": "1"})
    client = client.with_options(extra_headers={"x-more": "2"}, extra_query={"q": "1"}, extra_body={"b": 1}, top_k=3)
    client.batches.create(["one"])
    (asked,) = server.requests
    assert (asked.headers["x-mine"], asked.headers["x-more"], asked.query) == ("1", "2", {"q": "1"})
    assert asked.json.keys() == {"requests"}
    params = asked.json["requests"][0]["params"]
    assert (params["top_k"], params["b"]) == (3, 1)


# name → (requests, how the message begins)
WRONG = {
    "none": ([], "requests: there is none"),
    "text": ("one", "requests: expected an iterable"),
    "a request": (Request("one"), "requests: expected an iterable"),
    "a number": (3, "requests: expected an iterable"),
    "an empty prompt": (["one", ""], r"requests\[1\].prompt: it is empty"),
    "an option out of bounds": ([Request("one", temperature=1.5)], r"requests\[0\].temperature: "),
    "an option that the wire lacks": ([Request("one", seed=1)], r"requests\[0\].seed: "),
    "the same id": (
        [Request("a", id="x"), "b", Request("c", id="x")],
        r"requests\[2\].id: 'x' is that of requests\[0\]",
    ),
    "an id that is made": (
        [Request("a", id="request-1"), "b"],
        r"requests\[1\].id: 'request-1' is that of requests\[0\]",
    ),
    "an empty id": ([Request("a", id="")], r"requests\[0\].id: expected text that is not empty"),
    "an id with a blank": ([Request("a", id="a b")], "id: expected up to 64 letters"),
    "a long id": ([Request("a", id="a" * 65)], "id: expected up to 64 letters"),
    "headers of its own": (
        [Request("a", extra_headers={"x": "1"})],
        r"requests\[0\].extra_headers: .*pass them to create",
    ),
    "a query of its own": ([Request("a", extra_query={"x": "1"})], r"requests\[0\].extra_query: .*pass it to create"),
}


@pytest.mark.parametrize(("requests", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_requests(server, batches, requests, message):
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        batches.create(requests)
    assert server.requests == []


def test_what_has_no_place(server):
    batches = server.client("anthropic").batches
    with pytest.raises(UnsupportedOptionError, match="^metadata: ") as caught:
        batches.create(["one"], metadata={"x": "1"})
    assert caught.value.path == "metadata"
    with pytest.raises(UnsupportedOptionError, match="^extra_body: "):
        batches.get("b", extra_body={"x": 1})
    warned = server.client("anthropic", unsupported="warn").batches
    with pytest.warns(UnsupportedWarning, match="^metadata: "):
        warned.create(["one"], metadata={"x": "1"})
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", ["groq", "megallm", "vertex", Provider("mine", "anthropic-messages", "http://x")])
def test_hosts_without_batches(provider, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    with (
        Client(provider, api_key="k") as client,
        pytest.raises(ConfigurationError, match="^batches: .* has none that llmkit knows of; these have: .*anthropic"),
    ):
        client.batches.create(["one"])


CREATED = reply(b'{"id": "b", "processing_status": "in_progress"}')


# name → (what comes of the first try, the error; None where another try is made)
TRIES = {
    "lost": (b"", ConnectionFailedError),
    "cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", ConnectionFailedError),
    "failed": (reply(b"{}", status="500 Oh"), ServerError),
    "lost behind a gateway": (reply(b"{}", status="504 Late"), ServerError),
    "too much": (reply(b"{}", status="429 Slow"), None),
    "overloaded": (reply(b"{}", status="529 Overloaded"), None),
}


@pytest.mark.parametrize(("first", "error"), TRIES.values(), ids=TRIES.keys())
def test_no_batch_is_created_twice(first, error):
    """What may have been created is not asked for again, as it would be paid for again."""

    def script(wire):
        wire.receive()
        wire.send(first if wire.number == 1 else CREATED)

    with Server(script) as server, Client("anthropic", api_key="k", base_url=server.url) as client:
        if error is None:
            assert client.batches.create(["one"]).id == "b"
        else:
            with pytest.raises(error, match=r"batches.list\(\)") as caught:
                client.batches.create(["one"])
            assert not caught.value.retryable
            assert caught.value.attempts == 1
        assert server.connections == (2 if error is None else 1)


def test_what_was_never_sent_is_tried_again():
    with (
        Client("anthropic", api_key="k", base_url=f"http://127.0.0.1:{refusing_port()}", max_retries=1) as client,
        pytest.raises(ConnectionFailedError) as caught,
    ):
        client.batches.create(["one"])
    assert caught.value.attempts == 2
    assert caught.value.retryable


def test_a_row_of_ones_own(server):
    row = Provider("mine", "anthropic-messages", server.url, quirks=AnthropicMessagesQuirks(batches=True))
    batches = server.client(row, model="m").batches
    assert batches.wait(batches.create(["one"])).provider == "mine"


# ---- looked at, waited for, cancelled --------------------------------------------------------------------------------


def test_get_list_cancel(server, batches):
    first, second = batches.create(["one"]), batches.create(["two", "three"])
    assert batches.get(first.id).id == first.id
    assert [batch.id for batch in batches.list()] == [second.id, first.id]
    assert batches.cancel(second).status == "running"
    assert server.requests[-1].body == b""
    ended = batches.get(second)
    assert (ended.status, ended.counts) == ("cancelled", BatchCounts(total=2, cancelled=2))


def test_a_list_of_many_pages():
    def page(number):
        data = [{"id": f"b{number}", "processing_status": "ended"}]
        return {"data": data, "has_more": number < 3, "last_id": f"b{number}"}

    def script(wire):
        for number, _ in enumerate(wire.requests(), 1):
            wire.send(reply(json.dumps(page(number)).encode()))

    with Server(script) as server, Client("anthropic", api_key="k", base_url=server.url) as client:
        assert [batch.id for batch in client.batches.list()] == ["b1", "b2", "b3"]
        paths = [asked.path for asked in server.requests]
    assert paths == [f"/v1/messages/batches?limit=1000{more}" for more in ("", "&after_id=b1", "&after_id=b2")]


def test_a_list_without_an_end():
    body = {"data": [{"id": "b", "processing_status": "ended"}], "has_more": True, "last_id": "b"}

    def script(wire):
        for _ in wire.requests():
            wire.send(reply(json.dumps(body).encode()))

    with Server(script) as server, Client("anthropic", api_key="k", base_url=server.url) as client:
        with pytest.raises(InvalidResponseError, match="no end"):
            client.batches.list()
        assert len(server.requests) == 1000


# status of the provider, counts → ours
STATUSES = {
    "in progress": ("in_progress", {"processing": 2}, "running"),
    "being cancelled": ("canceling", {"processing": 2}, "running"),
    "ended": ("ended", {"succeeded": 1, "errored": 1}, "ended"),
    "cancelled": ("ended", {"succeeded": 1, "canceled": 1}, "cancelled"),
    "expired": ("ended", {"succeeded": 1, "expired": 1}, "expired"),
    "a word of tomorrow": ("resting", {}, "running"),
}


@pytest.mark.parametrize(("told", "counts", "status"), STATUSES.values(), ids=STATUSES.keys())
def test_statuses(told, counts, status):
    body = reply(json.dumps({"id": "b", "processing_status": told, "request_counts": counts}).encode())
    with Server(lambda wire: wire.receive() and wire.send(body)) as server:
        client = Client("anthropic", api_key="k", base_url=server.url)
        batch = client.batches.get("b/../c")
        client.close()
        assert server.requests[0].path == "/v1/messages/batches/b%2F..%2Fc"
    assert batch.status == status
    assert batch.counts.total == sum(counts.values())


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"id": 1, "processing_status": "ended"}', b'{"id": "b"}'])
def test_what_is_no_batch(body):
    with Server(lambda wire: wire.receive() and wire.send(reply(body))) as server:
        client = Client("anthropic", api_key="k", base_url=server.url)
        with pytest.raises(InvalidResponseError) as caught:
            client.batches.get("b")
        client.close()
    assert caught.value.provider == "anthropic"
    assert caught.value.body == body.decode()
    assert caught.value.attempts == 1


def test_waiting(server, batches):
    server.batch_looks = 3
    seen = []
    batch = batches.wait(batches.create(["one", "two"]), progress=seen.append)
    assert batch.status == "ended"
    assert batch.counts == BatchCounts(total=2, succeeded=2)
    assert [one.status for one in seen] == ["running", "running", "running", "ended"]
    assert seen[-1] == batch


def test_a_bar(server, batches, capsys):
    pytest.importorskip("tqdm")
    server.reply(ServerError("oh"))
    batches.wait(batches.create(["one", "two"]), progress=True)
    shown = capsys.readouterr().err
    assert "0/2" in shown
    assert "running" in shown
    assert "2/2" in shown
    assert shown.rstrip().endswith("1 failed, ended]")


def test_waiting_in_another_process(server, batches):
    batch = batches.create(["one", Request("two", id="b")])
    code = (
        "import sys; from llmkit import Client; url, id_ = sys.argv[1:]\n"
        "with Client('anthropic', api_key='k', base_url=url) as client:\n"
        "    batch = client.batches.wait(id_)\n"
        "    print(sorted((one.id, one.response.text) for one in client.batches.results(batch)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, server.url, batch.id], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[('b', 'two'), ('request-0', 'one')]"


def test_a_look_that_fails(server, batches):
    batch = batches.create(["one"])
    for _ in range(3):
        server.fault("rate limited")  # which asks to wait 0.05 s; the client itself does not retry
    assert batches.wait(batch).status == "ended"


def test_what_waiting_does_not_mend(server, batches):
    with pytest.raises(NotFoundError) as caught:
        batches.wait("msgbatch_other")
    assert caught.value.provider == "anthropic"
    assert len(server.requests) == 1


def test_waiting_has_an_end(server, batches):
    server.batch_looks = 10_000
    batch = batches.create(["one"])
    with pytest.raises(DeadlineError) as caught:
        batches.wait(batch, timeout=0.3)
    assert caught.value.retryable
    assert len(server.requests) < 12  # 0.05 s between two, as the server asks


@pytest.mark.parametrize(
    ("arguments", "message"),
    {
        "no batch": ({"batch": 3}, "batch: expected a Batch or its id"),
        "an empty id": ({"batch": ""}, "batch: expected a Batch or its id"),
        "no function": ({"batch": "b", "progress": 3}, "progress: "),
        "no time": ({"batch": "b", "timeout": -1}, "timeout"),
        "an unknown option": ({"batch": "b", "seed": 3}, "seed: this call takes no such option"),
    }.values(),
)
def test_wrong_arguments(server, batches, arguments, message):
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        batches.wait(**arguments)
    assert server.requests == []


# ---- results ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(batches):
    return batches.wait(batches.create(ROWS))


def test_results_are_matched(batches, ended):
    found = by_id(batches.results(ended, ROWS))
    assert [(one.index, one.prompt) for one in map(found.get, ("a", "request-1", "c"))] == list(enumerate(ROWS))
    assert texts(found.values()) == {"a": "one", "request-1": "two", "c": "three"}
    response = found["a"].unwrap()
    assert (response.provider, response.model, response.finish_reason.reason) == ("anthropic", "claude-x", "stop")
    assert response.usage == Usage(1, 1)


def test_results_by_the_id_alone(server, batches, ended):
    before = len(server.requests)
    found = list(batches.results(ended.id))
    assert [one.index for one in found] == [0, 1, 2]
    assert {one.prompt for one in found} == {None}
    assert texts(found) == {"a": "one", "request-1": "two", "c": "three"}
    assert [asked.path.rpartition("/")[2] for asked in server.requests[before:]] == [ended.id, "results"]


def test_what_results_cost(server):
    """A batch costs what the caller says, or genai-prices, that it costs: with Anthropic half of a single call."""
    rows = [Request("?", id="a"), "?"]
    own = {"claude-sonnet-5": Price(3, 15, batch="0.5")}
    for prices, dollars in ((own, Decimal("0.009")), ({"claude-sonnet-5": Price(3, 15)}, None)):
        batches = server.client("anthropic", prices=prices).batches
        batch = batches.create(rows)
        for _ in rows:
            server.reply("!", usage=Usage(1000, 1000))
        batch = batches.wait(batch)
        for known in (rows, ()):
            assert [one.unwrap().cost for one in batches.results(batch, known)] == [dollars] * 2


def test_results_are_typed(server, batches):
    rows = [
        Request("?", id="n", output_type=int),
        Request("?", id="l", output_type=list[str]),
        Request("?", id="bad", output_type=int),
    ]
    batch = batches.create(rows)
    for text in ('{"value": 3}', '{"value": ["a"]}', "no idea"):
        server.reply(text)
    found = by_id(batches.results(batches.wait(batch), rows))
    assert (found["n"].unwrap().output, found["l"].unwrap().output) == (3, ["a"])
    error = found["bad"].error
    assert isinstance(error, OutputError)
    assert error.text == "no idea"
    assert error.response.usage.output_tokens > 0


def test_outputs_by_a_tool(server):
    """The provider is asked in the way of a single call, also where that is a tool."""
    rows = [Request("?", id="n", output_type=dict[str, int])]  # for free keys the wire's mode has no words
    batches = server.client("anthropic").batches
    batch = batches.create(rows)
    (tool,) = server.requests[0].json["requests"][0]["params"]["tools"]
    server.reply(ToolCall("t1", tool["name"], {"a": 1}))
    (result,) = batches.results(batches.wait(batch), rows)
    assert result.unwrap().output == {"a": 1}


# name → (what the host says to one request, the error's class, its code, whether it may work later)
FAILURES = {
    "expired": (APIError("", code="expired"), APIError, "expired", True),
    "cancelled": (APIError("", code="cancelled"), APIError, "cancelled", True),
    "refused": (BadRequestError("temperature: range"), BadRequestError, "invalid_request_error", False),
    "too long": (
        BadRequestError("", code="context_length_exceeded"),
        BadRequestError,
        "context_length_exceeded",
        False,
    ),
    "no such model": (NotFoundError("model: x"), NotFoundError, "not_found_error", False),
    "overloaded": (OverloadedError("Overloaded"), OverloadedError, "overloaded_error", True),
    "rate limited": (RateLimitError("slow"), RateLimitError, "rate_limit_error", True),
    "failed": (ServerError("oh"), ServerError, "api_error", True),
}


@pytest.mark.parametrize(("said", "cls", "code", "retryable"), FAILURES.values(), ids=FAILURES.keys())
def test_rows_that_failed(server, batches, said, cls, code, retryable):
    batch = batches.create(["one", "two"])
    server.reply(said)
    found = by_id(batches.results(batches.wait(batch)))
    assert found["request-1"].unwrap().text == "two"
    error = found["request-0"].error
    assert type(error) is cls
    assert (error.code, error.retryable, error.provider) == (code, retryable, "anthropic")
    with pytest.raises(cls):
        found["request-0"].unwrap()


def test_a_request_that_the_host_refuses(server, batches):
    """What is wrong with single requests is told in their results, in the words of a single call."""
    batch = batches.create([Request("one", extra_body={"top_k": "many"}), "two"])
    found = by_id(batches.results(batches.wait(batch)))
    assert isinstance(found["request-0"].error, BadRequestError)
    assert found["request-0"].error.request_id
    assert found["request-1"].error is None


def test_a_batch_cancelled_halfway(server, batches):
    server.batch_looks = 1
    batch = batches.create(["one", "two"])
    assert batches.get(batch).status == "running"
    batches.cancel(batch)
    batch = batches.wait(batch)
    assert batch.counts == BatchCounts(total=2, succeeded=1, cancelled=1)
    assert sorted(one.error is None for one in batches.results(batch)) == [False, True]


def test_results_of_a_batch_that_runs(server, batches):
    batch = batches.create(["one"])
    for asked in (batch, batch.id):
        server.batch_looks = 100
        with pytest.raises(NotFoundError, match="still runs") as caught:
            batches.results(asked)
        assert caught.value.retryable
        assert caught.value.provider == "anthropic"


def test_what_was_asked_and_is_not_told(batches, ended):
    """Nothing is lost: who asks for more than the provider tells of hears of it at the end."""
    *told, last = batches.results(ended, [*ROWS, Request("four", id="d")])
    assert {one.error for one in told} == {None}
    assert (last.index, last.id, last.response) == (3, "d", None)
    assert isinstance(last.error, APIError)
    assert last.error.retryable


# ---- how they are read -----------------------------------------------------------------------------------------------


def line(number, text="hi", **more):
    message = {"id": f"m{number}", "model": "claude-x", "content": [{"type": "text", "text": text}], **more}
    return json.dumps({"custom_id": f"r{number}", "result": {"type": "succeeded", "message": message}}).encode() + b"\n"


BATCH = Batch("b", "anthropic", "ended")


def results(server, **options):
    client = Client("anthropic", api_key="sk-secret-key", base_url=server.url, **options)
    return client.batches.results(BATCH)


LINES = [line(number) for number in range(6)]
# name → what is sent of the file at first, and how the connection ends then
CUTS = {
    "between two lines": (LINES[:3], "reset"),
    "in a line": ([*LINES[:3], LINES[3][:40]], "reset"),
    "in a line, properly": ([*LINES[:3], LINES[3][:40]], "end"),
    "before the first": ([], "reset"),
    "behind the last": (LINES, "reset"),
}


@pytest.mark.parametrize(("sent", "ending"), CUTS.values(), ids=CUTS.keys())
def test_a_connection_that_is_lost(sent, ending):
    """It is asked for again, and each row is told once."""

    def script(wire):
        wire.receive()
        if wire.number == 1:
            wire.send(CHUNKED + b"".join(map(chunk, sent)))
            if ending == "end":
                wire.send(chunk(b""))
            return
        wire.send(CHUNKED + b"".join(map(chunk, LINES)) + chunk(b""))

    with Server(script) as server:
        found = [one.id for one in results(server)]
        assert found == [f"r{number}" for number in range(6)]
        assert server.connections == 2


def test_a_connection_that_is_always_lost():
    """No row twice, none left out; who asks again goes on where it stopped."""
    healthy = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(
            CHUNKED + chunk(LINES[0]) + (b"".join(map(chunk, LINES[1:])) + chunk(b"") if healthy.is_set() else b"")
        )

    with Server(script) as server:
        reading = results(server, max_retries=1)
        assert next(reading).id == "r0"
        with pytest.raises(ConnectionFailedError) as caught:
            next(reading)
        assert caught.value.attempts == 2
        assert caught.value.provider == "anthropic"
        assert "sk-secret-key" not in repr(caught.value.__dict__) + str(caught.value)
        healthy.set()
        assert [one.id for one in reading] == [f"r{number}" for number in range(1, 6)]


# name → (the body, what is read)
BODIES = {
    "no line": (b"", []),
    "blank lines": (b"\n\r\n" + LINES[0] + b"\n  \n" + LINES[1], ["r0", "r1"]),
    "CRLF": (LINES[0].replace(b"\n", b"\r\n") + LINES[1], ["r0", "r1"]),
    "no line end at the last": (LINES[0] + LINES[1].rstrip(), ["r0", "r1"]),
}


@pytest.mark.parametrize(("body", "ids"), BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_cut_anywhere(body, ids, size):
    pieces = [chunk(body[at : at + size]) for at in range(0, len(body), size)]
    with Server(lambda wire: wire.receive() and wire.send(CHUNKED + b"".join(pieces) + chunk(b""))) as server:
        assert [one.id for one in results(server)] == ids


# name → a line that is none
STRANGE = {
    "no JSON": b"{oops}\n",
    "a list": b"[]\n",
    "without an id": b'{"result": {"type": "expired"}}\n',
    "without a result": b'{"custom_id": "x"}\n',
    "no UTF-8": b'"\xff"\n',
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_a_line_that_is_none(strange):
    """It is told of once, and the others can be read."""
    body = LINES[0] + strange + LINES[1]
    with Server(lambda wire: wire.receive() and wire.send(reply(body))) as server:
        reading = results(server)
        assert next(reading).id == "r0"
        with pytest.raises(InvalidResponseError):
            next(reading)
        assert [one.id for one in reading] == ["r1"]


# name → a row that tells of an answer that is none
MISREAD = {
    "no message": b'{"custom_id": "x", "result": {"type": "succeeded", "message": {}}}\n',
    "a word of tomorrow": b'{"custom_id": "x", "result": {"type": "postponed"}}\n',
    "an error of another form": b'{"custom_id": "x", "result": {"type": "errored", "error": {"oh": 1}}}\n',
}


@pytest.mark.parametrize("body", MISREAD.values(), ids=MISREAD.keys())
def test_a_row_that_is_no_answer(body):
    """It is the error of that row."""
    with Server(lambda wire: wire.receive() and wire.send(reply(body + LINES[1]))) as server:
        one, other = results(server)
    assert one.id == "x"
    assert isinstance(one.error, (APIError, InvalidResponseError))
    assert other.error is None


def test_a_page_in_place_of_the_file():
    page = reply(b"<html>", headers="Content-Type: text/html\r\n")
    with (
        Server(lambda wire: wire.receive() and wire.send(page)) as server,
        pytest.raises(InvalidResponseError, match="JSON Lines"),
    ):
        next(results(server))


def test_results_are_read_as_they_are_asked_for():
    """Thirty megabytes that are never in memory at once, of which each row is told as soon as it came."""
    size, count = 10_000, 3000

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(line(0, "x" * size)))
        wire.server.reached.wait(20)  # set when the first row has been told
        for number in range(1, count):
            wire.send(chunk(line(number, "x" * size)))
        wire.send(chunk(b""))

    with Server(script) as server:
        reading = results(server)
        assert next(reading).unwrap().text == "x" * size
        server.reached.set()
        tracemalloc.start()
        try:
            total = sum(len(one.unwrap().text) for one in reading)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert total == (count - 1) * size
    assert peak < 3_000_000, peak


@pytest.mark.parametrize("way", ["close", "with", "forgotten"])
def test_the_host_learns_of_the_end(way):
    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(LINES[0]))
        wire.hang()

    with Server(script) as server:
        reading = results(server)
        next(reading)
        if way == "with":
            with reading:
                pass
        elif way == "close":
            reading.close()
        if way != "forgotten":
            assert list(reading) == []
        del reading
        gc.collect()
        assert server.left.wait(20)


def test_results_that_nobody_reads():
    with Server(lambda wire: wire.hang()) as server:
        reading = results(server)
        reading.close()
        assert list(reading) == []
        del reading
        gc.collect()
        assert server.connections == 0


def test_lines_that_have_ended():
    with (
        Server(lambda wire: wire.receive() and wire.send(reply(b"1\n2"))) as server,
        Client("anthropic", api_key="k", base_url=server.url) as client,
    ):
        found = Lines(client._engine, Call("/x"), {}, Deadlines(20), 0)
        assert list(found) == [1, 2]
        assert list(found) == []
        assert [asked.headers["accept"] for asked in server.requests] == ["*/*"]


def test_a_key_that_is_wrong():
    body = reply(b'{"type": "error", "error": {"type": "authentication_error", "message": "no"}}', status="401 No")
    with (
        Server(lambda wire: wire.receive() and wire.send(body)) as server,
        pytest.raises(AuthenticationError) as caught,
    ):
        next(results(server))
    assert caught.value.status == 401


SECRETS = ("sk-secret-0123456789", "of-one-call-0123456789", "qk-query-0123456789")
# name → what is asked
ASKED = {
    "create": lambda batches, **options: batches.create(["one"], **options),
    "create wrongly": lambda batches, **options: batches.create([Request("one", seed=1)], **options),
    "get": lambda batches, **options: batches.get("b", **options),
    "list": lambda batches, **options: batches.list(**options),
    "cancel": lambda batches, **options: batches.cancel("b", **options),
    "wait": lambda batches, **options: batches.wait("b", timeout=5, **options),
    "results": lambda batches, **options: batches.results("b", **options),
    "a row": lambda batches, **options: next(batches.results(BATCH, **options)).unwrap(),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
@pytest.mark.parametrize("status", ["400 No", "200 OK"])
def test_no_error_holds_a_key(ask, status):
    """Whatever the host repeats, and whatever the frames of a traceback hold."""

    def script(wire):
        for asked in wire.requests():
            words = f"{asked.headers} {asked.path}"
            error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
            row = {"custom_id": "a", "result": {"type": "errored", "error": error}}
            wire.send(reply(json.dumps(row if status == "200 OK" else error).encode(), status=status))

    key, header, query = SECRETS
    with Server(script) as server, Client("anthropic", api_key=key, base_url=server.url, max_retries=0) as client:
        with pytest.raises(LLMKitError) as caught:
            ask(client.batches, extra_headers={"x-token": header}, extra_query={"key": query})
        seen = [text for place, text in seen_of(caught.value)]
        assert seen
        assert not [text for text in seen if any(secret in text for secret in SECRETS)]


def test_the_key_goes_nowhere_else():
    """Where the results are is not read from the batch, which another host may have written."""
    ended = {"id": "b", "processing_status": "ended", "results_url": "http://elsewhere.invalid/results"}

    def script(wire):
        for asked in wire.requests():
            wire.send(reply(LINES[0] if asked.path.endswith("/results") else json.dumps(ended).encode()))

    with Server(script) as server, Client("anthropic", api_key="k", base_url=server.url) as client:
        assert [one.id for one in client.batches.results("b")] == ["r0"]
        assert [asked.path for asked in server.requests] == ["/v1/messages/batches/b", "/v1/messages/batches/b/results"]


# ---- the host, asked by the vendor's own client ----------------------------------------------------------------------


@pytest.fixture
def vendor(server):
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as found:
        yield found.messages.batches


def asked_for(*texts):
    return [
        {
            "custom_id": f"c{index}",
            "params": {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": text}]},
        }
        for index, text in enumerate(texts)
    ]


def test_a_batch_from_end_to_end(server, vendor):
    server.reply_with(lambda request: APIError("", code="expired") if request.messages[0].text == "late" else None)
    batch = vendor.create(requests=asked_for("one", "late", "three"))
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
    assert batch.results_url is None
    assert vendor.retrieve(batch.id).processing_status == "in_progress"
    batch = vendor.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.succeeded, batch.request_counts.expired) == ("ended", 2, 1)
    found = {one.custom_id: one.result for one in vendor.results(batch.id)}
    assert {id_: result.type for id_, result in found.items()} == {
        "c0": "succeeded",
        "c1": "expired",
        "c2": "succeeded",
    }
    assert found["c2"].message.content[0].text == "three"
    assert found["c2"].message.usage.service_tier == "batch"


def test_errors_of_rows_and_of_batches(server, vendor):
    server.reply(Reply(error=ServerError("oh")))
    batch = vendor.create(requests=asked_for("one"))
    with pytest.raises(anthropic.AnthropicError):
        vendor.results(batch.id)
    vendor.retrieve(batch.id)
    vendor.retrieve(batch.id)
    (result,) = (one.result for one in vendor.results(batch.id))
    assert (result.type, result.error.error.type) == ("errored", "api_error")
    with pytest.raises(anthropic.NotFoundError):
        vendor.retrieve("msgbatch_other")


def test_pages_cancelling_and_deleting(server, vendor):
    made = [vendor.create(requests=asked_for("one")).id for _ in range(5)]
    assert [batch.id for batch in vendor.list(limit=2)] == made[::-1]
    with pytest.raises(anthropic.BadRequestError):
        vendor.delete(made[0])
    assert vendor.cancel(made[0]).processing_status == "canceling"
    assert vendor.retrieve(made[0]).request_counts.canceled == 1
    assert vendor.delete(made[0]).type == "message_batch_deleted"
    assert len(list(vendor.list())) == 4


def test_a_batch_that_has_ended_is_not_cancelled(server, vendor):
    server.batch_looks = 0
    batch = vendor.retrieve(vendor.create(requests=asked_for("one")).id)
    assert vendor.cancel(batch.id).processing_status == "ended"
    assert vendor.retrieve(batch.id).request_counts.succeeded == 1


def test_what_the_host_has_not(server, vendor):
    batch = vendor.create(requests=asked_for("one"))
    for ask in (
        lambda: vendor._get(f"/v1/messages/batches/{batch.id}/results", cast_to=object),
        lambda: vendor._post(f"/v1/messages/batches/{batch.id}/resume", cast_to=object),
    ):
        with pytest.raises(anthropic.NotFoundError):
            ask()
    with pytest.raises(anthropic.BadRequestError, match="expected an object"):
        vendor._post("/v1/messages/batches", body=[], cast_to=object)


# name → the body
REFUSED = {
    "nothing": {},
    "no requests": {"requests": []},
    "no list": {"requests": {}},
    "no id": {"requests": [{"params": {}}]},
    "a bad id": {"requests": [{"custom_id": "a b", "params": {}}]},
    "the same id": {"requests": [*asked_for("one"), *asked_for("two")]},
    "no params": {"requests": [{"custom_id": "a"}]},
    "a stream": {"requests": [{"custom_id": "a", "params": {"stream": True}}]},
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_the_host_refuses(vendor, body):
    with pytest.raises(anthropic.BadRequestError):
        vendor.create(requests=(), extra_body={"requests": None, **body})
