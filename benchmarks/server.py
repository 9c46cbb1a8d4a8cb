"""A provider on loopback, in a process of its own so that what it costs is counted for nobody.

The first step of a path says what is answered: ``whole``; ``slow-MS``, the same after so many milliseconds;
``text-COUNT-PER`` or ``tool-COUNT-PER``, a stream of so many deltas with so many events in a chunk; ``event-COUNT``, a
stream with one delta of so many KB; ``first``, a stream that pauses after its first delta. The rest of the path says in
which format. Writes its port to the standard output; to each line that it reads, how many connections it accepted.
"""

import functools
import itertools
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator

from benchmarks.answers import FORMATS, words

FORMAT_OF = {
    "messages": "anthropic-messages",
    "completions": "openai-chat",
    "responses": "openai-responses",
}
KEPT = 200_000  # deltas of a stream that is made once and kept
PAUSE = 0.02  # seconds after the first delta of ``first``
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@functools.cache
def whole(name: str) -> bytes:
    """An answer with its length."""
    body = json.dumps(FORMATS[name].whole("".join(words(100)))).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@functools.cache
def stream(name: str, kind: str, count: int, per: int) -> bytes:
    """An answer in chunks."""
    return SSE + b"".join(chunks(name, kind, count, per)) + b"0\r\n\r\n"


def chunks(name: str, kind: str, count: int, per: int) -> Iterator[bytes]:
    """The chunks of an answer."""
    events = getattr(FORMATS[name], kind)(count)
    while some := b"".join(itertools.islice(events, per)):
        yield _chunk(some)


@functools.cache
def halves(name: str) -> tuple[bytes, bytes]:
    """A short stream up to its first delta, and the rest."""
    events = [*FORMATS[name].text(3)]
    first = next(number for number, event in enumerate(events, 1) if words(1).__next__().encode() in event)
    return SSE + b"".join(map(_chunk, events[:first])), b"".join(map(_chunk, events[first:])) + b"0\r\n\r\n"


def _serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for path in _requests(sock):
            _answer(sock, path)
    except OSError:  # the client went away
        pass
    finally:
        sock.close()


def _answer(sock: socket.socket, path: str) -> None:
    mode, _, rest = path.lstrip("/").partition("/")
    name = FORMAT_OF.get(rest.partition("?")[0].rpartition("/")[2], "gemini-generate")
    what, *numbers = mode.split("-")
    if what in ("whole", "slow"):
        if numbers:
            time.sleep(int(numbers[0]) / 1000)
        sock.sendall(whole(name))
    elif what == "first":
        begun, rest_of_it = halves(name)
        sock.sendall(begun)
        time.sleep(PAUSE)
        sock.sendall(rest_of_it)
    elif what == "event":
        sock.sendall(SSE + b"".join(map(_chunk, FORMATS[name].event(int(numbers[0])))) + b"0\r\n\r\n")
    else:
        count, per = map(int, numbers)
        if count <= KEPT:
            sock.sendall(stream(name, what, count, per))
        else:
            # As much at once as the client can read, which is not to wait for what is made here.
            sock.sendall(SSE)
            made = chunks(name, what, count, per)
            while some := b"".join(itertools.islice(made, 500)):
                sock.sendall(some)
            sock.sendall(b"0\r\n\r\n")


def _requests(sock: socket.socket) -> Iterator[str]:
    """The path of each request, when all of it has come."""
    held = b""
    while True:
        while (end := held.find(b"\r\n\r\n")) < 0:
            if not (data := sock.recv(65536)):
                return
            held += data
        head, held = held[:end], held[end + 4 :]
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        missing = (int(found[1]) if found else 0) - len(held)
        while missing > 0:
            if not (data := sock.recv(65536)):
                return
            missing -= len(data)
        held = b""
        yield head.split(b" ", 2)[1].decode()


def main() -> None:
    """Serve until the standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    accepted = 0

    def accept() -> None:
        nonlocal accepted
        while True:
            sock, _ = listener.accept()
            accepted += 1
            threading.Thread(target=_serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(accepted, flush=True)


if __name__ == "__main__":
    main()
