"""What users are promised of the wire `openai-chat`, asked through `Client` of hosts that answer as hosts do.

Each host here is a raw server that says what a table tells it to: the format as its documentation has it, and the
accents of those who nearly speak it.
"""

import base64
import json
import struct

import pytest
from sockets import Server, reply

from llmkit import (
    APIError,
    AssistantMessage,
    Audio,
    AuthenticationError,
    BadRequestError,
    Citation,
    Client,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    NotFoundError,
    Opaque,
    PaymentRequiredError,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    ServerError,
    ServerTool,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    UnprocessableEntityError,
    UnsupportedOptionError,
    UnsupportedWarning,
    Usage,
    UserMessage,
    Video,
)
from llmkit.errors import OverloadedError

NAME = "openai-chat"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(range(60))
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}
SOUND = base64.b64encode(WAV).decode()
COUNTS = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


class Host:
    """A server, and what it answers next: whole answers, or pieces of them after which it hangs up."""

    def __init__(self):
        self.answers = []
        self.server = Server(self._script)

    def client(self, row=NAME, **options):
        return Client(row, **{"api_key": "k", "base_url": self.server.url, "model": "m", "max_retries": 0, **options})

    def says(self, body, *, status="200 OK", kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((reply(data, status=status, headers=f"Content-Type: {kind}\r\n"), False))
        return self

    def streams(self, *pieces, kind="text/event-stream"):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode()
        self.answers.append((head + b"".join(pieces), True))
        return self

    def asked(self):
        """The body of the last request."""
        return json.loads(self.server.requests[-1].body)

    def _script(self, wire):
        for _ in wire.requests():
            data, hangs_up = self.answers.pop(0)
            wire.send(data)
            if hangs_up:
                return


@pytest.fixture(scope="module")
def running():
    host = Host()
    with host.server:
        yield host


@pytest.fixture
def host(running):
    running.answers.clear()
    running.server.requests.clear()
    return running


def chunk(delta=None, reason=None, **fields):
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": reason}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **fields}


def whole(message, reason="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c-1", "object": "chat.completion", "model": "m-1", "choices": [choice], **fields}


def sse(*chunks, end="\n\n", space=" ", done="[DONE]"):
    lines = [item if isinstance(item, str) else json.dumps(item) for item in (*chunks, done) if item is not None]
    return "".join(f"data:{space}{line}{end}" for line in lines).encode()


def events_of(host, *pieces, row=NAME, **options):
    """All events of a stream, and the answer."""
    stream = host.streams(*pieces, **options).client(row).stream("q")
    return list(stream), stream.collect()


def joined(events, cls):
    return "".join(event.text for event in events if type(event) is cls)


def everything(response):
    """What two answers have in common when they are the same."""
    extras = [getattr(part, "extra", None) for part in response.message.content]
    return (response.message, extras, response.finish_reason, response.usage, response.id, response.model)


# ---- one answer in three ways: in chunks, whole, and whole although a stream was asked for ---------------------------


def thought(text, **rest):
    return Thinking(text, wire=NAME, extra={NAME: rest})


def summary(text, signature=""):
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text, "signature": signature}]}


DETAIL = {"type": "reasoning.text", "text": "ab", "index": 0}
SECRET = {"type": "reasoning.encrypted", "data": "z", "index": 0}
PAGE = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": None}}
MCP = {"id": "x1", "type": "mcp", "mcp": {"type": "call", "server_label": "s", "arguments": "{}"}}
ANSWERS = {
    "thoughts before": (
        [{"reasoning_content": "a", "content": None}, {"reasoning_content": "b"}, {"content": "X"}],
        {"reasoning_content": "ab", "content": "X"},
        [Thinking("ab", wire=NAME), Text("X")],
    ),
    "thoughts between": (
        [{"content": "X"}, {"reasoning": "a"}, {"content": "Y"}],
        {"reasoning": "a", "content": "XY"},
        [Thinking("a", wire=NAME), Text("XY")],
    ),
    "thoughts in one field, then in the other": (
        [{"reasoning": "a"}, {"reasoning_content": "b"}, {"content": "X"}],
        {"reasoning": "ab", "content": "X"},
        [Thinking("ab", wire=NAME), Text("X")],
    ),
    "a secret first": (
        [{"reasoning_details": [SECRET]}, {"reasoning": "a"}, {"content": "X"}],
        {"reasoning": "a", "reasoning_details": [SECRET], "content": "X"},
        [Thinking("a", wire=NAME), Text("X")],
    ),
    "details that begin empty": (
        [
            {"reasoning_details": [{**DETAIL, "text": ""}], "reasoning": ""},
            {"reasoning_details": [{**DETAIL, "text": "ab"}], "reasoning": "ab"},
            {"content": "X"},
        ],
        {"reasoning": "ab", "reasoning_details": [DETAIL], "content": "X"},
        [Thinking("ab", wire=NAME), Text("X")],
    ),
    "blocks whose thoughts are text": (
        [
            {"content": [{"type": "thinking", "thinking": "a"}]},
            {"content": [{"type": "thinking", "thinking": "b"}]},
            {"content": "X"},
        ],
        {"content": [{"type": "thinking", "thinking": "ab"}, {"type": "text", "text": "X"}]},
        [Thinking("ab", wire=NAME), Text("X")],
    ),
    "a block signed at its end": (
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}], "signature": None}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}], "signature": "s"}]},
            {"content": [{"type": "text", "text": "X"}]},
        ],
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "ab"}], "signature": "s"},
                {"type": "text", "text": "X"},
            ]
        },
        [Thinking("ab", wire=NAME), Text("X")],
    ),
    "blocks that are numbered": (
        [{"content": [{"type": "text", "text": "He", "index": 0}]}, {"content": [{"type": "text", "text": "llo"}]}],
        {"content": [{"type": "text", "text": "Hello", "index": 0}]},
        [Text("Hello")],
    ),
    "blocks with what is not there": (
        [{"content": [{"type": "text", "text": piece, "annotations": None}]} for piece in ("He", "llo")],
        {"content": [{"type": "text", "text": "Hello", "annotations": None}]},
        [Text("Hello")],
    ),
    "blocks that differ": (
        [{"content": [{"type": "text", "text": "a", "x": 1}]}, {"content": [{"type": "text", "text": "b", "x": 2}]}],
        {"content": [{"type": "text", "text": "a", "x": 1}, {"type": "text", "text": "b", "x": 2}]},
        [Text("a"), Text("b")],
    ),
    "a refusal in blocks": (
        [{"content": [{"type": "refusal", "refusal": "no"}]}, {"content": [{"type": "refusal", "refusal": " way"}]}],
        {"content": [{"type": "refusal", "refusal": "no way"}]},
        [Refusal("no way")],
    ),
    "thoughts in summaries that are signed": (
        [
            {"content": [summary("Let")]},
            {"content": [summary(" me")]},
            {"content": [summary("", "s1")]},
            {"content": [summary("see")]},
            {"content": [{"type": "text", "text": "X"}]},
        ],
        {
            "content": [
                {"type": "reasoning", "summary": [*summary("Let me", "s1")["summary"], *summary("see")["summary"]]},
                {"type": "text", "text": "X"},
            ]
        },
        [Thinking("Let mesee", wire=NAME), Text("X")],
    ),
    "signed thoughts beside thoughts": (
        [
            {"reasoning_content": "h", "thinking_blocks": [{"type": "thinking", "thinking": "h", "signature": ""}]},
            {"reasoning_content": "m", "thinking_blocks": [{"type": "thinking", "thinking": "m", "signature": ""}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]},
            {"thinking_blocks": [{"type": "redacted_thinking", "data": "z"}]},
            {"content": "X", "provider_specific_fields": {"citations": [1]}},
        ],
        {
            "reasoning_content": "hm",
            "thinking_blocks": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "z"},
            ],
            "content": "X",
            "provider_specific_fields": {"citations": [1]},
        },
        [Thinking("hm", wire=NAME), Text("X")],
    ),
    "a signature beside the text": (
        [{"content": "X"}, {"extra_content": {"google": {"thought_signature": "s"}}}],
        {"content": "X", "extra_content": {"google": {"thought_signature": "s"}}},
        [Text("X")],
    ),
    "a signature and nothing else": ([{"extra_content": {"a": 1}}], {"content": None, "extra_content": {"a": 1}}, []),
    "a call without a name": (
        [{"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "", "arguments": "{}"}}]}],
        {
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "", "arguments": "{}"}}],
        },
        [ToolCall("c1", "")],
    ),
    "a JSON object": ([{"content": {"a": 1}}], {"content": {"a": 1}}, [Text('{"a":1}')]),
    "text and a refusal": (
        [{"content": "hm", "refusal": None}, {"refusal": "I "}, {"refusal": "can't"}],
        {"content": "hm", "refusal": "I can't"},
        [Text("hm"), Refusal("I can't")],
    ),
    "sources": (
        [{"content": "X", "annotations": []}, {"content": "Y", "annotations": [PAGE]}],
        {"content": "XY", "annotations": [PAGE]},
        [Text("XY", [Citation(url="https://a.example")])],
    ),
    "a picture": (
        [{"content": "X", "images": None}, {"images": [PICTURE]}],
        {"content": "X", "images": [PICTURE]},
        [Text("X"), Image(PNG)],
    ),
    "a sound in pieces of its own": (
        [
            {"audio": {"id": "au", "transcript": "he"}},
            {"audio": {"data": base64.b64encode(WAV[:31]).decode()}},
            {"audio": {"data": base64.b64encode(WAV[31:]).decode(), "transcript": "llo"}},
            {"audio": {"expires_at": 5}},
        ],
        {"content": None, "audio": {"id": "au", "data": SOUND, "transcript": "hello", "expires_at": 5}},
        [Audio(WAV, transcript="hello")],
    ),
    "a sound cut anywhere": (
        [{"audio": {"id": "au", "data": SOUND[at : at + 10]}} for at in range(0, len(SOUND), 10)]
        + [{"audio": {"transcript": "hello"}}],
        {"audio": {"id": "au", "data": SOUND, "transcript": "hello"}},
        [Audio(WAV, transcript="hello")],
    ),
    "a call of a kind of tomorrow": (
        [
            {"tool_calls": [{"index": 0, **MCP}]},
            {"tool_calls": [{"index": 1, "id": "c1", "type": "function", "function": {"name": "f"}}]},
            {"content": "X"},
        ],
        {"content": "X", "tool_calls": [MCP, {"id": "c1", "type": "function", "function": {"name": "f"}}]},
        [Text("X"), Opaque(NAME, MCP), ToolCall("c1", "f")],
    ),
    "nothing but nulls": (
        [dict.fromkeys(("role", "content", "refusal", "tool_calls", "function_call", "audio", "reasoning"))],
        dict.fromkeys(("content", "refusal", "tool_calls", "function_call", "audio", "reasoning", "images")),
        [],
    ),
    "what stands beside the text in another shape": (
        [{"content": "X", "reasoning": {"a": 1}, "refusal": 1, "audio": "x", "annotations": {"a": 1}}],
        {"content": "X", "reasoning": {"a": 1}, "refusal": 1, "audio": "x", "annotations": {"a": 1}},
        [Text("X")],
    ),
    "fields that nobody knows": (
        [{"content": "X", "weird": {"a": [1]}}],
        {"content": "X", "weird": {"a": [1]}, "prefix": False},
        [Text("X")],
    ),
}


@pytest.mark.parametrize(("deltas", "message", "parts"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_in_three_ways(host, deltas, message, parts):
    body = whole(message, usage=COUNTS)
    expected = host.says(body).client().complete("q")
    assert expected.message == AssistantMessage(parts)
    assert expected.usage == Usage(20, 5)
    spread = sse(*map(chunk, deltas), chunk(reason="stop"), {"choices": [], "usage": COUNTS})
    for events, response in (events_of(host, spread), events_of(host, json.dumps(body).encode())):
        assert response == expected
        assert everything(response) == everything(expected)
        assert joined(events, TextDelta) == response.text
        assert joined(events, ThinkingDelta) == response.thinking
        assert [type(event) for event in events[-2:]] == [FinishReason, Usage]
        assert sum(isinstance(event, (FinishReason, Usage)) for event in events) == 2
        for call in response.tool_calls:
            fragments = [event for event in events if isinstance(event, ToolCallDelta) and event.id == call.id]
            assert {event.name for event in fragments} == {call.name}
            assert json.loads("".join(event.arguments for event in fragments)) == call.arguments


# The fields that every host is given back as it told them.
BACK = {
    "reasoning": str,
    "reasoning_content": str,
    "reasoning_details": list,
    "images": list,
    "thinking_blocks": list,
    "provider_specific_fields": dict,
    "extra_content": dict,
}


def _thoughts(content):
    return [block for block in content if block["type"] == "reasoning"]


@pytest.mark.parametrize(("deltas", "message", "parts"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_goes_back_to_its_host(host, deltas, message, parts):
    response = host.says(whole(message)).client("ollama").complete("q")
    host.says(whole({"content": "ok"})).client("ollama").complete(
        [UserMessage("q"), response.message, *(UserMessage(call.result("r")) for call in response.tool_calls)]
    )
    sent = next((turn for turn in host.asked()["messages"] if turn["role"] == "assistant"), {})
    for key, cls in BACK.items():
        known = isinstance(message.get(key), cls) and response.message.content
        assert sent.get(key) == (message[key] if known else None)
    assert sent.get("refusal") == response.refusal
    assert sent.get("tool_calls", []) == [
        {**call, "function": {"arguments": "{}", **call["function"]}} if "function" in call else call
        for call in message.get("tool_calls") or ()
    ]
    if isinstance(message.get("content"), list) and isinstance(sent["content"], list):
        assert _thoughts(sent["content"]) == _thoughts(message["content"])
    if isinstance(message.get("audio"), dict):
        assert sent["audio"] == {"id": "au"}


# ---- how a stream is framed ------------------------------------------------------------------------------------------

HI = (chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk(reason="stop"))
FRAMES = {
    "no space": sse(*HI, space=""),
    "two spaces": sse(*HI, space="  "),
    "CRLF": sse(*HI, end="\r\n\r\n"),
    "CR": sse(*HI, end="\r\r"),
    "its end mark twice": sse(*HI) + sse(),
    "bytes after its end mark": sse(*HI) + b'{"broken',
    "no blank line at the end": sse(*HI)[:-2],
    "no end mark": sse(*HI, done=None),
    "neither": sse(*HI, done=None)[:-2],
    "a byte order mark": b"\xef\xbb\xbf" + sse(*HI),
    "comments": b": \n\n: PROCESSING\n\n" + sse(HI[0], done=None) + b":\n" + sse(*HI[1:]),
    "fields beside the data": b"event: message\nid: 7\nretry: 10\n" + sse(*HI),
    "a name of its own": b"event: completion.chunk\n" + sse(*HI),
    "events without data": b"event: x\n\ndata:\n\ndata\n\n" + sse(*HI),
    "pings": b'event: ping\ndata: {"type": "ping"}\n\nevent: ping\ndata: pong\n\nevent: ping\ndata: null\n\n'
    + sse(*HI),
    "an end in words": sse(*HI, done=None) + b"event: done\ndata: finished\n\n",
    "a chunk on two lines": b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "Hi"}}]}\n\n' + sse(HI[2]),
    "the message of a whole body": sse(whole({"content": "Hi"})),
    "the message so far in each chunk": sse(
        {"choices": [{"index": 0, "message": {"content": "H"}, "finish_reason": None}]}, whole({"content": "Hi"})
    ),
    "deltas, and the message so far": sse(
        {"choices": [{"delta": {"content": "H"}, "message": {"content": "H"}, "finish_reason": None}]},
        {"choices": [{"delta": {"content": "i"}, "message": {"content": "Hi"}, "finish_reason": "stop"}]},
    ),
    "a word in between": sse(HI[0], {"message": "keep-alive"}, HI[1], {"code": 200, "message": "ok"}, HI[2]),
    "a number for all went well": sse(*HI[:2], {**HI[2], "base_resp": {"status_code": 0, "status_msg": ""}}),
    "no choices": sse({"id": "c-1"}, *HI[:2], {"id": "c-1", "choices": None}, HI[2]),
    "no delta": sse(*HI[:2], {"choices": [{"index": 0, "finish_reason": "stop"}]}),
    "a null delta": sse({"choices": [{"index": 0, "delta": None}]}, *HI),
    "an index in words": sse(*({"choices": [{**item["choices"][0], "index": "0"}]} for item in HI)),
    "no index": sse(*({"choices": [{**item["choices"][0], "index": None}]} for item in HI)),
    "a reason with the text": sse(chunk({"content": "Hi"}, "stop")),
    "a reason twice": sse(*HI, chunk(reason="stop")),
    "empty reasons": sse(chunk({"content": "Hi"}, ""), chunk(reason="stop"), chunk(reason="")),
    "Azure's": sse(
        {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{}]},
        *HI[:2],
        {"choices": [{"content_filter_offsets": {}, "finish_reason": None, "index": 0}], "id": "", "model": ""},
        HI[2],
    ),
}


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES.keys())
def test_frames(host, data):
    events, response = events_of(host, data)
    assert joined(events, TextDelta) == response.text == "Hi"
    assert events[-3:] == [Text("Hi"), FinishReason("stop", "stop"), Usage()]
    assert response.usage.raw is None


@pytest.mark.parametrize("kind", ["text/plain", "", "application/octet-stream", "text/event-stream; charset=latin-1"])
def test_the_declared_type_does_not_matter(host, kind):
    text = "Grüße 😀"
    assert events_of(host, sse(chunk({"content": text}, "stop")), kind=kind)[1].text == text
    assert events_of(host, json.dumps(whole({"content": text})).encode(), kind=kind)[1].text == text


CUT = {
    "no reason": sse(*HI[:2], done=None),
    "an end mark without a reason": sse(*HI[:2]),
    "an empty reason": sse(HI[0], chunk({"content": "Hi"}, "")),
    "amid a chunk": sse(*HI[:2], done=None) + b'data: {"choices": [{"ind',
    "usage without a reason": sse(*HI[:2], {"choices": [], "usage": COUNTS}),
    "the reason of another answer": sse(*HI[:2], {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT.keys())
def test_a_cut_stream_is_never_taken_for_whole(host, data):
    stream = host.streams(data).client().stream("q")
    events = []
    with pytest.raises(IncompleteStreamError) as caught:
        events.extend(stream)
    assert caught.value.partial.text == "Hi"
    assert caught.value.partial.finish_reason.reason == "unfinished"
    with pytest.raises(IncompleteStreamError):
        next(stream)


# ---- tool calls ------------------------------------------------------------------------------------------------------


def part(index=0, id_=None, name=None, arguments=None, **fields):
    """A fragment of a call, in which what is None is left out."""
    inner = {key: value for key, value in {"name": name, "arguments": arguments}.items() if value is not None}
    every = {"index": index, "id": id_, "function": inner, **fields}
    return {key: value for key, value in every.items() if value is not None}


ONE = [ToolCall("a", "f", {"x": 1})]
TWO = [ToolCall("a", "f", {"x": 1}), ToolCall("b", "g", {"y": 2})]
# Fragments, each in a chunk of its own but for those in a list.
FRAGMENTS = {
    "OpenAI's": ([part(0, "a", "f", "", type="function"), part(0, arguments='{"x"'), part(0, arguments=":1}")], ONE),
    "empty ids later": ([part(0, "a", "f", ""), part(0, "", "", '{"x":1}')], ONE),
    "nulls later": (
        [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": None}},
            {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": '{"x":1}'}},
        ],
        ONE,
    ),
    "another id on each fragment": (
        [part(0, "a", "f", ""), part(0, "p", None, '{"x"'), part(0, "q", None, ":1}")],
        ONE,
    ),
    "id and name on each fragment": (
        [part(0, "a", "f", ""), part(0, "a", "f", '{"x"'), part(0, "a", "f", ":1}")],
        ONE,
    ),
    "an object": ([part(0, "a", "f", {"x": 1})], ONE),
    "an empty object first": ([part(0, "a", "f", {}), part(0, arguments='{"x":1}')], ONE),
    "no function later": ([part(0, "a", "f", '{"x":1}'), {"index": 0}, {"index": 0, "function": None}], ONE),
    "by turns": (
        [
            part(0, "a", "f", ""),
            part(1, "b", "g", '{"y":'),
            part(0, arguments='{"x":'),
            [part(1, arguments="2}"), part(0, arguments="1}")],
        ],
        TWO,
    ),
    "by turns, numbered in words": (
        [
            part("0", "a", "f", '{"x"'),
            part("1", "b", "g", '{"y"'),
            part("0", arguments=":1}"),
            part("1", arguments=":2}"),
        ],
        TWO,
    ),
    "by turns, numbered with a point": (
        [
            part(0.0, "a", "f", '{"x"'),
            part(1.0, "b", "g", '{"y"'),
            part(0.0, arguments=":1}"),
            part(1.0, arguments=":2}"),
        ],
        TWO,
    ),
    "numbered from 1": ([part(1, "a", "f", '{"x":1}'), part(2, "b", "g", '{"y":2}')], TWO),
    "one number for both": (
        [part(0, "a", "f", ""), part(0, arguments='{"x":1}'), part(0, "b", "g", ""), part(0, arguments='{"y":2}')],
        TWO,
    ),
    "one number for both, at once": ([[part(0, "a", "f", '{"x":1}'), part(0, "b", "g", '{"y":2}')]], TWO),
    "not numbered": (
        [part(None, "a", "f", ""), part(None, None, None, '{"x":1}'), part(None, "b", "g", '{"y":2}')],
        TWO,
    ),
    "whole once more": (
        [part(0, "a", "f", ""), part(0, arguments='{"x"'), part(0, arguments=":1}"), part(0, "a", "f", '{"x":1}')],
        ONE,
    ),
    "whole once more, not numbered": ([part(None, "a", "f", '{"x":1}'), part(None, "a", "f", '{"x":1}')], ONE),
    "each the same, and two of them": (
        [part(0, "a", "f", '{"x":1}'), part(1, "b", "f", '{"x":1}')],
        [*ONE, ToolCall("b", "f", {"x": 1})],
    ),
    "not numbered, with ids": (
        [part(None, "a", "f", '{"x"'), part(None, "b", "g", '{"y":2}'), part(None, "a", None, ":1}")],
        TWO,
    ),
    "neither numbers nor ids": (
        [[part(None, None, "f", "{}"), part(None, None, "f", "{}")]],
        [ToolCall("call_0_c-1", "f"), ToolCall("call_1_c-1", "f")],
    ),
    "no arguments at all": ([part(0, "a", "f")], [ToolCall("a", "f")]),
    "arguments that are cut off": ([part(0, "a", "f", '{"x": "h')], [ToolCall("a", "f", raw='{"x": "h')]),
    "arguments that are no object": ([part(0, "a", "f", "[1]")], [ToolCall("a", "f", raw="[1]")]),
    "a custom call": (
        [
            {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": ""}},
            {"index": 0, "custom": {"input": 'li"n\n'}},
            {"index": 0, "id": "", "type": "custom", "custom": {"name": "", "input": "é\u2028"}},
        ],
        [ToolCall("a", "f", {"input": 'li"n\né\u2028'})],
    ),
}


@pytest.mark.parametrize(("fragments", "calls"), FRAGMENTS.values(), ids=FRAGMENTS.keys())
def test_fragments_of_calls(host, fragments, calls):
    deltas = [{"tool_calls": item if isinstance(item, list) else [item]} for item in fragments]
    events, response = events_of(host, sse(*map(chunk, deltas), chunk(reason="tool_calls")))
    assert response.tool_calls == tuple(calls)
    assert response.finish_reason == FinishReason("tool_calls", "tool_calls")
    for number, call in enumerate(calls):
        mine = [event for event in events if isinstance(event, ToolCallDelta) and event.index == number]
        assert {(event.id, event.name) for event in mine} == {(call.id, call.name)}
        text = "".join(event.arguments for event in mine)
        assert text == call.raw if call.raw is not None else json.loads(text) == call.arguments


# ---- why it ended, what it cost --------------------------------------------------------------------------------------

CALL = {"tool_calls": [{"id": "a", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
REASONS = {
    "stop": ({"content": "X"}, "stop", "stop"),
    "length": ({"content": "X"}, "length", "length"),
    "tool_calls": (CALL, "tool_calls", "tool_calls"),
    "function_call": ({"function_call": {"name": "f", "arguments": "{}"}}, "function_call", "tool_calls"),
    "calls, but stop": (CALL, "stop", "tool_calls"),
    "calls, cut off": (CALL, "length", "length"),
    "calls, filtered": (CALL, "content_filter", "content_filter"),
    "content_filter": ({"content": None}, "content_filter", "content_filter"),
    "error": ({"content": "X"}, "error", "error"),
    "refusal": ({"content": None, "refusal": "no"}, "stop", "refusal"),
    **{word: ({"content": "X"}, word, "stop") for word in ("eos", "eos_token", "end_turn")},
    **{word: ({"content": "X"}, word, "length") for word in ("max_tokens", "MAX_TOKENS")},
    **{
        word: ({"content": "X"}, word, "other")
        for word in ("guardrail_intervened", "sensitive", "insufficient_system_resource")
    },
}


@pytest.mark.parametrize(("message", "word", "reason"), REASONS.values(), ids=REASONS.keys())
def test_reasons(host, message, word, reason):
    response = host.says(whole(message, word)).client().complete("q")
    assert response.finish_reason == FinishReason(reason, word)
    assert events_of(host, sse(chunk(message), chunk(reason=word)))[1] == response


def test_a_whole_answer_without_a_reason(host):
    assert host.says(whole({"content": "X"}, None)).client().complete("q").finish_reason == FinishReason("other")


def with_reasoning(reasoning, total, **fields):
    details = {"completion_tokens_details": {"reasoning_tokens": reasoning}}
    return {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": total, **details, **fields}


# What a host tells → the counts. Each is told whole, in a chunk of its own and with the last of the answer.
BILLS = {
    "reasoning inside": (with_reasoning(1, 5), Usage(3, 2, reasoning_tokens=1)),
    "reasoning apart": (with_reasoning(4, 9), Usage(3, 6, reasoning_tokens=4)),
    "reasoning apart, beside": (
        {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9, "reasoning_tokens": 4},
        Usage(3, 6, reasoning_tokens=4),
    ),
    "totals that do not add up": (with_reasoning(4, 77), Usage(3, 2, reasoning_tokens=4)),
    "more cached than sent": (
        {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 9}},
        Usage(3, 2, 9),
    ),
    "cached in two places": (
        {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 2},
        Usage(3, 0, 2),
    ),
    "nulls": (
        {"prompt_tokens": 3, "completion_tokens": None, "prompt_tokens_details": None, "total_tokens": None},
        Usage(3),
    ),
}


@pytest.mark.parametrize(("bill", "usage"), BILLS.values(), ids=BILLS.keys())
def test_what_it_cost(host, bill, usage):
    text = chunk({"content": "X"}, usage=None)
    answers = [
        host.says(whole({"content": "X"}, usage=bill)).client().complete("q"),
        events_of(host, sse(text, chunk(reason="stop"), {"choices": [], "usage": bill}))[1],
        events_of(host, sse(text, chunk(reason="stop", usage=bill)))[1],
        events_of(host, sse(text, chunk(reason="stop", x_groq={"usage": bill})))[1],
        events_of(host, sse(text, chunk(reason="stop", usage=bill), {"choices": [], "usage": {}}))[1],
        events_of(host, sse(chunk({"content": "X"}, usage=COUNTS), chunk(reason="stop", usage=bill), done=None))[1],
    ]
    for answer in answers:
        assert answer.usage == usage
        assert answer.usage.raw == bill


def test_of_several_answers_the_first(host):
    other = {"index": 1, "message": {"content": "second"}, "finish_reason": "length"}
    body = whole({"content": "first"})
    body["choices"].insert(0, other)
    response = host.says(body).client().complete("q")
    assert (response.text, response.finish_reason.reason) == ("first", "stop")
    assert response.raw["choices"][0] == other
    data = {"choices": [{"index": 1, "delta": {"content": "second"}}, *chunk({"content": "first"})["choices"]]}
    length = {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}
    streamed = events_of(host, sse({**chunk(), **data}, chunk(reason="stop"), length))[1]
    assert streamed == response
    assert "choices" not in streamed.raw


def test_an_error_before_any_content_is_tried_again_inside_the_first_next(host):
    failed = sse(chunk({"role": "assistant", "content": ""}), {"error": {"message": "m", "code": 503}})
    stream = host.streams(failed).streams(sse(*HI)).client(max_retries=1).stream("q")
    assert len(host.server.requests) == 1
    assert next(stream) == TextDelta("Hi")
    assert (len(host.server.requests), stream.collect().attempts) == (2, 2)


def test_the_last_model_and_id_that_are_not_empty(host):
    chunks = (
        chunk({"content": "X"}, model="m-1"),
        {"choices": [], "id": "", "model": "m-2"},
        chunk(reason="stop", model="", id=""),
    )
    response = events_of(host, sse(*chunks))[1]
    assert (response.model, response.id) == ("m-2", "c-1")
    bare = host.says({"choices": [{"message": {"content": "X"}, "finish_reason": "stop"}]}).client().complete("q")
    assert (bare.id, bare.model, bare.text) == ("", "", "X")


def test_likelihoods_of_a_text_and_of_a_refusal(host):
    a, b = {"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}
    body = whole({"content": "a", "refusal": "b"})
    body["choices"][0]["logprobs"] = {"content": [a], "refusal": [b]}
    assert host.says(body).client().complete("q").logprobs == [a, b]
    chunks = [chunk({"content": "a"}), chunk({"refusal": "b"}), chunk(reason="stop")]
    for item, told in zip(chunks, ({"content": [a]}, {"refusal": [b]}), strict=False):
        item["choices"][0]["logprobs"] = told
    assert events_of(host, sse(*chunks))[1].logprobs == [a, b]


def test_counts_with_a_point(host):
    counts = {"prompt_tokens": 20.0, "completion_tokens": 5.0, "total_tokens": 25.0}
    assert host.says(whole({"content": "X"}, usage=counts)).client().complete("q").usage == Usage(20, 5)


# ---- errors ----------------------------------------------------------------------------------------------------------

LONG = "context_length_exceeded"
TOO_LONG = "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"
REFUSALS = {
    "Mistral, a field": (
        "422",
        {
            "object": "error",
            "message": {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]},
            "type": "invalid_request_error",
            "code": None,
        },
        (UnprocessableEntityError, "invalid_request_error", "body.model: Field required"),
    ),
    "xAI, a bad key": (
        "400",
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x."},
        (AuthenticationError, "Client specified an invalid argument", "Incorrect API key"),
    ),
    "DashScope, a bad key": (
        "401",
        {"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"},
        (AuthenticationError, "InvalidApiKey", "Invalid API-key"),
    ),
    "Cerebras": (
        "400",
        {"message": "Current length is 9000 while limit is 8192", "param": "messages", "code": LONG},
        (BadRequestError, LONG, "Current length"),
    ),
    "a server for models": (
        "422",
        {"error": TOO_LONG, "error_type": "validation"},
        (BadRequestError, LONG, "4096"),
    ),
    "a proxy": (
        "400",
        {"error": {"message": "litellm.ContextWindowExceededError: x", "type": None, "code": "400"}},
        (BadRequestError, LONG, "ContextWindowExceededError"),
    ),
    "Z.AI, no credit": (
        "429",
        {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}},
        (QuotaExceededError, "1113", "recharge"),
    ),
    "DeepSeek, no credit": (
        "402",
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}},
        (PaymentRequiredError, "invalid_request_error", "Insufficient Balance"),
    ),
    "OpenRouter": ("429", {"error": {"message": "slow", "code": 429}}, (RateLimitError, "429", "slow")),
    "Azure": (
        "404",
        {"error": {"code": "DeploymentNotFound", "message": "no deployment"}},
        (NotFoundError, "DeploymentNotFound", "no deployment"),
    ),
    "NVIDIA": (
        "404",
        {"status": 404, "title": "Not Found", "detail": "no function"},
        (NotFoundError, "404", "no function"),
    ),
    "a list of words": (
        "422",
        {"error": ["too many", "too long"]},
        (UnprocessableEntityError, None, "too many; too long"),
    ),
    "a detail that is an object": (
        "400",
        {"detail": {"message": "inner", "code": "c"}},
        (BadRequestError, "c", "inner"),
    ),
    "an error in a detail": ("400", {"detail": {"error": {"message": "inner"}}}, (BadRequestError, None, "inner")),
    "a list of errors": (
        "400",
        {"success": False, "errors": [{"code": 7003, "message": "no route"}]},
        (BadRequestError, "7003", "no route"),
    ),
    "a gateway's fault": (
        "401",
        {"fault": {"faultstring": "Invalid ApiKey"}},
        (AuthenticationError, None, "Invalid ApiKey"),
    ),
    "an error that is null": ("500", {"error": None, "message": "oops"}, (ServerError, None, "oops")),
    "nothing": ("500", b"", (ServerError, None, "no explanation")),
}


@pytest.mark.parametrize(("status", "body", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals(host, status, body, expected):
    cls, code, words = expected
    for ask in (Client.complete, Client.stream):
        with pytest.raises(APIError) as caught:
            ask(host.says(body, status=f"{status} X").client(), "q")
        error = caught.value
        assert (type(error), error.code, error.status) == (cls, code, int(status))
        assert words in str(error)


def test_a_prompt_that_is_too_long_is_no_reason_to_try_again(host):
    for status in ("400", "413", "422", "500"):
        host.says({"error": {"message": "context shift is disabled"}}, status=f"{status} X")
        with pytest.raises(BadRequestError) as caught:
            host.client(max_retries=2).complete("q")
        assert (caught.value.code, caught.value.status, caught.value.retryable) == (LONG, int(status), False)
        assert caught.value.attempts == 1


def test_words_that_end_a_stream_are_its_error(host):
    stream = host.streams(sse(chunk({"content": "Hi"}), {"message": "engine died"}, done=None)).client().stream("q")
    with pytest.raises(APIError, match="engine died") as caught:
        list(stream)
    assert caught.value.partial.text == "Hi"
    cut = host.streams(sse({"message": "keep-alive"}, chunk({"content": "Hi"}), done=None)).client().stream("q")
    with pytest.raises(IncompleteStreamError):
        list(cut)


ID_HEADERS = ("x-request-id", "x-ms-request-id", "mistral-correlation-id", "nvcf-reqid")


@pytest.mark.parametrize("name", ID_HEADERS)
def test_the_id_of_an_exchange(host, name):
    kind = f"application/json\r\n{name}: r-1"
    assert host.says(whole({"content": "X"}), kind=kind).client().complete("q").request_id == "r-1"
    with pytest.raises(ServerError) as caught:
        host.says({"error": {"message": "m"}}, status="500 X", kind=kind).client().complete("q")
    assert caught.value.request_id == "r-1"


ERRORS = {
    "a number": ({"error": {"message": "m", "code": 503}}, OverloadedError, 503),
    "a number in words": ({"error": {"message": "m", "code": "502"}}, ServerError, 502),
    "a type": ({"error": {"message": "m", "type": "rate_limit_error"}}, RateLimitError, 429),
    "a code": ({"error": {"message": "m", "code": "invalid_api_key"}}, AuthenticationError, 401),
    "words": ({"error": "overloaded"}, APIError, 200),
    "a type beside words": ({"error": "Model is overloaded", "error_type": "overloaded"}, OverloadedError, 503),
    "an error_code": ({"error_code": "INTERNAL_ERROR", "message": "m"}, ServerError, 500),
    "a list of errors": ({"errors": [{"message": "m", "code": 429}], "success": False}, RateLimitError, 429),
    "a numbered one": (
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "m"}},
        RateLimitError,
        429,
    ),
    "a word beside choices": (
        {**chunk(reason="stop"), "x_groq": {"id": "r", "error": "over_capacity"}},
        OverloadedError,
        503,
    ),
    "a word beside choices that go on": (
        {**chunk(), "x_groq": {"id": "r", "error": "over_capacity"}},
        OverloadedError,
        503,
    ),
    "a prompt that is too long": ({"error": "Reached context length of 4096 tokens"}, BadRequestError, 400),
    "a list": ([{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}], OverloadedError, 503),
    "beside choices": ({**chunk(reason="error"), "error": {"message": "m", "code": 502}}, ServerError, 502),
    "in a choice": ({"choices": [{"index": 0, "delta": {}, "error": {"message": "m", "code": 502}}]}, ServerError, 502),
}


@pytest.mark.parametrize(("body", "cls", "status"), ERRORS.values(), ids=ERRORS.keys())
def test_errors_in_what_began_well(host, body, cls, status):
    begun = sse(chunk({"content": "Hi"}), done=None)
    for data in (sse(body), f"event: error\n{sse(body).decode()}".encode(), json.dumps(body).encode() + b"\n\n"):
        stream = host.streams(begun, data).client().stream("q")
        with pytest.raises(APIError) as caught:
            list(stream)
        # An event of that name is the error itself, whatever it looks like.
        if "choices" not in body or data == sse(body):
            assert (type(caught.value), caught.value.status) == (cls, status)
        assert caught.value.partial.text == "Hi"
    with pytest.raises(APIError) as caught:
        host.says(body).client().complete("q")
    assert (type(caught.value), caught.value.status) == (cls, status)


# ---- what each host is sent ------------------------------------------------------------------------------------------

ROWS = [
    "openai-chat",
    "azure",
    "megallm-openai",
    "openrouter",
    "groq",
    "mistral",
    "deepseek",
    "xai",
    "together",
    "fireworks",
    "cerebras",
    "perplexity",
    "cohere",
    "nvidia",
    "huggingface",
    "github",
    "moonshot",
    "zai",
    "dashscope",
    "ollama",
    "lmstudio",
    "vllm",
    "llamacpp",
    "litellm",
]
NEW_KEY = {"openai-chat", "azure", "openrouter", "groq", "xai", "cerebras", "github", "litellm"}
TOP_K = {"openrouter", "together", "fireworks", "perplexity", "dashscope", "lmstudio", "vllm", "llamacpp", "litellm"}
AZURE = {"variables": {"endpoint": "https://res.example", "api_version": "v1"}}
EVERY = {
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 3,
    "seed": 7,
    "stop": "END",
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "logprobs": 2,
    "tools": [Tool("f", "d", {"type": "object", "properties": {}})],
    "tool_choice": "f",
    "parallel_tool_calls": False,
    "metadata": {"u": "1"},
    "service_tier": "auto",
    "cache": "5m",
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.filterwarnings(f"ignore::{UnsupportedWarning.__module__}.{UnsupportedWarning.__qualname__}")
def test_options_in_the_words_of_each_host(host, row):
    options = AZURE if row == "azure" else {}
    client = host.says(whole({"content": "X"})).client(row, unsupported="warn", **options)
    client.complete("q", **EVERY)
    body = host.asked()
    expected = {
        ("max_completion_tokens" if row in NEW_KEY else "max_tokens"): 9,
        ("random_seed" if row == "mistral" else "seed"): 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }
    if row in TOP_K:
        expected["top_k"] = 3
    if row != "cerebras":
        expected |= {"frequency_penalty": 0.1, "presence_penalty": 0.2}
    if row not in ("groq", "mistral", "perplexity", "cohere"):
        expected |= {"logprobs": True, "top_logprobs": 2}
    if row != "perplexity":
        if row != "cohere":
            expected["parallel_tool_calls"] = False
        if row != "ollama":
            expected["tool_choice"] = {"type": "function", "function": {"name": "f"}}
    assert {key: value for key, value in body.items() if key in expected} == expected
    left_out = {
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "logprobs",
        "tool_choice",
        "seed",
        "parallel_tool_calls",
    }
    assert not (left_out - expected.keys()) & body.keys()
    if row == "cohere":
        assert not {"metadata", "service_tier"} & body.keys()
    assert isinstance(body["messages"][0]["content"], list) == (row == "openrouter")  # where parts are marked


@pytest.mark.parametrize("row", ROWS)
def test_every_host_streams(host, row):
    options = AZURE if row == "azure" else {}
    host.streams(sse(*HI))
    assert host.client(row, **options).stream("q").collect().text == "Hi"
    body = host.asked()
    assert body["stream"] is True
    silent = row in ("mistral", "perplexity")  # they tell without being asked
    assert body.get("stream_options") == (None if silent else {"include_usage": True})


# Row, base URL below the server → where it asks.
PATHS = {
    "no version": ("openai-chat", "", "/v1/chat/completions"),
    "a version": ("openai-chat", "/v1", "/v1/chat/completions"),
    "a slash": ("openai-chat", "/v1/", "/v1/chat/completions"),
    "another version": ("openai-chat", "/api/v3", "/api/v3/chat/completions"),
    "a folder": ("openrouter", "/api", "/api/v1/chat/completions"),
    "a row with a version of its own": ("zai", "/api/paas", "/api/paas/v4/chat/completions"),
    "a deployment": ("azure", "/openai/deployments/other", "/openai/deployments/other/chat/completions?api-version=v1"),
    "the model's deployment": ("azure", "", "/openai/deployments/m/chat/completions?api-version=v1"),
    "its version": ("zai", "/api/paas/v4", "/api/paas/v4/chat/completions"),
    "Gemini's": ("openai-chat", "/v1beta/openai/", "/v1beta/openai/chat/completions"),
    "Vertex's": (
        "openai-chat",
        "/v1/projects/p/endpoints/openapi",
        "/v1/projects/p/endpoints/openapi/chat/completions",
    ),
    "a gateway's": ("openrouter", "/v1/account/gateway/openrouter", "/v1/account/gateway/openrouter/chat/completions"),
    "a row without any": ("perplexity", "", "/chat/completions"),
    "a row with more": ("github", "/inference", "/inference/chat/completions"),
}


@pytest.mark.parametrize(("row", "below", "path"), PATHS.values(), ids=PATHS.keys())
def test_base_urls(host, row, below, path):
    options = AZURE if row == "azure" else {}
    host.says(whole({"content": "X"})).client(row, base_url=host.server.url + below, **options).complete("q")
    assert host.server.requests[-1].path == path


# From whom, what it said, to whom → what that one is sent of it.
CALLED = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
SIGNED = [{**CALLED[0], "extra_content": {"google": {"thought_signature": "s"}}}]
BLOCK = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
FILE = {"type": "file", "file": {"hash": "h", "name": "a"}}
LEFT = {"role": "assistant", "content": "X"}
CALLS_ALONE = {"role": "assistant", "content": None, "tool_calls": CALLED}
MOVED = {
    "its own field": ("groq", {"content": "X", "reasoning": "hm"}, "groq", {**LEFT, "reasoning": "hm"}),
    "the same field": ("groq", {"content": "X", "reasoning": "hm"}, "cerebras", {**LEFT, "reasoning": "hm"}),
    "another's field": ("deepseek", {"content": "X", "reasoning_content": "hm"}, "groq", LEFT),
    "another's field of another": ("groq", {"content": "X", "reasoning": "hm"}, "deepseek", LEFT),
    "a field to blocks": ("deepseek", {"content": "X", "reasoning_content": "hm"}, "mistral", LEFT),
    "blocks": (
        "mistral",
        {"content": [BLOCK, {"type": "text", "text": "X"}]},
        "mistral",
        {**LEFT, "content": [BLOCK, {"type": "text", "text": "X"}]},
    ),
    "blocks to a field": ("mistral", {"content": [BLOCK, {"type": "text", "text": "X"}]}, "groq", LEFT),
    "details": ("openrouter", {"content": "X", "reasoning_details": [DETAIL]}, "moonshot", LEFT),
    "what was read in a file": ("openrouter", {"content": "X", "annotations": [FILE]}, "mistral", LEFT),
    "what was read in a file, to its host": (
        "openrouter",
        {"content": "X", "annotations": [FILE]},
        "openrouter",
        {**LEFT, "annotations": [FILE]},
    ),
    "a call's signature": (
        "litellm",
        {"content": None, "tool_calls": SIGNED},
        "litellm",
        {**CALLS_ALONE, "tool_calls": SIGNED},
    ),
    "a call's signature to another": ("litellm", {"content": None, "tool_calls": SIGNED}, "groq", CALLS_ALONE),
    "a turn's signature to another": ("litellm", {"content": "X", "extra_content": {"a": 1}}, "groq", LEFT),
    "signatures to a host that has no row": (
        "openai-chat",
        {"content": None, "tool_calls": SIGNED, "extra_content": {"a": 1}},
        "openai-chat",
        {**CALLS_ALONE, "tool_calls": SIGNED, "extra_content": {"a": 1}},
    ),
    "pictures to a host that has no row": (
        "openai-chat",
        {"content": "X", "images": [PICTURE]},
        "openai-chat",
        {**LEFT, "images": [PICTURE]},
    ),
    "thoughts before a call": (
        "moonshot",
        {"reasoning_content": "hm", "tool_calls": CALLED},
        "moonshot",
        {**CALLS_ALONE, "reasoning_content": "hm"},
    ),
    "no thoughts before a call": (
        "moonshot",
        {"reasoning_content": "", "tool_calls": CALLED},
        "moonshot",
        {**CALLS_ALONE, "reasoning_content": " "},
    ),
    "empty thoughts before a call": (
        "deepseek",
        {"reasoning_content": "", "tool_calls": CALLED},
        "deepseek",
        {**CALLS_ALONE, "reasoning_content": ""},
    ),
    "another's thoughts before a call": (
        "groq",
        {"reasoning": "hm", "tool_calls": CALLED},
        "deepseek",
        {**CALLS_ALONE, "reasoning_content": ""},
    ),
    "no call": ("deepseek", {"content": "X"}, "deepseek", LEFT),
}


@pytest.mark.parametrize(("teller", "message", "listener", "expected"), MOVED.values(), ids=MOVED.keys())
def test_what_a_host_is_told_again(host, teller, message, listener, expected):
    answer = host.says(whole(message)).client(teller).complete("q")
    results = [UserMessage(call.result("r")) for call in answer.tool_calls]
    turns = [UserMessage("q"), answer.message, *(results or [UserMessage("go on")])]
    host.says(whole({"content": "ok"})).client(listener).complete(turns)
    assert host.asked()["messages"][1] == expected


def test_a_turn_from_another_wire_that_calls(host):
    turn = AssistantMessage([Thinking("hm", signature="s", wire="anthropic-messages"), ToolCall("a", "f")])
    for row, thoughts in {"moonshot": " ", "deepseek": "", "groq": None}.items():
        host.says(whole({"content": "ok"})).client(row).complete(
            [UserMessage("q"), turn, UserMessage(ToolCall("a", "f").result("r"))]
        )
        assert host.asked()["messages"][1].get("reasoning_content") == thoughts


def test_a_picture_of_a_model_that_the_host_does_not_take_back(host):
    answer = host.says(whole({"content": "X", "images": [PICTURE]})).client("openrouter").complete("q")
    with pytest.raises(UnsupportedOptionError, match=r"prompt\[1\]\.content\[1\]"):
        host.client("groq").complete([UserMessage("q"), answer.message, UserMessage("r")])


EFFORTS = {
    ("mistral", "none"): "none",
    ("mistral", "low"): "high",
    ("mistral", "xhigh"): "high",
    ("cohere", "none"): "none",
    ("cohere", "medium"): "high",
}


@pytest.mark.parametrize(("row", "level"), EFFORTS)
def test_how_much_hosts_of_two_words_are_told_to_reason(host, row, level):
    host.says(whole({"content": "X"})).client(row).complete("q", reasoning=level)
    assert host.asked()["reasoning_effort"] == EFFORTS[row, level]


FILMS = {"vllm": "video_url", "dashscope": "video_url", "openrouter": "video_url"}


@pytest.mark.parametrize(("row", "kind"), FILMS.items())
def test_films(host, row, kind):
    host.says(whole({"content": "X"})).client(row).complete(UserMessage(["q", Video(url="https://x.example/y.mp4")]))
    assert {"type": kind, kind: {"url": "https://x.example/y.mp4"}} in host.asked()["messages"][0]["content"]


def test_a_choice_of_one_tool_tells_its_type(host):
    tools = [Tool("f", "d", {"type": "object"}), ServerTool({"type": "custom", "custom": {"name": "g"}})]
    for name, choice in {
        "f": {"type": "function", "function": {"name": "f"}},
        "g": {"type": "custom", "custom": {"name": "g"}},
        "required": "required",
    }.items():
        host.says(whole({"content": "X"})).client().complete("q", tools=tools, tool_choice=name)
        assert host.asked()["tool_choice"] == choice


# ---- models and embeddings -------------------------------------------------------------------------------------------

LISTS = {
    "openai-chat": ("", "/v1/models"),
    "github": ("/inference", "/catalog/models"),
    "cohere": ("/compatibility/v1", "/v1/models"),
    "mistral": ("/v1", "/v1/models"),
}


@pytest.mark.parametrize("row", LISTS)
def test_where_models_are_listed(host, row):
    below, path = LISTS[row]
    for base_url in (host.server.url + below, host.server.url):
        (model,) = host.says({"object": "list", "data": [{"id": "a"}]}).client(row, base_url=base_url).models()
        assert (model.id, host.server.requests[-1].path) == ("a", path)


PAGES = {
    "ids": (
        [{"data": [{"id": "a"}], "has_more": True}, {"data": [{"id": "b"}], "has_more": False}],
        ["/v1/models", "/v1/models?after=a"],
        ["a", "b"],
    ),
    "tokens": (
        [{"models": [{"name": "a"}], "next_page_token": "t"}, {"models": [{"name": "b"}], "next_page_token": ""}],
        ["/v1/models", "/v1/models?page_token=t"],
        ["a", "b"],
    ),
    "a mere list": ([[{"id": "a"}]], ["/v1/models"], ["a"]),
    "none": ([{"object": "list", "data": []}], ["/v1/models"], []),
    "null": ([{"object": "list", "data": None}], ["/v1/models"], []),
}


@pytest.mark.parametrize(("bodies", "paths", "names"), PAGES.values(), ids=PAGES.keys())
def test_every_page_of_models(host, bodies, paths, names):
    for body in bodies:
        host.says(body)
    assert [model.id for model in host.client().models()] == names
    assert [asked.path for asked in host.server.requests] == paths


@pytest.mark.parametrize("created", ["2026-01-02", "2026-01-02T00:00:00Z", 1767312000])
def test_dates_of_models_can_be_compared(host, created):
    (model,) = host.says({"data": [{"id": "a", "created": None, "created_at": created}]}).client().models()
    assert model.created.isoformat() == "2026-01-02T00:00:00+00:00"


def floats(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def embedded(*rows, **fields):
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in rows]
    return {"object": "list", "data": data, "model": "e-1", **fields}


VECTORS = {
    "numbers": (embedded((0, [1, 2.5]), (1, [3, 4])), "dd"),
    "base64": (embedded((0, floats(1, 2.5)), (1, floats(3, 4))), "ff"),
    "both": (embedded((0, floats(1, 2.5)), (1, [3, 4])), "fd"),
    "shuffled": (embedded((1, floats(3, 4)), (0, floats(1, 2.5))), "ff"),
    "not numbered": (embedded((None, [1, 2.5]), (None, [3, 4])), "dd"),
}


@pytest.mark.parametrize(("body", "codes"), VECTORS.values(), ids=VECTORS.keys())
def test_embeddings(host, body, codes):
    found = host.says({**body, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).client().embed(["a", "b"])
    assert [list(vector) for vector in found.vectors] == [[1, 2.5], [3, 4]]
    assert [vector.typecode for vector in found.vectors] == list(codes)
    assert (found.model, found.usage) == ("e-1", Usage(4))


def test_a_wrong_number_of_vectors(host):
    with pytest.raises(InvalidResponseError, match="expected 2 vectors, got 1"):
        host.says(embedded((0, [1.0]))).client().embed(["a", "b"])
