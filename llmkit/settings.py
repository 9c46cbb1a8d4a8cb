"""What a client was made with."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from llmkit.checks import model_name, strings, wrong
from llmkit.deadlines import Timeout
from llmkit.errors import ConfigurationError
from llmkit.provider import Provider, provider
from llmkit.wire import WIRES

if TYPE_CHECKING:
    from llmkit.limits import RateLimit
    from llmkit.prices import Price

Unsupported: TypeAlias = Literal["error", "warn"]
INSECURE: Final = (
    "verify=False: no certificate is checked, so whoever is on the way can pretend to be the host, and read the key "
    "and the prompts; if its certificate is issued by a CA of your own, pass verify='/path/to/ca.pem'"
)


class Settings(NamedTuple):
    """What a client was made with, and makes a copy or an unpickled client again."""

    provider: str | Provider
    model: str | None
    base_url: str | None
    variables: Mapping[str, str]
    timeout: float | Timeout | None
    max_retries: int
    headers: Mapping[str, str]
    proxy: str | None
    verify: bool | str
    auth: Any
    session: Any
    unsupported: Unsupported
    options: Mapping[str, Any]
    rate_limit: "RateLimit | None" = None
    prices: "Mapping[str, Price] | None" = None
    aliases: Mapping[str, str] = {}
    profile: str | None = None


def limit_of(value: object) -> "RateLimit":
    """`rate_limit` as the engine takes it.

    Raises:
        ConfigurationError: It is none.
    """
    from llmkit.limits import RateLimit  # noqa: PLC0415 - only for who has one

    if not isinstance(value, RateLimit):
        raise wrong("rate_limit", "a RateLimit", value)
    return value


def verify_of(value: object) -> bool | str:
    """`verify` as the transport takes it.

    Raises:
        ConfigurationError: It is nothing of the kind.
    """
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise wrong("verify", "True, False or the path of a CA bundle", value)


def prices_of(value: object) -> "Mapping[str, Price] | None":
    """The caller's own prices.

    Raises:
        ConfigurationError: They are none.
    """
    if value is None:
        return None
    from llmkit.prices import table_of  # noqa: PLC0415 - only for who has some

    return table_of(value)


def aliases_of(value: object) -> Mapping[str, str]:
    """The caller's own names of models.

    Raises:
        ConfigurationError: They are none.
    """
    if value is None:
        return {}
    return {name: model_name(f"aliases.{name}", model) for name, model in strings("aliases", value).items()}


def names_of(row: Provider, aliases: Mapping[str, str]) -> Mapping[str, str]:
    """Every other name of a model → the host's own: the caller's, which may be names that the row has others for."""
    if not aliases:
        return row.aliases
    return {**row.aliases, **{name: row.aliases.get(model, model) for name, model in aliases.items()}}


def named_profile(value: object) -> str | None:
    """`profile`, where there is one.

    Raises:
        ConfigurationError: It is no name.
    """
    if value is None:
        return None
    from llmkit.keystore import name_of  # noqa: PLC0415 - only for who names one

    return name_of("profile", value)


def row_of(value: object) -> tuple[Provider, str | None]:
    """The row, and the model where it was named along.

    Raises:
        ConfigurationError: It is neither a name nor a row.
        UnknownProviderError: There is no row of that name.
    """
    if isinstance(value, Provider):
        return value, None
    if not isinstance(value, str):
        raise ConfigurationError(f"provider: expected a name or a Provider, got {type(value).__name__}")
    name, _, model = value.partition(":")
    return provider(name), model or None


def quirks_of(row: Provider) -> Any:
    """How the host deviates.

    Raises:
        ConfigurationError: The row's quirks are those of another wire, or none.
    """
    plain = WIRES[row.wire].quirks()
    if row.quirks is None:
        return plain
    expected = type(plain)
    if not isinstance(row.quirks, expected):
        raise ConfigurationError(
            f"provider.quirks: {row.wire} has {expected.__name__}, got {type(row.quirks).__name__}"
        )
    return row.quirks
