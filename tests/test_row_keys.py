"""`llmkit.bulk.keys`: what a row is known by stays the same from run to run, and tells what is asked apart."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import attrs
import pytest

from llmkit import (
    AssistantMessage,
    Client,
    ConfigurationError,
    Image,
    Opaque,
    Request,
    SystemMessage,
    Timeout,
    UserMessage,
    tool,
)
from llmkit.bulk.keys import SHOWN, _value, key_of, prompt_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
ROWS = ("anthropic", "openai", "openai-chat", "gemini")
each_row = pytest.mark.parametrize("row", ROWS)


@attrs.frozen
class Person:
    name: str


@attrs.frozen
class Human:
    name: str
    age: int


@tool
def look(at: str) -> str:
    """Look at something."""
    return at


@tool
def listen(to: str) -> str:
    """Listen to something."""
    return to


def asking(prompt="Hi", output_type=None, *, row="anthropic", client=None, **options):
    settings = {"api_key": "sk-test-0123456789", "model": "m", **(client or {})}
    return Client(row, **settings)._asking(prompt, output_type, options)


def key(*args, **options):
    return key_of(asking(*args, **options))


OTHERS = {
    "another prompt": {"prompt": "Ho"},
    "more messages": {"prompt": [UserMessage("Hi"), AssistantMessage("Yes?"), UserMessage("Hi")]},
    "a picture": {"prompt": UserMessage([Image(PNG), "Hi"])},
    "another picture": {"prompt": UserMessage([Image(PNG + b"1"), "Hi"])},
    "instructions": {"system": "Be brief."},
    "another model": {"model": "n"},
    "another model of the client": {"client": {"model": "o"}},
    "a limit": {"max_tokens": 77},
    "another limit": {"max_tokens": 78},
    "an option": {"temperature": 0.25},
    "tools": {"tools": [look]},
    "other tools": {"tools": [listen]},
    "more in the body": {"extra_body": {"mood": "good"}},
    "a header": {"extra_headers": {"x-mood": "good"}},
    "a header of the client": {"client": {"headers": {"x-mood": "bad"}}},
    "a field of the query": {"extra_query": {"mood": "good"}},
    "an output": {"output_type": Person},
    "another output": {"output_type": Human},
}  # fmt: skip


@each_row
def test_what_is_asked_is_told_apart(row):
    """Each of these from the others, and from a plain call."""
    found = {name: key(row=row, **options) for name, options in {"plain": {}, **OTHERS}.items()}
    assert len(set(found.values())) == len(found), sorted(found.items(), key=lambda item: item[1])
    assert all(len(value) == 64 for value in found.values())


def test_hosts_are_told_apart():
    assert len({key(row=row) for row in (*ROWS, "groq", "deepseek")}) == len(ROWS) + 2


SAME = {
    "another key": {"client": {"api_key": "sk-other-9876543210"}},
    "another address": {"client": {"base_url": "http://127.0.0.1:9/v1"}},
    "a key in a header": {"extra_headers": {"Authorization": "Bearer other"}},
    "a token in a header": {"extra_headers": {"X-Session-Token": "other"}},
    "a cookie": {"client": {"headers": {"cookie": "a=b"}}},
    "a key in the query": {"extra_query": {"api_key": "other"}},
    "a trace": {"extra_headers": {"Traceparent": "00-1-2-01", "x-request-id": "1"}},
    "time": {"timeout": Timeout(total=3)},
    "tries": {"client": {"max_retries": 7}},
    "asking again": {"output_retries": 2},
    "a message": {"prompt": UserMessage("Hi")},
    "a dict": {"prompt": {"role": "user", "content": "Hi"}},
    "a request": {"prompt": Request("Hi", id="other")},
}


@each_row
@pytest.mark.parametrize("options", SAME.values(), ids=SAME.keys())
def test_what_says_nothing_of_it_makes_no_difference(row, options):
    assert key(row=row, **options) == key(row=row)


@each_row
def test_the_order_of_keys_makes_no_difference(row):
    """A dict that is made of a set comes in another order each time."""
    one = key(row=row, extra_body={"a": {"b": 1, "c": 2}, "d": 3})
    assert one == key(row=row, extra_body={"d": 3, "a": {"c": 2, "b": 1}})
    assert one != key(row=row, extra_body={"d": 3, "a": {"c": 1, "b": 2}})
    assert key(row=row, extra_body={"a": [1, 2]}) != key(row=row, extra_body={"a": [2, 1]})


def test_what_was_asked_once_is_known():
    """A new version of llmkit that changes this makes users pay twice: the changelog has to tell them."""
    messages = [SystemMessage("Be brief."), UserMessage(["Look.", Image(PNG)])]
    made = asking(messages, Person, row="openai-chat", temperature=0.5, max_tokens=10)
    assert key_of(made) == "9b228e469b0f99f9f84336f9d5b1404d7f849bba16b499835c1d3504a9a34744"


def test_it_is_the_same_in_every_process():
    """However Python mixes its hashes."""
    code = "from test_row_keys import *; print(key(output_type=Human, tools=[look], extra_body={'a': {'b': 1}}))"
    found = set()
    for seed in "123":
        process = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        found.add(process.stdout)
    assert len(found) == 1


def test_what_is_nested_deeply_has_a_key():
    deep = []
    for _ in range(150):
        deep = [deep]
    assert key(extra_body={"a": deep}) == key(extra_body={"a": deep}) != key(extra_body={"a": [deep]})


def test_what_cannot_be_read_is_taken_as_it_is():
    """Nested more deeply than Python reads where this is called, which may be deeper than where it was written."""
    assert _value(b"[" * 100_000) == "[" * 100_000
    assert _value(None) is None


def test_it_is_told_of_once_what_is_left_out():
    """When it is sent."""
    made = asking(
        row="anthropic", client={"unsupported": "warn"}, prompt=[UserMessage(["Hi", Opaque("openai-chat", {})])]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        key_of(made)


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(ConfigurationError, match=r"extra_body|request"):
        key(extra_body={"a": object()})


PROMPTS = {
    "text": ("Hi", "Hi"),
    "the last message": ([UserMessage("Hi"), AssistantMessage("Yes?"), UserMessage(["A", "B"])], "AB"),
    "not the system's": ([SystemMessage("Be brief."), UserMessage("Hi")], "Hi"),
    "beside a picture": (UserMessage([Image(PNG), "Look."]), "Look."),
    "a picture": (UserMessage(Image(PNG)), ""),
    "as long as is kept": ("x" * SHOWN, "x" * SHOWN),
    "longer": ("x" * (SHOWN + 1), "x" * (SHOWN - 1) + "…"),
}


@pytest.mark.parametrize(("prompt", "expected"), PROMPTS.values(), ids=PROMPTS.keys())
def test_what_people_know_a_row_by(prompt, expected):
    assert prompt_of(asking(prompt)) == expected
