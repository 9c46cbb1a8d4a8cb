"""Conversations as other programs have them, and as typed messages."""

from llmkit.history.dicts import typed

__all__ = ["typed"]
