"""Every recorded conversation to each of the four wires: what `portability` says is what happens, and nothing else is.

The judges owe it nothing: bodies are compared whole, the `FakeServer`'s readers tell what arrives, and the vendors' own
request types whether it is taken. Of conversations that are made of the same kinds of parts one stands for all.
"""

import json
import re
from contextlib import suppress
from functools import cache, reduce
from itertools import groupby

import attrs
import pytest
from attrs import frozen
from conformance import recordings
from test_stored_history import UNREAD, answer
from test_vendor_request_types import faults

from llmkit import (
    Audio,
    ConfigurationError,
    Document,
    Image,
    Opaque,
    Refusal,
    SystemMessage,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
    Video,
)
from llmkit.history import portability
from llmkit.media.types import is_text
from llmkit.provider import provider
from llmkit.request import ResolvedRequest
from llmkit.settings import quirks_of
from llmkit.testing.wires import RENDERINGS
from llmkit.wire import WIRES, wire

pytestmark = pytest.mark.skipif(
    not recordings.FOLDER.is_dir(), reason=f"no recordings in {recordings.FOLDER}: they are not here"
)
ROWS = {
    "anthropic-messages": "anthropic",
    "openai-responses": "openai",
    "openai-chat": "openai-chat",
    "gemini-generate": "gemini",
}
READ = {found.wire: found.read for found in RENDERINGS}
each_move = pytest.mark.parametrize(("source", "target"), [(source, target) for source in WIRES for target in WIRES])


@cache
def conversations(name):
    """What was said, the answer included, each with the recording's id: one of those whose messages are made alike."""
    found = {}
    for recording in recordings.load(name):
        if not recording.sent:
            continue
        try:
            said = READ[name](recording.sent)
        except ConfigurationError:
            continue
        if any(is_odd(part) for message in said for part in message.content):
            continue
        if recording.ok:
            with suppress(*UNREAD):
                said = [*said, answer(wire(name), recording)]
        key = frozenset((message.role, repr([make(part) for part in message.content])) for message in said)
        # All prompts end in the user's words, and thoughts must not be the last of all.
        found.setdefault(key, (recording.id, [*said, UserMessage("Go on.")]))
    return list(found.values())


def is_odd(part):
    """Whether content stands where an address belongs: one host takes it so, and nobody else could."""
    return is_medium(part) and part.url is not None and ":" not in part.url


def make(part):
    """What may matter for how a part moves, which is all but its words."""
    fields = {item.name: getattr(part, item.name) for item in attrs.fields(type(part))}
    given = [name for name, value in fields.items() if value not in (None, (), {}, False)]
    inner = [make(item) for item in part.content] if isinstance(part, ToolResult) else ()
    blank = isinstance(part, Text) and not part.text.strip()
    notes = {name: sorted(notes) for name, notes in fields.get("extra", {}).items()}
    return type(part).__name__, given, notes, fields.get("wire"), fields.get("media_type"), inner, blank


def sent(messages, target):
    """The body as `Client` makes it, and path → why of what it refuses."""
    row, leading = provider(ROWS[target]), leading_of(messages)
    system = [part for message in messages[:leading] for part in message.content]
    request = ResolvedRequest(row.default_model or "m-1", (*messages[leading:],), system=(*system,), skipped=leading)
    refused = {}
    call = wire(target).encode(request, quirks_of(row), lambda path, why: refused.setdefault(path, why) and None, False)
    return call.body, refused


def leading_of(messages):
    return next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))


@frozen
class Move:
    """A recorded conversation on its way: its losses, the body, and path → why of what the encoder refuses."""

    id: str
    messages: list
    losses: list
    body: bytes
    refused: dict


@cache
def moves(source, target):
    """The conversations of one wire on their way to another."""
    found, unsendable = [], []
    for name, messages in conversations(source):
        try:
            found.append(Move(name, messages, portability(messages, ROWS[target]), *sent(messages, target)))
        except ConfigurationError as exc:
            unsendable.append(str(exc))
    # A result without its call is no prompt for any wire.
    assert all(re.match(r"messages\[\d+\]\.content\[\d+\]\.name: this wire needs", text) for text in unsendable)
    assert len(unsendable) <= 4
    return found


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
            if any(loss.kind in WHOLE for loss in mine):
                continue
            less = reduce(lambda part, loss: without(part, loss, target), mine, part)
            found.append(attrs.evolve(less, content=kept(less.content, path)) if isinstance(less, ToolResult) else less)
        if any(loss.kind == "order" for loss in by_path.get(f"{where}.content", ())):
            found.sort(key=is_usually_last)
        return found

    changed = [
        attrs.evolve(message, content=kept(message.content, f"messages[{number}]"))
        for number, message in enumerate(messages)
    ]
    moved = [number for number in range(len(messages)) if f"messages[{number}]" in by_path]
    rest = [message for number, message in enumerate(changed) if number not in moved]
    leading = leading_of(messages)
    return [*rest[:leading], *(changed[number] for number in moved), *rest[leading:]]


def is_usually_last(part):
    """Calls are, behind the model's words; the user's words, behind results."""
    return isinstance(part, ToolCall)


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
        case "notes" | "signature":
            return attrs.evolve(part, extra={name: notes for name, notes in part.extra.items() if name == target})
        case kind:
            return attrs.evolve(part, **WITHOUT[kind])


# ---- what holds ------------------------------------------------------------------------------------------------------


@each_move
def test_what_is_refused_is_what_the_encoder_refuses(source, target):
    for move in moves(source, target):
        told = {loss.path: loss.what for loss in move.losses if loss.fate == "refused"}
        assert told == {located(path, move.messages): why for path, why in move.refused.items()}, move.id


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


@each_move
def test_without_its_losses_it_is_sent_the_same(source, target):
    for move in moves(source, target):
        body, refused = sent(arriving(move.messages, move.losses, target), target)
        assert (body, refused) == (move.body, {}), move.id


@each_move
def test_without_its_losses_nothing_is_lost(source, target):
    for move in moves(source, target):
        left = portability(arriving(move.messages, move.losses, target), ROWS[target])
        assert {(loss.kind, loss.fate) for loss in left} <= {("call id", "changed"), ("citations", "left out")}, move.id


@each_move
def test_all_that_is_not_lost_arrives(source, target):
    for move in moves(source, target):
        arrived = READ[target](json.loads(move.body))
        assert gist(arrived) == gist(arriving(move.messages, move.losses, target)), move.id


@pytest.mark.parametrize(("source", "target"), [(one, other) for one in WIRES for other in WIRES if one != other])
def test_the_vendor_takes_what_is_sent(source, target):
    """What goes back to its own wire, kinds of blocks that its vendor does not know yet included, others test."""
    for move in moves(source, target):
        assert faults(target, json.loads(move.body)) == [], move.id


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
