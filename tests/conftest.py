"""Fixtures that many tests ask for."""

from pathlib import Path

import pytest

from llmkit.rows import rows
from llmkit.testing import FakeServer

NO_FOLDER = Path(__file__).absolute().parent / "no-such-folder"  # where no key is stored


def pytest_sessionfinish(session):
    """What one of several processes knows of the recordings goes to the one that prints."""
    from conformance import summary

    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["recordings"] = summary.data()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Such a process has ended."""
    from conformance import summary

    summary.add(getattr(node, "workeroutput", {}).get("recordings", []))


def pytest_terminal_summary(terminalreporter):
    """How many recordings passed which property, or that there are none."""
    from conformance import summary

    for line in summary.lines():
        terminalreporter.write_line(line)


@pytest.fixture
def server():
    """A provider on loopback, scripted by the test."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def client(server):
    """A client of it that does not retry, so that a fault is seen at once."""
    return server.client("anthropic", max_retries=0, model="claude-x")


@pytest.fixture(autouse=True)
def _no_key_of_the_developer(monkeypatch):
    """What the environment of whoever runs the tests holds is none of their business."""
    variables = [names for row in rows() for names in (row.key_variables, *row.variables.values())]
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    vendors = ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL")
    for name in (*(name for names in variables for name in names), *proxies, *vendors, "LLMKIT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLMKIT_CONFIG", str(NO_FOLDER))
