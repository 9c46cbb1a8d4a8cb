"""Every recorded conversation to each of the other wires: what `portability` says is what happens, and nothing else is.

The judges owe it nothing: bodies are compared whole, the `FakeServer`'s readers tell what arrives, and the vendors' own
request types whether it is taken. Of conversations that are made of the same kinds of parts one stands for all.
"""

import json
import re
from contextlib import suppress
from functools import cache

import attrs
import pytest
from attrs import frozen
from conformance import recordings
from moves import READ, arriving, gist, is_medium, located, sent
from test_stored_history import UNREAD, answer
from test_vendor_request_types import faults

from llmkit import ConfigurationError, Text, ToolResult, UserMessage
from llmkit.history import portability
from llmkit.provider import provider
from llmkit.wire import WIRES, wire

pytestmark = pytest.mark.skipif(
    not recordings.FOLDER.is_dir(), reason=f"no recordings in {recordings.FOLDER}: they are not here"
)
ROWS = {
    "anthropic-messages": provider("anthropic"),
    "openai-responses": provider("openai"),
    "openai-chat": provider("openai-chat"),
    "gemini-generate": provider("gemini"),
}
each_move = pytest.mark.parametrize(
    ("source", "target"), [(source, target) for source in WIRES for target in WIRES if source != target]
)


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
            found.append(Move(name, messages, portability(messages, ROWS[target]), *sent(messages, ROWS[target])))
        except ConfigurationError as exc:
            unsendable.append(str(exc))
    # A result without its call is no prompt for any wire.
    assert all(re.match(r"messages\[\d+\]\.content\[\d+\]\.name: this wire needs", text) for text in unsendable)
    assert len(unsendable) <= 4
    return found


# ---- what holds ------------------------------------------------------------------------------------------------------


@each_move
def test_what_is_refused_is_what_the_encoder_refuses(source, target):
    for move in moves(source, target):
        told = {loss.path: loss.what for loss in move.losses if loss.fate == "refused"}
        assert told == {located(path, move.messages): why for path, why in move.refused.items()}, move.id


@each_move
def test_without_its_losses_it_is_sent_the_same(source, target):
    for move in moves(source, target):
        body, refused = sent(arriving(move.messages, move.losses, target), ROWS[target])
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


@each_move
def test_the_vendor_takes_what_is_sent(source, target):
    for move in moves(source, target):
        assert faults(target, json.loads(move.body)) == [], move.id
