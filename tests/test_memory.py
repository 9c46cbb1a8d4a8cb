"""What calls cost and leave behind: memory, descriptors, threads, connections. Each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from faults.bombs import BOMBS, EVENT_BOMBS
from faults.calls import JSON, SSE, chunked, each_format, each_mode, in_turn, once, says, until_closed, whole
from faults.formats import ANTHROPIC, FORMATS, PIECES
from faults.limits import stalled, started
from sockets import PATIENCE, Server, chunk

LINUX = Path("/proc/self/status").exists()
on_linux = pytest.mark.skipif(not LINUX, reason="asks /proc")
MEBIBYTE = 1 << 20

BEFORE = """
import contextlib, gc, json, os, sys, threading
from pathlib import Path
from llmkit import Client, LLMKitError, TextDelta, Timeout

provider, url, mode = sys.argv[1:]
client = Client(provider, api_key="sk-test", base_url=url, model="m-1", max_retries=0)

def ask(**options):
    if mode == "whole":
        return client.complete("Hi", **options)
    with client.stream("Hi", **options) as stream:
        for event in stream:
            pass
        return stream.collect()

def most():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

def tell(value):
    print(json.dumps(value), flush=True)
"""


def child(code, server, form, mode="streamed"):
    """What a process that asks `server` tells."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEFORE + code, form.provider, server.url, mode],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


# ---- memory ----------------------------------------------------------------------------------------------------------

DELTAS = 200_000
WORD = "Wort.."

ITERATED = """
ask()
before = most()
with client.stream("Hi") as stream:
    deltas = 0
    for event in stream:
        deltas += event.__class__ is TextDelta
added = most() - before
tell([deltas, len(stream.collect().text), added])
"""


def many(form):
    """The events of an answer of many deltas."""
    text = WORD * DELTAS
    delta = form.texts[0].replace(PIECES[0].encode(), WORD.encode())
    ends = [event.replace("".join(PIECES).encode(), text.encode()) for event in form.after]
    return b"".join([*form.before, delta * DELTAS, *ends, *form.more])


@on_linux
@each_format
def test_a_stream_of_many_deltas(form):
    """Deltas that are gone by are kept as their text, of which a part is made in the end, and as nothing else.

    So each costs its `str`, in sixteens of bytes, and a place in two lists, the decoder's and that of what is told when
    a stream breaks off; the text as a whole is there a few times while the last events are read. A `TextDelta` that was
    kept would cost 48 bytes more, an event's JSON far more.
    """
    text = len(WORD) * DELTAS
    each = -(-sys.getsizeof(WORD) // 16) * 16 + 2 * 9
    with Server(says(until_closed(form.stream), until_closed(many(form)))) as server:
        deltas, length, added = child(ITERATED, server, form)
    assert (deltas, length) == (DELTAS, text)
    assert added < DELTAS * each + 6 * text + 2 * MEBIBYTE


COST = """
with contextlib.suppress(LLMKitError):
    client.complete("Hi")
before = most()
try:
    ask()
except LLMKitError as error:
    tell([type(error).__name__, most() - before])
"""


def cost(form, mode, script):
    """How a call ends after one that warmed up, and what it added to the most that was ever held."""
    with Server(in_turn(once(b""), script)) as server:
        return child(COST, server, form, mode)


def _refusal(wire):
    wire.receive()
    wire.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 200000000\r\n\r\n")
    for _ in range(200):
        wire.send(b"no " * 333_333 + b"!")


@on_linux
@each_mode
def test_a_refusal_with_a_body_of_200_megabytes(mode):
    name, added = cost(ANTHROPIC, mode, _refusal)
    assert name == "BadRequestError"
    assert added < 20 * MEBIBYTE


def _answer(body, encoding, kind):
    head = f"HTTP/1.1 200 OK\r\n{kind}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return once(head.encode() + body)


@on_linux
@each_mode
@pytest.mark.parametrize(("body", "encoding"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb(mode, body, encoding):
    name, added = cost(ANTHROPIC, mode, _answer(body, encoding, JSON))
    assert name == "InvalidResponseError"
    assert added < 64 * MEBIBYTE


@on_linux
@pytest.mark.parametrize("body", EVENT_BOMBS.values(), ids=EVENT_BOMBS.keys())
def test_a_bomb_of_events(body):
    name, added = cost(ANTHROPIC, "streamed", _answer(body, "gzip", SSE))
    assert name == "InvalidResponseError"
    assert added < 64 * MEBIBYTE


@on_linux
def test_comments_without_an_end():
    """Before the first event they might be a body under a stream's name, and are kept: as long as one event may be."""

    def script(wire):
        wire.receive()
        wire.send(chunked(end=False))
        while True:
            wire.send(chunk(b": " + b"x" * MEBIBYTE + b"\n\n"))

    name, added = cost(ANTHROPIC, "streamed", script)
    assert name == "InvalidResponseError"
    assert added < 64 * MEBIBYTE


# ---- streams that are left -------------------------------------------------------------------------------------------

LEFT = {
    "dropped": "stream = client.stream('Hi'); next(stream); del stream",
    "dropped unread": "client.stream('Hi')",
    "left in a loop": "for event in client.stream('Hi'): break",
    "left in a loop over its text": "for text in client.stream('Hi').text_deltas(): break",
    "left by an error": """
try:
    for event in client.stream('Hi'):
        1 / 0
except ZeroDivisionError:
    pass
""",
    "left in a generator": """
def told():
    for event in client.stream('Hi'):
        yield event

for event in told():
    break
""",
    "of a session of the caller's": """
import requests
client = Client(provider, api_key="sk-test", base_url=url, model="m-1", session=requests.Session())
for event in client.stream('Hi'):
    break
""",
    "dropped, but for its snapshot": "stream = client.stream('Hi'); next(stream); kept = stream.snapshot; del stream",
}
WAIT = """
gc.collect()
gc.disable()
exec({way!r})
print("left", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("way", LEFT.values(), ids=LEFT.keys())
def test_a_stream_that_is_left(way):
    """Its connection is closed at once, by counting references: no collector runs, and the process goes on."""
    _assert_left(Server(stalled(started(ANTHROPIC, 2))), ANTHROPIC, way)


@each_format
def test_a_stream_of_each_wire_that_is_left(form):
    _assert_left(Server(stalled(started(form, 2))), form, LEFT["left in a loop"])


AFTER_TROUBLE = {
    "an error event": chunked(ANTHROPIC.event(ANTHROPIC.trouble), headers=SSE + "Retry-After-Ms: 1\r\n"),
    "a status": whole(b"{}", "503 Busy", JSON + "Retry-After-Ms: 1\r\n"),
    "no answer": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Ty",
}


@pytest.mark.parametrize("raw", AFTER_TROUBLE.values(), ids=AFTER_TROUBLE.keys())
def test_a_stream_that_is_left_after_it_was_tried_again(raw):
    """What the first try raised keeps nothing alive."""
    way = "client = client.with_options(max_retries=1)\n" + LEFT["left in a loop"]
    _assert_left(Server(in_turn(once(raw), stalled(started(ANTHROPIC, 2)))), ANTHROPIC, way)


def _assert_left(server, form, way):
    command = [sys.executable, "-W", "error", "-c", BEFORE + WAIT.format(way=way), form.provider]
    with (
        server,
        subprocess.Popen(
            [*command, server.url, "streamed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            assert process.stdout.readline() == "left\n"
            assert server.left.wait(PATIENCE)
            assert process.poll() is None
        finally:
            process.communicate("\n", PATIENCE)
    assert process.returncode == 0


CLOSED = """
def held():
    return len(os.listdir("/proc/self/fd"))

client.stream("Hi").close()
before = held()
streams = [client.stream("Hi") for _ in range(5)]
for stream in streams:
    next(stream)
opened = held()
for stream in streams:
    stream.close()
tell([opened - before, held() - before])
"""


@on_linux
@each_format
def test_a_stream_that_was_closed_holds_no_descriptor(form):
    """Though it is held itself."""
    with Server(stalled(started(form, 2))) as server:
        opened, left = child(CLOSED, server, form)
    assert opened >= 5
    assert left == 0


# ---- nothing is left behind ------------------------------------------------------------------------------------------

CALLS = """
def held():
    client.close()
    return [len(os.listdir("/proc/self/fd")), threading.active_count()]

def calls(count):
    ends = {}
    for _ in range(count):
        try:
            end = ask(timeout=Timeout(first=0.1, total=10)).text != ""
        except LLMKitError as error:
            end = type(error).__name__
        ends[str(end)] = ends.get(str(end), 0) + 1
    return ends

calls(20)
before = held()
ends = calls(200)
tell([ends, before, held()])
"""


@on_linux
@each_mode
@pytest.mark.parametrize("form", [ANTHROPIC, FORMATS["openai-chat"]], ids=["anthropic", "openai-chat"])
def test_calls_with_faults_leave_nothing_behind(form, mode):
    """No descriptor and no thread, though each is spoilt in another way; only good connections are kept."""
    good = whole(form.body) if mode == "whole" else chunked(*form.events)

    def script(wire):
        for _ in wire.requests():
            fault = len(wire.server.requests) % 10
            if fault == 1:
                wire.hang()
            elif fault == 2:
                wire.reset()
            elif fault == 3:
                wire.send(good[: len(good) // 2])
                wire.reset()
            raw = {
                4: good[:-20],
                5: whole(b'{"error": {"message": "no"}}', "400 Bad Request"),
                6: whole(b"oops"),
                7: b"HTTP/9\r\n",
                8: good + b"more",
            }.get(fault, good)
            wire.send(raw)
            if fault in (4, 7):
                return

    with Server(script) as server:
        ends, before, after = child(CALLS, server, form, mode)
    assert ends["True"] >= 40
    assert len(ends) >= 4
    assert after == before
