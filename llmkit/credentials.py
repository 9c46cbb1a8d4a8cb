"""Where a key comes from, and to whom it may be sent. It stands in no `repr`, and in no pickle unless it was passed.

The order: the argument, then the environment, then the store. A key that was looked up goes to the row's own host or to
loopback and nowhere else: another address in `base_url` must not be enough to be sent it.
"""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from llmkit.agreement import Agreement
from llmkit.checks import raised, tried
from llmkit.errors import ConfigurationError, LLMKitError, MissingAuthError, UnknownProviderError
from llmkit.provider import Provider


class Got:
    """A key as it was got once; another object each time that a function is asked, also where its text is the same."""

    __slots__ = ("unproved", "value")

    def __init__(self, value: str, *, prove: bool) -> None:
        self.value = value
        self.unproved = [None] if prove else []  # empty once somebody was told of a success with it

    def __repr__(self) -> str:
        return "Got(***)"


def _no_end() -> None:
    """Who waits, waits for ever."""


class Key:
    """An API key, or the way to one; safe to hold anywhere that is not printed.

    A function is asked by one thread while all others wait for what it returns. Where it has methods `refused` and
    `accepted`, these are called with the key when the host has refused it, and once it has answered somebody who had
    it, so that it can be kept.

    Args:
        value: The key, a function that returns it, or None.
        passed: Whether it is the caller's own, and not one that was looked up.
        name: Of the argument, the variable or the store, for errors.

    Raises:
        MissingAuthError: It is empty.
        ConfigurationError: It cannot stand in a header; the message never has it.
    """

    __slots__ = ("_agreement", "_fetch", "_got", "_known", "_last", "_learned", "name", "passed")

    def __init__(self, value: Any, *, passed: bool, name: str = "api_key") -> None:
        self.passed = passed
        self.name = name
        self._fetch: Callable[[], Any] | None = value if callable(value) else None
        self._got: Got | None = None  # the key that is good, as far as is known
        self._last: Got | None = None  # the latest, refused or not
        self._known: deque[str] = deque(maxlen=4)
        self._learned: deque[str] = deque(maxlen=64)
        self._agreement = Agreement()
        refused = None if value is None or callable(value) else self._take(value)
        del value  # no frame of an error shows it
        if refused is not None:
            raise refused

    def __repr__(self) -> str:
        return "Key(***)"

    @property
    def looked_up(self) -> bool:
        """Whether it came from the environment or the store."""
        return not self.passed and self._fetch is None and self._got is not None

    @property
    def held(self) -> Got | None:
        """The key, if it is there and has not been refused; nobody is asked."""
        return self._got

    def value(self) -> str | None:
        """The key; None where there is none.

        Raises:
            MissingAuthError: The caller's function failed.
            ConfigurationError: It returned something that is no key.
        """
        got = self.get()
        return None if got is None else got.value

    def get(self, spare: Callable[[], float | None] = _no_end) -> Got | None:
        """As `value`, and which one it is. `spare` bounds the wait for another thread, see `Agreement.once`."""
        got = self._got
        if got is None and self._fetch is not None:
            self._agreement.once(self._ask, spare)
            got = self._got or self._last  # where another thread has just been refused with it, so will this one
        return got

    def refresh(self, refused: Got, spare: Callable[[], float | None] = _no_end) -> Got | None:
        """Ask the caller's function again, unless that was done since; None if there is no other key than `refused`.

        Calls that were under way with the same key make do with one asking, also where it brought nothing better.
        """
        if self._fetch is None:
            return None
        if self._got is refused or (self._got is None and self._last is refused):
            self._agreement.once(partial(self._ask, refused), spare)
        got = self._got
        if got is not None and got.value == refused.value:
            got = self._got = None
        return got

    def drop(self, refused: Got) -> None:
        """This one was refused, too: it is asked for anew by the next call."""
        if self._fetch is not None and self._got is refused:
            self._got = None
            self._tell_refused(refused)

    def accept(self, got: Got) -> None:
        """The host has answered somebody who had it.

        Warns:
            UserWarning: The caller's function could not keep it.
        """
        try:
            got.unproved.pop()
        except IndexError:  # somebody else was quicker
            return
        failed = _failure(lambda: self._fetch.accepted(got.value))  # type: ignore[union-attr]
        if failed is not None:
            warnings.warn(f"{self.name}: the key is good, and could not be kept: {failed}", UserWarning, stacklevel=2)

    def argument(self) -> str | Callable[[], str] | None:
        """What was passed by the caller, for a pickle; a key that was looked up is looked up again."""
        return (self._fetch or self.value()) if self.passed else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key; those that it replaced not long ago, as a late answer may repeat one; and what was learned."""
        return (*self._known, *self._learned)

    def learn(self, secrets: Iterable[str]) -> None:
        """Count these as secrets, too: what a caller's own `auth` has put into a request."""
        self._learned.extend(secret for secret in secrets if secret not in self._learned)

    def _ask(self, refused: Got | None = None) -> None:
        """Ask the caller's function, unless another thread has since."""
        if (self._got is not None and self._got is not refused) or (refused is not None and self._last is not refused):
            return
        self._got = None
        if refused is not None:
            self._tell_refused(refused)
        assert self._fetch is not None  # noqa: S101 - else there is nobody to ask
        failed = self._take(_asked(self._fetch, self.name))
        if failed is not None:
            raise failed

    def _tell_refused(self, refused: Got) -> None:
        if callable(hook := getattr(self._fetch, "refused", None)):
            _asked(lambda: hook(refused.value), self.name)  # no `partial`, whose `repr` shows the key

    def _take(self, value: object) -> ConfigurationError | None:
        """Keep `value`, which must be fit for a header; else the error to raise, in a frame that has not seen it."""
        if not isinstance(value, str):
            return ConfigurationError(
                f"{self.name}: expected text or a function that returns text, got {type(value).__name__}"
            )
        if not value:
            return MissingAuthError(f"{self.name}: it is empty")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            return ConfigurationError(
                f"{self.name}: it holds control characters, blanks at its ends or characters outside ASCII; "
                "was a line end copied along?"
            )
        if value not in self._known:
            self._known.append(value)
        self._got = self._last = Got(value, prove=callable(getattr(self._fetch, "accepted", None)))
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


def _failure(function: Callable[[], Any]) -> str | None:
    """Why a function of the caller's failed, in words that hold no key; None if it did not."""
    try:
        function()
    except LLMKitError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - likewise
        return type(error).__name__
    return None


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
    profile: str | None = None,
) -> Key:
    """The key for `address`.

    Args:
        row: Whose `key_variables` are looked up.
        key: What the caller passed, or nothing.
        address: The base URL that requests go to.
        own: The row's own base URL, as its variables fill it; None where one is missing.
        authorized: Whether something else (an `auth`, a header of the caller's) proves who asks.
        environ: The environment; None for that of the process.
        profile: Of the stored keys, which it alone is taken from then; None where the caller named none.

    Raises:
        MissingAuthError: There is none; the message names the variable, or why its key is not sent there.
        ConfigurationError: It cannot stand in a header, or the file of stored keys cannot be trusted.
    """
    if key.passed or row.auth == "none" or authorized:
        if profile is not None and row.auth != "none":
            raise ConfigurationError(
                "profile: something else says the key: api_key, auth or a header; pass one of them"
            )
        return key
    trusted = is_loopback(address) or (own is not None and _same_host(address, own))
    if trusted and profile is None and (found := _look_up(row, environ)) is not None:
        return raised(found)
    found = _stored(row, profile) if trusted else None
    # Should the store be unfit, a host that needs no key is asked without one.
    if isinstance(found, Key) or (found is not None and (row.needs_key or profile is not None)):
        return raised(found)
    if not row.needs_key:
        return key
    if not trusted:
        names = " or ".join(row.key_variables) or "api_key" if profile is None else f"the profile {profile!r}"
        raise MissingAuthError(
            f"no API key for {_host(address)}: a key from {names} is sent only to {_place(row, own)}; "
            "pass api_key= for another host"
        )
    if row.auth == "google" and profile is None:
        from llmkit.google_auth import access_token  # noqa: PLC0415 - an extra

        return Key(access_token(), passed=False)
    raise MissingAuthError(_missing(row, profile))


def _missing(row: Provider, profile: str | None) -> str:
    """What to do where there is no key."""
    how = f"store one by `{_storing(row, profile)}`, or pass api_key="
    if profile is not None:
        return f"no API key for {row.name} in the profile {profile!r}: {how}"
    names = " or ".join(row.key_variables) or "api_key"
    return f"no API key for {row.name}: set the environment variable {names}, {how}"


def _storing(row: Provider, profile: str | None) -> str:
    """The command that stores a key where it is looked for; in Python where the command does not know the row."""
    from shlex import quote  # noqa: PLC0415 - only needed to fail

    from llmkit.keystore import DEFAULT_PROFILE, profile_of  # noqa: PLC0415
    from llmkit.provider import provider  # noqa: PLC0415

    chosen = profile_of(profile)
    told = chosen != DEFAULT_PROFILE
    try:
        provider(row.name)
    except UnknownProviderError:
        return f"llmkit.keys.set({row.name!r}, ...{f', profile={chosen!r}' if told else ''})"
    return f"llmkit keys set {row.name}{f' --profile {quote(chosen)}' if told else ''}"


def _look_up(row: Provider, environ: Mapping[str, str] | None) -> Key | ConfigurationError | None:
    """The key of the first variable that holds one. Apart, so that no frame of an error shows the environment."""
    variables = os.environ if environ is None else environ
    for name in row.key_variables:
        if value := variables.get(name, "").strip():
            return kept(value, passed=False, name=name)
    return None


def _stored(row: Provider, profile: str | None) -> Key | ConfigurationError | None:
    """The key that is stored for the row. Apart, as `_look_up`."""
    from llmkit.keystore import held, load, profile_of  # noqa: PLC0415 - where nobody said a key

    chosen = tried(lambda _, value: profile_of(value), "profile", profile)
    profiles = chosen if isinstance(chosen, ConfigurationError) else load(for_client=True)
    if isinstance(profiles, ConfigurationError):
        tried_first = " or ".join(row.key_variables) if profile is None else ""
        said = f"no API key for {row.name}{tried_first and f' in {tried_first}'}"
        return ConfigurationError(f"{said}, and the stored ones cannot be used: {profiles}")
    keys = profiles.get(chosen, {})
    found = next((name for name in (row.name, *(siblings(row) if keys else ())) if name in keys), None)
    return None if found is None else kept(keys[found], passed=False, name=held(found, chosen))


def siblings(row: Provider) -> Iterator[str]:
    """The names of other rows of the same host that take the same key."""
    from llmkit.rows import rows  # noqa: PLC0415 - the table is long

    for other in rows():
        if row.key_variables == other.key_variables and _same_host(row.base_url, other.base_url):
            yield other.name


def _place(row: Provider, own: str | None) -> str:
    """The row's own host; in words where nothing fills a variable of its name."""
    if own is not None:
        return _host(own)
    named = [
        f"{name!r} ({' or '.join(keys)})" if keys else repr(name)
        for name, keys in row.variables.items()
        if f"{{{name}}}" in row.base_url
    ]
    return f"the host that the variable{'s' * (len(named) > 1)} {' and '.join(named)} name{'s' * (len(named) == 1)}"


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
