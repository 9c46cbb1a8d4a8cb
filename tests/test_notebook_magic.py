"""`%load_ext llmkit`: `%%llm` and `%llm` in a shell of IPython's; test_notebook_kernel.py has a notebook's kernel."""

import pickle
import re
from pathlib import Path

import pytest
from attrs import frozen
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from llmkit import (
    AuthenticationError,
    Chat,
    ConfigurationError,
    Image,
    IncompleteStreamError,
    OutputError,
    Text,
    ToolCall,
    ToolResult,
    UnknownProviderError,
    UserMessage,
)
from llmkit.media import png
from llmkit.notebook.arguments import parsed

RED = Image.of(png.encode(b"\xff\0\0", 1, 1, 3))


@pytest.fixture
def shell(server, tmp_path, monkeypatch):
    """One that keeps nothing, with a `client` of the server."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    found = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    found.run_line_magic("load_ext", "llmkit")
    found.user_ns["client"] = server.client("anthropic", model="m", max_retries=0)
    return found


def run(shell, text):
    """A cell that does not fail; what it has printed is left to `capsys`."""
    shell.run_cell(text).raise_error()


def failing(shell, text):
    """The error of a cell that fails."""
    return shell.run_cell(text).error_in_exec


def test_a_cell_is_asked(shell, server, capsys):
    server.reply("Because of the light.")
    run(shell, "%%llm client\nWhy is the sky blue?\n")
    assert server.requests[0].messages == [UserMessage("Why is the sky blue?")]
    assert shell.user_ns["_llm"].text == "Because of the light."
    assert "Because of the light." in capsys.readouterr().out


def test_variables_are_filled_in(shell, server):
    run(shell, "names = ['Ada', 'Bob']\nwidth = 3")
    run(shell, "%%llm client\nHello {names[0]}, {width:04d} {{braces}}\nand $HOME")
    assert server.requests[0].messages == [UserMessage("Hello Ada, 0003 {braces}\nand $HOME")]


def test_a_missing_variable_is_told_before_anything_is_sent(shell, server):
    error = failing(shell, "%%llm client\nHello {nobody}!")
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("{nobody}: there is no 'nobody'")
    assert server.requests == []


def test_text_as_it_stands(shell, server):
    run(shell, '%%llm client --raw\n{"a": {client}}')
    assert server.requests[0].messages == [UserMessage('{"a": {client}}')]


def test_a_picture_in_the_text(shell, server):
    shell.user_ns["red"] = RED
    run(shell, "%%llm client\nWhat is {red}?")
    assert server.requests[0].messages == [UserMessage(["What is ", RED, "?"])]


def test_options(shell, server, tmp_path):
    (tmp_path / "a b.png").write_bytes(png.encode(b"\xff\0\0", 1, 1, 3))
    shell.user_ns["pictures"] = [Image.of(png.encode(b"\0\0\0", 1, 1, 3)), Image.of(png.encode(b"\0\0\1", 1, 1, 3))]
    shell.user_ns["role"] = "a poet"
    line = (
        f'client -m other --system "You are {{role}}." -o answer -a "{tmp_path}/a b.png" -a {{pictures}} '
        "--max-tokens 9 --temperature 0 --timeout 20 --quiet"
    )
    run(shell, f"%%llm {line}\nGo on.")
    (request,) = server.requests
    assert request.json["model"] == "other"
    assert request.json["max_tokens"] == 9
    assert request.json["temperature"] == 0
    assert [part["text"] for part in request.json["system"]] == ["You are a poet."]
    *pictures, text = request.messages[-1].content
    assert [type(part) for part in pictures] == [Image] * 3
    assert text == Text("Go on.")
    assert shell.user_ns["answer"] is shell.user_ns["_llm"]


def test_reasoning_by_word_and_by_budget(shell, server):
    run(shell, "%%llm client --reasoning 2048\nHi")
    assert server.requests[0].json["thinking"]["budget_tokens"] == 2048


def test_a_quiet_cell_shows_nothing(shell, server, capsys):
    run(shell, "%%llm client -q\nHi")
    assert capsys.readouterr().out == ""
    assert shell.user_ns["_llm"].text == "Hi"


@frozen
class City:
    name: str


def test_an_answer_as_an_object(shell, server):
    server.reply('[{"name": "Oslo"}]')
    shell.user_ns["City"] = City
    run(shell, "%%llm client -o cities --type list[City]\nThe cities of Norway?")
    assert shell.user_ns["cities"].output == [City("Oslo")]


def test_an_answer_that_does_not_fit(shell, server):
    server.reply("no JSON")
    shell.user_ns["City"] = City
    assert isinstance(failing(shell, "%%llm client --type City\n?"), OutputError)


def test_tools_are_run(shell, server):
    server.reply(ToolCall("1", "weather", {"city": "Ely"}))
    server.reply("Wet.")
    run(shell, 'def weather(city: str) -> str:\n    """The weather."""\n    return f"rain in {city}"')
    run(shell, "%%llm client --tool weather\nThe weather in Ely?")
    (result,) = server.requests[1].messages[-1].content
    assert isinstance(result, ToolResult)
    assert result.content == (Text("rain in Ely"),)
    assert shell.user_ns["_llm"].text == "Wet."


def test_a_chat_goes_on(shell, server):
    run(shell, '%%llm client --chat talk --system "Be brief."\nOne.')
    run(shell, "%%llm --chat talk\nTwo.")
    assert isinstance(shell.user_ns["talk"], Chat)
    assert [message.text for message in server.requests[1].messages] == ["Be brief.", "One.", "One.", "Two."]
    run(shell, "%%llm client --chat talk\nThree, of whom it began with.")
    assert len(server.requests) == 3


def test_a_chat_of_the_notebooks_own(shell, server):
    run(shell, "talk = client.chat(system='Be kind.')")
    run(shell, "%llm -c talk Hello")
    assert server.requests[0].json["system"][0]["text"] == "Be kind."
    assert len(shell.user_ns["talk"].messages) == 2


def test_a_chat_that_is_there_keeps_what_is_its_own(shell, server):
    """Also where something else holds for the cells around it."""
    shell.user_ns["talk"] = server.client("openai", model="gpt-x").chat(system="Be kind.", max_tokens=99)
    run(shell, '%llm client --system "Be brief." --max-tokens 9')
    run(shell, "%llm -c talk Hello")
    run(shell, "%llm -c talk --max-tokens 50 Hello")
    one, other = (each.json for each in server.requests)
    assert (one["model"], one["instructions"], one["max_output_tokens"]) == ("gpt-x", "Be kind.", 99)
    assert (other["model"], other["instructions"], other["max_output_tokens"]) == ("gpt-x", "Be kind.", 50)


def test_a_chat_is_as_before_where_it_fails(shell, server):
    run(shell, "%llm client -c talk One.")
    server.fault("cut stream", after=3)
    assert isinstance(failing(shell, "%llm -c talk Two."), IncompleteStreamError)
    assert len(shell.user_ns["talk"].messages) == 2


LINES = {
    "apostrophes and quotes": ('client What\'s "up", Doc?', 'What\'s "up", Doc?'),
    "a question in quotes": ('client "anthropic is who?"', "anthropic is who?"),
    "options before it": ("client --max-tokens 5 -q Go --on", "Go --on"),
    "options before who": ("-q client Hi", "Hi"),
    "a variable": ("client 1 + 1 = {number}", "1 + 1 = 2"),
    "nobody's name first": ("--quiet clients are who?", "clients are who?"),
    "a dash": ("client -5 + 3?", "-5 + 3?"),
    "an apostrophe first": ("client 'tis what?", "'tis what?"),
}


@pytest.mark.parametrize(("line", "asked"), LINES.values(), ids=LINES.keys())
def test_a_line_is_asked(line, asked, shell, server):
    shell.user_ns["number"] = 2
    run(shell, "%llm client")
    run(shell, f"%llm {line}")
    assert server.requests[0].messages == [UserMessage(asked)]


def asked(line):
    return f"get_ipython().run_line_magic('llm', {line!r})\n"


QUESTIONS = {
    "a question": ("%llm Why?\n", asked("Why?")),
    "with quotes": ('%llm "What\'s up?"?', asked('"What\'s up?"?')),
    "with an apostrophe": ("%llm What's up?\n", asked("What's up?")),
    "with a bracket": ("%llm What is in (this?\nx = 1\n", asked("What is in (this?") + "x = 1\n"),
    "after a line": ("x = 1\n%llm Why? \n", "x = 1\n" + asked("Why?")),
    "in a loop": ("for x in y:\n    %llm {x}?\n", "for x in y:\n    " + asked("{x}?")),
    "two": ("%llm What's up?\n%llm Don't you know?\n", asked("What's up?") + asked("Don't you know?")),
    "in a text": ('x = """\n%llm Why?\n"""\n', 'x = """\n%llm Why?\n"""\n'),
    "help": ("%llm?\n", "get_ipython().run_line_magic('pinfo', '%llm')\n"),
    "the text of a cell": (
        "%%writefile notes\n%llm Why?\n",
        "get_ipython().run_cell_magic('writefile', 'notes', '%llm Why?\\n')\n",
    ),
}


@pytest.mark.parametrize(("cell", "expected"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_mark_asks_for_no_help(cell, expected, shell):
    """Which is what IPython takes one at the end of a line for."""
    assert shell.transform_cell(cell) == expected


def test_a_path_with_backslashes():
    line = parsed(r'-a C:\photos\cat.png -a "C:\my photos\cat.png" What?', lambda _: False)
    assert line.options.attach == [r"C:\photos\cat.png", r"C:\my photos\cat.png"]
    assert line.prompt == "What?"


def test_what_holds_for_all(shell, server, capsys):
    run(shell, '%llm client --system "Be brief." --max-tokens 9')
    assert capsys.readouterr().out == "%llm: client system='Be brief.' max_tokens=9\n"
    run(shell, "%llm Hi")
    run(shell, "%%llm --max-tokens 5\nHo")
    asked = [(each.json["system"][0]["text"], each.json["max_tokens"]) for each in server.requests]
    assert asked == [("Be brief.", 9), ("Be brief.", 5)]
    capsys.readouterr()
    run(shell, "%llm")
    assert capsys.readouterr().out == "%llm: client system='Be brief.' max_tokens=9\n"
    run(shell, "%llm client")
    run(shell, "%llm Hi")
    assert "system" not in server.requests[-1].json


def test_a_provider_is_asked_by_its_name(shell, server):
    with server.everywhere():
        run(shell, "%%llm openai-chat:gpt-x\nHi")
        run(shell, "%llm groq Hi")
        run(shell, "%llm groq Ho")
        run(shell, "%llm Who is asked where nobody is named?")
    paths = [(each.path.partition("?")[0], each.json["model"]) for each in server.requests]
    assert paths[0] == ("/v1/chat/completions", "gpt-x")
    assert paths[1][0].endswith("/chat/completions")
    assert paths[3][0] == "/v1/messages", "Anthropic, as by llmkit ask"


WRONG = {
    "nobody": ("%%llm nobody\nHi", UnknownProviderError, "none is named 'nobody'"),
    "an option": ("%%llm client --sistem x\nHi", ConfigurationError, "%llm: unrecognized arguments: --sistem"),
    "a number": ("%llm client --max-tokens many Hi", ConfigurationError, "%llm: argument --max-tokens: invalid int"),
    "no value": ("%llm client --max-tokens", ConfigurationError, "%llm: argument --max-tokens: expected one"),
    "bounds": ("%llm client --max-tokens 0 Hi", ConfigurationError, "max_tokens: "),
    "two texts": ("%%llm client Hello\nHi", ConfigurationError, "%%llm: Hello: what is asked stands below this line"),
    "an empty cell": ("%%llm client\n \n", ConfigurationError, "%%llm: nothing is asked"),
    "a tool that is not there": ("%llm client --tool f Hi", ConfigurationError, "--tool: there is no variable 'f'"),
    "a tool that is none": ("%llm client --tool number Hi", ConfigurationError, "tools"),
    "an attachment": ("%llm client -a {photo} Hi", ConfigurationError, "--attach: there is no variable 'photo'"),
    "a file": ("%llm client -a no-such.png Hi", ConfigurationError, "no-such.png"),
    "a type": ("%llm client --type Citi Hi", ConfigurationError, "--type: Citi: NameError"),
    "no chat": ("%llm client -c number Hi", ConfigurationError, "--chat: number is a int, no chat"),
    "instructions that are none": ('%llm client -s "{red}" Hi', ConfigurationError, "system"),
    "a name": ("%llm client -o a-b Hi", ConfigurationError, "'a-b' is no name of a variable"),
    "a word of Python's": ("%llm client -o class Hi", ConfigurationError, "'class' is no name of a variable"),
    "what is no concern of a prompt's": (
        "%llm client {client.__class__.__init__.__globals__}",
        ConfigurationError,
        "names that begin with _ are private",
    ),
    "another's chat": ("%llm client -c talk Hi", ConfigurationError, "--chat: talk goes on with whom it began with"),
}


@pytest.mark.parametrize(("cell", "cls", "problem"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_before_anything_is_sent(cell, cls, problem, shell, server):
    shell.user_ns |= {"number": 2, "talk": server.client("openai").chat(), "red": RED}
    error = failing(shell, cell)
    assert isinstance(error, cls)
    assert problem in str(error)
    assert server.requests == []


def test_an_error_is_shown_in_a_line(shell, server, capsys):
    server.fault("bad key")
    error = failing(shell, "%%llm client\nHi")
    assert isinstance(error, AuthenticationError)
    shown = capsys.readouterr()
    assert (shown.out + shown.err).strip().startswith("AuthenticationError: 401 ")
    assert "Traceback" not in shown.out + shown.err
    assert pickle.loads(pickle.dumps(error)).status == 401


def test_what_had_come_is_kept(shell, server):
    server.reply("One two three four.")
    server.fault("cut stream", after=3)
    assert isinstance(failing(shell, "%%llm client -o answer\nCount."), IncompleteStreamError)
    assert shell.user_ns["answer"].finish_reason.reason == "unfinished"
    assert shell.user_ns["answer"] is shell.user_ns["_llm"]
    assert "One two three four.".startswith(shell.user_ns["answer"].text)


def test_what_had_come_is_kept_of_one_that_is_interrupted(shell, server, capsys):
    server.reply([Text("I look."), ToolCall("1", "look", {})])

    def look():
        """Look."""
        raise KeyboardInterrupt

    shell.user_ns["look"] = look
    error = failing(shell, "%%llm client -o answer --tool look\nLook.")
    assert isinstance(error, KeyboardInterrupt)
    assert shell.user_ns["answer"].text == "I look."
    assert "KeyboardInterrupt: interrupted; what had come is in answer" in capsys.readouterr().out


def test_the_cells_of_the_page(shell, server):
    """Those of docs/notebook.md, in their order; test_docs.py runs its blocks of Python."""
    page = (Path(__file__).parent.parent / "docs" / "notebook.md").read_text()
    cells = re.findall(r"(?:<!-- (server\.[^\n]*) -->\n)?```ipython\n(.*?)```", page, re.DOTALL)
    assert len(cells) == page.count("```ipython")
    shell.run_line_magic("unload_ext", "llmkit")
    with server.everywhere():
        for script, cell in cells:
            exec(script, {"server": server, "ToolCall": ToolCall})
            run(shell, cell)
    assert server.scripted == 0
    assert len(shell.user_ns["talk"].messages) == 6
    assert shell.user_ns["cities"].output == ["Bergen", "Milan"]
    assert shell.user_ns["_llm"] is shell.user_ns["cities"]


def test_help(shell, capsys):
    run(shell, "%llm --help")
    assert "--attach FILE" in capsys.readouterr().out
    assert "--attach FILE" in shell.find_line_magic("llm").__doc__


def test_it_is_loaded_again_and_unloaded(shell, capsys):
    run(shell, "%load_ext llmkit")
    assert "already loaded" in capsys.readouterr().out
    run(shell, "%reload_ext llmkit")
    assert shell.find_cell_magic("llm") is not None
    run(shell, "%unload_ext llmkit")
    assert shell.find_cell_magic("llm") is None
    assert shell.find_line_magic("llm") is None
    assert "pinfo" in shell.transform_cell("%llm Why?")
