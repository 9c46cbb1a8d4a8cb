"""Bodies that are small as they come, and large as they are."""

import gzip
import zlib

MEBIBYTE = 1 << 20


def bomb(fill: bytes, mebibytes: int = 300) -> bytes:
    """So much of the same, compressed to a thousandth."""
    packer = zlib.compressobj(9, wbits=31)
    block = fill * (MEBIBYTE // len(fill))
    return b"".join([*(packer.compress(block) for _ in range(mebibytes)), packer.flush()])


ZEROS, SPACES = bomb(b"\0"), bomb(b" ")
# By their name: the body and its encoding.
BOMBS = {
    "zeros": (ZEROS, "gzip"),
    "spaces": (SPACES, "gzip"),
    "many members": (gzip.compress(b" " * MEBIBYTE) * 300, "gzip"),
    "gzip in gzip": (gzip.compress(SPACES), "gzip, gzip"),
    "deflate": (zlib.compress(b" " * (64 * MEBIBYTE)), "deflate"),
}
# Streams of events.
EVENT_BOMBS = {
    "lines": bomb(b"\n"),
    "comments": bomb(b": ping\n\n"),
    "a line": ZEROS,
    "an event": bomb(b"data: x\n"),
    "fields": bomb(b"event: x\n"),
}
