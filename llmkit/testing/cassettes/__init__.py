"""Cassettes: calls recorded into a file, and answered from it later, without a provider and without a key.

::

    from llmkit import Client
    from llmkit.testing import cassette

    with cassette("tests/cassettes/greeting.yaml"):  # recorded if the file is not there yet, else replayed
        print(Client("anthropic").complete("Hi").text)

Inside, every call of the process is meant: of any client, thread and provider, and also one through a caller's own
`session`. Other processes are not: they replay what is left in their copy where they are forked, and record nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

from llmkit.checks import choice, integer
from llmkit.errors import ConfigurationError
from llmkit.taps import tapped
from llmkit.testing.cassettes.errors import CassetteError
from llmkit.testing.cassettes.recordings import Answered, Asked, Failed, Recording

__all__ = ["Answered", "Asked", "CassetteError", "Failed", "Mode", "Recording", "Tape", "cassette", "record", "replay"]

Mode = Literal["auto", "none", "all"]
_modes = choice("auto", "none", "all")
_one = Lock()


class Tape(Protocol):
    """What is in a cassette, while it is recorded or replayed."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """All of them, in the order in which they were sent."""
        ...

    @property
    def played(self) -> tuple[Recording, ...]:
        """Those that answered a call; none while it is recorded."""
        ...

    @property
    def remaining(self) -> tuple[Recording, ...]:
        """Those that answered none so far."""
        ...


@contextmanager
def record(path: str | PathLike[str]) -> Iterator[Tape]:
    """Send every call made inside to its provider, and write what was sent and answered into a file.

    The file is written when the block ends, at once and in the place of one that was there; but not if it ends with
    an error: half a cassette would be of no use. Errors of providers, cut streams and lost connections are recorded,
    too, and replayed as what they were.

    Not written are API keys, wherever they stand (also where the provider repeats them), cookies, the ids of
    organisations and projects, and of a request's headers all but those that say how it is to be read.

    Args:
        path: Where to, mostly ending in ``.yaml``; folders that are missing are made.

    Raises:
        CassetteError: No file can be written there.
        ConfigurationError: Another cassette is in use, or PyYAML (the extra ``testing``) is not installed.
    """
    from llmkit.testing.cassettes import files  # noqa: PLC0415 - with the extra

    owner = os.getpid()
    with recorded(path) as tape:
        yield tape
    if os.getpid() == owner:  # and not a fork that came to the end of the block, too
        files.write(tape.path, tape.recordings)


@contextmanager
def recorded(path: str | PathLike[str]) -> Iterator[Tape]:
    """As `record`, and nothing is written."""
    from llmkit.testing.cassettes import files  # noqa: PLC0415 - with the extra
    from llmkit.testing.cassettes.recorder import Recorder  # noqa: PLC0415 - with the network

    recorder = Recorder(files.target(Path(path)))
    with _alone(), tapped(recorder):
        try:
            yield recorder
        finally:
            recorder.close()


@contextmanager
def replay(
    path: str | PathLike[str], *, pieces: int | None = None, any_host: bool = False, allow_repeats: bool = False
) -> Iterator[Tape]:
    """Answer every call made inside from a file that `record` wrote; nothing is sent.

    A recording answers a call of the same method, host, path, query and body: JSON is compared as values, whatever the
    order of its keys, and large base64 by its hash. Each answers once, in their order among equal ones. No key is
    needed: a client that is made inside does without one. Where a recording tells to try again, nobody waits.

    Args:
        path: The file.
        pieces: Bytes that an answer arrives by; None for the pieces in which it came.
        any_host: Whether an answer of another host fits, too. All addresses of loopback are one host.
        allow_repeats: Whether a recording may answer again when all that equal it have.

    Raises:
        CassetteError: There is no such file, or it is no cassette; in a call: no recording fits it, the message shows
            the nearest one.
        ConfigurationError: Another cassette is in use, or PyYAML (the extra ``testing``) is not installed.
    """
    from llmkit.testing.cassettes import files  # noqa: PLC0415 - with the extra
    from llmkit.testing.cassettes.player import Player  # noqa: PLC0415 - with the network

    if pieces is not None:
        integer(1)("pieces", pieces)
    player = Player(Path(path), files.read(Path(path)), pieces=pieces, any_host=any_host, allow_repeats=allow_repeats)
    with _alone(), tapped(player):
        yield player


@contextmanager
def cassette(
    path: str | PathLike[str],
    mode: Mode = "auto",
    *,
    pieces: int | None = None,
    any_host: bool = False,
    allow_repeats: bool = False,
) -> Iterator[Tape]:
    """`record` or `replay`, as `mode` says.

    Args:
        path: The file.
        mode: ``auto``: replay if the file is there, else record; ``none``: record nothing, so replay; ``all``: record
            anew.
        pieces: As in `replay`, as what follows.
        any_host: Likewise.
        allow_repeats: Likewise.

    Raises:
        ConfigurationError: As `record` and `replay`.
    """
    _modes("mode", mode)
    if mode == "all" or (mode == "auto" and not Path(path).exists()):
        with record(path) as tape:
            yield tape
    else:
        with replay(path, pieces=pieces, any_host=any_host, allow_repeats=allow_repeats) as tape:
            yield tape


@contextmanager
def _alone() -> Iterator[None]:
    if not _one.acquire(blocking=False):
        raise ConfigurationError("there is a cassette in use already: one at a time answers for the whole process")
    try:
        yield
    finally:
        _one.release()
