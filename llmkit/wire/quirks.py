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
        json_schema: Whether it has a mode for answers that fit a schema.
        schema_or_tools: Matches the start of the names, without the folder that they lie in, of models that take either
            such a schema or functions to call.
        unforced_models: The same of models that cannot be made to call a tool, as they think by themselves, say.
    """

    unsupported: frozenset[str] = frozenset()
    supported: frozenset[str] = frozenset()
    json_schema: bool = True
    schema_or_tools: str = r"(?!)"
    unforced_models: str = r"(?!)"


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
with an effort or a budget; an object ``thinking`` that is enabled or disabled, and ``reasoning_effort``; or
``enable_thinking`` with a ``thinking_budget``."""


@frozen
class OpenAIChatQuirks(Quirks):
    """How a host deviates on the wire ``openai-chat``.

    Attributes:
        keys: Options whose key in the body is not OpenAI's: option → key.
        reasoning: How it is told how much to reason.
        efforts: The words that it has for how much, least first; for another the next one below is sent. Where there
            are none it is only told whether to reason, which needs another form than ``effort``.
        takes_back: The fields of an answer's message, beside those of OpenAI's, that it takes back: ``reasoning``,
            ``annotations`` and the like, and ``content`` for thoughts that are blocks of the content. Others are left
            out, as they came from another host. None for all.
        reasoning_key: The field for thoughts that do not tell from which they came; ``content`` for blocks in the
            content.
        reasoning_with_calls: What `reasoning_key` holds in a turn that calls tools and has no thoughts, where such a
            turn without the field is refused; else None.
        text_parts: Whether several texts of one message may be sent as a list; else they are joined, a blank line
            between.
        url_parts: Media for which it has a type of block with an address or a data URI: ``audio``, ``video`` or
            ``document`` → type, as in ``video_url``. A ``document`` → ``file`` has the address instead of the data.
        stream_usage: Whether a stream is asked for usage by ``stream_options``; False where that is refused or where
            usage comes by itself.
        finish_reason: Whether it says why an answer ended. Where it never does, ``[DONE]`` alone ends a stream.
        cache: How `cache` is satisfied: ``automatic`` (the host caches by itself), ``cache_control`` (marks on parts),
            or None (it does not cache).
        result_media: Whether a tool's answer may hold media.
        call_id_length: How many letters and digits the id of a call must have; None for any id.
        call_id_most: How many characters it may have; None for any number.
        schema_form: The ``type`` under which a schema for answers is sent; with ``json_object`` it stands right beside.
        embed_batch: How many texts it embeds at once.
        models_path: Where its list of models is, below the base URL; None where it has none.
    """

    keys: Mapping[str, str] = field(factory=dict, hash=False)
    reasoning: ReasoningForm = "effort"
    efforts: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    takes_back: frozenset[str] | None = None
    reasoning_key: Literal["reasoning_content", "reasoning", "content"] = "reasoning_content"
    reasoning_with_calls: str | None = None
    text_parts: bool = True
    url_parts: Mapping[str, str] = field(factory=dict, hash=False)
    stream_usage: bool = True
    finish_reason: bool = True
    cache: Literal["automatic", "cache_control"] | None = "automatic"
    result_media: bool = False
    call_id_length: int | None = None
    call_id_most: int | None = None
    schema_form: Literal["json_schema", "json_object"] = "json_schema"
    embed_batch: int = 2048
    models_path: str | None = "/models"


@frozen
class OpenAIResponsesQuirks(Quirks):
    """How a host deviates on the wire ``openai-responses``.

    Attributes:
        reasoning_models: Matches the start of the names, without the folder that they lie in, of models that reason,
            which are asked for their encrypted reasoning even where a call does not speak of it.
        embed_batch: How many texts it embeds at once.
        models_path: Where its list of models is, below the base URL; None where it has none.
    """

    reasoning_models: str = r"(?!gpt-5-chat|gpt-5\.\d+-chat)(o\d|gpt-[5-9]|codex-|computer-use-)"
    embed_batch: int = 2048
    models_path: str | None = "/models"


Numbers: TypeAlias = Literal["developer", "cloud"]
"""Whose numbers a host of ``gemini-generate`` sends in place of words, where it is asked to: the Developer API's, or
Google Cloud's."""


@frozen
class GeminiGenerateQuirks(Quirks):
    """How a host deviates on the wire ``gemini-generate``.

    All patterns match the start of the names of models, without the folder that they lie in.

    Attributes:
        leveled_models: Models that are told a level of thinking; others are told a budget of tokens.
        unreasoning_models: Models that do not reason.
        levels: Pattern → the levels that a model knows, least first; the first that matches holds.
        budgets: Pattern → the budget that stands for no thinking, as far as the model can be kept from it, and the
            largest; the first that matches holds.
        max_output: Tokens that any model writes at most, thoughts included.
        folders: The folders that a model's name may begin with → how to get there from the base URL; a name without one
            is in ``models/``.
        labels: Whether it takes `metadata`, as ``labels``.
        call_ids: Whether it takes the ids of calls and results.
        numbers: Whose numbers stand for words in its answers, where they do.
        count_wrapped: Whether a whole request is counted, as ``generateContentRequest``; else its fields.
        embed: How texts are embedded: many by ``batchEmbedContents``, or one by ``embedContent``.
        predict_models: Models that embed by ``predict`` instead.
        embed_batch: How many texts it embeds at once.
        models_path: Where its list of models is, below the base URL; None where it has none.
    """

    leveled_models: str = r"gemini-([3-9]|flash|pro)"
    unreasoning_models: str = r"gemini-(1|2\.0|2\.5-\S*(image|tts))|gemma-[1-3]"
    schema_or_tools: str = field(default=r"gemini-[12]|gemma-[1-3]", kw_only=True)
    levels: tuple[tuple[str, tuple[str, ...]], ...] = (
        (r"gemini-3-pro", ("LOW", "HIGH")),
        (r"gemini-([\d.]+-)?pro", ("LOW", "MEDIUM", "HIGH")),
        (r"", ("MINIMAL", "LOW", "MEDIUM", "HIGH")),
    )
    budgets: tuple[tuple[str, int, int], ...] = ((r"gemini-2\.5-pro", 128, 32_768), (r"", 0, 24_576))
    max_output: int = 65_536
    folders: Mapping[str, str] = field(
        factory=lambda: dict.fromkeys(("models/", "tunedModels/", "publishers/", "projects/"), ""), hash=False
    )
    labels: bool = False
    call_ids: bool = True
    numbers: Numbers = "developer"
    count_wrapped: bool = True
    embed: Literal["batch", "single"] = "batch"
    predict_models: str = r"(?!)"
    embed_batch: int = 100
    models_path: str | None = "/models"
