"""An answer on its way to a browser, as server-sent events, under WSGI and ASGI."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse

from llmkit.checks import wrong
from llmkit.django.frames import HEARTBEAT
from llmkit.django.frames import encode as by_default
from llmkit.django.reading import Encode, OnEnd, Reading
from llmkit.stream import Stream

HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx hands on what comes as it comes
    "Content-Encoding": "identity",  # Django's GZipMiddleware, and proxies, compress nothing: that holds text back
}
ECHO: Final = 0.05
"""Seconds between the two halves of a heartbeat: what is written first to a connection that the browser has closed
makes the network say so, and what is written next finds that out."""


def event_stream(
    stream: Stream[Any], *, encode: Encode = by_default, heartbeat: float = 0.5, on_end: OnEnd | None = None
) -> StreamingHttpResponse:
    """A response that sends the events of `stream` as they come; docs/django.md has the table.

    When the browser goes, the provider's connection is closed, within about `heartbeat` seconds. From when the response
    begins to be sent, no database connection is held by the request; inside `transaction.atomic` that is left alone.

    Args:
        stream: Of a client or a chat. The response closes it.
        encode: What is sent for an event, a `Problem` or the `End`, as server-sent events; None for nothing.
        heartbeat: Seconds of silence after which a comment is sent, so that it is found out that a browser has gone,
            and no proxy takes the connection for dead. Above 0.
        on_end: Told once how the answer ended: the answer as far as it came, and what ended it, None where it is whole,
            a `StreamClosedError` where the browser has gone. Called before the browser is told of the end, in a thread
            of its own, whose database connections are closed afterwards.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    if not isinstance(stream, Stream):
        raise wrong("stream", "what Client.stream or Chat.stream returns", stream)
    if isinstance(heartbeat, bool) or not isinstance(heartbeat, (int, float)) or not 0 < heartbeat <= 3600:  # noqa: PLR2004
        raise wrong("heartbeat", "seconds above 0, at most 3600", heartbeat)
    _called("encode", encode)
    if on_end is not None:
        _called("on_end", on_end)
    return EventStream(Reading(stream, encode, on_end), float(heartbeat))


def _called(name: str, given: object) -> None:
    if not callable(given) or iscoroutinefunction(given):
        raise wrong(name, "a plain function, which is called in a thread", given)


class EventStream(StreamingHttpResponse):
    """What `event_stream` returns."""

    def __init__(self, reading: Reading, heartbeat: float) -> None:
        super().__init__(Frames(reading, heartbeat), content_type="text/event-stream", headers=HEADERS)

    @property
    def streaming_content(self) -> Any:
        """What is sent, for both kinds of loops; of the kind that a middleware has wrapped around it, where that is."""
        content = super().streaming_content
        return content if self.is_async else Content(content)

    @streaming_content.setter
    def streaming_content(self, value: Any) -> None:
        self._set_streaming_content(value)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Under ASGI. Django itself would collect all pieces first."""
        if self.is_async:  # by a middleware, which may read what it wraps in another thread than that of the view
            await sync_to_async(release_databases)()
        async with aclosing(aiter(self.streaming_content)) as content:
            async for piece in content:
                yield piece


class Content(Iterator[bytes]):
    """The pieces of a response, as a plain iterator, and as an async one whose blocking reads happen in a thread.

    Which one is wanted only the server knows: a plain view is asked by servers of both kinds.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __next__(self) -> bytes:
        return next(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await sync_to_async(release_databases)()  # in the thread of the view
        executor = ThreadPoolExecutor(1, "llmkit-event-stream-reads")
        read = sync_to_async(lambda: next(self._pieces, None), thread_sensitive=False, executor=executor)
        try:
            while (piece := await read()) is not None:
                yield piece
        finally:
            executor.shutdown(wait=False)  # where the browser has gone, a read may go on for a moment


class Frames(Iterator[bytes]):
    """What is sent: what has come, and a heartbeat where nothing has."""

    def __init__(self, reading: Reading, heartbeat: float) -> None:
        self._reading = reading
        self._heartbeat = heartbeat
        self._silent = False  # the first half of a heartbeat was the last that was sent
        self._begun = False

    def __next__(self) -> bytes:
        if not self._begun:
            self._begun = True
            release_databases()
            return HEARTBEAT  # with which the server sends the headers
        found = self._reading.take(ECHO if self._silent else self._heartbeat)
        if found is None:
            raise StopIteration
        self._silent = not found and not self._silent
        return found or HEARTBEAT

    def close(self) -> None:
        """The browser has gone, or has all of it: called by `StreamingHttpResponse.close`."""
        self._reading.close()


def release_databases() -> None:
    """Close the connections that this thread has, as it may be long until the next query.

    One within a transaction is left alone: Django's own, as in a `TestCase`, or the project's.
    """
    for connection in connections.all(initialized_only=True):
        if connection.autocommit and not connection.in_atomic_block:
            connection.close()
