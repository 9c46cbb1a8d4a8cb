"""What the two wires of OpenAI share: error bodies, the list of models, embeddings."""

import base64
import json
import struct
from array import array
from datetime import UTC, datetime
from functools import partial

import pytest

from llmkit import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InvalidResponseError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
    Usage,
)
from llmkit.errors import OverloadedError, PermissionDeniedError
from llmkit.wire.base import EmbedRequest
from llmkit.wire.openai.embeddings import decode_embed, encode_embed
from llmkit.wire.openai.errors import error
from llmkit.wire.openai.models import decode_models, encode_models
from llmkit.wire.quirks import OpenAIChatQuirks, OpenAIResponsesQuirks
from llmkit.wire.signals import ErrorEvent

LONG = "context_length_exceeded"


def of_openai(message="m", kind=None, code=None):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# status, body → class, status inside, code, message
ERRORS = {
    "a code": (
        404,
        of_openai("no model", "invalid_request_error", "model_not_found"),
        (NotFoundError, 404, "model_not_found", "no model"),
    ),
    "a type": (400, of_openai(kind="invalid_request_error"), (BadRequestError, 400, "invalid_request_error", "m")),
    "a number": (400, of_openai(code=400), (BadRequestError, 400, "400", "m")),
    "a type beside a number": (502, of_openai(kind="upstream", code=502), (ServerError, 502, "upstream", "m")),
    "a number in a string": (429, of_openai(code="429"), (RateLimitError, 429, "429", "m")),
    "a number that is no status": (400, of_openai(code=1301), (None, None, "1301", "m")),
    "neither": (400, of_openai(), (None, None, None, "m")),
    "the status of what failed": (200, {"status": "failed", **of_openai()}, (None, None, None, "m")),
    "a bad key": (
        401,
        of_openai("bad", "invalid_request_error", "invalid_api_key"),
        (AuthenticationError, 401, "invalid_api_key", "bad"),
    ),
    "a bad key answered with 400": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xx. You can obtain one.",
        },
        (
            AuthenticationError,
            None,
            "Client specified an invalid argument",
            "Incorrect API key provided: xx. You can obtain one.",
        ),
    ),
    "a quota": (
        429,
        of_openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        (QuotaExceededError, 429, "insufficient_quota", "You exceeded your current quota"),
    ),
    "a quota of a day": (
        429,
        [{"error": {"code": 429, "message": "m", "status": "X", "details": [{"quotaId": "RequestsPerDayPerProject"}]}}],
        (QuotaExceededError, 429, "X", "m"),
    ),
    "too often": (
        429,
        of_openai("slow down", "tokens", "rate_limit_exceeded"),
        (RateLimitError, 429, "rate_limit_exceeded", "slow down"),
    ),
    "a detail": (404, {"detail": "Not Found"}, (None, None, None, "Not Found")),
    "FastAPI's list": (
        422,
        {"detail": [{"loc": ["body", "model"], "msg": "field required"}, {"msg": "x"}]},
        (None, None, None, "body.model: field required; x"),
    ),
    "a mere message": (401, {"message": "Unauthorized", "request_id": "r1"}, (None, None, None, "Unauthorized")),
    "an object named error": (
        400,
        {"object": "error", "message": "bad", "type": "BadRequestError", "code": 400},
        (BadRequestError, 400, "BadRequestError", "bad"),
    ),
    "the envelope's own word": (400, {"type": "error", "error": {"message": "m"}}, (None, None, None, "m")),
    "a text": (502, "Bad Gateway\n", (None, None, None, "Bad Gateway")),
    "nothing": (500, "", (None, None, None, "")),
    "null": (500, None, (None, None, None, "")),
    "Gemini's, in a list": (
        503,
        [{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}],
        (OverloadedError, 503, "UNAVAILABLE", "overloaded"),
    ),
    "a filter": (
        400,
        {"error": {"code": "content_filter", "message": "filtered", "status": 400, "type": None}},
        (BadRequestError, 400, "content_filter", "filtered"),
    ),
    "inside a 200: a rate": (
        200,
        of_openai(code="rate_limit_exceeded"),
        (RateLimitError, 429, "rate_limit_exceeded", "m"),
    ),
    "inside a 200: a server": (200, of_openai(kind="server_error"), (ServerError, 500, "server_error", "m")),
    "inside a 200: a key": (200, of_openai(code="invalid_api_key"), (AuthenticationError, 401, "invalid_api_key", "m")),
    "inside a 200: a number": (200, of_openai(code=502), (ServerError, 502, "502", "m")),
    "inside a 200: a right": (
        200,
        of_openai(kind="permission_error"),
        (PermissionDeniedError, 403, "permission_error", "m"),
    ),
    "inside a 200: a quota": (
        200,
        of_openai(code="insufficient_quota"),
        (QuotaExceededError, 429, "insufficient_quota", "m"),
    ),
    "inside a 200: words alone": (200, of_openai(), (None, None, None, "m")),
    "inside a 200: a type beside a word": (
        200,
        {"error": "Model is overloaded", "error_type": "overloaded"},
        (OverloadedError, 503, "overloaded", "Model is overloaded"),
    ),
    "inside a 200: a status of its own name": (
        200,
        {"error": {"message": "m", "http_status_code": 422}},
        (UnprocessableEntityError, 422, "422", "m"),
    ),
    "inside a 200: a type beside a number": (
        200,
        {"object": "error", "message": "m", "type": "service_tier_capacity_exceeded", "code": "3505"},
        (RateLimitError, 429, "3505", "m"),
    ),
    "inside a 200: an error_code": (
        200,
        {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "m"},
        (NotFoundError, 404, "RESOURCE_DOES_NOT_EXIST", "m"),
    ),
    "inside a 200: an error_code that is a number": (
        200,
        {"error_code": 336003, "error_msg": "bad", "id": "x"},
        (None, None, "336003", "bad"),
    ),
    "inside a 200: a list of errors": (
        200,
        {"errors": [{"message": "m", "code": 3040}], "success": False, "result": {}},
        (None, None, "3040", "m"),
    ),
    "inside a 200: a numbered key": (
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
        (AuthenticationError, 401, "1004", "login fail"),
    ),
    "inside a 200: a number of tomorrow": (
        200,
        {"base_resp": {"status_code": 9999, "status_msg": "m"}},
        (None, None, "9999", "m"),
    ),
    "inside a 200: beside the choices": (
        200,
        {"choices": [], "x_groq": {"id": "r", "error": "over_capacity"}},
        (OverloadedError, 503, "over_capacity", "over_capacity"),
    ),
    "a quota of a month": (
        429,
        {"message": "You are using a Trial key, which is limited to 1000 API calls / month."},
        (QuotaExceededError, None, None, "You are using a Trial key, which is limited to 1000 API calls / month."),
    ),
    "a rate of a minute": (
        429,
        {"message": "Requests per minute limit exceeded"},
        (None, None, None, "Requests per minute limit exceeded"),
    ),
}


@pytest.mark.parametrize(("status", "body", "expected"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(status, body, expected):
    found = error(status, body)
    assert (found.cls, found.status, found.code, found.message) == expected


TOO_LONG = {
    "OpenAI": of_openai("This model's maximum context length is 8192 tokens.", "invalid_request_error", LONG),
    "words alone": of_openai("This model's maximum context length is 1048565 tokens.", "invalid_request_error"),
    "a type": {"error": {"message": "The total length is too long.", "type": "too_many_prompt_tokens", "code": 400}},
    "Ollama": of_openai("prompt too long; exceeded max context length by 4 tokens", "api_error"),
    "prompt is too long": of_openai("prompt is too long: 212345 tokens > 200000 maximum", code=400),
    "input": of_openai("Input is too long for requested model.", code=400),
    "llama": of_openai("the request exceeds the available context size", "exceed_context_size_error", 400),
    "reduce": of_openai("Please reduce the length of the messages or completion."),
    "Gemini": of_openai("The input token count (1200000) exceeds the maximum number of tokens allowed", code=400),
    "a detail": {"detail": "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"},
    "Moonshot": of_openai("Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)"),
    "Z.AI": {"error": {"code": "1261", "message": "Prompt exceeds max length"}},
    "DashScope": of_openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]"),
    "GitHub": of_openai("Request body too large for gpt-4o model. Max size: 8000 tokens.", code="tokens_limit_reached"),
    "a server for models": {"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"},
    "its sum": {"error": "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 512"},
    "vLLM": of_openai("The decoder prompt (length 9000) is longer than the maximum model length of 4096."),
    "vLLM, counted": of_openai("You passed 9000 input tokens, resulting in a maximum input length of 3996 tokens."),
    "SGLang": {"object": "error", "message": "The input (9000 tokens) is longer than the model's context length."},
    "llama.cpp of old": of_openai("context shift is disabled"),
    "LM Studio": {"error": "Trying to keep the first 5000 tokens when context the overflows."},
    "LM Studio, midway": {"error": "Reached context length of 4096 tokens with model (arch: llama)"},
    "Databricks": of_openai("Bad request: prompt token count (140000) cannot exceed 128000."),
    "SiliconFlow": of_openai("length of prompt_tokens (131100) must be less than max_seq_len (131072)."),
    "Volcengine": of_openai("Total tokens of image and text exceed max message tokens."),
    "Qianfan": of_openai("the length of messages exceeds the maximum limit", code="tokens_too_long"),
    "MiniMax": of_openai("invalid params, context window exceeds limit (2013)", "bad_request_error"),
    "xAI": {
        "code": "x",
        "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    },
    "Anthropic, by a gateway": of_openai("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
    "Copilot": of_openai("prompt token count of 130000 exceeds the limit of 128000"),
    "Cloudflare": {"errors": [{"code": 5021, "message": "AiError: Context window limit exceeded"}], "success": False},
    "what a gateway's host said": {
        "error": {
            "message": "Provider returned error",
            "metadata": {"raw": json.dumps(of_openai("no", code=LONG)), "provider_name": "x"},
        }
    },
    "what a gateway's host said in words": {
        "error": {"message": "Provider returned error", "metadata": {"raw": "prompt is too long: 5 > 4"}}
    },
    "a message": of_openai("Invalid 'messages[0].content': string too long.", code="string_above_max_length"),
    "a block": {"error": {"message": "m", "param": "messages[1].content[0].text", "code": "string_above_max_length"}},
    "a text to embed": of_openai("Invalid 'input[3]': string too long.", code="string_above_max_length"),
}


@pytest.mark.parametrize("body", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_prompt_that_is_too_long(body):
    for status in (200, 400, 413, 422, 500):
        found = error(status, body)
        assert (found.code, found.cls) == (LONG, BadRequestError), status
        assert found.status is not None
    assert error(429, body).code != LONG or body["error"]["code"] == LONG


# What is too long or too many, and not the prompt.
SHORT_ENOUGH = {
    "an answer": of_openai("max_tokens is too large: 99999", code="invalid_value"),
    "an answer, beside the window": of_openai(
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model",
        code="c",
    ),
    "an answer, by its range": of_openai(
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", code="c"
    ),
    "an id": of_openai("Invalid 'messages[1].tool_calls[0].id': string too long.", code="string_above_max_length"),
    "a label": of_openai("Invalid 'metadata.k': string too long.", code="string_above_max_length"),
    "a name": {"error": {"message": "m", "param": "tools[0].function.name", "code": "string_above_max_length"}},
    "a string that is not named": of_openai("string too long", code="string_above_max_length"),
    "a batch": of_openai("Too many tokens overall, split into more batches.", code="3210"),
    "a batch, counted": of_openai("Too many tokens in batch. Max is 16384", code="3210"),
    "a size": of_openai("context size must be a positive number", code="c"),
    "a sound": of_openai("Input audio length exceeds the maximum limit of 30 seconds", code="c"),
    "a picture": of_openai("Input image exceeds the limit of 5 MB", code="c"),
    "pictures": of_openai("The request contains 20 images, which exceeds the limit of 5 images per prompt", code="c"),
    "a key": of_openai("prompt_cache_key exceeds the maximum of 64 characters", code="c"),
    "a rate": of_openai("Request too large for model `x` on tokens per minute (TPM): Limit 6000", code="c"),
    "tools": of_openai("Invalid 'tools': array too long.", code="array_above_max_length"),
    "what a gateway's host said": {
        "error": {"message": "m", "code": "c", "metadata": {"raw": '{"error": {"message": "max_tokens is too large"}}'}}
    },
    "a gateway that says what is none": {"error": {"message": "m", "code": "c", "metadata": {"raw": 5}}},
}


@pytest.mark.parametrize("body", SHORT_ENOUGH.values(), ids=SHORT_ENOUGH.keys())
def test_what_is_about_length_and_no_prompt(body):
    for status in (200, 400, 413, 422, 500):
        assert error(status, body).code == body["error"]["code"]


def test_a_wait_in_the_body():
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}]
    assert error(429, [{"error": {"code": 429, "details": details}}]).retry_after == 17.5
    assert error(429, of_openai()).retry_after is None


def test_the_id_of_an_exchange_in_the_body():
    assert error(400, {"error": {"message": "m"}, "request_id": "req_1"}).request_id == "req_1"


# ---- models ----------------------------------------------------------------------------------------------------------

# One row of a list → id, display name, created, context window, maximum of output, capabilities
MODELS = {
    "OpenAI": (
        {"id": "gpt-5", "object": "model", "created": 1754425777, "owned_by": "system"},
        ("gpt-5", "", datetime(2025, 8, 5, 20, 29, 37, tzinfo=UTC), None, None, set()),
    ),
    "OpenRouter": (
        {
            "id": "openai/gpt-5-nano",
            "name": "OpenAI: GPT-5 Nano",
            "created": 1754587402,
            "context_length": 400000,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "top_provider": {"context_length": 400000, "max_completion_tokens": 128000},
            "supported_parameters": ["tools", "reasoning"],
        },
        (
            "openai/gpt-5-nano",
            "OpenAI: GPT-5 Nano",
            datetime(2025, 8, 7, 17, 23, 22, tzinfo=UTC),
            400000,
            128000,
            {"text_input", "image_input", "text_output", "tools", "reasoning"},
        ),
    ),
    "Mistral": (
        {
            "id": "mistral-large",
            "name": "mistral-large",
            "max_context_length": 131072,
            "capabilities": {"completion_chat": True, "vision": True, "fine_tuning": False},
        },
        ("mistral-large", "mistral-large", None, 131072, None, {"completion_chat", "vision"}),
    ),
    "Groq": (
        {"id": "llama", "created": 1693721698, "context_window": 131072, "max_completion_tokens": 32768},
        ("llama", "", datetime(2023, 9, 3, 6, 14, 58, tzinfo=UTC), 131072, 32768, set()),
    ),
    "GitHub": (
        {
            "id": "openai/gpt-4.1",
            "name": "OpenAI GPT-4.1",
            "limits": {"max_input_tokens": 1048576, "max_output_tokens": 32768},
            "capabilities": ["streaming", "tool-calling"],
            "supported_input_modalities": ["text"],
        },
        ("openai/gpt-4.1", "OpenAI GPT-4.1", None, 1048576, 32768, {"streaming", "tool-calling"}),
    ),
    "a name alone": (
        {"name": "command-a", "context_length": 256000},
        ("command-a", "command-a", None, 256000, None, set()),
    ),
    "a date in words": (
        {"id": "m", "created_at": "2026-01-02T03:04:05Z"},
        ("m", "", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, None, set()),
    ),
    "no date": ({"id": "m", "created": 0}, ("m", "", None, None, None, set())),
    "a date that is none": ({"id": "m", "created": 1e300}, ("m", "", None, None, None, set())),
}


@pytest.mark.parametrize(("row", "expected"), MODELS.values(), ids=MODELS.keys())
def test_models(row, expected):
    for body in ({"object": "list", "data": [row]}, [row], {"models": [row]}):
        page = decode_models(body)
        (model,) = page.models
        assert (
            model.id,
            model.display_name,
            model.created,
            model.context_window,
            model.max_output,
            set(model.capabilities),
        ) == expected
        assert model.raw == row
        assert page.following is None


def test_pages_of_models():
    rows = [{"id": "a"}, {"id": "b"}]
    assert decode_models({"data": rows, "has_more": True}).following == {"after": "b"}
    assert decode_models({"data": rows, "has_more": True, "last_id": "z"}).following == {"after": "z"}
    assert decode_models({"data": [], "has_more": True}).following is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.data"),
        ("x", "$"),
        ({"data": {}}, "$.data"),
        ([1], "$[0]"),
        ({"data": [{"object": "model"}]}, "$.data[0].id"),
    ],
)
def test_no_list_of_models(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        decode_models(body)
    assert caught.value.path == path


INSTEAD = {
    "a detail": {"detail": "no"},
    "an object named error": {"object": "error", "message": "no", "type": "NotFoundError", "code": 404},
    "a list of errors": {"errors": [{"message": "no"}], "success": False},
    "a number": {"base_resp": {"status_code": 1004, "status_msg": "no"}},
}


@pytest.mark.parametrize("body", INSTEAD.values(), ids=INSTEAD.keys())
def test_an_error_instead_of_a_list(body):
    for decode in (decode_models, partial(decode_embed, expected=1)):
        with pytest.raises(ErrorEvent) as caught:
            decode(body)
        assert caught.value.body == body


def test_where_models_are():
    call = encode_models({"after": "x"}, OpenAIChatQuirks(models_path="/../catalog/models"))
    assert (call.method, call.path, call.query) == ("GET", "/../catalog/models", {"after": "x"})
    assert encode_models({}, OpenAIResponsesQuirks()).path == "/models"
    with pytest.raises(ConfigurationError, match="models: this host has no list"):
        encode_models({}, OpenAIChatQuirks(models_path=None))


# ---- embeddings ------------------------------------------------------------------------------------------------------


def test_texts_to_embed():
    request = EmbedRequest("m", ("a", "b"), 256, {"q": "1"}, {"user": "u"})
    call = encode_embed(request, OpenAIResponsesQuirks())
    assert (call.method, call.path, call.query) == ("POST", "/embeddings", {"q": "1"})
    assert json.loads(call.body) == {
        "model": "m",
        "input": ["a", "b"],
        "dimensions": 256,
        "encoding_format": "base64",
        "user": "u",
    }
    other = encode_embed(request, OpenAIChatQuirks(keys={"dimensions": "output_dimension"}))
    assert json.loads(other.body)["output_dimension"] == 256
    assert "dimensions" not in json.loads(encode_embed(EmbedRequest("m", ("a",)), OpenAIChatQuirks()).body)


def b64(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*rows, **fields):
    return {"object": "list", "data": list(rows), "model": "m-1", **fields}


VECTORS = {
    "base64": (answer({"index": 0, "embedding": b64(0.5, -2)}), [array("f", [0.5, -2])]),
    "numbers": (answer({"index": 0, "embedding": [0.1, 1]}), [array("d", [0.1, 1])]),
    "out of order": (
        answer({"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": b64(2)}),
        [array("f", [2]), array("d", [1])],
    ),
    "numbered in words": (
        answer({"index": "1", "embedding": [1.0]}, {"index": "0", "embedding": [2.0]}),
        [array("d", [2]), array("d", [1])],
    ),
    "numbered with points": (
        answer({"index": 1.0, "embedding": [1.0]}, {"index": 0.0, "embedding": [2.0]}),
        [array("d", [2]), array("d", [1])],
    ),
    "not numbered": (answer({"embedding": [1.0]}, {"embedding": [2.0]}), [array("d", [1]), array("d", [2])]),
}


@pytest.mark.parametrize(("body", "vectors"), VECTORS.values(), ids=VECTORS.keys())
def test_vectors(body, vectors):
    found = decode_embed(body, len(vectors))
    assert list(found.vectors) == vectors
    assert [vector.typecode for vector in found.vectors] == [vector.typecode for vector in vectors]
    assert (found.model, found.usage) == ("m-1", Usage())


def test_what_embedding_cost():
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    found = decode_embed(answer({"embedding": [1.0]}, usage=usage), 1)
    assert found.usage == Usage(7)
    assert found.usage.raw == usage


NO_VECTORS = {
    "too few": (answer({"embedding": [1.0]}), 2, "$.data"),
    "too many": (answer({"embedding": [1.0]}, {"embedding": [1.0]}), 1, "$.data"),
    "none": ({}, 1, "$.data"),
    "a list": ([], 1, "$"),
    "twice the same": (
        answer({"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}),
        2,
        "$.data[1].index",
    ),
    "a number in between": (answer({"index": 0.5, "embedding": [1.0]}), 1, "$.data[0].index"),
    "beyond": (answer({"index": 1, "embedding": [1.0]}), 1, "$.data[0].index"),
    "of thousands of digits": (answer({"index": 10**4000, "embedding": [1.0]}), 1, "$.data[0].index"),
    "no numbers": (answer({"embedding": [None]}), 1, "$.data[0].embedding"),
    "no base64": (answer({"embedding": "*"}), 1, "$.data[0].embedding"),
    "half a number": (answer({"embedding": "AAA="}), 1, "$.data[0].embedding"),
    "an object": (answer({"embedding": {}}), 1, "$.data[0].embedding"),
}


@pytest.mark.parametrize(("body", "expected", "path"), NO_VECTORS.values(), ids=NO_VECTORS.keys())
def test_no_vectors(body, expected, path):
    with pytest.raises(InvalidResponseError) as caught:
        decode_embed(body, expected)
    assert caught.value.path == path
    assert len(str(caught.value)) < 200
