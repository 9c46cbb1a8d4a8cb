"""Bytes in, media type out: what the content itself says. No I/O, nothing is unpacked.

Source: https://mimesniff.spec.whatwg.org and each format's own description.
"""

import codecs
import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import TypeAlias

Probe: TypeAlias = Callable[[bytes], str | None]

HEAD = 4096  # bytes in which a root element, a late header or a codec's name is looked for
LATE_PDF = 1024  # bytes of junk that readers of PDF allow before its header
JSON_READ = 1 << 20  # a text above this is not parsed to see whether it is JSON
PRINTABLE = 0x0900_0000  # four characters are at least this, if read as a number
ZIP_ENTRIES = 1024  # names of a ZIP's directory that are looked at
FRAME_HEADER = 4  # bytes
ADTS_HEADER = 7  # bytes

_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "application/rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"fLaC", "audio/flac"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"#!AMR", "audio/amr"),
    (b"caff\0\x01", "audio/x-caf"),
    (b".snd\0\0\0", "audio/basic"),
    (b"FLV\x01", "video/x-flv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "video/x-ms-wmv"),
)

_FORMS: dict[tuple[bytes, bytes], str] = {
    (b"RIFF", b"WEBP"): "image/webp",
    (b"RIFF", b"WAVE"): "audio/wav",
    (b"RF64", b"WAVE"): "audio/wav",
    (b"RIFF", b"AVI "): "video/x-msvideo",
    (b"FORM", b"AIFF"): "audio/aiff",
    (b"FORM", b"AIFC"): "audio/aiff",
}

_BRANDS: dict[bytes, str] = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
    b"crx ": "image/x-canon-cr3",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"F4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"3gp": "video/3gpp",
    b"3gs": "video/3gpp",
    b"3gr": "video/3gpp",
    b"3g2": "video/3gpp2",
}
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")

_OFFICE = (
    (b"word/", "wordprocessingml.document"),
    (b"xl/", "spreadsheetml.sheet"),
    (b"ppt/", "presentationml.presentation"),
)
_BITMAP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_ROOTS = {"svg": "image/svg+xml", "html": "text/html", "head": "text/html", "body": "text/html"}
_BINARY = r"[\x00-\x08\x0e-\x1a\x1c-\x1f]"  # as the WHATWG has it, the vertical tab allowed
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DECLARED = rb"application/(?:epub\+zip|vnd\.oasis\.opendocument\.[a-z-]+)"
_DOCTYPE = rb"(?i)<!doctype\s+(?:\w{1,64}:)?(\w{1,64})"
_NAME = rb"<(?:[\w.-]{1,64}:)?([A-Za-z][\w.-]{0,63})[\s/>]"
_ENDS = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<!", b">"))


def sniff(data: bytes) -> str | None:
    """The media type that `data` shows; None where it shows none.

    A container of sound or film is told as film, since its header does not say more.
    """
    for probe in _PROBES:
        found = probe(data)
        if found is not None:
            return found
    return None


def decoded(data: bytes) -> str | None:
    """`data` as text, if it is UTF-8, or has a byte order mark; None where it is not text."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or re.search(_BINARY, text[:HEAD]) else text


def _prefix(data: bytes) -> str | None:
    return next((found for prefix, found in _PREFIXES if data.startswith(prefix)), None)


def _form(data: bytes) -> str | None:
    return _FORMS.get((data[:4], data[8:12]))


def _iso_media(data: bytes) -> str | None:
    """The ISO base media format: MP4, QuickTime, HEIF and their kin, by their brands."""
    size, mark = int.from_bytes(data[:4], "big"), data[4:8]
    if mark in _OLD_QUICKTIME:  # words, too: "The wide river"
        return "video/quicktime" if size < PRINTABLE else None
    if mark != b"ftyp" or size > PRINTABLE:
        return None
    end = min(size, 256)
    brands = [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]
    found = [_BRANDS.get(brand) or _BRANDS.get(brand[:3]) for brand in brands]
    if found[0] == "image/heif":  # says only that it holds pictures; the others say how they are coded
        return next((type_ for type_ in found if type_ in ("image/avif", "image/heic")), "image/heif")
    return found[0] or next((type_ for type_ in found if type_ and type_.startswith("image/")), "video/mp4")


def _matroska(data: bytes) -> str | None:
    if not data.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    return "video/webm" if b"webm" in data[:64] else "video/x-matroska"


def _ogg(data: bytes) -> str | None:
    if not data.startswith(b"OggS"):
        return None
    return "video/ogg" if b"\x80theora" in data[:HEAD] else "audio/ogg"


def _bitmap(data: bytes) -> str | None:
    fits = data.startswith(b"BM") and data[6:10] == b"\0\0\0\0" and data[15:18] == b"\0\0\0"
    return "image/bmp" if fits and data[14] in _BITMAP_HEADERS else None


def _icon(data: bytes) -> str | None:
    """An icon: so few fixed bytes that the first picture must lie within the file."""
    if not data.startswith(b"\0\0\x01\0") or len(data) < 22:  # noqa: PLR2004 - its two headers
        return None
    count, reserved = data[4], data[9]
    size, offset = struct.unpack_from("<II", data, 14)
    fits = count and not data[5] and not reserved and size and offset >= 6 + 16 * count and offset + size <= len(data)
    return "image/vnd.microsoft.icon" if fits else None


def _id3(data: bytes) -> str | None:
    """An ID3 tag: what comes after it, else MP3."""
    if not data.startswith((b"ID3\2", b"ID3\3", b"ID3\4")) or len(data) < 10 or max(data[6:10]) > 0x7F:  # noqa: PLR2004
        return None
    size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
    rest = data[10 + size : 10 + size + HEAD * 4]
    return "audio/flac" if rest.startswith(b"fLaC") else _adts(rest) or "audio/mpeg"


def _mpeg_audio(data: bytes) -> str | None:
    return "audio/mpeg" if _frames(data, _mpeg_frame, FRAME_HEADER) else None


def _adts(data: bytes) -> str | None:
    return "audio/aac" if _frames(data, _adts_frame, ADTS_HEADER) else None


def _frames(data: bytes, length_at: Callable[[bytes, int], int], header: int) -> bool:
    """Whether `data` begins with a frame and another one follows it, or `data` ends before that could.

    One header alone is 11 bits that are set, which raw samples have often.
    """
    if len(data) < header or not (length := length_at(data, 0)):
        return False
    return len(data) < length + header or length_at(data, length) > 0


_LAYER_3_KBPS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
)
_LAYER_2_KBPS = (_LAYER_3_KBPS[0], (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0))
_LAYER_1_KBPS = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0),
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0),
)
_KBPS = {1: _LAYER_3_KBPS, 2: _LAYER_2_KBPS, 3: _LAYER_1_KBPS}
_HERTZ = (44_100, 48_000, 32_000, 0)
_SLOWER = {0: 4, 2: 2, 3: 1}  # MPEG 2.5, 2 and 1


def _mpeg_frame(data: bytes, at: int) -> int:
    """The length of the MPEG audio frame that begins at `at`; 0 where none does.

    Source: http://www.mp3-tech.org/programmer/frame_header.html
    """
    header = int.from_bytes(data[at : at + 4], "big")
    version, layer = header >> 19 & 3, header >> 17 & 3
    if header >> 21 != 0x7FF or version not in _SLOWER or not layer:  # noqa: PLR2004 - the sync word
        return 0
    first = version == 3  # noqa: PLR2004 - MPEG 1
    kbps, hertz = _KBPS[layer][first][header >> 12 & 15], _HERTZ[header >> 10 & 3] // _SLOWER[version]
    if not kbps or not hertz:
        return 0
    padding = header >> 9 & 1
    if layer == 3:  # noqa: PLR2004 - layer I counts in slots of four bytes
        return (12_000 * kbps // hertz + padding) * 4
    return (72_000 if layer == 1 and not first else 144_000) * kbps // hertz + padding


def _adts_frame(data: bytes, at: int) -> int:
    """The length of the AAC frame that begins at `at`; 0 where none does."""
    header = int.from_bytes(data[at : at + 7], "big")
    length = header >> 13 & 0x1FFF
    fits = header >> 44 == 0xFFF and not header >> 41 & 3 and header >> 34 & 15 < 13 and length >= ADTS_HEADER  # noqa: PLR2004
    return length if fits else 0


def _transport_stream(data: bytes) -> str | None:
    return "video/mp2t" if len(data) > 376 and data[0] == data[188] == data[376] == 0x47 else None  # noqa: PLR2004


def _zip(data: bytes) -> str | None:
    """A ZIP: an Office file, an OpenDocument, an EPUB or just that, by its names."""
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    if data[30:38] == b"mimetype":
        size = int.from_bytes(data[22:26], "little")
        declared = data[38 : 38 + min(size, 100)]
        if re.fullmatch(_DECLARED, declared):
            return declared.decode("ascii")
    names = list(_zip_names(data))
    if b"[Content_Types].xml" in names:
        for folder, kind in _OFFICE:
            if any(name.startswith(folder) for name in names):
                return f"application/vnd.openxmlformats-officedocument.{kind}"
    return "application/zip"


def _zip_names(data: bytes) -> Iterator[bytes]:
    """The first names in a ZIP's directory, which stands at its end."""
    end = data.rfind(b"PK\x05\x06", -65_557)
    if end < 0 or len(data) < end + 22:
        return
    at = int.from_bytes(data[end + 16 : end + 20], "little")
    for _ in range(ZIP_ENTRIES):
        if data[at : at + 4] != b"PK\x01\x02" or len(data) < at + 46:
            return
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        yield data[at + 46 : at + 46 + name]
        at += 46 + name + extra + comment


def _markup(data: bytes) -> str | None:
    head = data[:HEAD].removeprefix(codecs.BOM_UTF8).lstrip()
    if not head.startswith(b"<") or b"\0" in head:
        return None
    return _ROOTS.get(_root(head).lower()) or ("application/xml" if head.startswith(b"<?xml") else None)


def _root(head: bytes) -> str:
    """The name of the first element, which a doctype may give; "" where there is none."""
    while True:
        head = head.lstrip()
        if found := re.match(_DOCTYPE, head) or re.match(_NAME, head):
            return found[1].decode("ascii", "replace")
        end = next((end for begin, end in _ENDS if head.startswith(begin)), None)
        if end is None:
            return ""
        head = head.partition(end)[2]


def _late_pdf(data: bytes) -> str | None:
    """A PDF after junk, such as an HTTP header; its end is looked for too, since a text may mention the mark."""
    tail = data[-LATE_PDF:]
    found = b"%PDF-" in data[:LATE_PDF] and b"startxref" in tail and b"%%EOF" in tail
    return "application/pdf" if found else None


def _text(data: bytes) -> str | None:
    text = decoded(data)
    if not text:
        return None
    return "application/json" if _is_json(text) else "text/plain"


def _is_json(text: str) -> bool:
    if len(text) > JSON_READ or not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_PROBES: tuple[Probe, ...] = (
    _prefix,
    _form,
    _iso_media,
    _matroska,
    _ogg,
    _bitmap,
    _icon,
    _id3,
    _zip,
    _late_pdf,
    _markup,
    _text,
    _mpeg_audio,
    _adts,
    _transport_stream,
)
