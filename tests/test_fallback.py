"""`Client.fallback`: who is asked next, after what, and what is told of it."""

import gc
import io
import pickle
import socket
import threading
import time
import warnings
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from llmkit import (
    APIError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    Client,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineError,
    Image,
    IncompleteStreamError,
    InvalidResponseError,
    LLMKitError,
    NotFoundError,
    Opaque,
    OutputError,
    OverloadedError,
    Price,
    QuotaExceededError,
    RateLimit,
    RateLimitError,
    Request,
    ServerError,
    ServerTool,
    StreamClosedError,
    StreamError,
    Text,
    TextDelta,
    Thinking,
    Timeout,
    ToolCall,
    ToolResult,
    UnsupportedOptionError,
    UnsupportedWarning,
    Usage,
    UserMessage,
    tool,
)
from llmkit.testing import FakeServer

BUSY = OverloadedError("too much to do")
FOREIGN = Opaque("anthropic-messages", {"type": "container_upload", "file_id": "f"})
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


@pytest.fixture
def first():
    with FakeServer() as server:
        yield server


@pytest.fixture
def second():
    with FakeServer() as server:
        yield server


@pytest.fixture
def both(first, second):
    return Client.fallback([first.client("anthropic", max_retries=0), second.client("openai", max_retries=0)])


def failing(server, fault, times):
    for _ in range(times):
        server.fault(fault)


def mapped(client):
    (result,) = client.map(["Hi"])
    return result.unwrap()


# Who answers.


WAYS = {
    "complete": lambda client: client.complete("Hi"),
    "a Request": lambda client: client.complete(Request("Hi", max_tokens=50)),
    "a long answer, which is streamed": lambda client: client.complete("Hi", max_tokens=64_000),
    "stream": lambda client: client.stream("Hi").collect(),
    "send": lambda client: client.chat().send("Hi"),
    "a chat's stream": lambda client: client.chat().stream("Hi").collect(),
    "map": mapped,
    "submit": lambda client: client.submit("Hi").result(),
}
each_way = pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS.keys())


@each_way
def test_the_first_answers_alone(first, second, both, ask):
    first.reply("from the first")
    response = ask(both)
    assert (response.text, response.provider, response.attempts) == ("from the first", "anthropic", 1)
    assert second.requests == []


@each_way
def test_the_second_answers_where_the_first_fails(first, second, both, ask):
    first.fault("overloaded")
    second.reply("from the second", usage=Usage(3, 4))
    response = ask(both)
    assert (response.text, response.provider, response.usage) == ("from the second", "openai", Usage(3, 4))
    assert response.model == second.requests[0].json["model"]
    assert response.attempts == 2
    assert (len(first.requests), len(second.requests)) == (1, 1)


@each_way
def test_nobody_answers(first, second, both, ask):
    first.fault("overloaded")
    second.fault("server error")
    with pytest.raises(ServerError) as caught:
        ask(both)
    assert (caught.value.provider, caught.value.status, caught.value.attempts) == ("openai", 500, 2)
    (note,) = caught.value.__notes__
    assert note.startswith(f"anthropic, {first.requests[0].json['model']}: OverloadedError: ")


HOSTS = ("anthropic", "openai", "openai-chat", "gemini")


@pytest.mark.parametrize("asked", HOSTS)
@pytest.mark.parametrize("answers", HOSTS)
def test_each_may_speak_any_wire(first, second, asked, answers):
    both = Client.fallback([first.client(asked, max_retries=0), second.client(answers)])
    failing(first, "overloaded", 1)
    failing(first, "error event first", 1)
    second.reply("yes")
    second.reply("yes")
    said = [Text("Hi"), Image(data=PNG)]
    for response in (both.complete(UserMessage(said)), both.stream(UserMessage(said)).collect()):
        assert (response.text, response.provider) == ("yes", answers)
    assert [request.messages for request in second.requests] == [[UserMessage(said)]] * 2


def test_each_call_begins_with_the_first(first, second, both):
    first.fault("overloaded")
    assert [both.complete("Hi").provider for _ in range(2)] == ["openai", "anthropic"]


def test_a_member_tries_again_by_itself_before(first, second):
    both = Client.fallback([first.client("anthropic", max_retries=2), second.client("openai")])
    failing(first, "rate limited", 3)
    response = both.complete("Hi")
    assert (response.provider, response.attempts, len(first.requests)) == ("openai", 4, 3)


def test_a_host_that_is_not_there(second):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
        nobody = Client("ollama:x", base_url=gone, max_retries=0)
        assert Client.fallback([nobody, second.client("openai")]).complete("Hi").provider == "openai"


# After what.

ENDS = {
    "a bad request": (BadRequestError("no", status=400), BadRequestError),
    "a bad key": (AuthenticationError("no", status=401), AuthenticationError),
    "no such model": (NotFoundError("no", status=404), NotFoundError),
    "a quota that is used up": (
        QuotaExceededError("You exceeded your current quota", status=429, code="insufficient_quota"),
        QuotaExceededError,
    ),
}


@each_way
@pytest.mark.parametrize(("reply", "raised"), ENDS.values(), ids=ENDS.keys())
def test_what_another_try_cannot_mend_ends_the_call(first, second, ask, reply, raised):
    both = Client.fallback([first.client("openai", max_retries=0), second.client("anthropic")])
    first.reply(reply)
    with pytest.raises(raised) as caught:
        ask(both)
    assert caught.value.provider == "openai"
    assert not hasattr(caught.value, "__notes__")
    assert second.requests == []


def test_what_is_no_answer_ends_the_call(first, second, both):
    first.fault("HTML")
    with pytest.raises(InvalidResponseError):
        both.complete("Hi")
    assert second.requests == []


GOES_ON = {
    "server error": "server error",
    "rate limited": "rate limited",
    "no answer": "no answer",
    "cut connection": "cut connection",
    "error event first": "error event first",
}


@pytest.mark.parametrize("fault", GOES_ON)
def test_a_whole_answer_is_asked_of_the_next_after(first, second, both, fault):
    first.fault(fault)
    assert both.complete("Hi").provider == "openai"


BEFORE_THE_FIRST_EVENT = {
    "an error event": ("error event first", None),
    "the end": ("no events", None),
    "a reset": ("cut connection", 0),
}


@pytest.mark.parametrize(("fault", "after"), BEFORE_THE_FIRST_EVENT.values(), ids=BEFORE_THE_FIRST_EVENT.keys())
def test_a_stream_that_fails_before_its_first_event_is_asked_of_the_next(first, second, both, fault, after):
    first.fault(fault, after=after)
    second.reply("Hello there")
    with both.stream("Hi") as stream:
        assert "".join(stream.text_deltas()) == "Hello there"
        response = stream.collect()
    assert (response.provider, response.attempts) == ("openai", 2)
    assert stream.snapshot is response
    assert stream.collect() is response


def test_a_stream_that_has_begun_is_that_members(first, second, both):
    first.reply("one two three four")
    first.fault("cut stream")
    with both.stream("Hi") as stream:
        assert isinstance(next(stream), TextDelta)
        with pytest.raises(IncompleteStreamError) as caught:
            stream.collect()
        assert caught.value.partial.text
        assert caught.value.provider == "anthropic"
        with pytest.raises(IncompleteStreamError) as again:
            next(stream)
        assert again.value is caught.value
    assert second.requests == []


def test_the_stream_of_the_second_fails_after_its_first_event(first, second, both):
    first.fault("error event first")
    second.reply("one two three four")
    second.fault("cut stream")
    with both.stream("Hi") as stream:
        next(stream)
        with pytest.raises(IncompleteStreamError) as caught:
            stream.collect()
        with pytest.raises(IncompleteStreamError):
            next(stream)
    assert caught.value.provider == "openai"
    assert (caught.value.attempts, caught.value.partial.attempts) == (2, 2)
    assert len(caught.value.__notes__) == 1


def test_no_stream_begins(first, second, both):
    first.fault("error event first")
    second.fault("error event first")
    with both.stream("Hi") as stream:
        for _ in range(2):
            with pytest.raises(APIError) as caught:
                next(stream)
            assert len(caught.value.__notes__) == 1
            assert (caught.value.provider, caught.value.attempts) == ("openai", 2)
        assert stream.snapshot.text == ""


def test_a_reset_after_which_nobody_accepts(first, second, both):
    first.fault("error event first")
    second.fault("bad key")
    with both.stream("Hi") as stream:
        with pytest.raises(AuthenticationError):
            next(stream)
        assert stream.snapshot.provider == "anthropic"
        with pytest.raises(AuthenticationError):
            stream.collect()


# Time.


def test_a_total_holds_over_all_members(first, second, both):
    first.fault("only pings")
    with pytest.raises(DeadlineError) as caught:
        both.complete("Hi", timeout=0.3)
    assert caught.value.provider == "anthropic"
    assert second.requests == []


def test_what_the_first_has_used_up_is_not_the_seconds(first, second):
    limits = Timeout(first=0.3, total=1.5), Timeout(total=1.5)
    one, other = first.client("anthropic", max_retries=0, timeout=limits[0]), second.client("openai", timeout=limits[1])
    first.fault("only pings")
    second.fault("only pings")
    with pytest.raises(DeadlineError) as caught:
        Client.fallback([one, other]).complete("Hi")
    assert (caught.value.provider, caught.value.which) == ("openai", "total")
    assert caught.value.attempts == 2


OWN_LIMITS = {"one number": 0.3, "the whole call": Timeout(total=0.3), "without anything usable": Timeout(first=0.3)}


@pytest.mark.parametrize("limit", OWN_LIMITS.values(), ids=OWN_LIMITS.keys())
def test_a_member_has_limits_of_its_own(first, second, limit):
    both = Client.fallback([first.client("anthropic", timeout=limit), second.client("openai")])
    failing(first, "only pings", 2)
    assert both.complete("Hi").provider == "openai"
    with both.stream("Hi") as stream:
        assert stream.collect().provider == "openai"


def test_a_member_whose_time_is_over_is_not_asked(first, second):
    limits = [first.client("anthropic", timeout=0.4), second.client("openai", timeout=0.2), second.client("gemini")]
    first.fault("only pings")
    assert Client.fallback(limits).complete("Hi").provider == "gemini"
    assert len(second.requests) == 1


def test_time_that_the_caller_takes_is_nobodys(first, second):
    both = Client.fallback([first.client("anthropic", max_retries=0), second.client("openai")])
    first.fault("error event first")
    with both.stream("Hi", timeout=2.0) as stream:
        threading.Event().wait(2.1)
        assert stream.collect().provider == "openai"


def test_who_waits_for_a_first_event_waits_no_longer_for_several(first, second, both):
    """One number is how long the caller is blocked at a time, whoever is asked meanwhile."""
    second.latency = 1.5
    first.fault("error event first")
    second.fault("only pings")
    with both.stream("Hi", timeout=2.0) as stream:
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            next(stream)
        assert time.monotonic() - began < 3.3  # 3.5 s, were it to start anew with the second's answer


def test_all_clocks_start_when_a_call_that_was_submitted_is_made(first, second, both):
    first.fault("overloaded")
    asking = both._asking("Hi", None, {"timeout": 2.0})
    threading.Event().wait(2.1)
    assert asking.begin().provider == "openai"


# Who cannot be asked.


def test_an_option_that_a_member_has_not_is_told_at_once(first, second):
    both = Client.fallback([first.client("openai-chat"), second.client("anthropic")])
    with pytest.raises(UnsupportedOptionError, match="^seed: ") as caught:
        both.complete("Hi", seed=1)
    assert caught.value.provider == "anthropic"
    assert "Client('anthropic'" in caught.value.__notes__[0]
    assert first.requests == []


ONLY_THE_FIRSTS = {
    "a budget": ("anthropic", "openai", "reasoning", {"reasoning": 5_000}),
    "a budget, on another wire": ("gemini", "openai-chat", "reasoning", {"reasoning": 5_000}),
    "what only one knows of somebody": ("openai", "anthropic", "metadata.team", {"metadata": {"team": "x"}}),
    "a number that others take": ("openai-chat", "anthropic", "temperature", {"temperature": 1.5}),
    "a tool to be called": (
        "anthropic",
        "gemini",
        "tool_choice",
        {"tools": [ServerTool({"type": "web_search", "name": "web_search"})], "tool_choice": "web_search"},
    ),
}


@pytest.mark.parametrize(("asked", "waits", "path", "options"), ONLY_THE_FIRSTS.values(), ids=ONLY_THE_FIRSTS.keys())
def test_an_option_that_turns_out_with_the_request_is_told_at_once_too(first, second, asked, waits, path, options):
    """Before the day that it is needed: then the member would be passed over."""
    members = first.client(asked, max_retries=0), second.client(waits), second.client(waits, unsupported="warn")
    for ask in (Client.complete, Client.stream, Client.submit):
        with pytest.raises(ConfigurationError, match=f"^{path}: ") as caught:
            ask(Client.fallback(members[:2]), "Hi", **options)
        assert caught.value.provider == waits
    assert first.requests == []
    if path == "temperature":  # which there is, so that it is not left out
        with pytest.raises(ConfigurationError, match="^temperature: "):
            Client.fallback(members[::2]).complete("Hi", **options)
        return
    first.fault("overloaded")
    with pytest.warns(UnsupportedWarning, match=f"^{path}: ") as warned:
        assert Client.fallback(members[::2]).complete("Hi", **options).provider == waits
    assert len(warned) == 1


def test_an_option_is_left_out_where_a_member_wants_that_and_told_when_it_is_asked(first, second):
    one, other = first.client("openai-chat", max_retries=0), second.client("anthropic", unsupported="warn")
    both = Client.fallback([one, other])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both.complete("Hi", seed=1)
    first.fault("overloaded")
    with pytest.warns(UnsupportedWarning, match="^seed: ") as caught:
        assert both.complete("Hi", seed=1).provider == "anthropic"
    assert caught[0].filename == __file__
    assert len(caught) == 1
    assert "seed" not in second.requests[0].json


def test_who_cannot_be_told_the_conversation_is_passed_over(first, second):
    members = [first.client("anthropic", max_retries=0), first.client("openai"), second.client("anthropic")]
    asked = UserMessage([FOREIGN, "Hi"])
    first.fault("overloaded")
    assert Client.fallback(members).complete(asked).attempts == 2
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_what_must_be_mended_by_somebody_ends_the_call(first, second):
    """As of a recording that lacks the member's call, or of a member whose key cannot be found."""
    members = [first.client("anthropic", max_retries=0), second.client("openai", api_key=lambda: 3)]
    for ask in (Client.complete, Client.stream):
        first.fault("overloaded")
        with pytest.raises(ConfigurationError, match="^api_key") as caught:
            ask(Client.fallback([*members, second.client("gemini")]), "Hi")
        assert (caught.value.provider, caught.value.attempts) == ("openai", 1)
        assert caught.value.__notes__[0].startswith("anthropic")
    assert second.requests == []


def test_who_was_asked_tells_what_went_wrong(first, second, both):
    asked = UserMessage([FOREIGN, "Hi"])
    failing(first, "overloaded", 2)
    for ask in (both.complete, both.stream):
        with pytest.raises(OverloadedError) as caught:
            ask(asked)
        assert (caught.value.provider, caught.value.retryable, caught.value.attempts) == ("anthropic", True, 1)
        (note,) = caught.value.__notes__
        assert note.startswith("openai")
        assert "UnsupportedOptionError: prompt" in note
        assert caught.value.__cause__ is None
    first.fault("no answer")
    with pytest.raises(ConnectionFailedError) as caught:
        both.complete(asked)
    assert caught.value.__cause__ is not None
    assert second.requests == []


def test_what_the_first_cannot_be_told_is_an_error(first, second):
    both = Client.fallback([first.client("openai"), second.client("anthropic")])
    with pytest.raises(UnsupportedOptionError):
        both.complete(UserMessage([FOREIGN, "Hi"]))
    assert second.requests == []


WRONG = {
    "an unknown option": {"temprature": 1},
    "a value out of bounds": {"temperature": 7},
    "a header that cannot be sent": {"extra_headers": {"x": "sk-hidden\n"}},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_option(first, both, options):
    name = next(iter(options))
    for ask in (both.complete, both.stream, both.submit, both.with_options, both.chat().send):
        with pytest.raises(ConfigurationError, match=f"^{name}") as caught:
            ask(*(() if ask == both.with_options else ("Hi",)), **options)
        assert "sk-hidden" not in repr(list(frames(caught.value)))
    assert first.requests == []


def frames(error):
    """What the frames of llmkit show."""
    link = error.__traceback__.tb_next
    while link is not None:
        yield link.tb_frame.f_locals
        link = link.tb_next


# What is told.


def test_on_fallback_is_told(first, second):
    told = []
    members = [first.client("anthropic", max_retries=0), second.client("openai", max_retries=0)]
    both = Client.fallback(members, on_fallback=told.append)
    both.complete("Hi")
    assert told == []
    failing(first, "overloaded", 2)
    both.complete("Hi")
    second.fault("server error")
    with pytest.raises(ServerError):
        both.complete("Hi")
    assert [(type(error), error.provider) for error in told] == [(OverloadedError, "anthropic")] * 2


def test_each_hook_is_told_of_its_own_members(first, second):
    """A fallback of fallbacks, in which each tells of the steps that it makes."""
    told = []
    names = [("a", first), ("b", first), ("c", first), ("d", second)]
    a, b, c, d = (server.client("anthropic", model=name, max_retries=0) for name, server in names)
    inner = Client.fallback([a, b], on_fallback=lambda error: told.append(("inner", error.model)))
    outer = Client.fallback(
        [inner.with_options(max_tokens=9), c, d], on_fallback=lambda e: told.append(("outer", e.model))
    )
    failing(first, "overloaded", 3)
    assert outer.complete("Hi").model == "d"
    assert told == [("inner", "a"), ("outer", "a"), ("outer", "b"), ("outer", "c")]


def test_errors_pickle_with_their_notes(first, second, both):
    first.fault("overloaded")
    second.fault("server error")
    with pytest.raises(ServerError) as caught:
        both.complete("Hi")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.__notes__, again.attempts, again.provider) == (caught.value.__notes__, 2, "openai")


def test_no_key_is_in_what_is_told(first, second):
    members = [first.client("anthropic", api_key="sk-one", max_retries=0), second.client("openai", api_key="sk-two")]
    told = []
    both = Client.fallback(members, on_fallback=told.append)
    first.reply(OverloadedError("the key sk-one is busy"))
    second.reply(BadRequestError("what of sk-two?", status=400))
    with pytest.raises(BadRequestError) as caught:
        both.complete("Hi")
    shown = repr([told, caught.value, caught.value.__notes__, both])
    assert "sk-" not in shown


# What is asked for is read once, and means the same for each.


def test_a_file_is_read_once(first, second, both):
    first.fault("overloaded")
    assert both.complete("What is it?", media=io.BytesIO(PNG)).provider == "openai"
    assert second.requests[0].messages == [UserMessage([Image(data=PNG), "What is it?"])]


def test_a_model_is_each_members_own(first, second):
    one = first.client("anthropic", max_retries=0, aliases={"fast": "claude-f"}, model="claude-x")
    other = second.client("openai", aliases={"fast": "gpt-f"}, model="gpt-x")
    both = Client.fallback([one, other])
    failing(first, "overloaded", 2)
    both.complete("Hi")
    both.complete("Hi", model="fast")
    assert [request.json["model"] for request in first.requests] == ["claude-x", "claude-f"]
    assert [request.json["model"] for request in second.requests] == ["gpt-x", "gpt-f"]


def test_options_of_a_member_hold_for_it_alone(first, second):
    one = first.client("anthropic", max_retries=0).with_options(temperature=0.1, max_tokens=10)
    both = Client.fallback([one, second.client("openai-chat").with_options(temperature=0.2)])
    failing(first, "overloaded", 2)
    both.complete("Hi")
    assert (first.requests[-1].json["temperature"], second.requests[-1].json["temperature"]) == (0.1, 0.2)
    assert "max_completion_tokens" not in second.requests[-1].json
    both.with_options(temperature=0.5).complete("Hi")
    assert (first.requests[-1].json["temperature"], second.requests[-1].json["temperature"]) == (0.5, 0.5)


def test_options_of_a_request_win(first, second, both):
    first.fault("overloaded")
    both.complete(Request("Hi", system="Be kind.", temperature=None), system="Be quick.", temperature=0.5)
    asked = second.requests[0]
    assert asked.json["temperature"] == 0.5
    assert "Be kind." in str(asked.json)
    assert "Be quick." not in str(asked.json)


# Objects.


def test_an_answer_that_does_not_fit_is_asked_of_the_next_and_was_paid(first, second, both):
    prices = {"claude-sonnet-5": Price(input=1_000_000, output=0), "gpt-5.6-terra": Price(input=2_000_000, output=0)}
    first.reply("no number", usage=Usage(1, 1))
    second.reply('{"value": 3}', usage=Usage(10, 10))
    client = both.with_options(prices=prices)
    response = client.complete("Count", output_type=int)
    assert (response.output, response.provider, response.attempts) == (3, "openai", 2)
    assert (response.usage.input_tokens, response.cost) == (11, 21)


def test_no_answer_fits(first, second, both):
    first.reply("no number", usage=Usage(1, 1))
    second.reply("none either", usage=Usage(10, 10))
    with pytest.raises(OutputError) as caught:
        both.complete("Count", output_type=int)
    assert (caught.value.text, caught.value.response.usage.input_tokens) == ("none either", 11)
    assert caught.value.attempts == 2


def test_what_was_paid_before_an_error_is_told(first, second, both):
    first.reply("no number", usage=Usage(1, 1))
    second.fault("bad key")
    chat = both.chat()
    with pytest.raises(AuthenticationError) as caught:
        chat.send("Count", output_type=int)
    assert caught.value.partial.usage == Usage(1, 1)
    assert chat.usage == Usage(1, 1)


def test_what_was_paid_is_told_once(first, second, both):
    first.reply("no number", usage=Usage(1, 1))
    with pytest.raises(OutputError) as caught:
        both.complete(UserMessage([FOREIGN, "Count"]), output_type=int)
    assert (caught.value.provider, caught.value.response.usage) == ("anthropic", Usage(1, 1))
    assert "UnsupportedOptionError" in caught.value.__notes__[0]


def test_a_streamed_object(first, second, both):
    first.fault("error event first")
    second.reply('{"value": 3}')
    with both.stream("Count", output_type=int) as stream:
        for _ in stream:
            assert stream.partial_output() in (None, 3)
        assert stream.collect().output == 3


# Chats.


@tool
def weather(city: str) -> str:
    """The weather."""
    return f"Rain in {city}."


def test_a_conversation_moves_between_members(first, second, both):
    first.reply([Thinking("Hm.", "signature"), ToolCall("call_1", "weather", {"city": "Oslo"})])
    chat = both.chat(tools=[weather])
    first.reply(BUSY)
    second.reply("It rains.")
    response = chat.send("Oslo?")
    assert (response.text, response.provider) == ("It rains.", "openai")
    assert [one.provider for one in response.rounds] == ["anthropic", "openai"]
    results = [part for message in second.requests[0].messages for part in message.content]
    assert [part.text for part in results if isinstance(part, Thinking)] == []
    assert any(isinstance(part, ToolResult) for part in results)
    first.reply("Still.")
    assert chat.send("And now?").provider == "anthropic"
    assert any(isinstance(part, Thinking) for message in first.requests[-1].messages for part in message.content)


@pytest.mark.parametrize("asked", HOSTS)
@pytest.mark.parametrize("answers", HOSTS)
def test_calls_and_results_move_between_wires(first, second, asked, answers):
    """There and back; the fake servers refuse a result without its call, as the hosts do."""
    both = Client.fallback([first.client(asked, max_retries=0), second.client(answers, max_retries=0)])
    chat = both.chat(tools=[weather])
    first.reply([Text("I look."), ToolCall("call_1", "weather", {"city": "Oslo"})])
    first.reply(BUSY)
    second.reply([ToolCall("call_2", "weather", {"city": "Rome"})])
    first.reply("Rain in both.")
    response = chat.send("Oslo? Rome?")
    assert [one.provider for one in response.rounds] == [asked, answers, asked]
    results = [part for message in first.requests[-1].messages for part in message.content]
    assert [part.content for part in results if isinstance(part, ToolResult)] == [
        (Text("Rain in Oslo."),),
        (Text("Rain in Rome."),),
    ]


def test_a_chats_stream_moves_between_members(first, second, both):
    first.reply([ToolCall("call_1", "weather", {"city": "Oslo"})])
    first.reply("never read")
    second.reply("It rains.")
    chat = both.chat(tools=[weather])
    with chat.stream("Oslo?") as stream:
        events = []
        for event in stream:
            events.append(event)
            assert stream.snapshot.provider in ("anthropic", "openai")
            if isinstance(event, ToolCall):
                first.fault("error event first")
    assert [event.content for event in events if isinstance(event, ToolResult)] == [(Text("Rain in Oslo."),)]
    response = stream.collect()
    assert (response.text, [one.provider for one in response.rounds]) == ("It rains.", ["anthropic", "openai"])
    assert (response.attempts, chat.messages[-1].text) == (2, "It rains.")


@pytest.mark.parametrize("options", [{"tools": [weather]}, {"media": [Image(data=PNG)]}], ids=["tools", "media"])
def test_what_a_chat_does_itself_belongs_to_all(first, second, options):
    (name,) = options
    one, other = first.client("anthropic", max_retries=0), second.client("openai")
    with pytest.raises(ConfigurationError, match=f"^{name}: a member"):
        Client.fallback([one, other.with_options(**options)]).chat()
    first.fault("overloaded")
    second.reply("Yes.")
    chat = Client.fallback([one, other]).with_options(**options).chat()
    assert chat.send("Hi").provider == "openai"
    chat.send("And now?")
    parts = 2 if name == "media" else 1  # a picture once, and what was said
    assert [len(message.content) for message in first.requests[-1].messages] == [parts, 1, parts]


# Many calls.


def test_rows_fall_back_one_by_one(first, second, both, tmp_path):
    def answer(request):
        return BUSY if "2" in request.messages[-1].text else "from the first"

    first.reply_with(answer)
    prompts = [f"number {number}" for number in range(5)]
    path = tmp_path / "run.db"
    rows = [row.unwrap() for row in both.map(prompts, checkpoint=path)]
    assert [row.provider for row in rows] == ["anthropic", "anthropic", "openai", "anthropic", "anthropic"]
    asked = len(first.requests)
    again = [row.unwrap() for row in both.map(prompts, checkpoint=path)]
    assert [row.provider for row in again] == [row.provider for row in rows]
    assert len(first.requests) == asked


def test_what_every_member_costs_must_be_known_for_a_budget(first, second):
    one = first.client("anthropic:a", max_retries=0, prices={"a": Price(input=1, output=1)})
    with pytest.raises(ConfigurationError, match="^max_cost: the price of b at openai is not known"):
        list(Client.fallback([one, second.client("openai:b")]).map(["Hi"], max_cost=1))
    assert first.requests == []
    other = second.client("openai:b", prices={"b": Price(input=1_000_000, output=0)})
    first.fault("overloaded")
    with pytest.raises(BudgetExceededError):
        list(Client.fallback([one, other]).map(["Hi"], max_cost=1))


class Inline:
    """An executor of two processes, as far as a run can tell."""

    _max_workers = 2

    def submit(self, function, /, *args):
        done = Future()
        done.set_result(function(*pickle.loads(pickle.dumps(args))))
        return done

    def shutdown(self):
        """Nothing to do."""


def test_members_go_to_processes_with_their_part_of_their_limits(first, second):
    limited = [
        first.client("anthropic", max_retries=0, rate_limit=RateLimit(requests_per_minute=100)),
        second.client("openai", rate_limit=RateLimit(requests_per_minute=1)),
    ]
    first.fault("overloaded")
    (row,) = Client.fallback([limited[0], second.client("openai")]).map(["Hi"], executor=Inline())
    assert row.unwrap().provider == "openai"
    with pytest.raises(ConfigurationError, match="requests_per_minute=1 cannot be divided"):
        list(Client.fallback(limited).map(["Hi"], executor=Inline()))


def test_answers_are_never_mixed_between_threads(first, second, both):
    first.reply_with(lambda request: BUSY if request.messages[-1].text.endswith("1") else None)

    def ask(number):
        said = f"number {number}"
        response = both.complete(said) if number % 2 else both.stream(said).collect()
        return response.text == said and response.provider == ("openai" if said.endswith("1") else "anthropic")

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(60)))


def test_limits_are_each_members_own(first, second, both):
    with pytest.raises(ConfigurationError, match="^rate_limit: each member"):
        both.with_options(rate_limit=RateLimit(requests_per_minute=1))


# What falls back on nobody.


def test_vectors_are_never_of_two_models(first, second):
    both = Client.fallback([first.client("openai", max_retries=0), second.client("gemini")])
    first.fault("overloaded")
    with pytest.raises(OverloadedError):
        both.embed("Hi")
    assert len(both.embed("Hi").vectors) == 1
    assert second.requests == []


def test_models_and_batches_are_the_firsts(first, second, both):
    assert [model.id for model in both.models()] == [model.id for model in first.models]
    both.batches.create(["Hi"])
    assert second.requests == []


def test_tokens_are_counted_by_the_first_that_can(first, second):
    second.token_count = 7
    both = Client.fallback([first.client("openai-chat"), second.client("anthropic")])
    assert both.count_tokens("Hi") == 7
    assert first.requests == []
    with pytest.raises(ConfigurationError, match="count_tokens: the wire openai-chat cannot count"):
        Client.fallback([first.client("openai-chat")]).count_tokens("Hi")


# As an object.


def test_it_pickles(first, second, both):
    again = pickle.loads(pickle.dumps(both.with_options(temperature=0.5)))
    first.fault("overloaded")
    assert again.complete("Hi").provider == "openai"
    assert second.requests[0].json["temperature"] == 0.5
    assert repr(again) == repr(both)


def test_it_shows_its_members(first, both):
    assert repr(both).startswith("Client.fallback([Client('anthropic', model='claude-")
    assert isinstance(both, Client)
    assert "openai" in repr(both)


def test_it_takes_names_rows_and_fallbacks(monkeypatch, first, second, both):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    from llmkit.provider import provider

    several = Client.fallback(iter(["openai:gpt-x", provider("ollama"), both]))
    assert repr(several).count("Client('") == 4


NO_MEMBERS = {
    "none": ([], "members: there is none"),
    "a name alone": ("anthropic", "members: expected a list"),
    "something else": (None, "members: expected a list"),
    "a number among them": ([3], r"members\[0\]: expected a Client or the name of a provider"),
}


@pytest.mark.parametrize(("members", "message"), NO_MEMBERS.values(), ids=NO_MEMBERS.keys())
def test_what_is_no_fallback(members, message):
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        Client.fallback(members)


def test_a_hook_that_is_none(both):
    with pytest.raises(ConfigurationError, match="^on_fallback: expected a function"):
        Client.fallback([both], on_fallback=3)


def test_closing_it_drops_the_connections_of_all(first, second, both):
    def connections():
        return first.connections, second.connections

    first.fault("overloaded")
    with both:
        both.complete("Hi")
        both.complete("Hi")
        both.with_options(temperature=0.5).close()
        both.complete("Hi")
        before = connections()
    first.fault("overloaded")
    both.complete("Hi")
    assert connections() == (before[0] + 1, before[1] + 1)


def test_a_stream_shows_how_it_is(first, second, both):
    first.fault("error event first")
    stream = both.stream("Hi")
    assert repr(stream) == "<Stream of anthropic, open>"
    assert stream.snapshot.finish_reason.reason == "unfinished"
    stream.collect()
    assert repr(stream) == "<Stream of openai, complete>"


# Ended by the caller.


def test_a_stream_is_closed_while_it_waits_for_the_second(first, second, both):
    first.fault("error event first")
    second.fault("only pings")
    stream = both.stream("Hi")
    closer = threading.Thread(target=lambda: (wait_for(second), stream.close()))
    closer.start()
    with pytest.raises(StreamClosedError):
        next(stream)
    closer.join(20)
    with pytest.raises(StreamClosedError):
        next(stream)


def wait_for(server):
    until = threading.Event()
    for _ in range(2000):
        if server.requests:
            return
        until.wait(0.01)


def test_a_stream_that_is_closed_asks_nobody(first, second, both):
    first.fault("error event first")
    stream = both.stream("Hi")
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.collect()
    assert second.requests == []


def test_a_stream_that_is_closed_between_two_members(first, second):
    members = [first.client("anthropic", max_retries=0), second.client("openai")]
    both = Client.fallback(members, on_fallback=lambda _: stream.close())
    first.fault("error event first")
    stream = both.stream("Hi")
    with pytest.raises(StreamClosedError):
        next(stream)
    assert second.requests == []


def test_a_stream_that_is_closed_as_it_is_made_asks_nobody(first, second, both):
    with pytest.raises(StreamClosedError):
        both._asking("Hi", None, {}).stream(lambda stream: stream.close())
    assert first.requests == second.requests == []


def test_a_stream_that_nobody_holds_drops_its_connection_at_once(first, second, both):
    first.fault("error event first")
    second.reply("one two three")
    second.fault("stall")
    gc.collect()
    gc.disable()
    try:
        stream = both.stream("Hi")
        next(stream)
        last = weakref.ref(stream)
        exchange = stream._stream._exchange
        assert exchange.going
        del stream
        assert last() is None
        assert not exchange.going
    finally:
        gc.enable()


def test_an_interrupt_between_two_members(first, second):
    def interrupt(_):
        raise KeyboardInterrupt

    both = Client.fallback([first.client("anthropic", max_retries=0), second.client("openai")], on_fallback=interrupt)
    first.fault("error event first")
    stream = both.stream("Hi")
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    for _ in range(2):
        with pytest.raises(StreamError, match="interrupted"):
            next(stream)
    assert second.requests == []


def test_whatever_ends_it_is_one_error(first, second, both):
    first.fault("no answer")
    second.fault("no answer")
    with pytest.raises(ConnectionFailedError) as caught:
        both.complete("Hi")
    assert isinstance(caught.value, LLMKitError)
    assert caught.value.retryable


def test_a_rate_limit_is_told_as_it_was(first, second, both):
    first.fault("overloaded")
    second.fault("rate limited")
    with pytest.raises(RateLimitError) as caught:
        both.complete("Hi")
    assert caught.value.retry_after == 0.05
