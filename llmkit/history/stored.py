"""Messages as JSON to keep, and back, with nothing lost: what one version writes, every later one reads.

::

    {"llmkit": "history", "version": 1, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look."}, {"type": "image", "url": "https://…"}]}]}

A part's keys are the names of its fields; a field that holds its default is left out. The content of media is base64,
or, since version 2, a file's, of which only the name stands there: ``"data": {"file": "9f86….png"}``.

What a version does not know, keys included, is refused rather than dropped. So whoever adds a part or a field raises
`VERSION`, still writes the older number where neither is used, and keeps the older fixtures in the tests.
"""

import json
import os
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from attrs import NOTHING, Factory, fields

from llmkit import json_codec
from llmkit.errors import ConfigurationError, InvalidResponseError, MediaError
from llmkit.history.dicts import typed
from llmkit.history.folder import Folder
from llmkit.history.nodes import DEPTH, SHOWN, Node, copied, expect, items, located, node_of
from llmkit.media import Audio, Document, Image, Video
from llmkit.messages import (
    AssistantMessage,
    Citation,
    Message,
    Opaque,
    Part,
    Refusal,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)

VERSION: Final = 2

_WITH_FILES: Final = 2  # the first version that has them
_DEEPEST: Final = DEPTH + 10  # levels of a part's JSON, a few more than an answer has
_AROUND: Final = 10  # levels that a part can stand in: a result's in a message's in the whole

# What would end a line for some readers, and halves of surrogate pairs, which no file in UTF-8 can hold.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def dumps(
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    indent: int | None = None,
    media: Literal["inline", "dir"] = "inline",
    directory: str | os.PathLike[str] | None = None,
) -> str:
    """`messages` as JSON text, in one line unless `indent` is given; `loads` reads it, in any later version, too.

    Nothing is lost: not what only one provider needs to see again, nor the content of media. Two halves of a surrogate
    pair become the character that they are, as in all JSON.

    Args:
        messages: A conversation, such as `Chat.messages`; dicts in it become messages first.
        indent: Blanks per level, to be read by people.
        media: ``inline``: the content of media is written as base64. ``dir``: it is written to files of `directory`,
            each named after the hash of what it holds, and the text has their names.
        directory: Where the files lie; made where it is not there. Nothing in it is changed or removed.

    Raises:
        ConfigurationError: A part holds what JSON cannot, or a field another type than it is declared with; the message
            begins with its path, as in ``messages[3].content[0].arguments.x``.
        OSError: A file cannot be written.
    """
    data = to_data(messages, media=media, directory=directory)
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as exc:  # a number of more digits than Python writes
        failed = str(exc)
    else:
        return text if text.isascii() else _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    raise ConfigurationError(f"messages: cannot be written as JSON: {failed}")


def loads(text: str | bytes | bytearray, *, directory: str | os.PathLike[str] | None = None) -> list[Message]:
    """The messages that `dumps` wrote, equal also in what takes no part in ``==``.

    Args:
        text: The JSON; bytes are UTF-8.
        directory: Where the files lie that were written by ``media="dir"``; none other are read.

    Raises:
        ConfigurationError: It is no JSON, or no history of a version that this llmkit reads; the message begins with
            the path of what is wrong, as in ``messages[3].content[0].data``.
        MediaError: A file is not there, or not what was written.
    """
    try:
        if isinstance(text, (bytes, bytearray)):
            text = text.decode("utf-8-sig")
        found = json_codec.loads(expect(text, str, "history").removeprefix("\ufeff"), "history", _DEEPEST + _AROUND)
    except UnicodeDecodeError as exc:
        failed = f"history: byte {exc.start} is not UTF-8"
    except InvalidResponseError as exc:
        failed = str(exc)
    else:
        return from_data(found, directory=directory)
    raise ConfigurationError(failed)


def to_data(
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    media: Literal["inline", "dir"] = "inline",
    directory: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """As `dumps`, as a JSON object of dicts and lists, for a JSON column or a document of one's own.

    Raises:
        ConfigurationError: As for `dumps`.
        OSError: As for `dumps`.
    """
    folder = _folder_for(media, directory)
    found = typed(messages, "messages")
    written = [_write_message(message, f"messages[{index}]", folder) for index, message in enumerate(found)]
    version = _WITH_FILES if folder is not None and folder.used else 1
    return {"llmkit": "history", "version": version, "messages": written}


def from_data(data: Mapping[str, Any], *, directory: str | os.PathLike[str] | None = None) -> list[Message]:
    """As `loads`, from the JSON object that `to_data` made; nothing of it is kept but copies.

    Raises:
        ConfigurationError: As for `loads`.
        MediaError: As for `loads`.
    """
    root = node_of(data, "history")
    if (kind := root.get("llmkit", str)) != "history":
        root.fail("llmkit", f"expected 'history', got {kind[:SHOWN]!r}")
    version = root.get("version", int)
    if not 1 <= version <= VERSION:
        why = "a newer llmkit wrote it" if version > VERSION else "there is none such"
        root.fail("version", f"this llmkit reads histories up to version {VERSION}, got {str(version)[:SHOWN]}: {why}")
    _only(root, ("llmkit", "version", "messages"))
    source = _Source(version, None if directory is None else Folder(directory))
    return [_read_message(node_of(item, where), source) for item, where in items(root.any("messages"), "messages")]


class _Source(NamedTuple):
    """What reading depends on beside the JSON: the version that it is of, and where its files lie."""

    version: int
    folder: Folder | None


def _folder_for(media: str, directory: str | os.PathLike[str] | None) -> Folder | None:
    if media not in ("inline", "dir"):
        raise ConfigurationError(f"media: expected 'inline' or 'dir', got {media!r:.80}")
    if media == "inline":
        if directory is not None:
            raise ConfigurationError("directory: nothing is written there unless media='dir'")
        return None
    if directory is None:
        raise ConfigurationError("directory: media='dir' needs one, for the files")
    return Folder(directory)


# ---- messages --------------------------------------------------------------------------------------------------------

_MESSAGES: Final[Mapping[str, type[Message]]] = {
    cls.role: cls for cls in (SystemMessage, UserMessage, AssistantMessage)
}


def _write_message(message: Message, where: str, folder: Folder | None) -> dict[str, Any]:
    if _MESSAGES.get(message.role) is not type(message):
        raise _not_ours(message, where)
    return {"role": message.role, "content": _write_parts(message.content, f"{where}.content", folder)}


def _read_message(node: Node, source: _Source) -> Message:
    _only(node, ("role", "content"))
    cls = _MESSAGES.get(role := node.get("role", str))
    if cls is None:
        node.fail("role", f"unknown role {role[:SHOWN]!r}; known are {', '.join(_MESSAGES)}")
    found = items(node.any("content"), node.path("content"))
    content = [_read_part(node_of(item, path), source) for item, path in found]
    return located(node.where, lambda: cls(content))


# ---- values of fields ------------------------------------------------------------------------------------------------

Check: TypeAlias = Callable[[Any, str], Any]
"""Value and path → the value, if it is one."""


class _Kind(NamedTuple):
    """What a field may hold; anything else is refused, in either direction.

    Attributes:
        write: Value, path and where files go → the value as JSON.
        read: The other way.
    """

    write: Callable[[Any, str, Folder | None], Any]
    read: Callable[[Any, str, _Source], Any]


def _same(check: Check) -> _Kind:
    """A kind whose values are JSON already."""
    return _Kind(lambda value, where, _: check(value, where), lambda value, where, _: check(value, where))


def _of(expected: type) -> _Kind:
    return _same(lambda value, where: expect(value, expected, where))


def _one_of(*words: str) -> _Kind:
    def check(value: object, where: str) -> str:
        if (word := expect(value, str, where)) not in words:
            raise ConfigurationError(f"{where}: expected {' or '.join(map(repr, words))}, got {word[:SHOWN]!r}")
        return word

    return _same(check)


def _object(value: object, where: str) -> dict[str, Any]:
    return cast("dict[str, Any]", copied(node_of(value, where).value, where, _DEEPEST))


def _objects(value: object, where: str) -> dict[str, Any]:
    node = node_of(value, where)
    return {key: _object(item, node.path(key[:SHOWN])) for key, item in node.value.items()}


def _write_bytes(value: object, where: str, folder: Folder | None) -> str | dict[str, Any]:
    data = expect(value, bytes, where)
    return b2a_base64(data, newline=False).decode("ascii") if folder is None else {"file": folder.keep(data)}


def _read_bytes(value: object, where: str, source: _Source) -> bytes:
    if isinstance(value, Mapping) and source.version >= _WITH_FILES:
        return _read_file(node_of(value, where), source.folder)
    text = expect(value, str, where)
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError as exc:
        reason = str(exc)
    raise ConfigurationError(f"{where}: expected base64: {reason}")


def _read_file(node: Node, folder: Folder | None) -> bytes:
    _only(node, ("file",))
    name, where = node.get("file", str), node.path("file")
    if folder is None:
        raise MediaError(f"{where}: the content lies in a file: pass the directory= that it was written to")
    return folder.read(name, where)


def _write_citations(value: Iterable[Citation], where: str, _: object) -> list[dict[str, Any]]:
    return [_write_citation(item, f"{where}[{index}]") for index, item in enumerate(value)]


def _write_citation(value: Citation, where: str) -> dict[str, Any]:
    if type(value) is not Citation:
        raise _not_ours(value, where)
    return _CITATION.write(value, where, None)


def _read_citations(value: object, where: str, source: _Source) -> list[Citation]:
    return [_CITATION.read(node_of(item, path), source) for item, path in items(value, where)]


def _write_parts(value: Iterable[Part], where: str, folder: Folder | None) -> list[dict[str, Any]]:
    return [_write_part(part, f"{where}[{index}]", folder) for index, part in enumerate(value)]


def _write_part(part: Part, where: str, folder: Folder | None) -> dict[str, Any]:
    name = _NAMES.get(type(part))
    if name is None:
        raise _not_ours(part, where)
    return {"type": name, **_PARTS[name].write(part, where, folder)}


def _read_result_content(value: object, where: str, source: _Source) -> list[Part]:
    """The parts of a result, none of which is another: so that what is nested without end is not read so."""
    nodes = [node_of(item, path) for item, path in items(value, where)]
    for node in nodes:
        if node.value.get("type") == "tool_result":
            node.fail("type", "a tool_result cannot stand in a tool_result")
    return [_read_part(node, source) for node in nodes]


def _read_part(node: Node, source: _Source) -> Part:
    shape = _PARTS.get(name := node.get("type", str))
    if shape is None:
        node.fail("type", f"unknown type {name[:SHOWN]!r}; known are {', '.join(_PARTS)}")
    return cast("Part", shape.read(node, source, "type"))


def _not_ours(value: object, where: str) -> ConfigurationError:
    return ConfigurationError(f"{where}: {type(value).__name__} is no class of llmkit's; what it adds would be lost")


def _only(node: Node, known: Collection[str]) -> None:
    for key in node.value:
        if key not in known:
            node.fail(key[:SHOWN], "unknown key; it would be lost")


# ---- parts -----------------------------------------------------------------------------------------------------------


class _Shape:
    """A class whose instances are JSON objects, and what each of its fields may hold."""

    def __init__(self, cls: type, **kinds: _Kind) -> None:
        self.cls = cls
        self._kinds = kinds
        defaults = {item.name: item.default for item in fields(cls)}
        self._defaults = {name: _made(defaults[name]) for name in kinds}

    def write(self, value: object, where: str, folder: Folder | None) -> dict[str, Any]:
        """`value` as JSON."""
        found = {name: getattr(value, name) for name in self._kinds}
        return {
            name: self._kinds[name].write(item, f"{where}.{name}", folder)
            for name, item in found.items()
            if item != self._defaults[name]
        }

    def read(self, node: Node, source: _Source, *besides: str) -> Any:
        """The instance that `write` wrote; `besides` are keys that say nothing about it."""
        _only(node, (*self._kinds, *besides))
        found = {
            name: kind.read(node.any(name), node.path(name), source)
            for name, kind in self._kinds.items()
            if name in node.value or self._defaults[name] is NOTHING
        }
        return located(node.where, lambda: self.cls(**found))


def _made(default: Any) -> Any:
    return default.factory() if isinstance(default, Factory) else default  # type: ignore[arg-type]


_TEXT: Final = _of(str)
_FLAG: Final = _of(bool)
_COUNT: Final = _of(int)
_JSON: Final = _same(_object)
_EXTRA: Final = _same(_objects)
_BYTES: Final = _Kind(_write_bytes, _read_bytes)
_CACHE: Final = _one_of("5m", "1h")
_CITATIONS: Final = _Kind(_write_citations, _read_citations)
_CONTENT: Final = _Kind(_write_parts, _read_result_content)

_CITATION: Final = _Shape(
    Citation, text=_TEXT, url=_TEXT, title=_TEXT, document=_COUNT, start=_COUNT, end=_COUNT,
    unit=_one_of("character", "page", "block"), raw=_JSON,
)  # fmt: skip


def _medium(cls: type, **more: _Kind) -> _Shape:
    """Its content stands last, as it is long."""
    names = {"media_type": _TEXT, "name": _TEXT, **more, "cache": _CACHE, "extra": _EXTRA}
    return _Shape(cls, **names, url=_TEXT, file_id=_TEXT, data=_BYTES)


_PARTS: Final[Mapping[str, _Shape]] = {
    "text": _Shape(Text, text=_TEXT, citations=_CITATIONS, cache=_CACHE, extra=_EXTRA),
    "image": _medium(Image, detail=_TEXT),
    "audio": _medium(Audio, transcript=_TEXT),
    "video": _medium(Video),
    "document": _medium(Document, context=_TEXT, citations=_FLAG),
    "thinking": _Shape(Thinking, text=_TEXT, signature=_TEXT, redacted=_TEXT, wire=_TEXT, extra=_EXTRA),
    "tool_call": _Shape(ToolCall, id=_TEXT, name=_TEXT, arguments=_JSON, raw=_TEXT, cache=_CACHE, extra=_EXTRA),
    "tool_result": _Shape(
        ToolResult, call_id=_TEXT, name=_TEXT, content=_CONTENT, is_error=_FLAG, cache=_CACHE, extra=_EXTRA
    ),
    "refusal": _Shape(Refusal, text=_TEXT, extra=_EXTRA),
    "opaque": _Shape(Opaque, wire=_TEXT, data=_JSON),
}
_NAMES: Final = {shape.cls: name for name, shape in _PARTS.items()}
