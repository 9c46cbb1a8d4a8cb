"""A stream as a notebook shows it, output by output; in a kernel see test_notebook_kernel.py."""

import sys
from io import StringIO

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from llmkit import (
    AssistantMessage,
    Citation,
    FinishReason,
    Image,
    IncompleteStreamError,
    OutputError,
    Response,
    StreamClosedError,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    tool,
)
from llmkit.display import bundles, display, in_notebook
from llmkit.display.notebook import Shown, just_shown

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
ENDED = (FinishReason("stop"), Usage())


class Output:
    """A place in a notebook that remembers all that stood there."""

    def __init__(self):
        self.writings = []

    def write(self, bundle):
        self.writings.append(bundle)

    @property
    def text(self):
        """What stands there now."""
        return self.writings[-1].get("text/markdown", self.writings[-1]["text/plain"])


class Notebook:
    """The outputs of a cell, and a clock that stands still."""

    def __init__(self):
        self.outputs = []
        self.now = 100.0

    def place(self):
        self.outputs.append(Output())
        return self.outputs[-1]

    @property
    def texts(self):
        return [output.text for output in self.outputs]

    def shown(self):
        return Shown(self.place, lambda: self.now)


@pytest.fixture
def notebook():
    return Notebook()


def show(notebook, stream):
    with notebook.shown() as shown, stream:
        for event in stream:
            shown.feed(event)
        shown.finish(stream.snapshot)
        return stream.collect()


CALL = ToolCall("c1", "look", {"at": "it"})
SAID = {
    "words": ([TextDelta("a"), TextDelta("b"), Text("ab")], ["ab"]),
    "texts that follow each other": (
        [TextDelta("a"), Text("a", [Citation("q")]), TextDelta("b"), Text("b")],
        ["a[1]b\n\n1. “q”"],
    ),
    "thinking before words": (
        [ThinkingDelta("hm"), Thinking("hm"), TextDelta("a"), Text("a")],
        ["<details><summary>Thinking</summary>\n\nhm\n\n</details>", "a"],
    ),
    "thinking that is told at the end": (
        [ThinkingDelta("hm"), TextDelta("a"), Thinking("hm"), Text("a")],
        ["<details><summary>Thinking</summary>\n\nhm\n\n</details>", "a"],
    ),
    "hidden thinking": ([Thinking("", "seal"), TextDelta("a"), Text("a")], ["a"]),
    "a picture between words": (
        [TextDelta("a"), Text("a"), Image(PNG), TextDelta("b"), Text("b")],
        ["a", "Image(data=<24 bytes>, media_type='image/png')", "b"],
    ),
    "words without a delta": ([Text("a")], ["a"]),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("events", "expected"), SAID.values(), ids=SAID.keys())
def test_what_is_shown(notebook, events, expected):
    """And below it who answered."""
    with notebook.shown() as shown:
        for event in (*events, *ENDED):
            shown.feed(event)
        shown.finish(Response("", "m", "p", AssistantMessage(""), FinishReason("stop")))
    assert notebook.texts == [*expected, "m"]


def test_something_is_shown_before_the_answer_begins(notebook):
    with notebook.shown() as shown:
        assert notebook.texts == ["*…*"]
        shown.feed(TextDelta("a"))
        assert notebook.texts == ["a"], "in its place"


def test_words_are_written_in_place_and_not_too_often(notebook):
    with notebook.shown() as shown:
        for word in "abcdefgh":
            shown.feed(TextDelta(word))
            notebook.now += 0.04
        output = notebook.outputs[0]
        assert [bundle["text/plain"] for bundle in output.writings] == ["…", "a", "abcd", "abcdefg"]
        shown.feed(Text("abcdefgh"))
        assert output.text == "abcdefgh", "what is whole is shown at once"


def test_long_answers_are_written_less_often(notebook):
    """Of a long one every writing is long; the server of the notebook would hold them back."""
    with notebook.shown() as shown:
        for _ in range(200):
            shown.feed(TextDelta("word " * 100))
            notebook.now += 0.1
        written = sum(len(value) for bundle in notebook.outputs[0].writings for value in bundle.values())
    assert written < 500_000 * 20, "characters in 20 seconds"


def test_an_answer_of_many_pieces_is_written_as_seldom(notebook):
    """As one with a source behind every sentence."""
    with notebook.shown() as shown:
        for number in range(1000):
            shown.feed(TextDelta("one more sentence "))
            shown.feed(Text("one more sentence ", [Citation("q", url=f"https://a.example/{number}")]))
            notebook.now += 0.001
        assert len(notebook.outputs[0].writings) < 30
        shown.finish(Response("", "m", "p", AssistantMessage(""), FinishReason("stop")))
    assert notebook.texts[0].count("one more sentence") == 1000, "all of it in the end"


def test_words_are_shown_before_what_comes_between(notebook):
    with notebook.shown() as shown:
        for word in "abc":
            shown.feed(TextDelta(word))
        shown.feed(ToolCallDelta(0, "c1", "look", ""))
        assert notebook.texts[0] == "abc"


def test_a_call_of_any_size_is_shown_in_part(notebook):
    """What is in a notebook is kept in its file."""
    call = ToolCall("c1", "look<" * 100_000, {"at": "it" * 100_000})
    with notebook.shown() as shown:
        shown.feed(ToolCallDelta(0, "c1", call.name, '{"at": "' + "it" * 100_000))
        shown.feed(call)
        shown.feed(ToolResult("c1", call.name, "seen" * 100_000))
    assert len(notebook.outputs) == 1
    sizes = [len(value) for bundle in notebook.outputs[0].writings for value in bundle.values()]
    assert max(sizes) < 30_000


def test_thinking_shows_its_last_words_while_it_comes(notebook):
    with notebook.shown() as shown:
        shown.feed(ThinkingDelta("first *words* " + "hm " * 200 + "last"))
        assert "last" in notebook.texts[0]
        assert "first" not in notebook.texts[0]
        assert "<details>" not in notebook.texts[0]


def test_a_call_is_a_card_that_its_result_comes_into(notebook):
    with notebook.shown() as shown:
        shown.feed(ToolCallDelta(0, "c1", "look", '{"at"'))
        assert "&quot;at&quot;" in notebook.outputs[0].writings[-1]["text/html"]
        shown.feed(CALL)
        shown.feed(ToolCallDelta(1, "c2", "look", ""))
        shown.feed(ToolCall("c2", "look"))
        shown.feed(ToolResult("c1", "look", "seen"))
        shown.feed(ToolResult("c2", "look", "gone", is_error=True))
    assert len(notebook.outputs) == 2
    first, second = (output.writings[-1]["text/html"] for output in notebook.outputs)
    assert ("seen" in first, "✓" in first) == (True, True)
    assert ("gone" in second, "✗ failed" in second) == (True, True)


def test_ids_that_come_again(notebook):
    """As of hosts that count calls from 0 in each turn, or name two the same."""
    with notebook.shown() as shown:
        for result in ("one", "two"):
            shown.feed(CALL)
            shown.feed(CALL)
            shown.feed(ToolResult("c1", "look", f"{result} a"))
            shown.feed(ToolResult("c1", "look", f"{result} b"))
    found = [output.writings[-1]["text/plain"].partition("→ ")[2] for output in notebook.outputs]
    assert found == ["one a", "one b", "two a", "two b"]


def test_a_call_that_nobody_answers(notebook):
    with notebook.shown() as shown:
        shown.feed(CALL)
        shown.finish(Response("", "m", "p", AssistantMessage([CALL]), FinishReason("tool_calls")))
    assert "waits for its result" in notebook.outputs[0].writings[-1]["text/html"]


def test_a_result_without_its_call(notebook):
    with notebook.shown() as shown:
        shown.feed(ToolResult("c9", "look", "seen"))
    assert "seen" in notebook.outputs[0].writings[-1]["text/html"]


def test_a_stream_that_was_read_before(notebook, server, client):
    server.reply("all of it")
    with client.stream("x") as stream:
        stream.collect()
    show(notebook, stream)
    assert notebook.texts[0] == "all of it"


def test_a_chat_with_a_tool(notebook, server, client):
    @tool
    def double(number: int) -> int:
        """Twice as much."""
        return 2 * number

    server.reply(["I count.", ToolCall("c1", "double", {"number": 21})], usage=Usage(1, 2))
    server.reply("It is 42.", usage=Usage(3, 4))
    response = show(notebook, client.chat(tools=[double]).stream("Twice 21?"))
    assert response.text == "It is 42."
    said, card, answer, footer = notebook.outputs
    assert said.text == "I count."
    assert card.writings[-1]["text/plain"].endswith("→ 42")
    assert answer.text == "It is 42."
    assert "2 model calls · 4 tokens in, 6 out" in footer.text


ENDS = {
    "an error": (IncompleteStreamError("cut"), "IncompleteStreamError"),
    "an interrupt": (KeyboardInterrupt(), "interrupted"),
}


@pytest.mark.parametrize(("error", "told"), ENDS.values(), ids=ENDS.keys())
def test_what_has_come_stays_shown(notebook, error, told):
    with pytest.raises(type(error)), notebook.shown() as shown:  # noqa: PT012 - in the middle of it
        for event in (ThinkingDelta("h"), ThinkingDelta("m"), TextDelta("a"), TextDelta("b")):
            shown.feed(event)
        shown.feed(ToolCallDelta(0, "c1", "look", "{"))
        shown.feed(ToolCallDelta(0, "c1", "look", '"at'))
        raise error
    thought, words, card, note = notebook.outputs
    assert (thought.text, words.text) == ("*hm*", "ab")
    assert "&quot;at" in card.writings[-1]["text/html"]
    assert told in note.text


def test_a_stream_that_is_cut(notebook, server, client):
    server.reply("one two three four five six")
    server.fault("cut stream", after=5)
    with pytest.raises(IncompleteStreamError) as caught:
        show(notebook, client.stream("x"))
    assert notebook.texts[0] == caught.value.partial.text
    assert "IncompleteStreamError" in notebook.texts[-1]


def test_an_answer_that_does_not_fit_is_whole(notebook, server, client):
    server.reply("no number")
    with pytest.raises(OutputError):
        show(notebook, client.stream("x", output_type=int))
    assert "OutputError" not in "".join(notebook.texts)


def test_a_chat_s_history_is_as_before_where_the_answer_does_not_fit(server, client, capsys):
    server.reply("no number")
    chat = client.chat()
    with pytest.raises(OutputError):
        chat.stream("x", output_type=int).display()
    assert chat.messages == []


def interrupted(*_, **about):
    raise KeyboardInterrupt


def test_an_interrupt_before_anything_is_shown_closes_the_stream(shell, server, client):
    shell.display_pub.publish = interrupted
    stream = client.stream("x")
    with pytest.raises(KeyboardInterrupt):
        stream.display()
    with pytest.raises(StreamClosedError):
        next(stream)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """The shell of a kernel, as far as `display` looks at it; what it publishes is in `published`."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    found = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    found.kernel = found
    found.published = []
    found.display_pub.publish = lambda data, **about: found.published.append((data, about))
    found.displayhook.msg = {}
    yield found
    InteractiveShell.clear_instance()


def test_in_a_notebook(shell, server, client):
    server.reply("Hello there.")
    assert in_notebook()
    shell.user_ns["stream"] = client.stream("x")
    shell.run_cell("response = stream.display()").raise_error()
    assert shell.user_ns["response"].text == "Hello there."
    (first, begun), (second, again), *_, (footer, _) = shell.published
    assert (first["text/plain"], second["text/plain"]) == ("…", "Hello")
    assert again == {**begun, "update": True}, "the same output"
    assert "tokens" in footer["text/plain"]


def test_an_answer_is_not_shown_twice(shell, server, client):
    server.reply("Hello there.")
    shell.user_ns["stream"] = client.stream("x")
    assert formats(shell, "stream.display()") == {}
    assert "text/markdown" in formats(shell, "_"), "another cell shows it"


def test_another_answer_is_shown(shell, server, client):
    shell.user_ns.update(stream=client.stream("x"), other=client.complete("y"))
    assert "text/markdown" in formats(shell, "stream.display(); other")


def test_an_answer_is_shown_where_one_asks_for_it(shell, server, client):
    response = client.stream("x").display()
    shell.displayhook.msg = None
    assert not just_shown(response)


def formats(shell, code):
    """What the cell's value is offered as."""
    found = []
    shell.displayhook.write_format_data = lambda data, about=None: found.append(data)
    shell.run_cell(code, store_history=True).raise_error()
    return found[0] if found else {}


def test_without_ipython_there_is_no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()
    assert "IPython" not in sys.modules, "it is not imported to find out"


def test_elsewhere_the_text_is_written(server, client, capsys):
    server.reply("Hello \x1b[31mthere.")
    assert display(client.stream("x")).text == "Hello \x1b[31mthere."
    assert capsys.readouterr().out == "Hello \x1b[31mthere.\n", "as it is: it is no terminal"


class Screen(StringIO):
    """A terminal."""

    def isatty(self):
        return True


def test_in_a_terminal_it_is_live(server, client, monkeypatch):
    server.reply("Hello **there**.")
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    monkeypatch.setenv("TERM", "xterm")
    assert display(client.stream("x")).text == "Hello **there**."
    assert "there" in screen.getvalue()
    assert "**" not in screen.getvalue()


def test_in_a_terminal_without_rich_it_is_plain(server, client, monkeypatch):
    server.reply("Hello \x1b[31mthere.")
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    monkeypatch.setitem(sys.modules, "rich", None)
    display(client.stream("x"))
    assert screen.getvalue() == "Hello [31mthere.\n", "it steers nothing"


def test_a_response_outside_of_a_notebook():
    response = Response("", "m", "p", AssistantMessage("a"), FinishReason("stop"))
    with pytest.raises(NotImplementedError):
        response._ipython_display_()


def test_bundles_are_json():
    assert all(isinstance(value, str) for value in bundles.of_part(Image(PNG)).values())
