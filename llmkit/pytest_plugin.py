"""What pytest gets from llmkit: fixtures, cassettes by a marker, and no traffic that a test did not ask for.

pytest imports this in every run on a machine that has llmkit, so it imports nothing of llmkit before a test needs it.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from llmkit.client import Client
    from llmkit.taps import Sending
    from llmkit.testing import FakeServer
    from llmkit.transport import Answer

_MARKERS: Final = (
    "llmkit_cassette(path=None): record the calls of this test, or replay them; else cassettes/<module>/<test>.yaml",
    "llmkit_provider(name, **arguments): whose client the fixture llmkit_client is, and what else it is made with",
    "llmkit_network: this test may talk to providers",
)
_NETWORK: Final = "refuse: calls that leave this machine fail in tests that did not ask for them; or allow"
_RECORD: Final = (
    "what tests with the marker llmkit_cassette do. none: replay, and fail where there is no cassette; "
    "auto: record the cassettes that do not exist; all: record all of them anew"
)
_UNFIT: Final = re.compile(r"[^\w.\[\]-]+")  # for a file's name
_SESSIONS: Final = (
    "curl_cffi",
    "httpx",
    "niquests",
    "primp",
)  # whose sessions, which are none of requests', ask the network
_FAILED: Final = pytest.StashKey[BaseException]()
_GATE: Final = pytest.StashKey["_Gate"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--llmkit-record`` and the setting `llmkit_network`."""
    group = parser.getgroup("llmkit", "llmkit: calls of language models")
    group.addoption("--llmkit-record", choices=("none", "auto", "all"), default="none", help=_RECORD)
    parser.addini("llmkit_network", _NETWORK, default="refuse")


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the markers, and refuse traffic from now on."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    network = config.getini("llmkit_network")
    if network not in ("refuse", "allow"):
        raise pytest.UsageError(f"llmkit_network: expected refuse or allow, got {network!r}")
    gate = config.stash[_GATE] = _Gate()
    if network == "refuse":
        from llmkit.taps import tapped  # noqa: PLC0415 - it imports next to nothing

        stack = ExitStack()
        stack.enter_context(tapped(gate))
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with the marker their cassette, before any other fixture may call."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("llmkit_cassette"):
            names = item.fixturenames
            names[:] = ["llmkit_cassette", *(name for name in names if name != "llmkit_cassette")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the gate for tests that ask for it, their fixtures included."""
    gate = item.config.stash[_GATE]
    gate.open = item.get_closest_marker("llmkit_network") is not None
    try:
        return (yield)
    finally:
        gate.open = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Remember that a test failed: its cassette is not written."""
    try:
        return (yield)
    except BaseException as error:
        item.stash[_FAILED] = error
        raise


@pytest.fixture
def llmkit_server() -> "Iterator[FakeServer]":
    """A provider on this machine, which answers as the test says: an `llmkit.testing.FakeServer`."""
    from llmkit.testing import FakeServer  # noqa: PLC0415 - see above

    with FakeServer() as server:
        yield server


@pytest.fixture
def llmkit_client(llmkit_server: "FakeServer", request: pytest.FixtureRequest) -> "Client":
    """A client of `llmkit_server`: of Anthropic, unless the marker `llmkit_provider` names another."""
    marker = request.node.get_closest_marker("llmkit_provider")
    provider, arguments = (marker.args, marker.kwargs) if marker else (("anthropic",), {})
    return llmkit_server.client(*provider, **arguments)


@pytest.fixture
def llmkit_cassette(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The cassette of this test, as `llmkit.testing.replay` or `record` returns it; see the marker of the same name."""
    from llmkit.testing import cassette  # noqa: PLC0415 - see above

    mode = request.config.getoption("--llmkit-record")
    path = _path_of(request.node)
    if mode == "none" and not path.exists():
        pytest.fail(f"there is no cassette {path}: record it with pytest --llmkit-record=auto", pytrace=False)
    gate = request.config.stash[_GATE]
    was_open, gate.open = gate.open, gate.open or mode == "all" or not path.exists()
    manager = cassette(path, mode=mode)
    tape = manager.__enter__()
    try:
        yield tape
    finally:
        gate.open = was_open
        error = request.node.stash.get(_FAILED, None)
        # What a test that failed had recorded is not what it is to be replayed with.
        manager.__exit__(None if error is None else type(error), error, None)


def _path_of(item: pytest.Item) -> Path:
    """Where the cassette of a test is."""
    marker = item.get_closest_marker("llmkit_cassette")
    given = [*marker.args, *marker.kwargs.values()] if marker else []
    folder: Path = item.path.parent
    if given and given[0] is not None:
        return folder / Path(given[0])
    scope = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return folder / "cassettes" / item.path.stem / f"{_UNFIT.sub('-', '.'.join([*scope, item.name]))}.yaml"


class _Gate:
    """Stands before the network: a tap, put in before all others, so that what a cassette answers does not come by.

    Attributes:
        open: Whether the test that is running asked for traffic.
        answers: It answers nothing itself.
    """

    answers = False

    def __init__(self) -> None:
        self.open = False

    def send(self, sending: "Sending") -> "Answer":
        """What the network answers.

        Raises:
            ConfigurationError: It would leave this machine, and the test did not ask for that.
        """
        from llmkit.credentials import is_loopback  # noqa: PLC0415 - imported when there is a client

        if self.open or is_loopback(sending.outgoing.url) or _is_mocked(sending.session):
            return sending.go()
        from llmkit.errors import ConfigurationError  # noqa: PLC0415 - likewise

        host = urlsplit(sending.outgoing.url).hostname
        raise ConfigurationError(
            f"this test called {host} and did not ask for traffic: use the fixtures llmkit_client or llmkit_server, "
            "or the marker llmkit_cassette; the marker llmkit_network allows it"
        )


def _is_mocked(session: object) -> bool:
    """Whether something answers in place of the network: the library `responses`, or a session of the test's own."""
    import requests  # noqa: PLC0415 - imported when there is a client

    if session is None or isinstance(session, requests.Session):
        return requests.adapters.HTTPAdapter.send.__module__ == "responses"
    return type(session).__module__.partition(".")[0] not in _SESSIONS
