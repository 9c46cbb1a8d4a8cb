"""The wire ``openai-chat`` from the host's side: `whole` and `events` write answers, `host` is asked for them.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from llmkit.testing.openai_chat.answers import events, whole
from llmkit.testing.openai_chat.host import RENDERING

__all__ = ["RENDERING", "events", "whole"]
