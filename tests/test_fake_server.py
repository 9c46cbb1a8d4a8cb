"""What `FakeServer` answers, read by llmkit's own client."""

import pytest

from llmkit import (
    APIError,
    AssistantMessage,
    BadRequestError,
    Client,
    ConfigurationError,
    DeadlineError,
    FinishReason,
    Image,
    NotFoundError,
    Opaque,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    Refusal,
    ServerError,
    Text,
    TextDelta,
    Thinking,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    UserMessage,
)
from llmkit.media.png import encode as png
from llmkit.messages import Citation
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit
from llmkit.testing.anthropic_messages import events, whole
from llmkit.testing.anthropic_messages.host import check

WIRE = "anthropic-messages"
PICTURE = Image(png(bytes(12), 2, 2, 3))


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server):
    """With a limit, as answers that may be long are always streamed."""
    return server.client("anthropic", max_retries=0).with_options(max_tokens=100)


# ---- replies ---------------------------------------------------------------------------------------------------------

CITED = Text(
    "Oslo is cold.",
    [
        Citation("cold", document=1, title="Weather", start=3, end=7, unit="character"),
        Citation("p. 2", document=0, start=2, end=3, unit="page"),
        Citation("b", document=0, start=0, end=1, unit="block"),
        Citation("web", url="https://a.example/", title="A"),
        Citation("found", url="a.txt", title="A", document=2, start=0, end=1, unit="block"),
    ],
)
SEARCH = Opaque(WIRE, {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "a b"}})
FOUND = Opaque(WIRE, {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []})
NEW = Opaque(WIRE, {"type": "of_tomorrow", "deep": [{"a": None}]})
CALL = ToolCall("call_1", "weather", {"city": "Oslo Øst", "days": [1, 2.5, None, True], "deep": {"ü": "\u2028"}})

# name → (what is scripted, what comes back, why it ended)
REPLIES = {
    "text": ("Hello  there,\n\nfriend. ", (Text("Hello  there,\n\nfriend. "),), "stop"),
    "not ASCII": ("Grüße 🦊 \u2028 漢字", (Text("Grüße 🦊 \u2028 漢字"),), "stop"),
    "no parts": ((), (), "stop"),
    "empty text": ("", (Text(""),), "stop"),
    "several texts": (["a b", Text("c")], (Text("a b"), Text("c")), "stop"),
    "citations": (CITED, (CITED,), "stop"),
    "thinking": ([Thinking("Hm hm.", "s=="), "Yes."], (Thinking("Hm hm.", "s==", wire=WIRE), Text("Yes.")), "stop"),
    "thinking without text": (Thinking("", "sig"), (Thinking("", "sig", wire=WIRE),), "stop"),
    "thinking without a signature": (Thinking("Hm"), (Thinking("Hm", wire=WIRE),), "stop"),
    "redacted": (Thinking("", redacted="abc="), (Thinking("", redacted="abc=", wire=WIRE),), "stop"),
    "a call": (CALL, (CALL,), "tool_calls"),
    "a call without arguments": (ToolCall("c", "now"), (ToolCall("c", "now"),), "tool_calls"),
    "text and two calls": (["Let me see.", CALL, ToolCall("c2", "t", {"x": {}})],
                           (Text("Let me see."), CALL, ToolCall("c2", "t", {"x": {}})), "tool_calls"),
    "refusal": (Refusal("I would rather not."), (Text("I would rather not."),), "refusal"),
    "blocks as they are": ([SEARCH, FOUND, NEW, "So."], (SEARCH, FOUND, NEW, Text("So.")), "stop"),
}  # fmt: skip
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
        server.reply(Reply(content, id="msg_1", usage=Usage(5, 7)))
    with client.stream("Hi") as stream:
        assert stream.collect() == client.complete("Hi")
    assert stream.snapshot.message.content == expected


@each_reply
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_chunking_loses_nothing(content, expected, reason, chunking):
    for part in Reply(content).content:
        text = getattr(part, "text", "")
        assert "".join(chunking(text)) == text


def test_deltas_are_words(server, client):
    server.reply("one two  three")
    found = [event.text for event in client.stream("Hi") if isinstance(event, TextDelta)]
    assert found == ["one", " two", "  three"]


def test_arguments_come_in_fragments(server, client):
    server.reply(ToolCall("c", "t", {"a": "one two", "b": 1}))
    found = [event.arguments for event in client.stream("Hi") if isinstance(event, ToolCallDelta)]
    assert found == ["", '{"a":', ' "one', ' two",', ' "b":', " 1}"]


def test_arguments_that_are_cut_off(server, client):
    for _ in range(2):
        server.reply(ToolCall("c", "t", raw='{"a": tr'), finish_reason="length")
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert response.tool_calls[0].raw == '{"a": tr'
        assert response.finish_reason == FinishReason("length", "max_tokens")


def test_arguments_given_as_text(server, client):
    for _ in range(2):
        server.reply(ToolCall("c", "t", raw='{"a": 1}'))
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert response.tool_calls[0].arguments == {"a": 1}


def test_what_the_wire_sent_along_comes_back(server, client):
    caller = {WIRE: {"caller": {"type": "direct"}}, "another-wire": {"x": 1}}
    for _ in range(2):
        server.reply(ToolCall("c", "t", {"a": 1}, extra=caller))
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert response.tool_calls[0].extra == {WIRE: {"caller": {"type": "direct"}}}


REASONS = {
    "a word": ("length", FinishReason("length", "max_tokens")),
    "a finish reason": (FinishReason("pause"), FinishReason("pause", "pause_turn")),
    "the wire's own word": (
        FinishReason("length", "model_context_window_exceeded"),
        FinishReason("length", "model_context_window_exceeded"),
    ),
    "another wire's word": (FinishReason("length", "MAX_TOKENS"), FinishReason("length", "max_tokens")),
    "a stop sequence": (FinishReason("stop", stop_sequence="END"), FinishReason("stop", "stop_sequence", "END")),
    "a word of tomorrow": (FinishReason("other", "bored"), FinishReason("other", "bored")),
    "other": ("other", FinishReason("other", "other")),
    "refusal": ("refusal", FinishReason("refusal", "refusal")),
}


@pytest.mark.parametrize(("reason", "expected"), REASONS.values(), ids=REASONS.keys())
def test_finish_reason(server, client, reason, expected):
    for _ in range(2):
        server.reply("Well", finish_reason=reason)
    assert client.complete("Hi").finish_reason == expected
    assert client.stream("Hi").collect().finish_reason == expected


USAGES = {
    "plain": Usage(12, 3),
    "cached": Usage(100, 3, cache_read_tokens=60, cache_write_tokens=30),
    "reasoning": Usage(1, 30, reasoning_tokens=20),
    "nothing": Usage(),
}


@pytest.mark.parametrize("usage", USAGES.values(), ids=USAGES.keys())
def test_usage(server, client, usage):
    for _ in range(2):
        server.reply("Hi", usage=usage)
    assert client.complete("Hi").usage == usage
    assert client.stream("Hi").collect().usage == usage


def test_usage_on_the_wire_leaves_cached_tokens_out():
    found = whole(Reply("Hi", usage=Usage(100, 3, 60, 30, 2)))["usage"]
    assert found["input_tokens"] == 10
    assert (found["cache_read_input_tokens"], found["cache_creation_input_tokens"]) == (60, 30)
    assert found["output_tokens_details"] == {"thinking_tokens": 2}


def test_rough_usage(server, client):
    server.reply([Thinking("1234", "s"), "12345678", ToolCall("c", "1234567890", {})])
    assert client.complete("12345678", system="1234").usage == Usage(3, 6)


# ---- errors as replies -----------------------------------------------------------------------------------------------

ERRORS = {
    "a rate limit": RateLimitError("slow down", status=429, retry_after=2),
    "without a status": OverloadedError("busy"),
    "a bare server error": ServerError("oh"),
    "permission": PermissionDeniedError("not you"),
    "a code": BadRequestError("too much", status=400, code="some_error"),
    "too long": BadRequestError("way over", status=400, code="context_length_exceeded"),
    "a status of its own": APIError("teapot", status=418),
    "a strange server error": ServerError("odd", status=599),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("ask", [Client.complete, Client.stream])
def test_error_as_reply(server, client, error, ask):
    server.reply(error)
    with pytest.raises(type(error)) as caught:
        ask(client, "Hi")
    assert type(caught.value) is type(error)
    assert str(error) in str(caught.value)
    assert caught.value.retry_after == error.retry_after
    assert caught.value.status in (error.status, 529, 500, 403)
    assert error.code in (None, caught.value.code)
    assert caught.value.headers["request-id"] == "req_fake_0001"


def test_error_with_headers(server, client):
    server.reply(
        RateLimitError("no", status=429, headers={"anthropic-ratelimit-requests-limit": "5", "Content-Length": "1"})
    )
    with pytest.raises(RateLimitError) as caught:
        client.complete("Hi")
    assert caught.value.headers["anthropic-ratelimit-requests-limit"] == "5"


WRONG = {
    "no content": (None, {}, r"content: expected text"),
    "a tool result": (ToolResult("c"), {}, r"content\[0\]: ToolResult cannot"),
    "a block without a type": (Opaque(WIRE, {}), {}, r"content\[0\]\.data\.type"),
    "arguments that are no JSON": (ToolCall("c", "t", {"a": object()}), {}, r"content\[0\]\.arguments"),
    "an unknown reason": ("Hi", {"finish_reason": "bored"}, r"finish_reason: expected .* length"),
    "an unfinished answer": ("Hi", {"finish_reason": FinishReason("unfinished")}, r"finish_reason: expected"),
    "no usage": ("Hi", {"usage": 3}, r"usage: expected a Usage, got 3"),
    "an error that no server sends": (DeadlineError("late"), {}, r"no server can send a DeadlineError; see "),
    "a reply and a usage": (Reply("Hi"), {"usage": Usage()}, r"a Reply has its own"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_answered(server, content, options, message):
    with pytest.raises(ConfigurationError, match=message):
        server.reply(content, **options)


OTHER_WIRES = {
    "a picture": (["See:", PICTURE], {}, r"content\[1\]: this wire cannot answer with Image"),
    "a block of another wire": (Opaque("openai-chat", {"type": "x"}), {}, r"content\[0\]: a block of openai-chat"),
    "no reason of this wire": ("Hi", {"finish_reason": "content_filter"}, r"finish_reason: this wire has no word"),
    "more cached than read": ("Hi", {"usage": Usage(1, 1, 2)}, r"usage\.input_tokens"),
}


@pytest.mark.parametrize(("content", "options", "message"), OTHER_WIRES.values(), ids=OTHER_WIRES.keys())
def test_a_reply_that_only_other_wires_can_send(server, client, content, options, message):
    """It is refused when it is asked for, as only then it is known on which wire."""
    server.reply(content, **options)
    with pytest.raises(ServerError, match=message):
        client.complete("Hi")


# ---- who answers -----------------------------------------------------------------------------------------------------


def test_echo_of_the_last_text_of_the_user(server, client):
    call = ToolCall("c", "t")
    assert client.complete("Say this").text == "Say this"
    assert client.complete([UserMessage(["a ", PICTURE, "b"])]).text == "a b"
    answered = [UserMessage("asked"), AssistantMessage(call), UserMessage(call.result("42"))]
    assert client.complete(answered).text == "asked"
    assert client.complete([UserMessage([PICTURE])]).message.content == ()


def test_replies_are_used_in_order_then_echo(server, client):
    server.reply("one")
    server.reply("two")
    assert [client.complete("echo").text for _ in range(3)] == ["one", "two", "echo"]


def test_reply_with_stays_until_it_is_taken_back(server, client):
    server.reply_with(lambda request: request.messages[-1].text.upper())
    server.reply("queued first")
    assert [client.complete("hi").text for _ in range(3)] == ["queued first", "HI", "HI"]
    server.reply_with(None)
    assert client.complete("hi").text == "hi"


def test_reply_with_may_return_whatever_reply_takes(server, client):
    found = iter(
        [ToolCall("c", "t"), Reply("r", finish_reason=FinishReason("length")), RateLimitError("no", status=429)]
    )
    server.reply_with(lambda _: next(found))
    assert client.complete("hi").tool_calls == (ToolCall("c", "t"),)
    assert client.complete("hi").finish_reason.reason == "length"
    with pytest.raises(RateLimitError):
        client.complete("hi")


def raising(error):
    def function(request):
        raise error

    return function


FUNCTIONS = {
    "raises": (raising(KeyError("city")), ServerError, "KeyError: 'city'"),
    "raises an APIError": (raising(NotFoundError("gone", status=404)), NotFoundError, "gone"),
    "returns what is no answer": (lambda request: 3, ServerError, "content: expected text"),
}


@pytest.mark.parametrize(("function", "cls", "message"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_function_that_fails_is_told(server, function, cls, message):
    server.reply_with(function)
    with pytest.raises(cls, match=message) as caught:
        server.client("anthropic").complete("hi")
    assert caught.value.attempts == 1


def test_a_function_that_returns_nothing_echoes(server):
    seen = []
    server.reply_with(seen.append)
    assert server.client("anthropic").complete("hi").text == "hi"
    assert len(seen) == 1


def test_reply_with_wants_a_function(server):
    with pytest.raises(ConfigurationError, match="function: expected a function"):
        server.reply_with("hi")


# ---- the pure functions ----------------------------------------------------------------------------------------------


def test_events_of_an_answer():
    found = events(Reply("Hi there"), id="msg_1", model="m", input_tokens=3)
    assert [event["type"] for event in found] == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    start, end = found[0]["message"], found[-2]
    assert (start["id"], start["model"], start["content"], start["stop_reason"]) == ("msg_1", "m", [], None)
    assert (start["usage"]["input_tokens"], start["usage"]["output_tokens"]) == (3, 1)
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert (end["usage"]["input_tokens"], end["usage"]["output_tokens"]) == (3, 2)


def test_events_of_an_empty_answer_have_a_ping():
    assert [event["type"] for event in events(Reply())] == ["message_start", "ping", "message_delta", "message_stop"]


def test_refusal_has_details():
    found = whole(Reply(Refusal("No.")))
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}
    assert events(Reply(Refusal("No.")))[-2]["delta"]["stop_details"] == found["stop_details"]


def test_own_words_of_a_citation_are_sent_as_they_are():
    raw = {"type": "of_tomorrow", "cited_text": "a", "x": 1}
    assert whole(Reply(Text("a", [Citation("a", raw=raw)])))["content"][0]["citations"] == [raw]


@pytest.mark.parametrize("block", [{"type": "text"}, {"type": "thinking"}, {"type": "tool_use", "input": None}])
def test_blocks_that_lack_what_is_cut_come_at_once(block):
    found = events(Reply(Opaque(WIRE, block)))
    assert found[1] == {"type": "content_block_start", "index": 0, "content_block": block}
    assert found[3]["type"] == "content_block_stop"


def test_check_of_an_error_reply():
    check(Reply(error=OverloadedError("busy")))
