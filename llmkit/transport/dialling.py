"""From a host's name to a connected socket, within one limit for all of its addresses, and to be aborted at once."""

import errno
import ipaddress
import os
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_write

from llmkit.transport.exchange import Exchange, OverError

if TYPE_CHECKING:
    from concurrent.futures import Future

_IN_PROGRESS = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN}
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPALIVE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))

Address = tuple[Any, ...]  # of getaddrinfo: family, type, protocol, canonical name, socket address

# Those under way are shared: a resolver that hangs costs one thread per name, not one per call.
_lookups: dict[tuple[int, str, int], "Future[list[Address] | OSError]"] = {}


def resolve(host: str, port: int, exchange: Exchange) -> list[Address]:
    """The addresses of a host; a name is looked up in a daemon thread, since nothing ends getaddrinfo.

    Raises:
        OSError: There are none.
        OverError: The exchange ended meanwhile.
    """
    if _literal(host):
        return _look_up(host, port)
    from concurrent.futures import Future  # noqa: PLC0415 - a client is made without it

    key = (os.getpid(), host, port)
    mine: Future[list[Address] | OSError] = Future()
    lookup = _lookups.setdefault(key, mine)
    if lookup is mine:
        thread = threading.Thread(target=_answer, args=(key, mine), name=f"llmkit look-up of {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are too many, or the interpreter is at its end: nobody else would answer
            _answer(key, mine)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    lookup.add_done_callback(answers.put)
    found = exchange.wait(answers).result()
    if isinstance(found, OSError):
        raise type(found)(*found.args)
    return list(found)


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> list[Address]:
    return socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)


def _answer(key: tuple[int, str, int], answer: "Future[list[Address] | OSError]") -> None:
    found: list[Address] | OSError
    try:
        found = _look_up(*key[1:])
    except OSError as error:
        found = error.with_traceback(None)
    except UnicodeError:
        found = socket.gaierror(socket.EAI_NONAME, "not a host name")
    except Exception as error:  # noqa: BLE001 - another library's in its place may raise anything, and who waits must be told
        found = socket.gaierror(socket.EAI_FAIL, type(error).__name__)
    del _lookups[key]
    answer.set_result(found)


def dial(addresses: list[Address], exchange: Exchange) -> socket.socket:
    """Connect to the first address that answers, within one limit for all of them.

    Raises:
        OSError: None answered.
        OverError: The exchange ended meanwhile.
    """
    failed = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        left = exchange.patience()
        share = left and left / (len(addresses) - tried)  # one that does not answer must not starve the next
        sock = socket.socket(family, kind, protocol)
        try:
            _connect(sock, address, share, exchange)
        except BaseException as error:
            exchange.release()
            sock.close()
            if isinstance(error, OverError) or not isinstance(error, OSError):
                raise
            failed = error
        else:
            return sock
    if isinstance(failed, TimeoutError) and failed.errno is None:
        exchange.expire()
    raise failed


def _connect(sock: socket.socket, address: Any, seconds: float | None, exchange: Exchange) -> None:
    _tune(sock)
    sock.settimeout(0)
    code = sock.connect_ex(address)
    if code in _IN_PROGRESS:
        exchange.attach(sock)  # not earlier: what has not begun to connect cannot be shut down
        if not wait_for_write(sock, seconds):
            raise TimeoutError
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if exchange.aborted:
        raise OverError
    if code:
        raise OSError(code, os.strerror(code))
    sock.settimeout(exchange.patience())


def _tune(sock: socket.socket) -> None:
    """No waiting for ACKs, and signs of life through NATs while a model thinks."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
