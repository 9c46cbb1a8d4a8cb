"""A loopback server made of raw sockets, which says and does exactly what a test's script tells it to."""

import contextlib
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import trustme
from attrs import define, field

PATIENCE = 20.0  # seconds after which a test is broken rather than slow


@functools.cache
def authority() -> trustme.CA:
    """The certificate authority of this test run."""
    return trustme.CA()


@functools.cache
def server_context() -> ssl.SSLContext:
    """TLS for 127.0.0.1 and localhost, with a certificate of `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def bundle(folder: Path) -> str:
    """The path of a CA bundle that trusts the servers here."""
    path = folder / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def reply(body: bytes = b"hello", *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer with its length."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; the last one if empty."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"


@define
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)  # names in lower case
    body: bytes
    connection: int  # counted from 1


@define
class Wire:
    """One accepted connection, in the hands of the script."""

    server: "Server"
    sock: socket.socket
    number: int
    _buffer: bytes = b""

    def receive(self) -> Received | None:
        """The next request; None if the client closed."""
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = self._exactly(int(headers.get("content-length", 0)))
        received = Received(method, path, headers, body, self.number)
        self.server.requests.append(received)
        return received

    def requests(self) -> Iterator[Received]:
        """Each request until the client closes."""
        while (received := self.receive()) is not None:
            yield received

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def hang(self) -> None:
        """Say nothing more until the client closes, or the test ends."""
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass
        self.server.left.set()

    def reset(self) -> None:
        """Close with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def secure(self) -> None:
        """Do the server's part of a TLS handshake."""
        self.sock = self.server.wrap(self.sock)

    def _until(self, end: bytes) -> bytes | None:
        while end not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0 and (data := self.sock.recv(min(missing, 1 << 20))):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)


class Server:
    """Accepts connections, and runs `script` for each in a thread. A context manager, which joins them all.

    Attributes:
        connections: How many were accepted.
        requests: What `Wire.receive` received, in order.
        reached: For a script to set when it is where the test wants it.
        left: Set when a client went away from a `Wire.hang`.
        stopped: Set when the test is over.
    """

    def __init__(self, script: Callable[[Wire], object], *, tls: bool = False, host: str = "127.0.0.1") -> None:
        self.connections = 0
        self.requests: list[Received] = []
        self.reached, self.left, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._failed: list[BaseException] = []

    @property
    def url(self) -> str:
        """The root, without a slash at its end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        _shut(self._listener)
        for sock in self._sockets:
            _shut(sock)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script goes on"
        self._listener.close()
        for sock in self._sockets:
            sock.close()
        if self._failed:
            raise self._failed[0]

    def over(self) -> None:
        """Wait until each script that began is over, and its connection closed."""
        for thread in self._threads[1:]:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script goes on"

    def wrap(self, sock: socket.socket, context: ssl.SSLContext | None = None) -> socket.socket:
        """TLS over an accepted connection; None for that of `server_context`."""
        wrapped = (context or server_context()).wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._sockets.append(wrapped)
        wrapped.do_handshake()
        return wrapped

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._run, args=(Wire(self, sock, self.connections),), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, wire: Wire) -> None:
        try:
            if self._tls:
                wire.secure()
            self._script(wire)
        except OSError:
            pass  # the client went away
        except BaseException as error:  # noqa: BLE001 - raised in the test
            self._failed.append(error)
        finally:
            _shut(wire.sock)
            wire.sock.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def echo(wire: Wire) -> None:
    """A script: answers each request with its body."""
    for received in wire.requests():
        wire.send(reply(received.body))


@contextlib.contextmanager
def unanswered() -> Iterator[int]:
    """A port whose SYNs are not answered: its backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def tunnel(port: int) -> Callable[[Wire], None]:
    """A script: a proxy for CONNECT, which joins each connection with `port` here, whatever was asked for."""

    def script(wire: Wire) -> None:
        wire.receive()
        with socket.create_connection(("127.0.0.1", port)) as inner:
            wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(inner, wire.sock), daemon=True)
            back.start()
            _pump(wire.sock, inner)
            back.join(PATIENCE)

    return script


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _shut(target)
