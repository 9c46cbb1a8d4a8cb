"""What the vendor's own client reads from the same bytes, in the words of the contract.

What compatible hosts add is not modelled by the vendor; its client hands it on as it is. Where it cannot join the
chunks of a stream, `reference` does.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai
from attrs import frozen
from openai.lib.streaming.chat import ChatCompletionStreamState

from conformance.loopback import Loopback
from conformance.openai_chat import reference
from conformance.recordings import Recording
from llmkit import Audio, Refusal, Text, Thinking, ToolCall

KEY = "sk-conformance"
ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "?"}]}

# The contract's table, and compatible hosts' words for the same, by hand.
REASONS = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
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

# Where hosts tell what was read from a cache, beside OpenAI's own place.
CACHED = ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")

# What hosts say instead of the code `context_length_exceeded`.
TOO_LONG = ("maximum context length", "too_many_prompt_tokens")


@frozen
class Expected:
    """What llmkit must have read.

    Attributes:
        parts: As `plain` makes them; the id of a call is None where the provider sent none.
        usage: Input, output, read from the cache, written to it, reasoning; None where none was sent.
    """

    id: str
    model: str
    parts: list[Any]
    text: str
    thinking: str
    refusal: str | None
    reason: tuple[str, str | None, str | None]
    usage: tuple[int, int, int, int, int]
    raw_usage: dict[str, Any] | None
    logprobs: Any
    request_id: str | None


@contextmanager
def client(server: Loopback) -> Iterator[openai.OpenAI]:
    """The vendor's client, which asks `server`."""
    with openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0) as found:
        yield found


def ask(vendor: openai.OpenAI, recording: Recording) -> tuple[dict[str, Any], str | None]:
    """The vendor's completion and the exchange's id; `server` must have been told what to say."""
    if not recording.stream:
        whole = vendor.chat.completions.create(**ASK)
        return whole.to_dict(mode="json", warnings=False), whole._request_id
    with vendor.chat.completions.create(**ASK, stream=True) as stream:
        return joined(list(stream)), stream.response.headers.get("x-request-id")


def joined(chunks: list[Any]) -> dict[str, Any]:
    """The chunks as the vendor's own class joins them, with the contract's rules for what it leaves at its first value.

    The last id and model that are not empty hold, and the last usage that was sent.
    """
    found = _by_vendor(chunks) or reference.whole([chunk.to_dict(mode="json", warnings=False) for chunk in chunks])
    for key in ("id", "model", "usage"):
        told = [value for chunk in chunks if (value := chunk.to_dict(mode="json", warnings=False).get(key))]
        found[key] = told[-1] if told else None
    return found


def _by_vendor(chunks: list[Any]) -> dict[str, Any] | None:
    """None where a chunk is such that the vendor's class cannot join it."""
    if _repeats(chunks) or any(_is_odd(choice.delta) for chunk in chunks for choice in chunk.choices):
        return None
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    found: dict[str, Any] = state.current_completion_snapshot.to_dict(mode="json", warnings=False)
    return found


def _repeats(chunks: list[Any]) -> bool:
    """Whether a call's id stands in more than one chunk: the vendor's class would append it to itself."""
    choices = [choice for chunk in chunks for choice in chunk.choices]
    ids = [
        (choice.index, call.index, call.id) for choice in choices for call in choice.delta.tool_calls or () if call.id
    ]
    return len(set(ids)) < len(ids)


def _is_odd(delta: Any) -> bool:
    """Content in parts, calls and details of reasoning without an index, which compatible hosts send."""
    calls: Any = [call.to_dict(warnings=False) for call in delta.tool_calls or ()]
    listed = [*calls, *(delta.to_dict(warnings=False).get("reasoning_details") or ())]
    return isinstance(delta.content, (list, dict)) or any("index" not in item for item in listed)


def expected(body: Mapping[str, Any], request_id: str | None) -> Expected:
    """The vendor's completion in the words of the contract."""
    choice: dict[str, Any] = next((item for item in body["choices"] if item.get("index", 0) == 0), {})
    message = choice.get("message") or {}
    parts = list(_parts(message, body))
    logprobs = choice.get("logprobs") or {}
    usage = body.get("usage")
    return Expected(
        id=body.get("id") or "",
        model=body.get("model") or "",
        parts=parts,
        text="".join(part[1] for part in parts if part[0] == "text"),
        thinking="\n\n".join(part[1] for part in parts if part[0] == "thinking" and part[1]),
        refusal=message.get("refusal") or None,
        reason=(_reason(choice, message), choice.get("finish_reason") or None, None),
        usage=_usage(usage or {}),
        raw_usage=usage,
        logprobs=logprobs.get("content") or logprobs.get("refusal") or None,
        request_id=request_id,
    )


def _reason(choice: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    reason = REASONS.get(choice.get("finish_reason") or "", "other")
    if reason == "stop" and (message.get("tool_calls") or message.get("function_call")):
        return "tool_calls"
    return "refusal" if reason == "stop" and message.get("refusal") else reason


def _usage(usage: Mapping[str, Any]) -> tuple[int, int, int, int, int]:
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    read = usage.get("prompt_tokens_details") or {}
    details = usage.get("completion_tokens_details") or {}
    reasoning = details.get("reasoning_tokens") or 0
    hits = [read.get("cached_tokens"), *(usage.get(name) for name in CACHED)]
    cached = next((count for count in hits if count), 0)
    if reasoning and usage.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning  # the contract: on every wire it is part of the output
    return prompt, completion, cached, read.get("cache_write_tokens") or 0, reasoning


def _parts(message: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Any]:
    """The message as plain values; `plain` makes the same of parts."""
    details = message.get("reasoning_details") or ()
    told = "".join(row.get("text") or row.get("summary") or "" for row in details)
    thought = message.get("reasoning_content") or message.get("reasoning") or told
    if thought or details:
        yield ("thinking", thought)
    yield from _content(message.get("content"), list(_sources(message, body)))
    if message.get("refusal"):
        yield ("refusal", message["refusal"])
    if audio := message.get("audio"):
        yield ("audio", audio["transcript"] or None, b64decode(audio["data"]))
    for call in message.get("tool_calls") or ():
        yield _call(call.get("id") or None, call)
    if call := message.get("function_call"):
        yield _call(None, {"function": call})


def _sources(message: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Any]:
    """OpenAI's place for pages, else those of hosts that search."""
    notes = [item for item in message.get("annotations") or () if item["type"] == "url_citation"]
    rows = body.get("search_results") or [{"url": url} for url in body.get("citations") or ()]
    for note in notes or rows:
        page = note.get("url_citation", note)
        yield (page["url"] or None, page.get("title") or None, note)  # the title alone of what was sent as a file


def _content(content: Any, cited: list[Any]) -> Iterator[Any]:
    """Text, parts, or an object, whose JSON is the text; sources are the last text's."""
    if isinstance(content, list):
        for part in content:
            if part["type"] == "thinking":
                yield ("thinking", "".join(item["text"] for item in part["thinking"]))
            else:
                yield ("text", part["text"], [])
    elif isinstance(content, dict):
        yield ("json", content)
    elif content:
        yield ("text", content, cited)


def _call(call_id: str | None, call: Mapping[str, Any]) -> Any:
    if custom := call.get("custom"):
        return ("call", call_id, custom["name"], {"input": custom["input"]}, None)
    function = call["function"]
    text = function.get("arguments") or "{}"
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return ("call", call_id, function["name"], arguments, None)
    return ("call", call_id, function["name"], {}, text)


def plain(part: Any) -> Any:
    """A part as a plain value; `expected` makes the same of the vendor's message."""
    match part:
        case Text():
            return ("text", part.text, [(item.url, item.title, item.raw) for item in part.citations])
        case Thinking():
            return ("thinking", part.text)
        case Refusal():
            return ("refusal", part.text)
        case Audio():
            return ("audio", part.transcript, part.data)
        case ToolCall():
            return ("call", part.id, part.name, part.arguments, part.raw)
        case _:
            raise AssertionError(part)


def compared(got: Any, wanted: Any) -> Any:
    """`got` in the form of `wanted`: an id that was made up, and text that is the JSON of an object."""
    if got[0] == "call" and wanted[0] == "call" and wanted[1] is None:
        assert got[1]
        return ("call", None, *got[2:])
    return ("json", json.loads(got[1])) if wanted[0] == "json" and got[0] == "text" else got


def failure(error: openai.APIStatusError) -> tuple[str, int, str | None, str | None, bool]:
    """Class, status, code, request id, and whether to ask again."""
    body: Any = error.body
    code = body.get("code") if isinstance(body.get("code"), str) else None
    code = code or body.get("type") or str(body["code"])
    if any(word in json.dumps(body) for word in TOO_LONG):
        code = "context_length_exceeded"
    again = error.status_code in (408, 409, 429) or error.status_code >= 500
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in ERRORS]
    return ERRORS[names[0]], error.status_code, code, error.request_id, again
