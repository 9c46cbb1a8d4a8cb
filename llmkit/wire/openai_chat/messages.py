"""A conversation as the messages of `POST /v1/chat/completions`.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from itertools import groupby
from typing import Any, Final, TypeGuard, assert_never, cast

from llmkit.errors import InvalidResponseError
from llmkit.json_codec import dump_text, loads, string_bytes
from llmkit.messages import (
    AssistantMessage,
    Audio,
    CacheTime,
    Image,
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
from llmkit.request import ResolvedRequest
from llmkit.wire.base import Refuse
from llmkit.wire.openai_chat import schema
from llmkit.wire.openai_chat.blocks import Blocks
from llmkit.wire.openai_chat.parts import KEPT
from llmkit.wire.openai_chat.schema import WIRE_NAME
from llmkit.wire.quirks import OpenAIChatQuirks
from llmkit.wire.reading import object_or_empty
from llmkit.wire.splice import HOLE, listed, shape

_CALL: Final = shape({"id": HOLE, "type": "function", "function": {"name": HOLE, "arguments": HOLE}})
_CALLING: Final = shape({"role": "assistant", "content": HOLE, "tool_calls": [HOLE]})
_RESULT: Final = shape({"role": "tool", "tool_call_id": HOLE, "content": HOLE})


class Messages:
    """One conversation on its way to JSON: what several functions of it need."""

    def __init__(self, quirks: OpenAIChatQuirks, refuse: Refuse, blocks: Blocks) -> None:
        self._quirks = quirks
        self._refuse = refuse
        self._blocks = blocks

    def of(self, request: ResolvedRequest) -> list[schema.Message]:
        """The messages of `request`, its instructions first; empty where nothing is left to send."""
        spoken: list[schema.Message | bytes] = []
        latest = None  # of those whose messages are written at once
        for number, message in enumerate(request.messages, request.skipped):
            parts = message.content
            # Most messages are a text, words with calls, or results, and nothing beside them: to look for all that
            # there may be takes several times as long.
            if len(parts) == 1 and type(part := parts[0]) is Text and not part.extra and part.cache is None:
                if part.text and not part.text.isspace():
                    before, after = _said(message.role)
                    spoken.append(b"".join((before, string_bytes(part.text), after)))
                    latest = message
            elif plain := self._calling(parts) if message.role == "assistant" else self._results(parts):
                spoken += plain
                latest = message
            else:
                spoken += self._turns(message, number)
        if not spoken:
            return []
        if request.cache is not None:
            self._cache(spoken, request.cache, latest)
        return [*self._system(request.system, "system"), *listed(spoken)]

    def _calling(self, parts: tuple[Part, ...]) -> list[schema.Message | bytes]:
        """As `_assistant`, of words with calls that have nothing beside them; nothing where they are anything else."""
        words = ""
        calls: list[bytes] = []
        for part in parts:
            if type(part) is ToolCall and not part.extra:
                arguments = part.raw if part.raw is not None else dump_text(part.arguments, "arguments")
                id_, name = string_bytes(self._call_id(part.id)), string_bytes(part.name)
                calls.append(b"".join((_CALL[0], id_, _CALL[1], name, _CALL[2], string_bytes(arguments), _CALL[3])))
            elif type(part) is Text and not part.extra and part.cache is None:
                words += "" if part.text.isspace() else part.text
            else:
                return []
        if not calls:
            return []
        if self._quirks.reasoning_with_calls is None:
            content = string_bytes(words) if words else b"null"
            return [b"".join((_CALLING[0], content, _CALLING[1], b",".join(calls), _CALLING[2]))]
        said: dict[str, Any] = {"role": "assistant", "content": words or None, "tool_calls": listed(calls)}
        return [cast("schema.Message", said | {self._quirks.reasoning_key: self._quirks.reasoning_with_calls})]

    def _results(self, parts: tuple[Part, ...]) -> list[schema.Message | bytes]:
        """As `_user`, of results that are a text each with nothing beside it; nothing where they are anything else."""
        found: list[schema.Message | bytes] = []
        for part in parts:
            if type(part) is not ToolResult or part.extra or part.cache is not None or len(part.content) != 1:
                return []
            only = part.content[0]
            if type(only) is not Text or only.extra or only.cache is not None:
                return []
            content = "" if only.text.isspace() else only.text
            id_ = string_bytes(self._call_id(part.call_id))
            found.append(b"".join((_RESULT[0], id_, _RESULT[1], string_bytes(content), _RESULT[2])))
        return found

    def _turns(self, message: Message, number: int) -> Iterator[schema.Message]:
        where = f"prompt[{number}].content"
        match message:
            case SystemMessage(content=content):
                return self._system(content, where)
            case UserMessage(content=content):
                return self._user(content, where)
            case AssistantMessage(content=content):
                return self._assistant(content, where)
            case _:
                assert_never(message)

    def _system(self, parts: tuple[Part, ...], where: str) -> Iterator[schema.Message]:
        """Instructions: one message, unless they came in several with something beside."""
        for beside, found in groupby(enumerate(parts), key=lambda item: _beside(item[1:])):
            if blocks := self._blocks.of(found, where):
                yield cast("schema.Message", {"role": "system", "content": self._blocks.content(blocks), **beside})

    def _user(self, parts: tuple[Part, ...], where: str) -> Iterator[schema.Message]:
        """Answers to tools first, each of which is a message of its own."""
        for index, part in enumerate(parts):
            if isinstance(part, ToolResult):
                yield self._result(part, f"{where}[{index}].content")
        if blocks := self._blocks.of(enumerate(parts), where):
            found: dict[str, Any] = {"role": "user", "content": self._blocks.content(blocks)}
            yield cast("schema.Message", found | _beside(parts))

    def _result(self, part: ToolResult, where: str) -> schema.Message:
        """What a tool answered. There is no place for whether it failed: its words must tell."""
        blocks: list[schema.Block] = []
        for index, item in enumerate(part.content):
            found = [*self._blocks.block(item, f"{where}[{index}]")]
            if self._quirks.result_media or isinstance(item, Opaque) or all(one["type"] == "text" for one in found):
                blocks += found
            else:
                self._refuse(f"{where}[{index}]", "this wire takes only text as a tool's answer")
        if blocks and (mark := self._blocks.mark(part.cache)):
            blocks[-1] = {**blocks[-1], **mark}
        content, beside = self._blocks.content(blocks), _beside((part,))
        if beside.get("role") == "function":
            return cast("schema.Message", {**beside, "content": content})
        told = {"role": "tool", "tool_call_id": self._call_id(part.call_id), "content": content}
        return cast("schema.Message", told | beside)

    # ---- what the model said ----------------------------------------------------------------------------------------

    def _assistant(self, parts: tuple[Part, ...], where: str) -> Iterator[schema.Message]:
        said = self._blocks.text(list(self._said(parts, where)))
        calls = [
            part.data if isinstance(part, Opaque) else self._call(part)
            for part in parts
            if (isinstance(part, ToolCall) and not _is_old(part)) or _is_call(part)
        ]
        sounds = [part for part in parts if isinstance(part, Audio)]
        found: dict[str, Any] = {
            "refusal": "".join(part.text for part in parts if isinstance(part, Refusal) and not _field(part)),
            "audio": next(map(_sound, filter(_audio_id, sounds)), None),
            "images": [self._picture(part) for part in parts if _field(part) == "images" and isinstance(part, Image)],
            "tool_calls": calls,
            "function_call": next(
                (_function(part) for part in parts if isinstance(part, ToolCall) and _is_old(part)), None
            ),
            "annotations": [note for part in parts for note in _notes(part)],
            **self._thoughts(parts),
            **_kept(parts),
        }
        found = {key: value for key, value in found.items() if value and self._takes_back(key)} | _beside(parts)
        if calls and self._quirks.reasoning_with_calls is not None:
            found.setdefault(self._quirks.reasoning_key, self._quirks.reasoning_with_calls)
        if said or found:
            # Beside calls and the like null is what OpenAI itself sends; with thoughts alone a content must be text.
            nothing = None if found.keys() & _INSTEAD else ""
            yield cast("schema.Message", {"role": "assistant", "content": said or nothing, **found})

    def _said(self, parts: tuple[Part, ...], where: str) -> Iterator[schema.Block]:
        """The blocks of the content: what has no other place in the message."""
        for index, part in enumerate(parts):
            path = f"{where}[{index}]"
            if isinstance(part, Thinking):
                yield from self._thinking(part)
            elif _is_call(part):
                continue
            elif isinstance(part, (Text, Opaque)) or (_field(part) == "content" and not isinstance(part, Refusal)):
                yield from self._blocks.block(part, path)
            elif isinstance(part, Refusal) and _field(part) == "content":
                yield {"type": "refusal", "refusal": part.text, **_fields(part)}
            elif _field(part) == "images" and self._takes_back("images"):
                continue  # it has a field of its own
            elif not isinstance(part, (Refusal, ToolCall, Audio)):
                self._refuse(path, f"this wire takes no {type(part).__name__.lower()} of the model's back")
            elif isinstance(part, Audio) and not _audio_id(part):
                self._refuse(path, "this wire takes the model's audio back only by its id")

    def _thinking(self, part: Thinking) -> Iterator[schema.Block]:
        """Thoughts that stand in the content; those of other wires are left out."""
        if part.wire == WIRE_NAME and self._key(part) == "content" and self._takes_back("content"):
            rest = _others(part)
            block = rest.pop("block", None)
            yield block or {"type": "thinking", "thinking": [{"type": "text", "text": part.text}], **rest}

    def _thoughts(self, parts: tuple[Part, ...]) -> dict[str, Any]:
        """The fields for thoughts beside the content, each as it was told."""
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, Thinking) and part.wire == WIRE_NAME and (key := self._key(part)) != "content":
                if part.text and key != "reasoning_details":
                    found[key] = found.get(key, "") + part.text
                if details := _details(part):
                    found["reasoning_details"] = [*found.get("reasoning_details", ()), *details]
        return found

    def _takes_back(self, field: str) -> bool:
        """Whether the host takes this field of an answer back; what OpenAI documents, every host does."""
        known = self._quirks.takes_back
        return known is None or field in known or field in _DOCUMENTED

    def _key(self, part: Thinking) -> str:
        known = part.extra.get(WIRE_NAME, {})
        return str(known.get("field") or ("reasoning" if _details(part) else self._quirks.reasoning_key))

    def _picture(self, part: Image) -> schema.Block:
        return {"type": "image_url", "image_url": {"url": self._blocks.url(part)}, **_others(part)}

    def _call(self, part: ToolCall) -> schema.ToolCall:
        known = _others(part)
        kind = known.pop("type", "function")
        rest = {key: value for key, value in known.items() if key not in KEPT or self._takes_back(key)}
        fields = {"id": self._call_id(part.id), "type": kind, **rest, **_fields(part)}
        if kind == "custom":
            custom = {"name": part.name, "input": part.arguments.get("input", ""), **_inner(part)}
            return cast("schema.ToolCall", {**fields, "custom": custom})
        return cast("schema.ToolCall", {**fields, "function": _function(part)})

    def _call_id(self, text: str) -> str:
        """`text`, or what stands for it where the host takes no such id: the same for a call and its answer."""
        length, most = self._quirks.call_id_length, self._quirks.call_id_most
        if length is not None:
            fits = re.fullmatch(f"[A-Za-z0-9]{{{length}}}", text) is not None
        else:
            fits = most is None or len(text) <= most
        return text if fits else sha256(text.encode("utf-8", "replace")).hexdigest()[: length or most]

    def _cache(self, spoken: list[schema.Message | bytes], cache: CacheTime, latest: Message | None) -> None:
        """Ask to cache up to the end of `spoken`, whose last is of `latest` where it is written already."""
        if self._quirks.cache is None:
            self._refuse("cache", "this host does not cache")
        if not (mark := self._blocks.mark(cache)):
            return
        last = spoken[-1]
        if isinstance(last, bytes):  # nothing can be put into it
            assert latest is not None  # noqa: S101 - it is of that
            last = spoken[-1] = [*self._turns(latest, 0)][-1]
        content = last.get("content")
        if not content:
            return
        blocks: list[schema.Block] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last["content"] = [*blocks[:-1], {**mark, **blocks[-1]}]


_DOCUMENTED: Final = frozenset({"refusal", "audio", "tool_calls", "function_call"})
_INSTEAD: Final = frozenset({"refusal", "audio", "tool_calls", "function_call", "images"})


@cache
def _said(role: str) -> tuple[bytes, ...]:
    return shape({"role": role, "content": HOLE})


def _others(part: Thinking | Image | Refusal | ToolCall) -> dict[str, Any]:
    """What this wire wants to see again of `part`, but for where it stood and what stood beside it."""
    known = part.extra.get(WIRE_NAME, {})
    return {key: value for key, value in known.items() if key not in _NOT_THE_PARTS}


_NOT_THE_PARTS: Final = frozenset({"field", "message", "beside", "fields", "inner", "arguments"})


def _fields(part: Refusal | ToolCall) -> dict[str, Any]:
    """What a caller's payload had in it beside what `part` has fields for."""
    found: dict[str, Any] = part.extra.get(WIRE_NAME, {}).get("fields", {})
    return found


def _inner(part: ToolCall) -> dict[str, Any]:
    """The same of what is called."""
    found: dict[str, Any] = part.extra.get(WIRE_NAME, {}).get("inner", {})
    return found


def _beside(parts: Iterable[Part]) -> dict[str, Any]:
    """What a caller's payload had in the message beside what there are parts for."""
    found: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, Opaque) and part.extra:
            found |= part.extra.get(WIRE_NAME, {}).get("beside", {})
    return found


def _kept(parts: tuple[Part, ...]) -> dict[str, Any]:
    """What the host told in the message beside all else."""
    found: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, Opaque):
            found |= object_or_empty(part.extra.get(WIRE_NAME, {}).get("message"))
    return {key: value for key, value in found.items() if key in KEPT}


def _is_call(part: Part) -> TypeGuard[Opaque]:
    """Whether it is a call of a type that this version does not model; blocks of the content have no id."""
    data = part.data if isinstance(part, Opaque) and part.wire == WIRE_NAME else {}
    return "id" in data and data.get("type") in data


def _is_old(part: ToolCall) -> bool:
    """Whether it came as a message's `function_call`, of which there can be one."""
    known: object = part.extra.get(WIRE_NAME, {}).get("type")
    return known == "function_call"


def _function(part: ToolCall) -> schema.FunctionCall:
    """What is called, with the arguments as the provider wrote them, unless the caller has changed them since."""
    arguments = part.raw if part.raw is not None else _very_text(part)
    return cast("schema.FunctionCall", {"name": part.name, "arguments": arguments, **_inner(part)})


def _very_text(part: ToolCall) -> str:
    text = part.extra.get(WIRE_NAME, {}).get("arguments")
    if isinstance(text, str):
        try:
            if loads(text) == part.arguments:
                return text
        except InvalidResponseError:
            pass
    return dump_text(part.arguments, "arguments")


def _field(part: Part) -> object:
    """The field of the message in which a medium or a refusal stood; None for its own."""
    return part.extra.get(WIRE_NAME, {}).get("field") if isinstance(part, (Image, Refusal)) else None


def _details(part: Thinking) -> list[dict[str, Any]]:
    found = part.extra.get(WIRE_NAME, {}).get("reasoning_details")
    return found if isinstance(found, list) else []


def _notes(part: Part) -> list[dict[str, Any]]:
    """What a host read in a file and told beside the content, so that it need not be read again."""
    found = part.extra.get(WIRE_NAME, {}).get("annotations") if isinstance(part, Text) else None
    return found if isinstance(found, list) else []


def _sound(part: Audio) -> dict[str, Any]:
    """What stands for a sound of the model's: its id, unless a caller's payload had more."""
    return part.extra.get(WIRE_NAME, {}).get("audio") or {"id": _audio_id(part)}


def _audio_id(part: Audio) -> str | None:
    """The id that stands for a sound of the model's."""
    known = part.extra.get(WIRE_NAME)
    if known is None:
        return part.file_id if not part.extra else None
    return known.get("id") or part.file_id
