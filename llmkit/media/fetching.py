"""An http(s) URL in, its bytes out, for media that the caller asks to be downloaded.

A URL may come from somebody who is not trusted, so that only public addresses are connected to: they are
checked between the one look-up and the connection, for each redirect again. No proxy is used, since behind one the
address cannot be seen; no credentials, no cookies; size and time are bounded.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from attrs import define, field, frozen

from llmkit.errors import MediaError
from llmkit.media.sources import Read, name_of_url, shown

LIMIT = 32 << 20  # bytes of a body
SECONDS = 60.0  # for all of it, redirects included
HOPS = 5  # redirects
HEADERS = 1 << 20  # bytes that may come beside the body: headers, chunk sizes, trailers
PIECE = 1 << 16  # bytes read at a time

_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:@!$&'()*+,;=~?"
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


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """Why nothing was fetched, in words that hold no secret."""


@frozen
class _Terms:
    """What bounds one fetch, all of its hops together."""

    allow: Callable[[str], bool]
    limit: int
    seconds: float
    until: float
    clock: Callable[[], float]
    tls: Callable[[], ssl.SSLContext]

    def left(self) -> float:
        left = self.until - self.clock()
        if left <= 0:
            raise _Refused(f"took longer than {self.seconds:g} s")
        return left


def _default_tls() -> ssl.SSLContext:
    import certifi  # noqa: PLC0415 - it comes with requests; the system's own certificates may be missing

    return ssl.create_default_context(cafile=certifi.where())


def fetch(
    url: str,
    *,
    allow: Callable[[str], bool] = is_public,
    limit: int = LIMIT,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    tls: Callable[[], ssl.SSLContext] = _default_tls,
) -> Read:
    """Download `url`; the answer's Content-Type is the hint, the last part of the path the name.

    Args:
        url: An http or https address, without user and password.
        allow: Whether an IP address may be connected to. Every address of a host's name must be allowed.
        limit: Bytes of the body.
        seconds: For everything but the look-up of names, which the system bounds.
        clock: Seconds, never going back.
        tls: Makes the context for https.

    Raises:
        MediaError: The address is not allowed, or does not answer with 200, whole, in time and within `limit`.
    """
    terms = _Terms(allow, limit, seconds, clock() + seconds, clock, tls)
    where, reason = url, ""
    try:
        for _ in range(HOPS + 1):
            found = _hop(where, terms)
            if isinstance(found, Read):
                return found
            where = urljoin(where, found)
        reason = f"more than {HOPS} redirects"
    except _Refused as exc:
        reason = str(exc)
    except (OSError, HTTPException, ValueError) as exc:
        reason = _reason(exc)
    # Raised out here, so that no frame with the URL's query or a foreign exception hangs on it.
    raise MediaError(f"{_public_part(where)}: not downloaded: {reason}")


def _reason(exc: Exception) -> str:
    if isinstance(exc, socket.gaierror):
        return "unknown host"
    if isinstance(exc, TimeoutError):
        return "timed out"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return type(exc).__name__


def _public_part(url: str) -> str:
    """`url` without user, password, query and fragment."""
    head, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return shown(f"{head}://{host.rpartition('@')[2]}{slash}{path}".partition("?")[0].partition("#")[0])


def _hop(url: str, terms: _Terms) -> Read | str:
    """One request: what was read, or where it redirects to."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _Refused("only http and https are fetched")
    if "@" in parts.netloc:
        raise _Refused("user and password do not belong in the URL")
    with _connected(parts, terms) as connection:
        connection.request("GET", _target(parts), headers=_HEADERS)
        response = connection.getresponse()
        location = response.headers.get("location")
        if response.status in _REDIRECTS and location:
            return quote(location.encode("latin-1"), safe=_SAFE + "#[]")
        return Read(_body(response, terms), hint=response.headers.get("content-type"), name=name_of_url(url))


_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "llmkit", "Connection": "close"}


def _target(parts: SplitResult) -> str:
    target = quote(parts.path or "/", safe=_SAFE)
    return f"{target}?{quote(parts.query, safe=_SAFE)}" if parts.query else target


@contextmanager
def _connected(parts: SplitResult, terms: _Terms) -> Iterator[HTTPConnection]:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    raw = _connect(host, port, terms)
    with closing(raw):
        raw.settimeout(terms.left())
        secured = terms.tls().wrap_socket(raw, server_hostname=host) if parts.scheme == "https" else raw
        with closing(secured):
            connection = HTTPConnection(host, port)
            connection.sock = _Bounded(secured, terms)
            # The connection would leave out a default port of http only.
            connection.default_port = _PORTS[parts.scheme]
            yield connection


def _connect(host: str, port: int, terms: _Terms) -> socket.socket:
    """A connection to one of the addresses of `host`, which are looked up once and all checked."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not all(terms.allow(str(address[0])) for *_, address in found):
        raise _Refused("its address is not public")
    failure = OSError("unknown host")
    for family, kind, protocol, _, address in found:
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(terms.left())
            raw.connect(address)
        except OSError as exc:
            raw.close()
            failure = exc
        except _Refused:
            raw.close()
            raise
        else:
            return raw
    raise failure


@define
class _Bounded:
    """As much of a socket as `http.client` uses; each read and write ends at the deadline, what is read is counted."""

    socket: socket.socket
    terms: _Terms

    def sendall(self, data: Any) -> None:
        self.socket.settimeout(self.terms.left())
        self.socket.sendall(data)

    def makefile(self, _: str) -> BufferedReader:
        return BufferedReader(_Incoming(self.socket, self.terms, self.terms.limit + HEADERS), PIECE)

    def close(self) -> None:
        """Nothing: who made the socket closes it."""


@define(slots=False, eq=False)
class _Incoming(RawIOBase):
    """The bytes that come in, until the deadline or the budget ends."""

    socket: socket.socket
    terms: _Terms
    budget: int = field()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.socket.settimeout(self.terms.left())
        count = self.socket.recv_into(buffer)
        self.budget -= count
        if self.budget < 0:
            raise _Refused("too much came beside the content")
        return count


def _body(response: HTTPResponse, terms: _Terms) -> bytes:
    if response.status != 200:  # noqa: PLR2004 - OK; 206 would be a part
        raise _Refused(f"HTTP {response.status}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused("it came compressed, though asked not to")
    declared = response.length
    if declared is not None and declared > terms.limit:
        raise _Refused(f"larger than {terms.limit:,} bytes")
    pieces, size = [], 0
    while piece := response.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > terms.limit:
            raise _Refused(f"larger than {terms.limit:,} bytes")
    if declared is not None and size < declared:
        raise _Refused(f"it was cut off after {size:,} of {declared:,} bytes")
    return b"".join(pieces)
