"""The faults of `FakeServer`: each gives the promised error, streamed and whole."""

import pytest

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OverloadedError,
    RateLimitError,
    ServerError,
    Timeout,
)
from llmkit.testing import FAULTS, FakeServer


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture
def client(server):
    """With a limit, as answers that may be long are always streamed."""
    return server.client("anthropic", max_retries=0).with_options(max_tokens=100)


# ---- faults ----------------------------------------------------------------------------------------------------------

# name → (class of a stream, class of a whole answer)
FAILS = {
    "cut stream": (IncompleteStreamError, ConnectionFailedError),
    "cut connection": (IncompleteStreamError, ConnectionFailedError),
    "no answer": (ConnectionFailedError, ConnectionFailedError),
    "error event": (OverloadedError, OverloadedError),
    "error event first": (OverloadedError, OverloadedError),
    "no events": (IncompleteStreamError, InvalidResponseError),
    "only pings": (DeadlineError, DeadlineError),
    "stall": (DeadlineError, DeadlineError),
    "not JSON": (InvalidResponseError, InvalidResponseError),
    "HTML": (InvalidResponseError, InvalidResponseError),
    "empty body": (InvalidResponseError, InvalidResponseError),
    "redirect": (APIError, APIError),
    "bad key": (AuthenticationError, AuthenticationError),
    "too long": (BadRequestError, BadRequestError),
    "rate limited": (RateLimitError, RateLimitError),
    "server error": (ServerError, ServerError),
    "overloaded": (OverloadedError, OverloadedError),
}
each_fault = pytest.mark.parametrize("name", FAULTS)
IMPATIENT = Timeout(first=0.2, idle=0.2)


def test_every_fault_is_tried():
    assert FAILS.keys() == FAULTS.keys()


@each_fault
def test_fault_of_a_stream(server, client, name):
    server.fault(name)
    with pytest.raises(FAILS[name][0]) as caught:
        client.stream("one two three four", timeout=IMPATIENT).collect()
    assert type(caught.value) is FAILS[name][0]


@each_fault
def test_fault_of_a_whole_answer(server, client, name):
    server.fault(name)
    with pytest.raises(FAILS[name][1]) as caught:
        client.complete("one two three four", timeout=IMPATIENT)
    assert type(caught.value) is FAILS[name][1]


@each_fault
def test_the_call_after_a_fault_gets_what_was_queued(server, client, name):
    server.reply("at last")
    server.fault(name)
    with pytest.raises(LLMKitError):
        client.stream("Hi", timeout=IMPATIENT).collect()
    assert client.complete("Hi").text == "at last"


@pytest.mark.parametrize("name", ["cut stream", "cut connection", "error event", "stall", "not JSON"])
def test_fault_after_so_many_events(server, client, name):
    """Of an answer of one block three events come before its first word."""
    server.fault(name, after=5)
    with pytest.raises(LLMKitError) as caught:
        client.stream("one two three four", timeout=IMPATIENT).collect()
    assert caught.value.partial.text == "one two"


def test_fault_after_more_events_than_there_are(server, client):
    server.fault("cut stream", after=99)
    with pytest.raises(IncompleteStreamError) as caught:
        client.stream("one two").collect()
    assert caught.value.partial.text == "one two"


def test_details_of_faults(server, client):
    for name in ("rate limited", "too long", "redirect"):
        server.fault(name)
    found = []
    for _ in range(3):
        with pytest.raises(APIError) as caught:
            client.complete("Hi")
        found.append(caught.value)
    assert found[0].retry_after == 0.05
    assert found[1].code == "context_length_exceeded"
    assert found[2].status == 302
    assert "https://elsewhere.invalid" in str(found[2])


def whole_answer(client):
    return client.complete("Hi", max_tokens=10)


def streamed_answer(client):
    return client.stream("Hi").collect()


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("rate limited", whole_answer),
        ("overloaded", whole_answer),
        ("overloaded", streamed_answer),
        ("cut connection", whole_answer),
        ("no answer", whole_answer),
        ("error event first", streamed_answer),
    ],
)
def test_another_try_heals(server, name, ask):
    server.fault(name)
    response = ask(server.client("anthropic"))
    assert (response.text, response.attempts) == ("Hi", 2)
    assert len(server.requests) == 2


def test_unknown_fault(server):
    with pytest.raises(ConfigurationError, match="no fault 'gremlins'; there are cut stream, "):
        server.fault("gremlins")
    with pytest.raises(ConfigurationError, match="after: expected a number of events, got -1"):
        server.fault("cut stream", after=-1)


def test_fault_of_the_function(server, client):
    server.reply_with(lambda request: "one two three")
    server.fault("cut stream", after=4)
    with pytest.raises(IncompleteStreamError) as caught:
        client.stream("Hi").collect()
    assert caught.value.partial.text == "one"
