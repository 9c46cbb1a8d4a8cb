"""A real HTTP/1.1 server on loopback: requests in, answers out, and a clean end whatever is going on. Knows no wire."""

import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen
from requests.structures import CaseInsensitiveDict

from llmkit.testing.exchange import Answer, RecordedRequest

DRIP_SECONDS: Final = 0.02
JOIN_SECONDS: Final = 10.0
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "date", "server"})
_LAST_CHUNK: Final = b"0\r\n\r\n"
_RESET: Final = struct.pack(
    "hh" if os.name == "nt" else "ii", 1, 0
)  # closed with unsent bytes thrown away: the other side gets a reset


@frozen
class Pace:
    """How answers leave.

    Attributes:
        latency: Seconds before an answer begins.
        delay: Seconds between events.
        pieces: Bytes of a write; None for one write an event.
    """

    latency: float = 0.0
    delay: float = 0.0
    pieces: int | None = None


class Loopback(ThreadingHTTPServer):
    """Listens from its making to `close`; every connection has its thread.

    Args:
        respond: The answer to a request; called by many threads at once.
        pace: Asked anew for every answer.
        port: On which it listens; 0 for a free one.

    Raises:
        OSError: The port cannot be had.
    """

    daemon_threads = True
    request_queue_size = 128  # of the default 5 the sixth of many threads at once waits for a second

    def __init__(
        self, respond: Callable[[RecordedRequest], Answer], pace: Callable[[], Pace], *, port: int = 0
    ) -> None:
        self.respond = respond
        self.pace = pace
        self.closing = threading.Event()
        self.accepted = 0
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._answering: dict[threading.Thread, threading.Event] = {}  # which is set when it is given up
        super().__init__(("127.0.0.1", port), _Handler)
        self._acceptor = threading.Thread(target=self._accept, name="llmkit fake server", daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Its root, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        """Bind without looking up the name of this machine, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def _accept(self) -> None:
        # Not `serve_forever`: that looks for its end only now and then, and every test would wait for it.
        while not self.closing.is_set():
            self.handle_request()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class asks so
        """Refuse the connection by which `close` wakes the acceptor."""
        return not self.closing.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments, daemon=True)
        with self._lock:
            self.accepted += 1
            self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[threading.current_thread()]

    def enter(self) -> threading.Event:
        """A request has come, to this thread; what is set when its answer has to be given up.

        Raises:
            ConnectionAbortedError: This server is being closed.
        """
        dropped = threading.Event()
        with self._lock:
            if self.closing.is_set():
                raise ConnectionAbortedError
            self._answering[threading.current_thread()] = dropped
        return dropped

    def leave(self) -> None:
        """All but the last bytes of this thread's answer have been sent; more than once is as good as once."""
        with self._lock:
            self._answering.pop(threading.current_thread(), None)

    def drop(self) -> None:
        """Give up the answers that other threads are at, and their connections; those that wait for a request stay."""
        with self._lock:
            for thread, dropped in self._answering.items():
                if thread is not threading.current_thread():
                    dropped.set()
                    _shut(self._open[thread])

    def close(self) -> None:
        """Drop every connection, and wait until all threads have ended."""
        self.closing.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.server_port), timeout=JOIN_SECONDS).close()
        self._acceptor.join(JOIN_SECONDS)
        self.server_close()
        with self._lock:
            threads = dict(self._open)
            for dropped in self._answering.values():
                dropped.set()
        for connection in threads.values():
            _shut(connection)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_SECONDS)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "llmkit-fake"
    sys_version = ""
    disable_nagle_algorithm = True  # each piece leaves at once

    _abrupt = False
    _dropped: threading.Event

    @property
    def _loopback(self) -> Loopback:
        return cast("Loopback", self.server)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Serve until one side has enough; whoever leaves in the middle does no harm."""
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def finish(self) -> None:
        """Close what was opened."""
        with suppress(ConnectionError):
            super().finish()
        if self._abrupt:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()

    def do_POST(self) -> None:
        """Answer, whatever the method."""
        request = self._request()
        self._dropped = self._loopback.enter()
        try:
            answer = self._loopback.respond(request)
            try:
                self._send(answer)
            except (ConnectionError, TimeoutError):
                self._gone(answer)
                raise
            finally:
                answer.leaving()
        finally:
            self._loopback.leave()

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815 - the names that the base class looks for

    def _request(self) -> RecordedRequest:
        body = self._body()
        target = urlsplit(self.path)
        return RecordedRequest(
            method=self.command,
            path=target.path,
            headers=cast("Mapping[str, str]", CaseInsensitiveDict(self.headers.items())),
            json=_json(body),
            query=dict(parse_qsl(target.query, keep_blank_values=True)),
            body=body,
        )

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":  # as .NET sends JSON
            return b"".join(iter(self._chunk, b""))
        length = self.headers.get("content-length", "0")
        return self.rfile.read(int(length)) if length.isdecimal() else b""

    def _chunk(self) -> bytes:
        """The next piece of a body whose length was not known before; nothing at its end."""
        size = int(self.rfile.readline().partition(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _send(self, answer: Answer) -> None:
        pace = self._loopback.pace()
        delay = pace.delay if answer.delay is None else answer.delay
        self._wait(pace.latency if answer.latency is None else answer.latency)
        if not answer.chunks:
            self._leave(answer)
        if answer.status:
            self._send_head(answer)
        for index, chunk in enumerate(answer.chunks):
            if index:
                self._wait(delay)
            last = index == len(answer.chunks) - 1
            if last:
                self._leave(answer)
            pieces = list(_pieces(chunk, pace.pieces))
            for number, piece in enumerate(pieces, start=1):
                self._write(piece, answer, last=last and number == len(pieces))
        self._end(answer)

    def _wait(self, seconds: float) -> None:
        if seconds and self._dropped.wait(seconds):
            raise ConnectionAbortedError

    def _gone(self, answer: Answer) -> None:
        if not self._dropped.is_set():  # else it was this server that has closed the connection
            answer.abandoned()

    def _leave(self, answer: Answer) -> None:
        """Before the other side can know that the answer is whole, and may think that nothing is under way."""
        if answer.ending == "end":
            answer.leaving()
            self._loopback.leave()

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _FRAMING:
                self.send_header(name, value)
        if answer.streamed:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(sum(map(len, answer.chunks)) + answer.missing))
        self.end_headers()

    def _write(self, data: bytes, answer: Answer, *, last: bool = False) -> None:
        framed = b"%x\r\n%b\r\n" % (len(data), data) if answer.streamed else data
        # The body's end in the same write: on a busy machine a client might give up waiting for it, and connect anew.
        ends = last and answer.streamed and answer.ending == "end"
        self.wfile.write(framed + _LAST_CHUNK if ends else framed)

    def _end(self, answer: Answer) -> None:
        match answer.ending:
            case "end":
                if answer.streamed and not any(answer.chunks[-1:]):
                    self.wfile.write(_LAST_CHUNK)
                return
            case "drip":
                while not self._dropped.wait(DRIP_SECONDS):
                    self._write(answer.drip, answer)
            case "stall":
                self.connection.recv(1)  # returns when the connection is closed, by whichever side
                self._gone(answer)
            case _:
                self._abrupt = True
        self.close_connection = True


def _pieces(chunk: bytes, size: int | None) -> Iterator[bytes]:
    step = len(chunk) if size is None else max(1, size)
    return (chunk[at : at + step] for at in range(0, len(chunk), step or 1))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
