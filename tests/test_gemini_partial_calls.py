"""Calls of `gemini-generate` whose arguments come in pieces: put together, or kept for what they are; never fatal."""

import json

import pytest

from llmkit import Opaque, Text, TextDelta, ToolCall, ToolCallDelta
from llmkit.accumulate import Accumulator
from llmkit.sse import ServerSentEvent
from llmkit.wire import wire
from llmkit.wire.gemini_generate.partial_calls import Arguments
from llmkit.wire.quirks import GeminiGenerateQuirks

NAME = "gemini-generate"
WIRE = wire(NAME)
QUIRKS = GeminiGenerateQuirks()


def text(path, value, *, more=False):
    return {"jsonPath": path, "stringValue": value, **({"willContinue": True} if more else {})}


def number(path, value):
    return {"jsonPath": path, "numberValue": value}


# Pieces → the arguments, and whether they are all of them.
PIECES = {
    "none": ([], {}, True),
    "one of each kind": (
        [
            text("$.s", "a"),
            number("$.n", 1.5),
            {"jsonPath": "$.b", "boolValue": False},
            {"jsonPath": "$.z", "nullValue": "NULL_VALUE"},
        ],
        {"s": "a", "n": 1.5, "b": False, "z": None},
        True,
    ),
    "a text in pieces": ([text("$.s", "Bos", more=True), text("$.s", "ton")], {"s": "Boston"}, True),
    "two texts by turns": (
        [text("$.a", "1", more=True), text("$.b", "2", more=True), text("$.a", "3"), text("$.b", "4")],
        {"a": "13", "b": "24"},
        True,
    ),
    "an empty piece at the end": ([text("$.s", "warm", more=True), text("$.s", "")], {"s": "warm"}, True),
    "a text that begins with nothing": (
        [{"jsonPath": "$.s", "willContinue": True}, text("$.s", "a")],
        {"s": "a"},
        True,
    ),
    "a text that is told again": ([text("$.s", "a"), text("$.s", "b")], {"s": "b"}, True),
    "objects and lists": (
        [text("$.a.b[0].c", "x"), text("$.a.b[1].c", "y"), number("$.a.d[0][0]", 1)],
        {"a": {"b": [{"c": "x"}, {"c": "y"}], "d": [[1]]}},
        True,
    ),
    "names in quotes": ([number("$['a.b']", 1), number('$["c d"].e', 2)], {"a.b": 1, "c d": {"e": 2}}, True),
    "a name that is empty": ([number("$['']", 1)], {"": 1}, True),
    "an item that is told again": ([number("$.a[0]", 1), number("$.a[0]", 2)], {"a": [2]}, True),
    "an item that becomes another": ([number("$.a[0].b", 1), number("$.a[0]", 2)], {"a": [2]}, True),
    "a text that goes on": ([text("$.s", "Bos", more=True)], {"s": "Bos"}, False),
    "an item behind a gap": ([number("$.a[7]", 1), number("$.b", 2)], {"a": [], "b": 2}, False),
    "an item of what is no list": ([number("$.a", 1), number("$.a[0]", 2)], {"a": 1}, False),
    "a field of what is no object": ([number("$.a[0]", 1), number("$.a.b", 2)], {"a": [1]}, False),
    "many places at once": ([number("$.a[*]", 1), number("$.b", 2)], {"b": 2}, False),
    "the whole": ([number("$", 1)], {}, False),
    "no path": ([{"numberValue": 1}], {}, False),
    "deeper than anything": ([number("$" + ".a" * 500, 1)], {}, False),
    "a piece that is none": (["x"], {}, False),
}


@pytest.mark.parametrize(("pieces", "found", "whole"), PIECES.values(), ids=PIECES.keys())
def test_arguments(pieces, found, whole):
    arguments = Arguments()
    for piece in pieces:
        arguments.add([piece])
    arguments.add(None)
    assert arguments.close() == (found, whole)


# ---- in an answer ----------------------------------------------------------------------------------------------------


def begun(name="get", **more):
    return {"functionCall": {"name": name, "willContinue": True, **more}}


def goes_on(*pieces):
    return {"functionCall": {"partialArgs": [*pieces], "willContinue": True}}


END = {"functionCall": {}}
CITY = [goes_on(text("$.city", "Bos", more=True)), goes_on(text("$.city", "ton"))]
BEGUN = ToolCallDelta(0, "call_r_0", "get", "")
BOSTON = ToolCall("call_r_0", "get", {"city": "Boston"}, extra={NAME: {"id": None}})
CUT = ToolCall("call_r_0", "get", raw='{"city":"Boston"}', extra={NAME: {"id": None}})
# Parts → events.
ANSWERS = {
    "a call": (
        [begun(), *CITY, END],
        [BEGUN, ToolCallDelta(0, "call_r_0", "get", '{"city":"Boston"}'), BOSTON],
    ),
    "one with an id and a signature": (
        [{**begun(id="i"), "thoughtSignature": "s"}, *CITY, END],
        [
            ToolCallDelta(0, "i", "get", ""),
            ToolCallDelta(0, "i", "get", '{"city":"Boston"}'),
            ToolCall("i", "get", {"city": "Boston"}, extra={NAME: {"thoughtSignature": "s"}}),
        ],
    ),
    "one whose signature comes last": (
        [begun(id="i"), {**END, "thoughtSignature": "s"}],
        [
            ToolCallDelta(0, "i", "get", ""),
            ToolCallDelta(0, "i", "get", "{}"),
            ToolCall("i", "get", extra={NAME: {"thoughtSignature": "s"}}),
        ],
    ),
    "one that begins with whole arguments": (
        [begun(id="i", args={"n": 1}), *CITY, END],
        [
            ToolCallDelta(0, "i", "get", ""),
            ToolCallDelta(0, "i", "get", '{"n":1,"city":"Boston"}'),
            ToolCall("i", "get", {"n": 1, "city": "Boston"}),
        ],
    ),
    "one whose last piece ends it": (
        [begun(id="i"), {"functionCall": {"partialArgs": [number("$.n", 1)]}}, END],
        [ToolCallDelta(0, "i", "get", ""), ToolCallDelta(0, "i", "get", '{"n":1}'), ToolCall("i", "get", {"n": 1})],
    ),
    "two, and text between": (
        [begun(id="i"), END, {"text": "a"}, begun("set", id="j"), END],
        [
            ToolCallDelta(0, "i", "get", ""),
            ToolCallDelta(0, "i", "get", "{}"),
            ToolCall("i", "get"),
            TextDelta("a"),
            Text("a"),
            ToolCallDelta(1, "j", "set", ""),
            ToolCallDelta(1, "j", "set", "{}"),
            ToolCall("j", "set"),
        ],
    ),
    "text before one": (
        [{"text": "a"}, begun(id="i"), END],
        [
            TextDelta("a"),
            Text("a"),
            ToolCallDelta(0, "i", "get", ""),
            ToolCallDelta(0, "i", "get", "{}"),
            ToolCall("i", "get"),
        ],
    ),
    "one that does not end": (
        [begun(), *CITY],
        [BEGUN, ToolCallDelta(0, "call_r_0", "get", '{"city":"Boston"}'), CUT],
    ),
    "one that another follows before its end": (
        [begun(), *CITY, {"functionCall": {"id": "j", "name": "set", "args": {}}}],
        [
            BEGUN,
            ToolCallDelta(0, "call_r_0", "get", '{"city":"Boston"}'),
            CUT,
            ToolCallDelta(1, "j", "set", "{}"),
            ToolCall("j", "set"),
        ],
    ),
    "pieces of no call": ([CITY[0]], [Opaque(NAME, CITY[0])]),
}
each_answer = pytest.mark.parametrize(("parts", "events"), ANSWERS.values(), ids=ANSWERS.keys())


def chunk(*parts, **candidate):
    return {"candidates": [{"content": {"parts": [*parts]}, **candidate}], "responseId": "r"}


def fed(parts):
    decoder = WIRE.decoder(QUIRKS)
    events = [decoder.feed(ServerSentEvent("message", json.dumps(chunk(part)))) for part in parts]
    decoder.feed(ServerSentEvent("message", json.dumps(chunk(finishReason="STOP"))))
    return decoder, [event for some in events for event in some or ()]


@each_answer
def test_a_call_in_pieces(parts, events):
    decoder, found = fed(parts)
    found += decoder.close()[0]
    assert found == events
    told = [event for event in events if not isinstance(event, (TextDelta, ToolCallDelta))]
    kept = [event for event in found if not isinstance(event, (TextDelta, ToolCallDelta))]
    assert [getattr(part, "extra", None) for part in kept] == [getattr(part, "extra", None) for part in told]
    assert [getattr(part, "raw", None) for part in kept] == [getattr(part, "raw", None) for part in told]


@each_answer
def test_a_whole_body_is_the_same(parts, events):
    found = WIRE.decode(chunk(*parts, finishReason="STOP"), QUIRKS)
    told = [event for event in events if not isinstance(event, (TextDelta, ToolCallDelta))]
    assert list(found.message.content) == told


def test_what_has_come_of_a_call_that_was_cut_off():
    """Its name: of its arguments nothing is told before they are whole."""
    decoder, events = fed([begun(id="i"), *CITY])
    assert Accumulator().taking(events).message(decoder.pending()).content == (ToolCall("i", "get", raw=""),)


def test_many_pieces_of_one_text():
    """Nearly all are alike but for their letters, and none but the last tells an event; each is news nevertheless."""
    words = [f"wörd {number} " for number in range(50)]
    pieces = [text("$.s", word, more=number < 49) for number, word in enumerate(words)]
    parts = [begun(id="i"), *({"functionCall": {"partialArgs": [piece], "willContinue": True}} for piece in pieces)]
    decoder = WIRE.decoder(QUIRKS)
    found = [decoder.feed(ServerSentEvent("message", json.dumps(chunk(part)))) for part in parts]
    assert None not in found
    last = decoder.feed(ServerSentEvent("message", json.dumps(chunk({"functionCall": {}}))))
    assert last is not None
    assert last[-1] == ToolCall("i", "get", {"s": "".join(words)})


def test_sound_that_is_held_back_is_news():
    """Else a stream of it would be ended as one that says nothing."""
    part = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    decoder = WIRE.decoder(QUIRKS)
    found = [decoder.feed(ServerSentEvent("message", json.dumps(chunk(part)))) for _ in range(3)]
    assert found == [(), (), ()]
