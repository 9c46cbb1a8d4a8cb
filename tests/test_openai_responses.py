"""The wire `openai-responses`: one table of (typed, JSON) drives encode and decode; then what only one of them has."""

import base64
import json

import pytest
from attrs import evolve

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    ConfigurationError,
    Document,
    FinishReason,
    Image,
    InvalidResponseError,
    Opaque,
    Refusal,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UnsupportedOptionError,
    Usage,
    UserMessage,
    Video,
)
from llmkit.resolve import resolve
from llmkit.wire import wire
from llmkit.wire.quirks import OpenAIResponsesQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "openai-responses"
WIRE = wire(NAME)
QUIRKS = OpenAIResponsesQuirks()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
WAV = b"RIFF\x04\0\0\0WAVEfmt "
PDF = b"%PDF-1.7 ..."
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
LINK = {"url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
URL = {"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
FILE = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 2}
SEARCH_CALL = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}


def refuse(path, why):
    raise UnsupportedOptionError(f"{path}: {why}", path=path)


def encoded(prompt, quirks=QUIRKS, *, stream=False, model="gpt-4.1", **options):
    call = WIRE.encode(resolve(prompt, options, {}, model), quirks, refuse, stream)
    return json.loads(call.body)


def b64(data):
    return base64.b64encode(data).decode()


def message(*content, **fields):
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [*content],
        **fields,
    }


def words(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": [*annotations]}


def answer(output, **fields):
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-x",
        "output": output,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


OF_MESSAGE = {NAME: {"id": "msg_1", "status": "completed"}}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"at": "x"}',
    "status": "completed",
}
OF_CALL = {NAME: {"id": "fc_1", "status": "completed", "arguments": '{"at": "x"}'}}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "sql", "input": 'SELECT "a"\n'}
SUMMARY = [{"type": "summary_text", "text": "**One**\n\nhm"}, {"type": "summary_text", "text": "**Two**"}]
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": SUMMARY, "encrypted_content": "xyz"}
KEPT = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [], "encrypted_content": "xyz"}
WORDS = [{"type": "reasoning_text", "text": "hm"}]
OPEN = {"type": "reasoning", "id": "r-1", "status": "completed", "summary": [], "content": WORDS}
PICTURE = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "output_format": "webp",
    "revised_prompt": "a cat",
    "result": b64(PNG),
}

# What the provider sends and takes back: parts ⇄ item.
ITEMS = {
    "text": ([Text("Hi", extra=OF_MESSAGE)], message(words("Hi"))),
    "commentary": (
        [Text("Hi", extra={NAME: {"id": "msg_1", "status": "completed", "phase": "commentary"}})],
        message(words("Hi"), phase="commentary"),
    ),
    "text in two parts": ([Text("H", extra=OF_MESSAGE), Text("i", extra=OF_MESSAGE)], message(words("H"), words("i"))),
    "text from the web": (
        [Text("Hi", [Citation(url="https://example.com", title="T", raw=URL)], extra=OF_MESSAGE)],
        message(words("Hi", URL)),
    ),
    "text from a file": (
        [Text("Hi", [Citation(title="a.txt", raw=FILE)], extra=OF_MESSAGE)],
        message(words("Hi", FILE)),
    ),
    "refusal behind text": (
        [Text("Hm.", extra=OF_MESSAGE), Refusal("No.", extra=OF_MESSAGE)],
        message(words("Hm."), {"type": "refusal", "refusal": "No."}),
    ),
    "part of tomorrow in a message": (
        [Text("a", extra=OF_MESSAGE), Opaque(NAME, message({"type": "hologram", "x": [1]}))],
        message(words("a"), {"type": "hologram", "x": [1]}),
    ),
    "field of tomorrow in a part": (
        [Text("a", extra={NAME: {"id": "msg_1", "status": "completed", "part": {"tone": {"x": 1}}}})],
        message({**words("a"), "tone": {"x": 1}}),
    ),
    "call": ([ToolCall("call_1", "look", {"at": "x"}, extra=OF_CALL)], CALL),
    "call of a namespace": (
        [ToolCall("call_1", "look", {"at": "x"}, extra={NAME: {**OF_CALL[NAME], "namespace": "n"}})],
        {**CALL, "namespace": "n"},
    ),
    "call without arguments": (
        [ToolCall("call_1", "look", extra={NAME: {"arguments": "{}"}})],
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
    ),
    "call cut off": (
        [ToolCall("call_1", "look", raw='{"at', extra={NAME: {"arguments": '{"at'}})],
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at'},
    ),
    "call of a custom tool": (
        [
            ToolCall(
                "call_2", "sql", {"input": 'SELECT "a"\n'}, extra={NAME: {"type": "custom_tool_call", "id": "ctc_1"}}
            )
        ],
        CUSTOM,
    ),
    "picture": (
        [
            Image(
                PNG,
                media_type="image/png",
                extra={NAME: {key: value for key, value in PICTURE.items() if key != "result"}},
            )
        ],
        PICTURE,
    ),
    "picture that was not made": ([Opaque(NAME, {**PICTURE, "result": None})], {**PICTURE, "result": None}),
    "picture that is none": ([Opaque(NAME, {**PICTURE, "result": "%"})], {**PICTURE, "result": "%"}),
    "search": ([Opaque(NAME, SEARCH_CALL)], SEARCH_CALL),
    "kind of tomorrow": ([Opaque(NAME, {"type": "dream", "id": "d"})], {"type": "dream", "id": "d"}),
}
each_item = pytest.mark.parametrize(("parts", "item"), ITEMS.values(), ids=ITEMS.keys())

# Thoughts go back only before what followed them.
THOUGHTS = {
    "summary": (
        Thinking("**One**\n\nhm\n\n**Two**", "xyz", wire=NAME, extra={NAME: {"id": "rs_1", "summary": SUMMARY}}),
        THOUGHT,
    ),
    "nothing that can be read": (
        Thinking("", redacted="xyz", wire=NAME, extra={NAME: {"id": "rs_1", "summary": [], "content": []}}),
        KEPT,
    ),
    "in their own words": (
        Thinking("hm", wire=NAME, extra={NAME: {"id": "r-1", "status": "completed", "summary": [], "content": WORDS}}),
        OPEN,
    ),
    "of another host": (
        Thinking("", redacted="xyz", wire=NAME, extra={NAME: {"id": "rs_1", "summary": [], "format": "f"}}),
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz", "format": "f"},
    ),
}
each_thought = pytest.mark.parametrize(("part", "item"), THOUGHTS.values(), ids=THOUGHTS.keys())


def spoken(*parts):
    """The items that an answer becomes when it goes back."""
    return encoded([UserMessage("q"), AssistantMessage([*parts]), UserMessage("and?")])["input"][1:-1]


def decoded(*items, **fields):
    return WIRE.decode(answer([*items], **fields), QUIRKS)


@each_item
def test_an_item_is_encoded(parts, item):
    assert spoken(*parts) == [item]


@each_item
def test_an_item_is_decoded(parts, item):
    found = decoded(item).message
    assert found == AssistantMessage(parts)
    assert [getattr(part, "extra", None) for part in found.content] == [getattr(part, "extra", None) for part in parts]


@each_thought
def test_thoughts_are_encoded(part, item):
    assert spoken(part, Text("Hi", extra=OF_MESSAGE)) == [item, message(words("Hi"))]


@each_thought
def test_thoughts_are_decoded(part, item):
    found = decoded(item).message
    assert found == AssistantMessage(part)
    assert found.content[0].extra == part.extra


def test_a_turn_goes_back_as_it_came():
    """Every item in its place: the provider's cache knows the conversation by its letters."""
    items = [THOUGHT, SEARCH_CALL, message(words("a"), words("b")), CALL, CUSTOM, {**CALL, "call_id": "call_3"}]
    body = encoded(
        [
            UserMessage("q"),
            decoded(*items).message,
            UserMessage([ToolResult("call_1", content="1"), ToolResult("call_2"), ToolResult("call_3", content="3")]),
        ]
    )
    assert body["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
        *items,
        {"type": "function_call_output", "call_id": "call_1", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": ""},
        {"type": "function_call_output", "call_id": "call_3", "output": "3"},
    ]


def test_messages_of_two_phases_stay_two():
    """Also where a host gives them no ids."""
    items = [
        {**NAMELESS, "content": [words("a"), words("b")], "phase": "commentary"},
        {**NAMELESS, "content": [words("c")], "phase": "final_answer"},
    ]
    assert spoken(*decoded(*items).message.content) == items


KEPT = {"previous_response_id": "resp_1", "conversation": "conv_1", "conversation by an object": {"id": "conv_1"}}


@pytest.mark.parametrize(("key", "value"), KEPT.items(), ids=KEPT.keys())
def test_a_result_of_a_call_that_the_provider_keeps(key, value):
    result = UserMessage(ToolResult("call_" + "1" * 80, content="4"))
    body = encoded(result, extra_body={key.partition(" ")[0]: value})
    assert body["input"] == [{"type": "function_call_output", "call_id": result.content[0].call_id, "output": "4"}]
    with pytest.raises(ConfigurationError, match="no tool call before it"):
        encoded(result, extra_body={key.partition(" ")[0]: None})


def test_two_messages_stay_two():
    items = [message(words("a")), message(words("b"), id="msg_2")]
    assert spoken(*decoded(*items).message.content) == items


def test_words_of_the_callers_behind_a_message():
    assert spoken(Text("a", extra=OF_MESSAGE), "b", "c") == [
        message(words("a")),
        {"type": "message", "role": "assistant", "content": [words("b"), words("c")]},
    ]


def test_an_item_of_the_callers_in_an_answer():
    item = {"type": "message", "role": "assistant", "content": "hi"}
    assert spoken("a", Opaque(NAME, item))[1:] == [item]


def test_what_the_provider_wants_to_see_again_of_a_result():
    result = ToolResult("call_1", content="1", extra={NAME: {"caller": {"type": "direct"}}})
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("call_1", "look")), UserMessage(result)])
    assert body["input"][-1] == {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": "1",
        "caller": {"type": "direct"},
    }


def test_nulls_and_log_probabilities_do_not_go_back():
    item = message({**words("a"), "logprobs": [{"token": "a", "logprob": 0}]}, phase=None)
    assert spoken(*decoded(item).message.content) == [message(words("a"))]


def test_arguments_that_the_caller_changed():
    call = ToolCall("call_1", "look", {"at": "y"}, extra=OF_CALL)
    assert spoken(call)[0]["arguments"] == '{"at":"y"}'


def test_a_picture_is_what_its_content_is():
    """Whatever form was asked for."""
    assert decoded(PICTURE).message.content[0].media_type == "image/png"
    uri = {**PICTURE, "result": f"data:image/webp;base64,{b64(PNG)}"}
    assert decoded(uri).message.content[0].data == PNG


def test_a_picture_that_says_nothing_is_what_was_asked_for():
    item = {**PICTURE, "result": b64(b"\0\1\2\xff" * 5)}
    assert decoded(item).message.content[0].media_type == "image/webp"
    assert decoded({**item, "output_format": "x y"}).message.content == (
        Opaque(NAME, {**item, "output_format": "x y"}),
    )


def test_messages_of_others_in_an_answer_stay_theirs():
    """As when the provider has compacted a conversation."""
    asked = {**message({"type": "input_text", "text": "q"}, {"type": "input_text", "text": "r"}), "role": "user"}
    said = message(words("a"), id="msg_2")
    assert spoken(*decoded(asked, said).message.content) == [asked, said]


FOREIGN = {
    "part of the caller's": (
        Opaque(NAME, words("a")),
        [{"type": "message", "role": "assistant", "content": [words("a")]}],
    ),
    "text": (Text("a"), [{"type": "message", "role": "assistant", "content": [words("a")]}]),
    "text with a source of another": (
        Text("a", [Citation("q", raw={"type": "char_location"})], extra={"anthropic-messages": {"x": 1}}),
        [{"type": "message", "role": "assistant", "content": [words("a")]}],
    ),
    "text with a link of Chat": (
        Text("a", [Citation(raw={"type": "url_citation", "url_citation": {**LINK, "content": "more"}})]),
        [{"type": "message", "role": "assistant", "content": [words("a", {"type": "url_citation", **LINK})]}],
    ),
    "text with half a link of Chat": (
        Text("a", [Citation(raw={"type": "url_citation", "url_citation": {"url": "https://example.com"}})]),
        [{"type": "message", "role": "assistant", "content": [words("a")]}],
    ),
    "text with a source of Gemini": (
        Text("a", [Citation(raw={"groundingChunk": {"web": {"uri": "u"}}}), Citation(raw={"uri": "u"})]),
        [{"type": "message", "role": "assistant", "content": [words("a")]}],
    ),
    "refusal": (
        Refusal("no"),
        [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    ),
    "call": (
        ToolCall("t1", "look", {"ä": 1}),
        [{"type": "function_call", "call_id": "t1", "name": "look", "arguments": '{"ä":1}'}],
    ),
    "no text": (Text(""), []),
    "thoughts of another": (Thinking("hm", "sig", wire="anthropic-messages"), []),
    "thoughts of nobody": (Thinking("hm", "sig"), []),
}


@pytest.mark.parametrize(("part", "items"), FOREIGN.values(), ids=FOREIGN.keys())
def test_what_another_wire_said(part, items):
    assert spoken(part) == items


LONE = Thinking("hm", wire=NAME, extra={NAME: {"id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}})
NAMELESS = {key: value for key, value in message(words("Hi")).items() if key != "id"}


def test_a_result_of_which_nothing_may_be_sent():
    """It is still the answer to its call: empty, and no list of nothing."""
    call = ToolCall("call_1", "f", {})
    prompt = [UserMessage("q"), AssistantMessage(call), UserMessage(call.result([Opaque("anthropic-messages", {})]))]
    body = json.loads(WIRE.encode(resolve(prompt, {}, {}, "gpt-4.1"), QUIRKS, lambda *_: None, False).body)
    assert body["input"][-1] == {"type": "function_call_output", "call_id": "call_1", "output": ""}


def test_thoughts_that_the_provider_does_not_know_are_left_out():
    """With all ids of the turn: it refuses an item whose thoughts are missing."""
    assert spoken(LONE, Text("Hi", extra=OF_MESSAGE)) == [NAMELESS]
    assert spoken(LONE, decoded(CALL).message.content[0]) == [{key: CALL[key] for key in CALL if key != "id"}]


def test_thoughts_that_the_provider_stores():
    messages = [UserMessage("q"), AssistantMessage([LONE, Text("Hi", extra=OF_MESSAGE)]), UserMessage("r")]
    body = encoded(messages, extra_body={"store": True})
    assert body["store"] is True
    assert body["input"][1:-1] == [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        message(words("Hi")),
    ]


def test_thoughts_that_nothing_follows_are_left_out():
    """As of an answer that was cut off; the provider refuses them."""
    assert spoken(*decoded(THOUGHT).message.content) == []
    assert spoken(*decoded(message(words("Hi")), THOUGHT).message.content) == [message(words("Hi"))]


def test_thoughts_before_words_that_were_replaced():
    """The provider refuses thoughts under their id where what followed them has none."""
    part = THOUGHTS["summary"][0]
    assert spoken(part, "Hi") == [
        {key: value for key, value in THOUGHT.items() if key != "id"},
        {"type": "message", "role": "assistant", "content": [words("Hi")]},
    ]


def test_thoughts_that_the_provider_stores_before_words_that_were_replaced():
    """Without their id it does not know them."""
    messages = [UserMessage("q"), AssistantMessage([LONE, "Hi"]), UserMessage("r")]
    assert encoded(messages, extra_body={"store": True})["input"][1:-1] == [
        {"type": "message", "role": "assistant", "content": [words("Hi")]},
    ]


# What only goes out.
SENT = {
    "picture": (Image(data=PNG), {"type": "input_image", "image_url": f"data:image/png;base64,{b64(PNG)}"}),
    "picture elsewhere": (
        Image(url="https://example.com/a.png", detail="low"),
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
    ),
    "picture on file": (Image(file_id="file_1"), {"type": "input_image", "file_id": "file_1"}),
    "PDF": (
        Document(data=PDF, name="a.pdf"),
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"},
    ),
    "PDF without a name": (
        Document(data=PDF),
        {"type": "input_file", "filename": "document.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"},
    ),
    "letter": (
        Document(data=b"PK\x03\x04", media_type=DOCX),
        {"type": "input_file", "filename": "document.docx", "file_data": f"data:{DOCX};base64,UEsDBA=="},
    ),
    "text": (
        Document(data=b"# a", media_type="text/markdown", cache="1h"),
        {"type": "input_file", "filename": "document.md", "file_data": "data:text/markdown;base64,IyBh"},
    ),
    "PDF elsewhere": (
        Document(url="https://example.com/a.pdf"),
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    ),
    "PDF on file": (
        Document(file_id="file_1", extra={NAME: {}}),
        {"type": "input_file", "file_id": "file_1"},
    ),
    "sound": (Audio(data=WAV), {"type": "input_audio", "input_audio": {"data": b64(WAV), "format": "wav"}}),
    "text, cached": (Text("a", cache="5m"), {"type": "input_text", "text": "a"}),
    "part of the caller's": (
        Opaque(NAME, {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}),
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ),
}


@pytest.mark.parametrize(("part", "found"), SENT.values(), ids=SENT.keys())
def test_a_part_is_sent(part, found):
    assert encoded([UserMessage([part, "?"])])["input"] == [
        {"type": "message", "role": "user", "content": [found, {"type": "input_text", "text": "?"}]}
    ]


def test_what_is_told_about_a_document_stands_before_it():
    body = encoded([UserMessage(Document(url="https://example.com/a.pdf", context="It is old."))])
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "It is old."},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    ]


def test_an_item_of_the_callers():
    """What the client answers to the provider's own tools has no part."""
    approval = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    assert encoded([UserMessage(["a", Opaque(NAME, approval), "b"])])["input"] == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        approval,
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
    ]


RESULTS = {
    "text": ("sunny", "sunny"),
    "texts": ([Text("a"), Text("b")], "ab"),
    "nothing": ([], ""),
    "picture": (
        [Text("see"), Image(url="https://x.example/a")],
        [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "https://x.example/a"}],
    ),
    "document": (
        Document(url="https://x.example/a.pdf"),
        [{"type": "input_file", "file_url": "https://x.example/a.pdf"}],
    ),
}


@pytest.mark.parametrize(("content", "output"), RESULTS.values(), ids=RESULTS.keys())
def test_results_stand_before_words(content, output):
    result = ToolResult("t1", "look", content, is_error=True)
    body = encoded([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(["so?", result])])
    assert body["input"][2:] == [
        {"type": "function_call_output", "call_id": "t1", "output": output},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "so?"}]},
    ]


REFUSED = {
    "film": (Video(url="https://example.com/a.mp4"), "prompt[0].content[0]"),
    "sound of another kind": (Audio(data=b"fLaC" + b"\0" * 40), "prompt[0].content[0]"),
    "sound elsewhere": (Audio(url="https://example.com/a.mp3"), "prompt[0].content[0]"),
    "BMP": (Image(data=b"BM" + b"\0" * 60, media_type="image/bmp"), "prompt[0].content[0]"),
    "file of another": (Image(file_id="x", extra={"gemini-generate": {}}), "prompt[0].content[0].file_id"),
    "document of another": (Document(file_id="x", extra={"gemini-generate": {}}), "prompt[0].content[0].file_id"),
    "block of another": (Opaque("anthropic-messages", {"type": "x"}), "prompt[0].content[0]"),
}


@pytest.mark.parametrize(("part", "path"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_wire_cannot_express(part, path):
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded([UserMessage([part, "a"])])
    assert caught.value.path == path
    left_out = []
    request = resolve([UserMessage([part, "a"])], {}, {}, "gpt-4.1")
    call = WIRE.encode(request, QUIRKS, lambda path, why: left_out.append(path), False)
    assert left_out == [path]
    assert json.loads(call.body)["input"][0]["content"] == [{"type": "input_text", "text": "a"}]


NOT_SAID = {
    "picture": Image(data=PNG),
    "picture that another made": Image(data=PNG, extra={"gemini-generate": {"x": 1}}),
    "sound": Audio(data=WAV),
    "document": Document(data=PDF),
    "block of another": Opaque("openai-chat", {"type": "x"}),
}


@pytest.mark.parametrize("part", NOT_SAID.values(), ids=NOT_SAID.keys())
def test_what_an_answer_cannot_hold(part):
    with pytest.raises(UnsupportedOptionError) as caught:
        spoken("a", part)
    assert caught.value.path == "prompt[1].content[1]"


def test_sound_in_the_answer_to_a_call():
    result = ToolResult("t1", "look", [Text("a"), Audio(data=WAV)])
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(result)])
    assert caught.value.path == "prompt[2].content[0].content[1]"
    request = resolve([UserMessage("q"), AssistantMessage(ToolCall("t1", "look")), UserMessage(result)], {}, {}, "m")
    call = WIRE.encode(request, QUIRKS, lambda path, why: None, False)
    assert json.loads(call.body)["input"][-1]["output"] == "a"  # as if it had never been there


def test_citations_that_are_asked_for():
    prompt = [SystemMessage("s"), UserMessage(Document(url="https://example.com/a.pdf", citations=True))]
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded(prompt)
    assert caught.value.path == "prompt[1].content[0].citations"
    call = WIRE.encode(resolve(prompt, {}, {}, "m"), QUIRKS, lambda path, why: None, False)
    assert json.loads(call.body)["input"][0]["content"] == [
        {"type": "input_file", "file_url": "https://example.com/a.pdf"}
    ]


CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOL = Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}})
TOOL_JSON = {
    "type": "function",
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    "strict": False,
}
SEARCH = {"type": "web_search", "search_context_size": "low"}
GRAMMAR = {"type": "custom", "name": "sql", "format": {"type": "text"}}
SEALED = ["reasoning.encrypted_content"]

OPTIONS = {
    "none": ({}, {}),
    "sampling": (
        {"temperature": 0.5, "top_p": 1, "max_tokens": 10},
        {"temperature": 0.5, "top_p": 1, "max_output_tokens": 10},
    ),
    "zero is a value": ({"temperature": 0}, {"temperature": 0}),
    "system": ({"system": "be brief"}, {"instructions": "be brief"}),
    "system in parts": ({"system": ["a", Text("b", cache="1h")]}, {"instructions": "a\n\nb"}),
    "cache": ({"cache": "5m"}, {}),
    "metadata and tier": (
        {"metadata": {"user_id": "u"}, "service_tier": "flex"},
        {"metadata": {"user_id": "u"}, "service_tier": "flex"},
    ),
    "tools": (
        {"tools": [TOOL, Tool("b", strict=True, cache="5m"), ServerTool(SEARCH, cache="1h")]},
        {
            "tools": [
                TOOL_JSON,
                {"type": "function", "name": "b", "parameters": CLOSED, "strict": True},
                SEARCH,
            ]
        },
    ),
    "tool of no arguments": (
        {"tools": [Tool("b", parameters={})]},
        {
            "tools": [
                {"type": "function", "name": "b", "parameters": {"type": "object", "properties": {}}, "strict": False}
            ]
        },
    ),
    "any tool": ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL_JSON], "tool_choice": "required"}),
    "no tool": ({"tools": [TOOL], "tool_choice": "none"}, {"tools": [TOOL_JSON], "tool_choice": "none"}),
    "one tool": (
        {"tools": [TOOL], "tool_choice": "look"},
        {"tools": [TOOL_JSON], "tool_choice": {"type": "function", "name": "look"}},
    ),
    "one custom tool": (
        {"tools": [TOOL, ServerTool(GRAMMAR)], "tool_choice": "sql"},
        {"tools": [TOOL_JSON, GRAMMAR], "tool_choice": {"type": "custom", "name": "sql"}},
    ),
    "one call at a time": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [TOOL_JSON], "parallel_tool_calls": False},
    ),
    "calls without tools": ({"parallel_tool_calls": False, "tool_choice": "auto"}, {}),
    "log probabilities": (
        {"logprobs": 2},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    ),
    "log probabilities of what was written": (
        {"logprobs": 0},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 0},
    ),
    "reasoning": ({"reasoning": "high"}, {"reasoning": {"effort": "high"}, "include": SEALED}),
    "no reasoning": ({"reasoning": "none"}, {"reasoning": {"effort": "none"}}),
    "extra body": (
        {"reasoning": "low", "extra_body": {"reasoning": {"summary": "auto"}, "include": [], "store": True}},
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": [], "store": True},
    ),
}


@pytest.mark.parametrize(("options", "fields"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options(options, fields):
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    assert encoded("hi", **options) == {"model": "gpt-4.1", "input": [user], "store": False, **fields}


REASONS_OF_ITSELF = {
    "gpt-5": True,
    "gpt-5.6-sol": True,
    "o4-mini": True,
    "codex-mini-latest": True,
    "openai/gpt-5": True,
    "openai/gpt-5-chat": False,
    "gpt-5-chat-latest": False,
    "gpt-4.1": False,
    "my-o3": False,
}


@pytest.mark.parametrize(("model", "reasons"), REASONS_OF_ITSELF.items())
def test_a_model_that_reasons_is_asked_for_its_sealed_thoughts(model, reasons):
    assert encoded("hi", model=model).get("include") == (SEALED if reasons else None)
    assert "include" not in encoded("hi", model=model, reasoning="none")


def test_a_hosts_models_that_reason():
    quirks = OpenAIResponsesQuirks(reasoning_models="grok-")
    assert encoded("hi", quirks, model="grok-9")["include"] == SEALED
    assert "include" not in encoded("hi", quirks, model="gpt-5")


def test_a_budget_of_reasoning():
    with pytest.raises(UnsupportedOptionError) as caught:
        encoded("hi", reasoning=2000)
    assert caught.value.path == "reasoning"
    call = WIRE.encode(resolve("hi", {"reasoning": 2000}, {}, "gpt-5"), QUIRKS, lambda path, why: None, False)
    body = json.loads(call.body)
    assert "reasoning" not in body
    assert body["include"] == SEALED


def test_what_is_out_of_bounds():
    with pytest.raises(ConfigurationError, match="logprobs: expected at most 20"):
        encoded("hi", logprobs=21)
    with pytest.raises(ConfigurationError, match=r"tools\[0\].name"):
        encoded("hi", tools=[Tool("my tool")])


def test_options_that_the_wire_has_no_place_for():
    assert WIRE.refused(QUIRKS) == {"top_k", "stop", "seed", "frequency_penalty", "presence_penalty"}


HOSTED = {
    "of the provider": ("web_search", {"type": "web_search"}),
    "of a server": ("docs", {"type": "mcp", "server_label": "docs"}),
}


@pytest.mark.parametrize(("wanted", "choice"), HOSTED.values(), ids=HOSTED.keys())
def test_a_tool_of_the_providers_is_chosen_by_its_kind(wanted, choice):
    tools = (
        TOOL,
        ServerTool(SEARCH),
        ServerTool({"type": "mcp", "server_label": "docs", "server_url": "https://x.example"}),
    )
    request = evolve(resolve("hi", {}, {}, "gpt-4.1"), tools=tools, tool_choice=wanted)
    assert json.loads(WIRE.encode(request, QUIRKS, refuse, False).body)["tool_choice"] == choice


def test_options_that_a_host_has_although_the_wire_has_not():
    options = {"top_k": 5, "stop": "END", "seed": 0, "frequency_penalty": 0.5, "presence_penalty": 1}
    body = encoded("hi", OpenAIResponsesQuirks(supported=frozenset(options)), **options)
    assert {name: body[name] for name in options} == {**options, "stop": ["END"]}


def test_a_stream_is_asked_for():
    assert encoded("hi", stream=True) == {**encoded("hi"), "stream": True}


def with_schema(schema):
    request = evolve(resolve("hi", {}, {}, "gpt-4.1"), output_schema=schema)
    return json.loads(WIRE.encode(request, QUIRKS, refuse, False).body)["text"]


def test_an_answer_that_fits_a_schema():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert with_schema(schema) == {
        "format": {
            "type": "json_schema",
            "name": "answer",
            "schema": {
                "type": "object",
                "properties": {"a": {"type": ["integer", "null"]}},
                "required": ["a"],
                "additionalProperties": False,
            },
            "strict": True,
        }
    }
    assert schema == {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_a_schema_that_the_strict_dialect_cannot_say():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert with_schema(schema) == {
        "format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": False}
    }


def test_later_instructions_stay_in_their_place():
    messages = [SystemMessage("a"), UserMessage("q"), SystemMessage(["b", "c"]), UserMessage("r")]
    body = encoded(messages, system="first")
    assert body["instructions"] == "first\n\na"
    assert [item["role"] for item in body["input"]] == ["user", "system", "user"]
    assert body["input"][1]["content"] == [{"type": "input_text", "text": "b"}, {"type": "input_text", "text": "c"}]


def test_instructions_that_are_not_all_text():
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    body = encoded([SystemMessage([Opaque(NAME, part), "b"]), UserMessage("q")])
    assert "instructions" not in body
    assert body["input"][0] == {
        "type": "message",
        "role": "system",
        "content": [part, {"type": "input_text", "text": "b"}],
    }


def test_nothing_to_send():
    with pytest.raises(ConfigurationError, match="nothing is left"):
        WIRE.encode(
            resolve([UserMessage(Video(url="https://example.com/a.mp4"))], {}, {}, "m"), QUIRKS, lambda *_: None, False
        )


def test_a_mark_in_a_prompt_is_no_mark():
    text = "base64:00000000000000000000000000000000:0;"
    body = encoded([UserMessage([Image(data=PNG), Text(text), Document(data=PDF)])])
    first, second, third = body["input"][0]["content"]
    assert first["image_url"] == f"data:image/png;base64,{b64(PNG)}"
    assert second["text"] == text
    assert third["file_data"] == f"data:application/pdf;base64,{b64(PDF)}"


def test_the_call():
    request = resolve("hi", {"extra_query": {"api-version": "1"}}, {}, "gpt-4.1")
    call = WIRE.encode(request, QUIRKS, refuse, False)
    assert (call.path, call.method, call.query, call.headers) == ("/responses", "POST", {"api-version": "1"}, {})


def test_count_has_only_what_counts():
    options = {"tools": [TOOL], "system": "s", "temperature": 1, "reasoning": "low", "tool_choice": "look"}
    call = WIRE.encode_count(resolve("hi", options, {}, "gpt-4.1"), QUIRKS, refuse)
    assert call.path == "/responses/input_tokens"
    assert set(json.loads(call.body)) == {"model", "input", "instructions", "tools", "tool_choice", "reasoning"}
    assert WIRE.decode_count({"object": "response.input_tokens", "input_tokens": 7}) == 7
    with pytest.raises(InvalidResponseError):
        WIRE.decode_count({"object": "response.input_tokens"})


USAGE = {
    "plain": ({"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}, Usage(3, 5)),
    "cached": (
        {
            "input_tokens": 120,
            "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 20},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 125,
        },
        Usage(120, 5, 100, 20, 2),
    ),
    "reasoning apart": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 7},
            "total_tokens": 22,
        },
        Usage(10, 12, 0, 0, 7),
    ),
    "nulls": ({"input_tokens": 3, "output_tokens": 5, "input_tokens_details": None}, Usage(3, 5)),
    "absurd": ({"input_tokens": "many", "output_tokens": -1}, Usage()),
    "none": (None, Usage()),
}


@pytest.mark.parametrize(("raw", "expected"), USAGE.values(), ids=USAGE.keys())
def test_usage(raw, expected):
    found = decoded(usage=raw).usage
    assert found == expected
    assert found.raw == raw


def cut(reason):
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


REFUSING = message({"type": "refusal", "refusal": "No."})
SHELL = {"type": "shell_call", "id": "sh_1", "call_id": "s1", "action": {"commands": ["ls"]}}
RAN = {"type": "shell_call_output", "id": "so_1", "call_id": "s1", "output": []}
APPROVAL = {"type": "mcp_approval_request", "id": "mcpr_1", "name": "n", "arguments": "{}", "server_label": "s"}

REASONS = {
    "text": ([message(words("a"))], {}, "stop", "completed"),
    "nothing": ([], {}, "stop", "completed"),
    "call": ([CALL], {}, "tool_calls", "completed"),
    "custom call": ([CUSTOM], {}, "tool_calls", "completed"),
    "call behind text": ([message(words("a")), CALL], {}, "tool_calls", "completed"),
    "computer": ([{"type": "computer_call", "id": "c", "call_id": "c1"}], {}, "tool_calls", "completed"),
    "local shell": ([{"type": "local_shell_call", "id": "c", "call_id": "c1"}], {}, "tool_calls", "completed"),
    "patch": ([{"type": "apply_patch_call", "id": "c", "call_id": "c1"}], {}, "tool_calls", "completed"),
    "shell": ([SHELL], {}, "tool_calls", "completed"),
    "shell of the provider": ([SHELL, RAN, message(words("a"))], {}, "stop", "completed"),
    "approval": ([APPROVAL], {}, "tool_calls", "completed"),
    "search of the provider": ([SEARCH_CALL], {}, "stop", "completed"),
    "search for tools": (
        [{"type": "tool_search_call", "execution": "client", "call_id": "c"}],
        {},
        "tool_calls",
        "completed",
    ),
    "search for tools, by the provider": (
        [{"type": "tool_search_call", "execution": "server", "call_id": None}],
        {},
        "stop",
        "completed",
    ),
    "refusal": ([REFUSING], {}, "refusal", "completed"),
    "length": ([CALL], cut("max_output_tokens"), "length", "max_output_tokens"),
    "filter": ([REFUSING], cut("content_filter"), "content_filter", "content_filter"),
    "cut for a reason of tomorrow": ([], cut("boredom"), "other", "boredom"),
    "cut for no reason": ([], {"status": "incomplete"}, "other", "incomplete"),
    "queued": ([], {"status": "queued"}, "other", "queued"),
    "in progress": ([], {"status": "in_progress"}, "other", "in_progress"),
    "cancelled": ([CALL], {"status": "cancelled"}, "other", "cancelled"),
    "no status": ([message(words("a"))], {"status": None}, "other", None),
}


@pytest.mark.parametrize(("output", "fields", "reason", "raw"), REASONS.values(), ids=REASONS.keys())
def test_finish_reason(output, fields, reason, raw):
    assert decoded(*output, **fields).finish_reason == FinishReason(reason, raw)


def test_an_answer_that_failed():
    body = answer([], status="failed", error={"code": "server_error", "message": "busy"})
    with pytest.raises(ErrorEvent) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.body == body


INSTEAD = {
    "an event's": {"type": "error", "code": "server_is_overloaded", "message": "busy", "param": None},
    "a gateway's": {"detail": "busy"},
}


@pytest.mark.parametrize("body", INSTEAD.values(), ids=INSTEAD.keys())
def test_an_error_instead_of_an_answer(body):
    with pytest.raises(ErrorEvent) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.body == body


def test_the_answer():
    found = decoded(
        message({**words("a"), "logprobs": [{"token": "a"}]}), message({**words("b"), "logprobs": [{"token": "b"}]})
    )
    assert (found.id, found.model, found.usage) == ("resp_1", "gpt-x", Usage(3, 5))
    assert found.logprobs == [{"token": "a"}, {"token": "b"}]
    assert decoded(message({**words("a"), "logprobs": []})).logprobs is None
    assert decoded(id=None, model=None).id == ""


NOT_ANSWERS = {
    "null": (None, "$"),
    "list": ([], "$"),
    "no output": ({"id": "x"}, "$.output"),
    "output that is text": (answer("hi"), "$.output"),
    "item that is text": (answer(["hi"]), "$.output[0]"),
    "item without a kind": (answer([{"id": "x"}]), "$.output[0].type"),
    "content that is text": (answer([message() | {"content": "a"}]), "$.output[0].content"),
    "part that is text": (answer([message("a")]), "$.output[0].content[0]"),
    "text that is none": (answer([message({"type": "output_text"})]), "$.output[0].content[0].text"),
    "refusal that is none": (answer([message({"type": "refusal"})]), "$.output[0].content[0].refusal"),
    "annotation that is none": (answer([message(words("a", "x"))]), "$.output[0].content[0].annotations[0]"),
    "call without id": (answer([{"type": "function_call", "name": "x"}]), "$.output[0].call_id"),
    "call without name": (answer([{"type": "function_call", "call_id": "x"}]), "$.output[0].name"),
    "custom call without text": (answer([CALL, {**CUSTOM, "input": None}]), "$.output[1].input"),
    "summary that is text": (answer([{**THOUGHT, "summary": "x"}]), "$.output[0].summary"),
}


@pytest.mark.parametrize(("body", "path"), NOT_ANSWERS.values(), ids=NOT_ANSWERS.keys())
def test_what_is_no_answer(body, path):
    with pytest.raises(InvalidResponseError) as caught:
        WIRE.decode(body, QUIRKS)
    assert caught.value.path == path


ARGUMENTS = {
    "empty": ("", {}, None),
    "null": (None, {}, None),
    "an object": ({"a": 1}, {"a": 1}, None),
    "cut off": ('{"a', {}, '{"a'),
    "a list": ("[1]", {}, "[1]"),
    "a number": (7, {}, "7"),
}


@pytest.mark.parametrize(("written", "arguments", "raw"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(written, arguments, raw):
    (call,) = decoded({**CALL, "arguments": written}).message.content
    assert (call.arguments, call.raw) == (arguments, raw)


def test_a_call_of_a_host_without_ids_of_calls():
    assert decoded({**CALL, "call_id": None}).message.content[0].id == "fc_1"
