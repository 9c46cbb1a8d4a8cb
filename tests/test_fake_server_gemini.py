"""`FakeServer` on the wire ``gemini-generate``, asked by the vendor's own client, which was not written by us."""

import base64
from datetime import UTC, datetime

import pytest

from llmkit import (
    APIError,
    AssistantMessage,
    AuthenticationError,
    BadRequestError,
    FinishReason,
    Image,
    Model,
    NotFoundError,
    Opaque,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from llmkit.media.png import encode as png
from llmkit.messages import Citation
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit

genai = pytest.importorskip("google.genai")

WIRE = "gemini-generate"
ASKED = {"model": "gemini-3.6-flash", "contents": "Say hello"}
PICTURE = png(bytes(12), 2, 2, 3)
IN_BASE64 = base64.b64encode(PICTURE).decode()


@pytest.fixture(scope="module")
def running():
    with FakeServer() as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture(scope="module")
def client(running):
    """One for all: it takes as long to make as twenty calls."""
    with genai.Client(api_key="k", http_options={"base_url": running.url}) as client:
        yield client


@pytest.fixture(scope="module")
def vertex(running):
    """The vendor's client as it asks Vertex AI."""
    from google.oauth2.credentials import Credentials

    token = Credentials("token", expiry=datetime(2999, 1, 1, tzinfo=UTC).replace(tzinfo=None))
    options = {"base_url": running.url}
    with genai.Client(vertexai=True, project="p", location="l", credentials=token, http_options=options) as client:
        yield client


def by_whole(client, **asked):
    """The one answer."""
    return [client.models.generate_content(**{**ASKED, **asked})]


def by_stream(client, **asked):
    """All chunks."""
    return list(client.models.generate_content_stream(**{**ASKED, **asked}))


each_way = pytest.mark.parametrize("ask", [by_whole, by_stream])


def parts_of(answers):
    """All parts of the answers as JSON; texts of one kind joined, with what sealed the last."""
    found = []
    for answer in answers:
        for part in answer.candidates[0].content.parts or ():
            one = part.model_dump(mode="json", by_alias=True, exclude_none=True)
            if found and _joins(found[-1], one):
                found[-1] = {**found[-1], **one, "text": found[-1]["text"] + one["text"]}
            else:
                found.append(one)
    return found


def _joins(before, part):
    sealed = "thoughtSignature" in before
    return "text" in before and "text" in part and before.get("thought") == part.get("thought") and not sealed


SIGNED = {WIRE: {"thoughtSignature": "c2ln"}}
# name → (what is scripted, the parts that the vendor's client has read)
REPLIES = {
    "text": ("Hello  there.\n", [{"text": "Hello  there.\n"}]),
    "not ASCII": ("Grüße 🦊 \u2028", [{"text": "Grüße 🦊 \u2028"}]),
    "empty text": ("", [{"text": ""}]),
    "no parts": ((), []),
    "a seal on text": (Text("Hi there", extra=SIGNED), [{"text": "Hi there", "thoughtSignature": "c2ln"}]),
    "thinking": ([Thinking("Hm hm."), "Yes."], [{"text": "Hm hm.", "thought": True}, {"text": "Yes."}]),
    "signed thinking": (
        [Thinking("Hm hm.", "c2ln"), "Yes."],
        [{"text": "Hm hm.", "thought": True, "thoughtSignature": "c2ln"}, {"text": "Yes."}],
    ),
    "a call": (
        ["Let me see.", ToolCall("c1", "weather", {"city": "Oslo Øst", "days": [1, 2.5, None]}, extra=SIGNED)],
        [
            {"text": "Let me see."},
            {
                "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Oslo Øst", "days": [1, 2.5, None]}},
                "thoughtSignature": "c2ln",
            },
        ],
    ),
    "calls without ids": (
        [ToolCall("", "now"), ToolCall("call_2", "now", extra={WIRE: {"id": None}})],
        [{"functionCall": {"name": "now", "args": {}}}] * 2,
    ),
    "arguments given as text": (
        ToolCall("c", "t", raw='{"a": 1}'),
        [{"functionCall": {"id": "c", "name": "t", "args": {"a": 1}}}],
    ),
    "a picture": (Image(PICTURE), [{"inlineData": {"mimeType": "image/png", "data": IN_BASE64}}]),
    "a file": (
        Image(url="https://a.example/x.png", media_type="image/png"),
        [{"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/x.png"}}],
    ),
    "code": (
        [
            Opaque(WIRE, {"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
            Opaque(WIRE, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}),
            "It is 1.",
        ],
        [
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
            {"text": "It is 1."},
        ],
    ),
}


@each_way
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
@pytest.mark.parametrize(("content", "parts"), REPLIES.values(), ids=REPLIES.keys())
def test_reply(server, client, ask, content, parts, chunking):
    server.chunking = chunking
    server.reply(Reply(content, id="r1"))
    answers = ask(client)
    assert parts_of(answers) == parts
    assert [answer.candidates[0].finish_reason for answer in answers] == [None] * (len(answers) - 1) + ["STOP"]
    assert {answer.model_version for answer in answers} == {"gemini-3.6-flash"}
    assert {answer.response_id for answer in answers} == {"r1"}


@each_way
@pytest.mark.parametrize("pieces", [1, 10])
def test_cut_anywhere(server, client, ask, pieces):
    server.pieces = pieces
    server.reply("Grüße 🦊 one two")
    assert parts_of(ask(client)) == [{"text": "Grüße 🦊 one two"}]


def test_chunks_are_words(server, client):
    server.reply("one two three")
    assert [chunk.text for chunk in by_stream(client)] == ["one", " two", " three"]


CITED = ["Øl. ", Text("Cold.", [Citation(url="https://a.example/", title="A"), Citation("It was.", title="B")])]


@each_way
def test_citations(server, client, ask):
    server.reply(CITED)
    found = ask(client)[-1].candidates[0].grounding_metadata
    page, document = found.grounding_chunks
    assert (page.web.uri, page.web.title) == ("https://a.example/", "A")
    assert (document.retrieved_context.text, document.retrieved_context.title) == ("It was.", "B")
    for number, support in enumerate(found.grounding_supports):
        segment = support.segment
        assert (segment.start_index, segment.end_index, segment.text) == (5, 10, "Cold.")
        assert support.grounding_chunk_indices == [number]


@each_way
def test_citations_that_the_provider_sent(server, client, ask):
    place = {"segment": {"startIndex": 1, "endIndex": 2, "text": "l"}, "groundingChunkIndices": [7]}
    sent = {"groundingSupport": place, "groundingChunk": {"retrievedContext": {"uri": "gs://a/b"}}}
    recited = {"uri": "https://c.example/", "license": "MIT", "startIndex": 3, "endIndex": 9}
    server.reply(Text("Øl", [Citation(url="https://b.example/"), Citation(raw=sent), Citation(raw=recited)]))
    found = ask(client)[-1].candidates[0]
    grounding = found.grounding_metadata
    assert grounding.grounding_chunks[1].retrieved_context.uri == "gs://a/b"
    assert grounding.grounding_supports[1].segment.start_index == 1
    assert [support.grounding_chunk_indices for support in grounding.grounding_supports] == [[0], [1]]
    (source,) = found.citation_metadata.citations
    assert (source.uri, source.license, source.start_index, source.end_index) == ("https://c.example/", "MIT", 3, 9)


# ---- why it ended, and what it cost ----------------------------------------------------------------------------------

REASONS = {
    "a word": ("length", "MAX_TOKENS"),
    "filtered": ("content_filter", "SAFETY"),
    "the wire's own word": (FinishReason("content_filter", "RECITATION"), "RECITATION"),
    "another wire's word": (FinishReason("length", "max_tokens"), "MAX_TOKENS"),
    "an error": ("error", "MALFORMED_FUNCTION_CALL"),
    "an error's own word": (FinishReason("error", "UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
    "other": ("other", "OTHER"),
    "another word": (FinishReason("other", "NO_IMAGE"), "NO_IMAGE"),
    "a known word that means something else": (FinishReason("other", "STOP"), "OTHER"),
}


@each_way
@pytest.mark.parametrize(("reason", "word"), REASONS.values(), ids=REASONS.keys())
def test_reason(server, client, ask, reason, word):
    server.reply("Well", finish_reason=reason)
    assert ask(client)[-1].candidates[0].finish_reason == word


@each_way
def test_prompt_that_is_blocked(server, client, ask):
    server.reply((), finish_reason=FinishReason("content_filter", "JAILBREAK"))
    (answer,) = ask(client)
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason == "JAILBREAK"


@each_way
def test_usage(server, client, ask):
    server.reply("Hi you", usage=Usage(100, 30, cache_read_tokens=60, reasoning_tokens=20))
    usage = ask(client)[-1].usage_metadata
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 60)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (10, 20, 130)


def test_usage_grows(server, client):
    server.reply("one two three", usage=Usage(5, 7))
    counts = [chunk.usage_metadata for chunk in by_stream(client)]
    assert [count.candidates_token_count for count in counts] == [2, 4, 7]
    assert [count.total_token_count for count in counts] == [7, 9, 12]


@each_way
def test_no_usage_of_nothing(server, client, ask):
    server.reply((), usage=Usage())
    usage = ask(client)[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (0, None, 0)


def test_rough_usage(server, client):
    server.reply([Thinking("1234"), "12345678", ToolCall("c", "1234567890", {})])
    (answer,) = by_whole(client, contents="12345678", config={"system_instruction": "1234"})
    assert answer.usage_metadata.prompt_token_count == 3
    assert answer.usage_metadata.candidates_token_count == 6


# ---- what is asked ---------------------------------------------------------------------------------------------------


@each_way
def test_conversation_is_read(server, client, ask):
    types = genai.types
    contents = [
        types.Content(role="user", parts=[
            types.Part.from_bytes(data=PICTURE, mime_type="image/png"), types.Part(text="Where is this?"),
        ]),
        types.Content(role="model", parts=[
            types.Part(text="Hm.", thought=True),
            types.Part(function_call=types.FunctionCall(name="weather", args={"a": 1}), thought_signature=b"sig"),
            types.Part(function_call=types.FunctionCall(id="c2", name="weather", args={})),
        ]),
        types.Content(role="user", parts=[
            types.Part.from_function_response(name="weather", response={"output": "cold"}),
            types.Part(function_response=types.FunctionResponse(id="c2", name="weather", response={"error": "no"})),
        ]),
    ]  # fmt: skip
    answers = ask(client, contents=contents, config={"system_instruction": "Be brief.", "temperature": 1.5})
    assert parts_of(answers) == [{"text": "Where is this?"}]
    calls = (ToolCall("call_1", "weather", {"a": 1}), ToolCall("c2", "weather", {}))
    found = server.requests[0].messages
    assert found == [
        SystemMessage("Be brief."),
        UserMessage([Image(PICTURE), "Where is this?"]),
        AssistantMessage([Thinking("Hm.", wire=WIRE), *calls]),
        UserMessage(
            [ToolResult("call_1", "weather", [Text("cold")]), ToolResult("c2", "weather", [Text("no")], is_error=True)]
        ),
    ]
    assert found[2].content[1].extra == {WIRE: {**SIGNED[WIRE], "id": None}}


@each_way
def test_vertex(server, vertex, ask):
    server.reply("Hei")
    assert parts_of(ask(vertex)) == [{"text": "Hei"}]
    assert server.requests[0].path.startswith("/v1beta1/projects/p/locations/l/publishers/google/models/gemini-3.6")
    assert server.requests[0].messages == [UserMessage("Say hello")]


def test_count_tokens(server, client, vertex):
    for each in (client, vertex):
        assert each.models.count_tokens(model="m", contents="12345678").total_tokens == 2
    server.token_count = 77
    assert client.models.count_tokens(model="m", contents="Hi").total_tokens == 77


# name → (which client, the model): they are asked in different ways
EMBEDDERS = {
    "batch": ("client", "gemini-embedding-001"),
    "batch of vertex": ("vertex", "gemini-embedding-001"),
    "single of vertex": ("vertex", "gemini-embedding-2"),
}


@pytest.mark.parametrize(("who", "model"), EMBEDDERS.values(), ids=EMBEDDERS.keys())
def test_embeddings(request, server, who, model):
    embed = request.getfixturevalue(who).models.embed_content
    for text, size in (("one", 5), ("two", None)):
        (found,) = embed(model=model, contents=text, config={"output_dimensionality": size}).embeddings
        assert found.values == server.vectors([text], size)[0]
        assert len(found.values) == size or size is None


def test_embeddings_of_several_texts(server, client):
    found = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two", "one"]).embeddings
    assert [each.values for each in found] == server.vectors(["one", "two", "one"], None)
    assert found[0].values != found[1].values


def test_models_in_pages(server, client, vertex):
    server.models = [Model(f"m{number}", f"Model {number}", context_window=9) for number in range(5)]
    assert [model.name for model in client.models.list(config={"page_size": 2})] == [f"models/m{n}" for n in range(5)]
    assert len(server.requests) == 3
    found = client.models.get(model="m3")
    assert (found.name, found.display_name, found.input_token_limit) == ("models/m3", "Model 3", 9)
    assert found.supported_actions == ["generateContent", "countTokens"]
    names = [model.name for model in vertex.models.list(config={"page_size": 2})]
    assert names == [f"publishers/google/models/m{number}" for number in range(5)]
    assert vertex.models.get(model="m3").name == "publishers/google/models/m3"


# ---- what goes wrong -------------------------------------------------------------------------------------------------

ERRORS = {
    "bad request": (BadRequestError("no"), 400, "INVALID_ARGUMENT"),
    "bad key": (AuthenticationError("no", status=401), 400, "INVALID_ARGUMENT"),
    "permission": (PermissionDeniedError("no"), 403, "PERMISSION_DENIED"),
    "not found": (NotFoundError("no"), 404, "NOT_FOUND"),
    "rate limit": (RateLimitError("no", retry_after=2), 429, "RESOURCE_EXHAUSTED"),
    "quota": (QuotaExceededError("no"), 429, "RESOURCE_EXHAUSTED"),
    "server error": (ServerError("no"), 500, "INTERNAL"),
    "overloaded": (OverloadedError("no"), 503, "UNAVAILABLE"),
    "overloaded elsewhere": (OverloadedError("no", status=529), 503, "UNAVAILABLE"),
    "too late": (ServerError("no", status=504), 504, "DEADLINE_EXCEEDED"),
    "a status of its own": (APIError("no", status=418), 418, "UNKNOWN"),
    "a code": (BadRequestError("no", code="FAILED_PRECONDITION"), 400, "FAILED_PRECONDITION"),
}


@each_way
@pytest.mark.parametrize(("error", "code", "status"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(server, client, ask, error, code, status):
    server.reply(error)
    with pytest.raises(genai.errors.APIError) as caught:
        ask(client)
    assert (caught.value.code, caught.value.status, caught.value.message) == (code, status, "no")


FAULTS = {
    "overloaded": genai.errors.ServerError,
    "rate limited": genai.errors.ClientError,
    "server error": genai.errors.ServerError,
    "bad key": genai.errors.ClientError,
    "too long": genai.errors.ClientError,
    "error event": genai.errors.ServerError,
    "error event first": genai.errors.ServerError,
}


@each_way
@pytest.mark.parametrize(("name", "cls"), FAULTS.items(), ids=FAULTS.keys())
def test_faults(server, client, ask, name, cls):
    server.fault(name)
    with pytest.raises(cls):
        ask(client)


def test_error_after_the_first_words(server, client):
    server.fault("error event", after=1)
    stream = client.models.generate_content_stream(**ASKED)
    assert next(stream).text == "Say"
    with pytest.raises(genai.errors.ServerError, match="Overloaded"):
        next(stream)


def test_wrong_requests_are_refused(server, client):
    with pytest.raises(genai.errors.ClientError, match=r"temperature must be in the range \[0\.0, 2\.0\]"):
        by_whole(client, config={"temperature": 3})
    with pytest.raises(genai.errors.ClientError, match="Model is not found: models/nobody"):
        client.models.get(model="nobody")
