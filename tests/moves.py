"""What is done to a conversation to make of it what arrives at another host, and what is then compared."""

import re
from functools import reduce
from itertools import groupby

import attrs

from llmkit import (
    AssistantMessage,
    Audio,
    Document,
    Image,
    Opaque,
    Refusal,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from llmkit.media.types import is_text
from llmkit.request import ResolvedRequest
from llmkit.settings import quirks_of
from llmkit.testing.wires import RENDERINGS
from llmkit.wire import wire

READ = {found.wire: found.read for found in RENDERINGS}


def sent(messages, row):
    """The body as `Client` makes it, and path → why of what it refuses."""
    leading = leading_of(messages)
    system = [part for message in messages[:leading] for part in message.content]
    request = ResolvedRequest(row.default_model or "m-1", (*messages[leading:],), system=(*system,), skipped=leading)
    refused = {}
    call = wire(row.wire).encode(
        request, quirks_of(row), lambda path, why: refused.setdefault(path, why) and None, False
    )
    return call.body, refused


def leading_of(messages):
    return next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))


def located(path, messages):
    """Where in the conversation that is which the encoder names: it counts all instructions on their own."""
    instructions = [
        f"messages[{number}].content[{index}]"
        for number, message in enumerate(messages)
        if isinstance(message, SystemMessage)
        for index in range(len(message.content))
    ]
    if found := re.match(r"system\[(\d+)\]", path):
        return instructions[int(found[1])] + path[found.end() :]
    return path.replace("prompt", "messages", 1)


# ---- a conversation without its losses -------------------------------------------------------------------------------

WHOLE = {"thinking", "block", "file", "media", "blank", "part"}
WITHOUT = {
    "cache": {"cache": None},
    "failure": {"is_error": False},
    "arguments": {"raw": None},
    "detail": {"detail": None},
    "transcript": {"transcript": None},
    "name": {"name": None},
    "context": {"context": None},
}
SUFFIX = re.compile(r"\.(file_id|citations|id)$")


def arriving(messages, losses, target):
    """`messages` without what is said to be lost, and with what is changed as it is said to be changed."""
    by_path = {}
    for loss in losses:
        by_path.setdefault(SUFFIX.sub("", loss.path), []).append(loss)

    def kept(parts, where):
        found = []
        for index, part in enumerate(parts):
            path = f"{where}.content[{index}]"
            mine = by_path.get(path, [])
            if any(loss.kind in WHOLE and loss.fate != "changed" for loss in mine):
                continue
            less = reduce(lambda part, loss: without(part, loss, target), mine, part)
            found.append(attrs.evolve(less, content=kept(less.content, path)) if isinstance(less, ToolResult) else less)
        return found

    def changed(message, where):
        content = kept(message.content, where)
        if f"{where}.content" in by_path:
            content.sort(key=is_call if isinstance(message, AssistantMessage) else is_no_result)
        return attrs.evolve(message, content=content)

    found = [changed(message, f"messages[{number}]") for number, message in enumerate(messages)]
    moved = [number for number in range(len(messages)) if f"messages[{number}]" in by_path]
    rest = [message for number, message in enumerate(found) if number not in moved]
    leading = leading_of(messages)
    return [*rest[:leading], *(found[number] for number in moved), *rest[leading:]]


def is_call(part):
    return isinstance(part, ToolCall)


def is_no_result(part):
    return not isinstance(part, ToolResult)


def without(part, loss, target):
    match loss.kind:
        case "call id":
            return part
        case "citations" if isinstance(part, Text):
            return attrs.evolve(part, citations=()) if len(set(re.findall(r"\d+", loss.what))) < 2 else part
        case "citations":
            return attrs.evolve(part, citations=False)
        case "refusal":
            return Text(part.text)
        case "media":
            return Text(part.data.decode("utf-8-sig"), cache=part.cache)
        case _ if isinstance(part, Text) and loss.kind == "name":
            return part  # of a document that has become one
        case "notes" | "signature":
            return attrs.evolve(part, extra=noted(part.extra, loss.what, target))
        case kind:
            return attrs.evolve(part, **WITHOUT[kind])


def noted(extra, what, target):
    """`extra` without what is lost of it: all of another wire, or one note of this one."""
    if "another host" not in what:
        return {name: notes for name, notes in extra.items() if name != what.split()[1]}
    gone = what.rpartition(": ")[2]
    return {**extra, target: {name: note for name, note in extra[target].items() if name != gone}}


# ---- what is compared -----------------------------------------------------------------------------------------------


def is_medium(part):
    return isinstance(part, (Image, Audio, Video, Document))


def medium(part):
    if name := part.extra.get("openai-chat", {}).get("id"):
        return Audio, name  # the model's own, for which an id stands there
    if isinstance(part, Audio) and part.file_id:
        return Audio, part.file_id
    return type(part), part.data, part.url, part.file_id


def is_words(part):
    """Whether it is a document that some wires are told as text."""
    return isinstance(part, Document) and part.data is not None and is_text(part.media_type)


def words(part):
    """What the model reads of it; without blanks, of which some are put in between."""
    told = part.text if isinstance(part, (Text, Refusal)) else ""
    if isinstance(part, Document):
        told = (part.context or "") + (part.data.decode() if is_words(part) else "")
    return "".join(told.split())


def gist(messages):
    """The words of each turn; and the calls, results, media and blocks, in their order."""
    parts = [(message.role, part) for message in messages for part in message.content]
    told = [(role, text) for role, part in parts if (text := words(part))]
    said = [part for _, part in parts]
    return {
        "turns": [(role, "".join(text for _, text in turn)) for role, turn in groupby(told, lambda item: item[0])],
        "calls": [(part.name, part.arguments) for part in said if isinstance(part, ToolCall)],
        "results": [
            ("".join(map(words, part.content)), [medium(item) for item in part.content if is_medium(item)])
            for part in said
            if isinstance(part, ToolResult)
        ],
        "media": [medium(part) for part in said if is_medium(part) and not is_words(part)],
        "blocks": [part.data for part in said if isinstance(part, Opaque)],
    }
