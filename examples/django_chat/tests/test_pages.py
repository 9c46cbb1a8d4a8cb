"""The site in a browser."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PATIENCE, PICTURE, answered, say, visit
from playwright.sync_api import Browser, Page, expect

from llmkit import (
    AuthenticationError,
    Image,
    OverloadedError,
    Text,
    Thinking,
    ToolCall,
    UserMessage,
)
from llmkit.testing import FakeServer

WORDS = 40
DELAY = 0.05  # seconds between two words
SECOND = 1.0


# ---- text ------------------------------------------------------------------------------------------------------------

WATCH = """() => {
    window.grown = [];
    new MutationObserver(() => {
        const length = document.querySelector("#transcript .assistant .text")?.textContent.length ?? 0;
        if (length > (window.grown.at(-1)?.length ?? 0)) window.grown.push({length, at: performance.now() / 1000});
    }).observe(document.getElementById("transcript"), {childList: true, characterData: true, subtree: true});
}"""


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_text_appears_while_it_is_written(
    server: str, provider: FakeServer, browser: Browser, request: pytest.FixtureRequest
) -> None:
    text = " ".join(f"word{number}" for number in range(WORDS))
    provider.reply(text, delay=DELAY)
    with visit(browser, request.getfixturevalue(server)) as page:
        page.evaluate(WATCH)
        say(page, "Write slowly")
        expect(page.locator(".assistant .text")).to_have_text(text)
        grown = page.evaluate("window.grown")
    assert len(grown) > WORDS / 4
    assert grown[-1]["at"] - grown[0]["at"] > WORDS * DELAY / 4


def test_an_answer_is_there_after_a_reload(page: Page, provider: FakeServer) -> None:
    provider.reply([Thinking("Hm.", "signature"), Text("It is **4 °C**."), ToolCall("c", "weather", {"city": "Oslo"})])
    provider.reply("Take a coat.\n\n```python\nprint('brr')\n```\n\n- wool\n- or down")
    say(page, "How is it in Oslo?")
    answered(page)
    folded = page.locator("#transcript details:not([open])")
    expect(folded).to_have_count(2)
    expect(page.locator(".call.done .result")).to_contain_text('"city": "Oslo"')
    live = told(page)
    page.reload()
    assert told(page) == live
    assert page.title() == "How is it in Oslo?"
    expect(page.locator("#conversations .current")).to_have_text("How is it in Oslo?")
    say(page, "And now?")
    answered(page)
    assert [message.role for message in provider.requests[-1].messages] == [
        "system",
        *["user", "assistant"] * 2,
        "user",
    ]


def told(page: Page) -> str:
    """All that the transcript says, what is folded included."""
    page.evaluate("document.querySelectorAll('#transcript details').forEach((one) => { one.open = true; })")
    return page.inner_text("#transcript")


def test_lines_are_typed_and_sent(page: Page, provider: FakeServer) -> None:
    expect(page.locator("#send")).to_be_disabled()
    for key in ("o", "n", "e", "Shift+Enter", "t", "w", "o", "Enter"):
        page.keyboard.press(key)
    answered(page)
    assert provider.requests[-1].messages[-1] == UserMessage("one\ntwo")
    expect(page.locator(".user .text")).to_have_text("one\ntwo")


def test_a_tool_that_fails(page: Page, provider: FakeServer) -> None:
    provider.reply(ToolCall("c", "weather", {"city": " "}))
    provider.reply("Tell me the city.")
    say(page, "How is it?")
    answered(page)
    expect(page.locator(".call.failed .result")).to_contain_text("which city?")
    expect(page.get_by_role("status")).to_have_text(
        re.compile("Answer:.*weather.*failed.*Tell me the city.", re.DOTALL)
    )


# ---- an end ----------------------------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[Page], object]] = {
    "stop button": lambda page: page.click("#stop"),
    "closed tab": lambda page: page.close(),
}
BEFORE = {"while it writes": None, "while it says nothing": "stall"}


@pytest.mark.parametrize("fault", BEFORE.values(), ids=BEFORE.keys())
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_who_leaves_is_not_written_for(
    browser: Browser, gunicorn: str, provider: FakeServer, end: Callable[[Page], object], fault: str | None
) -> None:
    """The provider's connection is closed within a second; on a machine that is busy with more, one of three times."""
    seconds = []
    while not seconds or (min(seconds) > SECOND and len(seconds) < 3):
        provider.reset()
        provider.reply("word " * 10_000, delay=DELAY)
        if fault is not None:
            provider.fault(fault, after=8)
        with visit(browser, gunicorn) as page:
            say(page, "Write a lot")
            expect(page.locator(".assistant .text")).to_contain_text("word word")
            begun = time.monotonic()
            end(page)
            seconds.append(_abandoned(provider) - begun)
    assert min(seconds) < SECOND


def _abandoned(provider: FakeServer) -> float:
    """When the provider has found its connection closed."""
    deadline = time.monotonic() + PATIENCE
    while not provider.abandoned:
        assert time.monotonic() < deadline, "the provider goes on writing"
        time.sleep(0.005)
    return time.monotonic()


def test_what_was_stopped_is_kept_as_far_as_it_came(page: Page, provider: FakeServer) -> None:
    provider.reply("word " * 10_000, delay=DELAY)
    say(page, "Write a lot")
    expect(page.locator(".assistant .text")).to_contain_text("word word")
    page.click("#stop")
    expect(page.locator(".note")).to_have_text("Stopped.")
    _abandoned(provider)
    _kept(page, "word word")
    page.reload()
    expect(page.locator(".assistant .text")).to_contain_text("word word")
    say(page, "Go on")
    answered(page)
    *_, asked, partial, more = provider.requests[-1].messages
    assert (asked, more) == (UserMessage("Write a lot"), UserMessage("Go on"))
    assert partial.text.startswith("word word")


def _kept(page: Page, words: str) -> None:
    """Wait until the history has it, which is a moment after the page has left."""
    deadline = time.monotonic() + PATIENCE
    while words not in page.request.get(page.url).text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_goes_back_sees_what_was_said_since(page: Page, provider: FakeServer) -> None:
    say(page, "One")
    answered(page)
    page.reload()
    say(page, "Two")
    answered(page)
    page.get_by_role("link", name="New chat").click()
    page.go_back()
    expect(page.locator(".user .text")).to_have_text(["One", "Two"])


# ---- errors ----------------------------------------------------------------------------------------------------------


def _cut(provider: FakeServer) -> None:
    provider.fault("cut stream", after=6)


def _error_event(provider: FakeServer) -> None:
    provider.fault("error event", after=6)


def _refused(provider: FakeServer) -> None:
    provider.reply(AuthenticationError("the key test-key is wrong", status=401))


ERRORS: dict[str, tuple[Callable[[FakeServer], None], str]] = {
    "an error event": (_error_event, "The model has too much to do at present."),
    "a stream that is cut off": (_cut, "The answer was cut off."),
    "a refusal at once": (_refused, "The model cannot be reached, as this site is not set up for it."),
}


@pytest.mark.parametrize(("script", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_shown_and_asked_again(
    page: Page, provider: FakeServer, script: Callable[[FakeServer], None], words: str
) -> None:
    provider.reply_with(lambda _: "one two three four five six")
    script(provider)
    say(page, "Count")
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator("body")).not_to_contain_text("test-key")
    answered(page)
    page.click("#again")
    answered(page)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator(".assistant .text")).to_have_text("one two three four five six")
    assert provider.requests[-1].messages[1:] == [UserMessage("Count")]
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)


def test_rounds_that_are_kept_stay(page: Page, provider: FakeServer) -> None:
    """What is asked again goes on after the last results of tools."""
    failing = [OverloadedError("busy", status=529, headers={"x-should-retry": "false"}), "Take a coat."]
    provider.reply([Text("Let me look."), ToolCall("c", "weather", {"city": "Oslo"})])
    provider.reply_with(lambda _: failing.pop(0))
    say(page, "How is it?")
    expect(page.get_by_role("alert")).to_be_visible()
    answered(page)
    page.click("#again")
    answered(page)
    expect(page.locator(".assistant .text")).to_have_text(["Let me look.", "Take a coat."])
    expect(page.locator(".call.done")).to_have_count(1)
    live = told(page)
    page.reload()
    assert told(page).replace("Answer:", "").split() == live.replace("Answer:", "").split()


def test_an_unanswered_question_is_offered_again(page: Page, provider: FakeServer) -> None:
    provider.fault("cut stream", after=6)
    say(page, "Count")
    expect(page.get_by_role("alert")).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("no answer yet")
    page.click("#again")
    answered(page)
    expect(page.locator(".assistant .text")).to_have_text("Count")


def test_what_the_site_has_not_got_stays_typed(page: Page, provider: FakeServer) -> None:
    page.route("**/say/", lambda route: route.abort())
    page.set_input_files("#image", {"name": "garden.png", "mimeType": "image/png", "buffer": PICTURE})
    say(page, "A long thought")
    expect(page.get_by_role("alert")).to_contain_text("The connection was lost.")
    expect(page.locator(".turn")).to_have_count(0)
    page.unroute("**/say/")
    page.click("#send")
    answered(page)
    assert [type(part) for part in provider.requests[-1].messages[-1].content] == [Image, Text]
    expect(page.locator(".user .text")).to_have_text("A long thought")


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_is_sent_and_shown(page: Page, provider: FakeServer) -> None:
    provider.reply("A gradient.")
    page.set_input_files("#image", {"name": "garden.png", "mimeType": "image/png", "buffer": PICTURE})
    expect(page.locator("#attached-name")).to_have_text("garden.png")
    say(page, "What is this?")
    answered(page)
    expect(page.locator("#attached")).to_be_hidden()
    image, text = provider.requests[-1].messages[-1].content
    assert isinstance(image, Image)
    assert (image.data, image.media_type, text) == (PICTURE, "image/png", Text("What is this?"))
    for _ in range(2):
        shown = page.locator(".user .picture")
        expect(shown).to_have_js_property("naturalWidth", 160)
        page.reload()


FILES = {
    "no picture": (b"just words", "Only PNG, JPEG, WebP and GIF pictures can be sent."),
    "another kind of picture": (
        b"BM" + bytes(12) + b"(" + bytes(40),
        "Only PNG, JPEG, WebP and GIF pictures can be sent.",
    ),
    "too large": (PICTURE + bytes(5_000_000), "The picture is too large: up to 4 MB can be sent."),
}


@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES.keys())
def test_a_file_that_cannot_be_sent(
    page: Page, provider: FakeServer, tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "garden.png"
    file.write_bytes(content)
    page.set_input_files("#image", file)
    page.fill("#text", "What is this?")
    if page.locator("#attached").is_visible():
        page.click("#send")
    expect(page.locator("#failure-text")).to_have_text(words)
    expect(page.locator("#text")).to_have_value("What is this?")
    expect(page.locator("#again")).to_be_hidden()
    assert provider.requests == []


# ---- what a model may write ------------------------------------------------------------------------------------------

HOSTILE = """\
<img src=x onerror="window.hacked = 1"><script>window.hacked = 2</script>

[click](javascript:window.hacked=3) ![look](data:text/html,<script>window.hacked=4</script>) <https://a.example/">

```html
</code></pre><svg onload="window.hacked = 5">
```
"""


def test_nothing_that_a_model_writes_is_run(page: Page, provider: FakeServer) -> None:
    call = ToolCall("c", "<b>weather</b>", {"<script>window.hacked = 6</script>": HOSTILE})
    provider.reply([Thinking(HOSTILE, "signature"), Text(HOSTILE), call])
    provider.reply(HOSTILE)
    say(page, HOSTILE)
    answered(page)
    for _ in range(2):
        expect(page.locator(".assistant .text").first).to_contain_text('<img src=x onerror="window.hacked = 1">')
        made = "img:not([src^='/']), script, iframe, [onerror], [onload], a:not([href^='https://']), b"
        expect(page.locator("#transcript").locator(made)).to_have_count(0)
        assert page.evaluate("window.hacked ?? null") is None
        page.reload()
