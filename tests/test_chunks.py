"""Bodies in chunks, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmkit.transport.chunks import ChunkDecoder, InvalidChunkError

CASES = {
    "nothing": (b"0\r\n\r\n", b"", b""),
    "one": (b"3\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    "several": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", b""),
    "large letters, zeros before": (b"00A\r\n0123456789\r\n000\r\n\r\n", b"0123456789", b""),
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
