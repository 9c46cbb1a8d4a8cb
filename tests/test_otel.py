"""Spans and metrics, as OpenTelemetry's SDK exports them, against the names of its own package of conventions."""

import gc
import json
import logging
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes, server_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode
from sockets import PATIENCE, Server, reply

from llmkit import (
    AssistantMessage,
    Audio,
    Client,
    ConfigurationError,
    Document,
    Image,
    LLMKitError,
    Opaque,
    RateLimit,
    Refusal,
    Request,
    ServerTool,
    StreamClosedError,
    SystemMessage,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
    Video,
    observing,
    otel,
    providers,
)
from llmkit.otel.content import input_messages

PROMPT = "What is the colour of tea?"
KEY = "sk-traced-nowhere-0123456789"


class Telemetry:
    """What was exported."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def __call__(self, client=None, **options):
        otel.instrument(client, tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def span(self):
        """The only one."""
        assert len(self.spans) == 1, [span.name for span in self.spans]
        return self.spans[0]

    def metrics(self):
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else data.resource_metrics[0].scope_metrics
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name):
        return self.metrics()[name].data.data_points

    def text(self):
        return "".join(span.to_json() for span in self.spans) + self.reader.get_metrics_data().to_json()


@pytest.fixture
def telemetry():
    """OpenTelemetry's SDK, and what llmkit has told it; all clients are instrumented."""
    found = Telemetry()
    found()
    yield found
    otel.uninstrument()


def wait_for(telemetry, count):
    until = time.monotonic() + PATIENCE
    while len(telemetry.spans) < count and time.monotonic() < until:
        time.sleep(0.01)


def weather(city: str) -> str:
    """The weather."""
    return f"Rain in {city}."


def broken(city: str) -> str:
    """The weather."""
    raise LookupError(city)


def sorry(city: str) -> ToolResult:
    """The weather."""
    return ToolResult("", content=f"No such place: {city}", is_error=True)


def doubtful(city: str) -> Exception:
    """The weather."""
    return LookupError(city)


def long(city: str) -> ToolResult:
    """The weather."""
    return ToolResult("", content=[f"Rain in {city}.", "More rain."])


# What the conventions say.

MODULES = (gen_ai_attributes, error_attributes, server_attributes)
# Of the words that hosts had before, the package says what has replaced them.
REPLACED = {
    match[1]
    for module in MODULES
    for match in re.finditer(
        r'^[A-Z_]+: Final = "(.+)"\n"""\n(?:Deprecated: (?:Replaced|Removed))',
        Path(module.__file__).read_text(),
        re.MULTILINE,
    )
}
ATTRIBUTES = {
    value for module in MODULES for name, value in vars(module).items() if name.isupper() and isinstance(value, str)
} - REPLACED
METRICS = {value for name, value in vars(gen_ai_metrics).items() if name.isupper() and isinstance(value, str)}


def everything(server):
    """Calls of all kinds, in all four formats, that end in all ways."""
    for provider in ("anthropic", "openai", "openai-chat", "gemini"):
        client = server.client(provider, max_retries=0)
        server.reply('{"value": 3}', usage=Usage(12, 34, 5))
        client.complete(PROMPT, system="Be terse.", output_type=int, max_tokens=99)
        list(client.stream(PROMPT))
        server.fault("overloaded")
        with pytest.raises(LLMKitError):
            client.complete(PROMPT)
        client.models()
    client = server.client("anthropic", max_retries=1)
    server.reply("Brown.", usage=Usage(12, 34, cache_write_tokens=3))
    client.complete(PROMPT)
    client.count_tokens(PROMPT)
    client.batches.create([Request(PROMPT, id="one")])
    server.client("openai").embed(["a"], dimensions=8)
    server.reply([ToolCall("c1", "weather", {"city": "Ely"}), ToolCall("c2", "broken", {"city": "Ely"})])
    server.fault("overloaded")
    client.chat(tools=[weather, broken]).send(PROMPT)


@pytest.mark.parametrize("capture", [False, True], ids=["silent", "capturing"])
def test_all_names_are_the_conventions(capture, telemetry, server):
    assert "gen_ai.system" in REPLACED
    telemetry(capture_content=capture)
    everything(server)
    found = {key for span in telemetry.spans for key in span.attributes}
    assert found <= ATTRIBUTES, found - ATTRIBUTES
    assert telemetry.metrics().keys() <= METRICS
    told = {key for name in telemetry.metrics() for point in telemetry.points(name) for key in point.attributes}
    assert told <= ATTRIBUTES
    contents = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"}
    contents |= {"gen_ai.tool.definitions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    assert found & contents == (contents if capture else set())


def test_metrics_are_made_as_the_conventions_make_them(telemetry, server):
    list(server.client("anthropic").stream(PROMPT))
    other = InMemoryMetricReader()
    meter = MeterProvider([other]).get_meter("theirs")
    for made in (
        gen_ai_metrics.create_gen_ai_client_operation_duration(meter),
        gen_ai_metrics.create_gen_ai_client_operation_time_to_first_chunk(meter),
        gen_ai_metrics.create_gen_ai_client_token_usage(meter),
    ):
        made.record(1)
    theirs = {metric.name: metric for metric in other.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics}
    ours = telemetry.metrics()
    assert ours.keys() == theirs.keys()
    assert {name: metric.unit for name, metric in ours.items()} == {name: one.unit for name, one in theirs.items()}
    # https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
    seconds = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
    tokens = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
    assert {name: metric.data.data_points[0].explicit_bounds for name, metric in ours.items()} == {
        "gen_ai.client.operation.duration": seconds,
        "gen_ai.client.operation.time_to_first_chunk": seconds,
        "gen_ai.client.token.usage": tokens,
    }


PROVIDERS = {
    "anthropic": "anthropic",
    "openai": "openai",
    "openai-chat": "openai",
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
    "moonshot": "moonshot_ai",  # newer than the package
    "groq": "groq",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "perplexity": "perplexity",
}


@pytest.mark.filterwarnings("ignore:The attribute:DeprecationWarning")
def test_hosts_have_the_conventions_names():
    rows = {row.name: row.telemetry or row.name for row in providers()}
    assert {name: rows[name] for name in PROVIDERS} == PROVIDERS
    wellknown = {one.value for one in gen_ai_attributes.GenAiProviderNameValues} | {"moonshot_ai"}
    named = {row.telemetry for row in providers() if row.telemetry is not None}
    assert named <= wellknown
    # Hosts that llmkit has no row for, and a word for whichever of Google's.
    elsewhere = {"aws.bedrock", "azure.ai.inference", "ibm.watsonx.ai", "gcp.gen_ai"}
    assert wellknown - elsewhere <= set(PROVIDERS.values())


# What stands on a span.


def test_a_call_with_everything(telemetry, server):
    client = server.client("openai-chat")
    server.reply("Brown.", usage=Usage(12, 34, cache_read_tokens=5, reasoning_tokens=9), finish_reason="length")
    response = client.complete(
        PROMPT,
        model="gpt-x",
        max_tokens=99,
        temperature=0.5,
        top_p=0.9,
        stop=["END"],
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.2,
    )
    span, port = telemetry.span(), int(server.url.rpartition(":")[2])
    assert (span.name, span.kind, span.status.status_code) == ("chat gpt-x", SpanKind.CLIENT, StatusCode.UNSET)
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.seed": 7,
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.response.id": response.id,
        "gen_ai.response.model": "gpt-x",
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 34,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 9,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert span.instrumentation_scope.name == "llmkit"


OPERATIONS = {
    "anthropic": ("chat m", lambda client: client.complete(PROMPT, model="m")),
    "openai": ("chat m", lambda client: client.complete(PROMPT, model="m")),
    "gemini": ("generate_content m", lambda client: client.complete(PROMPT, model="m")),
    "openai-chat": ("embeddings m", lambda client: client.embed("a", model="m")),
    "mistral": ("models", lambda client: client.models()),
}


@pytest.mark.parametrize("provider", OPERATIONS)
def test_names_of_spans(provider, telemetry, server):
    name, call = OPERATIONS[provider]
    call(server.client(provider))
    assert (telemetry.span().name, telemetry.span().kind) == (name, SpanKind.CLIENT)
    assert telemetry.span().attributes["gen_ai.operation.name"] == name.split()[0]


def test_embeddings(telemetry, server):
    server.client("openai").embed(["a", "b"], dimensions=5)
    told = telemetry.span().attributes
    assert (told["gen_ai.embeddings.dimension.count"], told["gen_ai.usage.input_tokens"]) == (5, 2)
    assert "gen_ai.usage.output_tokens" not in told
    assert [point.attributes["gen_ai.token.type"] for point in telemetry.points("gen_ai.client.token.usage")] == [
        "input"
    ]


def test_what_is_measured(telemetry, server):
    client = server.client("anthropic", model="claude-x", max_retries=0)
    server.reply("Brown.", usage=Usage(12, 34))
    client.complete(PROMPT)
    server.fault("overloaded")
    with pytest.raises(LLMKitError):
        client.complete(PROMPT)
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-x",
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
    }
    served = {**common, "gen_ai.response.model": "claude-x"}
    good, failed = telemetry.points("gen_ai.client.operation.duration")
    assert (dict(good.attributes), dict(failed.attributes)) == (served, {**common, "error.type": "OverloadedError"})
    assert 0 < good.sum < PATIENCE
    counts = {
        point.attributes["gen_ai.token.type"]: point.sum for point in telemetry.points("gen_ai.client.token.usage")
    }
    assert counts == {"input": 12, "output": 34}


def test_a_model_that_is_called_otherwise(telemetry, server):
    client = server.client("anthropic", aliases={"fast": "claude-x"})
    client.complete(PROMPT, model="fast")
    assert telemetry.span().attributes["gen_ai.request.model"] == "claude-x"


def test_options_have_the_types_of_the_conventions(telemetry, server):
    server.client("openai-chat", model="m").complete(
        PROMPT, temperature=1, top_p=1, frequency_penalty=0, presence_penalty=1, max_tokens=9, seed=7
    )
    told = {name.rpartition(".")[2]: type(value) for name, value in telemetry.span().attributes.items()}
    fractions = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
    assert [told[name] for name in fractions] == [float] * 4
    assert (told["max_tokens"], told["seed"]) == (int, int)


def test_an_object_is_asked_for(telemetry, server):
    server.reply('{"value": 3}')
    assert server.client("openai").complete(PROMPT, output_type=int).output == 3
    assert telemetry.span().attributes["gen_ai.output.type"] == "json"


def test_an_answer_that_does_not_fit_was_paid_for(telemetry, server):
    for _ in range(2):
        server.reply("no number", usage=Usage(10, 1))
    with pytest.raises(LLMKitError):
        server.client("openai").complete(PROMPT, output_type=int, output_retries=1)
    told = telemetry.span().attributes
    assert told["error.type"] == "OutputError"
    assert told["gen_ai.usage.input_tokens"] == 20
    assert telemetry.points("gen_ai.client.token.usage")[0].sum == 20


def test_no_usage_is_made_up(telemetry):
    choice = b'{"index":0,"finish_reason":"stop","message":{"content":"x"}}'
    body = b'{"id":"1","object":"chat.completion","model":"m","choices":[' + choice + b"]}"

    def script(wire):
        for _ in wire.requests():
            wire.send(reply(body, headers="content-type: application/json\r\n"))

    with Server(script) as server:
        Client("openai-chat", api_key=KEY, base_url=server.url).complete(PROMPT, model="m")
    assert not [key for key in telemetry.span().attributes if "usage" in key]
    assert "gen_ai.client.token.usage" not in telemetry.metrics()


# What is said, and what is not.

ENDS = {
    "answered": None,
    "too long": "too long",
    "cut": "cut stream",
    "not JSON": "not JSON",
}


@pytest.mark.parametrize("fault", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_nothing_that_was_said(fault, streamed, telemetry, server):
    client = server.client("anthropic", max_retries=0)
    server.reply([Thinking("a thought", signature="s"), "an answer of some length"])
    if fault is not None:
        server.fault(fault)
    error = None
    try:
        if streamed:
            list(client.stream(PROMPT, system="a rule"))
        else:
            client.complete(PROMPT, system="a rule")
    except LLMKitError as raised:
        error = type(raised).__name__
    span = telemetry.span()
    assert (error is None) == (fault is None)
    assert span.attributes.get("error.type") == error
    assert span.status.status_code is (StatusCode.UNSET if error is None else StatusCode.ERROR)
    assert (span.status.description, span.events) == (None, ())
    words = [words for words in (PROMPT, "a thought", "an answer", "a rule", "colour") if words in telemetry.text()]
    assert not words


def said(span, name):
    return json.loads(span.attributes[name])


def test_what_was_said_if_asked_for(telemetry, server):
    telemetry(capture_content=True)
    server.reply(
        [Thinking("hm", signature="s"), ToolCall("c2", "weather", {"city": "Ely"})], finish_reason="tool_calls"
    )
    server.client("anthropic").complete(
        [
            SystemMessage("Be terse."),
            UserMessage([PROMPT, Image(data=b"GIF89a", media_type="image/gif"), Image(url="https://x.test/a.png")]),
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Ur"}}],
            },
            UserMessage(
                [ToolResult("c1", content=["Rain.", Image(data=b"GIF89a", media_type="image/gif")]), "And Ely?"]
            ),
        ],
        tools=[weather, ServerTool({"type": "web_search_20250305", "name": "web_search"})],
    )
    span = telemetry.span()
    gif = {"type": "blob", "modality": "image", "mime_type": "image/gif", "content": "", "size": 6}
    assert said(span, "gen_ai.system_instructions") == [{"type": "text", "content": "Be terse."}]
    assert said(span, "gen_ai.input.messages") == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": PROMPT},
                gif,
                {"type": "uri", "modality": "image", "mime_type": None, "uri": "https://x.test/a.png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Ur"}}],
        },
        {
            "role": "tool",
            "parts": [
                {"type": "tool_call_response", "id": "c1", "response": [{"type": "text", "content": "Rain."}, gif]}
            ],
        },
        {"role": "user", "parts": [{"type": "text", "content": "And Ely?"}]},
    ]
    assert said(span, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "id": "c2", "name": "weather", "arguments": {"city": "Ely"}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert said(span, "gen_ai.tool.definitions") == [
        {"type": "function", "name": "weather"},
        {"type": "web_search_20250305", "name": "web_search"},
    ]


WAV = b"RIFF\4\0\0\0WAVE"
PARTS = {
    "a refusal": (Refusal("No."), {"type": "refusal", "content": "No."}),
    "a block of the wire's own": (
        Opaque("anthropic-messages", {"type": "mystery", "text": "long"}),
        {"type": "mystery", "wire": "anthropic-messages"},
    ),
    "a file": (
        Document(file_id="file_1", media_type="application/pdf"),
        {"type": "file", "modality": "document", "mime_type": "application/pdf", "file_id": "file_1"},
    ),
    "sound": (
        Audio(data=WAV, media_type="audio/wav"),
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "", "size": 12},
    ),
    "a film": (
        Video(url="https://x.test/a.mp4", media_type="video/mp4"),
        {"type": "uri", "modality": "video", "mime_type": "video/mp4", "uri": "https://x.test/a.mp4"},
    ),
    "arguments that are none": (
        ToolCall("c1", "weather", {}, raw="{oops"),
        {"type": "tool_call", "id": "c1", "name": "weather", "arguments": "{oops"},
    ),
}


@pytest.mark.parametrize(("part", "expected"), PARTS.values(), ids=PARTS.keys())
def test_parts(part, expected):
    role, holder = ("assistant", AssistantMessage) if isinstance(part, (Refusal, ToolCall)) else ("user", UserMessage)
    written = input_messages([holder(["Look:", part])], lambda value: value)
    assert json.loads(written) == [{"role": role, "parts": [{"type": "text", "content": "Look:"}, expected]}]


def test_no_key_whatever_the_server_repeats(telemetry):
    telemetry(capture_content=True)
    body = (
        f'{{"id": "{KEY}", "type": "message", "role": "assistant", "model": "{KEY}", "stop_reason": "end_turn", '
        f'"content": [{{"type": "text", "text": "{KEY}"}}], "usage": {{"input_tokens": 1, "output_tokens": 1}}}}'
    ).encode()

    def script(wire):
        for _ in wire.requests():
            wire.send(reply(body, headers=f"content-type: application/json\r\nrequest-id: {KEY}\r\n"))

    with Server(script) as server:
        client = Client("anthropic", model="claude-x", api_key=KEY, base_url=server.url)
        client.complete(f"My key is {KEY}", system=KEY)
        list(client.stream(f"My key is {KEY}"))
    told = telemetry.text()
    assert "[key]" in told
    assert KEY[:9] not in told


class Account:
    def __repr__(self):
        return KEY


TOOL_RESULTS = {
    "text": ("Rain.", "Rain.", None),
    "an object": ({"rain": True}, '{"rain": true}', None),
    "a picture": ([Image(data=b"GIF89a", media_type="image/gif")], '"size": 6', None),
    "names that are none": ({(1, 2): 3}, None, "_OTHER"),
    "what has no JSON": (Account(), None, "_OTHER"),
}


@pytest.mark.parametrize(("returned", "shown", "error"), TOOL_RESULTS.values(), ids=TOOL_RESULTS.keys())
def test_the_result_of_a_tool_is_what_the_model_is_told(returned, shown, error, telemetry, server):
    def look() -> object:
        """Look."""
        return returned

    telemetry(capture_content=True)
    server.reply(ToolCall("c1", "look", {}))
    server.client("anthropic", api_key=KEY).chat(tools=[look]).send(PROMPT)
    (span,) = [span for span in telemetry.spans if span.name == "execute_tool look"]
    assert span.attributes.get("error.type") == error
    assert (shown or "") in span.attributes.get("gen_ai.tool.call.result", "")
    assert KEY not in telemetry.text()
    assert "GIF89a" not in telemetry.text()


ITSELF = {}
ITSELF["itself"] = ITSELF


@pytest.mark.parametrize(
    "arguments", [{"one": Account()}, {"two": {(1, 2): 3}}, ITSELF], ids=["object", "name", "cycle"]
)
def test_arguments_that_have_no_json(arguments, telemetry, server):
    telemetry(capture_content=True)
    call = ToolCall("c1", "look", arguments)
    with pytest.raises(ConfigurationError):
        server.client("anthropic", api_key=KEY).complete(
            [UserMessage(PROMPT), AssistantMessage([call]), UserMessage(call.result("No."))]
        )
    told = telemetry.span().attributes
    assert told["error.type"] == "ConfigurationError"
    assert json.loads(told["gen_ai.input.messages"])
    assert KEY not in telemetry.text()


def test_what_is_told_can_be_written_in_utf_8(telemetry):
    half = "\\ud800"
    body = (
        f'{{"id": "a{half}", "type": "message", "role": "assistant", "model": "m{half}", "stop_reason": "end_turn", '
        f'"content": [{{"type": "text", "text": "x{half}"}}], "usage": {{"input_tokens": 1, "output_tokens": 1}}}}'
    ).encode()

    def script(wire):
        for _ in wire.requests():
            wire.send(reply(body))

    telemetry(capture_content=True)
    with Server(script) as server:
        client = Client("anthropic", model="claude-x", api_key=KEY, base_url=server.url)
        client.complete("x\ud800", system="y\ud800", stop=["z\ud800"])
    told = dict(telemetry.span().attributes)
    assert (told["gen_ai.response.id"], told["gen_ai.response.model"]) == ("a\ufffd", "m\ufffd")
    assert "x\ufffd" in told["gen_ai.input.messages"]
    assert repr(told).encode().decode() == repr(told)
    assert "ud800" not in repr(told)


# Where spans stand.


def test_a_call_is_a_child_of_its_callers_span(telemetry, server):
    with telemetry.tracers.get_tracer("app").start_as_current_span("view") as view:
        server.client("anthropic").complete(PROMPT)
        list(server.client("anthropic").stream(PROMPT))
        assert trace.get_current_span() is view
    assert [span.parent.span_id for span in telemetry.spans[:2]] == [view.context.span_id] * 2


MANY = {
    "map": lambda client: list(client.map(["a", "b", "c"], concurrency=3)),
    "submit": lambda client: [future.result() for future in [client.submit(text) for text in "abc"]],
}


@pytest.mark.parametrize("call", MANY.values(), ids=MANY.keys())
def test_rows_are_children_in_their_threads(call, telemetry, server):
    with telemetry.tracers.get_tracer("app").start_as_current_span("job") as job:
        call(server.client("anthropic"))
    rows = [span for span in telemetry.spans if span.name.startswith("chat")]
    assert [span.parent.span_id for span in rows] == [job.context.span_id] * 3


def test_what_is_sent_is_sent_within_it(telemetry, server):
    """So that what traces HTTP makes its spans below."""
    current = []

    def auth(request):
        current.append(trace.get_current_span().get_span_context().span_id)
        return request

    client = server.client("anthropic", auth=auth)
    client.complete(PROMPT)
    list(client.stream(PROMPT))
    server.fault("error event first")  # sent again by the first `next`
    list(client.stream(PROMPT))
    one, other, again = (span.context.span_id for span in telemetry.spans)
    assert current == [one, other, again, again]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("streamed", [False, True], ids=["send", "stream"])
def test_tools(streamed, telemetry, server):
    tools = [weather, broken, sorry, doubtful, long]
    server.reply([ToolCall(f"c{number}", tool.__name__, {"city": "Ely"}) for number, tool in enumerate(tools)])
    server.reply("Wet.")
    chat = server.client("anthropic", model="m").chat(tools=tools)
    with telemetry.tracers.get_tracer("app").start_as_current_span("agent") as agent:
        list(chat.stream(PROMPT)) if streamed else chat.send(PROMPT)
    assert [span.name for span in telemetry.spans if span.name.startswith("chat")] == ["chat m"] * 2
    lookup = {"error.type": "LookupError"}
    runs = {span.name: span for span in telemetry.spans if span.name.startswith("execute_tool")}
    assert {name: dict(span.attributes) for name, span in runs.items()} == {
        f"execute_tool {tool.__name__}": {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool.__name__,
            "gen_ai.tool.call.id": f"c{number}",
            "gen_ai.tool.description": "The weather.",
            "gen_ai.tool.type": "function",
            **error,
        }
        for number, (tool, error) in enumerate(
            zip(tools, [{}, lookup, {"error.type": "_OTHER"}, lookup, {}], strict=True)
        )
    }
    assert {span.kind for span in runs.values()} == {SpanKind.INTERNAL}
    assert {span.parent.span_id for span in runs.values()} == {agent.context.span_id}


def test_what_tools_do_is_below_them(telemetry, server):
    client = server.client("anthropic", model="m")

    def ask(question: str) -> str:
        """Ask another."""
        return client.complete(question).text

    server.reply([ToolCall("c1", "ask", {"question": "Why?"}), ToolCall("c2", "long", {"city": "Ely"})])
    telemetry(capture_content=True)
    client.chat(tools=[ask, long]).send(PROMPT)
    spans = {span.name: span for span in telemetry.spans}
    (asked,) = [
        span for span in telemetry.spans if span.attributes.get("gen_ai.input.messages", "").count("Why?") == 1
    ][:1]
    run = spans["execute_tool ask"]
    assert asked.parent.span_id == run.context.span_id
    assert said(run, "gen_ai.tool.call.arguments") == {"question": "Why?"}
    assert run.attributes["gen_ai.tool.call.result"] == "Why?"
    assert [part["content"] for part in said(spans["execute_tool long"], "gen_ai.tool.call.result")] == [
        "Rain in Ely.",
        "More rain.",
    ]


def test_lines_of_the_log_have_the_ids_of_their_spans(telemetry, stalled, server):
    seen = []
    handler = logging.Handler()
    handler.emit = lambda _: seen.append(trace.get_current_span().get_span_context().span_id)
    observing.LOG.addHandler(handler)
    observing.LOG.setLevel(logging.INFO)
    try:
        client = server.client("anthropic")
        client.complete(PROMPT)
        list(client.stream(PROMPT))
        forgotten(stalled.stream(PROMPT))
        wait_for(telemetry, 3)
    finally:
        observing.LOG.removeHandler(handler)
        observing.LOG.setLevel(logging.NOTSET)
    assert seen == [span.context.span_id for span in telemetry.spans]


def test_retries_are_events_of_one_span(telemetry, server):
    server.fault("overloaded")
    server.client("anthropic").complete(PROMPT)
    (event,) = telemetry.span().events
    assert event.name == "llmkit.retry"
    assert (event.attributes["attempt"], event.attributes["error.type"]) == (1, "OverloadedError")


# When streams end.


@pytest.fixture
def stalled():
    """A client of a host whose streams begin and never end."""
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Bro"}}'
    start = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"claude-x","content":[],"stop_reason":null,"usage":{"input_tokens":7}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\nevent: content_block_delta\ndata: ' + delta + b"\n\n"
    )

    def script(wire):
        for _ in wire.requests():
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + start)
            wire.hang()

    with Server(script) as server, Client("anthropic", model="claude-x", api_key=KEY, base_url=server.url) as client:
        yield client


def closed(stream):
    with stream:
        next(stream)


def forgotten(stream):
    next(stream)
    del stream
    gc.collect()


def unread(stream):
    del stream
    gc.collect()


def closed_from_elsewhere(stream):
    next(stream)
    timer = threading.Timer(0.1, stream.close)
    timer.start()
    with pytest.raises(StreamClosedError):
        next(stream)
    timer.join()


LEAVING = {
    "closed": closed,
    "forgotten": forgotten,
    "never read": unread,
    "closed from another thread": closed_from_elsewhere,
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())
def test_streams_that_are_left(leave, telemetry, stalled):
    before = time.time_ns()

    def left():
        leave(stalled.stream(PROMPT))

    left()
    wait_for(telemetry, 1)
    after, span = time.time_ns(), telemetry.span()
    assert span.status.status_code is StatusCode.UNSET
    assert before <= span.start_time <= span.end_time <= after
    assert "error.type" not in span.attributes
    assert "gen_ai.response.finish_reasons" not in span.attributes
    if leave is not unread:
        assert span.attributes["gen_ai.response.id"] == "msg_1"
        assert span.attributes["gen_ai.usage.input_tokens"] == 7
        assert 0 < span.attributes["gen_ai.response.time_to_first_chunk"] < PATIENCE
    # What the rest was billed nobody knows.
    assert "gen_ai.client.token.usage" not in telemetry.metrics()
    assert telemetry.points("gen_ai.client.operation.duration")[0].count == 1


def test_a_stream_ends_when_all_of_it_has_come(telemetry, server):
    stream = server.client("anthropic").stream(PROMPT)
    assert not telemetry.spans
    list(stream)
    span = telemetry.span()
    assert span.attributes["gen_ai.request.stream"] is True
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    stream.close()
    del stream
    gc.collect()
    assert len(telemetry.spans) == 1


FAILING = {
    "not accepted": ("overloaded", "OverloadedError"),
    "cut": ("cut stream", "IncompleteStreamError"),
    "an error inside": ("error event", "OverloadedError"),
}


@pytest.mark.parametrize(("fault", "error"), FAILING.values(), ids=FAILING.keys())
def test_streams_that_fail(fault, error, telemetry, server):
    server.reply("one two three four")
    server.fault(fault)
    client = server.client("anthropic", max_retries=0)
    with pytest.raises(LLMKitError):
        list(client.stream(PROMPT))
    gc.collect()
    span = telemetry.span()
    assert (span.attributes["error.type"], span.status.status_code) == (error, StatusCode.ERROR)


def test_an_interrupted_stream(telemetry, stalled):
    def interrupt(*_):
        raise KeyboardInterrupt

    stream = stalled.stream(PROMPT)
    next(stream)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert telemetry.span().attributes["error.type"] == "StreamError"


# Who is instrumented.


def test_one_client_alone(server):
    telemetry, one, other = Telemetry(), server.client("anthropic"), server.client("anthropic")
    limited = one.with_options(rate_limit=RateLimit(concurrent=1))
    telemetry(one)
    for client in (one, other, one.with_options(temperature=1), limited):
        client.complete(PROMPT)
    assert len(telemetry.spans) == 3
    otel.uninstrument(one)
    one.complete(PROMPT)
    assert len(telemetry.spans) == 3


def test_a_client_of_its_own_is_told_of_once(telemetry, server):
    own, client = Telemetry(), server.client("anthropic")
    own(client)
    client.complete(PROMPT)
    assert (len(own.spans), len(telemetry.spans)) == (1, 0)
    otel.uninstrument(client)
    client.complete(PROMPT)
    assert (len(own.spans), len(telemetry.spans)) == (1, 1)


def test_again_is_instead(telemetry, server):
    telemetry()
    server.client("anthropic").complete(PROMPT)
    assert len(telemetry.spans) == 1
    otel.uninstrument()
    server.client("anthropic").complete(PROMPT)
    assert len(telemetry.spans) == 1


def test_a_fallback_is_all_its_members(server):
    telemetry = Telemetry()
    server.fault("overloaded")
    first = server.client("openai", model="a", max_retries=0)
    client = Client.fallback([first, server.client("anthropic", model="b")])
    telemetry(client)
    client.complete(PROMPT)
    assert [(span.name, span.attributes.get("error.type")) for span in telemetry.spans] == [
        ("chat a", "OverloadedError"),
        ("chat b", None),
    ]
    otel.uninstrument(client)
    client.complete(PROMPT)
    assert len(telemetry.spans) == 2


def test_the_global_providers_are_the_default(server):
    """Of which there are none here: it costs a span that nobody records."""
    otel.instrument(capture_content=True)
    try:
        assert server.client("anthropic").complete(PROMPT).text == PROMPT
        assert list(server.client("anthropic").stream(PROMPT))
    finally:
        otel.uninstrument()


def test_only_clients_can_be_instrumented():
    with pytest.raises(ConfigurationError, match="client: expected a Client"):
        otel.instrument("anthropic")


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'llmkit\[otel\]'"):
        otel.instrument()
