"""One row per host: where it is, which wire it speaks, how it is asked, and how it deviates.

A host of a known wire is added by adding a row; nothing elsewhere compares names of hosts.
"""

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args, overload

from attrs import field, frozen

from llmkit.errors import ConfigurationError, UnknownProviderError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Auth: TypeAlias = Literal[
    "x-api-key", "bearer", "x-api-key+bearer", "x-goog-api-key", "api-key", "query", "google", "none"
]
"""How the key is sent: in the header of that name; as ``Authorization: Bearer``; in both; as ``key`` in the query, that
logs may show; not at all. ``google``: as ``bearer``, and where no key is passed, the access token comes from
google-auth's default credentials (extra ``vertex``)."""

ENTRY_POINTS: Final = "llmkit.providers"
"""Where other distributions offer rows: each entry point names a `Provider` or a function that returns one."""

_SHOWN: Final = 24  # characters of a name; keys are longer


def _names(value: Iterable[str], where: str = "Provider.key_variables", of: str = "") -> tuple[str, ...]:
    """A sequence of names as a tuple; one alone is a sequence of letters, which nobody means."""
    if isinstance(value, str):
        raise ConfigurationError(f"{where}: expected a sequence of names{of}, got {value!r:.80}")
    return tuple(value)


def _names_of_each(value: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[str, ...]]:
    return {name: _names(names, "Provider.variables", f" for {name!r}") for name, names in value.items()}


@frozen
class Provider:
    """A host.

    Attributes:
        name: What `Client` calls it.
        wire: The format that it speaks: ``anthropic-messages``, ``openai-chat``, ``openai-responses`` or
            ``gemini-generate``.
        base_url: With or without its suffix; it may hold ``{variables}``.
        key_variables: Environment variables that may hold the key, the first one wins.
        auth: How the key is sent.
        needs_key: Whether it refuses who has no key; hosts on this machine do not.
        default_model: Used where a call names none; it may hold variables.
        embedding_model: Used where `Client.embed` is told none.
        prices: The provider of genai-prices whose prices it has; None where that knows none of its own.
        telemetry: Its name in OpenTelemetry's conventions; None where they have no other for it.
        aliases: Other names of models → the provider's own.
        quirks: How the host deviates from its wire; None where it does not.
        suffix: What every base URL must end in, also one that is passed to `Client`; it is added once, and may hold
            variables. None for the wire's version.
        variables: What stands in braces → the environment variables that may hold it.
        defaults: Variables → what holds where nobody says; ``{model}`` is the model of each call.
        special_urls: ``variable=value`` → the base URL where it has that value.
        query: Added to every address; values may hold variables.
        headers: Added to every request.

    Raises:
        ConfigurationError: There is no such wire or way to send a key, or no variable for what stands in braces.
    """

    name: str
    wire: str = field()
    base_url: str = field()
    key_variables: tuple[str, ...] = field(default=(), converter=_names)
    auth: Auth = field(default="bearer")
    needs_key: bool = field(default=True, kw_only=True)
    default_model: str | None = None
    embedding_model: str | None = field(default=None, kw_only=True)
    prices: str | None = field(default=None, kw_only=True)
    telemetry: str | None = field(default=None, kw_only=True)
    aliases: Mapping[str, str] = field(factory=dict, hash=False)
    quirks: Any = field(default=None, hash=False)
    suffix: str | None = field(default=None, kw_only=True)
    variables: Mapping[str, tuple[str, ...]] = field(factory=dict, converter=_names_of_each, hash=False)
    defaults: Mapping[str, str] = field(factory=dict, hash=False, kw_only=True)
    special_urls: Mapping[str, str] = field(factory=dict, hash=False, kw_only=True)
    query: Mapping[str, str] = field(factory=dict, hash=False)
    headers: Mapping[str, str] = field(factory=dict, hash=False)

    @wire.validator
    def _is_a_wire(self, _: object, value: object) -> None:
        from llmkit.wire import WIRES  # noqa: PLC0415 - rows are read without calls being made

        if value not in WIRES:
            raise ConfigurationError(f"Provider.wire: expected {' or '.join(WIRES)}, got {value!r:.80}")

    @auth.validator
    def _is_a_way_to_send_a_key(self, _: object, value: object) -> None:
        if value not in get_args(Auth):
            raise ConfigurationError(f"Provider.auth: expected {' or '.join(get_args(Auth))}, got {value!r:.80}")

    def __attrs_post_init__(self) -> None:
        templates = [
            self.base_url,
            self.suffix or "",
            self.default_model or "",
            *self.special_urls.values(),
            *self.query.values(),
        ]
        for name in re.findall(r"\{(\w*)\}", " ".join(templates)):
            if name not in self.variables and name != "model":
                raise ConfigurationError(f"Provider.variables: nothing fills {{{name}}} in the address of {self.name}")

    @overload
    def parameters(self, as_json: Literal[False] = False) -> dict[str, dict[str, Any]]: ...  # noqa: FBT002 - the contract
    @overload
    def parameters(self, as_json: Literal[True]) -> str: ...
    def parameters(self, as_json: bool = False) -> dict[str, dict[str, Any]] | str:  # noqa: FBT001, FBT002 - the contract
        """The options that it takes: name → ``type``, ``default``, ``meaning``, ``example``; as JSON if asked."""
        from llmkit.request import OPTIONS  # noqa: PLC0415 - rows are read without calls being made
        from llmkit.wire import wire  # noqa: PLC0415

        found = wire(self.wire)
        refused = found.refused(found.quirks() if self.quirks is None else self.quirks)
        table = {
            name: {"type": row.type, "default": row.default, "meaning": row.meaning, "example": row.example}
            for name, row in OPTIONS.items()
            if name not in refused
        }
        return json.dumps(table, indent=2, ensure_ascii=False) if as_json else table


def providers() -> tuple[Provider, ...]:
    """All rows: llmkit's own, then those that other distributions offer.

    Warns:
        UserWarning: A distribution offers something that is no row or cannot be imported; it is left out.
    """
    from llmkit.rows import rows  # noqa: PLC0415 - the table is long

    own = {row.name: row for row in rows()}
    return (*own.values(), *(row for name, row in _installed().items() if name not in own))


def provider(name: str) -> Provider:
    """The row of that name.

    Raises:
        UnknownProviderError: There is none; the message lists near names.
    """
    from llmkit.rows import rows  # noqa: PLC0415

    for row in rows(name):
        if row.name == name:
            return row
    found = _installed() | {row.name: row for row in rows()}
    if name in found:
        return found[name]
    raise UnknownProviderError(
        f"provider: none is named {_shown(name)}; try {', '.join(_near(name, found))}, or pass a Provider"
    )


def _shown(name: str) -> str:
    """`name`, unless it may be a key, which people pass first where other libraries want it there."""
    return (
        repr(name) if len(name) <= _SHOWN else f"as what was passed ({len(name)} characters, not shown: is it a key?)"
    )


def _near(name: str, rows: Mapping[str, Provider]) -> list[str]:
    """The names of rows that may have been meant: by their brand, those spelled alike, else all."""
    from difflib import get_close_matches  # noqa: PLC0415 - only needed to fail

    from llmkit.rows import BRANDS  # noqa: PLC0415

    brand = re.match(r"[a-z]*", name.lower())
    return [*BRANDS.get(brand[0] if brand else "", ())] or get_close_matches(name, rows, n=3) or sorted(rows)


def _installed() -> dict[str, Provider]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - it reads the file system

    rows = [row for entry in entry_points(group=ENTRY_POINTS) if (row := _offered(entry)) is not None]
    return {row.name: row for row in rows}


def _offered(entry: "EntryPoint") -> Provider | None:
    """The row of an entry point; None, with a warning, where there is none: one that is broken must not harm others."""
    try:
        row = entry.load()
        row = row if isinstance(row, Provider) else row()
    except Exception as exc:  # noqa: BLE001 - another distribution's code may raise anything
        reason = f"{type(exc).__name__}: {exc}"
    else:
        if isinstance(row, Provider):
            return row
        reason = f"it is a {type(row).__name__} and no Provider"
    text = f"the entry point {entry.name!r} of {ENTRY_POINTS} ({entry.value}) was left out: {reason}"
    warnings.warn(text[:500], UserWarning, stacklevel=4)
    return None
