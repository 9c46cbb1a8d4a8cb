"""The vendors' SDKs as clients of `FakeServer`: every fault, what they ask, and the helpers that people use.

What each of them reads in answers is tried in the files of the single wires, `tests/test_fake_server_*.py`, and batches
in `tests/test_batches*.py`.
"""

import base64
import json
import socket
import threading

import pytest

from llmkit import (
    AssistantMessage,
    Document,
    Image,
    SystemMessage,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from llmkit.media.png import encode as png
from llmkit.testing import FAULTS, FakeServer

anthropic = pytest.importorskip("anthropic")
openai = pytest.importorskip("openai")
genai = pytest.importorskip("google.genai")

PATIENCE = 30.0  # seconds after which a test is broken rather than slow
SOON = 0.3  # seconds after which an SDK is to give up
SDKS = ("anthropic", "openai-chat", "openai-responses", "google-genai")
each_mode = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
each_sdk = pytest.mark.parametrize("sdk", SDKS)
SAID = "one two three four"
PICTURE = png(bytes(12), 2, 2, 3)
IN_BASE64 = base64.b64encode(PICTURE).decode()


@pytest.fixture(scope="module")
def shared():
    """One server, as making clients takes longer than most tests."""
    with FakeServer() as server:
        yield server


@pytest.fixture
def server(shared):
    yield shared
    shared.reset()


@pytest.fixture(scope="module")
def clients(shared):
    """As docs/testing.md says."""
    with (
        anthropic.Anthropic(base_url=shared.url, api_key="test-key", max_retries=0) as claude,
        openai.OpenAI(base_url=f"{shared.url}/v1", api_key="test-key", max_retries=0) as gpt,
        genai.Client(api_key="test-key", http_options={"base_url": shared.url}) as gemini,
    ):
        yield {"anthropic": claude, "openai-chat": gpt, "openai-responses": gpt, "google-genai": gemini}


# ---- faults ----------------------------------------------------------------------------------------------------------


def whole(sdk, client, timeout):
    match sdk:
        case "anthropic":
            said = [{"role": "user", "content": SAID}]
            return client.messages.create(model="m", max_tokens=50, messages=said, timeout=timeout).content[0].text
        case "openai-chat":
            said = [{"role": "user", "content": SAID}]
            answer = client.chat.completions.create(model="m", messages=said, timeout=timeout)
            return answer.choices[0].message.content
        case "openai-responses":
            return client.responses.create(model="m", input=SAID, timeout=timeout).output_text
        case _:
            options = {"http_options": {"timeout": int(timeout * 1000)}}
            return client.models.generate_content(model="m", contents=SAID, config=options).text


def streamed(sdk, client, timeout):
    match sdk:
        case "anthropic":
            said = [{"role": "user", "content": SAID}]
            asked = {"model": "m", "max_tokens": 50, "messages": said, "stream": True, "timeout": timeout}
            with client.messages.create(**asked) as stream:
                return "".join(getattr(getattr(event, "delta", None), "text", None) or "" for event in stream)
        case "openai-chat":
            said = [{"role": "user", "content": SAID}]
            with client.chat.completions.create(model="m", messages=said, stream=True, timeout=timeout) as stream:
                return "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        case "openai-responses":
            with client.responses.create(model="m", input=SAID, stream=True, timeout=timeout) as stream:
                return "".join(getattr(event, "delta", None) or "" for event in stream)
        case _:
            options = {"http_options": {"timeout": int(timeout * 1000)}}
            stream = client.models.generate_content_stream(model="m", contents=SAID, config=options)
            return "".join(chunk.text or "" for chunk in stream)


each_way = pytest.mark.parametrize("ask", [whole, streamed])


@each_sdk
@each_way
def test_no_fault(server, clients, sdk, ask):
    assert ask(sdk, clients[sdk], PATIENCE) == SAID


QUIET = "quiet"  # no error, and less than was said
NEVER = "never"  # it waits as long as pings come, whatever its timeout
NO_JSON = "JSONDecodeError"
NO_CONNECTION = ("APIConnectionError", "APIConnectionError", "APIConnectionError", "ReadError")
NO_STATUS = "AttributeError"  # of what is no answer

# name → (of whole answers, of streams): the class of what each SDK raises
OUTCOMES = {
    "cut stream": ((NO_JSON,) * 4, (QUIET,) * 4),
    "cut connection": (NO_CONNECTION, ("ReadError", "APIConnectionError", "APIConnectionError", "ReadError")),
    "no answer": (NO_CONNECTION, NO_CONNECTION),
    "error event": (
        ("OverloadedError", "InternalServerError", "InternalServerError", "ServerError"),
        ("APIStatusError", "APIError", QUIET, "ServerError"),
    ),
    "error event first": (
        ("OverloadedError", "InternalServerError", "InternalServerError", "ServerError"),
        ("APIStatusError", "APIError", QUIET, "ServerError"),
    ),
    "no events": ((NO_JSON, NO_JSON, NO_JSON, QUIET), (QUIET,) * 4),
    "only pings": ((NEVER,) * 4, (NEVER, NEVER, NEVER, "UnknownApiResponseError")),
    "stall": (
        ("APITimeoutError", "APITimeoutError", "APITimeoutError", "ReadTimeout"),
        ("ReadTimeout", "APITimeoutError", "APITimeoutError", "ReadTimeout"),
    ),
    "not JSON": ((NO_JSON,) * 4, (NO_JSON, NO_JSON, NO_JSON, "UnknownApiResponseError")),
    "HTML": ((NO_STATUS, NO_STATUS, NO_STATUS, NO_JSON), (QUIET, QUIET, QUIET, "UnknownApiResponseError")),
    "empty body": ((NO_JSON, NO_JSON, NO_JSON, QUIET), (QUIET,) * 4),
    # They follow it, to a host that there is not.
    "redirect": (
        ("APIConnectionError", "APIConnectionError", "APIConnectionError", "ConnectError"),
        ("APIConnectionError", "APIConnectionError", "APIConnectionError", "ConnectError"),
    ),
    "bad key": (("AuthenticationError",) * 3 + ("ClientError",),) * 2,
    "too long": (("BadRequestError",) * 3 + ("ClientError",),) * 2,
    "rate limited": (("RateLimitError",) * 3 + ("ClientError",),) * 2,
    "server error": (("InternalServerError",) * 3 + ("ServerError",),) * 2,
    "overloaded": (("OverloadedError", "InternalServerError", "InternalServerError", "ServerError"),) * 2,
}


def outcome(call):
    """The class of what it raises; else that it is quiet, where not all that was said came."""
    try:
        found = call() or ""
    except Exception as error:  # noqa: BLE001 - SDKs let through what the libraries below them raise
        return type(error).__name__
    return QUIET if SAID.startswith(found) and found != SAID else found


def test_every_fault_is_tried():
    assert OUTCOMES.keys() == FAULTS.keys()


@pytest.fixture
def nowhere(monkeypatch):
    """No name but this machine's is looked up."""
    genuine = socket.getaddrinfo

    def look_up(host, *args, **kwargs):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return genuine(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@each_sdk
@each_way
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "only pings"])
@pytest.mark.usefixtures("nowhere")
def test_fault(server, clients, sdk, ask, name):
    expected = OUTCOMES[name][ask is streamed][SDKS.index(sdk)]
    server.reply(SAID)
    server.fault(name)
    assert outcome(lambda: ask(sdk, clients[sdk], SOON if name == "stall" else PATIENCE)) == expected
    assert server.scripted == 1


@each_sdk
@each_way
def test_pings_for_ever(server, clients, sdk, ask):
    expected = OUTCOMES["only pings"][ask is streamed][SDKS.index(sdk)]
    server.fault("only pings")
    found = []
    thread = threading.Thread(target=lambda: found.append(outcome(lambda: ask(sdk, clients[sdk], SOON))))
    thread.start()
    thread.join(3 * SOON if expected == NEVER else PATIENCE)
    assert thread.is_alive() == (expected == NEVER)
    server.reset()
    thread.join(PATIENCE)
    assert len(found) == 1
    assert expected in (NEVER, *found)


@each_sdk
@each_way
def test_answers_that_are_late(server, clients, sdk, ask):
    """An SDK's timeout is one of sockets: it holds where nothing comes."""
    server.reply(SAID, latency=3600)
    with pytest.raises(Exception, match="timed out"):
        ask(sdk, clients[sdk], SOON)
    server.reset()
    assert ask(sdk, clients[sdk], PATIENCE) == SAID


# ---- what they ask ---------------------------------------------------------------------------------------------------

URI = f"data:image/png;base64,{IN_BASE64}"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool("weather", "Of today", SCHEMA)
PDF = b"%PDF-1.4\n%%EOF\n"
PDF_BASE64 = base64.b64encode(PDF).decode()

# The same conversation, asked by llmkit.
CALLS = [ToolCall("call_1", "weather", {"city": "Oslo"}), ToolCall("call_2", "weather", {"city": "Rome"})]
CONVERSATION = [
    SystemMessage("Be brief."),
    UserMessage([Image(PICTURE), Document(PDF, name="a.pdf"), "Where is this?"]),
    AssistantMessage(["Let me see.", *CALLS]),
    UserMessage([ToolResult("call_1", "weather", "cold"), ToolResult("call_2", "weather", "warm")]),
    AssistantMessage("In Oslo."),
    UserMessage("Sure?"),
]


# SDK → what is read in the place of which message: Gemini's own API takes no names of documents.
NAMELESS = {"google-genai": {1: UserMessage([Image(PICTURE), Document(PDF), "Where is this?"])}}


def by_anthropic(client):
    return client.messages.create(
        model="m", max_tokens=99, stop_sequences=["END"], system="Be brief.",
        tools=[{"name": "weather", "description": "Of today", "input_schema": SCHEMA}],
        tool_choice={"type": "tool", "name": "weather"},
        messages=[
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IN_BASE64}},
                {"type": "document", "title": "a.pdf",
                 "source": {"type": "base64", "media_type": "application/pdf", "data": PDF_BASE64}},
                {"type": "text", "text": "Where is this?"},
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "Rome"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "cold"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "warm"}]},
            ]},
            {"role": "assistant", "content": "In Oslo."},
            {"role": "user", "content": "Sure?"},
        ],
    )  # fmt: skip


def by_chat(client):
    def call(id_, arguments):
        return {"id": id_, "type": "function", "function": {"name": "weather", "arguments": json.dumps(arguments)}}

    return client.chat.completions.create(
        model="m", max_completion_tokens=99, temperature=0.5, stop=["END"],
        tools=[{"type": "function", "function": {"name": "weather", "description": "Of today", "parameters": SCHEMA}}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": URI}},
                {"type": "file",
                 "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF_BASE64}"}},
                {"type": "text", "text": "Where is this?"},
            ]},
            {"role": "assistant", "content": "Let me see.",
             "tool_calls": [call("call_1", {"city": "Oslo"}), call("call_2", {"city": "Rome"})]},
            {"role": "tool", "tool_call_id": "call_1", "content": "cold"},
            {"role": "tool", "tool_call_id": "call_2", "content": "warm"},
            {"role": "assistant", "content": "In Oslo."},
            {"role": "user", "content": "Sure?"},
        ],
    )  # fmt: skip


def by_responses(client):
    def call(id_, arguments):
        return {"type": "function_call", "call_id": id_, "name": "weather", "arguments": json.dumps(arguments)}

    return client.responses.create(
        model="m", max_output_tokens=99, temperature=0.5, instructions="Be brief.", store=False,
        tools=[{"type": "function", "name": "weather", "description": "Of today", "parameters": SCHEMA,
                "strict": False}],
        tool_choice={"type": "function", "name": "weather"},
        input=[
            {"role": "user", "content": [
                {"type": "input_image", "image_url": URI},
                {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF_BASE64}"},
                {"type": "input_text", "text": "Where is this?"},
            ]},
            {"role": "assistant", "content": "Let me see."},
            call("call_1", {"city": "Oslo"}),
            call("call_2", {"city": "Rome"}),
            {"type": "function_call_output", "call_id": "call_1", "output": "cold"},
            {"type": "function_call_output", "call_id": "call_2", "output": "warm"},
            {"role": "assistant", "content": "In Oslo."},
            {"role": "user", "content": "Sure?"},
        ],
    )  # fmt: skip


def by_genai(client):
    types = genai.types
    part = types.Part
    answers = [("call_1", "cold"), ("call_2", "warm")]
    return client.models.generate_content(
        model="m",
        config=types.GenerateContentConfig(
            max_output_tokens=99, temperature=0.5, stop_sequences=["END"], system_instruction="Be brief.",
            tools=[types.Tool(function_declarations=[
                types.FunctionDeclaration(name="weather", description="Of today", parameters_json_schema=SCHEMA)
            ])],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(mode="ANY", allowed_function_names=["weather"])
            ),
        ),
        contents=[
            types.Content(role="user", parts=[
                part.from_bytes(data=PICTURE, mime_type="image/png"),
                part.from_bytes(data=PDF, mime_type="application/pdf"),
                part(text="Where is this?"),
            ]),
            types.Content(role="model", parts=[
                part(text="Let me see."),
                part(function_call=types.FunctionCall(id="call_1", name="weather", args={"city": "Oslo"})),
                part(function_call=types.FunctionCall(id="call_2", name="weather", args={"city": "Rome"})),
            ]),
            types.Content(role="user", parts=[
                part(function_response=types.FunctionResponse(id=id_, name="weather", response={"output": said}))
                for id_, said in answers
            ]),
            types.Content(role="model", parts=[part(text="In Oslo.")]),
            types.Content(role="user", parts=[part(text="Sure?")]),
        ],
    )  # fmt: skip


# name → (how it is asked, options that the SDK and the wire have)
ASKED = {
    "anthropic": (by_anthropic, {"max_tokens": 99, "stop": ("END",)}),
    "openai-chat": (by_chat, {"max_tokens": 99, "stop": ("END",), "temperature": 0.5}),
    "openai-responses": (by_responses, {"max_tokens": 99, "temperature": 0.5}),
    "google-genai": (by_genai, {"max_tokens": 99, "stop": ("END",), "temperature": 0.5}),
}
PROVIDERS = {
    "anthropic": "anthropic",
    "openai-chat": "openai-chat",
    "openai-responses": "openai",
    "google-genai": "gemini",
}


@each_sdk
def test_requests_are_read_equal_to_what_was_asked(server, clients, sdk):
    """By the vendor's SDK and by llmkit."""
    ask, options = ASKED[sdk]
    ask(clients[sdk])
    options = {**options, "tools": [WEATHER], "tool_choice": "weather", "model": "m"}
    server.client(PROVIDERS[sdk]).complete(CONVERSATION, **options)
    for recorded in server.requests:
        assert recorded.messages == [NAMELESS.get(sdk, {}).get(at, each) for at, each in enumerate(CONVERSATION)]
        found = dict(recorded.request.options)
        assert found.pop("system", "Be brief.") == "Be brief."  # where the wire has a place apart for it
        (tool,) = found.pop("tools")
        assert (tool.name, tool.description, tool.parameters) == ("weather", "Of today", SCHEMA)
        assert found == {name: value for name, value in options.items() if name != "tools"}


# ---- what people use of them -----------------------------------------------------------------------------------------


def weather(city: str) -> str:
    """The weather of today.

    Args:
        city: Its name.
    """
    return f"cold in {city}"


def run_by_anthropic(client, **options):
    tool = anthropic.beta_tool(weather)
    said = [{"role": "user", "content": "How is it in Oslo?"}]
    return client.beta.messages.tool_runner(
        model="m", max_tokens=99, tools=[tool], messages=said, **options
    ).until_done()


def run_with_all_sent(client):
    return run_by_anthropic(client, thread=False)


def run_by_genai(client):
    return client.models.generate_content(model="m", contents="How is it in Oslo?", config={"tools": [weather]})


RUNS = {
    "anthropic": ("anthropic", run_by_anthropic),  # which has the host keep the conversation
    "anthropic, all sent": ("anthropic", run_with_all_sent),
    "google-genai": ("google-genai", run_by_genai),
}


@pytest.mark.parametrize(("sdk", "run"), RUNS.values(), ids=RUNS.keys())
def test_tools_that_an_sdk_runs(server, clients, sdk, run):
    call = ToolCall("call_1", "weather", {"city": "Oslo"})
    server.reply(call)
    server.reply("It is cold.")
    assert "It is cold." in str(run(clients[sdk]))
    assert server.requests[-1].messages == [
        UserMessage("How is it in Oslo?"),
        AssistantMessage(call),
        UserMessage(call.result({"result": "cold in Oslo"} if sdk == "google-genai" else "cold in Oslo")),
    ]


def test_a_thread_that_is_lost(server, clients):
    """The SDK begins another one with all that was said."""
    tool = anthropic.beta_tool(weather)
    said = [{"role": "user", "content": "How is it in Oslo?"}]
    server.reply(ToolCall("call_1", "weather", {"city": "Oslo"}))
    runner = clients["anthropic"].beta.messages.tool_runner(model="m", max_tokens=99, tools=[tool], messages=said)
    steps = iter(runner)
    next(steps)
    server.reset()
    assert next(steps).content[0].text == "How is it in Oslo?"
    assert [request.json["thread"]["type"] for request in server.requests] == ["continue", "create"]
    assert len(server.requests[-1].messages) == 3


@each_mode
def test_answers_that_go_on(server, clients, stream):
    """What the host keeps of a conversation is in what was asked, and its text is echoed no more than any other."""
    create = clients["openai-responses"].responses.create
    call = ToolCall("call_1", "weather", {"city": "Oslo"})
    server.reply(call)
    first = create(model="m", input="How is it in Oslo?", stream=stream)
    last = list(first)[-1].response if stream else first
    output = {"type": "function_call_output", "call_id": "call_1", "output": "cold"}
    second = create(model="m", input=[output], previous_response_id=last.id)
    assert second.output_text == "How is it in Oslo?"
    third = create(model="m", input="Sure?", previous_response_id=second.id, store=False)
    assert server.requests[-1].messages == [
        UserMessage("How is it in Oslo?"),
        AssistantMessage(call),
        UserMessage(call.result("cold")),
        AssistantMessage("How is it in Oslo?"),
        UserMessage("Sure?"),
    ]
    assert server.requests[-1].json["input"] == "Sure?"
    create(model="m", input="Really?", previous_response_id=third.id)  # which was not to be stored
    assert server.requests[-1].messages == [UserMessage("Really?")]


def test_objects_that_an_sdk_reads(server, clients):
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        people: int

    for _ in range(4):
        server.reply('{"name": "Oslo", "people": 700000}')
    oslo, said = City(name="Oslo", people=700000), [{"role": "user", "content": "The capital of Norway?"}]
    gpt, claude, gemini = (clients[name] for name in ("openai-chat", "anthropic", "google-genai"))
    chat = gpt.chat.completions.parse(model="m", messages=said, response_format=City)
    assert chat.choices[0].message.parsed == oslo
    assert gpt.responses.parse(model="m", input="The capital of Norway?", text_format=City).output_parsed == oslo
    parsed = claude.messages.parse(model="m", max_tokens=99, messages=said, output_format=City)
    assert parsed.parsed_output == oslo
    config = {"response_mime_type": "application/json", "response_schema": City}
    assert gemini.models.generate_content(model="m", contents="Norway?", config=config).parsed == oslo
    assert server.scripted == 0


def test_chats_of_an_sdk(server, clients):
    chat = clients["google-genai"].chats.create(model="m")
    assert chat.send_message("one").text == "one"
    assert "".join(chunk.text for chunk in chat.send_message_stream("two three")) == "two three"
    assert [message.text for message in server.requests[-1].messages] == ["one", "one", "two three"]


def test_clients_with_a_loop(server, shared):
    """The server is another thread, so that a loop does not matter to it."""
    import asyncio

    async def ask():
        async with anthropic.AsyncAnthropic(base_url=shared.url, api_key="k") as client:
            said = [{"role": "user", "content": SAID}]
            asked = [client.messages.create(model="m", max_tokens=99, messages=said) for _ in range(4)]
            return [answer.content[0].text for answer in await asyncio.gather(*asked)]

    server.latency = 0.05
    assert asyncio.run(ask()) == [SAID] * 4


def test_led_by_the_environment(server, monkeypatch):
    """As docs/testing.md says, without an argument."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with anthropic.Anthropic() as claude, openai.OpenAI() as gpt, genai.Client() as gemini:
        assert whole("anthropic", claude, PATIENCE) == SAID
        assert whole("openai-chat", gpt, PATIENCE) == SAID
        assert whole("openai-responses", gpt, PATIENCE) == SAID
        assert whole("google-genai", gemini, PATIENCE) == SAID
    assert len(server.requests) == 4
