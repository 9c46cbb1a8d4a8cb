"""Pixels in, PNG out: just enough for arrays, so that numpy's users need no Pillow.

Source: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from typing import Literal, TypeAlias

Channels: TypeAlias = Literal[1, 3, 4]

_COLOURS: dict[Channels, int] = {1: 0, 3: 2, 4: 6}  # grey, red-green-blue, the same and opacity


def encode(pixels: bytes, width: int, height: int, channels: Channels) -> bytes:
    """A PNG of `pixels`: rows from top to bottom, 8 bits a channel, nothing between them."""
    stride = width * channels
    view = memoryview(pixels)
    rows = b"".join(part for at in range(0, stride * height, stride) for part in (b"\0", view[at : at + stride]))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    body = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
