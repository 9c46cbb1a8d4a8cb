"""`FakeServer` on the wire ``openai-responses``, read by the vendor's own client, by bare HTTP and by llmkit's."""

import base64
import json

import pytest
import requests
from hypothesis import assume, given
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
)
from llmkit.accumulate import Accumulator
from llmkit.media.png import encode as png
from llmkit.messages import Citation
from llmkit.provider_errors import event_failure
from llmkit.request import ResolvedRequest
from llmkit.sse import ServerSentEvent, SSEDecoder
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit
from llmkit.testing.openai_responses import RENDERING, events, whole
from llmkit.testing.openai_responses.strictness import fault_of
from llmkit.wire import wire
from llmkit.wire.signals import ErrorEvent

openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")

WIRE = "openai-responses"
HOST = Provider("host", WIRE, "https://host.example/v1", key_variables=("HOST_KEY",), default_model="gpt-5.5")
BODY = {"model": "gpt-5.5", "input": "Say hello"}
PICTURE = Image(png(bytes(12), 2, 2, 3))
BASE64 = base64.b64encode(PICTURE.data).decode()
PICTURE_URI = "data:image/png;base64," + BASE64
OTHER_URL = "https://a.b/c.png"
SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt 1234"
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
    return vendor.responses.create(**BODY)


def by_helper(vendor):
    """What its accumulator makes of the events: for answers that are not complete, too."""
    with vendor.responses.stream(**BODY) as stream:
        *_, last = stream
    return last.response


each_way = pytest.mark.parametrize("ask", [by_create, by_helper])


def _dumped(response):
    """The items that the vendor's client has read, without ids and keys that say nothing."""
    return [_plain(item.to_dict()) for item in response.output]


def _plain(value):
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _plain(item) for key, item in value.items() if item is not None and key not in ("id", "logprobs")}


def message(*content):
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(content)}


def text(words, *annotations):
    return {"type": "output_text", "text": words, "annotations": list(annotations)}


def function(call_id, name, arguments):
    found = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return {**found, "status": "completed"}


PAGE = {"type": "url_citation", "start_index": 0, "end_index": 3, "title": "A", "url": "https://a.b/"}
FILE = {"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 2}
SUMMARY = {"type": "summary_text", "text": "Hm hm."}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "a"}}
COMPACTION = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
CUSTOM = ToolCall("c1", "run", {"input": "print 1"}, extra={WIRE: {"type": "custom_tool_call"}})

# name → (what is scripted, the items that the vendor's client has read, the status)
REPLIES = {
    "text": ("Hello  there.\n", [message(text("Hello  there.\n"))], "completed"),
    "not ASCII": ("Grüße 🦊 \u2028", [message(text("Grüße 🦊 \u2028"))], "completed"),
    "no parts": ((), [], "completed"),
    "empty text": ("", [message(text(""))], "completed"),
    "several texts": (["a b", Text("c")], [message(text("a b"), text("c"))], "completed"),
    "a summary of thoughts": (
        [Thinking("Hm hm.", "s=="), "Yes."],
        [{"type": "reasoning", "summary": [SUMMARY], "encrypted_content": "s=="}, message(text("Yes."))],
        "completed",
    ),
    "encrypted thoughts": (
        Thinking("", redacted="x=="),
        [{"type": "reasoning", "summary": [], "encrypted_content": "x=="}],
        "completed",
    ),
    "thoughts as they came": (
        Thinking("Hm", extra={WIRE: {"summary": [], "content": [{"type": "reasoning_text", "text": "Hm hm"}]}}),
        [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm hm"}]}],
        "completed",
    ),
    "two calls": (
        ["See.", ToolCall("c1", "weather", {"city": "Oslo Øst", "days": [1, None]}), ToolCall("c2", "now")],
        [
            message(text("See.")),
            function("c1", "weather", '{"city": "Oslo \\u00d8st", "days": [1, null]}'),
            function("c2", "now", "{}"),
        ],
        "completed",
    ),
    "a call as it was written": (
        ToolCall("c", "t", {"a": 1}, extra={WIRE: {"arguments": '{"a":1}'}}),
        [function("c", "t", '{"a":1}')],
        "completed",
    ),
    "a custom call": (
        CUSTOM,
        [{"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "print 1", "status": "completed"}],
        "completed",
    ),
    "citations": (
        ["So ", Text("web", [Citation("w", url="https://a.b/", title="A"), Citation(raw=FILE)])],
        [message(text("So "), text("web", PAGE, FILE))],
        "completed",
    ),
    "refusal": (
        Refusal("I would rather not."),
        [message({"type": "refusal", "refusal": "I would rather not."})],
        "completed",
    ),
    "words around a call": (
        ["a", CUSTOM, "b"],
        [
            message(text("a")),
            {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "print 1", "status": "completed"},
            message(text("b")),
        ],
        "completed",
    ),
    "a picture": (
        ["See:", PICTURE],
        [
            message(text("See:")),
            {"type": "image_generation_call", "status": "completed", "output_format": "png", "result": BASE64},
        ],
        "completed",
    ),
    "items as they are": (
        [Opaque(WIRE, SEARCH), Opaque(WIRE, COMPACTION)],
        [_plain(SEARCH), _plain(COMPACTION)],
        "completed",
    ),
}


@each_way
@pytest.mark.parametrize(("content", "items", "status"), REPLIES.values(), ids=REPLIES.keys())
def test_reply(server, vendor, ask, content, items, status):
    server.reply(content)
    response = ask(vendor)
    found = _dumped(response)
    for item in found:
        item.pop("parsed_arguments", None)
    assert found == items
    assert (response.status, response.object, response.model) == (status, "response", "gpt-5.5")
    assert response.id == "resp_fake0001"


@pytest.mark.parametrize("content", [case[0] for case in REPLIES.values()], ids=REPLIES.keys())
def test_answers_are_of_the_vendors_types(content):
    """Its client reads loosely; its types do not."""
    read = pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent).validate_python
    assert openai.types.responses.Response.model_validate(whole(Reply(content))).status == "completed"
    assert [read(event).type for event in events(Reply(content))][-1] == "response.completed"


@pytest.mark.parametrize("content", [case[0] for case in REPLIES.values()], ids=REPLIES.keys())
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_events_say_what_the_items_say(content, chunking):
    """Each delta, each done and each item of the stream is part of the response that ends it."""
    found = events(Reply(content), chunking=chunking)
    output = found[-1]["response"]["output"]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    done = {event["output_index"]: event["item"] for event in found if event["type"] == "response.output_item.done"}
    assert [done[index] for index in range(len(output))] == output
    texts = {}
    for event in found:
        kind, _, step = event["type"].rpartition(".")
        place = (kind, event.get("output_index"), event.get("content_index"), event.get("summary_index"))
        if step == "delta":
            texts[place] = texts.get(place, "") + event["delta"]
        elif step == "done" and "item" not in event and "part" not in event:
            key = next(key for key in ("text", "refusal", "arguments", "input") if key in event)
            assert texts.pop(place, "") == event[key]
    assert not texts


def test_names_of_events():
    found = events(Reply([Thinking("Hm", "s"), Text("a b", [Citation(raw=PAGE)]), Refusal("No"), ToolCall("c", "t")]))
    assert [event["type"].removeprefix("response.") for event in found] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.annotation.added", "output_text.done", "content_part.done"),
        *("content_part.added", "refusal.delta", "refusal.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    by_type = {event["type"]: event for event in found}
    assert by_type["response.created"]["response"]["output"] == []
    assert by_type["response.created"]["response"]["status"] == "in_progress"
    assert by_type["response.created"]["response"]["usage"] is None
    delta = by_type["response.refusal.delta"]
    assert (delta["output_index"], delta["content_index"], delta["item_id"]) == (1, 1, "msg_fake_1")
    added = [event["item"] for event in found if event["type"] == "response.output_item.added"]
    assert added == [
        {"type": "reasoning", "id": "rs_fake_0", "summary": []},
        {"type": "message", "id": "msg_fake_1", "status": "in_progress", "role": "assistant", "content": []},
        {**function("c", "t", ""), "id": "fc_fake_2", "status": "in_progress"},
    ]  # fmt: skip


def test_hosted_tools_tell_their_steps():
    found = events(Reply([Opaque(WIRE, SEARCH), PICTURE]))
    assert [event["type"].removeprefix("response.") for event in found[2:-1]] == [
        *("output_item.added", "web_search_call.in_progress", "web_search_call.searching"),
        *("web_search_call.completed", "output_item.done"),
        *("output_item.added", "image_generation_call.in_progress", "image_generation_call.generating"),
        *("image_generation_call.completed", "output_item.done"),
    ]
    assert found[3]["item_id"] == "ws_1"
    assert "result" not in found[7]["item"]


STRANGE = {
    "a message without content": {"type": "message", "role": "assistant"},
    "a message with parts of tomorrow": {"type": "message", "content": [{"type": "x"}, {"type": "output_text"}]},
    "a call without arguments": {"type": "function_call", "call_id": "c", "name": "t"},
    "a custom call without input": {"type": "custom_tool_call", "call_id": "c", "name": "t", "input": None},
    "reasoning without a summary": {"type": "reasoning", "id": "rs"},
    "no picture": {"type": "image_generation_call", "id": "ig", "status": "failed", "result": None},
}  # fmt: skip


@pytest.mark.parametrize("item", STRANGE.values(), ids=STRANGE.keys())
def test_items_that_lack_what_is_cut_come_as_they_are(item):
    found = events(Reply(Opaque(WIRE, item)))
    (output,) = found[-1]["response"]["output"]
    assert {key: output[key] for key in item} == item
    assert found[-2]["item"] == output


@each_way
@pytest.mark.parametrize("pieces", [1, 10])
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_cut_anywhere(server, vendor, ask, pieces, chunking):
    server.pieces, server.chunking = pieces, chunking
    server.reply("Grüße 🦊 one two")
    assert ask(vendor).output_text == "Grüße 🦊 one two"


@each_way
def test_usage(server, vendor, ask):
    server.reply("Hi", usage=Usage(100, 30, cache_read_tokens=60, cache_write_tokens=5, reasoning_tokens=20))
    usage = ask(vendor).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 30, 130)
    assert (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens) == (60, 5)
    assert usage.output_tokens_details.reasoning_tokens == 20


# name → (the reason, the status, the details, the last event)
REASONS = {
    "stop": ("stop", "completed", None, "response.completed"),
    "length": ("length", "incomplete", "max_output_tokens", "response.incomplete"),
    "content_filter": ("content_filter", "incomplete", "content_filter", "response.incomplete"),
    "another wire's word": (FinishReason("length", "length"), "incomplete", "max_output_tokens", "response.incomplete"),
    "a word of tomorrow": (FinishReason("other", "bored"), "incomplete", "bored", "response.incomplete"),
    "other": ("other", "incomplete", "other", "response.incomplete"),
    "a status": (FinishReason("other", "cancelled"), "cancelled", None, "response.incomplete"),
    "error": ("error", "failed", None, "response.failed"),
}


@pytest.mark.parametrize("case", REASONS.values(), ids=REASONS.keys())
def test_reason(server, vendor, case):
    reason, status, details, name = case
    for _ in range(2):
        server.reply("Hi", finish_reason=reason)
    with vendor.responses.create(**BODY, stream=True) as stream:
        *_, last = stream
    assert last.type == name
    for response in (by_create(vendor), last.response):
        assert response.status == status
        assert (response.incomplete_details and response.incomplete_details.reason) == details
        assert (response.error is not None) == (status == "failed")
        assert response.output[0].status == ("incomplete" if status == "incomplete" else "completed")


def test_bytes_of_a_stream(server):
    server.reply("one two")
    answer = post(server, {**BODY, "stream": True})
    blocks = answer.content.decode().split("\n\n")[:-1]
    for block in blocks:
        name, data = block.split("\n")
        assert name == "event: " + json.loads(data.removeprefix("data: "))["type"]
    assert json.loads(blocks[4].split("data: ")[1]) == {
        "type": "response.output_text.delta",
        "output_index": 0,
        "item_id": "msg_fake0001_0",
        "content_index": 0,
        "delta": "one",
        "logprobs": [],
        "sequence_number": 4,
    }
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_options_are_repeated(server, vendor):
    asked = {"instructions": "Be brief.", "temperature": 0.5, "metadata": {"a": "b"}, "max_output_tokens": 99}
    response = vendor.responses.create(**BODY, **asked, text={"verbosity": "low"})
    assert (response.instructions, response.temperature, response.max_output_tokens) == ("Be brief.", 0.5, 99)
    assert (response.text.verbosity, response.text.format.type, response.metadata) == ("low", "text", {"a": "b"})
    assert (response.top_p, response.tool_choice, response.tools) == (1.0, "auto", [])


def test_parsed_output(server, vendor):
    class City(pydantic.BaseModel):
        name: str

    server.reply('{"name": "Oslo"}')
    with vendor.responses.stream(**BODY, text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(name="Oslo")


# ---- counting --------------------------------------------------------------------------------------------------------


def test_count_tokens(server, vendor):
    counted = vendor.responses.input_tokens.count(model="m", input="12345678", instructions="1234")
    assert (counted.input_tokens, counted.object) == (3, "response.input_tokens")
    server.token_count = 77
    assert vendor.responses.input_tokens.count(model="m", input="x").input_tokens == 77
    assert by_create(vendor).usage.input_tokens == 77


def test_count_leaves_media_out(server, vendor):
    content = [{"type": "input_image", "image_url": PICTURE_URI}, {"type": "input_text", "text": "1234"}]
    found = vendor.responses.input_tokens.count(model="m", input=[{"role": "user", "content": content}])
    assert found.input_tokens == 1


# ---- what was asked --------------------------------------------------------------------------------------------------

CALL = {"type": "function_call", "call_id": "c1", "name": "t", "arguments": '{"a": 1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "cold"}
LINKED = {"type": "input_image", "image_url": OTHER_URL}
CLICK = {"type": "computer_call", "id": "cu_1", "call_id": "x"}
SCREEN = {"type": "computer_call_output", "call_id": "x", "output": {"type": "computer_screenshot"}}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [SUMMARY], "encrypted_content": "s=="}


def user(*content):
    return {"role": "user", "content": list(content)}


# name → (the input, the messages)
READ = {
    "text": ("Hi", [UserMessage("Hi")]),
    "easy messages": (
        [{"role": role, "content": role[0].upper()} for role in ("developer", "user", "assistant")],
        [SystemMessage("D"), UserMessage("U"), AssistantMessage("A")],
    ),
    "two messages of the user": ([user({"type": "input_text", "text": "a"}), {"role": "user", "content": "b"}],
                                 [UserMessage("a"), UserMessage("b")]),
    "pictures": (
        [
            user(
                {"type": "input_image", "image_url": PICTURE_URI, "detail": "low"},
                LINKED,
                {"type": "input_image", "file_id": "f1"},
            )
        ],
        [UserMessage([Image(PICTURE.data, detail="low"), Image(url=OTHER_URL), Image(file_id="f1")])],
    ),
    "files": (
        [
            user(
                {"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,YSxi"},
                {"type": "input_file", "file_url": "https://a.b/c.pdf"},
                {"type": "input_file", "file_id": "f2"},
                {"type": "input_audio", "input_audio": {"data": SOUND_BASE64, "format": "wav"}},
            )
        ],
        [
            UserMessage(
                [
                    Document(b"a,b", media_type="text/csv", name="a.csv"),
                    Document(url="https://a.b/c.pdf", media_type="application/pdf"),
                    Document(file_id="f2"),
                    Audio(SOUND),
                ]
            )
        ],
    ),
    "a turn of the model": (
        [
            {"role": "user", "content": "Hi"},
            REASONING,
            {**message(text("See.", PAGE), {"type": "refusal", "refusal": "No."}), "id": "msg_1"},
            CALL,
            RESULT,
        ],
        [
            UserMessage("Hi"),
            AssistantMessage(
                [
                    Thinking("Hm hm.", "s==", wire=WIRE),
                    Text("See.", [Citation(url="https://a.b/", title="A")]),
                    Refusal("No."),
                    ToolCall("c1", "t", {"a": 1}),
                ]
            ),
            UserMessage(ToolResult("c1", "t", "cold")),
        ],
    ),
    "thoughts that cannot be read": (
        [{"type": "reasoning", "summary": [], "encrypted_content": "s=="}, message(text("a"))],
        [AssistantMessage([Thinking("", redacted="s==", wire=WIRE), "a"])],
    ),
    "the very thoughts": (
        [{"type": "reasoning", "summary": [], "content": [{**SUMMARY, "type": "reasoning_text"}]}, message(text("a"))],
        [AssistantMessage([Thinking("Hm hm.", wire=WIRE), "a"])],
    ),
    "results in a row, and words": (
        [CALL, {**CALL, "call_id": "c2"}, RESULT, {**RESULT, "call_id": "c2"}, {"role": "user", "content": "So?"}],
        [
            AssistantMessage([ToolCall("c1", "t", {"a": 1}), ToolCall("c2", "t", {"a": 1})]),
            UserMessage([ToolResult("c1", "t", "cold"), ToolResult("c2", "t", "cold")]),
            UserMessage("So?"),
        ],
    ),
    "a result with a picture": (
        [CALL, {**RESULT, "output": user({"type": "input_text", "text": "a"}, LINKED)["content"]}],
        [
            AssistantMessage(ToolCall("c1", "t", {"a": 1})),
            UserMessage(ToolResult("c1", "t", (Text("a"), Image(url=OTHER_URL)))),
        ],
    ),
    "a custom call": (
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "print 1"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
        ],
        [AssistantMessage(CUSTOM), UserMessage(ToolResult("c1", "run", "1"))],
    ),
    "items that are not modelled": (
        [
            SEARCH,
            message(text("a")),
            CLICK,
            SCREEN,
        ],
        [AssistantMessage([Opaque(WIRE, SEARCH), "a", Opaque(WIRE, CLICK)]), UserMessage(Opaque(WIRE, SCREEN))],
    ),
    "a picture that was made": (
        [{"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": BASE64}],
        [AssistantMessage(PICTURE)],
    ),
    "a picture that was not made": (
        [{"type": "image_generation_call", "id": "ig_1", "status": "failed"}],
        [AssistantMessage(Opaque(WIRE, {"type": "image_generation_call", "id": "ig_1", "status": "failed"}))],
    ),
    "a part that is not modelled": (
        [{**message({"type": "of_tomorrow", "x": 1}, text("a")), "id": "msg_1"}],
        [AssistantMessage([Opaque(WIRE, {**message({"type": "of_tomorrow", "x": 1}), "id": "msg_1"}), "a"])],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "messages"), READ.values(), ids=READ.keys())
def test_messages_of_a_request(asked, messages):
    assert RENDERING.read({"input": asked}) == messages
    assert RENDERING.read({"input": asked, "instructions": "Be brief."}) == [SystemMessage("Be brief."), *messages]


def test_body_without_messages_is_read_as_none():
    assert RENDERING.read(None) == RENDERING.read({}) == RENDERING.read({"input": 3}) == []


UNREADABLE = {
    "an item as text": (["x"], r"input\[0\]: expected dict"),
    "a call without a name": ([{"type": "function_call", "call_id": "c", "arguments": "{}"}], r"input\[0\]\.name"),
    "a picture of nothing": ([user({"type": "input_image"})], r"input\[0\]\.content\[0\]\.image_url: is missing"),
    "a picture that is none": (
        [user({"type": "input_image", "image_url": "data:image/png;base64,e"})],
        r"input\[0\]\.content\[0\]\.image_url: ",
    ),
    "a file that is none": (
        [user({"type": "input_file", "file_data": "!"})],
        r"input\[0\]\.content\[0\]\.file_data: ",
    ),
}


@pytest.mark.parametrize(("asked", "error"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_message(asked, error):
    with pytest.raises(ConfigurationError, match=error):
        RENDERING.read({"input": asked})


def test_echo(server, vendor):
    items = [
        user({"type": "input_text", "text": "a "}, {"type": "input_text", "text": "b"}),
        {"role": "assistant", "content": "c"},
        user({"type": "input_image", "image_url": OTHER_URL}),
    ]
    assert vendor.responses.create(model="m", input=items).output_text == "a b"


# ---- what the host refuses -------------------------------------------------------------------------------------------

BEARER = {"authorization": "Bearer k"}


def post(server, body, path="/v1/responses", headers=BEARER):
    return requests.post(server.url + path, json=body, headers=headers, timeout=5)


def assert_refused(answer, words, param):
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"].startswith(words)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def asked(*items):
    return {"input": [{"role": "user", "content": "Hi"}, *items]}


# name → (what is changed of the body, the message, the param); None takes a key out
REFUSED = {
    "no model": ({"model": None}, "Missing required parameter: 'model'.", "model"),
    "no input": ({"input": None}, 'One of "input" or "previous_response_id"', "input"),
    "no items": ({"input": []}, 'One of "input" or "previous_response_id"', "input"),
    "input as a number": ({"input": 3}, "Invalid type for 'input': expected one of a string or array", "input"),
    "instructions as a list": ({"instructions": ["x"]}, "Invalid type for 'instructions'", "instructions"),
    "too hot": ({"temperature": 2.5}, "Invalid 'temperature': decimal above maximum value.", "temperature"),
    "too few tokens": (
        {"max_output_tokens": 15},
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead.",
        "max_output_tokens",
    ),
    "stream as a number": ({"stream": 1}, "Invalid type for 'stream': expected a boolean", "stream"),
    "stream_options without a stream": ({"stream_options": {}}, "The 'stream_options' parameter is", "stream_options"),
    "messages": ({"messages": []}, "Unsupported parameter: 'messages'. In the Responses API, this", "messages"),
    "max_tokens": (
        {"max_tokens": 100},
        "Unsupported parameter: 'max_tokens'. In the Responses API, this parameter has moved to 'max_output_tokens'.",
        "max_tokens",
    ),
    "stop": ({"stop": ["x"]}, "Unknown parameter: 'stop'.", "stop"),
    "an item as text": ({"input": ["x"]}, "Invalid type for 'input[0]': expected an object", "input[0]"),
    "a message without a role": (
        {"input": [{"content": "x"}]},
        "Missing required parameter: 'input[0].role'.",
        "input[0].role",
    ),
    "an unknown role": (
        {"input": [{"role": "tool", "content": "x"}]},
        "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
        "input[0].role",
    ),
    "a message without content": (asked({"role": "user"}), "Missing required", "input[1].content"),
    "a part as text": (asked(user("x")), "Invalid type for 'input[1].content[0]'", "input[1].content[0]"),
    "a part of Chat": (asked(user({"type": "text", "text": "x"})), "Invalid value: 'text'.", "input[1].content[0]"),
    "input said by the assistant": (
        asked({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}),
        "Invalid value: 'input_text'. Supported values are: 'output_text', and 'refusal'.",
        "input[1].content[0]",
    ),
    "text as null": (
        asked(user({"type": "input_text", "text": None})),
        "Missing required parameter: 'input[1].content[0].text'.",
        "input[1].content[0].text",
    ),
    "arguments as an object": (
        asked({**CALL, "arguments": {}}),
        "Invalid type for 'input[1].arguments': expected a string, but got an object instead.",
        "input[1].arguments",
    ),
    "a result of nothing": (
        asked(CALL, {**RESULT, "output": None}),
        "Missing required parameter: 'input[2].output'.",
        "input[2].output",
    ),
    "reasoning without a summary": (asked({"type": "reasoning"}), "Missing required", "input[1].summary"),
    "reasoning at the end": (
        asked(REASONING),
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "input",
    ),
    "reasoning before the user": (
        asked(REASONING, user({"type": "input_text", "text": "x"})),
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "input",
    ),
    "reasoning before a result": (
        asked(CALL, REASONING, RESULT),
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "input",
    ),
    "a call without its result": (asked(CALL), "No tool output found for function call c1.", "input"),
    "a result without its call": (
        asked(RESULT),
        "No tool call found for function call output with call_id c1.",
        "input",
    ),
    "a result before its call": (asked(RESULT, CALL), "No tool call found for function call output", "input"),
    "a custom result of a function": (
        asked(CALL, {**RESULT, "type": "custom_tool_call_output"}),
        "No tool call found for custom tool call output with call_id c1.",
        "input",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_as_the_host_does(server, changes, words, param):
    body = {key: value for key, value in {**BODY, **changes}.items() if value is not None}
    assert_refused(post(server, body), words, param)


TAKEN = {
    "an answer of before": {"input": None, "previous_response_id": "resp_1"},
    "a result to an answer of before": {"input": [RESULT], "previous_response_id": "resp_1"},
    "a result to a conversation": {"input": [RESULT], "conversation": "conv_1"},
    "a turn": asked(REASONING, REASONING, CALL, RESULT),
    "items of other types": asked(SEARCH, COMPACTION),
    "nulls": {"temperature": None, "tools": None},
}


@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN.keys())
def test_taken(server, changes):
    assert post(server, {**BODY, **changes}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/input_tokens"])
def test_body_that_is_no_json(server, path):
    answer = requests.post(server.url + path, data=b"{", headers=BEARER, timeout=5)
    assert_refused(answer, "We could not parse the JSON body of your request.", None)


KEYS = {
    "no key": ({}, 401),
    "an empty bearer": ({"authorization": "Bearer "}, 401),
    "an api-key": ({"api-key": "k"}, 200),
}


@pytest.mark.parametrize(("headers", "status"), KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses", "/v1/responses/input_tokens"])
def test_key(server, headers, status, path):
    answer = post(server, BODY, path, headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["message"].startswith("You didn't provide an API key.")


LOST = {"another method": ("GET", "/v1/responses"), "an answer": ("GET", "/v1/responses/resp_1")}


@pytest.mark.parametrize(("method", "path"), LOST.values(), ids=LOST.keys())
def test_not_found(server, method, path):
    answer = requests.request(method, server.url + path, headers=BEARER, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"Invalid URL ({method} {path})"


# ---- errors ----------------------------------------------------------------------------------------------------------

# name → (what is scripted, the vendor's class, status, code)
ERRORS = {
    "bad request": (BadRequestError("no"), "BadRequestError", 400, None),
    "a code": (BadRequestError("no", code="invalid_prompt"), "BadRequestError", 400, "invalid_prompt"),
    "bad key": (AuthenticationError("no"), "AuthenticationError", 401, "invalid_api_key"),
    "permission": (PermissionDeniedError("no"), "PermissionDeniedError", 403, None),
    "not found": (NotFoundError("no"), "NotFoundError", 404, "model_not_found"),
    "rate limit": (RateLimitError("no", retry_after=2), "RateLimitError", 429, "rate_limit_exceeded"),
    "quota": (QuotaExceededError("no"), "RateLimitError", 429, "insufficient_quota"),
    "server error": (ServerError("no"), "InternalServerError", 500, None),
    "overloaded": (OverloadedError("no"), "InternalServerError", 503, "server_is_overloaded"),
}  # fmt: skip


@each_way
@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_errors(server, vendor, ask, case):
    error, name, status, code = case
    server.reply(error)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(vendor)
    assert type(caught.value).__name__ == name
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.body["message"] == "no"
    assert caught.value.request_id == "req_fake_0001"
    assert caught.value.response.headers.get("retry-after") == ("2" if error.retry_after else None)


FAULTS = {
    "overloaded": openai.InternalServerError,
    "rate limited": openai.RateLimitError,
    "bad key": openai.AuthenticationError,
    "no answer": openai.APIConnectionError,
}


@each_way
@pytest.mark.parametrize(("name", "cls"), FAULTS.items(), ids=FAULTS.keys())
def test_faults(server, vendor, ask, name, cls):
    server.fault(name)
    with pytest.raises(cls):
        ask(vendor)


def test_error_event(server, vendor):
    """The vendor's client hands it out as it is."""
    server.fault("error event", after=3)
    with vendor.responses.create(**BODY, stream=True) as stream:
        *_, last = stream
    assert (last.type, last.code, last.message, last.param) == ("error", "server_is_overloaded", "Overloaded", None)


def test_pings_are_events(server):
    name, data = RENDERING.ping.decode().strip().split("\n")
    assert name == "event: keepalive"
    assert json.loads(data.removeprefix("data: "))["type"] == "keepalive"


# ---- what cannot be answered -----------------------------------------------------------------------------------------

WRONG = {
    "a sound": (Audio(SOUND), {}, r"content\[0\]: this wire cannot answer with Audio"),
    "a document": (["x", Document(b"a", media_type="text/plain")], {}, r"content\[1\]: this wire cannot .* Document"),
    "a picture elsewhere": (Image(url=OTHER_URL), {}, r"content\[0\]: .* content of Image, not with a url"),
    "an item of another wire": (Opaque("openai-chat", {"type": "x"}), {}, r"content\[0\]: a part of openai-chat"),
    "an item without a type": (Opaque(WIRE, {}), {}, r"content\[0\]\.data\.type"),
    "arguments that are no JSON": (ToolCall("c", "t", {"a": object()}), {}, r"content\[0\]\.arguments"),
    "a custom call without text": (
        ToolCall("c", "t", {"input": 1}, extra={WIRE: {"type": "custom_tool_call"}}),
        {},
        r"content\[0\]\.arguments: a custom call has one argument",
    ),
    "a source without an address": (Text("a", [Citation("a", document=0)]), {}, r"content\[0\]\.citations\[0\]"),
    "a pause": ("x", {"finish_reason": FinishReason("pause")}, "finish_reason: this wire has no word for 'pause'"),
    "a refusal without words": ("x", {"finish_reason": FinishReason("refusal")}, "finish_reason: .* by a Refusal"),
    "calls without a call": ("x", {"finish_reason": FinishReason("tool_calls")}, "finish_reason: .* by a ToolCall"),
}


@pytest.mark.parametrize(("content", "options", "error"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_answered(content, options, error):
    with pytest.raises(ConfigurationError, match=error):
        RENDERING.check(Reply(content, **options))


def test_reply_for_another_wire(server, vendor):
    server.reply(Opaque("anthropic-messages", {"type": "x"}))
    with pytest.raises(openai.InternalServerError, match=r"cannot be sent on openai-responses: content\[0\]"):
        by_create(vendor)


def test_check_of_what_can_be_sent():
    RENDERING.check(Reply("x"))
    RENDERING.check(Reply(error=OverloadedError("busy")))


def test_an_opaque_item_may_be_what_waits_for_the_client():
    found = whole(Reply(Opaque(WIRE, CLICK), finish_reason=FinishReason("tool_calls")))
    assert (found["status"], found["output"]) == ("completed", [CLICK])


def test_own_names_win():
    reply = Reply(
        Text("x", extra={WIRE: {"id": "msg_1", "phase": "final_answer"}}), id="mine", model="m", usage=Usage(1, 2)
    )
    found = whole(reply, id="i", model="j")
    assert (found["id"], found["model"], found["usage"]["output_tokens"]) == ("mine", "m", 2)
    assert (found["output"][0]["id"], found["output"][0]["phase"]) == ("msg_1", "final_answer")


# ---- llmkit's decoders ----------------------------------------------------------------------------------------------

words = st.text("ab Øß🦊\n\u2028", min_size=1, max_size=12)
values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), words)
citations = st.builds(Citation, url=words.map("https://a.b/{}".format), title=words)
replies = st.builds(
    Reply,
    st.lists(
        st.one_of(
            st.builds(Text, st.one_of(words, st.just("")), st.lists(citations, max_size=2)),
            st.builds(Thinking, words, st.one_of(st.none(), words), wire=st.just(WIRE)),
            st.builds(Thinking, st.just(""), redacted=words, wire=st.just(WIRE)),
            st.builds(ToolCall, words, words, st.dictionaries(words, values, max_size=3)),
            st.builds(Refusal, words),
            st.sampled_from([PICTURE, Opaque(WIRE, SEARCH), Opaque(WIRE, COMPACTION)]),
        ),
        max_size=5,
        unique_by=lambda part: part.id if isinstance(part, ToolCall) else id(part),
    ),
    usage=st.builds(Usage, *[st.integers(0, 99)] * 5),
)


@given(replies, st.sampled_from([by_characters, by_words, unsplit]))
def test_whole_and_events_are_the_same_answer(reply, chunking):
    """And it is what was scripted."""
    spoken = wire(WIRE)
    decoded = spoken.decode(json.loads(json.dumps(whole(reply))), spoken.quirks())
    decoder, collected = spoken.decoder(spoken.quirks()), Accumulator()
    for event in events(reply, chunking=chunking):
        collected.add(decoder.feed(ServerSentEvent(event["type"], json.dumps(event))) or ())
    rest, reason, usage = decoder.close()
    collected.add(rest)
    assert collected.message() == decoded.message == AssistantMessage(reply.content)
    assert reason == decoded.finish_reason
    assert usage == decoded.usage
    assert (decoder.id, decoder.model) == (decoded.id, decoded.model)


told = st.one_of(
    st.builds(Text, words),
    st.sampled_from(
        [PICTURE, Image(url=OTHER_URL), Audio(SOUND), Document(b"a,b", media_type="text/csv", name="a.csv")]
    ),
)


@given(st.lists(told, min_size=1, max_size=3), replies)
def test_what_was_answered_goes_back_equal(asked, reply):
    spoken = wire(WIRE)
    said = spoken.decode(whole(reply), spoken.quirks()).message
    thoughts = [part for part in said.content if isinstance(part, Thinking)]
    assume(said.content and not isinstance(said.content[-1], Thinking))  # the provider takes none that nothing follows,
    assume(all(part.signature or part.redacted for part in thoughts))  # nor such that it cannot read
    results = [call.result("1") for call in said.content if isinstance(call, ToolCall)]
    conversation = [UserMessage(asked), said, *([UserMessage(results)] if results else []), UserMessage("So?")]
    call = spoken.encode(ResolvedRequest("m", tuple(conversation)), spoken.quirks(), _refuse, False)
    body = json.loads(call.body)
    assert fault_of(body) is None
    assert RENDERING.read(body) == conversation


def _refuse(path, why):
    raise AssertionError(path, why)


# ---- llmkit's own client ---------------------------------------------------------------------------------------------

# name → (what is scripted, what comes back, the reason)
DECODED = {
    "text": ("Hello  there,\n\nfriend. ", (Text("Hello  there,\n\nfriend. "),), "stop"),
    "not ASCII": ("Grüße 🦊 \u2028 漢字", (Text("Grüße 🦊 \u2028 漢字"),), "stop"),
    "no parts": ((), (), "stop"),
    "empty text": ("", (Text(""),), "stop"),
    "several texts": (["a b", Text("c")], (Text("a b"), Text("c")), "stop"),
    "thoughts": ([Thinking("Hm hm.", "s"), "Yes."], (Thinking("Hm hm.", "s", wire=WIRE), Text("Yes.")), "stop"),
    "encrypted thoughts": (Thinking("", redacted="x"), (Thinking("", redacted="x", wire=WIRE),), "stop"),
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
    "items as they are": (
        [Opaque(WIRE, SEARCH), "So.", Opaque(WIRE, COMPACTION)],
        (Opaque(WIRE, SEARCH), Text("So."), Opaque(WIRE, COMPACTION)),
        "stop",
    ),
}


@pytest.mark.parametrize(("content", "expected", "reason"), DECODED.values(), ids=DECODED.keys())
@pytest.mark.parametrize("pieces", [None, 7])
@pytest.mark.parametrize("chunking", [by_words, by_characters, unsplit])
def test_streamed_is_whole(server, client, content, expected, reason, pieces, chunking):
    server.pieces, server.chunking = pieces, chunking
    for _ in range(2):
        server.reply(Reply(content, id="resp_1", usage=Usage(50, 7, 20, 5, 3)))
    response, streamed = client.complete("Hi"), client.stream("Hi").collect()
    assert response.message.content == expected
    assert streamed == response
    assert streamed.message.content == expected
    assert [part.extra for part in streamed.message.content if not isinstance(part, Opaque)] == [
        part.extra for part in response.message.content if not isinstance(part, Opaque)
    ]
    assert response.finish_reason == FinishReason(reason, "completed")
    assert response.usage == Usage(50, 7, 20, 5, 3)


# What the provider would refuse back: nothing, and thoughts that nothing follows.
NOT_SENT_BACK = {"no parts", "encrypted thoughts"}


@pytest.mark.parametrize("name", DECODED)
def test_an_answer_goes_back_and_is_read_again(server, client, name):
    server.reply(DECODED[name][0])
    said = client.complete("Hi").message
    results = [call.result("1") for call in said.content if isinstance(call, ToolCall)]
    after = [*([UserMessage(results)] if results else []), UserMessage("So?")]
    client.complete([UserMessage("Hi"), said, *after])
    assert server.requests[-1].messages == [UserMessage("Hi"), *([] if name in NOT_SENT_BACK else [said]), *after]


def test_conversation_comes_back(server, client):
    call, another = ToolCall("call_1", "t", {"a": 1}), ToolCall("call_2", "t")
    told = [
        UserMessage([PICTURE, "What?", Document(b"a,b", media_type="text/csv", name="a.csv"), Image(url=OTHER_URL)]),
        AssistantMessage(["Let me see.", call, another]),
        UserMessage([call.result("2"), another.result([Text("See:"), PICTURE])]),
        AssistantMessage(Refusal("No.")),
        SystemMessage("Be kind."),
        UserMessage([Audio(SOUND), "Why?"]),
    ]
    client.complete(told, system="Be brief.", tools=[Tool("t")])
    assert server.requests[0].messages == [SystemMessage("Be brief."), *told]


def test_arguments_that_are_cut_off(server, client):
    for _ in range(2):
        server.reply(ToolCall("c", "t", raw='{"a": tr'), finish_reason="length")
    for response in (client.complete("Hi"), client.stream("Hi").collect()):
        assert response.tool_calls[0].raw == '{"a": tr'
        assert response.finish_reason == FinishReason("length", "max_output_tokens")


@pytest.mark.parametrize("ask", [lambda client: client.complete("Hi"), lambda client: client.stream("Hi").collect()])
def test_an_answer_that_failed(server, client, ask):
    server.reply("Hi", finish_reason="error")
    with pytest.raises(ServerError, match="The model failed to answer"):
        ask(client)


def test_count_tokens_of_llmkit(server, client):
    assert client.count_tokens("12345678", system="1234") == 3


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
