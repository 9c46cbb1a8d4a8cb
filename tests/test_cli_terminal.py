"""`llmkit ask` in a real terminal: what its screen shows while an answer arrives, and what stays."""

import re
import shlex
import sys
import time

import pytest
from terminals import PATIENCE, TmuxTerminal, needs_tmux

from llmkit import ToolCall
from llmkit.testing import FakeServer

pytestmark = needs_tmux

TOOLS = '''
def weather(city: str) -> str:
    """The weather."""
    print("looking out of the window")
    return f"sunny in {city}"
'''


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def until(happened):
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def ask(server, tmp_path):
    """`llmkit ask` in a terminal."""

    def terminal(*arguments, environment=None, shell=None, **more):
        words = [sys.executable, "-m", "llmkit", "ask", "--base-url", server.url, *arguments]
        variables = {"ANTHROPIC_API_KEY": "k", "LLMKIT_STATE": str(tmp_path / "state"), **(environment or {})}
        command = words if shell is None else shell(words)
        return TmuxTerminal(command, environment=variables, folder=tmp_path, **more)

    return terminal


def test_markdown_in_colours(server, ask):
    server.reply("# Sky\n\nIt is **blue**, says `x`.\n\n- one\n- two\n\n```python\nif sky: pass\n```\n")
    with ask("Hi") as terminal:
        assert terminal.ended() == 0
        lines = terminal.screen.splitlines()
        assert lines[0] == "Sky"
        assert lines[2] == "It is blue, says x."
        assert lines[4:6] == [" • one", " • two"]
        assert "\x1b[1mblue" in terminal.colours
        code = next(line for line in terminal.colours.splitlines() if "sky" in line)
        assert "\x1b[" in code.partition("sky")[0]


def test_answer_is_seen_while_it_arrives(server, ask):
    """The server has sent half of it, and waits."""
    server.reply("First **paragraph** here.\n\n- one\n- two\n\nSecond paragraph here.\n")
    server.fault("stall", after=9)
    with ask("Hi") as terminal:
        screen = terminal.see("• one")
        assert "First paragraph here." in screen
        assert "Second" not in screen


def test_answer_longer_than_the_screen(server, ask):
    rows = [f"{number}. item {number}" for number in range(1, 61)]
    code = [f"x{number} = {number}" for number in range(60)]
    server.reply("\n".join([*rows, "", "```python", *code, "```", "", "The end."]))
    server.delay = 0.003
    with ask("Hi", rows=20) as terminal:
        assert terminal.ended() == 0
        assert terminal.screen.splitlines()[-1] == "The end."
        found = [line.strip() for line in terminal.scrollback.splitlines() if line.strip()]
    items = [f"{number} item {number}" for number in range(1, 61)]
    assert found == [*items, *code, "The end."]  # each once, in their order


def test_control_c(server, ask):
    server.reply("one **two** three")
    server.fault("stall", after=5)
    with ask("Hi") as terminal:
        terminal.see("one two")
        assert terminal.cursor  # whatever ends or stops the process, nobody has to bring it back
        terminal.press("C-c")
        assert terminal.ended() == 130
        assert terminal.screen == "one two"  # with the cursor, and nothing told
        until(lambda: server.abandoned)


def test_control_c_before_anything_came(server, ask):
    server.reply("Hi")
    server.latency = 600.0
    with ask("Hi") as terminal:
        until(lambda: server.requests)
        terminal.see("waiting…")
        terminal.press("C-c")
        assert terminal.ended() == 130
        assert terminal.screen == ""


def test_answer_that_breaks_off(server, ask):
    server.reply("one **two** three")
    server.fault("cut stream", after=5)
    with ask("Hi") as terminal:
        assert terminal.ended() == 9
        first, *told = terminal.screen.splitlines()
        assert first == "one two"
        assert " ".join(told).startswith("llmkit: the stream ended before message_stop")


def test_terminal_is_not_steered(server, ask):
    """Neither as it is, nor by what Markdown or rich make of it."""
    server.reply(
        "a\x1b[2Jb\x1b]0;title\x07 \x9b2J &#27;[2J [red]c[/red] `\x1b[8m` [x](https://e.org/\x1b[2J)\n\n# \x1b[5mT\n"
    )
    with ask("Hi") as terminal:
        assert terminal.ended() == 0
        said = " ".join(terminal.screen.split())
        assert said.startswith("a[2Jb]0;title 2J �[2J [red]c[/red] [8m x (https://e.org/%5B2J)")
        assert said.endswith("[5mT")


def test_tool_is_asked_for(server, ask, tmp_path):
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    server.reply(["Let me look.", ToolCall("c1", "weather", {"city": "Oslo"})])
    server.reply("It is sunny.")
    with ask("--tool", "tools:weather", "The weather?") as terminal:
        screen = terminal.see("[y]es, [a]ll, [N]o:")
        assert "Let me look." in screen
        assert '⚙ weather(city="Oslo")' in screen
        terminal.type("y")
        terminal.press("Enter")
        assert terminal.ended() == 0
        lines = terminal.screen.splitlines()
        assert "looking out of the window" in lines  # what it prints
        assert "  ↳ sunny in Oslo" in lines
        assert lines[-1] == "It is sunny."


def test_question_while_the_prompt_is_piped(server, ask, tmp_path):
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    server.reply(ToolCall("c1", "weather", {"city": "Oslo"}))
    server.reply("I do not know.")
    with ask(
        "--tool", "tools:weather", shell=lambda words: ["sh", "-c", f"echo Weather? | {shlex.join(words)}"]
    ) as terminal:
        terminal.see("[N]o:")
        terminal.press("Enter")
        assert terminal.ended() == 0
        assert terminal.screen.endswith("I do not know.")
    assert server.requests[1].messages[-1].content[0].is_error


def test_control_c_instead_of_an_answer(server, ask, tmp_path):
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    server.reply(ToolCall("c1", "weather", {"city": "Oslo"}))
    with ask("--tool", "tools:weather", "Hi") as terminal:
        terminal.see("[N]o:")
        terminal.press("C-c")
        assert terminal.ended() == 130
        assert "Traceback" not in terminal.screen
    assert len(server.requests) == 1


def test_piped(server, ask):
    server.reply("It is **blue**.\n\n# Why\n")
    with ask("Hi", shell=lambda words: ["sh", "-c", f"{shlex.join(words)} | cat"]) as terminal:
        assert terminal.ended() == 0
        assert terminal.screen == "It is **blue**.\n\n# Why"


def test_no_colour(server, ask):
    server.reply("It is **blue** and `x`.")
    with ask("Hi", environment={"NO_COLOR": "1"}) as terminal:
        assert terminal.ended() == 0
        assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", terminal.colours)
        assert terminal.screen == "It is blue and x."
