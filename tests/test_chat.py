"""Chats: tools are run until the model answers, on all four wires, whole and streamed; what fails loses nothing."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from chats import (
    ONE,
    PICTURE,
    THREE,
    TWO,
    WIRES,
    Place,
    ask,
    broken,
    by_hand,
    clock,
    each,
    each_way,
    failing,
    results,
    said,
    tells_errors,
    weather,
)

from llmkit import (
    AssistantMessage,
    AuthenticationError,
    ConfigurationError,
    FinishReason,
    Image,
    IncompleteStreamError,
    OutputError,
    Price,
    Refusal,
    Request,
    Text,
    TextDelta,
    Thinking,
    ToolCall,
    ToolCallDelta,
    ToolLoopError,
    ToolResult,
    Usage,
    UserMessage,
    tool,
)
from llmkit.testing import Reply


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
    error = caught.value
    assert (error.provider, error.model, error.attempts) == (name, "m-1", 1)
    messages = error.messages
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
    "history": ({"history": [3]}, r"history\[0\]: expected a message"),
    "history of dicts": ({"history": [{"role": "elf", "content": ""}]}, r"history\[0\]\.role"),
    "history of bytes": ({"history": b"{}"}, "history: expected"),
    "no name of a file": ({"history": "\0"}, "history: "),
    "file": ({"history": "no/such/file.json"}, "history: .*no/such/file.json"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments(server, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        server.client("anthropic").chat(**arguments)


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
    with pytest.raises(ConfigurationError, match="the chat went on meanwhile") as caught:
        chat.send("Outer")
    assert [message.role for message in caught.value.messages] == ["user", "assistant", "user", "assistant"]


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


COLLECTED = {
    "sent": lambda chat, *said, **options: chat.send(*said, **options),
    "collected": lambda chat, *said, **options: chat.stream(*said, **options).collect(),
    "read, then collected": lambda chat, *said, **options: ask(chat, "streamed", *said, **options),
}


@each
@pytest.mark.parametrize("get", COLLECTED.values(), ids=COLLECTED.keys())
@pytest.mark.parametrize("calls", [0, 1])
def test_an_answer_that_does_not_fit_has_what_all_rounds_cost(server, name, get, calls):
    for _ in range(calls):
        server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    server.reply(Reply(["Noon."], usage=TWO))
    chat = server.client(name, model="m-1", prices={"m-1": Price(1, 5)}).chat(tools=[clock])
    with pytest.raises(OutputError) as caught:
        get(chat, "Time?", output_type=int)
    response = caught.value.response
    assert [one.usage for one in response.rounds] == [ONE, TWO][1 - calls :]
    assert response.usage == sum((one.usage for one in response.rounds), Usage()) == chat.usage
    assert response.cost == sum(one.cost for one in response.rounds) == chat.cost
    assert (response.finish_reason.reason, response.text) == ("stop", "Noon.")
    assert pickle.loads(pickle.dumps(caught.value)).response == response
    with pytest.raises(OutputError) as read:
        response.output  # noqa: B018
    assert read.value.response == response


def test_an_answer_that_does_not_fit_twice_is_one_round(server):
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    server.reply(Reply(["Noon."], usage=TWO))
    server.reply(Reply(["Noon!"], usage=THREE))
    chat = server.client("anthropic").chat(tools=[clock])
    with pytest.raises(OutputError) as caught:
        chat.send("Time?", output_type=int, output_retries=1)
    assert [one.usage for one in caught.value.response.rounds] == [ONE, TWO + THREE]
    assert caught.value.response.usage == chat.usage == ONE + TWO + THREE


@each_way
def test_what_a_hook_was_answered_is_not_the_chats(server, way):
    """Only the chat's own answer is summed."""

    def approve(_):
        client.complete("May it?", output_type=bool)

    client = server.client("anthropic")
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], usage=ONE))
    server.reply(Reply(["Perhaps."], usage=TWO))
    chat = client.chat(tools=[clock], approve=approve)
    with pytest.raises(OutputError) as caught:
        ask(chat, way, "Time?", output_type=int)
    assert (caught.value.response.usage, caught.value.response.rounds) == (TWO, ())
    assert chat.usage == ONE


REFUSED = {
    "a value": {"temperature": "hot"},
    "a name": {"bogus": 1},
    "media": {"media": [3]},
    "a type": {"output_type": object()},
}


@each
@each_way
@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED.keys())
def test_refused_options_leave_what_was_said(server, name, way, options):
    chat = server.client(name, model="m-1").chat()
    with pytest.raises(ConfigurationError) as caught:
        ask(chat, way, "Time?", **options)
    assert caught.value.messages == (UserMessage("Time?"),)
    assert chat.messages == []
    assert server.requests == []


@each_way
def test_what_cannot_be_sent_now_is_left_too(server, way):
    server.reply(Reply([ToolCall("call_1", "pay", {"sum": 1})]))
    chat = server.client("anthropic").chat(tools=[by_hand])
    chat.send("Pay.")
    with pytest.raises(ConfigurationError, match="calls wait for an answer") as caught:
        ask(chat, way, "Time?")
    assert caught.value.messages == (UserMessage("Time?"),)


@each_way
def test_what_was_asked_again_in_vain_is_counted(server, way):
    """The first answer was paid for, although the second call failed."""

    def answer(request):
        server.fault("bad key")
        return Reply(['{"city": 3}'], usage=ONE)

    server.reply_with(answer)
    chat = server.client("anthropic").chat()
    with pytest.raises(OutputError if way == "streamed" else AuthenticationError) as caught:
        ask_for_place(chat, way)
    assert chat.usage == ONE
    assert caught.value.messages == (UserMessage("Where?"),)
    assert chat.messages == []


def ask_for_place(chat, way):
    if way == "whole":
        chat.send("Where?", output_type=Place, output_retries=1)
    else:
        chat.stream("Where?", output_type=Place).collect()


@pytest.mark.parametrize("of", ["client", "chat"])
def test_media_that_go_with_every_prompt(server, of):
    """They are attached to what is said, once; not to results, nor where nothing is said."""
    client = server.client("anthropic")
    chat = (
        client.with_options(media=PICTURE).chat(tools=[clock])
        if of == "client"
        else client.chat(tools=[clock], media=PICTURE)
    )
    server.reply(ToolCall("call_1", "clock", {"city": "Oslo"}))
    chat.send("Time?")
    first, second = server.requests
    assert first.messages[-1].content == (PICTURE, Text("Time?"))
    assert [type(part) for message in second.messages for part in message.content] == [
        Image,
        Text,
        ToolCall,
        ToolResult,
    ]
    server.reply("Noon.")
    following = client.with_options(media=PICTURE).chat(history=[UserMessage("Time?")])
    assert following.send().text == "Noon."
    assert server.requests[-1].messages[-1].content == (Text("Time?"),)
    with pytest.raises(ConfigurationError, match="media: there is no user message"):
        following.send(media=PICTURE)


@pytest.mark.parametrize("prompt", [[], (), "", UserMessage(())], ids=["list", "tuple", "text", "message"])
def test_an_empty_prompt_is_refused(server, prompt):
    """It is not the same as none, which goes on from the history."""
    chat = server.client("anthropic").chat(history=[UserMessage("a"), AssistantMessage("b")])
    with pytest.raises(ConfigurationError, match=r"prompt.*empty"):
        chat.send(prompt)
    assert not server.requests


def test_pauses_without_end(server):
    server.reply_with(lambda request: Reply([Text("Searching")], finish_reason=FinishReason("pause"), usage=ONE))
    chat = server.client("anthropic").chat(max_rounds=3)
    with pytest.raises(ToolLoopError, match="not done after max_rounds=3") as caught:
        chat.send("Search.")
    assert [message.role for message in caught.value.messages] == ["user", *["assistant"] * 3]


def test_many_threads_with_a_chat_each(server):
    """On one client: nobody gets another's answer."""

    def answer(request):
        last = request.messages[-1]
        if any(isinstance(part, ToolResult) for part in last.content):
            return Reply([" ".join(part.text for part in last.content)], usage=ONE)
        return Reply(
            [ToolCall(f"call_{number}", "shout", {"text": f"{last.text}-{number}"}) for number in (0, 1)], usage=TWO
        )

    def shout(text: str) -> str:
        """Shouts."""
        return text.upper()

    def talk(number):
        chat = client.chat(tools=[shout])
        for turn in range(4):
            response, _ = ask(chat, "whole" if turn % 2 else "streamed", f"t{number}-{turn}")
            assert response.text == f"T{number}-{turn}-0 T{number}-{turn}-1"
            assert response.usage == ONE + TWO
        return chat.usage

    server.reply_with(answer)
    client = server.client("anthropic")
    with ThreadPoolExecutor(16) as pool:
        found = [*pool.map(talk, range(16))]
    assert found == [sum([ONE + TWO] * 4, Usage())] * 16
