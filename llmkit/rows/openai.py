"""OpenAI, by either of its formats, and Azure's deployments of its models.

Sources: https://platform.openai.com/docs/api-reference,
https://learn.microsoft.com/azure/ai-foundry/openai/reference
"""

from typing import Final

from llmkit.provider import Provider
from llmkit.wire.quirks import OpenAIChatQuirks

_MODEL: Final = "gpt-5.6-terra"
_EMBEDDING_MODEL: Final = "text-embedding-3-small"
# OpenAI tells no reasoning in this format, and knows no field of a message to send it back in. What else hosts tell
# beside an answer goes back: with a base URL of its own, this row stands for any host of the format.
_TAKEN: Final = frozenset({"annotations", "images", "extra_content", "provider_specific_fields", "thinking_blocks"})
_CHAT: Final = OpenAIChatQuirks(takes_back=_TAKEN, call_id_most=40, batches=True)

ROWS: Final = (
    Provider(
        name="openai",
        wire="openai-responses",
        base_url="https://api.openai.com",
        key_variables=("OPENAI_API_KEY",),
        prices="openai",
        default_model=_MODEL,
        embedding_model=_EMBEDDING_MODEL,
    ),
    Provider(
        name="openai-chat",
        wire="openai-chat",
        base_url="https://api.openai.com",
        key_variables=("OPENAI_API_KEY",),
        prices="openai",
        telemetry="openai",
        default_model=_MODEL,
        embedding_model=_EMBEDDING_MODEL,
        quirks=_CHAT,
    ),
    Provider(
        name="azure",
        wire="openai-chat",
        base_url="{endpoint}",
        key_variables=("AZURE_OPENAI_API_KEY",),
        auth="api-key",
        # A deployment is named like its model where nothing else is said, and stands for it where it is named.
        prices="azure",
        telemetry="azure.ai.openai",
        default_model="{deployment}",
        suffix="/openai/deployments/{deployment}",
        variables={
            "endpoint": ("AZURE_OPENAI_ENDPOINT",),
            "deployment": (),
            "api_version": ("OPENAI_API_VERSION",),
        },
        defaults={"deployment": "{model}"},
        query={"api-version": "{api_version}"},
        quirks=OpenAIChatQuirks(takes_back=frozenset(), call_id_most=40, models_path="/../../models"),
    ),
)
