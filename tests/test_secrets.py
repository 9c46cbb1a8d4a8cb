"""`llmkit.secrets` alone."""

import pytest
from requests.structures import CaseInsensitiveDict

from llmkit import AssistantMessage, FinishReason, Image, Response, Text, ToolCall, Usage
from llmkit.secrets import of_headers, places, without

LONG = "sk-very-secret-0123456789"
IMAGE = Image(data=b"\x89PNG\r\n\x1a\n" + b"\0" * 16)

CASES = {
    "text": (f"bad key {LONG}!", "bad key [key]!"),
    "twice": (f"{LONG} {LONG}", "[key] [key]"),
    "inside of a word": (f"a{LONG}b", "a[key]b"),
    "cut": (f"bad key {LONG[:15]}... (check it)", "bad key [key]... (check it)"),
    "cut at the end": (f"bad key {LONG[:9]}", "bad key [key]"),
    "only begins alike": ("sk-very short", "sk-very short"),
    "JSON": ({"a": [f"x {LONG}", 1, None], LONG: {"b": LONG}}, {"a": ["x [key]", 1, None], "[key]": {"b": "[key]"}}),
    "a tuple": ((LONG, 1), ("[key]", 1)),
    "nothing of it": ({"a": 1}, {"a": 1}),
}


@pytest.mark.parametrize(("value", "expected"), CASES.values(), ids=CASES.keys())
def test_long_secrets(value, expected):
    assert without(value, [LONG]) == expected


SHORT = {
    "a word": ("bad key test, it is", "bad key [key], it is"),
    "inside of a word": ("the latest type of contests, test-1", "the latest type of contests, test-1"),
    "the name of a member": ({"test": "test"}, {"test": "[key]"}),
}


@pytest.mark.parametrize(("value", "expected"), SHORT.values(), ids=SHORT.keys())
def test_short_secrets_are_whole_words(value, expected):
    assert without(value, ["test"]) == expected


def test_what_is_too_short_is_none():
    assert without("a k b", ["k", ""]) == "a k b"


def test_the_longest_first():
    assert without(f"x {LONG}", [LONG[:17], LONG]) == "x [key]"


def test_those_that_begin_alike():
    """As all keys of a host do: which one is looked for first makes no difference, also where it was cut."""
    keys = [f"sk-of-one-host-{name}-0123456789" for name in ("one", "two", "twos")]
    for known in (keys, keys[::-1]):
        assert without(f"{keys[0]}, {keys[1]}, {keys[2]}!", known) == "[key], [key], [key]!"
        assert without(f"{keys[1][:-4]}... {keys[2][:-2]}", known) == "[key]... [key]"


def test_where_they_stand():
    assert places(f"a {LONG}, {LONG[:9]}", [LONG, "a"]) == [(2, 2 + len(LONG)), (4 + len(LONG), 13 + len(LONG))]
    assert places("nothing", [LONG]) == []


def test_headers_stay_headers():
    found = without(CaseInsensitiveDict({"X-Echo": LONG}), [LONG])
    assert isinstance(found, CaseInsensitiveDict)
    assert found["x-echo"] == "[key]"


def test_values_that_hold_it():
    response = Response(
        LONG,
        "m",
        "p",
        AssistantMessage([Text(f"your key is {LONG}"), ToolCall("t", "n", {"k": LONG}), IMAGE]),
        FinishReason("stop"),
        Usage(1, raw={"x": LONG}),
        raw={"id": LONG},
    )
    found = without(response, [LONG])
    assert LONG not in f"{found!r} {found.raw} {found.usage.raw}"
    assert found.text == "your key is [key]"
    assert found.message.content[2] is IMAGE
    assert without(response, ["another-secret-0123"]) == response


HEADERS = {
    "bearer": ({"authorization": f"bearer {LONG}"}, LONG),
    "basic": ({"authorization": f"Basic {LONG}"}, LONG),
    "key": ({"x-goog-api-key": LONG}, LONG),
    "token": ({"x-auth-token": LONG}, LONG),
    "cookie": ({"cookie": f"a=b; session={LONG}"}, LONG),
}


@pytest.mark.parametrize(("headers", "secret"), HEADERS.values(), ids=HEADERS.keys())
def test_secrets_of_headers(headers, secret):
    assert secret in of_headers(headers)
    assert of_headers({"x-trace": secret}) == []
