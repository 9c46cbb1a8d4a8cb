"""Where conversations are kept, for their owner alone."""

import stat
from pathlib import Path

import pytest

from llmkit import ConfigurationError
from llmkit.cli import conversations
from llmkit.testing import FakeServer

HOME = Path("/home/somebody").absolute()

# variables, platform, the folder
FOLDERS = {
    "told": ({"LLMKIT_STATE": "/somewhere", "XDG_STATE_HOME": "/state"}, "linux", "/somewhere"),
    "Linux": ({}, "linux", HOME / ".local" / "state" / "llmkit"),
    "Linux, told": ({"XDG_STATE_HOME": "/state"}, "linux", "/state/llmkit"),
    "Linux, told relatively": ({"XDG_STATE_HOME": "state"}, "linux", HOME / ".local" / "state" / "llmkit"),
    "macOS": ({"XDG_STATE_HOME": "/state"}, "darwin", HOME / "Library" / "Application Support" / "llmkit"),
    "Windows": ({}, "win32", HOME / "AppData" / "Local" / "llmkit"),
    "Windows, told": ({"LOCALAPPDATA": "/local"}, "win32", "/local/llmkit"),
}


@pytest.mark.parametrize(("variables", "platform", "expected"), FOLDERS.values(), ids=FOLDERS.keys())
def test_folder(variables, platform, expected):
    assert conversations.folder(variables, platform, lambda: HOME) == Path(expected)


def homeless():
    raise RuntimeError


NOWHERE = {
    "relative": ({"LLMKIT_STATE": "here"}, lambda: HOME, "LLMKIT_STATE: expected an absolute path"),
    "no home": ({}, homeless, "set LLMKIT_STATE"),
    "a home that is none": ({}, lambda: Path("nowhere"), "set LLMKIT_STATE"),
}


@pytest.mark.parametrize(("variables", "home", "said"), NOWHERE.values(), ids=NOWHERE.keys())
def test_no_folder(variables, home, said):
    with pytest.raises(ConfigurationError, match=said):
        conversations.folder(variables, "linux", home)


@pytest.fixture
def state(tmp_path, monkeypatch):
    place = tmp_path / "a" / "b"
    monkeypatch.setenv("LLMKIT_STATE", str(place))
    return place


def test_kept_for_its_owner_alone(state):
    with FakeServer() as server:
        chat = server.client("anthropic").chat()
        chat.send("Hi")
        assert conversations.last() is None
        file = conversations.keep(chat)
        assert file == conversations.last() == state / "last.json"
        assert server.client("openai").chat(history=file).messages == chat.messages
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
