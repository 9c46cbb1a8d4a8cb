"""One conversation on all four wires: it arrives as it was sent, and moves from one to another or says what cannot."""

import re
import warnings

import attrs
import pytest

from llmkit import (
    AssistantMessage,
    Document,
    FinishReason,
    Image,
    Opaque,
    SystemMessage,
    Text,
    Thinking,
    ThinkingDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    UnsupportedOptionError,
    Usage,
    UserMessage,
)
from llmkit.media.png import encode as png
from llmkit.testing import FakeServer, Reply, by_characters, by_words, unsplit

PROVIDERS = {
    "anthropic": "anthropic-messages",
    "openai": "openai-responses",
    "openai-chat": "openai-chat",
    "gemini": "gemini-generate",
}
each = pytest.mark.parametrize("name", PROVIDERS)
PICTURE = Image(png(bytes(3 * 4 * 4), 4, 4, 3))
OTHER = Image(png(bytes([255] * 3 * 2 * 2), 2, 2, 3))
PAPER = Document(b"%PDF-1.7\n%fake\n%%EOF\n", name="paper.pdf")
TOOLS = [
    Tool("weather", "The weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
    Tool("clock", "The time in a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
]
CALLS = (ToolCall("call_1", "weather", {"city": "Oslo"}), ToolCall("call_2", "clock", {"city": "Oslo"}))


def thinking(wire):
    """Signed, but on Chat, where nobody signs."""
    signature = None if wire == "openai-chat" else "c2lnbmF0dXJl"
    return Thinking("They want the weather and the time.", signature, wire=wire)


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


def conversation(wire):
    """A question with two pictures and a document, thoughts, two calls, their results, and what follows."""
    return [
        UserMessage(["What is in these, and how is Oslo?", PICTURE, OTHER, PAPER]),
        AssistantMessage([thinking(wire), "I will look.", *CALLS]),
        UserMessage([CALLS[0].result("4 °C and rain"), CALLS[1].result("no clock there", is_error=True)]),
        AssistantMessage("It rains."),
        UserMessage("And tomorrow?"),
    ]


@each
def test_an_answer_means_the_same(server, name):
    """Thoughts, text and two parallel calls, whole and streamed, however they are cut."""
    wire = PROVIDERS[name]
    answer = [thinking(wire), Text("I will look."), *CALLS]
    usage = Usage(50, 30, 10, 0, 12)
    client = server.client(name, model="m-1")
    script = Reply(answer, usage=usage, id="resp_1")
    server.reply(script)
    whole = client.complete("Weather?", tools=TOOLS)
    assert whole.message.content == (*answer,)
    assert whole.finish_reason.reason == "tool_calls"
    assert whole.usage == usage
    for chunking in (by_characters, by_words, unsplit):
        server.chunking = chunking
        server.reply(script)
        with client.stream("Weather?", tools=TOOLS) as stream:
            events = list(stream)
        assert stream.collect() == whole
        assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == whole.thinking
        calls = [event for event in events if isinstance(event, ToolCallDelta)]
        assert {(event.index, event.id) for event in calls} == {(0, "call_1"), (1, "call_2")}
        assert [type(event) for event in events[-2:]] == [FinishReason, Usage]


@each
def test_a_conversation_arrives_as_it_was_sent(server, name):
    sent = conversation(PROVIDERS[name])
    client = server.client(name, model="m-1")
    client.complete(sent, system="Be brief.", tools=TOOLS)
    system, *arrived = server.requests[-1].messages
    assert system.text == "Be brief."
    assert said(arrived, name) == said(sent, name)


def said(messages, name):
    """What every wire must carry; then what some have no place for is left out, each with its reason."""
    found = []
    for message in messages:
        parts = [normal(part, name) for part in message.content]
        kind = type(message)
        if found and found[-1][0] is kind:  # turns of one role are one to some hosts
            found[-1][1].extend(parts)
        else:
            found.append((kind, parts))
    return [(kind, sorted((part for part in parts if part is not None), key=is_no_result)) for kind, parts in found]


def is_no_result(part):
    return not isinstance(part, ToolResult)


def normal(part, name):
    if isinstance(part, ToolResult):
        # Chat and Responses have no field for the name or the failure of a result.
        part = attrs.evolve(part, name="")
        return part if name in ("anthropic", "gemini") else attrs.evolve(part, is_error=False)
    if isinstance(part, Document):
        return attrs.evolve(part, name=None)  # Gemini has no place for names of media
    if isinstance(part, Thinking) and name == "openai-chat":
        return None  # OpenAI's own Chat takes no thoughts back
    return part


@pytest.mark.parametrize("source", PROVIDERS)
@pytest.mark.parametrize("target", PROVIDERS)
def test_a_conversation_moves(server, source, target):
    """Everything moves but thoughts, which only their own wire can read."""
    if source == target:
        return
    server.reply(Reply([thinking(PROVIDERS[source]), "I will look.", *CALLS], id="resp_1"))
    question = UserMessage(["How is Oslo?", PICTURE])
    answer = server.client(source, model="m-1").complete(question, tools=TOOLS).message
    results = UserMessage([call.result("fine") for call in CALLS])
    moved = [question, answer, results]
    server.client(target, model="m-1").complete(moved, tools=TOOLS)
    expected = [
        question,
        AssistantMessage([part for part in answer.content if not isinstance(part, Thinking)]),
        results,
    ]
    assert said(server.requests[-1].messages, target) == said(expected, target)


def test_what_cannot_move_is_named(server):
    """A file that lies with one provider, and a block that only one wire has."""
    file = Image(file_id="file_1", extra={"anthropic-messages": {}})
    for name in ("openai", "openai-chat", "gemini"):
        with pytest.raises(UnsupportedOptionError) as caught:
            server.client(name, model="m-1").complete(UserMessage([Text("See"), file]))
        assert caught.value.path == "prompt[0].content[1].file_id"
        lenient = server.client(name, model="m-1", unsupported="warn")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert lenient.complete(UserMessage([Text("See"), file])).text == "See"
        assert "file_id" in str(told[0].message)


IDS = {
    "of other characters": ("functions.weather:0", "functions.weather:1", ""),
    "longer than some hosts take": ("c" * 80, "c" * 79 + "d"),
    "counted anew in each turn": ("call_0", "call_0", "call_0"),
    "as of an id that was made up": ("call_0", "a.b", "a.b"),
}
# Anthropic's own pattern; the most that OpenAI takes.
TAKEN = {"anthropic": r"[a-zA-Z0-9_-]+", "openai": r"(?s).{1,64}"}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS.keys())
def test_ids_of_calls_are_such_as_the_host_takes(server, name, ids):
    """Each call has another, and its result the same, whatever they were where they come from."""
    sent = [UserMessage("Go")]
    for number, id_ in enumerate(ids):
        call = ToolCall(id_, "weather", {"n": number})
        sent += [AssistantMessage(call), UserMessage(call.result(str(number)))]
    client = server.client(name, model="m-1")
    client.complete(sent)
    arrived = [part for message in server.requests[-1].messages for part in message.content]
    calls = [part for part in arrived if isinstance(part, ToolCall)]
    results = [part for part in arrived if isinstance(part, ToolResult)]
    assert len({call.id for call in calls}) == len(ids)
    assert all(re.fullmatch(TAKEN[name], call.id) for call in calls)
    assert [(result.call_id, result.content) for result in results] == [
        (call.id, (Text(str(call.arguments["n"])),)) for call in calls
    ]
    # A conversation that goes on begins as before, so that what the host has cached of it is of use.
    client.complete([*sent, AssistantMessage("Well"), UserMessage("Go on")])
    again = [part for message in server.requests[-1].messages for part in message.content]
    assert [part for part in again if isinstance(part, ToolCall)] == calls


FOREIGN = Opaque("another-wire", {"type": "x"})
ASKED = [UserMessage("How is Oslo?"), AssistantMessage(["I will look.", CALLS[0]])]
RESULT = CALLS[0].result("fine")
PLACES = {
    "in the instructions": ([UserMessage("Go")], SystemMessage(["Be brief", FOREIGN]), "system[1]"),
    "in a question": ([UserMessage(["Go", FOREIGN])], None, "prompt[0].content[1]"),
    "behind instructions": ([SystemMessage("Hm"), UserMessage(["Go", FOREIGN])], None, "prompt[1].content[1]"),
    "alone": ([UserMessage("Go"), AssistantMessage("Well"), UserMessage(FOREIGN)], None, "prompt[2].content[0]"),
    "in an answer": (
        [UserMessage("Go"), AssistantMessage(["Well", FOREIGN]), UserMessage("On")],
        None,
        "prompt[1].content[1]",
    ),
    # Results are sent first, and counted where they stand.
    "before a result": ([*ASKED, UserMessage([FOREIGN, RESULT])], None, "prompt[2].content[0]"),
    "in a result": ([*ASKED, UserMessage(CALLS[0].result(["fine", FOREIGN]))], None, "prompt[2].content[0].content[1]"),
    "in the second result": (
        [UserMessage("Go"), AssistantMessage(CALLS), UserMessage([RESULT, CALLS[1].result([FOREIGN])])],
        None,
        "prompt[2].content[1].content[0]",
    ),
}


@each
@pytest.mark.parametrize(("prompt", "system", "path"), PLACES.values(), ids=PLACES.keys())
def test_what_is_refused_is_named_by_where_the_caller_put_it(server, name, prompt, system, path):
    with pytest.raises(UnsupportedOptionError) as caught:
        server.client(name, model="m-1").complete(prompt, system=system)
    assert caught.value.path == path


@pytest.mark.parametrize("name", ["anthropic", "openai", "openai-chat"])
def test_a_picture_of_the_models_is_refused_by_its_path(server, name):
    """Gemini alone takes back what another made."""
    asked = [UserMessage("Draw"), AssistantMessage(["Here", PICTURE]), UserMessage("Another")]
    with pytest.raises(UnsupportedOptionError) as caught:
        server.client(name, model="m-1").complete(asked)
    assert caught.value.path == "prompt[1].content[1]"


@pytest.mark.parametrize("name", ["anthropic", "openai", "openai-chat"])
def test_an_empty_text_that_is_signed_is_for_its_own_wire_alone(server, name):
    client, bodies = server.client(name, model="m-1"), []
    for seals in ([], [Text("", extra={"gemini-generate": {"thoughtSignature": "c2ln"}})]):
        client.complete([UserMessage("Hi"), AssistantMessage([*seals, "Ho"]), UserMessage("Well?")])
        bodies.append(server.requests[-1].json)
    assert bodies[0] == bodies[1]


@each
def test_a_stream_that_is_cut_is_no_answer(server, name):
    from llmkit import IncompleteStreamError

    client = server.client(name, model="m-1", max_retries=0)
    server.reply("one two three four five six")
    server.fault("cut stream")
    with pytest.raises(IncompleteStreamError) as caught:
        client.stream("Hi").collect()
    assert "one two three four five six".startswith(caught.value.partial.text)
    assert caught.value.partial.text


@each
def test_models_and_counts(server, name):
    client = server.client(name, model="m-1")
    assert {model.id for model in client.models()} == {model.id for model in server.models}
    server.token_count = 42
    if name == "openai-chat":
        from llmkit import ConfigurationError

        with pytest.raises(ConfigurationError, match="cannot count"):
            client.count_tokens("Hi")
    else:
        assert client.count_tokens("Hi", system="Be brief.", tools=TOOLS) == 42
