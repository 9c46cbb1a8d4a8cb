"""What the logger ``llmkit`` says of calls: a line at the end of each, nothing of what was said, and never a key."""

import gc
import logging
import os
import subprocess
import sys
import threading
import time

import pytest
from sockets import PATIENCE, Server, reply

from llmkit import (
    AssistantMessage,
    Client,
    Image,
    LLMKitError,
    Request,
    StreamClosedError,
    Thinking,
    ToolCall,
    Usage,
    UserMessage,
)
from llmkit.observing import LOG, UNWATCHED, watch
from llmkit.testing import FakeServer

PROMPT = "What is the colour of tea?"
KEY = "sk-logged-nowhere-0123456789"


@pytest.fixture
def records():
    """What is logged from INFO on; for `level` see `debugging`."""
    yield from listening(logging.INFO)


@pytest.fixture
def debugging():
    """What is logged, all of it."""
    yield from listening(logging.DEBUG)


def listening(level):
    found = []
    handler = logging.Handler()
    handler.emit = found.append
    LOG.addHandler(handler)
    LOG.setLevel(level)
    LOG.propagate = False
    yield found
    LOG.removeHandler(handler)
    LOG.setLevel(logging.NOTSET)
    LOG.propagate = True


def the_line(records):
    """The only one; what it tells."""
    assert [record.levelname for record in records] == ["INFO"], [record.getMessage() for record in records]
    return records[0].llmkit


def wait_for(records, count=1):
    until = time.monotonic() + PATIENCE
    while len(records) < count and time.monotonic() < until:
        time.sleep(0.01)


def left_early(client):
    with client.stream(PROMPT) as stream:
        next(stream)


CALLS = {
    "complete": (lambda client: client.complete(PROMPT), "complete"),
    "a long answer, streamed inside": (lambda client: client.complete(PROMPT, max_tokens=64_000), "complete"),
    "stream": (lambda client: list(client.stream(PROMPT)), "stream"),
    "collect": (lambda client: client.stream(PROMPT).collect(), "stream"),
    "submit": (lambda client: client.submit(PROMPT).result(), "complete"),
    "chat": (lambda client: client.chat().send(PROMPT), "complete"),
    "chat's stream": (lambda client: list(client.chat().stream(PROMPT)), "stream"),
    "a row of map": (lambda client: list(client.map([PROMPT])), "complete"),
}
each_call = pytest.mark.parametrize(("call", "operation"), CALLS.values(), ids=CALLS.keys())


@each_call
def test_a_line_a_call(call, operation, server, client, records):
    server.reply("Brown.", usage=Usage(12, 34, cache_read_tokens=5))
    call(client)
    told = the_line(records)
    assert told.pop("ms") >= 0
    assert (told.pop("first_ms", None) is None) == (operation == "complete")
    assert told == {
        "operation": operation,
        "provider": "anthropic",
        "model": "claude-x",
        "finish": "stop",
        "input_tokens": 12,
        "cache_read_tokens": 5,
        "output_tokens": 34,
        "attempts": 1,
        "request_id": "req_fake_0001",
    }


def test_the_words_of_a_line(server, client, records):
    server.reply("Brown.", usage=Usage(12, 34))
    client.complete(PROMPT)
    said, ms = records[0].getMessage(), records[0].llmkit["ms"]
    assert said == (
        f"complete provider=anthropic model=claude-x finish=stop ms={ms} input_tokens=12 cache_read_tokens=0 "
        "output_tokens=34 attempts=1 request_id=req_fake_0001"
    )


BARE = {
    "count_tokens": ("anthropic", lambda client: client.count_tokens(PROMPT)),
    "models": ("anthropic", lambda client: client.models()),
    "embed": ("openai", lambda client: client.embed(["a", "b"])),
    "batches.list": ("anthropic", lambda client: client.batches.list()),
    "batches.create": ("anthropic", lambda client: client.batches.create([Request(PROMPT, id="one")])),
}


@pytest.mark.parametrize(("provider", "call"), BARE.values(), ids=BARE.keys())
def test_calls_without_an_answer(provider, call, server, records, request):
    call(server.client(provider, max_retries=0))
    told = the_line(records)
    assert (told["operation"], told["provider"], told["attempts"]) == (request.node.callspec.id, provider, 1)
    assert told["request_id"].startswith("req_fake")


def test_the_results_of_a_batch(server, records):
    client = server.client("anthropic")
    batch = client.batches.create([Request(PROMPT, id="one")])
    while client.batches.get(batch).status == "running":
        pass
    records.clear()
    assert [result.unwrap().text for result in client.batches.results(batch.id)] == [PROMPT]
    assert [record.llmkit["operation"] for record in records] == ["batches.get", "batches.results"]


def test_embeddings_in_several_calls_are_one(server, records):
    server.client("openai").embed([f"text {number}" for number in range(2049)])
    assert the_line(records)["attempts"] == 2


FAILURES = {
    "refused": ("bad key", {"error": "AuthenticationError", "status": 401}),
    "cut off": ("cut stream", {"error": "ConnectionFailedError"}),
    "no answer": ("no answer", {"error": "ConnectionFailedError"}),
    "a page": ("HTML", {"error": "InvalidResponseError"}),
}


@pytest.mark.parametrize(("fault", "expected"), FAILURES.values(), ids=FAILURES.keys())
def test_failures(fault, expected, server, client, records):
    server.fault(fault)
    with pytest.raises(LLMKitError):
        client.complete(PROMPT)
    told = the_line(records)
    assert {name: told.get(name) for name in expected} == expected
    assert told["attempts"] == 1
    assert "finish" not in told


def test_a_deadline_says_which(server, records):
    server.fault("stall")
    with pytest.raises(LLMKitError):
        server.client("anthropic", timeout=0.2, max_retries=0).complete(PROMPT)
    assert the_line(records)["error"] == "DeadlineError(total)"


def test_a_stream_that_fails(server, client, records):
    server.reply("one two three four", usage=Usage(12, 34))
    server.fault("cut stream")
    with pytest.raises(LLMKitError) as raised:
        list(client.stream(PROMPT))
    told = the_line(records)
    assert told["error"] == "IncompleteStreamError"
    assert told["finish"] == "unfinished"
    assert told["request_id"] == raised.value.request_id
    assert told["input_tokens"] == 12


def test_a_stream_that_is_not_accepted(server, client, records):
    server.fault("overloaded")
    with pytest.raises(LLMKitError):
        client.stream(PROMPT)
    assert the_line(records)["error"] == "OverloadedError"
    gc.collect()
    assert len(records) == 1


@pytest.fixture
def stalled():
    """A client of a host whose streams begin and never end."""
    start = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Bro"}}\n\n'
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\n\r\n"

    def script(wire):
        for _ in wire.requests():
            wire.send(head + start)
            wire.hang()

    with Server(script) as server, Client("anthropic", model="claude-x", api_key=KEY, base_url=server.url) as client:
        yield client


def closed(stream):
    next(stream)
    stream.close()
    with pytest.raises(StreamClosedError):
        next(stream)


def forgotten(stream):
    next(stream)
    del stream
    gc.collect()


def closed_from_elsewhere(stream):
    next(stream)
    timer = threading.Timer(0.1, stream.close)
    timer.start()
    with pytest.raises(StreamClosedError):
        next(stream)
    timer.join()


LEAVING = {"closed": closed, "forgotten": forgotten, "closed from another thread": closed_from_elsewhere}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_streams_that_are_left(leave, stalled, records):
    def left():
        leave(stalled.stream(PROMPT))

    left()
    wait_for(records)
    told = the_line(records)
    assert (told["finish"], told["input_tokens"], told["request_id"]) == ("closed", 7, "req_1")
    assert "error" not in told
    gc.collect()
    time.sleep(0.05)
    assert len(records) == 1


def test_what_is_left_when_the_process_ends(server):
    """It is told of before logging is shut down."""
    code = (
        "import logging, llmkit; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        f"client = llmkit.Client('anthropic', api_key='k', model='m', base_url={server.url!r})\n"
        "for _ in range(20): next(client.stream('Hi'))\n"
    )
    for _ in range(20):
        server.reply("one two three four five six seven eight nine ten " * 100)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert len(done.stderr.splitlines()) == 20


def test_where_no_thread_can_be_started(server):
    """As at the end of an interpreter: streams are told of all the same, but for those that are dropped."""
    code = (
        "import logging, threading, llmkit; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "def full(thread): raise RuntimeError('can\\'t start new thread')\n"
        "threading.Thread.start = full\n"
        f"client = llmkit.Client('anthropic', api_key='k', model='m', base_url={server.url!r})\n"
        "for _ in range(2): client.stream('Hi').collect()\n"
        "next(client.stream('Hi'))\n"
    )
    for _ in range(3):
        server.reply("one two three four five six seven eight nine ten " * 100)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["stream", "stream"], done.stderr


def test_a_fork_tells_nothing_of_its_parents_streams(stalled, records):
    stream = stalled.stream(PROMPT)
    next(stream)
    child = os.fork()
    if child == 0:
        del stream
        gc.collect()
        time.sleep(0.2)
        os._exit(len(records))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stream.close()
    assert the_line(records)["finish"] == "closed"


def test_retries(server, records):
    server.fault("overloaded")
    server.client("anthropic", model="claude-x").complete(PROMPT)
    retry, end = (record.llmkit for record in records)
    assert retry.pop("pause_ms") >= 0
    assert retry == {
        "operation": "complete",
        "provider": "anthropic",
        "model": "claude-x",
        "error": "OverloadedError",
        "status": 529,
        "request_id": "req_fake_0001",
        "attempt": 1,
    }
    assert end["attempts"] == 2
    assert records[0].getMessage().startswith("complete retries provider=anthropic model=claude-x ")


def test_a_stream_retries(server, records):
    server.fault("error event first")
    list(server.client("anthropic").stream(PROMPT))
    assert [record.llmkit.get("error") for record in records] == ["OverloadedError", None]


def test_what_was_said_is_not_told(server, client, records):
    server.reply([Thinking("a thought", signature="s"), "an answer"])
    client.complete(PROMPT, system="a secret rule")
    server.fault("too long")
    with pytest.raises(LLMKitError):
        client.complete(PROMPT)
    told = "".join(record.getMessage() + repr(record.llmkit) for record in records)
    assert not [words for words in (PROMPT, "a thought", "an answer", "a secret rule") if words in told]


def weather(city: str) -> str:
    """The weather."""
    return f"Rain in {city}."


def broken(city: str) -> str:
    """The weather."""
    raise ValueError(city)


def test_at_debug_it_is(server, client, debugging):
    picture = Image(data=b"GIF89a", media_type="image/gif")
    server.reply(ToolCall("c1", "weather", {"city": "Ely"}))
    server.reply("Wet.")
    client.chat(tools=[weather], system="Be terse.").send(UserMessage([PROMPT, picture]))
    said = [record.getMessage() for record in debugging if record.levelname == "DEBUG"]
    assert [text.partition(": ")[2] for text in said if ": " in text] == [
        "system: 'Be terse.', after 0 messages: 'What is the colour of tea?[Image]'",
        "\"[weather({'city': 'Ely'})]\"",
        "system: 'Be terse.', after 2 messages: '[weather: Rain in Ely.]'",
        "'Wet.'",
    ]
    assert [text.rpartition(" ms=")[0] for text in said if text.startswith("tool")] == ["tool name=weather"]
    assert [record.levelname for record in debugging].count("INFO") == 2


def test_a_tool_that_fails(server, client, debugging):
    server.reply(ToolCall("c1", "broken", {"city": "Ely"}))
    client.chat(tools=[broken]).send(PROMPT)
    assert [
        text for record in debugging if (text := record.getMessage()).startswith("tool name=broken error=ValueError ")
    ]


def test_what_was_said_makes_no_lines_of_its_own(server, client, debugging):
    forged = "Brown\r\nINFO llmkit complete finish=stop \x1b[2J\u2028\ud800"
    server.reply(forged)
    client.complete(forged, system=forged)
    said = [record.getMessage() for record in debugging]
    assert [text for text in said if not text.isprintable()] == []
    assert len(said) == 3


def test_names_make_no_lines_or_fields_of_their_own(records):
    body = b'{"type": "error", "error": {"type": "api_error", "message": "no"}}'
    head = "HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\nrequest-id: r1\x1b[2J attempts=9\x85\r\n"

    def script(wire):
        for _ in wire.requests():
            wire.send(head.encode("latin-1") + f"content-length: {len(body)}\r\n\r\n".encode() + body)

    with Server(script) as server:
        client = Client("anthropic", model="m finish=stop", api_key=KEY, base_url=server.url, max_retries=0)
        with pytest.raises(LLMKitError):
            client.complete(PROMPT)
    told, line = the_line(records), records[0].getMessage()
    assert (told["model"], told["request_id"]) == ("m finish=stop", "r1 [2J attempts=9")
    assert 'model="m finish=stop" error=' in line
    assert line.endswith(' request_id="r1 [2J attempts=9"')


def test_what_is_shown_is_bounded(server, client, debugging):
    client.complete("x" * 1_000_000)
    assert max(len(record.getMessage()) for record in debugging) < 2000


def test_nothing_is_said_unasked(server):
    code = (
        "import sys, llmkit; client = llmkit.Client('anthropic', api_key='k', model='m', max_retries=1,\n"
        f"    base_url={server.url!r})\n"
        "client.complete('Hi'); list(client.stream('Hi')); client.models()\n"
        "try: client.complete('Hi')\n"
        "except llmkit.LLMKitError: pass\n"
        "unasked = ('llmkit.observing.', 'llmkit.otel', 'opentelemetry')\n"
        "print([name for name in sys.modules if name.startswith(unasked)])"
    )
    server.reply("one")
    server.reply("two")
    server.fault("overloaded")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_nobody_watches(client):
    assert watch(client._engine, "complete", None, {}, {}) is UNWATCHED


def test_the_level_decides_for_each_call(client, records):
    LOG.setLevel(logging.WARNING)
    client.complete(PROMPT)
    LOG.setLevel(logging.INFO)
    client.complete(PROMPT)
    assert len(records) == 1


ECHOES = {
    "in the id of the exchange": lambda key: reply(b"{}", status="400 Bad", headers=f"request-id: {key}\r\n"),
    "in the body": lambda key: reply(f'{{"error": {{"message": "{key}"}}}}'.encode(), status="403 No"),
    "in an answer": lambda key: reply(
        f'{{"id": "{key}", "type": "message", "role": "assistant", "model": "{key}", "stop_reason": "end_turn", '
        f'"content": [{{"type": "text", "text": "{key}"}}], "usage": {{"input_tokens": 1}}}}'.encode(),
        headers=f"content-type: application/json\r\nrequest-id: {key}\r\n",
    ),
}
SECRETS = {
    "key": {"api_key": KEY},
    "header": {"api_key": "sk-another-0123456789", "headers": {"x-token": KEY}},
}


@pytest.mark.parametrize("given", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
def test_no_key_whatever_the_server_repeats(echo, given, debugging):
    def script(wire):
        for _ in wire.requests():
            wire.send(echo(KEY))

    with Server(script) as server:
        client = Client("anthropic", model="claude-x", base_url=server.url, max_retries=0, **given)
        for call in (client.complete, client.stream):
            try:
                call(f"My key is {KEY}, {KEY[:12]}")
            except LLMKitError:
                continue
    told = "".join(record.getMessage() + repr(vars(record)) for record in debugging)
    assert "[key]" in told
    assert KEY[:9] not in told


class Broken:
    """An observer that cannot do what it is asked."""

    def __init__(self, where):
        self.where = where

    def begun(self, _):
        if self.where == "begun":
            raise RuntimeError(self.where)
        return self

    def current(self):
        if self.where == "current":
            raise RuntimeError(self.where)

    def retried(self, *_):
        raise RuntimeError(self.where)

    def ended(self, _):
        raise RuntimeError(self.where)


@pytest.mark.parametrize("where", ["begun", "current", "ended"])
def test_who_watches_cannot_harm_a_call(where, server):
    client = server.client("anthropic")
    client._engine.observers.append(Broken(where))
    server.fault("overloaded")
    assert client.complete(PROMPT).text == PROMPT
    assert client.stream(PROMPT).collect().text == PROMPT


def test_a_handler_that_fails_cannot_either(client):
    def emit(_):
        raise RuntimeError

    handler = logging.Handler()
    handler.emit = emit
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    try:
        assert client.complete(PROMPT).text == PROMPT
        assert client.stream(PROMPT).collect().text == PROMPT
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(logging.NOTSET)


def test_no_key_that_is_quoted_otherwise(server, debugging):
    key = "sk-'quoted\"\\-0123456789"
    server.reply(ToolCall("c1", "weather", {"city": key}))
    server.client("anthropic", api_key=key).complete(f"My key is {key}", system=key, tools=[weather])
    told = "".join(record.getMessage() for record in debugging)
    assert "[key]" in told
    assert "0123456789" not in told


class Account:
    def __repr__(self):
        return KEY


ITSELF = {}
ITSELF["itself"] = ITSELF


@pytest.mark.parametrize("arguments", [{"one": Account()}, ITSELF], ids=["object", "cycle"])
def test_what_cannot_be_shown(arguments, server, debugging):
    call = ToolCall("c1", "look", arguments)
    with pytest.raises(LLMKitError):
        server.client("anthropic", api_key=KEY).complete([AssistantMessage([call]), UserMessage(call.result("No."))])
    assert debugging[-1].llmkit["error"] == "ConfigurationError"
    assert KEY not in "".join(record.getMessage() for record in debugging)


def test_many_threads(server, records):
    client = server.client("anthropic", model="claude-x")
    assert len([*client.map([f"row {number}" for number in range(60)], concurrency=16)]) == 60
    assert [record.llmkit["finish"] for record in records] == ["stop"] * 60
    assert len({record.llmkit["request_id"] for record in records}) == 60


def test_a_fallback_tells_of_each_member(server, records):
    with FakeServer() as other:
        other.fault("overloaded")
        first = other.client("openai", model="gpt-x", max_retries=0)
        client = Client.fallback([first, server.client("anthropic", model="claude-x")])
        assert client.complete(PROMPT).text == PROMPT
    told = [(record.llmkit["provider"], record.llmkit.get("error")) for record in records]
    assert told == [("openai", "OverloadedError"), ("anthropic", None)]
