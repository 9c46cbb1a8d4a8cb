"""The wire ``anthropic-messages`` from the host's side: `whole` and `events` write answers, `host` is asked for them.

Source: https://platform.claude.com/docs/en/api/messages
"""

from llmkit.testing.anthropic_messages.answers import events, whole
from llmkit.testing.anthropic_messages.host import RENDERING

__all__ = ["RENDERING", "events", "whole"]
