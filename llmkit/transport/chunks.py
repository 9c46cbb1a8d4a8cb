"""Bodies in chunks: all that one read brings at once, where urllib3 reads every chunk by itself.

Source: https://www.rfc-editor.org/rfc/rfc9112#section-7.1
"""

import re
from collections.abc import Iterator
from typing import Final

from urllib3.exceptions import ProtocolError

from llmkit.transport.replies import PIECE, Reply

_MOST: Final = 8192  # bytes of a line that tells a size
_SIZE: Final = rb"(0++[0-9A-Fa-f]{0,16}|[0-9A-Fa-f]{1,16})[ \t]*(?:;[^\n]*)?\r?\n"
_FIRST: Final = re.compile(_SIZE)
_NEXT: Final = re.compile(rb"\r\n" + _SIZE)
_LINE: Final = re.compile(rb"\r?\n")


class InvalidChunkError(ValueError):
    """Where a chunk's size ought to stand, something else does.

    Attributes:
        long: Whether it may have been one, but goes on and on.
        before: What the same bytes brought of the body before it.
    """

    before = b""

    def __init__(self, *, long: bool = False) -> None:
        super().__init__("the line exceeded maximum allowed length" if long else "")  # as urllib3 says it
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
        pieces: list[bytes] = []
        waiting, self.rest = self.rest, b""
        if self.last:
            self._trailers(waiting + data)
        elif waiting and b"\n" not in data:  # a line is taken apart only once it is whole
            self._keep(waiting + data)
        else:
            try:
                self._split(waiting + data, pieces)
            except InvalidChunkError as error:
                error.before = b"".join(pieces)
                raise
        return b"".join(pieces)

    def _split(self, data: bytes, pieces: list[bytes]) -> None:
        """Put what is in the chunks to `pieces`."""
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
            end = found.end()
            if end - at > _MOST:
                raise InvalidChunkError(long=True)
            at, left, size = end, int(found[1], 16), _NEXT
            if not left:
                self.last = True
                self._trailers(data[at:])
                break
        self._left, self._size = left, size

    def _keep(self, rest: bytes) -> None:
        """Wait for what is left of a line, if it may become one that tells a size."""
        behind = b"\r\n" if self._size is _NEXT else b""
        begins = rest.startswith(behind) or behind.startswith(rest)
        if not begins:
            raise InvalidChunkError
        if len(rest) > _MOST and b"\n" not in rest[len(behind) : _MOST]:
            raise InvalidChunkError(long=True)
        if b"\n" in rest[len(behind) :]:
            raise InvalidChunkError
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


def read_chunks(reply: Reply) -> Iterator[bytes]:
    """The body of an answer in chunks, which has not been read and is not compressed, as it arrives.

    Raises:
        InvalidChunkError: A chunk's size is none.
        ProtocolError: The connection ended first.
    """
    # It has been read; or it is a 204, say, which has no body whatever its headers tell of chunks.
    if reply.fp is None or (reply.chunked and reply.length == 0):
        reply.close()
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
            wrong, piece = error, error.before
        if piece:
            yield piece
        if wrong is not None:
            raise wrong
    if decoder.ended and decoder.rest:
        reply.surplus()
    reply.close()
