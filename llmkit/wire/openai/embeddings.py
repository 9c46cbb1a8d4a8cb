"""Texts → points, as OpenAI and the hosts that speak its wires do it.

Source: https://platform.openai.com/docs/api-reference/embeddings/create
"""

import binascii
import sys
from array import array
from typing import Any

from llmkit.errors import BODY_SHOWN, InvalidResponseError
from llmkit.json_codec import dump_bytes
from llmkit.wire.base import Call, Embedded, EmbedRequest, merge_body
from llmkit.wire.error_bodies import raise_if_error
from llmkit.wire.openai.usage import usage
from llmkit.wire.quirks import OpenAIChatQuirks, OpenAIResponsesQuirks
from llmkit.wire.reading import expect, text_or, whole_number


def encode_embed(request: EmbedRequest, quirks: OpenAIChatQuirks | OpenAIResponsesQuirks) -> Call:
    """The call that asks for vectors in base64, a third of the size; hosts that do not know it send numbers."""
    keys = quirks.keys if isinstance(quirks, OpenAIChatQuirks) else {}
    body: dict[str, Any] = {"model": request.model, "input": list(request.texts), "encoding_format": "base64"}
    if request.dimensions is not None:
        body[keys.get("dimensions", "dimensions")] = request.dimensions
    data = dump_bytes(merge_body(body, request.extra_body))
    return Call("/embeddings", data, query=request.extra_query, writes=0)


def decode_embed(body: Any, expected: int) -> Embedded:
    """The vectors, in the order of the texts.

    Raises:
        ErrorEvent: It tells of an error.
        InvalidResponseError: There are not `expected` ones, or one is none; the error has the path.
    """
    found = expect(body, dict, "$")
    raise_if_error(found, "data")
    listed = expect(found.get("data"), list, "$.data")
    if len(listed) != expected:
        raise _invalid(f"expected {expected} vectors, got {len(listed)}", "$.data", listed)
    vectors: dict[int, array[float]] = {}
    for place, item in enumerate(listed):
        path = f"$.data[{place}]"
        row = expect(item, dict, path)
        index = _index(row, place, f"{path}.index")
        if index in vectors or not 0 <= index < expected:
            raise _invalid(f"expected each index below {expected} once, got {index!s:.20}", f"{path}.index", index)
        vectors[index] = _vector(row.get("embedding"), f"{path}.embedding")
    ordered = tuple(vectors[index] for index in range(expected))
    return Embedded(ordered, text_or(found.get("model"), ""), usage(found.get("usage")))


def _index(row: dict[str, Any], place: int, path: str) -> int:
    """Which text a vector is of; some hosts send the number as text or with a point."""
    told = row.get("index")
    return place if told is None else expect(whole_number(told, told), int, path)


def _vector(value: object, path: str) -> "array[float]":
    if isinstance(value, str):
        return _from_base64(value, path)
    try:
        return array("d", expect(value, list, path))
    except (TypeError, OverflowError):
        raise _invalid("expected numbers", path, value) from None


def _from_base64(text: str, path: str) -> "array[float]":
    """The numbers of base64: four bytes each, the least significant first."""
    vector = array("f")
    try:
        vector.frombytes(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:  # also where the length is no multiple of four
        raise _invalid("expected base64 of 32-bit floats", path, text) from None
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _invalid(reason: str, path: str, value: object) -> InvalidResponseError:
    return InvalidResponseError(f"invalid answer: {reason} @ {path}", path=path, body=repr(value)[:BODY_SHOWN])
