"""Hypothesis strategies: conversations that Chat Completions can express, the same as dicts, and answers as bodies."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from strategies import inputs, json_values, names, spoken, texts, words

from llmkit import (
    AssistantMessage,
    Audio,
    Document,
    Image,
    Message,
    Refusal,
    ServerTool,
    SystemMessage,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)

WIRE = "openai-chat"

# ---- parts that are sent ---------------------------------------------------------------------------------------------

_IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
}
_SOUNDS = {
    "audio/wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "audio/mpeg": b"ID3\x04\x00\x00\x00\x00\x00\x00",
}
_PDF = b"%PDF-1.4\n"
caches = st.sampled_from([None, None, None, "5m", "1h"])
_rest = st.binary(max_size=30)

images = st.one_of(
    st.builds(
        lambda kind, rest, detail, cache: Image(_IMAGES[kind] + rest, media_type=kind, detail=detail, cache=cache),
        st.sampled_from(sorted(_IMAGES)),
        _rest,
        st.sampled_from([None, "auto", "low", "high"]),
        caches,
    ),
    st.builds(lambda path, cache: Image(url=f"https://example.com/{path}", cache=cache), names, caches),
)
sounds = st.builds(
    lambda kind, rest: Audio(_SOUNDS[kind] + rest, media_type=kind), st.sampled_from(sorted(_SOUNDS)), _rest
)
documents = st.one_of(
    st.builds(lambda rest, name: Document(_PDF + rest, media_type="application/pdf", name=name), _rest,
              st.none() | names.map(lambda name: f"{name}.pdf")),
    st.builds(lambda name: Document(file_id=f"file_{name}", extra={WIRE: {}}), names),
)  # fmt: skip
user_parts = st.one_of(st.builds(Text, texts, cache=caches), images, sounds, documents)

# ---- parts that are answered -----------------------------------------------------------------------------------------

thoughts = st.builds(lambda text: Thinking(text, wire=WIRE), texts)
foreign_thoughts = st.builds(lambda text: Thinking(text, "seal", wire="another"), texts)
said_sounds = st.builds(
    lambda name, transcript: Audio(
        file_id=f"audio_{name}", transcript=transcript, extra={WIRE: {"id": f"audio_{name}"}}
    ),
    names,
    texts,
)


def calls(number: int) -> st.SearchStrategy[ToolCall]:
    """A call of a function, with what a provider's own text for its arguments was kept of, or of a custom tool."""
    functions = st.builds(lambda name, arguments: ToolCall(f"call_{number}", name, arguments), names, inputs)
    custom = st.builds(
        lambda name, text: ToolCall(f"call_{number}", name, {"input": text}, extra={WIRE: {"type": "custom"}}),
        names,
        texts,
    )
    return st.one_of(functions, functions, custom)


@st.composite
def answers(draw: st.DrawFn, first: int = 0) -> AssistantMessage:
    """An assistant's turn whose calls are numbered from `first`."""
    spoken_parts = st.one_of(st.builds(Text, texts), thoughts, foreign_thoughts, st.builds(Refusal, spoken))
    parts: list[Any] = draw(st.lists(spoken_parts, max_size=3))
    parts += draw(st.lists(said_sounds, max_size=1))
    parts += [draw(calls(first + index)) for index in range(draw(st.integers(0, 2)))]
    return AssistantMessage(draw(st.permutations(parts)))


# ---- conversations ---------------------------------------------------------------------------------------------------


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """A conversation that the wire can express; its last turn is the user's, and says something."""
    found: list[Message] = [SystemMessage([draw(st.builds(Text, texts, cache=caches))])] * draw(st.integers(0, 1))
    open_calls: list[ToolCall] = []
    for turn in range(draw(st.integers(0, 2))):
        found.append(draw(_user_turn(open_calls)))
        answer = draw(answers(10 * turn))
        found.append(answer)
        open_calls = [part for part in answer.content if isinstance(part, ToolCall)]
        if draw(st.booleans()) and not open_calls:
            found.append(SystemMessage(draw(spoken)))
    last = draw(_user_turn(open_calls))
    return [*found, UserMessage([*last.content, draw(spoken)])]


@st.composite
def _user_turn(draw: st.DrawFn, open_calls: Sequence[ToolCall]) -> UserMessage:
    parts: list[Any] = draw(st.lists(user_parts, max_size=3))
    for call in open_calls:
        content = draw(st.lists(st.builds(Text, texts), max_size=2))
        parts.append(ToolResult(call.id, call.name, content, draw(st.booleans())))
    return UserMessage(draw(st.permutations(parts)) or [Text(draw(spoken))])


_CUSTOM = {"type": "custom", "custom": {"name": "custom_1", "format": {"type": "text"}}}
_SCHEMAS = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"a": {"type": "integer", "default": None}}, "required": ["a"], "$defs": {}},
    {"properties": {"b": {"$ref": "#/$defs/B"}}, "$defs": {"B": {"type": "string"}}},
)
tools = st.one_of(
    st.builds(
        lambda name, text, schema, strict, cache: Tool(f"tool_{name}", text, schema, strict=strict, cache=cache),
        names,
        texts,
        st.sampled_from(_SCHEMAS),
        st.sampled_from([None, True, False]),
        caches,
    ),
    st.just(ServerTool(_CUSTOM)),
)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Options that the wire takes."""
    maybe: dict[str, st.SearchStrategy[Any]] = {
        "model": st.sampled_from(["gpt-5.6-terra", "o3-mini", "gpt-4o"]),
        "system": st.one_of(texts, st.lists(st.builds(Text, texts), max_size=2)),
        "tools": st.lists(tools, max_size=3, unique_by=lambda tool: tool.name),
        "max_tokens": st.integers(1, 200_000),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": st.one_of(words, st.lists(words, max_size=2)),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "frequency_penalty": st.floats(-2, 2),
        "presence_penalty": st.floats(-2, 2),
        "logprobs": st.integers(0, 20),
        "reasoning": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "cache": st.sampled_from(["5m", "1h"]),
        "metadata": st.dictionaries(names, texts, max_size=2),
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
        "extra_body": st.fixed_dictionaries(
            {}, optional={"store": st.booleans(), "verbosity": st.just("low"), "n": st.just(1)}
        ),
    }
    found = draw(st.fixed_dictionaries({}, optional=maybe))
    if found.get("tools"):
        if draw(st.booleans()):
            named = [tool.name for tool in found["tools"] if tool.name]
            found["tool_choice"] = draw(st.sampled_from(["auto", "required", "none", *named]))
        if draw(st.booleans()):
            found["parallel_tool_calls"] = draw(st.booleans())
    return found


# ---- the same as dicts -----------------------------------------------------------------------------------------------


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


_image_dicts = st.builds(
    lambda url, detail: {"type": "image_url", "image_url": {"url": url, **detail}},
    st.one_of(
        st.builds(lambda kind, rest: _uri(kind, _IMAGES[kind] + rest), st.sampled_from(sorted(_IMAGES)), _rest),
        names.map(lambda name: f"https://example.com/{name}"),
    ),
    st.fixed_dictionaries({}, optional={"detail": st.sampled_from(["auto", "low", "high"])}),
)
_file_dicts = st.one_of(
    st.builds(
        lambda name, rest: {"filename": f"{name}.pdf", "file_data": _uri("application/pdf", _PDF + rest)}, names, _rest
    ),
    names.map(lambda name: {"file_id": f"file-{name}"}),
).map(lambda inner: {"type": "file", "file": inner})
_sound_dicts = st.builds(
    lambda kind, rest: {
        "type": "input_audio",
        "input_audio": {"data": b64encode(_SOUNDS[f"audio/{kind[0]}"] + rest).decode(), "format": kind[1]},
    },
    st.sampled_from([("wav", "wav"), ("mpeg", "mp3")]),
    _rest,
)
_text_dicts = spoken.map(lambda text: {"type": "text", "text": text})
_part_dicts = st.one_of(_text_dicts, _image_dicts, _file_dicts, _sound_dicts)


@st.composite
def conversation_dicts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation of dicts in OpenAI's shape, in which tools were called."""
    count = draw(st.integers(1, 2))
    found = [_call_dict(f"call_{number}", draw(names), draw(inputs)) for number in range(count)]
    turn: dict[str, Any] = {"role": "assistant", "tool_calls": found}
    if draw(st.booleans()):
        turn["content"] = draw(st.none() | spoken)
    results = [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": draw(st.one_of(spoken, st.lists(_text_dicts, min_size=1, max_size=2))),
        }
        for call in found
    ]
    return [
        *(
            [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(spoken)}]
            * draw(st.integers(0, 1))
        ),
        {"role": "user", "content": draw(st.one_of(spoken, st.lists(_part_dicts, min_size=1, max_size=3)))},
        turn,
        *results,
        *([{"role": "assistant", "content": draw(spoken)}] * draw(st.integers(0, 1))),
        {"role": "user", "content": draw(spoken)},
    ]


def _call_dict(call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


# ---- answers ---------------------------------------------------------------------------------------------------------

REASONS = ("stop", "length", "tool_calls", "content_filter", "eos", "end_turn", "max_tokens", "error", "brand_new")
_counts = st.integers(0, 1000)
_arguments = st.one_of(
    inputs.map(json.dumps), inputs.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1)),
    st.sampled_from(['{"a": "b', '{"a": 1, ', "[1]", "tru", "", "{}", "{ }"]),
)  # fmt: skip
_annotations = st.builds(
    lambda url, title: {
        "type": "url_citation",
        "url_citation": {"url": f"https://example.com/{url}", "title": title, "start_index": 0, "end_index": 1},
    },
    names,
    texts,
)


@st.composite
def _usages(draw: st.DrawFn) -> dict[str, Any]:
    """What was billed, in the words of one host or another."""
    prompt, completion, thought, read = (draw(_counts) for _ in range(4))
    apart = draw(st.booleans())  # reasoning is no part of the completion's tokens
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + thought * apart,
        "completion_tokens_details": draw(
            st.sampled_from([{"reasoning_tokens": thought}, {"reasoning_tokens": None}, None])
        ),
    }
    match draw(
        st.sampled_from(
            ["details", "cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"]
        )
    ):
        case "details":
            found["prompt_tokens_details"] = {"cached_tokens": read, "cache_write_tokens": draw(st.none() | _counts)}
        case key:
            found |= {key: read, "prompt_tokens_details": None}
    return found


_logprobs = st.lists(
    st.builds(lambda token: {"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}, texts),
    min_size=1,
    max_size=3,
)


_sounds = st.builds(
    lambda name, data, transcript: {
        "id": f"audio_{name}",
        "data": b64encode(_SOUNDS["audio/wav"] + data).decode(),
        "transcript": transcript,
        "expires_at": 5,
    },
    names,
    _rest,
    texts,
)
_block_lists = st.builds(  # Mistral's
    lambda thought, text: [
        {"type": "thinking", "thinking": [{"type": "text", "text": thought}], "closed": True},
        {"type": "text", "text": text},
    ],
    spoken,
    spoken,
)
_detail_rows = st.one_of(  # OpenRouter's
    st.builds(lambda text: {"type": "reasoning.text", "text": text, "index": 0, "signature": "s"}, spoken),
    st.builds(lambda text: {"type": "reasoning.summary", "summary": text, "index": 0}, spoken),
)
_encrypted_rows = st.builds(lambda data: {"type": "reasoning.encrypted", "data": data, "index": 1}, names)


@st.composite
def _calls(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 5)) == 0:
        return {"function_call": {"name": draw(names), "arguments": draw(_arguments)}}
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        kind: dict[str, Any] = {"type": "function", "function": {"name": draw(names), "arguments": draw(_arguments)}}
        if draw(st.integers(0, 3)) == 0:
            kind = {"type": "custom", "custom": {"name": draw(names), "input": draw(texts)}}
        found.append({"id": f"call_{number}", **kind})
    return {"tool_calls": found}


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """What an assistant says, as the provider and hosts like it write it."""
    content = draw(st.one_of(st.none(), texts, texts, texts, _block_lists, st.just({"a": "b"})))
    found: dict[str, Any] = {"role": "assistant", "content": content}
    if draw(st.booleans()):
        found[draw(st.sampled_from(["reasoning", "reasoning_content"]))] = draw(texts)
    if draw(st.integers(0, 5)) == 0:
        found["reasoning_details"] = [
            *draw(st.lists(_detail_rows, max_size=1)),
            *draw(st.lists(_encrypted_rows, max_size=1)),
        ]
    if draw(st.integers(0, 3)) == 0:
        found["refusal"] = draw(st.none() | st.just("") | spoken)
    if draw(st.integers(0, 5)) == 0:
        found["audio"] = draw(_sounds)
    if isinstance(content, str) and content and draw(st.integers(0, 3)) == 0:
        found["annotations"] = draw(st.lists(_annotations, max_size=2))
    if not found.get("refusal") and draw(st.booleans()):
        found |= draw(_calls())
    return found


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A whole answer."""
    choice: dict[str, Any] = {"index": 0, "message": draw(messages()), "finish_reason": draw(st.sampled_from(REASONS))}
    if draw(st.integers(0, 3)) == 0:
        choice["logprobs"] = {"content": draw(_logprobs), "refusal": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    if draw(st.booleans()):
        body["usage"] = draw(_usages())
    return body | draw(st.fixed_dictionaries({}, optional={"service_tier": names, "x_future": json_values(leaves=3)}))


# ---- the same streams in the dialects of hosts -----------------------------------------------------------------------

Chunks = list[dict[str, Any]]


def _choices(chunks: Chunks) -> Iterator[dict[str, Any]]:
    return (choice for chunk in chunks for choice in chunk["choices"])


def _kind(call: dict[str, Any]) -> tuple[str, str]:
    return ("custom", "input") if "custom" in call else ("function", "arguments")


def whole_calls(chunks: Chunks) -> Chunks:
    """Each call whole in one delta, without a number."""
    calls: dict[int, dict[str, Any]] = {}
    for choice in _choices(chunks):
        for fragment in choice["delta"].pop("tool_calls", ()):
            call = calls.setdefault(fragment.pop("index"), fragment)
            if call is not fragment:
                kind, text = _kind(call)
                call[kind][text] += fragment[kind][text]
    last = next(at for at, chunk in enumerate(chunks) if any(choice["finish_reason"] for choice in chunk["choices"]))
    told = [{**chunks[0], "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls.values()]
    return [*chunks[:last], *told, *chunks[last:]]


def numbered_zero(chunks: Chunks) -> Chunks:
    """Every call has the number 0, as relays send them; a new id begins a new call."""
    for choice in _choices(chunks):
        for fragment in choice["delta"].get("tool_calls", ()):
            fragment["index"] = 0
    return chunks


def repeated_names(chunks: Chunks) -> Chunks:
    """Id and name on every fragment."""
    known: dict[int, Any] = {}
    for choice in _choices(chunks):
        for fragment in choice["delta"].get("tool_calls", ()):
            start = known.setdefault(fragment["index"], deepcopy(fragment))
            kind, _ = _kind(start)
            fragment |= {"id": start["id"], kind: {**fragment[kind], "name": start[kind]["name"]}}
    return chunks


def late_arguments(chunks: Chunks) -> Chunks:
    """The first fragment of a call says nothing of its arguments."""
    for choice in _choices(chunks):
        for fragment in choice["delta"].get("tool_calls", ()):
            kind, text = _kind(fragment)
            if not fragment[kind][text]:
                fragment[kind][text] = None
    return chunks


def usage_with_the_reason(chunks: Chunks) -> Chunks:
    """Usage on the chunk that has the reason."""
    if chunks[-1]["choices"]:
        return chunks
    return [*chunks[:-2], {**chunks[-2], "usage": chunks[-1]["usage"]}]


def usage_growing(chunks: Chunks) -> Chunks:
    """Usage on every chunk, each time as far as it is known."""
    if chunks[-1]["choices"]:
        return chunks
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    return [*({**chunk, "usage": usage} for chunk in chunks[:-1]), chunks[-1]]


def filtered_first(chunks: Chunks) -> Chunks:
    """A first chunk that says nothing of the answer, as Azure sends it."""
    nothing = {"id": "", "object": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": []}
    return [nothing, *chunks]


def reasons_everywhere(chunks: Chunks) -> Chunks:
    """An empty reason before there is one, and the same one twice."""
    for choice in _choices(chunks):
        choice["finish_reason"] = choice["finish_reason"] or ""
    last = next(at for at, chunk in enumerate(chunks) if any(choice["finish_reason"] for choice in chunk["choices"]))
    return [*chunks[: last + 1], *chunks[last:]]


def thoughts_twice(chunks: Chunks) -> Chunks:
    """The same thoughts in both fields."""
    for choice in _choices(chunks):
        for one, other in (("reasoning", "reasoning_content"), ("reasoning_content", "reasoning")):
            if one in choice["delta"]:
                choice["delta"][other] = choice["delta"][one]
                break
    return chunks


def bare(chunks: Chunks) -> Chunks:
    """Chunks without choices, choices without a delta, or with one that is null."""
    about = {key: value for key, value in chunks[0].items() if key != "choices"}
    return [{**about, "choices": [{"index": 0, "delta": None}]}, about, {**about, "choices": [{"index": 0}]}, *chunks]


def of_several(chunks: Chunks) -> Chunks:
    """A second choice, which is not the answer."""
    other = {"index": 1, "delta": {"content": "another"}, "finish_reason": "length"}
    return [found for chunk in chunks for found in (chunk, {**chunk, "choices": [other]})]


def every_field(chunks: Chunks) -> Chunks:
    """What a delta does not speak of is null."""
    for choice in _choices(chunks):
        nothing = dict.fromkeys(("content", "refusal", "tool_calls", "function_call", "reasoning_content"))
        choice["delta"] = {**nothing, **choice["delta"]}
    return chunks


DIALECTS = (
    whole_calls,
    numbered_zero,
    repeated_names,
    late_arguments,
    usage_with_the_reason,
    usage_growing,
    filtered_first,
    reasons_everywhere,
    thoughts_twice,
    bare,
    of_several,
    every_field,
)
