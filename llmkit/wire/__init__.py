"""The wire formats, each imported when it is first used."""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from llmkit.wire.base import Wire


class Format(NamedTuple):
    """What is known of a wire before it is imported: a client is made without it.

    Attributes:
        module: Speaks it.
        quirks_name: Of the class whose instances say how a host deviates.
        version: What a base URL must end in, unless it ends in another version; it is added once.
        version_anywhere: Whether a version further in front in a base URL will do, as those clients of the format that
            are told a base URL add nothing to it.
    """

    module: str
    quirks_name: str
    version: str
    version_anywhere: bool = False

    def quirks(self) -> Any:
        """Those of a host that does not deviate."""
        return getattr(import_module(f"{__name__}.quirks.{self.module}"), self.quirks_name)()


WIRES = {
    "anthropic-messages": Format("anthropic_messages", "AnthropicMessagesQuirks", "/v1"),
    "openai-chat": Format("openai_chat", "OpenAIChatQuirks", "/v1", version_anywhere=True),
    "openai-responses": Format("openai_responses", "OpenAIResponsesQuirks", "/v1", version_anywhere=True),
    "gemini-generate": Format("gemini_generate", "GeminiGenerateQuirks", "/v1beta"),
}


@cache
def wire(name: str) -> "Wire":
    """The wire format of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in WIRES:
        raise ConfigurationError(f"wire: expected {' or '.join(WIRES)}, got {name!r}")
    return cast("Wire", import_module(f"{__name__}.{WIRES[name].module}").WIRE)
