"""The key is in the request, and nowhere else."""

import contextlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest
from calls import KEY, authorize, once, post
from sockets import CHUNKED, PATIENCE, Server, echo

from llmkit.deadlines import Deadlines
from llmkit.errors import ConfigurationError, ConnectionFailedError, DeadlineError, InvalidResponseError
from llmkit.transport import Exchange, Outgoing, Transport
from llmkit.transport.failures import failure

pytest_plugins = ["calls"]


def everything(error, depth=3):
    """All that is reachable from an error by its chain and the locals of its frames, as text."""
    seen, todo, texts = set(), [error], []
    while todo:
        link = todo.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        texts += [repr(link), str(vars(link)), repr(link.args)]
        todo += [link.__cause__, link.__context__]
        trace = link.__traceback__
        while trace is not None:
            if "tests" not in trace.tb_frame.f_code.co_filename:
                for value in trace.tb_frame.f_locals.values():
                    texts += [repr(value), str(getattr(value, "headers", "")), str(getattr(value, "__dict__", ""))]
            trace = trace.tb_next
    return " ".join(texts)


LEAKS = {
    "no answer": once(b""),
    "a status line that repeats the key": once(f"HTTP/{KEY}\r\n\r\n".encode()),
    "bad chunk": once(CHUNKED + KEY.encode() + b"\r\n"),
    "cut": once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + KEY.encode()),
    "reset": lambda wire: (wire.receive(), wire.reset()),
    "silence": lambda wire: wire.hang(),
    "headers": once(b"HTTP/1.1 200 OK\r\n" + f"{KEY}: {KEY}\r\n".encode() * 200 + b"\r\n"),
}


@pytest.mark.parametrize("script", LEAKS.values(), ids=LEAKS.keys())
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "not trusted"])
def test_the_key_is_nowhere(transport, script, tls):
    with Server(script, tls=tls) as server:
        with pytest.raises((ConnectionFailedError, InvalidResponseError)) as caught:
            post(transport, server.url + "/?key=" + KEY, key=authorize, timeout=0.5).whole()
        found = everything(caught.value)
        url_shown = found.replace(f"?key={KEY}", "")  # in our own Outgoing and Route, which are no text of the error
        assert KEY not in url_shown
        assert KEY.encode() not in pickle.dumps(caught.value)
        assert KEY not in str(caught.value)
        for link in (caught.value, caught.value.__cause__):
            if link is not None and link.__traceback__ is not None:
                frames = [trace.f_code.co_filename for trace in _frames(link)]
                assert not [name for name in frames if "site-packages/requests" in name or "urllib3" in name]


def test_a_limit_that_passes_while_a_failure_is_told():
    exchange = Exchange(Deadlines(0.001))
    time.sleep(0.002)
    try:
        raise OSError(f"/?key={KEY}")
    except OSError as error:
        found = failure(error, exchange, "the host")
    assert isinstance(found, DeadlineError)
    assert (found.__cause__, found.__context__, found.__traceback__) == (None, None, None)


@pytest.mark.parametrize("body", [b"{}", b"x" * 20_000_000], ids=["while it waits", "while it sends"])
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system sends no signals to threads")
def test_ctrl_c_shows_no_key(plain_environment, body):
    """Tracebacks with the values of their frames are kept by many: the short way's have no key in them."""

    def stop(*_):
        raise KeyboardInterrupt

    def silent(wire):
        if len(body) < 100:
            wire.receive()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        wire.server.stopped.wait(PATIENCE)

    before = signal.signal(signal.SIGALRM, stop)
    transport = Transport()
    try:
        with Server(silent) as server, pytest.raises(KeyboardInterrupt) as caught:
            post(transport, server.url, body, key=authorize)
    finally:
        signal.signal(signal.SIGALRM, before)
        transport.close()
    frames = [
        frame for frame, _ in traceback.walk_tb(caught.value.__traceback__) if "tests" not in frame.f_code.co_filename
    ]
    assert frames
    for frame in frames:
        assert KEY not in repr(frame.f_locals), frame.f_code.co_name


def _frames(error):
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def test_a_bad_key_is_nowhere(transport):
    def bad(request):
        request.headers["X-Api-Key"] = KEY + "\n"
        return request

    with pytest.raises(ConfigurationError) as caught:
        post(transport, "http://127.0.0.1:1/", key=bad)
    assert KEY not in everything(caught.value)


def test_importing_is_quiet():
    """No I/O and no thread on import."""
    code = "import threading, llmkit.transport, llmkit.retry; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_repr(transport):
    with Server(echo) as server:
        outgoing = Outgoing("POST", server.url, {"authorization": KEY}, KEY.encode(), authorize)
        assert KEY not in repr(outgoing)
        assert repr(transport.send(outgoing, Exchange(Deadlines(5)))) == f"<Answer 200 of 127.0.0.1:{server.port}>"
    with contextlib.suppress(ConnectionFailedError):
        transport.close()
