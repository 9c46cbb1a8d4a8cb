"""Markdown as the page shows it."""

import pytest
from playwright.sync_api import Page

CASES = {
    "paragraphs": ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
    "emphasis": (
        "**a** *b* __c__ _d_ ~~e~~",
        "<p><strong>a</strong> <em>b</em> <strong>c</strong> <em>d</em> <del>e</del></p>",
    ),
    "emphasis within": ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    "no emphasis": ("2 * 3 * 4, snake_case_name, a ** b", "<p>2 * 3 * 4, snake_case_name, a ** b</p>"),
    "half of it": ("**bol", "<p>**bol</p>"),
    "code": ("`a < b` and ``x`y``", "<p><code>a &lt; b</code> and <code>x`y</code></p>"),
    "escapes": (r"\*a\* 1\. \\", r"<p>*a* 1\. \</p>".replace(r"1\.", "1.")),
    "headings": ("# A\n###### B #", "<h1>A</h1><h4>B</h4>"),
    "rule": ("a\n\n---\nb", "<p>a</p><hr><p>b</p>"),
    "list": ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
    "numbers": ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    "list in a list": ("- a\n  - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
    "list with gaps": ("1. a\n\n2. b", '<ol start="1"><li>a</li><li>b</li></ol>'),
    "list, then words": ("- a\n\nb", "<ul><li>a</li></ul><p>b</p>"),
    "quote": ("> a\n> b", "<blockquote><p>a<br>b</p></blockquote>"),
    "link": ("[a](https://b.example/c_d_e)", "https://b.example/c_d_e"),
    "link that says another": ("[https://b.example](https://c.example)", ">https://c.example</a>"),
    "bare link": ("see https://b.example/c.", "https://b.example/c"),
    "table": ("|a|b|\n|-|-:|\n|1|`x`|", '<td class="right"><code>x</code></td>'),
    "no table": ("a | b", "<p>a | b</p>"),
    "fence": ("```py\na < b\n\nc\n```\nd", "<pre><code>a &lt; b\n\nc</code></pre></figure><p>d</p>"),
    "open fence": ("```\na\n# b", "<code>a\n# b</code>"),
    "fence after a list": ("1. a\n\n```\nb\n```\n\nc", "<code>b</code></pre></figure><p>c</p>"),
    "fence in a fence": ("````\n```\na\n```\n````", "<code>```\na\n```</code>"),
    "HTML": ("<b>a</b> &amp; <!-- c -->", "<p>&lt;b&gt;a&lt;/b&gt; &amp;amp; &lt;!-- c --&gt;</p>"),
    "script in a link": ("[a](javascript:b)", "<p>a</p>"),
    "picture": ("![a](https://b.example/c.png)", "<a "),
}


DRAW = """async ([text, steps]) => {
    const {draw} = await import("/static/chat/markdown.js");
    const container = document.createElement("div");
    for (let at = steps ? 0 : text.length; at <= text.length; at += 1) draw(container, text.slice(0, at));
    return container.innerHTML;
}"""


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_markdown(tab: Page, text: str, expected: str) -> None:
    found = tab.evaluate(DRAW, [text, False])
    assert expected in found
    assert tab.evaluate(DRAW, [text, True]) == found, "however it arrives"


def test_what_does_not_change_is_not_made_anew(tab: Page) -> None:
    """A selection in what was read stays while more is written."""
    kept = """async () => {
        const {draw} = await import("/static/chat/markdown.js");
        const container = document.createElement("div");
        draw(container, "one\\n\\ntwo");
        const [first, second] = container.children;
        draw(container, "one\\n\\ntwo three");
        return [container.children[0] === first, container.children[1] === second];
    }"""
    assert tab.evaluate(kept) == [True, False]


HARD = {
    "brackets": "[" * 5_000,
    "stars": "*a" * 5_000,
    "stars that nothing ends": "a *a **a" * 50_000,
    "backquotes": "`a" * 5_000,
    "a run of backquotes": "a " + "`" * 5_000,
    "underscores": "_" * 10_000,
    "quotes": ">" * 2_000,
    "pipes": f"{'|' * 5_000}\n{'|-' * 2_500}",
    "blanks": "a" + " " * 100_000 + "a",
    "blanks in a heading": f"#{' ' * 3_000}a\u2028b",
    "blanks in an item": f"-{' ' * 50_000}a\u2028b",
    "blanks below pipes": f"a|b\n{' ' * 100_000}a",
    "an item far to the right": f"{' ' * 100_000}- a\n- b\n  c",
    "paragraphs": "a\n\n" * 50_000,
    "rows": "a|b\n-|-\n" + "a|b\n" * 50_000,
    "items": "- a\n" * 10_000,
    "a long paragraph": "*a* " * 50_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_nothing_takes_long(tab: Page, text: str) -> None:
    """Else the page would hang: then the time of a test ends, which is enough for all of these."""
    assert tab.evaluate(DRAW, [text, False])
