"""Every recording of the wire `gemini-generate` against the contract, the vendor's own client, and itself otherwise.

The recordings are no part of the repository: without them all of this is skipped.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import pytest
from conformance import recordings, streams, summary
from conformance.gemini_generate import plain, reference, requests
from conformance.gemini_generate import vendor as vendors
from conformance.keys import Keys
from conformance.loopback import Loopback, serving
from conformance.recordings import Recording

import llmkit
from llmkit import Client, IncompleteStreamError, Opaque, Response, Text, Thinking, ToolCall, UserMessage
from llmkit.sse import ServerSentEvent
from llmkit.wire.gemini_generate import WIRE, schema

if not recordings.FOLDER.is_dir():
    pytest.skip(f"no recordings in {recordings.FOLDER}: they are no part of the repository", allow_module_level=True)

NAME = "gemini-generate"
KEYS = Keys()
QUIRKS = WIRE.quirks()
ANSWERED = recordings.load("gemini-generate")
EMBEDDED = recordings.load("gemini-embeddings")
LISTED = recordings.load("gemini-models")
COUNTED = recordings.load("gemini-count-tokens")
ALL = [*ANSWERED, *EMBEDDED, *LISTED, *COUNTED]
ANSWERS = [recording for recording in ANSWERED if recording.ok]
STREAMS = [recording for recording in ANSWERS if recording.streamed]
FAILURES = [recording for recording in ANSWERED if not recording.ok]
REQUESTS = [recording for recording in ALL if recording.sent is not None]

summary.expect(
    NAME,
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
def clients(server: Loopback) -> Iterator[dict[bool, Client]]:
    """By whether as Vertex AI."""
    with (
        Client("gemini", api_key=vendors.KEY, base_url=server.url, max_retries=0) as gemini,
        vertex(server, "global") as other,
    ):
        yield {False: gemini, True: other}


def vertex(server: Loopback, location: str) -> Client:
    variables = {"project": "REDACTED", "location": location}
    return Client("vertex", api_key=vendors.KEY, base_url=server.url, max_retries=0, variables=variables)


@pytest.fixture(scope="module")
def theirs(server: Loopback) -> Iterator[Mapping[bool, Any]]:
    found = vendors.clients(server)
    yield found
    for client in found.values():
        client.close()


def replay(server: Loopback, recording: Recording) -> None:
    server.say(recording.body, recording.answered, recording.status)


def ask(clients: Mapping[bool, Client], recording: Recording, prompt: Any = "?", **options: Any) -> Response[Any]:
    """Whole or streamed, as the recording was asked for."""
    client = clients[vendors.is_vertex(recording)]
    if not recording.stream:
        return client.complete(prompt, **options)
    with client.stream(prompt, **options) as stream:
        return stream.collect()


def model_of(recording: Recording) -> str:
    return recording.path.split("/models/")[1].partition(":")[0]


def body_of(recording: Recording) -> dict[str, Any]:
    """The answer as a whole body."""
    found: dict[str, Any] = (
        reference.whole(reference.events(recording.body)) if recording.streamed else recording.json()
    )
    return found


# ---- equal to expectation --------------------------------------------------------------------------------------------


@each(ANSWERS)
def test_equal_to_expectation(recording, server, clients, theirs):
    as_vertex = vendors.is_vertex(recording)
    wanted = vendors.expected(vendors.ask(server, theirs[as_vertex], recording))
    replay(server, recording)
    got = ask(clients, recording)

    plain.assert_same(got.message.content, wanted.parts)
    assert (got.id, got.model, got.provider) == (wanted.id, wanted.model, "vertex" if as_vertex else "gemini")
    thoughts = [part[1] for part in wanted.parts if part[0] == "thinking" and part[1]]
    assert got.text == "".join(part[1] for part in wanted.parts if part[0] == "text")
    assert (got.thinking, got.refusal) == ("\n\n".join(thoughts), None)
    assert attrs.astuple(got.finish_reason) == wanted.reason
    assert attrs.astuple(got.usage)[:5] == wanted.usage
    assert got.usage.total_tokens == wanted.usage[0] + wanted.usage[1]
    assert got.usage.total_tokens == got.usage.raw["totalTokenCount"]
    assert [(item.url, item.title) for item in got.citations if item.url] == wanted.citations
    assert [call.name for call in got.tool_calls] == [part[2] for part in wanted.parts if part[0] == "call"]
    assert got.logprobs == wanted.logprobs
    # The provider has no header for it.
    assert (got.request_id, got.attempts, got.rounds) == (wanted.id, 1, ())
    if not recording.stream:
        assert got.raw == recording.json()
    summary.passed(NAME, "equal to expectation", recording.id)


@each(STREAMS)
def test_deltas_are_the_answer(recording, server, clients):
    """What was handed out piece by piece is what was handed out whole; the two closing events come last, once."""
    replay(server, recording)
    with clients[vendors.is_vertex(recording)].stream("?") as stream:
        events = list(stream)
    got = stream.collect()
    assert "".join(event.text for event in events if isinstance(event, llmkit.TextDelta)) == got.text
    thoughts = [part.text for part in got.message.content if isinstance(part, Thinking)]
    assert "".join(event.text for event in events if isinstance(event, llmkit.ThinkingDelta)) == "".join(thoughts)
    assert all(event.text for event in events if isinstance(event, (llmkit.TextDelta, llmkit.ThinkingDelta)))
    fragments: dict[int, str] = {}
    for event in events:
        if isinstance(event, llmkit.ToolCallDelta):
            call = got.tool_calls[event.index]
            assert (event.id, event.name) == (call.id, call.name)
            fragments[event.index] = fragments.get(event.index, "") + event.arguments
    assert list(fragments) == list(range(len(got.tool_calls)))
    assert [json.loads(text) for text in fragments.values()] == [call.arguments for call in got.tool_calls]
    parts = [event for event in events if isinstance(event, (Text, Thinking, ToolCall, Opaque))]
    assert parts == list(got.message.content)
    assert events[-2:] == [got.finish_reason, got.usage]
    closing = [event for event in events if isinstance(event, (llmkit.FinishReason, llmkit.Usage))]
    assert len(closing) == 2


def assert_error(error: llmkit.APIError, theirs: Any, recording: Recording) -> None:
    inner = recording.json()["error"]
    assert (type(error).__name__, error.status) == (vendors.ERRORS[theirs.code], theirs.code)
    assert error.code == theirs.status == inner["status"]
    assert error.body == recording.json()
    assert " ".join(inner["message"].split())[:400] in str(error)
    assert error.retryable is (theirs.code == 429)
    assert error.attempts == 1


@each(FAILURES)
def test_error_equal_to_expectation(recording, server, clients, theirs):
    as_vertex = vendors.is_vertex(recording)
    error = vendors.fail(server, theirs[as_vertex], recording)
    replay(server, recording)
    with pytest.raises(llmkit.APIError) as ours:
        ask(clients, recording)
    assert_error(ours.value, error, recording)
    assert ours.value.provider == ("vertex" if as_vertex else "gemini")
    assert ours.value.retry_after == (48.0 if '"retryDelay": "48s"' in recording.body.decode() else None)
    summary.passed(NAME, "equal to expectation", recording.id)


@each(COUNTED)
def test_count_equal_to_expectation(recording, server, clients, theirs):
    as_vertex = vendors.is_vertex(recording)
    replay(server, recording)
    assert clients[as_vertex].count_tokens("?") == theirs[as_vertex].models.count_tokens(**vendors.ASK).total_tokens
    summary.passed(NAME, "equal to expectation", recording.id)


@each(LISTED)
def test_models_equal_to_expectation(recording, server, clients, theirs):
    """Each of the two pages alone, as the server here says only one thing."""
    page = {key: value for key, value in recording.json().items() if key != "nextPageToken"}
    server.say_json(page)
    wanted = list(theirs[False].models.list(config={"query_base": True}))
    got = clients[False].models()
    assert [(item.id, item.display_name, item.created, item.raw) for item in got] == [
        (item.name.removeprefix("models/"), item.display_name, None, raw)
        for item, raw in zip(wanted, page["models"], strict=True)
    ]
    assert [(item.context_window, item.max_output) for item in got] == [
        (item.input_token_limit, item.output_token_limit) for item in wanted
    ]
    summary.passed(NAME, "equal to expectation", recording.id)


def test_the_second_page_is_asked_for_as_it_was():
    """The first page names the second, which was asked for as the recording of the second was."""
    first, second = sorted(LISTED, key=lambda recording: "pageToken" in recording.path)
    page = WIRE.decode_models(first.json())
    asked = WIRE.encode_models(page.following, QUIRKS)
    assert asked.path == "/models"
    assert f"pageToken={asked.query['pageToken']}" in second.path
    assert WIRE.decode_models(second.json()).following is None


@each(EMBEDDED)
def test_embeddings_equal_to_expectation(recording, server, clients, theirs):
    as_vertex = vendors.is_vertex(recording)
    model = model_of(recording)
    texts = ["?"] * len(recording.sent.get("requests", [None]))
    replay(server, recording)
    if not recording.ok:
        with pytest.raises(llmkit.APIError) as ours:
            clients[as_vertex].embed(texts, model=model)
        with pytest.raises(vendors.errors.APIError) as other:
            theirs[as_vertex].models.embed_content(model=model, contents=texts)
        assert_error(ours.value, other.value, recording)
        return summary.passed(NAME, "equal to expectation", recording.id)
    got = clients[as_vertex].embed(texts, model=model)
    contents = texts if as_vertex else [vendors.types.Content(parts=[{"text": text}]) for text in texts]
    wanted = theirs[as_vertex].models.embed_content(model=model, contents=contents)
    assert [list(vector) for vector in got.vectors] == [item.values for item in wanted.embeddings]
    assert got.model == model
    usage = recording.json().get("usageMetadata")
    assert got.usage == llmkit.Usage(usage["promptTokenCount"] if usage else 0)
    assert got.usage.raw == usage
    return summary.passed(NAME, "equal to expectation", recording.id)


# ---- cut anywhere ----------------------------------------------------------------------------------------------------


@each(STREAMS)
def test_cut_anywhere(recording):
    """Streams that are one array are no events; what they hold is looked at as events."""
    body = recording.body
    if reference.is_array(body):
        body = reference.sse(reference.events(body))
    streams.assert_cut_anywhere(body, lambda: WIRE.decoder(QUIRKS))
    summary.passed(NAME, "cut anywhere", recording.id)


@each(STREAMS)
def test_a_stream_that_ends_early_is_never_whole(recording):
    """The vendor's client takes what came; the contract wants a finish reason."""
    chunks = reference.events(recording.body)
    for end in range(len(chunks) + 1):
        decoder = WIRE.decoder(QUIRKS)
        for chunk in chunks[:end]:
            decoder.feed(ServerSentEvent("message", json.dumps(chunk)))
        assert decoder.whole is any(
            found.get("finishReason") for chunk in chunks[:end] for found in chunk["candidates"]
        )
        if decoder.whole:
            assert decoder.close()
            continue
        with pytest.raises(IncompleteStreamError):
            decoder.close()


@each([recording for recording in STREAMS if reference.is_array(recording.body)])
def test_an_array_that_ends_early_is_never_whole(recording, server, clients):
    client, size = clients[vendors.is_vertex(recording)], len(recording.body.rstrip())
    for end in [0, 1, 2, *range(10, size, max(size // 10, 1)), size - 2, size - 1]:
        server.say(recording.body[:end], recording.answered)
        with pytest.raises((llmkit.IncompleteStreamError, llmkit.InvalidResponseError)):
            client.stream("?").collect()
    if len(chunks := reference.events(recording.body)) > 1:
        server.say(json.dumps(chunks[:-1]).encode(), recording.answered)
        with pytest.raises(llmkit.IncompleteStreamError):
            client.stream("?").collect()


# ---- nothing lost ----------------------------------------------------------------------------------------------------


def lost(recording: Recording) -> Iterator[str]:
    """Paths of what the schema has no place for in the answer."""
    if recording.streamed:
        for number, chunk in enumerate(reference.events(recording.body)):
            yield from KEYS.unknown(chunk, schema.GenerateContentResponse, f"chunk {number}")
        return
    yield from KEYS.unknown(recording.json(), ANSWER_HINTS[recording.wire] if recording.ok else schema.ErrorAnswer)


ANSWER_HINTS = {
    "gemini-generate": schema.GenerateContentResponse,
    "gemini-embeddings": schema.EmbedContentResponse,
    "gemini-models": schema.ModelPage,
    "gemini-count-tokens": schema.CountTokensResponse,
}
REQUEST_HINTS = {
    "gemini-generate": schema.GenerateContentRequest,
    "gemini-embeddings": schema.EmbedContentRequest,
    "gemini-count-tokens": schema.CountTokensRequest,
}


def lost_of_request(recording: Recording) -> Iterator[str]:
    body = reference.camel(recording.sent)
    yield from KEYS.unknown(body, REQUEST_HINTS[recording.wire])
    # What the schema is lenient about, as the caller may have written it.
    body = body.get("generateContentRequest", body)
    yield from KEYS.unknown(body.get("contents", []), list[schema.Content], "$.contents")
    yield from KEYS.unknown(body.get("tools", []), list[schema.Tool], "$.tools")


@each(ALL)
def test_nothing_lost(recording):
    assert list(lost(recording)) == []
    if recording.sent is not None:
        assert list(lost_of_request(recording)) == []
    summary.passed(NAME, "nothing lost", recording.id)


# ---- round trip ------------------------------------------------------------------------------------------------------


def parts_to_replay(recording: Recording) -> list[dict[str, Any]]:
    """The recorded parts but for what the provider would refuse back: blank text, and thoughts without a signature."""
    content = body_of(recording)["candidates"][0].get("content", {})
    return [
        requests.part(part)
        for part in reference.joined(content.get("parts", ()), sealed=False)
        if "thoughtSignature" in part or ("thought" not in part and part.get("text", "x").strip())
    ]


@each(ANSWERS)
def test_round_trip(recording, server, clients):
    replay(server, recording)
    message = ask(clients, recording).message
    # Other models may want another form: of those that came after it some want signatures that it does not give.
    conversation = [UserMessage("?"), message, UserMessage("!")]
    ask(clients, recording, conversation, model=model_of(recording))
    turns = server.asked[-1].json()["contents"]
    got = [requests.part(part) for turn in turns if turn["role"] == "model" for part in turn["parts"]]
    assert got == parts_to_replay(recording)
    summary.passed(NAME, "round trip", recording.id)


# ---- stream equals whole ---------------------------------------------------------------------------------------------


def everything(response: Response[Any]) -> Any:
    """All of the message, `raw` and `extra` included, which `==` leaves out."""
    return attrs.asdict(response.message)


def all_but_places(response: Response[Any]) -> Any:
    """`everything`, but for where in a text the part with its signature began: that differs as the parts do."""
    found = everything(response)
    for part in found["content"]:
        part.get("extra", {}).get(NAME, {}).pop("bare", None)
    return found


@each(ANSWERS)
def test_stream_equals_whole(recording, server, clients):
    client, body = clients[vendors.is_vertex(recording)], body_of(recording)
    server.say_json(body)
    whole = client.complete("?")
    bodies = [(reference.rendered(body, apart=apart), all_but_places) for apart in (False, True)]
    if recording.streamed:
        bodies.append((reference.events(recording.body), everything))
    for events, view in bodies:
        server.say_events(reference.sse(events))
        with client.stream("?") as stream:
            collected = stream.collect()
        assert collected == whole
        assert view(collected) == view(whole)
        assert collected.usage.raw == whole.usage.raw
        assert around(collected.raw) == around(whole.raw)
    server.say_json(list(reference.rendered(body)))
    assert client.stream("?").collect() == whole
    summary.passed(NAME, "stream equals whole", recording.id)


def around(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key != "candidates"}


# ---- requests --------------------------------------------------------------------------------------------------------

# Requests that llmkit refuses to send, by the beginning of their ids: what it says, and why the recording has them.
REFUSED: dict[str, tuple[str, str]] = {
    "64925ad330": ("temperature: expected a number from 0 to 2", "too hot, to see what happens"),
    "87f9b57df9": ("prompt: it is empty", "an empty prompt, to see what happens"),
    "ed6a1b2d9c": ("media_type is image/jpeg, but the content is image/png", "the contract refuses a mismatch"),
}
# Requests that llmkit has no words for: why.
UNSPEAKABLE = {
    "f5570e54cd": "a role that the provider has not, to see what happens",
    "8cbb247b5f": "an image is embedded, and llmkit embeds texts",
}


@each(REQUESTS)
def test_request_as_recorded(recording, server, clients):
    if recording.id[:10] not in UNSPEAKABLE:
        replay(server, recording)
        client = clients[False]
        if vendors.is_vertex(recording):
            client = vertex(server, recording.path.split("/locations/")[1].split("/")[0])
        _assert_as_recorded(recording, server, client)
    summary.passed(NAME, "request as recorded", recording.id)


def _assert_as_recorded(recording: Recording, server: Loopback, client: Client) -> None:
    send = _sender(client, recording)
    if refused := REFUSED.get(recording.id[:10]):
        with pytest.raises(llmkit.ConfigurationError, match=refused[0]):
            send()
        assert server.asked == []
        return
    try:
        send()
    except llmkit.APIError:
        assert not recording.ok
    (asked,) = server.asked
    path, _, query = asked.path.partition("?")
    assert without_version(path) == without_version(recording.path.partition("?")[0])
    assert query == ("alt=sse" if recording.stream else "")
    assert asked.headers["content-type"] == "application/json"
    key = (
        {"authorization": f"Bearer {vendors.KEY}"} if vendors.is_vertex(recording) else {"x-goog-api-key": vendors.KEY}
    )
    assert key.items() <= asked.headers.items()
    if recording in EMBEDDED:
        assert asked.json() == recording.sent
    else:
        assert requests.normal(asked.json()) == requests.normal(recording.sent)
        assert ("generateContentRequest" in asked.json()) is ("generateContentRequest" in recording.sent)


def without_version(path: str) -> str:
    """A path below the version, of which clients ask for several, and what a gateway puts before it."""
    return re.sub(r"^.*?/v1(beta1?)?/", "/", path)


def _sender(client: Client, recording: Recording) -> Callable[[], object]:
    def send() -> object:
        if recording in EMBEDDED:
            return client.embed(**requests.embedding(recording))
        prompt, options = requests.call(recording)
        if recording in COUNTED:
            return client.count_tokens(prompt, **options)
        return client.stream(prompt, **options).collect() if recording.stream else client.complete(prompt, **options)

    return send


# ---- count -----------------------------------------------------------------------------------------------------------


def test_count():
    """No recording is left out: each line of the files is a case of each property that it can have."""
    names = ("generate", "embeddings", "models", "count-tokens")
    raw = [json.loads(line) for name in names for line in recordings.lines(f"gemini-{name}")]
    answers = [case for case in raw if case["wire"] == "gemini-generate" and case["response"]["status"] == 200]
    assert {
        "equal to expectation": len(raw),
        "cut anywhere": len([case for case in answers if case["stream"]]),
        "nothing lost": len(raw),
        "round trip": len(answers),
        "stream equals whole": len(answers),
        "request as recorded": len([case for case in raw if case["request"]["body"]]),
    } == {name: total for (wire, name), total in summary.TOTAL.items() if wire == NAME}
    assert len({recording.id for recording in ALL}) == len(raw)
    assert all(len(passed) <= summary.TOTAL[key] for key, passed in summary.PASSED.items())
    beginnings = [recording.id[:10] for recording in REQUESTS]
    assert {*REFUSED, *UNSPEAKABLE} <= {*beginnings}
