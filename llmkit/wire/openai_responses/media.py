"""Media and texts of a request as the parts that the wire takes in messages and in answers to calls.

Source: https://platform.openai.com/docs/guides/file-inputs
"""

from collections.abc import Mapping
from typing import Final, Literal

from llmkit.media import Audio, Document, Image, Media
from llmkit.messages import Text
from llmkit.wire.base import Refuse
from llmkit.wire.openai_responses import schema
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.splice import Blobs

IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
AUDIO_FORMATS: Final[Mapping[str, Literal["mp3", "wav"]]] = {"audio/mpeg": "mp3", "audio/wav": "wav"}
_SUFFIXES: Final[Mapping[str, str]] = {
    "application/pdf": ".pdf",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
}


class MediaEncoder:
    """What stands in a body for the media of one request."""

    def __init__(self, blobs: Blobs, refuse: Refuse) -> None:
        self._blobs = blobs
        self._refuse = refuse

    def base64(self, part: Media) -> str:
        """What stands in the body for the content of `part`, which has `data`."""
        return self._blobs.mark(part)

    def image(self, part: Image, where: str) -> schema.InputImage | None:
        """The part for a picture; None where it was refused."""
        found: schema.InputImage = {"type": "input_image"}
        if part.data is not None:
            if part.media_type not in IMAGE_TYPES:
                return self._refuse(where, f"this wire takes JPEG, PNG, GIF and WebP, not {part.media_type}")
            found["image_url"] = self._uri(part)
        elif part.url is not None:
            found["image_url"] = part.url
        elif self._is_here(part, where):
            found["file_id"] = part.file_id
        else:
            return None
        if part.detail is not None:
            found["detail"] = part.detail
        return found

    def document(self, part: Document, where: str) -> list[schema.InputPart]:
        """The parts for a document: what the model is told about it, and the file; none where it was refused."""
        found: schema.InputFile = {"type": "input_file"}
        if part.data is not None:
            found["filename"] = part.name or f"document{_suffix(part.media_type or '')}"
            found["file_data"] = self._uri(part)
        elif part.url is not None:
            found["file_url"] = part.url
        elif self._is_here(part, where):
            found["file_id"] = part.file_id
        else:
            return []
        if part.citations:
            self._refuse(f"{where}.citations", "this wire does not cite from documents that are sent along")
        about: list[schema.InputPart] = [{"type": "input_text", "text": part.context}] if part.context else []
        return [*about, found]

    def file(self, part: Image | Document) -> schema.InputFile:
        """The part for a file with its content, as in a caller's payload."""
        named: schema.InputFile = {"type": "input_file", "file_data": self._uri(part)}
        if part.name:
            named["filename"] = part.name
        return named

    def audio(self, part: Audio, where: str) -> schema.InputAudio | None:
        """The part for a sound; None where it was refused."""
        if part.data is None:
            return self._refuse(where, "this wire takes a sound's content only, no address and no file's id")
        form = AUDIO_FORMATS.get(part.media_type or "")
        if form is None:
            return self._refuse(where, f"this wire takes MP3 and WAV, not {part.media_type}")
        return {"type": "input_audio", "input_audio": {"data": self._blobs.mark(part), "format": form}}

    def _uri(self, part: Media) -> str:
        return f"data:{part.media_type};base64,{self._blobs.mark(part)}"

    def _is_here(self, part: Image | Document, where: str) -> bool:
        if part.extra and WIRE_NAME not in part.extra:
            self._refuse(f"{where}.file_id", "the file lies with another provider")
            return False
        return True


def text(part: Text) -> schema.InputText | None:
    """The part for words; None for none."""
    return {"type": "input_text", "text": part.text} if part.text else None


def _suffix(media_type: str) -> str:
    """By which the provider tells what a file without a name is."""
    return _SUFFIXES.get(media_type, ".txt" if media_type.startswith("text/") else "")
