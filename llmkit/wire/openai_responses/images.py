"""Pictures that the provider makes: item → part → item.

Source: https://platform.openai.com/docs/guides/tools-image-generation
"""

import binascii
from collections.abc import Mapping
from typing import Any

from llmkit.errors import MediaError
from llmkit.media import Image
from llmkit.messages import Opaque
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.reading import text_or


def image(item: dict[str, Any]) -> Image | Opaque:
    """The picture; `Opaque` where there is none, or none that can be read."""
    data = _decoded(text_or(item.get("result"), ""))
    if data:
        extra = {key: value for key, value in item.items() if key != "result" and value is not None}
        # What the content is, it says itself; what was asked for is a guess.
        for told in (None, _declared(item)):
            try:
                return Image(data, media_type=told, extra={WIRE_NAME: extra})
            except MediaError:
                continue
    return Opaque(WIRE_NAME, item)


def was_made(part: Image) -> bool:
    """Whether the provider made it, and takes it back as what it was."""
    return (part.extra.get(WIRE_NAME) or {}).get("type") == "image_generation_call" and part.data is not None


def image_item(part: Image, base64: str) -> dict[str, Any]:
    """The item that `part` was, which `was_made`."""
    return {**part.extra[WIRE_NAME], "result": base64}


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return b""


def _declared(item: Mapping[str, Any]) -> str | None:
    told = text_or(item.get("output_format"), None)
    return None if told is None else f"image/{told}"
