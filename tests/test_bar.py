"""The bar of `progress=True`, as it is seen: in a terminal and in a notebook."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time

import nbformat
import pytest
from nbclient import NotebookClient
from sockets import PATIENCE

# Forty rows, of which two fail. The thirty-first waits for a line to be typed.
ROWS = """
import threading, time
from llmkit import Price, Usage
from llmkit.testing import FakeServer, Reply

go = threading.Event()

def answer(request):
    time.sleep(0.01)
    if request.messages[-1].text == "30":
        go.wait(30)
    return Reply("ok", usage=Usage(1000, 500))

def run(prompts):
    with FakeServer() as server:
        server.reply_with(answer)
        for _ in range(2):
            server.fault("too long")
        prices = {"m": Price(10, 20)}
        client = server.client("anthropic", model="m", max_retries=0, prices=prices)
        for _ in client.map(prompts, concurrency=1, progress=True):
            pass
"""
IN_A_TERMINAL = (
    ROWS
    + """
import sys
threading.Thread(target=lambda: (sys.stdin.readline(), go.set()), daemon=True).start()
rows = [str(number) for number in range(40)]
run(rows if sys.argv[1] == "known" else iter(rows))
print("finished")
"""
)
# 28 of 30 rows are answered: 1,000 tokens read and 500 written of each, for ten dollars and twenty a million.
MIDWAY = re.compile(
    r"(?P<percent>\d+)%\|[^|]+\| (?P<done>\d+)/40 "
    r"\[00:\d\d<00:\d\d, +\d+\.\d\d rows/s, 2 failed, \d+\.\dk tokens, \$0\.\d{4}\]"
)
WHOLE = re.compile(r"100%\|█+\| 40/40 \[00:\d\d<00:00, +\d+\.\d\d rows/s, 2 failed, 57\.0k tokens, \$0\.7600\]")
ENDLESS = re.compile(r"40 rows \[00:\d\d, +\d+\.\d\d rows/s, 2 failed, 57\.0k tokens, \$0\.7600\]")


class Terminal:
    """A program that runs in a terminal of 100 columns, and what it has written there."""

    def __init__(self, *command):
        self.side, other = pty.openpty()
        termios.tcsetwinsize(other, (24, 100))
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""}
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self.written = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.side)

    def until(self, pattern):
        """Wait until it has been written."""
        end = time.monotonic() + 3 * PATIENCE
        while (found := re.search(pattern, self.written)) is None:
            assert select.select([self.side], [], [], max(end - time.monotonic(), 0))[0], self.written
            self.written += os.read(self.side, 65536).decode(errors="ignore")
        return found

    def type(self, text):
        os.write(self.side, text.encode())


def test_in_a_terminal():
    with Terminal(sys.executable, "-c", IN_A_TERMINAL, "known") as terminal:
        midway = terminal.until(MIDWAY)
        # Rounded: 17.5 may be 17 or 18.
        assert abs(int(midway["percent"]) - int(midway["done"]) * 100 / 40) < 1
        assert int(midway["percent"]) < 100
        terminal.type("go\n")
        terminal.until("finished")
    assert WHOLE.search(terminal.written), terminal.written
    assert max(len(drawn.removesuffix("go")) for drawn in re.split(r"[\r\n]+", terminal.written)) <= 100


def test_of_rows_that_nobody_has_counted():
    with Terminal(sys.executable, "-c", IN_A_TERMINAL, "unknown") as terminal:
        terminal.type("go\n")
        terminal.until("finished")
    assert ENDLESS.search(terminal.written), terminal.written


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_on_the_screen_of_tmux(tmp_path):
    """What is left there, where a bar that is drawn over itself is one line."""
    script = tmp_path / "rows.py"
    script.write_text(IN_A_TERMINAL)
    socket = tmp_path / "tmux"

    def tmux(*words):
        command = ["tmux", "-f", "/dev/null", "-u", "-S", socket, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    tmux("new-session", "-d", "-x", "100", "-y", "24", "-s", "bar", f"{sys.executable} {script} known; sleep 60")
    try:
        tmux("send-keys", "-t", "bar", "go", "Enter")
        end = time.monotonic() + 3 * PATIENCE
        while "finished" not in (screen := tmux("capture-pane", "-p", "-t", "bar")):
            assert time.monotonic() < end, screen
            time.sleep(0.05)
    finally:
        tmux("kill-server")
    lines = [line for line in screen.splitlines() if line.strip() not in ("", "go")]
    assert len(lines) == 2, screen
    assert WHOLE.fullmatch(lines[0].strip()), screen


def test_in_a_notebook():
    """Three widgets in a row: the percentage, the bar itself and the rest."""
    cell = nbformat.v4.new_code_cell(ROWS + "\ngo.set()\nrun([str(number) for number in range(40)])")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (shown,) = cell.outputs  # and nothing on stderr
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    (widgets,) = notebook.metadata.widgets.values()
    states = [widget["state"] for widget in widgets["state"].values()]
    found = {
        state["_model_name"]: state for state in states if "value" in state and state["_model_name"] != "HTMLModel"
    }
    assert found["FloatProgressModel"]["value"] == 40
    assert found["FloatProgressModel"]["bar_style"] == "success"
    texts = " ".join(state["value"] for state in states if state["_model_name"] == "HTMLModel")
    texts = texts.replace("\u2007", " ")  # as wide as a digit, and where no line is broken
    assert "100%" in texts
    assert re.search(r"40/40 \[00:\d\d&lt;00:00, +\d+\.\d\d rows/s, 2 failed, 57\.0k tokens, \$0\.7600\]", texts), texts
