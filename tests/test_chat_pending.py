"""Calls that are left to the caller: kept, and answered in one turn."""

import pytest
from chats import ONE, PICTURE, ask, by_hand, clock, each, each_way, failing, results, said

from llmkit import (
    AssistantMessage,
    AuthenticationError,
    ConfigurationError,
    Deferred,
    FinishReason,
    Request,
    ServerTool,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.testing import Reply


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


def test_a_provider_tool_is_left_to_the_caller(server):
    """One that the provider has the client run, such as a shell."""
    server.reply(Reply([ToolCall("call_1", "bash", {"command": "ls"})]))
    chat = server.client("anthropic").chat(tools=[ServerTool({"type": "bash_20250124", "name": "bash"})])
    assert chat.send("List.").finish_reason.reason == "tool_calls"
    assert [call.name for call in chat.pending] == ["bash"]


TWO_CALLS = [ToolCall("call_1", "pay", {"sum": 1}), ToolCall("call_2", "pay", {"sum": 2})]
FIRST, SECOND = (call.result(f"paid {call.arguments['sum']}") for call in TWO_CALLS)
ANSWERS = {
    "results": ([FIRST, SECOND], []),
    "in another order": ((SECOND, FIRST), []),
    "a message": (UserMessage([SECOND, FIRST]), []),
    "messages": ([UserMessage(SECOND), UserMessage(FIRST)], []),
    "with words before": (UserMessage(["Look:", SECOND, FIRST]), [Text("Look:")]),
    "with media": (UserMessage([FIRST, PICTURE, SECOND]), [PICTURE]),
    "without names": ([ToolResult("call_2", "", "paid 2"), ToolResult("call_1", "", "paid 1")], []),
    "a request": (Request(UserMessage([SECOND, FIRST])), []),
    "dicts of OpenAI": (
        [{"role": "tool", "tool_call_id": f"call_{number}", "content": f"paid {number}"} for number in (2, 1)],
        [],
    ),
    "a dict of Anthropic": (
        {
            "role": "user",
            "content": [
                *({"type": "tool_result", "tool_use_id": f"call_{n}", "content": f"paid {n}"} for n in (2, 1)),
                {"type": "text", "text": "Both."},
            ],
        },
        [Text("Both.")],
    ),
}


@each
@pytest.mark.parametrize(("answer", "beside"), ANSWERS.values(), ids=ANSWERS.keys())
def test_the_ways_to_answer(server, name, answer, beside):
    """However they are given, the results stand first, in the order of the calls; also in what an error keeps."""
    server.reply(TWO_CALLS)
    client = server.client(name, model="m-1")
    chat = client.chat(tools=[by_hand])
    chat.send("Pay.")
    server.fault("bad key")
    with pytest.raises(AuthenticationError) as caught:
        chat.send(answer)
    assert caught.value.messages == (UserMessage([FIRST, SECOND, *beside]),)
    server.reply("Thanks.")
    assert chat.send(answer).text == "Thanks."
    assert chat.messages[2] == UserMessage([FIRST, SECOND, *beside])
    sent = [part for message in server.requests[-1].messages for part in message.content]
    assert sent == [Text("Pay."), *TWO_CALLS, FIRST, SECOND, *beside]


WRONG = {
    "too few": [FIRST],
    "one twice": [FIRST, FIRST, SECOND],
    "one instead of the other": [FIRST, FIRST],
    "one of none": [FIRST, SECOND, ToolResult("call_3", "pay", "paid")],
    "other ids": [ToolResult("call_3", "pay"), ToolResult("call_4", "pay")],
    "nothing": [],
    "words": "Paid.",
    "nobody's words": None,
    "words after them": [UserMessage([FIRST, SECOND]), UserMessage("Go on.")],
    "an answer of the model": [AssistantMessage("Paid.")],
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_anything_else(server, answer):
    server.reply(TWO_CALLS)
    chat = server.client("anthropic").chat(tools=[by_hand])
    chat.send("Pay.")
    with pytest.raises(ConfigurationError, match="prompt: "):
        chat.send(answer)
    assert len(server.requests) == 1
    assert chat.pending == tuple(TWO_CALLS)
    assert chat.fork().pending == tuple(TWO_CALLS)


@pytest.mark.parametrize("name", ["openai-chat", "gemini"])
def test_calls_of_one_id(server, name):
    """As some hosts number them: the first result is the first call's."""
    calls = [ToolCall("call_1", "pay", {"sum": number}) for number in (1, 2)]
    history = [UserMessage("Pay."), AssistantMessage(calls)]
    chat = server.client(name, model="m-1").chat(history=history, tools=[by_hand])
    assert chat.pending == tuple(calls)
    server.reply("Thanks.")
    chat.send([calls[0].result("one"), calls[1].result("two")])
    assert [result.text for result in chat.messages[2].content] == ["one", "two"]
    with pytest.raises(ConfigurationError, match="no call waits"):
        chat.send(calls[0].result("three"))


@each_way
def test_who_was_forced_to_call_may_answer_the_results(server, way):
    """Else a chat that forces calls which the caller answers would never end."""
    chat = server.client("openai-chat", model="m-1").chat(tools=[by_hand], tool_choice="required")
    server.reply(TWO_CALLS[0])
    ask(chat, way, "Pay.")
    server.reply("Thanks.")
    ask(chat, way, FIRST)
    server.reply(TWO_CALLS[1])
    ask(chat, way, "Again.")
    ask(chat, way, SECOND, tool_choice="none")
    assert [request.json["tool_choice"] for request in server.requests] == ["required", "auto", "required", "none"]


def test_results_whose_calls_the_provider_keeps(server):
    """Two turns of results are one, and none is lost, although nothing here has the calls."""
    history = [UserMessage(FIRST), UserMessage([SECOND, "Go on."])]
    chat = server.client("openai").chat(history=history)
    assert chat.messages == [UserMessage([FIRST, SECOND, "Go on."])]


@each
@each_way
def test_hosts_without_a_word_for_it(server, name, way):
    """Some never say why a turn ended: what calls tools does so all the same, also where an output is wanted."""
    ending = FinishReason("other", "whatever")
    server.reply(Reply([ToolCall("call_1", "clock", {"city": "Oslo"})], finish_reason=ending))
    server.reply(Reply([TWO_CALLS[0]], finish_reason=ending))
    chat = server.client(name, model="m-1").chat(tools=[by_hand, clock])
    response, events = ask(chat, way, "Pay.", output_type=int)
    assert response.finish_reason.reason == "tool_calls"
    assert chat.pending == (TWO_CALLS[0],)
    if way == "streamed":
        assert events[-2] == response.finish_reason
    server.reply("3")
    assert ask(chat, way, FIRST, output_type=int)[0].output == 3
