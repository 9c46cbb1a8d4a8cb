"""Texts in, vectors out, in the three ways in which the two hosts are asked.

Sources: https://ai.google.dev/api/embeddings,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from collections.abc import Iterator
from typing import Any, Final

from llmkit.errors import BadRequestError
from llmkit.testing.exchange import Desk
from llmkit.testing.gemini_generate.strictness import not_an_object, unknown
from llmkit.testing.replies import rough_tokens
from llmkit.wire.gemini_generate.spelling import Json, parts_of

_MOST: Final = 100
_LONGEST: Final = 3072  # what the models make
_OPTIONS: Final = frozenset({"taskType", "title", "outputDimensionality", "autoTruncate"})
_ONE: Final = frozenset({"model", "content", "embedContentConfig"}) | _OPTIONS


def batch(body: Any, model: str, desk: Desk, *, vertex: bool) -> Json:
    """``batchEmbedContents``: a vector for each of its requests.

    Raises:
        BadRequestError: Something is wrong with the body; this and the next two say so in the host's words.
    """
    _refuse(_batch_faults(body, model, vertex))
    requests = body["requests"]
    tokens = sum(rough_tokens(_text(request)) for request in requests)
    return {
        "embeddings": [{"values": _vector(request, desk)} for request in requests],
        "usageMetadata": {"promptTokenCount": tokens},
    }


def single(body: Any, model: str, desk: Desk, *, vertex: bool) -> Json:
    """``embedContent``: the vector of one content."""
    _refuse(_one_faults(body, model, vertex or "model" not in body, "EmbedContentRequest"))
    tokens = rough_tokens(_text(body))
    return {
        "embedding": {"values": _vector(body, desk)},
        "usageMetadata": {"promptTokenCount": tokens, "totalTokenCount": tokens},
    }


def predicted(body: Any, model: str, desk: Desk, *, vertex: bool) -> Json:  # noqa: ARG001 - as the others are asked
    """``predict``, of Vertex AI: a vector for each of its instances."""
    _refuse(_predict_faults(body))
    texts = [instance["content"] for instance in body["instances"]]
    vectors = desk.vectors(texts, body.get("parameters", {}).get("outputDimensionality"))
    return {
        "predictions": [
            {"embeddings": {"values": vector, "statistics": {"token_count": rough_tokens(text), "truncated": False}}}
            for text, vector in zip(texts, vectors, strict=True)
        ]
    }


def _refuse(faults: Iterator[str]) -> None:
    for fault in faults:
        raise BadRequestError(fault, status=400)


def _batch_faults(body: Any, model: str, vertex: bool) -> Iterator[str]:  # noqa: FBT001 - which of two hosts
    yield from not_an_object(body)
    yield from unknown(body, frozenset({"requests"}))
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        yield "* BatchEmbedContentsRequest.requests: requests is not specified"
    if len(body["requests"]) > _MOST:
        yield f"* BatchEmbedContentsRequest.requests: at most {_MOST} requests can be in one batch"
    for index, request in enumerate(body["requests"]):
        yield from _one_faults(request, model, vertex, f"BatchEmbedContentsRequest.requests[{index}]")


def _one_faults(request: Any, model: str, free: bool, where: str) -> Iterator[str]:  # noqa: FBT001
    """Unless `free`, each names the model of the path again."""
    yield from not_an_object(request)
    yield from unknown(request, _ONE)
    named = str(request.get("model", ""))
    if not free and named != model:
        wrong = "unexpected model name format" if "/" not in named else f"model does not match {model}"
        yield f"* {where}.model: {wrong}"
    content = request.get("content")
    parts = parts_of(content) if isinstance(content, dict) else None
    if not parts or not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        yield f"* {where}.content: contents is not specified"
    yield from _dimension_faults(_options(request).get("outputDimensionality"), where)


def _predict_faults(body: Any) -> Iterator[str]:
    yield from not_an_object(body)
    yield from unknown(body, frozenset({"instances", "parameters", "labels"}))
    instances = body.get("instances")
    if not isinstance(instances, list) or not instances:
        yield "Empty instances."
    if not all(isinstance(item, dict) and isinstance(item.get("content"), str) for item in body["instances"]):
        yield "The text content is empty."
    if not isinstance(body.get("parameters", {}), dict):
        yield "Invalid value at 'parameters'"
    yield from _dimension_faults(body.get("parameters", {}).get("outputDimensionality"), "PredictRequest.parameters")


def _dimension_faults(found: Any, where: str) -> Iterator[str]:
    if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 1):
        yield f"* {where}.output_dimensionality: output_dimensionality must be positive"
    elif found is not None and found > _LONGEST:
        yield f"* {where}.output_dimensionality: output_dimensionality must be less than or equal to {_LONGEST}"


def _options(request: Json) -> Json:
    """Where they stand on Vertex AI, else among the request's own keys."""
    found = request.get("embedContentConfig")
    return found if isinstance(found, dict) else request


def _text(request: Json) -> str:
    return "".join(str(part.get("text", "")) for part in parts_of(request["content"]))


def _vector(request: Json, desk: Desk) -> list[float]:
    (found,) = desk.vectors([_text(request)], _options(request).get("outputDimensionality"))
    return found
