"""The rows: where each sends what, with which key, and what it is told apart from its wire."""

import inspect
import json
import pickle
from urllib.parse import urlsplit

import pytest

from llmkit import Client, ConfigurationError, MissingAuthError, Provider, UnsupportedOptionError, providers
from llmkit.provider import provider
from llmkit.testing import FakeServer
from llmkit.wire.quirks import OpenAIChatQuirks

NAMES = [row.name for row in providers()]
PROMISED = (
    "anthropic openai openai-chat azure gemini vertex megallm megallm-openai openrouter groq mistral deepseek xai "
    "together fireworks cerebras perplexity cohere nvidia huggingface github moonshot zai dashscope ollama lmstudio "
    "vllm llamacpp litellm"
)
VARIABLES = {
    "azure": {"endpoint": "https://res.example", "deployment": "prod", "api_version": "2026-01-01"},
    "vertex": {"project": "p-1", "location": "europe-west4"},
}
each_row = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def client_of(server, name, **options):
    """A client of the row, whose own host is replaced by the server, and nothing else of its address."""
    row = provider(name)
    base_url = server.url + ("" if "{" in row.base_url else urlsplit(row.base_url).path)
    options = {"base_url": base_url, "variables": VARIABLES.get(name), "model": "m-1", **options}
    return server.client(name, **options)


def test_every_promised_row_is_there():
    assert set(PROMISED.split()) <= set(NAMES)


@each_row
def test_every_row_answers_whole_and_streamed(server, name):
    client = client_of(server, name)
    assert client.complete("Hello, you").text == "Hello, you"
    assert client.stream("Hello, you").collect().text == "Hello, you"
    assert client.complete("Hi").provider == name


# Row → path, query, headers of the key. The key is `test-key`.
BEARER = {"authorization": "Bearer test-key"}
SENT = {
    "anthropic": ("/v1/messages", {}, {"x-api-key": "test-key"}),
    "openai": ("/v1/responses", {}, BEARER),
    "openai-chat": ("/v1/chat/completions", {}, BEARER),
    "azure": ("/openai/deployments/prod/chat/completions", {"api-version": "2026-01-01"}, {"api-key": "test-key"}),
    "gemini": ("/v1beta/models/m-1:generateContent", {}, {"x-goog-api-key": "test-key"}),
    "vertex": (
        "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/m-1:generateContent",
        {},
        BEARER,
    ),
    "megallm": ("/v1/messages", {}, {"x-api-key": "test-key", **BEARER}),
    "megallm-openai": ("/v1/chat/completions", {}, {"x-api-key": "test-key", **BEARER}),
    "openrouter": ("/api/v1/chat/completions", {}, BEARER),
    "groq": ("/openai/v1/chat/completions", {}, BEARER),
    "fireworks": ("/inference/v1/chat/completions", {}, BEARER),
    "perplexity": ("/chat/completions", {}, BEARER),
    "cohere": ("/compatibility/v1/chat/completions", {}, BEARER),
    "github": ("/inference/chat/completions", {}, BEARER),
    "zai": ("/api/paas/v4/chat/completions", {}, BEARER),
    "dashscope": ("/compatible-mode/v1/chat/completions", {}, BEARER),
    "ollama": ("/v1/chat/completions", {}, BEARER),
}
KEY_HEADERS = {"x-api-key", "authorization", "x-goog-api-key", "api-key"}


@pytest.mark.parametrize(("name", "expected"), SENT.items(), ids=SENT.keys())
def test_where_and_with_which_key(server, name, expected):
    client_of(server, name).complete("Hi")
    (asked,) = server.requests
    path, query, headers = expected
    assert (asked.path, asked.query) == (path, query)
    assert {key: asked.headers[key] for key in KEY_HEADERS if key in asked.headers} == headers


def test_a_key_in_the_query(server):
    row = Provider("x", "gemini-generate", server.url, auth="query", default_model="m-1")
    client = server.client(row, api_key="a key+&")
    client.complete("Hi")
    client.stream("Hi").collect()
    assert [asked.query.get("key") for asked in server.requests] == ["a key+&", "a key+&"]
    assert not KEY_HEADERS & {name.lower() for name in server.requests[0].headers}


@each_row
def test_a_looked_up_key_goes_to_its_own_host_alone(monkeypatch, name):
    row = provider(name)
    for variable in row.key_variables:
        monkeypatch.setenv(variable, "looked-up")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    own = Client(name, model="m-1", variables=VARIABLES.get(name)) if row.auth != "google" else None
    if own is not None:
        assert own._engine.key.value() == "looked-up"
    if not row.needs_key:
        assert Client(name, model="m-1", base_url="https://elsewhere.example")._engine.key.value() is None
        return
    with pytest.raises(MissingAuthError, match=r"no API key for elsewhere\.example"):
        Client(name, model="m-1", variables=VARIABLES.get(name), base_url="https://elsewhere.example")


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "vllm", "llamacpp"])
def test_local_rows_need_no_key(server, name):
    assert Client(name)._engine.key.value() is None
    local = Client(name, base_url=server.url, model="m-1")
    with pytest.raises(Exception, match="401"):  # the server here asks for one
        local.complete("Hi")
    assert "authorization" not in server.requests[-1].headers


# Deployments.


def azure(server, **options):
    return server.client("azure", base_url=None, **options)


def test_a_deployment_is_named_like_its_model_where_nothing_is_said(server):
    client = azure(server, variables={"endpoint": server.url, "api_version": "v"}, model="gpt-x")
    client.complete("Hi")
    client.complete("Hi", model="a/b")
    assert [asked.path for asked in server.requests] == [
        "/openai/deployments/gpt-x/chat/completions",
        "/openai/deployments/a%2Fb/chat/completions",
    ]


def test_a_deployment_that_is_named_answers_for_every_model(server):
    client = azure(server, variables={"endpoint": server.url + "/", "api_version": "v", "deployment": "d"})
    client.complete("Hi", model="gpt-x")
    client.models()
    assert [asked.path for asked in server.requests] == ["/openai/deployments/d/chat/completions", "/openai/models"]
    assert {asked.query["api-version"] for asked in server.requests} == {"v"}


def test_a_deployment_that_is_named_is_model_enough(server):
    named = {"endpoint": server.url, "api_version": "v", "deployment": "d"}
    assert azure(server, variables=named).complete("Hi").model == "d"
    del named["deployment"]
    with pytest.raises(ConfigurationError, match="model: none was given, .* pass model="):
        azure(server, variables=named).complete("Hi")


def test_variables_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("OPENAI_API_VERSION", "2026-02-02")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "looked-up")
    Client("azure:gpt-x").complete("Hi")
    assert server.requests[-1].query == {"api-version": "2026-02-02"}
    assert server.requests[-1].headers["api-key"] == "looked-up"


@pytest.mark.parametrize(
    ("name", "variable", "places"),
    [("azure", "endpoint", "AZURE_OPENAI_ENDPOINT"), ("vertex", "project", "GOOGLE_CLOUD_PROJECT")],
)
def test_a_missing_variable_is_named_with_its_environment_variable(name, variable, places):
    with pytest.raises(ConfigurationError, match=rf"'{variable}'.*{places}"):
        Client(name, api_key="k", model="m-1")


VERTEX = {
    "global": (
        {"project": "p"},
        "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google",
    ),
    "a region": (
        {"project": "p", "location": "us-central1"},
        "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-central1/publishers/google",
    ),
    # As the vendor's own client has it.
    "several regions": (
        {"project": "p", "location": "us"},
        "https://aiplatform.us.rep.googleapis.com/v1beta1/projects/p/locations/us/publishers/google",
    ),
    "several regions of Europe": (
        {"project": "p", "location": "eu"},
        "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google",
    ),
}


@pytest.mark.parametrize(("variables", "address"), VERTEX.values(), ids=VERTEX.keys())
def test_vertex(variables, address):
    assert Client("vertex", api_key="token", variables=variables)._engine.address == address


VERTEX_PATHS = {
    "m-1": "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/m-1:generateContent",
    "publishers/x/models/m": "/v1beta1/projects/p-1/locations/europe-west4/publishers/x/models/m:generateContent",
    "projects/q/locations/l/endpoints/7": "/v1beta1/projects/q/locations/l/endpoints/7:generateContent",
}


@pytest.mark.parametrize(("model", "path"), VERTEX_PATHS.items(), ids=VERTEX_PATHS.keys())
def test_models_of_vertex(server, model, path):
    client_of(server, "vertex").complete("Hi", model=model)
    assert server.requests[-1].path == path


def test_lists_and_counts_of_vertex(server):
    client = client_of(server, "vertex")
    assert {model.id for model in client.models()} >= {model.id for model in server.models}
    assert server.requests[-1].path == "/v1beta1/publishers/google/models"
    assert client.count_tokens("12345", system="123") > 0
    assert "generateContentRequest" not in server.requests[-1].json
    for model in ("gemini-embedding-001", "gemini-embedding-2"):
        found = client.embed(["a", "b"], model=model, dimensions=4)
        assert [list(vector) for vector in found.vectors] == server.vectors(["a", "b"], 4)
    assert [asked.path.rpartition(":")[2] for asked in server.requests[-4:]] == ["predict"] * 2 + ["embedContent"] * 2


# MegaLLM.


@pytest.mark.parametrize("name", ["megallm", "megallm-openai"])
def test_other_names_of_models(server, name):
    client = client_of(server, name, model=None)
    response = client.complete("Hi", model="claude-3-5-sonnet-20241022")
    assert server.requests[-1].json["model"] == response.model == "claude-3.5-sonnet"
    server.reply_with(lambda _: None)
    assert client.complete("Hi", model="claude-3.7-sonnet").model == "claude-3.7-sonnet"


def test_the_served_model_is_reported(server):
    from llmkit.testing import Reply

    server.reply(Reply("Hi", model="claude-sonnet-4-20250514"))
    assert client_of(server, "megallm").complete("Hi").model == "claude-sonnet-4-20250514"


# Parameters.


def test_parameters_are_what_the_host_takes():
    assert "top_k" not in provider("openai-chat").parameters()
    assert "top_k" in provider("openrouter").parameters()
    assert "logprobs" not in provider("groq").parameters()
    assert "stop" not in provider("openai").parameters()
    assert {"seed", "top_k", "stop"} <= set(provider("gemini").parameters())
    assert json.loads(provider("mistral").parameters(as_json=True))["seed"]["example"] == 42


@each_row
def test_what_is_no_parameter_is_refused_before_it_is_sent(server, name):
    from llmkit.request import OPTIONS

    taken = provider(name).parameters()
    examples = {option: row.example for option, row in OPTIONS.items()}
    client = client_of(server, name)
    for option in set(examples) - set(taken) - {"tools", "tool_choice"}:
        with pytest.raises(UnsupportedOptionError, match=option) as caught:
            client.complete("Hi", **{option: examples[option]})
        assert caught.value.path == option
    assert server.requests == []


# Another host.


def test_another_host_is_one_value(server):
    row = Provider(
        "my-gateway",
        "openai-chat",
        f"{server.url}/gateway",
        key_variables=("MY_GATEWAY_KEY",),
        default_model="my-model",
        aliases={"best": "my-best-model"},
        quirks=OpenAIChatQuirks(keys={"max_tokens": "max_tokens"}, supported=frozenset({"top_k"})),
        headers={"x-tenant": "7"},
        query={"region": "eu"},
    )
    client = server.client(row, base_url=row.base_url)
    response = client.complete("Hi", model="best", max_tokens=5, top_k=3)
    (asked,) = server.requests
    assert (response.provider, response.model) == ("my-gateway", "my-best-model")
    assert asked.path == "/gateway/v1/chat/completions"
    assert asked.query == {"region": "eu"}
    assert asked.headers["x-tenant"] == "7"
    assert {key: asked.json[key] for key in ("max_tokens", "top_k", "model")} == {
        "max_tokens": 5,
        "top_k": 3,
        "model": "my-best-model",
    }
    assert pickle.loads(pickle.dumps(row)) == row


def test_any_compatible_host_without_a_row(server):
    client = server.client("openai-chat", base_url=f"{server.url}/some/where", model="m")
    assert client.complete("Hi").text == "Hi"
    assert server.requests[-1].path == "/some/where/v1/chat/completions"


def test_an_address_of_ones_own_needs_no_endpoint(server):
    client = server.client("azure", variables={"api_version": "v"}, model="gpt-x")
    assert client.complete("Hi").text == "Hi"
    assert server.requests[-1].path == "/openai/deployments/gpt-x/chat/completions"


WRONG_ROWS = {
    "no such wire": (
        lambda: Provider("x", "openai", "https://x.example"),
        "Provider.wire: expected anthropic-messages",
    ),
    "letters for names": (
        lambda: Provider("x", "openai-chat", "https://x.example", key_variables="KEY"),
        "Provider.key_variables: expected a sequence",
    ),
    "letters for names of a variable": (
        lambda: Provider("x", "openai-chat", "https://{project}.example", variables={"project": "MY_PROJECT"}),
        "Provider.variables: expected a sequence of names for 'project', got 'MY_PROJECT'",
    ),
    "nothing fills it": (
        lambda: Provider("x", "openai-chat", "https://{host}/v1"),
        "Provider.variables: nothing fills {host}",
    ),
    "quirks of another wire": (
        lambda: Client(Provider("x", "gemini-generate", "https://x.example", quirks=OpenAIChatQuirks()), api_key="k"),
        "provider.quirks: gemini-generate has GeminiGenerateQuirks, got OpenAIChatQuirks",
    ),
    "no quirks": (
        lambda: Client(Provider("x", "openai-chat", "https://x.example", quirks={"top_k": True}), api_key="k"),
        "provider.quirks: openai-chat has OpenAIChatQuirks, got dict",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_ROWS.values(), ids=WRONG_ROWS.keys())
def test_rows_that_are_wrong(make, message):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value).startswith(message)


def test_the_order_of_a_row_is_promised():
    """The contract's; what it does not name is by keyword alone."""
    parameters = inspect.signature(Provider).parameters.values()
    assert [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD] == [
        *("name", "wire", "base_url", "key_variables", "auth", "default_model", "aliases", "quirks", "variables"),
        *("query", "headers"),
    ]


def test_names_of_variables_in_any_sequence():
    row = Provider("x", "openai-chat", "https://{project}.example", variables={"project": ["A", "B"]})
    assert row.variables == {"project": ("A", "B")}


# Embeddings.


def test_which_model_embeds(server):
    assert server.client("openai:text-embedding-3-large").embed("a").model == "text-embedding-3-large"
    assert server.client("openai", model="their-own").embed("a").model == "their-own"
    assert server.client("openai").embed("a").model == "text-embedding-3-small"
    assert server.client("openai").with_options(model="another").embed("a").model == "another"
    assert server.client("openai", model="gpt-x").embed("a", model="e").model == "e"


EMBEDDERS = {
    "openai": ("/v1/embeddings", 2048),
    "openai-chat": ("/v1/embeddings", 2048),
    "gemini": ("/v1beta/models/m-1:batchEmbedContents", 100),
    "cohere": ("/compatibility/v1/embeddings", 96),
}


@pytest.mark.parametrize(("name", "expected"), EMBEDDERS.items(), ids=EMBEDDERS.keys())
def test_embeddings_in_batches_and_in_order(server, name, expected):
    path, most = expected
    texts = [f"text {number}" for number in range(most + 3)]
    found = client_of(server, name).embed(texts, dimensions=4)
    assert [asked.path for asked in server.requests] == [path, path]
    assert [list(vector) for vector in found.vectors] == [
        pytest.approx(vector, abs=1e-6) for vector in server.vectors(texts, 4)
    ]
    assert {vector.typecode for vector in found.vectors} <= {"f", "d"}


def test_one_text_is_a_list_of_one(server):
    found = client_of(server, "openai").embed("Hello")
    (vector,) = found.vectors
    assert list(vector) == pytest.approx(server.vectors(["Hello"], None)[0], abs=1e-6)


NO_TEXTS = {
    "none": ([], "texts: there is none"),
    "empty": (["a", ""], r"texts\[1\]: expected text"),
    "number": ([1], r"texts\[0\]: expected text"),
    "bytes": (b"abc", "texts: expected text or a sequence"),
    "dict": ({"a": 1}, "texts: expected text or a sequence"),
}


@pytest.mark.parametrize(("texts", "match"), NO_TEXTS.values(), ids=NO_TEXTS.keys())
def test_what_cannot_be_embedded(server, texts, match):
    with pytest.raises(ConfigurationError, match=match):
        client_of(server, "openai").embed(texts)
    assert server.requests == []


def test_no_embeddings_and_no_model(server):
    with pytest.raises(ConfigurationError, match="embed: the wire anthropic-messages"):
        client_of(server, "anthropic").embed("x")
    with pytest.raises(ConfigurationError, match="model: an embedding model must be named"):
        client_of(server, "groq", model=None).embed("x")
    with pytest.raises(ConfigurationError, match="dimensions: "):
        client_of(server, "openai").embed("x", dimensions=0)
    with pytest.raises(ConfigurationError, match="temperature: this call takes no such option"):
        client_of(server, "openai").embed("x", temperature=1)


# Rows whose host has, by its documentation, no mode for answers that fit a schema.
WITHOUT_SCHEMAS = {"deepseek", "zai", "megallm"}


@each_row
def test_which_hosts_answer_in_a_schema(name):
    row = provider(name)
    assert (row.quirks is None or row.quirks.json_schema) is (name not in WITHOUT_SCHEMAS)
