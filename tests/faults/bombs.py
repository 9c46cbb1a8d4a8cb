"""Bodies that are small as they come, and large as they are."""

import gzip
import zlib

MEBIBYTE = 1 << 20


GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\2\xff"


def bomb(fill: bytes, mebibytes: int = 300) -> bytes:
    """So much of the same, compressed to a thousandth, as one member of gzip."""
    block = fill * (MEBIBYTE // len(fill))
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # which each further block would give again
    check = 0
    for _ in range(mebibytes):
        check = zlib.crc32(block, check)
    size = len(block) * mebibytes
    return GZIP_HEADER + packed * mebibytes + packer.flush() + check.to_bytes(4, "little") + size.to_bytes(4, "little")


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
