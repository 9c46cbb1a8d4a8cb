"""`FakeServer` as a host: what it records, refuses, counts and lists, and how it starts and ends."""

import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from llmkit import (
    AssistantMessage,
    ConfigurationError,
    Document,
    Image,
    IncompleteStreamError,
    LLMKitError,
    Model,
    Request,
    SystemMessage,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    UserMessage,
)
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
PICTURE = Image(png(bytes(12), 2, 2, 3))
BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server):
    """With a limit, as answers that may be long are always streamed."""
    return server.client("anthropic", max_retries=0).with_options(max_tokens=100)


# ---- what was asked --------------------------------------------------------------------------------------------------


def test_requests_are_recorded(server, client):
    call = ToolCall("c", "add", {"a": 1})
    asked = [UserMessage([PICTURE, "What?"]), AssistantMessage(call), UserMessage(call.result("2"))]
    client.complete(asked, system="Be brief.", extra_query={"beta": "true"})
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/messages", {"beta": "true"})
    assert request.headers["X-API-Key"] == request.headers["x-api-key"] == "test-key"
    assert request.json["max_tokens"] == 100
    assert json.loads(request.body) == request.json
    assert request.messages == [SystemMessage("Be brief."), *asked]
    assert "test-key" not in repr(request)


def test_request_without_messages(server, client):
    client.models()
    assert (server.requests[0].json, server.requests[0].messages) == (None, [])


def test_documents_and_pictures_are_accepted(server, client):
    media = [PICTURE, Document(b"a,b", media_type="text/csv"), Image(url="https://a.example/x.png")]
    assert client.complete("See?", media=media).text == "See?"
    assert [type(part) for part in server.requests[0].messages[0].content] == [Image, Document, Image, Text]


def test_tools_are_accepted(server, client):
    server.reply(ToolCall("c", "add", {"a": 1}))
    assert client.complete("1?", tools=[Tool("add")]).tool_calls
    assert server.requests[0].json["tools"][0]["name"] == "add"


# ---- counting and models ---------------------------------------------------------------------------------------------


def test_count_tokens(server, client):
    assert client.count_tokens("12345", system="123") == 2
    server.token_count = 77
    assert client.count_tokens("Hi") == 77
    server.reply("Hi")
    assert client.complete("Hi").usage.input_tokens == 77


def test_models(server, client):
    assert [model.id for model in client.models()] == ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"]
    server.models = [Model(f"m{number}", capabilities=frozenset({"thinking"})) for number in range(1005)]
    found = client.models()
    assert [model.id for model in found] == [f"m{number}" for number in range(1005)]
    assert len(server.requests) == 3
    assert found[0].capabilities == {"thinking"}


PAGES = {
    "first": ({"limit": "2"}, ["a", "b"], True),
    "after": ({"limit": "2", "after_id": "b"}, ["c", "d"], True),
    "last": ({"limit": "2", "after_id": "d"}, ["e"], False),
    "beyond": ({"after_id": "e"}, [], False),
    "before": ({"limit": "2", "before_id": "d"}, ["b", "c"], True),
    "all": ({}, ["a", "b", "c", "d", "e"], False),
}


@pytest.mark.parametrize(("query", "expected", "more"), PAGES.values(), ids=PAGES.keys())
def test_pages_of_models(server, query, expected, more):
    server.models = [Model(name) for name in "abcde"]
    page = requests.get(f"{server.url}/v1/models", params=query, headers=HEADERS, timeout=5).json()
    assert [model["id"] for model in page["data"]] == expected
    assert page["has_more"] is more
    assert (page["first_id"], page["last_id"]) == ((expected[0], expected[-1]) if expected else (None, None))


def test_one_model(server):
    found = requests.get(f"{server.url}/v1/models/claude-opus-5", headers=HEADERS, timeout=5).json()
    assert (found["type"], found["id"], found["created_at"]) == ("model", "claude-opus-5", "2026-01-01T00:00:00Z")


# ---- what the host refuses -------------------------------------------------------------------------------------------


def said(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


def turns(*contents):
    roles = ("user", "assistant") * len(contents)
    return {"messages": [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]}


USE = {"type": "tool_use", "id": "t1", "name": "t", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1"}
# name → (what is changed of the body, the message); None takes a key out
REFUSED = {
    "no model": ({"model": None}, "model: Field required"),
    "no max_tokens": ({"max_tokens": None}, "max_tokens: Field required"),
    "no messages": ({"messages": None}, "messages: Field required"),
    "empty messages": ({"messages": []}, "messages: at least one message is required"),
    "max_tokens as text": ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    "max_tokens as a truth": ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
    "messages as text": ({"messages": "Hi"}, "messages: Input should be a valid list"),
    "a number as system": ({"system": 3}, "system: Input should be a valid list"),
    "too hot": ({"temperature": 1.5}, "temperature: range: 0..1"),
    "stream as text": ({"stream": "yes"}, "stream: Input should be a valid boolean"),
    "a message as text": ({"messages": ["Hi"]}, "messages.0: Input should be an object"),
    "an unknown role": (
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages.0.role: Input should be 'user', 'assistant', 'system'",
    ),
    "no content": ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    "content as a number": (
        {"messages": [{"role": "user", "content": 3}]},
        "messages.0.content: Input should be a valid list",
    ),
    "a block as text": (said("x"), "messages.0.content.0: Input should be an object"),
    "a block without type": (said({"text": "x"}), "messages.0.content.0.type: Field required"),
    "text as a number": (said({"type": "text", "text": 1}), "messages.0.content.0.text: Input should be a valid"),
    "empty text": (said({"type": "text", "text": ""}), "messages: text content blocks must be non-empty"),
    "blank text": (said({"type": "text", "text": " "}), "messages: text content blocks must contain"),
    "a call without its result": (
        turns("a", [USE], "b"),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    "a call at the end": (
        turns("a", [USE]),
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1.",
    ),
    "a result without its call": (
        turns("a", "b", [RESULT]),
        "messages.2: unexpected `tool_use_id` found in `tool_result` blocks: t1.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_as_the_host_does(server, changes, message):
    body = {key: value for key, value in {**BODY, **changes}.items() if value is not None}
    answer = requests.post(f"{server.url}/v1/messages", json=body, headers=HEADERS, timeout=5)
    assert answer.status_code == 400
    found = answer.json()
    assert (found["type"], found["error"]["type"]) == ("error", "invalid_request_error")
    assert found["error"]["message"].startswith(message)


def test_body_that_is_no_json(server):
    answer = requests.post(f"{server.url}/v1/messages", data=b"{", headers=HEADERS, timeout=5)
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["error"]["message"]
    assert server.requests[0].json is None


def test_results_in_two_turns_of_one_role_are_one_turn(server):
    two = {**USE, "id": "t2"}
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [USE, two]},
        {"role": "user", "content": [RESULT]},
        {"role": "user", "content": [{**RESULT, "tool_use_id": "t2"}]},
    ]
    answer = requests.post(f"{server.url}/v1/messages", json={**BODY, "messages": messages}, headers=HEADERS, timeout=5)
    assert answer.status_code == 200


KEYS = {
    "no key": ({"x-api-key": None}, 401, "x-api-key header is required"),
    "an empty key": ({"x-api-key": ""}, 401, "invalid x-api-key"),
    "an empty bearer": ({"x-api-key": None, "authorization": "Bearer "}, 401, "invalid x-api-key"),
    "a bearer": ({"x-api-key": None, "authorization": "Bearer t"}, 200, ""),
    "no version": ({"anthropic-version": None}, 400, "anthropic-version: header is required"),
}


@pytest.mark.parametrize(("changes", "status", "message"), KEYS.values(), ids=KEYS.keys())
def test_headers_that_the_host_wants(server, changes, status, message):
    headers = {key: value for key, value in {**HEADERS, **changes}.items() if value is not None}
    answer = requests.post(f"{server.url}/v1/messages", json=BODY, headers=headers, timeout=5)
    assert answer.status_code == status
    if message:
        assert answer.json()["error"]["message"] == message


def test_below_whatever_stands_before(server):
    """As gateways have it."""
    client = server.client("anthropic", base_url=f"{server.url}/gateway/of/mine")
    assert client.complete("Hi").text == "Hi"
    assert client.count_tokens("Hi") == 1
    assert len(client.models()) == 3
    batch = client.batches.wait(client.batches.create([Request("Hi", id="a", max_tokens=9)]).id)
    assert next(client.batches.results(batch.id)).unwrap().text == "Hi"


LOST = {
    "a path of nobody": ("GET", "/"),
    "another version": ("POST", "/v2/messages"),
    "another word": ("POST", "/v1/messages_of_mine"),
    "another method": ("GET", "/v1/messages"),
    "no such model": ("GET", "/v1/models/nobody"),
    "after no such model": ("GET", "/v1/models?after_id=nobody"),
    "deleting": ("DELETE", "/v1/models"),
}


@pytest.mark.parametrize(("method", "path"), LOST.values(), ids=LOST.keys())
def test_not_found(server, method, path):
    answer = requests.request(method, server.url + path, headers=HEADERS, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


def test_limit_that_is_none(server):
    answer = requests.get(f"{server.url}/v1/models?limit=x", headers=HEADERS, timeout=5)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


# ---- the server itself -----------------------------------------------------------------------------------------------


def test_many_threads_get_their_own_answers(server, client):
    server.reply_with(lambda request: f"for {request.messages[-1].text}")
    gate = threading.Barrier(16)

    def ask(number):
        gate.wait(10)
        name = f"caller {number}"
        return client.stream(name).collect().text if number % 2 else client.complete(name).text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(16))) == [f"for caller {number}" for number in range(16)]
    assert len(server.requests) == 16


def test_ids_of_answers_differ(server, client):
    assert len({client.complete("Hi").id for _ in range(3)}) == 3


def test_connections_are_kept(server):
    with requests.Session() as session:
        for _ in range(3):
            answer = session.post(
                f"{server.url}/v1/messages", json={**BODY, "stream": True}, headers=HEADERS, timeout=5
            )
            assert answer.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
        assert len(server._loopback._open) == 1


def test_close_while_a_stream_is_open():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        server = FakeServer()
        server.start()
        server.fault("stall", after=4)
        stream = server.client("anthropic", max_retries=0).stream("one two three")
        assert next(stream) == TextDelta("one")
        loopback = server._loopback
        server.close()
        with pytest.raises(IncompleteStreamError):
            stream.collect()
    assert not loopback._open
    assert not loopback._acceptor.is_alive()


def test_close_while_it_waits_between_events():
    server = FakeServer()
    server.start()
    server.delay = 60
    stream = server.client("anthropic", max_retries=0).stream("one two three", timeout=5)
    server.close()
    with pytest.raises(LLMKitError):
        stream.collect()


def test_close_from_within():
    with FakeServer() as server:
        server.reply_with(lambda request: server.close())
        with pytest.raises(LLMKitError):
            server.client("anthropic", max_retries=0).complete("Hi")


def test_delay(server, client):
    server.delay = 0.001
    assert client.stream("one two three").collect().text == "one two three"


def test_start_and_close_again():
    server = FakeServer()
    for _ in range(2):
        server.start()
        server.start()
        assert server.url.startswith("http://127.0.0.1:")
        assert "http" in repr(server)
        assert server.client("anthropic").complete("Hi").text == "Hi"
        server.close()
        server.close()
    assert "closed" in repr(server)
    with pytest.raises(ConfigurationError, match="not running"):
        _ = server.url


def test_client_takes_the_callers_own_arguments(server):
    client = server.client("anthropic:some-model", api_key="mine", headers={"x-y": "z"})
    assert client.complete("Hi").model == "some-model"
    assert server.requests[0].headers["x-api-key"] == "mine"
    assert server.requests[0].headers["x-y"] == "z"
