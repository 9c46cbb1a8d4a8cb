"""Answers shown to people while they arrive, in a notebook or a terminal."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmkit.response import Response, T_co
    from llmkit.stream import Stream


def display(stream: "Stream[T_co]") -> "Response[T_co]":
    """Show an answer while it arrives: in a notebook, in a terminal (``llmkit[cli]``), else as plain text.

    Raises:
        LLMKitError: As `Stream.collect`; what has come stays shown.
    """
    if in_notebook():
        from llmkit.display import notebook  # noqa: PLC0415 - where it is used

        return notebook.show(stream)
    with stream:
        for text in stream.text_deltas():
            print(text, end="", flush=True)  # noqa: T201 - what it is asked for
        print()  # noqa: T201 - likewise
        return stream.collect()


def in_notebook() -> bool:
    """Whether this code runs in an IPython kernel, which a notebook shows the outputs of."""
    if "IPython" not in sys.modules or find_spec("IPython") is None:
        return False
    from IPython import get_ipython  # noqa: PLC0415 - it is imported already

    return getattr(get_ipython(), "kernel", None) is not None
