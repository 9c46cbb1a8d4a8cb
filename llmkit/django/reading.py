"""A stream read in a thread of its own, so that who writes to the browser is never kept waiting by the provider."""

import _thread
import contextlib
import contextvars
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from django.db import connections

from llmkit.checks import wrong
from llmkit.django.frames import End, Sent, problem
from llmkit.django.frames import encode as by_default
from llmkit.errors import StreamClosedError
from llmkit.json_codec import to_utf8
from llmkit.response import Response
from llmkit.stream import Stream

Encode: TypeAlias = Callable[[Sent], bytes | str | None]
OnEnd: TypeAlias = Callable[[Response[Any], Exception | None], object]

logger: Final = logging.getLogger("llmkit.django")
MOST_WAITING: Final = 2**16  # bytes that a slow browser has not taken; then the provider is kept waiting, too
_LOOK: Final = 1.0  # seconds after which who waits for a browser looks whether it was forgotten


class Channel:
    """Frames, on their way from the thread that reads the provider to the one that writes to the browser.

    Attributes:
        left: Nobody takes them any more; may be set by anyone, without a lock.
    """

    def __init__(self) -> None:
        self.left = False
        self._frames: deque[bytes] = deque()
        self._waiting = 0  # bytes
        self._ended = False
        self._changed = threading.Condition()

    def put(self, frame: bytes) -> None:
        """Add one, if there is somebody to take it; waits where many are waiting."""
        with self._changed:
            while self._waiting >= MOST_WAITING and not self.left:
                self._changed.wait(_LOOK)
            if frame and not self.left:
                self._frames.append(frame)
                self._waiting += len(frame)
                self._changed.notify_all()

    def end(self) -> None:
        """No more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def take(self, seconds: float) -> bytes | None:
        """All that have come, joined; b"" where none came for so long; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._ended or self.left, seconds)
            found = b"".join(self._frames)
            self._frames.clear()
            self._waiting = 0
            self._changed.notify_all()
            return None if not found and (self._ended or self.left) else found

    def leave(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self.left = True
            self._changed.notify_all()


class Reading:
    """A stream that is being read for a browser: from the first `take` on, until its end or `close`."""

    def __init__(self, stream: Stream[Any], encode: Encode, on_end: OnEnd | None) -> None:
        self._stream = stream
        self._on_end = on_end
        self._channel = Channel()
        self._work = functools.partial(_read, stream, self._channel, encode, on_end)
        self._over = False
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()

    def __del__(self) -> None:
        # Dropped and not closed, as Django's ASGI handler does when the browser goes before the view has returned.
        self._channel.left = True
        if not self._over:
            with contextlib.suppress(RuntimeError):  # the process is at its end
                # Of the plainest kind: `threading.Thread` takes locks, which a finaliser must not.
                _thread.start_new_thread(_forsaken, (self._stream, self._work if self._thread is None else None))

    def take(self, seconds: float) -> bytes | None:
        """What has come, as `Channel.take`."""
        self._begin()
        found = self._channel.take(seconds)
        self._over = self._over or found is None
        return found

    def close(self, patience: float = 5.0) -> None:
        """Drop the provider's connection, and wait until the end was told, for so many seconds at most."""
        self._over = True
        self._channel.leave()
        self._stream.close()
        if self._on_end is not None:
            self._begin()  # also where nothing was sent: it is told once, and always there
        if self._thread is not None:
            self._thread.join(patience)

    def _begin(self) -> None:
        with self._beginning:  # under ASGI the browser may go while the first `take` begins
            if self._thread is not None:
                return
            run = contextvars.copy_context().run
            # A daemon: a provider that says nothing must not keep the process from its end.
            self._thread = threading.Thread(target=run, args=(self._work,), name="llmkit-event-stream", daemon=True)
            self._thread.start()


def _forsaken(stream: Stream[Any], work: Callable[[], None] | None) -> None:
    """What `Reading.close` would have done; `work` where no thread has begun it."""
    stream.close()
    if work is not None:
        work()


def _read(stream: Stream[Any], channel: Channel, encode: Encode, on_end: OnEnd | None) -> None:
    """The thread: everything that the stream holds, then how it ended."""
    try:
        error = _events(stream, channel, encode)
        if on_end is not None:
            error = _told(stream, error, on_end)
        if error is not None and not isinstance(error, StreamClosedError):
            logger.error("The stream of an answer failed: %s", error, exc_info=error)
        ending: list[Sent] = [] if error is None else [problem(error)]
        for sent in (*ending, End(complete=error is None)):
            channel.put(_ending(sent, encode))
    finally:
        channel.end()
        connections.close_all()  # what tools, hooks and `on_end` have opened in this thread


def _events(stream: Stream[Any], channel: Channel, encode: Encode) -> Exception | None:
    """What ended the stream; None where it was whole."""
    try:
        with stream:
            for event in stream:
                channel.put(_bytes(encode(event)))
                if channel.left:
                    stream.close()
    except BaseException as error:  # noqa: BLE001 - the border of the thread: whatever it was, the browser must be told
        return _told_as(error)
    return None


def _told(stream: Stream[Any], error: Exception | None, on_end: OnEnd) -> Exception | None:
    """Tell the view; what ended it all: `error`, or that the view could not be told."""
    try:
        on_end(stream.snapshot, error)
    except BaseException as raised:  # noqa: BLE001 - likewise
        failed = _told_as(raised)
        failed.__context__ = error
        return failed
    return error


def _told_as(error: BaseException) -> Exception:
    """`error` itself; of a tool's ``SystemExit`` and its like, which end no more than this answer, another."""
    if isinstance(error, Exception):
        return error
    told = RuntimeError(f"{type(error).__name__} was raised while an answer was streamed")
    told.__cause__ = error
    return told


def _ending(sent: Sent, encode: Encode) -> bytes:
    try:
        return _bytes(encode(sent))
    except BaseException:  # likewise
        logger.exception("encode() failed on %s", type(sent).__name__)
        return by_default(sent)


def _bytes(frame: object) -> bytes:
    if isinstance(frame, (bytes, bytearray)):
        return bytes(frame)
    if frame is not None and not isinstance(frame, str):
        raise wrong("encode", "a function that returns bytes, text or None", frame)
    return to_utf8(frame or "")
