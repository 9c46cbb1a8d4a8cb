"""``llmkit map``: in this process for what it reads, asks and writes, in one of its own for how it ends."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from sockets import PATIENCE

from llmkit import BadRequestError, Usage
from llmkit.cli import main
from llmkit.cli.bulk import _EXAMPLES
from llmkit.cli.sources import Counted, Prompts, Template, only_column, source

KEY = "ANTHROPIC_API_KEY"
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def in_a_folder_with_a_key(monkeypatch, tmp_path):
    monkeypatch.setenv(KEY, "test-key")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ask(server, capsys):
    """`llmkit map` → code, standard output, standard error."""

    def run(*arguments):
        code = main(["map", "--base-url", server.url, *arguments])
        return code, *capsys.readouterr()

    return run


def asked(server):
    return [request.messages[-1].text for request in server.requests]


def written(path="out.jsonl"):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def files():
    return sorted(path.name for path in Path().iterdir())


def given(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


# ---- what is read ----------------------------------------------------------------------------------------------------


# name → (the name of the file, its bytes, arguments, what is asked)
SOURCES = {
    "objects": ("a.jsonl", b'{"prompt": "a", "n": 1}\n{"n": 2, "prompt": "b"}\n', [], ["a", "b"]),
    "texts": ("a.jsonl", b'"a"\n\n  \n"b"', [], ["a", "b"]),
    "a column that is named text": ("a.jsonl", b'{"text": "a", "n": 1}\n', [], ["a"]),
    "the only column": ("a.jsonl", b'{"question": "a"}\n', [], ["a"]),
    "the only column but for the id": ("a.csv", b"id,question\n1,a\n", [], ["a"]),
    "prompt before text": ("a.csv", b"text,prompt\na,b\n", [], ["b"]),
    "a template": ("a.jsonl", b'{"a b": "x", "c": "y"}\n', ["-t", "{c}, {a b}: {c}"], ["y, x: y"]),
    "braces that are meant": ("a.txt", b"x\n", ["-t", '{{"a": "{text}"}} {{{text}}}'], ['{"a": "x"} {x}']),
    "braces in a cell": ("a.txt", b"{text} {{\n", ["-t", "- {text}"], ["- {text} {{"]),
    "cells that are no text": (
        "a.jsonl",
        '{"a": 1, "b": [true, "é"], "c": 0.5}\n'.encode(),
        ["-t", "{a} {b} {c}"],
        ['1 [true, "é"] 0.5'],
    ),
    "a table": ("a.csv", b'a,b\r\n"x, ""y""\nz",1\r\n\r\nv,2\r\n', ["-t", "{b}: {a}"], ['1: x, "y"\nz', "2: v"]),
    "a table as spreadsheets write it": ("a.csv", "\ufefftext,é\nGrüße,1\n".encode(), [], ["Grüße"]),
    "lines": ("a.txt", "Grüße 🦊\r\n\n two \n".encode(), [], ["Grüße 🦊", " two "]),
    "a name that tells nothing": ("rows", b"text\na\n", ["--format", "csv"], ["a"]),
    "a name that tells something else": ("a.txt", b'{"text": "a"}\n', ["--format", "jsonl"], ["a"]),
    "a long cell": ("a.csv", b"text\n" + b"x" * 200_000 + b"\n", [], ["x" * 200_000]),
    "none": ("a.jsonl", b"\n", [], []),
    "a table without rows": ("a.csv", b"text\n", [], []),
}


@pytest.mark.parametrize(("name", "data", "arguments", "expected"), SOURCES.values(), ids=SOURCES.keys())
def test_rows(server, ask, name, data, arguments, expected):
    Path(name).write_bytes(data)
    code, out, _ = ask(name, "-c", "1", *arguments)
    assert (code, len(out.splitlines())) == (0, len(expected))
    assert asked(server) == expected


INPUTS = {
    "lines": (b"a\nb\n", [], ["a", "b"]),
    "objects": (b'{"prompt": "a"}\n{"prompt": "b"}\n', [], ["a", "b"]),
    "lines that look like objects": (b"{a}\n", ["--format", "txt"], ["{a}"]),
    "a table": (b"prompt\na\n", ["--format", "csv"], ["a"]),
    "not ASCII": ("Grüße 🦊\n".encode(), [], ["Grüße 🦊"]),
    "none": (b"", [], []),
}


@pytest.mark.parametrize(("data", "arguments", "expected"), INPUTS.values(), ids=INPUTS.keys())
def test_standard_input(server, ask, monkeypatch, data, arguments, expected):
    given(monkeypatch, data)
    assert ask("-", "-c", "1", *arguments)[0] == 0
    assert asked(server) == expected


def test_no_standard_input(ask, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = ask("-")
    assert (code, err) == (2, "llmkit: standard input is closed\n")


# name → (the name of the file, its bytes, arguments, what is said)
WRONG = {
    "no such column": (
        "a.jsonl",
        b'{"text": "a", "n": 1}\n\n{"text": "b"}\n',
        ["-t", "{text} {n}"],
        "a.jsonl, line 3: there is no column 'n'; it has 'text'",
    ),
    "no such column in a short line": (
        "a.csv",
        b'a,b\n"x\ny",1\nz\n',
        ["-t", "{b}"],
        "a.csv, line 4: there is no column 'b'; it has 'a'",
    ),
    "a column of null": ("a.jsonl", b'{"text": null}\n', [], "a.jsonl, line 1: column 'text' is null"),
    "columns of which none is meant": (
        "a.csv",
        b"a,b\n1,2\n",
        [],
        "a.csv, line 2: no column is named 'prompt' or 'text' (it has 'a', 'b'): pass a template",
    ),
    "a prompt that is no text": ("a.jsonl", b'{"text": 1}\n', [], "a.jsonl, line 1: column 'text' is no text"),
    "no JSON": ("a.jsonl", b'"a"\n{"text": \n', [], "a.jsonl, line 2: it is not JSON: Expecting value: column 9"),
    "no row": ("a.jsonl", b'["a"]\n', [], "a.jsonl, line 1: a row is an object or a text"),
    "no number": ("a.jsonl", b'{"text": "a", "n": NaN}\n', [], "a.jsonl, line 1: it is not JSON"),
    "no UTF-8": ("a.txt", "a\né\n".encode("latin-1"), [], "a.txt, line 2: it is not UTF-8"),
    "too many cells": ("a.csv", b"a,b\n1,2,3\n", [], "a.csv, line 2: it has 3 cells, and there are 2 columns"),
    "two columns of one name": ("a.csv", b"a,a\n1,2\n", [], "a.csv, line 1: there are two columns 'a'"),
    "a quotation that does not end": ("a.csv", b'text\na\n"b\nc\n', [], "a.csv, line 3: unexpected end of data"),
    "a name that tells nothing": ("a.md", b"a\n", [], "a.md: its name does not end in .jsonl, .csv or .txt"),
    "a brace that stands alone": ("a.txt", b"a\n", ["-t", "{text} {"], "template: '{' begins with a brace"),
    "a brace that closes nothing": ("a.txt", b"a\n", ["-t", "{text} }"], "template: '}' begins with a brace"),
    "no column in the template": ("a.txt", b"a\n", ["-t", "Hi {{text}}"], "template: it names no {column}"),
    "more columns than a table has": (
        "a.jsonl",
        b'{"text": "a"}\n{"text": "b", "n": 1}\n',
        ["-o", "out.csv"],
        "a.jsonl, line 2: column 'n' is not in the first row",
    ),
    "nobody to ask": ("a.txt", b"a\n", ["-p", "nobody"], "provider: none is named 'nobody'"),
    "too hot": ("a.txt", b"a\n", ["--temperature", "9", "-o", "out.jsonl"], "temperature: "),
    "none at once": ("a.txt", b"a\n", ["-c", "0", "-o", "out.jsonl"], "concurrency: "),
    "no limit": ("a.txt", b"a\n", ["--rpm", "0"], "requests_per_minute: "),
    "no money": ("a.txt", b"a\n", ["--max-cost", "much", "-o", "out.jsonl"], "max_cost: "),
    "a price that nobody knows": ("a.txt", b"a\n", ["--max-cost", "1", "-m", "m-1", "-o", "out.jsonl"], "max_cost: "),
    "an output of another kind": ("a.txt", b"a\n", ["-o", "out.txt"], "output: out.txt ends neither in .jsonl nor"),
    "an output in no folder": ("a.txt", b"a\n", ["-o", "nowhere/out.csv"], "output: nowhere/out.csv: No such file"),
    "a checkpoint that is none": ("a.txt", b"no file of llmkit's" * 99, ["--checkpoint", "a.txt"], "checkpoint"),
}


@pytest.mark.parametrize(("name", "data", "arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_before_anything_is_asked(server, ask, name, data, arguments, said):
    Path(name).write_bytes(data)
    code, out, err = ask(name, *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("llmkit: ")
    assert err.count("\n") == 1
    assert not server.requests
    assert files() == [name]


@pytest.mark.parametrize("name", ["a.txt", "."])
def test_no_such_file(ask, name):
    code, _, err = ask(name, "--format", "txt")
    assert code == 2
    assert err.startswith(f"llmkit: {name}: ")


def test_no_key(ask, monkeypatch):
    monkeypatch.delenv(KEY)
    Path("a.txt").write_text("a\n")
    code, _, err = ask("a.txt", "-o", "out.jsonl")
    assert (code, files()) == (2, ["a.txt"])
    assert KEY in err


def test_a_wrong_row_of_standard_input_ends_what_was_begun(server, ask, monkeypatch):
    """It cannot be looked at beforehand; what was asked before is written."""
    given(monkeypatch, b'{"text": "a"}\n{"text": "b"}\n{"txt": "c", "n": 1}\n{"text": "d"}\n')
    code, out, err = ask("-")
    assert (code, [json.loads(line)["text"] for line in out.splitlines()]) == (2, ["a", "b"])
    assert "\nllmkit: stopped after 2 rows; with --checkpoint FILE, a run can be gone on with\n" in err
    assert err.endswith("\nllmkit: standard input, line 3: no column is named 'prompt' or 'text' (it has 'txt', 'n'): "
                        "pass a template\n")  # fmt: skip
    assert sorted(asked(server)) == ["a", "b"]


def test_options_are_sent(server, ask):
    Path("a.txt").write_text("Hi\n")
    options = ["-m", "claude-opus-5", "-s", "Be brief.", "--max-tokens", "7", "--temperature", "0.5", "--timeout", "30"]
    assert ask("a.txt", *options)[0] == 0
    (request,) = server.requests
    assert (request.json["model"], request.json["max_tokens"], request.json["temperature"]) == ("claude-opus-5", 7, 0.5)
    assert [message.text for message in request.messages] == ["Be brief.", "Hi"]


def test_a_provider_with_its_model(server, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    Path("a.txt").write_text("Hi\n")
    assert ask("a.txt", "-p", "openai:gpt-5")[0] == 0
    assert server.requests[0].json["model"] == "gpt-5"


def test_limits_are_kept(server, ask):
    """Twenty in a second are allowed: all at once, the last would be refused."""
    server.limit(requests_per_minute=1200, window=1.0)
    Path("a.txt").write_text("".join(f"{number}\n" for number in range(25)))
    assert ask("a.txt", "-c", "25", "--rpm", "900", "--tpm", "1000000")[0] == 0
    assert server.refused == 0


def rows_of(count):
    return b"".join(b'{"id": %d, "text": "%s"}\n' % (number, b"x" * 500) for number in range(count))


def test_memory_does_not_grow_with_the_file():
    Path("a.jsonl").write_bytes(rows_of(5_000))
    tracemalloc.start()
    try:
        prompts = Counted(source("a.jsonl"), only_column, even=False)
        assert len(prompts) == 5_000
        for index, request in enumerate(prompts):
            assert prompts.take(index).id == request.id
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000  # of 2.7 million bytes


def test_rows_are_read_as_they_are_asked_for():
    Path("a.txt").write_bytes(b"a\n" * 10 + b"\xff\n")
    prompts = iter(Prompts(source("a.txt"), Template("{text}!"), even=False))
    assert [next(prompts).prompt for _ in range(10)] == ["a!"] * 10


# ---- what is written -------------------------------------------------------------------------------------------------


def test_lines_of_json(server, ask):
    Path("a.jsonl").write_text('{"id": 7, "text": "a", "n": {"b": null}}\n{"id": "", "text": "b"}\n"c"\n')
    server.reply("Grüße\n🦊", usage=Usage(1_000, 100), finish_reason="length")
    server.reply(BadRequestError("too\nmuch"))
    server.reply("x")
    code, out, err = ask("a.jsonl", "-o", "out.jsonl", "-c", "1")
    assert (code, out) == (1, "")
    nothing = {"provider": None, "finish_reason": None, "input_tokens": None, "output_tokens": None, "cost": None}
    lines = written()
    assert lines[:2] == [
        {
            "index": 0,
            "id": "7",
            "row": {"id": 7, "text": "a", "n": {"b": None}},
            "text": "Grüße\n🦊",
            "error": None,
            "model": "claude-sonnet-5",
            "provider": "anthropic",
            "finish_reason": "length",
            "input_tokens": 1_000,
            "output_tokens": 100,
            "cost": lines[0]["cost"],
        },
        {
            "index": 1,
            "id": None,
            "row": {"id": "", "text": "b"},
            "text": None,
            "error": {"class": "BadRequestError", "message": "400 invalid_request_error: too much"},
            "model": None,
            **nothing,
        },
    ]
    assert float(lines[0]["cost"]) > 0
    assert (lines[2]["row"], lines[2]["text"]) == ({"text": "c"}, "x")
    told = err.splitlines()
    assert told[0].split()[:3] == ["model", "rows", "failed"]
    assert told[1].split()[:3] == ["anthropic:claude-sonnet-5", "3", "1"]
    assert told[2:] == [
        "llmkit: 1 of 3 rows failed; the first: line 2: BadRequestError: 400 invalid_request_error: too much",
        "llmkit: not all answers are whole: 1 length",
    ]


# name → (the columns of the input, those of the output)
COLUMNS = {
    "of the input and its own": ("a,b", "a,b,text,error"),
    "that have the names of its own": ("text,error", "text,error,answer_text,answer_error"),
    "that have all its names": ("answer_text,text", "answer_text,text,answer_answer_text,error"),
}


@pytest.mark.parametrize(("columns", "expected"), COLUMNS.values(), ids=COLUMNS.keys())
def test_columns_of_a_table(ask, columns, expected):
    Path("a.csv").write_text(f"{columns}\n1,2\n")
    assert ask("a.csv", "-t", f"{{{columns.split(',')[0]}}}", "-o", "out.csv")[0] == 0
    assert Path("out.csv").read_text().splitlines() == [expected, "1,2,1,"]


def test_a_table(server, ask):
    Path("a.jsonl").write_text('{"q": "a", "n": 1}\n{"q": "b"}\n{"n": [2], "q": "c"}\n')
    server.reply('Grüße,\n"🦊"')
    server.reply(BadRequestError("no"))
    server.reply("x")
    assert ask("a.jsonl", "-t", "{q}", "-o", "out.csv", "-c", "1")[0] == 1
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)] == [
            ["q", "n", "text", "error"],
            ["a", "1", 'Grüße,\n"🦊"', ""],
            ["b", "", "", "BadRequestError: 400 invalid_request_error: no"],
            ["c", "[2]", "x", ""],
        ]


def test_printed_in_utf8_whatever_the_terminals_is(server):
    server.reply("Grüße 🦊")
    Path("a.txt").write_text("a\n")
    code, out, _ = finished(command(server, "a.txt", env={"PYTHONIOENCODING": "ascii"}))
    assert (code, json.loads(out)["text"]) == (0, "Grüße 🦊")


def test_a_terminal_is_not_steered_by_an_answer(server, ask, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    server.reply("a\x9b2Jb")
    Path("a.txt").write_text("a\n")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert ask("a.txt")[0] == 0
    assert json.loads(terminal.getvalue())["text"] == "a2Jb"


def test_rows_that_fail_stop_the_run(server, ask):
    Path("a.txt").write_text("a\nb\nc\nd\n")
    server.reply("x")
    server.reply(BadRequestError("no"))
    code, _, err = ask("a.txt", "-o", "out.jsonl", "-c", "1", "--errors", "stop")
    assert (code, [line["text"] for line in written()]) == (1, ["x", None])
    assert "llmkit: 1 of 2 rows failed; the first: line 2: BadRequestError: " in err
    assert "d" not in asked(server)


def test_a_run_that_costs_too_much(server, ask):
    Path("a.txt").write_text("a\nb\nc\nd\n")
    server.reply("x", usage=Usage(1_000, 0))
    server.reply("x", usage=Usage(1_000_000, 0))
    code, _, err = ask("a.txt", "-o", "out.jsonl", "-c", "1", "--max-cost", "0.5", "--checkpoint", "run.db")
    assert (code, len(written())) == (11, 2)
    assert "llmkit: stopped after 2 rows; the same command goes on from there\n" in err
    assert "llmkit: max_cost: 2 answers cost " in err
    assert len(server.requests) == 2


def test_in_the_order_of_the_rows(server, ask):
    """Also where the second is answered first."""
    second = threading.Event()

    def answer(request):
        if request.messages[-1].text == "b":
            second.set()
        else:
            assert second.wait(PATIENCE)
        return request.messages[-1].text

    server.reply_with(answer)
    Path("a.txt").write_text("a\nb\n")
    assert ask("a.txt", "-o", "out.jsonl")[0] == 0
    assert [line["text"] for line in written()] == ["a", "b"]


def test_in_the_order_of_the_answers(server, ask):
    """The first is not answered before the second has been written."""

    def answer(request):
        if request.messages[-1].text == "a":
            until(lambda: lines_in("out.jsonl") == 1)
        return request.messages[-1].text

    server.reply_with(answer)
    Path("a.txt").write_text("a\nb\n")
    assert ask("a.txt", "-o", "out.jsonl", "--unordered")[0] == 0
    assert [(line["index"], line["text"]) for line in written()] == [(1, "b"), (0, "a")]


def test_answers_that_are_not_whole_are_told_of(server, ask):
    Path("a.csv").write_text("text\na\nb\nc\n")
    server.reply("Once", finish_reason="length")
    server.reply("Once", finish_reason="length")
    code, _, err = ask("a.csv", "-o", "out.csv", "-c", "1")
    assert code == 0
    assert err.endswith("\nllmkit: not all answers are whole: 2 length\n")


def test_a_file_is_not_overwritten(server, ask):
    Path("a.txt").write_text("a\n")
    Path("out.jsonl").write_text("precious\n")
    # A checkpoint that is new has not written it.
    for more in [], ["--checkpoint", "run.db"]:
        code, _, err = ask("a.txt", "-o", "out.jsonl", *more)
        assert (code, err) == (2, "llmkit: output: out.jsonl exists: pass --force to overwrite it\n")
    assert Path("out.jsonl").read_text() == "precious\n"
    assert not server.requests
    assert ask("a.txt", "-o", "out.jsonl", "--force")[0] == 0
    assert [line["text"] for line in written()] == ["a"]


def test_the_input_is_never_the_output(ask):
    Path("a.jsonl").write_text('"a"\n')
    Path("b.jsonl").symlink_to("a.jsonl")
    code, _, err = ask("a.jsonl", "-o", "b.jsonl", "--force")
    assert (code, err, Path("a.jsonl").read_text()) == (2, "llmkit: output: b.jsonl is the input\n", '"a"\n')


def test_an_empty_file_and_no_file_are_written(ask):
    Path("a.txt").write_text("a\n")
    Path("out.jsonl").touch()
    Path("none.txt").touch()
    assert ask("a.txt", "-o", "out.jsonl")[0] == 0
    assert len(written()) == 1
    assert ask("none.txt", "-o", "out.jsonl", "--force")[0] == 0
    assert written() == []


def test_a_file_stays_until_there_is_something_to_write_instead(server, ask):
    Path("a.txt").write_text("a\n")
    Path("out.jsonl").write_text("precious\n")
    assert ask("a.txt", "-o", "out.jsonl", "--force", "--max-cost", "1", "-m", "nobody-knows-it")[0] == 2
    assert Path("out.jsonl").read_text() == "precious\n"


# ---- a checkpoint ----------------------------------------------------------------------------------------------------


def test_what_was_answered_is_not_asked_again_and_stands_in_the_output(server, ask):
    Path("a.txt").write_text("a\nb\nb\n")
    server.reply("1")
    server.reply(BadRequestError("no"))
    server.reply("3")
    arguments = ["a.txt", "-o", "out.jsonl", "-c", "1", "--checkpoint", "run.db"]
    code, _, err = ask(*arguments)
    assert code == 1
    assert "1 of 3 rows failed (the same command asks them again)" in err
    server.requests.clear()
    Path("a.txt").write_text("b\nnew\nb\na\n")
    assert ask(*arguments)[0] == 0
    # The first b had failed; the second one was answered.
    assert [(line["index"], line["row"]["text"]) for line in written()] == [(0, "b"), (1, "new"), (2, "b"), (3, "a")]
    assert [line["text"] for line in written()][2:] == ["3", "1"]
    assert sorted(asked(server)) == ["b", "new"]


def test_another_kind_of_output_from_the_same_checkpoint(server, ask):
    Path("a.txt").write_text("a\nb\n")
    assert ask("a.txt", "-o", "out.jsonl", "--checkpoint", "run.db")[0] == 0
    assert ask("a.txt", "-o", "out.csv", "--checkpoint", "run.db")[0] == 0
    assert Path("out.csv").read_text() == "text,answer_text,error\na,a,\nb,b,\n"
    assert len(server.requests) == 2


# ---- in a process of its own -----------------------------------------------------------------------------------------


def command(server, *arguments, code=("-m", "llmkit"), **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **options.pop("env", {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = [sys.executable, *code, "map", *arguments, "--base-url", server.url]
    return subprocess.Popen(words, env=environment, **{**pipes, **options})


def finished(process, data=None):
    out, err = process.communicate(data, timeout=60)
    return process.returncode, out.decode(), err.decode()


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.005)


def test_rows_are_written_as_they_come(server):
    """While there is more to be read."""
    process = command(server, "-", "-c", "2", stdin=subprocess.PIPE)
    process.stdin.write(b"row\n" * 10)
    process.stdin.flush()
    lines = [json.loads(process.stdout.readline()) for _ in range(5)]
    assert [line["index"] for line in lines] == [*range(5)]
    process.stdin.close()
    with process.stdout, process.stderr:
        assert len(process.stdout.readlines()) == 5
        assert process.wait(60) == 0


def test_nobody_reads_the_output(server):
    Path("a.txt").write_text("row\n" * 500)
    process = command(server, "a.txt")
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.wait(60) == 141
    assert len(server.requests) < 500


def test_a_full_disk(server):
    Path("a.txt").write_text("a\n" * 50)
    Path("out.jsonl").symlink_to("/dev/full")
    code, _, err = finished(command(server, "a.txt", "-o", "out.jsonl"))
    assert (code, err) == (1, "llmkit: the answer cannot be written: No space left on device\n")


def slow_after(server, rows):
    """These are answered, all others not before the returned event is set."""
    go = threading.Event()

    def answer(request):
        text = request.messages[-1].text
        if text not in rows:
            go.wait(PATIENCE)
        return text

    server.reply_with(answer)
    return go


def lines_in(path):
    with contextlib.suppress(FileNotFoundError):
        return Path(path).read_bytes().count(b"\n")
    return 0


def test_control_c(server):
    go = slow_after(server, ["row 0", "row 1", "row 2"])
    Path("a.txt").write_text("".join(f"row {number}\n" for number in range(20)))
    process = command(server, "a.txt", "-o", "out.jsonl", "-c", "1")
    until(lambda: lines_in("out.jsonl") == 3 and len(server.requests) == 4)
    process.send_signal(signal.SIGINT)
    code, out, err = finished(process)
    go.set()
    assert (code, out) == (130, "")
    assert err.splitlines()[1].split()[1:3] == ["3", "0"]
    assert err.splitlines()[2:] == ["llmkit: stopped after 3 rows; with --checkpoint FILE, a run can be gone on with"]
    assert [line["text"] for line in written()] == ["row 0", "row 1", "row 2"]


def test_control_c_before_anything_is_answered(server):
    go = slow_after(server, [])
    Path("a.txt").write_text("a\nb\n")
    process = command(server, "a.txt", "-o", "out.jsonl", "-c", "1")
    until(lambda: server.requests)
    process.send_signal(signal.SIGINT)
    code, _, err = finished(process)
    go.set()
    assert (code, err) == (130, "llmkit: stopped after 0 rows; with --checkpoint FILE, a run can be gone on with\n")
    assert files() == ["a.txt"]


def test_control_c_keeps_what_is_being_asked_and_the_next_run_goes_on(server):
    rows = [f"row {number}" for number in range(20)]
    go = slow_after(server, rows[:3])
    Path("a.txt").write_text("\n".join(rows))
    arguments = ("a.txt", "-o", "out.jsonl", "-c", "2", "--checkpoint", "run.db")
    process = command(server, *arguments)
    until(lambda: lines_in("out.jsonl") == 3 and len(server.requests) == 5)
    process.send_signal(signal.SIGINT)
    said = process.stderr.readline() + process.stderr.readline()
    assert said == b"\nllmkit: waiting for what is being asked, to keep it; Ctrl-C again to leave at once\n"
    go.set()
    code, out, err = finished(process)
    assert (code, out) == (130, "")
    assert err.endswith("llmkit: stopped after 3 rows; the same command goes on from there\n")
    assert finished(command(server, *arguments))[0] == 0
    assert [line["text"] for line in written()] == rows
    assert Counter(asked(server)) == Counter(rows)


def test_control_c_twice_leaves_at_once(server):
    go = slow_after(server, ["a"])
    Path("a.txt").write_text("a\nb\nc\n")
    process = command(server, "a.txt", "-o", "out.jsonl", "-c", "1", "--checkpoint", "run.db")
    until(lambda: lines_in("out.jsonl") == 1 and len(server.requests) == 2)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() + process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert finished(process)[0] == 130
    assert not go.is_set()
    go.set()


def test_killed_and_resumed(server):
    rows = [f"row {number}" for number in range(60)]
    server.delay = 0.01
    Path("a.txt").write_text("\n".join(rows))
    arguments = ("a.txt", "-o", "out.jsonl", "-c", "4", "--checkpoint", "run.db")
    for kill in (1, 2):
        process = command(server, *arguments)
        until(lambda kill=kill: len(server.requests) >= 20 * kill)
        process.kill()
        with process.stdout, process.stderr:
            assert process.wait(60) == -signal.SIGKILL
    assert finished(command(server, *arguments))[0] == 0
    assert [line["text"] for line in written()] == rows
    paid = Counter(asked(server))
    assert set(paid) == set(rows)
    assert sum(paid.values()) <= 60 + 2 * 4  # again only what was being asked at a kill


# ---- at a terminal ---------------------------------------------------------------------------------------------------


def at_a_terminal(server, *arguments, **options):
    """What `llmkit map` shows on a terminal of 100 columns, and its exit code."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = command(server, *arguments, stdout=subprocess.DEVNULL, stderr=its, **options)
    os.close(its)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO: it has left
        while piece := terminal.read(4096):
            shown += piece
    return process.wait(60), shown.decode()


@pytest.fixture
def three(server):
    Path("a.txt").write_text("a\nb\nc\n")
    server.reply(BadRequestError("no"))
    return server


def test_the_bar(three):
    code, shown = at_a_terminal(three, "a.txt", "-o", "out.jsonl", "-c", "1")
    assert code == 1
    bar = shown.split("\r")
    assert any(re.search(r"100%\|█+\| 3/3 \[.*, 1 failed, \d+ tokens", state) for state in bar)
    # The summary stands below it.
    assert shown.index("3/3") < shown.index("anthropic:claude-sonnet-5") < shown.index("1 of 3 rows failed")


WITHOUT_TQDM = "import sys; sys.modules['tqdm'] = None; from llmkit.cli import main; sys.exit(main())"


def test_a_count_where_there_is_no_bar(three):
    code, shown = at_a_terminal(three, "a.txt", "-o", "out.jsonl", code=("-c", WITHOUT_TQDM))
    assert code == 1
    assert shown.startswith("\r1 of 3 rows\r2 of 3 rows\r3 of 3 rows\r\nmodel ")


def test_a_count_of_what_nobody_knows_the_end_of(three):
    with Path("a.txt").open("rb") as rows:
        _, shown = at_a_terminal(three, "-", "-o", "out.jsonl", code=("-c", WITHOUT_TQDM), stdin=rows)
    assert shown.startswith("\r1 rows\r2 rows\r3 rows\r\nmodel ")


@pytest.mark.parametrize("code", [("-m", "llmkit"), ("-c", WITHOUT_TQDM)], ids=["tqdm", "none"])
def test_no_bar(three, code):
    _, shown = at_a_terminal(three, "a.txt", "-o", "out.jsonl", "--no-progress", code=code)
    assert "\r" not in shown.replace("\r\n", "\n")
    assert shown.startswith("model ")


# ---- what people are told to type ------------------------------------------------------------------------------------


def examples(text):
    return [line.strip() for line in text.splitlines() if re.search(r"(^|\| )\s*llmkit map ", line)]


TYPED = {
    "--help": examples(_EXAMPLES),
    "README.md": examples((ROOT / "README.md").read_text()),
    "docs/bulk.md": examples((ROOT / "docs" / "bulk.md").read_text()),
}


def typed(line, server, capsys):
    """What a line comes to: its exit code, its output and its errors; one with a pipe is a shell's."""
    _, *words = shlex.split(line)
    if "|" not in words:
        return main([*words, "--base-url", server.url]), *capsys.readouterr()
    run = f"{shlex.quote(sys.executable)} -m llmkit map --base-url {server.url} "
    done = subprocess.run(
        line.replace("llmkit map ", run), shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("page", TYPED)
def test_examples(server, capsys, page):
    """Each is run in a folder with the files that they name."""
    Path("questions.txt").write_text("Why is the sky blue?\nAnd the sea?\n")
    Path("articles.jsonl").write_text('{"text": "a", "id": "one"}\n{"text": "b"}\n')
    Path("articles.csv").write_text("text,language\na,French\nb,Dutch\n")
    assert TYPED[page]
    for line in TYPED[page]:
        for output in Path().glob("out.*"):
            output.unlink()
        begun = len(server.requests)
        code, out, err = typed(line, server, capsys)
        assert code == 0, (line, err)
        assert len(server.requests) == begun + 2, line
        (output,) = [path.read_text() for path in Path().glob("out.*")] or [out]
        assert len(output.splitlines()) in (2, 3), line


def test_help(capsys):
    assert main(["map", "--help"]) == 0
    assert _EXAMPLES in capsys.readouterr().out
