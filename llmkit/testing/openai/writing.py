"""What answers of both wires are written with: arguments, addresses, sources, and the JSON of what is opaque."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from llmkit.errors import ConfigurationError, InvalidResponseError
from llmkit.json_codec import loads
from llmkit.media import Image, base64_of
from llmkit.messages import Citation, Opaque, Refusal, ToolCall
from llmkit.response import FinishReason, Reason
from llmkit.testing.replies import Reply

Json: TypeAlias = dict[str, Any]

CREATED: Final = 1_767_225_600
"""When all answers are made, in seconds since 1970: the same each time, so that equal answers are equal."""

CUSTOM: Final = "custom"


def arguments_of(call: ToolCall, wire: str, where: str) -> str:
    """The JSON text that the model wrote: as it did once, where that is known; else ASCII, to be cut anywhere."""
    if call.raw is not None:
        return call.raw
    sent = call.extra.get(wire, {}).get("arguments")
    return sent if isinstance(sent, str) and _says(sent, call) else dumps(call.arguments, f"{where}.arguments")


def _says(text: str, call: ToolCall) -> bool:
    try:
        return bool(loads(text) == call.arguments)
    except InvalidResponseError:
        return False


def input_of(call: ToolCall, where: str) -> str:
    """The text that was written for a custom tool."""
    text = call.arguments.get("input")
    if not isinstance(text, str) or len(call.arguments) > 1:
        raise ConfigurationError(f"{where}.arguments: a custom call has one argument, the text 'input'")
    return text


def dumps(value: object, where: str) -> str:
    """JSON as a model writes it, with blanks.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ConfigurationError(f"{where}: cannot be written as JSON: {exc}") from None


def opaque_json(part: Opaque, wire: str, where: str) -> Json:
    """A part of `wire` as it is.

    Raises:
        ConfigurationError: It belongs to another wire, has no type, or is no JSON.
    """
    if part.wire != wire:
        raise ConfigurationError(f"{where}: a part of {part.wire} is none of this wire")
    if not isinstance(part.data.get("type"), str):
        raise ConfigurationError(f"{where}.data.type: every part of this wire has one")
    found: Json = loads(dumps(part.data, f"{where}.data"))
    return found


def address_of(image: Image, where: str) -> str:
    """A picture's URL, or a data URI of it.

    Raises:
        ConfigurationError: It is somebody's file.
    """
    if image.url is not None:
        return image.url
    return f"data:{image.media_type};base64,{base64_text(image, where)}"


def base64_text(part: Any, where: str) -> str:
    """The content of a medium in base64.

    Raises:
        ConfigurationError: It has none.
    """
    if part.data is None:
        raise ConfigurationError(
            f"{where}: this wire answers with the content of {type(part).__name__}, not with {_by(part)}"
        )
    return base64_of(part).decode()


def _by(part: Any) -> str:
    return "a file_id" if part.url is None else "a url"


def page_of(citation: Citation, span: tuple[int, int], where: str) -> Json:
    """A page that text is taken from; `span` is where that text stands in the answer.

    Raises:
        ConfigurationError: It is no page.
    """
    if citation.url is None:
        raise ConfigurationError(f"{where}: this wire can only cite what has a url")
    return {"start_index": span[0], "end_index": span[1], "title": citation.title or "", "url": citation.url}


def word_of(reason: FinishReason, words: Mapping[Reason, Sequence[str]]) -> str:
    """The wire's word for `reason`: its own, where that is one for it, else the first.

    Args:
        reason: Why the answer ends.
        words: The wire's words; any other is one for ``other``.

    Raises:
        ConfigurationError: It has none.
    """
    known = words.get(reason.reason, ())
    if reason.raw in known:
        return str(reason.raw)
    if reason.reason == "other" and reason.raw and not any(reason.raw in each for each in words.values()):
        return reason.raw
    if not known:
        raise ConfigurationError(f"finish_reason: this wire has no word for {reason.reason!r}")
    return known[0]


def shown_by(reply: Reply, reason: Reason, cls: type[ToolCall] | type[Refusal]) -> None:
    """Make sure that `reply`, if it ends for `reason`, holds a part that tells so; one that is opaque may.

    Raises:
        ConfigurationError: It does not.
    """
    if reply.reason.reason == reason and not any(isinstance(part, (cls, Opaque)) for part in reply.content):
        raise ConfigurationError(f"finish_reason: this wire tells {reason!r} by a {cls.__name__}, and there is none")
