"""`llmkit.credentials`, `addresses` and `provider`: which host is asked, and with whose key."""

import json
import pickle
import sys
from urllib.parse import urlsplit

import pytest

from llmkit import Client, ConfigurationError, MissingAuthError, Provider, UnknownProviderError, providers
from llmkit.addresses import Filled, base_address, endpoint, with_query
from llmkit.credentials import Key, find_key, is_loopback
from llmkit.provider import provider
from llmkit.rows import BRANDS, rows

ROW = Provider("x", "anthropic-messages", "https://api.x.example", key_variables=("X_KEY", "X_TOKEN"))
OWN = "https://api.x.example/v1"
SECRET = "sk-secret-1"


def key_for(address=OWN, api_key=None, environ=None, row=ROW, *, authorized=False):
    passed = Key(api_key, passed=api_key is not None)
    return find_key(row, passed, address, own=OWN, authorized=authorized, environ=environ or {})


def test_the_argument_wins():
    assert key_for(api_key=SECRET, environ={"X_KEY": "other"}).value() == SECRET


def test_the_first_variable_that_is_set_wins():
    assert key_for(environ={"X_KEY": "", "X_TOKEN": SECRET}).value() == SECRET
    assert key_for(environ={"X_KEY": f" {SECRET}\n", "X_TOKEN": "b"}).value() == SECRET


SENT_TO = {
    "its own host": (OWN, True),
    "its own host, port written": ("https://api.x.example:443/other/v1", True),
    "in capitals": ("https://API.x.example/v1", True),
    "loopback": ("http://127.0.0.1:8000/v1", True),
    "loopback of IPv6": ("http://[::1]:8000/v1", True),
    "localhost": ("http://localhost/v1", True),
    "another host": ("https://evil.example/v1", False),
    "a host that begins alike": ("https://api.x.example.evil.example/v1", False),
    "a host that ends alike": ("https://evil-api.x.example/v1", False),
    "another port": ("https://api.x.example:8443/v1", False),
    "in the clear": ("http://api.x.example/v1", False),
    "localhost's neighbour": ("http://localhost.evil.example/v1", False),
    "private network": ("http://10.0.0.1/v1", False),
}


@pytest.mark.parametrize(("address", "sent"), SENT_TO.values(), ids=SENT_TO.keys())
def test_where_a_key_of_the_environment_goes(address, sent):
    if sent:
        assert key_for(address, environ={"X_KEY": SECRET}).value() == SECRET
    else:
        with pytest.raises(MissingAuthError, match=r"X_KEY or X_TOKEN is sent only to api\.x\.example; pass api_key="):
            key_for(address, environ={"X_KEY": SECRET})
    assert key_for(address, api_key=SECRET).value() == SECRET


NAMED = {
    "azure": (
        "a key from AZURE_OPENAI_API_KEY is sent only to the host that the variable 'endpoint' (AZURE_OPENAI_ENDPOINT) "
        "names; pass api_key= for another host"
    ),
    "two variables": "a key from KEY is sent only to the host that the variables 'name' (X_NAME or Y) and 'zone' name",
}


@pytest.mark.parametrize(("name", "words"), NAMED.items())
def test_where_the_key_of_a_host_that_variables_name_goes(name, words, monkeypatch):
    """In words, where they are not set."""
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    two = {"name": ("X_NAME", "Y"), "zone": (), "other": ()}
    address = "https://{name}.{zone}.x.example"
    mine = Provider("x", "openai-chat", address, key_variables=("KEY",), variables=two, query={"other": "{other}"})
    with pytest.raises(MissingAuthError) as caught:
        Client(provider(name) if name == "azure" else mine, base_url="https://evil.example")
    assert words in str(caught.value)
    assert "{" not in str(caught.value)


def test_no_key():
    with pytest.raises(MissingAuthError, match="set the environment variable X_KEY or X_TOKEN"):
        key_for()


def test_where_no_key_is_needed():
    local = Provider("local", "anthropic-messages", "http://localhost:1", auth="none")
    assert key_for(row=local).value() is None
    assert key_for(authorized=True, environ={"X_KEY": SECRET}).value() is None


NO_KEYS = {
    "empty": ("", MissingAuthError),
    "line end": ("sk\n", ConfigurationError),
    "line end and header": ("sk\r\nx-evil: 1", ConfigurationError),
    "NUL": ("sk\0", ConfigurationError),
    "blank at its end": ("sk ", ConfigurationError),
    "beyond ASCII": ("skß", ConfigurationError),
    "bytes": (b"sk", ConfigurationError),
    "number": (3, ConfigurationError),
}


@pytest.mark.parametrize(("value", "error"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_what_is_no_key(value, error):
    with pytest.raises(error) as caught:
        key_for(api_key=value)
    assert "api_key" in str(caught.value)
    assert "sk" not in str(caught.value).replace("ask", "")
    with pytest.raises(ConfigurationError):
        key_for(api_key=lambda: value).value()


def test_a_function_is_asked_once_and_again_when_told():
    values = iter(["one", "two"])
    key = key_for(api_key=lambda: next(values))
    assert [key.value(), key.value()] == ["one", "one"]
    one = key.get()
    assert key.refresh(one)
    assert key.value() == "two"
    assert key.refresh(one), "another call has asked already"
    assert key.secrets == ("one", "two")
    fixed = Key(SECRET, passed=True)
    assert not fixed.refresh(fixed.get())
    assert fixed.value() == SECRET


def test_no_view_of_a_key_shows_it():
    key = Key(SECRET, passed=True)
    assert SECRET not in f"{key!r} {key} {[key]}"
    assert key.argument() == SECRET
    assert Key(SECRET, passed=False).argument() is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [("http://127.0.0.2", True), ("http://127.evil.example", False), ("http://0.0.0.0", False), ("http:", False)],
)
def test_loopback(address, expected):
    assert is_loopback(address) is expected


ADDRESSES = {
    "plain": ("https://x.example", "https://x.example/v1"),
    "slash": ("https://x.example/", "https://x.example/v1"),
    "with version": ("https://x.example/v1", "https://x.example/v1"),
    "with version and slash": ("https://x.example/v1/", "https://x.example/v1"),
    "below a path": ("https://x.example/router/anthropic", "https://x.example/router/anthropic/v1"),
    "below a version": ("https://x.example/v1/anthropic", "https://x.example/v1/anthropic/v1"),
    "port": ("http://localhost:8000", "http://localhost:8000/v1"),
    "a host named like it": ("http://v1", "http://v1/v1"),
}


@pytest.mark.parametrize(("value", "expected"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_the_version_is_added_once(value, expected):
    assert base_address(value, "/v1") == expected
    assert base_address(expected, "/v1") == expected


NO_ADDRESSES = [
    "https://x.example/v1/chat/completions",
    "https://x.example/v1/messages/",
    "https://x.example/v1/responses",
    "x.example",
    "ftp://x.example",
    "https://",
    "https://u:p@x.example",
    "https://x.example?a=1",
    "https://x.example#a",
    "https://x.example/a b",
    "https://x.example/\n",
    "http://x:99999",
    "http://[::1",
    "http://x.example/?",
    "http://x.example/#",
    "http://x.example:0",
    3,
    "",
]


@pytest.mark.parametrize("value", NO_ADDRESSES)
def test_what_is_no_address(value):
    with pytest.raises(ConfigurationError) as caught:
        base_address(value, "/v1")
    assert str(caught.value).startswith("base_url: ")
    assert "u:p" not in str(caught.value)


DEEP = "/v1beta1/projects/p/publishers/x"
BELOW = {
    "nothing of it": ("https://x.example", DEEP, f"https://x.example{DEEP}"),
    "its beginning": ("https://x.example/v1beta1", DEEP, f"https://x.example{DEEP}"),
    "another version": ("https://x.example/v1", DEEP, "https://x.example/v1/projects/p/publishers/x"),
    "half of it": ("https://x.example/v1beta1/projects/p/", DEEP, f"https://x.example{DEEP}"),
    "all of it": (f"https://x.example{DEEP}", DEEP, f"https://x.example{DEEP}"),
    "its end alone": ("https://x.example/publishers/x", DEEP, f"https://x.example/publishers/x{DEEP}"),
    "a version of its own": ("https://x.example/api/paas/v4", "/v1", "https://x.example/api/paas/v4"),
    "beta": ("https://x.example/v1", "/v1beta", "https://x.example/v1"),
    "no suffix": ("https://x.example/inference/", "", "https://x.example/inference"),
}


@pytest.mark.parametrize(("value", "suffix", "expected"), BELOW.values(), ids=BELOW.keys())
def test_what_is_there_of_a_suffix_is_not_repeated(value, suffix, expected):
    assert base_address(value, suffix) == expected
    assert base_address(expected, suffix) == expected


ENDPOINTS = {
    "below": ("https://x/v1", "/models", None, "https://x/v1/models"),
    "one up": ("https://x/inference", "/../catalog/models", None, "https://x/catalog/models"),
    "two up": ("https://x/openai/deployments/{model}", "/../../models", None, "https://x/openai/models"),
    "model": ("https://x/d/{model}", "/chat/completions", "a/b c", "https://x/d/a%2Fb%20c/chat/completions"),
}


@pytest.mark.parametrize(("address", "path", "model", "expected"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_endpoint(address, path, model, expected):
    assert endpoint(address, path, model) == expected


AZURE = Provider(
    "az",
    "anthropic-messages",
    "https://{name}.x.example",
    variables={"name": ("X_NAME",), "other": (), "way": ()},
    defaults={"way": "{model}"},
    special_urls={"name=all": "https://x.example"},
)


def test_variables():
    filled = Filled(AZURE, {"name": "a", "other": "b"}, {})
    assert filled.base_url == "https://a.x.example"
    assert filled("/{other}/{way}/{}") == "/b/{model}/{}"
    assert Filled(AZURE, {"other": "b"}, {"X_NAME": "c"}).base_url == "https://c.x.example"
    assert Filled(AZURE, {"other": "b", "name": "all"}, {}).base_url == "https://x.example"
    assert Filled(AZURE, {"other": "https://o.example/", "name": "a"}, {})("{other}") == "https://o.example"
    with pytest.raises(ConfigurationError, match=r"variables: az needs 'name'; .*X_NAME"):
        Filled(AZURE, {"other": "b"}, {}).base_url  # noqa: B018
    with pytest.raises(ConfigurationError, match="variables: az needs 'other'"):
        Filled(AZURE, {"name": "a"}, {})("/{other}")
    assert Filled(AZURE, {"name": "a"}, {}).lacks("/{other}")
    assert not Filled(AZURE, {"name": "a"}, {}).lacks("/{name}/{way}")
    with pytest.raises(ConfigurationError, match="variables: az has no 'nam'; it has name, other, way"):
        Filled(AZURE, {"nam": "a"}, {})
    with pytest.raises(ConfigurationError, match="variables: 'name' can hold letters"):
        Filled(AZURE, {"name": "evil.example/x?", "other": "b"}, {}).base_url  # noqa: B018


def test_query():
    assert with_query("https://x/v1/a", {}) == "https://x/v1/a"
    assert with_query("https://x/v1/a", {"a": "1 2", "b": "&"}) == "https://x/v1/a?a=1+2&b=%26"


def test_rows():
    rows = providers()
    names = [row.name for row in rows]
    assert "anthropic" in names
    assert len(names) == len(set(names))
    for row in rows:
        assert row == provider(row.name) == pickle.loads(pickle.dumps(row))
        assert hash(row) == hash(provider(row.name))
        values = {name: "https://x.example" if name == "endpoint" else "x" for name in row.variables}
        assert urlsplit(base_address(Filled(row, values).base_url, "/v1")).hostname


def test_unknown_rows():
    with pytest.raises(UnknownProviderError, match=r"none is named 'antropic'; try anthropic"):
        provider("antropic")
    with pytest.raises(UnknownProviderError, match="or pass a Provider"):
        provider("zzz")


def test_parameters():
    row = provider("anthropic")
    table = row.parameters()
    assert set(table["temperature"]) == {"type", "default", "meaning", "example"}
    assert "seed" not in table
    assert json.loads(row.parameters(as_json=True)) == table


def test_rows_of_other_distributions(tmp_path, monkeypatch):
    """A real distribution on the path, found by its entry points."""
    (tmp_path / "gateway_rows.py").write_text(
        "from llmkit import Provider\n"
        "ROW = Provider('gateway', 'anthropic-messages', 'https://gateway.example', key_variables=('GATEWAY_KEY',))\n"
        "def made():\n    return Provider('made', 'anthropic-messages', 'https://made.example')\n"
        "def nothing():\n    return None\n"
        "MINE = Provider('anthropic', 'anthropic-messages', 'https://evil.example')\n"
    )
    info = tmp_path / "gateway_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway-rows\nVersion: 1.0\n")
    entries = "[llmkit.providers]\ngateway = gateway_rows:ROW\nmade = gateway_rows:made\nmine = gateway_rows:MINE\n"
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    assert provider("gateway").key_variables == ("GATEWAY_KEY",)
    assert provider("made").name == "made"
    assert provider("anthropic").base_url == "https://api.anthropic.com"  # nobody takes over a row, and its key
    assert [row.name for row in providers()].count("anthropic") == 1


BROKEN = {
    "no row": ("bad = gateway_rows:nothing", "it is a NoneType and no Provider"),
    "no such module": ("bad = no_such_module:ROW", "ModuleNotFoundError"),
    "no such name": ("bad = gateway_rows:missing", "AttributeError"),
    "a function that fails": ("bad = gateway_rows:fails", "ZeroDivisionError"),
}


@pytest.mark.parametrize(("entry", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_distribution_harms_no_other(tmp_path, monkeypatch, entry, reason):
    (tmp_path / "gateway_rows.py").write_text(
        "from llmkit import Provider\n"
        "ROW = Provider('gateway', 'anthropic-messages', 'https://gateway.example')\n"
        "def nothing():\n    return None\n"
        "def fails():\n    return 1 / 0\n"
    )
    info = tmp_path / "gateway_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway-rows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[llmkit.providers]\n{entry}\ngateway = gateway_rows:ROW\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gateway_rows", raising=False)
    with pytest.warns(UserWarning, match=f"the entry point 'bad' of llmkit.providers .* left out: {reason}"):
        assert provider("gateway").wire == "anthropic-messages"
    with pytest.warns(UserWarning, match="left out"), pytest.raises(UnknownProviderError, match="anthropic"):
        provider("antropic")


def test_a_way_to_send_a_key_that_is_none():
    with pytest.raises(ConfigurationError, match=r"Provider.auth: expected x-api-key or bearer or .*, got 'basic'"):
        Provider("x", "openai-chat", "https://x.example", auth="basic")


MEANT = {
    "google": "gemini, vertex",
    "claude-sonnet-5": "anthropic",
    "gpt-5": "openai, openai-chat",
    "Grok": "xai",
    "antropic": "anthropic",
}


@pytest.mark.parametrize(("name", "meant"), MEANT.items(), ids=MEANT.keys())
def test_what_people_may_have_meant(name, meant):
    with pytest.raises(UnknownProviderError, match=f"try {meant}, or pass a Provider"):
        provider(name)


def test_brands_are_no_rows_and_stand_for_some():
    names = {row.name for row in rows()}
    assert not names & BRANDS.keys()
    assert {row for rows in BRANDS.values() for row in rows} <= names
