"""A resolved request as a call of `POST /v1/messages`.

Source: https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias, assert_never, cast

from llmkit.errors import ConfigurationError
from llmkit.json_codec import dump_bytes, string_bytes
from llmkit.messages import (
    Audio,
    Document,
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
    Video,
)
from llmkit.request import ResolvedRequest
from llmkit.tools import ServerTool, Tool
from llmkit.wire.anthropic_messages import schema
from llmkit.wire.anthropic_messages.dialect import dialect, expressible
from llmkit.wire.anthropic_messages.reasoning import Reasoning, reasoning
from llmkit.wire.anthropic_messages.schema import WIRE_NAME
from llmkit.wire.anthropic_messages.turns import (
    TEXT,
    bare_words,
    cache_control,
    is_bare,
    said,
    text_block,
    thinking_block,
    turn,
    whole,
    with_cache,
    words_of,
)
from llmkit.wire.base import Call, Refuse, merge_body, need
from llmkit.wire.call_ids import CallIds
from llmkit.wire.quirks import AnthropicMessagesQuirks
from llmkit.wire.splice import HOLE, Blobs, joined, listed, shape

FILES_BETA: Final = "files-api-2025-04-14"
_IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml"})
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_BEYOND: Final = (
    "structured outputs of this wire have no words for such a schema: for free keys, tuples, any value, what holds "
    "another of itself, and more than a few optional properties and unions"
)
_CALL: Final = shape({"type": "tool_use", "id": HOLE, "name": HOLE, "input": HOLE})
_RESULT: Final = shape({"type": "tool_result", "tool_use_id": HOLE, "content": [TEXT]})
_Other: TypeAlias = Text | Refusal | Image | Document | Audio | Video | Thinking | Opaque  # but calls and results
_COUNTED: Final = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")


def encode(request: ResolvedRequest, quirks: AnthropicMessagesQuirks, refuse: Refuse, stream: bool) -> Call:  # noqa: FBT001 - as `Wire.encode`
    """The call that asks for an answer.

    Raises:
        ConfigurationError: A value is out of this wire's bounds.
        UnsupportedOptionError: From `refuse`.
    """
    encoder = _Encoder(request, quirks, refuse)
    body = dict(encoder.body())
    return encoder.call("/messages", {**body, "stream": True} if stream else body)


def encode_count(request: ResolvedRequest, quirks: AnthropicMessagesQuirks, refuse: Refuse) -> Call:
    """The call that asks how many tokens the request has."""
    encoder = _Encoder(request, quirks, refuse)
    return encoder.call("/messages/count_tokens", _countable(encoder.body()))


def encode_models(query: Mapping[str, str], _: AnthropicMessagesQuirks) -> Call:
    """The call for one page of models."""
    return Call("/models", query={"limit": "1000", **query})


def _countable(body: schema.Body) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key in _COUNTED}


class _Encoder:
    """One request on its way to JSON: what several functions of it need."""

    def __init__(self, request: ResolvedRequest, quirks: AnthropicMessagesQuirks, refuse: Refuse) -> None:
        self._request = request
        self._quirks = quirks
        self._refuse = refuse
        self._blobs = Blobs()
        self._betas: set[str] = set()
        self._call_ids = CallIds(_CALL_ID)

    def call(self, path: str, fields: dict[str, Any]) -> Call:
        body = merge_body(fields, self._request.extra_body)
        headers = {"anthropic-beta": ",".join(sorted(self._betas))} if self._betas else {}
        return Call(path, self._blobs.dump(body), headers, self._request.extra_query)

    def body(self) -> schema.Body:
        request, quirks = self._request, self._quirks
        need(
            quirks.model_slash or "/" not in request.model,
            "model",
            f"this host's names have no slash: {request.model!r}",
        )
        warmth = request.temperature or 0
        need(warmth <= 1, "temperature", f"expected a number from 0 to 1 on this wire, got {warmth}")
        thought = reasoning(request, quirks.facts(request.model), self._refuse)
        system, messages = self._system(), self._messages()
        need(bool(messages), "prompt", "nothing is left to send: all of it is blank")
        fields: schema.Body = {
            "model": request.model,
            "max_tokens": thought.max_tokens,
            "messages": messages,
            "system": system,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "top_k": request.top_k,
            "stop_sequences": list(request.stop or ()),
            "tools": [self._tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools)],
            "tool_choice": self._tool_choice(),
            "thinking": thought.thinking,
            "output_config": self._output_config(thought),
            "cache_control": cache_control(request.cache),
            "metadata": self._metadata(),
            "service_tier": request.service_tier,
        }
        return cast("schema.Body", {key: value for key, value in fields.items() if value not in (None, [], {})})

    def _output_config(self, thought: Reasoning) -> schema.OutputConfig:
        config: schema.OutputConfig = {"effort": thought.effort} if thought.effort else {}
        wanted = self._request.output_schema
        if wanted is not None and not expressible(wanted):
            self._refuse("output_type", _BEYOND)
        elif wanted is not None:
            config["format"] = {"type": "json_schema", "schema": dialect(wanted)}
        return config

    def _metadata(self) -> dict[str, str]:
        found = dict(self._request.metadata or {})
        for key in sorted(found.keys() - {"user_id"}):
            self._refuse(f"metadata.{key}", "this wire has only metadata.user_id")
            del found[key]
        return found

    def _system(self) -> list[schema.Block]:
        parts = list(self._request.system)
        if not self._quirks.system_turns:
            parts += _later_instructions(self._request.messages)
        return self._blocks(parts, "system")

    def _messages(self) -> list[schema.Turn]:
        found: list[schema.Turn | bytes] = []
        for number, message in enumerate(self._request.messages, self._request.skipped):
            role = message.role
            if role == "system" and not self._quirks.system_turns:
                continue
            if role == "assistant":
                self._call_ids.turn()
            content = message.content
            if len(content) == 1 and type(only := content[0]) is Text and is_bare(only):  # as in most
                before, after = said(role)
                found.append(b"".join((before, string_bytes(only.text), after)))
            # A turn of which nothing may be sent (an empty answer) is left out; the provider merges its neighbours.
            elif blocks := self._turn(message, number):
                before, after = turn(role)
                try:
                    found.append(b"".join((before, joined(blocks), after)))
                except ConfigurationError:  # which the whole body will tell, with the path
                    found.append({"role": role, "content": listed(blocks)})
        return listed(found)

    def _turn(self, message: Message, number: int) -> list[schema.Block | bytes]:
        """The blocks for the caller's message of that number. No path is written of what nothing can be wrong with."""
        found: list[schema.Block | bytes] = []
        for index, part in _ordered(message):
            block: schema.Block | bytes | None
            if isinstance(part, Text):
                block = words_of(part) if is_bare(part) else text_block(part)
            elif isinstance(part, ToolCall):
                block = self._tool_use(part)
            elif isinstance(part, ToolResult):
                block = self._tool_result(part, number, index)
            elif isinstance(part, (Image, Document)) and message.role == "assistant":
                # The provider takes them from the user only.
                kind = type(part).__name__.lower()
                block = self._refuse(f"prompt[{number}].content[{index}]", f"this wire takes no {kind} in an answer")
            else:
                block = self._block(part, f"prompt[{number}].content[{index}]")
            if block is not None:
                found.append(block)
        return found

    def _blocks(self, parts: Sequence[Part], where: str) -> list[schema.Block]:
        """The blocks for parts that are neither calls nor results."""
        told = cast("Sequence[_Other]", parts)
        found = (self._block(part, f"{where}[{index}]") for index, part in enumerate(told))
        return [block for block in found if block is not None]

    def _block(self, part: _Other, where: str) -> schema.Block | None:  # noqa: PLR0911 - one a kind of part
        """The block for `part`; None for what the provider would refuse back."""
        match part:
            case Text():
                return text_block(part)
            case Image():
                return self._image(part, where)
            case Document():
                return self._document(part, where)
            case Audio() | Video():
                return self._refuse(where, f"this wire takes no {type(part).__name__.lower()}")
            case Thinking():
                return thinking_block(part)
            case Refusal(text=text):
                return text_block(Text(text))
            case Opaque(wire=wire, data=data):
                return (
                    data if wire == WIRE_NAME else self._refuse(where, f"a block of {wire} means nothing to this wire")
                )
            case _:
                assert_never(part)

    def _image(self, part: Image, where: str) -> schema.Block | None:
        source: schema.Source | None
        if part.data is not None:
            if part.media_type not in _IMAGE_TYPES:
                return self._refuse(where, f"this wire takes JPEG, PNG, GIF and WebP, not {part.media_type}")
            source = {"type": "base64", "media_type": part.media_type, "data": self._blobs.mark(part)}
        else:
            source = self._elsewhere(part, where)
        return None if source is None else with_cache(schema.ImageBlock(type="image", source=source), part.cache)

    def _document(self, part: Document, where: str) -> schema.Block | None:
        source = self._document_source(part, where) if part.data is not None else self._elsewhere(part, where)
        if source is None:
            return None
        block: schema.DocumentBlock = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        if part.context:
            block["context"] = part.context
        if part.citations:
            block["citations"] = {"enabled": True}
        return with_cache(block, part.cache)

    def _document_source(self, part: Document, where: str) -> schema.Source | None:
        kind = part.media_type or ""
        if kind == "application/pdf":
            return {"type": "base64", "media_type": kind, "data": self._blobs.mark(part)}
        if kind.startswith("text/") or kind in _TEXT_TYPES:
            try:
                text = (part.data or b"").decode("utf-8-sig")
            except UnicodeDecodeError:
                return self._refuse(where, f"this wire takes text in UTF-8, and this {kind} is not")
            return {"type": "text", "media_type": "text/plain", "data": text}
        return self._refuse(where, f"this wire takes PDF and text, not {kind}")

    def _elsewhere(self, part: Image | Document, where: str) -> schema.Source | None:
        if part.url is not None:
            return {"type": "url", "url": part.url}
        if part.extra and WIRE_NAME not in part.extra:
            return self._refuse(f"{where}.file_id", "the file lies with another provider")
        self._betas.add(FILES_BETA)
        return {"type": "file", "file_id": part.file_id or ""}

    def _tool_use(self, part: ToolCall) -> schema.Block | bytes:
        id_ = self._call_ids.call(part.id)
        if part.cache is None and not part.extra:  # as of nearly all
            with suppress(ConfigurationError):  # which the whole body will tell, with the path
                given = dump_bytes(part.arguments)
                return b"".join(
                    (_CALL[0], string_bytes(id_), _CALL[1], string_bytes(part.name), _CALL[2], given, _CALL[3])
                )
        block: schema.ToolUseBlock = {"type": "tool_use", "id": id_, "name": part.name, "input": part.arguments}
        return whole(block, part)

    def _tool_result(self, part: ToolResult, number: int, index: int) -> schema.Block | bytes:
        """The block for the result that stands at `index` of the caller's message of that number."""
        id_ = self._call_ids.result(part.call_id)
        if words := bare_words(part):
            return b"".join((_RESULT[0], string_bytes(id_), _RESULT[1], words, _RESULT[2]))
        block: schema.ToolResultBlock = {"type": "tool_result", "tool_use_id": id_}
        if content := self._blocks(part.content, f"prompt[{number}].content[{index}].content"):
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return whole(block, part)

    def _tool(self, tool: Tool | ServerTool, where: str) -> schema.CustomTool | dict[str, Any]:
        if isinstance(tool, ServerTool):
            return dict(with_cache(cast("schema.CustomTool", dict(tool.data)), tool.cache))
        if _TOOL_NAME.fullmatch(tool.name) is None:
            raise ConfigurationError(
                f"{where}.name: expected up to 128 letters, digits, '_' and '-' on this wire, got {tool.name[:140]!r}"
            )
        parameters, strict = self._parameters(tool, where)
        found: schema.CustomTool = {"name": tool.name, "input_schema": parameters}
        if tool.description:
            found["description"] = tool.description
        if strict is not None:
            found["strict"] = strict
        return with_cache(found, tool.cache)

    def _parameters(self, tool: Tool, where: str) -> tuple[dict[str, Any], bool | None]:
        """What a tool's parameters are sent as, and whether they are strict."""
        if not tool.strict:
            return tool.parameters, tool.strict
        if expressible(tool.parameters):
            return dialect(tool.parameters), True
        self._refuse(f"{where}.strict", _BEYOND)
        return tool.parameters, None

    def _tool_choice(self) -> schema.ToolChoice | None:
        request = self._request
        if not request.tools:
            return None
        wanted, one_at_a_time = request.tool_choice, request.parallel_tool_calls is False
        if wanted is None and not one_at_a_time:
            return None
        choice: schema.ToolChoice = {"type": _CHOICES.get(wanted or "auto", "tool")}
        if choice["type"] == "tool":
            choice["name"] = wanted or ""
        if one_at_a_time and choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
        return choice


_Choice: TypeAlias = Literal["auto", "any", "tool", "none"]
_CHOICES: Final[Mapping[str, _Choice]] = {"auto": "auto", "required": "any", "none": "none"}


def _later_instructions(messages: Sequence[Message]) -> Iterator[Text | Opaque]:
    for message in messages:
        if isinstance(message, SystemMessage):
            yield from message.content  # type: ignore[misc]  # it holds nothing else


def _ordered(message: Message) -> Iterable[tuple[int, Part]]:
    """Its parts, each with its place; answers to tools first, as nothing may stand before them in a turn."""
    parts = enumerate(message.content)
    if len(message.content) == 1 or message.role == "assistant":
        return parts
    return sorted(parts, key=lambda item: not isinstance(item[1], ToolResult))
