"""Each command tells how one writes it; these lines run, and those of docs/terminal.md, most in this process."""

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llmkit import UserMessage, keys
from llmkit.cli import command_line, main
from llmkit.history import dumps
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer

EXAMPLES = re.compile(r"^examples:\n((?:  .*(?:\n|$))+)", re.MULTILINE)
SHELL = re.compile(r"[|<>$#]|^\w+=|\bsource ")
READ = re.compile(r"llmkit [^|<>]*[|>]|[<$]\(llmkit")  # what it prints
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
    "schema.json": b'{"type": "array"}',
    "tools.py": b'def weather(city: str) -> str:\n    """The weather in a city, now."""\n    return "4 C"\n',
}
IN_A_SERVER = """
import sys
from llmkit.cli import main
if sys.argv[1] in ("completion", "keys"):  # which ask nobody
    sys.exit(main(sys.argv[1:]))
from llmkit.testing import FakeServer
with FakeServer() as server, server.everywhere():
    sys.exit(main(sys.argv[1:]))
"""
# Keeps what it was told.
NOTE = """#!/bin/sh
printf '%s\\0' "$@" > words
printf %s "$LLMKIT_PROFILE" > profile
cat > input
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
PAGE = Path(__file__).parent.parent / "docs" / "terminal.md"
BLOCKS = [
    *(block for parser in COMMANDS.values() for block in EXAMPLES.findall(parser.format_help())),
    *re.findall(r"^```sh\n(.*?)```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE),
]
# The demo has a server, and tests, of its own.
LINES = dict.fromkeys(line.strip() for block in BLOCKS for line in block.splitlines() if line.strip() != "llmkit demo")


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
    keys.set("anthropic", "a-key")
    keys.set("openai", "a-key", profile="work")
    return tmp_path


def type_in(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


@pytest.fixture(scope="module")
def server():
    with FakeServer() as server, server.everywhere():
        yield server


@pytest.mark.parametrize("line", [line for line in LINES if not SHELL.search(line)])
def test_example(folder, server, monkeypatch, line):
    command, *arguments = shlex.split(line)
    assert command == "llmkit"
    type_in(monkeypatch, b"Hello\n")
    if "--tool" in arguments and "--yes" not in arguments:
        arguments.insert(1, "--yes")  # nobody is there to be asked
    if "--schema" in arguments:
        server.reply("[]")
    assert main(arguments) == 0


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def in_bash(folder, line, **programs):
    """Run a line, where these programs and `OTHERS` are found first."""
    place = folder / "bin"
    place.mkdir()
    for name, text in {**OTHERS, **programs}.items():
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o755)
    words = ["bash", "--norc", "--noprofile", "-o", "pipefail", "-c", line]
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, check=False, input=b"Hello\n", capture_output=True, env=environment, cwd=folder, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


@needs_bash
@pytest.mark.parametrize("line", [line for line in LINES if SHELL.search(line) and not READ.search(line)])
def test_example_for_a_shell(folder, server, monkeypatch, line):
    """What bash makes of it, run in this process, which costs less."""
    in_bash(folder, line, llmkit=NOTE)
    if profile := (folder / "profile").read_text(encoding="utf-8"):
        monkeypatch.setenv("LLMKIT_PROFILE", profile)
    *arguments, _ = (folder / "words").read_text(encoding="utf-8").split("\0")
    type_in(monkeypatch, (folder / "input").read_bytes())
    assert main(arguments) == 0


@needs_bash
@pytest.mark.parametrize("line", [line for line in LINES if READ.search(line)])
def test_example_that_something_reads(folder, line):
    in_bash(folder, line, llmkit=f"#!{sys.executable}{IN_A_SERVER}")
