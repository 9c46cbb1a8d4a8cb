"""Chats as they arrive: the events of all rounds as one stream, which can be left at any time."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from chats import ONE, TWO, by_hand, clock, each, failing

from llmkit import (
    FinishReason,
    OutputError,
    StreamClosedError,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
    tool,
)
from llmkit.testing import Reply


def test_close_while_a_tool_runs(server):
    """The reader gets its error at once, whatever the tool does."""
    started, never = threading.Event(), threading.Event()

    @tool
    def slow() -> str:
        """Takes its time."""
        started.set()
        never.wait(60)
        return "late"

    server.reply(Reply([ToolCall("call_1", "slow", {})], usage=ONE))
    chat = server.client("anthropic").chat(tools=[slow])
    stream = chat.stream("Go.")
    closing = threading.Thread(target=lambda: started.wait(30) and stream.close())
    closing.start()
    with pytest.raises(StreamClosedError):
        list(stream)
    closing.join()
    never.set()
    assert chat.messages == []
    with pytest.raises(StreamClosedError):
        next(stream)
    with pytest.raises(StreamClosedError):
        stream.collect()


def test_close_while_the_next_round_is_awaited(server):
    waiting = threading.Event()
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    tools = [failing(server, "stall")]
    chat = server.client("anthropic").chat(tools=tools, on_tool_result=lambda result: waiting.set())
    stream = chat.stream("Go.")
    closing = threading.Thread(target=lambda: waiting.wait(30) and time.sleep(0.2) is None and stream.close())
    closing.start()
    with pytest.raises(StreamClosedError) as caught:
        list(stream)
    closing.join()
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    assert caught.value.partial.usage.input_tokens >= ONE.input_tokens


def test_leaving_early(server):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})]))
    chat = server.client("anthropic").chat(tools=[clock])
    with chat.stream("Go.") as stream:
        next(stream)
    assert chat.messages == []
    with pytest.raises(StreamClosedError) as caught:
        next(stream)
    assert caught.value.messages == (UserMessage("Go."),)


def test_snapshots(server):
    """In each round the answer so far, with what all rounds have cost."""
    server.reply(Reply([Text("Let me look."), ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    server.reply(Reply(["It is noon."], usage=TWO))
    chat = server.client("anthropic").chat(tools=[clock])
    seen = []
    with chat.stream("Time?") as stream:
        seen.extend((event, stream.snapshot) for event in stream)
        assert stream.snapshot == stream.collect()
    after = [snapshot for event, snapshot in seen if isinstance(event, ToolResult)]
    assert [(one.text, one.finish_reason.reason, one.usage) for one in after] == [("Let me look.", "unfinished", ONE)]
    assert seen[-1][1].finish_reason.reason == "stop"
    assert seen[-1][1].usage == ONE + TWO
    assert "".join(event.text for event, _ in seen if isinstance(event, TextDelta)) == "Let me look.It is noon."


def test_text_deltas_cover_all_rounds(server):
    server.reply(Reply([Text("Let me look."), ToolCall("call_1", "clock", {"city": "Oslo"})]))
    server.reply("It is noon.")
    with server.client("openai").chat(tools=[clock]).stream("Time?") as stream:
        assert "".join(stream.text_deltas()) == "Let me look.It is noon."
        assert stream.collect().text == "It is noon."


def test_connections_are_used_again(server):
    """Rounds of a chat do not open one each."""
    for number in range(3):
        server.reply(Reply([ToolCall(f"call_{number}", "clock", {"city": "Oslo"})]))
    server.reply("Noon.")
    list(server.client("anthropic").chat(tools=[clock]).stream("Time?"))
    assert len(server.requests) == 4
    assert server.connections == 1


def test_an_output_that_does_not_fit(server):
    """`collect` fails as `send` does; who only reads has the answer, and the history has it, too."""
    client = server.client("anthropic")
    for _ in range(2):
        server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
        server.reply(Reply(["Noon."], usage=TWO))
    chat = client.chat(tools=[clock])
    stream = chat.stream("Time?", output_type=int)
    with pytest.raises(OutputError) as caught:
        stream.collect()
    assert chat.messages == []
    assert chat.usage == ONE + TWO
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    for more in (stream.collect, lambda: next(stream)):
        with pytest.raises(OutputError):
            more()
    with chat.stream("Time?", output_type=int) as stream:
        assert [type(event) for event in stream][-2:] == [FinishReason, Usage]
    assert [message.role for message in chat.messages] == ["user", "assistant", "user", "assistant"]
    with pytest.raises(OutputError) as caught:
        stream.collect()
    assert caught.value.messages == ()


def test_the_history_is_as_before_until_the_finish_reason(server):
    """Also where the last thing that is read is a result."""
    calls = [ToolCall("call_1", "pay", {"sum": 1}), ToolCall("call_2", "clock", {"city": "Oslo"})]
    server.reply(calls)
    chat = server.client("anthropic").chat(tools=[by_hand, clock])
    with chat.stream("Pay.") as stream:
        assert any(isinstance(event, ToolResult) for event in stream)
        assert chat.messages == []
    with pytest.raises(StreamClosedError) as caught:
        next(stream)
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    server.reply(calls)
    with chat.stream("Pay.") as stream:
        assert any(isinstance(event, FinishReason) for event in stream)
    assert chat.pending == (calls[0],)


ROUNDS = {
    "before the headers": (None, 0),
    "before the first event": (0, 0),
    "between events": (4, 1),
}


@each
@pytest.mark.parametrize(("after", "deltas"), ROUNDS.values(), ids=ROUNDS.keys())
def test_close_in_a_later_round(server, name, after, deltas):
    """At once, in each phase of its model call; the error has what came, and the rounds before it."""
    asked, seen, over = threading.Event(), threading.Event(), threading.Event()

    def answer(request):
        if len(server.requests) == 1:
            if after is not None:
                server.fault("stall", after=after + (name == "openai" and deltas and 2))  # it announces more
            return Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE)
        asked.set()
        if after is None:
            over.wait(60)
        return "It is noon in all of the town, and so it is elsewhere."

    def read():
        for event in stream:
            if isinstance(event, TextDelta) or not deltas:
                seen.set()

    server.reply_with(answer)
    chat = server.client(name, model="m-1").chat(tools=[clock])
    with ThreadPoolExecutor(1) as pool:
        stream = chat.stream("Time?")
        reading = pool.submit(read)
        assert asked.wait(30)
        assert seen.wait(30)
        began = time.monotonic()
        stream.close()
        with pytest.raises(StreamClosedError) as caught:
            reading.result(30)
        assert time.monotonic() - began < 5
        over.set()
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    assert caught.value.partial.finish_reason.reason == "unfinished"
    assert caught.value.partial.usage.input_tokens >= ONE.input_tokens
    assert chat.messages == []
    assert stream.snapshot.finish_reason.reason == "unfinished"


def test_an_abandoned_stream_lets_its_connection_go(server):
    """In a later round, without the garbage collector."""
    server.reply(ToolCall("call_1", "clock", {"city": "Oslo"}))
    server.reply("It is noon.")
    chat = server.client("anthropic").chat(tools=[clock])
    stream = chat.stream("Time?")
    text = next(event for event in stream if isinstance(event, TextDelta))
    assert text.text
    alive = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert alive() is None
    finally:
        gc.enable()


def test_the_error_of_a_close_while_a_tool_runs_has_what_was_paid(server):
    started, over = threading.Event(), threading.Event()

    def slow() -> str:
        """Takes its time."""
        started.set()
        over.wait(60)
        return "late"

    server.reply(Reply([ToolCall("call_1", "slow", {})], usage=ONE))
    stream = server.client("anthropic").chat(tools=[slow]).stream("Go.")
    seen = []

    def close():
        assert started.wait(30)
        seen.append(stream.snapshot)
        stream.close()

    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(close)
        with pytest.raises(StreamClosedError) as caught:
            list(stream)
        closing.result(30)
    over.set()
    assert caught.value.partial == seen[0]
    assert (seen[0].usage, seen[0].finish_reason.reason) == (ONE, "unfinished")
    assert [call.id for call in seen[0].tool_calls] == ["call_1"]
