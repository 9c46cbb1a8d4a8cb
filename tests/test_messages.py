"""`llmkit.messages`, `response` and `events` alone: values, and what a message may hold."""

import copy
import pickle
from datetime import date
from decimal import Decimal

import pytest
from attrs import field, frozen

from llmkit import (
    AssistantMessage,
    Citation,
    ConfigurationError,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Response,
    ServerTool,
    SystemMessage,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    UserMessage,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
CALL = ToolCall("c1", "look", {"at": ["x"]}, extra={"w": {"caller": {}}})
RESPONSE = Response(
    "id",
    "m",
    "p",
    AssistantMessage([Thinking("hm", "sig", wire="w"), "a", CALL, Text("b", [Citation("q")]), Thinking("so")]),
    FinishReason("tool_calls", "tool_use"),
    Usage(1, 2, raw={"a": 1}),
    headers={"a": "b"},
    raw={"id": "id"},
)
VALUES = [
    Text("a", cache="5m"),
    Image(data=PNG),
    Thinking("a", redacted="x", wire="w"),
    CALL,
    ToolResult("c1", "look", ["a", Image(data=PNG)], is_error=True),
    Refusal("no"),
    Opaque("w", {"type": "x", "a": []}),
    SystemMessage("a"),
    UserMessage(["a", Image(data=PNG), ToolResult("c1")]),
    RESPONSE,
    TextDelta("a"),
    ThinkingDelta("a"),
    ToolCallDelta(0, "c1", "look", ""),
    FinishReason("stop"),
    Usage(1, 2, 3, 4, 5, raw={}),
    Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}}),
    ServerTool({"type": "web_search_20250305", "name": "web_search"}),
]
each_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


@each_value
def test_values_compare_hash_pickle_and_copy(value):
    for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert other == value
        assert hash(other) == hash(value)
    assert type(value).__name__ in repr(value)


@each_value
def test_values_are_frozen_and_slotted(value):
    assert not hasattr(value, "__dict__")
    with pytest.raises(AttributeError):
        value.anything = 1
    name = next(iter(type(value).__slots__))
    with pytest.raises(AttributeError):
        setattr(value, name, None)


CONTENT = {
    "text": ("a", (Text("a"),)),
    "a part": (Text("a"), (Text("a"),)),
    "both": (["a", Text("b")], (Text("a"), Text("b"))),
    "a tuple": (("a",), (Text("a"),)),
    "nothing": ([], ()),
}


@pytest.mark.parametrize("role", [SystemMessage, UserMessage, AssistantMessage])
@pytest.mark.parametrize(("content", "expected"), CONTENT.values(), ids=CONTENT.keys())
def test_content(role, content, expected):
    assert role(content).content == expected


def test_adjacent_texts_stay_apart():
    message = UserMessage(["a", "b"])
    assert message.content == (Text("a"), Text("b"))
    assert message.text == "ab"


MISPLACED = {
    "image in a system message": (SystemMessage, [Image(data=PNG)], "SystemMessage.content[0]: Image"),
    "call in a user message": (UserMessage, ["a", CALL], "UserMessage.content[1]: ToolCall"),
    "thinking in a user message": (UserMessage, Thinking("a"), "UserMessage.content[0]: Thinking"),
    "refusal in a user message": (UserMessage, Refusal("a"), "UserMessage.content[0]: Refusal"),
    "result in an assistant message": (AssistantMessage, ToolResult("c"), "AssistantMessage.content[0]: ToolResult"),
    "a number": (UserMessage, 3, "UserMessage.content: expected text"),
    "nothing": (UserMessage, None, "UserMessage.content: expected text"),
    "bytes": (UserMessage, b"a", "UserMessage.content: expected text"),
    "a dict": (UserMessage, {"a": 1}, "UserMessage.content: expected text"),
    "a number among parts": (UserMessage, ["a", 3], "UserMessage.content[1]: expected text or a part, got int; for"),
    "text that is none": (Text, 3, "Text.text: expected str, got int"),
    "call in a result": (ToolResult, None, "ToolResult.content"),
}


@pytest.mark.parametrize(("cls", "content", "message"), MISPLACED.values(), ids=MISPLACED.keys())
def test_misplaced(cls, content, message):
    with pytest.raises(ConfigurationError) as caught:
        cls("id", "name", [CALL]) if cls is ToolResult else cls(content)
    assert str(caught.value).startswith(message)


@frozen
class Reading:
    celsius: float = field(alias="warm")
    day: date


RESULTS = {
    "text": ("sunny", (Text("sunny"),)),
    "a part": (Image(data=PNG), (Image(data=PNG),)),
    "parts": ([Text("a"), Image(data=PNG)], (Text("a"), Image(data=PNG))),
    "an object": ({"°C": 21.5}, (Text('{"°C": 21.5}'),)),
    "a list": ([1, "a"], (Text('[1, "a"]'),)),
    "a part and text": ([Image(data=PNG), "a"], (Image(data=PNG), Text("a"))),
    "an exception": (ValueError("no such city"), (Text("ValueError: no such city"),)),
    "texts are data": (["a", "b"], (Text('["a", "b"]'),)),
    "an empty list": ([], (Text("[]"),)),
    "nothing": (None, (Text("null"),)),
    "a truth": (True, (Text("true"),)),
    "an instance": (Reading(21.5, date(2026, 5, 1)), (Text('{"warm": 21.5, "day": "2026-05-01"}'),)),
    "instances among data": (
        {"all": [Reading(1.0, date(2026, 5, 2))]},
        (Text('{"all": [{"warm": 1.0, "day": "2026-05-02"}]}'),),
    ),
    "what is text in JSON": (date(2026, 5, 1), (Text("2026-05-01"),)),
    "bytes among data": ({"a": b"hi"}, (Text('{"a": "aGk="}'),)),
    "a number with digits": (Decimal("1.10"), (Text("1.10"),)),
}


@pytest.mark.parametrize(("value", "expected"), RESULTS.values(), ids=RESULTS.keys())
def test_result_of_a_call(value, expected):
    assert CALL.result(value) == ToolResult("c1", "look", expected)
    assert CALL.result(value, is_error=True).is_error


@pytest.mark.parametrize("value", [object(), float("nan"), {"a": [object()]}])
def test_a_result_that_is_no_json(value):
    with pytest.raises(ConfigurationError, match="result: value cannot be written as JSON"):
        CALL.result(value)


def test_what_takes_no_part_in_equality():
    assert ToolCall("c1", "look", {"at": ["x"]}) == CALL
    assert ToolCall("c1", "look", {"at": ["y"]}) != CALL
    assert Usage(1, raw={"a": 1}) == Usage(1)
    other = Response(
        "id", "m", "p", RESPONSE.message, RESPONSE.finish_reason, Usage(1, 2), headers={}, request_id="r", attempts=3
    )
    assert other == RESPONSE
    assert hash(other) == hash(RESPONSE)


def test_what_is_read_from_a_response():
    assert RESPONSE.text == "ab"
    assert RESPONSE.thinking == "hm\n\nso"
    assert RESPONSE.tool_calls == (CALL,)
    assert RESPONSE.citations == (Citation("q"),)
    assert RESPONSE.refusal is None
    assert RESPONSE.output is None
    assert {"a", "b[1]", "1. “q”"} <= set(RESPONSE._repr_markdown_().split("\n\n"))


def test_refusals_are_no_text():
    response = Response("", "", "", AssistantMessage([Refusal("no"), Refusal(".")]), FinishReason("refusal"))
    assert (response.text, response.thinking, response.refusal) == ("", "", "no.")


def test_usage_adds_up():
    total = Usage(10, 5, 4, 3, 2, raw={"x": 1}) + Usage(1, 1, 1, 1, 1)
    assert total == Usage(11, 6, 5, 4, 3)
    assert total.raw is None
    assert total.total_tokens == 17
    assert sum([Usage(1), Usage(2)]) == Usage(3)
    with pytest.raises(TypeError):
        Usage() + 1  # type: ignore[operator]


TOOLS = {
    "reserved name": (lambda: Tool("auto"), "Tool.name: 'auto'"),
    "no name": (lambda: Tool(""), "Tool.name"),
    "a name that is none": (lambda: Tool(3), "Tool.name"),
    "no schema": (lambda: Tool("x", "", "y"), "Tool.parameters: expected a JSON Schema"),
    "properties without a schema": (
        lambda: Tool("x", "", {"city": {"type": "string"}}),
        "Tool.parameters: 'city' is no keyword of JSON Schema",
    ),
    "schema of no object": (lambda: Tool("x", "", {"type": "string"}), "Tool.parameters.type"),
    "description that is none": (lambda: Tool("x", 5), "Tool.description: expected str, got int"),
    "time that is none, of a tool": (lambda: Tool("x", cache="9m"), "Tool.cache: expected '5m' or '1h', got '9m'"),
    "time that is none, of a text": (lambda: Text("x", cache="9m"), "Text.cache: expected '5m' or '1h'"),
    "id that is none": (lambda: ToolCall(5, "x"), "ToolCall.id: expected str, got int"),
    "arguments that are none": (lambda: ToolCall("a", "x", [1]), "expected a mapping, as JSON objects are, got list"),
    "thoughts that are none": (lambda: Thinking(5), "Thinking.text: expected str"),
    "server tool that is none": (lambda: ServerTool("web_search"), "ServerTool.data"),
}


@pytest.mark.parametrize(("make", "message"), TOOLS.values(), ids=TOOLS.keys())
def test_tools_that_are_none(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_the_callers_objects_are_not_held():
    arguments, schema = {"a": 1}, {"properties": {}}
    call, tool = ToolCall("c", "n", arguments), Tool("x", "", schema)
    arguments["a"], schema["properties"] = 2, {"b": {}}
    assert call.arguments == {"a": 1}
    assert tool.parameters == {"properties": {}, "type": "object"}
    assert "type" not in schema
