"""What comes back on a connection, below and in place of `http.client`'s reading of it.

A reader that asks the exchange before each recv, and a quicker way to read heads: the parser of mails, which
`http.client` uses, takes a tenth of a call.
"""

import io
import re
from collections.abc import Callable
from http.client import (
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    LineTooLong,
    RemoteDisconnected,
    UnknownProtocol,
    parse_headers,
)
from typing import Any

from llmkit.transport.exchange import Exchange
from llmkit.transport.watching import current

_LONGEST_LINE, _MOST_LINES = 65536, 100  # of a head, as in `http.client`, which counts the blank one, too
_FIELD = re.compile(rb"([!#-'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r?\n")
# A head as nearly all are: final, and with nothing in it that has to be looked at twice.
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-9][0-9]{2})(?: ([^\r\n]*+))?\r\n((?:[!#-'*+.^_`|~0-9A-Za-z-]++:[^\r\n]*+\r\n)*+)\r\n"
)
PIECE = 65536  # bytes asked for or sent at a time


class Reader(io.RawIOBase):
    """The bytes of one answer, below `http.client`'s buffer.

    Args:
        sock: Whose timeout is set before each read.
        readinto: Reads at most once.
        source: Is closed with this one.
        exchange: Is asked before, and told after.
        last: Whether the exchange gives the socket up when this is closed, which `http.client` does before
            urllib3 gives the connection back; not so for a proxy's answer to CONNECT.
    """

    def __init__(
        self, sock: Any, readinto: Callable[[Any], int | None], source: Any, exchange: Exchange, *, last: bool
    ) -> None:
        self._sock = sock
        self._readinto = readinto
        self._source = source
        self._exchange = exchange
        self._last = last
        self._sealed = False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most once, as long as the exchange allows."""
        if self._sealed:
            return 0
        exchange = self._exchange
        self._sock.settimeout(exchange.patience(idle=exchange.begun or exchange.deadlines.impatient))
        try:
            count = self._readinto(buffer) or 0
        except TimeoutError:
            exchange.expire()
        exchange.received(count)
        if count and self._last:
            exchange.begun = True
        if not count and exchange.begun and exchange.stage == "wait":
            # `http.client` takes the end of the connection for that of the headers.
            raise RemoteDisconnected("closed amid the headers")
        return count

    def seal(self) -> None:
        """Read nothing more: what `http.client` still holds is all there is."""
        self._sealed = True

    def close(self) -> None:
        """Give the socket up, so that `Exchange.abort` does not harm its next user."""
        if not self.closed:
            if self._last:
                self._exchange.release()
            self._source.close()
        super().close()


class _Opened:
    """What `http.client` asks of a socket: a file to read. Its one buffer is ours."""

    def __init__(self, sock: Any) -> None:
        self.exchange = exchange = current()
        last = exchange.stage == "send"
        if last:
            exchange.stage = "wait"
        self.reader = Reader(sock, sock.recv_into, sock.makefile("rb", buffering=0), exchange, last=last)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self.reader, PIECE)


class Reply(HTTPResponse):
    """An answer, read through `Reader`."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        opened = _Opened(sock)
        super().__init__(opened, *args, **kwargs)  # type: ignore[arg-type]
        self._exchange = opened.exchange
        self._reader = opened.reader

    def _close_conn(self) -> None:
        # Called by `http.client` when the answer has been read, or is given up.
        self._reader.seal()
        if self.fp is not None and not self.fp.closed and self.fp.peek(1):
            self._exchange.surplus = True
        super()._close_conn()  # type: ignore[misc]

    def surplus(self) -> None:
        """More came than the answer."""
        self._exchange.surplus = True

    def begin(self) -> None:
        """Read the head, as `http.client` does."""
        plain = None if self.debuglevel else _HEAD.match(self.fp.peek(1))
        if plain is not None and plain[3].count(b"\n") < _MOST_LINES:
            self.fp.read(plain.end())
            self.version, self.code = 11, int(plain[1])
            self.reason = (plain[2] or b"").decode("latin-1").strip()
            self.headers = HTTPMessage()
            for name, value in _FIELD.findall(plain[3]):
                self.headers.set_raw(name.decode("latin-1"), value.decode("latin-1"))
        else:
            self._begin_by_lines()
        self.status, self.msg = self.code, self.headers
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _length(self.headers.get("content-length"))
        if self.status in (204, 304) or self.status < 200 or self._method == "HEAD":  # type: ignore[attr-defined]  # noqa: PLR2004
            self.length = 0
        closes: bool = self._check_close()  # type: ignore[attr-defined]
        self.will_close = closes or (not self.chunked and self.length is None)

    def _begin_by_lines(self) -> None:
        """Read the version, the status and the headers, whatever they look like."""
        while (told := self._read_status())[1] == 100:  # noqa: PLR2004
            _lines(self.fp)
        version, self.code, reason = told
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.reason = reason.strip()
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.headers = _fields(_lines(self.fp))

    def _read_status(self) -> tuple[str, int, str]:
        # `http.client` passes over 100 alone; 102 and 103 are no answers either.
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, 100 if 100 < status < 200 and status != 101 else status, reason  # noqa: PLR2004


def _lines(file: Any) -> list[bytes]:
    """The lines of a head, to the blank one that ends it.

    Raises:
        HTTPException: One is too long, or they are too many.
    """
    found: list[bytes] = []
    while (line := file.readline(_LONGEST_LINE + 1)) not in (b"\r\n", b"\n", b""):
        found.append(line)
        if len(line) > _LONGEST_LINE:
            raise LineTooLong("header line")
        if len(found) == _MOST_LINES:
            raise HTTPException(f"got more than {_MOST_LINES} headers")
    return found


def _fields(lines: list[bytes]) -> HTTPMessage:
    """The headers in `lines`; by the parser of mails where one is not as plain as hosts send them."""
    headers = HTTPMessage()
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            headers = parse_headers(io.BytesIO(b"".join(lines)))
            # What is no header urllib3 would log as a warning, word for word, although the key may stand in it.
            headers.set_payload("")
            headers.defects.clear()
            break
        headers.set_raw(field[1].decode("latin-1"), field[2].decode("latin-1"))
    return headers


def _length(text: str | None) -> int | None:
    """The number of bytes that `text` tells; None where it tells none."""
    try:
        found = int(text or "")
    except ValueError:
        return None
    return found if found >= 0 else None
