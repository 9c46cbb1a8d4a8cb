"""What is said: messages, and the parts they are made of.

All are values: frozen, slotted, hashable, picklable. What a message may hold is
checked when it is made.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import optional

from llmkit.errors import ConfigurationError
from llmkit.media import Audio, CacheTime, Document, Image, Media, Video


class _Shown:
    """What a notebook shows."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, Any]:  # noqa: ARG002 - IPython's
        from llmkit.display import bundles  # noqa: PLC0415 - only in a notebook

        return bundles.of_value(self)


# The converters stand before the classes, so that type checkers read from them what `content` takes.
def _result_content(value: "Content") -> "tuple[Part, ...]":
    return _holding(value, (Text, *_MEDIA, Opaque), "ToolResult", "a tool result")


def _system_content(value: "Content") -> "tuple[Part, ...]":
    return _holding(value, (Text, Opaque), "SystemMessage", "a system message")


def _user_content(value: "Content") -> "tuple[Part, ...]":
    return _holding(value, (Text, *_MEDIA, ToolResult, Opaque), "UserMessage", "a user message")


def _assistant_content(value: "Content") -> "tuple[Part, ...]":
    spoken = (Text, Thinking, ToolCall, Refusal, *_MEDIA, Opaque)
    return _holding(value, spoken, "AssistantMessage", "an assistant message")


def _frozen_dict(value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"expected a mapping, as JSON objects are, got {type(value).__name__}")
    return dict(value)


def is_text(part: object, attribute: Any, value: Any) -> None:
    """Raise `ConfigurationError` unless a field is text."""
    if not isinstance(value, str):
        name = f"{type(part).__name__}.{attribute.name}"
        raise ConfigurationError(f"{name}: expected str, got {type(value).__name__}")


def is_cache_time(part: object, attribute: Any, value: object) -> None:
    """Raise `ConfigurationError` unless a field is a `CacheTime` or None."""
    if value not in (None, "5m", "1h"):
        raise ConfigurationError(f"{type(part).__name__}.{attribute.name}: expected '5m' or '1h', got {value!r:.40}")


def extra_field() -> Any:
    """What a wire needs to see again of a part that it sent: wire → its own keys; not in ``==`` or `repr`."""
    return field(factory=dict, eq=False, repr=False, kw_only=True, converter=_frozen_dict)


@frozen
class Citation:
    """Where a passage of the answer comes from.

    Attributes:
        text: The passage of the source, as the provider quotes it; "" where it quotes none.
        url: The source's address.
        title: The source's title.
        document: Which document of the request, counted from 0.
        start: Where the passage begins, in `unit`s, counted as the provider counts.
        end: Where it ends.
        unit: What `start` and `end` count.
        raw: The provider's own object.
    """

    text: str = ""
    url: str | None = None
    title: str | None = None
    document: int | None = None
    start: int | None = None
    end: int | None = None
    unit: Literal["character", "page", "block"] | None = None
    raw: dict[str, Any] = field(factory=dict, eq=False, repr=False)


def _citations(value: Iterable[Citation]) -> tuple[Citation, ...]:
    return tuple(value)


@frozen
class Text(_Shown):
    """Words.

    Attributes:
        text: The words.
        citations: The sources that the provider gave for them.
        cache: Asks the provider to cache all that stands up to here.
    """

    text: str = field(validator=is_text)
    citations: tuple[Citation, ...] = field(default=(), converter=_citations)
    cache: CacheTime | None = field(default=None, validator=is_cache_time)
    extra: dict[str, dict[str, Any]] = extra_field()


@frozen
class Thinking(_Shown):
    """What a model thought before it answered.

    Attributes:
        text: The thoughts, or a summary of them; "" where the provider keeps them.
        signature: The provider's seal, without which it does not take the thoughts back.
        redacted: Encrypted thoughts, which only the provider can read.
        wire: Whose `signature` or `redacted` it is. They are sent back unchanged to that
            wire and left out on another.
    """

    text: str = field(validator=is_text)
    signature: str | None = None
    redacted: str | None = None
    wire: str | None = None
    extra: dict[str, dict[str, Any]] = extra_field()


@frozen
class ToolResult(_Shown):
    """The answer to a `ToolCall`, as a part of a `UserMessage`.

    Attributes:
        call_id: The call's id.
        name: The tool's name; "" where it is not known.
        content: Text and media.
        is_error: Whether the tool failed.
        cache: Asks the provider to cache all that stands up to here.
    """

    call_id: str = field(validator=is_text)
    name: str = field(default="", validator=is_text)
    content: "tuple[Part, ...]" = field(default=(), converter=_result_content)
    is_error: bool = False
    cache: CacheTime | None = field(default=None, validator=is_cache_time)
    extra: dict[str, dict[str, Any]] = extra_field()

    @property
    def text(self) -> str:
        """The text parts, joined with nothing between."""
        return _text_of(self.content)


@frozen
class ToolCall(_Shown):
    """A model asks for a tool to be run.

    Attributes:
        id: The provider's id; made up where it sends none.
        name: The tool's name.
        arguments: The JSON object that the model wrote; takes no part in the hash.
        raw: What it wrote, where that is no JSON object; `arguments` is then empty.
        cache: Asks the provider to cache all that stands up to here.
    """

    id: str = field(validator=is_text)
    name: str = field(validator=is_text)
    arguments: dict[str, Any] = field(factory=dict, hash=False, converter=_frozen_dict)
    raw: str | None = field(default=None, hash=False, eq=False, validator=optional(is_text))
    cache: CacheTime | None = field(default=None, kw_only=True, validator=is_cache_time)
    extra: dict[str, dict[str, Any]] = extra_field()

    def result(self, value: object, is_error: bool = False) -> ToolResult:  # noqa: FBT001, FBT002 - the contract
        """The answer to this call.

        Args:
            value: Text, a part, a sequence that holds parts, an exception, or anything that a tool's function may
                return: what JSON can hold, instances of classes, dates and the like, which are then sent as JSON.
            is_error: Whether the tool failed.

        Raises:
            ConfigurationError: `value` cannot be written as JSON.
        """
        return ToolResult(self.id, self.name, _result_parts(value), is_error)


@frozen
class Refusal(_Shown):
    """The model's words for why it does not answer; no part of a message's `text`."""

    text: str = field(validator=is_text)
    extra: dict[str, dict[str, Any]] = extra_field()


@frozen
class Opaque(_Shown):
    """A block that this version does not model.

    Attributes:
        wire: The wire that it belongs to; it is sent back to it verbatim, and is an error on another.
        data: The block as JSON; takes no part in the hash.
    """

    wire: str
    data: dict[str, Any] = field(hash=False, converter=_frozen_dict)


Part: TypeAlias = Text | Image | Audio | Video | Document | Thinking | ToolCall | ToolResult | Refusal | Opaque
Content: TypeAlias = str | Part | Sequence[str | Part]
"""What messages are made from."""

PARTS: Final = (Text, Image, Audio, Video, Document, Thinking, ToolCall, ToolResult, Refusal, Opaque)
_MEDIA = (Image, Audio, Video, Document)


def parts(value: object, where: str = "content") -> tuple[Part, ...]:
    """`value`, which is text, a part, or a sequence of both, as parts.

    Raises:
        ConfigurationError: It is something else; the message names `where`.
    """
    if isinstance(value, str):
        return (Text(value),)
    if isinstance(value, PARTS):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, Mapping)):
        raise ConfigurationError(f"{where}: expected text, a part or a sequence of both, got {type(value).__name__}")
    return tuple(_part(item, f"{where}[{index}]") for index, item in enumerate(value))


def _part(value: object, where: str) -> Part:
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, PARTS):
        return value
    cls = type(value)
    known = cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    raise ConfigurationError(f"{where}: expected text or a part, got {known}; for media, wrap it: Image.of(…)")


def _holding(value: object, allowed: tuple[type, ...], name: str, holder: str) -> tuple[Part, ...]:
    found = parts(value, f"{name}.content")
    for index, part in enumerate(found):
        if not isinstance(part, allowed):
            raise ConfigurationError(f"{name}.content[{index}]: {type(part).__name__} cannot stand in {holder}")
    return found


def _result_parts(value: object) -> tuple[Part, ...]:
    if isinstance(value, (str, *PARTS)):
        return parts(value)
    if isinstance(value, BaseException):
        return (Text(_told(value)),)
    if isinstance(value, Sequence) and any(isinstance(item, PARTS) for item in value):
        return parts(value, "ToolCall.result")
    try:
        return (Text(_written(value)),)
    except (ConfigurationError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"ToolCall.result: value cannot be written as JSON: {exc}") from None


def _written(value: object) -> str:
    """JSON; what is text alone in JSON, as a date is, as that text."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except TypeError:  # what is in it has no JSON of its own
        from llmkit.schema import unstructure  # noqa: PLC0415 - with cattrs, which plain values need not wait for

        plain = unstructure(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, allow_nan=False)


def _told(error: BaseException) -> str:
    """What an exception says; its class alone where it has no words, or fails to find them."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - whatever the caller's own class raises
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _text_of(content: tuple[Part, ...]) -> str:
    return "".join(part.text for part in content if isinstance(part, Text))


@frozen
class SystemMessage(_Shown):
    """Instructions: text only.

    Attributes:
        content: `Text`s; made from a `str`, a part, or a sequence of both.

    Raises:
        ConfigurationError: Anything but text stands in it.
    """

    role: ClassVar[Literal["system"]] = "system"
    content: tuple[Part, ...] = field(converter=_system_content)

    @property
    def text(self) -> str:
        """The text parts, joined with nothing between."""
        return _text_of(self.content)


@frozen
class UserMessage(_Shown):
    """What the user says, and what tools answered.

    Attributes:
        content: `Text`, media, `ToolResult`, `Opaque`; made from a `str`, a part, or a sequence of both.

    Raises:
        ConfigurationError: Another part stands in it.
    """

    role: ClassVar[Literal["user"]] = "user"
    content: tuple[Part, ...] = field(converter=_user_content)

    @property
    def text(self) -> str:
        """The text parts, joined with nothing between."""
        return _text_of(self.content)


@frozen
class AssistantMessage(_Shown):
    """What the model said.

    Attributes:
        content: Every part but `ToolResult`; made from a `str`, a part, or a sequence of both.

    Raises:
        ConfigurationError: A `ToolResult` stands in it.
    """

    role: ClassVar[Literal["assistant"]] = "assistant"
    content: tuple[Part, ...] = field(converter=_assistant_content)

    @property
    def text(self) -> str:
        """The text parts, joined with nothing between."""
        return _text_of(self.content)


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage

__all__ = [
    "AssistantMessage",
    "Audio",
    "CacheTime",
    "Citation",
    "Content",
    "Document",
    "Image",
    "Media",
    "Message",
    "Opaque",
    "Part",
    "Refusal",
    "SystemMessage",
    "Text",
    "Thinking",
    "ToolCall",
    "ToolResult",
    "UserMessage",
    "Video",
]
