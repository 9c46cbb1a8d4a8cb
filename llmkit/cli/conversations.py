"""Conversations that the command keeps, in the user's folder for the state of programs: only where it was asked to.

A conversation is a file of `Chat.save`, for its owner alone.

Source: https://specifications.freedesktop.org/basedir-spec/latest/
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from llmkit.errors import ConfigurationError

if TYPE_CHECKING:
    from llmkit.chat import Chat

FOLDER_VARIABLE: Final = "LLMKIT_STATE"
LAST: Final = "last.json"


def folder(
    environ: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    home: Callable[[], Path] = Path.home,
) -> Path:
    """Where the conversations of this user are: `LLMKIT_STATE`, else where the platform wants them.

    Raises:
        ConfigurationError: `LLMKIT_STATE` is relative to wherever one stands, or nothing tells the user's home.
    """
    variables = os.environ if environ is None else environ
    if told := variables.get(FOLDER_VARIABLE):
        if not Path(told).is_absolute():
            raise ConfigurationError(f"{FOLDER_VARIABLE}: expected an absolute path, got {told!r:.200}")
        return Path(told)
    name = {"win32": "LOCALAPPDATA", "darwin": ""}.get(platform, "XDG_STATE_HOME")
    above = Path(variables.get(name, ""))
    if not above.is_absolute():  # as the specification wants it
        try:
            known = home()
        except RuntimeError:
            known = None
        if known is None or not known.is_absolute():
            raise ConfigurationError(
                f"nothing tells where your home is; set {FOLDER_VARIABLE} to a folder for conversations"
            )
        parts = {"win32": ("AppData", "Local"), "darwin": ("Library", "Application Support")}
        above = known.joinpath(*parts.get(platform, (".local", "state")))
    return above / "llmkit"


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
