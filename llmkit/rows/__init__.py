"""The rows of `llmkit.provider`: every host that llmkit knows by name, and how it deviates from its wire.

Facts of hosts are taken from their documentation, whose address stands with each, and from recordings of their answers.
"""

from collections.abc import Mapping
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

# Names of companies and of their models, as people may call a host → the rows that may be meant.
BRANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "claude": ("anthropic",),
    "gpt": ("openai", "openai-chat"),
    "chatgpt": ("openai", "openai-chat"),
    "google": ("gemini", "vertex"),
    "googleai": ("gemini", "vertex"),
    "vertexai": ("vertex",),
    "grok": ("xai",),
    "kimi": ("moonshot",),
    "qwen": ("dashscope",),
    "alibaba": ("dashscope",),
    "glm": ("zai",),
    "zhipu": ("zai",),
    "command": ("cohere",),
    "sonar": ("perplexity",),
    "hf": ("huggingface",),
    "copilot": ("github",),
    "microsoft": ("azure",),
}

__all__ = ["BRANDS", "ROWS"]
