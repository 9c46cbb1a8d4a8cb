"""`FakeServer` as a host of ``gemini-generate``: what it sends, byte by byte, and whose requests it takes."""

import json

import pytest
import requests

from llmkit import (
    APIError,
    Audio,
    AuthenticationError,
    BadRequestError,
    Citation,
    ConfigurationError,
    FinishReason,
    Opaque,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from llmkit.testing import FakeServer, RecordedRequest, Reply, by_characters
from llmkit.testing.gemini_generate import RENDERING, events

WIRE = "gemini-generate"
HEADERS = {"x-goog-api-key": "k"}
MODEL = "/v1beta/models/gemini-3.6-flash"
VERTEX = "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-3.6-flash"
BODY = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def post(server, path, body=BODY, headers=HEADERS):
    return requests.post(server.url + path, json=body, headers=headers, timeout=5)


# ---- how it is sent --------------------------------------------------------------------------------------------------


def chunk(text, count, **ended):
    return {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, **ended, "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": count, "totalTokenCount": 1 + count},
        "modelVersion": "gemini-3.6-flash",
        "responseId": "r1",
    }


CHUNKS = [chunk("one", 1), chunk(" two", 2, finishReason="STOP")]


def test_stream_of_events(server):
    server.reply(Reply("one two", id="r1"))
    answer = post(server, f"{MODEL}:streamGenerateContent?alt=sse")
    assert answer.headers["content-type"] == "text/event-stream"
    lines = answer.content.split(b"\r\n")
    assert lines[1::2] == [b"", b""]
    assert lines[4:] == [b""]
    assert [json.loads(line.removeprefix(b"data: ")) for line in lines[:4:2]] == CHUNKS


def test_stream_without_events_is_a_list(server):
    server.reply(Reply("one two", id="r1"))
    answer = post(server, f"{MODEL}:streamGenerateContent")
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.json() == CHUNKS
    assert b"}\n,\r\n{" in answer.content


def test_whole(server):
    server.reply(Reply("one two", id="r1"))
    assert post(server, f"{MODEL}:generateContent").json() == chunk("one two", 2, finishReason="STOP")


def test_calls_come_whole():
    found = events(Reply([ToolCall("c", "t", {"a": "one two"}), ToolCall("d", "u")]), chunking=by_characters)
    assert [each["candidates"] for each in found] == [
        [
            {
                "content": {
                    "parts": [{"functionCall": {"id": "c", "name": "t", "args": {"a": "one two"}}}],
                    "role": "model",
                },
                "index": 0,
            }
        ],
        [
            {
                "content": {"parts": [{"functionCall": {"id": "d", "name": "u", "args": {}}}], "role": "model"},
                "finishReason": "STOP",
                "finishMessage": "Model generated function call(s).",
                "index": 0,
            }
        ],
    ]


def test_seals_come_behind_the_text():
    found = events(Reply(Text("one two", extra={WIRE: {"thoughtSignature": "s"}, "another": {"x": 1}})))
    parts = [part for each in found for part in each["candidates"][0]["content"]["parts"]]
    assert parts == [{"text": "one"}, {"text": " two"}, {"text": "", "thoughtSignature": "s"}]


def test_what_the_wire_sent_along_with_a_call_comes_back():
    extra = {WIRE: {"id": None, "functionCall": {"willContinue": False}, "thoughtSignature": "s"}}
    (found,) = events(Reply(ToolCall("made_up", "t", extra=extra)))
    assert found["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "t", "args": {}, "willContinue": False}, "thoughtSignature": "s"}
    ]


def test_sources_come_last():
    found = events(Reply(Text("one two", [Citation(url="https://a.example/")])))
    assert "groundingMetadata" not in found[0]["candidates"][0]
    assert found[1]["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://a.example/"}}],
        "groundingSupports": [{"segment": {"endIndex": 7, "text": "one two"}, "groundingChunkIndices": [0]}],
    }


def test_ids_of_answers_differ(server):
    assert len({post(server, f"{MODEL}:generateContent").json()["responseId"] for _ in range(3)}) == 3


def test_ping_is_a_comment():
    assert RENDERING.ping == b": ping\r\n\r\n"


# name → (what is scripted, more, the error)
WRONG = {
    "a refusal": (Refusal("No."), {}, r"content\[0\]: this wire cannot answer with Refusal"),
    "encrypted thoughts": (["a", Thinking("", redacted="x")], {}, r"content\[1\]\.redacted"),
    "a part of another wire": (Opaque("openai-chat", {"type": "x"}), {}, r"content\[0\]: a part of openai-chat"),
    "an empty part": (Opaque(WIRE, {}), {}, r"content\[0\]\.data"),
    "arguments that are no JSON": (ToolCall("c", "t", {"a": object()}), {}, r"content\[0\]\.arguments"),
    "arguments that are cut off": (ToolCall("c", "t", raw='{"a": tr'), {}, r"content\[0\]\.raw"),
    "arguments that are a list": (ToolCall("c", "t", raw="[1]"), {}, r"content\[0\]\.raw"),
    "a place in a source": (
        ["a", Text("b", [Citation("b", start=3)])],
        {},
        r"content\[1\]\.citations\[0\]\.start: this wire does not",
    ),
    "a transcript": (Audio(b"ID3\x04", media_type="audio/mpeg", transcript="x"), {}, r"content\[0\]\.transcript"),
    "refused": ("Hi", {"finish_reason": FinishReason("refusal")}, "finish_reason: this wire has no word for 'refusal'"),
    "paused": ("Hi", {"finish_reason": FinishReason("pause")}, "finish_reason: this wire has no word for 'pause'"),
    "calls that are not there": ("Hi", {"finish_reason": FinishReason("tool_calls")}, "finish_reason: without a call"),
    "a stop sequence": ("Hi", {"finish_reason": FinishReason("stop", None, "END")}, r"finish_reason\.stop_sequence"),
    "tokens put into a cache": ("Hi", {"usage": Usage(9, 1, cache_write_tokens=3)}, r"usage\.cache_write_tokens"),
    "more reasoning than output": ("Hi", {"usage": Usage(9, 1, reasoning_tokens=3)}, r"usage\.output_tokens"),
}


@pytest.mark.parametrize(("content", "more", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_answered(content, more, message):
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        RENDERING.check(Reply(content, **more))


def test_reply_from_another_wire_when_it_is_asked_for(server):
    server.reply(Refusal("No."))
    answer = post(server, f"{MODEL}:generateContent")
    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    assert "content[0]: this wire cannot answer with Refusal" in answer.json()["error"]["message"]


# ---- errors ----------------------------------------------------------------------------------------------------------

TYPE = "type.googleapis.com/google.rpc."
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
# name → (what is scripted, the details)
DETAILS = {
    "nothing to tell": (BadRequestError("no"), None),
    "a bad key": (AuthenticationError("no"), [
        {"@type": f"{TYPE}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
         "metadata": {"service": "generativelanguage.googleapis.com"}},
    ]),
    "a rate limit": (RateLimitError("no", retry_after=2), [
        {"@type": f"{TYPE}QuotaFailure", "violations": [
            {"quotaMetric": METRIC, "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
        {"@type": f"{TYPE}RetryInfo", "retryDelay": "2s"},
    ]),
    "a quota": (QuotaExceededError("no"), [
        {"@type": f"{TYPE}QuotaFailure", "violations": [
            {"quotaMetric": METRIC, "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
    ]),
    "a short wait": (OverloadedError("no", retry_after=0.05), [{"@type": f"{TYPE}RetryInfo", "retryDelay": "0.050s"}]),
    "an odd wait": (
        OverloadedError("no", retry_after=48.939935699),
        [{"@type": f"{TYPE}RetryInfo", "retryDelay": "48.939935699s"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("error", "details"), DETAILS.values(), ids=DETAILS.keys())
def test_details_of_errors(server, error, details):
    server.reply(error)
    found = post(server, f"{MODEL}:generateContent")
    assert found.json()["error"].get("details") == details
    assert "retry-after" not in found.headers


def test_too_long_in_the_words_of_the_host(server):
    server.reply(BadRequestError("way over", code="context_length_exceeded"))
    error = post(server, f"{MODEL}:generateContent").json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == (
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576). way over"
    )


def test_error_with_headers(server):
    server.reply(APIError("no", status=418, headers={"x-a": "b"}))
    assert post(server, f"{MODEL}:generateContent").headers["x-a"] == "b"


def test_form_of_errors_of_streams(server):
    """As recorded: of events it is called what it is not, and without events it stands in a list."""
    for query, kind in (("?alt=sse", "text/event-stream"), ("", "application/json; charset=UTF-8")):
        server.reply(OverloadedError("busy"))
        answer = post(server, f"{MODEL}:streamGenerateContent{query}")
        body = answer.json() if query else answer.json()[0]
        assert (answer.status_code, answer.headers["content-type"]) == (503, kind)
        assert body == {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}


def test_error_event():
    data = b'{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}'
    assert RENDERING.error_event(OverloadedError("busy")) == b"data: " + data + b"\r\n\r\n"


# ---- whose request it is ---------------------------------------------------------------------------------------------

CLAIMED = {
    "generate": ("POST", f"{MODEL}:generateContent", {}, {}, True),
    "stream, by vertex": ("POST", f"{VERTEX}:streamGenerateContent", {}, {}, True),
    "predict": ("POST", f"{VERTEX}:predict", {}, {}, True),
    "models": ("GET", "/v1beta/models", {}, {}, True),
    "models of vertex": ("GET", "/v1beta1/publishers/google/models", {}, {}, True),
    "models of vertex, by project": ("GET", VERTEX.rpartition("/")[0], {}, {}, True),
    "models with a key": ("GET", "/v1/models/m", {"x-goog-api-key": "k"}, {}, True),
    "models with a key in the query": ("GET", "/v1/models", {}, {"key": "k"}, True),
    "models of somebody": ("GET", "/v1/models", {"authorization": "Bearer k"}, {}, False),
    "messages of somebody": ("POST", "/v1/messages", {"x-goog-api-key": "k"}, {}, False),
}


@pytest.mark.parametrize(("method", "path", "headers", "query", "claimed"), CLAIMED.values(), ids=CLAIMED.keys())
def test_claims(method, path, headers, query, claimed):
    assert RENDERING.claims(RecordedRequest(method, path, headers, query=query)) is claimed


KEYS = {
    "none": ({}, "", 403),
    "an empty one": ({"x-goog-api-key": ""}, "", 403),
    "an empty bearer": ({"authorization": "Bearer "}, "", 403),
    "a header": (HEADERS, "", 200),
    "a query": ({}, "?key=k", 200),
    "a bearer": ({"authorization": "Bearer t"}, "", 200),
}


@pytest.mark.parametrize(("headers", "query", "status"), KEYS.values(), ids=KEYS.keys())
def test_keys(server, headers, query, status):
    answer = post(server, f"{MODEL}:generateContent{query}", headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
        assert answer.json()["error"]["message"].startswith("Method doesn't allow unregistered callers")


LOST = {
    "another version": ("POST", "/v9/models/m:generateContent"),
    "another method": ("GET", f"{MODEL}:generateContent"),
    "no such model": ("GET", "/v1beta/models/nobody"),
    "deleting": ("DELETE", "/v1beta/models/claude-opus-5"),
}


@pytest.mark.parametrize(("method", "path"), LOST.values(), ids=LOST.keys())
def test_not_found(server, method, path):
    answer = requests.request(method, server.url + path, headers=HEADERS, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


PAGES = {
    "all": ("", ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"], False),
    "some": ("?pageSize=2", ["claude-opus-5", "claude-sonnet-5"], True),
    "too many": ("?pageSize=5000", ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"], False),
    "no size": ("?pageSize=", ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"], False),
}


@pytest.mark.parametrize(("query", "names", "more"), PAGES.values(), ids=PAGES.keys())
def test_pages_of_models(server, query, names, more):
    page = requests.get(f"{server.url}/v1beta/models{query}", headers=HEADERS, timeout=5).json()
    assert [model["name"] for model in page["models"]] == [f"models/{name}" for name in names]
    assert bool(page.get("nextPageToken")) is more
    assert page["models"][0] == {
        "name": "models/claude-opus-5", "version": "001", "displayName": "Claude Opus 5",
        "inputTokenLimit": 1_000_000, "outputTokenLimit": 128_000, "thinking": True,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }  # fmt: skip


@pytest.mark.parametrize("query", ["?pageSize=x", "?pageToken=nowhere"])
def test_pages_that_are_none(server, query):
    answer = requests.get(f"{server.url}/v1beta/models{query}", headers=HEADERS, timeout=5)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
