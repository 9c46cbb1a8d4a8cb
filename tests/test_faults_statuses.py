"""The answer is no: each status with each body, on every wire, whole and streamed."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from faults.calls import (
    JSON,
    MODES,
    SSE,
    answer,
    asked,
    assert_failed,
    assert_good,
    chunked,
    each_format,
    each_mode,
    once,
    says,
    use,
    whole,
)
from faults.formats import FORMATS, to_bytes
from faults.limits import SOON, dripping, stalled
from faults.refusals import (
    ADVICE,
    BAD_KEYS,
    KEPT,
    NO_OVERFLOWS,
    ODD_BODIES,
    ODD_STATUSES,
    OVERFLOWS,
    QUOTAS,
    STATUSES,
    class_of,
    code_of,
    is_retryable,
    outcomes,
)
from sockets import PATIENCE, Server

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConnectionFailedError,
    InvalidResponseError,
    LLMKitError,
    QuotaExceededError,
    ServerError,
)
from llmkit.transport.answer import ERROR_SECONDS


def refused(raw, form, mode, cls, **details):
    """The error of a call that gets `raw`; it was not asked again."""
    error = assert_failed(asked(once(raw), form, mode), cls, **details)
    assert_readable(error)
    return error


def assert_readable(error):
    """One line that is short and can be printed anywhere, and all of it can be pickled."""
    text = str(error)
    assert text == " ".join(text.split())
    assert text.isprintable()
    assert len(text) < 800
    text.encode()
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.body) == (type(error), text, error.body)
    assert dict(again.headers) == dict(error.headers)


# ---- the hosts' own words --------------------------------------------------------------------------------------------


@each_format
@each_mode
def test_a_status_that_the_host_documents(form, mode):
    for status, body in form.statuses.items():
        error = refused(
            whole(to_bytes(body), f"{status} No", JSON + "X-Odd: 1\r\n"),
            form,
            mode,
            class_of(status),
            status=status,
            code=code_of(form, body),
            body=body,
            retryable=is_retryable(status),
            retry_after=None,
            provider=form.provider,
            model="m-1",
        )
        assert error.headers["x-odd"] == error.headers["X-ODD"] == "1"
        assert str(error).startswith(f"{status} ")
        assert body["error"]["message"] in str(error)
        assert ADVICE.get(status, "") in str(error)


@each_format
@each_mode
def test_the_id_of_the_exchange(form, mode):
    """The header's, which is the provider's own; else the body's."""
    body = {"type": "error", "error": {"message": "no"}, "request_id": "req-body"}
    raw = whole(to_bytes(body), "400 No", JSON + "X-Request-Id: req-header\r\n")
    refused(raw, form, mode, BadRequestError, request_id="req-header")
    found = {"gemini": None}.get(form.provider, "req-body")  # its errors tell theirs in a detail of its own
    refused(whole(to_bytes(body), "400 No"), form, mode, BadRequestError, request_id=found)
    refused(whole(b"", "400 No"), form, mode, BadRequestError, request_id=None)


@each_mode
def test_the_id_of_the_exchange_in_a_detail(mode):
    info = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req-body"}
    body = {"error": {"code": 500, "message": "no", "status": "INTERNAL", "details": [info]}}
    error = refused(whole(to_bytes(body), "500 No"), FORMATS["gemini"], mode, class_of(500))
    assert error.request_id == "req-body"


# ---- any status ------------------------------------------------------------------------------------------------------


BODIES = {
    "-": b"",
    "html": b"<html>no</html>",
    "json": b'{"error":{"message":"no"}}',
    "no text": b"\xff\xfe\x80\0",
}


@each_format
@each_mode
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_any_status(form, mode, body):
    """The class is that of the status, whatever explains it."""
    raws = [whole(body, f"{status} Whatever") for status in STATUSES]
    for status, outcome in zip(STATUSES, outcomes(raws, form, mode), strict=True):
        error = assert_failed(outcome, class_of(status), status=status, retryable=is_retryable(status))
        assert_readable(error)


@each_format
def test_any_status_with_5_mb(form):
    """In turn whole and streamed."""
    raws = [whole(b"x" * 5_000_000, f"{status} Whatever") for status in STATUSES]
    with (
        Server(says(*raws)) as server,
        Client(form.provider, api_key="k", base_url=server.url, model="m-1", max_retries=0) as client,
    ):
        for status in STATUSES:
            outcome = use(client, server, MODES[status % 2])
            assert_failed(outcome, class_of(status), status=status, body="x" * KEPT, retryable=is_retryable(status))


@each_format
@each_mode
def test_any_status_in_the_hosts_own_words(form, mode):
    """Those that it has for that status, or, as gateways put another on them, those for having failed itself.

    A status that has no class leaves it to the words.
    """
    bodies = {status: form.statuses.get(status, form.statuses[500]) for status in STATUSES}
    raws = [whole(to_bytes(body), f"{status} Whatever") for status, body in bodies.items()]
    for (status, body), outcome in zip(bodies.items(), outcomes(raws, form, mode), strict=True):
        details = {"status": status, "code": code_of(form, body), "body": body, "retryable": is_retryable(status)}
        cls = class_of(status)
        error = assert_failed(outcome, ServerError if cls is APIError else cls, **details)
        assert_readable(error)
        assert body["error"]["message"] in str(error)


@each_format
@each_mode
def test_switching_protocols(form, mode):
    """Nobody asked for that."""
    raw = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\0"
    refused(raw, form, mode, APIError, status=101, retryable=False)


@each_format
@each_mode
def test_interim_answers_come_before(form, mode):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n"
    refused(hints + whole(b"", "404 No"), form, mode, class_of(404), status=404)
    assert_good(asked(once(hints + answer(form, mode)), form, mode))


NO_STATUS = {
    "none": b"HTTP/1.1\r\n\r\n",
    "0": b"HTTP/1.1 0 No\r\n\r\n",
    "two digits": b"HTTP/1.1 42 No\r\n\r\n",
    "four digits": b"HTTP/1.1 4000 No\r\n\r\n",
    "negative": b"HTTP/1.1 -400 No\r\n\r\n",
    "a word": b"HTTP/1.1 four No\r\n\r\n",
}


@each_format
@each_mode
@pytest.mark.parametrize("raw", NO_STATUS.values(), ids=NO_STATUS.keys())
def test_no_status(form, mode, raw):
    assert_failed(asked(once(raw), form, mode), ConnectionFailedError, retryable=True)


@each_format
@each_mode
def test_each_2xx_is_an_answer(form, mode):
    for status in (200, 201, 202, 203, 206, 226, 299):
        raw = answer(form, mode).replace(b" 200 OK", f" {status} Fine".encode(), 1)
        assert_good(asked(once(raw), form, mode))


@each_format
@each_mode
def test_a_2xx_without_content(form, mode):
    """Nothing usable came: never an answer without a word."""
    for raw in (b"HTTP/1.1 204 No Content\r\n\r\n", whole(b"", "205 Reset Content"), whole(b"", "202 Accepted")):
        outcome = asked(once(raw), form, mode)
        assert isinstance(outcome.error, LLMKitError)
        assert not isinstance(outcome.error, APIError)
        assert outcome.requests == 1


@each_format
@each_mode
def test_a_page_behind_a_2xx(form, mode):
    """Of a portal, say; its first line is short and clean, too."""
    kind = "Content-Type: text/html; x=\x1b[31m" + "x" * 5000 + "\r\n"
    error = assert_failed(asked(once(whole(b"<p>" * 1000, headers=kind)), form, mode), InvalidResponseError)
    assert (error.body, error.retryable) == (("<p>" * 1000)[:1024], False)
    assert "base_url" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 200


# ---- any body --------------------------------------------------------------------------------------------------------


@each_format
@each_mode
@pytest.mark.parametrize("odd", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_any_body(form, mode, odd):
    raws = [odd.answer(status) for status in ODD_STATUSES]
    for status, outcome in zip(ODD_STATUSES, outcomes(raws, form, mode), strict=True):
        details = {"status": status, "body": odd.kept, "retryable": is_retryable(status)}
        error = assert_failed(outcome, class_of(status), **details)
        assert_readable(error)
        assert str(error).startswith(str(status))
        assert odd.said in str(error)
        assert error.code is None or (isinstance(error.code, str) and error.code)
        assert len(error.body if isinstance(error.body, str) else "") <= KEPT


CUTS = {
    "shorter than its length": lambda body: whole(body, "500 No")[:-10],
    "in a chunk": lambda body: (
        b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body[:-10]
    ),
    "in its compression": lambda body: (
        b"HTTP/1.1 500 No\r\nContent-Length: 99\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"
    ),
}


@each_format
@each_mode
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_a_body_that_breaks_off(form, mode, cut):
    """The status was told: that is what is raised, with what came."""
    error = refused(cut(to_bytes(form.statuses[500])), form, mode, class_of(500), status=500, retryable=True)
    assert isinstance(error.body, str)


def test_a_body_without_an_end():
    """It is waited for, but not for long, however patient the caller is; all at once, as it takes a while."""
    head = b"HTTP/1.1 503 No\r\nContent-Length: 99999\r\n\r\nno such luck"
    scripts = {"stalled": stalled(head), "dripping": dripping(head, b" ")}
    with ThreadPoolExecutor(len(scripts) * len(FORMATS) * len(MODES)) as threads:
        calls = [
            threads.submit(asked, script, form, mode, timeout=None)
            for script in scripts.values()
            for form in FORMATS.values()
            for mode in MODES
        ]
        outcomes = [call.result(ERROR_SECONDS + PATIENCE) for call in calls]
    for outcome in outcomes:
        error = assert_failed(outcome, class_of(503), status=503)
        assert error.body.rstrip() == "no such luck"
        assert ERROR_SECONDS <= outcome.seconds < ERROR_SECONDS + SOON


@each_format
@each_mode
def test_a_body_without_an_end_that_comes_quickly(form, mode):
    """No more of it is taken than is kept."""

    def script(wire):
        wire.receive()
        wire.send(b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    error = assert_failed(asked(script, form, mode), BadRequestError)
    assert error.body == "x" * KEPT


# ---- what the hosts do not agree on ----------------------------------------------------------------------------------


@each_mode
@pytest.mark.parametrize(("form", "status", "body"), OVERFLOWS.values(), ids=OVERFLOWS.keys())
def test_context_overflow(form, status, body, mode):
    """By the status, and told inside of a 200."""
    expected = {"code": "context_length_exceeded", "body": body, "retryable": False}
    refused(whole(to_bytes(body), f"{status} No"), form, mode, BadRequestError, status=status, **expected)
    inside = whole(to_bytes(body)) if mode == "whole" else chunked(form.event(body, "error"))
    refused(inside, form, mode, BadRequestError, status=400, **expected)


@each_mode
@pytest.mark.parametrize(("form", "status", "body"), NO_OVERFLOWS.values(), ids=NO_OVERFLOWS.keys())
def test_no_context_overflow(form, status, body, mode):
    error = refused(whole(to_bytes(body), f"{status} No"), form, mode, BadRequestError, status=400)
    assert error.code == code_of(form, body)


@each_mode
@pytest.mark.parametrize(("provider", "body"), BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_bad_key_that_is_called_a_bad_request(provider, body, mode):
    with (
        Server(says(whole(to_bytes(body), "400 Bad Request"))) as server,
        Client(provider, api_key="test-key", base_url=server.url, model="m-1") as client,
        pytest.raises(AuthenticationError, match="check the API key") as caught,
    ):
        client.complete("Hi") if mode == "whole" else client.stream("Hi")
    assert (caught.value.status, caught.value.retryable, caught.value.attempts) == (400, False, 1)
    assert len(server.requests) == 1


@each_mode
@pytest.mark.parametrize(("form", "body", "cls"), QUOTAS.values(), ids=QUOTAS.keys())
def test_a_quota(form, body, cls, mode):
    """Waiting for seconds brings back a minute's, and no other: that is not asked for again."""
    raw = whole(to_bytes(body), "429 Too Many Requests", JSON + "Retry-After-Ms: 1\r\n")
    spent = cls is QuotaExceededError
    outcome = asked(says(raw), form, mode, max_retries=2)
    error = assert_failed(
        outcome, cls, requests=1 if spent else 3, status=429, retryable=not spent, code=code_of(form, body)
    )
    assert ("waiting will not help" in str(error)) == spent
    inside = whole(to_bytes(body)) if mode == "whole" else chunked(form.event(body, "error"), headers=SSE)
    refused(inside, form, mode, cls, status=429, retryable=not spent)
