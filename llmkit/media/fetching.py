"""An http(s) URL in, its bytes out, for media that the caller asks to be downloaded.

A URL may come from somebody who is not trusted, so that only public addresses are connected to: they are
checked between the one look-up and the connection, for each redirect again. A proxy is used only where the caller
names one, since behind it the address cannot be seen; no credentials, no cookies; size and time are bounded.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from llmkit.errors import MediaError
from llmkit.media.connecting import (
    PIECE,
    PORTS,
    Bounded,
    Proxy,
    RefusedError,
    Terms,
    authority,
    direct,
    is_public,
    through,
)
from llmkit.media.sources import Read, name_of_url, shown

LIMIT = 32 << 20  # bytes of a body
SECONDS = 60.0  # for all of it, redirects included
HOPS = 5  # redirects

_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "/%:@!$&'()*+,;=~?"


def _default_tls() -> ssl.SSLContext:
    import certifi  # noqa: PLC0415 - it comes with requests; the system's own certificates may be missing

    return ssl.create_default_context(cafile=certifi.where())


def fetch(
    url: str,
    *,
    allow: Callable[[str], bool] = is_public,
    proxy: Proxy | None = None,
    limit: int = LIMIT,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    tls: Callable[[], ssl.SSLContext] = _default_tls,
) -> Read:
    """Download `url`; the answer's Content-Type is the hint, the last part of the path the name.

    Args:
        url: An http or https address, without user and password.
        allow: Whether an IP address may be connected to. Every address of a host's name must be allowed.
        proxy: Asked in place of the host. It looks names up by itself, so that `allow` is asked only of addresses that
            stand in the URL.
        limit: Bytes of the body.
        seconds: For everything.
        clock: Seconds, never going back.
        tls: Makes the context for https.

    Raises:
        MediaError: The address is not allowed, or does not answer with 200, whole, in time and within `limit`.
    """
    terms = Terms(allow, limit, seconds, clock() + seconds, clock, tls, proxy)
    where, reason = url, ""
    try:
        for _ in range(HOPS + 1):
            found = _hop(where, terms)
            if isinstance(found, Read):
                return found
            where = urljoin(where, found)
        reason = f"more than {HOPS} redirects"
    except RefusedError as exc:
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


def _hop(url: str, terms: Terms) -> Read | str:
    """One request: what was read, or where it redirects to."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise RefusedError("only http and https are fetched")
    if "@" in parts.netloc:
        raise RefusedError("user and password do not belong in the URL")
    with _connected(parts, terms) as connection:
        if terms.proxy is None or parts.scheme == "https":
            connection.request("GET", _target(parts), headers=_HEADERS)
        else:
            whole = f"http://{authority(parts)}{_target(parts)}"
            connection.request("GET", whole, headers={**_HEADERS, **terms.proxy.headers})
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
def _connected(parts: SplitResult, terms: Terms) -> Iterator[HTTPConnection]:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    raw = direct(host, port, terms) if terms.proxy is None else through(terms.proxy, parts, terms)
    with closing(raw):
        raw.settimeout(terms.left())
        secured = terms.tls().wrap_socket(raw, server_hostname=host) if parts.scheme == "https" else raw
        with closing(secured):
            connection = HTTPConnection(host, port)
            connection.sock = Bounded(secured, terms)
            # The connection would leave out a default port of http only.
            connection.default_port = PORTS[parts.scheme]
            yield connection


def _body(response: HTTPResponse, terms: Terms) -> bytes:
    if response.status != 200:  # noqa: PLR2004 - OK; 206 would be a part
        raise RefusedError(f"HTTP {response.status}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedError("it came compressed, though asked not to")
    declared = response.length
    if declared is not None and declared > terms.limit:
        raise RefusedError(f"larger than {terms.limit:,} bytes")
    pieces, size = [], 0
    while piece := response.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > terms.limit:
            raise RefusedError(f"larger than {terms.limit:,} bytes")
    if declared is not None and size < declared:
        raise RefusedError(f"it was cut off after {size:,} of {declared:,} bytes")
    return b"".join(pieces)
