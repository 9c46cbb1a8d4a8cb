"""Files that nobody but their owner may read or change: read only if that is so, and written whole or not at all.

The folder is held open meanwhile, so that what was checked is what is used. On Windows the modes of files mean nothing:
there the access rights that the folder has, and that its files inherit, are what protects them.

Sources: https://man7.org/linux/man-pages/man2/open.2.html, https://man7.org/linux/man-pages/man2/flock.2.html
"""

import os
import shlex
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Final, Self, TypeVar

from llmkit.errors import ConfigurationError

if sys.platform == "win32":  # pragma: no cover - Windows
    import msvcrt
else:
    import fcntl

T = TypeVar("T")

LARGEST: Final = 1024 * 1024
PATIENCE: Final = 10.0  # seconds that another process may hold the lock
_LOOK: Final = 0.02
_REPLACINGS: Final = 25  # tries while somebody reads what is to be replaced, which Windows does not allow
_MODES_COUNT: Final = sys.platform != "win32"
_FOLDERS_OPEN: Final = os.open in os.supports_dir_fd
# No link is followed, no pipe is waited for; on Windows, no line end is changed.
_PLAIN: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def attempted(action: Callable[[], T], place: Path) -> T | ConfigurationError:
    """What `action` returns, or the error to raise, in a frame that has not seen what stands in the files."""
    try:
        return action()
    except ConfigurationError as error:
        return error.with_traceback(None)
    except OSError as error:
        return ConfigurationError(f"{place}: {error.strerror or type(error).__name__}")
    except (KeyboardInterrupt, SystemExit) as error:  # of a signal: its frames show no key, either
        raise error.with_traceback(None) from None


class PrivateFolder:
    """A folder, open; a context manager.

    Its methods raise `OSError` where the system does not do what they ask for: see `attempted`.

    Args:
        place: Where it is.
        create: Whether to make it, and those above it, where it is not there.
        held: Whether it is held open, which is not possible everywhere; else its files are found by their paths.

    Raises:
        FileNotFoundError: It is not there.
        ConfigurationError: Others can change what is in it.
    """

    def __init__(self, place: Path, *, create: bool = False, held: bool = _FOLDERS_OPEN) -> None:
        if create:
            _make(place)
        self._place = place
        self._fd: int | None = None
        if held:
            self._fd = os.open(place, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            found = place.stat() if self._fd is None else os.fstat(self._fd)
            refused = _why_not(place, found, stat.S_IWGRP | stat.S_IWOTH)
            if refused is not None:
                raise ConfigurationError(refused)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def read(self, name: str) -> bytes | None:
        """What stands in a file; None where there is none.

        Raises:
            ConfigurationError: Others can read or change it, it is no file but a link, say, or too large.
        """
        try:
            if stat.S_ISLNK(os.stat(self._at(name), dir_fd=self._fd, follow_symlinks=False).st_mode):
                raise ConfigurationError(f"{self._place / name}: it is a link, and must be the file itself")
            fd = os.open(self._at(name), os.O_RDONLY | _PLAIN, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        try:
            self._check(fd, name)
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(LARGEST + 1)
        finally:
            os.close(fd)
        if len(data) > LARGEST:
            del data
            raise ConfigurationError(f"{self._place / name}: it is larger than {LARGEST:,} bytes")
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put `data` into a file in the place of all that it held. For who has the lock.

        Raises:
            ConfigurationError: It is more than is ever read, or the file system cannot keep others from reading it.
        """
        if len(data) > LARGEST:
            del data
            raise ConfigurationError(f"{self._place / name}: it would be larger than {LARGEST:,} bytes")
        new = f"{name}.new"
        with suppress(FileNotFoundError):  # of a process that was killed
            os.unlink(self._at(new), dir_fd=self._fd)
        fd = os.open(self._at(new), os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o600, dir_fd=self._fd)
        try:
            with os.fdopen(fd, "wb") as file:
                if _MODES_COUNT:
                    os.fchmod(fd, 0o600)  # whatever the umask has taken away
                self._check(fd, new)
                file.write(data)
                file.flush()
                os.fsync(fd)
            self._replace(new, name)
        except BaseException:
            with suppress(OSError):
                os.unlink(self._at(new), dir_fd=self._fd)
            raise
        if self._fd is not None:
            with suppress(OSError):  # some file systems do not sync folders
                os.fsync(self._fd)

    @contextmanager
    def locked(self, name: str, patience: float = PATIENCE) -> Iterator[None]:
        """Keep other processes and threads out that ask for the same lock. Its file stays there.

        Raises:
            ConfigurationError: Another one has it, and goes on having it.
        """
        fd = os.open(self._at(name), os.O_RDWR | os.O_CREAT | _PLAIN, 0o600, dir_fd=self._fd)
        try:
            end = time.monotonic() + patience
            while not _lock(fd):
                if time.monotonic() >= end:
                    raise ConfigurationError(f"{self._place / name}: another process has held it for {patience:g} s")
                time.sleep(_LOOK)
            try:
                yield
            finally:
                _unlock(fd)  # not by closing alone: a fork may have it open, too
        finally:
            os.close(fd)

    def _at(self, name: str) -> str:
        return str(self._place / name) if self._fd is None else name

    def _check(self, fd: int, name: str) -> None:
        found = os.fstat(fd)
        refused = _why_not(self._place / name, found, stat.S_IRWXG | stat.S_IRWXO)
        if not stat.S_ISREG(found.st_mode):
            refused = f"{self._place / name}: it is no file"
        if refused is not None:
            raise ConfigurationError(refused)

    def _replace(self, new: str, name: str) -> None:
        for left in reversed(range(_REPLACINGS)):
            try:
                os.replace(self._at(new), self._at(name), src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except PermissionError:
                if not left:
                    raise
                time.sleep(_LOOK)
            else:
                return


def _why_not(place: Path, found: os.stat_result, others: int) -> str | None:
    """What is wrong with the owner of something, or with what others may do with it."""
    if not _MODES_COUNT:  # pragma: no cover - Windows
        return None
    if found.st_uid != os.geteuid():
        return f"{place}: it belongs to another user (uid {found.st_uid}, and this is {os.geteuid()})"
    if not found.st_mode & others:
        return None
    quoted = shlex.quote(str(place))
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return f"{place}: it is for everybody; take a folder of your own"
    if stat.S_ISDIR(found.st_mode):
        return f"{place}: others can change what is in it; run: chmod go-w {quoted}"
    return f"{place}: others can read it, so its keys may be known to them; run: chmod 600 {quoted}"


def _make(place: Path) -> None:
    """Make a folder, and those above it, each for its owner alone."""
    missing = takewhile(lambda folder: not folder.exists(), (place, *place.parents))
    for folder in reversed([*missing]):
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)


if sys.platform == "win32":  # pragma: no cover - Windows

    def _lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:

    def _lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
