"""Bodies in chunks, cut anywhere."""

import io
import time
from http.client import HTTPResponse, IncompleteRead

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmkit.transport.chunks import ChunkDecoder, InvalidChunkError

CASES = {
    "nothing": (b"0\r\n\r\n", b"", b""),
    "one": (b"3\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    "several": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", b""),
    "large letters, zeros before": (b"00A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b""),
    "more zeros than digits that count": (b"0" * 40 + b"3\r\nabc\r\n" + b"0" * 40 + b"\r\n\r\n", b"abc", b""),
    "an extension as long as may be": (b"3;" + b"x" * 8188 + b"\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    "an extension": (b'3;name="a;b"\r\nabc\r\n0;x\r\n\r\n', b"abc", b""),
    "blanks behind the size": (b"3 \t\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    "bare line feeds behind sizes": (b"3\nabc\r\n0\n\n", b"abc", b""),
    "trailers": (b"3\r\nabc\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n", b"abc", b""),
    "more than the body": (b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK", b"abc", b"HTTP/1.1 200 OK"),
    "line ends in a chunk": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
}
each_case = pytest.mark.parametrize(("raw", "body", "rest"), CASES.values(), ids=CASES.keys())


@each_case
def test_cut_anywhere(raw, body, rest):
    """But in what follows the body, which nobody asks for."""
    for cut in range(len(raw) - len(rest)):
        decoder = ChunkDecoder()
        assert decoder.feed(raw[:cut]) + decoder.feed(raw[cut:]) == body, cut
        assert (decoder.ended, decoder.rest) == (True, rest), cut


@each_case
def test_byte_by_byte(raw, body, rest):
    decoder, found = ChunkDecoder(), b""
    for at in range(len(raw) - len(rest)):
        assert not decoder.ended, at
        found += decoder.feed(raw[at : at + 1])
    assert decoder.ended
    assert (found, decoder.rest) == (body, b"")


WRONG = {
    "no number": b"xyz\r\n",
    "a sign": b"+3\r\nabc",
    "negative": b"-3\r\nabc",
    "a prefix": b"0x3\r\nabc",
    "an underscore": b"1_0\r\nabc",
    "a blank before": b" 3\r\nabc",
    "empty": b"\r\n",
    "too many digits": b"1" * 17 + b"\r\n",
    "a chunk longer than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "no line end behind a chunk": b"3\r\nabc0\r\n\r\n",
    "a line that does not end": b"3;" + b"x" * 70_000,
    "a line that is too long": b"3;" + b"x" * 8189 + b"\r\nabc\r\n0\r\n\r\n",
    "a carriage return alone": b"3\rabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", WRONG.values(), ids=WRONG.keys())
def test_wrong(raw):
    with pytest.raises(InvalidChunkError):
        ChunkDecoder().feed(raw)
    with pytest.raises(InvalidChunkError):
        one_by_one(raw)


def one_by_one(raw):
    decoder = ChunkDecoder()
    for at in range(len(raw)):
        decoder.feed(raw[at : at + 1])
    return decoder


def test_what_stands_before_is_told():
    """Where the network cuts makes no difference: by itself, the chunk before would have been handed out."""
    with pytest.raises(InvalidChunkError) as caught:
        ChunkDecoder().feed(b"3\r\nabc\r\n2\r\nde\r\nxyz\r\n")
    assert caught.value.before == b"abcde"


@pytest.mark.parametrize("line", [b"3" + b" " * 8000, b"3;" + b"x" * 8000, b"0" * 8000 + b"3", b"0;" + b"x" * 8000])
def test_byte_by_byte_is_linear(line):
    """A line that was looked at anew with each byte took seconds."""
    begun = time.process_time()
    for _ in range(5):
        one_by_one(line + b"\r\n")
    assert time.process_time() - begun < 3


def test_trailers_are_not_kept():
    """However long a line of them is, and however it comes."""
    decoder = one_by_one(b"0\r\n" + b"x-a: " + b"y" * 100_000)
    assert len(decoder.rest) <= 2
    decoder.feed(b"\r\n\r\n")
    assert decoder.ended


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 30), max_size=20))
def test_any_chunks_and_any_cuts(chunks, cuts):
    raw = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    decoder, found, at = ChunkDecoder(), b"", 0
    for size in [*cuts, len(raw)]:
        if not decoder.ended:
            found += decoder.feed(raw[at : at + size])
        at += size
    assert decoder.ended
    assert found == b"".join(chunks)


class Sent:
    """A socket that all of it has come through."""

    def __init__(self, raw):
        self.raw = raw

    def makefile(self, _):
        return io.BytesIO(self.raw)


def as_http_client(raw):
    """What Python's own reader makes of it; None where it refuses."""
    reply = HTTPResponse(Sent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + raw))
    reply.begin()
    try:
        return reply.read()
    except (IncompleteRead, OverflowError):
        return None


each_chunk = st.tuples(
    st.sampled_from((b"%x", b"%X", b"0%x", b"%020x")),
    st.sampled_from((b"", b"", b" ", b"\t", b";a=b", b' ; a="\xff"')),
    st.lists(st.sampled_from((b"a", b"0", b";", b"\r", b"\n")), min_size=1, max_size=20).map(b"".join),
)
ENDS = (b"0\r\n\r\n", b"000;x\r\n\r\n", b"0\r\na: b\r\nc: d\r\n\r\n", b"0\r\n\r\nHTTP", b"0\r\n", b"0", b"")
SPOILT = (b"\r", b"\n", b"+", b"-", b"_", b" ", b"x", b"1", b"0x", b"")


@settings(deadline=None)
@given(
    st.lists(each_chunk, max_size=5),
    st.sampled_from(ENDS),
    st.none() | st.tuples(st.integers(0, 200), st.integers(0, 2), st.sampled_from(SPOILT)),
    st.integers(1, 40),
)
def test_never_other_than_http_client(chunks, end, spoilt, step):
    """Whatever is sent, and however it is cut: the same body; where that refuses, this does, which is stricter.

    It refuses what Python's numbers may look like, carriage returns alone, what stands between a chunk and the next
    size, and a last size whose line does not end.
    """
    raw = b"".join(b"%s%s\r\n%s\r\n" % (size % len(data), more, data) for size, more, data in chunks) + end
    if spoilt is not None:
        at, gone, put = spoilt
        raw = raw[:at] + put + raw[at + gone :]
    decoder, found = ChunkDecoder(), b""
    try:
        for at in range(0, len(raw), step):
            if not decoder.ended:
                found += decoder.feed(raw[at : at + step])
    except InvalidChunkError as error:
        refused, found = True, found + error.before
    else:
        refused = not decoder.last
    expected = as_http_client(raw)
    if not refused:
        assert found == expected
    elif spoilt is None:
        assert expected is None or end == b"0"
