"""How many recordings passed which property, for the end of the run's output."""

PASSED: dict[str, set[str]] = {}
"""Property → ids of the recordings that passed."""

TOTAL: dict[str, int] = {}
"""Property → how many recordings it is about."""


def passed(name: str, case: str) -> None:
    """Note that a recording has a property."""
    PASSED.setdefault(name, set()).add(case)


def lines() -> list[str]:
    """One line per property that was looked at; none where no recordings are."""
    return [f"{name}: {len(cases)} of {TOTAL[name]} recordings" for name, cases in PASSED.items()]
