"""Anything that holds a medium → its bytes, read at once.

Pillow, numpy, matplotlib and Django are known by what their objects can do and never imported: what is passed
in has been imported already. Nothing here touches the network.
"""

import binascii
import os
import re
import stat
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from typing import Any, TypeAlias, cast

from attrs import frozen

from llmkit.errors import MediaError
from llmkit.media.types import Kind

SHOWN = 80  # characters of an argument that an error repeats
# Compiled at first use, by `re` itself: importing stays cheap.
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*)://"
_BASE64 = r"[A-Za-z0-9+/_-]{40}"
_TO_PLAIN = str.maketrans("-_", "+/")
_PATH_ERRORS: dict[type[Exception], str] = {
    FileNotFoundError: "no such file",
    NotADirectoryError: "no such file",
    IsADirectoryError: "is a directory",
    PermissionError: "may not be read",
}


@frozen
class Read:
    """What was read.

    Attributes:
        data: The content; empty where `url` is given.
        url: An address, of which nothing was read.
        media_type: As the source declares it: the content must not contradict.
        hint: As somebody else says it: believed only if nothing else tells.
        name: The file's name without its folder.
    """

    data: bytes = b""
    url: str | None = None
    media_type: str | None = None
    hint: str | None = None
    name: str | None = None


Reader: TypeAlias = Callable[[Any, Kind | None], Read]


def read(thing: object, kind: Kind | None) -> Read:
    """The bytes of `thing`, for a medium of `kind` (None: whichever it is).

    Raises:
        MediaError: It is nothing that can be read.
    """
    for knows, reader in _READERS:
        if knows(thing):
            return reader(thing, kind)
    raise MediaError(
        f"expected bytes, a path, an http(s) URL, a data URI, a binary file, (thing, filename), "
        f"a PIL image, an array or a figure, got {type(thing).__name__}"
    )


def shown(value: object) -> str:
    """The start of `value`, for an error."""
    text = str(value)
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def name_of_url(url: str) -> str | None:
    """The last part of the path of `url`; None where there is none."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - a third of the time that importing this takes

    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return base_name(unquote(path))


def base_name(name: object) -> str | None:
    """A file's name without its folder, on any system; None where `name` is none, such as a descriptor's number."""
    return (name.replace("\\", "/").rpartition("/")[2] or None) if isinstance(name, str) else None


def read_path(path: object, _: Kind | None = None) -> Read:
    """The file at `path`.

    Raises:
        MediaError: It is missing, a directory, or cannot be read.
    """
    try:
        where = os.fsdecode(os.fspath(path))  # type: ignore[call-overload]
    except TypeError:
        raise MediaError(f"expected a path, got {type(path).__name__}") from None
    try:
        data = _contents(where)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = _PATH_ERRORS.get(type(exc)) or getattr(exc, "strerror", None) or str(exc)
        raise MediaError(f"{shown(where)}: {reason}") from exc
    if data is None:
        raise MediaError(f"{shown(where)}: is no file")
    return Read(data, name=base_name(where))


def _contents(path: str) -> bytes | None:
    """What the file or pipe at `path` holds; None where it is a device, which may have no end."""
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        mode = os.fstat(file.fileno()).st_mode
        return file.read() if stat.S_ISREG(mode) or stat.S_ISFIFO(mode) else None


def read_bytes(data: object, _: Kind | None = None) -> Read:
    """What is in memory.

    Raises:
        MediaError: `data` is no bytes.
    """
    if not _is_bytes(data):
        raise MediaError(f"expected bytes, got {type(data).__name__}")
    return Read(data if isinstance(data, bytes) else bytes(data))  # type: ignore[call-overload]


def read_url(url: object, _: Kind | None = None) -> Read:
    """The address itself; nothing is fetched.

    Raises:
        MediaError: `url` is no http(s) URL.
    """
    if not isinstance(url, str) or not is_url(url):
        raise MediaError(f"expected an http(s) URL, got {shown(url)}")
    return Read(url=url)


def _is_bytes(thing: object) -> bool:
    return isinstance(thing, (bytes, bytearray, memoryview))


def is_url(text: str) -> bool:
    """Whether `text` is an address of the web."""
    return text[:8].lower().startswith(("http://", "https://"))


def is_data_uri(text: str) -> bool:
    """Whether `text` is a data URI."""
    return text[:5].lower() == "data:"


def _read_text(text: str, _: Kind | None) -> Read:
    if is_data_uri(text):
        return read_data_uri(text)
    if is_url(text):
        return Read(url=text)
    if scheme := re.match(_SCHEME, text):
        raise MediaError(f"{shown(text)}: {scheme[1]}:// is not read here; pass url= if the provider reads it")
    try:
        return read_path(text)
    except MediaError as exc:
        if isinstance(exc.__cause__, (IsADirectoryError, PermissionError, type(None))):
            raise  # it is a path
    hint = (
        "; if it is base64, pass bytes or a data URI" if re.match(_BASE64, "".join(text[: SHOWN * 2].split())) else ""
    )
    raise MediaError(f"{shown(text)} is no http(s) URL, no data URI and no existing file{hint}")


def read_data_uri(uri: str) -> Read:
    """What stands in a data URI (RFC 2397): base64 of either alphabet, or percent-encoded.

    Raises:
        MediaError: It is none, or its base64 is broken.
    """
    from urllib.parse import unquote  # noqa: PLC0415 - as above

    head, comma, body = uri.partition(",")
    if not comma:
        raise MediaError(f"{shown(head)}: a data URI needs a comma before its data")
    media_type, *parameters = (part.strip() for part in head[5:].split(";"))
    coded = bool(parameters) and parameters[-1].lower() == "base64"
    data = from_base64(unquote(body) if "%" in body else body) if coded else _percent_decoded(body)
    declared = ";".join([media_type, *(part for part in parameters[: -1 if coded else None] if part)])
    return Read(data, media_type=declared if media_type else None)


def _percent_decoded(body: str) -> bytes:
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - as above

    try:
        return unquote_to_bytes(body)
    except UnicodeEncodeError:
        raise MediaError("broken data URI: half of a surrogate pair stands in it") from None


def from_base64(text: str) -> bytes:
    """The bytes of base64 in either alphabet, with or without padding and line ends.

    Raises:
        MediaError: It is none.
    """
    plain = "".join(text.split()).translate(_TO_PLAIN).rstrip("=")
    try:
        return binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except ValueError as exc:  # binascii.Error, and UnicodeEncodeError for letters outside of ASCII
        raise MediaError(f"broken base64 ({len(text):,} characters): {_reason(exc)}") from None


def _reason(exc: Exception) -> str:
    return str(exc).lower() if isinstance(exc, binascii.Error) else "not ASCII"


def _read_pair(pair: tuple[Any, ...], kind: Kind | None) -> Read:
    if len(pair) != 2 or isinstance(pair[0], tuple) or not isinstance(pair[1], (str, os.PathLike)):  # noqa: PLR2004
        raise MediaError("expected (thing, filename)")
    found = read(pair[0], kind)
    name = base_name(os.fsdecode(os.fspath(pair[1])))
    return Read(found.data, found.url, found.media_type, found.hint, name or found.name)


def _is_file(thing: object) -> bool:
    return callable(getattr(thing, "read", None))


def _is_django_file(thing: object) -> bool:
    return _is_file(thing) and callable(getattr(thing, "chunks", None)) and callable(getattr(thing, "open", None))


def _read_file(file: Any, _: Kind | None) -> Read:
    """An open file, from where it stands."""
    name = base_name(getattr(file, "name", None))
    return Read(_all_of(file, name), name=name)


def _read_django_file(file: Any, _: Kind | None) -> Read:
    """A Django `File`, from its start; it is left as it was found: closed, or at its position."""
    name = base_name(getattr(file, "name", None))
    hint = getattr(file, "content_type", None)
    try:
        data = _from_start(file, name)
    except MediaError:
        raise
    except (OSError, ValueError) as exc:  # the storage has no such file, or the field none at all
        raise _unreadable(name, exc) from exc
    return Read(data, hint=hint if isinstance(hint, str) else None, name=name)


def _from_start(file: Any, name: str | None) -> bytes:
    if file.closed:
        file.open("rb")
        with closing(file):
            return _all_of(file, name)
    if not file.seekable():
        return _all_of(file, name)
    position = file.tell()
    file.seek(0)
    try:
        return _all_of(file, name)
    finally:
        file.seek(position)


def _all_of(file: Any, name: str | None) -> bytes:
    try:
        data = file.read()
    except (OSError, ValueError) as exc:  # ValueError: it is closed, or text that is not in its encoding
        raise _unreadable(name, exc) from exc
    if isinstance(data, str):
        raise MediaError(f"{_file(name)}: it is open as text; open it with mode 'rb'")
    if not _is_bytes(data):
        raise MediaError(f"{_file(name)}: read() gave {type(data).__name__} instead of bytes")
    return bytes(data)


def _unreadable(name: str | None, exc: Exception) -> MediaError:
    return MediaError(f"{_file(name)}: cannot be read: {str(exc)[:200]}")


def _file(name: str | None) -> str:
    return shown(name) if name else "file"


def _is_pil(thing: object) -> bool:
    return any(base.__name__ == "Image" and base.__module__ == "PIL.Image" for base in type(thing).__mro__)


def _read_pil(image: Any, kind: Kind | None) -> Read:
    """A PIL image as PNG, so that nothing is lost; as JPEG where it was read from one."""
    _only("image", kind, "a PIL image")
    buffer = BytesIO()
    try:
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            image.save(buffer, "JPEG", quality="keep")
        else:
            _for_png(image).save(buffer, "PNG")
    except (OSError, ValueError, SystemError, AttributeError) as exc:  # closed, cut short, without pixels
        raise MediaError(f"the PIL image (mode {image.mode}) cannot be written: {str(exc)[:200]}") from exc
    return Read(buffer.getvalue())


_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_FOR_PNG = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}


def _for_png(image: Any) -> Any:
    """`image` in a mode that PNG has."""
    if image.mode in _PNG_MODES:
        return image
    if image.mode == "F":
        _, highest = image.getextrema()
        return (image.point(lambda value: value * 255 + 0.5) if highest <= 1 else image).convert("L")
    if image.mode.startswith("I"):
        return image.convert("I").convert("I;16")  # which cuts off what does not fit
    return image.convert(_FOR_PNG.get(image.mode, "RGB"))


def _is_array(thing: object) -> bool:
    return hasattr(type(thing), "__array_interface__") and hasattr(thing, "dtype")


def _read_array(array: Any, kind: Kind | None) -> Read:
    """An array of height, width and channels, as PNG."""
    from llmkit.media import png  # noqa: PLC0415 - with zlib

    _only("image", kind, "an array")
    shape = tuple(array.shape)
    channels = shape[2] if len(shape) == 3 else 1  # noqa: PLR2004 - height, width, channels
    if len(shape) not in (2, 3) or channels not in (1, 3, 4) or 0 in shape:
        raise MediaError(f"expected an array of shape (height, width), or that with 1, 3 or 4 channels, got {shape}")
    return Read(png.encode(_pixels(array).tobytes(), shape[1], shape[0], cast("png.Channels", channels)))


def _pixels(array: Any) -> Any:
    """`array` as bytes from 0 to 255."""
    if array.dtype == "uint8":
        return array
    if array.dtype.kind == "b":
        return array.astype("uint8") * 255
    if array.dtype.kind != "f":
        raise MediaError(f"expected an array of uint8, bool or floats, got {array.dtype}; use .astype('uint8')")
    lowest, highest = float(array.min()), float(array.max())
    if not (lowest >= 0 and highest <= 1):  # also where one is not a number
        raise MediaError(f"expected floats from 0 to 1, got {lowest:g} to {highest:g}")
    return (array * 255 + 0.5).astype("uint8")


def _is_figure(thing: object) -> bool:
    return callable(getattr(thing, "savefig", None))


def _read_figure(figure: Any, kind: Kind | None) -> Read:
    """A matplotlib figure: a picture, or a document of one page."""
    if kind not in (None, "image", "document"):
        raise MediaError(f"a figure is no {kind}")
    buffer = BytesIO()
    try:
        figure.savefig(buffer, format="pdf" if kind == "document" else "png")
    except Exception as exc:  # drawing runs whatever its artists do
        raise MediaError(f"the figure cannot be drawn: {str(exc)[:200]}") from exc
    return Read(buffer.getvalue())


def _only(allowed: Kind, kind: Kind | None, what: str) -> None:
    if kind not in (None, allowed):
        raise MediaError(f"{what} is no {kind}")


_READERS: tuple[tuple[Callable[[object], bool], Reader], ...] = (
    (_is_bytes, read_bytes),
    (lambda thing: isinstance(thing, str), _read_text),
    (lambda thing: isinstance(thing, os.PathLike), read_path),
    (lambda thing: isinstance(thing, tuple), _read_pair),
    (_is_pil, _read_pil),
    (_is_array, _read_array),
    (_is_figure, _read_figure),
    (_is_django_file, _read_django_file),
    (_is_file, _read_file),
)
