"""JSON that is not all there yet: what is known of the value."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.partial_json import UNKNOWN, completed

CASES = {
    "nothing": ("", UNKNOWN),
    "blanks": (" \n", UNKNOWN),
    "an object": ("{", {}),
    "a list": ("[", []),
    "a key that may go on": ('{"na', {}),
    "a key": ('{"name"', {}),
    "a key and a colon": ('{"name":', {}),
    "a text that may go on": ('{"name": "So', {"name": "So"}),
    "a whole text": ('{"name": "Soup"', {"name": "Soup"}),
    "an empty text": ('{"name": "', {"name": ""}),
    "an escape that is cut": ('["a\\', ["a"]),
    "a backslash": ('["a\\\\', ["a\\"]),
    "a backslash, and an escape that is cut": ('["a\\\\\\', ["a\\"]),
    "a letter's number that is cut": ('["a\\u00e', ["a"]),
    "a letter's number": ('["a\\u00e9', ["aé"]),
    "half of a pair": ('["a\\ud83d', ["a"]),
    "half of a pair, and the other cut": ('["a\\ud83d\\ude0', ["a"]),
    "a pair": ('["a\\ud83d\\ude00', ["a😀"]),
    "a number that may go on": ("[1, 2", [1]),
    "a number with a point that may go on": ("[1, 2.", [1]),
    "a number with an exponent that may go on": ("[1, 2e", [1]),
    "a number before a comma": ("[1, 2,", [1, 2]),
    "a fraction": ("[-0.5e1,", [-5.0]),
    "a word that is cut": ("[tru", []),
    "words": ("[true, false, null", [True, False, None]),
    "lists in lists": ('[[1], [2, ["x', [[1], [2, ["x"]]]),
    "a trailing comma": ('{"a": [1],', {"a": [1]}),
    "no JSON from here on": ('{"a": 1, b', {"a": 1}),
    "no JSON at all": ("Sure! Here", UNKNOWN),
    "text behind it": ('{"a": 1} and', {"a": 1}),
    "a line end in a text": ('["a\nb"', []),
    "a key said twice": ('{"a": 1, "a": "x', {"a": "x"}),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_known(text, expected):
    if expected is UNKNOWN:
        assert completed(text) is UNKNOWN
    else:
        assert completed(text) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON, st.booleans())
def test_grows_to_the_whole(value, ascii_only):
    """Every beginning tells a part of the value, never less than the one before, and the whole tells all."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    before = UNKNOWN
    for cut in range(len(text) + 1):
        found = completed(text[:cut])
        assert holds(found, before), (text[:cut], found, before)
        before = found
    whole = completed(text + " ")
    assert whole == value
    assert json.dumps(whole) == json.dumps(value)


def holds(more, less):
    """Whether one value is the other, or has grown out of it."""
    if less is UNKNOWN:
        return True
    if isinstance(less, str):
        return isinstance(more, str) and more.startswith(less)
    if isinstance(less, list):
        return isinstance(more, list) and all(map(holds, more, less)) and len(more) >= len(less)
    if isinstance(less, dict):
        return isinstance(more, dict) and all(name in more and holds(more[name], less[name]) for name in less)
    return type(more) is type(less) and more == less


@settings(deadline=None)
@given(st.text(alphabet='{}[]",:\\u0123eE+-. truefalsn', max_size=40))
def test_never_fails(text):
    completed(text)


def test_deep_nesting_ends():
    found, depth = completed("[" * 100_000), 0
    while found:
        found, depth = found[0], depth + 1
    assert depth < 1000


def test_huge_numbers_end():
    assert completed(f"[1, {'9' * 10_000}, 2]") == [1]
