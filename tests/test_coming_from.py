"""The vendor's side of docs/coming-from-litellm.md, which runs in a virtual environment of its own (`make litellm`).

Blocks of ```py``` are litellm's; those of ```python``` are llmkit's, and run in `test_docs.py` as those of all pages.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import llmkit
from llmkit.testing import FakeServer

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "coming-from-litellm.md"
PYTHON = ROOT / ".venv" / "litellm" / "bin" / "python"
BLOCK = re.compile(
    r"(?P<script>(?:<!-- server\.[^\n]* -->\n)*)```py\n(?P<code>.*?)```\n(?:```text\n(?P<output>.*?)```\n)?", re.DOTALL
)
# Takes a line of JSON, the code of a block, and answers with one, what it printed.
RUNNER = """
import contextlib, io, json, sys
names, answers = {}, sys.stdout
for line in sys.stdin:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(json.loads(line), names)
    print(json.dumps(printed.getvalue()), file=answers, flush=True)
"""

if not (ROOT / ".venv" / "litellm" / "installed").exists():
    pytest.skip("no litellm: `make litellm` installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture(scope="module")
def run(server, tmp_path_factory):
    """Runs a block after those before it, and returns what it printed."""
    addresses = {
        "ANTHROPIC_API_BASE": server.url,
        "GEMINI_API_BASE": f"{server.url}/v1beta",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is fetched
    }
    with subprocess.Popen(
        [PYTHON, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("litellm"),
        env={**os.environ, **server.variables, **addresses},
    ) as process:

        def run(code):
            process.stdin.write(json.dumps(code) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def test_what_litellm_does(server, run):
    text = PAGE.read_text()
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("```py\n")
    assert blocks
    for block in blocks:
        for script in re.findall(r"<!-- (.*) -->", block["script"]):
            exec(script, {name: getattr(llmkit, name) for name in llmkit.__all__} | {"server": server})
        printed = run(block["code"])
        if block["output"] is not None:
            assert printed == block["output"], f"line {text[: block.start()].count(chr(10))}"
    assert not server.scripted, "a reply that no example asked for"
