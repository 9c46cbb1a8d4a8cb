"""The answer to one request: status, headers, and its body in pieces, within limits of bytes and time.

It does not know whether a body is whole in the wire's sense: the end of a connection proves nothing, see the decoders.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urljoin, urlsplit

from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError
from urllib3.response import HTTPResponse

from llmkit.deadlines import Deadlines
from llmkit.errors import InvalidResponseError, LLMKitError, StreamClosedError
from llmkit.transport.chunks import read_chunks
from llmkit.transport.exchange import BODY_MOST, Exchange
from llmkit.transport.failures import FOREIGN, failure
from llmkit.transport.replies import PIECE, Reply

if TYPE_CHECKING:
    from llmkit.limits import Lease

ERROR_MOST = 64 * 1024
ERROR_SECONDS = 10.0  # a status that says no is not kept waiting for the rest of its reasons
_TARGET_SHOWN = 200
_DECODED = frozenset(("", "identity", *HTTPResponse.CONTENT_DECODERS))


class Source(Protocol):
    """Where the body comes from."""

    @property
    def raises(self) -> tuple[type[Exception], ...]:
        """What can come out of `pieces`."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The decoded body, as it arrives; asked for once."""

    def close(self) -> None:
        """Drop the connection."""

    @property
    def closing(self) -> bool:
        """Whether the server closes the connection after this body, so that reading to its end saves nothing."""
        ...


class Raw:
    """A body read through urllib3."""

    raises = (*FOREIGN, AttributeError)  # the latter where another thread closes: a file is gone

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def pieces(self) -> Iterator[bytes]:
        """Each piece as it arrives.

        Not `iter_content`: unless the body is chunked that waits for a full buffer, so a body that ends with
        the connection would come all at once. Always with an amount: only then is decompression bounded.
        """
        raw = self._raw
        encoding = raw.headers.get("content-encoding", "")
        _refuse_unknown(encoding)
        if raw.chunked and not encoding and isinstance(getattr(raw, "_fp", None), Reply):
            return _chunks(raw)
        if raw.chunked and raw.supports_chunked_reads():
            return iter(raw.stream(PIECE, decode_content=True))  # a third of the time of read1
        return iter(lambda: raw.read1(PIECE, decode_content=True), b"")

    def close(self) -> None:
        """Drop the connection."""
        self._raw.close()

    @property
    def closing(self) -> bool:
        """Whether there is nothing to save."""
        return bool(getattr(getattr(self._raw, "_fp", None), "will_close", False))


def _chunks(raw: Any) -> Iterator[bytes]:
    """What is in the chunks; it ends as urllib3's own reading does, with the connection given back or dropped."""
    with raw._error_catcher():  # noqa: SLF001
        yield from read_chunks(raw._fp)  # noqa: SLF001


class Iterated:
    """A body read through the `iter_content` of requests: limits are looked at between pieces."""

    raises = (Exception,)  # nobody knows
    closing = False

    def __init__(self, response: Any, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange

    def pieces(self) -> Iterator[bytes]:
        """Each piece as the session gives it."""
        read = getattr(self._response, "_content", None)  # by a hook; or it was made by hand, of nothing else
        pieces = iter((read,)) if isinstance(read, bytes) else self._response.iter_content(PIECE)
        for piece in pieces:
            self._exchange.received(len(piece), decoded=True)
            if piece:
                yield piece
            self._exchange.patience()

    def close(self) -> None:
        """Whatever the session does to drop the connection."""
        with contextlib.suppress(Exception):  # one that was made by hand has none
            self._response.close()


class Head(NamedTuple):
    """What comes first of an answer, and how the rest is read.

    Attributes:
        status: The HTTP status.
        reason: The words after it.
        headers: Those of one name are joined.
        body: Not yet read.
    """

    status: int
    reason: str
    headers: "CaseInsensitiveDict[str]"
    body: Source


class Answer:
    """The answer to one request, its body still on its way. For one thread, but for `Exchange.abort`.

    Attributes:
        status: The HTTP status.
        reason: The words after it.
        headers: Case-insensitive.
        location: Where a 3xx points to: absolute, without user, query and fragment, cut to 200 characters.
        lease: Its share of a rate limit; None where there is none.
        proof: Called once it has turned out to be what was asked for; None where nobody waits for that.
    """

    lease: "Lease | None" = None
    proof: Callable[[], None] | None = None

    def __init__(self, exchange: Exchange, head: Head, *, url: str, host: str) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.location = _target(url, head.headers) if 300 <= head.status < 400 else None  # noqa: PLR2004
        self._exchange = exchange
        self._source = head.body
        self._host = host
        self._rest: Iterator[bytes] | None = None
        self._ended = False
        self._error: LLMKitError | None = None
        self.renew()

    def __repr__(self) -> str:
        return f"<Answer {self.status} of {self._host}>"

    @property
    def good(self) -> bool:
        """Whether its status is 2xx."""
        return 200 <= self.status <= 299  # noqa: PLR2004

    def renew(self) -> None:
        """An event arrived: the allowance of raw bytes starts again."""
        self._exchange.allow(BODY_MOST)

    def prove(self) -> None:
        """It is what was asked for."""
        if self.proof is not None:
            proof, self.proof = self.proof, None
            if self.lease is not None:
                self.lease.end()  # who is told may ask a host that has no other place
            proof()

    def limit(self, deadlines: Deadlines) -> None:
        """From now on, these hold."""
        self._exchange.deadlines = deadlines

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, decompressed; goes on where an earlier iterator stopped.

        Raises:
            ConnectionFailedError: It broke off.
            DeadlineError: Not in time.
            StreamClosedError: It was aborted.
            InvalidResponseError: It is over a limit, or not compressed as declared.
        """
        while piece := self._piece():
            yield piece

    def whole(self, most: int = BODY_MOST) -> bytes:
        """The whole body.

        Raises:
            InvalidResponseError: It is longer than `most` bytes; and what `pieces` raises.
        """
        body, piece = bytearray(), b""  # no list of pieces: they may be single bytes
        try:
            while piece := self._piece():
                body += piece
                if len(body) > most:
                    raise InvalidResponseError(f"the answer of {self._host} is longer than {most} bytes")
        except BaseException:
            body.clear()  # an error keeps this frame: it must not keep the answer
            piece = b""
            self.close()  # after Ctrl-C, say: the host must not go on for nobody
            raise
        return bytes(body)

    def beginning(self, most: int = ERROR_MOST, seconds: float = ERROR_SECONDS) -> bytes:
        """At most so much of an error's body; what came of it if it breaks off or lingers. Then it is closed."""
        pieces, size = [], 0
        try:
            self._exchange.deadlines = self._exchange.deadlines.within(seconds)
            while size < most and (piece := self._piece()):
                size += len(piece)
                pieces.append(piece)
        except LLMKitError:
            pass  # what came is all there is
        finally:
            self.close()
        return b"".join(pieces)[:most]

    def drain(self, seconds: float = 0.1, most: int = PIECE) -> None:
        """Read what little may be left, so that the connection can be used again; else drop it. Raises nothing."""
        if not self._ended and not self._source.closing:
            self._exchange.allow(most)
            self.beginning(most, seconds)
        self.close()

    def close(self) -> None:
        """Drop the connection, unless the body has ended: then it is free already."""
        if not self._ended:
            self._fail(StreamClosedError("closed before the answer was whole"))

    def _piece(self) -> bytes:
        """The next piece, b"" at the end."""
        if self._error is not None:
            raise self._error
        failed: LLMKitError | None = None
        piece = b""
        try:
            if not self._ended:
                self._exchange.check()
                piece = self._next()
        except self._source.raises as error:
            failed = failure(error, self._exchange, self._host)
        if failed is not None:
            self._fail(failed)
            raise failed
        return piece

    def _next(self) -> bytes:
        if self._rest is None:
            self._rest = self._source.pieces()
        piece = next(self._rest, b"")
        if piece:
            self._exchange.given(len(piece))
        else:
            self._ended = True
            self._exchange.finish()
        return piece

    def _fail(self, error: LLMKitError) -> None:
        self._ended, self._error = True, error
        self._exchange.drop()
        self._rest = None
        self._source.close()


def _target(url: str, headers: Mapping[str, str]) -> str | None:
    """Where a redirect points to, fit to be shown."""
    try:
        parts = urlsplit(urljoin(url, headers.get("location") or ""))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if not headers.get("location"):
        return None
    host = f"[{host}]" if ":" in host else host
    # In an odd address, a user may stand in what is taken for its path.
    path = "/".join(step.rpartition("@")[2] for step in parts.path.replace("\\", "/").split("/"))
    shown = f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"
    return re.sub(r"[^!-~]", "", shown)[:_TARGET_SHOWN]


def _refuse_unknown(encoding: str) -> None:
    """Refuse what nothing here can decompress.

    Raises:
        DecodeError: `encoding` names such a thing.
    """
    for name in encoding.lower().split(","):
        if name.strip() not in _DECODED:
            raise DecodeError(f"unknown Content-Encoding {name.strip()!r:.50}")
