"""What a terminal shows of a stream, without one: finished lines go up once, and the tail is what still grows."""

import io
import threading

import pytest
from rich.console import Console

from llmkit import (
    Citation,
    Document,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from llmkit.display.rendering import blocks, cut, markdown, words
from llmkit.display.terminal import Live
from llmkit.display.transcript import Transcript

WEATHER = ToolCall("c1", "weather", {"city": "Oslo", "days": [1, 2]})
CALL = '⚙ weather(city="Oslo", days=[1, 2])'


def console(width=60, height=12, **more):
    return Console(file=io.StringIO(), width=width, height=height, **more)


def shown(events, *, thinking=True, width=60, height=12, every=1):
    """All lines that go up, and all tails that were seen below them."""
    transcript = Transcript(console(width, height), thinking=thinking)
    done, tails = [], []
    for number, event in enumerate(events):
        transcript.feed(event)
        if number % every == 0:
            picture = transcript.picture()
            done += map(words, picture.done)
            tails.append([*map(words, picture.tail)])
    transcript.close()
    picture = transcript.picture()
    assert not picture.tail
    return [*done, *map(words, picture.done)], tails


def deltas(text, size=1):
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


LONG = "\n".join(
    [
        "# A title",
        "",
        "A paragraph with **bold** and `code`",
        "that goes on.",
        "",
        *(f"{number}. item {number}\n   - below" for number in range(1, 30)),
        "",
        "```python",
        *(f"x{number} = {number}" for number in range(30)),
        "```",
        "",
        "> quoted",
        "",
        "| a | b |",
        "|---|---|",
        *(f"| {number} | {'x' * number} |" for number in range(20)),
        "",
        "---",
        "",
        "- [ ] open",
        "",
        "The end.",
    ]
)


@pytest.mark.parametrize("size", [23, 101, 10_000])
@pytest.mark.parametrize("height", [6, 12, 500])
def test_however_it_arrives_the_same_stays(size, height):
    whole, _ = shown([TextDelta(LONG)], height=500)
    found, tails = shown(deltas(LONG, size), height=height)
    assert found == whole
    assert all(len(tail) < height for tail in tails)


def test_tail_is_the_end_of_what_has_come():
    _, tails = shown(deltas("One.\n\nTwo **three", 4))
    assert "Two **three" in tails[-1][-1]


def test_finished_blocks_are_written_once():
    transcript = Transcript(console(), thinking=True)
    transcript.feed(TextDelta("One.\n\nTwo\n"))
    first = transcript.picture()
    assert ([*map(words, first.done)], [*map(words, first.tail)]) == (["One."], ["", "Two"])
    transcript.feed(TextDelta("three."))
    then = transcript.picture()
    assert ([*then.done], [*map(words, then.tail)]) == ([], ["", "Two three."])


class Counting(Console):
    """Knows how many lines were laid out at once, at most."""

    most = 0

    def render_lines(self, *args, **more):
        lines = super().render_lines(*args, **more)
        self.most = max(self.most, len(lines))
        return lines


# first line, each of 400 others, how it is shown
ENDLESS = {
    "code": (
        "```python\n",
        "variable_{0} = {0}  # that nobody counts\n",
        "variable_{0} = {0}  # that nobody counts",
    ),
    "list": ("", "- item number {0} that nobody counts\n", "• item number {0} that nobody counts"),
    "table": (
        "| a | b |\n|---|---|\n",
        "| {0} | item that nobody counts |\n",
        "{0} item that nobody counts",
    ),
    "lines": ("", "line number {0} that nobody counts  \n", "line number {0} that nobody counts"),
}


@pytest.mark.parametrize(("first", "other", "expected"), ENDLESS.values(), ids=ENDLESS.keys())
def test_what_a_word_takes_does_not_grow_with_what_is_before_it(first, other, expected):
    screen = Counting(file=io.StringIO(), width=60, height=12)
    transcript = Transcript(screen, thinking=True)
    transcript.feed(TextDelta(first))
    done = []
    for number in range(400):
        transcript.feed(TextDelta(other.format(number)))
        if number % 100 == 99:
            done += map(words, transcript.picture().done)
    transcript.close()
    done += map(words, transcript.picture().done)
    found = [" ".join(line.split()) for line in done if line.strip()]
    wanted = [" ".join(expected.format(number).split()) for number in range(400)]
    assert [line for line in found if line in {*wanted}] == wanted  # each once, in their order
    assert screen.most < 350


# block, size → its two parts
CUTS = {
    "paragraph": ("one\ntwo\nthree\n", 12, ("one\ntwo\n", "three\n")),
    "one line": ("one two three", 8, ("one two ", "three")),
    "code": ("~~~ c\nx = 1;\ny = 2;\n\n\nz = 3;\n", 24, ("~~~ c\nx = 1;\ny = 2;\n", "~~~ c\n\n\nz = 3;\n")),
    "code, told in many words": (f"``` {'c' * 9}\nx\ny\n", 16, (f"``` {'c' * 9}\nx\n", "y\n")),
    "code in a line": ("```\none two three four", 18, ("```\none two three ", "```\nfour")),
    "items": ("- one\n\n  more\n- two\n\n  more\n", 26, ("- one\n\n  more\n", "- two\n\n  more\n")),
    "an item": ("- one\n\n  more\n\n  and more\n", 18, ("- one\n\n  more\n", "\n  and more\n")),
    "table, below nothing": ("\n|a|\n|-|\n" + "|1|\n" * 8, 37, ("\n|a|\n|-|\n" + "|1|\n" * 7, "|a|\n|-|\n|1|\n")),
}


@pytest.mark.parametrize(("block", "size", "parts"), CUTS.values(), ids=CUTS.keys())
def test_cut(block, size, parts):
    assert cut(block, size) == parts


BLOCKS = {
    "nothing": ("", [""]),
    "a line that goes on": ("One", ["One"]),
    "paragraphs": ("One\n\nTwo\n", ["One\n\n", "Two\n"]),
    "a heading below": ("One\n===\n\nTwo\n", ["One\n===\n\n", "Two\n"]),
    "a list that goes on": ("1. a\n\n2", ["1. a\n\n2"]),
    "a fence that is open": ("One\n\n```\na\n\nb\n", ["One\n\n", "```\na\n\nb\n"]),
    "a fence in a list": ("- a\n\n  ```\n  x\n", ["- a\n\n  ```\n  x\n"]),
    "blank lines before": ("\n\nOne\n\nTwo\n", ["\n\nOne\n\n", "Two\n"]),
    "a table": ("| a |\n|---|\n| 1 |\n\nx\n", ["| a |\n|---|\n| 1 |\n\n", "x\n"]),
}


@pytest.mark.parametrize(("text", "expected"), BLOCKS.values(), ids=BLOCKS.keys())
def test_blocks(text, expected):
    assert blocks(text) == expected
    assert "".join(blocks(text)) == text


# events → what stays
SHOWN = {
    "thoughts": ([ThinkingDelta("Let me *see*."), TextDelta("Yes.")], ["Let me see.", "", "Yes."]),
    "call and result": (
        [ToolCallDelta(0, "c1", "weather", "{"), WEATHER, WEATHER.result("sunny\nand warm"), TextDelta("It is.")],
        [CALL, "  ↳ sunny", "    and warm", "", "It is."],
    ),
    "several calls": (
        [TextDelta("So:"), WEATHER, WEATHER, WEATHER.result("a"), WEATHER.result("b"), TextDelta("Hm."), WEATHER],
        ["So:", "", CALL, CALL, "  ↳ a", "  ↳ b", "", "Hm.", "", CALL],
    ),
    "a long result": ([WEATHER.result("1\n2\n3\n4\n5\n6")], ["  ↳ 1", "    2", "    3", "    …"]),
    "a result without text": ([ToolResult("c1")], ["  ↳"]),
    "a result that is a picture": ([WEATHER.result(Image(url="https://e.org/a.png"))], ["  ↳ [image, https://e.org/a.png]"]),
    "a call that hides": (
        [ToolCall("c", "f", {"a": "x\u202ey\x1b\x9b\n"})],
        ['⚙ f(a="x\\u202ey\\u001b\\u009b\\n")'],
    ),
    "a call that is no JSON": ([ToolCall("c", "f", raw="{oops")], ["⚙ f({oops)"]),
    "refusal": ([Refusal("I will **not**.")], ["I will not."]),
    "media": (
        [Document(data=b"%PDF-", media_type="application/pdf", name="a.pdf")],
        ["[document, application/pdf, 5 bytes, a.pdf]"],
    ),
    "texts in a row": ([TextDelta("It is "), Text("It is "), TextDelta("blue."), Text("blue.")], ["It is blue."]),
    "sources": (
        [TextDelta("Blue."), Text("Blue.", [Citation("q", "https://e.org", "Sky")] * 2)],
        ["Blue.", "", "[1] Sky https://e.org"],
    ),
    "what has no words": ([Opaque("w", {}), Thinking("x", "s"), FinishReason("stop"), Usage()], []),
    "blanks": ([TextDelta(" \n"), TextDelta("\n")], []),
}  # fmt: skip


@pytest.mark.parametrize(("events", "lines"), SHOWN.values(), ids=SHOWN.keys())
def test_shown(events, lines):
    assert shown(events)[0] == lines


def test_thoughts_are_only_hinted_at():
    found, tails = shown([ThinkingDelta("Let me see. "), ThinkingDelta("Well"), TextDelta("Yes.")], thinking=False)
    assert found == ["Yes."]
    assert tails[1][0].endswith("thinking… Let me see. Well")


def test_what_is_waited_for():
    _, tails = shown([ToolCallDelta(0, "c1", "weather", "{"), WEATHER, WEATHER.result("x"), TextDelta("It")])
    assert [tail[-1][1:] if tail else "" for tail in tails] == [" calling weather…", " waiting…", " waiting…", "t"]


LAID_OUT = {
    "HTML": (
        "A List<int> and <b>bold</b>.\n\n<div>x</div>\n",
        60,
        ["A List<int> and <b>bold</b>.", "", "<div>x</div>"],
    ),
    "a link": ("[a](https://e.org 't')", 60, ["a (https://e.org)"]),
    "no room": ("- one two three four\n", 13, ["- one two", "three four"]),  # beside the bullets
    "ten items": ("9. a\n10. b\n", 60, ["  9 a", " 10 b"]),
    "code": ("```python\nx\n\ny\n```\n", 10, [" x        ", " " * 10, " y        "]),
    "a narrow table": ("|a|\n|-|\n|one-two-three|\n", 10, [" a", " ────────", " one-two-", " three"]),
    "a table that is too wide": ("|a|b|c|d|\n|-|-|-|-|\n|1|2|3|4|", 10, ["|a|b|c|d|", "|-|-|-|-|", "|1|2|3|4|"]),
    "letters that would change places": ("a\u202eb\u2066c **\u202dd** &#8238;e", 60, ["abc d e"]),
    "a wide letter": ("狐" * 5, 10, ["狐" * 5]),
}


@pytest.mark.parametrize(("text", "width", "lines"), LAID_OUT.values(), ids=LAID_OUT.keys())
def test_laid_out(text, width, lines):
    assert [words(line) for line in markdown(console(width), text)] == lines


HOSTILE = {
    "controls": "a\x1b[2Jb\x9b5m\x07",
    "entities": "&#27;[2J &#155;5m &#7; &#x1b;",
    "in code": "`\x1b[2J`\n\n```\x1b]0;x\x07\n\x1b[2J\n```\n",
    "in a link": "[a\x1b[2J](https://e.org/\x1b\x07 'x\x1b') ![p\x1b](\x1b)",
    "markup of rich": "[red]a[/red] [link=https://e.org]b[/link] [/]",
    "a table that is none": "|\x1b|\n|-|\n|&#27;|\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("width", [5, 60])
def test_nothing_steers_the_terminal(text, width):
    for line in markdown(console(width), text):
        assert not {*words(line)} & {chr(code) for code in (*range(32), *range(127, 160)) if code != 9}
        assert not any(segment.style and segment.style.link for segment in line)


DEEP = {
    "some quotes": ">" * 7 + " x",
    "quotes": ">" * 200 + " x",
    "some lists": "- " * 8 + "x",
    "lists": "- " * 200 + "x",
    "emphasis": "*a" * 2500,
    "brackets": "[" * 5000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
@pytest.mark.parametrize("width", [21, 60])
def test_deep_texts_are_shown(text, width):
    assert text[-1] in "".join(words(line) for line in markdown(console(width), text))


# ---- Live ------------------------------------------------------------------------------------------------------------


def test_elsewhere_than_in_a_terminal():
    target = console()
    with Live(target) as live:
        for event in deltas("One **two**.\n\n- three\n", 5):
            live.feed(event)
    assert target.file.getvalue() == "One two.\n\n • three\n"


def test_what_came_before_an_error_stays():
    target = console()
    with pytest.raises(KeyboardInterrupt), Live(target) as live:  # noqa: PT012 - inside of Live
        live.feed(TextDelta("One **two"))
        raise KeyboardInterrupt
    assert target.file.getvalue() == "One **two\n"


class Full(io.StringIO):
    """A terminal that is gone once something has been written to it."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def write(self, text):
        if "One" in text:
            self.written.set()
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_what_cannot_be_written_is_told_to_who_feeds():
    target = Full()
    shows = Live(Console(file=target, force_terminal=True))
    with pytest.raises(OSError, match="No space"), shows as live:  # noqa: PT012 - inside of Live
        live.feed(TextDelta("One"))
        assert target.written.wait(30)
        while True:
            live.feed(TextDelta("."))


def test_paused():
    target = console(force_terminal=True, color_system=None)
    with Live(target) as live:
        live.feed(TextDelta("One"))
        with live.paused():
            target.file.write("<a question>")
        live.feed(TextDelta("Two"))
    before, _, after = target.file.getvalue().partition("<a question>")
    assert "One" in before
    assert before.rstrip("\r").endswith("\x1b[?25h")  # the cursor is shown meanwhile
    assert "Two" in after
