"""`llmkit.stream`: what a stream yields, when it ends, and what becomes of one that does not."""

import gc
import itertools
import sys
import threading

import attrs
import pytest
from sockets import Server

from llmkit import (
    APIError,
    AuthenticationError,
    ConnectionFailedError,
    DeadlineError,
    FinishReason,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    OverloadedError,
    StreamClosedError,
    StreamError,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Timeout,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from llmkit.testing import by_characters

NAME = "anthropic-messages"
ANSWER = [Thinking("Let me see.", "sig", wire=NAME), "It is blue.", ToolCall("t1", "look", {"at": "the sky"})]


def test_events_in_their_order(server, client):
    server.chunking = by_characters
    server.reply(ANSWER, usage=Usage(10, 5, 0, 0, 2))
    with client.stream("Why?") as stream:
        events = list(stream)
    kinds = [kind for kind, _ in itertools.groupby(type(event) for event in events)]
    assert kinds == [ThinkingDelta, Thinking, TextDelta, Text, ToolCallDelta, ToolCall, FinishReason, Usage]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "It is blue."
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == "Let me see."
    fragments = [event for event in events if isinstance(event, ToolCallDelta)]
    assert {(event.index, event.id, event.name) for event in fragments} == {(0, "t1", "look")}
    assert all(event.arguments for event in fragments[1:])
    assert events[-2:] == [FinishReason("tool_calls", "tool_use"), Usage(10, 5, 0, 0, 2)]


def test_collected_it_equals_the_whole_answer(server, client):
    server.reply(ANSWER, usage=Usage(10, 5))
    whole = client.complete("Why?")
    server.reply(ANSWER, usage=Usage(10, 5))
    collected = client.stream("Why?").collect()
    assert collected.message == whole.message
    assert attrs.evolve(collected, id="") == attrs.evolve(whole, id="")
    assert collected.raw.keys() == whole.raw.keys() - {"content"}
    assert collected.headers["content-type"].startswith("text/event-stream")


def test_text_deltas(server, client):
    server.reply(ANSWER)
    with client.stream("Why?") as stream:
        assert "".join(stream.text_deltas()) == "It is blue."
        assert stream.collect().text == "It is blue."


def test_collect_after_a_beginning_was_read(server, client):
    server.reply("one two three")
    stream = client.stream("Hi")
    assert next(stream) == TextDelta("one")
    assert stream.collect().text == "one two three"
    assert stream.collect() is stream.collect()
    assert list(stream) == []


def test_snapshot(server, client):
    server.reply(["one two", ToolCall("t1", "look", {"at": "x"})])
    with client.stream("Hi") as stream:
        assert (stream.snapshot.text, stream.snapshot.finish_reason.reason) == ("", "unfinished")
        seen = []
        for event in stream:
            seen.append(stream.snapshot)
            if isinstance(event, FinishReason):
                break
        assert [snapshot.text for snapshot in seen][:2] == ["one", "one two"]
        assert seen[-1].finish_reason.reason == "unfinished"
        stream.collect()
        assert stream.snapshot is stream.collect()
    unfinished = next(snapshot for snapshot in seen if snapshot.tool_calls)
    assert unfinished.tool_calls[0].name == "look"


def test_the_connection_is_used_again(server, client):
    for _ in range(5):
        client.stream("Hi").collect()
        with client.stream("Hi") as stream:
            for event in stream:
                if isinstance(event, Usage):
                    break
        client.complete("Hi")
    assert server.connections == 1


# What ends it early. (Fault, class whole, class streamed, whether it begins.)

FAULTS = {
    "cut stream": (ConnectionFailedError, IncompleteStreamError, True),
    "cut connection": (ConnectionFailedError, IncompleteStreamError, True),
    "error event": (OverloadedError, OverloadedError, True),
    "error event first": (OverloadedError, OverloadedError, False),
    "no events": (LLMKitError, IncompleteStreamError, False),
    "not JSON": (InvalidResponseError, InvalidResponseError, None),
    "HTML": (InvalidResponseError, InvalidResponseError, False),
}


@pytest.mark.parametrize(("fault", "row"), FAULTS.items(), ids=FAULTS.keys())
def test_faults_of_a_stream(server, client, fault, row):
    _, cls, begins = row
    server.reply("one two three four five six seven eight")
    server.fault(fault)
    stream = client.stream("Hi")
    events = []
    with pytest.raises(cls) as caught:
        events.extend(iter_into(stream, events))
    error = caught.value
    assert not any(isinstance(event, (FinishReason, Usage)) for event in events)
    if begins is not None:
        assert bool(events) is begins
    assert error.partial.finish_reason.reason == "unfinished"
    assert error.partial.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    assert (error.provider, error.model, error.attempts) == ("anthropic", "claude-x", 1)
    for again in (stream.collect, lambda: next(stream)):
        with pytest.raises(cls) as second:
            again()
        assert second.value is error


def iter_into(stream, events):
    for event in stream:
        events.append(event)
    return ()


@pytest.mark.parametrize(("fault", "row"), FAULTS.items(), ids=FAULTS.keys())
def test_faults_of_a_whole_answer(server, client, fault, row):
    server.fault(fault)
    with pytest.raises(row[0]):
        client.complete("Hi")


def test_a_long_answer_that_is_cut_is_asked_again(server):
    """Streamed and collected, nothing was handed to the caller, so all of it can be tried again."""
    server.fault("cut stream")
    client = server.client("anthropic", model="claude-x")
    response = client.complete("one two three", max_tokens=30_000)
    assert (response.text, response.attempts) == ("one two three", 2)


@pytest.mark.parametrize("fault", ["error event first", "no events"])
def test_before_the_first_event_it_is_tried_again(server, fault):
    server.fault(fault)
    stream = server.client("anthropic", model="claude-x").stream("one two")
    assert [event for event in stream if isinstance(event, TextDelta)] == [TextDelta("one"), TextDelta(" two")]
    assert stream.collect().attempts == 2


def test_after_the_first_event_it_is_not(server):
    server.fault("cut stream")
    stream = server.client("anthropic", model="claude-x").stream("one two three four")
    with pytest.raises(IncompleteStreamError) as caught:
        stream.collect()
    assert caught.value.attempts == 1
    assert len(server.requests) == 1


def test_a_status_is_raised_by_stream_itself(server, client):
    server.fault("bad key")
    with pytest.raises(AuthenticationError):
        client.stream("Hi")


def test_a_whole_body_in_answer_to_a_stream(server, client):
    """Some gateways ignore that a stream was asked for."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Whole(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            body = (
                b'{"id":"m","type":"message","model":"claude-x","stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2},'
                b'"content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},'
                b'{"type":"tool_use","id":"t1","name":"look","input":{"a":1}}]}'
            )
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Whole) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        with server.client("anthropic", base_url=f"http://127.0.0.1:{other.server_port}").stream("Hi") as stream:
            assert list(stream) == [
                ThinkingDelta("hm"),
                Thinking("hm", "s", wire=NAME),
                TextDelta("Hi"),
                Text("Hi"),
                ToolCallDelta(0, "t1", "look", '{"a":1}'),
                ToolCall("t1", "look", {"a": 1}),
                FinishReason("tool_calls", "tool_use"),
                Usage(1, 2),
            ]
        thread.join()


# Time.

LIMITS = {
    "a float": (1.0, "stall", "total"),
    "first": (Timeout(first=1.0), "stall", "first"),
    "idle": (Timeout(idle=1.0), "stall", "idle"),
    "total": (Timeout(total=1.0), "stall", "total"),
    "pings are nothing usable": (Timeout(first=0.3), "only pings", "first"),
}


@pytest.mark.parametrize(("timeout", "fault", "which"), LIMITS.values(), ids=LIMITS.keys())
def test_deadlines(server, client, timeout, fault, which):
    server.fault(fault)
    with pytest.raises(DeadlineError) as caught:
        client.stream("Hi", timeout=timeout).collect()
    assert caught.value.which == which
    assert caught.value.partial is not None or fault != "stall"


def test_what_the_consumer_does_in_between_does_not_count(server, client):
    """A float and `first` bound how long the caller is blocked, not how long it thinks."""
    server.reply("one two three")
    stream = client.stream("Hi", timeout=0.5)
    next(stream)
    threading.Event().wait(0.7)
    assert stream.collect().text == "one two three"


# Interruptions.


class InterruptedReadError(Exception):
    """What a handler of a signal raises."""


@pytest.mark.parametrize("at", range(1, 12))
def test_an_interrupted_stream_is_never_whole(server, client, at):
    """Wherever Ctrl-C or a signal strikes while events are decoded: what was lost is not passed over."""
    server.pieces = 100_000  # all of it in one piece
    server.reply("one two three four five six seven")
    stream = client.stream("Hi")
    seen = 0

    def tracer(frame, event, argument):
        nonlocal seen
        if frame.f_code.co_name in ("feed", "_text_delta", "_take", "add", "_finish") and event == "call":
            seen += 1
            if seen == at:
                sys.settrace(None)
                raise InterruptedReadError

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(InterruptedReadError):
            stream.collect()
    finally:
        sys.settrace(before)
    for again in (stream.collect, lambda: next(stream)):
        with pytest.raises(StreamError, match="interrupted") as caught:
            again()
    assert caught.value.partial.finish_reason.reason == "unfinished"
    assert client.complete("still works").text == "still works"


def test_what_stands_before_an_error_in_the_same_piece_is_handed_out(client, server):
    """Where the network cuts makes no difference."""
    server.pieces = 100_000
    server.reply("one two three four")
    server.fault("error event")
    events = []
    with pytest.raises(OverloadedError):
        iter_into(client.stream("Hi"), events)
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("one"), TextDelta(" two")]


def test_snapshot_of_a_whole_body(client, server):
    body = b'{"id":"m","type":"message","model":"x","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Server(lambda wire: (wire.receive(), wire.send(head + body))) as other:
        stream = server.client("anthropic", base_url=other.url).stream("Hi")
        next(stream)
        assert (stream.snapshot.text, stream.snapshot.id) == ("Hi", "m")
        assert stream.snapshot.finish_reason.reason == "unfinished"


def test_what_comes_before_the_first_event_is_kept_no_longer(client, server):
    """Comments are kept until an event shows that this is a stream, up to a limit, and none after it."""
    events = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"x"}}\n\n'
        b"event: content_block_start\n"
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}\n\n'
    )
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"8\r\n: ping\n\n\r\n" * 20_000 + b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(events),
        events,
        len(stop),
        stop,
    )
    with Server(lambda wire: (wire.receive(), wire.send(head + body))) as other:
        stream = server.client("anthropic", base_url=other.url).stream("Hi")
        assert next(stream) == TextDelta("a")
        assert (stream._reader._unread, stream._reader._kept >= 160_000) == ([], True)
        assert stream.collect().text == "a"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain"])
def test_a_body_under_a_streams_name(client, server, kind, mark):
    body = mark + b'{"error": {"type": "overloaded_error", "message": "busy"}}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Server(lambda wire: (wire.receive(), wire.send(head + body))) as other:
        stream = server.client("anthropic", base_url=other.url, max_retries=0).stream("Hi")
        with pytest.raises(OverloadedError):
            stream.collect()


def test_hints_before_the_answer_are_no_answer(client, server):
    body = b'{"id":"m","type":"message","model":"x","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}'
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Server(lambda wire: (wire.receive(), wire.send(hints + head + body))) as other:
        assert server.client("anthropic", base_url=other.url).complete("Hi", max_tokens=5).text == "Hi"


def test_a_snapshot_stays_as_it_was(server, client):
    server.reply("one two", usage=Usage(10, 50))
    server.delay = 0.05  # so that the first event comes alone
    stream = client.stream("Hi")
    next(stream)
    snapshot = stream.snapshot
    before = snapshot.raw["usage"]["output_tokens"]
    stream.collect()
    assert snapshot.raw["usage"]["output_tokens"] == before != 50


def test_an_error_raised_again_does_not_grow(server, client):
    server.fault("cut stream")
    stream = client.stream("one two three four")
    lengths = []
    for _ in range(20):
        with pytest.raises(IncompleteStreamError) as caught:
            stream.collect()
        lengths.append(len(caught.traceback))
    assert lengths[-1] <= lengths[1]
    assert caught.value.partial.attempts == caught.value.attempts == 1


# Closing.


def test_leaving_early_is_no_error(server, client):
    server.reply("one two three")
    with client.stream("Hi") as stream:
        next(stream)
    errors = []
    for after in (lambda: next(stream), stream.collect):
        with pytest.raises(StreamClosedError) as caught:
            after()
        errors.append(caught.value)
    assert errors[0] is errors[1]
    assert (errors[0].provider, errors[0].model, errors[0].attempts) == ("anthropic", "claude-x", 1)
    assert errors[0].partial == stream.snapshot
    assert stream.snapshot.text.startswith("one")
    assert client.complete("still works").text == "still works"


@pytest.mark.parametrize("pieces", [None, 100_000])
def test_leaving_early_is_the_same_wherever_the_network_cuts(server, client, pieces):
    server.pieces = pieces
    server.reply("one two three")
    with client.stream("Hi") as stream:
        next(stream)
    for after in (lambda: next(stream), stream.collect):
        with pytest.raises(StreamClosedError):
            after()


def test_a_slow_consumer_keeps_the_connection(server, client):
    for _ in range(3):
        with client.stream("Hi", timeout=0.3) as stream:
            for event in stream:
                if isinstance(event, Usage):
                    threading.Event().wait(0.4)
    assert server.connections == 1


def test_closing_twice_and_after_its_end(server, client):
    stream = client.stream("Hi")
    stream.collect()
    stream.close()
    stream.close()
    assert stream.collect().text == "Hi"
    assert "complete" in repr(stream) or "closed" in repr(stream)


def test_close_from_another_thread_unblocks_the_reader(server, client):
    server.fault("stall")
    stream = client.stream("one two three")
    reading, caught = threading.Event(), []

    def read():
        reading.set()
        try:
            stream.collect()
        except LLMKitError as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    reading.wait()
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert [type(error) for error in caught] == [StreamClosedError]


def test_close_while_it_reads_leaves_the_connection_to_the_reader(server, client):
    """Who reads may have got an event all the same: its next call drops the connection, and no collector has to."""
    server.reply("one two three")
    server.delay = 0.01
    stream = client.stream("Hi")
    next(stream)
    stream._reading = True  # as in the thread that reads
    stream.close()
    stream._reading = False
    with pytest.raises(StreamClosedError):
        next(stream)
    assert stream._reader.answer._source._connection.is_closed


def test_close_while_another_try_connects(server):
    """Nothing is handed out after it, and the reader does not wait for the answer's headers."""
    asked, error = (
        threading.Event(),
        b'event: error\ndata: {"error": {"type": "overloaded_error", "message": "busy"}}\n\n',
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

    def script(wire):
        wire.receive()
        if not asked.is_set() and not script.again:
            script.again = True
            wire.send(head + error)
            return
        asked.set()
        wire.server.stopped.wait(20)

    script.again = False
    with Server(script) as slow:
        stream = server.client("anthropic", base_url=slow.url).stream("Hi")
        caught = []

        def read():
            try:
                next(stream)
            except LLMKitError as error:
                caught.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        assert asked.wait(20)
        stream.close()
        reader.join(10)
        assert not reader.is_alive()
        assert [type(error) for error in caught] == [StreamClosedError]


def test_close_while_it_waits_to_try_again(server):
    """The pause before another try ends at once, too."""
    from llmkit import RateLimitError

    client = server.client("anthropic", model="claude-x")
    server.fault("error event first")
    stream = client.stream("Hi")
    for _ in range(3):
        server.reply(RateLimitError("wait", status=429, retry_after=50.0))
    caught = []

    def read():
        try:
            stream.collect()
        except LLMKitError as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    while len(server.requests) < 2:
        threading.Event().wait(0.01)
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert isinstance(caught[0], (StreamClosedError, APIError))
    assert caught[0].attempts == len(server.requests)


def test_an_abandoned_stream_drops_its_connection(server, client):
    server.fault("stall")
    stream = client.stream("one two three")
    exchange = stream._exchange
    del stream
    gc.collect()
    assert exchange.aborted
    assert client.complete("still works").text == "still works"
