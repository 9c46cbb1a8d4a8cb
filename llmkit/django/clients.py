"""Clients of the aliases in ``settings.LLMKIT``: made when they are first asked for, one for each process and alias."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed

from llmkit.client import Client
from llmkit.errors import ConfigurationError

CLIENT_KEYWORDS: Final = frozenset(inspect.signature(Client.__init__).parameters) - {"self", "provider", "api_key"}
"""What an alias may hold beside ``provider``, ``key``, ``fallback`` and the options of calls."""

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
    """``settings.LLMKIT``.

    Raises:
        ConfigurationError: It is no dict of dicts.
    """
    found = getattr(settings, "LLMKIT", None)
    if found is None:
        raise ConfigurationError('LLMKIT: settings have none; set LLMKIT = {"default": {"provider": "anthropic"}}')
    if not isinstance(found, Mapping) or not all(isinstance(item, Mapping) for item in found.values()):
        raise ConfigurationError("LLMKIT: expected a dict of dicts, one for each alias")
    return found


def make(alias: str, known: Mapping[str, Mapping[str, Any]]) -> Client:
    """A client as `known[alias]` says.

    Raises:
        ConfigurationError: As for `get_client`.
    """
    if alias not in known:
        there = ", ".join(map(repr, known)) or "none"
        raise ConfigurationError(f"LLMKIT: there is no alias {alias!r}; there are {there}")
    row = {**known[alias]}
    if "provider" not in row:
        raise ConfigurationError(f"LLMKIT[{alias!r}]: 'provider' is missing, as in 'anthropic' or 'openai:gpt-5.2'")
    provider, key = row.pop("provider"), row.pop("key", None)
    fixed = {name: row.pop(name) for name in CLIENT_KEYWORDS & row.keys()}
    return Client(provider, api_key=key, **fixed).with_options(**row)


def forget(*, setting: str, **_: object) -> None:
    """Make the clients anew when ``override_settings`` changes what they are made of."""
    if setting == "LLMKIT":
        _clients.clear()


setting_changed.connect(forget, dispatch_uid="llmkit.django.clients")
