"""`llmkit.resolve`, `request` and `checks`: what a call means, and what is refused before anything is sent."""

import typing

import attrs
import numpy as np
import pytest

from llmkit import (
    AssistantMessage,
    ConfigurationError,
    FinishReason,
    Image,
    MediaError,
    Opaque,
    Options,
    Request,
    Response,
    SystemMessage,
    Text,
    Timeout,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.request import OPTIONS, ResolvedRequest, checked
from llmkit.resolve import resolve

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
LOOK = Tool("look")
RESPONSE = Response("", "m", "p", AssistantMessage("a"), FinishReason("stop"))
CALL = ToolCall("t1", "look")


def resolved(prompt="hi", *, row_model="m", defaults=None, **options):
    return resolve(prompt, options, defaults or {}, row_model)


PROMPTS = {
    "text": ("hi", [UserMessage("hi")]),
    "a message": (UserMessage("hi"), [UserMessage("hi")]),
    "messages": ([UserMessage("a"), AssistantMessage("b"), UserMessage("c")],) * 2,
    "a tuple": ((UserMessage("a"),), [UserMessage("a")]),
    "the answer to a call that is not modelled": (
        [UserMessage("a"), AssistantMessage(Opaque("w", {"call_id": "t1"})), UserMessage(ToolResult("t1"))],
    )
    * 2,
    "a request": (Request("hi"), [UserMessage("hi")]),
    "a request of messages": (Request([UserMessage("hi")]), [UserMessage("hi")]),
    "a dict": ({"role": "user", "content": "hi"}, [UserMessage("hi")]),
    "dicts among messages": (
        [UserMessage("a"), {"role": "assistant", "content": "b"}, UserMessage("c")],
        [UserMessage("a"), AssistantMessage("b"), UserMessage("c")],
    ),
    "a prefill": ([UserMessage("a"), AssistantMessage("b")],) * 2,
}


@pytest.mark.parametrize(("prompt", "expected"), PROMPTS.values(), ids=PROMPTS.keys())
def test_prompts(prompt, expected):
    assert resolved(prompt).messages == tuple(expected)


BAD = {
    "empty": ("", {}, "prompt: it is empty"),
    "blank": (" \n", {}, "prompt: it is empty"),
    "no messages": ([], {}, "prompt: it is empty"),
    "only instructions": ([SystemMessage("a")], {}, "prompt: it is empty"),
    "empty message": ([UserMessage("a"), UserMessage([])], {}, "prompt[1]: it is empty"),
    "nobody asks": ([AssistantMessage("a")], {}, "prompt: there is no user message"),
    "a number": (3, {}, "prompt: expected text"),
    "bytes": (b"hi", {}, "prompt: expected text"),
    "nothing": (None, {}, "prompt: expected text"),
    "unknown role": ([{"role": "wizard", "content": "a"}], {}, "prompt[0].role"),
    "no role": ({"content": "a"}, {}, "prompt[0]"),
    "result without its call": (
        [UserMessage("a"), AssistantMessage(CALL), UserMessage([ToolResult("t1"), ToolResult("t2")])],
        {},
        "prompt[2].content[1].call_id: no tool call before it has the id 't2'",
    ),
    "result before its call": (
        [SystemMessage("s"), UserMessage(ToolResult("t1")), AssistantMessage(CALL)],
        {},
        "prompt[1].content[0].call_id",
    ),
    "unknown option": ("hi", {"temprature": 1}, "temprature: no such option; did you mean 'temperature'?"),
    "option of another library": ("hi", {"stop_sequences": ["a"]}, "stop_sequences: no such option; it is stop"),
    "text among messages": (["hi"], {}, "prompt[0]: expected a message or a dict (text and parts of one message go"),
    "a part as prompt": (
        Image(data=PNG),
        {},
        "prompt: expected text, a message or a sequence of messages (a part goes",
    ),
    "an answer among messages": (
        [UserMessage("a"), RESPONSE],
        {},
        "prompt[1]: expected a message or a dict (pass resp",
    ),
    "unknown option like no other": ("hi", {"xyzzy": 1}, "xyzzy: no such option; what a provider alone knows"),
    "negative": ("hi", {"max_tokens": -1}, "max_tokens: expected a whole number"),
    "zero": ("hi", {"max_tokens": 0}, "max_tokens"),
    "absurd": ("hi", {"max_tokens": 10**12}, "max_tokens"),
    "fraction": ("hi", {"max_tokens": 1.5}, "max_tokens"),
    "truth as number": ("hi", {"max_tokens": True}, "max_tokens"),
    "NaN": ("hi", {"temperature": float("nan")}, "temperature: expected a number from 0 to 2"),
    "infinity": ("hi", {"top_p": float("inf")}, "top_p"),
    "beyond a float": ("hi", {"temperature": 10**400}, "temperature: expected a number"),
    "beyond what can be shown": ("hi", {"max_tokens": 10**5000}, "max_tokens: expected a whole number"),
    "time beyond a float": ("hi", {"timeout": 10**400}, "timeout: expected seconds"),
    "half a character": ("hi", {"extra_query": {"a": "\ud800"}}, "extra_query.a: half of a surrogate"),
    "header with a line end": ("hi", {"extra_headers": {"a": "b\r\nc: d"}}, "extra_headers.a: it holds line ends"),
    "header beyond latin-1": ("hi", {"extra_headers": {"a": "€"}}, "extra_headers.a: it holds line ends"),
    "name with a blank": ("hi", {"extra_headers": {"a b": "c"}}, "extra_headers: 'a b' is no name"),
    "header that is no text": (
        "hi",
        {"extra_headers": {"x-api-key": b"sk-secret"}},
        "extra_headers.x-api-key",
    ),
    "header of the framing": (
        "hi",
        {"extra_headers": {"Transfer-Encoding": "chunked"}},
        "extra_headers.Transfer-Encoding",
    ),
    "cold": ("hi", {"temperature": -0.1}, "temperature"),
    "text as number": ("hi", {"temperature": "0.5"}, "temperature"),
    "truth as fraction": ("hi", {"top_p": True}, "top_p"),
    "stop that is none": ("hi", {"stop": 3}, "stop: expected text or a list"),
    "stop among others": ("hi", {"stop": ["a", 3]}, "stop[1]: expected text"),
    "empty stop": ("hi", {"stop": ""}, "stop"),
    "model in two lines": ("hi", {"model": "a\nb"}, "model: expected a model's name"),
    "model with blanks": ("hi", {"model": " a"}, "model"),
    "empty model": ("hi", {"model": ""}, "model"),
    "model that is none": ("hi", {"model": 3}, "model"),
    "system that is none": ("hi", {"system": 3}, "system: SystemMessage.content: expected text"),
    "picture as system": ("hi", {"system": Image(data=PNG)}, "system: SystemMessage.content[0]: Image"),
    "picture in a system message": ([{"role": "system", "content": 3}], {}, "prompt[0].content"),
    "medium that is none": ("hi", {"media": 3}, "media"),
    "medium for nobody": (AssistantMessage("a"), {"media": Image(data=PNG)}, "media: there is no user message"),
    "tools that are none": ("hi", {"tools": "look"}, "tools: expected a list of tools"),
    "tool that is none": ("hi", {"tools": [LOOK, 3]}, "tools[1]: expected a function, a Tool"),
    "two tools of one name": ("hi", {"tools": [LOOK, Tool("look")]}, "tools[1]: a second tool named 'look'"),
    "choice without tools": ("hi", {"tool_choice": "required"}, "tool_choice: 'required' needs tools"),
    "choice of no tool": ("hi", {"tools": [LOOK], "tool_choice": "lok"}, "tool_choice: no tool is named 'lok'"),
    "choice that is none": ("hi", {"tools": [LOOK], "tool_choice": 1}, "tool_choice"),
    "parallel that is none": ("hi", {"parallel_tool_calls": 1}, "parallel_tool_calls"),
    "unknown level": ("hi", {"reasoning": "hard"}, "reasoning: expected 'none' or"),
    "negative budget": ("hi", {"reasoning": -1}, "reasoning"),
    "unknown time": ("hi", {"cache": "1d"}, "cache: expected '5m' or '1h'"),
    "metadata that are none": ("hi", {"metadata": "u"}, "metadata: expected a mapping"),
    "metadata with a number": ("hi", {"metadata": {"user_id": 3}}, "metadata.user_id: expected text"),
    "header without name": ("hi", {"extra_headers": {"": "x"}}, "extra_headers"),
    "query that is none": ("hi", {"extra_query": ["a"]}, "extra_query"),
    "stream in the body": ("hi", {"extra_body": {"stream": True}}, "extra_body.stream: use Client.stream"),
    "body that is none": ("hi", {"extra_body": "{}"}, "extra_body"),
    "no time": ("hi", {"timeout": 0}, "timeout: expected seconds above 0"),
    "time that is none": ("hi", {"timeout": "1"}, "timeout"),
    "NaN of time": ("hi", {"timeout": float("nan")}, "timeout"),
    "empty tier": ("hi", {"service_tier": ""}, "service_tier"),
}


@pytest.mark.parametrize(("prompt", "options", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_names_the_argument(prompt, options, message):
    with pytest.raises(ConfigurationError) as caught:
        resolved(prompt, **options)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 400


def test_no_model():
    with pytest.raises(ConfigurationError, match="model: none was given"):
        resolved(row_model=None)


def test_the_request_wins_over_the_call_and_the_call_over_the_client():
    request = Request("hi", top_k=3, id="r1")
    found = resolved(request, defaults={"top_k": 1, "top_p": 0.1, "temperature": 0.1}, top_k=2, top_p=0.2)
    assert (found.top_k, found.top_p, found.temperature) == (3, 0.2, 0.1)


def test_none_is_the_same_as_left_out_but_for_timeout():
    found = resolved(defaults={"top_k": 1, "timeout": 5.0}, top_k=None, timeout=None)
    assert found.top_k == 1
    assert found.timeout is None


def test_numbers_of_numpy_count():
    found = resolved(max_tokens=np.int64(5), temperature=np.float32(0.5), top_p=np.float64(1))
    assert (found.max_tokens, found.temperature, found.top_p) == (5, 0.5, 1.0)
    assert type(found.max_tokens) is int
    assert type(found.temperature) is float


def test_system_comes_first():
    messages = [SystemMessage("b"), SystemMessage("c"), UserMessage("q"), SystemMessage("d")]
    found = resolved(messages, system=["a", Text("a2")])
    assert [part.text for part in found.system] == ["a", "a2", "b", "c"]
    assert found.messages == (UserMessage("q"), SystemMessage("d"))
    assert found.skipped == 2


PICTURE = Image(data=PNG)
MEDIA = {
    "one": (PICTURE, (PICTURE,)),
    "several": ([PICTURE, PICTURE], (PICTURE, PICTURE)),
    "a tuple of several": ((PICTURE, PICTURE), (PICTURE, PICTURE)),
    "bytes": (PNG, (PICTURE,)),
    "a thing and its name": ((PNG, "a.png"), (Image(data=PNG, name="a.png"),)),
    "an address": ("https://example.com/a.png", (Image.of("https://example.com/a.png"),)),
}


@pytest.mark.parametrize(("media", "expected"), MEDIA.values(), ids=MEDIA.keys())
def test_media_stand_before_the_last_users_text(media, expected):
    messages = [UserMessage("a"), AssistantMessage("b"), UserMessage("c"), AssistantMessage("d")]
    before = list(messages)
    found = resolved(messages, media=media)
    assert found.messages[2] == UserMessage([*expected, "c"])
    assert [found.messages[index] for index in (0, 1, 3)] == [messages[index] for index in (0, 1, 3)]
    assert messages == before


def test_media_stand_after_results():
    messages = [UserMessage("a"), AssistantMessage(CALL), UserMessage([CALL.result("x"), "b"])]
    assert resolved(messages, media=PICTURE).messages[2] == UserMessage([CALL.result("x"), PICTURE, "b"])


def test_media_that_cannot_be_read():
    with pytest.raises(MediaError, match=r"^media: "):
        resolved(media=b"\0\1\2\3")


def test_requests_are_values():
    one, other = Request("hi", id="a", top_k=3), Request("hi", id="a", top_k=3)
    assert one == other
    assert hash(one) == hash(other)
    assert one != Request("hi", id="a", top_k=4)
    with pytest.raises(AttributeError):
        one.id = "b"
    with pytest.raises(ConfigurationError, match="top_k"):
        Request("hi", top_k=0)
    with pytest.raises(ConfigurationError, match="a Request cannot hold a Request"):
        Request(one)


def test_a_request_with_another_id():
    request = Request("Hi", id="1", seed=1)
    assert attrs.evolve(request, id="2") == Request("Hi", id="2", seed=1)
    assert attrs.evolve(request, options={"top_k": 2}) == Request("Hi", id="1", top_k=2)
    with pytest.raises(ConfigurationError, match="seed"):
        attrs.evolve(request, options={"seed": "x"})


@pytest.mark.parametrize("name", ["api_key", "base_url", "verify", "session"])
def test_what_belongs_to_the_client_is_no_option(name):
    """And is not to be sent to the provider in `extra_body`, as other unknown names may be."""
    with pytest.raises(ConfigurationError, match=f"{name}: no such option; it belongs to Client"):
        Request("Hi", **{name: "x"})


def test_a_request_survives_changes_of_the_callers_list():
    messages = [UserMessage("a")]
    request = Request(messages)
    messages.append(UserMessage("b"))
    assert resolved(request).messages == (UserMessage("a"),)


def test_the_table_the_types_and_the_resolved_request_name_the_same_options():
    hints = typing.get_type_hints(Options)
    assert set(hints) == set(OPTIONS)
    fields = {field.name for field in ResolvedRequest.__attrs_attrs__}
    assert set(OPTIONS) - {"media"} <= fields


def test_every_example_in_the_table_passes_its_check():
    found = checked({name: row.example for name, row in OPTIONS.items()})
    assert set(found) == set(OPTIONS)
    for row in OPTIONS.values():
        assert row.meaning.endswith(".")


def test_timeouts():
    assert resolved(timeout=Timeout(total=3)).timeout == Timeout(total=3)
    assert resolved(timeout=3).timeout == 3.0
