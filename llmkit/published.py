"""What hosts tell of their limits in the headers of answers. No I/O; the time of day is an argument.

Sources: https://docs.claude.com/en/api/rate-limits#response-headers and
https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from attrs import frozen

Kind = Literal["requests", "tokens"]

# What is counted → the names of the limit, of what is left of it, and of when all of it is there again.
_X, _OWN = "x-ratelimit", "anthropic-ratelimit"
_NAMES: Final[tuple[tuple[Kind, str, str, str], ...]] = (
    ("requests", f"{_X}-limit-requests", f"{_X}-remaining-requests", f"{_X}-reset-requests"),
    ("tokens", f"{_X}-limit-tokens", f"{_X}-remaining-tokens", f"{_X}-reset-tokens"),
    ("requests", f"{_OWN}-requests-limit", f"{_OWN}-requests-remaining", f"{_OWN}-requests-reset"),
    ("tokens", f"{_OWN}-tokens-limit", f"{_OWN}-tokens-remaining", f"{_OWN}-tokens-reset"),
    # Of what is read or written alone, the limit is another than that of both.
    ("tokens", "", f"{_OWN}-input-tokens-remaining", f"{_OWN}-input-tokens-reset"),
    ("tokens", "", f"{_OWN}-output-tokens-remaining", f"{_OWN}-output-tokens-reset"),
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_STEP: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|us|µs|ns)")
_COUNT: Final = re.compile(r"[0-9]{1,15}")


@frozen
class Reading:
    """What a host told of one of its limits.

    Attributes:
        kind: What it counts.
        limit: How many a minute; None where it does not tell.
        reset: Seconds until some are left again; None where some are, or it does not tell.
    """

    kind: Kind
    limit: int | None
    reset: float | None


def readings(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> Iterator[Reading]:
    """What `headers`, which ignore case, tell; what is absurd is left out."""
    for kind, limit, remaining, reset in _NAMES:
        most = headers.get(limit, "").strip() if limit else ""
        left = headers.get(remaining, "").strip()
        if most or left:
            found = int(most) if _COUNT.fullmatch(most) else 0
            used_up = _COUNT.fullmatch(left) is not None and int(left) == 0
            yield Reading(kind, found or None, _seconds(headers.get(reset, ""), now) if used_up else None)


def _seconds(text: str, now: Callable[[], float]) -> float | None:
    """A moment, or a duration as in ``6m0s``, as seconds from now; finite and above 0, else None."""
    text = text.strip()
    steps = _STEP.findall(text)
    if steps and "".join(map("".join, steps)) == text:
        found = sum(float(number) * _UNITS[unit] for number, unit in steps)
    elif _COUNT.fullmatch(text):
        found = int(text) / 1000  # as the one host means it that was recorded with a bare number
    else:
        found = _moment(text) - now()
    return found if found > 0 else None


def _moment(text: str) -> float:
    """Seconds since 1970; 0 for what is no moment."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
