"""Programs of their own around a client: interrupted, ended with threads at work, served by gunicorn."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from faults.calls import JSON, SSE, chunked
from faults.formats import ANTHROPIC, PIECES
from sockets import PATIENCE, Server

from llmkit.testing import FakeServer

TESTS = Path(__file__).parent
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this platform does not list descriptors")


def program(code, *arguments):
    """A Python that runs `code`, after what every program here begins with."""
    begin = """
        import signal, socket, sys, threading, time
        from llmkit import Client, LLMKitError, Timeout
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell had it ignored
        client = Client("anthropic", api_key="k", base_url=sys.argv[1], model="m", max_retries=3, timeout=60)
        """
    whole = textwrap.dedent(begin) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", whole, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
    )


def settle(running):
    """Wait until it waits for something itself."""
    quiet, before = 0, None
    until = time.monotonic() + 60
    while quiet < 3:
        assert time.monotonic() < until
        time.sleep(0.02)
        fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
        state, used = fields[0], fields[11:13]
        quiet = quiet + 1 if state == "S" and used == before else 0
        before = used


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------

INTERRUPTED = """
    import os

    def sockets():
        found = []
        for name in os.listdir("/proc/self/fd"):
            try:
                found.append(os.readlink(f"/proc/self/fd/{name}"))
            except OSError:
                pass
        return [name for name in found if name.startswith("socket:")]

    def whole():
        client.complete("Hi")

    def streamed():
        with client.stream("Hi") as stream:
            for event in stream:
                pass

    def without_with():
        global kept
        kept = client.stream("Hi")
        kept.collect()

    before = sockets()
    print("ready", flush=True)
    try:
        {"whole": whole, "streamed": streamed, "without with": without_with}[sys.argv[2]]()
    except KeyboardInterrupt as error:  # which keeps its frames, as a console does
        kept_error = error
        print("interrupted", len(sockets()) - len(before), len(threading.enumerate()), flush=True)
        threading.Event().wait(30)
"""


def reached(wire):
    wire.server.reached.set()
    wire.hang()


def after(head):
    """A script: so much of an answer, and then silence."""

    def script(wire):
        wire.receive()
        wire.send(head)
        reached(wire)

    return script


WAITS = {
    "for the headers": after(b""),
    "amid the headers": after(b"HTTP/1.1 200 OK\r\nX-A: b\r\n"),
    "for the body": after(f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{JSON}\r\n".encode()),
    "amid the body": after(f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{JSON}\r\n{{".encode()),
    "amid a body in chunks": after(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n5\r\n{{".encode()),
    "for the body of an error": after(f"HTTP/1.1 400 No\r\nContent-Length: 100\r\n{JSON}\r\n{{".encode()),
    "to ask again": after(
        f"HTTP/1.1 529 Busy\r\nRetry-After: 50\r\nConnection: close\r\nContent-Length: 0\r\n{JSON}\r\n".encode()
    ),
    "for the first event": after(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{SSE}\r\n".encode()),
    "amid the events": after(chunked(ANTHROPIC.begun(2), end=False)),
}


@needs_proc
@pytest.mark.parametrize("use", ["whole", "streamed", "without with"])
@pytest.mark.parametrize("script", WAITS.values(), ids=WAITS.keys())
def test_an_interrupt(script, use):
    """It comes out as what it is, at once; the host learns of it, though the traceback is still held."""
    with Server(script) as server:
        running = program(INTERRUPTED, server.url, use)
        try:
            assert server.reached.wait(60)
            settle(running)
            sent = time.monotonic()
            running.send_signal(signal.SIGINT)
            assert running.stdout.readline() == "ready\n"
            word, left, threads = running.stdout.readline().split()
            assert time.monotonic() - sent < 10
            assert (word, left, threads) == ("interrupted", "0", "1")
            assert server.left.wait(PATIENCE)
        finally:
            running.kill()
            _, noise = running.communicate()
        assert noise == ""


# ---- the end of the interpreter --------------------------------------------------------------------------------------

ENDINGS = {
    "a daemon thread reads a stream": """
        def read():
            with client.stream("Hi") as stream:
                for event in stream:
                    begun.set()

        begun = threading.Event()
        threading.Thread(target=read, daemon=True).start()
        assert begun.wait(60)
        """,
    "daemon threads wait for answers": """
        for _ in range(4):
            threading.Thread(target=client.complete, args=("Hi",), daemon=True).start()
        threading.Event().wait(0.3)
        """,
    "a daemon thread asks on and on": """
        def ask():
            while True:
                with client.stream("Hi") as stream:
                    next(stream)
                    asked.set()

        asked = threading.Event()
        threading.Thread(target=ask, daemon=True).start()
        assert asked.wait(60)
        """,
    "a stream is left open": """
        stream = client.stream("Hi")
        next(stream)
        """,
    "a stream is left open in a cycle": """
        stream = client.stream("Hi")
        next(stream)
        cycle = [stream]
        cycle.append(cycle)
        """,
    "a stream is read in an atexit": """
        import atexit

        def last():
            stream = client.stream("Hi")
            print(next(stream).text)

        atexit.register(last)
        """,
    "a name is looked up in an atexit": """
        import atexit

        def last():
            late = Client("anthropic", api_key="k", base_url=sys.argv[1].replace("127.0.0.1", "localhost"), model="m")
            print(next(late.stream("Hi")).text)

        atexit.register(last)
        """,
    "a client is left open": "client.with_options(max_retries=0)",
    "an exit in the midst of it": """
        with client.stream("Hi") as stream:
            next(stream)
            sys.exit(0)
        """,
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS.keys())
def test_nothing_is_said_at_the_end(code):
    """Neither by daemon threads that are stopped where they are, nor by what is torn down in any order."""
    begun = chunked(ANTHROPIC.begun(1), end=False)

    def script(wire):
        for _ in wire.requests():
            wire.send(begun)
            reached(wire)

    with Server(script) as server:
        running = program(code, server.url)
        said, noise = running.communicate(timeout=60)
    assert (running.returncode, noise) == (0, "")
    assert said.strip() == (PIECES[0] if "atexit" in code else "")


def test_where_no_thread_can_be_started():
    """At the end of an interpreter and where the system allows no more of them: the name is looked up all the same."""
    code = """
        threading.stack_size(1 << 46)
        try:
            threading.Thread(target=print).start()
        except RuntimeError:
            print("none")
        late = Client("anthropic", api_key="k", base_url=sys.argv[1].replace("127.0.0.1", "localhost"), model="m")
        for _ in range(2):
            print(late.complete("Hi").text)
            late.close()
        """
    with FakeServer() as server:
        said, noise = program(code, server.url).communicate(timeout=60)
    assert (said.split(), noise) == (["none", "Hi", "Hi"], "")


# ---- gunicorn --------------------------------------------------------------------------------------------------------

APPLICATION = """
    import os
    import threading
    from urllib.parse import unquote

    from llmkit import Client

    client = Client("anthropic", api_key="k", base_url=os.environ["PROVIDER"], model="m", max_retries=0)
    master = os.getpid()
    assert client.complete("in the master").text == "in the master"
    opened = client.stream("opened in the master, and never read")

    def application(environ, start_response):
        prompt = unquote(environ["QUERY_STRING"])
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", f"{master} {os.getpid()}")])
        if environ["PATH_INFO"] == "/stream":
            return (text.encode() for text in client.stream(prompt).text_deltas())
        return [client.complete(prompt).text.encode()]
"""


def test_in_gunicorns_threads(tmp_path):
    """A client of the module's, used in the master before the workers are forked, serves all of their threads."""
    (tmp_path / "application.py").write_text(textwrap.dedent(APPLICATION))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    options = ["--preload", "--workers=2", "--worker-class=gthread", "--threads=4", f"--bind=fd://{listener.fileno()}"]

    def ask(number):
        prompt, path = f"question {number}: Zürich?", "/stream" if number % 2 else "/"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{quote(prompt)}", timeout=60) as answered:
            master, worker = answered.headers["X-Worker"].split()
            return answered.read().decode() == prompt, worker != master

    with FakeServer() as server, listener:
        running = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "application:application"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            pass_fds=[listener.fileno()],
            env={**os.environ, "PROVIDER": server.url, "PYTHONPATH": str(TESTS.parent)},
        )
        try:
            with ThreadPoolExecutor(16) as threads:
                answers = list(threads.map(ask, range(200)))
            assert set(answers) == {(True, True)}
            assert len(server.requests) == 202
        finally:
            running.send_signal(signal.SIGTERM)
            said, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert re.findall("Traceback|Error|Warning|Exception", said) == [], said
    assert len(re.findall("Booting worker", said)) == 2, "none of them died"
