"""What the public API promises, on the wires `openai-responses` and `gemini-generate`: raw answers in, typed ones out.

The server is a socket that says what a provider would. Nothing of llmkit but its public API is used.
"""

import json
import warnings
from base64 import b64encode
from contextlib import contextmanager
from itertools import count

import pytest
from sockets import Server, chunk, reply

from llmkit import (
    APIError,
    AssistantMessage,
    Audio,
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    NotFoundError,
    Opaque,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    ServerError,
    ServerTool,
    SystemMessage,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    UnprocessableEntityError,
    UnsupportedOptionError,
    UnsupportedWarning,
    Usage,
    UserMessage,
    Video,
)

OPENAI, GEMINI = "openai-responses", "gemini-generate"
each = pytest.mark.parametrize("provider", ["openai", "gemini"])
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
PDF = b"%PDF-1.7\n%%EOF\n"
WAV = b"RIFF\x04\0\0\0WAVEfmt "
MP3 = b"ID3\x03" + b"\0" * 26


def b64(data):
    return b64encode(data).decode()


def tables(table):
    """The cases of a table, each under its name."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), id=name) for name, case in table.items()]


# ---- the server ------------------------------------------------------------------------------------------------------


def whole(body, status="200 OK", headers=""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reply(data, status=status, headers=f"Content-Type: application/json\r\n{headers}")


def named(event):
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def reversed_(event):
    return f"data: {json.dumps(event)}\nevent: {event['type']}\n\n"


def bare(event):
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"


def crlf(event):
    return f"data: {json.dumps(event)}\r\n\r\n"


def sse(events, style=crlf, size=0):
    """An event stream, in network chunks of `size` bytes; of strings as they are."""
    data = "".join(event if isinstance(event, str) else style(event) for event in events).encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)] if size else [data]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(map(chunk, pieces)) + chunk(b"")


@contextmanager
def asked(provider, *answers, **options):
    """A client of a server that gives `answers` in turn, and that server."""
    left = iter(answers)

    def script(wire):
        for _ in wire.requests():
            wire.send(next(left))

    with Server(script) as server:
        options = {"api_key": "k", "base_url": server.url, "model": "m", "max_retries": 0, **options}
        with Client(provider, **options) as client:
            yield client, server


def completed(provider, answer, prompt="Hi", **options):
    with asked(provider, answer) as (client, _):
        return client.complete(prompt, **options)


def failed(provider, answer, *, stream):
    """The error that an answer is."""
    with asked(provider, answer) as (client, _), pytest.raises(APIError) as caught:
        client.stream("Hi").collect() if stream else client.complete("Hi")
    return caught.value


def sent(provider, prompt, model="m", answer=None, client=None, **options):
    """The body that the server is asked with."""
    with asked(provider, whole(answer or OK[provider]), model=model, **(client or {})) as (found, server):
        found.complete(prompt, **options)
    return json.loads(server.requests[0].body)


# ---- answers of Responses --------------------------------------------------------------------------------------------


def response(*output, **fields):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5",
        "output": list(output),
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 17,
        },
        **fields,
    }


def message(*content, **fields):
    return {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": list(content),
        **fields,
    }


def words(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def function_call(number, arguments, **fields):
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": "f",
        "arguments": arguments,
        "status": "completed",
        **fields,
    }


def incomplete(reason):
    return {"status": "incomplete", "incomplete_details": None if reason is None else {"reason": reason}}


def used(inputs, outputs, reasoning, total, cached=0):
    return {
        "input_tokens": inputs,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total,
    }


REFUSED = {"type": "refusal", "refusal": "I can't."}
CITED = {"type": "url_citation", "url": "https://e.com", "title": "T", "start_index": 0, "end_index": 2}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}
SUMMARY = [{"type": "summary_text", "text": "**A**"}, {"type": "summary_text", "text": "**B**"}]
REASONING = {"type": "reasoning", "id": "rs_1", "summary": SUMMARY, "encrypted_content": "enc"}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": 'select "x"\n'}
APPROVAL = {"type": "mcp_approval_request", "id": "m_1", "name": "x", "arguments": "{}", "server_label": "s"}
SHELL = [
    {"type": "shell_call", "id": "sh_1", "call_id": "c"},
    {"type": "shell_call_output", "id": "so", "call_id": "c"},
]
HI = Text("Hi")
CALL = ToolCall("call_1", "f", {"a": 1})
BILLED = Usage(10, 7, 4, 2, 3)
STOP, TOOLS = FinishReason("stop", "completed"), FinishReason("tool_calls", "completed")

# The answer, its parts, why it ended.
RESPONSES = {
    "text": (response(message(words("Hello there"))), [Text("Hello there")], STOP),
    "line separators": (response(message(words("é\u2028\x85😀"))), [Text("é\u2028\x85😀")], STOP),
    "refusal": (response(message(REFUSED)), [Refusal("I can't.")], FinishReason("refusal", "completed")),
    "refusal behind text": (
        response(message(words("Well."), REFUSED)),
        [Text("Well."), Refusal("I can't.")],
        FinishReason("refusal", "completed"),
    ),
    "two messages": (
        response(message(words("Hel"), phase="commentary"), message(words("lo"), id="msg_2")),
        [Text("Hel"), Text("lo")],
        STOP,
    ),
    "summaries": (
        response(REASONING, message(words("Hi"))),
        [Thinking("**A**\n\n**B**", "enc", wire=OPENAI), HI],
        STOP,
    ),
    "sealed thoughts": (
        response({**REASONING, "summary": []}, message(words("Hi"))),
        [Thinking("", redacted="enc", wire=OPENAI), HI],
        STOP,
    ),
    "open thoughts": (
        response(
            {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            message(words("Hi")),
        ),
        [Thinking("hm", wire=OPENAI), HI],
        STOP,
    ),
    "calls": (
        response(message(words("Hi")), function_call(1, '{"a": 1}'), function_call(2, "{}"), function_call(3, "")),
        [HI, CALL, ToolCall("call_2", "f"), ToolCall("call_3", "f")],
        TOOLS,
    ),
    "custom call": (response(CUSTOM), [ToolCall("call_1", "sql", {"input": 'select "x"\n'})], TOOLS),
    "arguments that are a list": (response(function_call(1, "[1]")), [ToolCall("call_1", "f", raw="[1]")], TOOLS),
    "cut call": (
        response(function_call(1, '{"a": '), **incomplete("max_output_tokens")),
        [ToolCall("call_1", "f", raw='{"a": ')],
        FinishReason("length", "max_output_tokens"),
    ),
    "call of a program": (
        response(function_call(1, '{"a": 1}', caller={"type": "program", "caller_id": "p"})),
        [CALL],
        TOOLS,
    ),
    "search": (response(SEARCH, message(words("Hi"))), [Opaque(OPENAI, SEARCH), HI], STOP),
    "unknown item": (
        response({"type": "brand_new", "id": "x", "foo": [1]}, message(words("Hi"))),
        [Opaque(OPENAI, {"type": "brand_new", "id": "x", "foo": [1]}), HI],
        STOP,
    ),
    "item for the client": (response(APPROVAL), [Opaque(OPENAI, APPROVAL)], TOOLS),
    "item that was answered there": (
        response(*SHELL, message(words("Hi"))),
        [*(Opaque(OPENAI, item) for item in SHELL), HI],
        STOP,
    ),
    "limit": (
        response(message(words("Hi")), **incomplete("max_output_tokens")),
        [HI],
        FinishReason("length", "max_output_tokens"),
    ),
    "limit in other words": (
        response(message(words("Hi")), **incomplete("max_tokens")),
        [HI],
        FinishReason("length", "max_tokens"),
    ),
    "filter": (response(**incomplete("content_filter")), [], FinishReason("content_filter", "content_filter")),
    "new reason": (response(message(words("Hi")), **incomplete("steered")), [HI], FinishReason("other", "steered")),
    "no reason": (response(message(words("Hi")), **incomplete(None)), [HI], FinishReason("other", "incomplete")),
    "cancelled": (response(message(words("Hi")), status="cancelled"), [HI], FinishReason("other", "cancelled")),
    "nothing": (response(), [], STOP),
}


def cut(text, size=3):
    return [text[at : at + size] for at in range(0, len(text), size)]


_TEXTS = {
    "output_text": ("response.output_text", "text", "content_index"),
    "refusal": ("response.refusal", "refusal", "content_index"),
    "summary_text": ("response.reasoning_summary_text", "text", "summary_index"),
    "reasoning_text": ("response.reasoning_text", "text", "content_index"),
}
_ARGUMENTS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


def streamed(body, *, closes=True, dones=True, output=True, announces=True):
    """The events that tell of an answer; some hosts leave some out."""
    number = count()
    begun = {**body, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(body["output"]):
        kept = {key: [] if isinstance(value, list) else value for key, value in item.items()}
        kept |= {field: "" for kind, (_, field) in _ARGUMENTS.items() if kind == item["type"]}
        events.append({"type": "response.output_item.added", "output_index": index, "item": kept})
        events += _of_item(item, {"item_id": item.get("id"), "output_index": index}, closes, announces)
        if dones:
            events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    told = body if output else {**body, "output": []}
    events.append({"type": f"response.{body['status']}", "response": told})
    return [{**event, "sequence_number": next(number)} for event in events]


def _of_item(item, place, closes, announces):
    if item["type"] in _ARGUMENTS:
        event, field = _ARGUMENTS[item["type"]]
        yield from ({"type": f"{event}.delta", **place, "delta": piece} for piece in cut(item[field]))
        if closes:
            yield {"type": f"{event}.done", **place, field: item[field]}
    for holder in ("summary", "content"):
        for index, part in enumerate(item.get(holder, ())):
            event, field, key = _TEXTS[part["type"]]
            at = {**place, key: index}
            empty = {**part, field: "", **({"annotations": []} if field == "text" else {})}
            if announces and holder == "content":
                yield {"type": "response.content_part.added", **at, "part": empty}
            yield from ({"type": f"{event}.delta", **at, "delta": piece} for piece in cut(part[field]))
            for order, note in enumerate(part.get("annotations", ())):
                about = {"annotation_index": order, "annotation": note}
                yield {"type": "response.output_text.annotation.added", **at, **about}
            if closes:
                yield {"type": f"{event}.done", **at, field: part[field]}


# ---- answers of Gemini -----------------------------------------------------------------------------------------------

COUNTS = {
    "promptTokenCount": 10,
    "toolUsePromptTokenCount": 2,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 20,
}


def generated(*parts, reason="STOP", around=None, **fields):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, "finishReason": reason}
    return {
        "candidates": [{**candidate, **(around or {})}],
        "usageMetadata": COUNTS,
        "modelVersion": "gemini-3",
        "responseId": "r1",
        **fields,
    }


def ended(reason, **candidate):
    """An answer of nothing but why."""
    return {"candidates": [{"finishReason": reason, "index": 0, **candidate}], "usageMetadata": COUNTS}


def chunks(body, size=3):
    """The chunks in which an answer of one candidate is streamed: counts on each, the rest with the last.

    A part that is signed comes whole: each part goes back as it came, and would be two otherwise.
    """
    if "candidates" not in body:
        return [body]
    around = dict(body["candidates"][0])
    parts = around.pop("content", {}).get("parts") or []
    pieces = []
    for part in parts:
        if part.get("text") and "thoughtSignature" not in part:
            pieces += [{**part, "text": piece} for piece in cut(part["text"], size)]
        else:
            pieces.append(part)
    base = {key: value for key, value in body.items() if key != "candidates"}
    found = [{"candidates": [{"content": {"role": "model", "parts": [piece]}, "index": 0}], **base} for piece in pieces]
    return [*found, {"candidates": [around], **base}]


GEMINI_STOP, GEMINI_TOOLS = FinishReason("stop", "STOP"), FinishReason("tool_calls", "STOP")
FIRST = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"}
SECOND = {"functionCall": {"id": "x2", "name": "f"}}
WEB = {"web": {"uri": "https://e.com", "title": "T"}}
SUPPORT = {"segment": {"startIndex": 0, "endIndex": 2, "text": "Hi"}, "groundingChunkIndices": [0]}
SERVED = {"toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}, "thoughtSignature": "U0lH"}
RUN = {"executableCode": {"language": "PYTHON", "code": "1"}}
SAID = {"inlineData": {"mimeType": "audio/wav", "data": b64(WAV)}, "audioTranscription": {"text": "hello"}}

GENERATED = {
    "text": (generated({"text": "Hello there"}), [Text("Hello there")], GEMINI_STOP),
    "line separators": (generated({"text": "é\u2028\x85😀"}), [Text("é\u2028\x85😀")], GEMINI_STOP),
    "thoughts": (
        generated({"text": "I think", "thought": True}, {"text": "Hi"}),
        [Thinking("I think", wire=GEMINI), HI],
        GEMINI_STOP,
    ),
    "signed thoughts": (
        generated({"text": "I think", "thought": True, "thoughtSignature": "U0lH"}, {"text": "Hi"}),
        [Thinking("I think", "U0lH", wire=GEMINI), HI],
        GEMINI_STOP,
    ),
    "signed text": (generated({"text": "Hi", "thoughtSignature": "U0lH"}), [HI], GEMINI_STOP),
    "calls": (
        generated({"text": "Hi"}, FIRST, SECOND),
        [HI, ToolCall("call_r1_0", "f", {"a": 1}), ToolCall("x2", "f")],
        GEMINI_TOOLS,
    ),
    "picture": (
        generated({"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}),
        [HI, Image(PNG)],
        GEMINI_STOP,
    ),
    "sound": (generated(SAID), [Audio(WAV, transcript="hello")], GEMINI_STOP),
    "code": (generated(RUN, {"text": "Hi"}), [Opaque(GEMINI, RUN), HI], GEMINI_STOP),
    "tool of the provider": (generated(SERVED, {"text": "Hi"}), [Opaque(GEMINI, SERVED), HI], GEMINI_STOP),
    "unknown part": (
        generated({"new": {"a": 1}}, {"text": "Hi"}),
        [Opaque(GEMINI, {"new": {"a": 1}}), HI],
        GEMINI_STOP,
    ),
    "limit": (generated({"text": "Hi"}, reason="MAX_TOKENS"), [HI], FinishReason("length", "MAX_TOKENS")),
    "limit used up by thoughts": (
        ended("MAX_TOKENS", content={"role": "model"}),
        [],
        FinishReason("length", "MAX_TOKENS"),
    ),
    "limit behind a call": (
        generated(SECOND, reason="MAX_TOKENS"),
        [ToolCall("x2", "f")],
        FinishReason("length", "MAX_TOKENS"),
    ),
    "number": (generated({"text": "Hi"}, reason=1), [HI], GEMINI_STOP),
    "prompt that is blocked": (
        {"promptFeedback": {"blockReason": "JAILBREAK", "blockReasonMessage": "no"}, "usageMetadata": {}},
        [],
        FinishReason("content_filter", "JAILBREAK"),
    ),
    "prompt that was looked at": (
        generated({"text": "Hi"}, promptFeedback={"safetyRatings": [{"category": "X", "probability": "LOW"}]}),
        [HI],
        GEMINI_STOP,
    ),
    **{
        word: (ended(word), [], FinishReason(reason, word))
        for reason, found in {
            "content_filter": "SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR IMAGE_SAFETY "
            "IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION IMAGE_OTHER",
            "error": "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MALFORMED_RESPONSE",
            "other": "OTHER NO_IMAGE SOMETHING_NEW",
        }.items()
        for word in found.split()
    },
}


# ---- whole and streamed ----------------------------------------------------------------------------------------------


def extras(found):
    return [getattr(part, "extra", None) for part in found.message.content]


def check_stream(provider, answer, expected):
    """What a stream gives is what the whole answer is."""
    with asked(provider, answer) as (client, _), client.stream("Hi") as stream:
        events = list(stream)
        found = stream.collect()
    assert found == expected
    assert extras(found) == extras(expected)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == expected.text
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == expected.thinking
    deltas = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [event.index for event in deltas] == sorted(event.index for event in deltas)
    for index, call in enumerate(expected.tool_calls):
        pieces = [delta for delta in deltas if delta.index == index]
        assert {(piece.id, piece.name) for piece in pieces} == {(call.id, call.name)}
        written = "".join(piece.arguments for piece in pieces)
        assert written == call.raw if call.raw is not None else json.loads(written) == call.arguments
    parts = [event for event in events if not isinstance(event, (TextDelta, ThinkingDelta, ToolCallDelta))]
    assert parts == [*expected.message.content, expected.finish_reason, expected.usage]
    assert events[-2:] == [expected.finish_reason, expected.usage]
    assert found.usage.raw == expected.usage.raw


HABITS = {
    "as the provider": ({}, named, 0),
    "no names of events": ({}, bare, 7),
    "names behind the data": ({}, reversed_, 0),
    "CRLF": ({}, crlf, 1024),
    "nothing is closed": ({"closes": False}, named, 0),
    "no parts are announced": ({"announces": False}, named, 0),
    "no items are done": ({"dones": False}, named, 0),
    "no output at the end": ({"output": False}, named, 0),
    "deltas and an end": ({"closes": False, "dones": False, "announces": False}, named, 0),
}


@pytest.mark.parametrize(("body", "parts", "reason"), tables(RESPONSES))
def test_an_answer_of_responses(body, parts, reason):
    found = completed("openai", whole(body))
    assert list(found.message.content) == parts
    assert (found.finish_reason, found.usage) == (reason, BILLED)
    assert (found.id, found.model, found.raw) == ("resp_1", "gpt-5", body)
    for about, style, size in HABITS.values():
        check_stream("openai", sse(streamed(body, **about), style, size), found)
    check_stream("openai", whole(body), found)  # a whole body is read as if it had streamed


@pytest.mark.parametrize(("body", "parts", "reason"), tables(GENERATED))
def test_an_answer_of_gemini(body, parts, reason):
    found = completed("gemini", whole(body))
    assert list(found.message.content) == parts
    assert found.finish_reason == reason
    assert found.raw == body
    for size, style, pieces in ((3, crlf, 0), (1, bare, 5), (100, crlf, 0)):
        check_stream("gemini", sse(chunks(body, size), style, pieces), found)
    check_stream("gemini", whole(body), found)
    check_stream("gemini", whole(chunks(body)), found)


def test_text_is_what_the_answer_says():
    found = completed("openai", whole(response(REASONING, message(words("a"), REFUSED, words("b")))))
    assert (found.text, found.refusal, found.thinking) == ("ab", "I can't.", "**A**\n\n**B**")
    found = completed("gemini", whole(generated({"text": "t", "thought": True}, {"text": '{"a": 1}'}, SAID)))
    assert (found.text, found.refusal, found.thinking) == ('{"a": 1}', None, "t")


def test_citations():
    body = response(message(words("Hi", CITED)))
    found = completed("openai", whole(body))
    assert [(note.url, note.title, note.raw) for note in found.citations] == [("https://e.com", "T", CITED)]
    check_stream("openai", sse(streamed(body), named), found)
    body = generated(
        {"text": "Hi"}, around={"groundingMetadata": {"groundingChunks": [WEB], "groundingSupports": [SUPPORT]}}
    )
    found = completed("gemini", whole(body))
    assert [(note.url, note.title) for note in found.citations] == [("https://e.com", "T")]
    assert found.citations[0].raw == {"groundingSupport": SUPPORT, "groundingChunk": WEB}
    check_stream("gemini", sse(chunks(body)), found)


def test_log_probabilities():
    entries = [{"token": "H", "logprob": -0.1, "top_logprobs": []}, {"token": "i", "logprob": -0.2, "top_logprobs": []}]
    body = response(message({**words("Hi"), "logprobs": entries}))
    assert completed("openai", whole(body)).logprobs == entries
    with asked("openai", sse(streamed(body), named)) as (client, _):
        assert client.stream("Hi").collect().logprobs == entries
    told = [{"token": letter, "logProbability": -0.5} for letter in "Hi"]
    pieces = [
        generated({"text": entry["token"]}, reason=reason, around={"logprobsResult": {"chosenCandidates": [entry]}})
        for entry, reason in zip(told, (None, "STOP"), strict=True)
    ]
    with asked("gemini", sse(pieces)) as (client, _):
        assert client.stream("Hi").collect().logprobs == told


def test_noise_in_a_stream():
    """Pings, comments, unknown events, a sentinel of another wire, a byte order mark."""
    noise = [
        ": ping\n\n",
        {"type": "keepalive", "sequence_number": 9},
        {"type": "response.brand_new.delta", "delta": "x"},
    ]
    expected = completed("openai", whole(response(message(words("Hello there")))))
    events = ["\ufeff", *(item for event in streamed(expected.raw) for item in (event, *noise)), "data: [DONE]\n\n"]
    check_stream("openai", sse(events, named), expected)
    expected = completed("gemini", whole(generated({"text": "Hello there"})))
    noise = [
        ": ping\r\n\r\n",
        "data:\r\n\r\n",
        {"usageMetadata": COUNTS, "modelVersion": "", "responseId": "", "new": 1},
    ]
    events = [item for event in chunks(expected.raw) for item in (*noise, event)]
    check_stream("gemini", sse(["\ufeff", *events, "data: [DONE]\n\n"]), expected)


def test_items_that_are_told_at_once():
    """Deltas of what stands behind an open item wait, so that joined they are the answer in its order."""
    body = response(message(words("Hello there")), function_call(1, '{"a": 1}'), function_call(2, '{"b": 2}'))
    first, *events, last = streamed(body)
    by_item = [[event for event in events if event.get("output_index") == index] for index in range(3)]
    mixed = [event for row in zip(*by_item, strict=False) for event in row]
    rest = [event for item in by_item for event in item if event not in mixed]
    check_stream("openai", sse([first, *mixed, *rest, last], named), completed("openai", whole(body)))


def test_events_that_tell_no_place():
    """Then they are of the item that was announced last."""
    body = response(REASONING, message(words("Hello there")), function_call(1, '{"a": 1}'))
    places = ("item_id", "output_index")
    events = [{key: value for key, value in event.items() if key not in places} for event in streamed(body)]
    check_stream("openai", sse(events, named), completed("openai", whole(body)))


OTHERS = {
    "second candidate first": {
        **generated(),
        "candidates": [
            generated({"text": text})["candidates"][0] | {"index": at} for at, text in ((1, "no"), (0, "Hi"))
        ],
    },
    "no index": {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]},
    "blank words and nulls": generated(
        {"text": ""}, {"text": "Hi"}, around={"safetyRatings": None, "new": 1}, new=None
    ),
}


@pytest.mark.parametrize("body", tables(OTHERS))
def test_other_shapes_of_an_answer_of_gemini(body):
    found = completed("gemini", whole(body))
    assert (found.text, found.finish_reason, found.raw) == ("Hi", GEMINI_STOP, body)
    with asked("gemini", sse([body])) as (client, _):
        assert client.stream("Hi").collect() == found


SHAPES = {
    "nulls": {"type": "message", "id": None, "role": "assistant", "status": None, "content": [
        {"type": "output_text", "text": "Hi", "annotations": None, "logprobs": None}]},
    "as little as can be": {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
    "unknown fields": message({**words("Hi"), "new": {}}, new=[1]),
}  # fmt: skip


@pytest.mark.parametrize("item", tables(SHAPES))
def test_other_shapes_of_an_answer_of_responses(item):
    found = completed("openai", whole({"id": None, "status": "completed", "output": [item]}))
    assert (found.text, found.id, found.model, found.usage, found.finish_reason) == ("Hi", "", "", Usage(), STOP)


def test_the_served_model_is_the_last_one_told():
    events = streamed(response(message(words("Hi")), model="gpt-5-2"))
    events[0] = {**events[0], "response": {**events[0]["response"], "model": "gpt-5"}}
    events[-1] = {**events[-1], "response": {**events[-1]["response"], "model": ""}}
    with asked("openai", sse(events, named)) as (client, _):
        assert client.stream("Hi").collect().model == "gpt-5-2"
    pieces = [generated({"text": "Hi"}, modelVersion=model, reason=reason) for model, reason in
              (("gemini-a", None), ("gemini-b", None), ("", "STOP"))]  # fmt: skip
    with asked("gemini", sse(pieces)) as (client, _):
        assert client.stream("Hi").collect().model == "gemini-b"


USAGES = {
    "responses": ("openai", response(usage=used(10, 7, 3, 17, 4)), Usage(10, 7, 4, 0, 3)),
    "reasoning counted apart": ("openai", response(usage=used(10, 3, 4, 17)), Usage(10, 7, reasoning_tokens=4)),
    "more cached than read": ("openai", response(usage=used(10, 3, 0, 99, 40)), Usage(10, 3, 40)),
    "nulls": ("openai", response(usage={"input_tokens": None, "output_tokens": 3, "total_tokens": None}), Usage(0, 3)),
    "null": ("openai", response(usage=None), Usage()),
    "gemini": ("gemini", generated(), Usage(12, 8, 4, 0, 3)),
    "numbers as text": ("gemini", generated(usageMetadata={"promptTokenCount": "10"}), Usage(10)),
    "nulls of gemini": (
        "gemini",
        generated(usageMetadata={"promptTokenCount": None, "candidatesTokenCount": 3}),
        Usage(0, 3),
    ),
    "null of gemini": ("gemini", generated(usageMetadata=None), Usage()),
    "totals that do not add up": (
        "gemini",
        generated(usageMetadata={"promptTokenCount": 1, "cachedContentTokenCount": 5, "totalTokenCount": 99}),
        Usage(1, 0, 5),
    ),
}


@pytest.mark.parametrize(("provider", "body", "usage"), tables(USAGES))
def test_usage(provider, body, usage):
    found = completed(provider, whole(body)).usage
    told = body["usage" if provider == "openai" else "usageMetadata"]
    assert (found, found.raw) == (usage, told)


STATUSES = ["queued", "in_progress", "cancelled"]


@pytest.mark.parametrize("status", STATUSES)
def test_an_answer_that_is_not_there_yet(status):
    found = completed("openai", whole(response(status=status, usage=None)))
    assert (found.finish_reason, found.usage) == (FinishReason("other", status), Usage())


# ---- streams that end too early --------------------------------------------------------------------------------------


def test_a_stream_that_is_cut_off_is_never_whole():
    events = streamed(response(REASONING, message(words("Hello there")), function_call(1, '{"a": 1}')))
    for number in range(1, len(events)):
        with asked("openai", sse(events[:number], named)) as (client, _), client.stream("Hi") as stream:
            with pytest.raises(IncompleteStreamError) as caught:
                list(stream)
            assert caught.value.partial.finish_reason.reason == "unfinished"
            assert "Hello there".startswith(caught.value.partial.text)
    pieces = chunks(generated({"text": "Hello there"}))
    for number in range(1, len(pieces)):
        with asked("gemini", sse(pieces[:number])) as (client, _), client.stream("Hi") as stream:
            with pytest.raises(IncompleteStreamError) as caught:
                list(stream)
            assert caught.value.partial.text == "Hello there"[: 3 * number]


# ---- errors ----------------------------------------------------------------------------------------------------------


def google(code, status, text, *details):
    return {"error": {"code": code, "message": text, "status": status, "details": list(details)}}


def exhausted(text="Quota exceeded.", *details):
    return google(429, "RESOURCE_EXHAUSTED", text, *details)


def quota(id_):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaMetric": "m", "quotaId": id_}],
    }


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "53.5s"}
MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
INVALID_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
DAY_IN_INFO = {"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "RequestsPerDay", "quota_metric": "m"}}
LONG = "context_length_exceeded"
TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
TOO_LONG_VERTEX = "Unable to submit request because the input token count is 40000 but model only supports up to 32768."

# The body; status, class, code, whether asking again could help, after how many seconds.
GOOGLE_ERRORS = {
    "bad key": (google(400, "INVALID_ARGUMENT", "API key not valid.", INVALID_KEY),
                400, AuthenticationError, "INVALID_ARGUMENT", False, None),
    "bad key by its reason": (google(400, "INVALID_ARGUMENT", "No.", INVALID_KEY),
                              400, AuthenticationError, "INVALID_ARGUMENT", False, None),
    "bad key by its words": (google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
                             400, AuthenticationError, "INVALID_ARGUMENT", False, None),
    "bad request": (google(400, "INVALID_ARGUMENT", "No."), 400, BadRequestError, "INVALID_ARGUMENT", False, None),
    "too long": (google(400, "INVALID_ARGUMENT", TOO_LONG), 400, BadRequestError, LONG, False, None),
    "too long on the cloud": (google(400, "INVALID_ARGUMENT", TOO_LONG_VERTEX),
                              400, BadRequestError, LONG, False, None),
    "forbidden": (google(403, "PERMISSION_DENIED", "No."),
                  403, PermissionDeniedError, "PERMISSION_DENIED", False, None),
    "unknown model": (google(404, "NOT_FOUND", "No."), 404, NotFoundError, "NOT_FOUND", False, None),
    "quota of a minute": (exhausted("Check your plan and billing details.", MINUTE, RETRY),
                          429, RateLimitError, "RESOURCE_EXHAUSTED", True, 53.5),
    "wait in a list": ([exhausted("Slow.", RETRY)], 429, RateLimitError, "RESOURCE_EXHAUSTED", True, 53.5),
    "quota of a day": (exhausted("No.", DAY, RETRY), 429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, 53.5),
    "quotas of both": (exhausted("No.", MINUTE, DAY), 429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None),
    "quota of a day in words": (exhausted("Quota exceeded for quota metric 'Requests per day'."),
                                429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None),
    "quota of a day in a metric": (exhausted("No.", {"violations": [{"quotaMetric": "requests_per_day"}]}),
                                   429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None),
    "quota of a day in its reason": (exhausted("No.", DAY_IN_INFO),
                                     429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None),
    "billing": (exhausted("Please enable billing on your project."),
                429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None),
    **{
        words: (exhausted(words), 429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None)
        for words in ("You have exceeded your daily quota.", "Daily limit reached.", "Please add billing to continue.",
                      "This model needs a billing account.")
    },
    **{
        f"{next(iter(detail))}: {next(iter(detail.values()))}":
            (exhausted("No.", detail), 429, QuotaExceededError, "RESOURCE_EXHAUSTED", False, None)
        for detail in ({"violations": [{"description": "Daily quota exceeded"}]},
                       {"violations": [{"description": "billing must be enabled"}]},
                       {"reason": "BILLING_DISABLED"}, {"metadata": {"quota_unit": "1/d/{project}"}})
    },
    "a quota of a minute, by its unit": (exhausted("No.", {"metadata": {"quota_unit": "1/min/{project}"}}),
                                         429, RateLimitError, "RESOURCE_EXHAUSTED", True, None),
    "internal": (google(500, "INTERNAL", "No."), 500, ServerError, "INTERNAL", True, None),
    "overloaded": (google(503, "UNAVAILABLE", "No."), 503, OverloadedError, "UNAVAILABLE", True, None),
    "too slow": (google(504, "DEADLINE_EXCEEDED", "No."), 504, ServerError, "DEADLINE_EXCEEDED", True, None),
    "number alone": ({"error": {"code": 400, "message": "No."}}, 400, BadRequestError, "400", False, None),
}  # fmt: skip


def oops(text, type_=None, code=None):
    return {"error": {"message": text, "type": type_, "param": None, "code": code}}


WINDOW = "Your input exceeds the context window of this model. Please adjust your input and try again."
OPENAI_ERRORS = {
    "bad key": (oops("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
                401, AuthenticationError, "invalid_api_key", False, None),
    "type alone": (oops("No.", "invalid_request_error"), 400, BadRequestError, "invalid_request_error", False, None),
    "number alone": ({"error": {"message": "No.", "code": 422}}, 422, UnprocessableEntityError, "422", False, None),
    "number as text": ({"error": {"message": "No.", "code": "400"}}, 400, BadRequestError, "400", False, None),
    "too long": (oops(WINDOW, "invalid_request_error", "context_length_exceeded"),
                 400, BadRequestError, LONG, False, None),
    "too long in words": (oops(WINDOW, "invalid_request_error"),
                          400, BadRequestError, LONG, False, None),
    "unknown model": (oops("No.", "invalid_request_error", "model_not_found"),
                      404, NotFoundError, "model_not_found", False, None),
    "rate": (oops("No.", "tokens", "rate_limit_exceeded"), 429, RateLimitError, "rate_limit_exceeded", True, None),
    "quota": (oops("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
              429, QuotaExceededError, "insufficient_quota", False, None),
    "internal": (oops("No.", "server_error"), 500, ServerError, "server_error", True, None),
    "overloaded": (oops("No.", "server_error", "slow_down"), 503, OverloadedError, "slow_down", True, None),
}  # fmt: skip

ERRORS = [
    pytest.param(provider, *case, id=f"{provider}, {name}")
    for provider, table in (("gemini", GOOGLE_ERRORS), ("openai", OPENAI_ERRORS))
    for name, case in table.items()
]


def told(error):
    return type(error), error.status, error.code, error.retryable, error.retry_after


@pytest.mark.parametrize(("provider", "body", "status", "cls", "code", "again", "wait"), ERRORS)
def test_an_error(provider, body, status, cls, code, again, wait):
    """As a status, in a 200, as the first event of a stream and amid it."""
    expected = (cls, status, code, again, wait)
    begun = {
        "openai": streamed(response(message(words("Hello"))))[:5],
        "gemini": chunks(generated({"text": "Hello"}))[:1],
    }
    event = {"type": "error", **body} if provider == "openai" else body
    answers = {
        "status": (whole(body, f"{status} No", "x-request-id: req_1\r\n"), False),
        "status of a stream": (whole(body, f"{status} No"), True),
        "in a 200": (whole(body), False),
        "instead of a stream": (whole(body), True),
        "first": (sse([event]), True),
        "without a name": (sse([body], bare), True),
        "amid": (sse([*begun[provider], event]), True),
    }
    found = {name: failed(provider, answer, stream=stream) for name, (answer, stream) in answers.items()}
    assert {name: told(error) for name, error in found.items()} == dict.fromkeys(found, expected)
    assert found["status"].body == body
    assert found["status"].request_id == "req_1"
    assert found["amid"].partial.text == "Hel"
    assert found["amid"].partial.finish_reason.reason == "unfinished"


FLAT = {
    "server_error": (500, ServerError, True),
    "rate_limit_exceeded": (429, RateLimitError, True),
    "insufficient_quota": (429, QuotaExceededError, False),
    "context_length_exceeded": (400, BadRequestError, False),
    "invalid_prompt": (400, BadRequestError, False),
    "image_parse_error": (400, BadRequestError, False),
    "vector_store_timeout": (504, ServerError, True),
}


@pytest.mark.parametrize("code", FLAT)
def test_an_answer_of_responses_that_failed(code):
    about = {"code": code, "message": "No."}
    body = response(status="failed", error=about, usage=None)
    begun = streamed(response(message(words("Hello"))))[:5]
    flat = {"type": "error", "param": None, "sequence_number": 9, **about}
    answers = [
        (whole(body), False),
        (sse([{"type": "response.failed", "response": body}], named), True),
        (sse([*begun, {"type": "response.failed", "response": body}], named), True),
        (sse([flat], named), True),
        (sse([*begun, flat], bare), True),
    ]
    for answer, stream in answers:
        error = failed("openai", answer, stream=stream)
        assert (error.status, type(error), error.retryable, error.code) == (*FLAT[code], code)


def test_what_is_no_json_is_an_error_of_its_status():
    for provider in ("openai", "gemini"):
        for body in (b"<html>no</html>", b"", b"null", b"no", b"[]"):
            error = failed(provider, whole(body, "502 Bad Gateway"), stream=False)
            assert told(error) == (ServerError, 502, None, True, None)


def test_a_code_of_google_that_is_no_status():
    error = failed("gemini", whole({"error": {"code": 7, "message": "No."}}, "403 Forbidden"), stream=False)
    assert told(error) == (PermissionDeniedError, 403, "7", False, None)


def test_an_error_behind_the_events():
    """Google tells of some without `data:`, as one object or as a list of one."""
    body = google(503, "UNAVAILABLE", "No.")
    begun = crlf(chunks(generated({"text": "Hello"}))[0])
    for told_ in (body, [body]):
        error = failed("gemini", sse([begun, json.dumps(told_, indent=2)]), stream=True)
        assert (type(error), error.partial.text) == (OverloadedError, "Hel")


def test_an_error_of_gemini_is_known_by_the_id_of_the_answer():
    """No header has one; what has come of the answer has."""
    begun = chunks(generated({"text": "Hello"}))[0]
    for rest in ([], [google(503, "UNAVAILABLE", "No.")], [{"candidates": 1}]):
        with asked("gemini", sse([begun, *rest])) as (client, _), pytest.raises(LLMKitError) as caught:
            client.stream("Hi").collect()
        assert (caught.value.request_id, caught.value.partial.request_id) == ("r1", "r1")
    with asked("gemini", sse([google(503, "UNAVAILABLE", "No.")])) as (client, _), pytest.raises(APIError) as caught:
        client.stream("Hi").collect()
    assert caught.value.request_id is None


@each
def test_an_error_before_the_first_event_is_tried_again(provider):
    errors = {
        "openai": {"type": "error", "code": "server_error", "message": "No."},
        "gemini": google(503, "UNAVAILABLE", "No.", {"retryDelay": "0.01s"}),
    }
    answers = {"openai": streamed(response(message(words("Hi")))), "gemini": chunks(generated({"text": "Hi"}))}
    with asked(provider, sse([errors[provider]]), sse(answers[provider]), max_retries=1) as (client, server):
        found = client.stream("Hi").collect()
    assert (found.text, found.attempts, len(server.requests)) == ("Hi", 2, 2)


@each
def test_a_quota_that_is_used_up_is_not_asked_again(provider):
    body = {"openai": oops("No.", "insufficient_quota"), "gemini": exhausted("No.", DAY, {"retryDelay": "0.01s"})}
    with asked(provider, whole(body[provider], "429 No"), max_retries=3) as (client, server):
        with pytest.raises(QuotaExceededError) as caught:
            client.complete("Hi")
        assert caught.value.attempts == len(server.requests) == 1


NOT_ANSWERS = {
    "output is missing": ("openai", {"id": "resp_1", "status": "completed"}, "$.output"),
    "item is a text": ("openai", response("x"), "$.output[0]"),
    "text is a number": (
        "openai",
        response(message({"type": "output_text", "text": 1})),
        "$.output[0].content[0].text",
    ),
    "call without a name": ("openai", response(function_call(1, "{}", name=None)), "$.output[0].name"),
    "nothing": ("gemini", {}, "$.candidates"),
    "candidates are none": ("gemini", {"candidates": {}}, "$.candidates"),
    "call without its name": (
        "gemini",
        generated({"functionCall": {}}),
        "$.candidates[0].content.parts[0].functionCall.name",
    ),
}


@pytest.mark.parametrize(("provider", "body", "path"), tables(NOT_ANSWERS))
def test_what_is_no_answer(provider, body, path):
    with pytest.raises(InvalidResponseError) as caught:
        completed(provider, whole(body))
    assert caught.value.path == path


# ---- what is sent ----------------------------------------------------------------------------------------------------

OK = {"openai": response(), "gemini": generated({"text": "Hi"}), "vertex": generated({"text": "Hi"})}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TOOL = Tool("f", "Finds.", SCHEMA)
OF_OPENAI = {"type": "function", "name": "f", "description": "Finds.", "parameters": SCHEMA, "strict": False}
OF_GEMINI = {"functionDeclarations": [{"name": "f", "description": "Finds.", "parametersJsonSchema": SCHEMA}]}
CONFIG = "generationConfig"


def calling(**config):
    return {"tools": [OF_GEMINI], "toolConfig": {"functionCallingConfig": config}}


# The option, what the body of Responses has for it, and what that of Gemini has; None: it is refused.
OPTIONS = {
    "none": ({}, {}, {}),
    "system": ({"system": "S"}, {"instructions": "S"}, {"systemInstruction": {"parts": [{"text": "S"}]}}),
    "max_tokens": ({"max_tokens": 5}, {"max_output_tokens": 5}, {CONFIG: {"maxOutputTokens": 5}}),
    "temperature": ({"temperature": 0}, {"temperature": 0}, {CONFIG: {"temperature": 0}}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.5}, {CONFIG: {"topP": 0.5}}),
    "top_k": ({"top_k": 3}, None, {CONFIG: {"topK": 3}}),
    "stop": ({"stop": "x"}, None, {CONFIG: {"stopSequences": ["x"]}}),
    "seed": ({"seed": 0}, None, {CONFIG: {"seed": 0}}),
    "frequency_penalty": ({"frequency_penalty": 0.5}, None, {CONFIG: {"frequencyPenalty": 0.5}}),
    "presence_penalty": ({"presence_penalty": -1}, None, {CONFIG: {"presencePenalty": -1}}),
    "logprobs": (
        {"logprobs": 2},
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
        {CONFIG: {"responseLogprobs": True, "logprobs": 2}},
    ),
    "reasoning": (
        {"reasoning": "high"},
        {"reasoning": {"effort": "high"}, "include": ["reasoning.encrypted_content"]},
        {CONFIG: {"thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": True}}},
    ),
    "no reasoning": (
        {"reasoning": "none"},
        {"reasoning": {"effort": "none"}},
        {CONFIG: {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}},
    ),
    "budget": (
        {"reasoning": 2000, "max_tokens": 10},
        None,
        {CONFIG: {"maxOutputTokens": 2010, "thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}}},
    ),
    "cache": ({"cache": "1h"}, {}, {}),
    "metadata": ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}, None),
    "service_tier": ({"service_tier": "flex"}, {"service_tier": "flex"}, {"serviceTier": "flex"}),
    "tools": ({"tools": [TOOL]}, {"tools": [OF_OPENAI]}, {"tools": [OF_GEMINI]}),
    "auto": (
        {"tools": [TOOL], "tool_choice": "auto"},
        {"tools": [OF_OPENAI], "tool_choice": "auto"},
        calling(mode="AUTO"),
    ),
    "required": (
        {"tools": [TOOL], "tool_choice": "required"},
        {"tools": [OF_OPENAI], "tool_choice": "required"},
        calling(mode="ANY"),
    ),
    "no tool": (
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [OF_OPENAI], "tool_choice": "none"},
        calling(mode="NONE"),
    ),
    "one tool": (
        {"tools": [TOOL], "tool_choice": "f"},
        {"tools": [OF_OPENAI], "tool_choice": {"type": "function", "name": "f"}},
        calling(mode="ANY", allowedFunctionNames=["f"]),
    ),
    "one call at a time": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [OF_OPENAI], "parallel_tool_calls": False},
        None,
    ),
    "server tool": ({"tools": [ServerTool({"x": {}})]}, {"tools": [{"x": {}}]}, {"tools": [{"x": {}}]}),
    "extra body": (
        {"temperature": 1, "extra_body": {"store": True, CONFIG: {"topK": 1}}},
        {"temperature": 1, "store": True, CONFIG: {"topK": 1}},
        {"store": True, CONFIG: {"temperature": 1, "topK": 1}},
    ),
}


@pytest.mark.parametrize(("options", "openai", "gemini"), tables(OPTIONS))
def test_options(options, openai, gemini):
    asks = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    asked_of_openai = {"model": "gpt-4.1", "input": [asks], "store": False}
    asked_of_gemini = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    for provider, model, least, more in (
        ("openai", "gpt-4.1", asked_of_openai, openai),
        ("gemini", "gemini-3.6-flash", asked_of_gemini, gemini),
    ):
        if more is not None:
            assert sent(provider, "Hi", model, **options) == {**least, **more}
            continue
        with pytest.raises(UnsupportedOptionError) as caught:
            sent(provider, "Hi", model, **options)
        assert caught.value.path in options
        with pytest.warns(UnsupportedWarning):
            body = sent(provider, "Hi", model, client={"unsupported": "warn"}, **options)
        assert not body.keys() & {"top_k", "stop", "seed", "metadata", "labels", "parallel_tool_calls", "reasoning"}


SEALED = {
    "gpt-5.6-terra": True,
    "o4-mini": True,
    "ft:o4-mini-2025-04-16:org::id": True,
    "gpt-4.1": False,
    "gpt-4o": False,
}


@pytest.mark.parametrize(("model", "sealed"), SEALED.items())
def test_nothing_is_stored_and_thoughts_come_sealed(model, sealed):
    body = sent("openai", "Hi", model)
    assert body["store"] is False
    assert ("reasoning.encrypted_content" in body.get("include", ())) is sealed
    body = sent("openai", "Hi", model, reasoning="none")
    assert "include" not in body


def test_metadata_on_google_cloud():
    cloud = {"auth": lambda request: request, "variables": {"project": "p", "location": "eu"}}
    assert sent("vertex", "Hi", metadata={"a": "b"}, client=cloud)["labels"] == {"a": "b"}


# A part of the user's, what stands for it on Responses, and on Gemini; a text: the end of the path that is refused.
URI = "https://e.com/a.png"
PARTS = {
    "picture": (
        Image(PNG, detail="low", name="a.png", cache="5m"),
        [{"type": "input_image", "image_url": f"data:image/png;base64,{b64(PNG)}", "detail": "low"}],
        [{"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}],
    ),
    "picture elsewhere": (
        Image.of(URI),
        [{"type": "input_image", "image_url": URI}],
        [{"fileData": {"fileUri": URI, "mimeType": "image/png"}}],
    ),
    "picture on file": (
        Image(file_id="x"),
        [{"type": "input_image", "file_id": "x"}],
        [{"fileData": {"fileUri": "x"}}],
    ),
    "sound": (
        Audio(WAV, transcript="hello"),
        [{"type": "input_audio", "input_audio": {"data": b64(WAV), "format": "wav"}}],
        [{"inlineData": {"mimeType": "audio/wav", "data": b64(WAV)}}],
    ),
    "MP3": (
        Audio(MP3),
        [{"type": "input_audio", "input_audio": {"data": b64(MP3), "format": "mp3"}}],
        [{"inlineData": {"mimeType": "audio/mpeg", "data": b64(MP3)}}],
    ),
    "sound elsewhere": (Audio.of("https://e.com/a.mp3"), "", [
        {"fileData": {"fileUri": "https://e.com/a.mp3", "mimeType": "audio/mpeg"}}]),
    "film": (Video(url="https://youtu.be/x"), "", [{"fileData": {"fileUri": "https://youtu.be/x"}}]),
    "document": (
        Document(PDF, name="a.pdf", context="C"),
        [{"type": "input_text", "text": "C"},
         {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}],
        [{"text": "C"}, {"inlineData": {"mimeType": "application/pdf", "data": b64(PDF)}}],
    ),
    "document elsewhere": (
        Document.of("https://e.com/a.pdf"),
        [{"type": "input_file", "file_url": "https://e.com/a.pdf"}],
        [{"fileData": {"fileUri": "https://e.com/a.pdf", "mimeType": "application/pdf"}}],
    ),
    "document to be cited": (Document(PDF, citations=True), ".citations", ".citations"),
    "block of Responses": (
        Opaque(OPENAI, {"type": "input_text", "text": "x"}), [{"type": "input_text", "text": "x"}], ""),
    "block of Gemini": (Opaque(GEMINI, {"text": "x"}), "", [{"text": "x"}]),
    "file of another": (Image(file_id="x", extra={"anthropic-messages": {}}), ".file_id", ".file_id"),
}  # fmt: skip


@pytest.mark.parametrize(("part", "openai", "gemini"), tables(PARTS))
def test_parts_of_the_users(part, openai, gemini):
    for provider, expected in (("openai", openai), ("gemini", gemini)):
        prompt = UserMessage(["Hi", part])
        if isinstance(expected, list):
            body = sent(provider, prompt)
            found = body["input"][0]["content"] if provider == "openai" else body["contents"][0]["parts"]
            assert found[1:] == expected
            continue
        with pytest.raises(UnsupportedOptionError) as caught:
            sent(provider, prompt)
        assert caught.value.path == f"prompt[0].content[1]{expected}"
        with warnings.catch_warnings(record=True) as told_:
            warnings.simplefilter("always")
            sent(provider, prompt, client={"unsupported": "warn"})
        assert [warning.category for warning in told_] == [UnsupportedWarning]


# What a tool said, the output on Responses, and the functionResponse on Gemini.
PICTURE = {"type": "input_image", "image_url": f"data:image/png;base64,{b64(PNG)}"}
BLOB = {"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}
PAPER = {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(PDF)}"}
RESULTS = {
    "text": (CALL.result("ok"), "ok", {"response": {"output": "ok"}}),
    "object": (CALL.result({"t": 1}), '{"t": 1}', {"response": {"t": 1}}),
    "number": (CALL.result(3), "3", {"response": {"output": "3"}}),
    "failure": (CALL.result("bad", is_error=True), "bad", {"response": {"error": "bad"}}),
    "nothing": (ToolResult("call_1", "f"), "", {"response": {}}),
    "no name": (ToolResult("call_1", content="ok"), "ok", {"response": {"output": "ok"}}),
    "picture": (
        CALL.result([Text("see"), Image(PNG)]),
        [{"type": "input_text", "text": "see"}, PICTURE],
        {"response": {"output": "see"}, "parts": [BLOB]},
    ),
    "document with words about it": (
        CALL.result([Document(PDF, name="a.pdf", context="C")]),
        [{"type": "input_text", "text": "C"}, PAPER],
        {"response": {"output": "C"}, "parts": [{"inlineData": {"mimeType": "application/pdf", "data": b64(PDF)}}]},
    ),
}


@pytest.mark.parametrize(("result", "output", "answered"), tables(RESULTS))
def test_results(result, output, answered):
    """They stand before what the user says with them, and next to their call."""
    prompt = [UserMessage("Hi"), AssistantMessage(CALL), UserMessage(["And?", result])]
    _, call, answer, asks = sent("openai", prompt)["input"]
    assert call == {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
    assert answer == {"type": "function_call_output", "call_id": "call_1", "output": output}
    assert asks["content"] == [{"type": "input_text", "text": "And?"}]
    _, call, answer = sent("gemini", prompt, "gemini-2.5-flash")["contents"]
    assert call["parts"] == [{"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}}]
    assert answer["parts"] == [{"functionResponse": {"id": "call_1", "name": "f", **answered}}, {"text": "And?"}]


# What another wire said, or nobody, and what is left of it on each.
SAYS = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
FOREIGN = {
    "thoughts signed elsewhere": ([Thinking("t", "s", wire="anthropic-messages"), HI], [SAYS], [{"text": "Hi"}]),
    "thoughts of nobody": ([Thinking("t"), HI], [SAYS], [{"text": "Hi"}]),
    "empty text": ([Text(""), HI], [SAYS], [{"text": "Hi"}]),
    "empty refusal": ([Refusal(""), HI], [SAYS], [{"text": "Hi"}]),
    "notes of another wire": ([Text("Hi", extra={"openai-chat": {"x": 1}})], [SAYS], [{"text": "Hi"}]),
    "nothing but thoughts": ([Thinking("t")], [], None),
}


@pytest.mark.parametrize(("content", "items", "parts"), tables(FOREIGN))
def test_what_another_said(content, items, parts):
    prompt = [UserMessage("a"), AssistantMessage(content), UserMessage("b")]
    assert sent("openai", prompt)["input"][1:-1] == items
    turns = sent("gemini", prompt, "gemini-2.5-flash")["contents"]
    expected = [{"role": "model", "parts": parts}] if parts else []
    assert [turn for turn in turns if turn["role"] == "model"] == expected


def test_a_call_that_gemini_has_not_signed():
    """Newer models refuse a turn whose first call has no signature; the later ones need none."""
    calls = [CALL, ToolCall("call_2", "f")]
    prompt = [UserMessage("a"), AssistantMessage(calls), UserMessage([call.result("x") for call in calls])]
    first, second = sent("gemini", prompt, "gemini-3.6-flash")["contents"][1]["parts"]
    assert first["thoughtSignature"]
    assert "thoughtSignature" not in second


def test_instructions_amid_a_conversation():
    prompt = [SystemMessage("a"), UserMessage("b"), SystemMessage("c"), UserMessage("d")]
    body = sent("openai", prompt, system="s")
    assert body["instructions"] == "s\n\na"
    assert [item["role"] for item in body["input"]] == ["user", "system", "user"]
    body = sent("gemini", prompt, system="s")
    assert body["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "a"}, {"text": "c"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "b"}, {"text": "d"}]}]


OUT_OF_BOUNDS = {
    "logprobs": {"logprobs": 21},
    "tool_choice": {"tools": [TOOL], "tool_choice": "unknown"},
    "tools[0].name": {"tools": [Tool("a b")]},
}


@each
@pytest.mark.parametrize(("path", "options"), OUT_OF_BOUNDS.items())
def test_out_of_bounds(provider, path, options):
    with asked(provider) as (client, server):
        with pytest.raises(ConfigurationError, match=path.replace("[", r"\[")):
            client.complete("Hi", **options)
        assert not server.requests


# ---- a conversation that goes on -------------------------------------------------------------------------------------


def bared(value):
    """Without what says nothing: nulls, and what is told of an answer only."""
    if isinstance(value, dict):
        return {key: bared(item) for key, item in value.items() if item is not None and key != "logprobs"}
    return [bared(item) for item in value] if isinstance(value, list) else value


GOES_BACK = [name for name, (body, *_) in RESPONSES.items() if body["output"] and name != "calls"]


@pytest.mark.parametrize("name", GOES_BACK)
def test_an_answer_of_responses_goes_back_as_it_came(name):
    body = RESPONSES[name][0]
    for answer in (whole(body), sse(streamed(body), named)):
        with asked("openai", answer, whole(OK["openai"])) as (client, server):
            found = (
                client.stream("a").collect() if answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text") else None
            )
            found = found or client.complete("a")
            client.complete([UserMessage("a"), found.message, UserMessage("b")])
        assert bared(json.loads(server.requests[1].body)["input"][1:-1]) == bared(body["output"])


GEMINI_GOES_BACK = ["text", "signed thoughts", "signed text", "picture", "sound", "code", "tool of the provider"]


@pytest.mark.parametrize("name", GEMINI_GOES_BACK)
def test_an_answer_of_gemini_goes_back_as_it_came(name):
    body = GENERATED[name][0]
    for answer, stream in ((whole(body), False), (sse(chunks(body)), True)):
        with asked("gemini", answer, whole(OK["gemini"])) as (client, server):
            found = client.stream("a").collect() if stream else client.complete("a")
            client.complete([UserMessage("a"), found.message, UserMessage("b")])
        sent_back = json.loads(server.requests[1].body)["contents"][1]
        assert sent_back == {"role": "model", "parts": body["candidates"][0]["content"]["parts"]}


SIGNED_IN_PIECES = {
    "behind the text": [{"text": "Hello"}, {"text": "", "thoughtSignature": "U0lH"}],
    "on the last piece": [{"text": "Hello"}, {"text": " world", "thoughtSignature": "U0lH"}],
    "amid the text": [{"text": "a"}, {"text": "b", "thoughtSignature": "U0lH"}, {"text": "c"}],
    "twice": [{"text": "a", "thoughtSignature": "U0lH"}, {"text": "", "thoughtSignature": "U0lJ"}],
    "on thoughts": [{"text": "a", "thought": True}, {"text": "b", "thought": True, "thoughtSignature": "U0lH"}],
}


@pytest.mark.parametrize("pieces", SIGNED_IN_PIECES.values(), ids=SIGNED_IN_PIECES.keys())
def test_a_signature_goes_back_on_the_part_that_it_came_with(pieces):
    """The provider asks not to merge parts with and without signatures:
    https://ai.google.dev/gemini-api/docs/thought-signatures."""
    body = generated(*pieces)
    for answer, stream in ((whole(body), False), (sse(chunks(body)), True)):
        with asked("gemini", answer, whole(OK["gemini"])) as (client, server):
            found = client.stream("a").collect() if stream else client.complete("a")
            client.complete([UserMessage("a"), found.message, UserMessage("b")])
        assert found.text == "".join(piece["text"] for piece in pieces if "thought" not in piece)
        assert json.loads(server.requests[1].body)["contents"][1] == {"role": "model", "parts": pieces}


def test_an_id_that_was_made_up_is_never_sent():
    """The results of calls without one go by name and order; a signature stays where it was."""
    with asked("gemini", whole(generated(FIRST, SECOND)), whole(OK["gemini"]), model="gemini-3.6-flash") as (
        client,
        server,
    ):
        found = client.complete("a")
        first, second = found.tool_calls
        client.complete([UserMessage("a"), found.message, UserMessage([second.result("2"), first.result("1")])])
    _, called, answered = json.loads(server.requests[1].body)["contents"]
    assert called["parts"] == [FIRST, {"functionCall": {"id": "x2", "name": "f", "args": {}}}]
    assert answered["parts"] == [
        {"functionResponse": {"name": "f", "response": {"output": "1"}}},
        {"functionResponse": {"id": "x2", "name": "f", "response": {"output": "2"}}},
    ]


def test_a_custom_call_is_answered_as_one():
    with asked("openai", whole(response(CUSTOM)), whole(OK["openai"])) as (client, server):
        found = client.complete("a")
        client.complete([UserMessage("a"), found.message, UserMessage(found.tool_calls[0].result("1 row"))])
    _, call, answer = json.loads(server.requests[1].body)["input"]
    assert call == CUSTOM
    assert answer == {"type": "custom_tool_call_output", "call_id": "call_1", "output": "1 row"}


def test_an_answer_moves_to_the_other_wire():
    with asked("openai", whole(response(REASONING, message(words("Hi", CITED)), function_call(1, '{"a": 1}')))) as (
        client,
        _,
    ):
        said = client.complete("a").message
    prompt = [UserMessage("a"), said, UserMessage(said.content[-1].result("x"))]
    turn = sent("gemini", prompt, "gemini-2.5-flash")["contents"][1]
    assert turn["parts"] == [{"text": "Hi"}, {"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}}]
    with asked(
        "gemini", whole(generated({"text": "t", "thought": True, "thoughtSignature": "U0lH"}, {"text": "Hi"}, FIRST))
    ) as (
        client,
        _,
    ):
        said = client.complete("a").message
    prompt = [UserMessage("a"), said, UserMessage(said.content[-1].result("x"))]
    _, says, call, answer = sent("openai", prompt)["input"]
    assert (says, call["arguments"]) == (SAYS, '{"a":1}')
    assert call["call_id"] == answer["call_id"]


# ---- beside answers --------------------------------------------------------------------------------------------------


def test_counts_of_tokens():
    with asked("openai", whole({"object": "response.input_tokens", "input_tokens": 7})) as (client, server):
        assert client.count_tokens("Hi", max_tokens=5, tools=[TOOL]) == 7
    assert server.requests[0].path == "/v1/responses/input_tokens"
    assert json.loads(server.requests[0].body).keys() == {"model", "input", "tools"}
    with asked("gemini", whole({"totalTokens": 7, "promptTokensDetails": []})) as (client, server):
        assert client.count_tokens("Hi", system="S") == 7
    assert server.requests[0].path == "/v1beta/models/m:countTokens"
    wrapped = json.loads(server.requests[0].body)["generateContentRequest"]
    assert (wrapped["model"], wrapped.keys()) == ("models/m", {"model", "contents", "systemInstruction"})


def test_lists_of_models():
    listed = {"object": "list", "data": [{"id": "gpt-5", "object": "model", "created": 1, "owned_by": "openai"}]}
    with asked("openai", whole(listed)) as (client, server):
        (model,) = client.models()
    assert (server.requests[0].path, model.id, model.raw) == ("/v1/models", "gpt-5", listed["data"][0])
    pages = [
        {
            "models": [{"name": "models/a", "displayName": "A", "inputTokenLimit": 9, "outputTokenLimit": 3}],
            "nextPageToken": "n",
        },
        {"models": [{"name": "models/b", "thinking": True}], "nextPageToken": ""},
    ]
    with asked("gemini", *map(whole, pages)) as (client, server):
        first, second = client.models()
    assert (first.id, first.display_name, first.context_window, first.max_output, second.id) == ("a", "A", 9, 3, "b")
    assert [request.method for request in server.requests] == ["GET", "GET"]
    assert "pageToken=n" in server.requests[1].path


EMBEDDED = {
    "base64": ("openai", [{"index": 0, "embedding": b64(b"\0\0\x80\x3f\0\0\0\x40")}]),
    "numbers": ("openai", [{"index": 0, "embedding": [1.0, 2]}]),
    "no index": ("openai", [{"embedding": [1, 2]}]),
    "gemini": ("gemini", [{"values": [1, 2.0]}]),
}


@pytest.mark.parametrize(("provider", "listed"), tables(EMBEDDED))
def test_embeddings(provider, listed):
    bodies = {
        "openai": {"data": listed, "model": "e-1", "usage": {"prompt_tokens": 3, "total_tokens": 3}},
        "gemini": {"embeddings": listed, "usageMetadata": {"promptTokenCount": 3}},
    }
    with asked(provider, whole(bodies[provider])) as (client, server):
        found = client.embed(["Hi"], model="e", dimensions=2)
    assert ([list(vector) for vector in found.vectors], found.usage.input_tokens) == ([[1.0, 2.0]], 3)
    body = json.loads(server.requests[0].body)
    if provider == "openai":
        assert (server.requests[0].path, found.model) == ("/v1/embeddings", "e-1")
        assert (body["model"], body["input"], body["dimensions"]) == ("e", ["Hi"], 2)
    else:
        assert (server.requests[0].path, found.model) == ("/v1beta/models/e:batchEmbedContents", "e")
        one = {"model": "models/e", "content": {"parts": [{"text": "Hi"}]}, "outputDimensionality": 2}
        assert body == {"requests": [one]}


def test_vectors_come_in_the_order_of_the_texts():
    rows = [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]
    with asked("openai", whole({"data": rows, "model": "e", "usage": None})) as (client, _):
        found = client.embed(["a", "b"], model="e")
    assert ([list(vector) for vector in found.vectors], found.usage) == ([[1], [2]], Usage())
