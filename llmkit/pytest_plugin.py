"""What pytest gets from llmkit: fixtures, cassettes by a marker, and no traffic that a test did not ask for.

pytest imports this in every run on a machine that has llmkit, so it imports nothing of llmkit before a test needs it.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from os import PathLike

    from llmkit.client import Client
    from llmkit.taps import Sending
    from llmkit.testing import FakeServer, Tape
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
_NAME: Final = 120  # bytes of such a name: what is short enough for every file system, with what is put around it
_SESSIONS: Final = frozenset({"curl_cffi", "httpx", "niquests", "primp"})
"""Whose sessions, which are none of requests', ask the network."""
_TAPE: "Final[pytest.StashKey[Tape]]" = pytest.StashKey()
_GATE: Final = pytest.StashKey["_Gate"]()
_RECORDED: Final = pytest.StashKey[set[Path]]()


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
    config.stash[_RECORDED] = set()
    if network == "refuse":
        from llmkit.taps import tapped  # noqa: PLC0415 - it imports next to nothing

        stack = ExitStack()
        stack.enter_context(tapped(gate))
        config.add_cleanup(stack.close)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with the marker, also one that others have put there, their cassette before a fixture may call."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        names = item.fixturenames
        if "llmkit_cassette" in names or item.get_closest_marker("llmkit_cassette"):
            # A list of its own: that of pytest is the one of all parameters' tests.
            item.fixturenames = ["llmkit_cassette", *(name for name in names if name != "llmkit_cassette")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the gate for tests that ask for it, their fixtures included."""
    gate = item.config.stash[_GATE]
    gate.open = item.get_closest_marker("llmkit_network") is not None
    try:
        return (yield)
    finally:
        gate.open = False


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Forget what was recorded where something went wrong: the test is not to be replayed with that."""
    report = yield
    if not report.passed and _TAPE in item.stash:
        del item.stash[_TAPE]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Write what was recorded, now that nothing can go wrong any more."""
    found = yield
    tape = item.stash.get(_TAPE, None)
    if tape is not None:
        from llmkit.testing.cassettes import files  # noqa: PLC0415 - with the extra

        del item.stash[_TAPE]
        files.write(tape.path, tape.recordings)
        item.config.stash[_RECORDED].add(tape.path)
    return found


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
    from llmkit.testing import replay  # noqa: PLC0415 - see above
    from llmkit.testing.cassettes import recorded  # noqa: PLC0415

    config, path = request.config, _path_of(request.node)
    mode, exists = config.getoption("--llmkit-record"), path.exists()
    if mode == "none" and not exists:
        pytest.fail(f"there is no cassette {path}: record it with pytest --llmkit-record=auto", pytrace=False)
    # Where several tests have one cassette, the first that runs records it.
    if exists and (mode != "all" or path in config.stash[_RECORDED]):
        with replay(path) as tape:
            yield tape
        return
    gate = config.stash[_GATE]
    was_open, gate.open = gate.open, True
    try:
        with recorded(path) as tape:
            request.node.stash[_TAPE] = tape
            yield tape
    finally:
        gate.open = was_open


def _path_of(item: pytest.Item) -> Path:
    """Where the cassette of a test is."""
    marker = item.get_closest_marker("llmkit_cassette")
    given = None if marker is None else _given(marker)
    folder: Path = item.path.parent
    if given is not None:
        return folder / given
    scope = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return folder / "cassettes" / item.path.stem / f"{_file_name('.'.join([*scope, item.name]))}.yaml"


def _given(marker: pytest.Mark) -> "str | PathLike[str] | None":
    """The path that the marker names."""
    values = [*marker.args, *marker.kwargs.values()]
    if len(values) > 1 or marker.kwargs.keys() - {"path"}:
        pytest.fail(f"{marker.name} takes one path, and nothing else: see --llmkit-record for modes", pytrace=False)
    return values[0] if values else None


def _file_name(name: str) -> str:
    """`name`, if a file can have it; else one like it, which no other has."""
    found = _UNFIT.sub("-", name)
    short = found.encode()[:_NAME].decode(errors="ignore")
    if short == name:
        return name
    return f"{short}-{sha256(name.encode(errors='backslashreplace')).hexdigest()[:8]}"


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

        if self.open or is_loopback(sending.outgoing.url) or _is_mocked(sending):
            return sending.go()
        from llmkit.errors import ConfigurationError  # noqa: PLC0415 - likewise

        host = urlsplit(sending.outgoing.url).hostname
        raise ConfigurationError(
            f"this test called {host} and did not ask for traffic: use the fixtures llmkit_client or llmkit_server, "
            "or the marker llmkit_cassette; the marker llmkit_network allows it"
        )


def _is_mocked(sending: "Sending") -> bool:
    """Whether something answers in place of the network: a library that does so, or a session of the test's own."""
    from requests import Session  # noqa: PLC0415 - imported when there is a client
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 - likewise
    from requests.exceptions import InvalidSchema  # noqa: PLC0415 - likewise

    session = sending.session
    if session is not None and not isinstance(session, Session):
        return not any(_home(cls) in _SESSIONS for cls in type(session).__mro__)
    if _home(HTTPAdapter.send) == "responses":
        return True
    if session is None:
        return False
    try:
        adapter = session.get_adapter(sending.outgoing.url)
    except InvalidSchema:
        return True  # nothing is sent
    return _home(type(session).send) == "requests_mock" or not isinstance(adapter, HTTPAdapter)


def _home(thing: Any) -> str:
    """The package where a class or a function was defined."""
    return str(thing.__module__).partition(".")[0]
