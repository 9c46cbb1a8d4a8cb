"""How hosts deviate on the wire ``openai-responses``."""

from attrs import field, frozen

from llmkit.wire.quirks.common import Quirks


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
    batches: bool = field(default=True, kw_only=True)  # few others speak this wire
