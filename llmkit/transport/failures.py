"""What went wrong below, as one of our errors: said in words, without secrets, without foreign frames."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPException, LineTooLong
from typing import Any, TypeVar

import requests
from urllib3.exceptions import DecodeError, HTTPError

from llmkit.errors import (
    ConfigurationError,
    ConnectionFailedError,
    InvalidResponseError,
    LLMKitError,
    StreamClosedError,
)
from llmkit.transport.exchange import Exchange, OverError

E = TypeVar("E", bound=BaseException)

FOREIGN = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class ForeignError(Exception):
    """What another library raised, by its name alone: its text and its frames may hold what was sent."""


def cleaned(error: BaseException) -> Exception:
    """The root of a chain, without its traceback, request, text of others, and chain."""
    *_, root = chain(error)
    if isinstance(root, OSError) and isinstance(root.errno, int) and _builtin(root):
        return type(root)(root.errno, str(root.strerror))
    return ForeignError(type(root).__name__)


def failure(error: BaseException, exchange: Exchange, host: str) -> LLMKitError:
    """The error to raise, outside of the `except`, for what was caught during `exchange` with `host`."""
    found = _said(error, exchange, host)
    frameless(error)
    return found


def _said(error: BaseException, exchange: Exchange, host: str) -> LLMKitError:
    if not exchange.ours:
        return StreamClosedError("this answer belongs to the process that asked for it: a fork has to ask by itself")
    if exchange.aborted:
        return StreamClosedError("closed by the caller before the answer was whole")
    if exchange.ended is None:
        with contextlib.suppress(OverError):
            exchange.patience()  # what fails after a limit has passed, failed since it has passed
    if exchange.ended is not None:
        return exchange.ended
    found = _told(error, exchange, host)
    found.__cause__ = cleaned(error)
    return found


def _told(error: BaseException, exchange: Exchange, host: str) -> LLMKitError:
    links = list(chain(error))
    root = links[-1]
    if any(isinstance(link, requests.exceptions.InvalidSchema | requests.exceptions.InvalidProxyURL) for link in links):
        return ConfigurationError("the proxy's address cannot be used: see `proxy` and HTTP(S)_PROXY")
    if isinstance(root, ssl.SSLCertVerificationError):
        return _untrusted(root, exchange, host)
    if exchange.stage == "tunnel" or (exchange.stage == "connect" and exchange.proxied):
        return _proxy_failed(root, exchange)
    if exchange.stage in ("connect", "tls"):
        return _not_connected(root, host)
    return _broken(links, exchange, host)


def _untrusted(root: ssl.SSLCertVerificationError, exchange: Exchange, host: str) -> LLMKitError:
    proxied = exchange.proxied and exchange.stage == "connect"
    whose = f"the proxy {exchange.peer}" if proxied else host
    return ConnectionFailedError(
        f"the certificate of {whose} cannot be verified ({root.verify_message}): "
        "if it is issued by a CA of your own, pass verify='/path/to/ca.pem'",
        retryable=False,
    )


def _proxy_failed(root: BaseException, exchange: Exchange) -> LLMKitError:
    status = _tunnel_status(root)
    if status is None:
        return ConnectionFailedError(
            f"no connection through the proxy {exchange.peer} ({_reason(root)}): check `proxy`"
        )
    return refused_by_proxy(status, exchange)


def refused_by_proxy(status: int, exchange: Exchange) -> ConnectionFailedError:
    """The error for a proxy that said no."""
    hint = "check the user name and password in its URL" if status == 407 else "it may not allow this host"  # noqa: PLR2004
    return ConnectionFailedError(
        f"the proxy {exchange.peer} refused to connect with status {status}: {hint}",
        retryable=status >= 500,  # noqa: PLR2004
    )


def _tunnel_status(root: BaseException) -> int | None:
    words = str(root).removeprefix("Tunnel connection failed: ").split(None, 1)
    told = str(root).startswith("Tunnel connection failed: ") and words and words[0].isdecimal()
    return int(words[0]) if told else None


def _not_connected(root: BaseException, host: str) -> LLMKitError:
    if isinstance(root, socket.gaierror):
        return ConnectionFailedError(f"the name of {host} cannot be looked up ({_reason(root)}): check it")
    if isinstance(root, ConnectionRefusedError):
        return ConnectionFailedError(f"{host} refused the connection: check the address and that a server runs there")
    if isinstance(root, ssl.SSLError):
        return ConnectionFailedError(f"no TLS connection to {host} ({_reason(root)}): check that it speaks https")
    return ConnectionFailedError(f"no connection to {host} ({_reason(root)}): check the address and the network")


def _broken(links: list[BaseException], exchange: Exchange, host: str) -> LLMKitError:
    root = links[-1]
    if any(isinstance(link, DecodeError) for link in links):
        return InvalidResponseError(f"the answer of {host} is not compressed as its Content-Encoding says")
    if isinstance(root, LineTooLong) or "got more than" in str(root):
        return InvalidResponseError(f"the answer of {host} has longer or more headers than the limit")
    if "exceeded maximum allowed length" in str(root):  # as urllib3 says of a chunk's extension and a trailer
        return InvalidResponseError(f"a line of the answer of {host} is longer than the limit")
    if exchange.stage == "send":
        return ConnectionFailedError(f"the connection to {host} was lost while sending ({_reason(root)}): try again")
    if exchange.stage == "wait":
        what = "no HTTP answer came from" if exchange.begun else "the connection was closed without an answer by"
        return ConnectionFailedError(f"{what} {host} ({_reason(root)}): try again")
    return ConnectionFailedError(f"the answer of {host} broke off ({_reason(root)}): try again")


def _reason(root: BaseException) -> str:
    if isinstance(root, ssl.SSLError):
        return str(root.reason or "TLS error")
    if isinstance(root, OSError) and root.errno is not None and _builtin(root):
        return str(root.strerror)
    return type(root).__name__


def _builtin(error: BaseException) -> bool:
    return type(error).__module__ in ("builtins", "socket", "ssl")


def frameless(error: E) -> E:
    """`error`, and what it was raised from, without tracebacks.

    Their frames hold the very errors that hold them, and by their callers the stream that is read: in such a cycle one
    that the caller forgets would wait for the collector, and its connection with it.
    """
    for link in chain(error):
        link.__traceback__ = None
    return error


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it was raised from, to the root; urllib3 and requests keep some of it in `args`."""
    seen: set[int] = set()
    link: Any = error
    while isinstance(link, BaseException) and id(link) not in seen:
        seen.add(id(link))
        yield link
        inner = [item for item in (getattr(link, "reason", None), *link.args) if isinstance(item, BaseException)]
        link = link.__cause__ or link.__context__ or next(iter(inner), None)
