"""`llmkit chat`: its lines, its commands, what is kept of what goes wrong; and a person who sits before it."""

import contextlib
import io
import re
import sys

import pytest
from terminals import TmuxTerminal, needs_tmux

from llmkit import Client, Image, OverloadedError, Thinking, ToolCall, ToolResult, Usage
from llmkit.cli import commands, main
from llmkit.cli.commands import completed
from llmkit.cli.lines import said
from llmkit.cli.session import Session
from llmkit.history import loads
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer

KEY = "ANTHROPIC_API_KEY"


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def talk(server, capsys, monkeypatch, tmp_path):
    """Lines → code, standard output, standard error: of a chat without a terminal, in a folder of its own."""
    monkeypatch.setenv(KEY, "test-key")
    monkeypatch.setenv("LLMKIT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*lines, arguments=()):
        data = "".join(f"{line}\n" for line in lines).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = main(["chat", "--base-url", server.url, *arguments])
        return code, *capsys.readouterr()

    return run


def asked(server, which=-1):
    """The texts of a request's conversation."""
    return [message.text for message in server.requests[which].messages]


# ---- lines -----------------------------------------------------------------------------------------------------------


class Read:
    """Lines that are there."""

    def __init__(self, text):
        self._lines = iter(text.splitlines())

    def ask(self, _):
        try:
            return next(self._lines)
        except StopIteration:
            raise EOFError from None


LINES = {
    "one": ("Hi\n", ["Hi"]),
    "two": ("Hi\nBye\n", ["Hi", "Bye"]),
    "backslash": ("a\\\nb\\\nc\nd", ["a\nb\nc", "d"]),
    "two backslashes": ("C:\\\\\nd", ["C:\\\\", "d"]),
    "backslash at the end": ("a\\", ["a"]),
    "quotes": ('"""\na\n\n  b\n"""\nc', ["a\n\n  b", "c"]),
    "quotes around text": ('"""a\nb"""', ["a\nb"]),
    "quotes in a line": ('"""a"""', ["a"]),
    "quotes that nobody ends": ('"""\na\nb', ["a\nb"]),
    "backslash among quotes": ('"""\na\\\nb\n"""', ["a\\\nb"]),
    "empty": ("\n\n", ["", ""]),
}


@pytest.mark.parametrize(("text", "expected"), LINES.values(), ids=LINES.keys())
def test_lines(text, expected):
    lines = Read(text)
    assert list(iter(lambda: said(lines), None)) == expected


def test_conversation(server, talk):
    server.reply("Hello!")
    server.reply("You said hi.")
    assert talk("Hi", "", "What did I say?") == (0, "Hello!\nYou said hi.\n", "")
    assert asked(server) == ["Hi", "Hello!", "What did I say?"]


def test_lines_that_are_no_text(server, monkeypatch, capsys):
    monkeypatch.setenv(KEY, "test-key")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Hi\n\xff\xfe\n"), encoding="utf-8"))
    assert main(["chat", "--base-url", server.url]) == 2
    assert capsys.readouterr() == ("", "llmkit: standard input is no text\n")


def test_line_that_begins_with_the_mark(server, talk):
    assert talk("//etc/hosts is what?")[:2] == (0, "/etc/hosts is what?\n")


def test_options_hold_for_all_of_it(server, talk):
    options = ["-m", "claude-opus-5", "-s", "Be brief.", "--max-tokens", "7", "--temperature", "0.5"]
    assert talk("a", "b", arguments=options)[0] == 0
    for request in server.requests:
        assert (request.json["model"], request.json["max_tokens"], request.json["temperature"]) == (
            "claude-opus-5",
            7,
            0.5,
        )
        assert request.messages[0].text == "Be brief."


def test_failure_ends_it_where_nobody_sees_it(server, talk):
    server.fault("bad key")
    code, out, err = talk("a", "b")
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert len(server.requests) == 1


def test_nobody_is_there(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["chat"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


# ---- commands --------------------------------------------------------------------------------------------------------


# lines → (what the last request says, what standard error has)
COMMANDS = {
    "undo": (["a", "b", "/undo", "c"], ["a", "a", "c"], "forgotten: b\n"),
    "undo all": (["a", "/undo", "b"], ["b"], "forgotten: a\n"),
    "new": (["a", "/new", "b"], ["b"], "a new conversation\n"),
    "retry": (["a", "b", "/retry"], ["a", "a", "b"], ""),
    "system": (["/system Be brief.", "a"], ["Be brief.", "a"], "Be brief.\n"),
    "no system": (["/system x", "/system -", "a"], ["a"], "x\nthere are no instructions\n"),
    "history": (["a\\", "b", "/history"], ["a\nb"], "> a\n> b\na\nb\n"),
    "nothing said": (["/history", "a"], ["a"], "nothing was said\n"),
    "quit": (["a", "/quit", "b"], ["a"], ""),
    "exit": (["a", "/exit", "b"], ["a"], ""),
    "model": (["/model claude-opus-5", "a"], ["a"], "anthropic:claude-opus-5 answers\n"),
    "which model": (["/model", "a"], ["a"], "anthropic:claude-sonnet-5 answers\n"),
    "nothing attached": (["/attach", "a"], ["a"], "nothing is attached\n"),
}


@pytest.mark.parametrize(("lines", "expected", "told"), COMMANDS.values(), ids=COMMANDS.keys())
def test_command(server, talk, lines, expected, told):
    code, _, err = talk(*lines)
    assert (code, err) == (0, told)
    assert asked(server) == expected


WRONG = {
    "no such command": ("/modle", "there is no command /modle: did you mean /model?"),
    "nothing like it": ("/xyzzy", "there is no command /xyzzy: /help tells which there are"),
    "too much": ("/undo all", "/undo takes nothing behind it"),
    "nothing to undo": ("/undo", "nothing was asked"),
    "nothing to retry": ("/retry", "nothing was asked"),
    "nothing to save": ("/save x.json", "nothing was said"),
    "no such file": ("/attach /nowhere/x.png", "/nowhere/x.png"),
    "half a quote": ("/attach 'a", "No closing quotation"),
    "no such provider's model": ("/model groq:", "GROQ_API_KEY"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG.keys())
def test_command_that_cannot_be(talk, monkeypatch, line, said):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    code, out, err = talk(line)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_help_lists_all(talk):
    err = talk("/help")[2]
    assert all(f"\n/{command.name} " in f"\n{err}" for command in commands.COMMANDS)
    for named in ("/help", "/save", "/model", "/attach", "/undo", "/cost", "/retry", "/new", "/system"):
        assert named in err


def test_attached_goes_with_the_next_question_alone(server, talk, tmp_path):
    (tmp_path / "a b.png").write_bytes(png(bytes(12), 2, 2, 3))
    err = talk("/attach 'a b.png'", "What?", "And?")[2]
    assert err.startswith("goes with the next question: [a b.png, image/png, ")
    first, _, last = server.requests[-1].messages
    assert [type(part).__name__ for part in first.content] == ["Image", "Text"]
    assert isinstance(first.content[0], Image)
    assert [part.text for part in last.content] == ["And?"]


def test_attached_from_the_beginning(server, talk, tmp_path):
    (tmp_path / "a.png").write_bytes(png(bytes(12), 2, 2, 3))
    assert talk("What?", arguments=["-a", "a.png"])[0] == 0
    assert isinstance(server.requests[-1].messages[0].content[0], Image)


def test_detached(server, talk, tmp_path):
    (tmp_path / "a.png").write_bytes(png(bytes(12), 2, 2, 3))
    assert talk("/attach a.png", "/detach", "What?")[2].endswith("nothing is attached\n")
    assert [type(part).__name__ for part in server.requests[-1].messages[0].content] == ["Text"]


def test_cost(server, talk):
    server.reply("a", usage=Usage(1000, 20, cache_read_tokens=400))
    server.reply("b", usage=Usage(1100, 30))
    err = talk("a", "/undo", "b", "/cost")[2]
    assert "2,100 tokens read (400 of them cached), 50 written" in err, "what was taken back was paid, too"


def test_saved_and_gone_on_with(server, talk, tmp_path):
    code, _, err = talk("a", "/save talk.json")
    assert (code, err) == (0, "saved: llmkit chat talk.json goes on with it\n")
    assert [message.text for message in loads((tmp_path / "talk.json").read_text())] == ["a", "a"]
    assert talk("b", arguments=["talk.json"])[0] == 0
    assert asked(server) == ["a", "a", "b"]


def test_saved_again(talk, tmp_path):
    place = tmp_path / "a b.json"
    assert talk("a", "/save 'a b.json'", "b", "/save", "/save 'a b.json'")[0] == 0
    assert len(loads(place.read_text())) == 4
    assert talk("/undo", "/save", arguments=["a b.json"])[0] == 0
    assert len(loads(place.read_text())) == 2
    assert not (tmp_path / "state").exists()


def test_new_conversation_is_another_file(talk, tmp_path):
    code, _, err = talk("a", "/save x.json", "/new", "b", "/save x.json")
    assert code == 2
    assert "x.json exists" in err


def test_nothing_is_overwritten(talk, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = talk("a", "/save mine.txt")
    assert code == 2
    assert "mine.txt exists" in err
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_nothing_is_kept_unasked(talk, tmp_path):
    assert talk("a")[0] == 0
    assert not (tmp_path / "state").exists()


def test_kept(server, talk, tmp_path):
    assert talk("a", arguments=["-c"])[0] == 0
    assert talk("b", arguments=["-c"])[0] == 0
    assert asked(server) == ["a", "a", "b"]
    (kept,) = (tmp_path / "state").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert talk("c", "/save")[2] == f"kept in {kept}: llmkit chat -c goes on with it\n"
    assert talk("d", arguments=["-c"])[0] == 0
    assert asked(server) == ["c", "c", "d"]


def test_kept_and_broken(server, talk, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "last.json").write_text("{", encoding="utf-8")
    code, _, err = talk("a", arguments=["-c"])
    assert (code, not server.requests) == (2, True)
    assert err.endswith("; `llmkit ask --new` begins another conversation\n")


def test_what_is_undone_is_not_kept(server, talk):
    assert talk("a", "b", "/undo", arguments=["-c"])[0] == 0
    assert talk("/new", arguments=["-c"])[0] == 0, "nothing takes its place"
    assert talk("c", arguments=["-c"])[0] == 0
    assert asked(server) == ["a", "a", "c"]


def test_one_file_alone(talk):
    code, _, err = talk("a", "/save a b")
    assert code == 2
    assert "one file is enough" in err


def test_two_conversations_to_go_on_with(talk):
    code, _, err = talk("a", arguments=["-c", "x.json"])
    assert code == 2
    assert "leave FILE out" in err


def test_other_provider(server, monkeypatch, capsys, tmp_path):
    """The conversation goes on there; what it is not told is said."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n/model gemini:gemini-x\nb\n"))
    with server.everywhere():
        assert main(["chat"]) == 0
    assert capsys.readouterr().err == "gemini:gemini-x answers\n"
    assert "gemini-x" in server.requests[-1].path
    assert asked(server) == ["a", "a", "b"]


TOOL = '''
import time

def wait() -> str:
    """Nothing comes of it."""
    time.sleep(600)

def weather(city: str) -> str:
    """The weather."""
    return f"4 °C in {city}"
'''


def test_tools(server, talk, tmp_path):
    (tmp_path / "chat_tools.py").write_text(TOOL, encoding="utf-8")
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply("It is 4 °C.")
    code, out, _ = talk("How cold?", "/history", arguments=["--tool", "chat_tools:weather", "--yes"])
    assert (code, out) == (0, "It is 4 °C.\n")
    assert server.requests[-1].json["tools"][0]["name"] == "weather"


COMPLETED = {
    "commands": ("/", {"/help ", "/model ", "/quit ", "/undo "}),
    "a command": ("/und", {"/undo "}),
    "a provider": ("/model anth", {"anthropic:"}),
    "a file": ("/attach pho", {"photo.jpg "}),
    "a folder": ("/attach b.png fo", {"folder/"}),
    "in a folder": ("/attach folder/", {"folder/x.png "}),
    "a name with blanks": ("/attach a", {"'a b.png' "}),
    "nothing": ("Hi", set()),
    "not hidden": ("/save ", {"photo.jpg ", "folder/", "'a b.png' "}),
}


@pytest.mark.parametrize(("line", "expected"), COMPLETED.values(), ids=COMPLETED.keys())
def test_completed(monkeypatch, tmp_path, line, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in ("photo.jpg", ".hidden", "folder/x.png", "a b.png"):
        (tmp_path / name).touch()
    found = set(completed(line))
    assert found >= expected
    assert line == "/" or found == expected


# ---- what is kept ----------------------------------------------------------------------------------------------------


@pytest.fixture
def session(server):
    def clients(name, **more):
        return Client(name, api_key="k", base_url=server.url, max_retries=0, **more)

    with contextlib.closing(Session(clients, "anthropic", {}, {})) as session:
        yield session


def texts(session):
    return [message.text for message in session.messages]


def read(stream, count):
    return [next(stream) for _ in range(count)]


def test_stopped(server, session):
    server.reply("one two three")
    stream = session.ask("Count.")
    read(stream, 2)
    assert session.stopped(stream)
    assert texts(session) == ["Count.", "one two"]
    assert session.bill.stopped == 1
    session.ask("Go on.").collect()
    assert asked(server) == ["Count.", "one two", "Go on."]


def test_stopped_before_anything_came(server, session):
    server.reply("one two three")
    assert not session.stopped(session.ask("Count."))
    assert texts(session) == []
    session.retry().collect()
    session.answered()
    assert texts(session) == ["Count.", "Count."]


def test_stopped_when_all_had_come(server, session):
    server.reply("one two three")
    stream = session.ask("Count.")
    stream.collect()
    assert session.stopped(stream)
    assert texts(session) == ["Count.", "one two three"]
    assert session.bill.stopped == 0


@pytest.fixture
def with_tool(server):
    runs = []

    def weather(city: str) -> str:
        """The weather."""
        runs.append(city)
        return "4 °C"

    def clients(name, **more):
        return Client(name, api_key="k", base_url=server.url, max_retries=0, **more)

    with contextlib.closing(Session(clients, "anthropic", {"tools": [weather]}, {})) as session:
        yield session, runs


def test_stopped_after_a_tool(server, with_tool):
    session, runs = with_tool
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply("It is 4 °C there")
    stream = session.ask("How cold?")
    while not isinstance(next(stream), ToolResult):
        pass
    read(stream, 2)
    assert session.stopped(stream)
    kinds = [[type(part).__name__ for part in message.content] for message in session.messages]
    assert kinds == [["Text"], ["ToolCall"], ["ToolResult"], ["Text"]]
    assert session.messages[-1].text == "It is"
    assert session.undo().text == "How cold?"
    assert session.messages == []
    assert runs == ["Oslo"]


def test_what_was_run_is_not_run_again(server, with_tool):
    """The question fails behind the tool: what is asked again goes on from there."""
    session, runs = with_tool
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply(OverloadedError("too much", status=529))
    server.reply("4 °C.")
    with pytest.raises(OverloadedError) as caught:
        session.ask("How cold?").collect()
    session.refused(caught.value)
    assert texts(session) == []
    assert session.retry().collect().text == "4 °C."
    session.answered()
    assert runs == ["Oslo"]
    assert len(session.messages) == 4


def test_failed_question_can_be_another(server, session):
    server.reply(OverloadedError("too much", status=529))
    with pytest.raises(OverloadedError) as caught:
        session.ask("a").collect()
    session.refused(caught.value)
    session.ask("b").collect()
    session.answered()
    assert texts(session) == ["b", "b"]
    assert session.failed == ()


def test_attached_until_it_has_an_answer(server, session, tmp_path):
    (tmp_path / "a.png").write_bytes(png(bytes(12), 2, 2, 3))
    session.attach(str(tmp_path / "a.png"))
    server.reply(OverloadedError("too much", status=529))
    with pytest.raises(OverloadedError) as caught:
        session.ask("What?").collect()
    session.refused(caught.value)
    assert len(session.attached) == 1
    session.retry().collect()
    session.answered()
    assert session.attached == []
    assert isinstance(server.requests[-1].messages[0].content[0], Image)


def test_what_another_provider_is_not_told(server, session):
    server.reply([Thinking("Hm.", "signature", wire="anthropic-messages"), "Hello"])
    session.ask("Hi").collect()
    session.answered()
    assert "thinking" in {loss.kind for loss in session.go_to("openai-chat:gpt-x")}
    assert session.model == "openai-chat:gpt-x"
    session.ask("Again").collect()
    assert server.requests[-1].json["model"] == "gpt-x"
    assert asked(server) == ["Hi", "Hello", "Again"]


# ---- somebody sits before it -----------------------------------------------------------------------------------------


@pytest.fixture
def terminal(server, tmp_path):
    """A chat in a terminal, which is ready to be asked."""
    arguments = [sys.executable, "-m", "llmkit", "chat", "--base-url", server.url]
    environment = {KEY: "test-key", "LLMKIT_STATE": str(tmp_path / "state"), "NO_COLOR": ""}

    @contextlib.contextmanager
    def sit(*more):
        with TmuxTerminal([*arguments, *more], environment=environment, folder=tmp_path) as terminal:
            terminal.see(ready)
            yield terminal

    return sit


def ready(screen):
    return screen.splitlines()[-1:] == [">"]


@needs_tmux
def test_in_a_terminal(server, terminal):
    server.reply("Some **bold** words.")
    with terminal() as seen:
        assert "anthropic:claude-sonnet-5 answers; /help" in seen.screen
        seen.type("Hello")
        seen.press("Enter")
        seen.see("Some bold words.")
        assert "\x1b[1mbold" in seen.colours
        assert re.search(r"claude-sonnet-5: [\d,]+ tokens read, [\d,]+ written", seen.see("written"))
        # Tab completes commands, Ctrl-C clears what was typed, an arrow brings back what was asked.
        seen.type("/und")
        seen.press("Tab", "Enter")
        seen.see("forgotten: Hello")
        seen.type("not this")
        seen.press("C-c")
        seen.see(ready)
        seen.press("Up", "Up", "Enter")
        seen.see(lambda screen: screen.count("> Hello") == 2 and ready(screen))
        assert asked(server) == ["Hello"]
        seen.press("C-d")
        assert seen.ended() == 0


SHOWN = {
    "plain": ("--plain", "A **bold** word.", False),
    "with thoughts": ("--thinking", "A bold word.", True),
}


@needs_tmux
@pytest.mark.parametrize(("option", "answer", "thoughts"), SHOWN.values(), ids=SHOWN.keys())
def test_how_answers_are_shown(server, terminal, option, answer, thoughts):
    server.reply([Thinking("Hm, which?", "signature"), "A **bold** word."])
    with terminal(option) as seen:
        seen.type("Say it.")
        seen.press("Enter")
        screen = seen.see(lambda screen: "written" in screen and ready(screen))
        assert answer in screen
        assert ("Hm, which?" in screen) == thoughts
        seen.press("C-d")
        assert seen.ended() == 0


@needs_tmux
def test_several_lines_in_a_terminal(server, terminal):
    with terminal() as seen:
        seen.type("one")
        seen.press("M-Enter")
        seen.type("two")
        seen.press("Enter")
        seen.see(lambda screen: ready(screen) and "written" in screen)
        assert asked(server) == ["one\ntwo"]
        seen.paste("three\nfour\n")
        seen.press("Enter")
        seen.see(lambda screen: ready(screen) and screen.count("written") == 2)
        assert asked(server)[-1] == "three\nfour"
        seen.type("/quit")
        seen.press("Enter")
        assert seen.ended() == 0


@needs_tmux
def test_control_c_stops_the_answer_and_not_the_chat(server, terminal):
    server.reply("one two three four")
    server.fault("stall", after=5)
    with terminal() as seen:
        seen.type("Count")
        seen.press("Enter")
        seen.see("one two")
        seen.press("C-c")
        seen.see("stopped: what has come is kept")
        seen.see(ready)
        seen.see(lambda _: len(server.abandoned) == 1)  # the connection is closed
        seen.type("And on")
        seen.press("Enter")
        seen.see(lambda screen: ready(screen) and "written" in screen)
        assert asked(server) == ["Count", "one two", "And on"]
        seen.press("C-d")
        assert seen.ended() == 0


@needs_tmux
def test_failure_is_told_and_asked_again(server, terminal):
    server.fault("bad key")
    with terminal() as seen:
        seen.type("Hi")
        seen.press("Enter")
        seen.see("nothing is kept of it; /retry asks again")
        assert "invalid x-api-key" in seen.screen
        seen.type("/retry")
        seen.press("Enter")
        seen.see("written")
        assert asked(server) == ["Hi"]


@needs_tmux
def test_tools_are_run_if_one_says_so(server, terminal, tmp_path):
    (tmp_path / "chat_tools.py").write_text(TOOL, encoding="utf-8")
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply("I may not know.")
    server.reply(ToolCall("call_2", "weather", {"city": "Rome"}))
    server.reply("4 °C.")
    with terminal("--tool", "chat_tools:weather") as seen:
        for town, answer, expected in (("Oslo", "n", "I may not know."), ("Rome", "y", "4 °C.")):
            seen.type("How cold?")
            seen.press("Enter")
            seen.see(f'Run weather(city="{town}")? [y]es, [a]ll, [N]o:')
            seen.type(answer)
            seen.press("Enter")
            seen.see(lambda screen, expected=expected: expected in screen and ready(screen))
    results = [
        part for message in server.requests[-1].messages for part in message.content if isinstance(part, ToolResult)
    ]
    assert [part.is_error for part in results] == [True, False]


@needs_tmux
def test_control_c_while_nothing_comes(server, terminal):
    server.latency = 600
    with terminal() as seen:
        seen.type("Hi")
        seen.press("Enter")
        seen.see("waiting")
        seen.press("C-c")
        seen.see("stopped: nothing has come")
        server.latency = 0
        seen.type("/retry")
        seen.press("Enter")
        seen.see(lambda screen: ready(screen) and "written" in screen)
        assert asked(server) == ["Hi"]
        assert "waiting" not in seen.screen


@needs_tmux
def test_control_c_wherever_it_comes(server, terminal, tmp_path):
    """Fingers stay on the keys; a tool runs; one is asked whether it may."""
    (tmp_path / "chat_tools.py").write_text(TOOL, encoding="utf-8")
    server.fault("stall", after=5)  # of what is said again
    with terminal("--tool", "chat_tools:weather", "--tool", "chat_tools:wait") as seen:
        for question, expected, answer in (
            ("one two three four", "four\none two", None),
            ("How cold?", "[N]o:", ""),
            ("Wait", "Run wait()? [y]es, [a]ll, [N]o:", "y"),
        ):
            if answer is not None:
                server.reply(ToolCall("call_1", "wait", {}))
            seen.type(question)
            seen.press("Enter")
            seen.see(expected)
            if answer:
                seen.type(answer)
                seen.press("Enter")
            seen.press(*["C-c"] * 10)
            seen.see(lambda screen: "stopped: " in screen and ready(screen))
            seen.type("/new")
            seen.press("Enter", "C-l")
            seen.see(ready)
        seen.type("And on")
        seen.press("Enter")
        seen.see(lambda screen: ready(screen) and "written" in screen)
        assert asked(server) == ["And on"]
        seen.press("C-d")
        assert seen.ended() == 0
        assert "Traceback" not in seen.scrollback
