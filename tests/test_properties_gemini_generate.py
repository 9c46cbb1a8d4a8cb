"""What holds for whatever comes on the wire `gemini-generate`: as `test_properties` has it for the first wire."""

import json
import math
import pickle
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, TypeVar

import attrs
import pytest
from conformance.gemini_generate import plain, reference, requests, vendor
from conformance.loopback import Loopback, serving
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import any_text, hostile, mutated, names, pieces, spoken, streams, texts
from strategies_gemini_generate import FINISH_REASONS, bodies, conversations, options, seals
from test_properties import EXAMPLES

from llmkit import (
    APIError,
    AssistantMessage,
    AuthenticationError,
    BadRequestError,
    Client,
    Document,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    Response,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.accumulate import Accumulator
from llmkit.provider import provider
from llmkit.provider_errors import event_failure, status_failure
from llmkit.request import ResolvedRequest
from llmkit.resolve import resolve
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.wire.base import EmbedRequest, ModelPage
from llmkit.wire.gemini_generate import WIRE
from llmkit.wire.quirks import GeminiGenerateQuirks
from llmkit.wire.signals import ErrorEvent

T = TypeVar("T")
QUIRKS = GeminiGenerateQuirks()
VERTEX = provider("vertex").quirks


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Client]:
    with Client("gemini", api_key=vendor.KEY, base_url=server.url, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def theirs(server: Loopback) -> Iterator[Any]:
    with vendor.clients(server)[False] as found:
        yield found


def attempt(function: Callable[..., T], *args: Any) -> tuple[T | None, LLMKitError | ErrorEvent | None]:
    """What a function returned, or else what it raised, which nothing but these may be."""
    try:
        return function(*args), None
    except (LLMKitError, ErrorEvent) as error:
        return None, error


def is_refusal(error: Any) -> None:
    """An answer was refused, in few words, with its path."""
    assert type(error) is InvalidResponseError
    assert error.path.startswith("$")
    assert len(error.body) <= 1024
    assert len(str(error)) < 1000


# ---- requests --------------------------------------------------------------------------------------------------------


def refuse(path: str, why: str) -> None:
    """Only what a model cannot do may be refused of what the strategies make."""
    assert path == "reasoning", f"{path}: {why}"


def resolved(prompt: Any, **chosen: Any) -> ResolvedRequest:
    return resolve(prompt, chosen, {}, "gemini-2.5-flash")


def encoded(request: ResolvedRequest, *, stream: bool = False) -> dict[str, Any]:
    call = WIRE.encode(request, QUIRKS, refuse, stream)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


@settings(max_examples=4 * EXAMPLES)
@given(conversations(), options(), st.booleans(), st.none() | st.dictionaries(names, texts, max_size=2))
def test_what_is_sent_fits_the_vendors_types(messages, chosen, stream, labels):
    request = resolved(messages, **chosen, metadata=labels)
    call = WIRE.encode(request, QUIRKS if labels is None else VERTEX, refuse, stream)
    assert vendor.faults(json.loads(call.body)) == []
    assert call.path == f"/models/{request.model.removeprefix('models/')}:" + (
        "streamGenerateContent" if stream else "generateContent"
    )
    assert dict(call.query) == ({"alt": "sse"} if stream else {})


@given(conversations(), options(), st.sampled_from([QUIRKS, VERTEX]))
def test_what_is_counted_fits_the_vendors_types(messages, chosen, quirks):
    assert WIRE.encode_count is not None
    request = resolved(messages, **{**chosen, "extra_body": None})
    call = WIRE.encode_count(request, quirks, refuse)
    assert call.path.endswith(":countTokens")
    assert ("generateContentRequest" in json.loads(call.body)) is (quirks is QUIRKS)
    body = json.loads(call.body)
    inner = body.pop("generateContentRequest", body)
    assert inner is body or body == {}
    model = inner.pop("model", None)
    assert (model is None) == (inner is body)
    assert vendor.faults(inner) == []


# What llmkit is asked for, and the same in the words of the vendor's client.
PNG = b"\x89PNG\r\n\x1a\n"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALL = ToolCall("id_1", "f", {"a": 1}, extra={plain.NAME: {"thoughtSignature": "c2VhbA=="}})
FUNCTION = {"name": "f", "description": "Does it.", "parametersJsonSchema": SCHEMA}
TOOLS = {"tools": [Tool("f", "Does it.", SCHEMA)]}
DECLARED = {"tools": [{"functionDeclarations": [FUNCTION]}]}
SPOKEN_CALL = {"functionCall": {"id": "id_1", "name": "f", "args": {"a": 1}}, "thoughtSignature": b"seal"}


def their_result(response: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "parts": [{"functionResponse": {"id": "id_1", "name": "f", "response": response, **fields}}],
    }


def called(result: ToolResult) -> list[Any]:
    return [UserMessage("?"), AssistantMessage([CALL]), UserMessage([result])]


def their_turns(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [their_text("?"), {"role": "model", "parts": [SPOKEN_CALL]}, result]


def their_text(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


def forced(**config: Any) -> dict[str, Any]:
    return {**DECLARED, "toolConfig": {"functionCallingConfig": config}}


MEANS: dict[str, tuple[Any, dict[str, Any], list[Any], dict[str, Any]]] = {
    "numbers": (
        "?",
        {"temperature": 0.5, "top_p": 0.9, "top_k": 4, "max_tokens": 9, "seed": 1, "stop": ["a", "b"]},
        [their_text("?")],
        {"temperature": 0.5, "topP": 0.9, "topK": 4, "maxOutputTokens": 9, "seed": 1, "stopSequences": ["a", "b"]},
    ),
    "penalties": (
        "?",
        {"presence_penalty": 0.5, "frequency_penalty": -0.5, "logprobs": 3},
        [their_text("?")],
        {"presencePenalty": 0.5, "frequencyPenalty": -0.5, "logprobs": 3, "responseLogprobs": True},
    ),
    "instructions": ("?", {"system": "Be brief."}, [their_text("?")], {"systemInstruction": "Be brief."}),
    "a budget": (
        "?",
        {"reasoning": 2048, "max_tokens": 1000},
        [their_text("?")],
        {"thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}, "maxOutputTokens": 3048},
    ),
    "no thoughts": ("?", {"reasoning": "none"}, [their_text("?")], {"thinkingConfig": {"thinkingBudget": 0}}),
    "a level": (
        "?",
        {"reasoning": "low", "max_tokens": 1000, "model": "gemini-3-flash-preview"},
        [their_text("?")],
        {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}, "maxOutputTokens": 1000},
    ),
    "the least level": (
        "?",
        {"reasoning": "none", "model": "gemini-3-flash-preview"},
        [their_text("?")],
        {"thinkingConfig": {"thinkingLevel": "MINIMAL"}},
    ),
    "a tier": ("?", {"service_tier": "flex"}, [their_text("?")], {"serviceTier": "flex"}),
    "a tool": ("?", TOOLS, [their_text("?")], DECLARED),
    "a tool or none": ("?", {**TOOLS, "tool_choice": "auto"}, [their_text("?")], forced(mode="AUTO")),
    "some tool": ("?", {**TOOLS, "tool_choice": "required"}, [their_text("?")], forced(mode="ANY")),
    "no tool": ("?", {**TOOLS, "tool_choice": "none"}, [their_text("?")], forced(mode="NONE")),
    "this tool": (
        "?",
        {**TOOLS, "tool_choice": "f"},
        [their_text("?")],
        forced(mode="ANY", allowedFunctionNames=["f"]),
    ),
    "a tool of the provider": (
        "?",
        {"tools": [ServerTool({"googleSearch": {}})]},
        [their_text("?")],
        {"tools": [{"googleSearch": {}}]},
    ),
    "turns": (
        [UserMessage("a"), AssistantMessage("b"), UserMessage("c")],
        {},
        [their_text("a"), their_text("b", "model"), their_text("c")],
        {},
    ),
    "media": (
        UserMessage([Image(PNG), Document(url="https://example.com/a.pdf", media_type="application/pdf")]),
        {},
        [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": PNG}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
                ],
            }
        ],
        {},
    ),
    "thoughts": (
        [UserMessage("a"), AssistantMessage([Thinking("t", "c2VhbA==", wire=plain.NAME), "b"]), UserMessage("c")],
        {},
        [
            their_text("a"),
            {"role": "model", "parts": [{"text": "t", "thought": True, "thoughtSignature": b"seal"}, {"text": "b"}]},
            their_text("c"),
        ],
        {},
    ),
    "a result": (called(CALL.result("sunny")), TOOLS, their_turns(their_result({"output": "sunny"})), DECLARED),
    "an object": (called(CALL.result({"b": [1]})), TOOLS, their_turns(their_result({"b": [1]})), DECLARED),
    "a failure": (
        called(CALL.result("no", is_error=True)),
        TOOLS,
        their_turns(their_result({"error": "no"})),
        DECLARED,
    ),
    "a picture of a tool": (
        called(CALL.result([Text("seen"), Image(PNG)])),
        TOOLS,
        their_turns(their_result({"output": "seen"}, parts=[{"inlineData": {"mimeType": "image/png", "data": PNG}}])),
        DECLARED,
    ),
}


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_vendors_client_sends_the_same(server, client, theirs, name, stream):
    prompt, chosen, contents, config = MEANS[name]
    chosen = {"model": "gemini-2.5-flash", **chosen}
    server.say_json({"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP"}]})
    if stream:
        client.stream(prompt, **chosen).collect()
        list(theirs.models.generate_content_stream(model=chosen["model"], contents=contents, config=config))
    else:
        client.complete(prompt, **chosen)
        theirs.models.generate_content(model=chosen["model"], contents=contents, config=config)
    ours, other = server.asked
    assert (ours.method, ours.path) == (other.method, other.path)
    assert ours.headers["x-goog-api-key"] == other.headers["x-goog-api-key"]
    assert requests.normal(ours.json()) == requests.normal(other.json())


@pytest.mark.parametrize("dimensions", [None, 8])
def test_the_vendors_client_embeds_the_same(server, client, theirs, dimensions):
    server.say_json({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]})
    contents = [{"parts": [{"text": text}]} for text in ("a", "b")]
    client.embed(["a", "b"], model="gemini-embedding-001", dimensions=dimensions)
    theirs.models.embed_content(
        model="gemini-embedding-001", contents=contents, config={"outputDimensionality": dimensions}
    )
    ours, other = server.asked
    assert (ours.method, ours.path, ours.json()) == (other.method, other.path, other.json())


@given(conversations(), options())
def test_the_callers_objects_are_left_alone(messages, chosen):
    before = pickle.dumps((messages, chosen))
    first = encoded(resolved(messages, **chosen))
    assert pickle.dumps((messages, chosen)) == before
    assert encoded(resolved(messages, **chosen)) == first


@given(conversations())
def test_all_that_is_said_is_sent(messages):
    """In its order, but for results, which stand first, and for what the provider would refuse."""
    sent = [turn for turn in encoded(resolved(messages))["contents"] if turn["parts"]]
    said = [(message.role, _words(message)) for message in messages if message.role != "system"]
    wanted: list[tuple[str, list[Any]]] = []
    for role, words in said:
        kind = "model" if role == "assistant" else "user"
        if words and wanted and wanted[-1][0] == kind:
            wanted[-1][1].extend(words)
        elif words:
            wanted.append((kind, words))
    got = [(turn["role"], [_sent_word(part) for part in turn["parts"]]) for turn in sent]
    calls = [part["functionCall"]["id"] for turn in sent for part in turn["parts"] if "functionCall" in part]
    for _, words in got:
        kinds = [word[0] == "result" for word in words]
        assert kinds == sorted(kinds, reverse=True)
        places = [calls.index(word[1]) for word in words if word[0] == "result"]
        assert places == sorted(places)
    assert [(role, _first(words)) for role, words in got] == [(role, _first(words)) for role, words in wanted]


def _first(words: list[Any]) -> list[Any]:
    """The results in any order, then all else in its order."""
    return sorted((word for word in words if word[0] == "result"), key=repr) + [
        word for word in words if word[0] != "result"
    ]


def _words(message: Any) -> list[Any]:
    return [word for part in message.content if (word := _word(part)) is not None]


def _word(part: Any) -> Any:
    """What must arrive of a part; None where the provider would refuse it."""
    match part:
        case Thinking(wire="gemini-generate", signature=str(signature)):
            return ("thinking", part.text, signature)
        case Thinking():
            return None
        case Text() | Refusal():
            seal = part.extra.get(plain.NAME, {}).get("thoughtSignature")
            return ("text", part.text, seal) if part.text.strip() or seal else None
        case ToolCall():
            return ("call", part.name, part.arguments, part.extra.get(plain.NAME, {}).get("thoughtSignature"))
        case ToolResult():
            media = [item for item in part.content if not isinstance(item, Text)]
            return ("result", part.call_id, part.is_error, len(media))
        case _ if hasattr(part, "data") and isinstance(part.data, dict):
            return ("verbatim", part.data)
        case _:
            return ("media", part.media_type, part.data or part.url or part.file_id)


def _sent_word(part: dict[str, Any]) -> Any:
    match part:
        case {"thought": True}:
            return ("thinking", part.get("text", ""), part["thoughtSignature"])
        case {"text": text}:
            return ("text", text, part.get("thoughtSignature"))
        case {"functionCall": call}:
            return ("call", call["name"], call.get("args", {}), part.get("thoughtSignature"))
        case {"functionResponse": result}:
            return ("result", result["id"], "error" in result["response"], len(result.get("parts", ())))
        case {"inlineData": blob}:
            return ("media", blob["mimeType"], reference.seal(blob["data"]))
        case {"fileData": file}:
            return ("media", file["mimeType"], file["fileUri"])
        case _:
            return ("verbatim", part)


@given(bodies())
def test_what_was_answered_goes_back(body):
    """Each part in its place with its signature, but for what the provider would refuse."""
    message = WIRE.decode(body, QUIRKS).message
    sent = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))["contents"]
    got = [part for turn in sent if turn["role"] == "model" for part in turn["parts"]]
    parts = (body.get("candidates") or [{}])[0].get("content", {}).get("parts", ())
    told = plain.wanted(parts, sealed=False)
    assert [plain.provider(part) for part in got] == [
        found for found, after in zip_longest(told, told[1:], fillvalue=()) if _is_taken_back(found, after)
    ]


def _is_taken_back(part: Any, after: Any) -> bool:
    """Of thoughts those that are sealed, be it by what comes right behind them."""
    if part[-1] is not None or part[0] not in ("text", "thinking"):
        return True
    sealed = part[0] == "text" or (after[:1] == ("thinking",) and after[-1] is not None)
    return bool(part[1].strip()) and sealed


# ---- answers ---------------------------------------------------------------------------------------------------------


@st.composite
def chunked(draw: st.DrawFn, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a stream that gives the answer of a whole body, cut anywhere."""
    chunks = list(reference.rendered(body, apart=draw(st.booleans())))
    merged = [chunks[0]]
    for chunk in chunks[1:]:
        before = (merged[-1].get("candidates") or [{}])[0].get("content", {})
        after = (chunk.get("candidates") or [{}])[0].get("content", {})
        if "parts" in before and "parts" in after and draw(st.booleans()):
            both = {**before, "parts": [*before["parts"], *after["parts"]]}
            merged[-1] = {**chunk, "candidates": [{**chunk["candidates"][0], "content": both}]}
        else:
            merged.append(chunk)
    return merged


@given(bodies())
def test_a_whole_body_decodes_to_what_was_sent(body):
    found = WIRE.decode(body, QUIRKS)
    candidate = (body.get("candidates") or [{}])[0]
    parts = candidate.get("content", {}).get("parts", ())
    assert (found.id, found.model) == ("r", "m")
    plain.assert_same(found.message.content, plain.wanted(parts))
    assert found.finish_reason == _reason(body, candidate, parts)
    assert found.usage == _usage(body.get("usageMetadata") or {})
    assert found.usage.raw == body.get("usageMetadata")
    assert found.raw == body


def _reason(body: dict[str, Any], candidate: dict[str, Any], parts: Any) -> FinishReason:
    if blocked := body.get("promptFeedback", {}).get("blockReason"):
        return FinishReason("content_filter", blocked)
    raw = candidate["finishReason"]
    calls = raw == "STOP" and any("functionCall" in part for part in parts)
    return FinishReason("tool_calls" if calls else FINISH_REASONS[raw], raw)  # type: ignore[arg-type]


def _usage(told: dict[str, int]) -> Usage:
    thoughts = told.get("thoughtsTokenCount", 0)
    return Usage(
        told.get("promptTokenCount", 0) + told.get("toolUsePromptTokenCount", 0),
        told.get("candidatesTokenCount", 0) + thoughts,
        told.get("cachedContentTokenCount", 0),
        0,
        thoughts,
    )


@given(st.data(), bodies())
def test_a_stream_decodes_to_what_the_whole_body_does(data, body):
    chunks = data.draw(chunked(body))
    sent = [ServerSentEvent("message", json.dumps(chunk, ensure_ascii=data.draw(st.booleans()))) for chunk in chunks]
    written = data.draw(streams(sent))
    found = collected(read(data.draw(pieces(written))))
    whole = WIRE.decode(body, QUIRKS)
    assert found == (whole.id, whole.model, whole.message, whole.finish_reason, whole.usage)
    assert _all_but_places(found[2]) == _all_but_places(whole.message)
    array = WIRE.decode(chunks, QUIRKS)
    assert (array.id, array.model, array.message, array.finish_reason, array.usage) == found


def _all_but_places(message: AssistantMessage) -> list[Any]:
    """All of the parts, `raw` and `extra` included, which `==` leaves out, but where in a text it is signed."""
    found = [attrs.asdict(part) for part in message.content]
    for part in found:
        kept = part.get("extra", {}).get(plain.NAME, {})
        if kept.pop("bare", None) is not None and not kept:
            del part["extra"][plain.NAME]  # where it held nothing else, as beside a signature that has a field
    return found


def read(parts: list[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    found = [event for part in parts for event in decoder.feed(part)]
    return found if (last := decoder.close()) is None else [*found, last]


def collected(events: list[ServerSentEvent]) -> tuple[str, str, AssistantMessage, FinishReason, Usage]:
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()
    for event in events:
        content.add(decoder.feed(event) or ())
    parts, reason, usage = decoder.close()
    content.add(parts)
    return decoder.id, decoder.model, content.message(), reason, usage


@given(st.data(), bodies())
def test_a_stream_is_whole_when_it_was_told_why_it_ended(data, body):
    """The signal is the reason alone: without it no stream closes well, with it each does, and none ends by itself."""
    chunks = data.draw(chunked(body))
    for end in range(len(chunks) + 1):
        decoder = WIRE.decoder(QUIRKS)
        for chunk in chunks[:end]:
            decoder.feed(ServerSentEvent("message", json.dumps(chunk)))
        assert (decoder.whole, decoder.ended) == (end == len(chunks), False)
        if end < len(chunks):
            with pytest.raises(IncompleteStreamError):
                decoder.close()
    without = [_without_reason(chunk) for chunk in chunks]
    decoder = WIRE.decoder(QUIRKS)
    for chunk in without:
        decoder.feed(ServerSentEvent("message", json.dumps(chunk)))
    with pytest.raises(IncompleteStreamError):
        decoder.close()


def _without_reason(chunk: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in chunk.items() if key != "promptFeedback"}
    for candidate in found.get("candidates", ()):
        found["candidates"] = [{key: value for key, value in candidate.items() if key != "finishReason"}]
    return found


@pytest.mark.parametrize("raw", FINISH_REASONS)
@pytest.mark.parametrize(
    "parts", [[], [{"text": "a"}], [{"functionCall": {"name": "f"}}]], ids=["none", "text", "call"]
)
def test_every_reason_has_its_word(raw, parts):
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": raw}]}
    wanted = _reason(body, body["candidates"][0], parts)
    assert WIRE.decode(body, QUIRKS).finish_reason == wanted
    assert collected([ServerSentEvent("message", json.dumps(body))])[3] == wanted


TELLS_NO_END: dict[str, dict[str, Any]] = {
    "ratings of the prompt": {"promptFeedback": {"safetyRatings": [{"category": "x", "probability": "NEGLIGIBLE"}]}},
    "an unspecified block": {"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}},
    "an empty block": {"promptFeedback": {"blockReason": ""}},
    "no block": {"promptFeedback": {"blockReason": None}},
    "an unspecified reason": {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]},
    "an unspecified reason as a number": {"candidates": [{"finishReason": 0}]},
    "an empty reason": {"candidates": [{"finishReason": ""}]},
    "no reason": {"candidates": [{"finishReason": None, "content": {"parts": [{"text": "a"}]}}]},
    "the reason of another candidate": {"candidates": [{"finishReason": "STOP", "index": 1}]},
    "only counts": {"usageMetadata": {"totalTokenCount": 1}},
    "nothing": {},
}


@pytest.mark.parametrize("chunk", TELLS_NO_END.values(), ids=TELLS_NO_END.keys())
def test_what_is_no_reason_ends_no_stream(server, client, chunk):
    decoder = WIRE.decoder(QUIRKS)
    decoder.feed(ServerSentEvent("message", json.dumps(chunk)))
    assert not decoder.whole
    with pytest.raises(IncompleteStreamError):
        decoder.close()
    for say in (lambda: server.say_events(reference.sse([chunk])), lambda: server.say_json([chunk])):
        say()
        with pytest.raises(IncompleteStreamError):
            client.stream("?").collect()


LATER: dict[str, tuple[dict[str, Any], Usage]] = {
    "counts": ({"usageMetadata": {"promptTokenCount": 7, "thoughtsTokenCount": 1}}, Usage(7, 1, 0, 0, 1)),
    "no counts": ({"usageMetadata": {"trafficType": "ON_DEMAND"}}, Usage(3, 2)),
    "nulls": ({"usageMetadata": None, "responseId": None, "modelVersion": ""}, Usage(3, 2)),
    "nothing of the answer": ({"candidates": []}, Usage(3, 2)),
    "no reason again": ({"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED", "index": 0}]}, Usage(3, 2)),
    "another candidate": ({"candidates": [{"finishReason": "SAFETY", "index": 1}]}, Usage(3, 2)),
}


@pytest.mark.parametrize(("chunk", "usage"), LATER.values(), ids=LATER.keys())
def test_what_follows_the_reason_is_read(chunk, usage):
    told = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}, "responseId": "r", "modelVersion": "m"}
    body = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}], **told}
    sent = [ServerSentEvent("message", json.dumps(item)) for item in (body, chunk)]
    assert collected(sent) == ("r", "m", AssistantMessage("Hi"), FinishReason("stop", "STOP"), usage)


@given(spoken, seals, st.integers(1, 5), st.booleans(), st.booleans())
def test_signatures_stay_where_they_were(text, seal, size, apart, thought):
    """A text cut into pieces whose last has the signature reads as the whole, and goes back in the two pieces."""
    kind = {"thought": True} if thought else {}
    pieces = [text[start : start + size] for start in range(0, len(text), size)] + ([""] if apart else [])
    cut = [{"text": piece, **kind} for piece in pieces]
    cut[-1]["thoughtSignature"] = seal
    whole = {"text": text, **kind, "thoughtSignature": seal}
    for parts in ([whole], cut):
        body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
        message = WIRE.decode(body, QUIRKS).message
        plain.assert_same(message.content, plain.wanted([whole]))
        turns = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))["contents"]
        assert turns[1]["parts"] == [
            part for part in reference.joined(parts, sealed=False) if part["text"].strip() or "thoughtSignature" in part
        ]


# ---- errors ----------------------------------------------------------------------------------------------------------

_DETAILS = [
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"},
    {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "XPerDayPerProject"}]},
]
_ERROR = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": _DETAILS}}
errors = st.sampled_from([_ERROR, [_ERROR]]).flatmap(mutated)
error_bodies = st.one_of(
    st.binary(max_size=100),
    hostile.map(lambda value: json.dumps(value).encode()),
    errors.map(lambda value: json.dumps(value).encode()),
)


def is_sound(error: APIError) -> None:
    """Short, typed, picklable."""
    assert isinstance(error, APIError)
    assert isinstance(error.status, int)
    assert error.code is None or isinstance(error.code, str)
    assert error.request_id is None or isinstance(error.request_id, str)
    assert error.retry_after is None or 0 < error.retry_after < math.inf
    assert len(str(error)) < 1000
    assert "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


@settings(max_examples=4 * EXAMPLES)
@given(st.integers(400, 599), error_bodies)
@example(500, b"")
@example(429, json.dumps([_ERROR]).encode())
@example(400, json.dumps({"error": {"code": 400, "details": [{"@type": [], "retryDelay": "nans"}]}}).encode())
@example(400, json.dumps({"error": {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "1e999s"}]}}).encode())
def test_any_body_of_any_status_is_an_error(status, body):
    error = status_failure(WIRE, status, {}, body)
    is_sound(error)
    assert error.status == status


@given(st.one_of(hostile, errors, texts))
def test_any_error_event_is_an_error(body):
    is_sound(event_failure(WIRE, body, {}))


def told(status: int, word: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": word, "details": list(details)}}


BAD_KEY = told(400, "INVALID_ARGUMENT", "API key not valid.", _DETAILS[0])
TOO_LONG = told(
    400,
    "INVALID_ARGUMENT",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
)
TOO_MANY = told(429, "RESOURCE_EXHAUSTED", "Check your plan and billing details.", _DETAILS[1])
# Status and body → class, status, code, seconds to wait. The contract's table, by hand.
FAILS: dict[str, tuple[int, Any, tuple[type[LLMKitError], int, str, float | None]]] = {
    "a bad key": (400, BAD_KEY, (AuthenticationError, 400, "INVALID_ARGUMENT", None)),
    "a bad key in an array": (400, [BAD_KEY], (AuthenticationError, 400, "INVALID_ARGUMENT", None)),
    "too long": (400, TOO_LONG, (BadRequestError, 400, "context_length_exceeded", None)),
    "too many a minute": (429, TOO_MANY, (RateLimitError, 429, "RESOURCE_EXHAUSTED", 48.0)),
    "too many a day": (
        429,
        told(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", *_DETAILS[1:]),
        (QuotaExceededError, 429, "RESOURCE_EXHAUSTED", 48.0),
    ),
    "overloaded": (503, told(503, "UNAVAILABLE", "Overloaded."), (OverloadedError, 503, "UNAVAILABLE", None)),
    "too many, in a 200": (200, TOO_MANY, (RateLimitError, 429, "RESOURCE_EXHAUSTED", 48.0)),
    "overloaded, in a 200": (
        200,
        told(503, "UNAVAILABLE", "Overloaded."),
        (OverloadedError, 503, "UNAVAILABLE", None),
    ),
}


def is_told(error: Any, wanted: Any) -> None:
    assert (type(error), error.status, error.code, error.retry_after) == wanted


@pytest.mark.parametrize(("status", "body", "wanted"), FAILS.values(), ids=FAILS.keys())
def test_every_failure_has_its_class(server, client, status, body, wanted):
    server.say(json.dumps(body).encode(), {"content-type": "application/json"}, status)
    for ask in (lambda: client.complete("?"), lambda: client.stream("?").collect()):
        _, error = attempt(ask)
        is_told(error, wanted)
    if status != 200:
        return
    start = {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]}
    server.say_events(reference.sse([start, body]))
    _, error = attempt(lambda: client.stream("?").collect())
    is_told(error, wanted)
    assert error.partial.text == "Hel"
    server.say_json([start, body])
    _, error = attempt(lambda: client.stream("?").collect())
    is_told(error, wanted)


statuses = st.one_of(st.just(200), st.integers(200, 599).filter(lambda status: status not in (204, 205, 304)))
kinds = st.sampled_from(["application/json", "text/event-stream", "text/html", "text/plain; charset=utf-16"])
chunk_bodies = bodies().flatmap(lambda body: st.one_of(st.just([body]), mutated([body])))


@given(
    statuses,
    kinds,
    st.one_of(error_bodies, chunk_bodies.map(lambda value: json.dumps(value).encode())),
    st.booleans(),
)
def test_any_answer_of_a_server_is_an_answer_or_an_error(server, client, status, kind, body, stream):
    server.say(body, {"content-type": kind}, status)
    ask = (lambda: client.stream("?").collect()) if stream else lambda: client.complete("?")
    found, error = attempt(ask)
    if error is None:
        assert isinstance(found, Response)
        assert status < 300
        return
    assert isinstance(error, LLMKitError)
    assert (error.provider, error.attempts) == ("gemini", 1)
    assert len(str(error)) < 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


# ---- hostile answers -------------------------------------------------------------------------------------------------


@st.composite
def hostile_chunks(draw: st.DrawFn) -> list[Any]:
    """Chunks of a good stream, some of them changed, lost, repeated or in another order."""
    chunks: list[Any] = draw(chunked(draw(bodies())))[:30]
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(chunks) - 1))
        match draw(st.sampled_from(["mutate", "mutate", "mutate", "drop", "repeat", "move"])):
            case "mutate":
                chunks[index] = draw(mutated(chunks[index]))
            case "drop" if len(chunks) > 1:
                del chunks[index]
            case "repeat":
                chunks.insert(index, chunks[index])
            case _:
                chunks.insert(draw(st.integers(0, len(chunks) - 1)), chunks.pop(index))
    return chunks


@settings(max_examples=4 * EXAMPLES)
@given(hostile_chunks())
def test_a_hostile_stream_is_an_answer_or_an_error(chunks):
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()

    def decode() -> Any:
        for chunk in chunks:
            content.add(decoder.feed(ServerSentEvent("message", json.dumps(chunk))) or ())
        return decoder.close()

    finished, error = attempt(decode)
    assert finished is not None or isinstance(error, (InvalidResponseError, IncompleteStreamError, ErrorEvent))
    if isinstance(error, InvalidResponseError):
        is_refusal(error)
    # What has come can be looked at in any case.
    assert isinstance(decoder.id, str)
    assert isinstance(decoder.model, str)
    assert isinstance(decoder.envelope, dict)
    content.add(decoder.pending())
    is_sound_usage(decoder.usage())
    is_usable(content.message())
    if finished is not None:
        _parts, reason, usage = finished
        is_sound_reason(reason)
        is_sound_usage(usage)


@settings(max_examples=4 * EXAMPLES)
@given(st.one_of(bodies().flatmap(mutated), hostile_chunks()))
def test_a_hostile_body_is_an_answer_or_an_error(body):
    found, error = attempt(WIRE.decode, body, QUIRKS)
    if isinstance(error, (ErrorEvent, IncompleteStreamError)):
        return
    if found is None:
        is_refusal(error)
        return
    assert isinstance(found.id, str)
    assert isinstance(found.model, str)
    is_usable(found.message)
    is_sound_reason(found.finish_reason)
    is_sound_usage(found.usage)


def is_sound_reason(reason: FinishReason) -> None:
    assert reason.raw is None or (isinstance(reason.raw, str) and reason.raw)
    assert reason.stop_sequence is None


def is_sound_usage(usage: Usage) -> None:
    assert all(isinstance(number, int) and number >= 0 for number in attrs.astuple(usage)[:5])
    assert usage.raw is None or isinstance(usage.raw, dict)


def is_usable(message: AssistantMessage) -> None:
    """It can be shown, compared, kept and sent back."""
    assert isinstance(message.text, str)
    assert repr(message)
    assert hash(message) == hash(message)
    assert pickle.loads(pickle.dumps(message)) == message
    body = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))
    assert body["contents"][-1]["parts"][-1] == {"text": "!"}


_PAGE = {
    "models": [{"name": "models/m", "displayName": "M", "inputTokenLimit": 1, "supportedGenerationMethods": ["x"]}],
    "nextPageToken": "t",
}
_COUNT = {"totalTokens": 1, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}]}
_VECTORS = {"embeddings": [{"values": [0.5, 1]}, {"values": [1]}], "usageMetadata": {"promptTokenCount": 1}}


@settings(max_examples=2 * EXAMPLES)
@given(st.one_of(hostile, st.sampled_from([_PAGE, _COUNT, _VECTORS]).flatmap(mutated)))
def test_hostile_lists_counts_and_vectors_are_refused(body):
    assert WIRE.decode_models is not None
    assert WIRE.decode_count is not None
    assert WIRE.decode_embed is not None
    decode_embed = WIRE.decode_embed
    for decode in (WIRE.decode_models, WIRE.decode_count, lambda value: decode_embed(value, 2)):
        found, error = attempt(decode, body)
        if found is None:
            is_refusal(error)
        elif isinstance(found, ModelPage):
            assert all(isinstance(model.id, str) for model in found.models)
        elif not isinstance(found, int):
            assert len(found.vectors) == 2


@given(any_text.filter(bool), st.none() | st.integers(1, 3072))
def test_texts_to_embed_are_sent(text, dimensions):
    assert WIRE.encode_embed is not None
    body = json.loads(WIRE.encode_embed(EmbedRequest("m", (text, "b"), dimensions), QUIRKS).body)
    assert [item["content"]["parts"][0]["text"] for item in body["requests"]][1:] == ["b"]
    assert [item["model"] for item in body["requests"]] == ["models/m", "models/m"]
    assert [item.get("outputDimensionality") for item in body["requests"]] == [dimensions, dimensions]
