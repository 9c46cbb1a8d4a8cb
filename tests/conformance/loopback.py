"""A loopback server that answers what it was last told to, and remembers what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field


@define
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@define
class Loopback:
    """What the server says, and what it heard."""

    url: str = ""
    asked: list[Asked] = field(factory=list)
    _answer: tuple[int, Mapping[str, str], bytes] = (500, {}, b"")

    def say(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
        """Answer all that follows with this."""
        self.asked.clear()
        self._answer = (status, headers, body)

    def say_json(self, value: Any) -> None:
        self.say(json.dumps(value).encode(), {"content-type": "application/json"})

    def say_events(self, body: bytes) -> None:
        self.say(body, {"content-type": "text/event-stream"})


def _handler(state: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def answer(self) -> None:
            size = int(self.headers.get("content-length", 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append(Asked(self.command, self.path, names, self.rfile.read(size)))
            status, headers, body = state._answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if headers.get("content-type", "").startswith("text/event-stream"):
                self.send_header("transfer-encoding", "chunked")
                body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
            else:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def serving() -> Iterator[Loopback]:
    """A server for the time of the `with` block."""
    state = Loopback()
    server = _Server(("127.0.0.1", 0), _handler(state))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
