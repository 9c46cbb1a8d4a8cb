"""Answers and parts for people: Markdown that no page obeys, cards, players, and what a notebook is offered of each."""

import re
import struct
import time
import wave
from base64 import b64decode
from decimal import Decimal
from html.parser import HTMLParser
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from llmkit import (
    AssistantMessage,
    Audio,
    Citation,
    Document,
    FinishReason,
    Image,
    Opaque,
    Refusal,
    Response,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
    Video,
)
from llmkit.display import bundles, cards, markdown, players
from llmkit.display.harmless import harmless

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
DOLLAR = "<span>&#36;</span>"
HARMLESS = {
    "words": ("a *b* `c`\n\n- d\n- e", "a *b* `c`\n\n- d\n- e"),
    "a tag": ("a <b>c</b> <!-- d", "a &lt;b>c&lt;/b> &lt;!-- d"),
    "no tag": ("a < b <3 << ->", "a < b <3 << ->"),
    "a tag that is escaped": (r"\<b>", "&lt;b>"),
    "an address": ("see <https://a.example/b>", "see https://a.example/b"),
    "a tag in code": ("`<b>` `` `c` ``", "<code>&#60;b&#62;</code> `` `c` ``"),
    "code that is not closed": ("`<b>", "`&lt;b>"),
    "code of two paragraphs": ("`a\n\n<b>`", "`a\n\n&lt;b>`"),
    "a block of code": ("```html\n<p>\n```\nand", "```html\n<p>\n```\nand"),
    "a block that is not closed": ("```python\nx = 1", "```python\nx = 1\n```"),
    "a block with waves": ("~~~\n```\n~~~", "~~~\n```\n~~~"),
    "a longer fence": ("````\n```\n<b>\n````", "````\n```\n<b>\n````"),
    "a block in a list": (
        "1. a\n   ```c++\n   vector<int> b;\n\n     c\n   ```\n2. d",
        '1. a\n   <pre><code class="language-c&#43;&#43;">vector&#60;int&#62; b&#59;&#10;&#10;  c</code></pre>\n2. d',
    ),
    "a harmless block in a list": ("- ```py\n  a[1]\n  ```", "- ```py\n  a[1]\n  ```"),
    "a block that a formula could hide": (
        "$$\n```\n$$ <b>\n```",
        f'{DOLLAR}{DOLLAR}\n<pre><code class="language-">&#36;&#36; &#60;b&#62;</code></pre>',
    ),
    "what stands behind a fence": ('```py title="<b>"\nx\n```', "```py\nx\n```"),
    "a formula": ("$a<b$ and $$c<d$$", "$a< b$ and $$c< d$$"),
    "a formula as some models write it": (r"\(a_1\) \[ b \]", "$a_1$ $$b$$"),
    "money": (
        r"from $5 to $6, $7-$8, \$9",
        f"from {DOLLAR}5 to {DOLLAR}6, {DOLLAR}7-{DOLLAR}8, {DOLLAR}9",
    ),
    "a formula with a link": (r"$\href{javascript:a}{b}$", r"$\text href{javascript:a}{b}$"),
    "a link in TeX": (r"\begin{a}\href{b}{c}\end{a}", r"\begin{a}\h<span></span>ref{b}{c}\end{a}"),
    "money in an address": ("[a](https://a.example/$1)", "[a](https://a.example/%241)"),
    "money in code": ("`$5` and `$6`", "`$5` and `$6`"),
    "a picture": ("![a cat](https://a.example/?secret)", "[▣ a cat](https://a.example/?secret)"),
    "a picture by reference": ("![a][b]", "&#33;[a][b]"),
    "two marks": ("Hi!![a](https://a.example)", "Hi![▣ a](https://a.example)".replace("![", "&#33;[")),
    "links": (
        "[a](https://a.example) [b](c.md#d) [e](mailto:f@a.example)",
        "[a](https://a.example) [b](c.md#d) [e](mailto:f@a.example)",
    ),
    "a script as a link": ("[a](javascript:b)", "[a]&#40;javascript:b)"),
    "a script in disguise": ("[a]( JavaScript&colon;b)", "[a]&#40; JavaScript&colon;b)"),
    "a script behind a bracket": ("[a]([b](javascript:c)", "[a]&#40;[b]&#40;javascript:c)"),
    "a definition": ("[a]: javascript:b", "[a]&#58; javascript:b"),
    "controls": ("a\x1b[31m\x00b\r\nc", "a[31mb\nc"),
    "nothing": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), HARMLESS.values(), ids=HARMLESS.keys())
def test_a_model_s_markdown_is_made_harmless(text, expected):
    assert harmless(text) == expected


class Page(HTMLParser):
    """What a browser would run, fetch or follow of a page that has no business to."""

    KNOWN = frozenset(
        {"p", "pre", "code", "em", "strong", "del", "a", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"}
        | {"blockquote", "hr", "br", "table", "thead", "tbody", "tr", "th", "td", "div", "span"}
    )

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        links = [value for name, value in attrs if name == "href"]
        scripts = [link for link in links if re.match(r"\s*(javascript|data):", link, re.IGNORECASE)]
        self.found += [tag] * (tag not in self.KNOWN) + scripts

    handle_startendtag = handle_starttag

    def handle_comment(self, data):
        self.found.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


PIECES = [
    *("<script>", "<img/src=x>", "<!-- ", "<?p", "</a>", "<javascript:x>", "<div>", "<", "&lt;", "\\"),
    *("`", "``", "```", "~~~", "```html\n", "\n```\n", "\n   ```\n", "\n    ```\n", "    ", "\t"),
    *("$", "$$", "\\(", "\\)", "\\[", "\\]", "a", "b\n", "\n", "\n\n", "\r", " ", "|", "|---|\n", "\n---\n"),
    *("- ", "1. ", "> ", "*", "_", "[a]", "[a](", "](", ")", "![", "!", "[a]: ", '"', "'"),
    *("(<", "< javascript:x>", "\\begin{a}", "\\end{a}", "\x0b", "\u2028", "vbscript:x", "]\n("),
    *("javascript:x", "java&Tab;script:x", "javascript&colon;x", "data:text/html,x"),
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
COMMON = MarkdownIt("commonmark", {"html": True}).enable("table").render
PARSERS = {
    "CommonMark": COMMON,
    "of exports": markdown2html_mistune,
    "formulas first": lambda text: COMMON(re.sub(r"(\$\$?)(?:(?!\n\s*\n).)*?\1", "@", text, flags=re.DOTALL)),
}


@settings(max_examples=200, deadline=None)
@given(text=HOSTILE)
def test_no_parser_finds_anything_to_run(text):
    made = harmless(text)
    assert {name: Page(parser(made)).found for name, parser in PARSERS.items()} == {name: [] for name in PARSERS}


def test_long_answers_take_no_longer_than_their_length():
    """All of them together half a second, and in a quadratic way a minute."""
    began = time.process_time()
    for piece in ("`", "` ", "$ ", "``a`", "\\(", "[", "![", "](a ", "```\n", "> ", "- ", "<", "\n "):
        harmless(piece * 8_000)
    assert time.process_time() - began < 15


QUOTE = Citation("the *passage*", url="https://a.example/b (c)", title="A [title]")
PARTS = {
    "text": (Text("a <b>"), "a &lt;b>"),
    "a source": (
        Text("It is.", [QUOTE]),
        "It is.[1]\n\n1. [A &#91;title&#93;](https://a.example/b%20%28c%29) “the &#42;passage&#42;”",
    ),
    "a source behind code": (Text("```\na\n```", [Citation(document=1)]), "```\na\n```\n\n[1]\n\n1. document 2"),
    "a source that is no page": (
        Text("a", [Citation("b" * 300, url="javascript:c")]),
        f"a[1]\n\n1. javascript:c “{'b' * 199}…”",
    ),
    "a source twice": (Text("a", [Citation("b"), Citation("c")]), "a[1]\n\n1. “b”"),
    "thinking": (Thinking("a\n```\nb"), "<details><summary>Thinking</summary>\n\na\n```\nb\n```\n\n</details>"),
    "hidden thinking": (Thinking("", "seal", wire="w"), ""),
    "a call": (ToolCall("1", "look", {"a": "`b`"}), '⚙ `look`\n\n```json\n{\n  "a": "`b`"\n}\n```'),
    "a call that is no JSON": (ToolCall("1", "a *b*", raw='{"a": ```'), '⚙ a &#42;b&#42;\n\n````json\n{"a": ```\n````'),
    "a result": (ToolResult("1", "look", "a"), "↳ `look`\n\n```\na\n```"),
    "a failure": (ToolResult("1", "", "a", is_error=True), "✗ `result`\n\n```\na\n```"),
    "a refusal": (Refusal("no\n<b>"), "> **Refused:** no\n> &lt;b>"),
    "what is not modelled": (
        Opaque("w", {"type": "a<b"}),
        '<details><summary>a&lt;b</summary>\n\n```json\n{\n  "type": "a<b"\n}\n```\n\n</details>',
    ),
    "a file of the provider's": (Document(file_id="f1"), "<div><i>file f1</i></div>"),
}  # fmt: skip


@pytest.mark.parametrize(("part", "expected"), PARTS.values(), ids=PARTS.keys())
def test_a_part_as_markdown(part, expected):
    assert markdown.of_part(part) == expected


def test_an_answer_as_markdown():
    """Texts that follow each other are one; their sources are numbered through; nothing of the call is lost."""
    other = Citation(url="https://b.example", title="B")
    said = [
        Thinking("hm"),
        Text("One", [QUOTE]),
        Text(", two.", [other]),
        ToolCall("1", "look"),
        Text("Three", [other]),
    ]
    response = Response("", "m", "p", AssistantMessage(said), FinishReason("stop"))
    shown = response._repr_markdown_()
    assert "One[1], two.[2]\n\n1. [A" in shown
    assert shown.endswith("⚙ `look`\n\n```json\n{}\n```\n\nThree[2]\n\n2. [B](https://b.example)")
    assert shown.startswith("<details><summary>Thinking</summary>")


def test_a_long_result_is_cut():
    shown = markdown.of_part(ToolResult("1", "look", "a" * 20_000))
    assert len(shown) < 11_000


def source_of(html):
    return re.search(r'(?:src|href)="([^"]*)"', html)[1]


def content_of(html):
    kind, _, data = source_of(html).partition(";base64,")
    return kind, b64decode(data)


PLAYED = {
    "a picture": (Image(PNG, name="a {b}<c>.png"), "<img", ("data:image/png", PNG)),
    "a sound": (Audio(b"RIFF\0\0\0\0WAVEfmt ", media_type="audio/wav"), "<audio controls", None),
    "a film": (Video(b"\0\0\0\x18ftypmp42\0\0\0\0", media_type="video/mp4"), "<video controls", None),
    "a letter": (Document(b"%PDF-1.4", name="a.pdf"), '<a download="a.pdf"', ("data:application/pdf", b"%PDF-1.4")),
    "an address": (Video(url="https://a.example/b.mp4?c&d"), "<video controls", None),
}


@pytest.mark.parametrize(("part", "tag", "content"), PLAYED.values(), ids=PLAYED.keys())
def test_media_are_played(part, tag, content):
    html = players.of_medium(part)
    assert html.startswith(tag)
    if part.url:
        assert source_of(html) == "https://a.example/b.mp4?c&amp;d"
    else:
        assert content_of(html) == (content or (f"data:{part.media_type}", part.data))


TOLD = {
    "too large": (Image(PNG + bytes(players.LARGEST)), "<i>Image, image/png, 8.0 MiB, too large to be shown here</i>"),
    "of no browser": (
        Image(b"II*\0" + bytes(2000), name="a.tiff"),
        "<i>a.tiff, image/tiff, 2 KiB, which browsers do not show</i>",
    ),
    "another scheme": (Image(url="file:///a.png"), "<i>file:///a.png</i>"),
    "markup": (Image(file_id='a"<b>`$'), "<i>file a&quot;&lt;b&gt;&#96;&#36;</i>"),
}


@pytest.mark.parametrize(("part", "expected"), TOLD.values(), ids=TOLD.keys())
def test_what_cannot_be_shown_is_told(part, expected):
    assert players.of_medium(part) == expected


SAMPLES = {
    "as OpenAI sends them": ("audio/pcm", 24_000),
    "as Gemini sends them": ("audio/L16;codec=pcm;rate=16000", 16_000),
    "with a rate that is none": ("audio/pcm;rate=fast", 24_000),
}


@pytest.mark.parametrize(("media_type", "rate"), SAMPLES.values(), ids=SAMPLES.keys())
def test_samples_without_a_header_are_played(media_type, rate):
    samples = struct.pack("<4h", 0, 1000, -1000, 0)
    html = players.of_medium(Audio(samples, media_type=media_type, transcript="<beep>"))
    kind, content = content_of(html)
    assert kind == "data:audio/wav"
    with wave.open(BytesIO(content)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (rate, 1, 2)
        assert sound.readframes(9) == samples
    assert "&lt;beep&gt;" in html


def test_a_text_can_be_looked_into():
    html = players.of_medium(Document(b"a <b>\n" + b"c" * 3000, media_type="text/plain", name="a.txt"))
    assert "<pre>a &lt;b&gt;&#10;ccc" in html
    assert html.endswith("…</pre></details>")
    assert "…" not in players.of_medium(Document(b"a", media_type="text/plain"))


def test_a_call_is_a_card():
    call = ToolCall("1", "look", {"at": "<b>"})
    assert "&quot;at&quot;: &quot;&lt;b&gt;&quot;" in cards.of_call(call)
    done = cards.of_call(call, ToolResult("1", "look", ["<i>seen</i>", Image(PNG)]))
    assert all(word in done for word in ("✓", "&lt;i&gt;seen", "<img"))
    assert "✗ failed" in cards.of_call(call, ToolResult("1", "look", "no", is_error=True))
    assert "<details open" in done
    assert "<details style" in cards.of_call(call, ToolResult("1", "look", "line\n" * 50)), "a long one is folded"
    assert len(cards.of_call(call, ToolResult("1", "look", "x" * 50_000))) < 12_000


def answered(reason="stop", usage=None, **fields):
    return Response("", "m<1>", "p", AssistantMessage("a"), FinishReason(reason), usage or Usage(), **fields)


SUMS = {
    "nothing is known": (answered(), "m<1>"),
    "tokens": (answered(usage=Usage(1234, 5)), "m<1> · 1,234 tokens in, 5 out"),
    "all kinds of tokens": (
        answered(usage=Usage(10, 9, cache_read_tokens=8, reasoning_tokens=7)),
        "m<1> · 10 tokens in (8 cached), 9 out (7 reasoning)",
    ),
    "cost": (answered(cost=Decimal("0.00123")), "m<1> · $0.0012"),
    "rounds": (answered(rounds=(answered(), answered())), "m<1> · 2 model calls"),
    "cut": (answered("length"), "m<1> · cut off at the limit of tokens"),
}


@pytest.mark.parametrize(("response", "expected"), SUMS.values(), ids=SUMS.keys())
def test_what_it_took(response, expected):
    assert cards.summed_up(response) == expected
    assert "<1>" not in cards.footer(response)


DOLLARS = {"0": "$0.00", "0.00000123": "$0.0000012", "0.05": "$0.050", "0.1": "$0.10", "12.346": "$12.35"}


@pytest.mark.parametrize(("cost", "expected"), DOLLARS.items(), ids=DOLLARS.keys())
def test_dollars(cost, expected):
    assert cards.dollars(Decimal(cost)) == expected


OFFERED = {
    "a picture": (Image(PNG), {"image/png", "text/plain"}),
    "a picture that is large": (Image(PNG + bytes(players.LARGEST)), {"text/html", "text/plain"}),
    "a picture elsewhere": (Image(url="https://a.example/b.png"), {"text/html", "text/plain"}),
    "a sound": (Audio(b"RIFF\0\0\0\0WAVEfmt "), {"text/html", "text/plain"}),
    "text": (Text("a"), {"text/markdown", "text/plain"}),
    "a call": (ToolCall("1", "look"), {"text/html", "text/markdown", "text/plain"}),
    "a result": (ToolResult("1", "look"), {"text/html", "text/markdown", "text/plain"}),
    "a message": (AssistantMessage("a"), {"text/markdown", "text/plain"}),
}


@pytest.mark.parametrize(("value", "kinds"), OFFERED.values(), ids=OFFERED.keys())
def test_what_a_notebook_is_offered(value, kinds):
    bundle = value._repr_mimebundle_()
    assert set(bundle) == kinds
    assert bundle["text/plain"] == repr(value)


def test_messages_of_the_user_have_a_bar():
    assert UserMessage("a\nb")._repr_mimebundle_()["text/markdown"] == "> a\n> b"
    assert SystemMessage("a")._repr_mimebundle_()["text/markdown"] == "> a"
    assert AssistantMessage("a")._repr_mimebundle_()["text/markdown"] == "a"


def test_plain_text_steers_no_terminal():
    assert bundles.of_markdown("a\x1b]0;b")["text/plain"] == "a]0;b"
