"""How the command ends: every error has an exit code, a line that says what to do, and with --debug the rest."""

import io
import re
import sys
from pathlib import Path

import pytest

from llmkit import FinishReason, ToolCall, errors
from llmkit.cli import main
from llmkit.cli.failures import KINDS, code_of, line_of, table
from llmkit.errors import LLMKitError
from llmkit.testing import FakeServer, Reply

KEY = "sk-ant-hidden-0123456789abcdef"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with FakeServer() as server:
        yield server


def all_errors(cls=LLMKitError):
    yield cls
    for below in cls.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from all_errors(below)


CODES = {
    "LLMKitError": 1,
    **dict.fromkeys(("ConfigurationError", "MissingAuthError", "UnknownProviderError"), 2),
    **dict.fromkeys(("UnsupportedOptionError", "MediaError"), 2),
    **dict.fromkeys(("AuthenticationError", "PermissionDeniedError", "PaymentRequiredError"), 3),
    **dict.fromkeys(("APIError", "BadRequestError", "NotFoundError", "ConflictError"), 4),
    **dict.fromkeys(("RequestTooLargeError", "UnprocessableEntityError"), 4),
    **dict.fromkeys(("RateLimitError", "QuotaExceededError"), 5),
    **dict.fromkeys(("ServerError", "OverloadedError"), 6),
    "ConnectionFailedError": 7,
    "DeadlineError": 8,
    **dict.fromkeys(("StreamError", "IncompleteStreamError", "StreamClosedError", "InvalidResponseError"), 9),
    "OutputError": 10,
    **dict.fromkeys(("ToolLoopError", "BudgetExceededError"), 11),
}


def test_every_error_has_its_code():
    assert {cls.__name__: code_of(cls("x")) for cls in all_errors()} == CODES


def test_help_has_every_code(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert table() in out
    assert {int(line.split()[0]) for line in table().splitlines()} == {0, 130, 141, *CODES.values()}


def test_codes_are_told_apart():
    codes = [kind.code for kind in KINDS]
    assert len({*codes}) == len(codes)


# error → what its line ends with
TO_DO = {
    "key": (
        errors.AuthenticationError("no", provider="groq", attempts=1),
        '; "llmkit keys get groq" tells where the key is from',
    ),
    "model": (
        errors.NotFoundError("no", provider="groq", attempts=1),
        '; "llmkit models -p groq" shows which models there are',
    ),
    "wait": (errors.RateLimitError("no", retry_after=7.4, attempts=3), "; wait 7 s"),
    "time": (errors.DeadlineError("no", attempts=1), "; --timeout allows more"),
    "what says it itself": (errors.ToolLoopError("no", attempts=1), "no"),
    "nothing was sent": (errors.ConfigurationError("no"), "no"),
}


@pytest.mark.parametrize(("error", "said"), TO_DO.values(), ids=TO_DO.keys())
def test_what_to_do(error, said):
    assert line_of(error).endswith(said)
    assert line_of(error).startswith("no")


@pytest.mark.parametrize("where", ["before", "behind"])
def test_debug(server, capsys, where):
    server.fault("bad key")
    words = ["ask", "--base-url", server.url, "What", "is", "it?"]
    assert main(["--debug", *words] if where == "before" else [*words, "--debug"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback (most recent call last)" in err
    assert "llmkit.errors.AuthenticationError: 401" in err
    assert "What is it?" in err  # what was asked
    assert err.splitlines()[-1].startswith("llmkit: 401 authentication_error")
    assert "hidden" not in err


def test_debug_ends_with_the_command(server, capsys):
    assert main(["ask", "--debug", "--base-url", server.url, "Hi"]) == 0
    assert "complete" in (told := capsys.readouterr().err) or "stream" in told
    assert main(["ask", "--base-url", server.url, "Hi"]) == 0
    assert capsys.readouterr().err == ""


def test_without_debug_there_is_one_line(server, capsys):
    server.fault("bad key")
    assert main(["ask", "--base-url", server.url, "Hi"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_words_of_python_are_not_told(server, capsys):
    server.reply('{"name": 5}')
    server.reply(Reply('{"na', finish_reason=FinishReason("length")))
    schema = '{"type": "object", "properties": {"name": {"type": "string"}}}'
    for expected in (
        "the answer does not fit --schema: $.name: 5 is not of type 'string'; ask again",
        "the answer was cut off at the limit of tokens, so it is no output: raise --max-tokens",
    ):
        assert main(["ask", "--base-url", server.url, "--schema", schema, "Hi"]) == 10
        assert capsys.readouterr().err == f"llmkit: {expected}\n"


def test_tools_without_end(server, capsys, tmp_path, monkeypatch):
    (tmp_path / "endless_tools.py").write_text("def more() -> str: return 'more'", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    server.reply_with(lambda request: ToolCall("c1", "more"))
    assert main(["ask", "--base-url", server.url, "--yes", "--tool", "endless_tools:more", "Hi"]) == 11
    assert capsys.readouterr().err.splitlines()[-1] == "llmkit: the model is not done after max_rounds=10 model calls"


def test_page_has_every_code():
    page = (Path(__file__).parents[1] / "docs" / "terminal.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [tuple(line.split(maxsplit=1)) for line in table().splitlines()]
