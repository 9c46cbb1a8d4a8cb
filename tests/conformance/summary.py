"""How many recordings passed which property, for the end of the run's output."""

from collections.abc import Mapping

PASSED: dict[tuple[str, str], set[str]] = {}
"""Wire, property → ids of the recordings that passed."""

TOTAL: dict[tuple[str, str], int] = {}
"""Wire, property → how many recordings it is about."""


def expect(wire: str, totals: Mapping[str, int]) -> None:
    """Note how many recordings of a wire each property is about."""
    TOTAL.update({(wire, name): total for name, total in totals.items()})


def passed(wire: str, name: str, case: str) -> None:
    """Note that a recording has a property."""
    PASSED.setdefault((wire, name), set()).add(case)


def data() -> list[list[object]]:
    """All of it, for another process."""
    return [[wire, name, total, sorted(PASSED.get((wire, name), ()))] for (wire, name), total in TOTAL.items()]


def add(rows: list[list[object]]) -> None:
    """What `data` gave in another process."""
    for wire, name, total, cases in rows:
        TOTAL[wire, name] = total
        if cases:
            PASSED.setdefault((wire, name), set()).update(cases)


def lines() -> list[str]:
    """One line per wire and property that was looked at; none where no recordings are."""
    return [f"{wire}: {name}: {len(cases)} of {TOTAL[wire, name]} recordings" for (wire, name), cases in PASSED.items()]
