"""The wire format of Gemini's generateContent as its documentation has it, for comparison: nothing of llmkit is used.

Source: https://ai.google.dev/api/generate-content
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

COUNTS = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)

# What clients that ask for ``enum-encoding=int`` are told; the numbers are those of google.cloud.aiplatform.v1.
FINISH_REASONS = {1: "STOP", 2: "MAX_TOKENS"}


# ---- streams ---------------------------------------------------------------------------------------------------------


def is_array(body: bytes) -> bool:
    """Whether a stream is one JSON array, as it is where a client does not ask for events."""
    return body.lstrip().startswith(b"[")


def events(body: bytes) -> list[dict[str, Any]]:
    """The chunks of a recorded stream. Good enough for recordings, whose lines are plain."""
    if is_array(body):
        found: list[dict[str, Any]] = json.loads(body)
        return found
    lines = body.decode().replace("\r\n", "\n").split("\n")
    return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


def sse(chunks: Iterable[Any]) -> bytes:
    """A stream as the provider writes it."""
    return b"".join(f"data: {json.dumps(item)}\r\n\r\n".encode() for item in chunks)


def whole(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The whole body of the same answer: the parts of all chunks, and the last that was said of all else."""
    body: dict[str, Any] = {}
    candidate: dict[str, Any] = {}
    content: dict[str, Any] = {"parts": []}
    for chunk in deepcopy(list(chunks)):
        for told in chunk.pop("candidates", ())[:1]:
            piece = told.pop("content", {})
            content["parts"] += piece.pop("parts", ())
            content |= piece
            candidate |= told
        if "usageMetadata" in body and not any(name in chunk.get("usageMetadata", {}) for name in COUNTS):
            chunk.pop("usageMetadata", None)  # counts are totals so far; one without any tells none
        body |= chunk
    candidates = {"candidates": [{**candidate, "content": content}]} if candidate or content["parts"] else {}
    return {**body, **candidates}


def rendered(body: dict[str, Any], *, apart: bool = False) -> Iterator[dict[str, Any]]:
    """The chunks that a whole body would have been streamed in.

    Args:
        body: As the provider sends it.
        apart: Whether the signature of a text comes after it, with an empty text; else with its last piece.
    """
    outer = {key: value for key, value in body.items() if key not in ("candidates", "usageMetadata", "promptFeedback")}
    usage = body.get("usageMetadata", {})
    so_far = {key: usage[key] for key in ("promptTokenCount", "trafficType") if key in usage}
    candidate = {**(body.get("candidates") or [{}])[0]}
    content = candidate.pop("content", None)
    index = {key: candidate[key] for key in ("index",) if key in candidate}
    for piece in _pieces((content or {}).get("parts", ()), apart=apart):
        spoken = {**(content or {}), "parts": [piece]}
        yield {"candidates": [{"content": spoken, **index}], "usageMetadata": so_far, **outer}
    last = dict(body)
    if candidate:
        ending = {"content": {**content, "parts": [{"text": ""}]}} if content and "parts" in content else {}
        last["candidates"] = [{**ending, **candidate}]
    yield last


def _pieces(parts: Iterable[dict[str, Any]], *, apart: bool, size: int = 7) -> Iterator[dict[str, Any]]:
    for part in parts:
        if not part.get("text"):
            yield part
            continue
        text = part["text"]
        kind = {key: value for key, value in part.items() if key not in ("text", "thoughtSignature")}
        texts = [text[start : start + size] for start in range(0, len(text), size)]
        sealed = "thoughtSignature" in part
        if sealed and apart:
            texts.append("")
        for index, found in enumerate(texts):
            seal = {"thoughtSignature": part["thoughtSignature"]} if sealed and index == len(texts) - 1 else {}
            yield {**kind, "text": found, **seal}


# ---- parts -----------------------------------------------------------------------------------------------------------


def joined(parts: Iterable[dict[str, Any]], *, sealed: bool = True) -> list[dict[str, Any]]:
    """Parts with what streaming cut put together: text runs on until a signature seals it or something else comes.

    Text that is empty and has no signature says nothing and is left out.

    Args:
        parts: The provider's.
        sealed: Whether a part with a signature is put together with those before it. Read, they are one text; sent
            back, parts with and without signatures must not be merged:
            https://ai.google.dev/gemini-api/docs/thought-signatures
    """
    found: list[dict[str, Any]] = []
    for part in deepcopy(list(parts)):
        if part.get("text") == "" and "thoughtSignature" not in part:
            continue
        if "text" in part and found and _goes_on(found[-1], part) and (sealed or "thoughtSignature" not in part):
            found[-1] |= {**part, "text": found[-1]["text"] + part["text"]}
        else:
            found.append(part)
    return found


def _goes_on(before: dict[str, Any], part: dict[str, Any]) -> bool:
    return (
        "text" in before
        and bool(before.get("thought")) == bool(part.get("thought"))
        and "thoughtSignature" not in before
        and "videoMetadata" not in {*before, *part}
    )


# ---- forms that mean the same ----------------------------------------------------------------------------------------

# Below these stand the caller's own keys.
FREE = {
    "args",
    "response",
    "responseJsonSchema",
    "responseSchema",
    "parameters",
    "parametersJsonSchema",
    "labels",
    "partMetadata",
}


def camel(value: Any) -> Any:
    """JSON with its keys in lowerCamelCase, as the provider takes both; schemas and arguments as they are."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), key): item for key, item in value.items()}
    return {key: item if key in FREE else camel(item) for key, item in named.items()}


def seal(signature: str | bytes | None) -> bytes | None:
    """A signature's bytes: base64 comes in two alphabets."""
    if isinstance(signature, bytes):
        return signature
    return b64decode(signature.replace("-", "+").replace("_", "/") + "==") if signature else None


def worded(chunk: dict[str, Any]) -> dict[str, Any]:
    """A chunk whose enums are words, and without what else is numbered: the vendor's client reads no numbers."""
    found = deepcopy(chunk)
    usage = found.get("usageMetadata", {})
    for candidate in found.get("candidates", ()):
        if isinstance(number := candidate.get("finishReason"), int):
            candidate["finishReason"] = FINISH_REASONS[number]
    for key in [key for key in usage if key.endswith("Details") or key == "trafficType"]:
        del usage[key]
    return found
