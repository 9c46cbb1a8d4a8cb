"""llmkit in a Jupyter notebook: `%load_ext llmkit` with ``%%llm``, tables in prompts, runs as tables and plots.

``pip install 'llmkit[notebook]'``. `display` is what `Stream.display` calls.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmkit.display import display as display
    from llmkit.notebook.frames import frame as frame
    from llmkit.notebook.frames import prompts as prompts
    from llmkit.notebook.plots import plot as plot
    from llmkit.notebook.tables import table as table

_MODULE_OF = {
    "display": "llmkit.display",
    "frame": "llmkit.notebook.frames",
    "plot": "llmkit.notebook.plots",
    "prompts": "llmkit.notebook.frames",
    "table": "llmkit.notebook.tables",
}

if not TYPE_CHECKING:  # a checker would take every misspelt name for one that this finds
    __all__ = [*_MODULE_OF]  # noqa: PLE0604 - names, all of them

    def __getattr__(name: str) -> object:
        """What needs pandas and matplotlib is imported when it is first used: ``%%llm`` needs none of it."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
