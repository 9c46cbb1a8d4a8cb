"""Where a model is asked: its name as a path.

Source: https://ai.google.dev/api/models
"""

from urllib.parse import quote

from llmkit.wire.base import need
from llmkit.wire.quirks import GeminiGenerateQuirks


def model_name(model: str, quirks: GeminiGenerateQuirks) -> str:
    """The name with its folder, which is `models` unless it says another; every piece quoted.

    Raises:
        ConfigurationError: It cannot stand in a path.
    """
    pieces = (model if model.startswith(tuple(quirks.folders)) else f"models/{model}").split("/")
    need(
        not any(piece in ("", ".", "..") for piece in pieces),
        "model",
        f"expected a name, or one like models/…, tunedModels/…, got {model[:140]!r}",
    )
    return "/".join(quote(piece, safe="@") for piece in pieces)


def method(model: str, name: str, quirks: GeminiGenerateQuirks) -> str:
    """The path of a method of a model."""
    found = model_name(model, quirks)
    return f"{quirks.folders.get(found.partition('/')[0] + '/', '')}/{found}:{name}"
