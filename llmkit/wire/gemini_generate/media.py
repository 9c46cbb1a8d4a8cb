"""Media on the way out: in the body, or where they lie.

Source: https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from collections.abc import Mapping
from typing import Any, Final

from llmkit.media import Document, Image, Media
from llmkit.media.types import is_text
from llmkit.wire.base import Refuse
from llmkit.wire.gemini_generate import schema
from llmkit.wire.gemini_generate.schema import WIRE_NAME
from llmkit.wire.splice import Blobs

RESOLUTIONS: Final[Mapping[str, str]] = {
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
}
"""`Image.detail` → the level that it stands for."""


def media_part(part: Media, where: str, blobs: Blobs, refuse: Refuse) -> dict[str, Any] | None:
    """The part for `part`; None where it was refused.

    What kinds of media a model reads is its own affair, which the provider's errors tell best.
    """
    if part.data is None:
        file = _file(part, where, refuse)
        return None if file is None else {"fileData": file}
    kind = part.media_type or ""
    if isinstance(part, Document) and is_text(kind):
        # The one name under which every model and host reads text.
        if not _is_utf8(part.data):
            refuse(where, f"this wire takes text in UTF-8, and this {kind} is not")
            return None
        kind = "text/plain"
    blob: schema.Blob = {"mimeType": kind, "data": blobs.mark(part)}
    return {"inlineData": blob}


def resolution(part: Media) -> dict[str, Any]:
    """What stands beside a picture to say how closely to look at it; nothing where the model is to decide."""
    level = RESOLUTIONS.get(part.detail or "") if isinstance(part, Image) else None
    return {} if level is None else {"mediaResolution": {"level": level}}


def _file(part: Media, where: str, refuse: Refuse) -> schema.FileData | None:
    if part.file_id is not None and part.extra and WIRE_NAME not in part.extra:
        refuse(f"{where}.file_id", "the file lies with another provider")
        return None
    file: schema.FileData = {"fileUri": part.url or part.file_id or ""}
    if part.media_type:
        file["mimeType"] = part.media_type
    return file


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
