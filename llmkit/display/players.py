"""Pictures, sounds, films and documents as HTML without scripts. Pure.

What is in a part stands in the page, so that a notebook holds it; what has an address is read from there by the
browser. Nothing is read here.
"""

import html
import struct
from collections.abc import Callable
from typing import Final, assert_never

from llmkit.display.controls import shown
from llmkit.media import Audio, Document, Image, Media, Video, base64_of

MEDIA: Final = (Image, Audio, Video, Document)
LARGEST: Final = 8 * 2**20  # bytes that are put into a page
_PICTURES: Final = frozenset(
    f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "bmp", "svg+xml", "avif", "vnd.microsoft.icon")
)
_SAMPLES: Final = ("audio/pcm", "audio/l16")  # without a header, which browsers do not play
_RATE: Final = 24_000  # samples a second, where a type does not tell: what the providers make
_READ: Final = 2_000  # characters of a text
_WIDE: Final = "max-width:100%"
_KIB: Final = 1024


def of_medium(part: Media) -> str:
    """What shows or plays it; where that cannot be, what it is."""
    if part.data is not None and len(part.data) > LARGEST:
        return _about(part, "too large to be shown here")
    match part:
        case Image():
            found = _image(part)
        case Audio():
            found = _audio(part)
        case Video():
            found = _sourced(part, lambda at: f'<video controls preload="metadata" style="{_WIDE}" src="{at}"></video>')
        case Document():
            found = _document(part)
        case _:
            assert_never(part)
    return found


def size(count: int) -> str:
    """Bytes, for people."""
    if count < _KIB:
        return f"{count} bytes"
    return f"{count / _KIB:.0f} KiB" if count < _KIB * _KIB else f"{count / _KIB / _KIB:.1f} MiB"


def _image(part: Image) -> str:
    if part.data is not None and part.media_type not in _PICTURES:
        return _about(part, "which browsers do not show")
    name = _text(part.name or "")
    return _sourced(part, lambda at: f'<img alt="{name}" referrerpolicy="no-referrer" style="{_WIDE}" src="{at}">')


def _audio(part: Audio) -> str:
    said = f"<div><small>{_text(part.transcript)}</small></div>" if part.transcript else ""
    kind, _, rest = (part.media_type or "").partition(";")
    if part.data is not None and kind.lower() in _SAMPLES:
        part = Audio(_wav(part.data, _rate(rest)), media_type="audio/wav")
    return _sourced(part, lambda at: f'<audio controls preload="metadata" src="{at}"></audio>') + said


def _rate(parameters: str) -> int:
    for item in parameters.lower().split(";"):
        name, _, value = item.strip().partition("=")
        if name == "rate" and value.isascii() and value.isdigit() and 0 < int(value) < 2**20:
            return int(value)
    return _RATE


def _wav(samples: bytes, rate: int) -> bytes:
    """Samples of 16 bits, one channel, with the header that says so."""
    shape = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"".join(
        [
            b"RIFF",
            struct.pack("<I", 36 + len(samples)),
            b"WAVE",
            shape,
            b"data",
            struct.pack("<I", len(samples)),
            samples,
        ]
    )


def _document(part: Document) -> str:
    name = _text(part.name or "document")
    link = _sourced(part, lambda at: f'<a download="{name}" href="{at}">⤓ {_named(part)}</a>')
    if part.data is None or not (part.media_type or "").startswith("text/"):
        return link
    words = part.data[: 4 * _READ].decode("utf-8", "replace")
    more = "…" if len(words) > _READ or len(part.data) > 4 * _READ else ""
    return f"<details><summary>{link}</summary><pre>{_lines(words[:_READ])}{more}</pre></details>"


def _sourced(part: Media, tag: Callable[[str], str]) -> str:
    """The tag of where its content is."""
    if part.data is not None:
        return tag(f"data:{_text(part.media_type or '')};base64,{base64_of(part).decode()}")
    if part.url is not None and part.url.lower().startswith(("https://", "http://")):
        return tag(_text(part.url))
    return _about(part)


def _about(part: Media, why: str = "") -> str:
    return f"<i>{_named(part)}{f', {why}' if why else ''}</i>"


def _named(part: Media) -> str:
    """Its name, its type and its size."""
    name = part.name or part.url or (f"file {part.file_id}" if part.file_id else type(part).__name__)
    known = [name, part.media_type or "", "" if part.data is None else size(len(part.data))]
    return _text(", ".join(filter(None, known)))


def _text(text: str) -> str:
    """In one line, and no markup of HTML or Markdown."""
    return html.escape(" ".join(shown(text).split())).replace("`", "&#96;").replace("$", "&#36;")


def _lines(text: str) -> str:
    """Likewise, with its lines."""
    return html.escape(shown(text)).replace("`", "&#96;").replace("$", "&#36;").replace("\n", "&#10;")
