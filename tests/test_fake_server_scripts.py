"""A `FakeServer` told what to do by JSON: from a file, and by HTTP, as programs in other languages do."""

import base64

import pytest
import requests

from llmkit import (
    ConfigurationError,
    FinishReason,
    Image,
    IncompleteStreamError,
    Model,
    OverloadedError,
    RateLimitError,
    Refusal,
    ServerError,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from llmkit.history import to_data
from llmkit.media.png import encode as png
from llmkit.messages import AssistantMessage, Citation
from llmkit.testing import FAULTS, FakeServer, Reply, by_characters, unsplit
from llmkit.testing.scripts import reply

PICTURE = png(bytes(12), 2, 2, 3)
PARTS = [Thinking("Hm.", "sig"), "Let me see.", ToolCall("call_1", "weather", {"city": "Oslo"})]
CALL = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}}
ERROR = RateLimitError("slow down", status=429, retry_after=2)

# name → (JSON, the reply that it is)
REPLIES = {
    "text": ("Hello", Reply("Hello")),
    "no text": ("", Reply("")),
    "no parts": ([], Reply(())),
    "parts": ([{"type": "thinking", "text": "Hm.", "signature": "sig"}, "Let me see.", CALL], Reply(PARTS)),
    "content that is text": ({"content": "Hello"}, Reply("Hello")),
    "content that is a part": ({"content": CALL}, Reply(PARTS[2])),
    "content that is parts": ({"content": ["a", CALL]}, Reply(["a", PARTS[2]])),
    "what history writes": ({"content": to_data([AssistantMessage(PARTS)])["messages"][0]["content"]}, Reply(PARTS)),
    "a refusal": ({"content": {"type": "refusal", "text": "No."}}, Reply(Refusal("No."))),
    "a picture": (
        [{"type": "image", "media_type": "image/png", "data": base64.b64encode(PICTURE).decode()}],
        Reply(Image(PICTURE)),
    ),
    "a source": (
        [{"type": "text", "text": "Cold.", "citations": [{"text": "", "url": "https://a.example/"}]}],
        Reply(Text("Cold.", [Citation(url="https://a.example/")])),
    ),
    "all there is": (
        {
            "content": "Hello",
            "usage": {"input_tokens": 9, "output_tokens": 2, "cache_read_tokens": 3},
            "finish_reason": "length",
            "id": "one",
            "model": "m",
            "latency": 0.5,
            "delay": 0,
        },
        Reply(
            "Hello",
            usage=Usage(9, 2, 3),
            finish_reason=FinishReason("length"),
            id="one",
            model="m",
            latency=0.5,
            delay=0,
        ),
    ),
    "a word of the host": (
        {"content": "x", "finish_reason": {"reason": "length", "raw": "MAX_TOKENS"}},
        Reply("x", finish_reason=FinishReason("length", "MAX_TOKENS")),
    ),
    "a stop sequence": (
        {"content": "x", "finish_reason": {"reason": "stop", "stop_sequence": "END"}},
        Reply("x", finish_reason=FinishReason("stop", stop_sequence="END")),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), REPLIES.values(), ids=REPLIES.keys())
def test_reply(data, expected):
    assert reply(data, "reply") == expected


ERRORS = {
    "a rate limit": ({"status": 429, "message": "slow down", "retry_after": 2}, RateLimitError, "slow down"),
    "without words": ({"status": 529}, OverloadedError, "status 529"),
}


@pytest.mark.parametrize(("data", "cls", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_error(server, client, data, cls, words):
    server.script({"replies": [{"error": {**data, "headers": {"x-mine": "1"}}}]})
    with pytest.raises(cls, match=words) as caught:
        client.complete("Hi")
    assert caught.value.status == data["status"]
    assert caught.value.retry_after == data.get("retry_after")
    assert caught.value.headers["x-mine"] == "1"


def test_script_says_all(server, client):
    server.script(
        {
            "replies": ["one", {"content": "two"}],
            "faults": ["cut stream", {"name": "cut stream", "after": 4}],
            "limit": {"requests_per_minute": 9000, "window": 2},
            "models": ["m", {"id": "n", "display_name": "N", "context_window": 9, "max_output": 3}],
            "latency": 0.001,
            "delay": 0,
            "pieces": 3,
            "chunking": "characters",
            "token_count": 77,
            "batch_looks": 3,
        }
    )
    assert (server.scripted, server.latency, server.delay, server.pieces) == (4, 0.001, 0, 3)
    assert (server.chunking, server.token_count, server.batch_looks) == (by_characters, 77, 3)
    for text in ("o", "o"):
        with pytest.raises(IncompleteStreamError) as caught:
            client.stream("Hi").collect()
        assert caught.value.partial.text.startswith(text)
    assert [client.complete("Hi").text for _ in range(3)] == ["one", "two", "Hi"]
    assert client.count_tokens("Hi") == 77
    assert server.models == [Model("m"), Model("n", "N", context_window=9, max_output=3)]
    assert client.complete("Hi").headers["anthropic-ratelimit-requests-limit"] == "9000"


def test_scripts_add_up(server, client):
    for word in ("one", "two"):
        server.script({"replies": [word]})
    server.script({"chunking": "whole"})
    assert (server.scripted, server.chunking) == (2, unsplit)
    server.script({})
    assert [client.complete("Hi").text for _ in range(2)] == ["one", "two"]


WRONG = {
    "a header of two lines": (
        {"replies": [{"error": {"status": 429, "headers": {"a": "b\r\nc: d"}}}]},
        r"^script\.replies\[0\]\.error\.headers\.a: it holds line ends",
    ),
    "a name that no header has": (
        {"replies": [{"error": {"status": 429, "headers": {"☃": "a"}}}]},
        r"^script\.replies\[0\]\.error\.headers: '☃' is no name",
    ),
    "no object": ([], r"^script: expected dict, got list"),
    "an unknown key": ({"answers": []}, r"^script\.answers: unknown key"),
    "no list": ({"replies": "Hi"}, r"^script\.replies: expected list, got str"),
    "a part of no kind": ({"replies": ["a", [{"type": "x"}]]}, r"^script\.replies\[1\]\[0\]\.type: "),
    "a part of content": ({"replies": [{"content": ["a", {"text": 3}]}]}, r"^script\.replies\[0\]\.content\[1\]\.type"),
    "a result": (
        {"replies": [{"content": {"type": "tool_result", "call_id": "c"}}]},
        r"^script\.replies\[0\]\.content\[0\]: ToolResult cannot",
    ),
    "no content": ({"replies": [{"usage": {}}]}, r"^script\.replies\[0\]\.content: is missing"),
    "a number": ({"replies": [3]}, r"^script\.replies\[0\]\[0\]: expected dict, got int"),
    "a strange count": ({"replies": [{"content": "", "usage": {"input": 1}}]}, r"\.usage\.input: unknown key"),
    "a count of text": (
        {"replies": [{"content": "", "usage": {"input_tokens": "1"}}]},
        r"\.usage\.input_tokens: expected a whole number",
    ),
    "a strange reason": (
        {"replies": [{"content": "", "finish_reason": "bored"}]},
        r"^script\.replies\[0\]: finish_reason: expected",
    ),
    "a time that is none": ({"replies": [{"content": "", "latency": ""}]}, r"^script\.replies\[0\]: latency: expected"),
    "an error with content": ({"replies": [{"error": {"status": 500}, "content": ""}]}, r"\[0\]\.content: unknown key"),
    "an error that is none": ({"replies": [{"error": {"status": 200}}]}, r"\.error\.status: expected a whole number"),
    "an error without a status": ({"replies": [{"error": {}}]}, r"\.error\.status: is missing"),
    "an unknown fault": ({"faults": ["gremlins"]}, r"^script\.faults\[0\]\.name: there is no fault 'gremlins'; there"),
    "a fault before": ({"faults": [{"name": "stall", "after": -1}]}, r"^script\.faults\[0\]\.after: expected a whole"),
    "a limit of nothing": ({"limit": {"concurrent": 0}}, r"^script\.limit: concurrent: expected"),
    "a strange limit": ({"limit": {"per_hour": 1}}, r"^script\.limit\.per_hour: unknown key"),
    "a latency below nothing": ({"latency": -1}, r"^script\.latency: expected a number"),
    "pieces of nothing": ({"pieces": 0}, r"^script\.pieces: expected a whole number"),
    "a strange chunking": ({"chunking": "letters"}, r"^script\.chunking: expected one of words, characters, whole"),
    "a model without a name": ({"models": [{}]}, r"^script\.models\[0\]\.id: is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "message"), WRONG.values(), ids=WRONG.keys())
def test_nothing_is_told_where_something_is_wrong(script, message):
    server = FakeServer()
    told = {"replies": ["Hi"], "faults": ["stall"], "latency": 1, "pieces": 1, "limit": {"concurrent": 1}}
    with pytest.raises(ConfigurationError, match=message):
        server.script({**told, **script} if isinstance(script, dict) else script)
    assert (server.scripted, server.latency, server.pieces, server._limits) == (0, 0, None, None)


# ---- by HTTP ---------------------------------------------------------------------------------------------------------


def ask(server, path, content=None, **kwargs):
    """A request as from another language; a POST where there is content."""
    method = "GET" if content is None else "POST"
    return requests.request(method, f"{server.url}/_llmkit{path}", **{"json": content, "timeout": 20, **kwargs})


def test_told_by_http(server, client):
    assert ask(server, "/reply", "one").json() == {"scripted": 1}
    assert ask(server, "/reply", {"content": [CALL], "usage": {"input_tokens": 3}}).json() == {"scripted": 2}
    assert ask(server, "/script", {"replies": ["three"], "faults": ["server error"]}).json() == {"scripted": 4}
    assert ask(server, "/fault", "cut stream").json() == {"scripted": 5}
    assert ask(server, "/fault", {"name": "overloaded", "after": None}).json() == {"scripted": 6}
    for cls in (ServerError, IncompleteStreamError, OverloadedError):
        with pytest.raises(cls):
            client.stream("Hi").collect()
    assert client.complete("Hi").text == "one"
    assert client.complete("Hi").tool_calls == (PARTS[2],)
    assert client.complete("Hi").text == "three"


def test_what_was_asked_by_http(server):
    for provider in ("anthropic", "openai", "openai-chat", "gemini"):
        server.client(provider, api_key="a-planted-key").complete("Hi", system="Be brief.")
    answer = ask(server, "/requests")
    assert "a-planted-key" not in answer.text
    found = answer.json()
    for data, request in zip(found, server.requests, strict=True):
        assert (data["method"], data["path"], data["json"]) == (request.method, request.path, request.json)
        assert data["wire"] == request.wire
        assert data["messages"] == to_data(request.messages)["messages"]
        assert data["headers"]["content-type"] == "application/json"
    assert found[0]["headers"]["x-api-key"] == "[key]"


def test_a_key_in_the_query_is_not_told(server):
    requests.get(f"{server.url}/v1beta/models?key=a-planted-key&pageSize=1", timeout=20)
    (data,) = ask(server, "/requests").json()
    assert data["query"] == {"key": "[key]", "pageSize": "1"}


def test_a_request_that_holds_no_conversation(server):
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    requests.post(f"{server.url}/v1/messages", headers=headers, timeout=20, json={"messages": [{"role": "x"}]})
    (data,) = ask(server, "/requests").json()
    assert data["messages"] is None
    assert "messages[0]" in data["error"]


def test_reset_by_http(server, client):
    client.complete("Hi")
    ask(server, "/script", {"replies": ["one"], "latency": 3600})
    with requests.Session() as session:
        for _ in range(3):
            answer = session.post(f"{server.url}/_llmkit/reset", timeout=20)
            assert (answer.status_code, answer.json()) == (200, {"scripted": 0})
    assert (server.requests, server.scripted, server.latency) == ([], 0, 0)
    assert client.complete("Hi").text == "Hi"


def test_what_it_tells_of_itself(server, client):
    client.complete("Hi")
    server.reply("one")
    for path in ("", "/"):
        found = ask(server, path).json()
        assert (found["url"], found["requests"], found["scripted"], found["refused"]) == (server.url, 1, 1, 0)
        assert found["abandoned"] == 0
        assert found["faults"] == dict(FAULTS)
        assert found["variables"] == server.variables
        assert "POST /_llmkit/reply" in found["paths"]


def test_it_is_no_request_of_a_provider(server):
    """It is neither recorded nor late, and neither a fault nor a limit is for it."""
    server.latency = 3600
    server.fault("no answer")
    server.limit(requests_per_minute=1, window=60)
    for _ in range(3):
        assert ask(server, "/reply", "one").status_code == 200
    assert server.requests == []
    assert server.scripted == 4


def test_what_comes_in_chunks(server):
    """As clients of some languages send JSON, whose length they do not count before."""
    with requests.Session() as session:
        for _ in range(2):  # on one connection
            answer = session.post(f"{server.url}/_llmkit/reply", data=iter([b'"He', b'i"']), timeout=20)
            assert answer.status_code == 200
    assert [server.client("openai").complete("Hi").text for _ in range(2)] == ["Hei", "Hei"]


REFUSED = {
    "no such path": ("/answers", {}, {}, 404, "there is no /_llmkit/answers; there are GET /_llmkit, POST /_llmkit/r"),
    "another method": ("/reply", None, {}, 405, "/_llmkit/reply is asked by POST"),
    "another method of reading": ("/requests", {}, {}, 405, "/_llmkit/requests is asked by GET"),
    "no JSON": ("/reply", {}, {"json": None, "data": b"{oops"}, 400, "the body is no JSON"),
    "no body": ("/reply", {}, {"json": None}, 400, "reply[0]: expected dict, got None"),
    "what is no reply": ("/reply", {"content": 3}, {}, 400, "reply.content[0]: expected dict, got int"),
    "what is no fault": ("/fault", "gremlins", {}, 400, "fault.name: there is no fault 'gremlins'; there are cut str"),
    "what is no script": ("/script", [], {}, 400, "script: expected dict, got list"),
    "a page in a browser": ("/requests", None, {"headers": {"Origin": "https://a.example"}}, 403, "no browser is"),
}


@pytest.mark.parametrize(("path", "content", "kwargs", "status", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(server, path, content, kwargs, status, words):
    answer = ask(server, path, content, **kwargs)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(words)
    assert server.scripted == 0


def test_paths_that_only_begin_alike_are_the_providers(server):
    assert requests.get(f"{server.url}/_llmkits", timeout=20).status_code == 401
    assert len(server.requests) == 1
