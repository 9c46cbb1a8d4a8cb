"""Conversations whose media lie in files of a folder: `llmkit.history.folder`, by `dumps`, `loads` and `Chat.save`."""

import json
import os
from hashlib import sha256

import pytest
from hypothesis import given, settings
from test_stored_history import VERSION_1, everything, messages

from llmkit import AssistantMessage, ConfigurationError, Document, Image, MediaError, ToolResult, UserMessage
from llmkit.history import dumps, from_data, loads, to_data
from llmkit.testing import FakeServer

PIXEL = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
NAME = f"{sha256(PIXEL).hexdigest()}.png"
TALK = [UserMessage(["What is this?", Image(PIXEL)]), AssistantMessage("A dot.")]


def written(folder, talk=TALK):
    return dumps(talk, media="dir", directory=folder)


def test_the_text_holds_the_name_alone(tmp_path):
    folder = tmp_path / "made" / "for it"
    text = written(folder)
    assert json.loads(text)["messages"][0]["content"][1] == {
        "type": "image",
        "media_type": "image/png",
        "data": {"file": NAME},
    }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {NAME: PIXEL}
    assert everything(loads(text, directory=str(folder))) == everything(TALK)
    assert from_data(json.loads(text), directory=folder) == TALK


def test_the_folder_may_move(tmp_path):
    text = written(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert loads(text, directory=tmp_path / "there") == TALK


def test_what_needs_no_file_is_readable_by_what_knows_none(tmp_path):
    """The older number stands where nothing newer does; and no folder is made."""
    talk = [UserMessage(["Hi", Image(url="https://example.com/a.png")])]
    assert written(tmp_path / "folder", talk) == dumps(talk)
    assert not (tmp_path / "folder").exists()


def test_the_same_picture_is_one_file(tmp_path):
    talk = [
        UserMessage([Image(PIXEL), Image(PIXEL, name="b.png"), Document(b"word", name="a.txt")]),
        AssistantMessage("Well"),
        UserMessage([ToolResult("1", "f", Image(PIXEL)), "And?"]),
    ]
    text = written(tmp_path, talk)
    assert {path.name for path in tmp_path.iterdir()} == {NAME, f"{sha256(b'word').hexdigest()}.txt"}
    assert everything(loads(text, directory=tmp_path)) == everything(talk)


def test_what_is_there_is_not_written_again(tmp_path):
    written(tmp_path)
    before = (tmp_path / NAME).stat()
    written(tmp_path)
    after = (tmp_path / NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("broken", [b"", PIXEL[:-1], PIXEL[:-1] + b"X"], ids=["empty", "cut", "changed"])
def test_what_is_broken_is_written_anew(tmp_path, broken):
    (tmp_path / NAME).write_bytes(broken)
    assert loads(written(tmp_path), directory=tmp_path) == TALK


def test_nothing_else_is_left_in_the_folder(tmp_path):
    """Neither of a writing that failed."""
    (tmp_path / NAME).mkdir()
    with pytest.raises(OSError, match=NAME):
        written(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@settings(deadline=None, max_examples=40)
@given(messages)
def test_anything_is_kept(tmp_path_factory, talk):
    folder = tmp_path_factory.mktemp("media")
    data = to_data(talk, media="dir", directory=folder)
    assert everything(from_data(data, directory=folder)) == everything(talk)


# ---- what is refused -------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "a folder for nothing": ({"directory": "x"}, "directory: nothing is written there unless media='dir'"),
    "no folder": ({"media": "dir"}, "directory: media='dir' needs one, for the files"),
    "a folder that is none": ({"media": "dir", "directory": 7}, "directory: expected a path, got int"),
    "another word": ({"media": "file", "directory": "x"}, "media: expected 'inline' or 'dir', got 'file'"),
}


@pytest.mark.parametrize(("arguments", "expected"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments_that_are_refused(arguments, expected):
    with pytest.raises(ConfigurationError) as caught:
        dumps(TALK, **arguments)
    assert str(caught.value) == expected


def removed(path):
    path.unlink()


def piped(path):
    path.unlink()
    os.mkfifo(path)


def walled(path):
    path.unlink()
    path.mkdir()


def changed(path):
    path.write_bytes(b"GIF89a")


DAMAGES = {
    "removed": (removed, "there is no file"),
    "changed": (changed, "is not what was written"),
    "a pipe, which would be waited for": (piped, "there is no file"),
    "a folder": (walled, "there is no file"),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_file_that_is_not_what_was_written(tmp_path, damage, expected):
    text = written(tmp_path)
    damage(tmp_path / NAME)
    with pytest.raises(MediaError) as caught:
        loads(text, directory=tmp_path)
    assert str(caught.value).startswith("messages[0].content[1].data.file: ")
    assert expected in str(caught.value)
    assert str(tmp_path / NAME) in str(caught.value)


def test_without_the_folder(tmp_path):
    with pytest.raises(MediaError, match=r"^messages\[0\]\.content\[1\]\.data\.file: .* pass the directory= "):
        loads(written(tmp_path))


NAMES = {
    "out of the folder": "../secret.png",
    "from the root": "/etc/passwd",
    "a hash and out of it": f"{'0' * 64}/../../secret.png",
    "a drive": f"C:\\{'0' * 64}",
    "a short hash": "0" * 63,
    "capitals": "A" * 64,
    "a line more": f"{'0' * 64}\n",
    "a stream of a file": f"{'0' * 64}:x",
    "nothing": "",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "media"
    data = to_data(TALK, media="dir", directory=folder)
    (tmp_path / "secret.png").write_bytes(PIXEL)
    data["messages"][0]["content"][1]["data"]["file"] = name
    with pytest.raises(MediaError, match=r"^messages\[0\]\.content\[1\]\.data\.file: expected a SHA-256"):
        from_data(data, directory=folder)


SHAPES = {
    "another key": ({"file": NAME, "more": 1}, ".more: unknown key; it would be lost"),
    "no name": ({}, ".file: is missing"),
    "a name that is none": ({"file": 1}, ".file: expected str, got int"),
}


@pytest.mark.parametrize(("value", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_another_shape(tmp_path, value, expected):
    data = to_data(TALK, media="dir", directory=tmp_path)
    data["messages"][0]["content"][1]["data"] = value
    with pytest.raises(ConfigurationError) as caught:
        from_data(data, directory=tmp_path)
    assert str(caught.value) == f"messages[0].content[1].data{expected}"


def test_both_ways_in_one_text(tmp_path):
    """A reader of version 2 takes base64 wherever it stands."""
    data = to_data([*TALK, *TALK], media="dir", directory=tmp_path)
    data["messages"][2:] = to_data(TALK)["messages"]
    assert from_data(data, directory=tmp_path) == [*TALK, *TALK]


def test_fixtures_differ_in_the_content_alone(tmp_path):
    """So that what one version says of a part, the other does, too."""
    inline, by_file = to_data(VERSION_1), to_data(VERSION_1, media="dir", directory=tmp_path)
    for before, after in zip(inline["messages"], by_file["messages"], strict=True):
        for one, other in zip(before["content"], after["content"], strict=True):
            same = {key: value for key, value in one.items() if key not in ("data", "content")}
            assert same == {key: value for key, value in other.items() if key not in ("data", "content")}


# ---- chats -----------------------------------------------------------------------------------------------------------


def test_a_chat_is_saved_with_its_media_beside_it(tmp_path):
    path = tmp_path / "talk.json"
    with FakeServer() as server:
        client = server.client("anthropic")
        chat = client.chat()
        chat.send("What is this?", media=Image(PIXEL))
        chat.save(path, media="dir")
        assert [item.name for item in (tmp_path / "talk.json.media").iterdir()] == [NAME]
        assert NAME in path.read_text()
        again = client.chat(history=path)
        assert again.messages == chat.messages
        again.send("And now?")
        assert server.requests[-1].messages[0].content[0].data == PIXEL
