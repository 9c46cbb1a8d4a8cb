"""The names of media types: their spellings, what a file's name says, what agrees with what.

What the content says is `sniffing`'s to know; `resolve` brings the three together.
"""

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from llmkit.errors import MediaError
from llmkit.media.sniffing import sniff

Kind: TypeAlias = Literal["image", "audio", "video", "document"]

_TOPS: dict[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}
UNTYPED = "application/octet-stream"
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

_ALIASES: dict[str, str] = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/apng": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp",
    "image/x-icon": "image/vnd.microsoft.icon",
    "image/ico": "image/vnd.microsoft.icon",
    "image/tif": "image/tiff",
    "image/svg": "image/svg+xml",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/x-mpeg": "audio/mpeg",
    "audio/mpga": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-pn-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/mp4a-latm": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/aacp": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "audio/x-ogg": "audio/ogg",
    "audio/mid": "audio/midi",
    "audio/x-midi": "audio/midi",
    "video/mov": "video/quicktime",
    "video/x-m4v": "video/mp4",
    "video/avi": "video/x-msvideo",
    "video/msvideo": "video/x-msvideo",
    "video/mpg": "video/mpeg",
    "video/mpegps": "video/mpeg",
    "video/flv": "video/x-flv",
    "video/wmv": "video/x-ms-wmv",
    "video/x-ms-asf": "video/x-ms-wmv",
    "video/mkv": "video/x-matroska",
    "video/matroska": "video/x-matroska",
    "audio/matroska": "audio/x-matroska",
    "application/x-pdf": "application/pdf",
    "text/pdf": "application/pdf",
    "text/rtf": "application/rtf",
    "application/x-rtf": "application/rtf",
    "application/x-zip-compressed": "application/zip",
    "text/json": "application/json",
    "text/x-markdown": "text/markdown",
    "application/csv": "text/csv",
    "text/x-csv": "text/csv",
    "binary/octet-stream": UNTYPED,
    "application/binary": UNTYPED,
    "application/unknown": UNTYPED,
    "application/x-download": UNTYPED,
}

_SUFFIXES: dict[str, str] = {
    suffix: media_type
    for media_type, suffixes in {
        "image/png": "png apng",
        "image/jpeg": "jpg jpeg jpe jfif",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/bmp": "bmp dib",
        "image/tiff": "tif tiff",
        "image/avif": "avif",
        "image/heic": "heic",
        "image/heif": "heif",
        "image/jxl": "jxl",
        "image/jp2": "jp2",
        "image/vnd.microsoft.icon": "ico",
        "image/vnd.adobe.photoshop": "psd",
        "image/svg+xml": "svg",
        "image/x-canon-cr2": "cr2",
        "image/x-canon-cr3": "cr3",
        "image/x-nikon-nef": "nef",
        "image/x-sony-arw": "arw",
        "image/x-adobe-dng": "dng",
        "audio/mpeg": "mp3 mp2 mpga",
        "audio/wav": "wav wave",
        "audio/flac": "flac",
        "audio/ogg": "ogg oga opus spx",
        "audio/mp4": "m4a m4b",
        "audio/aac": "aac adts",
        "audio/aiff": "aif aiff aifc",
        "audio/webm": "weba",
        "audio/x-matroska": "mka",
        "audio/midi": "mid midi",
        "audio/amr": "amr",
        "audio/basic": "au snd",
        "audio/x-caf": "caf",
        "audio/x-ms-wma": "wma",
        "audio/pcm": "pcm",
        "video/mp4": "mp4 m4v mp4v",
        "video/quicktime": "mov qt",
        "video/webm": "webm",
        "video/x-matroska": "mkv",
        "video/ogg": "ogv",
        "video/x-msvideo": "avi",
        "video/mpeg": "mpg mpeg mpe m2v",
        "video/mp2t": "m2ts mts",
        "video/x-flv": "flv",
        "video/x-ms-wmv": "wmv asf",
        "video/3gpp": "3gp 3gpp",
        "video/3gpp2": "3g2",
        "application/pdf": "pdf",
        "application/msword": "doc dot",
        "application/vnd.ms-excel": "xls xlt",
        "application/vnd.ms-powerpoint": "ppt pps",
        "application/vnd.ms-outlook": "msg",
        _OOXML + "wordprocessingml.document": "docx",
        _OOXML + "spreadsheetml.sheet": "xlsx",
        _OOXML + "presentationml.presentation": "pptx",
        _ODF + "text": "odt",
        _ODF + "spreadsheet": "ods",
        _ODF + "presentation": "odp",
        "application/epub+zip": "epub",
        "application/rtf": "rtf",
        "application/zip": "zip",
        "application/json": "json ipynb geojson",
        "application/x-ndjson": "ndjson jsonl",
        "application/xml": "xml xsd xsl xslt rss atom",
        "application/yaml": "yaml yml",
        "application/toml": "toml",
        "application/x-tex": "tex latex",
        "application/sql": "sql",
        "message/rfc822": "eml",
        "text/html": "html htm xhtml",
        "text/markdown": "md markdown mdown mkd",
        "text/csv": "csv",
        "text/tab-separated-values": "tsv tab",
        "text/css": "css",
        "text/javascript": "js mjs cjs jsx",
        "text/x-typescript": "ts tsx",
        "text/x-python": "py pyi pyw",
        "text/x-c": "c h",
        "text/x-c++": "cc cpp cxx hh hpp hxx",
        "text/x-csharp": "cs",
        "text/x-java": "java",
        "text/x-go": "go",
        "text/x-rust": "rs",
        "text/x-ruby": "rb",
        "text/x-php": "php",
        "text/x-sh": "sh bash zsh",
        "text/x-rst": "rst",
        "text/calendar": "ics",
        "text/vcard": "vcf",
        "text/plain": "txt text log ini cfg conf env",
    }.items()
    for suffix in suffixes.split()
}

# The same container may hold sound or film, and only its user knows which.
_SOUND_OF: dict[str, str] = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/3gpp": "audio/3gpp",
    "video/3gpp2": "audio/3gpp2",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
    "video/ogg": "audio/ogg",
    "video/x-ms-wmv": "audio/x-ms-wma",
    "application/ogg": "audio/ogg",
    "application/mp4": "audio/mp4",
}
_FILM_OF: dict[str, str] = {
    "audio/mp4": "video/mp4",
    "audio/3gpp": "video/3gpp",
    "audio/3gpp2": "video/3gpp2",
    "audio/webm": "video/webm",
    "audio/x-matroska": "video/x-matroska",
    "audio/ogg": "video/ogg",
    "audio/x-ms-wma": "video/x-ms-wmv",
    "application/ogg": "video/ogg",
    "application/mp4": "video/mp4",
}
_AS: dict[Kind, dict[str, str]] = {
    "image": {},
    "audio": _SOUND_OF,
    "video": _FILM_OF,
    "document": {"image/svg+xml": "application/xml"},
}

_CONTAINERS: tuple[frozenset[str], ...] = (
    frozenset({"video/mp4", "audio/mp4", "video/quicktime"})
    | frozenset({"video/3gpp", "video/3gpp2", "audio/3gpp", "audio/3gpp2"}),
    frozenset({"video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"}),
    frozenset({"video/ogg", "audio/ogg", "audio/opus", "audio/vorbis", "audio/speex"}),
    frozenset({"video/x-ms-wmv", "audio/x-ms-wma"}),
    frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"}),
    frozenset({"audio/mpeg", "audio/aac"}),  # an ID3 tag may stand before either
    frozenset({"video/mpeg", "video/mp2t"}),
)
_HEADERLESS = frozenset(
    f"audio/{name}"
    for name in ("pcm", "basic", "x-mulaw", "x-alaw", "g711-ulaw", "g711-alaw", "g711_ulaw", "g711_alaw")
)
_TEXT_NAMES = frozenset(
    f"application/{name}"
    for name in ("json", "x-ndjson", "xml", "yaml", "x-yaml", "toml", "x-tex", "sql", "javascript", "x-sh", "x-python")
) | {"message/rfc822", "image/svg+xml"}
_MARKED_DOCUMENTS = frozenset(f"application/{name}" for name in ("pdf", "zip", "epub+zip", "x-ole-storage"))
_NEVER_TEXT = (*_MARKED_DOCUMENTS, "application/msword", "application/vnd.ms-powerpoint", _OOXML, _ODF)
_ZIPPED = (_OOXML, _ODF, "application/epub+zip")
_TYPE = r"(?as)\s*([\w!#$&^.+-]{1,127})/([\w!#$&^.+-]{1,127})\s*(?:;(.*))?"
_PLAIN_CHARSETS = ("charset=utf-8", "charset=utf8", "charset=us-ascii")


def normal(media_type: str) -> str:
    """`media_type` in lower case, under its usual name, with the parameters that say how to read it.

    Those are kept of sound, film and text, as in ``audio/l16;rate=24000``; that a text is UTF-8 need not be said.

    Raises:
        MediaError: It is no media type.
    """
    match = re.fullmatch(_TYPE, media_type)
    if match is None:
        raise MediaError(f"media_type: expected one like 'image/png', got {media_type[:80]!r}")
    name = f"{match[1]}/{match[2]}".lower()
    name = _ALIASES.get(name, name)
    if not match[3] or not name.startswith(("audio/", "video/", "text/")):
        return name
    parameters = (part.strip() for part in match[3].split(";"))
    kept = [part for part in parameters if part and part.lower().replace('"', "") not in _PLAIN_CHARSETS]
    return ";".join([name, *kept])


def essence(media_type: str) -> str:
    """`media_type` without its parameters."""
    return media_type.partition(";")[0]


def kind_of(media_type: str) -> Kind:
    """Which class of media has `media_type`: a document is what is neither picture nor sound nor film."""
    return _TOPS.get(media_type.partition("/")[0], "document")


def type_of_name(name: str | None) -> str | None:
    """The media type that a file's name tells by its suffix; None where it tells none.

    Not the standard library's `mimetypes`: it reads the system's files, so that the answer differs between machines.
    """
    return _SUFFIXES.get(name.rpartition(".")[2].lower()) if name and "." in name else None


def suffix_of(media_type: str) -> str:
    """What names of files of this type end in, with its dot; "" where none is known."""
    told = essence(media_type)
    return next((f".{suffix}" for suffix, known in _SUFFIXES.items() if known == told), "")


def is_text(media_type: str) -> bool:
    """Whether content of `media_type` can be read as text."""
    name = essence(media_type)
    return name.startswith("text/") or name in _TEXT_NAMES or name.endswith(("+json", "+xml", "+yaml"))


def fitting(media_type: str, kind: Kind) -> str | None:
    """`media_type` as `kind` calls it, as in ``video/mp4`` → ``audio/mp4``; None where it is of another kind."""
    name = essence(media_type)
    if renamed := _AS[kind].get(name):
        return renamed + media_type[len(name) :]
    return media_type if kind_of(name) == kind else None


def declared(kind: Kind, media_type: str | None) -> str | None:
    """The type to keep of a medium of `kind` that is not here to look at; None where none was told.

    Raises:
        MediaError: `media_type` is of another kind.
    """
    if media_type is None or (name := normal(media_type)) == UNTYPED:
        return None
    if (found := fitting(name, kind)) is None:
        raise MediaError(f"{kind.title()}: media_type {name[:80]} is {_phrase(kind_of(name))}")
    return found


def resolve(kind: Kind, data: bytes, media_type: str | None, name: str | None, hint: str | None = None) -> str:
    """The media type of `data`: as declared, if the content does not contradict; else by content, then name, then hint.

    Args:
        kind: What it must be.
        data: The content, not empty.
        media_type: As declared.
        name: Of the file.
        hint: What somebody else said, such as a browser or a server; believed only if nothing else tells.

    Raises:
        MediaError: It is unknown, another than declared, or no `kind`.
    """
    told = declared(kind, media_type)
    found = sniff(data)
    if told is not None:
        _check(kind, told, found)
        return told
    guesses = [guess for guess in (type_of_name(name), _hint(hint)) if guess]
    chosen = refined(found, guesses) if found else _first_fitting(kind, guesses)
    if chosen is None:
        if kind == "document" and media_type:
            return UNTYPED
        raise MediaError(f"{kind.title()}{_called(name)}: the content is of no known type; pass media_type=")
    if (fits := fitting(chosen, kind)) is None:
        raise MediaError(f"{kind.title()}{_called(name)}: the content is {chosen}, which is {_phrase(kind_of(chosen))}")
    return fits


def find(data: bytes, name: str | None, hint: str | None = None) -> str | None:
    """The media type of `data` whatever its kind: by content, then name, then hint; None where nothing tells."""
    guesses = [guess for guess in (type_of_name(name), _hint(hint)) if guess]
    found = sniff(data)
    if found is None:
        return next(iter(guesses), None)
    if is_text(found) and guesses and not any(is_text(guess) for guess in guesses):
        # What is named like a picture and is text is an error page, or a pointer to what was not fetched.
        raise MediaError(f"the content{_called(name)} is text, and its name says {guesses[0]}")
    heard = next((guess for guess in guesses if _same_container(guess, found) and kind_of(guess) == "audio"), None)
    return fitting(found, "audio") or found if heard else refined(found, guesses)


def refined(found: str, guesses: Iterable[str]) -> str:
    """What the content shows, or the first of `guesses` that says it more closely."""
    return next((guess for guess in guesses if _is_sort_of(guess, found)), found)


def _is_sort_of(name: str, found: str) -> bool:
    """Whether content that shows `found` can be the more special `name`."""
    if found == "application/zip" or found == "application/x-ole-storage":  # noqa: PLR1714
        return kind_of(name) == "document" and not is_text(name) and name not in _MARKED_DOCUMENTS
    if found == "image/tiff":
        return name.startswith("image/x-")
    return is_text(found) and is_text(name) and found != "image/svg+xml"


def _check(kind: Kind, told: str, found: str | None) -> None:
    name = essence(told)
    if found is None or name in _HEADERLESS or name.startswith("audio/l"):
        return  # the content says nothing, or what raw samples say by chance
    shown = fitting(found, kind)
    if shown is None and is_text(name) and is_text(found):
        return  # SVG
    if shown is None or not _agree(name, shown):
        raise MediaError(f"{kind.title()}: media_type is {name[:80]}, but the content is {found}")


def _agree(name: str, found: str) -> bool:
    if name == found or _same_container(name, found) or _is_sort_of(name, found):
        return True
    if is_text(found):
        return kind_of(name) == "document" and not name.startswith(_NEVER_TEXT)
    if found.startswith(_OOXML) and name.startswith("application/vnd.ms-"):
        return True  # the same with macros
    return name == "application/zip" and found.startswith(_ZIPPED)


def _same_container(first: str, second: str) -> bool:
    return any(first in container and second in container for container in _CONTAINERS)


def _first_fitting(kind: Kind, guesses: Iterable[str]) -> str | None:
    return next((guess for guess in guesses if fitting(guess, kind)), None)


def _hint(hint: str | None) -> str | None:
    try:
        found = normal(hint) if hint else None
    except MediaError:
        return None
    return None if found == UNTYPED else found


def _phrase(kind: Kind) -> str:
    return "an image" if kind == "image" else "audio" if kind == "audio" else f"a {kind}"


def _called(name: str | None) -> str:
    return f" {name[:80]!r}" if name else ""
