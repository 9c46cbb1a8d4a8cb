"""Django behind the servers that it is run by: what comes is seen at once, and nothing is held for who has gone."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sockets

SITE = Path(__file__).with_name("django_site.py")
SERVERS = {
    "gunicorn, sync": ("gunicorn", "--no-control-socket", "-b", "fd://{}", "django_site:wsgi"),
    "gunicorn, threads": (
        *("gunicorn", "--no-control-socket", "-b", "fd://{}", "-k", "gthread", "--threads", "4", "--preload"),
        "django_site:wsgi",
    ),
    "gunicorn, gevent": ("gunicorn", "--no-control-socket", "-b", "fd://{}", "-k", "gevent", "django_site:wsgi"),
    "uvicorn": ("uvicorn", "--fd", "{}", "--lifespan", "off", "django_site:asgi"),
}
ENDS = [
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
]


def word(text):
    return {"id": "1", "choices": [{"index": 0, "delta": {"content": text}}]}


def said(*chunks):
    return b"".join(sockets.chunk(b"data: " + json.dumps(one).encode() + b"\n\n") for one in chunks)


def provider(wire):
    """Says a word, and the rest of it when it is told that the word was seen; the next time it says no more."""
    for number, _ in enumerate(wire.requests()):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.send(said(word("Once")))
        if number or wire.server.connections > 1:
            wire.hang()
        assert wire.server.reached.wait(sockets.PATIENCE)
        wire.send(said(word(" upon"), *ENDS) + sockets.chunk(b"data: [DONE]\n\n") + sockets.chunk(b""))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A database with the project's table, and nothing in it."""
    path = tmp_path_factory.mktemp("migrated") / "site.sqlite3"
    environment = {**os.environ, "SITE_DATABASE": str(path), "SITE_PROVIDER": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, SITE], check=True, env=environment)
    return path


@pytest.fixture(params=SERVERS.values(), ids=SERVERS.keys())
def site(request, migrated, tmp_path):
    """The project, served; its provider."""
    with sockets.Server(provider) as models, socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        database = str(shutil.copy(migrated, tmp_path))
        environment = {**os.environ, "SITE_DATABASE": database, "SITE_PROVIDER": models.url, "PYTHONPATH": SITE.parent}
        listener.set_inheritable(True)
        program, *arguments = (argument.format(listener.fileno()) for argument in request.param)
        command = [sys.executable, "-m", program, *arguments]
        with (tmp_path / "log").open("wb") as log:
            running = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()], stdout=log, stderr=log)
        models.address = listener.getsockname()
        try:
            yield models
        finally:
            running.terminate()
            running.wait(sockets.PATIENCE)
        told = (tmp_path / "log").read_text()
        assert "Traceback" not in told, told


@contextlib.contextmanager
def browser(site, path):
    """A request, as a browser sends it; reads up to a word."""
    with socket.create_connection(site.address, sockets.PATIENCE) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: site\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        seen = bytearray()

        def until(what):
            while what not in seen:
                data = sock.recv(65536)
                assert data, bytes(seen)
                seen.extend(data)
            return bytes(seen)

        yield until


def talks(site):
    with browser(site, "/talks") as until:
        return until(b"]]}")


def test_a_browser_sees_the_answer_grow_and_may_go(site):
    with browser(site, "/answer") as until:
        head = until(b'"text":"Once"').lower()  # the provider says no more before this was seen
        site.reached.set()
        body = until(b'event: end\ndata: {"complete":true}')
    assert b"content-type: text/event-stream\r\n" in head
    assert b"transfer-encoding: chunked\r\n" in head
    assert b'"text":" upon"' in body
    assert b'"databases":0' in body or b'"databases":null' in body
    with browser(site, "/answer") as until:
        until(b'"text":"Once"')
    assert site.left.wait(sockets.PATIENCE), "the provider is still asked"
    deadline = time.monotonic() + sockets.PATIENCE
    while b'{"talks": [["Tell me.", "Once upon"], ["Tell me.", "Once"]]}' not in (kept := talks(site)):
        assert time.monotonic() < deadline, kept
