"""Asking through a caller's own session: its pool, proxies, cookies and quirks are the caller's.

It is called through `request`, which AuthorizedSession and requests-cache override, and read through urllib3 only where
that is what lies below. A total that passes before the headers are there leaves the request behind, in a thread of its
own; an abort at that time is noticed when they come.
"""

import contextlib
import contextvars
import io
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from typing import Any

import requests
import requests.auth
import requests.structures
import urllib3.response
from urllib3.exceptions import NewConnectionError

from llmkit.errors import LLMKitError
from llmkit.transport.answer import Answer, Head, Iterated, Raw, Source
from llmkit.transport.exchange import Exchange, OverError
from llmkit.transport.failures import chain, failure
from llmkit.transport.outgoing import Authorize, Outgoing, prepared, unsendable
from llmkit.transport.pumped import Pumped, let_go, quietly
from llmkit.transport.replies import PIECE, Reader

_LOCATION = "x-llmkit-location"
_SPELT = ("Authorization", "X-API-Key")  # as those look for them who must not keep them: requests-cache minds capitals
_NOT_CONNECTED = (socket.gaierror, ConnectionRefusedError, ssl.SSLError, NewConnectionError)


def ask(session: Any, outgoing: Outgoing, url: str, host: str, exchange: Exchange) -> Answer | LLMKitError:
    """Send through `session` and wait for the headers; what it raises is returned as one of our errors."""
    if isinstance(session, requests.Session):
        arguments = _for_requests(session, outgoing, url)
    else:
        arguments = _for_others(outgoing, url)
    if isinstance(arguments, LLMKitError):
        return arguments
    try:
        arguments["timeout"] = _timeouts(exchange, partial=isinstance(session, requests.Session))
        response = _requested(session, outgoing.method, arguments, exchange)
        _learn(outgoing, session, getattr(response, "request", None))
        exchange.stage = "body"
        exchange.begun = True
        return _answer(response, url, host, exchange)
    except LLMKitError as error:  # of `authorize`
        return error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - the session is the caller's: nobody knows what it raises
        return _failed(error, exchange, host)


def _learn(outgoing: Outgoing, *added: Any) -> None:
    """Count what proves in their headers who asks as secrets: the host may repeat it in its answer."""
    learn = getattr(outgoing.authorize, "learn", None)
    for one in added:
        if learn is not None and isinstance(getattr(one, "headers", None), Mapping):
            learn(one)


def _for_requests(session: requests.Session, outgoing: Outgoing, url: str) -> dict[str, Any] | LLMKitError:
    headers = dict(outgoing.headers)
    if outgoing.stream:
        headers = {"Accept-Encoding": "identity", **headers}
    hooks = [*session.hooks.get("response", ()), _keep_location]
    arguments: dict[str, Any] = {"url": url, "data": outgoing.body, "headers": headers, "hooks": {"response": hooks}}
    # An `auth` beats netrc, and one that changes nothing beats it too; but it would also beat the session's own.
    if outgoing.authorize is not None:
        arguments["auth"] = _Checked(outgoing.authorize, session.auth)
    elif session.auth is None:
        arguments["auth"] = _unchanged
    return unsendable(headers) or {**arguments, "stream": True, "allow_redirects": False}


def _for_others(outgoing: Outgoing, url: str) -> dict[str, Any] | LLMKitError:
    request = prepared(outgoing, url)
    if (refused := unsendable(request.headers)) is not None:
        return refused
    headers = dict(request.headers)
    headers.pop("Content-Length", None)
    return {"url": request.url, "data": request.body, "headers": headers, "stream": True, "allow_redirects": False}


class _Checked:
    """An `authorize` for requests' `auth=`, whose header is looked at before requests would quote it in an error.

    It takes the place of the session's own, which is asked after it, where the key is in another header or nowhere.
    """

    def __init__(self, authorize: Authorize, own: Any) -> None:
        self._authorize = authorize
        self._own = requests.auth.HTTPBasicAuth(*own) if isinstance(own, tuple) else own

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request = self._authorize(request)
        if self._own is not None and "authorization" not in request.headers:
            request = self._own(request)
        if (learn := getattr(self._authorize, "learn", None)) is not None:
            learn(request)
        refused = unsendable(request.headers)
        if refused is not None:
            raise refused
        for name in _SPELT:
            if name in request.headers:
                request.headers[name] = request.headers[name]
        return request


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _keep_location(response: Any, *_: Any, **__: Any) -> Any:
    """Hide a redirect from requests, which would read its body to the end although it must not follow it."""
    if "location" in response.headers:
        response.headers[_LOCATION] = response.headers.pop("location")
    return response


def _timeouts(exchange: Exchange, *, partial: bool) -> tuple[float | None, float | None] | None:
    deadlines = exchange.deadlines
    deadlines.connecting()
    connect = exchange.patience()
    deadlines.connected()
    read = exchange.patience()
    if partial or (connect is not None and read is not None):
        return connect, read
    return None  # curl_cffi adds the two


def _requested(session: Any, method: str, arguments: dict[str, Any], exchange: Exchange) -> Any:
    if isinstance(session, requests.Session) and not exchange.deadlines.bounded:
        return session.request(method, **arguments)
    return _Left(contextvars.copy_context().run, session.request, method, arguments).wait(exchange)


class _Left:
    """A request in a daemon thread, which can be left behind there; its response is closed when it comes."""

    def __init__(self, run: Callable[..., Any], request: Callable[..., Any], method: str, arguments: Any) -> None:
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answer: Any = None
        self._left = False
        self._thread = threading.Thread(target=self._run, args=(run, request, method, arguments), daemon=True)

    def wait(self, exchange: Exchange) -> Any:
        """The response, which is asked for now.

        Raises:
            OverError: It did not come in time.
        """
        try:
            self._thread.start()  # in here, as Ctrl-C may come before that returns
            answer = exchange.wait(self._answers)
        except BaseException:  # Ctrl-C, say: the host must not go on for nobody
            self._left = True
            let_go(self._close)
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self, run: Callable[..., Any], request: Callable[..., Any], method: str, arguments: Any) -> None:
        try:
            self._answer = run(request, method, **arguments)
        except BaseException as error:  # noqa: BLE001 - raised again by `wait`
            self._answer = error
        self._answers.put(self._answer)
        if self._left:  # set before `_answer` is looked at there, and looked at after that is set here
            quietly(self._close)

    def _close(self) -> None:
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


def _answer(response: Any, url: str, host: str, exchange: Exchange) -> Answer:
    headers = requests.structures.CaseInsensitiveDict(response.headers)
    if _LOCATION in headers:
        headers["location"] = headers.pop(_LOCATION)
    raw = getattr(response, "raw", None)
    source: Source
    read = getattr(response, "_content_consumed", False)  # by a hook of the session, or a filter of requests-cache
    if type(raw) is urllib3.response.HTTPResponse and not read:  # a subclass may have a `read` that matters
        source = Raw(raw)
        _watch(raw, exchange)
    elif isinstance(response, requests.Response):
        source = Iterated(response, exchange)
    else:
        source = Pumped(response, exchange)
    reason = getattr(response, "reason", None) or ""
    return Answer(exchange, Head(response.status_code, reason, headers, source), url=url, host=host)


def _watch(raw: urllib3.response.HTTPResponse, exchange: Exchange) -> None:
    """Put our reader below a response that is already there, if its insides are as known."""
    reply = getattr(raw, "_fp", None)
    buffered = getattr(reply, "fp", None)
    sock = getattr(getattr(buffered, "raw", None), "_sock", None)
    if type(reply) is not HTTPResponse or not isinstance(buffered, io.BufferedReader) or sock is None:
        return
    exchange.attach(sock)

    def readinto(buffer: Any) -> int:
        data = buffered.read1(len(buffer))  # not its readinto1, which blocks even where there is something to return
        buffer[: len(data)] = data
        return len(data)

    reader = Reader(sock, readinto, buffered, exchange, last=True)
    reply.fp = io.BufferedReader(reader, PIECE)


def _failed(error: Exception, exchange: Exchange, host: str) -> LLMKitError:
    links = list(chain(error))
    if exchange.going and any(isinstance(link, TimeoutError | requests.Timeout) for link in links):
        if any(isinstance(link, requests.ConnectTimeout) for link in links):
            exchange.deadlines.connecting()
        with contextlib.suppress(OverError):
            exchange.patience()
            exchange.expire()
        exchange.deadlines.connected()
    elif not any(isinstance(link, _NOT_CONNECTED) for link in links):
        exchange.stage = "wait"
    return failure(error, exchange, host)
