"""Payloads of the Responses API as requests, and the same payloads of these: `Request.from_wire` and the way back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from conformance import recordings
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import mutated
from strategies_openai_responses import conversations, options
from test_payload_properties import changed, places
from test_properties import EXAMPLES, attempt

from llmkit import (
    AssistantMessage,
    Audio,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Refusal,
    Request,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.messages import Citation
from llmkit.resolve import resolve
from llmkit.wire.openai_responses import WIRE

NAME = "openai-responses"
QUIRKS = WIRE.quirks()
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
PDF_URI = "data:application/pdf;base64,JVBERi0xLjQK"
WAV = "UklGRiQAAABXQVZFZm10IA=="


def from_wire(body: Any) -> Request:
    return Request.from_wire(NAME, body)


def refuse(path: str, why: str) -> None:
    raise AssertionError(f"{path}: {why}")


def encoded(request: Request, model: str | None = None) -> dict[str, Any]:
    call = WIRE.encode(resolve(request, {}, {}, model), QUIRKS, refuse, False)
    assert call.body is not None
    body: dict[str, Any] = json.loads(call.body)
    return body


def message(role: str, *content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content), **fields}


def told(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "input_text", "text": words, **fields}


def said(words: str, *annotations: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": words, "annotations": list(annotations), **fields}


def call(id_: str = "c1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id_, "name": "look", "arguments": '{"a": 1}', **fields}


def result(output: Any, id_: str = "c1", **fields: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id_, "output": output, **fields}


PAGE = {"type": "url_citation", "url": "https://a.b/", "title": "A", "start_index": 0, "end_index": 1}
LATEST = {"type": "of_tomorrow", "text": "A"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}],
          "encrypted_content": "s=="}  # fmt: skip
WORDS = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
CUSTOM = {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "print 1"}
RUN = {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
FOUND = {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {}, "status": "completed"}
TOOLS = {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": [], "status": "completed"}
CLICK = {"type": "computer_call", "id": "cc_1", "call_id": "c1", "status": "completed", "action": {"type": "wait"}}
SCREEN = {"type": "computer_call_output", "call_id": "c1", "output": {"type": "computer_screenshot", "file_id": "f"}}
MADE = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG_URI.partition(",")[2]}
CALL = ToolCall("c1", "look", {"a": 1})

# name → (items of a payload, what they are); written again they are the very same
SAME = {
    "words": (
        [message("user", told("U")), message("assistant", said("A")), message("user", told("V"))],
        [UserMessage("U"), AssistantMessage("A"), UserMessage("V")],
    ),
    "instructions amid a conversation": (
        [message("user", told("U")), message("system", told("S"), told("T"))],
        [UserMessage("U"), SystemMessage(["S", "T"])],
    ),
    "pictures": (
        [
            message(
                "user",
                {"type": "input_image", "image_url": PNG_URI, "detail": "low"},
                {"type": "input_image", "image_url": "https://a.b/c.png"},
                {"type": "input_image", "file_id": "file-1", "detail": "auto"},
            )
        ],
        [
            UserMessage(
                [Image(PNG, detail="low"), Image(url="https://a.b/c.png"), Image(file_id="file-1", detail="auto")]
            )
        ],
    ),
    "files and sounds": (
        [
            message(
                "user",
                {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URI},
                {"type": "input_file", "file_data": PDF_URI},
                {"type": "input_file", "filename": "a.png", "file_data": PNG_URI},
                {"type": "input_file", "file_url": "https://a.b/c.pdf"},
                {"type": "input_file", "file_id": "file-1"},
                {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
            )
        ],
        [
            UserMessage(
                [
                    Document(b"%PDF-1.4\n", name="a.pdf"),
                    Document(b"%PDF-1.4\n"),
                    Image(PNG, name="a.png"),
                    Document(url="https://a.b/c.pdf", media_type="application/pdf"),
                    Document(file_id="file-1"),
                    Audio(b"RIFF\x24\x00\x00\x00WAVEfmt "),
                ]
            )
        ],
    ),
    "marks for the cache, and what else a part has": (
        [
            message(
                "user",
                told("a", prompt_cache_breakpoint={"mode": "explicit"}),
                {"type": "input_image", "image_url": "https://a.b/c.png", "prompt_cache_breakpoint": {"mode": "x"}},
                {"type": "input_file", "file_id": "file-1", "detail": "high"},
            )
        ],
        [UserMessage(["a", Image(url="https://a.b/c.png"), Document(file_id="file-1")])],
    ),
    "what a message has beside": (
        [message("user", told("a"), told("b"), id="msg_1", status="completed"), message("user", told("c"))],
        [UserMessage(["a", "b"]), UserMessage("c")],
    ),
    "instructions with something beside": (
        [message("system", told("S"), id="msg_1"), message("user", told("U"))],
        [SystemMessage("S"), UserMessage("U")],
    ),
    "parts that are not modelled": (
        [
            message("user", LATEST, {"type": "input_file", "file_id": "f", "filename": "a.pdf"}, said("not mine")),
            message("user", {"type": "input_image", "file_id": "f", "image_url": PNG_URI}),
            message("user", {"type": "input_file", "file_id": "f", "file_data": PDF_URI}),
        ],
        None,
    ),
    "content that is not what its type says": (
        [
            message(
                "user",
                {"type": "input_image", "image_url": PDF_URI},
                {"type": "input_file", "filename": "a.wav", "file_data": f"data:audio/wav;base64,{WAV}"},
                {"type": "input_audio", "input_audio": {"data": "JVBERi0xLjQK", "format": "wav"}},
                {"type": "input_audio", "input_audio": {"data": WAV, "format": "flac"}},
            )
        ],
        None,
    ),
    "a turn of the model": (
        [
            SEALED,
            message("assistant", said("See.", PAGE), {"type": "refusal", "refusal": "No."}, id="msg_1", phase="final"),
            call(id="fc_1", status="completed"),
            result("cold"),
            message("user", told("So?")),
        ],
        [
            AssistantMessage(
                [
                    Thinking("Hm.", "s==", wire=NAME),
                    Text("See.", [Citation(url="https://a.b/", title="A")]),
                    Refusal("No."),
                    CALL,
                ]
            ),
            UserMessage(ToolResult("c1", "look", "cold")),
            UserMessage("So?"),
        ],
    ),
    "thoughts in words": (
        [WORDS, message("assistant", said("A"))],
        [AssistantMessage([Thinking("Hm.", wire=NAME), "A"])],
    ),
    "what the model said twice": (
        [message("assistant", said("A")), message("assistant", said("B"))],
        [AssistantMessage("A"), AssistantMessage("B")],
    ),
    "messages of one answer": (
        [message("assistant", said("A"), id="msg_1"), message("assistant", said("B"), id="msg_2")],
        [AssistantMessage(["A", "B"])],
    ),
    "what an answer has beside": (
        [message("assistant", said("A", {"type": "of_tomorrow"}, logprobs=[{"token": "A"}], x=1), LATEST, id="msg_1")],
        [
            AssistantMessage(
                [
                    Text("A", [Citation()]),
                    Opaque(NAME, message("assistant", LATEST, id="msg_1")),
                ]
            )
        ],
    ),
    "arguments that are no object": (
        [call(arguments='{"a": tr'), result("?")],
        [AssistantMessage(ToolCall("c1", "look", {}, '{"a": tr')), UserMessage(ToolResult("c1", "look", "?"))],
    ),
    "results in a row": (
        [
            call(),
            call("c2"),
            result([told("a"), {"type": "input_image", "image_url": PNG_URI}], id="fco_1"),
            result("b", "c2"),
        ],
        [
            AssistantMessage([CALL, ToolCall("c2", "look", {"a": 1})]),
            UserMessage([ToolResult("c1", "look", ["a", Image(PNG)]), ToolResult("c2", "look", "b")]),
        ],
    ),
    "a custom call": (
        [CUSTOM, RUN],
        [AssistantMessage(ToolCall("c1", "run", {"input": "print 1"})), UserMessage(ToolResult("c1", "run", "1"))],
    ),
    "items that are not modelled": (
        [SEARCH, CLICK, SCREEN, {"type": "item_reference", "id": "msg_9"}, {"id": "msg_8"}],
        [
            AssistantMessage([Opaque(NAME, SEARCH), Opaque(NAME, CLICK)]),
            UserMessage(
                [
                    Opaque(NAME, SCREEN),
                    Opaque(NAME, {"type": "item_reference", "id": "msg_9"}),
                    Opaque(NAME, {"id": "msg_8"}),
                ]
            ),
        ],
    ),
    "answers to calls that are not modelled": (
        [FOUND, TOOLS, result("late")],
        [
            AssistantMessage(Opaque(NAME, FOUND)),
            UserMessage(Opaque(NAME, TOOLS)),
            UserMessage(ToolResult("c1", "", "late")),
        ],
    ),
    "a picture that was made": ([MADE], [AssistantMessage(Image(PNG))]),
}  # fmt: skip

QUESTION = message("user", told("And now?"))


def with_a_question(items: list[dict[str, Any]]) -> dict[str, Any]:
    """A payload that may be sent: with a question at its end."""
    return {"model": "m", "input": [*items, QUESTION], "store": False}


@pytest.mark.parametrize(("items", "expected"), SAME.values(), ids=SAME.keys())
def test_items_are_read_and_written_the_same(items, expected):
    body = with_a_question(items)
    request = from_wire(json.dumps(body))
    if expected is not None:
        assert request.prompt == (*expected, UserMessage("And now?"))
    assert request.options == {"model": "m"}
    assert encoded(request) == body
    assert from_wire(encoded(request)) == request


def test_the_answer_to_a_call_that_the_provider_keeps():
    """Of which kind it is, it says itself."""
    body = {"model": "m", "input": [RUN], "previous_response_id": "resp_1", "store": False}
    assert from_wire(body).prompt == (UserMessage(ToolResult("c1", "", "1")),)
    assert encoded(from_wire(body)) == body


# why → (items, the same as they are written)
CHANGED = {
    "a message says that it is one, and its text is a part": (
        [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}],
        [message("user", told("U")), message("assistant", said("A"))],
    ),
    "the provider takes the one word for the other": (
        [message("user", told("U")), message("developer", told("S"))],
        [message("user", told("U")), message("system", told("S"))],
    ),
    "null says nothing": (
        [message("assistant", said("A", logprobs=None), id=None, status=None), call(status=None), result("x", id=None)],
        [message("assistant", said("A")), call(), result("x")],
    ),
    "no annotations are none": (
        [message("assistant", {"type": "output_text", "text": "A"})],
        [message("assistant", said("A"))],
    ),
    "what is blank says nothing": (
        [message("user", told("")), message("user", told("U"))],
        [message("user", told("U"))],
    ),
    "texts of a result are one": ([call(), result([told("a"), told("b")])], [call(), result("ab")]),
    "no arguments are an empty object": ([call(arguments=""), result("x")], [call(arguments="{}"), result("x")]),
    "base64 alone is sent as a data URI": (
        [message("user", {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URI.partition(",")[2]})],
        [message("user", {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URI})],
    ),
    "thoughts that nothing follows are refused": ([SEALED], []),
    "thoughts that the provider would know by their id alone are not stored": (
        [{"type": "reasoning", "id": "rs_1", "summary": []}, message("assistant", said("A"))],
        [message("assistant", said("A"))],
    ),
    "items are known by their ids where those beside them are": (
        [SEALED, message("assistant", said("A"))],
        [{key: value for key, value in SEALED.items() if key != "id"}, message("assistant", said("A"))],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "written"), CHANGED.values(), ids=CHANGED.keys())
def test_what_means_the_same_is_written_in_one_way(given, written):
    assert encoded(from_wire(with_a_question(given))) == with_a_question(written)
    again = from_wire(with_a_question(written))
    assert from_wire(encoded(again)) == again


# ---- options ---------------------------------------------------------------------------------------------------------

ASK = {"input": [QUESTION], "store": False}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": SCHEMA, "strict": False}
STRICT = {"type": "function", "name": "look", "parameters": SCHEMA, "strict": True}
UNSAID = {"type": "function", "name": "see", "parameters": SCHEMA}
LATER = {**LOOK, "name": "later", "defer_loading": True}
FREE = {"type": "custom", "name": "run"}
SEARCHES = {"type": "web_search"}
REMOTE = {"type": "mcp", "server_label": "s", "server_url": "https://a.b/"}
TOOL = Tool("look", "Looks.", SCHEMA, strict=False)
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": []}
SEAL = ["reasoning.encrypted_content"]

# name → (a payload without its input, its options); written again it is the very same
OPTIONS = {
    "plain ones": (
        {
            "model": "m", "instructions": "S", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 9,
            "metadata": {"a": "b"}, "service_tier": "flex",
        },
        {
            "model": "m", "system": "S", "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "metadata": {"a": "b"},
            "service_tier": "flex",
        },
    ),
    "what is stored": ({"model": "m", "store": True}, {"model": "m", "extra_body": {"store": True}}),
    "reasoning": (
        {"model": "m", "reasoning": {"effort": "low", "summary": "auto"}, "include": SEAL},
        {"model": "m", "reasoning": "low", "extra_body": {"reasoning": {"summary": "auto"}}},
    ),
    "no more reasoning than that": (
        {"model": "m", "reasoning": {"effort": "none"}},
        {"model": "m", "reasoning": "none"},
    ),
    "reasoning without a level": (
        {"model": "m", "reasoning": {"summary": "auto"}},
        {"model": "m", "extra_body": {"reasoning": {"summary": "auto"}}},
    ),
    "a model that reasons": ({"model": "o4-mini", "include": SEAL}, {"model": "o4-mini"}),
    "a model that reasons and is not asked for it": (
        {"model": "o4-mini", "include": []},
        {"model": "o4-mini", "extra_body": {"include": []}},
    ),
    "more than llmkit asks for": (
        {"model": "m", "include": ["code_interpreter_call.outputs"]},
        {"model": "m", "extra_body": {"include": ["code_interpreter_call.outputs"]}},
    ),
    "a model that is chosen later": (
        {"include": SEAL, "reasoning": {"effort": "low"}},
        {"reasoning": "low", "extra_body": {"include": SEAL}},
    ),
    "probabilities": (
        {"model": "m", "top_logprobs": 3, "include": ["message.output_text.logprobs"]},
        {"model": "m", "logprobs": 3},
    ),
    "tools": (
        {"model": "m", "tools": [LOOK], "tool_choice": "required", "parallel_tool_calls": False},
        {"model": "m", "tools": (TOOL,), "tool_choice": "required", "parallel_tool_calls": False},
    ),
    "a strict tool": (
        {"model": "m", "tools": [STRICT], "tool_choice": {"type": "function", "name": "look"}},
        {"model": "m", "tools": (Tool("look", "", SCHEMA, strict=True),), "tool_choice": "look"},
    ),
    "tools with more, or less, than a tool has": (
        {"model": "m", "tools": [UNSAID, LATER, FREE, SEARCHES, REMOTE], "tool_choice": {"type": "web_search"}},
        {
            "model": "m",
            "tools": tuple(map(ServerTool, (UNSAID, LATER, FREE, SEARCHES, REMOTE))),
            "tool_choice": "web_search",
        },
    ),
    "a choice that is no option": (
        {"model": "m", "tools": [LOOK], "tool_choice": ALLOWED},
        {"model": "m", "tools": (TOOL,), "extra_body": {"tool_choice": ALLOWED}},
    ),
    "no tools": (
        {"model": "m", "tools": [], "tool_choice": "none", "parallel_tool_calls": True},
        {"model": "m", "extra_body": {"tools": [], "tool_choice": "none", "parallel_tool_calls": True}},
    ),
    "what there is no option for": (
        {"model": "m", "text": {"format": {"type": "json_object"}}, "truncation": "auto", "user": "u", "top_k": 3,
         "previous_response_id": None, "background": False, "temperature": None, "reasoning": None, "metadata": {}},
        {"model": "m",
         "extra_body": {"text": {"format": {"type": "json_object"}}, "truncation": "auto", "user": "u", "top_k": 3,
                        "previous_response_id": None, "background": False, "temperature": None, "reasoning": None,
                        "metadata": {}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), OPTIONS.values(), ids=OPTIONS.keys())
def test_fields_are_read_and_written_the_same(fields, expected):
    request = from_wire({**ASK, **fields})
    assert request.options == expected
    assert request.prompt == (UserMessage("And now?"),)
    assert encoded(request, "gpt-5.6-terra") == {"model": "gpt-5.6-terra", **ASK, **fields}


# why → (a payload, the same as it is written)
WRITTEN = {
    "the method says whether it is streamed": ({**ASK, "stream": True}, ASK),
    "text is the user's": ({"input": "And now?", "store": False}, ASK),
    "what is not said is stored": ({"input": [QUESTION]}, {**ASK, "store": True}),
    "leading instructions are one with the others": (
        {**ASK, "instructions": "S", "input": [{"role": "developer", "content": "T"}, QUESTION]},
        {**ASK, "instructions": "S\n\nT"},
    ),
    "instructions that say nothing": (
        {**ASK, "instructions": "", "input": [message("system", told("T")), QUESTION]},
        {**ASK, "instructions": "T"},
    ),
    "instructions that are null": (
        {**ASK, "instructions": None, "input": [message("system", told("T")), QUESTION]},
        {**ASK, "instructions": "T"},
    ),
    "a description that says nothing": (
        {**ASK, "tools": [{**STRICT, "description": ""}]},
        {**ASK, "tools": [STRICT]},
    ),
    "no parameters are an object without properties": (
        {**ASK, "tools": [{"type": "function", "name": "look", "parameters": None, "strict": False}]},
        {**ASK, "tools": [{"type": "function", "name": "look", "strict": False,
                           "parameters": {"type": "object", "properties": {}}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "written"), WRITTEN.values(), ids=WRITTEN.keys())
def test_bodies_that_mean_the_same_are_written_in_one_way(body, written):
    assert encoded(from_wire({"model": "m", **body})) == {"model": "m", **written}


def test_a_prompt_that_the_provider_keeps_is_read():
    request = from_wire({"prompt": {"id": "pmpt_1"}, "store": False})
    assert request == Request((), extra_body={"prompt": {"id": "pmpt_1"}, "include": []})
    assert from_wire({"prompt": {"id": "pmpt_1"}, "input": [], "store": False}) == request


# ---- what is none ----------------------------------------------------------------------------------------------------

WRONG = {
    "text": ("[]", r"body: expected dict, got list"),
    "input as a number": ({"input": 3}, r"body\.input: expected list, got int"),
    "an item as text": ({"input": ["x"]}, r"body\.input\[0\]: expected dict, got str"),
    "a type as a number": ({"input": [{"type": 3}]}, r"body\.input\[0\]\.type: expected str"),
    "an unknown role": ({"input": [message("tool", told("x"))]}, r"body\.input\[0\]\.role: unknown role 'tool'"),
    "no content": ({"input": [{"role": "user"}]}, r"body\.input\[0\]\.content: is missing"),
    "no content of the model's": ({"input": [{"role": "assistant"}]}, r"body\.input\[0\]\.content: is missing"),
    "a part without a type": ({"input": [message("user", {})]}, r"body\.input\[0\]\.content\[0\]\.type: is missing"),
    "text as a number": ({"input": [message("user", told(3))]}, r"body\.input\[0\]\.content\[0\]\.text: expected str"),
    "the model's text as a number": (
        {"input": [message("assistant", said(3))]},
        r"body\.input\[0\]\.content\[0\]\.text: expected a string, got int",
    ),
    "a payload of Chat Completions": ({"model": "m", "messages": []}, r"body\.input: is missing"),
    "a source as a number": (
        {"input": [message("assistant", said("x", 3))]},
        r"body\.input\[0\]\.content\[0\]\.annotations\[0\]: expected an object",
    ),
    "a call without a name": (
        {"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]},
        r"body\.input\[0\]\.name: expected a string, got nothing",
    ),
    "a result without an id": (
        {"input": [{"type": "function_call_output", "output": "x"}]},
        r"body\.input\[0\]\.call_id: is missing",
    ),
    "a picture that is none": (
        {"input": [message("user", {"type": "input_image", "image_url": "data:image/png;base64,e"})]},
        r"body\.input\[0\]\.content\[0\]\.image_url: ",
    ),
    "a file of nothing": (
        {"input": [message("user", {"type": "input_file"})]},
        r"body\.input\[0\]\.content\[0\]\.file_data: is missing",
    ),
    "instructions as a list": ({**ASK, "instructions": []}, r"body\.instructions: expected str"),
    "a number as text": ({**ASK, "temperature": "hot"}, r"body\.temperature: expected a number"),
    "reasoning as text": ({**ASK, "reasoning": "low"}, r"body\.reasoning: expected dict"),
    "effort as a number": ({**ASK, "reasoning": {"effort": 3}}, r"body\.reasoning\.effort: expected text"),
    "tools as an object": ({**ASK, "tools": {}}, r"body\.tools: expected list"),
    "a tool without a name": ({**ASK, "tools": [{"type": "function"}]}, r"body\.tools\[0\]\.name: is missing"),
    "stored as text": ({**ASK, "store": "no"}, r"body\.store: expected bool"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "error"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_request(body, error):
    with pytest.raises(ConfigurationError, match=f"^{error}"):
        from_wire(body)


MARKED = ("x", "beside", "fields", "part", "type", "text", "role", "format")


@pytest.mark.parametrize("items", [items for items, _ in SAME.values()], ids=SAME.keys())
def test_nothing_is_lost_without_a_word(items):
    """Whatever else stands anywhere is written again, or refused with its path."""
    body = with_a_question(items)
    for number, place in enumerate(places(body)):
        key = MARKED[number % len(MARKED)]
        request, error = attempt(from_wire, changed(body, place, key, "MARK"))
        if request is None:
            assert str(error).startswith("body.")
            continue
        written, error = attempt(encoded, request)
        if written is None:
            assert "no tool call before it" in str(error) or "no user message" in str(error), (place, key)
        else:
            assert "MARK" in json.dumps(written) or place[-1] == "id", (place, key)  # which may have to be left out


# ---- whatever there is -----------------------------------------------------------------------------------------------


@settings(max_examples=EXAMPLES // 2)
@given(conversations(), options())
def test_what_llmkit_writes_is_read_and_written_the_same(messages, chosen):
    call = WIRE.encode(resolve(messages, chosen, {}, "m"), QUIRKS, lambda *_: None, False)
    request, body = from_wire(call.body), json.loads(call.body or b"")
    instructions, rest = leading(body["input"], body.get("instructions"))
    expected = {**body, "input": rest, **({"instructions": instructions} if instructions else {})}
    assert encoded(request) == expected
    again = from_wire(encoded(request))
    assert from_wire(encoded(again)) == again


def leading(items: Sequence[dict[str, Any]], before: str | None) -> tuple[str, list[dict[str, Any]]]:
    """The instructions with which a conversation begins, and what follows them."""
    found, rest = [before] if before else [], list(items)
    while rest and rest[0].get("role") == "system" and not set(rest[0]) - {"type", "role", "content"}:
        found += [part["text"] for part in rest.pop(0)["content"]]
    return "\n\n".join(found), rest


@settings(max_examples=EXAMPLES // 2)
@given(conversations(), options(), st.data())
def test_a_spoilt_payload_is_a_request_or_an_error_with_its_path(messages, chosen, data):
    call = WIRE.encode(resolve(messages, chosen, {}, "m"), QUIRKS, lambda *_: None, False)
    body = data.draw(mutated(json.loads(call.body or b"")))
    request, error = attempt(from_wire, body)
    if request is None:
        assert isinstance(error, ConfigurationError)
        assert str(error).startswith("body")


# ---- recordings ------------------------------------------------------------------------------------------------------

# In which nothing is said, by the beginnings of their ids: two ask for a prompt that the provider keeps, two say "".
SILENT = ("62b4dffe74", "7bf419ed8c", "8be83eb28d", "ae0b2381e1")


def test_recorded_requests_are_written_as_they_were():
    """All that clients sent, but for the ways in which the same is written in one way."""
    found = [recording for recording in recordings.load(NAME) if recording.sent is not None]
    assert not recordings.FOLDER.is_dir() or len(found) > 400
    for recording in found:
        request = from_wire(recording.sent)
        if recording.id.startswith(SILENT):
            with pytest.raises(ConfigurationError, match="it is empty"):
                encoded(request, "m")
            continue
        assert _including(encoded(request, "m")) == _including(in_one_way(recording.sent)), recording.id


def _including(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` without a list of nothing to include: where llmkit asks for something by itself, it is told not to."""
    return {key: value for key, value in body.items() if (key, value) != ("include", [])}


def in_one_way(body: Mapping[str, Any]) -> dict[str, Any]:
    """As `CHANGED` and `WRITTEN` say."""
    found = {"model": "m", "store": True, **{key: value for key, value in body.items() if key != "stream"}}
    items = found["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    instructions, rest = leading([_item(item) for item in items], found.pop("instructions", None))
    found["input"] = [*_consistent(rest, stored=found["store"])]
    if instructions:
        found["instructions"] = instructions
    if "tools" in found:
        found["tools"] = [_tool(tool) for tool in found["tools"]]
    return found


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says nothing, of a tool that llmkit writes; whatever else there is stays as it is."""
    is_plain = tool["type"] == "function" and tool.get("strict") is not None and "defer_loading" not in tool
    return {key: value for key, value in tool.items() if not (is_plain and value in (None, ""))}


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    found = {"type": "message", **{key: value for key, value in item.items() if value is not None}}
    if found["type"] == "message":
        found["role"] = {"developer": "system"}.get(found["role"], found["role"])
        found["content"] = [*_content(found["content"], found["role"])]
        if found.keys() == {"type", "role", "content"}:
            found["content"] = [part for part in found["content"] if part.get("text") != ""]
    return dict(item) if found["type"] not in (*MODELLED, "function_call_output") else found


MODELLED = ("message", "reasoning", "function_call")


def _content(content: Any, role: str) -> Iterator[dict[str, Any]]:
    kind = "output_text" if role == "assistant" else "input_text"
    for part in [{"type": kind, "text": content}] if isinstance(content, str) else content:
        if part["type"] == "output_text":
            yield {"annotations": [], **{key: value for key, value in part.items() if (key, value) != ("logprobs", [])}}
        else:
            yield part


def _consistent(items: Sequence[dict[str, Any]], *, stored: bool) -> Iterator[dict[str, Any]]:
    """What may be sent again of each turn of the model's: see `CHANGED`."""
    for is_said, run in _runs(items):
        kept = [item for item in run if not _is_forgotten(item, stored=stored)]
        thought = len(kept) < len(run) or any(item["type"] == "reasoning" for item in kept)
        whole = len(kept) == len(run) and all(item.get("id") for item in kept if item["type"] in MODELLED)
        for item in kept:
            bare = is_said and thought and not whole and item["type"] in MODELLED
            yield {key: value for key, value in item.items() if not (bare and key == "id")}


def _runs(items: Sequence[dict[str, Any]]) -> Iterator[tuple[bool, list[dict[str, Any]]]]:
    """The items of a turn of the model's together."""
    runs: list[tuple[bool, list[dict[str, Any]]]] = []
    for item in items:
        is_told = item.get("role", "assistant") != "assistant" or item["type"].endswith("_output")
        if not runs or runs[-1][0] is is_told:
            runs.append((not is_told, []))
        runs[-1][1].append(item)
    yield from runs


def _is_forgotten(item: Mapping[str, Any], *, stored: bool) -> bool:
    if item["type"] == "message":
        return not item["content"]
    known = item.get("encrypted_content") or item.get("content") or (stored and item.get("id"))
    return item["type"] == "reasoning" and not known
