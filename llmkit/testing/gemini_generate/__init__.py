"""The wire ``gemini-generate`` from the host's side: `whole` and `events` write answers, `host` is asked for them.

Source: https://ai.google.dev/api/generate-content
"""

from llmkit.testing.gemini_generate.answers import events, whole
from llmkit.testing.gemini_generate.host import RENDERING

__all__ = ["RENDERING", "events", "whole"]
