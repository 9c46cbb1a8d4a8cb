"""`FakeServer`, asked by the vendor's own client: what it reads was not written by us."""

import pytest

from llmkit import (
    AuthenticationError,
    BadRequestError,
    FinishReason,
    Image,
    Model,
    NotFoundError,
    Opaque,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    Refusal,
    ServerError,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from llmkit.media.png import encode as png
from llmkit.messages import Citation
from llmkit.testing import FakeServer, Reply

anthropic = pytest.importorskip("anthropic")

WIRE = "anthropic-messages"
ASKED = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello"}]}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server):
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as client:
        yield client


def _dumped(message):
    """What stands in its blocks, without keys that say nothing."""
    return [
        {key: value for key, value in block.to_dict().items() if value is not None and key != "parsed_output"}
        for block in message.content
    ]


def by_create(client):
    return client.messages.create(**ASKED)


def by_helper(client):
    with client.messages.stream(**ASKED) as stream:
        return stream.get_final_message()


each_way = pytest.mark.parametrize("ask", [by_create, by_helper])

# name → (what is scripted, the blocks that the vendor's client has read, the stop reason)
REPLIES = {
    "text": ("Hello  there.\n", [{"type": "text", "text": "Hello  there.\n"}], "end_turn"),
    "not ASCII": ("Grüße 🦊 \u2028", [{"type": "text", "text": "Grüße 🦊 \u2028"}], "end_turn"),
    "no parts": ((), [], "end_turn"),
    "thinking": (
        [Thinking("Hm hm.", "s=="), "Yes."],
        [{"type": "thinking", "thinking": "Hm hm.", "signature": "s=="}, {"type": "text", "text": "Yes."}],
        "end_turn",
    ),
    "redacted": (Thinking("", redacted="abc"), [{"type": "redacted_thinking", "data": "abc"}], "end_turn"),
    "a call": (
        ["Let me see.", ToolCall("c1", "weather", {"city": "Oslo Øst", "days": [1, 2.5, None]})],
        [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo Øst", "days": [1, 2.5, None]}},
        ],
        "tool_use",
    ),
    "a call without arguments": (
        ToolCall("c1", "now"),
        [{"type": "tool_use", "id": "c1", "name": "now", "input": {}}],
        "tool_use",
    ),
    "citations": (
        Text(
            "Cold.",
            [
                Citation("cold", document=0, title="W", start=3, end=7, unit="character"),
                Citation("web", url="https://a.example/", title="A"),
            ],
        ),
        [
            {
                "type": "text",
                "text": "Cold.",
                "citations": [
                    {
                        "type": "char_location",
                        "cited_text": "cold",
                        "document_index": 0,
                        "document_title": "W",
                        "file_id": None,
                        "start_char_index": 3,
                        "end_char_index": 7,
                    },
                    {
                        "type": "web_search_result_location",
                        "cited_text": "web",
                        "url": "https://a.example/",
                        "title": "A",
                        "encrypted_index": "fake",
                    },
                ],
            }
        ],
        "end_turn",
    ),
    "a search": (
        [
            Opaque(WIRE, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "a b"}}),
            Opaque(WIRE, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}),
        ],
        [
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "a b"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        ],
        "end_turn",
    ),
    "refusal": (Refusal("I would rather not."), [{"type": "text", "text": "I would rather not."}], "refusal"),
}


@each_way
@pytest.mark.parametrize(("content", "blocks", "reason"), REPLIES.values(), ids=REPLIES.keys())
def test_reply(server, client, ask, content, blocks, reason):
    server.reply(content)
    message = ask(client)
    assert _dumped(message) == blocks
    assert message.stop_reason == reason
    assert (message.role, message.type, message.model) == ("assistant", "message", "claude-sonnet-5")


@each_way
@pytest.mark.parametrize("pieces", [1, 10])
def test_cut_anywhere(server, client, ask, pieces):
    server.pieces = pieces
    server.reply("Grüße 🦊 one two")
    assert ask(client).content[0].text == "Grüße 🦊 one two"


@each_way
def test_usage(server, client, ask):
    server.reply("Hi", usage=Usage(100, 30, cache_read_tokens=60, cache_write_tokens=30, reasoning_tokens=20))
    usage = ask(client).usage
    assert (usage.input_tokens, usage.output_tokens) == (10, 30)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (60, 30)
    assert usage.output_tokens_details.thinking_tokens == 20


# name → (what is scripted, the word, the sequence)
REASONS = {
    "stop": (FinishReason("stop"), "end_turn", None),
    "a stop sequence": (FinishReason("stop", stop_sequence="END"), "stop_sequence", "END"),
    "length": (FinishReason("length"), "max_tokens", None),
    "no room": (FinishReason("length", "model_context_window_exceeded"), "model_context_window_exceeded", None),
    "tool calls": (FinishReason("tool_calls"), "tool_use", None),
    "pause": (FinishReason("pause"), "pause_turn", None),
    "compaction": (FinishReason("pause", "compaction"), "compaction", None),
    "refusal": (FinishReason("refusal"), "refusal", None),
    "of tomorrow": (FinishReason("other", "bored"), "bored", None),
}


@each_way
@pytest.mark.parametrize(("reason", "word", "sequence"), REASONS.values(), ids=REASONS.keys())
def test_reason(server, client, ask, reason, word, sequence):
    server.reply(["Hi", ToolCall("c1", "now")], finish_reason=reason)
    message = ask(client)
    assert (message.stop_reason, message.stop_sequence) == (word, sequence)


def test_raw_events(server, client):
    server.reply(Reply([Thinking("Hm", "sig"), "one two"], id="msg_1"))
    with client.messages.create(**ASKED, stream=True) as stream:
        found = list(stream)
    assert [event.type for event in found if event.type != "ping"] == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        "message_delta",
        "message_stop",
    ]
    deltas = [event.delta for event in found if event.type == "content_block_delta"]
    assert [delta.type for delta in deltas] == ["thinking_delta", "signature_delta", "text_delta", "text_delta"]
    assert found[0].message.id == "msg_1"
    assert found[0].message.usage.output_tokens == 1


def test_text_stream(server, client):
    server.reply("one two three")
    with client.messages.stream(**ASKED) as stream:
        assert list(stream.text_stream) == ["one", " two", " three"]


def test_tools_and_pictures_are_taken(server, client):
    import base64

    data = base64.b64encode(png(bytes(12), 2, 2, 3)).decode()
    tool = {"name": "weather", "description": "Of today", "input_schema": {"type": "object", "properties": {}}}
    messages = [
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
            {"type": "text", "text": "Where is this?"},
        ]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "cold"}]},
    ]  # fmt: skip
    message = client.messages.create(
        model="claude-opus-5", max_tokens=9, system="Be brief.", messages=messages, tools=[tool]
    )
    assert message.content[0].text == "Where is this?"
    system, picture, call, result = server.requests[0].messages
    assert system.text == "Be brief."
    assert isinstance(picture.content[0], Image)
    assert call.content == (ToolCall("c1", "weather", {"a": 1}),)
    assert (result.content[0].call_id, result.content[0].name) == ("c1", "weather")


def test_count_tokens(server, client):
    found = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "12345678"}])
    assert found.input_tokens == 2


def test_models_in_pages(server, client):
    server.models = [Model(f"m{number}", f"Model {number}") for number in range(5)]
    assert [model.id for model in client.models.list(limit=2)] == ["m0", "m1", "m2", "m3", "m4"]
    assert len(server.requests) == 3
    assert client.models.retrieve("m3").display_name == "Model 3"


ERRORS = {
    "bad request": (BadRequestError("no"), "BadRequestError", 400),
    "bad key": (AuthenticationError("no"), "AuthenticationError", 401),
    "permission": (PermissionDeniedError("no"), "PermissionDeniedError", 403),
    "not found": (NotFoundError("no"), "NotFoundError", 404),
    "rate limit": (RateLimitError("no", retry_after=2), "RateLimitError", 429),
    "server error": (ServerError("no"), "InternalServerError", 500),
    "overloaded": (OverloadedError("no"), "OverloadedError", 529),
}


@each_way
@pytest.mark.parametrize(("error", "name", "status"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(server, client, ask, error, name, status):
    server.reply(error)
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client)
    assert type(caught.value).__name__ == name
    assert caught.value.status_code == status
    assert caught.value.request_id == "req_fake_0001"
    assert caught.value.body["error"]["message"] == "no"
    assert caught.value.response.headers.get("retry-after") == ("2" if error.retry_after else None)


FAULTS = {
    "overloaded": anthropic.APIStatusError,
    "rate limited": anthropic.RateLimitError,
    "server error": anthropic.InternalServerError,
    "bad key": anthropic.AuthenticationError,
    "too long": anthropic.BadRequestError,
    "no answer": anthropic.APIConnectionError,
    "error event": anthropic.APIStatusError,
    "error event first": anthropic.APIStatusError,
}


@each_way
@pytest.mark.parametrize(("name", "cls"), FAULTS.items(), ids=FAULTS.keys())
def test_faults(server, client, ask, name, cls):
    server.fault(name)
    with pytest.raises(cls):
        ask(client)


def test_wrong_requests_are_refused(server, client):
    with pytest.raises(anthropic.BadRequestError, match="at least one message is required"):
        client.messages.create(model="m", max_tokens=1, messages=[])
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nobody")


def test_another_try_heals(server):
    server.fault("rate limited")
    with anthropic.Anthropic(base_url=server.url, api_key="k") as client:
        assert by_create(client).content[0].text == "Say hello"
    assert len(server.requests) == 2
