"""What the vendor's own client reads from the same bytes, in the words of the contract; and its request types."""

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from typing import Any

import pydantic
from attrs import frozen
from google import genai
from google.genai import errors, types

from conformance.gemini_generate import plain, reference
from conformance.loopback import Loopback
from conformance.recordings import Recording

KEY = "sk-conformance"
ASK: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "?"}

# The contract's table, by hand.
REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MALFORMED_RESPONSE": "error",
    "OTHER": "other",
}

# The class for a status, by the contract's tree.
ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "ServerError",
    503: "OverloadedError",
}


@frozen
class Expected:
    """What llmkit must have read.

    Attributes:
        parts: As `plain.wanted` makes them.
        citations: The address and the title of each source that is told with one.
    """

    id: str
    model: str
    parts: list[Any]
    citations: list[tuple[str, str | None]]
    reason: tuple[str, str | None, str | None]
    usage: tuple[int, int, int, int, int]
    logprobs: list[dict[str, Any]] | None


def clients(server: Loopback) -> dict[bool, genai.Client]:
    """The vendor's clients, which ask `server`: by whether as Vertex AI."""
    options = types.HttpOptions(base_url=server.url, api_version="v1beta")
    return {vertex: genai.Client(vertexai=vertex, api_key=KEY, http_options=options) for vertex in (False, True)}


def is_vertex(recording: Recording) -> bool:
    """Whether Vertex AI was asked, rather than the Developer API."""
    return "/publishers/google/" in recording.path


def ask(server: Loopback, client: genai.Client, recording: Recording) -> list[types.GenerateContentResponse]:
    """The vendor's chunks; of a whole body one.

    Two things the vendor's client does not read, which are put into the form that it reads: streams that are one
    array, and enums as numbers.
    """
    chunks = reference.events(recording.body) if recording.streamed else [recording.json()]
    if recording.streamed:
        body, kind = recording.body, "text/event-stream"
        if reference.is_array(body):
            body = reference.sse(map(reference.worded, chunks))
        server.say(body, {"content-type": kind})
        return list(client.models.generate_content_stream(**ASK))
    server.say_json(reference.worded(chunks[0]))
    return [client.models.generate_content(**ASK)]


def fail(server: Loopback, client: genai.Client, recording: Recording) -> errors.APIError:
    """What the vendor's client raises."""
    server.say(recording.body, recording.answered, recording.status)
    try:
        if recording.stream:
            list(client.models.generate_content_stream(**ASK))
        else:
            client.models.generate_content(**ASK)
    except errors.APIError as error:
        return error
    raise AssertionError("the vendor's client found no error")


def expected(chunks: list[types.GenerateContentResponse]) -> Expected:
    """The vendor's chunks in the words of the contract."""
    candidates = [chunk.candidates[0] for chunk in chunks if chunk.candidates]
    contents = [found.content for found in candidates if found.content is not None]
    parts = [_json(part) for content in contents for part in content.parts or ()]
    logprobs = [found.logprobs_result for found in candidates if found.logprobs_result is not None]
    return Expected(
        id=[chunk.response_id for chunk in chunks if chunk.response_id][-1],
        model=[chunk.model_version for chunk in chunks if chunk.model_version][-1],
        parts=plain.wanted(parts),
        citations=[item for found in candidates for item in _citations(found)],
        reason=_reason(chunks, candidates, has_calls=any("functionCall" in part for part in parts)),
        usage=_usage([chunk.usage_metadata for chunk in chunks if chunk.usage_metadata is not None]),
        logprobs=[item for found in logprobs for item in _logprobs(found)] or None,
    )


def _json(value: pydantic.BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def _citations(candidate: types.Candidate) -> list[tuple[str, str | None]]:
    """By the contract: a source for each chunk that supports a passage, and those that are told outright."""
    found = []
    if (grounding := candidate.grounding_metadata) is not None:
        chunks = grounding.grounding_chunks or []
        for support in grounding.grounding_supports or ():
            webs = [chunks[index].web for index in support.grounding_chunk_indices or ()]
            found += [(web.uri, web.title) for web in webs if web is not None and web.uri]
    if candidate.citation_metadata is not None:
        found += [(item.uri, item.title) for item in candidate.citation_metadata.citations or () if item.uri]
    return found


def _logprobs(result: types.LogprobsResult) -> Iterator[dict[str, Any]]:
    """The tokens that were chosen, each with those that could have been, where they are told."""
    for chosen, others in zip_longest(result.chosen_candidates or (), result.top_candidates or ()):
        beside = {} if others is None else {"topCandidates": [_json(item) for item in others.candidates or ()]}
        yield {**_json(chosen), **beside}


def _reason(
    chunks: list[types.GenerateContentResponse], candidates: list[types.Candidate], *, has_calls: bool
) -> tuple[str, str | None, str | None]:
    feedback = [chunk.prompt_feedback for chunk in chunks if chunk.prompt_feedback is not None]
    if feedback and feedback[-1].block_reason is not None:
        return "content_filter", feedback[-1].block_reason.value, None
    words = [found.finish_reason.value for found in candidates if found.finish_reason is not None]
    if words[-1] == "STOP" and has_calls:
        return "tool_calls", "STOP", None
    return REASONS.get(words[-1], "other"), words[-1], None


def _usage(told: list[types.GenerateContentResponseUsageMetadata]) -> tuple[int, int, int, int, int]:
    """Input with what was cached and what tools added, output with thoughts, cached, 0, thoughts."""
    last = [usage for usage in told if usage.prompt_token_count is not None][-1]
    thoughts = last.thoughts_token_count or 0
    return (
        (last.prompt_token_count or 0) + (last.tool_use_prompt_token_count or 0),
        (last.candidates_token_count or 0) + thoughts,
        last.cached_content_token_count or 0,
        0,
        thoughts,
    )


# ---- what is sent ----------------------------------------------------------------------------------------------------

# The vendor has no type of a whole body; these are the types of what stands in it.
BODY: dict[str, Any] = {
    "contents": list[types.Content],
    "systemInstruction": types.Content,
    "tools": list[types.Tool],
    "toolConfig": types.ToolConfig,
    "safetySettings": list[types.SafetySetting],
    "generationConfig": types.GenerationConfig,
    "cachedContent": str,
    "serviceTier": types.ServiceTier,
    "labels": dict[str, str],
}


@cache
def _adapter(name: str) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(BODY[name])


def faults(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with a request's body; nothing, if all is well.

    The vendor's types take each key in two spellings, and any word for an enum with no more than a warning.
    """
    found = [f"{path}: not in camel case" for path in _snakes(body, "$")]
    for name, value in body.items():
        if name not in BODY:
            found.append(f"{name}: unknown")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                _adapter(name).validate_json(pydantic.TypeAdapter(Any).dump_json(value))
        except (pydantic.ValidationError, UserWarning, AttributeError) as error:
            found.append(f"{name}: {error}")
    return found


def _snakes(value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _snakes(item, f"{path}[{index}]")]
    if not isinstance(value, dict):
        return []
    found = [f"{path}.{key}" for key in value if re.search(r"[a-z]_[a-z]", key)]
    return found + [
        item for key, inner in value.items() if key not in reference.FREE for item in _snakes(inner, f"{path}.{key}")
    ]
