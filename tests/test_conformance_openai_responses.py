"""Every recording of the wire against the contract, the vendor's own client, and itself in other forms.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import attrs
import openai
import pytest
from conformance import recordings, streams, summary
from conformance.keys import Keys
from conformance.loopback import Loopback, serving
from conformance.openai_responses import reference, requests
from conformance.openai_responses import vendor as vendors
from conformance.recordings import Recording

import llmkit
from llmkit import Client, Response, Thinking, UserMessage
from llmkit.wire.openai_responses import WIRE as FORMAT
from llmkit.wire.openai_responses import schema

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

WIRE = "openai-responses"
KEYS = Keys(schema.Item, schema.PASSED_THROUGH)
ANSWERED = recordings.load("openai-responses")
COUNTS = recordings.load("openai-count-tokens")
ALL = [*ANSWERED, *COUNTS]
ANSWERS = [recording for recording in ANSWERED if recording.ok]
STREAMS = [recording for recording in ANSWERS if recording.streamed]
FAILURES = [recording for recording in ALL if not recording.ok]

summary.expect(
    WIRE,
    {
        "equal to expectation": len(ALL),
        "cut anywhere": len(STREAMS),
        "nothing lost": len(ALL),
        "round trip": len(ANSWERS),
        "stream equals whole": len(ANSWERS),
        "request as recorded": len(ALL),
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
    with Client("openai", api_key=vendors.KEY, base_url=server.url, max_retries=0, model=vendors.MODEL) as found:
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
        return client.complete(prompt)
    with client.stream(prompt) as stream:
        return stream.collect()


def body_of(recording: Recording) -> dict[str, Any]:
    """The answer as a whole body."""
    found: dict[str, Any] = (
        reference.whole(reference.events(recording.body)) if recording.streamed else recording.json()
    )
    return found


# ---- equal to expectation --------------------------------------------------------------------------------------------


@each(ANSWERS)
def test_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    wanted = vendors.expected(vendors.ask(vendor, recording), recording.headers)
    got = ask(client, recording)

    assert [vendors.plain(part) for part in got.message.content] == wanted.parts
    assert (got.id, got.model, got.provider) == (wanted.id, wanted.model, "openai")
    assert (got.text, got.thinking, got.refusal) == (wanted.text, wanted.thinking, wanted.refusal)
    assert attrs.astuple(got.finish_reason) == wanted.reason
    assert attrs.astuple(got.usage)[:5] == wanted.usage
    assert got.usage.raw == body_of(recording)["usage"]
    assert got.usage.total_tokens == wanted.usage[0] + wanted.usage[1]
    assert [item.raw for item in got.citations] == [
        raw for part in wanted.parts if part[0] == "text" for *_, raw in part[2]
    ]
    assert [call.id for call in got.tool_calls] == [part[1] for part in wanted.parts if part[0] == "call"]
    assert got.logprobs == wanted.logprobs
    assert (got.request_id, got.attempts, got.rounds) == (wanted.request_id, 1, ())
    if not recording.stream:
        assert got.raw == recording.json()
    summary.passed(WIRE, "equal to expectation", recording.id)


@each(STREAMS)
def test_deltas_are_the_answer(recording, server, client):
    """What was handed out piece by piece is what was handed out whole; the two closing events come last, once."""
    replay(server, recording)
    with client.stream("?") as stream:
        events = list(stream)
    got = stream.collect()
    assert "".join(event.text for event in events if isinstance(event, llmkit.TextDelta)) == got.text
    thoughts = [part.text for part in got.message.content if isinstance(part, Thinking)]
    assert "".join(event.text for event in events if isinstance(event, llmkit.ThinkingDelta)) == "".join(thoughts)
    fragments: dict[int, list[llmkit.ToolCallDelta]] = {}
    for event in events:
        if isinstance(event, llmkit.ToolCallDelta):
            fragments.setdefault(event.index, []).append(event)
    assert list(fragments) == list(range(len(got.tool_calls)))
    for several, call in zip(fragments.values(), got.tool_calls, strict=True):
        assert {(event.id, event.name) for event in several} == {(call.id, call.name)}
        assert all(event.arguments for event in several[1:])
        text = "".join(event.arguments for event in several)
        assert text == call.raw if call.raw is not None else json.loads(text) == call.arguments
    assert [event for event in events if isinstance(event, llmkit.messages.PARTS)] == list(got.message.content)
    assert events[-2:] == [got.finish_reason, got.usage]
    closing = [event for event in events if isinstance(event, (llmkit.FinishReason, llmkit.Usage))]
    assert len(closing) == 2


@each(STREAMS)
def test_deltas_come_when_they_are_told(recording):
    """Not at the end: what the provider tells piece by piece is handed out piece by piece."""
    decoder = FORMAT.decoder(FORMAT.quirks())
    told = [event["delta"] for event in reference.events(recording.body) if event["type"].endswith("output_text.delta")]
    got: list[str] = []
    for event in streams.sse_events([recording.body]):
        some = () if decoder.ended else decoder.feed(event) or ()
        got += [item.text for item in some if isinstance(item, llmkit.TextDelta)]
    assert got == told


@each(FAILURES)
def test_error_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    with pytest.raises(openai.APIStatusError) as theirs:
        vendors.ask(vendor, recording)
    with pytest.raises(llmkit.APIError) as ours:
        ask(client, recording)
    error = ours.value
    got = (type(error).__name__, error.status, error.code, error.request_id, error.retryable)
    assert got == vendors.failure(theirs.value)
    assert error.body == recording.json()
    assert recording.json()["error"]["message"] in str(error)
    assert (error.provider, error.model, error.attempts) == ("openai", vendors.MODEL, 1)
    summary.passed(WIRE, "equal to expectation", recording.id)


@each(COUNTS)
def test_count_equal_to_expectation(recording, server, client, vendor):
    replay(server, recording)
    assert client.count_tokens("?") == vendor.responses.input_tokens.count(**vendors.ASK).input_tokens
    summary.passed(WIRE, "equal to expectation", recording.id)


# ---- cut anywhere ----------------------------------------------------------------------------------------------------


@each(STREAMS)
def test_cut_anywhere(recording):
    streams.assert_cut_anywhere(recording.body, lambda: FORMAT.decoder(FORMAT.quirks()))
    summary.passed(WIRE, "cut anywhere", recording.id)


@each(STREAMS)
def test_cut_off_is_no_answer(recording):
    """Without its terminal event a stream never closes well, wherever it was cut off."""
    events = streams.sse_events([recording.body])
    last = next(number for number, event in enumerate(events) if _terminal(event.data))
    decoder = FORMAT.decoder(FORMAT.quirks())
    for event in events[:last]:
        assert not decoder.ended
        assert not decoder.whole
        with pytest.raises(llmkit.IncompleteStreamError):
            decoder.close()
        decoder.feed(event)
    with pytest.raises(llmkit.IncompleteStreamError):
        decoder.close()
    decoder.feed(events[last])
    assert decoder.ended
    assert decoder.whole


def _terminal(data: str) -> bool:
    return data != "[DONE]" and json.loads(data)["type"] in reference.TERMINAL


# ---- nothing lost ----------------------------------------------------------------------------------------------------


def lost(recording: Recording) -> Iterator[str]:
    """Paths of what the schema has no place for in the answer."""
    if recording.streamed:
        for number, event in enumerate(reference.events(recording.body)):
            yield from KEYS.unknown(event, schema.StreamEvent, f"event {number}")
        yield from KEYS.unknown(body_of(recording), schema.Response)
    elif not recording.ok:
        assert list(recording.json()) == ["error"]
        yield from KEYS.unknown(recording.json()["error"], schema.Failure)
    else:
        yield from KEYS.unknown(recording.json(), schema.Count if recording in COUNTS else schema.Response)


@each(ALL)
def test_nothing_lost(recording):
    assert list(lost(recording)) == []
    assert list(KEYS.unknown(recording.sent, schema.Body)) == []
    summary.passed(WIRE, "nothing lost", recording.id)


# ---- round trip ------------------------------------------------------------------------------------------------------


def items_to_replay(recording: Recording) -> list[dict[str, Any]]:
    """The recorded items but for what the provider would refuse back.

    Nothing is stored, so that it knows thoughts by their words or their seal only, and refuses an id of an item whose
    thoughts are missing.
    """
    output = body_of(recording)["output"]
    known = [item for item in output if item["type"] != "reasoning" or _readable(item)]
    found = [_replayed(item) for item in known]
    if len(known) < len(output):
        for item in found:
            if item["type"] in ("message", "function_call"):
                del item["id"]
    return found


def _readable(item: dict[str, Any]) -> bool:
    return bool(item.get("encrypted_content") or item.get("content"))


def _replayed(item: dict[str, Any]) -> dict[str, Any]:
    if item["type"] not in ("message", "reasoning", "function_call"):
        return item  # not modelled: as it is
    found = {key: value for key, value in item.items() if value is not None}
    if item["type"] == "message":
        # What might have been written instead is no part of what was.
        found["content"] = [
            {key: value for key, value in part.items() if key != "logprobs"} for part in item["content"]
        ]
    return found


@each(ANSWERS)
def test_round_trip(recording, server, client):
    replay(server, recording)
    message = ask(client, recording).message
    ask(client, recording, [UserMessage("?"), message, UserMessage("!")])
    question, *got, last = server.asked[-1].json()["input"]
    assert got == items_to_replay(recording)
    assert [_spoken(question), _spoken(last)] == [("user", "?"), ("user", "!")]
    summary.passed(WIRE, "round trip", recording.id)


def _spoken(item: dict[str, Any]) -> tuple[str, str]:
    (part,) = item["content"]
    return item["role"], part["text"]


# ---- stream equals whole ---------------------------------------------------------------------------------------------


def everything(response: Response[Any]) -> Any:
    """All of the message, `raw` and `extra` included, which `==` leaves out."""
    return attrs.asdict(response.message)


@each(ANSWERS)
def test_stream_equals_whole(recording, server, client):
    body = body_of(recording)
    if recording.streamed:
        events = recording.body
    else:
        events = reference.sse(reference.rendered(body))
        assert reference.accumulated(reference.events(events)) == body["output"], "the renderer"
    server.say_json(body)
    whole = client.complete("?")
    server.say_events(events)
    with client.stream("?") as stream:
        collected = stream.collect()
    assert collected == whole
    assert everything(collected) == everything(whole)
    assert collected.usage.raw == whole.usage.raw
    assert collected.raw == {key: value for key, value in whole.raw.items() if key != "output"}
    summary.passed(WIRE, "stream equals whole", recording.id)


# ---- requests --------------------------------------------------------------------------------------------------------


# Requests that llmkit refuses to send, by the beginning of their ids: what it says, and why the recording has them.
REFUSED = {
    "62b4dffe74": ("it is empty", "the contract refuses to ask nothing"),
    "ae0b2381e1": ("it is empty", "the contract refuses to ask nothing"),
    "7bf419ed8c": ("it is empty", "the prompt is a template that the provider keeps"),
    "8be83eb28d": ("it is empty", "the prompt is a template that the provider keeps"),
}
# Strict parameters of which one may be left out, which is refused: the beginnings of their ids, what is sent instead.
DEMANDING = {
    "22a7b3c5ef": {
        "properties": {
            "location": {"title": "Location", "type": "string"},
            "unit": {"default": "fahrenheit", "title": "Unit", "type": ["string", "null"]},
        },
        "required": ["location", "unit"],
        "additionalProperties": False,
        "type": "object",
    },
}


@each(ALL)
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
    assert asked.path == "/v1" + recording.path[recording.path.index("/responses") :].partition("?")[0]
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["authorization"] == f"Bearer {vendors.KEY}"
    assert asked.json().get("stream", False) is recording.stream
    sent = deepcopy(recording.sent)
    if demanding := DEMANDING.get(recording.id[:10]):
        sent["tools"][0]["parameters"] = demanding
    assert requests.normal(asked.json()) == requests.normal(sent)
    return summary.passed(WIRE, "request as recorded", recording.id)


def _sender(client: Client, recording: Recording) -> Callable[..., object]:
    if recording in COUNTS:
        return client.count_tokens
    if recording.stream:
        return lambda prompt, **options: client.stream(prompt, **options).collect()
    return client.complete


# By hand, from the provider's list of models: those recorded that reason.
REASONING = ("gpt-5", "o4-mini")


@each([recording for recording in ANSWERED if recording.host == "api.openai.com" and "input" in recording.sent])
def test_nothing_is_stored(recording, server, client):
    """Unless a call says otherwise; where the model reasons its thoughts are asked for, so that they can go back."""
    replay(server, recording)
    prompt, options = requests.call(recording)
    for name in ("store", "include"):
        del options["extra_body"][name]
    try:
        _sender(client, recording)(prompt, **options)
    except llmkit.APIError:
        assert not recording.ok
    except llmkit.ConfigurationError:
        assert recording.id[:10] in REFUSED
        return
    body = server.asked[-1].json()
    reasons = recording.sent["model"].startswith(REASONING)
    assert body["store"] is False
    assert body.get("include") == (["reasoning.encrypted_content"] if reasons else None)


# ---- count -----------------------------------------------------------------------------------------------------------


def test_count():
    """No recording is left out: each line of the files is a case of each property that it can have."""
    lines = [line for name in ("responses", "count-tokens") for line in recordings.lines(f"openai-{name}")]
    raw = [json.loads(line) for line in lines]
    answers = [case for case in raw if case["response"]["status"] == 200 and case["wire"] == "openai-responses"]
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
