"""How hosts and models deviate on the wire ``anthropic-messages``."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from attrs import field, frozen

from llmkit.wire.quirks.common import Quirks

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
