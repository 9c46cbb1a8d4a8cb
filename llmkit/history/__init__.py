"""Conversations: as JSON to keep and back, on their way to other providers, and message dicts as typed messages."""

from typing import TYPE_CHECKING

from llmkit.history.dicts import typed

if TYPE_CHECKING:
    from llmkit.history.stored import dumps, from_data, loads, to_data
    from llmkit.moving import Loss, portability

__all__ = ["Loss", "dumps", "from_data", "loads", "portability", "to_data", "typed"]

_MOVING = ("Loss", "portability")  # which ask the wires, and so have a room of their own, above this one

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds

    def __getattr__(name: str) -> object:
        """What keeps conversations is imported when it is first used: calls need only `typed`."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name in _MOVING:
            from llmkit import moving as room  # noqa: PLC0415
        else:
            from llmkit.history import stored as room  # type: ignore[no-redef]  # noqa: PLC0415

        value = globals()[name] = getattr(room, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
