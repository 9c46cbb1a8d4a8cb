"""MegaLLM, a gateway that speaks two formats and takes its key in either header.

Source: https://docs.megallm.io
"""

from typing import Final

from llmkit.provider import Provider
from llmkit.wire.quirks import AnthropicMessagesQuirks, ModelFacts, OpenAIChatQuirks

# Names that the models have elsewhere → MegaLLM's own.
_ALIASES: Final = {
    "claude-3-5-sonnet": "claude-3.5-sonnet",
    "claude-3-5-sonnet-latest": "claude-3.5-sonnet",
    "claude-3-5-sonnet-20241022": "claude-3.5-sonnet",
    "claude-3-7-sonnet": "claude-3.7-sonnet",
    "claude-3-7-sonnet-latest": "claude-3.7-sonnet",
    "claude-3-7-sonnet-20250219": "claude-3.7-sonnet",
    "claude-sonnet-4-0": "claude-sonnet-4",
    "claude-sonnet-4-20250514": "claude-sonnet-4",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4.1": "claude-opus-4-1-20250805",
}
_MODELS: Final = {
    "claude-3.5-sonnet": ModelFacts(8192, None),
    "claude-3.7-sonnet": ModelFacts(64_000, "budget"),
    "claude-sonnet-4": ModelFacts(64_000, "budget"),
    "claude-opus-4-1": ModelFacts(32_000, "budget"),
}

ROWS: Final = (
    Provider(
        name="megallm",
        wire="anthropic-messages",
        base_url="https://ai.megallm.io",
        key_variables=("MEGALLM_API_KEY",),
        auth="x-api-key+bearer",
        default_model="claude-sonnet-4",
        aliases=_ALIASES,
        # Its documentation of this format knows neither `output_config` nor schemas for answers.
        quirks=AnthropicMessagesQuirks(models=_MODELS, system_turns=False, model_slash=True, json_schema=False),
    ),
    Provider(
        name="megallm-openai",
        wire="openai-chat",
        base_url="https://ai.megallm.io",
        key_variables=("MEGALLM_API_KEY",),
        auth="x-api-key+bearer",
        default_model="claude-sonnet-4",
        aliases=_ALIASES,
        quirks=OpenAIChatQuirks(keys={"max_tokens": "max_tokens"}),
    ),
)
