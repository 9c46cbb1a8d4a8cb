"""llmkit in a real kernel of Jupyter's, whose event loop runs while cells do: `%%llm`, and ■ in the middle of it."""

import json
import time

import pytest
from jupyter_client.manager import start_new_kernel
from sockets import CHUNKED, PATIENCE, Server, chunk

from llmkit.testing import FakeServer

WAIT = 3 * PATIENCE


class Kernel:
    """A kernel, and what cells come to in it."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(
            kernel_name="python3", startup_timeout=WAIT, extra_arguments=["--HistoryManager.enabled=False"]
        )

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def begin(self, code):
        """Run a cell; its outputs come out of `outputs`."""
        return self.client.execute(code, allow_stdin=False)

    def outputs(self, cell):
        """What a cell shows, as it comes, until it has ended."""
        end = time.monotonic() + WAIT
        while True:
            message = self.client.get_iopub_msg(timeout=max(end - time.monotonic(), 0.1))
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content

    def end(self, cell):
        """How it has ended."""
        while True:
            message = self.client.get_shell_msg(timeout=WAIT)
            if message["parent_header"].get("msg_id") == cell:
                return message["content"]

    def run(self, code):
        """What a cell has printed and shown, as text, where it has not failed."""
        cell = self.begin(code)
        shown = [text_of(kind, content) for kind, content in self.outputs(cell)]
        ended = self.end(cell)
        assert ended["status"] == "ok", ended
        return "".join(shown)


def text_of(kind, content):
    if kind == "stream":
        return content["text"]
    data = content.get("data", {})
    return data.get("text/markdown") or data.get("text/plain") or ""


@pytest.fixture(scope="module")
def kernel():
    found = Kernel()
    found.run("%load_ext llmkit\nfrom llmkit import Client")
    yield found
    found.close()


@pytest.fixture
def asked(kernel, server):
    """The kernel, with a `client` of the server."""
    kernel.run(f"client = Client('anthropic', model='m', api_key='k', base_url={server.url!r}, max_retries=0)")
    return kernel


def test_it_blocks_inside_of_a_running_loop(asked, server):
    """Every way to ask, in cells of both kinds: none needs a loop of its own, and none is in the way of one."""
    printed = asked.run(
        "import asyncio\n"
        "assert asyncio.get_running_loop().is_running()\n"
        "await asyncio.sleep(0)\n"
        "print(client.complete('one').text)\n"
        "with client.stream('two') as stream:\n"
        "    print(''.join(stream.text_deltas()))\n"
        "print(client.chat().send('three').text)\n"
        "print(*(result.unwrap().text for result in client.map(['four', 'five'])))\n"
        "print((await asyncio.wrap_future(client.submit('six'))).text)\n"
    )
    assert printed.split() == ["one", "two", "three", "four", "five", "six"]


def test_a_cell_is_asked(asked, server):
    server.reply("It is **blue**.")
    asked.run("colour = 'blue'")
    shown = asked.run("%%llm client -o answer\nWhy is the sky {colour}?")
    assert "It is **blue**." in shown
    assert server.requests[-1].messages[-1].text == "Why is the sky blue?"
    assert asked.run("print(answer.text, answer is _llm)") == "It is **blue**. True\n"


def test_a_question_in_a_line(asked, server):
    server.reply("Of light.")
    assert "Of light." in asked.run("%llm client Why, and what's it made of?")


def test_a_picture_of_a_run_is_shown_once(asked, server):
    cell = asked.begin("from llmkit.notebook import plot\nplot(client.map(['a', 'b']))")
    shown = [content["data"] for kind, content in asked.outputs(cell) if kind in ("display_data", "execute_result")]
    assert asked.end(cell)["status"] == "ok"
    assert ["image/png" in data for data in shown] == [True]


def test_a_stream_is_shown_in_place_and_once(asked, server):
    server.reply("It is **blue**, as far as one can see.")
    cell = asked.begin("client.stream('Why?').display()")
    shown = [
        (kind, content["data"], content["transient"]) for kind, content in asked.outputs(cell) if "data" in content
    ]
    assert asked.end(cell)["status"] == "ok"
    begun, *_, whole, footer = shown
    assert [kind for kind, *_ in (begun, whole, footer)] == ["display_data", "update_display_data", "display_data"]
    assert whole[1]["text/markdown"] == "It is **blue**, as far as one can see."
    assert whole[2] == begun[2], "the same output"
    assert not [kind for kind, *_ in shown if kind == "execute_result"], "and not once more as the cell's value"


def test_an_error_is_one_line(asked, server):
    server.fault("bad key")
    cell = asked.begin("%%llm client\nHi")
    shown = [content for kind, content in asked.outputs(cell) if kind == "error"]
    ended = asked.end(cell)
    assert (ended["status"], ended["ename"]) == ("error", "AuthenticationError"), "so that no later cell runs"
    assert [len(each["traceback"]) for each in shown] == [1]


def event(data):
    return chunk(f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode())


BEGUN = (
    {"type": "message_start", "message": {
        "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1},
    }},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It is a long "}},
)  # fmt: skip


def endless(wire):
    """A script: the beginning of an answer, and then nothing more."""
    wire.receive()
    wire.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
    for data in BEGUN:
        wire.send(event(data))
    wire.hang()


CELLS = {
    "a cell": "%%llm slow -o answer\nTell me a story.",
    "a stream that is shown": "stream = slow.stream('Tell me a story.')\nstream.display()",
}


@pytest.mark.parametrize("code", CELLS.values(), ids=CELLS.keys())
def test_interrupting_stops_the_stream(kernel, code):
    """■: the provider's connection is closed, what had come stays shown, and the next cell runs."""
    with Server(endless) as server:
        kernel.run(f"answer = None\nslow = Client('anthropic', model='m', api_key='k', base_url={server.url!r})")
        cell = kernel.begin(code)
        shown = ""
        for kind, content in kernel.outputs(cell):
            shown += text_of(kind, content)
            if "It is a long" in shown and not server.reached.is_set():
                server.reached.set()
                kernel.manager.interrupt_kernel()
        ended = kernel.end(cell)
        assert (ended["status"], ended["ename"]) == ("error", "KeyboardInterrupt")
        assert server.left.wait(PATIENCE), "the connection is still open"
        assert server.connections == 1
    kept = "answer" if "%%llm" in code else "stream.snapshot"
    told = kernel.run(f"print({kept}.text, {kept}.finish_reason.reason)")
    assert told == "It is a long  unfinished\n"


def silent(wire):
    """A script: it takes a question, and says nothing."""
    wire.receive()
    wire.server.reached.set()
    wire.hang()


def test_interrupting_before_an_answer_came(kernel):
    with Server(silent) as server:
        kernel.run(f"slow = Client('anthropic', model='m', api_key='k', base_url={server.url!r})")
        cell = kernel.begin("%%llm slow\nAre you there?")
        assert server.reached.wait(PATIENCE)
        kernel.manager.interrupt_kernel()
        shown = [content for kind, content in kernel.outputs(cell) if kind == "error"]
        assert kernel.end(cell)["ename"] == "KeyboardInterrupt"
        assert server.left.wait(PATIENCE), "the connection is still open"
    assert [each["traceback"] for each in shown] == [["KeyboardInterrupt: interrupted before an answer came"]]


def test_interrupting_a_run_ends_it(kernel):
    with FakeServer() as server:
        server.latency = 60
        kernel.run(f"slow = Client('anthropic', model='m', api_key='k', base_url={server.url!r})")
        cell = kernel.begin("print('begun')\nfor result in slow.map(['a', 'b', 'c']):\n    print(result)")
        for _, content in kernel.outputs(cell):
            if content.get("text") == "begun\n":
                kernel.manager.interrupt_kernel()
        assert kernel.end(cell)["ename"] == "KeyboardInterrupt"
    assert kernel.run("print('alive')") == "alive\n"
