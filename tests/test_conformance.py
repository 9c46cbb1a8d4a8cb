"""Every recording of the wire against the contract, the vendor's own client, and itself in other forms.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anthropic
import attrs
import pytest
from conformance import recordings, reference, requests, streams, summary
from conformance import vendor as vendors
from conformance.keys import Keys
from conformance.loopback import Loopback, serving
from conformance.recordings import Recording

import llmkit
from llmkit import Client, Opaque, Response, Text, Thinking, ToolCall, UserMessage
from llmkit.wire.anthropic_messages import StreamDecoder, schema

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

WIRE = "anthropic-messages"
KEYS = Keys(schema.Block, schema.PASSED_THROUGH)
MESSAGES = recordings.load("anthropic-messages")
COUNTS = recordings.load("anthropic-count-tokens")
MODELS = recordings.load("anthropic-models")
ALL = [*MESSAGES, *COUNTS, *MODELS]
ANSWERS = [recording for recording in MESSAGES if recording.ok]
STREAMS = [recording for recording in ANSWERS if recording.streamed]
FAILURES = [recording for recording in ALL if not recording.ok]
REQUESTS = [recording for recording in ALL if recording.sent is not None]

summary.expect(
    WIRE,
    {
        "equal to expectation": len(ALL),
        "cut anywhere": len(STREAMS),
        "nothing lost": len(ALL),
        "round trip": len(ANSWERS),
        "stream equals whole": len(ANSWERS),
        "request as recorded": len(REQUESTS),
    },
)


def each(cases: Sequence[Recording]) -> Any:
    return pytest.mark.parametrize("recording", cases, ids=[case.id for case in cases])


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Loopback) -> Iterator[Client]:
    with Client("anthropic", api_key=vendors.KEY, base_url=server.url, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def vendor(server: Loopback) -> Iterator[Any]:
    with vendors.client(server) as found:
        yield found


def replay(server: Loopback, recording: Recording) -> None:
    server.say(recording.body, recording.answered, recording.status)


def ask(client: Client, recording: Recording, prompt: Any = "?") -> Response[Any]:
    """Whole or streamed, as the recording was asked for."""
    if not recording.stream:
        return client.complete(prompt, max_tokens=16)
    with client.stream(prompt, max_tokens=16) as stream:
        return stream.collect()


# ---- equal to expectation --------------------------------------------------------------------------------------------


def plain(part: Any) -> Any:
    """A part as a plain value; `vendors.expected` makes the same of the vendor's block."""
    match part:
        case Text():
            return ("text", part.text, [(item.text, item.raw) for item in part.citations])
        case Thinking(redacted=str(data)):
            return ("redacted", data)
        case Thinking():
            return ("thinking", part.text, part.signature)
        case ToolCall():
            return ("call", part.id, part.name, part.arguments, part.raw)
        case Opaque():
            return ("verbatim", part.data)
        case _:
            raise AssertionError(part)


@each(ANSWERS)
def test_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    wanted = vendors.expected(vendors.ask(vendor, recording), recording)
    got = ask(client, recording)

    assert [plain(part) for part in got.message.content] == wanted.parts
    assert (got.id, got.model, got.provider) == (wanted.id, wanted.model, "anthropic")
    assert (got.text, got.thinking, got.refusal) == (wanted.text, wanted.thinking, None)
    assert attrs.astuple(got.finish_reason) == wanted.reason
    assert attrs.astuple(got.usage)[:5] == wanted.usage
    assert got.usage.total_tokens == wanted.usage[0] + wanted.usage[1]
    assert [(item.text, item.raw) for item in got.citations] == [
        item for part in wanted.parts if part[0] == "text" for item in part[2]
    ]
    assert [call.id for call in got.tool_calls] == [part[1] for part in wanted.parts if part[0] == "call"]
    assert (got.request_id, got.attempts, got.rounds) == (wanted.request_id, 1, ())
    if not recording.stream:
        assert got.raw == recording.json()
    summary.passed(WIRE, "equal to expectation", recording.id)


@each(STREAMS)
def test_deltas_are_the_answer(recording, server, client):
    """What was handed out piece by piece is what was handed out whole; the two closing events come last, once."""
    replay(server, recording)
    with client.stream("?", max_tokens=16) as stream:
        events = list(stream)
    got = stream.collect()
    assert "".join(event.text for event in events if isinstance(event, llmkit.TextDelta)) == got.text
    thoughts = [part.text for part in got.message.content if isinstance(part, Thinking)]
    assert "".join(event.text for event in events if isinstance(event, llmkit.ThinkingDelta)) == "".join(thoughts)
    fragments: dict[int, str] = {}
    for event in events:
        if isinstance(event, llmkit.ToolCallDelta):
            fragments[event.index] = fragments.get(event.index, "") + event.arguments
    assert list(fragments) == list(range(len(got.tool_calls)))
    for text, call in zip(fragments.values(), got.tool_calls, strict=True):
        assert text == call.raw if call.raw is not None else json.loads(text) == call.arguments
    assert events[-2:] == [got.finish_reason, got.usage]
    closing = [event for event in events if isinstance(event, (llmkit.FinishReason, llmkit.Usage))]
    assert len(closing) == 2


@each(FAILURES)
def test_error_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    counting = recording in COUNTS
    with pytest.raises(anthropic.APIStatusError) as theirs:
        vendor.messages.count_tokens(**_counted()) if counting else vendors.ask(vendor, recording)
    with pytest.raises(llmkit.APIError) as ours:
        client.count_tokens("?") if counting else ask(client, recording)
    error = ours.value
    got = (type(error).__name__, error.status, error.code, error.request_id, error.retryable)
    assert got == vendors.failure(theirs.value)
    assert error.body == recording.json()
    assert recording.json()["error"]["message"] in str(error)
    assert (error.provider, error.model, error.attempts) == ("anthropic", "claude-sonnet-5", 1)
    summary.passed(WIRE, "equal to expectation", recording.id)


def _counted() -> dict[str, Any]:
    return {key: value for key, value in vendors.ASK.items() if key != "max_tokens"}


@each([recording for recording in COUNTS if recording.ok])
def test_count_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    assert client.count_tokens("?") == vendor.messages.count_tokens(**_counted()).input_tokens
    summary.passed(WIRE, "equal to expectation", recording.id)


@each(MODELS)
def test_models_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    wanted = list(vendor.models.list())
    got = client.models()
    assert [(item.id, item.display_name, item.created, item.raw) for item in got] == [
        (item.id, item.display_name, item.created_at, raw)
        for item, raw in zip(wanted, recording.json()["data"], strict=True)
    ]
    assert [(item.context_window, item.max_output) for item in got] == [
        (item.max_input_tokens, item.max_tokens) for item in wanted
    ]
    summary.passed(WIRE, "equal to expectation", recording.id)


# ---- cut anywhere ----------------------------------------------------------------------------------------------------


@each(STREAMS)
def test_cut_anywhere(recording):
    streams.assert_cut_anywhere(recording.body, StreamDecoder)
    summary.passed(WIRE, "cut anywhere", recording.id)


# ---- nothing lost ----------------------------------------------------------------------------------------------------

# Keys of requests that stand in no TypedDict, and how they are reached.
REACHED_OTHERWISE = {
    ".defer_loading": "a tool with it is sent as a ServerTool",
}


def lost(recording: Recording) -> Iterator[str]:
    """Paths of what the schema has no place for in the answer."""
    if recording.streamed:
        for number, event in enumerate(reference.events(recording.body)):
            yield from KEYS.unknown(event, schema.StreamEvent, f"event {number}")
        yield from KEYS.unknown(reference.whole(reference.events(recording.body)), schema.Message)
        return
    hint = schema.Message if recording in MESSAGES else schema.TokenCount if recording in COUNTS else schema.ModelPage
    yield from KEYS.unknown(recording.json(), hint if recording.ok else schema.ErrorAnswer)


def lost_of_request(recording: Recording) -> Iterator[str]:
    body = {key: value for key, value in recording.sent.items() if key not in schema.EXTRA_BODY}
    for path in KEYS.unknown(body, schema.Body):
        if not path.endswith(tuple(REACHED_OTHERWISE)):
            yield path


@each(ALL)
def test_nothing_lost(recording):
    assert list(lost(recording)) == []
    if recording.sent is not None:
        assert list(lost_of_request(recording)) == []
    summary.passed(WIRE, "nothing lost", recording.id)


# ---- round trip ------------------------------------------------------------------------------------------------------


def blocks_to_replay(recording: Recording) -> list[dict[str, Any]]:
    """The recorded blocks but for what the provider would refuse back."""
    body = reference.whole(reference.events(recording.body)) if recording.streamed else recording.json()
    found = []
    for block in body["content"]:
        kept = {key: value for key, value in block.items() if value is not None}
        if kept["type"] == "text" and not kept["text"].strip():
            continue
        if kept["type"] == "thinking" and not kept.get("signature"):
            continue
        if kept["type"] == "tool_use" and isinstance(kept["input"], str):
            kept["input"] = {}  # cut off
        if "citations" in kept:
            kept["citations"] = [
                {key: value for key, value in citation.items() if key != "file_id"} for citation in kept["citations"]
            ]
            if not kept["citations"]:
                del kept["citations"]
        found.append(kept)
    return found


@each(ANSWERS)
def test_round_trip(recording, server, client):
    replay(server, recording)
    message = ask(client, recording).message
    ask(client, recording, [UserMessage("?"), message, UserMessage("!")])
    turns = server.asked[-1].json()["messages"]
    got = [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]]
    assert got == blocks_to_replay(recording)
    summary.passed(WIRE, "round trip", recording.id)


# ---- stream equals whole ---------------------------------------------------------------------------------------------


def everything(response: Response[Any]) -> Any:
    """All of the message, `raw` and `extra` included, which `==` leaves out."""
    return attrs.asdict(response.message)


@each(ANSWERS)
def test_stream_equals_whole(recording, server, client):
    if recording.streamed:
        data = reference.events(recording.body)
        body, events = reference.whole(data), recording.body
    else:
        body = recording.json()
        events = reference.sse(reference.rendered(body))
        assert reference.whole(reference.events(events))["content"] == body["content"], "the renderer"
    server.say_json(body)
    whole = client.complete("?", max_tokens=16)
    server.say_events(events)
    with client.stream("?", max_tokens=16) as stream:
        collected = stream.collect()
    assert collected == whole
    assert everything(collected) == everything(whole)
    assert collected.usage.raw == whole.usage.raw
    assert collected.raw == {key: value for key, value in whole.raw.items() if key != "content"}
    summary.passed(WIRE, "stream equals whole", recording.id)


# ---- requests --------------------------------------------------------------------------------------------------------


# Requests that llmkit refuses to send, by the beginning of their ids: what it says, and why the recording has them.
REFUSED = {
    "8566625b0f": ("no tool call before it", "ids of call and result differ: edited by hand"),
    "94acc38db0": ("no tool call before it", "ids of call and result differ: edited by hand"),
    "bd907d8bf0": ("media_type is image/png, but the content is image/jpeg", "the contract refuses a mismatch"),
    "be58e821eb": ("media_type is image/png, but the content is image/jpeg", "the contract refuses a mismatch"),
}


@each(REQUESTS)
def test_request_as_recorded(recording, server, client):
    replay(server, recording)
    prompt, options = requests.call(recording)
    send = _sender(client, recording)
    if refused := REFUSED.get(recording.id[:10]):
        with pytest.raises(llmkit.ConfigurationError, match=refused[0]):
            send(prompt, **options)
        assert server.asked == []
        return summary.passed(WIRE, "request as recorded", recording.id)
    try:
        send(prompt, **options)
    except llmkit.APIError:
        assert not recording.ok
    (asked,) = server.asked
    assert asked.path == recording.path[recording.path.index("/v1/") :]
    for name in ("content-type", "anthropic-version", "anthropic-beta"):
        if name in recording.asked:
            assert asked.headers[name] == recording.asked[name]
    assert asked.headers["x-api-key"] == vendors.KEY
    assert requests.normal(asked.json()) == requests.normal(recording.sent)
    return summary.passed(WIRE, "request as recorded", recording.id)


def _sender(client: Client, recording: Recording) -> Callable[..., object]:
    if recording in COUNTS:
        return client.count_tokens
    if recording.stream:
        return lambda prompt, **options: client.stream(prompt, **options).collect()
    return client.complete


# ---- count -----------------------------------------------------------------------------------------------------------


def test_count():
    """No recording is left out: each line of the files is a case of each property that it can have."""
    lines = [line for name in ("messages", "count-tokens", "models") for line in recordings.lines(f"anthropic-{name}")]
    raw = [json.loads(line) for line in lines]
    good = [case for case in raw if case["response"]["status"] == 200]
    answers = [case for case in good if case["wire"] == "anthropic-messages"]
    assert {
        "equal to expectation": len(lines),
        "cut anywhere": len([case for case in answers if case["stream"]]),
        "nothing lost": len(lines),
        "round trip": len(answers),
        "stream equals whole": len(answers),
        "request as recorded": len([case for case in raw if case["request"]["body"]]),
    } == {name: total for (wire, name), total in summary.TOTAL.items() if wire == WIRE}
    assert len({recording.id for recording in ALL}) == len(lines)
    assert all(len(passed) <= summary.TOTAL[key] for key, passed in summary.PASSED.items())
