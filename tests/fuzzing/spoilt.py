"""Hypothesis strategies: answers, streams, errors and conversations, each good but for what was done to it."""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

from faults.formats import FORMATS
from hypothesis import strategies as st
from strategies import any_text, hostile, mutated

from fuzzing.calls import PROVIDERS, events_of, good

_ENDS = ("\n", "\r\n", "\r")
_NAMES = ("message", "error", "ping", "content_block_start", "response.completed", "response.output_item.done", "x")


@st.composite
def spoilt_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """`body` with some of its bytes changed, or cut off."""
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=4)) + body[at + draw(st.integers(0, 4)) :]
    return body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 5)) == 0 else body


@st.composite
def spoilt_bodies(draw: st.DrawFn, provider: str) -> bytes:
    """A whole body, or what is none."""
    match draw(st.sampled_from(["mutate"] * 6 + ["bytes", "any", "json", "another"])):
        case "mutate":
            return _changed(draw, draw(st.sampled_from(good(provider, stream=False))).decode()).encode()
        case "bytes":
            return draw(spoilt_bytes(draw(st.sampled_from(good(provider, stream=False)))))
        case "json":
            return json.dumps(draw(hostile)).encode()
        case "another":
            return draw(st.sampled_from(good(draw(st.sampled_from(PROVIDERS)), stream=draw(st.booleans()))))
        case _:
            return draw(st.binary(max_size=60))


@st.composite
def spoilt_streams(draw: st.DrawFn, provider: str) -> bytes:
    """A stream of events, or what is none."""
    if draw(st.integers(0, 11)) == 0:
        return draw(st.one_of(st.binary(max_size=80), spoilt_bodies(provider)))
    events = events_of(draw(st.sampled_from(good(provider, stream=True))))
    for _ in range(draw(st.integers(0, 4))):
        _spoil(draw, events)
    end = draw(st.sampled_from(_ENDS))
    lines = [line for name, data in events for line in (f"event: {name}", *_data_lines(data), "")]
    return draw(spoilt_bytes("".join(line + end for line in lines).encode("utf-8", "replace")))


def _data_lines(data: str) -> list[str]:
    return [f"data: {line}" for line in data.replace("\r", "\n").split("\n")]


def _spoil(draw: st.DrawFn, events: list[tuple[str, str]]) -> None:
    at = draw(st.integers(0, len(events) - 1)) if events else 0
    match draw(st.sampled_from(["mutate"] * 6 + ["drop", "repeat", "move", "end", "cut", "name", "foreign", "odd"])):
        case "mutate" if events:
            events[at] = (events[at][0], _changed(draw, events[at][1]))
        case "drop" if events:
            del events[at]
        case "repeat" if events:
            events.insert(at, events[at])
        case "move" if events:
            events.insert(draw(st.integers(0, len(events) - 1)), events.pop(at))
        case "end":
            del events[at:]
        case "cut" if events:
            events[at] = (events[at][0], events[at][1][: draw(st.integers(0, len(events[at][1])))])
        case "name" if events:
            events[at] = (draw(st.sampled_from(_NAMES)), events[at][1])
        case "foreign":
            others = events_of(draw(st.sampled_from(good(draw(st.sampled_from(PROVIDERS)), stream=True))))
            events.insert(at, draw(st.sampled_from(others)))
        case _:
            events.insert(at, (draw(st.sampled_from(_NAMES)), json.dumps(draw(hostile))))


def _changed(draw: st.DrawFn, text: str) -> str:
    """JSON with something in it that is not what it was; where it is none, as it was."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if draw(st.booleans()):
        return json.dumps(draw(mutated(value)))
    # What stands elsewhere in it, so that a value is at least of a kind that occurs.
    values = [*_values(value)]
    places = [(holder, key) for holder in values for key in _keys(holder)]
    if places:
        holder, key = draw(st.sampled_from(places))
        holder[key] = copy.deepcopy(draw(st.sampled_from(values)))
    return json.dumps(value)


def _values(value: Any) -> Iterator[Any]:
    """It, and each value in it."""
    yield value
    for key in _keys(value):
        yield from _values(value[key])


def _keys(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()


_ERRORS: tuple[Any, ...] = (
    *(body for form in FORMATS.values() for body in (*form.statuses.values(), form.trouble)),
    {"detail": [{"loc": ["body", "messages", 0], "msg": "field required", "type": "missing"}]},
    {
        "message": "no",
        "error": {"code": 429, "details": [{"@type": "x", "retryDelay": "7s", "reason": "API_KEY_INVALID"}]},
    },
    [{"error": {"message": "too many tokens", "metadata": {"raw": '{"error": {}}'}, "errors": [{"message": "x"}]}}],
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry", "x-request-id", "content-type", "date"]),
    st.one_of(
        st.sampled_from(["0", "-1", "1e9", "7", "9" * 400, "nan", "inf", "true", "false", "text/html", "\xff"]),
        st.sampled_from(["Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 99 Foo", "Mon, 01 Jan 0001 00:00:00 -2359"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    ),
)
error_bodies = st.one_of(
    st.sampled_from(_ERRORS).flatmap(mutated).map(lambda body: json.dumps(body).encode()),
    hostile.map(lambda body: json.dumps(body).encode()),
    any_text.map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=60),
)

_URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
_DICTS: tuple[list[dict[str, Any]], ...] = (
    [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": _URI, "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRgAAAABXQVZF", "format": "wav"}},
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjQ=", "filename": "a.pdf"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {
            "role": "assistant",
            "content": "It is.",
            "refusal": None,
            "annotations": [{"type": "url_citation", "url": "u"}],
        },
        {"role": "user", "content": "And?"},
    ],
    [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "So.", "citations": [{"type": "page_location", "cited_text": "x"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "1"}],
                    "is_error": True,
                },
                {"type": "text", "text": "Go on."},
            ],
        },
    ],
)
_FOREIGN = st.sampled_from([b"", object(), float("nan"), {1, 2}, (1,), 1j, {1: 2}, {None: 1}, [[]], range(3), 10**5000])


@st.composite
def dict_messages(draw: st.DrawFn) -> Any:
    """A conversation of dicts, as some program or other may have it."""
    found = copy.deepcopy(draw(st.sampled_from(_DICTS)))
    for _ in range(draw(st.integers(0, 2))):
        found = draw(mutated(found))
    if draw(st.integers(0, 3)) == 0 and isinstance(found, list) and found and isinstance(found[0], dict):
        found[0] = {**found[0], draw(st.one_of(st.sampled_from(["content", "role", "x"]), any_text)): draw(_FOREIGN)}
    return found
