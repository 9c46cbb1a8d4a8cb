"""What hosts allow to accounts of a tier, where they publish it."""

from collections.abc import Mapping
from typing import Final, TypeAlias

Numbers: TypeAlias = tuple[int | None, int | None, int | None]
"""Requests and tokens a minute, and calls at once; as `llmkit.RateLimit` takes them."""

# Source: https://docs.megallm.io
_MEGALLM: Final[Mapping[str, Numbers]] = {"basic": (50, 100_000, 10), "pro": (200, 400_000, 40)}

TIERS: Final[Mapping[str, Mapping[str, Numbers]]] = {"megallm": _MEGALLM, "megallm-openai": _MEGALLM}
