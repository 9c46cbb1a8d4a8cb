"""`llmkit.json_codec` alone."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit import json_codec
from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.json_codec import cut_short, dump_bytes, load_bytes, loads, loads_or_text

READERS = {"standard library": None, "orjson": orjson.loads}


@pytest.fixture(autouse=True, scope="module", params=READERS.values(), ids=READERS.keys())
def reader(request):
    """All of it with and without the extra."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_codec, "_orjson", request.param)
        yield


VALUES = {
    "deep enough": json.loads("[" * 190 + "]" * 190),
    "wide": [{"a": [index]} for index in range(1000)],
    "object": {"a": [1, 2.5, None, True, "é🐟"]},
    "text": "x",
    "number": 1,
    "nothing": None,
    "empty": {},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_round_trip(value):
    assert loads(dump_bytes(value).decode()) == value
    assert load_bytes(dump_bytes(value)) == value


BAD = {
    "cut": "{",
    "words": "Bad gateway",
    "NaN": '{"a": NaN}',
    "infinity": "[Infinity]",
    "infinity in digits": '{"a": -1e999}',
    "two values": "{} {}",
    "deep": "[" * 100_000,
    "deep, and whole": "[" * 900 + "]" * 900,
    "objects, deep and whole": '{"a":' * 300 + "1" + "}" * 300,
    "huge number": "1" * 10_000,
    "nothing": "",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_json(text):
    with pytest.raises(InvalidResponseError) as caught:
        loads(text)
    assert len(str(caught.value)) < 320
    assert len(caught.value.body) <= 1024
    assert caught.value.__context__ is None


def test_bytes_are_utf8_whatever_was_declared():
    assert load_bytes('\ufeff{"é": 1}'.encode()) == {"é": 1}
    with pytest.raises(InvalidResponseError, match="byte 2 is not UTF-8"):
        load_bytes('{"é"}'.encode("latin-1"))


def test_surrogates():
    """Halves of a pair are joined; what stands alone cannot be sent and is replaced."""
    assert json.loads(dump_bytes(["\ud83d\ude00", "a\ud800b"])) == ["😀", "a\ufffdb"]


def test_long_texts_are_written_as_short_ones_are():
    """They are written in pieces, between which a pair's halves may stand."""
    for before in range(16_380, 16_390):
        assert json.loads(dump_bytes("a" * before + "😀€ä")) == "a" * before + "😀€ä"
        assert json.loads(dump_bytes("ä" * before + "\ud83d\ude00€\ud800")) == "ä" * before + "😀€\ufffd"


def cycle():
    value: list[object] = []
    value.append({"again": value})
    return value


UNFIT = {
    "NaN": ({"a": [1, float("nan")]}, "request.a[1]"),
    "infinity": ({"a": {"b": float("-inf")}}, "request.a.b"),
    "object": ({"tools": [{"x": object()}]}, "request.tools[0].x"),
    "bytes": ({"a": b""}, "request.a"),
    "key": ({"a": {(1, 2): 3}}, "request.a"),
    "cycle": (cycle(), "request"),
}


@pytest.mark.parametrize(("value", "path"), UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_written_is_named(value, path):
    with pytest.raises(ConfigurationError) as caught:
        dump_bytes(value)
    assert str(caught.value).startswith(path)


CUT = b'{"type":"message","content":[{"text":"h\xc3\xa9llo \\"w\\u00e9\\"","n":-1.5e3,"ok":false,"no":null}]}'


def test_every_beginning_of_a_body_is_seen_as_cut():
    for at in range(1, len(CUT)):
        assert cut_short(CUT[:at]), CUT[:at]
    assert not cut_short(CUT)


@pytest.mark.parametrize(
    "data",
    [
        b"{} x",
        b'{"a": 1}}',
        b"",
        b"Bad gateway",
        b"<html>",
        b"{oops: 1, and: more, of: it}",
        b'{"a": \xff and more}',
        b"[1]",
        b"nul",
        b'{"a": 1, }',
        b'{"a": [1, ]}',
        b'{"a": "b\nc"}',
        b'{"a": tru}',
        b'{"a": NaN}',
        b'{"a": 01}',
        b'{"a": "\\u00x"}',
    ],
)
def test_what_is_no_beginning_of_a_body(data):
    assert not cut_short(data)


def test_errors_come_as_json_or_as_words():
    assert loads_or_text('{"a": 1}') == {"a": 1}
    assert loads_or_text("upstream died") == "upstream died"


NUMBERS = [
    *("0", "-0", "-0.0", "1.0", "1E5", "1e-400", "0.1000000000000000055511151231257827", "123456789012345678"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1234567890123456789.5"),
]


@pytest.mark.parametrize("digits", NUMBERS)
def test_numbers_are_read_as_they_stand(digits):
    """None is rounded that an int can hold."""
    for found in (loads(f"[{digits}]"), load_bytes(f"[{digits}]".encode())):
        assert repr(found) == repr(json.loads(f"[{digits}]"))


TEXTS = [
    *(r'"\ud83d"', r'"\ude00\ud83d"', r'"\ud83d\ude00"', r'"\u0000\u007f"', '"\u2028"', r'"\/"'),
    *('{"a":1,"a":2}', " 1\n"),
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_read_as_they_stand(text):
    assert loads(text) == load_bytes(text.encode()) == json.loads(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=JSON, escaped=st.booleans(), indent=st.sampled_from([None, 1]))
def test_whatever_is_written_is_read(value, escaped, indent):
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    assert repr(loads(text)) == repr(load_bytes(text.encode())) == repr(json.loads(text))
