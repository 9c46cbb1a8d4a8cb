"""A 200 whose body is not the answer that was asked for, or is it oddly shaped: on every wire, whole and streamed.

A stream that is answered by a whole body is read as if it had streamed, so that both modes are told the same.
"""

import copy
import gzip
import json
import pickle
import zlib

import pytest
from attrs import frozen
from faults.calls import (
    JSON,
    KEY,
    SSE,
    answer,
    asked,
    assert_failed,
    assert_good,
    each_format,
    each_mode,
    in_turn,
    once,
    says,
    whole,
)
from faults.formats import FORMATS, INPUT, MODEL, OUTPUT, TEXT, to_bytes
from sockets import Server

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    IncompleteStreamError,
    InvalidResponseError,
    NotFoundError,
    OverloadedError,
    PaymentRequiredError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    UserMessage,
)

SHOWN = 1024
RETRIES = 2  # which nothing here may use, unless it says so
HTML = "Content-Type: text/html; charset=utf-8\r\n"
PAGE = b"<!doctype html>\n<html><head><title>Sign in</title></head><body>" + b"&nbsp;" * 1000 + b"</body></html>"


def assert_refused(outcome, body, path="$"):
    """It is no answer: not retried, as the host would say the same again; shown as far as it helps."""
    error = assert_failed(outcome, InvalidResponseError, path=path, retryable=False, retry_after=None)
    text = body[: 4 * SHOWN].decode("utf-8", "replace")
    assert text.startswith(error.body)
    assert min(SHOWN - 3, len(text.encode())) <= len(error.body.encode()) <= SHOWN, "and no letter is cut in two"
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.path, copied.body, copied.attempts) == (str(error), path, error.body, 1)
    assert error.__cause__ is None
    return error


# ---- no answer at all ------------------------------------------------------------------------------------------------

NOT_JSON = {
    "a page": PAGE,
    "words": b"upstream connect error or disconnect/reset before headers",
    "words like a field": b"error code: 1015",
    "deep": b"[" * 100_000,
    "deep, and whole": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "an integer of 10,000 digits": b'{"id":' + b"7" * 10_000 + b"}",
    "NaN": b'{"id":NaN}',
    "Infinity": b'{"id":[-Infinity]}',
    "a number that is infinite": b'{"id":1e999}',
    "not UTF-8": b'{"id":"\xff\xfe"}',
    "Latin-1": '{"id":"Grüße, und noch mehr"}'.encode("latin-1"),
    "UTF-16": '{"id":"x"}'.encode("utf-16"),
    "UTF-32": '{"id":"x"}'.encode("utf-32"),
    "NULs": b"\0\0\0\0",
    "garbage behind it": b'{"id":"x"} x',
    "two values": b'{"id":"x"}{"id":"y"}',
    "JSON lines": b'{"id":"x"}\n{"id":"y"}\n',
    "single quotes": b"{'id': 1}",
    "a comment": b'{"id": 1 /* none */ }',
    "a trailing comma": b'{"id": 1, }',
    "a bare key": b"{id: 1, and: 2}",
    "a control character": b'{"id":"a\nb"}',
    "gzip that is not declared": gzip.compress(b'{"id":"x"}'),
    "brotli that is not declared": bytes.fromhex("8b05807b226964223a2278227d03"),
}


@each_format
@each_mode
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_no_json(form, mode, body):
    assert_refused(asked(once(whole(body)), form, mode, max_retries=RETRIES), body)


@each_format
@pytest.mark.parametrize("kind", [SSE, "", "Content-Type: text/plain\r\n"], ids=["event-stream", "none", "plain"])
@pytest.mark.parametrize("name", ["a page", "words", "words like a field", "UTF-16", "NULs", "JSON lines"])
def test_no_stream(form, kind, name):
    """What is no stream of events, whatever it is called, is shown rather than called cut off."""
    body = NOT_JSON[name]
    assert_refused(asked(once(whole(body, headers=kind)), form, "streamed", max_retries=RETRIES), body)


@each_format
@each_mode
def test_a_page_that_says_so(form, mode):
    """Mostly of a proxy or a portal: the error asks whether the address is right."""
    error = assert_refused(asked(once(whole(PAGE, headers=HTML)), form, mode, max_retries=RETRIES), PAGE)
    assert "text/html" in str(error)
    assert "base_url" in str(error)


NOTHING = {
    "empty": whole(b""),
    "blanks": whole(b" \r\n\t\n"),
    "without a type": whole(b"", headers=""),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "205": whole(b"", "205 Reset Content"),
}


@each_format
@pytest.mark.parametrize("raw", NOTHING.values(), ids=NOTHING.keys())
def test_nothing(form, raw):
    outcome = asked(once(raw), form, "whole", max_retries=RETRIES)
    assert "empty" in str(assert_failed(outcome, InvalidResponseError, path="$", body="", retryable=False))


@each_format
@pytest.mark.parametrize("raw", [NOTHING["204"], whole(b"", headers=SSE), whole(b"\r\n\r\n", headers=SSE)])
def test_a_stream_of_nothing(form, raw):
    """It ended before it began, which another try may mend."""
    assert_failed(asked(once(raw), form, "streamed"), IncompleteStreamError, retryable=True)
    assert_good(asked(in_turn(once(raw), once(answer(form, "streamed"))), form, "streamed", max_retries=1), attempts=2)


NOT_OBJECTS = {
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a point": b"-1.5e3",
    "a string": b'"hello"',
    "an empty string": b'""',
}


@each_format
@each_mode
@pytest.mark.parametrize("kind", [JSON, SSE, ""], ids=["json", "event-stream", "none"])
@pytest.mark.parametrize("body", NOT_OBJECTS.values(), ids=NOT_OBJECTS.keys())
def test_no_object(form, mode, kind, body):
    assert_refused(asked(once(whole(body, headers=kind)), form, mode, max_retries=RETRIES), body)


# Gemini's whole body may be an array: of the chunks of a stream.
@each_format
@each_mode
@pytest.mark.parametrize(("body", "in_array"), [(b"[]", "$[0]"), (b'["a"]', "$[0]"), (b"[null]", "$[0]")])
def test_a_list(form, mode, body, in_array):
    path = in_array if form.provider == "gemini" else "$"
    assert_refused(asked(once(whole(body)), form, mode, max_retries=RETRIES), body, path)


ENVELOPES = {"anthropic": "$.content", "openai-chat": "$.choices", "openai": "$.output", "gemini": "$.candidates"}


@each_format
@each_mode
@pytest.mark.parametrize("body", [b"{}", b'{"id": "x", "hello": {"a": [1]}}'])
def test_another_object(form, mode, body):
    assert_refused(asked(once(whole(body)), form, mode, max_retries=RETRIES), body, ENVELOPES[form.provider])


# ---- wrong types at each level ---------------------------------------------------------------------------------------


@frozen
class Wrong:
    """Something in a good body that is not what the wire promises.

    Attributes:
        provider: Of which format.
        at: Where it stands.
        value: What stands there.
        path: What the error names.
    """

    provider: str
    at: tuple
    value: object
    path: str


def changed(form, at, value):
    body = json.loads(form.body)
    holder = body
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    return to_bytes(body)


def _wrong(provider, at, path, *values):
    return {f"{provider}: {json.dumps(value)} @ {path}": Wrong(provider, at, value, path) for value in values}


_MESSAGE = ("choices", 0, "message")
_CANDIDATE = ("candidates", 0)
WRONG = {
    **_wrong("anthropic", ("content",), "$.content", 5, None, "hello", {"text": "x"}, True),
    **_wrong("anthropic", ("content", 0), "$.content[0]", 5, None, "hello", []),
    **_wrong("anthropic", ("content", 0, "type"), "$.content[0].type", 5, None, {}, ["text"]),
    **_wrong("anthropic", ("content", 0, "text"), "$.content[0].text", 5, None, ["x"]),
    **_wrong("anthropic", ("content", 0, "citations"), "$.content[0].citations", 5, {"a": 1}, "x"),
    **_wrong("openai-chat", ("choices",), "$.choices", 5, None, "hello", {"0": {}}),
    **_wrong("openai-chat", ("choices",), "$.choices[0]", [], [None], ["hello"], [[]]),
    **_wrong("openai-chat", _MESSAGE, "$.choices[0].message", 5, "hello", []),
    **_wrong("openai-chat", (*_MESSAGE, "content"), "$.choices[0].message.content", 5, True),
    **_wrong("openai-chat", (*_MESSAGE, "content"), "$.choices[0].message.content[0]", [5], [None], [[]]),
    **_wrong("openai-chat", (*_MESSAGE, "tool_calls"), "$.choices[0].message.tool_calls", 5, "x", {"id": "x"}),
    **_wrong("openai-chat", (*_MESSAGE, "tool_calls"), "$.choices[0].message.tool_calls[0]", ["x"], [None]),
    **_wrong("openai-chat", (*_MESSAGE, "tool_calls"), "$.choices[0].message.tool_calls[0].function", [{"id": "x"}]),
    **_wrong("openai", ("output",), "$.output", 5, None, "hello", {"0": {}}),
    **_wrong("openai", ("output", 0), "$.output[0]", 5, None, "hello", []),
    **_wrong("openai", ("output", 0, "type"), "$.output[0].type", 5, None, {}),
    **_wrong("openai", ("output", 0, "content"), "$.output[0].content", 5, "hello", {"text": "x"}),
    **_wrong("openai", ("output", 0, "content", 0), "$.output[0].content[0]", 5, None, "hello"),
    **_wrong("openai", ("output", 0, "content", 0, "text"), "$.output[0].content[0].text", 5, None, ["x"]),
    **_wrong("gemini", ("candidates",), "$.candidates", 5, "hello", {"0": {}}),
    **_wrong("gemini", _CANDIDATE, "$.candidates[0]", 5, None, "hello", []),
    **_wrong("gemini", (*_CANDIDATE, "content"), "$.candidates[0].content", 5, "hello", []),
    **_wrong("gemini", (*_CANDIDATE, "content", "parts"), "$.candidates[0].content.parts", 5, "hello", {"text": "x"}),
    **_wrong("gemini", (*_CANDIDATE, "content", "parts", 0), "$.candidates[0].content.parts[0]", 5, None, "hello"),
    **_wrong("gemini", (*_CANDIDATE, "content", "parts", 0, "text"), "$.candidates[0].content.parts[0].text", 5, ["x"]),
}


@each_mode
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_types(mode, wrong):
    form = FORMATS[wrong.provider]
    body = changed(form, wrong.at, wrong.value)
    assert_refused(asked(once(whole(body)), form, mode, max_retries=RETRIES), body, wrong.path)


# What stands beside the answer, and is left out where it is not what it should be: a call is not broken by it.
BESIDE = {
    "anthropic": (("id",), ("model",), ("type",), ("role",), ("stop_sequence",), ("extra",), ("content", 0, "extra")),
    "openai-chat": (("id",), ("model",), ("object",), ("created",), ("extra",), ("choices", 0, "logprobs")),
    "openai": (("id",), ("model",), ("object",), ("incomplete_details",), ("extra",), ("output", 0, "id")),
    "gemini": (
        ("responseId",),
        ("modelVersion",),
        ("promptFeedback",),
        ("extra",),
        ("candidates", 0, "citationMetadata"),
    ),
}


@each_format
@each_mode
@pytest.mark.parametrize("value", [5, None, True, "x", ["x"], {"x": [1]}], ids=json.dumps)
def test_wrong_types_beside_the_answer(form, mode, value):
    for at in BESIDE[form.provider]:
        assert_good(asked(once(whole(changed(form, at, value))), form, mode))


USAGES = {
    "anthropic": (("usage",), ("usage", "input_tokens")),
    "openai-chat": (("usage",), ("usage", "prompt_tokens")),
    "openai": (("usage",), ("usage", "input_tokens")),
    "gemini": (("usageMetadata",), ("usageMetadata", "promptTokenCount")),
}


NO_COUNTS = {
    **{json.dumps(value): value for value in (None, True, "many", ["x"], {"x": 1}, -5, 1.5, 1e300)},
    "4,300 digits": 10**4300 - 1,  # as many as Python reads: a sum of two such numbers cannot be shown
    "-4,300 digits": 1 - 10**4300,
}


@each_format
@each_mode
@pytest.mark.parametrize("value", NO_COUNTS.values(), ids=NO_COUNTS.keys())
def test_counts_that_are_none(form, mode, value):
    """Nothing is estimated: what is no count is 0."""
    all_of_it, of_prompt = USAGES[form.provider]
    nothing = {} if isinstance(value, dict) else value
    assert_good(asked(once(whole(changed(form, all_of_it, nothing))), form, mode), usage=(0, 0))
    outcome = asked(once(whole(changed(form, of_prompt, value))), form, mode)
    assert_good(outcome, usage=(0, OUTPUT))
    assert repr(outcome.response)
    assert repr(outcome.response.usage + outcome.response.usage)


# ---- odd, and good ---------------------------------------------------------------------------------------------------


def _with(form, field):
    """The good body, with another field before the others."""
    return b"{" + field + b"," + form.body[1:]


DEEP = b'"deep":' + b'[{"a":' * 90 + b"1" + b"}]" * 90
ODD = {
    "a byte order mark": (lambda form: b"\xef\xbb\xbf" + form.body, JSON),
    "blanks around it": (lambda form: b"\r\n \t" + form.body + b" \r\n\n", JSON),
    "indented": (lambda form: json.dumps(json.loads(form.body), indent=4).encode(), JSON),
    "letters as escapes": (lambda form: json.dumps(json.loads(form.body)).encode(), JSON),
    "declared Latin-1": (lambda form: form.body, "Content-Type: application/json; charset=iso-8859-1\r\n"),
    "declared UTF-16": (lambda form: form.body, "Content-Type: application/json; charset=utf-16\r\n"),
    "declared nonsense": (lambda form: form.body, 'Content-Type: application/json; charset="klingon; x=\r\n'),
    "no type": (lambda form: form.body, ""),
    "an empty type": (lambda form: form.body, "Content-Type: \r\n"),
    "called text": (lambda form: form.body, "Content-Type: text/plain\r\n"),
    "called an event stream": (lambda form: form.body, SSE),
    "called bytes": (lambda form: form.body, "Content-Type: application/octet-stream\r\n"),
    "a key twice": (lambda form: _with(form, b'"id":"other","model":7'), JSON),
    "the content twice": (
        lambda form: _with(form, b'"content":1,"choices":2,"output":3,"candidates":4'),  # the last one holds
        JSON,
    ),
    "as deep as may be": (lambda form: _with(form, DEEP), JSON),
    "large numbers": (lambda form: _with(form, b'"n":[1e308,-1E-400,' + b"7" * 4000 + b"]"), JSON),
    "odd names": (lambda form: _with(form, rb'"":0,"\ud83d":"\ud83d","\u0000":"\u0000","__class__":1'), JSON),
}


@each_format
@each_mode
@pytest.mark.parametrize(("made", "kind"), ODD.values(), ids=ODD.keys())
def test_odd_and_good(form, mode, made, kind):
    outcome = asked(once(whole(made(form), headers=kind)), form, mode)
    assert_good(outcome)
    response = outcome.response
    assert pickle.loads(pickle.dumps(response)) == response == copy.deepcopy(response)
    assert hash(response) == hash(copy.deepcopy(response))
    assert repr(response)


UNKNOWN_FIELDS = {
    "deep": b'"x":' + b"[" * 100_000 + b"]" * 100_000,
    "deeper than may be": b'"x":' + b"[" * 250 + b"]" * 250,
    "digits": b'"x":' + b"1" * 10_000,
    "NaN": b'"x":{"y":NaN}',
    "infinite": b'"x":[1,-1e400]',
    "not UTF-8": b'"x":"\xc3("',
}


@each_format
@each_mode
@pytest.mark.parametrize("field", UNKNOWN_FIELDS.values(), ids=UNKNOWN_FIELDS.keys())
def test_limits_hold_in_fields_that_nobody_knows(form, mode, field):
    body = _with(form, field)
    assert_refused(asked(once(whole(body)), form, mode, max_retries=RETRIES), body)


STATUSES = ("201 Created", "202 Accepted", "203 Non-Authoritative Information", "206 Partial Content", "299 Fine")


@each_format
@each_mode
@pytest.mark.parametrize("status", STATUSES)
def test_any_2xx_is_an_answer(form, mode, status):
    body, kind = (form.body, JSON) if mode == "whole" else (form.stream, SSE)
    assert_good(asked(once(whole(body, status, kind)), form, mode))


@each_format
@pytest.mark.parametrize("kind", [SSE, JSON, "", "Content-Type: text/plain\r\n"])
def test_a_stream_in_place_of_a_whole_answer(form, kind):
    """It was not asked for: some of these hosts stream whatever is asked for, and are told apart by what is shown."""
    outcome = asked(once(whole(form.stream, headers=kind)), form, "whole", max_retries=RETRIES)
    assert_refused(outcome, form.stream)


@each_mode
def test_an_answer_without_its_end(mode):
    """Chunks of Gemini's in one array, none of which says why it ended: what they tell is not lost."""
    form = FORMATS["gemini"]
    chunks = [json.loads(event.removeprefix(b"data:")) for event in form.texts[:2]]
    outcome = asked(once(whole(to_bytes(chunks))), form, mode)
    error = outcome.error
    assert type(error) is IncompleteStreamError
    assert (error.partial.text, error.partial.finish_reason.reason) == ("Grüß Gott, ", "unfinished")
    assert (error.partial.usage.input_tokens, error.partial.provider, error.partial.id) == (INPUT, "gemini", "answer-1")
    assert (error.attempts, error.partial.attempts, error.retryable, outcome.events) == (1, 1, True, ())


# ---- compression -----------------------------------------------------------------------------------------------------

PACKED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "in capitals": ("GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", lambda data: zlib.compress(data)[2:-4]),
    "twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    "in two members": ("gzip", lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:])),
    "identity": ("identity", bytes),
    "nothing": ("", bytes),
}


@each_format
@each_mode
@pytest.mark.parametrize(("name", "pack"), PACKED.values(), ids=PACKED.keys())
def test_compressed(form, mode, name, pack):
    body, kind = (form.body, JSON) if mode == "whole" else (form.stream, SSE)
    assert_good(asked(once(whole(pack(body), headers=f"{kind}Content-Encoding: {name}\r\n")), form, mode))


NOT_PACKED = {
    "another name": ("sdch", bytes),
    "a name of another layer": ("aws-chunked", bytes),
    "a name among others": ("gzip, x-secret", gzip.compress),
    "plain": ("gzip", bytes),
    "plain, as deflate": ("deflate", bytes),
    "broken": ("gzip", lambda data: gzip.compress(data)[:10] + b"\xff" * 200),
    "of another kind": ("gzip", zlib.compress),
}


@each_format
@each_mode
@pytest.mark.parametrize(("name", "pack"), NOT_PACKED.values(), ids=NOT_PACKED.keys())
def test_not_compressed_as_it_says(form, mode, name, pack):
    body, kind = (form.body, JSON) if mode == "whole" else (form.stream, SSE)
    raw = whole(pack(body), headers=f"{kind}Content-Encoding: {name}\r\n")
    outcome = asked(once(raw), form, mode, max_retries=RETRIES)
    assert "Content-Encoding" in str(assert_failed(outcome, InvalidResponseError, retryable=False))


# ---- an error in a 200 -----------------------------------------------------------------------------------------------

CLASSES = {
    400: BadRequestError,
    401: AuthenticationError,
    402: PaymentRequiredError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: RequestTooLargeError,
    429: RateLimitError,
    500: ServerError,
    503: OverloadedError,
    504: ServerError,
    529: OverloadedError,
}


def told_code(told):
    """A body's string code, else its type."""
    inner = told.get("error", told)
    if isinstance(inner.get("code"), str):
        return inner["code"]
    return inner.get("status") or inner["type"]


@each_format
@each_mode
@pytest.mark.parametrize("kind", [JSON, SSE], ids=["json", "event-stream"])
def test_an_error_in_a_200(form, mode, kind):
    for status, told in form.statuses.items():
        outcome = asked(once(whole(to_bytes(told), headers=kind)), form, mode)
        again = status in (409, 429) or status >= 500
        details = {"status": status, "code": told_code(told), "body": told, "retryable": again}
        error = assert_failed(outcome, CLASSES[status], **details)
        assert error.headers["content-type"] in kind
        assert pickle.loads(pickle.dumps(error)).body == told


@each_format
@each_mode
def test_trouble_in_a_200_is_asked_again(form, mode):
    """Unless a stream has begun: nothing was handed out of this."""
    script = says(whole(to_bytes(form.trouble)), answer(form, mode))
    assert_good(asked(script, form, mode, max_retries=1), attempts=2)


@each_format
@each_mode
def test_an_event_with_an_error_in_place_of_a_whole_body(form, mode):
    """Some gateways send the event's data alone."""
    outcome = asked(once(whole(to_bytes(form.trouble))), form, mode)
    status = 529 if form.provider == "anthropic" else 503
    assert_failed(outcome, OverloadedError, status=status, code=told_code(form.trouble), retryable=True)


UNKNOWN = {
    "words": ("it broke", None),
    "an object": ({"message": "it broke"}, None),
    "a kind that nobody knows": ({"message": "it broke", "type": "gremlins", "status": "gremlins"}, "gremlins"),
    "a kind without words": ({"type": "gremlins", "status": "gremlins"}, "gremlins"),
    "nothing but true": (True, None),
    "a number": (7, None),
    "a list": (["it broke"], None),
}


@each_format
@each_mode
@pytest.mark.parametrize(("told", "code"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_error_that_nobody_knows(form, mode, told, code):
    """It is an error of the provider's all the same, with all that it said."""
    outcome = asked(once(whole(to_bytes({"error": told}))), form, mode, max_retries=RETRIES)
    error = assert_failed(outcome, APIError, status=200, code=code, body={"error": told}, retryable=False)
    assert "it broke" in str(error) or "no explanation" in str(error)


# ---- halves of letters -----------------------------------------------------------------------------------------------


@each_format
@each_mode
def test_half_a_surrogate_pair(form, mode):
    """It is kept, goes through pickles, and is sent back as the sign for what cannot be read: no host takes it."""

    def halved(data):
        return data.replace(b" Gott, ", rb" \ud83d, ")

    text = TEXT.replace(" Gott, ", " \ud83d, ")
    raw = whole(halved(form.body)) if mode == "whole" else whole(halved(form.stream), headers=SSE)
    with (
        Server(says(raw)) as server,
        Client(form.provider, api_key=KEY, base_url=server.url, model=MODEL, max_retries=0) as client,
    ):
        ask = client.complete if mode == "whole" else lambda prompt: client.stream(prompt).collect()
        response = ask("Hi")
        assert response.text == text
        assert pickle.loads(pickle.dumps(response)).text == text
        assert repr(response)
        ask([UserMessage("Hi"), response.message, UserMessage("Go on")])
        sent = server.requests[1].body.decode()
    assert text.replace("\ud83d", "\ufffd") in sent
    assert json.loads(sent)
