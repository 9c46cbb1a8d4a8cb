"""`llmkit.accumulate` alone: events in, the message so far out."""

import pytest

from llmkit import (
    AssistantMessage,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from llmkit.accumulate import Accumulator

PNG = Image(data=b"\x89PNG\r\n\x1a\n" + b"\0" * 16)
CASES = {
    "nothing": ([], []),
    "text that is not complete": ([TextDelta("a"), TextDelta("b")], [Text("ab")]),
    "text that is": ([TextDelta("a"), TextDelta("b"), Text("ab")], [Text("ab")]),
    "a second text": ([TextDelta("a"), Text("a"), TextDelta("b")], [Text("a"), Text("b")]),
    "thoughts that are not complete": ([ThinkingDelta("a"), ThinkingDelta("b")], [Thinking("ab")]),
    "thoughts that are": ([ThinkingDelta("a"), Thinking("a", "sig", wire="w")], [Thinking("a", "sig", wire="w")]),
    "thoughts, then text": ([ThinkingDelta("a"), Thinking("a"), TextDelta("b")], [Thinking("a"), Text("b")]),
    "a call that is not complete": (
        [ToolCallDelta(0, "t1", "look", ""), ToolCallDelta(0, "t1", "look", '{"a": [1')],
        [ToolCall("t1", "look")],
    ),
    "a call whose arguments are": (
        [ToolCallDelta(0, "t1", "look", '{"a":'), ToolCallDelta(0, "t1", "look", " 1}")],
        [ToolCall("t1", "look", {"a": 1})],
    ),
    "a call that is": (
        [ToolCallDelta(0, "t1", "look", '{"a":1}'), ToolCall("t1", "look", {"a": 1})],
        [ToolCall("t1", "look", {"a": 1})],
    ),
    "two calls, of which one is": (
        [ToolCallDelta(0, "t1", "look", "{}"), ToolCallDelta(1, "t2", "look", "{}"), ToolCall("t2", "look")],
        [ToolCall("t2", "look"), ToolCall("t1", "look")],
    ),
    "whole parts": ([PNG, Refusal("no"), Opaque("w", {})], [PNG, Refusal("no"), Opaque("w", {})]),
    "the end is no part": ([Text("a"), FinishReason("stop"), Usage(1)], [Text("a")]),
}


@pytest.mark.parametrize(("events", "expected"), CASES.values(), ids=CASES.keys())
def test_message(events, expected):
    at_once, one_by_one = Accumulator(), Accumulator()
    at_once.add(events)
    for event in events:
        one_by_one.add([event])
    assert at_once.message() == one_by_one.message() == AssistantMessage(expected)


def test_arguments_that_were_cut_are_kept_as_text():
    content = Accumulator()
    content.add([ToolCallDelta(0, "t1", "look", '{"a": [1')])
    assert content.message().content[0].raw == '{"a": [1'


def test_a_message_is_of_its_time():
    content = Accumulator()
    content.add([TextDelta("a")])
    before = content.message()
    content.add([TextDelta("b")])
    assert (before.text, content.message().text) == ("a", "ab")
