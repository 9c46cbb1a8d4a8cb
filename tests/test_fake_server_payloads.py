"""`RecordedRequest.request`: what the server was asked, as llmkit would ask it."""

import pickle

import pytest
import requests

from llmkit import ConfigurationError, Request, Tool, UserMessage
from llmkit.testing import FakeServer
from llmkit.testing.exchange import RecordedRequest

LOOK = Tool("look", "Looks.", {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]})
ASKED = Request(
    [UserMessage("What is new?")],
    system="Be brief.",
    model="m",
    max_tokens=50,
    temperature=0.5,
    stop=("END",),
    tools=(LOOK,),
    tool_choice="look",
)


@pytest.fixture
def server():
    with FakeServer() as found:
        yield found


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "vertex"])
def test_what_was_asked_is_told(server, provider):
    given = {"project": "p", "location": "l"} if provider == "vertex" else None
    client = server.client(provider, variables=given)
    client.complete(ASKED)
    client.stream(ASKED).collect()
    assert [found.request for found in server.requests] == [ASKED, ASKED]
    assert server.requests[0].messages == [*server.requests[1].messages]


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_what_was_counted_is_told(server, provider):
    server.client(provider).count_tokens("What is new?", model="m", system="Be brief.")
    found = server.requests[0].request
    assert found.prompt == (UserMessage("What is new?"),)
    assert (found.options["system"], found.options["model"].removeprefix("models/")) == ("Be brief.", "m")


def test_what_a_row_of_a_batch_asks_is_told(server):
    rows = []
    server.reply_with(lambda request: rows.append(request.request))
    client = server.client("anthropic")
    batch = client.batches.create([Request("What is new?", id="a", model="m", max_tokens=5)])
    list(client.batches.results(client.batches.wait(batch.id).id))
    assert rows == [Request([UserMessage("What is new?")], model="m", max_tokens=5)]


@pytest.mark.parametrize("provider", ["anthropic", "openai", "openai-chat", "gemini"])
def test_what_was_asked_pickles(server, provider):
    client = server.client(provider)
    client.complete("What is new?", system="Be brief.", tools=(LOOK,))
    found = server.requests[-1]
    again = pickle.loads(pickle.dumps(found))
    assert (again.wire, again.path, again.json, again.body) == (found.wire, found.path, found.json, found.body)
    assert (again.headers["USER-AGENT"], again.messages) == (found.headers["user-agent"], found.messages)
    assert again.request == found.request


def test_what_goes_on_with_what_a_host_keeps_pickles(server):
    client = server.client("openai")
    first = client.complete("One.", extra_body={"store": True})
    client.complete("Two.", extra_body={"previous_response_id": first.id})
    again = pickle.loads(pickle.dumps(server.requests[-1]))
    assert [message.text for message in again.messages] == ["One.", first.text, "Two."]


def test_what_asks_for_nothing_is_none(server):
    requests.get(f"{server.url}/v1/models", headers={"x-api-key": "k", "anthropic-version": "2023-06-01"}, timeout=10)
    with pytest.raises(ConfigurationError, match=r"^body: expected dict, got None"):
        _ = server.requests[0].request
    assert server.requests[0].messages == []


def test_a_request_of_no_wire_is_none():
    with pytest.raises(ConfigurationError, match="wire"):
        _ = RecordedRequest("POST", "/", {}).request
    assert RecordedRequest("POST", "/", {}).messages == []
