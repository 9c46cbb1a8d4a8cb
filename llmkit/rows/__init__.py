"""The rows of `llmkit.provider`: every host that llmkit knows by name, and how it deviates from its wire.

Facts of hosts are taken from their documentation, whose address stands with each, and from recordings of their answers.
"""

from typing import Final

from llmkit.provider import Provider
from llmkit.rows import anthropic, compatible, google, local, megallm, openai

ROWS: Final[tuple[Provider, ...]] = (
    *anthropic.ROWS,
    *openai.ROWS,
    *google.ROWS,
    *megallm.ROWS,
    *compatible.ROWS,
    *local.ROWS,
)

__all__ = ["ROWS"]
