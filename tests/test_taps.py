"""What stands between the calls and the network: in which order it is asked, and what it is told."""

import threading

import pytest
import requests

from llmkit import Client, ConfigurationError, MissingAuthError, taps
from llmkit.taps import tapped
from llmkit.testing import FakeServer


class Listening:
    """Writes down what comes by."""

    def __init__(self, name="tap", log=None, *, answers=False):
        self.name = name
        self.log = [] if log is None else log
        self.answers = answers

    def send(self, sending):
        self.log.append(f"{self.name} asked")
        answer = sending.go()
        self.log.append(f"{self.name} answered {answer.status}")
        self.sending = sending
        return answer


class Refusing:
    answers = False

    def send(self, sending):
        raise ConfigurationError(f"not in this test: {sending.outgoing.url.partition('//')[0]}")


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def test_the_latest_is_asked_first(server):
    log, before = [], taps.taps
    with tapped(Listening("one", log)), tapped(Listening("two", log)):
        assert server.client("anthropic").complete("Hi").text == "Hi"
    assert log == ["two asked", "one asked", "one answered 200", "two answered 200"]
    server.client("anthropic").complete("Hi")
    assert len(log) == 4
    assert taps.taps == before


def test_every_client_of_every_thread(server):
    client, tap = server.client("openai"), Listening()
    with tapped(tap):
        calls = [threading.Thread(target=client.complete, args=("Hi",)) for _ in range(4)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        with client.stream("Hi") as stream:
            assert stream.collect().text == "Hi"
    assert tap.log.count("tap answered 200") == 5


def test_what_it_is_told(server):
    session = requests.Session()
    client = server.client("anthropic", session=session, api_key="sk-planted-key")
    with tapped(tap := Listening()):
        client.complete("Hi", extra_headers={"x-other-token": "planted too"})
    assert tap.sending.session is session
    assert tap.sending.outgoing.url == f"{server.url}/v1/messages"
    assert "sk-planted-key" not in str(dict(tap.sending.outgoing.headers))
    assert "sk-planted-key" in tap.sending.secrets


def test_what_it_refuses_is_not_sent_and_not_tried_again(server):
    with tapped(Refusing()), pytest.raises(ConfigurationError, match="not in this test: http:") as caught:
        server.client("anthropic").complete("Hi")
    assert server.requests == []
    assert caught.value.attempts == 0
    assert caught.value.provider == "anthropic"


def test_where_it_answers_a_client_needs_no_key(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with tapped(Listening(answers=True)):
        Client("anthropic")
    with tapped(Listening()), pytest.raises(MissingAuthError):
        Client("anthropic")
