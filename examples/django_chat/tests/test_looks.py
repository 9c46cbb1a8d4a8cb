"""How the site looks, and to whom."""

import os
from pathlib import Path

import pytest
from conftest import PICTURE, answered, say
from playwright.sync_api import Browser, Dialog, Page, expect

from llmkit import Thinking, ToolCall
from llmkit.testing import FakeServer

WIDTHS = {"a telephone": (390, 844), "a desk": (1280, 800)}
LONG = (
    f"```{'language' * 20}\n```\n"
    f"A word that is {'very' * 60} long, a [link](https://example.org/{'path/' * 40}), and a table:\n\n"
    + "\n".join(f"| {' | '.join(cells)} |" for cells in (["column"] * 9, ["--"] * 9, ["a value"] * 9))
)


@pytest.mark.parametrize(("width", "height"), WIDTHS.values(), ids=WIDTHS.keys())
def test_all_of_it_fits(page: Page, provider: FakeServer, tmp_path: Path, width: int, height: int) -> None:
    """Pictures of it are in the folder that CHAT_SCREENSHOTS names, for people to look at."""
    folder = Path(os.environ.get("CHAT_SCREENSHOTS", tmp_path))
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=folder / f"{width}-welcome.png")
    provider.reply([Thinking("Two places.", "signature"), ToolCall("c", "weather", {"city": "Oslo" * 50})])
    provider.reply([ToolCall("d", "weather" * 30, {})])
    provider.reply(LONG)
    page.set_input_files("#image", {"name": f"{'long' * 40}.png", "mimeType": "image/png", "buffer": PICTURE})
    page.screenshot(path=folder / f"{width}-attached.png")
    say(page, f"Do I need an umbrella? {'Really' * 40}")
    answered(page)
    provider.fault("cut stream", after=6)
    say(page, "More")
    expect(page.get_by_role("alert")).to_be_visible()
    answered(page)
    page.screenshot(path=folder / f"{width}-error.png")
    page.locator("#scroller").evaluate("(it) => { it.scrollTop = 0; }")
    page.locator("#transcript details summary").first.click()
    page.screenshot(path=folder / f"{width}-answer.png")
    widest = (
        "[...document.querySelectorAll('.room, .room > *, .turn, .text, .call, .state, figcaption *, .failure, .box')]"
    )
    right = page.evaluate(f"Math.max(...{widest}.map((one) => one.getBoundingClientRect().right))")
    assert right <= width
    assert page.evaluate("[document.documentElement.scrollWidth, document.getElementById('scroller').scrollLeft]") == [
        width,
        0,
    ]
    expect(page.locator("#send")).to_be_in_viewport(ratio=1)


def test_the_list_of_conversations_on_a_telephone(page: Page, provider: FakeServer) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    say(page, "One")
    answered(page)
    expect(page.get_by_role("link", name="New chat")).not_to_be_in_viewport()
    page.get_by_role("button", name="Conversations").click()
    expect(page.get_by_role("button", name="Close the list")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Conversations")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="New chat").click()
    expect(page.locator("#welcome")).to_be_visible()
    page.get_by_role("button", name="Conversations").click()
    page.get_by_role("link", name="One").click()
    expect(page.locator(".assistant .text")).to_have_text("One")
    page.get_by_role("button", name="Conversations").click()
    for decide in (Dialog.dismiss, Dialog.accept):
        expect(page.locator("#conversations li")).to_have_count(1)
        page.once("dialog", decide)
        page.get_by_role("button", name="Delete this conversation").click()
    expect(page.locator("#conversations li")).to_have_count(0)


def test_without_scripts(browser: Browser, gunicorn: str) -> None:
    """The page says so, and offers nothing that then does not work."""
    with browser.new_context(base_url=gunicorn, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/")
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.locator("#composer")).to_be_hidden()
