"""Media in answers. What they are is believed of the content, as hosts declare it wrongly; nothing here fails.

Source: https://platform.openai.com/docs/guides/audio
"""

from collections.abc import Iterator
from typing import Any

from llmkit.errors import MediaError
from llmkit.media import Audio, Image, sources
from llmkit.messages import Opaque
from llmkit.wire.openai_chat.schema import WIRE_NAME
from llmkit.wire.reading import text_or


def picture(block: dict[str, Any], field: str) -> Image | Opaque:
    """A block ``image_url``; as it is where that is no picture.

    Args:
        block: As the provider sent it.
        field: Of the message in which it stood, so that it is sent back there.
    """
    inner = block.get("image_url")
    url = text_or(inner.get("url") if isinstance(inner, dict) else inner, "")
    rest = {key: value for key, value in block.items() if key not in ("type", "image_url") and value is not None}
    extra = {WIRE_NAME: {"field": field, **rest}}
    try:
        if not sources.is_data_uri(url):
            return Image(url=url, extra=extra)
        read = sources.read_data_uri(url)
    except MediaError:
        return Opaque(WIRE_NAME, block)
    for media_type in (None, read.media_type):
        try:
            return Image(read.data, media_type=media_type, extra=extra)
        except MediaError:
            continue
    return Opaque(WIRE_NAME, block)


def audio(sound: dict[str, Any]) -> Iterator[Audio]:
    """The sound of a message; only its id where its content is broken, nothing where it has neither.

    Args:
        sound: As the provider sent it; its `data` is base64, or bytes.
    """
    name, transcript, data = text_or(sound.get("id"), None), text_or(sound.get("transcript"), None), sound.get("data")
    extra = {WIRE_NAME: {"id": name}} if name else {}
    try:
        content = data if isinstance(data, bytes) else sources.from_base64(text_or(data, ""))
        yield from _heard(content, transcript, extra)
    except MediaError:
        if name:
            yield Audio(file_id=name, transcript=transcript, extra=extra)


def _heard(content: bytes, transcript: str | None, extra: dict[str, dict[str, Any]]) -> Iterator[Audio]:
    try:
        yield Audio(content, transcript=transcript, extra=extra)
    except MediaError:
        # The answer does not say the format: what shows none is samples without a header.
        yield Audio(content, media_type="audio/pcm", transcript=transcript, extra=extra)
