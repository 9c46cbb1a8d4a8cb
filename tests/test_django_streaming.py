"""Answers on their way to browsers: what is sent, how it ends, and what is held meanwhile."""

import contextvars
import gc
import json
import logging
import threading
import time

import djangos
import pytest
import sockets
from asgiref.sync import async_to_sync
from attrs import asdict
from chats import ONE, TWO, clock
from django.db import connection, transaction
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from llmkit import (
    AuthenticationError,
    BadRequestError,
    Citation,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    Document,
    FinishReason,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    MediaError,
    MissingAuthError,
    NotFoundError,
    Opaque,
    OutputError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    Refusal,
    RequestTooLargeError,
    StreamClosedError,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolLoopError,
    ToolResult,
    UnsupportedOptionError,
    Usage,
)
from llmkit import Client as Model
from llmkit.django import End, Problem, encode, event_stream, frame, problem
from llmkit.django.reading import MOST_WAITING, Channel
from llmkit.django.streaming import ECHO, Frames, release_databases
from llmkit.testing import Reply

database = djangos.database
EVENTS = {
    "text as it comes": (TextDelta("Hi\nyou"), "text_delta", {"text": "Hi\nyou"}),
    "thinking as it comes": (ThinkingDelta("Hm"), "thinking_delta", {"text": "Hm"}),
    "a call as it comes": (
        ToolCallDelta(0, "c1", "look", '{"a'),
        "tool_call_delta",
        {"index": 0, "id": "c1", "name": "look", "arguments": '{"a'},
    ),
    "text with its sources": (
        Text("Rain", citations=[Citation(url="https://weather.example", title="Now", raw={"secret": 1})]),
        "text",
        {
            "text": "Rain",
            "citations": [
                {
                    "text": "",
                    "url": "https://weather.example",
                    "title": "Now",
                    "document": None,
                    "start": None,
                    "end": None,
                    "unit": None,
                }
            ],
        },
    ),
    "thinking without its seal": (Thinking("Hm", signature="seal", wire="x"), "thinking", {"text": "Hm"}),
    "a call": (
        ToolCall("c1", "look", {"at": "it"}),
        "tool_call",
        {"id": "c1", "name": "look", "arguments": {"at": "it"}},
    ),
    "a result": (
        ToolResult("c1", "look", (Text("42"), Image(url="https://pictures.example/1.png")), is_error=True),
        "tool_result",
        {
            "call_id": "c1",
            "name": "look",
            "is_error": True,
            "content": [
                {"type": "text", "text": "42", "citations": []},
                {"type": "image", "url": "https://pictures.example/1.png", "media_type": None, "name": None},
            ],
        },
    ),
    "a refusal": (Refusal("No."), "refusal", {"text": "No."}),
    "a file": (
        Document(b"a,b", media_type="text/csv", name="t.csv"),
        "document",
        {"url": "data:text/csv;base64,YSxi", "media_type": "text/csv", "name": "t.csv"},
    ),
    "what is not known": (Opaque("openai-chat", {"secret": 1}), "opaque", {"wire": "openai-chat"}),
    "why it stopped": (
        FinishReason("stop", "end_turn"),
        "finish_reason",
        {"reason": "stop", "raw": "end_turn", "stop_sequence": None},
    ),
    "what it cost": (
        Usage(3, 2, 1, raw={"secret": 1}),
        "usage",
        {
            "input_tokens": 3,
            "output_tokens": 2,
            "cache_read_tokens": 1,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
            "total_tokens": 5,
        },
    ),
    "an error": (
        Problem("ServerError", "Busy.", None, True, 2.5),
        "error",
        {"type": "ServerError", "message": "Busy.", "code": None, "retryable": True, "retry_after": 2.5},
    ),
    "the end": (End(True), "end", {"complete": True}),
    "line ends": (TextDelta("a\x85b\u2028c\u2029d"), "text_delta", {"text": "a\x85b\u2028c\u2029d"}),
    "half a character": (TextDelta("\ud83d"), "text_delta", {"text": "\ufffd"}),
}
SECRET = "sk-secret-and-a-prompt"
TOO_LONG = "The conversation is too long for the model."
BUSY = "The model has too much to do at present. Please try again in a moment."
LOST = "The connection to the model was lost. Please try again."
SETUP = "The model cannot be reached, as this site is not set up for it."
PROBLEMS = {
    "busy": (RateLimitError(SECRET, retryable=True, retry_after=3.0), BUSY, None, True, 3.0),
    "down": (OverloadedError(SECRET, retryable=True), BUSY, None, True, None),
    "used up": (QuotaExceededError(SECRET), "This site has used up what it may ask of the model.", None, False, None),
    "too long": (
        BadRequestError(SECRET, code="context_length_exceeded"),
        TOO_LONG,
        "context_length_exceeded",
        False,
        None,
    ),
    "too large": (RequestTooLargeError(SECRET), TOO_LONG, None, False, None),
    "no": (BadRequestError(SECRET, code=SECRET), "The model did not take the question.", None, False, None),
    "a bad key": (AuthenticationError(SECRET), SETUP, None, False, None),
    "no such model": (NotFoundError(SECRET), SETUP, None, False, None),
    "no key": (MissingAuthError(SECRET), SETUP, None, False, None),
    "late": (DeadlineError(SECRET), "The model took too long. Please try again.", None, True, None),
    "lost": (
        ConnectionFailedError(SECRET),
        "The connection to the model was lost. Please try again.",
        None,
        True,
        None,
    ),
    "cut": (IncompleteStreamError(SECRET), "The answer was cut off. Please try again.", None, True, None),
    "garbled": (InvalidResponseError(SECRET), "The answer could not be read.", None, False, None),
    "stopped": (StreamClosedError(SECRET), "The answer was stopped.", None, False, None),
    "for ever": (ToolLoopError(SECRET), "The model used its tools too often without an answer.", None, False, None),
    "a broken file": (MediaError(SECRET), "A file cannot be read, or is of an unknown kind.", None, False, None),
    "beyond it": (UnsupportedOptionError(SECRET), "This model cannot do what was asked.", None, False, None),
    "unfit": (OutputError(SECRET), "Something went wrong.", None, False, None),
}


def sent(raw):
    """The events of a body, as browsers find them, without its comments."""
    found = []
    for block in raw.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines[0].removeprefix("event: "), [line.removeprefix("data: ") for line in lines[1:]]
            found.append((name, json.loads("\n".join(data))))
    return found


def names(events):
    return [name for name, _ in events]


@pytest.fixture
def stream(client):
    return client.stream("Hello to all of you")


@pytest.fixture
def silent():
    """A provider that says one word, and no more; its client."""
    word = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Once"}}]}\n\n'

    def script(wire):
        wire.receive()
        wire.send(sockets.CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
        wire.send(sockets.chunk(word))
        wire.server.reached.set()
        wire.hang()

    with sockets.Server(script) as server:
        server.model = Model("openai-chat", api_key="k", base_url=server.url, model="m", max_retries=0)
        yield server


@pytest.mark.parametrize(("event", "name", "data"), EVENTS.values(), ids=EVENTS.keys())
def test_what_is_sent(event, name, data):
    assert sent(encode(event)) == [(name, data)]
    assert len(encode(event).decode().splitlines()) == 3, "one line of data, whatever is taken for the end of one"


def test_text_of_several_lines():
    assert frame("html", "<p>\r\n<b>\r</b>\n") == b"event: html\ndata: <p>\ndata: <b>\ndata: </b>\ndata: \n\n"


def test_a_name_that_a_model_wrote():
    assert frame("look\n\nevent: end\r", "x") == b"event: look  event: end \ndata: x\n\n"


@pytest.mark.parametrize(("error", "message", "code", "retryable", "after"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_what_browsers_are_told_of_errors(error, message, code, retryable, after):
    """No more than this: nothing that the provider said, which may hold a prompt."""
    assert problem(error) == Problem(type(error).__name__, message, code, retryable, after)


def test_what_browsers_are_told_of_faults():
    assert problem(LookupError(SECRET)) == Problem("Exception", "Something went wrong.")


class TestAnswers:
    def test_a_whole_one(self, stream):
        response = event_stream(stream)
        events = sent(response.getvalue())
        assert "".join(data["text"] for name, data in events if name == "text_delta") == "Hello to all of you"
        assert names(events)[-4:] == ["text", "finish_reason", "usage", "end"]
        assert events[-1] == ("end", {"complete": True})
        assert response["Content-Type"] == "text/event-stream"
        assert response["Cache-Control"] == "no-cache, no-transform"
        assert response["X-Accel-Buffering"] == "no"

    def test_of_a_chat(self, server):
        server.reply(Reply([ToolCall("c1", "clock", {"city": "Oslo"})], usage=ONE))
        server.reply(Reply("Noon.", usage=TWO))
        chat = server.client("anthropic").chat(tools=[clock])
        kept = []
        response = event_stream(chat.stream("Time?"), on_end=lambda *_: kept.append(list(chat.messages)))
        events = sent(response.getvalue())
        assert [name for name in names(events) if not name.endswith("delta")] == [
            *("tool_call", "tool_result", "text", "finish_reason", "usage", "end")
        ]
        assert [message.role for message in kept[0]] == ["user", "assistant", "user", "assistant"]

    def test_encoded_by_the_view(self, stream):
        def html(event):
            match event:
                case TextDelta(text=text):
                    return f"event: word\ndata: <b>{text}</b>\n\n"
                case End():
                    return frame("over", "<hr>")
                case _:
                    return None

        body = b"".join(event_stream(stream, encode=html)).replace(b":\n", b"")
        assert body.startswith(b"event: word\ndata: <b>Hello</b>\n\n")
        assert body.endswith(b"event: over\ndata: <hr>\n\n")
        assert b"usage" not in body

    def test_the_thread_has_the_context_of_the_view(self, stream):
        who = contextvars.ContextVar("who", default="nobody")
        token = who.set("the view")
        seen = []
        list(event_stream(stream, on_end=lambda *_: seen.append(who.get())))
        who.reset(token)
        assert seen == ["the view"]

    @pytest.mark.parametrize("wrong", [0, -1, True, "1", None, float("nan"), float("inf")])
    def test_a_wrong_heartbeat(self, stream, wrong):
        with stream, pytest.raises(ConfigurationError, match="^heartbeat: "):
            event_stream(stream, heartbeat=wrong)

    @pytest.mark.parametrize("name", ["encode", "on_end"])
    def test_a_function_that_cannot_be_called(self, stream, name):
        async def later(*args):
            """Nobody would wait for it."""

        with stream:
            for wrong in (7, later):
                with pytest.raises(ConfigurationError, match=f"^{name}: expected a plain function"):
                    event_stream(stream, **{name: wrong})

    def test_a_wrong_stream(self):
        with pytest.raises(ConfigurationError, match="^stream: "):
            event_stream(iter(["text"]))


class TestEndings:
    def test_an_error(self, server, client, caplog):
        server.fault("cut stream", after=4)
        told = []
        response = event_stream(client.stream("Hello to all of you"), on_end=lambda *args: told.append(args))
        events = sent(response.getvalue())
        assert names(events)[0] == "text_delta"
        assert events[-2:] == [
            (
                "error",
                {
                    "type": "IncompleteStreamError",
                    "message": "The answer was cut off. Please try again.",
                    "code": None,
                    "retryable": True,
                    "retry_after": None,
                },
            ),
            ("end", {"complete": False}),
        ]
        ((partial, error),) = told
        assert isinstance(error, IncompleteStreamError)
        assert partial.text
        assert "Hello to all of you".startswith(partial.text)
        (record,) = caplog.records
        assert (record.name, record.levelno, record.exc_info[1]) == ("llmkit.django", logging.ERROR, error)

    def test_the_view_cannot_keep_it(self, stream, caplog):
        def keep(response, error):
            raise LookupError(SECRET)

        body = b"".join(event_stream(stream, on_end=keep))
        assert names(sent(body))[-4:] == ["finish_reason", "usage", "error", "end"]
        assert SECRET.encode() not in body
        assert SECRET in caplog.text

    def test_the_view_cannot_encode_an_event(self, server, stream, caplog):
        def fussy(event):
            if isinstance(event, TextDelta):
                raise LookupError(SECRET)  # noqa: TRY004 - whatever a view raises
            return encode(event)

        assert sent(b"".join(event_stream(stream, encode=fussy))) == [
            ("error", asdict(Problem("Exception", "Something went wrong."))),
            ("end", {"complete": False}),
        ]
        assert SECRET in caplog.text

    @pytest.mark.parametrize("where", ["tool", "encode", "on_end"])
    def test_something_asks_the_process_to_exit(self, server, caplog, where):
        """Which ends the answer alone, and is told like any error."""
        told = []

        def leave(*args):
            told.append(args)
            raise SystemExit(SECRET)

        def look() -> str:
            """Look."""
            return leave() if where == "tool" else "It is red."

        server.reply([ToolCall("c1", "look", {})])
        chat = server.client("anthropic").chat(tools=[look])
        functions = {"encode": encode, "on_end": lambda *args: told.append(args), where: leave}
        functions.pop("tool", None)
        body = b"".join(event_stream(chat.stream("Go."), **functions))
        assert sent(body)[-2:] == [
            ("error", asdict(Problem("Exception", "Something went wrong."))),
            ("end", {"complete": False}),
        ]
        assert SECRET.encode() not in body
        assert "SystemExit was raised while an answer was streamed" in caplog.text
        assert sum(len(args) == 2 for args in told) == 1

    def test_the_view_cannot_encode_the_end(self, stream, caplog):
        def fussy(event):
            if isinstance(event, End):
                raise LookupError(SECRET)  # noqa: TRY004 - whatever a view raises
            return encode(event)

        assert sent(b"".join(event_stream(stream, encode=fussy)))[-1] == ("end", {"complete": True})
        assert SECRET in caplog.text

    @pytest.mark.parametrize("made", [{}, 7])
    def test_the_view_makes_no_text_of_an_event(self, stream, caplog, made):
        events = sent(b"".join(event_stream(stream, encode=lambda _: made)))
        assert (names(events), events[0][1]["type"]) == (["error", "end"], "ConfigurationError")
        assert "encode: expected a function that returns bytes, text or None" in caplog.text

    def test_text_that_is_no_utf8(self, stream):
        body = b"".join(event_stream(stream, encode=lambda _: "data: \ud83d\n\n"))
        assert "data: \ufffd\n\n".encode() in body

    def test_it_was_stopped_elsewhere(self, silent, caplog):
        stream = silent.model.stream("Go on.")
        content = iter(event_stream(stream, heartbeat=0.05))
        until(content, b"Once")
        stream.close()
        events = sent(b"".join(content))
        assert (names(events), events[0][1]["type"]) == (["error", "end"], "StreamClosedError")
        assert not caplog.records

    def test_the_browser_goes(self, silent, caplog):
        """The provider's connection is closed at once, and what came is told to the view."""
        told = []
        response = event_stream(silent.model.stream("Go on."), heartbeat=0.05, on_end=lambda *args: told.append(args))
        content = iter(response)
        until(content, b"Once")
        response.close()
        assert silent.left.wait(sockets.PATIENCE)
        ((partial, error),) = told
        assert (partial.text, type(error)) == ("Once", StreamClosedError)
        assert not caplog.records
        assert list(content) == []
        response.close()

    @pytest.mark.parametrize("told", [[], None], ids=["and the view wants to know", "and nobody wants to know"])
    def test_nothing_is_ever_sent(self, silent, told):
        """To a HEAD, say, or where a middleware answers for the view."""
        stream = silent.model.stream("Go on.")
        assert silent.reached.wait(sockets.PATIENCE)
        event_stream(stream, on_end=None if told is None else lambda *args: told.append(args)).close()
        assert silent.left.wait(sockets.PATIENCE)
        assert told is None or [type(error) for _, error in told] == [StreamClosedError]

    @pytest.mark.parametrize("begun", [False, True], ids=["before it was sent", "in silence"])
    def test_a_response_that_is_dropped(self, silent, begun):
        """As Django does under ASGI where the browser goes before the view has returned."""
        told, done = [], threading.Event()

        def keep(response, error):
            told.append((response.text, type(error)))
            done.set()

        response = event_stream(silent.model.stream("Go on."), on_end=keep)
        content = iter(response)
        assert silent.reached.wait(sockets.PATIENCE)
        if begun:
            until(content, b"Once")
        del response, content
        gc.collect()
        assert silent.left.wait(sockets.PATIENCE)
        assert done.wait(sockets.PATIENCE)
        assert told == [("Once" if begun else "", StreamClosedError)]

    def test_a_response_that_nobody_closes(self, server, client):
        """Its thread does not wait for ever for somebody to take what it has."""
        server.chunking = list
        response = event_stream(client.stream("y" * (MOST_WAITING // len(encode(TextDelta("y"))) + 500)))
        content = iter(response)
        while b"text_delta" not in next(content):
            pass
        (thread,) = [one for one in threading.enumerate() if one.name == "llmkit-event-stream"]
        del response, content
        gc.collect()
        thread.join(sockets.PATIENCE)
        assert not thread.is_alive()


def until(content, word):
    """Read on to `word`."""
    while word not in next(content):
        pass


class TestHeartbeats:
    def test_silence_is_told(self, silent):
        response = event_stream(silent.model.stream("Go on."), heartbeat=0.05)
        content = iter(response)
        assert next(content) == b":\n", "the headers go out at once"
        until(content, b"Once")
        assert [next(content) for _ in range(4)] == [b":\n"] * 4
        response.close()

    def test_each_is_followed_by_another_at_once(self):
        """The first is answered by the network, where the browser has gone; writing the second fails then."""

        class Silence:
            def __init__(self):
                self.waited = []

            def take(self, seconds):
                self.waited.append(seconds)
                return b"" if len(self.waited) < 5 else b"event" if len(self.waited) == 5 else None

        silence = Silence()
        assert list(Frames(silence, 0.5)) == [b":\n"] * 5 + [b"event"]
        assert silence.waited == [0.5, ECHO, 0.5, ECHO, 0.5, 0.5]


class TestChannel:
    def test_who_brings_waits_for_who_takes(self):
        """From so many bytes on, in however few frames."""
        channel = Channel()
        channel.put(b"x" * MOST_WAITING)
        brings = threading.Thread(target=channel.put, args=(b"last",))
        brings.start()
        brings.join(0.05)
        assert brings.is_alive()
        assert channel.take(1) == b"x" * MOST_WAITING
        brings.join(sockets.PATIENCE)
        assert channel.take(1) == b"last"
        channel.end()
        assert channel.take(1) is None

    def test_who_brings_goes_on_where_nobody_takes_any_more(self):
        channel = Channel()
        channel.put(b"x" * MOST_WAITING)
        brings = threading.Thread(target=channel.put, args=(b"last",))
        brings.start()
        channel.leave()
        brings.join(sockets.PATIENCE)
        assert not brings.is_alive()


class TestDatabases:
    def test_none_is_held(self, database, stream):
        connection.ensure_connection()
        content = iter(event_stream(stream))
        assert connection.connection is not None
        next(content)
        assert connection.connection is None
        list(content)

    def test_a_transaction_is_left_alone(self, database, stream):
        with transaction.atomic():
            raw = connection.connection
            list(event_stream(stream))
            assert connection.connection is raw

    def test_a_transaction_of_the_projects_own_is_left_alone(self, database):
        connection.set_autocommit(False)
        raw = connection.connection
        release_databases()
        assert connection.connection is raw
        connection.set_autocommit(True)

    def test_what_the_view_opens_when_it_is_told_is_closed(self, database, stream):
        seen = []

        def keep(response, error):
            from django.db import connections

            connection.ensure_connection()
            seen.append(connections["default"])

        list(event_stream(stream, on_end=keep))
        (wrapper,) = seen
        assert wrapper is not connection._connections["default"]
        deadline = time.monotonic() + sockets.PATIENCE
        while wrapper.connection is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert wrapper.connection is None


def answer(request):
    return event_stream(request.model.stream("Hello to all of you"), heartbeat=0.05)


async def from_async(request):
    return answer(request)


urlpatterns = [path("answer", answer), path("async", from_async)]


class Wrapping:
    """A middleware that puts an iterator of its own around every stream; under ASGI it may be an async one."""

    model = None
    kind = "sync"

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.model = self.model
        response = self.get_response(request)
        if response.streaming and self.kind != "none":
            before = response.streaming_content
            response.streaming_content = KINDS[self.kind](before)
        return response


async def _slowly(pieces):
    for piece in pieces:
        yield piece


async def _awaiting(pieces):
    async for piece in pieces:
        yield piece


KINDS = {"sync": lambda pieces: (piece for piece in pieces), "async": _slowly, "awaiting": _awaiting}


@pytest.fixture(params=["none", "sync"])
def site(request, client):
    Wrapping.model, Wrapping.kind = client, request.param
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[*djangos.MIDDLEWARE, f"{__name__}.Wrapping"]):
        yield
    Wrapping.model, Wrapping.kind = None, "none"


ADDRESSES = pytest.mark.parametrize("address", ["/answer", "/async"])


@ADDRESSES
def test_wsgi(site, address):
    response = Client().get(address, headers={"accept-encoding": "gzip"})
    events = sent(response.getvalue())
    assert events[-1] == ("end", {"complete": True})
    assert not response.has_header("ETag")


@ADDRESSES
def test_asgi(site, address):
    async def talk():
        response = await AsyncClient().get(address, headers={"accept-encoding": "gzip"})
        return [piece async for piece in response]

    pieces = async_to_sync(talk)()
    assert len(pieces) > 1, "not collected first"
    assert sent(b"".join(pieces))[-1] == ("end", {"complete": True})


@ADDRESSES
def test_asgi_read_as_its_content(site, address):
    """By whoever reads no response, but what it streams: a test of the project's, a middleware."""

    async def talk():
        response = await AsyncClient().get(address, headers={"accept-encoding": "gzip"})
        return [piece async for piece in response.streaming_content]

    pieces = async_to_sync(talk)()
    assert len(pieces) > 1, "not collected first"
    assert sent(b"".join(pieces))[-1] == ("end", {"complete": True})


def test_its_content_is_an_iterator_too(stream):
    content = event_stream(stream).streaming_content
    assert next(content) == b":\n"
    assert sent(b"".join(content))[-1] == ("end", {"complete": True})


@pytest.mark.parametrize("kind", ["async", "awaiting"])
def test_asgi_with_a_middleware_of_its_own_kind(site, client, kind):
    Wrapping.kind = kind

    async def talk():
        response = await AsyncClient().get("/answer")
        return [piece async for piece in response]

    assert sent(b"".join(async_to_sync(talk)()))[-1] == ("end", {"complete": True})


@pytest.mark.parametrize("of", [lambda response: response, lambda response: response.streaming_content])
def test_asgi_where_the_browser_goes(silent, of):
    response = event_stream(silent.model.stream("Go on."), heartbeat=0.05)

    async def leave():
        content = aiter(of(response))
        while b"Once" not in await anext(content):
            pass
        await content.aclose()

    async_to_sync(leave)()
    response.close()
    assert silent.left.wait(sockets.PATIENCE)
