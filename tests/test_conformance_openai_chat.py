"""Every recording of Chat Completions, of embeddings and of models against the contract, the vendor's own client, and
itself in other forms.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import attrs
import openai
import pytest
from conformance import recordings, streams, summary
from conformance.keys import Keys
from conformance.loopback import Loopback, serving
from conformance.openai_chat import reference, requests
from conformance.openai_chat import vendor as vendors
from conformance.recordings import Recording

import llmkit
from llmkit import Audio, Client, Provider, Refusal, Response, Text, Thinking, ToolCall, UserMessage
from llmkit.provider import provider
from llmkit.wire.openai_chat import WIRE as CHAT
from llmkit.wire.openai_chat import schema
from llmkit.wire.quirks import OpenAIChatQuirks

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

WIRE = "openai-chat"
KEYS = Keys(schema.Block, schema.PASSED_THROUGH)
CHATS = recordings.load("openai-chat")
EMBEDDINGS = recordings.load("openai-embeddings")
MODELS = recordings.load("openai-models")
ALL = [*CHATS, *EMBEDDINGS, *MODELS]
ERRORS_IN_200 = ("7a0858248e",)  # by the beginnings of their ids
GOOD = [recording for recording in ALL if recording.ok and not recording.id.startswith(ERRORS_IN_200)]
ANSWERS = [recording for recording in GOOD if recording.wire == WIRE]
STREAMS = [recording for recording in ANSWERS if recording.streamed]
FAILURES = [recording for recording in ALL if recording not in GOOD]
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

# Answers that never say why they ended: a relay's two streams under OpenAI's name, and a whole of OpenAI's first model
# that saw pictures. As streams they are whole only where the host is known to be so.
WITHOUT_REASON = ("27e4dfb49f", "7ec22e81b6", "3a9f448d91")

# ---- hosts -----------------------------------------------------------------------------------------------------------

ROWS = {
    "api.openai.com": "openai-chat",
    "resource.openai.azure.com": "azure",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.cerebras.ai": "cerebras",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
    "ollama.com": "ollama",
    "ollama.invalid": "ollama",
    "127.0.0.1:11434": "ollama",
    "localhost:11434": "ollama",
    "localhost:8000": "vllm",
}
# Hosts without a row: the format as it is, thoughts and all.
OTHER = Provider(name="other", wire=WIRE, base_url="https://other.invalid", suffix="", quirks=OpenAIChatQuirks())
UNREASONED = Provider(
    name="unreasoned", wire=WIRE, base_url="https://other.invalid", quirks=OpenAIChatQuirks(finish_reason=False)
)
HOSTS_IDS = ("apim-request-id", "x-ms-request-id", "mistral-correlation-id", "nvcf-reqid")


def row_of(recording: Recording) -> str | Provider:
    return UNREASONED if recording.id.startswith(WITHOUT_REASON) else ROWS.get(recording.host, OTHER)


def quirks_of(recording: Recording) -> OpenAIChatQuirks:
    row = row_of(recording)
    found = row if isinstance(row, Provider) else provider(row)
    return found.quirks or OpenAIChatQuirks()


def client_of(server: Loopback, recording: Recording) -> Client:
    """A client of the host's own row, which asks `server` at the path that was recorded."""
    path, _, query = recording.path.partition("?")
    if recording.wire == "openai-models":
        path = path.partition("/models")[0]
    base = path.removesuffix("/chat/completions").removesuffix("/embeddings")
    variables: tuple[tuple[str, str], ...] = ()
    if row_of(recording) == "azure":
        version = dict(parse_qsl(query))["api-version"]
        variables = (("endpoint", server.url), ("deployment", base.rpartition("/")[2]), ("api_version", version))
    return _client(row_of(recording), server.url + base, variables)


@cache
def _client(row: str | Provider, base_url: str, variables: tuple[tuple[str, str], ...]) -> Client:
    return Client(
        row, api_key=vendors.KEY, base_url=base_url, variables=dict(variables), max_retries=0, model="gpt-5-mini"
    )


def each(cases: Sequence[Recording]) -> Any:
    return pytest.mark.parametrize("recording", cases, ids=[case.id for case in cases])


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as found:
        yield found
    _client.cache_clear()


@pytest.fixture(scope="module")
def vendor(server: Loopback) -> Iterator[openai.OpenAI]:
    with vendors.client(server) as found:
        yield found


def replay(server: Loopback, recording: Recording) -> None:
    server.say(recording.body, recording.answered, recording.status)


def ask(server: Loopback, recording: Recording, prompt: Any = "?", **options: Any) -> Response[Any]:
    """Whole or streamed, as the recording was asked for."""
    client = client_of(server, recording)
    if not recording.stream:
        return client.complete(prompt, **options)
    with client.stream(prompt, **options) as stream:
        return stream.collect()


# ---- equal to expectation --------------------------------------------------------------------------------------------


@each(ANSWERS)
def test_equal_to_expectation(recording, server, vendor):
    replay(server, recording)
    wanted = vendors.expected(*vendors.ask(vendor, recording))
    got = ask(server, recording)

    parts = [vendors.plain(part) for part in got.message.content]
    assert [vendors.compared(*pair) for pair in zip(parts, wanted.parts, strict=True)] == wanted.parts
    ids = [call.id for call in got.tool_calls]
    assert len(set(ids)) == len(ids)
    assert (got.id, got.model) == (wanted.id, wanted.model or got.model)
    if wanted.text or not any(part[0] == "json" for part in wanted.parts):
        assert got.text == wanted.text
    assert (got.thinking, got.refusal) == (wanted.thinking, wanted.refusal)
    assert attrs.astuple(got.finish_reason) == wanted.reason
    assert attrs.astuple(got.usage)[:5] == wanted.usage
    assert got.usage.raw == wanted.raw_usage
    assert got.logprobs == wanted.logprobs
    others = (recording.headers.get(name) for name in HOSTS_IDS)  # the vendor's client knows its own header alone
    request_id = wanted.request_id or next(filter(None, others), None)
    assert (got.request_id, got.attempts, got.rounds) == (request_id, 1, ())
    if not recording.stream:
        assert got.raw == recording.json()
    summary.passed(WIRE, "equal to expectation", recording.id)


@each(STREAMS)
def test_deltas_are_the_answer(recording, server):
    """What was handed out piece by piece is what was handed out whole; the two closing events come last, once."""
    replay(server, recording)
    with client_of(server, recording).stream("?") as stream:
        events = list(stream)
    got = stream.collect()
    assert "".join(event.text for event in events if isinstance(event, llmkit.TextDelta)) == got.text
    thoughts = [part.text for part in got.message.content if isinstance(part, Thinking)]
    assert "".join(event.text for event in events if isinstance(event, llmkit.ThinkingDelta)) == "".join(thoughts)
    assert all(event.text for event in events if isinstance(event, (llmkit.TextDelta, llmkit.ThinkingDelta)))
    fragments: dict[int, list[llmkit.ToolCallDelta]] = {}
    for event in events:
        if isinstance(event, llmkit.ToolCallDelta):
            fragments.setdefault(event.index, []).append(event)
    assert list(fragments) == list(range(len(got.tool_calls)))
    for deltas, call in zip(fragments.values(), got.tool_calls, strict=True):
        assert {(delta.id, delta.name) for delta in deltas} == {(call.id, call.name)}
        assert all(delta.arguments for delta in deltas[1:])
        text = "".join(delta.arguments for delta in deltas)
        assert text == call.raw if call.raw is not None else json.loads(text) == call.arguments
    assert events[-2:] == [got.finish_reason, got.usage]
    closing = [event for event in events if isinstance(event, (llmkit.FinishReason, llmkit.Usage))]
    assert len(closing) == 2
    whole = [event for event in events if isinstance(event, (Text, Thinking, Refusal, Audio, ToolCall))]
    assert tuple(whole) == got.message.content


def failed(function: Any, *args: Any, **options: Any) -> llmkit.APIError:
    with pytest.raises(llmkit.APIError) as caught:
        function(*args, **options)
    return caught.value


@each([recording for recording in FAILURES if not recording.ok])
def test_error_equal_to_expectation(recording, server, vendor):
    replay(server, recording)
    client = client_of(server, recording)
    with pytest.raises(openai.APIStatusError) as theirs:
        _theirs(vendor, recording)
    match recording.wire:
        case "openai-models":
            error = failed(client.models)
        case "openai-embeddings":
            error = failed(client.embed, ["?"], model="m")
        case _:
            error = failed(ask, server, recording)
    got = (type(error).__name__, error.status, error.code, error.request_id, error.retryable)
    assert got == vendors.failure(theirs.value)
    assert error.body == recording.json()
    assert recording.json()["error"]["message"].split("\n")[0][:200] in str(error)
    assert (error.provider, error.attempts) == (client._engine.row.name, 1)
    summary.passed(WIRE, "equal to expectation", recording.id)


def _theirs(vendor: openai.OpenAI, recording: Recording) -> Any:
    if recording.wire == "openai-models":
        return list(vendor.models.list())
    if recording.wire == "openai-embeddings":
        return vendor.embeddings.create(model="m", input=["?"])
    return vendors.ask(vendor, recording)


@each([recording for recording in FAILURES if recording.ok])
def test_an_error_in_a_200_has_the_class_that_it_stands_for(recording, server):
    """The vendor's client takes it for an answer without choices."""
    replay(server, recording)
    error = failed(ask, server, recording)
    assert (type(error), error.status, error.code) == (llmkit.BadRequestError, 400, "content_filter")
    assert error.body == recording.json()
    summary.passed(WIRE, "equal to expectation", recording.id)


@each([recording for recording in EMBEDDINGS if recording.ok])
def test_vectors_equal_to_expectation(recording, server, vendor):
    replay(server, recording)
    texts = texts_of(recording) or ["?"] * len(recording.sent["input"])
    wanted = vendor.embeddings.create(model="m", input=texts)
    got = client_of(server, recording).embed(texts, model="m")
    assert [list(vector) for vector in got.vectors] == [item.embedding for item in wanted.data]
    sent = [item["embedding"] for item in recording.json()["data"]]
    assert [vector.typecode for vector in got.vectors] == ["f" if isinstance(item, str) else "d" for item in sent]
    assert (got.model, got.usage) == (wanted.model, llmkit.Usage(wanted.usage.prompt_tokens))
    assert got.usage.raw == recording.json()["usage"]
    summary.passed(WIRE, "equal to expectation", recording.id)


def texts_of(recording: Recording) -> list[str]:
    """What was to be embedded; nothing where it was tokens."""
    found = recording.sent["input"]
    found = [found] if isinstance(found, str) else found
    return [item for item in found if isinstance(item, str)]


@each([recording for recording in MODELS if recording.ok])
def test_models_equal_to_expectation(recording, server, vendor):
    """Names and sizes are OpenRouter's; OpenAI tells none."""
    replay(server, recording)
    wanted = list(vendor.models.list())
    got = client_of(server, recording).models()
    data = recording.json()["data"]
    assert [(item.id, item.created, item.raw) for item in got] == [
        (item.id, datetime.fromtimestamp(item.created, UTC), raw) for item, raw in zip(wanted, data, strict=True)
    ]
    assert [(item.display_name, item.context_window, item.max_output) for item in got] == [
        (raw.get("name", ""), raw.get("context_length"), raw.get("top_provider", {}).get("max_completion_tokens"))
        for raw in data
    ]
    summary.passed(WIRE, "equal to expectation", recording.id)


# ---- cut anywhere ----------------------------------------------------------------------------------------------------


@each(STREAMS)
def test_cut_anywhere(recording):
    quirks = quirks_of(recording)
    streams.assert_cut_anywhere(recording.body, lambda: CHAT.decoder(quirks))
    summary.passed(WIRE, "cut anywhere", recording.id)


# ---- nothing lost ----------------------------------------------------------------------------------------------------

HINTS = {WIRE: schema.Completion, "openai-embeddings": schema.Embeddings, "openai-models": schema.ModelPage}


def lost(recording: Recording) -> Iterator[str]:
    """Paths of what the schema has no place for in the answer."""
    if recording.streamed:
        for number, event in enumerate(reference.events(recording.body)):
            yield from KEYS.unknown(event, schema.Chunk, f"event {number}")
        return
    yield from KEYS.unknown(recording.json(), HINTS[recording.wire] if recording.ok else schema.ErrorAnswer)


def lost_of_request(recording: Recording) -> Iterator[str]:
    body = {key: value for key, value in recording.sent.items() if key not in schema.EXTRA_BODY}
    yield from KEYS.unknown(body, schema.EmbedBody if recording in EMBEDDINGS else schema.Body)


@each(ALL)
def test_nothing_lost(recording):
    assert list(lost(recording)) == []
    if recording.sent is not None:
        assert list(lost_of_request(recording)) == []
    summary.passed(WIRE, "nothing lost", recording.id)


# ---- round trip ------------------------------------------------------------------------------------------------------


def message_to_replay(recording: Recording) -> dict[str, Any]:
    """The recorded message but for what the provider would refuse back; nothing but its role where it says nothing."""
    body = reference.whole(reference.events(recording.body)) if recording.streamed else recording.json()
    message = next(choice for choice in body["choices"] if choice.get("index", 0) == 0).get("message") or {}
    known = ("content", "refusal", "tool_calls", "audio")
    found = {key: message[key] for key in known if message.get(key)}
    if isinstance(found.get("content"), dict):
        found["content"] = json.dumps(found["content"])
    if isinstance(found.get("content"), str) and not found["content"].strip():
        del found["content"]
    if call := message.get("function_call"):
        found["tool_calls"] = [{"id": None, "type": "function", "function": call}]
    if "audio" in found:
        found["audio"] = {"id": found["audio"]["id"]}
    if files := [note for note in message.get("annotations") or () if note["type"] != "url_citation"]:
        found["annotations"] = files  # what a host read in a file, so that it need not be read again
    known = quirks_of(recording).takes_back
    thoughts = ("reasoning", "reasoning_content", "reasoning_details")
    found |= {key: message[key] for key in thoughts if message.get(key) and (known is None or key in known)}
    return {"role": "assistant", **_to_compare(found)}


def _to_compare(message: dict[str, Any]) -> dict[str, Any]:
    """`message` as the provider would read it: text alone or in a list of one, an object's JSON however written."""
    found = {key: value for key, value in message.items() if value not in (None, "", [])}
    content = found.get("content")
    if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
        content = content[0]["text"]
    if isinstance(content, str) and content.startswith("{"):
        with suppress(ValueError):
            content = json.dumps(json.loads(content))
    if content:
        found["content"] = content
    if "tool_calls" in found:
        found["tool_calls"] = [_call_to_compare(call) for call in found["tool_calls"]]
    return found


def _call_to_compare(call: dict[str, Any]) -> dict[str, Any]:
    inner = call["function"]
    function = {"name": inner["name"], "arguments": inner.get("arguments") or "{}"}
    rest = {key: value for key, value in call.items() if key not in ("index", "function")}
    return {"type": "function", **rest, "function": function}


@each(ANSWERS)
def test_round_trip(recording, server):
    replay(server, recording)
    message = ask(server, recording).message
    ask(server, recording, [UserMessage("?"), message, UserMessage("!")])
    sent = [turn for turn in server.asked[-1].json()["messages"] if turn["role"] == "assistant"]
    wanted = message_to_replay(recording)
    got = _to_compare(sent[0]) if sent else {"role": "assistant"}
    for mine, theirs in zip(got.get("tool_calls", ()), wanted.get("tool_calls", ()), strict=True):
        if theirs["id"] is None:
            assert mine["id"]
            mine["id"] = None
    assert got == wanted
    summary.passed(WIRE, "round trip", recording.id)


# ---- stream equals whole ---------------------------------------------------------------------------------------------


def everything(response: Response[Any]) -> Any:
    """All of the message, `raw` and `extra` included, which `==` leaves out."""
    return attrs.asdict(response.message)


OF_CHUNKS = ("choices", "object", "obfuscation")  # what a stream has otherwise, or alone


@each(ANSWERS)
def test_stream_equals_whole(recording, server):
    if recording.streamed:
        data = reference.events(recording.body)
        body, events = reference.whole(data), recording.body
    else:
        body = recording.json()
        events = reference.sse(reference.rendered(body))
        again = reference.whole(reference.events(events))
        assert [said(choice) for choice in again["choices"]] == [said(choice) for choice in body["choices"]]
    client = client_of(server, recording)
    server.say_json(body)
    whole = client.complete("?")
    server.say_events(events)
    with client.stream("?") as stream:
        collected = stream.collect()
    assert collected == whole
    assert everything(collected) == everything(whole)
    assert collected.usage.raw == whole.usage.raw
    raw = [{key: value for key, value in found.raw.items() if key not in OF_CHUNKS} for found in (collected, whole)]
    assert raw[0] == raw[1]
    summary.passed(WIRE, "stream equals whole", recording.id)


def said(choice: dict[str, Any]) -> dict[str, Any]:
    """What a choice says, so that the renderer can be held against it: nothing is as good as null."""
    message = {"role": "assistant", **_to_compare(choice.get("message") or {})}
    logprobs = {key: value for key, value in (choice.get("logprobs") or {}).items() if value}
    return {**message, "reason": choice.get("finish_reason"), "logprobs": logprobs}


# ---- requests --------------------------------------------------------------------------------------------------------

# Requests that llmkit refuses to send by contract, by the beginnings of their ids: what it says.
REFUSED = dict.fromkeys(
    (
        "0ab82fc2ab",
        "135e72e018",
        "181f5ab27e",
        "2516d3edb9",
        "325a380736",
        "5e2d1c0fc6",
        "7f92a25689",
        "fa53553e48",
    ),
    "there is no place for a speaker's name",
)
LOCATION = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
UNIT = {
    "default": "fahrenheit",
    "description": "The temperature unit to use",
    "type": "string",
    "enum": ["fahrenheit", "celsius"],
}
STREET = {
    "description": "pyai-ref-sibling-sentinel: primary mailing address",
    "properties": {"city": {"type": "string"}, "street": {"type": "string"}},
    "required": ["street", "city"],
    "title": "Address",
    "type": "object",
    "additionalProperties": False,
}
# Strict parameters whose objects are not closed, which OpenAI refuses, by the beginnings of their ids: what is sent.
CLOSED = {
    "f14ae7658c": {
        "type": "object",
        "properties": {"location": LOCATION, "unit": UNIT},
        "required": ["location", "unit"],
        "additionalProperties": False,
    },
    "f51aeac82d": {
        "properties": {"address": STREET, "name": {"type": "string"}},
        "required": ["name", "address"],
        "title": "Person",
        "type": "object",
        "additionalProperties": False,
    },
}


@each([recording for recording in REQUESTS if recording.wire == WIRE])
def test_request_as_recorded(recording, server):
    replay(server, recording)
    quirks = quirks_of(recording)
    prompt, options = requests.call(recording, quirks.reasoning, CHAT.refused(quirks))
    path, _, query = recording.path.partition("?")
    if query and row_of(recording) != "azure":
        options["extra_query"] = dict(parse_qsl(query))
    if refused := REFUSED.get(recording.id[:10]):
        with pytest.raises(llmkit.ConfigurationError, match=refused):
            ask(server, recording, prompt, **options)
        assert server.asked == []
        return summary.passed(WIRE, "request as recorded", recording.id)
    try:
        ask(server, recording, prompt, **options)
    except llmkit.APIError:
        assert recording in FAILURES
    (asked,) = server.asked
    versioned = path.replace("/chat/completions", "/v1/chat/completions")  # which these hosts take as well
    assert asked.path.partition("?")[0] in (path, versioned)
    assert asked.path.partition("?")[2] == query
    body = asked.json()
    assert body.get("stream", False) is recording.stream
    usage = {"include_usage": True} if recording.stream and quirks.stream_usage else None
    assert body.get("stream_options") == usage
    sent = deepcopy(recording.sent)
    if closed := CLOSED.get(recording.id[:10]):
        sent["tools"][0]["function"]["parameters"] = closed
    assert requests.normal(body) == requests.normal(sent)
    key = asked.headers["api-key"] if row_of(recording) == "azure" else asked.headers["authorization"]
    assert key.removeprefix("Bearer ") == vendors.KEY
    return summary.passed(WIRE, "request as recorded", recording.id)


@each(EMBEDDINGS)
def test_embedding_as_recorded(recording, server):
    replay(server, recording)
    sent = {key: value for key, value in recording.sent.items() if key != "encoding_format"}
    options = {name: sent.pop(name) for name in ("model", "dimensions") if name in sent}
    texts = sent.pop("input")
    client = client_of(server, recording)
    if not texts_of(recording):
        with pytest.raises(llmkit.ConfigurationError, match="texts"):
            client.embed(texts, **options)
        return summary.passed(WIRE, "request as recorded", recording.id)
    try:
        client.embed(texts, **options, extra_body=sent)
    except llmkit.APIError:
        assert not recording.ok
    (asked,) = server.asked
    assert asked.path == recording.path
    body = {key: value for key, value in asked.json().items() if key != "encoding_format"}
    assert body == {**options, **sent, "input": texts_of(recording)}
    return summary.passed(WIRE, "request as recorded", recording.id)


# ---- count -----------------------------------------------------------------------------------------------------------


def test_count():
    """No recording is left out: each line of the files is a case of each property that it can have."""
    lines = [line for name in ("chat", "embeddings", "models") for line in recordings.lines(f"openai-{name}")]
    raw = [json.loads(line) for line in lines]
    good = [case for case in raw if not _is_error(case["response"])]
    answers = [case for case in good if case["wire"] == WIRE]
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


def _is_error(response: dict[str, Any]) -> bool:
    text = response["body_text"].lstrip()
    return response["status"] >= 400 or (text.startswith("{") and "error" in json.loads(text))
