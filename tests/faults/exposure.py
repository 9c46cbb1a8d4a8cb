"""All that a program can come to see of an error: its texts, its pickle, its chain, and the frames that it keeps."""

import contextlib
import logging
import pickle
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType

from llmkit import LLMKitError

OWN = "llmkit"


def seen_of(error: BaseException) -> Iterator[tuple[str, str]]:
    """Where something is to be seen, and what: of an error, of what it was raised from, and of their frames.

    Frames are those of llmkit and whatever it calls; the test's own hold what it passed.
    """
    for link in _chain(error):
        name = type(link).__name__
        yield f"{name}: str", str(link)
        yield f"{name}: repr", repr(link)
        yield f"{name}: args", repr(link.args)
        yield f"{name}: notes", repr(getattr(link, "__notes__", ()))
        for attribute, value in vars(link).items():
            yield f"{name}.{attribute}", repr(dict(value) if isinstance(value, Mapping) else value)
        # Where others keep what they could not read, as `JSONDecodeError.doc` and `UnicodeDecodeError.object`.
        for attribute in ("doc", "object", "request", "response"):
            yield f"{name}.{attribute}", repr(getattr(link, attribute, None))
        yield from _frames(link.__traceback__)
    if isinstance(error, LLMKitError):
        yield "pickle", pickle.dumps(error).decode("latin-1")
        if error.partial is not None:
            partial = error.partial
            yield (
                "partial",
                f"{partial!r} {dict(partial.headers)} {partial.raw} {partial.usage.raw} {partial.request_id}",
            )
    yield "traceback", "".join(traceback.format_exception(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    todo, seen = [error], set()
    while todo:
        link = todo.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [other for other in (link.__cause__, link.__context__) if other is not None]


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """The local variables of each frame, as tools that capture them show them."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("test_", "faults.", "_pytest", "pluggy")):
            continue
        for name, value in frame.f_locals.items():
            with contextlib.suppress(AttributeError):  # it is not yet whole
                yield f"{module}.{frame.f_code.co_name}: {name}", repr(value)


class Records(logging.Handler):
    """Keeps what anybody logs, at any level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a record says, and what it was made of."""
        self.texts.append(f"{record.name}: {self.format(record)} {record.args!r}")
