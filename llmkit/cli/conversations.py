"""Conversations that the command keeps, in the user's folder for the state of programs: only where it was asked to.

A conversation is a file of `Chat.save`, for its owner alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmkit.errors import ConfigurationError
from llmkit.folders import Folder

if TYPE_CHECKING:
    from llmkit.chat import Chat

_FOLDER: Final = Folder(
    "LLMKIT_STATE",
    "conversations",
    windows=("LOCALAPPDATA", ("AppData", "Local")),
    others=("XDG_STATE_HOME", (".local", "state")),
)
folder = _FOLDER.path
"""Where the conversations of this user are."""
LAST: Final = "last.json"


def last() -> Path | None:
    """The file of the last conversation; None where none was kept.

    Raises:
        ConfigurationError: Nothing tells where it would be.
    """
    path = folder() / LAST
    return path if path.is_file() else None


@contextmanager
def named(path: Path | None) -> Iterator[None]:
    """Meanwhile, what is wrong with a conversation is said of the file that it is kept in, and what to do about it.

    Raises:
        ConfigurationError: It cannot be gone on with.
    """
    try:
        yield
    except ConfigurationError as error:
        if path is None or not str(error).startswith("history"):
            raise
        raise ConfigurationError(f"{error} (in {path}); `llmkit ask --new` begins another conversation") from error


def keep(chat: "Chat", name: str = LAST) -> Path:
    """Write a conversation to a file of the folder, which is made where it is not there, both for their owner alone.

    Returns:
        The file.

    Raises:
        ConfigurationError: It cannot be written.
    """
    path = folder() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        chat.save(path)  # by way of a temporary file, which is nobody else's from its beginning
    except OSError as error:
        raise ConfigurationError(f"the conversation cannot be kept in {path}: {error.strerror or error}") from error
    return path
