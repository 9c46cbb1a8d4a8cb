"""Streams of the wire `openai-responses`: a table of (events, what they become); what is no stream; what is no news."""

import json

import pytest

from llmkit import (
    AssistantMessage,
    Citation,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
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
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire
from llmkit.wire.quirks import OpenAIResponsesQuirks
from llmkit.wire.signals import ErrorEvent

NAME = "openai-responses"
WIRE = wire(NAME)
QUIRKS = OpenAIResponsesQuirks()
DELTAS = (TextDelta, ThinkingDelta, ToolCallDelta)
URL = {"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 2}
PNG = "iVBORw0KGgoAAAAAAAAAAAAAAAAAAAAA"


def sse(data, name=None):
    return ServerSentEvent(name or data["type"], json.dumps(data))


def response(output=(), **fields):
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "error": None,
        "model": "gpt-x",
        "output": [*output],
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


START = [
    {"type": "response.created", "response": response(status="in_progress", usage=None)},
    {"type": "response.in_progress", "response": response(status="in_progress", usage=None)},
]


def end(*output, **fields):
    return {"type": "response.completed", "response": response(output, **fields)}


def added(index, item):
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index, item):
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def said(index, text, content=0, **fields):
    return {
        "type": "response.output_text.delta",
        "output_index": index,
        "content_index": content,
        "delta": text,
        **fields,
    }


def said_all(index, text, content=0):
    return {"type": "response.output_text.done", "output_index": index, "content_index": content, "text": text}


def event(kind, index, **fields):
    return {"type": f"response.{kind}", "output_index": index, **fields}


def words(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": [*annotations]}


def message(*content, id_="msg_1"):
    return {"type": "message", "id": id_, "role": "assistant", "status": "completed", "content": [*content]}


def thought(*summary, **fields):
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        **fields,
    }


def call(arguments, id_="call_1", **fields):
    return {"type": "function_call", "id": "fc_1", "call_id": id_, "name": "look", "arguments": arguments, **fields}


def custom(text):
    return {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": text}


EMPTY = {**message(), "status": "in_progress"}
HEY = message(words("Hey"))
OPEN = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
LISTED = {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": [{"name": "n", "input_schema": {}}]}
PICTURE = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}

# Events between the first and the last; the whole output; what comes out.
STREAMS = {
    "text": (
        [added(0, EMPTY), said(0, "He"), said(0, "y"), said_all(0, "Hey"), done(0, HEY)],
        [HEY],
        [TextDelta("He"), TextDelta("y"), Text("Hey")],
    ),
    "parts counted from one": (
        [added(0, EMPTY), said(0, "He", 1), said(0, "y", 1), said_all(0, "Hey", 1), done(0, HEY)],
        [HEY],
        [TextDelta("He"), TextDelta("y"), Text("Hey")],
    ),
    "text only at its end": (
        [added(0, EMPTY), said_all(0, "Hey"), done(0, HEY)],
        [HEY],
        [TextDelta("Hey"), Text("Hey")],
    ),
    "text whose deltas lack the end": (
        [added(0, EMPTY), said(0, "He"), done(0, HEY)],
        [HEY],
        [TextDelta("He"), TextDelta("y"), Text("Hey")],
    ),
    "all at once": ([], [HEY], [TextDelta("Hey"), Text("Hey")]),
    "items only when they are done": ([done(0, HEY)], [HEY], [TextDelta("Hey"), Text("Hey")]),
    "items never done": ([added(0, EMPTY), said(0, "Hey")], [HEY], [TextDelta("Hey"), Text("Hey")]),
    "nothing announced": ([said(0, "He"), said(0, "y")], [HEY], [TextDelta("He"), TextDelta("y"), Text("Hey")]),
    "empty deltas say nothing": (
        [added(0, EMPTY), said(0, ""), done(0, message(words("")))],
        [message(words(""))],
        [Text("")],
    ),
    "keepalives": (
        [{"type": "keepalive", "sequence_number": 3}, added(0, EMPTY), said(0, "Hey"), {"type": "tomorrow"}],
        [HEY],
        [TextDelta("Hey"), Text("Hey")],
    ),
    "citation": (
        [
            added(0, EMPTY),
            said(0, "Hi"),
            event("output_text.annotation.added", 0, content_index=0, annotation_index=0, annotation=URL),
            done(0, message(words("Hi", URL))),
        ],
        [message(words("Hi", URL))],
        [TextDelta("Hi"), Text("Hi", [Citation(url="https://example.com", title="T", raw=URL)])],
    ),
    "two parts": (
        [added(0, EMPTY), said(0, "a"), said_all(0, "a"), said(0, "b", 1), done(0, message(words("a"), words("b")))],
        [message(words("a"), words("b"))],
        [TextDelta("a"), TextDelta("b"), Text("a"), Text("b")],
    ),
    "parts that overlap keep their order": (
        [
            added(0, EMPTY),
            said(0, "a"),
            said(0, "x", 1),
            said(0, "b"),
            said(0, "y", 1),
            said_all(0, "xy", 1),
            said_all(0, "ab"),
            done(0, message(words("ab"), words("xy"))),
        ],
        [message(words("ab"), words("xy"))],
        [TextDelta("a"), TextDelta("b"), TextDelta("xy"), Text("ab"), Text("xy")],
    ),
    "items that overlap keep their order": (
        [
            added(0, EMPTY),
            said(0, "a"),
            added(1, {**EMPTY, "id": "msg_2"}),
            said(1, "b"),
            done(1, message(words("b"), id_="msg_2")),
            said(0, "c"),
            done(0, message(words("ac"))),
        ],
        [message(words("ac")), message(words("b"), id_="msg_2")],
        [TextDelta("a"), TextDelta("c"), Text("ac"), TextDelta("b"), Text("b")],
    ),
    "place used twice": (
        [
            added(0, EMPTY),
            said(0, "a"),
            done(0, message(words("a"))),
            added(0, {**EMPTY, "id": "msg_2"}),
            said(0, "b"),
            done(0, message(words("b"), id_="msg_2")),
        ],
        [message(words("a")), message(words("b"), id_="msg_2")],
        [TextDelta("a"), Text("a"), TextDelta("b"), Text("b")],
    ),
    "no places": (
        [
            {"type": "response.output_item.added", "item": EMPTY},
            {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Hey"},
            {"type": "response.output_item.done", "item": HEY},
        ],
        [HEY],
        [TextDelta("Hey"), Text("Hey")],
    ),
    "refusal": (
        [
            added(0, EMPTY),
            event("refusal.delta", 0, content_index=0, delta="N"),
            event("refusal.delta", 0, content_index=0, delta="o"),
            event("refusal.done", 0, content_index=0, refusal="No"),
            done(0, message({"type": "refusal", "refusal": "No"})),
        ],
        [message({"type": "refusal", "refusal": "No"})],
        [Refusal("No")],
    ),
    "summaries": (
        [
            added(0, thought()),
            event("reasoning_summary_part.added", 0, summary_index=0, part={"type": "summary_text", "text": ""}),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="a"),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="b"),
            event("reasoning_summary_text.done", 0, summary_index=0, text="ab"),
            event("reasoning_summary_text.delta", 0, summary_index=1, delta="c"),
            event("reasoning_summary_text.delta", 0, summary_index=1, delta="d"),
            event("reasoning_summary_text.done", 0, summary_index=1, text="cd"),
            done(0, thought("ab", "cd", encrypted_content="xyz")),
        ],
        [thought("ab", "cd", encrypted_content="xyz")],
        [
            ThinkingDelta("a"),
            ThinkingDelta("b"),
            ThinkingDelta("\n\nc"),
            ThinkingDelta("d"),
            Thinking("ab\n\ncd", "xyz", wire=NAME),
        ],
    ),
    "summaries that overlap keep their order": (
        [
            added(0, thought()),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="a"),
            event("reasoning_summary_text.delta", 0, summary_index=1, delta="c"),
            event("reasoning_summary_text.done", 0, summary_index=1, text="c"),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="b"),
            event("reasoning_summary_text.done", 0, summary_index=0, text="ab"),
            done(0, thought("ab", "c")),
        ],
        [thought("ab", "c")],
        [ThinkingDelta("a"), ThinkingDelta("b"), ThinkingDelta("\n\nc"), Thinking("ab\n\nc", wire=NAME)],
    ),
    "summaries only at their end": (
        [added(0, thought()), done(0, thought("ab", "cd"))],
        [thought("ab", "cd")],
        [ThinkingDelta("ab\n\ncd"), Thinking("ab\n\ncd", wire=NAME)],
    ),
    "thoughts in their own words": (
        [
            added(0, {**OPEN, "content": []}),
            event("reasoning_text.delta", 0, content_index=0, delta="h"),
            event("reasoning_text.delta", 0, content_index=0, delta="m"),
            event("reasoning_text.done", 0, content_index=0, text="hm"),
            done(0, OPEN),
        ],
        [OPEN],
        [ThinkingDelta("h"), ThinkingDelta("m"), Thinking("hm", wire=NAME)],
    ),
    "thoughts in words and in summary": (
        [
            added(0, thought()),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="a"),
            event("reasoning_text.delta", 0, content_index=0, delta="hm"),
            done(0, {**OPEN, "summary": thought("a")["summary"]}),
        ],
        [{**OPEN, "summary": thought("a")["summary"]}],
        [ThinkingDelta("a"), Thinking("a", wire=NAME)],
    ),
    "thoughts in summary and then in words": (
        [
            added(0, thought()),
            event("reasoning_summary_text.delta", 0, summary_index=0, delta="a"),
            event("reasoning_summary_text.done", 0, summary_index=0, text="a"),
            event("reasoning_text.delta", 0, content_index=0, delta="hm"),
        ],
        [{**OPEN, "summary": thought("a")["summary"]}],
        [ThinkingDelta("a"), Thinking("a", wire=NAME)],
    ),
    "thoughts that are never done": (
        [added(0, thought()), event("reasoning_text.delta", 0, content_index=0, delta="hm"), added(1, EMPTY)],
        [OPEN, EMPTY],
        [ThinkingDelta("hm"), Thinking("hm", wire=NAME)],
    ),
    "thoughts that cannot be read": (
        [added(0, thought()), done(0, thought(encrypted_content="xyz"))],
        [thought(encrypted_content="xyz")],
        [Thinking("", redacted="xyz", wire=NAME)],
    ),
    "call": (
        [
            added(0, call("")),
            event("function_call_arguments.delta", 0, delta='{"at"'),
            event("function_call_arguments.delta", 0, delta=': "x"}'),
            event("function_call_arguments.done", 0, arguments='{"at": "x"}'),
            done(0, call('{"at": "x"}')),
        ],
        [call('{"at": "x"}')],
        [
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", '{"at"'),
            ToolCallDelta(0, "call_1", "look", ': "x"}'),
            ToolCall("call_1", "look", {"at": "x"}),
        ],
    ),
    "call that is told whole": (
        [added(0, call('{"at": "x"}')), done(0, call('{"at": "x"}'))],
        [call('{"at": "x"}')],
        [
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", '{"at": "x"}'),
            ToolCall("call_1", "look", {"at": "x"}),
        ],
    ),
    "call that was not announced": (
        [event("function_call_arguments.delta", 0, delta='{"at": "x"}')],
        [call('{"at": "x"}')],
        [ToolCallDelta(0, "call_1", "look", '{"at": "x"}'), ToolCall("call_1", "look", {"at": "x"})],
    ),
    "call without arguments": (
        [added(0, call("")), done(0, call(""))],
        [call("")],
        [ToolCallDelta(0, "call_1", "look", ""), ToolCallDelta(0, "call_1", "look", "{}"), ToolCall("call_1", "look")],
    ),
    "call with an object for a text": (
        [added(0, call("")), done(0, call({"at": "x"}))],
        [call({"at": "x"})],
        [
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", '{"at":"x"}'),
            ToolCall("call_1", "look", {"at": "x"}),
        ],
    ),
    "call cut off by the limit": (
        [added(0, call("")), event("function_call_arguments.delta", 0, delta='{"at')],
        [call('{"at')],
        [
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", '{"at'),
            ToolCall("call_1", "look", raw='{"at'),
        ],
    ),
    "calls are counted from 0": (
        [
            added(0, EMPTY),
            said(0, "a"),
            added(1, call("")),
            added(2, call("", "call_2", id="fc_2")),
            event("function_call_arguments.delta", 2, delta="{}"),
            done(0, message(words("a"))),
            done(1, call("{}")),
            done(2, call("{}", "call_2", id="fc_2")),
        ],
        [message(words("a")), call("{}"), call("{}", "call_2", id="fc_2")],
        [
            TextDelta("a"),
            Text("a"),
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", "{}"),
            ToolCall("call_1", "look"),
            ToolCallDelta(1, "call_2", "look", ""),
            ToolCallDelta(1, "call_2", "look", "{}"),
            ToolCall("call_2", "look"),
        ],
    ),
    "custom call": (
        [
            added(0, custom("")),
            event("custom_tool_call_input.delta", 0, delta='a "b"'),
            event("custom_tool_call_input.delta", 0, delta="\nc"),
            event("custom_tool_call_input.done", 0, input='a "b"\nc'),
            done(0, custom('a "b"\nc')),
        ],
        [custom('a "b"\nc')],
        [
            ToolCallDelta(0, "call_1", "sql", ""),
            ToolCallDelta(0, "call_1", "sql", '{"input":"a \\"b\\"'),
            ToolCallDelta(0, "call_1", "sql", "\\nc"),
            ToolCallDelta(0, "call_1", "sql", '"}'),
            ToolCall("call_1", "sql", {"input": 'a "b"\nc'}),
        ],
    ),
    "custom call without text": (
        [added(0, custom("")), done(0, custom(""))],
        [custom("")],
        [
            ToolCallDelta(0, "call_1", "sql", ""),
            ToolCallDelta(0, "call_1", "sql", '{"input":""}'),
            ToolCall("call_1", "sql", {"input": ""}),
        ],
    ),
    "search of the provider": (
        [
            added(0, {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}),
            event("web_search_call.in_progress", 0, item_id="ws_1"),
            event("web_search_call.completed", 0, item_id="ws_1"),
            done(0, SEARCH),
        ],
        [SEARCH],
        [Opaque(NAME, SEARCH)],
    ),
    "picture": (
        [
            added(0, {**PICTURE, "status": "in_progress", "result": None}),
            event("image_generation_call.partial_image", 0, partial_image_b64=PNG, partial_image_index=0),
            done(0, PICTURE),
        ],
        [PICTURE],
        [Image(b"\x89PNG\r\n\x1a\n" + b"\0" * 16, media_type="image/png")],
    ),
    "list of tools that is never done": (
        [
            added(0, {**LISTED, "tools": []}),
            added(1, EMPTY),
            said(1, "He"),
            said(1, "y"),
            done(1, HEY),
            added(2, call("")),
            event("function_call_arguments.delta", 2, delta="{}"),
            done(2, call("{}")),
        ],
        [LISTED, HEY, call("{}")],
        [
            TextDelta("He"),
            TextDelta("y"),
            ToolCallDelta(0, "call_1", "look", ""),
            ToolCallDelta(0, "call_1", "look", "{}"),
            Opaque(NAME, LISTED),
            Text("Hey"),
            ToolCall("call_1", "look"),
        ],
    ),
    "list of tools that is done late": (
        [
            added(0, {**LISTED, "tools": []}),
            added(1, EMPTY),
            said(1, "He"),
            done(0, LISTED),
            said(1, "y"),
            done(1, HEY),
        ],
        [LISTED, HEY],
        [TextDelta("He"), Opaque(NAME, LISTED), TextDelta("y"), Text("Hey")],
    ),
    "an item that only the end tells": (
        [added(0, EMPTY), said(0, "Hey"), done(0, HEY)],
        [HEY, SEARCH],
        [TextDelta("Hey"), Text("Hey"), Opaque(NAME, SEARCH)],
    ),
    "nothing": ([], [], []),
}
each_stream = pytest.mark.parametrize(("events", "output", "expected"), STREAMS.values(), ids=STREAMS.keys())


def read(events):
    """All that comes out, the reason, the usage, and the decoder."""
    decoder, found = WIRE.decoder(QUIRKS), []
    for data in events:
        assert not decoder.ended
        found += decoder.feed(sse(data)) or ()
    parts, reason, usage = decoder.close()
    return [*found, *parts], reason, usage, decoder


@each_stream
def test_stream(events, output, expected):
    found, reason, usage, decoder = read([*START, *events, end(*output)])
    assert found == expected
    assert decoder.ended
    assert decoder.whole
    whole = WIRE.decode(response(output), QUIRKS)
    assert (reason, usage) == (whole.finish_reason, whole.usage)
    assert (decoder.id, decoder.model) == ("resp_1", "gpt-x")
    message = Accumulator().taking(found).message()
    assert message == AssistantMessage([part for part in expected if not isinstance(part, DELTAS)]) == whole.message
    assert [getattr(part, "extra", None) for part in message.content] == [
        getattr(part, "extra", None) for part in whole.message.content
    ]


# Of which the last event tells what no other does.
AT_THE_END = (
    "all at once",
    "call that was not announced",
    "list of tools that is never done",
    "an item that only the end tells",
)


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in AT_THE_END])
def test_an_end_without_the_output(name):
    """As of hosts that leave it empty: what came before is the answer."""
    events, _, expected = STREAMS[name]
    found, *_ = read([*START, *events, end()])
    assert found == expected


def test_a_call_whose_name_was_never_told():
    events, *_ = STREAMS["call that was not announced"]
    with pytest.raises(InvalidResponseError):
        read([*START, *events, end()])


@each_stream
def test_a_cut_stream_is_never_whole(events, output, expected):
    """Wherever it ends before its last event, and also where a gateway says that it is done."""
    every = [*START, *events]
    for length in range(len(every) + 1):
        decoder = WIRE.decoder(QUIRKS)
        for data in every[:length]:
            decoder.feed(sse(data))
        assert decoder.feed(ServerSentEvent("message", "[DONE]")) is None
        assert not decoder.whole
        with pytest.raises(IncompleteStreamError, match=r"response\.completed"):
            decoder.close()


@each_stream
def test_deltas_are_the_text_of_their_parts(events, output, expected):
    found, *_ = read([*START, *events, end(*output)])
    for delta, part in ((TextDelta, Text), (ThinkingDelta, Thinking)):
        assert "".join(item.text for item in found if isinstance(item, delta)) == "".join(
            item.text for item in found if isinstance(item, part)
        )
    calls = [item for item in found if isinstance(item, ToolCall)]
    for index, call_ in enumerate(calls):
        text = "".join(item.arguments for item in found if isinstance(item, ToolCallDelta) and item.index == index)
        assert text == call_.raw if call_.raw else json.loads(text) == call_.arguments


def test_events_without_names():
    """As some hosts send them: what an event is says its data alone."""
    decoder = WIRE.decoder(QUIRKS)
    found = []
    for data in [*START, added(0, EMPTY), said(0, "Hey"), done(0, HEY), end(HEY)]:
        found += decoder.feed(sse(data, "message")) or ()
    assert found == [TextDelta("Hey"), Text("Hey")]
    assert decoder.ended


def test_events_that_only_their_name_tells():
    decoder = WIRE.decoder(QUIRKS)
    for data in [*START, said(0, "Hey"), end()]:
        decoder.feed(ServerSentEvent(data["type"], json.dumps({**data, "type": None})))
    assert decoder.ended
    assert list(decoder.close()[0]) == [Text("Hey")]


ENDS = {
    "incomplete": (
        {
            "type": "response.incomplete",
            "response": response([HEY], status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        },
        FinishReason("length", "max_output_tokens"),
    ),
    "without a status": (
        {"type": "response.completed", "response": {"id": "resp_1", "output": [HEY]}},
        FinishReason("stop", "completed"),
    ),
    "cancelled": (
        {"type": "response.cancelled", "response": response([HEY], status="cancelled")},
        FinishReason("other", "cancelled"),
    ),
    "null for the output": (end() | {"response": response() | {"output": None}}, FinishReason("stop", "completed")),
}


@pytest.mark.parametrize(("last", "expected"), ENDS.values(), ids=ENDS.keys())
def test_ends(last, expected):
    found, reason, _, _ = read([*START, added(0, EMPTY), said(0, "Hey"), done(0, HEY), last])
    assert found == [TextDelta("Hey"), Text("Hey")]
    assert reason == expected


REASONS = {
    "call": ([added(0, call("")), done(0, call("{}"))], "tool_calls"),
    "refusal": ([done(0, message({"type": "refusal", "refusal": "No"}))], "refusal"),
    "refusal in deltas": ([added(0, EMPTY), event("refusal.delta", 0, content_index=0, delta="No")], "refusal"),
    "shell of the provider": (
        [
            done(0, {"type": "shell_call", "id": "a", "call_id": "c"}),
            done(1, {"type": "shell_call_output", "id": "b", "call_id": "c"}),
        ],
        "stop",
    ),
    "shell of the client": ([done(0, {"type": "shell_call", "id": "a", "call_id": "c"})], "tool_calls"),
}


@pytest.mark.parametrize(("events", "expected"), REASONS.values(), ids=REASONS.keys())
def test_the_reason_where_the_end_has_no_output(events, expected):
    assert read([*START, *events, end()])[1].reason == expected


def test_the_final_form_wins():
    """Deltas that say otherwise cannot be taken back; the answer is what the provider holds it to be."""
    found, *_ = read([*START, added(0, EMPTY), said(0, "Hoy"), done(0, HEY), end(HEY)])
    assert found == [TextDelta("Hoy"), Text("Hey")]


def test_a_place_used_twice_without_an_end():
    events = [added(0, EMPTY), said(0, "a"), added(0, {**EMPTY, "id": "msg_2"}), said(0, "b")]
    found, *_ = read([*START, *events, end(message(words("a")), message(words("b"), id_="msg_2"))])
    assert found == [TextDelta("a"), Text("a"), TextDelta("b"), Text("b")]


def test_sources_that_only_deltas_told():
    events = [
        added(0, EMPTY),
        said(0, "Hi"),
        event("output_text.annotation.added", 0, content_index=0, annotation_index=0, annotation=URL),
    ]
    found, *_ = read([*START, *events, end()])
    assert found[-1].citations == (Citation(url="https://example.com", title="T", raw=URL),)


def test_deltas_of_what_has_none():
    annotation = event("output_text.annotation.added", 0, content_index=0, annotation=URL)
    assert read([*START, added(0, SEARCH), annotation, end()])[0] == [Opaque(NAME, SEARCH)]


def test_log_probabilities():
    token = {"token": "Hey", "logprob": -0.5, "bytes": [72], "top_logprobs": []}
    item = message({**words("Hey"), "logprobs": [token]})
    events = [added(0, EMPTY), said(0, "Hey", logprobs=[{"token": "Hey", "logprob": -0.5}]), done(0, item)]
    assert read([*START, *events, end(item)])[3].logprobs == [token]
    assert read([*START, *events[:2], end()])[3].logprobs == [{"token": "Hey", "logprob": -0.5}]
    assert read([*START, done(0, HEY), end(HEY)])[3].logprobs is None


def test_what_says_nothing_is_told_apart():
    """So that pings for ever do not count as progress."""
    decoder = WIRE.decoder(QUIRKS)
    assert decoder.feed(sse({"type": "keepalive"})) is None
    assert decoder.feed(sse({"type": "tomorrow"})) is None
    assert decoder.feed(sse(START[0])) is not None
    assert decoder.feed(sse(START[1])) is None
    assert decoder.feed(sse(event("tomorrow", 0))) is not None
    decoder.feed(sse(added(0, EMPTY)))
    assert decoder.feed(sse(said(0, ""))) is None
    assert decoder.feed(sse(said(0, "a"))) == (TextDelta("a"),)


def test_what_is_held_back_is_pending():
    decoder = WIRE.decoder(QUIRKS)
    for data in [
        *START,
        added(0, EMPTY),
        said(0, "a"),
        added(1, {**EMPTY, "id": "msg_2"}),
        said(1, "b"),
        added(2, SEARCH),
        done(2, SEARCH),
    ]:
        decoder.feed(sse(data))
    assert decoder.pending() == [TextDelta("b"), Opaque(NAME, SEARCH)]
    assert decoder.pending() == [TextDelta("b"), Opaque(NAME, SEARCH)]  # asking takes nothing away


def test_an_item_that_is_none_is_not_pending():
    """Nobody asks for what was received but when something went wrong: looking at it must not go wrong, too."""
    decoder = WIRE.decoder(QUIRKS)
    for data in (*START, added(0, EMPTY), said(0, "a"), added(1, {**EMPTY, "id": "msg_2"}), done(1, {"type": []})):
        decoder.feed(sse(data))
    assert decoder.pending() == []
    assert decoder.usage() == Usage()


def test_the_envelope_is_that_of_the_whole_body():
    whole = response([HEY], metadata={"a": "b"}, service_tier="default")
    decoder = read([*START, added(0, EMPTY), said(0, "Hey"), end(HEY, metadata={"a": "b"}, service_tier="default")])[3]
    assert {**decoder.envelope, "output": [HEY]} == whole


def test_an_empty_name_replaces_none():
    decoder = read([*START, end(id="", model=None)])[3]
    assert (decoder.id, decoder.model) == ("resp_1", "gpt-x")


FAILED = response(status="failed", error={"code": "server_error", "message": "busy"})
ERROR_EVENTS = {
    "flat": (ServerSentEvent("error", '{"type":"error","code":"server_error","message":"busy"}'), "busy"),
    "flat, unnamed": (ServerSentEvent("message", '{"type":"error","code":"server_error","message":"busy"}'), "busy"),
    "nested": (ServerSentEvent("message", '{"type":"error","error":{"message":"busy"}}'), "busy"),
    "not called one": (ServerSentEvent("message", '{"error":{"message":"busy","code":502}}'), "busy"),
    "failed": (sse({"type": "response.failed", "response": FAILED}), "busy"),
    "failed, under another name": (sse({"type": "response.completed", "response": FAILED}), "busy"),
    "no JSON": (ServerSentEvent("error", "busy"), "busy"),
}


@pytest.mark.parametrize(("data", "words"), ERROR_EVENTS.values(), ids=ERROR_EVENTS.keys())
def test_error_events(data, words):
    decoder = WIRE.decoder(QUIRKS)
    with pytest.raises(ErrorEvent) as caught:
        decoder.feed(data)
    assert words in str(caught.value.body)
    assert not decoder.whole


def test_a_failed_answer_is_known_by_its_error():
    with pytest.raises(ErrorEvent) as caught:
        WIRE.decoder(QUIRKS).feed(sse({"type": "response.failed", "response": FAILED}))
    assert caught.value.body["error"] == {"code": "server_error", "message": "busy"}


# Bodies of errors → code, status: what names the event or the answer's state says nothing of what went wrong.
CODES = {
    "failed": (FAILED, "server_error", 500),
    "failed, nobody says why": (response(status="failed", error=None), None, None),
    "event of a gateway": ({"type": "response.error", "error": {"code": 502, "message": "no"}}, "502", 502),
    "event": ({"type": "error", "code": "rate_limit_exceeded", "message": "no"}, "rate_limit_exceeded", 429),
    "event without a code": ({"type": "error", "code": None, "message": "no"}, None, None),
    "body": ({"error": {"type": "invalid_request_error", "message": "no"}}, "invalid_request_error", 400),
    "text": ("busy", None, None),
}


@pytest.mark.parametrize(("body", "code", "status"), CODES.values(), ids=CODES.keys())
def test_the_code_of_an_error(body, code, status):
    found = WIRE.error(200, body)
    assert (found.code, found.status) == (code, status)


NOT_EVENTS = {
    "no JSON": ServerSentEvent("response.output_text.delta", "{oops"),
    "a list": ServerSentEvent("x", "[]"),
    "delta without delta": sse({"type": "response.output_text.delta", "output_index": 0}),
    "delta that is no text": sse(said(0, {"a": 1})),
    "item without item": sse({"type": "response.output_item.added", "output_index": 0}),
    "item without a kind": sse(added(0, {"id": "x"})),
    "done without item": sse({"type": "response.output_item.done", "output_index": 0}),
    "done with an item that is none": sse(done(0, {"type": "message", "content": [3]})),
    "start without response": sse({"type": "response.created"}),
    "end without response": sse({"type": "response.completed"}),
    "end with an output that is none": sse(end() | {"response": response() | {"output": "x"}}),
    "end with an item that is none": sse(end("x")),
}


@pytest.mark.parametrize("data", NOT_EVENTS.values(), ids=NOT_EVENTS.keys())
def test_what_is_no_event(data):
    with pytest.raises(InvalidResponseError):
        WIRE.decoder(QUIRKS).feed(data)


ODD = {
    "place that is a list": [said([0], "Hey")],
    "part that is a list": [said(0, "Hey", [1])],
    "log probabilities that are none": [said(0, "Hey", logprobs="x")],
    "delta behind the end of its part": [said(0, "Hey"), said_all(0, "Hey"), said(0, "!")],
    "end of a part that says otherwise": [said(0, "Hey"), said_all(0, "No")],
    "item done twice": [added(0, EMPTY), said(0, "Hey"), done(0, HEY), done(0, HEY), said(0, "!"), said_all(0, "Hey!")],
    "annotation of a part without text": [
        said(0, "Hey"),
        event("output_text.annotation.added", 0, content_index=1, annotation=URL),
        said_all(0, "Hey"),
    ],
    "annotation behind the end": [
        done(0, HEY),
        event("output_text.annotation.added", 0, content_index=0, annotation=URL),
    ],
}


@pytest.mark.parametrize("events", ODD.values(), ids=ODD.keys())
def test_odd_events_do_no_harm(events):
    found, *_ = read([*START, *events, end(HEY)])
    assert found == [TextDelta("Hey"), Text("Hey")]
