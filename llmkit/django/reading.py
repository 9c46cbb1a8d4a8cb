"""A stream read in a thread of its own, so that who writes to the browser is never kept waiting by the provider."""

import contextvars
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
MOST_WAITING: Final = 1024  # frames that a slow browser has not taken; then the provider is kept waiting, too
_LOOK: Final = 1.0  # seconds after which who waits for a browser looks whether it was forgotten


class Channel:
    """Frames, on their way from the thread that reads the provider to the one that writes to the browser.

    Attributes:
        left: Nobody takes them any more; may be set by anyone, without a lock.
    """

    def __init__(self) -> None:
        self.left = False
        self._frames: deque[bytes] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, frame: bytes) -> None:
        """Add one, if there is somebody to take it; waits where many are waiting."""
        with self._changed:
            while len(self._frames) >= MOST_WAITING and not self.left:
                self._changed.wait(_LOOK)
            if frame and not self.left:
                self._frames.append(frame)
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
        self._encode = encode
        self._on_end = on_end
        self._channel = Channel()
        self._thread: threading.Thread | None = None

    def __del__(self) -> None:
        # Dropped and not closed: the thread finds out by itself. No lock is taken in a finaliser.
        self._channel.left = True

    def take(self, seconds: float) -> bytes | None:
        """What has come, as `Channel.take`."""
        self._begin()
        return self._channel.take(seconds)

    def close(self, patience: float = 5.0) -> None:
        """Drop the provider's connection, and wait until the end was told, for so many seconds at most."""
        self._channel.leave()
        self._stream.close()
        if self._on_end is not None:
            self._begin()  # also where nothing was sent: it is told once, and always there
        if self._thread is not None:
            self._thread.join(patience)

    def _begin(self) -> None:
        if self._thread is None:
            work = (_read, self._stream, self._channel, self._encode, self._on_end)
            run = contextvars.copy_context().run
            # A daemon: a provider that says nothing must not keep the process from its end.
            self._thread = threading.Thread(target=run, args=work, name="llmkit-event-stream", daemon=True)
            self._thread.start()


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
    except Exception as error:  # noqa: BLE001 - the border of the thread: whatever it was, the browser must be told
        return error
    return None


def _told(stream: Stream[Any], error: Exception | None, on_end: OnEnd) -> Exception | None:
    """Tell the view; what ended it all: `error`, or that the view could not be told."""
    try:
        on_end(stream.snapshot, error)
    except Exception as failed:  # noqa: BLE001 - likewise
        failed.__context__ = error
        return failed
    return error


def _ending(sent: Sent, encode: Encode) -> bytes:
    try:
        return _bytes(encode(sent))
    except Exception:
        logger.exception("encode() failed on %s", type(sent).__name__)
        return by_default(sent)


def _bytes(frame: object) -> bytes:
    if isinstance(frame, (bytes, bytearray)):
        return bytes(frame)
    if frame is not None and not isinstance(frame, str):
        raise wrong("encode", "a function that returns bytes, text or None", frame)
    return to_utf8(frame or "")
