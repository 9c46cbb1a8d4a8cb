"""`llmkit ask` beside the plain answer: JSON lines, schemas, tools, attachments, and conversations that are kept."""

import io
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from llmkit import Document, FinishReason, Image, Refusal, Text, Thinking, ToolCall, Usage
from llmkit.cli import main
from llmkit.display.events import NAMES
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer, Reply

PICTURE = png(bytes(12), 2, 2, 3)
TOWN = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture(autouse=True)
def at_a_terminal_with_a_key(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("LLMKIT_STATE", str(tmp_path / "state" / "llmkit"))
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ask(server, capsys):
    """`llmkit ask` → code, standard output, standard error."""

    def run(*arguments):
        code = main(["ask", "--base-url", server.url, *arguments])
        return code, *capsys.readouterr()

    return run


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


# ---- --json ----------------------------------------------------------------------------------------------------------


def test_events_as_json(server, ask):
    server.reply([Thinking("Hm.", "s"), "Blue\u2028ø"], usage=Usage(3, 2))
    code, out, err = ask("--json", "Hi")
    assert (code, err) == (0, "")
    found = lines(out)
    assert len(out.splitlines()) == out.count("\n")  # whatever ends a line for Python
    kinds = [line["type"] for line in found]
    assert kinds[0] == "thinking_delta"
    assert kinds[-4:] == ["text", "finish_reason", "usage", "response"]
    assert "".join(line["text"] for line in found if line["type"] == "text_delta") == "Blue\u2028ø"
    assert found[-3] == {"type": "finish_reason", "reason": "stop", "raw": "end_turn", "stop_sequence": None}
    assert found[-2]["total_tokens"] == 5
    response = found[-1]
    assert (response["text"], response["provider"], response["output"]) == ("Blue\u2028ø", "anthropic", None)
    assert (response["finish_reason"], response["usage"]["output_tokens"]) == ("stop", 2)


def test_whole_answer_as_json(server, ask):
    server.reply("Hi", usage=Usage(3, 2))
    code, out, _ = ask("--json", "--no-stream", "Hi")
    (found,) = lines(out)
    assert (code, found["type"], found["text"]) == (0, "response", "Hi")


# what the server is told, arguments, exit code, what the error event has
WRONG = {
    "refused": (
        lambda server: server.fault("bad key"),
        ["Hi"],
        3,
        {"class": "AuthenticationError", "status": 401, "retryable": False, "text": None},
    ),
    "cut off": (
        lambda server: server.fault("cut stream", after=5),
        ["Hi"],
        9,
        {"class": "IncompleteStreamError", "retryable": True, "text": "one two"},
    ),
    "before anything is sent": (lambda server: None, [], 2, {"class": "ConfigurationError", "retryable": False}),
    "another provider": (lambda server: None, ["-p", "nobody", "Hi"], 2, {"class": "UnknownProviderError"}),
}


@pytest.mark.parametrize(("tell", "arguments", "expected", "about"), WRONG.values(), ids=WRONG.keys())
def test_error_as_json(server, ask, tell, arguments, expected, about):
    tell(server)
    server.reply_with(lambda request: "one two three")
    code, out, err = ask("--json", *arguments)
    last = lines(out)[-1]
    assert (code, last["type"]) == (expected, "error")
    assert {name: last[name] for name in about} == about
    assert err.startswith("llmkit: ")
    assert err.count("\n") == 1


# ---- --schema --------------------------------------------------------------------------------------------------------


def test_answer_that_fits_a_schema(server, ask, tmp_path):
    (tmp_path / "town.json").write_text(json.dumps(TOWN), encoding="utf-8")
    for schema in (json.dumps(TOWN), "town.json"):
        server.reply('{"name": "Tromsø"}')
        assert ask("--schema", schema, "A town?") == (0, '{"name":"Tromsø"}\n', "")
    assert "name" in json.dumps(server.requests[0].json)


def test_answer_that_fits_a_schema_for_people(server, ask, monkeypatch):
    server.reply('{"name": "\\u009b2J"}')
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert ask("--schema", json.dumps(TOWN), "A town?")[0] == 0
    assert sys.stdout.getvalue() == '{\n  "name": "\\u009b2J"\n}\n'


def test_answer_that_does_not_fit(server, ask):
    server.reply('{"name": 5}')
    code, out, err = ask("--schema", json.dumps(TOWN), "A town?")
    assert (code, out) == (10, "")
    assert "$.name: 5 is not of type 'string'" in err


def test_schema_and_events(server, ask):
    server.reply('{"name": "Oslo"}')
    code, out, _ = ask("--json", "--schema", json.dumps(TOWN), "A town?")
    assert (code, lines(out)[-1]["output"]) == (0, {"name": "Oslo"})
    server.reply('{"name": 5}')
    code, out, _ = ask("--json", "--schema", json.dumps(TOWN), "A town?")
    assert (code, lines(out)[-1]["class"]) == (10, "OutputError")


NO_SCHEMAS = {
    "no file": (["--schema", "nowhere.json"], "schema: nowhere.json: No such file or directory"),
    "no JSON": (["--schema", "{type"], "schema: it is no JSON: "),
    "no schema": (["--schema", '{"type": "town"}'], "schema: no JSON Schema: $.type: "),
    "a list": (["--schema", "list.json"], "schema: list.json: expected a JSON object"),
    "too deep": (["--schema", "deep.json"], "schema: deep.json: it is no JSON: "),
}


@pytest.mark.parametrize(("arguments", "said"), NO_SCHEMAS.values(), ids=NO_SCHEMAS.keys())
def test_no_schema(server, ask, tmp_path, arguments, said):
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    (tmp_path / "deep.json").write_text('{"a":' * 100_000, encoding="utf-8")
    code, out, err = ask(*arguments, "A town?")
    assert (code, out) == (2, "")
    assert err.startswith(f"llmkit: {said}")
    assert not server.requests


# ---- --tool ----------------------------------------------------------------------------------------------------------

MODULE = '''
print("imported")

def weather(city: str) -> str:
    """The weather.

    Args:
        city: Where.
    """
    print("looking out of the window")
    return f"sunny in {city}"

class Here:
    @staticmethod
    def now() -> str:
        return "noon"

nothing = 5
'''


@pytest.fixture
def tools(tmp_path, monkeypatch):
    name = f"tools_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield name
    sys.modules.pop(name, None)


def test_tool_is_run(server, ask, tools):
    server.reply(ToolCall("c1", "weather", {"city": "Oslo"}))
    server.reply("It is sunny.")
    code, out, err = ask("--yes", "--tool", f"{tools}:weather", "--tool", f"{tools}:Here.now", "The weather?")
    assert (code, out) == (0, "It is sunny.\n")
    assert err == 'imported\nllmkit: the model calls weather(city="Oslo")\nlooking out of the window\n'
    assert [tool["name"] for tool in server.requests[0].json["tools"]] == ["weather", "now"]
    assert server.requests[1].messages[-1].content[0].text == "sunny in Oslo"


def test_tool_and_events(server, ask, tools):
    server.reply(ToolCall("c1", "weather", {"city": "Oslo"}))
    server.reply("It is sunny.")
    code, out, _ = ask("--json", "--yes", "--tool", f"{tools}:weather", "The weather?")
    assert code == 0
    (result,) = [line for line in lines(out) if line["type"] == "tool_result"]  # what they print goes elsewhere
    assert result["content"][0]["text"] == "sunny in Oslo"


NO_TOOLS = {
    "no function": ("weather", "'weather' is no function: write module:function"),
    "no module": ("nowhere_at_all:f", "there is no module nowhere_at_all, neither here nor installed"),
    "a file": ("tools.py:f", "there is no module tools.py: write module:function"),
    "not there": ("{}:rain", "has no rain"),
    "no function in it": ("{}:nothing", "nothing is no function, but int"),
    "broken": ("broken_tools:f", "broken_tools cannot be imported: ZeroDivisionError: division by zero"),
    "a command": ("leaving_tools:f", "leaving_tools cannot be imported: SystemExit: 0"),
    "lacking": ("lacking_tools:f", "lacking_tools cannot be imported: No module named 'not_to_be_found'"),
}


@pytest.mark.parametrize(("name", "said"), NO_TOOLS.values(), ids=NO_TOOLS.keys())
def test_no_tool(server, ask, tools, tmp_path, name, said):
    (tmp_path / "broken_tools.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "leaving_tools.py").write_text("raise SystemExit(0)", encoding="utf-8")
    (tmp_path / "lacking_tools.py").write_text("import not_to_be_found", encoding="utf-8")
    code, _, err = ask("--yes", "--tool", name.format(tools), "Hi")
    assert code == 2
    assert err.splitlines()[-1].startswith("llmkit: tool: ")
    assert said in err
    assert not server.requests


def test_nobody_to_ask(server, ask, tools):
    """Standard error is no terminal here."""
    code, _, err = ask("--tool", f"{tools}:weather", "Hi")
    assert (code, not server.requests) == (2, True)
    assert "pass --yes" in err


# what the user types → whether the tool is run
ANSWERS = {
    "yes": ("y\n", [True, False]),
    "all": ("all\n", [True, True]),
    "no": ("n\n", [False, False]),
    "nothing": ("\n", [False, False]),
    "the end": ("", [False, False]),
}


@pytest.mark.parametrize(("typed", "run"), ANSWERS.values(), ids=ANSWERS.keys())
def test_user_is_asked(server, ask, tools, monkeypatch, typed, run):
    for city in ("Oslo", "Bergen"):
        server.reply(ToolCall("c1", "weather", {"city": city}))
    server.reply("Done.")
    told = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", told)
    assert ask("--tool", f"{tools}:weather", "Hi")[0] == 0
    assert 'Run weather(city="Oslo")? [y]es, [a]ll, [N]o: ' in told.getvalue()
    results = [request.messages[-1].content[0] for request in server.requests[1:]]
    assert [not result.is_error for result in results] == run
    assert {result.text for result in results if result.is_error} <= {"the user did not allow this call"}


def test_no_call_passes_for_another(server, ask, tools, monkeypatch):
    """Not with blanks that fill the window, nor with what looks like the end of a question."""
    other = "Run now()? [y]es, [a]ll, [N]o: "
    server.reply(ToolCall("c1", "weather", {"city": f"{chr(0x2800) * 2000}{other}{chr(0x3164) * 2000}"}))
    server.reply("Done.")
    told = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    monkeypatch.setattr(sys, "stderr", told)
    assert ask("--tool", f"{tools}:weather", "Hi")[0] == 0
    assert not {chr(0x2800), chr(0x3164)} & {*told.getvalue()}
    assert "\nThat is weather, with the 24,047 letters above. Run it? [y]es, [a]ll, [N]o: " in told.getvalue()


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
def test_what_was_typed_before_the_question_is_no_answer(server, ask, tools, monkeypatch):
    user, terminal = os.openpty()

    class Told(Terminal):
        def write(self, text):
            if "[N]o" in text:
                os.write(user, b"n\n")
            return super().write(text)

    server.reply(ToolCall("c1", "weather", {"city": "Oslo"}))
    server.reply("Done.")
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stderr", Told())
        os.write(user, b"y\n")
        assert ask("--tool", f"{tools}:weather", "Hi")[0] == 0
    os.close(user)
    assert server.requests[1].messages[-1].content[0].is_error


# ---- attachments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "kind"), [(PICTURE, Image), (b"Some notes.", Document)], ids=["picture", "text"])
def test_standard_input_is_attached(server, ask, monkeypatch, data, kind):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert ask("-a", "-", "What is this?")[0] == 0
    attached, prompt = server.requests[0].messages[-1].content
    assert isinstance(attached, kind)
    assert (attached.data, prompt.text) == (data, "What is this?")


NOT_ATTACHED = {
    "a terminal": (None, ["-a", "-"], "nothing comes by standard input"),
    "twice": (b"x", ["-a", "-", "-a", "-"], "can be attached once"),
    "nothing": (b"", ["-a", "-"], "media"),
}


@pytest.mark.parametrize(("data", "arguments", "said"), NOT_ATTACHED.values(), ids=NOT_ATTACHED.keys())
def test_standard_input_cannot_be_attached(server, ask, monkeypatch, data, arguments, said):
    if data is not None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, _, err = ask(*arguments, "What?")
    assert (code, not server.requests) == (2, True)
    assert said in err


# ---- conversations ---------------------------------------------------------------------------------------------------


def test_conversation_goes_on(server, ask, tmp_path):
    state = tmp_path / "state" / "llmkit"
    assert ask("-s", "Be brief.", "Hello")[0] == 0
    assert not state.exists()  # nothing is written where nobody asked for it
    for words in ("One", "Two"):
        assert ask("-c", "-s", "Be brief.", words)[0] == 0 if words == "One" else ask("-c", words)[0] == 0
    said = [(message.role, message.text) for message in server.requests[-1].messages]
    assert said == [("system", "Be brief."), ("user", "One"), ("assistant", "One"), ("user", "Two")]
    (file,) = state.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_new_conversation(server, ask):
    assert ask("-c", "One")[0] == 0
    assert ask("--new", "Two")[0] == 0
    assert ask("-c", "Three")[0] == 0
    assert [message.text for message in server.requests[-1].messages] == ["Two", "Two", "Three"]


def test_conversation_with_another_provider(server, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    server.reply([Thinking("Hm.", "s"), "Hi"])
    assert ask("-c", "One")[0] == 0
    assert ask("-c", "-p", "openai", "Two")[0] == 0
    assert [message.text for message in server.requests[-1].messages] == ["One", "Hi", "Two"]


def test_failure_changes_no_conversation(server, ask):
    assert ask("-c", "One")[0] == 0
    server.reply("one two three")
    server.fault("cut stream", after=5)
    assert ask("-c", "Lost")[0] == 9
    assert ask("-c", "Two")[0] == 0
    assert [message.text for message in server.requests[-1].messages] == ["One", "One", "Two"]


def test_conversation_that_cannot_be_read(server, ask, tmp_path):
    state = tmp_path / "state" / "llmkit"
    state.mkdir(parents=True)
    (state / "last.json").write_text("{", encoding="utf-8")
    code, _, err = ask("-c", "Hi")
    assert (code, not server.requests) == (2, True)
    assert err.startswith("llmkit: history is not JSON: ")
    assert err.endswith(f" (in {state / 'last.json'}); `llmkit ask --new` begins another conversation\n")
    assert ask("--new", "Hi")[0] == 0
    assert ask("-c", "Hi")[0] == 0


def test_conversation_that_cannot_be_kept(server, ask, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("LLMKIT_STATE", str(tmp_path / "file" / "llmkit"))
    code, out, err = ask("-c", "Hi")
    assert (code, out) == (2, "Hi\n")
    assert "the conversation cannot be kept in " in err


# ---- what else an answer may be --------------------------------------------------------------------------------------

OTHERS = {
    "refusal": (Reply(Refusal("No.")), "No.\n", "the model refused to answer"),
    "cut off": (Reply("Once", finish_reason=FinishReason("length")), "Once\n", "limit of tokens"),
    "two texts": (Reply([Text("a "), Text("b")]), "a b\n", None),
}


@pytest.mark.parametrize("how", [(), ("--no-stream",)])
@pytest.mark.parametrize(("reply", "shown", "told"), OTHERS.values(), ids=OTHERS.keys())
def test_other_answers(server, ask, how, reply, shown, told):
    server.reply(reply)
    code, out, err = ask(*how, "Hi")
    assert (code, out) == (0, shown)
    assert told in err if told else err == ""


# ---- what the page says ----------------------------------------------------------------------------------------------


def test_page_has_every_event(server, ask):
    page = (Path(__file__).parents[1] / "docs" / "terminal.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*) \|$", page, re.MULTILINE)
    told = {name: keys for names, keys in rows for name in re.findall(r"`(\w+)`", names) if name != "type"}
    assert {*told} == {*NAMES.values(), "response", "error"}
    server.reply([Thinking("Hm.", "s"), "Hi", ToolCall("c1", "f", {"a": 1})])
    server.fault("bad key")
    for line in [*lines(ask("--json", "Hi")[1]), *lines(ask("--json", "Hi")[1])]:
        missing = [key for key in line if key != "type" and f"`{key}`" not in told[line["type"]]]
        assert not missing, line
