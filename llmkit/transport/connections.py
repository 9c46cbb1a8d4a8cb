"""urllib3's connections, watched: each step asks the exchange how long it may block and whether it is over.

What urllib3 and `http.client` do by themselves is left to them; this adds `llmkit.transport.dialling`,
`llmkit.transport.replies`, and sending in slices.
"""

import errno
import socket
import sys
from typing import Any

import urllib3.connection
import urllib3.connectionpool

from llmkit.transport.dialling import dial, resolve
from llmkit.transport.exchange import Exchange
from llmkit.transport.replies import PIECE, Reply
from llmkit.transport.watching import current


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
        exchange = self._claim()
        self._head = b""
        super().request(method, self.target, *args, **kwargs)
        self._write(self._head)
        exchange.unsent = False

    def ask(self, head: bytes, body: bytes, method: str) -> Reply:
        """The answer to a request, with its headers: what `request` and `getresponse` do, where nothing is special.

        Args:
            head: To the blank line.
            body: May be empty.
            method: Also in `head`.
        """
        exchange = self._claim()
        try:
            if len(body) < PIECE:
                self._write(head + body)
            else:
                self._write(head)
                self._write(body)
            exchange.unsent = False
        except BrokenPipeError:
            pass  # as in urllib3: it may have answered before it had read all
        except OSError as error:
            if error.errno not in (errno.EPROTOTYPE, errno.ECONNRESET):
                raise
        finally:
            head = b""  # no traceback is to show the key
        reply = Reply(self.sock, method=method)
        reply.begin()
        return reply

    @property
    def named(self) -> str:
        """The host as a request names it, with its port where that is not the usual one."""
        # A zone says which way out of this machine, and is nobody else's: as in the standard library.
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == self.default_port else f"{host}:{self.port}"

    def _claim(self) -> Exchange:
        """This thread's exchange, which begins to use it."""
        self._user = exchange = current()
        exchange.peer, exchange.forwarded = f"{self.host}:{self.port}", self.proxy_is_forwarding
        exchange.reused = self._served > 0
        if exchange.reused:
            exchange.attach(self.sock)
        self._served += 1
        exchange.stage, exchange.unsent = "send", True
        return exchange

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
        try:
            for start in range(0, len(view), PIECE):
                self.sock.settimeout(exchange.patience(idle=exchange.stage == "send"))
                try:
                    self.sock.sendall(view[start : start + PIECE])
                except TimeoutError:
                    exchange.expire()
        finally:
            data, view = b"", memoryview(b"")  # as in `ask`

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
