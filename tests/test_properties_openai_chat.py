"""What holds for whatever comes, on Chat Completions: the codecs against values nobody thought of."""

import json
import pickle
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import attrs
import pytest
from conformance import vendor_types
from conformance.loopback import Loopback, serving
from conformance.openai_chat import reference, requests, vendor
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParams
from strategies import hostile, mutated, pieces, streams
from strategies_openai_chat import DIALECTS, bodies, conversation_dicts, conversations, options
from test_properties import (
    EXAMPLES,
    attempt,
    error_bodies,
    headers,
    is_refusal,
    is_sound,
    is_sound_reason,
    kinds,
    read,
    statuses,
)

from llmkit import (
    APIError,
    AssistantMessage,
    Client,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    Response,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.accumulate import Accumulator
from llmkit.history import typed
from llmkit.provider_errors import event_failure, status_failure
from llmkit.request import ResolvedRequest
from llmkit.resolve import resolve
from llmkit.response import FinishReason, Usage
from llmkit.sse import ServerSentEvent
from llmkit.wire.base import Embedded, ModelPage
from llmkit.wire.openai_chat import WIRE
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.signals import ErrorEvent

PLAIN = OpenAIChatQuirks(takes_back=frozenset())  # OpenAI itself
QUIRKS = OpenAIChatQuirks()
# What compatible hosts know and OpenAI does not.
NOT_THE_VENDORS = ("reasoning", "reasoning_content", "reasoning_details")
DONE = ServerSentEvent("message", "[DONE]")


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Client]:
    with Client("openai-chat", api_key="sk-properties", base_url=server.url, max_retries=0, model="m") as found:
        yield found


# ---- requests --------------------------------------------------------------------------------------------------------


def refuse(path: str, why: str) -> None:
    """Only a sound that was answered without the id that it goes back by may be refused of what the strategies make."""
    assert "only by its id" in why, f"{path}: {why}"


def resolved(prompt: Any, **options: Any) -> ResolvedRequest:
    return resolve(prompt, options, {}, "gpt-5.6-terra")


def encoded(request: ResolvedRequest, quirks: OpenAIChatQuirks = QUIRKS, *, stream: bool = False) -> dict[str, Any]:
    call = WIRE.encode(request, quirks, refuse, stream)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


@settings(max_examples=4 * EXAMPLES)
@given(conversations(), options(), st.booleans(), st.sampled_from([PLAIN, QUIRKS]))
def test_what_is_sent_fits_the_vendors_types(messages, chosen, stream, quirks):
    before = pickle.dumps((messages, chosen))
    body = encoded(resolved(messages, **chosen), quirks, stream=stream)
    assert pickle.dumps((messages, chosen)) == before
    assert body.get("stream", False) is stream
    if quirks.takes_back is None:
        for message in body["messages"]:
            for name in NOT_THE_VENDORS:
                message.pop(name, None)
    assert vendor_types.faults_against(CompletionCreateParams, json.dumps(body).encode()) == []
    for name in ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty", "parallel_tool_calls"):
        assert body.get(name) == chosen.get(name)
    for name, value in chosen.get("extra_body", {}).items():
        assert body[name] == value
    assert ("tools" in body) is bool(chosen.get("tools"))


@given(conversations(), options())
def test_all_that_is_said_is_sent(messages, chosen):
    """In its order, but for results, which stand first, each a message of its own."""
    body = encoded(resolved(messages, **chosen))
    turns = [message for message in messages if message.role != "system"]
    sent = [message for message in body["messages"] if message["role"] not in ("system", "developer")]
    assert _joined(item for turn in sent for item in _sent_words(turn)) == _joined(
        item for turn in turns for item in _words(turn)
    )
    for before, message in zip([None, *sent], sent, strict=False):
        if message["role"] == "tool":
            assert before is not None
            assert before["role"] == "tool" or before.get("tool_calls")


_MARKING = OpenAIChatQuirks(cache="cache_control", reasoning_with_calls=" ", text_parts=False)


@given(conversations(), options(), st.sampled_from([PLAIN, QUIRKS, _MARKING]))
def test_the_shortest_way_of_a_message_gives_what_the_long_one_does(messages, chosen, quirks):
    """What another wire wants to see again of a part changes nothing here, but every part is looked at for more."""
    longest = [attrs.evolve(turn, content=[*map(_taking_the_long_way, turn.content)]) for turn in messages]
    assert encoded(resolved(messages, **chosen), quirks) == encoded(resolved(longest, **chosen), quirks)


def _taking_the_long_way(part: Any) -> Any:
    if isinstance(part, ToolResult):
        return attrs.evolve(part, content=[_taking_the_long_way(item) for item in part.content])
    return attrs.evolve(part, extra={"another": {}, **part.extra}) if isinstance(part, (Text, ToolCall)) else part


def _joined(items: Any) -> list[Any]:
    """Neighbouring text of one speaker is one text, however many parts it stands in."""
    found: list[Any] = []
    for item in items:
        if found and item[0] in ("said", "asked", "thought", "refused") and found[-1][0] == item[0]:
            found[-1] = (item[0], found[-1][1] + item[1])
        else:
            found.append(item)
    return found


def _words(message: Any) -> Iterator[Any]:
    """What must arrive of a message: in an assistant's thoughts first, calls last; in the user's results first."""
    found = [(_rank(part), _word(part, message.role)) for part in message.content]
    for _, word in sorted(found, key=lambda pair: pair[0]):
        if word is not None:
            yield word


_RANKS = {"ToolResult": 0, "Thinking": 0, "Refusal": 2, "Audio": 3, "ToolCall": 4}


def _rank(part: Any) -> int:
    name = type(part).__name__
    return 1 if name == "Audio" and part.file_id is None else _RANKS.get(name, 1)


def _word(part: Any, role: str) -> Any:
    match type(part).__name__:
        case "Thinking":
            return ("thought", part.text) if part.wire == WIRE.name and part.text else None
        case "Text":
            return ({"user": "asked", "assistant": "said"}[role], part.text) if part.text.strip() else None
        case "Refusal":
            return ("refused", part.text)
        case "ToolCall" if part.extra:
            return ("call", part.id, part.name, part.arguments["input"])
        case "ToolCall":
            return ("call", part.id, part.name, part.arguments)
        case "ToolResult":
            return ("result", part.call_id, "".join(item.text for item in part.content))
        case "Audio" if part.file_id:
            return ("audio", part.file_id)
        case name:
            return (name.lower(),)


def _sent_words(message: dict[str, Any]) -> Iterator[Any]:
    if thought := message.get("reasoning") or message.get("reasoning_content"):
        yield ("thought", thought)
    content = message.get("content") or ()
    if message["role"] == "tool":
        yield ("result", message["tool_call_id"], content if isinstance(content, str) else _texts(content))
        return
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        match part["type"]:
            case "text":
                yield ("asked" if message["role"] == "user" else "said", part["text"])
            case "refusal":
                yield ("refused", part["refusal"])
            case kind:
                yield ({"image_url": "image", "input_audio": "audio", "file": "document"}[kind],)
    if message.get("refusal"):
        yield ("refused", message["refusal"])
    if message.get("audio"):
        yield ("audio", message["audio"]["id"])
    for call in message.get("tool_calls", ()):
        inner = call[call["type"]]
        said = inner["input"] if call["type"] == "custom" else json.loads(inner["arguments"])
        yield ("call", call["id"], inner["name"], said)


def _texts(parts: Any) -> str:
    return "".join(part["text"] for part in parts)


# ---- dicts -----------------------------------------------------------------------------------------------------------


@given(conversation_dicts())
def test_dicts_arrive_as_they_are(dicts):
    before = json.dumps(dicts)
    body = encoded(resolved(dicts))
    assert requests.normal({"messages": body["messages"]}) == requests.normal({"messages": dicts})
    again = encoded(resolved(typed(body["messages"])))
    assert requests.normal({"messages": again["messages"]}) == requests.normal({"messages": body["messages"]})
    assert json.dumps(dicts) == before


# ---- answers ---------------------------------------------------------------------------------------------------------


@given(bodies())
def test_a_whole_body_decodes_to_what_it_says(body):
    before = deepcopy(body)
    wanted = vendor.expected(body, None)
    found = WIRE.decode(body, QUIRKS)
    assert body == before
    assert (found.id, found.model, found.raw) == (wanted.id, wanted.model, body)
    parts = [vendor.plain(part) for part in found.message.content]
    assert [vendor.compared(*pair) for pair in zip(parts, wanted.parts, strict=True)] == wanted.parts
    assert attrs.astuple(found.finish_reason) == wanted.reason
    assert (attrs.astuple(found.usage)[:5], found.usage.raw) == (wanted.usage, wanted.raw_usage)
    assert found.logprobs == wanted.logprobs


@attrs.frozen
class Collected:
    id: str
    model: str
    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage
    logprobs: Any


def collected(events: list[ServerSentEvent], quirks: OpenAIChatQuirks = QUIRKS) -> Collected:
    decoder, content = WIRE.decoder(quirks), Accumulator()
    for event in events:
        if decoder.ended:
            break
        content.add(decoder.feed(event) or ())
    parts, reason, usage = decoder.close()
    content.add(parts)
    return Collected(decoder.id, decoder.model, content.message(), reason, usage, decoder.logprobs)


def sent(chunks: Any) -> list[ServerSentEvent]:
    return [ServerSentEvent("message", json.dumps(chunk)) for chunk in chunks]


@given(st.data(), bodies())
def test_a_stream_decodes_to_its_whole(data, body):
    whole = WIRE.decode(body, QUIRKS)
    written = data.draw(streams([*sent(reference.rendered(body)), DONE]))
    found = collected(read(data.draw(pieces(written))))
    assert found == Collected(whole.id, whole.model, whole.message, whole.finish_reason, whole.usage, whole.logprobs)
    assert [attrs.asdict(part) for part in found.message.content] == [
        attrs.asdict(part) for part in whole.message.content
    ]


@settings(max_examples=4 * EXAMPLES)
@given(bodies(), st.sampled_from(DIALECTS))
def test_dialects_of_hosts_say_the_same(body, dialect):
    chunks = dialect(deepcopy(list(reference.rendered(body))))
    found = collected([*sent(chunks), DONE])
    assert found == collected([*sent(reference.rendered(body)), DONE])
    assert found == collected(sent(chunks))


@given(bodies())
def test_what_was_answered_goes_back(body):
    """But for what nobody wants back: sources, and text that is blank."""
    message = WIRE.decode(body, QUIRKS).message
    turns = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))["messages"]
    got = [_to_compare(turn) for turn in turns if turn["role"] == "assistant"]
    said = {key: value for key, value in body["choices"][0]["message"].items() if key != "annotations"}
    if isinstance(said["content"], str) and not said["content"].strip():
        del said["content"]
    if "audio" in said:
        said["audio"] = {"id": said["audio"]["id"]}
    if call := said.pop("function_call", None):
        said["tool_calls"] = [{"id": got[0]["tool_calls"][0]["id"], "type": "function", "function": call}]
    kept = _to_compare(said)
    assert got == ([kept] if kept else [])


def _to_compare(turn: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in turn.items() if key != "role" and value}
    if isinstance(found.get("content"), dict):
        found["content"] = json.dumps(found["content"])
    if isinstance(found.get("content"), list) and all(part["type"] == "text" for part in found["content"]):
        found["content"] = _texts(found["content"])
    if str(found.get("content")).startswith("{"):
        found["content"] = json.dumps(json.loads(found["content"]))
    for call in found.get("tool_calls", ()):
        if "function" in call:
            call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    return found


@given(bodies(), st.data())
def test_a_stream_without_its_reason_never_closes_well(body, data):
    """Wherever it is cut, and although its sentinel came."""
    chunks = list(reference.rendered(body))
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["finish_reason"] = None
    events = sent(chunks)[: data.draw(st.integers(0, len(chunks)))]
    if data.draw(st.booleans()):
        events.append(DONE)
    with pytest.raises(IncompleteStreamError):
        collected(events)


@given(bodies(), st.data())
def test_a_stream_cut_before_its_reason_never_closes_well(body, data):
    chunks = list(reference.rendered(body))
    last = next(n for n, chunk in enumerate(chunks) if any(c.get("finish_reason") for c in chunk["choices"]))
    with pytest.raises(IncompleteStreamError):
        collected(sent(chunks[: data.draw(st.integers(0, last))]))


@given(bodies())
def test_a_host_that_never_says_why_ends_with_the_sentinel_alone(body):
    body["choices"][0]["finish_reason"] = None
    quirks = OpenAIChatQuirks(finish_reason=False)
    events = sent(reference.rendered(body))
    with pytest.raises(IncompleteStreamError):
        collected(events, quirks)
    found = collected([*events, DONE], quirks)
    assert found.message == WIRE.decode(body, quirks).message


@given(bodies())
def test_a_reason_is_as_good_as_the_sentinel(body):
    events = sent(reference.rendered(body))
    assert collected(events) == collected([*events, DONE])


_TROUBLE = {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}
troubles = st.sampled_from(
    [
        _TROUBLE,
        {"error": {"message": "m", "code": 502}},
        {"error": "m"},
        {**_TROUBLE, "id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []},
        {**_TROUBLE, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]},
        {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}]},
    ]
)


@given(bodies(), troubles, st.data())
def test_an_error_in_a_stream_is_raised_wherever_it_stands(body, trouble, data):
    events = sent(reference.rendered(body))
    at = data.draw(st.integers(0, len(events)))
    with pytest.raises(ErrorEvent):
        collected([*events[:at], *sent([trouble]), *events[at:], DONE])


# ---- errors ----------------------------------------------------------------------------------------------------------

_ENVELOPES = (
    {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}},
    {"error": {"message": "m", "type": None, "code": 429, "metadata": {"raw": "x"}}},
    {"error": {"message": "maximum context length", "code": "400"}},
    {"error": "text"},
    {"detail": [{"loc": ["body"], "msg": "m"}]},
    {"code": "c", "error": "text"},
    {"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
)
envelopes = st.sampled_from(_ENVELOPES).flatmap(mutated)


@given(st.integers(400, 599), headers, st.one_of(error_bodies, envelopes.map(lambda value: json.dumps(value).encode())))
@example(400, {}, json.dumps({"error": {"code": "x" * 3000, "message": "y" * 3000}}).encode())
@example(500, {"request-id": "r"}, b"")
def test_any_body_of_any_status_is_an_error(status, names, body):
    error = status_failure(WIRE, status, names, body)
    is_sound(error)
    assert error.status == status


@given(st.one_of(hostile, envelopes), headers)
def test_any_error_event_is_an_error(body, names):
    is_sound(event_failure(WIRE, body, names))


@given(statuses, kinds, st.one_of(error_bodies, bodies().map(lambda body: json.dumps(body).encode())), st.booleans())
def test_any_answer_of_a_server_is_an_answer_or_an_error(server, client, status, kind, body, stream):
    server.say(body, {"content-type": kind, "x-request-id": "req_1"}, status)
    ask = (lambda: client.stream("?").collect()) if stream else lambda: client.complete("?")
    found, error = attempt(ask)
    if error is None:
        assert isinstance(found, Response)
        assert (status < 300, found.request_id) == (True, "req_1")
        return
    assert isinstance(error, LLMKitError)
    assert (error.provider, error.attempts, error.request_id) == ("openai-chat", 1, "req_1")
    assert len(str(error)) < 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, APIError) or status < 300


# ---- hostile answers -------------------------------------------------------------------------------------------------

_ODD_DELTAS = (
    {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
    {"tool_calls": [{"index": 7, "function": {"arguments": "{}"}}]},
    {"tool_calls": [{"index": 0, "id": "other", "function": {"name": "g"}}]},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}, {"type": "reference"}]},
    {"content": {"a": 1}},
    {"function_call": {"name": "f", "arguments": "{"}},
    {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
    {"audio": {"id": "a", "data": "QUJD", "transcript": "x"}},
)


@st.composite
def hostile_streams(draw: st.DrawFn) -> list[Any]:
    """Chunks of a good stream, some of them changed, lost, repeated or in another order."""
    events: list[Any] = list(reference.rendered(draw(bodies())))[:40]
    odd = {"choices": [{"index": 0, "delta": draw(st.sampled_from(_ODD_DELTAS))}]}
    events.insert(draw(st.integers(0, len(events))), odd)
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
@given(hostile_streams(), st.sampled_from(["message", "error", "ping"]))
def test_a_hostile_stream_is_an_answer_or_an_error(events, name):
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()

    def decode() -> Any:
        for event in events:
            content.add(decoder.feed(ServerSentEvent(name, json.dumps(event))) or ())
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
@given(st.data(), bodies(), st.sampled_from(_ODD_DELTAS))
def test_a_hostile_body_is_an_answer_or_an_error(data, body, odd):
    body["choices"][0]["message"] |= data.draw(st.sampled_from([{}, odd]))
    found, error = attempt(WIRE.decode, data.draw(mutated(body)), QUIRKS)
    if found is None:
        assert isinstance(error, ErrorEvent) or is_refusal(error) is None
    else:
        assert isinstance(found.id, str)
        assert isinstance(found.model, str)
        is_usable(found.message)
        is_sound_reason(found.finish_reason)


def is_usable(message: AssistantMessage) -> None:
    """It can be shown, compared, kept and sent back."""
    assert isinstance(message.text, str)
    assert repr(message)
    assert hash(message) == hash(message)
    assert pickle.loads(pickle.dumps(message)) == message
    body = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))
    last = body["messages"][-1]
    assert (last["role"], _texts(last["content"]) if isinstance(last["content"], list) else last["content"]) == (
        "user",
        "!",
    )


_LISTS = (
    {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]},
    {"data": [{"id": "m", "name": "M", "context_length": 5, "architecture": {"input_modalities": ["text"]}}]},
    {
        "data": [{"index": 0, "embedding": [0.5, 1]}, {"index": 1, "embedding": "AAAAPw=="}],
        "usage": {"prompt_tokens": 1},
    },
)


@given(st.one_of(hostile, st.sampled_from(_LISTS), st.sampled_from(_LISTS).flatmap(mutated)))
@example({"data": [{"id": "m", "created": 10**20}]})
@example({"data": [{"index": 0, "embedding": [10**400]}, {"index": 1, "embedding": "not base64"}]})
def test_hostile_lists_and_vectors_are_refused(body):
    assert WIRE.decode_models is not None
    assert WIRE.decode_embed is not None
    for found, error in (attempt(WIRE.decode_models, body), attempt(WIRE.decode_embed, body, 2)):
        if found is None:
            is_refusal(error)
        else:
            assert isinstance(found, (ModelPage, Embedded))
