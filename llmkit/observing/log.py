"""What the logger ``llmkit`` says: a line at the end of each call and for each retry; what was said only at DEBUG."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, TypeAlias

from llmkit.errors import APIError, DeadlineError
from llmkit.messages import Message, Refusal, Text, Thinking, ToolCall, ToolResult
from llmkit.observing import LOG
from llmkit.observing.records import Operation, Outcome, ToolRun, Watched
from llmkit.request import ResolvedRequest

SHOWN: Final = 1000
"""Characters of what was said, at DEBUG."""

_NAME_SHOWN: Final = 100
_PLAIN: Final = re.compile(r"[^\s=\"]*")
"""What can stand as it is after ``name=``."""
_FIELDS: Final = (
    *("provider", "model", "finish", "error", "status", "ms", "first_ms"),
    *("input_tokens", "cache_read_tokens", "output_tokens", "attempts", "request_id"),
)
"""What a line tells, in this order; what is not known is left out."""


_Clean: TypeAlias = Callable[[Any], Any]


class Log:
    """The observer that writes to the log."""

    def begun(self, watched: Watched) -> "_Lines | _ToolLine | None":
        """One begins."""
        if isinstance(watched, Operation):
            return _Lines(watched)
        return _ToolLine(watched) if LOG.isEnabledFor(logging.DEBUG) else None


class _Lines:
    """The lines of one call."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        request = operation.request
        if request is not None and LOG.isEnabledFor(logging.DEBUG):
            self._show("asks", lambda: _asked(request, operation.clean))

    def current(self) -> AbstractContextManager[object]:
        """Nothing of a log's."""
        return nullcontext()

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """That attempt has failed."""
        self._say(logging.INFO, "retries", {**_failure(error), "attempt": attempt, "pause_ms": round(pause * 1000)})

    def ended(self, outcome: Outcome) -> None:
        """The line of the call."""
        response = outcome.response
        if LOG.isEnabledFor(logging.DEBUG) and response is not None:
            self._show("is answered", lambda: _quoted("".join(_said(response.message, self._operation.clean))))
        fields = {**_failure(outcome.error), **_answer(outcome), **_course(outcome)}
        self._say(logging.INFO, "", {name: fields[name] for name in _FIELDS if fields.get(name) is not None})

    def _show(self, what: str, text: Callable[[], str]) -> None:
        with suppress(Exception):  # a value that cannot be shown, say: the line of the call is told all the same
            self._say(logging.DEBUG, what, {}, text())

    def _say(self, level: int, what: str, fields: Mapping[str, Any], text: str | None = None) -> None:
        about = {"provider": self._operation.row.name, "model": self._operation.model}
        known = {name: value for name, value in (about | dict(fields)).items() if value is not None}
        clean: dict[str, Any] = self._operation.clean({name: _short(value) for name, value in known.items()})
        words = [
            self._operation.name,
            *([what] if what else []),
            *(f"{name}={_word(value)}" for name, value in clean.items()),
        ]
        line = " ".join(words)
        told = {"operation": self._operation.name, **clean}
        if text is None:
            LOG.log(level, "%s", line, extra={"llmkit": told})
        else:
            LOG.log(level, "%s: %s", line, text, extra={"llmkit": told})


class _ToolLine:
    """The line of one run of a tool."""

    def __init__(self, run: ToolRun) -> None:
        self._run = run

    def current(self) -> AbstractContextManager[object]:
        """Nothing of a log's."""
        return nullcontext()

    def retried(self, attempt: int, error: Exception, pause: float) -> None:
        """Tools are not."""

    def ended(self, outcome: Outcome) -> None:
        """The line of the run."""
        failed = "" if outcome.error is None else f" error={type(outcome.error).__name__}"
        name = self._run.clean(_short(self._run.tool.name))
        LOG.debug("tool name=%s%s ms=%d", _word(name), failed, round(outcome.seconds * 1000))


def _failure(error: BaseException | None) -> dict[str, Any]:
    """What an error is; not what it says, as that may repeat what was said."""
    if error is None:
        return {}
    status = error.status if isinstance(error, APIError) else None
    which = error.which if isinstance(error, DeadlineError) else None
    name = type(error).__name__
    return {
        "error": name if which is None else f"{name}({which})",
        "status": status,
        "request_id": getattr(error, "request_id", None),
    }


def _answer(outcome: Outcome) -> dict[str, Any]:
    response, usage = outcome.response, outcome.usage
    reason = None if response is None else response.finish_reason.reason
    counts = () if usage is None else ("input_tokens", "cache_read_tokens", "output_tokens")
    return {"finish": "closed" if outcome.left else reason, **{name: getattr(usage, name) for name in counts}}


def _course(outcome: Outcome) -> dict[str, Any]:
    first = None if outcome.first is None else round(outcome.first * 1000)
    ms = round(outcome.seconds * 1000)
    return {"ms": ms, "first_ms": first, "attempts": outcome.attempts, "request_id": outcome.request_id}


def _asked(request: ResolvedRequest, clean: _Clean) -> str:
    """The end of a conversation, which is what is new of it."""
    system = clean(" ".join(part.text for part in request.system if isinstance(part, Text)))
    before = len(request.messages) - 1
    said = "".join(_said(request.messages[-1], clean))
    head = f"system: {_quoted(system, SHOWN // 4)}, " if system else ""
    return f"{head}after {before} messages: {_quoted(said)}"


def _said(message: Message, clean: _Clean) -> Iterator[str]:
    """What stands in a message, of other than text the kind; without keys, which quoted are not found any more."""
    for part in message.content:
        if isinstance(part, (Text, Refusal, Thinking)):
            yield clean(part.text)
        elif isinstance(part, ToolCall):
            # Twice: a value that is no JSON shows itself as it likes.
            yield clean(f"[{clean(part.name)}({clean(part.arguments if part.raw is None else part.raw)})]")
        elif isinstance(part, ToolResult):
            yield f"[{clean(part.name)}: {clean(''.join(_texts(part.content)))}]"
        else:
            yield f"[{type(part).__name__}]"


def _texts(parts: Sequence[Any]) -> Iterator[str]:
    return (part.text if isinstance(part, Text) else f"[{type(part).__name__}]" for part in parts)


def _short(value: Any) -> Any:
    """A name on one line, without what a terminal obeys, whatever a server makes of it."""
    if not isinstance(value, str):
        return value
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())[:_NAME_SHOWN]


def _word(value: Any) -> str:
    """A value of a line: in quotes where it would else look like more than one."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _quoted(text: str, most: int = SHOWN) -> str:
    """What was said, on one line."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text):,} characters)"
