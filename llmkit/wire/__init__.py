"""The wire formats, each imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from llmkit.wire.base import Wire

WIRES = {
    "anthropic-messages": "anthropic_messages",
    "openai-chat": "openai_chat",
    "openai-responses": "openai_responses",
    "gemini-generate": "gemini_generate",
}
"""Names of wires → the modules that speak them."""


def wire(name: str) -> "Wire":
    """The wire format of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in WIRES:
        raise ConfigurationError(f"wire: expected {' or '.join(WIRES)}, got {name!r}")
    return cast("Wire", import_module(f"{__name__}.{WIRES[name]}").WIRE)
