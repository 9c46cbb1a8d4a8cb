"""A conversation as input items: each message one or several, each item of an answer as it was.

Source: https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeAlias, assert_never, cast

from llmkit.json_codec import string_bytes
from llmkit.messages import (
    Audio,
    Citation,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.wire.base import Refuse
from llmkit.wire.call_ids import CallIds
from llmkit.wire.openai_responses import schema
from llmkit.wire.openai_responses.calls import arguments_of, call_item, is_custom
from llmkit.wire.openai_responses.images import image_item, was_made
from llmkit.wire.openai_responses.media import MediaEncoder, text
from llmkit.wire.openai_responses.schema import WIRE_NAME
from llmkit.wire.reading import object_or_empty
from llmkit.wire.splice import HOLE, Blobs, listed, shape

PARTS: Final = ("input_text", "input_image", "input_file", "input_audio", "output_text", "refusal")
"""What stands in messages; whatever else has a type is an item."""
_NAMED: Final = ("message", "reasoning", "function_call", "custom_tool_call")
ANNOTATIONS: Final = ("url_citation", "file_citation", "container_file_citation", "file_path")
"""The types of sources that go back with an answer."""
_LINK: Final = ("url", "title", "start_index", "end_index")
_CALL_ID: Final = re.compile(r".{1,64}", re.DOTALL)
_MESSAGE: Final = ("id", "phase")  # what tells one message of an answer from the next

Told: TypeAlias = Text | Image | Audio | Video | Document | Opaque
"""What the model can be told: messages see to it that no other part stands where it is."""
_Other: TypeAlias = Refusal | Thinking | Image | Audio | Video | Document | ToolResult | Opaque  # but texts and calls
_INPUT: Final = {"type": "input_text", "text": HOLE}
_OUTPUT: Final = {"type": "output_text", "text": HOLE, "annotations": []}
_WORDS: Final = shape(_OUTPUT)
_ANSWER: Final = shape({"type": "message", "role": "assistant", "content": [HOLE]})
_CALL: Final = shape({"type": "function_call", "call_id": HOLE, "name": HOLE, "arguments": HOLE})
_RESULT: Final = shape({"type": "function_call_output", "call_id": HOLE, "output": HOLE})
_NEW: Final[Mapping[str, Any]] = {}  # of a message of which nothing is known


class Conversation:
    """The items of one request, oldest first."""

    def __init__(self, blobs: Blobs, refuse: Refuse, *, stored: bool) -> None:
        self._items: list[schema.Item | dict[str, Any] | bytes] = []
        self._media = MediaEncoder(blobs, refuse)
        self._refuse = refuse
        self._stored = stored  # then the provider knows its items by their ids
        self._call_ids = CallIds(_CALL_ID)
        self._custom: set[str] = set()  # ids of calls of custom tools, as they were sent

    def items(self) -> list[schema.Item | dict[str, Any]]:
        """What has been added, for a body."""
        return listed(self._items)

    def system(self, parts: Sequence[Part]) -> None:
        """Add instructions."""
        turn = _Turn(self, "system")
        for index, part in enumerate(parts):
            turn.told(part, f"system[{index}]")
        self._items += turn.items

    def message(self, message: Message, number: int) -> None:
        """Add a message, the caller's of that number. No path is written of what nothing can be wrong with."""
        role, content = message.role, message.content
        if role == "assistant":
            self._call_ids.turn()
        only = content[0] if len(content) == 1 else None  # as most have
        if type(only) is Text and not only.extra and not (only.citations and role == "assistant"):
            if only.text:
                before, after = _said(role)
                self._items.append(b"".join((before, string_bytes(only.text), after)))
        elif type(only) is ToolResult:
            self._items.append(self._usual_result(only) or self.result(only, number, 0))
        elif role == "assistant":
            for part in content:
                if not isinstance(part, (Text, ToolCall)) or part.extra or (type(part) is Text and part.citations):
                    self._items += _Turn(self, role).answer(content, number)
                    return
            self._usual_answer(content)
        else:
            self._items += _Turn(self, role).question(content, number)

    def _usual_answer(self, content: Sequence[Part]) -> None:
        """Add an answer of plain texts and calls, as `_Turn.answer` would, in half the time."""
        words: list[bytes] = []  # of the message that takes further ones
        for part in content:
            if type(part) is ToolCall:
                if words:
                    self._items.append(b"".join((_ANSWER[0], b",".join(words), _ANSWER[1])))
                    words = []
                id_, name = string_bytes(self._call_ids.call(part.id)), string_bytes(part.name)
                given = string_bytes(arguments_of(part))
                self._items.append(b"".join((_CALL[0], id_, _CALL[1], name, _CALL[2], given, _CALL[3])))
            elif type(part) is Text and part.text:
                words.append(b"".join((_WORDS[0], string_bytes(part.text), _WORDS[1])))
        if words:
            self._items.append(b"".join((_ANSWER[0], b",".join(words), _ANSWER[1])))

    def _usual_result(self, part: ToolResult) -> bytes:
        """As `result`, of a plain text for a function; nothing for all else."""
        content = part.content
        if len(content) != 1 or type(only := content[0]) is not Text or part.extra or self._custom:
            return b""
        id_ = string_bytes(self._call_ids.result(part.call_id))
        return b"".join((_RESULT[0], id_, _RESULT[1], string_bytes(only.text), _RESULT[2]))

    def input_parts(self, part: Told, where: str) -> list[Any]:
        """What stands for `part` in what is told to the model; none for what is refused or empty."""
        found = self._input_parts(part, where)
        if found and (fields := _payload(part).get("fields")):
            found[-1] = {**found[-1], **fields}
        return found

    def _input_parts(self, part: Told, where: str) -> list[Any]:
        match part:
            case Text():
                found: Any = text(part)
            case Image() | Document() if part.data is not None and _payload(part).get("type") == "input_file":
                found = self._media.file(part)
            case Image():
                found = self._media.image(part, where)
            case Document():
                return cast("list[Any]", self._media.document(part, where))
            case Audio():
                found = self._media.audio(part, where)
            case Video():
                found = self._refuse(where, "this wire takes no video")
            case Opaque(wire=wire, data=data):
                if wire != WIRE_NAME:
                    self.foreign(wire, where)
                    return []
                found = data
            case _:
                assert_never(part)
        return [] if found is None else [found]

    def foreign(self, wire: str, where: str) -> None:
        """Refuse an `Opaque` of another wire."""
        self._refuse(where, f"an item of {wire} means nothing to this wire")

    def made(self, part: Image, where: str) -> dict[str, Any] | None:
        """The item for a picture in an answer; None where it was refused."""
        if was_made(part):
            return image_item(part, self._media.base64(part))
        return self._refuse(where, "this wire takes pictures from the user only")

    def no_place(self, part: Part, where: str) -> None:
        """Refuse what cannot stand in an answer."""
        self._refuse(where, f"this wire takes no {type(part).__name__.lower()} in an answer")

    def reasoning(self, part: Thinking) -> dict[str, Any] | None:
        """The item for thoughts; None for those that the provider cannot read again, and would refuse."""
        if part.wire != WIRE_NAME:
            return None
        sealed = part.signature or part.redacted
        known = part.extra.get(WIRE_NAME) or {}
        if not (sealed or known.get("content") or (self._stored and known.get("id"))):
            return None
        summary = [{"type": "summary_text", "text": part.text}] if part.text and not known else []
        found: dict[str, Any] = {"type": "reasoning", "summary": summary, **known}
        if sealed:
            found["encrypted_content"] = sealed
        return found

    def call(self, part: ToolCall) -> schema.Call:
        """The item for a call."""
        id_ = self._call_ids.call(part.id)
        if part.extra and is_custom(part):
            self._custom.add(id_)
        return call_item(part, id_)

    def result(self, part: ToolResult, number: int, index: int) -> schema.CallOutput:
        """The item for the answer to a call. That it failed is said by its text alone: the wire has no field for it.

        Args:
            part: The answer.
            number: In which of the caller's messages it stands.
            index: Where in it.
        """
        id_ = self._call_ids.result(part.call_id)
        kind = "custom_tool_call_output" if id_ in self._custom else "function_call_output"
        content = part.content
        if len(content) == 1 and type(only := content[0]) is Text:  # as nearly all are
            output: str | list[Any] = only.text
        else:
            output = self._output(content, f"prompt[{number}].content[{index}].content")
        found = {"type": kind, "call_id": id_, "output": output}
        if extra := part.extra.get(WIRE_NAME):
            found |= extra
        return cast("schema.CallOutput", found)

    def _output(self, content: Sequence[Part], where: str) -> str | list[Any]:
        """What a call answered: a text where nothing else is left of it."""
        found: list[Any] = []
        plain = True
        for index, item in enumerate(content):
            path = f"{where}[{index}]"
            if isinstance(item, Audio):
                self._refuse(path, "this wire takes no audio in the answer to a call")
                continue
            parts = self.input_parts(cast("Told", item), path)
            plain &= (isinstance(item, Text) and not is_more(item)) or not parts
            found += parts
        return "".join(item.text for item in content if isinstance(item, Text)) if plain else found


class _Turn:
    """One message on its way to items: those of its parts that are of one message stand in one item.

    Attributes:
        items: What has been added.
    """

    def __init__(self, conversation: Conversation, role: str) -> None:
        self.items: list[Any] = []
        self._conversation = conversation
        self._role = role
        self._open: dict[str, Any] | None = None  # the message that takes further parts
        self._thoughtless = False  # thoughts were left out

    def question(self, content: Sequence[Part], number: int) -> list[Any]:
        """The items for what the model is told in the caller's message of that number."""
        # Answers to calls first, as nothing may stand between a call and its answer.
        for index, part in sorted(enumerate(content), key=lambda item: not isinstance(item[1], ToolResult)):
            if isinstance(part, ToolResult):
                self._alone(self._conversation.result(part, number, index))
            else:
                self.told(part, f"prompt[{number}].content[{index}]")
        return self.items

    def answer(self, content: Sequence[Part], number: int) -> list[Any]:
        """The items for the caller's message of that number, which is one of the model's."""
        plain = True  # nothing but texts and calls, which are consistent
        for index, part in enumerate(content):
            if isinstance(part, ToolCall):
                self._alone(self._conversation.call(part))
            elif isinstance(part, Text):
                # An empty one is sent back only to stand in its place behind the thoughts before it.
                if WIRE_NAME in part.extra:
                    self._spoken(part, _output_text(part))
                elif part.text:
                    self._join(_NEW, [_output_text(part)])
            else:
                plain = False
                self._said(part, f"prompt[{number}].content[{index}]")
        return self.items if plain else self._consistent()

    def told(self, part: Part, where: str) -> None:
        """Add what the model is told, but for the answers to its calls."""
        shared = _payload(part).get("beside", _NEW)
        for found in self._conversation.input_parts(cast("Told", part), where):
            if isinstance(part, Opaque):
                self._opaque(found)
            else:
                self._join(shared, [found])

    def _said(self, part: _Other, where: str) -> None:
        conversation = self._conversation
        match part:
            case Refusal(text=words):
                if words or WIRE_NAME in part.extra:
                    self._spoken(part, {"type": "refusal", "refusal": words})
            case Thinking():
                item = conversation.reasoning(part)
                self._thoughtless |= item is None and part.wire == WIRE_NAME
                self._alone(item)
            case Image():
                self._alone(conversation.made(part, where))
            case Opaque(wire=wire, data=data):
                self._opaque(data) if wire == WIRE_NAME else conversation.foreign(wire, where)
            case Audio() | Video() | Document() | ToolResult():
                conversation.no_place(part, where)
            case _:
                assert_never(part)

    def _spoken(self, part: Text | Refusal, found: dict[str, Any]) -> None:
        extra = part.extra.get(WIRE_NAME) or {}
        shared = {key: value for key, value in extra.items() if key != "part"}
        self._join(shared, [{**found, **(extra.get("part") or {})}])

    def _opaque(self, data: dict[str, Any]) -> None:
        content = data.get("content")
        if data.get("type") == "message" and isinstance(content, list):
            self._join({key: value for key, value in data.items() if key not in ("type", "content")}, content)
        elif data.get("type") in PARTS:
            self._join(_NEW, [data])
        else:
            self._alone(data)

    def _alone(self, item: Any) -> None:
        """Add an item that is no message."""
        if item is not None:
            self.items.append(item)
            self._open = None

    def _join(self, shared: Mapping[str, Any], content: Sequence[Any]) -> None:
        """Add parts to the message that they are of."""
        found = self._open
        if (
            found is None
            or any(found.get(key) != shared.get(key) for key in _MESSAGE)
            or found["role"] != shared.get("role", self._role)
        ):
            self._open = {"type": "message", "role": self._role, "content": [*content], **shared}
            self.items.append(self._open)
        else:
            found["content"] += content

    def _consistent(self) -> list[Any]:
        """The items of an answer, as the provider takes them back.

        It refuses thoughts that nothing follows. And it holds items that it knows by their ids to what stood beside
        them: where something of the answer is not there any more, no id may be either.
        """
        items = self.items
        while items and items[-1].get("type") == "reasoning":
            del items[-1]
        thought = self._thoughtless or any(item.get("type") == "reasoning" for item in items)
        whole = not self._thoughtless and all(item.get("id") for item in items if item.get("type") in _NAMED)
        if thought and not whole:
            return [_nameless(item) for item in items if not _known_by_id(item)]
        return items


def _payload(part: Part) -> Mapping[str, Any]:
    """What a part that was read from a caller's payload keeps of it."""
    return _NEW if isinstance(part, Opaque) else part.extra.get(WIRE_NAME) or _NEW


def is_more(part: Part) -> bool:
    """Whether there is more in a caller's payload than the words of `part`."""
    return not _payload(part).keys().isdisjoint(("beside", "fields"))


def _known_by_id(item: Mapping[str, Any]) -> bool:
    """Whether it is thoughts of which nothing but the id tells the provider anything."""
    return item.get("type") == "reasoning" and not (item.get("encrypted_content") or item.get("content"))


def _nameless(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "id"} if item.get("type") in _NAMED else item


@cache
def _said(role: str) -> tuple[bytes, ...]:
    return shape({"type": "message", "role": role, "content": [_OUTPUT if role == "assistant" else _INPUT]})


def _output_text(part: Text) -> dict[str, Any]:
    return {
        "type": "output_text",
        "text": part.text,
        "annotations": _annotations(part.citations) if part.citations else [],
    }


def _annotations(citations: Sequence[Citation]) -> list[dict[str, Any]]:
    """Those that are of this wire, as they came, and links of Chat Completions; others have other fields."""
    found = (_annotation(citation.raw) for citation in citations if citation.raw.get("type") in ANNOTATIONS)
    return [annotation for annotation in found if annotation is not None]


def _annotation(raw: dict[str, Any]) -> dict[str, Any] | None:
    kind = raw["type"]
    if kind not in raw:
        return raw
    # Chat Completions has the fields of a link in an object of its own, to which hosts add others.
    inner = object_or_empty(raw[kind])
    return {"type": kind, **{key: inner[key] for key in _LINK}} if inner.keys() >= {*_LINK} else None
