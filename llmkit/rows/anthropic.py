"""Anthropic, and what is known of its models."""

from collections.abc import Mapping
from typing import Final

from llmkit.provider import Provider
from llmkit.wire.quirks import AnthropicMessagesQuirks, ModelFacts

# Source: https://platform.claude.com/docs/en/about-claude/models/overview and, for retired ones, its deprecations page.
_NEWEST = ModelFacts(128_000)
_FIRST_ADAPTIVE = ModelFacts(128_000, efforts=("low", "medium", "high", "max"))
CLAUDE_MODELS: Final[Mapping[str, ModelFacts]] = {
    **dict.fromkeys(
        (
            "claude-opus-5",
            "claude-opus-5-5",
            "claude-sonnet-5",
            "claude-sonnet-5-5",
            "claude-haiku-5-5",
            "claude-fable-5",
            "claude-fable-5-1",
            "claude-mythos-5",
            "claude-mythos-5-1",
            "claude-mythos-preview",
            "claude-opus-4-8",
            "claude-opus-4-7",
        ),
        _NEWEST,
    ),
    **dict.fromkeys(("claude-opus-4-6", "claude-sonnet-4-6"), _FIRST_ADAPTIVE),
    **dict.fromkeys(
        ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-sonnet-4", "claude-3-7-sonnet"),
        ModelFacts(64_000, "budget"),
    ),
    **dict.fromkeys(("claude-opus-4-1", "claude-opus-4"), ModelFacts(32_000, "budget")),
    **dict.fromkeys(("claude-3-5-sonnet", "claude-3-5-haiku"), ModelFacts(8192, None)),
    **dict.fromkeys(("claude-3-opus", "claude-3-sonnet", "claude-3-haiku"), ModelFacts(4096, None)),
}

ROWS: Final = (
    Provider(
        name="anthropic",
        wire="anthropic-messages",
        base_url="https://api.anthropic.com",
        key_variables=("ANTHROPIC_API_KEY",),
        auth="x-api-key",
        prices="anthropic",
        default_model="claude-sonnet-5",
        quirks=AnthropicMessagesQuirks(models=CLAUDE_MODELS, batches=True),
    ),
)
