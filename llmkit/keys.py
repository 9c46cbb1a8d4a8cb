"""Keys that are stored for this user, in profiles; and functions that log in, whose keys are stored.

::

    from llmkit import Client, keys

    keys.set("anthropic", "sk-ant-0123456789")
    client = Client("anthropic")  # finds it where neither `api_key` nor the environment has one

They stand in a file that nobody else may read, in the user's folder for settings. A key is stored under the name of a
provider's row.
"""

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmkit import keystore
from llmkit.agreement import Agreement
from llmkit.checks import raised, tried
from llmkit.credentials import Key, kept
from llmkit.dotenv import load as _load_dotenv
from llmkit.errors import ConfigurationError
from llmkit.keystore import Profiles, change, name_of, profile_of


def path() -> Path:
    r"""The file of stored keys, whether it is there or not: ``credentials.json`` in the user's folder for settings.

    The folder is ``$XDG_CONFIG_HOME/llmkit``, else ``~/.config/llmkit``; on macOS
    ``~/Library/Application Support/llmkit``; on Windows ``%APPDATA%\llmkit``; ``LLMKIT_CONFIG`` names another.

    Raises:
        ConfigurationError: `LLMKIT_CONFIG` is no absolute path, or nothing tells where the user's home is.
    """
    return keystore.folder() / keystore.FILE


def set(name: str, value: str, *, profile: str | None = None) -> None:  # noqa: A001 - as it is called: keys.set
    """Store a key, in the place of the one that was stored.

    Args:
        name: Of the provider.
        value: The key.
        profile: Of which set of keys; None for that of `LLMKIT_PROFILE`, else ``default``.

    Raises:
        ConfigurationError: A name or the key is none, or the file cannot be written, or is not safe from others.
    """
    edit = _setting(name, value, profile)
    del name, value, profile  # no frame of an error shows it, nor of Ctrl-C, also where they were mixed up
    raised(change(raised(edit)))


def get(name: str, *, profile: str | None = None) -> str | None:
    """The key that is stored; None where there is none.

    Args:
        name: Of the provider.
        profile: As for `set`.

    Raises:
        ConfigurationError: The file cannot be read, or is not safe from others.
    """
    return raised(_get(name_of("name", name), profile_of(profile)))


def remove(name: str, *, profile: str | None = None) -> bool:
    """Forget the key that is stored; whether there was one.

    Args:
        name: Of the provider.
        profile: As for `set`.

    Raises:
        ConfigurationError: As for `set`.
    """
    name, chosen = name_of("name", name), profile_of(profile)
    return raised(change(lambda profiles: profiles.get(chosen, {}).pop(name, None) is not None))


def names(*, profile: str | None = None) -> list[str]:
    """The names that keys are stored under.

    Args:
        profile: As for `set`.

    Raises:
        ConfigurationError: As for `get`.
    """
    return raised(_names(profile_of(profile)))


def profiles() -> list[str]:
    """The names of the profiles that hold keys.

    Raises:
        ConfigurationError: As for `get`.
    """
    return raised(_profiles())


def load_dotenv(file: str | os.PathLike[str] = ".env", *, override: bool = False) -> list[str]:
    """Put what a file of ``NAME=value`` lines says into the environment. Nothing does that unless it is asked to.

    Lines may begin with ``export``, values may stand in quotes, and ``#`` begins a comment. Values are taken as they
    are: one that refers to another variable is an error.

    Args:
        file: Its path. It is not looked for in the folders above.
        override: Whether it wins over what the environment says already.

    Returns:
        The names of the variables that were put there.

    Raises:
        ConfigurationError: It cannot be read, or a line is none; the message has the line's number, and no value.
    """
    return raised(_load_dotenv(Path(file), override=override))


def stored(name: str, function: Callable[[], str], *, profile: str | None = None) -> "Stored":
    """A function for `api_key` that takes the stored key, and asks `function` for another where that is refused.

    A new key is stored once the host has answered to it, and not before.

    Args:
        name: Under which it is stored, mostly that of the provider.
        function: Logs in, say; returns a key. Called by one thread at a time, also where many were refused.
        profile: As for `set`; the environment is asked now.

    Raises:
        ConfigurationError: A name is none, or `function` is no function.

    Example:
        ``Client("anthropic", api_key=keys.stored("anthropic", log_in))``
    """
    given: object = function
    if not callable(given):
        kind = type(given).__name__
        del function, given  # which may be a key
        raise ConfigurationError(f"function: expected a function that returns a key, got {kind}")
    return Stored(name_of("name", name), function, profile_of(profile))


class Stored:
    """What `stored` returns. A pickle of it holds no key.

    Args:
        name: Under which the key is stored.
        function: Returns another.
        profile: Of which set of keys.
    """

    __slots__ = ("_agreement", "_fresh", "_function", "_made", "_refused", "name", "profile")

    def __init__(self, name: str, function: Callable[[], str], profile: str) -> None:
        self.name = name
        self.profile = profile
        self._function = function
        self._made: _Hidden | None = None  # the last one that came from the function
        self._fresh = False  # whether it may be good, and is not stored yet
        self._refused: deque[_Hidden] = deque(maxlen=4)
        self._agreement = Agreement()  # of several clients

    def __repr__(self) -> str:
        return f"Stored({self.name!r}, profile={self.profile!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self._function, self.profile)

    def __call__(self) -> str:
        """The stored key, unless it was refused; else the one that another client has just got; else another.

        Another process may have stored one since.

        Raises:
            ConfigurationError: The stored keys cannot be read.
        """
        while (found := raised(self._usable())) is None:
            self._agreement.once(self._make, lambda: None)
            if self._made is not None and not self._fresh:  # it is none, or one that was refused: that is told, too
                return self._made.value
        return found

    def refused(self, key: str) -> None:
        """The host has refused it."""
        self._refused.append(_Hidden(key))
        if self._made is not None and self._made.value == key:
            self._fresh = False

    def accepted(self, key: str) -> None:
        """The host has answered to it: it is stored, if it is the latest, and new.

        Raises:
            ConfigurationError: As for `set`.
        """
        if self._made is None or self._made.value != key:  # a late answer to one that was replaced since
            return
        edit = _setting(self.name, key, self.profile)
        del key
        raised(change(raised(edit)))
        self._fresh = False

    def _usable(self) -> str | ConfigurationError | None:
        found = _get(self.name, self.profile)
        if isinstance(found, ConfigurationError) or (found is not None and not self._is_refused(found)):
            return found
        return self._made.value if self._fresh and self._made is not None else None

    def _make(self) -> None:
        """Call the function, unless another client has since."""
        if self._usable() is None:
            value = self._function()
            self._made = _Hidden(value)
            self._fresh = isinstance(kept(value, passed=True), Key) and not self._is_refused(value)

    def _is_refused(self, key: str) -> bool:
        return any(key == hidden.value for hidden in self._refused)


class _Hidden:
    """A key that no `repr` shows."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value


def _setting(name: str, value: Any, profile: str | None) -> Callable[[Profiles], bool] | ConfigurationError:
    """What stores a key, for `change`."""
    chosen = tried(lambda _, value: profile_of(value), "profile", profile)
    for found in (tried(name_of, "name", name), chosen, kept(value, passed=True, name="value")):
        if isinstance(found, ConfigurationError):
            return found

    def edit(profiles: Profiles) -> bool:
        profiles.setdefault(chosen, {})[name] = value
        return True

    return edit


def _get(name: str, profile: str) -> str | ConfigurationError | None:
    found = keystore.load()
    return found if isinstance(found, ConfigurationError) else found.get(profile, {}).get(name)


def _names(profile: str) -> list[str] | ConfigurationError:
    found = keystore.load()
    return found if isinstance(found, ConfigurationError) else sorted(found.get(profile, {}))


def _profiles() -> list[str] | ConfigurationError:
    found = keystore.load()
    return found if isinstance(found, ConfigurationError) else sorted(name for name, keys in found.items() if keys)
