"""Every code block of the README and of the docs runs, and prints what stands below it.

The blocks of a page share their names, top to bottom. They talk to a `FakeServer`: ``Client("name"`` is made a client
of it, and comments before a block, ``<!-- server.reply("…") -->``, script what it answers.
"""

import contextlib
import io
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import llmkit
from llmkit.testing import FakeServer

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?P<script>(?:<!-- server\.[^\n]* -->\n)*)"
    r"```python\n(?P<code>.*?)```\n(?:```text\n(?P<output>.*?)```\n)?",
    re.DOTALL,
)


def png(width, height):
    """A red picture."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    rows = (b"\0" + b"\xff\0\0" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "settings"))
    (tmp_path / "square.png").write_bytes(png(8, 8))
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    text = page.read_text()
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("```python"), "a block that the pattern does not see"
    with FakeServer() as server:
        names = {"server": server}
        if page.stem.startswith("coming-from"):  # the vendors' clients, too, are clients of the server
            for name, value in server.variables.items():
                monkeypatch.setenv(name, value)
        for block in blocks:
            for script in re.findall(r"<!-- (.*) -->", block["script"]):
                exec(script, dict(vars(llmkit)) | {name: getattr(llmkit, name) for name in llmkit.__all__} | names)
            code = re.sub(r'\bClient\((?="[a-z])', "server.client(", block["code"])
            line = text[: block.start("code")].count("\n")
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * line + code, str(page), "exec"), names)
            if block["output"] is not None:
                assert printed.getvalue() == block["output"], f"{page.name}, line {line}"
        assert not server.scripted, "a reply that no example asked for"


def test_the_examples_are_typed(tmp_path):
    """What a reader copies passes `mypy --strict`, one module a page."""
    for page in PAGES:
        code = [block["code"] for block in BLOCK.finditer(page.read_text())]
        if code:
            module = tmp_path / f"{page.stem.lower()}_page.py"
            module.write_text("from llmkit.testing import FakeServer\n\nserver = FakeServer()\n" + "\n".join(code))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(ROOT / ".mypy_cache"),
            *sorted(tmp_path.glob("*.py")),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    # One is meant: the tutorial shows what becomes of a misspelt option.
    flagged = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len({line.split(" error:")[0] for line in flagged}) == 1, done.stdout
    assert 'did you mean "temperature"?' in flagged[0]


MADE = {
    "the reference, of docstrings": ("build_reference.py", "reference.md"),
    "tables of wires, of what they encode and decode": ("build_tables.py", "wires.md"),
}


@pytest.mark.parametrize(("script", "page"), MADE.values(), ids=MADE.keys())
def test_what_is_made_from_the_code_is_current(script, page):
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / script, "--print"], check=True, capture_output=True, text=True
    ).stdout
    assert (ROOT / "docs" / page).read_text() == made, "run `make docs`"


def test_links_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_two_commands_are_targets():
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_changelog_knows_this_version():
    assert f"## {llmkit.__version__}" in (ROOT / "CHANGELOG.md").read_text()
