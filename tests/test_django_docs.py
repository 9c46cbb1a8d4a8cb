"""The files on the page about Django are a project: it is checked, migrated, and its own test passes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import djangos  # noqa: F401 - configures Django

from llmkit.display.events import NAMES
from llmkit.django import checks

PAGE = (Path(__file__).parent.parent / "docs" / "django.md").read_text()
FILE = re.compile(r"```py\n# (?P<path>\S+\.py)\n(?P<code>.*?)```", re.DOTALL)
BESIDE = {
    "project/__init__.py": "",
    "talks/__init__.py": "",
}
# What `startproject` writes, and no page repeats.
MORE = """
TEST = {"NAME": "test.sqlite3"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3", "TEST": TEST}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "project.urls"
SECRET_KEY = "of-a-test"
"""


def test_the_project_on_the_page(tmp_path):
    files = {found["path"]: found["code"] for found in FILE.finditer(PAGE)}
    assert len(files) == PAGE.count("```py\n"), "a block that names no file"
    files["project/settings.py"] += MORE
    for name, code in {**BESIDE, **files}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    commands = "from django.core.management import call_command as run; import django; django.setup(); run('check')\n"
    commands += "run('makemigrations', 'talks'); run('migrate', verbosity=0); run('test', 'talks')"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", commands],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONPATH": str(tmp_path)},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Ran 2 tests" in said
    assert set(re.findall(r"llmkit\.[EW]\d+", said)) == {"llmkit.W001"}, "there is no key here"
    assert "llmkit.django.MessagesField()" in (tmp_path / "talks/migrations/0001_initial.py").read_text()


def test_the_page_has_every_event():
    section = PAGE.partition("## What the page gets")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == {*NAMES.values(), "error", "end"}


def test_the_page_has_every_check():
    known = set(re.findall(r"^([EW]\d+)", checks.__doc__, re.MULTILINE))
    source = Path(checks.__file__).read_text()
    assert known == set(re.findall(r'id="llmkit\.([EW]\d+)"', source)) == set(re.findall(r"`llmkit\.([EW]\d+)`", PAGE))
