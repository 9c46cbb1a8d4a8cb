"""Bodies in chunks: all that one read brings at once, where urllib3 reads every chunk by itself.

Source: https://www.rfc-editor.org/rfc/rfc9112#section-7.1
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from urllib3.exceptions import InvalidChunkLength, ProtocolError

from llmkit.transport.connections import PIECE

_MOST: Final = 8192  # bytes of a line that tells a size, which is looked at anew as long as it grows
_FIRST: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")
_NEXT: Final = re.compile(rb"\r\n([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")
_LINE: Final = re.compile(rb"\r?\n")


class InvalidChunkError(ValueError):
    """Where a chunk's size ought to stand, something else does.

    Attributes:
        long: Whether it may have been one, but goes on and on.
    """

    def __init__(self, *, long: bool = False) -> None:
        super().__init__()
        self.long = long


class ChunkDecoder:
    """Takes a body as it arrives, cut anywhere; gives what is in its chunks.

    Attributes:
        last: The chunk that ends the body has come; trailers may follow.
        ended: All of it has come.
        rest: Bytes that came and have not been used; after the end, those that are not of this body.
    """

    def __init__(self) -> None:
        self.last = False
        self.ended = False
        self.rest = b""
        self._left = 0  # bytes of the chunk that is being received
        self._size = _FIRST

    def feed(self, data: bytes) -> bytes:
        """What the next bytes bring of the body.

        Raises:
            InvalidChunkError: They do not tell the size of a chunk where they ought to.
        """
        if self.rest:
            data, self.rest = self.rest + data, b""
        if self.last:
            self._trailers(data)
            return b""
        pieces: list[bytes] = []
        at, left, size = 0, self._left, self._size
        while True:
            if left:
                piece = data[at : at + left]
                pieces.append(piece)
                at += len(piece)
                left -= len(piece)
                if left:
                    break
            found = size.match(data, at)
            if found is None:
                self._size = size
                self._keep(data[at:])
                break
            at, left, size = found.end(), int(found[1], 16), _NEXT
            if not left:
                self.last = True
                self._trailers(data[at:])
                break
        self._left, self._size = left, size
        return b"".join(pieces)

    def _keep(self, rest: bytes) -> None:
        """Wait for what is left of a line, if it may become one that tells a size."""
        behind = b"\r\n" if self._size is _NEXT else b""
        begins = rest.startswith(behind) or behind.startswith(rest)
        if not begins or b"\n" in rest[len(behind) :]:
            raise InvalidChunkError
        if len(rest) > _MOST:
            raise InvalidChunkError(long=True)
        self.rest = rest

    def _trailers(self, data: bytes) -> None:
        """Pass over what may follow the last chunk, to the blank line that ends it."""
        at = 0
        while (found := _LINE.search(data, at)) is not None:
            if found.start() == at:
                self.ended = True
                self.rest = data[found.end() :]
                return
            at = found.end()
        line = data[at:]
        self.rest = line if len(line) < 2 else b"x" + line[-1:]  # noqa: PLR2004 - that it is not blank is all to know


def read_chunks(raw: Any) -> Iterator[bytes]:
    """The body of an answer of urllib3's, which has not been read and is not compressed, as it arrives.

    It ends as `urllib3.HTTPResponse.read_chunked` does: with its exceptions, and with the connection given back.
    """
    reply = raw._fp  # noqa: SLF001 - as urllib3's own reading of chunks
    with raw._error_catcher():  # noqa: SLF001
        if reply.fp is None:
            return
        decoder = ChunkDecoder()
        while not decoder.ended:
            data = reply.fp.read1(PIECE)
            if not data:
                if decoder.last:  # some leave out the blank line
                    break
                raise ProtocolError("Response ended prematurely")
            wrong: InvalidChunkError | None = None
            try:
                piece = decoder.feed(data)
            except InvalidChunkError as error:
                wrong = error
            if wrong is not None:
                raw.close()
                if wrong.long:
                    raise ProtocolError("Response chunk size line exceeded maximum allowed length")
                raise InvalidChunkLength(raw, b"")
            if piece:
                yield piece
        if decoder.ended and decoder.rest:
            reply.surplus()
        reply.close()
