"""What the vendor's own client reads from the same bytes, in the words of the contract."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai
from attrs import frozen

from conformance.loopback import Loopback
from conformance.openai_responses import reference
from conformance.recordings import Recording
from llmkit.messages import Image, Opaque, Part, Refusal, Text, Thinking, ToolCall

KEY = "sk-conformance"
MODEL = "gpt-5.4"
ASK: dict[str, Any] = {"model": MODEL, "input": "?"}

# The contract's table, by hand: what an incomplete answer lacks.
INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}

# Items that wait for the caller, by the documentation of each tool.
FOR_THE_CALLER = {
    "function_call",
    "custom_tool_call",
    "computer_call",
    "local_shell_call",
    "apply_patch_call",
    "mcp_approval_request",
}

# The vendor's class → ours, by the contract's tree.
ERRORS = {
    "BadRequestError": "BadRequestError",
    "AuthenticationError": "AuthenticationError",
    "PermissionDeniedError": "PermissionDeniedError",
    "NotFoundError": "NotFoundError",
    "ConflictError": "ConflictError",
    "UnprocessableEntityError": "UnprocessableEntityError",
    "RateLimitError": "RateLimitError",
    "InternalServerError": "ServerError",
}


@frozen
class Expected:
    """What llmkit must have read."""

    id: str
    model: str
    parts: list[Any]
    text: str
    thinking: str
    refusal: str | None
    reason: tuple[str, str | None, str | None]
    usage: tuple[int, int, int, int, int]
    logprobs: list[Any] | None
    request_id: str | None


@contextmanager
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    """The vendor's client, which asks `server`."""
    with openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0) as found:
        yield found


def ask(vendor: openai.OpenAI, recording: Recording) -> dict[str, Any]:
    """The answer as the vendor's client has it; `server` must have been told what to say.

    Of a stream its events, not what its accumulator makes of them: that takes no stream of a host that counts the parts
    of an item from 1.
    """
    if not recording.stream:
        found: dict[str, Any] = vendor.responses.create(**ASK).to_dict(mode="json")
        return found
    with vendor.responses.create(**ASK, stream=True) as stream:
        return reference.whole([event.to_dict(mode="json") for event in stream])


def expected(answer: Mapping[str, Any], headers: Mapping[str, str]) -> Expected:
    """The vendor's answer in the words of the contract; `headers` are those of the exchange."""
    output = answer["output"]
    said = [part for item in output if item["type"] == "message" for part in item["content"]]
    refusals = [part["refusal"] for part in said if part["type"] == "refusal"]
    return Expected(
        id=answer["id"],
        model=answer["model"],
        parts=[part for item in output for part in _parts(item)],
        text="".join(part["text"] for part in said if part["type"] == "output_text"),
        thinking="\n\n".join(text for item in output for text in _thoughts(item) if text),
        refusal="".join(refusals) if refusals else None,
        reason=(_reason(answer), _told(answer), None),
        usage=_usage(answer["usage"]),
        logprobs=[item for part in said for item in part.get("logprobs") or ()] or None,
        request_id=headers.get("x-request-id") or headers.get("apim-request-id"),
    )


def _reason(answer: Mapping[str, Any]) -> str:
    kinds = {item["type"] for item in answer["output"]}
    if answer["status"] == "incomplete":
        return INCOMPLETE[answer["incomplete_details"]["reason"]]
    if kinds & FOR_THE_CALLER or any(_searched_by_the_caller(item) for item in answer["output"]):
        return "tool_calls"
    parts = [part for item in answer["output"] if item["type"] == "message" for part in item["content"]]
    return "refusal" if any(part["type"] == "refusal" for part in parts) else "stop"


def _searched_by_the_caller(item: Mapping[str, Any]) -> bool:
    return (item["type"], item.get("execution")) == ("tool_search_call", "client")


def _told(answer: Mapping[str, Any]) -> str:
    """The most specific word that was sent."""
    word: str = (answer.get("incomplete_details") or {}).get("reason") or answer["status"]
    return word


def _usage(usage: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    """Input, output, read from the cache, written to it, reasoning; the details are counted in."""
    read, written = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    return (
        usage["input_tokens"],
        usage["output_tokens"],
        read.get("cached_tokens") or 0,
        read.get("cache_write_tokens") or 0,
        written.get("reasoning_tokens") or 0,
    )


def _parts(item: Mapping[str, Any]) -> Iterator[Any]:
    """An item as plain values; `plain` makes the same of parts."""
    match item:
        case {"type": "message"}:
            yield from map(_said, item["content"])
        case {"type": "reasoning"}:
            yield ("thinking", "\n\n".join(_thoughts(item)), item.get("encrypted_content") or None)
        case {"type": "function_call"}:
            yield ("call", item["call_id"], item["name"], *_arguments(item["arguments"]))
        case {"type": "custom_tool_call"}:
            yield ("call", item["call_id"], item["name"], {"input": item["input"]}, None)
        case {"type": "image_generation_call", "result": str(result)}:
            yield ("image", b64decode(result))
        case _:
            yield ("verbatim", item)


def _said(part: Mapping[str, Any]) -> Any:
    if part["type"] == "refusal":
        return ("refusal", part["refusal"])
    # Where a citation begins and ends is told of the answer, and not, as llmkit has it, of the source.
    return ("text", part["text"], [(item.get("url"), item) for item in part["annotations"]])


def _thoughts(item: Mapping[str, Any]) -> list[str]:
    """The texts of a reasoning item: of its summary, else of the reasoning itself."""
    if item["type"] != "reasoning":
        return []
    found = [[part["text"] for part in item.get(key) or () if part["text"]] for key in ("summary", "content")]
    return found[0] or found[1]


def _arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """The contract: what is no JSON object is kept as it was written. None at all are those of no parameters."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}, text
    return (found, None) if isinstance(found, dict) else ({}, text)


def plain(part: Part) -> Any:
    """A part as a plain value; `expected` makes the same of the vendor's item."""
    match part:
        case Text():
            return ("text", part.text, [(item.url, item.raw) for item in part.citations])
        case Refusal():
            return ("refusal", part.text)
        case Thinking():
            # The seal of thoughts that can be read is their signature; of others it is all there is.
            assert (part.redacted if part.text else part.signature) is None
            return ("thinking", part.text, part.signature or part.redacted)
        case ToolCall():
            return ("call", part.id, part.name, part.arguments, part.raw)
        case Image():
            return ("image", part.data)
        case Opaque():
            return ("verbatim", part.data)
        case _:
            raise AssertionError(part)


def failure(error: openai.APIStatusError) -> tuple[str, int, str | None, str | None, bool]:
    """Class, status, code, request id, and whether to ask again."""
    body: Any = error.body  # the client has taken it out of "error"
    told = error.response.headers.get("x-should-retry")
    again = error.status_code in (408, 409, 429) or error.status_code >= 500 if told is None else told == "true"
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in ERRORS]
    return ERRORS[names[0]], error.status_code, body["code"] or body["type"], error.request_id, again
