"""How hosts and models deviate from their wire: data, which the wires read where it matters.

Apart from the wires, so that the table of hosts can be read without importing them.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

_VERSION = re.compile(r"([-@]\d{8}|-latest|-0)$")

_ALL_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


@frozen
class ModelFacts:
    """What encoding a request for a model needs to know of it.

    Attributes:
        max_output: Tokens that it can write; None where unknown.
        reasoning: ``adaptive``: it is told an effort and decides itself; ``budget``: it is told how many tokens;
            None: it does not reason.
        efforts: The efforts that it knows, least first.
    """

    max_output: int | None = None
    reasoning: Literal["adaptive", "budget"] | None = "adaptive"
    efforts: tuple[str, ...] = _ALL_EFFORTS


@frozen(kw_only=True)
class Quirks:
    """What may deviate on every wire.

    Attributes:
        unsupported: Options that the wire has and the host has not.
        supported: Options that the host has although the wire has not.
    """

    unsupported: frozenset[str] = frozenset()
    supported: frozenset[str] = frozenset()


@frozen
class AnthropicMessagesQuirks(Quirks):
    """How a host deviates on the wire ``anthropic-messages``.

    Attributes:
        models: Names without dates → facts.
        system_turns: Whether a system message may stand amid a conversation; else it is sent with the first.
        model_slash: Whether a model's name may hold a slash.
    """

    models: Mapping[str, ModelFacts] = field(factory=dict, hash=False)
    system_turns: bool = True
    model_slash: bool = False

    def facts(self, model: str) -> ModelFacts:
        """What is known of `model`, whatever date it ends in."""
        return self.models.get(model) or self.models.get(_VERSION.sub("", model)) or ModelFacts()


ReasoningForm: TypeAlias = Literal["effort", "object", "thinking", "enable_thinking"]
"""How a host of ``openai-chat`` is told how much to reason: ``reasoning_effort`` with a word; an object ``reasoning``
with an effort or a budget; an object ``thinking`` that is enabled or disabled; ``enable_thinking`` with a
``thinking_budget``."""


@frozen
class OpenAIChatQuirks(Quirks):
    """How a host deviates on the wire ``openai-chat``.

    Attributes:
        keys: Options whose key in the body is not OpenAI's: option → key.
        reasoning: How it is told how much to reason.
        reasoning_back: Whether it takes its thoughts back, in the field in which it told them.
        stream_usage: Whether a stream is asked for usage by ``stream_options``; False where that is refused or where
            usage comes by itself.
        finish_reason: Whether it says why an answer ended. Where it never does, ``[DONE]`` alone ends a stream.
        cache: How `cache` is satisfied: ``automatic`` (the host caches by itself), ``cache_control`` (marks on parts),
            or None (it does not cache).
        call_id_length: How many letters and digits the id of a call must have; None for any id.
        json_schema: Whether it has a mode for answers that fit a schema.
        embed_batch: How many texts it embeds at once.
        models_path: Where its list of models is, below the base URL; None where it has none.
    """

    keys: Mapping[str, str] = field(factory=dict, hash=False)
    reasoning: ReasoningForm = "effort"
    reasoning_back: bool = True
    stream_usage: bool = True
    finish_reason: bool = True
    cache: Literal["automatic", "cache_control"] | None = "automatic"
    call_id_length: int | None = None
    json_schema: bool = True
    embed_batch: int = 2048
    models_path: str | None = "/models"


@frozen
class OpenAIResponsesQuirks(Quirks):
    """How a host deviates on the wire ``openai-responses``.

    Attributes:
        reasoning_models: Matches the start of the names of models that reason, which are asked for their encrypted
            reasoning even where a call does not speak of it.
        embed_batch: How many texts it embeds at once.
        models_path: Where its list of models is, below the base URL; None where it has none.
    """

    reasoning_models: str = r"(?!gpt-5-chat|gpt-5\.\d+-chat)(o\d|gpt-[5-9]|codex-|computer-use-)"
    embed_batch: int = 2048
    models_path: str | None = "/models"


@frozen
class GeminiGenerateQuirks(Quirks):
    """How a host deviates on the wire ``gemini-generate``.

    Attributes:
        leveled_models: Matches the start of the names of models that are told a level of thinking; others are told a
            budget of tokens.
        labels: Whether it takes `metadata`, as ``labels``.
        call_ids: Whether it takes the ids of calls and results.
        embed_batch: How many texts it embeds at once.
    """

    leveled_models: str = r"gemini-([3-9]|flash|pro)"
    labels: bool = False
    call_ids: bool = True
    embed_batch: int = 100
