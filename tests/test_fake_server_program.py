"""``python -m llmkit.testing``: a `FakeServer` for programs in other languages."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from llmkit.testing import FakeServer
from llmkit.testing.__main__ import main

PATIENCE = 30.0  # seconds after which a test is broken rather than slow
PROGRAM = (sys.executable, "-m", "llmkit.testing")
PAGE = Path(__file__).parent.parent / "docs" / "testing.md"
NAMES = {
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "GEMINI_API_KEY",
}


@contextmanager
def serving(*arguments):
    """The program while it serves, and its address."""
    with subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(PATIENCE, process.kill)
        watch.start()
        try:
            line = process.stdout.readline()
            yield process, re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        finally:
            process.kill()
            watch.cancel()


def script(path, data):
    path.write_text(json.dumps(data))
    return str(path)


# ---- until Ctrl-C ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path, number):
    with serving("--script", script(tmp_path / "a.json", {"replies": ["Hei", "Hallo"]})) as (process, url):
        printed = [process.stdout.readline() for _ in NAMES]
        variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in printed)
        assert variables.keys() == NAMES
        assert variables["OPENAI_BASE_URL"] == f"{url}/v1"
        assert requests.get(f"{url}/_llmkit", timeout=PATIENCE).json()["variables"] == variables
        headers = {"authorization": f"Bearer {variables['OPENAI_API_KEY']}"}
        body = {"model": "m", "input": "Hi"}
        answer = requests.post(
            f"{variables['OPENAI_BASE_URL']}/responses", json=body, headers=headers, timeout=PATIENCE
        )
        assert answer.json()["output"][0]["content"][0]["text"] == "Hei"
        told = process.stdout.readline().rpartition(": ")[2].split()
        assert told[0] == "llmkit"
        said = subprocess.run(
            [sys.executable, "-m", *told],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, **variables},
            timeout=PATIENCE,
        )
        assert said.stdout.strip() == b"Hallo"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(shutil.which("curl") is None or os.name == "nt", reason="no curl, or no shell")
def test_what_the_page_says_to_curl(tmp_path):
    """The commands of docs/testing.md print what it says, one after the other."""
    (block,) = re.findall(r"```sh\n(curl .*?)```\n+```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    commands, printed = block
    with FakeServer() as server:
        commands = commands.replace("http://127.0.0.1:8089", server.url)
        shell = ["sh", "-ec", commands]
        done = subprocess.run(shell, check=True, capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.stdout == printed
    (call,) = (item for item in json.loads((tmp_path / "answer.json").read_text())["output"] if "name" in item)
    assert (call["name"], call["arguments"]) == ("weather", '{"city": "Oslo"}')
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert [request["messages"][0]["content"][0]["text"] for request in asked] == ["Hi"] * 3


# ---- for one command -------------------------------------------------------------------------------------------------

ASKING = """
import json, os, urllib.request
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}).encode(),
    {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"},
)
print(json.load(urllib.request.urlopen(request))["content"][0]["text"])
raise SystemExit(os.environ["LLMKIT_SERVER_URL"] != os.environ["ANTHROPIC_BASE_URL"] and 1 or 7)
"""


def test_a_command_finds_it(tmp_path, capfd):
    path = script(tmp_path / "a.json", {"replies": ["Hei"]})
    assert main(["--script", path, "--", sys.executable, "-c", ASKING]) == 7
    assert capfd.readouterr().out == "Hei\n"


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_command_that_is_killed(capfd):
    assert main(["--", "sh", "-c", "kill -9 $$"]) == 137


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_command_ends_with_it():
    """Who is told to end, by a CI runner say, leaves nothing behind; and ends as the command did."""
    command = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)")
    with subprocess.Popen([*PROGRAM, "--", *command], stdout=subprocess.PIPE, text=True) as process:
        watch = threading.Timer(PATIENCE, process.kill)
        watch.start()
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        rest, _ = process.communicate(timeout=PATIENCE)  # the pipe has an end when the command has
        watch.cancel()
    assert (rest, process.returncode) == ("", 128 + signal.SIGTERM)


def test_a_command_that_there_is_not(capsys):
    assert main(["--", "there-is-no-such-command"]) == 127
    assert capsys.readouterr().err.startswith("llmkit.testing: there-is-no-such-command: ")


def test_its_variables_win(monkeypatch, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", "a-real-key")
    assert main(["--", sys.executable, "-c", "import os; print(os.environ['OPENAI_API_KEY'])"]) == 0
    assert capfd.readouterr().out == "test-key\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_from_node(tmp_path, capfd):
    """Streams, in another language: the events are those that the wire has."""
    path = script(tmp_path / "a.json", {"replies": ["one two"], "pieces": 3})
    code = tmp_path / "ask.mjs"
    code.write_text("""
const answer = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
  method: "POST",
  headers: {"authorization": "Bearer " + process.env.OPENAI_API_KEY, "content-type": "application/json"},
  body: JSON.stringify({model: "m", stream: true, messages: [{role: "user", content: "Hi"}]}),
});
const lines = (await answer.text()).split("\\n\\n").filter((line) => line.startsWith("data: {"));
const deltas = lines.map((line) => JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? "");
console.log(answer.status, deltas.join(""));
""")
    assert main(["--script", path, "--", "node", str(code)]) == 0
    assert capfd.readouterr().out == "200 one two\n"


# ---- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_in_yaml(tmp_path, capfd):
    pytest.importorskip("yaml")
    path = tmp_path / "a.yaml"
    path.write_text("\ufeffreplies:\n- Hei\n")
    assert main(["--script", str(path), "--", sys.executable, "-c", ASKING]) == 7
    assert capfd.readouterr().out == "Hei\n"


WRONG = {
    "no JSON": ("a.json", "{oops", r"^llmkit\.testing: --script: .*a\.json: "),
    "no YAML": ("a.yaml", "a: [", r"^llmkit\.testing: --script: .*a\.yaml: "),
    "no text": ("a.json", "\udcff", r"^llmkit\.testing: --script: .*a\.json cannot be read: "),
    "no script": ("a.json", "[]", r"^llmkit\.testing: script: expected dict, got list"),
    "no reply": ("a.json", '{"replies": [3]}', r"^llmkit\.testing: script\.replies\[0\]"),
    "too deep": ("a.json", "[" * 100_000, r"^llmkit\.testing: --script: .*a\.json: "),
    "no file": ("a.json", None, r"^llmkit\.testing: --script: .*a\.json cannot be read: "),
}


@pytest.mark.parametrize(("name", "text", "message"), WRONG.values(), ids=WRONG.keys())
def test_scripts_that_are_none(tmp_path, capsys, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["--script", str(path)]) == 2
    told = capsys.readouterr()
    assert re.match(message, told.err)
    assert told.out == ""


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none(capsys, port):
    assert main([f"--port={port}"]) == 2
    assert capsys.readouterr().err.startswith("llmkit.testing: port: expected a whole number from 0 to 65535")


def test_a_port_that_is_taken(server, capsys):
    port = server.url.rpartition(":")[2]
    assert main(["--port", port]) == 2
    assert f"port: {port} cannot be had" in capsys.readouterr().err


# ---- the variables ---------------------------------------------------------------------------------------------------


def test_variables(server):
    assert server.variables.keys() == NAMES


def test_variables_keep_proxies_away(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "a.example")
    for name in ("NO_PROXY", "no_proxy"):
        assert server.variables[name] == "a.example,127.0.0.1"
    monkeypatch.delenv("NO_PROXY")
    assert server.variables["NO_PROXY"] == "127.0.0.1"
