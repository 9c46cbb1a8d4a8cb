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
    if sys.stdout.isatty() and find_spec("rich") is not None:
        return _live(stream)
    return _plain(stream)


def in_notebook() -> bool:
    """Whether this code runs in an IPython kernel, which a notebook shows the outputs of."""
    if sys.modules.get("IPython") is None:
        return False
    from IPython import get_ipython  # noqa: PLC0415 - it is imported already

    return getattr(get_ipython(), "kernel", None) is not None


def _live(stream: "Stream[T_co]") -> "Response[T_co]":
    from llmkit.display.terminal import Live  # noqa: PLC0415 - where it is used

    with Live() as live, stream:
        for event in stream:
            live.feed(event)
        return stream.collect()


def _plain(stream: "Stream[T_co]") -> "Response[T_co]":
    from llmkit.display.controls import shown  # noqa: PLC0415 - where it is used

    obeys = sys.stdout.isatty()
    with stream:
        for text in stream.text_deltas():
            sys.stdout.write(shown(text) if obeys else text)
            sys.stdout.flush()
        sys.stdout.write("\n")
        return stream.collect()
