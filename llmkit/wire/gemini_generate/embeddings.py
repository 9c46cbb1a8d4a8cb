"""Texts in, vectors out, in the three ways that hosts of this wire have.

Sources: https://ai.google.dev/api/embeddings,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

import re
from array import array
from collections.abc import Mapping
from typing import Any

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import dump_bytes
from llmkit.response import Usage
from llmkit.wire.base import Call, Embedded, EmbedRequest, merge_body, need
from llmkit.wire.gemini_generate import schema
from llmkit.wire.gemini_generate.address import method, model_name
from llmkit.wire.gemini_generate.finish import tokens
from llmkit.wire.gemini_generate.reasoning import bare_name
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.reading import expect, object_or_empty


def encode_embed(request: EmbedRequest, quirks: GeminiGenerateQuirks) -> Call:
    """The call that asks for vectors; what `extra_body` holds is about each text, as its `taskType` is.

    Raises:
        ConfigurationError: There are more texts than the host takes at once.
    """
    if re.match(quirks.predict_models, bare_name(request.model)):
        name, body = "predict", _predicted(request)
    elif quirks.embed == "batch":
        name, body = "batchEmbedContents", _batch(request, quirks)
    else:
        need(len(request.texts) == 1, "texts", f"this host embeds one at a time, got {len(request.texts)}")
        name, body = "embedContent", _single(request)
    return Call(method(request.model, name, quirks), dump_bytes(body), query=request.extra_query, writes=0)


def _batch(request: EmbedRequest, quirks: GeminiGenerateQuirks) -> dict[str, Any]:
    model = model_name(request.model, quirks)
    return {"requests": [merge_body(_one(text, model, request), request.extra_body) for text in request.texts]}


def _one(text: str, model: str, request: EmbedRequest) -> dict[str, Any]:
    found: schema.EmbedContent = {"model": model, "content": {"parts": [{"text": text}]}}
    if request.dimensions is not None:
        found["outputDimensionality"] = request.dimensions
    return dict(found)


def _single(request: EmbedRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"content": {"parts": [{"text": request.texts[0]}]}}
    if request.dimensions is not None:
        body["embedContentConfig"] = {"outputDimensionality": request.dimensions}
    return merge_body(body, request.extra_body)


def _predicted(request: EmbedRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"instances": [{"content": text} for text in request.texts]}
    if request.dimensions is not None:
        body["parameters"] = {"outputDimensionality": request.dimensions}
    return merge_body(body, request.extra_body)


def decode_embed(body: Any, count: int) -> Embedded:
    """The vectors, of which there must be `count`.

    Raises:
        InvalidResponseError: They are not there, or not as many.
    """
    found = expect(body, dict, "$")
    key, listed = _listed(found)
    if len(listed) != count:
        raise InvalidResponseError(
            f"invalid answer: expected {count} vectors, got {len(listed)} @ $.{key}", path=f"$.{key}"
        )
    vectors = tuple(_vector(item, f"$.{key}[{index}]") for index, item in enumerate(listed))
    return Embedded(vectors, "", _usage(found, listed))


def _listed(body: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The vectors under the name that they have here."""
    if "predictions" in body:
        return "predictions", expect(body["predictions"], list, "$.predictions")
    if "embedding" in body:
        return "embedding", [body["embedding"]]
    return "embeddings", expect(body.get("embeddings"), list, "$.embeddings")


def _vector(item: Any, path: str) -> "array[float]":
    found = expect(item, dict, path)
    if "embeddings" in found:  # of a prediction
        found, path = expect(found["embeddings"], dict, f"{path}.embeddings"), f"{path}.embeddings"
    values = expect(found.get("values"), list, f"{path}.values")
    try:
        return array("d", values)
    except (TypeError, OverflowError) as exc:
        where = f"{path}.values"
        raise InvalidResponseError(f"invalid answer: expected numbers: {exc} @ {where}", path=where) from exc


def _usage(body: Mapping[str, Any], listed: list[Any]) -> Usage:
    if isinstance(told := body.get("usageMetadata"), dict):
        return Usage(tokens(told.get("promptTokenCount")), raw=told)
    statistics = [object_or_empty(object_or_empty(item).get("embeddings")).get("statistics") for item in listed]
    counts = [found.get("token_count") for found in statistics if isinstance(found, dict)]
    if not counts:
        return Usage()
    # A prediction may count in floats.
    return Usage(
        sum(int(number) for number in counts if isinstance(number, (int, float))), raw={"statistics": statistics}
    )
