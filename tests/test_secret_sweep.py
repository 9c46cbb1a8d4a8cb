"""Secrets stand in the request and nowhere else, whatever goes wrong and whatever the server repeats."""

import gzip
import itertools
import logging
import pickle
from urllib.parse import quote

import pytest
import requests
from faults.calls import JSON, SSE, chunked, until_closed, whole
from faults.exposure import Records, seen_of
from faults.formats import ANTHROPIC, FORMATS, MODEL, to_bytes
from sockets import Server

from llmkit import Client, ConfigurationError, ConnectionFailedError, LLMKitError, Request, Timeout, keys
from llmkit.testing import FAULTS, FakeServer

SECRETS = {
    "api_key": "sk-api_key-0123456789abcdefgh",
    "headers": "in-headers-0123456789abcdefgh",
    "extra_headers": "of-one-call-0123456789abcdefgh",
    "extra_query": "qk+query/0123456789=abcdefgh&",
    "auth": "by-auth-0123456789abcdefgh",
    "proxy": "pw:proxy@0123456789/abcdefgh",
}
HEAD = 9  # characters of a secret that are none by chance


class Auth:
    """What a signer does."""

    def __call__(self, request):
        request.headers["X-Second-Token"] = SECRETS["auth"]
        return request


HOLDERS = {
    "headers": {"X-Gateway-Key": SECRETS["headers"]},
    "extra_headers": {"X-Tenant-Token": SECRETS["extra_headers"]},
    "extra_query": {"key": SECRETS["extra_query"], "beta": "true"},
}


def shown_in(text):
    """The holders whose secret stands in `text`, as it is or escaped for an address."""
    forms = {name: (secret, quote(secret, safe="")) for name, secret in SECRETS.items()}
    return [name for name, held in forms.items() if any(form[:HEAD] in text for form in held)]


@pytest.fixture
def leaks():
    """A function that takes an error and returns where a secret is to be seen; with what was logged meanwhile."""
    records = Records()
    root = logging.getLogger()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.NOTSET)

    def found(error, *more, logs=True):
        places = [*seen_of(error), *more, *(("log", text) for text in records.texts if logs)]
        records.texts.clear()
        return sorted({f"{name} in {place}" for place, text in places for name in shown_in(text)})

    yield found
    root.removeHandler(records)
    root.setLevel(level)


def failed(client, mode, **options):
    """The error of a call; None where there was none."""
    options = {"extra_headers": HOLDERS["extra_headers"], "extra_query": HOLDERS["extra_query"], **options}
    try:
        if mode == "whole":
            client.complete("Hi", **options)
        else:
            with client.stream("Hi", **options) as stream:
                stream.collect()
    except LLMKitError as error:
        return error
    return None


def cases():
    """Each wire, whole and streamed."""
    return [(form, mode) for form in FORMATS.values() for mode in ("whole", "streamed")]


# ---- a server that repeats all that it was sent ----------------------------------------------------------------------


def repeats(make, form, mode):
    """A script: answers with what `make` makes of the secrets in the request's own address and headers, in one line."""

    def script(wire):
        for request in wire.requests():
            values = [request.path, *request.headers.values()]
            told = " ".join(value for value in values if shown_in(value))
            assert told
            wire.send(make(told, form, mode))
            return

    return script


def status(code, reason="No", headers=JSON):
    def make(told, form, mode):
        body = to_bytes({"error": {"type": told, "message": told, "code": told, told: [{told: told}]}, told: told})
        return whole(body, f"{code} {reason.format(told)}", headers.format(told))

    return make


def event(data):
    """A stream that begins well and then has `data`."""

    def make(told, form, mode):
        return chunked(form.begun(1), form.event(data(told, form)))

    return make


REPEATED = {
    "bad key": status("401 {0}", headers=JSON + "X-Echo: {0}\r\nSet-Cookie: {0}\r\n"),
    "bad request": status(400),
    "rate limited": status(429, headers=JSON + "Retry-After: {0}\r\nX-Should-Retry: {0}\r\nRequest-Id: {0}\r\n"),
    "server error": status(500),
    "overloaded, and asked again": status(529, headers=JSON + "Retry-After-Ms: 1\r\n"),
    "error, no JSON": lambda told, *_: whole(
        b"Your request: " + told.encode(), "403 No", "Content-Type: text/plain\r\n"
    ),
    "error, long": lambda told, *_: whole(to_bytes({"error": {"message": "x" * 480 + told}}), "400 No"),
    "error, HTML": lambda told, *_: whole(b"<html>" + told.encode(), "502 No", "Content-Type: text/html\r\n"),
    "name of a header": lambda told, *_: whole(
        b"{}", "400 No", JSON + "".join(f"X-{word}: 1\r\n" for word in told.split())
    ),
    "redirect": lambda told, *_: whole(b"", "302 No", f"Location: /path/{told}?{told}#{told}\r\n"),
    "redirect to a host": lambda told, *_: whole(b"", "307 No", f"Location: http://{SECRETS['api_key']}.x/\r\n"),
    "redirect, escaped": lambda told, *_: whole(b"", "308 No", f"Location: http://x/{quote(told)}\r\n"),
    "no HTTP": lambda told, *_: told.encode() + b"\r\n\r\n",
    "version": lambda told, *_: f"HTTP/{told} 200 OK\r\n\r\n".encode(),
    "status line": lambda told, *_: f"HTTP/1.1 {told}\r\n\r\n".encode(),
    "no header": lambda told, *_: f"HTTP/1.1 400 No\r\n{told.replace(':', '')}\r\n{JSON}\r\n".encode() + told.encode(),
    "continued header": lambda told, *_: f"HTTP/1.1 400 No\r\n {told}\r\nX: y\r\n {told}\r\n\r\n".encode(),
    "many headers": lambda told, *_: b"HTTP/1.1 200 OK\r\n" + f"X: {told}\r\n".encode() * 150 + b"\r\n",
    "long header": lambda told, *_: b"HTTP/1.1 200 OK\r\nX: " + told.encode() * 1000 + b"\r\n\r\n",
    "early hints": lambda told, *_: f"HTTP/1.1 103 {told}\r\nLink: {told}\r\n\r\n".encode(),
    "length": lambda told, *_: f"HTTP/1.1 200 OK\r\nContent-Length: {told}\r\n\r\n{told}".encode(),
    "lengths": lambda told, *_: f"HTTP/1.1 200 OK\r\nContent-Length: {told}, 5\r\n\r\n{told}".encode(),
    "transfer coding": lambda told, *_: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {told}\r\n\r\n{told}".encode(),
    "content coding": lambda told, *_: whole(told.encode(), headers=JSON + f"Content-Encoding: {told}\r\n"),
    "content coding of an error": lambda told, *_: whole(b"x", "400 No", JSON + f"Content-Encoding: {told}\r\n"),
    "content type": lambda told, *_: whole(told.encode(), headers=f"Content-Type: text/html; {told}\r\n"),
    "no gzip": lambda told, *_: whole(told.encode(), headers=JSON + "Content-Encoding: gzip\r\n"),
    "cut gzip": lambda told, *_: whole(
        gzip.compress(told.encode())[:-4], headers=JSON + "Content-Encoding: gzip\r\nConnection: close\r\n"
    ),
    "chunk size": lambda told, *_: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{SSE}\r\n{told}\r\n".encode(),
    "chunk extension": lambda told, *_: (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n5;{told}\r\n".encode() + told.encode()
    ),
    "trailer": lambda told, *_: (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{JSON}\r\n1\r\n{{\r\n0\r\n{told}\r\n".encode()
    ),
    "cut body": lambda told, *_: f"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n{JSON}\r\n{told}".encode(),
    "body, no JSON": lambda told, *_: whole(told.encode()),
    "body, not UTF-8": lambda told, *_: whole(told.encode() + b"\xff"),
    "body, half JSON": lambda told, *_: whole(to_bytes({"id": told, "content": told})[:-3]),
    "body, no answer": lambda told, *_: whole(to_bytes({"id": told, told: told, "content": [told]})),
    "body, an error": lambda told, *_: whole(to_bytes({"error": {"type": told, "message": told, told: told}})),
    "body, odd content": lambda told, form, mode: whole(form.body.replace(b'"text"', to_bytes(told))),
    "body, parts": lambda told, form, mode: whole(form.body.replace(b"[{", b"[" + to_bytes(told) + b",{", 1)),
    "error event": event(lambda told, form: {**form.trouble, "error": {"type": told, "message": told, told: told}}),
    "event, no JSON": event(lambda told, form: b"{oops " + told.encode()),
    "event, not UTF-8": event(lambda told, form: told.encode() + b"\xff"),
    "event, a list": event(lambda told, form: [told]),
    "event, unknown": event(lambda told, form: {"type": told, told: told}),
    "event, name": lambda told, form, mode: chunked(form.begun(2), f"event: {told}\nid: {told}\ndata: x\n\n".encode()),
    "stream, cut": lambda told, form, mode: until_closed(
        form.begun(2).replace(b"answer-1", to_bytes(told)[1:-1]) + form.texts[2].replace(b"\xe4", told.encode()),
        SSE + f"X-Echo: {told}\r\nRequest-Id: {told}\r\n",
    ),
    "stream, silent": lambda told, form, mode: f"HTTP/1.1 200 {told}\r\n{SSE}\r\n: {told}\n\n".encode(),
}


def asking(form, url, **arguments):
    """A client with a secret in every place."""
    arguments = {"api_key": SECRETS["api_key"], "auth": Auth(), "headers": HOLDERS["headers"], **arguments}
    return Client(form.provider, base_url=url, model=MODEL, timeout=Timeout(idle=5, total=10), **arguments)


PROXY = f"http://user:{quote(SECRETS['proxy'], safe='')}@127.0.0.1"
WAYS = {
    "direct": lambda server: {"url": server.url},
    "proxy": lambda server: {"url": "http://api.invalid", "proxy": f"{PROXY}:{server.port}"},
    "session": lambda server: {"url": server.url, "session": requests.Session()},
}


@pytest.mark.parametrize("make", REPEATED.values(), ids=REPEATED.keys())
@pytest.mark.parametrize("way", WAYS)
def test_what_the_server_repeats(make, way, leaks):
    found, errors = {}, []
    retries = int(make is REPEATED["overloaded, and asked again"])
    for form, mode in cases():
        with (
            Server(repeats(make, form, mode)) as server,
            asking(form, **WAYS[way](server), max_retries=retries) as client,
        ):
            error = failed(client, mode)
            if error is None:  # one wire has no use for what another cannot do without
                continue
            errors.append(error)
            if shown := leaks(error, ("client", repr(client)), logs=way != "session"):  # whose logs are the caller's
                found[form.provider, mode, type(error).__name__] = shown
    assert errors
    assert not found, found


def test_what_the_server_repeats_of_a_stored_key(leaks, tmp_path, monkeypatch):
    """One of each kind of answer; the whole table is held against one that is passed."""
    monkeypatch.setenv("LLMKIT_CONFIG", str(tmp_path / "settings"))
    for form in FORMATS.values():
        keys.set(form.provider, SECRETS["api_key"], profile="sweep")
    ways = {
        "looked up": lambda form: {"auth": None, "api_key": None, "profile": "sweep"},
        "logged in": lambda form: {"auth": None, "api_key": keys.stored(form.provider, _fails, profile="sweep")},
    }
    makes = ("bad key", "error, no JSON", "redirect", "body, half JSON", "error event", "stream, cut")
    found = {}
    for (form, mode), name, (way, options) in itertools.product(cases(), makes, ways.items()):
        with (
            Server(repeats(REPEATED[name], form, mode)) as server,
            asking(form, server.url, max_retries=0, **options(form)) as client,
        ):
            error = failed(client, mode)
            pickled = pickle.dumps(client.with_options(headers={"X-Gateway-Key": ""})).decode("latin-1")
            more = [("client", repr(client)), ("pickle of the client", pickled)]
            if error is not None and (shown := leaks(error, *more)):
                found[form.provider, mode, name, way] = shown
    assert not found, found


def _fails():
    raise LookupError("nobody is there to log in")


TUNNELS = {
    "407": lambda told: f"HTTP/1.1 407 {told}\r\nProxy-Authenticate: {told}\r\n\r\n",
    "403": lambda told: f"HTTP/1.1 403 {told}\r\nContent-Length: {len(told)}\r\n\r\n{told}",
    "502": lambda told: f"HTTP/1.1 502 {told}\r\n{told.replace(':', '')}\r\n\r\n",
    "302": lambda told: f"HTTP/1.1 302 {told}\r\nLocation: http://{told}/\r\n\r\n",
    "no HTTP": lambda told: f"{told}\r\n\r\n",
    "no TLS behind": lambda told: f"HTTP/1.1 200 OK\r\n\r\n{told}",
    "nothing": lambda told: "",
}


@pytest.mark.parametrize("say", TUNNELS.values(), ids=TUNNELS.keys())
def test_what_a_proxy_repeats(say, leaks):
    def script(wire):
        told = wire.receive().headers["proxy-authorization"]
        wire.send(say(told).encode())

    for mode in ("whole", "streamed"):
        with (
            Server(script) as proxy,
            asking(ANTHROPIC, "https://api.invalid", proxy=f"{PROXY}:{proxy.port}", max_retries=0) as client,
        ):
            error = failed(client, mode)
            assert type(error) is ConnectionFailedError
            assert f"127.0.0.1:{proxy.port}" in str(error) or "TLS" in str(error)
            assert not leaks(error)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_fake_server(fault, leaks):
    found = {}
    planted = [SECRETS[name] for name in ("api_key", "headers", "extra_headers", "extra_query")]
    with FakeServer() as server:
        for form, mode in cases():
            server.reply(f"Your keys are {' '.join(planted)}, for ever.")
            server.fault(fault)
            with asking(form, server.url, auth=None, max_retries=0) as client:
                error = failed(client, mode, timeout=Timeout(first=0.2, idle=0.2))
                assert error is not None
                if shown := leaks(error):
                    found[form.provider, mode, type(error).__name__] = shown
    assert not found, found


ENDPOINTS = {
    "count_tokens": ("anthropic", lambda client, **options: client.count_tokens("Hi", **options)),
    "models": ("anthropic", lambda client, **options: client.models(**options)),
    "embed": ("openai", lambda client, **options: client.embed("Hi", **options)),
}


@pytest.mark.parametrize(("provider", "call"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
@pytest.mark.parametrize("make", [REPEATED["bad key"], REPEATED["body, half JSON"]], ids=["bad key", "half JSON"])
def test_other_endpoints(provider, call, make, leaks):
    form = FORMATS[provider]
    with (
        Server(repeats(make, form, "whole")) as server,
        asking(form, server.url, max_retries=0) as client,
        pytest.raises(LLMKitError) as caught,
    ):
        call(client, extra_headers=HOLDERS["extra_headers"], extra_query=HOLDERS["extra_query"])
    assert not leaks(caught.value)


# ---- arguments that are refused --------------------------------------------------------------------------------------

GOOD = {"api_key": SECRETS["api_key"], "headers": HOLDERS["headers"], "proxy": f"{PROXY}:8080"}
BAD_ARGUMENTS = {
    "key": {"api_key": SECRETS["api_key"] + "\n"},
    "key in bytes": {"api_key": SECRETS["api_key"].encode()},
    "header": {"headers": {"X-Gateway-Key": SECRETS["headers"] + "\r\nX: y"}},
    "header in bytes": {"headers": {"X-Gateway-Key": SECRETS["headers"].encode()}},
    "headers as text": {"headers": f"X-Gateway-Key: {SECRETS['headers']}"},
    "headers as pairs": {"headers": [("X-Gateway-Key", SECRETS["headers"])]},
    "proxy in bytes": {"proxy": f"{PROXY}:8080".encode()},
    "proxy, scheme": {"proxy": PROXY.replace("http", "ftp")},
    "proxy, port": {"proxy": f"{PROXY}:99999"},
    "proxy, line end": {"proxy": f"{PROXY}:8080\n"},
    "address with a user": {"base_url": f"https://user:{SECRETS['proxy']}@api.invalid"},
    "address with a user and a blank": {"base_url": f"https://user:{SECRETS['proxy']}@api invalid"},
    "address with a user and no scheme": {"base_url": f"user:{SECRETS['proxy']}@api.invalid"},
    "address with a user and an odd scheme": {"base_url": f"ftp://user:{SECRETS['proxy']}@api.invalid"},
    "address with a query": {"base_url": f"https://api.invalid?key={SECRETS['extra_query']}"},
    "address with a query and a blank": {"base_url": f"https://api.invalid/ ?key={SECRETS['extra_query']}"},
    "time": {"timeout": -1},
    "model": {"model": "a\nb"},
    "retries": {"max_retries": "2"},
    "bundle": {"verify": "/no/such/bundle.pem"},
    "row": {"provider": "no-such-row"},
    "variables": {"variables": {"endpoint": "x"}},
    "session": {"session": object(), "proxy": None},
    "session beside a proxy": {"session": requests.Session()},
    "auth": {"auth": "me"},
}


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS.keys())
def test_arguments_of_a_client(arguments, leaks):
    with pytest.raises(ConfigurationError) as caught:
        Client(**{"provider": "anthropic", **GOOD, **arguments})
    assert not leaks(caught.value)


BAD_OPTIONS = {
    "header": {"extra_headers": {"X-Tenant-Token": SECRETS["extra_headers"] + "\0"}},
    "header in bytes": {"extra_headers": {"X-Tenant-Token": SECRETS["extra_headers"].encode()}},
    "headers as text": {"extra_headers": SECRETS["extra_headers"]},
    "query in bytes": {"extra_query": {"key": SECRETS["extra_query"].encode()}},
    "query as text": {"extra_query": f"key={SECRETS['extra_query']}"},
    "unknown": {"no_such_option": 1},
    "temperature": {"temperature": "hot"},
    "time": {"timeout": 0},
    "model": {"model": "a\nb"},
}
USES = {
    "complete": lambda client, options: client.complete("Hi", **options),
    "stream": lambda client, options: client.stream("Hi", **options),
    "count_tokens": lambda client, options: client.count_tokens("Hi", **options),
    "models": lambda client, options: client.models(**options),
    "embed": lambda client, options: client.embed("Hi", **options),
    "with_options": lambda client, options: client.with_options(headers=HOLDERS["headers"], **options),
    "a Request": lambda client, options: client.complete(Request("Hi", **options)),
    "a prompt that is none": lambda client, options: client.complete(5, **HOLDERS_OF_CALL),
}
HOLDERS_OF_CALL = {name: HOLDERS[name] for name in ("extra_headers", "extra_query")}


@pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_options_of_a_call(use, options, leaks):
    with Server(lambda wire: None) as server, asking(FORMATS["openai"], server.url) as client:
        with pytest.raises(ConfigurationError) as caught:
            use(client, {**HOLDERS_OF_CALL, **options})
        assert server.connections == 0
        assert not leaks(caught.value)


def test_what_an_option_that_cannot_be_expressed_shows(leaks):
    with asking(FORMATS["openai"], "http://127.0.0.1:1") as client:
        with pytest.raises(ConfigurationError) as caught:
            client.complete("Hi", top_k=3, **HOLDERS_OF_CALL)
        assert not leaks(caught.value)


# ---- what shows itself without an error ------------------------------------------------------------------------------


def test_reprs():
    request = Request("Hi", temperature=0.5, **HOLDERS_OF_CALL)
    assert shown_in(repr(request)) == []
    assert "X-Tenant-Token" in repr(request).title()
    with asking(FORMATS["gemini"], "http://127.0.0.1:1", proxy=f"{PROXY}:1") as client:
        shown = (
            f"{client!r} {client._settings!r} {client._engine!r} {client.with_options(headers=HOLDERS['headers'])!r}"
        )
    assert shown_in(shown) == []


def test_a_good_answer_is_handed_out_as_it_came(leaks):
    """Its headers and its text are what the host said, and nobody's errors; its `repr` has no headers."""
    form = FORMATS["anthropic"]

    def script(wire):
        told = wire.receive().headers["x-api-key"]
        wire.send(whole(form.body, headers=JSON + f"X-Echo: {told}\r\n"))

    with Server(script) as server, asking(form, server.url) as client:
        response = client.complete("Hi", extra_query=HOLDERS["extra_query"])
        assert response.headers["x-echo"] == SECRETS["api_key"]
        assert shown_in(repr(response)) == []
        assert not leaks(LLMKitError())
