"""Conversations: as JSON to keep and back, and message dicts of other programs as typed messages."""

from typing import TYPE_CHECKING

from llmkit.history.dicts import typed

if TYPE_CHECKING:
    from llmkit.history.stored import dumps, from_data, loads, to_data

__all__ = ["dumps", "from_data", "loads", "to_data", "typed"]

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        """What keeps conversations is imported when it is first used: calls need only `typed`."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from llmkit.history import stored  # noqa: PLC0415

        value = globals()[name] = getattr(stored, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
