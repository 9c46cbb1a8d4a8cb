"""`llmkit models`: what is listed, what is left out, and what is said where nothing fits."""

import json
import re
import sys
from datetime import UTC, datetime

import pytest
from terminals import TmuxTerminal, needs_tmux

from llmkit import Model
from llmkit.cli import main
from llmkit.testing import FakeServer

SEEING = Model("see-1", "Seer", datetime(2026, 3, 4, tzinfo=UTC), 1_000_000, 64_000, frozenset({"image_input"}))
THINKING = Model("think-1", "Thinker", None, 200_000, None, frozenset({"thinking", "pdf_input"}))
BOTH = Model("both-2", "Polymath", None, None, None, frozenset({"image_input", "thinking"}))


@pytest.fixture
def models(capsys, monkeypatch):
    """`llmkit models` → code, standard output, standard error; the server offers what is passed."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")

    def run(offered, *arguments):
        with FakeServer() as server:
            server.models = list(offered)
            code = main(["models", "--base-url", server.url, *arguments])
        return code, *capsys.readouterr()

    return run


def test_table(models):
    assert models([SEEING, THINKING]) == (
        0,
        (
            "MODEL    NAME     READS  WRITES  SINCE    CAN\n"
            "see-1    Seer     1M     64K     2026-03  image_input\n"
            "think-1  Thinker  200K                    pdf_input, thinking\n"
        ),
        "",
    )


def test_column_of_which_nothing_is_told_is_left_out(models):
    assert models([Model("a")])[1] == "MODEL\na\n"


COUNTS = {999: "999", 1_000: "1K", 1_024: "1.02K", 8_192: "8.19K", 131_072: "131K", 999_499: "999K", 999_500: "1M",
          999_999: "1M", 1_048_576: "1.05M", 2_000_000: "2M"}  # fmt: skip


@pytest.mark.parametrize(("tokens", "shown"), COUNTS.items())
def test_counts_in_three_digits(models, tokens, shown):
    assert models([Model("a", "A", None, tokens)])[1].split()[-1] == shown


@needs_tmux
@pytest.mark.parametrize("columns", [100, 40])
def test_table_in_a_window(tmp_path, columns):
    """Words fold, names do not; where the window is too narrow for them, lines go on below."""
    offered = Model("claude-x-20260304", "A [bold]long[/] \x1b[31mname", capabilities=frozenset({"image_input"}))
    with FakeServer() as server:
        server.models = [offered]
        command = [sys.executable, "-m", "llmkit", "models", "--base-url", server.url]
        environment = {"ANTHROPIC_API_KEY": "test-key"}
        with TmuxTerminal(command, columns=columns, environment=environment, folder=tmp_path) as terminal:
            assert terminal.ended() == 0
            assert re.search(r"^claude-x-20260304  A \[bold\]long\[/\] \[31mname +", terminal.scrollback, re.MULTILINE)
            assert ("\x1b[1mMODEL" in terminal.colours) == (columns == 100)


FILTERS = {
    "none": ([], ["see-1", "think-1", "both-2"]),
    "word of the id": (["1"], ["see-1", "think-1"]),
    "word of the name, in any case": (["poly"], ["both-2"]),
    "all words": (["think", "1"], ["think-1"]),
    "vision": (["--vision"], ["see-1", "both-2"]),
    "two capabilities": (["--vision", "--thinking"], ["both-2"]),
    "a common word": (["--can", "vision"], ["see-1", "both-2"]),
    "the provider's word": (["--can", "pdf_input"], ["think-1"]),
    "word and capability": (["--thinking", "both"], ["both-2"]),
}


@pytest.mark.parametrize(("arguments", "expected"), FILTERS.values(), ids=FILTERS.keys())
def test_filter(models, arguments, expected):
    code, out, err = models([SEEING, THINKING, BOTH], "--json", *arguments)
    assert (code, err) == (0, "")
    assert [model["id"] for model in json.loads(out)] == expected


def test_json(models):
    assert json.loads(models([SEEING], "--json")[1]) == [
        {
            "id": "see-1",
            "display_name": "Seer",
            "created": "2026-03-04T00:00:00+00:00",
            "context_window": 1_000_000,
            "max_output": 64_000,
            "capabilities": ["image_input"],
        }
    ]


NONE = {
    "no such word": ([SEEING], ["opus"], "no model fits"),
    "none can": ([SEEING, BOTH], ["--tools"], "no model fits: of what its models can do, anthropic tells image_input"),
    "it is not told": ([Model("a")], ["--vision"], "no model fits: anthropic does not tell what its models can do"),
}


@pytest.mark.parametrize(("offered", "arguments", "said"), NONE.values(), ids=NONE.keys())
def test_no_model_fits(models, offered, arguments, said):
    code, out, err = models(offered, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"llmkit: {said}")
    assert models(offered, "--json", *arguments)[:2] == (1, "[]\n")


@pytest.mark.parametrize("word", ["tools", "function_calling", "tool-calling"])
def test_tools_by_the_words_of_hosts(models, word):
    offered = [Model("a", capabilities=frozenset({word})), Model("b", capabilities=frozenset({"vision"}))]
    assert [model["id"] for model in json.loads(models(offered, "--tools", "--json")[1])] == ["a"]
    assert [model["id"] for model in json.loads(models(offered, "--vision", "--json")[1])] == ["b"]
