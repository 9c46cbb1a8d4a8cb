"""Media parts: what they are made from, what they refuse, and that they are values."""

import base64
import copy
import gc
import io
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
import weakref
import zlib

import djangos  # noqa: F401 - configures Django
import matplotlib as mpl
import numpy as np
import pytest
from attrs import evolve
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image as Pillow

from llmkit.errors import ConfigurationError, MediaError
from llmkit.media import Audio, Document, Image, Video, base64_of, media_of, png
from llmkit.media.sources import from_base64

mpl.use("agg")


def pillow(name, mode="RGB", size=(3, 2), **options):
    buffer = io.BytesIO()
    Pillow.new(mode, size).save(buffer, name, **options)
    return buffer.getvalue()


PNG = pillow("PNG")
JPEG = pillow("JPEG")
PDF = b"%PDF-1.7\n%\xe2\xe3\n"
WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2"
ODD = b"\xfe\x00\x80odd"
PNG_TEXT = base64.b64encode(PNG).decode()


@pytest.fixture
def png_path(tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    return path


# ---- values ----------------------------------------------------------------------------------------------------------


def test_the_fields_of_each():
    common = {"media_type": None, "name": None, "cache": None}
    for cls in (Image, Audio, Video, Document):
        part = cls(url="https://x.test/a")
        assert {name: getattr(part, name) for name in common} == common
        assert (part.data, part.file_id, part.extra) == (None, None, {})
    assert Image(file_id="f", detail="low").detail == "low"
    assert Audio(file_id="f", transcript="hello").transcript == "hello"
    document = Document(data=b"x", context="a letter", citations=True)
    assert (document.context, document.citations, document.media_type) == ("a letter", True, "text/plain")


def test_a_part_is_a_value():
    one, other = Image(PNG, name="a.png", extra={"w": {"k": [1]}}), Image(data=PNG, name="a.png")
    assert one == other
    assert len({one, other, Image(JPEG)}) == 2
    for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), evolve(one)):
        assert again == one
        assert again.extra == one.extra
    assert pickle.loads(pickle.dumps(Document(b"x", citations=True))).citations
    with pytest.raises(AttributeError):
        one.name = "b"
    with pytest.raises(AttributeError):
        one.other = 1
    match one:
        case Image(media_type=kind):
            assert kind == "image/png"


def test_the_caller_keeps_what_is_changeable():
    data, extra = bytearray(PNG), {"w": {}}
    part = Image(data, extra=extra)
    data[:] = b"other"
    extra["v"] = {}
    assert (part.data, part.extra) == (PNG, {"w": {}})
    assert type(Image(memoryview(PNG)).data) is bytes


REPRS = {
    "data": (Image(b"\x89PNG\r\n\x1a\n" + b"x" * 1226), "Image(data=<1,234 bytes>, media_type='image/png')"),
    "url": (Video(url="https://x.test/a.mp4", name="a"), "Video(url='https://x.test/a.mp4', name='a')"),
    "long url": (Image(url="https://x.test/" + "a" * 99), f"Image(url='https://x.test/{'a' * 64}…')"),
    "the rest": (
        Document(file_id="f1", cache="1h", citations=True, extra={"w": {}}),
        "Document(file_id='f1', cache='1h', citations=True)",
    ),
}


@pytest.mark.parametrize(("part", "expected"), REPRS.values(), ids=REPRS.keys())
def test_repr(part, expected):
    assert repr(part) == expected


REFUSED = {
    "nothing": (Image, "Image: expected exactly one of data, url and file_id, got none"),
    "two": (lambda: Image(PNG, url="https://x"), "got data and url"),
    "three": (lambda: Image(PNG, url="https://x", file_id="f"), "got data and url and file_id"),
    "empty": (lambda: Image(b""), "Image: the content is empty"),
    "empty url": (lambda: Image(url=""), r"Image.url: is empty"),
    "empty id": (lambda: Audio(file_id=""), r"Audio.file_id: is empty"),
    "text": (lambda: Image("cat.png"), r"Image.data: expected bytes, got str; use Image.of"),
    "path": (lambda: Image(data=pathlib.Path("x")), r"expected bytes, got \w*Path"),
    "number": (lambda: Image(url=1), "Image.url: expected str, got int"),
    "type that is no text": (lambda: Image(PNG, media_type=1), "Image.media_type: expected str, got int"),
    "data uri as url": (lambda: Image(url="DATA:image/png;base64,AAAA"), "use Image.of"),
    "a PDF": (lambda: Image(PDF), "the content is application/pdf, which is a document"),
    "another than declared": (lambda: Image(PNG, media_type="image/jpeg"), "but the content is image/png"),
    "base64 for its bytes": (lambda: Image(base64.b64encode(PNG), media_type="image/png"), "content is text/plain"),
    "a URL of a declared other kind": (lambda: Image(url="https://x", media_type="audio/wav"), "audio/wav is audio"),
    "unknown": (lambda: Image(ODD), "of no known type; pass media_type="),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_part(make, message):
    with pytest.raises(MediaError, match=message) as caught:
        make()
    assert isinstance(caught.value, ConfigurationError)
    assert len(str(caught.value)) < 300


def test_types_of_what_is_elsewhere():
    assert Image(url="https://x", media_type="image/jpg").media_type == "image/jpeg"
    assert Audio(file_id="f", media_type="video/mp4").media_type == "audio/mp4"
    assert Document(file_id="f", media_type="application/octet-stream").media_type is None
    assert Image(url="gs://bucket/a").url == "gs://bucket/a"


# ---- sources ---------------------------------------------------------------------------------------------------------


class Pathlike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_bytes():
    for thing in (PNG, bytearray(PNG), memoryview(PNG)):
        assert Image.of(thing) == Image.from_bytes(thing) == Image(PNG)
    with pytest.raises(MediaError, match="expected bytes, got str"):
        Image.from_bytes("text")


def test_paths(png_path):
    expected = Image(PNG, name="red.png")
    for thing in (str(png_path), png_path, Pathlike(str(png_path)), Pathlike(os.fsencode(png_path))):
        assert Image.of(thing) == Image.from_path(thing) == expected
    assert Image.of(png_path, name="other").name == "other"


def test_a_pipe():
    reading, writing = os.pipe()
    os.write(writing, PNG)
    os.close(writing)
    try:
        assert Image.of(f"/dev/fd/{reading}").data == PNG
    finally:
        os.close(reading)


def test_paths_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(MediaError, match=r"nothing.png'.*no such file"):
        Image.of(tmp_path / "nothing.png")
    with pytest.raises(MediaError, match=r"is no http\(s\) URL, no data URI and no existing file"):
        Image.of(str(tmp_path / "n.png"))
    for thing in (tmp_path, str(tmp_path)):
        with pytest.raises(MediaError, match="is a directory"):
            Image.of(thing)
    for thing in ("/dev/zero", pathlib.Path("/dev/zero")):
        with pytest.raises(MediaError, match="'/dev/zero': is no file"):
            Image.of(thing)
    with pytest.raises(MediaError, match="null byte"):
        Image.from_path("a\0b")
    with pytest.raises(MediaError, match="expected a path, got int"):
        Image.from_path(7)
    (tmp_path / "file").write_bytes(PNG)
    with pytest.raises(MediaError, match="no such file"):
        Image.from_path(tmp_path / "file" / "below")
    with pytest.raises(MediaError, match="too long"):
        Image.from_path("x" * 5000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_path_that_may_not_be_read(png_path):
    png_path.chmod(0)
    with pytest.raises(MediaError, match="may not be read"):
        Image.of(png_path)


NO_SOURCE = {
    "": "'' is no http",
    "a\0b": "is no http",
    "x" * 5000: r"x…' is no http",
    PNG_TEXT: "if it is base64, pass bytes or a data URI",
    "ftp://x.test/a.png": "ftp:// is not read here; pass url=",
    "file:///etc/passwd": "file:// is not read here",
}


@pytest.mark.parametrize(("text", "message"), NO_SOURCE.items(), ids=range(len(NO_SOURCE)))
def test_text_that_is_no_source(text, message):
    with pytest.raises(MediaError, match=message) as caught:
        Image.of(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "thing",
    [None, 1, pytest.param(object(), id="an object"), [PNG], {"url": "x"}, 1.5],
    ids=repr,
)
def test_no_source_at_all(thing):
    with pytest.raises(MediaError, match="expected bytes, a path"):
        Image.of(thing)


URLS = {
    "suffix": ("https://x.test/a/b.JPG?size=1.png#x", "image/jpeg"),
    "upper case": ("HTTPS://x.test/a.png", "image/png"),
    "escaped": ("http://x.test/a%2Epng", "image/png"),
    "no suffix": ("http://x.test", None),
    "another kind": ("https://x.test/a.pdf", None),
    "broken": ("http://[x/a.png", None),
}


@pytest.mark.parametrize(("url", "expected"), URLS.values(), ids=URLS.keys())
def test_urls_are_kept(url, expected):
    part = Image.of(url)
    assert (part.url, part.data, part.media_type, part.name) == (url, None, expected, None)
    assert Image.from_url(url) == part


def test_urls_with_a_name_or_a_type():
    assert Image.of(("https://x.test/1", "a.png")) == Image(
        url="https://x.test/1", name="a.png", media_type="image/png"
    )
    assert Image.of("https://x.test/a.png", media_type="image/webp").media_type == "image/webp"
    with pytest.raises(MediaError, match=r"expected an http\(s\) URL, got 'a.png'"):
        Image.from_url("a.png")
    with pytest.raises(MediaError, match="expected an http"):
        Image.from_url(b"http://x")


DATA_URIS = {
    "base64": ("data:image/png;base64," + PNG_TEXT, PNG, "image/png"),
    "any case": ("DATA:Image/PNG;BASE64," + PNG_TEXT, PNG, "image/png"),
    "without a type": ("data:;base64," + PNG_TEXT, PNG, "image/png"),
    "with parameters": ("data:image/png;name=a.png; charset=utf-8 ;base64," + PNG_TEXT, PNG, "image/png"),
    "line ends": ("data:image/png;base64,\r\n" + "\n ".join(PNG_TEXT), PNG, "image/png"),
    "without padding": ("data:image/png;base64," + PNG_TEXT.rstrip("="), PNG, "image/png"),
    "too much padding": ("data:image/png;base64," + PNG_TEXT.rstrip("=") + "====", PNG, "image/png"),
    "safe for URLs": ("data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode(), PNG, "image/png"),
    "escaped base64": ("data:image/png;base64," + PNG_TEXT.replace("=", "%3D").replace("+", "%2B"), PNG, "image/png"),
    "percent-encoded": ("data:image/svg+xml,%3Csvg%20/%3E", b"<svg />", "image/svg+xml"),
    "octet-stream": ("data:application/octet-stream;base64," + PNG_TEXT, PNG, "image/png"),
}


@pytest.mark.parametrize(("uri", "data", "media_type"), DATA_URIS.values(), ids=DATA_URIS.keys())
def test_data_uris(uri, data, media_type):
    part = Image.of(uri)
    assert (part.data, part.media_type, part.url) == (data, media_type, None)


def test_data_uris_of_text():
    assert Document.of("data:,a%20b").data == b"a b"
    part = Document.of("data:text/plain;charset=iso-8859-1,%e4")
    assert (part.data, part.media_type) == (b"\xe4", "text/plain;charset=iso-8859-1")


BROKEN_URIS = {
    "no comma": ("data:image/png;base64", "needs a comma"),
    "one letter too many": ("data:image/png;base64,AAAAA", "broken base64"),
    "no letters of base64": ("data:image/png;base64,A$AA", "broken base64"),
    "padding within": ("data:image/png;base64,AA==AAAA", "broken base64"),
    "not ASCII": ("data:image/png;base64,ÄAAA", "not ASCII"),
    "empty": ("data:image/png;base64,", "content is empty"),
    "half of a surrogate pair": ("data:text/plain,\ud800", "half of a surrogate"),
    "half of a surrogate pair in base64": ("data:image/png;base64,%3D\ud800", "not ASCII"),
    "another type": ("data:image/jpeg;base64," + PNG_TEXT, "but the content is image/png"),
    "no type": ("data:png;base64," + PNG_TEXT, "media_type: expected"),
    "long and broken": ("data:image/png;base64," + "A" * 1_000_000 + "$", "broken base64"),
    "long without a comma": ("data:" + "A" * 1_000_000, "needs a comma"),
}


@pytest.mark.parametrize(("uri", "message"), BROKEN_URIS.values(), ids=BROKEN_URIS.keys())
def test_broken_data_uris(uri, message):
    with pytest.raises(MediaError, match=message) as caught:
        Image.of(uri)
    assert len(str(caught.value)) < 200


def test_a_large_data_uri_takes_linear_time():
    uri = "data:image/png;base64," + "\n".join([base64.b64encode(PNG[:9] * 6).decode()] * 150_000)
    start = time.process_time()
    assert len(Image.of(uri).data) == 150_000 * 54
    assert time.process_time() - start < 2


@given(st.binary())
def test_any_bytes_come_back_from_base64(data):
    for text in (base64.b64encode(data), base64.urlsafe_b64encode(data), base64.encodebytes(data)):
        assert from_base64(text.decode()) == data


# ---- files -----------------------------------------------------------------------------------------------------------


def test_open_files(png_path):
    with png_path.open("rb") as file:
        assert Image.of(file) == Image(PNG, name="red.png")
    with png_path.open("rb", buffering=0) as file:
        assert Image.of(file).data == PNG
    with tempfile.TemporaryFile() as file:  # its name is a number
        file.write(PNG)
        file.seek(0)
        assert Image.of(file) == Image(PNG)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(PNG)
        file.seek(0)
        assert Image.of(file) == Image(PNG)


def test_files_are_read_from_where_they_stand():
    file = io.BytesIO(b"junk" + PNG)
    file.seek(4)
    assert Image.of(file) == Image(PNG)
    with pytest.raises(MediaError, match="empty"):
        Image.of(file)


def test_a_thing_and_its_name(png_path):
    assert Image.of((io.BytesIO(PNG), "folder/a.png")) == Image(PNG, name="a.png")
    assert Document.of((b"a,b", pathlib.Path("t.csv"))) == Document(b"a,b", name="t.csv", media_type="text/csv")
    assert Image.of((png_path, "")).name == "red.png"
    assert Image.of((PNG, r"C:\pictures\a.png")).name == "a.png"
    for pair in ((PNG,), (PNG, 1), ("a.png", PNG), (((PNG, "a"), "b"), "c"), ()):
        with pytest.raises(MediaError, match=r"expected \(thing, filename\)"):
            Image.of(pair)


class Reader:
    name = "odd"

    def __init__(self, answer):
        self.answer = answer

    def read(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ODD_FILES = {
    "text": (io.StringIO("x"), "open as text; open it with mode 'rb'"),
    "nothing yet": (Reader(None), "'odd': read.. gave NoneType instead of bytes"),
    "broken": (Reader(OSError("disk on fire")), "cannot be read: disk on fire"),
    "not decodable": (Reader(UnicodeDecodeError("utf-8", b"x", 0, 1, "no")), "cannot be read"),
}


@pytest.mark.parametrize(("file", "message"), ODD_FILES.values(), ids=ODD_FILES.keys())
def test_files_that_cannot_be_read(file, message):
    with pytest.raises(MediaError, match=message):
        Image.of(file)


def test_a_closed_file(png_path):
    file = png_path.open("rb")
    file.close()
    with pytest.raises(MediaError, match="closed file"):
        Image.of(file)
    assert Image.of(Reader(bytearray(PNG))).data == PNG


# ---- Django ----------------------------------------------------------------------------------------------------------


def test_django_files_are_read_from_the_start_and_left_as_they_were(png_path):
    upload = SimpleUploadedFile("a.png", PNG, content_type="image/jpeg")
    upload.read(5)
    assert Image.of(upload) == Image(PNG, name="a.png")  # the content wins over what the browser says
    assert upload.tell() == 5
    assert Image.of(ContentFile(PNG)).name is None
    with File(png_path.open("rb"), name="folder/b.png") as file:
        assert Image.of(file).name == "b.png"
        assert file.tell() == 0
    assert file.closed


def test_a_closed_django_file_is_opened_and_closed_again(png_path):
    file = File(png_path.open("rb"))
    file.close()
    assert Image.of(file) == Image(PNG, name="red.png")
    assert file.closed


def test_what_the_browser_says_counts_if_nothing_else_tells():
    assert Audio.of(SimpleUploadedFile("a", ODD, content_type="audio/L16")).media_type == "audio/l16"
    assert Image.of(SimpleUploadedFile("a.jpg", ODD, content_type="image/png")).media_type == "image/jpeg"
    with pytest.raises(MediaError, match="no known type"):
        Image.of(SimpleUploadedFile("a", ODD, content_type=None))
    with pytest.raises(MediaError, match="empty"):
        Image.of(SimpleUploadedFile("a.png", b""))


class Unseekable(io.BytesIO):
    def seekable(self):
        return False


def test_django_files_that_cannot_be_rewound():
    upload = InMemoryUploadedFile(Unseekable(PNG), "f", "a.png", "image/png", len(PNG), None)
    assert Image.of(upload) == Image(PNG, name="a.png")


def test_django_files_that_cannot_be_read():
    with pytest.raises(MediaError, match="open as text"):
        Document.of(ContentFile("text"))
    upload = TemporaryUploadedFile("a.png", "image/png", 3, None)
    upload.close()
    with pytest.raises(MediaError, match="'a.png': cannot be read"):
        Image.of(upload)


# ---- Pillow ----------------------------------------------------------------------------------------------------------

MODES = {
    "1": "PNG", "L": "PNG", "LA": "PNG", "P": "PNG", "PA": "PNG", "RGB": "PNG", "RGBA": "PNG", "RGBX": "PNG",
    "RGBa": "PNG", "La": "PNG", "I": "PNG", "I;16": "PNG", "I;16B": "PNG", "F": "PNG", "YCbCr": "PNG",
    "HSV": "PNG", "CMYK": "PNG",
}  # fmt: skip


@pytest.mark.parametrize(("mode", "expected"), MODES.items())
def test_pictures_made_in_memory(mode, expected):
    part = Image.of(Pillow.new(mode, (3, 2)))
    with Pillow.open(io.BytesIO(part.data)) as image:
        image.load()
        assert (image.format, image.size) == (expected, (3, 2))
    assert part.media_type == f"image/{expected.lower()}"
    assert part.name is None


def test_pixels_survive():
    image = Pillow.frombytes("RGBA", (2, 1), bytes([1, 2, 3, 4, 250, 251, 252, 253]))
    with Pillow.open(io.BytesIO(Image.of(image).data)) as again:
        assert again.tobytes() == image.tobytes()
    assert Pillow.open(io.BytesIO(Image.of(Pillow.new("F", (1, 1), 0.5)).data)).getpixel((0, 0)) == 128
    assert Pillow.open(io.BytesIO(Image.of(Pillow.new("F", (1, 1), 200.0)).data)).getpixel((0, 0)) == 200
    assert Pillow.open(io.BytesIO(Image.of(Pillow.new("I;16B", (1, 1), 513)).data)).getpixel((0, 0)) == 513
    assert Pillow.open(io.BytesIO(Image.of(Pillow.new("I", (1, 1), 70_000)).data)).getpixel((0, 0)) == 65_535


def test_a_photo_stays_a_photo():
    buffer = io.BytesIO()
    Pillow.effect_noise((64, 64), 50).convert("RGB").save(buffer, "JPEG", quality=30)
    photo = Pillow.open(buffer)
    part = Image.of(photo)
    assert part.media_type == "image/jpeg"
    assert len(part.data) < 2 * len(buffer.getvalue())
    assert Image.of(photo.resize((8, 8))).media_type == "image/png"


def test_pictures_that_cannot_be_written():
    closed = Pillow.open(io.BytesIO(PNG))
    closed.close()
    cut = Pillow.open(io.BytesIO(pillow("PNG", size=(500, 500))[:100]))
    for image in (closed, cut, Pillow.new("RGB", (0, 0))):
        with pytest.raises(MediaError, match="PIL image"):
            Image.of(image)
    with pytest.raises(MediaError, match="a PIL image is no audio"):
        Audio.of(Pillow.new("RGB", (1, 1)))


# ---- arrays ----------------------------------------------------------------------------------------------------------

GREY = np.arange(6, dtype="uint8").reshape(2, 3) * 40
COLOUR = np.arange(24, dtype="uint8").reshape(2, 4, 3) * 10
ARRAYS = {
    "grey": (GREY, GREY),
    "grey with a channel": (GREY[:, :, None], GREY),
    "colour": (COLOUR, COLOUR),
    "with opacity": (np.arange(32, dtype="uint8").reshape(2, 4, 4), np.arange(32, dtype="uint8").reshape(2, 4, 4)),
    "not contiguous": (COLOUR[:, ::-2], COLOUR[:, ::-2]),
    "Fortran's order": (np.asfortranarray(COLOUR), COLOUR),
    "read only": (np.broadcast_to(np.uint8(7), (2, 2)), np.full((2, 2), 7)),
    "bool": (GREY > 90, (GREY > 90) * 255),
    "floats": (GREY / 200, np.round(GREY / 200 * 255)),
    "half floats": ((GREY > 90).astype("float16"), (GREY > 90) * 255),
    "big endian": ((GREY / 200).astype(">f4"), np.round(GREY / 200 * 255)),
}


@pytest.mark.parametrize(("array", "expected"), ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays(array, expected):
    part = Image.of(array)
    with Pillow.open(io.BytesIO(part.data)) as image:
        assert np.array_equal(np.asarray(image), expected)
    assert part.media_type == "image/png"


BAD_ARRAYS = {
    "a line": (np.zeros(3, "uint8"), r"got \(3,\)"),
    "two channels": (np.zeros((2, 2, 2), "uint8"), r"got \(2, 2, 2\)"),
    "channels first": (np.zeros((3, 20, 20), "uint8"), r"got \(3, 20, 20\)"),
    "four dimensions": (np.zeros((1, 2, 2, 3), "uint8"), "shape"),
    "empty": (np.zeros((0, 3), "uint8"), "shape"),
    "a number": (np.float64(1), r"got \(\)"),
    "integers": (np.zeros((2, 2), "int64"), "got int64; use .astype"),
    "objects": (np.zeros((2, 2), "O"), "got object"),
    "complex": (np.zeros((2, 2), "complex64"), "got complex64"),
    "too large": (np.full((2, 2), 255.0), "floats from 0 to 1, got 255 to 255"),
    "negative": (np.full((2, 2), -0.1), "floats from 0 to 1"),
    "not a number": (np.full((2, 2), np.nan), "got nan to nan"),
    "infinite": (np.full((2, 2), np.inf), "floats from 0 to 1"),
}


@pytest.mark.parametrize(("array", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS.keys())
def test_arrays_that_are_no_picture(array, message):
    with pytest.raises(MediaError, match=message):
        Image.of(array)


def test_an_array_is_only_a_picture():
    with pytest.raises(MediaError, match="an array is no document"):
        Document.of(GREY)


@given(st.data())
def test_png(data):
    width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    channels, mode = data.draw(st.sampled_from([(1, "L"), (3, "RGB"), (4, "RGBA")]))
    pixels = data.draw(st.binary(min_size=width * height * channels, max_size=width * height * channels))
    with Pillow.open(io.BytesIO(png.encode(pixels, width, height, channels))) as image:
        assert (image.mode, image.tobytes()) == (mode, pixels)


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_figures():
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2])
    assert Image.of(figure).media_type == "image/png"
    assert Document.of(figure).media_type == "application/pdf"
    assert isinstance(media_of(figure), Image)
    with pytest.raises(MediaError, match="a figure is no video"):
        Video.of(figure)


def test_a_figure_that_cannot_be_drawn():
    figure = Figure()
    figure.text(0.5, 0.5, r"$\nothing$")
    with pytest.raises(MediaError, match="the figure cannot be drawn") as caught:
        Image.of(figure)
    assert len(str(caught.value)) < 300


# ---- parts from parts, and of any kind -------------------------------------------------------------------------------


def test_a_part_passes_through():
    part = Image(PNG, name="a.png")
    assert Image.of(part) is part
    assert Image.of(part, detail="high") == Image(PNG, name="a.png", detail="high")
    assert media_of(part) is part
    assert media_of(part, name="b.png").name == "b.png"
    with pytest.raises(MediaError, match="Document.of: got Image"):
        Document.of(part)
    with pytest.raises(TypeError, match="transcript"):
        Image.of(PNG, transcript="x")


ANY = {
    "png": (PNG, Image, "image/png"),
    "wav": (WAV, Audio, "audio/wav"),
    "mp4": (MP4, Video, "video/mp4"),
    "sound in mp4 by its name": ((MP4, "a.m4a"), Audio, "audio/mp4"),
    "pdf": (PDF, Document, "application/pdf"),
    "text": (b"hello", Document, "text/plain"),
    "url": ("https://x.test/a.pdf", Document, "application/pdf"),
    "url that tells nothing": ("https://x.test/a", Image, None),
    "named url": (("https://x.test/a", "a.mp3"), Audio, "audio/mpeg"),
    "declared": ("data:video/webm;base64,/v8=", Video, "video/webm"),
    "declared, and that says nothing": ("data:application/octet-stream;base64," + PNG_TEXT, Image, "image/png"),
    "array": (GREY, Image, "image/png"),
    "Pillow": (Pillow.new("L", (1, 1)), Image, "image/png"),
    "by name": ((ODD, "a.mp3"), Audio, "audio/mpeg"),
}


@pytest.mark.parametrize(("thing", "cls", "media_type"), ANY.values(), ids=ANY.keys())
def test_which_of_the_four(thing, cls, media_type):
    part = media_of(thing)
    assert (type(part), part.media_type) == (cls, media_type)


def test_which_of_the_four_is_said():
    assert media_of(ODD, media_type="audio/pcm") == Audio(ODD, media_type="audio/pcm")
    assert media_of((ODD, "x"), name="a.wav", cache="5m") == Audio(ODD, name="a.wav", cache="5m")
    with pytest.raises(MediaError, match="'media': the content is of no known type"):
        media_of(ODD)
    with pytest.raises(MediaError, match="empty"):
        media_of((b"", "a.png"))


# ---- base64 ----------------------------------------------------------------------------------------------------------


def test_base64_is_made_once_and_goes_with_the_part():
    part = Image(PNG[:8] + os.urandom(3_000_000))
    tracemalloc.start()
    coded = base64_of(part)
    assert coded == base64.b64encode(part.data)
    assert base64_of(part) is coded
    assert len(pickle.dumps(part)) < 3_100_000
    assert base64_of(evolve(part, name="x")) is not coded
    seen = weakref.ref(part)
    del part, coded
    gc.collect()
    assert seen() is None
    assert tracemalloc.get_traced_memory()[0] < 1_000_000
    tracemalloc.stop()


def test_base64_in_many_threads():
    part, found = Image(PNG), []
    threads = [threading.Thread(target=lambda: found.append(base64_of(part))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {base64.b64encode(PNG)}
    assert len(found) == 16


def test_base64_of_nothing():
    with pytest.raises(MediaError, match="only what has data"):
        base64_of(Image(url="https://x"))


# ---- the house -------------------------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported():
    code = (
        "import sys\n"
        "from llmkit.media import Image\n"
        "Image.of(bytes.fromhex('89504e470d0a1a0a')); Image.of('https://x.test/a.png')\n"
        "heavy = 'requests', 'urllib3', 'PIL', 'numpy', 'matplotlib', 'django', 'ssl', 'mimetypes'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "[]\n"


def test_no_warnings_and_no_file_left_open(png_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Image.of(png_path)
        gc.collect()


def test_zeros_and_noise_are_quick():
    start = time.process_time()
    for data in (b"\0" * 10_000_000, zlib.compress(b"x") * 500_000):
        with pytest.raises(MediaError):
            Image(data)
    assert time.process_time() - start < 1


def test_text_that_is_named_like_a_picture(tmp_path):
    path = tmp_path / "photo.png"
    path.write_text("version https://git-lfs.example/spec/v1")
    with pytest.raises(MediaError, match=r"'photo\.png'.* is text, and its name says image/png"):
        media_of(path)
