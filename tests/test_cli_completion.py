"""`llmkit completion`: what a real bash makes of it; of other shells, where they are there, that they can read it."""

import shutil
import subprocess
import sys

import pytest
from terminals import TmuxTerminal, needs_tmux

from llmkit.cli import main
from llmkit.provider import providers

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="bash is not installed")
# What bash does when Tab is pressed behind the words that it is given.
PRESS = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_llmkit
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The script for a shell, in a file."""
    folder = tmp_path_factory.mktemp("completion")

    def script(shell):
        path = folder / shell
        if not path.exists():
            made = subprocess.run(
                [sys.executable, "-m", "llmkit", "completion", shell], check=True, capture_output=True, timeout=60
            )
            path.write_bytes(made.stdout)
        return path

    return script


def completed(script, folder, *words):
    done = subprocess.run(
        [BASH, "--norc", "--noprofile", "-c", PRESS, "bash", script, "llmkit", *words],
        check=True,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


# what stands before Tab → some of what is offered
CASES = {
    "commands": ([""], {"ask", "chat", "models", "keys", "completion", "map", "demo", "providers", "params"}),
    "the beginning of a command": (["mod"], {"models"}),
    "a command below": (["keys", "s"], {"set"}),
    "options": (["chat", "--"], {"--provider", "--model", "--system", "--continue", "--tool"}),
    "the beginning of an option": (["ask", "--max"], {"--max-tokens"}),
    "providers": (["ask", "-p", ""], {row.name for row in providers()}),
    "the beginning of a provider": (["models", "--provider", "anth"], {"anthropic"}),
    "a provider without an option": (["params", "gem"], {"gemini"}),
    "shells": (["completion", ""], {"bash", "zsh", "fish"}),
    "a choice": (["map", "--errors", ""], {"keep", "stop"}),
    "files": (["ask", "-a", "pho"], {"photo.jpg"}),
    "files without an option": (["map", "quest"], {"questions.txt"}),
}


@needs_bash
@pytest.mark.parametrize(("words", "expected"), CASES.values(), ids=CASES.keys())
def test_bash(scripts, tmp_path, words, expected):
    for name in ("photo.jpg", "questions.txt"):
        (tmp_path / name).touch()
    found = completed(scripts("bash"), tmp_path, *words)
    assert found >= expected
    assert all(word.startswith(words[-1]) for word in found)


@needs_bash
@needs_tmux
def test_tab_is_pressed(scripts, tmp_path):
    """In a bash that somebody sits before."""
    command = [BASH, "--norc", "--noprofile", "-i"]
    with TmuxTerminal(command, environment={"PS1": "$ "}, folder=tmp_path) as terminal:
        terminal.see("$")
        terminal.type(f"source {scripts('bash')}; clear")
        terminal.press("Enter")
        terminal.see(lambda screen: screen.strip() == "$")
        terminal.type("llmkit ask -p anthr")
        terminal.press("Tab")
        terminal.type("-m x")
        terminal.see("llmkit ask -p anthropic -m x")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_can_read_it(scripts, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, "-n", scripts(shell)], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_are_described_in_a_line(scripts):
    """As shells show them that do."""
    for shell in ("zsh", "fish"):
        script = scripts(shell).read_text(encoding="utf-8")
        assert "talk with a model" in script
        assert "The conversation goes on until" not in script


def test_other_shell(capsys):
    assert main(["completion", "cmd"]) == 2
    assert "bash" in capsys.readouterr().err


def test_it_says_what_is_not_installed(tmp_path):
    (tmp_path / "shtab.py").write_text("raise ImportError", encoding="utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from llmkit.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "completion", "bash"], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "llmkit: completion needs shtab: pip install 'llmkit[cli]'\n"
