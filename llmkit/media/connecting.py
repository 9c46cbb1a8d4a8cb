"""Connections for what is fetched: only to addresses that are allowed, within a deadline, and counting what comes.

An address is checked between the one look-up and the connection. Behind a proxy it cannot be seen, so that one is used
only where the caller names it.
"""

import binascii
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from io import BufferedReader, RawIOBase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from attrs import define, field, frozen

HEADERS = 1 << 20  # bytes that may come beside the body: headers, chunk sizes, trailers
PIECE = 1 << 16  # bytes read at a time
PORTS = {"http": 80, "https": 443}

_NAT64 = ip_network("64:ff9b::/96")
# What `is_global` of some Python versions holds for public.
_NOT_PUBLIC = [
    ip_network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "64:ff9b:1::/48", "::/32")
]


def is_public(address: str) -> bool:
    """Whether an IP `address` belongs to the public internet, also where another one is wrapped in it."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (inner := _wrapped(ip)) is not None:
        return is_public(str(inner))
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NOT_PUBLIC)
    return ip.is_global and not special


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to `ip` may end at."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


class RefusedError(Exception):
    """Why nothing was fetched, in words that hold no secret."""


@frozen
class Proxy:
    """Where to ask instead, and how it knows the caller."""

    host: str
    port: int
    headers: Mapping[str, str] = field(repr=False)


@frozen
class Terms:
    """What bounds one fetch, all of its hops together."""

    allow: Callable[[str], bool]
    limit: int
    seconds: float
    until: float
    clock: Callable[[], float]
    tls: Callable[[], ssl.SSLContext]
    proxy: Proxy | None

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            RefusedError: There are none.
        """
        left = self.until - self.clock()
        if left <= 0:
            raise RefusedError(f"took longer than {self.seconds:g} s")
        return left


def direct(host: str, port: int, terms: Terms) -> socket.socket:
    """A connection to one of the addresses of `host`, which are looked up once and all checked."""
    found = _look_up(host, port, terms)
    if not all(terms.allow(str(address[0])) for *_, address in found):
        raise RefusedError("its address is not public")
    return _connect(found, terms)


def through(proxy: Proxy, parts: SplitResult, terms: Terms) -> socket.socket:
    """A connection to the proxy; for https one on to the host."""
    host = parts.hostname or ""
    literal = _literal(host)
    if (literal is not None and not terms.allow(literal)) or host.rstrip(".").endswith("localhost"):
        raise RefusedError("its address is not public")
    raw = _connect(_look_up(proxy.host, proxy.port, terms), terms)
    try:
        if parts.scheme == "https":
            _tunnel(raw, proxy, parts, terms)
    except BaseException:
        raw.close()
        raise
    return raw


def _literal(host: str) -> str | None:
    """The address that `host` is, in whatever spelling; None for a name."""
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def _tunnel(raw: socket.socket, proxy: Proxy, parts: SplitResult, terms: Terms) -> None:
    connection = HTTPConnection(proxy.host, proxy.port)
    connection.sock = Bounded(raw, terms)
    target = authority(parts) if parts.port else f"{authority(parts)}:{PORTS[parts.scheme]}"
    connection.request("CONNECT", target, headers={"Host": target, **proxy.headers})
    response = connection.getresponse()
    if response.status != 200:  # noqa: PLR2004 - OK
        raise RefusedError(f"the proxy answered with {response.status}")


def proxy_of(url: object) -> Proxy | None:
    """The proxy at ``http://user:password@host:port``; None where `url` is nothing of the kind."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname and parts.port != 0 and url.isprintable():
            return Proxy(parts.hostname, parts.port or PORTS["http"], _known_by(parts))
    except ValueError:
        pass
    return None


def _known_by(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {binascii.b2a_base64(pair, newline=False).decode()}"}


_Addresses: TypeAlias = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]


def _look_up(host: str, port: int, terms: Terms) -> _Addresses:
    """The addresses of `host`; looked up in a thread, since nothing else ends a look-up in time."""
    answers: queue.SimpleQueue[_Addresses | Exception] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as exc:  # ValueError: it cannot be a name
            answers.put(exc)

    try:
        threading.Thread(target=answer, name="llmkit look-up", daemon=True).start()
    except RuntimeError:  # there are too many
        answer()
    try:
        found = answers.get(timeout=terms.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


def _connect(addresses: _Addresses, terms: Terms) -> socket.socket:
    """A connection to the first that answers."""
    failure = OSError("unknown host")
    for family, kind, protocol, _, address in addresses:
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(terms.left())
            raw.connect(address)
        except OSError as exc:
            raw.close()
            failure = exc
        except RefusedError:
            raw.close()
            raise
        else:
            return raw
    raise failure


def authority(parts: SplitResult) -> str:
    """The host, and the port where it is not the scheme's own."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.encode("idna").decode()
    return f"{host}:{parts.port}" if parts.port else host


@define
class Bounded:
    """As much of a socket as `http.client` uses; each read and write ends at the deadline, what is read is counted."""

    socket: socket.socket
    terms: Terms

    def sendall(self, data: Any) -> None:  # noqa: D102
        self.socket.settimeout(self.terms.left())
        self.socket.sendall(data)

    def makefile(self, _: str) -> BufferedReader:  # noqa: D102
        return BufferedReader(_Incoming(self.socket, self.terms, self.terms.limit + HEADERS), PIECE)

    def close(self) -> None:
        """Nothing: who made the socket closes it."""


@define(slots=False, eq=False)
class _Incoming(RawIOBase):
    """The bytes that come in, until the deadline or the budget ends."""

    socket: socket.socket
    terms: Terms
    budget: int = field()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.socket.settimeout(self.terms.left())
        count = self.socket.recv_into(buffer)
        self.budget -= count
        if self.budget < 0:
            raise RefusedError("too much came beside the content")
        return count
