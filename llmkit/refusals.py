"""What becomes of an option, a part or a tool that a wire cannot express: an error, or a warning."""

import warnings

from llmkit.errors import UnsupportedOptionError, UnsupportedWarning


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
