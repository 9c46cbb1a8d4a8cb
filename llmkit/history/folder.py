"""The content of media as files of a folder, each named after the hash of what it holds.

So the same picture is one file however often it is said, nothing that is there is ever changed, and what was changed by
somebody else is found out. No name that is read leads out of the folder.
"""

import os
import re
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from llmkit.errors import ConfigurationError, MediaError
from llmkit.history.nodes import SHOWN
from llmkit.media.sniffing import sniff
from llmkit.media.types import suffix_of

_NAME: Final = re.compile(r"([0-9a-f]{64})(\.[a-z0-9]{1,10})?")


class Folder:
    """Where the content of media lies.

    Attributes:
        used: Whether anything was put there.

    Raises:
        ConfigurationError: `path` is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ConfigurationError(f"directory: expected a path, got {type(path).__name__}")
        self._path = Path(path)
        self.used = False

    def keep(self, data: bytes) -> str:
        """Write `data`, unless it is there already; the folder is made when it is first needed.

        Returns:
            The name of its file, with a suffix for programs that show such files, where the content tells its type.

        Raises:
            OSError: It cannot be written.
        """
        name = sha256(data).hexdigest() + suffix_of(sniff(data) or "")
        path = self._path / name
        if not _holds(path, data):
            self._path.mkdir(parents=True, exist_ok=True)
            replace(path, data)
        self.used = True
        return name

    def read(self, name: str, where: str) -> bytes:
        """What was written under `name`.

        Args:
            name: As `keep` returned it.
            where: What errors begin with.

        Raises:
            MediaError: There is no such file, it cannot be read, or it is not what was written.
        """
        if (parts := _NAME.fullmatch(name)) is None:
            raise MediaError(f"{where}: expected a SHA-256 in hexadecimal digits and a suffix, got {name[:SHOWN]!r}")
        path = self._path / name
        try:
            found = path.is_file()  # and no pipe, which would be waited for
            data = path.read_bytes() if found else b""
        except OSError as exc:
            raise MediaError(f"{where}: cannot be read: {exc}") from exc
        if not found:
            raise MediaError(f"{where}: there is no file {path}")
        if sha256(data).hexdigest() != parts[1]:
            raise MediaError(f"{where}: {path} is not what was written: its content has another hash than its name")
        return data


def replace(path: Path, data: bytes) -> None:
    """Make `data` the whole of a file at once, so that who reads it, or goes on after a crash, never finds half of it.

    Raises:
        OSError: It cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _holds(path: Path, data: bytes) -> bool:
    """Whether it is there: whole, and unchanged since."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
