"""What becomes of an option, a part or a tool that a wire cannot express: an error, or a warning."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from llmkit.errors import UnsupportedOptionError, UnsupportedWarning
from llmkit.provider import Provider
from llmkit.request import ResolvedRequest
from llmkit.wire.base import Refuse, Wire

# What stands for an option that is not given, where that is not None.
_NOTHING: Final[Mapping[str, object]] = {"tools": ()}


def expressible(request: ResolvedRequest, row: Provider, wire: Wire, quirks: Any, refuse: Refuse) -> ResolvedRequest:
    """`request` as its host can be told it: without the options that it has not.

    Raises:
        UnsupportedOptionError: There are some, and `refuse` raises it.
    """
    without = wire.refused(quirks)
    refused: dict[str, Any] = {name: _NOTHING.get(name) for name in without if _is_given(getattr(request, name))}
    for name in sorted(refused):
        whose = f"the wire {wire.name}" if name in wire.unsupported else row.name
        refuse(name, f"{whose} has no such option; what only some hosts have goes into extra_body")
    return evolve(request, **refused) if refused else request


def _is_given(value: object) -> bool:
    return value is not None and value != ()


def refuse(path: str, why: str, *, warn: bool) -> None:
    """Say that what stands at `path` cannot be sent.

    Raises:
        UnsupportedOptionError: Unless only a warning is wanted; then it is left out.
    """
    text = f"{path}: {why}"
    if not warn:
        hint = 'leave it out, or have it left out by Client(…, unsupported="warn")'
        raise UnsupportedOptionError(f"{text}; {hint}", path=path)
    warnings.warn(f"{text}; it was left out", UnsupportedWarning, stacklevel=_outside())


def _outside() -> int:
    """How many frames up the caller's own code is, so that a warning points at it."""
    import sys  # noqa: PLC0415 - only needed to warn

    depth, frame = 1, sys._getframe(1)  # noqa: SLF001 - as `warnings` itself does
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        depth, frame = depth + 1, frame.f_back  # type: ignore[assignment]
    return depth
