"""Hosts that speak OpenAI's Chat format, each with its own accent.

Options are refused only where the host's documentation says that it refuses them.
"""

from typing import Any, Final

from llmkit.provider import Provider
from llmkit.wire.quirks import OpenAIChatQuirks

_OLD_KEYS: Final = {"max_tokens": "max_tokens"}  # the key that most hosts had before OpenAI renamed its own


def _row(name: str, base_url: str, *key_variables: str, **rest: Any) -> Provider:
    return Provider(name=name, wire="openai-chat", base_url=base_url, key_variables=key_variables, **rest)


ROWS: Final = (
    # https://openrouter.ai/docs/api-reference/chat-completion
    _row(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        prices="openrouter",
        default_model="openrouter/auto",
        quirks=OpenAIChatQuirks(
            supported=frozenset({"top_k"}),
            reasoning="object",
            reasoning_key="reasoning",
            url_parts={"video": "video_url", "document": "file"},
            result_media=True,
            finish_reason=False,  # some of the hosts behind it never send one
            cache="cache_control",
        ),
    ),
    # https://console.groq.com/docs/openai; which models answer in a schema:
    # https://console.groq.com/docs/structured-outputs
    _row(
        "groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        prices="groq",
        default_model="openai/gpt-oss-120b",
        # An unknown key of a message is refused.
        quirks=OpenAIChatQuirks(
            unsupported=frozenset({"logprobs"}), reasoning_key="reasoning", takes_back=frozenset({"reasoning"})
        ),
    ),
    # https://docs.mistral.ai/api: unknown keys of a body are refused
    _row(
        "mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        prices="mistral",
        telemetry="mistral_ai",
        default_model="mistral-large-latest",
        embedding_model="mistral-embed",
        quirks=OpenAIChatQuirks(
            unsupported=frozenset({"logprobs", "service_tier"}),
            keys={**_OLD_KEYS, "seed": "random_seed", "dimensions": "output_dimension"},
            stream_usage=False,  # it tells without being asked
            efforts=("none", "high"),
            reasoning_key="content",
            takes_back=frozenset({"content"}),
            url_parts={"document": "document_url"},
            call_id_length=9,
            embed_batch=128,
        ),
    ),
    # https://api-docs.deepseek.com; JSON without a schema only: https://api-docs.deepseek.com/guides/json_mode
    _row(
        "deepseek",
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        prices="deepseek",
        default_model="deepseek-chat",
        quirks=OpenAIChatQuirks(
            keys=_OLD_KEYS,
            reasoning="thinking",
            takes_back=frozenset({"reasoning_content"}),
            reasoning_with_calls="",
            json_schema=False,
            unforced_models=r"deepseek-(reasoner|v\d)",  # "Thinking mode does not support this tool_choice"
        ),
    ),
    # https://docs.x.ai/docs/api-reference
    _row(
        "xai",
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        prices="x-ai",
        telemetry="x_ai",
        default_model="grok-4",
    ),
    # https://docs.together.ai/reference/chat-completions
    _row(
        "together",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
        prices="together",
        default_model="openai/gpt-oss-120b",
        quirks=OpenAIChatQuirks(supported=frozenset({"top_k"}), keys=_OLD_KEYS),
    ),
    # https://docs.fireworks.ai/api-reference/post-chatcompletions
    _row(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        prices="fireworks",
        default_model="accounts/fireworks/models/gpt-oss-120b",
        quirks=OpenAIChatQuirks(supported=frozenset({"top_k"}), keys=_OLD_KEYS),
    ),
    # https://inference-docs.cerebras.ai/api-reference/chat-completions
    _row(
        "cerebras",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        prices="cerebras",
        default_model="gpt-oss-120b",
        quirks=OpenAIChatQuirks(
            unsupported=frozenset({"frequency_penalty", "presence_penalty"}),
            reasoning_key="reasoning",
            takes_back=frozenset({"reasoning"}),  # an unknown key of a message is refused
        ),
    ),
    # https://docs.perplexity.ai/api-reference/chat-completions-post
    _row(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        "PPLX_API_KEY",
        suffix="",
        prices="perplexity",
        default_model="sonar",
        quirks=OpenAIChatQuirks(
            supported=frozenset({"top_k"}),
            unsupported=frozenset({"tools", "tool_choice", "parallel_tool_calls", "logprobs"}),
            keys=_OLD_KEYS,
            stream_usage=False,  # every chunk has it
            url_parts={"document": "file_url"},
            models_path=None,
        ),
    ),
    # https://docs.cohere.com/docs/compatibility-api, also on schemas: https://docs.cohere.com/docs/structured-outputs
    _row(
        "cohere",
        "https://api.cohere.ai/compatibility/v1",
        "COHERE_API_KEY",
        "CO_API_KEY",
        prices="cohere",
        default_model="command-a-03-2025",
        embedding_model="embed-v4.0",
        quirks=OpenAIChatQuirks(
            unsupported=frozenset({"metadata", "service_tier", "parallel_tool_calls", "logprobs"}),
            keys=_OLD_KEYS,
            efforts=("none", "high"),
            schema_form="json_object",
            embed_batch=96,
            models_path="/../../v1/models",
        ),
    ),
    # https://docs.api.nvidia.com/nim/reference/llm-apis
    _row(
        "nvidia",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_API_KEY",
        default_model="nvidia/llama-3.3-nemotron-super-49b-v1.5",
        quirks=OpenAIChatQuirks(keys=_OLD_KEYS),
    ),
    # https://huggingface.co/docs/inference-providers
    _row(
        "huggingface",
        "https://router.huggingface.co/v1",
        "HF_TOKEN",
        "HUGGINGFACE_API_KEY",
        default_model="openai/gpt-oss-120b",
        quirks=OpenAIChatQuirks(keys=_OLD_KEYS),
    ),
    # https://docs.github.com/rest/models
    _row(
        "github",
        "https://models.github.ai/inference",
        "GITHUB_TOKEN",
        suffix="",
        default_model="openai/gpt-4.1",
        embedding_model="openai/text-embedding-3-small",
        quirks=OpenAIChatQuirks(call_id_most=40, models_path="/../catalog/models"),
    ),
    # https://platform.moonshot.ai/docs/api/chat
    _row(
        "moonshot",
        "https://api.moonshot.ai/v1",
        "MOONSHOT_API_KEY",
        prices="moonshotai",
        telemetry="moonshot_ai",
        default_model="kimi-k2.5",
        quirks=OpenAIChatQuirks(
            keys=_OLD_KEYS,
            reasoning="thinking",
            efforts=(),
            takes_back=frozenset({"reasoning_content"}),
            reasoning_with_calls=" ",  # empty text counts as none
        ),
    ),
    # https://docs.z.ai/api-reference/llm/chat-completion; JSON without a schema only:
    # https://docs.z.ai/guides/capabilities/struct-output
    _row(
        "zai",
        "https://api.z.ai/api/paas/v4",
        "ZAI_API_KEY",
        suffix="/v4",
        prices="zai",
        default_model="glm-5",
        quirks=OpenAIChatQuirks(
            keys=_OLD_KEYS,
            reasoning="thinking",
            efforts=(),
            json_schema=False,
            unforced_models=r"",  # "only auto is supported"
        ),
    ),
    # https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-openai-chat-completions; which models answer in a
    # schema: https://www.alibabacloud.com/help/en/model-studio/qwen-structured-output
    _row(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        default_model="qwen-plus",
        embedding_model="text-embedding-v4",
        quirks=OpenAIChatQuirks(
            supported=frozenset({"top_k"}),
            keys=_OLD_KEYS,
            reasoning="enable_thinking",
            url_parts={"video": "video_url"},
            embed_batch=10,
        ),
    ),
)
