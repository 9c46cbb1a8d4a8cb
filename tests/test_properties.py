"""What holds for whatever comes: the codecs against values nobody thought of."""

import json
import math
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import pytest
from conformance import reference, requests, vendor, vendor_types
from conformance.loopback import Loopback, serving
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import (
    Scripted,
    any_text,
    conversations,
    hostile,
    json_values,
    mutated,
    options,
    pieces,
    scripted,
    sse_events,
    streams,
    texts,
    user_dicts,
)

from llmkit import (
    APIError,
    AssistantMessage,
    Client,
    ConfigurationError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    Response,
    Text,
    Thinking,
    ToolResult,
    UserMessage,
)
from llmkit.accumulate import Accumulator
from llmkit.history import typed
from llmkit.json_codec import dump_bytes, load_bytes, loads, to_utf8
from llmkit.provider_errors import event_failure, status_failure
from llmkit.request import ResolvedRequest
from llmkit.resolve import resolve
from llmkit.response import FinishReason, Usage
from llmkit.rows import rows
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.testing.anthropic_messages import events as rendered_events
from llmkit.testing.anthropic_messages import whole as rendered_whole
from llmkit.testing.replies import Reply, by_characters, by_words, unsplit
from llmkit.wire.anthropic_messages import WIRE
from llmkit.wire.base import ModelPage
from llmkit.wire.signals import ErrorEvent

EXAMPLES = int(os.environ.get("LLMKIT_EXAMPLES") or 15)
settings.register_profile(
    "llmkit",
    deadline=None,
    derandomize=True,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("llmkit")

T = TypeVar("T")
QUIRKS = next(rows()).quirks
# The vendor's newest types no longer name these, which its models before the newest take: recorded requests have them.
NAMED_NO_LONGER = ("temperature", "top_p", "top_k")


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Client]:
    with Client("anthropic", api_key="sk-properties", base_url=server.url, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def theirs(server: Loopback) -> Iterator[Any]:
    with vendor.client(server) as found:
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


def resolved(prompt: Any, **options: Any) -> ResolvedRequest:
    return resolve(prompt, options, {}, "claude-sonnet-5")


def encoded(request: ResolvedRequest, *, stream: bool = False) -> dict[str, Any]:
    call = WIRE.encode(request, QUIRKS, refuse, stream)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


@settings(max_examples=4 * EXAMPLES)
@given(conversations(), options(), st.booleans())
def test_what_is_sent_fits_the_vendors_types(messages, chosen, stream):
    body = encoded(resolved(messages, **chosen), stream=stream)
    assert body.get("stream", False) is stream
    known = {key: value for key, value in body.items() if key not in NAMED_NO_LONGER}
    assert vendor_types.faults(json.dumps(known).encode()) == []
    for name in NAMED_NO_LONGER:
        assert body.get(name) == chosen.get(name)


@given(conversations(), options())
def test_what_is_counted_fits_the_vendors_types(messages, chosen):
    assert WIRE.encode_count is not None
    call = WIRE.encode_count(resolved(messages, **{**chosen, "extra_body": None}), QUIRKS, refuse)
    assert call.body is not None
    assert vendor_types.faults_of_count(call.body) == []


@given(conversations(), options())
def test_all_that_is_said_is_sent(messages, chosen):
    """In its order, but for results, which stand first, and for what the provider would refuse."""
    body = encoded(resolved(messages, **chosen))
    turns = [message for message in messages if message.role != "system"]
    sent = [turn for turn in body["messages"] if turn["role"] != "system"]
    words = [_words(message) for message in turns]
    assert [_sent_words(turn) for turn in sent] == [found for found in words if found]
    for turn in sent:
        kinds = [block["type"] == "tool_result" for block in turn["content"]]
        assert kinds == sorted(kinds, reverse=True)
    marks = json.dumps(body["messages"]).count('"cache_control": {"type": "ephemeral", "ttl": ')
    assert marks == sum(_marks(message.content) for message in turns)


def _marks(parts: Any) -> int:
    return sum(
        (getattr(part, "cache", None) is not None and not (isinstance(part, Text) and not part.text.strip()))
        + (_marks(part.content) if isinstance(part, ToolResult) else 0)
        for part in parts
    )


def _words(message: Any) -> list[Any]:
    """What must arrive of a message."""
    found: list[Any] = []
    results = sorted(message.content, key=lambda part: not isinstance(part, ToolResult))
    for part in results if message.role == "user" else message.content:
        match part:
            case Thinking(wire="another") | Thinking(signature=None, redacted=None):
                continue
            case Thinking():
                found.append(part.redacted or (part.text, part.signature))
            case ToolResult():
                found.append((part.call_id, part.is_error, [item for item in map(_word, part.content) if item]))
            case _ if (word := _word(part)) is not None:
                found.append(word)
    return found


def _word(part: Any) -> Any:
    match type(part).__name__:
        case "Text" | "Refusal":
            return part.text if part.text.strip() else None
        case "ToolCall":
            return (part.id, part.name, part.arguments)
        case "Opaque":
            return part.data
        case name:
            return name.lower()


def _sent_words(turn: dict[str, Any]) -> list[Any]:
    return [_sent_word(block) for block in turn["content"]]


def _sent_word(block: dict[str, Any]) -> Any:
    match block["type"]:
        case "text":
            return block["text"]
        case "thinking":
            return (block["thinking"], block["signature"])
        case "redacted_thinking":
            return block["data"]
        case "tool_use":
            return (block["id"], block["name"], block["input"])
        case "tool_result":
            content = [_sent_word(item) for item in block.get("content", [])]
            return (block["tool_use_id"], block.get("is_error", False), content)
        case "image" | "document":
            return block["type"]
        case _:
            return block


# ---- dicts -----------------------------------------------------------------------------------------------------------


@given(user_dicts())
def test_dicts_arrive_as_they_are(dicts):
    before = json.dumps(dicts)
    messages = typed(dicts)
    body = encoded(resolved(messages))
    assert requests.normal({"messages": body["messages"]}) == requests.normal({"messages": dicts})
    again = typed(body["messages"])
    assert requests.normal({"messages": encoded(resolved(again))["messages"]}) == requests.normal(
        {"messages": body["messages"]}
    )
    assert [attrs.evolve(message, content=_by_kind(message)) for message in messages] == again
    assert json.dumps(dicts) == before


def _by_kind(message: Any) -> list[Any]:
    """Results first, as they are sent."""
    return sorted(message.content, key=lambda part: not isinstance(part, ToolResult))


# ---- answers ---------------------------------------------------------------------------------------------------------

chunkings = st.sampled_from([by_words, by_characters, unsplit])


def reply(script: Scripted) -> Reply:
    return Reply(script.content, usage=script.usage, finish_reason=script.finish_reason, id="msg_1", model="m")


def everything(parts: Any) -> list[Any]:
    """All of the parts, `raw` and `extra` included, which `==` leaves out."""
    return [attrs.asdict(part) for part in parts]


@given(scripted())
def test_a_whole_body_decodes_to_what_was_rendered(script):
    found = WIRE.decode(load_bytes(dump_bytes(rendered_whole(reply(script)))), QUIRKS)
    assert (found.id, found.model) == ("msg_1", "m")
    assert found.message == AssistantMessage(script.content)
    assert everything(found.message.content) == everything(script.content)
    assert (found.finish_reason, found.usage) == (script.finish_reason, script.usage)


@given(st.data(), scripted(), chunkings)
def test_a_stream_decodes_to_what_was_rendered(data, script, chunking):
    sent = [
        ServerSentEvent(event["type"], json.dumps(event, ensure_ascii=data.draw(st.booleans())))
        for event in rendered_events(reply(script), chunking=chunking)
    ]
    body = data.draw(streams(sent))
    found = collected(read(data.draw(pieces(body))))
    assert found.message == AssistantMessage(script.content)
    assert everything(found.message.content) == everything(script.content)
    assert (found.id, found.model, found.finish_reason, found.usage) == (
        "msg_1",
        "m",
        script.finish_reason,
        script.usage,
    )
    assert found == collected(read([body]))


def read(parts: list[bytes]) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    found = [event for part in parts for event in decoder.feed(part)]
    return found if (last := decoder.close()) is None else [*found, last]


@attrs.frozen
class Collected:
    id: str
    model: str
    message: AssistantMessage
    finish_reason: FinishReason
    usage: Usage


def collected(events: list[ServerSentEvent]) -> Collected:
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()
    for event in events:
        content.add(decoder.feed(event) or ())
    parts, reason, usage = decoder.close()
    content.add(parts)
    return Collected(decoder.id, decoder.model, content.message(), reason, usage)


@given(scripted())
def test_what_is_not_modelled_goes_back(script):
    """Keys of the future are sent back with their block, but for those that are null."""
    body = rendered_whole(reply(script))
    modelled = [
        block for block in body["content"] if block["type"] in ("text", "thinking", "redacted_thinking", "tool_use")
    ]
    for block in modelled:
        block |= {"future": {"a": [1]}, "nothing": None}
    message = WIRE.decode(body, QUIRKS).message
    sent = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))["messages"]
    found = [block for turn in sent if turn["role"] == "assistant" for block in turn["content"]]
    assert [block for block in found if "nothing" in block] == []
    assert [block["type"] for block in found if block.get("future") == {"a": [1]}] == [
        block["type"]
        for block in modelled
        if block.get("text", "x").strip() and not (block["type"] == "thinking" and not block["signature"])
    ]


NUMBERS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NUMBERS, st.none() | st.integers(0, 99))), st.integers(0, 99))
def test_the_last_count_that_was_told_holds(server, client, theirs, told, output):
    """As the vendor's client reads it: a count that is null or missing at the end changes nothing."""
    events = list(reference.rendered(rendered_whole(Reply("Hello", usage=Usage(60, 5, 20, 10)))))
    events[-2]["usage"] = {**told, "output_tokens": output}
    server.say_events(reference.sse(events))
    with theirs.messages.stream(**vendor.ASK) as stream:
        usage = stream.get_final_message().usage
    with client.stream("?") as stream:
        got = stream.collect().usage
    fresh, written, read = (getattr(usage, name) for name in NUMBERS)
    assert got == Usage(fresh + written + read, usage.output_tokens, read, written)


def test_a_fallback_names_the_model_that_served(server, client, theirs):
    """As the vendor's client reads it: the whole body of the same answer has that model at its top."""
    hop = {"type": "fallback", "from": {"model": "first"}, "to": {"model": "second"}, "trigger": {"type": "refusal"}}
    body = {**rendered_whole(Reply("Hello", model="first")), "content": [hop, {"type": "text", "text": "Hello"}]}
    server.say_events(reference.sse(reference.rendered(body)))
    with theirs.beta.messages.stream(**vendor.ASK) as stream:
        assert stream.get_final_message().model == "second"
    with client.stream("?") as stream:
        assert stream.collect().model == "second"


# ---- JSON ------------------------------------------------------------------------------------------------------------


@given(json_values(leaves=30))
def test_json_comes_back(value):
    assert loads(dump_bytes(value).decode()) == value
    assert load_bytes(b"\xef\xbb\xbf" + json.dumps(value).encode()) == value


@given(json_values(any_text, 20))
def test_surrogates_never_fail(value):
    """Pairs are joined; a half that stands alone becomes U+FFFD."""
    text = dump_bytes(value).decode()
    assert not any("\ud800" <= character <= "\udfff" for character in text)
    joined = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert loads(text) == json.loads(joined)


@given(any_text)
def test_text_always_has_utf8(text):
    assert to_utf8(text).decode() == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(st.lists(st.one_of(st.integers(0, 3), st.text("abc", min_size=1, max_size=3)), max_size=5), st.data())
def test_what_json_cannot_is_refused_with_its_path(steps, data):
    value = data.draw(st.sampled_from([math.nan, math.inf, -math.inf, object(), b"x", {1}, 1j]))
    path = "body"
    for step in reversed(steps):
        value = [0] * step + [value] if isinstance(step, int) else {"z": 0, step: value}
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    with pytest.raises(ConfigurationError) as caught:
        dump_bytes(value, "body")
    assert str(caught.value).startswith(f"{path}: ")


@given(st.binary(max_size=60))
@example(b"[" * 100_000)
@example(b"1" * 5000)
@example(b"NaN")
@example(b"[Infinity]")
def test_bytes_are_json_or_refused(data):
    value, error = attempt(load_bytes, data)
    if error is not None:
        is_refusal(error)
    else:
        assert value == json.loads(data.decode("utf-8-sig"))


# ---- server-sent events ----------------------------------------------------------------------------------------------


@given(st.data(), sse_events)
def test_events_arrive_however_they_are_written_and_cut(data, events):
    body = data.draw(streams(events))
    assert read([body]) == events
    assert read(data.draw(pieces(body))) == events
    assert read([body[index : index + 1] for index in range(len(body))]) == events


@given(st.binary(max_size=80), st.data())
@example(b"data: \xff\n\n", None)
def test_any_bytes_are_events_or_refused_wherever_they_are_cut(body, data):
    parts = [body] if data is None else data.draw(pieces(body))
    assert outcome(parts) == outcome([body])


def outcome(parts: list[bytes]) -> tuple[list[ServerSentEvent], str | None]:
    """What came, and what then went wrong."""
    decoder = SSEDecoder(largest=40)
    found: list[ServerSentEvent] = []
    try:
        for part in parts:
            found += decoder.feed(part)
        last = decoder.close()
    except InvalidResponseError as error:
        return found, str(error)
    return (found if last is None else [*found, last]), None


# ---- errors ----------------------------------------------------------------------------------------------------------

_ENVELOPES = (
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "r"},
    {"error": {"message": "m", "type": None, "code": 429}},
    {"detail": "d"},
    {"code": "c", "error": "text"},
)
error_bodies = st.one_of(
    st.binary(max_size=100),
    hostile.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(_ENVELOPES).flatmap(mutated).map(lambda value: json.dumps(value).encode()),
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "request-id"]),
    st.sampled_from(["", "1", "-1", "nan", "inf", "true", "1e999", "Fri, 31 Dec 9999 23:59:59 GMT", "x" * 500]),
)


def is_sound(error: APIError) -> None:
    """Short, typed, picklable."""
    assert isinstance(error, APIError)
    assert isinstance(error.status, int)
    assert error.code is None or isinstance(error.code, str)
    assert error.request_id is None or isinstance(error.request_id, str)
    assert error.retry_after is None or 0 < error.retry_after < math.inf
    assert isinstance(error.retryable, bool)
    assert len(str(error)) < 1000
    assert "\n" not in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


@given(st.integers(400, 599), headers, error_bodies)
@example(400, {}, json.dumps({"error": {"code": "x" * 3000, "message": "y" * 3000}}).encode())
@example(400, {}, json.dumps({"error": {"type": "a\nb", "message": "a\r\nb"}}).encode())
@example(500, {"request-id": "r"}, b"")
def test_any_body_of_any_status_is_an_error(status, names, body):
    error = status_failure(WIRE, status, names, body)
    is_sound(error)
    assert error.status == status


@given(st.one_of(hostile, st.sampled_from(_ENVELOPES).flatmap(mutated), texts), headers)
def test_any_error_event_is_an_error(body, names):
    is_sound(event_failure(WIRE, body, names))


statuses = st.one_of(st.just(200), st.integers(200, 599).filter(lambda status: status not in (204, 205, 304)))
kinds = st.sampled_from(["application/json", "text/event-stream", "text/html", "text/plain; charset=utf-16"])


@given(statuses, kinds, error_bodies, st.booleans())
def test_any_answer_of_a_server_is_an_answer_or_an_error(server, client, status, kind, body, stream):
    server.say(body, {"content-type": kind, "request-id": "req_1"}, status)
    ask = (lambda: client.stream("?").collect()) if stream else lambda: client.complete("?", max_tokens=1)
    found, error = attempt(ask)
    if error is None:
        assert isinstance(found, Response)
        assert (status < 300, found.request_id) == (True, "req_1")
        return
    assert isinstance(error, LLMKitError)
    assert (error.provider, error.attempts, error.request_id) == ("anthropic", 1, "req_1")
    assert len(str(error)) < 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, APIError) or status < 300


# ---- hostile answers -------------------------------------------------------------------------------------------------


@st.composite
def hostile_streams(draw: st.DrawFn) -> list[Any]:
    """Events of a good stream, some of them changed, lost, repeated or in another order."""
    events = rendered_events(reply(draw(scripted())), chunking=draw(chunkings))[:40]
    events = [*events, {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta", "text": "x"}}]
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
@given(hostile_streams(), st.sampled_from(["message", "error", "content_block_start", "ping"]))
def test_a_hostile_stream_is_an_answer_or_an_error(events, name):
    decoder, content = WIRE.decoder(QUIRKS), Accumulator()

    def decode() -> Any:
        for event in events:
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
    is_usable(content.message())
    if finished is not None:
        parts, reason, usage = finished
        content.add(parts)
        is_usable(content.message())
        is_sound_reason(reason)


@settings(max_examples=4 * EXAMPLES)
@given(st.data(), scripted())
def test_a_hostile_body_is_an_answer_or_an_error(data, script):
    body = data.draw(mutated(rendered_whole(reply(script))))
    found, error = attempt(WIRE.decode, body, QUIRKS)
    if found is None:
        is_refusal(error)
    else:
        assert isinstance(found.id, str)
        assert isinstance(found.model, str)
        is_usable(found.message)
        is_sound_reason(found.finish_reason)


def is_sound_reason(reason: FinishReason) -> None:
    assert reason.raw is None or isinstance(reason.raw, str)
    assert reason.stop_sequence is None or isinstance(reason.stop_sequence, str)


def is_usable(message: AssistantMessage) -> None:
    """It can be shown, compared, kept and sent back."""
    assert isinstance(message.text, str)
    assert repr(message)
    assert hash(message) == hash(message)
    assert pickle.loads(pickle.dumps(message)) == message
    body = encoded(resolved([UserMessage("?"), message, UserMessage("!")]))
    assert body["messages"][-1] == {"role": "user", "content": [{"type": "text", "text": "!"}]}


@given(st.one_of(hostile, st.just({"data": [{"id": "m"}], "has_more": True, "last_id": "m"}).flatmap(mutated)))
def test_hostile_lists_and_counts_are_refused(body):
    assert WIRE.decode_models is not None
    assert WIRE.decode_count is not None
    for decode in (WIRE.decode_models, WIRE.decode_count):
        found, error = attempt(decode, body)
        if found is None:
            is_refusal(error)
        else:
            assert isinstance(found, (int, ModelPage))
