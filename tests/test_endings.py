"""Streams whose end no single event tells: what follows a whole answer is read, and not waited for in vain."""

import json
import threading
import time

import pytest
from sockets import CHUNKED, Server, chunk

from llmkit import Client, IncompleteStreamError, StreamClosedError, Timeout

CHAT, GEMINI = "openai-chat", "gemini"
END = chunk(b"")


def event(data):
    return chunk(b"data: " + json.dumps(data).encode() + b"\n\n")


def delta(text=None, reason=None):
    return event(
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    )


def candidate(text, reason=None):
    found = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return event({"candidates": [found | ({"finishReason": reason} if reason else {})], "responseId": "c"})


USAGE = event({"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
DONE = chunk(b"data: [DONE]\n\n")
PING = chunk(b": ping\n\n")
COUNTS = event({"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}, "responseId": "c"})


def answered(provider, script, **options):
    """What a stream gives, of a server that does `script` after it has read the request."""
    with Server(lambda wire: (wire.receive(), wire.send(CHUNKED), script(wire))) as server:
        options = {"api_key": "k", "base_url": server.url, "model": "m", "max_retries": 0, **options}
        with Client(provider, **options) as client, client.stream("Hi") as stream:
            return stream.collect()


WHOLE = {
    "sentinel": (CHAT, [delta("Hi"), delta(reason="stop"), USAGE, DONE, END], 5),
    "no sentinel": (CHAT, [delta("Hi"), delta(reason="stop"), USAGE, END], 5),
    "neither usage nor sentinel": (CHAT, [delta("Hi"), delta(reason="stop"), END], 0),
    "usage late": (CHAT, [delta("Hi"), delta(reason="stop"), PING, PING, USAGE, END], 5),
    "text with the reason": (CHAT, [delta("Hi", "stop"), END], 0),
    "no sentinel of this wire": (GEMINI, [candidate("Hi", "STOP"), COUNTS, END], 5),
    "reason alone": (GEMINI, [candidate("Hi"), candidate("", "STOP"), END], 0),
}


@pytest.mark.parametrize(("provider", "pieces", "tokens"), WHOLE.values(), ids=WHOLE.keys())
def test_whole(provider, pieces, tokens):
    response = answered(provider, lambda wire: [wire.send(piece) for piece in pieces])
    assert (response.text, response.finish_reason.reason) == ("Hi", "stop")
    assert response.usage.total_tokens == tokens


@pytest.mark.parametrize("provider", [CHAT, GEMINI])
def test_a_connection_that_stays_open_is_left_when_the_answer_is_whole(provider):
    pieces = {CHAT: [delta("Hi"), delta(reason="stop"), USAGE], GEMINI: [candidate("Hi", "STOP"), COUNTS]}[provider]

    def script(wire):
        wire.send(b"".join(pieces))
        wire.hang()

    response = answered(provider, script)
    assert (response.text, response.usage.total_tokens) == ("Hi", 5)


@pytest.mark.parametrize("provider", [CHAT, GEMINI])
def test_a_connection_that_is_lost_when_the_answer_is_whole_does_no_harm(provider):
    pieces = {CHAT: [delta("Hi"), delta(reason="stop"), USAGE], GEMINI: [candidate("Hi", "STOP"), COUNTS]}[provider]

    def script(wire):
        for piece in pieces:
            wire.send(piece)
            time.sleep(0.05)
        wire.reset()

    response = answered(provider, script)
    assert response.text == "Hi"


def test_a_deadline_that_passes_when_the_answer_is_whole_does_no_harm():
    def script(wire):
        wire.send(delta("Hi", "stop"))
        wire.hang()

    assert answered(CHAT, script, timeout=0.3).text == "Hi"
    assert answered(CHAT, script, timeout=Timeout(idle=0.3)).text == "Hi"


def test_pings_after_a_whole_answer_end_it_some_time():
    """Here after the limit of the call, as ten seconds are long for a test."""

    def script(wire):
        wire.send(delta("Hi", "stop"))
        while not wire.server.stopped.wait(0.05):
            wire.send(PING)

    assert answered(CHAT, script, timeout=Timeout(total=0.6)).text == "Hi"


CUT = {
    "no reason": (CHAT, [delta("Hi"), END]),
    "no reason but the sentinel": (CHAT, [delta("Hi"), DONE, END]),
    "no reason but usage": (CHAT, [delta("Hi"), USAGE, END]),
    "an empty reason": (CHAT, [delta("Hi", ""), END]),
    "no candidate's reason": (GEMINI, [candidate("Hi"), COUNTS, END]),
    "an unspecified reason": (GEMINI, [candidate("Hi", "FINISH_REASON_UNSPECIFIED"), END]),
    "nothing": (GEMINI, [END]),
}


@pytest.mark.parametrize(("provider", "pieces"), CUT.values(), ids=CUT.keys())
def test_cut(provider, pieces):
    with pytest.raises(IncompleteStreamError):
        answered(provider, lambda wire: [wire.send(piece) for piece in pieces])


def test_close_while_the_end_is_awaited():
    """`close` from another thread ends that wait, too."""
    waiting = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(CHUNKED + delta("Hi", "stop"))
        waiting.set()
        wire.hang()

    with Server(script) as server, Client(CHAT, api_key="k", base_url=server.url, model="m") as client:
        stream = client.stream("Hi")
        assert next(stream).text == "Hi"
        closer = threading.Timer(0.2, stream.close)
        closer.start()
        began = time.monotonic()
        with pytest.raises(StreamClosedError):
            for _ in stream:
                pass
        closer.join()
        assert server.left.wait(20)
        assert time.monotonic() - began < 15
        assert waiting.is_set()


def test_errors_without_the_name_of_a_field():
    """As hosts that fail amid a stream tell: plain JSON, over several lines."""
    from llmkit import OverloadedError

    bare = chunk(b'{\r\n  "error": {\r\n    "code": 503, "message": "busy", "status": "UNAVAILABLE"\r\n  }\r\n}\r\n')
    with pytest.raises(OverloadedError, match="busy") as caught:
        answered(GEMINI, lambda wire: [wire.send(piece) for piece in (candidate("Hi"), bare, END)])
    assert caught.value.partial.text == "Hi"


def test_events_under_the_name_of_json():
    """As they arrive, whatever the header says; a whole answer that says so is one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    more = threading.Event()

    def script(wire):
        wire.receive()
        wire.send(head + delta("He"))
        more.wait(20)
        wire.send(delta("llo", "stop") + USAGE + DONE + END)

    with Server(script) as server, Client(CHAT, api_key="k", base_url=server.url, model="m") as client:
        stream = client.stream("Hi")
        assert next(stream).text == "He"
        more.set()
        assert (stream.collect().text, stream.collect().usage.total_tokens) == ("Hello", 5)


def test_a_whole_answer_in_place_of_a_stream():
    """One JSON array of what the stream's events would have been."""
    parts = [{"candidates": [{"content": {"parts": [{"text": text}]}, "index": 0}]} for text in ("He", "llo")]
    parts[-1]["candidates"][0]["finishReason"] = "STOP"
    body = json.dumps(parts).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with Server(lambda wire: (wire.receive(), wire.send(head + body))) as server:
        client = Client(GEMINI, api_key="k", base_url=server.url, model="m", max_retries=0)
        assert client.stream("Hi").collect().text == "Hello"
