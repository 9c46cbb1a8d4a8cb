"""What is looked for in the built documentation site: links that lead nowhere, and what is fetched from elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "docs" / "check_site.py"
FAULTS = {
    "a page that is not there": ('<a href="../c/">c</a>', "a/index.html: ../c/: no such page"),
    "an anchor that is not there": ('<a href="../b/#x">b</a>', "a/index.html: ../b/#x: no such anchor"),
    "its own anchor": ('<a href="#x">x</a>', "a/index.html: #x: no such anchor"),
    "above the site": ('<a href="../../c">c</a>', "a/index.html: ../../c: no such page"),
    "a host without its domain": ('<a href="https://docs/c">c</a>', "a/index.html: https://docs/c: no address"),
    "another scheme": ('<a href="javascript:c()">c</a>', "a/index.html: javascript:c(): no address"),
    "a script from elsewhere": (
        '<script src="https://cdn.example/x.js"></script>',
        "a/index.html: https://cdn.example/x.js: fetched from elsewhere",
    ),
    "a style from elsewhere": (
        '<link rel="stylesheet" href="//fonts.example/x.css">',
        "a/index.html: //fonts.example/x.css: fetched from elsewhere",
    ),
    "a picture that is not there": ('<img src="x.png">', "a/index.html: x.png: no such file"),
}
WELL = {
    "another page": '<a href="../b/">b</a>',
    "its anchor": '<a href="../b/#here">b</a>',
    "an anchor that is not of ASCII": '<h2 id="wie-läuft’s">x</h2><a href="#wie-l%C3%A4uft%E2%80%99s">x</a>',
    "elsewhere": '<a href="https://docs.example/x#y">x</a>',
    "what is there": '<link rel="stylesheet" href="../x.css"><img src="data:image/png;base64,AAAA">',
    "what is only told": '<link rel="canonical" href="https://docs.example/a/">',
}


def checked(folder, body):
    """What the script says of a site of two pages, the first with `body`."""
    for name, text in {"a/index.html": body, "b/index.html": '<h2 id="here">b</h2>', "x.css": ""}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    done = subprocess.run([sys.executable, SCRIPT, folder], check=False, capture_output=True, text=True)
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(("body", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault(body, said, tmp_path):
    assert checked(tmp_path, body) == (1, f"{said}\n")


@pytest.mark.parametrize("body", WELL.values(), ids=WELL.keys())
def test_no_fault(body, tmp_path):
    assert checked(tmp_path, body) == (0, "")


def test_a_site_without_a_page(tmp_path):
    assert subprocess.run([sys.executable, SCRIPT, tmp_path], check=False, capture_output=True).returncode == 1
