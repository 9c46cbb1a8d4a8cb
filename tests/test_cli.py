"""The command `llmkit`: in this process for what it says, in one of its own for how it ends."""

import io
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from llmkit import BadRequestError, FinishReason, Image, Refusal, Text, Thinking, Usage
from llmkit.cli import main
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer, Reply

KEY = "ANTHROPIC_API_KEY"


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Interrupting(Terminal):
    def write(self, text):
        raise KeyboardInterrupt


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def at_a_terminal_with_a_key(monkeypatch):
    monkeypatch.setenv(KEY, "test-key")
    monkeypatch.setattr(sys, "stdin", Terminal())


@pytest.fixture
def ask(server, capsys):
    """`llmkit ask` → code, standard output, standard error."""

    def run(*arguments):
        code = main(["ask", "--base-url", server.url, *arguments])
        return code, *capsys.readouterr()

    return run


def command(*arguments, **options):
    """`llmkit` in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != KEY} | options.pop("env", {})
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "llmkit", *arguments], env=environment, **{**pipes, **options})


def finished(process, data=None):
    out, err = process.communicate(data, timeout=60)
    return process.returncode, out.decode(), err.decode()


# ---- ask -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("--no-stream",)])
def test_answer(server, ask, how):
    server.reply([Thinking("Hidden.", "s"), "Blue  light\nscatters."])
    assert ask(*how, "--max-tokens", "99", "Why", "is", "it?") == (0, "Blue  light\nscatters.\n", "")
    assert server.requests[0].messages[-1].text == "Why is it?"
    assert bool(server.requests[0].json.get("stream")) is not bool(how)


def test_answer_that_ends_its_line(server, ask):
    server.reply("Done.\n")
    assert ask("Hi") == (0, "Done.\n", "")


@pytest.mark.parametrize("how", [(), ("--no-stream",)])
def test_answer_without_text(server, ask, how):
    server.reply(())
    assert ask(*how, "Hi") == (0, "", "")


def test_options_are_sent(server, ask, tmp_path):
    picture, notes = tmp_path / "a.png", tmp_path / "b.txt"
    picture.write_bytes(png(bytes(12), 2, 2, 3))
    notes.write_text("n", encoding="utf-8")
    options = ["-m", "claude-opus-5", "-s", "Be brief.", "-a", str(picture), "-a", str(notes)]
    code, _, _ = ask(*options, "--max-tokens", "7", "--temperature", "0.5", "--timeout", "30", "What?")
    assert code == 0
    (request,) = server.requests
    assert (request.json["model"], request.json["max_tokens"], request.json["temperature"]) == ("claude-opus-5", 7, 0.5)
    system, message = request.messages
    assert system.text == "Be brief."
    assert [type(part).__name__ for part in message.content] == ["Image", "Document", "Text"]
    assert isinstance(message.content[0], Image)


def test_model_named_with_the_provider(server, ask):
    assert ask("-p", "anthropic:claude-opus-5", "Hi")[0] == 0
    assert server.requests[0].json["model"] == "claude-opus-5"


INPUTS = {
    "after the prompt": (["Review:"], b"some\ncode\n", "Review:\n\nsome\ncode\n"),
    "alone": ([], b"some code", "some code"),
    "blank": (["Hi"], b" \n", "Hi"),
    "none": (["Hi"], b"", "Hi"),
    "not ASCII": (["Hi"], "Grüße 🦊".encode(), "Hi\n\nGrüße 🦊"),
}


@pytest.mark.parametrize(("words", "data", "expected"), INPUTS.values(), ids=INPUTS.keys())
def test_standard_input(server, ask, monkeypatch, words, data, expected):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert ask(*words)[0] == 0
    assert server.requests[0].messages[-1].text == expected


def test_no_standard_input(server, ask, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert ask("Hi") == (0, "Hi\n", "")


def test_standard_input_that_is_no_text(ask, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x00"), encoding="utf-8"))
    assert ask("Hi") == (2, "", "llmkit: standard input is no text; attach files with -a, or itself with -a -\n")


def test_verbose(server, ask):
    server.reply("Hi", usage=Usage(30, 20, cache_read_tokens=10, reasoning_tokens=5))
    code, out, err = ask("-v", "Hi")
    assert (code, out) == (0, "Hi\n")
    assert err.splitlines() == [
        "llmkit: anthropic, claude-sonnet-5: stop (end_turn)",
        "llmkit: 30 tokens read, 10 of them cached; 20 written, 5 of them reasoning",
    ]


REMARKS = {
    "cut off": (Reply("Once", finish_reason=FinishReason("length")), "limit of tokens (see --max-tokens)"),
    "refused": (Reply(Refusal("No.")), "the model refused to answer"),
    "paused": (Reply("Hm", finish_reason=FinishReason("pause")), "the model paused"),
    "tool": (Reply("Hm", finish_reason=FinishReason("tool_calls")), "a tool"),
    "of tomorrow": (Reply("Hm", finish_reason=FinishReason("other", "bored")), "unusual reason: bored"),
}


@pytest.mark.parametrize(("reply", "remark"), REMARKS.values(), ids=REMARKS.keys())
def test_remark_when_the_answer_is_not_what_it_seems(server, ask, reply, remark):
    server.reply(reply)
    code, out, err = ask("Hi")
    assert code == 0
    assert out.endswith("\n")
    assert err.startswith("llmkit: ")
    assert remark in err
    assert err.count("\n") == 1


def nothing(server):
    pass


# name → (what the server is told, arguments, (the exit code, standard output, what standard error begins with))
FAILURES = {
    "refused by the host": (
        lambda server: server.fault("bad key"),
        ["Hi"],
        (3, "", "401 authentication_error: invalid x-api-key (check the API key)"),
    ),
    "cut off": (
        lambda server: server.fault("cut stream", after=5),
        ["Hi"],
        (9, "one two\n", "the stream ended before message_stop"),
    ),
    "an error in the middle": (
        lambda server: server.fault("error event", after=5),
        ["Hi"],
        (6, "one two\n", "529"),
    ),
    "an error in several lines": (
        lambda server: server.reply(BadRequestError("a\nb\x1b[31m")),
        ["--no-stream", "Hi"],
        (4, "", "400 invalid_request_error: a b\ufffd[31m"),
    ),
    "no prompt": (nothing, [], (2, "", "nothing is asked: pass a prompt")),
    "no such provider": (nothing, ["-p", "nobody", "Hi"], (2, "", "provider: none is named 'nobody'")),
    "no such file": (nothing, ["-a", "/nowhere/x.png", "Hi"], (2, "", "media: ")),
    "too hot": (nothing, ["--temperature", "9", "Hi"], (2, "", "temperature: ")),
}


@pytest.mark.parametrize(("tell", "arguments", "expected"), FAILURES.values(), ids=FAILURES.keys())
def test_failure_is_one_line(server, ask, tell, arguments, expected):
    tell(server)
    server.reply_with(lambda request: "one two three")
    code, out, err = ask(*arguments)
    assert (code, out) == expected[:2]
    assert err.startswith(f"llmkit: {expected[2]}")
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_no_key(capsys, monkeypatch):
    monkeypatch.delenv(KEY)
    assert main(["ask", "Hi"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert KEY in err
    assert "llmkit demo" in err
    assert "api_key" not in err


def test_key_goes_nowhere_else(capsys):
    assert main(["ask", "--base-url", "https://elsewhere.invalid", "Hi"]) == 2
    assert "test-key" not in capsys.readouterr().err


USAGE = {
    "an unknown command": ["sing"],
    "an unknown option": ["ask", "--sing", "Hi"],
    "an abbreviated option": ["ask", "--max", "3", "Hi"],
    "no number": ["ask", "--max-tokens", "many", "Hi"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_usage_error(capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: llmkit")


# arguments → what the last line of the error ends with
MISTAKEN = {
    "misspelt": (["aks"], "did you mean ask?"),
    "misspelt below": (["keys", "lst"], "did you mean list?"),
    "a question": (
        ["Why is the sky blue?"],
        ': a question is asked by llmkit ask "Why is the sky blue?", and llmkit --help has the rest',
    ),
    "a question, where a conversation goes on": (
        ["chat", "Why is the sky blue?"],
        "'Why is the sky blue?' is no file: llmkit chat takes one that /save wrote, and llmkit ask a question",
    ),
    "no model": (["ask", "-p", "ollama", "Hi"], "name it, as in -p provider:model"),
    "no provider": (["ask", "-p", "gpt", "Hi"], "try openai, openai-chat; `llmkit providers` lists all"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKEN.values(), ids=MISTAKEN.keys())
def test_mistake_is_told_what_to_do_instead(capsys, arguments, words):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"{words}\n")


@pytest.mark.parametrize("arguments", [[], ["keys"]])
def test_no_command_is_greeted_with_the_help(capsys, arguments):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert main([*arguments, "--help"]) == 0
    assert (out, err) == (capsys.readouterr().out, "")


def test_help_has_a_line_for_each_command(capsys):
    main(["--help"])
    commands = capsys.readouterr().out.partition("  COMMAND\n")[2].partition("\n\n")[0]
    assert all(re.match(r"    [a-z]+ +\w", line) for line in commands.splitlines()), commands


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["demo", "--help"], ["--version"]])
def test_help(capsys, arguments):
    assert main(arguments) == 0
    assert "llmkit" in capsys.readouterr().out


# where the terminal cannot be drawn on, or is not to be
PLAIN = {"dumb": ("dumb", []), "unknown": ("unknown", []), "asked for": ("xterm", ["--plain"])}


@pytest.mark.parametrize(("named", "how"), PLAIN.values(), ids=PLAIN.keys())
@pytest.mark.parametrize("streaming", [(), ("--no-stream",)])
def test_terminal_is_not_steered_by_an_answer(server, ask, monkeypatch, named, how, streaming):
    server.reply(Text("a\x1b[2Jb\tc\x9bd\r\n"))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", named)
    assert ask(*how, *streaming, "Hi")[0] == 0
    assert terminal.getvalue() == "a[2Jb\tcd\n"


def test_output_elsewhere_is_left_alone(server, ask):
    server.reply("a\x1b[2Jb")
    assert ask("Hi")[1] == "a\x1b[2Jb\n"


def test_control_c_in_this_process(server, ask, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Interrupting())
    assert ask("Hi") == (130, "", "")


def test_nobody_reads_the_output_of_this_process(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="ascii") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main(["demo"]) == 141
        monkeypatch.undo()


# ---- in a process of its own -----------------------------------------------------------------------------------------


def test_process_answers(server):
    server.reply("Grüße 🦊")
    arguments = ("ask", "--base-url", server.url, "What", "is")
    code, out, err = finished(command(*arguments, env={KEY: "k"}, stdin=subprocess.PIPE), b"this?")
    assert (code, out, err) == (0, "Grüße 🦊\n", "")
    assert server.requests[0].messages[-1].text == "What is\n\nthis?"


def test_process_without_an_encoding_for_it(server):
    server.reply("Grüße 🦊")
    environment = {KEY: "k", "PYTHONIOENCODING": "ascii"}
    code, out, err = finished(command("ask", "--base-url", server.url, "Hi", env=environment))
    assert (code, out, err) == (0, "Gr??e ?\n", "")


def test_output_comes_as_it_arrives_and_control_c_is_quiet(server):
    server.reply("one two three")
    server.fault("stall", after=5)
    process = command("ask", "--base-url", server.url, "Hi", env={KEY: "k"})
    assert process.stdout.read(7) == b"one two"
    process.send_signal(signal.SIGINT)
    assert finished(process) == (130, "\n", "")


def test_nobody_reads_the_output(server):
    server.reply_with(lambda request: "word " * 2000)
    server.delay = 0.001
    process = command("ask", "--base-url", server.url, "Hi", env={KEY: "k"})
    assert process.stdout.read(4) == b"word"
    process.stdout.close()
    with process.stderr:
        assert (process.wait(60), process.stderr.read()) == (141, b"")


def test_what_is_told_is_never_taken_for_the_answer(server):
    """Standard error is closed by the shell."""
    words = f"{sys.executable} -m llmkit ask -v --base-url {server.url} Hi 2>&-"
    done = subprocess.run(words, shell=True, capture_output=True, env={**os.environ, KEY: "k"}, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"Hi\n")


def test_help_imports_no_network():
    code = (
        "import sys; from llmkit.cli import main; main(['--help']); "
        "print(*{'requests', 'urllib3', 'attr', 'http.server'} & sys.modules.keys(), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stderr) == (0, "\n")


# ---- providers and params --------------------------------------------------------------------------------------------


def test_providers(capsys):
    from llmkit import providers

    assert main(["providers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *(row.name for row in providers())]
    assert re.search(r"^gemini +gemini-generate +GOOGLE_API_KEY or GEMINI_API_KEY ", "\n".join(lines), re.MULTILINE)
    assert main(["providers", "--json"]) == 0
    (ollama,) = [row for row in json.loads(capsys.readouterr().out) if row["name"] == "ollama"]
    assert (ollama["wire"], ollama["needs_key"], ollama["base_url"]) == ("openai-chat", False, "http://localhost:11434")


def test_params(capsys):
    assert main(["params", "gemini"]) == 0
    out = capsys.readouterr().out
    assert "\ntop_k: int ≥ 1\n" in out
    assert "parallel_tool_calls" not in out
    assert main(["params", "openai", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_tokens"]["example"] == 1024
    assert main(["params", "gemni"]) == 2
    assert "try gemini" in capsys.readouterr().err


# ---- demo ------------------------------------------------------------------------------------------------------------


def test_demo():
    code, out, err = finished(command("demo"))
    assert (code, err) == (0, "")
    assert "no key and no network" in out.splitlines()[0]
    assert "export ANTHROPIC_API_KEY=" in out
    assert re.findall(r"^== (.*) ==$", out, re.MULTILINE) == [
        "1. An answer as it arrives",
        "2. A picture is sent, and the server tells what it got",
        "3. A tool is called, and its result sent back",
        "4. Why it ended, and what it cost",
        "5. A stream that breaks off",
        "With a real key",
    ]
    for name in ("anthropic", "openai", "openai-chat", "gemini"):
        assert len(re.findall(f"^{name}:$", out, re.MULTILINE)) == 5
    for said in (
        "Sunlight holds all colours.",
        "I got image/png, ",
        "The model calls weather with {'city': 'Oslo'}.",
        "It ended because of 'length'.",
        "12 tokens were read and 16 written.",
        "Never taken for whole: the stream ended ",
        "Received: 'One, two, three, four, ",
    ):
        assert len(re.findall(f"^{re.escape(said)}", out, re.MULTILINE)) == 4, said


def test_code_of_the_demo_is_what_runs(capsys):
    from llmkit.cli.scenes import SCENES, Scene

    assert main(["demo"]) == 0
    assert Scene("", print, eval("lambda client: None")).code() == ""
    out = capsys.readouterr().out
    for scene in SCENES:
        assert scene.code() in out
        assert scene.code().startswith("    ")
