"""What holds of the wire `openai-responses` for whatever comes: its codec against values nobody thought of."""

import json
import pickle
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from conformance import vendor_types
from conformance.loopback import Loopback, serving
from conformance.openai_responses import reference, vendor
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses.input_token_count_params import InputTokenCountParams
from openai.types.responses.response_create_params import ResponseCreateParams
from strategies import hostile, mutated, pieces, texts
from strategies import streams as written
from strategies_openai_responses import bodies, conversations, dialects, options, told
from test_properties import (
    EXAMPLES,
    attempt,
    error_bodies,
    everything,
    headers,
    is_refusal,
    is_sound,
    is_sound_reason,
    kinds,
    read,
    statuses,
)

import llmkit
from llmkit import (
    APIError,
    AssistantMessage,
    Client,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    Response,
    Thinking,
    ToolCallDelta,
    UserMessage,
)
from llmkit.accumulate import Accumulator
from llmkit.events import Event
from llmkit.json_codec import dump_bytes, load_bytes
from llmkit.provider_errors import event_failure, status_failure
from llmkit.request import ResolvedRequest
from llmkit.resolve import resolve
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.openai_responses import WIRE
from llmkit.wire.signals import ErrorEvent

QUIRKS = WIRE.quirks()


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Client]:
    with Client("openai", api_key="sk-properties", base_url=server.url, max_retries=0, model="m") as found:
        yield found


# ---- requests --------------------------------------------------------------------------------------------------------


def refuse(path: str, why: str) -> None:
    """Nothing that the strategies make may be refused."""
    raise AssertionError(f"{path}: {why}")


def resolved(prompt: Any, **chosen: Any) -> ResolvedRequest:
    return resolve(prompt, chosen, {}, "gpt-5.4")


def encoded(request: ResolvedRequest, *, stream: bool = False) -> dict[str, Any]:
    call = WIRE.encode(request, QUIRKS, refuse, stream)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


def as_the_vendor_types_it(body: dict[str, Any]) -> bytes:
    """`body` with what the provider takes, as recorded requests show, and its client's types do not know."""
    found = {**body, "input": [_as_typed(item) for item in body["input"]]}
    if body.get("tool_choice") == {"type": "web_search"}:
        found["tool_choice"] = {"type": "web_search_preview"}  # its older name is the only one that they know
    return json.dumps(found).encode()


def _as_typed(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] == "message" and item["role"] == "assistant":
        return {"id": "msg_1", "status": "completed", **item}  # neither is needed
    if item["type"] == "reasoning":
        return {"id": "rs_1", **item}  # nor here
    if item["type"] == "message":
        # Sounds are a type of its own that stands in no union.
        return {**item, "content": [part for part in item["content"] if part["type"] != "input_audio"]}
    return item


ARRIVE_AS = {
    "max_tokens": "max_output_tokens",
    "metadata": "metadata",
    "service_tier": "service_tier",
}


@settings(max_examples=4 * EXAMPLES)
@given(conversations(), options(), st.booleans())
def test_what_is_sent_fits_the_vendors_types(messages, chosen, stream):
    body = encoded(resolved(messages, **chosen), stream=stream)
    assert body.get("stream", False) is stream
    assert vendor_types.faults_against(ResponseCreateParams, as_the_vendor_types_it(body)) == []
    assert body["store"] is chosen.get("extra_body", {}).get("store", False)
    for name, key in ARRIVE_AS.items():
        assert body.get(key) == (chosen.get(name) or None), name
    for name, key in (("temperature", "temperature"), ("top_p", "top_p"), ("logprobs", "top_logprobs")):
        assert body.get(key) == chosen.get(name), name
    assert ("message.output_text.logprobs" in body.get("include", [])) is ("logprobs" in chosen)
    assert body.get("reasoning", {}).get("effort") == chosen.get("reasoning")


@given(conversations(), options())
def test_what_is_counted_fits_the_vendors_types(messages, chosen):
    assert WIRE.encode_count is not None
    call = WIRE.encode_count(resolved(messages, **{**chosen, "extra_body": None}), QUIRKS, refuse)
    assert call.body is not None
    body = as_the_vendor_types_it(json.loads(call.body))
    assert vendor_types.faults_against(InputTokenCountParams, body) == []


@settings(max_examples=2 * EXAMPLES)
@given(conversations(), options())
def test_all_that_is_said_is_sent(messages, chosen):
    """In its order, but for results, which stand first, and for what the provider would refuse."""
    before = [attrs.asdict(message) for message in messages]
    body = encoded(resolved(messages, **chosen))
    spoken = [message for index, message in enumerate(messages) if index or message.role != "system"]
    wanted = [word for message in spoken for word in _words(message, stored=body["store"])]
    assert [word for item in body["input"] for word in _sent_words(item)] == wanted
    assert [attrs.asdict(message) for message in messages] == before


def _words(message: Any, *, stored: bool) -> list[Any]:
    """What must arrive of a message."""
    if message.role == "assistant":
        # The provider knows what it stores by ids, if all of it has one.
        named = [part for part in message.content if not isinstance(part, (llmkit.Opaque, llmkit.Image))]
        known = stored and all("id" in part.extra.get(WIRE.name, {}) for part in named if not _foreign(part))
        found = [word for part in message.content for word in _answered(part, known=known)]
        while found and found[-1][0] == "reasoning":  # nothing follows them: the provider would refuse them
            del found[-1]
        return found
    results = sorted(message.content, key=lambda part: not isinstance(part, llmkit.ToolResult))
    return [(message.role, *word) for part in results for word in _asked(part)]


def _foreign(part: Any) -> bool:
    """Whether it is left out, whatever stands beside it."""
    return (isinstance(part, Thinking) and part.wire != WIRE.name) or part == llmkit.Text("")


def _answered(part: Any, *, known: bool) -> Iterator[Any]:
    match part:
        case llmkit.Text(text=text):
            if text or part.extra.get(WIRE.name):
                yield ("assistant", "text", text)
        case llmkit.Refusal(text=text):
            yield ("assistant", "refusal", text)
        case Thinking():
            own = part.extra.get(WIRE.name, {})
            if part.wire == WIRE.name and (part.signature or part.redacted or own.get("content") or known):
                said = [own.get("summary") or [], own.get("content") or []]
                yield ("reasoning", said, part.signature or part.redacted)
        case llmkit.ToolCall():
            custom = part.extra.get(WIRE.name, {}).get("type") == "custom_tool_call"
            yield ("call", part.id, part.name, part.raw or part.arguments, custom)
        case llmkit.Image():
            yield ("image", part.data)
        case llmkit.Opaque(data=data):
            yield ("verbatim", data)


def _asked(part: Any) -> Iterator[Any]:
    match part:
        case llmkit.Text(text=text):
            if text:
                yield ("text", text)
        case llmkit.ToolResult():
            content = [word for item in part.content for word in _asked(item)]
            yield ("result", part.call_id, _joined(content))
        case llmkit.Document():
            if part.context:
                yield ("text", part.context)
            yield ("document",)
        case llmkit.Opaque(data={"type": "input_text", "text": text}):
            yield ("text", text)
        case llmkit.Opaque(data=data):
            yield ("verbatim", data)
        case _:
            yield (type(part).__name__.lower(),)


def _joined(content: list[Any]) -> Any:
    """Where a result is text alone, it is one text."""
    return "".join(word[1] for word in content) if all(word[0] == "text" for word in content) else content


_KINDS = {"input_image": "image", "input_file": "document", "input_audio": "audio"}


def _sent_words(item: dict[str, Any]) -> list[Any]:
    match item["type"]:
        case "message" if item["role"] == "assistant":
            return [_sent_answer(part) for part in item["content"]]
        case "message":
            return [(item["role"], *_sent_part(part)) for part in item["content"]]
        case "reasoning":
            return [("reasoning", [item["summary"], item.get("content") or []], item.get("encrypted_content"))]
        case "function_call":
            return [("call", item["call_id"], item["name"], _object_or_text(item["arguments"]), False)]
        case "custom_tool_call":
            return [("call", item["call_id"], item["name"], {"input": item["input"]}, True)]
        case "function_call_output" | "custom_tool_call_output":
            output = item["output"]
            content = output if isinstance(output, str) else [_sent_part(part) for part in output]
            return [("user", "result", item["call_id"], content)]
        case "image_generation_call" if item["result"]:
            return [("image", b64decode(item["result"]))]
        case "item_reference" | "mcp_approval_response":
            return [("user", "verbatim", item)]
        case _:
            return [("verbatim", item)]


def _sent_answer(part: dict[str, Any]) -> Any:
    if part["type"] == "refusal":
        return ("assistant", "refusal", part["refusal"])
    return ("assistant", "text", part["text"])


def _sent_part(part: dict[str, Any]) -> Any:
    return ("text", part["text"]) if part["type"] == "input_text" else (_KINDS[part["type"]],)


def _object_or_text(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


# ---- answers ---------------------------------------------------------------------------------------------------------


@settings(max_examples=2 * EXAMPLES)
@given(bodies())
def test_a_whole_body_decodes_to_what_it_says(body):
    found = WIRE.decode(load_bytes(dump_bytes(body)), QUIRKS)
    is_as_expected(found, body)
    assert found.raw == body


def is_as_expected(found: Any, body: dict[str, Any]) -> None:
    """It is what the independent reading of the body says."""
    wanted = vendor.expected(body, {})
    assert (found.id, found.model) == (wanted.id, wanted.model)
    assert [vendor.plain(part) for part in found.message.content] == wanted.parts
    assert attrs.astuple(found.finish_reason) == wanted.reason
    assert attrs.astuple(found.usage)[:5] == wanted.usage
    assert found.logprobs == wanted.logprobs


@settings(max_examples=4 * EXAMPLES)
@given(st.data(), bodies())
def test_a_stream_decodes_to_what_its_body_says(data, body):
    """However hosts tell it, and however it is written and cut."""
    stream = data.draw(written(data.draw(told(body))))
    found = collected(read(data.draw(pieces(stream))))
    is_as_expected(found, body)
    assert everything(found.message.content) == everything(WIRE.decode(body, QUIRKS).message.content)
    assert found.usage.raw == body["usage"]
    assert found == collected(read([stream]))


@attrs.frozen
class Collected:
    id: str
    model: str
    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage
    logprobs: Any
    events: list[Event]


def collected(events: list[ServerSentEvent]) -> Collected:
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()
    found: list[Event] = []
    for event in events:
        if decoder.ended:
            break
        found += decoder.feed(event) or ()
    parts, reason, usage = decoder.close()
    content.add(found)
    content.add(parts)
    return Collected(decoder.id, decoder.model, content.message(), reason, usage, decoder.logprobs, [*found, *parts])


@settings(max_examples=4 * EXAMPLES)
@given(st.data(), bodies())
def test_deltas_are_the_answer(data, body):
    """What was handed out piece by piece is what was handed out whole, in whichever way it was told."""
    found = collected(data.draw(told(body)))
    events = found.events
    assert "".join(event.text for event in events if isinstance(event, llmkit.TextDelta)) == found.message.text
    thoughts = [part.text for part in found.message.content if isinstance(part, Thinking)]
    assert "".join(event.text for event in events if isinstance(event, llmkit.ThinkingDelta)) == "".join(thoughts)
    calls = [part for part in found.message.content if isinstance(part, llmkit.ToolCall)]
    fragments: dict[int, list[ToolCallDelta]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            fragments.setdefault(event.index, []).append(event)
    assert list(fragments) == list(range(len(calls)))
    for several, call in zip(fragments.values(), calls, strict=True):
        assert {(event.id, event.name) for event in several} == {(call.id, call.name)}
        assert all(event.arguments for event in several[1:])
        text = "".join(event.arguments for event in several)
        assert text == call.raw if call.raw is not None else json.loads(text) == call.arguments
    assert [event for event in events if isinstance(event, llmkit.messages.PARTS)] == list(found.message.content)
    assert all(event.text for event in events if isinstance(event, (llmkit.TextDelta, llmkit.ThinkingDelta)))


@given(st.data(), bodies(), dialects)
def test_without_its_last_event_a_stream_never_closes_well(data, body, dialect):
    events = dialect(list(reference.rendered(body)))[:-1]
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()
    for event in events[: data.draw(st.integers(0, len(events)))]:
        content.add(decoder.feed(ServerSentEvent(event["type"], json.dumps(event))) or ())
    assert not decoder.ended
    assert not decoder.whole
    is_usable(content.message(decoder.pending()))
    with pytest.raises(IncompleteStreamError):
        decoder.close()


@given(bodies())
def test_an_answer_goes_back_as_it_came(body):
    """Keys of the future are sent back with their item, but for those that are null."""
    for item in body["output"]:
        item |= {"future": {"a": [1]}, "nothing": None}
        if item["type"] == "reasoning":
            item["encrypted_content"] = "seal"
        if item["type"] == "function_call" and item["arguments"] == "":
            item["arguments"] = "{}"  # which is what it means
    body["output"].append({"type": "compaction", "id": "cmp_1", "encrypted_content": "x"})
    message = WIRE.decode(body, QUIRKS).message
    _, *found, _ = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))["input"]
    assert found == [_gone_back(item) for item in body["output"] if item.get("content") or item["type"] != "message"]


def _gone_back(item: dict[str, Any]) -> dict[str, Any]:
    modelled = item["type"] in ("message", "reasoning", "function_call", "custom_tool_call")
    modelled = modelled or (item["type"] == "image_generation_call" and item["result"] is not None)
    if not modelled:
        return item
    found = {key: value for key, value in item.items() if value is not None}
    if item["type"] == "message":
        found["content"] = [
            {key: value for key, value in part.items() if key != "logprobs"} for part in item["content"]
        ]
    return found


# ---- errors ----------------------------------------------------------------------------------------------------------

_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "error", "code": "server_error", "message": "m", "param": None, "sequence_number": 3},
    {"type": "error", "error": {"type": "too_many_requests", "code": "too_many_requests", "message": "m"}},
    {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}},
    {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"}},
)


@given(st.integers(400, 599), headers, error_bodies)
def test_any_body_of_any_status_is_an_error(status, names, body):
    error = status_failure(WIRE, status, names, body)
    is_sound(error)
    assert error.status == status


@given(st.one_of(hostile, st.sampled_from(_EVENTS).flatmap(mutated), texts), headers)
def test_any_error_event_is_an_error(body, names):
    is_sound(event_failure(WIRE, body, names))


@given(statuses, kinds, error_bodies, st.booleans())
def test_any_answer_of_a_server_is_an_answer_or_an_error(server, client, status, kind, body, stream):
    server.say(body, {"content-type": kind, "x-request-id": "req_1"}, status)
    ask = (lambda: client.stream("?").collect()) if stream else lambda: client.complete("?")
    found, error = attempt(ask)
    if error is None:
        assert isinstance(found, Response)
        assert (status < 300, found.request_id) == (True, "req_1")
        return
    assert isinstance(error, LLMKitError)
    assert (error.provider, error.attempts, error.request_id) == ("openai", 1, "req_1")
    assert len(str(error)) < 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, APIError) or status < 300


# ---- hostile answers -------------------------------------------------------------------------------------------------


@st.composite
def hostile_streams(draw: st.DrawFn) -> list[Any]:
    """Events of a good stream, some of them changed, lost, repeated or in another order."""
    events: list[Any] = draw(dialects)(list(reference.rendered(draw(bodies()))))
    for _ in range(draw(st.integers(1, 4))):
        index = draw(st.integers(0, len(events) - 1))
        match draw(st.sampled_from(["mutate", "mutate", "mutate", "drop", "repeat", "move"])):
            case "mutate":
                events[index] = draw(mutated(events[index]))
            case "drop" if len(events) > 1:
                del events[index]
            case "repeat":
                events.insert(index, events[index])
            case _:
                events.insert(draw(st.integers(0, len(events) - 1)), events.pop(index))
    return events


@settings(max_examples=4 * EXAMPLES)
@given(hostile_streams(), st.sampled_from(["message", "error", "response.output_item.done", "response.completed"]))
def test_a_hostile_stream_is_an_answer_or_an_error(events, name):
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()

    def decode() -> Any:
        for event in events:
            if decoder.ended:
                break
            kind = event.get("type") if isinstance(event, dict) else None
            sent = ServerSentEvent(kind if isinstance(kind, str) and kind else name, json.dumps(event))
            content.add(decoder.feed(sent) or ())
        return decoder.close()

    finished, error = attempt(decode)
    assert finished is not None or isinstance(error, (InvalidResponseError, IncompleteStreamError, ErrorEvent))
    if isinstance(error, InvalidResponseError):
        is_refusal(error)
    # What has come can be looked at in any case.
    assert isinstance(decoder.id, str)
    assert isinstance(decoder.model, str)
    usage = decoder.usage()
    assert all(isinstance(number, int) and number >= 0 for number in attrs.astuple(usage)[:5])
    is_usable(content.message(decoder.pending()))
    if finished is not None:
        parts, reason, usage = finished
        content.add(parts)
        is_usable(content.message())
        is_sound_reason(reason)


@settings(max_examples=4 * EXAMPLES)
@given(st.data(), bodies())
def test_a_hostile_body_is_an_answer_or_an_error(data, body):
    found, error = attempt(WIRE.decode, data.draw(mutated(body)), QUIRKS)
    if found is not None:
        assert isinstance(found.id, str)
        assert isinstance(found.model, str)
        is_usable(found.message)
        is_sound_reason(found.finish_reason)
    elif not isinstance(error, ErrorEvent):
        is_refusal(error)


def is_usable(message: AssistantMessage) -> None:
    """It can be shown, compared, kept and sent back."""
    assert isinstance(message.text, str)
    assert repr(message)
    assert hash(message) == hash(message)
    assert pickle.loads(pickle.dumps(message)) == message
    body = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))
    assert body["input"][-1]["content"] == [{"type": "input_text", "text": "!"}]


@given(st.one_of(hostile, st.just({"object": "response.input_tokens", "input_tokens": 3}).flatmap(mutated)))
def test_hostile_counts_are_refused(body):
    assert WIRE.decode_count is not None
    found, error = attempt(WIRE.decode_count, body)
    if found is None:
        is_refusal(error)
    else:
        assert isinstance(found, int)
