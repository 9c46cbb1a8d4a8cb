"""The only door to the network: one request out, one answer in.

No redirect is followed, no cookie kept, no netrc read; proxies and the CA bundle are taken from the environment once.
What the libraries below raise becomes one of our errors, see `llmkit.transport.failures`.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy

from llmkit import taps
from llmkit.checks import Hidden, raised
from llmkit.errors import ConfigurationError, LLMKitError
from llmkit.secrets import of_address
from llmkit.transport.answer import Answer
from llmkit.transport.direct import directly, head_of, through_adapter, untouched
from llmkit.transport.exchange import Exchange
from llmkit.transport.failures import FOREIGN, failure, refused_by_proxy
from llmkit.transport.outgoing import Authorize, Outgoing, address, prepared, unsendable
from llmkit.transport.pools import Adapter
from llmkit.transport.watching import watched

__all__ = ["Answer", "Authorize", "Exchange", "Outgoing", "SupportsRequest", "Transport"]

_KEPT = 256  # URLs whose normal form is remembered
_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


class SupportsRequest(Protocol):
    """What is asked of a caller's own session: requests', curl_cffi's, google-auth's, requests-cache's and others."""

    # Any arguments, so that checkers find sessions to fit whose own are named.
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send, and return a response with `status_code`, `headers`, `iter_content` and `close`."""


class _Route:
    """Not a tuple, as its proxies may hold passwords, which no `repr` shows."""

    __slots__ = ("host", "proxied", "proxies", "target", "url")

    def __init__(self, url: str, host: str, proxies: dict[str, str]) -> None:
        request = requests.PreparedRequest()
        request.url = self.url = url
        self.target = request.path_url
        self.host = host
        self.proxies = proxies
        self.proxied = select_proxy(url, proxies) is not None


class _Live:
    """What must not be shared with a fork."""

    def __init__(self, *, pool_size: int, verify: bool | str) -> None:
        self.adapter = Adapter(pool_size=pool_size, verify=verify)


class Transport:
    """Sends requests over pooled connections. For many threads at once; survives `fork`.

    Args:
        proxy: Its URL, for every host; None for what the environment says.
        verify: A CA bundle's path; False to trust every server; True for the environment's bundle, else requests' own.
        session: The caller's own, which then has its own proxies, cookies and pool.
        environment: Whether the environment's proxies are asked, where `proxy` names none.
        pool_size: Free connections kept per host.

    Raises:
        ConfigurationError: The proxy or the bundle cannot be used.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str = True,
        session: SupportsRequest | None = None,
        environment: bool = True,
        pool_size: int = 64,
    ) -> None:
        self._session = session
        self._pool_size = pool_size
        self._proxies: dict[str, str] | None = None if environment else {}
        if proxy is not None:
            self._proxies = dict.fromkeys(("http", "https"), raised(_proxy(proxy, "proxy")))
        self._verify = _bundle(verify)
        if isinstance(self._verify, str) and not Path(self._verify).expanduser().exists():
            raise ConfigurationError(f"the CA bundle {self._verify!r} (verify or REQUESTS_CA_BUNDLE) does not exist")
        self._origins: dict[str, dict[str, str]] = {}
        self._routes: dict[str, _Route] = {}
        self._by_pid: dict[int, _Live] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be told of the proxies: their passwords."""
        known = [self._proxies or {}, *self._origins.copy().values()]
        return tuple(secret for proxies in known for url in {*proxies.values()} for secret in of_address(url))

    def send(self, outgoing: Outgoing, exchange: Exchange) -> Answer:
        """Send, and wait until the answer's headers are there, whatever its status.

        Raises:
            ConfigurationError: The URL, a header or the proxy cannot be used; nothing was sent.
            ConnectionFailedError: No answer came.
            DeadlineError: Not in time.
            StreamClosedError: `exchange` was aborted.
            InvalidResponseError: The headers are endless.
        """
        if taps.taps:
            return self._tapped(outgoing, exchange)
        return self._send(outgoing, exchange)

    def _tapped(self, outgoing: Outgoing, exchange: Exchange) -> Answer:
        sending = taps.Sending(outgoing, exchange, self._session, lambda: self.secrets, self._send, taps.taps)
        try:
            return sending.go()
        except LLMKitError:  # as in `_send`, which it may never have come to
            exchange.drop()
            raise
        except BaseException:
            exchange.forsake()
            raise

    def _send(self, outgoing: Outgoing, exchange: Exchange) -> Answer:
        exchange.deadlines.progress()
        route = self._routes.get(outgoing.url) or self._route(outgoing.url)
        try:
            if self._session is None:
                found = self._exchange(outgoing, route, exchange)
            else:
                from llmkit.transport.sessions import ask  # noqa: PLC0415 - most have no session of their own

                found = ask(self._session, outgoing, route.url, route.host, exchange)
        except BaseException:
            # Ctrl-C, say, wherever it came: the host must not go on for nobody, and what the frames of the
            # traceback hold must not keep the descriptor.
            exchange.forsake()
            raise
        if isinstance(found, LLMKitError):
            exchange.drop()
            raise found
        return found

    def close(self) -> None:
        """Drop the free connections; a later `send` opens new ones."""
        live = self._by_pid.pop(os.getpid(), None)
        if live is not None:
            live.adapter.close()

    @property
    def _live(self) -> _Live:
        pid = os.getpid()
        try:
            return self._by_pid[pid]
        except KeyError:
            live = self._by_pid.setdefault(pid, _Live(pool_size=self._pool_size, verify=self._verify))
            self._by_pid = {pid: live}  # a parent's is let go: its descriptors close here, and nothing is sent
            return live

    def _exchange(self, outgoing: Outgoing, route: _Route, exchange: Exchange) -> Answer | LLMKitError:
        adapter = self._live.adapter
        if route.url.startswith("https:"):
            adapter.secure()
        found = _attempt(adapter, outgoing, route, exchange, fresh=False)
        if isinstance(found, LLMKitError) and exchange.stale:
            # The server had closed this connection before the request was written to its end, so it cannot have
            # been carried out. What fails later may have been: that is for the retries to decide, which are counted.
            exchange.release()
            found = _attempt(adapter, outgoing, route, exchange, fresh=True)
        return found

    def _route(self, url: str) -> _Route:
        normal, host, origin = address(url)
        if self._proxies is not None:
            proxies = self._proxies
        elif origin in self._origins:
            proxies = self._origins[origin]
        else:
            proxies = self._origins[origin] = raised(_environment(normal))
        if len(self._routes) >= _KEPT:
            self._routes = {}
        route = self._routes[url] = _Route(normal, host, proxies)
        return route


def _attempt(
    adapter: Adapter, outgoing: Outgoing, route: _Route, exchange: Exchange, *, fresh: bool
) -> Answer | LLMKitError:
    request = prepared(outgoing, route.url)
    lines: list[str] | None = None
    if not route.proxied and untouched():
        lines = head_of(request, route.target if request.url is route.url else request.path_url)
    try:
        if lines is None:
            if (refused := unsendable(request.headers)) is not None:
                return refused
            with watched(exchange, fresh=fresh):
                found = through_adapter(adapter, request, route.proxies)
        else:
            with watched(exchange, fresh=fresh):
                found = directly(adapter.get_connection_with_tls_context(request, None), request, lines)
    except FOREIGN as error:
        return failure(error, exchange, route.host)
    if found.status == 407 and exchange.forwarded:  # noqa: PLR2004
        found.body.close()
        return refused_by_proxy(407, exchange)
    exchange.stage = "body"
    return Answer(exchange, found, url=route.url, host=route.host)


def _proxy(url: str, name: str) -> Hidden | ConfigurationError:
    """`url` with a scheme; or an error if it is no proxy, or a SOCKS proxy and the package for it is missing."""
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
        known = parts.scheme in _PROXIES and parts.hostname and parts.port != 0 and full.isprintable()
    except ValueError:
        known = None
    if not known:
        return ConfigurationError(f"{name} is no proxy's address: http://host:port, https:// or socks5h://")
    if parts.scheme.startswith("socks") and find_spec("socks") is None:
        return ConfigurationError(
            f"{name} is a SOCKS proxy, which needs another package: pip install 'requests[socks]'"
        )
    return Hidden(full)


def _environment(url: str) -> dict[str, str] | ConfigurationError:
    """The proxies for `url`, as requests finds them in the environment; or an error if one is none."""
    with requests.Session() as session:
        found = session.merge_environment_settings(url, {}, None, None, None)["proxies"]
    proxies: dict[str, str] = {}
    for scheme, proxy in found.items():
        if proxy and scheme != "no":
            full = _proxy(proxy, f"the environment's {scheme} proxy")
            if isinstance(full, ConfigurationError):
                return full
            proxies[scheme] = full
    return proxies


def _bundle(verify: bool | str) -> bool | str:  # noqa: FBT001 - as in requests
    """The CA bundle, as requests finds it in the environment; False and a path stay what they are."""
    with requests.Session() as session:
        found = session.merge_environment_settings("https://localhost/", {}, None, verify, None)["verify"]
    return True if found is None else found
