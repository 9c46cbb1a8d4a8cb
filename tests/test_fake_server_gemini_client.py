"""`FakeServer` on the wire ``gemini-generate``, asked by llmkit's own client: replies and conversations come back."""

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from llmkit import (
    AssistantMessage,
    AuthenticationError,
    BadRequestError,
    Citation,
    Client,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
    NotFoundError,
    Opaque,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    SystemMessage,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    Usage,
    UserMessage,
    providers,
)
from llmkit.media.png import encode as png
from llmkit.messages import PARTS
from llmkit.sse import ServerSentEvent
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit
from llmkit.testing.gemini_generate import events, whole
from llmkit.wire.gemini_generate.decode import decode
from llmkit.wire.gemini_generate.stream import StreamDecoder
from llmkit.wire.quirks import GeminiGenerateQuirks

WIRE = "gemini-generate"
PICTURE = Image(png(bytes(12), 2, 2, 3))


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server):
    return server.client("gemini", max_retries=0)


# ---- replies ---------------------------------------------------------------------------------------------------------

SIGNED = {WIRE: {"thoughtSignature": "c2ln"}}
CALL = ToolCall("call_1", "weather", {"city": "Oslo Øst", "days": [1, 2.5, None, True], "deep": {"ü": "\u2028"}})
CODE = Opaque(WIRE, {"executableCode": {"language": "PYTHON", "code": "print(1)"}})
RAN = Opaque(WIRE, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}})
NEW = Opaque(WIRE, {"ofTomorrow": {"a_b": [None]}})

# name → (what is scripted, what comes back, why it ended)
REPLIES = {
    "text": ("Hello  there,\n\nfriend. ", (Text("Hello  there,\n\nfriend. "),), "stop"),
    "not ASCII": ("Grüße 🦊 \u2028 漢字", (Text("Grüße 🦊 \u2028 漢字"),), "stop"),
    "no parts": ((), (), "stop"),
    "a seal on text": (Text("a b", extra=SIGNED), (Text("a b"),), "stop"),
    "thinking": ([Thinking("Hm hm."), "Yes."], (Thinking("Hm hm.", wire=WIRE), Text("Yes.")), "stop"),
    "signed thinking": (
        [Thinking("Hm hm.", "c2ln"), "Yes."],
        (Thinking("Hm hm.", "c2ln", wire=WIRE), Text("Yes.")),
        "stop",
    ),
    "a call": (CALL, (CALL,), "tool_calls"),
    "text and two calls": (
        ["Let me see.", CALL, ToolCall("c2", "now")],
        (Text("Let me see."), CALL, ToolCall("c2", "now")),
        "tool_calls",
    ),
    "a picture": (["See:", PICTURE], (Text("See:"), PICTURE), "stop"),
    "parts as they are": ([CODE, RAN, NEW, "So."], (CODE, RAN, NEW, Text("So.")), "stop"),
}
each_reply = pytest.mark.parametrize(("content", "expected", "reason"), REPLIES.values(), ids=REPLIES.keys())


@each_reply
def test_reply_whole(server, client, content, expected, reason):
    server.reply(content)
    response = client.complete("Hi")
    assert response.message.content == expected
    assert response.finish_reason.reason == reason


@each_reply
@pytest.mark.parametrize("pieces", [None, 1, 7])
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_reply_streamed_is_equal(server, client, content, expected, reason, pieces, chunking):
    server.pieces, server.chunking = pieces, chunking
    for _ in range(2):
        server.reply(Reply(content, id="r1", usage=Usage(5, 7)))
    with client.stream("Hi") as stream:
        assert stream.collect() == client.complete("Hi")
    assert stream.snapshot.message.content == expected


SENT_BACK = {name: content for name, (content, *_) in REPLIES.items() if name not in ("no parts", "thinking")}


@pytest.mark.parametrize("content", SENT_BACK.values(), ids=SENT_BACK.keys())
def test_what_was_answered_can_be_sent_back(server, client, content):
    server.reply(content)
    response = client.complete("Hi")
    results = [call.result("ok") for call in response.tool_calls]
    asked = [UserMessage("Hi"), response.message, UserMessage([*results, "Go on"])]
    client.complete(asked)
    assert server.requests[1].messages == asked


def test_what_makes_no_sense_to_repeat(server, client):
    for content in ((), Thinking("Hm hm.")):
        server.reply(content)
        server.reply("Well")
        client.complete([UserMessage("Hi"), client.complete("Hi").message, UserMessage("Go on")])
        assert server.requests[-1].messages == [UserMessage(["Hi", "Go on"])]


CITED = [Citation(url="https://a.example/", title="A"), Citation("It was.", "gs://b/c", "B")]


@pytest.mark.parametrize("chunking", [by_characters, unsplit])
def test_citations(server, client, chunking):
    server.chunking = chunking
    for _ in range(2):
        server.reply(Reply(Text("Ø, cold.", CITED), id="r1"))
    response = client.complete("Hi")
    assert response.citations == tuple(CITED)
    assert client.stream("Hi").collect() == response
    server.reply(response.message.content)
    again = client.complete("Hi").citations
    assert [citation.raw for citation in again] == [citation.raw for citation in response.citations]


def test_seals_come_back(server, client):
    for _ in range(2):
        server.reply([ToolCall("c", "t", {"a": 1}, extra=SIGNED)])
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        client.complete([UserMessage("Hi"), response.message, UserMessage(response.tool_calls[0].result("2"))])
        assert server.requests[-1].json["contents"][1]["parts"] == [
            {"functionCall": {"id": "c", "name": "t", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
        ]


def test_deltas_are_words(server, client):
    server.reply("one two  three")
    found = [event.text for event in client.stream("Hi") if isinstance(event, TextDelta)]
    assert found == ["one", " two", "  three"]


REASONS = {
    "length": ("length", FinishReason("length", "MAX_TOKENS")),
    "filtered": ("content_filter", FinishReason("content_filter", "SAFETY")),
    "its own word": (FinishReason("content_filter", "SPII"), FinishReason("content_filter", "SPII")),
    "failed": ("error", FinishReason("error", "MALFORMED_FUNCTION_CALL")),
    "other": ("other", FinishReason("other", "OTHER")),
    "a word of tomorrow": (FinishReason("other", "BORED"), FinishReason("other", "BORED")),
}


@pytest.mark.parametrize(("reason", "expected"), REASONS.values(), ids=REASONS.keys())
def test_finish_reason(server, client, reason, expected):
    for _ in range(2):
        server.reply("Well", finish_reason=reason)
    assert client.complete("Hi").finish_reason == expected
    assert client.stream("Hi").collect().finish_reason == expected


def test_blocked_prompt(server, client):
    blocked = FinishReason("content_filter", "JAILBREAK")
    for _ in range(2):
        server.reply((), finish_reason=blocked)
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert (response.finish_reason, response.message.content) == (blocked, ())


USAGES = {
    "plain": Usage(12, 3),
    "cached": Usage(100, 3, cache_read_tokens=60),
    "reasoning": Usage(1, 30, reasoning_tokens=20),
    "nothing": Usage(),
}


@pytest.mark.parametrize("usage", USAGES.values(), ids=USAGES.keys())
def test_usage(server, client, usage):
    for _ in range(2):
        server.reply("Hi you", usage=usage)
    assert client.complete("Hi").usage == usage
    assert client.stream("Hi").collect().usage == usage


# ---- errors ----------------------------------------------------------------------------------------------------------

ERRORS = {
    "a rate limit": (RateLimitError("slow down", retry_after=2.5), 429),
    "a quota": (QuotaExceededError("used up"), 429),
    "a bad key": (AuthenticationError("API key not valid", status=401), 400),
    "permission": (PermissionDeniedError("not you"), 403),
    "not found": (NotFoundError("gone"), 404),
    "too long": (BadRequestError("way over", code="context_length_exceeded"), 400),
    "overloaded": (OverloadedError("busy"), 503),
    "a server error": (ServerError("oh"), 500),
}


@pytest.mark.parametrize(("error", "status"), ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("ask", [Client.complete, Client.stream])
def test_error_as_reply(server, client, error, status, ask):
    server.reply(error)
    with pytest.raises(type(error)) as caught:
        ask(client, "Hi")
    assert type(caught.value) is type(error)
    assert str(error) in str(caught.value)
    assert (caught.value.status, caught.value.retry_after) == (status, error.retry_after)
    assert error.code in (None, caught.value.code)


FAULTS = {
    "cut stream": IncompleteStreamError,
    "cut connection": IncompleteStreamError,
    "error event": OverloadedError,
    "error event first": OverloadedError,
    "no events": IncompleteStreamError,
}


@pytest.mark.parametrize(("name", "cls"), FAULTS.items(), ids=FAULTS.keys())
def test_faults_of_streams(server, client, name, cls):
    server.fault(name)
    with pytest.raises(cls):
        client.stream("one two three").collect()


# ---- conversations ---------------------------------------------------------------------------------------------------

TALK = [
    UserMessage([PICTURE, Document(b"%PDF-1.4\n"), "What is this?"]),
    AssistantMessage([Thinking("Hm.", "c2ln", wire=WIRE), "A report.", CALL, ToolCall("c2", "now", {})]),
    UserMessage([CALL.result({"celsius": 3}), ToolCall("c2", "now").result("late", is_error=True)]),
    AssistantMessage([CODE, RAN, "Cold."]),
    UserMessage([Image(url="https://a.example/x.png", media_type="image/png"), "And this?"]),
]


def test_conversation_comes_back(server, client):
    tools = [Tool("weather"), Tool("now")]
    assert client.complete(TALK, system="Be brief.", tools=tools).text == "And this?"
    assert server.requests[0].messages == [SystemMessage("Be brief."), *TALK]


def test_count_tokens(server, client):
    assert client.count_tokens("12345", system="123") == 2
    server.token_count = 77
    assert client.count_tokens("Hi") == 77


def test_models(server, client):
    assert [model.id for model in client.models()] == ["claude-opus-5", "claude-sonnet-5", "claude-haiku-4-5"]


def test_embeddings(server, client):
    found = client.embed(["one", "two"], model="gemini-embedding-001", dimensions=5)
    assert [list(vector) for vector in found.vectors] == server.vectors(["one", "two"], 5)
    assert found.usage.input_tokens == 2


(ROW,) = (row for row in providers() if row.name == "vertex")
AS_FIELDS = GeminiGenerateQuirks(count_wrapped=False)
ONE_BY_ONE = GeminiGenerateQuirks(embed="single", embed_batch=1)
BY_PREDICT = GeminiGenerateQuirks(predict_models="gemini-embedding")


def vertex(server, quirks):
    variables = {"project": "p", "location": "l"}
    return server.client(evolve(ROW, quirks=quirks), max_retries=0, variables=variables)


def test_vertex(server):
    client = vertex(server, AS_FIELDS)
    assert client.complete("Hi").text == "Hi"
    assert client.stream("Hi").collect().text == "Hi"
    assert client.count_tokens("12345", system="123") == 2
    folder = "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-3.6-flash"
    assert [request.path for request in server.requests] == [
        f"{folder}:generateContent", f"{folder}:streamGenerateContent", f"{folder}:countTokens"
    ]  # fmt: skip


@pytest.mark.parametrize("quirks", [GeminiGenerateQuirks(), ONE_BY_ONE, BY_PREDICT], ids=["batch", "single", "predict"])
def test_embeddings_of_vertex(server, quirks):
    found = vertex(server, quirks).embed(["one", "two"], model="gemini-embedding-001", dimensions=5)
    assert [list(vector) for vector in found.vectors] == server.vectors(["one", "two"], 5)
    assert found.usage.input_tokens == 2


# ---- any reply -------------------------------------------------------------------------------------------------------

words = st.text("abc äß€😀\n\u2028", max_size=12)
seals = st.sampled_from([{}, SIGNED])
arguments = st.dictionaries(words, st.one_of(st.none(), st.booleans(), st.integers(), words), max_size=2)
parts = st.one_of(
    st.builds(lambda text, extra: Text(text, extra=extra), words, seals),
    st.builds(lambda text, cited: Text(text, CITED[:cited]), words, st.integers(0, 2)),
    st.builds(Thinking, words, st.sampled_from([None, "c2ln"])),
    st.builds(
        lambda id_, given, extra: ToolCall(id_, "t", given, extra=extra), st.sampled_from(["", "c"]), arguments, seals
    ),
    st.sampled_from([PICTURE, CODE, RAN, NEW]),
)


def decoded(reply, chunking):
    """What the stream of `reply` comes to: its parts, why it ended, and what it cost."""
    decoder, found = StreamDecoder(), []
    for event in events(reply, chunking=chunking):
        found += decoder.feed(ServerSentEvent("message", json.dumps(event))) or ()
    rest, reason, usage = decoder.close()
    content = [event for event in [*found, *rest] if isinstance(event, PARTS)]
    return AssistantMessage(content), reason, usage


@given(st.lists(parts, max_size=5), st.sampled_from([by_words, by_characters, unsplit]))
def test_streams_are_what_bodies_are(content, chunking):
    reply = Reply(content)
    expected = decode(whole(reply), GeminiGenerateQuirks())
    message, reason, usage = decoded(reply, chunking)
    assert (message, reason, usage) == (expected.message, expected.finish_reason, expected.usage)
    assert usage.raw == expected.usage.raw
    assert extras(message) == extras(expected.message)


def extras(message):
    """What the wire wants to see again, but for where in a text the seal was: it comes behind it in a stream."""
    found = [dict(getattr(part, "extra", {}).get(WIRE, {})) for part in message.content]
    return [{key: value for key, value in each.items() if key != "bare"} for each in found]


@given(st.lists(parts, max_size=5))
def test_nothing_that_was_scripted_is_lost(content):
    found = decode(whole(Reply(content)), GeminiGenerateQuirks()).message
    for cls in (Text, Thinking):
        scripted = "".join(part.text for part in content if isinstance(part, cls))
        assert "".join(part.text for part in found.content if isinstance(part, cls)) == scripted
    calls = [part.arguments for part in content if isinstance(part, ToolCall)]
    assert [part.arguments for part in found.content if isinstance(part, ToolCall)] == calls
    kept = [part for part in content if isinstance(part, (Opaque, Image))]
    assert [part for part in found.content if isinstance(part, (Opaque, Image))] == kept
    seen = [seal(part) for part in found.content if seal(part)]
    assert seen == [seal(part) for part in content if seal(part)]


def seal(part):
    """The signature of a part, if any."""
    signature = part.signature if isinstance(part, Thinking) else None
    return signature or (getattr(part, "extra", None) or {}).get(WIRE, {}).get("thoughtSignature")
