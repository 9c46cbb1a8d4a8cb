"""The pytest plugin, in runs of pytest of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import llmkit.client  # a run inside of this process forgets the modules that it was the first to import
import llmkit.pytest_plugin
import llmkit.taps
import llmkit.testing  # noqa: F401

pytest_plugins = ["pytester"]

ELSEWHERE = 'Client("anthropic", api_key="k", model="m", max_retries=0).complete("Hi")'


@pytest.fixture
def run(pytester, request):
    """A run of pytest with the plugin on a test file."""
    plugins = [] if request.config.pluginmanager.hasplugin("llmkit") else ["-p", "llmkit.pytest_plugin"]

    def go(text, *arguments, **more):
        pytester.makepyfile(test_it=f"import pytest, responses\nfrom llmkit import *\n{text}")
        return pytester.runpytest_inprocess(*plugins, "-p", "no:cacheprovider", "--strict-markers", *arguments, **more)

    return go


GOOD = {
    "a server": """
def test_server(llmkit_server):
    llmkit_server.reply("Hello!")
    assert llmkit_server.client("gemini", model="m").complete("Hi").text == "Hello!"
    assert llmkit_server.requests[0].messages == [UserMessage("Hi")]
""",
    "a client": """
def test_client(llmkit_client, llmkit_server):
    assert llmkit_client.complete("Hi").provider == "anthropic"
    assert len(llmkit_server.requests) == 1
""",
    "a client of another": """
@pytest.mark.llmkit_provider("openai", model="gpt-5", max_retries=0)
def test_client(llmkit_client, llmkit_server):
    assert (found := llmkit_client.complete("Hi")).provider == "openai"
    assert llmkit_server.requests[0].json["model"] == "gpt-5"
""",
    "a fault": """
def test_fault(llmkit_client, llmkit_server):
    llmkit_server.fault("bad key")
    with pytest.raises(AuthenticationError):
        llmkit_client.complete("Hi")
""",
    "answers of the library responses": f"""
@responses.activate
def test_mocked():
    usage = {{"input_tokens": 1, "output_tokens": 1}}
    answer = {{"id": "m", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn", "usage": usage}}
    responses.post("https://api.anthropic.com/v1/messages", json=answer)
    assert {ELSEWHERE}.id == "m"
""",
    "a session of the test's own": """
class Session:
    def request(self, method, url, **kwargs):
        raise OSError(f"asked for {url}")

def test_session():
    client = Client("anthropic", api_key="k", model="m", max_retries=0, session=Session())
    with pytest.raises(ConnectionFailedError) as caught:
        client.complete("Hi")
""",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_what_a_test_may_do(run, text):
    run(text).assert_outcomes(passed=1)


REFUSED = {
    "whole": f"def test_it():\n    {ELSEWHERE}",
    "streamed": f"def test_it():\n    {ELSEWHERE.replace('complete', 'stream')}",
    "in a thread": f"def test_it():\n    {ELSEWHERE.replace('complete', 'submit')}.result()",
    "by a session of requests": (
        "import requests\ndef test_it():\n    "
        + ELSEWHERE.replace("max_retries=0", "max_retries=0, session=requests.Session()")
    ),
    "in a fixture": f"@pytest.fixture\ndef found():\n    return {ELSEWHERE}\n\ndef test_it(found): ...",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_traffic_that_nobody_asked_for(run, text):
    result = run(text)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*ConfigurationError: this test called api.anthropic.com and did not ask for traffic*"]
    )


# What is asked is a closed port of this machine under a name that is none of loopback's.
ALLOWED = f"""
{{}}
def test_it(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(ConnectionFailedError):
        {ELSEWHERE}
"""


def test_traffic_that_was_asked_for(run):
    run(ALLOWED.format("@pytest.mark.llmkit_network")).assert_outcomes(passed=1)


def test_traffic_that_the_settings_allow(run):
    run(ALLOWED.format(""), "-o", "llmkit_network=allow").assert_outcomes(passed=1)


def test_a_misspelt_setting(run):
    result = run("def test_it(): ...", "-o", "llmkit_network=never")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*llmkit_network: expected refuse or allow, got 'never'*"])


CASSETTE = """
from llmkit.testing import FakeServer

@pytest.fixture(scope="module")
def host():
    with FakeServer() as server:
        server.reply("recorded")
        yield server

@pytest.mark.llmkit_cassette
@pytest.mark.parametrize("word", ["Hi/there"])
def test_it(host, word):
    found = host.client("anthropic", model="m").complete(word)
    assert found.text == "recorded", found.text
    {more}
"""


def test_a_cassette_is_recorded_and_replayed(run, pytester):
    """The server answers with other words to a second call, which does not come."""
    text = CASSETTE.format(more="")
    missing = run(text)
    missing.stdout.fnmatch_lines(["*there is no cassette *cassettes*: record it with pytest --llmkit-record=auto*"])
    run(text, "--llmkit-record=auto").assert_outcomes(passed=1)
    (written,) = (pytester.path / "cassettes" / "test_it").iterdir()
    assert written.name == "test_it[Hi-there].yaml"
    before = written.read_bytes()
    replaying = text.replace('server.reply("recorded")', "pass")
    run(replaying).assert_outcomes(passed=1)
    run(replaying, "--llmkit-record=auto").assert_outcomes(passed=1)
    assert written.read_bytes() == before
    run(replaying, "--llmkit-record=all").assert_outcomes(failed=1)
    assert written.read_bytes() == before  # the test failed


def test_a_test_that_fails_records_nothing(run, pytester):
    run(CASSETTE.format(more="assert False"), "--llmkit-record=auto").assert_outcomes(failed=1)
    assert not [*pytester.path.rglob("*.yaml")]


def test_a_path_of_ones_own(run, pytester):
    text = CASSETTE.format(more="").replace("llmkit_cassette", 'llmkit_cassette("kept/one.yaml")')
    run(text, "--llmkit-record=auto").assert_outcomes(passed=1)
    assert (pytester.path / "kept" / "one.yaml").exists()


def test_the_cassette_in_a_test(run):
    text = CASSETTE.format(more="assert len(llmkit_cassette.recordings) == 1")
    text = text.replace("def test_it(host", "def test_it(llmkit_cassette, host")
    run(text, "--llmkit-record=auto").assert_outcomes(passed=1)


def test_the_page_about_it(run):
    """Its block is a test file; the last of its tests would need a cassette."""
    page = (Path(__file__).parent.parent / "docs" / "testing.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page[page.index("## In pytest") :], re.DOTALL)
    run(block, "-k", "greeting or key").assert_outcomes(passed=2, deselected=1)


def test_it_imports_nothing_before_a_test_needs_it():
    """Everyone who runs pytest where llmkit is installed pays for it."""
    code = "import sys, llmkit.pytest_plugin, llmkit.taps; print(*(name for name in sys.modules if 'llmkit.' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"llmkit.pytest_plugin", "llmkit.taps"}
