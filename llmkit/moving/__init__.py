"""What a conversation loses on its way to another provider."""

from llmkit.moving.conversation import portability
from llmkit.moving.losses import Fate, Loss, LossKind

__all__ = ["Fate", "Loss", "LossKind", "portability"]
