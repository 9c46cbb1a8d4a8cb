"""Every command tells how one writes it, and each of these lines runs: against a `FakeServer`, most in this process."""

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from llmkit import UserMessage
from llmkit.cli import command_line, main
from llmkit.history import dumps
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer

EXAMPLES = re.compile(r"^examples:\n((?:  .*(?:\n|$))+)", re.MULTILINE)
SHELL = re.compile(r"[|<>$#]|^\w+=|\bsource ")
# What the lines speak of.
FILES = {
    "questions.txt": b"Who?\nWhy?\n",
    "articles.jsonl": b'{"text": "one"}\n{"text": "two"}\n',
    "articles.csv": b"language,text\nFrench,one\nDutch,two\n",
    "photo.jpg": png(bytes(12), 2, 2, 3),
    "photo.png": png(bytes(12), 2, 2, 3),
    "report.pdf": b"%PDF-1.4\n%%EOF\n",
    "key.txt": b"a-key\n",
    "talk.json": dumps([UserMessage("Hi")]).encode(),
    "city.json": b'{"type": "object"}',
    "schema.json": b'{"type": "object"}',
    "tools.py": b'def weather(city: str) -> str:\n    """The weather in a city, now."""\n    return "4 C"\n',
}
IN_A_SERVER = """
import sys
from llmkit.cli import main
from llmkit.testing import FakeServer
with FakeServer() as server, server.everywhere():
    sys.exit(main(sys.argv[1:]))
"""
# What others in a pipe say.
OTHERS = {
    "curl": "#!/bin/sh\ncat photo.jpg\n",
    "git": "#!/bin/sh\necho '- a'; echo '+ b'\n",
    "pdftotext": "#!/bin/sh\necho words\n",
}


def parsers(parser):
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


COMMANDS = {parser.prog: parser for parser in parsers(command_line())}
LINES = {
    line.strip(): name
    for name, parser in COMMANDS.items()
    for block in EXAMPLES.findall(parser.format_help())
    for line in block.splitlines()
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_examples(name):
    assert EXAMPLES.search(COMMANDS[name].format_help())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the lines are run."""
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for variable in ("LLMKIT_CONFIG", "LLMKIT_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.delenv("LLMKIT_PROFILE", raising=False)
    with FakeServer() as server, server.everywhere():
        for more in ("anthropic",), ("openai", "--profile", "work"):
            type_in(monkeypatch, b"a-key")
            assert main(["keys", "set", *more]) == 0
    return tmp_path


def type_in(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


@pytest.mark.parametrize("line", [line for line in LINES if not SHELL.search(line)])
def test_example(folder, monkeypatch, line):
    command, *arguments = shlex.split(line)
    assert command == "llmkit"
    type_in(monkeypatch, b"Hello\n")
    if arguments == ["demo"]:  # which has a server of its own
        assert main(arguments) == 0
        return
    if "--tool" in arguments and "--yes" not in arguments:
        arguments.insert(1, "--yes")  # nobody is there to be asked
    with FakeServer() as server, server.everywhere():
        if "--schema" in arguments:
            server.reply("[]")
        assert main(arguments) == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("line", [line for line in LINES if SHELL.search(line)])
def test_example_for_a_shell(folder, line):
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"llmkit": f"#!{sys.executable}{IN_A_SERVER}", **OTHERS}.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    words = ["bash", "--norc", "--noprofile", "-o", "pipefail", "-c", line]
    done = subprocess.run(
        words, check=False, input=b"Hello\n", capture_output=True, env=environment, cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
