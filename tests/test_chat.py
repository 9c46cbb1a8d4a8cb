"""Chats: tools are run until the model answers, on all four wires, whole and streamed; what fails loses nothing."""

import contextvars
import threading
import time

import pytest
from attrs import frozen

from llmkit import (
    AssistantMessage,
    AuthenticationError,
    ConfigurationError,
    Deferred,
    FinishReason,
    Image,
    IncompleteStreamError,
    OutputError,
    Refusal,
    Request,
    ServerTool,
    StreamClosedError,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolLoopError,
    ToolResult,
    Usage,
    UserMessage,
    tool,
)
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer, Reply

WIRES = {
    "anthropic": "anthropic-messages",
    "openai": "openai-responses",
    "openai-chat": "openai-chat",
    "gemini": "gemini-generate",
}
each = pytest.mark.parametrize("name", WIRES)
each_way = pytest.mark.parametrize("way", ["whole", "streamed"])
ONE, TWO, THREE = Usage(10, 5), Usage(20, 6, reasoning_tokens=2), Usage(40, 7, cache_read_tokens=4)
PICTURE = Image(png(bytes(3 * 4 * 4), 4, 4, 3))


@frozen
class Place:
    city: str
    country: str = "Norway"


@tool
def weather(place: Place, days: int = 1) -> str:
    """The weather of a place.

    Args:
        place: Where.
        days: How far ahead.
    """
    return f"{place.city}, {place.country}: rain for {days} days"


@tool
def clock(city: str) -> dict[str, object]:
    """The time in a city."""
    return {"city": city, "time": "12:00"}


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"no {city} here")


by_hand = Tool("pay", "Pays a bill", {"type": "object", "properties": {"sum": {"type": "number"}}})


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def failing(server, fault):
    """A clock that makes the next call fail."""

    def clock(city: str) -> str:
        server.fault(fault)
        return "12:00"

    return clock


def ask(chat, way, prompt=None, **options):
    """Send in one of the ways; the response, and the events where there are some."""
    if way == "whole":
        return chat.send(prompt, **options), []
    with chat.stream(prompt, **options) as stream:
        events = list(stream)
        return stream.collect(), events


def tells_errors(name):
    """Whether the wire has a place for it; elsewhere the text alone tells."""
    return name in ("anthropic", "gemini")


def results(request):
    """The results in the last message that a server was sent."""
    return [part for part in request.messages[-1].content if isinstance(part, ToolResult)]


def said(results):
    return [(result.content[0].text, result.is_error) for result in results]


@each
@each_way
def test_a_conversation_with_tools(server, name, way):
    """Parallel calls, an unknown tool, bad arguments, an exception, a refusal, thoughts with signatures between."""
    signature = None if name == "openai-chat" else "c2lnbmF0dXJl"
    thoughts = Thinking("They want to know.", signature, wire=WIRES[name])
    calls = [
        ToolCall("call_1", "weather", {"place": {"city": "Oslo"}, "days": 2}),
        ToolCall("call_2", "clock", {"city": "Oslo"}),
        ToolCall("call_3", "moon", {"city": "Oslo"}),
        ToolCall("call_4", "weather", {"place": {"city": 3}}),
        ToolCall("call_5", "broken", {"city": "Oslo"}),
        ToolCall("call_6", "clock", {"city": "Bergen"}),
    ]
    again = ToolCall("call_7", "clock", {"city": "Rome"})
    server.reply(Reply([thoughts, Text("I will look."), *calls], usage=ONE))
    server.reply(Reply([again], usage=TWO))
    server.reply(Reply(["It rains."], usage=THREE))
    asked, called, told = [], [], []

    def approve(call):
        asked.append(call.id)
        return {"call_6": "Bergen is closed"}.get(call.id, True)

    chat = server.client(name, model="m-1").chat(
        tools=[weather, clock, broken],
        approve=approve,
        on_tool_call=called.append,
        on_tool_result=told.append,
    )
    response, events = ask(chat, way, "Weather?")

    assert response.text == "It rains."
    assert response.finish_reason.reason == "stop"
    assert response.usage == ONE + TWO + THREE == chat.usage
    assert [one.usage for one in response.rounds] == [ONE, TWO, THREE]
    assert response.rounds[0].tool_calls == tuple(calls)
    first, second = results(server.requests[1]), results(server.requests[2])
    assert [result.call_id for result in first] == [call.id for call in calls]
    assert said(first[:2]) == [("Oslo, Norway: rain for 2 days", False), ('{"city": "Oslo", "time": "12:00"}', False)]
    assert "no tool named 'moon'" in first[2].content[0].text
    assert "$.place.city" in first[3].content[0].text
    assert [text for text, _ in said(first[4:])] == ["LookupError: no Oslo here", "Bergen is closed"]
    failed = [tells_errors(name) and index > 1 for index in range(6)]
    assert [result.is_error for result in first] == failed
    assert said(second) == [('{"city": "Rome", "time": "12:00"}', False)]
    # What the model said goes back as it came, thoughts and their signatures too.
    sent_back, kept = server.requests[1].messages[-2].content, response.rounds[0].message.content
    if name in ("anthropic", "openai"):
        assert sent_back == kept
    assert [one for one in sent_back if not isinstance(one, Thinking)] == [Text("I will look."), *calls]
    assert (str(server.requests[1].json).count("c2lnbmF0dXJl") == 1) is (signature is not None)
    assert [call.id for call in called] == [*(call.id for call in calls), "call_7"]
    assert asked == ["call_1", "call_2", "call_5", "call_6", "call_7"]
    assert [result.call_id for result in told] == [call.id for call in called]
    roles = [message.role for message in chat.messages]
    assert roles == ["user", "assistant", "user", "assistant", "user", "assistant"]
    if way == "streamed":
        check_events(events, response, told)


def check_events(events, response, told):
    """Each round's events, a result per call, and the two that end it once, at the end."""
    assert [event for event in events if isinstance(event, ToolResult)] == told
    assert [event for event in events if isinstance(event, ToolCall)] == [
        call for one in response.rounds for call in one.tool_calls
    ]
    assert events[-2:] == [response.finish_reason, response.usage]
    assert sum(isinstance(event, (FinishReason, Usage)) for event in events) == 2
    kinds = [type(event) for event in events]
    first = kinds.index(ToolResult)
    assert kinds[first : first + 6] == [ToolResult] * 6
    assert kinds[first - 1] is ToolCall
    assert "".join(event.text for event in events[first:] if isinstance(event, TextDelta)) == "It rains."
    later = [event.index for event in events[first:] if isinstance(event, ToolCallDelta)]
    assert set(later) == {0}


@each
@each_way
def test_rounds_end(server, name, way):
    """After `max_rounds` model calls; the error has them all, and a chat goes on from there."""
    for number in range(2):
        server.reply(Reply([ToolCall(f"call_{number}", "clock", {"city": "Oslo"})], usage=ONE))
    chat = server.client(name, model="m-1").chat(
        tools=[clock], max_rounds=2, history=[UserMessage("a"), AssistantMessage("b")]
    )
    with pytest.raises(ToolLoopError, match="max_rounds=2") as caught:
        ask(chat, way, "Time?")
    assert len(server.requests) == 2
    assert [message.text for message in chat.messages] == ["a", "b"]
    assert chat.usage == ONE + ONE
    messages = caught.value.messages
    assert [message.role for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    server.reply("Noon.")
    following = server.client(name, model="m-1").chat(history=[*chat.messages, *messages], tools=[clock])
    assert ask(following, way)[0].text == "Noon."
    assert [message.role for message in server.requests[-1].messages] == [
        "user", "assistant", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip


@each
@each_way
def test_failing_leaves_the_history(server, name, way):
    """And the error has the prompt and the rounds that were completed."""
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    history = [UserMessage("a"), AssistantMessage("b")]
    chat = server.client(name, model="m-1").chat(tools=[failing(server, "bad key")], history=history)
    with pytest.raises(AuthenticationError) as caught:
        ask(chat, way, "Time?")
    assert [message.text for message in chat.messages] == ["a", "b"]
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    assert caught.value.messages[-1].content[0].call_id == "call_1"
    assert chat.usage == ONE
    server.reply("Noon.")
    assert ask(chat, way, "Time, again?")[0].text == "Noon."
    assert [message.text for message in chat.messages] == ["a", "b", "Time, again?", "Noon."]


@each
def test_a_cut_round_of_a_stream(server, name):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    chat = server.client(name, model="m-1", max_retries=0).chat(tools=[failing(server, "cut stream")])
    stream = chat.stream("Time?")
    with pytest.raises(IncompleteStreamError) as caught:
        list(stream)
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user"]
    assert caught.value.partial is not None
    assert chat.messages == []
    with pytest.raises(IncompleteStreamError):
        next(stream)


@each
@each_way
def test_calls_left_to_the_caller(server, name, way, tmp_path):
    """A tool without a function, and one that is deferred: the others are run, and all results go in one turn."""
    calls = [
        ToolCall("call_1", "pay", {"sum": 3}),
        ToolCall("call_2", "clock", {"city": "Oslo"}),
        ToolCall("call_3", "clock", {"city": "Rome"}),
    ]
    server.reply(Reply([Text("Let me see."), *calls], usage=ONE))
    client = server.client(name, model="m-1")
    chat = client.chat(tools=[by_hand, clock], approve=lambda call: Deferred if call.id == "call_3" else True)
    response, events = ask(chat, way, "Pay?")
    assert response.finish_reason.reason == "tool_calls"
    assert response.usage == ONE
    assert chat.pending == (calls[0], calls[2])
    if way == "streamed":
        assert [event.call_id for event in events if isinstance(event, ToolResult)] == ["call_2"]
    for wrong in (
        None,
        "Paid.",
        [calls[0].result("ok")],
        calls[0].result("ok"),
        [calls[1].result("ok"), calls[0].result("ok")],
    ):
        with pytest.raises(ConfigurationError, match="prompt: .*call"):
            chat.send(wrong)
    chat.save(tmp_path / "talk.json")
    server.reply("Paid.")
    for one in (chat, client.chat(history=str(tmp_path / "talk.json"), tools=[by_hand, clock])):
        assert one.pending == (calls[0], calls[2])
        server.reply("Paid.")
        assert ask(one, way, [calls[2].result("18:00"), calls[0].result("ok")])[0].text == "Paid."
        found = results(server.requests[-1])
        assert [result.call_id for result in found] == ["call_1", "call_2", "call_3"]
        assert said(found) == [("ok", False), ('{"city": "Oslo", "time": "12:00"}', False), ("18:00", False)]
        assert not one.pending
        assert [message.role for message in one.messages] == ["user", "assistant", "user", "assistant"]


def test_results_without_calls(server):
    chat = server.client("anthropic").chat()
    with pytest.raises(ConfigurationError, match="prompt: no call waits"):
        chat.send([ToolResult("call_1", "clock", "noon")])
    with pytest.raises(ConfigurationError, match=r"prompt.*call_1"):
        chat.send(UserMessage(ToolResult("call_1", "clock", "noon")))


def test_a_failed_answer_to_pending_calls_can_be_repeated(server):
    """The error's messages, added to the chat's, are a conversation that goes on."""
    calls = [ToolCall("call_1", "pay", {}), ToolCall("call_2", "clock", {"city": "Oslo"})]
    server.reply(Reply(calls))
    client = server.client("anthropic")
    chat = client.chat(tools=[by_hand, failing(server, "bad key")])
    chat.send("Pay?")
    with pytest.raises(AuthenticationError) as caught:
        chat.send(calls[0].result("ok"))
    assert chat.pending == (calls[0],)
    server.reply("Paid.")
    following = client.chat(history=[*chat.messages, *caught.value.messages], tools=[by_hand, clock])
    assert following.send().text == "Paid."
    assert [result.call_id for result in results(server.requests[-1])] == ["call_1", "call_2"]


ENDINGS = {
    "length": Reply([Text("Once upon")], finish_reason=FinishReason("length")),
    "refusal": Reply([Refusal("No.")], finish_reason=FinishReason("refusal")),
}


@each
@each_way
@pytest.mark.parametrize("ending", ["length", "refusal", "content_filter"])
def test_an_ending_is_told(server, name, way, ending):
    """An answer that was cut, refused or filtered is returned and says so; and the chat goes on."""
    if ending == "content_filter" and name == "anthropic":
        pytest.skip("this wire has no such ending")
    if ending == "refusal" and name == "gemini":
        pytest.skip("this wire has no such ending")
    server.reply(ENDINGS.get(ending) or Reply(["Once"], finish_reason=FinishReason(ending)))
    chat = server.client(name, model="m-1").chat(tools=[clock])
    response, _ = ask(chat, way, "Tell me.")
    assert response.finish_reason.reason == ending
    server.reply("Well.")
    assert ask(chat, way, "Go on.")[0].text == "Well."


@each
@each_way
def test_calls_of_a_turn_that_was_cut_are_not_run(server, name, way):
    """They are answered so in the history, which stays one that providers take."""
    run = []

    def note(city: str) -> None:
        run.append(city)

    noting = tool(note, name="note", description="Notes")
    server.reply(Reply([ToolCall("call_1", "note", {"city": "Oslo"})], finish_reason=FinishReason("length")))
    chat = server.client(name, model="m-1").chat(tools=[noting])
    response, _ = ask(chat, way, "Note it.")
    if response.finish_reason.reason == "tool_calls":
        pytest.skip("this wire does not tell")
    assert response.finish_reason.reason == "length"
    assert not run
    assert not chat.pending
    server.reply("Well.")
    assert ask(chat, way, "Go on.")[0].text == "Well."
    told = [
        part for message in server.requests[-1].messages for part in message.content if isinstance(part, ToolResult)
    ]
    assert [result.call_id for result in told] == ["call_1"]
    assert told[0].is_error is tells_errors(name)
    assert "ended early (length)" in told[0].content[0].text


@each_way
def test_a_paused_turn_is_continued(server, way):
    server.reply(Reply([Text("Searching")], finish_reason=FinishReason("pause"), usage=ONE))
    server.reply(Reply(["Found."], usage=TWO))
    chat = server.client("anthropic").chat()
    response, events = ask(chat, way, "Search.")
    assert (response.text, response.finish_reason.reason) == ("Found.", "stop")
    assert response.usage == ONE + TWO
    assert len(response.rounds) == 2
    assert [message.role for message in server.requests[1].messages] == ["user", "assistant"]
    if way == "streamed":
        assert events[-2:] == [response.finish_reason, ONE + TWO]


def test_arguments_that_are_no_object(server):
    server.reply(Reply([ToolCall("call_1", "clock", raw='{"city": "Os')]))
    server.reply("Sorry.")
    chat = server.client("openai-chat", model="m-1").chat(tools=[clock])
    assert chat.send("Time?").text == "Sorry."
    assert "no JSON object" in results(server.requests[1])[0].content[0].text


# Where and how tools run.


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


# The chat itself.


@each
@each_way
def test_history_grows(server, name, way):
    chat = server.client(name, model="m-1").chat(system="Be brief.")
    for text in ("One", "Two"):
        server.reply(f"{text}.")
        assert ask(chat, way, text, media=[PICTURE] if text == "One" else None)[0].text == f"{text}."
    assert [message.text for message in chat.messages] == ["One", "One.", "Two", "Two."]
    assert chat.messages[0].content == (PICTURE, Text("One"))
    assert server.requests[1].messages[1].content == (PICTURE, Text("One"))
    assert server.requests[1].messages[0].text == "Be brief."
    branch = chat.fork()
    server.reply("Three.")
    branch.send("Three")
    assert len(chat.messages) == 4
    assert len(branch.messages) == 6
    chat.messages.append(UserMessage("not kept"))
    assert len(chat.messages) == 4


def test_who_was_forced_to_call_may_answer_then(server):
    """Else a chat would call for ever."""
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})]))
    server.reply("Noon.")
    chat = server.client("openai-chat", model="m-1").chat(tools=[clock])
    assert chat.send("Time?", tool_choice="required").text == "Noon."
    assert server.requests[0].json["tool_choice"] == "required"
    assert server.requests[1].json.get("tool_choice") in (None, "auto")


def test_a_request_as_prompt(server):
    server.reply("Noon.")
    chat = server.client("anthropic").chat(max_tokens=5)
    chat.send(Request("Time?", max_tokens=7), max_tokens=6)
    assert server.requests[0].json["max_tokens"] == 7


WRONG = {
    "hook": ({"approve": True}, "approve: expected a function"),
    "rounds": ({"max_rounds": 0}, "max_rounds: expected a whole number from 1"),
    "option": ({"temprature": 1}, "temprature: no such option; did you mean 'temperature'"),
    "history": ({"history": [3]}, r"prompt\[0\]|history"),
    "file": ({"history": "no/such/file.json"}, "history: .*no/such/file.json"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(server, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        server.client("anthropic").chat(**arguments)


def test_a_provider_tool_is_left_to_the_caller(server):
    """One that the provider has the client run, such as a shell."""
    server.reply(Reply([ToolCall("call_1", "bash", {"command": "ls"})]))
    chat = server.client("anthropic").chat(tools=[ServerTool({"type": "bash_20250124", "name": "bash"})])
    assert chat.send("List.").finish_reason.reason == "tool_calls"
    assert [call.name for call in chat.pending] == ["bash"]


def test_a_send_from_within_a_tool_is_refused(server):
    """The chat belongs to one send at a time."""

    @tool
    def again() -> str:
        """Sends again."""
        return chat.send("Inner").text

    server.reply(Reply([ToolCall("call_1", "again", {})]))
    server.reply("Inner.")
    server.reply("Outer.")
    chat = server.client("anthropic").chat(tools=[again])
    with pytest.raises(ConfigurationError, match="the chat went on meanwhile"):
        chat.send("Outer")


# Streams.


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


# Outputs.


@each
@each_way
def test_output_after_tools(server, name, way):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    server.reply(Reply(['{"city": "Oslo"}'], usage=TWO))
    chat = server.client(name, model="m-1").chat(tools=[clock])
    response, _ = ask(chat, way, "Where?", output_type=Place)
    assert response.output == Place("Oslo")
    assert response.usage == ONE + TWO
    assert response.rounds[1].output == Place("Oslo")
    with pytest.raises(OutputError, match="calls tools first"):
        response.rounds[0].output  # noqa: B018


def test_output_that_does_not_fit(server):
    server.reply(Reply(['{"city": 3}'], usage=ONE))
    chat = server.client("anthropic").chat()
    with pytest.raises(OutputError) as caught:
        chat.send("Where?", output_type=Place)
    assert chat.messages == []
    assert chat.usage == ONE
    assert caught.value.messages == (UserMessage("Where?"),)
    server.reply(Reply(['{"city": 3}'], usage=ONE))
    server.reply(Reply(['{"city": "Oslo"}'], usage=TWO))
    response = chat.send("Where?", output_type=Place, output_retries=1)
    assert response.output == Place("Oslo")
    assert response.usage == ONE + TWO
    assert [message.role for message in chat.messages] == ["user", "assistant"]
