"""One row per host: where it is, which wire it speaks, how it is asked, and how it deviates.

A host of a known wire is added by adding a row; nothing elsewhere compares names of hosts.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, overload

from attrs import field, frozen

from llmkit.errors import ConfigurationError, UnknownProviderError

Auth: TypeAlias = Literal["x-api-key", "bearer", "x-api-key+bearer", "none"]
"""In which header the key is sent: ``x-api-key``, ``Authorization: Bearer``, both, or no key at all."""

ENTRY_POINTS: Final = "llmkit.providers"
"""Where other distributions offer rows: each entry point names a `Provider` or a function that returns one."""


@frozen
class Provider:
    """A host.

    Attributes:
        name: What `Client` calls it.
        wire: The format that it speaks: ``anthropic-messages``.
        base_url: With or without the version suffix; it may hold ``{variables}``.
        key_variables: Environment variables that may hold the key, the first one wins.
        auth: In which header the key is sent.
        default_model: Used where a call names none.
        aliases: Other names of models → the provider's own.
        quirks: How the host deviates from its wire; None where it does not.
        variables: What stands in the braces of `base_url` → the environment variables that may hold it.
        query: Added to every address.
        headers: Added to every request.
    """

    name: str
    wire: str
    base_url: str
    key_variables: tuple[str, ...] = ()
    auth: Auth = "bearer"
    default_model: str | None = None
    aliases: Mapping[str, str] = field(factory=dict, hash=False)
    quirks: Any = field(default=None, hash=False)
    variables: Mapping[str, tuple[str, ...]] = field(factory=dict, hash=False)
    query: Mapping[str, str] = field(factory=dict, hash=False)
    headers: Mapping[str, str] = field(factory=dict, hash=False)

    @overload
    def parameters(self, as_json: Literal[False] = False) -> dict[str, dict[str, Any]]: ...  # noqa: FBT002 - the contract
    @overload
    def parameters(self, as_json: Literal[True]) -> str: ...
    def parameters(self, as_json: bool = False) -> dict[str, dict[str, Any]] | str:  # noqa: FBT001, FBT002 - the contract
        """The options that it takes: name → ``type``, ``default``, ``meaning``, ``example``; as JSON if asked."""
        from llmkit.request import OPTIONS  # noqa: PLC0415 - rows are read without calls being made
        from llmkit.wire import wire  # noqa: PLC0415

        refused = wire(self.wire).unsupported
        table = {
            name: {"type": row.type, "default": row.default, "meaning": row.meaning, "example": row.example}
            for name, row in OPTIONS.items()
            if name not in refused
        }
        return json.dumps(table, indent=2, ensure_ascii=False) if as_json else table


def providers() -> tuple[Provider, ...]:
    """All rows: llmkit's own, then those that other distributions offer."""
    from llmkit.rows import ROWS  # noqa: PLC0415 - the table is long

    own = {row.name: row for row in ROWS}
    return (*own.values(), *(row for name, row in _installed().items() if name not in own))


def provider(name: str) -> Provider:
    """The row of that name.

    Raises:
        UnknownProviderError: There is none; the message lists near names.
    """
    from llmkit.rows import ROWS  # noqa: PLC0415

    found = {row.name: row for row in ROWS}
    if name not in found:
        found = _installed() | found
    if name in found:
        return found[name]
    from difflib import get_close_matches  # noqa: PLC0415 - only needed to fail

    near = get_close_matches(name, found, n=3) or sorted(found)
    raise UnknownProviderError(f"provider: no row is named {name[:80]!r}; try {', '.join(near)}, or pass a Provider")


def _installed() -> dict[str, Provider]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - it reads the file system

    found = {}
    for entry in entry_points(group=ENTRY_POINTS):
        row = entry.load()
        row = row if isinstance(row, Provider) else row()
        if not isinstance(row, Provider):
            raise ConfigurationError(f"entry point {entry.name!r} of {ENTRY_POINTS} is no Provider")
        found[row.name] = row
    return found
