"""The wire ``openai-responses`` from the host's side: `whole` and `events` write answers, `host` is asked for them.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from llmkit.testing.openai_responses.answers import whole
from llmkit.testing.openai_responses.host import RENDERING
from llmkit.testing.openai_responses.streaming import events

__all__ = ["RENDERING", "events", "whole"]
