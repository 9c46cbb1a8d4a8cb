"""The rows of `llmkit.provider`: every host that llmkit knows by name, and how it deviates from its wire.

Facts of hosts are taken from their documentation, whose address stands with each, and from recordings of their answers.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from llmkit.provider import Provider

_FILES: Final = ("anthropic", "openai", "google", "megallm", "compatible", "local")
# Hosts that are asked for most → the file of their row, so that no other need be read.
_FILE_OF: Final = {"gemini": "google", "openai": "openai", "openai-chat": "openai"}


def rows(name: str = "") -> Iterator[Provider]:
    """Every row, read as far as it is asked for; where `name` is most likely to be found first."""
    first = _FILE_OF.get(name)
    for file in (first, *_FILES) if first else _FILES:
        yield from import_module(f"{__name__}.{file}").ROWS


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
