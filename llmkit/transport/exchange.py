"""One request and its answer, as the threads see it: its clocks, its socket, its byte budget and its switch.

The switch takes no lock, so that a finaliser may use it. It works on a duplicate of the socket that belongs to
whoever takes it out of the `deque` first (one `pop`, which is atomic): the reader when the body has ended, so that the
connection can go to the next user unharmed, or the thread that aborts, which shuts it down for both.
"""

import contextlib
import functools
import math
import os
import queue
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NoReturn

from llmkit.deadlines import Deadlines
from llmkit.errors import DeadlineError, InvalidResponseError, LLMKitError, StreamClosedError

HEAD_MOST = 1024 * 1024  # raw bytes until the headers are there; http.client alone bounds neither 100s nor trailers
BODY_MOST = 256 * 1024 * 1024  # raw bytes of a body, or of a stream between two events
BARE_MOST = 1024 * 1024  # raw bytes that bring none of the body: trailers, extensions of chunks, empty gzip members
EXPANDED_FREE = 8 * 1024 * 1024  # bytes of a body that may come of however few compressed ones
EXPANDED_MOST = 100  # times what came, beyond that: text shrinks to a tenth or so, to less only what is made for it

Stage = Literal["connect", "tunnel", "tls", "send", "wait", "body"]


class OverError(OSError):
    """The exchange has ended: `Exchange.aborted` or `Exchange.ended` says how. Never leaves the transport."""


class Exchange:
    """One request and its answer: its clocks, its socket, and the switch that ends it from any thread.

    Attributes:
        deadlines: The clocks; of the whole call, so that attempts share them.
        aborted: Whether `abort` came before the end.
        ended: Why it was given up from this side: a deadline or a limit that passed.
        stage: How far it got.
        peer: The ``host:port`` that was connected to: the provider's or the proxy's.
        proxied: Whether that is a proxy.
        forwarded: Whether that proxy was asked itself, and not through a tunnel: its word is the answer.
        reused: Whether the connection had served another request before.
        begun: Whether a byte of the answer has come.
        unsent: Whether the request could not be written to its end.
        surplus: Whether bytes came after the answer's end.
        on_end: Called when it has ended; perhaps by a finaliser, and more than once.
        refused: The status with which the key of an earlier one was refused, where this is that request again.
    """

    on_end: Callable[[], object] | None = None

    def __init__(self, deadlines: Deadlines, *, refused: int | None = None) -> None:
        self.deadlines = deadlines
        self.refused = refused
        self.aborted = False
        self.ended: LLMKitError | None = None
        self.stage: Stage = "connect"
        self.peer = ""
        self.proxied = self.forwarded = False
        self.reused = self.begun = self.unsent = self.surplus = False
        self._pid = os.getpid()
        self._finished = self._refrained = False
        self._allowance = HEAD_MOST
        self._raw = self._raw_before = 0  # bytes that came; until the last piece of the body
        self._expanded = 0  # bytes of the body
        self._wake: queue.SimpleQueue[Any] | None = None
        self._turn: queue.SimpleQueue[Any] | None = None
        self._twins: deque[socket.SocketType] = deque()
        self._sockets: list[Any] = []

    @property
    def going(self) -> bool:
        """Whether nothing has ended it from this side."""
        return not self.aborted and self.ended is None and self.ours

    @property
    def stale(self) -> bool:
        """Whether it failed since the server had closed the connection before the request was written to its end."""
        return self.reused and self.unsent and not self.begun and self.going

    @property
    def ours(self) -> bool:
        """Whether this is the process that opened it, not a fork of it."""
        return os.getpid() == self._pid

    # For whoever uses the exchange.

    def abort(self) -> None:
        """End it, from any thread, at once, whatever it waits for. Nothing happens after its end or in a fork."""
        if self._finished or not self.ours:
            return
        self.aborted = True
        self._cut()
        if (wake := self._wake) is not None:  # looked at once: who waits takes it away
            wake.put(None)

    def refrain(self) -> None:
        """End it, from any thread, if it waits to be sent; what was sent goes on."""
        self._refrained = True
        if (turn := self._turn) is not None:
            turn.put(None)

    def forsake(self) -> None:
        """End what nobody can use any more: for finalisers. Takes no lock and touches no pool."""
        if self._finished:
            return
        self.aborted = self._finished = True
        if self.ours:
            self._cut()
        self.release()
        for sock in self._sockets:
            _shed(sock)
        if self.on_end is not None:
            self.on_end()

    # For the transport.

    def attach(self, sock: Any) -> None:
        """From now on, `abort` shuts this socket down.

        Raises:
            OverError: It was aborted before.
        """
        self.release()
        self._sockets = [sock]
        bare = _bare(sock)
        # By `map`, as Ctrl-C cannot come between its steps: else it may leave a number that nobody closes.
        made = functools.partial(socket.SocketType, bare.family, bare.type, bare.proto)
        self._twins.extend(map(made, map(socket.dup, (bare.fileno(),))))
        if self.aborted:  # came between: `abort` may not have seen the twin
            self._cut()
            raise OverError

    def hold(self, sock: Any) -> None:
        """The attached socket is now wrapped in this one: what `forsake` has to close."""
        self._sockets = [sock]

    def release(self) -> None:
        """From now on, `abort` no longer touches the socket."""
        with contextlib.suppress(IndexError):
            self._twins.pop().close()

    def finish(self) -> None:
        """The answer has been read or dropped: `abort` does nothing any more."""
        self._finished = True
        self.release()
        self._sockets = []
        if self.on_end is not None:
            self.on_end()

    def drop(self) -> None:
        """Tell the server that nobody listens, even where a fork holds a copy of the socket; then `finish`."""
        if self.ours:
            self._cut()
        self.finish()

    def check(self) -> None:
        """Go on only if it has not ended.

        Raises:
            OverError: It was aborted, or this is a fork.
        """
        if self.aborted or not self.ours:
            raise OverError

    def patience(self, *, idle: bool = False) -> float | None:
        """Seconds that the next operation may block; to be asked before each.

        Raises:
            OverError: It was aborted, a limit has passed, or this is a fork.
        """
        self.check()
        try:
            return self.deadlines.left(idle=idle)
        except DeadlineError as error:
            self.ended = error.with_traceback(None)
            self.ended.__context__ = None  # what is being handled is not ours, and may hold what was sent
            raise OverError from None

    def expire(self) -> NoReturn:
        """The operation did not end in the time that `patience` gave."""
        self.ended = self.deadlines.expired()
        raise OverError

    def allow(self, most: int) -> None:
        """Let so many raw bytes come from now on."""
        self._allowance = most

    def received(self, count: int, *, decoded: bool = False) -> None:
        """So many raw bytes have come; or, where those are not to be seen, `decoded` ones of the body.

        Raises:
            OverError: It was aborted meanwhile, which a read sees as a plain end; or they are too many.
        """
        if self.aborted:
            raise OverError
        self._allowance -= count
        self._raw += count
        if decoded:
            self._raw_before = self._raw
        if self._allowance < 0 or self._raw - self._raw_before > BARE_MOST:
            where = "the answer" if self.stage == "body" else "the answer's headers"
            self.ended = InvalidResponseError(f"{where} had no end within the limit: the connection was closed")
            raise OverError

    def given(self, count: int) -> None:
        """So many bytes of the body, decompressed, are handed out.

        Raises:
            OverError: They are too many for what has come: such a body is made to fill the memory.
        """
        self._raw_before = self._raw
        self._expanded += count
        if self._expanded > EXPANDED_FREE and 0 < self._raw * EXPANDED_MOST < self._expanded:
            self.ended = InvalidResponseError(
                f"the answer expands to more than {EXPANDED_MOST} times what came: the connection was closed"
            )
            raise OverError

    def wait(self, answers: "queue.SimpleQueue[Any]", *, idle: bool = False) -> Any:
        """The next thing that another thread puts there.

        Args:
            answers: Where it does.
            idle: Whether these are bytes, as in `patience`.

        Raises:
            OverError: It was aborted, or a limit passed.
        """
        self._wake = answers
        try:
            answer = answers.get(timeout=self.patience(idle=idle))
        except queue.Empty:
            self.expire()
        finally:
            self._wake = None
        if self.aborted:
            raise OverError
        return answer

    def rest(self, signals: "queue.SimpleQueue[Any]", seconds: float | None) -> None:
        """Wait before anything is sent: so long, or for ever, but for a signal at most.

        Raises:
            StreamClosedError: It was aborted, or is not to be sent any more.
            DeadlineError: The call must have ended by now.
        """
        self._wake = self._turn = signals
        try:
            left = self.deadlines.spare()
            if not self.aborted and not self._refrained:
                signals.get(timeout=left if seconds is None else min(seconds, math.inf if left is None else left))
        except queue.Empty:
            pass
        finally:
            self._wake = self._turn = None
        if self.aborted or self._refrained:
            raise StreamClosedError("closed by the caller before it was sent")

    def _cut(self) -> None:
        try:
            twin = self._twins.pop()
        except IndexError:
            return
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)
        twin.close()


def _bare(sock: Any) -> socket.socket:
    while not isinstance(sock, socket.socket):
        sock = sock.socket  # TLS in TLS: urllib3's SSLTransport around a socket
    return sock


def _shed(sock: Any) -> None:
    """Close without the reference counts of `makefile`, whose objects die in any order: no ResourceWarning."""
    descriptor = socket.socket.detach(_bare(sock))
    if descriptor >= 0:
        socket.close(descriptor)
