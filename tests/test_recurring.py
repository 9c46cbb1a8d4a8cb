"""Events that differ in one text only: read by the text alone, and with the same outcome as by the whole way.

What a host may add at any time, a field that nobody knows and whose value changes, makes every event take the whole
way: so each stream is told once as it is and once with such a field.
"""

import json
import time

import pytest
from faults.calls import KEY, chunked, once
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sockets import Server
from test_shortest_way import told

from llmkit import Client, TextDelta
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire
from llmkit.wire.recurring import Recurring


@pytest.fixture(autouse=True, params=[50, 1], ids=["seldom", "often"])
def often(request, monkeypatch):
    """Events of a shape after which all of it becomes one pattern: the outcome is the same before and after."""
    monkeypatch.setattr("llmkit.wire.recurring._OFTEN", request.param)


# ---- one shape ------------------------------------------------------------------------------------------------------


def event(data, name="message"):
    return ServerSentEvent(name, data if isinstance(data, str) else json.dumps(data))


def learned(data, text, path=("a", "b"), **arguments):
    """A shape that was learned of an event, and what it was told since."""
    silent = arguments.pop("silent", ())
    shape = Recurring(*silent, **arguments)
    shape.learn(event(data), text, path, lambda text: [text])
    shape.read(event(data))
    return shape


READ = {
    "other letters": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"yz"}}', ["yz"]),
    "letters that are escaped": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"\\"\\u00e9\\ud83d\\ude00\\n"}}', ['"é😀\n']),
    "half a pair": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"\\ud83d"}}', ["\ud83d"]),
    "no letters": ('{"a":{"b":"x"}}', "x", '{"a":{"b":""}}', None),
    "another value": ('{"a":{"b":"x"},"c":1}', "x", '{"a":{"b":"x"},"c":2}', None),
    "another key": ('{"a":{"b":"x"}}', "x", '{"a":{"c":"x"}}', None),
    "one more key": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"x","c":1}}', None),
    "another kind of value": ('{"a":{"b":"x"}}', "x", '{"a":{"b":null}}', None),
    "cut": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"x', None),
    "cut behind the letters": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"x"}', None),
    "a bad escape": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"\\x"}}', None),
    "a control character": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"\n"}}', None),
    "more behind the end": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"x"}}}', None),
    "padding": ('{"a":{"b":"x"}   }', "x", '{"a":{"b":"y"} }', ["y"]),
    "no padding any more": ('{"a":{"b":"x"}   }', "x", '{"a":{"b":"y"}}', ["y"]),
    "padding for the first time": ('{"a":{"b":"x"}}', "x", '{"a":{"b":"y"} }', None),
    "a text that stands twice": ('{"a":{"b":"x"},"c":"x"}', "x", '{"a":{"b":"y"},"c":"x"}', None),
    "a text that is a key, too": ('{"a":{"b":"a"}}', "a", '{"a":{"b":"y"}}', None),
    "a text that was escaped, and stands in another place": (
        '{"c":"é","a":{"b":"\\u00e9"}}',
        "é",
        '{"c":"y","a":{"b":"\\u00e9"}}',
        None,
    ),
    "a key that stands twice, of which the last holds": (
        '{"a":{"b":"x"},"a":{"b":"y"}}',
        "x",
        '{"a":{"b":"z"},"a":{"b":"y"}}',
        None,
    ),
}


@pytest.mark.parametrize(("first", "text", "second", "expected"), READ.values(), ids=READ.keys())
def test_what_is_like_it(first, text, second, expected):
    assert learned(first, text).read(event(second)) == expected


SILENT = {
    "a number": ('{"n":1,"a":{"b":"x"}}', '{"n":22,"a":{"b":"y"}}', ["y"]),
    "letters": ('{"a":{"b":"x"},"p":"abc"}', '{"a":{"b":"y"},"p":"d"}', ["y"]),
    "both, on both sides": ('{"n":0,"a":{"b":"x"},"p":""}', '{"n":10,"a":{"b":"y"},"p":"zz"}', ["y"]),
    "with blanks": ('{"n": 1, "a": {"b": "x"}, "p": "q"}', '{"n": 2, "a": {"b": "y"}, "p": ""}', ["y"]),
    "a number that is none": ('{"n":1,"a":{"b":"x"}}', '{"n":01,"a":{"b":"y"}}', None),
    "a number with a point": ('{"n":1,"a":{"b":"x"}}', '{"n":1.5,"a":{"b":"y"}}', None),
    "a number of thousands of digits": ('{"n":1,"a":{"b":"x"}}', '{"n":%s,"a":{"b":"y"}}' % ("9" * 5000), None),
    "letters with an escape": ('{"a":{"b":"x"},"p":"abc"}', '{"a":{"b":"y"},"p":"\\n"}', None),
    "another kind": ('{"n":1,"a":{"b":"x"}}', '{"n":null,"a":{"b":"y"}}', None),
    "in another object": ('{"c":{"n":1},"n":1,"a":{"b":"x"}}', '{"c":{"n":2},"n":1,"a":{"b":"y"}}', None),
    "escapes in the text": ('{"n":1,"a":{"b":"x"}}', '{"n":1,"a":{"b":"\\"\\u00e9\\ud83d\\ude00"}}', ['"é😀']),
    "a bad escape in the text": ('{"n":1,"a":{"b":"x"}}', '{"n":1,"a":{"b":"\\x"}}', None),
    "a text that is cut": ('{"n":1,"a":{"b":"x"}}', '{"n":1,"a":{"b":"x\\', None),
    "no text": ('{"n":1,"a":{"b":"x"}}', '{"n":1,"a":{"b":""}}', None),
    "more behind it": ('{"n":1,"a":{"b":"x"}}', '{"n":1,"a":{"b":"x"}}\n', None),
    "in the text": ('{"a":{"b":"\\"n\\":1"}}', '{"a":{"b":"\\"n\\":2"}}', None),
}


@pytest.mark.parametrize(("first", "second", "expected"), SILENT.values(), ids=SILENT.keys())
def test_what_says_nothing(first, second, expected):
    text = json.loads(first)["a"]["b"]
    assert learned(first, text, silent=("n", "p")).read(event(second)) == expected


def test_the_name_belongs_to_it():
    shape = learned('{"a":{"b":"x"}}', "x")
    assert shape.read(event('{"a":{"b":"y"}}', "error")) is None


def test_it_is_forgotten():
    shape = learned('{"a":{"b":"x"}}', "x")
    shape.forget()
    assert shape.read(event('{"a":{"b":"y"}}')) is None


def test_what_is_never_alike_is_not_learned_for_ever():
    shape, at_first = Recurring(), []
    for number in range(30):
        one, other = ({"n": n, "a": {"b": "x"}} for n in (number, number + 1))
        shape.learn(event(one), "x", ("a", "b"), lambda text: [text])
        assert shape.read(event(other)) is None
        shape.learn(event(one), "x", ("a", "b"), lambda text: [text])
        at_first.append(shape._head != "\0")
    assert at_first[0]
    assert not at_first[-1]


def test_a_value_that_changes_is_counted_once_the_shape_without_it_did_not_recur():
    counts = []
    shape = Recurring(counted="u", count=counts.append)
    for number in range(3):
        found = shape.read(event({"a": {"b": f"t{number}"}, "u": {"n": [number]}}))
        if found is None:
            one = event({"a": {"b": f"t{number}"}, "u": {"n": [number]}})
            shape.learn(one, f"t{number}", ("a", "b"), lambda text: [text])
    assert found == ["t2"]
    assert counts == [{"n": [2]}]
    assert shape.read(event('{"a": {"b": "x"}, "u": {"n": NaN}}')) is None
    assert shape.read(event('{"a": {"b": "x"}, "u": ' + "[" * 300 + "]" * 300 + "}")) is None
    assert shape.read(event('{"a": {"b": "x"}, "u": }')) is None
    assert counts == [{"n": [2]}]


def test_many_blanks_are_looked_at_once():
    """A model may say nothing else; a pattern that tries each of them anew takes minutes."""
    text = " " * 100_000 + "x"
    began = time.thread_time()
    assert learned({"a": {"b": text}}, text).read(event({"a": {"b": "y"}})) == ["y"]
    assert time.thread_time() - began < 5


# ---- the four wires --------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["a", " b", "ccc", "", '"', "é", "\ud83d", "\u2028", "type", "text", "0", "{}", "\\n"])


def chat(deltas):
    """Chunks; their words, and what stands beside these."""
    for field, text, beside in deltas:
        around, delta = {"id": "i", "model": "m", **beside}, {field: text}
        if field == "tool_calls":
            call = {"index": 0, "function": {"arguments": text}}
            delta = {
                field: [
                    call if beside.get("more") else {**call, "id": "c", "function": {"name": "f", "arguments": text}}
                ]
            }
        yield "message", {**around, "choices": [{"index": 0, "delta": delta, "finish_reason": beside.get("why")}]}


def anthropic(deltas):
    """Blocks that follow each other, of several deltas each."""
    yield "message_start", {"message": {"id": "i", "model": "m"}}
    at, kinds = -1, {"content": "text", "reasoning": "thinking", "tool_calls": "partial_json"}
    before = None
    for field, text, _ in deltas:
        kind = kinds[field]
        if kind != before:
            if before is not None:
                yield "content_block_stop", {"index": at}
            at, before = at + 1, kind
            block = {"type": "tool_use", "id": f"c{at}", "name": "f", "input": {}}
            yield (
                "content_block_start",
                {"index": at, "content_block": block if kind == "partial_json" else {"type": kind, kind: ""}},
            )
        name = "input_json_delta" if kind == "partial_json" else f"{kind}_delta"
        yield "content_block_delta", {"index": at, "delta": {"type": name, kind: text}}
    if before is not None:
        yield "content_block_stop", {"index": at}
    yield "message_delta", {"delta": {"stop_reason": "end_turn"}}
    yield "message_stop", {}


def responses(deltas):
    """Items that follow each other."""
    yield "response.created", {"response": {"id": "i", "model": "m"}}
    about = {
        "content": ("message", "response.output_text.delta"),
        "reasoning": ("reasoning", "response.reasoning_summary_text.delta"),
        "tool_calls": ("function_call", "response.function_call_arguments.delta"),
    }
    at, before = -1, None
    for number, (field, text, beside) in enumerate(deltas):
        kind, name = about[field]
        if kind != before:
            at, before = at + 1, kind
            item = {"type": kind, "id": f"x{at}"}
            item |= {"call_id": f"c{at}", "name": "f", "arguments": ""} if kind == "function_call" else {}
            yield "response.output_item.added", {"output_index": at, "item": item}
        place = {"output_index": at, "content_index": 0, "summary_index": 1 if beside.get("more") else 0}
        yield name, {**place, "delta": text, "logprobs": beside.get("logprobs", []), "sequence_number": number}
    yield "response.completed", {"response": {"status": "completed"}}


def gemini(deltas):
    """Chunks, some of which tell of counts."""
    for number, (field, text, beside) in enumerate(deltas):
        part = {"text": text, "thought": True} if field == "reasoning" else {"text": text}
        if beside.get("more"):
            part["thoughtSignature"] = "s"
        if field == "tool_calls":
            part = {"functionCall": {"id": f"c{number}", "name": "f", "args": {"a": text}}}
            if number % 7:
                piece = {"jsonPath": f"$.{'b' if number % 5 else 'a'}", "stringValue": text, "willContinue": True}
                part = {"functionCall": {"partialArgs": [piece], "willContinue": number % 6 != 0}}
                part["functionCall"] |= {"name": "f", "id": f"c{number}"} if number % 4 == 1 else {}
        candidate = {"content": {"parts": [part]}}
        if "why" in beside:
            candidate["finishReason"] = "STOP"
        yield "message", {"candidates": [candidate], "usageMetadata": {"totalTokenCount": number // 3}}


STREAMS = {
    "openai-chat": chat,
    "anthropic-messages": anthropic,
    "openai-responses": responses,
    "gemini-generate": gemini,
}
beside = st.sampled_from(
    [
        {},
        {},
        {},
        {},
        {"more": 1},
        {"usage": {"prompt_tokens": 1}},
        {"usage": None},
        {"why": "stop"},
        {"logprobs": [{"token": "t"}]},
    ]
)
each_delta = st.lists(
    st.tuples(st.sampled_from(["content", "reasoning", "tool_calls"]), st.lists(TEXTS, min_size=1, max_size=5), beside),
    max_size=8,
).map(lambda runs: [(field, text, beside) for field, texts, beside in runs for text in texts])


@pytest.mark.parametrize(("name", "stream"), STREAMS.items(), ids=STREAMS.keys())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deltas=each_delta, separators=st.sampled_from([(",", ":"), (", ", ": ")]), ascii_only=st.booleans())
def test_the_whole_way_gives_the_same(name, stream, deltas, separators, ascii_only):
    events = [(kind, {"type": kind, **data}) for kind, data in stream(deltas)]

    def written(data):
        return json.dumps(data, separators=separators, ensure_ascii=ascii_only)

    short = [(kind, written(data)) for kind, data in events]
    for number, (_, data) in enumerate(events):
        # Of a chunk of Gemini's, all that changes beside its candidates is news.
        holder = data["candidates"][0]["content"] if "candidates" in data else data
        holder["number"] = number
    long = [(kind, written(data)) for kind, data in events]
    assert told(name, short) == told(name, long)


@pytest.mark.parametrize(("name", "stream"), STREAMS.items(), ids=STREAMS.keys())
def test_most_events_take_the_short_way(name, stream):
    """On each wire: else the whole test above would look at nothing."""
    decoder = wire(name).decoder(None)
    taken = []
    read = Recurring.read
    deltas = [("content", f" word{number}", {}) for number in range(50)]
    for kind, data in stream(deltas):
        one = event({"type": kind, **data}, kind)
        before = decoder._recurring
        taken.append(read(before, one) is not None)
        decoder.feed(one)
    assert sum(taken) >= 30


def test_one_pattern_is_made_of_what_recurs(often):
    shape = learned('{"n":1,"a":{"b":"x"}}', "x", silent=("n",))
    for _ in range(60):
        assert shape.read(event('{"n":2,"a":{"b":"y"}}')) == ["y"]
    assert shape._whole is not None
    shape.learn(event('{"m":1,"a":{"b":"x"}}'), "x", ("a", "b"), lambda text: [text])
    assert shape.read(event('{"n":2,"a":{"b":"y"}}')) is None


def test_bytes_of_a_recording():
    """Letters as they are or escaped, padded as the provider pads: it is the same text."""
    begins = [
        {"type": "message_start", "message": {"id": "i", "model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    delta = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}%s}\n\n'
    pieces = [b"one", b" two", b"\\n\\u00e9", "é".encode(), b'\\"', b" three"]
    raw = b"".join(b"data: %s\n\n" % json.dumps(data).encode() for data in begins)
    raw += b"".join(delta % (piece, b" " * (3 * number % 5)) for number, piece in enumerate(pieces))
    ends = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    raw += b"".join(b"data: %s\n\n" % json.dumps(data).encode() for data in ends)
    with Server(once(chunked(raw))) as server:
        client = Client("anthropic", model="m", api_key=KEY, base_url=server.url, max_retries=0)
        with client.stream("Hi") as stream:
            events = [found.text for found in stream if isinstance(found, TextDelta)]
    assert events == ["one", " two", "\né", "é", '"', " three"]
