"""A cassette gives back what was recorded: to the byte, on every wire, whole and streamed, and however it failed."""

import gzip
import os
import re
import signal
import sys
import threading
import time

import pytest
import requests
import responses
from attrs import evolve
from sockets import CHUNKED, Server, chunk, reply

from llmkit import (
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    Image,
    IncompleteStreamError,
    LLMKitError,
    MissingAuthError,
    OverloadedError,
    RateLimit,
    RateLimitError,
    StreamClosedError,
    Thinking,
    Timeout,
    ToolCall,
    tool,
)
from llmkit.testing import CassetteError, cassette, record, replay
from llmkit.testing.cassettes.asking import asked_of
from llmkit.testing.cassettes.cleaning import Cleaner
from llmkit.testing.cassettes.matching import question
from llmkit.transport import Outgoing

PROVIDERS = ("anthropic", "openai", "openai-chat", "gemini")
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
# What can be said on every wire; and text that YAML would take for something else.
REPLIES = {
    "text": "Héllo, 世界! ✓",
    "lines": "one\n  two\n\n# three: 'x'\n",
    "odd": " \x85\u2028\ufeff\t\r\n- null",
    "a call": [ToolCall("call_1", "weather", {"city": "Oslo", "days": 2})],
    "thinking": [Thinking("Hm.", "c2lnbmF0dXJl"), "Yes."],
}


@tool
def weather(city: str, days: int = 1) -> str:
    """How it is."""
    return f"{days} fine days in {city}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "calls.yaml"


def elsewhere(provider, **kwargs):
    """A client of a server that is not there, without retries."""
    kwargs = {"base_url": "http://127.0.0.1:9", "api_key": "another-key", "max_retries": 0, **kwargs}
    return Client(provider, **kwargs)


def ask(client, what, **options):
    """The same calls each time: a stream's events, a whole answer."""
    with client.stream(what, **options) as stream:
        events = list(stream)
    return repr(events), repr(stream.collect()), repr(client.complete(what, max_tokens=100, **options))


@each_provider
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
def test_replayed_to_the_byte(server, path, provider, reply):
    """Also when the answer comes in other pieces, down to single bytes."""
    options = {"tools": [weather]} if "call" in str(reply) else {}
    server.reply(reply)
    server.reply(reply)
    with record(path) as tape:
        told = ask(server.client(provider), "Hi", **options)
    recorded = tape.recordings
    for pieces in (None, 1, 7):
        with replay(path, pieces=pieces) as tape:
            assert ask(elsewhere(provider), "Hi", **options) == told
            assert tape.recordings == tape.played == recorded
            assert tape.remaining == ()
    assert len(server.requests) == 2


def test_a_stream_is_kept_in_the_pieces_in_which_it_came(path):
    """Where the network cuts them, also amid a letter; nothing is made of them."""
    events = (
        'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Gr"},"finish_reason":null}]}\n\n'
        'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"üß"},"finish_reason":null}]}\n\n'
        'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n'
        "data: [DONE]\n\n"
    ).encode()
    cut = events.index("ü".encode()) + 1
    seen = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(events[:cut]))
        seen.wait(20)
        wire.send(chunk(events[cut:]) + chunk(b""))

    with Server(script) as server, record(path) as tape:
        client = Client("openai-chat", base_url=server.url, api_key="k-key", model="m")
        with client.stream("Hi") as stream:
            next(stream)
            seen.set()
            assert stream.collect().text == "Grüß"
    assert tape.recordings[0].answered.chunks == (events[:cut], events[cut:])
    assert replayed(path) == tape.recordings


def replayed(path):
    with replay(path) as tape:
        return tape.recordings


@each_provider
def test_a_chat_with_tools_and_media(server, path, provider):
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40

    def talk(client):
        chat = client.chat(tools=[weather])
        answer = chat.send("How is it here?", media=[Image(data=png, media_type="image/png")])
        return answer.text, chat.messages

    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    server.reply("Fine.")
    with record(path):
        said = talk(server.client(provider))
    with replay(path) as tape:
        assert talk(elsewhere(provider)) == said
    assert tape.remaining == ()
    assert path.stat().st_size < len(png)  # which is there by its hash
    png += b"!"
    with replay(path), pytest.raises(CassetteError, match="sha256"):
        talk(elsewhere(provider))


def test_what_is_no_conversation(server, path):
    def calls(provider):
        client = make(provider)
        with client:
            yield client.count_tokens("How long?")
            yield [model.id for model in client.models()]
            if provider != "anthropic":
                yield client.embed(["one", "two"], model="text-embedding-3-small")

    make = server.client
    with record(path):
        told = [list(calls(provider)) for provider in PROVIDERS if provider != "openai-chat"]
    make = elsewhere
    with replay(path) as tape:
        assert [list(calls(provider)) for provider in PROVIDERS if provider != "openai-chat"] == told
    assert tape.remaining == ()


def rows(client):
    """The results of a batch."""
    batch = client.batches.wait(client.batches.create(["one", "two"]))
    return sorted(result.unwrap().text for result in client.batches.results(batch))


@each_provider
def test_a_batch(server, path, provider):
    """Where a file is handed in, it has another boundary each time."""
    with record(path):
        assert rows(server.client(provider)) == ["one", "two"]
    with replay(path):
        assert rows(elsewhere(provider)) == ["one", "two"]


def test_nobody_waits_for_a_batch(server, path):
    server.batch_looks = 2
    with record(path):
        rows(server.client("anthropic"))
    text = re.sub(" +retry-after: .*\n", "", path.read_text())
    path.write_text(text.replace("      request-id:", "      retry-after: '55'\n      request-id:"))
    began = time.monotonic()
    with replay(path):
        assert rows(elsewhere("anthropic", timeout=None)) == ["one", "two"]
    assert time.monotonic() - began < 20


FAULTS = {
    "cut stream": IncompleteStreamError,
    "cut connection": IncompleteStreamError,
    "no answer": ConnectionFailedError,
    "error event": OverloadedError,
    "error event first": OverloadedError,
    "no events": LLMKitError,
    "not JSON": LLMKitError,
    "HTML": LLMKitError,
    "empty body": LLMKitError,
    "redirect": LLMKitError,
    "bad key": LLMKitError,
    "too long": LLMKitError,
    "rate limited": RateLimitError,
    "server error": LLMKitError,
    "overloaded": OverloadedError,
    "stall": DeadlineError,
    "only pings": DeadlineError,
}


def failure(call):
    with pytest.raises(LLMKitError) as caught:
        call()
    error = caught.value
    said = [type(error), str(error), error.retryable, error.retry_after, error.attempts, error.request_id]
    return [*said, repr(error.partial), getattr(error, "body", None), getattr(error, "which", None)]


@pytest.mark.parametrize(("fault", "kind"), FAULTS.items(), ids=FAULTS.keys())
@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_a_failure_is_replayed_as_what_it_was(server, path, provider, fault, kind):
    def fail(make):
        client = make(provider, max_retries=0, timeout=Timeout(first=0.2, idle=0.2) if kind is DeadlineError else 60)
        return failure(lambda: client.stream("Hi").collect()), failure(lambda: client.complete("Hi", max_tokens=9))

    server.fault(fault)
    server.fault("server error" if fault in ("no events", "only pings", "error event", "error event first") else fault)
    server.reply("A long answer that is going to be cut off")
    with record(path):
        streamed, whole = fail(server.client)
    assert issubclass(streamed[0], kind)
    with replay(path, pieces=5):
        assert fail(elsewhere) == (streamed, whole)


def test_tries_are_replayed_and_nobody_waits(server, path):
    """An answer that asks for a pause of a minute is followed by the next at once."""
    server.reply(RateLimitError("slowly", status=429, retry_after=0.01))
    server.reply("Now.")
    with record(path):
        assert server.client("anthropic").complete("Hi").attempts == 2
    path.write_text(path.read_text().replace("retry-after: '0.01'", "retry-after: '55'"))
    assert "'55'" in path.read_text()
    began = time.monotonic()
    with replay(path):
        assert elsewhere("anthropic", max_retries=2, timeout=None).complete("Hi").attempts == 2
    assert time.monotonic() - began < 20


def test_a_refused_connection(path):
    with Server(lambda wire: None) as server:
        url = server.url
    with record(path):
        said = failure(lambda: elsewhere("openai", base_url=url).complete("Hi"))
    with replay(path):
        assert failure(lambda: elsewhere("openai", base_url=url).complete("Hi")) == said


def test_a_stream_that_was_left(path):
    event = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Yes"},"finish_reason":null}]}\n\n'
    left = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + chunk(event))
        left.wait(20)

    with Server(script) as server, record(path):
        with Client("openai-chat", base_url=server.url, api_key="k-key", model="m").stream("Hi") as stream:
            first = next(stream)
        left.set()
    with replay(path), elsewhere("openai-chat", model="m").stream("Hi") as stream:
        assert next(stream) == first
    with replay(path), pytest.raises(CassetteError, match="ends here") as caught:
        elsewhere("openai-chat", model="m").stream("Hi").collect()
    assert caught.value.partial.text == "Yes"


def test_what_is_still_on_its_way_when_the_block_ends(server, path):
    """It is there as far as it had come; and while it comes, the tape tells so much."""
    server.delay = 0.01
    server.reply("one two three")
    with record(path) as tape:
        stream = server.client("anthropic").stream("Hi")
        assert tape.recordings[0].answered.end == "left"
        next(stream)
    assert stream.collect().text == "one two three"
    assert replayed(path) == tape.recordings
    assert tape.recordings[0].answered.end == "left"


def test_what_has_no_answer_yet_is_none(server, path):
    seen = []
    with record(path) as tape:
        server.reply_with(lambda _: seen.append(tape.recordings))
        server.client("anthropic").complete("Hi")
    assert seen == [()]
    assert len(tape.recordings) == 1


def test_deadlines_and_switches_hold(server, path):
    with record(path):
        server.client("anthropic").complete("Hi")
    with replay(path) as tape:
        with pytest.raises(DeadlineError):
            elsewhere("anthropic", timeout=Timeout(total=1e-9)).complete("Hi")
        stream = elsewhere("anthropic").stream("Hi")
        next(stream)
        stream.close()
        with pytest.raises(StreamClosedError):
            next(stream)
    assert len(tape.played) == 1


BODIES = {
    "bytes": (b"\xff\x00", "application/octet-stream", "[sha256:"),
    "JSON that is too deep to be written": (b"[" * 99 + b"]" * 99, "application/json", "[[["),
    "large base64 in text": (b"a,b\n" + b"QUJD" * 999, "text/csv", "a,b\n[sha256:"),
}


@pytest.mark.parametrize(("body", "kind", "shown"), BODIES.values(), ids=BODIES.keys())
def test_bodies_that_are_no_json(body, kind, shown):
    outgoing = Outgoing("POST", "https://host/path", {"content-type": kind}, body)
    asked = asked_of(outgoing, Cleaner(()))
    assert asked.text.startswith(shown)
    assert asked.json is None
    assert question(asked, any_host=False) != question(
        asked_of(evolve(outgoing, body=body + b"!"), Cleaner(())), any_host=False
    )


def test_many_threads(server, path):
    prompts = [f"number {index}" for index in range(20)]
    with record(path) as tape:
        told = [result.unwrap().text for result in server.client("openai").map(prompts)]
    assert len(tape.recordings) == 20
    with replay(path) as tape:
        again = elsewhere("openai").map(reversed(prompts))
        assert [result.unwrap().text for result in again] == told[::-1]
        assert tape.remaining == ()


def test_equal_calls_get_their_answers_in_order(server, path):
    server.reply("one")
    server.reply("two")
    with record(path):
        client = server.client("anthropic")
        assert [client.complete("Hi").text for _ in "12"] == ["one", "two"]
    client = elsewhere("anthropic")
    with replay(path):
        assert [client.complete("Hi").text for _ in "12"] == ["one", "two"]
        with pytest.raises(CassetteError, match=r"any more: .* allow_repeats=True"):
            client.complete("Hi")
    with replay(path, allow_repeats=True):
        assert [client.complete("Hi").text for _ in "1234"] == ["one", "two", "two", "two"]


def test_no_key_is_needed(server, path, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with record(path):
        server.client("anthropic").complete("Hi")
    with replay(path, any_host=True):
        client = Client("anthropic")
        assert client.complete("Hi").text == "Hi"
    with pytest.raises(MissingAuthError, match="ANTHROPIC_API_KEY"):  # and nothing is sent without one
        client.complete("Hi")
    with replay(path):
        assert Client("anthropic", base_url="http://localhost:9").complete("Hi").text == "Hi"
    with pytest.raises(MissingAuthError):
        Client("anthropic")


def test_a_key_that_was_replaced_is_no_matter_of_the_cassette(path):
    keys = ["first-key", "second-key"]

    body = b'{"id":"1","model":"m","choices":[{"message":{"content":"Yes"},"finish_reason":"stop"}]}'

    def script(wire):
        refused = wire.receive().headers["authorization"] == "Bearer first-key"
        wire.send(reply(b"{}", status="401 No") if refused else reply(body))

    with Server(script) as server, record(path) as tape:
        client = Client("openai-chat", base_url=server.url, api_key=lambda: keys.pop(0), model="m")
        assert client.complete("Hi").text == "Yes"
    assert [one.answered.status for one in tape.recordings] == [200]
    with replay(path):
        client = Client("openai-chat", base_url=server.url, api_key=lambda: keys.pop(0), model="m")
        assert client.complete("Hi").text == "Yes"


def test_what_came_compressed(path):
    body = b'{"id":"1","model":"m","choices":[{"message":{"content":"Yes"},"finish_reason":"stop"}]}'

    def script(wire):
        wire.receive()
        wire.send(reply(gzip.compress(body), headers="Content-Encoding: gzip\r\n"))

    with Server(script) as server, record(path) as tape:
        said = elsewhere("openai-chat", base_url=server.url, model="m").complete("Hi")
    assert tape.recordings[0].answered.chunks == (body,)
    with replay(path):
        again = elsewhere("openai-chat", base_url=server.url, model="m").complete("Hi")
    assert (again, again.headers) == (said, said.headers)


def test_a_key_in_what_was_said_may_be_another_one_later(server, path):
    keys = "sk-of-who-recorded-0123456789", "sk-of-who-replays-0123456789"
    prompts = [f"My key is {key}, is it right?" for key in keys]
    with record(path):
        server.client("gemini", api_key=keys[0]).complete(prompts[0])
    with replay(path):
        assert elsewhere("gemini", api_key=keys[1]).complete(prompts[1]).text == "My key is [key], is it right?"
    with replay(path), pytest.raises(CassetteError):
        elsewhere("gemini", api_key=keys[1]).complete(prompts[1].replace("right", "wrong"))


def test_a_limit_holds_for_providers(server, path):
    """What is replayed does not wait for its turn."""
    with record(path):
        client = server.client("anthropic")
        for prompt in ("one", "two", "three"):
            client.complete(prompt)
    began = time.monotonic()
    with replay(path):
        client = elsewhere("anthropic", rate_limit=RateLimit(requests_per_minute=1), timeout=None)
        for prompt in ("one", "two", "three"):
            client.complete(prompt)
    assert time.monotonic() - began < 20


def test_the_host_is_one_of_what_must_fit(server, path):
    with record(path):
        server.client("anthropic").complete("Hi")
    with replay(path), pytest.raises(CassetteError, match=r"https://api\.anthropic\.com/v1/messages"):
        Client("anthropic", api_key="some-key").complete("Hi")


@pytest.mark.parametrize("options", [{"temperature": 0.5}, {"system": "Briefly."}, {"model": "other"}])
def test_what_does_not_fit_is_told(server, path, options):
    """It is no error to try again, and says how the nearest recording differs."""
    with record(path):
        client = server.client("openai-chat", model="gpt-x")
        client.complete("Something else")
        client.complete("Hi")
    with replay(path) as tape, pytest.raises(CassetteError) as caught:
        elsewhere("openai-chat", model="gpt-x", max_retries=3).complete("Hi", **options)
    first, *diff = str(caught.value).splitlines()
    assert first.startswith(f"{path} has no recording for POST loopback/v1/chat/completions (2 recordings, 0 played)")
    changed = [line for line in diff if line[0] in "+-"]
    assert not any("Something else" in line for line in changed)
    assert str(next(iter(options.values()))) in "".join(changed)
    assert len(str(caught.value)) < 2000
    assert not caught.value.retryable
    assert caught.value.attempts == 0
    assert tape.played == ()


def test_keys_in_another_order_and_numbers_in_another_form_fit(server, path):
    with record(path):
        server.client("openai-chat", model="m").complete("Hi", extra_body={"a": 1, "b": {"c": 2, "d": 1.5}})
    with replay(path):
        elsewhere("openai-chat", model="m").complete("Hi", extra_body={"b": {"d": 1.5, "c": 2.0}, "a": 1.0})


def test_auto_records_and_then_replays(server, path):
    server.reply("first")
    server.reply("second")
    for expected in ("first", "first"):
        with cassette(path):
            assert server.client("gemini").complete("Hi").text == expected
    with cassette(path, "all"):
        assert server.client("gemini").complete("Hi").text == "second"
    with cassette(path, "none"):
        assert elsewhere("gemini").complete("Hi").text == "second"
    assert len(server.requests) == 2


def test_a_block_that_fails_leaves_the_file_as_it_was(server, path):
    server.fault("overloaded")
    with pytest.raises(OverloadedError), record(path):
        server.client("gemini", max_retries=0).complete("Hi")
    assert not path.exists()
    with record(path):
        server.client("gemini").complete("Hi")
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), record(path):
        raise ZeroDivisionError
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_same_calls_make_the_same_file(server, path):
    with record(path):
        pass
    assert path.read_text().endswith("recordings: []\n")


def test_one_at_a_time(server, path):
    with record(path):
        for other in (record(path.with_name("b.yaml")), cassette(path.with_name("b.yaml"))):
            with pytest.raises(ConfigurationError, match="one at a time"), other:
                pass
    with replay(path), pytest.raises(ConfigurationError, match="one at a time"), replay(path):
        pass


def test_what_responses_answers_is_recorded_and_then_not_asked(path):
    body = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "message": {"content": "Mocked"}, "finish_reason": "stop"}],
    }

    def complete():
        return Client("openai-chat", api_key="some-key", model="m").complete("Hi").text

    with responses.RequestsMock() as mock:
        mock.post("https://api.openai.com/v1/chat/completions", json=body)
        with record(path):
            assert complete() == "Mocked"
    with responses.RequestsMock() as mock, replay(path):
        assert complete() == "Mocked"
        assert len(mock.calls) == 0
    assert "Mocked" in path.read_text()


def test_through_a_session_of_the_callers_own(server, path):
    with record(path), requests.Session() as session:
        assert server.client("anthropic", session=session).complete("Hi").text == "Hi"
    session.get = session.request = None
    with replay(path):
        assert elsewhere("anthropic", session=requests.Session()).complete("Hi").text == "Hi"


def test_a_call_that_is_wrong_is_not_recorded(server, path):
    with record(path) as tape, pytest.raises(ConfigurationError):
        server.client("anthropic").complete("Hi", extra_headers={"x-team": "a\nb"})
    assert tape.recordings == ()


BROKEN = {
    "missing": (None, "there is no such cassette: record it"),
    "no YAML": ("llmkit: [", "cannot be read"),
    "another file": ("services: []", "no cassette"),
    "a later version": ("llmkit: cassette\nversion: 99\nrecordings: []", "version is 99"),
    "without a url": ("llmkit: cassette\nversion: 1\nrecordings: [{request: {method: GET}}]", r"recordings\[0\].*url"),
    "an error of no kind": (
        "llmkit: cassette\nversion: 1\nrecordings: [{request: {method: GET, url: u}, failure: {error: OSError}}]",
        "'OSError' is never recorded",
    ),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_none(path, text, told):
    if text is not None:
        path.parent.mkdir()
        path.write_text(text)
    with pytest.raises(CassetteError, match=told) as caught, replay(path):
        pass
    assert str(caught.value).startswith(str(path))


def test_without_the_extra(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'llmkit\[testing\]'"), record(path):
        pass


def test_by_the_wrong_name(path):
    with pytest.raises(ConfigurationError, match="mode"), cassette(path, "once"):
        pass
    with pytest.raises(ConfigurationError, match="pieces"), replay(path, pieces=0):
        pass


def test_what_is_equal_goes_before_what_may_be(server, path):
    """Text that looks as if a secret had been hidden there."""
    server.reply("the wrong one")
    server.reply("the right one")
    with record(path):
        client = server.client("anthropic")
        for name in ("[key]", "sk-0123456789abcdef"):
            client.complete(f"is {name} right?")
    with replay(path):
        assert elsewhere("anthropic").complete("is sk-0123456789abcdef right?").text == "the right one"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("mode", ["all", "none"])
def test_forks_amid_many_calls_are_not_stuck(server, path, mode):
    """Nothing is held that their parent's other threads would have to give back."""
    with record(path):
        server.client("anthropic").complete("Hi")
    over = threading.Event()
    with cassette(path, mode, allow_repeats=True) as tape:
        client = server.client("anthropic")

        def call():
            while not over.is_set():
                client.complete("Hi")

        threads = [threading.Thread(target=call) for _ in "1234"]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(8):
            if (child := os.fork()) == 0:
                signal.alarm(20)  # ends one that is stuck
                try:
                    len(tape.recordings)
                    client.complete("Hi")
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        ended = [os.waitpid(child, 0)[1] for child in children]
        over.set()
        for thread in threads:
            thread.join()
    assert ended == [0] * 8
