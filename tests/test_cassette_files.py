"""The file of a cassette: what is written comes back, to the byte, and can be read by a person."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit.testing.cassettes import Answered, Asked, Failed, Recording
from llmkit.testing.cassettes.files import read, write
from llmkit.testing.cassettes.matching import difference, question

# What YAML, its writers and its readers have an opinion of.
ODD = st.one_of(
    st.sampled_from("~=-#|'%@`{[\n\x00\x7f\x85\u2028\ufeff\ud800\ue000\uffff\U0001f600"),
    st.sampled_from(["", "null", "yes", "1e3", "0x1F", "2026-01-01", "12:30:45", "<<", "&a", "*a", "!a", "---", "..."]),
    st.sampled_from(
        ["- a", "# a", "a: b", "...\n", " a\nx", "x \ny", "\nx", "x\n\n\n", "\tx\ny", "a\r\nb", " \n", "\n \n"]
    ),
)
TEXTS = ODD | st.text() | st.lists(ODD | st.text(), max_size=4).map("\n".join)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)
BODIES = st.one_of(
    st.binary(),
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(lambda value, style: json.dumps(value, **style).encode(), JSON, st.sampled_from([{}, {"indent": 2}])),
    JSON.map(lambda value: json.dumps(value, separators=(",", ":")).encode()),
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=9)
HEADERS = st.dictionaries(NAMES, st.text(st.characters(codec="latin-1"), max_size=9), max_size=3)
FAILED = st.builds(
    Failed,
    st.sampled_from(["ConnectionFailedError", "InvalidResponseError"]),
    TEXTS,
    st.booleans(),
) | st.builds(Failed, st.just("DeadlineError"), TEXTS, st.booleans(), st.just("idle"), st.floats(0.1, 99))
ASKED = st.builds(Asked, st.sampled_from(["GET", "POST"]), TEXTS, HEADERS, json=JSON) | st.builds(
    Asked, st.just("POST"), TEXTS, HEADERS, text=TEXTS
)
ANSWERED = st.builds(
    Answered,
    st.integers(100, 599),
    TEXTS,
    HEADERS,
    st.lists(BODIES.filter(bool), max_size=3).map(tuple),
    st.sampled_from(["whole", "left"]) | FAILED,
)
RECORDINGS = st.lists(st.builds(Recording, ASKED, ANSWERED | FAILED), max_size=3).map(tuple)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("cassettes") / "calls.yaml"


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(RECORDINGS)
def test_what_is_written_comes_back(path, recordings):
    write(path, recordings)
    again = read(path)
    assert again == recordings
    assert [one.asked.headers for one in again] == [one.asked.headers for one in recordings]
    # What `==` takes for the same: a whole number is no number with a point, and no truth.
    assert repr([one.asked.json for one in again]) == repr([one.asked.json for one in recordings])


READABLE = {
    "JSON of a host that saves bytes": (
        b'{"a":{"b":[1,2.5,null]}}',
        "      a:\n        b:\n        - 1\n        - 2.5\n        - null\n",
    ),
    "JSON of a host that has room": (
        b'{\n  "a": "\\u00fc"\n}',
        "    spelling: indented ascii\n    json:\n      a: \u00fc\n",
    ),
    "JSON in a way of its own": (b'{ "a":1 }', "    body: '{ \"a\":1 }'\n"),
    "numbers in a way of their own": (b'{"a":1.50}', "    body: '{\"a\":1.50}'\n"),
    "a page": (b"<p>\n  a\n</p>\n", "    body: |\n      <p>\n        a\n      </p>\n"),
    "bytes": (b"\xff", "    body:\n      base64: /w==\n"),
    "nothing": (b"", "    headers: {}\n"),
}


@pytest.mark.parametrize(("body", "lines"), READABLE.values(), ids=READABLE.keys())
def test_it_can_be_read(path, body, lines):
    asked, answered = Asked("GET", "https://host/path"), Answered(200, chunks=(body,) if body else ())
    write(path, [Recording(asked, answered)])
    assert path.read_text().endswith(lines)


def test_a_stream_has_a_line_for_each_of_its_lines(path):
    answered = Answered(200, chunks=(b'event: a\ndata: {"x": 1}\n\n', b"data: [DO", b"NE]\n\n"))
    write(path, [Recording(Asked("POST", "https://host/path", json={"q": "one\ntwo"}), answered)])
    text = path.read_text()
    assert (
        "    chunks:\n    - |+\n      event: a\n      data: {\"x\": 1}\n\n    - 'data: [DO'\n    - |+\n      NE]\n"
        in text
    )
    assert "      q: |-\n        one\n        two\n" in text


ANOTHER = {
    "method": ({"method": "GET"}, "-POST https://host/path?a=1&b=2\n+GET https://host/path?a=1&b=2"),
    "host": ({"url": "https://other/path?a=1&b=2"}, "+POST https://other/path?a=1&b=2"),
    "path": ({"url": "https://host/other?a=1&b=2"}, "+POST https://host/other?a=1&b=2"),
    "query": ({"url": "https://host/path?a=1&b=3"}, "+POST https://host/path?a=1&b=3"),
    "a value": ({"json": {"x": [1, 2], "y": "other"}}, '- "y": "text"\n+ "y": "other"'),
    "true for 1": ({"json": {"x": [True, 2], "y": "text"}}, "-  1,\n+  true,"),
    "the order of a list": ({"json": {"x": [2, 1], "y": "text"}}, "+  2,"),
}
BASE = {"method": "POST", "url": "https://host/path?a=1&b=2", "json": {"x": [1, 2], "y": "text"}}


@pytest.mark.parametrize(("changed", "told"), ANOTHER.values(), ids=ANOTHER.keys())
def test_what_is_another_question(changed, told):
    one, other = (question(Asked(**{**BASE, **more}), any_host=False) for more in ({}, changed))
    assert one != other
    far = question(Asked("DELETE", "https://far/away", json={}), any_host=False)
    assert told in difference(other, [far, one, far])


SAME = {
    "the order of names": {"json": {"y": "text", "x": [1, 2]}},
    "a number with a point": {"json": {"x": [1.0, 2], "y": "text"}},
    "the order of a query": {"url": "https://host/path?b=2&a=1"},
    "headers": {"headers": {"accept": "*/*"}},
}


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME.keys())
def test_what_is_the_same_question(changed):
    one, other = (question(Asked(**{**BASE, **more}), any_host=False) for more in ({}, changed))
    assert one == other


def test_all_of_loopback_is_one_host():
    urls = ("http://127.0.0.1:4000/v1", "http://localhost/v1", "https://[::1]:5000/v1")
    assert len({question(Asked("GET", url), any_host=False) for url in urls}) == 1
    other = "https://host/v1"
    assert len({question(Asked("GET", url), any_host=False) for url in (*urls, other)}) == 2
    assert len({question(Asked("GET", url), any_host=True) for url in (*urls, other)}) == 1


def test_a_difference_is_short():
    one, other = (
        question(Asked("POST", "https://h/", json=[*range(at, at + 900)]), any_host=False) for at in (0, 5000)
    )
    lines = difference(one, [other]).splitlines()
    assert len(lines) == 41
    assert lines[-1].startswith("… and ")
    assert difference(one, []) == ""


SECRET = "sk-0123456789abcdef"
TOLD = {
    "a key": ("is [key] right?", f"is {SECRET} right?", True),
    "several": ("[key] and [key]", f"{SECRET} and {SECRET[::-1]}", True),
    "hidden in both": ("[key], [key]", f"[key], {SECRET}", True),
    "what is no key": ("x = d[key]", "x = d[name_of_something_else]", False),
    "too short for one": ("x = d[key]", "x = d.get", False),
    "words": ("is [key] right?", "is this way of telling it right?", False),
    "more of it": ("is [key]", f"is {SECRET} right?", False),
    "less of it": ("is [key]!", f"is {SECRET}", False),
    "another beginning": ("is [key]", f"was {SECRET}", False),
    "nothing": ("[key][key]", SECRET, False),
    "nothing of it": ("a [key] b [key] c", f"a {SECRET} c", False),
    "another line": ('[key] {"a": 1}', f'{SECRET} {{"a": 2}}', False),
}


@pytest.mark.parametrize(("recorded", "told", "fits"), TOLD.values(), ids=TOLD.keys())
def test_a_secret_in_the_place_of_one_that_was_hidden(recorded, told, fits):
    one, other = (
        question(Asked("POST", "https://h/", json=[text, "more"]), any_host=False) for text in (told, recorded)
    )
    assert one.fits(other) is fits
    assert other != one


def test_many_hidden_ones_take_no_time():
    """With a pattern of as many gaps it took hours to find that they do not fit."""
    one, other = (
        question(Asked("POST", "https://h/", text="d[key] " * 500 + end), any_host=False) for end in ("a", "b")
    )
    assert not one.fits(other)


DIFFERENCES = {
    "one line of a prompt": (
        [f"line {number}" for number in range(90)],
        [f"line {number}{'!' * (number == 50)}" for number in range(90)],
        ["-line 50\\n", "+line 50!\\n"],
    ),
    "a word amid a long line": (
        ["The quick brown fox. " * 50 + "One" + " more." * 50],
        ["The quick brown fox. " * 50 + "Two" + " more." * 50],
        ["One more. more.", "Two more. more."],
    ),
    "the beginning of a long line": (["a" * 500], ["b" * 500], ['- "aaaa', '+ "bbbb']),
    "the end of a long line": (["a" * 500], ["a" * 501], ['aaa"', 'aaaa"']),
    "a long line more": ([], ["a" * 500], ['+ "aaa']),
    "a long line beside it": (["a" * 500, "b"], ["a" * 500, "c"], ['  "aaa', "-b", "+c"]),
}


@pytest.mark.parametrize(("before", "after", "told"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_what_differs_in_much_text_is_shown(before, after, told):
    one, other = (
        question(Asked("POST", "https://h/", json=["\n".join(lines)]), any_host=False) for lines in (after, before)
    )
    lines = difference(one, [other]).splitlines()[3:]
    for text in told:
        assert any(text in line for line in lines), lines
    assert max(map(len, lines)) <= 162
    assert len(lines) < 9
