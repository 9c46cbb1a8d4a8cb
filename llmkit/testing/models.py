"""The models that `FakeServer` begins with."""

from datetime import UTC, datetime
from typing import Final

from llmkit.response import Model

_CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ABLE: Final = frozenset({"image_input", "pdf_input", "structured_outputs", "thinking"})
MODELS: Final = (
    Model("claude-opus-5", "Claude Opus 5", _CREATED, 1_000_000, 128_000, _ABLE),
    Model("claude-sonnet-5", "Claude Sonnet 5", _CREATED, 1_000_000, 128_000, _ABLE),
    Model("claude-haiku-4-5", "Claude Haiku 4.5", _CREATED, 200_000, 64_000, _ABLE),
)
"""What `FakeServer.models` begins with."""
