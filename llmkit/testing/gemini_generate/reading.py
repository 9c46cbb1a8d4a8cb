"""Requests in, the conversations in them out: a body → messages, instructions first.

Source: https://ai.google.dev/api/caching#Content
"""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from llmkit.errors import ConfigurationError
from llmkit.media import Audio, Document, Image, Media, Video
from llmkit.media.sources import name_of_url
from llmkit.media.types import Kind, kind_of, normal, type_of_name
from llmkit.messages import (
    AssistantMessage,
    Message,
    Opaque,
    Part,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.testing.gemini_generate.parts import SEALS, WIRE_NAME
from llmkit.testing.gemini_generate.spelling import Json, parts_of, spelled


def read(body: Any) -> list[Message]:
    """The conversation in a request's body, its instructions first; a message for each content.

    A call without an id gets one made up, ``call_1`` and so on, and the result of its name the same.

    Raises:
        ConfigurationError: What stands there is no message; the error begins with its path.
    """
    body = asked(spelled(body))
    if not isinstance(body, dict) or not isinstance(body.get("contents"), list):
        return []
    reader = _Reader()
    instructions = body.get("systemInstruction")
    system = [SystemMessage(reader.parts(instructions, "systemInstruction"))] if instructions else []
    return [*system, *(reader.message(item, f"contents[{n}]") for n, item in enumerate(body["contents"]))]


def asked(body: Any) -> Any:
    """What an answer is asked for with: a count may wrap it."""
    wrapped = body.get("generateContentRequest") if isinstance(body, dict) else None
    return wrapped if isinstance(wrapped, dict) else body


class _Reader:
    """Which calls have been read, so that results find theirs."""

    def __init__(self) -> None:
        self._open: list[ToolCall] = []
        self._made_up = 0

    def message(self, content: Any, where: str) -> Message:
        parts = self.parts(content, where)
        return AssistantMessage(parts) if content.get("role") == "model" else UserMessage(parts)

    def parts(self, content: Any, where: str) -> list[Part]:
        parts = parts_of(content) if isinstance(content, dict) else None
        if not isinstance(parts, list):
            raise ConfigurationError(f"{where}: expected an object with a list of parts")
        return [self._part(part, f"{where}.parts[{index}]") for index, part in enumerate(parts)]

    def _part(self, part: Any, where: str) -> Part:
        if not isinstance(part, dict):
            raise ConfigurationError(f"{where}: expected an object, got {type(part).__name__}")
        if part.get("thought"):
            return _thought(part)
        kind = next((key for key in _READERS if key in part), None)
        try:
            return Opaque(WIRE_NAME, part) if kind is None else _READERS[kind](self, part[kind], _extra(part))
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise ConfigurationError(f"{where}.{kind}: {exc}") from exc

    def text(self, text: str, extra: Json) -> Part:
        return Text(text, extra=extra)

    def inline(self, found: Json, extra: Json) -> Part:
        cls = _CLASSES[kind_of(normal(found["mimeType"]))]
        data = decoded(found["data"])
        return cls(data, media_type=found["mimeType"], name=found.get("displayName"), extra=extra)

    def file(self, found: Json, extra: Json) -> Part:
        """An address, or the id of a file that the host keeps."""
        uri, told = found["fileUri"], found.get("mimeType")
        fields = {"media_type": told, "name": found.get("displayName"), "extra": extra}
        if "://" not in uri:
            return _CLASSES[kind_of(told or "image/*")](file_id=uri, **fields)
        guess = told or type_of_name(name_of_url(uri)) or "image/*"
        return _CLASSES[kind_of(guess)](url=uri, **fields)

    def call(self, found: Json, extra: Json) -> Part:
        call = ToolCall(found.get("id") or self._made_up_id(), found["name"], found.get("args") or {}, extra=extra)
        self._open.append(call)
        return call

    def result(self, found: Json, extra: Json) -> Part:
        is_error, content = _result_content(found.get("response") or {})
        media = [self._part(part, "functionResponse") for part in found.get("parts") or ()]
        id_ = self._answered(found.get("id"), found["name"])
        return ToolResult(id_, found["name"], [*content, *media], is_error, extra=extra)

    def _made_up_id(self) -> str:
        self._made_up += 1
        return f"call_{self._made_up}"

    def _answered(self, id_: str | None, name: str) -> str:
        """The id of the call that a result is of: by its id, else by name and order."""
        fits = (call for call in self._open if (call.id == id_ if id_ else call.name == name))
        call = next(fits, None)
        if call is None:
            return id_ or self._made_up_id()
        self._open.remove(call)
        return call.id


_READERS: Final[Mapping[str, Callable[[_Reader, Any, Json], Part]]] = {
    "text": _Reader.text,
    "inlineData": _Reader.inline,
    "fileData": _Reader.file,
    "functionCall": _Reader.call,
    "functionResponse": _Reader.result,
}
_CLASSES: Final[Mapping[Kind, Callable[..., Media]]] = {
    "image": Image,
    "audio": Audio,
    "video": Video,
    "document": Document,
}


def decoded(data: str) -> bytes:
    """The bytes that base64 in either alphabet stands for.

    Raises:
        ValueError: It is no base64.
    """
    plain = data.translate({ord("+"): "-", ord("/"): "_"}).rstrip("=")
    return b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)


def _extra(part: Json) -> Json:
    found = {key: value for key, value in part.items() if key in SEALS}
    return {WIRE_NAME: found} if found else {}


def _thought(part: Json) -> Part:
    """A summary of thoughts; whatever else is marked as a thought is kept as it is."""
    if part.keys() - SEALS - {"thought", "text"}:
        return Opaque(WIRE_NAME, part)
    signature = part.get("thoughtSignature")
    return Thinking(part.get("text", ""), signature, wire=WIRE_NAME, extra=_extra(part))


def _result_content(response: Json) -> tuple[bool, list[Part]]:
    """Whether it tells of an error, and what it says: ``output`` and ``error`` are the host's own keys."""
    match list(response.items()):
        case []:
            return False, []
        case [("output", value)]:
            return False, list(_said(value))
        case [("error", value)]:
            return True, list(_said(value))
        case _:
            return False, list(_said(response))


def _said(value: Any) -> Iterator[Part]:
    """A text a list item; anything but text as its JSON."""
    for item in value if isinstance(value, list) and all(isinstance(item, str) for item in value) else [value]:
        yield Text(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
