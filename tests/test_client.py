"""`llmkit.client` and `engine`: calls over a real socket, to a server that answers as it is told."""

import os
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
import requests
from sockets import Server

from llmkit import (
    APIError,
    AssistantMessage,
    AuthenticationError,
    BadRequestError,
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    FinishReason,
    Image,
    LLMKitError,
    MissingAuthError,
    Model,
    NotFoundError,
    OverloadedError,
    Provider,
    RateLimitError,
    Request,
    SystemMessage,
    Text,
    Timeout,
    Tool,
    ToolCall,
    UnknownProviderError,
    UnsupportedOptionError,
    UnsupportedWarning,
    Usage,
    UserMessage,
)
from llmkit.provider import provider
from llmkit.wire.quirks import AnthropicMessagesQuirks

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


def sent(server):
    return server.requests[-1].json


# A whole answer.


def test_complete(server, client):
    server.reply(["Hel", "lo"], usage=Usage(10, 5, 4, 3, 2))
    response = client.complete("Hi")
    assert response.text == "Hello"
    assert response.message == AssistantMessage(["Hel", "lo"])
    assert response.finish_reason == FinishReason("stop", "end_turn")
    assert response.usage == Usage(10, 5, 4, 3, 2)
    assert (response.provider, response.attempts, response.model) == ("anthropic", 1, "claude-x")
    assert response.headers["Content-Type"] == "application/json"
    assert response.raw["type"] == "message"
    assert sent(server) == {
        "model": "claude-x",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_headers(server):
    client = server.client("anthropic", headers={"X-Team": "a", "anthropic-beta": "one,two"}, model="claude-x")
    client.complete("Hi", extra_headers={"x-team": "b", "Anthropic-Beta": "two, three", "accept": "text/plain"})
    found = server.requests[-1].headers
    assert found["x-team"] == "b"
    assert found["anthropic-beta"] == "one,two,three"
    assert found["accept"] == "text/plain"
    assert found["anthropic-version"] == "2023-06-01"
    assert found["content-type"] == "application/json"
    assert found["x-api-key"]
    assert found["user-agent"].startswith("llmkit/")
    assert "authorization" not in found
    client.stream("Hi").collect()
    assert server.requests[-1].headers["accept"] == "text/event-stream"
    assert server.requests[-1].headers["accept-encoding"] == "identity"


def test_a_beta_that_the_wire_asks_for_is_added_to_the_callers(server, client):
    client.complete(
        [UserMessage([Image(file_id="f"), "a"])], extra_headers={"anthropic-beta": "mine"}, extra_query={"beta": "true"}
    )
    assert server.requests[-1].headers["anthropic-beta"] == "files-api-2025-04-14,mine"
    assert (server.requests[-1].path, server.requests[-1].query) == ("/v1/messages", {"beta": "true"})


def test_a_caller_may_bring_the_key_in_a_header(server):
    with Client("anthropic", base_url=server.url, headers={"X-Api-Key": "mine"}) as client:
        client.complete("Hi", model="claude-x")
    assert server.requests[-1].headers["x-api-key"] == "mine"


class Signed(requests.auth.AuthBase):
    def __call__(self, prepared):
        prepared.headers["x-api-key"] = f"signed-{len(prepared.body)}"
        return prepared


def test_auth_sees_the_body_and_needs_no_key(server):
    with Client("anthropic", base_url=server.url, auth=Signed(), model="claude-x") as client:
        client.complete("Hi")
    length = server.requests[-1].headers["content-length"]
    assert server.requests[-1].headers["x-api-key"] == f"signed-{length}"


def test_a_conversation_round_trips(server, client):
    tool = Tool("look", "Looks.", {"properties": {"at": {"type": "string"}}})
    server.reply(["Let me look.", ToolCall("t1", "look", {"at": "sky"})])
    messages = [SystemMessage("Be brief."), UserMessage("Why?")]
    first = client.complete(messages, tools=[tool])
    assert first.finish_reason.reason == "tool_calls"
    server.reply("Blue.")
    messages += [first.message, UserMessage([call.result({"sky": "blue"}) for call in first.tool_calls])]
    assert client.complete(messages, tools=[tool]).text == "Blue."
    assert [message["role"] for message in sent(server)["messages"]] == ["user", "assistant", "user"]
    assert server.requests[-1].messages == messages


def test_long_answers_are_streamed_and_collected(server, client):
    server.reply(["Hi", ToolCall("t1", "look")])
    whole = client.complete("Hi", max_tokens=21_333)
    assert "stream" not in sent(server)
    server.reply(["Hi", ToolCall("t1", "look")])
    collected = client.complete("Hi", max_tokens=21_334)
    assert sent(server)["stream"] is True
    assert attrs.evolve(whole, id="") == attrs.evolve(collected, id="")


def test_model_aliases(server):
    row = attrs.evolve(provider("anthropic"), name="mine", aliases={"fast": "claude-fast-1"}, default_model="fast")
    with Client(row, base_url=server.url, api_key="k") as client:
        client.complete("Hi")
        assert sent(server)["model"] == "claude-fast-1"
        client.complete("Hi", model="other")
        assert sent(server)["model"] == "other"
    with Client("anthropic:claude-y", base_url=server.url, api_key="k") as client:
        client.complete("Hi")
        assert sent(server)["model"] == "claude-y"
        assert "claude-y" in repr(client)


def test_a_row_of_the_users(server):
    row = Provider(
        "gateway",
        "anthropic-messages",
        "https://gateway.example/{team}",
        auth="x-api-key+bearer",
        default_model="vendor/claude",
        quirks=AnthropicMessagesQuirks(model_slash=True),
        variables={"team": ("GATEWAY_TEAM",)},
        query={"a": "1"},
        headers={"x-row": "1"},
    )
    with Client(row, base_url=server.url, api_key="k", variables={"team": "t"}) as client:
        assert client.complete("Hi").provider == "gateway"
    request = server.requests[-1]
    assert (request.path, request.query) == ("/v1/messages", {"a": "1"})
    assert (request.headers["x-api-key"], request.headers["authorization"]) == ("k", "Bearer k")
    assert request.headers["x-row"] == "1"
    assert request.json["model"] == "vendor/claude"


# Options.


def test_with_options(server, client):
    cold = client.with_options(temperature=0, headers={"x-a": "1"}, model="claude-z", timeout=Timeout(total=50))
    colder = cold.with_options(top_k=1, temperature=None)
    colder.complete("Hi")
    assert (sent(server)["temperature"], sent(server)["top_k"], sent(server)["model"]) == (0, 1, "claude-z")
    assert server.requests[-1].headers["x-a"] == "1"
    client.complete("Hi")
    assert "temperature" not in sent(server)
    assert "x-a" not in server.requests[-1].headers
    with pytest.raises(ConfigurationError, match="temprature: no such option"):
        client.with_options(temprature=0)
    with pytest.raises(ConfigurationError, match="max_retries"):
        client.with_options(max_retries=-1)


def test_copies_share_connections_and_closing_one_does_nothing(server, client):
    copy = client.with_options(temperature=0)
    client.complete("Hi")
    copy.complete("Hi")
    copy.close()
    client.complete("Hi")
    assert server.connections == 1
    client.close()
    client.complete("Hi")
    assert server.connections == 2


UNSUPPORTED = {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": 2}


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED.items())
def test_what_the_wire_cannot_express(server, client, name, value):
    with pytest.raises(UnsupportedOptionError) as caught:
        client.complete("Hi", **{name: value})
    assert caught.value.path == name
    assert server.requests == []
    with pytest.warns(UnsupportedWarning, match=f"^{name}: ") as warned:
        client.with_options(unsupported="warn").complete("Hi", **{name: value})
    assert warned[0].filename == __file__
    assert name not in sent(server)


def test_a_part_that_is_left_out_with_a_warning(server, client):
    from llmkit import Audio

    message = UserMessage([Audio(data=b"RIFF\x04\0\0\0WAVEfmt "), "a"])
    with pytest.raises(UnsupportedOptionError) as caught:
        client.complete([SystemMessage("s"), message])
    assert caught.value.path == "prompt[1].content[0]"
    with pytest.warns(UnsupportedWarning, match=r"^prompt\[1\]\.content\[0\]: "):
        client.with_options(unsupported="warn").complete([SystemMessage("s"), message])
    assert sent(server)["messages"][0]["content"] == [{"type": "text", "text": "a"}]


BAD_CLIENTS = {
    "headers with a line end": ({"headers": {"a": "b\r\nc: d"}}, ConfigurationError, "headers.a: it holds line ends"),
    "proxy that is no text": ({"proxy": 5}, ConfigurationError, "proxy: expected text"),
    "verify that is none": ({"verify": 0}, ConfigurationError, "verify: expected True, False"),
    "empty model": ({"model": ""}, ConfigurationError, "model: expected"),
    "unknown row": ({"provider": "antropic"}, UnknownProviderError, "provider: none is named 'antropic'"),
    "row that is none": ({"provider": 3}, ConfigurationError, "provider: expected a name"),
    "no scheme": ({"base_url": "api.x.example"}, ConfigurationError, "base_url: expected http"),
    "user in the address": ({"base_url": "https://u:p@x.example"}, ConfigurationError, "base_url: a user"),
    "control character in the key": ({"api_key": "k\n"}, ConfigurationError, "api_key: it holds control"),
    "empty key": ({"api_key": ""}, MissingAuthError, "api_key: it is empty"),
    "model in two lines": ({"model": "a\nb"}, ConfigurationError, "model: expected"),
    "model in the name in two lines": ({"provider": "anthropic:a\n"}, ConfigurationError, "model: expected"),
    "negative time": ({"timeout": -1}, ConfigurationError, "timeout: expected"),
    "retries": ({"max_retries": -1}, ConfigurationError, "max_retries: expected"),
    "retries that are none": ({"max_retries": True}, ConfigurationError, "max_retries: expected"),
    "headers that are none": ({"headers": {"a": 1}}, ConfigurationError, "headers.a: expected text, got int"),
    "variables": ({"variables": {"x": "y"}}, ConfigurationError, "variables: anthropic has no 'x'"),
    "proxy that is none": ({"proxy": "http://"}, ConfigurationError, "proxy"),
    "no such bundle": ({"verify": "/no/such/file"}, ConfigurationError, "the CA bundle '/no/such/file' (verify"),
    "unsupported": ({"unsupported": "ignore"}, ConfigurationError, "unsupported: expected 'error' or"),
    "session and proxy": ({"session": object(), "proxy": "http://x"}, ConfigurationError, "session: proxy"),
    "session and verify": ({"session": object(), "verify": False}, ConfigurationError, "session: proxy"),
    "session that is none": ({"session": object()}, ConfigurationError, "session: expected"),
    "auth that is none": ({"auth": "me"}, ConfigurationError, "auth: expected"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_CLIENTS.values(), ids=BAD_CLIENTS.keys())
def test_bad_clients(arguments, error, message):
    with pytest.raises(error) as caught:
        Client(**{"provider": "anthropic", "api_key": "k", **arguments})
    assert str(caught.value).startswith(message)


BAD_HEADERS = {"line end": "a\r\nx-evil: 1", "NUL": "a\0", "beyond latin-1": "日本"}


@pytest.mark.parametrize("value", BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_headers_that_cannot_be_sent(server, client, value):
    with pytest.raises(ConfigurationError) as caught:
        client.complete("Hi", extra_headers={"x-mine": value})
    assert "extra_headers.x-mine" in str(caught.value)
    assert value not in str(caught.value)
    assert server.requests == []


def test_no_bad_input_reaches_the_server(server, client):
    from test_resolve import BAD

    for prompt, options, _ in BAD.values():
        for ask in (client.complete, client.stream, client.count_tokens):
            with pytest.raises(ConfigurationError):
                ask(prompt, **options)
    for model in ("a/b", "a\nb"):
        with pytest.raises(ConfigurationError, match="^model: "):
            client.complete("Hi", model=model)
    assert server.requests == []


# Keys.


def test_the_environments_key(server, monkeypatch):
    with pytest.raises(MissingAuthError, match="ANTHROPIC_API_KEY"):
        Client("anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-the-environment")
    with Client("anthropic", base_url=server.url, model="claude-x") as client:
        client.complete("Hi")
    assert server.requests[-1].headers["x-api-key"] == "from-the-environment"
    with pytest.raises(MissingAuthError, match=r"no API key for gateway\.example: .* pass api_key="):
        Client("anthropic", base_url="https://gateway.example")


def test_a_function_is_asked_again_when_its_key_is_refused(server):
    keys = iter(["old", "new", "newer"])
    with server.client("anthropic", api_key=lambda: next(keys), max_retries=0, model="claude-x") as client:
        server.fault("bad key")
        response = client.complete("Hi")
        assert (response.text, response.attempts) == ("Hi", 2)
        assert [request.headers["x-api-key"] for request in server.requests] == ["old", "new"]
        client.complete("Hi")
        assert server.requests[-1].headers["x-api-key"] == "new"


def test_calls_under_way_when_the_key_is_exchanged(server):
    """Each is refused with the old key; the first asks for the new one, the others use it."""
    keys, refused = ["old"], threading.Barrier(4)

    def answer(request):
        if request.headers["x-api-key"] != "old":
            return "ok"
        refused.wait(20)
        keys[0] = "new"
        raise AuthenticationError("expired", status=401)

    server.reply_with(answer)
    client = server.client("anthropic", api_key=lambda: keys[0], max_retries=0, model="claude-x")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda index: client.complete(f"{index}").text, range(4)))
    assert answers == ["ok"] * 4


def test_a_key_of_the_callers_headers_is_the_only_one(server, client):
    client.complete("Hi", extra_headers={"authorization": "Bearer mine"})
    assert server.requests[-1].headers["authorization"] == "Bearer mine"
    assert "x-api-key" not in server.requests[-1].headers


def test_a_function_that_knows_no_other_key(server):
    with Client("anthropic", base_url=server.url, api_key=lambda: "same", max_retries=0, model="claude-x") as client:
        server.fault("bad key")
        with pytest.raises(AuthenticationError):
            client.complete("Hi")
        assert len(server.requests) == 1


# Errors.

STATUSES = {
    "bad request": (BadRequestError("what?", status=400), BadRequestError, False),
    "not found": (NotFoundError("no model", status=404), NotFoundError, False),
    "rate limit": (RateLimitError("slow down", status=429, retry_after=2.0), RateLimitError, True),
    "overloaded": (OverloadedError("busy", status=529), OverloadedError, True),
}


@pytest.mark.parametrize("mode", ["whole", "streamed"])
@pytest.mark.parametrize(("error", "cls", "retryable"), STATUSES.values(), ids=STATUSES.keys())
def test_errors_are_raised_at_once(server, client, mode, error, cls, retryable):
    server.reply(error)
    with pytest.raises(cls) as caught:
        client.complete("Hi") if mode == "whole" else client.stream("Hi")
    found = caught.value
    assert (found.status, found.retryable, found.attempts) == (error.status, retryable, 1)
    assert (found.provider, found.model, found.retry_after) == ("anthropic", "claude-x", error.retry_after)
    assert str(error) in str(found).splitlines()[0]
    assert found.body["error"]["message"] == str(error)
    assert pickle.loads(pickle.dumps(found)).status == error.status


def test_an_overloaded_provider_is_asked_again(server):
    server.fault("overloaded")
    server.fault("rate limited")
    server.reply("at last")
    response = server.client("anthropic", model="claude-x").complete("Hi")
    assert (response.text, response.attempts) == ("at last", 3)


def test_retries_end(server):
    for _ in range(5):
        server.fault("rate limited")
    with pytest.raises(RateLimitError) as caught:
        server.client("anthropic", max_retries=1, model="claude-x").complete("Hi")
    assert caught.value.attempts == len(server.requests) == 2
    assert any("attempt 1: RateLimitError" in note for note in caught.value.__notes__)


def test_context_overflow_is_recognisable(server, client):
    server.fault("too long")
    with pytest.raises(BadRequestError) as caught:
        client.complete("Hi")
    assert caught.value.code == "context_length_exceeded"


def test_redirects_are_not_followed(server, client):
    server.fault("redirect")
    with pytest.raises(APIError, match="redirects are not followed") as caught:
        client.complete("Hi")
    assert 300 <= caught.value.status < 400
    assert not caught.value.retryable


KEY = "sk-very-secret-0123456789"


def seen(caught):
    """All that an error shows of itself, in words, in pickles and in the frames of llmkit."""
    error, shown = caught.value, []
    frame = caught.tb
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__", "").startswith("llmkit"):
            shown.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    details = [f"{error} {error!r}", repr(vars(error)), repr(dict(getattr(error, "headers", {})))]
    return "".join([*shown, *details, pickle.dumps(error).decode("latin-1")])


ECHOES = {
    "status": (401, "application/json", f'{{"error": {{"type": "authentication_error", "message": "bad key {KEY}"}}}}'),
    "status, escaped": (400, "application/json", f'{{"error": {{"type": "\\u0073{KEY[1:]}", "message": "m"}}}}'),
    "status, no JSON": (500, "text/plain", f"bad key {KEY}"),
    "error in a 200": (
        200,
        "application/json",
        f'{{"error": {{"type": "{KEY}", "message": "{KEY}", "x": ["{KEY}"]}}}}',
    ),
    "no JSON": (200, "application/json", f"bad key {KEY}"),
    "HTML": (200, "text/html", f"bad key {KEY}"),
    "no answer": (200, "application/json", f'{{"content": "{KEY}"}}'),
    "error event": (200, "text/event-stream", f'event: error\ndata: {{"error": {{"type": "{KEY}"}}}}\n\n'),
    "event that is no JSON": (200, "text/event-stream", f"data: {KEY}\n\n"),
    "header": (418, "text/plain", "no"),
}
HOLDERS = {
    "argument": {"api_key": KEY},
    "function": {"api_key": lambda: KEY},
    "header": {"headers": {"X-Api-Key": KEY}},
    "bearer": {"headers": {"Authorization": f"Bearer {KEY}"}},
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
@pytest.mark.parametrize(("status", "kind", "body"), ECHOES.values(), ids=ECHOES.keys())
def test_the_key_stands_nowhere_though_the_server_repeats_it(status, kind, body, holder):
    reply = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nx-echo: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    with Server(lambda wire: (wire.receive(), wire.send(reply), wire.receive(), wire.send(reply))) as echoing:
        client = Client("anthropic", base_url=echoing.url, max_retries=0, model="claude-x", **holder)
        with pytest.raises(LLMKitError) as caught:
            client.stream("Hi").collect() if "stream" in kind else client.complete("Hi")
        client.close()
        assert KEY not in seen(caught)
        assert KEY not in repr(client)


def test_no_note_and_no_partial_answer_holds_the_key(server):
    client = server.client("anthropic", api_key=KEY, max_retries=1, model="claude-x")
    for _ in range(2):
        server.reply(OverloadedError(f"busy: {KEY}", status=529))
    with pytest.raises(OverloadedError) as caught:
        client.complete("Hi")
    assert caught.value.__notes__
    assert KEY not in seen(caught)
    server.reply(AuthenticationError("x" * 480 + KEY, status=401))
    with pytest.raises(AuthenticationError) as caught:
        client.complete("Hi")
    assert KEY[:10] not in str(caught.value)
    server.reply(f"your key is {KEY} and this goes on for a while")
    server.fault("cut stream", after=9)
    with pytest.raises(LLMKitError) as caught:
        client.stream("Hi").collect()
    assert caught.value.partial.text.startswith("your key is [key]")
    assert KEY not in seen(caught)


BAD_KEYS = {
    "line end": {"api_key": f"{KEY}\n"},
    "beside another fault": {"api_key": KEY, "timeout": -1},
    "in a header that is bytes": {"headers": {"x-api-key": KEY.encode()}},
    "headers that are none": {"headers": f"x-api-key: {KEY}"},
}


@pytest.mark.parametrize("arguments", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_key_that_is_refused_is_not_shown(arguments):
    with pytest.raises(ConfigurationError) as caught:
        Client("anthropic", **arguments)
    error = caught.value
    assert KEY not in f"{error!r} {vars(error)}"
    frame = caught.tb
    while frame is not None:
        named = frame.tb_frame.f_locals
        if frame.tb_frame.f_globals.get("__name__", "").startswith("llmkit") and "headers" not in arguments:
            assert KEY not in repr(named), frame.tb_frame.f_code.co_name
        frame = frame.tb_next


def test_the_environment_is_in_no_frame_of_an_error(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with pytest.raises(MissingAuthError) as caught:
        Client("anthropic", base_url="https://gateway.example")
    assert KEY not in seen(caught)


# Other endpoints.


def test_count_tokens(server, client):
    assert client.count_tokens("Hi", tools=[Tool("look")], temperature=1) > 0
    assert server.requests[-1].path == "/v1/messages/count_tokens"
    assert "temperature" not in sent(server)
    with pytest.raises(ConfigurationError):
        client.count_tokens("")


def test_models_of_all_pages(server, client):
    server.models = [Model(f"claude-{index}") for index in range(2500)]
    assert [model.id for model in client.models(extra_query={"x": "1"})] == [f"claude-{index}" for index in range(2500)]
    assert len(server.requests) == 3
    assert server.requests[1].query == {"limit": "1000", "x": "1", "after_id": "claude-999"}
    with pytest.raises(DeadlineError):
        client.models(timeout=1e-9)
    with pytest.raises(ConfigurationError, match="top_k: this call takes no such option"):
        client.models(top_k=3)
    with pytest.raises(UnsupportedOptionError, match="extra_body"):
        client.models(extra_body={"a": 1})


def test_models_heed_the_clients_defaults(server, client):
    copy = client.with_options(extra_headers={"X-Tenant": "t"}, extra_query={"q": "1"})
    copy.models(extra_headers={"x-other": "o"})
    assert (server.requests[-1].headers.get("x-tenant"), server.requests[-1].headers["x-other"]) == (None, "o")
    copy.models()
    assert (server.requests[-1].headers["x-tenant"], server.requests[-1].query["q"]) == ("t", "1")
    with pytest.raises(DeadlineError):
        client.with_options(timeout=1e-9).models()


def test_headers_are_merged_whatever_their_case(server):
    client = server.client("anthropic", headers={"X-Trace": "client"}, model="claude-x")
    copy = client.with_options(headers={"x-trace": "copy"})
    copy.complete("Hi")
    assert server.requests[-1].headers["x-trace"] == "copy"
    copy.complete("Hi", extra_headers={"X-TRACE": "call"})
    assert server.requests[-1].headers["x-trace"] == "call"


# Pickles, threads, forks.


def test_pickle(server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-the-environment")
    looked_up = Client("anthropic", base_url=server.url, max_retries=0, model="claude-x").with_options(top_k=3)
    data = pickle.dumps(looked_up)
    assert b"from-the-environment" not in data
    again = pickle.loads(data)
    again.complete("Hi")
    assert sent(server)["top_k"] == 3
    passed = pickle.loads(pickle.dumps(server.client("anthropic", api_key="passed", model="claude-x")))
    passed.complete("Hi")
    assert server.requests[-1].headers["x-api-key"] == "passed"
    again.close()
    passed.close()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(MissingAuthError):
        pickle.loads(data)


def test_many_threads_get_their_own_answers(server, client):
    def ask(index):
        return client.complete(f"answer {index}").text if index % 2 else client.stream(f"answer {index}").collect().text

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(400)))
    assert answers == [f"answer {index}" for index in range(400)]
    assert server.connections <= 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_fork(server, client):
    """The child opens connections of its own; the parent's, and its open stream, go on."""
    client.complete("Hi")
    server.delay = 0.1  # so that the stream is not all there at once
    stream = client.stream("one two three")
    next(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(LLMKitError):
                stream.collect()
            status = 0 if client.complete("child").text == "child" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert stream.collect().text == "one two three"
    assert client.complete("parent").text == "parent"


# The caller's own session.


def test_a_session_of_the_callers(server):
    class Counting(requests.Session):
        calls = 0

        def request(self, *args, **kwargs):
            self.calls += 1
            return super().request(*args, **kwargs)

    with Counting() as session:
        client = Client("anthropic", base_url=server.url, api_key="k", session=session, model="claude-x", max_retries=0)
        assert client.complete("Hi").text == "Hi"
        assert client.stream("Ho").collect().text == "Ho"
        assert client.complete("He", timeout=30).text == "He"
        assert session.calls == 3
        server.fault("overloaded")
        with pytest.raises(OverloadedError):
            client.complete("Hi")


# Requests as values.


def test_requests(server, client):
    client.complete(Request("Hi", top_k=3, id="r1"), top_k=2)
    assert sent(server)["top_k"] == 3


def test_media_option(server, client):
    client.complete("What is it?", media=[PNG])
    blocks = sent(server)["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["image", "text"]


def test_closing_twice(server):
    client = server.client("anthropic")
    client.close()
    client.close()


def test_timeouts(server, client):
    server.fault("stall")
    with pytest.raises(DeadlineError) as caught:
        client.complete("Hi", timeout=0.2)
    assert (caught.value.which, caught.value.seconds) == ("total", 0.2)
    server.fault("stall")
    with pytest.raises(DeadlineError) as caught:
        client.complete("Hi", timeout=Timeout(first=0.2))
    assert caught.value.which == "first"


def test_closing_from_another_thread_of_the_client_leaves_calls_alone(server, client):
    done = threading.Event()

    def close():
        client.close()
        done.set()

    stream = client.stream("one two three")
    threading.Thread(target=close).start()
    assert done.wait(10)
    assert stream.collect().text == "one two three"
    assert Text("one two three") in stream.collect().message.content


def _fails(*_):
    raise LookupError("of the caller's own")


CREDENTIALS_THAT_FAIL = {
    "key": ({"api_key": _fails}, "api_key: the function failed with LookupError"),
    "auth": ({"auth": _fails}, "auth: it failed with LookupError"),
    "auth that returns nothing": ({"auth": lambda _: None}, "auth: it returned no request"),
}


@pytest.mark.parametrize("own", [False, True], ids=["our session", "the caller's"])
@pytest.mark.parametrize(("options", "message"), CREDENTIALS_THAT_FAIL.values(), ids=CREDENTIALS_THAT_FAIL.keys())
def test_credentials_that_fail(server, options, message, own):
    """What the caller's own code raises is the cause of one of our errors, and nothing is sent."""
    session = {"session": requests.Session()} if own else {}
    client = Client("anthropic", base_url=server.url, model="claude-x", **{"api_key": "k", **options}, **session)
    for call in (client.complete, client.stream):
        with pytest.raises(MissingAuthError, match=message) as caught:
            call("Hi")
        assert isinstance(caught.value.__cause__, LookupError) is ("LookupError" in message)
        assert caught.value.attempts == 0
    assert server.requests == []


def test_an_error_of_ours_in_the_callers_function_stays_what_it_is(server):
    def ask_elsewhere():
        raise ConnectionFailedError("the vault is closed")

    with pytest.raises(ConnectionFailedError, match="the vault is closed"):
        Client("anthropic", base_url=server.url, model="claude-x", api_key=ask_elsewhere, max_retries=0).complete("Hi")
