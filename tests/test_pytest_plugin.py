"""The pytest plugin, in runs of pytest of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import responses  # noqa: F401

import llmkit.pytest_plugin  # noqa: F401
from llmkit import *  # noqa: F403
from llmkit.testing import FakeServer, record, replay

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module", autouse=True)
def _known(tmp_path_factory):
    """Import what the runs do, as above: each forgets the modules that it was the first to import."""
    path = tmp_path_factory.mktemp("known") / "one.yaml"
    for tape in (record, replay):
        with FakeServer() as server, tape(path):
            server.client("anthropic").complete("Hi")


ELSEWHERE = 'Client("anthropic", api_key="k", model="m", max_retries=0).complete("Hi")'


@pytest.fixture
def run(pytester, request):
    """A run of pytest with the plugin on a test file, or on several: one run is quicker than many."""
    plugins = [] if request.config.pluginmanager.hasplugin("llmkit") else ["-p", "llmkit.pytest_plugin"]

    def go(text, *arguments, **more):
        texts = text if isinstance(text, dict) else {"it": text}
        named = {"test_" + re.sub(r"\W", "_", name): one for name, one in texts.items()}
        pytester.makepyfile(
            **{name: f"import pytest, responses\nfrom llmkit import *\n{one}" for name, one in named.items()}
        )
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
    "answers of the library requests-mock": """
import requests

def send(session, request, **kwargs):
    raise OSError(f"asked for {request.url}")

def test_mocked(monkeypatch):
    send.__module__ = "requests_mock.mocker"
    monkeypatch.setattr(requests.Session, "send", send)
    client = Client("anthropic", api_key="k", model="m", max_retries=0, session=requests.Session())
    with pytest.raises(ConnectionFailedError) as caught:
        client.complete("Hi")
""",
    "what is mounted in a session of requests": """
import requests

class Mounted(requests.adapters.BaseAdapter):
    def send(self, request, **kwargs):
        raise OSError(f"asked for {request.url}")

def test_session():
    session = requests.Session()
    session.mount("https://", Mounted())
    client = Client("anthropic", api_key="k", model="m", max_retries=0, session=session)
    with pytest.raises(ConnectionFailedError) as caught:
        client.complete("Hi")
""",
}


def test_what_a_test_may_do(run):
    run(GOOD).assert_outcomes(passed=len(GOOD))


REFUSED = {
    "whole": f"def test_it():\n    {ELSEWHERE}",
    "streamed": f"def test_it():\n    {ELSEWHERE.replace('complete', 'stream')}",
    "in a thread": f"def test_it():\n    {ELSEWHERE.replace('complete', 'submit')}.result()",
    "by a session of requests": (
        "import requests\ndef test_it():\n    "
        + ELSEWHERE.replace("max_retries=0", "max_retries=0, session=requests.Session()")
    ),
    "by what a session of others became": (
        "Theirs = type('Theirs', (), {'__module__': 'curl_cffi.requests.session', 'request': lambda *_, **__: 0})\n"
        "class Session(Theirs): ...\n"
        "def test_it():\n    " + ELSEWHERE.replace("max_retries=0", "max_retries=0, session=Session()")
    ),
    "in a fixture": f"@pytest.fixture\ndef found():\n    return {ELSEWHERE}\n\ndef test_it(found): ...",
}


def test_traffic_that_nobody_asked_for(run):
    result = run(REFUSED)
    result.assert_outcomes(failed=len(REFUSED) - 1, errors=1)
    said = "E +llmkit.errors.ConfigurationError: this test called api.anthropic.com and did not ask for traffic"
    assert len(re.findall(said, result.stdout.str())) == len(REFUSED)


# What is asked is a closed port of this machine under a name that is none of loopback's; the run around it may, too.
ALLOWED = f"""
{{}}
def test_it(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(ConnectionFailedError):
        {ELSEWHERE}
"""


@pytest.mark.llmkit_network
def test_traffic_that_was_asked_for(run):
    run(ALLOWED.format("@pytest.mark.llmkit_network")).assert_outcomes(passed=1)


@pytest.mark.llmkit_network
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
    assert re.fullmatch(r"test_it\[Hi-there\]-[0-9a-f]{8}\.yaml", written.name)
    before = written.read_bytes()
    replaying = text.replace('server.reply("recorded")', "pass")
    run(replaying).assert_outcomes(passed=1)
    run(replaying, "--llmkit-record=auto").assert_outcomes(passed=1)
    assert written.read_bytes() == before
    run(replaying, "--llmkit-record=all").assert_outcomes(failed=1)
    assert written.read_bytes() == before  # the test failed


HOST = """
import unittest
from llmkit.testing import FakeServer

@pytest.fixture(scope="session")
def host():
    with FakeServer() as server:
        yield server.client("anthropic", model="m")
"""
UNFIT = f"""{HOST}
pytestmark = pytest.mark.llmkit_cassette

@pytest.fixture
def before(host):
    host.complete("before")
    assert False

@pytest.fixture
def after(host):
    yield
    host.complete("after")
    assert False

def test_that_fails(host):
    host.complete("Hi")
    assert False

def test_whose_set_up_fails(before): ...

def test_whose_tear_down_fails(host, after):
    host.complete("Hi")

def test_that_skips_in_its_middle(host):
    host.complete("Hi")
    pytest.skip()

@pytest.mark.xfail(strict=True)
def test_that_passes_against_all_odds(host):
    host.complete("Hi")

class TestOfUnittest(unittest.TestCase):
    def test_it(self):
        with FakeServer() as server:
            server.client("anthropic").complete("Hi")
        self.assertEqual(1, 2)
"""


def test_a_test_that_fails_records_nothing(run, pytester):
    run(UNFIT, "--llmkit-record=all").assert_outcomes(failed=3, errors=2, passed=1, skipped=1)
    assert not [*pytester.path.rglob("*.yaml")]


def test_a_run_that_is_interrupted_leaves_the_cassettes(run, pytester):
    text = HOST + "@pytest.mark.llmkit_cassette\ndef test_it(host):\n    host.complete('Hi')\n"
    run(text, "--llmkit-record=auto").assert_outcomes(passed=1)
    (written,) = pytester.path.rglob("*.yaml")
    before = written.read_bytes()
    run(f"{text}    raise KeyboardInterrupt", "--llmkit-record=all", no_reraise_ctrlc=True).assert_outcomes()
    assert written.read_bytes() == before
    assert [*written.parent.iterdir()] == [written]


AGAIN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, log=False, nextitem=nextitem)
    item._initrequest()
    runtestprotocol(item, nextitem=nextitem)
    return True
"""


def test_a_test_that_is_run_again_records_what_it_did_at_last(run, pytester):
    """As plugins do with flaky tests."""
    pytester.makeconftest(AGAIN)
    tried = f"""{HOST}
tries = iter("12")

@pytest.mark.llmkit_cassette
def test_it(host):
    which = next(tries)
    host.complete("try " + which)
    assert which == "2"
"""
    run(tried, "--llmkit-record=auto").assert_outcomes(passed=1)
    (written,) = pytester.path.rglob("*.yaml")
    assert "try 2" in written.read_text()
    assert "try 1" not in written.read_text()


NAMES = f"""{HOST}
@pytest.mark.llmkit_cassette
@pytest.mark.parametrize("word", ["a/b", "a b", "a-b", "Gr\u00fc\u00dfe", "\u65e5", "../..", "a:b", ""], ids=str)
def test_words(host, word):
    host.complete("Say " + word)

@pytest.mark.llmkit_cassette
def test_{"long" * 75}(host):
    host.complete("Say much")

@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.llmkit_cassette), 3])
def test_numbers(host, request, number):
    assert ("llmkit_cassette" in request.fixturenames) == (number == 2)

def test_late(host, request):
    assert request.fixturenames[0] == "llmkit_cassette"
"""
LATE = """
def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_late":
            item.add_marker("llmkit_cassette")
"""


def test_each_test_has_a_cassette_of_its_own(run, pytester):
    """Whatever its name, that of a file has no place for; and nobody else has one."""
    pytester.makeconftest(LATE)
    run(NAMES, "--llmkit-record=auto").assert_outcomes(passed=13)
    folder = pytester.path / "cassettes" / "test_it"
    assert len([*folder.iterdir()]) == len([*pytester.path.rglob("*.yaml")]) == 11
    assert {"test_words[a-b].yaml", "test_words[].yaml", "test_late.yaml"} <= {path.name for path in folder.iterdir()}
    run(NAMES).assert_outcomes(passed=13)


def test_a_cassette_of_several_tests_is_recorded_by_the_first(run, pytester):
    text = f"""{HOST}
@pytest.mark.llmkit_cassette("one.yaml")
class TestBoth:
    def test_first(self, host):
        host.complete("Hi")

    def test_second(self, host, llmkit_cassette):
        host.complete("Hi")
        assert len(llmkit_cassette.played) == 1
"""
    run(text, "--llmkit-record=all").assert_outcomes(passed=2)
    run(text).assert_outcomes(passed=2)


def test_a_path_of_ones_own(run, pytester):
    text = CASSETTE.format(more="").replace("llmkit_cassette", 'llmkit_cassette("kept/one.yaml")')
    run(text, "--llmkit-record=auto").assert_outcomes(passed=1)
    assert (pytester.path / "kept" / "one.yaml").exists()


def test_a_marker_that_says_something_else(run):
    result = run('@pytest.mark.llmkit_cassette(mode="all")\ndef test_it(): ...')
    result.stdout.fnmatch_lines(["*llmkit_cassette takes one path, and nothing else: see --llmkit-record for modes*"])


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
