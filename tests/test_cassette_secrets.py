"""No secret stands in a cassette: not where it was sent, and not where the server repeats it."""

import base64
import itertools
import json
import re
from urllib.parse import quote

import pytest
import requests
from sockets import CHUNKED, Server, chunk, reply

from llmkit import Client, LLMKitError, Request, ServerTool, Thinking, ToolCall
from llmkit.testing import by_characters, record, replay
from llmkit.testing.cassettes.cleaning import Cleaner
from llmkit.testing.cassettes.findings import of_request, owners_of_request
from llmkit.testing.cassettes.spread import without_spread

KEY = "sk-planted/key=0123456789+abcdefgh"
OTHER = "of-the-caller-0123456789abcdefgh"
COOKIE = "session-cookie-0123456789"
ORGANISATION = "org-0123456789abcdefABCDEF"
ACCOUNT = "5e7c7a52-0000-4111-8222-abcdefabcdef"
PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")
HEADERS = (
    f"set-cookie: sid={COOKIE}; path=/; SameSite=None\r\nanthropic-organization-id: {ACCOUNT}\r\n"
    f"openai-organization: {ORGANISATION}\r\nx-goog-user-project: my-project-0123456789\r\n"
    f"x-request-id: req_1\r\nx-ratelimit-remaining-tokens: 1234\r\nx-debug: {KEY}\r\n"
)


def forms(secret):
    """How it could stand in a file, as it is or escaped."""
    escaped = json.dumps(secret).replace("/", "\\/")[1:-1]
    google = secret.replace("=", "\\u003d").replace("+", "\\u002b")
    return {secret, quote(secret), quote(secret, safe=""), escaped, google, secret[:16], secret[-16:]}


def assert_clean(path, *secrets):
    """Neither in the text, nor in what stands there in base64."""
    text = path.read_text()
    decoded = [base64.b64decode(line.partition("base64: ")[2]) for line in text.splitlines() if "base64: " in line]
    for form in set().union(*map(forms, secrets or (KEY, OTHER, COOKIE, ORGANISATION, ACCOUNT, "my-project-012345"))):
        assert form not in text
        assert not any(form.encode() in data for data in decoded)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.yaml"


def client_of(provider, server, **kwargs):
    kwargs = {"api_key": KEY, "model": "m", "max_retries": 0, "headers": {"X-Gateway-Token": OTHER}, **kwargs}
    return Client(provider, base_url=server.url, **kwargs)


def call(provider, server, *, stream=False, **kwargs):
    """A call of which nothing is demanded but to come to its end."""
    client = client_of(provider, server, **kwargs)
    try:
        if stream:
            list(client.stream("Hi", extra_query={"api_key": OTHER, "beta": "true"}))
        else:
            client.complete("Hi", max_tokens=9, extra_query={"api_key": OTHER, "beta": "true"})
    except LLMKitError as error:
        assert KEY not in str(error)  # noqa: PT017 - whether there is one depends on the wire
        return type(error), str(error)
    return None


def told(secrets):
    """What a careless gateway repeats."""
    return f"You are {', '.join(map(json.dumps, secrets))} of {ORGANISATION}: {[*map(quote, secrets)]}"


EVERYTHING = (KEY, OTHER, COOKIE, ACCOUNT)
BODIES = {
    "an error": ("401 Unauthorized", json.dumps({"error": {"type": "x", "message": told(EVERYTHING)}}).encode()),
    "an error in other letters": (
        "400 Bad",
        json.dumps({"error": {"message": KEY}}).replace("/", "\\/").replace("=", "\\u003d").encode(),
    ),
    "an answer": (
        "200 OK",
        json.dumps(
            {
                "id": "1",
                "model": "m",
                "choices": [{"index": 0, "message": {"content": told(EVERYTHING)}, "finish_reason": "stop"}],
            }
        ).encode(),
    ),
    "a key by which it is named": ("500 Oh", json.dumps({KEY: {OTHER: 1}}).encode()),
    "bytes": ("500 Oh", b"\xff\xfe" + KEY.encode() + b"\x00" + OTHER.encode()),
    "a page": ("502 Oh", b"<html>" + told(EVERYTHING).encode()),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("status", "body"), BODIES.values(), ids=BODIES.keys())
def test_what_is_repeated_in_a_body(path, provider, status, body):
    def script(wire):
        wire.receive()
        wire.send(reply(body, status=status, headers=f"Content-Type: application/json\r\n{HEADERS}"))

    with Server(script) as server, record(path) as tape:
        failed = call(provider, server)
    assert_clean(path)
    headers = tape.recordings[0].answered.headers
    assert headers["x-request-id"] == "req_1"
    assert headers["x-ratelimit-remaining-tokens"] == "1234"
    assert not {"set-cookie", "openai-organization", "anthropic-organization-id"} & {name.lower() for name in headers}
    with replay(path):
        again = call(provider, server)
    assert (again and again[0]) == (failed and failed[0])


@pytest.mark.parametrize("cut", range(1, len(KEY), 5))
def test_what_is_repeated_in_a_stream(path, cut):
    """Also where the network cuts it in two: half of a key is one too many."""
    event = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": f"{KEY} {OTHER}"}}]}
    end = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    data = f"data: {json.dumps(event)}\n\n".encode(), f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode()
    at = data[0].index(KEY.encode()) + cut

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(data[0][:at]) + chunk(data[0][at:]) + chunk(data[1]) + chunk(b""))

    with Server(script) as server, record(path):
        assert call("openai-chat", server, stream=True) is None
    assert_clean(path)
    with replay(path):
        assert call("openai-chat", server, stream=True) is None


SAID = {
    "text": f'Your "key" is {KEY}, ü\n{OTHER}!',
    "thoughts": [Thinking(f"{KEY}?", "c2lnbmF0dXJl"), "Hm."],
    "a call": ToolCall("call_1", "save", {"key": KEY, "ü": OTHER}),
}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("reply", SAID.values(), ids=SAID.keys())
def test_what_a_model_says_letter_by_letter(server, path, provider, reply):
    server.chunking = by_characters
    server.reply(reply)
    with record(path):
        told = repr(client_of(provider, server).stream("Hi").collect().message)
    assert KEY in told
    assert_clean(path)
    with replay(path, pieces=9):
        again = repr(client_of(provider, server).stream("Hi").collect().message)
    assert again == told.replace(KEY, "[key]").replace(OTHER, "[key]")


def test_what_is_spread_over_strings_in_any_writing():
    """Over escapes and pairs of surrogates, beginning and ending amid a string; and nothing else is changed."""
    bits = ["a\\n\\ud83d\\ude00sk-pl", "anted\\u002d", "secret-\\/0123 b", "sk-planted"]
    text = " ".join(f'{{"t": "{bit}", "u": "{bit[::-1] if bit.isalnum() else 1}"}}' for bit in bits)
    found = without_spread(text, ["sk-planted-secret-/0123"])
    assert re.findall('"t": "(.*?)"', found) == ["a\\n\\ud83d\\ude00[key]", "", " b", "[key]"]
    assert re.findall('"u": "(.*?)"', found) == re.findall('"u": "(.*?)"', text)
    assert without_spread('{"t": "\\x"}', ["sk-planted-secret-/0123"]) == '{"t": "\\x"}'


def test_what_is_repeated_in_an_address(path):
    place = f"https://elsewhere.invalid/{KEY}?key={quote(KEY)}"

    def script(wire):
        wire.receive()
        wire.send(reply(status="302 Found", headers=f"Location: {place}\r\n"))

    with Server(script) as server, record(path):
        call("anthropic", server)
    assert_clean(path)


def test_what_was_sent(path):
    """A key in the prompt, in the query, in a header of any name, and in the name of the model."""

    def script(wire):
        wire.receive()
        wire.send(reply(b"{}", headers="Content-Type: application/json\r\n"))

    with Server(script) as server, record(path) as tape, pytest.raises(LLMKitError):
        client_of("gemini", server).complete(
            f"My key is {KEY}", extra_query={"key": OTHER, "page": "2"}, extra_headers={"X-Team": f"team {KEY}"}
        )
    assert_clean(path)
    assert tape.recordings[0].asked.url.endswith("?key=[key]&page=2")
    assert set(tape.recordings[0].asked.headers) == {"accept", "content-type"}


ADDRESSES = {
    "a project in the path": (
        "https://host/v1/projects/my-own/locations/eu/models/m:generate",
        "https://host/v1/projects/[key]/locations/eu/models/m:generate",
    ),
    "fields that are secrets": (
        "https://h/p?key=1&key=22&alt=sse&api_key",
        "https://h/p?key=[key]&key=[key]&alt=sse&api_key",
    ),
    "a page": ("https://h/p?pageToken=abcdef&page_token=ghi", "https://h/p?pageToken=abcdef&page_token=ghi"),
}


@pytest.mark.parametrize(("url", "kept"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_addresses(url, kept):
    assert Cleaner(()).url(url) == kept


OWNERS = {
    "organisation": "Rate limit reached in organization org-0123456789abcdefABCDEF on tokens",
    "project": "Project proj_0123456789abcdef does not have access",
    "a number": 'consumer: "projects/123456789"',
}


@pytest.mark.parametrize("text", OWNERS.values(), ids=OWNERS.keys())
def test_whose_it_is(text):
    assert not re.search("[0-9]{4}", Cleaner(()).text(text))


def test_what_only_sounds_like_it():
    text = "projects/llmkit/readme, org-chart, proj-one, project 12, 123456789, my-organisation"
    assert Cleaner(()).text(text) == text


def test_owners_that_were_sent():
    headers = {"openai-project": "my-project", "X-Goog-User-Project": "other", "user-agent": "a thing", "accept": "*/*"}
    assert owners_of_request(headers, "https://host/projects/mine/models") == ["my-project", "other", "projects/mine"]
    assert of_request(headers, "https://host/?key=one&key=two&a=b&sig=three") == ["one", "two", "three"]


def test_keys_that_change(path):
    """Each one that was sent meanwhile is hidden in all that was said meanwhile."""
    keys = [f"key-number-{number}-0123456789abcdef" for number in range(3)]
    tokens = itertools.chain(keys, itertools.repeat(keys[-1]))

    def script(wire):
        for status in ("401 No", "401 No", "200 OK"):
            wire.receive()
            wire.send(reply(json.dumps({"keys": keys}).encode(), status=status))

    with Server(script) as server, record(path):
        client = client_of("openai-chat", server, api_key=lambda: next(tokens))
        for _ in "12":
            with pytest.raises(LLMKitError):
                client.complete("Hi")
    assert "keys" in path.read_text()
    assert_clean(path, *keys[:2])


class Signing(requests.auth.AuthBase):
    def __call__(self, request):
        request.headers["X-Amz-Security-Token"] = OTHER
        return request


def test_what_others_add(path):
    """An `auth` of the caller's, and a session of the caller's."""

    def script(wire):
        while wire.receive() is not None:
            wire.send(reply(told((KEY, OTHER, COOKIE)).encode(), status="400 Bad", headers=HEADERS))

    with Server(script) as server, record(path), requests.Session() as session:
        call("anthropic", server, auth=Signing(), headers=None)
        session.headers["Authorization"] = f"Bearer {OTHER}"
        session.auth = ("me", COOKIE)
        call("anthropic", server, session=session, headers=None)
    assert_clean(path, OTHER, COOKIE)


def test_pages_are_told_apart(path):
    """What leads to the next page is named like a secret, and is none."""
    pages = {"": {"models": [{"name": "models/a"}], "nextPageToken": "token-of-page-2"}}
    pages["token-of-page-2"] = {"models": [{"name": "models/b"}]}

    def script(wire):
        while (request := wire.receive()) is not None:
            page = request.path.partition("pageToken=")[2].partition("&")[0]
            wire.send(reply(json.dumps(pages[page]).encode(), headers="Content-Type: application/json\r\n"))

    with Server(script) as server, record(path):
        assert [model.id for model in client_of("gemini", server).models()] == ["a", "b"]
    with replay(path):
        assert [model.id for model in client_of("gemini", server).models()] == ["a", "b"]
    assert "pageToken=token-of-page-2" in path.read_text()


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


SLASHES = KEY.replace("/", "\\/")
WRITINGS = {
    "base64": base64_of(KEY),
    "base64 of more, one letter before": base64_of(f"a{KEY} and more"),
    "base64 of more, two letters before": base64_of(f"ab{KEY}!"),
    "base64 for addresses": base64.urlsafe_b64encode(f"?{KEY}???".encode()).decode(),
    "each letter escaped": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "some escaped, in capitals": KEY.replace("/", "\\u002F").replace("=", "\\u003D"),
    "JSON in JSON": json.dumps(json.dumps(SLASHES)),
}


@pytest.mark.parametrize("written", WRITINGS.values(), ids=WRITINGS.keys())
def test_however_it_is_written(written):
    cleaned = Cleaner([KEY]).data(f'{{"a": "b {written} c"}}'.encode()).decode()
    assert re.search(r'"b \S*\[key\]\S* c"', cleaned), cleaned
    assert len(cleaned) < 40


def test_what_has_quotes_in_it():
    """Passwords may."""
    for secret in ('pass"word\\of/a=proxy', 'p"a\\s', "p@ss/wörd", "a p/ss"):
        for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps(json.dumps(secret))):
            cleaned = Cleaner([secret]).data(f"{{}} {text}".encode()).decode()
            assert "[key]" in cleaned, text


PLACEHOLDERS = ("1234", "null", "true", "token", "4.50")
COUNTED = {"token": "a token of 1234", "n": 1234, "m": 4.50, "x": [None, True], "user": "null, true"}


@pytest.mark.parametrize("key", PLACEHOLDERS)
def test_a_short_one_leaves_json_what_it_is(key):
    """What JSON says without quotes, and the names in it, are no secrets."""
    body = f"data: {json.dumps(COUNTED)}\n\n".encode()
    cleaned = Cleaner([key]).data(body).decode()
    value = json.loads(cleaned[6:])
    assert value.keys() == COUNTED.keys()
    assert {**value, "token": "", "user": ""} == {**COUNTED, "token": "", "user": ""}
    assert key not in value["token"] + value["user"]
    assert key not in Cleaner([key]).data(f"<p>it is {key}, isn't it?".encode()).decode()
    assert Cleaner([key]).text(f"it is {key}") == "it is [key]"


def test_an_organisation_is_hidden_as_a_whole_word(path):
    """Not by its beginning, as keys are: that may be a word."""
    said = "A university is no university-of-somewhere, and not the-university-of-somewhere-else."
    body = {"id": "1", "model": "m", "choices": [{"index": 0, "message": {"content": said}, "finish_reason": "stop"}]}

    def script(wire):
        wire.receive()
        wire.send(reply(json.dumps(body).encode(), headers="openai-organization: university-of-somewhere\r\n"))

    with Server(script) as server, record(path):
        assert client_of("openai-chat", server).complete("Hi").text == said
    with replay(path):
        again = client_of("openai-chat", server).complete("Hi").text
    assert again == said.replace("no university-of-somewhere", "no [key]")


def test_a_project_is_hidden_in_bodies_too():
    cleaner = Cleaner((), owners_of_request({}, "https://host/v1/projects/my-own-project/models/m"))
    body = b'{"cachedContent": "projects/my-own-project/caches/1", "text": "projects and my-own-projects"}'
    assert cleaner.data(body) == body.replace(b"projects/my-own-project/", b"[key]/")


HANDED_ON = {
    "a server of tools": {"tools": [{"type": "mcp", "authorization": OTHER, "headers": {"X-Auth": ACCOUNT}}]},
    "servers": {"mcp_servers": [{"type": "url", "name": "a", "authorization_token": OTHER}, ACCOUNT]},
    "a gateway": {"api_key": OTHER, "headers": {"Authorization": f"Bearer {ACCOUNT}", "X-Count": 1}},
}


@pytest.mark.parametrize("body", HANDED_ON.values(), ids=HANDED_ON.keys())
def test_what_the_provider_is_handed(server, path, body):
    """So that it may ask others; and another time it is another one."""
    server.reply(f"{OTHER}!")
    client = client_of("openai-chat", server, headers=None)
    with record(path):
        assert client.complete("Hi", extra_body=body).text == f"{OTHER}!"
    assert_clean(path, OTHER)
    text = json.dumps(body)
    with replay(path):
        again = json.loads(text.replace(OTHER, "another-0123456789abcdef"))
        assert client.complete("Hi", extra_body=again).text == "[key]!"


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_what_the_provider_is_handed_in_a_batch(server, path, provider):
    """There in the calls of one body, here in the lines of a file."""
    tools = [ServerTool({"type": "mcp", "authorization": OTHER, "headers": {"X-Auth": ACCOUNT}})]
    with record(path):
        client_of(provider, server, headers=None).batches.create([Request(text, tools=tools) for text in ("a", "b")])
    assert "mcp" in path.read_text()
    assert_clean(path, OTHER, ACCOUNT)


NOT_HANDED_ON = {
    "what is said": b'{"messages": [{"content": [{"input": {"password": "p-0123456789abcdef"}}]}]}',
    "no text": b'{"tools": [{"password": 1, "headers": []}]}',
    "a list": b'["password", {"headers": 1}]',
    "no JSON": b'"password": "p-0123456789abcdef',
    "too deep": b"[" * 5000 + b'"password":',
}


@pytest.mark.parametrize("body", NOT_HANDED_ON.values(), ids=NOT_HANDED_ON.keys())
def test_what_nobody_is_handed(body):
    assert of_request({}, "https://host/", body) == []


def test_addresses_in_headers():
    headers = {"location": f"https://host/p?token={OTHER}&sig=abc&page=2", "x-note": "see https://host/?token=abc"}
    assert Cleaner(()).answered_headers(headers) == {
        "location": "https://host/p?token=[key]&sig=[key]&page=2",
        "x-note": "see https://host/?token=abc",
    }


class Bearing(requests.auth.AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {OTHER}"
        return request


def test_what_a_session_adds_at_last(path):
    """By an object of its own, from its cookies, in the query: that is seen when it is sent."""
    seen = []

    def script(wire):
        while (request := wire.receive()) is not None:
            seen.append((request.path, request.headers))
            wire.send(reply(told((OTHER, COOKIE, ACCOUNT)).encode(), status="400 Bad"))

    with Server(script) as server, record(path), requests.Session() as session:
        session.auth = Bearing()
        session.params = {"api_key": ACCOUNT}
        session.cookies.set("sid", COOKIE)
        session.proxies = {"https": f"http://me:{KEY}@127.0.0.1:9"}
        call("ollama", server, session=session, headers=None, api_key=None)
    assert OTHER in seen[0][1]["authorization"]
    assert COOKIE in seen[0][1]["cookie"]
    assert ACCOUNT in seen[0][0]
    assert_clean(path, OTHER, COOKIE, ACCOUNT)
