"""Base URLs: checked, filled in, and given their version once."""

import os
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from llmkit.errors import ConfigurationError
from llmkit.provider import Provider


def base_address(value: object, version: str) -> str:
    """`value` with `version` at its end, once, and no slash after it.

    Raises:
        ConfigurationError: It is no http(s) address, or holds a user, a query or a fragment.
    """
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ConfigurationError(f"base_url: expected an address, got {value!r:.80}")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"base_url: expected http:// or https:// and a host, got {value!r:.80}")
    if "@" in parts.netloc:
        raise ConfigurationError("base_url: a user or password in it would be sent to the host; pass api_key or auth")
    if "?" in value or "#" in value:
        raise ConfigurationError("base_url: no query and no fragment can stand in it; pass extra_query")
    address = value.rstrip("/")
    return address if parts.path.rstrip("/").endswith(version) else address + version


def filled(row: Provider, variables: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> str:
    """The row's own base URL with its variables, from the argument or the environment.

    Raises:
        ConfigurationError: One is missing, or none of the row's.
    """
    if unknown := sorted(variables.keys() - row.variables.keys()):
        known = ", ".join(row.variables) or "none"
        raise ConfigurationError(f"variables: {row.name} has no {unknown[0]!r}; it has {known}")
    found = {}
    for name, names in row.variables.items():
        value = variables.get(name) or next((environ[key] for key in names if environ.get(key)), None)
        if value is None:
            where = f" or set {' or '.join(names)}" if names else ""
            raise ConfigurationError(f"variables: {row.name} needs {name!r}; pass variables={{{name!r}: …}}{where}")
        found[name] = value
    return row.base_url.format(**found) if row.variables else row.base_url


def with_query(address: str, query: Mapping[str, str]) -> str:
    """`address` and its query."""
    return f"{address}?{urlencode(query)}" if query else address
