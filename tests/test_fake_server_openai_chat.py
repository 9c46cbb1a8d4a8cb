"""`FakeServer` on the wire ``openai-chat``, read by the vendor's own client, by bare HTTP and by llmkit's."""

import base64
import json

import pytest
import requests
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from llmkit import (
    APIError,
    AssistantMessage,
    Audio,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    DeadlineError,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    Model,
    NotFoundError,
    Opaque,
    OverloadedError,
    PaymentRequiredError,
    PermissionDeniedError,
    Provider,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    RequestTooLargeError,
    ServerError,
    SystemMessage,
    Text,
    Thinking,
    Timeout,
    Tool,
    ToolCall,
    ToolResult,
    UnprocessableEntityError,
    Usage,
    UserMessage,
    Video,
)
from llmkit.accumulate import Accumulator
from llmkit.media.png import encode as png
from llmkit.messages import Citation
from llmkit.provider_errors import event_failure
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit
from llmkit.testing.openai_chat import RENDERING, events, whole
from llmkit.wire import wire
from llmkit.wire.signals import ErrorEvent

openai = pytest.importorskip("openai")
ChatCompletion = openai.types.chat.ChatCompletion
ChatCompletionChunk = openai.types.chat.ChatCompletionChunk

WIRE = "openai-chat"
HOST = Provider("host", WIRE, "https://host.example/v1", key_variables=("HOST_KEY",), default_model="gpt-5.5")
BODY = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Say hello"}]}
PICTURE = Image(png(bytes(12), 2, 2, 3))
PICTURE_URI = "data:image/png;base64," + base64.b64encode(PICTURE.data).decode()
SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 5
SOUND_BASE64 = base64.b64encode(SOUND).decode()


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture(scope="module")
def vendors():
    """Made once, as that takes longer than most tests."""
    with openai.OpenAI(base_url="http://127.0.0.1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def vendor(server, vendors):
    return vendors.with_options(base_url=f"{server.url}/v1")


@pytest.fixture
def client(server):
    return server.client(HOST, max_retries=0)


def by_create(vendor):
    return vendor.chat.completions.create(**BODY)


def by_helper(vendor):
    with vendor.chat.completions.stream(**BODY, stream_options={"include_usage": True}) as stream:
        return stream.get_final_completion()


each_way = pytest.mark.parametrize("ask", [by_create, by_helper])


def _dumped(completion):
    """The message that the vendor's client has read, without keys that say nothing."""
    message = completion.choices[0].message.to_dict()
    for call in message.get("tool_calls") or ():
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return {key: value for key, value in message.items() if value not in (None, [])}


def said(**keys):
    return {"role": "assistant", **keys}


def function(id_, name, arguments):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


PAGE = {"type": "url_citation", "url_citation": {"start_index": 2, "end_index": 7, "title": "A", "url": "https://a.b/"}}
# name → (what is scripted, the message that the vendor's client has read, the finish reason)
REPLIES = {
    "text": ("Hello  there.\n", said(content="Hello  there.\n"), "stop"),
    "not ASCII": ("Grüße 🦊 \u2028", said(content="Grüße 🦊 \u2028"), "stop"),
    "no parts": ((), said(), "stop"),
    "empty text": ("", said(content=""), "stop"),
    "several texts": (["a b", Text("c")], said(content="a bc"), "stop"),
    "thoughts": ([Thinking("Hm hm."), "Yes."], said(reasoning_content="Hm hm.", content="Yes."), "stop"),
    "signed thoughts": ([Thinking("Hm", "s")], said(reasoning_content="Hm"), "stop"),
    "thoughts in another field": (
        [Thinking("Hm hm.", extra={WIRE: {"field": "reasoning"}}), "Yes."],
        said(reasoning="Hm hm.", content="Yes."),
        "stop",
    ),
    "thoughts with details": (
        [Thinking("Hm", extra={WIRE: {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}})],
        said(reasoning_content="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}]),
        "stop",
    ),
    "details alone": (
        [Thinking("", redacted="x", extra={WIRE: {"reasoning_details": [{"type": "reasoning.encrypted"}]}}), "Yes."],
        said(reasoning_details=[{"type": "reasoning.encrypted"}], content="Yes."),
        "stop",
    ),
    "two calls": (
        ["See.", ToolCall("c1", "weather", {"city": "Oslo Øst", "days": [1, None]}), ToolCall("c2", "now")],
        said(
            content="See.",
            tool_calls=[
                function("c1", "weather", '{"city": "Oslo \\u00d8st", "days": [1, null]}'),
                function("c2", "now", "{}"),
            ],
        ),
        "tool_calls",
    ),
    "a call as it was written": (
        ToolCall("c", "t", {"a": 1}, extra={WIRE: {"arguments": '{"a":1}', "extra_content": {"x": 1}}}),
        said(tool_calls=[{**function("c", "t", '{"a":1}'), "extra_content": {"x": 1}}]),
        "tool_calls",
    ),
    "a call that was changed since": (
        ToolCall("c", "t", {"a": 2}, extra={WIRE: {"arguments": '{"a":1}'}}),
        said(tool_calls=[function("c", "t", '{"a": 2}')]),
        "tool_calls",
    ),
    "a call with what was no JSON": (
        ToolCall("c", "t", {"a": 2}, extra={WIRE: {"arguments": '{"a"'}}),
        said(tool_calls=[function("c", "t", '{"a": 2}')]),
        "tool_calls",
    ),
    "citations": (
        ["So", Text(": web", [Citation("w", url="https://a.b/", title="A")])],
        said(content="So: web", annotations=[PAGE]),
        "stop",
    ),
    "a citation as it was sent": (Text("web", [Citation(raw=PAGE)]), said(content="web", annotations=[PAGE]), "stop"),
    "refusal": (Refusal("I would rather not."), said(refusal="I would rather not."), "stop"),
    "a picture": (
        ["See:", PICTURE],
        said(content="See:", images=[{"type": "image_url", "image_url": {"url": PICTURE_URI}}]),
        "stop",
    ),
    "a picture elsewhere": (
        Image(url="https://a.b/c.png"),
        said(images=[{"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}]),
        "stop",
    ),
    "a sound": (
        Audio(SOUND, transcript="Hi you"),
        said(audio={"id": "audio_fake", "data": SOUND_BASE64, "transcript": "Hi you", "expires_at": 1767229200}),
        "stop",
    ),
}


@each_way
@pytest.mark.parametrize(("content", "message", "reason"), REPLIES.values(), ids=REPLIES.keys())
def test_reply(server, vendor, ask, content, message, reason):
    server.reply(content)
    completion = ask(vendor)
    assert _dumped(completion) == message
    assert completion.choices[0].finish_reason == reason
    assert (completion.object, completion.model, completion.id) == (
        "chat.completion",
        "gpt-5.5",
        "chatcmpl-fake0001",
    )


@pytest.mark.parametrize("content", [case[0] for case in REPLIES.values()], ids=REPLIES.keys())
def test_answers_are_of_the_vendors_types(content):
    """Its client reads loosely; its types do not."""
    assert ChatCompletion.model_validate(whole(Reply(content))).choices
    for event in events(Reply(content)):
        ChatCompletionChunk.model_validate(event)


@each_way
@pytest.mark.parametrize("pieces", [1, 10])
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_cut_anywhere(server, vendor, ask, pieces, chunking):
    server.pieces, server.chunking = pieces, chunking
    server.reply("Grüße 🦊 one two")
    assert ask(vendor).choices[0].message.content == "Grüße 🦊 one two"


CUSTOM = ToolCall("c1", "run", {"input": "print 1"}, extra={WIRE: {"type": "custom"}})


def test_custom_call(server, vendor):
    for _ in range(2):
        server.reply(CUSTOM)
    (call,) = by_create(vendor).choices[0].message.tool_calls
    assert (call.id, call.type, call.custom.name, call.custom.input) == ("c1", "custom", "run", "print 1")
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        deltas = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert (deltas[0].id, deltas[0].custom["name"]) == ("c1", "run")
    assert [delta.index for delta in deltas] == [0, 0, 0]
    assert "".join(delta.custom["input"] for delta in deltas) == "print 1"


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
# name → (what is scripted, the part of the content that stands for it)
IN_PLACE = {
    "what is opaque": (Opaque(WIRE, THOUGHT), THOUGHT),
    "thoughts": (Thinking("Hm", extra={WIRE: {"field": "content"}}), THOUGHT),
    "thoughts as they came": (Thinking("", extra={WIRE: {"field": "content", **THOUGHT}}), THOUGHT),
    "a picture": (
        evolve(PICTURE, extra={WIRE: {"field": "content"}}),
        {"type": "image_url", "image_url": {"url": PICTURE_URI}},
    ),
}


@pytest.mark.parametrize(("part", "block"), IN_PLACE.values(), ids=IN_PLACE.keys())
def test_parts_of_hosts_whose_content_is_a_list(server, vendor, part, block):
    for _ in range(2):
        server.reply([part, "So it is."])
    message = by_create(vendor).choices[0].message
    assert message.content == [block, {"type": "text", "text": "So it is."}]
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        found = [chunk.choices[0].delta.content for chunk in stream]
    assert found == ["", [block], "So", " it", " is.", None]


@each_way
def test_usage(server, vendor, ask):
    server.reply("Hi", usage=Usage(100, 30, cache_read_tokens=60, cache_write_tokens=5, reasoning_tokens=20))
    usage = ask(vendor).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 30, 130)
    assert (usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens) == (60, 5)
    assert usage.completion_tokens_details.reasoning_tokens == 20


def test_rough_usage(server, vendor):
    server.reply([Thinking("1234"), "12345678", ToolCall("c", "1234567890", {})])
    assert by_create(vendor).usage.prompt_tokens == 3
    server.token_count = 77
    assert by_create(vendor).usage.prompt_tokens == 77


REASONS = {
    "length": ("length", "length"),
    "content_filter": ("content_filter", "content_filter"),
    "error": ("error", "error"),
    "other": ("other", "other"),
    "the wire's own word": (FinishReason("length", "max_tokens"), "max_tokens"),
    "an old word": (FinishReason("tool_calls", "function_call"), "function_call"),
    "another wire's word": (FinishReason("stop", "end_turn_of_another"), "stop"),
    "a word of tomorrow": (FinishReason("other", "bored"), "bored"),
    "a word for something else": (FinishReason("other", "length"), "other"),
    "a word of other hosts": (FinishReason("stop", "eos"), "eos"),
}


@pytest.mark.parametrize(("reason", "word"), REASONS.values(), ids=REASONS.keys())
def test_reason(server, vendor, reason, word):
    for _ in range(2):
        server.reply("Hi", finish_reason=reason)
    assert by_create(vendor).choices[0].finish_reason == word
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        assert [chunk.choices[0].finish_reason for chunk in stream] == [None, None, word]


def test_stop_sequence_is_told_as_some_hosts_do(server, vendor):
    for _ in range(2):
        server.reply("Hi", finish_reason=FinishReason("stop", stop_sequence="END"))
    assert by_create(vendor).choices[0].to_dict()["stop_reason"] == "END"
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        *_, last = stream
    assert (last.choices[0].finish_reason, last.choices[0].to_dict()["stop_reason"]) == ("stop", "END")


def test_usage_only_when_it_is_asked_for(server, vendor):
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        assert [chunk.usage for chunk in stream] == [None] * 4
    with vendor.chat.completions.create(**BODY, stream=True, stream_options={"include_usage": True}) as stream:
        found = list(stream)
    assert [len(chunk.choices) for chunk in found] == [1, 1, 1, 1, 0]
    assert [chunk.usage is None for chunk in found] == [True, True, True, True, False]


def test_bytes_of_a_stream(server):
    answer = post(server, {**BODY, "stream": True})
    lines = [line for line in answer.content.split(b"\n") if line]
    assert all(line.startswith(b"data: {") for line in lines[:-1])
    assert lines[-1] == b"data: [DONE]"
    assert answer.content.endswith(b"data: [DONE]\n\n")
    first, second = (json.loads(line[6:])["choices"][0] for line in lines[:2])
    assert first["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert second == {"index": 0, "delta": {"content": "Say"}, "logprobs": None, "finish_reason": None}
    assert answer.headers["content-type"].startswith("text/event-stream")


# ---- what was asked --------------------------------------------------------------------------------------------------


def test_tools_and_media_are_taken_and_read(server, vendor):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": PICTURE_URI, "detail": "low"}},
            {"type": "text", "text": "Where is this?"},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [function("c1", "weather", '{"a": 1}')]},
        {"role": "tool", "tool_call_id": "c1", "content": "cold"},
    ]  # fmt: skip
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    answer = vendor.chat.completions.create(model="gpt-5.5", messages=messages, tools=tools, tool_choice="auto")
    assert answer.choices[0].message.content == "Where is this?"
    assert server.requests[0].messages == [
        SystemMessage("Be brief."),
        UserMessage([Image(PICTURE.data, detail="low"), "Where is this?"]),
        AssistantMessage(ToolCall("c1", "weather", {"a": 1})),
        UserMessage(ToolResult("c1", "weather", "cold")),
    ]


def test_body_without_messages_is_read_as_none():
    assert RENDERING.read(None) == RENDERING.read({}) == RENDERING.read({"messages": "Hi"}) == []


def test_echo(server, vendor):
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE_URI}}]},
    ]
    assert vendor.chat.completions.create(model="m", messages=messages).choices[0].message.content == "a b"


# ---- models and embeddings -------------------------------------------------------------------------------------------


def test_models(server, vendor):
    server.models = [Model("m1"), Model("org/m2")]
    assert [(model.id, model.created) for model in vendor.models.list()] == [("m1", 0), ("org/m2", 0)]
    assert vendor.models.retrieve("org/m2").id == "org/m2"
    with pytest.raises(openai.NotFoundError, match="The model 'nobody' does not exist") as caught:
        vendor.models.retrieve("nobody")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_embeddings(server, vendor):
    found = vendor.embeddings.create(model="e", input=["one text", "two"])  # the client asks for base64
    assert [entry.index for entry in found.data] == [0, 1]
    assert (found.model, found.usage.prompt_tokens, found.usage.total_tokens) == ("e", 3, 3)
    assert server.requests[0].json["encoding_format"] == "base64"
    floats = vendor.embeddings.create(model="e", input="one text", encoding_format="float")
    assert floats.data[0].embedding == found.data[0].embedding == server.vectors(["one text"], None)[0]
    assert found.data[0].embedding != found.data[1].embedding
    short = vendor.embeddings.create(model="e", input="one text", dimensions=3)
    assert short.data[0].embedding == server.vectors(["one text"], 3)[0]


def test_embeddings_of_tokens(server, vendor):
    assert len(vendor.embeddings.create(model="e", input=[1, 2]).data) == 1
    assert len(vendor.embeddings.create(model="e", input=[[1], [2]]).data) == 2


# name → (the body, the message, the param)
NOT_EMBEDDED = {
    "no body": (None, "We could not parse the JSON body", None),
    "no model": ({"input": "x"}, "you must provide a model parameter", None),
    "no input": ({"model": "e"}, "Missing required parameter: 'input'.", "input"),
    "an empty list": ({"model": "e", "input": []}, "Invalid 'input': empty array", "input"),
    "empty text": ({"model": "e", "input": ["a", ""]}, "Invalid 'input': input cannot be an empty string", "input"),
    "too many": ({"model": "e", "input": ["a"] * 2049}, "Invalid 'input': array too long", "input"),
    "input as a number": ({"model": "e", "input": 3}, "Invalid type for 'input'", "input"),
    "no dimensions": (
        {"model": "e", "input": "a", "dimensions": 0},
        "Invalid 'dimensions': integer below",
        "dimensions",
    ),
    "a strange format": (
        {"model": "e", "input": "a", "encoding_format": "int8"},
        "Invalid value for 'encoding_format'",
        "encoding_format",
    ),
}


@pytest.mark.parametrize(("body", "message", "param"), NOT_EMBEDDED.values(), ids=NOT_EMBEDDED.keys())
def test_refused_embeddings(server, body, message, param):
    answer = post(server, body, "/v1/embeddings")
    assert_refused(answer, message, param)


# ---- what the host refuses -------------------------------------------------------------------------------------------

BEARER = {"authorization": "Bearer k"}


def post(server, body, path="/v1/chat/completions", headers=BEARER):
    return requests.post(server.url + path, json=body, headers=headers, timeout=5)


def assert_refused(answer, message, param):
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"].startswith(message)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def asked(*contents, role="user"):
    return {"messages": [{"role": role, "content": content} for content in contents]}


def conversation(*messages):
    return {"messages": [{"role": "user", "content": "Hi"}, *messages]}


CALLS = {"role": "assistant", "content": None, "tool_calls": [function("c1", "t", "{}"), function("c2", "t", "{}")]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "x"}
UNANSWERED = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    "The following tool_call_ids did not have response messages: "
)
# name → (what is changed of the body, the message, the param); None takes a key out
REFUSED = {
    "no model": ({"model": None}, "you must provide a model parameter", None),
    "no messages": ({"messages": None}, "Missing required parameter: 'messages'.", "messages"),
    "empty messages": ({"messages": []}, "Invalid 'messages': empty array.", "messages"),
    "messages as text": (
        {"messages": "Hi"},
        "Invalid type for 'messages': expected an array of objects, but got a string instead.",
        "messages",
    ),
    "model as a number": ({"model": 3}, "Invalid type for 'model': expected a string, but got an integer", "model"),
    "too hot": (
        {"temperature": 3},
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        "temperature",
    ),
    "too cold": ({"temperature": -0.5}, "Invalid 'temperature': decimal below minimum value.", "temperature"),
    "temperature as text": ({"temperature": "1"}, "Invalid type for 'temperature': expected a decimal", "temperature"),
    "no tokens": ({"max_completion_tokens": 0}, "Invalid 'max_completion_tokens': ", "max_completion_tokens"),
    "tokens as a truth": ({"max_tokens": True}, "Invalid type for 'max_tokens': expected an integer", "max_tokens"),
    "two limits": ({"max_tokens": 5, "max_completion_tokens": 5}, "Setting 'max_tokens' and", "max_tokens"),
    "stream as text": ({"stream": "yes"}, "Invalid type for 'stream': expected a boolean", "stream"),
    "stream_options without a stream": (
        {"stream_options": {"include_usage": True}},
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        "stream_options",
    ),
    "tool_choice without tools": ({"tool_choice": "auto"}, "The 'tool_choice' parameter is only", "tool_choice"),
    "top_logprobs alone": ({"top_logprobs": 2}, "The 'top_logprobs' parameter is only allowed", "top_logprobs"),
    "no tools": ({"tools": []}, "Invalid 'tools': empty array.", "tools"),
    "five stops": ({"stop": list("abcde")}, "Invalid 'stop': array too long.", "stop"),
    "a message as text": ({"messages": ["Hi"]}, "Invalid type for 'messages[0]': expected an object", "messages[0]"),
    "a message of nothing": (
        {"messages": [None]},
        "Invalid type for 'messages[0]': expected an object, but got null instead.",
        "messages[0]",
    ),
    "no role": ({"messages": [{"content": "x"}]}, "Missing required parameter: 'messages[0].role'", "messages[0].role"),
    "an unknown role": (
        asked("x", role="model"),
        "Invalid value: 'model'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'dev",
        "messages[0].role",
    ),
    "no content": ({"messages": [{"role": "user"}]}, "Invalid value for 'content'", "messages[0].content"),
    "an assistant without content": (
        {"messages": [{"role": "assistant", "content": None}]},
        "Invalid value for 'content'",
        "messages[0].content",
    ),
    "content as a number": (asked(3), "Invalid type for 'messages[0].content'", "messages[0].content"),
    "content without parts": (asked([]), "Invalid 'messages[0].content': empty array.", "messages[0].content"),
    "a part as text": (asked(["x"]), "Invalid type for 'messages[0].content[0]'", "messages[0].content[0]"),
    "a part without type": (
        asked([{"text": "x"}]),
        "Missing required parameter: 'messages[0].content[0].type'.",
        "messages[0].content[0].type",
    ),
    "text as a number": (
        asked([{"type": "text", "text": 1}]),
        "Invalid type for 'messages[0].content[0].text'",
        "messages[0].content[0].text",
    ),
    "a picture in instructions": (
        asked([{"type": "image_url", "image_url": {"url": PICTURE_URI}}], role="system"),
        "Invalid value: 'image_url'.",
        "messages[0].content[0].type",
    ),
    "a call as text": (
        conversation({"role": "assistant", "tool_calls": ["x"]}),
        "Invalid type for 'messages[1].tool_calls[0]'",
        "messages[1].tool_calls[0]",
    ),
    "no calls": (
        conversation({"role": "assistant", "content": "x", "tool_calls": []}),
        "Invalid 'tool_calls': empty array.",
        "tool_calls",
    ),
    "a call without type": (
        conversation({"role": "assistant", "tool_calls": [{"id": "c"}]}),
        "Missing required parameter: 'messages[1].tool_calls[0].type'.",
        "messages[1].tool_calls[0].type",
    ),
    "a call of an unknown type": (
        conversation({"role": "assistant", "tool_calls": [{"id": "c", "type": "x"}]}),
        "Invalid value: 'x'. Supported values are: 'function', and 'custom'.",
        "messages[1].tool_calls[0].type",
    ),
    "arguments as an object": (
        conversation({"role": "assistant", "tool_calls": [function("c", "t", {})]}),
        "Invalid type for 'messages[1].tool_calls[0].function.arguments': expected a string, but got an object",
        "messages[1].tool_calls[0].function.arguments",
    ),
    "calls without results": (
        conversation(CALLS),
        UNANSWERED + "c1, c2",
        "messages.[1].role",
    ),
    "a call without its result": (
        conversation(CALLS, RESULT, {"role": "user", "content": "x"}),
        UNANSWERED + "c2",
        "messages.[1].role",
    ),
    "a result without its call": (
        conversation(RESULT),
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        "messages.[1].role",
    ),
    "a result without an id": (
        conversation({"role": "tool", "content": "x"}),
        "Missing required parameter: 'messages[1].tool_call_id'.",
        "messages[1].tool_call_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_as_the_host_does(server, changes, message, param):
    body = {key: value for key, value in {**BODY, **changes}.items() if value is not None}
    assert_refused(post(server, body), message, param)


def test_body_that_is_no_json(server):
    answer = requests.post(f"{server.url}/v1/chat/completions", data=b"{", headers=BEARER, timeout=5)
    assert_refused(answer, "We could not parse the JSON body of your request.", None)


TAKEN = {
    "unknown keys": {"top_k": 3},
    "nulls": {"temperature": None, "tools": None},
    "calls with all results": conversation(CALLS, RESULT, {**RESULT, "tool_call_id": "c2"}),
    "an assistant's refusal": conversation({"role": "assistant", "refusal": "no"}),
    "parts of a host of its own": asked([{"type": "video_url", "video_url": {"url": "https://a.b/"}}]),
}


@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN.keys())
def test_taken(server, changes):
    assert post(server, {**BODY, **changes}).status_code == 200


KEYS = {
    "no key": ({}, 401),
    "an empty bearer": ({"authorization": "Bearer "}, 401),
    "another scheme": ({"authorization": "Basic eDp5"}, 401),
    "an api-key": ({"api-key": "k"}, 200),
}


@pytest.mark.parametrize(("headers", "status"), KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
def test_key(server, headers, status, path):
    answer = post(server, {**BODY, "input": "x"}, path, headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["message"].startswith("You didn't provide an API key.")
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_another_method(server):
    answer = requests.get(f"{server.url}/v1/chat/completions", headers=BEARER, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Invalid URL (GET /v1/chat/completions)"


def test_deployments(server):
    """The other host of this wire has the model in its path and another header for the key."""
    with openai.AzureOpenAI(
        azure_endpoint=server.url, api_version="2024-10-21", api_key="k", azure_deployment="mine", max_retries=0
    ) as azure:
        assert azure.chat.completions.create(**BODY).choices[0].message.content == "Say hello"
    assert server.requests[0].path == "/openai/deployments/mine/chat/completions"
    answer = post(server, {"messages": BODY["messages"]}, server.requests[0].path)
    assert answer.json()["model"] == "mine"
    asked = [request.request for request in server.requests]
    assert [request.options["model"] for request in asked] == [BODY["model"], "mine"]
    assert {request.prompt for request in asked} == {(UserMessage("Say hello"),)}


ELSEWHERE = {
    "models, asked for by another's client": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "models, with another's token": {"authorization": "Bearer k", "anthropic-version": "2023-06-01"},
    "models, with another's key": {"authorization": "Bearer k", "x-goog-api-key": "k"},
    "models, without a key": {},
}


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_lists_of_other_wires_are_theirs(server, headers):
    requests.get(f"{server.url}/v1/models", headers=headers, timeout=5)
    assert not RENDERING.claims(server.requests[0])


@pytest.mark.parametrize(
    "path", ["/v1beta/models", "/v1beta1/publishers/google/models", "/v1/publishers/google/models"]
)
def test_lists_at_paths_of_another_wire_are_its_own(server, path):
    requests.get(server.url + path, headers=BEARER, timeout=5)
    assert not RENDERING.claims(server.requests[0])


LISTS = ("/v1/models", "/models", "/openai/models", "/openai/v1/models", "/catalog/models")


@pytest.mark.parametrize("path", LISTS)
def test_lists_of_models_of_many_hosts(server, path):
    answer = requests.get(server.url + path, headers=BEARER, timeout=5)
    assert [model["id"] for model in answer.json()["data"]] == [model.id for model in server.models]


# ---- errors ----------------------------------------------------------------------------------------------------------

# name → (what is scripted, the vendor's class, status, type, code)
ERRORS = {
    "bad request": (BadRequestError("no"), "BadRequestError", 400, "invalid_request_error", None),
    "too long": (
        BadRequestError("no", code="context_length_exceeded"),
        "BadRequestError",
        400,
        "invalid_request_error",
        "context_length_exceeded",
    ),
    "bad key": (AuthenticationError("no"), "AuthenticationError", 401, "invalid_request_error", "invalid_api_key"),
    "permission": (PermissionDeniedError("no"), "PermissionDeniedError", 403, "permission_error", None),
    "not found": (NotFoundError("no"), "NotFoundError", 404, "invalid_request_error", "model_not_found"),
    "rate limit": (RateLimitError("no", retry_after=2), "RateLimitError", 429, "requests", "rate_limit_exceeded"),
    "quota": (QuotaExceededError("no"), "RateLimitError", 429, "insufficient_quota", "insufficient_quota"),
    "server error": (ServerError("no"), "InternalServerError", 500, "server_error", None),
    "a gateway": (ServerError("no", status=502), "InternalServerError", 502, "server_error", None),
    "overloaded": (
        OverloadedError("no"),
        "InternalServerError",
        503,
        "service_unavailable_error",
        "server_is_overloaded",
    ),
}


@each_way
@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_errors(server, vendor, ask, case):
    error, name, status, kind, code = case
    server.reply(error)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(vendor)
    found = caught.value
    assert type(found).__name__ == name
    assert (found.status_code, found.type, found.code, found.param) == (status, kind, code, None)
    assert found.body["message"] == "no"
    assert found.request_id == "req_fake_0001"
    assert found.response.headers.get("retry-after") == ("2" if error.retry_after else None)


FAULTS = {
    "overloaded": openai.InternalServerError,
    "rate limited": openai.RateLimitError,
    "server error": openai.InternalServerError,
    "bad key": openai.AuthenticationError,
    "too long": openai.BadRequestError,
    "no answer": openai.APIConnectionError,
    "error event": openai.APIError,
    "error event first": openai.APIError,
}


@each_way
@pytest.mark.parametrize(("name", "cls"), FAULTS.items(), ids=FAULTS.keys())
def test_faults(server, vendor, ask, name, cls):
    server.fault(name)
    with pytest.raises(cls):
        ask(vendor)


@pytest.mark.parametrize("after", range(6))
def test_a_stream_that_is_cut_is_never_whole(server, vendor, after):
    server.fault("cut stream", after=after)
    with vendor.chat.completions.create(**BODY, stream=True) as stream:
        found = list(stream)
    assert len(found) == min(after, 3)
    assert all(chunk.choices[0].finish_reason is None for chunk in found)


def test_another_try_heals(server):
    server.fault("rate limited")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k") as vendor:
        assert by_create(vendor).choices[0].message.content == "Say hello"
    assert len(server.requests) == 2


# ---- what cannot be answered -----------------------------------------------------------------------------------------

WRONG = {
    "a film": (Video(b"\x00\x00\x00\x18ftypmp42", media_type="video/mp4"), {}, r"content\[0\]: this wire cannot"),
    "a document": (["x", Document(b"a", media_type="text/plain")], {}, r"content\[1\]: this wire cannot .* Document"),
    "a picture in a file": (Image(file_id="f"), {}, r"content\[0\]: .* content of Image, not with a file_id"),
    "a sound elsewhere": (Audio(url="https://a.b/c.mp3"), {}, r"content\[0\]: .* content of Audio, not with a url"),
    "two sounds": ([Audio(SOUND), Audio(SOUND)], {}, r"content\[1\]: this wire answers with one Audio"),
    "encrypted thoughts": (Thinking("", redacted="x"), {}, r"content\[0\]\.redacted"),
    "a part of another wire": (Opaque("gemini-generate", {"type": "x"}), {}, r"content\[0\]: a part of gemini"),
    "a part without a type": (Opaque(WIRE, {}), {}, r"content\[0\]\.data\.type"),
    "arguments that are no JSON": (ToolCall("c", "t", {"a": object()}), {}, r"content\[0\]\.arguments"),
    "a custom call of two": (
        ToolCall("c", "t", {"input": "x", "y": 1}, extra={WIRE: {"type": "custom"}}),
        {},
        r"content\[0\]\.arguments: a custom call has one argument",
    ),
    "a source without an address": (
        ["x", Text("a", [Citation(url="https://a.b/"), Citation("a", document=0)])],
        {},
        r"content\[1\]\.citations\[1\]: this wire can only cite",
    ),
    "a pause": ("x", {"finish_reason": FinishReason("pause")}, "finish_reason: this wire has no word for 'pause'"),
    "a refusal without words": ("x", {"finish_reason": FinishReason("refusal")}, "finish_reason: .* by a Refusal"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_answered(content, options, message):
    with pytest.raises(ConfigurationError, match=message):
        RENDERING.check(Reply(content, **options))


def test_reply_for_another_wire(server, vendor):
    server.reply(Opaque("anthropic-messages", {"type": "x"}))
    with pytest.raises(openai.InternalServerError, match=r"cannot be sent on openai-chat: content\[0\]"):
        by_create(vendor)


def test_check_of_what_can_be_sent():
    RENDERING.check(Reply("x"))
    RENDERING.check(Reply(error=OverloadedError("busy")))


def test_own_names_win():
    reply = Reply("x", id="mine", model="m", usage=Usage(1, 2))
    for found in (whole(reply, id="i", model="j"), *events(reply, id="i", model="j")):
        assert (found["id"], found["model"]) == ("mine", "m")


# ---- llmkit's decoders ----------------------------------------------------------------------------------------------

words = st.text("ab Øß🦊\n\u2028", min_size=1, max_size=12)
values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), words)
citations = st.builds(Citation, url=words.map("https://a.b/{}".format), title=words)
replies = st.builds(
    Reply,
    st.lists(
        st.one_of(
            st.builds(Text, words, st.lists(citations, max_size=2)),
            st.builds(Thinking, words),
            st.builds(ToolCall, words, words, st.dictionaries(words, values, max_size=3)),
            st.builds(Refusal, words),
            st.just(PICTURE),
        ),
        max_size=5,
        unique_by=lambda part: part.id if isinstance(part, ToolCall) else id(part),
    ),
    usage=st.builds(Usage, *[st.integers(0, 99)] * 5),
)


@given(replies, st.sampled_from([by_characters, by_words, unsplit]), st.booleans())
def test_whole_and_events_are_the_same_answer(reply, chunking, asked):
    spoken = wire(WIRE)
    decoded = spoken.decode(json.loads(json.dumps(whole(reply))), spoken.quirks())
    decoder, collected = spoken.decoder(spoken.quirks()), Accumulator()
    for event in events(reply, chunking=chunking, include_usage=asked):
        collected.add(decoder.feed(ServerSentEvent("message", json.dumps(event))) or ())
    decoder.feed(ServerSentEvent("message", "[DONE]"))
    rest, reason, usage = decoder.close()
    collected.add(rest)
    assert collected.message() == decoded.message
    assert reason == decoded.finish_reason
    assert usage == (decoded.usage if asked else Usage())
    assert decoded.usage == reply.usage
    assert decoded.message.text == "".join(part.text for part in reply.content if isinstance(part, Text))
    assert {part for part in decoded.message.content if isinstance(part, ToolCall)} == {
        part for part in reply.content if isinstance(part, ToolCall)
    }


# ---- llmkit's own client ---------------------------------------------------------------------------------------------

LONG = Audio(SOUND, transcript="Hi you")
# name → (what is scripted, what comes back, the reason)
DECODED = {
    "text": ("Hello  there,\n\nfriend. ", (Text("Hello  there,\n\nfriend. "),), "stop"),
    "not ASCII": ("Grüße 🦊 \u2028 漢字", (Text("Grüße 🦊 \u2028 漢字"),), "stop"),
    "no parts": ((), (), "stop"),
    "several texts": (["a b", Text("c")], (Text("a bc"),), "stop"),
    "thoughts": ([Thinking("Hm hm."), "Yes."], (Thinking("Hm hm.", wire=WIRE), Text("Yes.")), "stop"),
    "calls": (
        ["See.", ToolCall("c1", "t", {"a": "Øst", "b": [1, 2.5, None, True]}), ToolCall("c2", "now")],
        (Text("See."), ToolCall("c1", "t", {"a": "Øst", "b": [1, 2.5, None, True]}), ToolCall("c2", "now")),
        "tool_calls",
    ),
    "a custom call": (CUSTOM, (CUSTOM,), "tool_calls"),
    "citations": (
        Text("web", [Citation(url="https://a.b/", title="A")]),
        (Text("web", [Citation(url="https://a.b/", title="A")]),),
        "stop",
    ),
    "refusal": (Refusal("I would rather not."), (Refusal("I would rather not."),), "refusal"),
    "a picture": (["See:", PICTURE], (Text("See:"), PICTURE), "stop"),
    "a sound": (LONG, (LONG,), "stop"),
}


@pytest.mark.parametrize(("content", "expected", "reason"), DECODED.values(), ids=DECODED.keys())
@pytest.mark.parametrize("pieces", [None, 7])
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_streamed_is_whole(server, client, content, expected, reason, pieces, chunking):
    server.pieces, server.chunking = pieces, chunking
    for _ in range(2):
        server.reply(Reply(content, id="chatcmpl-1", usage=Usage(50, 7, 20, 0, 3)))
    response, streamed = client.complete("Hi"), client.stream("Hi").collect()
    assert response.message.content == expected
    assert streamed == response
    assert response.finish_reason.reason == reason
    assert response.usage == Usage(50, 7, 20, 0, 3)


def test_conversation_comes_back(server, client):
    call = ToolCall("call_1", "t", {"a": 1})
    told = [
        UserMessage([PICTURE, "What?"]),
        AssistantMessage(["Let me see.", call]),
        UserMessage(call.result("2")),
        AssistantMessage(Refusal("No.")),
        UserMessage("Why?"),
    ]
    client.complete(told, system="Be brief.", tools=[Tool("t")])
    assert server.requests[0].messages == [SystemMessage("Be brief."), *told]


def test_arguments_that_are_cut_off(server, client):
    for _ in range(2):
        server.reply(ToolCall("c", "t", raw='{"a": tr'), finish_reason="length")
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert response.tool_calls[0].raw == '{"a": tr'
        assert response.finish_reason == FinishReason("length", "length")


def test_models_and_embeddings_of_llmkit(server, client):
    assert [model.id for model in client.models()] == [model.id for model in server.models]
    found = client.embed(["a", "b"], model="e")
    assert [list(vector) for vector in found.vectors] == server.vectors(["a", "b"], None)


# ---- errors, as llmkit tells them ------------------------------------------------------------------------------------

PROBLEMS = (
    BadRequestError("no"),
    BadRequestError("no", code="context_length_exceeded"),
    AuthenticationError("no"),
    PaymentRequiredError("no"),
    PermissionDeniedError("no"),
    NotFoundError("no"),
    ConflictError("no"),
    RequestTooLargeError("no"),
    UnprocessableEntityError("no"),
    RateLimitError("no", retry_after=2),
    QuotaExceededError("no"),
    ServerError("no"),
    OverloadedError("no"),
    OverloadedError("no", status=529),
    APIError("no", status=418),
)
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda error: type(error).__name__)


@each_problem
def test_errors_are_what_was_scripted(server, client, problem):
    server.reply(problem)
    with pytest.raises(APIError, match="no") as caught:
        client.complete("Hi")
    assert type(caught.value) is type(problem)
    assert caught.value.retry_after == problem.retry_after
    assert problem.status in (0, caught.value.status)
    assert problem.code in (None, caught.value.code)
    assert caught.value.request_id == "req_fake_0001"


@pytest.mark.parametrize("problem", [problem for problem in PROBLEMS if problem.status != 418])  # which no word tells
def test_error_events_are_what_was_scripted(problem):
    spoken = wire(WIRE)
    (event,) = SSEDecoder().feed(RENDERING.error_event(problem))
    with pytest.raises(ErrorEvent) as caught:
        spoken.decoder(spoken.quirks()).feed(event)
    found = event_failure(spoken, caught.value.body, {})
    assert type(found) is type(problem)
    assert "no" in str(found)
    assert problem.code in (None, found.code)


BROKEN = {
    "cut stream": IncompleteStreamError,
    "cut connection": IncompleteStreamError,
    "error event": OverloadedError,
    "error event first": OverloadedError,
    "no events": IncompleteStreamError,
    "only pings": DeadlineError,
    "not JSON": InvalidResponseError,
}


@pytest.mark.parametrize("after", [None, 0, 3, 99])
@pytest.mark.parametrize(("name", "cls"), BROKEN.items(), ids=BROKEN.keys())
def test_broken_streams(server, client, name, cls, after):
    server.fault(name, after=after)
    with pytest.raises(cls):
        client.stream("one two three", timeout=Timeout(first=0.3)).collect()
