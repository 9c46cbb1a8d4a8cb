"""The programs of docs/recipes.md, as they stand there, each where it belongs: in a greenlet, a worker, behind a proxy.

What can run inside of a page runs in test_docs.py.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path

import pytest
from faults.calls import whole
from faults.formats import FORMATS, TEXT
from recipes import PAGE, PROGRAMS, led_to, text_of
from sockets import PATIENCE, Server


def test_no_program_is_left_out():
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_recipes*.py"))
    assert PAGE.read_text().count("```py\n") == len(PROGRAMS)
    assert [name for name in PROGRAMS if f'"{name}"' not in source] == []


# ---- greenlets -------------------------------------------------------------------------------------------------------


def test_greenlets(server):
    """All are asked at the same time, which one thread that blocks could not do; who is killed lets go of the host."""
    together, story = threading.Barrier(50), []

    def reply(request):
        if "story" in request.messages[-1].text:
            story.append(request)
            return " ".join("word" for _ in range(300))
        together.wait(PATIENCE)
        return None

    server.reply_with(reply)
    server.delay = 0.02
    text = led_to(server.url, text_of("greenlets.py"))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", text], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (PROGRAMS["greenlets.py"]["output"], "")
    assert len(story) == 1


LEFT = """
from gevent import monkey

monkey.patch_all()

import sys
import gevent
from llmkit import Client

client = Client("anthropic", api_key="k", base_url=sys.argv[1], model="m", max_retries=3)
reading = gevent.spawn(lambda: client.stream("Hi").collect())
wait = gevent.get_hub().threadpool.apply
wait(sys.stdin.readline)
reading.kill()
print(repr(reading.value), flush=True)
try:
    with gevent.Timeout(0.2):
        client.complete("Hi")
except gevent.Timeout:
    print("Timeout", flush=True)
wait(sys.stdin.readline)
"""


def test_greenlets_that_give_up():
    """The host learns of it while the program goes on."""

    def script(wire):
        wire.receive()
        wire.server.reached.set()
        wire.hang()

    with (
        Server(script) as server,
        subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", LEFT, server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as running,
    ):
        assert server.reached.wait(60)
        for said in ("GreenletExit()", "Timeout"):
            running.stdin.write("\n" * (said != "Timeout"))
            running.stdin.flush()
            assert running.stdout.readline().strip() == said
            assert server.left.wait(PATIENCE)
            server.left.clear()
        running.communicate("\n")
    assert running.returncode == 0


# ---- a worker of Celery ----------------------------------------------------------------------------------------------

OWN_BROKER = """
app.conf.update(broker_url={url!r}, result_backend={url!r}, broker_connection_retry_on_startup=True)
"""
CALLER = """
import sys
from celery.exceptions import SoftTimeLimitExceeded
from llmkit import AuthenticationError
from tasks import summarise

for line in sys.stdin:
    word, _, limit = line.strip().partition(" ")
    result = summarise.apply_async((word,), soft_time_limit=float(limit or 60))
    try:
        print(result.get(timeout=60, interval=0.02), flush=True)
    except (AuthenticationError, SoftTimeLimitExceeded) as error:
        print(type(error).__name__, error, flush=True)
"""


@pytest.fixture
def redis():
    """The address of a Redis of the test's own, which keeps nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no Redis here: make system")
    with tempfile.TemporaryDirectory(prefix="llmkit-redis-") as folder:  # paths of sockets are short
        path = f"{folder}/socket"
        options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
        running = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        try:
            yield f"redis+socket://{path}"
        finally:
            running.terminate()
            running.wait(PATIENCE)


@pytest.fixture
def tasks(server, redis, tmp_path):
    """Asks a worker with a process of its own, line by line."""
    (tmp_path / "tasks.py").write_text(led_to(server.url, text_of("tasks.py")) + OWN_BROKER.format(url=redis))
    (tmp_path / "caller.py").write_text(CALLER)
    environment = {**os.environ, "PYTHONPATH": str(PAGE.parent.parent)}
    options = ["--concurrency=1", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=warning"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", *options],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    caller = subprocess.Popen(
        [sys.executable, "caller.py"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(line):
        caller.stdin.write(f"{line}\n")
        caller.stdin.flush()
        return caller.stdout.readline().strip()

    try:
        yield ask
    finally:
        caller.communicate(timeout=PATIENCE)
        os.killpg(worker.pid, 9)  # it would wait for its pool for seconds
        worker.wait(PATIENCE)


def test_tasks(tasks, server):
    """What a pause mends is tried again by the queue, what it does not mend is not; a limit of time drops the call."""
    assert tasks("one") == "Summarise in a sentence: one"
    for _ in range(3):  # of which llmkit itself spends all
        server.fault("rate limited")
    assert tasks("two") == "Summarise in a sentence: two"
    assert len(server.requests) == 5
    server.fault("bad key")
    assert tasks("three") == "AuthenticationError 401 authentication_error: invalid x-api-key (check the API key)"
    assert len(server.requests) == 6
    server.fault("stall")
    for limit in (0.5, 2, 8):  # which on a busy machine may pass before the request is sent
        assert tasks(f"four {limit}").startswith("SoftTimeLimitExceeded")
        if len(server.requests) == 7:
            break
    assert len(server.requests) == 7
    assert tasks("five") == "Summarise in a sentence: five"
    assert len(server.requests) == 8


# ---- a function that is frozen between its calls ---------------------------------------------------------------------


class Context:
    """Of an invocation: how long it may last."""

    def __init__(self, seconds):
        self._seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self._seconds * 1000)


def test_a_function_that_was_frozen():
    """A connection that died meanwhile is no error, and its request is sent once; a limit ends a call in time."""
    body = FORMATS["anthropic"].body

    def script(wire):
        wire.receive()
        if wire.number < 3:
            wire.send(whole(body))  # and it is closed without a word
        else:
            wire.hang()

    with Server(script) as server:
        names = {}
        exec(compile(led_to(server.url, text_of("handler.py")), str(PAGE), "exec"), names)
        for _ in range(2):
            assert names["handler"]({"prompt": "Hi"}, Context(60)) == {"statusCode": 200, "body": TEXT}
            server.over()
        assert [request.connection for request in server.requests] == [1, 2]
        assert names["handler"]({"prompt": "Hi"}, Context(2.3))["statusCode"] == 504
        names["client"].close()


# ---- a script that runs again and again ------------------------------------------------------------------------------


class Rerun(BaseException):
    """As Streamlit ends a script that is to run again."""


class Streamlit(types.ModuleType):
    """A stand-in: what a script keeps, and what a page would show."""

    def __init__(self):
        super().__init__("streamlit")
        self.session_state = State()
        self.prompt = None
        self.shown = []
        self.most = None  # pieces of a stream until somebody clicks
        self._made = {}

    def cache_resource(self, function):
        return lambda: self._made.setdefault(function.__name__, function())

    def chat_input(self, _):
        return self.prompt

    def chat_message(self, who):
        self.shown.append([who, ""])
        return self

    def markdown(self, text):
        self.shown[-1][1] += text

    def write_stream(self, pieces):
        for number, piece in enumerate(pieces):
            if number == self.most:
                raise Rerun
            self.markdown(piece)

    def error(self, text):
        self.shown.append(["error", text])

    def caption(self, text):
        self.shown.append(["caption", text])


class State(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def test_a_script_that_runs_again(server, monkeypatch):
    """Each time in another thread; a click in the middle of an answer leaves no half of it behind."""
    monkeypatch.setitem(sys.modules, "streamlit", page := Streamlit())
    program = compile(led_to(server.url, text_of("app.py")), str(PAGE), "exec")

    def run(prompt=None, most=None):
        page.prompt, page.most, page.shown = prompt, most, []

        def script():
            with contextlib.suppress(Rerun):
                exec(program, {"__name__": "recipe"})

        thread = threading.Thread(target=script)
        thread.start()
        thread.join(PATIENCE)
        return page.shown

    assert run() == [["caption", "0 tokens"]]
    assert run("Hello there")[:2] == [["user", "Hello there"], ["assistant", "Hello there"]]
    server.delay = 0.01
    assert run("one two three four", most=2)[-1] == ["assistant", "one two"]
    server.delay = 0
    assert [line[0] for line in run()] == ["user", "assistant", "caption"]
    server.fault("too long")
    assert run("far too much")[-2][0] == "error"
    assert run("And now?")[-2] == ["assistant", "And now?"]
    sent = [message.text for message in server.requests[-1].messages]
    assert sent == ["Answer briefly.", "Hello there", "Hello there", "And now?"]
