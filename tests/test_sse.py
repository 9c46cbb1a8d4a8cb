"""`llmkit.sse` alone: bytes in, events out, whatever the cuts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.errors import InvalidResponseError
from llmkit.sse import ServerSentEvent, SSEDecoder, may_begin


def message(data):
    return ServerSentEvent("message", data)


BARE = '{"error":\n  {"code": 503}\n}'
CASES = {
    "lf": (b"event: x\ndata: a\n\n", [ServerSentEvent("x", "a")]),
    "crlf": (b"event: x\r\ndata: a\r\n\r\n", [ServerSentEvent("x", "a")]),
    "cr": (b"event: x\rdata: a\r\r", [ServerSentEvent("x", "a")]),
    "mixed ends": (b"event: x\rdata: a\r\n\ndata: b\n\r\n", [ServerSentEvent("x", "a"), message("b")]),
    "data before event": (b"data: a\nevent: x\n\n", [ServerSentEvent("x", "a")]),
    "no space": (b"data:a\n\n", [message("a")]),
    "one space only is dropped": (b"data:  a\n\n", [message(" a")]),
    "several data lines": (b"data: a\ndata: b\n\n", [message("a\nb")]),
    "comment": (b": ping\n\n:\n\ndata: a\n\n", [message("a")]),
    "name without data": (b"event: ping\n\ndata: a\n\n", [message("a")]),
    "empty data": (b"data:\n\ndata\n\ndata: a\n\n", [message("a")]),
    "id and retry": (b"id: 1\nretry: 10\ndata: a\n\n", [message("a")]),
    "unknown field": (b"foo: 1\ndata: a\n\n", [message("a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [message("a")]),
    "mark in the middle stays": ("data: \ufeffa\n\n".encode(), [message("\ufeffa")]),
    "separators of other standards": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\n\n".encode(),
        [message("a\u2028b\u2029c\u0085d\x0be\x0cf")],
    ),
    "NUL": (b"data: a\0b\n\n", [message("a\0b")]),
    "characters of four bytes": ("data: 🐟é\n\n".encode(), [message("🐟é")]),
    "no blank line": (b"data: a\n", []),
    "many blank lines": (b"\n\n\ndata: a\n\n\n\n", [message("a")]),
    "nothing": (b"", []),
    "bare JSON before any event": (b'{"error": 1}\n\ndata: a\n\n', [message("a")]),
    "bare JSON after an event": (b'data: a\n\n{"error":\n  {"code": 503}\n}\n\n', [message("a"), message(BARE)]),
    "bare JSON with CRLF": (b'data: a\r\n\r\n{"error":\r\n  {"code": 503}\r\n}\r\n\r\n', [message("a"), message(BARE)]),
    "a bare array": (b"data: a\n\n[1]\n\n", [message("a"), message("[1]")]),
}
each_case = pytest.mark.parametrize(("raw", "expected"), CASES.values(), ids=CASES.keys())


def fed(*chunks):
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@each_case
def test_whole(raw, expected):
    assert fed(raw) == expected


FOLLOWING = {
    "like the one before": (b"data: a\n\ndata: b\n\n", "ab"),
    "without a space before it": (b"data:a\n\ndata: b\n\ndata:c\n\n", "abc"),
    "with a space that is its own": (b"data: a\n\ndata:  b\n\ndata: c\n\n", ["a", " b", "c"]),
    "of two lines": (b"data: a\n\ndata: b\ndata: c\n\ndata: d\n\n", ["a", "b\nc", "d"]),
    "without data": (b"data: a\n\ndata: \n\ndata:\n\ndata: b\n\n", "ab"),
    "with a comment": (b"data: a\n\n: x\ndata: b\n\ndata: c\n: y\n\n", "abc"),
    "with an id": (b"data: a\n\nid: 1\ndata: b\n\ndata: c\nid: 2\n\n", "abc"),
}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", [b"", b"event: x\n"], ids=["nameless", "named"])
@pytest.mark.parametrize(("raw", "expected"), FOLLOWING.values(), ids=FOLLOWING.keys())
def test_an_event_after_another(raw, expected, name, end):
    """Each is read by itself, although most are like the one before: whole ones at once, one by one, and cut."""
    blocks = [name + block + b"\n\n" for block in (b"data: first\n\n" + raw).removesuffix(b"\n\n").split(b"\n\n")]
    blocks = [block.replace(b"\n", end) for block in blocks]
    wanted = [ServerSentEvent("x" if name else "message", data) for data in ["first", *expected]]
    body = b"".join(blocks)
    for pieces in (blocks, [blocks[0], body[len(blocks[0]) :]], [body], [body[at : at + 1] for at in range(len(body))]):
        assert fed(*pieces) == wanted
    for cut in range(len(blocks[0]), len(body)):
        assert fed(blocks[0], body[len(blocks[0]) : cut], body[cut:]) == wanted


def test_a_line_of_no_field_behind_more_blank_lines_than_one():
    raw = b"data: first\n\ndata:a\n\n\nword\n\n: x\nword\n\n"
    for cut in range(len(raw)):
        assert fed(raw[:cut], raw[cut:]) == [message("first"), message("a")]


LINES = ["data: a", "data:b", "data:  c", "event: x", "event:y", ": z", "id: 7", "word", "data:", "data", "", "", ""]


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(["\n", "\r\n", "\r"]), st.data())
def test_whatever_follows_an_event(lines, end, data):
    """Read in two pieces as byte by byte."""
    raw = end.join(["data: first", "", *lines, "", ""]).encode()
    cut = data.draw(st.integers(0, len(raw)))
    assert fed(raw[:cut], raw[cut:]) == fed(*(raw[at : at + 1] for at in range(len(raw))))


def test_a_name_holds_for_its_event_alone():
    first, second = b"event: x\ndata: a\n\n", b"data: b\n\n"
    wanted = [ServerSentEvent("x", "a"), message("b")] * 3
    assert fed(*[first, second] * 3) == fed((first + second) * 3) == wanted


@each_case
def test_cut_anywhere(raw, expected):
    """Where the network cuts the body makes no difference."""
    for cut in range(len(raw) + 1):
        assert fed(raw[:cut], raw[cut:]) == expected, cut


@each_case
def test_byte_by_byte(raw, expected):
    assert fed(*(raw[at : at + 1] for at in range(len(raw)))) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    {
        "without its blank line": (b"data: a\n", message("a")),
        "without any line end": (b"event: x\ndata: a", ServerSentEvent("x", "a")),
        "half a name": (b"data: a\n\nda", None),
        "nothing": (b"data: a\n\n", None),
    }.values(),
)
def test_the_event_that_the_body_ended_in(raw, expected):
    for cut in range(len(raw) + 1):
        decoder = SSEDecoder()
        decoder.feed(raw[:cut])
        decoder.feed(raw[cut:])
        assert decoder.close() == expected


def test_what_stands_before_a_bad_line_is_handed_out_first():
    raw = b"data: a\n\ndata: \xff\n\ndata: b\n\n"
    decoder = SSEDecoder()
    assert decoder.feed(raw) == [message("a")]
    with pytest.raises(InvalidResponseError, match="not UTF-8"):
        decoder.feed(b"")
    with pytest.raises(InvalidResponseError, match="not UTF-8"):
        decoder.close()


def test_nothing_follows_a_bad_line():
    """However the event that it stands in is cut."""
    raw = b"data: a\n\ndata: b\ndata: \xff\n\ndata: c\n\n"
    for cut in range(len(raw) + 1):
        decoder, found = SSEDecoder(), []
        pieces = (event for piece in (raw[:cut], raw[cut:], b"\n\n") for event in decoder.feed(piece))
        with pytest.raises(InvalidResponseError, match="not UTF-8"):
            found.extend(pieces)
        assert found == [message("a")], cut


def test_bad_last_line():
    decoder = SSEDecoder()
    assert decoder.feed(b"data: \xff") == []
    with pytest.raises(InvalidResponseError, match="not UTF-8"):
        decoder.close()


TOO_LARGE = {
    "in one line": [b"data: " + b"a" * 100],
    "in many lines": [b"data: aaaaaaaa\n"] * 20,
    "in comments": [b": aaaaaaaaaaaa\n"] * 20,
    "in pieces without an end": [b"a"] * 100,
    "in one chunk": [b"data: aaaaaaaa\n" * 20],
}


@pytest.mark.parametrize("chunks", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_event_is_bounded(chunks):
    decoder = SSEDecoder(largest=64)

    def feed():
        for chunk in chunks:
            decoder.feed(chunk)

    with pytest.raises(InvalidResponseError, match="larger than 64"):
        feed()


def test_the_bound_is_of_one_event():
    decoder = SSEDecoder(largest=64)
    assert len([event for _ in range(100) for event in decoder.feed(b"data: aaaaaaaaaaaaaaaaaaaa\n\n")]) == 100


def test_pieces_of_a_line_are_joined_once():
    """Not each time that more of it comes, which would make one large event cost the square of its pieces."""
    decoder = SSEDecoder()
    pieces = [b"data: ", *[b"x" * 100] * 20_000]
    for piece in pieces:
        assert decoder.feed(piece) == []
    assert len(decoder._line) == len(pieces)
    assert all(held is piece for held, piece in zip(decoder._line, pieces, strict=True))
    assert decoder.feed(b"\n\n") == [message("x" * 2_000_000)]


BEGINNINGS = {
    "an event": (b"data: a\n\n", True),
    "its name": (b"event:x\n", True),
    "a name alone": (b"data\n", True),
    "a comment": (b": ping\n\n", True),
    "half a name": (b"da", True),
    "blank lines and a mark": (b"\xef\xbb\xbf\r\n\ndata: a", True),
    "nothing": (b"", True),
    "JSON": (b"{}", False),
    "a word of JSON": (b"null", False),
    "a page": (b"<html>", False),
    "words that begin like a field": (b"error code: 1015", False),
    "a field of nobody": (b"datas: a\n", False),
    "another encoding": ("data: a".encode("utf-16"), False),
}


@pytest.mark.parametrize(("body", "expected"), BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_what_may_begin_a_stream(body, expected):
    assert may_begin(body) is expected
