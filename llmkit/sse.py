"""Bytes in, server-sent events out. No I/O.

Lines end at CR, LF or CRLF and nowhere else, and are UTF-8 whatever charset is
declared. Each byte is looked at once or twice however it arrives.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from typing import Final, NamedTuple

from llmkit.errors import BODY_SHOWN, InvalidResponseError

LARGEST_EVENT: Final = 32 * 1024 * 1024
"""Bytes of one event above which it is refused."""

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data", b"event", b"id", b"retry", b"")  # the last one is a comment's
_JSON = (b"{", b"[")  # how hosts that fail amid a stream begin to tell so, without the name of a field


class ServerSentEvent(NamedTuple):
    """One event.

    Attributes:
        event: Its name; "message" where it has none.
        data: Its `data` lines, joined with LF.
    """

    event: str
    data: str


_NO_SHAPE: Final = ("", "\n\n")  # no event has a blank line in it
_event: Final = tuple.__new__  # without a frame of Python's


class SSEDecoder:
    """Takes a body as it arrives, cut anywhere; gives the events it completes.

    Events without data (a bare name, comments, pings that are comments) are no events. JSON that stands between events
    without the name of a field, as some hosts tell of an error, is one.
    """

    def __init__(self, *, largest: int = LARGEST_EVENT) -> None:
        self._largest = largest
        self._line: list[bytes] = []  # pieces of a line whose end has not come
        self._held = 0  # bytes of it
        self._size = 0  # bytes of the event's whole lines
        self._begun = False
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._bare: list[bytes] = []
        self._any = False  # an event has been
        self._shape = _NO_SHAPE  # the name of the latest event, and all that stood before its data
        self._error: InvalidResponseError | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes; return the events they complete, oldest first.

        What is wrong in the middle of `chunk` is raised by the call after the one that returned what stood before it,
        so that where the network cuts makes no difference.

        Raises:
            InvalidResponseError: A line is not UTF-8, or an event is larger than the limit.
        """
        self._raise()
        chunk = self._one_line_end(chunk)
        if not self._held and not self._size and self._begun and chunk[-2:] == b"\n\n":  # whole events, as hosts send
            events = self._quick(chunk[:-2])
            if not events:
                self._raise()
            return events
        self._line.append(chunk)
        if b"\n" not in chunk:
            self._held += len(chunk)
            events = []
        else:
            events = self._blocks(b"".join(self._line))
        if self._size + self._held > self._largest:
            self._fail(f"an event is larger than {self._largest:,} bytes")
        if not events:
            self._raise()
        return events

    def close(self) -> ServerSentEvent | None:
        """The event that the body ended in, where no blank line follows it.

        By the standard it is to be dropped. Here the caller decides, as it can tell whether its data is whole; one that
        ends amid a letter is not.

        Raises:
            InvalidResponseError: As `feed`.
        """
        if self._error is None and self._held:
            line = b"".join(self._line)
            self._line, self._held = [], 0
            if _cut_in_a_letter(line):
                return None
            self._field(line)
        self._raise()
        return self._take()

    def _one_line_end(self, chunk: bytes) -> bytes:
        """`chunk` with LF for every CR and CRLF, a CRLF that the network cut in two included."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" not in chunk:
            return chunk
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _blocks(self, text: bytes) -> list[ServerSentEvent]:
        """The events in `text`, which begins with what had been kept of a line; what is left of one is kept."""
        events: list[ServerSentEvent] = []
        if self._size:  # amid an event: line by line to its end
            rest, blank, text = text.partition(b"\n\n")
            if not blank:
                text = rest
            else:
                events = self._read([*rest.split(b"\n"), b""])
        if not self._size and (end := text.rfind(b"\n\n")) >= 0 and self._error is None:
            events += self._quick(text[:end])
            text = text[end + 2 :]
        lines = text.split(b"\n")
        self._line = [lines.pop()]
        self._held = len(self._line[0])
        return events + self._read(lines) if lines and self._error is None else events

    def _quick(self, block: bytes) -> list[ServerSentEvent]:
        """The events of a block of whole ones: those in the shape that hosts send taken apart as text, all at once."""
        if not self._begun or len(block) > self._largest:
            return self._read([*block.split(b"\n"), b""])
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return self._read([*block.split(b"\n"), b""])
        events: list[ServerSentEvent] = []
        name, head = self._shape
        for event in text.split("\n\n"):
            if event.startswith(head):
                data = event[len(head) :]
            elif not event:  # blank lines, of which a bomb has millions
                continue
            else:
                name, data = _taken_apart(event)
                head = event[: len(event) - len(data)]
                if not head.endswith(" "):  # then the next one's data may begin with the space that is none of it
                    head = _NO_SHAPE[1]
            if name and data and "\n" not in data and not self._bare:
                events.append(_event(ServerSentEvent, (name, data)))
            else:
                self._any = self._any or bool(events)
                events += self._read([*event.encode().split(b"\n"), b""])
                if self._error is not None:
                    break
                name, head = _NO_SHAPE
        self._shape = name, head
        self._any = self._any or bool(events)
        return events

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                self._size = 0
                if (event := self._take()) is not None:
                    events.append(event)
                continue
            self._size += len(line)
            if self._size > self._largest:
                self._fail(f"an event is larger than {self._largest:,} bytes")
            else:
                self._field(line)
            if self._error is not None:
                break
        return events

    def _fail(self, message: str, body: str = "") -> None:
        if self._error is None:
            self._error = InvalidResponseError(message, body=body)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _take(self) -> ServerSentEvent | None:
        name, data, self._event = self._event, self._data, ""
        if self._bare:
            data = [*data, b"\n".join(self._bare).decode("utf-8", "replace")]
            self._bare = []
        if not data:
            return None
        self._data, self._any = [], True
        text = data[0] if len(data) == 1 else "\n".join(data)
        return ServerSentEvent(name or "message", text) if text else None

    def _field(self, line: bytes) -> None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        name, _, value = line.partition(b":")  # without a colon the value is empty
        if name not in (b"data", b"event"):
            if self._bare or (self._any and line[:1] in _JSON):
                self._bare.append(line)
            return  # a comment, `id`, `retry`, or one that the standard does not know
        try:
            text = value.removeprefix(b" ").decode()
        except UnicodeDecodeError:
            self._fail("a line of the stream is not UTF-8", line[:BODY_SHOWN].decode("utf-8", "replace"))
            return
        if name == b"data":
            self._data.append(text)
        else:
            self._event = text


def _taken_apart(event: str) -> tuple[str, str]:
    """Name and data of an event of one or two lines; where it has another form, that name or those data are not one."""
    name, between, data = ("message", ":", event[5:]) if event[:5] == "data:" else event.partition("\ndata:")
    if between == "\ndata:":
        name = name[7:] if name[:7] == "event: " and "\n" not in name else ""
    return name, data.removeprefix(" ")


def may_begin(body: bytes) -> bool:
    """Whether `body` may be the beginning of a stream of events: its first line has the name of a field, or part of it.

    By the standard any text is a stream, of lines that say nothing. Here it is what came instead of one.
    """
    start = body.removeprefix(_BOM).lstrip()[: len(b"event:")]
    name, *rest = re.split(rb"[:\r\n]", start, maxsplit=1)
    return name in _FIELDS if rest else any(field.startswith(name) for field in _FIELDS)


def _cut_in_a_letter(line: bytes) -> bool:
    """Whether `line` ends amid the bytes of a letter."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False
