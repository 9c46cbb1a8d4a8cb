"""A request before it is sent: checked, and with the key only in what goes to the network."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.structures
from attrs import field, frozen

from llmkit.errors import ConfigurationError

Authorize = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Sets the key's header. Called in a frame that returns before the request is sent."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?![\t ])[\t\x20-\x7e\x80-\xff]*(?<![\t ])")


@frozen(eq=False)
class Outgoing:
    """A request, ready but for the key.

    Attributes:
        method: GET, POST, DELETE …
        url: With its query; no user name in it.
        headers: Without the key.
        body: Already encoded.
        authorize: Sets the key's header.
        stream: Whether the answer is wanted as it arrives: then uncompressed.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    authorize: Authorize | None = field(default=None, repr=False)
    stream: bool = False


def prepared(outgoing: Outgoing, url: str) -> requests.PreparedRequest:
    """What goes to the network, its headers unchecked: see `unsendable`.

    By hand: `Request.prepare` checks and encodes the same URL each time.
    """
    request = requests.PreparedRequest()
    request.method, request.url, request.body = outgoing.method, url, outgoing.body
    request.headers = headers = requests.structures.CaseInsensitiveDict(outgoing.headers)
    headers.setdefault("Accept-Encoding", "identity" if outgoing.stream else "gzip, deflate")
    if outgoing.body is not None:
        headers["Content-Length"] = str(len(outgoing.body))
    elif outgoing.method not in ("GET", "HEAD"):
        headers["Content-Length"] = "0"
    if outgoing.authorize is not None:
        request = outgoing.authorize(request)
    return request


def unsendable(headers: Mapping[str, Any]) -> ConfigurationError | None:
    """The error for a header that cannot be sent; to be raised where no frame has seen the key.

    It names the header and not its value.
    """
    for name, value in headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            return ConfigurationError(f"{name!r:.50} is no name for a header: letters, digits and dashes")
        if not (isinstance(text, str) and _VALUE.fullmatch(text)):
            return ConfigurationError(
                f"the value of the header {name} cannot be sent: it must be a str without line breaks, "
                "control characters, blanks at its ends and characters outside of latin-1"
            )
    return None


def address(url: str) -> tuple[str, str, str]:
    """The normal form of a URL, its ``host:port``, and its origin.

    Raises:
        ConfigurationError: It is none that can be asked.
    """
    request = requests.PreparedRequest()
    try:
        request.prepare_url(url, None)
        parts = urlsplit(request.url or "")
        known = parts.scheme in ("http", "https") and parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        known = None
    if not known or parts.username is not None or parts.password is not None:
        shown = url.partition("?")[0].rpartition("@")[2]
        raise ConfigurationError(f"{shown!r:.200} is no address to ask: http(s)://host/path, without a user name")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return str(request.url), f"{host}:{port}", f"{parts.scheme}://{parts.netloc}"
