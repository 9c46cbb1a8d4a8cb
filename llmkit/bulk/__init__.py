"""Many prompts at once: what `Client.map` is made of, and what reads its results."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmkit.bulk.rows import Rows as Rows
    from llmkit.bulk.rows import read as read
    from llmkit.bulk.summaries import Line as Line
    from llmkit.bulk.summaries import Summary as Summary
    from llmkit.bulk.summaries import summary as summary

_DOORS = {"rows": "Rows read", "summaries": "Line Summary summary"}
_MODULE_OF = {name: module for module, names in _DOORS.items() for name in names.split()}

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds
    __all__ = [*_MODULE_OF]  # noqa: PLE0604 - names, all of them

    def __getattr__(name: str) -> object:
        """What reads results is imported when it is first used: a call needs none of it."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
