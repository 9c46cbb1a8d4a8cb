"""Servers that run on one's own machine, and need no key there."""

from typing import Final

from attrs import evolve

from llmkit.provider import Provider
from llmkit.wire.quirks import OpenAIChatQuirks

_QUIRKS: Final = OpenAIChatQuirks(supported=frozenset({"top_k"}), keys={"max_tokens": "max_tokens"})

ROWS: Final = (
    # https://docs.ollama.com/api/openai-compatibility
    Provider(
        name="ollama",
        wire="openai-chat",
        base_url="http://localhost:11434",
        key_variables=("OLLAMA_API_KEY",),
        needs_key=False,
        quirks=OpenAIChatQuirks(
            unsupported=frozenset({"tool_choice"}), reasoning_key="reasoning", keys={"max_tokens": "max_tokens"}
        ),
    ),
    # https://lmstudio.ai/docs/developer/openai-compat
    Provider(
        name="lmstudio",
        wire="openai-chat",
        base_url="http://localhost:1234",
        key_variables=("LMSTUDIO_API_KEY",),
        needs_key=False,
        quirks=_QUIRKS,
    ),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    Provider(
        name="vllm",
        wire="openai-chat",
        base_url="http://localhost:8000",
        key_variables=("VLLM_API_KEY",),
        needs_key=False,
        quirks=evolve(_QUIRKS, url_parts={"video": "video_url", "audio": "audio_url"}),
    ),
    # https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    Provider(
        name="llamacpp",
        wire="openai-chat",
        base_url="http://localhost:8080",
        key_variables=("LLAMA_API_KEY",),
        needs_key=False,
        quirks=_QUIRKS,
    ),
    # https://docs.litellm.ai/docs/simple_proxy: a proxy, mostly on one's own machine, with keys of its own
    Provider(
        name="litellm",
        wire="openai-chat",
        base_url="http://localhost:4000",
        key_variables=("LITELLM_API_KEY", "LITELLM_MASTER_KEY"),
        quirks=OpenAIChatQuirks(supported=frozenset({"top_k"})),
    ),
)
