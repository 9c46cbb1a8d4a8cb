"""Redirects are never followed: neither key nor prompt goes where nobody meant them to go."""

import contextlib
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from attrs import frozen
from faults.calls import (
    KEY,
    MODES,
    assert_failed,
    each_format,
    each_mode,
    says,
    use,
    whole,
)
from faults.formats import ANTHROPIC, CHAT, FORMATS, MODEL
from faults.limits import SOON, dripping, stalled
from faults.refusals import KEPT
from sockets import PATIENCE, Server, bundle, echo

from llmkit import APIError, Client
from llmkit.transport.answer import ERROR_SECONDS

pytest_plugins = ["calls"]

STATUSES = range(300, 310)
SECRET = "do-not-tell-0123456789"
PROMPT = "the prompt, which is nobody else's business"

each_session = pytest.mark.parametrize("own", [False, True], ids=["-", "session"])


def redirect(location, status=307, body=b"gone elsewhere"):
    return whole(body, f"{status} Elsewhere", "" if location is None else f"Location: {location}\r\n")


@contextlib.contextmanager
def client_of(server, form, own, **options):
    """A client, with a session of the caller's or without."""
    options = {"api_key": KEY, "model": MODEL, "max_retries": 2, "base_url": server.url, **options}
    with requests.Session() as session:
        if own:
            session.verify, options["session"] = options.pop("verify", True), session
        with Client(form.provider, **options) as client:
            yield client


def assert_not_followed(outcome, status, shown):
    error = assert_failed(outcome, APIError, status=status, retryable=False, retry_after=None, code=None)
    text = str(error)
    assert text.startswith(f"{status}")
    assert f" {shown};" in text
    assert "base_url" in text
    assert "redirect" in text
    assert text.isprintable()
    assert len(text) < 500
    assert SECRET not in text
    assert PROMPT not in text
    return error


# ---- where to --------------------------------------------------------------------------------------------------------


@each_format
@each_mode
@each_session
def test_to_another_host(form, mode, own):
    """Which is not so much as connected to; nor is the request repeated."""
    with Server(echo) as other:
        raws = [redirect(f"{other.url}/elsewhere?token={SECRET}#part", status) for status in STATUSES]
        with Server(says(*raws)) as server, client_of(server, form, own) as client:
            for status in STATUSES:
                assert_not_followed(use(client, server, mode, PROMPT), status, f"{other.url}/elsewhere")
        assert other.connections == 0


@each_format
@each_mode
@each_session
def test_to_itself(form, mode, own):
    """There is no loop where it is asked once."""

    def script(wire):
        for received in wire.requests():
            wire.send(redirect(received.path, STATUSES[len(wire.server.requests) - 1]))

    with Server(script) as server, client_of(server, form, own) as client:
        for status in STATUSES:
            outcome = use(client, server, mode, PROMPT)
            path = server.requests[-1].path.partition("?")[0]
            assert_not_followed(outcome, status, f"{server.url}{path}")


@each_mode
@each_session
def test_from_https_to_http(mode, own, tmp_path, plain_environment):
    with (
        Server(echo) as other,
        Server(says(redirect(f"{other.url}/plain")), tls=True) as server,
        client_of(server, CHAT, own, verify=bundle(tmp_path)) as client,
    ):
        assert_not_followed(use(client, server, mode, PROMPT), 307, f"{other.url}/plain")
        assert other.connections == 0


@frozen
class Target:
    """A redirect's target.

    Attributes:
        location: The header; None: there is none.
        shown: What the error says of it; `{url}` is the root that was asked.
    """

    location: str | None
    shown: str


NOWHERE = "an address that it does not tell"
LONG = "https://example.invalid/" + "a" * 5000
TARGETS = {
    "none": Target(None, NOWHERE),
    "empty": Target("", NOWHERE),
    "blank": Target("   ", NOWHERE),
    "absolute": Target("https://example.invalid/v2", "https://example.invalid/v2"),
    "with a port": Target("https://example.invalid:8443/v2", "https://example.invalid:8443/v2"),
    "a path": Target("/elsewhere", "{url}/elsewhere"),
    "without a scheme": Target("//example.invalid/x", "http://example.invalid/x"),
    "a query": Target(f"https://example.invalid/x?token={SECRET}", "https://example.invalid/x"),
    "a query alone": Target(f"https://example.invalid?{SECRET}", "https://example.invalid"),
    "a fragment": Target(f"https://example.invalid/x#{SECRET}", "https://example.invalid/x"),
    "a user": Target(f"https://me:{SECRET}@example.invalid/x", "https://example.invalid/x"),
    "a user without a scheme": Target(f"//me:{SECRET}@example.invalid/x", "http://example.invalid/x"),
    "a user alone": Target(f"https://{SECRET}@example.invalid/x", "https://example.invalid/x"),
    "users": Target(f"https://a@b:{SECRET}@example.invalid/x", "https://example.invalid/x"),
    "very long": Target(LONG, LONG[:200]),
    "a host of numbers": Target("http://[::1]:9/x", "http://[::1]:9/x"),
    "no host": Target("http:///x", "{url}/x"),
    "a broken host": Target(f"http://[::{SECRET}/x", NOWHERE),
    "a broken port": Target(f"http://example.invalid:{SECRET}/x", NOWHERE),
    "a port beyond all": Target("http://example.invalid:99999999/x", NOWHERE),
    "another scheme": Target("ftp://example.invalid/x", "ftp://example.invalid/x"),
    "letters beyond ASCII": Target("https://example.invalid/\xfc\xdf/x", "https://example.invalid//x"),
    "control characters": Target("https://example.invalid/\x1b[31m/\x7f\x00x", "https://example.invalid/[31m/x"),
    "blanks": Target("https://example.invalid/a b\tc", "https://example.invalid/abc"),
}
# What no browser reads as an address of http, and where a user may hide all the same.
ODD_TARGETS = {
    "a scheme without slashes": f"http:me:{SECRET}@example.invalid/x",
    "three slashes": f"http:///me:{SECRET}@example.invalid/x",
    "backslashes": f"http:\\\\me:{SECRET}@example.invalid\\x",
    "one slash": f"https:/me:{SECRET}@example.invalid/x",
    "mail": f"mailto:me:{SECRET}@example.invalid",
    "data": f"data:text/plain,me:{SECRET}@x",
}


@each_format
@each_mode
@each_session
def test_any_target(form, mode, own):
    raws = [redirect(target.location) for target in TARGETS.values()]
    with Server(says(*raws)) as server, client_of(server, form, own) as client:
        for target in TARGETS.values():
            error = assert_not_followed(use(client, server, mode, PROMPT), 307, target.shown.format(url=server.url))
            told = error.headers.get("LOCATION")
            assert told == (None if target.location is None else target.location.encode().decode("latin-1").strip())


@each_mode
@each_session
@pytest.mark.parametrize("location", ODD_TARGETS.values(), ids=ODD_TARGETS.keys())
def test_no_user_of_an_odd_target_is_shown(location, mode, own):
    with Server(says(redirect(location))) as server, client_of(server, CHAT, own) as client:
        error = assert_failed(use(client, server, mode, PROMPT), APIError, status=307)
        assert SECRET not in str(error)


# ---- what comes with it ----------------------------------------------------------------------------------------------


@each_format
@each_mode
@each_session
def test_its_body_is_kept(form, mode, own):
    """As of each answer that says no."""
    raws = [
        redirect("/x", body=b"gone elsewhere"),
        redirect("/x", body=b'{"to": "x"}'),
        redirect("/x", body=b"x" * 10**6),
    ]
    with Server(says(*raws)) as server, client_of(server, form, own) as client:
        for body in ("gone elsewhere", {"to": "x"}, "x" * KEPT):
            assert use(client, server, mode).error.body == body


@each_mode
@each_session
@pytest.mark.parametrize("length", ["Content-Length: 300000000\r\n", "Transfer-Encoding: chunked\r\n"])
def test_300_mb(mode, own, length):
    """No more of it is taken than is kept."""
    head = f"HTTP/1.1 302 Found\r\nLocation: /x\r\n{length}\r\n".encode()
    piece = b"x" * 65536
    sent = []

    def script(wire):
        wire.receive()
        wire.send(head)
        while len(sent) < 300_000_000 // len(piece):
            wire.send(b"10000\r\n" + piece + b"\r\n" if "chunked" in length else piece)
            sent.append(1)

    with Server(script) as server, client_of(server, CHAT, own) as client:
        outcome = use(client, server, mode)
        assert_not_followed(outcome, 302, f"{server.url}/x")
    assert len(sent) * len(piece) < 100_000_000


def test_a_body_without_an_end():
    """It is waited for, but not for long; all at once, as it takes a while."""
    head = b"HTTP/1.1 308 Elsewhere\r\nLocation: http://example.invalid/x\r\nContent-Length: 99999\r\n\r\ngone"
    scripts = [stalled(head), dripping(head, b" ")]

    def call(script, form, mode, own):
        with Server(script) as server, client_of(server, form, own, timeout=None) as client:
            return use(client, server, mode)

    cases = [
        (script, form, mode, own) for script in scripts for form in FORMATS.values() for mode in MODES for own in (0, 1)
    ]
    with ThreadPoolExecutor(len(cases)) as threads:
        calls = [threads.submit(call, *case) for case in cases]
        found = [each.result(ERROR_SECONDS + PATIENCE) for each in calls]
    for outcome in found:
        assert_not_followed(outcome, 308, "http://example.invalid/x")
        assert outcome.seconds < ERROR_SECONDS + SOON


@each_format
@each_mode
@each_session
def test_a_target_that_repeats_the_key(form, mode, own):
    """In any part of it."""
    for location in (f"http://{KEY}.invalid/x", f"http://example.invalid/{KEY}", f"/?key={KEY}", f"http://{KEY}@x/"):
        raw = redirect(location, body=KEY.encode())
        with Server(says(raw)) as server, client_of(server, form, own) as client:
            error = assert_failed(use(client, server, mode), APIError, status=307)
        assert KEY not in f"{error} {error!r} {dict(error.headers)} {error.body}"
        assert KEY.encode() not in pickle.dumps(error)


@each_mode
@each_session
def test_a_redirect_to_a_login(mode, own):
    """Of a portal, say, which sets cookies that nobody sends back."""
    raw = whole(b"<html>", "302 Found", "Location: /login\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d; Path=/\r\n")
    with Server(says(raw)) as server, client_of(server, ANTHROPIC, own) as client:
        for _ in range(2):
            assert_not_followed(use(client, server, mode), 302, f"{server.url}/login")
        assert own or not [request for request in server.requests if "cookie" in request.headers]
