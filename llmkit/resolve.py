"""A prompt and its options in, a `ResolvedRequest` out: everything typed, checked and settled, nothing of a wire."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve

from llmkit.checks import wrong
from llmkit.errors import ConfigurationError
from llmkit.messages import (
    PARTS,
    AssistantMessage,
    Media,
    Message,
    Opaque,
    Part,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.request import Request, ResolvedRequest, checked
from llmkit.response import Response

_MESSAGES = (SystemMessage, UserMessage, AssistantMessage)
_NOT_FIELDS = ("system", "media", "model")
_KEPT = ("previous_response_id", "conversation")  # of the wire openai-responses
_CALL_IDS = ("id", "call_id")


def resolve(
    prompt: object, options: Mapping[str, Any], defaults: Mapping[str, Any], model: str | None
) -> ResolvedRequest:
    """The call that `prompt` and `options` mean.

    Args:
        prompt: As `Client.complete` takes it.
        options: Of the call, unchecked; those of a `Request` win over them.
        defaults: Of the client, checked.
        model: Used where neither names one.

    Raises:
        ConfigurationError: Something is wrong; the message begins with its path.
    """
    found = {**defaults, **checked(options)}
    if isinstance(prompt, Request):
        found |= checked(prompt.options)
        prompt = prompt.prompt
    messages = conversation(prompt)
    if (media := found.get("media")) is not None:
        messages = with_media(messages, media)
    system = [*_system(found.get("system")), *_leading_system(messages)]
    skipped = _leading(messages)
    spoken = tuple(messages[skipped:])
    _check_conversation(messages, spoken, kept=_is_kept(found.get("extra_body")))
    name = found.get("model") or model
    if not name:
        raise ConfigurationError(
            "model: none was given, and the provider has no default: pass model=, to the call or to Client, "
            "or name it with the provider, as in Client('provider:model')"
        )
    rest = {key: value for key, value in found.items() if key not in _NOT_FIELDS}
    resolved = ResolvedRequest(model=name, messages=spoken, system=tuple(system), skipped=skipped, **rest)
    _check_tool_choice(resolved)
    return resolved


def conversation(prompt: object, where: str = "prompt") -> list[Message]:
    """`prompt` as messages.

    Args:
        prompt: As `Client.complete` takes it.
        where: What errors call it.

    Raises:
        ConfigurationError: It holds something else; the message names the path.
    """
    if isinstance(prompt, str):
        return [UserMessage(prompt)]
    if isinstance(prompt, _MESSAGES):
        return [prompt]
    if isinstance(prompt, Mapping):
        prompt = [prompt]
    if not isinstance(prompt, Sequence) or isinstance(prompt, (bytes, bytearray)):
        hint = " (a part goes into UserMessage([…]) or media=)" if isinstance(prompt, PARTS) else ""
        raise wrong(where, f"text, a message or a sequence of messages{hint}", prompt)
    if all(issubclass(cls, _MESSAGES) for cls in {*map(type, prompt)}):  # hundreds of messages have two classes
        return [*prompt]
    for index, item in enumerate(prompt):
        if not isinstance(item, (*_MESSAGES, Mapping)):
            raise wrong(f"{where}[{index}]", f"a message or a dict{_hint(item)}", item)
    from llmkit.history import typed  # noqa: PLC0415 - only for dicts

    return typed(prompt, where)


def _hint(item: object) -> str:
    if isinstance(item, Response):
        return " (pass response.message)"
    return " (text and parts of one message go into UserMessage([…]))" if isinstance(item, (str, *PARTS)) else ""


def _leading(messages: Sequence[Message]) -> int:
    """How many system messages stand before all others."""
    return next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))


def _leading_system(messages: Sequence[Message]) -> Iterator[Text | Opaque]:
    for message in messages[: _leading(messages)]:
        yield from message.content  # type: ignore[misc]  # a system message holds nothing else


def _system(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    try:
        return value.content if isinstance(value, SystemMessage) else SystemMessage(value).content
    except ConfigurationError as exc:
        raise ConfigurationError(f"system: {exc}") from None


def with_media(messages: list[Message], media: Any) -> list[Message]:
    """A copy of `messages` with `media` before the text of the last user message."""
    parts = _media_parts(media)
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, UserMessage):
            # Answers to tools stay first: Anthropic refuses a turn in which something stands before them.
            at = next(
                (i for i, part in enumerate(message.content) if not isinstance(part, ToolResult)), len(message.content)
            )
            content = (*message.content[:at], *parts, *message.content[at:])
            return [*messages[:index], evolve(message, content=content), *messages[index + 1 :]]
    raise ConfigurationError("media: there is no user message to attach it to")


def _media_parts(value: Any) -> tuple[Media, ...]:
    from llmkit.media import media_of  # noqa: PLC0415 - with what it needs to tell types apart

    # A pair of a thing and its name is one medium, as `.of` has it.
    several = isinstance(value, list) or (isinstance(value, tuple) and not _is_named(value))
    things = value if several else [value]
    try:
        return tuple(media_of(thing) for thing in things)
    except ConfigurationError as exc:
        raise type(exc)(f"media: {exc}") from None


def _is_named(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[1], str) and not isinstance(value[0], str)  # noqa: PLR2004


def _is_kept(extra_body: Mapping[str, Any] | None) -> bool:
    """Whether what was said before is told by a name, under which the provider keeps it."""
    return any((extra_body or {}).get(key) is not None for key in _KEPT)


def _check_conversation(messages: Sequence[Message], spoken: Sequence[Message], *, kept: bool) -> None:
    if not spoken:
        raise ConfigurationError("prompt: it is empty; pass text or at least one user message")
    skipped = len(messages) - len(spoken)
    if not kept:
        _check_results(spoken, skipped)
    if isinstance(spoken[-1], UserMessage) and all(_is_blank(part) for part in spoken[-1].content):
        where = "prompt" if len(messages) == 1 else f"prompt[{len(messages) - 1}]"
        raise ConfigurationError(f"{where}: it is empty; say something, or attach media")
    if all(message.role != "user" for message in spoken):
        raise ConfigurationError("prompt: there is no user message in it")


def _check_results(spoken: Sequence[Message], skipped: int) -> None:
    """Raise `ConfigurationError` where a call's result has no call before it."""
    called: set[str] = set()
    for number, message in enumerate(spoken, skipped):
        for part in message.content:  # no message may hold both
            if type(part) is Text:
                continue  # as most are
            if isinstance(part, ToolCall):
                called.add(part.id)
            elif isinstance(part, Opaque):  # which may be a call that this version does not model
                called |= {part.data[key] for key in _CALL_IDS if isinstance(part.data.get(key), str)}
            elif isinstance(part, ToolResult) and part.call_id not in called:
                raise _unknown_call(part, f"prompt[{number}].content[{message.content.index(part)}]")


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _unknown_call(part: ToolResult, where: str) -> ConfigurationError:
    return ConfigurationError(
        f"{where}.call_id: no tool call before it has the id {part.call_id!r}; "
        "put the assistant's message that holds the call before it"
    )


def _check_tool_choice(request: ResolvedRequest) -> None:
    wanted = request.tool_choice
    if wanted in (None, "auto", "none"):
        return
    names = [tool.name for tool in request.tools]
    if not names:
        raise ConfigurationError(f"tool_choice: {wanted!r} needs tools, and none were given")
    if wanted != "required" and wanted not in names:
        raise ConfigurationError(f"tool_choice: no tool is named {wanted!r}; there are {', '.join(names)}")
