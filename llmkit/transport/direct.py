"""The short way: a request written to a pooled connection, and its answer read from it.

`HTTPAdapter.send` and urllib3's `urlopen` cost more than all else of a call together. They are for redirects, retries,
proxies, bodies of any kind and headers of any kind; here nothing of that is left to do. But they are also where other
libraries stand: those that answer in tests, and those that measure and trace. So the short way is taken only while
nobody has put anything there, see `untouched`; and not through proxies.
"""

import http.client
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from http.client import IncompleteRead
from types import FunctionType
from typing import Any

import requests.adapters
import urllib3
import urllib3.connection
import urllib3.connectionpool
from requests.structures import CaseInsensitiveDict

from llmkit.transport.answer import Head, Raw
from llmkit.transport.chunks import read_chunks
from llmkit.transport.connections import Watched
from llmkit.transport.failures import FOREIGN
from llmkit.transport.replies import PIECE, Reply

_ADAPTER = requests.adapters.HTTPAdapter
_POOL = urllib3.connectionpool.HTTPConnectionPool
_ABOVE, _BELOW = urllib3.connection.HTTPConnection, http.client.HTTPConnection
# What others replace; and what is passed over with it.
_REPLACED: tuple[tuple[type, str], ...] = (
    (_ADAPTER, "send"),
    (_ADAPTER, "build_response"),
    (_POOL, "urlopen"),
    (_POOL, "_make_request"),
    *((cls, name) for cls in (_ABOVE, _BELOW) for name in ("request", "putrequest", "putheader", "endheaders")),
    (_ABOVE, "getresponse"),
    (_BELOW, "getresponse"),
    (_BELOW, "send"),
)
_HOMES = ("requests.adapters", "urllib3.connectionpool", "urllib3.connection", "http.client")
_GENUINE: dict[int, Any] = {}  # functions that have been looked at; by identity, as wrappers may equal what they wrap
_LOGGER = logging.getLogger("urllib3.connectionpool")
# A target of which nothing has to be encoded: https://www.rfc-editor.org/rfc/rfc3986#appendix-A
_FIRST = re.compile(r"[A-Z]+ /(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-F]{2})*+")
_NAMES = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++\n)*+")
_VALUES = re.compile(r"(?:(?![\t ])[\t\x20-\x7e\x80-\xff]*+(?<![\t ])\n)*+")
_NEEDED = frozenset(("accept-encoding", "user-agent"))  # which others add where they are missing
_BODILESS = frozenset(("GET", "HEAD"))  # without a length where there is no body
_SPECIAL = frozenset(("host", "transfer-encoding"))  # which change what else is sent


def untouched() -> bool:
    """Whether nothing has been put in place of what is passed over, and nobody listens to what it would tell."""
    for owner, name in _REPLACED:
        found = getattr(owner, name)
        if id(found) not in _GENUINE and not _genuine(found):
            return False
    return not (_BELOW.debuglevel or _LOGGER.isEnabledFor(logging.DEBUG))


def _genuine(found: Any) -> bool:
    """Whether it was defined where it belongs: wrappers take over the name of what they wrap, and not its globals."""
    home = sys.modules.get(getattr(found, "__module__", None) or "")
    known = type(found) is FunctionType and home is not None and found.__globals__ is vars(home)
    if known and found.__module__ in _HOMES:
        _GENUINE[id(found)] = found
        return True
    return False


def head_of(request: requests.PreparedRequest, target: str) -> list[str] | None:
    """The lines of a request's head, but for the host's; None where it is not as nearly all are."""
    if not isinstance(request.body, bytes | None) or not _measured(request):
        return None
    first = f"{request.method} {target}"
    names, values = [*request.headers], [*request.headers.values()]
    try:
        joined = "\n".join([*names, ""]), "\n".join([*values, ""])
    except TypeError:  # bytes, say
        return None
    plain = (
        _FIRST.fullmatch(first)
        and _NAMES.fullmatch(joined[0])
        and _VALUES.fullmatch(joined[1])
        # A line break in one would have made two of it.
        and joined[0].count("\n") == joined[1].count("\n") == len(names)
    )
    lower = {name.lower() for name in names}
    if not plain or not lower >= _NEEDED or not _SPECIAL.isdisjoint(lower):
        return None
    # By `join`, which takes the letters that were looked at: a subclass of `str` may be formatted as others.
    return [f"{first} HTTP/1.1", *map(": ".join, zip(names, values, strict=True))]


def _measured(request: requests.PreparedRequest) -> bool:
    """Whether its headers say how long its body is: else the server takes that for another request."""
    length = request.headers.get("Content-Length")
    if request.body is None:
        return length == "0" or (length is None and request.method in _BODILESS)
    return length == str(len(request.body))


def directly(pool: Any, request: requests.PreparedRequest, lines: list[str]) -> Head:
    """Send the request on a connection of `pool`, and wait for the headers. The exchange must be watched.

    Args:
        pool: Ours, of the host.
        request: Of which `lines` is the head.
        lines: As `head_of` gives them; they are used up.

    Raises:
        Exception: One of `FOREIGN`.
    """
    method, body = str(request.method), request.body
    assert not isinstance(body, str)  # noqa: S101 - see `head_of`
    connection: Watched = pool._get_conn()  # noqa: SLF001
    try:
        if connection.is_closed:
            connection.connect()
        lines.insert(1, f"Host: {connection.named}")
        reply = connection.ask("\r\n".join([*lines, "", ""]).encode("latin-1"), body or b"", method)
        headers = _joined(reply.headers.raw_items())
        if _plain(reply, headers):
            return Head(reply.status, reply.reason, headers, Direct(pool, connection, reply))
        return Head(reply.status, reply.reason, headers, _through_urllib3(pool, connection, reply, method))
    except BaseException:
        connection.close()
        raise
    finally:
        lines.clear()  # the key stands in them: no traceback of Ctrl-C is to show it


def through_adapter(adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, proxies: Any) -> Head:
    """The same by the long way.

    Raises:
        Exception: One of `FOREIGN`.
    """
    response = adapter.send(request, stream=True, timeout=None, proxies=proxies)
    return Head(response.status_code, response.reason or "", response.headers, Raw(response.raw))


class Direct:
    """A body that is read from the connection, as it is.

    Args:
        pool: To which `connection` is given back when the body has ended.
        connection: On which it comes.
        reply: Its head has been read.
    """

    raises = (*FOREIGN, AttributeError)  # the latter where another thread closes: a file is gone
    _given_back = True  # until it has one: Ctrl-C may come first

    def __init__(self, pool: Any, connection: Watched, reply: Reply) -> None:
        self._pool = pool
        self._connection = connection
        self._reply = reply
        self._given_back = False

    def __del__(self) -> None:
        # As urllib3's: what is forgotten is closed, and warns of nothing.
        if not self._given_back:
            self.close()

    def pieces(self) -> Iterator[bytes]:
        """Each piece as it arrives."""
        reply = self._reply
        try:
            yield from read_chunks(reply) if reply.chunked else _read(reply)
        except BaseException:  # also where it is left
            self.close()
            raise
        if reply.will_close:
            self._connection.close()
        self._given_back = True
        self._pool._put_conn(self._connection)  # noqa: SLF001 - ours

    def close(self) -> None:
        """Drop the connection."""
        self._reply.close()
        self._connection.close()

    @property
    def closing(self) -> bool:
        """Whether there is nothing to save."""
        return self._reply.will_close


def _read(reply: Reply) -> Iterator[bytes]:
    """A body of known length, or one that ends with the connection.

    Raises:
        IncompleteRead: The connection ended first.
    """
    left = reply.length
    while left != 0:
        piece = reply.fp.read1(PIECE if left is None else min(left, PIECE))
        if not piece:
            if left is not None:
                raise IncompleteRead(b"", left)
            break
        if left is not None:
            left -= len(piece)
        yield piece
    reply.close()


def _plain(reply: Reply, headers: Mapping[str, str]) -> bool:
    """Whether its body is to be read as it is, and its headers say clearly how long that is."""
    if headers.get("content-encoding"):
        return False
    if (transfer := headers.get("transfer-encoding")) is not None:
        return transfer.lower() == "chunked"
    length = headers.get("content-length")
    return reply.length is None if length is None else length == str(reply.length)


def _joined(fields: Iterable[tuple[str, str]]) -> "CaseInsensitiveDict[str]":
    """Headers of one name as one."""
    found: dict[str, tuple[str, str]] = {}
    for name, told in fields:
        lower = name.lower()
        value = told if "\r\n" not in told else " ".join(line.strip(" \t") for line in told.split("\r\n"))
        first, before = found.get(lower, (name, None))
        found[lower] = first, value if before is None else f"{before}, {value}"
    return CaseInsensitiveDict(found.values())


def _through_urllib3(pool: Any, connection: Watched, reply: Reply, method: str) -> Raw:
    """What decompresses, and all that is rare."""
    raw = urllib3.HTTPResponse(
        body=reply,
        headers=urllib3.HTTPHeaderDict(reply.headers.raw_items()),
        status=reply.status,
        version=reply.version,
        reason=reply.reason,
        preload_content=False,
        decode_content=False,
        original_response=reply,
        pool=pool,
        connection=connection,
        request_method=method,
    )
    return Raw(raw)
