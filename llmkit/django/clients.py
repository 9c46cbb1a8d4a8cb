"""Clients of the aliases in ``settings.LLMKIT``: made when they are first asked for, one for each process and alias."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed

from llmkit.client import Client
from llmkit.errors import ConfigurationError

CLIENT_KEYWORDS: Final = frozenset(inspect.signature(Client.__init__).parameters) - {"self", "provider", "api_key"}
"""What an alias may hold beside ``provider``, ``key`` or ``api_key``, ``fallback`` and the options of calls."""

_clients: dict[str, Client] = {}


def get_client(alias: str = "default") -> Client:
    """The client of ``settings.LLMKIT[alias]``; the same one each time, for all threads of the process.

    Raises:
        ConfigurationError: There is no such alias, or what it holds is wrong; the message begins with where.
        MissingAuthError: There is no key.
    """
    if alias not in _clients:
        made = make(alias, aliases())
        return _clients.setdefault(alias, made)  # no lock, which a fork would find taken: the first one made is kept
    return _clients[alias]


def aliases() -> Mapping[str, Mapping[str, Any]]:
    """``settings.LLMKIT``; none where it is not set.

    Raises:
        ConfigurationError: It is no dict of dicts.
    """
    found = getattr(settings, "LLMKIT", {})
    if not isinstance(found, Mapping) or not all(isinstance(item, Mapping) for item in found.values()):
        raise ConfigurationError("LLMKIT: expected a dict of dicts, one for each alias")
    return found


def make(alias: str, known: Mapping[str, Mapping[str, Any]]) -> Client:
    """A client as `known[alias]` says.

    Raises:
        ConfigurationError: As for `get_client`.
    """
    members = [plain(name, known) for name in chain(alias, known)]
    return members[0] if len(members) == 1 else Client.fallback(members)


def chain(alias: str, known: Mapping[str, Mapping[str, Any]], before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`alias`, and the aliases that it falls back on, in the order in which they are asked; none of them twice.

    Raises:
        ConfigurationError: It falls back on no list of aliases, or on itself.
    """
    row = _row(alias, known)
    named = row.get("fallback", ())
    if not isinstance(named, (list, tuple)):
        raise ConfigurationError(f"LLMKIT[{alias!r}]: 'fallback' is a list of aliases, got {type(named).__name__}")
    path = (*before, alias)
    if loop := next((name for name in named if name in path), None):
        raise ConfigurationError(f"LLMKIT[{alias!r}]: it falls back on {loop!r}, which falls back on it")
    found = (name for other in named for name in chain(other, known, path))
    return tuple(dict.fromkeys((alias, *found)))


def _row(alias: str, known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if alias not in [*known]:  # also where it is something that no dict can have as a key
        there = ", ".join(map(repr, known)) or "none"
        raise ConfigurationError(f"LLMKIT: there is no alias {alias!r}; there are {there}")
    return known[alias]


def plain(alias: str, known: Mapping[str, Mapping[str, Any]]) -> Client:
    """Of this alias alone."""
    row = {name: value for name, value in _row(alias, known).items() if name != "fallback"}
    if "provider" not in row:
        raise ConfigurationError(f"LLMKIT[{alias!r}]: 'provider' is missing, as in 'anthropic' or 'openai:gpt-5.2'")
    if {"key", "api_key"} <= row.keys():
        raise ConfigurationError(f"LLMKIT[{alias!r}]: 'key' and 'api_key' are the same: keep one of them")
    provider, key = row.pop("provider"), row.pop("key", row.pop("api_key", None))
    fixed = {name: row.pop(name) for name in CLIENT_KEYWORDS & row.keys()}
    try:
        return Client(provider, api_key=key, **fixed).with_options(**{str(name): value for name, value in row.items()})
    except ConfigurationError as error:
        error.args = (f"LLMKIT[{alias!r}]: {error}",)
        raise


def forget(*, setting: str, **_: object) -> None:
    """Make the clients anew when ``override_settings`` changes what they are made of."""
    if setting == "LLMKIT":
        _clients.clear()


setting_changed.connect(forget, dispatch_uid="llmkit.django.clients")
