"""What holds for every payload that is read as a `Request`: sent again it is the same, and nothing is lost unsaid."""

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import strategies
import strategies_gemini_generate
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmkit import ConfigurationError, Request
from llmkit.provider import provider
from llmkit.resolve import resolve
from llmkit.wire import wire as wire_named

EXAMPLES = int(os.environ.get("LLMKIT_EXAMPLES") or 15)
examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@frozen
class Asked:
    """What may be asked on a wire, and of whom.

    Attributes:
        row: A host of it.
        model: A model of that host, where the options name none.
        strategies: Has `conversations` and `options`.
        refused: What that host may say no to of what those make.
    """

    row: str
    model: str
    strategies: Any
    refused: frozenset[str]


ASKED = {
    "anthropic-messages": Asked("anthropic", "claude-sonnet-5", strategies, frozenset({"reasoning"})),
    "gemini-generate": Asked(
        "gemini", "gemini-2.5-flash", strategies_gemini_generate, frozenset({"reasoning", "tool_choice"})
    ),
}
T = TypeVar("T")
each_wire = pytest.mark.parametrize("wire", ASKED)


def sent(wire: str, prompt: Any, **options: Any) -> Any:
    """The body that a prompt with options is sent as."""
    asked = ASKED[wire]

    def refuse(path: str, why: str) -> None:
        assert path in asked.refused, f"{path}: {why}"

    call = wire_named(wire).encode(resolve(prompt, options, {}, asked.model), provider(asked.row).quirks, refuse, False)
    assert call.body is not None
    return json.loads(call.body)


def drawn(data: st.DataObject, wire: str) -> tuple[Any, dict[str, Any]]:
    """The body of a call, and the model, where only its path would name it."""
    made = ASKED[wire].strategies
    options = data.draw(made.options())
    body = sent(wire, data.draw(made.conversations()), **options)
    return body, {"model": options["model"]} if "model" in options and "model" not in body else {}


@each_wire
@examples
@given(st.data())
def test_what_is_sent_is_read_and_sent_again(wire, data):
    body, model = drawn(data, wire)
    found = Request.from_wire(wire, body)
    again = sent(wire, found, **model)
    assert again == body
    assert Request.from_wire(wire, json.dumps(again)) == found


def attempt(function: Callable[..., T], *args: Any, **options: Any) -> tuple[T | None, str]:
    """What a function returned, or else what it refused."""
    try:
        return function(*args, **options), ""
    except ConfigurationError as error:
        return None, str(error)


# ---- what llmkit would not send --------------------------------------------------------------------------------------

KEYS = ("x", "id", "bare", "type", "text", "name", "displayName", "cache_control", "citations", "is_error", "thought")
_marks = st.sampled_from(["MARK", {"a": "MARK"}, ["MARK"]])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all objects and texts in `value`, but for what is base64."""
    if isinstance(value, dict):
        inner = [place for key, item in value.items() for place in places(item, (*path, key))]
        return [path, *inner]
    if isinstance(value, list):
        return [place for index, item in enumerate(value) for place in places(item, (*path, index))]
    return [path] if isinstance(value, str) and path[-1] not in ("data", "thoughtSignature") else []


def changed(value: Any, path: tuple[Any, ...], key: str, mark: Any) -> Any:
    """`value` with a mark at `path`: under another key of an object, in place of a text."""
    if not path:
        return {**value, key: mark} if isinstance(value, dict) else "MARK"
    if isinstance(value, list):
        return [changed(item, path[1:], key, mark) if n == path[0] else item for n, item in enumerate(value)]
    return {name: changed(item, path[1:], key, mark) if name == path[0] else item for name, item in value.items()}


@each_wire
@settings(examples, max_examples=2 * EXAMPLES)
@given(st.data(), st.sampled_from(KEYS), _marks)
def test_nothing_is_lost_without_a_word(wire, data, key, mark):
    """Whatever stands where llmkit puts nothing, or something else, is sent again, or is refused with its path."""
    body, model = drawn(data, wire)
    body = changed(body, data.draw(st.sampled_from(places(body))), key, mark)
    found, refused = attempt(Request.from_wire, wire, body)
    if found is None:
        assert refused.startswith("body.")
        return
    again, _ = attempt(sent, wire, found, **model)  # a result of no call, say, is refused when it is sent
    assert again is None or "MARK" in json.dumps(again)


@each_wire
@settings(examples, max_examples=2 * EXAMPLES)
@given(st.data())
def test_whatever_comes_is_read_or_refused(wire, data):
    body, model = drawn(data, wire)
    key = data.draw(st.sampled_from(sorted(body)))
    body = {**body, key: data.draw(strategies.mutated(body[key]))}
    found, refused = attempt(Request.from_wire, wire, body)
    if found is None:
        assert refused.startswith("body")
        assert len(refused) < 1000
        return
    again, _ = attempt(sent, wire, found, **model)
    if again is not None:
        assert sent(wire, Request.from_wire(wire, again), **model) == again
