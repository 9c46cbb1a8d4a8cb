"""How hosts deviate on the wire ``openai-chat``."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from llmkit.wire.quirks.common import Quirks

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
