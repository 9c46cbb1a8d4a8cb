"""Media types: from content, from names, and what agrees with what."""

import io
import struct
import time
import wave
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from llmkit.errors import MediaError
from llmkit.media import sniffing, types
from llmkit.media.types import fitting, kind_of, normal, resolve, type_of_name

OOXML = "application/vnd.openxmlformats-officedocument."
MP3_FRAME = b"\xff\xfb\x90\x64" + b"\0" * 413  # 128 kbit/s at 44,100 Hz: 417 bytes
AAC_FRAME = b"\xff\xf1\x50\x80\x02\x1f\xfc" + b"\0" * 9  # 16 bytes


def pillow(name, mode="RGB", size=(3, 2)):
    buffer = io.BytesIO()
    Pillow.new(mode, size).save(buffer, name)
    return buffer.getvalue()


def zipped(*names, first=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if first:
            archive.writestr("mimetype", first)
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def waved():
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\2" * 20)
    return buffer.getvalue()


def ftyp(major, *others):
    brands = major + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + b"\0\0\0\x08mdat"


def id3(rest, size=10):
    return b"ID3\x04\0\0\0\0\0" + bytes([size]) + b"\0" * size + rest


def layered(second_byte, third_byte, length):
    return bytes([0xFF, second_byte, third_byte, 0]) + b"\0" * (length - 4)


CONTENT = {
    "png": (pillow("PNG"), "image/png"),
    "jpeg": (pillow("JPEG"), "image/jpeg"),
    "gif": (pillow("GIF"), "image/gif"),
    "gif 87": (b"GIF87a\1\0\1\0", "image/gif"),
    "webp": (pillow("WEBP"), "image/webp"),
    "bmp": (pillow("BMP"), "image/bmp"),
    "tiff": (pillow("TIFF"), "image/tiff"),
    "tiff of the other endian": (b"MM\0*\0\0\0\x08", "image/tiff"),
    "ico": (pillow("ICO", size=(16, 16)), "image/vnd.microsoft.icon"),
    "avif": (ftyp(b"avif", b"mif1"), "image/avif"),
    "heic": (ftyp(b"heic", b"mif1"), "image/heic"),
    "heif that is avif": (ftyp(b"mif1", b"mif1", b"avif"), "image/avif"),
    "heif": (ftyp(b"mif1", b"mif1"), "image/heif"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
    "svg with a prolog": (b"\xef\xbb\xbf<?xml version='1.0'?><!-- a > b --><!DOCTYPE svg>\n<svg:svg>", "image/svg+xml"),
    "svg with entities": (b"<?xml version='1.0'?><!DOCTYPE svg [ <!ENTITY a 'b'> ]>\n<svg>", "image/svg+xml"),
    "wav": (waved(), "audio/wav"),
    "aiff": (b"FORM\0\0\0\x20AIFFCOMM", "audio/aiff"),
    "flac": (b"fLaC\0\0\0\x22", "audio/flac"),
    "midi": (b"MThd\0\0\0\x06\0\1", "audio/midi"),
    "mp3 with a tag": (id3(MP3_FRAME * 2), "audio/mpeg"),
    "mp3 with only a tag": (id3(b""), "audio/mpeg"),
    "flac with a tag": (id3(b"fLaC\0\0\0\x22"), "audio/flac"),
    "aac with a tag": (id3(AAC_FRAME * 2), "audio/aac"),
    "mp3": (MP3_FRAME * 3, "audio/mpeg"),
    "mp3 of one frame": (MP3_FRAME, "audio/mpeg"),
    "mp3 cut in its first frame": (MP3_FRAME[:100], "audio/mpeg"),
    "mp2": (layered(0xFD, 0x84, 384) * 2, "audio/mpeg"),
    "mp1": (layered(0xFF, 0x84, 256) * 2, "audio/mpeg"),
    "mp3 of mpeg 2": (layered(0xF3, 0x84, 192) * 3, "audio/mpeg"),
    "aac": (AAC_FRAME * 3, "audio/aac"),
    "ogg": (b"OggS\0\2" + b"\0" * 20 + b"\x13OpusHead", "audio/ogg"),
    "theora": (b"OggS\0\2" + b"\0" * 22 + b"\x80theora", "video/ogg"),
    "mp4": (ftyp(b"isom", b"iso2", b"mp41"), "video/mp4"),
    "m4a": (ftyp(b"M4A ", b"isom"), "audio/mp4"),
    "mov": (ftyp(b"qt  "), "video/quicktime"),
    "old mov": (b"\0\0\0\x20moov", "video/quicktime"),
    "3gp": (ftyp(b"3gp5"), "video/3gpp"),
    "3g2": (ftyp(b"3g2a"), "video/3gpp2"),
    "unknown brand beside a known": (ftyp(b"xxxx", b"heic"), "image/heic"),
    "webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm", "video/webm"),
    "matroska": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x88matroska", "video/x-matroska"),
    "avi": (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
    "mpeg": (b"\0\0\x01\xba\x44", "video/mpeg"),
    "transport stream": ((b"\x47" + b"\xff" * 187) * 3, "video/mp2t"),
    "flv": (b"FLV\x01\5\0\0\0\x09", "video/x-flv"),
    "wmv": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c00"), "video/x-ms-wmv"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
    "pdf after junk": (b"junk\r\n\r\n%PDF-1.4\n\xff startxref\n9\n%%EOF\n", "application/pdf"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), OOXML + "wordprocessingml.document"),
    "xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), OOXML + "spreadsheetml.sheet"),
    "pptx": (zipped("[Content_Types].xml", "ppt/presentation.xml"), OOXML + "presentationml.presentation"),
    "another zip with types": (zipped("[Content_Types].xml", "a.nuspec"), "application/zip"),
    "odt": (
        zipped("content.xml", first="application/vnd.oasis.opendocument.text"),
        "application/vnd.oasis.opendocument.text",
    ),
    "epub": (zipped("META-INF/container.xml", first="application/epub+zip"), "application/epub+zip"),
    "mimetype that is no zip": (zipped("a", first="application/pdf"), "application/zip"),
    "mimetype that is none": (zipped("a", first="no type"), "application/zip"),
    "zip": (zipped("word/document.xml"), "application/zip"),
    "empty zip": (zipped(), "application/zip"),
    "cut zip": (zipped("[Content_Types].xml", "word/a")[:60], "application/zip"),
    "zip with a cut directory": (
        b"PK\3\4" + b"PK\1\2" + b"\0" * 9 + b"PK\5\6" + b"\0" * 12 + b"\4\0\0\0\0\0",
        "application/zip",
    ),
    "doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "application/x-ole-storage"),
    "rtf": (b"{\\rtf1\\ansi", "application/rtf"),
    "html": (b"\n <!-- hello --> <!DOCTYPE html><p>", "text/html"),
    "html without a doctype": (b"<html lang='en'>", "text/html"),
    "doctype only": (b"<!doctype html><p>x", "text/html"),
    "xml": (b"<?xml version='1.0' encoding='latin-1'?><r\xe4>", "application/xml"),
    "xml that never ends its prolog": (b"<?xml version='1.0'", "application/xml"),
    "json": (b' {"a": [1, 2]}\n', "application/json"),
    "json with a mark": ('\ufeff{"a": 1}'.encode(), "application/json"),
    "almost json": (b"{a: 1}", "text/plain"),
    "nested too deeply": (b"[" * 100_000, "text/plain"),
    "json that is too long to look": (b"[" + b"1," * (sniffing.JSON_READ // 2) + b"1]", "text/plain"),
    "text": ("Grüße\n".encode(), "text/plain"),
    "text with colours": (b"\x1b[1mx\x1b[0m\ttab\x0c", "text/plain"),
    "angle brackets": (b"<3 you", "text/plain"),
    "some element": (b"<note>x</note>", "text/plain"),
    "utf-16": ("Grüße".encode("utf-16"), "text/plain"),
    "about a river": (b"The wide river", "text/plain"),
    "about widths, after a line": (b"\nso wide", "text/plain"),
    "about ftyp": (b"    ftypisom", "text/plain"),
    "about ID3": (b"ID3 tags hold titles", "text/plain"),
    "about PDF": (b"A PDF begins with %PDF-1.7 and ends with a line.", "text/plain"),
}
UNKNOWN = {
    "nothing": b"",
    "zeros": b"\0" * 100,
    "control characters": b"\1\2\3",
    "latin-1": "Grüße".encode("latin-1"),
    "samples that are UTF-16": b"\xff\xfe\0\0\1\0\2\0\3\0",
    "half of a surrogate": b"\xff\xfe\x00\xd8",
    "BM and no more": b"BM is no picture\0",
    "bitmap with another header": b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0",
    "icon of nothing": b"\0\0\1\0\0\0" + b"\0" * 20,
    "icon outside of the file": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\xff\xff\0\0\x16\0\0\0",
    "icon, cut": b"\0\0\1\0\1\0",
    "one sync word": MP3_FRAME[:417] + b"\0" * 50,
    "sync word and bad bitrate": b"\xff\xfb\xf0\x64" + b"\0" * 500,
    "sync word and bad frequency": b"\xff\xfb\x9c\x64" + b"\0" * 500,
    "reserved version": b"\xff\xeb\x90\x64" + b"\0" * 500,
    "samples near zero": b"\xff\xff\x00\x00\xfe\xff" * 100,
    "cut adts": b"\xff\xf1\x50",
    "adts of no length": b"\xff\xf1\x50\x80\0\x1f\xfc" + b"\0" * 20,
    "one adts": AAC_FRAME + b"\0" * 20,
    "ID3 that is too long": b"ID3\x04\0\0\xff\xff\xff\xff\0",
    "one packet": b"\x47" + b"\xff" * 400,
    "markup with NUL": b"<svg\0",
    "riff of something": b"RIFF\0\0\0\0ACON",
}
each_content = pytest.mark.parametrize(("data", "expected"), CONTENT.values(), ids=CONTENT.keys())


@each_content
def test_content_tells(data, expected):
    assert sniffing.sniff(data) == expected


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_content_that_tells_nothing(data):
    assert sniffing.sniff(data) is None


@each_content
def test_cut_anywhere(data, expected):
    """A header that is cut is another type or none, and no crash."""
    for cut in range(min(len(data), 80)):
        sniffing.sniff(data[:cut])


@given(st.binary(max_size=300), st.sampled_from([prefix for prefix, _ in CONTENT.values()]), st.integers(0, 40))
def test_anything_may_follow(tail, data, cut):
    assert sniffing.sniff(data[:cut] + tail) is None or "/" in sniffing.sniff(data[:cut] + tail)


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 10_000_000,
        b"a" * 10_000_000,
        b"<!--" * 2_500_000,
        b"<?xml ?>" * 1_000_000,
        b"PK\3\4" + b"PK\1\2" * 2_000_000,
    ],
    ids=["zeros", "text", "comments", "prologs", "zip"],
)
def test_large_content_is_quick(data):
    start = time.process_time()
    sniffing.sniff(data)
    assert time.process_time() - start < 1


def test_the_directory_of_a_zip_is_read_in_part():
    data = zipped(*(str(number) for number in range(sniffing.ZIP_ENTRIES)), "[Content_Types].xml", "word/x")
    assert sniffing.sniff(data) == "application/zip"


NORMAL = {
    "usual": ("image/png", "image/png"),
    "case and space": (" Image/JPG ", "image/jpeg"),
    "mp3": ("audio/mp3", "audio/mpeg"),
    "wave": ("audio/x-wav", "audio/wav"),
    "utf-8 goes without saying": ('text/plain; charset="UTF-8"', "text/plain"),
    "another charset": ("text/csv; charset=latin-1;header=present", "text/csv;charset=latin-1;header=present"),
    "of a picture": ("image/png;charset=utf-8", "image/png"),
    "samples": ("audio/L16;codec=pcm;rate=24000", "audio/l16;codec=pcm;rate=24000"),
    "empty parameter": ("audio/pcm; ;rate=8000", "audio/pcm;rate=8000"),
}


@pytest.mark.parametrize(("given_", "expected"), NORMAL.values(), ids=NORMAL.keys())
def test_one_name_for_a_type(given_, expected):
    assert normal(given_) == expected
    assert normal(normal(given_)) == expected


@pytest.mark.parametrize("text", ["", "png", "image/", "image/png image/gif", "a/b/c", "x" * 200 + "/y", "image/ä"])
def test_no_media_type(text):
    with pytest.raises(MediaError, match="media_type: expected"):
        normal(text)


NAMES = {
    "a.PNG": "image/png",
    "a.b.docx": OOXML + "wordprocessingml.document",
    "notes.md": "text/markdown",
    "a.py": "text/x-python",
    "Makefile": None,
    "a.unknown": None,
    "a.": None,
    "": None,
    None: None,
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_names_tell(name, expected):
    assert type_of_name(name) == expected


def test_the_table_of_names_is_in_normal_form():
    for name in types._SUFFIXES.values():
        assert normal(name) == name


FITTING = {
    "sound of a film's container": ("video/mp4;codecs=opus", "audio", "audio/mp4;codecs=opus"),
    "film of a sound's container": ("audio/ogg", "video", "video/ogg"),
    "ogg": ("application/ogg", "audio", "audio/ogg"),
    "svg to read": ("image/svg+xml", "document", "application/xml"),
    "the same": ("image/png", "image", "image/png"),
    "another": ("image/png", "audio", None),
}


@pytest.mark.parametrize(("name", "kind", "expected"), FITTING.values(), ids=FITTING.keys())
def test_a_type_as_its_class_calls_it(name, kind, expected):
    assert fitting(name, kind) == expected
    assert expected is None or kind_of(expected) == kind


PNG, PDF, MP4, TEXT, SVG = (CONTENT[name][0] for name in ("png", "pdf", "mp4", "text", "svg"))
DOCX, ZIP, DOC, TIFF = (CONTENT[name][0] for name in ("docx", "zip", "doc", "tiff"))
HTML, JSON, EPUB, WEBM = (CONTENT[name][0] for name in ("html", "json", "epub", "webm"))
ODD = b"\xfe\x00\x80odd"

RESOLVED = {
    # kind, data, declared, name, hint → type
    "content": ("image", PNG, None, None, None, "image/png"),
    "content before name": ("image", PNG, None, "a.jpg", None, "image/png"),
    "content before hint": ("image", PNG, None, None, "application/pdf", "image/png"),
    "name, if content says nothing": ("image", ODD, None, "a.jpg", "image/png", "image/jpeg"),
    "hint, if nothing else tells": ("image", ODD, None, None, "image/jpg", "image/jpeg"),
    "a name of another kind is passed over": ("audio", ODD, None, "a.png", "audio/pcm", "audio/pcm"),
    "declared, unknown content": ("audio", ODD, "audio/pcm;rate=8000", None, None, "audio/pcm;rate=8000"),
    "declared and shown": ("image", PNG, "image/png", None, None, "image/png"),
    "declared is a container": ("audio", MP4, "audio/x-m4a", None, None, "audio/mp4"),
    "declared as the other kind of the container": ("audio", MP4, "video/mp4", None, None, "audio/mp4"),
    "raw sound that looks like something": ("audio", PNG, "audio/l16;rate=1", None, None, "audio/l16;rate=1"),
    "the class decides": ("audio", WEBM, None, None, None, "audio/webm"),
    "octet-stream says nothing": ("image", PNG, "application/octet-stream", None, None, "image/png"),
    "unknown bytes as a document": ("document", ODD, types.UNTYPED, None, None, types.UNTYPED),
    "a name is closer than text": ("document", TEXT, None, "a.csv", None, "text/csv"),
    "a hint is closer than text": ("document", TEXT, None, None, "text/csv", "text/csv"),
    "markdown that begins with html": ("document", HTML, None, "a.md", None, "text/markdown"),
    "declared text that looks like json": ("document", JSON, "text/markdown", None, None, "text/markdown"),
    "json": ("document", JSON, None, "a", None, "application/json"),
    "a name that text cannot be": ("document", TEXT, None, "a.pdf", None, "text/plain"),
    "old Office by name": ("document", DOC, None, "a.xls", None, "application/vnd.ms-excel"),
    "old Office without a name": ("document", DOC, None, None, None, "application/x-ole-storage"),
    "old Office declared": ("document", DOC, "application/msword", None, None, "application/msword"),
    "a kind of zip by name": ("document", ZIP, None, "a.docx", None, OOXML + "wordprocessingml.document"),
    "a kind of zip declared": ("document", ZIP, "application/java-archive", None, None, "application/java-archive"),
    "zip declared": ("document", EPUB, "application/zip", None, None, "application/zip"),
    "with macros": ("document", DOCX, "application/vnd.ms-word.document.macroEnabled.12", None, None,
                    "application/vnd.ms-word.document.macroenabled.12"),
    "raw photo by name": ("image", TIFF, None, "a.cr2", None, "image/x-canon-cr2"),
    "svg": ("image", SVG, None, "a.xml", None, "image/svg+xml"),
    "svg to read": ("document", SVG, None, "a.svg", None, "application/xml"),
    "svg that is not recognised": ("image", b"<!-- x --> text", "image/svg+xml", None, None, "image/svg+xml"),
    "svg declared as text": ("document", SVG, "text/plain", None, None, "text/plain"),
    "a broken hint": ("image", PNG, None, None, "nonsense", "image/png"),
}  # fmt: skip
WRONG = {
    "no image": ("image", PDF, None, None, "the content is application/pdf, which is a document"),
    "text is no sound": (
        "audio",
        TEXT,
        None,
        "a.mp3",
        r"Audio 'a.mp3': the content is text/plain, which is a document",
    ),
    "picture as document": ("document", PNG, None, None, "which is an image"),
    "sound as picture": ("image", CONTENT["wav"][0], None, None, "which is audio"),
    "another than declared": (
        "image",
        PNG,
        "image/jpeg",
        None,
        "media_type is image/jpeg, but the content is image/png",
    ),
    "declared is of another kind": ("image", ODD, "application/pdf", None, "media_type application/pdf is a document"),
    "unknown": ("image", ODD, None, "a.bin", "Image 'a.bin': the content is of no known type; pass media_type="),
    "text for a picture": ("image", b"fake", "image/png", None, "but the content is text/plain"),
    "text for a PDF": ("document", TEXT, "application/pdf", None, "but the content is text/plain"),
    "html for a PDF": ("document", HTML, "application/pdf", None, "but the content is text/html"),
    "html for a table": ("document", HTML, OOXML + "spreadsheetml.sheet", None, "but the content is text/html"),
    "pdf for text": ("document", PDF, "text/plain", None, "but the content is application/pdf"),
    "no media type": ("image", PNG, "png", None, "media_type: expected"),
}


@pytest.mark.parametrize(
    ("kind", "data", "declared", "name", "hint", "expected"), RESOLVED.values(), ids=RESOLVED.keys()
)
def test_all_three_together(kind, data, declared, name, hint, expected):
    assert resolve(kind, data, declared, name, hint) == expected


@pytest.mark.parametrize(("kind", "data", "declared", "name", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit(kind, data, declared, name, message):
    with pytest.raises(MediaError, match=message):
        resolve(kind, data, declared, name)


FOUND = {
    "film": (MP4, None, None, "video/mp4"),
    "sound by its name": (MP4, "a.m4a", None, "audio/mp4"),
    "name": (ODD, "a.mp3", None, "audio/mpeg"),
    "hint": (ODD, None, "audio/pcm", "audio/pcm"),
    "nothing": (ODD, None, None, None),
    "closer": (TEXT, "a.md", None, "text/markdown"),
}


@pytest.mark.parametrize(("data", "name", "hint", "expected"), FOUND.values(), ids=FOUND.keys())
def test_whatever_kind_it_is(data, name, hint, expected):
    assert types.find(data, name, hint) == expected
