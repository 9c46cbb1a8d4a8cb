"""Where a key comes from, and to whom it may be sent. It stands in no `repr`, and in no pickle unless it was passed.

The order: the argument, then the environment. A key that was looked up goes to the row's own host or to loopback and
nowhere else: another address in `base_url` must not be enough to be sent it.
"""

import os
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from llmkit.errors import ConfigurationError, MissingAuthError
from llmkit.provider import Provider

SHORTEST_SECRET: Final = 4  # characters


class Key:
    """An API key, or the way to one; safe to hold anywhere that is not printed."""

    __slots__ = ("_fetch", "_value", "passed")

    def __init__(self, value: str | Callable[[], str] | None, *, passed: bool) -> None:
        self._fetch = None if value is None or isinstance(value, str) else value
        self._value = _checked(value) if isinstance(value, str) else None
        self.passed = passed

    def __repr__(self) -> str:
        return "Key(***)"

    @property
    def looked_up(self) -> bool:
        """Whether it came from the environment."""
        return not self.passed and self._value is not None

    @property
    def refreshable(self) -> bool:
        """Whether a refused key can be asked for anew."""
        return self._fetch is not None

    def value(self) -> str | None:
        """The key; None where there is none.

        Raises:
            ConfigurationError: The caller's function returned something that is no key.
        """
        if self._value is None and self._fetch is not None:
            self._value = _checked(self._fetch())
        return self._value

    def forget(self) -> None:
        """Ask the caller's function again before the next use."""
        if self._fetch is not None:
            self._value = None

    def argument(self) -> str | Callable[[], str] | None:
        """What was passed by the caller, for a pickle; a key that was looked up is looked up again."""
        return (self._fetch or self._value) if self.passed else None

    @property
    def _hidden(self) -> bool:
        # What is shorter is a placeholder, and stands by chance in every other word.
        return self._value is not None and len(self._value) >= SHORTEST_SECRET

    def scrub(self, text: str) -> str:
        """`text` without the key, in case a server repeats it."""
        return text.replace(self._value, "[key]") if self._value and self._hidden else text

    def scrub_bytes(self, data: bytes) -> bytes:
        """As `scrub`, of bytes."""
        return data.replace(self._value.encode(), b"[key]") if self._value and self._hidden else data


def _checked(value: object) -> str:
    """`value`, which must be fit for a header: the reason is told, the value never."""
    if not isinstance(value, str):
        raise ConfigurationError(f"api_key: expected text or a function that returns text, got {type(value).__name__}")
    if not value:
        raise MissingAuthError("api_key: it is empty")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ConfigurationError(
            "api_key: it holds control characters, blanks at its ends or characters outside ASCII; "
            "was a line end copied along?"
        )
    return value


def find_key(
    row: Provider, api_key: Any, address: str, *, own: str, authorized: bool, environ: Mapping[str, str] = os.environ
) -> Key:
    """The key for `address`.

    Args:
        row: Whose `key_variables` are looked up.
        api_key: What the caller passed.
        address: The base URL that requests go to.
        own: The row's own base URL, as its variables fill it.
        authorized: Whether something else (an `auth`, a header of the caller's) proves who asks.
        environ: The environment.

    Raises:
        MissingAuthError: There is none; the message names the variable, or why its key is not sent there.
        ConfigurationError: It cannot stand in a header.
    """
    if api_key is not None:
        if not isinstance(api_key, str) and not callable(api_key):
            _checked(api_key)
        return Key(api_key, passed=True)
    if row.auth == "none" or authorized:
        return Key(None, passed=False)
    trusted = _same_host(address, own) or is_loopback(address)
    found = next((environ[name] for name in row.key_variables if environ.get(name)), None)
    if found is not None and trusted:
        return Key(found.strip(), passed=False)
    names = " or ".join(row.key_variables) or "api_key"
    if not trusted:
        raise MissingAuthError(
            f"no API key for {_host(address)}: a key from {names} is sent to {_host(own)} only; "
            "pass api_key= for another host"
        )
    raise MissingAuthError(f"no API key for {row.name}: set the environment variable {names}, or pass api_key=")


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _same_host(address: str, own: str) -> bool:
    one, other = urlsplit(address), urlsplit(own)
    return (one.scheme, one.hostname, one.port or _PORTS.get(one.scheme)) == (
        other.scheme,
        other.hostname,
        other.port or _PORTS.get(other.scheme),
    )


_PORTS = {"http": 80, "https": 443}


def is_loopback(address: str) -> bool:
    """Whether `address` is this machine by its very spelling: no name is looked up."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
