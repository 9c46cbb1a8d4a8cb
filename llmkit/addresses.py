"""Base URLs: checked, filled in, and given their version once."""

import os
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from llmkit.checks import Hidden
from llmkit.errors import ConfigurationError
from llmkit.provider import Provider

MODEL = "{model}"
"""Stands in an address where each call's own model belongs."""

_VERSION = re.compile(r"v\d+[a-z]*\d*")
_ENDPOINTS = ("/chat/completions", "/messages", "/responses", "/embeddings")
_PLAIN = re.compile(r"[\w.:-]+")


def guarded(value: Any) -> Any:
    """`value`; where it has a user or a query, which are refused, its `repr` does not show it."""
    return Hidden(value) if isinstance(value, str) and ("@" in value or "?" in value) else value


def base_address(value: object, suffix: str, *, version_anywhere: bool = False) -> str:
    """`value` with `suffix` at its end, once, and no slash after it.

    What of the suffix stands there already is not repeated, and a version that stands there is not replaced.

    Args:
        value: A base URL.
        suffix: What it must end in.
        version_anywhere: Whether a version that stands further in front will do where the suffix is a mere version.

    Raises:
        ConfigurationError: It is no http(s) address, or holds a user, a query or a fragment.
    """
    reason = _unfit(value)
    if reason is not None:
        raise ConfigurationError(f"base_url: {reason}")
    address = str(value)
    present, wanted = urlsplit(address).path.strip("/").split("/"), suffix.strip("/").split("/")
    if version_anywhere and _VERSION.fullmatch(suffix.strip("/")) and any(map(_VERSION.fullmatch, present)):
        wanted = []
    return _joined(address.rstrip("/"), present, wanted)


def _unfit(value: object) -> str | None:
    """Why `value` cannot be a base URL, in words without what may be a password; None if it can."""
    if not isinstance(value, str):
        return f"expected an address, got {type(value).__name__}"
    shown = repr(value.rpartition("@")[2].partition("?")[0])[:80]
    if not value.isprintable() or " " in value:
        return f"expected an address, got {shown}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return f"expected http:// or https:// and a host, got {shown}"
    if "@" in parts.netloc:
        return "a user or password in it would be sent to the host; pass api_key or auth"
    if "?" in value or "#" in value:
        return "no query and no fragment can stand in it; pass extra_query"
    ending = next((path for path in _ENDPOINTS if parts.path.rstrip("/").endswith(path)), None)
    return None if ending is None else f"leave out {ending}, which each call adds by itself"


def _joined(address: str, present: list[str], wanted: list[str]) -> str:
    """`address`, whose segments are `present`, followed by what it lacks of `wanted`."""
    for count in range(min(len(present), len(wanted)), 0, -1):
        if all(map(_same, present[-count:], wanted[:count])):
            wanted = wanted[count:]
            break
    return "/".join([address, *filter(None, wanted)])


def _same(present: str, wanted: str) -> bool:
    return wanted in (present, MODEL) or bool(_VERSION.fullmatch(present) and _VERSION.fullmatch(wanted))


def endpoint(address: str, path: str, model: str | None) -> str:
    """Where a call goes: `path` below `address`; each ``/..`` that it begins with climbs one segment, to the host."""
    while path.startswith("/.."):
        path = path.removeprefix("/..")
        if address.count("/") > 2:  # noqa: PLR2004 - those before the host
            address = address.rpartition("/")[0]
    return f"{address}{path}".replace(MODEL, quote(model or "", safe=""))


class Filled:
    """Fills a row's templates with its variables: from the argument, else the environment, else the row's own.

    Args:
        row: Whose `variables` they are.
        variables: The argument.
        environ: The environment.

    Raises:
        ConfigurationError: One is none of the row's.
    """

    def __init__(self, row: Provider, variables: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
        if unknown := sorted(variables.keys() - row.variables.keys()):
            known = ", ".join(row.variables) or "none"
            raise ConfigurationError(f"variables: {row.name} has no {unknown[0]!r}; it has {known}")
        self._row = row
        self._variables = variables
        self._environ = environ

    @property
    def default_model(self) -> str | None:
        """The row's; None where that is a variable which nothing but the model of a call would fill."""
        model = self._row.default_model
        model = None if model is None else self(model)
        return None if model == MODEL else model

    @property
    def base_url(self) -> str:
        """The row's own address."""
        for condition, url in self._row.special_urls.items():
            name, _, value = condition.partition("=")
            if self._value(name) == value:
                return self(url)
        return self(self._row.base_url)

    def lacks(self, template: str) -> bool:
        """Whether a variable of `template` has no value."""
        return any(not self._found(name) for name in self._row.variables if f"{{{name}}}" in template)

    def __call__(self, template: str) -> str:
        """`template` with the values in place of their names in braces.

        Raises:
            ConfigurationError: A value is missing, or unfit for an address.
        """
        for name in self._row.variables:
            if f"{{{name}}}" in template:
                template = template.replace(f"{{{name}}}", self._value(name))
        return template

    def _found(self, name: str) -> str:
        row, environ = self._row, self._environ
        told = (environ.get(key, "").strip() for key in row.variables[name])
        return next(filter(None, chain([self._variables.get(name, "")], told, [row.defaults.get(name, "")])), "")

    def _value(self, name: str) -> str:
        row, value = self._row, self._found(name)
        if not value:
            names = row.variables[name]
            where = f" or set {' or '.join(names)}" if names else ""
            raise ConfigurationError(f"variables: {row.name} needs {name!r}; pass variables={{{name!r}: …}}{where}")
        if value.startswith(("http://", "https://")):
            return value.rstrip("/")
        if value != MODEL and not _PLAIN.fullmatch(value):
            raise ConfigurationError(f"variables: {name!r} can hold letters, digits and '_.:-', got {value!r:.80}")
        return value


def with_query(address: str, query: Mapping[str, str]) -> str:
    """`address` and its query."""
    return f"{address}?{urlencode(query)}" if query else address
