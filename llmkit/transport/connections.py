"""urllib3's connections, watched: each step asks the exchange how long it may block and whether it is over.

What urllib3 and `http.client` do by themselves is left to them; this adds `llmkit.transport.dialling`, a reader below
`http.client` that checks before each recv, sending in slices, and a quicker way to read heads.
"""

import contextlib
import io
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
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

import urllib3.connection
import urllib3.connectionpool

from llmkit.transport.dialling import dial, resolve
from llmkit.transport.exchange import Exchange

_LONGEST_LINE, _MOST_LINES = 65536, 100  # of a head, as in `http.client`, which counts the blank one, too
_FIELD = re.compile(rb"([!#-'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r?\n")
PIECE = 65536  # bytes asked for or sent at a time


class _Here(threading.local):
    exchange: Exchange | None = None
    fresh: bool = False  # whether no connection may come from the pool


_here = _Here()


def fresh_only() -> bool:
    """Whether this thread wants no connection from the pool."""
    return _here.fresh


@contextlib.contextmanager
def watched(exchange: Exchange, *, fresh: bool = False) -> Iterator[None]:
    """Connections that this thread uses meanwhile belong to `exchange`; if `fresh`, none from the pool."""
    before = _here.exchange, _here.fresh
    _here.exchange, _here.fresh = exchange, fresh
    try:
        yield
    finally:
        _here.exchange, _here.fresh = before


def current() -> Exchange:
    """The exchange that this thread's connections belong to."""
    exchange = _here.exchange
    if exchange is None:
        raise RuntimeError("this connection can only be used through llmkit's transport")
    return exchange


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


class Reply(HTTPResponse):
    """An answer, read through `Reader`."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        exchange = current()
        last = exchange.stage == "send"
        if last:
            exchange.stage = "wait"
        source = self.fp.detach()
        self._exchange = exchange
        self._reader = Reader(sock, sock.recv_into, source, exchange, last=last)
        self.fp = io.BufferedReader(self._reader, PIECE)

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
        """Read the head, as `http.client` does, but for its parser of mails, which takes a tenth of a call."""
        while (told := self._read_status())[1] == 100:  # noqa: PLR2004
            _lines(self.fp)
        version, status, reason = told
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.headers = self.msg = headers = _fields(_lines(self.fp))
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _length(headers.get("content-length"))
        if status in (204, 304) or 100 <= status < 200 or self._method == "HEAD":  # type: ignore[attr-defined]  # noqa: PLR2004
            self.length = 0
        closes: bool = self._check_close()  # type: ignore[attr-defined]
        self.will_close = closes or (not self.chunked and self.length is None)

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


class Watched(urllib3.connection.HTTPConnection):
    """A connection of urllib3's that belongs to an exchange while it is used; how it is made is for a subclass.

    Its methods are those of urllib3, each within what the exchange allows.
    """

    response_class = Reply
    target = ""  # of the request, as it is sent
    _served = 0  # requests on this connection
    _head = b""  # of the request, still to be sent
    _user: Exchange | None = None

    def connect(self) -> None:  # noqa: D102
        exchange = current()
        exchange.stage, exchange.proxied = "connect", self.proxy is not None
        exchange.peer = f"{self.host}:{self.port}"
        exchange.deadlines.connecting()
        self._served = 0
        try:
            super().connect()
        except TimeoutError as error:
            if error.errno is None:  # the handshake's; else the system gave up before our limit
                exchange.expire()
            raise
        finally:
            exchange.deadlines.connected()
        exchange.hold(self.sock)

    def _tunnel(self) -> None:
        exchange = current()
        exchange.stage = "tunnel"
        super()._tunnel()
        exchange.stage = "tls"
        self.sock.settimeout(exchange.patience())

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002, D102
        self._user = exchange = current()
        exchange.peer, exchange.forwarded = f"{self.host}:{self.port}", self.proxy_is_forwarding
        exchange.reused = self._served > 0
        if exchange.reused:
            exchange.attach(self.sock)
        self._served += 1
        exchange.stage, exchange.unsent = "send", True
        self._head = b""
        super().request(method, self.target, *args, **kwargs)
        self._write(self._head)
        exchange.unsent = False

    def send(self, data: Any) -> None:  # noqa: D102
        if current().stage != "send":
            self._write(data)  # to a proxy
        elif not self._head:
            self._head = data  # goes with the body: one packet where it fits, and one system call
        else:
            head, self._head = self._head, b""
            if len(data) < PIECE:
                self._write(head + data)
            else:
                self._write(head)
                self._write(data)

    def _write(self, data: bytes) -> None:
        exchange = current()
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            self.sock.settimeout(exchange.patience(idle=exchange.stage == "send"))
            try:
                self.sock.sendall(view[start : start + PIECE])
            except TimeoutError:
                exchange.expire()

    def reusable(self) -> bool:
        """Whether the next request may have it.

        Not after an abort, which may still be on its way; and not where more came than the answer, which says that
        the two sides do not agree where answers end.
        """
        return self._user is None or not (self._user.aborted or self._user.surplus)


class _Dialled(Watched):
    def _new_conn(self) -> socket.socket:
        exchange = current()
        sock = dial(resolve(self._dns_host.strip("[]"), self.port, exchange), exchange)
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock


class Plain(_Dialled):
    """A connection without TLS."""


class Secure(_Dialled, urllib3.connection.HTTPSConnection):
    """A connection with TLS."""
