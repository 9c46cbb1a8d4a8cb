"""How hosts and models deviate from their wire: data, which the wires read where it matters.

Apart from the wires, so that the table of hosts can be read without importing them; and each wire's own apart, so that
a client of one needs no other's.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmkit.wire.quirks.anthropic_messages import AnthropicMessagesQuirks as AnthropicMessagesQuirks
    from llmkit.wire.quirks.anthropic_messages import ModelFacts as ModelFacts
    from llmkit.wire.quirks.common import Quirks as Quirks
    from llmkit.wire.quirks.gemini_generate import GeminiGenerateQuirks as GeminiGenerateQuirks
    from llmkit.wire.quirks.gemini_generate import Numbers as Numbers
    from llmkit.wire.quirks.openai_chat import OpenAIChatQuirks as OpenAIChatQuirks
    from llmkit.wire.quirks.openai_chat import ReasoningForm as ReasoningForm
    from llmkit.wire.quirks.openai_responses import OpenAIResponsesQuirks as OpenAIResponsesQuirks

_DOORS = {
    "AnthropicMessagesQuirks": "anthropic_messages",
    "GeminiGenerateQuirks": "gemini_generate",
    "ModelFacts": "anthropic_messages",
    "Numbers": "gemini_generate",
    "OpenAIChatQuirks": "openai_chat",
    "OpenAIResponsesQuirks": "openai_responses",
    "Quirks": "common",
    "ReasoningForm": "openai_chat",
}

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        if name not in _DOORS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_DOORS[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_DOORS})
