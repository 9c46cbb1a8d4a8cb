"""Nothing happens behind the caller's back: no I/O on import, none in the home folder, no lock in a finaliser."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import sockets
from faults.calls import MODES, answer, each_format, says
from faults.formats import ANTHROPIC, MODEL, TEXT
from faults.limits import stalled, started
from sockets import Server

ROOT = Path(__file__).parent.parent
SECRET = "netrc-0123456789"


def program(code, *arguments, **options):
    """What a Python of its own says that runs `code`."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


# ---- files and sockets -----------------------------------------------------------------------------------------------

WATCH = """
    import json, sys, sysconfig
    from pathlib import Path

    # Where Python and the packages are: to import is to read there.
    INSTALLED = [*map(Path, {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})]
    INSTALLED.append(Path(sys.argv[1], "llmkit"))
    TOLD = ("socket.", "subprocess.", "os.system", "os.mkdir", "os.rename", "os.remove", "_thread.")
    seen = []

    def watch(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path = Path(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode()).absolute()
            if not any(path.is_relative_to(folder) for folder in INSTALLED):
                seen.append(f"open {path}")
        elif event.startswith(TOLD):
            seen.append(event)
        elif event in ("os.putenv", "os.unsetenv"):
            seen.append(f"{event} {arguments[0]}")

    sys.addaudithook(watch)
"""
IMPORTS = """
    import llmkit

    at_first = [*seen]
    for name in llmkit._MODULE_OF:
        getattr(llmkit, name)
    print(json.dumps([at_first, seen]))
"""
# By which urllib3 finds out on its import whether there is IPv6.
OF_URLLIB3 = {"socket.__new__", "socket.bind"}
CALL = """
    provider, model, url = sys.argv[2:]
    import llmkit

    with llmkit.Client(provider, api_key="k", base_url=url, model=model) as client:
        texts = [client.complete("Hi").text, client.stream("Hi").collect().text]
    print(json.dumps([texts, [event for event in seen if not event.startswith("socket.")]]))
"""


@pytest.fixture
def home(tmp_path):
    """The options of a process whose home and working folder are baits."""
    for name in (".netrc", ".env", ".llmkit", "llmkit.toml"):
        (tmp_path / name).write_text(f"default login me password {SECRET}\nANTHROPIC_API_KEY={SECRET}\n")
    (tmp_path / ".netrc").chmod(0o600)
    plain = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_PROXY", "_proxy"))}
    return {"cwd": tmp_path, "env": {**plain, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}}


def test_importing_does_no_io(home):
    """Not of files but the code itself, nor of sockets; no thread is started, no variable set."""
    at_first, seen = program(WATCH + IMPORTS, str(ROOT), **home)
    assert at_first == []
    assert set(seen) <= OF_URLLIB3


@each_format
def test_a_call_reads_and_writes_no_file(home, form):
    """Whole and streamed."""
    with Server(says(*(answer(form, mode) for mode in MODES))) as server:
        texts, seen = program(WATCH + CALL, str(ROOT), form.provider, MODEL, server.url, **home)
    assert texts == [TEXT, TEXT]
    assert seen == []
    assert not [request for request in server.requests if SECRET in str(request.headers)]


# ---- finalisers ------------------------------------------------------------------------------------------------------

LOCKS = """
    import gc, json, sys, threading, traceback

    taken, watching = [], False

    class Watched:
        def __init__(self, lock):
            self._lock = lock

        def acquire(self, *arguments, **options):
            if watching:
                taken.append(traceback.format_stack(limit=4))
            return self._lock.acquire(*arguments, **options)

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *_):
            self._lock.release()

        def __getattr__(self, name):
            return getattr(self._lock, name)

    # Before anything imports them.
    threading.Lock, threading.RLock = (
        lambda make=make: Watched(make()) for make in (threading.Lock, threading.RLock)
    )
    from llmkit import Client

    url, verify, way = sys.argv[1:]
    client = Client("anthropic", api_key="k", base_url=url, model="m-1", verify=verify, max_retries=0)
    stream = client.stream("Hi")
    next(stream)
    assert not taken
    gc.collect()
    gc.disable()
    if way == "in a cycle":
        cycle = [stream]
        cycle.append(cycle)
        del cycle
    elif way == "by its text":
        texts = stream.text_deltas()
        next(texts)
    watching = True
    del stream
    if way == "by its text":
        del texts
    gc.collect()
    watching = False
    print(json.dumps(taken))
"""


@pytest.mark.parametrize("way", ["dropped", "in a cycle", "by its text"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_no_lock_is_taken_in_a_finaliser(tls, way, tmp_path):
    """A collection comes whenever it likes, also where this very thread holds one of them: it would wait for itself."""
    with Server(stalled(started(ANTHROPIC, 2)), tls=tls) as server:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        assert program(LOCKS, server.url, sockets.bundle(tmp_path), way, env=environment) == []
        assert server.left.wait(sockets.PATIENCE)
