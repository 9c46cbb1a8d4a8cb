"""Where a key comes from, and to whom it may be sent. It stands in no `repr`, and in no pickle unless it was passed.

The order: the argument, then the environment. A key that was looked up goes to the row's own host or to loopback and
nowhere else: another address in `base_url` must not be enough to be sent it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from llmkit.checks import raised
from llmkit.errors import ConfigurationError, LLMKitError, MissingAuthError
from llmkit.provider import Provider


class Key:
    """An API key, or the way to one; safe to hold anywhere that is not printed.

    Args:
        value: The key, a function that returns it, or None.
        passed: Whether it is the caller's own, and not one that was looked up.
        name: Of the argument or the variable, for errors.

    Raises:
        MissingAuthError: It is empty.
        ConfigurationError: It cannot stand in a header; the message never has it.
    """

    __slots__ = ("_fetch", "_known", "_learned", "_name", "_value", "passed")

    def __init__(self, value: Any, *, passed: bool, name: str = "api_key") -> None:
        self.passed = passed
        self._name = name
        self._fetch: Callable[[], Any] | None = value if callable(value) else None
        self._value: str | None = None
        self._known: deque[str] = deque(maxlen=4)
        self._learned: deque[str] = deque(maxlen=64)
        refused = None if value is None or callable(value) else self._take(value)
        del value  # no frame of an error shows it
        if refused is not None:
            raise refused

    def __repr__(self) -> str:
        return "Key(***)"

    @property
    def looked_up(self) -> bool:
        """Whether it came from the environment."""
        return not self.passed and self._fetch is None and self._value is not None

    def value(self) -> str | None:
        """The key; None where there is none.

        Raises:
            MissingAuthError: The caller's function failed.
            ConfigurationError: It returned something that is no key.
        """
        value = self._value
        if value is None and self._fetch is not None:
            refused = self._take(_asked(self._fetch, self._name))
            if refused is not None:
                raise refused
            value = self._known[-1]  # not `_value`, which another thread may be asking for anew
        return value

    def refresh(self, refused: str | None) -> bool:
        """Ask the caller's function again, unless another call has since; whether there is another than `refused`."""
        if self._fetch is None:
            return False
        if self._value == refused:
            self._value = None
        return self.value() != refused

    def argument(self) -> str | Callable[[], str] | None:
        """What was passed by the caller, for a pickle; a key that was looked up is looked up again."""
        return (self._fetch or self._value) if self.passed else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key; those that it replaced not long ago, as a late answer may repeat one; and what was learned."""
        return (*self._known, *self._learned)

    def learn(self, secrets: Iterable[str]) -> None:
        """Count these as secrets, too: what a caller's own `auth` has put into a request."""
        self._learned.extend(secret for secret in secrets if secret not in self._learned)

    def _take(self, value: object) -> ConfigurationError | None:
        """Keep `value`, which must be fit for a header; else the error to raise, in a frame that has not seen it."""
        if not isinstance(value, str):
            return ConfigurationError(
                f"{self._name}: expected text or a function that returns text, got {type(value).__name__}"
            )
        if not value:
            return MissingAuthError(f"{self._name}: it is empty")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            return ConfigurationError(
                f"{self._name}: it holds control characters, blanks at its ends or characters outside ASCII; "
                "was a line end copied along?"
            )
        self._value = value
        if value not in self._known:
            self._known.append(value)
        return None


def _asked(function: Callable[[], Any], name: str) -> Any:
    """What the caller's function returns.

    Raises:
        MissingAuthError: It failed.
    """
    try:
        return function()
    except LLMKitError:
        raise
    except Exception as error:  # noqa: BLE001 - the caller's own code may raise anything
        failed = error
    raise MissingAuthError(
        f"{name}: the function failed with {type(failed).__name__}: it must return a key"
    ) from failed


def kept(value: Any, *, passed: bool, name: str = "api_key") -> Key | ConfigurationError:
    """A `Key`, or the error to raise, in a frame that does not show its value."""
    try:
        return Key(value, passed=passed, name=name)
    except ConfigurationError as error:
        return error.with_traceback(None)


def find_key(
    row: Provider,
    key: Key,
    address: str,
    *,
    own: str | None,
    authorized: bool,
    environ: Mapping[str, str] | None = None,
) -> Key:
    """The key for `address`.

    Args:
        row: Whose `key_variables` are looked up.
        key: What the caller passed, or nothing.
        address: The base URL that requests go to.
        own: The row's own base URL, as its variables fill it; None where one is missing.
        authorized: Whether something else (an `auth`, a header of the caller's) proves who asks.
        environ: The environment; None for that of the process.

    Raises:
        MissingAuthError: There is none; the message names the variable, or why its key is not sent there.
        ConfigurationError: It cannot stand in a header.
    """
    if key.passed or row.auth == "none" or authorized:
        return key
    trusted = is_loopback(address) or (own is not None and _same_host(address, own))
    if trusted and (found := _look_up(row, environ)) is not None:
        return raised(found)
    if not row.needs_key:
        return key
    if trusted and row.auth == "google":
        from llmkit.google_auth import access_token  # noqa: PLC0415 - an extra

        return Key(access_token(), passed=False)
    names = " or ".join(row.key_variables) or "api_key"
    if not trusted:
        raise MissingAuthError(
            f"no API key for {_host(address)}: a key from {names} is sent to {_host(own or row.base_url)} only; "
            "pass api_key= for another host"
        )
    raise MissingAuthError(f"no API key for {row.name}: set the environment variable {names}, or pass api_key=")


def _look_up(row: Provider, environ: Mapping[str, str] | None) -> Key | ConfigurationError | None:
    """The key of the first variable that holds one. Apart, so that no frame of an error shows the environment."""
    variables = os.environ if environ is None else environ
    for name in row.key_variables:
        if value := variables.get(name, "").strip():
            return kept(value, passed=False, name=name)
    return None


def _host(address: str) -> str:
    return urlsplit(address).netloc or address


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
