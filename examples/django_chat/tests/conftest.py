"""A provider in this process, the site in processes of its own as it is deployed, and a browser."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from llmkit.media.png import encode
from llmkit.testing import FakeServer

FOLDER = Path(__file__).parent.parent
PATIENCE = 30.0  # seconds, for what is there in one
GUNICORN = ("gunicorn", "-k", "gthread", "--threads", "64", "--preload", "--graceful-timeout", "1")
CHROMIUM = ("--no-sandbox", "--disable-dev-shm-usage")  # as root, and in containers with little shared memory
DESK: ViewportSize = {"width": 1280, "height": 800}
UVICORN = ("uvicorn", "--timeout-graceful-shutdown", "1")
PICTURE = encode(bytes(value for y in range(120) for x in range(160) for value in (x, 2 * y, 140)), 160, 120, 3)
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def whole_run() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def provider(whole_run: FakeServer) -> FakeServer:
    """Whom the site asks; new for each test."""
    whole_run.reset()
    return whole_run


@pytest.fixture(scope="session")
def environment(whole_run: FakeServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a site that asks the provider."""
    found = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CHAT_")},
        "CHAT_BASE_URL": whole_run.url,
        "CHAT_KEY": "test-key",
        "CHAT_MODEL": "a-model",
        "CHAT_DATABASE": str(tmp_path_factory.mktemp("database") / "chat.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "PYTHONUNBUFFERED": "1",
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=FOLDER, env=found, check=True)
    return found


@contextmanager
def served(command: Sequence[str], environment: dict[str, str]) -> Iterator[str]:
    """The address of a server, which runs meanwhile."""
    with (
        TemporaryFile("a+") as log,
        subprocess.Popen([sys.executable, *command], cwd=FOLDER, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield _address(process, log)
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[bytes]", log: IO[str]) -> str:
    """Where it says that it listens."""
    deadline = time.monotonic() + PATIENCE
    told = ""
    while process.poll() is None and time.monotonic() < deadline:
        log.seek(0)
        told = log.read()
        if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", told):
            return found[0]
        time.sleep(0.02)
    pytest.fail(f"no server: {told}")


@pytest.fixture(scope="session")
def gunicorn(environment: dict[str, str]) -> Iterator[str]:
    """The site under WSGI, in threads."""
    command = ("-m", *GUNICORN, "--bind", "127.0.0.1:0", "project.wsgi")
    with served(command, environment) as url:
        yield url


@pytest.fixture(scope="session")
def uvicorn(environment: dict[str, str]) -> Iterator[str]:
    """The site under ASGI."""
    with served(("-m", *UVICORN, "--port", "0", "project.asgi:application"), environment) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None and "CI" not in os.environ:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=[*CHROMIUM]) as it:
        yield it


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """A tab in a window of its own, on the site."""
    # Without what moves, as that is drawn sixty times a second by a machine that has better things to do.
    with browser.new_context(base_url=url, viewport=DESK, reduced_motion="reduce") as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        with watched(page):
            page.goto("/")
            yield page


@contextmanager
def watched(page: Page) -> Iterator[None]:
    """Whatever a script of the page fails at fails the test."""
    failures: list[str] = []

    def failed(error: Exception) -> None:
        failures.append(str(error))

    page.on("pageerror", failed)
    yield
    page.remove_listener("pageerror", failed)
    assert not failures


@pytest.fixture(scope="session")
def tab(browser: Browser, gunicorn: str) -> Iterator[Page]:
    """One for all tests that close none: a new one takes the browser longer than most of them."""
    with visit(browser, gunicorn) as page:
        yield page


@pytest.fixture
def page(tab: Page) -> Iterator[Page]:
    """The tab of a visitor who was never here."""
    tab.context.clear_cookies()
    tab.set_viewport_size(DESK)
    with watched(tab):
        tab.goto("/")
        yield tab
    tab.unroute_all()


def say(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#send")


def answered(page: Page) -> None:
    """Wait for the end of an answer."""
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator(".waiting")).to_have_count(0)
