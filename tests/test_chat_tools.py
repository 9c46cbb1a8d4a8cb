"""Where and how a chat runs tools, and what it tells the model of what they return."""

import contextvars
import threading
import time

import pytest
from chats import PICTURE, Place, ask, clock, each, each_way, results, said

from llmkit import (
    ConfigurationError,
    FinishReason,
    OutputError,
    Text,
    ToolCall,
    ToolResult,
    tool,
)
from llmkit.testing import Reply


def test_several_tools_run_at_the_same_time(server):
    """Each waits for the other, so one after the other they would never end."""
    barrier = threading.Barrier(3, timeout=30)

    @tool
    def meet(number: int) -> str:
        """Meets the others."""
        barrier.wait()
        return f"met {number}"

    server.reply(Reply([ToolCall(f"call_{number}", "meet", {"number": number}) for number in range(3)]))
    server.reply("Done.")
    server.client("anthropic").chat(tools=[meet]).send("Go.")
    assert said(results(server.requests[1])) == [("met 0", False), ("met 1", False), ("met 2", False)]


def test_no_more_than_eight_at_once(server):
    running, most, lock = [], [], threading.Lock()

    @tool
    def work(number: int) -> str:
        """Works."""
        with lock:
            running.append(number)
            most.append(len(running))
        time.sleep(0.02)
        with lock:
            running.remove(number)
        return str(number)

    server.reply(Reply([ToolCall(f"call_{number}", "work", {"number": number}) for number in range(20)]))
    server.reply("Done.")
    server.client("anthropic").chat(tools=[work]).send("Go.")
    assert [text for text, _ in said(results(server.requests[1]))] == [str(number) for number in range(20)]
    assert max(most) <= 8


@each_way
def test_a_tool_that_takes_too_long(server, way):
    """Its result says so; another of the same turn is not held up."""
    never = threading.Event()

    @tool(timeout=0.05)
    def slow() -> str:
        """Never answers."""
        never.wait(60)
        return "late"

    server.reply(Reply([ToolCall("call_1", "slow", {}), ToolCall("call_2", "clock", {"city": "Oslo"})]))
    server.reply("Done.")
    chat = server.client("anthropic").chat(tools=[slow, clock])
    assert ask(chat, way, "Go.")[0].text == "Done."
    never.set()
    assert said(results(server.requests[1]))[0] == ("TimeoutError: the tool did not answer within 0.05 s", True)
    assert not results(server.requests[1])[1].is_error


WHO = contextvars.ContextVar("WHO", default="nobody")


@each_way
@pytest.mark.parametrize("count", [1, 2])
def test_tools_see_context_variables(server, way, count):
    @tool
    def who() -> str:
        """Who asks."""
        return WHO.get()

    server.reply(Reply([ToolCall(f"call_{number}", "who", {}) for number in range(count)]))
    server.reply("Done.")
    token = WHO.set("Ada")
    try:
        ask(server.client("anthropic").chat(tools=[who]), way, "Go.")
    finally:
        WHO.reset(token)
    assert said(results(server.requests[1])) == [("Ada", False)] * count


RETURNS = {
    "text": ("a", "a"),
    "nothing": (None, "null"),
    "a number": (3, "3"),
    "a list": ([1, "a"], '[1, "a"]'),
    "a class": (Place("Oslo"), '{"city": "Oslo", "country": "Norway"}'),
    "classes in a list": ([Place("Oslo")], '[{"city": "Oslo", "country": "Norway"}]'),
    "a text part": (Text("b"), "b"),
}


@each
@pytest.mark.parametrize(("value", "expected"), RETURNS.values(), ids=RETURNS.keys())
def test_what_tools_return(server, name, value, expected):
    giving = tool(lambda: value, name="give", description="Gives")
    server.reply(Reply([ToolCall("call_1", "give", {})]))
    server.reply("Done.")
    server.client(name, model="m-1").chat(tools=[giving]).send("Go.")
    assert said(results(server.requests[1])) == [(expected, False)]


def test_media_as_results(server):
    giving = tool(lambda: ["Here:", PICTURE], name="give", description="Gives")
    server.reply(Reply([ToolCall("call_1", "give", {})]))
    server.reply("Done.")
    server.client("anthropic").chat(tools=[giving]).send("Go.")
    assert results(server.requests[1])[0].content == (Text("Here:"), PICTURE)


def test_what_cannot_be_sent_is_an_error_result(server):
    def give() -> object:
        return object()

    giving = tool(give, description="Gives")
    server.reply(Reply([ToolCall("call_1", "give", {})]))
    server.reply("Done.")
    server.client("anthropic").chat(tools=[giving]).send("Go.")
    assert results(server.requests[1])[0].is_error


@each_way
def test_system_exit_of_a_tool_ends_the_send(server, way):
    """It is no failure to tell a model of."""

    def leave() -> None:
        """Leaves."""
        raise SystemExit(3)

    server.reply(Reply([ToolCall("call_1", "leave", {}), ToolCall("call_2", "leave", {})]))
    chat = server.client("anthropic").chat(tools=[leave])
    with pytest.raises(SystemExit):
        ask(chat, way, "Go.")
    assert chat.messages == []


def test_hooks_raise_to_the_caller(server):
    def refuse(call):
        raise RuntimeError("not today")

    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})]))
    chat = server.client("anthropic").chat(tools=[clock], approve=refuse)
    with pytest.raises(RuntimeError, match="not today"):
        chat.send("Go.")
    assert chat.messages == []


VERDICTS = {
    "yes": (True, ('{"city": "Oslo", "time": "12:00"}', False)),
    "no": (False, ("this call was not allowed", True)),
    "no, and why": ("ask later", ("ask later", True)),
}


@pytest.mark.parametrize(("verdict", "expected"), VERDICTS.values(), ids=VERDICTS.keys())
def test_approval(server, verdict, expected):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})]))
    server.reply("Done.")
    server.client("anthropic").chat(tools=[clock], approve=lambda call: verdict).send("Go.")
    assert said(results(server.requests[1])) == [expected]


def test_an_approval_that_is_none_of_these(server):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})]))
    chat = server.client("anthropic").chat(tools=[clock], approve=lambda call: None)
    with pytest.raises(ConfigurationError, match="approve: expected True, False, text or Deferred"):
        chat.send("Go.")


def test_what_was_given_up_is_no_answer_to_a_later_turn(server):
    """A tool of the first round answers while the second round waits for another one."""
    second, answered = threading.Event(), threading.Event()

    def slow() -> str:
        second.wait(60)
        threading.Timer(0.1, answered.set).start()
        return "late"

    def other() -> str:
        second.set()
        answered.wait(60)
        return "in time"

    tools = [tool(slow, description="Slow", timeout=0.05), tool(other, description="Other")]
    for reply in (ToolCall("call_1", "slow", {}), ToolCall("call_2", "other", {}), "Done."):
        server.reply(reply)
    with server.client("anthropic").chat(tools=tools).stream("Go.") as stream:
        told = [(event.call_id, event.text) for event in stream if isinstance(event, ToolResult)]
    assert told == [("call_1", "TimeoutError: the tool did not answer within 0.05 s"), ("call_2", "in time")]


def test_how_a_tool_ends_that_was_given_up(server):
    """Nobody is told, whatever it raises, while another one is still waited for."""
    leave, left = threading.Event(), threading.Event()

    def slow() -> str:
        leave.wait(60)
        threading.Timer(0.1, left.set).start()
        raise SystemExit(3)

    def other() -> str:
        time.sleep(0.1)
        leave.set()
        left.wait(60)
        return "in time"

    tools = [tool(slow, description="Slow", timeout=0.05), tool(other, description="Other")]
    server.reply([ToolCall("call_1", "slow", {}), ToolCall("call_2", "other", {})])
    server.reply("Done.")
    assert server.client("anthropic").chat(tools=tools).send("Go.").text == "Done."


class Wordless(Exception):  # noqa: N818 - what a model is told
    def __str__(self):
        raise RuntimeError("no words")


FAILURES = {
    "with words": (LookupError("no Oslo here"), "LookupError: no Oslo here"),
    "without": (TimeoutError(), "TimeoutError"),
    "that cannot say": (Wordless(), "Wordless"),
    "of a half character": (ValueError("\ud800"), "ValueError: \ufffd"),
    "of another chat": (OutputError("it does not fit"), "OutputError: it does not fit"),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("how", ["raised", "returned"])
@pytest.mark.parametrize(("error", "expected"), FAILURES.values(), ids=FAILURES.keys())
def test_failures_are_told(server, error, expected, how, count):
    def fail() -> object:
        if how == "raised":
            raise error
        return error

    server.reply([ToolCall(f"call_{number}", "fail", {}) for number in range(count)])
    server.reply("Done.")
    server.client("anthropic").chat(tools=[tool(fail, description="Fails")]).send("Go.")
    assert said(results(server.requests[1])) == [(expected, True)] * count


@each_way
def test_hooks_see_calls_that_are_not_run(server, way):
    seen = []
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], finish_reason=FinishReason("length")))
    chat = server.client("anthropic").chat(tools=[clock], on_tool_call=seen.append, on_tool_result=seen.append)
    ask(chat, way, "Go.")
    assert [type(one) for one in seen] == [ToolCall, ToolResult]
