"""Pools of watched connections, behind requests' adapter: where `responses` and its like intercept it."""

import contextlib
import queue
import ssl
import threading
from collections import deque
from pathlib import Path
from typing import Any

import requests.adapters
import urllib3.connectionpool
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

from llmkit.errors import ConfigurationError
from llmkit.transport.connections import Plain, Secure, Watched
from llmkit.transport.watching import current, fresh_only


class _Stack:
    """The free connections of a pool, without the locks of `queue.LifoQueue`: a fork may happen while they are held."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._items: deque[Any] = deque()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ARG002, FBT001, FBT002 - as urllib3 calls it
        try:
            return self._items.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002
        if len(self._items) >= self._maxsize:
            raise queue.Full
        self._items.append(item)

    def qsize(self) -> int:
        return len(self._items)


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    QueueCls: Any = _Stack
    ConnectionCls: Any = Plain
    retired = False  # whether its adapter was closed

    def _get_conn(self, timeout: float | None = None) -> Any:
        return self._new_conn() if fresh_only() else super()._get_conn(timeout)

    def _put_conn(self, conn: Any) -> None:
        if conn is not None and (self.retired or not conn.reusable()):
            conn.close()
        super()._put_conn(conn)

    def retire(self) -> None:
        """Close the free connections, and from now on each that is given back."""
        self.retired = True
        with contextlib.suppress(queue.Empty):
            while self.pool is not None:
                if (conn := self.pool.get()) is not None:
                    conn.close()

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # urllib3 logs the address that it is given, and a key may stand in its query.
        conn.target = url
        return super()._make_request(conn, method, url.partition("?")[0], *args, **kwargs)

    def _validate_conn(self, conn: Any) -> None:
        # Connects before the request, where urllib3 does not take a failure for one of sending;
        # and no warning for `verify=False`, which was asked for.
        if conn.is_closed:
            conn.connect()


class _SecurePool(_Pool, urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls: Any = Secure


_POOLS = {"http": _Pool, "https": _SecurePool}


def _socks_pools() -> dict[str, Any]:
    from urllib3.contrib import socks  # noqa: PLC0415 - needs an extra

    class Connection(Watched):
        _socks_options: Any

        def _new_conn(self) -> Any:
            # The look-up and the proxy's handshake block by themselves: only the timeouts of PySocks end them.
            exchange, options = current(), self._socks_options
            exchange.proxied, exchange.peer = True, f"{options['proxy_host']}:{options['proxy_port']}"
            self.timeout = exchange.patience()
            sock = super()._new_conn()
            exchange.attach(sock)
            sock.settimeout(exchange.patience())
            return sock

    class PlainConnection(Connection, socks.SOCKSConnection):
        pass

    class SecureConnection(Connection, socks.SOCKSHTTPSConnection):
        pass

    class Pool(_Pool):
        ConnectionCls = PlainConnection

    class SecurePool(_SecurePool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class Adapter(requests.adapters.HTTPAdapter):
    """Requests' adapter over watched connections; `watched` has to be around each send.

    Args:
        pool_size: Free connections kept per host.
        verify: A CA bundle's path, True for requests' own, False to check nothing.
    """

    def __init__(self, *, pool_size: int, verify: bool | str) -> None:
        self._lock = threading.Lock()
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, ...], Any] = {}
        super().__init__(pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does, with our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As requests does, with our pools, and one manager even if two threads ask first."""
        if proxy.lower().startswith("https:"):
            kwargs["proxy_ssl_context"] = self.secure()
        with self._lock:
            if proxy not in self.proxy_manager:
                manager = super().proxy_manager_for(proxy, **kwargs)
                manager.pool_classes_by_scheme = _socks_pools() if proxy.lower().startswith("socks") else _POOLS
            return self.proxy_manager[proxy]

    def close(self) -> None:
        """Close the free connections now, and those in use when their answers end."""
        self._pools.clear()
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - it is no dict, and cannot be iterated
                if (pool := manager.pools.get(key)) is not None:
                    pool.retire()
        super().close()

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """As requests does, once for each origin, which always has the same proxies here."""
        origin = tuple(request.url.split("/", 3)[:3])
        pool = self._pools.get(origin)
        if pool is None or pool.pool is None:  # closed, as there were too many
            pool = self._pools[origin] = super().get_connection_with_tls_context(request, verify, proxies, cert)
        return pool

    def request_url(self, request: Any, proxies: Any) -> str:
        """As requests does, without looking for a proxy where there is none."""
        if proxies:
            found: str = super().request_url(request, proxies)
            return found
        path: str = request.path_url
        return path

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """As requests does, without cookies, which nobody keeps, and the charset, which is UTF-8 whatever is said."""
        response = requests.Response()
        response.status_code, response.reason = resp.status, resp.reason
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw, response.url, response.request = resp, req.url, req
        return response

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """One TLS context for all connections: reading the CA bundle takes longer than connecting."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self.secure()} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: the context knows."""

    def secure(self) -> ssl.SSLContext:
        """The TLS context.

        Raises:
            ConfigurationError: `verify` is no CA bundle.
        """
        with self._lock:
            if self._context is None:
                self._context = _context(verify=self._verify)
            return self._context


def _context(*, verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        return create_urllib3_context(cert_reqs=ssl.CERT_NONE)
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    path = Path(DEFAULT_CA_BUNDLE_PATH if verify is True else verify).expanduser()
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return context
    raise ConfigurationError(f"verify='{path}' is no CA bundle ({reason}): name a PEM file or a folder of them")
