"""How hosts deviate on the wire ``gemini-generate``."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import field, frozen

from llmkit.wire.quirks.common import Quirks

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
