"""Other names of models, the caller's and the row's: they hold wherever a model is named."""

import json
import pickle

import pytest
from attrs import evolve

from llmkit import BudgetExceededError, Client, ConfigurationError, Price, Request, Text
from llmkit.provider import provider
from llmkit.testing import FakeServer

OWN = {"fast": "model-f", "best": "dated"}
ROW = {"dated": "model-d", "fast": "slow-of-the-row"}


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def client_of(server, name="anthropic", **kwargs):
    return server.client(evolve(provider(name), aliases=ROW), **{"aliases": OWN, **kwargs})


WAYS = {
    "complete": lambda client: client.complete("Hi", model="fast"),
    "the client's": lambda client: pickle.loads(pickle.dumps(client)).complete("Hi"),
    "a Request's": lambda client: client.complete(Request("Hi", model="fast"), model="other"),
    "with_options": lambda client: client.with_options(model="fast").complete("Hi"),
    "stream": lambda client: client.stream("Hi", model="fast").collect(),
    "a chat's": lambda client: client.chat(model="fast").send("Hi"),
    "send": lambda client: client.chat(model="other").send("Hi", model="fast"),
    "map": lambda client: [row.unwrap() for row in client.map([Request("Hi", model="fast")])],
    "submit": lambda client: client.submit("Hi", model="fast").result(),
    "count_tokens": lambda client: client.count_tokens("Hi", model="fast"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_an_alias_holds_wherever_a_model_is_named(server, way):
    way(client_of(server, model="fast"))
    assert server.requests[-1].json["model"] == "model-f"


def test_an_alias_holds_in_a_batch(server):
    client_of(server).batches.create([Request("Hi", model="fast")])
    assert "model-f" in json.dumps(server.requests[-1].json)
    assert "fast" not in json.dumps(server.requests[-1].json)


@pytest.mark.parametrize("named", [{"model": "fast"}, {}], ids=["the call's", "the client's"])
def test_an_alias_holds_for_embeddings(server, named):
    client_of(server, "openai", model="fast").embed("Hi", **named)
    assert server.requests[-1].json["model"] == "model-f"


def test_an_alias_holds_where_the_address_names_the_model(server):
    client_of(server, "gemini").complete("Hi", model="fast")
    assert "/model-f:" in server.requests[-1].path


NAMES = {
    "the caller's wins over the row's": ("fast", "model-f"),
    "the caller's stands for the row's": ("best", "model-d"),
    "the row's": ("dated", "model-d"),
    "no other name": ("model-x", "model-x"),
}


@pytest.mark.parametrize(("name", "sent"), NAMES.values(), ids=NAMES.keys())
def test_what_a_name_stands_for(server, name, sent):
    client = client_of(server)
    client.complete("Hi", model=name)
    assert server.requests[-1].json["model"] == sent


def test_named_with_the_provider_or_by_the_row(server):
    server.client("anthropic:fast", aliases=OWN).complete("Hi")
    assert server.requests[-1].json["model"] == "model-f"
    default = provider("anthropic").default_model
    server.client("anthropic", aliases={default: "newer"}).complete("Hi")
    assert server.requests[-1].json["model"] == "newer"


def test_the_callers_mapping_is_copied(server):
    names = {"fast": "model-f"}
    client = client_of(server, aliases=names)
    names["fast"] = "another"
    client.complete("Hi", model="fast")
    assert server.requests[-1].json["model"] == "model-f"


def test_a_budget_knows_the_price_of_what_an_alias_stands_for(server):
    client = client_of(server, prices={"model-f": Price(input=1_000_000, output=0)})
    rows = client.map(["Hi"], model="fast", max_cost=1)
    with pytest.raises(BudgetExceededError):
        list(rows)


WRONG = {
    "no mapping": (["fast"], "aliases: expected a mapping"),
    "no text": ({"fast": 1}, "aliases.fast: expected text"),
    "no name of a model": ({"fast": "two\nlines"}, "aliases.fast: expected a model's name"),
    "nothing": ({"fast": ""}, "aliases.fast: expected a model's name"),
}


@pytest.mark.parametrize(("aliases", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_alias(aliases, message):
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        Client("anthropic", api_key="k", aliases=aliases)


def test_the_answer_tells_the_model_that_answered(server):
    server.reply([Text("Hi")])
    assert client_of(server).complete("Hi", model="fast").model == "model-f"
