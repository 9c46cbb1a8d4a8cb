"""A stream of events in every legal and many an illegal shape, on every wire, through the public API."""

import itertools
import json

import pytest
from faults.calls import (
    KEY,
    SSE,
    answer,
    asked,
    assert_failed,
    assert_good,
    chunked,
    each_format,
    in_turn,
    once,
    says,
    use,
)
from faults.formats import FORMATS, MODEL, PIECES, TEXT, framed, to_bytes
from faults.limits import PINGS, started
from sockets import Server, chunk

from llmkit import APIError, Client, IncompleteStreamError, InvalidResponseError, OverloadedError, TextDelta

BEGUN = "".join(PIECES[:2])
RETRIES = 2  # which nothing here may use, unless it says so
MEBIBYTE = 1 << 20


def streamed(form, *pieces, **options):
    """The outcome of a stream that is made of `pieces`, each in a chunk of its own, and then ends."""
    return asked(once(chunked(*pieces)), form, "streamed", **options)


# ---- every legal shape -----------------------------------------------------------------------------------------------


def told(event):
    """The name and the data of an event in our own bytes."""
    lines = event.decode().splitlines()
    fields = dict(line.split(": ", 1) for line in lines if line)
    return fields.get("event"), fields["data"]


def written(line_end="\n", between="", colon=": ", *, names=True, before=(), after=(), data_first=False):
    """How to write an event: from its name and data to bytes."""

    def write(name, data):
        lines = [f"data{colon}{data}"]
        if name and names:
            lines.insert(len(lines) if data_first else 0, f"event{colon}{name}")
        return (line_end.join([*before, *lines, *after, "", ""]) + between).encode()

    return write


def _over_lines(name, data):
    """JSON may be broken between its tokens, and so may the data of an event."""
    if data.startswith("{"):
        data = json.dumps(json.loads(data), indent=1, ensure_ascii=False)
    return written()(name, data.replace("\n", "\ndata:"))


def _mixed(ends):
    def write(name, data):
        lines = [*([f"event: {name}"] if name else []), f"data: {data}", ""]
        return "".join(line + next(ends) for line in lines).encode()

    return write


SHAPES = {
    "LF": written("\n"),
    "CRLF": written("\r\n"),
    "CR": written("\r"),
    "mixed ends": _mixed(itertools.cycle(["\n", "\r\n", "\r\n", "\n", "\r\n"])),
    "many blank lines": written(between="\n\n\r\n\r\r"),
    "no space": written(colon=":"),
    "two spaces": written(colon=":  "),
    "the name behind the data": written(data_first=True),
    "no names": written(names=False),
    "comments": written(before=[": a", ":"], after=[":b: c"], between=": d\n\n"),
    "id and retry": written(before=["id: 7", "retry: 3000"], after=["id", "retry:x"]),
    "unknown fields": written(before=["datax: 1", "foo: {}", "DATA: 2", " data: 3"], after=["x", "event-id: 9"]),
    "several lines of data": _over_lines,
    "empty lines of data": written(before=["data:"], after=["data", "data:"]),
    "names with blanks": written(before=["event:", "event: "]),
    "bare names in between": written(between="event: lonely\n\nevent\n\n"),
    "empty data in between": written(between="data\n\ndata:\n\ndata: \n\n"),
    "pings that are comments": written(between=": ping\n\n:\n\n"),
    "pings": written(between='event: ping\ndata: {"type": "ping"}\n\n'),
    "types that nobody knows": written(between='event: brand.new\ndata: {"type": "brand.new", "x": [1]}\n\n'),
    "types of the wire's that nobody knows": written(between='data: {"type": "response.brand_new", "x": {}}\n\n'),
}


@each_format
@pytest.mark.parametrize("write", SHAPES.values(), ids=SHAPES.keys())
def test_any_legal_shape(form, write):
    events = [write(*told(event)) for event in form.events]
    assert_good(streamed(form, b"".join(events)))
    assert_good(streamed(form, b"\xef\xbb\xbf", *events))
    assert_good(streamed(form, b"\r\n\n", *events))


@each_format
def test_without_the_last_blank_line(form):
    """By the standard such an event is to be dropped; a whole one counts here."""
    stream = b"".join(form.events).rstrip()
    assert_good(streamed(form, stream))
    assert_good(streamed(form, stream + b"\r"))
    assert_good(streamed(form, stream[:-1], stream[-1:]))


KINDS = {
    "UTF-8": "text/event-stream; charset=utf-8",
    "Latin-1": "text/event-stream; charset=iso-8859-1",
    "UTF-16": "text/event-stream;charset=utf-16",
    "nonsense": 'text/event-stream; charset="klingon; x=',
    "in capitals": "TEXT/EVENT-STREAM",
    "JSON": "application/json; charset=us-ascii",
    "JSON lines": "application/x-ndjson",
    "text": "text/plain; charset=ascii",
    "bytes": "application/octet-stream",
    "empty": "",
    "no letters": "\xff\xfe",
}


@each_format
@pytest.mark.parametrize("kind", [None, *KINDS.values()], ids=["none", *KINDS])
def test_whatever_it_is_called(form, kind):
    """By its host, or by a gateway: it is UTF-8, and a stream where it begins like one."""
    headers = b"" if kind is None else f"Content-Type: {kind}\r\n".encode("latin-1")
    raw = chunked(form.stream, headers="").replace(b"\r\n", b"\r\n" + headers, 1)
    assert_good(asked(once(raw), form, "streamed"))


# ---- cut anywhere ----------------------------------------------------------------------------------------------------


@each_format
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_in_small_pieces(form, size):
    stream = form.stream
    assert_good(streamed(form, *(stream[at : at + size] for at in range(0, len(stream), size))))


@each_format
def test_in_two_pieces(form):
    """At each byte, in lines of which each ends at CRLF."""
    stream = b"".join(written("\r\n")(*told(event)) for event in form.events)
    answers = [chunked(stream[:at], stream[at:]) for at in range(1, len(stream))]
    with (
        Server(says(*answers)) as server,
        Client(form.provider, api_key=KEY, base_url=server.url, model=MODEL, max_retries=0) as client,
    ):
        for _ in answers:
            assert_good(use(client, server, "streamed"))
        assert server.connections == 1


# ---- what stands in strings ------------------------------------------------------------------------------------------


def saying(form, *pieces):
    """The events of an answer that is made of `pieces`, which are text in JSON's own letters, in bytes."""
    model, gap = form.texts[1], b" Gott, "
    whole = to_bytes(TEXT)[1:-1]
    after = [event.replace(whole, b"".join(pieces)) for event in form.after]
    return [*form.before, *(model.replace(gap, piece) for piece in pieces), *after, *form.more]


STRINGS = {
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "next line": "a\u0085b",
    "vertical tab": "a\vb",
    "form feed": "a\fb",
    "file separators": "a\x1cb\x1dc\x1ed",
    "NUL": "a\0b",
    "byte order mark": "\ufeffa\ufeff",
    "line ends": "a\n\nb\r\n\r\nc\rd",
    "an event": 'x\n\ndata: {"type": "error"}\n\n',
    "delete": "\x7f\x80\x9f",
    "letters of four bytes": "👩‍👩‍👧‍👦𝕏",
    "blanks": " \t  ",
    "not a letter": "\ufffe\uffff\ufdd0",
    "quotes": '"\\"/\\u0041',
    "the sentinel": "[DONE]",
}


@each_format
@pytest.mark.parametrize("text", STRINGS.values(), ids=STRINGS.keys())
def test_any_letter(form, text):
    """Plain where JSON allows it, else as an escape; and all letters as escapes."""
    for written_text in (to_bytes(text)[1:-1], json.dumps(text)[1:-1].encode()):
        events = saying(form, written_text, b"-", written_text)
        outcome = streamed(form, b"".join(events))
        assert_good(outcome, text=f"{text}-{text}")
        assert [event.text for event in outcome.events if isinstance(event, TextDelta)] == [text, "-", text]


@each_format
def test_a_large_event(form):
    piece = b"0123456789abcdef" * (MEBIBYTE // 16)
    assert_good(streamed(form, *saying(form, piece, piece)), text=2 * piece.decode())


@each_format
def test_many_events(form):
    pieces = [f"{number} ".encode() for number in range(10_000)]
    outcome = streamed(form, *saying(form, *pieces))
    assert_good(outcome, text=b"".join(pieces).decode())
    assert len([event for event in outcome.events if isinstance(event, TextDelta)]) == 10_000


@each_format
def test_many_events_in_one_piece(form):
    pieces = [f"{number} ".encode() for number in range(10_000)]
    assert_good(streamed(form, b"".join(saying(form, *pieces))), text=b"".join(pieces).decode())


# ---- no JSON, or not the wire's --------------------------------------------------------------------------------------

NOT_JSON = {
    "words": b"upstream died",
    "a page": b"<html>" + b"x" * 5000,
    "cut": b'{"type": "content_block_del',
    "NaN": b'{"x": NaN}',
    "infinite": b'{"x": 1e999}',
    "digits": b'{"x": ' + b"1" * 10_000 + b"}",
    "deep": b"[" * 100_000,
    "deep, and whole": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "two values": b"{}{}",
}


@each_format
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_data_that_is_no_json(form, data):
    """What came before is handed out, also where it came in one piece; nothing is asked for again."""
    shown = {"path": "$", "body": data.decode()[:1024], "retryable": False}
    for name in {None, told(form.texts[0])[0]}:
        event = framed(data, name)
        assert_failed(streamed(form, event, max_retries=RETRIES), InvalidResponseError, **shown)
        for pieces in ((form.begun(2), event), (form.begun(2) + event + form.texts[2],)):
            outcome = streamed(form, *pieces, max_retries=RETRIES)
            error = assert_failed(outcome, InvalidResponseError, partial=BEGUN, **shown)
            assert error.partial.model == MODEL


@each_format
@pytest.mark.parametrize("line", [b'data: {"x": "\xff\xfe"}', b"data: \xc3(", b"event: \xff\ndata: {}"])
def test_a_line_that_is_not_utf8(form, line):
    outcome = streamed(form, form.begun(2) + line + b"\n\n" + form.texts[2], max_retries=RETRIES)
    error = assert_failed(outcome, InvalidResponseError, partial=BEGUN, path="$", retryable=False)
    assert "not UTF-8" in str(error)
    assert "\ufffd" in error.body
    assert "\ufffd" in assert_failed(streamed(form, line + b"\n\n"), InvalidResponseError).body


@each_format
def test_bytes_that_nobody_reads(form):
    """A comment, and a field that no one knows, may hold anything."""
    events = [b": \xff\xfe\n\xff: 1\nid: \xff\n" + event for event in form.events]
    assert_good(streamed(form, *events))


VALUES = ("null", "true", "5", '"text"', "[]", "[5]", '["a", {}]')


@each_format
@pytest.mark.parametrize("value", VALUES)
def test_data_that_is_no_object(form, value):
    outcome = streamed(form, form.begun(2) + framed(value.encode()), max_retries=RETRIES)
    assert_failed(outcome, InvalidResponseError, partial=BEGUN, path="$", body=value, retryable=False)


_DELTA = {"type": "content_block_delta", "index": 0}
_TEXT = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
_CHOICE = {"index": 0, "finish_reason": None}
WRONG = {
    "anthropic": {
        "$.index": [
            {**_DELTA, "index": "x", "delta": {"type": "text_delta", "text": "x"}},
            {**_DELTA, "index": 7, "delta": {"type": "text_delta", "text": "x"}},
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_stop", "index": None},
        ],
        "$.delta": [{**_DELTA, "delta": 5}, _DELTA, {"type": "message_delta", "delta": "x"}],
        "$.delta.text": [{**_DELTA, "delta": {"type": "text_delta", "text": text}} for text in (5, None, ["x"])],
        "$.content_block": [{"type": "content_block_start", "index": 1, "content_block": block} for block in (5, None)],
        "$.content[1].id": [{"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use"}}],
        "$.message": [{"type": "message_start", "message": "x"}],
    },
    "openai-chat": {
        "$.choices": [{"choices": choices} for choices in (5, "x", {"0": {}})],
        "$.choices[0].delta": [{"choices": [{**_CHOICE, "delta": delta}]} for delta in (5, "x", ["x"])],
        "$.choices[0].delta.content": [{"choices": [{**_CHOICE, "delta": {"content": said}}]} for said in (5, True)],
        "$.choices[0].delta.tool_calls": [{"choices": [{**_CHOICE, "delta": {"tool_calls": "x"}}]}],
    },
    "openai": {
        "$.delta": [{**_TEXT, "delta": delta} for delta in (5, None, ["x"])],
        "$.item": [
            {"type": "response.output_item.added", "output_index": 1, "item": "x"},
            {"type": "response.output_item.done", "output_index": 0},
        ],
        "$.item.type": [{"type": "response.output_item.added", "output_index": 1, "item": {"type": 5}}],
        "$.response": [{"type": f"response.{name}", "response": 5} for name in ("created", "completed", "failed")],
        "$.response.output": [{"type": "response.completed", "response": {"status": "completed", "output": "x"}}],
        "$.response.output[0]": [{"type": "response.completed", "response": {"status": "completed", "output": ["x"]}}],
    },
    "gemini": {
        "$.candidates": [{"candidates": found} for found in (5, "x", {"0": {}})],
        "$.candidates[0]": [{"candidates": [found]} for found in (5, "x", None)],
        "$.candidates[0].content": [{"candidates": [{"content": found}]} for found in (5, "x", ["x"])],
        "$.candidates[0].content.parts": [{"candidates": [{"content": {"parts": found}}]} for found in (5, {"a": 1})],
        "$.candidates[0].content.parts[2]": [{"candidates": [{"content": {"parts": [found]}}]} for found in (5, "x")],
        "$.candidates[0].content.parts[2].text": [{"candidates": [{"content": {"parts": [{"text": 5}]}}]}],
    },
}
ROWS = [
    (provider, path, event) for provider, rows in WRONG.items() for path, events in rows.items() for event in events
]


@pytest.mark.parametrize(("provider", "path", "data"), ROWS, ids=[f"{row[0]}: {json.dumps(row[2])}" for row in ROWS])
def test_wrong_types_in_an_event(provider, path, data):
    form = FORMATS[provider]
    outcome = streamed(form, form.begun(2) + form.event(data) + form.texts[2], max_retries=RETRIES)
    error = assert_failed(outcome, InvalidResponseError, partial=BEGUN, path=path, retryable=False)
    assert json.loads(error.body) == data


# ---- errors ----------------------------------------------------------------------------------------------------------

OVERLOADED = {"anthropic": (529, "overloaded_error"), "gemini": (503, "UNAVAILABLE")}


def trouble(form):
    """What an error of `form.trouble` must tell."""
    status, code = OVERLOADED.get(form.provider, (503, "server_is_overloaded"))
    return {"status": status, "code": code, "body": form.trouble, "retryable": True}


@each_format
def test_an_error_before_anything_was_told(form):
    """Also behind events that tell nothing yet. It is asked for again."""
    for before in (b"", b": ping\n\n", b"".join(form.before)):
        failed = chunked(before + form.event(form.trouble))
        assert_failed(asked(once(failed), form, "streamed"), OverloadedError, **trouble(form))
        outcome = asked(in_turn(once(failed), once(answer(form, "streamed"))), form, "streamed", max_retries=1)
        assert_good(outcome, attempts=2)


@each_format
def test_an_error_amid_the_answer(form):
    """It is not asked for again, as another answer would begin otherwise; nothing of what follows is told."""
    event = form.event(form.trouble)
    for pieces in ((form.begun(2), event), (form.begun(2) + event + b"".join([*form.texts[2:], *form.after]),)):
        outcome = streamed(form, *pieces, max_retries=RETRIES)
        assert_failed(outcome, OverloadedError, partial=BEGUN, **trouble(form))


@each_format
def test_an_error_with_a_name(form):
    """As gateways send it on any wire: ``event: error``, with JSON of the wire's or with mere words."""
    outcome = streamed(form, form.begun(2), framed(form.trouble, "error"), max_retries=RETRIES)
    assert_failed(outcome, OverloadedError, partial=BEGUN, **trouble(form))
    outcome = streamed(form, form.begun(2), framed(b"upstream died", "error"), max_retries=RETRIES)
    error = assert_failed(outcome, APIError, partial=BEGUN, status=200, code=None, body="upstream died")
    assert "upstream died" in str(error)


@each_format
def test_an_error_without_the_name_of_a_field(form):
    """As hosts tell that fail amid a stream, which they cannot take back: their usual body, in several lines."""
    body = json.dumps(form.trouble, indent=2).encode()
    for end in (b"", b"\n", b"\r\n\r\n"):
        outcome = streamed(form, form.begun(2), body + end, max_retries=RETRIES)
        assert_failed(outcome, OverloadedError, partial=BEGUN, **trouble(form))


@each_format
def test_errors_of_every_status(form):
    """An error in a stream is what it would have been as a status."""
    for status, body in form.statuses.items():
        outcome = streamed(form, form.begun(2), form.event(body), max_retries=RETRIES)
        error = outcome.error
        assert isinstance(error, APIError)
        assert (error.status, error.body, error.partial.text, error.attempts) == (status, body, BEGUN, 1)
        assert (outcome.requests, error.retryable) == (1, status in (409, 429) or status >= 500)


# ---- more than there should be, or less ------------------------------------------------------------------------------


@each_format
def test_more_behind_the_end(form):
    """Whatever follows the event that ends an answer is not this answer."""
    if form.provider == "gemini":
        behind = [b": ping\n\n", framed(b"[DONE]"), framed({"usageMetadata": {}})]  # nothing says that it is over
    else:
        behind = [form.stream, form.event(form.trouble), b"garbage", framed(b"oops"), b"data: \xff\n\n", b"<html>"]
    for more in behind:
        assert_good(streamed(form, form.stream + more))
        assert_good(streamed(form, form.stream, more))


NO_EVENTS = {
    "nothing": b"",
    "blank lines": b"\n\r\n\n",
    "comments": b": ping\n\n: ping\n\n",
    "names": b"event: message_start\n\nevent: x\n\n",
    "empty data": b"data:\n\ndata\n\n",
    "ids": b"id: 1\nretry: 10\n\n",
    "pings": b'event: ping\ndata: {"type": "ping"}\n\n' * 3,
    "the sentinel": b"data: [DONE]\n\n",
}


@each_format
@pytest.mark.parametrize("raw", NO_EVENTS.values(), ids=NO_EVENTS.keys())
def test_no_events(form, raw):
    outcome = streamed(form, raw)
    error = assert_failed(outcome, IncompleteStreamError, retryable=True)
    assert (error.partial.text, error.partial.finish_reason.reason) == ("", "unfinished")
    assert error.partial.usage.raw is None
    assert_good(
        asked(in_turn(once(chunked(raw)), once(answer(form, "streamed"))), form, "streamed", max_retries=1), attempts=2
    )


@each_format
@pytest.mark.parametrize("pieces", [0, 2], ids=["before the first event", "amid"])
def test_only_pings(form, pieces):
    """Each wire's own, and then the end: none of them says that the answer is whole."""
    for ping in PINGS[form.provider].values():
        raw = started(form, pieces) + chunk(ping) * 3 + chunk(b"")
        outcome = asked(once(raw), form, "streamed", max_retries=RETRIES if pieces else 0)
        assert_failed(outcome, IncompleteStreamError, partial=BEGUN if pieces else None, retryable=True)
    if not pieces:
        outcome = asked(in_turn(once(raw), once(answer(form, "streamed"))), form, "streamed", max_retries=1)
        assert_good(outcome, attempts=2)


@each_format
def test_json_lines_amid_a_stream(form):
    """Without the names of fields, one value a line: they are no events, and what they are is shown."""
    lines = b"\n".join(told(event)[1].encode() for event in form.texts[2:]) + b"\n\n"
    outcome = streamed(form, form.begun(2), lines, max_retries=RETRIES)
    assert_failed(outcome, InvalidResponseError, partial=BEGUN, path="$", retryable=False)


def endless(start, piece, times):
    """A script: a stream that has begun, and goes on so without an end; the client hangs up."""

    def script(wire):
        wire.receive()
        wire.send(f"HTTP/1.1 200 OK\r\n{SSE}\r\n".encode() + start)
        for _ in range(times):
            wire.send(piece)
        wire.hang()

    return script


ENDLESS = {
    "a line of data": (b"data: ", b"x" * MEBIBYTE),
    "a comment": (b": ", b"x" * MEBIBYTE),
    "a name": (b"event: ", b"x" * MEBIBYTE),
    "no field": (b"x", b"x" * MEBIBYTE),
    "lines of data": (b"", b"data: xxxxxxxx\n" * (MEBIBYTE // 15)),
    "lines of comments": (b"", b": xxxxxxxxxxxx\n" * (MEBIBYTE // 15)),
}


# Below the wires it is all the same.
SENT = [
    *((FORMATS["anthropic"], name) for name in list(ENDLESS)[1:]),
    *((form, "a line of data") for form in FORMATS.values()),
]


@pytest.mark.parametrize(("form", "name"), SENT, ids=[f"{form.provider}: {name}" for form, name in SENT])
def test_an_event_without_end(form, name):
    """It ends at 32 MiB, and what came before is kept."""
    start, piece = ENDLESS[name]
    outcome = asked(endless(form.begun(2) + start, piece, 40), form, "streamed", max_retries=RETRIES)
    error = assert_failed(outcome, InvalidResponseError, partial=BEGUN, retryable=False)
    assert "33,554,432" in str(error)
