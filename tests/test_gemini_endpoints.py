"""What the wire `gemini-generate` has beside answers: errors, models, vectors, counts."""

import json
from array import array

import pytest

from llmkit import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InvalidResponseError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    Tool,
    UnsupportedOptionError,
    Usage,
)
from llmkit.provider_errors import event_failure, status_failure
from llmkit.resolve import resolve
from llmkit.wire import wire
from llmkit.wire.base import EmbedRequest, ErrorDetails
from llmkit.wire.quirks import GeminiGenerateQuirks

WIRE = wire("gemini-generate")
QUIRKS = GeminiGenerateQuirks()
SINGLE = GeminiGenerateQuirks(embed="single", embed_batch=1, predict_models="text-", count_wrapped=False)


def refuse(path, why):
    raise UnsupportedOptionError(f"{path}: {why}", path=path)


# ---- errors ----------------------------------------------------------------------------------------------------------


def error(code, status, message="oops", *details):
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def violation(**fields):
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [fields]}


BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}
DAILY = violation(quotaId="GenerateRequestsPerDayPerProjectPerModel-FreeTier", quotaValue="50")
MINUTELY = violation(quotaId="GenerateContentPaidTierInputTokensPerModelPerMinute", quotaValue="1000000")
QUOTA = "You exceeded your current quota, please check your plan and billing details."
LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."

# Status, body → class, code, retry_after.
ERRORS = {
    "bad request": (400, error(400, "INVALID_ARGUMENT"), BadRequestError, "INVALID_ARGUMENT", None),
    "in an array": (400, [error(400, "INVALID_ARGUMENT")], BadRequestError, "INVALID_ARGUMENT", None),
    "bad key, by its reason": (
        400,
        error(400, "INVALID_ARGUMENT", "Pass another.", BAD_KEY),
        AuthenticationError,
        "INVALID_ARGUMENT",
        None,
    ),
    "bad key, by its words": (
        400,
        error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        AuthenticationError,
        "INVALID_ARGUMENT",
        None,
    ),
    "no key": (
        400,
        error(400, "INVALID_ARGUMENT", "API Key not found."),
        AuthenticationError,
        "INVALID_ARGUMENT",
        None,
    ),
    "old key": (400, error(400, "INVALID_ARGUMENT", "API key expired."), AuthenticationError, "INVALID_ARGUMENT", None),
    "bad token": (401, error(401, "UNAUTHENTICATED"), AuthenticationError, "UNAUTHENTICATED", None),
    "forbidden": (403, error(403, "PERMISSION_DENIED"), PermissionDeniedError, "PERMISSION_DENIED", None),
    "no such model": (404, error(404, "NOT_FOUND"), NotFoundError, "NOT_FOUND", None),
    "too long": (400, error(400, "INVALID_ARGUMENT", LONG), BadRequestError, "context_length_exceeded", None),
    "too long for the cloud": (
        400,
        error(400, "INVALID_ARGUMENT", "Unable to submit request because the input token count is 9 but at most 8."),
        BadRequestError,
        "context_length_exceeded",
        None,
    ),
    "too many a minute": (
        429,
        error(429, "RESOURCE_EXHAUSTED", QUOTA, MINUTELY, RETRY),
        RateLimitError,
        "RESOURCE_EXHAUSTED",
        48.0,
    ),
    "wait told in words": (
        429,
        error(429, "RESOURCE_EXHAUSTED", f"{QUOTA} Please retry in 48.939935699s."),
        RateLimitError,
        "RESOURCE_EXHAUSTED",
        48.939935699,
    ),
    "too many a day": (
        429,
        error(429, "RESOURCE_EXHAUSTED", QUOTA, DAILY, RETRY),
        QuotaExceededError,
        "RESOURCE_EXHAUSTED",
        48.0,
    ),
    "no quota at all": (
        429,
        error(429, "RESOURCE_EXHAUSTED", f"{QUOTA} * Quota exceeded for metric: x, limit: 0, model: m"),
        QuotaExceededError,
        "RESOURCE_EXHAUSTED",
        None,
    ),
    "no money": (
        429,
        error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
        QuotaExceededError,
        "RESOURCE_EXHAUSTED",
        None,
    ),
    "billing is needed": (
        429,
        error(429, "RESOURCE_EXHAUSTED", "This model requires billing."),
        QuotaExceededError,
        "RESOURCE_EXHAUSTED",
        None,
    ),
    "busy": (503, error(503, "UNAVAILABLE", "overloaded"), OverloadedError, "UNAVAILABLE", None),
    "broken": (500, error(500, "INTERNAL"), ServerError, "INTERNAL", None),
    "no status word": (404, {"error": {"code": 404, "message": "m"}}, NotFoundError, "404", None),
    "the number as text": (404, {"error": {"code": "404", "message": "m"}}, NotFoundError, "404", None),
    "a word as the code": (404, {"error": {"code": "gone", "status": "NOT_FOUND"}}, NotFoundError, "gone", None),
    "a page": (502, "<html>Bad Gateway</html>", ServerError, None, None),
    "nothing": (500, "", ServerError, None, None),
    "words": (400, {"error": "no"}, BadRequestError, None, None),
}


@pytest.mark.parametrize(("status", "body", "cls", "code", "wait"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(status, body, cls, code, wait):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = status_failure(WIRE, status, {}, data)
    assert (type(found), found.status, found.code, found.retry_after) == (cls, status, code, wait)
    assert found.retryable == (status in (429, 500, 502, 503) and cls is not QuotaExceededError)


EVENTS = {
    "by its number": ({"error": {"code": 503, "message": "m"}}, OverloadedError, 503, "503"),
    "by its word": ({"error": {"status": "RESOURCE_EXHAUSTED"}}, RateLimitError, 429, "RESOURCE_EXHAUSTED"),
    "in an array": ([error(500, "INTERNAL")], ServerError, 500, "INTERNAL"),
    "daily": (error(429, "RESOURCE_EXHAUSTED", "m", DAILY), QuotaExceededError, 429, "RESOURCE_EXHAUSTED"),
    "too long": (error(400, "INVALID_ARGUMENT", LONG), BadRequestError, 400, "context_length_exceeded"),
    "bad key": (error(400, "INVALID_ARGUMENT", "m", BAD_KEY), AuthenticationError, 400, "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize(("body", "cls", "status", "code"), EVENTS.values(), ids=EVENTS.keys())
def test_errors_in_a_stream(body, cls, status, code):
    found = event_failure(WIRE, body, {})
    assert (type(found), found.status, found.code) == (cls, status, code)


def test_the_providers_words():
    details = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "q-1"}
    assert WIRE.error(404, error(404, "NOT_FOUND", "  no such model ", details)) == ErrorDetails(
        NotFoundError, 404, "NOT_FOUND", "no such model", None, "q-1"
    )


DELAYS = {"1.5s": 1.5, "0s": None, "soon": None, 5: None, "1e9s": None}


@pytest.mark.parametrize(("delay", "seconds"), DELAYS.items())
def test_retry_delay(delay, seconds):
    body = error(429, "RESOURCE_EXHAUSTED", "m", {"retryDelay": delay}, 3)
    assert WIRE.error(429, body).retry_after == seconds


# ---- models ----------------------------------------------------------------------------------------------------------

MODEL = {
    "name": "models/gemini-2.5-flash",
    "version": "001",
    "displayName": "Gemini 2.5 Flash",
    "inputTokenLimit": 1048576,
    "outputTokenLimit": 65536,
    "supportedGenerationMethods": ["generateContent", "countTokens"],
    "thinking": True,
}


def test_models():
    page = WIRE.decode_models({"models": [MODEL, {"name": "tunedModels/mine"}], "nextPageToken": "t"})
    first, second = page.models
    assert (first.id, first.display_name, first.created) == ("gemini-2.5-flash", "Gemini 2.5 Flash", None)
    assert (first.context_window, first.max_output) == (1048576, 65536)
    assert first.capabilities == {"generateContent", "countTokens", "thinking"}
    assert first.raw == MODEL
    assert (second.id, second.display_name, second.max_output) == ("tunedModels/mine", "", None)
    assert page.following == {"pageToken": "t"}


LASTS = {"no token": {"models": [MODEL]}, "an empty token": {"models": [], "nextPageToken": ""}, "nothing": {}}


@pytest.mark.parametrize("body", LASTS.values(), ids=LASTS.keys())
def test_the_last_page(body):
    assert WIRE.decode_models(body).following is None


def test_models_of_a_publisher():
    body = {"publisherModels": [{"name": "publishers/p/models/m-1", "versionId": "001"}]}
    assert [model.id for model in WIRE.decode_models(body).models] == ["m-1"]


def test_a_page_is_asked_for():
    call = WIRE.encode_models({}, QUIRKS)
    assert (call.method, call.path, dict(call.query)) == ("GET", "/models", {"pageSize": "1000"})
    assert dict(WIRE.encode_models({"pageToken": "t"}, QUIRKS).query) == {"pageSize": "1000", "pageToken": "t"}
    assert WIRE.encode_models({}, GeminiGenerateQuirks(models_path="/../m")).path == "/../m"
    with pytest.raises(ConfigurationError, match="models: this host has no list"):
        WIRE.encode_models({}, GeminiGenerateQuirks(models_path=None))


NO_PAGES = {
    "text": ("x", "$"),
    "no list": ({"models": {}}, "$.models"),
    "no model": ({"models": ["x"]}, "$.models[0]"),
    "no name": ({"publisherModels": [{}]}, "$.publisherModels[0].name"),
}


@pytest.mark.parametrize(("body", "path"), NO_PAGES.values(), ids=NO_PAGES.keys())
def test_no_page(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode_models(body)
    assert caught.value.path == path


# ---- vectors ---------------------------------------------------------------------------------------------------------


def texts(*items):
    return [{"model": "models/m", "content": {"parts": [{"text": item}]}} for item in items]


ONE = {"content": {"parts": [{"text": "a"}]}}
EMBED = {
    "many": (
        EmbedRequest("m", ("a", "b"), 8, {"x": "y"}, {"taskType": "RETRIEVAL_QUERY"}),
        QUIRKS,
        "/models/m:batchEmbedContents",
        {"requests": [{**item, "outputDimensionality": 8, "taskType": "RETRIEVAL_QUERY"} for item in texts("a", "b")]},
    ),
    "as they are": (EmbedRequest("models/m", ("a",)), QUIRKS, "/models/m:batchEmbedContents", {"requests": texts("a")}),
    "one": (EmbedRequest("m", ("a",)), SINGLE, "/models/m:embedContent", ONE),
    "one, shorter": (
        EmbedRequest("m", ("a",), 8, {}, {"embedContentConfig": {"taskType": "CLUSTERING"}}),
        SINGLE,
        "/models/m:embedContent",
        {**ONE, "embedContentConfig": {"outputDimensionality": 8, "taskType": "CLUSTERING"}},
    ),
    "an old model": (
        EmbedRequest("models/text-embedding-005", ("a", "b"), 8),
        SINGLE,
        "/models/text-embedding-005:predict",
        {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 8}},
    ),
    "an old model as it is": (
        EmbedRequest("text-embedding-005", ("a",)),
        SINGLE,
        "/models/text-embedding-005:predict",
        {"instances": [{"content": "a"}]},
    ),
}


@pytest.mark.parametrize(("request_", "quirks", "path", "body"), EMBED.values(), ids=EMBED.keys())
def test_texts_to_embed(request_, quirks, path, body):
    call = WIRE.encode_embed(request_, quirks)
    assert (call.path, dict(call.query), json.loads(call.body)) == (path, dict(request_.extra_query), body)


def test_one_at_a_time():
    with pytest.raises(ConfigurationError, match="texts: this host embeds one at a time, got 2"):
        WIRE.encode_embed(EmbedRequest("m", ("a", "b")), SINGLE)


PREDICTED = [
    {"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 3.0, "truncated": False}}},
    {"embeddings": {"values": [2, 3], "statistics": {"token_count": 4}}},
]
TOLD = {"promptTokenCount": 4, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 4}]}
VECTORS = {
    "many": ({"embeddings": [{"values": [0.5, 1]}, {"values": [2, 3]}], "usageMetadata": TOLD}, Usage(4), TOLD),
    "without usage": ({"embeddings": [{"values": [0.5, 1]}, {"values": [2, 3]}]}, Usage(), None),
    "predicted": (
        {"predictions": PREDICTED},
        Usage(7),
        {"statistics": [{"token_count": 3.0, "truncated": False}, {"token_count": 4}]},
    ),
    "predicted without counts": (
        {"predictions": [{"embeddings": {"values": [0.5, 1]}}, {"values": [2, 3]}]},
        Usage(),
        None,
    ),
}


@pytest.mark.parametrize(("body", "usage", "raw"), VECTORS.values(), ids=VECTORS.keys())
def test_vectors(body, usage, raw):
    found = WIRE.decode_embed(body, 2)
    assert found.vectors == (array("d", [0.5, 1]), array("d", [2, 3]))
    assert (found.model, found.usage, found.usage.raw) == ("", usage, raw)


def test_one_vector():
    body = {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11}}
    found = WIRE.decode_embed(body, 1)
    assert (found.vectors, found.usage) == ((array("d", [0.5]),), Usage(11))


NO_VECTORS = {
    "text": ("x", "$"),
    "nothing": ({}, "$.embeddings"),
    "too few": ({"embeddings": [{"values": [1]}]}, "$.embeddings"),
    "no object": ({"embeddings": [1, 2]}, "$.embeddings[0]"),
    "no list": ({"embeddings": [{"values": [1]}, {"values": 1}]}, "$.embeddings[1].values"),
    "no numbers": ({"predictions": [{"embeddings": {"values": ["a"]}}, {}]}, "$.predictions[0].embeddings.values"),
}


@pytest.mark.parametrize(("body", "path"), NO_VECTORS.values(), ids=NO_VECTORS.keys())
def test_no_vectors(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode_embed(body, 2)
    assert caught.value.path == path


# ---- counts ----------------------------------------------------------------------------------------------------------

ASKED = {
    "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}]}],
    "generationConfig": {"temperature": 0.5, "topK": 1},
}
CHOSEN = {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}


@pytest.mark.parametrize(
    ("quirks", "body"),
    [(QUIRKS, {"generateContentRequest": {"model": "models/m", **ASKED, **CHOSEN}}), (SINGLE, ASKED)],
    ids=["wrapped", "flat"],
)
def test_a_count_is_asked_for(quirks, body):
    options = {
        "system": "s",
        "tools": [Tool("f")],
        "tool_choice": "required",
        "temperature": 0.5,
        "service_tier": "flex",
        "extra_body": {"generationConfig": {"topK": 1}},
    }
    call = WIRE.encode_count(resolve("hi", options, {}, "m"), quirks, refuse)
    assert (call.path, dict(call.query), json.loads(call.body)) == ("/models/m:countTokens", {}, body)


def test_counts():
    assert WIRE.decode_count({"totalTokens": 10, "promptTokensDetails": []}) == 10
    assert WIRE.decode_count({"totalTokens": "10"}) == 10
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode_count({})
    assert caught.value.path == "$.totalTokens"
