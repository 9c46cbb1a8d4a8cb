"""Pictures, sounds, films and documents, as values.

Made from almost anything by `.of`, which reads at once; the bytes, their type and
nothing else is kept. Nothing is read from the network unless asked for.
"""

import binascii
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypedDict, TypeVar, Unpack

from attrs import evolve, field, fields_dict, frozen

from llmkit.errors import MediaError
from llmkit.media import sources, types
from llmkit.media.types import Kind

CacheTime: TypeAlias = Literal["5m", "1h"]
"""How long a provider is asked to keep what stands before a part: five minutes or an hour."""

URL_SHOWN = 80  # characters of an address in `repr`


class MediaFields(TypedDict, total=False):
    """The fields that can be given to `.of` and its kin beside the medium itself."""

    media_type: str | None
    name: str | None
    cache: CacheTime | None
    extra: dict[str, dict[str, Any]]
    detail: Literal["low", "high", "auto"] | str | None  # noqa: PYI051 - shown by editors
    transcript: str | None
    context: str | None
    citations: bool


def _as_bytes(value: bytes | bytearray | memoryview | None) -> bytes | None:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def _extra(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


@frozen(repr=False)
class _Medium:
    """What the four have in common."""

    kind: ClassVar[Kind]

    data: bytes | None = field(default=None, converter=_as_bytes)
    url: str | None = field(default=None, kw_only=True)
    file_id: str | None = field(default=None, kw_only=True)
    media_type: str | None = field(default=None, kw_only=True)
    name: str | None = field(default=None, kw_only=True)
    cache: CacheTime | None = field(default=None, kw_only=True)
    extra: dict[str, dict[str, Any]] = field(factory=dict, kw_only=True, eq=False, converter=_extra)

    def __attrs_post_init__(self) -> None:
        _check_strings(self)
        _check_source(self)
        found = (
            types.declared(self.kind, self.media_type)
            if self.data is None
            else types.resolve(self.kind, self.data, self.media_type, self.name)
        )
        object.__setattr__(self, "media_type", found)

    def __repr__(self) -> str:
        """Every field that is set; of the content its length."""
        names = (name for name in fields_dict(type(self)) if name != "extra")
        values = ((name, getattr(self, name)) for name in names)
        shown = (f"{name}={_shown(name, value)}" for name, value in values if value is not None and value is not False)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, Any]:  # noqa: ARG002 - IPython's
        from llmkit.display import bundles  # noqa: PLC0415 - only in a notebook

        return bundles.of_value(self)

    @cached_property
    def _base64(self) -> bytes:
        # Kept in the part, so that it goes away with it; attrs leaves it out of pickles and copies.
        if self.data is None:
            raise MediaError(f"{type(self).__name__}: only what has data can be sent as base64")
        return binascii.b2a_base64(self.data, newline=False)

    @classmethod
    def of(cls, thing: object, **fields: Unpack[MediaFields]) -> Self:
        """Make one from anything that holds one; it is read at once.

        Args:
            thing: Bytes, a path, an http(s) URL, a data URI, a binary file object (read from where it stands),
                ``(thing, filename)``, a Django `File`, a PIL image, a numpy array, a matplotlib figure, or such a
                part. Of a URL nothing is read: the provider does.
            **fields: The other fields, which win over what is found.

        Raises:
            MediaError: It cannot be read; its type is unknown, or another than `media_type` or this class says.
        """
        if isinstance(thing, _Medium):
            return _again(cls, thing, fields)
        return _made(cls, sources.read(thing, cls.kind), fields)

    @classmethod
    def from_path(cls, path: object, **fields: Unpack[MediaFields]) -> Self:
        """Read the file at `path`; its name is kept as `name`.

        Raises:
            MediaError: As for `of`.
        """
        return _made(cls, sources.read_path(path), fields)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, **fields: Unpack[MediaFields]) -> Self:
        """Take what is in memory.

        Raises:
            MediaError: As for `of`.
        """
        return _made(cls, sources.read_bytes(data), fields)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        download: bool = False,
        allow: Callable[[str], bool] | None = None,
        proxy: str | None = None,
        **fields: Unpack[MediaFields],
    ) -> Self:
        """Refer to an http(s) URL, which the provider reads, or download it here and now.

        Args:
            url: The address.
            download: Read it here: without credentials, at most 32 MiB in 60 s; directly, whatever proxies the
                environment names.
            allow: Which IP addresses may be connected to; unless given only public ones, after redirects too.
            proxy: Read it through this one, as in ``http://host:port``. It looks names up by itself, so that nobody
                sees which address it connects to: for URLs of people who are trusted.
            **fields: The other fields, which win over what is found.

        Raises:
            MediaError: As for `of`; or it cannot be downloaded.
        """
        read = sources.read_url(url)
        if download:
            from llmkit.media import connecting, fetching  # noqa: PLC0415 - nobody pays for it who does not use it

            via, direct = connecting.proxy_of(proxy), proxy is None
            del proxy  # no frame of an error shows its password
            if via is None and not direct:
                raise MediaError("proxy: expected http://host:port or http://user:password@host:port")
            read = fetching.fetch(url, allow=allow or connecting.is_public, proxy=via)
        return _made(cls, read, fields)


@frozen(repr=False)
class Image(_Medium):
    """A picture.

    Attributes:
        data: The content; or
        url: Its address, which the provider reads; or
        file_id: The provider's id of an uploaded file.
        media_type: As in ``image/png``; found from the content, then the name. None only where there is no content.
        name: The file's name.
        cache: Asks the provider to cache all that stands up to here.
        extra: What one wire needs to see again: wire → its own keys.
        detail: How closely to look, where the provider can choose: ``low``, ``high`` or ``auto``.

    Raises:
        MediaError: Not exactly one of `data`, `url`, `file_id`; or the type is unknown, or contradicts the content.
    """

    kind: ClassVar[Kind] = "image"

    detail: Literal["low", "high", "auto"] | str | None = field(default=None, kw_only=True)  # noqa: PYI051 - for editors


@frozen(repr=False)
class Audio(_Medium):
    """A sound; the fields as of `Image`, and these.

    Attributes:
        transcript: What is said in it; no part of a message's `text`.
    """

    kind: ClassVar[Kind] = "audio"

    transcript: str | None = field(default=None, kw_only=True)


@frozen(repr=False)
class Video(_Medium):
    """A film; the fields as of `Image`."""

    kind: ClassVar[Kind] = "video"


@frozen(repr=False)
class Document(_Medium):
    """A PDF, a text, a table, a letter; the fields as of `Image`, and these.

    Attributes:
        context: What the model is told about it, and does not cite.
        citations: Asks the provider to cite from it.
    """

    kind: ClassVar[Kind] = "document"

    context: str | None = field(default=None, kw_only=True)
    citations: bool = field(default=False, kw_only=True)


Media: TypeAlias = Image | Audio | Video | Document

_CLASSES: dict[Kind, type[Image] | type[Audio] | type[Video] | type[Document]] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "document": Document,
}


def media_of(thing: object, **fields: Unpack[MediaFields]) -> Media:
    """Make a part from anything that `.of` takes; which of the four is found from the content, then the name.

    Of a URL only the name tells; one that tells nothing is an `Image`.

    Raises:
        MediaError: As for `Image.of`.
    """
    if isinstance(thing, (Image, Audio, Video, Document)):
        return _again(type(thing), thing, fields)
    read = sources.read(thing, None)
    return _made(_CLASSES[_kind(read, fields)], read, fields)


def base64_of(part: Media) -> bytes:
    """The content of `part` in base64, in one line; computed once and kept as long as `part` lives.

    Raises:
        MediaError: It has no content, but an address or a file's id.
    """
    return part._base64  # noqa: SLF001 - the part of this module


M = TypeVar("M", bound=_Medium)


def _made(cls: type[M], read: sources.Read, fields: Mapping[str, Any]) -> M:
    """A `cls` of what was read; `fields` win."""
    name = fields.get("name") or read.name
    given = fields.get("media_type")
    if read.url is not None:
        guess = types.type_of_name(name or sources.name_of_url(read.url))
        fits = guess and types.fitting(guess, cls.kind)
        return cls(url=read.url, **{**fields, "name": name, "media_type": given or fits})
    told = given or read.media_type
    if told is None and read.hint and read.data:
        told = types.resolve(cls.kind, read.data, None, name, read.hint)
    return cls(data=read.data, **{**fields, "name": name, "media_type": told})


def _again(cls: type[M], part: _Medium, fields: Mapping[str, Any]) -> M:
    """`part`, with `fields` replaced."""
    if not isinstance(part, cls):
        raise MediaError(f"{cls.__name__}.of: got {type(part).__name__}")
    return evolve(part, **fields) if fields else part


def _kind(read: sources.Read, fields: Mapping[str, Any]) -> Kind:
    name = fields.get("name") or read.name
    given = fields.get("media_type") or read.media_type
    if given and (told := types.normal(given)) != types.UNTYPED:
        return types.kind_of(told)
    if read.url is not None:
        guess = types.type_of_name(name or sources.name_of_url(read.url)) or "image/*"
        return types.kind_of(guess)
    found = types.find(read.data, name, read.hint)
    if found is None:
        raise MediaError(f"{sources.shown(name or 'media')}: the content is of no known type; pass media_type=")
    return types.kind_of(found)


def _check_strings(part: _Medium) -> None:
    """Refuse what cannot be sent later, where it is made."""
    for name, value in ((name, getattr(part, name)) for name in ("url", "file_id", "media_type", "name")):
        if value is not None and not isinstance(value, str):
            raise MediaError(f"{type(part).__name__}.{name}: expected str, got {type(value).__name__}")


def _check_source(part: _Medium) -> None:
    cls = type(part).__name__
    given = [name for name in ("data", "url", "file_id") if getattr(part, name) is not None]
    if len(given) != 1:
        got = " and ".join(given) if given else "none"
        raise MediaError(f"{cls}: expected exactly one of data, url and file_id, got {got}")
    if part.data is not None:
        _check_length(cls, part.data)
    elif not (part.url or part.file_id):
        raise MediaError(f"{cls}.{given[0]}: is empty")
    elif part.url and sources.is_data_uri(part.url):
        raise MediaError(f"{cls}.url: a data URI is no address; use {cls}.of")


def _check_length(cls: str, data: object) -> None:
    if not isinstance(data, bytes):
        raise MediaError(f"{cls}.data: expected bytes, got {type(data).__name__}; use {cls}.of for anything else")
    if not data:
        raise MediaError(f"{cls}: the content is empty")


def _shown(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if name == "url" and len(str(value)) > URL_SHOWN:
        return repr(str(value)[: URL_SHOWN - 1] + "…")
    return repr(value)
