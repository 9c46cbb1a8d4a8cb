"""The programs of docs/recipes.md, which their own tests run."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
PROGRAM = re.compile(
    r"<!-- program: (?P<name>\S+) -->\n```py\n(?P<code>.*?)```\n(?:```text\n(?P<output>.*?)```\n)?", re.DOTALL
)
PROGRAMS = {found["name"]: found for found in PROGRAM.finditer(PAGE.read_text())}
KEY = "sk-of-the-recipes"


def text_of(name, **changes):
    """The program, with what is another's in it exchanged: an address, a file."""
    text = PROGRAMS[name]["code"]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def led_to(url, text):
    """The program, its clients led to a server on loopback."""
    return re.sub(r'\bClient\(\s*("[^"]+")', rf'Client(\1, base_url={url!r}, api_key="{KEY}"', text)


def said_by(text):
    """What the program prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, str(PAGE), "exec"), {"__name__": "recipe"})
    return printed.getvalue()
