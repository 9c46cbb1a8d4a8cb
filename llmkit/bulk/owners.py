"""Whose a claim is: a process of this machine, told apart from all others, also from later ones of the same number."""

import os
from pathlib import Path
from typing import Final
from uuid import uuid4

_PROC: Final = Path("/proc")
_STATE, _START = 0, 19  # places in /proc/<pid>/stat behind the name, which may hold blanks and brackets
_DEAD: Final = "ZX"  # ended, and not yet asked for by its parent


def new_owner() -> str:
    """A name for what claims rows in this process, unlike any other."""
    return f"{_place()}/{os.getpid()}/{_started('self') or ''}/{uuid4().hex}"


def gone(owner: str) -> bool:
    """Whether the process of `owner` has surely ended; False where that cannot be told, as outside of Linux.

    Only of processes that this one would see: of the same start of the same machine, and of the same container.
    """
    place, pid, started, _ = owner.rsplit("/", 3)
    if not started or place != _place():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        return False
    return _started(pid) not in (started, None)


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return "/"


def _started(pid: str) -> str | None:
    """When a process was started, in ticks since the machine was; "" of one that has ended, None where nobody tells."""
    try:
        fields = (_PROC / pid / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if fields[_STATE] in _DEAD else fields[_START]
